/* Gates and channels by number: as backend_ops.c, checks, the empty cases, then the backend's table. */
#include "kernels/checks_impl.h"

/* ---- curves, products of images --------------------------------------------------------------- */

static ap_status check_curve(const char *op, ap_curve curve, ap_error *err) {
  if (curve > AP_CURVE_NONE && curve < AP_CURVES) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s: curve %d", op, (int)curve);
}

ap_status ap_curve_forward(ap_backend *be, ap_curve curve, size_t count, ap_buffer *x, ap_buffer *y,
                           ap_error *err) {
  const ap_operand list[] = {{"x", x, count, AP_IN | AP_ALIAS}, {"y", y, count, AP_OUT | AP_ALIAS}};
  ap_status st = check_curve("curve_forward", curve, err);
  if (!st) st = ap_check_operands(be, "curve_forward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->curve_forward(be, curve, count, ap_f32(x), ap_f32(y), err);
}

ap_status ap_curve_backward(ap_backend *be, ap_curve curve, size_t count, ap_buffer *kept,
                            ap_buffer *dy, ap_buffer *dx, bool accumulate, ap_error *err) {
  const unsigned alias = accumulate ? 0 : AP_ALIAS;
  const ap_operand list[] = {{"kept", kept, count, AP_IN},
                             {"dy", dy, count, AP_IN | alias},
                             {"dx", dx, count, AP_OUT | alias}};
  ap_status st = check_curve("curve_backward", curve, err);
  if (!st) st = ap_check_operands(be, "curve_backward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->curve_backward(be, curve, count, ap_f32(kept), ap_f32(dy), ap_f32(dx), accumulate,
                                 err);
}

static ap_status check_gate(const char *op, const ap_gate_shape *s, size_t *count, ap_error *err) {
  const ap_dimension list[] = {{"planes", s->planes, false}, {"pixels", s->pixels, false}};
  *count = ap_saturating_mul(s->planes, s->pixels);
  return ap_check_dimensions(op, list, AP_N_OF(list), err);
}

ap_status ap_multiply(ap_backend *be, const ap_gate_shape *shape, ap_buffer *a, ap_buffer *b,
                      ap_buffer *y, bool accumulate, ap_error *err) {
  size_t count = 0;
  ap_status st = check_gate("multiply", shape, &count, err);
  if (st) return st;
  const unsigned alias = accumulate ? 0 : AP_ALIAS, alias_b = shape->per_plane ? 0 : alias;
  const ap_operand list[] = {{"a", a, count, AP_IN | alias},
                             {"b", b, shape->per_plane ? shape->planes : count, AP_IN | alias_b},
                             {"y", y, count, AP_OUT | alias}};
  st = ap_check_operands(be, "multiply", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->multiply(be, shape, ap_f32(a), ap_f32(b), ap_f32(y), accumulate, err);
}

ap_status ap_multiply_sum(ap_backend *be, const ap_gate_shape *shape, ap_buffer *a, ap_buffer *b,
                          ap_buffer *y, bool accumulate, ap_error *err) {
  size_t count = 0;
  ap_status st = check_gate("multiply_sum", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {
      {"a", a, count, AP_IN}, {"b", b, count, AP_IN}, {"y", y, shape->planes, AP_OUT}};
  st = ap_check_operands(be, "multiply_sum", list, AP_N_OF(list), err);
  if (st || shape->planes == 0 || (count == 0 && accumulate)) return st;
  if (count == 0) return be->ops->fill(be, ap_f32(y), 0, shape->planes, err);
  return be->ops->multiply_sum(be, shape, ap_f32(a), ap_f32(b), ap_f32(y), accumulate, err);
}

/* ---- channels by number -------------------------------------------------------------------- */

static ap_status check_gather(const char *op, const ap_gather_shape *s, size_t *n_x, size_t *n_y,
                              ap_error *err) {
  const ap_dimension list[] = {{"n", s->n, false},
                               {"c_from", s->c_from, false},
                               {"c_to", s->c_to, false},
                               {"hw", s->hw, false}};
  *n_x = ap_saturating_mul3(s->n, s->c_from, s->hw);
  *n_y = ap_saturating_mul3(s->n, s->c_to, s->hw);
  return ap_check_dimensions(op, list, AP_N_OF(list), err);
}

ap_status ap_gather_forward(ap_backend *be, const ap_gather_shape *shape, ap_buffer *picks,
                            ap_buffer *x, ap_buffer *y, ap_error *err) {
  size_t n_x = 0, n_y = 0;
  ap_status st = check_gather("gather_forward", shape, &n_x, &n_y, err);
  if (st) return st;
  const ap_operand list[] = {
      {"picks", picks, shape->c_to, AP_IN}, {"x", x, n_x, AP_IN}, {"y", y, n_y, AP_OUT}};
  st = ap_check_operands(be, "gather_forward", list, AP_N_OF(list), err);
  if (st || n_y == 0) return st;
  return be->ops->gather_forward(be, shape, (const void *)picks->data, ap_f32(x), ap_f32(y), err);
}

ap_status ap_gather_backward(ap_backend *be, const ap_gather_shape *shape, ap_buffer *starts,
                             ap_buffer *users, ap_buffer *dy, ap_buffer *dx, bool accumulate,
                             ap_error *err) {
  size_t n_x = 0, n_y = 0;
  ap_status st = check_gather("gather_backward", shape, &n_x, &n_y, err);
  if (st) return st;
  const ap_operand list[] = {{"starts", starts, shape->c_from + 1, AP_IN},
                             {"users", users, shape->c_to, AP_IN},
                             {"dy", dy, n_y, AP_IN},
                             {"dx", dx, n_x, AP_OUT}};
  st = ap_check_operands(be, "gather_backward", list, AP_N_OF(list), err);
  if (st || n_x == 0) return st;
  return be->ops->gather_backward(be, shape, (const void *)starts->data, (const void *)users->data,
                                  ap_f32(dy), ap_f32(dx), accumulate, err);
}
