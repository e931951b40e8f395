/* Normalisation of an image by itself against the oracle, on outputs poisoned with NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

static void norm_case(const ap_norm_shape *s, float mean, float deviation) {
  const size_t count = s->outer * s->count * s->inner;
  /* what rounding x leaves of it, seen from the deviation */
  const double tolerance = (double)(fabsf(mean) / deviation + 4) * EPS;
  tensor x, y, dy, dx, sum;
  tensor_make(&x, count, FILL_NORMAL);
  for (size_t i = 0; i < count; i++) x.host[i] = x.host[i] * deviation + mean;
  tensor_push(&x);
  tensor_constant(&y, count, NAN);
  tensor_make(&dy, count, FILL_NORMAL);
  tensor_constant(&dx, count, NAN);
  tensor_make(&sum, count, FILL_NORMAL);
  ON_BOTH(ap_norm_forward(be, s, T(x), T(y), &ok_error));
  tensor_same("norm y", &y, tolerance);
  ON_BOTH(ap_norm_backward(be, s, T(x), T(dy), T(dx), false, &ok_error));
  tensor_same("norm dx", &dx, 4 * tolerance);
  ON_BOTH(ap_norm_backward(be, s, T(x), T(dy), T(sum), true, &ok_error));
  tensor_same("norm dx accumulated", &sum, 4 * tolerance);
  ON_BOTH(ap_norm_backward(be, s, T(x), T(dy), T(dy), false, &ok_error));
  tensor_same("norm dx in place", &dy, 4 * tolerance);
  ON_BOTH(ap_norm_forward(be, s, T(x), T(x), &ok_error));
  tensor_same("norm in place", &x, tolerance);
  FREE(&x, &y, &dy, &dx, &sum);
}

static void norms(void **state) {
  static const ap_norm_shape list[] = {
      {1, 1, 1, 1e-5f},    {0, 3, 5, 1e-5f},    {3, 0, 5, 1e-5f},    {3, 5, 0, 1e-5f},
      {2, 7, 1, 1e-5f},    {3, 31, 1, 1e-5f},   {3, 32, 1, 1e-5f},   {3, 33, 1, 1e-6f},
      {5, 4099, 1, 1e-5f}, {1009, 3, 1, 1e-3f}, {2, 3, 31, 1e-5f},   {2, 5, 32, 1e-6f},
      {3, 5, 33, 1e-5f},   {2, 257, 64, 1e-5f}, {1, 2, 1009, 1e-5f}, {97, 16, 49, 1e-5f}};
  (void)state;
  for (size_t i = 0; i < N_OF(list); i++) {
    norm_case(&list[i], 0, 1);
    norm_case(&list[i], -3, 0.25f);
    norm_case(&list[i], 1000, 2);
  }
}

/* 1 and 3: mean 2, variance 1; with epsilon 3 the values are -1/2 and 1/2. Equal values are 0. */
static void by_hand(void **state) {
  const ap_norm_shape row = {2, 2, 1, 3}, across = {1, 2, 2, 3};
  const float of_rows[] = {-0.5f, 0.5f, 0, 0}, of_columns[] = {-0.5f, 0, 0.5f, 0};
  tensor x, y;
  (void)state;
  tensor_bytes(&x, 16, (const float[]){1, 3, 5, 5});
  tensor_constant(&y, 4, NAN);
  ON_BOTH(ap_norm_forward(be, &row, T(x), T(y), &ok_error));
  float *out = read_floats(y.t, 4);
  assert_memory_equal(out, of_rows, sizeof of_rows);
  free(out);
  FREE(&x);
  tensor_bytes(&x, 16, (const float[]){1, 5, 3, 5});
  ON_BOTH(ap_norm_forward(be, &across, T(x), T(y), &ok_error));
  out = read_floats(y.t, 4);
  assert_memory_equal(out, of_columns, sizeof of_columns);
  free(out);
  FREE(&x, &y);
}

/* A value that is not a number spoils its own set alone. */
static void not_a_number(void **state) {
  const ap_norm_shape shapes[] = {{3, 40, 1, 1e-5f}, {1, 40, 3, 1e-5f}};
  (void)state;
  for (size_t k = 0; k < 2; k++) {
    tensor x, y;
    tensor_make(&x, 120, FILL_NORMAL);
    x.host[k ? 61 : 53] = NAN; /* of set 1 */
    tensor_push(&x);
    tensor_constant(&y, 120, 7);
    ON_BOTH(ap_norm_forward(be, &shapes[k], T(x), T(y), &ok_error));
    float *out = read_floats(y.t, 120);
    for (size_t i = 0; i < 120; i++) assert_true(isnan(out[i]) == ((k ? i % 3 : i / 40) == 1));
    free(out);
    FREE(&x, &y);
  }
}

#define VALUES ((size_t)37 * 96 * 50)
static void results(size_t threads, float *all) {
  const ap_norm_shape row = {37 * 4, 24 * 50, 1, 1e-5f}, across = {37, 96, 50, 1e-5f};
  ap_backend *saved = tested;
  ap_error err = {0};
  if (ap_backend_open(tested_name, threads, &tested, &err)) fail_msg("%s", err.text);
  tensor x, dy, out[2];
  ap_rng_seed(&rng, 13, 0);
  tensor_make(&x, VALUES, FILL_NORMAL);
  tensor_make(&dy, VALUES, FILL_NORMAL);
  for (size_t i = 0; i < 2; i++) tensor_constant(&out[i], VALUES, NAN);
  OK(ap_norm_forward(tested, &row, x.t, out[0].t, &ok_error));
  OK(ap_norm_backward(tested, &across, x.t, dy.t, out[1].t, false, &ok_error));
  for (size_t i = 0; i < 2; i++) {
    float *part = read_floats(out[i].t, VALUES);
    memcpy(all + i * VALUES, part, VALUES * sizeof *all);
    free(part);
  }
  FREE(&x, &dy, &out[0], &out[1]);
  ap_backend_close(tested);
  tested = saved;
}

static void threads_change_nothing(void **state) {
  (void)state;
  same_for_all_threads(2 * VALUES, results);
}

int run_compare_norm(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(norms),
      cmocka_unit_test(by_hand),
      cmocka_unit_test(not_a_number),
      cmocka_unit_test(threads_change_nothing),
  };
  return cmocka_run_group_tests_name("normalisation of an image by itself", tests, NULL, NULL);
}
