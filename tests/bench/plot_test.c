/* Drawing with a gnuplot that is missing, fails, or writes down what it was asked. */
#include "base/file.h"
#include "bench/compare.h"
#include "tests/bench/bench_testing.h"

/* A program `gnuplot`, found first on PATH, that is this shell script. */
static void fake_gnuplot(const char *script) {
  char text[512];
  (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
  (void)unlink(scratch_path("gnuplot"));
  scratch_write("gnuplot", text, strlen(text));
  assert_int_equal(chmod(scratch_path("gnuplot"), 0755), 0);
  assert_int_equal(setenv("PATH", scratch, 1), 0);
}

#define A_TABLE "network,method\nlenet5,dense\n"

static void results_folder(const char *name, char *path, size_t room) {
  char table[256];
  FILE *file;
  (void)snprintf(path, room, "%s", scratch_path(name));
  assert_int_equal(mkdir(path, 0755), 0);
  (void)snprintf(table, sizeof table, "%s/table.csv", path);
  file = fopen(table, "wb");
  assert_non_null(file);
  (void)fputs(A_TABLE, file);
  assert_int_equal(fclose(file), 0);
}

static void a_failure_is_passed_on(void **state) {
  char folder[256];
  (void)state;
  results_folder("failing", folder, sizeof folder);
  fake_gnuplot("echo 'line 7: undefined variable: width' >&2; exit 1");
  assert_int_equal(ap_compare_plot(folder, scratch, &failure), AP_ERR_IO);
  assert_non_null(strstr(failure.text, "undefined variable: width"));
  assert_non_null(strstr(failure.text, "compression.gp"));
  fake_gnuplot("kill -9 $$"); /* ended by a signal */
  assert_int_equal(ap_compare_plot(folder, scratch, &failure), AP_ERR_IO);
  fake_gnuplot(
      "i=0; while [ $i -lt 20000 ]; do echo too much to keep >&2; i=$((i+1)); done; exit 3");
  assert_int_equal(ap_compare_plot(folder, scratch, &failure), AP_ERR_IO);
  remove_tree(folder);
}

static void a_missing_program_is_named(void **state) {
  char folder[256];
  (void)state;
  results_folder("missing", folder, sizeof folder);
  assert_int_equal(setenv("PATH", folder, 1), 0);
  assert_int_equal(ap_compare_plot(folder, scratch, &failure), AP_ERR_UNSUPPORTED);
  assert_non_null(strstr(failure.text, "apt-get install gnuplot"));
  remove_tree(folder);
}

/* Every figure in both forms, with names that need quoting. */
static void every_figure_is_asked_for(void **state) {
  static const struct {
    const char *name, *file;
  } figures[] = {{"compression", "table.csv"},
                 {"area_efficiency", "table.csv"},
                 {"energy_efficiency", "table.csv"},
                 {"accuracy", "table.csv"},
                 {"episodes", "episodes.csv"},
                 {"layers", "layers.csv"},
                 {"area_breakdown", "breakdown.csv"},
                 {"energy_breakdown", "breakdown.csv"},
                 {"laws", "laws.csv"},
                 {"sizes", "sizes.csv"},
                 {"index", "index.csv"},
                 {"control", "control.csv"},
                 {"converter", "converter.csv"},
                 {"devices", "devices.csv"},
                 {"pareto", "points.csv"},
                 {"convergence", "convergence.csv"},
                 {"sensitivity", "sensitivity.csv"}};
  const size_t n_figures = sizeof figures / sizeof figures[0];
  const char *scripts = scratch;
  char folder[256], script[400], line[600], *text, *place;
  size_t n = 0;
  (void)state;
  results_folder("it's mine", folder, sizeof folder);
  (void)snprintf(script, sizeof script, "echo \"$1 $2 $3\" >> '%s/log'", scratch);
  fake_gnuplot(script);
  must(ap_compare_plot(folder, scripts, &failure)); /* table.csv alone: its four */
  text = slurp(scratch_path("log"));
  for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) n++;
  assert_int_equal(n, 8);
  free(text);
  assert_int_equal(remove(scratch_path("log")), 0);
  n = 0;
  for (size_t i = 0; i < n_figures; i++) {
    FILE *file;
    (void)snprintf(line, sizeof line, "%s/%s", folder, figures[i].file);
    file = fopen(line, "wb");
    assert_non_null(file);
    (void)fputs(A_TABLE, file);
    assert_int_equal(fclose(file), 0);
  }
  must(ap_compare_plot(folder, scripts, &failure));
  text = slurp(scratch_path("log"));
  for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) n++;
  assert_int_equal(n, 2 * n_figures);
  for (size_t i = 0; i < 2 * n_figures; i++) {
    (void)snprintf(line, sizeof line,
                   "-e results='%s/it''s mine'; out='%s/it''s mine'; term='%s' "
                   "%s/%s.gp\n",
                   scratch, scratch, i % 2 ? "svg" : "png", scripts, figures[i / 2].name);
    place = strstr(text, line);
    if (!place) fail_msg("not asked for: %s", line);
  }
  free(text);
  remove_tree(folder);
}

/* Nothing is drawn of what is no table; a table without rows is left out. */
static void damaged_tables_are_refused(void **state) {
  static const struct {
    const char *text, *says;
  } cases[] = {{"", "table.csv"},
               {"network,method\nlenet5", "table.csv, line 2"},
               {"name,method\nlenet5,dense\n", "no column \"network\""},
               {"network,method\n", "with rows"}};
  char folder[256], table[300];
  (void)state;
  results_folder("damaged", folder, sizeof folder);
  fake_gnuplot("exit 0");
  must(ap_compare_plot(folder, scratch, &failure));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    (void)snprintf(table, sizeof table, "%s/table.csv", folder);
    must(ap_file_write(table, cases[i].text, strlen(cases[i].text), true, &failure));
    assert_true(ap_compare_plot(folder, scratch, &failure) != AP_OK);
    if (!strstr(failure.text, cases[i].says)) fail_msg("%s", failure.text);
  }
  remove_tree(folder);
}

static void other_folders_are_refused(void **state) {
  (void)state;
  fake_gnuplot("exit 0");
  assert_int_equal(ap_compare_plot(scratch_path("absent"), scratch, &failure), AP_ERR_IO);
  assert_non_null(strstr(failure.text, "table.csv"));
  assert_false(ap_dir_exists(scratch_path("absent")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_failure_is_passed_on), cmocka_unit_test(a_missing_program_is_named),
      cmocka_unit_test(every_figure_is_asked_for), cmocka_unit_test(damaged_tables_are_refused),
      cmocka_unit_test(other_folders_are_refused)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
