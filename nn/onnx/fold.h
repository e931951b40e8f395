/* nn/onnx/fold.h - the nodes that do not depend on the image are computed once, at import. */
#ifndef AP_NN_ONNX_FOLD_H
#define AP_NN_ONNX_FOLD_H
#include "nn/onnx/graph.h"
#include "nn/onnx/shapes.h"
AP_EXTERN_C_BEGIN

/* Elements of a result that may be larger than what it is made of (ConstantOfShape, Range, Expand,
 * broadcasts, Gather). */
#define AP_ONNX_MAX_GROWN ((size_t)1 << 22)
/* Elements of all results together: so many times those of the file, and so many more. The same holds for
 * what all reductions read, whose results are small. */
#define AP_ONNX_COMPUTED_TIMES ((size_t)4)
#define AP_ONNX_COMPUTED_MORE ((size_t)1 << 24)

typedef ap_status ap_onnx_fold_rule(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                    ap_onnx_tensor **out, ap_error *err);
/* The rule of an operator, or NULL. A rule is called with all inputs constant. */
ap_onnx_fold_rule *ap_onnx_fold_find(const char *op);
/* Computes a node whose inputs are all constant: its first output becomes one. Errors name the node:
 * FORMAT (shapes, division by zero, overflow, ...), UNSUPPORTED, MEMORY. */
AP_NODISCARD ap_status ap_onnx_fold(ap_onnx_graph *graph, const ap_onnx_node *node, ap_error *err);

/* ---- the rules ---- */
extern ap_onnx_fold_rule ap_onnx_fold_binary, ap_onnx_fold_unary, ap_onnx_fold_clip,
    ap_onnx_fold_cast, ap_onnx_fold_cast_like, ap_onnx_fold_where; /* fold_arith.c */
extern ap_onnx_fold_rule ap_onnx_fold_reduce;                      /* fold_reduce.c */
extern ap_onnx_fold_rule ap_onnx_fold_reshape, ap_onnx_fold_transpose, ap_onnx_fold_slice,
    ap_onnx_fold_concat, ap_onnx_fold_gather, ap_onnx_fold_expand; /* fold_move.c */

/* What the node, a Shape or a Size, says of a tensor of these dimensions. */
AP_NODISCARD ap_status ap_onnx_fold_sizes(const ap_onnx_node *node, const ap_onnx_dims *dims,
                                          ap_onnx_tensor **out, ap_error *err);

/* ---- for the rules ---- */
const ap_onnx_tensor *ap_onnx_fold_input(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                         size_t input);
ap_onnx_dims ap_onnx_dims_of(const ap_onnx_tensor *tensor);
/* A result that may be larger than its sources: at most AP_ONNX_MAX_GROWN elements, or as many as
 * `sources`. */
AP_NODISCARD ap_status ap_onnx_fold_grown(const ap_onnx_node *node, bool is_int,
                                          const ap_onnx_dims *dims, size_t sources,
                                          ap_onnx_tensor **out, ap_error *err);
/* The shape that two tensors are broadcast to. FORMAT where they do not fit. */
AP_NODISCARD ap_status ap_onnx_fold_broadcast(const ap_onnx_node *node, const ap_onnx_dims *a,
                                              const ap_onnx_dims *b, ap_onnx_dims *out,
                                              ap_error *err);

AP_EXTERN_C_END
#endif
