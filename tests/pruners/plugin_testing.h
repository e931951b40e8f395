/* tests/pruners/plugin_testing.h - plug-ins that are made while a test runs, as a user would make them, and what they
 * are asked: the layers of a LeNet-5. */
#ifndef AP_TESTS_PRUNERS_PLUGIN_TESTING_H
#define AP_TESTS_PRUNERS_PLUGIN_TESTING_H
#include <sys/stat.h>

#include "pruners/level_db.h"
#include "tests/nn/train_testing.h"

#define TIME_LIMIT 0.5

static ap_network *net;
static ap_tech *tech;

/* An absent compiler is no failure of ours. */
static inline bool have_compiler(void) { return system(AP_CC " --version > /dev/null 2>&1") == 0; }

static inline void build(const char *source, const char *flags, const char *out) {
  char command[1024];
  (void)snprintf(command, sizeof command, AP_CC " -shared -fPIC -w -O1 -I %s %s %s -o %s/%s",
                 AP_SOURCE, flags, source, scratch, out);
  assert_int_equal(system(command), 0);
}

static inline const char *at(const char *name) {
  static char path[4][512];
  static int next;
  next = (next + 1) % 4;
  (void)snprintf(path[next], sizeof path[next], "%s/%s", scratch, name);
  return path[next];
}

static inline void write_program(const char *name, const char *text) {
  FILE *f = fopen(at(name), "w");
  assert_non_null(f);
  (void)fputs(text, f);
  assert_int_equal(fclose(f), 0);
  assert_int_equal(chmod(at(name), 0700), 0);
}

static inline ap_status levels_by(const char *text, ap_level_db **db) {
  ap_level_db_options options = ap_level_db_defaults();
  ap_status st = ap_pruner_parse(text, &options.pruner, &failure);
  options.max_levels = 5;
  options.snap = AP_SNAP_NONE;
  options.pruner.plugin.time_limit = TIME_LIMIT;
  options.pruner.plugin.seed = 11;
  *db = NULL;
  return st ? st : ap_level_db_create(net, tech, NULL, NULL, &options, db, &failure);
}

static inline ap_level_db *good_levels(const char *text) {
  ap_level_db *db = NULL;
  must(levels_by(text, &db));
  return db;
}

static inline int setup(void **state) {
  ap_network *raw = NULL;
  if (scratch_make(state)) return -1;
  must(ap_tech_open("ou", &tech, &failure));
  must(ap_network_builtin("lenet5", (ap_shape3){1, 28, 28}, 10, 5, &raw, &failure));
  must(ap_network_fold(raw, &net, &failure));
  ap_network_destroy(raw);
  return 0;
}

static inline int teardown(void **state) {
  char command[200];
  (void)state;
  ap_network_destroy(net);
  ap_tech_close(tech);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", scratch);
  return system(command);
}
#endif
