/* The forward pass: blocks of images on a pool, layer inputs laid out as rows of integers, at most
 * SLICE at a time, products by whoever multiplies, everything else here. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/integer_impl.h"

#define SLICE 1024           /* input rows of one product */
#define BLOCK_IMAGES 64      /* images of one block at most */
#define BLOCK_FLOATS 6000000 /* values of one block at most (24 MB), but one image */
#define BLOCKS_WANTED 16     /* so that few images still keep all threads busy */

typedef struct {
  float *memory;  /* block x in->floats */
  float **values; /* node -> its part of memory */
  uint32_t *map;  /* a layer's input, quantised (or the floats' bits): block x largest input */
  uint32_t *rows; /* SLICE x K of the same */
  int64_t *y;     /* SLICE x N */
  double *x_real, *y_real;
  ap_status st;
  size_t failed_block;
  ap_error err;
} worker_state;

typedef struct {
  const ap_integer_network *in;
  const ap_integer_how *how;
  const uint8_t *pixels;
  size_t n_images, block;
  float *logits;
  worker_state *workers;
} forward_run;

static size_t floats_of(ap_shape3 s) { return s.c * s.h * s.w; }

static ap_shape3 input_of(const ap_network *net, size_t node) {
  return net->nodes[net->nodes[node].inputs[0]].shape;
}

static void normalise(const ap_integer_network *in, const uint8_t *pixels, size_t n, float *out) {
  const ap_network *net = in->net;
  ap_shape3 shape = net->nodes[0].shape;
  size_t plane = shape.h * shape.w;
  for (size_t i = 0; i < n * shape.c; i++) {
    for (size_t p = 0; p < plane; p++) {
      float v = ap_integer_pixel(net, i % shape.c, pixels[i * plane + p], in->values[0].unit);
      out[i * plane + p] = ap_integer_round(&in->values[0], v);
    }
  }
}

/* ---- inputs of a layer ---- */
/* x: whole numbers already. */
static void take_codes(const ap_integer_layer *layer, const float *x, size_t count, uint32_t *q) {
  for (size_t i = 0; i < count; i++) q[i] = (uint32_t)((int32_t)x[i] + layer->zero_point);
}

static void record(ap_range_record *r, const float *x, size_t count) {
  if (r->bins) {
    double step = ((double)r->to - (double)r->from) / AP_RANGE_BINS;
    for (size_t i = 0; i < count; i++) {
      double bin = step > 0 ? ((double)x[i] - (double)r->from) / step : 0;
      bin = bin < 0 ? 0 : bin >= AP_RANGE_BINS ? AP_RANGE_BINS - 1 : bin;
      r->bins[(size_t)bin]++;
    }
    return;
  }
  for (size_t i = 0; i < count; i++) {
    if (x[i] < r->lo) r->lo = x[i];
    if (x[i] > r->hi) r->hi = x[i];
  }
}

/* One row: the window of output position p of one image, channels c0 .. c0+c-1, in the order
 * (c, ky, kx) of the weight matrix. */
static void lay_row(const ap_node *node, ap_shape3 in, const uint32_t *map, size_t c0, size_t c,
                    size_t p, uint32_t padding, uint32_t *row) {
  size_t top = p / node->shape.w * node->stride_h, left = p % node->shape.w * node->stride_w;
  for (size_t channel = c0; channel < c0 + c; channel++) {
    const uint32_t *plane = map + channel * in.h * in.w;
    for (size_t ky = 0; ky < node->kh; ky++) {
      size_t y = top + ky * node->dilation_h -
                 node->pad_top; /* wraps above the map: then it is not below in.h */
      for (size_t kx = 0; kx < node->kw; kx++) {
        size_t x = left + kx * node->dilation_w - node->pad_left;
        *row++ = y < in.h && x < in.w ? plane[y * in.w + x] : padding;
      }
    }
  }
}

/* Rows first .. first+count-1 of a block (row = image * positions + position) for one group. */
static void lay_rows(const ap_network *net, const ap_integer_layer *layer, size_t group,
                     const uint32_t *map, size_t first, size_t count, uint32_t padding,
                     uint32_t *rows) {
  const ap_node *node = &net->nodes[layer->info.node];
  ap_shape3 in = input_of(net, layer->info.node);
  size_t k = layer->info.k, positions = layer->info.positions, c = in.c / layer->groups;
  for (size_t r = 0; r < count; r++) {
    const uint32_t *image = map + (first + r) / positions * floats_of(in);
    if (node->kind == AP_NODE_LINEAR) {
      memcpy(rows + r * k, image, k * sizeof *rows);
    } else {
      lay_row(node, in, image, group * c, c, (first + r) % positions, padding, rows + r * k);
    }
  }
}

/* ---- products ---- */
static void plain_product(const ap_integer_network *in, size_t layer, size_t group, size_t rows,
                          worker_state *w) {
  const ap_integer_layer *l = &in->layers[layer];
  size_t width = l->info.n / l->groups;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)width,
              (blasint)l->info.k, 1, w->x_real, (blasint)l->info.k,
              in->products[layer] + group * width, (blasint)l->info.n, 0, w->y_real,
              (blasint)width);
}

/* Unquantised sums into y_real. */
static void float_sums(const ap_integer_network *in, size_t layer, size_t group, size_t rows,
                       worker_state *w) {
  size_t count = rows * in->layers[layer].info.k;
  for (size_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, &w->rows[i], sizeof value);
    w->x_real[i] = (double)value;
  }
  plain_product(in, layer, group, rows, w);
}

/* Integer sums without the zero point's share into y_real, exact. */
static ap_status integer_sums(const forward_run *run, size_t layer, size_t group, size_t rows,
                              uint64_t first_input, size_t worker, ap_error *err) {
  const ap_integer_layer *l = &run->in->layers[layer];
  worker_state *w = &run->workers[worker];
  size_t width = l->info.n / l->groups, n0 = group * width;
  if (run->how->product) {
    ap_status st =
        run->how->product(run->how->context, layer, group, (const int32_t *)(const void *)w->rows,
                          first_input, rows, worker, w->y, err);
    if (st) return st;
  } else {
    for (size_t i = 0; i < rows * l->info.k; i++) w->x_real[i] = (double)w->rows[i];
    plain_product(run->in, layer, group, rows, w);
    for (size_t i = 0; i < rows * width; i++) w->y[i] = (int64_t)w->y_real[i];
  }
  for (size_t i = 0; i < rows * width; i++) {
    w->y_real[i] = (double)(w->y[i] - l->zero_point * l->sums[n0 + i % width]);
  }
  return AP_OK;
}

/* Sums to values at their places in [image, c, h, w]. floats: unquantised sums. */
static void store(const ap_integer_network *in, size_t layer, size_t group, size_t first,
                  size_t rows, bool floats, const double *sums, float *out) {
  const ap_integer_layer *l = &in->layers[layer];
  const ap_integer_value *value = &in->values[l->info.node];
  const float *bias = in->net->nodes[l->info.node].bias;
  const float *factor = in->factor[layer], *shift = in->shift[layer];
  size_t positions = l->info.positions, width = l->info.n / l->groups;
  for (size_t r = 0; r < rows; r++) {
    size_t image = (first + r) / positions, p = (first + r) % positions;
    for (size_t j = 0; j < width; j++) {
      size_t n = group * width + j;
      double sum = sums[r * width + j];
      float v = floats ? (float)(sum + (bias ? (double)bias[n] : 0))
                       : ap_integer_round(value, fmaf((float)sum, factor[n], shift[n]));
      out[(image * l->info.n + n) * positions + p] = v;
    }
  }
}

static ap_status run_layer(const forward_run *run, size_t layer, size_t first_image, size_t n,
                           size_t worker, ap_error *err) {
  const ap_integer_network *in = run->in;
  const ap_network *net = in->net;
  const ap_integer_layer *l = &in->layers[layer];
  worker_state *w = &run->workers[worker];
  bool floats = run->how->ranges != NULL;
  const float *x = w->values[net->nodes[l->info.node].inputs[0]];
  size_t count = n * floats_of(input_of(net, l->info.node)), all = n * l->info.positions;
  uint32_t padding = floats ? 0 : (uint32_t)l->zero_point; /* the bits of 0.0f are 0 */
  if (floats) {
    record(&run->how->ranges[worker * in->n_layers + layer], x, count);
    memcpy(w->map, x, count * sizeof *x);
  } else {
    take_codes(l, x, count, w->map);
  }
  for (size_t first = 0; first < all; first += SLICE) {
    size_t rows = all - first < SLICE ? all - first : SLICE;
    for (size_t g = 0; g < l->groups; g++) {
      lay_rows(net, l, g, w->map, first, rows, padding, w->rows);
      if (floats) {
        float_sums(in, layer, g, rows, w);
      } else {
        ap_status st =
            integer_sums(run, layer, g, rows, first_image * l->info.positions + first, worker, err);
        if (st) return ap_fail_context(err, st, "%s", l->info.name);
      }
      store(in, layer, g, first, rows, floats, w->y_real, w->values[l->info.node]);
    }
  }
  return AP_OK;
}

static void run_block(void *context, size_t block, size_t worker) {
  const forward_run *run = context;
  const ap_network *net = run->in->net;
  worker_state *w = &run->workers[worker];
  size_t first = block * run->block, n = run->n_images - first;
  ap_status st = AP_OK;
  if (w->st) return; /* blocks come in rising order: its first failure is kept */
  if (n > run->block) n = run->block;
  normalise(run->in, run->pixels + first * floats_of(net->nodes[0].shape), n, w->values[0]);
  for (size_t i = 1; i < net->n_nodes && !st; i++) {
    ap_node_kind kind = net->nodes[i].kind;
    if (kind == AP_NODE_CONV || kind == AP_NODE_LINEAR) {
      st = run_layer(run, run->in->layer_of[i], first, n, worker, &w->err);
    } else {
      ap_integer_node(run->in, i, n, w->values);
    }
  }
  if (st) {
    w->st = st;
    w->failed_block = block;
  } else if (run->logits) {
    float unit = (float)run->in->values[net->n_nodes - 1].unit;
    for (size_t i = 0; i < n * net->classes; i++) {
      run->logits[first * net->classes + i] = w->values[net->n_nodes - 1][i] * unit;
    }
  }
}

/* ---- set-up ---- */
static void release(forward_run *run, size_t threads) {
  for (size_t t = 0; run->workers && t < threads; t++) {
    worker_state *w = &run->workers[t];
    ap_free(w->memory);
    ap_free(w->values);
    ap_free(w->map);
    ap_free(w->rows);
    ap_free(w->y);
    ap_free(w->x_real);
    ap_free(w->y_real);
  }
  ap_free(run->workers);
}

static ap_status reserve(forward_run *run, size_t threads, ap_error *err) {
  const ap_integer_network *in = run->in;
  size_t map = 1, k = 1, n = 1;
  for (size_t l = 0; l < in->n_layers; l++) {
    const ap_layer_info *info = &in->layers[l].info;
    size_t inputs = floats_of(input_of(in->net, info->node));
    if (inputs > map) map = inputs;
    if (info->k > k) k = info->k;
    if (info->n > n) n = info->n;
  }
  run->workers = ap_calloc(threads, sizeof *run->workers);
  for (size_t t = 0; run->workers && t < threads; t++) {
    worker_state *w = &run->workers[t];
    w->memory = ap_calloc(run->block, in->floats * sizeof *w->memory);
    w->values = ap_calloc(in->net->n_nodes, sizeof *w->values);
    w->map = ap_calloc(run->block, map * sizeof *w->map);
    w->rows = ap_calloc(SLICE, k * sizeof *w->rows);
    w->y = ap_calloc(SLICE, n * sizeof *w->y);
    w->x_real = ap_calloc(SLICE, k * sizeof *w->x_real);
    w->y_real = ap_calloc(SLICE, n * sizeof *w->y_real);
    if (!w->memory || !w->values || !w->map || !w->rows || !w->y || !w->x_real || !w->y_real) {
      return ap_fail(err, AP_ERR_MEMORY, "%zu images in %zu threads", run->block, threads);
    }
    for (size_t i = 0; i < in->net->n_nodes; i++) {
      w->values[i] = w->memory + run->block * in->offset[i];
    }
  }
  if (!run->workers) return ap_fail(err, AP_ERR_MEMORY, "%zu threads", threads);
  return AP_OK;
}

static ap_status check_images(const ap_integer_network *in, const ap_dataset *data, ap_split split,
                              size_t *n_images, ap_error *err) {
  ap_dataset_info info = ap_dataset_describe(data, split);
  ap_shape3 shape = in->net->nodes[0].shape;
  if (!ap_dataset_fits(&info, shape.c, shape.h, shape.w) || info.classes > in->net->classes) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s has %zux%zux%zu images of %zu classes, network %s takes %zux%zux%zu and "
                   "tells %zu classes apart",
                   ap_dataset_name(data), info.channels, info.height, info.width, info.classes,
                   in->net->name, shape.c, shape.h, shape.w, in->net->classes);
  }
  if (*n_images > info.n_images) {
    return ap_fail(err, AP_ERR_ARG, "%zu images: the %s split of %s has %zu", *n_images,
                   ap_split_name(split), ap_dataset_name(data), info.n_images);
  }
  if (*n_images == 0) *n_images = info.n_images;
  return AP_OK;
}

static void score_images(const float *logits, const int32_t *labels, size_t n, size_t classes,
                         ap_score *score) {
  double loss = 0;
  *score = (ap_score){.images = n};
  for (size_t i = 0; i < n; i++) {
    const float *z = logits + i * classes;
    size_t best = 0;
    double sum = 0;
    for (size_t c = 1; c < classes; c++) {
      if (z[c] > z[best]) best = c;
    }
    for (size_t c = 0; c < classes; c++) sum += exp((double)z[c] - (double)z[best]);
    loss += log(sum) - ((double)z[labels[i]] - (double)z[best]);
    score->correct += best == (size_t)labels[i];
  }
  if (n > 0) {
    score->accuracy = (double)score->correct / (double)n;
    score->loss = loss / (double)n;
  }
}

ap_status ap_integer_forward(const ap_integer_network *in, const ap_integer_how *how,
                             const ap_dataset *data, ap_split split, size_t n_images, ap_pool *pool,
                             ap_score *score, float *logits, ap_error *err) {
  size_t threads = ap_pool_threads(pool), failed = SIZE_MAX;
  float *own = NULL;
  forward_run run = {.in = in, .how = how, .pixels = ap_dataset_pixels(data, split)};
  ap_status st = check_images(in, data, split, &n_images, err);
  if (st) return st;
  if (score && !logits) {
    logits = own = ap_calloc(n_images, in->net->classes * sizeof *own);
    if (!own) return ap_fail(err, AP_ERR_MEMORY, "logits of %zu images", n_images);
  }
  run.n_images = n_images;
  run.logits = logits;
  run.block = BLOCK_FLOATS / in->floats;
  if (run.block > BLOCK_IMAGES) run.block = BLOCK_IMAGES;
  if (run.block > (n_images + BLOCKS_WANTED - 1) / BLOCKS_WANTED) {
    run.block = (n_images + BLOCKS_WANTED - 1) / BLOCKS_WANTED;
  }
  if (run.block == 0) run.block = 1;
  st = reserve(&run, threads, err);
  if (st) goto done;
  openblas_set_num_threads(1); /* this pool's threads are the parallelism */
  ap_pool_run(pool, (n_images + run.block - 1) / run.block, run_block, &run);
  for (size_t t = 0; t < threads; t++) {
    const worker_state *w = &run.workers[t];
    if (!w->st || w->failed_block >= failed) continue;
    failed = w->failed_block;
    st = w->st;
    if (err) *err = w->err;
  }
  if (!st && score) {
    score_images(logits, ap_dataset_labels(data, split), n_images, in->net->classes, score);
  }
done:
  release(&run, threads);
  ap_free(own);
  return st;
}
