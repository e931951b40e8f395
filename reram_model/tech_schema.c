/* What may stand in a technology file, and what it means. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "reram_model/tech_impl.h"

typedef enum { KIND_TEXT, KIND_NUMBER, KIND_INTEGER, KIND_CHOICE } value_kind;

#define MAX_CHOICES 6

typedef struct {
  const char *section; /* "component" stands for every [component.PART] */
  const char *key;
  value_kind kind;
  double lo, hi;
  const char *choices[MAX_CHOICES]; /* their order is that of the enumeration */
} rule;

static const rule rules[] = {
    {"technology", "name", KIND_TEXT, 0, 0, {0}},
    {"technology", "description", KIND_TEXT, 0, 0, {0}},
    {"array", "rows", KIND_INTEGER, 1, AP_ARRAY_MAX_SIDE, {0}},
    {"array", "cols", KIND_INTEGER, 1, AP_ARRAY_MAX_SIDE, {0}},
    {"array", "ou_rows", KIND_INTEGER, 1, AP_ARRAY_MAX_SIDE, {0}},
    {"array", "ou_cols", KIND_INTEGER, 1, AP_ARRAY_MAX_SIDE, {0}},
    {"array", "cell_bits", KIND_INTEGER, 1, 4, {0}},
    {"array", "weight_bits", KIND_INTEGER, 2, 16, {0}},
    {"array", "activation_bits", KIND_INTEGER, 1, 16, {0}},
    {"array", "dac_bits", KIND_INTEGER, 1, 1, {0}},
    {"array", "adc_bits", KIND_INTEGER, 0, 16, {0}},
    {"array", "flip", KIND_CHOICE, 0, 0, {"no", "yes"}},
    {"array", "encoding", KIND_CHOICE, 0, 0, {"offset", "twos-complement", "differential"}},
    {"array", "slices", KIND_CHOICE, 0, 0, {"adjacent", "separate"}},
    {"model", "adc_law", KIND_CHOICE, 0, 0, {"isaac", "sre", "pow2", "linear", "survey"}},
    {"model", "adc_reference_bits", KIND_INTEGER, 1, 16, {0}},
    {"model", "adcs_per_crossbar", KIND_NUMBER, 0.001, 65536, {0}},
    {"timing", "array_cycle_ns", KIND_NUMBER, 0.01, 1e6, {0}},
    {"timing", "adc_rate_gsps", KIND_NUMBER, 1e-6, 1e3, {0}},
    {"timing", "write_row_ns", KIND_NUMBER, 0.01, 1e9, {0}},
    {"chip", "tiles", KIND_INTEGER, 1, 1e6, {0}},
    {"chip", "imas_per_tile", KIND_INTEGER, 1, 1e6, {0}},
    {"chip", "arrays_per_ima", KIND_INTEGER, 1, 1e6, {0}},
    {"component", "level", KIND_CHOICE, 0, 0, {"ima", "tile", "chip", "added"}},
    {"component", "count", KIND_NUMBER, 1e-3, 1e12, {0}},
    {"component", "shared_by", KIND_NUMBER, 1, 1e6, {0}},
    {"component", "area_mm2", KIND_NUMBER, 0, 1e4, {0}},
    {"component", "power_mw", KIND_NUMBER, 0, 1e7, {0}},
    {"component", "energy_pj", KIND_NUMBER, 0, 1e6, {0}},
    {"component", "node_nm", KIND_NUMBER, 1, 1000, {0}},
    {"component", "evidence", KIND_CHOICE, 0, 0, {"published", "derived", "estimated"}},
    {"component", "energy_evidence", KIND_CHOICE, 0, 0, {"published", "derived", "estimated"}},
    {"component", "scaling", KIND_CHOICE, 0, 0, {"unit", "share", "converter"}},
    {"component", "source", KIND_TEXT, 0, 0, {0}},
    {"component", "energy_source", KIND_TEXT, 0, 0, {0}},
};
#define N_RULES (sizeof rules / sizeof rules[0])

/* A part's place and law are part of its meaning; the file repeats them for its readers. */
static const struct {
  const char *name;
  ap_level level;
  ap_scaling scaling;
} parts[AP_PART_COUNT] = {
    [AP_PART_ARRAY] = {"array", AP_LEVEL_IMA, AP_SCALING_UNIT},
    [AP_PART_DAC] = {"dac", AP_LEVEL_IMA, AP_SCALING_UNIT},
    [AP_PART_SAMPLE_HOLD] = {"sample_hold", AP_LEVEL_IMA, AP_SCALING_UNIT},
    [AP_PART_ADC] = {"adc", AP_LEVEL_IMA, AP_SCALING_CONVERTER},
    [AP_PART_SHIFT_ADD] = {"shift_add", AP_LEVEL_IMA, AP_SCALING_SHARE},
    [AP_PART_INPUT_REGISTER] = {"input_register", AP_LEVEL_IMA, AP_SCALING_SHARE},
    [AP_PART_OUTPUT_REGISTER] = {"output_register", AP_LEVEL_IMA, AP_SCALING_SHARE},
    [AP_PART_EDRAM] = {"edram", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_BUS] = {"bus", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_ROUTER] = {"router", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_SIGMOID] = {"sigmoid", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_TILE_SHIFT_ADD] = {"tile_shift_add", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_MAXPOOL] = {"maxpool", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_TILE_OUTPUT_REGISTER] = {"tile_output_register", AP_LEVEL_TILE, AP_SCALING_SHARE},
    [AP_PART_LINK] = {"link", AP_LEVEL_CHIP, AP_SCALING_SHARE},
    [AP_PART_INDEX_BUFFER] = {"index_buffer", AP_LEVEL_ADDED, AP_SCALING_UNIT},
    [AP_PART_INDEX_DECODER] = {"index_decoder", AP_LEVEL_ADDED, AP_SCALING_UNIT},
    [AP_PART_INPUT_SUM] = {"input_sum", AP_LEVEL_ADDED, AP_SCALING_UNIT},
    [AP_PART_PROGRAMMING] = {"programming", AP_LEVEL_ADDED, AP_SCALING_UNIT},
};

const char *ap_part_name(ap_part part) {
  return (unsigned)part < AP_PART_COUNT ? parts[part].name : "unknown";
}

#define COMPONENT_PREFIX "component."

/* The part a section name stands for, or AP_PART_COUNT. */
static ap_part part_of_section(const char *section) {
  size_t length = strlen(COMPONENT_PREFIX);
  if (strncmp(section, COMPONENT_PREFIX, length) != 0) return AP_PART_COUNT;
  for (int i = 0; i < (int)AP_PART_COUNT; i++) {
    if (strcmp(section + length, parts[i].name) == 0) return (ap_part)i;
  }
  return AP_PART_COUNT;
}

static const rule *find_rule(const char *section, const char *key, bool *section_known) {
  const char *kind = part_of_section(section) == AP_PART_COUNT ? section : "component";
  *section_known = false;
  if (strcmp(section, "component") == 0) return NULL;
  for (size_t i = 0; i < N_RULES; i++) {
    if (strcmp(rules[i].section, kind) != 0) continue;
    *section_known = true;
    if (strcmp(rules[i].key, key) == 0) return &rules[i];
  }
  return NULL;
}

typedef struct {
  const ap_entries *entries;
  ap_status code, status;
  ap_error *err;
} compiler;

static void place(const compiler *c, const ap_entry *entry, char *text, size_t size) {
  if (entry->line > 0) {
    (void)snprintf(text, size, "%s:%d", c->entries->file, entry->line);
  } else {
    (void)snprintf(text, size, "%s", c->entries->file);
  }
}

static void refuse(compiler *c, const ap_entry *entry, const char *expected) {
  char where[300];
  if (c->status) return;
  place(c, entry, where, sizeof where);
  c->status = ap_fail(c->err, c->code, "%s: [%s] %s = '%.40s', expected %s", where, entry->section,
                      entry->key, entry->value, expected);
}

/* Digits, point, exponent and signs only: strtod alone would take hex, inf and nan. */
static bool number_of(const char *text, double *out) {
  char *end = NULL;
  if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text)) return false;
  *out = strtod(text, &end);
  return *end == '\0' && isfinite(*out);
}

static double value_of(compiler *c, const ap_entry *entry, const rule *r) {
  double value = 0.0;
  char expected[160];
  switch (r->kind) {
    case KIND_TEXT:
      if (entry->value[0] == '\0' || !ap_text_is_utf8(entry->value)) {
        refuse(c, entry, "a text in UTF-8");
      }
      return 0.0;
    case KIND_CHOICE:
      expected[0] = '\0';
      for (int i = 0; i < MAX_CHOICES && r->choices[i]; i++) {
        if (strcmp(entry->value, r->choices[i]) == 0) return (double)i;
        if (i) (void)strncat(expected, " or ", sizeof expected - strlen(expected) - 1);
        (void)strncat(expected, r->choices[i], sizeof expected - strlen(expected) - 1);
      }
      refuse(c, entry, expected);
      return 0.0;
    case KIND_NUMBER:
    case KIND_INTEGER:
      break;
  }
  if (!number_of(entry->value, &value) || value < r->lo || value > r->hi ||
      (r->kind == KIND_INTEGER && value != floor(value))) {
    (void)snprintf(expected, sizeof expected, "%s from %g to %g",
                   r->kind == KIND_INTEGER ? "a whole number" : "a number", r->lo, r->hi);
    refuse(c, entry, expected);
    return 0.0;
  }
  return value;
}

static const ap_entry *find(compiler *c, const char *section, const char *key) {
  static char none[] = "";
  static const ap_entry nothing = {none, none, none, 0};
  const ap_entries *e = c->entries;
  for (size_t i = 0; i < e->count; i++) {
    if (strcmp(e->entries[i].key, key) == 0 && strcmp(e->entries[i].section, section) == 0) {
      return &e->entries[i];
    }
  }
  if (!c->status) {
    c->status = ap_fail(c->err, c->code, "%s: [%s] %s is missing", e->file, section, key);
  }
  return &nothing;
}

static double get(compiler *c, const char *section, const char *key) {
  bool known = false;
  const ap_entry *entry = find(c, section, key);
  if (c->status) return 0.0;
  return value_of(c, entry, find_rule(section, key, &known));
}

static const char *get_text(compiler *c, const char *section, const char *key) {
  (void)get(c, section, key);
  return c->status ? "" : find(c, section, key)->value;
}

static void check_names(compiler *c) {
  const ap_entries *e = c->entries;
  bool known = false;
  for (size_t i = 0; i < e->n_sections && !c->status; i++) {
    (void)find_rule(e->sections[i].name, "", &known);
    if (known) continue;
    c->status = ap_fail(c->err, c->code, "%s:%d: unknown section [%s]", e->file,
                        e->sections[i].line, e->sections[i].name);
  }
  for (size_t i = 0; i < e->count && !c->status; i++) {
    const ap_entry *entry = &e->entries[i];
    char where[300];
    if (find_rule(entry->section, entry->key, &known)) continue;
    place(c, entry, where, sizeof where);
    c->status =
        ap_fail(c->err, c->code, "%s: [%s] has no key '%s'", where, entry->section, entry->key);
  }
}

static void component(compiler *c, ap_part part, ap_component *out) {
  char section[64];
  (void)snprintf(section, sizeof section, COMPONENT_PREFIX "%s", parts[part].name);
  out->level = (ap_level)get(c, section, "level");
  out->count = get(c, section, "count");
  out->shared_by = get(c, section, "shared_by");
  out->area_mm2 = get(c, section, "area_mm2");
  out->power_mw = get(c, section, "power_mw");
  out->energy_pj = get(c, section, "energy_pj");
  out->node_nm = get(c, section, "node_nm");
  out->evidence = (ap_evidence)get(c, section, "evidence");
  out->energy_evidence = (ap_evidence)get(c, section, "energy_evidence");
  out->scaling = (ap_scaling)get(c, section, "scaling");
  out->source = get_text(c, section, "source");
  out->energy_source = get_text(c, section, "energy_source");
  if (c->status) return;
  if (out->level != parts[part].level) {
    static const char *const levels[] = {"ima", "tile", "chip", "added"};
    refuse(c, find(c, section, "level"), levels[parts[part].level]);
  } else if (out->scaling != parts[part].scaling) {
    static const char *const laws[] = {"unit", "share", "converter"};
    refuse(c, find(c, section, "scaling"), laws[parts[part].scaling]);
  } else if (out->scaling != AP_SCALING_SHARE && out->shared_by != 1.0) {
    refuse(c, find(c, section, "shared_by"),
           part == AP_PART_ADC ? "1 (converters that crossbars share: model.adcs_per_crossbar)"
                               : "1 for a part that scales by units");
  } else if (out->level == AP_LEVEL_ADDED && out->power_mw != 0.0) {
    refuse(c, find(c, section, "power_mw"), "0 for a part that the chip's table does not have");
  }
}

static void array(compiler *c, ap_array_spec *out) {
  ap_error inner = {0};
  out->rows = (size_t)get(c, "array", "rows");
  out->cols = (size_t)get(c, "array", "cols");
  out->ou_rows = (size_t)get(c, "array", "ou_rows");
  out->ou_cols = (size_t)get(c, "array", "ou_cols");
  out->cell_bits = (unsigned)get(c, "array", "cell_bits");
  out->weight_bits = (unsigned)get(c, "array", "weight_bits");
  out->activation_bits = (unsigned)get(c, "array", "activation_bits");
  out->dac_bits = (unsigned)get(c, "array", "dac_bits");
  out->adc_bits = (unsigned)get(c, "array", "adc_bits");
  out->flip = get(c, "array", "flip") != 0.0;
  out->encoding = (ap_encoding)get(c, "array", "encoding");
  out->slices = (ap_slices)get(c, "array", "slices");
  if (!c->status && ap_array_spec_check(out, &inner)) {
    char where[300];
    bool wide = out->ou_cols > out->cols && out->ou_rows <= out->rows;
    place(c, find(c, "array", wide ? "ou_cols" : "ou_rows"), where, sizeof where);
    c->status = ap_fail(c->err, c->code, "%s: [array] %s", where, inner.text);
  }
}

static void check_adc(compiler *c, const ap_tech_values *v) {
  ap_error inner = {0};
  double factor = 0.0;
  char where[300];
  if (c->status) return;
  if (!ap_adc_law_energy(v->adc_law, ap_array_adc_bits(&v->array), v->adc_reference_bits, &factor,
                         &inner)) {
    return;
  }
  place(c, find(c, "model", "adc_law"), where, sizeof where);
  c->status = ap_fail(c->err, c->code, "%s: [model] %s", where, inner.text);
}

ap_status ap_tech_compile(const ap_entries *entries, ap_status code, ap_tech_values *out,
                          ap_error *err) {
  compiler c = {.entries = entries, .code = code, .err = err};
  memset(out, 0, sizeof *out);
  check_names(&c);
  out->name = get_text(&c, "technology", "name");
  (void)get_text(&c, "technology", "description");
  array(&c, &out->array);
  out->adc_law = (ap_adc_law)get(&c, "model", "adc_law");
  out->adc_reference_bits = (unsigned)get(&c, "model", "adc_reference_bits");
  out->adcs_per_crossbar = get(&c, "model", "adcs_per_crossbar");
  out->array_cycle_ns = get(&c, "timing", "array_cycle_ns");
  out->adc_rate_gsps = get(&c, "timing", "adc_rate_gsps");
  out->write_row_ns = get(&c, "timing", "write_row_ns");
  out->tiles = get(&c, "chip", "tiles");
  out->imas_per_tile = get(&c, "chip", "imas_per_tile");
  out->arrays_per_ima = get(&c, "chip", "arrays_per_ima");
  for (int i = 0; i < (int)AP_PART_COUNT && !c.status; i++) {
    component(&c, (ap_part)i, &out->components[i]);
  }
  check_adc(&c, out);
  return c.status;
}

json_t *ap_entries_to_json(const ap_entries *entries) {
  json_t *root = json_object();
  for (size_t i = 0; root && i < entries->count; i++) {
    const ap_entry *entry = &entries->entries[i];
    json_t *section = json_object_get(root, entry->section);
    json_t *value = NULL;
    double number = 0.0;
    bool known = false;
    const rule *r = find_rule(entry->section, entry->key, &known);
    if (!section) {
      section = json_object();
      if (json_object_set_new(root, entry->section, section)) goto failed;
    }
    if (r && r->kind == KIND_INTEGER && number_of(entry->value, &number)) {
      value = json_integer((json_int_t)number);
    } else if (r && r->kind == KIND_NUMBER && number_of(entry->value, &number)) {
      value = json_real(number);
    } else {
      value = json_string(entry->value);
    }
    if (json_object_set_new(section, entry->key, value)) goto failed;
  }
  return root;
failed:
  json_decref(root);
  return NULL;
}
