/* kernels/cpu/packed8_weights.c - from an integer weight matrix with zeros to lists of what is
 * kept, four inputs (a quad) at a time. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/cpu/packed8_lists_impl.h"

/* Work in cycles of one dot product instruction, per pixel and 64 images. A list's entry: 4 for each
 * output channel, or what it takes to interleave its four lines (8 instructions); and each list has
 * its beginning and end. A kernel: three quads of inputs for each pixel, or one where the image is
 * 2x2; and the end of each output channel. From timings of layers of 16 to 512 channels. */
static const double list_cost[] = {8.5, 9, 16, 32.5}, list_end[] = {7, 22, 50, 98};
static const double half_filled = 0.4; /* quads lost at a list's end */
static const double kernel_cost = 11.5, small_cost = 4.5, kernel_end = 24;
static const double interleave_cost = 7, strided_interleave_cost = 22; /* per input channel */

/* ---- choice of the form ----------------------------------------------------------------------- */
/* Taps in the padding can be left out only where they stand for code 0. */
static bool is_small(const ap_packed_conv *g, uint8_t zero) {
  return zero == 0 && g->kh == 3 && g->kw == 3 && g->stride_h == 1 && g->stride_w == 1 &&
         g->pad_top == 1 && g->pad_left == 1 && g->in.h == 2 && g->in.w == 2 && g->out.h == 2 &&
         g->out.w == 2;
}

static double work_of(const packed_scan *s, const ap_packed_conv *g, uint8_t zero,
                      ap_packed_form form) {
  const double rows = (double)s->entries[form];
  if (form == AP_PACKED_KERNEL3) {
    const double inputs = (double)g->in.c, ends = (double)g->out.c * kernel_end;
    if (is_small(g, zero)) return rows * small_cost + ends;
    if (g->stride_w == 2) return rows * kernel_cost + inputs * strided_interleave_cost + ends;
    const bool skips = zero == 0 && g->pad_left == 1 && g->out.w == g->in.w;
    return rows * kernel_cost * (skips ? 1 - 2.0 / 3 / (double)g->out.w : 1) +
           inputs * interleave_cost + ends;
  }
  const size_t i = (size_t)(form - AP_PACKED_LIST1);
  const double lists = ceil((double)s->n / (double)packed_form_width(form));
  const double parts =
      s->partial ? (double)s->live_rows.count : 1; /* of a list, each with an end */
  const double whole = rows / P8_QUAD + half_filled * lists;
  const double inside = packed_scan_share(s, g) * (rows / P8_QUAD + half_filled * lists * parts);
  return fmin(whole, inside) * list_cost[i] + lists * list_end[i];
}

static ap_packed_form cheapest_form(const void *context, const packed_scan *s) {
  const ap_packed8_weights *w = context;
  const ap_packed_conv *g = &w->geometry;
  ap_packed_form best = AP_PACKED_LIST1;
  double least = INFINITY;
  for (int f = AP_PACKED_LIST1; f <= AP_PACKED_KERNEL3; ++f) {
    const ap_packed_form form = (ap_packed_form)f;
    if (!packed_form_possible(g, form)) continue;
    if (form != AP_PACKED_KERNEL3 && packed_form_width(form) > w->isa->list_tile) continue;
    const double work = work_of(s, g, w->zero, form);
    if (work < least) {
      least = work;
      best = form;
    }
  }
  return best;
}

/* ---- lists ------------------------------------------------------------------------------------ */
static size_t quads_of(size_t rows) { return (rows + P8_QUAD - 1) / P8_QUAD; }

/* Are lists in segments less work, with all the quads that they do not fill? rows: [segment][list]. */
static bool segments_pay(const packed_scan *s, const ap_packed_conv *g, const size_t *rows) {
  size_t whole = 0, parts = 0;
  for (size_t list = 0; list < s->lists; ++list) {
    size_t all = 0;
    for (size_t segment = 0; segment < s->segments; ++segment) {
      all += rows[segment * s->lists + list];
      parts += quads_of(rows[segment * s->lists + list]);
    }
    whole += quads_of(all);
  }
  return (double)parts * packed_scan_share(s, g) < (double)whole;
}

static ap_status build_lists(packed_scan *s, const packed_kept *kept, const int8_t *matrix,
                             ap_packed8_weights *w, ap_error *err) {
  const bool kernels = w->form == AP_PACKED_KERNEL3;
  w->width = packed_form_width(w->form);
  w->small = kernels && is_small(&w->geometry, w->zero);
  const size_t quads = w->small ? P8_SMALL_QUADS : P8_KERNEL_QUADS;
  w->entry_words =
      kernels ? 1 + quads * w->isa->quad_words : P8_LIST_HEAD + w->width * w->isa->quad_words;
  w->n_lists = s->lists;
  size_t *rows = ap_calloc(s->segments * w->n_lists, sizeof *rows);
  w->start = ap_calloc(w->n_lists + 1, sizeof *w->start);
  if (s->segments > 1) w->bound = ap_calloc(s->segments * w->n_lists, sizeof *w->bound);
  if (!rows || !w->start || (s->segments > 1 && !w->bound)) {
    ap_free(rows);
    return ap_fail(err, AP_ERR_MEMORY, "lists of %zu output channels", s->n);
  }
  packed_kept_sizes(kept, s, rows);
  if (s->segments > 1 && !segments_pay(s, &w->geometry, rows)) {
    for (size_t i = w->n_lists; i < s->segments * w->n_lists; ++i) rows[i % w->n_lists] += rows[i];
    s->segments = 1;
    ap_free(w->bound);
    w->bound = NULL;
  }
  size_t *sizes = w->bound ? w->bound : w->start + 1;
  for (size_t i = 0; i < s->segments * w->n_lists; ++i)
    sizes[i] = kernels ? rows[i] : quads_of(rows[i]);
  packed_scan_place(s, w->bound, w->start);
  w->segments = s->segments;
  w->n_entries = w->start[w->n_lists];
  ap_free(rows);
  const size_t words = (w->n_entries + P8_AHEAD) * w->entry_words;
  w->words = ap_arena_calloc(w->room, words, sizeof *w->words);
  if (!w->words) return ap_fail(err, AP_ERR_MEMORY, "lists of %zu entries", w->n_entries);
  return packed8_fill_lists(s, kept, matrix, w, err);
}

/* ---- what a sum starts with, and how far it reaches ------------------------------------------- */
static ap_status build_columns(const packed_scan *s, const int8_t *matrix, const float *factor,
                               const float *shift, ap_packed8_weights *w, ap_error *err) {
  const size_t room = w->n_lists * w->width;
  const double most = 127.0 * (UINT8_MAX + (double)w->zero) * (double)s->k;
  w->base = ap_calloc(room, sizeof *w->base);
  w->factor = ap_calloc(room, sizeof *w->factor);
  w->shift = ap_calloc(room, sizeof *w->shift);
  if (!w->base || !w->factor || !w->shift)
    return ap_fail(err, AP_ERR_MEMORY, "%zu output channels", s->n);
  if (most > INT32_MAX)
    return ap_fail(err, AP_ERR_ARG, "%zu inputs of 8 bits: their sums may exceed 31 bits", s->k);
  for (size_t k = 0; w->zero > 0 && k < s->k; ++k)
    for (size_t i = 0; i < s->n; ++i) w->base[i] -= w->zero * matrix[k * s->n + i];
  for (size_t i = 0; i < s->n; ++i) {
    if (!isfinite(factor[i]) || !isfinite(shift[i]))
      return ap_fail(err, AP_ERR_ARG, "factor or shift %zu is not finite", i);
    w->factor[i] = factor[i];
    w->shift[i] = shift[i];
    w->reach = fmax(w->reach, fabs((double)factor[i]) * most + fabs((double)shift[i]));
  }
  return AP_OK;
}

ap_status ap_packed8_weights_create(const ap_packed8_isa *isa, const ap_packed_conv *geometry,
                                    const int8_t *matrix, uint8_t zero, const float *factor,
                                    const float *shift, ap_packed_form form,
                                    ap_packed8_weights **out, ap_error *err) {
  return ap_packed8_weights_create_in(NULL, isa, geometry, matrix, zero, factor, shift, form, out,
                                      err);
}

ap_status ap_packed8_weights_create_in(ap_arena *room, const ap_packed8_isa *isa,
                                       const ap_packed_conv *geometry, const int8_t *matrix,
                                       uint8_t zero, const float *factor, const float *shift,
                                       ap_packed_form form, ap_packed8_weights **out,
                                       ap_error *err) {
  *out = NULL;
  ap_status st = packed_check_geometry(geometry, err);
  if (st) return st;
  if ((unsigned)form > AP_PACKED_KERNEL3 ||
      (form != AP_PACKED_AUTO && !packed_form_possible(geometry, form)))
    return ap_fail(err, AP_ERR_ARG, "form %s for a %zux%zu kernel, stride %zu, %zu groups",
                   ap_packed_form_name(form), geometry->kh, geometry->kw, geometry->stride_h,
                   geometry->groups);
  if (geometry->in.block > INT32_MAX / sizeof(float))
    return ap_fail(err, AP_ERR_ARG, "%zux%zux%zu is too large for lists of 8-bit inputs",
                   geometry->in.c, geometry->in.h, geometry->in.w);
  packed_scan s;
  st = packed_scan_open(geometry, zero == 0, &s, err);
  if (st) return st;
  packed_kept kept = {0};
  ap_packed8_weights *w = ap_calloc(1, sizeof *w);
  if (!w) {
    st = ap_fail(err, AP_ERR_MEMORY, "a layer of %zu x %zu weights", s.k, s.n);
    goto done;
  }
  w->isa = isa;
  w->room = room;
  w->geometry = *geometry;
  w->zero = zero;
  const packed_matrix from = {matrix, sizeof *matrix, isa->nonzero, isa->eights};
  const packed_wish wish = {.geometry = geometry,
                            .form = form,
                            .choose = cheapest_form,
                            .context = w,
                            .pairs = geometry->groups == 1,
                            .units = isa->count_units,
                            .kernels = isa->count_kernels};
  st = packed_gather(&from, &wish, &s, &kept, &w->form, err);
  if (!st) st = build_lists(&s, &kept, matrix, w, err);
  if (!st) st = build_columns(&s, matrix, factor, shift, w, err);
  if (st) goto done;
  *out = w;
  w = NULL;
done:
  ap_packed8_weights_destroy(w);
  packed_kept_close(&kept);
  packed_scan_close(&s);
  return st;
}

void ap_packed8_weights_destroy(ap_packed8_weights *w) {
  if (!w) return;
  ap_free(w->start);
  ap_free(w->bound);
  if (!w->room) ap_free(w->words);
  ap_free(w->base);
  ap_free(w->factor);
  ap_free(w->shift);
  ap_free(w);
}

ap_packed_form ap_packed8_weights_form(const ap_packed8_weights *w) { return w->form; }

size_t ap_packed8_weights_bytes(const ap_packed8_weights *w) {
  return sizeof *w + (w->n_lists + 1) * sizeof *w->start +
         (w->bound ? w->segments * w->n_lists * sizeof *w->bound : 0) +
         w->n_lists * w->width * (sizeof *w->base + sizeof *w->factor + sizeof *w->shift) +
         (w->n_entries + P8_AHEAD) * w->entry_words * sizeof *w->words;
}
