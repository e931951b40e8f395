/* nn/integer.h - the quantised network: what is an integer, what 1 stands for, how values are
 * rounded. One definition for all that compute it: the reference (pruners/integer_network.h), the
 * data path of the hardware, the fast evaluator (nn/evaluator.h).
 *
 * Layers (CONV and LINEAR) multiply integers: weights w with one scale per output column, inputs q
 * in 0 .. 2^bits - 1 with one scale and zero point per tensor.
 *   sum     a = sum over k of (q[k] - zero_point) * w[k][n]       exact
 *   output  v = (float)a * factor[n] + shift[n]                  fused: one float32 rounding
 * A node's value v is a float32 in steps of `unit`. Where a layer reads the node, unit is that
 * layer's input scale and v becomes the nearest integer (halves to even), limited to the codes: q =
 * v + zero_point. Everybody reads those integers then, shortcuts and pools too. Other nodes have the
 * unit of the node that reads them (a SHORTCUT or GATHER that one node reads: of its input, since they
 * only move values), or 1. Operations between layers are float32: an input times (float)(its unit / the
 * result's), rounded once; a product and the sum behind it fused, rounded once together
 * (ap_integer_sum, ap_integer_affine); a pool's sums in the order of the rows and columns. No step
 * depends on other images. */
#ifndef AP_NN_INTEGER_H
#define AP_NN_INTEGER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  ap_layer_info info; /* name is the owner's; weight_bits is never 0 */
  size_t groups;      /* equal sets of columns with inputs of their own */
  int32_t *weight;    /* K x N */
  float *scale;       /* N */
  int64_t *sums;      /* N: of a column's weights */
  double input_scale; /* > 0 */
  int32_t zero_point; /* 0..2^activation_bits - 1 */
} ap_integer_layer;

typedef struct {
  double unit;        /* what 1 stands for */
  bool rounded;       /* a layer reads it: an integer, least .. most */
  int32_t zero_point; /* rounded: what is added to make a code */
  float least, most;  /* rounded: -zero_point, 2^bits - 1 - zero_point */
} ap_integer_value;

/* values: one a node; a FLATTEN node's is its input's. layers: all of net, in order.
 * Errors: ARG when two layers read one tensor with different scales; MEMORY. */
AP_NODISCARD ap_status ap_integer_values(const ap_network *net, const ap_integer_layer *layers,
                                         unsigned activation_bits, ap_integer_value *values,
                                         ap_error *err);

/* From a column's scale and bias (NULL: 0) to what its sum is multiplied with and what is added.
 * factor, shift: n. Errors: ARG naming a column whose numbers are not finite. */
AP_NODISCARD ap_status ap_integer_factors(double input_scale, const float *scale, const float *bias,
                                          double unit, size_t n, float *factor, float *shift,
                                          ap_error *err);

/* Weights as bytes. Errors: ARG for one outside -127..127. */
AP_NODISCARD ap_status ap_integer_narrow(const int32_t *weight, size_t n, int8_t *out,
                                         ap_error *err);

float ap_integer_ratio(double from_unit, double to_unit); /* (float)(from / to) */
/* ADD of values x and y whose units are rx and ry times the sum's: x + y * ry fused where rx is 1, else
 * x * rx + (y * ry) with the first product fused. (A layer's value is in the sum's unit: its multiplication by
 * 1 is left out, whichever of the two it is.) */
float ap_integer_sum(float x, float rx, float y, float ry);
/* BATCHNORM: v = x * *factor + *shift fused, from one unit to another. */
void ap_integer_affine(const ap_node *node, size_t channel, double from_unit, double to_unit,
                       float *factor, float *shift);
/* An input pixel, normalised, not rounded yet. */
float ap_integer_pixel(const ap_network *net, size_t channel, unsigned pixel, double unit);
/* MULTIPLY: v = (x * y) * factor, rounded twice; the factor from the units of x, y and the product. */
float ap_integer_product_factor(double x_unit, double y_unit, double to_unit);
/* CURVE: v = ap_curve_value(curve, x * (float)x_unit) * (float)(1 / to_unit) (kernels/curve.h). */
float ap_integer_curve(ap_curve curve, float x, double x_unit, double to_unit);
/* GROUPNORM, LAYERNORM: what ap_packed8_norm_run says (kernels/packed8.h) of the input's steps, with per_unit 1 / the unit of
 * the result, and epsilon in squares of the input's steps: */
double ap_integer_norm_epsilon(float epsilon, double x_unit);
float ap_integer_round(const ap_integer_value *value, float v); /* as is where not rounded */

AP_EXTERN_C_END
#endif
