#include "base/alloc.h"
#include "base/rng.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/train.h"

#define BATCH 128       /* images whose statistics are averaged */
#define DRAW_SEED 20210 /* which images: the same for every network */

/* Running statistics after k images move by n / (k + n) of the way to a batch of n: in the end
 * every image has had the same share. */
static ap_status average(ap_executor *ex, ap_feed *feed, const uint32_t *order, size_t n_images,
                         ap_error *err) {
  ap_status st = AP_OK;
  for (size_t first = 0; !st && first < n_images; first += BATCH) {
    size_t n = n_images - first < BATCH ? n_images - first : BATCH;
    for (size_t i = 0; i < n; i++) {
      ap_feed_pick(feed, 0, i, (ap_image_pick){.index = (int32_t)order[first + i]});
    }
    st = ap_feed_send(feed, 1, err);
    if (!st) st = ap_feed_gather(feed, 0, n, ap_executor_input(ex), err);
    if (!st) {
      st = ap_executor_forward(ex, n, AP_FORWARD_TRAIN, (float)((double)n / (double)(first + n)), 0,
                               err);
    }
  }
  return st;
}

ap_status ap_recalibrate(ap_backend *be, ap_network *net, const ap_dataset *data, size_t n_images,
                         ap_error *err) {
  size_t all = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
  ap_executor *ex = NULL;
  ap_feed *feed = NULL;
  uint32_t *order = NULL;
  ap_rng rng;
  ap_status st = AP_OK;
  if (n_images > all) {
    return ap_fail(err, AP_ERR_ARG, "recalibration on %zu images, the training split of %s has %zu",
                   n_images, ap_dataset_name(data), all);
  }
  if (n_images == 0) n_images = all;
  if (!ap_network_has_statistics(net)) return AP_OK;
  order = ap_calloc(all, sizeof *order);
  if (!order) {
    st = ap_fail(err, AP_ERR_MEMORY, "drawing of %zu images", all);
    goto done;
  }
  for (size_t i = 0; i < all; i++) order[i] = (uint32_t)i;
  ap_rng_seed(&rng, DRAW_SEED, 0);
  ap_rng_shuffle(&rng, order, all);
  st = ap_feed_create(be, net, data, AP_SPLIT_TRAIN, 0, 0, BATCH, 1, &feed, err);
  if (!st) st = ap_executor_create(be, net, BATCH, true, &ex, err);
  if (!st) st = average(ex, feed, order, n_images, err);
  if (!st) st = ap_executor_store(ex, net, err);
done:
  ap_executor_destroy(ex);
  ap_feed_destroy(feed);
  ap_free(order);
  return st;
}
