/* Every differentiable operation against central differences.
 *
 * For a scalar L = sum of r * f(x) with fixed random r, dL/dx by the backward call is compared with
 * (L(x + h) - L(x - h)) / 2h at some elements; L is summed in double. The operations return
 * floats, so the error of a difference is about eps * |L| / h; inputs are of order 1, h = 2^-6, and
 * second derivatives are small, which leaves 1e-3 or so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/groups.h"
#include "tests/kernels/support.h"

#define STEP 0.015625
#define MAX_INPUTS 3

/* An operation: inputs 0..n-1 are differentiated; forward gives `out`, backward fills grads. */
typedef struct {
  const char *name;
  size_t n_inputs;
  size_t in[MAX_INPUTS], out;
  const void *shape;
  void (*forward)(const void *shape, ap_buffer **in, ap_buffer *y);
  void (*backward)(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                   ap_buffer **grads);
  double tolerance;
} operation;

static ap_buffer *buffer_of(size_t count) {
  ap_buffer *b = NULL;
  OK(ap_buffer_create(tested, count * sizeof(float), &b, &ok_error));
  return b;
}

static void put(ap_buffer *b, const float *data, size_t count) {
  OK(ap_buffer_write(b, 0, data, count * sizeof(float), &ok_error));
}

static double value(const operation *op, ap_buffer **in, ap_buffer *y, const float *r) {
  double sum = 0;
  float *out;
  op->forward(op->shape, in, y);
  out = read_floats(y, op->out);
  for (size_t i = 0; i < op->out; i++) sum += (double)out[i] * (double)r[i];
  free(out);
  return sum;
}

/* Compares the gradient of input j at up to 40 of its elements. */
static void compare(const operation *op, size_t j, ap_buffer **in, float *host, ap_buffer *y,
                    const float *r, const float *gradient) {
  const size_t step = op->in[j] / 40 + 1;
  for (size_t i = 0; i < op->in[j]; i += step) {
    const float x = host[i];
    double high, low, difference;
    host[i] = x + (float)STEP;
    put(in[j], host, op->in[j]);
    high = value(op, in, y, r);
    host[i] = x - (float)STEP;
    put(in[j], host, op->in[j]);
    low = value(op, in, y, r);
    host[i] = x;
    put(in[j], host, op->in[j]);
    difference = (high - low) / (2 * STEP);
    if (!(fabs(difference - (double)gradient[i]) <= op->tolerance * (1 + fabs(difference)))) {
      fail_msg("%s: input %zu[%zu]: gradient %.6g, difference %.6g", op->name, j, i,
               (double)gradient[i], difference);
    }
  }
}

static void check(const operation *op) {
  float *host[MAX_INPUTS] = {NULL}, *r = calloc(op->out, sizeof *r);
  ap_buffer *in[MAX_INPUTS] = {NULL}, *grads[MAX_INPUTS] = {NULL};
  ap_buffer *y = buffer_of(op->out), *dy = buffer_of(op->out);
  assert_non_null(r);
  for (size_t j = 0; j < op->n_inputs; j++) {
    host[j] = calloc(op->in[j], sizeof(float));
    assert_non_null(host[j]);
    /* Multiples of 1/8 and an odd 1/16: a step crosses neither 0 nor a tie between neighbours that
     * differ; equal neighbours are broken by the index. */
    for (size_t i = 0; i < op->in[j]; i++) {
      host[j][i] = ((float)ap_rng_below(&rng, 33) - 16) / 8 + 0.0625f;
    }
    in[j] = buffer_of(op->in[j]);
    grads[j] = buffer_of(op->in[j]);
    put(in[j], host[j], op->in[j]);
  }
  for (size_t i = 0; i < op->out; i++) r[i] = (float)ap_rng_normal(&rng);
  put(dy, r, op->out);
  op->forward(op->shape, in, y);
  op->backward(op->shape, in, y, dy, grads);
  for (size_t j = 0; j < op->n_inputs; j++) {
    float *gradient = read_floats(grads[j], op->in[j]);
    compare(op, j, in, host[j], y, r, gradient);
    free(gradient);
  }
  for (size_t j = 0; j < op->n_inputs; j++) {
    free(host[j]);
    ap_buffer_destroy(in[j]);
    ap_buffer_destroy(grads[j]);
  }
  free(r);
  ap_buffer_destroy(y);
  ap_buffer_destroy(dy);
}

static void conv_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_conv_forward(tested, shape, in[0], in[1], in[2], y, &ok_error));
}

static void conv_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                   ap_buffer **grads) {
  (void)y;
  OK(ap_conv_backward_data(tested, shape, dy, in[1], grads[0], false, &ok_error));
  OK(ap_conv_backward_filter(tested, shape, in[0], dy, grads[1], grads[2], &ok_error));
}

static void convolution(void **state) {
  const ap_conv_shape list[] = {
      {2, 3, 7, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 3, 8, 7, 4, 3, 2, 2, 1, 0, 1, 2, 1, 1, 1, 1},
      {3, 4, 5, 5, 6, 3, 3, 2, 2, 1, 1, 1, 1, 2, 1, 1},
      {5, 12, 1, 1, 7, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
      {2, 4, 5, 5, 4, 5, 5, 1, 1, 2, 2, 2, 2, 4, 1, 1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
    const ap_conv_shape *s = &list[i];
    const operation op = {
        "conv",
        3,
        {s->n * s->c_in * s->h * s->w, s->c_out * (s->c_in / s->groups) * s->kh * s->kw, s->c_out},
        s->n * s->c_out * ap_conv_out_h(s) * ap_conv_out_w(s),
        s,
        conv_f,
        conv_b,
        2e-3 * sqrt(product_rounding)};
    check(&op);
  }
}

/* Saved statistics of the last forward call. */
static ap_buffer *bn_mean, *bn_inv, *bn_running[2];

static void bn_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_bn_forward_train(tested, shape, in[0], in[1], in[2], y, bn_mean, bn_inv, bn_running[0],
                         bn_running[1], &ok_error));
}

static void bn_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                 ap_buffer **grads) {
  (void)y;
  OK(ap_bn_backward(tested, shape, in[0], dy, in[1], bn_mean, bn_inv, grads[0], grads[1], grads[2],
                    &ok_error));
}

static void batch_norm(void **state) {
  const ap_bn_shape s = {4, 3, 35, 1e-3f, 0.1f};
  const operation op = {"bn", 3, {4 * 3 * 35, 3, 3}, 4 * 3 * 35, &s, bn_f, bn_b, 3e-3};
  (void)state;
  bn_mean = buffer_of(3);
  bn_inv = buffer_of(3);
  bn_running[0] = buffer_of(3);
  bn_running[1] = buffer_of(3);
  check(&op);
  ap_buffer_destroy(bn_mean);
  ap_buffer_destroy(bn_inv);
  ap_buffer_destroy(bn_running[0]);
  ap_buffer_destroy(bn_running[1]);
}

#define ELEMENTS ((size_t)50)

static void relu_f(const void *ceiling, ap_buffer **in, ap_buffer *y) {
  OK(ap_relu_forward(tested, ELEMENTS, *(const float *)ceiling, in[0], y, &ok_error));
}

static void relu_b(const void *ceiling, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                   ap_buffer **grads) {
  (void)in;
  OK(ap_relu_backward(tested, ELEMENTS, *(const float *)ceiling, y, dy, grads[0], false,
                      &ok_error));
}

static void relu(void **state) {
  const float ceilings[] = {INFINITY, 1};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    const operation op = {"relu", 1, {ELEMENTS}, ELEMENTS, &ceilings[i], relu_f, relu_b, 1e-3};
    check(&op);
  }
}

static void pool_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_pool_forward(tested, shape, in[0], y, &ok_error));
}

static void pool_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                   ap_buffer **grads) {
  OK(ap_pool_backward(tested, shape, in[0], y, dy, grads[0], false, &ok_error));
}

/* Averages here; a maximum has no derivative at ties, so it is checked on distinct numbers. */
static void average_pooling(void **state) {
  const ap_pool_shape list[] = {
      {AP_POOL_AVERAGE, 2, 2, 6, 6, 6, 6, 1, 1, 0, 0, 0, 0, true},
      {AP_POOL_AVERAGE, 2, 2, 7, 6, 3, 3, 2, 2, 1, 1, 1, 1, true},
      {AP_POOL_AVERAGE, 2, 2, 7, 6, 3, 3, 2, 2, 1, 1, 1, 1, false},
      {AP_POOL_AVERAGE, 2, 2, 3, 4, 1, 1, 1, 1, 1, 0, 1, 1, true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
    const ap_pool_shape *s = &list[i];
    const operation op = {"average",
                          1,
                          {s->n * s->c * s->h * s->w},
                          s->n * s->c * ap_pool_out_h(s) * ap_pool_out_w(s),
                          s,
                          pool_f,
                          pool_b,
                          1e-3};
    check(&op);
  }
}

/* Distinct integers in a fixed scattered order: x[i] = 7 i mod 36, gradients by the definition. */
static void max_pooling(void **state) {
  const ap_pool_shape s = {AP_POOL_MAX, 1, 1, 6, 6, 3, 3, 2, 2, 1, 1, 1, 1, false};
  const size_t n = 36, out = 9;
  ap_buffer *x = buffer_of(n), *y = buffer_of(out), *dy = buffer_of(out), *dx = buffer_of(n);
  float host[36], r[9], *gradient, *base;
  (void)state;
  for (size_t i = 0; i < n; i++) host[i] = (float)(7 * i % 37);
  for (size_t i = 0; i < out; i++) r[i] = (float)ap_rng_normal(&rng);
  put(x, host, n);
  put(dy, r, out);
  OK(ap_pool_forward(tested, &s, x, y, &ok_error));
  OK(ap_pool_backward(tested, &s, x, y, dy, dx, false, &ok_error));
  gradient = read_floats(dx, n);
  base = read_floats(y, out);
  for (size_t i = 0; i < n; i++) {
    double sum = 0;
    float *moved;
    host[i] += 0.25f;
    put(x, host, n);
    host[i] -= 0.25f;
    OK(ap_pool_forward(tested, &s, x, y, &ok_error));
    moved = read_floats(y, out);
    for (size_t j = 0; j < out; j++) sum += (double)(moved[j] - base[j]) / 0.25 * (double)r[j];
    free(moved);
    assert_true(fabs(sum - (double)gradient[i]) < 1e-5);
  }
  free(gradient);
  free(base);
  ap_buffer_destroy(x);
  ap_buffer_destroy(y);
  ap_buffer_destroy(dy);
  ap_buffer_destroy(dx);
}

static void move_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_move_forward(tested, shape, in[0], y, &ok_error));
}

static void move_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                   ap_buffer **grads) {
  (void)in;
  (void)y;
  OK(ap_move_backward(tested, shape, dy, grads[0], false, &ok_error));
}

static void moves(void **state) {
  const ap_move_shape s = {2, 3, 6, 7, 5, 3, 3, 1, 2, 2, 2, 3};
  const operation op = {"move", 1, {2 * 3 * 42}, 2 * 5 * 9, &s, move_f, move_b, 1e-3};
  (void)state;
  check(&op);
}

static void curve_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  const ap_curve *curve = shape;
  OK(ap_curve_forward(tested, *curve, ELEMENTS, in[0], y, &ok_error));
}

static void curve_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                    ap_buffer **grads) {
  const ap_curve *curve = shape;
  OK(ap_curve_backward(tested, *curve, ELEMENTS, ap_curve_keeps_value(*curve) ? y : in[0], dy,
                       grads[0], false, &ok_error));
}

static void curves(void **state) {
  (void)state;
  for (int c = AP_CURVE_LOGISTIC; c < AP_CURVES; c++) {
    const ap_curve curve = (ap_curve)c;
    const operation op = {
        ap_curve_name(curve), 1, {ELEMENTS}, ELEMENTS, &curve, curve_f, curve_b, 1e-3};
    check(&op);
  }
}

static void multiply_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_multiply(tested, shape, in[0], in[1], y, false, &ok_error));
}

static void multiply_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                       ap_buffer **grads) {
  const ap_gate_shape *s = shape;
  (void)y;
  OK(ap_multiply(tested, s, dy, in[1], grads[0], false, &ok_error));
  if (s->per_plane)
    OK(ap_multiply_sum(tested, s, dy, in[0], grads[1], false, &ok_error));
  else
    OK(ap_multiply(tested, s, dy, in[0], grads[1], false, &ok_error));
}

static void multiply(void **state) {
  const ap_gate_shape list[] = {{6, 11, false}, {6, 11, true}, {1, 100, true}};
  (void)state;
  for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
    const ap_gate_shape *s = &list[i];
    const size_t count = s->planes * s->pixels;
    const operation op = {"multiply", 2,   {count, s->per_plane ? s->planes : count},
                          count,      s,   multiply_f,
                          multiply_b, 1e-3};
    check(&op);
  }
}

/* Picks and the picks turned round: channel 0 has two users, 1 none, 2 three. */
static ap_buffer *gather_picks, *gather_starts, *gather_users;

static void gather_f(const void *shape, ap_buffer **in, ap_buffer *y) {
  OK(ap_gather_forward(tested, shape, gather_picks, in[0], y, &ok_error));
}

static void gather_b(const void *shape, ap_buffer **in, ap_buffer *y, ap_buffer *dy,
                     ap_buffer **grads) {
  (void)in;
  (void)y;
  OK(ap_gather_backward(tested, shape, gather_starts, gather_users, dy, grads[0], false,
                        &ok_error));
}

static void gather(void **state) {
  const ap_gather_shape s = {2, 4, 6, 5};
  const int32_t picks[] = {2, 0, 2, 3, 0, 2}, starts[] = {0, 2, 2, 5, 6};
  const int32_t users[] = {1, 4, 0, 2, 5, 3};
  const operation op = {"gather", 1,   {s.n * s.c_from * s.hw}, s.n * s.c_to * s.hw, &s, gather_f,
                        gather_b, 1e-3};
  (void)state;
  gather_picks = buffer_of(6);
  gather_starts = buffer_of(5);
  gather_users = buffer_of(6);
  OK(ap_buffer_write(gather_picks, 0, picks, sizeof picks, &ok_error));
  OK(ap_buffer_write(gather_starts, 0, starts, sizeof starts, &ok_error));
  OK(ap_buffer_write(gather_users, 0, users, sizeof users, &ok_error));
  check(&op);
  ap_buffer_destroy(gather_picks);
  ap_buffer_destroy(gather_starts);
  ap_buffer_destroy(gather_users);
}

#define ROWS ((size_t)6)
#define CLASSES ((size_t)5)

/* Sum of losses, differences in every logit. */
static void softmax(void **state) {
  const int32_t labels[ROWS] = {0, 4, 2, 2, 1, 3};
  const float smoothings[] = {0, 0.2f};
  ap_buffer *z = buffer_of(ROWS * CLASSES), *label = buffer_of(ROWS), *loss = buffer_of(ROWS);
  ap_buffer *correct = buffer_of(ROWS), *dz = buffer_of(ROWS * CLASSES);
  (void)state;
  OK(ap_buffer_write(label, 0, labels, sizeof labels, &ok_error));
  for (size_t k = 0; k < 2; k++) {
    float host[ROWS * CLASSES], *gradient;
    for (size_t i = 0; i < ROWS * CLASSES; i++) host[i] = (float)ap_rng_normal(&rng);
    put(z, host, ROWS * CLASSES);
    OK(ap_softmax_loss(tested, ROWS, CLASSES, z, label, smoothings[k], 3, loss, correct, dz,
                       &ok_error));
    gradient = read_floats(dz, ROWS * CLASSES);
    for (size_t i = 0; i < ROWS * CLASSES; i++) {
      double sums[2] = {0, 0};
      for (int side = 0; side < 2; side++) {
        const float x = host[i];
        float *out;
        host[i] = x + (side ? 1.0f : -1.0f) * (float)STEP;
        put(z, host, ROWS * CLASSES);
        host[i] = x;
        OK(ap_softmax_loss(tested, ROWS, CLASSES, z, label, smoothings[k], 3, loss, correct, NULL,
                           &ok_error));
        out = read_floats(loss, ROWS);
        for (size_t j = 0; j < ROWS; j++) sums[side] += (double)out[j];
        free(out);
      }
      assert_true(fabs(3 * (sums[1] - sums[0]) / (2 * STEP) - (double)gradient[i]) < 1e-3);
    }
    free(gradient);
  }
  ap_buffer_destroy(z);
  ap_buffer_destroy(label);
  ap_buffer_destroy(loss);
  ap_buffer_destroy(correct);
  ap_buffer_destroy(dz);
}

int run_gradients(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolution),     cmocka_unit_test(batch_norm),  cmocka_unit_test(relu),
      cmocka_unit_test(average_pooling), cmocka_unit_test(max_pooling), cmocka_unit_test(moves),
      cmocka_unit_test(curves),          cmocka_unit_test(multiply),    cmocka_unit_test(gather),
      cmocka_unit_test(softmax),
  };
  return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
