#include "base/rng.h"

#include <assert.h>
#include <math.h>

static uint64_t splitmix64(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void ap_rng_seed(ap_rng *rng, uint64_t seed, uint64_t stream) {
  uint64_t state = seed, mixed = splitmix64(&state);
  state = mixed ^ (stream * 0xd1342543de82ef95u + 1);
  for (int i = 0; i < 4; i++) rng->s[i] = splitmix64(&state);
}

uint64_t ap_rng_u64(ap_rng *rng) {
  uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

double ap_rng_uniform(ap_rng *rng) { return (double)(ap_rng_u64(rng) >> 11) * 0x1p-53; }

size_t ap_rng_below(ap_rng *rng, size_t n) {
  uint64_t limit, x;
  assert(n > 0);
  limit = UINT64_MAX - UINT64_MAX % n;
  do {
    x = ap_rng_u64(rng);
  } while (x >= limit);
  return (size_t)(x % n);
}

double ap_rng_normal(ap_rng *rng) {
  double radius = sqrt(-2.0 * log(1.0 - ap_rng_uniform(rng)));
  return radius * cos(6.283185307179586 * ap_rng_uniform(rng));
}

double ap_rng_truncated_normal(ap_rng *rng, double mean, double sigma, double lo, double hi) {
  assert(lo < hi);
  if (sigma > 0) {
    /* Inverse of the distribution function by bisection: always ends, also far out in a tail. */
    double a = 0.5 * erfc((mean - lo) / (sigma * 1.4142135623730951));
    double b = 0.5 * erfc((mean - hi) / (sigma * 1.4142135623730951));
    double p = a + (b - a) * ap_rng_uniform(rng), left = lo, right = hi;
    if (b > a) {
      for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (left + right);
        if (0.5 * erfc((mean - mid) / (sigma * 1.4142135623730951)) < p) {
          left = mid;
        } else {
          right = mid;
        }
      }
      return 0.5 * (left + right);
    }
  }
  return mean < lo ? lo : mean > hi ? hi : mean;
}

void ap_rng_shuffle(ap_rng *rng, uint32_t *items, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t j = ap_rng_below(rng, i);
    uint32_t t = items[i - 1];
    items[i - 1] = items[j];
    items[j] = t;
  }
}
