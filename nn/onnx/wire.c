/* nn/onnx/wire.c - the wire format (protobuf.dev/programming-guides/encoding): a tag is a varint of
 * field number * 8 + wire type; type 0 is followed by a varint, 1 by 8 bytes, 2 by a length and as
 * many bytes, 5 by 4 bytes. */
#include "nn/onnx/wire.h"

#include "base/alloc.h"

typedef struct {
  const uint8_t *begin, *at, *end;
  size_t bytes;
  ap_error *err;
} scanner;

static ap_status bad(const scanner *s, const char *what) {
  return ap_fail(s->err, AP_ERR_FORMAT, "byte %zu: %s: not an ONNX model, or damaged",
                 (size_t)(s->at - s->begin), what);
}

static ap_status varint(scanner *s, const uint8_t *end, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (s->at >= end) return bad(s, "the file ends in a number");
    uint8_t byte = *s->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return AP_OK;
  }
  return bad(s, "a number of more than 10 bytes");
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *message,
                                                uint64_t number) {
  for (unsigned i = 0; i < message->n_fields; i++) {
    if (message->fields[i].id == number) return &message->fields[i];
  }
  return NULL;
}

static ap_status scan(scanner *s, const ProtobufCMessageDescriptor *message, const uint8_t *end,
                      int depth);

/* Bytes in memory for a byte of a packed field: a varint of 1 byte may become a number of 8. */
static size_t growth(const ProtobufCFieldDescriptor *field) {
  if (!field || field->label != PROTOBUF_C_LABEL_REPEATED) return 1;
  switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
      return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
      return 8;
    default:
      return 1;
  }
}

/* What follows a length: a message, packed numbers, text or bytes. */
static ap_status scan_block(scanner *s, const ProtobufCFieldDescriptor *field, const uint8_t *end,
                            int depth) {
  uint64_t length;
  ap_status st = varint(s, end, &length);
  if (st) return st;
  if (length > (uint64_t)(end - s->at)) return bad(s, "a field is longer than what holds it");
  if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
    const ProtobufCMessageDescriptor *inner = field->descriptor;
    s->bytes += inner->sizeof_message + 2 * sizeof(void *) + 64;
    return scan(s, inner, s->at + length, depth + 1);
  }
  s->bytes += growth(field) * (size_t)length + 96;
  s->at += length;
  return AP_OK;
}

static ap_status scan(scanner *s, const ProtobufCMessageDescriptor *message, const uint8_t *end,
                      int depth) {
  if (depth > AP_WIRE_MAX_DEPTH) return bad(s, "messages are nested too deeply");
  while (s->at < end) {
    uint64_t tag, value;
    ap_status st = varint(s, end, &tag);
    if (st) return st;
    uint64_t number = tag >> 3;
    if (number == 0 || number > 0x1fffffff) return bad(s, "no field number");
    switch (tag & 7) {
      case 0:
        st = varint(s, end, &value);
        s->bytes += 16;
        break;
      case 1:
      case 5: {
        size_t width = (tag & 7) == 1 ? 8 : 4;
        if ((size_t)(end - s->at) < width) return bad(s, "the file ends in a number");
        s->at += width;
        s->bytes += 16;
        break;
      }
      case 2:
        st = scan_block(s, field_of(message, number), end, depth);
        break;
      default:
        return bad(s, "no wire type");
    }
    if (st) return st;
  }
  return AP_OK;
}

ap_status ap_wire_check(const ProtobufCMessageDescriptor *message, const uint8_t *data, size_t size,
                        size_t *bytes, ap_error *err) {
  scanner s = {.begin = data, .at = data, .end = data + size, .err = err};
  ap_status st = scan(&s, message, s.end, 0);
  *bytes = s.bytes + message->sizeof_message;
  return st;
}

/* ---- memory: base/alloc.h, with a budget ---- */

static void *take(void *budget, size_t size) {
  size_t *left = budget;
  if (size > *left) return NULL;
  *left -= size;
  return ap_calloc(1, size);
}

static void give(void *budget, void *p) {
  (void)budget;
  ap_free(p);
}

ap_status ap_wire_unpack(const ProtobufCMessageDescriptor *message, const uint8_t *data,
                         size_t size, size_t limit, ProtobufCMessage **out, ap_error *err) {
  size_t left = limit;
  ProtobufCAllocator allocator = {.alloc = take, .free = give, .allocator_data = &left};
  *out = protobuf_c_message_unpack(message, &allocator, size, data);
  if (*out) return AP_OK;
  return left < limit / 2 ? ap_fail(err, AP_ERR_MEMORY, "unpacking %zu bytes", size)
                          : ap_fail(err, AP_ERR_FORMAT, "not an ONNX model, or damaged");
}

void ap_wire_free(ProtobufCMessage *message) {
  size_t none = 0;
  ProtobufCAllocator allocator = {.alloc = take, .free = give, .allocator_data = &none};
  if (message) protobuf_c_message_free_unpacked(message, &allocator);
}

void ap_wire_drop(ProtobufCBinaryData *field) {
  ap_free(field->data);
  field->data = NULL;
  field->len = 0;
}
