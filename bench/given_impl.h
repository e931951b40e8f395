/* bench/given_impl.h - models of one's own as networks of a comparison: what a suite says of its networks is
 * decided here for them. */
#ifndef AP_BENCH_GIVEN_IMPL_H
#define AP_BENCH_GIVEN_IMPL_H
#include "base/status.h"
#include "bench/compare.h"
#include "bench/suite_impl.h"

#define AP_GIVEN_NAME 128
typedef struct {
  ap_suite_network entry; /* its name leads into `name` */
  char name[AP_GIVEN_NAME];
} ap_given_network;

/* An entry for each of options->models, in order: named by the file's name without folder and ending (a second one of
 * that name with -2 behind it); on options->data; on the preset `ou` as it is; recovered by repair alone, with the data
 * set's own augmentation where fine-tuning is asked for. *out: ap_free it. Errors: ARG without data, or where
 * networks of the suite, or training, are asked for as well; MEMORY. */
AP_NODISCARD ap_status ap_given_open(const ap_compare_options *options, ap_given_network **out,
                                     ap_error *err);
#endif
