/* --pruner with plug-ins, as a user gives it to map, cost and search. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/cli/command.h"

#define MODEL "lenet5_fashion-mnist"

static int setup(void **state) {
  return command_setup(state) ||
         system(AP_CC " -shared -fPIC -I " AP_SOURCE " " AP_SOURCE "/examples/l1.c -o l1.so") ||
         system(AP_CC " -shared -fPIC -w -DEVIL=1 -I " AP_SOURCE " " AP_SOURCE
                      "/tests/pruners/plugins/evil.c -o crash.so") ||
         system(AP_CC " -shared -fPIC -w -DEVIL=3 -I " AP_SOURCE " " AP_SOURCE
                      "/tests/pruners/plugins/evil.c -o hang.so");
}

static double total(const json_t *document, const char *member) {
  const json_t *value = json_object_get(json_object_get(document, "total"), member);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

static void a_kept_fraction_prunes_by_the_plugin(void **state) {
  json_t *dense = command_json(0, WORDS("map", "--model", MODEL, "--json"));
  json_t *mine = command_json(
      0, WORDS("map", "--model", MODEL, "--json", "--keep", "0.25", "--pruner", "./l1.so"));
  json_t *rows = command_json(0, WORDS("cost", "--model", MODEL, "--json", "--keep", "0.25",
                                       "--pruner", "row-vector:4@./l1.so"));
  json_t *own = command_json(0, WORDS("map", "--model", MODEL, "--json", "--keep", "0.25"));
  double share = total(mine, "vectors_kept") / total(mine, "vectors");
  const json_t *configuration =
      json_object_get(json_object_get(mine, "provenance"), "configuration");
  (void)state;
  assert_true(share >= 0.25 && share < 0.27);
  assert_true(total(mine, "crossbars") < total(dense, "crossbars"));
  assert_true(total(own, "vectors_kept") == total(mine, "vectors_kept"));
  assert_string_equal(json_string_value(json_object_get(rows, "granularity")), "row-vector:4");
  assert_int_equal(strlen(json_string_value(
                       json_object_get(json_object_get(configuration, "plugin"), "sha256"))),
                   64);
  json_decref(dense);
  json_decref(mine);
  json_decref(rows);
  json_decref(own);
}

static void failures_are_one_line(void **state) {
  (void)state;
  command_bad("plug-in crash, layer conv1",
              WORDS("map", "--model", MODEL, "--keep", "0.5", "--pruner", "./crash.so"));
  command_bad("no answer within 0.3 s", WORDS("cost", "--model", MODEL, "--keep", "0.5", "--pruner",
                                              "./hang.so", "--plugin-timeout", "0.3"));
  command_bad("--pruner: plug-in ./gone.so: no such file",
              WORDS("map", "--model", MODEL, "--keep", "0.5", "--pruner", "./gone.so"));
  command_bad("--pruner: plug-in exec:./l2.so: no such program",
              WORDS("map", "--model", MODEL, "--keep", "0.5", "--pruner", "exec:./l2.so"));
  command_bad("--keep goes with --model", WORDS("map", "--matrix", "w.npy", "--keep", "0.5"));
}

static void a_search_takes_it_and_its_policy_stands_alone(void **state) {
  json_t *summary, *map, *policy;
  json_error_t error;
  (void)state;
  command_write_images("images", 4500, 60);
  summary = command_json(0, WORDS("search", "--model", MODEL, "--data", "images", "--pruner",
                                  "./l1.so", "--searcher", "random", "--episodes", "4", "--images",
                                  "100", "--max-loss", "1", "--no-repair", "--json", "--out", "s"));
  policy = json_load_file("s/policy.json", 0, &error);
  assert_non_null(policy);
  assert_non_null(json_object_get(policy, "plugin"));
  assert_int_equal(rename("l1.so", "elsewhere.so"), 0);
  map = command_json(0, WORDS("map", "--model", MODEL, "--policy", "s/policy.json", "--json"));
  assert_true(total(map, "crossbars") ==
              json_number_value(
                  json_object_get(json_object_get(summary, "best_on_search_split"), "crossbars")));
  json_decref(policy);
  json_decref(summary);
  json_decref(map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_kept_fraction_prunes_by_the_plugin),
      cmocka_unit_test(failures_are_one_line),
      cmocka_unit_test(a_search_takes_it_and_its_policy_stands_alone),
  };
  if (system(AP_CC " --version > /dev/null 2>&1") != 0) {
    print_message("skipped: no compiler " AP_CC "\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, setup, command_teardown);
}
