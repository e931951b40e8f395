/* bench/trained_impl.h - the dense network of a comparison: the shipped one, or trained here. */
#ifndef AP_BENCH_TRAINED_IMPL_H
#define AP_BENCH_TRAINED_IMPL_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "bench/suite_impl.h"
#include "nn/network.h"

/* In this order: OUT/models/NETWORK_DATA.apm (an earlier run's; ARG if it was trained on other
 * images); unless `anew`, the shipped model of that name; else it is trained with the suite's recipe,
 * checkpointed, and kept in OUT/models. A '/' in the data set's name becomes '-'. */
AP_NODISCARD ap_status ap_trained_network(const ap_suite_network *network, const ap_dataset *data,
                                          const char *out, const char *backend, size_t n_threads,
                                          bool anew, bool quiet, const json_t *provenance,
                                          ap_network **net, ap_error *err);
#endif
