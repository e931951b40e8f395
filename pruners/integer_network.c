#include "pruners/integer_network.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/integer_impl.h"
#include "pruners/quantised_layer.h"

#define DEFAULT_IMAGES 256

ap_range_options ap_range_defaults(void) {
  return (ap_range_options){.images = DEFAULT_IMAGES, .coverage = 1};
}

void ap_integer_network_destroy(ap_integer_network *in) {
  if (!in) return;
  for (size_t l = 0; in->layers && l < in->n_layers; l++) {
    ap_free(in->layers[l].weight);
    ap_free(in->layers[l].scale);
    ap_free(in->layers[l].sums);
  }
  for (size_t l = 0; in->products && l < in->n_layers; l++) ap_free(in->products[l]);
  for (size_t l = 0; in->factor && l < in->n_layers; l++) ap_free(in->factor[l]);
  for (size_t l = 0; in->shift && l < in->n_layers; l++) ap_free(in->shift[l]);
  ap_free(in->factor);
  ap_free(in->shift);
  ap_free(in->values);
  ap_free(in->layers);
  ap_free(in->products);
  ap_free(in->layer_of);
  ap_free(in->offset);
  ap_network_destroy(in->net);
  ap_free(in);
}

/* Layers, places of the nodes' values, and the float weights as the first products. */
static ap_status lay_out(ap_integer_network *in, ap_error *err) {
  const ap_network *net = in->net;
  ap_layer_info *info = NULL;
  float *matrix = NULL;
  ap_status st = AP_OK;
  in->n_layers = ap_network_layers(net, NULL, 0);
  in->layers = ap_calloc(in->n_layers, sizeof *in->layers);
  in->products = ap_calloc(in->n_layers, sizeof *in->products);
  in->factor = ap_calloc(in->n_layers, sizeof *in->factor);
  in->shift = ap_calloc(in->n_layers, sizeof *in->shift);
  in->values = ap_calloc(net->n_nodes, sizeof *in->values);
  in->layer_of = ap_calloc(net->n_nodes, sizeof *in->layer_of);
  in->offset = ap_calloc(net->n_nodes, sizeof *in->offset);
  info = ap_calloc(in->n_layers, sizeof *info);
  if (!in->layers || !in->products || !in->factor || !in->shift || !in->values || !in->layer_of ||
      !in->offset || !info) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", in->n_layers);
    goto done;
  }
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    in->values[i].unit = 1;
    if (node->kind == AP_NODE_FLATTEN) {
      in->offset[i] = in->offset[node->inputs[0]];
    } else {
      in->offset[i] = in->floats;
      in->floats += node->shape.c * node->shape.h * node->shape.w;
    }
  }
  (void)ap_network_layers(net, info, in->n_layers);
  for (size_t l = 0; l < in->n_layers; l++) {
    ap_integer_layer *layer = &in->layers[l];
    size_t size = info[l].k * info[l].n;
    const ap_node *node = &net->nodes[info[l].node];
    layer->info = info[l];
    layer->groups = node->kind == AP_NODE_CONV && node->groups > 1 ? node->groups : 1;
    layer->weight = ap_calloc(size, sizeof *layer->weight);
    layer->scale = ap_calloc(info[l].n, sizeof *layer->scale);
    layer->sums = ap_calloc(info[l].n, sizeof *layer->sums);
    in->products[l] = ap_calloc(size, sizeof **in->products);
    in->factor[l] = ap_calloc(info[l].n, sizeof **in->factor);
    in->shift[l] = ap_calloc(info[l].n, sizeof **in->shift);
    in->layer_of[info[l].node] = l;
    ap_free(matrix);
    matrix = ap_calloc(size, sizeof *matrix);
    if (!layer->weight || !layer->scale || !layer->sums || !in->products[l] || !in->factor[l] ||
        !in->shift[l] || !matrix) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu weights", info[l].name, size);
      goto done;
    }
    ap_layer_get_matrix(net, info[l].node, matrix);
    for (size_t i = 0; i < size; i++) in->products[l][i] = (double)matrix[i];
    if (!info[l].weight_bits) layer->info.weight_bits = in->weight_bits;
    st = ap_quantise_columns(matrix, info[l].k, info[l].n, layer->info.weight_bits, layer->weight,
                             layer->scale, err);
    if (st) {
      (void)ap_fail_context(err, st, "%s", info[l].name);
      goto done;
    }
  }
done:
  ap_free(info);
  ap_free(matrix);
  return st;
}

/* ---- ranges ---- */
static void merge(ap_range_record *to, const ap_range_record *from) {
  if (from->lo < to->lo) to->lo = from->lo;
  if (from->hi > to->hi) to->hi = from->hi;
  for (size_t b = 0; to->bins && b < AP_RANGE_BINS; b++) to->bins[b] += from->bins[b];
}

/* Narrows [lo, hi] to the bins that hold the covered share: from above alone when nothing is
 * negative, else half of the rest at either end. */
static void cover(ap_range_record *r, double coverage) {
  uint64_t all = 0, above = 0, below = 0;
  double step = ((double)r->to - (double)r->from) / AP_RANGE_BINS, rest = 1 - coverage;
  size_t low = 0, high = AP_RANGE_BINS;
  for (size_t b = 0; b < AP_RANGE_BINS; b++) all += r->bins[b];
  if (r->from < 0) rest /= 2;
  while (high > 1 && (double)(above + r->bins[high - 1]) <= rest * (double)all) {
    above += r->bins[--high];
  }
  while (r->from < 0 && low + 1 < high && (double)(below + r->bins[low]) <= rest * (double)all) {
    below += r->bins[low++];
  }
  if (high < AP_RANGE_BINS) r->hi = (float)((double)r->from + step * (double)high);
  if (low > 0) r->lo = (float)((double)r->from + step * (double)low);
}

static void set_range(ap_integer_layer *layer, unsigned bits, float least, float largest) {
  double lo = least < 0 ? (double)least : 0, hi = largest > 0 ? (double)largest : 0;
  double steps = ldexp(1.0, (int)bits) - 1;
  layer->input_scale = hi > lo ? (hi - lo) / steps : 1;
  layer->zero_point = (int32_t)floor(-lo / layer->input_scale + 0.5);
  if ((double)layer->zero_point > steps) layer->zero_point = (int32_t)steps;
}

/* One pass of the float network over the calibration images: ranges, then (with bins) counts. */
static ap_status observe(const ap_integer_network *in, const ap_dataset *data, size_t n_images,
                         ap_pool *pool, ap_range_record *records, ap_error *err) {
  size_t threads = ap_pool_threads(pool);
  const ap_integer_how how = {.ranges = records};
  ap_status st =
      ap_integer_forward(in, &how, data, AP_SPLIT_CALIBRATION, n_images, pool, NULL, NULL, err);
  for (size_t t = 1; !st && t < threads; t++) {
    for (size_t l = 0; l < in->n_layers; l++) merge(&records[l], &records[t * in->n_layers + l]);
  }
  return st;
}

static ap_status calibrate(ap_integer_network *in, const ap_dataset *data,
                           const ap_range_options *options, ap_pool *pool, ap_error *err) {
  size_t records = ap_pool_threads(pool) * in->n_layers, n_images = options->images;
  size_t most = ap_dataset_describe(data, AP_SPLIT_CALIBRATION).n_images;
  ap_range_record *r = NULL;
  uint64_t *bins = NULL;
  ap_status st = AP_OK;
  if (most == 0) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s has no training images: the input ranges of quantised layers are set by its "
                   "calibration split",
                   ap_dataset_name(data));
  }
  r = ap_calloc(records, sizeof *r);
  if (!r) st = ap_fail(err, AP_ERR_MEMORY, "ranges of %zu layers", in->n_layers);
  if (n_images > most) n_images = most;
  for (size_t i = 0; !st && i < records; i++)
    r[i] = (ap_range_record){INFINITY, -INFINITY, 0, 0, 0};
  if (!st) st = observe(in, data, n_images, pool, r, err);
  if (!st && options->coverage < 1) {
    bins = ap_calloc(records, AP_RANGE_BINS * sizeof *bins);
    if (!bins) st = ap_fail(err, AP_ERR_MEMORY, "histograms of %zu layers", in->n_layers);
    for (size_t i = 0; !st && i < records; i++) {
      r[i] = r[i % in->n_layers];
      r[i].bins = bins + i * AP_RANGE_BINS;
      r[i].from = r[i].lo;
      r[i].to = r[i].hi;
    }
    if (!st) st = observe(in, data, n_images, pool, r, err);
    for (size_t l = 0; !st && l < in->n_layers; l++) cover(&r[l], options->coverage);
  }
  for (size_t l = 0; !st && l < in->n_layers; l++) {
    set_range(&in->layers[l], in->activation_bits, r[l].lo, r[l].hi);
  }
  ap_free(r);
  ap_free(bins);
  return st;
}

/* From here on the products are those of the integers, and values have their units. */
static ap_status take_integers(ap_integer_network *in, ap_error *err) {
  ap_status st = ap_integer_values(in->net, in->layers, in->activation_bits, in->values, err);
  for (size_t l = 0; l < in->n_layers && !st; l++) {
    ap_integer_layer *layer = &in->layers[l];
    const ap_layer_info *info = &layer->info;
    for (size_t i = 0; i < info->k * info->n; i++) {
      in->products[l][i] = (double)layer->weight[i];
      layer->sums[i % info->n] += layer->weight[i];
    }
    st = ap_integer_factors(layer->input_scale, layer->scale, in->net->nodes[info->node].bias,
                            in->values[info->node].unit, info->n, in->factor[l], in->shift[l], err);
    if (st) (void)ap_fail_context(err, st, "%s", info->name);
  }
  return st;
}

ap_status ap_integer_network_create(const ap_network *net, const ap_array_spec *spec,
                                    const ap_dataset *data, const ap_range_options *options,
                                    ap_pool *pool, ap_integer_network **out, ap_error *err) {
  ap_integer_network *in = NULL;
  ap_status st = ap_array_spec_check(spec, err);
  *out = NULL;
  if (st) return st;
  if (!(options->coverage > 0.5 && options->coverage <= 1)) {
    return ap_fail(err, AP_ERR_ARG, "coverage %g of the inputs, expected above 0.5, at most 1",
                   options->coverage);
  }
  in = ap_calloc(1, sizeof *in);
  if (!in) return ap_fail(err, AP_ERR_MEMORY, "integer network");
  in->weight_bits = spec->weight_bits;
  in->activation_bits = spec->activation_bits;
  st = ap_network_copy(net, &in->net, err);
  if (!st) st = lay_out(in, err);
  if (!st) st = calibrate(in, data, options, pool, err);
  if (!st) st = take_integers(in, err);
  if (!st) {
    *out = in;
    in = NULL;
  }
  ap_integer_network_destroy(in);
  return st;
}

size_t ap_integer_network_layers(const ap_integer_network *in) { return in->n_layers; }

const ap_integer_layer *ap_integer_network_layer(const ap_integer_network *in, size_t layer) {
  return &in->layers[layer];
}

const ap_integer_layer *ap_integer_network_all_layers(const ap_integer_network *in) {
  return in->layers;
}

unsigned ap_integer_network_weight_bits(const ap_integer_network *in) { return in->weight_bits; }

unsigned ap_integer_network_activation_bits(const ap_integer_network *in) {
  return in->activation_bits;
}

size_t ap_integer_network_classes(const ap_integer_network *in) { return in->net->classes; }

ap_status ap_integer_network_run(const ap_integer_network *in, const ap_dataset *data,
                                 ap_split split, size_t n_images, ap_pool *pool, ap_score *score,
                                 float *logits, ap_error *err) {
  const ap_integer_how how = {0};
  return ap_integer_forward(in, &how, data, split, n_images, pool, score, logits, err);
}
