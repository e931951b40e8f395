#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "mapper/datapath.h"
#include "mapper/mapping.h"
#include "mapper/quantise.h"
#include "pruners/pruner.h"
#include "pruners/quantised_layer.h"

static const ap_command_info INFO = {
    .name = "simulate",
    .usage = "--matrix W.npy --input X.npy [OPTIONS]",
    .summary =
        "Multiplies X (n x K) by W (K x N) as the mapped crossbars do: one OU a step, one input "
        "bit at a time.",
    .details =
        "Integer .npy types are quantised values; floats are quantised first (W per column to the "
        "weight bits,\nX to the activation bits). Exit status 1 when the data path's result "
        "differs "
        "from the direct product,\nas it does with a converter that is too narrow.",
    .examples =
        "  autoprune simulate --matrix w.npy --input x.npy\n"
        "  autoprune simulate --matrix w.npy --input x.npy --set array.adc_bits=4 --json"};

typedef struct {
  const char *matrix, *input, *hw, *pruner;
  ap_text_list overrides;
} simulate_options;

typedef struct {
  size_t count, k, n;
  int32_t *w, *x;
  int64_t *output, *product;
  ap_datapath_stats stats;
  bool equal;
} simulation;

/* Integers as they are. */
static ap_status take_integers(const char *path, const ap_npy *npy, int32_t *out, ap_error *err) {
  for (size_t i = 0; i < npy->count; i++) {
    double value = ap_npy_get(npy, i);
    if (value < INT32_MIN || value > INT32_MAX) {
      return ap_fail(err, AP_ERR_FORMAT, "%s: value %.0f at index %zu has more than 32 bits", path,
                     value, i);
    }
    out[i] = (int32_t)value;
  }
  return AP_OK;
}

/* Inputs without a negative value use all bits: 0..2^bits-1; others are signed. */
static ap_status quantise_inputs(const float *x, size_t count, unsigned bits, int32_t *q,
                                 ap_error *err) {
  float largest = 0, scale = 0;
  double steps = ldexp(1.0, (int)bits) - 1;
  for (size_t i = 0; i < count; i++) {
    if (x[i] < 0) return ap_quantise_weights(x, count, bits, q, &scale, err);
    if (x[i] > largest) largest = x[i];
  }
  for (size_t i = 0; i < count; i++) {
    q[i] = largest > 0 ? (int32_t)lround((double)x[i] / (double)largest * steps) : 0;
  }
  return AP_OK;
}

static ap_status load_integers(const char *path, const ap_npy *npy, const ap_array_spec *array,
                               bool weights, int32_t *out, ap_error *err) {
  float *values = NULL, *scale = NULL;
  ap_status st = AP_OK;
  if (ap_npy_is_integer(npy->type)) return take_integers(path, npy, out, err);
  values = ap_calloc(npy->count, sizeof *values);
  scale = ap_calloc(npy->dims[1], sizeof *scale);
  if (!values || !scale) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu values", path, npy->count);
    goto done;
  }
  for (size_t i = 0; i < npy->count; i++) values[i] = (float)ap_npy_get(npy, i);
  if (weights) {
    st = ap_quantise_columns(values, npy->dims[0], npy->dims[1], array->weight_bits, out, scale,
                             err);
  } else {
    st = quantise_inputs(values, npy->count, array->activation_bits, out, err);
  }
  if (st) (void)ap_fail_context(err, st, "%s", path);
done:
  ap_free(values);
  ap_free(scale);
  return st;
}

static void simulation_release(simulation *s) {
  ap_free(s->w);
  ap_free(s->x);
  ap_free(s->output);
  ap_free(s->product);
}

static ap_status simulation_load(const simulate_options *o, const ap_array_spec *array,
                                 simulation *s, ap_error *err) {
  ap_npy w = {0}, x = {0};
  ap_status st = ap_cli_load_matrix(o->matrix, &w, err);
  if (!st) st = ap_cli_load_matrix(o->input, &x, err);
  if (st) goto done;
  s->k = w.dims[0];
  s->n = w.dims[1];
  s->count = x.dims[0];
  if (x.dims[1] != s->k) {
    st = ap_fail(err, AP_ERR_ARG, "%s has %zu columns, %s has %zu rows: they must agree", o->input,
                 x.dims[1], o->matrix, s->k);
    goto done;
  }
  s->w = ap_calloc(w.count, sizeof *s->w);
  s->x = ap_calloc(x.count, sizeof *s->x);
  s->output = ap_calloc(s->count * s->n, sizeof *s->output);
  s->product = ap_calloc(s->count * s->n, sizeof *s->product);
  if (!s->w || !s->x || !s->output || !s->product) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu by %zu x %zu", s->count, s->k, s->k, s->n);
    goto done;
  }
  st = load_integers(o->matrix, &w, array, true, s->w, err);
  if (!st) st = load_integers(o->input, &x, array, false, s->x, err);
done:
  ap_npy_release(&w);
  ap_npy_release(&x);
  return st;
}

static ap_status simulation_run(const simulate_options *o, const ap_array_spec *array,
                                simulation *s, ap_error *err) {
  ap_mapping *mapping = NULL;
  ap_pruner pruner;
  ap_status st = ap_pruner_parse(o->pruner, &pruner, err);
  if (st) return ap_fail_context(err, st, "--pruner");
  st = ap_mapping_create(array, pruner.granularity, s->w, s->k, s->n, &mapping, err);
  if (st) return ap_fail_context(err, st, "%s", o->matrix);
  st = ap_datapath_run(mapping, s->x, s->count, s->output, &s->stats, err);
  if (st) {
    (void)ap_fail_context(err, st, "%s", o->input);
  } else {
    ap_integer_product(s->x, s->w, s->count, s->k, s->n, s->product);
    s->equal = memcmp(s->output, s->product, s->count * s->n * sizeof *s->output) == 0;
  }
  ap_mapping_destroy(mapping);
  return st;
}

/* Rows of a count x n matrix; NULL out of memory. */
static json_t *matrix_json(const int64_t *values, size_t count, size_t n) {
  json_t *rows = json_array();
  for (size_t i = 0; rows && i < count; i++) {
    json_t *row = json_array();
    bool good = row != NULL;
    for (size_t j = 0; good && j < n; j++) {
      good = json_array_append_new(row, json_integer(values[i * n + j])) == 0;
    }
    if (!good || json_array_append(rows, row) != 0) {
      json_decref(rows);
      rows = NULL;
    }
    json_decref(row);
  }
  return rows;
}

static json_t *simulation_json(const ap_cli *cli, const simulate_options *o, const simulation *s,
                               const ap_tech *tech) {
  json_t *document = json_object();
  char hash[65] = "";
  if (document && ap_tech_hash(tech, hash, NULL) == AP_OK &&
      ap_cli_set(document, "output", matrix_json(s->output, s->count, s->n)) &&
      ap_cli_set(document, "product", matrix_json(s->product, s->count, s->n)) &&
      ap_cli_set(document, "equal", json_boolean(s->equal)) &&
      ap_cli_set(document, "conversions", json_integer((json_int_t)s->stats.conversions)) &&
      ap_cli_set(document, "saturated", json_integer((json_int_t)s->stats.saturated)) &&
      ap_cli_set(document, "hardware",
                 json_pack("{s:s,s:s}", "name", ap_tech_name(tech), "hash", hash)) &&
      ap_cli_set(
          document, "provenance",
          ap_cli_provenance(
              cli, json_pack("{s:o, s:o, s:s, s:s}", "matrix_sha256", ap_cli_file_hash(o->matrix),
                             "input_sha256", ap_cli_file_hash(o->input), "hardware_sha256", hash,
                             "pruner", o->pruner ? o->pruner : "column-vector")))) {
    return document;
  }
  json_decref(document);
  return NULL;
}

static void print_summary(const simulation *s, const ap_array_spec *array) {
  size_t different = 0, first = 0;
  for (size_t i = s->count * s->n; i-- > 0;) {
    if (s->output[i] != s->product[i]) {
      different++;
      first = i;
    }
  }
  (void)printf("%zu x %zu by %zu x %zu, converter %u bits: %" PRIu64 " conversions, %" PRIu64
               " saturated\n",
               s->count, s->k, s->k, s->n, ap_array_adc_bits(array), s->stats.conversions,
               s->stats.saturated);
  if (s->equal) {
    (void)printf("equal: the data path gives the direct integer product\n");
  } else {
    (void)printf("NOT equal: %zu of %zu outputs differ, first at row %zu, column %zu: %" PRId64
                 " instead of %" PRId64 "\n",
                 different, s->count * s->n, first / s->n, first % s->n, s->output[first],
                 s->product[first]);
  }
}

ap_status ap_cmd_simulate(ap_cli *cli, int argc, char **argv, ap_error *err) {
  simulate_options o = {.pruner = "column-vector"};
  ap_option options[] = {
      {"matrix", "FILE.npy", "weights, K x N", AP_OPTION_TEXT, &o.matrix, 0, 0},
      {"input", "FILE.npy", "inputs, n x K", AP_OPTION_TEXT, &o.input, 0, 0},
      {"hw", "PRESET|FILE", "hardware: ou (default), isaac, sre, or an .ini file", AP_OPTION_TEXT,
       &o.hw, 0, 0},
      {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated", AP_OPTION_LIST,
       &o.overrides, 0, 0},
      {"pruner", "NAME", "vectors that are dropped when zero (default column-vector)",
       AP_OPTION_TEXT, &o.pruner, 0, 0},
      {.name = NULL}};
  ap_tech *tech = NULL;
  simulation s = {0};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("matrix", o.matrix, err);
  if (!st) st = ap_cli_require("input", o.input, err);
  if (!st) st = ap_cli_open_tech(o.hw, &o.overrides, &tech, err);
  if (!st) st = simulation_load(&o, ap_tech_array(tech), &s, err);
  if (!st) st = simulation_run(&o, ap_tech_array(tech), &s, err);
  if (!st) {
    if (cli->json) {
      st = ap_cli_print_json(simulation_json(cli, &o, &s, tech), err);
    } else {
      print_summary(&s, ap_tech_array(tech));
    }
    cli->answer_no = !s.equal;
  }
  simulation_release(&s);
  ap_tech_close(tech);
  return st;
}
