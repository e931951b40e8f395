/* nn/executor_gather.c - GATHER nodes: their picks on the backend, and the picks turned round, by which
 * gradients go back. */
#include "base/alloc.h"
#include "nn/executor_impl.h"

/* users[starts[f] .. starts[f + 1] - 1]: the outputs that pick channel f, rising. */
static void turn_round(const ap_node *node, size_t c_from, int32_t *starts, int32_t *users) {
  for (size_t f = 0; f <= c_from; f++) starts[f] = 0;
  for (size_t c = 0; c < node->shape.c; c++) starts[node->picks[c] + 1]++;
  for (size_t f = 0; f < c_from; f++) starts[f + 1] += starts[f];
  for (size_t c = node->shape.c; c-- > 0;) { /* from behind: each part is filled from its end */
    users[--starts[node->picks[c] + 1]] = (int32_t)c;
  }
  /* starts[f + 1] is now where part f begins */
  for (size_t f = 0; f < c_from; f++) starts[f] = starts[f + 1];
  starts[c_from] = (int32_t)node->shape.c;
}

static ap_status upload(ap_executor *ex, const int32_t *values, size_t n, ap_buffer **out,
                        ap_error *err) {
  ap_status st = ap_buffer_create(ex->be, n * sizeof *values, out, err);
  return st ? st : ap_buffer_write(*out, 0, values, n * sizeof *values, err);
}

ap_status ap_executor_gather_create(ap_executor *ex, size_t i, ap_error *err) {
  const ap_node *node = &ex->net->nodes[i];
  ap_node_buffers *b = &ex->nodes[i];
  size_t c_from = ex->net->nodes[node->inputs[0]].shape.c, c_to = node->shape.c;
  int32_t *starts = ap_calloc(c_from + 1, sizeof *starts), *users = ap_calloc(c_to, sizeof *users);
  ap_status st = AP_OK;
  if (!starts || !users) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu picks", node->name, c_to);
    goto done;
  }
  for (size_t c = 0; c < c_to; c++) users[c] = (int32_t)node->picks[c];
  st = upload(ex, users, c_to, &b->picks, err);
  if (st || !ex->training) goto done;
  turn_round(node, c_from, starts, users);
  st = upload(ex, starts, c_from + 1, &b->starts, err);
  if (!st) st = upload(ex, users, c_to, &b->users, err);
done:
  ap_free(starts);
  ap_free(users);
  return st;
}

ap_gather_shape ap_executor_gather_shape(const ap_network *net, size_t i, size_t n) {
  const ap_node *node = &net->nodes[i];
  return (ap_gather_shape){.n = n,
                           .c_from = net->nodes[node->inputs[0]].shape.c,
                           .c_to = node->shape.c,
                           .hw = node->shape.h * node->shape.w};
}
