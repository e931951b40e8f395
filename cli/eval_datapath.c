#include "cli/eval_datapath.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "base/statistics.h"
#include "cli/common.h"
#include "cli/record.h"
#include "pruners/datapath_network.h"

typedef struct {
  ap_score score;
  ap_datapath_stats stats;
  size_t equal_images, equal_classes; /* as the quantised network's */
} device_result;

typedef struct {
  ap_quantised_subject on;
  ap_datapath_network *hw;
  ap_score quantised;
  float *quantised_logits, *logits;
  device_result *devices;
  double *accuracies;
  ap_sample_statistics accuracy;
  double seconds, cpu_seconds; /* of the hardware's part */
} evaluation;

static double cpu_seconds(void) {
  struct timespec t = {0, 0};
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void release(evaluation *e) {
  ap_datapath_network_destroy(e->hw);
  ap_quantised_subject_release(&e->on);
  ap_free(e->quantised_logits);
  ap_free(e->logits);
  ap_free(e->devices);
  ap_free(e->accuracies);
}

static ap_status build(const ap_datapath_options *o, evaluation *e, ap_error *err) {
  ap_status st = ap_datapath_network_create(e->on.in, ap_tech_array(e->on.tech), e->on.granularity,
                                            &e->hw, err);
  if (st) return st;
  e->quantised_logits = ap_calloc(e->on.images, e->on.net->classes * sizeof *e->quantised_logits);
  e->logits = ap_calloc(e->on.images, e->on.net->classes * sizeof *e->logits);
  e->devices = ap_calloc(o->samples, sizeof *e->devices);
  e->accuracies = ap_calloc(o->samples, sizeof *e->accuracies);
  if (!e->quantised_logits || !e->logits || !e->devices || !e->accuracies) {
    return ap_fail(err, AP_ERR_MEMORY, "outputs of %zu images", e->on.images);
  }
  return AP_OK;
}

static ap_status run_devices(const ap_cli *cli, const ap_datapath_subject *s,
                             const ap_datapath_options *o, evaluation *e, ap_error *err) {
  const ap_device device = {.sigma = o->sigma,
                            .stuck_low = o->stuck_low,
                            .stuck_high = o->stuck_high,
                            .read_noise = o->read_noise,
                            .seed = cli->seed};
  double start = ap_seconds(), cpu = cpu_seconds();
  for (size_t k = 0; k < o->samples; k++) {
    device_result *d = &e->devices[k];
    ap_status st = ap_datapath_network_run(e->hw, &device, k, e->on.data, e->on.split, e->on.images,
                                           e->on.pool, &d->score, e->logits, &d->stats, err);
    if (!st && k == 0 && s->logits) {
      size_t dims[2] = {e->on.images, e->on.net->classes};
      st = ap_npy_save(s->logits, AP_NPY_F32, dims, 2, e->logits, cli->force, err);
    }
    if (st) return st;
    d->equal_images =
        ap_count_equal_logits(e->quantised_logits, e->logits, e->on.images, e->on.net->classes);
    d->equal_classes =
        ap_count_equal_classes(e->quantised_logits, e->logits, e->on.images, e->on.net->classes);
    e->accuracies[k] = d->score.accuracy;
    if (o->samples > 1) {
      ap_cli_note(cli, "device %zu of %zu: %.2f %%", k + 1, o->samples, 100 * d->score.accuracy);
    }
  }
  e->accuracy = ap_sample_statistics_of(e->accuracies, o->samples);
  e->seconds = ap_seconds() - start;
  e->cpu_seconds = cpu_seconds() - cpu;
  return AP_OK;
}

/* ---- results ---- */
static double within_1(double value) { return value < 0 ? 0 : value > 1 ? 1 : value; }

static json_t *devices_json(const ap_datapath_options *o, const evaluation *e) {
  json_t *devices = json_array();
  for (size_t k = 0; devices && k < o->samples; k++) {
    const device_result *d = &e->devices[k];
    json_t *one = ap_quantised_score_json(&d->score);
    if (!one || !ap_cli_set(one, "equal_images", json_integer((json_int_t)d->equal_images)) ||
        !ap_cli_set(one, "equal_classes", json_integer((json_int_t)d->equal_classes)) ||
        !ap_cli_set(one, "conversions", json_integer((json_int_t)d->stats.conversions)) ||
        !ap_cli_set(one, "saturated", json_integer((json_int_t)d->stats.saturated)) ||
        json_array_append(devices, one) != 0) {
      json_decref(one);
      json_decref(devices);
      return NULL;
    }
    json_decref(one);
  }
  return devices;
}

static json_t *hardware_json(const ap_datapath_options *o, const evaluation *e) {
  char hash[65] = "";
  json_t *hardware = json_object();
  if (hardware && ap_tech_hash(e->on.tech, hash, NULL) == AP_OK &&
      ap_cli_set(hardware, "name", json_string(ap_tech_name(e->on.tech))) &&
      ap_cli_set(hardware, "hash", json_string(hash)) &&
      ap_cli_set(hardware, "configuration", ap_tech_to_json(e->on.tech)) &&
      ap_cli_set(hardware, "granularity", json_string(e->on.granularity_name)) &&
      ap_cli_set(hardware, "sigma", json_real(o->sigma)) &&
      ap_cli_set(hardware, "stuck_low", json_real(o->stuck_low)) &&
      ap_cli_set(hardware, "stuck_high", json_real(o->stuck_high)) &&
      ap_cli_set(hardware, "read_noise", json_real(o->read_noise))) {
    return hardware;
  }
  json_decref(hardware);
  return NULL;
}

/* What the result depends on. */
static json_t *configuration_of(const ap_cli *cli, const ap_datapath_options *o,
                                const evaluation *e, const char *model_hash) {
  json_t *configuration =
      json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:f, s:I, s:I}", "model_sha256", model_hash,
                "data_sha256", ap_dataset_hash(e->on.data), "split", ap_split_name(e->on.split),
                "images", (json_int_t)e->on.images, "policy_sha256", ap_cli_file_hash(o->policy),
                "calibration_images", (json_int_t)e->on.calibration, "coverage", o->coverage,
                "samples", (json_int_t)o->samples, "seed", (json_int_t)cli->seed);
  if (configuration && ap_cli_set(configuration, "hardware", hardware_json(o, e)) &&
      ap_cli_set(configuration, "layer_weight_bits", ap_cli_weight_bits_json(e->on.net))) {
    return configuration;
  }
  json_decref(configuration);
  return NULL;
}

static json_t *document_of(const ap_cli *cli, const ap_datapath_subject *s,
                           const ap_datapath_options *o, const evaluation *e) {
  json_t *doc = json_object();
  const device_result *first = &e->devices[0];
  double half = e->accuracy.half_width, mean = e->accuracy.mean, loss = 0;
  char hash[65] = "";
  for (size_t k = 0; k < o->samples; k++) {
    loss += e->devices[k].score.loss / (double)o->samples;
  }
  if (doc && ap_network_hash(s->net, hash, NULL) == AP_OK &&
      ap_cli_set(doc, "accuracy", json_real(mean)) && ap_cli_set(doc, "loss", json_real(loss)) &&
      ap_cli_set(doc, "images", json_integer((json_int_t)e->on.images)) &&
      ap_cli_set(doc, "split", json_string(ap_split_name(e->on.split))) &&
      ap_cli_set(doc, "float", ap_quantised_score_json(&e->on.in_floats)) &&
      ap_cli_set(doc, "quantised", ap_quantised_score_json(&e->quantised)) &&
      ap_cli_set(doc, "equal_images", json_integer((json_int_t)first->equal_images)) &&
      ap_cli_set(doc, "equal_classes", json_integer((json_int_t)first->equal_classes)) &&
      ap_cli_set(doc, "samples", json_integer((json_int_t)o->samples)) &&
      ap_cli_set(doc, "standard_deviation",
                 o->samples > 1 ? json_real(e->accuracy.deviation) : json_null()) &&
      ap_cli_set(doc, "interval_95",
                 o->samples > 1 ? json_pack("[f,f]", within_1(mean - half), within_1(mean + half))
                                : json_null()) &&
      ap_cli_set(doc, "devices", devices_json(o, e)) &&
      ap_cli_set(doc, "layers", ap_quantised_layers_json(e->on.in)) &&
      ap_cli_set(doc, "hardware", hardware_json(o, e)) &&
      ap_cli_set(doc, "calibration_images", json_integer((json_int_t)e->on.calibration)) &&
      ap_cli_set(doc, "coverage", json_real(o->coverage)) &&
      ap_cli_set(doc, "model", ap_json_text(s->model)) &&
      ap_cli_set(doc, "policy", o->policy ? ap_json_text(o->policy) : json_null()) &&
      ap_cli_set(doc, "network", json_string(s->net->name)) &&
      ap_cli_set(doc, "model_hash", json_string(hash)) &&
      ap_cli_set(doc, "data", json_string(ap_dataset_name(e->on.data))) &&
      ap_cli_set(doc, "data_hash", json_string(ap_dataset_hash(e->on.data))) &&
      ap_cli_set(doc, "seed", json_integer((json_int_t)cli->seed)) &&
      ap_cli_set(doc, "seconds", json_real(e->seconds)) &&
      ap_cli_set(doc, "cpu_seconds", json_real(e->cpu_seconds)) &&
      ap_cli_set(doc, "provenance", ap_cli_provenance(cli, configuration_of(cli, o, e, hash)))) {
    return doc;
  }
  json_decref(doc);
  return NULL;
}

static void print_table(const ap_datapath_subject *s, const ap_datapath_options *o,
                        const evaluation *e) {
  const device_result *first = &e->devices[0];
  double runs = (double)(e->on.images * o->samples);
  (void)printf("%s on %s, %s split; hardware %s, %s\n", s->model, ap_dataset_name(e->on.data),
               ap_split_name(e->on.split), ap_tech_name(e->on.tech), e->on.granularity_name);
  ap_quantised_print_score("float", &e->on.in_floats);
  ap_quantised_print_score("quantised", &e->quantised);
  if (o->samples > 1) {
    (void)printf(
        "  %-10s accuracy %6.2f %%, standard deviation %.2f, 95 %% interval %.2f .. %.2f "
        "(%zu devices)\n",
        "hardware", 100 * e->accuracy.mean, 100 * e->accuracy.deviation,
        100 * within_1(e->accuracy.mean - e->accuracy.half_width),
        100 * within_1(e->accuracy.mean + e->accuracy.half_width), o->samples);
  } else {
    ap_quantised_print_score("hardware", &first->score);
  }
  (void)printf(
      "Hardware and quantised network%s: %zu of %zu images with equal outputs, %zu with "
      "the same class\n",
      o->samples > 1 ? " (first device)" : "", first->equal_images, e->on.images,
      first->equal_classes);
  (void)printf("%" PRIu64 " conversions, %" PRIu64
               " above the converter's range; %.1f images/s, "
               "%.4f CPU seconds an image\n",
               first->stats.conversions, first->stats.saturated,
               e->seconds > 0 ? runs / e->seconds : 0.0, e->cpu_seconds / runs);
}

static ap_status record(const ap_cli *cli, const ap_datapath_subject *s,
                        const ap_datapath_options *o, const evaluation *e, const json_t *document,
                        ap_error *err) {
  static const ap_cli_metric metrics[] = {{"accuracy", "accuracy", "", false},
                                          {"loss", "loss", "", false},
                                          {"float.accuracy", "float_accuracy", "", false},
                                          {"quantised.accuracy", "quantised_accuracy", "", false},
                                          {"equal_images", "equal_images", "", false},
                                          {"seconds", "seconds", "s", true}};
  char *overrides;
  ap_status st;
  if (!cli->record) return AP_OK;
  overrides = ap_cli_overrides_text(&o->overrides, o->weight_bits);
  st = ap_cli_record_document(
      cli,
      overrides ? ap_sprintf(
                      "eval-datapath %s %s split=%s images=%zu hw=%s%s %s policy=%s sigma=%g "
                      "stuck=%g,%g noise=%g samples=%zu seed=%llu",
                      ap_cli_file_name(s->model), ap_cli_file_name(s->data), s->split, e->on.images,
                      o->hw ? ap_cli_file_name(o->hw) : "ou", overrides, e->on.granularity_name,
                      o->policy ? ap_cli_file_name(o->policy) : "none", o->sigma, o->stuck_low,
                      o->stuck_high, o->read_noise, o->samples, (unsigned long long)cli->seed)
                : NULL,
      document, metrics, sizeof metrics / sizeof metrics[0], err);
  ap_free(overrides);
  return st;
}

ap_status ap_cli_eval_datapath(const ap_cli *cli, const ap_datapath_subject *subject,
                               const ap_datapath_options *o, ap_error *err) {
  evaluation e;
  json_t *document = NULL;
  ap_status st = AP_OK;
  memset(&e, 0, sizeof e);
  st = ap_quantised_subject_open(cli, subject, o, &e.on, err);
  if (!st) st = build(o, &e, err);
  if (!st) {
    st = ap_integer_network_run(e.on.in, e.on.data, e.on.split, e.on.images, e.on.pool,
                                &e.quantised, e.quantised_logits, err);
  }
  if (!st) st = run_devices(cli, subject, o, &e, err);
  if (!st && (cli->json || cli->record)) {
    document = document_of(cli, subject, o, &e);
    st = document ? record(cli, subject, o, &e, document, err)
                  : ap_fail(err, AP_ERR_MEMORY, "result document");
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(document), err);
  } else if (!st) {
    print_table(subject, o, &e);
  }
  json_decref(document);
  release(&e);
  return st;
}
