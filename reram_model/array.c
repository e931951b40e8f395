#include "reram_model/array.h"

#include <string.h>

#define MAX_CELL_BITS 4
#define MAX_WEIGHT_BITS 16
#define MAX_ACTIVATION_BITS 16
#define MAX_ADC_BITS 16

ap_array_spec ap_array_spec_default(void) {
  ap_array_spec spec = {.rows = 128,
                        .cols = 128,
                        .ou_rows = 9,
                        .ou_cols = 8,
                        .cell_bits = 2,
                        .weight_bits = 8,
                        .activation_bits = 8,
                        .dac_bits = 1,
                        .adc_bits = 0,
                        .flip = false,
                        .encoding = AP_ENCODING_OFFSET,
                        .slices = AP_SLICES_ADJACENT};
  return spec;
}

static ap_status check_bits(const char *what, unsigned value, unsigned lo, unsigned hi,
                            ap_error *err) {
  if (value >= lo && value <= hi) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "%s is %u, expected %u to %u", what, value, lo, hi);
}

ap_status ap_array_spec_check(const ap_array_spec *spec, ap_error *err) {
  ap_status st = AP_OK;
  if (spec->rows < 1 || spec->rows > AP_ARRAY_MAX_SIDE || spec->cols < 1 ||
      spec->cols > AP_ARRAY_MAX_SIDE) {
    return ap_fail(err, AP_ERR_ARG, "crossbar of %zu x %zu, expected sides of 1 to %d", spec->rows,
                   spec->cols, AP_ARRAY_MAX_SIDE);
  }
  if (spec->ou_rows < 1 || spec->ou_cols < 1) {
    return ap_fail(err, AP_ERR_ARG, "operation unit of %zu x %zu, expected sides of 1 or more",
                   spec->ou_rows, spec->ou_cols);
  }
  if (spec->ou_rows > spec->rows || spec->ou_cols > spec->cols) {
    return ap_fail(err, AP_ERR_ARG,
                   "operation unit of %zu x %zu is larger than the crossbar of %zu x %zu",
                   spec->ou_rows, spec->ou_cols, spec->rows, spec->cols);
  }
  if ((st = check_bits("cell_bits", spec->cell_bits, 1, MAX_CELL_BITS, err))) return st;
  if ((st = check_bits("weight_bits", spec->weight_bits, 2, MAX_WEIGHT_BITS, err))) return st;
  if ((st = check_bits("activation_bits", spec->activation_bits, 1, MAX_ACTIVATION_BITS, err))) {
    return st;
  }
  if ((st = check_bits("dac_bits", spec->dac_bits, 1, 1, err))) return st;
  if ((st = check_bits("adc_bits", spec->adc_bits, 0, MAX_ADC_BITS, err))) return st;
  if (spec->adc_bits == 0 && ap_array_exact_adc_bits(spec) > MAX_ADC_BITS) {
    return ap_fail(err, AP_ERR_ARG,
                   "an operation unit of %zu rows and %u-bit cells needs a converter of %u bits, "
                   "the limit is %d",
                   spec->ou_rows, spec->cell_bits, ap_array_exact_adc_bits(spec), MAX_ADC_BITS);
  }
  if ((unsigned)spec->encoding > AP_ENCODING_DIFFERENTIAL) {
    return ap_fail(err, AP_ERR_ARG, "encoding %d is not known", (int)spec->encoding);
  }
  if ((unsigned)spec->slices > AP_SLICES_SEPARATE) {
    return ap_fail(err, AP_ERR_ARG, "order of slices %d is not known", (int)spec->slices);
  }
  return AP_OK;
}

ap_array_spec ap_array_for_weights(const ap_array_spec *spec, unsigned weight_bits) {
  ap_array_spec own = *spec;
  if (weight_bits == 0 || weight_bits == spec->weight_bits) return own;
  own.adc_bits = ap_array_adc_bits(spec);
  own.weight_bits = weight_bits;
  return own;
}

static size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

size_t ap_array_slices(const ap_array_spec *spec) {
  switch (spec->encoding) {
    case AP_ENCODING_OFFSET:
      return ceil_div(spec->weight_bits, spec->cell_bits);
    case AP_ENCODING_TWOS_COMPLEMENT:
      return 1 + ceil_div(spec->weight_bits - 1, spec->cell_bits);
    case AP_ENCODING_DIFFERENTIAL:
      break;
  }
  return 2 * ceil_div(spec->weight_bits - 1, spec->cell_bits);
}

unsigned ap_array_exact_adc_bits(const ap_array_spec *spec) {
  /* A cell never holds more bits than the weight has to give. */
  unsigned payload =
      spec->encoding == AP_ENCODING_OFFSET ? spec->weight_bits : spec->weight_bits - 1;
  unsigned bits = spec->cell_bits < payload ? spec->cell_bits : payload;
  uint64_t largest = (uint64_t)spec->ou_rows * ((1U << bits) - 1U);
  unsigned need = 1;
  if (spec->flip) largest /= 2;
  while (((uint64_t)1 << need) - 1 < largest) need++;
  return need;
}

unsigned ap_array_adc_bits(const ap_array_spec *spec) {
  return spec->adc_bits ? spec->adc_bits : ap_array_exact_adc_bits(spec);
}

size_t ap_array_ous(const ap_array_spec *spec) {
  return (spec->rows / spec->ou_rows) * (spec->cols / spec->ou_cols);
}

bool ap_array_needs_input_sum(const ap_array_spec *spec) {
  return spec->encoding == AP_ENCODING_OFFSET || spec->flip;
}

int32_t ap_array_weight_max(const ap_array_spec *spec) {
  return ((int32_t)1 << (spec->weight_bits - 1)) - 1;
}

int32_t ap_array_weight_min(const ap_array_spec *spec) {
  int32_t max = ap_array_weight_max(spec);
  return spec->encoding == AP_ENCODING_DIFFERENTIAL ? -max : -max - 1;
}

static const char *const encoding_names[] = {"offset", "twos-complement", "differential"};
static const char *const slices_names[] = {"adjacent", "separate"};

const char *ap_encoding_name(ap_encoding encoding) {
  return (unsigned)encoding <= AP_ENCODING_DIFFERENTIAL ? encoding_names[encoding] : "unknown";
}

const char *ap_slices_name(ap_slices slices) {
  return (unsigned)slices <= AP_SLICES_SEPARATE ? slices_names[slices] : "unknown";
}

ap_status ap_encoding_parse(const char *text, ap_encoding *out, ap_error *err) {
  for (int i = 0; i <= (int)AP_ENCODING_DIFFERENTIAL; i++) {
    if (strcmp(text, encoding_names[i]) == 0) {
      *out = (ap_encoding)i;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_ARG, "encoding '%s', expected offset, twos-complement or differential",
                 text);
}

ap_status ap_slices_parse(const char *text, ap_slices *out, ap_error *err) {
  for (int i = 0; i <= (int)AP_SLICES_SEPARATE; i++) {
    if (strcmp(text, slices_names[i]) == 0) {
      *out = (ap_slices)i;
      return AP_OK;
    }
  }
  return ap_fail(err, AP_ERR_ARG, "slices '%s', expected adjacent or separate", text);
}
