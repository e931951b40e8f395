/* nn/evaluator_engine.c - the plan as a program of kernels/engine.h, and batches of candidates through
 * an engine, two under way at a time. */
#include "base/alloc.h"
#include "nn/evaluator_impl.h"

static const ap_engine_kind kinds[] = {
    [OP_INPUT] = AP_ENGINE_INPUT, [OP_LAYER] = AP_ENGINE_LAYER,    [OP_POOL] = AP_ENGINE_POOL,
    [OP_MAP] = AP_ENGINE_MAP,     [OP_NORM] = AP_ENGINE_NORM,      [OP_GATE] = AP_ENGINE_MAP,
    [OP_CURVE] = AP_ENGINE_MAP,   [OP_FLATTEN] = AP_ENGINE_FLATTEN};

static ap_engine_source source(const op_input *in) {
  return (ap_engine_source){in->tensor == EVAL_NONE ? AP_ENGINE_NONE : in->tensor, in->stride_h,
                            in->stride_w, in->first};
}

static ap_engine_op convert(const op *o) {
  ap_engine_op to = {.kind = kinds[o->kind],
                     .in = source(&o->in),
                     .residual = source(&o->residual),
                     .out = o->out,
                     .low = o->low,
                     .high = o->high,
                     .layer = o->layer,
                     .channels = o->channels,
                     .first_out = o->first_out,
                     .scale = o->scale,
                     .shift = o->shift,
                     .picks = o->picks,
                     .curve = o->kind == OP_CURVE ? o->curve : AP_CURVE_NONE,
                     .gate = source(&o->gate),
                     .gate_curve = o->kind == OP_GATE ? o->curve : AP_CURVE_NONE};
  if (o->kind == OP_LAYER) {
    to.kh = o->conv.kh;
    to.kw = o->conv.kw;
    to.stride_h = o->conv.stride_h;
    to.stride_w = o->conv.stride_w;
    to.pad_top = o->conv.pad_top;
    to.pad_left = o->conv.pad_left;
    to.groups = o->conv.groups;
    to.dilation_h = o->conv.dilation_h;
    to.dilation_w = o->conv.dilation_w;
  }
  if (o->kind == OP_NORM) {
    to.groups = o->norm.groups;
    to.each_pixel = o->norm.each_pixel;
    to.epsilon = o->norm.epsilon;
  }
  if (o->kind == OP_POOL) {
    to.kh = o->pool.kh;
    to.kw = o->pool.kw;
    to.stride_h = o->pool.stride_h;
    to.stride_w = o->pool.stride_w;
    to.pad_top = o->pool.pad_top;
    to.pad_left = o->pool.pad_left;
    to.maximum = o->pool.maximum;
    to.count_padding = o->pool.count_padding;
  }
  return to;
}

ap_status eval_engine_create(const char *name, const eval_plan *plan, size_t n_images,
                             const uint8_t *pixels, const int32_t *labels,
                             const ap_engine_options *options, ap_engine **out, ap_error *err) {
  ap_status st;
  ap_engine_op *ops = ap_calloc(plan->n_ops, sizeof *ops);
  ap_engine_tensor *tensors = ap_calloc(plan->n_tensors, sizeof *tensors);
  *out = NULL;
  if (!ops || !tensors) {
    st = ap_fail(err, AP_ERR_MEMORY, "a program of %zu operations", plan->n_ops);
    goto done;
  }
  for (size_t i = 0; i < plan->n_ops; ++i) ops[i] = convert(&plan->ops[i]);
  for (size_t i = 0; i < plan->n_tensors; ++i) {
    const tensor *t = &plan->tensors[i];
    tensors[i] = (ap_engine_tensor){.c = t->shape.c,
                                    .h = t->shape.h,
                                    .w = t->shape.w,
                                    .first_op = t->first_op,
                                    .last_op = t->last_op,
                                    .part = t->first_part};
  }
  const ap_engine_program program = {.ops = ops,
                                     .n_ops = plan->n_ops,
                                     .tensors = tensors,
                                     .n_tensors = plan->n_tensors,
                                     .n_layers = plan->n_layers,
                                     .part_start = plan->part_start,
                                     .logits = plan->logits,
                                     .classes = plan->classes};
  st = ap_engine_create(name, &program, n_images, pixels, labels, options, out, err);
done:
  ap_free(ops);
  ap_free(tensors);
  return st;
}

static size_t batch_of(size_t n, size_t most) { return n < most ? n : most; }

/* Submits one batch ahead of the one that it waits for. */
ap_status eval_engine_run(ap_engine *engine, eval_order *order, eval_done *done, void *context,
                          ap_error *err) {
  const size_t most = ap_engine_capacity(engine), n = order->n_unique;
  ap_engine_result results[AP_ENGINE_MOST];
  size_t submitted = 0, collected = 0;
  ap_status st = AP_OK;
  while (collected < n && !st) {
    while (submitted < n && submitted < collected + 2 * most && !st) {
      const size_t batch = batch_of(n - submitted, most);
      eval_order_link(order, submitted, batch);
      st = ap_engine_submit(engine, batch, order->levels, order->unique + submitted,
                            order->resume + submitted, err);
      if (!st) submitted += batch;
    }
    if (st) break;
    const size_t batch = batch_of(submitted - collected, most);
    st = ap_engine_collect(engine, results, err);
    for (size_t i = 0; i < batch && !st; ++i) {
      const eval_result result = {results[i].loss, results[i].correct};
      done(context, collected + i, &result);
    }
    collected += batch;
  }
  for (; collected < submitted; collected += batch_of(submitted - collected, most)) {
    const ap_status late = ap_engine_collect(engine, results, NULL); /* nothing stays under way */
    if (late && !st) st = late;
  }
  return st;
}
