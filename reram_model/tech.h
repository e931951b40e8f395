/* reram_model/tech.h - a technology: the array, the parts list with its sources, laws and clocks.
 * Read from an .ini file; every value has its unit in its name, its source and its evidence. The
 * format, with an example, is in docs/NUMBERS.md#technology-files. A tech is read-only after
 * loading and overriding: then safe from any thread. */
#ifndef AP_RERAM_MODEL_TECH_H
#define AP_RERAM_MODEL_TECH_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "reram_model/array.h"
AP_EXTERN_C_BEGIN

/* Every part that can cost something. Name in files: [component.NAME]. A file must have them all.
 */
typedef enum {
  AP_PART_ARRAY,                /* unit: cell;        event: cell read */
  AP_PART_DAC,                  /* unit: wordline;    event: row drive */
  AP_PART_SAMPLE_HOLD,          /* unit: bitline;     event: sample */
  AP_PART_ADC,                  /* unit: converter;   event: conversion at adc reference bits */
  AP_PART_SHIFT_ADD,            /* unit: adder;       event: shift and add */
  AP_PART_INPUT_REGISTER,       /* unit: byte;        event: byte */
  AP_PART_OUTPUT_REGISTER,      /* unit: byte;        event: byte */
  AP_PART_EDRAM,                /* unit: byte;        event: byte */
  AP_PART_BUS,                  /* unit: wire;        event: byte */
  AP_PART_ROUTER,               /* unit: router;      event: byte, one hop */
  AP_PART_SIGMOID,              /* unit: unit;        event: output */
  AP_PART_TILE_SHIFT_ADD,       /* unit: adder;       event: partial sum added */
  AP_PART_MAXPOOL,              /* unit: unit;        event: input value */
  AP_PART_TILE_OUTPUT_REGISTER, /* unit: byte;        event: byte */
  AP_PART_LINK,                 /* unit: chip-to-chip link; only in the chip's table */
  AP_PART_INDEX_BUFFER,         /* unit: bit stored;  event: bit fetched */
  AP_PART_INDEX_DECODER,        /* unit: decoder, one a crossbar;    event: entry decoded */
  AP_PART_INPUT_SUM,            /* unit: adder, one a crossbar;      event: input bit added */
  AP_PART_PROGRAMMING,          /* unit: writer, one a crossbar;     event: cell written */
  AP_PART_COUNT
} ap_part;

const char *ap_part_name(ap_part part); /* "array", "dac", ... */

/* Where the part sits; its published area and power are those of all `count` units there. */
typedef enum { AP_LEVEL_IMA, AP_LEVEL_TILE, AP_LEVEL_CHIP, AP_LEVEL_ADDED } ap_level;
typedef enum { AP_EVIDENCE_PUBLISHED, AP_EVIDENCE_DERIVED, AP_EVIDENCE_ESTIMATED } ap_evidence;
typedef enum {
  AP_SCALING_UNIT,     /* cost in proportion to units needed */
  AP_SCALING_SHARE,    /* a crossbar carries its share of what its IMA or tile holds */
  AP_SCALING_CONVERTER /* as UNIT, times the ADC law of the converter's bits */
} ap_scaling;

typedef struct {
  ap_level level;
  double count;     /* units at that level (of one IMA, one tile, one chip) */
  double shared_by; /* IMAs, tiles or chips that share them: ISAAC's router serves 4 tiles */
  double area_mm2;  /* of all count units */
  double power_mw;  /* of all count units, when busy; 0 for AP_LEVEL_ADDED */
  double energy_pj; /* one event */
  double node_nm;
  ap_evidence evidence;        /* of area and power */
  ap_evidence energy_evidence; /* of the energy */
  ap_scaling scaling;
  const char *source;        /* text, owned by the tech */
  const char *energy_source; /* text, owned by the tech */
} ap_component;

/* Cost of a converter of b bits relative to one of the reference width; energy and area have the
 * same law, each with its own linear share where the source has one. docs/NUMBERS.md#adc-laws. */
typedef enum {
  AP_ADC_LAW_ISAAC,  /* reference, memory and clock linear in b, capacitive DAC 2^b */
  AP_ADC_LAW_SRE,    /* 2^b/(b+1) */
  AP_ADC_LAW_POW2,   /* 2^b */
  AP_ADC_LAW_LINEAR, /* b */
  AP_ADC_LAW_SURVEY  /* survey of published converters; 4 to 8 bits only */
} ap_adc_law;
const char *ap_adc_law_name(ap_adc_law law);
/* bits 1..16 (survey: 4..8), else ARG. */
AP_NODISCARD ap_status ap_adc_law_energy(ap_adc_law law, unsigned bits, unsigned reference_bits,
                                         double *factor, ap_error *err);
AP_NODISCARD ap_status ap_adc_law_area(ap_adc_law law, unsigned bits, unsigned reference_bits,
                                       double *factor, ap_error *err);

typedef struct ap_tech ap_tech; /* opaque; ends with ap_tech_close */

/* name_or_path: "ou" (default of the command), "isaac", "sre", or the path of an .ini file
 * (anything with a '/' or a '.'). Errors: IO; FORMAT as "file:line: what, and what was expected"
 * for unknown, missing or double sections and keys, values that are no finite number or out of
 * range; ARG for an unknown preset name. */
AP_NODISCARD ap_status ap_tech_open(const char *name_or_path, ap_tech **out, ap_error *err);
/* The same from memory; `name` stands in the messages. */
AP_NODISCARD ap_status ap_tech_parse(const char *text, size_t size, const char *name, ap_tech **out,
                                     ap_error *err);
AP_NODISCARD ap_status ap_tech_clone(const ap_tech *tech, ap_tech **out, ap_error *err);
void ap_tech_close(ap_tech *tech); /* NULL is allowed */

/* Changes one value: name is "section.key", such as "array.rows", "model.adc_law" or
 * "component.adc.energy_pj". Errors: ARG for a name that the file does not have or a value that
 * does not fit; then the tech is unchanged. Text pointers of components are valid until the next
 * override. */
AP_NODISCARD ap_status ap_tech_override(ap_tech *tech, const char *name, const char *value,
                                        ap_error *err);

typedef struct {
  const char *name, *value;
} ap_tech_change;

/* Changes several values at once: only what they make together has to fit, so that their order does
 * not matter (of two for one name the later counts). */
AP_NODISCARD ap_status ap_tech_override_all(ap_tech *tech, const ap_tech_change *changes, size_t n,
                                            ap_error *err);

const char *ap_tech_name(const ap_tech *tech); /* [technology] name */
const ap_array_spec *ap_tech_array(const ap_tech *tech);
const ap_component *ap_tech_component(const ap_tech *tech, ap_part part);
ap_adc_law ap_tech_adc_law(const ap_tech *tech);
unsigned ap_tech_adc_reference_bits(const ap_tech *tech);
double ap_tech_array_cycle_ns(const ap_tech *tech); /* one read of an array or OU, analog part */
double ap_tech_adc_rate_gsps(const ap_tech *tech);  /* conversions a nanosecond and converter */
double ap_tech_adcs_per_crossbar(const ap_tech *tech);
double ap_tech_write_ns(const ap_tech *tech); /* programming one row of an array */
double ap_tech_tiles(const ap_tech *tech);    /* of one chip */
double ap_tech_imas_per_tile(const ap_tech *tech);
double ap_tech_arrays_per_ima(const ap_tech *tech);
size_t ap_tech_preset_count(void);
const char *ap_tech_preset_name(size_t index);

/* The effective configuration, overrides included: a new object of sections. NULL out of memory. */
json_t *ap_tech_to_json(const ap_tech *tech);
/* SHA-256 of that object as hex text. */
AP_NODISCARD ap_status ap_tech_hash(const ap_tech *tech, char text[65], ap_error *err);

AP_EXTERN_C_END
#endif
