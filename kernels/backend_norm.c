/* Normalisation of an image by itself: as backend_ops.c, checks, the empty cases, then the backend's table. */
#include <math.h>

#include "kernels/checks_impl.h"

static ap_status check_sets(const char *op, const ap_norm_shape *s, size_t *count, ap_error *err) {
  const ap_dimension list[] = {
      {"outer", s->outer, false}, {"count", s->count, false}, {"inner", s->inner, false}};
  *count = ap_saturating_mul3(s->outer, s->count, s->inner);
  if (!(s->epsilon > 0) || !isfinite(s->epsilon))
    return ap_fail(err, AP_ERR_ARG, "%s: epsilon is %g, must be positive", op, (double)s->epsilon);
  return ap_check_dimensions(op, list, AP_N_OF(list), err);
}

ap_status ap_norm_forward(ap_backend *be, const ap_norm_shape *shape, ap_buffer *x, ap_buffer *y,
                          ap_error *err) {
  size_t count = 0;
  ap_status st = check_sets("norm_forward", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, count, AP_IN | AP_ALIAS}, {"y", y, count, AP_OUT | AP_ALIAS}};
  st = ap_check_operands(be, "norm_forward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->norm_forward(be, shape, ap_f32(x), ap_f32(y), err);
}

ap_status ap_norm_backward(ap_backend *be, const ap_norm_shape *shape, ap_buffer *x, ap_buffer *dy,
                           ap_buffer *dx, bool accumulate, ap_error *err) {
  const unsigned alias = accumulate ? 0 : AP_ALIAS;
  size_t count = 0;
  ap_status st = check_sets("norm_backward", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {
      {"x", x, count, AP_IN}, {"dy", dy, count, AP_IN | alias}, {"dx", dx, count, AP_OUT | alias}};
  st = ap_check_operands(be, "norm_backward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->norm_backward(be, shape, ap_f32(x), ap_f32(dy), ap_f32(dx), accumulate, err);
}
