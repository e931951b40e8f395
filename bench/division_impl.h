/* bench/division_impl.h - is a result comparable with other people's of the same suite? */
#ifndef AP_BENCH_DIVISION_IMPL_H
#define AP_BENCH_DIVISION_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "bench/suite_impl.h"

/* Closed: the suite's network (its shipped checkpoint), data, hardware, recovery, budgets and loss limit;
 * only the method is free, a plug-in included. Open: anything else. `run` is the entry `standard` with
 * the run's changes in it; other_hardware: a technology of another hash.
 * Puts into reasons what makes it open, comma-separated; empty: closed. */
void ap_division_reasons(const ap_suite *suite, const ap_suite_network *standard,
                         const ap_suite_network *run, double max_loss, bool shipped,
                         bool other_hardware, char *reasons, size_t size);
#endif
