/* One function per operation: checks, the empty cases, then the backend's table. */
#include <math.h>

#include "kernels/checks_impl.h"

static size_t mul4(size_t a, size_t b, size_t c, size_t d) {
  return ap_saturating_mul(ap_saturating_mul3(a, b, c), d);
}

static size_t out_size(size_t in, size_t before, size_t after, size_t kernel, size_t stride) {
  size_t padded = in + before + after;
  if (padded < in || padded < kernel || stride == 0 || kernel == 0) return 0;
  return (padded - kernel) / stride + 1;
}

/* ---- convolution --------------------------------------------------------------------------- */

/* What a filter of k taps covers; 0 for none. */
static size_t reach(size_t k, size_t dilation) {
  return k ? ap_saturating_mul(k - 1, dilation ? dilation : 1) + 1 : 0;
}

size_t ap_conv_out_h(const ap_conv_shape *s) {
  return out_size(s->h, s->pad_top, s->pad_bottom, reach(s->kh, s->dilation_h), s->stride_h);
}

size_t ap_conv_out_w(const ap_conv_shape *s) {
  return out_size(s->w, s->pad_left, s->pad_right, reach(s->kw, s->dilation_w), s->stride_w);
}

typedef struct {
  size_t x, w, y; /* elements */
} conv_counts;

/* *full: the shape with dilations of at least 1, for the backend. */
static ap_status check_conv(const char *op, const ap_conv_shape *s, conv_counts *counts,
                            ap_conv_shape *full, ap_error *err) {
  const ap_dimension list[] = {
      {"n", s->n, false},
      {"c_in", s->c_in, false},
      {"h", s->h, false},
      {"w", s->w, false},
      {"c_out", s->c_out, false},
      {"kh", s->kh, true},
      {"kw", s->kw, true},
      {"stride_h", s->stride_h, true},
      {"stride_w", s->stride_w, true},
      {"pad_top", s->pad_top, false},
      {"pad_left", s->pad_left, false},
      {"pad_bottom", s->pad_bottom, false},
      {"pad_right", s->pad_right, false},
      {"groups", s->groups, true},
      {"dilation_h", s->dilation_h, false},
      {"dilation_w", s->dilation_w, false},
      {"c_in * kh * kw", ap_saturating_mul3(s->c_in, s->kh, s->kw), false},
      {"output pixels", ap_saturating_mul(ap_conv_out_h(s), ap_conv_out_w(s)), false},
      {"input pixels", ap_saturating_mul(s->h, s->w), false},
  };
  ap_status st = ap_check_dimensions(op, list, AP_N_OF(list), err);
  if (st) return st;
  if (s->c_in % s->groups != 0 || s->c_out % s->groups != 0) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s: %zu groups do not divide %zu input and %zu output channels", op, s->groups,
                   s->c_in, s->c_out);
  }
  *full = *s;
  if (!full->dilation_h) full->dilation_h = 1;
  if (!full->dilation_w) full->dilation_w = 1;
  counts->x = mul4(s->n, s->c_in, s->h, s->w);
  counts->w = mul4(s->c_out, s->c_in / s->groups, s->kh, s->kw);
  counts->y = mul4(s->n, s->c_out, ap_conv_out_h(s), ap_conv_out_w(s));
  return AP_OK;
}

ap_status ap_conv_forward(ap_backend *be, const ap_conv_shape *shape, ap_buffer *x, ap_buffer *w,
                          ap_buffer *bias, ap_buffer *y, ap_error *err) {
  conv_counts n;
  ap_conv_shape full;
  ap_status st = check_conv("conv_forward", shape, &n, &full, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, n.x, AP_IN},
                             {"w", w, n.w, AP_IN},
                             {"bias", bias, shape->c_out, AP_IN | AP_OPTIONAL},
                             {"y", y, n.y, AP_OUT}};
  st = ap_check_operands(be, "conv_forward", list, AP_N_OF(list), err);
  if (st || n.y == 0) return st;
  return be->ops->conv_forward(be, &full, ap_f32(x), ap_f32(w), ap_f32(bias), ap_f32(y), err);
}

ap_status ap_conv_backward_data(ap_backend *be, const ap_conv_shape *shape, ap_buffer *dy,
                                ap_buffer *w, ap_buffer *dx, bool accumulate, ap_error *err) {
  conv_counts n;
  ap_conv_shape full;
  ap_status st = check_conv("conv_backward_data", shape, &n, &full, err);
  if (st) return st;
  const ap_operand list[] = {{"dy", dy, n.y, AP_IN}, {"w", w, n.w, AP_IN}, {"dx", dx, n.x, AP_OUT}};
  st = ap_check_operands(be, "conv_backward_data", list, AP_N_OF(list), err);
  if (st || n.x == 0) return st;
  if (n.y == 0) return accumulate ? AP_OK : be->ops->fill(be, ap_f32(dx), 0, n.x, err);
  return be->ops->conv_backward_data(be, &full, ap_f32(dy), ap_f32(w), ap_f32(dx), accumulate, err);
}

ap_status ap_conv_backward_filter(ap_backend *be, const ap_conv_shape *shape, ap_buffer *x,
                                  ap_buffer *dy, ap_buffer *dw, ap_buffer *dbias, ap_error *err) {
  conv_counts n;
  ap_conv_shape full;
  ap_status st = check_conv("conv_backward_filter", shape, &n, &full, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, n.x, AP_IN},
                             {"dy", dy, n.y, AP_IN},
                             {"dw", dw, n.w, AP_OUT},
                             {"dbias", dbias, shape->c_out, AP_OUT | AP_OPTIONAL}};
  st = ap_check_operands(be, "conv_backward_filter", list, AP_N_OF(list), err);
  if (st || shape->c_out == 0) return st;
  if (n.y == 0) {
    if (n.w > 0) st = be->ops->fill(be, ap_f32(dw), 0, n.w, err);
    if (!st && dbias) st = be->ops->fill(be, ap_f32(dbias), 0, shape->c_out, err);
    return st;
  }
  return be->ops->conv_backward_filter(be, &full, ap_f32(x), ap_f32(dy), ap_f32(dw), ap_f32(dbias),
                                       err);
}

/* ---- batch normalisation ------------------------------------------------------------------- */

static ap_status check_bn(const char *op, const ap_bn_shape *s, size_t *count, ap_error *err) {
  const ap_dimension list[] = {{"n", s->n, false}, {"c", s->c, false}, {"hw", s->hw, false}};
  ap_status st = ap_check_dimensions(op, list, AP_N_OF(list), err);
  if (st) return st;
  if (!(s->epsilon >= 0) || !isfinite(s->epsilon)) {
    return ap_fail(err, AP_ERR_ARG, "%s: epsilon %g, must be finite and not negative", op,
                   (double)s->epsilon);
  }
  if (!(s->momentum >= 0 && s->momentum <= 1)) {
    return ap_fail(err, AP_ERR_ARG, "%s: momentum %g, must be in 0..1", op, (double)s->momentum);
  }
  *count = ap_saturating_mul3(s->n, s->c, s->hw);
  return AP_OK;
}

ap_status ap_bn_forward_train(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x,
                              ap_buffer *gamma, ap_buffer *beta, ap_buffer *y, ap_buffer *save_mean,
                              ap_buffer *save_inv_std, ap_buffer *running_mean,
                              ap_buffer *running_var, ap_error *err) {
  size_t count = 0;
  ap_status st = check_bn("bn_forward_train", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, count, AP_IN},
                             {"gamma", gamma, shape->c, AP_IN},
                             {"beta", beta, shape->c, AP_IN},
                             {"y", y, count, AP_OUT},
                             {"save_mean", save_mean, shape->c, AP_OUT},
                             {"save_inv_std", save_inv_std, shape->c, AP_OUT},
                             {"running_mean", running_mean, shape->c, AP_OUT},
                             {"running_var", running_var, shape->c, AP_OUT}};
  st = ap_check_operands(be, "bn_forward_train", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->bn_forward_train(be, shape, ap_f32(x), ap_f32(gamma), ap_f32(beta), ap_f32(y),
                                   ap_f32(save_mean), ap_f32(save_inv_std), ap_f32(running_mean),
                                   ap_f32(running_var), err);
}

ap_status ap_bn_forward_infer(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x,
                              ap_buffer *gamma, ap_buffer *beta, ap_buffer *running_mean,
                              ap_buffer *running_var, ap_buffer *y, ap_error *err) {
  size_t count = 0;
  ap_status st = check_bn("bn_forward_infer", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, count, AP_IN | AP_ALIAS},
                             {"gamma", gamma, shape->c, AP_IN},
                             {"beta", beta, shape->c, AP_IN},
                             {"running_mean", running_mean, shape->c, AP_IN},
                             {"running_var", running_var, shape->c, AP_IN},
                             {"y", y, count, AP_OUT | AP_ALIAS}};
  st = ap_check_operands(be, "bn_forward_infer", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->bn_forward_infer(be, shape, ap_f32(x), ap_f32(gamma), ap_f32(beta),
                                   ap_f32(running_mean), ap_f32(running_var), ap_f32(y), err);
}

ap_status ap_bn_backward(ap_backend *be, const ap_bn_shape *shape, ap_buffer *x, ap_buffer *dy,
                         ap_buffer *gamma, ap_buffer *save_mean, ap_buffer *save_inv_std,
                         ap_buffer *dx, ap_buffer *dgamma, ap_buffer *dbeta, ap_error *err) {
  size_t count = 0;
  ap_status st = check_bn("bn_backward", shape, &count, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, count, AP_IN},
                             {"dy", dy, count, AP_IN | AP_ALIAS},
                             {"gamma", gamma, shape->c, AP_IN},
                             {"save_mean", save_mean, shape->c, AP_IN},
                             {"save_inv_std", save_inv_std, shape->c, AP_IN},
                             {"dx", dx, count, AP_OUT | AP_ALIAS},
                             {"dgamma", dgamma, shape->c, AP_OUT},
                             {"dbeta", dbeta, shape->c, AP_OUT}};
  st = ap_check_operands(be, "bn_backward", list, AP_N_OF(list), err);
  if (st || shape->c == 0) return st;
  if (count == 0) {
    st = be->ops->fill(be, ap_f32(dgamma), 0, shape->c, err);
    return st ? st : be->ops->fill(be, ap_f32(dbeta), 0, shape->c, err);
  }
  return be->ops->bn_backward(be, shape, ap_f32(x), ap_f32(dy), ap_f32(gamma), ap_f32(save_mean),
                              ap_f32(save_inv_std), ap_f32(dx), ap_f32(dgamma), ap_f32(dbeta), err);
}

/* ---- elementwise --------------------------------------------------------------------------- */

static ap_status check_ceiling(const char *op, float ceiling, ap_error *err) {
  if (ceiling > 0) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s: ceiling %g, must be above 0", op, (double)ceiling);
}

ap_status ap_relu_forward(ap_backend *be, size_t count, float ceiling, ap_buffer *x, ap_buffer *y,
                          ap_error *err) {
  const ap_operand list[] = {{"x", x, count, AP_IN | AP_ALIAS}, {"y", y, count, AP_OUT | AP_ALIAS}};
  ap_status st = check_ceiling("relu_forward", ceiling, err);
  if (!st) st = ap_check_operands(be, "relu_forward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->relu_forward(be, count, ceiling, ap_f32(x), ap_f32(y), err);
}

ap_status ap_relu_backward(ap_backend *be, size_t count, float ceiling, ap_buffer *y, ap_buffer *dy,
                           ap_buffer *dx, bool accumulate, ap_error *err) {
  const unsigned alias = accumulate ? 0 : AP_ALIAS;
  const ap_operand list[] = {
      {"y", y, count, AP_IN}, {"dy", dy, count, AP_IN | alias}, {"dx", dx, count, AP_OUT | alias}};
  ap_status st = check_ceiling("relu_backward", ceiling, err);
  if (!st) st = ap_check_operands(be, "relu_backward", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->relu_backward(be, count, ceiling, ap_f32(y), ap_f32(dy), ap_f32(dx), accumulate,
                                err);
}

ap_status ap_add(ap_backend *be, size_t count, ap_buffer *a, ap_buffer *b, ap_buffer *y,
                 ap_error *err) {
  const ap_operand list[] = {{"a", a, count, AP_IN | AP_ALIAS},
                             {"b", b, count, AP_IN | AP_ALIAS},
                             {"y", y, count, AP_OUT | AP_ALIAS}};
  ap_status st = ap_check_operands(be, "add", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->add(be, count, ap_f32(a), ap_f32(b), ap_f32(y), err);
}

ap_status ap_scale(ap_backend *be, size_t count, float alpha, ap_buffer *x, ap_buffer *y,
                   bool accumulate, ap_error *err) {
  const ap_operand list[] = {{"x", x, count, AP_IN}, {"y", y, count, AP_OUT}};
  ap_status st = ap_check_operands(be, "scale", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->scale(be, count, alpha, ap_f32(x), ap_f32(y), accumulate, err);
}

/* ---- pooling ------------------------------------------------------------------------------- */

size_t ap_pool_out_h(const ap_pool_shape *s) {
  return s->h == 0 ? 0 : out_size(s->h, s->pad_top, s->pad_bottom, s->kh, s->stride_h);
}

size_t ap_pool_out_w(const ap_pool_shape *s) {
  return s->w == 0 ? 0 : out_size(s->w, s->pad_left, s->pad_right, s->kw, s->stride_w);
}

static ap_status check_pool(const char *op, const ap_pool_shape *s, size_t *n_x, size_t *n_y,
                            ap_error *err) {
  const ap_dimension list[] = {
      {"n", s->n, false},
      {"c", s->c, false},
      {"h", s->h, false},
      {"w", s->w, false},
      {"kh", s->kh, true},
      {"kw", s->kw, true},
      {"stride_h", s->stride_h, true},
      {"stride_w", s->stride_w, true},
      {"n * c", ap_saturating_mul(s->n, s->c), false},
      {"input pixels", ap_saturating_mul(s->h, s->w), false},
      {"kh * kw", ap_saturating_mul(s->kh, s->kw), false},
  };
  ap_status st = ap_check_dimensions(op, list, AP_N_OF(list), err);
  if (st) return st;
  if (s->kind != AP_POOL_MAX && s->kind != AP_POOL_AVERAGE) {
    return ap_fail(err, AP_ERR_ARG, "%s: unknown kind %d", op, (int)s->kind);
  }
  const size_t over =
      s->kind == AP_POOL_AVERAGE && s->count_padding && s->kh == 1 && s->kw == 1 ? 1 : 0;
  if (s->pad_top >= s->kh + over || s->pad_bottom >= s->kh + over || s->pad_left >= s->kw + over ||
      s->pad_right >= s->kw + over) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s: padding %zu,%zu,%zu,%zu (top, left, bottom, right) must be below the "
                   "kernel's %zu x %zu",
                   op, s->pad_top, s->pad_left, s->pad_bottom, s->pad_right, s->kh, s->kw);
  }
  *n_x = mul4(s->n, s->c, s->h, s->w);
  *n_y = mul4(s->n, s->c, ap_pool_out_h(s), ap_pool_out_w(s));
  return AP_OK;
}

ap_status ap_pool_forward(ap_backend *be, const ap_pool_shape *shape, ap_buffer *x, ap_buffer *y,
                          ap_error *err) {
  size_t n_x = 0, n_y = 0;
  ap_status st = check_pool("pool_forward", shape, &n_x, &n_y, err);
  if (st) return st;
  const ap_operand list[] = {{"x", x, n_x, AP_IN}, {"y", y, n_y, AP_OUT}};
  st = ap_check_operands(be, "pool_forward", list, AP_N_OF(list), err);
  if (st || n_y == 0) return st;
  return be->ops->pool_forward(be, shape, ap_f32(x), ap_f32(y), err);
}

ap_status ap_pool_backward(ap_backend *be, const ap_pool_shape *shape, ap_buffer *x, ap_buffer *y,
                           ap_buffer *dy, ap_buffer *dx, bool accumulate, ap_error *err) {
  size_t n_x = 0, n_y = 0;
  ap_status st = check_pool("pool_backward", shape, &n_x, &n_y, err);
  if (st) return st;
  /* The average looks at neither x nor y; they may be absent or anything. */
  const bool max = shape->kind == AP_POOL_MAX;
  const ap_operand list[] = {
      {"dy", dy, n_y, AP_IN}, {"dx", dx, n_x, AP_OUT}, {"x", x, n_x, AP_IN}, {"y", y, n_y, AP_IN}};
  st = ap_check_operands(be, "pool_backward", list, max ? 4 : 2, err);
  if (st || n_x == 0) return st;
  if (n_y == 0) return accumulate ? AP_OK : be->ops->fill(be, ap_f32(dx), 0, n_x, err);
  return be->ops->pool_backward(be, shape, max ? ap_f32(x) : NULL, max ? ap_f32(y) : NULL,
                                ap_f32(dy), ap_f32(dx), accumulate, err);
}

/* ---- channel moves ------------------------------------------------------------------------- */

static ap_status check_move(const char *op, const ap_move_shape *s, size_t *n_from, size_t *n_to,
                            ap_error *err) {
  const ap_dimension list[] = {
      {"n", s->n, false},
      {"c_from", s->c_from, false},
      {"h_from", s->h_from, false},
      {"w_from", s->w_from, false},
      {"c_to", s->c_to, false},
      {"h_to", s->h_to, false},
      {"w_to", s->w_to, false},
      {"step_h", s->step_h, true},
      {"step_w", s->step_w, true},
      {"source pixels", ap_saturating_mul(s->h_from, s->w_from), false},
      {"destination pixels", ap_saturating_mul(s->h_to, s->w_to), false},
  };
  ap_status st = ap_check_dimensions(op, list, AP_N_OF(list), err);
  if (st) return st;
  if (s->c0_from > s->c_from || s->c > s->c_from - s->c0_from || s->c0_to > s->c_to ||
      s->c > s->c_to - s->c0_to) {
    return ap_fail(err, AP_ERR_ARG, "%s: %zu channels from %zu of %zu to %zu of %zu do not exist",
                   op, s->c, s->c0_from, s->c_from, s->c0_to, s->c_to);
  }
  if (s->h_to > 0 && s->w_to > 0 &&
      (ap_saturating_mul3(s->h_to - 1, s->step_h, 1) >= s->h_from ||
       ap_saturating_mul3(s->w_to - 1, s->step_w, 1) >= s->w_from)) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s: a %zu x %zu destination in steps of %zu x %zu leaves the %zu x %zu source",
                   op, s->h_to, s->w_to, s->step_h, s->step_w, s->h_from, s->w_from);
  }
  *n_from = mul4(s->n, s->c_from, s->h_from, s->w_from);
  *n_to = mul4(s->n, s->c_to, s->h_to, s->w_to);
  return AP_OK;
}

ap_status ap_move_forward(ap_backend *be, const ap_move_shape *shape, ap_buffer *from,
                          ap_buffer *to, ap_error *err) {
  size_t n_from = 0, n_to = 0;
  ap_status st = check_move("move_forward", shape, &n_from, &n_to, err);
  if (st) return st;
  const ap_operand list[] = {{"from", from, n_from, AP_IN}, {"to", to, n_to, AP_OUT}};
  st = ap_check_operands(be, "move_forward", list, AP_N_OF(list), err);
  if (st || n_to == 0 || shape->c == 0) return st;
  return be->ops->move_forward(be, shape, ap_f32(from), ap_f32(to), err);
}

ap_status ap_move_backward(ap_backend *be, const ap_move_shape *shape, ap_buffer *dto,
                           ap_buffer *dfrom, bool accumulate, ap_error *err) {
  size_t n_from = 0, n_to = 0;
  ap_status st = check_move("move_backward", shape, &n_from, &n_to, err);
  if (st) return st;
  const ap_operand list[] = {{"dto", dto, n_to, AP_IN}, {"dfrom", dfrom, n_from, AP_OUT}};
  st = ap_check_operands(be, "move_backward", list, AP_N_OF(list), err);
  if (st || n_from == 0) return st;
  if (!accumulate) {
    st = be->ops->fill(be, ap_f32(dfrom), 0, n_from, err);
    if (st) return st;
  }
  if (n_to == 0 || shape->c == 0) return AP_OK;
  return be->ops->move_backward(be, shape, ap_f32(dto), ap_f32(dfrom), err);
}

/* ---- images in, loss out, optimiser ---------------------------------------------------------- */

ap_status ap_image_gather(ap_backend *be, const ap_image_shape *s, ap_buffer *source_u8,
                          ap_buffer *picks, ap_buffer *mean, ap_buffer *std, ap_buffer *y,
                          ap_error *err) {
  const ap_dimension dimensions[] = {{"n_source", s->n_source, false},
                                     {"n", s->n, false},
                                     {"c", s->c, false},
                                     {"h", s->h, false},
                                     {"w", s->w, false},
                                     {"image size", ap_saturating_mul3(s->c, s->h, s->w), false}};
  const size_t count = mul4(s->n, s->c, s->h, s->w);
  const ap_operand list[] = {{"source", source_u8, mul4(s->n_source, s->c, s->h, s->w), AP_BYTES},
                             {"picks", picks, s->n, AP_PICKS},
                             {"mean", mean, s->c, AP_IN},
                             {"std", std, s->c, AP_IN},
                             {"y", y, count, AP_OUT}};
  ap_status st = ap_check_dimensions("image_gather", dimensions, AP_N_OF(dimensions), err);
  if (!st) st = ap_check_operands(be, "image_gather", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->image_gather(be, s, source_u8->data, (const void *)picks->data, ap_f32(mean),
                               ap_f32(std), ap_f32(y), err);
}

ap_status ap_softmax_loss(ap_backend *be, size_t n, size_t classes, ap_buffer *logits,
                          ap_buffer *labels, float smoothing, float scale, ap_buffer *loss,
                          ap_buffer *correct, ap_buffer *dlogits, ap_error *err) {
  const ap_dimension dimensions[] = {{"n", n, false}, {"classes", classes, n > 0}};
  const size_t count = ap_saturating_mul(n, classes);
  const ap_operand list[] = {{"logits", logits, count, AP_IN},
                             {"labels", labels, n, AP_IN},
                             {"loss", loss, n, AP_OUT},
                             {"correct", correct, n, AP_OUT},
                             {"dlogits", dlogits, count, AP_OUT | AP_OPTIONAL}};
  ap_status st = ap_check_dimensions("softmax_loss", dimensions, AP_N_OF(dimensions), err);
  if (!st) st = ap_check_operands(be, "softmax_loss", list, AP_N_OF(list), err);
  if (st) return st;
  if (!(smoothing >= 0 && smoothing < 1)) {
    return ap_fail(err, AP_ERR_ARG, "softmax_loss: smoothing %g, must be in [0, 1)",
                   (double)smoothing);
  }
  if (n == 0) return AP_OK;
  return be->ops->softmax_loss(be, n, classes, ap_f32(logits), (const void *)labels->data,
                               smoothing, scale, ap_f32(loss), ap_f32(correct), ap_f32(dlogits),
                               err);
}

ap_status ap_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, ap_buffer *w, ap_buffer *v,
                      ap_buffer *g, ap_buffer *mask, ap_error *err) {
  const ap_operand list[] = {{"w", w, count, AP_OUT},
                             {"v", v, count, AP_OUT},
                             {"g", g, count, AP_IN},
                             {"mask", mask, count, AP_IN | AP_OPTIONAL}};
  ap_status st = ap_check_operands(be, "sgd_step", list, AP_N_OF(list), err);
  if (st || count == 0) return st;
  return be->ops->sgd_step(be, count, sgd, ap_f32(w), ap_f32(v), ap_f32(g), ap_f32(mask), err);
}
