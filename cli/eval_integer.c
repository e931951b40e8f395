/* cli/eval_integer.c - `eval --integer`: the quantised network by the fast evaluator. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "cli/common.h"
#include "cli/eval_datapath.h"
#include "cli/record.h"
#include "nn/evaluator.h"

typedef struct {
  ap_quantised_subject on;
  ap_evaluator *ev;
  uint32_t *levels; /* all 0: the network as given */
  float *logits;
  ap_score score;
  double seconds;
} evaluation;

static ap_status open_evaluator(const ap_cli *cli, evaluation *e, ap_error *err) {
  const ap_evaluator_integers integers = {ap_integer_network_all_layers(e->on.in),
                                          ap_integer_network_activation_bits(e->on.in)};
  const ap_evaluator_options options = {.n_threads = cli->threads, .integer = &integers};
  ap_status st =
      ap_evaluator_create(e->on.net, e->on.data, e->on.split, e->on.images, &options, &e->ev, err);
  if (st) {
    char bits[48];
    ap_quantised_bits_text(e->on.in, bits, sizeof bits);
    return ap_fail_context(err, st, "--integer (%s, %u-bit activations)", bits,
                           ap_integer_network_activation_bits(e->on.in));
  }
  e->levels = ap_calloc(ap_evaluator_layers(e->ev), sizeof *e->levels);
  e->logits = ap_calloc(e->on.images, e->on.net->classes * sizeof *e->logits);
  if (e->levels && e->logits) return AP_OK;
  return ap_fail(err, AP_ERR_MEMORY, "outputs of %zu images", e->on.images);
}

static ap_status run(const ap_cli *cli, const ap_datapath_subject *s, evaluation *e,
                     ap_error *err) {
  size_t dims[2] = {e->on.images, e->on.net->classes};
  double start = ap_seconds();
  ap_status st = ap_evaluator_run(e->ev, 1, e->levels, &e->score, err);
  e->seconds = ap_seconds() - start;
  if (st || !s->logits) return st;
  st = ap_evaluator_logits(e->ev, e->levels, e->logits, err);
  if (st) return st;
  return ap_npy_save(s->logits, AP_NPY_F32, dims, 2, e->logits, cli->force, err);
}

/* What the result depends on. */
static json_t *configuration_of(const ap_datapath_options *o, const evaluation *e,
                                const char *model_hash) {
  return json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:f, s:I, s:I, s:o}", "model_sha256", model_hash,
                   "data_sha256", ap_dataset_hash(e->on.data), "split", ap_split_name(e->on.split),
                   "images", (json_int_t)e->on.images, "policy_sha256", ap_cli_file_hash(o->policy),
                   "calibration_images", (json_int_t)e->on.calibration, "coverage", o->coverage,
                   "weight_bits", (json_int_t)ap_integer_network_weight_bits(e->on.in),
                   "activation_bits", (json_int_t)ap_integer_network_activation_bits(e->on.in),
                   "layer_weight_bits", ap_cli_weight_bits_json(e->on.net));
}

static json_t *document_of(const ap_cli *cli, const ap_datapath_subject *s,
                           const ap_datapath_options *o, const evaluation *e) {
  json_t *doc = json_object();
  char hash[65] = "";
  if (doc && ap_network_hash(s->net, hash, NULL) == AP_OK &&
      ap_cli_set(doc, "accuracy", json_real(e->score.accuracy)) &&
      ap_cli_set(doc, "loss", json_real(e->score.loss)) &&
      ap_cli_set(doc, "correct", json_integer((json_int_t)e->score.correct)) &&
      ap_cli_set(doc, "images", json_integer((json_int_t)e->on.images)) &&
      ap_cli_set(doc, "split", json_string(ap_split_name(e->on.split))) &&
      ap_cli_set(doc, "float", ap_quantised_score_json(&e->on.in_floats)) &&
      ap_cli_set(doc, "weight_bits",
                 json_integer((json_int_t)ap_integer_network_weight_bits(e->on.in))) &&
      ap_cli_set(doc, "activation_bits",
                 json_integer((json_int_t)ap_integer_network_activation_bits(e->on.in))) &&
      ap_cli_set(doc, "layers", ap_quantised_layers_json(e->on.in)) &&
      ap_cli_set(doc, "calibration_images", json_integer((json_int_t)e->on.calibration)) &&
      ap_cli_set(doc, "coverage", json_real(o->coverage)) &&
      ap_cli_set(doc, "model", ap_json_text(s->model)) &&
      ap_cli_set(doc, "policy", o->policy ? ap_json_text(o->policy) : json_null()) &&
      ap_cli_set(doc, "network", json_string(s->net->name)) &&
      ap_cli_set(doc, "model_hash", json_string(hash)) &&
      ap_cli_set(doc, "data", json_string(ap_dataset_name(e->on.data))) &&
      ap_cli_set(doc, "data_hash", json_string(ap_dataset_hash(e->on.data))) &&
      ap_cli_set(doc, "vectors", json_string(ap_evaluator_vectors(e->ev))) &&
      ap_cli_set(doc, "seconds", json_real(e->seconds)) &&
      ap_cli_set(doc, "provenance", ap_cli_provenance(cli, configuration_of(o, e, hash)))) {
    return doc;
  }
  json_decref(doc);
  return NULL;
}

static void print_table(const ap_datapath_subject *s, const evaluation *e) {
  char bits[48];
  ap_quantised_bits_text(e->on.in, bits, sizeof bits);
  (void)printf("%s on %s, %s split; %s, %u-bit activations\n", s->model,
               ap_dataset_name(e->on.data), ap_split_name(e->on.split), bits,
               ap_integer_network_activation_bits(e->on.in));
  ap_quantised_print_score("float", &e->on.in_floats);
  ap_quantised_print_score("quantised", &e->score);
  (void)printf("%.0f images/s (%s)\n", e->seconds > 0 ? (double)e->on.images / e->seconds : 0.0,
               ap_evaluator_vectors(e->ev));
}

static ap_status record(const ap_cli *cli, const ap_datapath_subject *s,
                        const ap_datapath_options *o, const evaluation *e, const json_t *document,
                        ap_error *err) {
  static const ap_cli_metric metrics[] = {{"accuracy", "accuracy", "", false},
                                          {"loss", "loss", "", false},
                                          {"float.accuracy", "float_accuracy", "", false},
                                          {"seconds", "seconds", "s", true}};
  char *overrides;
  ap_status st;
  if (!cli->record) return AP_OK;
  overrides = ap_cli_overrides_text(&o->overrides, o->weight_bits);
  st = ap_cli_record_document(
      cli,
      overrides ? ap_sprintf("eval-integer %s %s split=%s images=%zu hw=%s%s policy=%s",
                             ap_cli_file_name(s->model), ap_cli_file_name(s->data), s->split,
                             e->on.images, o->hw ? ap_cli_file_name(o->hw) : "ou", overrides,
                             o->policy ? ap_cli_file_name(o->policy) : "none")
                : NULL,
      document, metrics, sizeof metrics / sizeof metrics[0], err);
  ap_free(overrides);
  return st;
}

ap_status ap_cli_eval_integer(const ap_cli *cli, const ap_datapath_subject *subject,
                              const ap_datapath_options *o, ap_error *err) {
  evaluation e = {.ev = NULL};
  json_t *document = NULL;
  ap_status st = ap_quantised_subject_open(cli, subject, o, &e.on, err);
  if (!st) st = open_evaluator(cli, &e, err);
  if (!st) st = run(cli, subject, &e, err);
  if (!st && (cli->json || cli->record)) {
    document = document_of(cli, subject, o, &e);
    st = document ? record(cli, subject, o, &e, document, err)
                  : ap_fail(err, AP_ERR_MEMORY, "result document");
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(document), err);
  } else if (!st) {
    print_table(subject, &e);
  }
  json_decref(document);
  ap_evaluator_destroy(e.ev);
  ap_quantised_subject_release(&e.on);
  ap_free(e.levels);
  ap_free(e.logits);
  return st;
}
