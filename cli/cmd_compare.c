#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/provenance.h"
#include "bench/compare.h"
#include "bench/sweep.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/record.h"
#include "pruners/baseline.h"

static const ap_command_info INFO = {
    .name = "compare",
    .usage = "--suite quick|paper --out DIR [OPTIONS]",
    .summary =
        "Pruning methods side by side: same networks, fine-tuning, mapper, hardware model "
        "and loss limit.",
    .details =
        "Writes DIR/table.csv, table.md, summary.csv (means over the seeds), points.csv, "
        "convergence.csv,\nepisodes.csv, layers.csv and the figures (PNG and SVG). "
        "Finished cells are\nkept in DIR/cells and never computed twice, so an interrupted "
        "comparison goes on when the same\ncommand is run again. A method that found nothing "
        "within the limit is marked as such in the table.\nA plug-in (--pruner ./mine.so, --pruner "
        "exec:./mine.py) that crashes, hangs or answers wrongly is a\nrow that says why; the exit "
        "status is then 1.\nWith --model, methods are compared on models of your own in place of "
        "the suite's "
        "networks, and with\n--hw and --set on hardware of your own; such rows are of the open "
        "division.",
    .examples =
        "  autoprune compare --suite quick --out out/quick\n"
        "  autoprune compare --suite paper --networks lenet5 --out out/paper\n"
        "  autoprune compare --suite paper --sweep max-loss,crossbar,ou --out out/paper\n"
        "  autoprune compare --suite quick --pruner column-vector:4 --out out/mine\n"
        "  autoprune compare --suite quick --pruner ./mine.so --pruner exec:./mine.py --out out/p\n"
        "  autoprune compare --suite quick --methods pim-prune,auto-prune --networks lenet5 --out "
        "out/m\n"
        "  autoprune compare --suite quick --pruner ./mine.so --search ddpg --out out/s\n"
        "  autoprune compare --model mine.onnx --data cifar10 --hw ou --set array.rows=256 --out "
        "out/o\n"
        "  autoprune compare --list-methods\n"
        "  autoprune compare --suite paper --networks vgg16 --tune-epochs 10 --backend cuda-tf32 "
        "--out out/t\n"
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

static bool several_seeds(const json_t *table) {
  const json_t *first = json_object_get(json_array_get(table, 0), "seed");
  for (size_t i = 1; i < json_array_size(table); i++) {
    if (!json_equal(json_object_get(json_array_get(table, i), "seed"), first)) return true;
  }
  return false;
}

/* What is to be done, what was done, time left. */
static void say(void *context, const char *text) { ap_cli_note(context, "%s", text); }
static void keep_line(void *context, const char *text) {
  (void)json_array_append_new(context, json_string(text));
}

/* --plan: the lines that a run would begin with, as its answer. */
static ap_status plan(ap_cli *cli, ap_compare_options *o, const ap_text_list *axes,
                      const json_t *provenance, ap_error *err) {
  json_t *lines = json_array();
  ap_status st = lines ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "plan");
  o->say = keep_line;
  o->say_context = lines;
  if (!st) {
    st = axes->n ? ap_sweep_run(o, axes->items, axes->n, provenance, NULL, err)
                 : ap_compare_run(o, provenance, NULL, err);
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(json_pack("{s:O}", "plan", lines), err);
  }
  for (size_t i = 0; i < json_array_size(lines) && !st && !cli->json; i++) {
    (void)puts(json_string_value(json_array_get(lines, i)));
  }
  json_decref(lines);
  return st;
}

/* "a,b" and repeated options alike, into a list; *copy holds the words. */
static ap_status split_list(const ap_text_list *given, ap_text_list *out, char **copy,
                            ap_error *err) {
  size_t size = 1, used = 0;
  for (size_t i = 0; i < given->n; i++) size += strlen(given->items[i]) + 1;
  *copy = ap_calloc(size, 1);
  if (!*copy) return ap_fail(err, AP_ERR_MEMORY, "options");
  for (size_t i = 0; i < given->n; i++) {
    char *rest = NULL, *at = *copy + used;
    used += strlen(given->items[i]) + 1;
    memcpy(at, given->items[i], strlen(given->items[i]) + 1);
    for (char *w = strtok_r(at, ",", &rest); w; w = strtok_r(NULL, ",", &rest)) {
      if (out->n == AP_CLI_MAX_LIST)
        return ap_fail(err, AP_ERR_ARG, "more than %d names", AP_CLI_MAX_LIST);
      out->items[out->n++] = w;
    }
  }
  return AP_OK;
}

/* What was asked for beside suite, networks and methods, which the rows themselves name. NULL out of memory. */
static char *wishes_of(const ap_compare_options *o, const ap_text_list *overrides) {
  char epochs[40] = "", episodes[40] = "", *set = ap_cli_overrides_text(overrides, NULL), *text;
  if (!isnan(o->tune_epochs))
    (void)snprintf(epochs, sizeof epochs, " tune-epochs=%g", o->tune_epochs);
  if (o->episodes) (void)snprintf(episodes, sizeof episodes, " episodes=%zu", o->episodes);
  text = set ? ap_sprintf("%s%s%s%s%s%s%s", o->n_models ? " model" : "", o->train ? " train" : "",
                          o->hardware ? " hw=" : "",
                          o->hardware ? ap_cli_file_name(o->hardware) : "", set, epochs, episodes)
             : NULL;
  ap_free(set);
  return text;
}

static ap_status compare(ap_cli *cli, const ap_compare_options *o, const ap_text_list *overrides,
                         const json_t *provenance, ap_error *err) {
  json_t *table = NULL;
  char *wishes = wishes_of(o, overrides);
  ap_status st = wishes ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "options");
  if (!st) st = ap_compare_run(o, provenance, &table, err);
  if (!st) {
    st = ap_cli_record_table(cli, o->suite, o->max_loss, wishes, table, provenance, err);
  }
  ap_free(wishes);
  for (size_t i = 0; i < json_array_size(table); i++) {
    const char *failed = json_string_value(json_object_get(json_array_get(table, i), "failed"));
    if (failed && failed[0]) cli->answer_no = true;
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(table), err);
  } else if (!st) {
    st = print_file(o->out, several_seeds(table) ? "summary.md" : "table.md", err);
  }
  json_decref(table);
  return st;
}

static ap_status sweep(ap_cli *cli, const ap_compare_options *o, const ap_text_list *axes,
                       const json_t *provenance, ap_error *err) {
  json_t *rows = NULL;
  ap_status st;
  if (cli->record) {
    return ap_fail(err, AP_ERR_ARG, "--record takes a comparison, not a --sweep");
  }
  st = ap_sweep_run(o, axes->items, axes->n, provenance, &rows, err);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    if (json_integer_value(json_object_get(json_array_get(rows, i), "failed")) > 0) {
      cli->answer_no = true;
    }
  }
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(rows), err);
  } else if (!st) {
    (void)printf("sensitivity is in %s/sensitivity.csv\n", o->out);
  }
  json_decref(rows);
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

/* What --model, --hw and --set bring. */
typedef struct {
  ap_text_list paths, overrides;
  ap_model_choice normalisation; /* of all .onnx files */
  ap_cli_changes changes;
  ap_compare_model *models;
  ap_network **nets;
  size_t n;
} own_things;

/* Read before anything is computed or written: what is wrong with them is said at once. */
static ap_status open_own(own_things *own, ap_compare_options *o, ap_error *err) {
  ap_tech *tech = NULL;
  ap_status st = AP_OK;
  if (own->paths.n) st = ap_cli_require("data", o->data, err);
  if (!st) st = ap_cli_open_tech(o->hardware, &own->overrides, &tech, err);
  ap_tech_close(tech);
  if (!st) st = ap_cli_read_changes(&own->overrides, &own->changes, err);
  if (!st && (own->normalisation.mean || own->normalisation.std) && own->paths.n == 0) {
    st = ap_fail(err, AP_ERR_ARG, "--mean and --std go with --model");
  }
  own->models = ap_calloc(own->paths.n + 1, sizeof *own->models);
  /* pointers are meant: NOLINTNEXTLINE(bugprone-sizeof-expression) */
  own->nets = ap_calloc(own->paths.n + 1, sizeof *own->nets);
  if (!st && (!own->models || !own->nets)) st = ap_fail(err, AP_ERR_MEMORY, "models");
  for (size_t i = 0; i < own->paths.n && !st; i++) {
    ap_model_choice choice = own->normalisation;
    choice.path = own->paths.items[i];
    st = ap_cli_load_model(&choice, &own->nets[i], NULL, err);
    if (!st) own->models[own->n++] = (ap_compare_model){choice.path, own->nets[i]};
  }
  o->models = own->models;
  o->n_models = own->n;
  o->changes = own->changes.items;
  o->n_changes = own->changes.n;
  return st;
}

static void close_own(own_things *own) {
  for (size_t i = 0; i < own->n; i++) ap_network_destroy(own->nets[i]);
  ap_free(own->nets);
  ap_free(own->models);
}

ap_status ap_cmd_compare(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_compare_options o = ap_compare_defaults();
  ap_text_list pruners = {0}, searchers = {0}, swept = {0}, axes = {0};
  bool no_plots = false, help = false, list = false;
  own_things own = {.n = 0};
  ap_option options[] = {
      {"suite", "NAME",
       "quick (default); paper: the paper's figures; smoke: about a minute, to see that all works",
       AP_OPTION_TEXT, &o.suite, 0, 0},
      {"methods", "A,B,...", "these methods in place of the suite's", AP_OPTION_TEXT, &o.methods, 0,
       0},
      {"list-methods", NULL, "print what --methods takes, with publications, and do nothing else",
       AP_OPTION_FLAG, &list, 0, 0},
      {"networks", "A,B,...", "of the suite's networks only these", AP_OPTION_TEXT, &o.networks, 0,
       0},
      {"seeds", "N", "repetitions from --seed on (default: 1; paper: 3)", AP_OPTION_SIZE, &o.seeds,
       1, 100},
      {"sweep", "A,B",
       "sensitivity instead: max-loss, crossbar, ou moved, each compared anew at equal loss",
       AP_OPTION_LIST, &swept, 0, 0},
      {"model", "FILE",
       "a model of your own in place of the suite's networks, on --data; may be repeated",
       AP_OPTION_LIST, &own.paths, 0, 0},
      AP_NORMALISATION_OPTIONS(&own.normalisation),
      {"data", "NAME|DIR", "data set to use in place of the suite's", AP_OPTION_TEXT, &o.data, 0,
       0},
      {"hw", "PRESET|FILE",
       "hardware to use in place of the suite's: ou, isaac, sre, or an .ini file", AP_OPTION_TEXT,
       &o.hardware, 0, 0},
      {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated", AP_OPTION_LIST,
       &own.overrides, 0, 0},
      {"out", "DIR", "folder of the results", AP_OPTION_TEXT, &o.out, 0, 0},
      {"max-loss", "L", "accuracy that may be lost, absolute (default 0.01)", AP_OPTION_NUMBER,
       &o.max_loss, 0, 1},
      {"tune-epochs", "E", "fine-tuning that a recovery may take, 0: none (default: the suite's)",
       AP_OPTION_NUMBER, &o.tune_epochs, 0, 10000},
      {"episodes", "N", "candidates that a search may try (default: the suite's)", AP_OPTION_SIZE,
       &o.episodes, 1, 1000000},
      {"pruner", "NAME", "one more pruner, or a plug-in, to compare; may be repeated",
       AP_OPTION_LIST, &pruners, 0, 0},
      {"search", "SEARCHER", "search over each --pruner too, beside its uniform row; repeatable",
       AP_OPTION_LIST, &searchers, 0, 0},
      AP_CLI_PLUGIN_TIMEOUT(&o.plugin_time_limit),
      AP_CLI_RECORD(cli),
      {"train", NULL, "train the dense networks anew, do not use the shipped ones", AP_OPTION_FLAG,
       &o.train, 0, 0},
      {"plan", NULL, "only say which cells are there and how long the others may take",
       AP_OPTION_FLAG, &o.plan, 0, 0},
      {"no-plots", NULL, "draw no figures", AP_OPTION_FLAG, &no_plots, 0, 0},
      {"plots", "DIR", "folder of the gnuplot scripts", AP_OPTION_TEXT, &o.plots, 0, 0},
      {.name = NULL}};
  json_t *provenance = NULL;
  char *axis_words = NULL;
  ap_status st;
  o.out = NULL;
  st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  if (list) return list_methods(cli, err);
  st = ap_cli_require("out", o.out, err);
  if (!st) st = ap_cli_record_ready(cli, err);
  if (st) return st;
  if (searchers.n > 0 && pruners.n == 0) {
    return ap_fail(err, AP_ERR_ARG, "--search goes with --pruner: it searches over each of them");
  }
  st = split_list(&swept, &axes, &axis_words, err);
  if (!st) st = open_own(&own, &o, err);
  provenance = ap_provenance(cli->argc, cli->argv);
  if (!st && !provenance) st = ap_fail(err, AP_ERR_MEMORY, "provenance");
  if (st) goto done;
  o.say = say;
  o.say_context = cli;
  o.seed = cli->seed;
  o.n_threads = cli->threads;
  o.backend = cli->backend;
  o.quiet = cli->quiet;
  o.pruners = pruners.items;
  o.n_pruners = pruners.n;
  o.searchers = searchers.items;
  o.n_searchers = searchers.n;
  if (no_plots) o.draw = false;
  if (o.plan) {
    st = plan(cli, &o, &axes, provenance, err);
    goto done;
  }
  st = axes.n ? sweep(cli, &o, &axes, provenance, err)
              : compare(cli, &o, &own.overrides, provenance, err);
  if (st == AP_ERR_INTERRUPTED) {
    ap_error inner = *err;
    (void)ap_fail(err, st, "%s; run the same command again to go on", inner.text);
  }
done:
  close_own(&own);
  ap_free(axis_words);
  json_decref(provenance);
  return st;
}
