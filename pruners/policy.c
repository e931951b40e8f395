#include "pruners/policy.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/recover_impl.h"

#define SCHEMA "autoprune-policy-1"
#define MAX_LAYERS 100000
#define MAX_VECTORS ((size_t)1 << 40)
#define UNIFORM_LEVELS 64 /* a layer: more than any plug-in's own list is likely to have */

static ap_status new_policy(size_t n_layers, ap_policy **out, ap_error *err) {
  ap_policy *p = ap_calloc(1, sizeof *p);
  if (p) p->layers = ap_calloc(n_layers, sizeof *p->layers);
  if (!p || !p->layers) {
    ap_policy_destroy(p);
    *out = NULL;
    return ap_fail(err, AP_ERR_MEMORY, "policy of %zu layers", n_layers);
  }
  p->n_layers = n_layers;
  *out = p;
  return AP_OK;
}

void ap_policy_destroy(ap_policy *policy) {
  if (!policy) return;
  for (size_t i = 0; policy->layers && i < policy->n_layers; i++) {
    ap_free(policy->layers[i].name);
    ap_free(policy->layers[i].kept);
  }
  ap_free(policy->layers);
  ap_free(policy);
}

ap_status ap_policy_from_levels(const ap_level_db *db, const uint32_t *levels, ap_policy **out,
                                ap_error *err) {
  ap_policy *p = NULL;
  ap_status st = new_policy(ap_level_db_layers(db), &p, err);
  *out = NULL;
  if (st) return st;
  p->pruner = ap_level_db_pruner(db);
  for (size_t i = 0; i < p->n_layers; i++) {
    const ap_keep_level *level = ap_level_db_level(db, i, levels[i]);
    p->layers[i].name = ap_strdup(ap_level_db_layer(db, i)->name);
    p->layers[i].keep = level->keep;
    p->layers[i].n_kept = level->n_kept;
    p->layers[i].weight_bits = ap_level_db_layer(db, i)->weight_bits;
    if (ap_pruner_gives_masks(&p->pruner)) {
      p->layers[i].n_vectors = ap_level_db_vectors(db, i);
      p->layers[i].kept = ap_calloc(p->layers[i].n_vectors, 1);
      if (p->layers[i].kept) ap_level_db_kept(db, i, levels[i], p->layers[i].kept);
    }
    if (!p->layers[i].name || (p->layers[i].n_vectors && !p->layers[i].kept)) {
      ap_policy_destroy(p);
      return ap_fail(err, AP_ERR_MEMORY, "policy");
    }
  }
  *out = p;
  return AP_OK;
}

ap_status ap_policy_uniform(const ap_network *net, const ap_tech *tech, const ap_pruner *pruner,
                            double keep, ap_policy **out, ap_error *err) {
  ap_level_db_options options = {
      .pruner = *pruner, .snap = AP_SNAP_NONE, .max_levels = UNIFORM_LEVELS, .keep_min = keep};
  ap_level_db *db = NULL;
  uint32_t *levels = NULL;
  ap_status st = ap_level_db_create(net, tech, NULL, NULL, &options, &db, err);
  *out = NULL;
  if (!st) {
    levels = ap_calloc(ap_level_db_layers(db), sizeof *levels);
    if (!levels) st = ap_fail(err, AP_ERR_MEMORY, "policy");
  }
  for (size_t i = 0; !st && i < ap_level_db_layers(db); i++) {
    levels[i] = (uint32_t)ap_level_db_find(db, i, keep);
  }
  if (!st) st = ap_policy_from_levels(db, levels, out, err);
  ap_free(levels);
  ap_level_db_destroy(db);
  return st;
}

/* One bit a vector, as hexadecimal digits. NULL out of memory. */
static json_t *kept_digits(const struct ap_policy_layer *layer) {
  size_t n = (layer->n_vectors + 3) / 4;
  char *text = ap_calloc(n + 1, 1);
  json_t *value = NULL;
  for (size_t i = 0; text && i < n; i++) {
    unsigned digit = 0;
    for (size_t b = 4 * i; b < 4 * i + 4; b++) {
      digit = 2 * digit + (b < layer->n_vectors && layer->kept[b]);
    }
    text[i] = "0123456789abcdef"[digit];
  }
  if (text) value = json_string(text);
  ap_free(text);
  return value;
}

/* 1..: something is missing; 0: added. */
static int add_kept(json_t *layers, const ap_policy *policy, json_t *root) {
  int bad = 0;
  if (policy->pruner.plugin.kind != AP_PLUGIN_NONE) {
    bad = json_object_set_new(root, "plugin", ap_plugin_to_json(&policy->pruner.plugin));
  }
  for (size_t i = 0; i < policy->n_layers && !bad; i++) {
    json_t *layer = json_array_get(layers, i);
    bad = json_object_set_new(layer, "vectors",
                              json_integer((json_int_t)policy->layers[i].n_vectors)) ||
          json_object_set_new(layer, "kept", kept_digits(&policy->layers[i]));
  }
  return bad;
}

ap_status ap_policy_save(const char *path, const ap_policy *policy, const json_t *extra, bool force,
                         ap_error *err) {
  json_t *root = json_object(), *layers = json_array();
  char granularity[96]; /* and criterion */
  ap_status st = AP_OK;
  int bad = !root || !layers;
  ap_pruner_print(&policy->pruner, granularity);
  if (!bad) bad = json_object_set_new(root, "schema", json_string(SCHEMA));
  if (!bad) bad = json_object_set_new(root, "pruner", json_string(policy->pruner.name));
  if (!bad) bad = json_object_set_new(root, "granularity", json_string(granularity));
  for (size_t i = 0; i < policy->n_layers && !bad; i++) {
    bad = json_array_append_new(layers, json_pack("{s:s, s:f, s:I}", "name", policy->layers[i].name,
                                                  "keep", policy->layers[i].keep, "vectors_kept",
                                                  (json_int_t)policy->layers[i].n_kept));
    if (!bad && policy->layers[i].weight_bits) {
      bad = json_object_set_new(json_array_get(layers, i), "weight_bits",
                                json_integer((json_int_t)policy->layers[i].weight_bits));
    }
  }
  if (!bad) bad = json_object_set(root, "layers", layers);
  if (!bad && ap_pruner_gives_masks(&policy->pruner)) bad = add_kept(layers, policy, root);
  if (!bad && extra) {
    const char *key;
    json_t *value, *source = json_deep_copy(extra);
    bad = !source;
    json_object_foreach(source, key, value) bad = bad || json_object_set(root, key, value);
    json_decref(source);
  }
  st = bad ? ap_fail(err, AP_ERR_MEMORY, "policy as JSON") : ap_json_save(path, root, force, err);
  json_decref(layers);
  json_decref(root);
  return st;
}

/* As many digits as vectors need, as many bits as vectors_kept says. */
static ap_status read_kept(const json_t *item, const char *where, struct ap_policy_layer *out,
                           ap_error *err) {
  const char *text;
  size_t kept = 0, n = 0;
  ap_status st = ap_json_size(item, "vectors", 1, MAX_VECTORS, where, &n, err);
  if (!st) st = ap_json_string(item, "kept", where, &text, err);
  if (st) return st;
  if (strlen(text) != (n + 3) / 4 || strspn(text, "0123456789abcdef") != strlen(text)) {
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: member \"kept\": %zu hexadecimal digits are expected for %zu vectors",
                   where, (n + 3) / 4, n);
  }
  out->kept = ap_calloc(n, 1);
  if (!out->kept) return ap_fail(err, AP_ERR_MEMORY, "policy");
  out->n_vectors = n;
  for (size_t i = 0; i < n; i++) {
    int digit = text[i / 4] <= '9' ? text[i / 4] - '0' : text[i / 4] - 'a' + 10;
    out->kept[i] = (digit >> (3 - i % 4)) & 1;
    kept += out->kept[i];
  }
  if (kept == out->n_kept) return AP_OK;
  return ap_fail(err, AP_ERR_FORMAT, "%s: member \"kept\" has %zu vectors, vectors_kept is %zu",
                 where, kept, out->n_kept);
}

static ap_status read_layer(const json_t *item, const char *where, struct ap_policy_layer *out,
                            ap_error *err) {
  const char *name;
  size_t bits = 0;
  ap_status st = ap_json_string(item, "name", where, &name, err);
  if (!st) st = ap_json_number(item, "keep", 0, 1, where, &out->keep, err);
  if (!st) st = ap_json_size(item, "vectors_kept", 0, SIZE_MAX / 2, where, &out->n_kept, err);
  if (!st && json_object_get(item, "weight_bits")) {
    st = ap_json_size(item, "weight_bits", AP_WEIGHT_BITS_LEAST, AP_WEIGHT_BITS_MOST, where, &bits,
                      err);
    out->weight_bits = (unsigned)bits;
  }
  if (st) return st;
  if (json_object_get(item, "kept")) st = read_kept(item, where, out, err);
  if (st) return st;
  out->name = ap_strdup(name);
  return out->name ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "policy");
}

ap_status ap_policy_load(const char *path, ap_policy **out, ap_error *err) {
  json_t *root = NULL;
  const json_t *layers;
  const char *schema, *text;
  ap_policy *p = NULL;
  ap_status st = ap_json_load(path, &root, err);
  *out = NULL;
  if (st) return st;
  st = ap_json_string(root, "schema", path, &schema, err);
  if (!st && strcmp(schema, SCHEMA) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: schema '%.40s', expected " SCHEMA, path, schema);
  }
  if (!st) st = ap_json_string(root, "granularity", path, &text, err);
  if (!st) st = ap_json_array(root, "layers", path, &layers, err);
  if (st) goto done;
  if (json_array_size(layers) == 0 || json_array_size(layers) > MAX_LAYERS) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: layers: %zu entries, expected 1 to %d", path,
                 json_array_size(layers), MAX_LAYERS);
    goto done;
  }
  st = new_policy(json_array_size(layers), &p, err);
  if (!st && (ap_plugin_meant(text) || strchr(text, '@'))) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: granularity '%.60s' is no granularity", path, text);
  }
  if (!st) {
    st = ap_pruner_parse(text, &p->pruner, err);
    if (st) (void)ap_fail_context(err, st, "%s: granularity", path);
  }
  for (size_t i = 0; i < json_array_size(layers) && !st; i++) {
    char *where = ap_sprintf("%s: layers[%zu]", path, i);
    st = where ? read_layer(json_array_get(layers, i), where, &p->layers[i], err)
               : ap_fail(err, AP_ERR_MEMORY, "policy");
    ap_free(where);
  }
  if (!st) {
    *out = p;
    p = NULL;
  }
done:
  ap_policy_destroy(p);
  json_decref(root);
  return st;
}

static ap_status apply_layer(const ap_policy *policy, size_t index, const ap_layer_info *info,
                             const ap_array_spec *spec, ap_network *net, ap_error *err) {
  const ap_array_spec array = ap_array_for_weights(spec, info->weight_bits);
  const struct ap_policy_layer *wish = &policy->layers[index];
  size_t size = info->k * info->n;
  ap_partition partition;
  float *matrix = NULL;
  uint32_t *order = NULL;
  uint8_t *kept = NULL;
  ap_status st;
  if (info->groups > 1) return AP_OK; /* grouped convolutions are kept whole */
  st = ap_partition_init(ap_granularity_of_layer(policy->pruner.granularity, info), &array, info->k,
                         info->n, &partition, err);
  if (st) return st;
  if (wish->n_kept > partition.count) {
    return ap_fail(err, AP_ERR_ARG, "policy keeps %zu vectors of %s, which has %zu on this array",
                   wish->n_kept, info->name, partition.count);
  }
  if (!wish->kept && policy->pruner.granularity.kind == AP_GRANULARITY_PATTERN) {
    return ap_fail(err, AP_ERR_ARG,
                   "policy keeps %zu weights of %s without saying which (member \"kept\"): their "
                   "number does not tell the patterns",
                   wish->n_kept, info->name);
  }
  if (wish->kept && wish->n_vectors != partition.count) {
    return ap_fail(err, AP_ERR_ARG, "policy has %zu vectors for %s, which has %zu on this array",
                   wish->n_vectors, info->name, partition.count);
  }
  if (!(fabs(wish->keep * (double)partition.count - (double)wish->n_kept) < 1)) {
    return ap_fail(err, AP_ERR_ARG,
                   "policy keeps %zu vectors of %s, by its \"keep\" a share of %g, but there are "
                   "%zu on this array: it was made for another array or another network",
                   wish->n_kept, info->name, wish->keep, partition.count);
  }
  matrix = ap_calloc(size, sizeof *matrix);
  order = ap_calloc(partition.count, sizeof *order);
  kept = ap_calloc(partition.count, 1);
  if (!matrix || !order || !kept) {
    st = ap_fail(err, AP_ERR_MEMORY, "pruning of %s", info->name);
    goto done;
  }
  ap_layer_get_matrix(net, info->node, matrix);
  if (wish->kept) {
    memcpy(kept, wish->kept, partition.count);
  } else {
    st = ap_pruner_order(&partition, policy->pruner.criterion, matrix, order, err);
    if (st) goto done;
    ap_pruner_keep_first(order, partition.count, wish->n_kept, kept);
  }
  if (wish->n_kept < partition.count) ap_partition_mask_f32(&partition, kept, matrix);
  if (wish->n_kept < partition.count && partition.granularity.kind == AP_GRANULARITY_BIT_COLUMN) {
    st = ap_bit_columns_round(&partition, kept, matrix, err);
    if (st) goto done;
  }
  ap_layer_set_matrix(net, info->node, matrix);
  float *bias = net->nodes[info->node].bias;
  if (bias && partition.granularity.kind == AP_GRANULARITY_FILTER)
    for (size_t j = 0; j < info->n; j++)
      if (!kept[j]) bias[j] = 0; /* a removed filter is gone, bias included */
done:
  ap_free(matrix);
  ap_free(order);
  ap_free(kept);
  return st;
}

/* The network's layers (ap_free them), which are to be the policy's. */
static ap_status layers_of(const ap_policy *policy, const ap_network *net, ap_layer_info **out,
                           ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *info = NULL;
  *out = NULL;
  if (n != policy->n_layers) {
    return ap_fail(err, AP_ERR_ARG, "policy has %zu layers, the network has %zu with weights",
                   policy->n_layers, n);
  }
  info = ap_calloc(n, sizeof *info);
  if (!info) return ap_fail(err, AP_ERR_MEMORY, "policy");
  (void)ap_network_layers(net, info, n);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(policy->layers[i].name, info[i].name) != 0) {
      ap_status st = ap_fail(err, AP_ERR_ARG, "policy layer %zu is '%s', the network's is '%s'", i,
                             policy->layers[i].name, info[i].name);
      ap_free(info);
      return st;
    }
  }
  *out = info;
  return AP_OK;
}

ap_status ap_policy_set_weight_bits(const ap_policy *policy, ap_network *net, ap_error *err) {
  ap_layer_info *info = NULL;
  ap_status st = layers_of(policy, net, &info, err);
  for (size_t i = 0; i < policy->n_layers && !st; i++) {
    unsigned bits = policy->layers[i].weight_bits;
    if (bits) net->nodes[info[i].node].weight_bits = bits;
  }
  ap_free(info);
  return st;
}

ap_status ap_policy_apply(const ap_policy *policy, const ap_array_spec *array, ap_network *net,
                          ap_error *err) {
  ap_layer_info *info = NULL;
  ap_status st = layers_of(policy, net, &info, err);
  for (size_t i = 0; i < policy->n_layers && !st; i++) {
    st = apply_layer(policy, i, &info[i], array, net, err);
  }
  if (!st) st = ap_follow_channels(policy->pruner.granularity, net, err);
  ap_free(info);
  return st;
}
