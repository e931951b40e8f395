#include "nn/paired.h"

#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"

ap_status ap_paired_init(ap_paired *p, size_t population, ap_error *err) {
  p->population = population;
  p->log_factorial = ap_calloc(population + 1, sizeof *p->log_factorial);
  if (!p->log_factorial) return ap_fail(err, AP_ERR_MEMORY, "test on %zu images", population);
  for (size_t i = 2; i <= population; ++i)
    p->log_factorial[i] = p->log_factorial[i - 1] + log((double)i);
  return AP_OK;
}

void ap_paired_release(ap_paired *p) {
  ap_free(p->log_factorial);
  p->log_factorial = NULL;
}

static double log_choose(const ap_paired *p, size_t n, size_t k) {
  return p->log_factorial[n] - p->log_factorial[k] - p->log_factorial[n - k];
}

/* P(X = x) for X marked ones among `drawn` of `total`, of which `marked` are. */
static double point(const ap_paired *p, size_t total, size_t marked, size_t drawn, size_t x) {
  if (x > marked || x > drawn || drawn - x > total - marked) return 0;
  return exp(log_choose(p, marked, x) + log_choose(p, total - marked, drawn - x) -
             log_choose(p, total, drawn));
}

/* P(X >= x), or P(X <= x). */
static double tail(const ap_paired *p, size_t total, size_t marked, size_t drawn, size_t x,
                   bool upper) {
  const size_t most = marked < drawn ? marked : drawn;
  const size_t least = drawn > total - marked ? drawn - (total - marked) : 0;
  double sum = 0;
  if (upper)
    for (size_t i = x > least ? x : least; i <= most; ++i) sum += point(p, total, marked, drawn, i);
  else
    for (size_t i = least; i <= most && i <= x; ++i) sum += point(p, total, marked, drawn, i);
  return sum < 1 ? sum : 1;
}

/* Does M marked ones among all fit m among n drawn: is that tail larger than `least`? */
static bool fits(const ap_paired *p, size_t n, size_t m, size_t all, double least, bool upper) {
  return tail(p, p->population, all, n, m, upper) > least;
}

/* The last M from `yes`, which fits, towards `no` that fits too; tails are monotone in M. */
static size_t last_fit(const ap_paired *p, size_t n, size_t m, size_t yes, size_t no, double least,
                       bool upper) {
  if (fits(p, n, m, no, least, upper)) return no;
  while ((yes > no ? yes - no : no - yes) > 1) {
    const size_t middle = yes > no ? no + (yes - no) / 2 : yes + (no - yes) / 2;
    if (fits(p, n, m, middle, least, upper))
      yes = middle;
    else
      no = middle;
  }
  return yes;
}

double ap_paired_p_value(const ap_paired *p, size_t n, size_t lost, size_t gained, double most,
                         double interval) {
  const size_t m = lost + gained;
  const double whole = floor(most); /* lost - gained is a whole number */
  const size_t fewest = m, greatest = p->population - (n - m);
  const size_t low = last_fit(p, n, m, greatest, fewest, interval / 2, true);
  const size_t high = last_fit(p, n, m, fewest, greatest, interval / 2, false);
  double worst = 0;
  for (size_t all = low; all <= high; ++all) {
    /* The hypothesis allows as many lost ones among `all`; fewer make the tail smaller. */
    const double allowed = floor(((double)all + whole) / 2);
    if (allowed < 0) continue;
    const size_t marked = allowed < (double)all ? (size_t)allowed : all;
    const double at = tail(p, all, marked, m, lost, true);
    if (at > worst) worst = at;
  }
  return fmin(worst + interval, 1);
}
