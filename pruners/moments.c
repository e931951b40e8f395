#include "pruners/moments.h"

#include <cblas.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "nn/infer.h"

#define INPUT_BYTES_LIMIT ((size_t)512 << 20)

typedef struct {
  size_t k, groups, samples;
  double *matrix; /* groups of (k+1) x (k+1) */
} layer_moments;

struct ap_moments {
  size_t n_layers;
  layer_moments *layers;
};

ap_moments_options ap_moments_defaults(void) {
  return (ap_moments_options){.images = 0, .positions = 16, .seed = 1};
}

/* What one pass over a layer's samples needs; blocks of the parallel loop are groups. */
typedef struct {
  const ap_node *node;
  ap_shape3 in;
  const float *input; /* [images, c, h, w] */
  size_t images, per_image;
  const uint32_t *positions; /* images x per_image output positions */
  double **scratch;          /* per worker: CHUNK x (k+1), twice */
  layer_moments *out;
  const float *reference; /* the same layer's input in another network, or NULL ... */
  double *cross;          /* ... then groups of (k+1) x (k+1) */
} pass;

#define CHUNK 256 /* samples handed to one rank-k update */

/* One sample: the K inputs under the filter at an output position, in the order c, kh, kw, then 1.
 */
static void take_sample(const pass *p, const float *input, size_t group, size_t image,
                        size_t position, double *row) {
  const ap_node *node = p->node;
  size_t c_group = p->in.c / node->groups, k = 0;
  size_t oy = position / node->shape.w, ox = position % node->shape.w;
  const float *x = input + (image * p->in.c + group * c_group) * p->in.h * p->in.w;
  for (size_t c = 0; c < c_group; c++, x += p->in.h * p->in.w) {
    for (size_t r = 0; r < node->kh; r++) {
      for (size_t q = 0; q < node->kw; q++, k++) {
        size_t y = oy * node->stride_h + r, z = ox * node->stride_w + q;
        bool inside = y >= node->pad_top && y - node->pad_top < p->in.h && z >= node->pad_left &&
                      z - node->pad_left < p->in.w;
        row[k] = inside ? (double)x[(y - node->pad_top) * p->in.w + z - node->pad_left] : 0.0;
      }
    }
  }
  row[k] = 1.0;
}

static void group_body(void *context, size_t group, size_t worker) {
  const pass *p = context;
  size_t d = p->out->k + 1, total = p->images * p->per_image, filled = 0;
  double *h = p->out->matrix + group * d * d, *rows = p->scratch[worker];
  double *others = rows + CHUNK * d;
  for (size_t s = 0; s < total; s++) {
    take_sample(p, p->input, group, s / p->per_image, p->positions[s], rows + filled * d);
    if (p->reference) {
      take_sample(p, p->reference, group, s / p->per_image, p->positions[s], others + filled * d);
    }
    if (++filled < CHUNK && s + 1 < total) continue;
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)d, (int)filled, 1.0 / (double)total,
                rows, (int)d, 1.0, h, (int)d);
    if (p->reference) {
      cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)d, (int)d, (int)filled,
                  1.0 / (double)total, rows, (int)d, others, (int)d, 1.0, p->cross + group * d * d,
                  (int)d);
    }
    filled = 0;
  }
  for (size_t i = 0; i < d; i++) {
    for (size_t j = 0; j < i; j++) h[i * d + j] = h[j * d + i];
  }
}

/* Picks per_image different output positions for every image. */
static ap_status pick_positions(const ap_node *node, size_t images, size_t per_image, ap_rng *rng,
                                uint32_t *picks, ap_error *err) {
  size_t p = node->shape.h * node->shape.w;
  uint32_t *all = ap_calloc(p, sizeof *all);
  if (!all) return ap_fail(err, AP_ERR_MEMORY, "positions of %s", node->name);
  for (size_t i = 0; i < p; i++) all[i] = (uint32_t)i;
  for (size_t image = 0; image < images; image++) {
    for (size_t i = 0; i < per_image; i++) { /* the head of a Fisher-Yates shuffle */
      size_t j = i + ap_rng_below(rng, p - i);
      uint32_t t = all[i];
      all[i] = all[j];
      all[j] = t;
      picks[image * per_image + i] = all[i];
    }
  }
  ap_free(all);
  return AP_OK;
}

/* A LINEAR node is a 1x1 convolution on a 1x1 map. */
static ap_node as_conv(const ap_node *node) {
  ap_node conv = *node;
  if (node->kind == AP_NODE_LINEAR) {
    conv.kh = conv.kw = conv.stride_h = conv.stride_w = conv.groups = 1;
    conv.pad_top = conv.pad_left = 0;
  }
  return conv;
}

/* reference, cross: NULL, or the network whose inputs stand on the other side, and their moments. */
static ap_status measure_layer(ap_backend *be, ap_pool *pool, const ap_network *net,
                               const ap_network *reference, const ap_dataset *data,
                               const ap_moments_options *options, const ap_layer_info *info,
                               size_t layer, layer_moments *out, double *cross, ap_error *err) {
  ap_status st = AP_OK;
  ap_node node = as_conv(&net->nodes[info->node]);
  ap_shape3 in = net->nodes[node.inputs[0]].shape;
  size_t images = ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images;
  size_t size = in.c * in.h * in.w, workers = ap_pool_threads(pool), d = info->k + 1;
  size_t p = node.shape.h * node.shape.w;
  size_t per_image = options->positions < p ? options->positions : p;
  float *input = NULL, *other = NULL;
  uint32_t *positions = NULL;
  double **scratch = NULL;
  ap_rng rng;
  pass job;
  if (options->images && options->images < images) images = options->images;
  while (images > 1 && images * size * sizeof(float) > INPUT_BYTES_LIMIT) images /= 2;
  ap_rng_seed(&rng, options->seed, layer);
  out->k = info->k;
  out->groups = info->groups;
  out->samples = images * per_image;
  out->matrix = ap_calloc(info->groups * d, d * sizeof(double));
  input = ap_calloc(images * size, sizeof *input);
  if (reference) other = ap_calloc(images * size, sizeof *other);
  positions = ap_calloc(out->samples, sizeof *positions);
  scratch = ap_calloc(workers, sizeof *scratch);
  if (!out->matrix || !input || (reference && !other) || !positions || !scratch) {
    st = ap_fail(err, AP_ERR_MEMORY, "moments of %s (%zu x %zu)", info->name, d, d);
    goto done;
  }
  for (size_t i = 0; i < workers; i++) {
    scratch[i] = ap_calloc(CHUNK * d, (reference ? 2 : 1) * sizeof(double));
    if (!scratch[i]) {
      st = ap_fail(err, AP_ERR_MEMORY, "samples of %s", info->name);
      goto done;
    }
  }
  st = ap_infer_node_input(be, net, data, AP_SPLIT_CALIBRATION, images, info->node, input, err);
  if (!st && reference) {
    st = ap_infer_node_input(be, reference, data, AP_SPLIT_CALIBRATION, images, info->node, other,
                             err);
  }
  if (!st) st = pick_positions(&node, images, per_image, &rng, positions, err);
  if (st) goto done;
  job = (pass){&node, in, input, images, per_image, positions, scratch, out, other, cross};
  ap_pool_run(pool, info->groups, group_body, &job);
done:
  for (size_t i = 0; scratch && i < workers; i++) ap_free(scratch[i]);
  ap_free(scratch);
  ap_free(positions);
  ap_free(input);
  ap_free(other);
  return st;
}

ap_status ap_moments_pair(ap_backend *be, ap_pool *pool, const ap_network *net,
                          const ap_network *reference, const ap_dataset *data,
                          const ap_moments_options *options, size_t layer, double **moments,
                          double **cross, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *info = ap_calloc(n, sizeof *info);
  layer_moments one = {0, 0, 0, NULL};
  ap_status st = info ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "moments of %zu layers", n);
  *moments = *cross = NULL;
  if (!st) {
    size_t d;
    (void)ap_network_layers(net, info, n);
    d = info[layer].k + 1;
    *cross = ap_calloc(info[layer].groups * d, d * sizeof(double));
    if (!*cross) st = ap_fail(err, AP_ERR_MEMORY, "moments of %s", info[layer].name);
  }
  if (!st) {
    st = measure_layer(be, pool, net, reference, data, options, &info[layer], layer, &one, *cross,
                       err);
  }
  ap_free(info);
  if (st) {
    ap_free(one.matrix);
    ap_free(*cross);
    *cross = NULL;
    return st;
  }
  *moments = one.matrix;
  return AP_OK;
}

ap_status ap_moments_create(ap_backend *be, ap_pool *pool, const ap_network *net,
                            const ap_dataset *data, const ap_moments_options *options,
                            ap_moments **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_moments *m = ap_calloc(1, sizeof *m);
  ap_layer_info *info = NULL;
  *out = NULL;
  if (!m) return ap_fail(err, AP_ERR_MEMORY, "moments");
  if (options->positions == 0) {
    st = ap_fail(err, AP_ERR_ARG, "moments: 0 positions per image, at least 1 is needed");
    goto done;
  }
  m->n_layers = ap_network_layers(net, NULL, 0);
  m->layers = ap_calloc(m->n_layers, sizeof *m->layers);
  info = ap_calloc(m->n_layers, sizeof *info);
  if (!m->layers || !info) {
    st = ap_fail(err, AP_ERR_MEMORY, "moments of %zu layers", m->n_layers);
    goto done;
  }
  (void)ap_network_layers(net, info, m->n_layers);
  for (size_t i = 0; i < m->n_layers && !st; i++) {
    st = measure_layer(be, pool, net, NULL, data, options, &info[i], i, &m->layers[i], NULL, err);
  }
  if (st) goto done;
  *out = m;
  m = NULL;
done:
  ap_free(info);
  ap_moments_destroy(m);
  return st;
}

void ap_moments_destroy(ap_moments *moments) {
  if (!moments) return;
  for (size_t i = 0; moments->layers && i < moments->n_layers; i++) {
    ap_free(moments->layers[i].matrix);
  }
  ap_free(moments->layers);
  ap_free(moments);
}

const double *ap_moments_matrix(const ap_moments *moments, size_t layer, size_t group) {
  size_t d = moments->layers[layer].k + 1;
  return moments->layers[layer].matrix + group * d * d;
}

size_t ap_moments_inputs(const ap_moments *moments, size_t layer) {
  return moments->layers[layer].k;
}

size_t ap_moments_samples(const ap_moments *moments, size_t layer) {
  return moments->layers[layer].samples;
}
