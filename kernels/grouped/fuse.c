/* kernels/grouped/fuse.c - what layers do besides their own products. Pooling: the largest of every 2 x 2 of a
 * layer's outputs never leaves the registers as four. A layer of one tap (a block's projection) whose outputs are
 * added to another's: the sums of both are the same registers, and one of the two tensors is never there. */
#include <math.h>

#include "kernels/grouped/engine_impl.h"

/* How many operations write a tensor, and how many read it. */
typedef struct {
  size_t writers, readers;
} uses;
static uses uses_of(const ap_engine *e, size_t tensor) {
  uses u = {0, tensor == e->program.logits};
  for (size_t i = 0; i < e->program.n_ops; i++) {
    const ap_engine_op *o = &e->ops[i];
    u.writers += o->out == tensor;
    u.readers += o->in.tensor == tensor;
    u.readers += o->residual.tensor == tensor;
    u.readers += o->gate.tensor == tensor;
  }
  return u;
}

static bool halves(const ap_engine_op *o) {
  return o->kind == AP_ENGINE_POOL && o->maximum && o->kh == 2 && o->kw == 2 && o->stride_h == 2 &&
         o->stride_w == 2 && o->pad_top == 0 && o->pad_left == 0;
}

/* Tiles hold whole windows, which of a large kernel may be too much. */
static bool fits(const ap_engine *e, size_t layer, size_t shared_bytes) {
  grouped_geometry g = e->layers[layer].geometry;
  grouped_tile tile;
  g.pooled = true;
  return grouped_tile_choose(&g, shared_bytes, &tile, NULL) == AP_OK;
}

static bool can_pool(const ap_engine *e, size_t layer, size_t pool, size_t shared_bytes) {
  const ap_engine_op *l = &e->ops[layer], *p = &e->ops[pool];
  const ap_engine_tensor *full = &e->tensors[l->out], *half = &e->tensors[p->out];
  if (!halves(p) || p->in.tensor != l->out || l->residual.tensor != AP_ENGINE_NONE) return false;
  if (e->part_of_op[layer] != e->part_of_op[pool]) return false;
  if (e->joins[layer].layer != AP_ENGINE_NONE) return false;
  if (e->tensor_wide[l->out] || e->tensor_wide[p->out]) return false; /* value by value */
  if (2 * half->h > full->h || 2 * half->w > full->w) return false;   /* windows are whole */
  const uses between = uses_of(e, l->out), after = uses_of(e, p->out);
  return between.writers == 1 && between.readers == 1 && after.writers == 1 &&
         fits(e, l->layer, shared_bytes);
}

static float clipped(float v, const ap_engine_op *o) {
  return v < o->low ? o->low : v > o->high ? o->high : v;
}

/* Rounding and clipping keep the order of numbers: the largest of four may be taken before them. */
static void pool_in_layer(ap_engine *e, size_t layer, size_t pool) {
  ap_engine_op *l = &e->ops[layer];
  const ap_engine_op *p = &e->ops[pool];
  ap_engine_tensor *full = &e->tensors[l->out], *half = &e->tensors[p->out];
  e->layers[l->layer].geometry.pooled = true;
  l->low = clipped(l->low, p);
  l->high = clipped(l->high, p);
  l->out = p->out;
  half->first_op = full->first_op;
  full->first_op = AP_ENGINE_NONE; /* no one's any more */
  full->last_op = 0;
  e->fused[pool] = true;
}

/* ---- two layers -------------------------------------------------------------------------------- */
/* Does any operation between the two write what the first of them reads? */
static bool overwritten(const ap_engine *e, size_t term, size_t sum) {
  for (size_t i = term + 1; i < sum; i++)
    if (e->ops[i].out == e->ops[term].in.tensor) return true;
  return false;
}

/* Does operation `sum` add what layer `term` gives, just so, and no one else read it? */
static bool adds(const ap_engine *e, size_t sum, size_t term) {
  const ap_engine_op *s = &e->ops[sum], *t = &e->ops[term];
  const ap_engine_source *more = &s->residual;
  const ap_engine_tensor *out = &e->tensors[s->out], *given = &e->tensors[t->out];
  if (s->kind != AP_ENGINE_LAYER || t->kind != AP_ENGINE_LAYER || more->tensor != t->out ||
      s->in.tensor == t->out)
    return false;
  const uses u = uses_of(e, t->out);
  return t->residual.tensor == AP_ENGINE_NONE && t->low == -INFINITY && t->high == INFINITY &&
         e->joins[term].layer == AP_ENGINE_NONE && u.writers == 1 && u.readers == 1 &&
         !overwritten(e, term, sum) && more->stride_h == 1 && more->stride_w == 1 &&
         more->first == 0 && given->c == out->c;
}

static bool joins_in(const ap_engine *e, size_t layer, size_t joined, size_t shared_bytes) {
  grouped_geometry g = e->layers[e->ops[layer].layer].geometry;
  grouped_tile tile;
  g.shortcut = false;
  g.joins = true;
  return grouped_can_join(&g, &e->layers[e->ops[joined].layer].geometry) &&
         grouped_tile_choose(&g, shared_bytes, &tile, NULL) == AP_OK;
}

/* The later of the two, which added the other's outputs, does both. */
static void join(ap_engine *e, size_t layer, size_t joined, size_t sum, size_t term) {
  grouped_geometry *g = &e->layers[e->ops[layer].layer].geometry;
  ap_engine_tensor *between = &e->tensors[e->ops[term].out],
                   *in = &e->tensors[e->ops[term].in.tensor];
  g->shortcut = false;
  g->joins = true;
  e->layers[e->ops[joined].layer].joined = true;
  e->joins[sum] = (engine_join){layer, joined};
  e->fused[term] = true;
  e->ops[sum].residual.tensor = AP_ENGINE_NONE;
  if (in->last_op < sum) in->last_op = sum;
  between->first_op = AP_ENGINE_NONE; /* no one's any more */
  between->last_op = 0;
}

void engine_fuse(ap_engine *e, size_t shared_bytes) {
  for (size_t i = 0; i < e->program.n_ops; i++)
    for (size_t j = 0; j < i && e->ops[i].residual.tensor != AP_ENGINE_NONE; j++) {
      if (!adds(e, i, j)) continue;
      if (joins_in(e, j, i, shared_bytes))
        join(e, j, i, i, j);
      else if (joins_in(e, i, j, shared_bytes))
        join(e, i, j, i, j);
      break;
    }
  for (size_t i = 0; i < e->program.n_ops; i++) {
    if (e->ops[i].kind != AP_ENGINE_LAYER) continue;
    for (size_t j = i + 1; j < e->program.n_ops; j++)
      if (can_pool(e, i, j, shared_bytes)) {
        pool_in_layer(e, i, j);
        break;
      }
  }
}
