#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "bench/site_impl.h"
#include "bench/trained_impl.h"

void ap_data_store_close(ap_data_store *store) {
  for (size_t i = 0; i < store->n; i++) {
    ap_free(store->names[i]);
    ap_dataset_destroy(store->data[i]);
  }
  memset(store, 0, sizeof *store);
}

static ap_status open_data(ap_data_store *store, const char *name, ap_dataset **out,
                           ap_error *err) {
  ap_status st;
  for (size_t i = 0; i < store->n; i++) {
    *out = store->data[i];
    if (strcmp(store->names[i], name) == 0) return AP_OK;
  }
  *out = NULL;
  if (store->n == AP_STORE_MAX) {
    return ap_fail(err, AP_ERR_INTERNAL, "more than %d data sets", AP_STORE_MAX);
  }
  store->names[store->n] = ap_strdup(name);
  if (!store->names[store->n]) return ap_fail(err, AP_ERR_MEMORY, "data set");
  st = ap_dataset_open(name, &store->data[store->n], err);
  if (st) {
    ap_free(store->names[store->n]);
    return st;
  }
  *out = store->data[store->n++];
  return AP_OK;
}

/* The suite's hardware for a network. */
static ap_status open_standard(const ap_suite_network *network, ap_tech **out, ap_error *err) {
  const ap_tech_change sizes[] = {{"array.rows", network->rows},
                                  {"array.cols", network->cols},
                                  {"array.ou_rows", network->ou_rows},
                                  {"array.ou_cols", network->ou_cols}};
  ap_tech_change changes[sizeof sizes / sizeof sizes[0]];
  size_t n = 0;
  ap_status st = ap_tech_open(network->hardware, out, err);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    if (sizes[i].value) changes[n++] = sizes[i];
  }
  return st ? st : ap_tech_override_all(*out, changes, n, err);
}

/* What is asked for together has to fit, whatever stood there before. */
static ap_status change(const ap_site *site, ap_tech *tech, ap_error *err) {
  const size_t n = site->n_changes + site->n_sizes;
  ap_tech_change *changes = ap_calloc(n + 1, sizeof *changes);
  ap_status st = changes ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "hardware");
  for (size_t i = 0; i < n && !st; i++) {
    changes[i] = i < site->n_changes ? site->changes[i] : site->sizes[i - site->n_changes];
  }
  if (!st) st = ap_tech_override_all(tech, changes, n, err);
  ap_free(changes);
  return st;
}

static ap_status open_hardware(ap_site *site, ap_error *err) {
  char own[AP_SHA256_TEXT], standard[AP_SHA256_TEXT];
  ap_status st = open_standard(site->standard, &site->tech, err);
  if (!st) st = ap_tech_hash(site->tech, standard, err);
  if (!st && site->hardware) {
    ap_tech_close(site->tech);
    site->tech = NULL;
    st = ap_tech_open(site->hardware, &site->tech, err);
  }
  if (!st) st = change(site, site->tech, err);
  if (!st) st = ap_tech_hash(site->tech, own, err);
  if (!st) site->other_hardware = strcmp(own, standard) != 0;
  return st;
}

ap_status ap_site_open(ap_site *site, const ap_site_how *how, ap_data_store *store, ap_error *err) {
  ap_trained_place place;
  ap_dataset *data = NULL;
  ap_status st = open_data(store, site->entry.data, &data, err);
  if (!st) st = ap_trained_find(&site->entry, how->out, how->anew, &place, err);
  if (st) return st;
  site->shipped = place == AP_TRAINED_SHIPPED;
  st = ap_trained_network(&site->entry, data, how->out, how->backend, how->n_threads, how->anew,
                          how->quiet, how->provenance, &site->net, err);
  if (!st) st = open_hardware(site, err);
  if (!st) {
    st = ap_workbench_open(site->net, data, site->tech, how->backend, how->n_threads, &site->bench,
                           err);
  }
  return st;
}

void ap_site_close(ap_site *site) {
  ap_workbench_close(site->bench);
  ap_tech_close(site->tech);
  ap_network_destroy(site->net);
  site->bench = NULL;
  site->tech = NULL;
  site->net = NULL;
}
