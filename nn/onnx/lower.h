/* nn/onnx/lower.h - a graph as a network: node by node, constants folded on the way. */
#ifndef AP_NN_ONNX_LOWER_H
#define AP_NN_ONNX_LOWER_H
#include "nn/network.h"
#include "nn/onnx/graph.h"
#include "nn/onnx/view.h"
AP_EXTERN_C_BEGIN

/* The graph's constants grow by what is folded. FORMAT, UNSUPPORTED (naming node and operator, and
 * what is supported), MEMORY. The normalisation of the result is mean 0, std 1. */
AP_NODISCARD ap_status ap_onnx_lower(ap_onnx_graph *graph, ap_network **out, ap_error *err);

/* Takes out all nodes that `last`, which becomes the last one, does not need. Where there are none the
 * network stays as it is, else *net is another one. MEMORY. */
AP_NODISCARD ap_status ap_onnx_drop_unused(ap_network **net, size_t last, ap_error *err);

/* ---- for the rules ---- */
typedef struct {
  ap_onnx_graph *graph;
  ap_network *net;
  ap_onnx_view *views; /* per value */
  size_t *users;       /* per value: inputs of needed nodes, and the graph's output */
  size_t batch;        /* the graph's, or 1 */
  bool own;            /* written by this program: every Flatten is a node */
} ap_onnx_lowering;

/* Lowers one node: its first output's view. Inputs of views are live; the others are constants. */
typedef ap_status ap_onnx_rule(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err);
extern ap_onnx_rule ap_onnx_lower_conv, ap_onnx_lower_max_pool, ap_onnx_lower_average_pool,
    ap_onnx_lower_global_pool, ap_onnx_lower_reduce;          /* lower_window.c */
extern ap_onnx_rule ap_onnx_lower_gemm, ap_onnx_lower_matmul; /* lower_linear.c */
extern ap_onnx_rule ap_onnx_lower_batch_norm, ap_onnx_lower_arithmetic,
    ap_onnx_lower_sum; /* lower_affine.c */
extern ap_onnx_rule ap_onnx_lower_relu, ap_onnx_lower_clip, ap_onnx_lower_bound, ap_onnx_lower_same,
    ap_onnx_lower_softmax; /* lower_point.c */
extern ap_onnx_rule ap_onnx_lower_reshape, ap_onnx_lower_transpose, ap_onnx_lower_slice,
    ap_onnx_lower_pad, ap_onnx_lower_concat; /* lower_move.c */

/* A copy of the view of input `input`; UNSUPPORTED where that is a constant or a Softmax. Pending slices
 * that several nodes read become one SHORTCUT. */
AP_NODISCARD ap_status ap_onnx_input_view(ap_onnx_lowering *low, const ap_onnx_node *node,
                                          size_t input, ap_onnx_view *view, ap_error *err);
/* The same, also behind a Softmax: for what leaves every value as it is. */
AP_NODISCARD ap_status ap_onnx_input_moved(ap_onnx_lowering *low, const ap_onnx_node *node,
                                           size_t input, ap_onnx_view *view, ap_error *err);
/* The constant at input `input`; UNSUPPORTED where it is none ("its WHAT ..."), FORMAT where it is left
 * out and `needed`; NULL where it is left out. */
AP_NODISCARD ap_status ap_onnx_input_constant(const ap_onnx_lowering *low, const ap_onnx_node *node,
                                              size_t input, const char *what, bool needed,
                                              const ap_onnx_tensor **constant, ap_error *err);
/* Can no value of the network's node be below 0? False also where that is not plain to see. */
bool ap_onnx_is_nonnegative(const ap_network *net, size_t node);
/* Appends `like` behind the inputs (numbers of network nodes), named after `name`. What the network
 * refuses is a fault of the file, and named as one of `node`. */
AP_NODISCARD ap_status ap_onnx_emit(ap_onnx_lowering *low, const ap_onnx_node *node,
                                    const char *name, ap_node like, size_t *inputs, size_t n_inputs,
                                    size_t *index, ap_error *err);
/* Turns what is pending of slices and channel padding into a SHORTCUT node, and zeros around the image into means
 * of one pixel with counted padding (network.h: ap_node_pads). Minus infinity around it is UNSUPPORTED here. */
AP_NODISCARD ap_status ap_onnx_settle(ap_onnx_lowering *low, const ap_onnx_node *node,
                                      ap_onnx_view *view, ap_error *err);
/* So many zeros around a settled view's image (top, left, bottom, right), as nodes of their own; pads becomes 0. */
AP_NODISCARD ap_status ap_onnx_put_zeros(ap_onnx_lowering *low, const ap_onnx_node *node,
                                         ap_onnx_view *view, size_t pads[4], ap_error *err);
/* Ends a node: its output looks as `view`, which keeps its dimensions and gets the network node `index`
 * behind it, of a shape that may differ. */
void ap_onnx_set_view(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                      size_t index);
/* Ends a node that is but another view of its input's network node. */
void ap_onnx_set_alias(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view);
/* A flat node [c*h*w, 1, 1] of an ordered view [N, features]: a FLATTEN, where there is more than c. */
AP_NODISCARD ap_status ap_onnx_flatten(ap_onnx_lowering *low, const ap_onnx_node *node,
                                       ap_onnx_view *view, ap_error *err);

AP_EXTERN_C_END
#endif
