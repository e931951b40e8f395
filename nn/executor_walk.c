#include "nn/executor_walk.h"

#include "base/alloc.h"
#include "nn/executor_feed.h"
#include "nn/executor_impl.h"

#define KEPT_BYTES ((size_t)1 << 30)   /* activations of all images at once */
#define BATCH ((size_t)128)            /* images a run where they do not fit */
#define HELD_BYTES ((size_t)512 << 20) /* one tensor of a caller's */

struct ap_walk {
  const ap_network *net;
  ap_executor *ex;
  ap_feed *feed;
  size_t images, batch;
  size_t at; /* the next node to run on all images; 0: their pixels have to be gathered first */
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Images that one run may take. */
static ap_status choose_batch(ap_walk *w, size_t kept_bytes, ap_error *err) {
  ap_plan plan;
  size_t floats = 1, room;
  ap_status st = ap_plan_create(w->net, false, &plan, err);
  if (st) return st;
  for (size_t s = 0; s < plan.n_slots; s++) floats += plan.slot_floats[s];
  ap_plan_release(&plan);
  room = (kept_bytes ? kept_bytes : KEPT_BYTES) / sizeof(float) / floats;
  w->batch = room >= w->images ? w->images : smaller(BATCH, room);
  if (w->batch == 0) w->batch = 1;
  return AP_OK;
}

ap_status ap_walk_create(ap_backend *be, const ap_network *net, const ap_dataset *data,
                         ap_split split, size_t n_images, size_t kept_bytes, ap_walk **out,
                         ap_error *err) {
  ap_walk *w = ap_calloc(1, sizeof *w);
  ap_status st = w ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "walk through %s", net->name);
  *out = NULL;
  if (st) return st;
  w->net = net;
  w->images = n_images ? n_images : ap_dataset_describe(data, split).n_images;
  st = choose_batch(w, kept_bytes, err);
  if (!st) st = ap_feed_create(be, net, data, split, 0, w->images, w->batch, 1, &w->feed, err);
  if (!st) st = ap_executor_create(be, net, w->batch, false, &w->ex, err);
  if (st) {
    ap_walk_destroy(w);
    return st;
  }
  *out = w;
  return AP_OK;
}

void ap_walk_destroy(ap_walk *walk) {
  if (!walk) return;
  ap_executor_destroy(walk->ex);
  ap_feed_destroy(walk->feed);
  ap_free(walk);
}

const ap_network *ap_walk_network(const ap_walk *walk) { return walk->net; }
size_t ap_walk_images(const ap_walk *walk) { return walk->images; }

size_t ap_walk_images_for(const ap_walk *walk, size_t floats) {
  size_t images = walk->images;
  while (images > 1 && images * floats * sizeof(float) > HELD_BYTES) images /= 2;
  return images;
}

ap_status ap_walk_reload(ap_walk *walk, ap_error *err) {
  return ap_executor_load(walk->ex, walk->net, err);
}

static ap_status gather(ap_walk *w, size_t first, size_t n, ap_error *err) {
  ap_status st;
  ap_feed_pick_plain(w->feed, 0, first, n);
  st = ap_feed_send(w->feed, 1, err);
  return st ? st : ap_feed_gather(w->feed, 0, n, ap_executor_input(w->ex), err);
}

/* All images are on the backend: goes on to node `stop`, or begins anew where that has been passed. */
static ap_status go_on(ap_walk *w, size_t stop, ap_error *err) {
  ap_status st = AP_OK;
  if (w->at > stop) w->at = 0;
  if (w->at == 0) {
    st = gather(w, 0, w->images, err);
    if (!st) w->at = 1;
  }
  if (!st) st = ap_executor_go_on(w->ex, w->images, w->at, stop, err);
  w->at = st ? 0 : stop;
  return st;
}

/* What `node` holds when nodes 1 .. stop-1 have run. */
static ap_status value(ap_walk *w, size_t node, size_t stop, size_t n, float *out, ap_error *err) {
  const size_t floats = ap_shape_floats(w->net->nodes[node].shape);
  ap_status st = AP_OK;
  if (n > w->images) {
    return ap_fail(err, AP_ERR_ARG, "%zu images of %zu are asked for", n, w->images);
  }
  if (w->batch == w->images) {
    st = go_on(w, stop, err);
    return st ? st
              : ap_buffer_read(ap_executor_value(w->ex, node), 0, out, n * floats * sizeof *out,
                               err);
  }
  for (size_t first = 0; first < n && !st; first += w->batch) {
    const size_t count = smaller(w->batch, n - first);
    st = gather(w, first, count, err);
    if (!st) st = ap_executor_go_on(w->ex, count, 1, stop, err);
    if (!st) {
      st = ap_buffer_read(ap_executor_value(w->ex, node), 0, out + first * floats,
                          count * floats * sizeof *out, err);
    }
  }
  return st;
}

static ap_status check(const ap_walk *w, size_t node, ap_error *err) {
  if (node > 0 && node < w->net->n_nodes) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "node %zu of network %s: 1 .. %zu have an input", node,
                 w->net->name, w->net->n_nodes - 1);
}

ap_status ap_walk_input(ap_walk *walk, size_t node, size_t n, float *out, ap_error *err) {
  ap_status st = check(walk, node, err);
  return st ? st : value(walk, walk->net->nodes[node].inputs[0], node, n, out, err);
}

ap_status ap_walk_output(ap_walk *walk, size_t node, size_t n, float *out, ap_error *err) {
  ap_status st = check(walk, node, err);
  return st ? st : value(walk, node, node + 1, n, out, err);
}
