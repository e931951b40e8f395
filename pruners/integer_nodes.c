/* What stands between the layers, in floats: sums in double, in a fixed order. */
#include <math.h>
#include <string.h>

#include "pruners/integer_impl.h"

static size_t floats_of(ap_shape3 s) { return s.c * s.h * s.w; }

static void batchnorm(const ap_node *node, size_t n, const float *x, float *y) {
  size_t pixels = node->shape.h * node->shape.w;
  for (size_t i = 0; i < n * node->shape.c; i++) {
    size_t c = i % node->shape.c;
    double factor = (double)node->weight[c] / sqrt((double)node->var[c] + (double)node->epsilon);
    for (size_t p = 0; p < pixels; p++) {
      double centred = (double)x[i * pixels + p] - (double)node->mean[c];
      y[i * pixels + p] = (float)(centred * factor + (double)node->bias[c]);
    }
  }
}

static void relu(size_t count, float ceiling, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i] > ceiling ? ceiling : x[i];
}

/* Pixels [y0, y1) x [x0, x1) of the map that a window covers; padding counts only as a divisor. */
static float window(const ap_node *node, ap_shape3 in, const float *plane, size_t oy, size_t ox) {
  size_t top = oy * node->stride_h, left = ox * node->stride_w;
  size_t y0 = top > node->pad_top ? top - node->pad_top : 0;
  size_t x0 = left > node->pad_left ? left - node->pad_left : 0;
  size_t y1 = top + node->kh - node->pad_top < in.h ? top + node->kh - node->pad_top : in.h;
  size_t x1 = left + node->kw - node->pad_left < in.w ? left + node->kw - node->pad_left : in.w;
  double sum = 0, divisor = (double)((y1 - y0) * (x1 - x0));
  float largest = plane[y0 * in.w + x0];
  for (size_t y = y0; y < y1; y++) {
    for (size_t x = x0; x < x1; x++) {
      float value = plane[y * in.w + x];
      if (value > largest) largest = value;
      sum += (double)value;
    }
  }
  if (node->kind == AP_NODE_MAXPOOL) return largest;
  if (node->count_padding) divisor = (double)(node->kh * node->kw);
  return (float)(sum / divisor);
}

static void pool(const ap_node *node, ap_shape3 in, size_t n, const float *x, float *y) {
  size_t pixels = node->shape.h * node->shape.w;
  for (size_t i = 0; i < n * in.c; i++) {
    for (size_t p = 0; p < pixels; p++) {
      y[i * pixels + p] =
          window(node, in, x + i * in.h * in.w, p / node->shape.w, p % node->shape.w);
    }
  }
}

static void shortcut(const ap_node *node, ap_shape3 in, size_t n, const float *x, float *y) {
  ap_shape3 out = node->shape;
  memset(y, 0, n * floats_of(out) * sizeof *y);
  for (size_t i = 0; i < n * in.c; i++) {
    const float *from = x + i * in.h * in.w;
    float *to = y + (i / in.c * out.c + node->channels_before + i % in.c) * out.h * out.w;
    for (size_t p = 0; p < out.h * out.w; p++) {
      to[p] = from[p / out.w * node->stride_h * in.w + p % out.w * node->stride_w];
    }
  }
}

static void concat(const ap_network *net, const ap_node *node, size_t n, float *const *values,
                   float *y) {
  size_t all = floats_of(node->shape), at = 0;
  for (size_t k = 0; k < node->n_inputs; k++) {
    const float *x = values[node->inputs[k]];
    size_t part = floats_of(net->nodes[node->inputs[k]].shape);
    for (size_t i = 0; i < n; i++) memcpy(y + i * all + at, x + i * part, part * sizeof *y);
    at += part;
  }
}

void ap_integer_node(const ap_network *net, size_t index, size_t n, float *const *values) {
  const ap_node *node = &net->nodes[index];
  const float *x = values[node->inputs[0]], *other = NULL;
  ap_shape3 in = net->nodes[node->inputs[0]].shape;
  float *y = values[index];
  size_t count = n * floats_of(node->shape);
  switch (node->kind) {
    case AP_NODE_BATCHNORM:
      batchnorm(node, n, x, y);
      break;
    case AP_NODE_RELU:
      relu(count, node->ceiling, x, y);
      break;
    case AP_NODE_ADD:
      other = values[node->inputs[1]];
      for (size_t i = 0; i < count; i++) y[i] = x[i] + other[i];
      break;
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      pool(node, in, n, x, y);
      break;
    case AP_NODE_SHORTCUT:
      shortcut(node, in, n, x, y);
      break;
    case AP_NODE_CONCAT:
      concat(net, node, n, values, y);
      break;
    case AP_NODE_FLATTEN: /* the same memory */
    case AP_NODE_INPUT:
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
    case AP_NODE_KINDS:
      break;
  }
}
