/* Mapping counts and prices of a pruned ResNet-18 (ImageNet shapes) stay under 10 ms on one core, so
 * that they fit inside every step of a search. The fastest of several runs is judged; builds without
 * optimisation only run it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "mapper/mapping.h"
#include "reram_model/cost.h"

#define LIMIT_SECONDS 0.010
#define RUNS 25

static const struct {
  size_t k, n, positions, times;
} layers[] = {{147, 64, 12544, 1}, {576, 64, 3136, 4},  {576, 128, 784, 1}, {64, 128, 784, 1},
              {1152, 128, 784, 3}, {1152, 256, 196, 1}, {128, 256, 196, 1}, {2304, 256, 196, 3},
              {2304, 512, 49, 1},  {256, 512, 49, 1},   {4608, 512, 49, 3}, {512, 1000, 1, 1}};
#define N_LAYERS (sizeof layers / sizeof layers[0])

/* Of this thread: other programs on the machine do not count. */
static double cpu_seconds(void) {
  struct timespec t;
  assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double run(const ap_tech *tech, ap_granularity granularity, uint8_t *const *kept,
                  ap_cost *total) {
  double start = cpu_seconds();
  memset(total, 0, sizeof *total);
  for (size_t i = 0; i < N_LAYERS; i++) {
    for (size_t t = 0; t < layers[i].times; t++) {
      ap_map_summary s;
      ap_events e;
      ap_needs n;
      ap_cost c;
      assert_int_equal(ap_map_count(ap_tech_array(tech), granularity, kept[i], NULL, layers[i].k,
                                    layers[i].n, layers[i].positions, &s, &e, &n, NULL),
                       AP_OK);
      assert_int_equal(ap_cost_layer(tech, &e, &n, &c, NULL), AP_OK);
      ap_cost_add(total, &c);
    }
  }
  return cpu_seconds() - start;
}

static void resnet18(void **state) {
  static const char *const names[] = {"column-vector", "row-vector", "filter", "block"};
  ap_tech *tech = NULL;
  (void)state;
  assert_int_equal(ap_tech_open("ou", &tech, NULL), AP_OK);
  for (size_t g = 0; g < sizeof names / sizeof names[0]; g++) {
    ap_granularity granularity;
    uint8_t *kept[N_LAYERS];
    double best = 1e9;
    size_t allocations = 0;
    ap_cost total;
    ap_rng rng;
    ap_rng_seed(&rng, 18, g);
    assert_int_equal(ap_granularity_parse(names[g], &granularity, NULL), AP_OK);
    for (size_t i = 0; i < N_LAYERS; i++) {
      ap_partition p;
      assert_int_equal(
          ap_partition_init(granularity, ap_tech_array(tech), layers[i].k, layers[i].n, &p, NULL),
          AP_OK);
      kept[i] = ap_calloc(p.count, 1);
      for (size_t v = 0; v < p.count; v++) kept[i][v] = ap_rng_uniform(&rng) < 0.3;
    }
    allocations = ap_alloc_count();
    for (int r = 0; r < RUNS; r++) {
      double seconds = run(tech, granularity, kept, &total);
      if (seconds < best) best = seconds;
    }
    assert_int_equal(ap_alloc_count(), allocations); /* the step allocates nothing */
    printf("%-14s %.2f ms, %.3f mm2, %.1f uJ, %.0f us\n", names[g], 1e3 * best,
           total.total_area_mm2, total.total_energy_uj, total.total_latency_us);
#ifdef NDEBUG
    assert_true(best < LIMIT_SECONDS);
#endif
    for (size_t i = 0; i < N_LAYERS; i++) ap_free(kept[i]);
  }
  ap_tech_close(tech);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(resnet18)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
