#include "nn/executor_feed.h"

#include "base/alloc.h"

#define SLOT_ALIGN 16 /* images: 64 bytes of labels, what ap_buffer_view asks for */

/* One kind of value per image, on the host and on the backend. */
typedef struct {
  size_t item; /* bytes per image */
  void *host;
  ap_buffer *all;
  ap_buffer **slots; /* views of `all` */
} column;

struct ap_feed {
  ap_backend *be;
  const int32_t *all_labels;
  ap_image_shape shape; /* n is set by each call */
  size_t classes, stride, n_slots;
  ap_buffer *pixels, *mean, *std;
  column picks, labels, loss, correct;
};

static ap_status column_init(ap_feed *feed, column *c, size_t item, ap_error *err) {
  size_t slot_bytes = feed->stride * item;
  ap_status st = AP_OK;
  c->item = item;
  c->host = ap_calloc(feed->n_slots * feed->stride, item);
  c->slots = ap_calloc(feed->n_slots, sizeof *c->slots);
  if (!c->host || !c->slots) {
    return ap_fail(err, AP_ERR_MEMORY, "batches of %zu images", feed->stride);
  }
  st = ap_buffer_create(feed->be, feed->n_slots * slot_bytes, &c->all, err);
  for (size_t s = 0; !st && s < feed->n_slots; s++) {
    st = ap_buffer_view(c->all, s * slot_bytes, slot_bytes, &c->slots[s], err);
  }
  return st;
}

static void column_release(const ap_feed *feed, column *c) {
  for (size_t s = 0; c->slots && s < feed->n_slots; s++) ap_buffer_destroy(c->slots[s]);
  ap_buffer_destroy(c->all);
  ap_free(c->slots);
  ap_free(c->host);
}

/* Writes `bytes` of host memory to a new buffer. */
static ap_status upload(ap_backend *be, const void *data, size_t bytes, ap_buffer **out,
                        ap_error *err) {
  ap_status st = ap_buffer_create(be, bytes, out, err);
  return st ? st : ap_buffer_write(*out, 0, data, bytes, err);
}

static ap_status check_fit(const ap_network *net, const ap_dataset *data, ap_split split,
                           const ap_dataset_info *info, size_t first, size_t n_images,
                           ap_error *err) {
  ap_shape3 in = net->nodes[0].shape;
  if (!ap_dataset_fits(info, in.c, in.h, in.w) || in.c > 4) {
    return ap_fail(err, AP_ERR_ARG, "network %s takes images of %zux%zux%zu, %s has %zux%zux%zu",
                   net->name, in.c, in.h, in.w, ap_dataset_name(data), info->channels, info->height,
                   info->width);
  }
  if (info->classes > net->classes) {
    return ap_fail(err, AP_ERR_ARG, "network %s knows %zu classes, %s has %zu", net->name,
                   net->classes, ap_dataset_name(data), info->classes);
  }
  if (info->n_images == 0) {
    return ap_fail(err, AP_ERR_ARG, "the %s split of %s has no images", ap_split_name(split),
                   ap_dataset_name(data));
  }
  if (first > info->n_images || n_images > info->n_images - first || info->n_images > INT32_MAX) {
    return ap_fail(err, AP_ERR_ARG, "%zu images wanted, the %s split of %s has %zu",
                   first + n_images, ap_split_name(split), ap_dataset_name(data), info->n_images);
  }
  return AP_OK;
}

ap_status ap_feed_create(ap_backend *be, const ap_network *net, const ap_dataset *data,
                         ap_split split, size_t first, size_t n_images, size_t batch,
                         size_t n_slots, ap_feed **out, ap_error *err) {
  ap_dataset_info info = ap_dataset_describe(data, split);
  const ap_shape3 in = net->nodes[0].shape;
  const size_t image = in.c * in.h * in.w;
  ap_feed *feed = NULL;
  ap_status st = check_fit(net, data, split, &info, first, n_images, err);
  *out = NULL;
  if (st) return st;
  feed = ap_calloc(1, sizeof *feed);
  if (!feed) return ap_fail(err, AP_ERR_MEMORY, "image feed");
  feed->be = be;
  feed->all_labels = ap_dataset_labels(data, split) + first;
  feed->classes = net->classes;
  feed->stride = (batch + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
  feed->n_slots = n_slots;
  feed->shape = (ap_image_shape){
      .n_source = n_images ? n_images : info.n_images - first, .c = in.c, .h = in.h, .w = in.w};
  st = upload(be, ap_dataset_pixels(data, split) + first * image, feed->shape.n_source * image,
              &feed->pixels, err);
  if (!st) st = upload(be, net->mean, in.c * sizeof(float), &feed->mean, err);
  if (!st) st = upload(be, net->std, in.c * sizeof(float), &feed->std, err);
  if (!st) st = column_init(feed, &feed->picks, sizeof(ap_image_pick), err);
  if (!st) st = column_init(feed, &feed->labels, sizeof(int32_t), err);
  if (!st) st = column_init(feed, &feed->loss, sizeof(float), err);
  if (!st) st = column_init(feed, &feed->correct, sizeof(float), err);
  if (st) {
    ap_feed_destroy(feed);
    return st;
  }
  *out = feed;
  return AP_OK;
}

void ap_feed_destroy(ap_feed *feed) {
  if (!feed) return;
  column_release(feed, &feed->picks);
  column_release(feed, &feed->labels);
  column_release(feed, &feed->loss);
  column_release(feed, &feed->correct);
  ap_buffer_destroy(feed->pixels);
  ap_buffer_destroy(feed->mean);
  ap_buffer_destroy(feed->std);
  ap_free(feed);
}

size_t ap_feed_images(const ap_feed *feed) { return feed->shape.n_source; }
size_t ap_feed_slots(const ap_feed *feed) { return feed->n_slots; }

void ap_feed_pick(ap_feed *feed, size_t slot, size_t i, ap_image_pick pick) {
  ((ap_image_pick *)feed->picks.host)[slot * feed->stride + i] = pick;
  ((int32_t *)feed->labels.host)[slot * feed->stride + i] = feed->all_labels[pick.index];
}

void ap_feed_pick_plain(ap_feed *feed, size_t slot, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ap_feed_pick(feed, slot, i, (ap_image_pick){.index = (int32_t)(first + i)});
  }
}

static ap_status send(const ap_feed *feed, const column *c, size_t n_slots, ap_error *err) {
  return ap_buffer_write(c->all, 0, c->host, n_slots * feed->stride * c->item, err);
}

static ap_status fetch(const ap_feed *feed, column *c, size_t n_slots, ap_error *err) {
  return ap_buffer_read(c->all, 0, c->host, n_slots * feed->stride * c->item, err);
}

ap_status ap_feed_send(ap_feed *feed, size_t n_slots, ap_error *err) {
  ap_status st = send(feed, &feed->picks, n_slots, err);
  return st ? st : send(feed, &feed->labels, n_slots, err);
}

ap_status ap_feed_gather(ap_feed *feed, size_t slot, size_t n, ap_buffer *y, ap_error *err) {
  ap_image_shape shape = feed->shape;
  shape.n = n;
  return ap_image_gather(feed->be, &shape, feed->pixels, feed->picks.slots[slot], feed->mean,
                         feed->std, y, err);
}

ap_status ap_feed_loss(ap_feed *feed, size_t slot, size_t n, ap_buffer *logits, float smoothing,
                       float scale, ap_buffer *dlogits, ap_error *err) {
  return ap_softmax_loss(feed->be, n, feed->classes, logits, feed->labels.slots[slot], smoothing,
                         scale, feed->loss.slots[slot], feed->correct.slots[slot], dlogits, err);
}

ap_status ap_feed_collect(ap_feed *feed, size_t n_slots, ap_error *err) {
  ap_status st = fetch(feed, &feed->loss, n_slots, err);
  return st ? st : fetch(feed, &feed->correct, n_slots, err);
}

void ap_feed_sum(const ap_feed *feed, size_t slot, size_t n, double *loss, size_t *correct) {
  const float *losses = (const float *)feed->loss.host + slot * feed->stride;
  const float *hits = (const float *)feed->correct.host + slot * feed->stride;
  for (size_t i = 0; i < n; i++) {
    *loss += (double)losses[i];
    *correct += hits[i] != 0;
  }
}
