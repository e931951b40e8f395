#include "bench/search_job.h"

#include <stdio.h>
#include <string.h>

#include "agent/prune_env.h"
#include "agent/reward.h"
#include "agent/searcher.h"
#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/provenance.h"
#include "bench/csv_head.h"
#include "bench/workbench.h"
#include "pruners/policy.h"

ap_search_job ap_search_job_defaults(void) {
  return (ap_search_job){.searcher = "ddpg",
                         .reward = "constrained",
                         .levels = ap_level_db_defaults(),
                         .repair = true,
                         .max_loss = 0.01,
                         .seed = 1,
                         .backend = "cpu",
                         .precision = "fp32"};
}

/* All that one run holds; released together. */
typedef struct {
  const ap_search_job *job;
  ap_workbench *bench;
  ap_level_db *db;
  ap_evaluator *ev;
  ap_prune_env *env;
  ap_search_result *result;
  ap_outcome best;  /* of the result, in crossbars whatever the reward counts */
  ap_output *table; /* episodes.csv being written */
  ap_csv csv;
  ap_progress *progress;
  json_t *provenance; /* the caller's, with the configuration */
  char *policy_path, *table_path, *summary_path, *state_path;
} run;

static void release(run *r) {
  ap_progress_end(r->progress);
  json_decref(r->provenance);
  ap_output_abandon(r->table);
  ap_search_result_destroy(r->result);
  ap_prune_env_destroy(r->env);
  ap_evaluator_destroy(r->ev);
  ap_level_db_destroy(r->db);
  ap_workbench_close(r->bench);
  ap_free(r->policy_path);
  ap_free(r->table_path);
  ap_free(r->summary_path);
  ap_free(r->state_path);
}

static ap_status prepare_folder(run *r, const char *dir, ap_error *err) {
  ap_status st = ap_dir_create(dir, err);
  if (st) return st;
  r->policy_path = ap_path_join(dir, "policy.json");
  r->table_path = ap_path_join(dir, "episodes.csv");
  r->summary_path = ap_path_join(dir, "summary.json");
  r->state_path = ap_path_join(dir, "state");
  if (!r->policy_path || !r->table_path || !r->summary_path || !r->state_path) {
    return ap_fail(err, AP_ERR_MEMORY, "paths in %s", dir);
  }
  if (!r->job->force && ap_file_exists(r->summary_path)) {
    return ap_fail(err, AP_ERR_ARG, "%s exists: another folder, or --force, is expected",
                   r->summary_path);
  }
  if (!r->job->force && !r->job->resume && ap_file_exists(r->state_path)) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s is an unfinished search: --resume goes on with it, --force begins anew",
                   r->state_path);
  }
  return AP_OK;
}

static ap_status open_table(run *r, ap_error *err) {
  static const char *const columns[] = {
      "episode",     "reward",         "accuracy", "loss",  "accuracy_loss",
      "compression", "crossbars",      "feasible", "sigma", "critic_loss",
      "actor_loss",  "image_forwards", "stopped"};
  ap_status st = ap_output_open(r->table_path, true, &r->table, err);
  if (st) return st;
  r->csv = (ap_csv){ap_output_stream(r->table), 0};
  ap_csv_head(&r->csv, r->provenance);
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) ap_csv_text(&r->csv, columns[i]);
  for (size_t i = 0; i < ap_level_db_layers(r->db); i++) {
    char name[160];
    (void)snprintf(name, sizeof name, "keep_%s", ap_level_db_layer(r->db, i)->name);
    ap_csv_text(&r->csv, name);
  }
  ap_csv_end_row(&r->csv);
  return AP_OK;
}

static ap_status on_candidate(void *context, const ap_candidate *c, ap_error *err) {
  run *r = context;
  char note[96];
  double crossbars, compression;
  (void)err;
  ap_prune_env_hardware(r->env, c->executed, &crossbars, &compression);
  ap_csv_size(&r->csv, c->episode);
  ap_csv_number(&r->csv, c->outcome.reward);
  ap_csv_number(&r->csv, c->outcome.accuracy);
  ap_csv_number(&r->csv, c->outcome.loss);
  ap_csv_number(&r->csv, c->outcome.accuracy_loss);
  ap_csv_number(&r->csv, compression);
  ap_csv_number(&r->csv, crossbars);
  ap_csv_size(&r->csv, c->outcome.feasible);
  ap_csv_number(&r->csv, c->sigma);
  ap_csv_number(&r->csv, c->critic_loss);
  ap_csv_number(&r->csv, c->actor_loss);
  ap_csv_number(&r->csv, c->image_forwards);
  ap_csv_size(&r->csv, c->outcome.stopped);
  for (size_t i = 0; i < ap_level_db_layers(r->db); i++) ap_csv_number(&r->csv, c->executed[i]);
  ap_csv_end_row(&r->csv);
  (void)snprintf(note, sizeof note, "accuracy %.4f, compression %.2f", c->outcome.accuracy,
                 compression);
  ap_progress_set(r->progress, c->episode + 1, note);
  return AP_OK;
}

static ap_status search_options(const run *r, ap_search_options *o, ap_error *err) {
  ap_status st = ap_search_options_default(r->job->searcher, o, err);
  if (st) return st;
  o->seed = r->job->seed;
  if (r->job->episodes) o->episodes = r->job->episodes;
  if (r->job->parallel) o->parallel = r->job->parallel;
  o->budget = r->job->budget;
  o->state_path = r->state_path;
  o->resume = r->job->resume;
  return AP_OK;
}

/* Everything that the result depends on, with its hash: added to a copy of the provenance. */
static ap_status full_provenance(run *r, const ap_search_options *o, const json_t *provenance,
                                 ap_error *err) {
  const ap_search_job *job = r->job;
  const ap_dataset *data = ap_workbench_data(r->bench);
  char model[AP_SHA256_TEXT], tech[AP_SHA256_TEXT], hash[AP_SHA256_TEXT];
  json_t *config = NULL;
  ap_status st = ap_network_hash(ap_workbench_trained(r->bench), model, err);
  if (!st) st = ap_tech_hash(ap_workbench_tech(r->bench), tech, err);
  if (st) return st;
  config = json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:b, s:f, s:f, s:I, s:I, s:I, s:I}",
      "arithmetic", job->integer ? "integer" : "float", "model_sha256", model, "data",
      ap_dataset_name(data), "data_sha256", ap_dataset_hash(data), "hardware_sha256", tech,
      "pruner", job->levels.pruner.name, "searcher", job->searcher, "reward", job->reward,
      "max_levels", (json_int_t)job->levels.max_levels, "keep_min", job->levels.keep_min, "repair",
      (int)job->repair, "max_loss", job->max_loss, "budget", o->budget, "episodes",
      (json_int_t)o->episodes, "parallel", (json_int_t)o->parallel, "images",
      (json_int_t)job->images, "seed", (json_int_t)job->seed);
  if (config && job->levels.pruner.plugin.kind != AP_PLUGIN_NONE &&
      json_object_set_new(config, "plugin", ap_plugin_to_json(&job->levels.pruner.plugin))) {
    json_decref(config);
    config = NULL;
  }
  /* On the processor the result depends on neither. */
  if (config && strncmp(job->backend, "cuda", 4) == 0 &&
      (json_object_set_new(config, "backend", json_string(job->backend)) ||
       json_object_set_new(config, "precision", json_string(job->precision)))) {
    json_decref(config);
    config = NULL;
  }
  if (config && job->race_error > 0 &&
      json_object_set_new(config, "race_error", json_real(job->race_error))) {
    json_decref(config);
    config = NULL;
  }
  if (!config) return ap_fail(err, AP_ERR_MEMORY, "configuration");
  st = ap_config_hash(config, hash, err);
  r->provenance = json_deep_copy(provenance);
  if (!st && (!r->provenance || json_object_set(r->provenance, "configuration", config) ||
              json_object_set_new(r->provenance, "configuration_sha256", json_string(hash)))) {
    st = ap_fail(err, AP_ERR_MEMORY, "provenance");
  }
  json_decref(config);
  return st;
}

static void take_best(run *r) {
  const ap_candidate *best = &r->result->candidates[r->result->best];
  r->best = best->outcome;
  ap_prune_env_hardware(r->env, best->executed, &r->best.crossbars, &r->best.compression);
}

static ap_status save_policy(run *r, ap_error *err) {
  size_t layers = ap_level_db_layers(r->db);
  uint32_t *levels = ap_calloc(layers, sizeof *levels);
  const ap_outcome *best = &r->best;
  json_t *extra = NULL;
  ap_policy *policy = NULL;
  ap_status st = AP_OK;
  if (!levels) return ap_fail(err, AP_ERR_MEMORY, "policy");
  ap_prune_env_levels(r->env, r->result->candidates[r->result->best].executed, levels);
  st = ap_policy_from_levels(r->db, levels, &policy, err);
  extra =
      json_pack("{s:s, s:{s:f, s:f, s:f, s:f, s:b}, s:O}", "levels_hash", ap_level_db_hash(r->db),
                "search_split", "accuracy", best->accuracy, "accuracy_loss", best->accuracy_loss,
                "compression", best->compression, "crossbars", best->crossbars, "feasible",
                (int)best->feasible, "provenance", r->provenance);
  if (!st && !extra) st = ap_fail(err, AP_ERR_MEMORY, "policy");
  if (!st) st = ap_policy_save(r->policy_path, policy, extra, true, err);
  json_decref(extra);
  ap_policy_destroy(policy);
  ap_free(levels);
  return st;
}

/* Where the time went, as if in one go: a search that was resumed counts its agent and evaluator up to the
 * saved state and this run's preparation. What is not one of the four parts is reading, moments, repair and packing. */
static json_t *seconds_of(const run *r, double total) {
  const ap_level_seconds levels = ap_level_db_seconds(r->db);
  const double agent = r->result->agent_seconds, evaluator = r->result->evaluation_seconds;
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "agent", agent, "evaluator", evaluator,
                   "mapper", levels.mapper, "model", levels.model, "preparation",
                   total - agent - evaluator - levels.mapper - levels.model, "total", total);
}

static json_t *evaluator_of(const run *r) {
  const ap_evaluator_stats stats = ap_evaluator_statistics(r->ev);
  return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "level_bytes",
                   (json_int_t)ap_evaluator_level_bytes(r->ev), "candidates",
                   (json_int_t)stats.candidates, "cache_hits", (json_int_t)stats.cache_hits,
                   "stopped", (json_int_t)stats.stopped, "image_forwards", stats.image_forwards,
                   "image_forwards_saved_by_sharing", stats.shared_forwards,
                   "image_forwards_saved_by_racing", stats.stopped_forwards);
}

static json_t *summarise(const run *r, double seconds) {
  const ap_outcome *best = &r->best;
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:b, s:{s:f, s:f, s:f, s:f, s:f, s:f}, s:f, s:f,"
      " s:o, s:o, s:O}",
      "schema", "autoprune-search-1", "searcher", r->job->searcher, "reward", r->job->reward,
      "pruner", r->job->levels.pruner.name, "levels_hash", ap_level_db_hash(r->db), "episodes",
      (json_int_t)r->result->n, "max_loss", r->job->max_loss, "feasible", (int)best->feasible,
      "best_on_search_split", "reward", best->reward, "accuracy", best->accuracy, "loss",
      best->loss, "accuracy_loss", best->accuracy_loss, "compression", best->compression,
      "crossbars", best->crossbars, "dense_accuracy_search", ap_prune_env_dense_accuracy(r->env),
      "race_error", r->job->race_error, "evaluator", evaluator_of(r), "seconds",
      seconds_of(r, seconds), "provenance", r->provenance);
}

static ap_status search(run *r, const ap_network *net, const ap_dataset *data, const ap_tech *tech,
                        const json_t *provenance, ap_error *err) {
  const ap_search_job *job = r->job;
  ap_reward reward = ap_reward_default();
  ap_search_options options;
  ap_search_observer observer = {r, on_candidate};
  ap_status st = ap_reward_parse(job->reward, &reward.kind, err);
  reward.max_loss = job->max_loss;
  if (!st) st = ap_reward_check(&reward, err);
  if (!st) st = search_options(r, &options, err);
  if (!st) {
    st = ap_workbench_open(net, data, tech, job->backend, job->n_threads, &r->bench, err);
  }
  if (!st) ap_workbench_set_precision(r->bench, job->precision);
  if (!st) st = ap_workbench_levels(r->bench, &job->levels, job->repair, &r->db, err);
  if (!st) {
    st = (job->integer ? ap_workbench_integer_evaluator : ap_workbench_evaluator)(
        r->bench, r->db, AP_SPLIT_SEARCH, job->images, job->quiet, &r->ev, err);
  }
  if (!st) st = ap_prune_env_create(r->db, r->ev, &reward, &r->env, err);
  if (!st) st = ap_prune_env_race(r->env, job->race_error, err);
  if (!st) st = full_provenance(r, &options, provenance, err);
  if (!st) st = open_table(r, err);
  if (st) return st;
  r->progress = ap_progress_create(job->searcher, options.episodes, job->quiet);
  return ap_search_run(job->searcher, &options, ap_prune_env_interface(r->env), &observer,
                       &r->result, err);
}

ap_status ap_search_job_run(const ap_search_job *job, const ap_network *net, const ap_dataset *data,
                            const ap_tech *tech, const char *dir, const json_t *provenance,
                            json_t **summary, bool *feasible, ap_error *err) {
  run r = {.job = job};
  double start = ap_seconds();
  json_t *document = NULL;
  ap_status st = prepare_folder(&r, dir, err);
  *feasible = false;
  if (summary) *summary = NULL;
  if (!st) st = search(&r, net, data, tech, provenance, err);
  if (st) goto done;
  st = ap_output_commit(r.table, err);
  r.table = NULL;
  take_best(&r);
  if (!st) st = save_policy(&r, err);
  if (st) goto done;
  document = summarise(&r, ap_seconds() - start + r.result->resumed_seconds);
  if (!document) {
    st = ap_fail(err, AP_ERR_MEMORY, "summary");
    goto done;
  }
  st = ap_json_save(r.summary_path, document, true, err);
  if (st) goto done;
  (void)remove(r.state_path);
  *feasible = r.result->found;
  if (summary) {
    *summary = document;
    document = NULL;
  }
done:
  json_decref(document);
  release(&r);
  return st;
}
