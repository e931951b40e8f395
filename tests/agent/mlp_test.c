#include "test_agent.h"
/* after CMocka's own */
#include <math.h>
#include <string.h>

#include "agent/gemm_impl.h"
#include "agent/mlp.h"
#include "base/alloc.h"
#include "mlp_oracle.h"

/* Small whole numbers: every product and sum is exact, so the result must be equal. */
static void product_equals_plain_loops(void **state) {
  const size_t rows[] = {1, 2, 5, 6, 7, 13}, depths[] = {0, 1, 3, 17}, columns[] = {16, 32, 48};
  static float a[17 * 13];
  static _Alignas(32) float b[17 * 48], bias[48], c[13 * 48];
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 7, 0);
  for (size_t x = 0; x < 6 * 4 * 3 * 4; x++) {
    size_t m = rows[x % 6], k = depths[x / 6 % 4], n = columns[x / 24 % 3];
    bool across = x / 72 % 2, with_bias = x / 144;
    for (size_t i = 0; i < 17 * 13; i++) a[i] = (float)ap_rng_below(&rng, 9) - 4;
    for (size_t i = 0; i < 17 * 48; i++) b[i] = (float)ap_rng_below(&rng, 9) - 4;
    for (size_t i = 0; i < 48; i++) bias[i] = (float)ap_rng_below(&rng, 9) - 4;
    for (size_t i = 0; i < 13 * 48; i++) c[i] = NAN;
    ap_gemm(m, n, k, a, across ? 1 : 17, across ? 13 : 1, b, with_bias ? bias : NULL, c);
    for (size_t i = 0; i < m; i++) {
      for (size_t j = 0; j < n; j++) {
        double sum = with_bias ? (double)bias[j] : 0;
        for (size_t p = 0; p < k; p++) {
          sum += (double)(across ? a[i + p * 13] : a[i * 17 + p]) * (double)b[p * n + j];
        }
        assert_true((double)c[i * n + j] == sum);
      }
    }
    for (size_t i = m * n; i < 13 * 48; i++) assert_true(isnan(c[i])); /* nothing past the end */
  }
}

typedef struct {
  size_t n_layers, widths[5];
  ap_mlp_output output;
  size_t samples;
} shape;

static const shape shapes[] = {{1, {1, 1}, AP_MLP_LINEAR, 1},
                               {2, {3, 5, 2}, AP_MLP_SIGMOID, 4},
                               {3, {5, 7, 6, 1}, AP_MLP_SIGMOID, 9},
                               {3, {6, 17, 16, 1}, AP_MLP_LINEAR, 7},
                               {4, {2, 15, 3, 18, 3}, AP_MLP_LINEAR, 5}};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static oracle truth;

/* sum over samples and outputs of weight * output */
static double scalar(const oracle *net, size_t n, const double *x, const float *weights) {
  size_t in = net->widths[0], out = net->widths[net->n_layers];
  double sum = 0, ys[32];
  for (size_t i = 0; i < n; i++) {
    oracle_forward(net, x + i * in, ys);
    for (size_t j = 0; j < out; j++) sum += (double)weights[i * out + j] * ys[j];
  }
  return sum;
}

static void gradients_equal_differences(void **state) {
  const double h = 1e-6, tolerance = 2e-5;
  (void)state;
  for (size_t s = 0; s < N_SHAPES; s++) {
    const shape *p = &shapes[s];
    size_t in = p->widths[0], out = p->widths[p->n_layers], n = p->samples;
    float x[64], y[64], d[64], dx[64];
    double exact[64];
    ap_rng rng;
    ap_mlp *net;
    assert_int_equal(ap_mlp_create(p->n_layers, p->widths, p->output, n, &net, NULL), AP_OK);
    ap_rng_seed(&rng, 11, s);
    ap_mlp_init(net, in > 1 ? 1 : 0, &rng);
    for (size_t i = 0; i < n * in; i++) exact[i] = (double)(x[i] = (float)ap_rng_uniform(&rng));
    for (size_t i = 0; i < n * out; i++) d[i] = (float)ap_rng_normal(&rng);
    ap_mlp_forward(net, n, x, y);
    ap_mlp_backward(net, n, x, d, true, dx);
    oracle_copy(&truth, net, p->n_layers, p->widths, p->output == AP_MLP_SIGMOID);
    for (size_t i = 0; i < n; i++) {
      double ys[32];
      oracle_forward(&truth, exact + i * in, ys);
      for (size_t j = 0; j < out; j++) assert_near((double)y[i * out + j], ys[j], 1e-5);
    }
    for (size_t l = 0; l < p->n_layers; l++) {
      for (size_t i = 0; i <= p->widths[l]; i++) {
        for (size_t j = 0; j < p->widths[l + 1]; j++) {
          double *v = oracle_parameter(&truth, l, i, j), old = *v, up, down;
          *v = old + h;
          up = scalar(&truth, n, exact, d);
          *v = old - h;
          down = scalar(&truth, n, exact, d);
          *v = old;
          assert_near((double)ap_mlp_gradient(net, l, i, j), (up - down) / (2 * h), tolerance);
        }
      }
    }
    for (size_t i = 0; i < n * in; i++) {
      double old = exact[i], up, down;
      exact[i] = old + h;
      up = scalar(&truth, n, exact, d);
      exact[i] = old - h;
      down = scalar(&truth, n, exact, d);
      exact[i] = old;
      assert_near((double)dx[i], (up - down) / (2 * h), tolerance);
    }
    ap_mlp_destroy(net);
  }
}

static void a_sample_does_not_depend_on_its_batch(void **state) {
  const size_t widths[] = {6, 33, 20, 2};
  float x[13 * 6], together[13 * 2], alone[2];
  ap_rng rng;
  ap_mlp *net;
  (void)state;
  assert_int_equal(ap_mlp_create(3, widths, AP_MLP_SIGMOID, 13, &net, NULL), AP_OK);
  ap_rng_seed(&rng, 3, 0);
  ap_mlp_init(net, 0, &rng);
  for (size_t i = 0; i < 13 * 6; i++) x[i] = (float)ap_rng_normal(&rng);
  ap_mlp_forward(net, 13, x, together);
  for (size_t i = 0; i < 13; i++) {
    ap_mlp_forward(net, 1, x + i * 6, alone);
    assert_memory_equal(alone, together + i * 2, sizeof alone);
  }
  ap_mlp_destroy(net);
}

/* Two steps by hand, in double. First step: m/(1-b1) = g, sqrt(v/(1-b2)) = |g|: moves by the rate. */
static void adam_steps_are_the_textbook_ones(void **state) {
  const size_t widths[] = {1, 1};
  const double rate = 0.01;
  const float x = 2, gradients[] = {0.5f, -0.25f};
  double m = 0, v = 0, w = 0;
  float y;
  ap_mlp *net;
  (void)state;
  assert_int_equal(ap_mlp_create(1, widths, AP_MLP_LINEAR, 1, &net, NULL), AP_OK);
  for (int t = 1; t <= 2; t++) {
    double g = 2 * (double)gradients[t - 1];
    ap_mlp_forward(net, 1, &x, &y);
    ap_mlp_backward(net, 1, &x, &gradients[t - 1], true, NULL);
    ap_mlp_adam(net, rate);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    w -= rate * (m / (1 - pow(0.9, t))) / (sqrt(v / (1 - pow(0.999, t))) + 1e-8);
    assert_near((double)*ap_mlp_parameter(net, 0, 0, 0), w, 1e-7);
    if (t == 1) assert_near(w, -rate, 1e-8);
  }
  ap_mlp_destroy(net);
}

static void follow_and_init_do_what_they_say(void **state) {
  const size_t widths[] = {5, 9, 1};
  ap_mlp *net, *target;
  ap_rng rng;
  (void)state;
  assert_int_equal(ap_mlp_create(2, widths, AP_MLP_LINEAR, 1, &net, NULL), AP_OK);
  assert_int_equal(ap_mlp_create(2, widths, AP_MLP_LINEAR, 1, &target, NULL), AP_OK);
  ap_rng_seed(&rng, 5, 0);
  ap_mlp_init(net, 1, &rng);
  for (size_t j = 0; j < 9; j++) {
    for (size_t i = 0; i < 4; i++) assert_true(fabsf(*ap_mlp_parameter(net, 0, i, j)) <= 0.5f);
    assert_true(fabsf(*ap_mlp_parameter(net, 0, 4, j)) <= 1);    /* a branch of one input */
    assert_true(fabsf(*ap_mlp_parameter(net, 0, 5, j)) <= 0.5f); /* bias */
    assert_true(*ap_mlp_parameter(net, 0, 0, j) != 0);
  }
  ap_mlp_follow(target, net, 0.25);
  assert_near((double)*ap_mlp_parameter(target, 0, 2, 3),
              0.25 * (double)*ap_mlp_parameter(net, 0, 2, 3), 1e-8);
  ap_mlp_follow(target, net, 1);
  assert_true(*ap_mlp_parameter(target, 0, 2, 3) == *ap_mlp_parameter(net, 0, 2, 3));
  ap_mlp_destroy(net);
  ap_mlp_destroy(target);
}

static void bad_shapes_and_lack_of_memory_are_refused(void **state) {
  const size_t good[] = {4, 8, 1}, zero[] = {4, 0, 1}, huge[] = {4, (size_t)1 << 40, 1};
  ap_mlp *net = (ap_mlp *)&net;
  ap_error err;
  (void)state;
  assert_int_equal(ap_mlp_create(2, zero, AP_MLP_LINEAR, 1, &net, &err), AP_ERR_ARG);
  assert_null(net);
  assert_int_equal(ap_mlp_create(2, huge, AP_MLP_LINEAR, 1, &net, &err), AP_ERR_ARG);
  assert_int_equal(ap_mlp_create(0, good, AP_MLP_LINEAR, 1, &net, &err), AP_ERR_ARG);
  assert_int_equal(ap_mlp_create(9, good, AP_MLP_LINEAR, 1, &net, &err), AP_ERR_ARG);
  assert_int_equal(ap_mlp_create(2, good, AP_MLP_LINEAR, 0, &net, &err), AP_ERR_ARG);
  for (size_t n = 0;; n++) {
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_mlp_create(2, good, AP_MLP_LINEAR, 3, &net, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      assert_true(n > 5);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(net);
  }
  ap_mlp_destroy(net);
  ap_mlp_destroy(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(product_equals_plain_loops),
      cmocka_unit_test(gradients_equal_differences),
      cmocka_unit_test(a_sample_does_not_depend_on_its_batch),
      cmocka_unit_test(adam_steps_are_the_textbook_ones),
      cmocka_unit_test(follow_and_init_do_what_they_say),
      cmocka_unit_test(bad_shapes_and_lack_of_memory_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
