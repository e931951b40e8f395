/* nn/model_file.c - writing model files. */
#include "nn/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "nn/model_codes_impl.h"
#include "nn/model_impl.h"

const char *ap_role_name(int role) {
  static const char *const names[AP_ROLE_COUNT] = {"weight", "bias", "mean", "var"};
  return names[role];
}

void ap_digest_bytes(const char *hex, unsigned char digest[AP_MODEL_DIGEST_BYTES]) {
  for (size_t i = 0; i < AP_MODEL_DIGEST_BYTES; i++) {
    unsigned value = 0;
    for (size_t j = 2 * i; j < 2 * i + 2; j++)
      value = value << 4 | (unsigned)(hex[j] <= '9' ? hex[j] - '0' : hex[j] - 'a' + 10);
    digest[i] = (unsigned char)value;
  }
}

/* Values of one role of a node, NULL where it has none. */
static const float *tensor_of(const ap_network *net, size_t index, int role, size_t *count) {
  const ap_node *node = &net->nodes[index];
  const float *const values[AP_ROLE_COUNT] = {node->weight, node->bias, node->mean, node->var};
  *count = role == AP_ROLE_WEIGHT ? ap_node_weight_count(net, index) : node->shape.c;
  return values[role];
}

/* Integers of the weights of a node, as they go into the file; bytes NULL: none. */
typedef struct {
  unsigned char *bytes;
  size_t n;
} codes;

/* What is written. */
typedef struct {
  const ap_network *net;
  unsigned stored_bits;
  codes *codes; /* [n_nodes], or NULL */
} contents;

static bool is_layer_weight(const ap_node *node, int role) {
  return role == AP_ROLE_WEIGHT && node->kind != AP_NODE_BATCHNORM;
}
static bool is_half(const contents *w, size_t node, int role) {
  return w->stored_bits == AP_STORE_FLOAT16 && is_layer_weight(&w->net->nodes[node], role);
}
static const codes *codes_of(const contents *w, size_t node, int role) {
  return w->codes && is_layer_weight(&w->net->nodes[node], role) ? &w->codes[node] : NULL;
}

static ap_status check_values(const ap_network *net, ap_error *err) {
  size_t count;
  for (size_t i = 1; i < net->n_nodes; i++) {
    for (int role = 0; role < AP_ROLE_COUNT; role++) {
      const float *values = tensor_of(net, i, role, &count);
      for (size_t j = 0; values && j < count; j++) {
        if (!isfinite(values[j]))
          return ap_fail(err, AP_ERR_ARG, "%s: %s %zu is %g", net->nodes[i].name,
                         ap_role_name(role), j, (double)values[j]);
      }
    }
  }
  return AP_OK;
}

/* Integers are made first: how long they are stands in the header. */
static ap_status make_codes(contents *w, ap_error *err) {
  ap_status st = AP_OK;
  if (w->stored_bits > AP_STORE_INT8) return AP_OK;
  w->codes = ap_calloc(w->net->n_nodes, sizeof *w->codes);
  if (!w->codes) return ap_fail(err, AP_ERR_MEMORY, "codes of %s", w->net->name);
  for (size_t i = 1; i < w->net->n_nodes && !st; i++) {
    const ap_node *node = &w->net->nodes[i];
    size_t count;
    const float *values = tensor_of(w->net, i, AP_ROLE_WEIGHT, &count);
    if (!values || !is_layer_weight(node, AP_ROLE_WEIGHT)) continue;
    st = ap_codes_write(node->name, values, node->shape.c, count, w->stored_bits,
                        &w->codes[i].bytes, &w->codes[i].n, err);
  }
  return st;
}

static void release_codes(contents *w) {
  for (size_t i = 0; w->codes && i < w->net->n_nodes; i++) ap_free(w->codes[i].bytes);
  ap_free(w->codes);
}

/* ---- header: a json_t that could not be made is NULL and is found when it is put in ---- */

static json_t *sizes(const size_t *values, size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; array && i < n; i++) {
    if (json_array_append_new(array, json_integer((json_int_t)values[i])) != 0) {
      json_decref(array);
      return NULL;
    }
  }
  return array;
}

static json_t *reals(const float *values, size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; array && i < n; i++) {
    if (json_array_append_new(array, json_real((double)values[i])) != 0) {
      json_decref(array);
      return NULL;
    }
  }
  return array;
}

static int put(json_t *object, const char *member, json_t *value) {
  return json_object_set_new(object, member, value);
}

static json_t *describe_node(const ap_node *node) {
  const size_t kernel[] = {node->kh, node->kw}, stride[] = {node->stride_h, node->stride_w};
  const size_t padding[] = {node->pad_top, node->pad_left, node->pad_bottom, node->pad_right};
  bool conv = node->kind == AP_NODE_CONV, average = node->kind == AP_NODE_AVGPOOL;
  bool window = conv || average || node->kind == AP_NODE_MAXPOOL;
  json_t *object = json_object();
  int bad = !object;
  bad = bad || put(object, "kind", json_string(ap_node_type(node)));
  bad = bad || put(object, "name", json_string(node->name));
  bad = bad || put(object, "inputs", sizes(node->inputs, node->n_inputs));
  if (conv || node->kind == AP_NODE_LINEAR)
    bad = bad || put(object, "channels", json_integer((json_int_t)node->shape.c));
  if (node->weight_bits)
    bad = bad || put(object, "weight_bits", json_integer((json_int_t)node->weight_bits));
  if (window) bad = bad || put(object, "kernel", sizes(kernel, 2));
  if (window || node->kind == AP_NODE_SHORTCUT)
    bad = bad || put(object, "stride", sizes(stride, 2));
  if (window) bad = bad || put(object, "padding", sizes(padding, 4));
  if (node->dilation_h > 1 || node->dilation_w > 1)
    bad = bad ||
          put(object, "dilation", sizes((const size_t[]){node->dilation_h, node->dilation_w}, 2));
  if (conv || node->kind == AP_NODE_GROUPNORM)
    bad = bad || put(object, "groups", json_integer((json_int_t)node->groups));
  if (average) bad = bad || put(object, "count_padding", json_boolean(node->count_padding));
  if (node->kind == AP_NODE_SHORTCUT) {
    bad = bad || put(object, "before", json_integer((json_int_t)node->channels_before));
    bad = bad || put(object, "after", json_integer((json_int_t)node->channels_after));
  }
  if (node->kind == AP_NODE_GATHER)
    bad = bad || put(object, "picks", sizes(node->picks, node->shape.c));
  if (node->kind == AP_NODE_RELU && isfinite(node->ceiling))
    bad = bad || put(object, "ceiling", json_real((double)node->ceiling));
  if (node->kind == AP_NODE_BATCHNORM || ap_node_is_norm(node))
    bad = bad || put(object, "epsilon", json_real((double)node->epsilon));
  if (!bad) return object;
  json_decref(object);
  return NULL;
}

/* *offset: of the tensor; moved behind it. */
static json_t *describe_tensor(const contents *w, size_t node, int role, size_t count,
                               size_t *offset) {
  const codes *integers = codes_of(w, node, role);
  const bool half = is_half(w, node, role);
  json_t *object = json_object();
  const char *type = ap_stored_type(integers || half ? w->stored_bits : AP_STORE_FLOAT32);
  int bad = !object;
  bad = bad || put(object, "node", json_integer((json_int_t)node));
  bad = bad || put(object, "role", json_string(ap_role_name(role)));
  bad = bad || put(object, "type", json_string(type));
  bad = bad || put(object, "offset", json_integer((json_int_t)*offset));
  bad = bad || put(object, "count", json_integer((json_int_t)count));
  if (integers) bad = bad || put(object, "bytes", json_integer((json_int_t)integers->n));
  *offset += integers ? integers->n : count * (half ? sizeof(uint16_t) : sizeof(float));
  if (!bad) return object;
  json_decref(object);
  return NULL;
}

static json_t *describe_network(const contents *w, const json_t *metadata) {
  const ap_network *net = w->net;
  const ap_shape3 in = net->nodes[0].shape;
  const size_t input[] = {in.c, in.h, in.w};
  json_t *header = json_object(), *nodes = json_array(), *tensors = json_array();
  size_t offset = 0, count;
  int bad = !header || !nodes || !tensors;
  for (size_t i = 1; i < net->n_nodes && !bad; i++) {
    bad = json_array_append_new(nodes, describe_node(&net->nodes[i]));
    for (int role = 0; role < AP_ROLE_COUNT && !bad; role++) {
      if (!tensor_of(net, i, role, &count)) continue;
      bad = json_array_append_new(tensors, describe_tensor(w, i, role, count, &offset));
    }
  }
  bad = bad || put(header, "name", json_string(net->name));
  bad = bad || put(header, "input", sizes(input, 3));
  bad = bad || put(header, "mean", reals(net->mean, 4));
  bad = bad || put(header, "std", reals(net->std, 4));
  bad = bad || json_object_set(header, "nodes", nodes);
  bad = bad || json_object_set(header, "tensors", tensors);
  if (metadata) bad = bad || put(header, "metadata", json_deep_copy(metadata));
  json_decref(nodes);
  json_decref(tensors);
  if (!bad) return header;
  json_decref(header);
  return NULL;
}

/* ---- writing ---- */

typedef struct {
  FILE *stream; /* errors are seen when the file is committed */
  ap_hash *hash;
} sink;

static void emit(sink *s, const void *data, size_t size) {
  (void)fwrite(data, 1, size, s->stream);
  ap_hash_add(s->hash, data, size);
}

static ap_status half_of(const char *name, const float *values, size_t i, uint16_t *half,
                         ap_error *err) {
  *half = ap_half_from_float(values[i]);
  if (isfinite(ap_half_to_float(*half))) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s: weight %zu is %g, float16 ends at 65504", name, i,
                 (double)values[i]);
}

static ap_status emit_half(sink *s, const char *name, const float *values, size_t count,
                           ap_error *err) {
  uint16_t block[1024];
  for (size_t at = 0; at < count;) {
    size_t n = 0;
    for (; n < sizeof block / sizeof *block && at < count; n++, at++) {
      ap_status st = half_of(name, values, at, &block[n], err);
      if (st) return st;
    }
    emit(s, block, n * sizeof *block);
  }
  return AP_OK;
}

static ap_status emit_tensors(sink *s, const contents *w, ap_error *err) {
  size_t count;
  for (size_t i = 1; i < w->net->n_nodes; i++) {
    for (int role = 0; role < AP_ROLE_COUNT; role++) {
      const float *values = tensor_of(w->net, i, role, &count);
      const codes *integers = codes_of(w, i, role);
      if (!values) continue;
      if (integers) {
        emit(s, integers->bytes, integers->n);
      } else if (is_half(w, i, role)) {
        ap_status st = emit_half(s, w->net->nodes[i].name, values, count, err);
        if (st) return st;
      } else {
        emit(s, values, count * sizeof *values);
      }
    }
  }
  return AP_OK;
}

static ap_status emit_all(sink *s, const contents *w, const char *header, ap_error *err) {
  unsigned char length[8], digest[AP_MODEL_DIGEST_BYTES];
  char text[AP_SHA256_TEXT];
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)strlen(header) >> (8 * i));
  emit(s, AP_MODEL_MAGIC, AP_MODEL_MAGIC_BYTES);
  emit(s, length, sizeof length);
  emit(s, header, strlen(header));
  ap_status st = emit_tensors(s, w, err);
  if (st) return st;
  ap_hash_text(s->hash, text);
  ap_digest_bytes(text, digest);
  (void)fwrite(digest, 1, sizeof digest, s->stream);
  return AP_OK;
}

const char *ap_stored_type(unsigned stored_bits) {
  static const char *const types[AP_STORE_FLOAT32 + 1] = {
      [2] = "int2", [3] = "int3", [4] = "int4",     [5] = "int5",    [6] = "int6",
      [7] = "int7", [8] = "int8", [16] = "float16", [32] = "float32"};
  return stored_bits <= AP_STORE_FLOAT32 ? types[stored_bits] : NULL;
}

unsigned ap_stored_bits(const char *type) {
  for (unsigned bits = 1; bits <= AP_STORE_FLOAT32; bits++) {
    const char *known = ap_stored_type(bits);
    if (known && strcmp(known, type) == 0) return bits;
  }
  return 0;
}

static ap_status check_stored_bits(unsigned bits, ap_error *err) {
  if (ap_stored_type(bits)) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "weights of %u bits: 2 to 8, 16 or 32 are stored", bits);
}

static ap_status round_weights(const ap_node *node, size_t count, unsigned bits, ap_error *err) {
  ap_status st = AP_OK;
  uint16_t half;
  if (bits <= AP_STORE_INT8)
    return ap_codes_round(node->name, node->weight, node->shape.c, count, bits, err);
  for (size_t i = 0; i < count && !st; i++) {
    st = half_of(node->name, node->weight, i, &half, err);
    if (!st) node->weight[i] = ap_half_to_float(half);
  }
  return st;
}

ap_status ap_model_round(ap_network *net, unsigned stored_bits, ap_error *err) {
  ap_status st = check_stored_bits(stored_bits, err);
  if (!st) st = check_values(net, err);
  for (size_t i = 1; i < net->n_nodes && !st && stored_bits != AP_STORE_FLOAT32; i++) {
    const size_t count = ap_node_weight_count(net, i);
    if (count > 0 && is_layer_weight(&net->nodes[i], AP_ROLE_WEIGHT))
      st = round_weights(&net->nodes[i], count, stored_bits, err);
  }
  return st;
}

ap_status ap_model_save(const char *path, const ap_network *net, const json_t *metadata,
                        unsigned stored_bits, bool force, ap_error *err) {
  ap_status st = AP_OK;
  ap_output *output = NULL;
  json_t *header = NULL;
  char *text = NULL;
  sink s = {0};
  contents w = {.net = net, .stored_bits = stored_bits};
  st = check_stored_bits(stored_bits, err);
  if (st) return st;
  if (metadata && !json_is_object(metadata))
    return ap_fail(err, AP_ERR_ARG, "%s: metadata is no JSON object", path);
  for (int c = 0; c < 4; c++) {
    if (!isfinite(net->mean[c]) || !isfinite(net->std[c]) || !(net->std[c] > 0.0f))
      return ap_fail(err, AP_ERR_ARG, "%s: normalisation of channel %d: mean %g, deviation %g",
                     net->name, c, (double)net->mean[c], (double)net->std[c]);
  }
  st = check_values(net, err);
  if (!st) st = make_codes(&w, err);
  if (st) goto done;
  header = describe_network(&w, metadata);
  if (header) text = json_dumps(header, JSON_COMPACT);
  if (!text) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: header", path);
    goto done;
  }
  st = ap_hash_create(&s.hash, err);
  if (st) goto done;
  st = ap_output_open(path, force, &output, err);
  if (st) goto done;
  s.stream = ap_output_stream(output);
  st = emit_all(&s, &w, text, err);
  if (st) goto done;
  st = ap_output_commit(output, err);
  output = NULL;
done:
  release_codes(&w);
  ap_output_abandon(output);
  ap_hash_destroy(s.hash);
  free(text);
  json_decref(header);
  return st;
}
