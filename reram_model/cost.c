#include "reram_model/cost.h"

#include <string.h>

#include "reram_model/cost_impl.h"

#define PJ_PER_UJ 1e6
#define NS_PER_US 1e3

/* Sums in one fixed order, so that a total equals its breakdown exactly. */
static double sum_parts(const double parts[AP_PART_COUNT]) {
  double sum = 0.0;
  for (int i = 0; i < (int)AP_PART_COUNT; i++) sum += parts[i];
  return sum;
}

static void finish(ap_cost *c) {
  c->total_area_mm2 = sum_parts(c->area_mm2);
  c->total_energy_uj = sum_parts(c->energy_uj);
  c->total_latency_us = sum_parts(c->latency_us);
  /* 1 uJ in 1 us is 1 W */
  c->average_power_mw =
      c->total_latency_us > 0 ? 1e3 * c->total_energy_uj / c->total_latency_us : 0;
  c->pipelined_power_mw = c->interval_us > 0 ? 1e3 * c->total_energy_uj / c->interval_us : 0;
}

double ap_part_units(const ap_tech *tech, ap_part part, double crossbars) {
  const ap_array_spec *a = ap_tech_array(tech);
  switch (part) {
    case AP_PART_ARRAY:
      return crossbars * (double)a->rows * (double)a->cols;
    case AP_PART_DAC:
      return crossbars * (double)a->rows;
    case AP_PART_SAMPLE_HOLD:
      return crossbars * (double)a->ou_cols;
    case AP_PART_ADC:
      return crossbars * ap_tech_adcs_per_crossbar(tech);
    default:
      return crossbars; /* added parts: one a crossbar */
  }
}

/* The same for a layer, whose `crossbars` are those of all copies. */
static double units(const ap_tech *tech, ap_part part, double crossbars, const ap_needs *needs) {
  switch (part) {
    case AP_PART_INDEX_BUFFER:
      return (double)needs->index_bits * (double)needs->replication;
    case AP_PART_INDEX_DECODER:
      return needs->index_bits ? crossbars : 0.0;
    case AP_PART_INPUT_SUM:
      return needs->input_sums ? crossbars : 0.0;
    default:
      return ap_part_units(tech, part, crossbars);
  }
}

ap_status ap_converter_factors(const ap_tech *tech, double *energy, double *area, ap_error *err) {
  ap_adc_law law = ap_tech_adc_law(tech);
  unsigned bits = ap_array_adc_bits(ap_tech_array(tech));
  unsigned reference = ap_tech_adc_reference_bits(tech);
  ap_status st = ap_adc_law_energy(law, bits, reference, energy, err);
  return st ? st : ap_adc_law_area(law, bits, reference, area, err);
}

double ap_read_ns(const ap_tech *tech) {
  double converters = ap_tech_adcs_per_crossbar(tech) * ap_tech_adc_rate_gsps(tech);
  double conversion_ns = (double)ap_tech_array(tech)->ou_cols / converters;
  double cycle_ns = ap_tech_array_cycle_ns(tech);
  return conversion_ns < cycle_ns ? cycle_ns : conversion_ns;
}

static double area_of(const ap_tech *tech, ap_part part, double adc_area, const ap_needs *needs) {
  const ap_component *c = ap_tech_component(tech, part);
  double crossbars = (double)needs->crossbars * (double)needs->replication;
  double arrays = ap_tech_arrays_per_ima(tech) * c->shared_by;
  double factor = c->scaling == AP_SCALING_CONVERTER ? adc_area : 1.0;
  if (c->level == AP_LEVEL_CHIP) return 0.0; /* the chip's links belong to no layer */
  if (c->scaling != AP_SCALING_SHARE) {
    return c->area_mm2 / c->count * factor * units(tech, part, crossbars, needs);
  }
  if (c->level == AP_LEVEL_TILE) arrays *= ap_tech_imas_per_tile(tech);
  return c->area_mm2 * crossbars / arrays;
}

static double events_of(ap_part part, const ap_events *e) {
  switch (part) {
    case AP_PART_ARRAY:
      return (double)e->cell_reads;
    case AP_PART_DAC:
      return (double)e->row_drives;
    case AP_PART_SAMPLE_HOLD:
      return (double)e->sample_holds;
    case AP_PART_ADC:
      return (double)e->adc_conversions;
    case AP_PART_SHIFT_ADD:
      return (double)e->shift_adds;
    case AP_PART_INPUT_REGISTER:
      return (double)e->input_register_bytes;
    case AP_PART_OUTPUT_REGISTER:
      return (double)e->output_register_bytes;
    case AP_PART_EDRAM:
      return (double)e->edram_bytes;
    case AP_PART_BUS:
      return (double)e->bus_bytes;
    case AP_PART_ROUTER:
    case AP_PART_TILE_OUTPUT_REGISTER: /* outputs wait there for the router */
      return (double)e->router_bytes;
    case AP_PART_SIGMOID:
      return (double)e->activations;
    case AP_PART_TILE_SHIFT_ADD:
      return (double)e->partial_sum_adds;
    case AP_PART_MAXPOOL:
      return (double)e->pool_inputs;
    case AP_PART_INDEX_BUFFER:
      return (double)e->index_fetch_bits;
    case AP_PART_INDEX_DECODER:
      return (double)e->index_decodes;
    case AP_PART_INPUT_SUM:
      return (double)e->input_sum_adds;
    case AP_PART_LINK:
    case AP_PART_PROGRAMMING: /* kept apart */
    case AP_PART_COUNT:
      break;
  }
  return 0.0;
}

static double peak_power(const ap_tech *tech, double adc_energy, const ap_needs *needs) {
  const ap_array_spec *a = ap_tech_array(tech);
  double rows = (double)a->ou_rows, cols = (double)a->ou_cols;
  double read_pj = rows * cols * ap_tech_component(tech, AP_PART_ARRAY)->energy_pj +
                   rows * ap_tech_component(tech, AP_PART_DAC)->energy_pj +
                   cols * ap_tech_component(tech, AP_PART_SAMPLE_HOLD)->energy_pj +
                   cols * ap_tech_component(tech, AP_PART_ADC)->energy_pj * adc_energy +
                   cols * ap_tech_component(tech, AP_PART_SHIFT_ADD)->energy_pj;
  return (double)needs->crossbars * (double)needs->replication * read_pj / ap_read_ns(tech);
}

/* Reads of the busiest copy: copies share whole positions, a layer of one position gains nothing. */
static uint64_t busiest_share(const ap_events *events, const ap_needs *needs) {
  uint64_t positions = needs->positions ? needs->positions : 1;
  uint64_t each = positions / needs->replication + (positions % needs->replication != 0);
  return needs->replication == 1
             ? events->cycles
             : (uint64_t)((double)events->cycles / (double)positions * (double)each + 0.5);
}

ap_status ap_cost_layer(const ap_tech *tech, const ap_events *events, const ap_needs *needs,
                        ap_cost *out, ap_error *err) {
  ap_status st = AP_OK;
  const ap_array_spec *array = ap_tech_array(tech);
  double adc_energy = 0, adc_area = 0, read_ns = ap_read_ns(tech), reads = 0;
  uint64_t share = 0; /* of the reads, for each copy */
  memset(out, 0, sizeof *out);
  if (needs->replication == 0) return ap_fail(err, AP_ERR_ARG, "replication is 0, expected >= 1");
  if ((st = ap_converter_factors(tech, &adc_energy, &adc_area, err))) return st;
  for (int i = 0; i < (int)AP_PART_COUNT; i++) {
    ap_part part = (ap_part)i;
    double factor = part == AP_PART_ADC ? adc_energy : 1.0;
    out->area_mm2[i] = area_of(tech, part, adc_area, needs);
    out->energy_uj[i] =
        events_of(part, events) * ap_tech_component(tech, part)->energy_pj * factor / PJ_PER_UJ;
  }
  share = busiest_share(events, needs);
  reads = (double)share;
  out->latency_us[AP_PART_ARRAY] = reads * ap_tech_array_cycle_ns(tech) / NS_PER_US;
  out->latency_us[AP_PART_ADC] = reads * (read_ns - ap_tech_array_cycle_ns(tech)) / NS_PER_US;
  out->peak_power_mw = peak_power(tech, adc_energy, needs);
  out->programming_energy_uj = (double)needs->cells_written * (double)needs->replication *
                               ap_tech_component(tech, AP_PART_PROGRAMMING)->energy_pj / PJ_PER_UJ;
  if (needs->crossbars) {
    out->programming_latency_us = (double)array->rows * ap_tech_write_ns(tech) / NS_PER_US;
  }
  out->interval_us = sum_parts(out->latency_us);
  finish(out);
  return AP_OK;
}

void ap_cost_add(ap_cost *total, const ap_cost *layer) {
  for (int i = 0; i < (int)AP_PART_COUNT; i++) {
    total->area_mm2[i] += layer->area_mm2[i];
    total->energy_uj[i] += layer->energy_uj[i];
    total->latency_us[i] += layer->latency_us[i];
  }
  if (layer->interval_us > total->interval_us) total->interval_us = layer->interval_us;
  total->peak_power_mw += layer->peak_power_mw;
  total->programming_energy_uj += layer->programming_energy_uj;
  if (layer->programming_latency_us > total->programming_latency_us) {
    total->programming_latency_us = layer->programming_latency_us; /* crossbars in parallel */
  }
  finish(total);
}

json_t *ap_cost_to_json(const ap_cost *cost) {
  json_t *parts = json_object();
  for (int i = 0; parts && i < (int)AP_PART_COUNT; i++) {
    json_t *part = NULL;
    if (i == (int)AP_PART_LINK || i == (int)AP_PART_PROGRAMMING) {
      /* the link belongs to no layer; programming energy stands apart, its writers' area here */
      if (cost->area_mm2[i] == 0.0) continue;
    }
    part = json_pack("{s:f, s:f, s:f}", "area_mm2", cost->area_mm2[i], "energy_uj",
                     cost->energy_uj[i], "latency_us", cost->latency_us[i]);
    if (json_object_set_new(parts, ap_part_name((ap_part)i), part)) {
      json_decref(parts);
      return NULL;
    }
  }
  if (!parts) return NULL;
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "area_mm2",
                   cost->total_area_mm2, "energy_uj", cost->total_energy_uj, "latency_us",
                   cost->total_latency_us, "interval_us", cost->interval_us, "average_power_mw",
                   cost->average_power_mw, "pipelined_power_mw", cost->pipelined_power_mw,
                   "peak_power_mw", cost->peak_power_mw, "programming_energy_uj",
                   cost->programming_energy_uj, "programming_latency_us",
                   cost->programming_latency_us, "components", parts);
}
