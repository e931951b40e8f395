/* nn/onnx/node.c - what a node says: attributes, constant inputs, axes; and errors that name it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nn/onnx/graph.h"

ap_status(ap_onnx_node_fail)(const ap_onnx_node *node, ap_error *err, ap_status code,
                             const char *format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return ap_fail(err, code, "node %.100s (%.40s): %s", node->name, node->op, text);
}

const ap_onnx_attr *ap_onnx_attr_find(const ap_onnx_node *node, const char *name) {
  for (size_t i = 0; i < node->n_attrs; i++) {
    if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
  }
  return NULL;
}

static ap_status wrong_type(const ap_onnx_node *node, const char *name, const char *want,
                            ap_error *err) {
  return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "attribute %s is not %s", name, want);
}

ap_status ap_onnx_attr_int(const ap_onnx_node *node, const char *name, int64_t absent, int64_t lo,
                           int64_t hi, int64_t *out, ap_error *err) {
  const ap_onnx_attr *attr = ap_onnx_attr_find(node, name);
  *out = absent;
  if (!attr) return AP_OK;
  if (attr->kind != AP_ONNX_ATTR_INT) return wrong_type(node, name, "an integer", err);
  if (attr->i < lo || attr->i > hi)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "attribute %s is %lld, supported is %lld to %lld", name,
                             (long long)attr->i, (long long)lo, (long long)hi);
  *out = attr->i;
  return AP_OK;
}

ap_status ap_onnx_attr_float(const ap_onnx_node *node, const char *name, float absent, float *out,
                             ap_error *err) {
  const ap_onnx_attr *attr = ap_onnx_attr_find(node, name);
  *out = absent;
  if (!attr) return AP_OK;
  if (attr->kind != AP_ONNX_ATTR_FLOAT || isnan(attr->f))
    return wrong_type(node, name, "a number", err);
  *out = attr->f;
  return AP_OK;
}

ap_status ap_onnx_attr_text(const ap_onnx_node *node, const char *name, const char *absent,
                            const char **out, ap_error *err) {
  const ap_onnx_attr *attr = ap_onnx_attr_find(node, name);
  *out = absent;
  if (!attr) return AP_OK;
  if (attr->kind != AP_ONNX_ATTR_TEXT) return wrong_type(node, name, "a text", err);
  *out = attr->text;
  return AP_OK;
}

ap_status ap_onnx_attr_ints(const ap_onnx_node *node, const char *name, const int64_t **ints,
                            size_t *n, ap_error *err) {
  const ap_onnx_attr *attr = ap_onnx_attr_find(node, name);
  *ints = NULL;
  *n = 0;
  if (!attr) return AP_OK;
  if (attr->kind != AP_ONNX_ATTR_INTS) return wrong_type(node, name, "a list of integers", err);
  *ints = attr->ints;
  *n = attr->n;
  return AP_OK;
}

const ap_onnx_tensor *ap_onnx_node_constant(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                            size_t input) {
  if (input >= node->n_inputs || node->inputs[input] == AP_ONNX_NONE) return NULL;
  return graph->values[node->inputs[input]].constant;
}

ap_status ap_onnx_node_ints(const ap_onnx_graph *graph, const ap_onnx_node *node, const char *name,
                            size_t input, const int64_t **ints, size_t *n, ap_error *err) {
  const ap_onnx_tensor *tensor;
  ap_status st = ap_onnx_attr_ints(node, name, ints, n, err);
  if (st || *ints || input >= node->n_inputs || node->inputs[input] == AP_ONNX_NONE) return st;
  tensor = ap_onnx_node_constant(graph, node, input);
  if (!tensor)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its %s depend on the image; constants are supported", name);
  if (!tensor->is_int || tensor->n_dims > 1)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its %s are no list of integers", name);
  *ints = tensor->i;
  *n = tensor->count;
  return AP_OK;
}

ap_status ap_onnx_node_axis(const ap_onnx_node *node, int64_t axis, size_t n_dims, size_t *out,
                            ap_error *err) {
  int64_t n = (int64_t)n_dims, at = axis < 0 ? axis + n : axis;
  if (at < 0 || at >= n)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "axis %lld of a tensor of %zu dimensions",
                             (long long)axis, n_dims);
  *out = (size_t)at;
  return AP_OK;
}
