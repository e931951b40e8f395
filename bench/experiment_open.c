/* What an experiment consists of: methods, networks and seeds that were asked for, or a refusal. */
#include <stdio.h>
#include <string.h>

#include "agent/searcher.h"
#include "base/alloc.h"
#include "base/file.h"
#include "bench/experiment_impl.h"
#include "bench/methods_impl.h"
#include "bench/trained_impl.h"

#define MOST_SEEDS 100

static bool name_taken(const ap_experiment *e, const char *name) {
  for (size_t i = 0; i < e->n_methods; i++) {
    if (strcmp(e->methods[i].method.name, name) == 0) return true;
  }
  return false;
}

/* Do both give the same answers for the same vectors, whatever they are called? */
static bool same_pruner(const ap_pruner *a, const ap_pruner *b) {
  json_t *one = ap_plugin_to_json(&a->plugin), *other = ap_plugin_to_json(&b->plugin);
  bool same = json_equal(one, other) && a->plugin.kind != AP_PLUGIN_NONE;
  char text[2][96];
  ap_pruner_print(a, text[0]);
  ap_pruner_print(b, text[1]);
  json_decref(one);
  json_decref(other);
  return same && strcmp(text[0], text[1]) == 0;
}

/* The pruner's label; where that is taken, with some of a plug-in's hash, or with its granularity, behind it. */
static ap_status name_extra(const ap_experiment *e, ap_experiment_method *m, const char *text,
                            ap_error *err) {
  const char *label = ap_pruner_label(&m->pruner);
  char hash[12], granularity[96];
  const char *const behind[] = {"", hash, granularity};
  const size_t n = m->pruner.plugin.kind == AP_PLUGIN_NONE ? 1 : 3;
  (void)snprintf(hash, sizeof hash, "-%.8s", m->pruner.plugin.sha256);
  granularity[0] = '-';
  ap_granularity_print(m->pruner.granularity, granularity + 1);
  for (size_t i = 0; i < e->n_methods; i++) {
    if (!same_pruner(&e->methods[i].pruner, &m->pruner)) continue;
    return ap_fail(err, AP_ERR_ARG, "pruner '%.200s' is given twice (it is %s, too)", text,
                   e->methods[i].method.name);
  }
  for (size_t i = 0; i < n; i++) {
    (void)snprintf(m->name, sizeof m->name, "%s%s", label, behind[i]);
    for (char *c = m->name; *c; c++) { /* the figures take names for words */
      if (*c == ' ' || *c == '\t' || *c == '"' || *c == '\'') *c = '_';
    }
    if (!name_taken(e, m->name)) return AP_OK;
  }
  return ap_fail(err, AP_ERR_ARG, "pruner '%.200s': a method %s is compared already", text,
                 m->name);
}

/* A plug-in that crashes when it is loaded has failed; one that is none is refused. */
static ap_status open_extra(ap_experiment *e, const char *text, ap_error *err) {
  ap_experiment_method *m = &e->methods[e->n_methods];
  ap_error why = {0};
  ap_status st = ap_pruner_parse(text, &m->pruner, &why);
  if (st == AP_ERR_PLUGIN) {
    (void)snprintf(m->failed, sizeof m->failed, "%s", why.text);
  } else if (st) {
    if (err) *err = why;
    return st;
  }
  st = name_extra(e, m, text, err);
  if (st) return st;
  m->pruner.plugin.time_limit = e->options->plugin_time_limit;
  m->method = (ap_suite_method){.name = m->name, .pruner = m->pruner.name, .searcher = "uniform"};
  e->n_methods++;
  for (size_t i = 0; i < e->options->n_searchers; i++) { /* the same levels, searched */
    ap_experiment_method *searched = &e->methods[e->n_methods++];
    *searched = *m;
    (void)snprintf(searched->name, sizeof searched->name, "%.200s+%.60s", m->name,
                   e->options->searchers[i]);
    searched->method.name = searched->name;
    searched->method.pruner = searched->pruner.name;
    searched->method.searcher = e->options->searchers[i];
  }
  return AP_OK;
}

static ap_status open_methods(ap_experiment *e, ap_error *err) {
  ap_status st = AP_OK;
  e->methods =
      ap_calloc(e->suite->n_methods + e->options->n_pruners * (1 + e->options->n_searchers),
                sizeof *e->methods);
  if (!e->methods) return ap_fail(err, AP_ERR_MEMORY, "methods");
  for (size_t i = 0; i < e->suite->n_methods && !st; i++) {
    ap_experiment_method *m = &e->methods[e->n_methods];
    m->method = e->suite->methods[i];
    st = ap_pruner_parse(m->method.pruner, &m->pruner, err);
    e->n_methods++;
  }
  for (size_t i = 0; i < e->options->n_pruners && !st; i++) {
    st = open_extra(e, e->options->pruners[i], err);
  }
  return st;
}

/* One line that says what is missing and how to get it. */
static ap_status skip(ap_experiment *e, const ap_suite_network *n, ap_error *err) {
  ap_suite_network own = *n;
  char *name, *text = NULL;
  if (e->options->data) own.data = e->options->data;
  name = ap_trained_name(&own);
  if (name) {
    text = ap_sprintf(
        "%s is left out: no checkpoint %s; get it with: autoprune train --net %s --data %s "
        "--epochs %g --lr %g --weight-decay %g --out %s/models/%s.apm",
        own.network, name, own.network, own.data, own.train_epochs, own.train_lr, own.weight_decay,
        e->options->out, name);
  }
  if (!text || json_array_append_new(e->skipped, json_string(text))) {
    ap_free(name);
    ap_free(text);
    return ap_fail(err, AP_ERR_MEMORY, "networks");
  }
  ap_free(name);
  ap_free(text);
  return AP_OK;
}

static ap_status open_given(ap_experiment *e, ap_error *err) {
  const ap_compare_options *o = e->options;
  ap_status st = ap_given_open(o, &e->given, err);
  if (st) return st;
  /* pointers are meant: NOLINTNEXTLINE(bugprone-sizeof-expression) */
  e->networks = ap_calloc(o->n_models, sizeof *e->networks);
  e->skipped = json_array();
  if (!e->networks || !e->skipped) return ap_fail(err, AP_ERR_MEMORY, "networks");
  for (size_t i = 0; i < o->n_models; i++) e->networks[e->n_networks++] = &e->given[i].entry;
  return AP_OK;
}

static ap_status open_networks(ap_experiment *e, ap_error *err) {
  const ap_compare_options *o = e->options;
  ap_status st = AP_OK;
  /* pointers are meant: NOLINTNEXTLINE(bugprone-sizeof-expression) */
  e->networks = ap_calloc(e->suite->n_networks, sizeof *e->networks);
  e->skipped = json_array();
  if (!e->networks || !e->skipped) return ap_fail(err, AP_ERR_MEMORY, "networks");
  for (size_t i = 0; i < e->suite->n_networks && !st; i++) {
    ap_suite_network own = e->suite->networks[i];
    ap_trained_place where;
    if (o->data) own.data = o->data;
    st = ap_trained_find(&own, o->out, o->train, &where, err);
    if (!st && where == AP_TRAINED_NOWHERE && e->suite->shipped_only && !o->train) {
      st = skip(e, &e->suite->networks[i], err);
    } else if (!st) {
      e->networks[e->n_networks++] = &e->suite->networks[i];
    }
  }
  if (!st && e->n_networks == 0) {
    st = ap_fail(err, AP_ERR_IO, "%s", json_string_value(json_array_get(e->skipped, 0)));
  }
  return st;
}

ap_status ap_experiment_open(const ap_compare_options *options, const json_t *provenance,
                             ap_experiment *out, ap_error *err) {
  ap_status st;
  memset(out, 0, sizeof *out);
  out->options = options;
  out->provenance = provenance;
  st = ap_suite_find(options->suite, &out->suite, err);
  if (!st) {
    st = ap_suite_choose(out->suite, options->methods, options->networks, &out->chosen, err);
  }
  out->suite = &out->chosen;
  for (size_t i = 0; i < options->n_searchers && !st; i++) {
    ap_search_options known;
    st = ap_search_options_default(options->searchers[i], &known, err);
  }
  if (!st && !(options->max_loss >= 0 && options->max_loss < 1)) {
    st = ap_fail(err, AP_ERR_ARG, "accuracy-loss limit %g: a fraction in 0..1 is expected",
                 options->max_loss);
  }
  if (!st && options->tune_epochs < 0) {
    st = ap_fail(err, AP_ERR_ARG, "%g epochs of fine-tuning: 0 or more are expected",
                 options->tune_epochs);
  }
  if (st) return st;
  out->seeds = options->seeds ? options->seeds : out->suite->seeds;
  if (out->seeds > MOST_SEEDS) {
    return ap_fail(err, AP_ERR_ARG, "%zu seeds: at most %d are expected", out->seeds, MOST_SEEDS);
  }
  st = open_methods(out, err);
  if (!st && options->draw && options->plots && !ap_dir_exists(options->plots)) {
    st = ap_fail(err, AP_ERR_IO, "%s: no such folder; gnuplot scripts are expected there",
                 options->plots);
  }
  if (!st) st = options->n_models ? open_given(out, err) : open_networks(out, err);
  if (st) return st;
  out->folder = ap_path_join(options->out, "cells");
  out->tunings_folder = ap_path_join(options->out, "tunings");
  if (!out->folder || !out->tunings_folder) return ap_fail(err, AP_ERR_MEMORY, "experiment");
  return AP_OK;
}

ap_status ap_experiment_head(const ap_experiment *e, json_t **head, ap_error *err) {
  *head = json_deep_copy(e->provenance);
  if (*head && !json_object_set_new(*head, "suite", json_string(e->suite->name)) &&
      !json_object_set_new(*head, "max_loss", json_real(e->options->max_loss)) &&
      (!json_array_size(e->skipped) || !json_object_set(*head, "left_out", e->skipped))) {
    return AP_OK;
  }
  json_decref(*head);
  *head = NULL;
  return ap_fail(err, AP_ERR_MEMORY, "provenance");
}

void ap_experiment_close(ap_experiment *e) {
  ap_data_store_close(&e->store);
  json_decref(e->skipped);
  ap_suite_release(&e->chosen);
  ap_free(e->methods);
  ap_free(e->networks);
  ap_free(e->given);
  ap_free(e->folder);
  ap_free(e->tunings_folder);
  memset(e, 0, sizeof *e);
}
