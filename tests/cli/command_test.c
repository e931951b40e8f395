/* The command from outside: help everywhere, bad input everywhere (status 2, one line, nothing
 * half-written), and what map, cost, simulate and data answer. */
#include "tests/cli/command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/npy.h"

static const char *const commands[] = {"data",   "train", "eval",   "import",     "export",
                                       "search", "map",   "cost",   "simulate",   "compare",
                                       "study",  "plot",  "claims", "leaderboard"};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void save_f32(const char *path, size_t rows, size_t cols, const float *values) {
  size_t dims[2] = {rows, cols};
  ap_error err;
  assert_int_equal(ap_npy_save(path, AP_NPY_F32, dims, 2, values, true, &err), AP_OK);
}

static void test_help(void **state) {
  (void)state;
  for (size_t i = 0; i < N_COMMANDS; i++) {
    command_result r = command_run(NULL, WORDS(commands[i], "--help"));
    char usage[64];
    (void)snprintf(usage, sizeof usage, "Usage: autoprune %s", commands[i]);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_int_equal(strncmp(r.out, usage, strlen(usage)), 0);
    assert_non_null(strstr(r.out, "\nExamples:\n  autoprune "));
    assert_non_null(strstr(r.out, "--json"));
    command_release(&r);
  }
}

static void test_general(void **state) {
  command_result r = command_run(NULL, WORDS("--help"));
  (void)state;
  assert_int_equal(r.status, 0);
  for (size_t i = 0; i < N_COMMANDS; i++) assert_non_null(strstr(r.out, commands[i]));
  command_release(&r);
  r = command_run(NULL, WORDS("--version"));
  assert_int_equal(r.status, 0);
  assert_int_equal(strncmp(r.out, "autoprune ", 10), 0);
  assert_non_null(strstr(r.out, "commit"));
  command_release(&r);
  command_bad("which command?", (const char *const[]){NULL});
  command_bad("did you mean train?", WORDS("trian"));
  command_bad("commands: data, train", WORDS("nonsense"));
}

/* A full device behind a redirection must not look like success. */
static void test_full_output(void **state) {
  command_how how = {.stdout_to = "/dev/full"};
  (void)state;
  command_bad_how(&how, "standard output", WORDS("--help"));
  command_bad_how(&how, "standard output", WORDS("cost", "--chip", "--hw", "isaac", "--json"));
}

static void test_bad_options(void **state) {
  (void)state;
  for (size_t i = 0; i < N_COMMANDS; i++) {
    command_bad("unknown option --nonsense", WORDS(commands[i], "--nonsense"));
    command_bad("did you mean --threads?", WORDS(commands[i], "--thread=1", "--theads=2"));
    command_bad("whole number", WORDS(commands[i], "--seed", "x"));
  }
  command_bad("--net is needed", WORDS("train"));
  command_bad("--data is needed", WORDS("train", "--net", "lenet5"));
  command_bad("--model is needed", WORDS("eval"));
  command_bad("--sigma goes with --datapath",
              WORDS("eval", "--model", "m", "--data", "d", "--sigma", "0.1"));
  command_bad("--sigma goes with --datapath",
              WORDS("eval", "--model", "m", "--data", "d", "--integer", "--sigma", "0.1"));
  command_bad("--policy goes with --datapath or --integer",
              WORDS("eval", "--model", "m", "--data", "d", "--policy", "p"));
  command_bad("--integer or --datapath",
              WORDS("eval", "--model", "m", "--data", "d", "--integer", "--datapath"));
  command_bad("float or integer is expected",
              WORDS("search", "--model", "m", "--data", "d", "--out", "o", "--arithmetic", "half"));
  command_bad("together at most 1", WORDS("eval", "--model", "m", "--data", "d", "--datapath",
                                          "--stuck-low", "0.6", "--stuck-high", "0.5"));
  command_bad("--model or --matrix", WORDS("map"));
  command_bad("--model or --matrix", WORDS("cost", "--model", "a", "--matrix", "b"));
  command_bad("--matrix is needed", WORDS("simulate"));
  command_bad("--input is needed", WORDS("simulate", "--matrix", "w.npy"));
  command_bad("--out is needed", WORDS("compare"));
  command_bad("--model is needed", WORDS("study"));
  command_bad("--out is needed", WORDS("study", "--model", "m"));
  command_bad("--results is needed", WORDS("plot"));
  command_bad("no such folder", WORDS("plot", "--results", "nowhere"));
  command_bad("--max-loss -0.1", WORDS("search", "--max-loss", "-0.1"));
  command_bad("--max-loss -0.1", WORDS("compare", "--max-loss=-0.1"));
  command_bad("--keep-min 0: expected 1e-09 to 1", WORDS("search", "--keep-min", "0"));
  command_bad("--label-smoothing 1: expected 0 to", WORDS("train", "--label-smoothing", "1"));
  command_bad("nodir/m.apm: cannot create",
              WORDS("train", "--net", "lenet5", "--data", "d", "--out", "nodir/m.apm"));
  command_bad("--search goes with --pruner", WORDS("compare", "--search", "ddpg", "--out", "c"));
  command_bad("--seeds 0", WORDS("compare", "--seeds", "0", "--out", "c"));
  command_bad("unknown sweep 'weather'", WORDS("compare", "--sweep", "ou,weather", "--out", "c"));
  command_bad("not a --sweep", WORDS("compare", "--sweep", "ou", "--record", "--out", "c"));
  command_bad("alexnet", WORDS("compare", "--networks", "lenet5,alexnet", "--out", "c"));
  command_bad("--results is needed", WORDS("claims"));
  command_bad("summary.csv: no such file", WORDS("claims", "--results", "nowhere"));
  command_bad("--results is needed", WORDS("leaderboard"));
  command_bad("summary.csv: no such file", WORDS("leaderboard", "--results", "nowhere"));
  command_bad("exclude each other",
              WORDS("train", "--net", "a", "--data", "b", "--out", "c", "--flip", "--no-flip"));
  command_bad("--chip takes no --model", WORDS("cost", "--chip", "--model", "m"));
  command_bad("--chip takes no --pruner", WORDS("cost", "--chip", "--pruner", "filter"));
  command_bad("--chip takes no --replicate", WORDS("cost", "--chip", "--replicate", "2"));
  command_bad("--chip takes no --record", WORDS("cost", "--chip", "--record"));
  command_bad("--positions goes with --matrix", WORDS("map", "--model", "m", "--positions", "1"));
  command_bad("--mean and --std go with --model",
              WORDS("map", "--matrix", "m", "--mean", "1", "--std", "1"));
  command_bad("--keep 0x1p-1: a number", WORDS("map", "--model", "m", "--keep", "0x1p-1"));
  command_bad("--keep  0.5: a number", WORDS("map", "--model", "m", "--keep", " 0.5"));
  command_bad("--describe evaluates nothing",
              WORDS("eval", "--model", "m", "--describe", "--logits", "l.npy"));
  command_bad("nodir/l.npy",
              WORDS("eval", "--model", "m", "--data", "d", "--logits", "nodir/l.npy"));
  command_bad("expected list", WORDS("data", "burn"));
  command_bad("a word is missing", WORDS("data"));
  command_bad("unexpected word", WORDS("data", "check", "a", "b"));
}

/* The exit status is the answer: 0 where all that can be tested holds, 1 where something does not, or nothing
 * can be tested. */
static void test_claims(void **state) {
  static const struct {
    const char *row;
    int status;
  } cases[] = {{"net,auto-prune,4\n", 0}, {"net,auto-prune,1.2\n", 1}, {"net,dense,0.5\n", 1}};
  (void)state;
  assert_int_equal(mkdir("r", 0755), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[200];
    json_t *judged;
    (void)snprintf(text, sizeof text, "network,method,compression_vs_pim\n%s", cases[i].row);
    command_write("r/summary.csv", text, strlen(text));
    judged = command_json(cases[i].status, WORDS("claims", "--results", "r", "--json"));
    assert_int_equal(json_array_size(json_object_get(judged, "claims")), 9);
    json_decref(judged);
  }
  command_write("r/summary.csv", "network,method\n\"n", 17);
  command_bad("r/summary.csv, line 2: a quote is not closed", WORDS("claims", "--results", "r"));
}

/* What is to be done, and nothing else; a network without a checkpoint is named, with the way to one. */
static void test_plan(void **state) {
  command_result r;
  json_t *plan;
  (void)state;
  command_write_images("small", 600, 60);
  plan = command_json(
      0, WORDS("compare", "--suite", "smoke", "--plan", "--data", "small", "--out", "p", "--json"));
  assert_non_null(strstr(json_string_value(json_array_get(json_object_get(plan, "plan"), 0)),
                         "7 cells: 0 are there, 7 to do, about 0:00:"));
  assert_int_not_equal(access("p", F_OK), 0);
  json_decref(plan);
  r = command_run(NULL, WORDS("compare", "--suite", "paper", "--plan", "--networks", "lenet5",
                              "--seeds", "2", "--data", "./absent", "--out", "p"));
  assert_int_equal(r.status, 2); /* no checkpoint of such images: it says how to train one */
  assert_non_null(strstr(r.err, "autoprune train --net lenet5"));
  command_release(&r);
}

static void test_bad_hardware(void **state) {
  const float w[4] = {1, 2, 3, 4};
  (void)state;
  save_f32("w.npy", 2, 2, w);
  command_bad("--set: ou: [array] rows = '0'",
              WORDS("map", "--matrix", "w.npy", "--set", "array.rows=0"));
  command_bad("larger than the crossbar",
              WORDS("map", "--matrix", "w.npy", "--set", "array.ou_rows=129"));
  command_bad("section.key=value", WORDS("cost", "--matrix", "w.npy", "--set", "nothing"));
  command_bad("array.nothing", WORDS("cost", "--matrix", "w.npy", "--set", "array.nothing=1"));
  command_bad("nowhere.ini", WORDS("map", "--matrix", "w.npy", "--hw", "./nowhere.ini"));
  command_bad("isaac", WORDS("map", "--matrix", "w.npy", "--hw", "nonsense"));
  command_bad("column-vector", WORDS("map", "--matrix", "w.npy", "--pruner", "nonsense"));
  command_bad("expected 1 to", WORDS("map", "--matrix", "w.npy", "--positions", "0"));
  command_bad("[technology] name = 'caf?', expected a text in UTF-8",
              WORDS("map", "--matrix", "w.npy", "--set", "technology.name=caf\xe9"));
  /* values that fit only together, in any order */
  command_good(
      WORDS("map", "--matrix", "w.npy", "--set", "array.rows=8", "--set", "array.ou_rows=8"));
  command_write("broken.ini", "[technology\nname = x\n", 21);
  command_bad("broken.ini", WORDS("map", "--matrix", "w.npy", "--hw", "./broken.ini"));
}

static void test_bad_files(void **state) {
  const float bad[4] = {1, NAN, 3, 4}, good[4] = {1, 2, 3, 4};
  const double large[4] = {1, 2, 1e300, 4}, small[4] = {1, 1e-300, 3, 4};
  const size_t two[2] = {2, 2};
  const char *policy =
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"column-vector\", \"layers\":"
      " [{\"name\": \"conv1\", \"keep\": 0.5, \"vectors_kept\": 30, \"vectors\": 60}]}";
  const char *odd =
      "{\"schema\": \"autoprune-policy-1\", \"granularity\": \"diagonal\", \"layers\":"
      " [{\"name\": \"conv1\", \"keep\": 0.5, \"vectors_kept\": 30, \"vectors\": 60}]}";
  char noise[4096];
  size_t one_dim = 4;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(i * 7 + 1);
  command_write("noise.apm", noise, sizeof noise);
  command_write("empty.apm", noise, 0);
  save_f32("nan.npy", 2, 2, bad);
  save_f32("good.npy", 2, 2, good);
  assert_int_equal(ap_npy_save("flat.npy", AP_NPY_F32, &one_dim, 1, good, true, &err), AP_OK);
  command_bad("row 0, column 1", WORDS("map", "--matrix", "nan.npy"));
  assert_int_equal(ap_npy_save("large.npy", AP_NPY_F64, two, 2, large, true, &err), AP_OK);
  assert_int_equal(ap_npy_save("small.npy", AP_NPY_F64, two, 2, small, true, &err), AP_OK);
  command_bad("row 1, column 0 is 1e+300", WORDS("map", "--matrix", "large.npy"));
  command_bad("row 0, column 1 is 1e-300", WORDS("cost", "--matrix", "small.npy"));
  command_bad("row 1, column 0 is 1e+300",
              WORDS("simulate", "--matrix", "large.npy", "--input", "good.npy"));
  command_bad("nan.npy", WORDS("simulate", "--matrix", "nan.npy", "--input", "good.npy"));
  command_bad("expected a matrix of 2", WORDS("map", "--matrix", "flat.npy"));
  command_bad("noise.apm", WORDS("map", "--matrix", "noise.apm"));
  command_bad("nowhere.npy", WORDS("map", "--matrix", "nowhere.npy"));
  command_bad("noise.apm", WORDS("map", "--model", "noise.apm"));
  command_bad("empty.apm", WORDS("eval", "--model", "empty.apm", "--describe"));
  command_bad("no-such-model", WORDS("eval", "--model", "no-such-model", "--describe"));
  command_write("p.json", policy, strlen(policy));
  command_bad("p.json: policy has 1 layers, the network has 4",
              WORDS("map", "--model", "lenet5_fashion-mnist", "--policy", "p.json"));
  command_write("q.json", odd, strlen(odd));
  command_bad("q.json: granularity: unknown pruner 'diagonal'",
              WORDS("cost", "--model", "lenet5_fashion-mnist", "--policy", "q.json"));
  command_bad("noise.apm", WORDS("search", "--model", "noise.apm", "--data", "x", "--out", "o"));
  command_bad("nowhere", WORDS("data", "check", "./nowhere"));
  command_bad("unsupported-set", WORDS("data", "fetch", "unsupported-set"));
  command_bad("cuda", WORDS("train", "--net", "lenet5", "--data", "./nowhere", "--backend",
                            "no-cuda-here", "--out", "m.apm"));
  assert_int_equal(command_count_files("m.apm"), 0);
}

/* 18 x 4 with the default 9 x 8 OUs and 2-bit cells: 2 bands of 4 vectors, of which one is zero in
 * the first band and three in the second. Kept 3 + 1; an OU holds 2 of them: 2 + 1 OUs of 2 + 2. */
static void test_map(void **state) {
  float w[18 * 4] = {0};
  json_t *document, *total;
  (void)state;
  for (size_t k = 0; k < 18; k++) {
    for (size_t n = 0; n < 4; n++) {
      if (k < 9 ? n != 2 : n == 1) w[k * 4 + n] = (float)(k + n + 1);
    }
  }
  save_f32("w.npy", 18, 4, w);
  document = command_json(0, WORDS("map", "--matrix", "w.npy", "--json"));
  total = json_object_get(document, "total");
  assert_int_equal(json_integer_value(json_object_get(total, "vectors")), 8);
  assert_int_equal(json_integer_value(json_object_get(total, "vectors_kept")), 4);
  assert_int_equal(json_integer_value(json_object_get(total, "ous")), 3);
  assert_int_equal(json_integer_value(json_object_get(total, "ous_dense")), 4);
  assert_int_equal(json_integer_value(json_object_get(total, "crossbars")), 1);
  assert_int_equal(json_integer_value(json_object_get(total, "crossbars_dense")), 1);
  assert_true(
      json_real_value(json_object_get(json_object_get(document, "compression"), "weights")) == 2.0);
  assert_int_equal(json_array_size(json_object_get(document, "layers")), 1);
  assert_true(json_is_object(json_object_get(document, "provenance")));
  json_decref(document);
  /* a file's name need not be text, a document has to be */
  save_f32("w\xff.npy", 18, 4, w);
  document = command_json(0, WORDS("map", "--matrix", "w\xff.npy", "--json"));
  assert_string_equal(json_string_value(json_object_get(document, "subject")), "w?.npy");
  json_decref(document);
}

/* Sum of one quantity over the components. */
static double sum_parts(const json_t *cost, const char *quantity) {
  const json_t *parts = json_object_get(cost, "components"), *part;
  const char *name;
  double sum = 0;
  json_object_foreach((json_t *)(uintptr_t)parts, name, part) {
    sum += json_number_value(json_object_get(part, quantity));
  }
  return sum;
}

static void test_cost(void **state) {
  const char *const quantities[] = {"area_mm2", "energy_uj", "latency_us"};
  float w[40 * 40];
  json_t *document, *events;
  (void)state;
  for (size_t i = 0; i < 1600; i++) w[i] = (float)(i % 13) - 5.5F;
  save_f32("w.npy", 40, 40, w);
  document = command_json(0, WORDS("cost", "--matrix", "w.npy", "--positions", "7", "--json"));
  for (size_t q = 0; q < 3; q++) {
    const json_t *cost = json_object_get(document, "total");
    double total = json_number_value(json_object_get(document, quantities[q]));
    assert_true(total > 0);
    assert_true(fabs(sum_parts(cost, quantities[q]) - total) < 1e-12 * total);
  }
  /* 5 bands of at most 9 rows, 20 OUs of 2 weights each, 8 input bits at 7 positions */
  events = json_object_get(json_array_get(json_object_get(document, "layers"), 0), "events");
  assert_int_equal(json_integer_value(json_object_get(events, "ou_reads")), 5 * 20 * 8 * 7);
  assert_int_equal(
      json_integer_value(json_object_get(json_object_get(document, "hardware"), "adc_bits")), 5);
  json_decref(document);
  document = command_json(0, WORDS("cost", "--chip", "--hw", "isaac", "--json"));
  assert_true(
      fabs(json_number_value(json_object_get(json_object_get(document, "ima"), "power_mw")) -
           24.08) < 0.01);
  json_decref(document);
}

static void test_simulate(void **state) {
  const int8_t w[3 * 2] = {1, -2, 0, 127, -127, 5};
  const uint8_t x[2 * 3] = {1, 2, 3, 255, 0, 255};
  const json_int_t expected[2][2] = {{-380, 267}, {-32130, 765}};
  size_t w_dims[2] = {3, 2}, x_dims[2] = {2, 3};
  ap_error err;
  json_t *document;
  (void)state;
  assert_int_equal(ap_npy_save("wi.npy", AP_NPY_I8, w_dims, 2, w, true, &err), AP_OK);
  assert_int_equal(ap_npy_save("xi.npy", AP_NPY_U8, x_dims, 2, x, true, &err), AP_OK);
  document =
      command_json(0, WORDS("simulate", "--matrix", "wi.npy", "--input", "xi.npy", "--json"));
  assert_true(json_is_true(json_object_get(document, "equal")));
  for (size_t i = 0; i < 2; i++) {
    for (size_t j = 0; j < 2; j++) {
      assert_int_equal(json_integer_value(json_array_get(
                           json_array_get(json_object_get(document, "output"), i), j)),
                       expected[i][j]);
      assert_int_equal(json_integer_value(json_array_get(
                           json_array_get(json_object_get(document, "product"), i), j)),
                       expected[i][j]);
    }
  }
  json_decref(document);
  /* one bit cannot hold the sums: the answer is "no" */
  document = command_json(1, WORDS("simulate", "--matrix", "wi.npy", "--input", "xi.npy", "--json",
                                   "--set", "array.adc_bits=1"));
  assert_true(json_is_false(json_object_get(document, "equal")));
  assert_true(json_integer_value(json_object_get(document, "saturated")) > 0);
  json_decref(document);
  command_bad("must agree", WORDS("simulate", "--matrix", "xi.npy", "--input", "xi.npy"));
}

static void test_data(void **state) {
  json_t *document;
  (void)state;
  command_write_images("images", 600, 100);
  document = command_json(0, WORDS("data", "check", "images", "--json"));
  assert_int_equal(json_integer_value(json_object_get(document, "classes")), 10);
  assert_int_equal(json_integer_value(json_object_get(json_object_get(document, "images"), "test")),
                   100);
  json_decref(document);
  document = command_json(0, WORDS("data", "list", "--json"));
  assert_int_equal(json_array_size(json_object_get(document, "data_sets")), 3);
  json_decref(document);
  command_write("images/train-labels-idx1-ubyte", "\0\0\x08\x01\0\0\2\x58\1\2\3", 11);
  command_bad("train-labels-idx1-ubyte", WORDS("data", "check", "images"));
}

/* Input ranges come from training images: without any there are none; of fewer than asked for, as many
 * as there are. */
static void test_calibration_images(void **state) {
  static const uint8_t pixels[2 * 28 * 28], labels[2] = {3, 7};
  const size_t shape[3] = {2, 28, 28};
  json_t *document, *check;
  (void)state;
  assert_int_equal(mkdir("own", 0755), 0);
  assert_int_equal(ap_npy_save("own/test_images.npy", AP_NPY_U8, shape, 3, pixels, true, NULL),
                   AP_OK);
  assert_int_equal(ap_npy_save("own/test_labels.npy", AP_NPY_U8, shape, 1, labels, true, NULL),
                   AP_OK);
  command_bad("own has no training images", WORDS("eval", "--model", "lenet5_fashion-mnist",
                                                  "--data", "own", "--split", "test", "--integer"));
  command_write_images("few", 600, 10);
  check = command_json(0, WORDS("data", "check", "few", "--json"));
  document = command_json(0, WORDS("eval", "--model", "lenet5_fashion-mnist", "--data", "few",
                                   "--integer", "--calibration", "5000", "--json"));
  assert_int_equal(
      json_integer_value(json_object_get(document, "calibration_images")),
      json_integer_value(json_object_get(json_object_get(check, "images"), "calibration")));
  json_decref(document);
  json_decref(check);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_help),
      cmocka_unit_test(test_general),
      cmocka_unit_test(test_full_output),
      cmocka_unit_test(test_bad_options),
      cmocka_unit_test(test_claims),
      cmocka_unit_test(test_plan),
      cmocka_unit_test(test_bad_hardware),
      cmocka_unit_test(test_bad_files),
      cmocka_unit_test(test_map),
      cmocka_unit_test(test_cost),
      cmocka_unit_test(test_simulate),
      cmocka_unit_test(test_data),
      cmocka_unit_test(test_calibration_images),
  };
  return cmocka_run_group_tests(tests, command_setup, command_teardown);
}
