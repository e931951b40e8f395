#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "cli/record.h"

static const ap_command_info INFO = {
    .name = "map",
    .usage = "--model FILE [--policy FILE] | --matrix W.npy [--positions P]  [OPTIONS]",
    .summary =
        "Maps every layer's weight matrix (K x N) to crossbars, storing only vectors that are not "
        "zero.",
    .details =
        "The mapping is built, multiplied out again and compared with the quantised matrix, "
        "unless\n--quick is given. Crossbars of the dense mapping are "
        "sum of ceil(K/rows)*ceil(N*s/columns).",
    .examples =
        "  autoprune map --model lenet5_fashion-mnist\n"
        "  autoprune map --model m.apm --policy out/policy.json --json\n"
        "  autoprune map --matrix w.npy --set array.ou_rows=16 --set array.ou_cols=16\n"
        "  autoprune map --model m.apm --hw sre --pruner row-vector:8\n"
        "  autoprune map --model m.apm --keep 0.3 --pruner ./mine.so\n"
        "  autoprune map --model m.apm --weight-bits 4,fc=8"};

static void print_row(const char *name, const ap_map_summary *m, bool total) {
  char k[24] = "", n[24] = "";
  if (!total) {
    (void)snprintf(k, sizeof k, "%zu", m->k);
    (void)snprintf(n, sizeof n, "%zu", m->n);
  }
  (void)printf("%-20s %6s %6s %9" PRIu64 " %9" PRIu64 " %6.1f %9" PRIu64 " %9" PRIu64 " %7" PRIu64
               " %7" PRIu64 " %10" PRIu64 "\n",
               name, k, n, m->vectors, m->vectors_kept,
               m->weights > 0 ? 100.0 * (double)m->weights_kept / (double)m->weights : 0.0, m->ous,
               m->ous_dense, m->crossbars, m->crossbars_dense, m->index_bits);
}

static void print_ratio(const char *name, uint64_t dense, uint64_t kept) {
  if (kept > 0) {
    (void)printf("  %-10s %8.3f x\n", name, (double)dense / (double)kept);
  } else {
    (void)printf("  %-10s nothing is left\n", name);
  }
}

static void print_table(const ap_priced *priced) {
  const ap_network_price *price = priced->price;
  (void)printf("%-20s %6s %6s %9s %9s %6s %9s %9s %7s %7s %10s\n", "layer", "K", "N", "vectors",
               "kept", "kept%", "OUs", "dense", "xbars", "dense", "index bits");
  for (size_t i = 0; i < price->n_layers; i++) {
    print_row(price->layers[i].info.name, &price->layers[i].map, false);
  }
  print_row("total", &price->map, true);
  (void)printf("\nCompression (dense / mapped; %s, hardware %s):\n", priced->granularity,
               ap_tech_name(priced->tech));
  print_ratio("weights", price->map.weights, price->map.weights_kept);
  print_ratio("MACs", price->map.macs, price->map.macs_kept);
  print_ratio("OUs", price->map.ous_dense, price->map.ous);
  print_ratio("crossbars", price->map.crossbars_dense, price->map.crossbars);
}

ap_status ap_cmd_map(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_subject subject = AP_SUBJECT_DEFAULTS;
  ap_option options[] = {AP_SUBJECT_OPTIONS(&subject), AP_CLI_RECORD(cli), {.name = NULL}};
  ap_priced priced;
  json_t *document;
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_record_ready(cli, err);
  if (!st) st = ap_cli_price(&subject, cli->seed, &priced, err);
  if (st) return st;
  document = ap_cli_priced_json(cli, &subject, &priced, false);
  if (!document) st = ap_fail(err, AP_ERR_MEMORY, "result document");
  if (!st) st = ap_cli_record_priced(cli, &subject, document, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(document), err);
  } else if (!st) {
    print_table(&priced);
  }
  json_decref(document);
  ap_cli_priced_release(&priced);
  return st;
}
