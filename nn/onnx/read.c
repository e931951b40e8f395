/* nn/onnx/read.c - ModelProto as a graph. What is read is checked as hostile; the graph that comes out
 * has every value written once, before it is read. */
#include "nn/onnx/read.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "nn/onnx/proto_tensor.h"
#include "nn/onnx/wire.h"

#define UNPACK_TIMES ((size_t)3)        /* memory of the records over bytes of the file, and ... */
#define UNPACK_MORE ((size_t)256 << 20) /* ... so much more */

typedef struct {
  const char *path;
  ap_onnx_graph *graph;
  bool *written; /* per value: by an initialiser, an input or a node so far */
  size_t room;
  ap_error *err;
} reader;

static const char *text_of(const char *text) { return text ? text : ""; }

/* Notes that a value has its one source. */
static ap_status write_value(reader *r, size_t value) {
  if (value >= r->room) {
    size_t room = 2 * value + 64;
    bool *grown = ap_realloc(r->written, room, sizeof *grown);
    if (!grown) return ap_fail(r->err, AP_ERR_MEMORY, "table of %zu values", room);
    r->written = grown;
    r->room = room;
  }
  if (r->written[value])
    return ap_fail(r->err, AP_ERR_FORMAT, "two sources of the value %.100s",
                   r->graph->values[value].name);
  r->written[value] = true;
  return AP_OK;
}

static ap_status read_initializer(reader *r, Onnx__TensorProto *proto) {
  ap_onnx_tensor *tensor;
  size_t value;
  if (!*text_of(proto->name))
    return ap_fail(r->err, AP_ERR_FORMAT, "an initialiser without a name");
  ap_status st = ap_onnx_graph_value(r->graph, proto->name, &value, r->err);
  if (!st) st = write_value(r, value);
  if (!st) st = ap_onnx_tensor_from_proto(r->path, proto, &tensor, r->err);
  if (st) return st;
  r->graph->n_read += tensor->count;
  return ap_onnx_graph_set_constant(r->graph, value, tensor, r->err);
}

/* Floats; integers too, which a Cast makes floats of. */
static bool is_number(int32_t type) {
  const int32_t floats16 = 10, doubles = 11, unsigned32 = 12, unsigned64 = 13, bfloats = 16;
  return (type >= 1 && type <= 7) || type == floats16 || type == doubles || type == unsigned32 ||
         type == unsigned64 || type == bfloats;
}

/* The shape of the image; what is not fixed is -1. */
static ap_status read_input_shape(reader *r, const Onnx__ValueInfoProto *info) {
  const Onnx__TypeProto__Tensor *type = info->type ? info->type->tensor_type : NULL;
  const Onnx__TensorShapeProto *shape = type ? type->shape : NULL;
  if (info->type && info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) shape = NULL;
  if (!shape) return ap_fail(r->err, AP_ERR_UNSUPPORTED, "input %.100s has no shape", info->name);
  if (!is_number(type->elem_type))
    return ap_fail(r->err, AP_ERR_UNSUPPORTED,
                   "input %.100s: element type %d; floats and integers are supported", info->name,
                   (int)type->elem_type);
  if (shape->n_dim > AP_ONNX_MAX_DIMS)
    return ap_fail(r->err, AP_ERR_UNSUPPORTED, "input %.100s has %zu dimensions", info->name,
                   shape->n_dim);
  r->graph->n_input_dims = shape->n_dim;
  for (size_t d = 0; d < shape->n_dim; d++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
    bool fixed = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    r->graph->input_dims[d] = fixed && dim->dim_value > 0 ? dim->dim_value : -1;
  }
  return AP_OK;
}

/* Old files list initialisers among the inputs too: these are none. */
static ap_status read_inputs(reader *r, const Onnx__GraphProto *proto) {
  for (size_t i = 0; i < proto->n_input; i++) {
    size_t value;
    if (!*text_of(proto->input[i]->name))
      return ap_fail(r->err, AP_ERR_FORMAT, "an input without a name");
    ap_status st = ap_onnx_graph_value(r->graph, proto->input[i]->name, &value, r->err);
    if (st) return st;
    if (r->graph->values[value].constant) continue;
    st = write_value(r, value);
    if (st) return st;
    r->graph->values[value].is_input = true;
    if (r->graph->input != AP_ONNX_NONE)
      return ap_fail(r->err, AP_ERR_UNSUPPORTED, "inputs %.100s and %.100s; one is supported",
                     r->graph->values[r->graph->input].name, proto->input[i]->name);
    r->graph->input = value;
    st = read_input_shape(r, proto->input[i]);
    if (st) return st;
  }
  if (r->graph->input == AP_ONNX_NONE)
    return ap_fail(r->err, AP_ERR_FORMAT, "the graph has no input");
  return AP_OK;
}

static ap_status copy_numbers(const void *from, size_t n, size_t width, void **to, ap_error *err) {
  *to = ap_calloc(n, width);
  if (!*to) return ap_fail(err, AP_ERR_MEMORY, "attribute of %zu numbers", n);
  if (n) memcpy(*to, from, n * width);
  return AP_OK;
}

static ap_status read_attr(reader *r, const Onnx__AttributeProto *proto, ap_onnx_attr *attr) {
  void *numbers = NULL;
  ap_status st = AP_OK;
  attr->name = ap_strdup(text_of(proto->name));
  if (!attr->name) return ap_fail(r->err, AP_ERR_MEMORY, "attribute");
  attr->kind = AP_ONNX_ATTR_OTHER;
  if (*text_of(proto->ref_attr_name)) return AP_OK;
  switch ((int)proto->type) {
    case 1:
      attr->kind = AP_ONNX_ATTR_FLOAT;
      attr->f = proto->f;
      break;
    case 2:
      attr->kind = AP_ONNX_ATTR_INT;
      attr->i = proto->i;
      break;
    case 3:
      attr->kind = AP_ONNX_ATTR_TEXT;
      attr->text = ap_sprintf("%.*s", (int)(proto->s.len < 4096 ? proto->s.len : 4096),
                              proto->s.len ? (const char *)proto->s.data : "");
      if (!attr->text) st = ap_fail(r->err, AP_ERR_MEMORY, "attribute");
      break;
    case 4:
      if (!proto->t) return AP_OK;
      attr->kind = AP_ONNX_ATTR_TENSOR;
      st = ap_onnx_tensor_from_proto(r->path, proto->t, &attr->tensor, r->err);
      if (!st) r->graph->n_read += attr->tensor->count;
      break;
    case 6:
      attr->kind = AP_ONNX_ATTR_FLOATS;
      attr->n = proto->n_floats;
      st = copy_numbers(proto->floats, attr->n, sizeof *proto->floats, &numbers, r->err);
      attr->floats = numbers;
      break;
    case 7:
      attr->kind = AP_ONNX_ATTR_INTS;
      attr->n = proto->n_ints;
      st = copy_numbers(proto->ints, attr->n, sizeof *proto->ints, &numbers, r->err);
      attr->ints = numbers;
      break;
    default:
      break;
  }
  return st;
}

static ap_status read_attrs(reader *r, const Onnx__NodeProto *proto, ap_onnx_node *node) {
  ap_status st = AP_OK;
  for (size_t i = 0; !st && i < proto->n_attribute; i++) {
    st = read_attr(r, proto->attribute[i], &node->attrs[i]);
    for (size_t j = 0; !st && j < i; j++) {
      if (strcmp(node->attrs[i].name, node->attrs[j].name) == 0)
        st = ap_onnx_node_fail(node, r->err, AP_ERR_FORMAT, "attribute %.40s twice",
                               node->attrs[i].name);
    }
    if (st && strncmp(r->err ? r->err->text : "node", "node", 4) != 0)
      (void)ap_fail_context(r->err, st, "node %.100s (%.40s)", node->name, node->op);
  }
  return st;
}

static ap_status read_node(reader *r, const Onnx__NodeProto *proto) {
  ap_onnx_node *node;
  ap_status st;
  const char *domain = text_of(proto->domain);
  if (!*text_of(proto->op_type))
    return ap_fail(r->err, AP_ERR_FORMAT, "node %zu (%.100s) has no operator", r->graph->n_nodes,
                   text_of(proto->name));
  if (proto->n_input > 65536 || proto->n_output > 65536 || proto->n_attribute > 256)
    return ap_fail(r->err, AP_ERR_UNSUPPORTED,
                   "node %.100s (%.40s): %zu inputs, %zu outputs, %zu "
                   "attributes",
                   text_of(proto->name), proto->op_type, proto->n_input, proto->n_output,
                   proto->n_attribute);
  st = ap_onnx_graph_node(r->graph, proto->name, proto->op_type, proto->n_input, proto->n_output,
                          proto->n_attribute, &node, r->err);
  if (!st && *domain && strcmp(domain, "ai.onnx") != 0) {
    ap_free(node->domain);
    node->domain = ap_strdup(domain);
    if (!node->domain) st = ap_fail(r->err, AP_ERR_MEMORY, "node");
  }
  if (!st) st = read_attrs(r, proto, node);
  for (size_t i = 0; !st && i < proto->n_input; i++) {
    size_t value;
    if (!*text_of(proto->input[i])) continue;
    st = ap_onnx_graph_value(r->graph, proto->input[i], &value, r->err);
    if (st) break;
    if (value >= r->room || !r->written[value])
      return ap_onnx_node_fail(node, r->err, AP_ERR_FORMAT,
                               "its input %.100s comes from no earlier node: missing, or a cycle",
                               proto->input[i]);
    node->inputs[i] = value;
  }
  for (size_t i = 0; !st && i < proto->n_output; i++) {
    if (!*text_of(proto->output[i])) continue;
    st = ap_onnx_graph_value(r->graph, proto->output[i], &node->outputs[i], r->err);
    if (!st) st = write_value(r, node->outputs[i]);
    if (!st) r->graph->values[node->outputs[i]].producer = r->graph->n_nodes - 1;
  }
  return st;
}

static ap_status read_output(reader *r, const Onnx__GraphProto *proto) {
  if (proto->n_output != 1)
    return ap_fail(r->err, proto->n_output ? AP_ERR_UNSUPPORTED : AP_ERR_FORMAT,
                   "the graph has %zu outputs%s%.100s%s; one is supported", proto->n_output,
                   proto->n_output ? " (" : "",
                   proto->n_output ? text_of(proto->output[0]->name) : "",
                   proto->n_output ? ", ...)" : "");
  ap_status st =
      ap_onnx_graph_value(r->graph, text_of(proto->output[0]->name), &r->graph->output, r->err);
  if (st) return st;
  if (r->graph->output >= r->room || !r->written[r->graph->output])
    return ap_fail(r->err, AP_ERR_FORMAT, "output %.100s comes from no node",
                   text_of(proto->output[0]->name));
  return AP_OK;
}

static ap_status read_metadata(reader *r, const Onnx__ModelProto *model) {
  for (size_t i = 0; i < model->n_metadata_props; i++) {
    const Onnx__StringStringEntryProto *entry = model->metadata_props[i];
    json_t *text = json_string(text_of(entry->value)); /* NULL where it is not UTF-8 */
    if (text && json_object_set_new(r->graph->metadata, text_of(entry->key), text) != 0)
      return ap_fail(r->err, AP_ERR_FORMAT, "metadata_props[%zu]: its key is no UTF-8", i);
  }
  return AP_OK;
}

/* The default domain, which has two names, may be there twice, but not in two versions. */
static ap_status read_opset(reader *r, const Onnx__ModelProto *model) {
  bool known = false;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const char *domain = text_of(model->opset_import[i]->domain);
    int64_t version = model->opset_import[i]->version;
    if (*domain && strcmp(domain, "ai.onnx") != 0) continue;
    if (known && version != r->graph->opset)
      return ap_fail(r->err, AP_ERR_FORMAT,
                     "opset_import of the default domain twice: %lld and %lld",
                     (long long)r->graph->opset, (long long)version);
    r->graph->opset = version;
    known = true;
  }
  if (r->graph->opset >= AP_ONNX_MIN_OPSET && r->graph->opset <= AP_ONNX_MAX_OPSET) return AP_OK;
  return ap_fail(r->err, AP_ERR_UNSUPPORTED, "opset %lld; %d to %d are supported",
                 (long long)r->graph->opset, AP_ONNX_MIN_OPSET, AP_ONNX_MAX_OPSET);
}

static ap_status read_header(reader *r, const Onnx__ModelProto *model) {
  ap_status st;
  r->graph->ir_version = model->ir_version;
  r->graph->producer = ap_strdup(text_of(model->producer_name));
  r->graph->name = ap_strdup(text_of(model->graph->name));
  if (!r->graph->producer || !r->graph->name) return ap_fail(r->err, AP_ERR_MEMORY, "model");
  st = read_opset(r, model);
  if (st) return st;
  if (model->graph->n_sparse_initializer)
    return ap_fail(r->err, AP_ERR_UNSUPPORTED, "sparse initialisers; dense ones are supported");
  return read_metadata(r, model);
}

static ap_status read_model(reader *r, Onnx__ModelProto *model) {
  Onnx__GraphProto *proto = model ? model->graph : NULL;
  if (!proto) return ap_fail(r->err, AP_ERR_FORMAT, "no graph: not an ONNX model, or damaged");
  ap_status st = read_header(r, model);
  for (size_t i = 0; !st && i < proto->n_initializer; i++)
    st = read_initializer(r, proto->initializer[i]);
  if (!st) st = read_inputs(r, proto);
  for (size_t i = 0; !st && i < proto->n_node; i++) st = read_node(r, proto->node[i]);
  return st ? st : read_output(r, proto);
}

static ap_status unpack(const char *path, Onnx__ModelProto **model, ap_error *err) {
  char *data = NULL;
  size_t size = 0, bytes = 0;
  ProtobufCMessage *message = NULL;
  const ProtobufCMessageDescriptor *type = &onnx__model_proto__descriptor;
  ap_status st = ap_file_read(path, AP_ONNX_MAX_BYTES, &data, &size, err);
  if (st) return st; /* it names the file */
  st = ap_wire_check(type, (const uint8_t *)data, size, &bytes, err);
  if (!st && bytes > UNPACK_TIMES * size + UNPACK_MORE)
    st = ap_fail(err, AP_ERR_UNSUPPORTED, "%zu bytes would unpack to %zu", size, bytes);
  if (!st)
    st = ap_wire_unpack(type, (const uint8_t *)data, size, 4 * bytes + (1 << 20), &message, err);
  ap_free(data);
  *model = (Onnx__ModelProto *)(void *)message;
  return st ? ap_fail_context(err, st, "%s", path) : AP_OK;
}

ap_status ap_onnx_read(const char *path, ap_onnx_graph **out, ap_error *err) {
  Onnx__ModelProto *model = NULL;
  ap_error own = {0};
  reader r = {.path = path, .err = err ? err : &own};
  *out = NULL;
  ap_status st = unpack(path, &model, r.err);
  if (st) return st;
  st = ap_onnx_graph_create(&r.graph, r.err);
  if (!st) st = read_model(&r, model);
  if (st) {
    (void)ap_fail_context(r.err, st, "%s", path);
    ap_onnx_graph_destroy(r.graph);
    r.graph = NULL;
  }
  ap_wire_free(model ? &model->base : NULL);
  ap_free(r.written);
  *out = r.graph;
  return st;
}
