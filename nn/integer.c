#include "nn/integer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/curve.h"

/* The node whose memory this one's is. */
static size_t root_of(const ap_network *net, size_t i) {
  while (net->nodes[i].kind == AP_NODE_FLATTEN) i = net->nodes[i].inputs[0];
  return i;
}

/* Roots that layers read. */
static ap_status mark_rounded(const ap_network *net, const ap_integer_layer *layers, double most,
                              ap_integer_value *values, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  for (size_t l = 0; l < n; l++) {
    const ap_integer_layer *layer = &layers[l];
    ap_integer_value *v = &values[root_of(net, net->nodes[layer->info.node].inputs[0])];
    if (v->rounded && (v->zero_point != layer->zero_point || v->unit < layer->input_scale ||
                       v->unit > layer->input_scale)) {
      return ap_fail(err, AP_ERR_ARG, "%s: its input has scale %g in another layer, here %g",
                     layer->info.name, v->unit, layer->input_scale);
    }
    *v = (ap_integer_value){layer->input_scale, true, layer->zero_point, -(float)layer->zero_point,
                            (float)(most - layer->zero_point)};
  }
  return AP_OK;
}

ap_status ap_integer_values(const ap_network *net, const ap_integer_layer *layers,
                            unsigned activation_bits, ap_integer_value *values, ap_error *err) {
  size_t *users = ap_calloc(net->n_nodes, sizeof *users), *user = NULL;
  ap_status st = AP_OK;
  for (size_t i = 0; i < net->n_nodes; i++) values[i] = (ap_integer_value){.unit = 1};
  user = ap_calloc(net->n_nodes, sizeof *user);
  if (!users || !user) {
    st = ap_fail(err, AP_ERR_MEMORY, "values of %zu nodes", net->n_nodes);
    goto done;
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    if (node->kind == AP_NODE_FLATTEN) continue;
    for (size_t j = 0; j < node->n_inputs; j++) {
      size_t root = root_of(net, node->inputs[j]);
      users[root]++;
      user[root] = i;
    }
  }
  users[root_of(net, net->n_nodes - 1)] += 2; /* the outputs are in steps of 1 */
  st = mark_rounded(net, layers, ldexp(1.0, (int)activation_bits) - 1, values, err);
  if (st) goto done;
  for (size_t i = net->n_nodes; i-- > 0;) {
    if (!values[i].rounded && users[i] == 1) values[i].unit = values[user[i]].unit;
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    bool moves = node->kind == AP_NODE_SHORTCUT || node->kind == AP_NODE_GATHER;
    if (moves && !values[i].rounded && users[i] == 1) {
      values[i].unit = values[root_of(net, node->inputs[0])].unit;
    }
    values[i] = values[root_of(net, i)];
  }
done:
  ap_free(users);
  ap_free(user);
  return st;
}

ap_status ap_integer_factors(double input_scale, const float *scale, const float *bias, double unit,
                             size_t n, float *factor, float *shift, ap_error *err) {
  for (size_t i = 0; i < n; i++) {
    factor[i] = (float)(input_scale * (double)scale[i] / unit);
    shift[i] = bias ? (float)((double)bias[i] / unit) : 0;
    if (!isfinite(factor[i]) || !isfinite(shift[i])) {
      return ap_fail(err, AP_ERR_ARG, "column %zu: scale %g, bias %g in steps of %g", i,
                     (double)scale[i], bias ? (double)bias[i] : 0.0, unit);
    }
  }
  return AP_OK;
}

ap_status ap_integer_narrow(const int32_t *weight, size_t n, int8_t *out, ap_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (weight[i] < -INT8_MAX || weight[i] > INT8_MAX) {
      return ap_fail(err, AP_ERR_ARG,
                     "weight %zu is %d, expected -127..127: weights of up to 8 bits", i,
                     (int)weight[i]);
    }
    out[i] = (int8_t)weight[i];
  }
  return AP_OK;
}

float ap_integer_sum(float x, float rx, float y, float ry) {
  const bool same = !(rx < 1) && !(rx > 1);
  return same ? fmaf(y, ry, x) : fmaf(x, rx, y * ry);
}

float ap_integer_ratio(double from_unit, double to_unit) { return (float)(from_unit / to_unit); }

void ap_integer_affine(const ap_node *node, size_t c, double from_unit, double to_unit,
                       float *factor, float *shift) {
  double scale = (double)node->weight[c] / sqrt((double)node->var[c] + (double)node->epsilon);
  *factor = (float)(scale * from_unit / to_unit);
  *shift = (float)(((double)node->bias[c] - (double)node->mean[c] * scale) / to_unit);
}

float ap_integer_pixel(const ap_network *net, size_t channel, unsigned pixel, double unit) {
  double mean = (double)net->mean[channel], std = (double)net->std[channel];
  return (float)(((double)pixel / 255 - mean) / std / unit);
}

float ap_integer_product_factor(double x_unit, double y_unit, double to_unit) {
  return (float)(x_unit * y_unit / to_unit);
}

float ap_integer_curve(ap_curve curve, float x, double x_unit, double to_unit) {
  return ap_curve_value(curve, x * (float)x_unit) * (float)(1 / to_unit);
}

double ap_integer_norm_epsilon(float epsilon, double x_unit) {
  return (double)epsilon / (x_unit * x_unit);
}

float ap_integer_round(const ap_integer_value *value, float v) {
  if (!value->rounded) return v;
  v = rintf(v);
  return v < value->least ? value->least : v > value->most ? value->most : v;
}
