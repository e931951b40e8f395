/* bench/trained_impl.h - the dense network of a comparison: the shipped one, or trained here. */
#ifndef AP_BENCH_TRAINED_IMPL_H
#define AP_BENCH_TRAINED_IMPL_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "bench/suite_impl.h"
#include "nn/network.h"

/* "NETWORK_DATA", the name of a network's model file without its ending; '/' and ':' become '-' ("vgg16:0.5"
 * on "cifar10": "vgg16-0.5_cifar10"). NULL when memory is out; ap_free it. */
char *ap_trained_name(const ap_suite_network *network);

typedef enum {
  AP_TRAINED_NOWHERE, /* it has to be trained */
  AP_TRAINED_HERE,    /* OUT/models/NAME.apm: trained by an earlier run */
  AP_TRAINED_SHIPPED, /* a shipped model of that name (nn/model_file.h) */
  AP_TRAINED_GIVEN    /* handed in: network->given */
} ap_trained_place;
/* anew: shipped ones are not looked for. Only MEMORY can go wrong. */
AP_NODISCARD ap_status ap_trained_find(const ap_suite_network *network, const char *out, bool anew,
                                       ap_trained_place *place, ap_error *err);

/* From where ap_trained_find says, given ones as a copy (ARG if the one in OUT/models was trained on other images); from
 * nowhere: trained with the suite's recipe, checkpointed, and kept in OUT/models. */
AP_NODISCARD ap_status ap_trained_network(const ap_suite_network *network, const ap_dataset *data,
                                          const char *out, const char *backend, size_t n_threads,
                                          bool anew, bool quiet, const json_t *provenance,
                                          ap_network **net, ap_error *err);
#endif
