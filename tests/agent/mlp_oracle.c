#include "mlp_oracle.h"

#include <math.h>
#include <string.h>

double *oracle_parameter(oracle *net, size_t l, size_t i, size_t j) {
  return &net->values[l][i * net->widths[l + 1] + j];
}

void oracle_copy(oracle *to, ap_mlp *net, size_t n_layers, const size_t *widths, bool sigmoid) {
  memset(to, 0, sizeof *to);
  to->n_layers = n_layers;
  to->sigmoid = sigmoid;
  memcpy(to->widths, widths, (n_layers + 1) * sizeof *widths);
  for (size_t l = 0; l < n_layers; l++) {
    for (size_t i = 0; i <= widths[l]; i++) {
      for (size_t j = 0; j < widths[l + 1]; j++) {
        *oracle_parameter(to, l, i, j) = (double)*ap_mlp_parameter(net, l, i, j);
      }
    }
  }
}

void oracle_forward(const oracle *net, const double *input, double *output) {
  double x[ORACLE_MOST], y[ORACLE_MOST];
  memcpy(x, input, net->widths[0] * sizeof *x);
  for (size_t l = 0; l < net->n_layers; l++) {
    size_t in = net->widths[l], out = net->widths[l + 1];
    for (size_t j = 0; j < out; j++) {
      double sum = net->values[l][in * out + j];
      for (size_t i = 0; i < in; i++) sum += x[i] * net->values[l][i * out + j];
      if (l + 1 < net->n_layers) sum = fmax(sum, 0);
      if (l + 1 == net->n_layers && net->sigmoid) sum = 1 / (1 + exp(-sum));
      y[j] = sum;
    }
    memcpy(x, y, out * sizeof *x);
  }
  memcpy(output, x, net->widths[net->n_layers] * sizeof *output);
}
