/* One layer of a level database: its vectors ranked, its levels chosen, counted and priced. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/level_db_impl.h"

/* Numbers of one kept set. A grouped convolution is kept whole, one matrix a group: the same numbers
 * each time, on shared crossbars. */
static ap_status count_whole(const ap_level_db *db, const ap_level_layer *l, const uint8_t *kept,
                             ap_map_summary *map, ap_events *events, ap_needs *needs,
                             ap_error *err) {
  const ap_array_spec spec = ap_array_for_weights(ap_tech_array(db->tech), l->info.weight_bits);
  const ap_array_spec *array = &spec;
  ap_granularity granularity = l->partition.granularity;
  size_t groups = l->info.groups, width = l->info.n / groups;
  ap_status st = ap_map_count(array, granularity, kept, NULL, l->info.k, width, l->info.positions,
                              map, events, needs, err);
  ap_map_summary one;
  ap_events same;
  ap_needs own;
  if (st || groups == 1) return st;
  one = *map;
  same = *events;
  own = *needs;
  for (size_t g = 1; g < groups; g++) {
    ap_map_summary_add(map, &one);
    ap_events_add(events, &same);
    ap_needs_add(needs, &own);
  }
  return ap_map_join_groups(array, granularity, groups, map->ous > 0 ? groups : 0, l->info.k, width,
                            map, events, needs, err);
}

static ap_status count_kept(const ap_level_db *db, ap_level_layer *l, const uint8_t *kept,
                            ap_map_summary *map, ap_events *events, ap_needs *needs,
                            ap_error *err) {
  const double start = ap_seconds();
  const ap_status st = count_whole(db, l, kept, map, events, needs, err);
  l->spent.mapper += ap_seconds() - start;
  return st;
}

static ap_status fill_level(const ap_level_db *db, ap_level_layer *l, size_t m, const uint8_t *kept,
                            ap_keep_level *out, ap_error *err) {
  ap_events events;
  ap_needs needs;
  ap_status st = count_kept(db, l, kept, &out->map, &events, &needs, err);
  double start = ap_seconds();
  if (!st) st = ap_cost_layer(db->tech, &events, &needs, &out->cost, err);
  l->spent.model += ap_seconds() - start;
  if (st) return st;
  out->n_kept = m;
  out->keep = (double)m / (double)l->partition.count;
  return AP_OK;
}

/* What a level must differ in from the next one. */
static uint64_t unit_cost(const ap_level_db *db, const ap_map_summary *map) {
  return db->options.snap == AP_SNAP_CROSSBAR ? map->crossbars : map->ous;
}

static ap_status cost_of(const ap_level_db *db, ap_level_layer *l, size_t m, uint8_t *kept,
                         uint64_t *cost, ap_error *err) {
  ap_map_summary map;
  ap_events events;
  ap_needs needs;
  ap_status st;
  ap_pruner_keep_first(l->order, l->partition.count, m, kept);
  st = count_kept(db, l, kept, &map, &events, &needs, err);
  *cost = st ? 0 : unit_cost(db, &map);
  return st;
}

/* The largest m in lo..hi whose cost is at most `limit` (that of lo is). Cost rises with m. */
static ap_status largest_within(const ap_level_db *db, ap_level_layer *l, size_t lo, size_t hi,
                                uint64_t limit, uint8_t *kept, size_t *out, ap_error *err) {
  while (lo < hi) {
    size_t mid = lo + (hi - lo + 1) / 2;
    uint64_t cost;
    ap_status st = cost_of(db, l, mid, kept, &cost, err);
    if (st) return st;
    if (cost <= limit) {
      lo = mid;
    } else {
      hi = mid - 1;
    }
  }
  *out = lo;
  return AP_OK;
}

/* Vectors that the lowest level keeps. */
static size_t least_kept(const ap_level_db *db, const ap_level_layer *l) {
  size_t all = l->partition.count;
  size_t least = (size_t)ceil(db->options.keep_min * (double)all - 1e-9);
  if (least < 1) least = 1;
  return least > all || l->info.groups > 1 ? all : least;
}

/* Kept counts of all levels, rising, at most `room`; the last is all vectors. */
static ap_status choose_counts(const ap_level_db *db, ap_level_layer *l, uint8_t *kept, size_t room,
                               size_t *counts, size_t *n, ap_error *err) {
  size_t all = l->partition.count;
  size_t least = least_kept(db, l);
  uint64_t low, high, last = UINT64_MAX;
  ap_status st;
  *n = 0;
  st = cost_of(db, l, least, kept, &low, err);
  if (!st) st = cost_of(db, l, all, kept, &high, err);
  for (size_t i = 0; i < room && !st; i++) {
    size_t m = all;
    uint64_t cost;
    double share = (double)i / (double)(room - 1);
    if (i + 1 < room && db->options.snap == AP_SNAP_NONE) {
      m = least + (size_t)((double)(all - least) * share + 0.5);
    } else if (i + 1 < room) {
      uint64_t limit = low + (uint64_t)((double)(high - low) * share);
      st = largest_within(db, l, least, all, limit, kept, &m, err);
      if (st) break;
    }
    st = cost_of(db, l, m, kept, &cost, err);
    if (st) break;
    if (*n > 0 && cost == last) --*n; /* the same price: the larger set replaces the smaller */
    counts[(*n)++] = m;
    last = cost;
  }
  return st;
}

/* The levels that a plug-in wishes for, without those that cost as much as a larger one. */
static ap_status choose_given(const ap_level_db *db, ap_level_layer *l,
                              const ap_plugin_answer *answer, uint8_t *kept, size_t *counts,
                              size_t *n, ap_error *err) {
  size_t all = l->partition.count;
  uint64_t last = UINT64_MAX, cost;
  ap_status st = AP_OK;
  *n = 0;
  for (size_t i = 0; i <= answer->n_counts && !st; i++) {
    size_t m = i < answer->n_counts ? answer->counts[i] : all;
    if (i == answer->n_counts && *n > 0 && counts[*n - 1] == all) break;
    st = cost_of(db, l, m, kept, &cost, err);
    if (*n > 0 && cost == last) --*n;
    counts[(*n)++] = m;
    last = cost;
  }
  return st;
}

/* Masks become levels, from the top down: each has to cost less than the one above. */
static ap_status take_masks(const ap_level_db *db, ap_level_layer *l,
                            const ap_plugin_answer *answer, uint8_t *kept, ap_error *err) {
  size_t all = l->partition.count, n = 0, at = answer->n_counts;
  ap_keep_level *taken = ap_calloc(answer->n_counts + 1, sizeof *taken);
  size_t *from = ap_calloc(answer->n_counts + 1, sizeof *from);
  ap_status st = AP_OK;
  l->masks = ap_calloc(answer->n_counts + 1, all);
  if (!taken || !from || !l->masks) {
    st = ap_fail(err, AP_ERR_MEMORY, "masks of %zu levels", answer->n_counts);
    goto done;
  }
  memset(kept, 1, all);
  st = fill_level(db, l, all, kept, &taken[n++], err);
  while (!st && at-- > 0) {
    const uint8_t *mask = answer->masks + at * all;
    if (answer->counts[at] == all) continue;
    st = fill_level(db, l, answer->counts[at], mask, &taken[n], err);
    from[n] = at;
    if (!st && unit_cost(db, &taken[n].map) < unit_cost(db, &taken[n - 1].map)) n++;
  }
  for (size_t i = 0; i < n && !st; i++) { /* lowest first */
    l->levels[i] = taken[n - 1 - i];
    if (i + 1 < n) memcpy(l->masks + i * all, answer->masks + from[n - 1 - i] * all, all);
  }
  l->n_levels = n;
done:
  ap_free(taken);
  ap_free(from);
  return st;
}

/* Mean squares of the inputs: the diagonal of the second moments. *out NULL without moments. */
static ap_status input_squares(const ap_level_db *db, const ap_level_layer *l, size_t index,
                               double **out, ap_error *err) {
  size_t k = l->info.k;
  const double *moments = db->moments ? ap_moments_matrix(db->moments, index, 0) : NULL;
  *out = moments ? ap_calloc(k, sizeof **out) : NULL;
  if (moments && !*out) return ap_fail(err, AP_ERR_MEMORY, "inputs of %s", l->info.name);
  for (size_t i = 0; *out && i < k; i++) (*out)[i] = moments[i * (k + 1) + i];
  return AP_OK;
}

/* What masks are wanted of: equal steps. How many. */
static size_t wanted_counts(const ap_level_db *db, const ap_level_layer *l, size_t *counts) {
  size_t all = l->partition.count, least = least_kept(db, l), room = db->options.max_levels, n = 0;
  for (size_t i = 0; i + 1 < room; i++) {
    double share = (double)i / (double)(room - 1);
    size_t m = least + (size_t)((double)(all - least) * share + 0.5);
    if (m < all && (n == 0 || m > counts[n - 1])) counts[n++] = m;
  }
  return n;
}

/* counts: room for max_levels numbers, used for what is wanted of masks. */
static ap_status ask_plugin(const ap_level_db *db, const ap_level_layer *l, size_t index,
                            size_t *counts, ap_plugin_answer *answer, ap_error *err) {
  double *squares = NULL;
  ap_plugin_question q = {.partition = &l->partition,
                          .weights = l->dense,
                          .info = &l->info,
                          .index = index,
                          .n_layers = db->n_layers,
                          .max_levels = db->options.max_levels,
                          .wanted = counts};
  ap_status st = input_squares(db, l, index, &squares, err);
  if (st) return ap_fail_context(err, st, "%s", l->info.name);
  q.n_wanted = wanted_counts(db, l, counts);
  q.input_mean_square = squares;
  st = ap_plugin_ask(&db->options.pruner.plugin, &q, answer, err);
  ap_free(squares);
  return st;
}

/* Levels of a layer whose vectors have an order. */
static ap_status order_levels(const ap_level_db *db, ap_level_layer *l,
                              const ap_plugin_answer *answer, uint8_t *kept, size_t *counts,
                              ap_error *err) {
  size_t n = 0;
  ap_status st = answer->n_counts
                     ? choose_given(db, l, answer, kept, counts, &n, err)
                     : choose_counts(db, l, kept, db->options.max_levels, counts, &n, err);
  for (size_t i = 0; i < n && !st; i++) {
    ap_pruner_keep_first(l->order, l->partition.count, counts[i], kept);
    st = fill_level(db, l, counts[i], kept, &l->levels[i], err);
  }
  l->n_levels = n;
  return st;
}

ap_status ap_level_db_build_layer(ap_level_db *db, size_t index, ap_error *err) {
  ap_level_layer *l = &db->layers[index];
  const ap_array_spec array = ap_array_for_weights(ap_tech_array(db->tech), l->info.weight_bits);
  ap_granularity granularity = ap_granularity_of_layer(db->options.pruner.granularity, &l->info);
  size_t room = db->options.max_levels + 1; /* a plug-in's wishes, and everything */
  size_t *counts = ap_calloc(room, sizeof *counts);
  uint8_t *kept = NULL;
  const float *bias = db->net->nodes[l->info.node].bias;
  ap_plugin_answer answer = {0};
  bool whole = l->info.groups > 1; /* no choice to make */
  bool plugin = db->options.pruner.plugin.kind != AP_PLUGIN_NONE && !whole;
  bool masks = ap_pruner_gives_masks(&db->options.pruner) && !whole;
  bool named = false; /* the layer, in an error's text */
  ap_status st = AP_OK;
  if (whole) granularity = (ap_granularity){.kind = AP_GRANULARITY_DENSE};
  st = ap_partition_init(granularity, &array, l->info.k, l->info.n / l->info.groups, &l->partition,
                         err);
  if (st) goto done;
  l->dense = ap_calloc(l->info.k * l->info.n, sizeof *l->dense);
  l->bias = ap_calloc(l->info.n, sizeof *l->bias);
  l->levels = ap_calloc(room, sizeof *l->levels);
  kept = ap_calloc(l->partition.count, 1);
  if (!masks) l->order = ap_calloc(l->partition.count, sizeof *l->order);
  if (!counts || !l->dense || !l->bias || !(l->order || masks) || !l->levels || !kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "levels");
    goto done;
  }
  ap_layer_get_matrix(db->net, l->info.node, l->dense);
  if (bias) memcpy(l->bias, bias, l->info.n * sizeof *bias);
  if (plugin) {
    st = ask_plugin(db, l, index, counts, &answer, err);
    named = st != AP_OK;
    l->order = answer.order;
    answer.order = NULL;
  } else if (masks) {
    st = ap_pattern_masks(&l->partition, l->dense, wanted_counts(db, l, counts), counts, &answer,
                          err);
  } else if (!whole) {
    st = ap_pruner_order(&l->partition, db->options.pruner.criterion, l->dense, l->order, err);
  }
  if (!st && l->order) st = order_levels(db, l, &answer, kept, counts, err);
  if (!st && !l->order) st = take_masks(db, l, &answer, kept, err);
done:
  if (st && !named) st = ap_fail_context(err, st, "%s", l->info.name);
  ap_plugin_answer_release(&answer);
  ap_free(counts);
  ap_free(kept);
  return st;
}
