/* Convolution against the oracle: exactly on small integers, within a rounding bound otherwise. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

/* n, c_in, h, w, c_out, kh, kw, stride_h, stride_w, pads top left bottom right, groups, dilations */
static const ap_conv_shape shapes[] = {
    /* Layers of the networks. */
    {5, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {3, 16, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {3, 16, 32, 32, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {9, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {5, 32, 16, 16, 64, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {7, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {4, 64, 4, 4, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {9, 24, 2, 2, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {17, 1, 28, 28, 20, 5, 5, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {3, 20, 12, 12, 50, 5, 5, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {3, 16, 16, 16, 32, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1},
    {3, 16, 16, 16, 32, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    /* Fully connected, both forms. */
    {64, 800, 1, 1, 500, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {31, 50, 4, 4, 65, 4, 4, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {33, 7, 1, 1, 63, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
    /* Odd sizes, asymmetric padding and strides. */
    {2, 3, 7, 11, 5, 3, 2, 2, 1, 0, 1, 2, 0, 1, 1, 1},
    {3, 2, 13, 5, 7, 2, 3, 1, 2, 1, 0, 0, 1, 1, 1, 1},
    {1, 5, 17, 19, 3, 5, 3, 3, 2, 2, 1, 1, 2, 1, 1, 1},
    {2, 1, 6, 31, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 2, 6, 33, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 3, 15, 17, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 3, 2, 3, 4, 4, 5, 1, 1, 2, 2, 2, 2, 1, 1, 1}, /* filter larger than the map */
    {2, 3, 5, 5, 4, 3, 3, 1, 1, 4, 3, 3, 5, 1, 1, 1}, /* padding as large as the filter, and more */
    {2, 3, 5, 6, 4, 3, 3, 4, 5, 1, 1, 1, 1, 1, 1, 1}, /* stride larger than the filter */
    {2, 3, 9, 9, 4, 1, 1, 3, 2, 0, 0, 0, 0, 1, 1, 1}, /* pixels that no output sees */
    {2, 4, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, /* filter larger than a map of one pixel */
    {2, 4, 1, 1, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {130, 2, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, /* many images */
    /* Vectors of several images, with lanes that are no outputs; strides above the filter's size. */
    {5, 6, 7, 7, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {7, 8, 7, 7, 8, 3, 3, 1, 1, 1, 1, 1, 1, 2, 1, 1},
    {4, 3, 4, 4, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {5, 4, 32, 32, 6, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1},
    {2, 4, 33, 47, 8, 2, 2, 3, 3, 0, 0, 0, 0, 1, 1, 1},
    {2, 4, 34, 66, 5, 2, 2, 3, 3, 1, 0, 0, 1, 1, 1, 1},
    {2, 4, 9, 16, 5, 1, 2, 1, 3, 0, 15, 0, 15, 1, 1, 1},
    /* Groups and depthwise. */
    {3, 8, 9, 9, 12, 3, 3, 1, 1, 1, 1, 1, 1, 4, 1, 1},
    {3, 16, 10, 10, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16, 1, 1},
    {3, 6, 11, 10, 12, 3, 3, 2, 2, 1, 1, 1, 1, 6, 1, 1},
    {3, 4, 1, 1, 6, 1, 1, 1, 1, 0, 0, 0, 0, 2, 1, 1},
    /* Dilated: as in networks, uneven, filters that reach over small maps, strides, depthwise, no spreading of one row. */
    {3, 16, 16, 16, 32, 3, 3, 1, 1, 2, 2, 2, 2, 1, 2, 2},
    {5, 8, 4, 4, 12, 3, 3, 1, 1, 2, 2, 2, 2, 1, 2, 2},
    {2, 3, 13, 17, 5, 3, 2, 1, 1, 3, 0, 3, 5, 1, 3, 5},
    {3, 4, 19, 11, 6, 2, 3, 2, 3, 1, 2, 0, 1, 2, 4, 2},
    {2, 6, 12, 12, 6, 3, 3, 2, 2, 4, 4, 4, 4, 6, 4, 4},
    {2, 3, 9, 7, 4, 1, 3, 1, 1, 0, 2, 0, 2, 1, 9, 2},
    {4, 5, 3, 3, 7, 3, 3, 1, 1, 0, 2, 0, 2, 1, 1, 2},
    {4, 5, 3, 3, 7, 3, 3, 1, 1, 2, 2, 2, 2, 1, 2, 2},
    {2, 3, 5, 5, 4, 3, 3, 1, 1, 0, 0, 0, 0, 1, 3, 1}, /* it does not fit */
    {2, 3, 5, 6, 4, 2, 2, 1, 1, 0, 0, 0, 0, 1, 0, 4}, /* 0 counts as 1 */
    /* Empty. */
    {0, 3, 5, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 0, 5, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 3, 5, 5, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 3, 2, 2, 4, 3, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1}, /* the filter does not fit */
    {2, 3, 0, 4, 4, 3, 3, 1, 1, 2, 1, 2, 1, 1, 1, 1}, /* padding only */
};

#define N_SHAPES (sizeof shapes / sizeof shapes[0])

typedef struct {
  tensor x, w, bias, y, dy, dx, dx_sum, dw, dbias;
} conv_case;

static void make_case(conv_case *t, const ap_conv_shape *s, fill_kind kind) {
  const size_t n_x = s->n * s->c_in * s->h * s->w;
  const size_t n_w = s->c_out * (s->c_in / s->groups) * s->kh * s->kw;
  const size_t n_y = s->n * s->c_out * ap_conv_out_h(s) * ap_conv_out_w(s);
  tensor_make(&t->x, n_x, kind);
  tensor_make(&t->w, n_w, kind);
  tensor_make(&t->bias, s->c_out, kind);
  tensor_make(&t->dy, n_y, kind);
  tensor_make(&t->dx_sum, n_x, kind);
  tensor_constant(&t->y, n_y, NAN);
  tensor_constant(&t->dx, n_x, NAN);
  tensor_constant(&t->dw, n_w, NAN);
  tensor_constant(&t->dbias, s->c_out, NAN);
}

static void free_case(conv_case *t) {
  tensor *all[] = {&t->x, &t->w, &t->bias, &t->y, &t->dy, &t->dx, &t->dx_sum, &t->dw, &t->dbias};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) tensor_free(all[i]);
}

/* Rounding: sums of `terms` products of numbers up to about 4. */
static double bound(fill_kind kind, size_t terms) {
  return kind == FILL_INTEGER ? 0 : product_rounding * 1e-6 * (4 + 2 * sqrt((double)terms));
}

static void check_shape(const ap_conv_shape *s, fill_kind kind) {
  const size_t k = s->c_in / s->groups * s->kh * s->kw;
  const size_t pixels = ap_conv_out_h(s) * ap_conv_out_w(s);
  conv_case t;
  make_case(&t, s, kind);
  for (int side = 0; side < 2; side++) {
    ap_backend *be = side ? oracle : tested;
#define B(name) (side ? t.name.o : t.name.t)
    OK(ap_conv_forward(be, s, B(x), B(w), B(bias), B(y), &ok_error));
    OK(ap_conv_backward_data(be, s, B(dy), B(w), B(dx), false, &ok_error));
    OK(ap_conv_backward_data(be, s, B(dy), B(w), B(dx_sum), true, &ok_error));
    OK(ap_conv_backward_filter(be, s, B(x), B(dy), B(dw), B(dbias), &ok_error));
  }
  tensor_same("y", &t.y, bound(kind, k));
  tensor_same("dx", &t.dx, bound(kind, s->c_out / s->groups * s->kh * s->kw));
  tensor_same("dx accumulated", &t.dx_sum, bound(kind, s->c_out / s->groups * s->kh * s->kw));
  tensor_same("dw", &t.dw, bound(kind, s->n * pixels));
  tensor_same("dbias", &t.dbias, bound(kind, s->n * pixels));
  /* Without bias; the outputs hold old numbers now, which must not matter. */
  for (int side = 0; side < 2; side++) {
    ap_backend *be = side ? oracle : tested;
    OK(ap_conv_forward(be, s, B(x), B(w), NULL, B(y), &ok_error));
    OK(ap_conv_backward_filter(be, s, B(x), B(dy), B(dw), NULL, &ok_error));
#undef B
  }
  tensor_same("y without bias", &t.y, bound(kind, k));
  tensor_same("dw again", &t.dw, bound(kind, s->n * pixels));
  free_case(&t);
}

static void integers_are_exact(void **state) {
  (void)state;
  for (size_t i = 0; i < N_SHAPES; i++) {
    check_shape(&shapes[i], FILL_INTEGER);
  }
}

static void reals_are_close(void **state) {
  (void)state;
  for (size_t i = 0; i < N_SHAPES; i++) check_shape(&shapes[i], FILL_NORMAL);
}

/* A 1 x 2 filter (10, 1) over the row 1 2 3, padded by one on the right: 12, 23, 30; plus bias. */
static void hand_worked(void **state) {
  const ap_conv_shape s = {1, 1, 1, 3, 1, 1, 2, 1, 1, 0, 0, 0, 1, 1, 1, 1};
  const float expected[] = {12.5f, 23.5f, 30.5f};
  tensor x, w, bias, y;
  float *out;
  (void)state;
  tensor_bytes(&x, 3 * sizeof(float), (const float[]){1, 2, 3});
  tensor_bytes(&w, 2 * sizeof(float), (const float[]){10, 1});
  tensor_bytes(&bias, sizeof(float), (const float[]){0.5f});
  tensor_constant(&y, 3, NAN);
  OK(ap_conv_forward(tested, &s, x.t, w.t, bias.t, y.t, &ok_error));
  out = read_floats(y.t, 3);
  assert_memory_equal(out, expected, sizeof expected);
  free(out);
  tensor_free(&x);
  tensor_free(&w);
  tensor_free(&bias);
  tensor_free(&y);
}

/* Bits of y, dx, dw and dbias for one shape, computed by a backend with that many threads. */
static float *results(size_t threads, const ap_conv_shape *s, size_t *count) {
  ap_backend *saved = tested;
  float *parts[4], *all;
  conv_case t;
  size_t at = 0;
  ap_error err = {0};
  if (ap_backend_open(tested_name, threads, &tested, &err)) fail_msg("%s", err.text);
  ap_rng_seed(&rng, 7, 0);
  make_case(&t, s, FILL_NORMAL);
  OK(ap_conv_forward(tested, s, t.x.t, t.w.t, t.bias.t, t.y.t, &ok_error));
  OK(ap_conv_backward_data(tested, s, t.dy.t, t.w.t, t.dx.t, false, &ok_error));
  OK(ap_conv_backward_filter(tested, s, t.x.t, t.dy.t, t.dw.t, t.dbias.t, &ok_error));
  const tensor *outs[] = {&t.y, &t.dx, &t.dw, &t.dbias};
  *count = t.y.count + t.dx.count + t.dw.count + t.dbias.count;
  all = calloc(*count + 1, sizeof *all);
  assert_non_null(all);
  for (size_t i = 0; i < 4; i++) {
    parts[i] = read_floats(outs[i]->t, outs[i]->count);
    memcpy(all + at, parts[i], outs[i]->count * sizeof *all);
    at += outs[i]->count;
    free(parts[i]);
  }
  free_case(&t);
  ap_backend_close(tested);
  tested = saved;
  return all;
}

static void threads_change_nothing(void **state) {
  (void)state;
  for (size_t i = 0; i < N_SHAPES; i++) {
    size_t count;
    float *one = results(1, &shapes[i], &count);
    for (size_t threads = 2; threads <= 3; threads++) {
      float *more = results(threads, &shapes[i], &count);
      assert_memory_equal(one, more, count * sizeof *one);
      free(more);
    }
    free(one);
  }
}

int run_compare_conv(void) {
  /* The oracle beside itself would show nothing: it is compared with differences (gradients.c). */
  const struct CMUnitTest oracle_tests[] = {cmocka_unit_test(hand_worked)};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hand_worked),
      cmocka_unit_test(integers_are_exact),
      cmocka_unit_test(reals_are_close),
      cmocka_unit_test(threads_change_nothing),
  };
  if (strcmp(tested_name, "cpu-ref") == 0)
    return cmocka_run_group_tests_name("convolution", oracle_tests, NULL, NULL);
  return cmocka_run_group_tests_name("convolution", tests, NULL, NULL);
}
