/* nn/onnx/view.h - how an ONNX tensor lies in a node of a network.
 *
 * A network's node holds [c, h, w] per image. The ONNX tensor that it stands for may have its
 * dimensions in another order (NHWC), grouped (flattened), or with more of size 1; transposing,
 * flattening and squeezing therefore change the view and nothing else. Each dimension is a list of
 * axes of the node, outermost first; axes of size 1 do not matter and may stand anywhere or be left out.
 * The channels may be cut in two parts, which move on their own: a channel shuffle swaps them. Channels
 * picked by number, strided slices and padding are kept in the view until it is known what they become. */
#ifndef AP_NN_ONNX_VIEW_H
#define AP_NN_ONNX_VIEW_H
#include "nn/network.h"
#include "nn/onnx/shapes.h"
AP_EXTERN_C_BEGIN

/* The channels are C where they are whole; cut in parts, channel i is (i / inner, i % inner) of C, INNER. */
typedef enum { AP_AXIS_N, AP_AXIS_C, AP_AXIS_INNER, AP_AXIS_H, AP_AXIS_W, AP_AXES } ap_onnx_axis;
#define AP_IMAGE_DIMS 4 /* N, C, H, W */

typedef struct {
  size_t n;
  ap_onnx_axis axes[AP_AXES];
} ap_onnx_dim;

typedef struct {
  bool live;          /* false: the value was not met, or is a constant */
  bool sole;          /* it has one user, and so had every other view of the same node */
  bool shared;        /* its node was found behind what does nothing, and may have other readers */
  bool probabilities; /* behind a Softmax: only the end of the graph may follow */
  size_t node;        /* of the network */
  size_t batch;
  ap_shape3 shape; /* of the node, after what is pending */
  size_t inner;    /* channels of the inner part; 1: they are whole */
  size_t n_dims;
  ap_onnx_dim dims[AP_ONNX_MAX_DIMS];
  /* not the node's values, but whether they are above `above`: only a Where may follow */
  bool compared;
  float above;
  bool softplus; /* log(1 + exp()) of the node, put off: with a Tanh it is another curve */
  /* repeated along dimensions of size 1 until it has these sizes: only a product may follow; n 0: not */
  ap_onnx_dims spread;
  /* pending, in this order: channel i is channel picks[i] of the node (NULL: i; the lowering's); every stride-th
   * pixel and zero channels; zeros around the image */
  size_t *picks;
  size_t stride_h, stride_w, before, after;
  size_t pad_top, pad_left, pad_bottom, pad_right;
  bool pad_lowest; /* not zeros, but the lowest number around the image: nothing, to a MaxPool */
  const char *pending_name; /* of the ONNX node that the pending parts come from; borrowed */
  const char *picks_name;   /* of the one that picked channels; borrowed */
  const char *flat_name;    /* of the one that flattened it; borrowed; may be NULL */
} ap_onnx_view;

/* The plain view of a node: N, C, H, W (rank 4) or N, C (rank 2, for a node of [c, 1, 1]). */
ap_onnx_view ap_onnx_view_of(const ap_network *net, size_t node, size_t batch, size_t rank);
size_t ap_onnx_view_axis(const ap_onnx_view *v, ap_onnx_axis axis); /* its size */
size_t ap_onnx_view_size(const ap_onnx_view *v, size_t dim);        /* of a dimension */
ap_onnx_dims ap_onnx_view_dims(const ap_onnx_view *v);
/* Does the dimension hold that axis (C: all of the channels) and, apart from size 1, no other? */
bool ap_onnx_view_is_axis(const ap_onnx_view *v, size_t dim, ap_onnx_axis axis);
/* Does it hold one part of the channels, or all of them, and nothing else? *axis: C or INNER. */
bool ap_onnx_view_is_channels(const ap_onnx_view *v, size_t dim, ap_onnx_axis *axis);
bool ap_onnx_view_is_image(const ap_onnx_view *v); /* N, C, H, W in that order */
/* Are the values of each image in the order C, H, W? */
bool ap_onnx_view_is_ordered(const ap_onnx_view *v);
/* Does the inner part of the channels stand right in front of the outer one? */
bool ap_onnx_view_is_swapped(const ap_onnx_view *v);
/* The outer part becomes the inner one, the inner one the outer: numbers of channels mean others then. */
void ap_onnx_view_swap_parts(ap_onnx_view *v);
/* Two views of nodes of one shape: does each element stand at the same place of both nodes? */
bool ap_onnx_view_equal(const ap_onnx_view *a, const ap_onnx_view *b);
bool ap_onnx_view_is_padded(const ap_onnx_view *v);
/* Takes the pending padding around the image out of the view: top, left, bottom, right. */
void ap_onnx_view_take_padding(ap_onnx_view *v, size_t pads[4]);
/* Pixels skipped or channels added: what becomes a SHORTCUT. */
bool ap_onnx_view_is_strided(const ap_onnx_view *v);

/* Other dimensions over the same values in the same order. false where height or width would have to be cut,
 * or the channels in more than two parts; then the view is as it was. */
bool ap_onnx_view_regroup(ap_onnx_view *v, const ap_onnx_dims *to);
/* map[i]: the old dimension that becomes the i-th, or AP_ONNX_NONE for a new one of size 1. */
void ap_onnx_view_rearrange(ap_onnx_view *v, const size_t *map, size_t n);
/* Place in [c, h, w] of the index-th value of an image in the order of the view. */
size_t ap_onnx_view_place(const ap_onnx_view *v, size_t index);

AP_EXTERN_C_END
#endif
