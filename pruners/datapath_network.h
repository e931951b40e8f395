/* pruners/datapath_network.h - a whole network on its crossbars: every layer product of the integer
 * network done by the bit-exact data path (mapper/datapath.h) on the layer's own mapping. */
#ifndef AP_PRUNERS_DATAPATH_NETWORK_H
#define AP_PRUNERS_DATAPATH_NETWORK_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
#include "mapper/datapath.h"
#include "mapper/vectors.h"
#include "pruners/integer_network.h"
AP_EXTERN_C_BEGIN

typedef struct ap_datapath_network ap_datapath_network; /* opaque, immutable */

/* Maps all layers, a grouped convolution group by group.
 *   in    kept until destroy; it was made for the spec's weight and activation bits (ARG). A layer
 *         with weight bits of its own takes as many bitlines a weight as they need
 * Errors: ARG, MEMORY. */
AP_NODISCARD ap_status ap_datapath_network_create(const ap_integer_network *in,
                                                  const ap_array_spec *spec,
                                                  ap_granularity granularity,
                                                  ap_datapath_network **out, ap_error *err);
void ap_datapath_network_destroy(ap_datapath_network *hw); /* NULL is allowed */

/* As ap_integer_network_run, with the hardware's sums: equal to it bit for bit where the converter
 * has the exact width and the device is ideal.
 *   device  NULL: ideal. Its seed names the experiment, first_input is not read
 *   sample  number of the device under that seed: every sample, layer and group has its own cells;
 *           read noise is named by image and position, so results do not depend on threads
 *   stats   may be NULL */
AP_NODISCARD ap_status ap_datapath_network_run(const ap_datapath_network *hw,
                                               const ap_device *device, uint64_t sample,
                                               const ap_dataset *data, ap_split split,
                                               size_t n_images, ap_pool *pool, ap_score *score,
                                               float *logits, ap_datapath_stats *stats,
                                               ap_error *err);

/* Images whose logits (n x classes each) are the same bit for bit; whose first largest class is. */
size_t ap_count_equal_logits(const float *a, const float *b, size_t n, size_t classes);
size_t ap_count_equal_classes(const float *a, const float *b, size_t n, size_t classes);

AP_EXTERN_C_END
#endif
