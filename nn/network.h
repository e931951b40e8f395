/* nn/network.h - a feed-forward network: nodes in topological order, with their weights.
 *
 * Every node has one output tensor of shape [channels, height, width] per image; a flat vector is
 * [channels, 1, 1]. Node 0 is the input. The last node gives the logits. Weights are float32 on the
 * host; executors copy them. Not thread-safe while being changed. */
#ifndef AP_NN_NETWORK_H
#define AP_NN_NETWORK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/curve.h"
AP_EXTERN_C_BEGIN

typedef enum {
  AP_NODE_INPUT,
  AP_NODE_CONV,      /* weight [c_out, c_in/groups, kh, kw]; bias [c_out] may be absent */
  AP_NODE_LINEAR,    /* weight [c_out, c_in]; input [c_in, 1, 1]; bias [c_out] may be absent */
  AP_NODE_BATCHNORM, /* gamma, beta, mean, var [c] */
  AP_NODE_RELU,      /* clipped at `ceiling` (INFINITY: plain) */
  AP_NODE_ADD,       /* two inputs of one shape */
  AP_NODE_MAXPOOL,
  AP_NODE_AVGPOOL,  /* kh = h, kw = w: global */
  AP_NODE_SHORTCUT, /* every stride-th pixel, zero channels before and after (option A) */
  AP_NODE_CONCAT,   /* any number of inputs along channels */
  AP_NODE_FLATTEN,  /* [c, h, w] -> [c*h*w, 1, 1] in that order */
  AP_NODE_GATHER,   /* channel i is channel picks[i] of the input: slices, shuffles */
  AP_NODE_MULTIPLY, /* two inputs of one shape, or a second of [c, 1, 1]: a factor for each channel */
  AP_NODE_CURVE,    /* `curve` of every value: the logistic function and others (kernels/curve.h) */
  /* (x - mean) / sqrt(variance + epsilon), those of an image by itself: over each of `groups` equal runs of
   * channels (as many groups as channels: instance normalisation), or over the channels of each pixel. Scale and
   * shift are a BATCHNORM behind it (ap_node_is_affine). */
  AP_NODE_GROUPNORM,
  AP_NODE_LAYERNORM,
  AP_NODE_KINDS
} ap_node_kind;

typedef struct {
  size_t c, h, w;
} ap_shape3;

#define AP_WEIGHT_BITS_LEAST 2
#define AP_WEIGHT_BITS_MOST 16

typedef struct {
  ap_node_kind kind;
  char *name;      /* unique; "conv1", "block2.conv1" */
  size_t n_inputs; /* 0 for INPUT, 2 for ADD and MULTIPLY, >= 1 for CONCAT, else 1 */
  size_t *inputs;  /* node numbers, all below this node's own */
  ap_shape3 shape; /* of the output */
  size_t kh, kw, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right, groups;
  size_t dilation_h, dilation_w; /* CONV: a kernel's rows (columns) stand so far apart; else 1 */
  size_t channels_before, channels_after; /* SHORTCUT: zero channels put on either side */
  size_t *picks;        /* GATHER: [shape.c] channels of the input, in any order */
  bool count_padding;   /* AVGPOOL; ap_node_pads() */
  float ceiling;        /* RELU */
  float epsilon;        /* BATCHNORM, GROUPNORM, LAYERNORM */
  ap_curve curve;       /* CURVE */
  unsigned weight_bits; /* CONV, LINEAR: of the quantised weights, AP_WEIGHT_BITS_LEAST..MOST; 0: as
                           many as the hardware gives */
  float *weight, *bias; /* CONV, LINEAR; BATCHNORM: gamma, beta */
  float *mean, *var;    /* BATCHNORM */
} ap_node;

/* "conv", "linear", ...; of a CURVE its own: "sigmoid", ...; "?" out of range. */
const char *ap_node_type(const ap_node *node);

typedef struct {
  char *name; /* "resnet8" */
  size_t n_nodes;
  ap_node *nodes;
  size_t classes;        /* channels of the last node */
  float mean[4], std[4]; /* input normalisation: (pixel/255 - mean) / std; at most 4 channels */
} ap_network;

/* ---- building ---- */
/* A network of the input node alone, which is named "input"; normalisation mean 0, std 1. input.c
 * is 1..4. */
AP_NODISCARD ap_status ap_network_create(const char *name, ap_shape3 input, ap_network **out,
                                         ap_error *err);
void ap_network_destroy(ap_network *net);
AP_NODISCARD ap_status ap_network_copy(const ap_network *net, ap_network **out, ap_error *err);
/* Appends a deep copy of the node `like` after checking it and working out its shape; nothing of
 * `like` is kept, so it may live on the caller's stack, zero-initialised apart from what matters.
 *   shape     only shape.c is read, and only for CONV, LINEAR and GATHER: the output channels
 *   defaults  0 stands for: stride 1, groups 1, dilation 1, ceiling INFINITY (RELU), epsilon 1e-5 (normalisations),
 *             AP_CURVE_LOGISTIC (CURVE);
 *             a LINEAR node's kernel is taken as 1 x 1
 *   values    weight NULL: zeros (BATCHNORM: ones); CONV and LINEAR bias NULL: no bias; beta and
 * mean NULL: zeros; var NULL: ones. Values must be finite, var >= 0 *index (may be NULL): the new
 * node's number. Errors: ARG naming node and reason (a name that is empty, used or not printable;
 * inputs not below the node; a pick that is no channel; a window that does not fit; sizes above 2^31 - 1), MEMORY. On error
 * the network is unchanged. */
AP_NODISCARD ap_status ap_network_append(ap_network *net, const ap_node *like, size_t *index,
                                         ap_error *err);
/* Built-in structures: lenet5, resnet8/20/32/56 (option A shortcuts), vgg16, resnet18; "vgg16:0.5"
 * has half the channels in every hidden layer (factor 1/64..8, rounded, at least 1). "lenet5" is
 * 20-50-500-10 with ReLU after both convolutions too. Weights are He-initialised (fan in; the last
 * layer with gain 1) from seed. ARG for an unknown name lists the known; ARG where the images are
 * too small for the structure. */
AP_NODISCARD ap_status ap_network_builtin(const char *name, ap_shape3 input, size_t classes,
                                          uint64_t seed, ap_network **out, ap_error *err);
/* Is it no pool, but zeros around the image: an AVGPOOL of one pixel with counted padding of at most 1? (A pool's
 * padding is otherwise below its window.) */
bool ap_node_pads(const ap_node *node);
/* Is the node a MULTIPLY whose second input holds one factor for all pixels of a channel? */
bool ap_node_scales_channels(const ap_network *net, const ap_node *node);
/* Is it a GROUPNORM or a LAYERNORM? */
static inline bool ap_node_is_norm(const ap_node *node) {
  return node->kind == AP_NODE_GROUPNORM || node->kind == AP_NODE_LAYERNORM;
}
/* Is the node a BATCHNORM whose statistics change nothing (mean 0, variance + epsilon 1 in float32, in every channel)? That is
 * a scale and a shift, as ONNX files have them: part of an activation (LeakyReLU, HardSwish, GELU, ...), or behind a
 * normalisation of another kind. Training and recalibration leave it as it is. */
bool ap_node_is_affine(const ap_node *node);
/* Has it a BATCHNORM that is not such: statistics that can be measured anew? */
bool ap_network_has_statistics(const ap_network *net);
/* Number of weights, biases of a node (0 for nodes without). */
size_t ap_node_weight_count(const ap_network *net, size_t node);
size_t ap_node_bias_count(const ap_network *net, size_t node);

/* Folds every BATCHNORM that directly follows a CONV or LINEAR (its only user) into it; the others
 * stay. The result computes the same function in evaluation mode (up to rounding). */
AP_NODISCARD ap_status ap_network_fold(const ap_network *net, ap_network **out, ap_error *err);

/* ---- the layers that are stored in crossbars: CONV and LINEAR nodes, in order ---- */
typedef struct {
  size_t node; /* number of the node */
  const char *name;
  bool is_conv;
  size_t k, n;      /* weight matrix K x N: K = c_in/groups*kh*kw (order c, kh, kw), N = c_out */
  size_t positions; /* P = output height * width */
  size_t c_in, c_out, kh, kw, stride, groups;
  size_t macs;          /* K * N * P */
  unsigned weight_bits; /* 0: the hardware's */
} ap_layer_info;
/* Writes up to `room` records; returns how many layers there are. */
size_t ap_network_layers(const ap_network *net, ap_layer_info *layers, size_t room);
/* The layer's weights as K x N row-major (transposed from [c_out, K]), and back. matrix: k*n
 * floats. */
void ap_layer_get_matrix(const ap_network *net, size_t node, float *matrix);
void ap_layer_set_matrix(ap_network *net, size_t node, const float *matrix);

/* Sets weight bits by a text of items with commas between: "4" is for all layers, "conv1=6" for the layer
 * of that name, "stage2*=4" for all whose names fit the pattern (*, ? and [...] as in a shell); what is
 * said later holds. Layers of which nothing is said keep what they have. ARG naming the item, for
 * bits out of range and names that no layer has; then nothing is changed. */
AP_NODISCARD ap_status ap_network_set_weight_bits(ap_network *net, const char *text, ap_error *err);

size_t ap_network_parameters(const ap_network *net); /* weights, biases, gamma, beta */
size_t ap_network_macs(const ap_network *net);
/* SHA-256 over structure and weights: the network's identity. */
AP_NODISCARD ap_status ap_network_hash(const ap_network *net, char text[65], ap_error *err);

AP_EXTERN_C_END
#endif
