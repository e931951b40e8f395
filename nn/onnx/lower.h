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
typedef struct ap_onnx_picks ap_onnx_picks; /* those of views */
typedef struct {
  ap_onnx_graph *graph;
  ap_network *net;
  ap_onnx_view *views; /* per value */
  size_t *users;       /* per value: inputs of needed nodes, and the graph's output */
  bool *
      before_curve; /* per value: an Erf or Exp reads it, and may leave out the node that it comes from */
  size_t n_picks; /* numbers of channels in `picks` and in the network: bounded */
  ap_onnx_picks *picks;
  size_t batch; /* the graph's, or 1 */
  bool own;     /* written by this program: every Flatten is a node */
} ap_onnx_lowering;

/* Lowers one node: its first output's view. Inputs of views are live; the others are constants. */
typedef ap_status ap_onnx_rule(ap_onnx_lowering *low, const ap_onnx_node *node, ap_error *err);
extern ap_onnx_rule ap_onnx_lower_conv, ap_onnx_lower_max_pool, ap_onnx_lower_average_pool,
    ap_onnx_lower_global_pool, ap_onnx_lower_reduce;          /* lower_window.c */
extern ap_onnx_rule ap_onnx_lower_gemm, ap_onnx_lower_matmul; /* lower_linear.c */
extern ap_onnx_rule ap_onnx_lower_batch_norm, ap_onnx_lower_arithmetic, ap_onnx_lower_neg,
    ap_onnx_lower_sum; /* lower_affine.c */
extern ap_onnx_rule ap_onnx_lower_relu, ap_onnx_lower_leaky_relu, ap_onnx_lower_clip,
    ap_onnx_lower_bound, ap_onnx_lower_same, ap_onnx_lower_softmax,
    ap_onnx_lower_argmax; /* lower_point.c */
extern ap_onnx_rule ap_onnx_lower_sigmoid, ap_onnx_lower_hard_sigmoid, ap_onnx_lower_swish,
    ap_onnx_lower_tanh, ap_onnx_lower_gelu, ap_onnx_lower_erf, ap_onnx_lower_elu, ap_onnx_lower_exp,
    ap_onnx_lower_gated; /* lower_curve.c */
extern ap_onnx_rule ap_onnx_lower_softplus, ap_onnx_lower_abs, ap_onnx_lower_reciprocal,
    ap_onnx_lower_quotient, ap_onnx_lower_greater, ap_onnx_lower_where; /* lower_soft.c */
extern ap_onnx_rule ap_onnx_lower_lrn;                                  /* lower_lrn.c */
extern ap_onnx_rule ap_onnx_lower_instance_norm, ap_onnx_lower_group_norm,
    ap_onnx_lower_layer_norm; /* lower_norm.c */
extern ap_onnx_rule ap_onnx_lower_product, ap_onnx_lower_pow,
    ap_onnx_lower_expand; /* lower_gate.c */
extern ap_onnx_rule ap_onnx_lower_reshape, ap_onnx_lower_transpose, ap_onnx_lower_pad,
    ap_onnx_lower_concat; /* lower_move.c */
extern ap_onnx_rule ap_onnx_lower_slice, ap_onnx_lower_gather,
    ap_onnx_lower_split; /* lower_channels.c */

/* A copy of the view of input `input`; UNSUPPORTED where that is a constant, a Softmax or an Expand. Pending
 * slices and channels by number that several nodes read become one SHORTCUT, one GATHER. */
AP_NODISCARD ap_status ap_onnx_input_view(ap_onnx_lowering *low, const ap_onnx_node *node,
                                          size_t input, ap_onnx_view *view, ap_error *err);
/* The same, and nothing pending. */
AP_NODISCARD ap_status ap_onnx_input_settled(ap_onnx_lowering *low, const ap_onnx_node *node,
                                             size_t input, ap_onnx_view *view, ap_error *err);
/* As ap_onnx_input_view, also behind a Softmax: for what leaves every value as it is. */
AP_NODISCARD ap_status ap_onnx_input_moved(ap_onnx_lowering *low, const ap_onnx_node *node,
                                           size_t input, ap_onnx_view *view, ap_error *err);
/* As ap_onnx_input_view, but channels by number may stay pending: for what picks some of them. */
AP_NODISCARD ap_status ap_onnx_input_part(ap_onnx_lowering *low, const ap_onnx_node *node,
                                          size_t input, ap_onnx_view *view, ap_error *err);
/* The constant at input `input`; UNSUPPORTED where it is none ("its WHAT ..."), FORMAT where it is left
 * out and `needed`; NULL where it is left out. */
AP_NODISCARD ap_status ap_onnx_input_constant(const ap_onnx_lowering *low, const ap_onnx_node *node,
                                              size_t input, const char *what, bool needed,
                                              const ap_onnx_tensor **constant, ap_error *err);
/* Can no value of the network's node be below 0? False also where that is not plain to see. */
bool ap_onnx_is_nonnegative(const ap_network *net, size_t node);
/* Is the node -x of its input? */
bool ap_onnx_is_negation(const ap_network *net, size_t node);
/* A Softplus that was put off becomes nodes. */
AP_NODISCARD ap_status ap_onnx_settle_softplus(ap_onnx_lowering *low, const ap_onnx_node *node,
                                               ap_onnx_view *view, ap_error *err);
/* The view becomes a curve of it. */
AP_NODISCARD ap_status ap_onnx_put_curve(ap_onnx_lowering *low, const ap_onnx_node *node,
                                         ap_curve curve, ap_onnx_view *view, ap_error *err);
/* A view of 1 + |x| becomes the curve of x. *done false: it is not such, and nothing happened. */
AP_NODISCARD ap_status ap_onnx_put_raised(ap_onnx_lowering *low, const ap_onnx_node *node,
                                          ap_curve curve, ap_onnx_view *view, bool *done,
                                          ap_error *err);
/* Appends `like` behind the inputs (numbers of network nodes), named after `name`. What the network
 * refuses is a fault of the file, and named as one of `node`. */
AP_NODISCARD ap_status ap_onnx_emit(ap_onnx_lowering *low, const ap_onnx_node *node,
                                    const char *name, ap_node like, size_t *inputs, size_t n_inputs,
                                    size_t *index, ap_error *err);
/* The same for a node of one input, that of the view, which becomes the new one's: named as `node`. */
AP_NODISCARD ap_status ap_onnx_append(ap_onnx_lowering *low, const ap_onnx_node *node, ap_node like,
                                      ap_onnx_view *view, ap_error *err);
/* Turns what is pending into nodes: channels by number into a GATHER, slices and channel padding into a SHORTCUT,
 * zeros around the image into means of one pixel with counted padding (network.h: ap_node_pads). Minus infinity
 * around it is UNSUPPORTED here. */
AP_NODISCARD ap_status ap_onnx_settle(ap_onnx_lowering *low, const ap_onnx_node *node,
                                      ap_onnx_view *view, ap_error *err);
/* So many zeros around a settled view's image (top, left, bottom, right), as nodes of their own; pads becomes 0. */
AP_NODISCARD ap_status ap_onnx_put_zeros(ap_onnx_lowering *low, const ap_onnx_node *node,
                                         ap_onnx_view *view, size_t pads[4], ap_error *err);
/* A GATHER of the view's picks, which are then done; none where they change nothing. */
AP_NODISCARD ap_status ap_onnx_put_gather(ap_onnx_lowering *low, const ap_onnx_node *node,
                                          ap_onnx_view *view, ap_error *err);
/* Numbers the channels anew where their parts are swapped: they stand in order then. */
AP_NODISCARD ap_status ap_onnx_order_parts(ap_onnx_lowering *low, const ap_onnx_node *node,
                                           ap_onnx_view *view, ap_error *err);
/* So many more channels by number: UNSUPPORTED where a file wants too many. */
AP_NODISCARD ap_status ap_onnx_count_picks(ap_onnx_lowering *low, const ap_onnx_node *node,
                                           size_t n, ap_error *err);
void ap_onnx_picks_release(ap_onnx_lowering *low); /* all of them, at the end */
/* One value a channel of a constant that is broadcast over the view (settled): ap_free it. A flat view of an
 * image in the plain order is flattened, so that each value is a channel. */
AP_NODISCARD ap_status ap_onnx_per_channel(ap_onnx_lowering *low, const ap_onnx_node *node,
                                           ap_onnx_view *view, const ap_onnx_tensor *constant,
                                           float **values, ap_error *err);
/* scale * x + shift of a settled view, a value for each channel; either may be NULL. It joins the node before where
 * that is the view's alone; else it is a BATCHNORM that is exact. */
AP_NODISCARD ap_status ap_onnx_affine(ap_onnx_lowering *low, const ap_onnx_node *node,
                                      ap_onnx_view *view, float *scale, float *shift,
                                      ap_error *err);
/* The same with one number for all channels. */
AP_NODISCARD ap_status ap_onnx_affine_number(ap_onnx_lowering *low, const ap_onnx_node *node,
                                             ap_onnx_view *view, float scale, float shift,
                                             ap_error *err);
/* Is the node a BATCHNORM that is exactly *scale * x + *shift, the same for all channels? */
bool ap_onnx_is_affine(const ap_network *net, size_t node, float *scale, float *shift);
/* ADD or MULTIPLY of two settled views: the first becomes what it is of. */
AP_NODISCARD ap_status ap_onnx_combine(ap_onnx_lowering *low, const ap_onnx_node *node,
                                       ap_node_kind kind, ap_onnx_view *view, size_t other,
                                       ap_error *err);
/* Ends a node: its output looks as `view`, which keeps its dimensions and gets the network node `index`
 * behind it, of a shape that may differ. */
void ap_onnx_set_view(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                      size_t index);
/* Gives one output of a node another view of its input's network node; the first, of a node of one output. */
void ap_onnx_set_output(ap_onnx_lowering *low, const ap_onnx_node *node, size_t output,
                        ap_onnx_view view);
void ap_onnx_set_alias(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view);
/* A flat node [c*h*w, 1, 1] of an ordered view [N, features]: a FLATTEN, where there is more than c. */
AP_NODISCARD ap_status ap_onnx_flatten(ap_onnx_lowering *low, const ap_onnx_node *node,
                                       ap_onnx_view *view, ap_error *err);

AP_EXTERN_C_END
#endif
