#include "nn/evaluator.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "base/threads.h"
#include "nn/evaluator_impl.h"

enum {
  DEFAULT_CACHE_BYTES = 64 << 20,
  MOST_CHUNK_BLOCKS = 4,   /* blocks of 16 images that one worker takes through the network */
  WARM_BYTES = 1536 << 10, /* largest tensor of a chunk of several blocks, see docs/EVALUATOR.md */
  CHUNKS_PER_WORKER = 4    /* at least, so that workers end together */
};

/* ---- creation -------------------------------------------------------------------------------- */
static ap_status check_data(const ap_network *net, const ap_dataset *data, ap_split split,
                            size_t *n_images, ap_error *err) {
  const ap_dataset_info info = ap_dataset_describe(data, split);
  const ap_shape3 in = net->nodes[0].shape;
  if (!ap_dataset_fits(&info, in.c, in.h, in.w))
    return ap_fail(err, AP_ERR_ARG, "%s takes %zux%zux%zu images, %s has %zux%zux%zu", net->name,
                   in.c, in.h, in.w, ap_dataset_name(data), info.channels, info.height, info.width);
  if (info.classes > net->classes)
    return ap_fail(err, AP_ERR_ARG, "%s tells %zu classes apart, %s has %zu", net->name,
                   net->classes, ap_dataset_name(data), info.classes);
  if (*n_images == 0) *n_images = info.n_images;
  if (*n_images == 0 || *n_images > info.n_images)
    return ap_fail(err, AP_ERR_ARG, "%zu images asked for, split %s of %s has %zu", *n_images,
                   ap_split_name(split), ap_dataset_name(data), info.n_images);
  return AP_OK;
}

static ap_status pack_pixels(ap_evaluator *ev, const uint8_t *pixels, size_t image_bytes,
                             ap_error *err) {
  const size_t lanes = ev->plan.lanes;
  ev->block_pixels = image_bytes * lanes;
  ev->pixels = ap_calloc(ev->n_blocks, ev->block_pixels);
  if (!ev->pixels)
    return ap_fail(err, AP_ERR_MEMORY, "%zu images of %zu bytes", ev->n_images, image_bytes);
  for (size_t i = 0; i < ev->n_images; ++i) {
    uint8_t *to = ev->pixels + i / lanes * ev->block_pixels + i % lanes;
    for (size_t j = 0; j < image_bytes; ++j) to[j * lanes] = pixels[i * image_bytes + j];
  }
  return AP_OK;
}

/* Several blocks at a time give small images enough independent sums; but a chunk must stay in the
 * cache, and every worker must get some. */
static size_t choose_chunk(const ap_evaluator *ev) {
  size_t largest = 1;
  for (size_t t = 0; t < ev->plan.n_tensors; ++t)
    if (ev->plan.tensors[t].block_bytes > largest) largest = ev->plan.tensors[t].block_bytes;
  size_t blocks = (size_t)MOST_CHUNK_BLOCKS * AP_PACKED_LANES / ev->plan.lanes;
  while (blocks > 1 && (blocks * largest > WARM_BYTES ||
                        ev->n_blocks / blocks < ev->n_workers * CHUNKS_PER_WORKER))
    blocks /= 2;
  return blocks;
}

static ap_status create_workers(ap_evaluator *ev, size_t n_threads, ap_error *err) {
  ap_status st = ap_pool_create(n_threads, &ev->pool, err);
  if (st) return st;
  const size_t n = ap_pool_threads(ev->pool);
  ev->workers = ap_calloc(n, sizeof *ev->workers);
  if (!ev->workers) return ap_fail(err, AP_ERR_MEMORY, "%zu workers", n);
  ev->n_workers = n;
  ev->chunk_blocks = choose_chunk(ev);
  for (size_t i = 0; i < n && !st; ++i)
    st = eval_worker_init(&ev->workers[i], &ev->plan, ev->isa, ev->chunk_blocks, err);
  return st;
}

/* NULL when the processor is to do it. TF32 is for training: candidates are evaluated by engine "cuda". */
static const char *engine_name(const ap_evaluator_options *o) {
  const bool processor =
      !o->backend || strcmp(o->backend, "cpu") == 0 || strcmp(o->backend, "cpu-ref") == 0;
  if (processor) return NULL;
  return strcmp(o->backend, "cuda-tf32") == 0 ? "cuda" : o->backend;
}

static ap_status find_precision(const ap_evaluator_options *o, ap_engine_options *out,
                                ap_error *err) {
  const char *name = o->precision ? o->precision : "fp32";
  *out = (ap_engine_options){.precision = AP_ENGINE_FP32};
  if (strcmp(name, "bf16") == 0)
    out->precision = AP_ENGINE_BF16;
  else if (strcmp(name, "fp32") != 0)
    return ap_fail(err, AP_ERR_ARG, "unknown precision \"%s\"; known are: fp32, bf16", name);
  if (!engine_name(o) && out->precision != AP_ENGINE_FP32)
    return ap_fail(err, AP_ERR_ARG, "precision %s needs backend cuda", name);
  if (engine_name(o) && o->vectors)
    return ap_fail(err, AP_ERR_ARG, "vectors \"%s\" are the processor's, the backend is %s",
                   o->vectors, o->backend);
  return AP_OK;
}

static ap_status create_processor(ap_evaluator *ev, const ap_network *net, const uint8_t *pixels,
                                  const ap_evaluator_options *options, ap_error *err) {
  const ap_shape3 in = net->nodes[0].shape;
  ev->n_blocks = (ev->n_images + ev->plan.lanes - 1) / ev->plan.lanes;
  ap_status st = pack_pixels(ev, pixels, in.c * in.h * in.w, err);
  if (!st && options->integer)
    st = eval_integer_input(&ev->plan, ev->integers, net, ev->n_blocks, &ev->pixels,
                            &ev->block_pixels, err);
  if (!st) st = eval_add_given_levels(ev, net, options->integer, err);
  if (!st) st = create_workers(ev, options->n_threads, err);
  return st;
}

ap_status ap_evaluator_create(const ap_network *net, const ap_dataset *data, ap_split split,
                              size_t n_images, const ap_evaluator_options *options,
                              ap_evaluator **out, ap_error *err) {
  const ap_evaluator_options defaults = {0};
  ap_engine_options engine;
  if (!options) options = &defaults;
  *out = NULL;
  ap_status st = check_data(net, data, split, &n_images, err);
  if (!st) st = find_precision(options, &engine, err);
  if (st) return st;
  ap_evaluator *ev = ap_calloc(1, sizeof *ev);
  if (!ev) return ap_fail(err, AP_ERR_MEMORY, "evaluator record");
  const char *name = engine_name(options);
  const uint8_t *pixels = ap_dataset_pixels(data, split);
  ev->n_images = n_images;
  ev->labels = ap_dataset_labels(data, split);
  if (name && options->integer)
    st = ap_fail(err, AP_ERR_UNSUPPORTED, "integers are the processor's, the backend is %s", name);
  else if (options->integer)
    st = ap_packed8_isa_find(options->vectors, &ev->integers, err);
  else if (!name)
    st = ap_packed_isa_find(options->vectors, &ev->isa, err);
  if (!st) st = eval_plan_init(&ev->plan, net, options->integer, err);
  if (!st && name)
    st = eval_engine_create(name, &ev->plan, n_images, pixels, ev->labels, &engine, &ev->engine,
                            err);
  if (!st)
    st = name ? eval_add_given_levels(ev, net, NULL, err)
              : create_processor(ev, net, pixels, options, err);
  if (!st) {
    ev->order.n_layers = ev->plan.n_layers;
    ev->order.depth_layer = ev->plan.order;
    eval_cache_init(&ev->cache, ev->plan.n_layers,
                    options->cache_bytes ? options->cache_bytes : DEFAULT_CACHE_BYTES);
    *out = ev;
    ev = NULL;
  }
  ap_evaluator_destroy(ev);
  return st;
}

void ap_evaluator_destroy(ap_evaluator *ev) {
  if (!ev) return;
  ap_engine_destroy(ev->engine);
  ap_pool_destroy(ev->pool);
  for (size_t i = 0; ev->layers && i < ev->plan.n_layers; ++i) {
    for (size_t j = 0; j < ev->layers[i].n_levels && ev->layers[i].levels; ++j) {
      ap_packed_weights_destroy(ev->layers[i].levels[j].real);
      ap_packed8_weights_destroy(ev->layers[i].levels[j].integer);
    }
    ap_free(ev->layers[i].levels);
  }
  for (size_t i = 0; ev->bias && i < ev->plan.n_layers; ++i) ap_free(ev->bias[i]);
  for (size_t i = 0; i < ev->n_workers; ++i) eval_worker_release(&ev->workers[i]);
  ap_arena_destroy(ev->lists);
  ap_free(ev->layers);
  ap_free(ev->geometry);
  ap_free(ev->bias);
  ap_free(ev->input_scale);
  ap_free(ev->unit);
  ap_free(ev->zero);
  ap_free(ev->pixels);
  ap_free(ev->workers);
  ap_free(ev->results);
  eval_order_release(&ev->order);
  eval_cache_release(&ev->cache);
  eval_race_destroy(ev->race);
  eval_plan_release(&ev->plan);
  ap_free(ev);
}

/* ---- levels ---------------------------------------------------------------------------------- */
size_t ap_evaluator_layers(const ap_evaluator *ev) { return ev->plan.n_layers; }

bool ap_evaluator_is_integer(const ap_evaluator *ev) { return ev->plan.integer; }

bool ap_evaluator_has_engine(const ap_evaluator *ev) { return ev->engine != NULL; }

const char *ap_evaluator_vectors(const ap_evaluator *ev) {
  if (ev->integers) return ap_packed8_isa_name(ev->integers);
  return ev->isa ? ap_packed_isa_name(ev->isa) : "none"; /* an engine has its own */
}

/* ---- evaluation ------------------------------------------------------------------------------ */
ap_status eval_check_levels(const ap_evaluator *ev, const uint32_t *levels, size_t n,
                            ap_error *err) {
  const size_t layers = ev->plan.n_layers;
  for (size_t i = 0; i < n * layers; ++i) {
    const size_t have = ev->layers[i % layers].n_levels;
    if (levels[i] >= have)
      return ap_fail(err, AP_ERR_ARG, "candidate %zu: level %zu of layer %zu, which has %zu",
                     i / layers, (size_t)levels[i], i % layers, have);
  }
  return AP_OK;
}

ap_status eval_reserve_results(ap_evaluator *ev, size_t n, ap_error *err) {
  if (n <= ev->results_room) return AP_OK;
  eval_block *results = ap_realloc(ev->results, n, ev->n_blocks * sizeof *results);
  if (!results)
    return ap_fail(err, AP_ERR_MEMORY, "results of %zu candidates in %zu blocks", n, ev->n_blocks);
  ev->results = results;
  ev->results_room = n;
  return AP_OK;
}

void eval_evaluate(ap_evaluator *ev, size_t first, size_t n, size_t from, size_t to,
                   float *logits) {
  eval_order_link(&ev->order, first, n);
  eval_job job = {.plan = &ev->plan,
                  .isa = ev->isa,
                  .integers = ev->integers,
                  .layers = ev->layers,
                  .order = &ev->order,
                  .first = first,
                  .n = n,
                  .pixels = ev->pixels,
                  .block_pixels = ev->block_pixels,
                  .labels = ev->labels,
                  .n_images = ev->n_images,
                  .n_blocks = ev->n_blocks,
                  .chunk_blocks = ev->chunk_blocks,
                  .from_block = from,
                  .to_block = to,
                  .results = ev->results,
                  .logits = logits,
                  .workers = ev->workers};
  const size_t chunks = (to - from + ev->chunk_blocks - 1) / ev->chunk_blocks;
  ap_pool_run(ev->pool, chunks, eval_work, &job);
}

void eval_count(ap_evaluator *ev, size_t first, size_t n, size_t n_images) {
  for (size_t i = first; i < first + n; ++i) {
    ev->stats.image_forwards += (double)n_images;
    for (size_t depth = 0; depth + 1 < ev->order.resume[i]; ++depth)
      ev->stats.shared_forwards += ev->plan.layer_share[depth] * (double)n_images;
  }
}

eval_result eval_total(const ap_evaluator *ev, size_t i) {
  eval_result sum = {0, 0};
  for (size_t b = 0; b < ev->n_blocks; ++b) {
    const eval_block *block = &ev->results[i * ev->n_blocks + b];
    sum.loss += block->loss;
    sum.correct += (size_t)__builtin_popcountll(block->right);
  }
  return sum;
}

ap_score eval_score(const eval_result *sums, size_t n_images) {
  return (ap_score){.images = n_images,
                    .correct = sums->correct,
                    .accuracy = (double)sums->correct / (double)n_images,
                    .loss = sums->loss / (double)n_images};
}

/* Candidates that the cache does not have go to order.sorted. */
static size_t look_up(ap_evaluator *ev, size_t n, const uint32_t *levels, ap_score *scores) {
  size_t missing = 0;
  for (size_t i = 0; i < n; ++i) {
    const eval_result *known = eval_cache_find(&ev->cache, levels + i * ev->plan.n_layers);
    if (known)
      scores[i] = eval_score(known, ev->n_images);
    else
      ev->order.sorted[missing++] = i;
  }
  return missing;
}

/* Where the results of one call go. */
typedef struct {
  ap_evaluator *ev;
  ap_score *scores;
  size_t position; /* in order.sorted */
} delivery;

/* eval_done: distinct candidate i to the cache and to all candidates that are equal to it. */
static void deliver(void *context, size_t i, const eval_result *result) {
  delivery *d = context;
  ap_evaluator *ev = d->ev;
  const eval_order *order = &ev->order;
  eval_count(ev, i, 1, ev->n_images);
  eval_cache_put(&ev->cache, order->levels + order->unique[i] * ev->plan.n_layers, result);
  for (; d->position < order->n && order->owner[d->position] == i; ++d->position)
    d->scores[order->sorted[d->position]] = eval_score(result, ev->n_images);
}

static ap_status run_processor(ap_evaluator *ev, delivery *d, ap_error *err) {
  const size_t n_unique = ev->order.n_unique;
  const ap_status st =
      eval_reserve_results(ev, n_unique < EVAL_MOST_AT_ONCE ? n_unique : EVAL_MOST_AT_ONCE, err);
  if (st) return st;
  for (size_t first = 0; first < n_unique; first += EVAL_MOST_AT_ONCE) {
    const size_t left = n_unique - first, n = left < EVAL_MOST_AT_ONCE ? left : EVAL_MOST_AT_ONCE;
    eval_evaluate(ev, first, n, 0, ev->n_blocks, NULL);
    for (size_t i = first; i < first + n; ++i) {
      const eval_result result = eval_total(ev, i - first);
      deliver(d, i, &result);
    }
  }
  return AP_OK;
}

ap_status ap_evaluator_run(ap_evaluator *ev, size_t n_candidates, const uint32_t *levels,
                           ap_score *scores, ap_error *err) {
  const double start = ap_seconds();
  ap_status st = eval_check_levels(ev, levels, n_candidates, err);
  if (!st) st = eval_order_reserve(&ev->order, n_candidates, err);
  if (st) return st;
  delivery d = {ev, scores, 0};
  eval_order_sort(&ev->order, levels, look_up(ev, n_candidates, levels, scores));
  st = ev->engine ? eval_engine_run(ev->engine, &ev->order, deliver, &d, err)
                  : run_processor(ev, &d, err);
  if (st) return st;
  ev->stats.candidates += n_candidates;
  ev->stats.cache_hits += n_candidates - ev->order.n_unique;
  ev->stats.seconds += ap_seconds() - start;
  return AP_OK;
}

ap_status ap_evaluator_logits(ap_evaluator *ev, const uint32_t *levels, float *logits,
                              ap_error *err) {
  const double start = ap_seconds();
  ap_status st = eval_check_levels(ev, levels, 1, err);
  if (!st && ev->engine) {
    st = ap_engine_logits(ev->engine, levels, logits, err);
  } else {
    if (!st) st = eval_order_reserve(&ev->order, 1, err);
    if (!st) st = eval_reserve_results(ev, 1, err);
    if (!st) {
      ev->order.sorted[0] = 0;
      eval_order_sort(&ev->order, levels, 1);
      eval_evaluate(ev, 0, 1, 0, ev->n_blocks, logits);
    }
  }
  if (st) return st;
  ev->stats.image_forwards += (double)ev->n_images;
  ++ev->stats.candidates;
  ev->stats.seconds += ap_seconds() - start;
  return AP_OK;
}

ap_evaluator_stats ap_evaluator_statistics(const ap_evaluator *ev) { return ev->stats; }

void ap_evaluator_set_statistics(ap_evaluator *ev, const ap_evaluator_stats *stats) {
  ev->stats = *stats;
}

/* ---- times ----------------------------------------------------------------------------------- */
static ap_status need_engine(const ap_evaluator *ev, ap_error *err) {
  return ev->engine
             ? AP_OK
             : ap_fail(err, AP_ERR_UNSUPPORTED, "only an engine on a device has its own clock");
}

ap_status ap_evaluator_measure(ap_evaluator *ev, size_t n, const uint32_t *levels, bool cold,
                               double *seconds, ap_error *err) {
  ap_engine_result results[AP_ENGINE_MOST];
  ap_status st = need_engine(ev, err);
  if (!st) st = eval_check_levels(ev, levels, n, err);
  if (!st) st = eval_order_reserve(&ev->order, n, err);
  if (st) return st;
  for (size_t i = 0; i < n; ++i) ev->order.sorted[i] = i;
  eval_order_sort(&ev->order, levels, n);
  eval_order_link(&ev->order, 0, ev->order.n_unique);
  st = ap_engine_submit(ev->engine, ev->order.n_unique, levels, ev->order.unique, ev->order.resume,
                        err);
  if (!st) st = ap_engine_collect(ev->engine, results, err);
  if (!st) st = ap_engine_measure(ev->engine, cold, seconds, err);
  return st;
}

ap_status ap_evaluator_measure_products(ap_evaluator *ev, bool cold, double *seconds,
                                        ap_error *err) {
  const ap_status st = need_engine(ev, err);
  return st ? st : ap_engine_measure_products(ev->engine, cold, seconds, err);
}
