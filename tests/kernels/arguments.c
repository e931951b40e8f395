/* Errors, buffers, memory. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

/* The call fails with that code, and the text holds the word. */
#define REFUSED(call, expected, word)                                                 \
  do {                                                                                \
    ap_error error = {0};                                                             \
    assert_int_equal(call, expected);                                                 \
    assert_int_equal(error.code, expected);                                           \
    if (!strstr(error.text, word)) fail_msg("\"%s\" lacks \"%s\"", error.text, word); \
  } while (0)

static ap_buffer *floats(size_t n) {
  ap_buffer *b = NULL;
  OK(ap_buffer_create(tested, n * sizeof(float), &b, &ok_error));
  return b;
}

static void opening(void **state) {
  ap_backend *be = (ap_backend *)&be;
  (void)state;
  REFUSED(ap_backend_open("gpu", 1, &be, &error), AP_ERR_ARG, "cpu-ref");
  assert_null(be);
  REFUSED(ap_backend_open(NULL, 1, &be, &error), AP_ERR_ARG, "unknown");
  REFUSED(ap_backend_check("gpu", &error), AP_ERR_ARG, "cuda-tf32");
  OK(ap_backend_check("cuda", &ok_error)); /* a known name, whether it is there or not */
  ap_backend_close(NULL);
  ap_buffer_destroy(NULL);
  assert_string_equal(ap_backend_name(tested), tested_name);
  assert_true(strlen(ap_backend_describe(tested)) > 10);
  OK(ap_backend_sync(tested, &ok_error));
}

static void buffers(void **state) {
  const float four[] = {1, 2, 3, 4};
  ap_buffer *b = floats(64), *v = NULL, *other = NULL;
  float out[4];
  (void)state;
  OK(ap_buffer_read(b, 0, out, sizeof out, &ok_error));
  for (size_t i = 0; i < 4; i++) assert_true(out[i] == 0);
  OK(ap_buffer_view(b, 128, 64, &v, &ok_error));
  assert_int_equal(ap_buffer_bytes(v), 64);
  OK(ap_buffer_write(v, 4, four, sizeof four, &ok_error));
  OK(ap_buffer_read(b, 132, out, sizeof out, &ok_error));
  assert_memory_equal(out, four, sizeof four);
  OK(ap_buffer_copy(b, 0, v, 4, sizeof four, &ok_error));
  OK(ap_buffer_read(b, 0, out, sizeof out, &ok_error));
  assert_memory_equal(out, four, sizeof four);
  OK(ap_buffer_fill(v, 2.5f, 2, &ok_error));
  OK(ap_buffer_read(v, 0, out, sizeof out, &ok_error));
  assert_true(out[0] == 2.5f && out[1] == 2.5f && out[2] == 2 && out[3] == 3);
  REFUSED(ap_buffer_view(b, 4, 64, &other, &error), AP_ERR_ARG, "64");
  REFUSED(ap_buffer_view(b, 192, 128, &other, &error), AP_ERR_ARG, "256");
  REFUSED(ap_buffer_view(b, 320, 0, &other, &error), AP_ERR_ARG, "320");
  REFUSED(ap_buffer_write(v, 56, four, 16, &error), AP_ERR_ARG, "56");
  REFUSED(ap_buffer_read(v, SIZE_MAX, out, 16, &error), AP_ERR_ARG, "read");
  REFUSED(ap_buffer_fill(v, 1, 17, &error), AP_ERR_ARG, "68");
  REFUSED(ap_buffer_fill(v, 1, SIZE_MAX / 2, &error), AP_ERR_ARG, "fill");
  REFUSED(ap_buffer_copy(b, 0, b, 8, 16, &error), AP_ERR_ARG, "overlap");
  REFUSED(ap_buffer_write(v, 0, NULL, 4, &error), AP_ERR_ARG, "data");
  ap_buffer_destroy(v);
  ap_buffer_destroy(b);
  OK(ap_buffer_create(tested, 0, &b, &ok_error));
  OK(ap_buffer_write(b, 0, NULL, 0, &ok_error));
  ap_buffer_destroy(b);
  REFUSED(ap_buffer_create(tested, SIZE_MAX - 4096, &b, &error), AP_ERR_MEMORY, "buffer");
  assert_null(b);
}

static void convolution(void **state) {
  ap_conv_shape s = {2, 4, 5, 5, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, bad;
  ap_buffer *x = floats(200), *w = floats(216), *bias = floats(6), *y = floats(300), *v = NULL;
  ap_buffer *foreign = NULL;
  (void)state;
  REFUSED(ap_conv_forward(tested, &s, NULL, w, bias, y, &error), AP_ERR_ARG, "x is missing");
  REFUSED(ap_conv_forward(tested, &s, x, bias, bias, y, &error), AP_ERR_ARG, "216");
  REFUSED(ap_conv_forward(tested, &s, x, w, bias, x, &error), AP_ERR_ARG, "y");
  bad = s;
  bad.stride_w = 0;
  REFUSED(ap_conv_forward(tested, &bad, x, w, bias, y, &error), AP_ERR_ARG, "stride_w");
  bad = s;
  bad.kh = 0;
  REFUSED(ap_conv_backward_data(tested, &bad, y, w, x, false, &error), AP_ERR_ARG, "kh");
  bad = s;
  bad.groups = 4;
  REFUSED(ap_conv_backward_filter(tested, &bad, x, y, w, bias, &error), AP_ERR_ARG, "4 groups");
  bad = s;
  bad.groups = 0;
  REFUSED(ap_conv_forward(tested, &bad, x, w, bias, y, &error), AP_ERR_ARG, "groups");
  bad = s;
  bad.n = SIZE_MAX;
  REFUSED(ap_conv_forward(tested, &bad, x, w, bias, y, &error), AP_ERR_ARG, "n = ");
  bad = s;
  bad.h = bad.w = (size_t)1 << 30;
  REFUSED(ap_conv_forward(tested, &bad, x, w, bias, y, &error), AP_ERR_ARG, "pixels");
  /* An output inside an input. */
  OK(ap_buffer_view(y, 0, 200 * sizeof(float), &v, &ok_error));
  REFUSED(ap_conv_backward_data(tested, &s, y, w, v, false, &error), AP_ERR_ARG, "overlap");
  OK(ap_buffer_create(oracle, 200 * sizeof(float), &foreign, &ok_error));
  REFUSED(ap_conv_forward(tested, &s, foreign, w, bias, y, &error), AP_ERR_ARG, "another backend");
  ap_buffer_destroy(foreign);
  ap_buffer_destroy(v);
  ap_buffer_destroy(x);
  ap_buffer_destroy(w);
  ap_buffer_destroy(bias);
  ap_buffer_destroy(y);
}

static void others(void **state) {
  const ap_bn_shape bn = {2, 3, 4, -1, 0.1f}, bn2 = {2, 3, 4, 1e-5f, 2};
  ap_pool_shape pool = {AP_POOL_MAX, 1, 1, 4, 4, 2, 2, 2, 2, 0, 0, 0, 2, false};
  ap_move_shape move = {1, 2, 4, 4, 2, 2, 2, 0, 1, 2, 2, 2};
  const ap_image_shape image = {1, 2, 1, 3, 3};
  const ap_sgd sgd = {0.1f, 0, 0, false};
  ap_buffer *a = floats(24), *b = floats(24), *c = floats(3), *d = floats(3);
  (void)state;
  REFUSED(ap_bn_forward_infer(tested, &bn, a, c, c, c, c, b, &error), AP_ERR_ARG, "epsilon");
  REFUSED(ap_bn_forward_infer(tested, &bn2, a, c, c, c, c, b, &error), AP_ERR_ARG, "momentum");
  REFUSED(ap_relu_forward(tested, 24, 0, a, b, &error), AP_ERR_ARG, "ceiling");
  REFUSED(ap_relu_forward(tested, 24, NAN, a, b, &error), AP_ERR_ARG, "ceiling");
  REFUSED(ap_relu_forward(tested, 25, 6, a, b, &error), AP_ERR_ARG, "25");
  REFUSED(ap_relu_backward(tested, 24, 6, b, a, a, true, &error), AP_ERR_ARG, "overlap");
  REFUSED(ap_scale(tested, 24, 2, a, a, true, &error), AP_ERR_ARG, "overlap");
  REFUSED(ap_add(tested, SIZE_MAX, a, b, b, &error), AP_ERR_ARG, "add");
  REFUSED(ap_pool_forward(tested, &pool, a, b, &error), AP_ERR_ARG, "padding");
  pool = (ap_pool_shape){AP_POOL_AVERAGE, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, true};
  OK(ap_pool_forward(tested, &pool, a, b, &ok_error)); /* zeros around the map */
  pool.pad_right = 2;
  REFUSED(ap_pool_forward(tested, &pool, a, b, &error), AP_ERR_ARG, "padding");
  pool.pad_right = 1;
  pool.count_padding = false;
  REFUSED(ap_pool_forward(tested, &pool, a, b, &error), AP_ERR_ARG, "padding");
  pool.count_padding = true;
  pool.kind = AP_POOL_MAX;
  REFUSED(ap_pool_forward(tested, &pool, a, b, &error), AP_ERR_ARG, "padding");
  pool = (ap_pool_shape){AP_POOL_MAX, 1, 1, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0, false};
  pool.kind = (ap_pool_kind)7;
  REFUSED(ap_pool_forward(tested, &pool, a, b, &error), AP_ERR_ARG, "kind");
  pool.kind = AP_POOL_MAX;
  REFUSED(ap_pool_backward(tested, &pool, NULL, b, c, a, false, &error), AP_ERR_ARG, "dy");
  REFUSED(ap_move_forward(tested, &move, a, b, &error), AP_ERR_ARG, "channels");
  move.c0_to = 0;
  move.step_h = 4;
  REFUSED(ap_move_forward(tested, &move, a, b, &error), AP_ERR_ARG, "steps");
  REFUSED(ap_image_gather(tested, &image, a, c, d, d, b, &error), AP_ERR_ARG, "picks");
  REFUSED(ap_softmax_loss(tested, 3, 8, a, c, 1, 1, d, b, NULL, &error), AP_ERR_ARG, "smoothing");
  REFUSED(ap_softmax_loss(tested, 3, 0, a, c, 0, 1, d, b, NULL, &error), AP_ERR_ARG, "classes");
  REFUSED(ap_sgd_step(tested, 24, &sgd, a, b, c, NULL, &error), AP_ERR_ARG, "g has");
  ap_buffer_destroy(a);
  ap_buffer_destroy(b);
  ap_buffer_destroy(c);
  ap_buffer_destroy(d);
}

static void gates(void **state) {
  ap_gate_shape s = {4, 6, false}, plane = {4, 6, true}, bad = {SIZE_MAX, 1, false};
  ap_buffer *a = floats(24), *b = floats(24), *y = floats(24), *few = floats(4), *v = NULL;
  (void)state;
  REFUSED(ap_curve_forward(tested, AP_CURVE_NONE, 24, a, y, &error), AP_ERR_ARG, "curve 0");
  REFUSED(ap_curve_backward(tested, AP_CURVES, 24, a, b, b, false, &error), AP_ERR_ARG, "curve 8");
  REFUSED(ap_curve_forward(tested, AP_CURVE_LOGISTIC, 25, a, y, &error), AP_ERR_ARG, "25");
  REFUSED(ap_curve_forward(tested, AP_CURVE_LOGISTIC, 24, NULL, y, &error), AP_ERR_ARG,
          "x is missing");
  REFUSED(ap_curve_backward(tested, AP_CURVE_LOGISTIC, 24, few, b, y, false, &error), AP_ERR_ARG,
          "kept has");
  REFUSED(ap_curve_backward(tested, AP_CURVE_LOGISTIC, 24, a, b, b, true, &error), AP_ERR_ARG,
          "overlap");
  REFUSED(ap_curve_backward(tested, AP_CURVE_LOGISTIC, 24, a, b, a, false, &error), AP_ERR_ARG,
          "overlap");
  OK(ap_curve_backward(tested, AP_CURVE_LOGISTIC, 24, a, b, b, false, &ok_error));

  REFUSED(ap_multiply(tested, &s, a, few, y, false, &error), AP_ERR_ARG, "b has");
  REFUSED(ap_multiply(tested, &s, a, b, few, false, &error), AP_ERR_ARG, "y has");
  REFUSED(ap_multiply(tested, &bad, a, b, y, false, &error), AP_ERR_ARG, "planes");
  REFUSED(ap_multiply(tested, &s, a, b, a, true, &error), AP_ERR_ARG, "overlap");
  REFUSED(ap_multiply(tested, &s, a, b, b, true, &error), AP_ERR_ARG, "overlap");
  OK(ap_buffer_view(y, 0, 4 * sizeof(float), &v, &ok_error));
  REFUSED(ap_multiply(tested, &plane, a, v, y, false, &error), AP_ERR_ARG, "overlap");
  ap_buffer_destroy(v);
  OK(ap_multiply(tested, &plane, a, few, a, false, &ok_error));
  REFUSED(ap_multiply_sum(tested, &plane, a, few, y, false, &error), AP_ERR_ARG, "b has");
  REFUSED(ap_multiply_sum(tested, &s, a, b, a, false, &error), AP_ERR_ARG, "overlap");
  bad = (ap_gate_shape){25, 0, false};
  REFUSED(ap_multiply_sum(tested, &bad, a, b, y, false, &error), AP_ERR_ARG, "y has");
  ap_buffer_destroy(a);
  ap_buffer_destroy(b);
  ap_buffer_destroy(y);
  ap_buffer_destroy(few);
}

static void norms(void **state) {
  const ap_norm_shape s = {2, 3, 4, 1e-5f}, flat = {2, 3, 4, 0}, large = {SIZE_MAX, 2, 1, 1};
  ap_buffer *x = floats(24), *y = floats(24), *few = floats(23);
  (void)state;
  REFUSED(ap_norm_forward(tested, &flat, x, y, &error), AP_ERR_ARG, "epsilon");
  REFUSED(ap_norm_forward(tested, &large, x, y, &error), AP_ERR_ARG, "outer");
  REFUSED(ap_norm_forward(tested, &s, few, y, &error), AP_ERR_ARG, "x has");
  REFUSED(ap_norm_forward(tested, &s, x, few, &error), AP_ERR_ARG, "y has");
  REFUSED(ap_norm_backward(tested, &s, x, few, y, false, &error), AP_ERR_ARG, "dy has");
  REFUSED(ap_norm_backward(tested, &s, x, y, y, true, &error), AP_ERR_ARG, "overlap");
  REFUSED(ap_norm_backward(tested, &s, x, y, x, false, &error), AP_ERR_ARG, "overlap");
  ap_buffer_destroy(x);
  ap_buffer_destroy(y);
  ap_buffer_destroy(few);
}

static void gathers(void **state) {
  ap_gather_shape s = {2, 3, 5, 4}, bad = s;
  ap_buffer *x = floats(24), *y = floats(40), *picks = floats(5), *starts = floats(4);
  (void)state;
  OK(ap_gather_forward(tested, &s, picks, x, y, &ok_error)); /* all pick channel 0 */
  REFUSED(ap_gather_forward(tested, &s, starts, x, y, &error), AP_ERR_ARG, "picks has");
  REFUSED(ap_gather_forward(tested, &s, picks, x, x, &error), AP_ERR_ARG, "y has");
  REFUSED(ap_gather_forward(tested, &s, picks, NULL, y, &error), AP_ERR_ARG, "x is missing");
  bad.hw = 5;
  REFUSED(ap_gather_forward(tested, &bad, picks, x, y, &error), AP_ERR_ARG, "x has");
  bad = s;
  bad.c_from = SIZE_MAX;
  REFUSED(ap_gather_forward(tested, &bad, picks, x, y, &error), AP_ERR_ARG, "c_from");
  bad = (ap_gather_shape){2, 3, 3, 4};
  REFUSED(ap_gather_forward(tested, &bad, picks, x, x, &error), AP_ERR_ARG, "overlap");
  OK(ap_gather_backward(tested, &s, starts, picks, y, x, false, &ok_error));
  REFUSED(ap_gather_backward(tested, &s, starts, starts, y, x, false, &error), AP_ERR_ARG,
          "users has");
  bad = s;
  bad.c_from = 4;
  REFUSED(ap_gather_backward(tested, &bad, starts, picks, y, x, false, &error), AP_ERR_ARG,
          "starts has");
  bad = (ap_gather_shape){2, 3, 3, 4};
  REFUSED(ap_gather_backward(tested, &bad, starts, picks, x, x, false, &error), AP_ERR_ARG,
          "overlap");
  ap_buffer_destroy(x);
  ap_buffer_destroy(y);
  ap_buffer_destroy(picks);
  ap_buffer_destroy(starts);
}

/* Opening a backend, making buffers and running one convolution, each allocation failing once. */
static ap_status work(ap_error *err) {
  const ap_conv_shape s = {4, 3, 9, 9, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  ap_backend *be = NULL;
  ap_buffer *x = NULL, *w = NULL, *y = NULL;
  ap_status st = ap_backend_open(tested_name, 2, &be, err);
  if (!st) st = ap_buffer_create(be, 4 * 3 * 81 * sizeof(float), &x, err);
  if (!st) st = ap_buffer_create(be, 5 * 27 * sizeof(float), &w, err);
  if (!st) st = ap_buffer_create(be, 4 * 5 * 81 * sizeof(float), &y, err);
  if (!st) st = ap_conv_forward(be, &s, x, w, NULL, y, err);
  if (!st) st = ap_conv_backward_data(be, &s, y, w, x, false, err);
  if (!st) st = ap_conv_backward_filter(be, &s, x, y, w, NULL, err);
  if (!st) st = ap_backend_sync(be, err);
  ap_buffer_destroy(x);
  ap_buffer_destroy(w);
  ap_buffer_destroy(y);
  ap_backend_close(be);
  return st;
}

static void allocations_fail(void **state) {
  size_t failures = 0;
  (void)state;
  for (size_t n = 0;; n++) {
    ap_error err = {0};
    ap_status st;
    ap_alloc_fail_after(n);
    st = work(&err);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    if (st != AP_ERR_MEMORY) fail_msg("allocation %zu: %s", n, err.text);
    failures++;
  }
  assert_true(failures >= 5);
}

/* A failed growth of the scratch memory must not leave the backend broken. */
static void recovers(void **state) {
  const ap_conv_shape s = {8, 5, 23, 23, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  ap_buffer *x = floats(8 * 5 * 529), *w = floats(6 * 45), *y = floats(8 * 6 * 529);
  size_t before;
  (void)state;
  ap_alloc_fail_after(0);
  {
    ap_error err = {0};
    ap_status st = ap_conv_backward_filter(tested, &s, x, y, w, NULL, &err);
    ap_alloc_fail_after(SIZE_MAX);
    assert_true(st == AP_OK || st == AP_ERR_MEMORY);
  }
  OK(ap_conv_backward_filter(tested, &s, x, y, w, NULL, &ok_error));
  OK(ap_conv_forward(tested, &s, x, w, NULL, y, &ok_error));
  OK(ap_conv_backward_data(tested, &s, y, w, x, false, &ok_error));
  /* The steady state allocates nothing. */
  before = ap_alloc_count();
  OK(ap_conv_forward(tested, &s, x, w, NULL, y, &ok_error));
  OK(ap_conv_backward_data(tested, &s, y, w, x, false, &ok_error));
  OK(ap_conv_backward_filter(tested, &s, x, y, w, NULL, &ok_error));
  OK(ap_backend_sync(tested, &ok_error));
  assert_int_equal(ap_alloc_count(), before);
  ap_buffer_destroy(x);
  ap_buffer_destroy(w);
  ap_buffer_destroy(y);
}

int run_arguments(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opening),     cmocka_unit_test(buffers),
      cmocka_unit_test(convolution), cmocka_unit_test(others),
      cmocka_unit_test(gates),       cmocka_unit_test(norms),
      cmocka_unit_test(gathers),     cmocka_unit_test(allocations_fail),
      cmocka_unit_test(recovers),
  };
  return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
