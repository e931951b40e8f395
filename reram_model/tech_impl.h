/* reram_model/tech_impl.h - inside the room: a technology file as text entries, and their meaning.
 */
#ifndef AP_RERAM_MODEL_TECH_IMPL_H
#define AP_RERAM_MODEL_TECH_IMPL_H
#include <stddef.h>

#include "reram_model/tech.h"

typedef struct {
  const char *name;
  const unsigned char *text;
  size_t size;
} ap_preset;
extern const ap_preset ap_presets[]; /* made from presets/ by CMake */
extern const size_t ap_n_presets;

/* One "key = value" of a file; all text is owned. line 0: set by an override. */
typedef struct {
  char *section, *key, *value;
  int line;
} ap_entry;

typedef struct {
  char *name; /* owned */
  int line;   /* of its heading */
} ap_section;

typedef struct {
  char *file; /* for messages; owned */
  ap_section *sections;
  size_t n_sections;
  ap_entry *entries;
  size_t count, capacity;
} ap_entries;

/* Reads ini text. FORMAT with file and line: no section, broken line, double section or key, line
 * too long. On error *out is empty. Whether the names are known is not looked at. */
ap_status ap_entries_parse(const char *text, size_t size, const char *name, ap_entries *out,
                           ap_error *err);
ap_status ap_entries_clone(const ap_entries *from, ap_entries *out, ap_error *err);
void ap_entries_release(ap_entries *entries);

/* What the entries mean. */
typedef struct {
  const char *name; /* text of the entries */
  ap_array_spec array;
  ap_component components[AP_PART_COUNT];
  ap_adc_law adc_law;
  unsigned adc_reference_bits;
  double adcs_per_crossbar;
  double array_cycle_ns, adc_rate_gsps, write_row_ns;
  double tiles, imas_per_tile, arrays_per_ima;
} ap_tech_values;

/* Fills *out from entries that hold exactly the known names with fitting values; text pointers lead
 * into the entries. `code` is the status of a failure. */
ap_status ap_tech_compile(const ap_entries *entries, ap_status code, ap_tech_values *out,
                          ap_error *err);
/* A new object of sections with typed values, in the order of the file; NULL out of memory. */
json_t *ap_entries_to_json(const ap_entries *entries);

#endif
