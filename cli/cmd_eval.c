#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/eval_datapath.h"
#include "cli/record.h"
#include "kernels/backend.h"
#include "nn/infer.h"
#include "nn/model_file.h"

static const ap_command_info INFO = {
    .name = "eval",
    .usage =
        "--model FILE --data NAME|DIR [--split S] [--integer|--datapath] [OPTIONS] | --model FILE "
        "--describe",
    .summary = "Accuracy and loss of a model on one split of a data set.",
    .details =
        "Batch normalisation is folded into the weights first, as for deployment. Splits: "
        "train, calibration,\nsearch, selection (default), test. With --datapath every layer is "
        "mapped to crossbars and its products\nare done bit by bit, as the hardware does: accuracy "
        "in floats, quantised, and of the hardware.\n--integer gives the first two alone, "
        "thousands "
        "of times faster; its outputs are those of the quantised\nnetwork bit for bit.",
    .examples =
        "  autoprune eval --model lenet5_fashion-mnist --data fashion-mnist\n"
        "  autoprune eval --model m.apm --data cifar10 --split test --json\n"
        "  autoprune eval --model m.apm --data mnist --logits logits.npy\n"
        "  autoprune eval --model lenet5_fashion-mnist --data fashion-mnist --datapath --images "
        "500\n"
        "  autoprune eval --model m.apm --data cifar10 --integer --policy out/s1/policy.json\n"
        "  autoprune eval --model m.apm --data cifar10 --integer --weight-bits 4,conv1=8,fc=8\n"
        "  autoprune eval --model m.apm --data mnist --datapath --sigma 0.1 --samples 10\n"
        "  autoprune eval --model resnet8_fashion-mnist --describe\n"
        "  autoprune eval --model r20.onnx --mean .485,.456,.406 --std .229,.224,.225 --data "
        "cifar10"};

typedef struct {
  ap_model_choice model;
  const char *data, *split, *logits;
  size_t images;
  bool describe;
} eval_options;

/* Largest resident set of this process so far. */
static double peak_memory_mib(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage)) return 0;
  return (double)usage.ru_maxrss / 1024; /* KiB on Linux */
}

static json_t *score_json(const ap_cli *cli, const eval_options *o, const ap_network *net,
                          const ap_dataset *data, ap_split split, const ap_score *score,
                          const char *backend, double seconds) {
  json_t *document = json_object();
  char hash[65] = "";
  if (document && ap_network_hash(net, hash, NULL) == AP_OK &&
      ap_cli_set(document, "accuracy", json_real(score->accuracy)) &&
      ap_cli_set(document, "loss", json_real(score->loss)) &&
      ap_cli_set(document, "images", json_integer((json_int_t)score->images)) &&
      ap_cli_set(document, "correct", json_integer((json_int_t)score->correct)) &&
      ap_cli_set(document, "split", json_string(ap_split_name(split))) &&
      ap_cli_set(document, "model", ap_json_text(o->model.path)) &&
      ap_cli_set(document, "network", json_string(net->name)) &&
      ap_cli_set(document, "model_hash", json_string(hash)) &&
      ap_cli_set(document, "data", json_string(ap_dataset_name(data))) &&
      ap_cli_set(document, "data_hash", json_string(ap_dataset_hash(data))) &&
      ap_cli_set(document, "backend", json_string(backend)) &&
      ap_cli_set(document, "seconds", json_real(seconds)) &&
      ap_cli_set(document, "peak_memory_mib", json_real(peak_memory_mib())) &&
      ap_cli_set(document, "provenance",
                 ap_cli_provenance(
                     cli, json_pack("{s:s, s:s, s:s, s:I, s:s, s:I}", "model_sha256", hash,
                                    "data_sha256", ap_dataset_hash(data), "split",
                                    ap_split_name(split), "images", (json_int_t)score->images,
                                    "backend", cli->backend, "seed", (json_int_t)cli->seed)))) {
    return document;
  }
  json_decref(document);
  return NULL;
}

static ap_status record(const ap_cli *cli, const eval_options *o, const json_t *document,
                        ap_error *err) {
  static const ap_cli_metric metrics[] = {{"accuracy", "accuracy", "", false},
                                          {"loss", "loss", "", false},
                                          {"correct", "correct", "", false},
                                          {"images", "images", "", false},
                                          {"seconds", "seconds", "s", true}};
  if (!cli->record) return AP_OK;
  return ap_cli_record_document(
      cli,
      ap_sprintf("eval %s %s split=%s images=%zu backend=%s", ap_cli_file_name(o->model.path),
                 ap_cli_file_name(o->data), o->split, o->images, cli->backend),
      document, metrics, sizeof metrics / sizeof metrics[0], err);
}

static ap_status evaluate(const ap_cli *cli, const eval_options *o, const ap_network *net,
                          ap_error *err) {
  ap_backend *be = NULL;
  ap_dataset *data = NULL;
  ap_network *folded = NULL;
  float *logits = NULL;
  json_t *document = NULL;
  ap_score score = {0};
  ap_split split = AP_SPLIT_SELECTION;
  size_t images;
  double start;
  ap_status st = ap_split_parse(o->split, &split, err);
  if (!st) st = ap_backend_open(cli->backend, cli->threads, &be, err);
  if (!st) st = ap_dataset_open(o->data, &data, err);
  if (!st) st = ap_network_fold(net, &folded, err);
  if (st) goto done;
  images = ap_dataset_describe(data, split).n_images;
  if (o->images > images) {
    st = ap_fail(err, AP_ERR_ARG, "--images %zu: the %s split of %s has %zu", o->images,
                 ap_split_name(split), ap_dataset_name(data), images);
    goto done;
  }
  if (o->images > 0) images = o->images;
  if (o->logits) {
    logits = ap_calloc(images * net->classes, sizeof *logits);
    if (!logits) {
      st = ap_fail(err, AP_ERR_MEMORY, "%zu x %zu outputs", images, net->classes);
      goto done;
    }
  }
  start = ap_seconds();
  st = ap_infer(be, folded, data, split, o->images, &score, logits, err);
  if (st) goto done;
  if (logits) {
    size_t dims[2] = {images, net->classes};
    st = ap_npy_save(o->logits, AP_NPY_F32, dims, 2, logits, cli->force, err);
    if (st) goto done;
  }
  document =
      score_json(cli, o, net, data, split, &score, ap_backend_describe(be), ap_seconds() - start);
  st = document ? record(cli, o, document, err) : ap_fail(err, AP_ERR_MEMORY, "result document");
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(document), err);
  } else if (!st) {
    (void)printf("%s on %s, %s split: accuracy %.2f %% (%zu of %zu images), loss %.4f\n",
                 o->model.path, ap_dataset_name(data), ap_split_name(split), 100 * score.accuracy,
                 score.correct, score.images, score.loss);
  }
done:
  json_decref(document);
  ap_free(logits);
  ap_network_destroy(folded);
  ap_dataset_destroy(data);
  ap_backend_close(be);
  return st;
}

ap_status ap_cmd_eval(ap_cli *cli, int argc, char **argv, ap_error *err) {
  eval_options o = {.split = "selection"};
  ap_datapath_options datapath = ap_datapath_options_default();
  ap_option options[] = {
      AP_MODEL_OPTIONS(&o.model),
      {"data", "NAME|DIR", "fashion-mnist, mnist, cifar10, or a folder in their formats",
       AP_OPTION_TEXT, &o.data, 0, 0},
      {"split", "S", "train, calibration, search, selection (default), test", AP_OPTION_TEXT,
       &o.split, 0, 0},
      {"images", "N", "only the first N images of the split; 0: all (default)", AP_OPTION_SIZE,
       &o.images, 0, 1e9},
      {"logits", "FILE.npy", "keep the outputs, images x classes float32", AP_OPTION_TEXT,
       &o.logits, 0, 0},
      {"describe", NULL, "print hash, counts, nodes, layers and metadata; evaluate nothing",
       AP_OPTION_FLAG, &o.describe, 0, 0},
      AP_DATAPATH_OPTIONS(&datapath),
      AP_CLI_RECORD(cli),
      {.name = NULL}};
  ap_network *net = NULL;
  json_t *metadata = NULL;
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("model", o.model.path, err);
  if (!st && !o.describe) st = ap_cli_require("data", o.data, err);
  if (!st && o.describe && (o.data || o.logits || datapath.wanted || datapath.integer)) {
    st = ap_fail(err, AP_ERR_ARG,
                 "--describe evaluates nothing: it takes no --data, --logits, --datapath or "
                 "--integer");
  }
  if (!st) st = ap_datapath_options_check(&datapath, err);
  if (!st && o.logits) st = ap_cli_probe_output(o.logits, cli->force, err);
  if (!st) st = ap_cli_record_ready(cli, err);
  if (!st) st = ap_cli_load_model(&o.model, &net, &metadata, err);
  if (st) goto done;
  if (o.describe) {
    st = ap_cli_describe(cli, net, metadata, err);
  } else if (datapath.wanted || datapath.integer) {
    const ap_datapath_subject subject = {net, o.model.path, o.data, o.split, o.logits, o.images};
    st = datapath.wanted ? ap_cli_eval_datapath(cli, &subject, &datapath, err)
                         : ap_cli_eval_integer(cli, &subject, &datapath, err);
  } else {
    st = evaluate(cli, &o, net, err);
  }
done:
  json_decref(metadata);
  ap_network_destroy(net);
  return st;
}
