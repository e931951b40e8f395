/* pruners/unfold_impl.h - inside the room: which normalisation belongs to a layer. */
#ifndef AP_PRUNERS_UNFOLD_IMPL_H
#define AP_PRUNERS_UNFOLD_IMPL_H
#include "nn/network.h"

/* The BATCHNORM node that alone uses `node`, or SIZE_MAX. */
size_t ap_following_batchnorm(const ap_network *net, size_t node);
#endif
