#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/provenance.h"
#include "bench/search_job.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/record.h"
#include "nn/dataset.h"

static const ap_command_info INFO = {
    .name = "search",
    .usage = "--model FILE --data NAME|DIR --out DIR [OPTIONS]",
    .summary =
        "Searches how much of each layer to keep: accuracy and occupied crossbars under an "
        "accuracy-loss limit.",
    .details =
        "Writes DIR/policy.json (the best policy), DIR/episodes.csv (all candidates) and "
        "DIR/summary.json.\nCandidates are judged on the search split, without fine-tuning. Exit "
        "status 1 when no policy within\nthe limit was found. An interrupted search goes on with "
        "--resume, with the same result as if it\nhad not been interrupted.",
    .examples =
        "  autoprune search --model lenet5_fashion-mnist --data fashion-mnist --out out/s1\n"
        "  autoprune search --model m.apm --data cifar10 --searcher random --episodes 400 \\\n"
        "      --arithmetic integer --max-loss 0.02 --hw ou --set array.ou_rows=16 --seed 7 --out "
        "out/s2\n"
        "  autoprune search --model m.apm --data cifar10 --pruner ./mine.so --out out/s3\n"
        "  autoprune search --model m.apm --data cifar10 --race 0.01 --out out/s4"};

typedef struct {
  ap_model_choice model;
  const char *data, *out, *hw, *pruner, *snap, *arithmetic, *weight_bits;
  ap_text_list overrides;
  double plugin_timeout;
  bool no_repair;
} search_options;

/* A number made of the policy's kept vectors: equal policies, equal numbers. */
static ap_status add_fingerprint(const char *out, json_t *summary, ap_error *err) {
  char *path = ap_path_join(out, "policy.json"), hash[65] = "";
  json_t *policy = NULL;
  ap_status st = path ? ap_json_load(path, &policy, err) : ap_fail(err, AP_ERR_MEMORY, "policy");
  if (!st) st = ap_config_hash(json_object_get(policy, "layers"), hash, err);
  hash[12] = '\0'; /* 48 bits: a double holds them exactly */
  if (!st && !ap_cli_set(summary, "policy_fingerprint",
                         json_integer((json_int_t)strtoull(hash, NULL, 16)))) {
    st = ap_fail(err, AP_ERR_MEMORY, "policy");
  }
  json_decref(policy);
  ap_free(path);
  return st;
}

static ap_status record(const ap_cli *cli, const search_options *o, const ap_search_job *job,
                        json_t *summary, ap_error *err) {
  static const ap_cli_metric metrics[] = {
      {"best_on_search_split.reward", "reward", "", false},
      {"best_on_search_split.accuracy", "accuracy", "", false},
      {"best_on_search_split.accuracy_loss", "accuracy_loss", "", false},
      {"best_on_search_split.compression", "compression", "", false},
      {"best_on_search_split.crossbars", "crossbars", "", false},
      {"dense_accuracy_search", "dense_accuracy", "", false},
      {"feasible", "feasible", "", false},
      {"episodes", "episodes", "", false},
      {"policy_fingerprint", "policy_fingerprint", "", false}};
  char *overrides;
  ap_status st;
  if (!cli->record) return AP_OK;
  st = add_fingerprint(o->out, summary, err);
  if (st) return st;
  overrides = ap_cli_overrides_text(&o->overrides, o->weight_bits);
  st = ap_cli_record_document(
      cli,
      overrides
          ? ap_sprintf("search %s %s searcher=%s reward=%s pruner=%s hw=%s%s max_loss=%g "
                       "episodes=%zu budget=%g images=%zu race=%g seed=%llu",
                       ap_cli_file_name(o->model.path), ap_cli_file_name(o->data), job->searcher,
                       job->reward, o->pruner, o->hw ? ap_cli_file_name(o->hw) : "ou", overrides,
                       job->max_loss, job->episodes, job->budget, job->images, job->race_error,
                       (unsigned long long)job->seed)
          : NULL,
      summary, metrics, sizeof metrics / sizeof metrics[0], err);
  ap_free(overrides);
  return st;
}

/* --resume where there is nothing to go on with is no fault, but may be a mistyped folder. */
static ap_status look_for_state(const ap_cli *cli, const char *out, ap_error *err) {
  char *path = ap_path_join(out, "state");
  if (!path) return ap_fail(err, AP_ERR_MEMORY, "path");
  if (!ap_file_exists(path)) {
    ap_cli_note(cli, "%s: no unfinished search is there; this one begins anew", out);
  }
  ap_free(path);
  return AP_OK;
}

static ap_status run_search(ap_cli *cli, const search_options *o, const ap_search_job *job,
                            ap_error *err) {
  ap_network *net = NULL;
  ap_dataset *data = NULL;
  ap_tech *tech = NULL;
  json_t *summary = NULL, *provenance = ap_provenance(cli->argc, cli->argv);
  bool feasible = false;
  ap_status st = provenance ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "provenance");
  if (!st) st = ap_cli_open_tech(o->hw, &o->overrides, &tech, err);
  if (!st) st = ap_cli_load_model(&o->model, &net, NULL, err);
  if (!st) st = ap_cli_set_weight_bits(NULL, NULL, o->weight_bits, net, err);
  if (!st) st = ap_dataset_open(o->data, &data, err);
  if (!st && job->resume) st = look_for_state(cli, o->out, err);
  if (!st) {
    st = ap_search_job_run(job, net, data, tech, o->out, provenance, &summary, &feasible, err);
  }
  if (st == AP_ERR_INTERRUPTED) {
    ap_error inner = *err;
    (void)ap_fail(err, st, "%s; the same command with --resume goes on", inner.text);
  }
  if (!st) st = record(cli, o, job, summary, err);
  if (!st) {
    cli->answer_no = !feasible;
    if (cli->json) {
      st = ap_cli_print_json(json_incref(summary), err);
    } else {
      (void)printf("%s: %s; policy in %s/policy.json\n", o->out,
                   feasible ? "found a policy within the limit"
                            : "NO policy within the limit was found, the nearest is kept",
                   o->out);
    }
  }
  json_decref(summary);
  json_decref(provenance);
  ap_tech_close(tech);
  ap_dataset_destroy(data);
  ap_network_destroy(net);
  return st;
}

ap_status ap_cmd_search(ap_cli *cli, int argc, char **argv, ap_error *err) {
  search_options o = {.pruner = "column-vector",
                      .snap = "crossbar",
                      .arithmetic = "float",
                      .plugin_timeout = AP_PLUGIN_TIME_LIMIT};
  ap_search_job job = ap_search_job_defaults();
  ap_option options[] = {
      AP_MODEL_OPTIONS(&o.model),
      {"data", "NAME|DIR", "fashion-mnist, mnist, cifar10, or a folder in their formats",
       AP_OPTION_TEXT, &o.data, 0, 0},
      {"out", "DIR", "folder of the results", AP_OPTION_TEXT, &o.out, 0, 0},
      {"searcher", "NAME", "ddpg (default), ddpg-paper, random, ...", AP_OPTION_TEXT, &job.searcher,
       0, 0},
      {"reward", "NAME", "constrained (default), amc, accuracy, macs, amc-macs", AP_OPTION_TEXT,
       &job.reward, 0, 0},
      {"pruner", "NAME", "what is removed (default column-vector), or a plug-in", AP_OPTION_TEXT,
       &o.pruner, 0, 0},
      AP_CLI_WEIGHT_BITS(&o.weight_bits),
      AP_CLI_PLUGIN_TIMEOUT(&o.plugin_timeout),
      {"snap", "NAME", "levels fit whole: crossbar (default), ou, none", AP_OPTION_TEXT, &o.snap, 0,
       0},
      {"levels", "N", "levels of a layer at most", AP_OPTION_SIZE, &job.levels.max_levels, 2, 4096},
      {"keep-min", "F", "least kept fraction of a layer's vectors", AP_OPTION_NUMBER,
       &job.levels.keep_min, 1e-9, 1},
      {"no-repair", NULL, "leave kept weights as they are (no least squares)", AP_OPTION_FLAG,
       &o.no_repair, 0, 0},
      {"max-loss", "L", "accuracy that may be lost, absolute (default 0.01)", AP_OPTION_NUMBER,
       &job.max_loss, 0, 1},
      {"budget", "B", "dense-equivalent image-forwards to spend; 0: by episodes", AP_OPTION_NUMBER,
       &job.budget, 0, 1e15},
      {"episodes", "N", "candidates to evaluate; 0: the searcher's default", AP_OPTION_SIZE,
       &job.episodes, 0, 1e9},
      {"parallel", "N", "candidates evaluated at once; 0: the searcher's default", AP_OPTION_SIZE,
       &job.parallel, 0, 1e6},
      {"precision", "NAME", "of candidates with --backend cuda: fp32 (default) or bf16",
       AP_OPTION_TEXT, &job.precision, 0, 0},
      {"images", "N", "images of the search split to use; 0: all", AP_OPTION_SIZE, &job.images, 0,
       1e9},
      {"race", "P",
       "stop candidates that cannot be the best early, each wrongly with at most this probability",
       AP_OPTION_NUMBER, &job.race_error, 0, 0.5},
      {"arithmetic", "NAME",
       "how candidates are judged: float (default), or integer as the hardware", AP_OPTION_TEXT,
       &o.arithmetic, 0, 0},
      {"hw", "PRESET|FILE", "hardware: ou (default), isaac, sre, or an .ini file", AP_OPTION_TEXT,
       &o.hw, 0, 0},
      {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated", AP_OPTION_LIST,
       &o.overrides, 0, 0},
      AP_CLI_RECORD(cli),
      {"resume", NULL, "go on with an interrupted search", AP_OPTION_FLAG, &job.resume, 0, 0},
      {.name = NULL}};
  bool help = false;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  st = ap_cli_require("model", o.model.path, err);
  if (!st) st = ap_cli_require("data", o.data, err);
  if (!st) st = ap_cli_require("out", o.out, err);
  if (!st) st = ap_cli_record_ready(cli, err);
  if (!st) st = ap_cli_pruner(o.pruner, o.plugin_timeout, cli->seed, &job.levels.pruner, err);
  if (!st && ap_snap_parse(o.snap, &job.levels.snap, err)) {
    st = ap_fail_context(err, AP_ERR_ARG, "--snap");
  }
  job.integer = strcmp(o.arithmetic, "integer") == 0;
  if (!st && !job.integer && strcmp(o.arithmetic, "float") != 0) {
    st = ap_fail(err, AP_ERR_ARG, "--arithmetic %s: float or integer is expected", o.arithmetic);
  }
  job.repair = job.repair && !o.no_repair;
  job.seed = cli->seed;
  job.n_threads = cli->threads;
  job.backend = cli->backend;
  job.force = cli->force;
  job.quiet = cli->quiet;
  return st ? st : run_search(cli, &o, &job, err);
}
