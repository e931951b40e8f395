#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "bench/bisect_impl.h"
#include "bench/cell_check_impl.h"
#include "bench/cell_impl.h"
#include "bench/cell_read_impl.h"
#include "bench/family_impl.h"
#include "bench/laws_impl.h"
#include "bench/tuning_impl.h"
#include "nn/model_file.h"
#include "pruners/network_price.h"
#include "pruners/recover.h"

#define SCHEMA "autoprune-cell-4"

static bool is_of(const json_t *cell, const char *network, const char *method) {
  return strcmp(text(cell, "network"), network) == 0 && strcmp(text(cell, "method"), method) == 0;
}

json_t *ap_cell_find(const json_t *cells, const char *network, const char *method) {
  for (size_t i = 0; i < json_array_size(cells); i++) {
    json_t *cell = json_array_get(cells, i);
    if (is_of(cell, network, method)) return cell;
  }
  return NULL;
}

json_t *ap_cell_find_seed(const json_t *cells, const char *network, const char *method,
                          uint64_t seed) {
  for (size_t i = 0; i < json_array_size(cells); i++) {
    json_t *cell = json_array_get(cells, i);
    if ((uint64_t)json_integer_value(json_object_get(cell, "seed")) == seed &&
        is_of(cell, network, method)) {
      return cell;
    }
  }
  return NULL;
}

/* As many as are wished for, or all of a smaller split. */
static size_t search_images(const ap_cell *cell) {
  const size_t wished = cell->network->search_images;
  const size_t all = ap_dataset_describe(ap_workbench_data(cell->bench), AP_SPLIT_SEARCH).n_images;
  return wished < all ? wished : all;
}

ap_status ap_cell_tools_open(const ap_cell *cell, ap_cell_tools *tools, ap_error *err) {
  ap_level_db_options options = ap_level_db_defaults();
  uint64_t plugin_seed =
      cell->pruner->plugin.kind == AP_PLUGIN_NONE ? 0 : cell->pruner->plugin.seed;
  ap_status st = AP_OK;
  if (tools->ev && strcmp(tools->pruner, cell->method->pruner) == 0 &&
      tools->plugin_seed == plugin_seed) {
    return AP_OK;
  }
  ap_cell_tools_close(tools);
  options.pruner = *cell->pruner;
  st = ap_workbench_levels(cell->bench, &options, true, &tools->db, err);
  if (!st) {
    st = ap_workbench_evaluator(cell->bench, tools->db, AP_SPLIT_SEARCH, search_images(cell),
                                cell->quiet, &tools->ev, err);
  }
  if (st) {
    ap_cell_tools_close(tools);
    return st;
  }
  (void)snprintf(tools->pruner, sizeof tools->pruner, "%s", cell->method->pruner);
  tools->plugin_seed = plugin_seed;
  return AP_OK;
}

void ap_cell_tools_close(ap_cell_tools *tools) {
  ap_evaluator_destroy(tools->ev);
  ap_level_db_destroy(tools->db);
  ap_free(tools->spent);
  memset(tools, 0, sizeof *tools);
}

/* Everything that the result depends on. */
static ap_status configuration(const ap_cell *cell, json_t **out, ap_error *err) {
  const ap_dataset *data = ap_workbench_data(cell->bench);
  ap_train_options recipe = ap_suite_recovery(cell->network, data, cell->seed);
  char model[AP_SHA256_TEXT], tech[AP_SHA256_TEXT];
  ap_status st = ap_network_hash(ap_workbench_trained(cell->bench), model, err);
  if (!st) st = ap_tech_hash(ap_workbench_tech(cell->bench), tech, err);
  if (st) return st;
  *out = json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:o,"
      " s:{s:s, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:b}}",
      "schema", SCHEMA, "commit", ap_build_commit(), "network", cell->network->network,
      "model_sha256", model, "data", ap_dataset_name(data), "data_sha256", ap_dataset_hash(data),
      "hardware_sha256", tech, "method", cell->method->name, "pruner", cell->method->pruner,
      "max_loss", cell->max_loss, "seed", (json_int_t)cell->seed, "tunings",
      (json_int_t)cell->suite->tunings, "episodes",
      (json_int_t)(ap_method_searches(cell->method) ? cell->network->episodes : 0), "search_images",
      (json_int_t)cell->network->search_images, "searcher",
      cell->method->searcher ? json_string(cell->method->searcher) : json_null(), "recovery",
      "start", "repaired-in-sequence", "epochs", recipe.epochs, "batch", (json_int_t)recipe.batch,
      "lr", recipe.lr, "warmup_epochs", recipe.warmup_epochs, "momentum", recipe.momentum,
      "weight_decay", recipe.weight_decay, "label_smoothing", recipe.label_smoothing, "crop",
      (json_int_t)recipe.crop, "flip", (int)recipe.flip);
  if (*out && ((ap_method_searches(cell->method) &&
                json_object_set_new(*out, "search_limit", json_real(cell->search_limit))) ||
               (cell->method->reward &&
                json_object_set_new(*out, "reward", json_string(cell->method->reward))) ||
               (cell->pruner->plugin.kind != AP_PLUGIN_NONE &&
                json_object_set_new(*out, "plugin", ap_plugin_to_json(&cell->pruner->plugin))))) {
    json_decref(*out);
    *out = NULL;
  }
  return *out ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "configuration");
}

/* The final network stands beside its numbers, for whoever wants to look further: simulate it, export
 * it, study its devices. */
static ap_status keep_network(const ap_cell *cell, const ap_network *deployed, const json_t *result,
                              ap_error *err) {
  json_t *metadata =
      json_pack("{s:s, s:s, s:O, s:O, s:O, s:O}", "method", cell->method->name, "pruner",
                cell->method->pruner, "configuration", json_object_get(result, "config"),
                "accuracy_selection", json_object_get(result, "accuracy_selection"),
                "accuracy_test", json_object_get(result, "accuracy_test"), "provenance",
                json_object_get(result, "provenance"));
  ap_status st =
      metadata ? ap_model_save(cell->network_path, deployed, metadata, AP_STORE_FLOAT32, true, err)
               : ap_fail(err, AP_ERR_MEMORY, "metadata");
  json_decref(metadata);
  return st;
}

/* What the deployed network is on the hardware and on the splits. */
static ap_status describe(const ap_cell *cell, const ap_network *deployed, json_t *result,
                          ap_error *err) {
  ap_network_price *price = NULL;
  ap_score selection, test;
  json_t *numbers = NULL, *laws = NULL;
  double seconds = ap_seconds();
  ap_status st = ap_network_price_create(deployed, ap_workbench_tech(cell->bench),
                                         cell->pruner->granularity, true, &price, err);
  seconds = ap_seconds() - seconds;
  if (!st) {
    st = ap_law_prices(deployed, ap_workbench_tech(cell->bench), cell->pruner->granularity, &laws,
                       err);
  }
  if (!st) st = ap_workbench_score(cell->bench, deployed, AP_SPLIT_SELECTION, &selection, err);
  if (!st) st = ap_workbench_score(cell->bench, deployed, AP_SPLIT_TEST, &test, err);
  if (st) goto done;
  numbers =
      json_pack("{s:f, s:f, s:f, s:f, s:O, s:o}", "accuracy_selection", selection.accuracy,
                "loss_selection", selection.loss, "accuracy_test", test.accuracy, "mapping_seconds",
                seconds, "laws", laws, "hardware", ap_network_price_to_json(price, true));
  if (!numbers || json_object_update(result, numbers)) {
    st = ap_fail(err, AP_ERR_MEMORY, "result");
  }
  if (!st) st = keep_network(cell, deployed, result, err);
done:
  json_decref(numbers);
  json_decref(laws);
  ap_network_price_destroy(price);
  return st;
}

/* The network as trained, its weights in the array's precision, every vector kept. */
static ap_status dense_cell(const ap_cell *cell, ap_cell_tools *tools, json_t *result,
                            ap_error *err) {
  ap_network *deployed = NULL;
  uint32_t *levels = NULL;
  ap_status st = ap_cell_tools_open(cell, tools, err);
  if (st) return st;
  levels = ap_calloc(ap_level_db_layers(tools->db), sizeof *levels);
  if (!levels) return ap_fail(err, AP_ERR_MEMORY, "levels");
  for (size_t i = 0; i < ap_level_db_layers(tools->db); i++) {
    levels[i] = (uint32_t)ap_level_db_levels(tools->db, i) - 1;
  }
  st = ap_deploy_levels(ap_workbench_folded(cell->bench), tools->db, levels, &deployed, err);
  if (!st) st = describe(cell, deployed, result, err);
  ap_network_destroy(deployed);
  ap_free(levels);
  return st;
}

static ap_status add_kept(const ap_level_db *db, const uint32_t *levels, json_t *result,
                          ap_error *err) {
  json_t *keep = json_array();
  int bad = !keep;
  for (size_t i = 0; i < ap_level_db_layers(db) && !bad; i++) {
    bad = json_array_append_new(keep, json_real(ap_level_db_level(db, i, levels[i])->keep));
  }
  if (bad || json_object_set_new(result, "keep", keep)) {
    if (bad) json_decref(keep);
    return ap_fail(err, AP_ERR_MEMORY, "result");
  }
  return AP_OK;
}

/* The family's points that no heavier policy beats, heaviest first. */
static ap_status add_front(const ap_family *family, json_t *result, ap_error *err) {
  json_t *front = json_array();
  double best = -1;
  int bad = !front;
  for (size_t i = family->n; i-- > 0 && !bad;) {
    if (!(family->accuracy[i] > best)) continue;
    best = family->accuracy[i];
    bad = json_array_append_new(front, json_pack("[f, f]", family->crossbars[i], best));
  }
  if (bad || json_object_set_new(result, "front", front)) {
    if (bad) json_decref(front);
    return ap_fail(err, AP_ERR_MEMORY, "result");
  }
  return AP_OK;
}

static ap_status pruned_cell(const ap_cell *cell, ap_cell_tools *tools, const char *state_path,
                             json_t *result, ap_error *err) {
  ap_family family = {0};
  ap_bisection bisection = {0};
  json_t *episodes = NULL, *seconds = NULL;
  double dense = json_number_value(json_object_get(cell->dense, "accuracy_selection"));
  ap_status st = ap_cell_tools_open(cell, tools, err);
  if (!st && ap_method_searches(cell->method)) {
    ap_family_search search = {.searcher = cell->method->searcher,
                               .reward = cell->method->reward,
                               .episodes = cell->network->episodes,
                               .max_loss = cell->search_limit,
                               .seed = cell->seed,
                               .state_path = state_path,
                               .quiet = cell->quiet};
    st = ap_family_searched(tools->db, tools->ev, &search, &family, &episodes, &seconds, err);
  } else if (!st && strcmp(cell->method->searcher, "global") == 0) {
    st = ap_family_global(tools->db, tools->ev, &family, err);
  } else if (!st) {
    st = ap_family_uniform(tools->db, tools->ev, &family, err);
  }
  if (!st) st = ap_bisect(cell, tools->db, &family, dense, &bisection, err);
  if (!st) st = describe(cell, bisection.deployed, result, err);
  if (!st)
    st = add_kept(tools->db, family.levels + bisection.chosen * family.n_layers, result, err);
  if (!st) st = add_front(&family, result, err);
  if (st) goto done;
  ap_free(tools->spent);
  tools->spent = bisection.kept_network;
  bisection.kept_network = NULL;
  if (json_object_set_new(result, "oneshot_accuracy_search",
                          json_real(family.accuracy[bisection.chosen])) ||
      json_object_set_new(result, "oneshot_loss_search",
                          json_real(family.accuracy[0] - family.accuracy[bisection.chosen])) ||
      json_object_set_new(result, "oneshot_accuracy_selection",
                          json_real(bisection.oneshot_selection)) ||
      json_object_set(result, "tunings", bisection.log) ||
      json_object_set_new(result, "family", json_integer((json_int_t)family.n)) ||
      (episodes && json_object_set(result, "episodes", episodes)) ||
      (seconds && json_object_set(result, "search_seconds", seconds))) {
    st = ap_fail(err, AP_ERR_MEMORY, "result");
  }
done:
  json_decref(episodes);
  json_decref(seconds);
  ap_bisection_release(&bisection);
  ap_family_release(&family);
  return st;
}

static ap_status compute(const ap_cell *cell, ap_cell_tools *tools, const json_t *config,
                         const char *hash, const char *state_path, const json_t *provenance,
                         json_t **out, ap_error *err) {
  double start = ap_seconds();
  json_t *result =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:O}", "schema", SCHEMA, "hash", hash, "network",
                cell->network->network, "data", cell->network->data, "method", cell->method->name,
                "config", config, "provenance", provenance);
  ap_status st = result ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "result");
  if (!st && cell->method->searcher) {
    st = pruned_cell(cell, tools, state_path, result, err);
  } else if (!st) {
    st = dense_cell(cell, tools, result, err);
  }
  if (!st && json_object_set_new(result, "seconds", json_real(ap_seconds() - start))) {
    st = ap_fail(err, AP_ERR_MEMORY, "result");
  }
  if (st) {
    json_decref(result);
    result = NULL;
  }
  *out = result;
  return st;
}

/* Where a cell's files are, and what it depends on. */
typedef struct {
  json_t *config;
  char hash[AP_SHA256_TEXT];
  char *json, *state, *network;
} places;

static void places_release(places *p) {
  json_decref(p->config);
  ap_free(p->json);
  ap_free(p->state);
  ap_free(p->network);
}

static ap_status places_find(const ap_cell *cell, places *p, ap_error *err) {
  char *stem = NULL;
  ap_status st;
  memset(p, 0, sizeof *p);
  st = configuration(cell, &p->config, err);
  if (!st) st = ap_config_hash(p->config, p->hash, err);
  if (st) return st;
  stem = ap_sprintf("%s-%s-%.12s", cell->network->network, cell->method->name, p->hash);
  for (char *c = stem; c && *c; c++) *c = strchr("/:@ '\"\t*?\\", *c) ? '_' : *c;
  if (stem) p->json = ap_sprintf("%s/%s.json", cell->folder, stem);
  if (stem) p->state = ap_sprintf("%s/%s.state", cell->folder, stem);
  if (stem) p->network = ap_sprintf("%s/%s.apm", cell->folder, stem);
  ap_free(stem);
  if (!p->json || !p->state || !p->network) return ap_fail(err, AP_ERR_MEMORY, "paths");
  return AP_OK;
}

/* A stored cell counts only if it belongs to this very configuration and is whole. *damage: why not. */
static bool stored(const places *p, json_t **result, ap_error *damage) {
  ap_status st;
  if (!ap_file_exists(p->network) || !ap_file_exists(p->json)) return false;
  st = ap_json_load(p->json, result, damage);
  if (!st && !json_equal(json_object_get(*result, "config"), p->config)) {
    st = ap_fail(damage, AP_ERR_FORMAT, "%s: member \"config\" is another cell's", p->json);
  }
  if (!st) st = ap_cell_check(*result, p->hash, p->json, damage);
  if (!st) return true;
  json_decref(*result);
  *result = NULL;
  return false;
}

ap_status ap_cell_peek(const ap_cell *cell, json_t **result, ap_error *damage, ap_error *err) {
  places p;
  ap_status st = places_find(cell, &p, err);
  *result = NULL;
  if (!st) (void)stored(&p, result, damage);
  places_release(&p);
  return st;
}

ap_status ap_cell_get(const ap_cell *cell, ap_cell_tools *tools, const json_t *provenance,
                      json_t **result, ap_error *err) {
  ap_cell own = *cell;
  places p;
  ap_status st = places_find(cell, &p, err);
  *result = NULL;
  if (st) goto done;
  own.network_path = p.network;
  own.config = p.config;
  if (stored(&p, result, NULL)) goto done;
  st = compute(&own, tools, p.config, p.hash, p.state, provenance, result, err);
  if (!st) st = ap_json_save(p.json, *result, true, err);
  if (!st) (void)remove(p.state);
  if (!st && tools->spent) (void)remove(tools->spent);
  if (st) {
    json_decref(*result);
    *result = NULL;
    if (st != AP_ERR_PLUGIN) { /* which names itself */
      st = ap_fail_context(err, st, "%s, %s", cell->network->network, cell->method->name);
    }
  }
done:
  places_release(&p);
  return st;
}
