/* Networks pruned to a given share of weights, and technologies of other sizes: what studies move. */
#include <stdio.h>

#include "base/alloc.h"
#include "bench/study_impl.h"

/* How many vectors of the order hold at most `most` weights. Kept weights never fall with the number. */
static size_t largest_set(const ap_partition *partition, const uint32_t *order, uint64_t most,
                          uint8_t *kept) {
  size_t low = 1, high = partition->count;
  while (low < high) {
    size_t middle = low + (high - low + 1) / 2;
    ap_pruner_keep_first(order, partition->count, middle, kept);
    if (ap_partition_weights_kept(partition, kept) <= most) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

static ap_status prune_layer(ap_network *net, const ap_array_spec *spec, const ap_pruner *pruner,
                             const ap_layer_info *info, double keep, ap_error *err) {
  const ap_array_spec array = ap_array_for_weights(spec, info->weight_bits);
  ap_partition partition;
  float *matrix = NULL;
  uint32_t *order = NULL;
  uint8_t *kept = NULL;
  ap_status st = ap_partition_init(ap_granularity_of_layer(pruner->granularity, info), &array,
                                   info->k, info->n, &partition, err);
  if (st) return st;
  matrix = ap_calloc(info->k * info->n, sizeof *matrix);
  order = ap_calloc(partition.count, sizeof *order);
  kept = ap_calloc(partition.count, 1);
  if (!matrix || !order || !kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s", info->name);
  } else {
    ap_layer_get_matrix(net, info->node, matrix);
    st = ap_pruner_order(&partition, pruner->criterion, matrix, order, err);
  }
  if (!st) {
    uint64_t most = (uint64_t)(keep * (double)(info->k * info->n));
    ap_pruner_keep_first(order, partition.count, largest_set(&partition, order, most, kept), kept);
    ap_partition_mask_f32(&partition, kept, matrix);
    ap_layer_set_matrix(net, info->node, matrix);
  }
  ap_free(matrix);
  ap_free(order);
  ap_free(kept);
  return st;
}

ap_status ap_study_prune(const ap_network *net, const ap_array_spec *array, const ap_pruner *pruner,
                         double keep, ap_network **out, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  ap_network *copy = NULL;
  ap_status st =
      layers ? ap_network_copy(net, &copy, err) : ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
  *out = NULL;
  if (!st) (void)ap_network_layers(copy, layers, n);
  for (size_t i = 0; i < n && !st; i++) {
    if (layers[i].groups > 1 || pruner->granularity.kind == AP_GRANULARITY_DENSE) continue;
    st = prune_layer(copy, array, pruner, &layers[i], keep, err);
  }
  ap_free(layers);
  if (st) {
    ap_network_destroy(copy);
    return st;
  }
  *out = copy;
  return AP_OK;
}

ap_status ap_study_resize(const ap_tech *tech, size_t rows, size_t cols, size_t ou_rows,
                          size_t ou_cols, ap_tech **out, ap_error *err) {
  const struct {
    const char *name;
    size_t value; /* 0: as it is */
  } sizes[] = {{"array.rows", rows},
               {"array.cols", cols},
               {"array.ou_rows", ou_rows},
               {"array.ou_cols", ou_cols}};
  ap_tech_change changes[sizeof sizes / sizeof sizes[0]];
  char texts[sizeof sizes / sizeof sizes[0]][24];
  size_t n = 0;
  ap_tech *other = NULL;
  ap_status st = ap_tech_clone(tech, &other, err);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    if (sizes[i].value == 0) continue;
    (void)snprintf(texts[n], sizeof texts[n], "%zu", sizes[i].value);
    changes[n] = (ap_tech_change){sizes[i].name, texts[n]};
    n++;
  }
  if (!st) st = ap_tech_override_all(other, changes, n, err);
  if (st) {
    ap_tech_close(other);
    other = NULL;
  }
  *out = other;
  return st;
}

ap_status ap_study_row(json_t *rows, json_t *row, ap_error *err) {
  if (!row || json_array_append_new(rows, row)) {
    return ap_fail(err, AP_ERR_MEMORY, "rows of a study");
  }
  return AP_OK;
}
