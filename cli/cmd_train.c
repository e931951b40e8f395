#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/train_log.h"
#include "kernels/backend.h"
#include "nn/infer.h"
#include "nn/model_file.h"
#include "nn/train.h"

static const ap_command_info INFO = {
    .name = "train",
    .usage = "--net NAME --data NAME|DIR --out FILE [OPTIONS]",
    .summary = "Trains a network by SGD with momentum and a cosine schedule.",
    .details =
        "Writes FILE (.apm, with recipe, data hash and accuracies) and FILE.log.csv (one row an "
        "epoch).\nThe state is kept in FILE.checkpoint while training: after an interruption the "
        "same command goes on\nfrom there, with the same result. The test set is read only with "
        "--test. Options left out take\nthe data set's defaults.",
    .examples =
        "  autoprune train --net lenet5 --data fashion-mnist --epochs 12 --out out/lenet5.apm\n"
        "  autoprune train --net resnet8 --data cifar10 --epochs 60 --lr 0.1 --out out/r8.apm "
        "--test"};

typedef struct {
  const char *net, *data, *out;
  ap_model_choice from;
  double epochs, lr, warmup, momentum, weight_decay, label_smoothing;
  size_t batch, crop, cutout;
  bool flip, no_flip, test;
  ap_store_choice store;
} train_options;

typedef struct {
  const train_options *o;
  ap_backend *be;
  ap_dataset *data;
  ap_network *net;
  ap_train_options recipe;
  char *checkpoint, *log_path;
  json_t *provenance;
  json_t *origin; /* of --from: its hash and metadata */
  ap_train_log *log;
  ap_progress *progress;
  ap_error *err; /* of the observer */
  ap_status status;
  bool quiet, resumed;
  unsigned stored_bits;
  double seconds;
} training;

static ap_status choose_recipe(const ap_cli *cli, const train_options *o, const ap_dataset *data,
                               const ap_network *net, ap_train_options *recipe, ap_error *err) {
  *recipe = ap_train_defaults(data);
  recipe->seed = cli->seed;
  recipe->selection_every = 1;
  if (!isnan(o->epochs)) recipe->epochs = o->epochs;
  if (!isnan(o->lr)) recipe->lr = o->lr;
  if (!isnan(o->warmup)) recipe->warmup_epochs = o->warmup;
  if (!isnan(o->momentum)) recipe->momentum = o->momentum;
  if (!isnan(o->weight_decay)) recipe->weight_decay = o->weight_decay;
  if (!isnan(o->label_smoothing)) recipe->label_smoothing = o->label_smoothing;
  if (o->batch > 0) recipe->batch = o->batch;
  if (o->crop != SIZE_MAX) recipe->crop = o->crop;
  if (o->cutout > 0) recipe->cutout = o->cutout;
  if (o->flip || o->no_flip) recipe->flip = o->flip;
  *recipe = ap_train_options_for(net, recipe);
  if ((o->crop != SIZE_MAX && recipe->crop != o->crop) ||
      (o->cutout > 0 && recipe->cutout != o->cutout) || (o->flip && !recipe->flip)) {
    return ap_fail(err, AP_ERR_ARG,
                   "--crop, --flip and --cutout go with images: %s takes a row of values",
                   net->name);
  }
  return AP_OK;
}

static void observe(void *context, const ap_train_report *report) {
  training *t = context;
  char note[80];
  (void)snprintf(note, sizeof note, "epoch %zu/%zu loss %.3f acc %.3f",
                 report->epoch < report->n_epochs ? report->epoch + 1 : report->n_epochs,
                 report->n_epochs, report->loss, report->accuracy);
  if (!t->progress) {
    t->progress = ap_progress_create("train", report->n_steps, t->quiet);
    if (!t->resumed) ap_progress_set(t->progress, 0, NULL);
  }
  ap_progress_set(t->progress, report->step, note);
  t->seconds = report->seconds;
  if (!t->status && !isnan(report->selection_accuracy)) {
    /* the last epoch may be a part of one */
    size_t epoch = report->step == report->n_steps ? report->n_epochs : report->epoch;
    t->status = ap_train_log_add(t->log, epoch, report, t->err);
  }
}

/* Goes on from a trained model: its weights and input normalisation; what it is stays on record. */
static ap_status load_origin(training *t, ap_error *err) {
  json_t *metadata = NULL;
  char hash[AP_SHA256_TEXT];
  ap_status st = ap_cli_load_model(&t->o->from, &t->net, &metadata, err);
  if (!st) st = ap_network_hash(t->net, hash, err);
  if (!st) {
    t->origin = json_pack("{s:o, s:s, s:O?}", "model", ap_json_text(t->o->from.path),
                          "model_sha256", hash, "metadata", metadata);
    if (!t->origin) st = ap_fail(err, AP_ERR_MEMORY, "training");
  }
  json_decref(metadata);
  return st;
}

static ap_status prepare(ap_cli *cli, training *t, ap_error *err) {
  const train_options *o = t->o;
  ap_dataset_info info;
  ap_status st = ap_cli_probe_output(o->out, cli->force, err);
  if (!st) st = ap_backend_open(cli->backend, cli->threads, &t->be, err);
  if (!st && o->from.path) st = load_origin(t, err); /* a broken one, before reading the images */
  if (!st) st = ap_dataset_open(o->data, &t->data, err);
  if (st) return st;
  info = ap_dataset_describe(t->data, AP_SPLIT_TRAIN);
  if (!o->from.path) {
    st = ap_network_builtin(o->net, (ap_shape3){info.channels, info.height, info.width},
                            info.classes, cli->seed, &t->net, err);
    if (!st) ap_dataset_statistics(t->data, t->net->mean, t->net->std);
  }
  if (!st) st = choose_recipe(cli, o, t->data, t->net, &t->recipe, err);
  if (st) return st;
  t->provenance = ap_provenance(cli->argc, cli->argv);
  t->checkpoint = ap_sprintf("%s.checkpoint", o->out);
  t->log_path = ap_sprintf("%s.log.csv", o->out);
  if (!t->provenance || !t->checkpoint || !t->log_path) {
    return ap_fail(err, AP_ERR_MEMORY, "training");
  }
  t->resumed = ap_file_exists(t->checkpoint);
  if (t->resumed) ap_cli_note(cli, "going on from %s", t->checkpoint);
  return ap_train_log_create(t->log_path,
                             json_string_value(json_object_get(t->provenance, "command")),
                             t->resumed, &t->log, err);
}

static json_t *recipe_json(const ap_train_options *r) {
  return json_pack("{s:f,s:I,s:f,s:f,s:f,s:f,s:f,s:I,s:b,s:I,s:I}", "epochs", r->epochs, "batch",
                   (json_int_t)r->batch, "lr", r->lr, "warmup_epochs", r->warmup_epochs, "momentum",
                   r->momentum, "weight_decay", r->weight_decay, "label_smoothing",
                   r->label_smoothing, "crop", (json_int_t)r->crop, "flip", (int)r->flip, "cutout",
                   (json_int_t)r->cutout, "seed", (json_int_t)r->seed);
}

/* Accuracy of the deployed (folded) network on a split, put into the metadata. */
static ap_status measure(const training *t, const ap_network *folded, ap_split split,
                         json_t *metadata, double *accuracy, ap_error *err) {
  ap_score score;
  char key[32];
  ap_status st = ap_infer(t->be, folded, t->data, split, 0, &score, NULL, err);
  if (st) return st;
  *accuracy = score.accuracy;
  (void)snprintf(key, sizeof key, "accuracy_%s", ap_split_name(split));
  if (!ap_cli_set(metadata, key, json_real(score.accuracy))) {
    return ap_fail(err, AP_ERR_MEMORY, "metadata");
  }
  return AP_OK;
}

static ap_status finish(ap_cli *cli, const training *t, ap_error *err) {
  ap_network *folded = NULL;
  double selection = NAN, test = NAN;
  char used[24];
  json_t *metadata = json_pack("{s:o,s:s,s:s,s:s,s:f}", "recipe", recipe_json(&t->recipe), "data",
                               ap_dataset_name(t->data), "data_hash", ap_dataset_hash(t->data),
                               "backend", ap_backend_describe(t->be), "seconds", t->seconds);
  ap_status st = metadata ? ap_model_round(t->net, t->stored_bits, err)
                          : ap_fail(err, AP_ERR_MEMORY, "metadata");
  if (!st) st = ap_network_fold(t->net, &folded, err);
  if (!st) st = measure(t, folded, AP_SPLIT_SELECTION, metadata, &selection, err);
  if (!st && t->o->test) st = measure(t, folded, AP_SPLIT_TEST, metadata, &test, err);
  if (!st && t->origin && json_object_set(metadata, "from", t->origin) != 0) {
    st = ap_fail(err, AP_ERR_MEMORY, "metadata");
  }
  if (!st && json_object_set(metadata, "provenance", t->provenance) != 0) {
    st = ap_fail(err, AP_ERR_MEMORY, "metadata");
  }
  if (!st) {
    st = ap_model_save(t->o->out, t->net, metadata, t->stored_bits, cli->force, err);
  }
  if (!st && cli->json) {
    json_t *document = json_deep_copy(metadata);
    if (document && !(ap_cli_set(document, "model", ap_json_text(t->o->out)) &&
                      ap_cli_set(document, "log", ap_json_text(t->log_path)))) {
      json_decref(document);
      document = NULL;
    }
    st = ap_cli_print_json(document, err);
  } else if (!st) {
    ap_cli_duration(t->seconds, used);
    (void)printf("%s: %s on %s, selection accuracy %.2f %%", t->o->out, t->net->name,
                 ap_dataset_name(t->data), 100 * selection);
    if (t->o->test) (void)printf(", test accuracy %.2f %%", 100 * test);
    (void)printf(", trained in %s; log %s\n", used, t->log_path);
  }
  json_decref(metadata);
  ap_network_destroy(folded);
  return st;
}

static void training_release(training *t) {
  ap_train_log_destroy(t->log);
  json_decref(t->provenance);
  json_decref(t->origin);
  ap_free(t->checkpoint);
  ap_free(t->log_path);
  ap_network_destroy(t->net);
  ap_dataset_destroy(t->data);
  ap_backend_close(t->be);
}

static ap_status run_training(ap_cli *cli, const train_options *o, ap_error *err) {
  ap_error log_error = {0};
  training t = {.o = o, .err = &log_error, .quiet = cli->quiet};
  ap_status st = ap_cli_stored_bits(&o->store, &t.stored_bits, err);
  if (!st) st = prepare(cli, &t, err);
  if (st) goto done;
  st = ap_train(t.be, t.net, t.data, &t.recipe, NULL, t.checkpoint, observe, &t, err);
  ap_progress_end(t.progress);
  if (st == AP_ERR_INTERRUPTED) {
    ap_error inner = *err;
    st = ap_fail(err, st, "%s; run the same command again to go on", inner.text);
  } else if (st == AP_ERR_FORMAT) {
    ap_error inner = *err;
    st = ap_fail(err, st, "%s (delete %s to begin anew)", inner.text, t.checkpoint);
  } else if (!st && t.status) {
    *err = log_error;
    st = t.status;
  }
  if (!st) st = finish(cli, &t, err);
done:
  training_release(&t);
  return st;
}

ap_status ap_cmd_train(ap_cli *cli, int argc, char **argv, ap_error *err) {
  train_options o = {.epochs = NAN,
                     .lr = NAN,
                     .warmup = NAN,
                     .momentum = NAN,
                     .weight_decay = NAN,
                     .label_smoothing = NAN,
                     .crop = SIZE_MAX};
  ap_option options[] = {
      {"net", "NAME", "lenet5, resnet8, resnet20, resnet32, resnet56, vgg16, resnet18",
       AP_OPTION_TEXT, &o.net, 0, 0},
      {"from", "FILE", "go on from this model's weights, in place of --net", AP_OPTION_TEXT,
       &o.from.path, 0, 0},
      AP_NORMALISATION_OPTIONS(&o.from),
      {"data", "NAME|DIR", "fashion-mnist, mnist, cifar10, or a folder in their formats",
       AP_OPTION_TEXT, &o.data, 0, 0},
      {"out", "FILE", "the model file to write", AP_OPTION_TEXT, &o.out, 0, 0},
      {"epochs", "E", "passes over the training images; may be a fraction", AP_OPTION_NUMBER,
       &o.epochs, 0, 1e6},
      {"lr", "R", "peak learning rate", AP_OPTION_NUMBER, &o.lr, 0, 1e6},
      {"batch", "N", "images a step", AP_OPTION_SIZE, &o.batch, 1, 1 << 20},
      {"warmup", "E", "epochs of linear warm-up", AP_OPTION_NUMBER, &o.warmup, 0, 1e6},
      {"momentum", "M", "momentum of SGD", AP_OPTION_NUMBER, &o.momentum, 0, 1},
      {"weight-decay", "D", "L2 penalty on conv and linear weights", AP_OPTION_NUMBER,
       &o.weight_decay, 0, 1},
      {"label-smoothing", "S", "share of the label given to all classes", AP_OPTION_NUMBER,
       &o.label_smoothing, 0, 0.999},
      {"crop", "PIXELS", "random shifts of up to that many pixels", AP_OPTION_SIZE, &o.crop, 0, 64},
      {"flip", NULL, "mirror images at random", AP_OPTION_FLAG, &o.flip, 0, 0},
      {"no-flip", NULL, "never mirror images", AP_OPTION_FLAG, &o.no_flip, 0, 0},
      {"cutout", "PIXELS", "clear a square of that side around a random pixel (default: none)",
       AP_OPTION_SIZE, &o.cutout, 1, 1024},
      AP_CLI_STORE(&o.store),
      {"test", NULL, "measure the test accuracy at the end too", AP_OPTION_FLAG, &o.test, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  if (!o.from.path) st = ap_cli_require("net", o.net, err);
  if (!st && o.from.path && o.net) {
    st = ap_fail(err, AP_ERR_ARG, "--from and --net exclude each other");
  }
  if (!st) st = ap_cli_require("data", o.data, err);
  if (!st) st = ap_cli_require("out", o.out, err);
  if (!st && o.flip && o.no_flip) {
    st = ap_fail(err, AP_ERR_ARG, "--flip and --no-flip exclude each other");
  }
  return st ? st : run_training(cli, &o, err);
}
