/* Prices: the published chip's table, one layer by hand, sums, and what must grow when things grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "reram_model/cost.h"

static void near(double value, double expected, double relative) {
  if (!(fabs(value - expected) <= relative * fabs(expected))) {
    fail_msg("%.9g, expected %.9g within %g", value, expected, relative);
  }
}

static ap_tech *open(const char *name) {
  ap_tech *tech = NULL;
  assert_int_equal(ap_tech_open(name, &tech, NULL), AP_OK);
  return tech;
}

static ap_cost price(const ap_tech *tech, const ap_events *e, const ap_needs *n) {
  ap_cost c;
  assert_int_equal(ap_cost_layer(tech, e, n, &c, NULL), AP_OK);
  return c;
}

/* ISAAC-CE, corrected Table I and Table IV. */
static void isaac_chip(void **state) {
  ap_tech *tech = open("isaac");
  ap_chip_table t;
  (void)state;
  ap_chip_table_compute(tech, &t);
  near(t.ima_power_mw, 24.08, 0.005);
  near(t.ima_area_mm2, 0.0131, 0.005);
  near(t.tile_power_mw, 329.8, 0.005);
  near(t.tile_area_mm2, 0.372, 0.005);
  near(t.chip_power_w, 65.8, 0.005);
  near(t.chip_area_mm2, 85.4, 0.005);
  near(t.peak_gops_per_w, 627.5, 0.005);
  near(t.peak_gops_per_mm2, 478.95, 0.01);
  near(t.storage_mib_per_mm2, 0.74, 0.005);
  /* converters are 58.2 % of the tile's power and 31 % of its area */
  near(12 * ap_tech_component(tech, AP_PART_ADC)->power_mw / t.tile_power_mw, 0.582, 0.005);
  near(12 * ap_tech_component(tech, AP_PART_ADC)->area_mm2 / t.tile_area_mm2, 0.31, 0.005);
  /* it is computed: a dearer converter changes it */
  assert_int_equal(ap_tech_override(tech, "component.adc.power_mw", "26", NULL), AP_OK);
  ap_chip_table_compute(tech, &t);
  near(t.ima_power_mw, 34.08, 1e-9);
  near(t.chip_power_w, 65.808 + 168 * 12 * 10e-3, 1e-3);
  ap_tech_close(tech);
}

/* A read of 4 columns has half of a weight of 8 bitlines, whether the array holds all of it or not. */
static void narrow_arrays(void **state) {
  static const char *const columns[] = {"4", "8"};
  ap_chip_table t[2];
  (void)state;
  for (int i = 0; i < 2; i++) {
    ap_tech *tech = open("isaac");
    assert_int_equal(ap_tech_override(tech, "array.ou_cols", "4", NULL), AP_OK);
    assert_int_equal(ap_tech_override(tech, "array.cols", columns[i], NULL), AP_OK);
    assert_int_equal(ap_array_slices(ap_tech_array(tech)), 8);
    ap_chip_table_compute(tech, &t[i]);
    ap_tech_close(tech);
  }
  assert_true(t[0].peak_gops > 0);
  near(t[1].peak_gops, t[0].peak_gops, 1e-9);
}

/* Latency of one crossbar that is full of packed OUs, at one position, in ns. */
static double full_crossbar_ns(const ap_tech *tech) {
  const ap_array_spec *a = ap_tech_array(tech);
  ap_events e = {.cycles = ap_array_ous(a) * a->activation_bits};
  ap_needs n = {.crossbars = 1, .replication = 1};
  return 1e3 * price(tech, &e, &n).total_latency_us;
}

/* The peak is what full crossbars do: of the preset ou, 224 OUs of 9 x 8 cells, 4 a weight. It waits for
 * converters as layers do. */
static void peak_follows_the_latency(void **state) {
  static const struct {
    const char *preset, *name, *value;
    double read_ns; /* by hand */
  } table[] = {{"isaac", NULL, NULL, 100},
               {"isaac", "timing.adc_rate_gsps", "0.64", 200},
               {"isaac", "timing.adc_rate_gsps", "0.01", 12800},
               {"isaac", "model.adcs_per_crossbar", "0.25", 400},
               {"isaac", "timing.array_cycle_ns", "50", 100},
               {"ou", NULL, NULL, 100},
               {"ou", "timing.adc_rate_gsps", "0.04", 200},
               {"ou", "array.cols", "130", 100},
               {"sre", NULL, NULL, 100}};
  (void)state;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ap_tech *tech = open(table[i].preset);
    const ap_array_spec *a = NULL;
    double weights = 0, ns = 0;
    ap_chip_table t;
    if (table[i].name) {
      assert_int_equal(ap_tech_override(tech, table[i].name, table[i].value, NULL), AP_OK);
    }
    a = ap_tech_array(tech);
    weights = (double)(ap_array_ous(a) * a->ou_rows * a->ou_cols) / (double)ap_array_slices(a);
    ns = full_crossbar_ns(tech);
    near(ns, (double)(ap_array_ous(a) * a->activation_bits) * table[i].read_ns, 1e-9);
    ap_chip_table_compute(tech, &t);
    near(t.peak_gops, 16128 * 2 * weights / ns, 1e-9);
    ap_tech_close(tech);
  }
}

/* The table has the arrays, sizes and converters that are asked for: a tile is what the crossbars that fill
 * it cost a layer, and what all of them store and do at their peak goes with it. */
static void the_chip_follows_the_array(void **state) {
  static const ap_tech_change none[1] = {{NULL, NULL}}, more[] = {{"chip.arrays_per_ima", "16"}},
                              small[] = {{"array.rows", "64"},
                                         {"array.cols", "64"},
                                         {"array.ou_rows", "64"},
                                         {"array.ou_cols", "64"}},
                              narrow[] = {{"array.adc_bits", "6"}},
                              few[] = {{"model.adcs_per_crossbar", "0.25"}},
                              law[] = {{"array.adc_bits", "6"}, {"model.adc_law", "sre"}};
  static const struct {
    const ap_tech_change *changes;
    size_t n;
    double ima_mw; /* of isaac, by hand: array, DAC, sample-and-hold, ADC; 1.67 mW for the rest */
  } table[] = {{none, 0, 24.08},
               {more, 1, 2 * (2.4 + 4 + 0.01 + 16) + 1.67},
               {small, 4, 2.4 / 4 + 4.0 / 2 + 0.01 / 2 + 16 * (0.938 * 7 / 8 + 0.062 / 2) + 1.67},
               {narrow, 1, 2.4 + 4 + 0.01 + 16 * (0.938 * 6 / 8 + 0.062 / 4) + 1.67},
               {few, 1, 2.4 + 4 + 0.01 + 4 + 1.67},
               {law, 2, 2.4 + 4 + 0.01 + 16 * (64.0 / 7) / (256.0 / 9) + 1.67}};
  (void)state;
  for (size_t preset = 0; preset < ap_tech_preset_count(); preset++) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
      ap_tech *tech = open(ap_tech_preset_name(preset));
      ap_needs n = {.replication = 1};
      ap_events e = {0};
      ap_chip_table t;
      assert_int_equal(ap_tech_override_all(tech, table[i].changes, table[i].n, NULL), AP_OK);
      n.crossbars = (uint64_t)(ap_tech_imas_per_tile(tech) * ap_tech_arrays_per_ima(tech));
      ap_chip_table_compute(tech, &t);
      near(t.tile_area_mm2, price(tech, &e, &n).total_area_mm2, 1e-9);
      if (strcmp(ap_tech_preset_name(preset), "isaac") == 0) {
        near(t.ima_power_mw, table[i].ima_mw, 1e-9);
      }
      ap_tech_close(tech);
    }
  }
}

/* 1 crossbar, 1000 conversions and so on, with the default preset; exact width 5 bits, ISAAC's law:
 * energy 0.938*5/8 + 0.062/8 = 0.594 of 1.5625 pJ, area 0.545*5/8 + 0.455/8 = 0.3975 of 1200 um2. */
static void layer_by_hand(void **state) {
  ap_tech *tech = open("ou");
  ap_events e = {.ou_reads = 10,
                 .row_drives = 100,
                 .cell_reads = 5000,
                 .adc_conversions = 1000,
                 .sample_holds = 1000,
                 .shift_adds = 1500,
                 .index_fetch_bits = 64,
                 .index_decodes = 8,
                 .input_sum_adds = 20,
                 .edram_bytes = 10,
                 .cycles = 40};
  ap_needs n = {
      .crossbars = 1, .index_bits = 16384, .cells_written = 100, .input_sums = 1, .replication = 1};
  ap_cost c;
  (void)state;
  c = price(tech, &e, &n);
  near(c.energy_uj[AP_PART_ADC], 1000 * 1.5625e-6 * 0.594, 1e-9);
  near(c.energy_uj[AP_PART_DAC], 100 * 0.390625e-6, 1e-9);
  near(c.energy_uj[AP_PART_ARRAY], 5000 * 0.0018310547e-6, 1e-4);
  near(c.energy_uj[AP_PART_EDRAM], 10 * 2.02e-6, 1e-9);
  near(c.energy_uj[AP_PART_INDEX_BUFFER], 64 * 0.016875e-6, 1e-9);
  near(c.energy_uj[AP_PART_INPUT_SUM], 20 * 0.0525e-6, 1e-9);
  near(c.area_mm2[AP_PART_ADC], 0.0012 * 0.3975, 1e-9);
  near(c.area_mm2[AP_PART_ARRAY], 0.0002 / 8, 1e-9);
  near(c.area_mm2[AP_PART_DAC], 0.00017 / 8, 1e-9);
  near(c.area_mm2[AP_PART_SAMPLE_HOLD], 0.00004 / 1024 * 8, 1e-9);
  near(c.area_mm2[AP_PART_SHIFT_ADD], 0.00024 / 8, 1e-9);
  near(c.area_mm2[AP_PART_EDRAM], 0.083 / 96, 1e-9);
  near(c.area_mm2[AP_PART_ROUTER], 0.151 / 4 / 96, 1e-9);
  near(c.area_mm2[AP_PART_INDEX_BUFFER], 0.0034, 1e-9);
  assert_true(c.area_mm2[AP_PART_LINK] == 0);
  near(c.total_latency_us, 4.0, 1e-12); /* 40 reads of 100 ns */
  near(c.average_power_mw, 1e3 * c.total_energy_uj / 4.0, 1e-12);
  near(c.programming_energy_uj, 100 * 120e-6, 1e-9);
  near(c.programming_latency_us, 128 * 0.040, 1e-9);
  ap_tech_close(tech);
}

/* Crossbars that fill one tile exactly cost one tile's area, links and added parts aside. */
static void a_full_tile_costs_a_tile(void **state) {
  ap_tech *tech = open("isaac");
  ap_events e = {0};
  ap_needs n = {.crossbars = 96, .replication = 1};
  ap_chip_table t;
  ap_cost c;
  (void)state;
  ap_chip_table_compute(tech, &t);
  c = price(tech, &e, &n);
  near(c.total_area_mm2, t.tile_area_mm2, 1e-9);
  /* a busy tile's array, converter ... power is the table's: 96 arrays of 3 + 0.5 + ... mW */
  near(c.peak_power_mw, 12 * (16 + 4 + 2.4 + 0.01) + 96 * 128 * 0.0416667 / 100, 0.001);
  ap_tech_close(tech);
}

static ap_events some_events(void) {
  ap_events e = {0};
  uint64_t *field = (uint64_t *)(void *)&e;
  for (size_t i = 0; i < sizeof e / sizeof *field; i++) field[i] = 1000 + 77 * i;
  return e;
}

static void breakdown_adds_up(void **state) {
  static const char *const presets[] = {"ou", "isaac", "sre"};
  (void)state;
  for (size_t p = 0; p < 3; p++) {
    ap_tech *tech = open(presets[p]);
    ap_events e = some_events();
    ap_needs n = {.crossbars = 7, .index_bits = 999, .input_sums = 1, .replication = 3};
    ap_cost c = price(tech, &e, &n), total;
    double area = 0, energy = 0, latency = 0;
    memset(&total, 0, sizeof total);
    for (int i = 0; i < (int)AP_PART_COUNT; i++) {
      area += c.area_mm2[i];
      energy += c.energy_uj[i];
      latency += c.latency_us[i];
    }
    assert_true(area == c.total_area_mm2 && energy == c.total_energy_uj);
    assert_true(latency == c.total_latency_us);
    /* two equal layers: everything but the interval doubles */
    ap_cost_add(&total, &c);
    ap_cost_add(&total, &c);
    near(total.total_area_mm2, 2 * c.total_area_mm2, 1e-12);
    near(total.total_energy_uj, 2 * c.total_energy_uj, 1e-12);
    near(total.total_latency_us, 2 * c.total_latency_us, 1e-12);
    near(total.peak_power_mw, 2 * c.peak_power_mw, 1e-12);
    assert_true(total.interval_us == c.interval_us);
    near(total.average_power_mw * total.total_latency_us, 1e3 * total.total_energy_uj, 1e-12);
    near(total.pipelined_power_mw * total.interval_us, 1e3 * total.total_energy_uj, 1e-12);
    ap_tech_close(tech);
  }
}

/* Doubling the crossbars doubles the area but for the index; replication trades area for time. */
static void scaling(void **state) {
  ap_tech *tech = open("ou");
  ap_events e = some_events();
  ap_needs n = {.crossbars = 5, .index_bits = 100, .input_sums = 1, .replication = 1};
  ap_cost one = price(tech, &e, &n), two;
  double half = 0;
  (void)state;
  n.crossbars = 10;
  n.index_bits = 200;
  two = price(tech, &e, &n);
  near(two.total_area_mm2, 2 * one.total_area_mm2, 1e-12);
  assert_true(two.total_energy_uj == one.total_energy_uj);
  n.crossbars = 5;
  n.index_bits = 100;
  n.replication = 2;
  n.positions = 1; /* one position cannot be shared */
  assert_true(price(tech, &e, &n).total_latency_us == one.total_latency_us);
  n.positions = e.cycles;
  half = ceil((double)e.cycles / 2);
  two = price(tech, &e, &n);
  near(two.total_area_mm2, 2 * one.total_area_mm2, 1e-12);
  assert_true(two.total_energy_uj == one.total_energy_uj);
  near(two.total_latency_us, 0.1 * half, 1e-12);
  n.replication = 0;
  assert_int_equal(ap_cost_layer(tech, &e, &n, &two, NULL), AP_ERR_ARG);
  assert_true(two.total_area_mm2 == 0);
  ap_tech_close(tech);
}

/* Each event, alone, costs something: none is priced at nothing by mistake. */
static void every_event_is_charged(void **state) {
  ap_tech *tech = open("ou");
  ap_needs n = {.crossbars = 1, .replication = 1};
  ap_events e = {0};
  uint64_t *field = (uint64_t *)(void *)&e;
  (void)state;
  for (size_t i = 0; i < sizeof e / sizeof *field; i++) {
    ap_cost c;
    memset(&e, 0, sizeof e);
    field[i] = 1000000;
    c = price(tech, &e, &n);
    if (&field[i] == &e.ou_reads) continue; /* its row drives, cells and conversions are charged */
    if (&field[i] == &e.cycles) {
      assert_true(c.total_latency_us > 0 && c.total_energy_uj == 0);
    } else if (!(c.total_energy_uj > 0)) {
      fail_msg("event %zu costs nothing", i);
    }
  }
  ap_tech_close(tech);
}

/* A wider converter never costs less, under any law. */
static void finer_converters_cost_more(void **state) {
  static const char *const laws[] = {"isaac", "sre", "pow2", "linear", "survey"};
  (void)state;
  for (size_t l = 0; l < 5; l++) {
    ap_tech *tech = open("ou");
    ap_events e = some_events();
    ap_needs n = {.crossbars = 4, .replication = 1};
    ap_cost before = {0};
    unsigned lo = l == 4 ? 4 : 1, hi = l == 4 ? 8 : 16;
    assert_int_equal(ap_tech_override(tech, "array.adc_bits", "5", NULL), AP_OK);
    assert_int_equal(ap_tech_override(tech, "model.adc_law", laws[l], NULL), AP_OK);
    for (unsigned bits = lo; bits <= hi; bits++) {
      char text[8];
      ap_cost c;
      (void)snprintf(text, sizeof text, "%u", bits);
      assert_int_equal(ap_tech_override(tech, "array.adc_bits", text, NULL), AP_OK);
      c = price(tech, &e, &n);
      assert_true(c.total_energy_uj > before.total_energy_uj);
      assert_true(c.total_area_mm2 > before.total_area_mm2);
      before = c;
    }
    ap_tech_close(tech);
  }
}

/* A slow converter stretches the read: 8 bitlines at 0.04 GS/s take 200 ns. */
static void slow_converter(void **state) {
  ap_tech *tech = open("ou");
  ap_events e = {.cycles = 10};
  ap_needs n = {.crossbars = 1, .replication = 1};
  ap_cost c;
  (void)state;
  assert_int_equal(ap_tech_override(tech, "timing.adc_rate_gsps", "0.04", NULL), AP_OK);
  c = price(tech, &e, &n);
  near(c.latency_us[AP_PART_ARRAY], 1.0, 1e-12);
  near(c.latency_us[AP_PART_ADC], 1.0, 1e-12);
  near(c.total_latency_us, 2.0, 1e-12);
  ap_tech_close(tech);
}

static void json(void **state) {
  ap_tech *tech = open("ou");
  ap_events e = some_events(), sum = {0};
  ap_needs n = {.crossbars = 4, .index_bits = 8, .input_sums = 1, .replication = 1};
  ap_cost c = price(tech, &e, &n);
  json_t *j = ap_cost_to_json(&c), *part = NULL;
  const char *name = NULL;
  double area = 0, energy = 0;
  (void)state;
  json_object_foreach(json_object_get(j, "components"), name, part) {
    area += json_number_value(json_object_get(part, "area_mm2"));
    energy += json_number_value(json_object_get(part, "energy_uj"));
  }
  near(json_number_value(json_object_get(j, "area_mm2")), area, 1e-12);
  near(json_number_value(json_object_get(j, "energy_uj")), energy, 1e-12);
  assert_true(json_number_value(json_object_get(j, "latency_us")) == c.total_latency_us);
  json_decref(j);
  j = ap_chip_table_to_json(tech);
  assert_int_equal(json_array_size(json_object_get(j, "components")), AP_PART_COUNT);
  /* 8-bit converters of 16 mW become the 5-bit ones of the array; of 1024 samples 8 an array are left */
  near(json_number_value(json_object_get(json_object_get(j, "ima"), "power_mw")),
       24.08 - 16 * (1 - 0.594) - 0.01 * (1 - 64.0 / 1024), 1e-9);
  part = json_array_get(json_object_get(j, "components"), AP_PART_ADC);
  near(json_number_value(json_object_get(part, "power_mw")), 16 * 0.594, 1e-9);
  json_decref(j);
  j = ap_events_to_json(&e);
  assert_int_equal(json_object_size(j), sizeof e / sizeof(uint64_t));
  assert_int_equal(json_integer_value(json_object_get(j, "shift_adds")), e.shift_adds);
  json_decref(j);
  ap_events_add(&sum, &e);
  ap_events_add(&sum, &e);
  assert_int_equal(sum.cycles, 2 * e.cycles);
  assert_int_equal(sum.ou_reads, 2 * e.ou_reads);
  sum.ou_reads = UINT64_MAX;
  ap_events_add(&sum, &e);
  assert_true(sum.ou_reads == UINT64_MAX);
  ap_tech_close(tech);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(isaac_chip),
                                     cmocka_unit_test(narrow_arrays),
                                     cmocka_unit_test(peak_follows_the_latency),
                                     cmocka_unit_test(the_chip_follows_the_array),
                                     cmocka_unit_test(layer_by_hand),
                                     cmocka_unit_test(a_full_tile_costs_a_tile),
                                     cmocka_unit_test(breakdown_adds_up),
                                     cmocka_unit_test(scaling),
                                     cmocka_unit_test(every_event_is_charged),
                                     cmocka_unit_test(finer_converters_cost_more),
                                     cmocka_unit_test(slow_converter),
                                     cmocka_unit_test(json)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
