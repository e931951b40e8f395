/* import, export, and .onnx files in place of model files, from outside. */
#include "nn/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cli/command.h"

#define SHIPPED "lenet5_fashion-mnist"

static const char *text_of(const json_t *object, const char *member) {
  const char *text = json_string_value(json_object_get(object, member));
  assert_non_null(text);
  return text;
}

static json_t *describe(const char *model) {
  return command_json(0, WORDS("eval", "--model", model, "--describe", "--json"));
}

/* A file of ours, read again, is the same network, whatever the form. */
static void test_round_trip(void **state) {
  (void)state;
  json_t *said = command_json(0, WORDS("export", "--model", SHIPPED, "--onnx", "a.onnx", "--json"));
  json_t *dense = describe(SHIPPED), *direct = describe("a.onnx");
  assert_string_equal(text_of(said, "model_sha256"), text_of(dense, "hash"));
  assert_string_equal(text_of(direct, "hash"), text_of(dense, "hash"));
  command_good(WORDS("import", "--onnx", "a.onnx", "--out", "a.apm"));
  json_t *model = describe("a.apm");
  assert_string_equal(text_of(model, "hash"), text_of(dense, "hash"));
  assert_true(json_equal(json_object_get(model, "layers"), json_object_get(dense, "layers")));
  /* the training's record came along */
  assert_true(json_equal(json_object_get(json_object_get(model, "metadata"), "recipe"),
                         json_object_get(json_object_get(dense, "metadata"), "recipe")));
  json_t *again =
      command_json(0, WORDS("export", "--model", SHIPPED, "--onnx", "b.onnx", "--json"));
  assert_string_equal(text_of(said, "file_sha256"), text_of(again, "file_sha256"));
  json_decref(again);
  json_decref(model);
  json_decref(direct);
  json_decref(dense);
  json_decref(said);
}

/* lenet5: 20-50-500-10 on 28 x 28; K, N, P and MACs by hand. */
static void test_describe(void **state) {
  static const json_int_t expected[4][4] = {
      {25, 20, 576, 288000}, {500, 50, 64, 1600000}, {800, 500, 1, 400000}, {500, 10, 1, 5000}};
  static const char *const names[4] = {"K", "N", "P", "macs"};
  json_t *document = describe(SHIPPED), *layers = json_object_get(document, "layers");
  (void)state;
  assert_int_equal(json_array_size(layers), 4);
  for (size_t i = 0; i < 4; i++) {
    for (size_t k = 0; k < 4; k++)
      assert_int_equal(json_integer_value(json_object_get(json_array_get(layers, i), names[k])),
                       expected[i][k]);
  }
  assert_int_equal(json_array_size(json_object_get(document, "mean")), 1);
  json_decref(document);
  command_result r = command_run(NULL, WORDS("eval", "--model", SHIPPED, "--describe"));
  assert_int_equal(r.status, 0);
  assert_non_null(strstr(r.out, "2293000 multiply-accumulates an image"));
  assert_non_null(strstr(r.out, "\nhash "));
  command_release(&r);
}

/* Every command that takes a model takes an .onnx file. */
static void test_in_place_of_models(void **state) {
  (void)state;
  json_t *a = command_json(0, WORDS("map", "--model", SHIPPED, "--quick", "--json"));
  json_t *b = command_json(0, WORDS("map", "--model", "a.onnx", "--quick", "--json"));
  assert_true(json_equal(json_object_get(a, "layers"), json_object_get(b, "layers")));
  json_decref(a);
  json_decref(b);
  b = command_json(0, WORDS("cost", "--model", "a.onnx", "--quick", "--json"));
  json_decref(b);
  command_write_images("images", 240, 60);
  a = command_json(0, WORDS("eval", "--model", SHIPPED, "--data", "images", "--json"));
  b = command_json(0, WORDS("eval", "--model", "a.onnx", "--data", "images", "--json"));
  assert_true(json_equal(json_object_get(a, "loss"), json_object_get(b, "loss")));
  assert_true(json_equal(json_object_get(a, "model_hash"), json_object_get(b, "model_hash")));
  json_decref(b);
  b = command_json(0, WORDS("eval", "--model", "a.onnx", "--mean", "0.9", "--std", "2", "--data",
                            "images", "--json"));
  assert_false(json_equal(json_object_get(a, "loss"), json_object_get(b, "loss")));
  json_decref(a);
  json_decref(b);
  command_bad("--mean 1,2: 1 number expected",
              WORDS("eval", "--model", "a.onnx", "--mean", "1,2", "--describe"));
  command_bad("--std 0: 1 positive number expected",
              WORDS("eval", "--model", "a.onnx", "--std", "0", "--describe"));
  command_bad("--std nan", WORDS("map", "--model", "a.onnx", "--std", "nan"));
  command_bad("go with .onnx files", WORDS("map", "--model", SHIPPED, "--mean", "0"));
}

/* Half of the vectors of one layer: they are zero in the file, and the policy lies in it. */
static void test_policy(void **state) {
  json_t *table = command_json(0, WORDS("map", "--model", SHIPPED, "--quick", "--json"));
  json_t *layers = json_array(), *policy, *said, *pruned, *layer;
  size_t i;
  (void)state;
  json_array_foreach(json_object_get(table, "layers"), i, layer) {
    json_int_t n = json_integer_value(json_object_get(layer, "vectors"));
    assert_int_equal(
        json_array_append_new(layers, json_pack("{s:s, s:f, s:I}", "name", text_of(layer, "name"),
                                                "keep", 0.5, "vectors_kept", n / 2)),
        0);
  }
  policy =
      json_pack("{s:s, s:s, s:s, s:O}", "schema", "autoprune-policy-1", "pruner", "column-vector",
                "granularity", text_of(table, "granularity"), "layers", layers);
  assert_int_equal(json_dump_file(policy, "policy.json", 0), 0);
  said = command_json(0, WORDS("export", "--model", SHIPPED, "--policy", "policy.json", "--onnx",
                               "p.onnx", "--json"));
  assert_true(json_integer_value(json_object_get(said, "zero_weights")) >
              json_integer_value(json_object_get(said, "weights")) / 3);
  assert_string_not_equal(text_of(said, "model_sha256"), text_of(said, "dense_sha256"));
  /* pruned beforehand or by the command: the same crossbars */
  pruned = command_json(0, WORDS("map", "--model", "p.onnx", "--quick", "--json"));
  json_t *direct = command_json(
      0, WORDS("map", "--model", SHIPPED, "--policy", "policy.json", "--quick", "--json"));
  assert_true(json_equal(json_object_get(pruned, "layers"), json_object_get(direct, "layers")));
  json_t *back = describe("p.onnx"), *record = json_object_get(back, "metadata");
  assert_true(json_equal(json_object_get(json_object_get(record, "policy"), "layers"), layers));
  assert_string_equal(text_of(record, "dense_sha256"), text_of(said, "dense_sha256"));
  json_decref(back);
  FILE *file = fopen("p.onnx", "rb");
  char *bytes = calloc(1, 1 << 22);
  assert_true(file && bytes);
  size_t size = fread(bytes, 1, 1 << 22, file);
  (void)fclose(file);
  assert_non_null(memmem(bytes, size, "autoprune-policy-1", 18));
  assert_non_null(memmem(bytes, size, text_of(said, "dense_sha256"), 64));
  free(bytes);
  json_decref(direct);
  json_decref(pruned);
  json_decref(said);
  json_decref(policy);
  json_decref(layers);
  json_decref(table);
}

static void test_refusals(void **state) {
  (void)state;
  command_bad("--onnx is needed", WORDS("import", "--out", "x.apm"));
  command_bad("--out is needed", WORDS("import", "--onnx", "a.onnx"));
  command_bad("a.apm exists", WORDS("import", "--onnx", "a.onnx", "--out", "a.apm"));
  command_good(WORDS("import", "--onnx", "a.onnx", "--out", "a.apm", "--force", "--compact"));
  command_bad("a.onnx exists", WORDS("export", "--model", "a.apm", "--onnx", "a.onnx"));
  command_bad("ends in .onnx", WORDS("export", "--model", "a.apm", "--onnx", "a.pb"));
  command_bad("ends in .onnx", WORDS("import", "--onnx", "a.apm", "--out", "c.apm"));
  command_bad("none.onnx", WORDS("import", "--onnx", "none.onnx", "--out", "c.apm"));
  command_write("bad.onnx", "bad", 3);
  command_bad("bad.onnx: ", WORDS("import", "--onnx", "bad.onnx", "--out", "c.apm"));
  command_bad("bad.onnx: ", WORDS("map", "--model", "bad.onnx"));
  command_bad_how(&(command_how){.file_limit = 4096}, "c.onnx",
                  WORDS("export", "--model", SHIPPED, "--onnx", "c.onnx"));
  command_bad_how(&(command_how){.file_limit = 4096}, "c.apm",
                  WORDS("import", "--onnx", "a.onnx", "--out", "c.apm"));
  assert_int_equal(command_count_files("c.onnx") + command_count_files("c.apm"), 0);
}

/* Without the schema: what is missing, and how to get it. */
static void test_absent(void **state) {
  (void)state;
  command_write("a.onnx", "", 0);
  command_bad("apt-get install libonnx-dev", WORDS("import", "--onnx", "a.onnx", "--out", "x.apm"));
  command_bad("apt-get install libonnx-dev", WORDS("map", "--model", "a.onnx"));
  command_bad("apt-get install libonnx-dev",
              WORDS("export", "--model", SHIPPED, "--onnx", "b.onnx"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip), cmocka_unit_test(test_describe),
      cmocka_unit_test(test_in_place_of_models), cmocka_unit_test(test_policy),
      cmocka_unit_test(test_refusals)};
  const struct CMUnitTest without[] = {cmocka_unit_test(test_absent)};
  if (!ap_onnx_available()) {
    return cmocka_run_group_tests(without, command_setup, command_teardown);
  }
  return cmocka_run_group_tests(tests, command_setup, command_teardown);
}
