/* search, map --policy and compare on a small data set: what they write, that a policy is one for
 * its network, and that a search that was stopped half-way ends with the same policy, and a comparison with the same table. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cli/command.h"

#define SEARCH(out, episodes)                                                                     \
  "search", "--model", "m.apm", "--data", "images", "--quiet", "--levels", "4", "--max-loss",     \
      "0.5", "--parallel", "4", "--images", "20", "--searcher", "random", "--episodes", episodes, \
      "--out", out

static int setup(void **state) {
  if (command_setup(state)) return -1;
  command_write_images("images", 1200, 200);
  command_good(WORDS("train", "--net", "lenet5", "--data", "images", "--batch", "32", "--quiet",
                     "--epochs", "1", "--out", "m.apm"));
  return 0;
}

static json_t *load(const char *path) {
  json_error_t error;
  json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  assert_non_null(document);
  return document;
}

/* The policy without what differs from run to run. */
static json_t *load_policy(const char *path) {
  json_t *policy = load(path);
  assert_int_equal(json_object_del(policy, "provenance"), 0);
  return policy;
}

static void test_search_and_map(void **state) {
  json_t *summary = command_json(0, WORDS(SEARCH("s", "12"), "--json")), *policy, *mapped, *layers;
  (void)state;
  assert_true(json_is_true(json_object_get(summary, "feasible")));
  assert_int_equal(json_integer_value(json_object_get(summary, "episodes")), 12);
  policy = load_policy("s/policy.json");
  assert_int_equal(command_count_files("episodes.csv"), 1);
  assert_int_equal(command_count_files("summary.json"), 1);
  mapped = command_json(0, WORDS("map", "--model", "m.apm", "--policy", "s/policy.json", "--json"));
  /* The mapper finds as many crossbars as the search was rewarded for, and no vector more than the
   * policy keeps. */
  assert_true(
      (double)json_integer_value(json_object_get(json_object_get(mapped, "total"), "crossbars")) ==
      json_number_value(json_object_get(json_object_get(policy, "search_split"), "crossbars")));
  assert_int_equal(strlen(json_string_value(json_object_get(mapped, "model_hash"))), 64);
  layers = json_object_get(mapped, "layers");
  assert_int_equal(json_array_size(layers), json_array_size(json_object_get(policy, "layers")));
  for (size_t i = 0; i < json_array_size(layers); i++) {
    json_int_t kept =
        json_integer_value(json_object_get(json_array_get(layers, i), "vectors_kept"));
    assert_true(kept > 0);
    assert_true(kept <= json_integer_value(json_object_get(
                            json_array_get(json_object_get(policy, "layers"), i), "vectors_kept")));
  }
  json_decref(mapped);
  json_decref(policy);
  json_decref(summary);
  command_bad("exists", WORDS(SEARCH("s", "12")));
  /* Another array cuts other vectors: the policy does not fit and is refused. */
  command_bad("conv1", WORDS("map", "--model", "m.apm", "--policy", "s/policy.json", "--set",
                             "array.ou_rows=25", "--pruner", "column-vector:25"));
  command_bad("expected one of", WORDS(SEARCH("s2", "12"), "--searcher", "nonsense"));
  command_bad("unknown backend", WORDS("map", "--model", "m.apm", "--backend", "nonsense"));
}

static void test_stopped_search(void **state) {
  const command_how how = {.kill_after = "b/state", .kill_signal = SIGKILL};
  command_result r;
  json_t *whole, *resumed;
  (void)state;
  command_good(WORDS(SEARCH("a", "400")));
  r = command_run(&how, WORDS(SEARCH("b", "400")));
  assert_true(r.status == 128 + SIGKILL || r.status == 0); /* or it was faster than the signal */
  command_release(&r);
  if (command_count_files("b/policy.json") == 0) {
    command_good(WORDS(SEARCH("b", "400"), "--resume"));
  }
  whole = load_policy("a/policy.json");
  resumed = load_policy("b/policy.json");
  assert_true(json_equal(whole, resumed));
  assert_int_equal(command_count_files(".tmp"), 0);
  json_decref(whole);
  json_decref(resumed);
  r = command_run(NULL, WORDS("search", "--model", "m.apm", "--data", "images", "--levels", "4",
                              "--images", "20", "--searcher", "random", "--episodes", "4",
                              "--max-loss", "0.9", "--out", "mistyped", "--resume"));
  assert_int_equal(r.status, 0);
  assert_non_null(strstr(r.err, "mistyped: no unfinished search is there"));
  command_release(&r);
}

/* In integers the same policies are drawn and cost the same; accuracies are nearly those of floats,
 * those of the whole network those of eval --integer. */
static void test_integer_search(void **state) {
  json_t *floats = command_json(0, WORDS(SEARCH("f", "8"), "--json"));
  json_t *integers = command_json(0, WORDS(SEARCH("i", "8"), "--json", "--arithmetic", "integer"));
  json_t *whole = command_json(0, WORDS("eval", "--model", "m.apm", "--data", "images", "--integer",
                                        "--split", "search", "--images", "20", "--json"));
  (void)state;
  assert_string_equal(json_string_value(json_object_get(floats, "levels_hash")),
                      json_string_value(json_object_get(integers, "levels_hash")));
  assert_true(json_number_value(json_object_get(integers, "dense_accuracy_search")) ==
              json_number_value(json_object_get(whole, "accuracy")));
  assert_string_equal(
      json_string_value(json_object_get(
          json_object_get(json_object_get(integers, "provenance"), "configuration"), "arithmetic")),
      "integer");
  json_decref(floats);
  json_decref(integers);
  json_decref(whole);
}

/* Some methods by name, one of each mapping rule and allocation, and a search over a pruner given. */
static void test_chosen_methods(void **state) {
  static const char *const expected[] = {"dense",       "lamp",          "channel",
                                         "pattern",     "bit-column",    "column-vector",
                                         "macs-reward", "row-vector+l1", "row-vector+l1+random"};
  json_t *table =
      command_json(0, WORDS("compare", "--suite", "smoke", "--data", "images", "--networks",
                            "lenet5", "--methods", "lamp,channel,pattern,bit-column,macs-reward",
                            "--pruner", "row-vector+l1", "--search", "random", "--no-plots",
                            "--quiet", "--json", "--out", "chosen"));
  (void)state;
  assert_int_equal(json_array_size(table), sizeof expected / sizeof expected[0]);
  for (size_t i = 0; i < json_array_size(table); i++) {
    const json_t *row = json_array_get(table, i);
    assert_string_equal(json_string_value(json_object_get(row, "method")), expected[i]);
    assert_string_equal(json_string_value(json_object_get(row, "failed")), "");
    assert_true(json_number_value(json_object_get(row, "crossbars")) >= 1);
    assert_true(json_number_value(json_object_get(row, "feasible")) == 1);
  }
  json_decref(table);
}

/* A model given twice, on hardware of one's own; recorded as a series of its own beside the suite's. */
static void test_own_networks(void **state) {
  json_t *table = command_json(
      0, WORDS("compare", "--suite", "smoke", "--model", "m.apm", "--model", "./m.apm", "--data",
               "images", "--methods", "dense,filter", "--hw", "sre", "--set", "array.rows=32",
               "--no-plots", "--quiet", "--json", "--record=own.sqlite", "--out", "own"));
  json_t *whole = command_json(
      0, WORDS("map", "--model", "m.apm", "--hw", "sre", "--set", "array.rows=32", "--json"));
  command_result shown;
  (void)state;
  assert_int_equal(json_array_size(table), 4);
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(table, i);
    assert_string_equal(json_string_value(json_object_get(row, "network")), i < 2 ? "m" : "m-2");
    assert_string_equal(json_string_value(json_object_get(row, "division")), "open");
    assert_true(
        json_number_value(json_object_get(row, "crossbars_dense")) ==
        json_number_value(json_object_get(json_object_get(whole, "total"), "crossbars_dense")));
  }
  shown = command_run(NULL, WORDS("history", "show", "--file", "own.sqlite"));
  assert_non_null(strstr(
      shown.out, "compare smoke m images filter max_loss=0.01 model hw=sre array.rows=32 seed=1"));
  command_release(&shown);
  json_decref(table);
  json_decref(whole);
  command_bad("--data is needed", WORDS("compare", "--model", "m.apm", "--out", "own2"));
  command_bad("names of networks", WORDS("compare", "--model", "m.apm", "--data", "images",
                                         "--networks", "lenet5", "--out", "own2"));
  command_bad("training does not go",
              WORDS("compare", "--model", "m.apm", "--data", "images", "--train", "--out", "own2"));
  command_bad("--mean and --std go with --model", WORDS("compare", "--std", "1", "--out", "own2"));
  command_bad("no value 'array.depth'",
              WORDS("compare", "--set", "array.depth=3", "--out", "own2"));
  command_bad("gone.onnx",
              WORDS("compare", "--model", "gone.onnx", "--data", "images", "--out", "own2"));
}

/* A search by multiply-accumulates says what its policy is in crossbars, as the mapper counts them. */
static void test_search_by_macs(void **state) {
  json_t *summary = command_json(0, WORDS(SEARCH("macs", "8"), "--reward", "macs", "--json"));
  json_t *mapped =
      command_json(0, WORDS("map", "--model", "m.apm", "--policy", "macs/policy.json", "--json"));
  (void)state;
  assert_true(
      (double)json_integer_value(json_object_get(json_object_get(mapped, "total"), "crossbars")) ==
      json_number_value(
          json_object_get(json_object_get(summary, "best_on_search_split"), "crossbars")));
  json_decref(summary);
  json_decref(mapped);
}

static void test_methods_are_listed(void **state) {
  json_t *list = command_json(0, WORDS("compare", "--list-methods", "--json"));
  (void)state;
  assert_int_equal(json_array_size(list), 21); /* docs/BASELINES.md */
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *method = json_array_get(list, i);
    assert_true(json_string_length(json_object_get(method, "name")) > 0);
    assert_true(json_string_length(json_object_get(method, "publication")) > 0);
    assert_true(json_string_length(json_object_get(method, "assumed")) > 0);
  }
  json_decref(list);
}

static void test_bad_comparison(void **state) {
  (void)state;
  command_bad("no such folder", WORDS("compare", "--suite", "smoke", "--data", "images", "--out",
                                      "c", "--plots", "./nowhere"));
  command_bad("smoke", WORDS("compare", "--suite", "nonsense", "--out", "c"));
  command_bad("unknown method 'sculptor': one of dense, ",
              WORDS("compare", "--suite", "smoke", "--methods", "lamp,sculptor", "--out", "c"));
  command_bad("given twice",
              WORDS("compare", "--suite", "smoke", "--methods", "lamp,lamp", "--out", "c"));
  command_bad("no network 'vgg99'",
              WORDS("compare", "--suite", "smoke", "--networks", "vgg99", "--out", "c"));
  command_bad("oracle", WORDS("compare", "--suite", "smoke", "--pruner", "filter", "--search",
                              "oracle", "--out", "c"));
  assert_int_equal(command_count_files(".csv.tmp"), 0);
}

#define SMOKE(out) \
  "compare", "--suite", "smoke", "--data", "images", "--quiet", "--no-plots", "--out", out

/* Rows of table.csv without the time they took; the caller frees. */
static char *timeless_table(const char *path) {
  FILE *file = fopen(path, "rb"), *memory;
  char line[4096], *out = NULL;
  size_t size = 0;
  assert_non_null(file);
  memory = open_memstream(&out, &size);
  assert_non_null(memory);
  while (fgets(line, sizeof line, file)) {
    char *end;
    if (line[0] == '#') continue;
    for (int i = 0; i < 2; i++) { /* seconds and failed are the last */
      end = strrchr(line, ',');
      assert_non_null(end);
      *end = 0;
    }
    (void)fprintf(memory, "%s\n", line);
  }
  assert_int_equal(fclose(memory), 0);
  assert_int_equal(fclose(file), 0);
  return out;
}

/* Stopped, or killed, at its first fine-tuning, then finished: the same table as without. */
static void test_stopped_comparison(void **state) {
  command_how soon = {.kill_after = "c/tunings", .kill_signal = SIGINT};
  command_result r = command_run(&soon, WORDS(SMOKE("c")));
  char *stopped, *killed, *whole;
  (void)state;
  assert_int_equal(r.status, 130);
  assert_non_null(strstr(r.err, "run the same command again"));
  command_release(&r);
  soon = (command_how){.kill_after = "e/tunings", .kill_signal = SIGKILL};
  r = command_run(&soon, WORDS(SMOKE("e")));
  assert_int_equal(r.status, 128 + SIGKILL);
  command_release(&r);
  command_good(WORDS(SMOKE("c")));
  command_good(WORDS(SMOKE("d")));
  command_good(WORDS(SMOKE("e")));
  stopped = timeless_table("c/table.csv");
  killed = timeless_table("e/table.csv");
  whole = timeless_table("d/table.csv");
  assert_string_equal(stopped, whole);
  assert_string_equal(killed, whole);
  free(stopped);
  free(killed);
  free(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_search_and_map),     cmocka_unit_test(test_stopped_search),
      cmocka_unit_test(test_integer_search),     cmocka_unit_test(test_chosen_methods),
      cmocka_unit_test(test_own_networks),       cmocka_unit_test(test_own_networks),
      cmocka_unit_test(test_search_by_macs),     cmocka_unit_test(test_methods_are_listed),
      cmocka_unit_test(test_stopped_comparison), cmocka_unit_test(test_bad_comparison),
  };
  return cmocka_run_group_tests(tests, setup, command_teardown);
}
