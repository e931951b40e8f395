#include "tests/kernels/grouped_checks.h"

#include <math.h>

#include "base/alloc.h"

const char *engine_name;
bool engine_bf16;
bool engine_is_device;
ap_rng rng;
ap_error failure;

void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

ap_engine_options options_with(size_t memory_bytes, size_t shared_bytes) {
  return (ap_engine_options){.precision = engine_bf16 ? AP_ENGINE_BF16 : AP_ENGINE_FP32,
                             .memory_bytes = memory_bytes,
                             .shared_bytes = shared_bytes};
}

void compare(const char *what, const subject *s, ap_engine *e, const uint32_t *levels,
             double tolerance) {
  const size_t n = s->n_images * s->program.classes;
  float *want = ap_calloc(n, sizeof *want), *got = ap_calloc(n, sizeof *got);
  double largest = 0;
  assert_true(want && got);
  for (size_t i = 0; i < n; i++) got[i] = NAN;
  subject_oracle(s, levels, engine_bf16, want);
  must(ap_engine_logits(e, levels, got, &failure));
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)want[i]));
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)(got[i] - want[i])) <= tolerance * largest))
      fail_msg("%s: image %zu, output %zu of %zu: %.9g, expected %.9g", what,
               i / s->program.classes, i % s->program.classes, s->program.classes, (double)got[i],
               (double)want[i]);
  ap_free(want);
  ap_free(got);
}

void add_levels(subject *s) {
  subject_level(s, PATTERN_DENSE, 1, &rng);
  subject_level(s, PATTERN_COLUMN, 0.4, &rng);
  subject_level(s, PATTERN_ROW8, 0.4, &rng);
}

void draw(candidates *c, size_t n, size_t n_layers) {
  size_t all = 1;
  for (size_t j = 0; j < n_layers; j++) all *= 3;
  assert_true(n <= all && n <= CANDIDATES);
  c->n = n;
  c->n_layers = n_layers;
  for (size_t i = 0; i < n; i++) {
    uint32_t *own = c->levels + i * n_layers;
    size_t same = 0;
    for (size_t j = 0, place = all / 3; j < n_layers; j++, place /= 3)
      own[j] = (uint32_t)(i * all / n / place % 3); /* ascending, distinct */
    while (i > 0 && own[same] == own[same - n_layers]) same++;
    c->row[i] = i;
    c->resume[i] = i > 0 ? same + 1 : 0;
  }
}

void compare_batch(ap_engine *e, const candidates *c) {
  const size_t first = 0, n = c->n;
  ap_engine_result alone, together[AP_ENGINE_MOST], again[AP_ENGINE_MOST];
  must(ap_engine_submit(e, n, c->levels, c->row, c->resume, &failure));
  must(ap_engine_submit(e, n, c->levels, c->row, c->resume, &failure));
  assert_int_equal(ap_engine_submit(e, n, c->levels, c->row, c->resume, &failure), AP_ERR_ARG);
  must(ap_engine_collect(e, together, &failure));
  must(ap_engine_collect(e, again, &failure));
  for (size_t j = 0; j < n; j += engine_is_device || n <= 5 ? 1 : 1 + j % 3 * 2) {
    must(ap_engine_submit(e, 1, c->levels + j * c->n_layers, &first, &first, &failure));
    must(ap_engine_collect(e, &alone, &failure));
    assert_true(alone.loss == together[j].loss && alone.loss == again[j].loss);
    assert_int_equal(alone.correct, together[j].correct);
    assert_int_equal(alone.correct, again[j].correct);
  }
}

void compare_batches(const subject *s, bool few) {
  /* around the sizes that have launches of their own: on a GPU all, emulated at their edges; 64 are
   * more than fit in `few` */
  static const size_t sizes[] = {1, 4, 5, 16, 17, 64, 2, 3, 15, 37, 63};
  const size_t n_sizes = engine_is_device ? sizeof sizes / sizeof sizes[0] : few ? 6 : 5;
  candidates c = {.n = 0};
  const ap_engine_options options = options_with(few ? 400 << 10 : 0, 0);
  ap_engine *e = subject_engine(s, engine_name, &options);
  const size_t most = ap_engine_capacity(e);
  assert_true(few ? most < CANDIDATES : most == CANDIDATES);
  for (size_t i = 0; i < n_sizes; i++) {
    draw(&c, sizes[i], s->program.n_layers);
    if (c.n <= most)
      compare_batch(e, &c);
    else
      assert_int_equal(ap_engine_submit(e, c.n, c.levels, c.row, c.resume, &failure), AP_ERR_ARG);
  }
  ap_engine_destroy(e);
}

void refuse(subject *s, ap_status want) {
  ap_engine *e = NULL;
  const ap_engine_options options = options_with(0, 0);
  ap_error err = {0};
  assert_int_equal(ap_engine_create(engine_name, &s->program, s->n_images, s->pixels, s->labels,
                                    &options, &e, &err),
                   want);
  assert_null(e);
  assert_true(err.text[0]);
}
