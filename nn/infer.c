#include "nn/infer.h"

#include "base/alloc.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/executor_score.h"

#define INFER_BATCH 128 /* images: enough to fill a device, little enough for 4 GB */
#define INFER_SLOTS 8   /* batches between two waits */
#define ACTIVATION_BYTES ((size_t)512 << 20) /* of a batch, all nodes kept: bounds large images */
#define PIXEL_BYTES ((size_t)256 << 20)      /* of a window of a split */

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
      ap_feed_pick_plain(feed, s, at, smaller(batch, n_images - at));
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

/* Images a batch: fewer where the activations of one image are large. */
static size_t batch_for(const ap_network *net) {
  size_t floats = 0, batch;
  for (size_t i = 0; i < net->n_nodes; i++) {
    ap_shape3 s = net->nodes[i].shape;
    floats += s.c * s.h * s.w;
  }
  batch = ACTIVATION_BYTES / sizeof(float) / (floats ? floats : 1);
  return batch > INFER_BATCH ? INFER_BATCH : batch ? batch : 1;
}

/* Images that are on the backend at a time: the pixels of a large split do not fit at once. */
static size_t window_for(const ap_network *net) {
  ap_shape3 s = net->nodes[0].shape;
  size_t images = PIXEL_BYTES / (s.c * s.h * s.w);
  return images < INFER_BATCH ? INFER_BATCH : images;
}

static ap_status infer_window(ap_backend *be, ap_executor *ex, const ap_network *net,
                              const ap_dataset *data, ap_split split, size_t first, size_t n,
                              ap_score *score, float *logits, ap_error *err) {
  ap_feed *feed = NULL;
  size_t batch = batch_for(net);
  ap_status st = ap_feed_create(be, net, data, split, first, n, batch, INFER_SLOTS, &feed, err);
  if (!st) st = ap_executor_score(ex, feed, batch, net->classes, score, logits, err);
  ap_feed_destroy(feed);
  return st;
}

ap_status ap_infer(ap_backend *be, const ap_network *net, const ap_dataset *data, ap_split split,
                   size_t n_images, ap_score *score, float *logits, ap_error *err) {
  ap_executor *ex = NULL;
  size_t all = ap_dataset_describe(data, split).n_images, window = window_for(net), first = 0;
  size_t n = n_images ? n_images : all;
  ap_score sum = {0}, part;
  ap_status st = ap_executor_create(be, net, batch_for(net), false, &ex, err);
  do {
    size_t count = n - first < window ? n - first : window;
    if (!st) {
      st = infer_window(be, ex, net, data, split, first, count, &part,
                        logits ? logits + first * net->classes : NULL, err);
    }
    if (st) break;
    sum.correct += part.correct;
    sum.loss += first == 0 && count == n ? part.loss : part.loss * (double)count / (double)n;
    first += count;
  } while (first < n);
  ap_executor_destroy(ex);
  if (st) return st;
  sum.images = n;
  sum.accuracy = (double)sum.correct / (double)n;
  *score = sum;
  return AP_OK;
}
