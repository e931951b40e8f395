/* bench/workbench.h - what every experiment on one trained network needs, opened once: backend,
 * workers, the folded network, calibration moments. */
#ifndef AP_BENCH_WORKBENCH_H
#define AP_BENCH_WORKBENCH_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/threads.h"
#include "kernels/backend.h"
#include "nn/dataset.h"
#include "nn/evaluator.h"
#include "nn/network.h"
#include "pruners/integer_network.h"
#include "pruners/level_db.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

typedef struct ap_workbench ap_workbench;

/* net, data, tech: kept until close. backend: a name of kernels/backend.h. */
AP_NODISCARD ap_status ap_workbench_open(const ap_network *net, const ap_dataset *data,
                                         const ap_tech *tech, const char *backend, size_t n_threads,
                                         ap_workbench **out, ap_error *err);
void ap_workbench_close(ap_workbench *bench); /* NULL is allowed */

ap_backend *ap_workbench_backend(const ap_workbench *bench);
const ap_network *ap_workbench_trained(const ap_workbench *bench);
const ap_network *ap_workbench_folded(const ap_workbench *bench);
const ap_dataset *ap_workbench_data(const ap_workbench *bench);
const ap_tech *ap_workbench_tech(const ap_workbench *bench);

/* A level database of the folded network, repaired (moments are measured at the first call) or not. */
AP_NODISCARD ap_status ap_workbench_levels(ap_workbench *bench, const ap_level_db_options *options,
                                           bool repair, ap_level_db **out, ap_error *err);
/* The folded network pruned to these levels and repaired in sequence (pruners/repair_sequence.h), in floats. */
AP_NODISCARD ap_status ap_workbench_repair_sequence(ap_workbench *bench, const ap_level_db *db,
                                                    const uint32_t *levels, ap_network **out,
                                                    ap_error *err);
/* Of evaluators on an engine: "fp32" (default) or "bf16"; nn/evaluator.h. name: kept until close. */
void ap_workbench_set_precision(ap_workbench *bench, const char *name);
/* An evaluator on the workbench's backend that knows all levels of db, on the first n_images (0: all) of a split. */
AP_NODISCARD ap_status ap_workbench_evaluator(ap_workbench *bench, const ap_level_db *db,
                                              ap_split split, size_t n_images, bool quiet,
                                              ap_evaluator **out, ap_error *err);
/* The same in the integers of nn/integer.h: weights and activations of the hardware's bits, at most
 * 8; ranges of the unpruned network on calibration images hold for all levels. */
AP_NODISCARD ap_status ap_workbench_integer_evaluator(ap_workbench *bench, const ap_level_db *db,
                                                      ap_split split, size_t n_images, bool quiet,
                                                      ap_evaluator **out, ap_error *err);
/* Accuracy of any network of this shape on a split. */
AP_NODISCARD ap_status ap_workbench_score(ap_workbench *bench, const ap_network *net,
                                          ap_split split, ap_score *out, ap_error *err);
/* Accuracy of the quantised form (nn/integer.h) of a folded network of this shape, with the hardware's
 * bits, on the first n_images (0: all) of a split: by the fast evaluator where weights and activations
 * have at most 8 bits, else by the plain network. Input ranges are the network's own. */
AP_NODISCARD ap_status ap_workbench_quantised_score(ap_workbench *bench, const ap_network *net,
                                                    const ap_range_options *ranges, ap_split split,
                                                    size_t n_images, ap_score *out, ap_error *err);

AP_EXTERN_C_END
#endif
