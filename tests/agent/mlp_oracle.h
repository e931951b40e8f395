/* tests/agent/mlp_oracle.h - the same networks in plain double loops, to compare with. */
#ifndef AP_TESTS_AGENT_MLP_ORACLE_H
#define AP_TESTS_AGENT_MLP_ORACLE_H
#include <stddef.h>

#include "agent/mlp.h"

#define ORACLE_MOST 512

typedef struct {
  size_t n_layers;
  size_t widths[9];
  bool sigmoid;
  double values[9][ORACLE_MOST * 8]; /* layer l: (inputs + 1) x outputs, the bias last */
} oracle;

void oracle_copy(oracle *to, ap_mlp *net, size_t n_layers, const size_t *widths, bool sigmoid);
double *oracle_parameter(oracle *net, size_t l, size_t i, size_t j);
/* One sample. */
void oracle_forward(const oracle *net, const double *input, double *output);

#endif
