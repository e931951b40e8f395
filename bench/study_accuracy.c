/* Accuracy through the bit-exact data path, over the converter's bits and over the variation of cells.
 * Every point is kept. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "base/statistics.h"
#include "bench/cell_read_impl.h"
#include "bench/study_impl.h"
#include "pruners/datapath_network.h"

/* One point: a device's variation; the converter's width is the technology's. */
typedef struct {
  double sigma;
  size_t samples;
} point;

static json_t *configuration(const ap_study *study, const ap_tech *tech, const point *p,
                             ap_error *err) {
  const ap_study_options *o = study->options;
  return ap_study_config_with(
      ap_study_config(study, tech, "autoprune-point-1", err),
      json_pack("{s:I, s:f, s:I, s:I}", "calibration", (json_int_t)o->calibration, "sigma",
                p->sigma, "samples", (json_int_t)p->samples, "seed", (json_int_t)o->seed),
      err);
}

/* The column-vector mapping: which vectors are stored changes no result, only the time. */
static const ap_granularity granularity = {AP_GRANULARITY_COLUMN_VECTOR, 0, 0};

static ap_status measure(const ap_study *study, const ap_tech *tech, const point *p, json_t *out,
                         ap_error *err) {
  const ap_study_options *o = study->options;
  const ap_range_options ranges = {.images = o->calibration, .coverage = 1};
  const ap_device device = {.sigma = p->sigma, .seed = o->seed};
  ap_integer_network *in = NULL;
  ap_datapath_network *hw = NULL;
  double *accuracies = ap_calloc(p->samples, sizeof *accuracies);
  ap_datapath_stats stats = {0, 0};
  ap_score quantised;
  ap_status st = accuracies ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "accuracies");
  if (!st) {
    st = ap_integer_network_create(study->net, ap_tech_array(tech), o->data, &ranges, study->pool,
                                   &in, err);
  }
  if (!st) st = ap_datapath_network_create(in, ap_tech_array(tech), granularity, &hw, err);
  if (!st) {
    st = ap_integer_network_run(in, o->data, study->split, study->images, study->pool, &quantised,
                                NULL, err);
  }
  for (size_t k = 0; k < p->samples && !st; k++) {
    ap_score score;
    if (ap_interrupted()) {
      st = ap_fail(err, AP_ERR_INTERRUPTED, "interrupted");
      break;
    }
    st = ap_datapath_network_run(hw, p->sigma > 0 ? &device : NULL, k, o->data, study->split,
                                 study->images, study->pool, &score, NULL, k == 0 ? &stats : NULL,
                                 err);
    if (!st) accuracies[k] = score.accuracy;
  }
  if (!st) {
    ap_sample_statistics s = ap_sample_statistics_of(accuracies, p->samples);
    if (json_object_set_new(out, "accuracy", json_real(s.mean)) ||
        json_object_set_new(out, "standard_deviation", json_real(s.deviation)) ||
        json_object_set_new(out, "half_width_95", json_real(s.half_width)) ||
        json_object_set_new(out, "quantised_accuracy", json_real(quantised.accuracy)) ||
        json_object_set_new(out, "images", json_integer((json_int_t)quantised.images)) ||
        json_object_set_new(
            out, "saturated_share",
            json_real(stats.conversions ? (double)stats.saturated / (double)stats.conversions
                                        : 0.0))) {
      st = ap_fail(err, AP_ERR_MEMORY, "point of a study");
    }
  }
  ap_datapath_network_destroy(hw);
  ap_integer_network_destroy(in);
  ap_free(accuracies);
  return st;
}

typedef struct {
  const ap_study *study;
  const ap_tech *tech;
  const point *p;
} question;

static ap_status answer(void *context, json_t *out, ap_error *err) {
  const question *q = context;
  return measure(q->study, q->tech, q->p, out, err);
}

/* Bounds of the 95 % interval, cut to what an accuracy can be. */
static double bound(const json_t *p, double side) {
  double value = at(p, "accuracy") + side * at(p, "half_width_95");
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

static ap_status add_row(const ap_study *study, const ap_tech *tech, const point *p, bool bits,
                         json_t *rows, ap_error *err) {
  json_t *found = NULL, *row = NULL;
  question q = {study, tech, p};
  json_t *config = configuration(study, tech, p, err);
  ap_status st = config ? ap_study_point(study, config, answer, &q, &found, err) : AP_ERR_MEMORY;
  if (st) return st;
  row = json_pack("{s:s}", "network", study->label);
  if (row) {
    int bad = bits
                  ? json_object_set_new(row, "adc_bits",
                                        json_integer(ap_array_adc_bits(ap_tech_array(tech)))) ||
                        json_object_set_new(row, "saturated_share",
                                            json_real(at(found, "saturated_share")))
                  : json_object_set_new(row, "sigma", json_real(p->sigma)) ||
                        json_object_set_new(row, "samples", json_integer((json_int_t)p->samples)) ||
                        json_object_set_new(row, "standard_deviation",
                                            json_real(at(found, "standard_deviation"))) ||
                        json_object_set_new(row, "accuracy_low", json_real(bound(found, -1))) ||
                        json_object_set_new(row, "accuracy_high", json_real(bound(found, 1)));
    bad = bad || json_object_set_new(row, "accuracy", json_real(at(found, "accuracy"))) ||
          json_object_set_new(row, "quantised_accuracy",
                              json_real(at(found, "quantised_accuracy"))) ||
          json_object_set_new(row, "images", json_integer((json_int_t)at(found, "images")));
    if (bad) {
      json_decref(row);
      row = NULL;
    }
  }
  json_decref(found);
  return ap_study_row(rows, row, err);
}

ap_status ap_study_converter(const ap_study *study, json_t *rows, ap_error *err) {
  ap_array_spec exact = *ap_tech_array(study->options->tech);
  unsigned widest;
  ap_progress *progress;
  ap_status st = AP_OK;
  exact.adc_bits = 0;
  widest = ap_array_adc_bits(&exact);
  progress = ap_progress_create("converter", widest, study->options->quiet);
  for (unsigned bits = 1; bits <= widest && !st; bits++) {
    const point p = {.samples = 1};
    ap_tech *tech = NULL;
    char text[16];
    (void)snprintf(text, sizeof text, "%u", bits);
    st = ap_tech_clone(study->options->tech, &tech, err);
    if (!st) st = ap_tech_override(tech, "array.adc_bits", text, err);
    if (st == AP_ERR_ARG) { /* a width that the converter's law does not cover is left out */
      ap_tech_close(tech);
      st = AP_OK;
      continue;
    }
    if (!st) st = add_row(study, tech, &p, true, rows, err);
    ap_tech_close(tech);
    ap_progress_set(progress, bits, study->label);
  }
  ap_progress_end(progress);
  return st;
}

ap_status ap_study_devices(const ap_study *study, json_t *rows, ap_error *err) {
  static const double sigmas[] = {0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5};
  const size_t n = sizeof sigmas / sizeof sigmas[0];
  ap_progress *progress = ap_progress_create("devices", n, study->options->quiet);
  ap_status st = AP_OK;
  for (size_t i = 0; i < n && !st; i++) {
    const point p = {.sigma = sigmas[i], .samples = sigmas[i] > 0 ? study->options->samples : 1};
    st = add_row(study, study->options->tech, &p, false, rows, err);
    ap_progress_set(progress, i + 1, study->label);
  }
  ap_progress_end(progress);
  return st;
}
