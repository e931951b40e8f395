/* nn/evaluator_activation.c - in integer plans, activations that a layer computes with its sums: swish,
 * hard swish, GELU. What they are made of would be float32 tensors, four times as large as the codes that are
 * left of them. */
#include <math.h>
#include <string.h>

#include "nn/evaluator_impl.h"

size_t eval_count_readers(const eval_plan *p, size_t t) {
  size_t n = 0;
  for (size_t i = 0; i < p->n_ops; ++i)
    n += (size_t)(p->ops[i].in.tensor == t) + (p->ops[i].residual.tensor == t) +
         (p->ops[i].gate.tensor == t);
  return n;
}

static bool is_open(float low, float high) { return isinf(low) && isinf(high); }

/* Does the product multiply x with y pixel by pixel? */
static bool multiplies(const op *o, size_t x, size_t y) {
  const bool either =
      (o->in.tensor == x && o->gate.tensor == y) || (o->in.tensor == y && o->gate.tensor == x);
  return o->kind == OP_GATE && either && eval_reads_as_it_stands(&o->in) &&
         eval_reads_as_it_stands(&o->gate);
}

/* x times a curve of x. */
static bool is_curved(const eval_plan *p, const op *gate, size_t x) {
  const bool known = gate->curve == AP_CURVE_LOGISTIC || gate->curve == AP_CURVE_NORMAL;
  return known && multiplies(gate, x, x) && eval_count_readers(p, x) == 2;
}

/* x times a clipped scale and shift of x. */
static bool is_ramp(const eval_plan *p, const op *map, const op *gate, size_t x) {
  return map->kind == OP_MAP && map->in.tensor == x && eval_reads_as_it_stands(&map->in) &&
         map->scale && !map->picks && map->residual.tensor == EVAL_NONE && map->out != p->logits &&
         gate->curve == AP_CURVE_NONE && multiplies(gate, x, map->out) &&
         eval_count_readers(p, x) == 2 && eval_count_readers(p, map->out) == 1;
}

static void remove_tensor(eval_plan *p, ap_shape3 *size, size_t t) {
  --p->n_tensors;
  memmove(p->tensors + t, p->tensors + t + 1, (p->n_tensors - t) * sizeof *p->tensors);
  memmove(size + t, size + t + 1, (p->n_tensors - t) * sizeof *size);
  for (size_t i = 0; i < p->n_ops; ++i) {
    op *o = &p->ops[i];
    size_t *const used[] = {&o->in.tensor, &o->residual.tensor, &o->gate.tensor, &o->out};
    for (size_t k = 0; k < 4; ++k)
      if (*used[k] != EVAL_NONE && *used[k] > t) --*used[k];
  }
  if (p->logits > t) --p->logits;
}

/* Operations i + 1 .. i + n become part of layer i. */
static void absorb(eval_plan *p, ap_shape3 *size, size_t i, size_t n) {
  op *layer = &p->ops[i];
  const op *gate = layer + n;
  size_t gone[2] = {layer->out, EVAL_NONE};
  layer->activates = true;
  layer->activation.curve = gate->curve;
  if (n == 2) {
    const op *map = layer + 1;
    layer->affine_node = map->node;
    layer->gate_node = p->tensors[map->out].node;
    layer->activation.low = map->low;
    layer->activation.high = map->high;
    layer->scale = map->scale;
    layer->shift = map->shift;
    gone[1] = map->out;
  }
  layer->residual = gate->residual;
  layer->out = gate->out;
  layer->low = gate->low;
  layer->high = gate->high;
  p->n_ops -= n;
  memmove(layer + 1, layer + 1 + n, (p->n_ops - i - 1) * sizeof *layer);
  for (size_t k = 0; k < n; ++k) {
    remove_tensor(p, size, gone[k]);
    if (k == 0 && n == 2 && gone[1] > gone[0]) --gone[1];
  }
}

void eval_plan_fuse_activations(eval_plan *p, ap_shape3 *size) {
  for (size_t i = 0; i + 1 < p->n_ops; ++i) {
    const op *o = &p->ops[i];
    if (o->kind != OP_LAYER || o->residual.tensor != EVAL_NONE || !is_open(o->low, o->high) ||
        o->out == p->logits)
      continue;
    if (is_curved(p, o + 1, o->out))
      absorb(p, size, i, 1);
    else if (i + 2 < p->n_ops && is_ramp(p, o + 1, o + 2, o->out))
      absorb(p, size, i, 2);
  }
}
