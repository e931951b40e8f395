#include <stdio.h>

#include "bench/claims.h"
#include "cli/commands.h"
#include "cli/common.h"

static const ap_command_info INFO = {
    .name = "claims",
    .usage = "--results DIR [OPTIONS]",
    .summary =
        "The published claims against a comparison's numbers: reproduced or not, by how much.",
    .details =
        "Reads DIR/summary.csv and laws.csv, which 'compare' wrote. For each claim: its source, "
        "how it is\ncomputed, the value here with its interval over the seeds, the distance to the "
        "published value,\nand what these tables know of the reason. Exit status 1 if a claim does "
        "not hold, or none could\nbe tested.",
    .examples =
        "  autoprune claims --results results/paper\n"
        "  autoprune claims --results out/paper --json"};

ap_status ap_cmd_claims(ap_cli *cli, int argc, char **argv, ap_error *err) {
  const char *results = NULL;
  ap_option options[] = {
      {"results", "DIR", "folder with summary.csv", AP_OPTION_TEXT, &results, 0, 0},
      {.name = NULL}};
  json_t *judged = NULL;
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("results", results, err);
  if (!st) st = ap_claims_judge(results, &judged, err);
  if (st) return st;
  cli->answer_no = json_integer_value(json_object_get(judged, "not_reproduced")) > 0 ||
                   json_integer_value(json_object_get(judged, "reproduced")) == 0;
  if (cli->json) return ap_cli_print_json(judged, err);
  ap_claims_print(judged, stdout);
  json_decref(judged);
  return AP_OK;
}
