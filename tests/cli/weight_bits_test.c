/* --weight-bits, as a user gives it: map, cost, eval and import take it alike, a policy may say it, and the
 * command line counts before the policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/onnx.h"
#include "tests/cli/command.h"

#define MODEL "lenet5_fashion-mnist" /* conv1, conv2, fc1, fc2 */

static double total(const json_t *document, const char *member) {
  const json_t *value = json_object_get(json_object_get(document, "total"), member);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

/* Bits of the four layers as digits. */
static void expect_bits(const json_t *document, const char *digits) {
  const json_t *layers = json_object_get(document, "layers");
  assert_int_equal(json_array_size(layers), strlen(digits));
  for (size_t i = 0; i < strlen(digits); i++) {
    const json_t *bits = json_object_get(json_array_get(layers, i), "weight_bits");
    assert_int_equal(json_integer_value(bits), digits[i] - '0');
  }
}

static const json_t *asked_for(const json_t *document, const char *member) {
  return json_object_get(json_object_get(json_object_get(document, "provenance"), "configuration"),
                         member);
}

static void map_and_cost(void **state) {
  json_t *plain = command_json(0, WORDS("map", "--model", MODEL, "--json"));
  json_t *four = command_json(0, WORDS("map", "--model", MODEL, "--json", "--weight-bits", "4"));
  json_t *array =
      command_json(0, WORDS("map", "--model", MODEL, "--json", "--set", "array.weight_bits=4"));
  json_t *mixed =
      command_json(0, WORDS("cost", "--model", MODEL, "--json", "--weight-bits", "4,c*=6,fc2=8"));
  (void)state;
  expect_bits(plain, "8888");
  expect_bits(four, "4444");
  expect_bits(mixed, "6648");
  assert_true(json_equal(json_object_get(four, "total"), json_object_get(array, "total")));
  assert_true(total(four, "crossbars") < total(mixed, "crossbars"));
  assert_true(total(mixed, "crossbars") < total(plain, "crossbars"));
  assert_true(total(mixed, "energy_uj") > 0);
  assert_null(asked_for(plain, "weight_bits"));
  assert_int_equal(json_integer_value(json_object_get(asked_for(mixed, "weight_bits"), "conv2")),
                   6);
  json_decref(plain);
  json_decref(four);
  json_decref(array);
  json_decref(mixed);
}

static char *bytes_of(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *bytes = calloc(1, 1 << 20);
  assert_true(file && bytes);
  *size = fread(bytes, 1, 1 << 20, file);
  assert_int_equal(fclose(file), 0);
  return bytes;
}

/* Both give the outputs of the same integers, byte for byte, and not those of 8 bits. */
static void integers_and_data_path(void **state) {
  static const char bits[] = "4,conv1=7,fc2=2";
  json_t *fast, *slow, *eight;
  size_t a, b, c;
  char *x, *y, *z;
  (void)state;
  command_write_images("d", 1200, 40);
  fast =
      command_json(0, WORDS("eval", "--model", MODEL, "--data", "./d", "--split", "test",
                            "--integer", "--weight-bits", bits, "--logits", "fast.npy", "--json"));
  slow =
      command_json(0, WORDS("eval", "--model", MODEL, "--data", "./d", "--split", "test",
                            "--datapath", "--weight-bits", bits, "--logits", "slow.npy", "--json"));
  eight = command_json(0, WORDS("eval", "--model", MODEL, "--data", "./d", "--split", "test",
                                "--integer", "--logits", "eight.npy", "--json"));
  expect_bits(fast, "7442");
  expect_bits(slow, "7442");
  expect_bits(eight, "8888");
  assert_int_equal(json_integer_value(json_object_get(slow, "equal_images")), 40);
  x = bytes_of("fast.npy", &a);
  y = bytes_of("slow.npy", &b);
  z = bytes_of("eight.npy", &c);
  assert_true(a == b && a == c);
  assert_memory_equal(x, y, a);
  assert_memory_not_equal(x, z, a);
  free(x);
  free(y);
  free(z);
  json_decref(fast);
  json_decref(slow);
  json_decref(eight);
}

/* All vectors stay, one layer has bits of its own: the policy's hold, unless the command says others. */
static void policies(void **state) {
  json_t *table = command_json(0, WORDS("map", "--model", MODEL, "--quick", "--json"));
  json_t *layers = json_array(), *policy, *layer, *said, *over;
  size_t i;
  (void)state;
  json_array_foreach(json_object_get(table, "layers"), i, layer) {
    json_t *one = json_pack("{s:O, s:f, s:O}", "name", json_object_get(layer, "name"), "keep", 1.0,
                            "vectors_kept", json_object_get(layer, "vectors"));
    if (i == 2) assert_int_equal(json_object_set_new(one, "weight_bits", json_integer(3)), 0);
    assert_int_equal(json_array_append_new(layers, one), 0);
  }
  policy = json_pack("{s:s, s:s, s:s, s:o}", "schema", "autoprune-policy-1", "pruner",
                     "column-vector", "granularity", "column-vector", "layers", layers);
  assert_int_equal(json_dump_file(policy, "policy.json", 0), 0);
  said = command_json(0, WORDS("map", "--model", MODEL, "--policy", "policy.json", "--json"));
  over = command_json(0, WORDS("map", "--model", MODEL, "--policy", "policy.json", "--weight-bits",
                               "fc*=5", "--json"));
  expect_bits(said, "8838");
  expect_bits(over, "8855");
  json_decref(table);
  json_decref(policy);
  json_decref(said);
  json_decref(over);
}

/* An imported model keeps its bits. */
static void models(void **state) {
  json_t *map, *description;
  (void)state;
  if (!ap_onnx_available()) skip();
  command_good(WORDS("export", "--model", MODEL, "--onnx", "m.onnx"));
  command_good(WORDS("import", "--onnx", "m.onnx", "--out", "m.apm", "--weight-bits", "6,fc2=4"));
  map = command_json(0, WORDS("map", "--model", "m.apm", "--json"));
  expect_bits(map, "6664");
  description = command_json(0, WORDS("eval", "--model", "m.apm", "--describe", "--json"));
  expect_bits(description, "6664");
  json_decref(map);
  json_decref(description);
}

static void bad_requests(void **state) {
  (void)state;
  command_bad("no layer is called \"fc9\"",
              WORDS("map", "--model", MODEL, "--weight-bits", "4,fc9=8"));
  command_bad("\"1\" is no number of 2 to 16",
              WORDS("cost", "--model", MODEL, "--weight-bits", "1"));
  command_bad("--set array.weight_bits=BITS",
              WORDS("map", "--matrix", "w.npy", "--weight-bits", "conv1=4"));
  command_bad("--weight-bits goes with --datapath or --integer",
              WORDS("eval", "--model", MODEL, "--data", "d", "--weight-bits", "4"));
  command_bad("--weight-bits",
              WORDS("search", "--model", MODEL, "--data", "d", "--out", "o", "--weight-bits", "x"));
  command_bad("--sparsity 0.7,1", WORDS("study", "--model", MODEL, "--out", "o", "--only",
                                        "recovery", "--sparsity", "0.7,1"));
  command_bad("--sparsity 0.7,", WORDS("study", "--model", MODEL, "--out", "o", "--only",
                                       "recovery", "--sparsity", "0.7,"));
  command_bad("needs images", WORDS("study", "--model", MODEL, "--out", "o", "--only", "bits"));
  command_bad("recovery, curves, bits",
              WORDS("study", "--model", MODEL, "--out", "o", "--only", "recoveries"));
}

/* Only a model file's own ending is left out of its name. */
static void names(void **state) {
  char line[400];
  bool found = false;
  FILE *table;
  (void)state;
  if (!ap_onnx_available()) skip();
  command_good(WORDS("export", "--model", MODEL, "--onnx", "net-0.5_data.onnx"));
  command_good(WORDS("study", "--model", "net-0.5_data.onnx", "--only", "index", "--out", "named"));
  table = fopen("named/index.csv", "r");
  assert_non_null(table);
  while (fgets(line, sizeof line, table))
    found = found || strncmp(line, "net-0.5_data,", strlen("net-0.5_data,")) == 0;
  (void)fclose(table);
  assert_true(found);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(map_and_cost), cmocka_unit_test(integers_and_data_path),
      cmocka_unit_test(policies),     cmocka_unit_test(models),
      cmocka_unit_test(names),        cmocka_unit_test(bad_requests)};
  return cmocka_run_group_tests(tests, command_setup, command_teardown);
}
