/* bench/time_left_impl.h - how long an experiment takes, said before it and after each of its cells. */
#ifndef AP_BENCH_TIME_LEFT_IMPL_H
#define AP_BENCH_TIME_LEFT_IMPL_H
#include "bench/experiment_impl.h"

/* A cell that is there already tells how fast this machine is, by the seconds stored in it. */
void ap_time_known(ap_experiment *e, double expected, const json_t *found);
/* A cell was computed: says so, with the time left. */
void ap_time_spent(ap_experiment *e, const ap_cell *cell, double expected, double seconds);
/* A cell that is there is not taken: why. */
void ap_time_say_again(const ap_experiment *e, const char *why);
/* "21 cells: 5 are there, 16 to do, about 0:06:10". */
void ap_time_say_plan(ap_experiment *e);
#endif
