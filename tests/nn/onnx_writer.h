/* tests/nn/onnx_writer.h - ONNX files made byte by byte, by none of the code under test. Field numbers
 * are those of the schema: ModelProto ir_version 1, producer_name 2, graph 7, opset_import 8,
 * metadata_props 14; GraphProto node 1, name 2, initializer 5, input 11, output 12; NodeProto input 1,
 * output 2, name 3, op_type 4, attribute 5, domain 7; TensorProto dims 1, data_type 2, name 8,
 * raw_data 9, external_data 13, data_location 14; AttributeProto name 1, f 2, i 3, s 4, t 5, floats 7,
 * ints 8, type 20. */
#ifndef AP_TESTS_NN_ONNX_WRITER_H
#define AP_TESTS_NN_ONNX_WRITER_H
#include <stdbool.h>

#include "nn/onnx.h"
#include "tests/base/testing.h"

typedef struct {
  unsigned char *bytes;
  size_t n, room;
} wire;

static inline void wire_raw(wire *w, const void *data, size_t n) {
  if (w->n + n > w->room) {
    w->room = 2 * (w->n + n) + 64;
    w->bytes = realloc(w->bytes, w->room);
    assert_non_null(w->bytes);
  }
  if (n) memcpy(w->bytes + w->n, data, n);
  w->n += n;
}

static inline void wire_varint(wire *w, uint64_t value) {
  do {
    unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    wire_raw(w, &byte, 1);
    value >>= 7;
  } while (value);
}

static inline void wire_int(wire *w, unsigned field, int64_t value) {
  wire_varint(w, field << 3);
  wire_varint(w, (uint64_t)value);
}

static inline void wire_float(wire *w, unsigned field, float value) {
  wire_varint(w, field << 3 | 5);
  wire_raw(w, &value, sizeof value);
}

static inline void wire_block(wire *w, unsigned field, const void *data, size_t n) {
  wire_varint(w, field << 3 | 2);
  wire_varint(w, n);
  wire_raw(w, data, n);
}

static inline void wire_text(wire *w, unsigned field, const char *text) {
  wire_block(w, field, text, strlen(text));
}

/* Puts `part` into w as one field, and ends it. */
static inline void wire_part(wire *w, unsigned field, wire *part) {
  wire_block(w, field, part->bytes, part->n);
  free(part->bytes);
  *part = (wire){0};
}

/* ---- attributes: a wire that a node takes over ---- */

static inline void attr_head(wire *a, const char *name, int type) {
  wire_text(a, 1, name);
  wire_int(a, 20, type);
}

static inline void attr_int(wire *attrs, const char *name, int64_t value) {
  wire a = {0};
  attr_head(&a, name, 2);
  wire_int(&a, 3, value);
  wire_part(attrs, 5, &a);
}

static inline void attr_float(wire *attrs, const char *name, float value) {
  wire a = {0};
  attr_head(&a, name, 1);
  wire_float(&a, 2, value);
  wire_part(attrs, 5, &a);
}

static inline void attr_text(wire *attrs, const char *name, const char *value) {
  wire a = {0};
  attr_head(&a, name, 3);
  wire_text(&a, 4, value);
  wire_part(attrs, 5, &a);
}

static inline void attr_ints(wire *attrs, const char *name, const int64_t *values, size_t n) {
  wire a = {0};
  attr_head(&a, name, 7);
  for (size_t i = 0; i < n; i++) wire_int(&a, 8, values[i]);
  wire_part(attrs, 5, &a);
}

#define INTS(...) \
  (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

/* ---- a model ---- */

typedef struct {
  wire graph, props;
  int64_t opset;
  const char *producer;
} onnx_model;

static inline wire tensor_head(const char *name, int type, const int64_t *dims, size_t n_dims) {
  wire t = {0};
  for (size_t d = 0; d < n_dims; d++) wire_int(&t, 1, dims[d]);
  wire_int(&t, 2, type);
  wire_text(&t, 8, name);
  return t;
}

/* Floats 0.1, 0.2, ... around `from`, as many as the dimensions say. */
static inline void model_floats(onnx_model *m, const char *name, const int64_t *dims, size_t n_dims,
                                const float *values) {
  size_t count = 1;
  wire t = tensor_head(name, 1, dims, n_dims);
  for (size_t d = 0; d < n_dims; d++) count *= (size_t)dims[d];
  float *own = malloc((count + 1) * sizeof *own);
  assert_non_null(own);
  for (size_t i = 0; i < count; i++)
    own[i] = values ? values[i] : 0.1f * (float)((i * 7 + 3) % 11) - 0.5f;
  wire_block(&t, 9, own, count * sizeof *own);
  free(own);
  wire_part(&m->graph, 5, &t);
}

static inline void model_ints(onnx_model *m, const char *name, const int64_t *values, size_t n) {
  const int64_t dims[] = {(int64_t)n};
  wire t = tensor_head(name, 7, dims, 1);
  wire_block(&t, 9, values, n * sizeof *values);
  wire_part(&m->graph, 5, &t);
}

/* Names of values between spaces; "-" is one that is left out. The attributes are taken over. */
static inline void wire_names(wire *w, unsigned field, const char *names) {
  while (*names) {
    size_t n = strcspn(names, " ");
    bool none = n == 1 && *names == '-';
    wire_block(w, field, names, none ? 0 : n);
    names += n + (names[n] == ' ');
  }
}

static inline void model_node(onnx_model *m, const char *op, const char *name, const char *inputs,
                              const char *outputs, wire *attrs) {
  wire node = {0};
  wire_names(&node, 1, inputs);
  wire_names(&node, 2, outputs);
  wire_text(&node, 3, name);
  wire_text(&node, 4, op);
  if (attrs) {
    wire_raw(&node, attrs->bytes, attrs->n);
    free(attrs->bytes);
    *attrs = (wire){0};
  }
  wire_part(&m->graph, 1, &node);
}

/* An input (field 11) or output (12); a dimension of 0 is open. */
static inline void model_typed_value(onnx_model *m, unsigned field, const char *name, int64_t kind,
                                     const int64_t *dims, size_t n_dims) {
  wire shape = {0}, tensor = {0}, type = {0}, value = {0};
  for (size_t d = 0; d < n_dims; d++) {
    wire dim = {0};
    if (dims[d]) {
      wire_int(&dim, 1, dims[d]);
    } else {
      wire_text(&dim, 2, "N");
    }
    wire_part(&shape, 1, &dim);
  }
  wire_int(&tensor, 1, kind);
  wire_part(&tensor, 2, &shape);
  wire_part(&type, 1, &tensor);
  wire_text(&value, 1, name);
  wire_part(&value, 2, &type);
  wire_part(&m->graph, field, &value);
}

/* One of floats. */
static inline void model_value(onnx_model *m, unsigned field, const char *name, const int64_t *dims,
                               size_t n_dims) {
  model_typed_value(m, field, name, 1, dims, n_dims);
}

/* All of it; ends the model. free() the bytes. */
static inline unsigned char *model_bytes(onnx_model *m, size_t *size) {
  wire model = {0}, set = {0}, props = m->props;
  m->props = (wire){0};
  wire_int(&model, 1, 7);
  wire_text(&model, 2, m->producer ? m->producer : "writer");
  wire_part(&model, 7, &m->graph);
  wire_text(&set, 1, "");
  wire_int(&set, 2, m->opset ? m->opset : 13);
  wire_part(&model, 8, &set);
  wire_raw(&model, props.bytes, props.n);
  free(props.bytes);
  *m = (onnx_model){0};
  *size = model.n;
  return model.bytes;
}

/* Writes the model to a new file of the scratch folder and reads it. */
static inline ap_status model_import(onnx_model *m, ap_network **net, ap_error *err) {
  size_t size;
  unsigned char *bytes = model_bytes(m, &size);
  (void)unlink(scratch_path("case.onnx"));
  scratch_write("case.onnx", bytes, size);
  free(bytes);
  return ap_onnx_import(scratch_path("case.onnx"), net, NULL, err);
}

/* image [N, 3, 8, 8] -> "y", which the nodes in between make. */
static inline void model_begin(onnx_model *m) {
  *m = (onnx_model){0};
  model_value(m, 11, "image", INTS(0, 3, 8, 8));
  model_value(m, 12, "y", INTS(0, 4));
}

/* x -> y: GlobalAveragePool, Flatten, Gemm to 4 classes; the image x has c channels. */
static inline void model_head(onnx_model *m, const char *x, int64_t c) {
  wire attrs = {0};
  attr_int(&attrs, "transB", 1);
  model_floats(m, "head.w", INTS(4, c), NULL);
  model_node(m, "GlobalAveragePool", "head.pool", x, "head.p", NULL);
  model_node(m, "Flatten", "head.flat", "head.p", "head.f", NULL);
  model_node(m, "Gemm", "head.fc", "head.f head.w", "y", &attrs);
}

/* The tests of files are skipped in builds without the schema. */
#define SKIP_WITHOUT_ONNX()                                     \
  do {                                                          \
    if (!ap_onnx_available()) {                                 \
      (void)printf("skipped: built without the ONNX schema\n"); \
      return 77;                                                \
    }                                                           \
  } while (0)
#endif
