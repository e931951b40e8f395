#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/given_impl.h"

/* Seconds on two cores like those of docs/PAPER.md, a million multiply-adds of an image: between those of
 * resnet20 and vgg16. Time left begins with it and then follows the machine. */
#define UNIFORM_SECONDS 2.0
#define SEARCH_SECONDS 2.5

/* The names of files may hold anything; those of tables and figures are one word. */
static void name_of(const char *path, char name[AP_GIVEN_NAME]) {
  static const char *const endings[] = {".apm", ".onnx"};
  const char *slash = strrchr(path, '/');
  size_t length;
  (void)snprintf(name, AP_GIVEN_NAME - 8, "%s", slash ? slash + 1 : path);
  length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    const size_t end = strlen(endings[i]);
    if (length > end && strcmp(name + length - end, endings[i]) == 0) name[length - end] = '\0';
  }
  for (char *c = name; *c; c++) {
    if ((unsigned char)*c <= ' ' || strchr("\"'`,;|\\{}^@&", *c)) *c = '_';
  }
  if (!name[0]) (void)snprintf(name, AP_GIVEN_NAME, "model");
}

static bool taken(const ap_given_network *given, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(given[i].name, name) == 0) return true;
  }
  return false;
}

static void name_apart(ap_given_network *given, size_t i, const char *path) {
  char plain[AP_GIVEN_NAME];
  name_of(path, plain);
  (void)snprintf(given[i].name, sizeof given[i].name, "%s", plain);
  for (size_t number = 2; taken(given, i, given[i].name); number++) {
    (void)snprintf(given[i].name, sizeof given[i].name, "%.*s-%zu", AP_GIVEN_NAME - 24, plain,
                   number);
  }
}

ap_status ap_given_open(const ap_compare_options *o, ap_given_network **out, ap_error *err) {
  ap_given_network *given;
  *out = NULL;
  if (!o->data) {
    return ap_fail(err, AP_ERR_ARG, "%s: the data set that it classifies is expected with it",
                   o->models[0].path);
  }
  if (o->networks || o->train) {
    return ap_fail(
        err, AP_ERR_ARG,
        "%s: models are compared in place of the suite's networks, as they are; %s",
        o->models[0].path,
        o->networks ? "names of networks do not go with them" : "training does not go with them");
  }
  given = ap_calloc(o->n_models, sizeof *given);
  if (!given) return ap_fail(err, AP_ERR_MEMORY, "%zu models", o->n_models);
  for (size_t i = 0; i < o->n_models; i++) {
    const double macs = (double)ap_network_macs(o->models[i].net) / 1e6;
    name_apart(given, i, o->models[i].path);
    given[i].entry = (ap_suite_network){.network = given[i].name,
                                        .data = o->data,
                                        .given = o->models[i].net,
                                        .hardware = "ou",
                                        .tune_lr = 0.005,
                                        .weight_decay = 5e-4,
                                        .episodes = 400,
                                        .search_images = 1000,
                                        .uniform_seconds = 5 + UNIFORM_SECONDS * macs,
                                        .search_seconds = 10 + SEARCH_SECONDS * macs};
  }
  *out = given;
  return AP_OK;
}
