#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/methods_impl.h"
#include "pruners/baseline.h"

#define MAX_NAMES 64 /* methods or networks of one comparison */
#define NAME 64

const ap_suite_method ap_quick_methods[AP_N_QUICK_METHODS] = {
    {.name = "dense", .pruner = "dense"},
    {.name = "filter", .pruner = "filter", .searcher = "uniform"},
    {.name = "pim-prune", .pruner = "block", .searcher = "uniform"},
    {.name = "row-vector", .pruner = "row-vector", .searcher = "uniform"},
    {.name = "column-vector", .pruner = "column-vector", .searcher = "uniform"},
    {.name = "random", .pruner = "column-vector", .searcher = "random"},
    {.name = "auto-prune", .pruner = "column-vector", .searcher = "ddpg"},
};

bool ap_method_searches(const ap_suite_method *method) {
  return method->searcher && strcmp(method->searcher, "uniform") != 0 &&
         strcmp(method->searcher, "global") != 0;
}

static ap_suite_method of_baseline(const ap_baseline *b) {
  return (ap_suite_method){
      .name = b->name, .pruner = b->pruner, .searcher = b->allocation, .reward = b->reward};
}

ap_status ap_method_find(const char *name, ap_suite_method *out, ap_error *err) {
  const ap_baseline *b = ap_baseline_find(name);
  char known[600] = "";
  size_t used = 0;
  memset(out, 0, sizeof *out);
  if (b) {
    *out = of_baseline(b);
    return AP_OK;
  }
  for (size_t i = 0; (b = ap_baseline_at(i)) && used < sizeof known; i++) {
    int n = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", b->name);
    used += n > 0 ? (size_t)n : 0;
  }
  return ap_fail(err, AP_ERR_ARG, "unknown method '%.40s': one of %s is expected", name, known);
}

/* Takes the next name of a list with commas; false at its end. */
static bool next_name(const char **list, char name[NAME], bool *bad) {
  size_t n = strcspn(*list, ",");
  *bad = false;
  if (!**list) return false;
  *bad = n == 0 || n >= NAME;
  (void)snprintf(name, NAME, "%.*s", (int)n, *list);
  *list += n;
  if (**list == ',') {
    ++*list;
    *bad = *bad || !**list; /* nothing behind a comma */
  }
  return true;
}

static bool has_method(const ap_suite *s, const char *name) {
  for (size_t i = 0; i < s->n_methods; i++) {
    if (strcmp(s->methods[i].name, name) == 0) return true;
  }
  return false;
}

/* Room for MAX_NAMES. */
static ap_status add_method(ap_suite *s, ap_suite_method *list, const ap_suite_method *method,
                            ap_error *err) {
  if (s->n_methods == MAX_NAMES) {
    return ap_fail(err, AP_ERR_ARG, "methods: at most %d are expected", MAX_NAMES);
  }
  list[s->n_methods++] = *method;
  return AP_OK;
}

/* What a searched method looks to: the uniform one of the same pruner, if there is one. */
static ap_status add_uniform_of(ap_suite *s, ap_suite_method *list, const ap_suite_method *method,
                                ap_error *err) {
  const ap_baseline *b;
  if (!ap_method_searches(method)) return AP_OK;
  for (size_t i = 0; (b = ap_baseline_at(i)); i++) {
    ap_suite_method uniform = of_baseline(b);
    if (!uniform.searcher || strcmp(uniform.searcher, "uniform") != 0) continue;
    if (strcmp(uniform.pruner, method->pruner) != 0) continue;
    return has_method(s, uniform.name) ? AP_OK : add_method(s, list, &uniform, err);
  }
  return AP_OK;
}

/* Was it asked for before this place of the list? */
static bool named_before(const char *names, const char *end, const char *name) {
  char earlier[NAME];
  bool bad;
  while (names < end && next_name(&names, earlier, &bad)) {
    if (names <= end && strcmp(earlier, name) == 0) return true;
  }
  return false;
}

static ap_status choose_methods(const char *names, ap_suite *out, ap_error *err) {
  ap_suite_method *list = ap_calloc(MAX_NAMES, sizeof *list);
  const char *rest = names, *at = names;
  char name[NAME];
  bool bad;
  ap_suite_method method;
  ap_status st = list ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "methods");
  out->methods = list;
  out->n_methods = 0;
  if (!st) st = ap_method_find("dense", &method, err);
  if (!st) st = add_method(out, list, &method, err);
  while (!st && next_name(&rest, name, &bad)) {
    if (bad) {
      st = ap_fail(err, AP_ERR_ARG, "methods '%.100s': names with commas between them are expected",
                   names);
      break;
    }
    st = ap_method_find(name, &method, err);
    if (!st && named_before(names, at, name)) {
      st = ap_fail(err, AP_ERR_ARG, "method '%s' is given twice", name);
    }
    if (!st) st = add_uniform_of(out, list, &method, err);
    if (!st && !has_method(out, name)) st = add_method(out, list, &method, err);
    at = rest;
  }
  return st;
}

static ap_status unknown_network(const ap_suite *suite, const char *name, ap_error *err) {
  char known[300] = "";
  size_t used = 0;
  for (size_t i = 0; i < suite->n_networks && used < sizeof known; i++) {
    int n = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                     suite->networks[i].network);
    used += n > 0 ? (size_t)n : 0;
  }
  return ap_fail(err, AP_ERR_ARG, "suite %s has no network '%.40s': names of %s are expected",
                 suite->name, name, known);
}

static ap_status choose_networks(const ap_suite *suite, const char *names, ap_suite *out,
                                 ap_error *err) {
  ap_suite_network *list = ap_calloc(suite->n_networks, sizeof *list);
  const char *rest = names;
  char name[NAME];
  bool bad;
  if (!list) return ap_fail(err, AP_ERR_MEMORY, "networks");
  out->networks = list;
  out->n_networks = 0;
  while (next_name(&rest, name, &bad)) {
    size_t i = 0;
    while (i < suite->n_networks && strcmp(suite->networks[i].network, name) != 0) i++;
    if (bad || i == suite->n_networks) return unknown_network(suite, name, err);
    for (size_t j = 0; j < out->n_networks; j++) {
      if (strcmp(list[j].network, name) != 0) continue;
      return ap_fail(err, AP_ERR_ARG, "network '%s' is given twice", name);
    }
    list[out->n_networks++] = suite->networks[i];
  }
  return AP_OK;
}

/* A copy of an array of n items; NULL out of memory. */
static void *copy(const void *items, size_t n, size_t size) {
  void *own = ap_calloc(n, size);
  if (own) memcpy(own, items, n * size);
  return own;
}

ap_status ap_suite_choose(const ap_suite *suite, const char *methods, const char *networks,
                          ap_suite *out, ap_error *err) {
  ap_status st = AP_OK;
  *out = *suite;
  out->methods = NULL;
  out->networks = NULL;
  if (methods) {
    st = choose_methods(methods, out, err);
  } else {
    out->methods = copy(suite->methods, suite->n_methods, sizeof *suite->methods);
    if (!out->methods) st = ap_fail(err, AP_ERR_MEMORY, "methods");
  }
  if (!st && networks) {
    st = choose_networks(suite, networks, out, err);
  } else if (!st) {
    out->networks = copy(suite->networks, suite->n_networks, sizeof *suite->networks);
    if (!out->networks) st = ap_fail(err, AP_ERR_MEMORY, "networks");
  }
  if (st) ap_suite_release(out);
  return st;
}

/* A chosen suite's lists are its own, const or not. */
static void free_list(const void *list) {
  void *own;
  memcpy(&own, &list, sizeof own);
  ap_free(own);
}

void ap_suite_release(ap_suite *suite) {
  free_list(suite->methods);
  free_list(suite->networks);
  memset(suite, 0, sizeof *suite);
}
