/* nn/network_impl.h - what the files of the network share; stays in this folder. */
#ifndef AP_NN_NETWORK_IMPL_H
#define AP_NN_NETWORK_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

#define AP_NETWORK_MAX_NODES 4096
#define AP_NETWORK_MAX_VALUES 2147483647u /* of one tensor: cuBLAS counts in int */
#define AP_NETWORK_MAX_NAME 200           /* bytes of a node's name */

/* Sides 1 or more, all values together at most AP_NETWORK_MAX_VALUES. */
bool ap_shape_fits(ap_shape3 shape);

/* Checks a node that is to follow those of net, and completes it: defaults for 0 and the shape. */
AP_NODISCARD ap_status ap_node_check(const ap_network *net, ap_node *node, ap_error *err);

/* Weights of a complete node whose first input is `from`: 0 where it has none. */
size_t ap_node_weights(const ap_node *node, const ap_node *from);

AP_EXTERN_C_END
#endif
