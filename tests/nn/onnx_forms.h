/* tests/nn/onnx_forms.h - networks of a few nodes, written as ONNX and read again. */
#ifndef AP_TESTS_NN_ONNX_FORMS_H
#define AP_TESTS_NN_ONNX_FORMS_H
#include <math.h>

#include "tests/nn/model_testing.h"
#include "tests/nn/onnx_writer.h"

static inline ap_network *import(onnx_model *m) {
  ap_network *net = NULL;
  ap_error err = {0};
  if (model_import(m, &net, &err)) fail_msg("%s", err.text);
  return net;
}

/* The kinds of all nodes between the image and the head that model_head adds. */
static inline void begins_with(const ap_network *net, const ap_node_kind *kinds, size_t n) {
  assert_int_equal(net->n_nodes, 1 + n + 2); /* image, pool, linear */
  for (size_t i = 0; i < n; i++) assert_int_equal(net->nodes[1 + i].kind, kinds[i]);
}

/* The network of "Relu r, OP n, head": the node of OP. */
static inline ap_network *one_node(const char *op, const char *inputs, wire *attrs) {
  onnx_model m;
  model_begin(&m);
  m.opset = 18;
  model_floats(&m, "zero", INTS(1), (const float[]){0});
  model_floats(&m, "six", INTS(1), (const float[]){6});
  model_floats(&m, "three", INTS(1), (const float[]){3});
  model_floats(&m, "below", INTS(1), (const float[]){-2});
  model_floats(&m, "lowest", INTS(1), (const float[]){-INFINITY});
  model_ints(&m, "rows", INTS(2));
  model_ints(&m, "columns", INTS(-1));
  model_ints(&m, "both", INTS(-1, 2));
  model_ints(&m, "pads", INTS(1, 2, 3, 4));
  model_node(&m, "Relu", "first", "image", "r", NULL);
  model_node(&m, op, "n", inputs, "h", attrs);
  model_head(&m, "h", 3);
  return import(&m);
}

#endif
