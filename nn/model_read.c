/* nn/model_read.c - reading model files. Everything in them is taken as hostile: the checksum only
 * shows damage, so every length, count and value is checked before it is used. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/json.h"
#include "nn/model_codes_impl.h"
#include "nn/model_file.h"
#include "nn/model_impl.h"
#include "nn/network_impl.h"
#include "nn/onnx.h"

typedef struct {
  const char *path;
  const json_t *header;
  const char *bytes; /* of the tensors */
  size_t n_bytes;
  const json_t *table; /* "tensors" */
  size_t next, offset; /* of the next tensor, in the table and in the bytes */
  ap_network *net;
} reader;

/* The place in the header that an error names: "FILE: nodes[3]". */
typedef struct {
  char text[320];
} place;

static place place_of(const reader *r, const char *array, size_t index) {
  place p;
  (void)snprintf(p.text, sizeof p.text, "%.240s: %s[%zu]", r->path, array, index);
  return p;
}

/* An array of exactly n sizes. */
static ap_status read_sizes(const json_t *object, const char *member, const char *where, size_t n,
                            size_t *out, ap_error *err) {
  const json_t *array;
  ap_status st = ap_json_array(object, member, where, &array, err);
  if (st) return st;
  if (json_array_size(array) != n)
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" has %zu elements, expected %zu", where,
                   member, json_array_size(array), n);
  for (size_t i = 0; i < n; i++) {
    const json_t *value = json_array_get(array, i);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < 0 || number > (json_int_t)AP_NETWORK_MAX_VALUES)
      return ap_fail(err, AP_ERR_FORMAT, "%s: element %zu of \"%s\" is no integer in 0..%u", where,
                     i, member, AP_NETWORK_MAX_VALUES);
    out[i] = (size_t)number;
  }
  return AP_OK;
}

/* Four numbers that are finite as floats. */
static ap_status read_reals(const reader *r, const char *member, float *out, ap_error *err) {
  const json_t *array;
  ap_status st = ap_json_array(r->header, member, r->path, &array, err);
  if (st) return st;
  for (size_t i = 0; i < 4; i++) {
    const json_t *value = json_array_get(array, i);
    out[i] = json_is_number(value) ? (float)json_number_value(value) : NAN;
    if (json_array_size(array) != 4 || !isfinite(out[i]))
      return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is not four finite numbers", r->path,
                     member);
  }
  return AP_OK;
}

static ap_status read_float(const json_t *object, const char *member, double most,
                            const char *where, float *out, ap_error *err) {
  double number;
  ap_status st = ap_json_number(object, member, 0.0, most, where, &number, err);
  if (st) return st;
  *out = (float)number;
  if (!(*out > 0.0f))
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is %g, expected more than 0", where,
                   member, number);
  return AP_OK;
}

/* The kind, and of a CURVE which: as ap_node_type names them. */
static ap_status read_kind(const json_t *object, const char *where, ap_node *node, ap_error *err) {
  const char *text;
  ap_status st = ap_json_string(object, "kind", where, &text, err);
  if (st) return st;
  for (int k = AP_NODE_CONV; k < AP_NODE_KINDS; k++) {
    const int curves = k == AP_NODE_CURVE ? AP_CURVES : AP_CURVE_LOGISTIC + 1;
    for (int c = AP_CURVE_LOGISTIC; c < curves; c++) {
      node->kind = (ap_node_kind)k;
      node->curve = k == AP_NODE_CURVE ? (ap_curve)c : AP_CURVE_NONE;
      if (strcmp(ap_node_type(node), text) == 0) return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_FORMAT, "%s: unknown node kind \"%.40s\"", where, text);
}

static ap_status read_window(const json_t *object, const char *where, ap_node *node,
                             ap_error *err) {
  size_t kernel[2], stride[2], padding[4];
  ap_status st = read_sizes(object, "kernel", where, 2, kernel, err);
  if (!st) st = read_sizes(object, "stride", where, 2, stride, err);
  if (!st) st = read_sizes(object, "padding", where, 4, padding, err);
  if (st) return st;
  node->kh = kernel[0];
  node->kw = kernel[1];
  node->stride_h = stride[0];
  node->stride_w = stride[1];
  node->pad_top = padding[0];
  node->pad_left = padding[1];
  node->pad_bottom = padding[2];
  node->pad_right = padding[3];
  return AP_OK;
}

/* Absent: 1. */
static ap_status read_dilation(const json_t *object, const char *where, ap_node *node,
                               ap_error *err) {
  size_t dilation[2] = {1, 1};
  ap_status st = AP_OK;
  if (json_object_get(object, "dilation"))
    st = read_sizes(object, "dilation", where, 2, dilation, err);
  node->dilation_h = dilation[0];
  node->dilation_w = dilation[1];
  return st;
}

/* Absent: the hardware's. */
static ap_status read_weight_bits(const json_t *object, const char *where, ap_node *node,
                                  ap_error *err) {
  size_t bits = 0;
  ap_status st;
  if (!json_object_get(object, "weight_bits")) return AP_OK;
  st = ap_json_size(object, "weight_bits", AP_WEIGHT_BITS_LEAST, AP_WEIGHT_BITS_MOST, where, &bits,
                    err);
  node->weight_bits = (unsigned)bits;
  return st;
}

/* The channels of a GATHER: node->picks is the caller's to free. */
static ap_status read_picks(const json_t *object, const char *where, ap_node *node, ap_error *err) {
  const json_t *array;
  ap_status st = ap_json_array(object, "picks", where, &array, err);
  if (st) return st;
  node->shape.c = json_array_size(array);
  node->picks = ap_calloc(node->shape.c, sizeof *node->picks);
  if (!node->picks) return ap_fail(err, AP_ERR_MEMORY, "%s: picks", where);
  return read_sizes(object, "picks", where, node->shape.c, node->picks, err);
}

/* What the node's kind needs besides name and inputs. */
static ap_status read_geometry(const json_t *object, const char *where, ap_node *node,
                               ap_error *err) {
  const size_t most = AP_NETWORK_MAX_VALUES;
  const json_t *flag = json_object_get(object, "count_padding");
  size_t stride[2];
  ap_status st = AP_OK;
  switch (node->kind) {
    case AP_NODE_CONV:
      st = ap_json_size(object, "channels", 1, most, where, &node->shape.c, err);
      if (!st) st = ap_json_size(object, "groups", 1, most, where, &node->groups, err);
      if (!st) st = read_dilation(object, where, node, err);
      return st ? st : read_window(object, where, node, err);
    case AP_NODE_LINEAR:
      return ap_json_size(object, "channels", 1, most, where, &node->shape.c, err);
    case AP_NODE_AVGPOOL:
      if (!json_is_boolean(flag))
        return ap_fail(err, AP_ERR_FORMAT, "%s: member \"count_padding\" is no boolean", where);
      node->count_padding = json_is_true(flag);
      return read_window(object, where, node, err);
    case AP_NODE_MAXPOOL:
      return read_window(object, where, node, err);
    case AP_NODE_SHORTCUT:
      st = read_sizes(object, "stride", where, 2, stride, err);
      if (!st) st = ap_json_size(object, "before", 0, most, where, &node->channels_before, err);
      if (!st) st = ap_json_size(object, "after", 0, most, where, &node->channels_after, err);
      if (st) return st;
      node->stride_h = stride[0];
      node->stride_w = stride[1];
      return AP_OK;
    case AP_NODE_GATHER:
      return read_picks(object, where, node, err);
    case AP_NODE_RELU:
      if (!json_object_get(object, "ceiling")) return AP_OK;
      return read_float(object, "ceiling", 1e38, where, &node->ceiling, err);
    case AP_NODE_GROUPNORM:
      st = ap_json_size(object, "groups", 1, most, where, &node->groups, err);
      if (st) return st;
      /* fall through */
    case AP_NODE_LAYERNORM:
    case AP_NODE_BATCHNORM:
      return read_float(object, "epsilon", 1e38, where, &node->epsilon, err);
    default:
      return AP_OK;
  }
}

/* `count` numbers at the present offset. */
static ap_status decode_floats(const reader *r, const char *where, bool half, size_t count,
                               float **values, size_t *bytes, ap_error *err) {
  const size_t item = half ? sizeof(uint16_t) : sizeof(float);
  if (count > (r->n_bytes - r->offset) / item)
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: %zu values of %zu bytes at offset %zu, the file has %zu", where, count,
                   item, r->offset, r->n_bytes);
  *values = ap_calloc(count, sizeof **values);
  if (!*values) return ap_fail(err, AP_ERR_MEMORY, "%s: %zu values", where, count);
  *bytes = count * item;
  if (!half) {
    memcpy(*values, r->bytes + r->offset, count * item);
    return AP_OK;
  }
  for (size_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, r->bytes + r->offset + i * item, item);
    (*values)[i] = ap_half_to_float(bits);
  }
  return AP_OK;
}

/* Decodes the next tensor of the table, which must be this one, to *values (ap_free it). channels: of
 * the weights of a layer, which may be integers; else 0. */
static ap_status read_tensor(reader *r, size_t node, int role, size_t channels, size_t count,
                             float **values, ap_error *err) {
  const json_t *entry = json_array_get(r->table, r->next);
  place where = place_of(r, "tensors", r->next);
  const char *text = NULL;
  size_t number = 0, offset = 0, have = 0, bytes = 0;
  ap_status st = ap_json_size(entry, "node", node, node, where.text, &number, err);
  if (!st) st = ap_json_string(entry, "role", where.text, &text, err);
  if (!st && strcmp(text, ap_role_name(role)) != 0)
    st = ap_fail(err, AP_ERR_FORMAT, "%s: role \"%.40s\", expected \"%s\"", where.text, text,
                 ap_role_name(role));
  if (!st) st = ap_json_size(entry, "count", count, count, where.text, &have, err);
  if (!st) st = ap_json_size(entry, "offset", r->offset, r->offset, where.text, &offset, err);
  if (!st) st = ap_json_string(entry, "type", where.text, &text, err);
  if (st) return st;
  const unsigned bits = ap_stored_bits(text);
  if (channels > 0 && bits > 0 && bits <= AP_STORE_INT8) {
    st = ap_json_size(entry, "bytes", 1, r->n_bytes - r->offset, where.text, &bytes, err);
    if (!st)
      st = ap_codes_read(where.text, (const unsigned char *)r->bytes + r->offset, bytes, channels,
                         count, bits, values, err);
  } else if (bits > AP_STORE_INT8) {
    st = decode_floats(r, where.text, bits == AP_STORE_FLOAT16, count, values, &bytes, err);
  } else {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: type \"%.40s\", expected float32%s", where.text, text,
                 channels > 0 ? ", float16 or int2 to int8" : " or float16");
  }
  if (st) return st;
  r->offset += bytes;
  r->next++;
  return AP_OK;
}

/* Is the table's next tensor the bias of this node? */
static bool bias_follows(const reader *r, size_t node) {
  const json_t *entry = json_array_get(r->table, r->next);
  const char *role = json_string_value(json_object_get(entry, "role"));
  return role && strcmp(role, "bias") == 0 &&
         json_integer_value(json_object_get(entry, "node")) == (json_int_t)node;
}

static ap_status read_values(reader *r, ap_node *node, size_t n_weights, ap_error *err) {
  size_t index = r->net->n_nodes, c = node->shape.c;
  bool norm = node->kind == AP_NODE_BATCHNORM;
  ap_status st = AP_OK;
  if (n_weights)
    st = read_tensor(r, index, AP_ROLE_WEIGHT, norm ? 0 : c, n_weights, &node->weight, err);
  if (!st && n_weights && (norm || bias_follows(r, index)))
    st = read_tensor(r, index, AP_ROLE_BIAS, 0, c, &node->bias, err);
  if (!st && norm) st = read_tensor(r, index, AP_ROLE_MEAN, 0, c, &node->mean, err);
  if (!st && norm) st = read_tensor(r, index, AP_ROLE_VAR, 0, c, &node->var, err);
  return st;
}

/* What the network refuses is, here, a fault of the file. */
static ap_status as_format(ap_status st, const char *where, ap_error *err) {
  return st == AP_ERR_ARG ? ap_fail_context(err, AP_ERR_FORMAT, "%s", where) : st;
}

static ap_status read_node(reader *r, const json_t *object, ap_error *err) {
  place where = place_of(r, "nodes", r->net->n_nodes - 1);
  ap_node node = {0};
  const json_t *inputs;
  const char *name;
  char *own_name = NULL;
  ap_status st = read_kind(object, where.text, &node, err);
  if (!st) st = ap_json_string(object, "name", where.text, &name, err);
  if (!st) st = ap_json_array(object, "inputs", where.text, &inputs, err);
  if (!st) st = read_geometry(object, where.text, &node, err);
  if (!st) st = read_weight_bits(object, where.text, &node, err);
  if (st) goto done;
  node.n_inputs = json_array_size(inputs);
  node.inputs = ap_calloc(node.n_inputs, sizeof *node.inputs);
  node.name = own_name = ap_strdup(name);
  if (!node.inputs || !own_name) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s", where.text);
    goto done;
  }
  st = read_sizes(object, "inputs", where.text, node.n_inputs, node.inputs, err);
  if (st) goto done;
  /* First without values, so that the sizes are known before anything of them is allocated. */
  st = as_format(ap_node_check(r->net, &node, err), where.text, err);
  if (st) goto done;
  st = read_values(r, &node, ap_node_weights(&node, &r->net->nodes[node.inputs[0]]), err);
  if (st) goto done;
  st = as_format(ap_network_append(r->net, &node, NULL, err), where.text, err);
done:
  ap_free(own_name);
  ap_free(node.inputs);
  ap_free(node.picks);
  ap_free(node.weight);
  ap_free(node.bias);
  ap_free(node.mean);
  ap_free(node.var);
  return st;
}

static ap_status read_network(reader *r, ap_error *err) {
  const json_t *nodes;
  const char *name;
  size_t input[3];
  ap_status st = ap_json_string(r->header, "name", r->path, &name, err);
  if (!st) st = read_sizes(r->header, "input", r->path, 3, input, err);
  if (!st) st = ap_json_array(r->header, "nodes", r->path, &nodes, err);
  if (!st) st = ap_json_array(r->header, "tensors", r->path, &r->table, err);
  if (st) return st;
  st = ap_network_create(name, (ap_shape3){input[0], input[1], input[2]}, &r->net, err);
  if (st) return as_format(st, r->path, err);
  st = read_reals(r, "mean", r->net->mean, err);
  if (!st) st = read_reals(r, "std", r->net->std, err);
  for (int c = 0; c < 4 && !st; c++) {
    if (!(r->net->std[c] > 0.0f))
      st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"std\" is not positive", r->path);
  }
  for (size_t i = 0; i < json_array_size(nodes) && !st; i++)
    st = read_node(r, json_array_get(nodes, i), err);
  if (st) return st;
  if (r->net->n_nodes < 2) return ap_fail(err, AP_ERR_FORMAT, "%s: no nodes", r->path);
  if (r->next != json_array_size(r->table))
    return ap_fail(err, AP_ERR_FORMAT, "%s: tensors[%zu] belongs to no node", r->path, r->next);
  if (r->offset != r->n_bytes)
    return ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes of tensors, expected %zu", r->path,
                   r->n_bytes, r->offset);
  return AP_OK;
}

/* Before all of a large file is read. */
static ap_status check_magic(const char *path, ap_error *err) {
  char start[AP_MODEL_MAGIC_BYTES];
  size_t got = 0;
  ap_status st = ap_file_start(path, start, sizeof start, &got, err);
  if (st || (got == sizeof start && memcmp(start, AP_MODEL_MAGIC, sizeof start) == 0)) return st;
  return ap_fail(err, AP_ERR_FORMAT, "%s: byte 0: not a model file (magic %s expected)", path,
                 AP_MODEL_MAGIC);
}

/* Length of the header, after checking the checksum. */
static ap_status check_envelope(const char *path, const char *bytes, size_t size, size_t *header,
                                ap_error *err) {
  const size_t frame = AP_MODEL_PROLOGUE_BYTES + AP_MODEL_DIGEST_BYTES;
  unsigned char digest[AP_MODEL_DIGEST_BYTES];
  char text[AP_SHA256_TEXT];
  uint64_t length = 0;
  if (size < frame)
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: file ends, a model has more than %zu bytes",
                   path, size, frame);
  for (int i = 7; i >= 0; i--)
    length = length << 8 | (unsigned char)bytes[AP_MODEL_MAGIC_BYTES + (size_t)i];
  if (length > size - frame || length > AP_MODEL_MAX_HEADER_BYTES)
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: byte %zu: header of %llu bytes in a file of %zu: truncated or damaged",
                   path, AP_MODEL_MAGIC_BYTES, (unsigned long long)length, size);
  ap_sha256(bytes, size - AP_MODEL_DIGEST_BYTES, text);
  ap_digest_bytes(text, digest);
  if (memcmp(digest, bytes + size - AP_MODEL_DIGEST_BYTES, AP_MODEL_DIGEST_BYTES) != 0)
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: checksum differs: truncated or damaged", path,
                   size - AP_MODEL_DIGEST_BYTES);
  *header = (size_t)length;
  return AP_OK;
}

ap_status ap_model_load(const char *path, ap_network **out, json_t **metadata, ap_error *err) {
  char *bytes = NULL, *file = NULL;
  json_t *header = NULL;
  reader r = {0};
  size_t size = 0, header_bytes = 0;
  *out = NULL;
  if (metadata) *metadata = NULL;
  ap_status st = ap_model_find(path, &file, err);
  if (!st && ap_onnx_is_name(file)) {
    st = ap_onnx_import(file, out, metadata, err);
    ap_free(file);
    return st;
  }
  if (!st) st = check_magic(file, err);
  if (!st) st = ap_file_read(file, AP_MODEL_MAX_BYTES, &bytes, &size, err);
  if (!st) st = check_envelope(file, bytes, size, &header_bytes, err);
  if (!st) st = ap_json_parse(bytes + AP_MODEL_PROLOGUE_BYTES, header_bytes, file, &header, err);
  if (st) goto done;
  r.path = file;
  r.header = header;
  r.bytes = bytes + AP_MODEL_PROLOGUE_BYTES + header_bytes;
  r.n_bytes = size - AP_MODEL_PROLOGUE_BYTES - header_bytes - AP_MODEL_DIGEST_BYTES;
  st = read_network(&r, err);
  if (st) goto done;
  json_t *kept = json_object_get(header, "metadata");
  if (kept && !json_is_object(kept)) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"metadata\" is no object", file);
    goto done;
  }
  if (metadata) *metadata = json_incref(kept);
  *out = r.net;
  r.net = NULL;
done:
  ap_network_destroy(r.net);
  json_decref(header);
  ap_free(bytes);
  ap_free(file);
  return st;
}
