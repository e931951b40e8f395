/* nn/evaluator_race.c - candidates on ever more images, without those that are surely too bad. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "nn/evaluator_impl.h"
#include "nn/paired.h"

enum { FIRST_LOOK = 256 }; /* images; every look after it doubles them. A multiple of every block */
static const double interval_share = 0.1; /* of a look's error, for the number of telling images */

struct eval_race {
  ap_paired test;
  uint32_t *reference; /* [n_layers]; what follows is theirs if known */
  eval_block *blocks;  /* [n_blocks] */
  eval_result total;
  bool known;
};

typedef struct {
  eval_result sums;
  double reference_loss; /* summed over the same images */
  size_t images, lost, gained;
  double most; /* lost - gained among all images, that is still of interest */
  bool from_cache;
} runner;

/* One call. */
typedef struct {
  ap_evaluator *ev;
  const ap_race *rule;
  const uint32_t *levels;
  runner *runners; /* [n_candidates], of distinct candidates only */
  size_t *alive;   /* [n_alive] candidate numbers of distinct candidates still in the race */
  size_t n_alive, n_looks;
} race;

void eval_race_destroy(eval_race *r) {
  if (!r) return;
  ap_paired_release(&r->test);
  ap_free(r->reference);
  ap_free(r->blocks);
  ap_free(r);
}

static ap_status prepare(ap_evaluator *ev, ap_error *err) {
  if (ev->race) return AP_OK;
  eval_race *r = ap_calloc(1, sizeof *r);
  if (!r) return ap_fail(err, AP_ERR_MEMORY, "race");
  ap_status st = ap_paired_init(&r->test, ev->n_images, err);
  r->reference = ap_calloc(ev->plan.n_layers, sizeof *r->reference);
  r->blocks = ap_calloc(ev->n_blocks, sizeof *r->blocks);
  if (!st && (!r->reference || !r->blocks)) st = ap_fail(err, AP_ERR_MEMORY, "race");
  if (st)
    eval_race_destroy(r);
  else
    ev->race = r;
  return st;
}

/* The reference on every image; computed once. */
static ap_status meet_reference(ap_evaluator *ev, const uint32_t *levels, ap_error *err) {
  eval_race *r = ev->race;
  const size_t bytes = ev->plan.n_layers * sizeof *levels;
  if (r->known && memcmp(r->reference, levels, bytes) == 0) return AP_OK;
  ap_status st = eval_reserve_results(ev, 1, err);
  if (st) return st;
  ev->order.sorted[0] = 0;
  eval_order_sort(&ev->order, levels, 1);
  eval_evaluate(ev, 0, 1, 0, ev->n_blocks, NULL);
  eval_count(ev, 0, 1, ev->n_images);
  memcpy(r->blocks, ev->results, ev->n_blocks * sizeof *r->blocks);
  r->total = eval_total(ev, 0);
  memcpy(r->reference, levels, bytes);
  r->known = true;
  return AP_OK;
}

static void add_block(runner *to, const eval_block *block, const eval_block *reference) {
  to->sums.loss += block->loss;
  to->sums.correct += (size_t)__builtin_popcountll(block->right);
  to->lost += (size_t)__builtin_popcountll(reference->right & ~block->right);
  to->gained += (size_t)__builtin_popcountll(block->right & ~reference->right);
  to->reference_loss += reference->loss;
}

/* Distinct candidates of the order from `first` on: their blocks from .. to - 1. */
static void add(race *r, size_t first, size_t n, size_t from, size_t to) {
  const ap_evaluator *ev = r->ev;
  const size_t images = to * ev->plan.lanes;
  for (size_t i = 0; i < n; ++i) {
    runner *candidate = &r->runners[ev->order.unique[first + i]];
    for (size_t b = from; b < to; ++b)
      add_block(candidate, &ev->results[i * ev->n_blocks + b], &ev->race->blocks[b]);
    candidate->images = images < ev->n_images ? images : ev->n_images;
  }
}

/* All that are in the race, on blocks from .. to - 1. */
static ap_status lap(race *r, size_t from, size_t to, ap_error *err) {
  ap_evaluator *ev = r->ev;
  const size_t lanes = ev->plan.lanes, end = to * lanes < ev->n_images ? to * lanes : ev->n_images;
  memcpy(ev->order.sorted, r->alive, r->n_alive * sizeof *r->alive);
  eval_order_sort(&ev->order, r->levels, r->n_alive);
  for (size_t first = 0; first < r->n_alive; first += EVAL_MOST_AT_ONCE) {
    const size_t left = r->n_alive - first, n = left < EVAL_MOST_AT_ONCE ? left : EVAL_MOST_AT_ONCE;
    const ap_status st = eval_reserve_results(ev, n, err);
    if (st) return st;
    eval_evaluate(ev, first, n, from, to, NULL);
    eval_count(ev, first, n, end - from * lanes);
    add(r, first, n, from, to);
  }
  return AP_OK;
}

static bool has_lost(const race *r, const runner *candidate) {
  const double error = r->rule->error / (double)r->n_looks;
  const double share = (double)candidate->images / (double)r->ev->n_images;
  const double balance = (double)candidate->lost - (double)candidate->gained;
  if (balance <= candidate->most * share) return false; /* on the way to passing */
  return ap_paired_p_value(&r->ev->race->test, candidate->images, candidate->lost,
                           candidate->gained, candidate->most, interval_share * error) <= error;
}

static void drop_losers(race *r) {
  size_t kept = 0;
  for (size_t i = 0; i < r->n_alive; ++i)
    if (!has_lost(r, &r->runners[r->alive[i]])) r->alive[kept++] = r->alive[i];
  r->n_alive = kept;
}

static ap_status run(race *r, ap_error *err) {
  const ap_evaluator *ev = r->ev;
  size_t from = 0;
  for (size_t images = FIRST_LOOK; images < ev->n_images; images *= 2) ++r->n_looks;
  for (size_t images = FIRST_LOOK; from < ev->n_blocks && r->n_alive > 0; images *= 2) {
    const size_t to = images < ev->n_images ? images / ev->plan.lanes : ev->n_blocks;
    const ap_status st = lap(r, from, to, err);
    if (st) return st;
    if (to < ev->n_blocks) drop_losers(r);
    from = to;
  }
  return AP_OK;
}

/* Distinct candidates enter, at the most generous limit of their equals; those that the cache has
 * are done. */
static void enter(race *r, size_t n, size_t *first_equal) {
  ap_evaluator *ev = r->ev;
  for (size_t i = 0; i < n; ++i) ev->order.sorted[i] = i;
  eval_order_sort(&ev->order, r->levels, n);
  for (size_t i = 0; i < n; ++i) {
    const size_t candidate = ev->order.sorted[i];
    const size_t first = first_equal[candidate] = ev->order.unique[ev->order.owner[i]];
    const double most = r->rule->most_loss[candidate] * (double)ev->n_images + 1e-6;
    runner *entry = &r->runners[first];
    if (candidate == first || most > entry->most) entry->most = most;
  }
  for (size_t i = 0; i < ev->order.n_unique; ++i) {
    const size_t candidate = ev->order.unique[i];
    const eval_result *known =
        eval_cache_find(&ev->cache, r->levels + candidate * ev->plan.n_layers);
    if (!known) {
      r->alive[r->n_alive++] = candidate;
      continue;
    }
    r->runners[candidate].sums = *known;
    r->runners[candidate].images = ev->n_images;
    r->runners[candidate].from_cache = true;
  }
}

/* Of a stopped one: the reference's score on all images, changed by what those that were seen tell. So one that was
 * rejected is beyond its limit here, too, however easy its first images were. */
static ap_score estimate(const ap_evaluator *ev, const runner *candidate) {
  const double seen = (double)candidate->images;
  ap_score score = eval_score(&ev->race->total, ev->n_images);
  score.accuracy -= ((double)candidate->lost - (double)candidate->gained) / seen;
  score.accuracy = fmin(fmax(score.accuracy, 0), 1);
  score.loss += (candidate->sums.loss - candidate->reference_loss) / seen;
  score.images = candidate->images;
  score.correct = candidate->sums.correct;
  return score;
}

static void finish(const race *r, size_t n, const size_t *first_equal, ap_score *scores) {
  ap_evaluator *ev = r->ev;
  for (size_t i = 0; i < n; ++i) {
    const runner *candidate = &r->runners[first_equal[i]];
    const bool whole = candidate->images == ev->n_images;
    scores[i] = whole ? eval_score(&candidate->sums, ev->n_images) : estimate(ev, candidate);
    if (first_equal[i] != i || candidate->from_cache)
      ++ev->stats.cache_hits;
    else if (whole)
      eval_cache_put(&ev->cache, r->levels + i * ev->plan.n_layers, &candidate->sums);
    else {
      ++ev->stats.stopped;
      ev->stats.stopped_forwards += (double)(ev->n_images - candidate->images);
    }
  }
  ev->stats.candidates += n;
}

static ap_status check(const ap_evaluator *ev, const ap_race *rule, size_t n,
                       const uint32_t *levels, ap_error *err) {
  if (ev->engine)
    return ap_fail(err, AP_ERR_UNSUPPORTED, "races are the processor's: backend cpu is expected");
  if (!(rule->error > 0 && rule->error < 1))
    return ap_fail(err, AP_ERR_ARG, "error probability %g of a race: between 0 and 1 is expected",
                   rule->error);
  for (size_t i = 0; i < n; ++i)
    if (isnan(rule->most_loss[i]))
      return ap_fail(err, AP_ERR_ARG, "candidate %zu: its limit is not a number", i);
  const ap_status st = eval_check_levels(ev, rule->reference, 1, err);
  if (st) return ap_fail_context(err, st, "reference");
  return eval_check_levels(ev, levels, n, err);
}

ap_status ap_evaluator_race(ap_evaluator *ev, const ap_race *rule, size_t n_candidates,
                            const uint32_t *levels, ap_score *scores, ap_error *err) {
  const double start = ap_seconds();
  race r = {.ev = ev, .rule = rule, .levels = levels};
  size_t *first_equal = NULL;
  ap_status st = check(ev, rule, n_candidates, levels, err);
  if (st || n_candidates == 0) return st;
  st = eval_order_reserve(&ev->order, n_candidates, err);
  if (!st) st = prepare(ev, err);
  if (!st) st = meet_reference(ev, rule->reference, err);
  r.runners = ap_calloc(n_candidates, sizeof *r.runners);
  r.alive = ap_calloc(n_candidates, sizeof *r.alive);
  first_equal = ap_calloc(n_candidates, sizeof *first_equal);
  if (!st && (!r.runners || !r.alive || !first_equal))
    st = ap_fail(err, AP_ERR_MEMORY, "a race of %zu candidates", n_candidates);
  if (!st) {
    enter(&r, n_candidates, first_equal);
    st = run(&r, err);
  }
  if (!st) finish(&r, n_candidates, first_equal, scores);
  ev->stats.seconds += ap_seconds() - start;
  ap_free(r.runners);
  ap_free(r.alive);
  ap_free(first_equal);
  return st;
}
