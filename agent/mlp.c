#include "agent/mlp.h"

#include <math.h>
#include <string.h>

#include "agent/gemm_impl.h"
#include "base/alloc.h"

#define MAX_LAYERS ((size_t)8)
static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

/* Layer l holds weights[inputs][pad] and bias[pad], pad = outputs rounded up. Padding columns start
 * as zeros and stay so: their gradient is zero, because nothing reads them. */
typedef struct {
  size_t inputs, outputs, pad;
  size_t offset;     /* of the weights in the arrays of parameters; the bias follows */
  float *values;     /* max_batch x pad: what the layer gave */
  float *d_values;   /* the same shape: derivatives by its sums */
  float *transposed; /* outputs x pad of the inputs, rewritten by every backward */
  size_t in_pad;
} layer;

struct ap_mlp {
  size_t n_layers, max_batch, n_parameters;
  ap_mlp_output output;
  double power1, power2; /* beta1^t, beta2^t after t Adam steps */
  float *parameters, *gradient, *moment1, *moment2;
  float *d_input; /* max_batch x in_pad of layer 0 */
  layer layers[MAX_LAYERS];
};

static size_t padded(size_t n) {
  return (n + AP_GEMM_COLUMNS - 1) / AP_GEMM_COLUMNS * AP_GEMM_COLUMNS;
}

ap_status ap_mlp_create(size_t n_layers, const size_t *widths, ap_mlp_output output,
                        size_t max_batch, ap_mlp **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_mlp *net = NULL;
  *out = NULL;
  if (n_layers < 1 || n_layers > MAX_LAYERS || max_batch < 1 || max_batch > 1u << 20) {
    return ap_fail(err, AP_ERR_ARG,
                   "network of %zu layers for %zu samples: expected 1..%zu and 1..2^20", n_layers,
                   max_batch, MAX_LAYERS);
  }
  for (size_t l = 0; l <= n_layers; l++) {
    if (widths[l] < 1 || widths[l] > 1u << 16) {
      return ap_fail(err, AP_ERR_ARG, "layer width %zu: expected 1..65536", widths[l]);
    }
  }
  net = ap_calloc(1, sizeof *net);
  if (!net) goto memory;
  net->n_layers = n_layers;
  net->max_batch = max_batch;
  net->output = output;
  net->power1 = net->power2 = 1;
  for (size_t l = 0; l < n_layers; l++) {
    layer *y = &net->layers[l];
    y->inputs = widths[l];
    y->outputs = widths[l + 1];
    y->pad = padded(y->outputs);
    y->in_pad = padded(y->inputs);
    y->offset = net->n_parameters;
    net->n_parameters += (y->inputs + 1) * y->pad;
    y->values = ap_calloc(max_batch * y->pad, sizeof(float));
    y->d_values = ap_calloc(max_batch * y->pad, sizeof(float));
    y->transposed = ap_calloc(y->outputs * y->in_pad, sizeof(float));
    if (!y->values || !y->d_values || !y->transposed) goto memory;
  }
  net->parameters = ap_calloc(net->n_parameters, sizeof(float));
  net->gradient = ap_calloc(net->n_parameters, sizeof(float));
  net->moment1 = ap_calloc(net->n_parameters, sizeof(float));
  net->moment2 = ap_calloc(net->n_parameters, sizeof(float));
  net->d_input = ap_calloc(max_batch * net->layers[0].in_pad, sizeof(float));
  if (!net->parameters || !net->gradient || !net->moment1 || !net->moment2 || !net->d_input) {
    goto memory;
  }
  *out = net;
  net = NULL;
  goto done;
memory:
  st = ap_fail(err, AP_ERR_MEMORY, "agent network");
done:
  ap_mlp_destroy(net);
  return st;
}

void ap_mlp_destroy(ap_mlp *net) {
  if (!net) return;
  for (size_t l = 0; l < MAX_LAYERS; l++) {
    ap_free(net->layers[l].values);
    ap_free(net->layers[l].d_values);
    ap_free(net->layers[l].transposed);
  }
  ap_free(net->parameters);
  ap_free(net->gradient);
  ap_free(net->moment1);
  ap_free(net->moment2);
  ap_free(net->d_input);
  ap_free(net);
}

void ap_mlp_init(ap_mlp *net, size_t side, ap_rng *rng) {
  for (size_t l = 0; l < net->n_layers; l++) {
    const layer *y = &net->layers[l];
    size_t main_inputs = y->inputs - (l == 0 ? side : 0);
    double bound = 1 / sqrt((double)main_inputs), bound_side = side ? 1 / sqrt((double)side) : 0;
    float *w = net->parameters + y->offset;
    for (size_t i = 0; i <= y->inputs; i++) {
      double b = i >= main_inputs && i < y->inputs ? bound_side : bound;
      for (size_t j = 0; j < y->outputs; j++) {
        w[i * y->pad + j] = (float)(b * (2 * ap_rng_uniform(rng) - 1));
      }
    }
  }
}

void ap_mlp_forward(ap_mlp *net, size_t n, const float *input, float *output) {
  const float *x = input;
  size_t stride = net->layers[0].inputs;
  for (size_t l = 0; l < net->n_layers; l++) {
    const layer *y = &net->layers[l];
    const float *w = net->parameters + y->offset;
    ap_gemm(n, y->pad, y->inputs, x, stride, 1, w, w + y->inputs * y->pad, y->values);
    if (l + 1 < net->n_layers) {
      for (size_t i = 0; i < n * y->pad; i++) y->values[i] = y->values[i] > 0 ? y->values[i] : 0;
    }
    x = y->values;
    stride = y->pad;
  }
  for (size_t i = 0; i < n; i++) {
    const layer *y = &net->layers[net->n_layers - 1];
    for (size_t j = 0; j < y->outputs; j++) {
      float v = y->values[i * y->pad + j];
      if (net->output == AP_MLP_SIGMOID) v = 1 / (1 + expf(-v));
      output[i * y->outputs + j] = y->values[i * y->pad + j] = v;
    }
  }
}

/* to[outputs x in_pad] = transposed weights; columns past `inputs` stay zero. Blocks of 16 keep
 * both sides in cache. */
static void transpose(const layer *y, const float *w) {
  for (size_t i0 = 0; i0 < y->inputs; i0 += 16) {
    size_t i1 = i0 + 16 < y->inputs ? i0 + 16 : y->inputs;
    for (size_t j = 0; j < y->outputs; j++) {
      for (size_t i = i0; i < i1; i++) y->transposed[j * y->in_pad + i] = w[i * y->pad + j];
    }
  }
}

void ap_mlp_backward(ap_mlp *net, size_t n, const float *input, const float *d_output, bool weights,
                     float *d_input) {
  const layer *last = &net->layers[net->n_layers - 1];
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < last->outputs; j++) {
      float v = last->values[i * last->pad + j], d = d_output[i * last->outputs + j];
      if (net->output == AP_MLP_SIGMOID) d *= v * (1 - v);
      last->d_values[i * last->pad + j] = d;
    }
  }
  for (size_t l = net->n_layers; l-- > 0;) {
    const layer *y = &net->layers[l], *below = l ? &net->layers[l - 1] : NULL;
    const float *x = below ? below->values : input;
    size_t stride = below ? below->pad : y->inputs;
    if (weights) {
      float *d_weights = net->gradient + y->offset, *d_bias = d_weights + y->inputs * y->pad;
      ap_gemm(y->inputs, y->pad, n, x, 1, stride, y->d_values, NULL, d_weights);
      memset(d_bias, 0, y->pad * sizeof *d_bias);
      for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < y->pad; j++) d_bias[j] += y->d_values[i * y->pad + j];
      }
    }
    if (!below && !d_input) break;
    transpose(y, net->parameters + y->offset);
    if (below) {
      ap_gemm(n, y->in_pad, y->outputs, y->d_values, y->pad, 1, y->transposed, NULL,
              below->d_values);
      for (size_t i = 0; i < n * below->pad; i++) {
        below->d_values[i] = below->values[i] > 0 ? below->d_values[i] : 0;
      }
    } else {
      ap_gemm(n, y->in_pad, y->outputs, y->d_values, y->pad, 1, y->transposed, NULL, net->d_input);
      for (size_t i = 0; i < n; i++) {
        memcpy(d_input + i * y->inputs, net->d_input + i * y->in_pad, y->inputs * sizeof(float));
      }
    }
  }
}

void ap_mlp_adam(ap_mlp *net, double rate) {
  float *restrict w = net->parameters, *restrict m = net->moment1, *restrict v = net->moment2;
  const float *restrict g = net->gradient;
  float step, root, b1 = (float)beta1, b2 = (float)beta2, small = (float)epsilon;
  net->power1 *= beta1;
  net->power2 *= beta2;
  step = (float)(rate / (1 - net->power1));
  root = (float)(1 / sqrt(1 - net->power2));
  for (size_t i = 0; i < net->n_parameters; i++) {
    m[i] = b1 * m[i] + (1 - b1) * g[i];
    v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
    w[i] -= step * m[i] / (sqrtf(v[i]) * root + small);
  }
}

void ap_mlp_follow(ap_mlp *target, const ap_mlp *net, double fraction) {
  float *restrict to = target->parameters;
  const float *restrict from = net->parameters;
  float f = (float)fraction;
  if (fraction >= 1) {
    memcpy(to, from, net->n_parameters * sizeof *to);
    return;
  }
  for (size_t i = 0; i < net->n_parameters; i++) to[i] += f * (from[i] - to[i]);
}

float *ap_mlp_parameter(ap_mlp *net, size_t l, size_t i, size_t j) {
  return net->parameters + net->layers[l].offset + i * net->layers[l].pad + j;
}

float ap_mlp_gradient(const ap_mlp *net, size_t l, size_t i, size_t j) {
  return net->gradient[net->layers[l].offset + i * net->layers[l].pad + j];
}

size_t ap_mlp_state_bytes(const ap_mlp *net) {
  return 2 * sizeof(double) + 3 * net->n_parameters * sizeof(float);
}

void ap_mlp_state_get(const ap_mlp *net, void *bytes) {
  char *to = bytes;
  size_t block = net->n_parameters * sizeof(float);
  memcpy(to, &net->power1, sizeof(double));
  memcpy(to + sizeof(double), &net->power2, sizeof(double));
  to += 2 * sizeof(double);
  memcpy(to, net->parameters, block);
  memcpy(to + block, net->moment1, block);
  memcpy(to + 2 * block, net->moment2, block);
}

void ap_mlp_state_set(ap_mlp *net, const void *bytes) {
  const char *from = bytes;
  size_t block = net->n_parameters * sizeof(float);
  memcpy(&net->power1, from, sizeof(double));
  memcpy(&net->power2, from + sizeof(double), sizeof(double));
  from += 2 * sizeof(double);
  memcpy(net->parameters, from, block);
  memcpy(net->moment1, from + block, block);
  memcpy(net->moment2, from + 2 * block, block);
}
