#include "nn/onnx/proto_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/half.h"
#include "nn/onnx/external.h"
#include "nn/onnx/wire.h"

/* Element types by their numbers in the schema. */
enum {
  FLOAT = 1,
  UINT8 = 2,
  INT8 = 3,
  UINT16 = 4,
  INT16 = 5,
  INT32 = 6,
  INT64 = 7,
  BOOL = 9,
  FLOAT16 = 10,
  DOUBLE = 11,
  UINT32 = 12,
  UINT64 = 13,
  BFLOAT16 = 16,
  N_TYPES
};

static const struct {
  size_t width; /* bytes in raw_data; 0: not supported */
  bool is_int;
} types[N_TYPES] = {
    [FLOAT] = {4, false},   [UINT8] = {1, true},   [INT8] = {1, true},   [UINT16] = {2, true},
    [INT16] = {2, true},    [INT32] = {4, true},   [INT64] = {8, true},  [BOOL] = {1, true},
    [FLOAT16] = {2, false}, [DOUBLE] = {8, false}, [UINT32] = {4, true}, [UINT64] = {8, true},
    [BFLOAT16] = {2, false}};

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Element i of the bytes, which are little-endian whatever the machine is. */
static void set_raw(ap_onnx_tensor *t, size_t i, int type, const unsigned char *bytes) {
  size_t width = types[type].width;
  uint64_t bits = 0;
  for (size_t b = width; b-- > 0;) bits = bits << 8 | bytes[i * width + b];
  switch (type) {
    case FLOAT:
      t->f[i] = from_bits((uint32_t)bits);
      break;
    case FLOAT16:
      t->f[i] = ap_half_to_float((uint16_t)bits);
      break;
    case BFLOAT16:
      t->f[i] = from_bits((uint32_t)bits << 16);
      break;
    case DOUBLE: {
      double value;
      memcpy(&value, &bits, sizeof value);
      t->f[i] = (float)value;
      break;
    }
    case INT8:
      t->i[i] = (int64_t)(bits ^ 0x80) - 0x80; /* the sign of 8 bits */
      break;
    case INT16:
      t->i[i] = (int16_t)bits;
      break;
    case INT32:
      t->i[i] = (int32_t)bits;
      break;
    default:
      t->i[i] = (int64_t)bits;
  }
}

/* All elements of the bytes. */
static void set_all_raw(ap_onnx_tensor *t, int type, const unsigned char *bytes) {
  if (type == FLOAT && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
    memcpy(t->f, bytes, t->count * sizeof *t->f);
    return;
  }
  for (size_t i = 0; i < t->count; i++) set_raw(t, i, type, bytes);
}

/* Element i of the typed fields. */
static void set_typed(ap_onnx_tensor *t, size_t i, int type, const Onnx__TensorProto *p) {
  switch (type) {
    case FLOAT:
      t->f[i] = p->float_data[i];
      break;
    case DOUBLE:
      t->f[i] = (float)p->double_data[i];
      break;
    case FLOAT16:
      t->f[i] = ap_half_to_float((uint16_t)p->int32_data[i]);
      break;
    case BFLOAT16:
      t->f[i] = from_bits((uint32_t)p->int32_data[i] << 16);
      break;
    case INT64:
      t->i[i] = p->int64_data[i];
      break;
    case UINT32:
    case UINT64:
      t->i[i] = (int64_t)p->uint64_data[i];
      break;
    default:
      t->i[i] = p->int32_data[i];
  }
}

static size_t typed_count(int type, const Onnx__TensorProto *p) {
  switch (type) {
    case FLOAT:
      return p->n_float_data;
    case DOUBLE:
      return p->n_double_data;
    case INT64:
      return p->n_int64_data;
    case UINT32:
    case UINT64:
      return p->n_uint64_data;
    default:
      return p->n_int32_data;
  }
}

/* A decimal number of an external_data entry; absent: 0. */
static ap_status number_of(const Onnx__TensorProto *p, const char *key, uint64_t *value,
                           bool *there, ap_error *err) {
  *value = 0;
  *there = false;
  for (size_t i = 0; i < p->n_external_data; i++) {
    const Onnx__StringStringEntryProto *entry = p->external_data[i];
    char *end = NULL;
    if (!entry->key || strcmp(entry->key, key) != 0) continue;
    const char *text = entry->value ? entry->value : "";
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number > INT64_MAX)
      return ap_fail(err, AP_ERR_FORMAT, "external data: %s is \"%.40s\"", key, text);
    *value = number;
    *there = true;
  }
  return AP_OK;
}

static ap_status read_external(const char *path, const Onnx__TensorProto *p, int type,
                               ap_onnx_tensor *t, ap_error *err) {
  uint64_t offset, length;
  bool has_offset, has_length;
  char *bytes = NULL;
  const char *location = NULL;
  size_t want = t->count * types[type].width;
  ap_status st = number_of(p, "offset", &offset, &has_offset, err);
  if (!st) st = number_of(p, "length", &length, &has_length, err);
  if (st) return st;
  for (size_t i = 0; i < p->n_external_data; i++) {
    if (p->external_data[i]->key && strcmp(p->external_data[i]->key, "location") == 0)
      location = p->external_data[i]->value;
  }
  if (!location) return ap_fail(err, AP_ERR_FORMAT, "external data without a location");
  if (has_length && length != want)
    return ap_fail(err, AP_ERR_FORMAT, "external data of %llu bytes, expected %zu",
                   (unsigned long long)length, want);
  st = ap_onnx_external_read(path, location, offset, want, &bytes, err);
  for (size_t i = 0; !st && i < t->count; i++) set_raw(t, i, type, (const unsigned char *)bytes);
  ap_free(bytes);
  return st;
}

static ap_status read_values(const char *path, const Onnx__TensorProto *p, int type,
                             ap_onnx_tensor *t, ap_error *err) {
  size_t width = types[type].width, have;
  if (p->has_data_location && p->data_location == 1) return read_external(path, p, type, t, err);
  if (p->has_raw_data && p->raw_data.len > 0) {
    if (p->raw_data.len != t->count * width)
      return ap_fail(err, AP_ERR_FORMAT, "%zu bytes for %zu elements of %zu", p->raw_data.len,
                     t->count, width);
    set_all_raw(t, type, p->raw_data.data);
    return AP_OK;
  }
  have = typed_count(type, p);
  if (have != t->count)
    return ap_fail(err, AP_ERR_FORMAT, "%zu values for %zu elements", have, t->count);
  for (size_t i = 0; i < t->count; i++) set_typed(t, i, type, p);
  return AP_OK;
}

/* Bytes that lie in the message itself: a tensor of more elements than that is refused before it is
 * allocated. */
static ap_status check_there(const Onnx__TensorProto *p, int type, size_t count, ap_error *err) {
  bool outside = p->has_data_location && p->data_location == 1;
  size_t have = p->raw_data.len / types[type].width, typed = typed_count(type, p);
  if (outside || count <= (have > typed ? have : typed)) return AP_OK;
  return ap_fail(err, AP_ERR_FORMAT, "%zu elements, %zu values are there", count,
                 have > typed ? have : typed);
}

static ap_status convert(const char *path, const Onnx__TensorProto *p, ap_onnx_tensor **out,
                         ap_error *err) {
  size_t dims[AP_ONNX_MAX_DIMS], count = 1;
  int type = p->has_data_type ? p->data_type : 0;
  if (type < 0 || type >= N_TYPES || !types[type].width)
    return ap_fail(err, AP_ERR_UNSUPPORTED,
                   "element type %d; floats of 16, 32, 64 bits, integers and bools are supported",
                   type);
  if (p->segment) return ap_fail(err, AP_ERR_UNSUPPORTED, "a tensor in segments");
  if (p->n_dims > AP_ONNX_MAX_DIMS)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "%zu dimensions, %d are supported", p->n_dims,
                   AP_ONNX_MAX_DIMS);
  for (size_t d = 0; d < p->n_dims; d++) {
    if (p->dims[d] < 0 || p->dims[d] > (int64_t)AP_ONNX_MAX_FLOATS ||
        (p->dims[d] && count > AP_ONNX_MAX_FLOATS / (size_t)p->dims[d]))
      return ap_fail(err, AP_ERR_FORMAT, "dimension %zu is %lld: not a size, or too large", d,
                     (long long)p->dims[d]);
    dims[d] = (size_t)p->dims[d];
    count *= dims[d];
  }
  ap_status st = check_there(p, type, count, err);
  if (!st) st = ap_onnx_tensor_create(types[type].is_int, dims, p->n_dims, out, err);
  if (!st) st = read_values(path, p, type, *out, err);
  return st;
}

ap_status ap_onnx_tensor_from_proto(const char *path, Onnx__TensorProto *proto,
                                    ap_onnx_tensor **out, ap_error *err) {
  *out = NULL;
  ap_status st = convert(path, proto, out, err);
  if (st) {
    ap_onnx_tensor_destroy(*out);
    *out = NULL;
    return ap_fail_context(err, st, "tensor %.100s", proto->name ? proto->name : "?");
  }
  if (proto->has_raw_data) ap_wire_drop(&proto->raw_data);
  return AP_OK;
}
