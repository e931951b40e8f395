#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "bench/cell_check_impl.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define EPISODE_COLUMNS 10 /* bench/family_impl.h */

typedef struct {
  const char *name;
  double lo, hi;
} range;

static ap_status check_numbers(const json_t *object, const range *list, size_t n, const char *where,
                               ap_error *err) {
  ap_status st = AP_OK;
  double value;
  for (size_t i = 0; i < n && !st; i++) {
    st = ap_json_number(object, list[i].name, list[i].lo, list[i].hi, where, &value, err);
  }
  return st;
}

/* Names are those of the configuration, which was found to be the right one. */
static ap_status check_names(const json_t *cell, const char *hash, const char *where,
                             ap_error *err) {
  static const char *const names[] = {"network", "data", "method"};
  const json_t *config = json_object_get(cell, "config");
  const char *text;
  ap_status st = ap_json_string(cell, "hash", where, &text, err);
  if (!st && strcmp(text, hash) != 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"hash\" is not its configuration's", where);
  }
  for (size_t i = 0; i < COUNT(names) && !st; i++) {
    st = ap_json_string(cell, names[i], where, &text, err);
    if (!st && !json_equal(json_object_get(cell, names[i]), json_object_get(config, names[i]))) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is '%.60s', in its configuration '%.60s'",
                   where, names[i], text, json_string_value(json_object_get(config, names[i])));
    }
  }
  return st;
}

static ap_status check_price(const json_t *price, const char *where, ap_error *err) {
  static const range numbers[] = {{"area_mm2", 0, INFINITY}, {"energy_uj", 0, INFINITY}};
  return check_numbers(price, numbers, COUNT(numbers), where, err);
}

static ap_status check_law(const json_t *law, const char *where, ap_error *err) {
  const char *name;
  ap_status st = ap_json_string(law, "law", where, &name, err);
  return st ? st : check_price(law, where, err);
}

static ap_status check_layer(const json_t *layer, const char *where, ap_error *err) {
  static const range numbers[] = {{"vectors", 0, INFINITY},   {"vectors_kept", 0, INFINITY},
                                  {"weights", 0, INFINITY},   {"weights_kept", 0, INFINITY},
                                  {"crossbars", 0, INFINITY}, {"crossbars_dense", 0, INFINITY}};
  const char *name;
  ap_status st = ap_json_string(layer, "name", where, &name, err);
  return st ? st : check_numbers(layer, numbers, COUNT(numbers), where, err);
}

static ap_status check_total(const json_t *total, const char *where, ap_error *err) {
  static const range numbers[] = {{"weights", 0, INFINITY},    {"weights_kept", 0, INFINITY},
                                  {"macs", 0, INFINITY},       {"macs_kept", 0, INFINITY},
                                  {"ous", 0, INFINITY},        {"crossbars", 0, INFINITY},
                                  {"index_bits", 0, INFINITY}, {"crossbars_dense", 0, INFINITY},
                                  {"latency_us", 0, INFINITY}};
  const char *name;
  json_t *part;
  ap_status st = check_numbers(total, numbers, COUNT(numbers), where, err);
  if (!st) st = check_price(total, where, err);
  json_object_foreach(json_object_get(total, "components"), name, part) {
    if (!st) st = check_price(part, where, err);
    if (st) return ap_fail_context(err, st, "component %s", name);
  }
  return st;
}

static ap_status check_tuning(const json_t *tuning, const char *where, ap_error *err) {
  static const range numbers[] = {
      {"crossbars", 0, INFINITY}, {"oneshot_accuracy_search", 0, 1}, {"accuracy_selection", 0, 1}};
  ap_status st = check_numbers(tuning, numbers, COUNT(numbers), where, err);
  if (!st && !json_is_boolean(json_object_get(tuning, "accepted"))) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: member \"accepted\" is not true or false", where);
  }
  return st;
}

/* [crossbars, accuracy]. */
static ap_status check_front(const json_t *point, const char *where, ap_error *err) {
  const json_t *crossbars = json_array_get(point, 0), *accuracy = json_array_get(point, 1);
  if (json_array_size(point) == 2 && json_is_number(crossbars) && json_is_number(accuracy) &&
      json_number_value(crossbars) >= 0 && json_number_value(accuracy) >= 0 &&
      json_number_value(accuracy) <= 1) {
    return AP_OK;
  }
  return ap_fail(err, AP_ERR_FORMAT, "%s: crossbars and an accuracy of 0 to 1 are expected", where);
}

static ap_status check_episode(const json_t *episode, const char *where, ap_error *err) {
  bool sound = json_array_size(episode) == EPISODE_COLUMNS;
  for (size_t i = 0; i < json_array_size(episode); i++) {
    const json_t *value = json_array_get(episode, i);
    sound = sound && (json_is_number(value) || json_is_null(value));
  }
  return sound ? AP_OK
               : ap_fail(err, AP_ERR_FORMAT, "%s: %d numbers are expected", where, EPISODE_COLUMNS);
}

typedef ap_status check(const json_t *item, const char *where, ap_error *err);

/* All items of an array. */
static ap_status check_each(const json_t *object, const char *member, check *one, const char *where,
                            ap_error *err) {
  const json_t *list;
  ap_status st = ap_json_array(object, member, where, &list, err);
  for (size_t i = 0; !st && i < json_array_size(list); i++) {
    char *place = ap_sprintf("%s: %s[%zu]", where, member, i);
    st = place ? one(json_array_get(list, i), place, err) : ap_fail(err, AP_ERR_MEMORY, "a cell");
    ap_free(place);
  }
  return st;
}

static ap_status check_hardware(const json_t *cell, const char *path, ap_error *err) {
  const json_t *hardware = json_object_get(cell, "hardware");
  char *where = ap_sprintf("%s: hardware", path), *total = ap_sprintf("%s: hardware.total", path);
  ap_status st = where && total ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "a cell");
  if (!st) st = check_each(hardware, "layers", check_layer, where, err);
  if (!st) st = check_total(json_object_get(hardware, "total"), total, err);
  ap_free(where);
  ap_free(total);
  return st;
}

/* What the bisection, and the search before it, left. */
static ap_status check_search(const json_t *cell, const char *where, ap_error *err) {
  static const range numbers[] = {{"oneshot_accuracy_search", 0, 1},
                                  {"oneshot_loss_search", -1, 1},
                                  {"oneshot_accuracy_selection", 0, 1}};
  const json_t *episodes = json_object_get(json_object_get(cell, "config"), "episodes");
  ap_status st = check_numbers(cell, numbers, COUNT(numbers), where, err);
  if (!st) st = check_each(cell, "tunings", check_tuning, where, err);
  if (!st) st = check_each(cell, "front", check_front, where, err);
  if (!st && json_integer_value(episodes) > 0) {
    st = check_each(cell, "episodes", check_episode, where, err);
  }
  return st;
}

ap_status ap_cell_check(const json_t *cell, const char *hash, const char *path, ap_error *err) {
  static const range numbers[] = {
      {"accuracy_selection", 0, 1}, {"accuracy_test", 0, 1}, {"seconds", 0, INFINITY}};
  ap_status st = check_names(cell, hash, path, err);
  if (!st) st = check_numbers(cell, numbers, COUNT(numbers), path, err);
  if (!st) st = check_each(cell, "laws", check_law, path, err);
  if (!st) st = check_hardware(cell, path, err);
  if (!st && json_is_string(json_object_get(json_object_get(cell, "config"), "searcher"))) {
    st = check_search(cell, path, err);
  }
  return st;
}
