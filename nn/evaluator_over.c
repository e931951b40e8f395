/* nn/evaluator_over.c - operations that write over what they read: an output pixel that depends on the
 * same pixel of a tensor, which nobody reads afterwards, goes where that was. What is in the nearest
 * caches is written again instead of fetching other memory to be written. */
#include <string.h>

#include "nn/evaluator_impl.h"

/* Tensors that an operation reads pixel by pixel, as they stand, an addition's first; returns how many. */
static size_t read_by_pixels(const op *o, size_t found[3]) {
  const bool maps = o->kind == OP_MAP && !o->picks && o->first_out == 0;
  const bool adds = maps || o->kind == OP_LAYER || o->kind == OP_GATE || o->kind == OP_NORM;
  size_t n = 0;
  if (adds && eval_reads_as_it_stands(&o->residual)) found[n++] = o->residual.tensor;
  if ((maps || o->kind == OP_GATE || o->kind == OP_CURVE) && eval_reads_as_it_stands(&o->in))
    found[n++] = o->in.tensor;
  if (o->kind == OP_GATE && eval_reads_as_it_stands(&o->gate)) found[n++] = o->gate.tensor;
  return n;
}

/* Does it read the tensor at other pixels, too? */
static bool reads_around(const op *o, size_t t) {
  const op_input *const inputs[] = {&o->in, &o->residual, &o->gate};
  for (size_t k = 0; k < 3; ++k)
    if (inputs[k]->tensor == t && !eval_reads_as_it_stands(inputs[k])) return true;
  return (o->kind == OP_LAYER || o->kind == OP_NORM) && o->in.tensor == t;
}

/* Tensors that op i may write over if they are of its output's kind: it begins that, and is the last to read them. */
static size_t may_replace(const eval_plan *p, size_t i, size_t found[3]) {
  const op *o = &p->ops[i];
  size_t read[3], n = 0;
  const size_t n_read = p->tensors[o->out].first_op == i ? read_by_pixels(o, read) : 0;
  for (size_t k = 0; k < n_read; ++k)
    if (p->tensors[read[k]].last_op == i && !reads_around(o, read[k])) found[n++] = read[k];
  return n;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static bool widen(eval_border *to, const eval_border *by) {
  const eval_border was = *to;
  *to = (eval_border){larger(to->top, by->top), larger(to->left, by->left),
                      larger(to->bottom, by->bottom), larger(to->right, by->right)};
  return memcmp(&was, to, sizeof was) != 0;
}

void eval_plan_share_borders(const eval_plan *p, const ap_shape3 *size, eval_border *border) {
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < p->n_ops; ++i) {
      size_t found[3];
      const size_t out = p->ops[i].out, n = may_replace(p, i, found);
      for (size_t k = 0; k < n; ++k) {
        const ap_shape3 *a = &size[found[k]], *b = &size[out];
        if (a->c != b->c || a->h != b->h || a->w != b->w) continue;
        changed = widen(&border[found[k]], &border[out]) || changed;
        changed = widen(&border[out], &border[found[k]]) || changed;
        break; /* one is enough */
      }
    }
  }
}

void eval_plan_find_replaced(eval_plan *p) {
  for (size_t i = 0; i < p->n_ops; ++i) {
    size_t found[3];
    op *o = &p->ops[i];
    const size_t n = may_replace(p, i, found);
    o->replaces = EVAL_NONE;
    for (size_t k = n; k-- > 0;)
      if (p->tensors[found[k]].kind == p->tensors[o->out].kind) o->replaces = found[k];
  }
}
