/* nn/executor_walk.h - a network run over the same images one layer after the other, so that a layer's
 * weights can be made from what it is given: its input is handed out, its weights are changed, and the
 * network goes on from there. Confined to the backend's thread. */
#ifndef AP_NN_EXECUTOR_WALK_H
#define AP_NN_EXECUTOR_WALK_H
#include <stddef.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct ap_walk ap_walk;

/* The first n_images (0: all) of a split. net and data are kept until destroy; what is stored in net's weights may
 * change, its structure may not. kept_bytes: what the activations of all images may take; 0: 1 GiB. Errors: as
 * ap_feed_create's and ap_executor_create's. */
AP_NODISCARD ap_status ap_walk_create(ap_backend *be, const ap_network *net, const ap_dataset *data,
                                      ap_split split, size_t n_images, size_t kept_bytes,
                                      ap_walk **out, ap_error *err);
void ap_walk_destroy(ap_walk *walk); /* NULL is allowed */
const ap_network *ap_walk_network(const ap_walk *walk);
size_t ap_walk_images(const ap_walk *walk);
/* Of how many images, at most all, a caller may hold tensors of so many floats an image: they take at most
 * 512 MiB. */
size_t ap_walk_images_for(const ap_walk *walk, size_t floats);

/* What node's weights are multiplied with (its first input), and what node gives, for the first n images:
 * [n, c, h, w] floats to `out`. Asked for in rising order of nodes (input before output), every node runs
 * once over the images as long as their activations fit kept_bytes; else, and after a step back,
 * the network runs again from its images. Errors: ARG for node 0, one that does not exist, n above
 * ap_walk_images; DEVICE. */
AP_NODISCARD ap_status ap_walk_input(ap_walk *walk, size_t node, size_t n, float *out,
                                     ap_error *err);
AP_NODISCARD ap_status ap_walk_output(ap_walk *walk, size_t node, size_t n, float *out,
                                      ap_error *err);
/* Takes weights and biases from the network anew, for nodes that have not run yet. */
AP_NODISCARD ap_status ap_walk_reload(ap_walk *walk, ap_error *err);

AP_EXTERN_C_END
#endif
