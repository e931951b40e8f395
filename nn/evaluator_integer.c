/* nn/evaluator_integer.c - the integer side of the evaluator: a plan's tensors as codes or floats in
 * their units, and its operations. Numbers are those of nn/integer.h. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

/* ---- plan ------------------------------------------------------------------------------------- */
static void set_tensors(eval_plan *p, const ap_integer_value *values) {
  for (size_t t = 0; t < p->n_tensors; ++t) {
    const ap_integer_value *v = &values[p->tensors[t].node];
    p->tensors[t].unit = v->unit;
    p->tensors[t].codes = v->rounded;
    p->tensors[t].zero = (uint8_t)(v->rounded ? v->zero_point : 0);
  }
}

/* What only a maximum reads can be rounded before instead of behind it: rounding is monotone. */
static void round_before_maxima(eval_plan *p) {
  for (size_t i = p->n_ops; i-- > 0;) {
    const op *o = &p->ops[i];
    if (o->kind != OP_POOL || !o->pool.maximum) continue;
    tensor *in = &p->tensors[o->in.tensor], *out = &p->tensors[o->out];
    const bool equal = !(in->unit < out->unit) && !(in->unit > out->unit);
    if (in->codes || !out->codes || !equal || eval_count_readers(p, o->in.tensor) != 1) continue;
    in->codes = true;
    in->zero = out->zero;
  }
}

/* A layer's value, and what becomes of it before it is the output's. */
static void set_layer_units(op *o, double unit, const ap_integer_value *values,
                            const ap_network *net) {
  ap_packed8_activation *a = &o->activation;
  o->unit = o->activates ? values[o->node].unit : unit;
  if (!o->activates) return;
  if (a->curve != AP_CURVE_NONE) { /* in the product's unit */
    a->by = (float)o->unit;
    a->per_unit = (float)(1 / unit);
    a->factor = ap_integer_product_factor(o->unit, unit, unit);
    return;
  }
  const double gate = values[o->gate_node].unit;
  a->high = (float)((double)a->high / gate);
  a->factor = ap_integer_product_factor(o->unit, gate, unit);
  a->scale = o->scale;
  a->shift = o->shift;
  for (size_t c = 0; c < o->channels; ++c)
    ap_integer_affine(&net->nodes[o->affine_node], c, o->unit, gate, &o->scale[c], &o->shift[c]);
}

static void set_units(eval_plan *p, const ap_integer_value *values, const ap_network *net) {
  for (size_t i = 0; i < p->n_ops; ++i) {
    op *o = &p->ops[i];
    const double unit = p->tensors[o->out].unit;
    op_input *const inputs[] = {&o->in, &o->residual};
    for (size_t j = 0; j < 2; ++j)
      if (inputs[j]->tensor != EVAL_NONE)
        inputs[j]->ratio = p->tensors[inputs[j]->tensor].unit / unit;
    if (o->kind == OP_GATE) { /* a curve that is part of it is in the product's unit */
      const double gate = p->tensors[o->gate.tensor].unit;
      o->in.ratio = (double)ap_integer_product_factor(p->tensors[o->in.tensor].unit,
                                                      o->curve ? unit : gate, unit);
      o->gate.ratio = gate;
    }
    if (o->kind == OP_LAYER) set_layer_units(o, unit, values, net);
    if (o->kind == OP_CURVE) o->in.ratio = p->tensors[o->in.tensor].unit;
    o->high = (float)((double)o->high / unit);
    if ((o->kind != OP_MAP && o->kind != OP_NORM) || !o->scale) continue;
    /* what is normalised is in the unit of the scale and shift that alone read it */
    const double from = o->kind == OP_NORM ? unit : p->tensors[o->in.tensor].unit;
    for (size_t c = 0; c < o->channels; ++c)
      ap_integer_affine(&net->nodes[o->node], c, from, unit, &o->scale[c], &o->shift[c]);
  }
}

ap_status eval_plan_take_integers(eval_plan *p, const ap_network *net,
                                  const ap_evaluator_integers *integer, ap_error *err) {
  const unsigned bits = integer->activation_bits;
  if (bits < 1 || bits > 8)
    return ap_fail(err, AP_ERR_ARG, "activations of %u bits, expected 1 to 8", bits);
  ap_integer_value *values = ap_calloc(net->n_nodes, sizeof *values);
  if (!values) return ap_fail(err, AP_ERR_MEMORY, "values of %zu nodes", net->n_nodes);
  ap_status st = ap_integer_values(net, integer->layers, bits, values, err);
  if (!st && values[net->n_nodes - 1].rounded)
    st = ap_fail(err, AP_ERR_ARG, "%s: a layer reads the outputs", net->name);
  if (!st) {
    p->integer = true;
    p->most = (uint8_t)((1U << bits) - 1);
    set_tensors(p, values);
    round_before_maxima(p);
    set_units(p, values, net);
    for (size_t t = 0; t < p->n_tensors; ++t) {
      tensor *to = &p->tensors[t];
      to->block_bytes =
          ap_packed8_tensor_bytes(&(ap_packed8_tensor){&to->shape, to->codes, to->zero});
    }
  }
  ap_free(values);
  return st;
}

/* ---- input ------------------------------------------------------------------------------------ */
static ap_packed8_tensor format_of(const tensor *t) {
  return (ap_packed8_tensor){&t->shape, t->codes, t->zero};
}

ap_status eval_integer_input(const eval_plan *p, const ap_packed8_isa *isa, const ap_network *net,
                             size_t n_blocks, uint8_t **pixels, size_t *block_bytes,
                             ap_error *err) {
  const tensor *to = &p->tensors[p->ops[0].out];
  const size_t channels = to->shape.c;
  float *table = ap_calloc(channels * 256, sizeof *table);
  uint8_t *values = ap_calloc(n_blocks, to->block_bytes);
  if (!table || !values) {
    ap_free(table);
    ap_free(values);
    return ap_fail(err, AP_ERR_MEMORY, "%zu blocks of %zu bytes", n_blocks, to->block_bytes);
  }
  for (size_t i = 0; i < channels * 256; ++i)
    table[i] = ap_integer_pixel(net, i / 256, (unsigned)(i % 256), to->unit);
  const ap_packed8_target target = {values, format_of(to), p->most};
  ap_packed8_clear(&target.tensor, n_blocks, values);
  ap_packed8_pixels_run(isa, n_blocks, *pixels, table, &target);
  ap_free(table);
  ap_free(*pixels);
  *pixels = values;
  *block_bytes = to->block_bytes;
  return AP_OK;
}

/* ---- work ------------------------------------------------------------------------------------- */
static ap_packed8_source source(const eval_chunk *k, const op_input *in) {
  if (in->tensor == EVAL_NONE) return (ap_packed8_source){.data = NULL};
  const tensor *t = &k->job->plan->tensors[in->tensor];
  return (ap_packed8_source){k->worker->at[in->tensor],
                             format_of(t),
                             (float)in->ratio,
                             in->stride_h,
                             in->stride_w,
                             in->first,
                             NULL};
}

/* What a curve is multiplied with: ap_integer_curve. */
static float per_unit(const eval_plan *p, const op *o) {
  return (float)(1 / p->tensors[o->out].unit);
}

void eval_run_integer_op(const eval_chunk *k, const op *o, size_t candidate) {
  const eval_job *j = k->job;
  const eval_plan *p = j->plan;
  const ap_packed8_target out = {k->worker->at[o->out], format_of(&p->tensors[o->out]), p->most};
  ap_packed8_source in = source(k, &o->in);
  const ap_packed8_epilogue epilogue = {source(k, &o->residual), o->low, o->high,
                                        o->activates ? &o->activation : NULL};
  switch (o->kind) {
    case OP_INPUT:
      memcpy(out.data, j->pixels + k->first_block * j->block_pixels, k->n_blocks * j->block_pixels);
      break;
    case OP_LAYER: {
      const uint32_t level = j->order->levels[j->order->unique[candidate] * p->n_layers + o->layer];
      ap_packed8_conv_run(j->layers[o->layer].levels[level].integer, k->n_blocks, in.data, &out,
                          &epilogue, k->worker->scratch);
      break;
    }
    case OP_POOL:
      ap_packed8_pool_run(j->integers, &o->pool, k->n_blocks, &in, o->in.ratio, &out, o->low,
                          o->high);
      break;
    case OP_MAP:
      in.picks = o->picks;
      ap_packed8_map_run(j->integers, &in, o->channels, o->scale, o->shift, &out, o->first_out,
                         k->n_blocks, &epilogue);
      break;
    case OP_GATE: {
      const ap_packed8_source gate = source(k, &o->gate);
      ap_packed8_gate_run(j->integers, &in, &gate, o->curve, per_unit(p, o), &out, k->n_blocks,
                          &epilogue);
      break;
    }
    case OP_CURVE:
      ap_packed8_curve_run(j->integers, o->curve, &in, per_unit(p, o), &out, k->n_blocks);
      break;
    case OP_NORM: {
      const double from = p->tensors[o->in.tensor].unit, to = p->tensors[o->out].unit;
      ap_packed8_norm_run(j->integers, &o->norm, ap_integer_norm_epsilon(o->norm.epsilon, from),
                          1 / to, &in, o->scale, o->shift, &out, k->n_blocks, &epilogue);
      break;
    }
    case OP_FLATTEN:
      ap_packed8_flatten_run(&in.tensor, &out.tensor, k->n_blocks, in.data, out.data);
      break;
  }
}
