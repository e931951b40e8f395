/* nn/onnx/lower_tools.c - what the rules have in common: their inputs, and nodes of the network. */
#include <stdio.h>
#include <string.h>

#include "nn/onnx/lower.h"

#define NAME_BYTES 180 /* of a node's name; the network allows 200 */

static ap_status live_input(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                            ap_onnx_view *view, ap_error *err) {
  if (input >= node->n_inputs || node->inputs[input] == AP_ONNX_NONE)
    return ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "input %zu is missing", input);
  *view = low->views[node->inputs[input]];
  if (!view->live)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its input %zu is a constant; one that depends on the image is "
                             "expected",
                             input);
  if (view->spread.n)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it follows %.80s, which repeats values; Mul may follow",
                             view->pending_name);
  if (view->compared)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it follows %.80s, a comparison; Where of a Softplus may follow",
                             view->pending_name);
  if (!view->softplus) return AP_OK;
  ap_status st = ap_onnx_settle_softplus(low, node, view, err);
  if (!st) low->views[node->inputs[input]] = *view;
  return st;
}

/* Pending slices that several nodes read become one SHORTCUT. */
static ap_status settle_shared(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                               ap_onnx_view *view, ap_error *err) {
  if (low->users[node->inputs[input]] == 1 || ap_onnx_view_is_padded(view)) return AP_OK;
  ap_status st = ap_onnx_settle(low, node, view, err);
  if (!st) low->views[node->inputs[input]] = *view;
  return st;
}

ap_status ap_onnx_input_moved(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                              ap_onnx_view *view, ap_error *err) {
  ap_status st = live_input(low, node, input, view, err);
  return st ? st : settle_shared(low, node, input, view, err);
}

ap_status ap_onnx_input_part(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                             ap_onnx_view *view, ap_error *err) {
  ap_status st = live_input(low, node, input, view, err);
  if (!st && view->probabilities)
    st = ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                           "it follows a Softmax, which is supported at the end only");
  if (st || !ap_onnx_view_is_strided(view)) return st;
  return settle_shared(low, node, input, view, err);
}

ap_status ap_onnx_input_view(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                             ap_onnx_view *view, ap_error *err) {
  ap_status st = ap_onnx_input_part(low, node, input, view, err);
  return st ? st : settle_shared(low, node, input, view, err);
}

ap_status ap_onnx_input_settled(ap_onnx_lowering *low, const ap_onnx_node *node, size_t input,
                                ap_onnx_view *view, ap_error *err) {
  ap_status st = ap_onnx_input_view(low, node, input, view, err);
  return st ? st : ap_onnx_settle(low, node, view, err);
}

ap_status ap_onnx_input_constant(const ap_onnx_lowering *low, const ap_onnx_node *node,
                                 size_t input, const char *what, bool needed,
                                 const ap_onnx_tensor **constant, ap_error *err) {
  *constant = NULL;
  if (input >= node->n_inputs || node->inputs[input] == AP_ONNX_NONE)
    return needed ? ap_onnx_node_fail(node, err, AP_ERR_FORMAT, "its %s is missing", what) : AP_OK;
  *constant = ap_onnx_node_constant(low->graph, node, input);
  if (!*constant)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its %s depends on the image; a constant is supported", what);
  if ((*constant)->is_int)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "its %s is of integers; floats are supported", what);
  return AP_OK;
}

/* Looks at `budget` nodes at most: sums of sums could be followed on more ways than there are nodes. */
static bool nonnegative_within(const ap_network *net, size_t node, size_t *budget) {
  const ap_node *n = &net->nodes[node];
  if (n->kind == AP_NODE_RELU || n->kind == AP_NODE_CURVE) return true;
  if (*budget == 0) return false;
  --*budget;
  switch (n->kind) {
    case AP_NODE_ADD:
    case AP_NODE_CONCAT:
    case AP_NODE_MAXPOOL:
    case AP_NODE_AVGPOOL:
    case AP_NODE_SHORTCUT:
    case AP_NODE_FLATTEN:
    case AP_NODE_GATHER:
    case AP_NODE_MULTIPLY:
      for (size_t i = 0; i < n->n_inputs; i++) {
        if (!nonnegative_within(net, n->inputs[i], budget)) return false;
      }
      return true;
    default:
      return false;
  }
}

bool ap_onnx_is_nonnegative(const ap_network *net, size_t node) {
  size_t budget = 1000;
  return nonnegative_within(net, node, &budget);
}

static bool is_used(const ap_network *net, const char *name) {
  for (size_t i = 0; i < net->n_nodes; i++) {
    if (strcmp(net->nodes[i].name, name) == 0) return true;
  }
  return false;
}

/* Printable, and not yet used in the network: with the node's number behind it if need be. */
static void make_name(const ap_network *net, const char *from, char name[NAME_BYTES + 32]) {
  size_t length;
  (void)snprintf(name, NAME_BYTES, "%s", from);
  for (char *c = name; *c; c++) {
    if (*c <= ' ' || *c > '~') *c = '_';
  }
  length = strlen(name);
  for (size_t n = net->n_nodes; is_used(net, name); n++)
    (void)snprintf(name + length, 32, "#%zu", n);
}

ap_status ap_onnx_emit(ap_onnx_lowering *low, const ap_onnx_node *node, const char *name,
                       ap_node like, size_t *inputs, size_t n_inputs, size_t *index,
                       ap_error *err) {
  char text[NAME_BYTES + 32];
  ap_error reason = {0};
  make_name(low->net, name, text);
  like.name = text;
  like.n_inputs = n_inputs;
  like.inputs = inputs;
  ap_status st = ap_network_append(low->net, &like, index, &reason);
  if (!st) return AP_OK;
  return ap_onnx_node_fail(node, err, st == AP_ERR_ARG ? AP_ERR_FORMAT : st, "%s", reason.text);
}

ap_status ap_onnx_append(ap_onnx_lowering *low, const ap_onnx_node *node, ap_node like,
                         ap_onnx_view *view, ap_error *err) {
  size_t input = view->node;
  ap_status st = ap_onnx_emit(low, node, node->name, like, &input, 1, &view->node, err);
  if (st) return st;
  view->shape = low->net->nodes[view->node].shape;
  view->sole = true;
  view->shared = false;
  return AP_OK;
}

/* One ring of zeros a node. */
#define MAX_RINGS 64
ap_status ap_onnx_put_zeros(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                            size_t pads[4], ap_error *err) {
  for (size_t ring = 0; pads[0] || pads[1] || pads[2] || pads[3]; ring++) {
    size_t now[4], index;
    if (ring == MAX_RINGS)
      return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                               "it follows %.80s, which pads by more than %d pixels",
                               view->pending_name, MAX_RINGS);
    for (size_t i = 0; i < 4; i++) {
      now[i] = pads[i] > 0;
      pads[i] -= now[i];
    }
    const ap_node like = {.kind = AP_NODE_AVGPOOL,
                          .kh = 1,
                          .kw = 1,
                          .pad_top = now[0],
                          .pad_left = now[1],
                          .pad_bottom = now[2],
                          .pad_right = now[3],
                          .count_padding = true};
    ap_status st = ap_onnx_emit(low, node, view->pending_name, like, &view->node, 1, &index, err);
    if (st) return st;
    view->node = index;
    view->shape = low->net->nodes[index].shape;
  }
  return AP_OK;
}

static ap_status put_shortcut(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                              ap_error *err) {
  const ap_node like = {.kind = AP_NODE_SHORTCUT,
                        .stride_h = view->stride_h,
                        .stride_w = view->stride_w,
                        .channels_before = view->before,
                        .channels_after = view->after};
  size_t index;
  ap_status st = ap_onnx_emit(low, node, view->pending_name, like, &view->node, 1, &index, err);
  if (st) return st;
  view->node = index;
  view->shape = low->net->nodes[index].shape;
  view->stride_h = view->stride_w = 1;
  view->before = view->after = 0;
  return AP_OK;
}

ap_status ap_onnx_settle(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                         ap_error *err) {
  size_t pads[4];
  ap_status st = AP_OK;
  if (ap_onnx_view_is_padded(view) && view->pad_lowest)
    return ap_onnx_node_fail(node, err, AP_ERR_UNSUPPORTED,
                             "it follows %.80s, which pads with minus infinity; MaxPool may follow",
                             view->pending_name);
  ap_onnx_view_take_padding(view, pads);
  if (view->picks) st = ap_onnx_put_gather(low, node, view, err);
  if (!st && ap_onnx_view_is_strided(view)) st = put_shortcut(low, node, view, err);
  return st ? st : ap_onnx_put_zeros(low, node, view, pads, err);
}

void ap_onnx_set_view(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view,
                      size_t index) {
  if (view.node != index) view.shared = false;
  view.node = index;
  view.shape = low->net->nodes[index].shape;
  view.sole = low->users[node->outputs[0]] == 1 && !view.shared;
  low->views[node->outputs[0]] = view;
}

void ap_onnx_set_output(ap_onnx_lowering *low, const ap_onnx_node *node, size_t output,
                        ap_onnx_view view) {
  view.sole = view.sole && low->users[node->outputs[output]] == 1;
  low->views[node->outputs[output]] = view;
}

void ap_onnx_set_alias(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view view) {
  ap_onnx_set_output(low, node, 0, view);
}

ap_status ap_onnx_flatten(ap_onnx_lowering *low, const ap_onnx_node *node, ap_onnx_view *view,
                          ap_error *err) {
  const ap_node like = {.kind = AP_NODE_FLATTEN};
  size_t index;
  if (view->shape.h == 1 && view->shape.w == 1) return AP_OK;
  ap_status st = ap_onnx_emit(low, node, view->flat_name ? view->flat_name : node->name, like,
                              &view->node, 1, &index, err);
  if (!st) {
    bool sole = view->sole;
    *view = ap_onnx_view_of(low->net, index, low->batch, 2);
    view->sole = sole;
  }
  return st;
}
