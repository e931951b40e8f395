/* A layer of one tap whose outputs are added to another layer's is done with it: against plain loops, in either
 * order, around the tiles' sizes, levels of all forms with others of any; and when that must not be. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "kernels/grouped/engine_impl.h"
#include "tests/kernels/grouped_checks.h"

typedef struct {
  size_t n, c, h, w; /* images; the input, which the layer of one tap reads */
  size_t inner;      /* channels that the other layer reads */
  size_t out, kernel, stride, groups, dilation;
  size_t shared; /* KiB of a block; 0: all */
  bool first;    /* the layer of one tap comes first, and the other adds its outputs */
  size_t aside;  /* one more column of padding to the left, one less to the right */
} block_case;

/* What keeps two layers apart. */
typedef enum { NOTHING, CLIPPED, READ_TWICE, TAPS, HALVED, BESIDE } obstacle;

typedef struct {
  subject s;
  size_t sum, term, layer, joined; /* operations */
} block;

/* One tap over the input at every stride-th pixel; the other layer over a layer's outputs of that size. */
static void build(block *b, const block_case *k, obstacle o) {
  subject *s = &b->s;
  *b = (block){.s = {.n_images = 0}};
  const size_t x = subject_input(s, k->c, k->h, k->w);
  const size_t a = subject_layer(s, x, k->inner, 3, 3, k->stride, 1, 1);
  subject_last(s)->low = -8;
  subject_last(s)->high = 8;
  const size_t pad = (k->kernel - 1) * k->dilation / 2;
  size_t outs[2];
  for (int i = 0; i < 2; i++) {
    if ((i == 0) == k->first) {
      b->joined = s->program.n_ops;
      outs[i] = o == TAPS ? subject_layer(s, x, k->out, 3, 3, k->stride, 1, 1)
                          : subject_layer(s, x, k->out, 1, 1, k->stride, 0, k->groups);
    } else {
      b->layer = s->program.n_ops;
      outs[i] = subject_dilated(s, a, k->out, k->kernel, k->kernel, 1, pad, k->groups, k->dilation);
      subject_last(s)->pad_left += k->aside;
    }
    if (i == 0 && o == CLIPPED) subject_last(s)->low = 0;
  }
  if (k->kernel == 1 && k->stride == 1 &&
      k->first) { /* of two that may be joined it is the later one */
    const size_t later = b->layer;
    b->layer = b->joined;
    b->joined = later;
  }
  b->sum = b->layer > b->joined ? b->layer : b->joined;
  b->term = b->layer > b->joined ? b->joined : b->layer;
  subject_last(s)->residual = (ap_engine_source){outs[0], 1, 1, o == BESIDE ? 1 : 0};
  subject_last(s)->low = 0;
  if (o == READ_TWICE) (void)subject_concat(s, outs[1], outs[0]);
  if (o == HALVED) (void)subject_pool(s, outs[1], 2, 2, 0, true, false);
  s->unstored[outs[0]] = o == NOTHING || o == HALVED;
}

static unsigned seen_slots; /* bit l: a block whose ring has 2^l slots */

static void compare_block(const char *kind, size_t i, const block_case *k, obstacle o) {
  static const double keep[PATTERNS] = {1, 0.1, 0.15, 0.2, 0.3, 0.2, 0};
  block b;
  build(&b, k, o);
  subject *s = &b.s;
  const bool together = s->unstored[s->ops[b.term].out];
  subject_finish(s, k->n, &rng);
  for (pattern p = 0; p < PATTERNS; p++) subject_level(s, p, keep[p], &rng);
  const ap_engine_options options = options_with(0, k->shared << 10);
  ap_engine *e = subject_engine(s, engine_name, &options);
  assert_true(e->fused[b.term] == together);
  assert_true(e->joins[b.sum].layer == (together ? b.layer : AP_ENGINE_NONE));
  assert_true(e->joins[b.sum].joined == (together ? b.joined : AP_ENGINE_NONE));
  if (together) seen_slots |= 1U << e->layers[s->ops[b.layer].layer].tile.log_slots;
  for (uint32_t level = 0; level < PATTERNS; level++) {
    char what[64];
    const uint32_t other = (uint32_t)ap_rng_below(&rng, PATTERNS);
    const uint32_t levels[3] = {PATTERN_SINGLE, k->first ? other : level, k->first ? level : other};
    (void)snprintf(what, sizeof what, "%s block %zu, patterns %u and %u", kind, i, level, other);
    compare(what, s, e, levels, 0);
  }
  ap_engine_destroy(e);
  subject_release(s);
}

static const block_case blocks[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, false, 0},
    {17, 3, 5, 4, 7, 9, 3, 1, 1, 1, 0, true, 0},
    {16, 5, 8, 8, 8, 8, 3, 2, 1, 1, 0, false, 0},
    {3, 16, 11, 13, 16, 16, 3, 2, 1, 1, 0, true, 0},
    {33, 70, 7, 8, 33, 17, 3, 2, 1, 1, 50, false, 0},
    {5, 13, 4, 4, 50, 31, 3, 1, 1, 1, 46, true, 0},
    {2, 33, 6, 6, 9, 64, 3, 2, 1, 1, 48, false, 0},
    {18, 11, 2, 2, 12, 127, 3, 2, 1, 1, 0, true, 0},
    {4, 6, 12, 11, 24, 128, 1, 2, 1, 1, 0, false, 0},
    {2, 19, 10, 9, 19, 129, 3, 2, 1, 1, 52, true, 0},
    {1, 8, 17, 16, 8, 65, 5, 3, 1, 1, 64, false, 0},
    {2, 8, 14, 13, 24, 24, 3, 2, 4, 1, 0, false, 0},
    {9, 6, 9, 7, 6, 10, 3, 1, 2, 2, 0, true, 0},
    {40, 40, 8, 8, 130, 96, 3, 2, 1, 1, 0, false, 0},
};

/* Rows of small maps end with the next one's padding. */
static const block_case aside[] = {
    {7, 4, 5, 5, 6, 20, 3, 1, 1, 1, 0, false, 1},
    {20, 9, 3, 3, 12, 130, 3, 1, 1, 1, 0, true, 1},
    {2, 4, 6, 5, 6, 64, 5, 1, 1, 1, 0, false, 2},
    {3, 5, 18, 17, 3, 70, 3, 2, 1, 1, 60, false, 1},
};

/* Windows that leave room for few slots: in bfloat16 two and four, in float32 one and two; and, in bfloat16, one. */
static const block_case large[] = {{3, 8, 12, 11, 8, 20, 5, 2, 1, 2, 46, false, 0},
                                   {17, 9, 12, 11, 8, 20, 5, 2, 1, 2, 66, true, 0},
                                   {3, 8, 12, 11, 8, 40, 5, 2, 1, 2, 34, false, 0}};

static void test_blocks(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
    compare_block("listed", i, &blocks[i], NOTHING);
  for (size_t i = 0; i < sizeof aside / sizeof aside[0]; i++)
    compare_block("aside", i, &aside[i], NOTHING);
  for (size_t i = 0; i < (engine_bf16 ? 3 : 2); i++) compare_block("large", i, &large[i], NOTHING);
  assert_int_equal(seen_slots, 7);
}

static void test_random_blocks(void **state) {
  (void)state;
  for (size_t i = 0; i < 24; i++) {
    block_case k = {.n = 1 + ap_rng_below(&rng, 40),
                    .h = 1 + ap_rng_below(&rng, 12),
                    .w = 1 + ap_rng_below(&rng, 12),
                    .groups = ap_rng_below(&rng, 3) ? 1 : 2,
                    .kernel = 1 + 2 * ap_rng_below(&rng, 3),
                    .stride = 1 + ap_rng_below(&rng, 3),
                    .dilation = 1 + ap_rng_below(&rng, 2),
                    .first = ap_rng_below(&rng, 2) == 1,
                    .shared = ap_rng_below(&rng, 2) ? 0 : 60 + ap_rng_below(&rng, 40)};
    k.c = k.groups * (1 + ap_rng_below(&rng, 20));
    k.inner = k.groups * (1 + ap_rng_below(&rng, 20));
    k.out = k.groups * (1 + ap_rng_below(&rng, 40));
    compare_block("random", i, &k, NOTHING);
  }
}

static void test_apart(void **state) {
  (void)state;
  const block_case k = {5, 6, 9, 8, 7, 12, 3, 2, 1, 1, 0, false, 0};
  for (obstacle o = CLIPPED; o <= BESIDE; o++) compare_block("apart", o, &k, o);
}

static void test_batches_of_blocks(void **state) {
  (void)state;
  for (int first = 0; first < 2; first++) {
    const block_case k = {35, 6, 9, 8, 7, 33, 3, 2, 1, 1, 0, first == 1, 0};
    block b;
    build(&b, &k, NOTHING);
    subject_finish(&b.s, k.n, &rng);
    add_levels(&b.s);
    const ap_engine_options options = options_with(0, 0);
    ap_engine *e = subject_engine(&b.s, engine_name, &options);
    candidates c = {.n = 0};
    for (size_t n = 1; n <= 27; n += 13) {
      draw(&c, n, b.s.program.n_layers);
      compare_batch(e, &c);
    }
    ap_engine_destroy(e);
    subject_release(&b.s);
  }
}

int run_grouped_joins(bool few) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_blocks),
      cmocka_unit_test(test_batches_of_blocks),
      cmocka_unit_test(test_random_blocks),
      cmocka_unit_test(test_apart),
  };
  const struct CMUnitTest crew_tests[] = {
      cmocka_unit_test(test_blocks),
      cmocka_unit_test(test_batches_of_blocks),
  };
  return few ? cmocka_run_group_tests(crew_tests, NULL, NULL)
             : cmocka_run_group_tests(tests, NULL, NULL);
}
