#include <stdio.h>

#include "base/file.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "nn/model_file.h"
#include "nn/onnx.h"

static const ap_command_info INFO = {
    .name = "import",
    .usage = "--onnx FILE --out FILE.apm [OPTIONS]",
    .summary = "Makes a model file of an ONNX file (opset 9 to 22).",
    .details =
        "What depends on constants alone is computed, transposes become the order of weights, a "
        "Softmax at\nthe end is dropped. An operator or attribute that is not known is an error "
        "that names the node.\nThe network sees (pixel/255 - mean) / std: both are kept in the "
        "model. Left out they are what a file\nof `autoprune export` holds, else mean 0 and std "
        "1, pixels between 0 and 1. For networks that take\npixels of 0..255 give --std "
        "0.00392157 for each channel. Every --model takes .onnx files, too.",
    .examples =
        "  autoprune import --onnx resnet20.onnx --out r20.apm --mean .485,.456,.406 --std "
        ".229,.224,.225\n"
        "  autoprune import --onnx lenet.onnx --out lenet.apm --json"};

typedef struct {
  ap_model_choice model; /* path: --onnx */
  const char *out, *weight_bits;
  bool compact;
} import_options;

static ap_status run_import(const ap_cli *cli, const import_options *o, ap_error *err) {
  ap_network *net = NULL;
  json_t *metadata = NULL, *provenance = NULL;
  ap_status st = ap_cli_load_model(&o->model, &net, &metadata, err);
  if (!st) st = ap_cli_set_weight_bits(NULL, NULL, o->weight_bits, net, err);
  if (st) {
    json_decref(metadata);
    ap_network_destroy(net);
    return st;
  }
  provenance = ap_provenance(cli->argc, cli->argv);
  if (!provenance || json_object_set(metadata, "import", provenance) != 0)
    st = ap_fail(err, AP_ERR_MEMORY, "provenance");
  if (!st) st = ap_model_save(o->out, net, metadata, o->compact, cli->force, err);
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
      {"onnx", "FILE", "the file to read (its name ends in .onnx)", AP_OPTION_TEXT, &o.model.path,
       0, 0},
      {"out", "FILE.apm", "the model file to write", AP_OPTION_TEXT, &o.out, 0, 0},
      AP_NORMALISATION_OPTIONS(&o.model),
      AP_CLI_WEIGHT_BITS(&o.weight_bits),
      {"compact", NULL, "store float16 weights", AP_OPTION_FLAG, &o.compact, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("onnx", o.model.path, err);
  if (!st) st = ap_cli_require("out", o.out, err);
  if (!st && !ap_onnx_is_name(o.model.path))
    st = ap_fail(err, AP_ERR_ARG, "--onnx %s: a name that ends in .onnx is expected", o.model.path);
  if (!st && ap_onnx_is_name(o.out))
    st = ap_fail(err, AP_ERR_ARG, "--out %s: a model file (.apm) is written", o.out);
  if (!st && !cli->force && ap_file_exists(o.out))
    st = ap_fail(err, AP_ERR_ARG, "%s exists (use --force to overwrite it)", o.out);
  return st ? st : run_import(cli, &o, err);
}
