#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/provenance.h"
#include "base/text.h"
#include "bench/study.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "nn/onnx.h"

static const ap_command_info INFO = {
    .name = "study",
    .usage = "--model FILE [--model FILE ...] [--data NAME|DIR] --out DIR  [OPTIONS]",
    .summary = "How area, energy, index tables and accuracy answer to one setting at a time.",
    .details =
        "Without --data: sizes (of crossbars and OUs), index (tables over vector shape) and "
        "control "
        "(zeros\nthat hardware cannot use). With --data also, through the bit-exact data path: "
        "converter (accuracy\nover converter bits) and devices (accuracy over conductance "
        "variation). Only when named by --only: recovery\n(accuracy over sparsity: one-shot, "
        "recalibrated, repaired, fine-tuned), curves (each\nlayer alone at every level) and bits "
        "(of "
        "the weights, 2 to 8). Each is DIR/NAME.csv and a\nfigure; points that need "
        "images are kept in DIR/points, so that an interrupted study goes on when the\nsame "
        "command "
        "is run again.",
    .examples =
        "  autoprune study --model lenet5_fashion-mnist --out out/study\n"
        "  autoprune study --model resnet8_cifar10 --data cifar10 --images 200 --out out/study\n"
        "  autoprune study --model dense.apm --model pruned.apm --data fashion-mnist --only "
        "devices "
        "--out out/d\n"
        "  autoprune study --model resnet8_cifar10 --data cifar10 --only recovery --sparsity "
        "0.7,0.9 "
        "--out out/r"};

typedef struct {
  ap_text_list models, only, overrides;
  ap_model_choice images; /* normalisation of those that are .onnx files */
  const char *data, *split, *hw, *pruner, *sparsity;
  double plugin_timeout;
} request;

/* "results/models/lenet5_fashion-mnist.apm" -> "lenet5_fashion-mnist"; a name of its own may have dots. */
static char *label_of(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  static const char *const endings[] = {".apm", ".onnx"};
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    const size_t length = strlen(endings[i]);
    if (n > length && strcmp(name + n - length, endings[i]) == 0) {
      n -= length;
      break;
    }
  }
  char *label = ap_calloc(n + 1, 1);
  if (label) memcpy(label, name, n);
  for (char *c = label; c && *c; c++) *c = *c == ' ' ? '_' : *c;
  if (label) ap_text_clean(label);
  return label;
}

/* What the studies only borrow. */
typedef struct {
  size_t n;
  ap_network *nets[AP_CLI_MAX_LIST];
  char *labels[AP_CLI_MAX_LIST];
} loaded;

static ap_status load_models(const request *r, loaded *l, ap_study_model *models, ap_error *err) {
  ap_status st = AP_OK;
  for (; l->n < r->models.n && !st; l->n++) {
    l->labels[l->n] = label_of(r->models.items[l->n]);
    if (!l->labels[l->n]) return ap_fail(err, AP_ERR_MEMORY, "name of a model");
    ap_model_choice choice = {.path = r->models.items[l->n]};
    if (ap_onnx_is_name(choice.path)) {
      choice.mean = r->images.mean;
      choice.std = r->images.std;
    }
    st = ap_cli_load_model(&choice, &l->nets[l->n], NULL, err);
    models[l->n] = (ap_study_model){l->labels[l->n], l->nets[l->n]};
  }
  return st;
}

static void release(loaded *l) {
  for (size_t i = 0; i < l->n; i++) {
    ap_network_destroy(l->nets[i]);
    ap_free(l->labels[i]);
  }
}

static void print_summary(const ap_study_options *o, json_t *tables) {
  json_t *rows;
  const char *name;
  json_object_foreach(tables, name, rows) {
    (void)printf("%-10s %4zu rows  %s/%s.csv\n", name, json_array_size(rows), o->out, name);
  }
}

/* "0.7,0.8,0.9" */
static ap_status parse_sparsities(const char *text, ap_study_options *o, ap_error *err) {
  const char *at = text;
  for (o->n_sparsities = 0; *at; at += *at == ',' && at[1]) {
    char *end;
    double value = strtod(at, &end);
    if (end == at || (*end && *end != ',') || !(value > 0 && value < 1) ||
        (*end == ',' && !end[1]) || o->n_sparsities == AP_STUDY_MAX_SPARSITIES) {
      return ap_fail(err, AP_ERR_ARG,
                     "--sparsity %s: 1 to %d shares between 0 and 1 are expected, as in 0.7,0.9",
                     text, AP_STUDY_MAX_SPARSITIES);
    }
    o->sparsities[o->n_sparsities++] = value;
    at = end;
  }
  return AP_OK;
}

static ap_status run(const ap_cli *cli, const request *r, ap_study_options *o, ap_error *err) {
  ap_study_model models[AP_CLI_MAX_LIST];
  loaded l;
  ap_tech *tech = NULL;
  ap_dataset *data = NULL;
  json_t *tables = NULL, *provenance = ap_provenance(cli->argc, cli->argv);
  ap_status st = provenance ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "provenance");
  memset(&l, 0, sizeof l);
  if (!st && r->split) st = ap_split_parse(r->split, &o->split, err);
  if (!st && r->sparsity) st = parse_sparsities(r->sparsity, o, err);
  if (!st && r->pruner) {
    st = ap_cli_pruner(r->pruner, r->plugin_timeout, cli->seed, &o->pruner, err);
  }
  if (!st) st = ap_cli_open_tech(r->hw, &r->overrides, &tech, err);
  if (!st) st = load_models(r, &l, models, err);
  if (!st && r->data) st = ap_dataset_open(r->data, &data, err);
  o->models = models;
  o->n_models = r->models.n;
  o->tech = tech;
  o->data = data;
  if (!st) st = ap_study_run(o, provenance, &tables, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(tables), err);
  } else if (!st) {
    print_summary(o, tables);
  }
  o->models = NULL; /* they end here */
  o->n_models = 0;
  json_decref(tables);
  json_decref(provenance);
  release(&l);
  ap_dataset_destroy(data);
  ap_tech_close(tech);
  return st;
}

ap_status ap_cmd_study(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_study_options o = ap_study_defaults();
  request r;
  bool no_plots = false, help = false;
  ap_option options[] = {
      {"model", "FILE", "model file, name of a shipped one, or .onnx file; may be repeated",
       AP_OPTION_LIST, &r.models, 0, 0},
      AP_NORMALISATION_OPTIONS(&r.images),
      {"data", "NAME|DIR", "images: all but sizes, index and control need them", AP_OPTION_TEXT,
       &r.data, 0, 0},
      {"out", "DIR", "folder of the results", AP_OPTION_TEXT, &o.out, 0, 0},
      {"only", "STUDY",
       "sizes, index, control, converter, devices, recovery, curves, bits; may be repeated",
       AP_OPTION_LIST, &r.only, 0, 0},
      {"hw", "PRESET|FILE", "hardware: ou (default), isaac, sre, or an .ini file", AP_OPTION_TEXT,
       &r.hw, 0, 0},
      {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated", AP_OPTION_LIST,
       &r.overrides, 0, 0},
      {"keep", "F", "share of weights that sizes and index keep (default 0.2)", AP_OPTION_NUMBER,
       &o.keep, 1e-6, 1},
      {"pruner", "NAME", "of recovery, curves and bits (its mapping rule): default column-vector",
       AP_OPTION_TEXT, &r.pruner, 0, 0},
      AP_CLI_PLUGIN_TIMEOUT(&r.plugin_timeout),
      {"sparsity", "S,S,...",
       "of recovery: removed shares of every layer's vectors (default 0.7,0.8,0.9,0.95)",
       AP_OPTION_TEXT, &r.sparsity, 0, 0},
      {"prune-ends", NULL, "of recovery: prune the first and the last layer, too", AP_OPTION_FLAG,
       &o.prune_ends, 0, 0},
      {"epochs", "E", "of recovery: of fine-tuning (default 2)", AP_OPTION_NUMBER, &o.epochs, 1e-3,
       1e6},
      {"lr", "R", "of recovery: peak learning rate of fine-tuning (default 0.02)", AP_OPTION_NUMBER,
       &o.lr, 0, 1e6},
      {"split", "NAME", "split for accuracies (default selection; curves: search)", AP_OPTION_TEXT,
       &r.split, 0, 0},
      {"images", "N",
       "images of the split, the first; 0: all (default; converter and devices: 500)",
       AP_OPTION_SIZE, &o.images, 0, 1e9},
      {"calibration", "N", "images that set the input ranges (default 256)", AP_OPTION_SIZE,
       &o.calibration, 1, 1e6},
      {"samples", "K", "devices for each variation (default 5)", AP_OPTION_SIZE, &o.samples, 1,
       10000},
      {"no-plots", NULL, "draw no figures", AP_OPTION_FLAG, &no_plots, 0, 0},
      {"plots", "DIR", "folder of the gnuplot scripts", AP_OPTION_TEXT, &o.plots, 0, 0},
      {.name = NULL}};
  ap_status st;
  memset(&r, 0, sizeof r);
  r.plugin_timeout = AP_PLUGIN_TIME_LIMIT;
  st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("model", r.models.n ? r.models.items[0] : NULL, err);
  if (!st) st = ap_cli_require("out", o.out, err);
  if (st) return st;
  o.only = r.only.items;
  o.n_only = r.only.n;
  o.seed = cli->seed;
  o.backend = cli->backend;
  o.n_threads = cli->threads;
  o.quiet = cli->quiet;
  if (no_plots) o.draw = false;
  st = run(cli, &r, &o, err);
  if (st == AP_ERR_INTERRUPTED) {
    ap_error inner = *err;
    (void)ap_fail(err, st, "%s; run the same command again to go on", inner.text);
  }
  return st;
}
