#include "cli/common.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/provenance.h"
#include "base/text.h"
#include "pruners/policy.h"

#define MATRIX_BYTES ((size_t)1 << 31) /* largest .npy that is read: 2 GiB */

ap_status ap_cli_print_json(json_t *document, ap_error *err) {
  ap_status st = AP_OK;
  if (!document) return ap_fail(err, AP_ERR_MEMORY, "result document");
  if (json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0) {
    st = ap_fail(err, AP_ERR_IO, "standard output: the result could not be written");
  }
  (void)fputc('\n', stdout);
  json_decref(document);
  return st;
}

bool ap_cli_set(json_t *object, const char *key, json_t *value) {
  return json_object_set_new(object, key, value) == 0;
}

void ap_cli_note(const ap_cli *cli, const char *format, ...) {
  char text[4096]; /* names of files may hold anything */
  va_list arguments;
  if (cli->quiet) return;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  ap_text_clean(text);
  (void)fprintf(stderr, "%s\n", text);
}

void ap_cli_duration(double seconds, char text[24]) {
  unsigned long long s = seconds > 0 && seconds < 1e12 ? (unsigned long long)(seconds + 0.5) : 0;
  (void)snprintf(text, 24, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

ap_status ap_cli_read_changes(const ap_text_list *overrides, ap_cli_changes *out, ap_error *err) {
  out->n = 0;
  for (size_t i = 0; i < overrides->n; i++) {
    const char *item = overrides->items[i], *equal = strchr(item, '=');
    char *name = out->names[i];
    if (!equal || equal == item || (size_t)(equal - item) >= sizeof out->names[i]) {
      return ap_fail(err, AP_ERR_ARG, "--set %s: expected section.key=value", item);
    }
    (void)snprintf(name, sizeof out->names[i], "%.*s", (int)(equal - item), item);
    out->items[out->n++] = (ap_tech_change){name, equal + 1};
  }
  return AP_OK;
}

ap_status ap_cli_open_tech(const char *hw, const ap_text_list *overrides, ap_tech **out,
                           ap_error *err) {
  ap_cli_changes changes;
  ap_tech *tech = NULL;
  ap_status st = ap_tech_open(hw ? hw : "ou", &tech, err);
  *out = NULL;
  if (!st) st = ap_cli_read_changes(overrides, &changes, err);
  if (!st) {
    st = ap_tech_override_all(tech, changes.items, changes.n, err);
    if (st) (void)ap_fail_context(err, st, "--set");
  }
  if (st) {
    ap_tech_close(tech);
    return st;
  }
  *out = tech;
  return AP_OK;
}

ap_status ap_cli_probe_output(const char *path, bool force, ap_error *err) {
  ap_output *output = NULL;
  ap_status st = ap_output_open(path, force, &output, err);
  ap_output_abandon(output);
  return st;
}

/* Weights and inputs are float32 from here on: a number too large would become infinite, one too small
 * a zero, whose vector would not be stored. */
static ap_status check_float(const char *path, const ap_npy *npy, size_t i, ap_error *err) {
  double value = ap_npy_get(npy, i);
  float as_float = (float)value;
  size_t row = i / npy->dims[1], column = i % npy->dims[1];
  if (!isfinite(value)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: row %zu, column %zu is not a finite number", path, row,
                   column);
  }
  if (!isfinite(as_float) || (as_float == 0.0F && value != 0.0)) {
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: row %zu, column %zu is %g, expected 0 or what float32 holds (1.4e-45 to "
                   "3.4e+38)",
                   path, row, column, value);
  }
  return AP_OK;
}

ap_status ap_cli_load_matrix(const char *path, ap_npy *out, ap_error *err) {
  ap_status st = ap_npy_load(path, MATRIX_BYTES, out, err);
  if (st) return st;
  if (out->n_dims != 2 || out->count == 0) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: %zu dimensions, %zu values; expected a matrix of 2, not "
                 "empty",
                 path, out->n_dims, out->count);
  }
  for (size_t i = 0; !st && i < out->count; i++) st = check_float(path, out, i, err);
  if (st) ap_npy_release(out);
  return st;
}

ap_status ap_cli_pruner(const char *text, double time_limit, uint64_t seed, ap_pruner *out,
                        ap_error *err) {
  ap_status st = ap_pruner_parse(text, out, err);
  if (st) return ap_fail_context(err, st, "--pruner");
  out->plugin.time_limit = time_limit;
  out->plugin.seed = seed;
  return AP_OK;
}

ap_status ap_cli_set_weight_bits(const char *policy_path, const ap_policy *policy,
                                 const char *weight_bits, ap_network *net, ap_error *err) {
  ap_status st = policy ? ap_policy_set_weight_bits(policy, net, err) : AP_OK;
  if (st) return ap_fail_context(err, st, "%s", policy_path);
  if (!weight_bits) return AP_OK;
  st = ap_network_set_weight_bits(net, weight_bits, err);
  return st ? ap_fail_context(err, st, "--weight-bits") : AP_OK;
}

ap_status ap_cli_apply_policy(const char *path, const ap_policy *policy, const ap_tech *tech,
                              ap_network *net, ap_error *err) {
  ap_status st = ap_policy_apply(policy, ap_tech_array(tech), net, err);
  return st ? ap_fail_context(err, st, "%s", path) : AP_OK;
}

json_t *ap_cli_weight_bits_json(const ap_network *net) {
  json_t *object = NULL;
  for (size_t i = 0; net && i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    if (!node->weight_bits) continue;
    if (!object) object = json_object();
    if (!ap_cli_set(object, node->name, json_integer((json_int_t)node->weight_bits))) {
      json_decref(object);
      return NULL;
    }
  }
  return object ? object : json_null();
}

static size_t positions_of(const ap_subject *subject) {
  return subject->positions ? subject->positions : 1;
}

/* The pruner of --pruner, or the policy's. */
static ap_status pruner_of(const ap_subject *subject, uint64_t seed, const ap_policy *policy,
                           ap_priced *out, ap_pruner *pruner, ap_error *err) {
  ap_status st = ap_cli_pruner(subject->pruner ? subject->pruner : "column-vector",
                               subject->plugin_timeout, seed, pruner, err);
  if (st) return st;
  if (policy && !subject->pruner) *pruner = policy->pruner;
  ap_granularity_print(pruner->granularity, out->granularity);
  return AP_OK;
}

static ap_status load_folded(const ap_subject *subject, ap_priced *out, ap_error *err) {
  ap_network *net = NULL;
  ap_status st = ap_cli_load_model(&subject->model, &net, NULL, err);
  if (!st) st = ap_network_hash(net, out->model_hash, err);
  if (!st) st = ap_network_fold(net, &out->net, err);
  ap_network_destroy(net);
  return st;
}

static ap_status price_model(const ap_subject *subject, uint64_t seed, ap_priced *out,
                             ap_error *err) {
  ap_policy *policy = NULL;
  ap_pruner pruner = {.name = ""};
  ap_status st = AP_OK;
  if (subject->policy) st = ap_policy_load(subject->policy, &policy, err);
  if (!st) st = pruner_of(subject, seed, policy, out, &pruner, err);
  if (!st) st = load_folded(subject, out, err);
  if (!st)
    st = ap_cli_set_weight_bits(subject->policy, policy, subject->weight_bits, out->net, err);
  if (!st && subject->keep > 0) {
    out->plugin = pruner.plugin;
    st = ap_policy_uniform(out->net, out->tech, &pruner, subject->keep, &policy, err);
  }
  if (!st && policy) {
    st = ap_cli_apply_policy(subject->policy, policy, out->tech, out->net, err);
  }
  if (!st) {
    st = ap_network_price_create(out->net, out->tech, pruner.granularity, !subject->quick,
                                 &out->price, err);
  }
  ap_policy_destroy(policy);
  return st;
}

static ap_status price_matrix(const ap_subject *subject, uint64_t seed, ap_priced *out,
                              ap_error *err) {
  ap_npy npy = {0};
  float *matrix = NULL;
  ap_pruner pruner = {.name = ""};
  ap_status st = pruner_of(subject, seed, NULL, out, &pruner, err);
  if (!st) st = ap_cli_load_matrix(subject->matrix, &npy, err);
  if (st) return st;
  matrix = ap_calloc(npy.count, sizeof *matrix);
  if (!matrix) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu weights", subject->matrix, npy.count);
    goto done;
  }
  for (size_t i = 0; i < npy.count; i++) matrix[i] = (float)ap_npy_get(&npy, i);
  st = ap_matrix_price_create("matrix", matrix, npy.dims[0], npy.dims[1], positions_of(subject),
                              out->tech, pruner.granularity, !subject->quick, &out->price, err);
  if (st) (void)ap_fail_context(err, st, "%s", subject->matrix);
done:
  ap_free(matrix);
  ap_npy_release(&npy);
  return st;
}

ap_status ap_cli_price(const ap_subject *subject, uint64_t seed, ap_priced *out, ap_error *err) {
  ap_status st = AP_OK;
  memset(out, 0, sizeof *out);
  if (!subject->model.path == !subject->matrix) {
    return ap_fail(err, AP_ERR_ARG, "either --model or --matrix is needed (see --help)");
  }
  if (subject->matrix && subject->policy) {
    return ap_fail(err, AP_ERR_ARG, "--policy goes with --model, not with --matrix");
  }
  if (subject->matrix && subject->weight_bits) {
    return ap_fail(err, AP_ERR_ARG,
                   "--weight-bits goes with --model (of a matrix: --set array.weight_bits=BITS)");
  }
  if (subject->matrix && (subject->model.mean || subject->model.std)) {
    return ap_fail(err, AP_ERR_ARG, "--mean and --std go with --model, not with --matrix");
  }
  if (subject->positions && !subject->matrix) {
    return ap_fail(err, AP_ERR_ARG, "--positions goes with --matrix (a model has its own)");
  }
  if (subject->keep > 0 && (subject->matrix || subject->policy)) {
    return ap_fail(err, AP_ERR_ARG, "--keep goes with --model, without --policy");
  }
  st = ap_cli_open_tech(subject->hw, &subject->overrides, &out->tech, err);
  if (!st) {
    st = subject->model.path ? price_model(subject, seed, out, err)
                             : price_matrix(subject, seed, out, err);
  }
  if (!st && subject->copies > 1) {
    st = ap_network_price_replicate(out->price, out->tech, (uint32_t)subject->copies, err);
  }
  if (st) ap_cli_priced_release(out);
  return st;
}

void ap_cli_priced_release(ap_priced *priced) {
  ap_network_price_destroy(priced->price);
  ap_network_destroy(priced->net);
  ap_tech_close(priced->tech);
  memset(priced, 0, sizeof *priced);
}

#define HASHED_FILE_LIMIT ((size_t)1 << 34)

json_t *ap_cli_file_hash(const char *path) {
  char *bytes = NULL, text[AP_SHA256_TEXT];
  size_t size = 0;
  if (!path || ap_file_read(path, HASHED_FILE_LIMIT, &bytes, &size, NULL)) return json_null();
  ap_sha256(bytes, size, text);
  ap_free(bytes);
  return json_string(text);
}

json_t *ap_cli_provenance(const ap_cli *cli, json_t *configuration) {
  json_t *provenance = configuration ? ap_provenance(cli->argc, cli->argv) : NULL;
  char hash[AP_SHA256_TEXT];
  if (provenance && ap_config_hash(configuration, hash, NULL) == AP_OK &&
      json_object_set(provenance, "configuration", configuration) == 0 &&
      ap_cli_set(provenance, "configuration_sha256", json_string(hash))) {
    json_decref(configuration);
    return provenance;
  }
  json_decref(configuration);
  json_decref(provenance);
  return NULL;
}

/* What a map or a price depends on. */
static json_t *priced_configuration(const ap_cli *cli, const ap_subject *subject,
                                    const ap_priced *priced, const char *hardware_hash) {
  json_t *configuration =
      json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:I}", "model_sha256",
                priced->model_hash[0] ? json_string(priced->model_hash) : json_null(),
                "matrix_sha256", ap_cli_file_hash(subject->matrix), "policy_sha256",
                ap_cli_file_hash(subject->policy), "hardware_sha256", hardware_hash, "granularity",
                priced->granularity, "positions", (json_int_t)positions_of(subject), "replication",
                (json_int_t)(subject->copies ? subject->copies : 1));
  json_t *weight_bits = ap_cli_weight_bits_json(priced->net);
  bool good = configuration != NULL && weight_bits != NULL;
  if (good && !json_is_null(weight_bits)) {
    good = json_object_set(configuration, "weight_bits", weight_bits) == 0;
  }
  json_decref(weight_bits);
  if (good && subject->keep > 0) {
    good = ap_cli_set(configuration, "keep", json_real(subject->keep));
    if (good && priced->plugin.kind != AP_PLUGIN_NONE) {
      good = ap_cli_set(configuration, "plugin", ap_plugin_to_json(&priced->plugin)) &&
             ap_cli_set(configuration, "seed", json_integer((json_int_t)cli->seed));
    }
  }
  if (good) return configuration;
  json_decref(configuration);
  return NULL;
}

static json_t *ratio(uint64_t dense, uint64_t kept) {
  return kept > 0 ? json_real((double)dense / (double)kept) : json_null();
}

json_t *ap_cli_priced_json(const ap_cli *cli, const ap_subject *subject, const ap_priced *priced,
                           bool with_cost) {
  json_t *document = ap_network_price_to_json(priced->price, with_cost);
  json_t *compression = json_object(), *hardware = json_object();
  const ap_map_summary *map = &priced->price->map;
  char hash[65] = "";
  json_int_t adc_bits = ap_array_adc_bits(ap_tech_array(priced->tech));
  bool good = document && compression && hardware &&
              ap_tech_hash(priced->tech, hash, NULL) == AP_OK &&
              ap_cli_set(compression, "weights", ratio(map->weights, map->weights_kept)) &&
              ap_cli_set(compression, "macs", ratio(map->macs, map->macs_kept)) &&
              ap_cli_set(compression, "ous", ratio(map->ous_dense, map->ous)) &&
              ap_cli_set(compression, "crossbars", ratio(map->crossbars_dense, map->crossbars)) &&
              ap_cli_set(hardware, "name", json_string(ap_tech_name(priced->tech))) &&
              ap_cli_set(hardware, "hash", json_string(hash)) &&
              ap_cli_set(hardware, "adc_bits", json_integer(adc_bits)) &&
              ap_cli_set(hardware, "configuration", ap_tech_to_json(priced->tech));
  if (good && with_cost) {
    const ap_cost *cost = &priced->price->cost;
    good = ap_cli_set(document, "replication",
                      json_integer((json_int_t)(subject->copies ? subject->copies : 1))) &&
           ap_cli_set(document, "area_mm2", json_real(cost->total_area_mm2)) &&
           ap_cli_set(document, "energy_uj", json_real(cost->total_energy_uj)) &&
           ap_cli_set(document, "latency_us", json_real(cost->total_latency_us));
  }
  good = good && json_object_set(document, "compression", compression) == 0 &&
         json_object_set(document, "hardware", hardware) == 0 &&
         ap_cli_set(document, "subject",
                    ap_json_text(subject->model.path ? subject->model.path : subject->matrix)) &&
         ap_cli_set(document, "model_hash",
                    priced->model_hash[0] ? json_string(priced->model_hash) : json_null()) &&
         ap_cli_set(document, "policy",
                    subject->policy ? ap_json_text(subject->policy) : json_null()) &&
         ap_cli_set(document, "granularity", json_string(priced->granularity)) &&
         ap_cli_set(document, "keep", subject->keep > 0 ? json_real(subject->keep) : json_null()) &&
         ap_cli_set(document, "mapping_checked", json_boolean(!subject->quick)) &&
         ap_cli_set(document, "provenance",
                    ap_cli_provenance(cli, priced_configuration(cli, subject, priced, hash)));
  json_decref(compression);
  json_decref(hardware);
  if (good) return document;
  json_decref(document);
  return NULL;
}
