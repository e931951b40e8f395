/* pruners/recover.h - from a policy to a trained pruned network: the one recipe for every method.
 */
#ifndef AP_PRUNERS_RECOVER_H
#define AP_PRUNERS_RECOVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/network.h"
#include "nn/train.h"
#include "pruners/level_db.h"
AP_EXTERN_C_BEGIN

/* Puts the weights of `levels` (pruned, repaired), or those of `start` where it is given (a folded network
 * of the same layers, pruned alike: pruners/repair_sequence.h), into a copy of the trained, unfolded network,
 * fine-tunes it with their masks held, folds it and
 * quantises its weights column by column to weight_bits, or those of the layer where it has its own (0:
 * they stay floats). Filters that are removed are removed with
 * their bias (and BatchNorm shift), and with the inputs of the next layers that saw only them; input
 * channels (granularity channel) with the filters that nobody else reads.
 * *out: the deployed network, ready for ap_network_price_create and evaluation. epochs 0: no
 * training, only BatchNorm recalibration (or nothing, without BatchNorm). checkpoint: as ap_train
 * takes it; NULL: none. */
AP_NODISCARD ap_status ap_recover(ap_backend *be, const ap_network *trained, const ap_dataset *data,
                                  const ap_level_db *db, const uint32_t *levels,
                                  const ap_network *start, unsigned weight_bits,
                                  const ap_train_options *recipe, const char *checkpoint,
                                  ap_train_observer *observer, void *context, ap_network **out,
                                  ap_error *err);

/* Puts the levels' weights and biases into an unfolded network, so that folding it gives them back (up
 * to rounding; channels that normalisation switches off stay as they are). */
AP_NODISCARD ap_status ap_unfold_levels(ap_network *net, const ap_level_db *db,
                                        const uint32_t *levels, ap_error *err);

/* Puts the weights of a folded network of the same layers into an unfolded one, with running statistics as
 * they are in that network (on the calibration images) and gamma and beta to match: folding gives the
 * weights back, and so, about, does normalisation by a batch's own statistics, so that training begins
 * where the folded network stands. ARG where layers differ. */
AP_NODISCARD ap_status ap_unfold_network(ap_backend *be, ap_network *net, const ap_network *folded,
                                         const ap_dataset *data, ap_error *err);

/* The folded network with the levels' own weights in place (pruned, repaired, quantised): what the
 * evaluator judges, as a network. folded: the one that db was made from. */
AP_NODISCARD ap_status ap_deploy_levels(const ap_network *folded, const ap_level_db *db,
                                        const uint32_t *levels, ap_network **out, ap_error *err);

/* A pruned, folded network of the same layers (pruners/repair_sequence.h) as ap_recover leaves one without
 * training: what goes with removed filters or channels is removed, weights are quantised alike. */
AP_NODISCARD ap_status ap_deploy_network(const ap_network *pruned, const ap_level_db *db,
                                         const uint32_t *levels, unsigned weight_bits,
                                         ap_network **out, ap_error *err);

/* Sets every weight to 0 whose input channel is 0 for every image (no filter makes it): the
 * function stays the same. net: folded. Returns how many weights were set. */
AP_NODISCARD ap_status ap_remove_dead_inputs(ap_network *net, size_t *n_removed, ap_error *err);
/* The other way: sets every filter to 0, bias included, whose output channel meets no weight in any
 * layer behind it; the function stays the same. net: folded. Returns how many weights were set. */
AP_NODISCARD ap_status ap_remove_unread_outputs(ap_network *net, size_t *n_removed, ap_error *err);

AP_EXTERN_C_END
#endif
