/* nn/onnx/read.h - an .onnx file as a graph. */
#ifndef AP_NN_ONNX_READ_H
#define AP_NN_ONNX_READ_H
#include "nn/onnx/graph.h"
AP_EXTERN_C_BEGIN

#define AP_ONNX_MAX_BYTES ((size_t)2147483647) /* protobuf's own limit; tensors may be beside it */

/* Errors name the file: IO; FORMAT (damaged, values without a source, names that are given twice,
 * sizes that do not fit); UNSUPPORTED (opset, element type, several inputs or outputs, limits). */
AP_NODISCARD ap_status ap_onnx_read(const char *path, ap_onnx_graph **out, ap_error *err);

AP_EXTERN_C_END
#endif
