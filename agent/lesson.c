#include <math.h>
#include <string.h>

#include "agent/lesson_impl.h"
#include "base/alloc.h"

ap_status ap_lessons_open(ap_lessons *l, size_t capacity, size_t patience, ap_error *err) {
  *l = (ap_lessons){.patience = patience, .penalty = 1, .capacity = capacity};
  l->past = ap_calloc(capacity, sizeof *l->past);
  return l->past ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu outcomes", capacity);
}

void ap_lessons_close(ap_lessons *l) {
  ap_free(l->past);
  memset(l, 0, sizeof *l);
}

/* Rewards without a limit have lessons that are the rewards. */
static bool falls_off(const ap_outcome *y) {
  return !y->feasible && (y->lesson < y->reward || y->lesson > y->reward);
}

/* Beyond the limit a lesson is saved - ln(1 + slope * excess), saved being ln(max(compression, 1)): the penalty is found
 * again in it. (A steeper slope inside the logarithm would not do: far beyond the limit it only lowers all lessons alike.) */
double ap_lessons_of(const ap_lessons *l, const ap_outcome *y) {
  const double saved = log(fmax(y->compression, 1));
  if (!falls_off(y)) return y->lesson;
  return saved - l->penalty * (saved - y->lesson);
}

void ap_lessons_add(ap_lessons *l, const ap_outcome *outcome, bool own) {
  l->past[l->n++ % l->capacity] = *outcome;
  if (own) l->beyond = falls_off(outcome) ? l->beyond + 1 : 0;
}

bool ap_lessons_raise(ap_lessons *l) {
  if (l->patience == 0 || l->beyond < l->patience) return false;
  l->beyond = 0;
  l->penalty *= 2;
  return true;
}

const ap_outcome *ap_lessons_past(const ap_lessons *l, size_t back) {
  return &l->past[(l->n - 1 - back) % l->capacity];
}

/* Of the outcomes what a lesson is made of. */
#define VALUES 4
void ap_lessons_save(const ap_lessons *l, ap_state_writer *to) {
  const double head[] = {l->penalty, (double)l->beyond, (double)l->n};
  ap_state_put(to, head, sizeof head);
  for (size_t i = 0; i < l->capacity; i++) {
    const ap_outcome *y = &l->past[i];
    const double values[VALUES] = {y->reward, y->lesson, y->compression, y->feasible ? 1 : 0};
    ap_state_put(to, values, sizeof values);
  }
}

void ap_lessons_restore(ap_lessons *l, ap_state_reader *from) {
  double head[3] = {1, 0, 0};
  ap_state_get(from, head, sizeof head);
  if (!(head[0] >= 1 && head[1] >= 0 && head[1] <= 1e12 && head[2] >= 0 && head[2] <= 1e12)) {
    from->failed = true;
    return;
  }
  l->penalty = head[0];
  l->beyond = (size_t)head[1];
  l->n = (size_t)head[2];
  for (size_t i = 0; i < l->capacity; i++) {
    double v[VALUES] = {0};
    ap_state_get(from, v, sizeof v);
    l->past[i] =
        (ap_outcome){.reward = v[0], .lesson = v[1], .compression = v[2], .feasible = v[3] > 0};
  }
}
