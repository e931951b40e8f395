/* What a comparison keeps: a second run takes the cells and fine-tunings of the first, damaged ones are made anew. */
#include "tests/bench/compare_testing.h"

static void second_runs_take_what_is_there(void **state) {
  ap_compare_options o = small_options();
  json_t *first = NULL, *second = NULL, *a, *b;
  const char *files[] = {"table.csv", "table.md", "episodes.csv", "layers.csv"};
  struct stat before[METHODS];
  glob_t cells;
  (void)state;
  must(compare(&o, &first));
  check_first(first);
  for (size_t i = 0; i < 4; i++) {
    char path[200], *text;
    (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    text = slurp(path);
    assert_non_null(strstr(text, "0123456789abcdef")); /* the commit */
    free(text);
  }
  find_cells("*.apm", &cells); /* each final network beside its numbers */
  assert_int_equal(cells.gl_pathc, METHODS);
  globfree(&cells);
  find_cells("*.json", &cells);
  assert_int_equal(cells.gl_pathc, METHODS); /* and no state of a search */
  for (size_t i = 0; i < METHODS; i++) {     /* a mark that no computation would make */
    json_t *cell = load_json(cells.gl_pathv[i]);
    assert_int_equal(json_object_set_new(cell, "seconds", json_real(12345)), 0);
    must(ap_json_save(cells.gl_pathv[i], cell, true, &failure));
    json_decref(cell);
    assert_int_equal(stat(cells.gl_pathv[i], &before[i]), 0);
  }
  must(compare(&o, &second));
  for (size_t i = 0; i < METHODS; i++) {
    struct stat now;
    assert_true(number(json_array_get(second, i), "seconds") == 12345);
    assert_int_equal(stat(cells.gl_pathv[i], &now), 0);
    assert_int_equal(now.st_ino, before[i].st_ino); /* not even written again */
  }
  a = timeless(first);
  b = timeless(second);
  assert_true(json_equal(a, b));
  globfree(&cells);
  json_decref(a);
  json_decref(b);
  json_decref(first);
  json_decref(second);
}

/* Cut off, not JSON, another configuration's: computed again, with the same result. */
static void damaged_cells_are_made_again(void **state) {
  ap_compare_options o = small_options();
  json_t *whole = NULL, *repaired = NULL, *a, *b;
  glob_t filter, dense, search;
  json_t *foreign;
  char *text;
  (void)state;
  must(compare(&o, &whole));
  find_cells("*-filter-*.json", &filter);
  find_cells("*-dense-*.json", &dense);
  find_cells("*-auto-prune-*.json", &search);
  text = slurp(filter.gl_pathv[0]);
  must(ap_file_write(filter.gl_pathv[0], text, strlen(text) / 2, true, &failure));
  free(text);
  must(ap_file_write(dense.gl_pathv[0], "", 0, true, &failure));
  foreign = load_json(search.gl_pathv[0]);
  (void)json_object_set_new(json_object_get(foreign, "config"), "seed", json_integer(99));
  (void)json_object_set_new(foreign, "accuracy_test", json_real(0.999));
  must(ap_json_save(search.gl_pathv[0], foreign, true, &failure));
  json_decref(foreign);
  must(compare(&o, &repaired));
  assert_true(number(row_of(repaired, "filter"), "seconds") != 12345);
  assert_true(number(row_of(repaired, "auto-prune"), "seconds") != 12345);
  assert_true(number(row_of(repaired, "pim-prune"), "seconds") == 12345);
  a = timeless(whole);
  b = timeless(repaired);
  assert_true(json_equal(a, b));
  globfree(&filter);
  globfree(&dense);
  globfree(&search);
  json_decref(a);
  json_decref(b);
  json_decref(whole);
  json_decref(repaired);
}

static void keep_line(void *context, const char *text) {
  char *all = context;
  size_t used = strlen(all);
  (void)snprintf(all + used, 4000 - used, "%s\n", text);
}

/* A cell with one member (NULL: the cell itself) replaced; NULL takes it away. The line that tells of it. */
static void damage(const char *pattern, const char *in, const char *member, json_t *value,
                   const char *says) {
  ap_compare_options o = small_options();
  char lines[4000] = "";
  json_t *cell, *table = NULL, *mended;
  glob_t found;
  find_cells(pattern, &found);
  cell = load_json(found.gl_pathv[0]);
  if (value) {
    assert_int_equal(json_object_set_new(in ? json_object_get(cell, in) : cell, member, value), 0);
  } else {
    assert_int_equal(json_object_del(in ? json_object_get(cell, in) : cell, member), 0);
  }
  must(ap_json_save(found.gl_pathv[0], cell, true, &failure));
  o.say = keep_line;
  o.say_context = lines;
  must(compare(&o, &table));
  if (!strstr(lines, says) || !strstr(lines, found.gl_pathv[0])) fail_msg("said: %s", lines);
  check_first(table);
  mended = load_json(found.gl_pathv[0]);
  assert_false(json_equal(cell, mended));
  globfree(&found);
  json_decref(cell);
  json_decref(mended);
  json_decref(table);
}

static void cells_of_wrong_members_are_made_again(void **state) {
  (void)state;
  damage("*-dense-*.json", NULL, "method", NULL, "member \"method\" is missing");
  damage("*-dense-*.json", NULL, "network", json_integer(3), "member \"network\" is not a string");
  damage("*-dense-*.json", NULL, "method", json_string("filter"), "in its configuration 'dense'");
  damage("*-dense-*.json", NULL, "accuracy_selection", json_integer(7), "expected 0 to 1");
  damage("*-dense-*.json", NULL, "accuracy_test", json_string("x"), "is not a number");
  damage("*-dense-*.json", NULL, "hardware", json_integer(5), "hardware: an object with member");
  damage("*-dense-*.json", "hardware", "total", json_object(),
         "hardware.total: member \"weights\"");
  damage("*-dense-*.json", NULL, "laws", json_string("x"), "member \"laws\" is not an array");
  damage("*-filter-*.json", NULL, "tunings", json_pack("[i]", 1), "tunings[0]");
  damage("*-filter-*.json", NULL, "front", json_pack("[[f, f]]", 1.0, 2.0), "front[0]");
  damage("*-auto-prune-*.json", NULL, "episodes", NULL, "member \"episodes\" is missing");
}

/* What a cell of this pattern left, but not its fine-tunings. */
static void drop_cells(const char *pattern) {
  glob_t found;
  find_cells(pattern, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) assert_int_equal(remove(found.gl_pathv[i]), 0);
  globfree(&found);
}

static size_t count_tunings(const char *ending) {
  char pattern[300];
  glob_t found;
  size_t n;
  (void)snprintf(pattern, sizeof pattern, "%s/tunings/*%s", folder, ending);
  n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
  if (n) globfree(&found);
  return n;
}

/* A cell that was lost is made of the fine-tunings that were kept: the same row, and none made anew; and it
 * is these that decide. */
static void kept_tunings_are_used(void **state) {
  ap_compare_options o = small_options();
  json_t *before = NULL, *after = NULL, *poisoned = NULL, *a, *b;
  size_t n;
  char pattern[300];
  glob_t kept;
  (void)state;
  o.max_loss = 0.3; /* so that something is pruned */
  must(compare(&o, &before));
  n = count_tunings(".json");
  assert_true(n > 0);
  assert_int_equal(count_tunings(".apm"), 0); /* of no use once the cells are there */
  assert_true(number(row_of(before, "pim-prune"), "weights_compression") > 1);
  drop_cells("*-pim-prune-*");
  must(compare(&o, &after));
  assert_int_equal(count_tunings(".json"), n);
  a = timeless(before);
  b = timeless(after);
  assert_true(json_equal(a, b));
  drop_cells("*-pim-prune-*");
  (void)snprintf(pattern, sizeof pattern, "%s/tunings/*.json", folder);
  assert_int_equal(glob(pattern, 0, NULL, &kept), 0);
  for (size_t i = 0; i < kept.gl_pathc; i++) {
    json_t *one = load_json(kept.gl_pathv[i]);
    assert_int_equal(json_object_set_new(one, "accuracy_selection",
                                         json_pack("{s:f, s:f, s:f}", "oneshot", 0.0, "repaired",
                                                   0.0, "tuned", 0.0)),
                     0);
    must(ap_json_save(kept.gl_pathv[i], one, true, &failure));
    json_decref(one);
  }
  must(compare(&o, &poisoned));
  assert_true(number(row_of(poisoned, "pim-prune"), "weights_compression") <
              number(row_of(before, "pim-prune"), "weights_compression"));
  for (size_t i = 0; i < kept.gl_pathc; i++) assert_int_equal(remove(kept.gl_pathv[i]), 0);
  globfree(&kept);
  drop_cells("*-pim-prune-*");
  json_decref(a);
  json_decref(b);
  json_decref(before);
  json_decref(after);
  json_decref(poisoned);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(second_runs_take_what_is_there),
                                     cmocka_unit_test(damaged_cells_are_made_again),
                                     cmocka_unit_test(cells_of_wrong_members_are_made_again),
                                     cmocka_unit_test(kept_tunings_are_used)};
  return cmocka_run_group_tests(tests, make_data, drop_data);
}
