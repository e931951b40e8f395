/* tests/nn/random_network.h - networks put together at random, of all kinds of nodes in any order: what fuses, shares
 * memory or begins anew must see through all of them. */
#ifndef AP_TESTS_NN_RANDOM_NETWORK_H
#define AP_TESTS_NN_RANDOM_NETWORK_H
#include "tests/nn/train_testing.h"

enum { RANDOM_CLASSES = 10 };

typedef struct {
  ap_network *net;
  ap_rng rng;
  size_t products; /* so far: each makes numbers grow */
} maker;

static inline size_t below(maker *m, size_t n) { return (size_t)ap_rng_below(&m->rng, n); }
static inline bool chance(maker *m, size_t one_of) { return below(m, one_of) == 0; }

/* The last node, or one before it. */
static inline size_t any_node(maker *m) {
  const size_t n = m->net->n_nodes;
  return chance(m, 3) ? below(m, n) : n - 1;
}

/* A node other than `a`, of its shape where `same`, else of its height and width; a itself where there is none. */
static inline size_t beside(maker *m, size_t a, bool same) {
  const ap_shape3 s = m->net->nodes[a].shape;
  size_t found = a, n = 0;
  for (size_t i = 0; i < m->net->n_nodes; i++) {
    const ap_shape3 t = m->net->nodes[i].shape;
    if (i == a || t.h != s.h || t.w != s.w || (same && t.c != s.c)) continue;
    if (below(m, ++n) == 0) found = i;
  }
  return found;
}

/* Appends the node; a network that it does not fit stays as it is. */
static inline bool try_node(maker *m, ap_node node, size_t a, size_t b) {
  char name[16];
  size_t inputs[2] = {a, b};
  ap_error refused = {0};
  (void)snprintf(name, sizeof name, "n%zu", m->net->n_nodes);
  node.name = name;
  node.inputs = inputs;
  node.n_inputs =
      node.kind == AP_NODE_ADD || node.kind == AP_NODE_CONCAT || node.kind == AP_NODE_MULTIPLY ? 2
                                                                                               : 1;
  return ap_network_append(m->net, &node, NULL, &refused) == AP_OK;
}

static inline void set_window(maker *m, ap_node *n, size_t most) {
  n->kh = 1 + below(m, most);
  n->kw = chance(m, 4) ? 1 + below(m, most) : n->kh;
  n->stride_h = chance(m, 3) ? 1 + below(m, 3) : 1;
  n->stride_w = chance(m, 4) ? 1 + below(m, 3) : n->stride_h;
  if (chance(m, 3)) {
    n->pad_top = below(m, n->kh);
    n->pad_left = below(m, n->kw);
    n->pad_bottom = below(m, n->kh);
    n->pad_right = below(m, n->kw);
  } else {
    n->pad_top = n->pad_bottom = (n->kh - 1) / 2;
    n->pad_left = n->pad_right = (n->kw - 1) / 2;
  }
}

static inline bool put_random_conv(maker *m, size_t a) {
  const size_t in = m->net->nodes[a].shape.c;
  ap_node n = {.kind = AP_NODE_CONV, .groups = 1, .dilation_h = 1, .dilation_w = 1};
  set_window(m, &n, 5);
  if (chance(m, 5)) {
    n.dilation_h = 1 + below(m, 2);
    n.dilation_w = 1 + below(m, 3);
  }
  if (chance(m, 3)) n.groups = chance(m, 2) ? in : 2;
  n.shape.c = n.groups * (1 + below(m, 1 + 24 / n.groups));
  if (chance(m, 2)) n.shape.c = in; /* to be added */
  n.bias = chance(m, 2) ? no_bias : NULL;
  return n.shape.c <= MOST_BIASES && try_node(m, n, a, 0);
}

static inline bool put_random_pool(maker *m, size_t a) {
  const ap_shape3 s = m->net->nodes[a].shape;
  ap_node n = {.kind = chance(m, 2) ? AP_NODE_MAXPOOL : AP_NODE_AVGPOOL};
  set_window(m, &n, 3);
  if (chance(m, 3)) n.kh = n.kw = n.stride_h = n.stride_w = 2, n.pad_top = n.pad_left = 0;
  if (chance(m, 3)) n.pad_bottom = n.pad_right = 0;
  if (chance(m, 6)) n = (ap_node){.kind = AP_NODE_AVGPOOL, .kh = s.h, .kw = s.w};
  n.count_padding = n.kind == AP_NODE_AVGPOOL && chance(m, 2);
  if (chance(m, 6))
    n = (ap_node){.kind = AP_NODE_AVGPOOL,
                  .kh = 1,
                  .kw = 1,
                  .pad_top = below(m, 2),
                  .pad_left = 1,
                  .pad_right = below(m, 2),
                  .count_padding = true};
  return try_node(m, n, a, 0);
}

static inline bool put_random_product(maker *m, size_t a) {
  const ap_shape3 s = m->net->nodes[a].shape;
  if (++m->products > 3) return false;
  if (chance(m, 3)) return try_node(m, (ap_node){.kind = AP_NODE_MULTIPLY}, a, beside(m, a, true));
  if (chance(m, 2)) { /* a gate of its own */
    const ap_curve curve = chance(m, 2) ? AP_CURVE_LOGISTIC : AP_CURVE_NORMAL;
    if (!try_node(m, (ap_node){.kind = AP_NODE_CURVE, .curve = curve}, a, 0)) return false;
    return try_node(m, (ap_node){.kind = AP_NODE_MULTIPLY}, a, m->net->n_nodes - 1);
  }
  /* a factor a channel */
  if (!try_node(m, (ap_node){.kind = AP_NODE_AVGPOOL, .kh = s.h, .kw = s.w}, a, 0)) return false;
  if (chance(m, 2)) (void)put_random_conv(m, m->net->n_nodes - 1);
  if (!try_node(m, (ap_node){.kind = AP_NODE_CURVE, .curve = AP_CURVE_LOGISTIC},
                m->net->n_nodes - 1, 0))
    return false;
  return try_node(m, (ap_node){.kind = AP_NODE_MULTIPLY}, a, m->net->n_nodes - 1);
}

static inline bool put_random_gather(maker *m, size_t a) {
  size_t picks[64];
  const size_t in = m->net->nodes[a].shape.c, n = chance(m, 2) ? in : 1 + below(m, 12);
  const size_t first = below(m, in);
  const bool mixed = chance(m, 2);
  if (n > 64) return false;
  for (size_t i = 0; i < n; i++) picks[i] = mixed ? below(m, in) : (first + i) % in;
  return try_node(m, (ap_node){.kind = AP_NODE_GATHER, .shape.c = n, .picks = picks}, a, 0);
}

static inline bool put_square_conv(maker *m, size_t a, size_t c, size_t k, size_t stride,
                                   size_t groups) {
  return c <= MOST_BIASES && try_node(m, square_conv(c, k, stride, groups, chance(m, 2)), a, 0);
}

/* A residual block: some layers, and beside them the block's input, pixels of it, or a projection; mostly added. */
static inline bool put_random_block(maker *m, size_t a) {
  const size_t in = m->net->nodes[a].shape.c, stride = 1 + below(m, 2);
  const size_t c = chance(m, 2) ? in : 1 + below(m, 32), layers = 1 + below(m, 2);
  size_t side = a, last = a;
  const bool side_first = chance(m, 2);
  for (int branch = 0; branch < 2; branch++) {
    if ((branch == 0) == side_first) {
      const size_t more = c > in ? c - in : 0;
      if (stride == 1 && c == in && chance(m, 2)) continue;
      const ap_node pixels = {.kind = AP_NODE_SHORTCUT,
                              .stride_h = stride,
                              .stride_w = stride,
                              .channels_before = more / 2,
                              .channels_after = more - more / 2};
      if (!(c >= in && chance(m, 3) ? try_node(m, pixels, a, 0)
                                    : put_square_conv(m, a, c, 1, stride, 1)))
        return false;
      if (chance(m, 6))
        (void)try_node(m, (ap_node){.kind = AP_NODE_RELU, .ceiling = 2}, m->net->n_nodes - 1, 0);
      side = m->net->n_nodes - 1;
      continue;
    }
    for (size_t i = 0; i < layers; i++) {
      const size_t groups = i > 0 && chance(m, 4) ? c : 1;
      if (!put_square_conv(m, last, c, 1 + 2 * below(m, 3), i == 0 ? stride : 1, groups))
        return false;
      if (i + 1 < layers || chance(m, 6))
        (void)try_node(m, (ap_node){.kind = AP_NODE_RELU, .ceiling = chance(m, 2) ? INFINITY : 3},
                       m->net->n_nodes - 1, 0);
      last = m->net->n_nodes - 1;
    }
  }
  const ap_node_kind kind = chance(m, 6) ? AP_NODE_CONCAT : AP_NODE_ADD;
  const bool turned = chance(m, 2);
  if (!try_node(m, (ap_node){.kind = kind}, turned ? last : side, turned ? side : last))
    return false;
  if (chance(m, 3)) return true;
  return try_node(m, (ap_node){.kind = AP_NODE_RELU, .ceiling = INFINITY}, m->net->n_nodes - 1, 0);
}

static inline bool put_random(maker *m) {
  const size_t a = any_node(m);
  const ap_shape3 s = m->net->nodes[a].shape;
  switch (below(m, 22)) {
    case 0:
    case 1:
      return try_node(m, (ap_node){.kind = AP_NODE_RELU, .ceiling = INFINITY}, a, 0);
    case 2:
      return try_node(m, (ap_node){.kind = AP_NODE_RELU, .ceiling = chance(m, 2) ? 1 : 3}, a, 0);
    case 3:
      return try_node(m, (ap_node){.kind = AP_NODE_BATCHNORM}, a, 0);
    case 4:
    case 5:
    case 6:
      return try_node(m, (ap_node){.kind = AP_NODE_ADD}, a, beside(m, a, true));
    case 7:
      return put_random_pool(m, a);
    case 8:
      return try_node(m,
                      (ap_node){.kind = AP_NODE_SHORTCUT,
                                .stride_h = 1 + below(m, 2),
                                .stride_w = 1 + below(m, 2),
                                .channels_before = below(m, 3),
                                .channels_after = below(m, 3)},
                      a, 0);
    case 9:
      return s.c < 40 && try_node(m, (ap_node){.kind = AP_NODE_CONCAT}, a, beside(m, a, false));
    case 10:
      return put_random_gather(m, a);
    case 11:
      return put_random_product(m, a);
    case 12:
      return try_node(
          m, (ap_node){.kind = AP_NODE_CURVE, .curve = (ap_curve)(1 + below(m, AP_CURVES - 1))}, a,
          0);
    case 13:
      return try_node(m,
                      (ap_node){.kind = AP_NODE_GROUPNORM,
                                .groups = chance(m, 2)   ? s.c
                                          : chance(m, 2) ? 1
                                                         : 2,
                                .epsilon = 1},
                      a, 0);
    case 14:
      return try_node(m, (ap_node){.kind = AP_NODE_LAYERNORM, .epsilon = 1}, a, 0);
    case 15:
    case 16:
      return put_random_block(m, a);
    default:
      return put_random_conv(m, a);
  }
}

/* The same network for the same seed. Its images are [1, SIDE, SIDE]; not all of its nodes need be read. */
static inline ap_network *random_network(uint64_t seed) {
  maker m = {.net = NULL};
  char name[32];
  (void)snprintf(name, sizeof name, "random%llu", (unsigned long long)seed);
  must(ap_network_create(name, (ap_shape3){1, SIDE, SIDE}, &m.net, &failure));
  ap_rng_seed(&m.rng, seed, 40);
  while (!put_random_conv(&m, 0)) {
  }
  const size_t n = 4 + below(&m, 18);
  for (size_t tries = 0; m.net->n_nodes < n && tries < 200; tries++) (void)put_random(&m);
  (void)put_plain(m.net, AP_NODE_FLATTEN, chance(&m, 4) ? any_node(&m) : m.net->n_nodes - 1);
  if (chance(&m, 3)) {
    (void)put_linear(m.net, 1 + below(&m, 30), chance(&m, 2), m.net->n_nodes - 1);
    (void)put_plain(m.net, AP_NODE_RELU, m.net->n_nodes - 1);
  }
  (void)put_linear(m.net, RANDOM_CLASSES, chance(&m, 2), m.net->n_nodes - 1);
  m.net->classes = RANDOM_CLASSES;
  m.net->mean[0] = 0.3F;
  m.net->std[0] = 0.25F;
  randomise(m.net, seed);
  return m.net;
}

#endif
