#include "kernels/cpu/packed_gather.h"

#include <string.h>

#include "base/alloc.h"

enum {
  SAMPLE = 32 << 10, /* weights at the beginning that stand for all */
  SPARSE_ENOUGH = 2, /* copied if at most one of so many weights is kept */
  ROOM_TENTHS = 12   /* of the entries that the sample makes expect */
};

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* ---- copies ----------------------------------------------------------------------------------- */
typedef struct {
  const packed_matrix *matrix;
  packed_scan *s;
  packed_kept *kept;
  size_t unit_rows;  /* matrix rows of a row of the lists */
  packed_scan lists; /* the shape of the form that is guessed */
} gather;

/* The entries of bits m to `to`. row: the weights of bit 0's entry; an entry's weights lie side by side, a
 * kernel's are n weights apart. */
#define INLINE static inline __attribute__((always_inline))
INLINE void copy_kernels(uint64_t m, const uint8_t *row, size_t n, size_t size, uint8_t *to) {
  for (; m; m &= m - 1, to += PACKED_TAPS * size) {
    const uint8_t *from = row + (size_t)__builtin_ctzll(m) * size;
    for (size_t i = 0; i < PACKED_TAPS; ++i) memcpy(to + i * size, from + i * n * size, size);
  }
}
INLINE void copy_units(uint64_t m, const uint8_t *row, size_t bytes, uint8_t *to) {
  for (; m; m &= m - 1, to += bytes) memcpy(to, row + (size_t)__builtin_ctzll(m) * bytes, bytes);
}
/* Copies of fixed size are no calls. */
static void copy_units_of(size_t bytes, uint64_t m, const uint8_t *row, uint8_t *to) {
  switch (bytes) {
    case 1:
      copy_units(m, row, 1, to);
      break;
    case 2:
      copy_units(m, row, 2, to);
      break;
    case 4:
      copy_units(m, row, 4, to);
      break;
    case 8:
      copy_units(m, row, 8, to);
      break;
    case 16:
      copy_units(m, row, 16, to);
      break;
    default:
      copy_units(m, row, 32, to);
  }
}

static bool grow(gather *g, size_t more) {
  packed_kept *k = g->kept;
  if (k->n + more <= k->room) return true;
  const size_t room = (k->n + more) * 3 / 2;
  uint8_t *values = ap_realloc(k->values, room, k->each * g->matrix->size);
  if (!values) return false;
  k->values = values;
  k->room = room;
  return true;
}

/* Copies the entries of one row of the lists; false: out of memory. */
static bool copy_row(gather *g, size_t r) {
  packed_kept *kept = g->kept;
  const packed_scan *s = g->s, *to = &g->lists;
  const size_t size = g->matrix->size, bytes = kept->each * size, k = r * g->unit_rows;
  const uint8_t *row = (const uint8_t *)g->matrix->data + k * s->n * size;
  uint32_t *start = kept->start + r * packed_scan_steps(to);
  uint64_t *m = kept->bits + r * to->words;
  packed_fold(s, s->bits + k * s->words, kept->form, m);
  for (size_t word = 0; word < to->words; ++word) {
    const size_t n = (size_t)__builtin_popcountll(m[word]);
    if (word % PACKED_STEP_WORDS == 0) start[word / PACKED_STEP_WORDS] = (uint32_t)kept->n;
    if (!grow(g, n)) return false;
    uint8_t *values = kept->values + kept->n * bytes;
    const uint8_t *from = row + word * 64 * (s->n / to->lists) * size;
    kept->n += n;
    if (g->unit_rows == 1)
      copy_units_of(bytes, m[word], from, values);
    else if (size == 1)
      copy_kernels(m[word], from, s->n, 1, values);
    else
      copy_kernels(m[word], from, s->n, sizeof(float), values);
  }
  return true;
}

/* ---- the passes ------------------------------------------------------------------------------- */
static ap_status read_rows(gather *g, size_t from, size_t to, ap_error *err) {
  packed_scan *s = g->s;
  const packed_matrix *m = g->matrix;
  for (size_t k = from; k < to; ++k) {
    uint64_t *bits = s->bits + k * s->words;
    if (!m->nonzero((const uint8_t *)m->data + k * s->n * m->size, s->n, bits))
      return ap_fail(err, AP_ERR_ARG, "a weight in row %zu is not finite", k);
    if (packed_scan_dead(s, k)) memset(bits, 0, s->words * sizeof *bits);
  }
  return AP_OK;
}

static void count(const packed_wish *wish, packed_scan *s, size_t rows) {
  const size_t k = s->k;
  s->k = rows;
  memset(s->entries, 0, sizeof s->entries);
  packed_scan_count(s, wish->geometry, wish->units, wish->kernels);
  s->k = k;
}

static ap_packed_form choose(const packed_wish *wish, packed_scan *s) {
  return wish->form == AP_PACKED_AUTO ? wish->choose(wish->context, s) : wish->form;
}

static bool sparse_enough(const packed_scan *s, size_t weights) {
  return weights <= s->k * s->n / SPARSE_ENOUGH;
}

/* What the sample's form is taken to be; prepares copying where that pays. */
static ap_status guess(gather *g, const packed_wish *wish, size_t sample, ap_error *err) {
  packed_scan *s = g->s;
  packed_kept *kept = g->kept;
  count(wish, s, sample);
  for (size_t f = 0; f < AP_PACKED_FORMS; ++f)
    s->entries[f] = (size_t)((double)s->entries[f] * (double)s->k / (double)sample);
  const ap_packed_form form = choose(wish, s);
  const bool whole = packed_whole_kernels(form);
  packed_scan *to = &g->lists;
  *to = *s;
  packed_scan_shape(to, form);
  g->unit_rows = whole ? PACKED_TAPS : 1;
  kept->each = whole ? (size_t)PACKED_TAPS : packed_form_width(form);
  const size_t expected = s->entries[form];
  if (!sparse_enough(s, expected * kept->each) || s->n != to->lists * packed_form_width(form) ||
      s->k * s->n > UINT32_MAX)
    return AP_OK;
  kept->room = expected / 10 * ROOM_TENTHS + 64;
  kept->values = ap_calloc(kept->room, kept->each * g->matrix->size);
  kept->start = ap_calloc(to->rows * packed_scan_steps(to), sizeof *kept->start);
  kept->bits = ap_calloc(to->rows * to->words, sizeof *kept->bits);
  if (!kept->values || !kept->start || !kept->bits)
    return ap_fail(err, AP_ERR_MEMORY, "values of %zu entries", kept->room);
  kept->form = form;
  return AP_OK;
}

/* Matrix rows from .. to - 1. Ends copying for good where more is kept than the sample promised. */
static ap_status copy_rows(gather *g, size_t from, size_t to, ap_error *err) {
  packed_kept *kept = g->kept;
  for (size_t k = from; k < to && kept->form != AP_PACKED_AUTO; k += g->unit_rows) {
    if (!copy_row(g, k / g->unit_rows))
      return ap_fail(err, AP_ERR_MEMORY, "entries of %zu rows", k);
    if (!sparse_enough(g->s, kept->n * kept->each)) kept->form = AP_PACKED_AUTO;
  }
  return AP_OK;
}

ap_status packed_gather(const packed_matrix *matrix, const packed_wish *wish, packed_scan *s,
                        packed_kept *kept, ap_packed_form *form, ap_error *err) {
  gather g = {.matrix = matrix, .s = s, .kept = kept, .unit_rows = 1};
  const size_t unit = s->taps; /* whole kernels */
  const size_t sample = min_size(s->k, (SAMPLE / s->n / unit + 1) * unit);
  *kept = (packed_kept){.form = AP_PACKED_AUTO};
  ap_status st = read_rows(&g, 0, sample, err);
  if (st) return st;
  if (sample < s->k) {
    st = guess(&g, wish, sample, err);
    if (!st) st = copy_rows(&g, 0, sample, err);
  }
  for (size_t k = sample; k < s->k && !st; k += unit) {
    st = read_rows(&g, k, k + unit, err);
    if (!st) st = copy_rows(&g, k, k + unit, err);
  }
  if (st) return st;
  if (wish->form == AP_PACKED_AUTO) count(wish, s, s->k);
  *form = choose(wish, s);
  const bool suits =
      kept->form == *form || (packed_whole_kernels(kept->form) && packed_whole_kernels(*form));
  if (suits) {
    packed_scan_shape(s, *form);
    ap_free(s->bits);
    s->bits = kept->bits;
    kept->bits = NULL;
  } else {
    kept->form = AP_PACKED_AUTO;
    packed_scan_lists(s, *form);
  }
  return AP_OK;
}

void packed_kept_close(packed_kept *kept) {
  ap_free(kept->values);
  ap_free(kept->start);
  ap_free(kept->bits);
}
