/* agent/mlp.h - small fully connected networks for actor and critic: forward, backward, Adam.
 *
 * float32, hidden layers ReLU, the last one linear or sigmoid. One thread, and every sum runs in
 * the order of its index, so that a result is the same bits for any batch size and vector width.
 * Matrices are row-major, one sample a row. A network is confined to one thread. */
#ifndef AP_AGENT_MLP_H
#define AP_AGENT_MLP_H
#include <stdbool.h>
#include <stddef.h>

#include "base/rng.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef enum { AP_MLP_LINEAR, AP_MLP_SIGMOID } ap_mlp_output;
typedef struct ap_mlp ap_mlp;

/* widths[0..n_layers]: inputs, hidden units ..., outputs; all > 0, n_layers 1..8. max_batch > 0
 * samples at most in one call. Parameters start as zeros. Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_mlp_create(size_t n_layers, const size_t *widths, ap_mlp_output output,
                                     size_t max_batch, ap_mlp **out, ap_error *err);
void ap_mlp_destroy(ap_mlp *net); /* NULL is allowed */

/* Uniform in +-1/sqrt(fan-in), weights and biases. The last `side` inputs (< inputs) form a branch
 * of their own in the first layer, as the action does in a critic: their fan-in is `side`, that of
 * the others inputs - side. (A sum of two branches before the first ReLU is one layer on both.) */
void ap_mlp_init(ap_mlp *net, size_t side, ap_rng *rng);

/* output: n x outputs for input: n x inputs; n <= max_batch. Keeps what backward needs. */
void ap_mlp_forward(ap_mlp *net, size_t n, const float *input, float *output);

/* After forward with the same n and input. d_output: n x outputs, the derivative of a scalar by the
 * outputs. Fills the gradient by the parameters (if `weights`; else the old one stays), and
 * d_input: n x inputs (if not NULL). */
void ap_mlp_backward(ap_mlp *net, size_t n, const float *input, const float *d_output, bool weights,
                     float *d_input);

/* One Adam step (beta 0.9, 0.999, epsilon 1e-8) along the last gradient. */
void ap_mlp_adam(ap_mlp *net, double rate);

/* target += fraction * (net - target), of equal shapes. fraction 1 copies. */
void ap_mlp_follow(ap_mlp *target, const ap_mlp *net, double fraction);

/* Parameter of layer l from input i to output j; i == widths[l] names the bias. For tests. */
float *ap_mlp_parameter(ap_mlp *net, size_t l, size_t i, size_t j);
float ap_mlp_gradient(const ap_mlp *net, size_t l, size_t i, size_t j);

/* All that a resumed run needs: parameters and Adam's moments, as one block of memory. */
size_t ap_mlp_state_bytes(const ap_mlp *net);
void ap_mlp_state_get(const ap_mlp *net, void *bytes);
void ap_mlp_state_set(ap_mlp *net, const void *bytes);

AP_EXTERN_C_END
#endif
