/* nn/onnx/fold_arith.c - arithmetic on constants. Integers stay integers (division cuts towards 0, an
 * overflow is an error), floats are computed in double and rounded. */
#include <math.h>
#include <string.h>

#include "nn/onnx/fold.h"

typedef enum { ADD, SUB, MUL, DIV, MOD, MIN, MAX, POW, EQUAL, LESS, GREATER, AND, OR, NONE } binary;

static binary binary_of(const char *op) {
  static const char *const names[NONE] = {
      [ADD] = "Add", [SUB] = "Sub",         [MUL] = "Mul", [DIV] = "Div",     [MOD] = "Mod",
      [MIN] = "Min", [MAX] = "Max",         [POW] = "Pow", [EQUAL] = "Equal", [LESS] = "Less",
      [AND] = "And", [GREATER] = "Greater", [OR] = "Or"};
  int i = 0;
  while (i < NONE && strcmp(names[i], op) != 0) i++;
  return (binary)i;
}

/* false: overflow or division by zero. */
static bool int_result(binary op, int64_t a, int64_t b, int64_t *y) {
  switch (op) {
    case ADD:
      return !__builtin_add_overflow(a, b, y);
    case SUB:
      return !__builtin_sub_overflow(a, b, y);
    case MUL:
      return !__builtin_mul_overflow(a, b, y);
    case DIV:
    case MOD:
      if (b == 0 || (a == INT64_MIN && b == -1)) return false;
      *y = op == DIV ? a / b : a % b;
      if (op == MOD && *y != 0 && (*y < 0) != (b < 0)) *y += b; /* the sign of the divisor */
      return true;
    case MIN:
      *y = a < b ? a : b;
      return true;
    case MAX:
      *y = a > b ? a : b;
      return true;
    case POW: {
      double p = pow((double)a, (double)b);
      if (!(fabs(p) < 0x1p53)) return false;
      *y = (int64_t)p;
      return true;
    }
    case EQUAL:
      *y = a == b;
      return true;
    case LESS:
      *y = a < b;
      return true;
    case GREATER:
      *y = a > b;
      return true;
    case AND:
      *y = a && b;
      return true;
    case OR:
      *y = a || b;
      return true;
    default:
      return false;
  }
}

static double float_result(binary op, double a, double b) {
  switch (op) {
    case ADD:
      return a + b;
    case SUB:
      return a - b;
    case MUL:
      return a * b;
    case DIV:
      return a / b;
    case MOD:
      return fmod(a, b);
    case MIN:
      return fmin(a, b);
    case MAX:
      return fmax(a, b);
    default:
      return pow(a, b);
  }
}

static bool compare_result(binary op, double a, double b) {
  return op == EQUAL ? a == b : op == LESS ? a < b : a > b;
}

ap_status ap_onnx_fold_binary(const ap_onnx_graph *graph, const ap_onnx_node *node,
                              ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *a = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_tensor *b = ap_onnx_fold_input(graph, node, 1);
  ap_onnx_dims da = ap_onnx_dims_of(a), db = ap_onnx_dims_of(b), dims;
  binary op = binary_of(node->op);
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  bool compares = op == EQUAL || op == LESS || op == GREATER, logical = op == AND || op == OR;
  if (node->n_inputs != 2 || a->is_int != b->is_int || (logical && !a->is_int))
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "two inputs of one type are supported");
  ap_status st = ap_onnx_fold_broadcast(node, &da, &db, &dims, err);
  if (!st)
    st = ap_onnx_fold_grown(node, a->is_int || compares, &dims,
                            a->count > b->count ? a->count : b->count, out, err);
  for (size_t i = 0; !st && i < (*out)->count; i++, ap_onnx_step(at, dims.d, dims.n)) {
    size_t x = ap_onnx_broadcast_index(a, at, dims.n), y = ap_onnx_broadcast_index(b, at, dims.n);
    if (a->is_int) {
      if (!int_result(op, a->i[x], b->i[y], &(*out)->i[i]))
        st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%lld and %lld: overflow or division by 0",
                               (long long)a->i[x], (long long)b->i[y]);
    } else if (compares) {
      (*out)->i[i] = compare_result(op, (double)a->f[x], (double)b->f[y]);
    } else {
      (*out)->f[i] = (float)float_result(op, (double)a->f[x], (double)b->f[y]);
    }
  }
  if (st) {
    ap_onnx_tensor_destroy(*out);
    *out = NULL;
  }
  return st;
}

static double unary_result(const char *op, double x) {
  if (strcmp(op, "Abs") == 0) return fabs(x);
  if (strcmp(op, "Ceil") == 0) return ceil(x);
  if (strcmp(op, "Exp") == 0) return exp(x);
  if (strcmp(op, "Floor") == 0) return floor(x);
  if (strcmp(op, "Neg") == 0) return -x;
  if (strcmp(op, "Reciprocal") == 0) return 1.0 / x;
  if (strcmp(op, "Round") == 0) return nearbyint(x);
  return sqrt(x);
}

ap_status ap_onnx_fold_unary(const ap_onnx_graph *graph, const ap_onnx_node *node,
                             ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  bool negates = strcmp(node->op, "Neg") == 0, inverts = strcmp(node->op, "Not") == 0;
  bool absolute = strcmp(node->op, "Abs") == 0;
  if (x->is_int ? !(negates || inverts || absolute) : inverts)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "not for elements of this type");
  ap_status st = ap_onnx_tensor_create(x->is_int, x->dims, x->n_dims, out, err);
  for (size_t i = 0; !st && i < x->count; i++) {
    if (!x->is_int) {
      (*out)->f[i] = (float)unary_result(node->op, (double)x->f[i]);
    } else if (inverts) {
      (*out)->i[i] = !x->i[i];
    } else { /* in wrapping arithmetic: the lowest number stays itself */
      bool turns = negates || x->i[i] < 0;
      (*out)->i[i] = turns ? (int64_t)(0 - (uint64_t)x->i[i]) : x->i[i];
    }
  }
  return st;
}

/* A bound of Clip as an element of the type of x: an input, an attribute in old opsets, or NULL. */
static ap_status clip_bound(const ap_onnx_graph *graph, const ap_onnx_node *node, size_t input,
                            const ap_onnx_tensor *x, const ap_onnx_tensor **bound, ap_error *err) {
  *bound = ap_onnx_fold_input(graph, node, input);
  if (!*bound || ((*bound)->count == 1 && (*bound)->is_int == x->is_int)) return AP_OK;
  return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "a bound that is not one number of its type");
}

ap_status ap_onnx_fold_clip(const ap_onnx_graph *graph, const ap_onnx_node *node,
                            ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0), *lo, *hi;
  float least, most;
  ap_status st = clip_bound(graph, node, 1, x, &lo, err);
  if (!st) st = clip_bound(graph, node, 2, x, &hi, err);
  if (!st) st = ap_onnx_attr_float(node, "min", -INFINITY, &least, err);
  if (!st) st = ap_onnx_attr_float(node, "max", INFINITY, &most, err);
  if (!st) st = ap_onnx_tensor_create(x->is_int, x->dims, x->n_dims, out, err);
  if (st) return st;
  if (lo && !x->is_int) least = lo->f[0];
  if (hi && !x->is_int) most = hi->f[0];
  for (size_t i = 0; i < x->count; i++) {
    if (x->is_int) {
      int64_t v = x->i[i];
      if (lo && v < lo->i[0]) v = lo->i[0];
      (*out)->i[i] = hi && v > hi->i[0] ? hi->i[0] : v;
    } else {
      (*out)->f[i] = fminf(fmaxf(x->f[i], least), most);
    }
  }
  return AP_OK;
}

/* Types of the ONNX schema that become integers, and floats. */
static bool is_int_type(int64_t type) {
  return (type >= 2 && type <= 7) || type == 9 || type == 12 || type == 13;
}

ap_status ap_onnx_fold_cast(const ap_onnx_graph *graph, const ap_onnx_node *node,
                            ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  int64_t to;
  ap_status st = ap_onnx_attr_int(node, "to", 0, 0, 32, &to, err);
  bool to_int = is_int_type(to);
  if (!st && !to_int && to != 1 && to != 10 && to != 11 && to != 16)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "element type %lld", (long long)to);
  if (!st) st = ap_onnx_tensor_create(to_int, x->dims, x->n_dims, out, err);
  for (size_t i = 0; !st && i < x->count; i++) {
    double value = ap_onnx_tensor_get(x, i);
    if (!to_int) {
      (*out)->f[i] = (float)value;
    } else if (x->is_int) {
      (*out)->i[i] = to == 9 ? x->i[i] != 0 : x->i[i];
    } else if (fabs(value) < 0x1p62) {
      (*out)->i[i] = to == 9 ? value < 0 || value > 0 : (int64_t)value;
    } else {
      st = ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "%g as an integer", value);
      ap_onnx_tensor_destroy(*out);
      *out = NULL;
    }
  }
  return st;
}

/* Like a constant, or like the image, which is of floats. */
ap_status ap_onnx_fold_cast_like(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                 ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *x = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_tensor *like = ap_onnx_fold_input(graph, node, 1);
  if (like && like->is_int && !x->is_int)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED, "floats like integers");
  if (x->is_int == (like && like->is_int))
    return ap_onnx_tensor_reshape(x, x->dims, x->n_dims, out, err);
  ap_status st = ap_onnx_tensor_create(false, x->dims, x->n_dims, out, err);
  for (size_t i = 0; !st && i < x->count; i++) (*out)->f[i] = (float)ap_onnx_tensor_get(x, i);
  return st;
}

ap_status ap_onnx_fold_where(const ap_onnx_graph *graph, const ap_onnx_node *node,
                             ap_onnx_tensor **out, ap_error *err) {
  const ap_onnx_tensor *c = ap_onnx_fold_input(graph, node, 0);
  const ap_onnx_tensor *a = ap_onnx_fold_input(graph, node, 1);
  const ap_onnx_tensor *b = ap_onnx_fold_input(graph, node, 2);
  ap_onnx_dims dc = ap_onnx_dims_of(c), da = ap_onnx_dims_of(a), db = ap_onnx_dims_of(b), ab, dims;
  size_t at[AP_ONNX_MAX_DIMS] = {0};
  if (!c->is_int || a->is_int != b->is_int)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "inputs of types that do not fit");
  ap_status st = ap_onnx_fold_broadcast(node, &da, &db, &ab, err);
  if (!st) st = ap_onnx_fold_broadcast(node, &dc, &ab, &dims, err);
  if (!st) st = ap_onnx_fold_grown(node, a->is_int, &dims, 0, out, err);
  for (size_t i = 0; !st && i < (*out)->count; i++, ap_onnx_step(at, dims.d, dims.n)) {
    const ap_onnx_tensor *from = c->i[ap_onnx_broadcast_index(c, at, dims.n)] ? a : b;
    ap_onnx_tensor_move(*out, i, from, ap_onnx_broadcast_index(from, at, dims.n));
  }
  return st;
}
