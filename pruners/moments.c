#include "pruners/moments.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "pruners/products_impl.h"
#include "pruners/samples_impl.h"

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

/* A layer's samples, and the tensors that they are taken from. */
typedef struct {
  ap_samples at;
  float *input, *output; /* output: NULL where not asked for */
  size_t group;
} observed;

static void input_row(const void *context, size_t sample, float *row) {
  const observed *o = context;
  ap_samples_input(&o->at, o->input, o->group, sample, row);
}

static void output_row(const void *context, size_t sample, float *row) {
  const observed *o = context;
  ap_samples_output(&o->at, o->output, 0, o->at.conv.shape.c, sample, row);
}

static void release(observed *o) {
  ap_samples_release(&o->at);
  ap_free(o->input);
  ap_free(o->output);
}

static size_t floats_of(ap_shape3 s) { return s.c * s.h * s.w; }

/* dense: NULL, or where the outputs come from. */
static ap_status observe(ap_walk *now, ap_walk *dense, size_t node,
                         const ap_moments_options *options, size_t layer, observed *o,
                         ap_error *err) {
  const ap_network *net = ap_walk_network(now);
  const size_t in = floats_of(net->nodes[net->nodes[node].inputs[0]].shape);
  const size_t out = dense ? floats_of(net->nodes[node].shape) : 0;
  const size_t images = ap_walk_images_for(now, in > out ? in : out);
  ap_rng rng;
  ap_status st;
  *o = (observed){.group = 0};
  ap_rng_seed(&rng, options->seed, layer);
  st = ap_samples_draw(net, node, images, options->positions, &rng, &o->at, err);
  if (st) return st;
  o->input = ap_calloc(images * in, sizeof *o->input);
  if (dense) o->output = ap_calloc(images * out, sizeof *o->output);
  if (!o->input || (dense && !o->output)) {
    st = ap_fail(err, AP_ERR_MEMORY, "inputs of %s", net->nodes[node].name);
  }
  if (!st) st = ap_walk_input(now, node, images, o->input, err);
  if (!st && dense) st = ap_walk_output(dense, node, images, o->output, err);
  if (st) release(o);
  return st;
}

ap_status ap_moments_pair(ap_pool *pool, ap_walk *now, ap_walk *dense, const ap_layer_info *info,
                          const ap_moments_options *options, size_t layer, double **moments,
                          double **cross, ap_error *err) {
  ap_sample_source inputs = {.width = info->k + 1, .row = input_row};
  ap_sample_source outputs = {.width = info->n, .row = output_row};
  observed o;
  ap_status st = AP_OK;
  *moments = *cross = NULL;
  if (info->groups > 1) return ap_fail(err, AP_ERR_ARG, "%s is a grouped convolution", info->name);
  st = observe(now, dense, info->node, options, layer, &o, err);
  if (st) return st;
  inputs.context = outputs.context = &o;
  *moments = ap_calloc(inputs.width * inputs.width, sizeof **moments);
  *cross = ap_calloc(inputs.width * outputs.width, sizeof **cross);
  if (!*moments || !*cross) st = ap_fail(err, AP_ERR_MEMORY, "moments of %s", info->name);
  if (!st) st = ap_mean_products(pool, o.at.count, &inputs, NULL, *moments, err);
  if (!st) st = ap_mean_products(pool, o.at.count, &inputs, &outputs, *cross, err);
  release(&o);
  if (st) {
    ap_free(*moments);
    ap_free(*cross);
    *moments = *cross = NULL;
  }
  return st;
}

static ap_status measure_layer(ap_pool *pool, ap_walk *walk, const ap_moments_options *options,
                               const ap_layer_info *info, size_t layer, layer_moments *out,
                               ap_error *err) {
  const size_t d = info->k + 1;
  observed o = {.group = 0};
  ap_sample_source inputs = {.width = d, .row = input_row, .context = &o};
  ap_status st = observe(walk, NULL, info->node, options, layer, &o, err);
  if (st) return st;
  out->k = info->k;
  out->groups = info->groups;
  out->samples = o.at.count;
  out->matrix = ap_calloc(info->groups * d, d * sizeof(double));
  if (!out->matrix) st = ap_fail(err, AP_ERR_MEMORY, "moments of %s (%zu x %zu)", info->name, d, d);
  for (o.group = 0; o.group < info->groups && !st; o.group++) {
    st = ap_mean_products(pool, o.at.count, &inputs, NULL, out->matrix + o.group * d * d, err);
  }
  release(&o);
  return st;
}

ap_status ap_moments_create(ap_backend *be, ap_pool *pool, const ap_network *net,
                            const ap_dataset *data, const ap_moments_options *options,
                            ap_moments **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_moments *m = ap_calloc(1, sizeof *m);
  ap_layer_info *info = NULL;
  ap_walk *walk = NULL;
  size_t images = ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images;
  *out = NULL;
  if (!m) return ap_fail(err, AP_ERR_MEMORY, "moments");
  if (options->positions == 0) {
    st = ap_fail(err, AP_ERR_ARG, "moments: 0 positions per image, at least 1 is needed");
    goto done;
  }
  if (options->images && options->images < images) images = options->images;
  m->n_layers = ap_network_layers(net, NULL, 0);
  m->layers = ap_calloc(m->n_layers, sizeof *m->layers);
  info = ap_calloc(m->n_layers, sizeof *info);
  if (!m->layers || !info) {
    st = ap_fail(err, AP_ERR_MEMORY, "moments of %zu layers", m->n_layers);
    goto done;
  }
  (void)ap_network_layers(net, info, m->n_layers);
  st = ap_walk_create(be, net, data, AP_SPLIT_CALIBRATION, images, 0, &walk, err);
  for (size_t i = 0; i < m->n_layers && !st; i++) {
    st = measure_layer(pool, walk, options, &info[i], i, &m->layers[i], err);
  }
  if (st) goto done;
  *out = m;
  m = NULL;
done:
  ap_walk_destroy(walk);
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
