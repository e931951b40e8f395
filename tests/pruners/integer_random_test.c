/* Usage: integer_random_test [FIRST NETWORKS].
 *
 * The evaluator in integers against the quantised network, bit for bit, of networks put together at random
 * (random_network.h): odd numbers of bits and of images, pruned and not, every instruction set; and candidates together
 * against each alone. */
#include <inttypes.h>
#include <stdlib.h>

#include "nn/evaluator.h"
#include "pruners/integer_network.h"
#include "tests/nn/random_network.h"

enum { MOST_IMAGES = 40, LAYERS = 32 };
static uint64_t first_seed = 1, n_seeds = 120;
static ap_pool *pool;

static int open_all(void **state) {
  return open_images(state) || ap_pool_create(2, &pool, &failure) ? -1 : 0;
}
static int close_all(void **state) {
  ap_pool_destroy(pool);
  return close_images(state);
}

/* Every second network loses weights: row-vectors of 8, or kernels. */
static void prune(ap_network *net, ap_rng *rng) {
  ap_layer_info info[LAYERS];
  const size_t n = ap_network_layers(net, info, LAYERS);
  assert_in_range(n, 1, LAYERS);
  if (ap_rng_below(rng, 2)) return;
  for (size_t l = 0; l < n; l++) {
    if (ap_rng_below(rng, 2)) continue;
    const bool rows = ap_rng_below(rng, 2) == 0;
    const size_t high = rows ? 1 : info[l].kh * info[l].kw, wide = rows ? 8 : 1;
    float *matrix = ap_calloc(info[l].k * info[l].n, sizeof *matrix);
    assert_non_null(matrix);
    ap_layer_get_matrix(net, info[l].node, matrix);
    for (size_t r = 0; r < info[l].k; r += high)
      for (size_t c = 0; c < info[l].n; c += wide) {
        if (ap_rng_below(rng, 3) == 0) continue;
        for (size_t i = r; i < r + high && i < info[l].k; i++)
          for (size_t j = c; j < c + wide && j < info[l].n; j++) matrix[i * info[l].n + j] = 0;
      }
    ap_layer_set_matrix(net, info[l].node, matrix);
    ap_free(matrix);
  }
}

static ap_integer_network *quantised(const ap_network *net, ap_rng *rng) {
  const ap_range_options options = {.images = 20, .coverage = ap_rng_below(rng, 2) ? 1 : 0.97};
  ap_array_spec spec = ap_array_spec_default();
  ap_integer_network *in = NULL;
  if (ap_rng_below(rng, 2)) {
    spec.weight_bits = 2 + (unsigned)ap_rng_below(rng, 7);
    spec.activation_bits = 1 + (unsigned)ap_rng_below(rng, 8);
  } else {
    spec.weight_bits = spec.activation_bits = 8;
  }
  must(ap_integer_network_create(net, &spec, images, &options, pool, &in, &failure));
  return in;
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* NULL: the machine lacks these vectors. */
static ap_evaluator *evaluator(const ap_network *net, const ap_integer_network *in, size_t n,
                               size_t threads, const char *vectors) {
  const ap_evaluator_integers integers = {ap_integer_network_all_layers(in),
                                          ap_integer_network_activation_bits(in)};
  const ap_evaluator_options options = {
      .n_threads = threads, .vectors = vectors, .integer = &integers};
  ap_evaluator *ev = NULL;
  const ap_status st = ap_evaluator_create(net, images, AP_SPLIT_TEST, n, &options, &ev, &failure);
  const bool may_lack = vectors && strcmp(vectors, "plain") != 0;
  if (st && !(st == AP_ERR_UNSUPPORTED && may_lack)) fail_msg("%s: %s", net->name, failure.text);
  return ev;
}

/* One more level of every layer: two thirds of its weights. The same for the same seed. */
static void add_levels(ap_evaluator *ev, const ap_integer_network *in, uint64_t seed) {
  const ap_integer_layer *layers = ap_integer_network_all_layers(in);
  ap_rng rng;
  ap_rng_seed(&rng, seed, 42);
  for (size_t l = 0; l < ap_integer_network_layers(in); l++) {
    const size_t size = layers[l].info.k * layers[l].info.n;
    int8_t *bytes = ap_calloc(size, 1);
    size_t level;
    assert_non_null(bytes);
    must(ap_integer_narrow(layers[l].weight, size, bytes, &failure));
    for (size_t i = 0; i < size; i++)
      if (ap_rng_below(&rng, 3) == 0) bytes[i] = 0;
    must(ap_evaluator_add_integer_level(ev, l, bytes, layers[l].scale, NULL, &level, &failure));
    assert_int_equal(level, 1);
    ap_free(bytes);
  }
}

/* Candidates together, and in another order by another evaluator, one at a time: the same bits. */
static void compare_candidates(const ap_network *net, const ap_integer_network *in, size_t n,
                               uint64_t seed) {
  enum { CANDIDATES = 10 };
  const size_t n_layers = ap_integer_network_layers(in);
  ap_evaluator *ev = evaluator(net, in, n, 1 + seed % 2, NULL),
               *alone = evaluator(net, in, n, 1, NULL);
  uint32_t levels[CANDIDATES * LAYERS];
  ap_score together[CANDIDATES], score;
  ap_rng rng;
  ap_rng_seed(&rng, seed, 43);
  add_levels(ev, in, seed);
  add_levels(alone, in, seed);
  for (size_t i = 0; i < CANDIDATES * n_layers; i++) levels[i] = (uint32_t)ap_rng_below(&rng, 2);
  must(ap_evaluator_run(ev, CANDIDATES, levels, together, &failure));
  for (size_t i = CANDIDATES; i-- > 0;) {
    must(ap_evaluator_run(alone, 1, levels + i * n_layers, &score, &failure));
    if (!(score.loss <= together[i].loss && score.loss >= together[i].loss) ||
        score.correct != together[i].correct)
      fail_msg("%s, candidate %zu: loss %.17g together, %.17g alone", net->name, i,
               together[i].loss, score.loss);
  }
  ap_evaluator_destroy(ev);
  ap_evaluator_destroy(alone);
}

static void compare_network(uint64_t seed) {
  static const char *const names[] = {"plain", "avx2", "avx512"};
  static const uint32_t given[LAYERS] = {0};
  float want[MOST_IMAGES * RANDOM_CLASSES], got[MOST_IMAGES * RANDOM_CLASSES];
  ap_network *random = random_network(seed), *net = NULL;
  ap_rng rng;
  ap_rng_seed(&rng, seed, 41);
  must(ap_network_fold(random, &net, &failure));
  ap_network_destroy(random);
  prune(net, &rng);
  ap_integer_network *in = quantised(net, &rng);
  const size_t n = ap_rng_below(&rng, 3) ? 1 + ap_rng_below(&rng, MOST_IMAGES) : MOST_IMAGES;
  must(ap_integer_network_run(in, images, AP_SPLIT_TEST, n, pool, NULL, want, &failure));
  for (size_t v = 0; v < sizeof names / sizeof names[0]; v++) {
    ap_evaluator *ev = evaluator(net, in, n, 1 + v % 2, names[v]);
    if (!ev) continue;
    memset(got, 0xFF, sizeof got);
    must(ap_evaluator_logits(ev, given, got, &failure));
    for (size_t i = 0; i < n * RANDOM_CLASSES; i++)
      if (bits_of(got[i]) != bits_of(want[i]))
        fail_msg("%s, %s, %zu images: image %zu, class %zu is %.9g, expected %.9g", net->name,
                 names[v], n, i / RANDOM_CLASSES, i % RANDOM_CLASSES, (double)got[i],
                 (double)want[i]);
    ap_evaluator_destroy(ev);
  }
  compare_candidates(net, in, n, seed);
  ap_integer_network_destroy(in);
  ap_network_destroy(net);
}

static void test_random_networks(void **state) {
  (void)state;
  for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) compare_network(seed);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_networks)};
  if (argc == 3) {
    first_seed = strtoull(argv[1], NULL, 10);
    n_seeds = strtoull(argv[2], NULL, 10);
  } else if (argc != 1) {
    (void)fprintf(stderr, "usage: %s [FIRST NETWORKS]\n", argv[0]);
    return 2;
  }
  return cmocka_run_group_tests(tests, open_all, close_all);
}
