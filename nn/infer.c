#include "nn/infer.h"

#include "base/alloc.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/executor_score.h"

#define INFER_BATCH 128 /* images: enough to fill a device, little enough for 4 GB */
#define INFER_SLOTS 8   /* batches between two waits */

/* Images first .. first+n-1 as one slot's batch. */
static void pick_plain(ap_feed *feed, size_t slot, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ap_feed_pick(feed, slot, i, (ap_image_pick){.index = (int32_t)(first + i)});
  }
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

ap_status ap_executor_score(ap_executor *ex, ap_feed *feed, size_t batch, size_t classes,
                            ap_score *score, float *logits, ap_error *err) {
  size_t n_images = ap_feed_images(feed), first = 0, correct = 0;
  double loss = 0;
  while (first < n_images) {
    size_t n_slots = smaller(ap_feed_slots(feed), (n_images - first + batch - 1) / batch);
    ap_status st = AP_OK;
    for (size_t s = 0; s < n_slots; s++) {
      size_t at = first + s * batch;
      pick_plain(feed, s, at, smaller(batch, n_images - at));
    }
    st = ap_feed_send(feed, n_slots, err);
    for (size_t s = 0; !st && s < n_slots; s++) {
      size_t at = first + s * batch, n = smaller(batch, n_images - at);
      st = ap_feed_gather(feed, s, n, ap_executor_input(ex), err);
      if (!st) st = ap_executor_forward(ex, n, AP_FORWARD_INFER, 0, 0, err);
      if (!st) st = ap_feed_loss(feed, s, n, ap_executor_logits(ex), 0, 1, NULL, err);
      if (!st && logits) {
        st = ap_buffer_read(ap_executor_logits(ex), 0, logits + at * classes,
                            n * classes * sizeof(float), err);
      }
    }
    if (!st) st = ap_feed_collect(feed, n_slots, err);
    if (st) return st;
    for (size_t s = 0; s < n_slots; s++) {
      ap_feed_sum(feed, s, smaller(batch, n_images - first - s * batch), &loss, &correct);
    }
    first = smaller(n_images, first + n_slots * batch);
  }
  *score = (ap_score){.images = n_images, .correct = correct};
  if (n_images > 0) {
    score->accuracy = (double)correct / (double)n_images;
    score->loss = loss / (double)n_images;
  }
  return AP_OK;
}

ap_status ap_infer(ap_backend *be, const ap_network *net, const ap_dataset *data, ap_split split,
                   size_t n_images, ap_score *score, float *logits, ap_error *err) {
  ap_executor *ex = NULL;
  ap_feed *feed = NULL;
  ap_status st =
      ap_feed_create(be, net, data, split, n_images, INFER_BATCH, INFER_SLOTS, &feed, err);
  if (!st) st = ap_executor_create(be, net, INFER_BATCH, false, &ex, err);
  if (!st) st = ap_executor_score(ex, feed, INFER_BATCH, net->classes, score, logits, err);
  ap_executor_destroy(ex);
  ap_feed_destroy(feed);
  return st;
}

ap_status ap_infer_node_input(ap_backend *be, const ap_network *net, const ap_dataset *data,
                              ap_split split, size_t n_images, size_t node, float *out,
                              ap_error *err) {
  ap_executor *ex = NULL;
  ap_feed *feed = NULL;
  ap_shape3 shape;
  size_t floats, source;
  ap_status st = AP_OK;
  if (node == 0 || node >= net->n_nodes) {
    return ap_fail(err, AP_ERR_ARG, "node %zu of network %s: 1 .. %zu have an input", node,
                   net->name, net->n_nodes - 1);
  }
  source = net->nodes[node].inputs[0];
  shape = net->nodes[source].shape;
  floats = shape.c * shape.h * shape.w;
  st = ap_feed_create(be, net, data, split, n_images, INFER_BATCH, 1, &feed, err);
  if (!st) st = ap_executor_create(be, net, INFER_BATCH, false, &ex, err);
  for (size_t first = 0; !st && first < ap_feed_images(feed); first += INFER_BATCH) {
    size_t n = smaller(INFER_BATCH, ap_feed_images(feed) - first);
    pick_plain(feed, 0, first, n);
    st = ap_feed_send(feed, 1, err);
    if (!st) st = ap_feed_gather(feed, 0, n, ap_executor_input(ex), err);
    if (!st) st = ap_executor_forward(ex, n, AP_FORWARD_INFER, 0, node, err);
    if (!st) {
      st = ap_buffer_read(ap_executor_value(ex, source), 0, out + first * floats,
                          n * floats * sizeof(float), err);
    }
  }
  ap_executor_destroy(ex);
  ap_feed_destroy(feed);
  return st;
}
