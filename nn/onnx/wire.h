/* nn/onnx/wire.h - untrusted protobuf bytes: looked through before the library unpacks them, and
 * unpacked with bounded memory. */
#ifndef AP_NN_ONNX_WIRE_H
#define AP_NN_ONNX_WIRE_H
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_WIRE_MAX_DEPTH 16 /* messages in messages; a plain graph needs 6 */

/* Are the bytes well-formed fields, nested by the descriptor no deeper than AP_WIRE_MAX_DEPTH? *bytes
 * gets the memory that their records will need, roughly. FORMAT names the byte. */
AP_NODISCARD ap_status ap_wire_check(const ProtobufCMessageDescriptor *message, const uint8_t *data,
                                     size_t size, size_t *bytes, ap_error *err);

/* Unpacks checked bytes into at most `limit` bytes of memory. Release with ap_wire_free. FORMAT, or
 * MEMORY when the limit is met. */
AP_NODISCARD ap_status ap_wire_unpack(const ProtobufCMessageDescriptor *message,
                                      const uint8_t *data, size_t size, size_t limit,
                                      ProtobufCMessage **out, ap_error *err);
void ap_wire_free(ProtobufCMessage *message); /* NULL is allowed */
/* Frees one bytes field of a message early. */
void ap_wire_drop(ProtobufCBinaryData *field);

AP_EXTERN_C_END
#endif
