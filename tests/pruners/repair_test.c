/* Least-squares repair against the plain solution of the same problem. */
#include "pruners/repair.h"

#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "tests/base/testing.h"

static ap_error failure;

/* E[x x^T] of `samples` random inputs and the constant, as moments.h defines it. */
static double *random_moments(ap_rng *rng, size_t k, size_t samples, double **inputs) {
  size_t d = k + 1;
  double *h = ap_calloc(d * d, sizeof *h), *x = ap_calloc(samples * d, sizeof *x);
  assert_non_null(h);
  assert_non_null(x);
  for (size_t s = 0; s < samples; s++) {
    double common = ap_rng_normal(rng); /* correlated inputs, with a mean */
    for (size_t i = 0; i < k; i++) x[s * d + i] = 0.5 + common + ap_rng_normal(rng);
    x[s * d + k] = 1;
    for (size_t i = 0; i < d; i++) {
      for (size_t j = 0; j < d; j++) h[i * d + j] += x[s * d + i] * x[s * d + j] / (double)samples;
    }
  }
  *inputs = x;
  return h;
}

/* Solves a x = b by Gaussian elimination with row exchanges. */
static void plain_solve(double *a, double *b, size_t n) {
  for (size_t c = 0; c < n; c++) {
    size_t p = c;
    for (size_t r = c + 1; r < n; r++) p = fabs(a[r * n + c]) > fabs(a[p * n + c]) ? r : p;
    for (size_t j = 0; j < n; j++) {
      double t = a[c * n + j];
      a[c * n + j] = a[p * n + j];
      a[p * n + j] = t;
    }
    double t = b[c];
    b[c] = b[p];
    b[p] = t;
    for (size_t r = c + 1; r < n; r++) {
      double f = a[r * n + c] / a[c * n + c];
      for (size_t j = c; j < n; j++) a[r * n + j] -= f * a[c * n + j];
      b[r] -= f * b[c];
    }
  }
  for (size_t c = n; c-- > 0;) {
    for (size_t j = c + 1; j < n; j++) b[c] -= a[c * n + j] * b[j];
    b[c] /= a[c * n + c];
  }
}

/* The kept weights and bias of one column, from the damped normal equations over all samples. */
static void oracle(const double *h, size_t k, double damping, const float *dense,
                   const uint8_t *kept, size_t stride, double *w, double *bias) {
  size_t d = k + 1, n = 0, index[64];
  double mean = 0, a[64 * 64], b[64];
  for (size_t i = 0; i < k; i++) mean += h[i * d + i] / (double)k;
  for (size_t i = 0; i < k; i++) {
    if (kept[i * stride]) index[n++] = i;
  }
  index[n++] = k;
  for (size_t i = 0; i < n; i++) { /* delta_S: (H_SS + damping) delta = H_SP w_P */
    b[i] = 0;
    for (size_t j = 0; j < k; j++) {
      if (!kept[j * stride]) b[i] += h[index[i] * d + j] * (double)dense[j * stride];
    }
    for (size_t j = 0; j < n; j++) a[i * n + j] = h[index[i] * d + index[j]];
    a[i * n + i] += index[i] < k ? damping * mean : 1e-9;
  }
  plain_solve(a, b, n);
  for (size_t i = 0; i < k; i++) w[i] = 0;
  for (size_t i = 0; i + 1 < n; i++) w[index[i]] = (double)dense[index[i] * stride] + b[i];
  *bias += b[n - 1];
}

static double squared_error(const double *x, size_t samples, size_t k, const float *w0, double b0,
                            const float *w, double b, size_t stride) {
  double sum = 0;
  for (size_t s = 0; s < samples; s++) {
    double e = b - b0;
    for (size_t i = 0; i < k; i++) {
      e += x[s * (k + 1) + i] * ((double)w[i * stride] - (double)w0[i * stride]);
    }
    sum += e * e;
  }
  return sum;
}

static void solves_the_normal_equations(void **state) {
  static const size_t ks[] = {1, 2, 9, 13, 37};
  ap_repair_options options = ap_repair_defaults();
  (void)state;
  options.tolerance = 1e-6;
  for (size_t t = 0; t < sizeof ks / sizeof ks[0]; t++) {
    size_t k = ks[t], n = 7, samples = 200;
    ap_rng rng;
    double *x, *h;
    float *dense = ap_calloc(k * n, sizeof *dense), *w = ap_calloc(k * n, sizeof *w);
    float bias[7], out_bias[7], again_bias[7];
    float *again = ap_calloc(k * n, sizeof *again);
    uint8_t *kept = ap_calloc(k * n, 1);
    ap_repair *repair;
    ap_rng_seed(&rng, 11, t);
    h = random_moments(&rng, k, samples, &x);
    for (size_t i = 0; i < k * n; i++) {
      dense[i] = (float)ap_rng_normal(&rng);
      /* column 0 keeps nothing, column 1 everything, the others from few to many */
      size_t column = i % n;
      kept[i] = column == 1 || (column > 1 && ap_rng_uniform(&rng) < (double)column / 7);
    }
    for (size_t j = 0; j < n; j++) bias[j] = (float)ap_rng_normal(&rng);
    assert_int_equal(ap_repair_create(h, k, &options, &repair, &failure), AP_OK);
    for (size_t threads = 1; threads <= 3; threads += 2) {
      ap_pool *pool;
      assert_int_equal(ap_pool_create(threads, &pool, &failure), AP_OK);
      assert_int_equal(
          ap_repair_columns(repair, pool, n, n, dense, kept, bias, threads == 1 ? w : again,
                            threads == 1 ? out_bias : again_bias, &failure),
          AP_OK);
      ap_pool_destroy(pool);
    }
    assert_memory_equal(w, again, k * n * sizeof *w);
    assert_memory_equal(out_bias, again_bias, sizeof bias);
    for (size_t j = 0; j < n; j++) {
      double expect[64], expect_bias = (double)bias[j];
      float masked[64];
      oracle(h, k, options.damping, dense + j, kept + j, n, expect, &expect_bias);
      for (size_t i = 0; i < k; i++) {
        assert_true(fabs((double)w[i * n + j] - expect[i]) < 1e-4);
        if (!kept[i * n + j]) assert_true(w[i * n + j] == 0);
        masked[i] = kept[i * n + j] ? dense[i * n + j] : 0;
      }
      assert_true(fabs((double)out_bias[j] - expect_bias) < 1e-4);
      if (j == 1) assert_true(out_bias[j] == bias[j]);
      if (k <= 37) { /* never worse than plain masking on the calibration samples, up to damping */
        float column[64], dense_column[64];
        for (size_t i = 0; i < k; i++) {
          column[i] = w[i * n + j];
          dense_column[i] = dense[i * n + j];
        }
        assert_true(squared_error(x, samples, k, dense_column, (double)bias[j], column,
                                  (double)out_bias[j], 1) <=
                    1.05 * squared_error(x, samples, k, dense_column, (double)bias[j], masked,
                                         (double)bias[j], 1) +
                        1e-6);
      }
    }
    ap_repair_destroy(repair);
    ap_free(h);
    ap_free(x);
    ap_free(dense);
    ap_free(w);
    ap_free(again);
    ap_free(kept);
  }
}

/* Weights and bias of one column where inputs have moved: x = A y + b + noise now, y before. The kept ones
 * solve (H_SS + damping) w_S = (C w0 + damping w0)_S, whether they are all or some. */
static void follows_moved_inputs(void **state) {
  enum { K = 13, N = 5, D = K + 1, SAMPLES = 300 };
  ap_repair_options options = ap_repair_defaults();
  static double x[SAMPLES * D], y[SAMPLES * D], h[D * D], c[D * D], cross[D * N];
  float dense[K * N], w[K * N], bias[N], new_bias[N];
  uint8_t kept[K * N];
  double mean = 0;
  ap_repair *repair = NULL;
  ap_pool *pool = NULL;
  ap_rng rng;
  (void)state;
  options.tolerance = 1e-6;
  ap_rng_seed(&rng, 31, 0);
  for (size_t s = 0; s < SAMPLES; s++) {
    double common = ap_rng_normal(&rng);
    for (size_t i = 0; i < K; i++) y[s * D + i] = 0.5 + common + ap_rng_normal(&rng);
    for (size_t i = 0; i < K; i++) {
      x[s * D + i] = 0.7 * y[s * D + i] + 0.2 * y[s * D + (i + 1) % K] + 0.1 * ap_rng_normal(&rng);
    }
    x[s * D + K] = y[s * D + K] = 1;
    for (size_t i = 0; i < D; i++) {
      for (size_t j = 0; j < D; j++) {
        h[i * D + j] += x[s * D + i] * x[s * D + j] / SAMPLES;
        c[i * D + j] += x[s * D + i] * y[s * D + j] / SAMPLES;
      }
    }
  }
  for (size_t i = 0; i < K; i++) mean += h[i * D + i] / K;
  for (size_t i = 0; i < K * N; i++) {
    dense[i] = (float)ap_rng_normal(&rng);
    kept[i] = i % N == 0 || ap_rng_below(&rng, 3) == 0; /* all of column 0 */
  }
  for (size_t j = 0; j < N; j++) bias[j] = (float)ap_rng_normal(&rng);
  assert_int_equal(ap_pool_create(1, &pool, &failure), AP_OK);
  assert_int_equal(ap_repair_create(h, K, &options, &repair, &failure), AP_OK);
  for (size_t i = 0; i < D; i++) { /* E[x t], t the dense layer's outputs */
    for (size_t j = 0; j < N; j++) {
      cross[i * N + j] = c[i * D + K] * (double)bias[j];
      for (size_t t = 0; t < K; t++) cross[i * N + j] += c[i * D + t] * (double)dense[t * N + j];
    }
  }
  assert_int_equal(
      ap_repair_fit(repair, pool, cross, N, N, dense, kept, bias, w, new_bias, &failure), AP_OK);
  for (size_t j = 0; j < N; j++) {
    double a[D * D], b[D];
    size_t index[D], n = 0;
    for (size_t i = 0; i < K; i++) {
      if (kept[i * N + j]) index[n++] = i;
    }
    index[n++] = K;
    for (size_t i = 0; i < n; i++) {
      double own = index[i] < K ? (double)dense[index[i] * N + j] : (double)bias[j];
      double damping = index[i] < K ? options.damping * mean : 1e-9;
      b[i] = damping * own;
      for (size_t t = 0; t < D; t++) {
        b[i] += c[index[i] * D + t] * (t < K ? (double)dense[t * N + j] : (double)bias[j]);
      }
      for (size_t t = 0; t < n; t++) a[i * n + t] = h[index[i] * D + index[t]];
      a[i * n + i] += damping;
    }
    plain_solve(a, b, n);
    for (size_t i = 0; i + 1 < n; i++) {
      assert_true(fabs((double)w[index[i] * N + j] - b[i]) < 1e-4);
    }
    assert_true(fabs((double)new_bias[j] - b[n - 1]) < 1e-4);
    for (size_t i = 0; i < K; i++) assert_true(kept[i * N + j] || w[i * N + j] == 0);
  }
  ap_repair_destroy(repair);
  ap_pool_destroy(pool);
}

/* 70 columns (more than a block) of 150 inputs against elimination: patterns of single weights, of whole
 * rows that a block of columns shares (its system shrinks), and of nothing at all. */
static void many_columns_of_many_inputs(void **state) {
  enum { K = 150, N = 70, D = K + 1, SAMPLES = 400, STRIDE = 73 };
  ap_repair_options options = ap_repair_defaults();
  (void)state;
  options.tolerance = 1e-6;
  for (size_t round = 0; round < 3; round++) {
    float *dense = ap_calloc(K * STRIDE, sizeof *dense), *w = ap_calloc(K * STRIDE, sizeof *w);
    float bias[N], out[N];
    uint8_t *kept = ap_calloc(K * STRIDE, 1);
    double *x, *h, mean = 0, *a = ap_calloc(D * D, sizeof *a);
    ap_repair *repair = NULL;
    ap_pool *pool = NULL;
    ap_rng rng;
    ap_rng_seed(&rng, 77, round);
    h = random_moments(&rng, K, SAMPLES, &x);
    for (size_t i = 0; i < K; i++) mean += h[i * D + i] / K;
    for (size_t i = 0; i < K * STRIDE; i++) {
      dense[i] = (float)ap_rng_normal(&rng);
      kept[i] = ap_rng_below(&rng, 2) == 0;
      if (round == 1) kept[i] = i / STRIDE % 5 == i % STRIDE / 35;
      if (round == 2) kept[i] = 0;
    }
    for (size_t j = 0; j < N; j++) bias[j] = (float)ap_rng_normal(&rng);
    assert_int_equal(ap_repair_create(h, K, &options, &repair, &failure), AP_OK);
    assert_int_equal(ap_pool_create(2, &pool, &failure), AP_OK);
    assert_int_equal(
        ap_repair_columns(repair, pool, N, STRIDE, dense, kept, bias, w, out, &failure), AP_OK);
    for (size_t j = 0; j < N; j++) {
      size_t index[D], n = 0;
      double b[D];
      for (size_t i = 0; i < K; i++) {
        if (kept[i * STRIDE + j]) index[n++] = i;
      }
      index[n++] = K;
      for (size_t i = 0; i < n; i++) {
        b[i] = 0;
        for (size_t t = 0; t < K; t++) {
          if (!kept[t * STRIDE + j]) b[i] += h[index[i] * D + t] * (double)dense[t * STRIDE + j];
        }
        for (size_t t = 0; t < n; t++) a[i * n + t] = h[index[i] * D + index[t]];
        a[i * n + i] += index[i] < K ? options.damping * mean : 1e-9;
      }
      plain_solve(a, b, n);
      for (size_t i = 0; i + 1 < n; i++) {
        size_t at = index[i] * STRIDE + j;
        assert_true(fabs((double)w[at] - (double)dense[at] - b[i]) < 1e-3);
      }
      assert_true(fabs((double)out[j] - (double)bias[j] - b[n - 1]) < 1e-3);
      for (size_t i = 0; i < K; i++) assert_true(kept[i * STRIDE + j] || w[i * STRIDE + j] == 0);
    }
    ap_repair_destroy(repair);
    ap_pool_destroy(pool);
    ap_free(dense);
    ap_free(w);
    ap_free(kept);
    ap_free(h);
    ap_free(x);
    ap_free(a);
  }
}

/* No step: the kept weights stay, the bias still makes good for the mean of what was removed. */
static void without_steps_the_bias_moves(void **state) {
  ap_repair_options options = {.damping = 0.01, .tolerance = 1e-4, .max_steps = 0};
  double h[25] = {0}; /* four inputs, each 1 always: E[x_i x_j] = 1 */
  float dense[4] = {1, 2, 3, 4}, bias[1] = {0.5f}, w[4], out[1];
  uint8_t kept[4] = {0, 1, 1, 0};
  ap_repair *repair;
  ap_pool *pool;
  (void)state;
  for (size_t i = 0; i < 25; i++) h[i] = 1;
  assert_int_equal(ap_repair_create(h, 4, &options, &repair, &failure), AP_OK);
  assert_int_equal(ap_pool_create(1, &pool, &failure), AP_OK);
  assert_int_equal(ap_repair_columns(repair, pool, 1, 1, dense, kept, bias, w, out, &failure),
                   AP_OK);
  assert_true(w[0] == 0 && w[1] == 2 && w[2] == 3 && w[3] == 0);
  assert_true(fabsf(out[0] - 5.5f) < 1e-6f); /* 0.5 + 1 + 4 */
  ap_pool_destroy(pool);
  ap_repair_destroy(repair);
}

static void allocation_failures_leave_nothing(void **state) {
  ap_repair_options options = ap_repair_defaults();
  double h[9] = {2, 1, 1, 1, 2, 1, 1, 1, 1};
  (void)state;
  for (size_t i = 0;; i++) {
    ap_repair *repair = NULL;
    ap_status st;
    ap_alloc_fail_after(i);
    st = ap_repair_create(h, 2, &options, &repair, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) {
      assert_true(i >= 2);
      ap_repair_destroy(repair);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(repair);
  }
}

static void refuses_moments_that_are_none(void **state) {
  ap_repair_options options = ap_repair_defaults();
  double h[9] = {1, 0, 0, 0, -5, 0, 0, 0, 1}; /* a negative square */
  ap_repair *repair;
  (void)state;
  assert_int_equal(ap_repair_create(h, 2, &options, &repair, &failure), AP_ERR_INTERNAL);
  assert_null(repair);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(solves_the_normal_equations),
                                     cmocka_unit_test(many_columns_of_many_inputs),
                                     cmocka_unit_test(without_steps_the_bias_moves),
                                     cmocka_unit_test(allocation_failures_leave_nothing),
                                     cmocka_unit_test(refuses_moments_that_are_none),
                                     cmocka_unit_test(follows_moved_inputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
