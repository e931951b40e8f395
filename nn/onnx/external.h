/* nn/onnx/external.h - tensors whose bytes lie in a file beside the model. */
#ifndef AP_NN_ONNX_EXTERNAL_H
#define AP_NN_ONNX_EXTERNAL_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Reads `bytes` bytes at `offset` of the file `location`, a path relative to the folder of `model`, that
 * may not lead out of that folder (no "..", no absolute path, no link to elsewhere). *data: ap_free
 * it. FORMAT for such a path or a file that is too short, IO, MEMORY. */
AP_NODISCARD ap_status ap_onnx_external_read(const char *model, const char *location,
                                             uint64_t offset, size_t bytes, char **data,
                                             ap_error *err);

AP_EXTERN_C_END
#endif
