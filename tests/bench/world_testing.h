/* tests/bench/world_testing.h - a small network on images made here, with all that an experiment has. */
#ifndef AP_TESTS_BENCH_WORLD_TESTING_H
#define AP_TESTS_BENCH_WORLD_TESTING_H
#include "bench/workbench.h"
#include "tests/bench/bench_testing.h"

typedef struct {
  ap_network *net;
  ap_tech *tech;
  ap_workbench *bench;
  ap_level_db *db;
  ap_evaluator *ev;
} world;

static inline void open_world(world *w, const char *pruner, bool repair) {
  ap_level_db_options options = ap_level_db_defaults();
  memset(w, 0, sizeof *w);
  w->net = small_network(3);
  must(ap_tech_open("ou", &w->tech, &failure));
  must(ap_tech_override(w->tech, "array.rows", "27", &failure));
  must(ap_tech_override(w->tech, "array.cols", "16", &failure));
  must(ap_pruner_parse(pruner, &options.pruner, &failure));
  must(ap_workbench_open(w->net, images, w->tech, "cpu", 2, &w->bench, &failure));
  must(ap_workbench_levels(w->bench, &options, repair, &w->db, &failure));
  must(ap_workbench_evaluator(w->bench, w->db, AP_SPLIT_TRAIN, 0, true, &w->ev, &failure));
}

static inline void close_world(world *w) {
  ap_evaluator_destroy(w->ev);
  ap_level_db_destroy(w->db);
  ap_workbench_close(w->bench);
  ap_tech_close(w->tech);
  ap_network_destroy(w->net);
}
#endif
