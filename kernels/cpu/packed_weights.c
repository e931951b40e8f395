/* kernels/cpu/packed_weights.c - from a weight matrix with zeros to lists of what is kept. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed_gather.h"

/* Work of an entry in multiply-adds per pixel: its own and reading the input. From timings of
 * single layers (docs/EVALUATOR.md): lists of 8, 4, 2, 1 ran at 98, 97, 85, 77 % of the peak on AVX-512 (list_work of each
 * instruction set); whole kernels at 98 % of what is left after padding, with stride 2 somewhat above lists of 1. */
static const double kernel_cost = 1.02, strided_kernel_cost = 1.2;
/* WINOGRAD, per pixel: of a kernel's row; of an input and of an output channel. */
static const double winograd_cost = 1.65, winograd_input_cost = 10, winograd_output_cost = 5;

/* Multiply-adds of a 3x3 kernel per pixel: with stride 1 the taps in the padding are left out. */
static double kernel_work(const ap_packed_conv *g) {
  if (g->stride_h == 2) return PACKED_TAPS * strided_kernel_cost;
  double rows = 3, columns = 3;
  if (g->out.h == 1 || g->out.w == 1) return PACKED_TAPS * kernel_cost; /* no such edge kernels */
  if (g->pad_top == 1 && g->out.h == g->in.h) rows -= 2 / (double)g->out.h;
  if (g->pad_left == 1 && g->out.w == g->in.w) columns -= 2 / (double)g->out.w;
  return rows * columns * kernel_cost;
}

/* The same of WINOGRAD, and what it takes to transform inputs and outputs. */
static double winograd_work(const ap_packed_conv *g, double kernels) {
  const size_t computed = (g->out.w + 3) / 4 * 4; /* columns */
  const double wide = (double)computed / (double)g->out.w;
  double rows = 3;
  if (g->pad_top == 1 && g->out.h == g->in.h) rows -= 2 / (double)g->out.h;
  return wide * (kernels * rows * winograd_cost + (double)g->in.c * winograd_input_cost +
                 (double)g->out.c * winograd_output_cost);
}

/* 1x1 kernels (packed_pointwise): what counts as a tile whose inputs do not fit, and as channels far apart. */
enum { NEAR_BYTES = 32 << 10, FAR_BYTES = 8 << 10 };

static double pointwise_work(const ap_packed_isa *isa, const ap_packed_conv *g, ap_packed_form form,
                             double entries) {
  const packed_pointwise *p =
      isa->pointwise + (form == AP_PACKED_STRIP1   ? 4
                        : form == AP_PACKED_STRIP4 ? 5
                                                   : form - AP_PACKED_LIST1);
  const size_t inputs = g->in.c / g->groups * isa->accumulators * isa->vector * sizeof(float);
  double each = p->entry;
  if (inputs > NEAR_BYTES) each += p->deep;
  if (g->in.channel * sizeof(float) > FAR_BYTES) each += p->far;
  return entries * each + (double)g->out.c / (double)packed_form_width(form) * p->list +
         (double)g->in.c * p->line;
}

/* STRIP4 of other kernels: an entry, a copied input, a list's beginning and end. STRIP1 is slower than LIST1 there. */
static const double strip_cost = 4.08, strip_input_cost = 10, strip_list_cost = 8;

static double strip_work(const ap_packed_isa *isa, const ap_packed_conv *g, ap_packed_form form,
                         double entries) {
  if (!isa->pointwise || form == AP_PACKED_STRIP1) return INFINITY;
  return entries * strip_cost + (double)(g->in.c * g->kh * g->kw) * strip_input_cost +
         (double)g->out.c / (double)packed_form_width(form) * strip_list_cost;
}

/* PLANE, against lists and kernels in the same layers, which find each input anew for one output channel: an
 * entry; a row of a channel; of the others an output, however few its entries. A single input channel for all outputs
 * counts as such a layer where that was timed; lists find it quickly there. */
static const double plane_entry_cost = 0.6, plane_single_cost = 1.3, plane_row_cost = 24,
                    alone_cost = 3;

static bool reads_one_input(const ap_packed_isa *isa, const ap_packed_conv *g) {
  return g->in.c == g->groups && (g->groups > 1 || isa->pointwise);
}

static double plane_work(const packed_scan *s, const ap_packed_isa *isa, const ap_packed_conv *g,
                         double entries) {
  if (!reads_one_input(isa, g)) return INFINITY;
  const double each = g->groups > 1 ? plane_entry_cost : plane_single_cost;
  return entries * each * packed_scan_share(s, g) +
         (double)g->out.c / (double)g->out.w * plane_row_cost;
}

static double work_of(const packed_scan *s, const ap_packed_isa *isa, const ap_packed_conv *g,
                      ap_packed_form form) {
  const double entries = (double)s->entries[form];
  const double alone = reads_one_input(isa, g) ? (double)g->out.c * alone_cost : 0;
  if (form == AP_PACKED_WINOGRAD) return winograd_work(g, entries);
  if (form == AP_PACKED_KERNEL3) return entries * kernel_work(g) + alone;
  if (form == AP_PACKED_PLANE) return plane_work(s, isa, g, entries);
  if (g->kh * g->kw == 1 && isa->pointwise) return pointwise_work(isa, g, form, entries);
  if (packed_strips(form)) return strip_work(isa, g, form, entries);
  return entries * isa->list_work[form - AP_PACKED_LIST1] * packed_scan_share(s, g) + alone;
}

static ap_packed_form cheapest_form(const void *context, const packed_scan *s) {
  const ap_packed_weights *w = context;
  const ap_packed_conv *g = &w->geometry;
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f < AP_PACKED_FORMS; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    if (!packed_form_possible(g, form)) continue;
    const double work = work_of(s, w->isa, g, form);
    if (work < least) {
      least = work;
      best = form;
    }
  }
  return best;
}

#define INLINE static inline __attribute__((always_inline))

/* ---- lists ------------------------------------------------------------------------------------ */
typedef struct {
  ap_packed_weights *w; /* start[list]: where its next entry goes */
  const float *matrix;
  size_t n, group_out;
  size_t group;        /* floats from a group's inputs to the next one's */
  const size_t *place; /* [rows]: of an input of the first group, in floats */
  int width_log;
  const packed_scan *s;
  const packed_kept *kept;
  size_t r, offset;  /* the row at hand, and its input's place in the first group */
  const float *next; /* the next entry's values; NULL: they are in the matrix */
} writer;

static size_t tap_offset(const ap_packed_conv *g, size_t tap) {
  return packed_tap_row(g, tap) * g->in.row + packed_tap_column(g, tap) * AP_PACKED_LANES;
}

INLINE void begin_row(void *context, size_t r, size_t segment, size_t first) {
  writer *to = context;
  (void)segment; /* start[list] goes through them in turn */
  to->r = r;
  to->next = packed_kept_at(to->kept, to->s, sizeof(float), r, first);
  to->offset = to->place[r];
}

/* The row's entry at `column`, at e. */
static void write_entry(writer *to, size_t column, size_t offset, packed_word *e) {
  const ap_packed_weights *w = to->w;
  const size_t taps = packed_whole_kernels(w->form) ? (size_t)PACKED_TAPS : 1;
  const float *from = to->next ? to->next : to->matrix + to->r * taps * to->n + column;
  const size_t step = to->next ? 1 : to->n;
  if (to->next) to->next += to->kept->each;
  e[0].offset = (int32_t)offset;
  packed_ahead_of_entry(e);
  if (w->form == AP_PACKED_WINOGRAD) {
    w->isa->winograd_weights(from, step, e + 1);
    return;
  }
  if (w->form == AP_PACKED_KERNEL3) {
    for (size_t i = 0; i < PACKED_TAPS; ++i) e[1 + i].weight = from[i * step];
    return;
  }
  const size_t count = to->n - column < w->width ? to->n - column : w->width;
  for (size_t i = 0; i < count; ++i) e[1 + i].weight = from[i]; /* the others stay 0 */
}

/* Of LIST8 without groups, copied. */
INLINE void write_eight(void *context, size_t list) {
  writer *to = context;
  packed_word *e = to->w->words + to->w->start[list]++ * 9;
  e->offset = (int32_t)to->offset;
  memcpy(e + 1, to->next, 8 * sizeof *e);
  to->next += 8;
  packed_ahead_of_entry(e);
}

static void write_list(void *context, size_t list) {
  writer *to = context;
  ap_packed_weights *w = to->w;
  const size_t column = list << to->width_log;
  const size_t group = w->geometry.groups == 1 ? 0 : column / to->group_out;
  write_entry(to, column, to->offset + group * to->group,
              w->words + w->start[list]++ * w->entry_words);
}

/* STRIPn: which rows any list reads, and where they lie; place[r]: how many are before row r. */
static ap_status find_lines(const packed_scan *s, const packed_kept *kept, ap_packed_weights *w,
                            size_t *place, ap_error *err) {
  const ap_packed_conv *g = &w->geometry;
  for (size_t r = 0; r < s->rows; ++r) place[r + 1] = place[r] + packed_row_has(kept, s, r);
  const size_t each = place[s->rows];
  w->n_lines = each * g->groups;
  w->lines = ap_calloc(w->n_lines + PACKED_LINES_AHEAD, sizeof *w->lines);
  if (!w->lines) return ap_fail(err, AP_ERR_MEMORY, "%zu inputs", w->n_lines);
  for (size_t group = 0; group < g->groups; ++group)
    for (size_t r = 0; r < s->rows; ++r) {
      const size_t c = group * (g->in.c / g->groups) + r / s->taps;
      if (place[r + 1] > place[r])
        w->lines[group * each + place[r]] =
            (int32_t)(c * g->in.channel + tap_offset(g, r % s->taps));
    }
  return AP_OK;
}

/* place[r]: where row r's input of the first group lies, in floats; place[rows]: to the next group's. */
static ap_status find_places(const packed_scan *s, const packed_kept *kept, ap_packed_weights *w,
                             size_t *place, ap_error *err) {
  const ap_packed_conv *g = &w->geometry;
  if (packed_strips(w->form) || w->form == AP_PACKED_WINOGRAD) {
    size_t line = packed_winograd_channel(w->band_rows, w->isa->vector);
    if (packed_strips(w->form)) {
      line = packed_strip_units(w->isa->accumulators, w->width) * w->isa->vector;
      const ap_status st = find_lines(s, kept, w, place, err);
      if (st) return st;
    } else {
      packed_slots slots = packed_slots_of(s->rows);
      for (size_t r = 0; r < s->rows; ++r) place[r] = packed_next_slot(&slots);
      place[s->rows] = s->rows;
    }
    for (size_t r = 0; r <= s->rows; ++r) place[r] *= line;
    return AP_OK;
  }
  const size_t taps = packed_whole_kernels(w->form) ? 1 : s->taps;
  for (size_t r = 0; r < s->rows; r += taps)
    for (size_t tap = 0; tap < taps; ++tap)
      place[r + tap] = r / taps * g->in.channel + tap_offset(g, tap);
  place[s->rows] = g->in.c / g->groups * g->in.channel;
  return AP_OK;
}

static void fill_lists(const packed_scan *s, const packed_kept *kept, const float *matrix,
                       const size_t *place, ap_packed_weights *w) {
  const ap_packed_conv *g = &w->geometry;
  writer to = {.w = w,
               .s = s,
               .kept = kept,
               .matrix = matrix,
               .n = s->n,
               .group = place[s->rows],
               .group_out = g->out.c / g->groups,
               .place = place,
               .width_log = __builtin_ctzll(w->width)};
  if (kept->form == AP_PACKED_LIST8 && g->groups == 1)
    packed_each_entry(kept, s, begin_row, write_eight, &to);
  else
    packed_each_entry(kept, s, begin_row, write_list, &to);
}

static ap_status build_lists(const packed_scan *s, const packed_kept *kept, const float *matrix,
                             const float *bias, ap_packed_weights *w, ap_error *err) {
  w->width = packed_form_width(w->form);
  w->entry_words = w->form == AP_PACKED_WINOGRAD  ? (size_t)PACKED_WINOGRAD_WORDS
                   : w->form == AP_PACKED_KERNEL3 ? 1 + (size_t)PACKED_TAPS
                                                  : 1 + w->width;
  w->band_rows = packed_winograd_rows(&w->geometry, w->isa->winograd_h);
  w->n_lists = s->lists;
  w->start = ap_calloc(w->n_lists + 1, sizeof *w->start);
  w->bias = ap_calloc(w->n_lists * w->width, sizeof *w->bias);
  if (!w->start || !w->bias)
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  w->segments = s->segments;
  if (w->segments > 1) {
    w->bound = ap_calloc(w->segments * w->n_lists, sizeof *w->bound);
    if (!w->bound) return ap_fail(err, AP_ERR_MEMORY, "bounds of %zu lists", w->n_lists);
  }
  packed_kept_sizes(kept, s, w->bound ? w->bound : w->start + 1);
  packed_scan_place(s, w->bound, w->start);
  w->n_entries = w->start[w->n_lists];
  const size_t words = (w->n_entries + PACKED_LIST_AHEAD) * w->entry_words;
  w->words = ap_arena_calloc(w->room, words, sizeof *w->words);
  if (!w->words) return ap_fail(err, AP_ERR_MEMORY, "lists of %zu entries", w->n_entries);
  size_t *place = ap_calloc(s->rows + 1, sizeof *place);
  if (!place) return ap_fail(err, AP_ERR_MEMORY, "a layer of %zu inputs", s->rows);
  const ap_status st = find_places(s, kept, w, place, err);
  if (!st) fill_lists(s, kept, matrix, place, w);
  ap_free(place);
  if (st) return st;
  /* every start[i] has advanced to its list's end: shift them back */
  for (size_t i = w->n_lists; i > 0; --i) w->start[i] = w->start[i - 1];
  w->start[0] = 0;
  for (size_t i = 0; i < s->n; ++i) {
    w->bias[i] = bias ? bias[i] : 0.0F;
    if (!isfinite(w->bias[i])) return ap_fail(err, AP_ERR_ARG, "bias %zu is not finite", i);
  }
  return AP_OK;
}

ap_status ap_packed_weights_create(const ap_packed_isa *isa, const ap_packed_conv *geometry,
                                   const float *matrix, const float *bias, ap_packed_form form,
                                   ap_packed_weights **out, ap_error *err) {
  return ap_packed_weights_create_in(NULL, isa, geometry, matrix, bias, form, out, err);
}

ap_status ap_packed_weights_create_in(ap_arena *room, const ap_packed_isa *isa,
                                      const ap_packed_conv *geometry, const float *matrix,
                                      const float *bias, ap_packed_form form,
                                      ap_packed_weights **out, ap_error *err) {
  *out = NULL;
  ap_status st = packed_check_geometry(geometry, err);
  if (st) return st;
  if ((unsigned)form >= AP_PACKED_FORMS ||
      (form != AP_PACKED_AUTO && !packed_form_possible(geometry, form)))
    return ap_fail(err, AP_ERR_ARG, "form %s for a %zux%zu kernel, stride %zu, %zu groups",
                   ap_packed_form_name(form), geometry->kh, geometry->kw, geometry->stride_h,
                   geometry->groups);
  packed_scan s;
  st = packed_scan_open(geometry, true, &s, err);
  if (st) return st;
  packed_kept kept = {0};
  ap_packed_weights *w = ap_calloc(1, sizeof *w);
  if (!w) {
    st = ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s.k, s.n);
    goto done;
  }
  w->isa = isa;
  w->room = room;
  w->geometry = *geometry;
  const packed_matrix from = {matrix, sizeof *matrix, isa->nonzero, NULL};
  const packed_wish wish = {.geometry = geometry,
                            .form = form,
                            .choose = cheapest_form,
                            .context = w,
                            .units = isa->count_units,
                            .kernels = isa->count_kernels};
  st = packed_gather(&from, &wish, &s, &kept, &w->form, err);
  if (!st) st = build_lists(&s, &kept, matrix, bias, w, err);
  if (st) goto done;
  *out = w;
  w = NULL;
done:
  ap_packed_weights_destroy(w);
  packed_kept_close(&kept);
  packed_scan_close(&s);
  return st;
}

void ap_packed_weights_destroy(ap_packed_weights *weights) {
  if (!weights) return;
  ap_free(weights->start);
  ap_free(weights->bound);
  if (!weights->room) ap_free(weights->words);
  ap_free(weights->lines);
  ap_free(weights->bias);
  ap_free(weights);
}

ap_packed_form ap_packed_weights_form(const ap_packed_weights *weights) { return weights->form; }

size_t ap_packed_weights_bytes(const ap_packed_weights *w) {
  return sizeof *w + (w->n_lists + 1) * sizeof *w->start +
         (w->bound ? w->segments * w->n_lists * sizeof *w->bound : 0) +
         w->n_lists * w->width * sizeof *w->bias +
         (w->lines ? (w->n_lines + PACKED_LINES_AHEAD) * sizeof *w->lines : 0) +
         (w->n_entries + PACKED_LIST_AHEAD) * w->entry_words * sizeof *w->words;
}

size_t ap_packed_weights_macs(const ap_packed_weights *w) {
  const size_t each = packed_whole_kernels(w->form) ? (size_t)PACKED_TAPS : w->width;
  const packed_places places = {w->start, w->bound, w->n_lists};
  size_t entries = 0; /* of a column of outputs */
  for (size_t y = 0; y < w->geometry.out.h; ++y) {
    const packed_entries e = packed_entries_of(&w->geometry, &places, y, 1);
    for (size_t list = 0; list < w->n_lists; ++list) entries += e.to[list] - e.from[list];
  }
  return entries * each * w->geometry.out.w;
}
