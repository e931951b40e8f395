#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/prune_env.h"
#include "agent/reward.h"
#include "agent/searcher.h"
#include "base/alloc.h"
#include "base/progress.h"
#include "bench/cell_read_impl.h"
#include "bench/family_impl.h"

void ap_family_release(ap_family *family) {
  ap_free(family->levels);
  ap_free(family->crossbars);
  ap_free(family->accuracy);
  memset(family, 0, sizeof *family);
}

ap_status ap_family_reserve(ap_family *f, size_t n, size_t n_layers, ap_error *err) {
  memset(f, 0, sizeof *f);
  f->n_layers = n_layers;
  f->levels = ap_calloc(n * n_layers, sizeof *f->levels);
  f->crossbars = ap_calloc(n, sizeof *f->crossbars);
  f->accuracy = ap_calloc(n, sizeof *f->accuracy);
  if (f->levels && f->crossbars && f->accuracy) return AP_OK;
  ap_family_release(f);
  return ap_fail(err, AP_ERR_MEMORY, "%zu policies", n);
}

static double crossbars_of(const ap_level_db *db, const uint32_t *levels) {
  double sum = 0;
  for (size_t i = 0; i < ap_level_db_layers(db); i++) {
    sum += (double)ap_level_db_level(db, i, levels[i])->map.crossbars;
  }
  return sum;
}

void ap_family_add(ap_family *f, const ap_level_db *db) {
  double crossbars = crossbars_of(db, f->levels + f->n * f->n_layers);
  if (f->n > 0 && crossbars >= f->crossbars[f->n - 1]) return;
  f->crossbars[f->n++] = crossbars;
}

ap_status ap_family_score(ap_family *f, ap_evaluator *ev, ap_error *err) {
  size_t total = f->n * f->n_layers;
  uint32_t *numbers = ap_calloc(total, sizeof *numbers);
  ap_score *scores = ap_calloc(f->n, sizeof *scores);
  ap_status st = AP_OK;
  if (!numbers || !scores) st = ap_fail(err, AP_ERR_MEMORY, "%zu policies", f->n);
  for (size_t i = 0; i < total && !st; i++) numbers[i] = f->levels[i] + 1; /* level_db.h */
  if (!st) st = ap_evaluator_run(ev, f->n, numbers, scores, err);
  for (size_t i = 0; i < f->n && !st; i++) f->accuracy[i] = scores[i].accuracy;
  ap_free(numbers);
  ap_free(scores);
  return st;
}

ap_status ap_family_uniform(const ap_level_db *db, ap_evaluator *ev, ap_family *out,
                            ap_error *err) {
  size_t layers = ap_level_db_layers(db);
  ap_status st = ap_family_reserve(out, AP_FAMILY_STEPS, layers, err);
  if (st) return st;
  for (size_t step = 0; step < AP_FAMILY_STEPS; step++) {
    double keep = 1.0 - (double)step / AP_FAMILY_STEPS;
    uint32_t *row = out->levels + out->n * layers;
    for (size_t i = 0; i < layers; i++) row[i] = (uint32_t)ap_level_db_find(db, i, keep);
    ap_family_add(out, db);
  }
  st = ap_family_score(out, ev, err);
  if (st) ap_family_release(out);
  return st;
}

typedef struct {
  const ap_prune_env *env;
  json_t *rows;
  ap_progress *progress;
} recorder;

static ap_status on_candidate(void *context, const ap_candidate *c, ap_error *err) {
  recorder *r = context;
  const ap_outcome *o = &c->outcome;
  json_t *row = json_array();
  int bad = !row;
  char note[96];
  double compression, crossbars;
  ap_prune_env_hardware(r->env, c->executed, &crossbars, &compression);
  const double values[] = {o->reward, o->accuracy, o->accuracy_loss, compression, crossbars};
  bad = bad || json_array_append_new(row, json_integer((json_int_t)c->episode));
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    bad = bad || json_array_append_new(row, number_or_null(values[i]));
  }
  bad = bad || json_array_append_new(row, json_integer(o->feasible));
  bad = bad || json_array_append_new(row, number_or_null(c->sigma));
  bad = bad || json_array_append_new(row, number_or_null(c->critic_loss));
  bad = bad || json_array_append_new(row, number_or_null(c->image_forwards));
  if (bad) {
    json_decref(row);
    return ap_fail(err, AP_ERR_MEMORY, "episode %zu", c->episode);
  }
  if (json_array_append_new(r->rows, row)) {
    return ap_fail(err, AP_ERR_MEMORY, "episode %zu", c->episode);
  }
  (void)snprintf(note, sizeof note, "accuracy %.4f, compression %.2f", o->accuracy, compression);
  ap_progress_set(r->progress, c->episode + 1, note);
  return AP_OK;
}

/* Between the last row and the policy `lighter`, which comes next: `lighter` with the pruned share of every layer
 * reduced alike, where that is at least FILL apart from both in ln(crossbars). */
#define FILL 0.04
#define FILL_STEPS 64
static void fill_gap(ap_family *f, const ap_level_db *db, const uint32_t *lighter) {
  const double end = log(fmax(crossbars_of(db, lighter), 1)) + FILL;
  for (size_t step = 1; step < FILL_STEPS; step++) {
    uint32_t *row = f->levels + f->n * f->n_layers;
    double c;
    for (size_t i = 0; i < f->n_layers; i++) {
      double pruned = 1 - ap_level_db_level(db, i, lighter[i])->keep;
      row[i] = (uint32_t)ap_level_db_find(db, i, 1 - pruned * (double)step / FILL_STEPS);
    }
    c = log(fmax(crossbars_of(db, row), 1));
    if (c >= end && c <= log(fmax(f->crossbars[f->n - 1], 1)) - FILL) ap_family_add(f, db);
  }
}

/* The front's policies by falling crossbars, after the network with everything kept, and gaps filled. */
static ap_status take_front(const ap_level_db *db, const ap_prune_env *env,
                            const ap_search_result *result, ap_family *out, ap_error *err) {
  size_t layers = ap_level_db_layers(db);
  uint32_t *next = ap_calloc(layers, sizeof *next);
  ap_status st = next ? ap_family_reserve(out, (result->n_front + 1) * FILL_STEPS, layers, err)
                      : ap_fail(err, AP_ERR_MEMORY, "policy");
  if (st) goto done;
  for (size_t i = 0; i < layers; i++) out->levels[i] = (uint32_t)ap_level_db_levels(db, i) - 1;
  ap_family_add(out, db);
  for (size_t i = result->n_front; i-- > 0;) {
    ap_prune_env_levels(env, result->candidates[result->front[i]].executed, next);
    fill_gap(out, db, next);
    memcpy(out->levels + out->n * layers, next, layers * sizeof *next);
    ap_family_add(out, db);
  }
done:
  ap_free(next);
  return st;
}

ap_status ap_family_searched(const ap_level_db *db, ap_evaluator *ev,
                             const ap_family_search *search, ap_family *out, json_t **episodes,
                             json_t **seconds, ap_error *err) {
  ap_reward reward = ap_reward_default();
  ap_search_options options;
  ap_prune_env *env = NULL;
  ap_search_result *result = NULL;
  recorder rec = {.rows = json_array()};
  ap_search_observer observer = {&rec, on_candidate};
  ap_status st = rec.rows ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "episodes");
  memset(out, 0, sizeof *out);
  *episodes = *seconds = NULL;
  reward.max_loss = search->max_loss;
  if (!st && search->reward) st = ap_reward_parse(search->reward, &reward.kind, err);
  if (!st) st = ap_search_options_default(search->searcher, &options, err);
  if (!st) st = ap_prune_env_create(db, ev, &reward, &env, err);
  if (st) goto done;
  rec.env = env;
  options.episodes = search->episodes;
  options.seed = search->seed;
  options.state_path = search->state_path;
  options.resume = search->state_path != NULL;
  rec.progress = ap_progress_create(search->searcher, options.episodes, search->quiet);
  st = ap_search_run(search->searcher, &options, ap_prune_env_interface(env), &observer, &result,
                     err);
  ap_progress_end(rec.progress);
  if (!st) st = take_front(db, env, result, out, err);
  if (!st) st = ap_family_score(out, ev, err);
  if (!st) {
    *seconds = json_pack("{s:f, s:f}", "agent", result->agent_seconds, "evaluator",
                         result->evaluation_seconds);
    *episodes = rec.rows;
    rec.rows = NULL;
  }
done:
  if (st) ap_family_release(out);
  json_decref(rec.rows);
  ap_search_result_destroy(result);
  ap_prune_env_destroy(env);
  return st;
}
