/* kernels/grouped/engine.c - an engine on a device: memory, levels, outputs. */
#include "kernels/engine.h"

#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/engine_impl.h"
#include "kernels/grouped/simt.h"

#define SLAB_BYTES ((size_t)16 << 20)
#define LEVEL_STEP ((size_t)256)

/* ---- names ------------------------------------------------------------------------------------ */
static ap_status open_device(const char *name, ap_device **out, ap_error *err) {
  *out = NULL;
  if (strcmp(name, "cuda") == 0) return ap_cuda_device_open(out, err);
  if (strcmp(name, "cuda-emulated") == 0) return ap_host_device_open(false, out, err);
  if (strcmp(name, "cuda-emulated-threads") == 0) return ap_host_device_open(true, out, err);
  return ap_fail(err, AP_ERR_ARG,
                 "unknown engine \"%s\"; known are: cuda, cuda-emulated, cuda-emulated-threads",
                 name);
}

ap_status ap_engine_available(const char *name, ap_error *err) {
  ap_device *device;
  const ap_status st = open_device(name, &device, err);
  if (!st) device->ops->close(device);
  return st;
}

/* ---- creation --------------------------------------------------------------------------------- */
static ap_status alloc(ap_engine *e, size_t n, size_t size, void **out, ap_error *err) {
  if (size > 0 && n > SIZE_MAX / size)
    return ap_fail(err, AP_ERR_MEMORY, "%zu x %zu bytes of device memory", n, size);
  return e->device->ops->alloc(e->device, n * size > 0 ? n * size : 1, out, err);
}

static ap_status choose_tiles(ap_engine *e, size_t shared_bytes, ap_error *err) {
  if (shared_bytes == 0 || shared_bytes > e->device->shared_bytes)
    shared_bytes = e->device->shared_bytes;
  engine_fuse(e, shared_bytes);
  for (size_t i = 0; i < e->program.n_layers; i++) {
    engine_layer *layer = &e->layers[i];
    ap_status st = grouped_tile_choose(&layer->geometry, shared_bytes, &layer->tile, err);
    if (!st && grouped_shared_bytes(&layer->tile) > e->device->shared_bytes)
      st = ap_fail(err, AP_ERR_UNSUPPORTED, "the device has %zu bytes of shared memory a block",
                   e->device->shared_bytes);
    if (st) return ap_fail_context(err, st, "layer %zu", i);
  }
  for (size_t i = 0; i < e->program.n_ops; i++) {
    if (e->joins[i].layer == AP_ENGINE_NONE) continue;
    const engine_layer *layer = &e->layers[e->ops[e->joins[i].layer].layer];
    engine_layer *joined = &e->layers[e->ops[e->joins[i].joined].layer];
    grouped_tile_join(&layer->geometry, &layer->tile, &joined->geometry, &joined->tile);
  }
  return AP_OK;
}

/* As many candidates and blocks of images at a time as memory allows. */
static ap_status reserve_arena(ap_engine *e, size_t memory_bytes, ap_error *err) {
  size_t bytes = 0;
  ap_status st = engine_arena_plan(e, &bytes, err);
  if (st) return st;
  if (memory_bytes == 0) memory_bytes = e->device->free_bytes / 2;
  e->cells = AP_ENGINE_MOST * e->n_blocks;
  if (e->cells > ENGINE_CELLS) e->cells = ENGINE_CELLS;
  if (e->cells > memory_bytes / bytes) e->cells = memory_bytes / bytes;
  if (e->cells == 0)
    return ap_fail(err, AP_ERR_MEMORY,
                   "16 images of one candidate need %zu bytes of device memory, %zu are free",
                   bytes, memory_bytes);
  e->capacity = e->cells < AP_ENGINE_MOST ? e->cells : AP_ENGINE_MOST;
  return alloc(e, e->cells, bytes, &e->arena, err);
}

static ap_status upload_images(ap_engine *e, const uint8_t *pixels, const int32_t *labels,
                               ap_error *err) {
  size_t image = 0;
  for (size_t i = 0; i < e->program.n_ops; i++) {
    const ap_engine_tensor *t = &e->program.tensors[e->program.ops[i].out];
    if (e->program.ops[i].kind == AP_ENGINE_INPUT) image = t->c * t->h * t->w;
  }
  for (size_t i = 0; i < e->n_images; i++)
    if (labels[i] < 0 || (size_t)labels[i] >= e->program.classes)
      return ap_fail(err, AP_ERR_ARG, "label %d of image %zu, there are %zu classes",
                     (int)labels[i], i, e->program.classes);
  uint8_t *packed = ap_calloc(e->n_blocks * image, GROUPED_IMAGES);
  if (!packed) return ap_fail(err, AP_ERR_MEMORY, "%zu images of %zu bytes", e->n_images, image);
  for (size_t i = 0; i < e->n_images; i++) {
    uint8_t *to = packed + i / GROUPED_IMAGES * image * GROUPED_IMAGES + i % GROUPED_IMAGES;
    for (size_t j = 0; j < image; j++) to[j * GROUPED_IMAGES] = pixels[i * image + j];
  }
  const ap_device_ops *ops = e->device->ops;
  ap_status st = alloc(e, e->n_blocks * image, GROUPED_IMAGES, &e->pixels, err);
  if (!st && image > 0)
    st = ops->write(e->device, e->pixels, packed, e->n_blocks * image * GROUPED_IMAGES, err);
  if (!st) st = alloc(e, e->n_images, sizeof *labels, &e->labels, err);
  if (!st) st = ops->write(e->device, e->labels, labels, e->n_images * sizeof *labels, err);
  ap_free(packed);
  return st;
}

static size_t constants_of(const ap_engine *e, const ap_engine_op *o) {
  if (!o->scale || !o->shift) return 0;
  return o->kind == AP_ENGINE_INPUT ? e->program.tensors[o->out].c : o->channels;
}

/* All scales and shifts, one after the other. */
static ap_status upload_constants(ap_engine *e, ap_error *err) {
  const ap_engine_program *p = &e->program;
  size_t total = 0, at = 0;
  for (size_t i = 0; i < p->n_ops; i++) total += 2 * constants_of(e, &p->ops[i]);
  ap_status st = alloc(e, total, sizeof(float), &e->constants, err);
  for (size_t i = 0; i < p->n_ops && !st; i++) {
    const ap_engine_op *o = &p->ops[i];
    const size_t n = constants_of(e, o);
    if (n == 0) continue;
    float *to = (float *)e->constants + at;
    at += 2 * n;
    e->scale[i] = to;
    e->shift[i] = to + n;
    st = e->device->ops->write(e->device, to, o->scale, n * sizeof *to, err);
    if (!st) st = e->device->ops->write(e->device, to + n, o->shift, n * sizeof *to, err);
  }
  return st;
}

/* All picks, one after the other. */
static ap_status upload_picks(ap_engine *e, ap_error *err) {
  const ap_engine_program *p = &e->program;
  size_t total = 0;
  for (size_t i = 0; i < p->n_ops; i++) total += p->ops[i].picks ? p->ops[i].channels : 0;
  ap_status st = alloc(e, total, sizeof(uint32_t), &e->picked, err);
  uint32_t *to = e->picked;
  for (size_t i = 0; i < p->n_ops && !st; i++) {
    const ap_engine_op *o = &p->ops[i];
    if (!o->picks) continue;
    st = e->device->ops->write(e->device, to, o->picks, o->channels * sizeof *to, err);
    e->picks[i] = to;
    to += o->channels;
  }
  return st;
}

static ap_status reserve_batches(ap_engine *e, ap_error *err) {
  const ap_device_ops *ops = e->device->ops;
  ap_status st = alloc(e, engine_sent_bytes(e), 1, &e->sent, err);
  if (!st) st = alloc(e, engine_received_bytes(e), 1, &e->received, err);
  if (!st) st = alloc(e, e->capacity * e->n_images, sizeof(double), &e->loss, err);
  if (!st) st = alloc(e, e->capacity * e->n_images, 1, &e->correct, err);
  for (size_t i = 0; i < AP_DEVICE_MARKS && !st; i++) {
    void *sent = NULL, *received = NULL;
    st = ops->alloc_host(e->device, engine_sent_bytes(e), &sent, err);
    e->slots[i].sent = sent;
    if (!st) st = ops->alloc_host(e->device, engine_received_bytes(e), &received, err);
    e->slots[i].received = received;
  }
  return st;
}

ap_status ap_engine_create(const char *name, const ap_engine_program *program, size_t n_images,
                           const uint8_t *pixels, const int32_t *labels,
                           const ap_engine_options *options, ap_engine **out, ap_error *err) {
  const ap_engine_options defaults = {.precision = AP_ENGINE_FP32};
  if (!options) options = &defaults;
  *out = NULL;
  if (n_images == 0 || n_images > INT32_MAX - GROUPED_IMAGES)
    return ap_fail(err, AP_ERR_ARG, "%zu images", n_images);
  ap_engine *e = ap_calloc(1, sizeof *e);
  if (!e) return ap_fail(err, AP_ERR_MEMORY, "engine record");
  e->n_images = n_images;
  e->n_blocks = (n_images + GROUPED_IMAGES - 1) / GROUPED_IMAGES;
  e->wide = options->precision == AP_ENGINE_FP32;
  ap_status st = open_device(name, &e->device, err);
  if (!st) st = engine_program_init(e, program, err);
  if (!st) st = choose_tiles(e, options->shared_bytes, err);
  if (!st) st = upload_images(e, pixels, labels, err);
  if (!st) st = upload_constants(e, err);
  if (!st) st = upload_picks(e, err);
  if (!st) st = reserve_arena(e, options->memory_bytes, err);
  if (!st) st = reserve_batches(e, err);
  if (st) {
    ap_engine_destroy(e);
    return st;
  }
  *out = e;
  return AP_OK;
}

void ap_engine_destroy(ap_engine *e) {
  if (!e) return;
  if (e->device) {
    const ap_device_ops *ops = e->device->ops;
    void *const memory[] = {e->arena, e->pixels,   e->labels, e->constants, e->picked,
                            e->sent,  e->received, e->loss,   e->correct,   e->outputs};
    for (; e->n_under_way > 0; e->n_under_way--) {
      (void)ops->wait(e->device, e->oldest, NULL);
      e->oldest = (e->oldest + 1) % AP_DEVICE_MARKS;
    }
    for (size_t i = 0; i <= ENGINE_BUCKETS; i++) ops->forget(e->device, e->graphs[i]);
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
      ops->release(e->device, memory[i]);
    for (size_t i = 0; i < e->store.n_slabs; i++) ops->release(e->device, e->store.slabs[i]);
    for (size_t i = 0; i < AP_DEVICE_MARKS; i++) {
      ops->release_host(e->device, e->slots[i].sent);
      ops->release_host(e->device, e->slots[i].received);
    }
    ops->close(e->device);
  }
  ap_free(e->store.slabs);
  engine_program_release(e);
  ap_free(e);
}

const char *ap_engine_describe(const ap_engine *e) { return e->device->description; }
size_t ap_engine_capacity(const ap_engine *e) { return e->capacity; }

/* ---- levels ----------------------------------------------------------------------------------- */
/* Room for a level in the last slab, or in a new one. */
static ap_status store_take(ap_engine *e, size_t bytes, void **out, ap_error *err) {
  engine_store *s = &e->store;
  const size_t step = (bytes + LEVEL_STEP - 1) / LEVEL_STEP * LEVEL_STEP;
  if (step > s->size - s->used) {
    if (s->n_slabs == s->capacity) {
      const size_t capacity = s->capacity ? 2 * s->capacity : 8;
      void **slabs = ap_realloc(s->slabs, capacity, sizeof *slabs);
      if (!slabs) return ap_fail(err, AP_ERR_MEMORY, "%zu slabs of levels", capacity);
      s->slabs = slabs;
      s->capacity = capacity;
    }
    const size_t size = step > SLAB_BYTES ? step : SLAB_BYTES;
    const ap_status st = alloc(e, size, 1, &s->slabs[s->n_slabs], err);
    if (st) return st;
    s->n_slabs++;
    s->size = size;
    s->used = 0;
  }
  *out = (unsigned char *)s->slabs[s->n_slabs - 1] + s->used;
  s->used += step;
  s->bytes += step;
  return AP_OK;
}

/* A level's lists of one form (GROUPED_FORMS: the best) to the device; says which form it is. */
static ap_status upload_level(ap_engine *e, const engine_layer *l, const float *matrix,
                              const float *bias, size_t form, engine_level *level, ap_error *err) {
  void *blob = NULL, *to = NULL;
  size_t bytes = 0;
  ap_status st = grouped_level_pack(&l->geometry, &l->tile, matrix, bias, form, &blob, &bytes, err);
  if (!st) st = store_take(e, bytes, &to, err);
  if (!st) st = e->device->ops->write(e->device, to, blob, bytes, err);
  if (!st) {
    level->form = ((const grouped_level *)blob)->form;
    level->at[level->form] = (uint64_t)(uintptr_t)to;
  }
  ap_free(blob);
  return st;
}

ap_status ap_engine_add_level(ap_engine *e, size_t layer, const float *matrix, const float *bias,
                              ap_error *err) {
  if (layer >= e->program.n_layers)
    return ap_fail(err, AP_ERR_ARG, "layer %zu of %zu", layer, e->program.n_layers);
  engine_layer *l = &e->layers[layer];
  if (l->n_levels == l->capacity) {
    const size_t capacity = l->capacity ? 2 * l->capacity : 8;
    engine_level *levels = ap_realloc(l->levels, capacity, sizeof *levels);
    if (!levels) return ap_fail(err, AP_ERR_MEMORY, "%zu levels", capacity);
    l->levels = levels;
    l->capacity = capacity;
  }
  engine_level level = {{0}, 0};
  ap_status st = AP_OK;
  if (!l->joined) st = upload_level(e, l, matrix, bias, GROUPED_FORMS, &level, err);
  for (size_t form = 0; form < GROUPED_FORMS && l->joined && !st; form++)
    if (grouped_form_fits(&l->tile, form)) st = upload_level(e, l, matrix, bias, form, &level, err);
  if (!st) l->levels[l->n_levels++] = level;
  return st;
}

size_t ap_engine_level_bytes(const ap_engine *e) { return e->store.bytes; }

/* ---- outputs ---------------------------------------------------------------------------------- */
ap_status ap_engine_logits(ap_engine *e, const uint32_t *levels, float *logits, ap_error *err) {
  const size_t first = 0, count = e->n_images * e->program.classes;
  ap_engine_result result;
  ap_status st = AP_OK;
  if (e->n_under_way > 0) return ap_fail(err, AP_ERR_ARG, "a batch is under way");
  for (size_t j = 0; j < e->program.n_layers; j++)
    if (levels[j] >= e->layers[j].n_levels)
      return ap_fail(err, AP_ERR_ARG, "level %u of layer %zu, which has %zu", levels[j], j,
                     e->layers[j].n_levels);
  if (!e->outputs) st = alloc(e, count, sizeof(float), &e->outputs, err);
  if (!st) st = engine_batch_queue(e, 1, levels, &first, &first, ENGINE_BUCKETS, err);
  if (!st) st = ap_engine_collect(e, &result, err);
  if (!st) st = e->device->ops->read(e->device, e->outputs, logits, count * sizeof *logits, err);
  return st;
}
