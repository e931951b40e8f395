/* nn/executor_feed.h - images of one split on the backend, drawn in batches, and their losses.
 *
 * Pixels go over once. A feed has several slots, each one batch: the picks and labels of many
 * batches are sent together and their losses fetched together, so that a device is not waited for
 * at every step. */
#ifndef AP_NN_EXECUTOR_FEED_H
#define AP_NN_EXECUTOR_FEED_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct ap_feed ap_feed;

/* Takes n_images (0: all behind `first`) of a split from image `first` on, normalised as net wants it. labels are read until
 * destroy. Errors: ARG when images and the network's input or classes do not fit, or n_images is
 * more than the split has; MEMORY; DEVICE. */
AP_NODISCARD ap_status ap_feed_create(ap_backend *be, const ap_network *net, const ap_dataset *data,
                                      ap_split split, size_t first, size_t n_images, size_t batch,
                                      size_t n_slots, ap_feed **out, ap_error *err);
void ap_feed_destroy(ap_feed *feed); /* NULL is allowed */
size_t ap_feed_images(const ap_feed *feed);
size_t ap_feed_slots(const ap_feed *feed);

/* Notes image `pick` as the i-th of a slot's batch; index < ap_feed_images. */
void ap_feed_pick(ap_feed *feed, size_t slot, size_t i, ap_image_pick pick);
/* Notes images first .. first + n - 1 as they are. */
void ap_feed_pick_plain(ap_feed *feed, size_t slot, size_t first, size_t n);
/* Sends what was noted for the first n_slots slots. */
AP_NODISCARD ap_status ap_feed_send(ap_feed *feed, size_t n_slots, ap_error *err);
/* The slot's first n images to y [n, c, h, w]. */
AP_NODISCARD ap_status ap_feed_gather(ap_feed *feed, size_t slot, size_t n, ap_buffer *y,
                                      ap_error *err);
/* Loss of the slot's first n images; dlogits as in ap_softmax_loss. */
AP_NODISCARD ap_status ap_feed_loss(ap_feed *feed, size_t slot, size_t n, ap_buffer *logits,
                                    float smoothing, float scale, ap_buffer *dlogits,
                                    ap_error *err);
/* Waits for the losses of the first n_slots slots; then ap_feed_sum answers. */
AP_NODISCARD ap_status ap_feed_collect(ap_feed *feed, size_t n_slots, ap_error *err);
/* Adds the losses of a slot's first n images to *loss, in order, and the number that were classified
 * correctly to *correct. */
void ap_feed_sum(const ap_feed *feed, size_t slot, size_t n, double *loss, size_t *correct);

AP_EXTERN_C_END
#endif
