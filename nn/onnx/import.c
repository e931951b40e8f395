/* nn/onnx/import.c - an .onnx file as a network with its normalisation and metadata. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "nn/onnx.h"
#include "nn/onnx/lower.h"
#include "nn/onnx/read.h"

bool ap_onnx_is_name(const char *path) {
  size_t n = strlen(path);
  return n > 5 && strcasecmp(path + n - 5, ".onnx") == 0;
}

/* A value of metadata_props as JSON; *value NULL where it is absent. */
static ap_status stored_json(const ap_onnx_graph *graph, const char *path, const char *key,
                             json_t **value, ap_error *err) {
  const char *text = json_string_value(json_object_get(graph->metadata, key));
  char where[256];
  *value = NULL;
  if (!text) return AP_OK;
  (void)snprintf(where, sizeof where, "%.180s: metadata %s", path, key);
  return ap_json_parse(text, strlen(text), where, value, err);
}

static ap_status stored_numbers(const ap_onnx_graph *graph, const char *path, const char *key,
                                bool positive, float values[4], ap_error *err) {
  json_t *array;
  ap_status st = stored_json(graph, path, key, &array, err);
  if (st || !array) return st;
  for (size_t i = 0; i < 4 && !st; i++) {
    const json_t *item = json_array_get(array, i);
    float value = (float)json_number_value(item);
    if (json_array_size(array) != 4 || !json_is_number(item) || !isfinite(value) ||
        (positive && !(value > 0)))
      st = ap_fail(err, AP_ERR_FORMAT, "%s: metadata %s: 4 %snumbers expected", path, key,
                   positive ? "positive " : "");
    values[i] = value;
  }
  json_decref(array);
  return st;
}

/* Bits of the layers' own, in order; 0: the hardware's. */
static ap_status stored_weight_bits(const ap_onnx_graph *graph, const char *path, ap_network *net,
                                    ap_error *err) {
  static const char key[] = "autoprune.weight_bits";
  const size_t n = ap_network_layers(net, NULL, 0);
  size_t layer = 0;
  json_t *array;
  ap_status st = stored_json(graph, path, key, &array, err);
  if (st || !array) return st;
  if (json_array_size(array) != n)
    st = ap_fail(err, AP_ERR_FORMAT, "%s: metadata %s: %zu numbers expected, one a layer", path,
                 key, n);
  for (size_t i = 0; i < net->n_nodes && !st; i++) {
    ap_node *node = &net->nodes[i];
    if (node->kind != AP_NODE_CONV && node->kind != AP_NODE_LINEAR) continue;
    const json_t *item = json_array_get(array, layer++);
    const json_int_t bits = json_integer_value(item);
    if (!json_is_integer(item) ||
        (bits != 0 && (bits < AP_WEIGHT_BITS_LEAST || bits > AP_WEIGHT_BITS_MOST)))
      st = ap_fail(err, AP_ERR_FORMAT, "%s: metadata %s: 0 or %d to %d bits expected", path, key,
                   AP_WEIGHT_BITS_LEAST, AP_WEIGHT_BITS_MOST);
    else
      node->weight_bits = (unsigned)bits;
  }
  json_decref(array);
  return st;
}

/* What stays on record of the file. */
static json_t *describe(const ap_onnx_graph *graph, const char *path) {
  const char *slash = strrchr(path, '/');
  char *bytes = NULL, hash[AP_SHA256_TEXT] = "";
  size_t size = 0;
  if (ap_file_read(path, AP_ONNX_MAX_BYTES, &bytes, &size, NULL) == AP_OK)
    ap_sha256(bytes, size, hash);
  ap_free(bytes);
  return json_pack("{s:s+, s:s, s:s%, s:I, s:I}", "file", slash ? slash + 1 : path, "", "sha256",
                   hash, "producer", graph->producer, strnlen(graph->producer, 200), "opset",
                   (json_int_t)graph->opset, "ir_version", (json_int_t)graph->ir_version);
}

/* Of a pruned network: the policy, and the hash of the model that it was before. */
static ap_status put_policy(const ap_onnx_graph *graph, const char *path, json_t *metadata,
                            ap_error *err) {
  json_t *policy, *dense = json_object_get(graph->metadata, "autoprune.dense_sha256");
  ap_status st = stored_json(graph, path, "autoprune.policy", &policy, err);
  if (st || !policy) return st;
  if (json_object_set_new(metadata, "policy", policy) != 0 ||
      (dense && json_object_set(metadata, "dense_sha256", dense) != 0))
    return ap_fail(err, AP_ERR_MEMORY, "%s: metadata", path);
  return AP_OK;
}

static ap_status make_metadata(const ap_onnx_graph *graph, const char *path, json_t **metadata,
                               ap_error *err) {
  json_t *object;
  ap_status st = stored_json(graph, path, "autoprune.metadata", &object, err);
  if (st) return st;
  if (!json_is_object(object)) {
    json_decref(object);
    object = json_object();
  }
  if (!st) st = put_policy(graph, path, object, err);
  if (st) {
    json_decref(object);
    return st;
  }
  /* Where a file of ours keeps what it was made of, that stays; NULL also where a name is not UTF-8. */
  json_t *file = json_object_get(object, "onnx") ? NULL : describe(graph, path);
  if (!object || (file && json_object_set_new(object, "onnx", file) != 0)) {
    json_decref(object);
    return ap_fail(err, AP_ERR_MEMORY, "%s: metadata", path);
  }
  *metadata = object;
  return AP_OK;
}

/* Texts of the file reach terminals, and a name also JSON documents: no control characters stay, and
 * in names no bytes beyond ASCII. */
static void scrub(char *text, int last) {
  for (unsigned char *c = (unsigned char *)text; *c; c++) {
    if (*c < ' ' || *c == 127 || *c > last) *c = '_';
  }
}

/* A network is called as its file, one that this program wrote as it was. */
static ap_status name_network(ap_onnx_graph *graph, const char *path, ap_error *err) {
  const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
  if (strcmp(graph->producer, "autoprune") != 0 || !*graph->name) {
    ap_free(graph->name);
    graph->name = ap_sprintf("%.*s", (int)strlen(file) - 5, file);
    if (!graph->name) return ap_fail(err, AP_ERR_MEMORY, "%s: name", path);
  }
  scrub(graph->name, '~');
  return AP_OK;
}

ap_status ap_onnx_import(const char *path, ap_network **out, json_t **metadata, ap_error *err) {
  ap_onnx_graph *graph = NULL;
  ap_network *net = NULL;
  *out = NULL;
  if (metadata) *metadata = NULL;
  ap_status st = ap_onnx_read(path, &graph, err);
  if (st) {
    if (err) scrub(err->text, 255);
    return st;
  }
  st = name_network(graph, path, err);
  if (!st) st = ap_onnx_lower(graph, &net, err);
  if (st) (void)ap_fail_context(err, st, "%s", path);
  if (!st) st = stored_numbers(graph, path, "autoprune.mean", false, net->mean, err);
  if (!st) st = stored_numbers(graph, path, "autoprune.std", true, net->std, err);
  if (!st) st = stored_weight_bits(graph, path, net, err);
  if (!st && metadata) st = make_metadata(graph, path, metadata, err);
  if (!st) {
    *out = net;
    net = NULL;
  } else if (err) {
    scrub(err->text, 255);
  }
  ap_network_destroy(net);
  ap_onnx_graph_destroy(graph);
  return st;
}
