/* Training on a data set of 8 x 8 images that can be learnt to the end. */
#include "nn/train.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/progress.h"
#include "kernels/backend.h"
#include "nn/infer.h"
#include "tests/nn/train_testing.h"

/* 216 images: ten batches of 20 and one of 16. */
static ap_train_options options_of(double epochs) {
  return (ap_train_options){.epochs = epochs,
                            .batch = 20,
                            .lr = 0.05,
                            .warmup_epochs = 1,
                            .momentum = 0.9,
                            .weight_decay = 1e-4,
                            .seed = 11};
}

typedef struct {
  size_t calls, ends, stop_at_step; /* stop_at_step: where to raise SIGINT; 0: nowhere */
  ap_train_report last;
} log_book;

static void note(void *context, const ap_train_report *report) {
  log_book *log = context;
  log->calls++;
  log->last = *report;
  if (report->step % 11 == 0 || report->step == report->n_steps) log->ends++;
  if (log->stop_at_step > 0 && report->step == log->stop_at_step) (void)raise(SIGINT);
}

static ap_backend *open_backend(const char *name, size_t threads) {
  ap_backend *be = NULL;
  must(ap_backend_open(name, threads, &be, &failure));
  return be;
}

static void expect_same_values(const ap_network *a, const ap_network *b) {
  for (size_t i = 0; i < a->n_nodes; i++) {
    const ap_node *one = &a->nodes[i], *two = &b->nodes[i];
    size_t weights = ap_node_weight_count(a, i), biases = ap_node_bias_count(a, i);
    if (weights > 0) assert_memory_equal(one->weight, two->weight, weights * sizeof(float));
    if (biases > 0) assert_memory_equal(one->bias, two->bias, biases * sizeof(float));
    if (one->mean) assert_memory_equal(one->mean, two->mean, one->shape.c * sizeof(float));
    if (one->var) assert_memory_equal(one->var, two->var, one->shape.c * sizeof(float));
  }
}

static void test_learns(void **state) {
  static const char *const backends[] = {"cpu-ref", "cpu"};
  (void)state;
  for (size_t b = 0; b < 2; b++) {
    ap_backend *be = open_backend(backends[b], 2);
    ap_network *net = small_network(4);
    ap_train_options options = options_of(12);
    log_book log = {0};
    ap_score score;
    options.selection_every = 5;
    must(ap_train(be, net, images, &options, NULL, NULL, note, &log, &failure));
    assert_int_equal(log.ends, 12);
    assert_int_equal(log.last.step, 12 * 11);
    assert_int_equal(log.last.n_epochs, 12);
    assert_true(log.last.loss < 0.02);
    assert_true(log.last.accuracy == 1);
    assert_true(log.last.selection_accuracy == 1);
    assert_true(log.last.lr < 1e-9);
    must(ap_infer(be, net, images, AP_SPLIT_TEST, 0, &score, NULL, &failure));
    assert_int_equal(score.correct, 40);
    assert_true(score.loss < 0.1);
    ap_network_destroy(net);
    ap_backend_close(be);
  }
}

/* 1.5 epochs are 17 steps (11 a round, 16.5 rounded up); 0 epochs change nothing. */
static void test_parts_of_epochs(void **state) {
  ap_backend *be = open_backend("cpu", 1);
  ap_network *net = small_network(4), *start = small_network(4);
  ap_train_options options = options_of(1.5);
  log_book log = {0};
  (void)state;
  must(ap_train(be, net, images, &options, NULL, NULL, note, &log, &failure));
  assert_int_equal(log.last.n_steps, 17);
  assert_int_equal(log.last.n_epochs, 2);
  assert_int_equal(log.ends, 2);
  assert_true(isnan(log.last.selection_accuracy));
  ap_network_destroy(net);
  net = small_network(4);
  options.epochs = 0;
  must(ap_train(be, net, images, &options, NULL, NULL, NULL, NULL, &failure));
  expect_same_values(net, start);
  ap_network_destroy(net);
  ap_network_destroy(start);
  ap_backend_close(be);
}

static void test_threads_do_not_matter(void **state) {
  ap_network *nets[3];
  ap_train_options options = options_of(2);
  (void)state;
  options.crop = 1;
  options.flip = true;
  options.cutout = 3;
  options.label_smoothing = 0.1;
  for (size_t k = 0; k < 3; k++) {
    ap_backend *be = open_backend("cpu", k + 1);
    nets[k] = small_network(4);
    must(ap_train(be, nets[k], images, &options, NULL, NULL, NULL, NULL, &failure));
    ap_backend_close(be);
  }
  expect_same_values(nets[0], nets[1]);
  expect_same_values(nets[0], nets[2]);
  for (size_t k = 0; k < 3; k++) ap_network_destroy(nets[k]);
}

static void test_masks_hold(void **state) {
  ap_backend *be = open_backend("cpu", 2);
  ap_network *net = small_network(4), *start = small_network(4);
  ap_train_options options = options_of(2);
  float conv[54], fc[960];
  const float *masks[7] = {[1] = conv, [6] = fc};
  size_t moved = 0;
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 5, 0);
  for (size_t i = 0; i < 54; i++) conv[i] = ap_rng_below(&rng, 2) ? 1.0F : 0.0F;
  for (size_t i = 0; i < 960; i++) fc[i] = ap_rng_below(&rng, 3) ? 1.0F : 0.0F;
  must(ap_train(be, net, images, &options, masks, NULL, NULL, NULL, &failure));
  for (size_t i = 0; i < 960; i++) {
    if (fc[i] == 0) assert_true(net->nodes[6].weight[i] == 0);
    if (i < 54 && conv[i] == 0) assert_true(net->nodes[1].weight[i] == 0);
    moved += fc[i] == 1 && net->nodes[6].weight[i] != start->nodes[6].weight[i];
  }
  assert_true(moved > 500);
  fc[17] = 0.5F;
  assert_int_equal(ap_train(be, net, images, &options, masks, NULL, NULL, NULL, &failure),
                   AP_ERR_ARG);
  assert_non_null(strstr(failure.text, "17"));
  ap_network_destroy(net);
  ap_network_destroy(start);
  ap_backend_close(be);
}

/* In a child process, since an interruption cannot be taken back: trains until the observer raises
 * SIGINT at a step, or to the first step (0). The parent has no backend open. */
static void train_interrupted(const ap_train_options *options, size_t stop_at_step) {
  int status = 0;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    ap_backend *be = NULL;
    ap_network *net = small_network(4), *start = small_network(4);
    log_book log = {.stop_at_step = stop_at_step};
    ap_status st = ap_backend_open("cpu", 1, &be, &failure);
    ap_interrupt_install();
    if (stop_at_step == 0) (void)raise(SIGINT);
    if (!st) {
      st = ap_train(be, net, images, options, NULL, scratch_path("run"), note, &log, &failure);
    }
    /* the network given is as it was */
    if (memcmp(net->nodes[6].weight, start->nodes[6].weight, 960 * sizeof(float)) != 0) _exit(1);
    _exit(st == AP_ERR_INTERRUPTED ? 0 : 1);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  assert_true(ap_file_exists(scratch_path("run")));
}

static void test_resumes_bit_for_bit(void **state) {
  ap_network *straight = small_network(4), *net = small_network(4);
  ap_train_options options = options_of(3.4);
  ap_backend *be = NULL;
  log_book whole = {0}, rest = {0};
  (void)state;
  options.crop = 1;
  options.flip = true;
  train_interrupted(&options, 0);  /* after one step */
  train_interrupted(&options, 0);  /* after two */
  train_interrupted(&options, 22); /* at the end of the second epoch */
  train_interrupted(&options, 0);
  be = open_backend("cpu", 2);
  must(ap_train(be, net, images, &options, NULL, scratch_path("run"), note, &rest, &failure));
  must(ap_train(be, straight, images, &options, NULL, NULL, note, &whole, &failure));
  expect_same_values(straight, net);
  assert_int_equal(rest.ends, 2); /* of epochs 3 and 4 */
  assert_true(rest.last.loss == whole.last.loss);
  assert_true(rest.last.accuracy == whole.last.accuracy);
  assert_false(ap_file_exists(scratch_path("run")));
  ap_network_destroy(straight);
  ap_network_destroy(net);
  ap_backend_close(be);
}

static void expect_refused(const ap_network *like, const ap_train_options *options,
                           const char *reason) {
  ap_backend *be = open_backend("cpu", 1);
  ap_network *net = NULL;
  must(ap_network_copy(like, &net, &failure));
  assert_int_equal(
      ap_train(be, net, images, options, NULL, scratch_path("run"), NULL, NULL, &failure),
      AP_ERR_FORMAT);
  if (!strstr(failure.text, reason)) fail_msg("%s does not say %s", failure.text, reason);
  assert_non_null(strstr(failure.text, "run"));
  ap_network_destroy(net);
  ap_backend_close(be);
}

static void test_foreign_checkpoints_are_refused(void **state) {
  ap_train_options options = options_of(2), other = options_of(2);
  ap_network *net = small_network(4), *stranger = small_network(5);
  char *bytes = NULL;
  size_t size;
  (void)state;
  train_interrupted(&options, 0);
  other.lr = 0.025;
  expect_refused(net, &other, "lr is 0.05");
  other = options;
  other.seed = 12;
  expect_refused(net, &other, "seed is \"11\"");
  expect_refused(stranger, &options, "starting weights");
  must(ap_file_read(scratch_path("run"), 1 << 24, &bytes, &size, &failure));
  bytes[size / 2] ^= 1;
  scratch_write("run", bytes, size);
  expect_refused(net, &options, "checksum");
  scratch_write("run", bytes, size - 1);
  expect_refused(net, &options, "checksum");
  scratch_write("run", bytes, 20);
  expect_refused(net, &options, "not a checkpoint");
  assert_int_equal(unlink(scratch_path("run")), 0);
  ap_free(bytes);
  ap_network_destroy(net);
  ap_network_destroy(stranger);
}

static void test_bad_calls(void **state) {
  ap_backend *be = open_backend("cpu", 1);
  ap_network *net = small_network(4);
  ap_train_options bad[8];
  (void)state;
  for (size_t i = 0; i < 8; i++) bad[i] = options_of(1);
  bad[0].batch = 0;
  bad[1].epochs = -1;
  bad[2].epochs = NAN;
  bad[3].lr = -0.1;
  bad[4].momentum = 1.5;
  bad[5].crop = SIDE;
  bad[6].label_smoothing = 2;
  bad[7].cutout = SIDE + 1;
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(ap_train(be, net, images, &bad[i], NULL, NULL, NULL, NULL, &failure),
                     AP_ERR_ARG);
  }
  bad[0] = options_of(1);
  net->nodes[6].bias[3] = NAN;
  assert_int_equal(ap_train(be, net, images, &bad[0], NULL, NULL, NULL, NULL, &failure),
                   AP_ERR_INTERNAL);
  assert_non_null(strstr(failure.text, "epoch 1, step 1 "));
  ap_network_destroy(net);
  net = NULL;
  must(ap_network_builtin("resnet8", (ap_shape3){3, SIDE, SIDE}, 10, 5, &net, &failure));
  assert_int_equal(ap_train(be, net, images, &bad[0], NULL, NULL, NULL, NULL, &failure),
                   AP_ERR_ARG);
  ap_network_destroy(net);
  ap_backend_close(be);
}

/* Every allocation fails once; the network stays usable. */
static void test_memory_failures(void **state) {
  ap_backend *be = open_backend("cpu-ref", 1);
  ap_network *net = small_network(4), *start = small_network(4);
  ap_train_options options = options_of(0.01);
  (void)state;
  for (size_t n = 0;; n++) {
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_train(be, net, images, &options, NULL, scratch_path("run"), NULL, NULL, &failure);
    ap_alloc_fail_after(SIZE_MAX);
    if (!st) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    expect_same_values(net, start);
  }
  ap_network_destroy(net);
  ap_network_destroy(start);
  ap_backend_close(be);
}

/* A 1x1 convolution of weight 1 hands the normalised pixels to the normalisation: their mean, and
 * the mean of two batches' variances, are what it must find, whatever was there before. */
static void test_recalibration(void **state) {
  static const float one = 1;
  ap_backend *be = open_backend("cpu", 2);
  ap_network *net = NULL;
  size_t n = ap_dataset_describe(images, AP_SPLIT_TRAIN).n_images * SIDE * SIDE, at;
  const uint8_t *pixels = ap_dataset_pixels(images, AP_SPLIT_TRAIN);
  double mean = 0, var = 0;
  (void)state;
  must(ap_network_create("norm", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  at = put_conv(net, 1, 1, 1, 1, false, 0);
  net->nodes[at].weight[0] = one;
  at = put_plain(net, AP_NODE_BATCHNORM, at);
  net->nodes[at].mean[0] = 1000;
  net->nodes[at].var[0] = 1e-3F;
  (void)put_linear(net, 10, true, put_plain(net, AP_NODE_FLATTEN, at));
  net->classes = 10;
  net->mean[0] = 0.5F;
  net->std[0] = 0.5F;
  for (size_t i = 0; i < n; i++) mean += ((double)pixels[i] / 255 - 0.5) / 0.5 / (double)n;
  for (size_t i = 0; i < n; i++) {
    double d = ((double)pixels[i] / 255 - 0.5) / 0.5 - mean;
    var += d * d / (double)(n - 1);
  }
  must(ap_recalibrate(be, net, images, 0, &failure));
  assert_true(fabs((double)net->nodes[at].mean[0] - mean) < 1e-5);
  assert_true(fabs((double)net->nodes[at].var[0] - var) < 0.01 * var);
  assert_true(net->nodes[1].weight[0] == one);
  must(ap_recalibrate(be, net, images, 50, &failure));
  assert_true(fabs((double)net->nodes[at].mean[0] - mean) < 0.05);
  assert_true(fabs((double)net->nodes[at].mean[0] - mean) > 1e-7); /* of 50 images, not of all */
  assert_int_equal(ap_recalibrate(be, net, images, 100000, &failure), AP_ERR_ARG);
  ap_network_destroy(net);
  ap_backend_close(be);
}

/* Scales and shifts are part of activations, in networks from ONNX files: no statistics, nothing to train. */
static void test_scales_and_shifts_stay(void **state) {
  ap_backend *be = open_backend("cpu", 2);
  ap_network *net = NULL;
  size_t first, second, norm;
  (void)state;
  must(ap_network_create("affine", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  first = put_affine(net, put_conv(net, 4, 3, 1, 1, true, 0));
  norm = put_plain(net, AP_NODE_BATCHNORM, put_conv(net, 4, 3, 1, 1, false, first));
  second = put_affine(net, put_plain(net, AP_NODE_RELU, norm));
  (void)put_linear(net, 10, true, put_plain(net, AP_NODE_FLATTEN, second));
  net->classes = 10;
  randomise(net, 3);
  ap_network *start = NULL;
  must(ap_network_copy(net, &start, &failure));
  assert_true(ap_network_has_statistics(net));
  for (int trains = 0; trains < 2; trains++) {
    if (trains) {
      ap_train_options options = ap_train_defaults(images);
      options.epochs = 1;
      must(ap_train(be, net, images, &options, NULL, NULL, NULL, NULL, &failure));
      assert_true(net->nodes[norm].weight[0] != start->nodes[norm].weight[0]);
    } else {
      must(ap_recalibrate(be, net, images, 0, &failure));
    }
    assert_true(net->nodes[norm].mean[0] != start->nodes[norm].mean[0]);
    for (size_t k = 0; k < 2; k++) {
      const ap_node *is = &net->nodes[k ? second : first], *was = &start->nodes[k ? second : first];
      assert_memory_equal(is->weight, was->weight, 4 * sizeof(float));
      assert_memory_equal(is->bias, was->bias, 4 * sizeof(float));
      assert_memory_equal(is->mean, was->mean, 4 * sizeof(float));
      assert_memory_equal(is->var, was->var, 4 * sizeof(float));
    }
  }
  ap_network_destroy(start);
  ap_network_destroy(net);
  ap_backend_close(be);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      /* first those that fork, while no thread runs */
      cmocka_unit_test(test_resumes_bit_for_bit),
      cmocka_unit_test(test_foreign_checkpoints_are_refused),
      cmocka_unit_test(test_learns),
      cmocka_unit_test(test_parts_of_epochs),
      cmocka_unit_test(test_threads_do_not_matter),
      cmocka_unit_test(test_masks_hold),
      cmocka_unit_test(test_bad_calls),
      cmocka_unit_test(test_memory_failures),
      cmocka_unit_test(test_recalibration),
      cmocka_unit_test(test_scales_and_shifts_stay),
  };
  return cmocka_run_group_tests(tests, open_images, close_images);
}
