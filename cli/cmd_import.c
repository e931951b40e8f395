#include <stdio.h>

#include "base/file.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "nn/model_file.h"
#include "nn/onnx.h"

static const ap_command_info INFO = {
    .name = "import",
    .usage = "--onnx FILE|--model FILE.apm --out FILE.apm [OPTIONS]",
    .summary = "Makes a model file of an ONNX file (opset 7 to 28), or of another model file.",
    .details =
        "What depends on constants alone is computed, transposes become the order of weights, a "
        "Softmax at\nthe end is dropped. An operator or attribute that is not known is an error "
        "that names the node.\nThe network sees (pixel/255 - mean) / std: both are kept in the "
        "model. Left out they are what a file\nof `autoprune export` holds, else mean 0 and std "
        "1, pixels between 0 and 1. For networks that take\npixels of 0..255 give --std "
        "0.00392157 for each channel. Every --model takes .onnx files, too.\n--model with --store "
        "writes a model anew in fewer bits; its metadata stay those of the original.",
    .examples =
        "  autoprune import --onnx resnet20.onnx --out r20.apm --mean .485,.456,.406 --std "
        ".229,.224,.225\n"
        "  autoprune import --onnx lenet.onnx --out lenet.apm --json\n"
        "  autoprune import --model out/r20.apm --out r20-int8.apm --store int8"};

typedef struct {
  ap_model_choice model; /* path: of --onnx or --model, whichever was given */
  const char *onnx, *out, *weight_bits;
  ap_store_choice store;
} import_options;

static ap_status run_import(const ap_cli *cli, const import_options *o, ap_error *err) {
  unsigned stored_bits = 0;
  ap_network *net = NULL;
  json_t *metadata = NULL, *provenance = NULL;
  ap_status st = ap_cli_stored_bits(&o->store, &stored_bits, err);
  if (!st) st = ap_cli_load_model(&o->model, &net, &metadata, err);
  if (!st) st = ap_cli_set_weight_bits(NULL, NULL, o->weight_bits, net, err);
  if (st) {
    json_decref(metadata);
    ap_network_destroy(net);
    return st;
  }
  provenance = ap_provenance(cli->argc, cli->argv);
  if (!metadata) metadata = json_object();
  if (!provenance || !metadata || json_object_set(metadata, "import", provenance) != 0)
    st = ap_fail(err, AP_ERR_MEMORY, "provenance");
  if (!st) st = ap_model_round(net, stored_bits, err);
  if (!st) st = ap_model_save(o->out, net, metadata, stored_bits, cli->force, err);
  if (!st && cli->json) {
    st = ap_cli_describe(cli, net, metadata, err);
  } else if (!st) {
    char hash[65];
    st = ap_network_hash(net, hash, err);
    if (!st)
      (void)printf(
          "%s: %s, %zu layers, %zu parameters, %zu multiply-accumulates an image, %zu "
          "classes, hash %s\n",
          o->out, net->name, ap_network_layers(net, NULL, 0), ap_network_parameters(net),
          ap_network_macs(net), net->classes, hash);
  }
  json_decref(provenance);
  json_decref(metadata);
  ap_network_destroy(net);
  return st;
}

ap_status ap_cmd_import(ap_cli *cli, int argc, char **argv, ap_error *err) {
  import_options o = {0};
  ap_option options[] = {
      {"onnx", "FILE", "the file to read (its name ends in .onnx)", AP_OPTION_TEXT, &o.onnx, 0, 0},
      {"model", "FILE", "or a model file, or the name of a shipped one", AP_OPTION_TEXT,
       &o.model.path, 0, 0},
      {"out", "FILE.apm", "the model file to write", AP_OPTION_TEXT, &o.out, 0, 0},
      AP_NORMALISATION_OPTIONS(&o.model),
      AP_CLI_WEIGHT_BITS(&o.weight_bits),
      AP_CLI_STORE(&o.store),
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  if (!o.model.path) st = ap_cli_require("onnx", o.onnx, err);
  if (!st && o.onnx && o.model.path)
    st = ap_fail(err, AP_ERR_ARG, "--onnx and --model exclude each other");
  if (!st) st = ap_cli_require("out", o.out, err);
  if (!st && o.onnx && !ap_onnx_is_name(o.onnx))
    st = ap_fail(err, AP_ERR_ARG, "--onnx %s: a name that ends in .onnx is expected", o.onnx);
  if (o.onnx) o.model.path = o.onnx;
  if (!st && ap_onnx_is_name(o.out))
    st = ap_fail(err, AP_ERR_ARG, "--out %s: a model file (.apm) is written", o.out);
  if (!st && !cli->force && ap_file_exists(o.out))
    st = ap_fail(err, AP_ERR_ARG, "%s exists (use --force to overwrite it)", o.out);
  return st ? st : run_import(cli, &o, err);
}
