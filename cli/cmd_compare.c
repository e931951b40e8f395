#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/provenance.h"
#include "bench/compare.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/record.h"
#include "pruners/baseline.h"

static const ap_command_info INFO = {
    .name = "compare",
    .usage = "--suite quick --out DIR [OPTIONS]",
    .summary =
        "Pruning methods side by side: same networks, fine-tuning, mapper, hardware model "
        "and loss limit.",
    .details =
        "Writes DIR/table.csv, table.md, episodes.csv, layers.csv and the figures (PNG and SVG). "
        "Finished cells are\nkept in DIR/cells and never computed twice, so an interrupted "
        "comparison goes on when the same\ncommand is run again. A method that found nothing "
        "within the limit is marked as such in the table.\nA plug-in (--pruner ./mine.so, --pruner "
        "exec:./mine.py) that crashes, hangs or answers wrongly is a\nrow that says why; the exit "
        "status is then 1.",
    .examples =
        "  autoprune compare --suite quick --out out/quick\n"
        "  autoprune compare --suite quick --pruner column-vector:4 --out out/mine\n"
        "  autoprune compare --suite quick --pruner ./mine.so --pruner exec:./mine.py --out out/p\n"
        "  autoprune compare --suite quick --methods pim-prune,auto-prune --networks lenet5 --out "
        "out/m\n"
        "  autoprune compare --suite quick --pruner ./mine.so --search ddpg --out out/s\n"
        "  autoprune compare --list-methods\n"
        "  autoprune compare --suite quick --max-loss 0.02 --no-plots --json --out out/2"};

static ap_status print_file(const char *dir, const char *name, ap_error *err) {
  char *path = ap_path_join(dir, name), *text = NULL;
  size_t size = 0;
  ap_status st = path ? ap_file_read(path, (size_t)1 << 24, &text, &size, err)
                      : ap_fail(err, AP_ERR_MEMORY, "path of %s", name);
  if (!st) (void)fwrite(text, 1, size, stdout);
  ap_free(text);
  ap_free(path);
  return st;
}

/* What --methods takes, as a table in Markdown or as JSON. */
static ap_status list_methods(const ap_cli *cli, ap_error *err) {
  json_t *list = json_array();
  const ap_baseline *b;
  int bad = !list;
  if (!cli->json) {
    (void)puts(
        "| method | publication | known | assumed here | pruner, allocation |\n"
        "|---|---|---|---|---|");
  }
  for (size_t i = 0; (b = ap_baseline_at(i)) && !bad; i++) {
    const char *allocation = b->allocation ? b->allocation : "none";
    if (!cli->json) {
      (void)printf("| %s | %s | %s | %s | `%s`, %s%s%s |\n", b->name, b->publication, b->known,
                   b->assumed, b->pruner, allocation, b->reward ? ", reward " : "",
                   b->reward ? b->reward : "");
      continue;
    }
    bad = json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s, s:s}", "name", b->name, "pruner",
                        b->pruner, "allocation", allocation, "reward", b->reward, "publication",
                        b->publication, "known", b->known, "assumed", b->assumed));
  }
  if (bad) {
    json_decref(list);
    return ap_fail(err, AP_ERR_MEMORY, "methods");
  }
  if (cli->json) return ap_cli_print_json(list, err);
  json_decref(list);
  return AP_OK;
}

ap_status ap_cmd_compare(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_compare_options o = ap_compare_defaults();
  ap_text_list pruners = {0}, searchers = {0};
  bool no_plots = false, help = false, list = false;
  ap_option options[] = {
      {"suite", "NAME", "quick (default); smoke: about a minute, to see that all works",
       AP_OPTION_TEXT, &o.suite, 0, 0},
      {"methods", "A,B,...", "these methods in place of the suite's", AP_OPTION_TEXT, &o.methods, 0,
       0},
      {"list-methods", NULL, "print what --methods takes, with publications, and do nothing else",
       AP_OPTION_FLAG, &list, 0, 0},
      {"networks", "A,B,...", "of the suite's networks only these", AP_OPTION_TEXT, &o.networks, 0,
       0},
      {"data", "NAME|DIR", "data set to use in place of the suite's", AP_OPTION_TEXT, &o.data, 0,
       0},
      {"out", "DIR", "folder of the results", AP_OPTION_TEXT, &o.out, 0, 0},
      {"max-loss", "L", "accuracy that may be lost, absolute (default 0.01)", AP_OPTION_NUMBER,
       &o.max_loss, 0, 1},
      {"pruner", "NAME", "one more pruner, or a plug-in, to compare; may be repeated",
       AP_OPTION_LIST, &pruners, 0, 0},
      {"search", "SEARCHER", "search over each --pruner too, beside its uniform row; repeatable",
       AP_OPTION_LIST, &searchers, 0, 0},
      AP_CLI_PLUGIN_TIMEOUT(&o.plugin_time_limit),
      AP_CLI_RECORD(cli),
      {"train", NULL, "train the dense networks anew, do not use the shipped ones", AP_OPTION_FLAG,
       &o.train, 0, 0},
      {"no-plots", NULL, "draw no figures", AP_OPTION_FLAG, &no_plots, 0, 0},
      {"plots", "DIR", "folder of the gnuplot scripts", AP_OPTION_TEXT, &o.plots, 0, 0},
      {.name = NULL}};
  json_t *table = NULL, *provenance = NULL;
  ap_status st;
  o.out = NULL;
  st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  if (list) return list_methods(cli, err);
  st = ap_cli_require("out", o.out, err);
  if (!st) st = ap_cli_record_ready(cli, err);
  if (st) return st;
  provenance = ap_provenance(cli->argc, cli->argv);
  if (!provenance) return ap_fail(err, AP_ERR_MEMORY, "provenance");
  o.seed = cli->seed;
  o.n_threads = cli->threads;
  o.backend = cli->backend;
  o.quiet = cli->quiet;
  o.pruners = pruners.items;
  o.n_pruners = pruners.n;
  o.searchers = searchers.items;
  o.n_searchers = searchers.n;
  if (no_plots) o.draw = false;
  st = ap_compare_run(&o, provenance, &table, err);
  if (st == AP_ERR_INTERRUPTED) {
    ap_error inner = *err;
    (void)ap_fail(err, st, "%s; run the same command again to go on", inner.text);
  }
  if (!st) st = ap_cli_record_table(cli, o.suite, o.max_loss, table, provenance, err);
  for (size_t i = 0; i < json_array_size(table); i++) {
    const char *failed = json_string_value(json_object_get(json_array_get(table, i), "failed"));
    if (failed && failed[0]) cli->answer_no = true;
  }
  if (!st) {
    st =
        cli->json ? ap_cli_print_json(json_incref(table), err) : print_file(o.out, "table.md", err);
  }
  json_decref(table);
  json_decref(provenance);
  return st;
}
