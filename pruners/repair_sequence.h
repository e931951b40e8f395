/* pruners/repair_sequence.h - least-squares repair of a whole pruned network, layer by layer: each layer is
 * fitted to what it gave in the dense network, from the inputs that the repaired layers before it give
 * now, so that their errors are met instead of added up. (Repairing every layer by itself on dense inputs,
 * as level databases do, makes all levels in one pass, but ignores what happens before.) */
#ifndef AP_PRUNERS_REPAIR_SEQUENCE_H
#define AP_PRUNERS_REPAIR_SEQUENCE_H
#include "base/status.h"
#include "base/threads.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
#include "pruners/level_db.h"
#include "pruners/moments.h"
AP_EXTERN_C_BEGIN

/* folded: the dense network that db was made from. Layers that keep everything are fitted, too, but for
 * grouped convolutions, which stay as they are. *out: folded, in floats; pruned weights are 0.
 * Cost: two forward passes over the calibration images; for each layer samples * K^2 and some tens of times K^2 * N.
 * Errors: MEMORY; INTERRUPTED. */
AP_NODISCARD ap_status ap_repair_sequence(ap_backend *be, ap_pool *pool, const ap_network *folded,
                                          const ap_level_db *db, const uint32_t *levels,
                                          const ap_dataset *data, const ap_moments_options *options,
                                          ap_network **out, ap_error *err);

AP_EXTERN_C_END
#endif
