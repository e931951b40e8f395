/* base/rng.h - seeded random numbers, equal on every machine (xoshiro256**, Blackman and Vigna
 * 2018, seeded through splitmix64). One generator belongs to one thread. */
#ifndef AP_BASE_RNG_H
#define AP_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  uint64_t s[4]; /* plain data: copying it copies the stream, so it can be saved and resumed */
} ap_rng;

/* `stream` gives independent generators for one seed (an epoch, a layer, a worker). */
void ap_rng_seed(ap_rng *rng, uint64_t seed, uint64_t stream);
uint64_t ap_rng_u64(ap_rng *rng);
double ap_rng_uniform(ap_rng *rng);         /* [0, 1), 53 bits */
size_t ap_rng_below(ap_rng *rng, size_t n); /* 0..n-1 without bias; n > 0 */
double ap_rng_normal(ap_rng *rng);          /* mean 0, variance 1; two uniforms a call */
/* Normal(mean, sigma) conditioned on [lo, hi] (lo < hi); sigma 0 gives mean clamped. */
double ap_rng_truncated_normal(ap_rng *rng, double mean, double sigma, double lo, double hi);
void ap_rng_shuffle(ap_rng *rng, uint32_t *items, size_t n); /* Fisher-Yates */

AP_EXTERN_C_END
#endif
