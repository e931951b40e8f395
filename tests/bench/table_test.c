/* Tables of a comparison from cells made by hand: ratios worked in the comments, gaps, CSV that
 * reads back, Markdown with a row a method. */
#include "base/file.h"
#include "bench/csv_head.h"
#include "bench/summary_impl.h"
#include "bench/table_impl.h"
#include "tests/bench/bench_testing.h"

static json_t *cell(const char *network, const char *method, const char *searcher, double accuracy,
                    double crossbars, double ous, double area, double energy) {
  json_t *c = json_pack(
      "{s:s, s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:{s:s, s:f},"
      " s:{s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f},"
      " s:[{s:s, s:i, s:i, s:i, s:i, s:i, s:i}]}, s:f}",
      "network", network, "seed", 1, "data", "toy, \"quoted\"", "method", method, "crossbar",
      "128x128", "ou", "9x8", "accuracy_selection", accuracy, "accuracy_test", accuracy - 0.005,
      "config", "pruner", "block", "max_loss", 0.01, "hardware", "total", "weights", 1000.0,
      "weights_kept", 10 * crossbars, "macs", 8000.0, "macs_kept", 100 * crossbars, "ous", ous,
      "crossbars", crossbars, "crossbars_dense", 80.0, "index_bits", 1234.0, "area_mm2", area,
      "energy_uj", energy, "latency_us", 3.5, "layers", "name", "conv1", "vectors", 8,
      "vectors_kept", 2, "weights", 50, "weights_kept", 20, "crossbars", 3, "crossbars_dense", 4,
      "seconds", 2.5);
  assert_non_null(c);
  if (searcher) {
    assert_int_equal(
        json_object_set_new(json_object_get(c, "config"), "searcher", json_string(searcher)), 0);
  }
  return c;
}

static void add(json_t *cells, json_t *c) { assert_int_equal(json_array_append_new(cells, c), 0); }

static void assert_near_equal(double a, double b) {
  if (!(fabs(a - b) <= 1e-12)) fail_msg("%.17g, expected %.17g", a, b);
}

static double value(const json_t *rows, size_t row, const char *column) {
  const json_t *v = json_object_get(json_array_get(rows, row), column);
  if (!json_is_number(v)) fail_msg("row %zu has no number in %s", row, column);
  return json_number_value(v);
}

static bool empty(const json_t *rows, size_t row, const char *column) {
  return json_is_null(json_object_get(json_array_get(rows, row), column));
}

/* The dense mapping takes 100 crossbars of mapped cells where the dense array count is 80.
 * auto-prune: 20 crossbars: 80 / 20 = 4; OUs 400 / 50 = 8; weights 1000 / 200 = 5; MACs 8000 / 2000
 * = 4; area 10 / 2.5 = 4; energy 6 / 1.5 = 4; against pim-prune (40 crossbars, area 5, energy 4):
 * 40 / 20 = 2, 5 / 2.5 = 2, 4 / 1.5. Loss 0.9 - 0.89 = 0.01: within the limit, to rounding. */
static json_t *full_cells(void) {
  json_t *cells = json_array();
  add(cells, cell("net", "dense", NULL, 0.90, 100, 400, 10, 6));
  add(cells, cell("net", "pim-prune", "uniform", 0.88, 40, 160, 5, 4));
  add(cells, cell("net", "auto-prune", "ddpg", 0.89, 20, 50, 2.5, 1.5));
  add(cells, cell("other", "dense", NULL, 0.5, 8, 10, 7, 7));
  add(cells, cell("other", "auto-prune", "ddpg", 0.6, 2, 5, 3.5, 1));
  return cells;
}

static json_t *rows_of(const json_t *cells) {
  json_t *rows = NULL;
  must(ap_table_rows(cells, &rows, &failure));
  assert_int_equal(json_array_size(rows), json_array_size(cells));
  return rows;
}

static void ratios_by_hand(void **state) {
  json_t *cells = full_cells(), *rows = rows_of(cells);
  (void)state;
  assert_near_equal(value(rows, 2, "crossbars_compression"), 4);
  assert_near_equal(value(rows, 2, "ous_compression"), 8);
  assert_near_equal(value(rows, 2, "weights_compression"), 5);
  assert_near_equal(value(rows, 2, "macs_compression"), 4);
  assert_near_equal(value(rows, 2, "area_efficiency"), 4);
  assert_near_equal(value(rows, 2, "energy_efficiency"), 4);
  assert_near_equal(value(rows, 2, "compression_vs_pim"), 2);
  assert_near_equal(value(rows, 2, "area_efficiency_vs_pim"), 2);
  assert_near_equal(value(rows, 2, "energy_efficiency_vs_pim"), 4 / 1.5);
  assert_near_equal(value(rows, 2, "accuracy_loss"), 0.01);
  assert_near_equal(value(rows, 2, "dense_accuracy_test"), 0.895);
  assert_near_equal(value(rows, 2, "accuracy_test"), 0.885);
  assert_near_equal(value(rows, 2, "feasible"), 1);
  assert_near_equal(value(rows, 1, "feasible"), 0); /* 0.02 lost */
  assert_near_equal(value(rows, 1, "compression_vs_pim"), 1);
  assert_near_equal(value(rows, 0, "crossbars_compression"), 0.8);
  assert_near_equal(value(rows, 0, "area_efficiency"), 1);
  assert_true(empty(rows, 0, "oneshot_accuracy_selection"));
  /* the other network is compared with its own dense row: 7 / 3.5 */
  assert_near_equal(value(rows, 4, "area_efficiency"), 2);
  assert_near_equal(value(rows, 4, "energy_efficiency"), 7);
  assert_near_equal(value(rows, 4, "accuracy_loss"), -0.1);
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "searcher")),
                      "none");
  assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "searcher")),
                      "ddpg");
  json_decref(rows);
  json_decref(cells);
}

static void gaps_stay_empty(void **state) {
  static const char *const columns[] = {"compression_vs_pim", "area_efficiency_vs_pim",
                                        "energy_efficiency_vs_pim"};
  json_t *cells = full_cells(), *rows = rows_of(cells);
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    assert_true(empty(rows, 3, columns[i])); /* "other" has no pim-prune */
    assert_true(empty(rows, 4, columns[i]));
  }
  json_decref(rows);
  json_decref(cells);
  cells = json_array(); /* nothing at all */
  rows = rows_of(cells);
  json_decref(rows);
  json_decref(cells);
}

/* Splits a line of fields at commas outside quotes, in place; returns how many. */
static size_t split(char *line, char **fields, size_t room) {
  size_t n = 0;
  char *to = line;
  bool inside = false;
  fields[n++] = to;
  for (char *from = line; *from; from++) {
    if (*from == '"' && inside && from[1] == '"') {
      *to++ = *from++;
    } else if (*from == '"') {
      inside = !inside;
    } else if (*from == ',' && !inside) {
      *to++ = 0;
      assert_true(n < room);
      fields[n++] = to;
    } else {
      *to++ = *from;
    }
  }
  *to = 0;
  return n;
}

/* The lines of a CSV file; *heads: how many comments came first. */
static size_t read_lines(char *text, char **lines, size_t room, size_t *heads) {
  size_t n = 0;
  char *rest = NULL;
  *heads = 0;
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    if (line[0] == '#') {
      assert_int_equal(n, 0); /* comments come first */
      ++*heads;
      continue;
    }
    assert_true(n < room);
    lines[n++] = line;
  }
  return n;
}

static void files_read_back(void **state) {
  json_t *cells = full_cells(), *rows, *provenance = some_provenance();
  char *table, *episodes, *layers, *markdown, *lines[32] = {NULL}, *names[64] = {NULL},
                                              *fields[64] = {NULL};
  size_t n, heads, columns;
  (void)state;
  assert_int_equal(json_object_set_new(json_array_get(cells, 2), "episodes",
                                       json_pack("[[i,f,f,f,f,f,i,n,n,f]]", 0, -0.25, 0.5, 0.125,
                                                 2.0, 40.0, 1, 100.0)),
                   0);
  rows = rows_of(cells);
  must(ap_table_write(scratch, cells, rows, provenance, &failure));
  table = slurp(scratch_path("table.csv"));
  n = read_lines(table, lines, 32, &heads);
  assert_int_equal(heads, json_object_size(provenance) + 2); /* and inputs, cells */
  assert_int_equal(n, 1 + json_array_size(rows));
  columns = split(lines[0], names, 64);
  assert_int_equal(columns, json_object_size(json_array_get(rows, 0)));
  for (size_t r = 0; r + 1 < n; r++) {
    assert_int_equal(split(lines[r + 1], fields, 64), columns);
    for (size_t c = 0; c < columns; c++) {
      const json_t *v = json_object_get(json_array_get(rows, r), names[c]);
      if (json_is_string(v)) {
        assert_string_equal(fields[c], json_string_value(v));
      } else if (json_is_number(v)) {
        assert_true(strtod(fields[c], NULL) == json_number_value(v));
      } else {
        assert_true(json_is_null(v));
        assert_string_equal(fields[c], "");
      }
    }
  }
  episodes = slurp(scratch_path("episodes.csv"));
  n = read_lines(episodes, lines, 32, &heads);
  assert_int_equal(n, 2);
  assert_int_equal(split(lines[0], names, 64), 13);
  assert_string_equal(lines[1], "net,ddpg,1,0,-0.25,0.5,0.125,2,40,1,,,100");
  layers = slurp(scratch_path("layers.csv"));
  n = read_lines(layers, lines, 32, &heads);
  assert_int_equal(n, 1 + json_array_size(cells));
  assert_string_equal(lines[3], "net,auto-prune,1,1,conv1,0.25,0.4,3,4");
  markdown = slurp(scratch_path("table.md"));
  assert_non_null(strstr(markdown, "## net on toy, \"quoted\", crossbars 128x128, OU 9x8"));
  assert_non_null(strstr(markdown, "## other on "));
  assert_non_null(strstr(markdown, "`test`"));
  assert_non_null(strstr(
      markdown,
      "\n| auto-prune | 88.50 % | 89.00 % | 1.00 | - | 5.00x | 4.00x | 8.00x | 4.00x | 4.00x "
      "| 4.00x | 1.2 | 2.00x | yes |\n"));
  n = 0;
  for (const char *p = markdown; (p = strstr(p, "\n| ")) != NULL; p++) n++;
  assert_int_equal(n, json_array_size(rows) + 2); /* and one head a network */
  free(table);
  free(episodes);
  free(layers);
  free(markdown);
  json_decref(rows);
  json_decref(cells);
  json_decref(provenance);
}

static void heads_are_one_line_each(void **state) {
  json_t *p = json_pack("{s:s, s:[i,i], s:{s:b}, s:n, s:i}", "text", "two\nlines", "list", 1, 2,
                        "object", "yes", 1, "nothing", "count", 7);
  FILE *file = fopen(scratch_path("head.csv"), "wb");
  ap_csv csv = {file, 0};
  char *text;
  (void)state;
  ap_csv_head(&csv, p);
  assert_int_equal(fclose(file), 0);
  text = slurp(scratch_path("head.csv"));
  assert_string_equal(text,
                      "# text: two lines\n# list: [1,2]\n# object: {\"yes\":true}\n"
                      "# nothing: null\n# count: 7\n");
  free(text);
  json_decref(p);
}

static void add_laws(json_t *cell, double area, double energy) {
  json_t *laws =
      json_pack("[{s:s, s:f, s:f}, {s:s, s:f, s:f}]", "law", "isaac", "area_mm2", area, "energy_uj",
                energy, "law", "sre", "area_mm2", area / 2, "energy_uj", 10 - energy);
  json_t *parts =
      json_pack("{s:{s:f, s:f}, s:{s:f, s:f}, s:{s:f, s:f}}", "adc", "area_mm2", 0.75 * area,
                "energy_uj", 0.5 * energy, "array", "area_mm2", 0.25 * area, "energy_uj",
                0.5 * energy, "link", "area_mm2", 0.0, "energy_uj", 0.0);
  assert_int_equal(json_object_set_new(cell, "laws", laws), 0);
  assert_int_equal(json_object_set_new(json_object_get(json_object_get(cell, "hardware"), "total"),
                                       "components", parts),
                   0);
}

/* A plug-in that failed and that has a bar in its name, in every table for people. */
static void failed_rows_and_names_with_bars(void **state) {
  json_t *cells = json_array(), *rows, *summary = NULL, *provenance = some_provenance(), *failed;
  char *text;
  (void)state;
  add(cells, cell("net", "dense", NULL, 0.9, 80, 800, 4, 8));
  add(cells, cell("net", "a|b", "uniform", 0.89, 20, 100, 1, 2));
  for (size_t i = 0; i < 2; i++) add_laws(json_array_get(cells, i), 4, 8);
  failed = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "network", "net", "seed", 1, "data",
                     "toy", "method", "c|d", "crossbar", "128x128", "ou", "9x8", "failed", "oops");
  add(cells, failed);
  rows = rows_of(cells);
  must(ap_table_write(scratch, cells, rows, provenance, &failure));
  text = slurp(scratch_path("table.md"));
  assert_non_null(strstr(text, "\n| a\\|b | 88.50 % |"));
  assert_non_null(strstr(text, "\n| c\\|d | - |"));
  assert_non_null(strstr(text, "\n| a\\|b | 1.00x / 1.00x | 1.00x / 1.00x |\n"));
  assert_non_null(strstr(text, "\n| c\\|d | - | - |\n"));
  assert_null(strstr(text, "nan"));
  free(text);
  must(ap_summary_rows(rows, &summary, &failure));
  must(ap_summary_markdown(scratch, summary, provenance, &failure));
  text = slurp(scratch_path("summary.md"));
  assert_non_null(strstr(text, "\n| c\\|d | 0 | - |"));
  free(text);
  json_decref(summary);
  json_decref(rows);
  json_decref(cells);
  json_decref(provenance);
}

/* Under isaac: dense 10 and 6, pim-prune 5 and 4, auto-prune 2.5 and 1.5. The second law halves areas and
 * turns the order of the energies round. */
static void laws_and_breakdown(void **state) {
  json_t *cells = full_cells(), *rows, *provenance = some_provenance();
  char *text, *lines[32] = {NULL};
  size_t n, heads;
  (void)state;
  add_laws(json_array_get(cells, 0), 10, 6);
  add_laws(json_array_get(cells, 1), 5, 4);
  add_laws(json_array_get(cells, 2), 2.5, 1.5);
  rows = rows_of(cells);
  must(ap_table_write(scratch, cells, rows, provenance, &failure));
  text = slurp(scratch_path("laws.csv"));
  n = read_lines(text, lines, 32, &heads);
  assert_int_equal(n, 1 + 6);
  assert_string_equal(lines[5], "net,auto-prune,1,isaac,2.5,1.5,4,4,2,2.6666666666666665");
  assert_int_equal(strncmp(lines[6], "net,auto-prune,1,sre,1.25,8.5,4,0.470588", 40), 0);
  free(text);
  text = slurp(scratch_path("breakdown.csv"));
  n = read_lines(text, lines, 32, &heads);
  assert_int_equal(n, 1 + 6); /* parts without a price are left out */
  assert_string_equal(lines[5], "net,auto-prune,1,adc,1.875,0.75,0.75,0.5,0.1875,0.125");
  free(text);
  text = slurp(scratch_path("table.md"));
  assert_non_null(strstr(text, "| auto-prune | 4.00x / 4.00x | 4.00x / 0.47x |"));
  assert_non_null(strstr(text,
                         "(it depends on the law): isaac: auto-prune, pim-prune, dense; sre: "
                         "dense, pim-prune, auto-prune."));
  free(text);
  json_decref(rows);
  json_decref(cells);
  json_decref(provenance);
}

static void unwritable_folder(void **state) {
  json_t *cells = full_cells(), *rows = rows_of(cells), *provenance = some_provenance();
  (void)state;
  assert_int_equal(ap_table_write(scratch_path("absent"), cells, rows, provenance, &failure),
                   AP_ERR_IO);
  assert_non_null(strstr(failure.text, "absent"));
  json_decref(rows);
  json_decref(cells);
  json_decref(provenance);
}

/* Two searches by one searcher on one network are told apart by their methods; another network's is not. */
static void episodes_of_one_searcher(void **state) {
  json_t *cells = json_array(), *rows, *provenance = some_provenance();
  char *episodes, *lines[8] = {NULL};
  size_t heads;
  (void)state;
  add(cells, cell("net", "dense", NULL, 0.9, 80, 800, 4, 8));
  add(cells, cell("net", "auto-prune", "ddpg", 0.89, 20, 100, 1, 2));
  add(cells, cell("net", "macs-reward", "ddpg", 0.89, 30, 150, 2, 3));
  add(cells, cell("other", "dense", NULL, 0.9, 80, 800, 4, 8));
  add(cells, cell("other", "auto-prune", "ddpg", 0.89, 20, 100, 1, 2));
  for (size_t i = 1; i < 5; i += i == 2 ? 2 : 1) {
    assert_int_equal(json_object_set_new(json_array_get(cells, i), "episodes",
                                         json_pack("[[i,f,f,f,f,f,i,n,n,f]]", 0, -0.25, 0.5, 0.125,
                                                   2.0, 40.0, 1, 100.0)),
                     0);
  }
  rows = rows_of(cells);
  must(ap_table_write(scratch, cells, rows, provenance, &failure));
  episodes = slurp(scratch_path("episodes.csv"));
  assert_int_equal(read_lines(episodes, lines, 8, &heads), 4);
  assert_int_equal(strncmp(lines[1], "net,auto-prune,1,0", 18), 0);
  assert_int_equal(strncmp(lines[2], "net,macs-reward,1,0", 19), 0);
  assert_int_equal(strncmp(lines[3], "other,ddpg,1,0", 14), 0);
  free(episodes);
  json_decref(rows);
  json_decref(cells);
  json_decref(provenance);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ratios_by_hand),
                                     cmocka_unit_test(gaps_stay_empty),
                                     cmocka_unit_test(files_read_back),
                                     cmocka_unit_test(episodes_of_one_searcher),
                                     cmocka_unit_test(heads_are_one_line_each),
                                     cmocka_unit_test(laws_and_breakdown),
                                     cmocka_unit_test(failed_rows_and_names_with_bars),
                                     cmocka_unit_test(unwritable_folder)};
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
