/* cli/describe.c - what a model is: eval --describe, import. */
#include <stdio.h>

#include "base/alloc.h"
#include "cli/common.h"
#include "cli/model.h"

static void print_nodes(const ap_network *net) {
  (void)printf("%-30s %-10s %-16s %10s %10s\n", "node", "kind", "output", "weights", "biases");
  for (size_t i = 0; i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    char shape[64];
    (void)snprintf(shape, sizeof shape, "%zux%zux%zu", node->shape.c, node->shape.h, node->shape.w);
    (void)printf("%-30s %-10s %-16s %10zu %10zu\n", node->name, ap_node_type(node), shape,
                 ap_node_weight_count(net, i), ap_node_bias_count(net, i));
  }
}

static void print_layers(const ap_layer_info *layers, size_t n) {
  (void)printf("\n%-30s %-8s %8s %8s %8s %7s %12s\n", "layer", "kernel", "K", "N", "P", "groups",
               "MACs");
  for (size_t i = 0; i < n; i++) {
    char kernel[48];
    (void)snprintf(kernel, sizeof kernel, "%zux%zu/%zu", layers[i].kh, layers[i].kw,
                   layers[i].stride);
    (void)printf("%-30s %-8s %8zu %8zu %8zu %7zu %12zu\n", layers[i].name,
                 layers[i].is_conv ? kernel : "linear", layers[i].k, layers[i].n,
                 layers[i].positions, layers[i].groups, layers[i].macs);
  }
}

static void print_description(const ap_network *net, const ap_layer_info *layers, size_t n,
                              const json_t *metadata, const char *hash) {
  size_t channels = net->nodes[0].shape.c;
  (void)printf(
      "%s: %zu nodes, %zu layers, %zu parameters, %zu multiply-accumulates an image, %zu "
      "classes\nhash %s\nimages are seen as (pixel/255 - mean) / std, mean",
      net->name, net->n_nodes, n, ap_network_parameters(net), ap_network_macs(net), net->classes,
      hash);
  for (size_t c = 0; c < channels; c++) (void)printf(" %g", (double)net->mean[c]);
  (void)printf(", std");
  for (size_t c = 0; c < channels; c++) (void)printf(" %g", (double)net->std[c]);
  (void)printf("\n\n");
  print_nodes(net);
  print_layers(layers, n);
  for (size_t i = 0; i < n; i++) {
    if (layers[i].weight_bits) {
      (void)printf("%s: weights of %u bits\n", layers[i].name, layers[i].weight_bits);
    }
  }
  if (metadata) {
    (void)printf("\n");
    (void)json_dumpf(metadata, stdout, JSON_INDENT(2));
    (void)printf("\n");
  }
}

static json_t *nodes_json(const ap_network *net) {
  json_t *nodes = json_array();
  for (size_t i = 0; nodes && i < net->n_nodes; i++) {
    const ap_node *n = &net->nodes[i];
    json_t *node = json_pack(
        "{s:s,s:s,s:[I,I,I],s:I,s:I}", "name", n->name, "kind", ap_node_type(n), "shape",
        (json_int_t)n->shape.c, (json_int_t)n->shape.h, (json_int_t)n->shape.w, "weights",
        (json_int_t)ap_node_weight_count(net, i), "biases", (json_int_t)ap_node_bias_count(net, i));
    if (json_array_append_new(nodes, node) == 0) continue;
    json_decref(nodes);
    return NULL;
  }
  return nodes;
}

static json_t *layers_json(const ap_layer_info *layers, size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; array && i < n; i++) {
    const ap_layer_info *l = &layers[i];
    json_t *layer = json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:I,s:[I,I],s:I,s:I,s:o}", "name", l->name, "kind",
        l->is_conv ? "conv" : "linear", "K", (json_int_t)l->k, "N", (json_int_t)l->n, "P",
        (json_int_t)l->positions, "macs", (json_int_t)l->macs, "kernel", (json_int_t)l->kh,
        (json_int_t)l->kw, "stride", (json_int_t)l->stride, "groups", (json_int_t)l->groups,
        "weight_bits", l->weight_bits ? json_integer((json_int_t)l->weight_bits) : json_null());
    if (json_array_append_new(array, layer) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *channels_json(const float *values, size_t n) {
  json_t *array = json_array();
  for (size_t c = 0; array && c < n; c++)
    (void)json_array_append_new(array, json_real((double)values[c]));
  return array;
}

static json_t *description_json(const ap_network *net, const ap_layer_info *layers, size_t n,
                                const json_t *metadata, const char *hash) {
  size_t channels = net->nodes[0].shape.c;
  json_t *document =
      json_pack("{s:s,s:s,s:I,s:I,s:I}", "network", net->name, "hash", hash, "parameters",
                (json_int_t)ap_network_parameters(net), "macs", (json_int_t)ap_network_macs(net),
                "classes", (json_int_t)net->classes);
  if (document && ap_cli_set(document, "mean", channels_json(net->mean, channels)) &&
      ap_cli_set(document, "std", channels_json(net->std, channels)) &&
      ap_cli_set(document, "nodes", nodes_json(net)) &&
      ap_cli_set(document, "layers", layers_json(layers, n)) &&
      ap_cli_set(document, "metadata", metadata ? json_deep_copy(metadata) : json_null()))
    return document;
  json_decref(document);
  return NULL;
}

ap_status ap_cli_describe(const ap_cli *cli, const ap_network *net, const json_t *metadata,
                          ap_error *err) {
  char hash[65];
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  if (!layers) return ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
  (void)ap_network_layers(net, layers, n);
  ap_status st = ap_network_hash(net, hash, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(description_json(net, layers, n, metadata, hash), err);
  } else if (!st) {
    print_description(net, layers, n, metadata, hash);
  }
  ap_free(layers);
  return st;
}
