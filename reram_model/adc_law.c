/* Cost of a converter over its width. Constants: docs/NUMBERS.md#adc-laws. */
#include <math.h>

#include "reram_model/tech.h"

#define MAX_BITS 16
#define SURVEY_MIN_BITS 4
#define SURVEY_MAX_BITS 8

/* Share of an 8-bit converter that grows linearly with the width; the rest doubles with each bit.
 * Fitted to the list of ISAAC's scaling from 4 to 10 bits: energies 0.79 to 2.38 pJ, areas 361 to
 * 3002 um2; residual below 1 %. */
#define ISAAC_LINEAR_ENERGY 0.938
#define ISAAC_LINEAR_AREA 0.545
#define ISAAC_FIT_BITS 8.0

/* Survey of published converters at 1.2 GS/s, 32 nm, 4 to 8 bits. */
static const double survey_energy_pj[] = {0.924, 0.936, 1.065, 1.312, 1.849};
#define SURVEY_AREA_4_UM2 5130.0 /* the widths between lie on the geometric line */
#define SURVEY_AREA_8_UM2 6313.0

static double isaac(double bits, double linear) {
  return linear * bits / ISAAC_FIT_BITS + (1.0 - linear) * exp2(bits - ISAAC_FIT_BITS);
}

static double at(ap_adc_law law, unsigned bits, bool area) {
  double b = (double)bits;
  switch (law) {
    case AP_ADC_LAW_ISAAC:
      return isaac(b, area ? ISAAC_LINEAR_AREA : ISAAC_LINEAR_ENERGY);
    case AP_ADC_LAW_SRE:
      return exp2(b) / (b + 1.0);
    case AP_ADC_LAW_POW2:
      return exp2(b);
    case AP_ADC_LAW_LINEAR:
      return b;
    case AP_ADC_LAW_SURVEY:
      break;
  }
  if (area) {
    double step = (b - SURVEY_MIN_BITS) / (double)(SURVEY_MAX_BITS - SURVEY_MIN_BITS);
    return SURVEY_AREA_4_UM2 * pow(SURVEY_AREA_8_UM2 / SURVEY_AREA_4_UM2, step);
  }
  return survey_energy_pj[bits - SURVEY_MIN_BITS];
}

static ap_status check(ap_adc_law law, const char *what, unsigned bits, ap_error *err) {
  unsigned lo = law == AP_ADC_LAW_SURVEY ? SURVEY_MIN_BITS : 1;
  unsigned hi = law == AP_ADC_LAW_SURVEY ? SURVEY_MAX_BITS : MAX_BITS;
  if ((unsigned)law > AP_ADC_LAW_SURVEY) {
    return ap_fail(err, AP_ERR_ARG, "converter law %d is not known", (int)law);
  }
  if (bits < lo || bits > hi) {
    return ap_fail(err, AP_ERR_ARG, "%s of %u bits, the law '%s' covers %u to %u", what, bits,
                   ap_adc_law_name(law), lo, hi);
  }
  return AP_OK;
}

static ap_status ratio(ap_adc_law law, unsigned bits, unsigned reference_bits, bool area,
                       double *factor, ap_error *err) {
  ap_status st = AP_OK;
  *factor = 0.0;
  if ((st = check(law, "converter", bits, err)) ||
      (st = check(law, "converter of reference (adc_reference_bits)", reference_bits, err))) {
    return st;
  }
  *factor = at(law, bits, area) / at(law, reference_bits, area);
  return AP_OK;
}

ap_status ap_adc_law_energy(ap_adc_law law, unsigned bits, unsigned reference_bits, double *factor,
                            ap_error *err) {
  return ratio(law, bits, reference_bits, false, factor, err);
}

ap_status ap_adc_law_area(ap_adc_law law, unsigned bits, unsigned reference_bits, double *factor,
                          ap_error *err) {
  return ratio(law, bits, reference_bits, true, factor, err);
}

const char *ap_adc_law_name(ap_adc_law law) {
  static const char *const names[] = {"isaac", "sre", "pow2", "linear", "survey"};
  return (unsigned)law <= AP_ADC_LAW_SURVEY ? names[law] : "unknown";
}
