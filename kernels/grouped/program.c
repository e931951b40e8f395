/* kernels/grouped/program.c - an engine's own copy of a program, checked, and the memory of its
 * tensors. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/engine_impl.h"

/* ---- checks ----------------------------------------------------------------------------------- */
static bool fits(size_t a, size_t b, size_t c) { /* 0 < a * b * c * 16 images <= INT32_MAX */
  const size_t most = INT32_MAX / GROUPED_IMAGES;
  return a > 0 && b > 0 && c > 0 && a <= most && b <= most / a && c <= most / a / b;
}

static ap_status check_source(const ap_engine_program *p, size_t i, const ap_engine_source *s,
                              size_t out_h, size_t out_w, ap_error *err) {
  if (s->tensor == AP_ENGINE_NONE) return AP_OK;
  if (s->tensor >= p->n_tensors)
    return ap_fail(err, AP_ERR_ARG, "operation %zu reads tensor %zu of %zu", i, s->tensor,
                   p->n_tensors);
  const ap_engine_tensor *t = &p->tensors[s->tensor];
  if (s->stride_h == 0 || s->stride_w == 0 || (out_h - 1) * s->stride_h >= t->h ||
      (out_w - 1) * s->stride_w >= t->w || s->first > INT32_MAX)
    return ap_fail(err, AP_ERR_ARG,
                   "operation %zu reads %zux%zu values, stride %zux%zu, of %zux%zu", i, out_h,
                   out_w, s->stride_h, s->stride_w, t->h, t->w);
  return AP_OK;
}

/* Sources of a MAP, its picks and its gate; all others have neither. */
static ap_status check_map(const ap_engine_program *p, size_t i, ap_error *err) {
  const ap_engine_op *o = &p->ops[i];
  const ap_engine_tensor *out = &p->tensors[o->out];
  ap_engine_source in = o->in, gate = o->gate;
  if (o->kind != AP_ENGINE_MAP) {
    if (gate.tensor == AP_ENGINE_NONE && !o->picks && !o->curve && !o->gate_curve) return AP_OK;
    return ap_fail(err, AP_ERR_ARG, "operation %zu: only a map has picks, a curve or a gate", i);
  }
  if (o->curve >= AP_CURVES || o->gate_curve >= AP_CURVES)
    return ap_fail(err, AP_ERR_ARG, "operation %zu: curves %d and %d", i, (int)o->curve,
                   (int)o->gate_curve);
  const bool of_channels = gate.stride_h == 0 && gate.stride_w == 0;
  if (of_channels) gate.stride_h = gate.stride_w = 1;
  if (o->picks) in.first = 0;
  ap_status st = check_source(p, i, &in, out->h, out->w, err);
  if (!st) st = check_source(p, i, &gate, of_channels ? 1 : out->h, of_channels ? 1 : out->w, err);
  for (size_t c = 0; !st && o->picks && c < o->channels; c++)
    if (o->picks[c] >= p->tensors[in.tensor].c)
      st = ap_fail(err, AP_ERR_ARG, "operation %zu picks channel %u of %zu", i, o->picks[c],
                   p->tensors[in.tensor].c);
  return st;
}

static ap_status check_op(const ap_engine_program *p, size_t i, ap_error *err) {
  const ap_engine_op *o = &p->ops[i];
  if (o->out >= p->n_tensors)
    return ap_fail(err, AP_ERR_ARG, "operation %zu writes tensor %zu of %zu", i, o->out,
                   p->n_tensors);
  const ap_engine_tensor *out = &p->tensors[o->out];
  if ((o->kind == AP_ENGINE_INPUT) != (o->in.tensor == AP_ENGINE_NONE))
    return ap_fail(err, AP_ERR_ARG, "operation %zu: only an input reads no tensor", i);
  ap_status st = check_source(p, i, &o->residual, out->h, out->w, err);
  if (!st) st = check_map(p, i, err);
  if (!st && o->kind != AP_ENGINE_MAP) st = check_source(p, i, &o->in, 1, 1, err);
  if (st || o->kind == AP_ENGINE_INPUT) return st;
  const ap_engine_tensor *in = &p->tensors[o->in.tensor];
  const bool window = o->kind == AP_ENGINE_LAYER || o->kind == AP_ENGINE_POOL;
  bool good = true;
  if (window)
    good = o->kh > 0 && o->kw > 0 && o->stride_h > 0 && o->stride_w > 0 && o->kh <= INT32_MAX &&
           o->kw <= INT32_MAX && o->pad_top < INT32_MAX && o->pad_left < INT32_MAX &&
           o->dilation_h <= INT32_MAX && o->dilation_w <= INT32_MAX;
  if (good && o->kind == AP_ENGINE_LAYER)
    good = o->layer < p->n_layers && o->groups > 0 && in->c % o->groups == 0 &&
           out->c % o->groups == 0;
  /* Every window holds a pixel, but where zeros are put around the image: one pixel, padding counted. */
  const size_t over = !o->maximum && o->count_padding && o->kh == 1 && o->kw == 1 ? 1 : 0;
  if (good && o->kind == AP_ENGINE_POOL)
    good = in->c == out->c && o->pad_top < o->kh + over && o->pad_left < o->kw + over &&
           (out->h - 1) * o->stride_h < in->h + o->pad_top + over &&
           (out->w - 1) * o->stride_w < in->w + o->pad_left + over;
  if (good && o->kind == AP_ENGINE_NORM)
    good = in->c == out->c && in->h == out->h && in->w == out->w && o->channels == out->c &&
           o->groups > 0 && out->c % o->groups == 0 && (o->groups == 1 || !o->each_pixel) &&
           o->epsilon > 0 && !o->scale == !o->shift;
  if (good && o->kind == AP_ENGINE_MAP)
    good = o->channels > 0 && o->channels <= out->c && o->first_out <= out->c - o->channels &&
           !o->scale == !o->shift;
  if (good && o->kind == AP_ENGINE_FLATTEN)
    good = in->c * in->h * in->w == out->c && out->h == 1 && out->w == 1;
  return good ? AP_OK : ap_fail(err, AP_ERR_ARG, "operation %zu does not fit its tensors", i);
}

static ap_status check(const ap_engine_program *p, ap_error *err) {
  for (size_t i = 0; i < p->n_tensors; i++) {
    const ap_engine_tensor *t = &p->tensors[i];
    if (!fits(t->c, t->h, t->w) || !fits(t->c + GROUPED_BESIDE - 1, t->h, t->w) ||
        t->part > p->n_layers)
      return ap_fail(err, AP_ERR_ARG, "tensor %zu: %zux%zux%zu in part %zu", i, t->c, t->h, t->w,
                     t->part);
  }
  if (p->logits >= p->n_tensors || p->tensors[p->logits].c != p->classes ||
      p->tensors[p->logits].h != 1 || p->tensors[p->logits].w != 1)
    return ap_fail(err, AP_ERR_ARG, "tensor %zu is not the outputs of %zu classes", p->logits,
                   p->classes);
  if (p->part_start[0] != 0 || p->part_start[p->n_layers + 1] != p->n_ops)
    return ap_fail(err, AP_ERR_ARG, "the parts do not cover the %zu operations", p->n_ops);
  for (size_t i = 0; i < p->n_ops; i++) {
    const ap_status st = check_op(p, i, err);
    if (st) return st;
  }
  return AP_OK;
}

/* ---- the copy --------------------------------------------------------------------------------- */
static void *copy_of(const void *from, size_t n, size_t size) {
  void *to = ap_calloc(n, size);
  if (to && n > 0) memcpy(to, from, n * size);
  return to;
}

/* Blocks of images that a launch of a full batch has. Fewer candidates have more of them: more tiles. */
static size_t usual_blocks(const ap_engine *e) {
  const size_t most = ENGINE_CELLS / AP_ENGINE_MOST;
  return e->n_blocks < most ? e->n_blocks : most;
}

/* Of 16 images, those of channels that fill a line included. */
static size_t positions_of(const ap_engine_tensor *t) {
  return (t->c + GROUPED_BESIDE - 1) / GROUPED_BESIDE * GROUPED_BESIDE * t->h * t->w;
}

static void set_geometry(ap_engine *e, const ap_engine_op *o) {
  const ap_engine_tensor *in = &e->program.tensors[o->in.tensor],
                         *out = &e->program.tensors[o->out];
  size_t block_bytes = positions_of(out) * GROUPED_IMAGES * 2;
  if (o->residual.tensor != AP_ENGINE_NONE) {
    const ap_engine_tensor *more = &e->program.tensors[o->residual.tensor];
    const size_t bytes = positions_of(more) * GROUPED_IMAGES * 2;
    if (bytes > block_bytes) block_bytes = bytes;
  }
  e->layers[o->layer].geometry =
      (grouped_geometry){.c_in = in->c,
                         .h = in->h,
                         .w = in->w,
                         .c_out = out->c,
                         .out_h = out->h,
                         .out_w = out->w,
                         .kh = o->kh,
                         .kw = o->kw,
                         .stride_h = o->stride_h,
                         .stride_w = o->stride_w,
                         .pad_top = o->pad_top,
                         .pad_left = o->pad_left,
                         .groups = o->groups,
                         .dilation_h = o->dilation_h ? o->dilation_h : 1,
                         .dilation_w = o->dilation_w ? o->dilation_w : 1,
                         .n_blocks = usual_blocks(e),
                         .block_bytes = block_bytes,
                         .wide = e->wide,
                         .shortcut = o->residual.tensor != AP_ENGINE_NONE};
}

ap_status engine_program_init(ap_engine *e, const ap_engine_program *from, ap_error *err) {
  ap_status st = check(from, err);
  if (st) return st;
  ap_engine_program *p = &e->program;
  *p = *from;
  p->ops = e->ops = copy_of(from->ops, p->n_ops, sizeof *p->ops);
  p->tensors = e->tensors = copy_of(from->tensors, p->n_tensors, sizeof *p->tensors);
  p->part_start = e->part_start = copy_of(from->part_start, p->n_layers + 2, sizeof *p->part_start);
  e->layers = ap_calloc(p->n_layers, sizeof *e->layers);
  e->tensor_at = ap_calloc(p->n_tensors, sizeof *e->tensor_at);
  e->tensor_wide = ap_calloc(p->n_tensors, sizeof *e->tensor_wide);
  e->part_of_op = ap_calloc(p->n_ops, sizeof *e->part_of_op);
  e->fused = ap_calloc(p->n_ops, sizeof *e->fused);
  e->joins = ap_calloc(p->n_ops, sizeof *e->joins);
  e->node_of = ap_calloc(p->n_layers + 1, sizeof *e->node_of);
  e->scale = ap_calloc(p->n_ops, sizeof *e->scale);
  e->shift = ap_calloc(p->n_ops, sizeof *e->shift);
  e->picks = ap_calloc(p->n_ops, sizeof *e->picks);
  if (!p->ops || !p->tensors || !p->part_start || !e->layers || !e->tensor_at || !e->tensor_wide ||
      !e->part_of_op || !e->fused || !e->joins || !e->node_of || !e->scale || !e->shift ||
      !e->picks)
    return ap_fail(err, AP_ERR_MEMORY, "a program of %zu operations", p->n_ops);
  for (size_t i = 0; i < p->n_ops; i++) e->joins[i] = (engine_join){AP_ENGINE_NONE, AP_ENGINE_NONE};
  for (size_t part = 0; part <= p->n_layers; part++)
    for (size_t i = p->part_start[part]; i < p->part_start[part + 1]; i++) e->part_of_op[i] = part;
  for (size_t i = 0; i < p->n_ops; i++)
    if (p->ops[i].kind == AP_ENGINE_LAYER) set_geometry(e, &p->ops[i]);
  for (size_t i = 0; i < p->n_layers; i++)
    if (e->layers[i].geometry.c_in == 0)
      return ap_fail(err, AP_ERR_ARG, "no operation is layer %zu of %zu", i, p->n_layers);
  /* Outputs keep all digits, unless a later operation reads them like any other tensor. */
  for (size_t t = 0; t < p->n_tensors; t++) e->tensor_wide[t] = e->wide || t == p->logits;
  for (size_t i = 0; i < p->n_ops; i++)
    if (p->ops[i].kind == AP_ENGINE_LAYER && p->ops[i].in.tensor == p->logits)
      e->tensor_wide[p->logits] = e->wide;
  return AP_OK;
}

void engine_program_release(ap_engine *e) {
  for (size_t i = 0; e->layers && i < e->program.n_layers; i++) ap_free(e->layers[i].levels);
  ap_free(e->ops);
  ap_free(e->tensors);
  ap_free(e->part_start);
  ap_free(e->layers);
  ap_free(e->tensor_at);
  ap_free(e->tensor_wide);
  ap_free(e->part_of_op);
  ap_free(e->fused);
  ap_free(e->joins);
  ap_free(e->node_of);
  ap_free(e->scale);
  ap_free(e->shift);
  ap_free(e->picks);
}

/* ---- memory ----------------------------------------------------------------------------------- */
size_t engine_tensor_bytes(const ap_engine *e, size_t tensor) {
  const ap_engine_tensor *t = &e->program.tensors[tensor];
  return positions_of(t) * GROUPED_IMAGES * (e->tensor_wide[tensor] ? 4 : 2);
}

/* First fit: a tensor takes the lowest place that no tensor has which lives at the same time. Sizes
 * are multiples of 128 bytes. */
ap_status engine_arena_plan(ap_engine *e, size_t *bytes, ap_error *err) {
  const ap_engine_program *p = &e->program;
  bool *placed = ap_calloc(p->n_tensors, sizeof *placed);
  *bytes = 0;
  if (!placed) return ap_fail(err, AP_ERR_MEMORY, "%zu tensors", p->n_tensors);
  for (size_t t = 0; t < p->n_tensors; t++) {
    const ap_engine_tensor *a = &p->tensors[t];
    const size_t size = engine_tensor_bytes(e, t);
    size_t at = 0;
    if (a->last_op < a->first_op) continue; /* no one's: fuse.c */
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t u = 0; u < p->n_tensors; u++) {
        const ap_engine_tensor *b = &p->tensors[u];
        const size_t end = e->tensor_at[u] + engine_tensor_bytes(e, u);
        if (!placed[u] || b->first_op > a->last_op || a->first_op > b->last_op) continue;
        if (e->tensor_at[u] >= at + size || at >= end) continue;
        at = end;
        moved = true;
      }
    }
    e->tensor_at[t] = at;
    placed[t] = true;
    if (at + size > *bytes) *bytes = at + size;
  }
  ap_free(placed);
  return AP_OK;
}
