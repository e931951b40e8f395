/* reram_model/array.h - shape and number formats of one crossbar and its operation units (OUs).
 * Plain values; safe from any thread. Definitions: docs/MAPPING.md, docs/NUMBERS.md. */
#ifndef AP_RERAM_MODEL_ARRAY_H
#define AP_RERAM_MODEL_ARRAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* How a signed weight of b bits becomes unsigned cells of c bits. s = bitlines a weight. */
typedef enum {
  AP_ENCODING_OFFSET,          /* w + 2^(b-1) in s = ceil(b/c) cells; needs the sum of the inputs */
  AP_ENCODING_TWOS_COMPLEMENT, /* sign bit on a bitline of its own: s = 1 + ceil((b-1)/c) */
  AP_ENCODING_DIFFERENTIAL     /* positive and negative cells: s = 2*ceil((b-1)/c) */
} ap_encoding;

typedef enum {
  AP_SLICES_ADJACENT, /* the s slices of a weight on neighbouring bitlines */
  AP_SLICES_SEPARATE  /* an OU holds one slice of as many weights as it has columns */
} ap_slices;

typedef struct {
  size_t rows, cols;        /* crossbar: wordlines R, bitlines C */
  size_t ou_rows, ou_cols;  /* read at once; equal to rows, cols: whole-array reads */
  unsigned cell_bits;       /* 1..4 */
  unsigned weight_bits;     /* 2..16, signed */
  unsigned activation_bits; /* 1..16, applied bit by bit: one input bit a read */
  unsigned dac_bits;        /* 1 */
  unsigned adc_bits;        /* 1..16; 0: exactly as many as an OU's largest sum needs */
  bool flip;                /* a bitline whose sum could exceed half the range is stored inverted
                               (ISAAC): one converter bit less, one more add a conversion */
  ap_encoding encoding;
  ap_slices slices;
} ap_array_spec;

#define AP_ARRAY_MAX_SIDE 65536 /* largest crossbar side */
#define AP_ARRAY_MAX_SLICES 32  /* largest s: differential, 16-bit weights, 1-bit cells is 30 */

/* 128 x 128, OU 9 x 8, 2-bit cells, 8-bit weights and activations, exact ADC, offset, adjacent. */
ap_array_spec ap_array_spec_default(void);

/* ARG with the values in the text: a size of 0, an OU larger than the crossbar, bits out of range.
 */
AP_NODISCARD ap_status ap_array_spec_check(const ap_array_spec *spec, ap_error *err);

/* The array as a layer sees it whose weights have bits of their own: the same cells, units and
 * converters (also where the array's converters are as wide as its own weights need), other slices.
 * weight_bits 0: the array's own. */
ap_array_spec ap_array_for_weights(const ap_array_spec *spec, unsigned weight_bits);

/* The following need a checked spec. */
size_t ap_array_slices(const ap_array_spec *spec); /* s */
unsigned ap_array_exact_adc_bits(
    const ap_array_spec *spec);                        /* for the largest sum of an OU column */
unsigned ap_array_adc_bits(const ap_array_spec *spec); /* adc_bits, or the exact width when 0 */
size_t ap_array_ous(
    const ap_array_spec *spec); /* OU places: floor(R/OU rows)*floor(C/OU columns) */
bool ap_array_needs_input_sum(const ap_array_spec *spec); /* offset encoding or flip */
/* Range of weights that the encoding can hold, both ends included. */
int32_t ap_array_weight_min(const ap_array_spec *spec);
int32_t ap_array_weight_max(const ap_array_spec *spec);

const char *ap_encoding_name(
    ap_encoding encoding);                    /* "offset", "twos-complement", "differential" */
const char *ap_slices_name(ap_slices slices); /* "adjacent", "separate" */
AP_NODISCARD ap_status ap_encoding_parse(const char *text, ap_encoding *out, ap_error *err);
AP_NODISCARD ap_status ap_slices_parse(const char *text, ap_slices *out, ap_error *err);

AP_EXTERN_C_END
#endif
