#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "nn/onnx.h"
#include "pruners/policy.h"

static const ap_command_info INFO = {
    .name = "export",
    .usage = "--model FILE --onnx FILE [--policy FILE] [OPTIONS]",
    .summary = "Writes a model as an ONNX file (opset 13), pruned by a policy if one is given.",
    .details =
        "Pruned weights stay in place as zeros. With --policy the network is folded first, as "
        "everywhere;\n--hw says on which array the policy counts its vectors. Normalisation, "
        "hash, metadata and policy are\nkept in metadata_props (autoprune.*) and come back with "
        "`import`. The same model gives the same bytes.",
    .examples =
        "  autoprune export --model lenet5_fashion-mnist --onnx lenet5.onnx\n"
        "  autoprune export --model m.apm --policy out/policy.json --onnx pruned.onnx --json"};

typedef struct {
  ap_model_choice model;
  const char *onnx, *policy, *hw;
  ap_text_list overrides;
  bool fold;
} export_options;

/* Folds the network and prunes it; *document: the policy as it is kept in the file. */
static ap_status prune(const export_options *o, ap_network **net, json_t **document,
                       ap_error *err) {
  ap_policy *policy = NULL;
  ap_tech *tech = NULL;
  ap_network *folded = NULL;
  ap_status st = ap_network_fold(*net, &folded, err);
  if (!st && o->policy) {
    st = ap_json_load(o->policy, document, err);
    if (!st) st = ap_policy_load(o->policy, &policy, err);
    if (!st) st = ap_cli_open_tech(o->hw, &o->overrides, &tech, err);
    if (!st) st = ap_cli_set_weight_bits(o->policy, policy, NULL, folded, err);
    if (!st) st = ap_cli_apply_policy(o->policy, policy, tech, folded, err);
  }
  if (!st) {
    ap_network_destroy(*net);
    *net = folded;
    folded = NULL;
  }
  ap_network_destroy(folded);
  ap_policy_destroy(policy);
  ap_tech_close(tech);
  return st;
}

static size_t count_zeros(const ap_network *net, size_t *weights) {
  size_t zeros = 0, n = ap_network_layers(net, NULL, 0);
  *weights = 0;
  for (size_t i = 0; n > 0 && i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    if (node->kind != AP_NODE_CONV && node->kind != AP_NODE_LINEAR) continue;
    for (size_t j = 0; j < ap_node_weight_count(net, i); j++)
      zeros += !(node->weight[j] < 0 || node->weight[j] > 0);
    *weights += ap_node_weight_count(net, i);
  }
  return zeros;
}

static ap_status report(const ap_cli *cli, const export_options *o, const ap_network *net,
                        const char *dense, ap_error *err) {
  char hash[65];
  size_t weights, zeros = count_zeros(net, &weights);
  ap_status st = ap_network_hash(net, hash, err);
  if (st) return st;
  if (cli->json) {
    json_t *file = ap_cli_file_hash(o->onnx);
    return ap_cli_print_json(
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I}", "onnx", o->onnx, "network", net->name,
                  "model_sha256", hash, "dense_sha256", dense, "file_sha256", file, "weights",
                  (json_int_t)weights, "zero_weights", (json_int_t)zeros),
        err);
  }
  (void)printf("%s: %s, %zu nodes, %zu of %zu weights are zero, hash %s\n", o->onnx, net->name,
               net->n_nodes, zeros, weights, hash);
  return AP_OK;
}

static ap_status run_export(const ap_cli *cli, const export_options *o, ap_error *err) {
  ap_network *net = NULL;
  json_t *metadata = NULL, *policy = NULL, *properties = NULL;
  char dense[65];
  ap_status st = ap_cli_load_model(&o->model, &net, &metadata, err);
  if (!st) st = ap_network_hash(net, dense, err);
  if (!st && (o->policy || o->fold)) st = prune(o, &net, &policy, err);
  if (!st) {
    properties = json_pack("{s:s, s:O*, s:O*}", "dense_sha256", dense, "metadata", metadata,
                           "policy", policy);
    if (!properties) st = ap_fail(err, AP_ERR_MEMORY, "properties");
  }
  if (!st) st = ap_onnx_export(o->onnx, net, properties, cli->force, err);
  if (!st) st = report(cli, o, net, dense, err);
  json_decref(properties);
  json_decref(policy);
  json_decref(metadata);
  ap_network_destroy(net);
  return st;
}

ap_status ap_cmd_export(ap_cli *cli, int argc, char **argv, ap_error *err) {
  export_options o = {0};
  ap_option options[] = {
      AP_MODEL_OPTIONS(&o.model),
      {"onnx", "FILE", "the file to write", AP_OPTION_TEXT, &o.onnx, 0, 0},
      {"policy", "FILE", "prune the model by this policy first", AP_OPTION_TEXT, &o.policy, 0, 0},
      {"fold", NULL, "fold batch normalisation into the layers", AP_OPTION_FLAG, &o.fold, 0, 0},
      {"hw", "PRESET|FILE", "hardware of the policy: ou (default), isaac, sre, or an .ini file",
       AP_OPTION_TEXT, &o.hw, 0, 0},
      {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated", AP_OPTION_LIST,
       &o.overrides, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("model", o.model.path, err);
  if (!st) st = ap_cli_require("onnx", o.onnx, err);
  if (!st && !ap_onnx_is_name(o.onnx))
    st = ap_fail(err, AP_ERR_ARG, "--onnx %s: a name that ends in .onnx is expected", o.onnx);
  if (!st && !cli->force && ap_file_exists(o.onnx))
    st = ap_fail(err, AP_ERR_ARG, "%s exists (use --force to overwrite it)", o.onnx);
  return st ? st : run_export(cli, &o, err);
}
