/* Masks and levels of one's own: of every four neighbouring vectors the M largest stay, M = 1, 2, 3
 * (M:4 pruning). Levels are those three; a last incomplete group is kept whole. */
#include "pruners/plugin.h"

#define GROUP 4

static double square_sum(const ap_plugin_layer *l, size_t i) {
  ap_plugin_vector v = l->vectors[i];
  double sum = 0;
  for (size_t k = v.k0; k < v.k1; k++) {
    for (size_t n = v.n0; n < v.n1; n++) {
      double w = (double)l->weights[k * l->n + n];
      sum += w * w;
    }
  }
  return sum;
}

static size_t kept_by(const ap_plugin_layer *l, size_t m) {
  return l->n_vectors / GROUP * m + l->n_vectors % GROUP;
}

static int levels(const ap_plugin_layer *l, size_t room, size_t *n_keep, size_t *n) {
  if (l->n_vectors < GROUP) { /* nothing to choose from */
    n_keep[0] = l->n_vectors;
    *n = 1;
    return 0;
  }
  for (*n = 0; *n < GROUP - 1 && *n < room; ++*n) n_keep[*n] = kept_by(l, *n + 1);
  return 0;
}

static int keep(const ap_plugin_layer *l, size_t n_keep, uint8_t *kept) {
  size_t m = (n_keep - l->n_vectors % GROUP) / (l->n_vectors / GROUP);
  for (size_t i = 0; i < l->n_vectors; i++) {
    size_t first = i / GROUP * GROUP, larger = 0;
    for (size_t j = first; j < first + GROUP && j < l->n_vectors; j++) {
      double a = square_sum(l, j), b = square_sum(l, i);
      larger += a > b || (a == b && j < i);
    }
    kept[i] = larger < m || first + GROUP > l->n_vectors;
  }
  return 0;
}

static const ap_plugin_pruner table = {.abi = AP_PLUGIN_ABI,
                                       .struct_size = sizeof(ap_plugin_pruner),
                                       .granularity = "column-vector",
                                       .keep = keep,
                                       .levels = levels};
const ap_plugin_pruner *autoprune_pruner(uint32_t host) { return host == 1 ? &table : NULL; }
