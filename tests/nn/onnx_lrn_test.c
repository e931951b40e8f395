/* LRN: what its nodes compute, against its formula in double; what is refused. */
#include <math.h>
#include <string.h>

#include "tests/nn/onnx_forms.h"

enum { CHANNELS = 3, MOST = 16 };

/* The channels of a pixel of node i, where those of the image are x. Returns how many. */
static size_t column_of(const ap_network *net, size_t i, const double *x, double *out) {
  const ap_node *n = &net->nodes[i];
  double a[MOST] = {0}, b[MOST] = {0};
  assert_in_range(n->shape.c, 1, MOST);
  if (n->n_inputs > 0) column_of(net, n->inputs[0], x, a);
  if (n->n_inputs > 1) column_of(net, n->inputs[1], x, b);
  for (size_t c = 0; c < n->shape.c; c++) {
    const size_t from = c - n->channels_before; /* wraps below */
    switch (n->kind) {
      case AP_NODE_INPUT:
        out[c] = x[c];
        break;
      case AP_NODE_RELU:
        out[c] = fmax(a[c], 0);
        break;
      case AP_NODE_BATCHNORM:
        out[c] = a[c] * (double)n->weight[c] + (double)n->bias[c];
        break;
      case AP_NODE_ADD:
        out[c] = a[c] + b[c];
        break;
      case AP_NODE_MULTIPLY:
        out[c] = a[c] * b[c];
        break;
      case AP_NODE_GATHER:
        out[c] = a[n->picks[c]];
        break;
      case AP_NODE_SHORTCUT:
        out[c] = from < net->nodes[n->inputs[0]].shape.c ? a[from] : 0;
        break;
      case AP_NODE_CURVE:
        out[c] = ap_curve_exact(n->curve, a[c]);
        break;
      default:
        fail_msg("node %s", n->name);
    }
  }
  return n->shape.c;
}

static void test_values(void **state) {
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 9};
  (void)state;
  for (size_t k = 0; k < 4 * sizeof sizes / sizeof sizes[0]; k++) {
    const int64_t size = sizes[k / 4];
    const double beta = k & 1 ? 1 : 0.75, bias = k & 2 ? 2 : 1, alpha = 0.7;
    onnx_model m;
    wire a = {0};
    model_begin(&m);
    attr_int(&a, "size", size);
    attr_float(&a, "alpha", (float)alpha);
    attr_float(&a, "beta", (float)beta);
    attr_float(&a, "bias", (float)bias);
    model_node(&m, "LRN", "lrn", "image", "n", &a);
    model_node(&m, "Add", "sum", "n image", "h", NULL); /* the image has another reader */
    model_head(&m, "h", 3);
    ap_network *net = import(&m);
    const double x[CHANNELS] = {1.5, -0.8, 2.25};
    double got[MOST];
    assert_int_equal(column_of(net, net->n_nodes - 3, x, got), CHANNELS);
    for (int c = 0; c < CHANNELS; c++) {
      double squares = 0;
      for (int i = c - (int)(size - 1) / 2; i <= c + (int)size / 2; i++)
        if (i >= 0 && i < CHANNELS) squares += x[i] * x[i];
      const double want = x[c] + x[c] / pow(bias + alpha / (double)size * squares, beta);
      if (!(fabs(got[c] - want) < 1e-6))
        fail_msg("size %d, beta %g, bias %g: channel %d is %.9g, expected %.9g", (int)size, beta,
                 bias, c, got[c], want);
    }
    ap_network_destroy(net);
  }
}

/* What is left out has ONNX's defaults. */
static void test_defaults(void **state) {
  onnx_model m;
  wire a = {0};
  const double x[CHANNELS] = {100, 0, -50};
  double got[MOST];
  (void)state;
  model_begin(&m);
  attr_int(&a, "size", 1);
  model_node(&m, "LRN", "lrn", "image", "h", &a);
  model_head(&m, "h", 3);
  ap_network *net = import(&m);
  (void)column_of(net, net->n_nodes - 3, x, got);
  assert_true(fabs(got[0] - 100 / pow(2, 0.75)) < 1e-4 && fabs(got[1]) < 1e-9);
  assert_true(fabs(got[2] + 50 / pow(1.25, 0.75)) < 1e-4);
  ap_network_destroy(net);
}

static void refused(int64_t size, float alpha, float beta, float bias, const char *says) {
  onnx_model m;
  wire a = {0};
  ap_network *net = NULL;
  ap_error err = {0};
  model_begin(&m);
  if (size) attr_int(&a, "size", size);
  attr_float(&a, "alpha", alpha);
  attr_float(&a, "beta", beta);
  attr_float(&a, "bias", bias);
  model_node(&m, "LRN", "lrn", "image", "h", &a);
  model_head(&m, "h", 3);
  assert_int_not_equal(model_import(&m, &net, &err), AP_OK);
  assert_non_null(strstr(err.text, "node lrn (LRN)"));
  if (!strstr(err.text, says)) fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void test_refused(void **state) {
  (void)state;
  refused(0, 1, 0.75f, 1, "size is missing");
  refused(-3, 1, 0.75f, 1, "size");
  refused(INT64_MAX, 1, 0.75f, 1, "size");
  refused(5, 1, 0.5f, 1, "beta 0.5");
  refused(5, 1, NAN, 1, "beta");
  refused(5, -1, 0.75f, 1, "alpha -1");
  refused(5, NAN, 0.75f, 1, "alpha");
  refused(5, 1, 0.75f, 0, "bias 0");
}

int main(void) {
  SKIP_WITHOUT_ONNX();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
