/* nn/onnx/shapes.h - what operators that move or regroup values do to dimensions; the same for
 * constants and for what is computed from the image. */
#ifndef AP_NN_ONNX_SHAPES_H
#define AP_NN_ONNX_SHAPES_H
#include "nn/onnx/graph.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t n;
  size_t d[AP_ONNX_MAX_DIMS];
} ap_onnx_dims;

/* Reshape: 0 keeps a dimension (unless allowzero), -1 is what is left over. */
AP_NODISCARD ap_status ap_onnx_shape_reshape(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                             const ap_onnx_dims *from, ap_onnx_dims *to,
                                             ap_error *err);
/* Flatten: two dimensions, what is before the axis and what is behind it. */
AP_NODISCARD ap_status ap_onnx_shape_flatten(const ap_onnx_node *node, const ap_onnx_dims *from,
                                             ap_onnx_dims *to, ap_error *err);
/* Squeeze and Unsqueeze: map[i] is the old dimension that the i-th new one is, or AP_ONNX_NONE for a
 * new one of size 1. Squeeze without axes keeps dimension 0 if keep_first. */
AP_NODISCARD ap_status ap_onnx_shape_squeeze(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                             const ap_onnx_dims *from, bool keep_first,
                                             ap_onnx_dims *to, size_t map[AP_ONNX_MAX_DIMS],
                                             ap_error *err);
AP_NODISCARD ap_status ap_onnx_shape_unsqueeze(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                               const ap_onnx_dims *from, ap_onnx_dims *to,
                                               size_t map[AP_ONNX_MAX_DIMS], ap_error *err);
/* Transpose: map[i] as above. */
AP_NODISCARD ap_status ap_onnx_shape_transpose(const ap_onnx_node *node, const ap_onnx_dims *from,
                                               ap_onnx_dims *to, size_t map[AP_ONNX_MAX_DIMS],
                                               ap_error *err);

/* Concat: the axis, which must be there. */
AP_NODISCARD ap_status ap_onnx_concat_axis(const ap_onnx_node *node, int64_t *axis, ap_error *err);

typedef struct {
  int64_t start, step; /* step may be negative */
  size_t count;
} ap_onnx_range;
/* Slice: one range a dimension. */
AP_NODISCARD ap_status ap_onnx_shape_slice(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                           const ap_onnx_dims *from,
                                           ap_onnx_range range[AP_ONNX_MAX_DIMS], ap_error *err);

AP_EXTERN_C_END
#endif
