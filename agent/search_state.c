/* The file of an interrupted search: "APSEARC5", the settings, the candidates, the seconds and the
 * environment's tally, the searcher's own state, and a SHA-256 of all that. Native byte order: it is
 * continued on the machine that wrote it. */
#include <string.h>

#include "agent/searcher_impl.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"

static const char magic[] = "APSEARC5";
#define VERSION_AT (sizeof magic - 2) /* its last character */
#define MAX_STATE ((size_t)1 << 34)

typedef struct {
  const char *name;
  double value;
} setting;
#define N_SETTINGS 34

/* Everything that changes the course of a search. */
static void settings(const ap_search *s, setting out[N_SETTINGS]) {
  const ap_search_options *o = s->options;
  const setting all[N_SETTINGS] = {
      {"seed (high half)", (double)(o->seed >> 32)},
      {"seed", (double)(o->seed & 0xffffffffu)},
      {"number of steps", (double)s->env->n_steps},
      {"number of features", (double)s->env->n_features},
      {"episodes", (double)o->episodes},
      {"parallel candidates", (double)o->parallel},
      {"budget", o->budget},
      {"least kept fraction", o->keep_min},
      {"warm-up", (double)o->warmup},
      {"exploration noise", o->sigma},
      {"warm-up spread", o->warmup_spread},
      {"warm-up updates", (double)o->warmup_updates},
      {"noise decay", o->sigma_decay},
      {"least noise", o->sigma_least},
      {"explored share", o->explored_share},
      {"share of leaps", o->leap_share},
      {"softened limit", (double)o->soften_limit},
      {"stored action", (double)o->store_executed},
      {"bootstrap", (double)o->bootstrap},
      {"inverted gradients", (double)o->invert_gradients},
      {"sampler", (double)o->sampler},
      {"hidden units", (double)o->hidden},
      {"batch", (double)o->batch},
      {"replayed episodes", (double)o->replay_episodes},
      {"patience beyond the limit", (double)o->limit_patience},
      {"updates per step", (double)o->updates_per_step},
      {"actor learning rate", o->actor_rate},
      {"critic learning rate", o->critic_rate},
      {"tau", o->tau},
      {"discount", o->discount},
      {"baseline rate", o->baseline_rate},
      {"population", (double)o->population},
      {"measured levels", (double)o->curve_levels},
      {"coefficient spread", o->spread},
  };
  memcpy(out, all, sizeof all);
}

static void put_candidate(ap_state_writer *w, const ap_candidate *c, size_t n_steps) {
  const ap_outcome *y = &c->outcome;
  const double values[] = {
      y->reward,          y->accuracy,    y->loss,           y->accuracy_loss,
      y->compression,     y->crossbars,   y->image_forwards, y->feasible ? 1 : 0,
      c->sigma,           c->critic_loss, c->actor_loss,     c->image_forwards,
      y->stopped ? 1 : 0, y->lesson};
  ap_state_put(w, values, sizeof values);
  ap_state_put(w, c->executed, n_steps * sizeof(double));
}

static void get_candidate(ap_state_reader *r, ap_search_result *result, size_t i) {
  double v[14], *executed = result->executed + i * result->n_steps;
  ap_state_get(r, v, sizeof v);
  ap_state_get(r, executed, result->n_steps * sizeof(double));
  result->candidates[i] = (ap_candidate){.episode = i,
                                         .executed = executed,
                                         .outcome = {.reward = v[0],
                                                     .lesson = v[13],
                                                     .accuracy = v[1],
                                                     .loss = v[2],
                                                     .accuracy_loss = v[3],
                                                     .compression = v[4],
                                                     .crossbars = v[5],
                                                     .image_forwards = v[6],
                                                     .feasible = v[7] > 0,
                                                     .stopped = v[12] > 0},
                                         .sigma = v[8],
                                         .critic_loss = v[9],
                                         .actor_loss = v[10],
                                         .image_forwards = v[11]};
}

/* What the search has cost up to here. */
static void put_effort(ap_state_writer *w, const ap_search *s) {
  double tally[AP_ENV_TALLIES] = {0};
  if (s->env->tally) s->env->tally(s->env->self, tally);
  ap_state_put_number(w, s->result->agent_seconds);
  ap_state_put_number(w, s->result->evaluation_seconds);
  ap_state_put(w, tally, sizeof tally);
}

static void get_effort(ap_state_reader *r, ap_search_result *result, double *tally) {
  result->agent_seconds = ap_state_get_number(r);
  result->evaluation_seconds = ap_state_get_number(r);
  result->resumed_seconds = result->agent_seconds + result->evaluation_seconds;
  ap_state_get(r, tally, AP_ENV_TALLIES * sizeof *tally);
}

ap_status ap_search_save(const ap_search *s, ap_error *err) {
  ap_status st;
  ap_state_writer w = {0};
  setting list[N_SETTINGS];
  char digest[AP_SHA256_TEXT];
  ap_state_put(&w, magic, sizeof magic);
  ap_state_put_text(&w, s->ops->name);
  ap_state_put_text(&w, s->env->identity ? s->env->identity : "");
  settings(s, list);
  for (size_t i = 0; i < N_SETTINGS; i++) ap_state_put_number(&w, list[i].value);
  ap_state_put_size(&w, s->result->n);
  for (size_t i = 0; i < s->result->n; i++) {
    put_candidate(&w, &s->result->candidates[i], s->result->n_steps);
  }
  put_effort(&w, s);
  if (s->ops->save) s->ops->save(s->self, &w);
  if (!w.failed) {
    ap_sha256(w.data, w.size, digest);
    ap_state_put(&w, digest, sizeof digest);
  }
  st = w.failed ? ap_fail(err, AP_ERR_MEMORY, "state of the search")
                : ap_file_write(s->options->state_path, w.data, w.size, true, err);
  ap_free(w.data);
  return st;
}

static ap_status read_body(ap_search *s, ap_state_reader *r, ap_error *err) {
  const char *path = s->options->state_path;
  setting list[N_SETTINGS];
  double tally[AP_ENV_TALLIES];
  size_t n;
  if (!ap_state_get_text_is(r, s->ops->name)) {
    return ap_fail(err, AP_ERR_ARG, "%s: state of another searcher than %s", path, s->ops->name);
  }
  if (!ap_state_get_text_is(r, s->env->identity ? s->env->identity : "")) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s: state of a search on another network, data, hardware or limit", path);
  }
  settings(s, list);
  for (size_t i = 0; i < N_SETTINGS; i++) {
    double value = ap_state_get_number(r);
    if (!r->failed && value != list[i].value) {
      return ap_fail(err, AP_ERR_ARG, "%s: state of a search with other settings: %s %g, now %g",
                     path, list[i].name, value, list[i].value);
    }
  }
  n = ap_state_get_size(r);
  if (r->failed || n > s->options->episodes) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: %zu candidates, at most %zu expected", path, n,
                   s->options->episodes);
  }
  for (size_t i = 0; i < n; i++) get_candidate(r, s->result, i);
  get_effort(r, s->result, tally);
  if (s->ops->restore) s->ops->restore(s->self, r);
  if (r->failed || r->at != r->size) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: searcher state does not fit at byte %zu of %zu", path,
                   r->at, r->size);
  }
  if (s->env->set_tally) s->env->set_tally(s->env->self, tally);
  s->result->n = n;
  s->result->image_forwards = n ? s->result->candidates[n - 1].image_forwards : 0;
  return AP_OK;
}

ap_status ap_search_restore(ap_search *s, ap_error *err) {
  const char *path = s->options->state_path;
  char *data = NULL, digest[AP_SHA256_TEXT];
  size_t size = 0;
  ap_status st = ap_file_read(path, MAX_STATE, &data, &size, err);
  if (st) return st;
  if (size > sizeof magic && memcmp(data, magic, VERSION_AT) == 0 &&
      data[VERSION_AT] != magic[VERSION_AT]) {
    st = ap_fail(err, AP_ERR_FORMAT,
                 "%s: state of a search by another version of the program (%.8s, %s is expected)",
                 path, data, magic);
    goto done;
  }
  if (size < sizeof magic + sizeof digest || memcmp(data, magic, sizeof magic) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: not the state of a search (%zu bytes)", path, size);
    goto done;
  }
  ap_sha256(data, size - sizeof digest, digest);
  if (memcmp(data + size - sizeof digest, digest, sizeof digest) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: damaged or cut (SHA-256 at byte %zu differs)", path,
                 size - sizeof digest);
    goto done;
  }
  ap_state_reader r = {.data = data, .size = size - sizeof digest, .at = sizeof magic};
  st = read_body(s, &r, err);
done:
  ap_free(data);
  return st;
}
