/* Published figures that the counts and prices must meet where configured alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <math.h>

#include "mapper/mapping.h"
#include "reram_model/cost.h"

static void near(double value, double expected, double relative) {
  if (!(fabs(value - expected) <= relative * fabs(expected))) {
    fail_msg("%.9g, expected %.9g within %g", value, expected, relative);
  }
}

static const ap_granularity dense = {AP_GRANULARITY_DENSE, 0, 0};

/* NeuroSim's VGG-8 for CIFAR-10: K, N, output positions. */
static const size_t vgg8[8][3] = {{27, 128, 1024},  {1152, 128, 1024}, {1152, 256, 256},
                                  {2304, 256, 256}, {2304, 512, 64},   {4608, 512, 64},
                                  {8192, 1024, 1},  {1024, 10, 1}};

/* NeuroSim V1.3 manual, figure 24: 8-bit weights in 2-bit cells on 128 x 128: memory utilisation of each
 * layer, tiles of each layer, 96.8584 % over all tiles. The size of the network: 12.97 M weights,
 * 615.9 M multiply-accumulates. */
static void neurosim_floorplan(void **state) {
  static const double utilisation[] = {0.2109, 1, 1, 1, 1, 1, 1, 0.3125};
  static const double tiles[] = {1, 1, 2, 2, 4, 4, 32, 1};
  ap_array_spec spec = ap_array_spec_default();
  ap_map_summary total = {0};
  double weighted = 0, all = 0;
  (void)state;
  for (size_t i = 0; i < 8; i++) {
    ap_map_summary s;
    ap_needs n;
    double cells = 0;
    assert_int_equal(ap_map_count(&spec, dense, NULL, NULL, vgg8[i][0], vgg8[i][1], vgg8[i][2], &s,
                                  NULL, &n, NULL),
                     AP_OK);
    cells = (double)(s.crossbars * spec.rows * spec.cols);
    near((double)n.cells_written / cells, utilisation[i], 5e-4);
    weighted += tiles[i] * (double)n.cells_written / cells;
    all += tiles[i];
    ap_map_summary_add(&total, &s);
  }
  near(weighted / all, 0.968584, 1e-6);
  near((double)total.weights, 12.97e6, 5e-4);
  near((double)total.macs, 615.9e6, 5e-4);
}

/* ISAAC, per 16-bit multiply-accumulate on full arrays: one conversion of 1.5625 pJ, 128 cells of
 * 1.83 fJ (0.234 pJ), one wordline drive of 0.391 pJ. The chip at peak spends 2.71 pJ without its
 * links, all parts busy all the time; counted events come to a little less. */
static void isaac_energy_a_mac(void **state) {
  ap_tech *tech = NULL;
  ap_map_summary s;
  ap_events e;
  ap_needs n;
  ap_cost c;
  double macs_per_uj = 0;
  (void)state;
  assert_int_equal(ap_tech_open("isaac", &tech, NULL), AP_OK);
  assert_int_equal(
      ap_map_count(ap_tech_array(tech), dense, NULL, NULL, 4096, 4096, 1000, &s, &e, &n, NULL),
      AP_OK);
  assert_int_equal(ap_cost_layer(tech, &e, &n, &c, NULL), AP_OK);
  macs_per_uj = 1e6 / (double)s.macs;
  near(c.energy_uj[AP_PART_ADC] * macs_per_uj, 1.5625, 1e-6);
  near(c.energy_uj[AP_PART_ARRAY] * macs_per_uj, 0.234, 0.005);
  near(c.energy_uj[AP_PART_DAC] * macs_per_uj, 0.391, 0.005);
  assert_true(c.total_energy_uj * macs_per_uj < 2.71);
  assert_true(c.total_energy_uj * macs_per_uj > 0.8 * 2.71);
  /* one pass of 16 bits at 100 ns for each of 1000 positions */
  near(c.total_latency_us, 1600, 1e-9);
  ap_tech_close(tech);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(neurosim_floorplan),
                                     cmocka_unit_test(isaac_energy_a_mac)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
