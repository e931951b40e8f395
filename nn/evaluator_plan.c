/* nn/evaluator_plan.c - a network as a list of packed operations. What follows a convolution in the
 * same breath (addition of a shortcut, ReLU) becomes part of it. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

typedef struct {
  eval_plan *plan;
  const ap_network *net;
  size_t *users;       /* [n_nodes] */
  bool *absorbed;      /* [n_nodes]: computed by the only node that uses it */
  size_t *value;       /* [n_nodes]: tensor */
  size_t *layer;       /* [n_nodes]: layer number, or EVAL_NONE */
  ap_shape3 *size;     /* [n_tensors] */
  eval_border *border; /* [n_tensors] */
} compiler;

static bool is_layer(const ap_node *n) {
  return n->kind == AP_NODE_CONV || n->kind == AP_NODE_LINEAR;
}
/* May it become part of an addition or a ReLU, as a layer does? */
static bool is_between(const ap_node *n) {
  return n->kind == AP_NODE_BATCHNORM || n->kind == AP_NODE_MULTIPLY || ap_node_is_norm(n);
}
static bool is_pool(const ap_node *n) {
  return n->kind == AP_NODE_MAXPOOL || n->kind == AP_NODE_AVGPOOL;
}

/* ---- fusion ---------------------------------------------------------------------------------- */
static void count_users(compiler *c) {
  for (size_t i = 0; i < c->net->n_nodes; ++i)
    for (size_t j = 0; j < c->net->nodes[i].n_inputs; ++j) ++c->users[c->net->nodes[i].inputs[j]];
  ++c->users[c->net->n_nodes - 1]; /* the logits are read */
}

/* The input of an ADD that the ADD becomes part of: a layer if there is one (the last: the others
 * are computed before it), else a batch normalisation or a product; or none. */
static size_t main_input(const compiler *c, const ap_node *add) {
  size_t best = EVAL_NONE;
  for (size_t j = 0; j < add->n_inputs; ++j) {
    const size_t i = add->inputs[j];
    const ap_node *n = &c->net->nodes[i];
    if (c->users[i] != 1 || (!is_layer(n) && !is_between(n))) continue;
    const bool better = best == EVAL_NONE || is_layer(n) > is_layer(&c->net->nodes[best]) ||
                        (is_layer(n) == is_layer(&c->net->nodes[best]) && i > best);
    if (better) best = i;
  }
  return best;
}

/* The input of a MULTIPLY that is a CURVE of its own, computed with it: 0, 1, or n_inputs where there is none. A
 * factor for all pixels of a channel is computed once instead. */
static size_t own_curve(const compiler *c, const ap_node *n) {
  size_t k = n->n_inputs;
  if (ap_node_scales_channels(c->net, n)) return k;
  while (k-- > 0) {
    const size_t i = n->inputs[k];
    if (c->net->nodes[i].kind == AP_NODE_CURVE && c->users[i] == 1) return k;
  }
  return n->n_inputs;
}

static void find_fusions(compiler *c) {
  for (size_t i = 0; i < c->net->n_nodes; ++i) {
    const ap_node *n = &c->net->nodes[i];
    if (n->kind == AP_NODE_RELU) {
      const size_t p = n->inputs[0];
      const ap_node *from = &c->net->nodes[p];
      if (c->users[p] == 1 && (is_layer(from) || is_pool(from) || from->kind == AP_NODE_ADD ||
                               is_between(from) || from->kind == AP_NODE_SHORTCUT))
        c->absorbed[p] = true;
    }
    if (n->kind == AP_NODE_BATCHNORM) { /* its scale and shift */
      const size_t p = n->inputs[0];
      if (c->users[p] == 1 && ap_node_is_norm(&c->net->nodes[p])) c->absorbed[p] = true;
    }
    if (n->kind == AP_NODE_MULTIPLY) {
      const size_t k = own_curve(c, n);
      if (k < n->n_inputs) c->absorbed[n->inputs[k]] = true;
    }
    for (size_t j = 0; n->kind == AP_NODE_CONCAT && j < n->n_inputs; ++j) {
      const size_t p = n->inputs[j];
      if (c->net->nodes[p].kind == AP_NODE_GATHER && c->users[p] == 1) c->absorbed[p] = true;
    }
    if (n->kind == AP_NODE_ADD) {
      const size_t main = main_input(c, n);
      if (main != EVAL_NONE) c->absorbed[main] = true;
      for (size_t j = 0; j < n->n_inputs; ++j) {
        const size_t p = n->inputs[j];
        if (c->net->nodes[p].kind == AP_NODE_SHORTCUT && c->users[p] == 1) c->absorbed[p] = true;
      }
    }
  }
}

/* ---- emission -------------------------------------------------------------------------------- */
static size_t new_tensor(compiler *c, size_t node) {
  c->size[c->plan->n_tensors] = c->net->nodes[node].shape;
  c->plan->tensors[c->plan->n_tensors].node = node;
  return c->plan->n_tensors++;
}

static op *new_op(compiler *c, op_kind kind, size_t out) {
  op *o = &c->plan->ops[c->plan->n_ops++];
  *o = (op){.kind = kind,
            .in = {EVAL_NONE, 1, 1, 0, 1},
            .residual = {EVAL_NONE, 1, 1, 0, 1},
            .gate = {EVAL_NONE, 1, 1, 0, 1},
            .out = out,
            .replaces = EVAL_NONE,
            .low = -INFINITY,
            .high = INFINITY,
            .layer = EVAL_NONE};
  return o;
}

static op_input read_node(const compiler *c, size_t node) {
  const ap_node *n = &c->net->nodes[node];
  if (n->kind == AP_NODE_SHORTCUT && c->absorbed[node])
    return (op_input){c->value[n->inputs[0]], n->stride_h, n->stride_w, n->channels_before, 1};
  return (op_input){c->value[node], 1, 1, 0, 1};
}

static void emit_layer(compiler *c, const ap_node *n, size_t node, op *o) {
  const size_t from = c->value[n->inputs[0]];
  const bool conv = n->kind == AP_NODE_CONV;
  o->kind = OP_LAYER;
  o->layer = c->layer[node];
  o->in.tensor = from;
  o->conv = conv ? (ap_packed_conv){.kh = n->kh,
                                    .kw = n->kw,
                                    .stride_h = n->stride_h,
                                    .stride_w = n->stride_w,
                                    .pad_top = n->pad_top,
                                    .pad_left = n->pad_left,
                                    .groups = n->groups,
                                    .dilation_h = n->dilation_h,
                                    .dilation_w = n->dilation_w}
                 : (ap_packed_conv){.kh = c->size[from].h, /* a flattened input is read in place */
                                    .kw = c->size[from].w,
                                    .stride_h = 1,
                                    .stride_w = 1,
                                    .groups = 1,
                                    .dilation_h = 1,
                                    .dilation_w = 1};
}

static ap_status emit_affine(const ap_node *n, op *o, ap_error *err) {
  o->scale = ap_calloc(n->shape.c, sizeof *o->scale);
  o->shift = ap_calloc(n->shape.c, sizeof *o->shift);
  if (!o->scale || !o->shift)
    return ap_fail(err, AP_ERR_MEMORY, "%s: %zu channels", n->name, n->shape.c);
  for (size_t i = 0; i < n->shape.c; ++i) {
    const double scale = (double)n->weight[i] / sqrt((double)n->var[i] + (double)n->epsilon);
    o->scale[i] = (float)scale;
    o->shift[i] = (float)((double)n->bias[i] - (double)n->mean[i] * scale);
  }
  return AP_OK;
}

static ap_status emit_input(const ap_network *net, op *o, ap_error *err) {
  const size_t channels = net->nodes[0].shape.c;
  if (channels > sizeof net->mean / sizeof net->mean[0])
    return ap_fail(err, AP_ERR_ARG, "%s: %zu input channels, at most 4 can be normalised",
                   net->name, channels);
  o->scale = ap_calloc(channels, sizeof *o->scale);
  o->shift = ap_calloc(channels, sizeof *o->shift);
  if (!o->scale || !o->shift) return ap_fail(err, AP_ERR_MEMORY, "%zu input channels", channels);
  for (size_t i = 0; i < channels; ++i) {
    if (!(net->std[i] > 0))
      return ap_fail(err, AP_ERR_ARG, "%s: standard deviation %g of channel %zu", net->name,
                     (double)net->std[i], i);
    o->scale[i] = (float)(1 / (255.0 * (double)net->std[i]));
    o->shift[i] = (float)(-(double)net->mean[i] / (double)net->std[i]);
  }
  return AP_OK;
}

static ap_status emit_gather(const compiler *c, const ap_node *n, op *o, ap_error *err) {
  o->in.tensor = c->value[n->inputs[0]];
  o->picks = ap_calloc(n->shape.c, sizeof *o->picks);
  if (!o->picks) return ap_fail(err, AP_ERR_MEMORY, "%s: %zu channels", n->name, n->shape.c);
  for (size_t i = 0; i < n->shape.c; ++i) o->picks[i] = (uint32_t)n->picks[i];
  return AP_OK;
}

static ap_status emit_concat(compiler *c, const ap_node *n, size_t out, ap_error *err) {
  size_t first = 0;
  for (size_t j = 0; j < n->n_inputs; ++j) {
    const ap_node *from = &c->net->nodes[n->inputs[j]];
    op *o = new_op(c, OP_MAP, out);
    o->in.tensor = c->value[n->inputs[j]];
    o->channels = from->shape.c;
    o->first_out = first;
    first += o->channels;
    if (!c->absorbed[n->inputs[j]]) continue;
    ap_status st = emit_gather(c, from, o, err);
    if (st) return st;
  }
  return AP_OK;
}

static void emit_gate(const compiler *c, const ap_node *n, op *o) {
  const size_t k = own_curve(c, n), gate = k < n->n_inputs ? k : 1;
  const size_t from = n->inputs[gate];
  o->kind = OP_GATE;
  o->in = read_node(c, n->inputs[1 - gate]);
  if (k < n->n_inputs) o->curve = c->net->nodes[from].curve;
  o->gate = read_node(c, o->curve ? c->net->nodes[from].inputs[0] : from);
  if (ap_node_scales_channels(c->net, n)) o->gate.stride_h = o->gate.stride_w = 0;
}

static void emit_norm(const compiler *c, const ap_node *n, op *o) {
  o->kind = OP_NORM;
  o->in.tensor = c->value[n->inputs[0]];
  o->norm = (ap_packed_norm){n->groups, n->kind == AP_NODE_LAYERNORM, n->epsilon};
}

/* The operation of one node (possibly at the end of a chain of absorbed ones) into `o`. */
static ap_status emit_chain(compiler *c, size_t node, op *o, ap_error *err) {
  const ap_node *nodes = c->net->nodes, *n = &nodes[node];
  o->channels = n->shape.c;
  o->node = node;
  if (n->kind == AP_NODE_RELU) {
    o->low = 0;
    o->high = n->ceiling;
    o->in = read_node(c, n->inputs[0]);
    if (!c->absorbed[n->inputs[0]]) return AP_OK; /* a copy, clipped */
    node = n->inputs[0];
    n = &nodes[node];
  }
  if (n->kind == AP_NODE_ADD) {
    const size_t main = main_input(c, n);
    const size_t first = main != EVAL_NONE ? main : n->inputs[0];
    o->residual = read_node(c, first == n->inputs[0] ? n->inputs[1] : n->inputs[0]);
    o->in = read_node(c, first);
    if (main == EVAL_NONE) return AP_OK;
    node = main;
    n = &nodes[node];
  }
  o->node = node;
  switch (n->kind) {
    case AP_NODE_CONV:
    case AP_NODE_LINEAR:
      emit_layer(c, n, node, o);
      return AP_OK;
    case AP_NODE_BATCHNORM:
      if (c->absorbed[n->inputs[0]])
        emit_norm(c, &nodes[n->inputs[0]], o);
      else
        o->in = read_node(c, n->inputs[0]);
      return emit_affine(n, o, err);
    case AP_NODE_GROUPNORM:
    case AP_NODE_LAYERNORM:
      emit_norm(c, n, o);
      return AP_OK;
    case AP_NODE_GATHER:
      return emit_gather(c, n, o, err);
    case AP_NODE_MULTIPLY:
      emit_gate(c, n, o);
      return AP_OK;
    case AP_NODE_CURVE:
      o->kind = OP_CURVE;
      o->curve = n->curve;
      o->in.tensor = c->value[n->inputs[0]];
      return AP_OK;
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
      o->kind = OP_POOL;
      o->in.tensor = c->value[n->inputs[0]];
      o->pool = (ap_packed_pool){.kh = n->kh,
                                 .kw = n->kw,
                                 .stride_h = n->stride_h,
                                 .stride_w = n->stride_w,
                                 .pad_top = n->pad_top,
                                 .pad_left = n->pad_left,
                                 .maximum = n->kind == AP_NODE_MAXPOOL,
                                 .count_padding = n->count_padding};
      return AP_OK;
    case AP_NODE_SHORTCUT:
      o->in = (op_input){c->value[n->inputs[0]], n->stride_h, n->stride_w, n->channels_before, 1};
      return AP_OK;
    case AP_NODE_FLATTEN:
      o->kind = OP_FLATTEN;
      o->in.tensor = c->value[n->inputs[0]];
      return AP_OK;
    default:
      return ap_fail(err, AP_ERR_INTERNAL, "%s: node kind %d", n->name, (int)n->kind);
  }
}

/* A flattened tensor that only fully connected layers read, or that is flat already, stays where it
 * is. */
static bool flatten_in_place(const compiler *c, size_t node) {
  const ap_shape3 from = c->size[c->value[c->net->nodes[node].inputs[0]]];
  if (from.h == 1 && from.w == 1) return true;
  if (node + 1 == c->net->n_nodes) return false;
  for (size_t i = node + 1; i < c->net->n_nodes; ++i)
    for (size_t j = 0; j < c->net->nodes[i].n_inputs; ++j)
      if (c->net->nodes[i].inputs[j] == node && c->net->nodes[i].kind != AP_NODE_LINEAR)
        return false;
  return true;
}

static ap_status emit_all(compiler *c, ap_error *err) {
  for (size_t i = 0; i < c->net->n_nodes; ++i) {
    const ap_node *n = &c->net->nodes[i];
    ap_status st = AP_OK;
    if (c->absorbed[i]) continue;
    if (n->kind == AP_NODE_FLATTEN && flatten_in_place(c, i)) {
      c->value[i] = c->value[n->inputs[0]];
      continue;
    }
    c->value[i] = new_tensor(c, i);
    if (n->kind == AP_NODE_CONCAT)
      st = emit_concat(c, n, c->value[i], err);
    else if (n->kind == AP_NODE_INPUT)
      st = emit_input(c->net, new_op(c, OP_INPUT, c->value[i]), err);
    else
      st = emit_chain(c, i, new_op(c, OP_MAP, c->value[i]), err);
    if (st) return st;
  }
  c->plan->logits = c->value[c->net->n_nodes - 1];
  return AP_OK;
}

/* ---- shapes, lifetimes, parts ---------------------------------------------------------------- */
static size_t excess(size_t a, size_t b) { return a > b ? a - b : 0; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* What the widest reader of tensor t needs. */
static eval_border border_of(const compiler *c, size_t t) {
  const eval_plan *p = c->plan;
  const ap_shape3 s = c->size[t];
  eval_border b = {0, 0, 0, 0};
  for (size_t i = 0; i < p->n_ops; ++i) {
    const op *o = &p->ops[i];
    if (o->kind != OP_LAYER || o->in.tensor != t) continue;
    const ap_packed_conv *g = &o->conv;
    const ap_shape3 out = c->size[o->out];
    b.top = larger(b.top, g->pad_top);
    b.left = larger(b.left, g->pad_left);
    b.bottom = larger(b.bottom,
                      excess((out.h - 1) * g->stride_h + ap_packed_reach_h(g), g->pad_top + s.h));
    b.right = larger(b.right,
                     excess((out.w - 1) * g->stride_w + ap_packed_reach_w(g), g->pad_left + s.w));
  }
  return b;
}

static ap_status lay_out(compiler *c, ap_error *err) {
  eval_plan *p = c->plan;
  for (size_t t = 0; t < p->n_tensors; ++t) c->border[t] = border_of(c, t);
  eval_plan_share_borders(p, c->size, c->border);
  for (size_t t = 0; t < p->n_tensors; ++t) {
    const ap_shape3 s = c->size[t];
    const eval_border b = c->border[t];
    tensor *to = &p->tensors[t];
    ap_status st =
        ap_packed_shape_init(s.c, s.h, s.w, b.top, b.left, b.bottom, b.right, &to->shape, err);
    if (st) return st;
    to->unit = 1;
    to->block_bytes = to->shape.block * sizeof(float);
  }
  for (size_t i = 0; i < p->n_ops; ++i) {
    op *o = &p->ops[i];
    if (o->in.tensor == EVAL_NONE) continue;
    o->conv.in = o->pool.in = p->tensors[o->in.tensor].shape;
    o->conv.out = o->pool.out = p->tensors[o->out].shape;
  }
  return AP_OK;
}

static void find_kinds(eval_plan *p) {
  for (size_t t = 0; t < p->n_tensors; ++t) {
    tensor *to = &p->tensors[t];
    to->kind = p->n_kinds;
    for (size_t i = 0; i < t; ++i) {
      const tensor *like = &p->tensors[i];
      if (ap_packed_shape_equal(&like->shape, &to->shape) && like->codes == to->codes &&
          like->zero == to->zero)
        to->kind = like->kind;
    }
    if (to->kind == p->n_kinds) ++p->n_kinds;
  }
}

static void find_parts(compiler *c, const ap_layer_info *info) {
  eval_plan *p = c->plan;
  const double macs = (double)ap_network_macs(c->net);
  size_t depth = 0;
  for (size_t i = 0; i < p->n_ops; ++i) {
    if (p->ops[i].kind != OP_LAYER) continue;
    const size_t layer = p->ops[i].layer;
    p->order[depth] = layer;
    p->layer_share[depth] = macs > 0 ? (double)info[layer].macs / macs : 0;
    p->part_start[++depth] = i;
  }
  p->part_start[depth + 1] = p->n_ops;
}

static void find_lifetimes(eval_plan *p) {
  for (size_t t = 0; t < p->n_tensors; ++t) p->tensors[t].first_op = EVAL_NONE;
  for (size_t part = 0; part <= p->n_layers; ++part)
    for (size_t i = p->part_start[part]; i < p->part_start[part + 1]; ++i) {
      const op *o = &p->ops[i];
      tensor *out = &p->tensors[o->out];
      if (out->first_op == EVAL_NONE) {
        out->first_op = i;
        out->first_part = part;
      }
      const size_t touched[] = {o->out, o->in.tensor, o->residual.tensor, o->gate.tensor};
      for (size_t j = 0; j < 4; ++j) {
        if (touched[j] == EVAL_NONE) continue;
        p->tensors[touched[j]].last_op = i;
        p->tensors[touched[j]].last_part = part;
      }
    }
  p->tensors[p->logits].last_op = EVAL_NONE;
  p->tensors[p->logits].last_part = p->n_layers;
}

/* ---- the whole ------------------------------------------------------------------------------- */
static ap_status compile(compiler *c, const ap_evaluator_integers *integer, ap_error *err) {
  eval_plan *p = c->plan;
  const size_t n = c->net->n_nodes;
  size_t most_ops = n;
  for (size_t i = 0; i < n; ++i) most_ops += c->net->nodes[i].n_inputs;
  p->n_layers = ap_network_layers(c->net, NULL, 0);
  p->classes = c->net->classes;
  ap_layer_info *info = ap_calloc(p->n_layers, sizeof *info);
  c->users = ap_calloc(n, sizeof *c->users);
  c->absorbed = ap_calloc(n, sizeof *c->absorbed);
  c->value = ap_calloc(n, sizeof *c->value);
  c->layer = ap_calloc(n, sizeof *c->layer);
  c->size = ap_calloc(n, sizeof *c->size);
  c->border = ap_calloc(n, sizeof *c->border);
  p->ops = ap_calloc(most_ops, sizeof *p->ops);
  p->tensors = ap_calloc(n, sizeof *p->tensors);
  p->order = ap_calloc(p->n_layers, sizeof *p->order);
  p->part_start = ap_calloc(p->n_layers + 2, sizeof *p->part_start);
  p->layer_share = ap_calloc(p->n_layers, sizeof *p->layer_share);
  ap_status st = AP_OK;
  if (!info || !c->users || !c->absorbed || !c->value || !c->layer || !c->size || !c->border ||
      !p->ops || !p->tensors || !p->order || !p->part_start || !p->layer_share) {
    st = ap_fail(err, AP_ERR_MEMORY, "plan of %zu nodes", n);
    goto done;
  }
  (void)ap_network_layers(c->net, info, p->n_layers);
  for (size_t i = 0; i < n; ++i) c->layer[i] = EVAL_NONE;
  for (size_t i = 0; i < p->n_layers; ++i) c->layer[info[i].node] = i;
  count_users(c);
  find_fusions(c);
  st = emit_all(c, err);
  if (st) goto done;
  if (integer) eval_plan_fuse_activations(p, c->size); /* c->value is not valid any more */
  find_parts(c, info);
  find_lifetimes(p);
  st = lay_out(c, err);
  if (!st && integer) st = eval_plan_take_integers(p, c->net, integer, err);
  if (st) goto done;
  find_kinds(p);
  eval_plan_find_replaced(p);
done:
  ap_free(info);
  return st;
}

ap_status eval_plan_init(eval_plan *plan, const ap_network *net,
                         const ap_evaluator_integers *integer, ap_error *err) {
  memset(plan, 0, sizeof *plan);
  plan->lanes = integer ? AP_PACKED8_LANES : AP_PACKED_LANES;
  const ap_shape3 last = net->nodes[net->n_nodes - 1].shape;
  if (last.h != 1 || last.w != 1 || last.c != net->classes)
    return ap_fail(err, AP_ERR_ARG, "%s: the last node gives %zux%zux%zu, not %zu classes",
                   net->name, last.c, last.h, last.w, net->classes);
  compiler c = {.plan = plan, .net = net};
  const ap_status st = compile(&c, integer, err);
  ap_free(c.users);
  ap_free(c.absorbed);
  ap_free(c.value);
  ap_free(c.layer);
  ap_free(c.size);
  ap_free(c.border);
  if (st) eval_plan_release(plan);
  return st;
}

void eval_plan_release(eval_plan *plan) {
  for (size_t i = 0; i < plan->n_ops; ++i) {
    ap_free(plan->ops[i].scale);
    ap_free(plan->ops[i].shift);
    ap_free(plan->ops[i].picks);
  }
  ap_free(plan->ops);
  ap_free(plan->tensors);
  ap_free(plan->order);
  ap_free(plan->part_start);
  ap_free(plan->layer_share);
  memset(plan, 0, sizeof *plan);
}
