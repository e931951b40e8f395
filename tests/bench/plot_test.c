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

/* A row of ones below all columns that any figure takes. */
#define COLUMNS                                                                                   \
  "network,method,data,crossbar,ou,searcher,layer,component,law,axis,shape,case,kind,value,"      \
  "recovery,"                                                                                     \
  "crossbars_compression,compression_vs_pim,area_efficiency,area_efficiency_vs_pim,"              \
  "energy_efficiency,energy_efficiency_vs_pim,accuracy_test,dense_accuracy_test,episode,reward,"  \
  "compression,feasible,layer_index,keep_weights,area_of_dense,energy_of_dense,energy_uj,length," \
  "index_of_stored_bits,index_of_area,index_of_energy,zeros,relative_area,"                       \
  "relative_latency_with_copies,relative_energy,adc_bits,accuracy,quantised_accuracy,images,"     \
  "sigma,"                                                                                        \
  "accuracy_low,accuracy_high,crossbars,dense_accuracy,front,n,image_forwards,compression_low,"   \
  "compression_high"
static const char *a_table(void) {
  static char text[4000];
  size_t used = (size_t)snprintf(text, sizeof text, "%s\n1", COLUMNS);
  for (const char *c = COLUMNS; *c; c++) {
    if (*c == ',') used += (size_t)snprintf(text + used, sizeof text - used, ",1");
  }
  (void)snprintf(text + used, sizeof text - used, "\n");
  return text;
}

static void results_folder(const char *name, char *path, size_t room) {
  char table[256];
  FILE *file;
  (void)snprintf(path, room, "%s", scratch_path(name));
  assert_int_equal(mkdir(path, 0755), 0);
  (void)snprintf(table, sizeof table, "%s/table.csv", path);
  file = fopen(table, "wb");
  assert_non_null(file);
  (void)fputs(a_table(), file);
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
    (void)fputs(a_table(), file);
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

#define COMPRESSIONS "network,data,method,crossbar,crossbars_compression,compression_vs_pim\n"

/* Nothing is drawn of what is no table; a table without rows is left out. */
static void damaged_tables_are_refused(void **state) {
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"", "table.csv"},
      {COMPRESSIONS "n,d", "table.csv, line 2: 2 fields"},
      {"name,method\nlenet5,dense\n", "no column \"network\""},
      {"x,y\n1,2\n", "no column \"network\""},
      {"# a: b\nx,y\n", "table.csv, line 2: no column \"network\""},
      {"network,data,method,crossbar,crossbars_compression\nn,d,m,c,1\n",
       "table.csv, line 1: no column \"compression_vs_pim\"; expected are network,"},
      {COMPRESSIONS "n,d,m,c,1.5,x\n",
       "table.csv, line 2, column \"compression_vs_pim\": 'x', a number of 1e-09 to 1e+09"},
      {COMPRESSIONS "n,d,m,c,2,\nn,d,m,c,nan,1\n", "line 3, column \"crossbars_compression\""},
      {COMPRESSIONS "n,d,m,c,inf,1\n", "'inf'"},
      {COLUMNS "\n", "with rows"}};
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
  /* the means beside it, which are drawn in its place */
  must(ap_file_write(table, a_table(), strlen(a_table()), true, &failure));
  must(ap_compare_plot(folder, scratch, &failure));
  (void)snprintf(table, sizeof table, "%s/summary.csv", folder);
  must(ap_file_write(table, "network\nlenet5\n", 15, true, &failure));
  assert_int_equal(ap_compare_plot(folder, scratch, &failure), AP_ERR_FORMAT);
  assert_non_null(strstr(failure.text, "summary.csv, line 1: no column \"data\""));
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
