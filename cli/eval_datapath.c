#include "cli/eval_datapath.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/npy.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "base/threads.h"
#include "cli/common.h"
#include "cli/record.h"
#include "nn/infer.h"
#include "pruners/datapath_network.h"
#include "pruners/policy.h"
#include "pruners/pruner.h"

typedef struct {
  ap_score score;
  ap_datapath_stats stats;
  size_t equal_images, equal_classes; /* as the quantised network's */
} device_result;

typedef struct {
  ap_tech *tech;
  ap_dataset *data;
  ap_split split;
  ap_network *net; /* folded and pruned */
  ap_granularity granularity;
  char granularity_name[64];
  ap_pool *pool;
  ap_integer_network *in;
  ap_datapath_network *hw;
  size_t images;
  ap_score in_floats, quantised;
  float *quantised_logits, *logits;
  device_result *devices;
  double *accuracies;
  ap_sample_statistics accuracy;
  double seconds, cpu_seconds; /* of the hardware's part */
} evaluation;

ap_datapath_options ap_datapath_options_default(void) {
  ap_range_options ranges = ap_range_defaults();
  return (ap_datapath_options){
      .samples = 1, .calibration = ranges.images, .coverage = ranges.coverage};
}

ap_status ap_datapath_options_check(const ap_datapath_options *o, ap_error *err) {
  ap_datapath_options d = ap_datapath_options_default();
  const char *given = NULL;
  if (o->stuck_low + o->stuck_high > 1) {
    return ap_fail(err, AP_ERR_ARG, "--stuck-low %g and --stuck-high %g: together at most 1",
                   o->stuck_low, o->stuck_high);
  }
  if (o->wanted) return AP_OK;
  if (o->hw) given = "hw";
  if (o->overrides.n > 0) given = "set";
  if (o->policy) given = "policy";
  if (o->pruner) given = "pruner";
  if (o->sigma > 0) given = "sigma";
  if (o->stuck_low > 0) given = "stuck-low";
  if (o->stuck_high > 0) given = "stuck-high";
  if (o->read_noise > 0) given = "read-noise";
  if (o->samples != d.samples) given = "samples";
  if (o->calibration != d.calibration) given = "calibration";
  if (o->coverage < d.coverage) given = "coverage";
  return given ? ap_fail(err, AP_ERR_ARG, "--%s goes with --datapath", given) : AP_OK;
}

static double cpu_seconds(void) {
  struct timespec t = {0, 0};
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void release(evaluation *e) {
  ap_datapath_network_destroy(e->hw);
  ap_integer_network_destroy(e->in);
  ap_pool_destroy(e->pool);
  ap_network_destroy(e->net);
  ap_dataset_destroy(e->data);
  ap_tech_close(e->tech);
  ap_free(e->quantised_logits);
  ap_free(e->logits);
  ap_free(e->devices);
  ap_free(e->accuracies);
}

/* Hardware, images, and the network that is to be mapped. */
static ap_status prepare(const ap_datapath_subject *s, const ap_datapath_options *o, evaluation *e,
                         ap_error *err) {
  ap_policy *policy = NULL;
  ap_pruner pruner;
  ap_status st = ap_pruner_parse(o->pruner ? o->pruner : "column-vector", &pruner, err);
  if (st) return ap_fail_context(err, st, "--pruner");
  st = ap_cli_open_tech(o->hw, &o->overrides, &e->tech, err);
  if (!st) st = ap_split_parse(s->split, &e->split, err);
  if (!st && o->policy) st = ap_policy_load(o->policy, &policy, err);
  if (!st) st = ap_dataset_open(s->data, &e->data, err);
  if (!st) st = ap_network_fold(s->net, &e->net, err);
  if (!st && policy) st = ap_policy_apply(policy, ap_tech_array(e->tech), e->net, err);
  if (!st) {
    size_t all = ap_dataset_describe(e->data, e->split).n_images;
    if (policy && !o->pruner) pruner = policy->pruner;
    e->granularity = pruner.granularity;
    ap_granularity_print(pruner.granularity, e->granularity_name);
    e->images = s->images > 0 ? s->images : all;
    if (e->images > all) {
      st = ap_fail(err, AP_ERR_ARG, "--images %zu: the %s split of %s has %zu", s->images,
                   ap_split_name(e->split), ap_dataset_name(e->data), all);
    }
  }
  ap_policy_destroy(policy);
  return st;
}

static ap_status build(const ap_cli *cli, const ap_datapath_options *o, evaluation *e,
                       ap_error *err) {
  const ap_array_spec *array = ap_tech_array(e->tech);
  const ap_range_options ranges = {.images = o->calibration, .coverage = o->coverage};
  ap_status st = ap_pool_create(cli->threads, &e->pool, err);
  if (!st) st = ap_integer_network_create(e->net, array, e->data, &ranges, e->pool, &e->in, err);
  if (!st) st = ap_datapath_network_create(e->in, array, e->granularity, &e->hw, err);
  if (st) return st;
  e->quantised_logits = ap_calloc(e->images, e->net->classes * sizeof *e->quantised_logits);
  e->logits = ap_calloc(e->images, e->net->classes * sizeof *e->logits);
  e->devices = ap_calloc(o->samples, sizeof *e->devices);
  e->accuracies = ap_calloc(o->samples, sizeof *e->accuracies);
  if (!e->quantised_logits || !e->logits || !e->devices || !e->accuracies) {
    return ap_fail(err, AP_ERR_MEMORY, "outputs of %zu images", e->images);
  }
  return AP_OK;
}

static ap_status run_floats(const ap_cli *cli, evaluation *e, ap_error *err) {
  ap_backend *be = NULL;
  ap_status st = ap_backend_open(cli->backend, cli->threads, &be, err);
  if (!st) {
    st = ap_infer(be, e->net, e->data, e->split, e->images, &e->in_floats, NULL, err);
  }
  ap_backend_close(be);
  return st;
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
    ap_status st = ap_datapath_network_run(e->hw, &device, k, e->data, e->split, e->images, e->pool,
                                           &d->score, e->logits, &d->stats, err);
    if (!st && k == 0 && s->logits) {
      size_t dims[2] = {e->images, e->net->classes};
      st = ap_npy_save(s->logits, AP_NPY_F32, dims, 2, e->logits, cli->force, err);
    }
    if (st) return st;
    d->equal_images =
        ap_count_equal_logits(e->quantised_logits, e->logits, e->images, e->net->classes);
    d->equal_classes =
        ap_count_equal_classes(e->quantised_logits, e->logits, e->images, e->net->classes);
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

static json_t *score_json(const ap_score *s) {
  return json_pack("{s:f,s:f,s:I}", "accuracy", s->accuracy, "loss", s->loss, "correct",
                   (json_int_t)s->correct);
}

static json_t *layers_json(const ap_integer_network *in) {
  json_t *layers = json_array();
  for (size_t l = 0; layers && l < ap_integer_network_layers(in); l++) {
    const ap_integer_layer *layer = ap_integer_network_layer(in, l);
    (void)json_array_append_new(
        layers, json_pack("{s:s,s:f,s:i}", "name", layer->info.name, "input_scale",
                          layer->input_scale, "zero_point", (int)layer->zero_point));
  }
  return layers;
}

static json_t *devices_json(const ap_datapath_options *o, const evaluation *e) {
  json_t *devices = json_array();
  for (size_t k = 0; devices && k < o->samples; k++) {
    const device_result *d = &e->devices[k];
    json_t *one = score_json(&d->score);
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
  if (hardware && ap_tech_hash(e->tech, hash, NULL) == AP_OK &&
      ap_cli_set(hardware, "name", json_string(ap_tech_name(e->tech))) &&
      ap_cli_set(hardware, "hash", json_string(hash)) &&
      ap_cli_set(hardware, "configuration", ap_tech_to_json(e->tech)) &&
      ap_cli_set(hardware, "granularity", json_string(e->granularity_name)) &&
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
                "data_sha256", ap_dataset_hash(e->data), "split", ap_split_name(e->split), "images",
                (json_int_t)e->images, "policy_sha256", ap_cli_file_hash(o->policy),
                "calibration_images", (json_int_t)o->calibration, "coverage", o->coverage,
                "samples", (json_int_t)o->samples, "seed", (json_int_t)cli->seed);
  if (configuration && ap_cli_set(configuration, "hardware", hardware_json(o, e))) {
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
      ap_cli_set(doc, "images", json_integer((json_int_t)e->images)) &&
      ap_cli_set(doc, "split", json_string(ap_split_name(e->split))) &&
      ap_cli_set(doc, "float", score_json(&e->in_floats)) &&
      ap_cli_set(doc, "quantised", score_json(&e->quantised)) &&
      ap_cli_set(doc, "equal_images", json_integer((json_int_t)first->equal_images)) &&
      ap_cli_set(doc, "equal_classes", json_integer((json_int_t)first->equal_classes)) &&
      ap_cli_set(doc, "samples", json_integer((json_int_t)o->samples)) &&
      ap_cli_set(doc, "standard_deviation",
                 o->samples > 1 ? json_real(e->accuracy.deviation) : json_null()) &&
      ap_cli_set(doc, "interval_95",
                 o->samples > 1 ? json_pack("[f,f]", within_1(mean - half), within_1(mean + half))
                                : json_null()) &&
      ap_cli_set(doc, "devices", devices_json(o, e)) &&
      ap_cli_set(doc, "layers", layers_json(e->in)) &&
      ap_cli_set(doc, "hardware", hardware_json(o, e)) &&
      ap_cli_set(doc, "calibration_images", json_integer((json_int_t)o->calibration)) &&
      ap_cli_set(doc, "coverage", json_real(o->coverage)) &&
      ap_cli_set(doc, "model", json_string(s->model)) &&
      ap_cli_set(doc, "policy", o->policy ? json_string(o->policy) : json_null()) &&
      ap_cli_set(doc, "network", json_string(s->net->name)) &&
      ap_cli_set(doc, "model_hash", json_string(hash)) &&
      ap_cli_set(doc, "data", json_string(ap_dataset_name(e->data))) &&
      ap_cli_set(doc, "data_hash", json_string(ap_dataset_hash(e->data))) &&
      ap_cli_set(doc, "seed", json_integer((json_int_t)cli->seed)) &&
      ap_cli_set(doc, "seconds", json_real(e->seconds)) &&
      ap_cli_set(doc, "cpu_seconds", json_real(e->cpu_seconds)) &&
      ap_cli_set(doc, "provenance", ap_cli_provenance(cli, configuration_of(cli, o, e, hash)))) {
    return doc;
  }
  json_decref(doc);
  return NULL;
}

static void print_score(const char *name, const ap_score *score) {
  (void)printf("  %-10s accuracy %6.2f %% (%zu of %zu images), loss %.4f\n", name,
               100 * score->accuracy, score->correct, score->images, score->loss);
}

static void print_table(const ap_datapath_subject *s, const ap_datapath_options *o,
                        const evaluation *e) {
  const device_result *first = &e->devices[0];
  double runs = (double)(e->images * o->samples);
  (void)printf("%s on %s, %s split; hardware %s, %s\n", s->model, ap_dataset_name(e->data),
               ap_split_name(e->split), ap_tech_name(e->tech), e->granularity_name);
  print_score("float", &e->in_floats);
  print_score("quantised", &e->quantised);
  if (o->samples > 1) {
    (void)printf(
        "  %-10s accuracy %6.2f %%, standard deviation %.2f, 95 %% interval %.2f .. %.2f "
        "(%zu devices)\n",
        "hardware", 100 * e->accuracy.mean, 100 * e->accuracy.deviation,
        100 * within_1(e->accuracy.mean - e->accuracy.half_width),
        100 * within_1(e->accuracy.mean + e->accuracy.half_width), o->samples);
  } else {
    print_score("hardware", &first->score);
  }
  (void)printf(
      "Hardware and quantised network%s: %zu of %zu images with equal outputs, %zu with "
      "the same class\n",
      o->samples > 1 ? " (first device)" : "", first->equal_images, e->images,
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
  overrides = ap_cli_overrides_text(&o->overrides);
  st = ap_cli_record_document(
      cli,
      overrides
          ? ap_sprintf("eval-datapath %s %s split=%s images=%zu hw=%s%s %s policy=%s sigma=%g "
                       "stuck=%g,%g noise=%g samples=%zu seed=%llu",
                       ap_cli_file_name(s->model), ap_cli_file_name(s->data), s->split, e->images,
                       o->hw ? ap_cli_file_name(o->hw) : "ou", overrides, e->granularity_name,
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
  st = prepare(subject, o, &e, err);
  if (!st) st = run_floats(cli, &e, err);
  if (!st) st = build(cli, o, &e, err);
  if (!st) {
    st = ap_integer_network_run(e.in, e.data, e.split, e.images, e.pool, &e.quantised,
                                e.quantised_logits, err);
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
