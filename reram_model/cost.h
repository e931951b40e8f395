/* reram_model/cost.h - events and needs -> area, energy, latency per part, layer and network.
 * energy = sum of events x energy, area = sum of the parts that hold and read the mapping, latency
 * = reads of the busiest crossbar. Formulas: docs/NUMBERS.md#cost-model. */
#ifndef AP_RERAM_MODEL_COST_H
#define AP_RERAM_MODEL_COST_H
#include <jansson.h>

#include "base/status.h"
#include "reram_model/events.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

/* Indexed by ap_part. Totals are the sums of the breakdowns. */
typedef struct {
  double area_mm2[AP_PART_COUNT];
  double energy_uj[AP_PART_COUNT]; /* one inference; programming is kept apart, below */
  double latency_us[AP_PART_COUNT];
  double total_area_mm2;
  double total_energy_uj;
  double total_latency_us;   /* one inference, layers one after the other */
  double interval_us;        /* between inferences when layers are pipelined: slowest layer */
  double average_power_mw;   /* total_energy / total_latency; 0 when the latency is 0 */
  double pipelined_power_mw; /* total_energy / interval */
  double peak_power_mw;      /* every crossbar that exists reads a full OU each cycle: array, DAC,
                                sample-and-hold, ADC, shift-and-add */
  double programming_energy_uj;  /* writing all cells once; not in the totals */
  double programming_latency_us; /* rows of a crossbar one after the other, crossbars in parallel */
} ap_cost;

/* Price of one layer. No allocation. Errors: ARG for replication 0 or an ADC law that does not
 * cover the width. *out is all zero on error. */
AP_NODISCARD ap_status ap_cost_layer(const ap_tech *tech, const ap_events *events,
                                     const ap_needs *needs, ap_cost *out, ap_error *err);
/* *total += *layer: areas, energies and latencies add, the interval is the larger one, powers
 * follow. Start from a zeroed ap_cost. */
void ap_cost_add(ap_cost *total, const ap_cost *layer);

/* {"area_mm2", "energy_uj", "latency_us", "interval_us", "average_power_mw", ...,
 *  "components": {"adc": {"area_mm2", "energy_uj", "latency_us"}, ...}}. NULL out of memory. */
json_t *ap_cost_to_json(const ap_cost *cost);

/* The published kind of table, computed from the components of the technology (AP_LEVEL_ADDED parts
 * are not in it). Peak operations: 2 per multiply-accumulate, every array reads one full OU after the
 * other, as a crossbar full of packed OUs does: OU rows x OU columns / s weights a read and input bit. */
typedef struct {
  double ima_power_mw, ima_area_mm2;
  double tile_power_mw, tile_area_mm2;
  double tiles, chip_power_w, chip_area_mm2;
  double peak_gops, peak_gops_per_w, peak_gops_per_mm2;
  double storage_mib, storage_mib_per_mm2; /* 2^20 bytes of cells */
} ap_chip_table;
/* A part as the table has it: of a part that scales by units or converters as many as the arrays of an IMA
 * need, as layers pay for them; others as the file says. Text pointers as in ap_tech_component. */
ap_component ap_chip_component(const ap_tech *tech, ap_part part);
void ap_chip_table_compute(const ap_tech *tech, ap_chip_table *out);
/* {"ima": {"power_mw", "area_mm2"}, "tile": {...}, "chip": {"tiles", "power_w", "area_mm2"},
 *  "peak": {"gops", "gops_per_w", "gops_per_mm2"}, "storage": {"mib",
 * "mib_per_mm2"}, "components": [{"name", "level", "count",
 * "power_mw", "area_mm2", "evidence", "source"}, ...]}. NULL out of memory. */
json_t *ap_chip_table_to_json(const ap_tech *tech);

AP_EXTERN_C_END
#endif
