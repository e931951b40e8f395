/* nn/onnx/lower_unused.c - nodes of the network that the output does not need: branches of which an ONNX
 * graph only takes the shape. They would be mapped and priced. */
#include <string.h>

#include "base/alloc.h"
#include "nn/onnx/lower.h"

/* new_of[i]: the number that node i has in `out`; only used[i] are taken. */
static ap_status copy_used(const ap_network *net, size_t last, const bool *used, size_t *new_of,
                           ap_network *out, ap_error *err) {
  for (size_t i = 1; i <= last; i++) {
    if (!used[i]) continue;
    ap_node like = net->nodes[i];
    like.inputs = ap_calloc(like.n_inputs, sizeof *like.inputs);
    if (!like.inputs) return ap_fail(err, AP_ERR_MEMORY, "%s: inputs", like.name);
    for (size_t k = 0; k < like.n_inputs; k++) like.inputs[k] = new_of[net->nodes[i].inputs[k]];
    ap_status st = ap_network_append(out, &like, &new_of[i], err);
    ap_free(like.inputs);
    if (st) return st;
  }
  return AP_OK;
}

ap_status ap_onnx_drop_unused(ap_network **net, size_t last, ap_error *err) {
  const ap_network *from = *net;
  ap_network *out = NULL;
  size_t n_used = 0;
  bool *used = ap_calloc(from->n_nodes, sizeof *used);
  size_t *new_of = ap_calloc(from->n_nodes, sizeof *new_of);
  ap_status st = used && new_of ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "table of nodes");
  if (st) goto done;
  used[0] = used[last] = true; /* the image stays */
  for (size_t i = last + 1; i-- > 0;) {
    n_used += used[i];
    for (size_t k = 0; used[i] && k < from->nodes[i].n_inputs; k++)
      used[from->nodes[i].inputs[k]] = true;
  }
  if (n_used == from->n_nodes) goto done;
  st = ap_network_create(from->name, from->nodes[0].shape, &out, err);
  if (!st) st = copy_used(from, last, used, new_of, out, err);
  if (st) goto done;
  memcpy(out->mean, from->mean, sizeof out->mean);
  memcpy(out->std, from->std, sizeof out->std);
  ap_network_destroy(*net);
  *net = out;
  out = NULL;
done:
  ap_network_destroy(out);
  ap_free(used);
  ap_free(new_of);
  return st;
}
