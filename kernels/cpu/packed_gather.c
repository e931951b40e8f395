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
  uint64_t *bits;    /* [lists.words]: of a row */
} gather;

/* The entries of 64 lists: bit i of m is list first + i, its weights begin i units after `row`. An entry's weights
 * lie side by side, a kernel's are n weights apart. Values to `to`, lists to `list`; counts them. */
typedef struct {
  uint64_t m;
  const uint8_t *row;
  size_t first;
  size_t *sizes; /* of list `first` */
  uint8_t *to;
  uint16_t *list;
} copy;
#define INLINE static inline __attribute__((always_inline))
/* How many a word has no processor foresees: small ones go four at a time, the last ones perhaps in vain, to where the
 * next word's begin. */
INLINE size_t copy_each(const copy *c, size_t unit, size_t bytes, size_t parts, size_t apart) {
  const size_t at_once = bytes * parts <= 8 ? 4 : 1;
  if (!c->m) return 0;
  const uint64_t last = (uint64_t)1 << (63 - __builtin_clzll(c->m));
  size_t n = 0;
  for (uint64_t m = c->m; m;)
#pragma GCC unroll 4
    for (size_t j = 0; j < at_once; ++j, m &= m - 1) {
      const size_t i = (size_t)__builtin_ctzll(at_once == 1 ? m : m | last);
      for (size_t part = 0; part < parts; ++part)
        memcpy(c->to + (n * parts + part) * bytes, c->row + i * unit + part * apart, bytes);
      c->list[n] = (uint16_t)(c->first + i);
      c->sizes[i] += m != 0;
      n += m != 0;
    }
  return n;
}
/* Copies of fixed size are no calls. */
static size_t copy_units(const copy *c, size_t bytes) {
  switch (bytes) {
    case 1:
      return copy_each(c, 1, 1, 1, 0);
    case 2:
      return copy_each(c, 2, 2, 1, 0);
    case 4:
      return copy_each(c, 4, 4, 1, 0);
    case 8:
      return copy_each(c, 8, 8, 1, 0);
    case 16:
      return copy_each(c, 16, 16, 1, 0);
    default:
      return copy_each(c, 32, 32, 1, 0);
  }
}
static size_t copy_kernels(const copy *c, size_t size, size_t n) {
  if (size == 1) return copy_each(c, 1, 1, PACKED_TAPS, n);
  return copy_each(c, sizeof(float), sizeof(float), PACKED_TAPS, n * sizeof(float));
}

/* Room for the entries of some more lists, and for those in vain. */
static bool grow(gather *g) {
  enum { MOST = PACKED_LISTS_AT_ONCE + 8 };
  packed_kept *k = g->kept;
  if (k->n + MOST <= k->room) return true;
  const size_t room = (k->n + MOST) * 3 / 2;
  uint8_t *values = ap_realloc(k->values, room, k->each * g->matrix->size);
  if (values) k->values = values;
  uint16_t *list = ap_realloc(k->list, room, sizeof *list);
  if (list) k->list = list;
  if (!values || !list) return false;
  k->room = room;
  return true;
}

/* Copies the entries of one row of the lists; false: out of memory. */
static bool copy_row(gather *g, size_t r, size_t segment) {
  packed_kept *kept = g->kept;
  const packed_scan *s = g->s, *to = &g->lists;
  const size_t size = g->matrix->size, bytes = kept->each * size, k = r * g->unit_rows;
  const size_t unit =
      g->unit_rows == 1 ? bytes : size; /* from a list's weights to the next one's */
  const uint8_t *row = (const uint8_t *)g->matrix->data + k * s->n * size;
  uint32_t *start = kept->start + r * packed_scan_steps(to);
  size_t *sizes = kept->sizes + segment * to->lists;
  packed_fold(s, s->bits + k * s->words, kept->form, g->bits);
  for (size_t word = 0; word < to->words; ++word) {
    if (word % PACKED_STEP_WORDS == 0) start[word / PACKED_STEP_WORDS] = (uint32_t)kept->n;
    if (!grow(g)) return false;
    const size_t first = word * 64;
    const copy c = {.m = g->bits[word],
                    .row = row + first * unit,
                    .first = first,
                    .sizes = sizes + first,
                    .to = kept->values + kept->n * bytes,
                    .list = kept->list + kept->n};
    kept->n += g->unit_rows == 1 ? copy_units(&c, bytes) : copy_kernels(&c, size, s->n);
  }
  kept->start[(r + 1) * packed_scan_steps(to)] = (uint32_t)kept->n;
  return true;
}

/* The same where the instruction set moves eights: straight from the matrix. */
static bool copy_eights(gather *g, size_t r, size_t segment) {
  packed_kept *kept = g->kept;
  const packed_scan *to = &g->lists;
  const uint8_t *row = (const uint8_t *)g->matrix->data + r * g->s->n;
  const size_t lists = packed_scan_dead(g->s, r) ? 0 : to->lists;
  uint32_t *start = kept->start + r * packed_scan_steps(to);
  size_t *sizes = kept->sizes + segment * to->lists;
  for (size_t first = 0; first < to->lists; first += PACKED_LISTS_AT_ONCE) {
    *start++ = (uint32_t)kept->n;
    if (!grow(g)) return false;
    if (first >= lists) continue;
    kept->n +=
        g->matrix->eights(row + first * 8, min_size(lists - first, PACKED_LISTS_AT_ONCE), first,
                          sizes + first, kept->values + kept->n * 8, kept->list + kept->n);
  }
  *start = (uint32_t)kept->n;
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

/* Are lists of LIST4 mostly the two halves of rows of eight? */
static bool mostly_pairs(const packed_wish *wish, const packed_scan *s, ap_packed_form form) {
  return wish->pairs && form == AP_PACKED_LIST4 &&
         packed_form_possible(wish->geometry, AP_PACKED_LIST8) &&
         s->entries[AP_PACKED_LIST8] * 2 <= s->entries[AP_PACKED_LIST4] / 8 * 9;
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
  ap_packed_form form = choose(wish, s);
  if (mostly_pairs(wish, s, form)) form = AP_PACKED_LIST8;
  const bool whole = packed_whole_kernels(form);
  packed_scan *to = &g->lists;
  *to = *s;
  packed_scan_shape(to, form);
  g->unit_rows = whole ? PACKED_TAPS : 1;
  kept->each = whole ? (size_t)PACKED_TAPS : packed_form_width(form);
  const size_t expected = s->entries[form];
  if (!sparse_enough(s, expected * kept->each) || s->n != to->lists * packed_form_width(form) ||
      s->k * s->n > UINT32_MAX || to->lists > UINT16_MAX)
    return AP_OK;
  kept->room = expected / 10 * ROOM_TENTHS + 64;
  kept->values = ap_calloc(kept->room, kept->each * g->matrix->size);
  kept->list = ap_calloc(kept->room, sizeof *kept->list);
  kept->start = ap_calloc(to->rows * packed_scan_steps(to) + 1, sizeof *kept->start);
  kept->sizes = ap_calloc(to->segments * to->lists, sizeof *kept->sizes);
  g->bits = ap_calloc(to->words, sizeof *g->bits);
  if (!kept->values || !kept->list || !kept->start || !kept->sizes || !g->bits)
    return ap_fail(err, AP_ERR_MEMORY, "values of %zu entries", kept->room);
  kept->form = form;
  return AP_OK;
}

/* Matrix rows from .. to - 1. Ends copying for good where more is kept than the sample promised. */
static ap_status copy_rows(gather *g, size_t from, size_t to, ap_error *err) {
  packed_kept *kept = g->kept;
  const packed_scan *lists = &g->lists;
  const bool eights = g->matrix->eights && kept->form == AP_PACKED_LIST8;
  size_t column = 0, segment = 0; /* `from` is a channel's first row */
  for (size_t k = from; k < to && kept->form != AP_PACKED_AUTO; k += g->unit_rows) {
    if (!(eights ? copy_eights(g, k, segment) : copy_row(g, k / g->unit_rows, segment)))
      return ap_fail(err, AP_ERR_MEMORY, "entries of %zu rows", k);
    if (!sparse_enough(g->s, kept->n * kept->each)) kept->form = AP_PACKED_AUTO;
    if (lists->segments == 1 || ++column < lists->kw) continue;
    column = 0;
    segment = segment + 1 == lists->segments ? 0 : segment + 1;
  }
  return AP_OK;
}

static ap_status read_all(gather *g, const packed_wish *wish, ap_error *err) {
  const packed_scan *s = g->s;
  const size_t unit = s->taps; /* whole kernels */
  const size_t sample = min_size(s->k, (SAMPLE / s->n / unit + 1) * unit);
  ap_status st = read_rows(g, 0, sample, err);
  if (!st && sample < s->k) {
    st = guess(g, wish, sample, err);
    if (!st) st = copy_rows(g, 0, sample, err);
  }
  for (size_t k = sample; k < s->k && !st; k += unit) {
    st = read_rows(g, k, k + unit, err);
    if (!st) st = copy_rows(g, k, k + unit, err);
  }
  return st;
}

ap_status packed_gather(const packed_matrix *matrix, const packed_wish *wish, packed_scan *s,
                        packed_kept *kept, ap_packed_form *form, ap_error *err) {
  gather g = {.matrix = matrix, .s = s, .kept = kept, .unit_rows = 1};
  *kept = (packed_kept){.form = AP_PACKED_AUTO};
  const ap_status st = read_all(&g, wish, err);
  ap_free(g.bits);
  if (st) return st;
  kept->pairs = kept->form == AP_PACKED_LIST8 && wish->pairs;
  if (wish->form == AP_PACKED_AUTO || kept->pairs) count(wish, s, s->k);
  *form = choose(wish, s);
  kept->pairs = kept->pairs && *form == AP_PACKED_LIST4;
  kept->halves = kept->pairs && s->entries[AP_PACKED_LIST8] * 2 != s->entries[AP_PACKED_LIST4];
  const bool suits = kept->form == *form || kept->pairs ||
                     (packed_whole_kernels(kept->form) && packed_whole_kernels(*form));
  if (suits) {
    packed_scan_shape(s, *form);
  } else {
    kept->form = AP_PACKED_AUTO;
    packed_scan_lists(s, *form);
  }
  return AP_OK;
}

packed_scan packed_kept_shape(const packed_kept *kept, const packed_scan *s) {
  packed_scan shape = *s;
  if (kept->pairs) {
    packed_scan_shape(&shape, kept->form);
    shape.segments = s->segments;
  }
  return shape;
}

/* Of pairs. */
static void half_sizes(const packed_kept *kept, const packed_scan *s, size_t *sizes) {
  const packed_scan shape = packed_kept_shape(kept, s);
  const size_t steps = packed_scan_steps(&shape);
  for (size_t r = 0; r < s->rows; ++r) {
    size_t *of = sizes + packed_scan_segment(s, r) * s->lists;
    for (uint32_t i = kept->start[r * steps]; i < kept->start[(r + 1) * steps]; ++i)
      for (size_t half = 0; half < 2; ++half)
        of[(size_t)2 * kept->list[i] + half] +=
            packed_has_half(kept->values + i * kept->each, half);
  }
}

void packed_kept_sizes(const packed_kept *kept, const packed_scan *s, size_t *sizes) {
  if (kept->form == AP_PACKED_AUTO)
    packed_scan_sizes(s, sizes);
  else if (kept->halves)
    half_sizes(kept, s, sizes);
  else
    for (size_t i = 0; i < s->segments * s->lists; ++i)
      sizes[i] += kept->sizes[kept->pairs ? i / 2 : i];
}

void packed_kept_close(packed_kept *kept) {
  ap_free(kept->values);
  ap_free(kept->list);
  ap_free(kept->start);
  ap_free(kept->sizes);
}
