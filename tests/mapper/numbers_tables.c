/* The tables of docs/NUMBERS.md, printed: usage: numbers_tables components|chip|models. What is ours is
 * computed here; what is published stands here once, with its source in the document. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapper/mapping.h"
#include "reram_model/cost.h"

static ap_error err;

static void must(ap_status st) {
  if (!st) return;
  (void)fprintf(stderr, "numbers_tables: %s\n", err.text);
  exit(1);
}

static const char *evidence(ap_evidence e) {
  return e == AP_EVIDENCE_PUBLISHED ? "published"
         : e == AP_EVIDENCE_DERIVED ? "derived"
                                    : "estimated";
}

static void components(void) {
  static const char *const levels[] = {"ima", "tile", "chip", "added"};
  ap_tech *tech = NULL;
  must(ap_tech_open("ou", &tech, &err));
  (void)puts(
      "| component | level | count | area mm2 | power mW | energy pJ an event | node nm | area and "
      "power | energy |\n|---|---|---|---|---|---|---|---|---|");
  for (int p = 0; p < (int)AP_PART_COUNT; p++) {
    const ap_component *c = ap_tech_component(tech, (ap_part)p);
    char shared[40] = "";
    if (c->shared_by != 1) (void)snprintf(shared, sizeof shared, " (shared by %g)", c->shared_by);
    (void)printf("| %s | %s | %g%s | %g | %g | %g | %g | %s: %s | %s: %s |\n",
                 ap_part_name((ap_part)p), levels[c->level], c->count, shared, c->area_mm2,
                 c->power_mw, c->energy_pj, c->node_nm, evidence(c->evidence), c->source,
                 evidence(c->energy_evidence), c->energy_source);
  }
  ap_tech_close(tech);
}

static void chip_row(const char *name, const char *unit, double published, double computed) {
  (void)printf("| %s | %g %s | %.5g %s | %+.2f %% |\n", name, published, unit, computed, unit,
               100 * (computed / published - 1));
}

static void chip(void) {
  ap_tech *tech = NULL;
  ap_chip_table t;
  must(ap_tech_open("isaac", &tech, &err));
  ap_chip_table_compute(tech, &t);
  (void)puts("| | published | computed | difference |\n|---|---|---|---|");
  chip_row("IMA, power", "mW", 24.08, t.ima_power_mw);
  chip_row("IMA, area", "mm2", 0.01312, t.ima_area_mm2);
  chip_row("tile, power", "mW", 329.8, t.tile_power_mw);
  chip_row("tile, area", "mm2", 0.372, t.tile_area_mm2);
  chip_row("chip, power", "W", 65.8, t.chip_power_w);
  chip_row("chip, area", "mm2", 85.4, t.chip_area_mm2);
  chip_row("peak", "GOPS/W", 627.5, t.peak_gops_per_w);
  chip_row("peak", "GOPS/s/mm2", 478.95, t.peak_gops_per_mm2);
  chip_row("storage", "MB/mm2", 0.74, t.storage_mib_per_mm2);
  ap_tech_close(tech);
}

/* NeuroSim's VGG-8 for CIFAR-10 on the preset isaac with 8-bit weights and activations. */
static void vgg8(const char *adc_bits, ap_cost *total) {
  static const size_t layers[8][3] = {{27, 128, 1024},  {1152, 128, 1024}, {1152, 256, 256},
                                      {2304, 256, 256}, {2304, 512, 64},   {4608, 512, 64},
                                      {8192, 1024, 1},  {1024, 10, 1}};
  static const ap_granularity dense = {AP_GRANULARITY_DENSE, 0, 0};
  ap_tech *tech = NULL;
  memset(total, 0, sizeof *total);
  must(ap_tech_open("isaac", &tech, &err));
  must(ap_tech_override(tech, "array.weight_bits", "8", &err));
  must(ap_tech_override(tech, "array.activation_bits", "8", &err));
  must(ap_tech_override(tech, "array.adc_bits", adc_bits, &err));
  for (size_t i = 0; i < 8; i++) {
    ap_events e;
    ap_needs n;
    ap_cost c;
    must(ap_map_count(ap_tech_array(tech), dense, NULL, NULL, layers[i][0], layers[i][1],
                      layers[i][2], NULL, &e, &n, &err));
    must(ap_cost_layer(tech, &e, &n, &c, &err));
    ap_cost_add(total, &c);
  }
  ap_tech_close(tech);
}

static void model_row(const char *name, const double *values, size_t n) {
  double least = INFINITY, most = 0;
  (void)printf("| %s", name);
  for (size_t i = 0; i < n; i++) {
    (void)printf(" | %.4g", values[i]);
    least = fmin(least, values[i]);
    most = fmax(most, values[i]);
  }
  (void)printf(" | %.*fx |\n", most < 10 * least ? 1 : 0, most / least);
}

/* Published: NeuroSim V1.3 manual, figure 24; NeuroSim V1.3 and MNSIM 2.0 run at their defaults. */
static void models(void) {
  ap_cost wide, narrow;
  vgg8("0", &wide);
  vgg8("5", &narrow);
  (void)puts(
      "| | ours, 8 bits | ours, 5 bits | NeuroSim V1.3 manual | NeuroSim V1.3, run | MNSIM 2.0, "
      "run "
      "| largest / smallest |\n|---|---|---|---|---|---|---|");
  model_row("area mm2",
            (const double[]){wide.total_area_mm2, narrow.total_area_mm2, 45.554, 58.7334, 1390.33},
            5);
  model_row("of it arrays mm2",
            (const double[]){wide.area_mm2[AP_PART_ARRAY], narrow.area_mm2[AP_PART_ARRAY], 1.5408,
                             1.5408, 1001.48},
            5);
  model_row("of it converters mm2",
            (const double[]){wide.area_mm2[AP_PART_ADC], narrow.area_mm2[AP_PART_ADC], 14.6062,
                             24.5324, 272.03},
            5);
  model_row(
      "energy uJ an image",
      (const double[]){wide.total_energy_uj, narrow.total_energy_uj, 37.7518, 41.0101, 4448.8}, 5);
  model_row("of it converters uJ",
            (const double[]){wide.energy_uj[AP_PART_ADC], narrow.energy_uj[AP_PART_ADC], 18.274,
                             20.4851, 3442.4},
            5);
  model_row("latency ms",
            (const double[]){wide.total_latency_us / 1e3, narrow.total_latency_us / 1e3, 1.45613,
                             1.35931, 5.1519},
            5);
}

int main(int argc, char **argv) {
  const char *section = argc == 2 ? argv[1] : "";
  if (strcmp(section, "components") == 0) {
    components();
  } else if (strcmp(section, "chip") == 0) {
    chip();
  } else if (strcmp(section, "models") == 0) {
    models();
  } else {
    (void)fputs("usage: numbers_tables components|chip|models\n", stderr);
    return 2;
  }
  return 0;
}
