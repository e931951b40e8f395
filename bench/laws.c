#include <stdbool.h>

#include "bench/laws_impl.h"
#include "pruners/network_price.h"

static const ap_adc_law laws[] = {AP_ADC_LAW_ISAAC, AP_ADC_LAW_SRE, AP_ADC_LAW_POW2,
                                  AP_ADC_LAW_LINEAR, AP_ADC_LAW_SURVEY};

static bool covers(const ap_tech *tech, ap_adc_law law) {
  double factor;
  unsigned bits = ap_array_adc_bits(ap_tech_array(tech));
  unsigned reference = ap_tech_adc_reference_bits(tech);
  return ap_adc_law_energy(law, bits, reference, &factor, NULL) == AP_OK &&
         ap_adc_law_area(law, bits, reference, &factor, NULL) == AP_OK;
}

static ap_status one_law(const ap_network *net, const ap_tech *tech, ap_granularity granularity,
                         ap_adc_law law, json_t *list, ap_error *err) {
  ap_tech *other = NULL;
  ap_network_price *price = NULL;
  ap_status st = ap_tech_clone(tech, &other, err);
  if (!st) st = ap_tech_override(other, "model.adc_law", ap_adc_law_name(law), err);
  if (!st) st = ap_network_price_create(net, other, granularity, false, &price, err);
  if (!st && json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "law", ap_adc_law_name(law),
                                                   "area_mm2", price->cost.total_area_mm2,
                                                   "energy_uj", price->cost.total_energy_uj))) {
    st = ap_fail(err, AP_ERR_MEMORY, "prices under converter laws");
  }
  ap_network_price_destroy(price);
  ap_tech_close(other);
  return st;
}

ap_status ap_law_prices(const ap_network *net, const ap_tech *tech, ap_granularity granularity,
                        json_t **out, ap_error *err) {
  json_t *list = json_array();
  ap_status st = list ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "prices under converter laws");
  ap_adc_law own = ap_tech_adc_law(tech);
  if (!st) st = one_law(net, tech, granularity, own, list, err);
  for (size_t i = 0; i < sizeof laws / sizeof laws[0] && !st; i++) {
    if (laws[i] != own && covers(tech, laws[i])) {
      st = one_law(net, tech, granularity, laws[i], list, err);
    }
  }
  if (st) {
    json_decref(list);
    list = NULL;
  }
  *out = list;
  return st;
}
