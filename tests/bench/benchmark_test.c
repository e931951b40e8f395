/* The C wrapper over Google Benchmark, by the JSON of programs that use it: a sample with cases that
 * succeed, fail and are not supported, and autoprune-bench on its smallest case. */
#include "bench/benchmark.h"

#include <math.h>
#include <sys/wait.h>

#include "base/json.h"
#include "tests/base/testing.h"

/* Runs a program with a filter; *status is its exit status. NULL where it prints no JSON. */
static json_t *run(const char *program, const char *options, int *status) {
  char command[1024], *text = calloc(1 << 20, 1);
  json_t *document = NULL;
  FILE *pipe;
  size_t size;
  assert_non_null(text);
  (void)snprintf(command, sizeof command,
                 "'%s' --benchmark_format=json --benchmark_min_time=0.01 %s 2>/dev/null", program,
                 options);
  pipe = popen(command, "r");
  assert_non_null(pipe);
  size = fread(text, 1, (1 << 20) - 1, pipe);
  *status = WEXITSTATUS(pclose(pipe));
  if (size > 0 && text[0] == '{' && ap_json_parse(text, size, command, &document, NULL)) {
    fail_msg("not JSON: %s", text);
  }
  free(text);
  return document;
}

static const json_t *entry(const json_t *document, size_t i) {
  return json_array_get(json_object_get(document, "benchmarks"), i);
}
static const char *text_of(const json_t *e, const char *member) {
  const char *text = json_string_value(json_object_get(e, member));
  return text ? text : "";
}
static double number(const json_t *e, const char *member) {
  const json_t *value = json_object_get(e, member);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void assert_starts(const char *text, const char *beginning) {
  if (strncmp(text, beginning, strlen(beginning)) != 0) fail_msg("%s: not %s", text, beginning);
}

/* Both ways of a point were timed; the second one's ratios are of the times that are shown. */
static void assert_pair(const json_t *base, const json_t *own, const char *rate) {
  const json_t *both[] = {base, own};
  for (size_t i = 0; i < 2; i++) {
    assert_null(json_object_get(both[i], "error_occurred"));
    assert_true(number(both[i], "real_time") > 0);
    assert_true(number(both[i], rate) > 0);
    assert_string_equal(text_of(both[i], "time_unit"), "ms");
  }
  assert_null(json_object_get(base, "speedup"));
  /* Other processes may come between the two clocks: a factor, not an equality. */
  const double ratio =
      number(own, "speedup") * number(own, "real_time") / number(base, "real_time");
  assert_true(ratio > 1.0 / 3 && ratio < 3);
  assert_true(number(own, "speedup_cpu") > 0);
}

static void every_point_and_way(void **state) {
  static const char *const names[] = {"sum/n:1000/forwards", "sum/n:1000/in_fours",
                                      "sum/n:4099/forwards", "sum/n:4099/in_fours"};
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^sum/", &status);
  (void)state;
  assert_int_equal(status, 0);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 4);
  for (size_t i = 0; i < 4; i++) {
    assert_starts(text_of(entry(d, i), "name"), names[i]);
    assert_true(number(entry(d, i), "way") >= (double)(i % 2 + 1) &&
                number(entry(d, i), "way") <= (double)(i % 2 + 1));
  }
  assert_pair(entry(d, 0), entry(d, 1), "additions");
  assert_pair(entry(d, 2), entry(d, 3), "additions");
  assert_true(*text_of(json_object_get(d, "context"), "autoprune_commit") != 0);
  assert_true(*text_of(json_object_get(d, "context"), "autoprune_compiler") != 0);
  json_decref(d);
}

static void no_ratio_without_baseline(void **state) {
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^sum/n:1000/in_fours", &status);
  (void)state;
  assert_int_equal(status, 0);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 1);
  assert_true(number(entry(d, 0), "real_time") > 0);
  assert_null(json_object_get(entry(d, 0), "speedup"));
  json_decref(d);
}

/* Three repetitions: the ratios of the second way are to the median of the first one's. */
static void ratio_is_to_the_median(void **state) {
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_repetitions=3 --benchmark_filter=^sum/n:1000/", &status);
  double base[3], low, high;
  (void)state;
  assert_int_equal(status, 0);
  for (size_t i = 0; i < 3; i++) base[i] = number(entry(d, i), "real_time");
  low = fmin(fmin(base[0], base[1]), base[2]);
  high = fmax(fmax(base[0], base[1]), base[2]);
  const double middle = base[0] + base[1] + base[2] - low - high;
  size_t ways = 0;
  for (size_t i = 0; i < json_array_size(json_object_get(d, "benchmarks")); i++) {
    const json_t *e = entry(d, i);
    if (strcmp(text_of(e, "run_type"), "iteration") != 0 || !json_object_get(e, "speedup"))
      continue;
    const double ratio = number(e, "speedup") * number(e, "real_time") / middle;
    assert_true(ratio > 1.0 / 3 && ratio < 3);
    ways++;
  }
  assert_int_equal(ways, 3);
  json_decref(d);
}

static void assert_refused(const json_t *e, const char *message) {
  assert_true(json_is_true(json_object_get(e, "error_occurred")));
  assert_string_equal(text_of(e, "error_message"), message);
  assert_false(number(e, "real_time") > 0); /* none, or 0 */
  assert_null(json_object_get(e, "additions"));
  assert_null(json_object_get(e, "speedup"));
}

static void what_does_not_verify_has_no_time(void **state) {
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^wrong/", &status);
  (void)state;
  assert_int_equal(status, 1);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 2);
  assert_refused(entry(d, 0), "INTERNAL: sum -1, expected 499500");
  assert_refused(entry(d, 1), "INTERNAL: sum -1, expected 499500");
  json_decref(d);
}

static void a_failing_way_fails_alone(void **state) {
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^broken/", &status);
  (void)state;
  assert_int_equal(status, 1);
  assert_true(number(entry(d, 0), "real_time") > 0);
  assert_refused(entry(d, 1), "DEVICE: it broke");
  json_decref(d);
}

static void unsupported_is_no_failure(void **state) {
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^absent/", &status);
  (void)state;
  assert_int_equal(status, 0);
  assert_refused(entry(d, 0), "UNSUPPORTED: no device of this kind");
  json_decref(d);
}

static void bad_usage(void **state) {
  int status = -1;
  (void)state;
  json_decref(run(AP_SAMPLE, "--benchmark_filter=nothing_of_this_name", &status));
  assert_int_equal(status, 1);
  json_decref(run(AP_SAMPLE, "--no-such-option", &status));
  assert_int_equal(status, 2);
}

static void own_clock_counts(void **state) {
  static const double milliseconds[2] = {4, 2};
  int status = -1;
  json_t *d = run(AP_SAMPLE, "--benchmark_filter=^clocked/n:1000/", &status);
  (void)state;
  assert_int_equal(status, 0);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 2);
  for (size_t i = 0; i < 2; i++) {
    assert_true(fabs(number(entry(d, i), "real_time") - milliseconds[i]) < 1e-9);
    assert_true(fabs(number(entry(d, i), "additions") * milliseconds[i] - 1e6) < 1e-3);
  }
  assert_true(fabs(number(entry(d, 1), "speedup") - 2) < 1e-9);
  json_decref(d);
}

static void program_times_its_smallest_case(void **state) {
  int status = -1;
  json_t *d = run(AP_PROGRAM, "--benchmark_filter=^conv_forward/channels:4/", &status);
  (void)state;
  assert_int_equal(status, 0);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 2);
  assert_starts(text_of(entry(d, 0), "name"),
                "conv_forward/channels:4/side:5/filter:3/images:3/im2col_sgemm");
  assert_pair(entry(d, 0), entry(d, 1), "images");
  json_decref(d);
}

/* A model's file is a case of its own, verified as the built-in networks are; a name is taken once. */
static void program_times_a_model(void **state) {
  static const char *const ways[] = {"dense/", "evaluator/", "integer/"};
  const char *point =
      "evaluator/lenet5_fashion-mnist/sparsity_percent:90/vector_columns:8/threads:1/";
  char options[512];
  int status = -1;
  (void)state;
  (void)snprintf(options, sizeof options, "--model='%s' --benchmark_filter=^%s",
                 AP_MODELS "/lenet5_fashion-mnist.apm", point);
  json_t *d = run(AP_PROGRAM, options, &status);
  assert_int_equal(status, 0);
  assert_int_equal(json_array_size(json_object_get(d, "benchmarks")), 3);
  for (size_t i = 0; i < 3; i++) {
    assert_starts(text_of(entry(d, i), "name"), point);
    assert_starts(text_of(entry(d, i), "name") + strlen(point), ways[i]);
    assert_null(json_object_get(entry(d, i), "error_occurred"));
    assert_true(number(entry(d, i), "images") > 0);
  }
  json_decref(d);
  assert_null(run(AP_PROGRAM, "--model=elsewhere/lenet5.onnx", &status));
  assert_int_equal(status, 1);
  d = run(AP_PROGRAM, "--model=none.onnx --benchmark_filter=^evaluator/none/", &status);
  assert_int_equal(status, 1);
  assert_refused(entry(d, 0), "IO: none.onnx: no such file");
  json_decref(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_point_and_way),
      cmocka_unit_test(program_times_a_model),
      cmocka_unit_test(no_ratio_without_baseline),
      cmocka_unit_test(ratio_is_to_the_median),
      cmocka_unit_test(what_does_not_verify_has_no_time),
      cmocka_unit_test(a_failing_way_fails_alone),
      cmocka_unit_test(unsupported_is_no_failure),
      cmocka_unit_test(bad_usage),
      cmocka_unit_test(own_clock_counts),
      cmocka_unit_test(program_times_its_smallest_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
