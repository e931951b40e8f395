/* The executor: gradients against differences, its memory plan against runs that share nothing. */
#include "kernels/backend.h"
#include "nn/executor.h"
#include "tests/nn/train_testing.h"

#define IMAGES 5
#define CLASSES 10
#define TRIALS 3
#define SEEDS 4
#define NODES 40 /* of every_kind */

/* Every kind of node, fan-out before every kind that can work in place, both paddings. */
static ap_network *every_kind(uint64_t seed) {
  ap_network *net = NULL;
  size_t first, at, other, wide;
  must(ap_network_create("every", (ap_shape3){2, 6, 6}, &net, &failure));
  at = put_conv(net, 4, 3, 1, 1, true, 0);
  at = put_plain(net, AP_NODE_BATCHNORM, at);
  first = put_plain(net, AP_NODE_RELU, at);
  at = put_conv(net, 4, 3, 1, 2, false, first);
  at = put_plain(net, AP_NODE_BATCHNORM, at);
  at = put(net, (ap_node){.kind = AP_NODE_ADD}, at, first);
  at = put(net, (ap_node){.kind = AP_NODE_RELU, .ceiling = 1.5F}, at, 0);
  other = put(net, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = 6, .kw = 6}, at, 0);
  other = put_plain(net, AP_NODE_CURVE, put_conv(net, 4, 1, 1, 1, true, other));
  at = put(net, (ap_node){.kind = AP_NODE_MULTIPLY}, at, other); /* a factor a channel */
  other = put_curve(net, AP_CURVE_NORMAL, at);
  at = put(net, (ap_node){.kind = AP_NODE_MULTIPLY}, at, other);
  other = put_curve(net, AP_CURVE_MISH, at);
  at = put(net, (ap_node){.kind = AP_NODE_ADD}, at, put_curve(net, AP_CURVE_DECAY, other));
  at = put(net, (ap_node){.kind = AP_NODE_MULTIPLY}, at, at); /* one input twice */
  at = put(net, (ap_node){.kind = AP_NODE_GATHER, .shape.c = 5, .picks = (size_t[]){2, 0, 3, 0, 2}},
           at, 0);
  at = put_affine(net, at);
  at = put(net, (ap_node){.kind = AP_NODE_GROUPNORM, .groups = 5, .epsilon = 0.1F}, at, 0);
  other = put(net, (ap_node){.kind = AP_NODE_LAYERNORM, .epsilon = 0.5F}, at, 0);
  at = put(net, (ap_node){.kind = AP_NODE_ADD}, at, other); /* its input is used twice */
  at = put(net, (ap_node){.kind = AP_NODE_GROUPNORM, .groups = 1}, at, 0);
  at = put(net, (ap_node){.kind = AP_NODE_MAXPOOL, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
           at, 0);
  other = put(net,
              (ap_node){.kind = AP_NODE_AVGPOOL,
                        .kh = 3,
                        .kw = 3,
                        .stride_h = 1,
                        .stride_w = 1,
                        .pad_top = 1,
                        .pad_left = 1,
                        .pad_bottom = 1,
                        .pad_right = 1},
              at, 0);
  wide = put(net,
             (ap_node){.kind = AP_NODE_SHORTCUT,
                       .stride_h = 2,
                       .stride_w = 2,
                       .channels_before = 1,
                       .channels_after = 2},
             first, 0);
  at = put(net, (ap_node){.kind = AP_NODE_CONCAT}, at, other);
  at = put(net, (ap_node){.kind = AP_NODE_CONCAT}, at, wide);
  at = put(net,
           (ap_node){.kind = AP_NODE_CONV,
                     .shape.c = 5,
                     .kh = 2,
                     .kw = 2,
                     .stride_h = 1,
                     .stride_w = 1,
                     .pad_left = 2,
                     .pad_bottom = 1,
                     .groups = 1,
                     .dilation_w = 2},
           at, 0);
  other = put_plain(net, AP_NODE_BATCHNORM, at); /* its input is used twice */
  at = put(net, (ap_node){.kind = AP_NODE_ADD}, at, other);
  at = put(net, (ap_node){.kind = AP_NODE_ADD}, at, at); /* one input twice */
  other = put_plain(net, AP_NODE_RELU, at);
  at = put(net, (ap_node){.kind = AP_NODE_CONCAT}, put_plain(net, AP_NODE_FLATTEN, at),
           put_plain(net, AP_NODE_FLATTEN, other));
  at = put_linear(net, 7, true, at);
  at = put_plain(net, AP_NODE_RELU, at);
  (void)put_linear(net, CLASSES, false, at);
  randomise(net, seed);
  return net;
}

typedef struct {
  ap_backend *be;
  ap_network *net;
  ap_executor *ex;
  ap_buffer *labels, *loss, *correct;
  float *input;
} fixture;

static void open_fixture(fixture *f, const char *backend, uint64_t seed, size_t batch) {
  int32_t labels[IMAGES];
  ap_rng rng;
  f->net = every_kind(seed);
  must(ap_backend_open(backend, 2, &f->be, &failure));
  must(ap_executor_create(f->be, f->net, batch, true, &f->ex, &failure));
  must(ap_buffer_create(f->be, sizeof labels, &f->labels, &failure));
  must(ap_buffer_create(f->be, IMAGES * sizeof(float), &f->loss, &failure));
  must(ap_buffer_create(f->be, IMAGES * sizeof(float), &f->correct, &failure));
  f->input = ap_calloc(IMAGES * 2 * 36, sizeof(float));
  assert_non_null(f->input);
  ap_rng_seed(&rng, seed, 7);
  for (size_t i = 0; i < IMAGES * 2 * 36; i++) f->input[i] = (float)ap_rng_normal(&rng);
  for (size_t i = 0; i < IMAGES; i++) labels[i] = (int32_t)ap_rng_below(&rng, CLASSES);
  must(ap_buffer_write(f->labels, 0, labels, sizeof labels, &failure));
}

static void close_fixture(fixture *f) {
  ap_buffer_destroy(f->labels);
  ap_buffer_destroy(f->loss);
  ap_buffer_destroy(f->correct);
  ap_executor_destroy(f->ex);
  ap_backend_close(f->be);
  ap_network_destroy(f->net);
  ap_free(f->input);
}

/* Sum of the losses; with the gradients of all parameters where asked. */
static double loss_of(fixture *f, bool backward) {
  float loss[IMAGES];
  double sum = 0;
  must(ap_buffer_write(ap_executor_input(f->ex), 0, f->input, IMAGES * 72 * sizeof(float),
                       &failure));
  must(ap_executor_forward(f->ex, IMAGES, AP_FORWARD_TRAIN, 0.1F, 0, &failure));
  must(ap_softmax_loss(f->be, IMAGES, CLASSES, ap_executor_logits(f->ex), f->labels, 0.1F, 1,
                       f->loss, f->correct, backward ? ap_executor_dlogits(f->ex) : NULL,
                       &failure));
  if (backward) must(ap_executor_backward(f->ex, IMAGES, &failure));
  must(ap_buffer_read(f->loss, 0, loss, sizeof loss, &failure));
  for (size_t i = 0; i < IMAGES; i++) sum += (double)loss[i];
  return sum;
}

/* Moves `values` of the network along `direction` by h and gives the loss there. */
static double loss_at(fixture *f, float *values, const float *start, const double *direction,
                      size_t n, double h) {
  for (size_t i = 0; i < n; i++) values[i] = (float)((double)start[i] + h * direction[i]);
  must(ap_executor_load(f->ex, f->net, &failure));
  return loss_of(f, false);
}

/* Slope of the loss along the gradient itself and along random directions, by central differences.
 * Activations are rounded to float32 (2^-24 of values near 1), so that a difference over 4e-3 carries
 * an error near 1e-3 after division. Where a ReLU or maximum switches within the interval the slope
 * is off; a quarter of the interval is then tried as well. Returns how many of TRIALS agree. */
static size_t check_tensor(fixture *f, float *values, const float *gradient, size_t n,
                           size_t node) {
  float *start = ap_calloc(n, sizeof *start);
  double *direction = ap_calloc(n, sizeof *direction), norm = 0;
  size_t agree = 0;
  ap_rng rng;
  assert_non_null(start);
  assert_non_null(direction);
  memcpy(start, values, n * sizeof *start);
  ap_rng_seed(&rng, 99, node);
  for (size_t i = 0; i < n; i++) norm += (double)gradient[i] * (double)gradient[i];
  norm = sqrt(norm);
  for (int trial = 0; trial < TRIALS; trial++) {
    double expected = 0, length = 0, off = INFINITY;
    for (size_t i = 0; i < n; i++) {
      direction[i] = trial == 0 && norm > 0 ? (double)gradient[i] : ap_rng_normal(&rng);
      length += direction[i] * direction[i];
    }
    for (size_t i = 0; i < n; i++) {
      direction[i] /= sqrt(length);
      expected += direction[i] * (double)gradient[i];
    }
    for (double h = 2e-3; h > 4e-4; h /= 4) {
      double up = loss_at(f, values, start, direction, n, h);
      double down = loss_at(f, values, start, direction, n, -h);
      off = fmin(off, fabs((up - down) / (2 * h) - expected));
    }
    agree += off <= 2e-3 + 1e-3 * norm;
  }
  memcpy(values, start, n * sizeof *start);
  must(ap_executor_load(f->ex, f->net, &failure));
  ap_free(start);
  ap_free(direction);
  return agree;
}

static void test_gradients_match_differences(void **state) {
  size_t agree[NODES][2] = {{0}};
  bool has[NODES][2] = {{false}};
  (void)state;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    fixture f;
    open_fixture(&f, "cpu-ref", seed, IMAGES + 2);
    assert_int_equal(f.net->n_nodes, NODES);
    (void)loss_of(&f, true);
    for (size_t i = 0; i < NODES; i++) {
      size_t weights = ap_node_weight_count(f.net, i), biases = ap_node_bias_count(f.net, i);
      float *dw = ap_calloc(weights, sizeof *dw), *db = ap_calloc(biases, sizeof *db);
      double largest = 0;
      must(ap_executor_gradients(f.ex, i, dw, db, &failure));
      for (size_t j = 0; j < weights; j++) largest = fmax(largest, fabs((double)dw[j]));
      if (ap_node_is_affine(&f.net->nodes[i])) { /* not trained */
        for (size_t j = 0; j < biases; j++) largest = fmax(largest, fabs((double)db[j]));
        assert_false(largest > 0);
        weights = biases = 0;
      }
      if (weights > 0) assert_true(largest > 1e-3); /* the check would be empty */
      has[i][0] = weights > 0;
      has[i][1] = biases > 0;
      if (weights > 0) agree[i][0] += check_tensor(&f, f.net->nodes[i].weight, dw, weights, i);
      if (biases > 0) agree[i][1] += check_tensor(&f, f.net->nodes[i].bias, db, biases, i);
      ap_free(dw);
      ap_free(db);
    }
    close_fixture(&f);
  }
  /* Switches spoil some directions of one drawing, a wrong gradient nearly all of all drawings. */
  for (size_t i = 0; i < NODES; i++) {
    for (size_t k = 0; k < 2; k++) {
      if (has[i][k] && agree[i][k] < SEEDS * TRIALS * 2 / 3) {
        fail_msg("node n%zu, %s: %zu of %d slopes agree", i, k ? "bias" : "weights", agree[i][k],
                 SEEDS * TRIALS);
      }
    }
  }
}

/* 1e-5: where the true gradient is 0 (a bias before normalisation) only rounding is left. */
static void expect_close(const float *a, const float *b, size_t n, double relative) {
  double largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)a[i]));
  for (size_t i = 0; i < n; i++) {
    assert_true(fabs((double)a[i] - (double)b[i]) <= relative * largest + 1e-5);
  }
}

/* The gradients of two executors of the same network. */
static void compare_gradients(fixture *a, fixture *b, double relative) {
  for (size_t i = 0; i < a->net->n_nodes; i++) {
    size_t weights = ap_node_weight_count(a->net, i), biases = ap_node_bias_count(a->net, i);
    float *one = ap_calloc(weights + biases, sizeof *one);
    float *two = ap_calloc(weights + biases, sizeof *two);
    must(ap_executor_gradients(a->ex, i, one, one + weights, &failure));
    must(ap_executor_gradients(b->ex, i, two, two + weights, &failure));
    expect_close(one, two, weights, relative);
    expect_close(one + weights, two + weights, biases, relative);
    ap_free(one);
    ap_free(two);
  }
}

static void test_backends_agree(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    fixture reference, fast;
    open_fixture(&reference, "cpu-ref", seed, IMAGES);
    open_fixture(&fast, "cpu", seed, IMAGES);
    assert_true(fabs(loss_of(&reference, true) - loss_of(&fast, true)) < 1e-4);
    compare_gradients(&reference, &fast, 1e-4);
    close_fixture(&reference);
    close_fixture(&fast);
  }
}

/* A batch that fills its executor and the same one in a larger executor that has seen others. */
static void test_part_of_a_batch(void **state) {
  fixture exact, roomy;
  (void)state;
  open_fixture(&exact, "cpu-ref", 4, IMAGES);
  open_fixture(&roomy, "cpu-ref", 4, 3 * IMAGES);
  must(ap_executor_forward(roomy.ex, 3 * IMAGES, AP_FORWARD_TRAIN, 0.1F, 0, &failure));
  assert_true(loss_of(&exact, true) == loss_of(&roomy, true));
  compare_gradients(&exact, &roomy, 0);
  close_fixture(&exact);
  close_fixture(&roomy);
}

/* The plan for inference overwrites more than the one for training: outputs must be the same. */
static void test_inference_plan(void **state) {
  fixture f;
  ap_executor *small = NULL;
  float one[IMAGES * CLASSES], two[IMAGES * CLASSES];
  (void)state;
  open_fixture(&f, "cpu-ref", 5, IMAGES);
  must(ap_executor_create(f.be, f.net, IMAGES, false, &small, &failure));
  assert_true(ap_executor_bytes(small) < ap_executor_bytes(f.ex));
  for (int repeat = 0; repeat < 2; repeat++) {
    ap_executor *both[2] = {f.ex, small};
    float *out[2] = {one, two};
    for (int k = 0; k < 2; k++) {
      must(ap_buffer_write(ap_executor_input(both[k]), 0, f.input, IMAGES * 72 * sizeof(float),
                           &failure));
      must(ap_executor_forward(both[k], IMAGES, AP_FORWARD_INFER, 0, 0, &failure));
      must(ap_buffer_read(ap_executor_logits(both[k]), 0, out[k], sizeof one, &failure));
    }
    assert_memory_equal(one, two, sizeof one);
  }
  ap_executor_destroy(small);
  close_fixture(&f);
}

static void test_steps_allocate_nothing(void **state) {
  static const char *const backends[] = {"cpu-ref", "cpu"};
  (void)state;
  for (size_t k = 0; k < 2; k++) {
    const ap_sgd sgd = {.lr = 0.01F, .momentum = 0.9F, .weight_decay = 1e-4F, .nesterov = true};
    fixture f;
    size_t before;
    open_fixture(&f, backends[k], 6, IMAGES);
    (void)loss_of(&f, true); /* a backend may reserve scratch memory at first use */
    must(ap_executor_step(f.ex, &sgd, &failure));
    before = ap_alloc_count();
    for (int i = 0; i < 3; i++) {
      (void)loss_of(&f, true);
      must(ap_executor_step(f.ex, &sgd, &failure));
    }
    assert_int_equal(ap_alloc_count(), before);
    close_fixture(&f);
  }
}

static void test_state_and_errors(void **state) {
  fixture f;
  float *saved;
  double first;
  const ap_sgd sgd = {.lr = 1e-4F, .momentum = 0.9F};
  ap_executor *ex = NULL;
  (void)state;
  open_fixture(&f, "cpu-ref", 8, IMAGES);
  saved = ap_calloc(ap_executor_state_count(f.ex), sizeof *saved);
  assert_non_null(saved);
  must(ap_executor_get_state(f.ex, saved, &failure));
  first = loss_of(&f, true);
  must(ap_executor_step(f.ex, &sgd, &failure));
  assert_true(loss_of(&f, true) < first); /* one step downhill */
  must(ap_executor_set_state(f.ex, saved, &failure));
  assert_true(loss_of(&f, true) == first);
  ap_free(saved);
  assert_int_equal(ap_executor_create(f.be, f.net, 0, true, &ex, &failure), AP_ERR_ARG);
  assert_null(ex);
  assert_int_equal(ap_executor_forward(f.ex, IMAGES + 1, AP_FORWARD_TRAIN, 0, 0, &failure),
                   AP_ERR_ARG);
  for (size_t n = 0;; n++) { /* every allocation fails once */
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_executor_create(f.be, f.net, IMAGES, true, &ex, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(ex);
  }
  ap_executor_destroy(ex);
  close_fixture(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients_match_differences),
      cmocka_unit_test(test_backends_agree),
      cmocka_unit_test(test_part_of_a_batch),
      cmocka_unit_test(test_inference_plan),
      cmocka_unit_test(test_steps_allocate_nothing),
      cmocka_unit_test(test_state_and_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
