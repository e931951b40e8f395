#include <stdio.h>
#include <stdlib.h>

#include "bench/leaderboard.h"
#include "cli/commands.h"
#include "cli/common.h"

static const ap_command_info INFO = {
    .name = "leaderboard",
    .usage = "--results DIR [--results DIR2 ...]",
    .summary =
        "Methods of several comparisons, ranked by division, suite and network, as Markdown.",
    .details =
        "Reads DIR/summary.csv, which 'compare' wrote. Closed division: network, data, hardware, "
        "recovery,\nsearch budget and loss limit of the suite, only the method is free; open: "
        "anything else, with what\nmakes it so. Ranked by the compression rate of occupied "
        "crossbars; a method that missed the limit\nhas no rank.",
    .examples =
        "  autoprune leaderboard --results results/paper\n"
        "  autoprune leaderboard --results results/paper --results out/mine > board.md"};

ap_status ap_cmd_leaderboard(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_text_list results = {0};
  ap_option options[] = {{"results", "DIR", "folder with summary.csv; may be repeated",
                          AP_OPTION_LIST, &results, 0, 0},
                         {.name = NULL}};
  char *text = NULL;
  size_t size = 0;
  bool help = false;
  FILE *memory;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("results", results.n ? results.items[0] : NULL, err);
  if (st) return st;
  memory = open_memstream(&text, &size); /* nothing is printed of a board that fails half-way */
  if (!memory) return ap_fail(err, AP_ERR_MEMORY, "leaderboard");
  st = ap_leaderboard_write(results.items, results.n, memory, err);
  if (fclose(memory) && !st) st = ap_fail(err, AP_ERR_MEMORY, "leaderboard");
  if (!st && cli->json) {
    st = ap_cli_print_json(json_pack("{s:s}", "markdown", text), err);
  } else if (!st) {
    (void)fwrite(text, 1, size, stdout);
  }
  free(text);
  return st;
}
