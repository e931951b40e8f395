/* random: uniform kept fractions, each layer on its own: the control of every comparison.
 * uniform: the same kept fraction in all layers, from much to little. */
#include <math.h>

#include "agent/searcher_impl.h"
#include "base/alloc.h"

typedef struct {
  const ap_search_options *options;
  const ap_env *env;
} plain;

static ap_status create(const ap_search_options *options, const ap_env *env, void **out,
                        ap_error *err) {
  plain *p = ap_calloc(1, sizeof *p);
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "searcher");
  p->options = options;
  p->env = env;
  *out = p;
  return AP_OK;
}

static size_t propose_random(void *self, size_t first, size_t n, double *executed, double *sigma) {
  const plain *p = self;
  size_t steps = p->env->n_steps;
  (void)sigma;
  for (size_t i = 0; i < n; i++) {
    ap_rng rng;
    ap_episode_rng(p->options, first + i, &rng);
    for (size_t t = 0; t < steps; t++) {
      double wish = fmax(ap_rng_uniform(&rng), p->options->keep_min);
      executed[i * steps + t] = p->env->snap(p->env->self, t, wish);
    }
  }
  return n;
}

static size_t propose_uniform(void *self, size_t first, size_t n, double *executed, double *sigma) {
  const plain *p = self;
  size_t steps = p->env->n_steps;
  (void)sigma;
  for (size_t i = 0; i < n; i++) {
    double done = (double)(first + i) / (double)p->options->episodes;
    double wish = 1 - done * (1 - p->options->keep_min);
    for (size_t t = 0; t < steps; t++) {
      executed[i * steps + t] = p->env->snap(p->env->self, t, wish);
    }
  }
  return n;
}

const ap_searcher_ops ap_searcher_random = {
    .name = "random",
    .summary = "uniform random kept fractions, layer by layer (control)",
    .create = create,
    .destroy = ap_free,
    .propose = propose_random,
};

const ap_searcher_ops ap_searcher_uniform = {
    .name = "uniform",
    .summary = "the same kept fraction in every layer, swept from 1 down to keep-min (control)",
    .create = create,
    .destroy = ap_free,
    .propose = propose_uniform,
};
