/* pruners/recover_impl.h - what recovery and repair share. */
#ifndef AP_PRUNERS_RECOVER_IMPL_H
#define AP_PRUNERS_RECOVER_IMPL_H
#include "nn/network.h"
#include "pruners/level_db.h"

/* Zeroes what the removal of whole filters (whose biases are 0) or of input channels makes useless in the neighbouring
 * layers; of other granularities nothing. */
AP_NODISCARD ap_status ap_follow_channels(ap_granularity granularity, ap_network *folded,
                                          ap_error *err);
#endif
