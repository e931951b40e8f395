/* Usage: evaluator_test [BACKEND [PRECISION]]. Exit 77 when the backend is not available here.
 *
 * The evaluator of many candidates against plain inference in double (backend cpu-ref) of networks
 * with the same weights; and what it promises: equal bits whatever the threads, the batch and the
 * order, repeated work saved and counted. */
#include "nn/evaluator.h"

#include <sys/stat.h>

#include "kernels/engine.h"
#include "nn/infer.h"
#include "tests/nn/evaluator_testing.h"

enum { MNIST_IMAGES = 37, CIFAR_IMAGES = 18 };
/* Outputs may differ by this much of the largest one (docs/EVALUATOR.md, docs/CUDA.md). */
static double tolerance = 2e-5;
static ap_dataset *mnist_like, *cifar_like; /* random pixels in the sizes of the real sets */

/* ---- data ------------------------------------------------------------------------------------ */
static void write_noise(const char *name, const char *head, size_t head_size, size_t records,
                        size_t labels, size_t pixels, uint64_t seed) {
  FILE *f = fopen(scratch_path(name), "wb");
  ap_rng rng;
  assert_non_null(f);
  ap_rng_seed(&rng, seed, 7);
  assert_int_equal(fwrite(head, 1, head_size, f), head_size);
  for (size_t i = 0; i < records; ++i) {
    for (size_t j = 0; j < labels; ++j) (void)fputc((int)ap_rng_below(&rng, 10), f);
    for (size_t j = 0; j < pixels; ++j) (void)fputc((int)ap_rng_below(&rng, 256), f);
  }
  assert_int_equal(fclose(f), 0);
}

static int open_all(void **state) {
  if (open_images(state)) return -1;
  if (mkdir(scratch_path("m"), 0700) || mkdir(scratch_path("c"), 0700)) return -1;
  const char pixels[16] = {0, 0, 8, 3, 0, 0, 0, MNIST_IMAGES, 0, 0, 0, 28, 0, 0, 0, 28};
  const char labels[8] = {0, 0, 8, 1, 0, 0, 0, MNIST_IMAGES};
  write_noise("m/train-images-idx3-ubyte", pixels, 16, MNIST_IMAGES, 0, 784, 1);
  write_noise("m/train-labels-idx1-ubyte", labels, 8, MNIST_IMAGES, 1, 0, 2);
  write_noise("m/t10k-images-idx3-ubyte", pixels, 16, MNIST_IMAGES, 0, 784, 3);
  write_noise("m/t10k-labels-idx1-ubyte", labels, 8, MNIST_IMAGES, 1, 0, 4);
  write_noise("c/data_batch_1.bin", "", 0, CIFAR_IMAGES, 1, 3072, 5);
  write_noise("c/test_batch.bin", "", 0, CIFAR_IMAGES, 1, 3072, 6);
  must(ap_dataset_open(scratch_path("m"), &mnist_like, &failure));
  must(ap_dataset_open(scratch_path("c"), &cifar_like, &failure));
  return 0;
}

static int close_all(void **state) {
  static const char *const files[] = {"m/train-images-idx3-ubyte", "m/train-labels-idx1-ubyte",
                                      "m/t10k-images-idx3-ubyte",  "m/t10k-labels-idx1-ubyte",
                                      "c/data_batch_1.bin",        "c/test_batch.bin"};
  ap_dataset_destroy(mnist_like);
  ap_dataset_destroy(cifar_like);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; ++i) (void)unlink(scratch_path(files[i]));
  if (rmdir(scratch_path("m")) || rmdir(scratch_path("c"))) return -1;
  return close_images(state);
}

/* ---- the same outputs as plain inference ------------------------------------------------------ */
static void compare_logits(const subject *s, ap_evaluator *ev, const uint32_t *levels,
                           size_t n_levels, size_t n_images) {
  ap_network *net = candidate_network(s, levels, n_levels);
  ap_backend *be = NULL;
  float *want = ap_calloc(n_images * 10, sizeof *want),
        *got = ap_calloc(n_images * 10, sizeof *got);
  ap_score expected, score;
  assert_true(want && got);
  must(ap_backend_open("cpu-ref", 1, &be, &failure));
  must(ap_infer(be, net, s->data, AP_SPLIT_TEST, n_images, &expected, want, &failure));
  for (size_t i = 0; i < n_images * 10; ++i) got[i] = NAN;
  must(ap_evaluator_logits(ev, levels, got, &failure));
  double largest = 0, spread = 0;
  for (size_t i = 0; i < n_images * 10; ++i) largest = fmax(largest, fabs((double)want[i]));
  for (size_t i = 10; i < n_images * 10; ++i)
    spread = fmax(spread, fabs((double)(want[i] - want[i % 10])));
  if (n_images > 1 && spread <= 0.01 * largest) /* else all images give the same */
    fail_msg("%s: spread %g of %g", net->name, spread,
             largest); /* the outputs depend on the images */
  size_t ties = 0;
  double worst = 0;
  for (size_t i = 0; i < n_images; ++i) {
    float top = -INFINITY, second = -INFINITY;
    for (size_t c = 0; c < 10; ++c) {
      const float v = want[i * 10 + c];
      worst = fmax(worst, fabs((double)(got[i * 10 + c] - v)));
      if (!(fabs((double)(got[i * 10 + c] - v)) <= tolerance * largest))
        fail_msg("%s image %zu class %zu: %.9g, expected %.9g", net->name, i, c,
                 (double)got[i * 10 + c], (double)v);
      if (v > top) {
        second = top;
        top = v;
      } else if (v > second) {
        second = v;
      }
    }
    ties += (double)(top - second) < 2 * tolerance * largest;
  }
  must(ap_evaluator_run(ev, 1, levels, &score, &failure));
  assert_int_equal(score.images, n_images);
  print_message("%s: outputs within %.2g of the largest\n", net->name, worst / largest);
  assert_true(fabs(score.loss - expected.loss) <= 2.5 * tolerance * largest);
  assert_in_range(score.correct + ties, expected.correct, expected.correct + 2 * ties);
  assert_true(score.accuracy == (double)score.correct / (double)n_images);
  ap_backend_close(be);
  ap_network_destroy(net);
  ap_free(want);
  ap_free(got);
}

static void compare_subject(const subject *s, size_t n_images, const char *vectors) {
  ap_evaluator *ev = evaluator(s, n_images, 2, vectors);
  uint32_t levels[32] = {0};
  ap_rng rng;
  ap_rng_seed(&rng, 4, 0);
  add_levels(s, ev, 3);
  compare_logits(s, ev, levels, 3, n_images);
  for (int i = 0; i < 2; ++i) {
    for (size_t j = 0; j < s->n_layers; ++j) levels[j] = (uint32_t)ap_rng_below(&rng, 4);
    compare_logits(s, ev, levels, 3, n_images);
  }
  ap_evaluator_destroy(ev);
}

static void test_builtin_networks(void **state) {
  (void)state;
  const subject lenet = make_subject(builtin("lenet5", (ap_shape3){1, 28, 28}), mnist_like);
  compare_subject(&lenet, MNIST_IMAGES, NULL);
  ap_network_destroy(lenet.net);
  const subject resnet = make_subject(builtin("resnet8", (ap_shape3){3, 32, 32}), cifar_like);
  compare_subject(&resnet, CIFAR_IMAGES, NULL);
  ap_network_destroy(resnet.net);
  const subject projected = /* its blocks have projections */
      make_subject(builtin("resnet18:0.0625", (ap_shape3){3, 32, 32}), cifar_like);
  compare_subject(&projected, 5, NULL);
  ap_network_destroy(projected.net);
  const subject vgg = make_subject(builtin("vgg16:0.125", (ap_shape3){3, 32, 32}), cifar_like);
  compare_subject(&vgg, 5, NULL);
  ap_network_destroy(vgg.net);
}

static void test_every_node_kind(void **state) {
  (void)state;
  static const char *const names[] = {"plain", "avx2", "avx512"};
  const subject odd = make_subject(odd_network(), images);
  if (backend) {
    compare_subject(&odd, 40, NULL);
    compare_subject(&odd, 1, NULL);
  }
  for (size_t i = 0; i < 3 && !backend; ++i) {
    const ap_evaluator_options options = {.vectors = names[i]};
    ap_evaluator *ev = NULL;
    const ap_status st =
        ap_evaluator_create(odd.net, images, AP_SPLIT_TEST, 0, &options, &ev, &failure);
    ap_evaluator_destroy(ev);
    if (st == AP_ERR_UNSUPPORTED && i > 0) continue; /* this machine lacks it */
    must(st);
    compare_subject(&odd, 40, names[i]);
    compare_subject(&odd, 1, names[i]);
  }
  ap_network_destroy(odd.net);
}

/* ---- equal bits ------------------------------------------------------------------------------ */
enum { CANDIDATES = 60 };

static void draw(uint32_t *levels, size_t n_layers) {
  ap_rng rng;
  ap_rng_seed(&rng, 8, 0);
  for (size_t i = 0; i < CANDIDATES; ++i)
    for (size_t j = 0; j < n_layers; ++j) /* early layers vary less: long common prefixes */
      levels[i * n_layers + j] = (uint32_t)ap_rng_below(&rng, j < 3 ? 2 : 4);
}

static void test_equal_bits(void **state) {
  (void)state;
  const subject s = make_subject(odd_network(), images);
  const size_t n = s.n_layers;
  uint32_t levels[CANDIDATES * 32], shuffled[CANDIDATES * 32];
  ap_score alone[CANDIDATES], scores[CANDIDATES];
  draw(levels, n);
  ap_evaluator *one = evaluator(&s, 39, 1, NULL);
  add_levels(&s, one, 3);
  for (size_t i = 0; i < CANDIDATES; ++i)
    must(ap_evaluator_run(one, 1, levels + i * n, &alone[i], &failure));
  ap_evaluator_destroy(one);
  for (size_t threads = 1; threads <= 3; ++threads) {
    uint32_t order[CANDIDATES];
    ap_rng rng;
    ap_rng_seed(&rng, threads, 1);
    for (size_t i = 0; i < CANDIDATES; ++i) order[i] = (uint32_t)i;
    ap_rng_shuffle(&rng, order, CANDIDATES);
    for (size_t i = 0; i < CANDIDATES; ++i)
      memcpy(shuffled + i * n, levels + order[i] * n, n * sizeof *levels);
    ap_evaluator *ev = evaluator(&s, 39, threads, NULL);
    add_levels(&s, ev, 3);
    const size_t cut = threads * 17; /* two batches */
    must(ap_evaluator_run(ev, cut, shuffled, scores, &failure));
    must(ap_evaluator_run(ev, CANDIDATES - cut, shuffled + cut * n, scores + cut, &failure));
    for (size_t i = 0; i < CANDIDATES; ++i) {
      assert_true(scores[i].loss == alone[order[i]].loss);
      assert_int_equal(scores[i].correct, alone[order[i]].correct);
      assert_int_equal(scores[i].images, 39);
    }
    ap_evaluator_destroy(ev);
  }
  ap_network_destroy(s.net);
}

/* ---- what is saved, and counted ---------------------------------------------------------------- */
static void test_counts(void **state) {
  (void)state;
  const subject s = make_subject(builtin("lenet5", (ap_shape3){1, 28, 28}), mnist_like);
  assert_int_equal(s.n_layers, 4);
  ap_evaluator *ev = evaluator(&s, 20, 1, NULL);
  add_levels(&s, ev, 2);
  /* Sorted: 0000 0001 0011 0100 2000; computed whole, from layer 3, 2, 1, 0. */
  const uint32_t levels[7][4] = {{0, 0, 0, 0}, {2, 0, 0, 0}, {0, 0, 0, 1}, {0, 1, 0, 0},
                                 {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 0, 1}};
  double shared = 0;
  const double macs = (double)ap_network_macs(s.net);
  for (size_t upto = 1; upto <= 3; ++upto)
    for (size_t i = 0; i < upto; ++i) shared += (double)s.info[i].macs / macs;
  ap_score scores[7], again[7];
  ap_evaluator_stats stats = ap_evaluator_statistics(ev);
  assert_int_equal(stats.candidates, 0);
  must(ap_evaluator_run(ev, 7, levels[0], scores, &failure));
  stats = ap_evaluator_statistics(ev);
  assert_int_equal(stats.candidates, 7);
  assert_int_equal(stats.cache_hits, 2);
  assert_true(stats.image_forwards == 5 * 20);
  assert_true(fabs(stats.shared_forwards - shared * 20) < 1e-9);
  assert_true(stats.seconds > 0);
  assert_true(scores[0].loss == scores[4].loss && scores[2].loss == scores[6].loss);
  assert_false(scores[0].loss == scores[1].loss);
  must(ap_evaluator_run(ev, 7, levels[0], again, &failure));
  for (size_t i = 0; i < 7; ++i) assert_true(scores[i].loss == again[i].loss);
  stats = ap_evaluator_statistics(ev);
  assert_int_equal(stats.candidates, 14);
  assert_int_equal(stats.cache_hits, 9);
  assert_true(stats.image_forwards == 5 * 20);
  must(ap_evaluator_run(ev, 0, NULL, NULL, &failure));
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

/* More results than the cache may hold: they are computed anew, and are the same. */
static void test_small_cache(void **state) {
  (void)state;
  const subject s = make_subject(small_network(3), images);
  ap_evaluator *ev = NULL;
  const ap_evaluator_options options = {
      .n_threads = 1, .cache_bytes = 1, .backend = backend, .precision = precision};
  must(ap_evaluator_create(s.net, images, AP_SPLIT_TEST, 3, &options, &ev, &failure));
  add_levels(&s, ev, 20);
  uint32_t levels[441][2];
  ap_score first[441], second[441];
  for (uint32_t i = 0; i < 441; ++i) {
    levels[i][0] = i / 21;
    levels[i][1] = i % 21;
  }
  must(ap_evaluator_run(ev, 441, levels[0], first, &failure));
  must(ap_evaluator_run(ev, 441, levels[0], second, &failure));
  for (size_t i = 0; i < 441; ++i) assert_true(first[i].loss == second[i].loss);
  const ap_evaluator_stats stats = ap_evaluator_statistics(ev);
  assert_in_range(stats.cache_hits, 1, 440); /* some are forgotten, some not */
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

static void test_steady_state_allocates_nothing(void **state) {
  (void)state;
  const subject s = make_subject(odd_network(), images);
  ap_evaluator *ev = evaluator(&s, 0, 2, NULL);
  add_levels(&s, ev, 3);
  uint32_t levels[CANDIDATES * 32];
  ap_score scores[CANDIDATES];
  draw(levels, s.n_layers);
  must(ap_evaluator_run(ev, CANDIDATES / 2, levels, scores, &failure));
  const size_t before = ap_alloc_count();
  must(
      ap_evaluator_run(ev, CANDIDATES / 2, levels + CANDIDATES / 2 * s.n_layers, scores, &failure));
  assert_int_equal(ap_alloc_count(), before);
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

/* ---- misuse ---------------------------------------------------------------------------------- */
static void refuse(const ap_network *net, const ap_dataset *data, size_t n_images,
                   const char *vectors, ap_status want) {
  ap_evaluator *ev = NULL;
  ap_error err = {0};
  const ap_evaluator_options options = {
      .vectors = vectors, .backend = backend, .precision = precision};
  assert_int_equal(ap_evaluator_create(net, data, AP_SPLIT_TEST, n_images, &options, &ev, &err),
                   want);
  assert_null(ev);
  assert_true(err.code == want && err.text[0]);
}

static void test_misuse(void **state) {
  (void)state;
  const subject s = make_subject(small_network(3), images);
  refuse(s.net, cifar_like, 0, NULL, AP_ERR_ARG); /* 3x32x32 images */
  refuse(s.net, images, 41, NULL, AP_ERR_ARG);    /* there are 40 */
  refuse(s.net, images, 0, "sse9", AP_ERR_ARG);
  const ap_evaluator_options wrong[] = {
      {.backend = "quantum"}, {.backend = backend, .precision = "fp8"}, {.precision = "bf16"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    ap_evaluator *none = NULL;
    assert_int_equal(
        ap_evaluator_create(s.net, images, AP_SPLIT_TEST, 0, &wrong[i], &none, &failure),
        AP_ERR_ARG);
    assert_null(none);
  }
  s.net->std[0] = 0;
  refuse(s.net, images, 0, NULL, AP_ERR_ARG);
  s.net->std[0] = 1;
  s.net->nodes[1].weight[4] = NAN;
  refuse(s.net, images, 0, NULL, AP_ERR_ARG);
  s.net->nodes[1].weight[4] = 0;
  s.net->classes = 9;
  refuse(s.net, images, 0, NULL, AP_ERR_ARG);
  s.net->classes = 10;

  ap_evaluator *ev = evaluator(&s, 0, 1, NULL);
  float matrix[96 * 10] = {0};
  size_t level = 7;
  ap_score score;
  assert_int_equal(ap_evaluator_add_level(ev, 2, matrix, NULL, &level, &failure), AP_ERR_ARG);
  matrix[95] = INFINITY;
  assert_int_equal(ap_evaluator_add_level(ev, 1, matrix, NULL, &level, &failure), AP_ERR_ARG);
  const uint32_t levels[2] = {0, 1}; /* the refused level does not exist */
  assert_int_equal(ap_evaluator_run(ev, 1, levels, &score, &failure), AP_ERR_ARG);
  assert_int_equal(ap_evaluator_logits(ev, levels, matrix, &failure), AP_ERR_ARG);
  matrix[95] = 0;
  const uint32_t given[2] = {0, 0};
  double seconds;
  const ap_status timed = ap_evaluator_measure(ev, 1, given, true, &seconds, &failure);
  assert_int_equal(timed, backend ? AP_OK : AP_ERR_UNSUPPORTED);
  must(ap_evaluator_add_level(ev, 1, matrix, NULL, &level, &failure));
  assert_int_equal(level, 1);
  must(ap_evaluator_run(ev, 1, levels, &score, &failure)); /* all weights gone: the bias decides */
  assert_true(isfinite(score.loss));
  ap_evaluator_destroy(ev);
  ap_network_destroy(s.net);
}

/* Every allocation of create, add_level and run fails once. */
static void test_out_of_memory(void **state) {
  (void)state;
  const subject s = make_subject(small_network(3), images);
  const float matrix[96 * 10] = {1};
  const uint32_t levels[4] = {0, 0, 0, 1};
  const ap_evaluator_options options = {.n_threads = 2, .backend = backend, .precision = precision};
  size_t failures = 0;
  for (size_t n = 0;; ++n) {
    ap_evaluator *ev = NULL;
    ap_score scores[2];
    size_t level;
    ap_alloc_fail_after(n);
    ap_status st = ap_evaluator_create(s.net, images, AP_SPLIT_TEST, 33, &options, &ev, &failure);
    assert_true((ev == NULL) == (st != AP_OK));
    if (!st) st = ap_evaluator_add_level(ev, 1, matrix, NULL, &level, &failure);
    if (!st) st = ap_evaluator_run(ev, 2, levels, scores, &failure);
    const bool spared = st == AP_OK && n > failures + 8; /* a cache that stays small is no error */
    ap_alloc_fail_after(SIZE_MAX);
    ap_evaluator_destroy(ev);
    if (spared) break;
    if (st == AP_OK) continue;
    assert_int_equal(st, AP_ERR_MEMORY);
    ++failures;
  }
  assert_true(failures > 30);
  ap_network_destroy(s.net);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_builtin_networks),
      cmocka_unit_test(test_every_node_kind),
      cmocka_unit_test(test_equal_bits),
      cmocka_unit_test(test_counts),
      cmocka_unit_test(test_small_cache),
      cmocka_unit_test(test_steady_state_allocates_nothing),
      cmocka_unit_test(test_misuse),
      cmocka_unit_test(test_out_of_memory),
  };
  backend = argc > 1 ? argv[1] : NULL;
  precision = argc > 2 ? argv[2] : NULL;
  if (precision && strcmp(precision, "bf16") == 0) tolerance = 0.02;
  const ap_status st = backend ? ap_engine_available(backend, &failure) : AP_OK;
  if (st) (void)printf("%s: %s\n", st == AP_ERR_UNSUPPORTED ? "skipped" : "failed", failure.text);
  if (st) return st == AP_ERR_UNSUPPORTED ? 77 : 1;
  return cmocka_run_group_tests(tests, open_all, close_all);
}
