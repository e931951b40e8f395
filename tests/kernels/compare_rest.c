/* Every operation except convolution against the oracle, on outputs poisoned with NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

/* ---- batch normalisation ------------------------------------------------------------------- */

static void bn_case(size_t n, size_t c, size_t hw, float offset) {
  const ap_bn_shape s = {n, c, hw, 1e-5f, 0.1f};
  const size_t count = n * c * hw;
  tensor x, gamma, beta, y, mean, inv, rmean, rvar, dy, dx, dgamma, dbeta, z;
  tensor_make(&x, count, FILL_NORMAL);
  for (size_t i = 0; i < count; i++) x.host[i] += offset;
  tensor_push(&x);
  tensor_make(&gamma, c, FILL_NORMAL);
  tensor_make(&beta, c, FILL_NORMAL);
  tensor_make(&rmean, c, FILL_NORMAL);
  tensor_constant(&rvar, c, 2.5f);
  tensor_make(&dy, count, FILL_NORMAL);
  tensor_constant(&y, count, NAN);
  tensor_constant(&z, count, NAN);
  tensor_constant(&dx, count, NAN);
  tensor_constant(&mean, c, NAN);
  tensor_constant(&inv, c, NAN);
  tensor_constant(&dgamma, c, NAN);
  tensor_constant(&dbeta, c, NAN);
  ON_BOTH(ap_bn_forward_train(be, &s, T(x), T(gamma), T(beta), T(y), T(mean), T(inv), T(rmean),
                              T(rvar), &ok_error));
  /* A constant channel (one element) divides by sqrt(epsilon): roundings grow 300-fold. */
  const double grown = n * hw < 3 ? 300 * EPS : 4 * EPS * (1 + fabs((double)offset));
  tensor_same("bn y", &y, grown);
  tensor_same("bn mean", &mean, EPS);
  tensor_same("bn inv_std", &inv, 10 * EPS);
  tensor_same("bn running mean", &rmean, EPS);
  tensor_same("bn running var", &rvar, 10 * EPS);
  ON_BOTH(ap_bn_forward_infer(be, &s, T(x), T(gamma), T(beta), T(rmean), T(rvar), T(z), &ok_error));
  tensor_same("bn infer", &z, 4 * EPS * (1 + fabs((double)offset)));
  if (count > 0) {
    /* The backward calls start from the same saved statistics. */
    float *saved = read_floats(mean.o, c);
    OK(ap_buffer_write(mean.t, 0, saved, c * sizeof(float), &ok_error));
    free(saved);
    saved = read_floats(inv.o, c);
    OK(ap_buffer_write(inv.t, 0, saved, c * sizeof(float), &ok_error));
    free(saved);
  }
  ON_BOTH(ap_bn_backward(be, &s, T(x), T(dy), T(gamma), T(mean), T(inv), T(dx), T(dgamma), T(dbeta),
                         &ok_error));
  const double large = n * hw < 3 ? 1e-3 : 1e-5 * (1 + sqrt((double)(n * hw)) / 10);
  tensor_same("bn dgamma", &dgamma, large);
  tensor_same("bn dbeta", &dbeta, large);
  tensor_same("bn dx", &dx, n * hw < 3 ? 0.5 : 2e-5);
  /* In place: dx == dy; y == x. */
  ON_BOTH(ap_bn_backward(be, &s, T(x), T(dy), T(gamma), T(mean), T(inv), T(dy), T(dgamma), T(dbeta),
                         &ok_error));
  float *a = read_floats(dx.t, count), *b = read_floats(dy.t, count);
  assert_memory_equal(a, b, count * sizeof(float));
  free(a);
  free(b);
  ON_BOTH(ap_bn_forward_infer(be, &s, T(x), T(gamma), T(beta), T(rmean), T(rvar), T(x), &ok_error));
  a = read_floats(z.t, count);
  b = read_floats(x.t, count);
  assert_memory_equal(a, b, count * sizeof(float));
  free(a);
  free(b);
  FREE(&x, &gamma, &beta, &y, &mean, &inv, &rmean, &rvar, &dy, &dx, &dgamma, &dbeta, &z);
}

static void batch_norm(void **state) {
  const size_t sizes[][3] = {{1, 1, 1}, {2, 3, 1},    {7, 5, 13},   {4, 16, 16}, {3, 2, 17},
                             {1, 3, 2}, {64, 3, 64},  {5, 1, 1024}, {0, 3, 4},   {3, 0, 4},
                             {3, 4, 0}, {1, 2, 1009}, {33, 7, 31}};
  (void)state;
  for (size_t i = 0; i < N_OF(sizes); i++) bn_case(sizes[i][0], sizes[i][1], sizes[i][2], 0);
  bn_case(16, 3, 64, 100); /* a mean far above the deviation */
}

/* ---- elementwise --------------------------------------------------------------------------- */

static void relu(void **state) {
  const float ceilings[] = {INFINITY, 3, 6};
  (void)state;
  for (size_t i = 0; i < N_OF(counts); i++) {
    for (size_t j = 0; j < N_OF(ceilings); j++) {
      tensor x, y, dy, dx, sum;
      tensor_make(&x, counts[i], FILL_INTEGER); /* hits 0 and the ceiling 3 exactly */
      tensor_constant(&y, counts[i], NAN);
      tensor_make(&dy, counts[i], FILL_NORMAL);
      tensor_constant(&dx, counts[i], NAN);
      tensor_make(&sum, counts[i], FILL_NORMAL);
      ON_BOTH(ap_relu_forward(be, counts[i], ceilings[j], T(x), T(y), &ok_error));
      tensor_same("relu y", &y, 0);
      ON_BOTH(ap_relu_backward(be, counts[i], ceilings[j], T(y), T(dy), T(dx), false, &ok_error));
      tensor_same("relu dx", &dx, 0);
      ON_BOTH(ap_relu_backward(be, counts[i], ceilings[j], T(y), T(dy), T(sum), true, &ok_error));
      tensor_same("relu dx accumulated", &sum, 0);
      ON_BOTH(ap_relu_backward(be, counts[i], ceilings[j], T(y), T(dy), T(dy), false, &ok_error));
      tensor_same("relu dx in place", &dy, 0);
      ON_BOTH(ap_relu_forward(be, counts[i], ceilings[j], T(x), T(x), &ok_error));
      tensor_same("relu in place", &x, 0);
      FREE(&x, &y, &dy, &dx, &sum);
    }
  }
}

static void relu_keeps_nan(void **state) {
  tensor x, y;
  float *out;
  (void)state;
  tensor_bytes(&x, 3 * sizeof(float), (const float[]){NAN, -1, 7});
  tensor_constant(&y, 3, 5);
  ON_BOTH(ap_relu_forward(be, 3, 6, T(x), T(y), &ok_error));
  out = read_floats(y.t, 3);
  assert_true(isnan(out[0]));
  assert_true(out[1] == 0 && out[2] == 6);
  free(out);
  FREE(&x, &y);
}

static void add_and_scale(void **state) {
  (void)state;
  for (size_t i = 0; i < N_OF(counts); i++) {
    tensor a, b, y;
    tensor_make(&a, counts[i], FILL_NORMAL);
    tensor_make(&b, counts[i], FILL_NORMAL);
    tensor_constant(&y, counts[i], NAN);
    ON_BOTH(ap_add(be, counts[i], T(a), T(b), T(y), &ok_error));
    tensor_same("add", &y, 0);
    ON_BOTH(ap_add(be, counts[i], T(a), T(b), T(a), &ok_error));
    tensor_same("add in place of a", &a, 0);
    ON_BOTH(ap_add(be, counts[i], T(a), T(b), T(b), &ok_error));
    tensor_same("add in place of b", &b, 0);
    ON_BOTH(ap_scale(be, counts[i], 0.3f, T(a), T(y), true, &ok_error));
    tensor_same("scale accumulated", &y, EPS);
    ON_BOTH(ap_scale(be, counts[i], -1.5f, T(a), T(y), false, &ok_error));
    tensor_same("scale", &y, EPS);
    FREE(&a, &b, &y);
  }
}

static void sgd(void **state) {
  const ap_sgd settings[] = {
      {0.1f, 0, 0, false}, {0.05f, 0.9f, 5e-4f, false}, {0.05f, 0.9f, 5e-4f, true}};
  (void)state;
  for (size_t i = 0; i < N_OF(counts); i++) {
    for (size_t j = 0; j < N_OF(settings); j++) {
      tensor w, v, g, mask;
      tensor_make(&w, counts[i], FILL_NORMAL);
      tensor_make(&v, counts[i], FILL_NORMAL);
      tensor_make(&g, counts[i], FILL_NORMAL);
      tensor_make(&mask, counts[i], FILL_INTEGER);
      for (size_t k = 0; k < counts[i]; k++) mask.host[k] = mask.host[k] > 0 ? 1 : 0;
      tensor_push(&mask);
      ON_BOTH(ap_sgd_step(be, counts[i], &settings[j], T(w), T(v), T(g), NULL, &ok_error));
      tensor_same("sgd w", &w, EPS);
      tensor_same("sgd v", &v, EPS);
      ON_BOTH(ap_sgd_step(be, counts[i], &settings[j], T(w), T(v), T(g), T(mask), &ok_error));
      tensor_same("masked w", &w, EPS);
      tensor_same("masked v", &v, EPS);
      float *out = read_floats(w.t, counts[i]);
      for (size_t k = 0; k < counts[i]; k++) assert_true(mask.host[k] != 0 || out[k] == 0);
      free(out);
      FREE(&w, &v, &g, &mask);
    }
  }
}

/* w = 1, v = 2, g = 3, decay 0.5, momentum 0.5, rate 0.25: g' = 3.5, v = 4.5; w = 1 - 1.125, or with
 * Nesterov's form 1 - 0.25 * (3.5 + 2.25) = -0.4375. */
static void sgd_by_hand(void **state) {
  (void)state;
  for (int nesterov = 0; nesterov < 2; nesterov++) {
    const ap_sgd s = {0.25f, 0.5f, 0.5f, nesterov == 1};
    tensor w, v, g;
    float *out;
    tensor_constant(&w, 1, 1);
    tensor_constant(&v, 1, 2);
    tensor_constant(&g, 1, 3);
    ON_BOTH(ap_sgd_step(be, 1, &s, T(w), T(v), T(g), NULL, &ok_error));
    tensor_same("w", &w, 0);
    out = read_floats(w.t, 1);
    assert_true(out[0] == (nesterov ? -0.4375f : -0.125f));
    free(out);
    out = read_floats(v.t, 1);
    assert_true(out[0] == 4.5f);
    free(out);
    FREE(&w, &v, &g);
  }
}

/* ---- pooling ------------------------------------------------------------------------------- */

static void pool_case(ap_pool_shape s, fill_kind fill) {
  const size_t n_x = s.n * s.c * s.h * s.w, n_y = s.n * s.c * ap_pool_out_h(&s) * ap_pool_out_w(&s);
  const double tolerance = s.kind == AP_POOL_MAX && fill == FILL_INTEGER ? 0 : 2 * EPS;
  tensor x, y, dy, dx, sum;
  tensor_make(&x, n_x, fill); /* integers tie often: the first maximum must be found */
  tensor_constant(&y, n_y, NAN);
  tensor_make(&dy, n_y, fill);
  tensor_constant(&dx, n_x, NAN);
  tensor_make(&sum, n_x, fill);
  ON_BOTH(ap_pool_forward(be, &s, T(x), T(y), &ok_error));
  tensor_same("pool y", &y, tolerance);
  ON_BOTH(ap_pool_backward(be, &s, T(x), T(y), T(dy), T(dx), false, &ok_error));
  tensor_same("pool dx", &dx, tolerance);
  ON_BOTH(ap_pool_backward(be, &s, T(x), T(y), T(dy), T(sum), true, &ok_error));
  tensor_same("pool dx accumulated", &sum, tolerance);
  FREE(&x, &y, &dy, &dx, &sum);
}

static void pooling(void **state) {
  /* n, c, h, w, kh, kw, stride_h, stride_w, pads */
  const size_t sizes[][12] = {
      {3, 20, 24, 24, 2, 2, 2, 2, 0, 0, 0, 0}, {3, 5, 8, 8, 2, 2, 2, 2, 0, 0, 0, 0},
      {2, 3, 7, 9, 2, 2, 2, 2, 0, 0, 0, 0},    {2, 3, 7, 9, 2, 2, 2, 2, 0, 0, 1, 1},
      {2, 3, 8, 8, 3, 3, 2, 2, 1, 1, 1, 1},    {2, 3, 11, 13, 3, 2, 1, 3, 2, 0, 0, 1},
      {4, 64, 8, 8, 8, 8, 1, 1, 0, 0, 0, 0},   {4, 3, 7, 5, 7, 5, 7, 5, 0, 0, 0, 0},
      {2, 3, 1, 1, 2, 2, 1, 1, 1, 1, 0, 0},    {2, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {2, 3, 6, 66, 2, 2, 2, 2, 0, 0, 0, 0},   {2, 3, 5, 5, 2, 2, 3, 3, 0, 0, 0, 0},
      {0, 3, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0},    {2, 3, 1, 4, 2, 2, 2, 2, 0, 0, 0, 0},
      {2, 3, 0, 4, 2, 2, 2, 2, 1, 1, 1, 1},    {2, 3, 5, 4, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 3, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0},    {70, 90, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0},
  };
  (void)state;
  for (size_t i = 0; i < N_OF(sizes); i++) {
    const size_t *v = sizes[i];
    const bool frame = v[4] == 1 && v[5] == 1 && v[8] + v[9] + v[10] + v[11] > 0;
    for (int kind = frame ? 2 : 0; kind < 3; kind++) { /* zeros around: counted averages alone */
      const ap_pool_shape s = {kind ? AP_POOL_AVERAGE : AP_POOL_MAX,
                               v[0],
                               v[1],
                               v[2],
                               v[3],
                               v[4],
                               v[5],
                               v[6],
                               v[7],
                               v[8],
                               v[9],
                               v[10],
                               v[11],
                               kind == 2};
      pool_case(s, FILL_INTEGER);
      pool_case(s, FILL_NORMAL);
    }
  }
}

/* The window 1 5 / 5 2 sends its gradient to the first 5. */
static void pooling_ties(void **state) {
  const ap_pool_shape s = {AP_POOL_MAX, 1, 1, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, false};
  const float expected[] = {0, 7, 0, 0};
  tensor x, y, dy, dx;
  float *out;
  (void)state;
  tensor_bytes(&x, 16, (const float[]){1, 5, 5, 2});
  tensor_constant(&y, 1, NAN);
  tensor_constant(&dy, 1, 7);
  tensor_constant(&dx, 4, NAN);
  ON_BOTH(ap_pool_forward(be, &s, T(x), T(y), &ok_error));
  ON_BOTH(ap_pool_backward(be, &s, T(x), T(y), T(dy), T(dx), false, &ok_error));
  out = read_floats(dx.t, 4);
  assert_memory_equal(out, expected, sizeof expected);
  free(out);
  FREE(&x, &y, &dy, &dx);
}

/* ---- channel moves ------------------------------------------------------------------------- */

static void moves(void **state) {
  const ap_move_shape list[] = {
      {5, 16, 32, 32, 32, 16, 16, 0, 8, 16, 2, 2}, /* the padded shortcut of a residual net */
      {3, 4, 7, 5, 6, 7, 5, 1, 3, 3, 1, 1},        /* concatenation */
      {2, 3, 9, 10, 2, 3, 2, 1, 0, 2, 4, 9},       {1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1},
      {2, 3, 4, 4, 3, 4, 4, 0, 0, 0, 1, 1},        {0, 3, 4, 4, 3, 4, 4, 0, 0, 3, 1, 1},
      {2, 3, 4, 4, 3, 0, 4, 0, 0, 3, 1, 1},
  };
  (void)state;
  for (size_t i = 0; i < N_OF(list); i++) {
    const ap_move_shape *s = &list[i];
    tensor from, to, dfrom, sum;
    tensor_make(&from, s->n * s->c_from * s->h_from * s->w_from, FILL_NORMAL);
    tensor_make(&to, s->n * s->c_to * s->h_to * s->w_to, FILL_NORMAL); /* the rest must stay */
    tensor_constant(&dfrom, from.count, NAN);
    tensor_make(&sum, from.count, FILL_NORMAL);
    ON_BOTH(ap_move_forward(be, s, T(from), T(to), &ok_error));
    tensor_same("move", &to, 0);
    ON_BOTH(ap_move_backward(be, s, T(to), T(dfrom), false, &ok_error));
    tensor_same("move dfrom", &dfrom, 0);
    ON_BOTH(ap_move_backward(be, s, T(to), T(sum), true, &ok_error));
    tensor_same("move dfrom accumulated", &sum, 0);
    FREE(&from, &to, &dfrom, &sum);
  }
}

/* ---- images and loss ----------------------------------------------------------------------- */

static void images(void **state) {
  const ap_image_pick picks[] = {{0, 0, 0, 0, 0, 0, 0},
                                 {4, 0, 0, 1, 0, 0, 0},
                                 {2, -2, 3, 0, 0, 0, 0},
                                 {2, 3, -1, 1, 0, 0, 0},
                                 {1, 4, 4, 1, 0, 0, 0},
                                 {3, 40, 0, 0, 0, 0, 0},
                                 {3, 0, -40, 1, 0, 0, 0},
                                 {3, 0, 40, 0, 0, 0, 0},
                                 {5, 0, 0, 0, 0, 0, 0},
                                 {-1, 0, 0, 0, 0, 0, 0},
                                 {0, INT32_MIN, INT32_MAX, 1, 0, 0, 0},
                                 {2, 1, -1, 1, 3, 2, 4},
                                 {1, 0, 0, 0, -2, -3, 5},
                                 {4, 0, 2, 1, 7, 5, 400},
                                 {0, 0, 0, 0, -5, 0, 5},
                                 {0, 0, 0, 0, 9, 40, 3},
                                 {3, 0, 0, 0, INT32_MIN, INT32_MIN, INT32_MAX},
                                 {3, 0, 0, 0, INT32_MAX, 0, INT32_MAX},
                                 {3, 0, 0, 0, 0, 0, -1},
                                 {9, 0, 0, 0, 0, 0, 3}};
  const size_t widths[] = {1, 7, 32, 33};
  (void)state;
  for (size_t i = 0; i < N_OF(widths); i++) {
    const ap_image_shape s = {5, N_OF(picks), 3, 9, widths[i]};
    const size_t bytes = s.n_source * s.c * s.h * s.w;
    uint8_t *pixels = malloc(bytes);
    tensor source, chosen, mean, std, y;
    assert_non_null(pixels);
    for (size_t j = 0; j < bytes; j++) pixels[j] = (uint8_t)ap_rng_below(&rng, 256);
    tensor_bytes(&source, bytes, pixels);
    tensor_bytes(&chosen, sizeof picks, picks);
    tensor_bytes(&mean, 12, (const float[]){0.49f, 0.48f, 0.45f});
    tensor_bytes(&std, 12, (const float[]){0.247f, 0.243f, 0.262f});
    tensor_constant(&y, s.n * s.c * s.h * s.w, 77);
    ON_BOTH(ap_image_gather(be, &s, T(source), T(chosen), T(mean), T(std), T(y), &ok_error));
    tensor_same("images", &y, EPS);
    free(pixels);
    FREE(&source, &chosen, &mean, &std, &y);
  }
}

/* Pixels 0 51 255 moved by dx = 1 and mirrored: the crop is 51 255 -, mirrored - 255 51, with mean
 * 0.2 and std 0.5: 0 (outside), 1.6, 0. */
static void images_by_hand(void **state) {
  const ap_image_shape s = {1, 1, 1, 1, 3};
  const ap_image_pick pick = {0, 0, 1, 1, 0, 0, 0};
  tensor source, chosen, mean, std, y;
  float *out;
  (void)state;
  tensor_bytes(&source, 3, (const uint8_t[]){0, 51, 255});
  tensor_bytes(&chosen, sizeof pick, &pick);
  tensor_constant(&mean, 1, 0.2f);
  tensor_constant(&std, 1, 0.5f);
  tensor_constant(&y, 3, NAN);
  ON_BOTH(ap_image_gather(be, &s, T(source), T(chosen), T(mean), T(std), T(y), &ok_error));
  out = read_floats(y.t, 3);
  assert_true(out[0] == 0);
  assert_true(fabsf(out[1] - 1.6f) < 1e-6f);
  assert_true(fabsf(out[2]) < 1e-6f);
  free(out);
  FREE(&source, &chosen, &mean, &std, &y);
}

static void losses(void **state) {
  const size_t sizes[][2] = {{1, 1},   {1, 10},  {7, 10},    {31, 3},
                             {32, 10}, {33, 10}, {100, 101}, {0, 10}};
  const float smoothings[] = {0, 0.1f};
  (void)state;
  for (size_t i = 0; i < N_OF(sizes); i++) {
    for (size_t j = 0; j < 2; j++) {
      const size_t n = sizes[i][0], classes = sizes[i][1];
      int32_t list[128];
      tensor z, labels, loss, correct, dz;
      tensor_make(&z, n * classes, j ? FILL_NORMAL : FILL_INTEGER); /* integers tie */
      for (size_t k = 0; k < n; k++) list[k] = (int32_t)ap_rng_below(&rng, classes);
      if (n > 2) list[1] = -1, list[2] = (int32_t)classes;      /* unknown labels give NaN */
      if (n > 4 && classes > 4) z.host[4 * classes + 3] = 1000; /* no overflow */
      tensor_push(&z);
      tensor_bytes(&labels, n * sizeof list[0], list);
      tensor_constant(&loss, n, 5);
      tensor_constant(&correct, n, NAN);
      tensor_constant(&dz, n * classes, 5);
      ON_BOTH(ap_softmax_loss(be, n, classes, T(z), T(labels), smoothings[j], 0.125f, T(loss),
                              T(correct), T(dz), &ok_error));
      tensor_same("loss", &loss, 4 * EPS);
      tensor_same("correct", &correct, 0);
      tensor_same("dlogits", &dz, EPS);
      ON_BOTH(ap_softmax_loss(be, n, classes, T(z), T(labels), smoothings[j], 1, T(loss),
                              T(correct), NULL, &ok_error));
      tensor_same("loss alone", &loss, 4 * EPS);
      FREE(&z, &labels, &loss, &correct, &dz);
    }
  }
}

/* Two equal logits, label 1: loss log 2; class 0 is predicted (the first), so not correct. */
static void loss_by_hand(void **state) {
  const int32_t label = 1;
  tensor z, labels, loss, correct, dz;
  float *out;
  (void)state;
  tensor_constant(&z, 2, 3);
  tensor_bytes(&labels, 4, &label);
  tensor_constant(&loss, 1, NAN);
  tensor_constant(&correct, 1, NAN);
  tensor_constant(&dz, 2, NAN);
  ON_BOTH(ap_softmax_loss(be, 1, 2, T(z), T(labels), 0, 4, T(loss), T(correct), T(dz), &ok_error));
  out = read_floats(loss.t, 1);
  assert_true(fabs((double)out[0] - log(2)) < 1e-6);
  free(out);
  out = read_floats(correct.t, 1);
  assert_true(out[0] == 0);
  free(out);
  out = read_floats(dz.t, 2);
  assert_true(fabsf(out[0] - 2) < 1e-6f && fabsf(out[1] + 2) < 1e-6f);
  free(out);
  FREE(&z, &labels, &loss, &correct, &dz);
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Bits of bn, pooling and loss results with that many threads. */
static float *results(size_t threads, size_t *count) {
  const ap_bn_shape bn = {37, 6, 49, 1e-5f, 0.1f};
  const ap_pool_shape pool = {AP_POOL_AVERAGE, 37, 6, 7, 7, 3, 3, 2, 2, 1, 1, 1, 1, false};
  const size_t n = bn.n * bn.c * bn.hw;
  const size_t n_pool = bn.n * bn.c * ap_pool_out_h(&pool) * ap_pool_out_w(&pool);
  const size_t sizes[] = {n, 6, 6, n, 6, 6, n_pool, n};
  ap_backend *saved = tested;
  tensor x, dy, gamma, out[8], running[2];
  float *all;
  size_t at = 0;
  ap_error err = {0};
  if (ap_backend_open(tested_name, threads, &tested, &err)) fail_msg("%s", err.text);
  ap_rng_seed(&rng, 11, 0);
  tensor_make(&x, n, FILL_NORMAL);
  tensor_make(&dy, n, FILL_NORMAL);
  tensor_make(&gamma, 6, FILL_NORMAL);
  for (size_t i = 0; i < 2; i++) tensor_constant(&running[i], 6, 1);
  *count = 0;
  for (size_t i = 0; i < 8; i++) {
    tensor_constant(&out[i], sizes[i], NAN);
    *count += sizes[i];
  }
  OK(ap_bn_forward_train(tested, &bn, x.t, gamma.t, gamma.t, out[0].t, out[1].t, out[2].t,
                         running[0].t, running[1].t, &ok_error));
  OK(ap_bn_backward(tested, &bn, x.t, dy.t, gamma.t, out[1].t, out[2].t, out[3].t, out[4].t,
                    out[5].t, &ok_error));
  OK(ap_pool_forward(tested, &pool, x.t, out[6].t, &ok_error));
  OK(ap_pool_backward(tested, &pool, NULL, NULL, out[6].t, out[7].t, false, &ok_error));
  all = calloc(*count, sizeof *all);
  assert_non_null(all);
  for (size_t i = 0; i < 8; i++) {
    float *part = read_floats(out[i].t, sizes[i]);
    memcpy(all + at, part, sizes[i] * sizeof *all);
    at += sizes[i];
    free(part);
    tensor_free(&out[i]);
  }
  FREE(&x, &dy, &gamma, &running[0], &running[1]);
  ap_backend_close(tested);
  tested = saved;
  return all;
}

static void threads_change_nothing(void **state) {
  size_t count;
  float *one = results(1, &count);
  (void)state;
  for (size_t threads = 2; threads <= 3; threads++) {
    float *more = results(threads, &count);
    assert_memory_equal(one, more, count * sizeof *one);
    free(more);
  }
  free(one);
}

int run_compare_rest(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batch_norm),
      cmocka_unit_test(relu),
      cmocka_unit_test(relu_keeps_nan),
      cmocka_unit_test(add_and_scale),
      cmocka_unit_test(sgd),
      cmocka_unit_test(sgd_by_hand),
      cmocka_unit_test(pooling),
      cmocka_unit_test(pooling_ties),
      cmocka_unit_test(moves),
      cmocka_unit_test(images),
      cmocka_unit_test(images_by_hand),
      cmocka_unit_test(losses),
      cmocka_unit_test(loss_by_hand),
      cmocka_unit_test(threads_change_nothing),
  };
  return cmocka_run_group_tests_name("other operations", tests, NULL, NULL);
}
