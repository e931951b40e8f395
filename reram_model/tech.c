#include "reram_model/tech.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/provenance.h"
#include "reram_model/tech_impl.h"

#define MAX_FILE_BYTES ((size_t)1 << 20)

struct ap_tech {
  ap_entries entries;
  ap_tech_values values;
};

ap_status ap_tech_parse(const char *text, size_t size, const char *name, ap_tech **out,
                        ap_error *err) {
  ap_status st = AP_OK;
  ap_tech *tech = ap_calloc(1, sizeof *tech);
  *out = NULL;
  if (!tech) return ap_fail(err, AP_ERR_MEMORY, "technology");
  st = ap_entries_parse(text, size, name, &tech->entries, err);
  if (!st) st = ap_tech_compile(&tech->entries, AP_ERR_FORMAT, &tech->values, err);
  if (!st) {
    *out = tech;
    tech = NULL;
  }
  ap_tech_close(tech);
  return st;
}

ap_status ap_tech_open(const char *name_or_path, ap_tech **out, ap_error *err) {
  ap_status st = AP_OK;
  char *data = NULL;
  size_t size = 0;
  *out = NULL;
  for (size_t i = 0; i < ap_n_presets; i++) {
    if (strcmp(name_or_path, ap_presets[i].name) == 0) {
      return ap_tech_parse((const char *)ap_presets[i].text, ap_presets[i].size, name_or_path, out,
                           err);
    }
  }
  if (!strchr(name_or_path, '/') && !strchr(name_or_path, '.')) {
    return ap_fail(err, AP_ERR_ARG,
                   "technology '%s' is not a preset (isaac, ou, sre) nor the path of an .ini file",
                   name_or_path);
  }
  st = ap_file_read(name_or_path, MAX_FILE_BYTES, &data, &size, err);
  if (!st) st = ap_tech_parse(data, size, name_or_path, out, err);
  ap_free(data);
  return st;
}

ap_status ap_tech_clone(const ap_tech *tech, ap_tech **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_tech *copy = ap_calloc(1, sizeof *copy);
  *out = NULL;
  if (!copy) return ap_fail(err, AP_ERR_MEMORY, "technology");
  st = ap_entries_clone(&tech->entries, &copy->entries, err);
  if (!st) st = ap_tech_compile(&copy->entries, AP_ERR_INTERNAL, &copy->values, err);
  if (!st) {
    *out = copy;
    copy = NULL;
  }
  ap_tech_close(copy);
  return st;
}

void ap_tech_close(ap_tech *tech) {
  if (!tech) return;
  ap_entries_release(&tech->entries);
  ap_free(tech);
}

/* Splits at the last point: sections may hold points, keys do not. */
static ap_entry *entry_named(ap_entries *entries, const char *name) {
  const char *dot = strrchr(name, '.');
  if (!dot) return NULL;
  for (size_t i = 0; i < entries->count; i++) {
    ap_entry *entry = &entries->entries[i];
    if (strcmp(entry->key, dot + 1) == 0 && strlen(entry->section) == (size_t)(dot - name) &&
        strncmp(entry->section, name, (size_t)(dot - name)) == 0) {
      return entry;
    }
  }
  return NULL;
}

static ap_status change_entry(ap_entries *entries, const ap_tech_change *change, ap_error *err) {
  ap_entry *entry = entry_named(entries, change->name);
  char *text;
  if (!entry) {
    return ap_fail(err, AP_ERR_ARG, "%s: the technology has no value '%.80s'", entries->file,
                   change->name);
  }
  text = ap_strdup(change->value);
  if (!text) return ap_fail(err, AP_ERR_MEMORY, "technology value");
  ap_free(entry->value);
  entry->value = text;
  entry->line = 0;
  return AP_OK;
}

ap_status ap_tech_override_all(ap_tech *tech, const ap_tech_change *changes, size_t n,
                               ap_error *err) {
  ap_entries changed = {0};
  ap_tech_values values;
  ap_status st = ap_entries_clone(&tech->entries, &changed, err);
  for (size_t i = 0; i < n && !st; i++) st = change_entry(&changed, &changes[i], err);
  if (!st) st = ap_tech_compile(&changed, AP_ERR_ARG, &values, err);
  if (!st) {
    ap_entries_release(&tech->entries);
    tech->entries = changed;
    tech->values = values;
    memset(&changed, 0, sizeof changed);
  }
  ap_entries_release(&changed);
  return st;
}

ap_status ap_tech_override(ap_tech *tech, const char *name, const char *value, ap_error *err) {
  return ap_tech_override_all(tech, &(ap_tech_change){name, value}, 1, err);
}

const char *ap_tech_name(const ap_tech *tech) { return tech->values.name; }
const ap_array_spec *ap_tech_array(const ap_tech *tech) { return &tech->values.array; }
const ap_component *ap_tech_component(const ap_tech *tech, ap_part part) {
  return &tech->values.components[part];
}
ap_adc_law ap_tech_adc_law(const ap_tech *tech) { return tech->values.adc_law; }
unsigned ap_tech_adc_reference_bits(const ap_tech *tech) { return tech->values.adc_reference_bits; }
double ap_tech_array_cycle_ns(const ap_tech *tech) { return tech->values.array_cycle_ns; }
double ap_tech_adc_rate_gsps(const ap_tech *tech) { return tech->values.adc_rate_gsps; }
double ap_tech_adcs_per_crossbar(const ap_tech *tech) { return tech->values.adcs_per_crossbar; }
double ap_tech_write_ns(const ap_tech *tech) { return tech->values.write_row_ns; }
double ap_tech_tiles(const ap_tech *tech) { return tech->values.tiles; }
double ap_tech_imas_per_tile(const ap_tech *tech) { return tech->values.imas_per_tile; }
double ap_tech_arrays_per_ima(const ap_tech *tech) { return tech->values.arrays_per_ima; }

size_t ap_tech_preset_count(void) { return ap_n_presets; }
const char *ap_tech_preset_name(size_t index) {
  return index < ap_n_presets ? ap_presets[index].name : NULL;
}

json_t *ap_tech_to_json(const ap_tech *tech) { return ap_entries_to_json(&tech->entries); }

ap_status ap_tech_hash(const ap_tech *tech, char text[65], ap_error *err) {
  ap_status st = AP_OK;
  json_t *config = ap_tech_to_json(tech);
  text[0] = '\0';
  if (!config) return ap_fail(err, AP_ERR_MEMORY, "technology as JSON");
  st = ap_config_hash(config, text, err);
  json_decref(config);
  return st;
}
