#include "nn/train.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "nn/checkpoint.h"
#include "nn/executor.h"
#include "nn/executor_feed.h"
#include "nn/executor_score.h"
#include "nn/train_impl.h"

#define SLOTS 16           /* steps between two waits for the backend, at most */
#define REPORT_SECONDS 1.0 /* between two calls of the observer */
#define BN_MOMENTUM 0.1F   /* share of a batch in the running statistics */
#define ORDER UINT32_MAX   /* random stream of an epoch's order; images have 0, 1, ... */

typedef struct {
  const ap_train_options *options;
  ap_train_length length;
  ap_train_progress progress;
  ap_executor *ex;
  ap_feed *feed, *selection; /* selection: NULL where not asked for */
  size_t classes;
  ap_shape3 side;  /* of an image */
  uint32_t *order; /* of the images, in epoch `order_epoch` */
  size_t order_epoch;
  json_t *identity;
  const char *checkpoint;
  float *state; /* host copy for the checkpoint */
  ap_train_observer *observer;
  void *context;
  double started, reported, selection_accuracy;
} run;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Random numbers of one image (or the order) of one epoch: they depend on nothing else, so that a
 * resumed run draws the same. */
static void seed_stream(ap_rng *rng, const run *r, size_t epoch, uint32_t item) {
  ap_rng_seed(rng, r->options->seed, ((uint64_t)epoch << 32) + item);
}

static void draw_order(run *r, size_t epoch) {
  ap_rng rng;
  if (r->order_epoch == epoch) return;
  for (size_t i = 0; i < r->length.images; i++) r->order[i] = (uint32_t)i;
  seed_stream(&rng, r, epoch, ORDER);
  ap_rng_shuffle(&rng, r->order, r->length.images);
  r->order_epoch = epoch;
}

static size_t batch_size(const run *r, size_t step_in_epoch) {
  return smaller(r->options->batch, r->length.images - step_in_epoch * r->options->batch);
}

static int32_t draw_shift(ap_rng *rng, size_t crop) {
  return (int32_t)ap_rng_below(rng, 2 * crop + 1) - (int32_t)crop;
}

/* DeVries and Taylor 2017 (arXiv 1708.04552): the centre is any pixel, what lies outside is lost. */
static void draw_cut(ap_rng *rng, const run *r, ap_image_pick *pick) {
  const int32_t half = (int32_t)(r->options->cutout / 2);
  pick->cut = (int32_t)r->options->cutout;
  pick->cut_y = (int32_t)ap_rng_below(rng, r->side.h) - half;
  pick->cut_x = (int32_t)ap_rng_below(rng, r->side.w) - half;
}

static void pick_batch(run *r, size_t slot, size_t epoch, size_t step_in_epoch) {
  size_t first = step_in_epoch * r->options->batch, n = batch_size(r, step_in_epoch);
  for (size_t i = 0; i < n; i++) {
    ap_image_pick pick = {.index = (int32_t)r->order[first + i]};
    ap_rng rng;
    seed_stream(&rng, r, epoch, (uint32_t)(first + i));
    if (r->options->crop > 0) {
      pick.dy = draw_shift(&rng, r->options->crop);
      pick.dx = draw_shift(&rng, r->options->crop);
    }
    if (r->options->flip) pick.flip = (int32_t)ap_rng_below(&rng, 2);
    if (r->options->cutout > 0) draw_cut(&rng, r, &pick);
    ap_feed_pick(r->feed, slot, i, pick);
  }
}

static ap_status train_step(run *r, size_t slot, size_t step, ap_error *err) {
  const ap_train_options *o = r->options;
  size_t n = batch_size(r, step % r->length.steps_per_epoch);
  ap_sgd sgd = {.lr = (float)ap_train_rate(o, &r->length, step),
                .momentum = (float)o->momentum,
                .weight_decay = (float)o->weight_decay,
                .nesterov = o->momentum > 0};
  ap_status st = ap_feed_gather(r->feed, slot, n, ap_executor_input(r->ex), err);
  if (!st) st = ap_executor_forward(r->ex, n, AP_FORWARD_TRAIN, BN_MOMENTUM, 0, err);
  if (!st) {
    st = ap_feed_loss(r->feed, slot, n, ap_executor_logits(r->ex), (float)o->label_smoothing,
                      1.0F / (float)n, ap_executor_dlogits(r->ex), err);
  }
  if (!st) st = ap_executor_backward(r->ex, n, err);
  return st ? st : ap_executor_step(r->ex, &sgd, err);
}

static bool report_due(const run *r) {
  return r->observer && ap_seconds() - r->reported >= REPORT_SECONDS;
}

/* Runs up to SLOTS steps of one epoch, fewer when a report is due or the user interrupts. */
static ap_status run_steps(run *r, ap_error *err) {
  ap_train_progress *p = &r->progress;
  size_t per_epoch = r->length.steps_per_epoch;
  size_t epoch = p->step / per_epoch, at = p->step % per_epoch, done = 0;
  size_t n_slots = smaller(SLOTS, smaller(per_epoch - at, r->length.n_steps - p->step));
  ap_status st = AP_OK;
  draw_order(r, epoch);
  for (size_t s = 0; s < n_slots; s++) pick_batch(r, s, epoch, at + s);
  st = ap_feed_send(r->feed, n_slots, err);
  while (!st && done < n_slots) {
    st = train_step(r, done, p->step + done, err);
    done++;
    if (ap_interrupted() || report_due(r)) break;
  }
  if (!st) st = ap_feed_collect(r->feed, done, err);
  if (st) return st;
  for (size_t s = 0; s < done; s++) {
    ap_feed_sum(r->feed, s, batch_size(r, at + s), &p->loss, &p->correct);
    p->images += batch_size(r, at + s);
    if (!isfinite(p->loss)) {
      return ap_fail(err, AP_ERR_INTERNAL,
                     "training: the loss is not finite in epoch %zu, step %zu (learning rate %g); "
                     "try a smaller learning rate",
                     epoch + 1, p->step + s + 1,
                     ap_train_rate(r->options, &r->length, p->step + s));
    }
  }
  p->step += done;
  return AP_OK;
}

static void report(run *r, double selection_accuracy) {
  const ap_train_progress *p = &r->progress;
  double images = p->images > 0 ? (double)p->images : 1;
  ap_train_report text = {.epoch = p->step / r->length.steps_per_epoch,
                          .n_epochs = r->length.n_epochs,
                          .step = p->step,
                          .n_steps = r->length.n_steps,
                          .loss = p->loss / images,
                          .accuracy = (double)p->correct / images,
                          .selection_accuracy = selection_accuracy,
                          .lr = ap_train_rate(r->options, &r->length, p->step),
                          .seconds = p->seconds + ap_seconds() - r->started};
  if (r->observer) r->observer(r->context, &text);
  r->reported = ap_seconds();
}

static ap_status save(run *r, ap_error *err) {
  ap_train_progress p = r->progress;
  ap_status st = AP_OK;
  if (!r->checkpoint) return AP_OK;
  p.seconds += ap_seconds() - r->started;
  st = ap_executor_get_state(r->ex, r->state, err);
  return st ? st
            : ap_checkpoint_write(r->checkpoint, r->identity, &p, r->state,
                                  ap_executor_state_count(r->ex), err);
}

static ap_status end_epoch(run *r, ap_error *err) {
  double accuracy = NAN;
  size_t done = (r->progress.step + r->length.steps_per_epoch - 1) / r->length.steps_per_epoch;
  if (r->selection &&
      (done % r->options->selection_every == 0 || r->progress.step == r->length.n_steps)) {
    ap_score score;
    ap_status st =
        ap_executor_score(r->ex, r->selection, r->options->batch, r->classes, &score, NULL, err);
    if (st) return st;
    accuracy = score.accuracy;
  }
  report(r, accuracy);
  r->progress.loss = 0;
  r->progress.correct = r->progress.images = 0;
  return AP_OK;
}

static ap_status train_all(run *r, ap_error *err) {
  while (r->progress.step < r->length.n_steps) {
    bool ended, last;
    ap_status st = run_steps(r, err);
    if (st) return st;
    last = r->progress.step == r->length.n_steps;
    ended = last || r->progress.step % r->length.steps_per_epoch == 0;
    if (ended) {
      st = end_epoch(r, err);
      if (st) return st;
    } else if (report_due(r)) {
      report(r, NAN);
    }
    if (last) return AP_OK;
    if (ended || ap_interrupted()) st = save(r, err);
    if (st) return st;
    if (ap_interrupted()) {
      return ap_fail(err, AP_ERR_INTERRUPTED, "training: interrupted after step %zu of %zu%s%s",
                     r->progress.step, r->length.n_steps, r->checkpoint ? "; saved to " : "",
                     r->checkpoint ? r->checkpoint : "");
    }
  }
  return AP_OK;
}

static ap_status resume(run *r, ap_error *err) {
  ap_status st = AP_OK;
  if (!r->checkpoint || !ap_file_exists(r->checkpoint)) return AP_OK;
  st = ap_checkpoint_read(r->checkpoint, r->identity, &r->progress, r->state,
                          ap_executor_state_count(r->ex), err);
  if (!st && (r->progress.step > r->length.n_steps || r->progress.images > r->length.images ||
              r->progress.correct > r->progress.images)) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: step %zu of %zu, %zu of %zu images", r->checkpoint,
                 r->progress.step, r->length.n_steps, r->progress.images, r->length.images);
  }
  return st ? st : ap_executor_set_state(r->ex, r->state, err);
}

static ap_status prepare(run *r, ap_backend *be, const ap_network *net, const ap_dataset *data,
                         const float *const *masks, ap_error *err) {
  const ap_train_options *o = r->options;
  size_t images = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
  ap_status st = AP_OK;
  if (images == 0)
    return ap_fail(err, AP_ERR_ARG, "%s: no images to train on", ap_dataset_name(data));
  r->length = ap_train_measure(o, images);
  r->classes = net->classes;
  r->side = net->nodes[0].shape;
  st = ap_feed_create(be, net, data, AP_SPLIT_TRAIN, 0, 0, o->batch, SLOTS, &r->feed, err);
  if (!st && o->selection_every > 0) {
    st = ap_feed_create(be, net, data, AP_SPLIT_SELECTION, 0, 0, o->batch, SLOTS, &r->selection,
                        err);
  }
  if (!st) st = ap_executor_create(be, net, o->batch, true, &r->ex, err);
  if (!st && masks) st = ap_executor_set_masks(r->ex, masks, err);
  if (!st) st = ap_train_describe(o, be, net, data, masks, &r->identity, err);
  if (st) return st;
  r->order = ap_calloc(images, sizeof *r->order);
  r->order_epoch = SIZE_MAX;
  if (r->checkpoint) r->state = ap_calloc(ap_executor_state_count(r->ex), sizeof *r->state);
  if (!r->order || (r->checkpoint && !r->state)) {
    return ap_fail(err, AP_ERR_MEMORY, "training on %zu images", images);
  }
  return resume(r, err);
}

ap_status ap_train(ap_backend *be, ap_network *net, const ap_dataset *data,
                   const ap_train_options *options, const float *const *masks,
                   const char *checkpoint, ap_train_observer *observer, void *context,
                   ap_error *err) {
  const ap_train_options own = ap_train_options_for(net, options);
  run r = {.options = &own, .checkpoint = checkpoint, .observer = observer, .context = context};
  ap_status st = ap_train_check(&own, net, masks, err);
  if (st) return st;
  r.started = r.reported = ap_seconds();
  st = prepare(&r, be, net, data, masks, err);
  if (!st) st = train_all(&r, err);
  if (!st) st = ap_executor_store(r.ex, net, err);
  /* One that cannot be removed does no harm: the same run would only repeat its end. */
  if (!st && checkpoint) (void)remove(checkpoint);
  ap_executor_destroy(r.ex);
  ap_feed_destroy(r.feed);
  ap_feed_destroy(r.selection);
  json_decref(r.identity);
  ap_free(r.order);
  ap_free(r.state);
  return st;
}
