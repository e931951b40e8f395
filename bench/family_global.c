/* The family of one threshold over all layers. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/family_impl.h"

typedef struct {
  double score;
  double weights; /* that go with it: the layer's weights / its vectors */
  uint32_t layer, index;
} ranked;

/* By falling score; ties by layer, then by place, so that every prefix is a set of its own. */
static int by_falling_score(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Vectors of one layer, appended to the list. Layers without a choice have nothing to compare. */
static ap_status add_layer(const ap_level_db *db, size_t layer, ranked *list, size_t *n,
                           ap_error *err) {
  size_t count = ap_level_db_vectors(db, layer);
  const ap_map_summary *full =
      &ap_level_db_level(db, layer, ap_level_db_levels(db, layer) - 1)->map;
  double *score = ap_calloc(count, sizeof *score);
  ap_status st = score ? ap_level_db_scores(db, layer, score, err)
                       : ap_fail(err, AP_ERR_MEMORY, "scores of %zu vectors", count);
  for (size_t i = 0; i < count && !st; i++) {
    list[(*n)++] =
        (ranked){score[i], (double)full->weights / (double)count, (uint32_t)layer, (uint32_t)i};
  }
  ap_free(score);
  return st;
}

static ap_status rank_all(const ap_level_db *db, ranked **list, size_t *n, ap_error *err) {
  size_t total = 0;
  ap_status st = AP_OK;
  *n = 0;
  for (size_t i = 0; i < ap_level_db_layers(db); i++) total += ap_level_db_vectors(db, i);
  *list = ap_calloc(total, sizeof **list);
  if (!*list) return ap_fail(err, AP_ERR_MEMORY, "order of %zu vectors", total);
  for (size_t i = 0; i < ap_level_db_layers(db) && !st; i++) {
    if (ap_level_db_levels(db, i) > 1) st = add_layer(db, i, *list, n, err);
  }
  if (!st) qsort(*list, *n, sizeof **list, by_falling_score);
  return st;
}

/* Policies of falling thresholds, heaviest first in `counts`: steps of the weights that stay. */
static void cut(const ap_level_db *db, const ranked *list, size_t n, size_t *counts,
                ap_family *out) {
  size_t layers = out->n_layers, at = n;
  double total = 0, left;
  for (size_t i = 0; i < n; i++) {
    total += list[i].weights;
    counts[list[i].layer]++;
  }
  left = total;
  for (size_t step = 0; step < AP_FAMILY_STEPS; step++) {
    double wanted = total * (1.0 - (double)step / AP_FAMILY_STEPS);
    uint32_t *row = out->levels + out->n * layers;
    while (at > 0 && left > wanted + 1e-9 * total) {
      at--;
      left -= list[at].weights;
      counts[list[at].layer]--;
    }
    for (size_t i = 0; i < layers; i++) {
      size_t last = ap_level_db_levels(db, i) - 1;
      double keep = (double)counts[i] / (double)ap_level_db_vectors(db, i);
      row[i] = (uint32_t)(last == 0 ? 0 : ap_level_db_find(db, i, keep));
    }
    ap_family_add(out, db);
  }
}

ap_status ap_family_global(const ap_level_db *db, ap_evaluator *ev, ap_family *out, ap_error *err) {
  ranked *list = NULL;
  size_t n = 0, *counts = ap_calloc(ap_level_db_layers(db), sizeof *counts);
  ap_status st = counts ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "layers");
  memset(out, 0, sizeof *out);
  if (!st) st = rank_all(db, &list, &n, err);
  if (!st) st = ap_family_reserve(out, AP_FAMILY_STEPS, ap_level_db_layers(db), err);
  if (!st) {
    cut(db, list, n, counts, out);
    st = ap_family_score(out, ev, err);
  }
  if (st) ap_family_release(out);
  ap_free(list);
  ap_free(counts);
  return st;
}
