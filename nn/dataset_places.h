/* nn/dataset_places.h - where the data sets that are known by name are looked for.
 *
 * In this order, each with the names that a set's folder commonly has (cifar10 is also found as
 * cifar-10-batches-bin): $AUTOPRUNE_DATA, the user's cache ($XDG_CACHE_HOME/autoprune or
 * ~/.cache/autoprune), /usr/local/share/datasets, /usr/share/datasets. The first folder that holds
 * training files of the right format is taken. Reads the environment; changes nothing. */
#ifndef AP_NN_DATASET_PLACES_H
#define AP_NN_DATASET_PLACES_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Name i of the known sets ("fashion-mnist", "mnist", "cifar10"), or NULL behind the last. */
const char *ap_dataset_known(size_t i);
/* How a user gets it: one sentence. NULL for an unknown name. */
const char *ap_dataset_advice(const char *name);

/* The folder that `name` (a known set, or a path) stands for; ap_free it. A path that is named like
 * a known set is written ./mnist. Errors: IO, for a known set with all places and the advice;
 * MEMORY. */
AP_NODISCARD ap_status ap_dataset_find(const char *name, char **dir, ap_error *err);

/* For people: a line for every known set, with its folder or with how to get it. ap_free it. */
AP_NODISCARD ap_status ap_dataset_locations(char **text, ap_error *err);

/* $XDG_CACHE_HOME/autoprune or ~/.cache/autoprune; IO where neither variable is set. ap_free it. */
AP_NODISCARD ap_status ap_dataset_cache_dir(char **dir, ap_error *err);

AP_EXTERN_C_END
#endif
