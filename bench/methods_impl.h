/* bench/methods_impl.h - every method that a comparison can be asked for by name: those of the suites
 * and all of pruners/baselines/. */
#ifndef AP_BENCH_METHODS_IMPL_H
#define AP_BENCH_METHODS_IMPL_H
#include <stddef.h>

#include "base/status.h"
#include "bench/suite_impl.h"

/* The methods of the quick and the smoke suite; the first is dense. */
#define AP_N_QUICK_METHODS 7
extern const ap_suite_method ap_quick_methods[AP_N_QUICK_METHODS];

/* *out: a plain value whose texts live for ever. ARG names what is known. */
AP_NODISCARD ap_status ap_method_find(const char *name, ap_suite_method *out, ap_error *err);

/* A suite with other methods and fewer networks. Both are lists of names with commas between them, or
 * NULL: the suite's own. Methods stand as they are given, except that `dense` comes first, and that a
 * searched method comes after the uniform one of the same pruner, from which it takes what its search
 * may lose (docs/COMPARE.md); both are added where they are missing.
 * out->methods and out->networks are new: ap_suite_release. ARG: an unknown name, one given twice. */
AP_NODISCARD ap_status ap_suite_choose(const ap_suite *suite, const char *methods,
                                       const char *networks, ap_suite *out, ap_error *err);
void ap_suite_release(ap_suite *suite); /* of ap_suite_choose; zeroed: nothing */
#endif
