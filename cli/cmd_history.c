#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/history_print.h"
#include "cli/record.h"
#include "history/google_benchmark.h"
#include "history/judge.h"
#include "history/record.h"
#include "history/trend.h"

static const ap_command_info INFO = {
    .name = "history",
    .usage =
        "list | show [COMMIT] | compare A B | check | explain TEXT | export | import FILE.json "
        "[OPTIONS]",
    .summary = "Results over commits: what moved, and is it more than noise?",
    .details =
        "Results come in by --record of map, cost, eval, search and compare, and by import (Google "
        "Benchmark's\nJSON, or a record of docs/HISTORY.md). Modelled metrics have to come out "
        "equal, "
        "or be explained by a\nnote; timings are compared by a rank test. check ends with status 1 "
        "when something moved\nunexplained or became slower. COMMIT is the beginning of a recorded "
        "commit, or last.",
    .examples =
        "  autoprune cost --model lenet5_fashion-mnist --record\n"
        "  autoprune history import bench.json\n"
        "  autoprune history check --against last --rerun './bench.sh'\n"
        "  autoprune history explain --series 'cost *' --metric area_mm2 'new ADC table'\n"
        "  autoprune history compare 3dd9faf 5e61b95 --all",
    .min_positional = 1,
    .max_positional = 3};

typedef struct {
  const char *file, *machine, *commit, *against, *series, *metric, *rerun, *out;
  size_t limit, reruns;
  ap_judge_options judge;
  bool all, strict;
} history_options;

/* ---- which machine, which commits ---- */

static ap_status find_machine(ap_history *h, const history_options *o, char **machine,
                              ap_error *err) {
  if (!o->machine) return ap_history_newest_machine(h, machine, err);
  *machine = ap_strdup(o->machine);
  return *machine ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "machine");
}

static ap_status need_commit(ap_history *h, const char *text, const char *machine,
                             char commit[AP_HISTORY_COMMIT], ap_error *err) {
  bool found = false;
  ap_status st = ap_history_find_commit(h, text, machine, NULL, commit, &found, err);
  if (!st && !found) {
    st = ap_fail(err, AP_ERR_ARG,
                 "%s: commit %.60s is not recorded on \"%.120s\" (autoprune history "
                 "list; --machine)",
                 ap_history_path(h), text, machine);
  }
  return st;
}

/* ---- subcommands ---- */

typedef ap_status subcommand(ap_cli *cli, const history_options *o, ap_history *h,
                             const char *machine, ap_error *err);

static ap_status list(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                      ap_error *err) {
  json_t *rows = NULL;
  ap_status st = ap_history_runs(h, o->limit, &rows, err);
  (void)machine;
  if (st) return st;
  if (cli->json) return ap_cli_print_json(json_pack("{s:o}", "runs", rows), err);
  ap_cli_print_runs(rows);
  json_decref(rows);
  return AP_OK;
}

static ap_status show(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                      ap_error *err) {
  const char *wish = cli->n_positional > 1 ? cli->positional[1] : "last";
  char commit[AP_HISTORY_COMMIT];
  json_t *rows = NULL;
  ap_status st = need_commit(h, wish, machine, commit, err);
  (void)o;
  if (!st) st = ap_history_values(h, commit, machine, &rows, err);
  if (st) return st;
  if (cli->json) {
    return ap_cli_print_json(
        json_pack("{s:s, s:s, s:o}", "commit", commit, "machine", machine, "values", rows), err);
  }
  (void)printf("commit %s on %s\n", commit, machine);
  ap_cli_print_values(rows);
  json_decref(rows);
  return AP_OK;
}

static ap_status print_report(const ap_cli *cli, const ap_report *report, const char *machine,
                              bool all, ap_error *err) {
  if (cli->json) {
    json_t *document = ap_report_to_json(report);
    if (document && !ap_cli_set(document, "machine", json_string(machine))) {
      json_decref(document);
      document = NULL;
    }
    return ap_cli_print_json(document, err);
  }
  ap_cli_print_report(report, all);
  return AP_OK;
}

static ap_status compare(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                         ap_error *err) {
  char before[AP_HISTORY_COMMIT], after[AP_HISTORY_COMMIT];
  ap_report *report = NULL;
  ap_status st = AP_OK;
  if (cli->n_positional != 3) {
    return ap_fail(err, AP_ERR_ARG, "compare: two commits are expected");
  }
  st = need_commit(h, cli->positional[1], machine, before, err);
  if (!st) st = need_commit(h, cli->positional[2], machine, after, err);
  if (!st) st = ap_history_judge(h, machine, before, after, &o->judge, &report, err);
  if (!st) st = print_report(cli, report, machine, o->all, err);
  ap_report_destroy(report);
  return st;
}

/* Runs the user's command, which is to record more repetitions; its output goes to stderr. */
static ap_status rerun(const ap_cli *cli, const history_options *o, const char *file,
                       ap_error *err) {
  char shell[] = "sh", option[] = "-c", *command = ap_strdup(o->rerun);
  char *argv[] = {shell, option, command, NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  int code = command ? posix_spawn_file_actions_init(&actions) : ENOMEM, raw = 0;
  if (code) return ap_fail(err, AP_ERR_MEMORY, "--rerun: %s", strerror(code));
  ap_cli_note(cli, "ambiguous: running %s", o->rerun);
  (void)setenv("AUTOPRUNE_HISTORY", file, 1);
  code = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  if (!code) code = posix_spawnp(&child, shell, &actions, NULL, argv, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  ap_free(command);
  if (code) return ap_fail(err, AP_ERR_IO, "--rerun: sh: %s", strerror(code));
  while (waitpid(child, &raw, 0) < 0) {
    if (errno != EINTR) return ap_fail(err, AP_ERR_IO, "--rerun: %s", strerror(errno));
  }
  if (raw != 0) {
    return ap_fail(err, AP_ERR_IO, "--rerun %.200s: ended with status %d", o->rerun,
                   WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw));
  }
  return AP_OK;
}

static ap_status judge_again(ap_cli *cli, const history_options *o, ap_history *h,
                             const char *machine, const char *before, const char *after,
                             ap_report **report, ap_error *err) {
  ap_status st = ap_history_judge(h, machine, before, after, &o->judge, report, err);
  for (size_t i = 0; !st && o->rerun && i < o->reruns; i++) {
    if ((*report)->counts[AP_VERDICT_AMBIGUOUS] == 0) break;
    st = rerun(cli, o, ap_cli_history_file(o->file), err);
    if (st) break;
    ap_report_destroy(*report);
    *report = NULL;
    st = ap_history_judge(h, machine, before, after, &o->judge, report, err);
  }
  return st;
}

static ap_status check(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                       ap_error *err) {
  char before[AP_HISTORY_COMMIT], after[AP_HISTORY_COMMIT];
  const char *against = o->against ? o->against : "last";
  ap_report *report = NULL;
  bool found = false;
  ap_status st = need_commit(h, o->commit ? o->commit : "last", machine, after, err);
  if (!st) st = ap_history_find_commit(h, against, machine, after, before, &found, err);
  if (!st && !found && strcmp(against, "last") != 0) {
    st = need_commit(h, against, machine, before, err);
  }
  if (st) return st;
  if (!found) {
    if (cli->json) {
      return ap_cli_print_json(json_pack("{s:n, s:s, s:b, s:s}", "before", "after", after,
                                         "regression", 0, "machine", machine),
                               err);
    }
    (void)printf("%.12s is the first commit on %s: nothing to compare with\n", after, machine);
    return AP_OK;
  }
  st = judge_again(cli, o, h, machine, before, after, &report, err);
  if (!st) st = print_report(cli, report, machine, o->all, err);
  if (!st) {
    const size_t *n = report->counts;
    cli->answer_no =
        report->regression || (o->strict && n[AP_VERDICT_AMBIGUOUS] + n[AP_VERDICT_GONE] > 0);
  }
  ap_report_destroy(report);
  return st;
}

static ap_status explain(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                         ap_error *err) {
  char commit[AP_HISTORY_COMMIT];
  ap_status st = AP_OK;
  if (cli->n_positional != 2 || !cli->positional[1][0]) {
    return ap_fail(err, AP_ERR_ARG, "explain: one text is expected, in quotes");
  }
  if (!o->series && !o->metric) {
    return ap_fail(err, AP_ERR_ARG,
                   "explain: --series or --metric has to say what is accepted "
                   "('*': everything)");
  }
  st = need_commit(h, o->commit ? o->commit : "last", machine, commit, err);
  if (!st) {
    st = ap_history_add_note(h, commit, o->series ? o->series : "*", o->metric ? o->metric : "*",
                             cli->positional[1], err);
  }
  if (st) return st;
  if (cli->json) return ap_cli_print_json(json_pack("{s:s}", "commit", commit), err);
  (void)printf("%.12s: %s of %s accepted\n", commit, o->metric ? o->metric : "*",
               o->series ? o->series : "*");
  return AP_OK;
}

static ap_status import(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                        ap_error *err) {
  json_t *document = NULL, *record = NULL;
  const char *path = cli->positional[1];
  int64_t run = 0;
  ap_status st = cli->n_positional == 2 ? ap_json_load(path, &document, err)
                                        : ap_fail(err, AP_ERR_ARG, "import: one file is expected");
  (void)machine;
  if (!st && ap_google_benchmark_meant(document)) {
    st = ap_google_benchmark_record(document, path, o->commit, o->machine, &record, err);
  } else if (!st) {
    record = json_incref(document);
    if ((o->commit && json_object_set_new(record, "commit", json_string(o->commit))) ||
        (o->machine && json_object_set_new(record, "machine", json_string(o->machine)))) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: an object is expected", path);
    }
  }
  if (!st) st = ap_history_add(h, record, path, &run, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(
        json_pack("{s:I, s:O, s:O}", "run", (json_int_t)run, "commit",
                  json_object_get(record, "commit"), "machine", json_object_get(record, "machine")),
        err);
  } else if (!st) {
    (void)printf("run %lld: %zu series of commit %.12s on %s\n", (long long)run,
                 json_array_size(json_object_get(record, "series")),
                 json_string_value(json_object_get(record, "commit")),
                 json_string_value(json_object_get(record, "machine")));
  }
  json_decref(record);
  json_decref(document);
  return st;
}

static void write_trend(FILE *file, const json_t *rows, const char *machine) {
  static const char *const columns[] = {"panel",  "series", "metric", "kind", "unit", "place",
                                        "commit", "n",      "value",  "low",  "high", "verdict"};
  ap_csv csv = {file, 0};
  const char *series = "", *metric = "";
  size_t panel = 0;
  ap_csv_comment(&csv, "machine", machine);
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) ap_csv_text(&csv, columns[i]);
  ap_csv_end_row(&csv);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    const char *own = json_string_value(json_object_get(row, "series"));
    const char *own_metric = json_string_value(json_object_get(row, "metric"));
    panel += strcmp(series, own) != 0 || strcmp(metric, own_metric) != 0;
    series = own;
    metric = own_metric;
    ap_csv_size(&csv, panel);
    for (size_t c = 1; c < sizeof columns / sizeof columns[0]; c++) {
      const json_t *value = json_object_get(row, columns[c]);
      if (json_is_string(value)) {
        ap_csv_text(&csv, json_string_value(value));
      } else {
        ap_csv_number(&csv, json_number_value(value));
      }
    }
    ap_csv_end_row(&csv);
  }
}

static ap_status export(ap_cli *cli, const history_options *o, ap_history *h, const char *machine,
                        ap_error *err) {
  ap_trend_options options = {
      .series = o->series, .metric = o->metric, .limit = o->limit, .judge = o->judge};
  json_t *rows = NULL;
  ap_output *output = NULL;
  ap_status st = ap_cli_require("out", o->out, err);
  if (!st) st = ap_history_trend(h, machine, &options, &rows, err);
  if (!st) st = ap_output_open(o->out, cli->force, &output, err);
  if (!st) {
    write_trend(ap_output_stream(output), rows, machine);
    st = ap_output_commit(output, err);
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(
        json_pack("{s:s, s:s, s:O}", "file", o->out, "machine", machine, "rows", rows), err);
  } else if (!st) {
    (void)printf("%s: %zu rows of %s\n", o->out, json_array_size(rows), machine);
  }
  json_decref(rows);
  return st;
}

static const struct {
  const char *name;
  subcommand *run;
  bool makes_file, needs_machine;
} subcommands[] = {{"list", list, false, false},      {"show", show, false, true},
                   {"compare", compare, false, true}, {"check", check, false, true},
                   {"explain", explain, false, true}, {"export", export, false, true},
                   {"import", import, true, false}};

static ap_status run_named(ap_cli *cli, const history_options *o, ap_error *err) {
  for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
    ap_history *h = NULL;
    char *machine = NULL;
    ap_status st;
    if (strcmp(cli->positional[0], subcommands[i].name) != 0) continue;
    st = ap_history_open(ap_cli_history_file(o->file), subcommands[i].makes_file, &h, err);
    if (!st && subcommands[i].needs_machine) st = find_machine(h, o, &machine, err);
    if (!st) st = subcommands[i].run(cli, o, h, machine, err);
    ap_free(machine);
    ap_history_close(h);
    return st;
  }
  return ap_fail(err, AP_ERR_ARG,
                 "\"%.40s\": list, show, compare, check, explain, export or import is expected",
                 cli->positional[0]);
}

ap_status ap_cmd_history(ap_cli *cli, int argc, char **argv, ap_error *err) {
  history_options o = {.limit = 20, .reruns = 3, .judge = ap_judge_defaults()};
  ap_option options[] = {
      {"file", "FILE.sqlite", "default: $AUTOPRUNE_HISTORY, or autoprune-history.sqlite",
       AP_OPTION_TEXT, &o.file, 0, 0},
      {"machine", "TEXT", "whose results (default: the newest run's); import: name it so",
       AP_OPTION_TEXT, &o.machine, 0, 0},
      {"commit", "COMMIT", "check, explain: which one (default last); import: of the file",
       AP_OPTION_TEXT, &o.commit, 0, 0},
      {"against", "COMMIT", "check: compare with (default last: the one recorded before)",
       AP_OPTION_TEXT, &o.against, 0, 0},
      {"series", "PATTERN", "explain, export: of which series (* and ?)", AP_OPTION_TEXT, &o.series,
       0, 0},
      {"metric", "PATTERN", "explain, export: which metrics", AP_OPTION_TEXT, &o.metric, 0, 0},
      {"rerun", "COMMAND", "check: run this while timings are ambiguous; it records more",
       AP_OPTION_TEXT, &o.rerun, 0, 0},
      {"reruns", "N", "check: at most so often (default 3)", AP_OPTION_SIZE, &o.reruns, 1, 100},
      {"level", "P", "timings: chance of a false alarm (default 0.01)", AP_OPTION_NUMBER,
       &o.judge.level, 1e-9, 0.5},
      {"effect", "F", "timings: least difference that counts (default 0.05)", AP_OPTION_NUMBER,
       &o.judge.effect, 0, 9},
      {"repetitions", "N", "timings: needed on either side (default 9)", AP_OPTION_SIZE,
       &o.judge.repetitions, 2, 1e6},
      {"strict", NULL, "check: ambiguous and vanished ones are failures, too", AP_OPTION_FLAG,
       &o.strict, 0, 0},
      {"all", NULL, "also what did not move", AP_OPTION_FLAG, &o.all, 0, 0},
      {"limit", "N", "list: newest runs (default 20); export: newest commits", AP_OPTION_SIZE,
       &o.limit, 1, 1e9},
      {"out", "FILE.csv", "export: the metrics over commits", AP_OPTION_TEXT, &o.out, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  return st || help ? st : run_named(cli, &o, err);
}
