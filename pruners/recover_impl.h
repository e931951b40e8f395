/* pruners/recover_impl.h - what recovery and repair share. */
#ifndef AP_PRUNERS_RECOVER_IMPL_H
#define AP_PRUNERS_RECOVER_IMPL_H
#include "nn/network.h"
#include "pruners/level_db.h"

/* Zeroes what the removal of whole filters or input channels makes useless in the neighbouring layers. */
AP_NODISCARD ap_status ap_follow_channels(const ap_level_db *db, ap_network *folded, ap_error *err);
#endif
