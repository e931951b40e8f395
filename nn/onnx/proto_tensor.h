/* nn/onnx/proto_tensor.h - TensorProto as a tensor of ours. */
#ifndef AP_NN_ONNX_PROTO_TENSOR_H
#define AP_NN_ONNX_PROTO_TENSOR_H
#include <onnx.pb-c.h>

#include "nn/onnx/tensor.h"
AP_EXTERN_C_BEGIN

/* The values lie in raw_data, in the typed field, or outside (relative to the file `path`). Frees the
 * raw bytes of *proto. FORMAT where dimensions and values do not fit, UNSUPPORTED for other element
 * types (strings, complex, 8-bit floats). Errors name the tensor. */
AP_NODISCARD ap_status ap_onnx_tensor_from_proto(const char *path, Onnx__TensorProto *proto,
                                                 ap_onnx_tensor **out, ap_error *err);

AP_EXTERN_C_END
#endif
