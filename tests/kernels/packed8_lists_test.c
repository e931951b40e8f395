/* Integer lists of matrices large enough to be copied from, word by word against plain loops: rows of eight
 * columns of which both halves stay, always or not; one of them only; rows of four; single weights. */
#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/cpu/packed8_impl.h"
#include "tests/kernels/packed_cmocka.h"

typedef struct {
  size_t in_c, side, n, kernel;
} layer;

static const layer layers[] = {
    {64, 4, 64, 3},  {70, 4, 72, 3},   {64, 2, 200, 3},  {66, 8, 128, 3},
    {40, 6, 40, 5},  {1100, 1, 64, 1}, {90, 1, 1032, 1}, {30, 4, 1040, 3},
    {20, 9, 136, 7}, {9000, 1, 8, 1},  {64, 4, 68, 3},   {130, 1, 72, 3},
};
/* both halves; one of them at times, often and always; any four; any one */
enum { BOTH, RARELY_ONE, OFTEN_ONE, ONE, FOURS, SINGLES, KINDS };

static bool kept(ap_rng *rng, int kind, size_t half, bool row) {
  switch (kind) {
    case BOTH:
      return row;
    case RARELY_ONE:
      return row && (half == 0 || ap_rng_below(rng, 40) > 0);
    case OFTEN_ONE:
      return row && ap_rng_below(rng, 3) > 0;
    case ONE:
      return row && half == 1;
    default:
      return ap_rng_below(rng, 10) == 0;
  }
}

static int8_t *matrix_of(ap_rng *rng, size_t k, size_t n, int kind) {
  int8_t *m = ap_calloc(k * n, 1);
  assert_non_null(m);
  bool row = false;
  for (size_t r = 0; r < k; ++r)
    for (size_t c = 0; c < n; c += 4) {
      if (c % 8 == 0) row = ap_rng_below(rng, 10) == 0;
      if (!kept(rng, kind, c / 4 % 2, row)) continue;
      for (size_t i = c; i < c + 4 && i < n; ++i)
        m[r * n + i] = (int8_t)(1 + (int)ap_rng_below(rng, 127));
      if (kind == SINGLES) memset(m + r * n + c + 1, 0, (c + 4 < n ? c + 4 : n) - c - 1);
      if (ap_rng_below(rng, 2)) m[r * n + c] = (int8_t)-m[r * n + c];
    }
  return m;
}

/* The word with weight `slot` of a quad, and its part of it. */
static void add(const ap_packed8_isa *isa, int32_t *quad, size_t slot, int8_t weight) {
  if (isa->quad_words == 1)
    quad[0] = (int32_t)((uint32_t)quad[0] | (uint32_t)(uint8_t)weight << 8 * slot);
  else
    quad[slot % 2] =
        (int32_t)((uint32_t)quad[slot % 2] | (uint32_t)(uint16_t)weight << 16 * (slot / 2));
}

static bool has(const int8_t *m, size_t n, size_t r, size_t column, size_t width) {
  for (size_t i = column; i < column + width && i < n; ++i)
    if (m[r * n + i]) return true;
  return false;
}

/* Entries of a list's segment from `e` on; returns the entry behind them. */
static const int32_t *check_segment(const ap_packed8_weights *w, const int8_t *m, size_t list,
                                    size_t segment, const int32_t *e) {
  const ap_packed_conv *g = &w->geometry;
  const size_t taps = g->kh * g->kw, n = g->out.c, column = list * w->width;
  int32_t expected[P8_LIST_HEAD + 16] = {0};
  size_t slot = 0;
  assert_true(w->entry_words <= sizeof expected / sizeof expected[0]);
  for (size_t r = 0; r < g->in.c * taps; ++r) {
    if (w->bound && r % taps / g->kw != segment) continue;
    if (g->in.h == 1 && r % taps != taps / 2) continue; /* all others are padding */
    if (!has(m, n, r, column, w->width)) continue;
    const size_t offset = r / taps * g->in.channel * 4 + r % taps / g->kw * g->in.row * 4 +
                          r % g->kw * AP_PACKED8_LANES;
    for (size_t i = slot; i < P8_QUAD; ++i) /* those that lack are the first's again */
      if (i == slot || slot == 0) expected[i] = (int32_t)offset;
    for (size_t i = 0; i < w->width && column + i < n; ++i)
      add(w->isa, expected + P8_LIST_HEAD + i * w->isa->quad_words, slot, m[r * n + column + i]);
    if (++slot < P8_QUAD) continue;
    assert_memory_equal(e, expected, w->entry_words * sizeof *e);
    e += w->entry_words;
    memset(expected, 0, sizeof expected);
    slot = 0;
  }
  if (slot == 0) return e;
  assert_memory_equal(e, expected, w->entry_words * sizeof *e);
  return e + w->entry_words;
}

static void check(const layer *l, const ap_packed8_isa *isa, int8_t *m, ap_packed_form form) {
  const size_t pad = l->kernel / 2;
  ap_packed_conv g = {.kh = l->kernel,
                      .kw = l->kernel,
                      .stride_h = 1,
                      .stride_w = 1,
                      .pad_top = pad,
                      .pad_left = pad,
                      .groups = 1};
  ap_packed8_weights *w = NULL;
  float *ones = ap_calloc(l->n, sizeof *ones);
  assert_non_null(ones);
  for (size_t i = 0; i < l->n; ++i) ones[i] = 1;
  assert_int_equal(ap_packed_shape_init(l->in_c, l->side, l->side, pad, pad, pad, pad, &g.in, NULL),
                   AP_OK);
  assert_int_equal(ap_packed_shape_init(l->n, l->side, l->side, 0, 0, 0, 0, &g.out, NULL), AP_OK);
  assert_int_equal(ap_packed8_weights_create(isa, &g, m, 0, ones, ones, form, &w, NULL), AP_OK);
  assert_int_equal(w->form, form);
  assert_int_equal(w->n_lists, (l->n + w->width - 1) / w->width);
  const int32_t *e = w->words;
  for (size_t list = 0; list < w->n_lists; ++list) {
    assert_ptr_equal(e, w->words + w->start[list] * w->entry_words);
    for (size_t segment = 0; segment < (w->bound ? w->segments : 1); ++segment) {
      e = check_segment(w, m, list, segment, e);
      if (w->bound)
        assert_ptr_equal(e, w->words + w->bound[segment * w->n_lists + list] * w->entry_words);
    }
  }
  assert_ptr_equal(e, w->words + w->n_entries * w->entry_words);
  for (size_t i = 0; i < P8_AHEAD * w->entry_words; ++i) assert_int_equal(e[i], 0);
  ap_packed8_weights_destroy(w);
  ap_free(ones);
}

/* Every block in turn is refused: nothing stays. */
static void out_of_memory(void **state) {
  (void)state;
  const layer *l = &layers[0];
  ap_rng rng;
  ap_rng_seed(&rng, 22, 0);
  ap_packed_conv g = {
      .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .pad_top = 1, .pad_left = 1, .groups = 1};
  float ones[64];
  const ap_packed8_isa *plain;
  for (size_t i = 0; i < 64; ++i) ones[i] = 1;
  assert_int_equal(ap_packed8_isa_find("plain", &plain, NULL), AP_OK);
  assert_int_equal(ap_packed_shape_init(l->in_c, l->side, l->side, 1, 1, 1, 1, &g.in, NULL), AP_OK);
  assert_int_equal(ap_packed_shape_init(l->n, l->side, l->side, 0, 0, 0, 0, &g.out, NULL), AP_OK);
  for (int kind = BOTH; kind <= RARELY_ONE; ++kind) {
    int8_t *m = matrix_of(&rng, l->in_c * 9, l->n, kind);
    size_t failures = 0;
    for (;; ++failures) {
      ap_packed8_weights *w = NULL;
      ap_alloc_fail_after(failures);
      const ap_status st =
          ap_packed8_weights_create(plain, &g, m, 0, ones, ones, AP_PACKED_LIST4, &w, NULL);
      ap_alloc_fail_after(SIZE_MAX);
      ap_packed8_weights_destroy(w);
      if (st == AP_OK) break;
      assert_int_equal(st, AP_ERR_MEMORY);
      assert_null(w);
    }
    assert_true(failures > 12);
    ap_free(m);
  }
}

static void every_list(void **state) {
  static const char *const names[] = {"plain", "avx2", "avx512"};
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 21, 0);
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i)
    for (int kind = 0; kind < KINDS; ++kind) {
      const layer *l = &layers[i];
      int8_t *m = matrix_of(&rng, l->in_c * l->kernel * l->kernel, l->n, kind);
      for (size_t name = 0; name < 3; ++name) {
        const ap_packed8_isa *isa;
        if (!vectors_wanted(names[name]) || ap_packed8_isa_find(names[name], &isa, NULL)) continue;
        for (int form = AP_PACKED_LIST1; form <= AP_PACKED_LIST8; ++form)
          check(l, isa, m, (ap_packed_form)form);
      }
      ap_free(m);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_list), cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
