#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "nn/dataset.h"
#include "nn/dataset_fetch.h"
#include "nn/dataset_places.h"

static const ap_command_info INFO = {
    .name = "data",
    .usage = "list | check NAME|DIR | fetch NAME",
    .summary = "Lists the known data sets, checks one, or downloads one into the user's cache.",
    .details =
        "Data sets are looked for under $AUTOPRUNE_DATA, ~/.cache/autoprune, "
        "/usr/local/share/datasets and\n/usr/share/datasets. A folder may hold IDX files "
        "(MNIST's names) or CIFAR-10 binary batches,\nplain, .gz or .xz. The splits are drawn with "
        "a fixed seed and are the same for everyone.",
    .examples =
        "  autoprune data list\n  autoprune data check fashion-mnist\n"
        "  autoprune data check ./my-images --json\n  autoprune data fetch cifar10",
    .min_positional = 1,
    .max_positional = 2};

static ap_status list_json(ap_error *err) {
  json_t *sets = json_array();
  bool good = sets != NULL;
  for (size_t i = 0; good && ap_dataset_known(i); i++) {
    const char *name = ap_dataset_known(i);
    char *dir = NULL;
    if (ap_dataset_find(name, &dir, NULL) != AP_OK) dir = NULL;
    good = json_array_append_new(sets, json_pack("{s:s,s:s?,s:s}", "name", name, "folder", dir,
                                                 "to_get_it", ap_dataset_advice(name))) == 0;
    ap_free(dir);
  }
  if (!good) {
    json_decref(sets);
    sets = NULL;
  }
  return ap_cli_print_json(sets ? json_pack("{s:o}", "data_sets", sets) : NULL, err);
}

static ap_status list_sets(const ap_cli *cli, ap_error *err) {
  char *text = NULL;
  ap_status st;
  if (cli->json) return list_json(err);
  st = ap_dataset_locations(&text, err);
  if (st) return st;
  (void)fputs(text, stdout);
  ap_free(text);
  return AP_OK;
}

static json_t *check_json(const ap_cli *cli, const ap_dataset *data, const float mean[4],
                          const float std[4]) {
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TRAIN);
  json_t *document = json_object(), *splits = json_object(), *means = json_array(),
         *stds = json_array();
  bool good = document && splits && means && stds;
  for (int s = 0; good && s < AP_SPLIT_COUNT; s++) {
    good = ap_cli_set(splits, ap_split_name((ap_split)s),
                      json_integer((json_int_t)ap_dataset_describe(data, (ap_split)s).n_images));
  }
  for (size_t c = 0; good && c < info.channels && c < 4; c++) {
    good = json_array_append_new(means, json_real((double)mean[c])) == 0 &&
           json_array_append_new(stds, json_real((double)std[c])) == 0;
  }
  good = good && ap_cli_set(document, "name", json_string(ap_dataset_name(data))) &&
         ap_cli_set(document, "hash", json_string(ap_dataset_hash(data))) &&
         ap_cli_set(document, "shape",
                    json_pack("[I,I,I]", (json_int_t)info.channels, (json_int_t)info.height,
                              (json_int_t)info.width)) &&
         ap_cli_set(document, "classes", json_integer((json_int_t)info.classes)) &&
         json_object_set(document, "images", splits) == 0 &&
         json_object_set(document, "mean", means) == 0 &&
         json_object_set(document, "std", stds) == 0 &&
         ap_cli_set(document, "provenance", ap_provenance(cli->argc, cli->argv));
  json_decref(splits);
  json_decref(means);
  json_decref(stds);
  if (good) return document;
  json_decref(document);
  return NULL;
}

static void print_check(const ap_dataset *data, const float mean[4], const float std[4]) {
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TRAIN);
  (void)printf("%s: images of %zu x %zu x %zu (channels, rows, columns), %zu classes\n",
               ap_dataset_name(data), info.channels, info.height, info.width, info.classes);
  for (int s = 0; s < AP_SPLIT_COUNT; s++) {
    (void)printf("  %-12s %7zu images\n", ap_split_name((ap_split)s),
                 ap_dataset_describe(data, (ap_split)s).n_images);
  }
  for (size_t c = 0; c < info.channels && c < 4; c++) {
    (void)printf("  channel %zu    mean %.4f, standard deviation %.4f\n", c, (double)mean[c],
                 (double)std[c]);
  }
  (void)printf("  hash         %s\n", ap_dataset_hash(data));
}

static ap_status check_set(const ap_cli *cli, const char *name, ap_error *err) {
  ap_dataset *data = NULL;
  float mean[4] = {0}, std[4] = {0};
  char *report = NULL; /* of files with published checksums */
  ap_status st = ap_dataset_check(name, &report, err);
  if (!st) st = ap_dataset_open(name, &data, err);
  if (!st) {
    ap_dataset_statistics(data, mean, std);
    if (cli->json) {
      st = ap_cli_print_json(check_json(cli, data, mean, std), err);
    } else {
      print_check(data, mean, std);
      (void)fputs(report, stdout);
    }
  }
  ap_free(report);
  ap_dataset_destroy(data);
  return st;
}

static ap_status fetch_set(const ap_cli *cli, const char *name, ap_error *err) {
  ap_fetch_options options = {.force = cli->force, .quiet = cli->quiet};
  char *dir = NULL;
  ap_status st = ap_dataset_fetch(name, &options, &dir, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(json_pack("{s:s,s:s}", "name", name, "folder", dir), err);
  } else if (!st) {
    (void)printf("%s: %s\n", name, dir);
  }
  ap_free(dir);
  return st;
}

ap_status ap_cmd_data(ap_cli *cli, int argc, char **argv, ap_error *err) {
  bool help = false;
  const char *action, *name;
  ap_status st = ap_cli_parse(&INFO, NULL, argc, argv, cli, &help, err);
  if (st || help) return st;
  action = cli->positional[0];
  name = cli->positional[1];
  if (strcmp(action, "list") == 0 && !name) return list_sets(cli, err);
  if (strcmp(action, "check") == 0 && name) return check_set(cli, name, err);
  if (strcmp(action, "fetch") == 0 && name) return fetch_set(cli, name, err);
  return ap_fail(err, AP_ERR_ARG, "data %s%s%s: expected list, check NAME|DIR or fetch NAME",
                 action, name ? " " : "", name ? name : "");
}
