/* bench/cell_read_impl.h - reading values out of the cells of a comparison. */
#ifndef AP_BENCH_CELL_READ_IMPL_H
#define AP_BENCH_CELL_READ_IMPL_H
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* A number at a path such as "hardware.total.crossbars"; NAN where there is none. */
static inline double at(const json_t *object, const char *path) {
  while (object && *path) {
    char part[64];
    size_t n = strcspn(path, ".");
    if (n >= sizeof part) return NAN;
    memcpy(part, path, n);
    part[n] = 0;
    object = json_object_get(object, part);
    path += n + (path[n] == '.');
  }
  return json_is_number(object) ? json_number_value(object) : (double)NAN;
}

/* A member's text; empty where there is none. */
static inline const char *text(const json_t *cell, const char *member) {
  const char *value = json_string_value(json_object_get(cell, member));
  return value ? value : "";
}

/* Cells or rows of one method on one network (of any seed)? */
static inline bool same_method(const json_t *a, const json_t *b) {
  return strcmp(text(a, "network"), text(b, "network")) == 0 &&
         strcmp(text(a, "method"), text(b, "method")) == 0;
}

/* JSON has no NAN: null. */
static inline json_t *number_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}
#endif
