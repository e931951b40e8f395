/* The chip's table, summed from its components. Group totals: docs/NUMBERS.md#chip-table. */
#include <string.h>

#include "reram_model/cost.h"
#include "reram_model/cost_impl.h"

ap_component ap_chip_component(const ap_tech *tech, ap_part part) {
  ap_component c = *ap_tech_component(tech, part);
  double units, energy = 1.0, area = 1.0;
  if (c.level == AP_LEVEL_ADDED || c.scaling == AP_SCALING_SHARE) return c;
  units = ap_part_units(tech, part, ap_tech_arrays_per_ima(tech));
  if (c.scaling == AP_SCALING_CONVERTER && ap_converter_factors(tech, &energy, &area, NULL)) {
    energy = area = 0.0; /* not of a tech that was loaded */
  }
  c.power_mw *= units / c.count * energy;
  c.area_mm2 *= units / c.count * area;
  c.count = units;
  return c;
}

void ap_chip_table_compute(const ap_tech *tech, ap_chip_table *out) {
  const ap_array_spec *a = ap_tech_array(tech);
  double power[3] = {0}, area[3] = {0}; /* by level: IMA, tile without IMAs, chip without tiles */
  double arrays = 0, weights = 0;       /* of one input bit, in a read of a full OU */
  memset(out, 0, sizeof *out);
  for (int i = 0; i < (int)AP_PART_COUNT; i++) {
    const ap_component c = ap_chip_component(tech, (ap_part)i);
    if (c.level == AP_LEVEL_ADDED) continue;
    power[c.level] += c.power_mw / c.shared_by;
    area[c.level] += c.area_mm2 / c.shared_by;
  }
  out->ima_power_mw = power[AP_LEVEL_IMA];
  out->ima_area_mm2 = area[AP_LEVEL_IMA];
  out->tile_power_mw = power[AP_LEVEL_TILE] + ap_tech_imas_per_tile(tech) * out->ima_power_mw;
  out->tile_area_mm2 = area[AP_LEVEL_TILE] + ap_tech_imas_per_tile(tech) * out->ima_area_mm2;
  out->tiles = ap_tech_tiles(tech);
  out->chip_power_w = (out->tiles * out->tile_power_mw + power[AP_LEVEL_CHIP]) / 1e3;
  out->chip_area_mm2 = out->tiles * out->tile_area_mm2 + area[AP_LEVEL_CHIP];

  arrays = out->tiles * ap_tech_imas_per_tile(tech) * ap_tech_arrays_per_ima(tech);
  weights = (double)a->ou_rows * (double)a->ou_cols / (double)ap_array_slices(a);
  out->peak_gops = 2.0 * weights * arrays / ((double)a->activation_bits * ap_read_ns(tech));
  out->storage_mib =
      arrays * (double)a->rows * (double)a->cols * (double)a->cell_bits / 8.0 / (1024.0 * 1024.0);
  out->storage_mib_per_mm2 = out->chip_area_mm2 > 0 ? out->storage_mib / out->chip_area_mm2 : 0;
  out->peak_gops_per_w = out->chip_power_w > 0 ? out->peak_gops / out->chip_power_w : 0;
  out->peak_gops_per_mm2 = out->chip_area_mm2 > 0 ? out->peak_gops / out->chip_area_mm2 : 0;
}

static json_t *component_row(const ap_tech *tech, ap_part part) {
  static const char *const levels[] = {"ima", "tile", "chip", "added"};
  static const char *const evidence[] = {"published", "derived", "estimated"};
  const ap_component c = ap_chip_component(tech, part);
  return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:s, s:s}", "name",
                   ap_part_name(part), "level", levels[c.level], "count", c.count, "shared_by",
                   c.shared_by, "power_mw", c.power_mw, "area_mm2", c.area_mm2, "energy_pj",
                   c.energy_pj, "node_nm", c.node_nm, "evidence", evidence[c.evidence],
                   "energy_evidence", evidence[c.energy_evidence], "source", c.source,
                   "energy_source", c.energy_source);
}

json_t *ap_chip_table_to_json(const ap_tech *tech) {
  ap_chip_table t;
  json_t *rows = json_array();
  ap_chip_table_compute(tech, &t);
  for (int i = 0; rows && i < (int)AP_PART_COUNT; i++) {
    if (json_array_append_new(rows, component_row(tech, (ap_part)i))) {
      json_decref(rows);
      rows = NULL;
    }
  }
  if (!rows) return NULL;
  return json_pack(
      "{s:s, s:{s:f, s:f}, s:{s:f, s:f}, s:{s:f, s:f, s:f}, s:{s:f, s:f, s:f}, s:{s:f, s:f}, s:o}",
      "technology", ap_tech_name(tech), "ima", "power_mw", t.ima_power_mw, "area_mm2",
      t.ima_area_mm2, "tile", "power_mw", t.tile_power_mw, "area_mm2", t.tile_area_mm2, "chip",
      "tiles", t.tiles, "power_w", t.chip_power_w, "area_mm2", t.chip_area_mm2, "peak", "gops",
      t.peak_gops, "gops_per_w", t.peak_gops_per_w, "gops_per_mm2", t.peak_gops_per_mm2, "storage",
      "mib", t.storage_mib, "mib_per_mm2", t.storage_mib_per_mm2, "components", rows);
}
