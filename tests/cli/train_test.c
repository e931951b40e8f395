/* train, eval, map and cost on a small data set: results, refusals, a full disk, and a run that is
 * stopped half-way and goes on. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/npy.h"
#include "nn/model_file.h"
#include "tests/cli/command.h"

#define TRAIN(out, epochs)                                                                        \
  "train", "--net", "lenet5", "--data", "images", "--batch", "32", "--quiet", "--epochs", epochs, \
      "--out", out

static int setup(void **state) {
  if (command_setup(state)) return -1;
  command_write_images("images", 1200, 200);
  return 0;
}

static char *model_hash(const char *path) {
  json_t *document = command_json(0, WORDS("eval", "--model", path, "--describe", "--json"));
  char *hash = strdup(json_string_value(json_object_get(document, "hash")));
  json_decref(document);
  return hash;
}

static size_t log_rows(const char *path) {
  char line[1024];
  size_t rows = 0;
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file)) {
    if (line[0] >= '0' && line[0] <= '9') {
      rows++;
      assert_int_equal(strtol(line, NULL, 10), rows); /* every epoch once, in order */
    }
  }
  (void)fclose(file);
  return rows;
}

static void test_train_and_use(void **state) {
  json_t *document = command_json(0, WORDS(TRAIN("m.apm", "3"), "--json", "--test")), *other;
  ap_npy logits;
  ap_error err;
  double accuracy;
  (void)state;
  assert_true(json_number_value(json_object_get(document, "accuracy_selection")) > 0.9);
  accuracy = json_number_value(json_object_get(document, "accuracy_test"));
  json_decref(document);
  assert_int_equal(log_rows("m.apm.log.csv"), 3);
  assert_int_equal(command_count_files(".checkpoint"), 0);
  document = command_json(0, WORDS("eval", "--model", "m.apm", "--data", "images", "--split",
                                   "test", "--json", "--logits", "logits.npy"));
  assert_true(json_number_value(json_object_get(document, "accuracy")) == accuracy);
  assert_int_equal(json_integer_value(json_object_get(document, "images")), 200);
  json_decref(document);
  assert_int_equal(ap_npy_load("logits.npy", 1 << 20, &logits, &err), AP_OK);
  assert_int_equal(logits.dims[0], 200);
  assert_int_equal(logits.dims[1], 10);
  ap_npy_release(&logits);
  document = command_json(0, WORDS("eval", "--model", "m.apm", "--data", "images", "--split",
                                   "test", "--images", "20", "--datapath", "--json"));
  assert_int_equal(json_integer_value(json_object_get(document, "images")), 20);
  assert_int_equal(json_integer_value(json_object_get(document, "equal_images")), 20);
  assert_true(
      json_number_value(json_object_get(document, "accuracy")) ==
      json_number_value(json_object_get(json_object_get(document, "quantised"), "accuracy")));
  assert_true(json_number_value(json_object_get(document, "accuracy")) > 0.9);
  other = command_json(0, WORDS("eval", "--model", "m.apm", "--data", "images", "--split", "test",
                                "--images", "20", "--integer", "--json"));
  assert_true(json_number_value(json_object_get(document, "accuracy")) ==
              json_number_value(json_object_get(other, "accuracy")));
  assert_true(fabs(json_number_value(json_object_get(document, "loss")) -
                   json_number_value(json_object_get(other, "loss"))) < 1e-12);
  assert_true(json_equal(json_object_get(document, "float"), json_object_get(other, "float")));
  assert_true(json_equal(json_object_get(document, "layers"), json_object_get(other, "layers")));
  json_decref(other);
  json_decref(document);
  document = command_json(
      0, WORDS("eval", "--model", "m.apm", "--data", "images", "--split", "test", "--images", "8",
               "--datapath", "--stuck-high", "0.5", "--samples", "2", "--json"));
  assert_int_equal(json_array_size(json_object_get(document, "devices")), 2);
  assert_int_equal(json_array_size(json_object_get(document, "interval_95")), 2);
  assert_int_equal(json_integer_value(json_object_get(document, "equal_images")), 0);
  json_decref(document);
  document = command_json(0, WORDS("map", "--model", "m.apm", "--json"));
  /* 25x20, 500x50, 800x500, 500x10 at 4 bitlines a weight on 128 x 128 */
  assert_int_equal(
      json_integer_value(json_object_get(json_object_get(document, "total"), "crossbars_dense")),
      1 + 4 * 2 + 7 * 16 + 4);
  assert_int_equal(json_array_size(json_object_get(document, "layers")), 4);
  json_decref(document);
  document = command_json(0, WORDS("cost", "--model", "m.apm", "--json", "--quick"));
  assert_true(json_number_value(json_object_get(document, "energy_uj")) > 0);
  json_decref(document);
  /* nothing is overwritten unless told so */
  command_bad("--force", WORDS(TRAIN("m.apm", "1")));
  command_bad("--force",
              WORDS("eval", "--model", "m.apm", "--data", "images", "--logits", "logits.npy"));
  command_good(
      WORDS("eval", "--model", "m.apm", "--data", "images", "--logits", "logits.npy", "--force"));
}

/* --from goes on from a model's weights (0 epochs: they stay), and keeps where they came from. */
static void test_train_from(void **state) {
  char *first = model_hash("m.apm"), *second;
  json_t *document;
  (void)state;
  document = command_json(0, WORDS("train", "--from", "m.apm", "--data", "images", "--epochs", "0",
                                   "--out", "n.apm", "--json", "--quiet"));
  assert_string_equal(
      json_string_value(json_object_get(json_object_get(document, "from"), "model_sha256")), first);
  json_decref(document);
  second = model_hash("n.apm");
  assert_string_equal(first, second);
  command_bad("exclude", WORDS("train", "--from", "m.apm", "--net", "lenet5", "--data", "images",
                               "--out", "o.apm"));
  command_bad("nowhere.apm",
              WORDS("train", "--from", "nowhere.apm", "--data", "images", "--out", "o.apm"));
  free(first);
  free(second);
}

static off_t size_of(const char *path) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  return status.st_size;
}

/* A model in fewer bits: smaller, another network by its hash, its metadata kept, and as accurate. */
static void test_store(void **state) {
  char *first = model_hash("m.apm"), *second, *third;
  json_t *document;
  (void)state;
  command_good(WORDS("import", "--model", "m.apm", "--out", "m8.apm", "--store", "int8"));
  command_good(WORDS("import", "--model", "m8.apm", "--out", "m32.apm"));
  assert_true(size_of("m8.apm") < size_of("m.apm") * 3 / 10);
  assert_true(size_of("m32.apm") > size_of("m.apm") * 9 / 10);
  second = model_hash("m8.apm");
  third = model_hash("m32.apm");
  assert_string_not_equal(first, second);
  assert_string_equal(second, third);
  document = command_json(
      0, WORDS("eval", "--model", "m8.apm", "--data", "images", "--split", "test", "--json"));
  assert_true(json_number_value(json_object_get(document, "accuracy")) > 0.9);
  json_decref(document);
  document = command_json(0, WORDS("eval", "--model", "m8.apm", "--describe", "--json"));
  assert_non_null(json_object_get(json_object_get(document, "metadata"), "recipe"));
  json_decref(document);
  command_good(WORDS(TRAIN("t.apm", "0"), "--store", "int2"));
  document = command_json(0, WORDS(TRAIN("u.apm", "1"), "--store", "int3", "--test", "--json"));
  const double said = json_number_value(json_object_get(document, "accuracy_test"));
  json_decref(document);
  document = command_json(
      0, WORDS("eval", "--model", "u.apm", "--data", "images", "--split", "test", "--json"));
  assert_true(json_number_value(json_object_get(document, "accuracy")) == said);
  json_decref(document);
  document = command_json(
      0, WORDS("import", "--model", "m.apm", "--out", "m4.apm", "--store", "int4", "--json"));
  char *fourth = model_hash("m4.apm");
  assert_string_equal(fourth, json_string_value(json_object_get(document, "hash")));
  free(fourth);
  json_decref(document);
  assert_true(size_of("t.apm") < size_of("m8.apm"));
  command_bad("int9", WORDS("import", "--model", "m.apm", "--out", "x.apm", "--store", "int9"));
  command_bad("--compact", WORDS("import", "--model", "m.apm", "--out", "x.apm", "--store", "int8",
                                 "--compact"));
  command_bad("exclude", WORDS("import", "--model", "m.apm", "--onnx", "m.onnx", "--out", "x.apm"));
  command_bad("--onnx", WORDS("import", "--out", "x.apm"));
  command_bad("--force", WORDS("import", "--model", "m.apm", "--out", "m8.apm"));
  command_bad("--store", WORDS(TRAIN("x.apm", "1"), "--store", "float64"));
  free(first);
  free(second);
  free(third);
}

/* Equal questions have equal configurations, others do not. */
static void test_configuration_hash(void **state) {
  char *hashes[3];
  const char *const splits[3] = {"test", "test", "selection"};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    json_t *document = command_json(
        0, WORDS("eval", "--model", "m.apm", "--data", "images", "--split", splits[i], "--json"));
    hashes[i] = strdup(json_string_value(
        json_object_get(json_object_get(document, "provenance"), "configuration_sha256")));
    json_decref(document);
  }
  assert_string_equal(hashes[0], hashes[1]);
  assert_string_not_equal(hashes[0], hashes[2]);
  for (size_t i = 0; i < 3; i++) free(hashes[i]);
}

static void test_damaged_model(void **state) {
  FILE *file = fopen("m.apm", "rb");
  char *bytes = calloc(1, 1 << 22);
  size_t size;
  (void)state;
  assert_non_null(file);
  assert_non_null(bytes);
  size = fread(bytes, 1, 1 << 22, file);
  (void)fclose(file);
  command_write("short.apm", bytes, size / 2);
  command_bad("short.apm", WORDS("eval", "--model", "short.apm", "--data", "images"));
  bytes[size / 2] = (char)(bytes[size / 2] ^ 0x40);
  command_write("flipped.apm", bytes, size);
  command_bad("flipped.apm", WORDS("map", "--model", "flipped.apm"));
  command_bad("flipped.apm", WORDS("cost", "--model", "flipped.apm"));
  /* before the images, of which there are none */
  command_bad("flipped.apm: byte",
              WORDS("train", "--from", "flipped.apm", "--data", "./nowhere", "--out", "never.apm"));
  /* larger than what is read, but no model from the first byte on */
  command_write("large.apm", bytes + 1, 100);
  assert_int_equal(truncate("large.apm", (off_t)1 << 40), 0);
  command_bad("large.apm: byte 0: not a model file", WORDS("map", "--model", "large.apm"));
  assert_int_equal(unlink("large.apm"), 0);
  command_bad("./images: is a directory", WORDS("map", "--model", "./images"));
  command_bad("images: is a directory", WORDS("map", "--model", "images"));
  assert_int_equal(symlink("round.apm", "round.apm"), 0);
  command_bad("round.apm: cannot open: Too many levels", WORDS("map", "--model", "round.apm"));
  free(bytes);
}

/* A row of values is neither shifted nor mirrored; to wish for it is a mistake. */
static void test_rows(void **state) {
  ap_network *net = NULL;
  ap_error err;
  size_t at = 0;
  (void)state;
  assert_int_equal(ap_network_create("row", (ap_shape3){1, 1, 784}, &net, &err), AP_OK);
  const ap_node nodes[] = {
      {.kind = AP_NODE_FLATTEN, .name = "flat", .inputs = &at, .n_inputs = 1},
      {.kind = AP_NODE_LINEAR, .name = "fc", .inputs = &at, .n_inputs = 1, .shape.c = 10}};
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(ap_network_append(net, &nodes[i], &at, &err), AP_OK);
  net->classes = 10;
  assert_int_equal(ap_model_save("row.apm", net, NULL, 32, false, &err), AP_OK);
  ap_network_destroy(net);
  command_bad("row takes a row of values", WORDS("train", "--from", "row.apm", "--data", "images",
                                                 "--out", "r.apm", "--crop", "2"));
  command_bad("row takes a row of values",
              WORDS("train", "--from", "row.apm", "--data", "images", "--out", "r.apm", "--flip"));
  command_good(WORDS("train", "--from", "row.apm", "--data", "images", "--out", "r.apm", "--epochs",
                     "1", "--quiet"));
}

static void test_refusals(void **state) {
  (void)state;
  command_bad("lenet5", WORDS("train", "--net", "lenet6", "--data", "images", "--out", "x.apm"));
  command_bad("nowhere",
              WORDS("train", "--net", "lenet5", "--data", "images", "--out", "nowhere/x.apm"));
  command_bad("/proc/",
              WORDS("train", "--net", "lenet5", "--data", "images", "--out", "/proc/x.apm"));
  command_bad("split", WORDS("eval", "--model", "m.apm", "--data", "images", "--split", "all"));
  command_bad("--images 999", WORDS("eval", "--model", "m.apm", "--data", "images", "--images",
                                    "999", "--split", "test"));
  command_bad("./nowhere", WORDS("eval", "--model", "m.apm", "--data", "./nowhere"));
  command_bad("nowhere.json", WORDS("map", "--model", "m.apm", "--policy", "nowhere.json"));
  command_write("policy.json", "{\"layers\": 3}", 13);
  command_bad("policy.json", WORDS("map", "--model", "m.apm", "--policy", "policy.json"));
  assert_int_equal(command_count_files("x.apm"), 0);
}

/* The checkpoint does not fit below the limit: as a full disk. */
static void test_full_disk(void **state) {
  command_how how = {.file_limit = 100000};
  (void)state;
  command_bad_how(&how, "", WORDS(TRAIN("full.apm", "3")));
  assert_int_equal(command_count_files("full.apm"), 0);
  assert_int_equal(command_count_files("full.apm.checkpoint"), 0);
}

static void stop_and_resume(const char *out, int signal_number, int status) {
  char checkpoint[64], log[64], *whole, *resumed;
  command_how how = {.kill_after = checkpoint, .kill_signal = signal_number};
  command_result r;
  (void)snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", out);
  (void)snprintf(log, sizeof log, "%s.log.csv", out);
  r = command_run(&how, WORDS(TRAIN(out, "8")));
  assert_int_equal(r.status, status);
  if (status == 130) {
    assert_non_null(strstr(r.err, "run the same command again"));
    assert_int_equal(command_count_files(".tmp"), 0);
  }
  command_release(&r);
  assert_int_equal(access(out, F_OK), -1); /* no half-written model */
  assert_int_equal(access(checkpoint, F_OK), 0);
  command_good(WORDS(TRAIN(out, "8")));
  assert_int_equal(access(checkpoint, F_OK), -1);
  assert_int_equal(log_rows(log), 8);
  resumed = model_hash(out);
  whole = model_hash("whole.apm");
  assert_string_equal(resumed, whole);
  free(resumed);
  free(whole);
}

static void test_resume(void **state) {
  (void)state;
  command_good(WORDS(TRAIN("whole.apm", "8")));
  stop_and_resume("stopped.apm", SIGTERM, 130);
  stop_and_resume("killed.apm", SIGKILL, 128 + SIGKILL);
  /* a checkpoint of other options is not taken for ours */
  assert_int_equal(rename("whole.apm", "other.apm.checkpoint"), 0);
  command_bad("other.apm.checkpoint", WORDS(TRAIN("other.apm", "8")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_train_and_use), cmocka_unit_test(test_train_from),
      cmocka_unit_test(test_store),         cmocka_unit_test(test_configuration_hash),
      cmocka_unit_test(test_damaged_model), cmocka_unit_test(test_rows),
      cmocka_unit_test(test_refusals),      cmocka_unit_test(test_full_disk),
      cmocka_unit_test(test_resume),
  };
  return cmocka_run_group_tests(tests, setup, command_teardown);
}
