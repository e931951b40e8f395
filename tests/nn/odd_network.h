/* tests/nn/odd_network.h - a network with every kind of node, for the evaluators. */
#ifndef AP_TESTS_NN_ODD_NETWORK_H
#define AP_TESTS_NN_ODD_NETWORK_H
#include "tests/nn/train_testing.h"

/* A GATHER of n channels. */
static inline ap_node pick(size_t n, size_t *picks) {
  return (ap_node){.kind = AP_NODE_GATHER, .shape.c = n, .picks = picks};
}

/* Every kind of node, in the places that fusion must tell apart: a batch normalisation that stays,
 * one inside an addition, a tensor that is read twice, additions of two layers, of a tensor with
 * itself and of two shortcuts, groups, dilation, uneven padding and strides, a clipped ReLU behind a pool,
 * zeros put around a tensor, gates, channels by number, concatenation, a flattened tensor that is read by a ReLU,
 * another that is not. */
static inline ap_network *odd_network(void) {
  ap_network *net = NULL;
  must(ap_network_create("odd", (ap_shape3){1, SIDE, SIDE}, &net, &failure));
  const ap_node relu3 = {.kind = AP_NODE_RELU, .ceiling = 3};
  const ap_node add = {.kind = AP_NODE_ADD}, concat = {.kind = AP_NODE_CONCAT};
  const ap_node multiply = {.kind = AP_NODE_MULTIPLY};
  const ap_node dilated = {.kind = AP_NODE_CONV,
                           .shape.c = 6,
                           .kh = 3,
                           .kw = 2,
                           .pad_top = 3,
                           .pad_bottom = 3,
                           .pad_left = 1,
                           .groups = 2,
                           .dilation_h = 3,
                           .dilation_w = 2};
  static size_t mixed[] = {0, 3, 6, 1, 4, 7, 2, 5, 8}, low[] = {3, 1, 3, 0},
                high[] = {4, 5, 6, 7, 8};
  const size_t stem = put_plain(net, AP_NODE_RELU, put_conv(net, 5, 3, 1, 1, true, 0));
  const size_t norm = put_plain(net, AP_NODE_RELU, put_plain(net, AP_NODE_BATCHNORM, stem));
  const size_t deep = put_conv(net, 10, 3, 1, 5, true, norm); /* 2 filters per channel */
  const size_t wide = put_conv(net, 10, 1, 1, 1, false, stem);
  const size_t both = put(net, relu3, put(net, add, deep, wide), 0);
  const size_t twice = put(net, add, both, both);
  const size_t pooled = put(net, relu3,
                            put(net,
                                (ap_node){.kind = AP_NODE_AVGPOOL,
                                          .kh = 3,
                                          .kw = 2,
                                          .stride_h = 2,
                                          .stride_w = 2,
                                          .pad_top = 1,
                                          .pad_bottom = 1},
                                twice, 0),
                            0);
  const ap_node down = {.kind = AP_NODE_SHORTCUT,
                        .stride_h = 2,
                        .stride_w = 2,
                        .channels_before = 2,
                        .channels_after = 3};
  const size_t a = put(net, down, norm, 0), b = put(net, down, stem, 0);
  const ap_node zeros = {.kind = AP_NODE_AVGPOOL,
                         .kh = 1,
                         .kw = 1,
                         .pad_top = 1,
                         .pad_bottom = 1,
                         .pad_right = 1,
                         .count_padding = true};
  const ap_node largest = {.kind = AP_NODE_MAXPOOL, .kh = 3, .kw = 2};
  const size_t sum = put_plain(net, AP_NODE_RELU, put(net, add, a, b));
  const size_t framed = put(net, largest, put(net, zeros, sum, 0), 0);
  const size_t joined = put(net, concat, pooled, framed);
  const size_t uneven = put(net,
                            (ap_node){.kind = AP_NODE_CONV,
                                      .shape.c = 9,
                                      .kh = 2,
                                      .kw = 3,
                                      .stride_h = 1,
                                      .stride_w = 2,
                                      .pad_left = 2,
                                      .pad_bottom = 1,
                                      .groups = 1},
                            put(net, dilated, joined, 0), 0);
  /* gates: a factor a channel by a layer, in an addition and behind a ReLU; GELU, a curve on either side and
   * with a user of its own; a product of two layers; a square */
  const size_t squeezed = put(net,
                              (ap_node){.kind = AP_NODE_AVGPOOL,
                                        .kh = net->nodes[uneven].shape.h,
                                        .kw = net->nodes[uneven].shape.w},
                              uneven, 0);
  const size_t gate = put_plain(net, AP_NODE_CURVE, put_conv(net, 9, 1, 1, 1, true, squeezed));
  const size_t gated =
      put_plain(net, AP_NODE_RELU, put(net, add, put(net, multiply, uneven, gate), uneven));
  const size_t swish = put(net, multiply, put_curve(net, AP_CURVE_NORMAL, gated), gated);
  const size_t own = put_curve(net, AP_CURVE_MISH, swish);
  const size_t kept = put(net, add, put(net, multiply, swish, own), own);
  const size_t scaled = put_plain(net, AP_NODE_RELU, put(net, multiply, kept, gate));
  const size_t product = put(net, multiply, put_conv(net, 9, 3, 1, 9, true, scaled),
                             put_conv(net, 9, 1, 1, 1, false, kept));
  const size_t square = put(net, multiply, product, product);
  /* channels by number: for a layer, of one channel twice, two joined, one read twice, a shuffle of what a layer
   * reads too */
  const size_t shuffled = put(net, pick(9, mixed), square, 0);
  const size_t half = put(net, pick(4, low), shuffled, 0),
               rest = put(net, pick(5, high), scaled, 0);
  const size_t mixed_up = put(net, concat, put_conv(net, 4, 1, 1, 2, true, half), rest);
  const size_t again =
      put(net, concat, put(net, pick(4, low), mixed_up, 0), put(net, pick(5, high), mixed_up, 0));
  const size_t merged = put(net, add, put(net, add, again, put(net, concat, half, rest)), mixed_up);
  const size_t elu =
      put(net, add, put_plain(net, AP_NODE_RELU, uneven), put_curve(net, AP_CURVE_DECAY, uneven));
  /* normalised by itself: a scale and shift behind it, inside an addition, behind a ReLU, read twice, by a layer */
  const ap_node thirds = {.kind = AP_NODE_GROUPNORM, .groups = 3, .epsilon = 1};
  const ap_node each = {.kind = AP_NODE_GROUPNORM, .groups = 9, .epsilon = 0.5F},
                pixel = {.kind = AP_NODE_LAYERNORM, .epsilon = 1};
  const size_t layered = put(net, pixel, merged, 0);
  const size_t grouped = put(net, add, put_affine(net, put(net, thirds, merged, 0)), layered);
  const size_t instance = put_plain(net, AP_NODE_RELU, put(net, each, layered, 0));
  const size_t normed = put(net, add, put_plain(net, AP_NODE_RELU, grouped), instance);
  const size_t after = put_affine(net, put(net, pixel, normed, 0));
  const size_t behind = put(net, add, put_conv(net, 9, 1, 1, 1, true, after), normed);
  const size_t shape_norm = put(net, add, put_plain(net, AP_NODE_BATCHNORM, behind), elu);
  const size_t flat = put_plain(net, AP_NODE_FLATTEN, shape_norm);
  const size_t left = put_linear(net, 7, true, put_plain(net, AP_NODE_RELU, flat));
  const size_t right = put_linear(net, 6, false, put_plain(net, AP_NODE_FLATTEN, joined));
  (void)put_linear(net, 10, true, put(net, concat, left, right));
  net->classes = 10;
  net->mean[0] = 0.3F;
  net->std[0] = 0.25F;
  randomise(net, 5);
  return net;
}

#endif
