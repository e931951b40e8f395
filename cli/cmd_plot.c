#include <stdio.h>

#include "base/file.h"
#include "bench/compare.h"
#include "cli/commands.h"
#include "cli/common.h"

static const ap_command_info INFO = {
    .name = "plot",
    .usage = "--results DIR [OPTIONS]",
    .summary = "Draws all figures of a finished comparison again, from its CSV files alone.",
    .details =
        "Needs gnuplot (apt-get install gnuplot-nox). Figures go to DIR, as PNG and "
        "SVG.",
    .examples =
        "  autoprune plot --results out/quick\n"
        "  autoprune plot --results results/quick --plots ./plots"};

ap_status ap_cmd_plot(ap_cli *cli, int argc, char **argv, ap_error *err) {
  const char *results = NULL, *plots = NULL;
  ap_option options[] = {
      {"results", "DIR", "folder with table.csv, episodes.csv, layers.csv", AP_OPTION_TEXT,
       &results, 0, 0},
      {"plots", "DIR", "folder of the gnuplot scripts", AP_OPTION_TEXT, &plots, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("results", results, err);
  if (!st && !ap_dir_exists(results)) {
    st = ap_fail(err, AP_ERR_IO, "%s: no such folder", results);
  }
  if (!st) st = ap_compare_plot(results, plots, err);
  if (st) return st;
  if (cli->json) {
    return ap_cli_print_json(json_pack("{s:s}", "figures", results), err);
  }
  (void)printf("figures are in %s\n", results);
  return AP_OK;
}
