/* What stands between the layers: float32 in steps of the nodes' units, sums in the order of rows
 * and columns (nn/integer.h). */
#include <math.h>
#include <string.h>

#include "kernels/packed8.h"
#include "pruners/integer_impl.h"

static size_t floats_of(ap_shape3 s) { return s.c * s.h * s.w; }

/* One node's work: how its first input's steps become its own. */
typedef struct {
  const ap_node *node;
  ap_shape3 in;
  const ap_integer_value *value;
  double from, to; /* units */
  float ratio;
  size_t n; /* images */
} job;

static void batchnorm(const job *j, const float *x, float *y) {
  size_t pixels = j->node->shape.h * j->node->shape.w;
  for (size_t i = 0; i < j->n * j->node->shape.c; i++) {
    float factor, shift;
    ap_integer_affine(j->node, i % j->node->shape.c, j->from, j->to, &factor, &shift);
    for (size_t p = i * pixels; p < (i + 1) * pixels; p++) {
      y[p] = ap_integer_round(j->value, fmaf(x[p], factor, shift));
    }
  }
}

static void relu(const job *j, const float *x, float *y) {
  float ceiling = (float)((double)j->node->ceiling / j->to);
  for (size_t i = 0; i < j->n * floats_of(j->node->shape); i++) {
    float v = x[i] * j->ratio;
    v = v > 0 ? v : 0;
    y[i] = ap_integer_round(j->value, v < ceiling ? v : ceiling);
  }
}

static void add(const job *j, const float *x, const float *other, float other_ratio, float *y) {
  for (size_t i = 0; i < j->n * floats_of(j->node->shape); i++) {
    y[i] = ap_integer_round(j->value, ap_integer_sum(x[i], j->ratio, other[i], other_ratio));
  }
}

static void multiply(const job *j, const float *x, const float *other, double unit,
                     bool per_channel, float *y) {
  float factor = ap_integer_product_factor(j->from, unit, j->to);
  size_t pixels = j->node->shape.h * j->node->shape.w;
  for (size_t i = 0; i < j->n * floats_of(j->node->shape); i++) {
    y[i] = ap_integer_round(j->value, x[i] * other[per_channel ? i / pixels : i] * factor);
  }
}

static void curve(const job *j, const float *x, float *y) {
  for (size_t i = 0; i < j->n * floats_of(j->node->shape); i++) {
    y[i] = ap_integer_round(j->value, ap_integer_curve(j->node->curve, x[i], j->from, j->to));
  }
}

/* Values k = 0 .. count - 1 of a set, `step` apart. */
static void norm_set(const job *j, const float *x, size_t count, size_t step, float *y) {
  const double epsilon = ap_integer_norm_epsilon(j->node->epsilon, j->from);
  double sum = 0, squares = 0;
  for (size_t k = 0; k < count; k++) sum += (double)x[k * step];
  const float mean = (float)(sum / (double)count);
  for (size_t k = 0; k < count; k++) {
    const double d = (double)(x[k * step] - mean);
    squares += d * d;
  }
  const float factor = ap_packed8_norm_factor(squares, count, epsilon, 1 / j->to);
  for (size_t k = 0; k < count; k++)
    y[k * step] = ap_integer_round(j->value, (x[k * step] - mean) * factor);
}

static void norm(const job *j, const float *x, float *y) {
  const ap_shape3 s = j->node->shape;
  const size_t pixels = s.h * s.w, image = s.c * pixels, groups = j->node->groups;
  for (size_t i = 0; i < j->n; i++, x += image, y += image) {
    for (size_t p = 0; p < pixels && j->node->kind == AP_NODE_LAYERNORM; p++)
      norm_set(j, x + p, s.c, pixels, y + p);
    for (size_t g = 0; g < groups && j->node->kind == AP_NODE_GROUPNORM; g++)
      norm_set(j, x + g * (image / groups), image / groups, 1, y + g * (image / groups));
  }
}

static void gather(const job *j, const float *x, float *y) {
  const ap_node *node = j->node;
  size_t pixels = node->shape.h * node->shape.w;
  for (size_t i = 0; i < j->n * node->shape.c; i++) {
    const float *from = x + (i / node->shape.c * j->in.c + node->picks[i % node->shape.c]) * pixels;
    for (size_t p = 0; p < pixels; p++) {
      y[i * pixels + p] = ap_integer_round(j->value, from[p] * j->ratio);
    }
  }
}

/* Pixels [y0, y1) x [x0, x1) of the map that a window covers; padding counts only as a divisor. */
static float window(const job *j, const float *plane, size_t oy, size_t ox) {
  const ap_node *node = j->node;
  ap_shape3 in = j->in;
  size_t top = oy * node->stride_h, left = ox * node->stride_w;
  size_t y0 = top > node->pad_top ? top - node->pad_top : 0;
  size_t x0 = left > node->pad_left ? left - node->pad_left : 0;
  size_t y1 = top + node->kh - node->pad_top < in.h ? top + node->kh - node->pad_top : in.h;
  size_t x1 = left + node->kw - node->pad_left < in.w ? left + node->kw - node->pad_left : in.w;
  double divisor = (double)(node->count_padding ? node->kh * node->kw : (y1 - y0) * (x1 - x0));
  float sum = 0, largest = y0 < y1 && x0 < x1 ? plane[y0 * in.w + x0] : 0;
  for (size_t y = y0; y < y1; y++) {
    for (size_t x = x0; x < x1; x++) {
      float value = plane[y * in.w + x];
      if (value > largest) largest = value;
      sum += value;
    }
  }
  if (node->kind == AP_NODE_MAXPOOL) return largest * j->ratio;
  return sum * ap_integer_ratio(j->from / j->to, divisor);
}

static void pool(const job *j, const float *x, float *y) {
  const ap_node *node = j->node;
  size_t pixels = node->shape.h * node->shape.w;
  for (size_t i = 0; i < j->n * j->in.c; i++) {
    for (size_t p = 0; p < pixels; p++) {
      float v = window(j, x + i * j->in.h * j->in.w, p / node->shape.w, p % node->shape.w);
      y[i * pixels + p] = ap_integer_round(j->value, v);
    }
  }
}

static void shortcut(const job *j, const float *x, float *y) {
  const ap_node *node = j->node;
  ap_shape3 out = node->shape, in = j->in;
  memset(y, 0, j->n * floats_of(out) * sizeof *y);
  for (size_t i = 0; i < j->n * in.c; i++) {
    const float *from = x + i * in.h * in.w;
    float *to = y + (i / in.c * out.c + node->channels_before + i % in.c) * out.h * out.w;
    for (size_t p = 0; p < out.h * out.w; p++) {
      float v = from[p / out.w * node->stride_h * in.w + p % out.w * node->stride_w];
      to[p] = ap_integer_round(j->value, v * j->ratio);
    }
  }
}

static void concat(const ap_integer_network *in, const job *j, float *const *data, float *y) {
  size_t all = floats_of(j->node->shape), at = 0;
  for (size_t k = 0; k < j->node->n_inputs; k++) {
    size_t input = j->node->inputs[k], part = floats_of(in->net->nodes[input].shape);
    float ratio = ap_integer_ratio(in->values[input].unit, j->to);
    for (size_t i = 0; i < j->n * part; i++) {
      float v = data[input][i] * ratio;
      y[i / part * all + at + i % part] = ap_integer_round(j->value, v);
    }
    at += part;
  }
}

void ap_integer_node(const ap_integer_network *in, size_t index, size_t n, float *const *data) {
  const ap_node *node = &in->net->nodes[index];
  size_t first = node->inputs[0];
  const float *x = data[first];
  float *y = data[index];
  job j = {.node = node,
           .in = in->net->nodes[first].shape,
           .value = &in->values[index],
           .from = in->values[first].unit,
           .to = in->values[index].unit,
           .n = n};
  j.ratio = ap_integer_ratio(j.from, j.to);
  switch (node->kind) {
    case AP_NODE_BATCHNORM:
      batchnorm(&j, x, y);
      break;
    case AP_NODE_RELU:
      relu(&j, x, y);
      break;
    case AP_NODE_ADD:
      add(&j, x, data[node->inputs[1]], ap_integer_ratio(in->values[node->inputs[1]].unit, j.to),
          y);
      break;
    case AP_NODE_MULTIPLY:
      multiply(&j, x, data[node->inputs[1]], in->values[node->inputs[1]].unit,
               ap_node_scales_channels(in->net, node), y);
      break;
    case AP_NODE_CURVE:
      curve(&j, x, y);
      break;
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      norm(&j, x, y);
      break;
    case AP_NODE_GATHER:
      gather(&j, x, y);
      break;
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      pool(&j, x, y);
      break;
    case AP_NODE_SHORTCUT:
      shortcut(&j, x, y);
      break;
    case AP_NODE_CONCAT:
      concat(in, &j, data, y);
      break;
    case AP_NODE_FLATTEN: /* the same memory */
    case AP_NODE_INPUT:
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
    case AP_NODE_KINDS:
      break;
  }
}
