/* nn/onnx/graph.c - building graphs: values by name, nodes in order. */
#include "nn/onnx/graph.h"

#include <string.h>

#include "base/alloc.h"

/* Open addressing; a slot holds a value's number + 1. */
struct ap_onnx_names {
  size_t room, *slots; /* room: a power of 2, at least twice the values */
};

static uint64_t hash_of(const char *text) { /* FNV-1a */
  uint64_t hash = 14695981039346656037u;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

/* The slot of `name`: its own, or the empty one where it belongs. */
static size_t *slot_of(const ap_onnx_graph *graph, const char *name) {
  ap_onnx_names *names = graph->names;
  size_t at = (size_t)hash_of(name) & (names->room - 1);
  while (names->slots[at] && strcmp(graph->values[names->slots[at] - 1].name, name) != 0)
    at = (at + 1) & (names->room - 1);
  return &names->slots[at];
}

static ap_status grow_names(ap_onnx_graph *graph, ap_error *err) {
  ap_onnx_names *names = graph->names;
  size_t room = names->room ? 2 * names->room : 64;
  size_t *slots = ap_calloc(room, sizeof *slots);
  if (!slots) return ap_fail(err, AP_ERR_MEMORY, "table of %zu names", room);
  ap_free(names->slots);
  names->slots = slots;
  names->room = room;
  for (size_t i = 0; i < graph->n_values; i++) *slot_of(graph, graph->values[i].name) = i + 1;
  return AP_OK;
}

ap_status ap_onnx_graph_create(ap_onnx_graph **out, ap_error *err) {
  ap_onnx_graph *graph = ap_calloc(1, sizeof *graph);
  *out = NULL;
  if (graph) {
    graph->names = ap_calloc(1, sizeof *graph->names);
    graph->metadata = json_object();
    graph->input = graph->output = AP_ONNX_NONE;
  }
  if (!graph || !graph->names || !graph->metadata || grow_names(graph, err)) {
    ap_onnx_graph_destroy(graph);
    return ap_fail(err, AP_ERR_MEMORY, "graph record");
  }
  *out = graph;
  return AP_OK;
}

static void attr_release(ap_onnx_attr *attr) {
  ap_free(attr->name);
  ap_free(attr->text);
  ap_free(attr->ints);
  ap_free(attr->floats);
  ap_onnx_tensor_destroy(attr->tensor);
}

static void node_release(ap_onnx_node *node) {
  ap_free(node->name);
  ap_free(node->op);
  ap_free(node->domain);
  ap_free(node->inputs);
  ap_free(node->outputs);
  for (size_t i = 0; node->attrs && i < node->n_attrs; i++) attr_release(&node->attrs[i]);
  ap_free(node->attrs);
}

void ap_onnx_graph_destroy(ap_onnx_graph *graph) {
  if (!graph) return;
  for (size_t i = 0; i < graph->n_values; i++) {
    ap_free(graph->values[i].name);
    ap_onnx_tensor_destroy(graph->values[i].constant);
  }
  ap_free(graph->values);
  for (size_t i = 0; i < graph->n_nodes; i++) node_release(&graph->nodes[i]);
  ap_free(graph->nodes);
  if (graph->names) ap_free(graph->names->slots);
  ap_free(graph->names);
  json_decref(graph->metadata);
  ap_free(graph->name);
  ap_free(graph->producer);
  ap_free(graph);
}

ap_status ap_onnx_graph_value(ap_onnx_graph *graph, const char *name, size_t *index,
                              ap_error *err) {
  size_t *slot = slot_of(graph, name);
  if (*slot) {
    *index = *slot - 1;
    return AP_OK;
  }
  if (graph->n_values == graph->room_values) {
    size_t room = graph->room_values ? 2 * graph->room_values : 32;
    ap_onnx_value *grown = ap_realloc(graph->values, room, sizeof *grown);
    if (!grown) return ap_fail(err, AP_ERR_MEMORY, "table of %zu values", room);
    graph->values = grown;
    graph->room_values = room;
  }
  ap_onnx_value *value = &graph->values[graph->n_values];
  *value = (ap_onnx_value){.name = ap_strdup(name), .producer = AP_ONNX_NONE};
  if (!value->name) return ap_fail(err, AP_ERR_MEMORY, "name of a value");
  *index = graph->n_values++;
  *slot = *index + 1;
  return 2 * graph->n_values > graph->names->room ? grow_names(graph, err) : AP_OK;
}

ap_status ap_onnx_graph_set_constant(ap_onnx_graph *graph, size_t value, ap_onnx_tensor *constant,
                                     ap_error *err) {
  size_t *total = constant->is_int ? &graph->n_ints : &graph->n_floats;
  size_t most = constant->is_int ? AP_ONNX_MAX_INTS : AP_ONNX_MAX_FLOATS;
  if (constant->count > most - *total) {
    ap_onnx_tensor_destroy(constant);
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "%s: the constants have more than %zu elements together",
                   graph->values[value].name, most);
  }
  *total += constant->count;
  ap_onnx_tensor_destroy(graph->values[value].constant);
  graph->values[value].constant = constant;
  return AP_OK;
}

static bool fill_node(ap_onnx_node *node, size_t place, const char *name, const char *op,
                      size_t n_inputs, size_t n_outputs, size_t n_attrs) {
  node->name = name && *name ? ap_strdup(name) : ap_sprintf("%s_%zu", op, place);
  node->op = ap_strdup(op);
  node->domain = ap_strdup("");
  node->inputs = ap_calloc(n_inputs, sizeof *node->inputs);
  node->outputs = ap_calloc(n_outputs, sizeof *node->outputs);
  node->attrs = ap_calloc(n_attrs, sizeof *node->attrs);
  if (!node->name || !node->op || !node->domain || !node->inputs || !node->outputs || !node->attrs)
    return false;
  node->n_inputs = n_inputs;
  node->n_outputs = n_outputs;
  node->n_attrs = n_attrs;
  for (size_t i = 0; i < n_inputs; i++) node->inputs[i] = AP_ONNX_NONE;
  for (size_t i = 0; i < n_outputs; i++) node->outputs[i] = AP_ONNX_NONE;
  return true;
}

ap_status ap_onnx_graph_node(ap_onnx_graph *graph, const char *name, const char *op,
                             size_t n_inputs, size_t n_outputs, size_t n_attrs, ap_onnx_node **out,
                             ap_error *err) {
  *out = NULL;
  if (graph->n_nodes >= AP_ONNX_MAX_NODES)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "more than %zu nodes", AP_ONNX_MAX_NODES);
  if (graph->n_nodes == graph->room_nodes) {
    size_t room = graph->room_nodes ? 2 * graph->room_nodes : 32;
    ap_onnx_node *grown = ap_realloc(graph->nodes, room, sizeof *grown);
    if (!grown) return ap_fail(err, AP_ERR_MEMORY, "table of %zu nodes", room);
    graph->nodes = grown;
    graph->room_nodes = room;
  }
  ap_onnx_node *node = &graph->nodes[graph->n_nodes];
  memset(node, 0, sizeof *node);
  if (!fill_node(node, graph->n_nodes, name, op, n_inputs, n_outputs, n_attrs)) {
    node_release(node);
    return ap_fail(err, AP_ERR_MEMORY, "node %zu", graph->n_nodes);
  }
  graph->n_nodes++;
  *out = node;
  return AP_OK;
}
