/* nn/onnx/fold.c - which operators can be folded, and those that make constants. */
#include "nn/onnx/fold.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

const ap_onnx_tensor *ap_onnx_fold_input(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                         size_t input) {
  return ap_onnx_node_constant(graph, node, input);
}

ap_onnx_dims ap_onnx_dims_of(const ap_onnx_tensor *tensor) {
  ap_onnx_dims dims = {.n = tensor->n_dims};
  memcpy(dims.d, tensor->dims, sizeof dims.d);
  return dims;
}

ap_status ap_onnx_fold_grown(const ap_onnx_node *node, bool is_int, const ap_onnx_dims *dims,
                             size_t sources, ap_onnx_tensor **out, ap_error *err) {
  size_t count = 1, most = sources > AP_ONNX_MAX_GROWN ? sources : AP_ONNX_MAX_GROWN;
  for (size_t i = 0; i < dims->n; i++) {
    if (dims->d[i] > most || (dims->d[i] && count > most / dims->d[i]))
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "a computed constant of more than %zu elements", most);
    count *= dims->d[i];
  }
  return ap_onnx_tensor_create(is_int, dims->d, dims->n, out, err);
}

ap_status ap_onnx_fold_broadcast(const ap_onnx_node *node, const ap_onnx_dims *a,
                                 const ap_onnx_dims *b, ap_onnx_dims *out, ap_error *err) {
  out->n = a->n > b->n ? a->n : b->n;
  for (size_t i = 0; i < out->n; i++) {
    size_t x = i < out->n - a->n ? 1 : a->d[i - (out->n - a->n)];
    size_t y = i < out->n - b->n ? 1 : b->d[i - (out->n - b->n)];
    if (x != y && x != 1 && y != 1)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "sizes %zu and %zu do not fit", x, y);
    out->d[i] = x == 1 ? y : x;
  }
  return AP_OK;
}

/* A copy; Identity, and Dropout of a constant. */
static ap_status fold_identity(const ap_onnx_graph *graph, const ap_onnx_node *node,
                               ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  return ap_onnx_tensor_reshape(x, x->dims, x->n_dims, out, err);
}

static ap_status fold_constant(const ap_onnx_graph *graph, const ap_onnx_node *node,
                               ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_attr *attr = node->n_attrs == 1 ? &node->attrs[0] : NULL;
  bool list = attr && (attr->kind == AP_ONNX_ATTR_INTS || attr->kind == AP_ONNX_ATTR_FLOATS);
  bool is_int = attr && (attr->kind == AP_ONNX_ATTR_INT || attr->kind == AP_ONNX_ATTR_INTS);
  (void)graph;
  if (!attr || attr->kind == AP_ONNX_ATTR_OTHER || attr->kind == AP_ONNX_ATTR_TEXT)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "one of value, value_int, value_ints, value_float, value_floats is "
                             "supported");
  if (attr->kind == AP_ONNX_ATTR_TENSOR) {
    const ap_onnx_tensor *t = attr->tensor;
    return ap_onnx_tensor_reshape(t, t->dims, t->n_dims, out, err);
  }
  ap_status st = ap_onnx_tensor_create(is_int, &attr->n, list ? 1 : 0, out, err);
  if (st) return st;
  if (is_int) {
    memcpy((*out)->i, list ? attr->ints : &attr->i, (*out)->count * sizeof *attr->ints);
  } else {
    memcpy((*out)->f, list ? attr->floats : &attr->f, (*out)->count * sizeof *attr->floats);
  }
  return AP_OK;
}

static ap_status fold_constant_of_shape(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                        ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *shape = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_attr *value = ap_onnx_attr_find(node, "value");
  ap_onnx_dims dims = {0};
  if (!shape->is_int || shape->n_dims != 1 || shape->count > AP_ONNX_MAX_DIMS)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its input is no shape");
  if (value && (value->kind != AP_ONNX_ATTR_TENSOR || value->tensor->count != 1))
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "attribute value is not one element");
  dims.n = shape->count;
  for (size_t i = 0; i < dims.n; i++) {
    if (shape->i[i] < 0)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "dimension %lld", (long long)shape->i[i]);
    dims.d[i] = (size_t)shape->i[i];
  }
  ap_status st = ap_onnx_fold_grown(node, value && value->tensor->is_int, &dims, 0, out, err);
  for (size_t i = 0; !st && value && i < (*out)->count; i++)
    ap_onnx_tensor_move(*out, i, value->tensor, 0);
  return st;
}

/* A bound of Shape's part of the dimensions: negative ones count from the end, all are clamped. */
static ap_status shape_bound(const ap_onnx_node *node, const char *name, size_t absent, size_t n,
                             size_t *out, ap_error *err) {
  int64_t at;
  ap_status st = ap_onnx_attr_int(node, name, (int64_t)absent, INT32_MIN, INT32_MAX, &at, err);
  if (at < 0) at += (int64_t)n;
  *out = at < 0 ? 0 : at > (int64_t)n ? n : (size_t)at;
  return st;
}

ap_status ap_onnx_fold_sizes(const ap_onnx_node *node, const ap_onnx_dims *dims,
                             ap_onnx_tensor **out, ap_error *err) {
  size_t start = 0, end = dims->n;
  bool shape = strcmp(node->op, "Shape") == 0;
  ap_status st = shape_bound(node, "start", 0, dims->n, &start, err);
  if (!st) st = shape_bound(node, "end", dims->n, dims->n, &end, err);
  if (st) return st;
  size_t n = end > start ? end - start : 0;
  st = ap_onnx_tensor_create(true, &n, shape ? 1 : 0, out, err);
  if (st) return st;
  if (!shape) (*out)->i[0] = 1;
  for (size_t i = 0; i < (shape ? n : dims->n); i++) {
    if (shape) {
      (*out)->i[i] = (int64_t)dims->d[start + i];
    } else if (__builtin_mul_overflow((*out)->i[0], (int64_t)dims->d[i], &(*out)->i[0])) {
      ap_onnx_tensor_destroy(*out);
      *out = NULL;
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "overflow");
    }
  }
  return AP_OK;
}

/* Shape and Size of a constant; of what is computed from the image the lowering knows them. */
static ap_status fold_sizes(const ap_onnx_graph *graph, const ap_onnx_node *node,
                            ap_onnx_tensor **out, ap_error *err) {
  ap_onnx_dims dims = ap_onnx_dims_of(ap_onnx_fold_input(graph, node, 0));
  return ap_onnx_fold_sizes(node, &dims, out, err);
}

static ap_status fold_range(const ap_onnx_graph *graph, const ap_onnx_node *node,
                            ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *t[3];
  ap_onnx_dims dims = {.n = 1};
  for (size_t i = 0; i < 3; i++) {
    t[i] = ap_onnx_fold_input(graph, node, i);
    if (!t[i] || t[i]->count != 1 || t[i]->is_int != t[0]->is_int)
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT,
                               "start, limit and delta: three numbers of one type expected");
  }
  double start = ap_onnx_tensor_get(t[0], 0), delta = ap_onnx_tensor_get(t[2], 0);
  double n = ceil((ap_onnx_tensor_get(t[1], 0) - start) / delta);
  if (!isfinite(n) || n > (double)AP_ONNX_MAX_GROWN || fabs(start) > 0x1p52 || fabs(delta) > 0x1p52)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "a range of %g values", n);
  dims.d[0] = n > 0 ? (size_t)n : 0;
  ap_status st = ap_onnx_fold_grown(node, t[0]->is_int, &dims, 0, out, err);
  for (size_t i = 0; !st && i < dims.d[0]; i++) {
    if (t[0]->is_int) {
      (*out)->i[i] = t[0]->i[0] + (int64_t)i * t[2]->i[0];
    } else {
      (*out)->f[i] = (float)(start + (double)i * delta);
    }
  }
  return st;
}

static const struct {
  const char *op;
  ap_onnx_fold_rule *rule;
  size_t least; /* inputs that must be there */
} rules[] = {
    {"Abs", ap_onnx_fold_unary, 1},
    {"Add", ap_onnx_fold_binary, 2},
    {"And", ap_onnx_fold_binary, 2},
    {"Cast", ap_onnx_fold_cast, 1},
    {"CastLike", ap_onnx_fold_cast_like, 1},
    {"Ceil", ap_onnx_fold_unary, 1},
    {"Clip", ap_onnx_fold_clip, 1},
    {"Concat", ap_onnx_fold_concat, 1},
    {"Constant", fold_constant, 0},
    {"ConstantOfShape", fold_constant_of_shape, 1},
    {"Div", ap_onnx_fold_binary, 2},
    {"Dropout", fold_identity, 1},
    {"Equal", ap_onnx_fold_binary, 2},
    {"Exp", ap_onnx_fold_unary, 1},
    {"Expand", ap_onnx_fold_expand, 2},
    {"Flatten", ap_onnx_fold_reshape, 1},
    {"Floor", ap_onnx_fold_unary, 1},
    {"Gather", ap_onnx_fold_gather, 2},
    {"Greater", ap_onnx_fold_binary, 2},
    {"Identity", fold_identity, 1},
    {"Less", ap_onnx_fold_binary, 2},
    {"Max", ap_onnx_fold_binary, 2},
    {"Min", ap_onnx_fold_binary, 2},
    {"Mod", ap_onnx_fold_binary, 2},
    {"Mul", ap_onnx_fold_binary, 2},
    {"Neg", ap_onnx_fold_unary, 1},
    {"Not", ap_onnx_fold_unary, 1},
    {"Or", ap_onnx_fold_binary, 2},
    {"Pow", ap_onnx_fold_binary, 2},
    {"Range", fold_range, 3},
    {"Reciprocal", ap_onnx_fold_unary, 1},
    {"ReduceL2", ap_onnx_fold_reduce, 1},
    {"ReduceMax", ap_onnx_fold_reduce, 1},
    {"ReduceMean", ap_onnx_fold_reduce, 1},
    {"ReduceMin", ap_onnx_fold_reduce, 1},
    {"ReduceProd", ap_onnx_fold_reduce, 1},
    {"ReduceSum", ap_onnx_fold_reduce, 1},
    {"Reshape", ap_onnx_fold_reshape, 1},
    {"Round", ap_onnx_fold_unary, 1},
    {"Shape", fold_sizes, 1},
    {"Size", fold_sizes, 1},
    {"Slice", ap_onnx_fold_slice, 1},
    {"Sqrt", ap_onnx_fold_unary, 1},
    {"Squeeze", ap_onnx_fold_reshape, 1},
    {"Sub", ap_onnx_fold_binary, 2},
    {"Transpose", ap_onnx_fold_transpose, 1},
    {"Unsqueeze", ap_onnx_fold_reshape, 1},
    {"Where", ap_onnx_fold_where, 3},
};
#define N_RULES (sizeof rules / sizeof *rules)

static size_t rule_of(const char *op) {
  size_t i = 0;
  while (i < N_RULES && strcmp(rules[i].op, op) != 0) i++;
  return i;
}

ap_onnx_fold_rule *ap_onnx_fold_find(const char *op) {
  size_t i = rule_of(op);
  return i < N_RULES ? rules[i].rule : NULL;
}

/* Of all nodes so far. */
static ap_status check_work(const ap_onnx_graph *graph, const ap_onnx_node *node, size_t elements,
                            const char *what, ap_error *err) {
  if (elements <= AP_ONNX_COMPUTED_TIMES * graph->n_read + AP_ONNX_COMPUTED_MORE) return AP_OK;
  return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "%zu elements of %s constants, the file holds %zu", elements, what,
                           graph->n_read);
}

ap_status ap_onnx_fold(ap_onnx_graph *graph, const ap_onnx_node *node, ap_error *err) {
  ap_onnx_tensor *result = NULL;
  size_t at = rule_of(node->op);
  if (at == N_RULES)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "an operator that is not computed for constants (docs/ONNX.md)");
  for (size_t i = 0; i < rules[at].least; i++) {
    if (!ap_onnx_fold_input(graph, node, i))
      return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "input %zu is missing", i);
  }
  if (node->n_outputs < 1 || node->outputs[0] == AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "it has no output");
  ap_status st = AP_OK;
  if (rules[at].rule == ap_onnx_fold_reduce) {
    graph->n_reduced += ap_onnx_fold_input(graph, node, 0)->count;
    st = check_work(graph, node, graph->n_reduced, "reduced", err);
  }
  if (!st) st = rules[at].rule(graph, node, &result, err);
  if (!st) graph->n_computed += result->count;
  if (!st) st = check_work(graph, node, graph->n_computed, "computed", err);
  if (!st) {
    st = ap_onnx_graph_set_constant(graph, node->outputs[0], result, err);
    result = NULL;
  }
  ap_onnx_tensor_destroy(result);
  if (st && strncmp(err ? err->text : "node", "node ", 5) != 0)
    (void)ap_fail_context(err, st, "node %.100s (%.40s)", node->name, node->op);
  return st;
}
