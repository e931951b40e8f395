#include "nn/onnx/proto_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/provenance.h"

enum { FLOAT = 1, INT64 = 7 }; /* element types of the schema */

static void *keep(ap_proto *b, void *block) {
  if (b->n_blocks == b->room) {
    size_t room = b->room ? 2 * b->room : 64;
    void **grown = ap_realloc(b->blocks, room, sizeof *grown);
    if (grown) {
      b->blocks = grown;
      b->room = room;
    }
  }
  if (!block || b->n_blocks == b->room) {
    ap_free(block);
    b->failed = true;
    return NULL;
  }
  b->blocks[b->n_blocks++] = block;
  return block;
}

static void *make(ap_proto *b, size_t n, size_t size) { return keep(b, ap_calloc(n, size)); }

/* An array of n pointers, of whatever type. */
static void *make_list(ap_proto *b, size_t n) { return make(b, n, sizeof(void *)); }

char *ap_proto_text(ap_proto *b, const char *format, ...) {
  va_list arguments;
  char *text;
  int length;
  va_start(arguments, format);
  length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  text = length < 0 ? NULL : make(b, (size_t)length + 1, 1);
  if (!text) return NULL;
  va_start(arguments, format);
  (void)vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

static char *copy(ap_proto *b, const char *text) { return ap_proto_text(b, "%s", text); }

/* Room for one more pointer in an array of *n; the old array stays with the builder until the end. */
static bool grow(ap_proto *b, void ***array, size_t n, size_t *room) {
  if (n < *room) return true;
  size_t more = *room ? 2 * *room : 16;
  void **grown = make_list(b, more);
  if (!grown) return false;
  if (n) memcpy(grown, *array, n * sizeof *grown);
  *array = grown;
  *room = more;
  return true;
}

void ap_proto_init(ap_proto *b, const char *graph_name, int64_t opset) {
  memset(b, 0, sizeof *b);
  Onnx__ModelProto *model = make(b, 1, sizeof *model);
  Onnx__GraphProto *graph = make(b, 1, sizeof *graph);
  Onnx__OperatorSetIdProto *set = make(b, 1, sizeof *set);
  Onnx__OperatorSetIdProto **sets = make_list(b, 1);
  if (b->failed) return;
  onnx__model_proto__init(model);
  onnx__graph_proto__init(graph);
  onnx__operator_set_id_proto__init(set);
  set->has_version = 1;
  set->version = opset;
  set->domain = copy(b, "");
  sets[0] = set;
  model->has_ir_version = 1;
  model->ir_version = 7;
  model->producer_name = copy(b, "autoprune");
  model->producer_version = copy(b, ap_build_version());
  model->graph = graph;
  model->n_opset_import = 1;
  model->opset_import = sets;
  graph->name = copy(b, graph_name);
  b->model = model;
}

void ap_proto_release(ap_proto *b) {
  for (size_t i = 0; i < b->n_blocks; i++) ap_free(b->blocks[i]);
  ap_free(b->blocks);
  memset(b, 0, sizeof *b);
}

Onnx__NodeProto *ap_proto_node(ap_proto *b, const char *op, const char *name, char *const *inputs,
                               size_t n_inputs) {
  enum { MOST_ATTRS = 6 };
  if (b->failed) return NULL;
  Onnx__GraphProto *graph = b->model->graph;
  Onnx__NodeProto *node = make(b, 1, sizeof *node);
  char **in = make_list(b, n_inputs), **out = make_list(b, 1);
  Onnx__AttributeProto **attrs = make_list(b, MOST_ATTRS);
  void **array = (void **)graph->node;
  if (b->failed || !grow(b, &array, graph->n_node, &b->nodes_room)) return NULL;
  onnx__node_proto__init(node);
  node->op_type = copy(b, op);
  node->name = copy(b, name);
  for (size_t i = 0; i < n_inputs; i++) in[i] = inputs[i];
  out[0] = copy(b, name);
  node->n_input = n_inputs;
  node->input = in;
  node->n_output = 1;
  node->output = out;
  node->attribute = attrs;
  graph->node = (Onnx__NodeProto **)array;
  graph->node[graph->n_node++] = node;
  return b->failed ? NULL : node;
}

/* An attribute with its type by the schema's number: 1 float, 2 integer, 7 integers. */
static Onnx__AttributeProto *attribute(ap_proto *b, Onnx__NodeProto *node, const char *name,
                                       int type) {
  Onnx__AttributeProto *attr = node ? make(b, 1, sizeof *attr) : NULL;
  if (!attr) return NULL;
  onnx__attribute_proto__init(attr);
  attr->name = copy(b, name);
  attr->has_type = 1;
  attr->type = (Onnx__AttributeProto__AttributeType)type;
  node->attribute[node->n_attribute++] = attr;
  return attr;
}

void ap_proto_int(ap_proto *b, Onnx__NodeProto *node, const char *name, int64_t value) {
  Onnx__AttributeProto *attr = attribute(b, node, name, 2);
  if (!attr) return;
  attr->has_i = 1;
  attr->i = value;
}

void ap_proto_float(ap_proto *b, Onnx__NodeProto *node, const char *name, float value) {
  Onnx__AttributeProto *attr = attribute(b, node, name, 1);
  if (!attr) return;
  attr->has_f = 1;
  attr->f = value;
}

static int64_t *as_ints(ap_proto *b, const size_t *values, size_t n) {
  int64_t *ints = make(b, n, sizeof *ints);
  for (size_t i = 0; ints && i < n; i++) ints[i] = (int64_t)values[i];
  return ints;
}

void ap_proto_ints(ap_proto *b, Onnx__NodeProto *node, const char *name, const size_t *values,
                   size_t n) {
  Onnx__AttributeProto *attr = attribute(b, node, name, 7);
  if (!attr) return;
  attr->ints = as_ints(b, values, n);
  attr->n_ints = attr->ints ? n : 0;
}

static void tensor(ap_proto *b, char *name, int type, const size_t *dims, size_t n_dims,
                   void *values, size_t bytes) {
  if (b->failed) return;
  Onnx__GraphProto *graph = b->model->graph;
  Onnx__TensorProto *t = make(b, 1, sizeof *t);
  void **array = (void **)graph->initializer;
  if (!t || !grow(b, &array, graph->n_initializer, &b->tensors_room)) return;
  onnx__tensor_proto__init(t);
  t->name = name;
  t->has_data_type = 1;
  t->data_type = type;
  t->dims = as_ints(b, dims, n_dims);
  t->n_dims = t->dims ? n_dims : 0;
  t->has_raw_data = 1;
  t->raw_data = (ProtobufCBinaryData){.len = bytes, .data = values};
  graph->initializer = (Onnx__TensorProto **)array;
  graph->initializer[graph->n_initializer++] = t;
}

void ap_proto_floats(ap_proto *b, char *name, const size_t *dims, size_t n_dims, float *values) {
  size_t count = 1;
  for (size_t d = 0; d < n_dims; d++) count *= dims[d];
  tensor(b, name, FLOAT, dims, n_dims, values, count * sizeof *values);
}

void ap_proto_number(ap_proto *b, char *name, float value) {
  float *own = make(b, 1, sizeof *own);
  if (own) *own = value;
  ap_proto_floats(b, name, NULL, 0, own);
}

void ap_proto_equal(ap_proto *b, char *name, size_t n, float value) {
  float *values = make(b, n, sizeof *values);
  for (size_t i = 0; values && i < n; i++) values[i] = value;
  if (values) ap_proto_floats(b, name, &n, 1, values);
}

void ap_proto_indices(ap_proto *b, char *name, const int64_t *values, size_t n) {
  int64_t *own = make(b, n, sizeof *own);
  if (own) memcpy(own, values, n * sizeof *own);
  tensor(b, name, INT64, &n, 1, own, n * sizeof *own);
}

static Onnx__TensorShapeProto__Dimension *dimension(ap_proto *b, size_t value, bool open) {
  Onnx__TensorShapeProto__Dimension *d = make(b, 1, sizeof *d);
  if (!d) return NULL;
  onnx__tensor_shape_proto__dimension__init(d);
  if (open) {
    d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    d->dim_param = copy(b, "N");
  } else {
    d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    d->dim_value = (int64_t)value;
  }
  return d;
}

static Onnx__ValueInfoProto **value_info(ap_proto *b, const char *name, const size_t *dims,
                                         size_t n_dims) {
  Onnx__ValueInfoProto *info = make(b, 1, sizeof *info);
  Onnx__ValueInfoProto **list = make_list(b, 1);
  Onnx__TypeProto *type = make(b, 1, sizeof *type);
  Onnx__TypeProto__Tensor *element = make(b, 1, sizeof *element);
  Onnx__TensorShapeProto *shape = make(b, 1, sizeof *shape);
  Onnx__TensorShapeProto__Dimension **d = make_list(b, n_dims + 1);
  if (b->failed) return NULL;
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(element);
  onnx__tensor_shape_proto__init(shape);
  for (size_t i = 0; i <= n_dims; i++) d[i] = dimension(b, i ? dims[i - 1] : 0, i == 0);
  shape->n_dim = n_dims + 1;
  shape->dim = d;
  element->has_elem_type = 1;
  element->elem_type = FLOAT;
  element->shape = shape;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = element;
  info->name = copy(b, name);
  info->type = type;
  list[0] = info;
  return b->failed ? NULL : list;
}

void ap_proto_input(ap_proto *b, const char *name, const size_t *dims, size_t n_dims) {
  Onnx__ValueInfoProto **list = value_info(b, name, dims, n_dims);
  if (!list) return;
  b->model->graph->n_input = 1;
  b->model->graph->input = list;
}

void ap_proto_output(ap_proto *b, const char *name, const size_t *dims, size_t n_dims) {
  Onnx__ValueInfoProto **list = value_info(b, name, dims, n_dims);
  if (!list) return;
  b->model->graph->n_output = 1;
  b->model->graph->output = list;
}

void ap_proto_property(ap_proto *b, const char *key, const char *value) {
  Onnx__StringStringEntryProto *entry = b->failed ? NULL : make(b, 1, sizeof *entry);
  if (!entry) return;
  void **array = (void **)b->model->metadata_props;
  if (!grow(b, &array, b->model->n_metadata_props, &b->props_room)) return;
  onnx__string_string_entry_proto__init(entry);
  entry->key = copy(b, key);
  entry->value = copy(b, value);
  b->model->metadata_props = (Onnx__StringStringEntryProto **)array;
  b->model->metadata_props[b->model->n_metadata_props++] = entry;
}
