#include "pruners/datapath_network.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "mapper/mapping.h"
#include "pruners/integer_impl.h"
#include "pruners/pruner.h"

struct ap_datapath_network {
  const ap_integer_network *in;
  size_t *first;         /* layer -> its first mapping; n_layers + 1 of them */
  ap_mapping **mappings; /* one a group */
};

static size_t count_mappings(const ap_datapath_network *hw) { return hw->first[hw->in->n_layers]; }

void ap_datapath_network_destroy(ap_datapath_network *hw) {
  if (!hw) return;
  for (size_t m = 0; hw->mappings && m < count_mappings(hw); m++) {
    ap_mapping_destroy(hw->mappings[m]);
  }
  ap_free(hw->mappings);
  ap_free(hw->first);
  ap_free(hw);
}

static ap_status map_layer(const ap_array_spec *array, ap_granularity granularity,
                           const ap_integer_layer *layer, ap_mapping **mappings, ap_error *err) {
  const ap_array_spec spec = ap_array_for_weights(array, layer->info.weight_bits);
  size_t k = layer->info.k, n = layer->info.n, width = n / layer->groups;
  int32_t *part = ap_calloc(k * width, sizeof *part);
  ap_status st = AP_OK;
  if (!part) st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu weights", k, width);
  for (size_t g = 0; !st && g < layer->groups; g++) {
    for (size_t i = 0; i < k; i++) {
      memcpy(part + i * width, layer->weight + i * n + g * width, width * sizeof *part);
    }
    st = ap_mapping_create(&spec, ap_granularity_of_layer(granularity, &layer->info), part, k,
                           width, &mappings[g], err);
  }
  ap_free(part);
  return st ? ap_fail_context(err, st, "%s", layer->info.name) : AP_OK;
}

ap_status ap_datapath_network_create(const ap_integer_network *in, const ap_array_spec *spec,
                                     ap_granularity granularity, ap_datapath_network **out,
                                     ap_error *err) {
  ap_datapath_network *hw = NULL;
  ap_status st = AP_OK;
  *out = NULL;
  if (spec->weight_bits != in->weight_bits || spec->activation_bits != in->activation_bits) {
    return ap_fail(err, AP_ERR_ARG,
                   "array of %u-bit weights and %u-bit activations, network of %u and %u",
                   spec->weight_bits, spec->activation_bits, in->weight_bits, in->activation_bits);
  }
  hw = ap_calloc(1, sizeof *hw);
  if (!hw) return ap_fail(err, AP_ERR_MEMORY, "network on crossbars");
  hw->in = in;
  hw->first = ap_calloc(in->n_layers + 1, sizeof *hw->first);
  if (!hw->first) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", in->n_layers);
    goto done;
  }
  for (size_t l = 0; l < in->n_layers; l++) {
    hw->first[l + 1] = hw->first[l] + in->layers[l].groups;
  }
  hw->mappings = ap_calloc(count_mappings(hw), sizeof *hw->mappings);
  if (!hw->mappings) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu mappings", count_mappings(hw));
    goto done;
  }
  for (size_t l = 0; !st && l < in->n_layers; l++) {
    st = map_layer(spec, granularity, &in->layers[l], hw->mappings + hw->first[l], err);
  }
  if (st) goto done;
  *out = hw;
  hw = NULL;
done:
  ap_datapath_network_destroy(hw);
  return st;
}

typedef struct {
  const ap_datapath_network *hw;
  ap_device_cells **cells;  /* of every mapping */
  ap_datapath_stats *stats; /* of every worker */
} hardware_run;

static ap_status hardware_product(void *context, size_t layer, size_t group, const int32_t *x,
                                  uint64_t first_input, size_t rows, size_t worker, int64_t *y,
                                  ap_error *err) {
  const hardware_run *run = context;
  size_t mapping = run->hw->first[layer] + group;
  ap_datapath_stats *sum = &run->stats[worker], stats = {0};
  ap_status st = ap_datapath_run_cells(run->cells[mapping], first_input, x, rows, y, &stats, err);
  sum->conversions += stats.conversions;
  sum->saturated += stats.saturated;
  return st;
}

/* Every sample, layer and group has cells of its own. */
static ap_status draw_cells(hardware_run *run, const ap_device *device, uint64_t sample,
                            ap_error *err) {
  size_t n = count_mappings(run->hw);
  ap_device own = {0};
  ap_status st = AP_OK;
  ap_rng rng;
  if (device) own = *device;
  ap_rng_seed(&rng, own.seed, sample);
  run->cells = ap_calloc(n, sizeof *run->cells);
  if (!run->cells) return ap_fail(err, AP_ERR_MEMORY, "%zu mappings", n);
  for (size_t m = 0; m < n && !st; m++) {
    own.seed = ap_rng_u64(&rng);
    st = ap_device_cells_create(run->hw->mappings[m], &own, &run->cells[m], err);
  }
  return st;
}

ap_status ap_datapath_network_run(const ap_datapath_network *hw, const ap_device *device,
                                  uint64_t sample, const ap_dataset *data, ap_split split,
                                  size_t n_images, ap_pool *pool, ap_score *score, float *logits,
                                  ap_datapath_stats *stats, ap_error *err) {
  size_t threads = ap_pool_threads(pool);
  hardware_run run = {.hw = hw};
  const ap_integer_how how = {.product = hardware_product, .context = &run};
  ap_status st = draw_cells(&run, device, sample, err);
  run.stats = ap_calloc(threads, sizeof *run.stats);
  if (!st && !run.stats) st = ap_fail(err, AP_ERR_MEMORY, "%zu threads", threads);
  if (st) goto done;
  st = ap_integer_forward(hw->in, &how, data, split, n_images, pool, score, logits, err);
  if (!st && stats) {
    *stats = (ap_datapath_stats){0};
    for (size_t t = 0; t < threads; t++) {
      stats->conversions += run.stats[t].conversions;
      stats->saturated += run.stats[t].saturated;
    }
  }
done:
  for (size_t m = 0; run.cells && m < count_mappings(hw); m++) {
    ap_device_cells_destroy(run.cells[m]);
  }
  ap_free(run.cells);
  ap_free(run.stats);
  return st;
}

size_t ap_count_equal_logits(const float *a, const float *b, size_t n, size_t classes) {
  size_t equal = 0;
  for (size_t i = 0; i < n; i++) {
    equal += memcmp(a + i * classes, b + i * classes, classes * sizeof *a) == 0;
  }
  return equal;
}

static size_t first_largest(const float *z, size_t classes) {
  size_t best = 0;
  for (size_t c = 1; c < classes; c++) {
    if (z[c] > z[best]) best = c;
  }
  return best;
}

size_t ap_count_equal_classes(const float *a, const float *b, size_t n, size_t classes) {
  size_t equal = 0;
  for (size_t i = 0; i < n; i++) {
    equal += first_largest(a + i * classes, classes) == first_largest(b + i * classes, classes);
  }
  return equal;
}
