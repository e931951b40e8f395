/* kernels/grouped/fuse.c - pooling that the layer before it does itself: the largest of every 2 x 2 of its
 * outputs never leaves the registers as four. */
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

void engine_fuse(ap_engine *e, size_t shared_bytes) {
  for (size_t i = 0; i < e->program.n_ops; i++) {
    if (e->ops[i].kind != AP_ENGINE_LAYER) continue;
    for (size_t j = i + 1; j < e->program.n_ops; j++)
      if (can_pool(e, i, j, shared_bytes)) {
        pool_in_layer(e, i, j);
        break;
      }
  }
}
