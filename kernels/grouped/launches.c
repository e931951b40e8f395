/* kernels/grouped/launches.c - a batch as launches: for every chunk of images every operation of the
 * program once for all candidates, their scores, at the end the sums over images. */
#include "kernels/grouped/engine_impl.h"

/* Blocks of images in one launch, when each of `most` candidates has its own memory. */
static size_t chunk_blocks(const ap_engine *e, size_t most) {
  const size_t blocks = e->cells / most;
  return blocks < e->n_blocks ? blocks : e->n_blocks;
}

typedef struct {
  ap_engine *e;
  size_t most;                /* candidates */
  size_t chunk;               /* blocks that every slot has room for */
  size_t first_block, blocks; /* of this chunk */
} position;

static grouped_tensor tensor_of(const position *at, size_t tensor) {
  const ap_engine *e = at->e;
  const ap_engine_tensor *t = &e->program.tensors[tensor];
  const size_t block = engine_tensor_bytes(e, tensor);
  return (grouped_tensor){.data = (unsigned char *)e->arena + e->tensor_at[tensor] * e->cells,
                          .slot = block * at->chunk,
                          .block = block,
                          .c = (int32_t)t->c,
                          .h = (int32_t)t->h,
                          .w = (int32_t)t->w,
                          .wide = e->tensor_wide[tensor]};
}

static grouped_source source_of(const position *at, const ap_engine_source *s) {
  if (s->tensor == AP_ENGINE_NONE) return (grouped_source){.present = 0};
  return (grouped_source){.tensor = tensor_of(at, s->tensor),
                          .stride_h = (int32_t)s->stride_h,
                          .stride_w = (int32_t)s->stride_w,
                          .first = (int32_t)s->first,
                          .present = 1};
}

/* op n_ops: the score. */
static grouped_batch batch_of(const position *at, size_t op) {
  const ap_engine *e = at->e;
  unsigned char *sent = e->sent;
  return (grouped_batch){
      .nodes = (const grouped_node *)(const void *)(sent + engine_nodes_at(e, op)),
      .n_nodes = (const uint32_t *)(const void *)sent + op,
      .n_blocks = (int32_t)at->blocks,
      .first_block = (int32_t)at->first_block};
}

static uint64_t items_of(const position *at, size_t tensor, size_t channels) {
  const ap_engine_tensor *t = &at->e->program.tensors[tensor];
  return (uint64_t)at->blocks * channels * t->h * t->w * 2;
}

/* A fully connected layer after FLATTEN reads [c * h * w, 1, 1]: another order, as four channels of a pixel lie
 * side by side. */
static void set_flatten(const position *at, const ap_engine_op *o, grouped_launch *l) {
  const ap_engine_tensor *in = &at->e->program.tensors[o->in.tensor];
  l->kernel = GROUPED_FLATTEN;
  l->items = items_of(at, o->in.tensor, in->c);
  l->with.map.in = source_of(at, &o->in);
  l->with.map.out = tensor_of(at, o->out);
  l->with.map.epilogue = (grouped_epilogue){.low = o->low, .high = o->high};
}

static grouped_feed feed_of(const position *at, size_t op) {
  const ap_engine_op *o = &at->e->program.ops[op];
  return (grouped_feed){.in = tensor_of(at, o->in.tensor),
                        .tile = at->e->layers[o->layer].tile,
                        .stride_h = (int32_t)o->stride_h,
                        .stride_w = (int32_t)o->stride_w,
                        .pad_top = (int32_t)o->pad_top,
                        .pad_left = (int32_t)o->pad_left};
}

static void set_layer(const position *at, size_t op, grouped_launch *l) {
  const ap_engine_op *o = &at->e->program.ops[op];
  const engine_join *both = &at->e->joins[op];
  const bool joins = both->layer != AP_ENGINE_NONE;
  grouped_conv *g = &l->with.conv;
  l->kernel = at->e->wide ? GROUPED_CONV_F32 : GROUPED_CONV_BF16;
  g->feed = feed_of(at, joins ? both->layer : op);
  /* a short last chunk has fewer tiles */
  grouped_tile *t = &g->feed.tile;
  t->tiles_b = (int32_t)((at->blocks + ((size_t)1 << t->log_b) - 1) >> t->log_b);
  if (joins) {
    g->joined = feed_of(at, both->joined);
    /* Its window's first pixel is that under the planes' first line. */
    g->joined.pad_top = g->joined.tile.fill_y * g->joined.stride_h;
    g->joined.pad_left = g->joined.tile.fill_x * g->joined.stride_w;
  }
  g->out = tensor_of(at, o->out);
  g->epilogue = (grouped_epilogue){source_of(at, &o->residual), o->low, o->high};
}

static void set_pool(const position *at, const ap_engine_op *o, grouped_pool *g) {
  g->in = tensor_of(at, o->in.tensor);
  g->out = tensor_of(at, o->out);
  g->kh = (int32_t)o->kh;
  g->kw = (int32_t)o->kw;
  g->stride_h = (int32_t)o->stride_h;
  g->stride_w = (int32_t)o->stride_w;
  g->pad_top = (int32_t)o->pad_top;
  g->pad_left = (int32_t)o->pad_left;
  g->maximum = o->maximum;
  g->count_padding = o->count_padding;
  g->low = o->low;
  g->high = o->high;
}

static grouped_map map_of(const position *at, size_t op, const grouped_batch *b) {
  const ap_engine *e = at->e;
  const ap_engine_op *o = &e->program.ops[op];
  return (grouped_map){.batch = *b,
                       .in = source_of(at, &o->in),
                       .out = tensor_of(at, o->out),
                       .epilogue = {source_of(at, &o->residual), o->low, o->high},
                       .scale = e->scale[op],
                       .shift = e->shift[op],
                       .channels = (int32_t)o->channels,
                       .first_out = (int32_t)o->first_out,
                       .picks = e->picks[op],
                       .gate = source_of(at, &o->gate),
                       .curve = (int32_t)o->curve,
                       .gate_curve = (int32_t)o->gate_curve};
}

static void set_norm(const position *at, size_t op, grouped_launch *l) {
  const ap_engine *e = at->e;
  const ap_engine_op *o = &e->program.ops[op];
  const ap_engine_tensor *t = &e->program.tensors[o->out];
  grouped_norm *g = &l->with.norm;
  l->kernel = GROUPED_NORM;
  l->items = (uint64_t)at->blocks * o->groups * (o->each_pixel ? t->h * t->w : 1) * 2;
  g->in = tensor_of(at, o->in.tensor);
  g->out = tensor_of(at, o->out);
  g->epilogue = (grouped_epilogue){source_of(at, &o->residual), o->low, o->high};
  g->scale = e->scale[op];
  g->shift = e->shift[op];
  g->each = (int32_t)(t->c / o->groups);
  g->each_pixel = o->each_pixel;
  g->epsilon = o->epsilon;
}

static ap_status launch_op(const position *at, size_t i, ap_error *err) {
  ap_engine *e = at->e;
  const ap_engine_op *o = &e->program.ops[i];
  const grouped_batch batch = batch_of(at, i);
  grouped_launch l = {.n_nodes = (uint32_t)at->most};
  if (e->fused[i]) return AP_OK;
  l.items = items_of(at, o->out, e->program.tensors[o->out].c);
  switch (o->kind) {
    case AP_ENGINE_INPUT:
      l.kernel = GROUPED_INPUT;
      l.with.input =
          (grouped_input){batch, e->pixels, e->scale[i], e->shift[i], tensor_of(at, o->out)};
      break;
    case AP_ENGINE_LAYER:
      l.with.conv.batch = batch;
      set_layer(at, i, &l);
      break;
    case AP_ENGINE_POOL:
      l.kernel = GROUPED_POOL;
      l.with.pool.batch = batch;
      set_pool(at, o, &l.with.pool);
      break;
    case AP_ENGINE_MAP:
      l.with.map = map_of(at, i, &batch);
      l.kernel = e->picks[i] || o->curve || l.with.map.gate.present ? GROUPED_GATE : GROUPED_MAP;
      l.items = items_of(at, o->out, o->channels);
      break;
    case AP_ENGINE_NORM:
      l.with.norm.batch = batch;
      set_norm(at, i, &l);
      break;
    case AP_ENGINE_FLATTEN:
      l.with.map.batch = batch;
      set_flatten(at, o, &l);
      break;
  }
  return e->device->ops->launch(e->device, &l, err);
}

static ap_status launch_score(const position *at, bool outputs, ap_error *err) {
  ap_engine *e = at->e;
  grouped_launch l = {.kernel = GROUPED_SCORE, .n_nodes = (uint32_t)at->most};
  l.items = (uint64_t)at->blocks * GROUPED_IMAGES;
  l.with.score = (grouped_score){.batch = batch_of(at, e->program.n_ops),
                                 .logits = tensor_of(at, e->program.logits),
                                 .labels = e->labels,
                                 .loss = e->loss,
                                 .correct = e->correct,
                                 .outputs = outputs ? e->outputs : NULL,
                                 .n_images = (int32_t)e->n_images};
  return e->device->ops->launch(e->device, &l, err);
}

static ap_status launch_total(ap_engine *e, size_t most, ap_error *err) {
  unsigned char *received = e->received;
  grouped_launch l = {.kernel = GROUPED_TOTAL, .n_nodes = (uint32_t)most, .items = 1};
  l.with.total = (grouped_total){
      .n_candidates = (const uint32_t *)e->sent + e->program.n_ops + 1,
      .loss = e->loss,
      .correct = e->correct,
      .n_images = (int32_t)e->n_images,
      .total_loss = (double *)(void *)received,
      .total_correct = (uint32_t *)(void *)(received + e->capacity * sizeof(double))};
  return e->device->ops->launch(e->device, &l, err);
}

ap_status engine_launch_all(ap_engine *e, size_t most, bool outputs, ap_error *err) {
  position at = {.e = e, .most = most, .chunk = chunk_blocks(e, most)};
  ap_status st = AP_OK;
  for (at.first_block = 0; at.first_block < e->n_blocks && !st; at.first_block += at.chunk) {
    const size_t left = e->n_blocks - at.first_block;
    at.blocks = left < at.chunk ? left : at.chunk;
    for (size_t i = 0; i < e->program.n_ops && !st; i++) st = launch_op(&at, i, err);
    if (!st) st = launch_score(&at, outputs, err);
  }
  if (!st) st = launch_total(e, most, err);
  return st;
}
