/* nn/evaluator_work.c - some images through all candidates: depth first along the trie, tensors
 * kept as long as the present or a later candidate needs them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

ap_status eval_worker_init(eval_worker *w, const eval_plan *p, const ap_packed_isa *isa,
                           size_t n_blocks, ap_error *err) {
  memset(w, 0, sizeof *w);
  size_t total = 0;
  size_t scratch = 0;
  for (size_t t = 0; t < p->n_tensors; ++t) total += p->tensors[t].block_bytes * n_blocks;
  for (size_t i = 0; i < p->n_ops; ++i) {
    if (p->ops[i].kind != OP_LAYER) continue;
    const ap_packed_conv *g = &p->ops[i].conv;
    const size_t bytes = p->integer ? ap_packed8_scratch_bytes(g) : ap_packed_scratch_bytes(isa, g);
    if (bytes > scratch) scratch = bytes;
  }
  w->free = ap_calloc(p->n_tensors, sizeof *w->free);
  w->at = ap_calloc(p->n_tensors, sizeof *w->at);
  w->n_free = ap_calloc(p->n_kinds, sizeof *w->n_free);
  w->stack_start = ap_calloc(p->n_kinds, sizeof *w->stack_start);
  w->memory = ap_calloc(total, sizeof *w->memory);
  if (scratch > 0) w->scratch = ap_calloc(scratch, 1);
  if (!w->free || !w->at || !w->n_free || !w->stack_start || !w->memory ||
      (scratch > 0 && !w->scratch)) {
    eval_worker_release(w);
    return ap_fail(err, AP_ERR_MEMORY, "%zu bytes of activations for a worker", total);
  }
  uint8_t *next = w->memory;
  size_t position = 0;
  for (size_t kind = 0; kind < p->n_kinds; ++kind) {
    w->stack_start[kind] = position;
    for (size_t t = 0; t < p->n_tensors; ++t) {
      if (p->tensors[t].kind != kind) continue;
      w->free[position++] = next;
      memset(next, p->tensors[t].zero, p->tensors[t].block_bytes * n_blocks);
      next += p->tensors[t].block_bytes * n_blocks;
      ++w->n_free[kind];
    }
  }
  return AP_OK;
}

void eval_worker_release(eval_worker *w) {
  ap_free(w->free);
  ap_free(w->at);
  ap_free(w->n_free);
  ap_free(w->stack_start);
  ap_free(w->memory);
  ap_free(w->scratch);
  memset(w, 0, sizeof *w);
}

static void take(eval_worker *w, const eval_plan *p, size_t t) {
  const size_t kind = p->tensors[t].kind;
  w->at[t] = w->free[w->stack_start[kind] + --w->n_free[kind]];
}
static void give(eval_worker *w, const eval_plan *p, size_t t) {
  const size_t kind = p->tensors[t].kind;
  if (!w->at[t]) return;
  w->free[w->stack_start[kind] + w->n_free[kind]++] = w->at[t];
  w->at[t] = NULL;
}

static ap_packed_source source(const eval_chunk *k, const op_input *in) {
  if (in->tensor == EVAL_NONE) return (ap_packed_source){.data = NULL};
  return (ap_packed_source){k->worker->at[in->tensor],
                            &k->job->plan->tensors[in->tensor].shape,
                            in->stride_h,
                            in->stride_w,
                            in->first,
                            NULL};
}

static void run_op(const eval_chunk *k, const op *o, size_t candidate) {
  const eval_job *j = k->job;
  const eval_plan *p = j->plan;
  float *out = k->worker->at[o->out];
  const float *in = o->in.tensor == EVAL_NONE ? NULL : k->worker->at[o->in.tensor];
  const ap_packed_shape *out_shape = &p->tensors[o->out].shape;
  const ap_packed_epilogue epilogue = {source(k, &o->residual), o->low, o->high};
  switch (o->kind) {
    case OP_INPUT:
      ap_packed_pixels_run(j->isa, out_shape, k->n_blocks,
                           j->pixels + k->first_block * j->block_pixels, o->scale, o->shift, out);
      break;
    case OP_LAYER: {
      const uint32_t level = j->order->levels[j->order->unique[candidate] * p->n_layers + o->layer];
      ap_packed_conv_run(j->layers[o->layer].levels[level].real, k->n_blocks, in, out, &epilogue,
                         k->worker->scratch);
      break;
    }
    case OP_POOL:
      ap_packed_pool_run(j->isa, &o->pool, k->n_blocks, in, out, o->low, o->high);
      break;
    case OP_MAP: {
      ap_packed_source from = source(k, &o->in);
      from.picks = o->picks;
      ap_packed_map_run(j->isa, &from, o->channels, o->scale, o->shift, out_shape, o->first_out,
                        k->n_blocks, out, &epilogue);
      break;
    }
    case OP_GATE: {
      const ap_packed_source from = source(k, &o->in), gate = source(k, &o->gate);
      ap_packed_gate_run(j->isa, &from, &gate, o->curve, out_shape, k->n_blocks, out, &epilogue);
      break;
    }
    case OP_CURVE:
      ap_packed_curve_run(j->isa, o->curve, &p->tensors[o->in.tensor].shape, out_shape, k->n_blocks,
                          in, out);
      break;
    case OP_NORM:
      ap_packed_norm_run(j->isa, &o->norm, &p->tensors[o->in.tensor].shape, in, o->scale, o->shift,
                         out_shape, k->n_blocks, out, &epilogue);
      break;
    case OP_FLATTEN:
      ap_packed_flatten_run(&p->tensors[o->in.tensor].shape, out_shape, k->n_blocks, in, out);
      break;
  }
}

/* The present candidate does not need the tensor any more; a later one does when it resumes after
 * the tensor was made and before it is read for the last time. */
static void release_read(const eval_chunk *k, size_t t, size_t op_index, size_t candidate) {
  const eval_plan *p = k->job->plan;
  if (t == EVAL_NONE || p->tensors[t].last_op != op_index) return;
  if (!eval_order_needed(k->job->order, candidate, p->tensors[t].first_part,
                         p->tensors[t].last_part))
    give(k->worker, p, t);
}

/* Room for an operation's output: that of what it replaces, if no later candidate needs it. */
static void place_output(const eval_chunk *k, const op *o, size_t candidate) {
  const eval_plan *p = k->job->plan;
  const size_t t = o->replaces;
  if (t == EVAL_NONE || eval_order_needed(k->job->order, candidate, p->tensors[t].first_part,
                                          p->tensors[t].last_part)) {
    take(k->worker, p, o->out);
    return;
  }
  k->worker->at[o->out] = k->worker->at[t];
}
/* Afterwards: what it was written over is no more. */
static void forget_replaced(eval_worker *w, const op *o) {
  if (o->replaces != EVAL_NONE && w->at[o->replaces] == w->at[o->out]) w->at[o->replaces] = NULL;
}

static void run_candidate(const eval_chunk *k, size_t candidate) {
  const eval_plan *p = k->job->plan;
  const size_t first_part = k->job->order->resume[candidate];
  for (size_t i = p->part_start[first_part]; i < p->n_ops; ++i) {
    const op *o = &p->ops[i];
    if (p->tensors[o->out].first_op == i) place_output(k, o, candidate);
    if (p->integer)
      eval_run_integer_op(k, o, candidate);
    else
      run_op(k, o, candidate);
    forget_replaced(k->worker, o);
    release_read(k, o->in.tensor, i, candidate);
    release_read(k, o->residual.tensor, i, candidate);
    release_read(k, o->gate.tensor, i, candidate);
    release_read(k, o->out, i, candidate); /* that nobody reads */
  }
}

/* Loss and prediction of one image: natural logarithm, first largest class. */
static void score_image(const float *z, size_t stride, size_t classes, int32_t label, size_t lane,
                        eval_block *result) {
  size_t best = 0;
  for (size_t c = 1; c < classes; ++c)
    if (z[c * stride] > z[best * stride]) best = c;
  const double top = (double)z[best * stride];
  double sum = 0;
  for (size_t c = 0; c < classes; ++c) sum += exp((double)z[c * stride] - top);
  result->loss += log(sum) + top - (double)z[(size_t)label * stride];
  result->right |= (uint64_t)(best == (size_t)label) << lane;
}

static void score(const eval_chunk *k, size_t candidate) {
  const eval_job *j = k->job;
  const eval_plan *p = j->plan;
  const ap_packed_shape *s = &p->tensors[p->logits].shape;
  const float *logits = k->worker->at[p->logits];
  for (size_t b = 0; b < k->n_blocks; ++b) {
    const size_t block = k->first_block + b;
    eval_block result = {0, 0};
    for (size_t lane = 0; lane < p->lanes; ++lane) {
      const size_t image = block * p->lanes + lane;
      const size_t part = p->lanes / AP_PACKED_LANES * b + (p->integer ? ap_packed8_part(lane) : 0);
      if (image >= j->n_images) break;
      const float *z =
          logits + part * s->block + s->origin + (p->integer ? ap_packed8_lane(lane) : lane);
      score_image(z, s->channel, p->classes, j->labels[image], lane, &result);
      if (j->logits)
        for (size_t c = 0; c < p->classes; ++c)
          j->logits[image * p->classes + c] = z[c * s->channel];
    }
    j->results[(candidate - j->first) * j->n_blocks + block] = result;
  }
}

void eval_work(void *context, size_t chunk_number, size_t worker) {
  const eval_job *j = context;
  const eval_plan *p = j->plan;
  const size_t first = j->from_block + chunk_number * j->chunk_blocks, left = j->to_block - first;
  const eval_chunk k = {j, &j->workers[worker], first,
                        left < j->chunk_blocks ? left : j->chunk_blocks};
  for (size_t i = j->first; i < j->first + j->n; ++i) {
    run_candidate(&k, i);
    score(&k, i);
    /* the next one makes these anew */
    const size_t resume = i + 1 < j->first + j->n ? j->order->resume[i + 1] : 0;
    for (size_t t = 0; t < p->n_tensors; ++t)
      if (p->tensors[t].first_part >= resume) give(k.worker, p, t);
  }
}
