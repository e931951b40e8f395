/* What is computed from constants, by hand and by the operators' definitions; and initialisers of every
 * element type, as raw bytes and in the typed fields. */
#include <math.h>

#include "base/alloc.h"
#include "base/half.h"
#include "nn/onnx/fold.h"
#include "tests/nn/onnx_writer.h"

static ap_onnx_graph *graph;
static ap_onnx_node *node;
static size_t n_values;

static void begin(const char *op, size_t n_inputs, size_t n_attrs) {
  ap_error err;
  ap_onnx_graph_destroy(graph);
  n_values = 0;
  assert_int_equal(ap_onnx_graph_create(&graph, &err), AP_OK);
  graph->n_read = 100;
  assert_int_equal(ap_onnx_graph_node(graph, "n", op, n_inputs, 1, n_attrs, &node, &err), AP_OK);
  assert_int_equal(ap_onnx_graph_value(graph, "out", &node->outputs[0], &err), AP_OK);
  node->n_attrs = 0;
}

/* The next input: ints or floats (the other NULL) of the dimensions d0, d1 (0: not there). */
static void input(const int64_t *ints, const float *floats, size_t d0, size_t d1) {
  char name[24];
  ap_onnx_tensor *tensor;
  const size_t dims[2] = {d0, d1};
  (void)snprintf(name, sizeof name, "in%zu", n_values);
  assert_int_equal(
      ap_onnx_tensor_create(ints != NULL, dims, (size_t)(d0 > 0) + (d1 > 0), &tensor, NULL), AP_OK);
  for (size_t i = 0; i < tensor->count; i++) {
    if (ints) tensor->i[i] = ints[i];
    if (floats) tensor->f[i] = floats[i];
  }
  assert_int_equal(ap_onnx_graph_value(graph, name, &node->inputs[n_values], NULL), AP_OK);
  assert_int_equal(ap_onnx_graph_set_constant(graph, node->inputs[n_values++], tensor, NULL),
                   AP_OK);
}

static void list(const int64_t *ints, size_t n) { input(ints, NULL, n, 0); }

static ap_onnx_attr *attribute(const char *name, ap_onnx_attr_kind kind) {
  size_t i = node->n_attrs++; /* there is room */
  node->attrs[i].name = ap_strdup(name);
  node->attrs[i].kind = kind;
  return &node->attrs[i];
}

static void number(const char *name, int64_t value) {
  attribute(name, AP_ONNX_ATTR_INT)->i = value;
}

static void numbers(const char *name, const int64_t *values, size_t n) {
  ap_onnx_attr *attr = attribute(name, AP_ONNX_ATTR_INTS);
  attr->n = n;
  attr->ints = ap_calloc(n, sizeof *attr->ints);
  memcpy(attr->ints, values, n * sizeof *values);
}

static const ap_onnx_tensor *result(size_t d0, size_t d1) {
  ap_error err = {0};
  if (ap_onnx_fold(graph, node, &err)) fail_msg("%s", err.text);
  const ap_onnx_tensor *y = graph->values[node->outputs[0]].constant;
  assert_int_equal(y->n_dims, (size_t)(d0 > 0) + (d1 > 0));
  if (d0) assert_int_equal(y->dims[0], d0);
  if (d1) assert_int_equal(y->dims[1], d1);
  return y;
}

static void gives(const int64_t *values, size_t n, size_t d0, size_t d1) {
  const ap_onnx_tensor *y = result(d0, d1);
  assert_int_equal(y->count, n);
  for (size_t i = 0; i < n; i++) {
    if (ap_onnx_tensor_get(y, i) != (double)values[i])
      fail_msg("%s: element %zu is %g, expected %lld", node->op, i, ap_onnx_tensor_get(y, i),
               (long long)values[i]);
  }
}

static void fails(const char *says) {
  ap_error err = {0};
  ap_status st = ap_onnx_fold(graph, node, &err);
  if (!st || !strstr(err.text, says) || !strstr(err.text, "node n ("))
    fail_msg("%s: \"%s\" expected, got %s", node->op, says, err.text);
  assert_null(graph->values[node->outputs[0]].constant);
}

static void ints2(const char *op, const int64_t *a, size_t n, const int64_t *b, size_t m) {
  begin(op, 2, 2);
  input(a, NULL, n, 0);
  input(b, NULL, m, 0);
}

static void test_arithmetic(void **state) {
  const float halves[] = {7.5f, -7.5f};
  (void)state;
  ints2("Add", INTS(1, 2, 3), INTS(10));
  gives(INTS(11, 12, 13), 3, 0);
  ints2("Sub", INTS(5), INTS(1, 2));
  gives(INTS(4, 3), 2, 0);
  ints2("Div", INTS(7, -7, 7, -7), INTS(2, 2, -2, -2)); /* towards 0 */
  gives(INTS(3, -3, -3, 3), 4, 0);
  ints2("Mod", INTS(7, -7, 7, -7, 6), INTS(3, 3, -3, -3, 3)); /* the sign of the divisor */
  gives(INTS(1, 2, -2, -1, 0), 5, 0);
  ints2("Min", INTS(1, 5), INTS(3, 3));
  gives(INTS(1, 3), 2, 0);
  ints2("Max", INTS(1, 5), INTS(3, 3));
  gives(INTS(3, 5), 2, 0);
  ints2("Equal", INTS(1, 5), INTS(1, 3));
  gives(INTS(1, 0), 2, 0);
  ints2("Less", INTS(1, 5), INTS(2, 2));
  gives(INTS(1, 0), 2, 0);
  ints2("Pow", INTS(2, -3), INTS(10, 3));
  gives(INTS(1024, -27), 2, 0);
  ints2("Div", INTS(1, 1), INTS(1, 0));
  fails("overflow or division by 0");
  ints2("Div", INTS(INT64_MIN), INTS(-1));
  fails("overflow or division by 0");
  ints2("Mul", INTS(INT64_MAX), INTS(2));
  fails("overflow");
  ints2("Add", INTS(1, 2), INTS(1, 2, 3));
  fails("sizes 2 and 3 do not fit");
  begin("Mul", 2, 0); /* [2, 1] * [3]: an outer product */
  input((const int64_t[]){2, 3}, NULL, 2, 1);
  input((const int64_t[]){5, 7, 11}, NULL, 3, 0);
  gives(INTS(10, 14, 22, 15, 21, 33), 2, 3);
  begin("Div", 2, 0);
  input(NULL, halves, 2, 0);
  input(NULL, (const float[]){2.5f}, 1, 0);
  gives(INTS(3, -3), 2, 0);
  begin("Add", 2, 0);
  input(NULL, halves, 2, 0);
  list(INTS(1));
  fails("two inputs of one type");
}

static void test_types_and_shapes(void **state) {
  const float floats[] = {1.9f, -1.9f, 0, 4};
  (void)state;
  begin("Cast", 1, 1);
  input(NULL, floats, 4, 0);
  number("to", 7);
  gives(INTS(1, -1, 0, 4), 4, 0);
  begin("Cast", 1, 1);
  input(NULL, floats, 2, 2);
  number("to", 9);
  gives(INTS(1, 1, 0, 1), 2, 2);
  begin("Cast", 1, 1);
  input(NULL, (const float[]){1e30f}, 1, 0);
  number("to", 6);
  fails("as an integer");
  begin("Neg", 1, 0);
  list(INTS(1, INT64_MIN));
  gives(INTS(-1, INT64_MIN), 2, 0);
  begin("Sqrt", 1, 0);
  input(NULL, (const float[]){9, 16}, 2, 0);
  gives(INTS(3, 4), 2, 0);
  begin("Clip", 3, 0);
  list(INTS(-5, 2, 9));
  list(INTS(0));
  list(INTS(7));
  gives(INTS(0, 2, 7), 3, 0);
  begin("Clip", 1, 1);
  input(NULL, (const float[]){-3, 3}, 2, 0);
  attribute("max", AP_ONNX_ATTR_FLOAT)->f = 1;
  gives(INTS(-3, 1), 2, 0);
  begin("Clip", 2, 0);
  list(INTS(-5, 2));
  input(NULL, floats, 1, 0);
  fails("a bound that is not one number");
  begin("Shape", 1, 2);
  input(NULL, floats, 2, 2);
  gives(INTS(2, 2), 2, 0);
  begin("Shape", 1, 2);
  input(NULL, floats, 1, 4);
  number("start", -1);
  gives(INTS(4), 1, 0);
  begin("Size", 1, 0);
  input(NULL, floats, 2, 2);
  gives(INTS(4), 0, 0);
  begin("ReduceProd", 1, 1);
  list(INTS(2, 3, 7));
  number("keepdims", 0);
  gives(INTS(42), 0, 0);
  begin("Range", 3, 0);
  list(INTS(5));
  list(INTS(-1));
  list(INTS(-2));
  gives(INTS(5, 3, 1), 3, 0);
  begin("Range", 3, 0);
  list(INTS(0));
  list(INTS(1));
  list(INTS(0));
  fails("a range of");
  begin("ConstantOfShape", 1, 1);
  list(INTS(2, 3));
  gives(INTS(0, 0, 0, 0, 0, 0), 2, 3);
  begin("ConstantOfShape", 1, 1);
  list(INTS(2, -3));
  fails("dimension -3");
  begin("Where", 3, 0);
  list(INTS(1, 0, 1));
  list(INTS(1, 2, 3));
  list(INTS(9));
  gives(INTS(1, 9, 3), 3, 0);
  begin("LSTM", 1, 0);
  list(INTS(1));
  fails("not computed for constants");
}

static void test_reductions(void **state) {
  const float floats[] = {3, -4, 5, 12, 1, 1};
  (void)state;
  begin("ReduceSum", 1, 2);
  input((const int64_t[]){1, 2, 3, 4, 5, 6}, NULL, 2, 3);
  numbers("axes", INTS(-1));
  gives(INTS(6, 15), 2, 1);
  begin("ReduceMax", 1, 2);
  input((const int64_t[]){1, -2, 9, 4, 5, 6}, NULL, 2, 3);
  numbers("axes", INTS(0));
  number("keepdims", 0);
  gives(INTS(4, 5, 9), 3, 0);
  begin("ReduceMin", 1, 1);
  input(NULL, floats, 3, 2);
  numbers("axes", INTS(1));
  gives(INTS(-4, 5, 1), 3, 1);
  begin("ReduceMean", 1, 1);
  input(NULL, floats, 3, 2);
  numbers("axes", INTS(0));
  gives(INTS(3, 3), 1, 2);
  begin("ReduceMean", 1, 1);
  input(NULL, floats, 3, 2);
  number("keepdims", 0);
  gives(INTS(3), 0, 0);
  begin("ReduceL2", 2, 1);
  input(NULL, floats, 3, 2);
  list(INTS(1));
  number("keepdims", 0);
  assert_true(fabs((double)result(3, 0)->f[0] - 5) < 1e-6);
  begin("ReduceProd", 1, 2);
  input(NULL, floats, 3, 2);
  number("noop_with_empty_axes", 1);
  gives(INTS(3, -4, 5, 12, 1, 1), 3, 2);
  begin("ReduceProd", 1, 0);
  list(INTS(INT64_MAX, 2));
  fails("overflow");
  begin("ReduceMean", 1, 0);
  list(INTS(1, 2));
  fails("not for elements of this type");
  begin("ReduceSum", 1, 1);
  list(INTS(1, 2));
  numbers("axes", INTS(1));
  fails("axis 1 of a tensor of 1 dimensions");
  begin("ReduceSum", 1, 0);
  list(INTS(1, 2));
  graph->n_reduced = (size_t)1 << 25; /* by nodes before it */
  fails("elements of reduced constants");
}

static void test_moves(void **state) {
  const int64_t six[] = {0, 1, 2, 3, 4, 5};
  (void)state;
  begin("Transpose", 1, 1);
  input(six, NULL, 2, 3);
  gives(INTS(0, 3, 1, 4, 2, 5), 3, 2);
  begin("Slice", 5, 0); /* backwards, and every second */
  input(six, NULL, 2, 3);
  list(INTS(-1, 0));
  list(INTS(INT64_MIN, 100));
  list(INTS(0, 1));
  list(INTS(-1, 2));
  gives(INTS(3, 5, 0, 2), 2, 2);
  begin("Slice", 3, 0); /* nothing */
  input(six, NULL, 6, 0);
  list(INTS(4));
  list(INTS(2));
  ap_error err;
  assert_int_equal(ap_onnx_fold(graph, node, &err), AP_OK);
  assert_int_equal(graph->values[node->outputs[0]].constant->count, 0);
  begin("Gather", 2, 1);
  input(six, NULL, 2, 3);
  list(INTS(-1, 0));
  number("axis", 1);
  gives(INTS(2, 0, 5, 3), 2, 2);
  begin("Gather", 2, 1);
  input(six, NULL, 6, 0);
  list(INTS(6));
  fails("index 6 of 6");
  begin("Concat", 2, 1);
  input(six, NULL, 2, 1);
  input(six, NULL, 2, 2);
  number("axis", -1);
  gives(INTS(0, 0, 1, 1, 2, 3), 2, 3);
  begin("Concat", 2, 1);
  input(six, NULL, 2, 1);
  input(six, NULL, 3, 2);
  number("axis", 1);
  fails("input 1 does not fit");
  begin("Concat", 1, 0);
  input(six, NULL, 2, 0);
  fails("attribute axis is missing");
  begin("Expand", 2, 0);
  input(six, NULL, 2, 1);
  list(INTS(1, 3));
  gives(INTS(0, 0, 0, 1, 1, 1), 2, 3);
  begin("Reshape", 2, 0);
  input(six, NULL, 6, 0);
  list(INTS(-1, 2));
  gives(six, 6, 3, 2);
  begin("Reshape", 2, 0);
  input(six, NULL, 6, 0);
  list(INTS(4, -1));
  fails("cannot be given");
  begin("Unsqueeze", 1, 1);
  input(six, NULL, 6, 0);
  numbers("axes", INTS(-1));
  gives(six, 6, 6, 1);
  begin("Squeeze", 1, 1);
  input(six, NULL, 1, 6);
  gives(six, 6, 6, 0);
  begin("Squeeze", 1, 1);
  input(six, NULL, 1, 6);
  numbers("axes", INTS(1));
  fails("dimension 1 is 6, not 1");
  begin("Flatten", 1, 1);
  input(six, NULL, 6, 0);
  number("axis", 0);
  gives(six, 6, 1, 6);
}

/* Weights 3 x 3 x 1 x 1 of every type through a Cast to float: 0, 1, ... 8 and, where there are
 * fractions or signs, halves and negatives. */
static const struct {
  int type,
      field; /* of the schema; the typed field: 4 floats, 5 int32, 7 int64, 10 doubles, 11 uint64 */
  size_t width;
  bool fractions, negatives;
} types[] = {{1, 4, 4, true, true},     {2, 5, 1, false, false},   {3, 5, 1, false, true},
             {4, 5, 2, false, false},   {5, 5, 2, false, true},    {6, 5, 4, false, true},
             {7, 7, 8, false, true},    {10, 5, 2, true, true},    {11, 10, 8, true, true},
             {12, 11, 4, false, false}, {13, 11, 8, false, false}, {16, 5, 2, true, true}};

static uint64_t bits_of(int type, double value) {
  uint64_t bits = 0;
  float narrow = (float)value;
  if (type == 11) {
    memcpy(&bits, &value, sizeof value);
  } else if (type == 1 || type == 16) {
    memcpy(&bits, &narrow, sizeof narrow);
    if (type == 16) bits >>= 16;
  } else if (type == 10) {
    bits = ap_half_from_float(narrow);
  } else {
    bits = (uint64_t)(int64_t)value;
  }
  return bits;
}

static void test_types(void **state) {
  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    for (int typed = 0; typed < 2; typed++) {
      onnx_model m;
      wire w = tensor_head("w", types[t].type, INTS(3, 3, 1, 1)), raw = {0}, a = {0};
      double values[9];
      ap_network *net = NULL;
      ap_error err;
      for (size_t i = 0; i < 9; i++) {
        values[i] = (double)i * (types[t].fractions ? 0.5 : 1.0);
        if (types[t].negatives && i % 2) values[i] = -values[i];
        uint64_t bits = bits_of(types[t].type, values[i]);
        if (!typed || types[t].field == 4 || types[t].field == 10) {
          wire_raw(&raw, &bits, types[t].width); /* packed, and little-endian as this machine */
        } else {
          wire_varint(&raw, bits);
        }
      }
      wire_block(&w, typed ? (unsigned)types[t].field : 9, raw.bytes, raw.n);
      free(raw.bytes);
      model_begin(&m);
      wire_part(&m.graph, 5, &w);
      attr_int(&a, "to", 1);
      model_node(&m, "Cast", "cast", "w", "f", &a);
      model_node(&m, "Conv", "conv", "image f", "h", NULL);
      model_head(&m, "h", 3);
      if (model_import(&m, &net, &err)) fail_msg("type %d: %s", types[t].type, err.text);
      for (size_t i = 0; i < 9; i++) assert_true((double)net->nodes[1].weight[i] == values[i]);
      ap_network_destroy(net);
    }
  }
}

static int end(void **state) {
  ap_onnx_graph_destroy(graph);
  graph = NULL;
  return scratch_remove(state);
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_types_and_shapes),
      cmocka_unit_test(test_reductions), cmocka_unit_test(test_moves),
      cmocka_unit_test(test_types),
  };
  return cmocka_run_group_tests(tests, scratch_make, end);
}
