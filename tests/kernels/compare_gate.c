/* Curves, products of images and channels by number against the oracle, on outputs
 * poisoned with NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

/* ---- curves ----------------------------------------------------------------------------------- */

static void curve_case(ap_curve curve, size_t count) {
  tensor x, y, dy, dx, sum;
  const bool of_value = ap_curve_keeps_value(curve);
  tensor_make(&x, count, FILL_NORMAL);
  for (size_t j = 0; j < count; j++) x.host[j] *= j % 7 ? 2 : 12;
  tensor_push(&x);
  tensor_constant(&y, count, NAN);
  tensor_make(&dy, count, FILL_NORMAL);
  tensor_constant(&dx, count, NAN);
  tensor_make(&sum, count, FILL_NORMAL);
  ON_BOTH(ap_curve_forward(be, curve, count, T(x), T(y), &ok_error));
  tensor_same("curve y", &y, EPS);
  ON_BOTH(
      ap_curve_backward(be, curve, count, of_value ? T(y) : T(x), T(dy), T(dx), false, &ok_error));
  tensor_same("curve dx", &dx, EPS);
  ON_BOTH(
      ap_curve_backward(be, curve, count, of_value ? T(y) : T(x), T(dy), T(sum), true, &ok_error));
  tensor_same("curve dx accumulated", &sum, EPS);
  ON_BOTH(
      ap_curve_backward(be, curve, count, of_value ? T(y) : T(x), T(dy), T(dy), false, &ok_error));
  tensor_same("curve dx in place", &dy, EPS);
  ON_BOTH(ap_curve_forward(be, curve, count, T(x), T(x), &ok_error));
  tensor_same("curve in place", &x, EPS);
  FREE(&x, &y, &dy, &dx, &sum);
}

static void curves(void **state) {
  (void)state;
  for (int c = AP_CURVE_LOGISTIC; c < AP_CURVES; c++)
    for (size_t i = 0; i < N_OF(counts); i++) curve_case((ap_curve)c, counts[i]);
}

/* Far out, where most are 0 and 1; NaN stays. */
static void curves_at_the_ends(void **state) {
  static const float at_zero[AP_CURVES] = {0,    0.5f,         0.5f, 1,
                                           0.6f, 0.693147181f, 1,    1}; /* tanh(log(2)) is 3/5 */
  const float ends[] = {NAN, 0, INFINITY, -INFINITY, 1e30f, -1e30f, 90, -90};
  (void)state;
  for (int c = AP_CURVE_LOGISTIC; c < AP_CURVES; c++) {
    tensor x, y;
    tensor_bytes(&x, sizeof ends, ends);
    tensor_constant(&y, N_OF(ends), 5);
    ON_BOTH(ap_curve_forward(be, (ap_curve)c, N_OF(ends), T(x), T(y), &ok_error));
    float *out = read_floats(y.t, N_OF(ends));
    assert_true(isnan(out[0]) && fabsf(out[1] - at_zero[c]) < 2e-7f);
    for (size_t i = 2; i < N_OF(ends); i++) {
      const double want = ap_curve_exact((ap_curve)c, (double)ends[i]);
      assert_true(want < 1 || out[i] == 1);
      assert_true(out[i] >= 0 && fabs((double)out[i] - want) <= 2e-7 * want + 1e-35);
    }
    free(out);
    FREE(&x, &y);
  }
}

/* ---- products ------------------------------------------------------------------------------- */

static void multiply_case(size_t planes, size_t pixels, bool per_plane, fill_kind fill) {
  const ap_gate_shape s = {planes, pixels, per_plane};
  const size_t count = planes * pixels;
  const double tolerance = fill == FILL_INTEGER ? 0 : EPS;
  tensor a, b, y, sum;
  tensor_make(&a, count, fill);
  tensor_make(&b, per_plane ? planes : count, fill);
  tensor_constant(&y, count, NAN);
  tensor_make(&sum, count, fill);
  ON_BOTH(ap_multiply(be, &s, T(a), T(b), T(y), false, &ok_error));
  tensor_same("multiply", &y, tolerance);
  ON_BOTH(ap_multiply(be, &s, T(a), T(b), T(sum), true, &ok_error));
  tensor_same("multiply accumulated", &sum, tolerance);
  ON_BOTH(ap_multiply(be, &s, T(a), T(b), T(a), false, &ok_error));
  tensor_same("multiply in place of a", &a, tolerance);
  if (!per_plane) {
    ON_BOTH(ap_multiply(be, &s, T(a), T(b), T(b), false, &ok_error));
    tensor_same("multiply in place of b", &b, tolerance);
  }
  FREE(&a, &b, &y, &sum);
}

/* Sums of n normal products: about sqrt(n), within n roundings of a double. */
static void multiply_sum_case(size_t planes, size_t pixels, fill_kind fill) {
  const ap_gate_shape s = {planes, pixels, false};
  const double tolerance = fill == FILL_INTEGER ? 0 : EPS;
  tensor a, b, y, sum;
  tensor_make(&a, planes * pixels, fill);
  tensor_make(&b, planes * pixels, fill);
  tensor_constant(&y, planes, NAN);
  tensor_make(&sum, planes, fill);
  ON_BOTH(ap_multiply_sum(be, &s, T(a), T(b), T(y), false, &ok_error));
  tensor_same("multiply_sum", &y, tolerance);
  ON_BOTH(ap_multiply_sum(be, &s, T(a), T(b), T(sum), true, &ok_error));
  tensor_same("multiply_sum accumulated", &sum, tolerance);
  FREE(&a, &b, &y, &sum);
}

static void products(void **state) {
  static const size_t sizes[][2] = {{0, 5},     {5, 0},     {1, 1},     {2, 3},    {7, 13},
                                    {3, 31},    {5, 32},    {5, 33},    {3, 63},   {3, 64},
                                    {3, 65},    {1009, 1},  {1, 1009},  {257, 49}, {1, 32767},
                                    {2, 16384}, {1, 32769}, {32769, 1}, {11, 6007}};
  (void)state;
  for (size_t i = 0; i < N_OF(sizes); i++) {
    for (int kind = 0; kind < 2; kind++) {
      const fill_kind fill = kind ? FILL_NORMAL : FILL_INTEGER;
      multiply_case(sizes[i][0], sizes[i][1], false, fill);
      multiply_case(sizes[i][0], sizes[i][1], true, fill);
      multiply_sum_case(sizes[i][0], sizes[i][1], fill);
    }
  }
}

/* Planes 1 2 3 / 4 5 6 with factors 10, -1; the squares add up to 14 and, onto 1, 78. */
static void products_by_hand(void **state) {
  const ap_gate_shape s = {2, 3, true};
  const float expected[] = {10, 20, 30, -4, -5, -6}, sums[] = {14, 78};
  tensor a, b, same, y, sum;
  (void)state;
  tensor_bytes(&a, 24, (const float[]){1, 2, 3, 4, 5, 6});
  tensor_bytes(&same, 24, a.host);
  tensor_bytes(&b, 8, (const float[]){10, -1});
  tensor_constant(&y, 6, NAN);
  tensor_bytes(&sum, 8, (const float[]){0, 1});
  ON_BOTH(ap_multiply(be, &s, T(a), T(b), T(y), false, &ok_error));
  ON_BOTH(ap_multiply_sum(be, &s, T(a), T(same), T(sum), true, &ok_error));
  float *out = read_floats(y.t, 6);
  assert_memory_equal(out, expected, sizeof expected);
  free(out);
  out = read_floats(sum.t, 2);
  assert_memory_equal(out, sums, sizeof sums);
  free(out);
  FREE(&a, &b, &same, &y, &sum);
}

/* A large product and its opposite leave the small ones: float sums would lose them. */
static void sums_are_accurate(void **state) {
  const ap_gate_shape s = {1, 4099, false};
  tensor a, ones, y;
  (void)state;
  tensor_constant(&a, s.pixels, 1);
  tensor_constant(&ones, s.pixels, 1);
  a.host[17] = 1e9f;
  a.host[4000] = -1e9f;
  tensor_push(&a);
  tensor_constant(&y, 1, NAN);
  ON_BOTH(ap_multiply_sum(be, &s, T(a), T(ones), T(y), false, &ok_error));
  float *out = read_floats(y.t, 1);
  assert_true(out[0] == 4097);
  free(out);
  FREE(&a, &ones, &y);
}

/* ---- channels by number --------------------------------------------------------------------- */

typedef enum {
  PICK_SHUFFLE,
  PICK_SLICE,  /* from the middle on; what is beyond the end begins again */
  PICK_RANDOM, /* some twice or more, some never */
  PICK_ONE,
  PICK_KINDS
} pick_kind;

static void draw_picks(pick_kind kind, size_t c_from, size_t c_to, int32_t *picks) {
  for (size_t c = 0; c < c_to; c++) {
    picks[c] = kind == PICK_SLICE    ? (int32_t)((c_from / 2 + c) % c_from)
               : kind == PICK_RANDOM ? (int32_t)ap_rng_below(&rng, c_from)
               : kind == PICK_ONE    ? (int32_t)(c_from - 1)
                                     : (int32_t)(c % c_from);
  }
  for (size_t c = c_to; kind == PICK_SHUFFLE && c > 1; c--) {
    const size_t other = ap_rng_below(&rng, c);
    const int32_t kept = picks[other];
    picks[other] = picks[c - 1];
    picks[c - 1] = kept;
  }
}

/* The picks turned round; users of a channel in ascending order. */
static void turn_round(const int32_t *picks, size_t c_from, size_t c_to, int32_t *starts,
                       int32_t *users) {
  int32_t at = 0;
  for (size_t f = 0; f < c_from; f++) {
    starts[f] = at;
    for (size_t c = 0; c < c_to; c++) {
      if (picks[c] == (int32_t)f) users[at++] = (int32_t)c;
    }
  }
  starts[c_from] = at;
}

static void gather_case(const ap_gather_shape *s, pick_kind kind, fill_kind fill) {
  int32_t *picks = calloc(s->c_to + 1, sizeof *picks), *users = calloc(s->c_to + 1, sizeof *users);
  int32_t *starts = calloc(s->c_from + 1, sizeof *starts);
  tensor x, y, chosen, first, by, dx, sum;
  assert_true(picks && users && starts);
  if (s->c_from > 0) draw_picks(kind, s->c_from, s->c_to, picks);
  turn_round(picks, s->c_from, s->c_to, starts, users);
  tensor_bytes(&chosen, s->c_to * sizeof *picks, picks);
  tensor_bytes(&first, (s->c_from + 1) * sizeof *starts, starts);
  tensor_bytes(&by, s->c_to * sizeof *users, users);
  tensor_make(&x, s->n * s->c_from * s->hw, fill);
  tensor_constant(&y, s->n * s->c_to * s->hw, 77);
  tensor_constant(&dx, x.count, NAN);
  tensor_make(&sum, x.count, fill);
  ON_BOTH(ap_gather_forward(be, s, T(chosen), T(x), T(y), &ok_error));
  tensor_same("gather", &y, 0);
  if (s->c_from > 0) { /* else y is NaN */
    ON_BOTH(ap_gather_backward(be, s, T(first), T(by), T(y), T(dx), false, &ok_error));
    tensor_same("gather dx", &dx, fill == FILL_INTEGER ? 0 : 10 * EPS);
    ON_BOTH(ap_gather_backward(be, s, T(first), T(by), T(y), T(sum), true, &ok_error));
    tensor_same("gather dx accumulated", &sum, fill == FILL_INTEGER ? 0 : 10 * EPS);
  }
  free(picks);
  free(users);
  free(starts);
  FREE(&x, &y, &chosen, &first, &by, &dx, &sum);
}

static void gathers(void **state) {
  static const ap_gather_shape list[] = {
      {1, 1, 1, 1},     {2, 3, 5, 7},      {3, 24, 24, 64}, {2, 58, 29, 49}, {5, 7, 31, 1},
      {1, 2, 3, 1009},  {0, 3, 4, 5},      {2, 0, 3, 4},    {2, 3, 0, 4},    {2, 3, 4, 0},
      {1, 1, 1, 32769}, {3, 300, 257, 31}, {97, 5, 3, 257}};
  (void)state;
  for (size_t i = 0; i < N_OF(list); i++) {
    for (pick_kind kind = 0; kind < PICK_KINDS; kind++) {
      gather_case(&list[i], kind, FILL_INTEGER);
      gather_case(&list[i], kind, FILL_NORMAL);
    }
  }
}

/* Channels outside the source are NaN, the others are there. */
static void picks_outside(void **state) {
  const ap_gather_shape s = {2, 3, 6, 5};
  const int32_t picks[] = {0, -1, 2, 3, INT32_MAX, INT32_MIN};
  tensor x, y, chosen;
  (void)state;
  tensor_make(&x, s.n * s.c_from * s.hw, FILL_INTEGER);
  tensor_constant(&y, s.n * s.c_to * s.hw, 77);
  tensor_bytes(&chosen, sizeof picks, picks);
  ON_BOTH(ap_gather_forward(be, &s, T(chosen), T(x), T(y), &ok_error));
  tensor_same("picks outside", &y, 0);
  float *out = read_floats(y.t, y.count);
  for (size_t i = 0; i < y.count; i++) {
    const int32_t pick = picks[i / s.hw % s.c_to];
    assert_true(isnan(out[i]) == (pick < 0 || pick > 2));
  }
  free(out);
  FREE(&x, &y, &chosen);
}

/* Lists that do not fit: what lies outside adds nothing. */
static void users_outside(void **state) {
  const ap_gather_shape s = {2, 4, 3, 5};
  const int32_t starts[] = {-7, 2, 1, 1000, 3}, users[] = {1, -1, 3};
  tensor dy, dx, first, by;
  (void)state;
  tensor_make(&dy, s.n * s.c_to * s.hw, FILL_INTEGER);
  tensor_constant(&dx, s.n * s.c_from * s.hw, NAN);
  tensor_bytes(&first, sizeof starts, starts);
  tensor_bytes(&by, sizeof users, users);
  ON_BOTH(ap_gather_backward(be, &s, T(first), T(by), T(dy), T(dx), false, &ok_error));
  tensor_same("users outside", &dx, 0);
  FREE(&dy, &dx, &first, &by);
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Elements: more than two blocks of threads take. */
#define THREADED ((size_t)37 * 6 * 400)

/* Bits of four operations with that many threads: all[4][THREADED]. */
static void results(size_t threads, float *all) {
  const ap_gate_shape gate = {222, 400, true}, sums = {6, 14800, false};
  const ap_gather_shape gather = {37, 6, 6, 400};
  const size_t n = THREADED;
  const int32_t picks[] = {3, 3, 0, 5, 1, 1};
  ap_backend *saved = tested;
  ap_error err = {0};
  if (ap_backend_open(tested_name, threads, &tested, &err)) fail_msg("%s", err.text);
  tensor x, factor, chosen, out[4];
  ap_rng_seed(&rng, 13, 0);
  tensor_make(&x, n, FILL_NORMAL);
  tensor_make(&factor, gate.planes, FILL_NORMAL);
  tensor_bytes(&chosen, sizeof picks, picks);
  for (size_t i = 0; i < 4; i++) tensor_constant(&out[i], n, NAN);
  OK(ap_curve_forward(tested, AP_CURVE_LOGISTIC, n, x.t, out[0].t, &ok_error));
  OK(ap_multiply(tested, &gate, x.t, factor.t, out[1].t, false, &ok_error));
  OK(ap_multiply_sum(tested, &sums, x.t, out[0].t, out[2].t, false, &ok_error));
  OK(ap_gather_forward(tested, &gather, chosen.t, x.t, out[3].t, &ok_error));
  for (size_t i = 0; i < 4; i++) {
    float *part = read_floats(out[i].t, n);
    memcpy(all + i * n, part, n * sizeof *all);
    free(part);
  }
  FREE(&x, &factor, &chosen, &out[0], &out[1], &out[2], &out[3]);
  ap_backend_close(tested);
  tested = saved;
}

static void threads_change_nothing(void **state) {
  (void)state;
  same_for_all_threads(4 * THREADED, results);
}

int run_compare_gate(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(curves),
      cmocka_unit_test(curves_at_the_ends),
      cmocka_unit_test(products),
      cmocka_unit_test(products_by_hand),
      cmocka_unit_test(sums_are_accurate),
      cmocka_unit_test(gathers),
      cmocka_unit_test(picks_outside),
      cmocka_unit_test(users_outside),
      cmocka_unit_test(threads_change_nothing),
  };
  return cmocka_run_group_tests_name("gates and channels by number", tests, NULL, NULL);
}
