#include "pruners/network_price.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/pruner.h"
#include "pruners/quantised_layer.h"

/* One matrix that is stored by itself: a layer, or one group of a grouped convolution. */
typedef struct {
  size_t k, n;
  int32_t *q;    /* k x n quantised weights; NULL where the mapping is not built */
  uint8_t *kept; /* vectors with a weight that is not 0 before quantisation */
  uint8_t *live; /* rows (filter) or columns (channel) with such a weight; else NULL */
  uint64_t positions;
} stored_matrix;

static void release(stored_matrix *m) {
  ap_free(m->q);
  ap_free(m->kept);
  ap_free(m->live);
}

/* Columns first .. first+width-1 of a layer's K x N matrix. What is trivial is decided by the weights
 * as they are, not by their rounded values: counts then agree with the policy that pruned them. */
static ap_status take_columns(const ap_array_spec *spec, ap_granularity granularity,
                              const ap_layer_info *info, const float *matrix, const int32_t *q,
                              size_t first, size_t width, stored_matrix *out, ap_error *err) {
  ap_partition partition;
  const float *part = matrix;
  float *own = NULL; /* the columns of a group side by side */
  size_t size = info->k * width;
  bool whole = width == info->n, by_row = granularity.kind == AP_GRANULARITY_FILTER;
  bool by_column = granularity.kind == AP_GRANULARITY_CHANNEL;
  ap_status st = ap_partition_init(granularity, spec, info->k, width, &partition, err);
  *out = (stored_matrix){.k = info->k, .n = width, .positions = info->positions};
  if (st) return st;
  if (!whole) part = own = ap_calloc(size, sizeof *own);
  if (q) out->q = ap_calloc(size, sizeof *out->q);
  out->kept = ap_calloc(partition.count, 1);
  out->live = by_row || by_column ? ap_calloc(by_row ? info->k : width, 1) : NULL;
  if (!part || (q && !out->q) || !out->kept || ((by_row || by_column) && !out->live)) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu weights", info->k, width);
  } else {
    for (size_t i = 0; i < info->k; i++) {
      size_t from = i * info->n + first, to = i * width;
      if (own) memcpy(own + to, matrix + from, width * sizeof *own);
      if (q) memcpy(out->q + to, q + from, width * sizeof *out->q);
      for (size_t j = 0; j < width && out->live; j++) {
        if (part[to + j] != 0) out->live[by_row ? i : j] = 1;
      }
    }
    if (granularity.kind == AP_GRANULARITY_BIT_COLUMN) { /* bits are those of the integers */
      ap_partition_kept(&partition, out->q, out->kept);
    } else {
      ap_partition_kept_f32(&partition, part, out->kept);
    }
  }
  ap_free(own);
  return st;
}

static ap_status check_mapping(const ap_array_spec *spec, ap_granularity granularity,
                               const stored_matrix *m, const ap_map_summary *counted,
                               ap_error *err) {
  ap_mapping *mapping = NULL;
  int32_t *back = NULL;
  ap_map_summary summary;
  const int32_t *q = m->q;
  size_t k = m->k, n = m->n;
  uint64_t positions = m->positions;
  ap_status st =
      ap_mapping_create_kept(spec, granularity, q, m->kept, m->live, k, n, &mapping, err);
  if (st) return st;
  back = ap_calloc(k * n, sizeof *back);
  if (!back) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu weights", k, n);
    goto done;
  }
  st = ap_mapping_reconstruct(mapping, back, err);
  if (!st) st = ap_mapping_summary(mapping, positions, &summary, err);
  if (st) goto done;
  for (size_t i = 0; i < k * n; i++) {
    if (back[i] != q[i]) {
      st = ap_fail(err, AP_ERR_INTERNAL,
                   "mapping gives back %d for the weight %d (row %zu, column %zu)", (int)back[i],
                   (int)q[i], i / n, i % n);
      goto done;
    }
  }
  if (summary.crossbars != counted->crossbars || summary.ous != counted->ous ||
      summary.index_bits != counted->index_bits) {
    st = ap_fail(err, AP_ERR_INTERNAL, "mapping and counting disagree");
  }
done:
  ap_free(back);
  ap_mapping_destroy(mapping);
  return st;
}

/* One group's counts, added to the layer's. */
static ap_status add_group(const ap_array_spec *spec, ap_granularity granularity, bool check,
                           const stored_matrix *part, bool first, ap_layer_price *out, size_t *held,
                           ap_error *err) {
  ap_map_summary map;
  ap_events events;
  ap_needs own;
  ap_status st = ap_map_count(spec, granularity, part->kept, part->live, part->k, part->n,
                              part->positions, &map, &events, &own, err);
  if (!st && check) st = check_mapping(spec, granularity, part, &map, err);
  if (st) return st;
  *held += map.ous > 0;
  if (first) {
    out->map = map;
    out->events = events;
    out->needs = own;
  } else {
    ap_map_summary_add(&out->map, &map);
    ap_events_add(&out->events, &events);
    ap_needs_add(&out->needs, &own);
  }
  return AP_OK;
}

/* groups: how many equal sets of columns have inputs (and so a matrix) of their own. */
static ap_status price_groups(const ap_tech *tech, ap_granularity granularity, bool check,
                              const float *matrix, const int32_t *q, size_t groups,
                              ap_layer_price *out, ap_error *err) {
  const ap_array_spec own = ap_array_for_weights(ap_tech_array(tech), out->info.weight_bits);
  const ap_array_spec *spec = &own;
  size_t width = out->info.n / groups, held = 0;
  ap_status st = AP_OK;
  for (size_t g = 0; g < groups && !st; g++) {
    stored_matrix part;
    st = take_columns(spec, granularity, &out->info, matrix, q, g * width, width, &part, err);
    if (!st) st = add_group(spec, granularity, check, &part, g == 0, out, &held, err);
    release(&part);
  }
  if (st) return st;
  out->map.n = out->info.n;
  st = ap_map_join_groups(spec, granularity, groups, held, out->info.k, width, &out->map,
                          &out->events, &out->needs, err);
  return st ? st : ap_cost_layer(tech, &out->events, &out->needs, &out->cost, err);
}

static ap_status check_finite(const float *matrix, size_t k, size_t n, ap_error *err) {
  for (size_t i = 0; i < k * n; i++) {
    if (isfinite(matrix[i])) continue;
    return ap_fail(err, AP_ERR_FORMAT, "row %zu, column %zu is not a finite number", i / n, i % n);
  }
  return AP_OK;
}

static ap_status price_layer(const ap_tech *tech, ap_granularity granularity, bool check,
                             const float *matrix, size_t groups, ap_layer_price *out,
                             ap_error *err) {
  size_t size = out->info.k * out->info.n;
  ap_granularity own = ap_granularity_of_layer(granularity, &out->info);
  bool integers = check || granularity.kind == AP_GRANULARITY_BIT_COLUMN;
  int32_t *q = integers ? ap_calloc(size, sizeof *q) : NULL;
  float *scale = integers ? ap_calloc(out->info.n, sizeof *scale) : NULL;
  ap_status st = AP_OK;
  if (integers && (!q || !scale)) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu quantised weights", size);
  } else if (integers) {
    const ap_array_spec array = ap_array_for_weights(ap_tech_array(tech), out->info.weight_bits);
    st = ap_quantise_columns(matrix, out->info.k, out->info.n, array.weight_bits, q, scale, err);
  } else { /* counts need no integers, only weights that are numbers */
    st = check_finite(matrix, out->info.k, out->info.n, err);
  }
  if (!st) st = price_groups(tech, own, check, matrix, q, groups, out, err);
  ap_free(q);
  ap_free(scale);
  return st ? ap_fail_context(err, st, "%s", out->info.name) : AP_OK;
}

static void add_up(ap_network_price *price) {
  memset(&price->events, 0, sizeof price->events);
  memset(&price->cost, 0, sizeof price->cost);
  for (size_t i = 0; i < price->n_layers; i++) {
    if (i == 0) {
      price->map = price->layers[0].map;
    } else {
      ap_map_summary_add(&price->map, &price->layers[i].map);
    }
    ap_events_add(&price->events, &price->layers[i].events);
    ap_cost_add(&price->cost, &price->layers[i].cost);
  }
  price->map.k = price->map.n = 0;
}

static ap_status new_price(size_t n_layers, ap_network_price **out, ap_error *err) {
  ap_network_price *p = ap_calloc(1, sizeof *p);
  if (p) p->layers = ap_calloc(n_layers, sizeof *p->layers);
  if (!p || !p->layers) {
    ap_network_price_destroy(p);
    *out = NULL;
    return ap_fail(err, AP_ERR_MEMORY, "price of %zu layers", n_layers);
  }
  p->n_layers = n_layers;
  *out = p;
  return AP_OK;
}

ap_status ap_network_price_create(const ap_network *net, const ap_tech *tech,
                                  ap_granularity granularity, bool check, ap_network_price **out,
                                  ap_error *err) {
  size_t n_layers = ap_network_layers(net, NULL, 0);
  ap_layer_info *info = ap_calloc(n_layers, sizeof *info);
  ap_network_price *p = NULL;
  ap_status st = AP_OK;
  *out = NULL;
  if (!info) return ap_fail(err, AP_ERR_MEMORY, "price of %zu layers", n_layers);
  st = new_price(n_layers, &p, err);
  (void)ap_network_layers(net, info, n_layers);
  for (size_t i = 0; i < n_layers && !st; i++) {
    float *matrix = ap_calloc(info[i].k * info[i].n, sizeof *matrix);
    p->layers[i].info = info[i];
    if (!info[i].weight_bits) p->layers[i].info.weight_bits = ap_tech_array(tech)->weight_bits;
    if (!matrix) {
      st = ap_fail(err, AP_ERR_MEMORY, "weights of %s", info[i].name);
      break;
    }
    ap_layer_get_matrix(net, info[i].node, matrix);
    st = price_layer(tech, granularity, check, matrix, info[i].groups, &p->layers[i], err);
    ap_free(matrix);
  }
  if (!st) {
    add_up(p);
    *out = p;
    p = NULL;
  }
  ap_free(info);
  ap_network_price_destroy(p);
  return st;
}

ap_status ap_matrix_price_create(const char *name, const float *matrix, size_t k, size_t n,
                                 size_t positions, const ap_tech *tech, ap_granularity granularity,
                                 bool check, ap_network_price **out, ap_error *err) {
  ap_network_price *p = NULL;
  ap_status st;
  *out = NULL;
  if (k == 0 || n == 0 || positions == 0) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s: a matrix of %zu x %zu for %zu positions has nothing to map", name, k, n,
                   positions);
  }
  st = new_price(1, &p, err);
  if (st) return st;
  p->layers[0].info = (ap_layer_info){.name = name,
                                      .k = k,
                                      .n = n,
                                      .positions = positions,
                                      .c_in = k,
                                      .c_out = n,
                                      .kh = 1,
                                      .kw = 1,
                                      .stride = 1,
                                      .groups = 1,
                                      .macs = k * n * positions,
                                      .weight_bits = ap_tech_array(tech)->weight_bits};
  st = price_layer(tech, granularity, check, matrix, 1, &p->layers[0], err);
  if (!st) {
    add_up(p);
    *out = p;
    p = NULL;
  }
  ap_network_price_destroy(p);
  return st;
}

ap_status ap_network_price_replicate(ap_network_price *price, const ap_tech *tech, uint32_t copies,
                                     ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; i < price->n_layers && !st; i++) {
    ap_layer_price *layer = &price->layers[i];
    layer->needs.replication = copies;
    st = ap_cost_layer(tech, &layer->events, &layer->needs, &layer->cost, err);
  }
  if (!st) add_up(price);
  return st;
}

void ap_network_price_destroy(ap_network_price *price) {
  if (!price) return;
  ap_free(price->layers);
  ap_free(price);
}

/* info: NULL for the total. */
static json_t *one_to_json(const ap_layer_info *info, const ap_map_summary *map,
                           const ap_events *events, const ap_cost *cost, bool with_cost) {
  json_t *object = ap_map_summary_to_json(map), *named = json_object();
  int bad = !object || !named;
  if (!bad && info) bad = json_object_set_new(named, "name", json_string(info->name));
  if (!bad) bad = json_object_update(named, object);
  if (!bad && info) {
    bad = json_object_set_new(named, "groups", json_integer((json_int_t)info->groups)) ||
          json_object_set_new(named, "weight_bits", json_integer((json_int_t)info->weight_bits));
  }
  if (!bad && !info) {
    (void)json_object_del(named, "K");
    (void)json_object_del(named, "N");
    (void)json_object_del(named, "row_index");
    (void)json_object_del(named, "column_index");
  }
  if (!bad && with_cost) {
    json_t *prices = ap_cost_to_json(cost);
    bad = !prices || json_object_update(named, prices) ||
          json_object_set_new(named, "events", ap_events_to_json(events));
    json_decref(prices);
  }
  json_decref(object);
  if (bad) {
    json_decref(named);
    return NULL;
  }
  return named;
}

json_t *ap_network_price_to_json(const ap_network_price *price, bool with_cost) {
  json_t *root = json_object(), *layers = json_array();
  int bad = !root || !layers;
  for (size_t i = 0; i < price->n_layers && !bad; i++) {
    const ap_layer_price *l = &price->layers[i];
    bad = json_array_append_new(layers,
                                one_to_json(&l->info, &l->map, &l->events, &l->cost, with_cost));
  }
  if (!bad) bad = json_object_set(root, "layers", layers);
  if (!bad) {
    bad = json_object_set_new(
        root, "total", one_to_json(NULL, &price->map, &price->events, &price->cost, with_cost));
  }
  json_decref(layers);
  if (bad) {
    json_decref(root);
    return NULL;
  }
  return root;
}
