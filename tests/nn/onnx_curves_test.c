/* Activations made of curves, in the forms that exporters write: what they become, and that they come back. */
#include <math.h>

#include "tests/nn/onnx_forms.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s: %s", ap_status_name(st), failure.text);
}

/* "Relu r", then the nodes of the case up to value "h", and the head. */
static void begin(onnx_model *m) {
  model_begin(m);
  m->opset = 18;
  model_floats(m, "root", INTS(1), (const float[]){1.41421354f});
  model_floats(m, "inverse", INTS(1), (const float[]){0.70710677f});
  model_floats(m, "one", INTS(1), (const float[]){1});
  model_floats(m, "half", INTS(1), (const float[]){0.5f});
  model_floats(m, "three", INTS(1), (const float[]){3});
  model_floats(m, "zero", INTS(1), (const float[]){0});
  model_node(m, "Relu", "first", "image", "r", NULL);
}

/* image, Relu, the curve of it, their product; nothing else before the head. */
static void is_gated(const ap_network *net, ap_curve curve, const char *name) {
  begins_with(net, (const ap_node_kind[]){AP_NODE_RELU, AP_NODE_CURVE, AP_NODE_MULTIPLY}, 3);
  assert_int_equal(net->nodes[2].curve, curve);
  assert_string_equal(net->nodes[2].name, name);
  assert_int_equal(net->nodes[2].inputs[0], 1);
  assert_true(net->nodes[3].inputs[0] + net->nodes[3].inputs[1] == 3); /* 1 and 2 */
}

/* GELU written with Erf: divided or multiplied, halved in front, behind or in between, the factors in either order. */
static void test_gelu(void **state) {
  (void)state;
  for (int form = 0; form < 16; form++) {
    onnx_model m;
    begin(&m);
    if (form & 1)
      model_node(&m, "Div", "scaled", "r root", "s", NULL);
    else
      model_node(&m, "Mul", "scaled", "inverse r", "s", NULL);
    model_node(&m, "Erf", "erf", "s", "e", NULL);
    model_node(&m, "Add", "raised", "e one", "u", NULL);
    const char *x = "r", *u = "u", *y = "h";
    if (form / 4 == 0) {
      model_node(&m, "Mul", "halved", "half u", "u2", NULL);
      u = "u2";
    } else if (form / 4 == 1) {
      model_node(&m, "Mul", "halved", "r half", "x2", NULL);
      x = "x2";
    } else {
      y = "z";
    }
    char both[16];
    (void)snprintf(both, sizeof both, "%s %s", form & 2 ? x : u, form & 2 ? u : x);
    model_node(&m, "Mul", "product", both, y, NULL);
    if (form / 4 == 2) model_node(&m, "Mul", "behind", "z half", "h", NULL);
    if (form / 4 == 3) model_node(&m, "Div", "behind", "z two", "h", NULL);
    model_floats(&m, "two", INTS(1), (const float[]){2});
    model_head(&m, "h", 3);
    ap_network *net = import(&m);
    is_gated(net, AP_CURVE_NORMAL, "erf");
    ap_network_destroy(net);
  }
}

/* A value that something else reads keeps its factor: erf(x / sqrt(2)) twice, once as it is. */
static void test_shared_erf(void **state) {
  onnx_model m;
  (void)state;
  begin(&m);
  model_node(&m, "Mul", "scaled", "inverse r", "s", NULL);
  model_node(&m, "Erf", "erf", "s", "e", NULL);
  model_node(&m, "Add", "raised", "e one", "u", NULL);
  model_node(&m, "Mul", "product", "u r", "p", NULL);
  model_node(&m, "Add", "sum", "p u", "q", NULL); /* u has two readers: 2 Phi as it is */
  model_node(&m, "Add", "all", "q s", "h", NULL);
  model_head(&m, "h", 3);
  ap_network *net = import(&m);
  const ap_node *n = net->nodes;
  const ap_node_kind kinds[] = {AP_NODE_RELU,      AP_NODE_BATCHNORM, AP_NODE_CURVE,
                                AP_NODE_BATCHNORM, AP_NODE_MULTIPLY,  AP_NODE_ADD,
                                AP_NODE_ADD};
  begins_with(net, kinds, 7);
  assert_true(n[3].inputs[0] == 1 && n[4].weight[1] == 2 && fabsf(n[4].bias[1]) < 1e-7f);
  ap_network_destroy(net);
}

static void test_mish(void **state) {
  onnx_model m;
  (void)state;
  begin(&m);
  model_node(&m, "Softplus", "soft", "r", "s", NULL);
  model_node(&m, "Tanh", "tanh", "s", "t", NULL);
  model_node(&m, "Mul", "product", "r t", "h", NULL);
  model_head(&m, "h", 3);
  ap_network *net = import(&m);
  is_gated(net, AP_CURVE_MISH, "tanh");
  ap_network_destroy(net);
}

static void test_exp(void **state) {
  (void)state;
  for (int clip = 0; clip < 2; clip++) {
    onnx_model m;
    begin(&m);
    if (clip)
      model_node(&m, "Clip", "low", "image  zero", "s", NULL);
    else
      model_node(&m, "Min", "low", "zero image", "s", NULL);
    model_node(&m, "Exp", "exp", "s", "h", NULL);
    model_head(&m, "h", 3);
    ap_network *net = import(&m);
    begins_with(net, (const ap_node_kind[]){AP_NODE_CURVE}, 1);
    assert_int_equal(net->nodes[1].curve, AP_CURVE_DECAY);
    ap_network_destroy(net);
  }
}

/* The tanh form of GELU against its formula, in double, by the network's own nodes. */
static double value_of(const ap_network *net, size_t i, double x) {
  const ap_node *n = &net->nodes[i];
  float scale = 0, shift = 0;
  if (n->kind == AP_NODE_BATCHNORM) scale = n->weight[0], shift = n->bias[0];
  switch (n->kind) {
    case AP_NODE_INPUT:
      return x;
    case AP_NODE_RELU:
      return fmax(value_of(net, n->inputs[0], x), 0);
    case AP_NODE_BATCHNORM:
      return value_of(net, n->inputs[0], x) * (double)scale + (double)shift;
    case AP_NODE_ADD:
      return value_of(net, n->inputs[0], x) + value_of(net, n->inputs[1], x);
    case AP_NODE_MULTIPLY:
      return value_of(net, n->inputs[0], x) * value_of(net, n->inputs[1], x);
    case AP_NODE_CURVE:
      return ap_curve_exact(n->curve, value_of(net, n->inputs[0], x));
    default:
      fail_msg("node %s", n->name);
      return NAN;
  }
}

static double gelu_tanh(double x) {
  return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}
static double gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2.0))); }
static double elu(double x) { return x > 0 ? x : 0.5 * expm1(x); }
static double celu(double x) { return fmax(0, x) + fmin(0, 0.5 * expm1(x / 0.5)); }
static double selu(double x) {
  return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
}
static double mish(double x) { return x * tanh(log1p(exp(x))); }
static double softplus(double x) { return log1p(exp(x)); }
static double softsign(double x) { return x / (1 + fabs(x)); }
static double least(double x) { return fmin(x, 3); }
static double negative(double x) { return -x; }
static double cube(double x) { return x * x * x; }

static void test_values(void **state) {
  static const struct {
    const char *op, *inputs, *attribute;
    float number;
    double (*of)(double);
  } cases[] = {{"Gelu", "image", "tanh", 0, gelu_tanh}, {"Gelu", "image", "none", 0, gelu},
               {"Erf", "image", NULL, 0, erf},          {"Elu", "image", "alpha", 0.5f, elu},
               {"Celu", "image", "alpha", 0.5f, celu},  {"Selu", "image", NULL, 0, selu},
               {"Mish", "image", NULL, 0, mish},        {"Tanh", "image", NULL, 0, tanh},
               {"Min", "image three", NULL, 0, least},  {"Neg", "image", NULL, 0, negative},
               {"Pow", "image three", NULL, 0, cube},   {"Softplus", "image", NULL, 0, softplus},
               {"Abs", "image", NULL, 0, fabs},         {"Softsign", "image", NULL, 0, softsign}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    wire a = {0};
    if (strcmp(cases[i].op, "Gelu") == 0)
      attr_text(&a, "approximate", cases[i].attribute);
    else if (cases[i].attribute)
      attr_float(&a, cases[i].attribute, cases[i].number);
    ap_network *net = one_node(cases[i].op, cases[i].inputs, &a);
    for (int k = -16; k <= 16; k++) {
      const double x = k * 0.37;
      const double got = value_of(net, net->n_nodes - 3, x), want = cases[i].of(x);
      if (!(fabs(got - want) < 3e-6 * (1 + fabs(want))))
        fail_msg("%s(%g) is %.9g, expected %.9g", cases[i].op, x, got, want);
    }
    ap_network_destroy(net);
  }
}

/* A Softplus with a Tanh and another reader; at the end of the graph; of |x| and of -|x|, which is a curve. */
static void test_softplus(void **state) {
  onnx_model m;
  (void)state;
  begin(&m);
  model_node(&m, "Softplus", "soft", "r", "s", NULL);
  model_node(&m, "Tanh", "tanh", "s", "t", NULL);
  model_node(&m, "Add", "sum", "t s", "h", NULL);
  model_head(&m, "h", 3);
  ap_network *net = import(&m);
  size_t found[AP_CURVES] = {0};
  for (size_t i = 0; i < net->n_nodes; i++)
    if (net->nodes[i].kind == AP_NODE_CURVE) found[net->nodes[i].curve]++;
  assert_true(found[AP_CURVE_MISH] == 1 && found[AP_CURVE_BEND] == 1);
  ap_network_destroy(net);
  for (int negative = 0; negative < 2; negative++) {
    begin(&m);
    model_node(&m, "Abs", "abs", "image", "a", NULL);
    if (negative) model_node(&m, "Neg", "neg", "a", "b", NULL);
    model_node(&m, "Softplus", "soft", negative ? "b" : "a", "h", NULL);
    model_head(&m, "h", 3);
    net = import(&m);
    if (negative) begins_with(net, (const ap_node_kind[]){AP_NODE_CURVE}, 1);
    for (int k = -16; k <= 16; k++) {
      const double x = k * 0.37, got = value_of(net, net->n_nodes - 3, x);
      assert_true(fabs(got - softplus(negative ? -fabs(x) : fabs(x))) < 3e-6);
    }
    ap_network_destroy(net);
  }
}

/* Written and read again, every curve is the node it was, of its name. */
static void test_round_trip(void **state) {
  (void)state;
  for (int c = AP_CURVE_LOGISTIC; c < AP_CURVES; c++)
    for (int gated = 0; gated < 2; gated++) {
      ap_network *net = NULL, *again = NULL;
      json_t *metadata = NULL;
      char hash[65], other[65];
      must(ap_network_create("curve", (ap_shape3){2, 4, 4}, &net, &failure));
      float gamma[2] = {2, 0.3f}, beta[2] = {0.1f, 0};
      add_node(net, (ap_node){.kind = AP_NODE_BATCHNORM, .weight = gamma, .bias = beta}, "norm", 0,
               0);
      add_node(net, (ap_node){.kind = AP_NODE_CURVE, .curve = (ap_curve)c}, "curve.raised", 1, 0);
      if (gated) add_node(net, (ap_node){.kind = AP_NODE_MULTIPLY}, "product", 1, 2);
      add_node(net, (ap_node){.kind = AP_NODE_FLATTEN}, "flat", net->n_nodes - 1, 0);
      add_node(net, (ap_node){.kind = AP_NODE_LINEAR, .shape.c = 3}, "fc", net->n_nodes - 1, 0);
      add_node(net, (ap_node){.kind = AP_NODE_CURVE, .curve = (ap_curve)c}, "last",
               net->n_nodes - 1, 0);
      must(ap_onnx_export(scratch_path("curve.onnx"), net, NULL, true, &failure));
      must(ap_onnx_import(scratch_path("curve.onnx"), &again, &metadata, &failure));
      must(ap_network_hash(net, hash, &failure));
      must(ap_network_hash(again, other, &failure));
      if (strcmp(hash, other) != 0) fail_msg("%s changed", ap_curve_name((ap_curve)c));
      json_decref(metadata);
      ap_network_destroy(again);
      again = NULL;
      /* and in a model file */
      must(ap_model_save(scratch_path("curve.apm"), net, NULL, 32, true, &failure));
      must(ap_model_load(scratch_path("curve.apm"), &again, &metadata, &failure));
      must(ap_network_hash(again, other, &failure));
      assert_string_equal(hash, other);
      json_decref(metadata);
      ap_network_destroy(again);
      ap_network_destroy(net);
    }
}

static void refused(const char *op, const char *inputs, const char *attribute, const char *value,
                    const char *says) {
  onnx_model m;
  wire a = {0};
  ap_network *net = NULL;
  ap_error err = {0};
  begin(&m);
  if (attribute && *value >= 'a') attr_text(&a, attribute, value);
  if (attribute && *value < 'a') attr_float(&a, attribute, strtof(value, NULL));
  model_node(&m, op, "n", inputs, "h", &a);
  model_head(&m, "h", 3);
  assert_int_not_equal(model_import(&m, &net, &err), AP_OK);
  if (!strstr(err.text, says)) fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void test_refused(void **state) {
  (void)state;
  refused("Exp", "r", NULL, NULL, "node n (Exp): of numbers that may be above 0");
  refused("Reciprocal", "r", NULL, NULL, "node n (Reciprocal): of numbers that may be 0");
  refused("Gelu", "r", "approximate", "sigmoid", "approximate is \"sigmoid\"");
  refused("Celu", "r", "alpha", "0", "node n (Celu): alpha 0");
  refused("Elu", "r", "alpha", "inf", "alpha");
  refused("Pow", "r half", NULL, NULL, "node n (Pow): exponents");
  refused("Pow", "r r", NULL, NULL, "node n (Pow): exponents");
  refused("Tanh", "", NULL, NULL, "node n (Tanh)");
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gelu),    cmocka_unit_test(test_shared_erf),
      cmocka_unit_test(test_mish),    cmocka_unit_test(test_exp),
      cmocka_unit_test(test_values),  cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_refused), cmocka_unit_test(test_softplus),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
