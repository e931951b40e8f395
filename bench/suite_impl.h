/* bench/suite_impl.h - what a comparison runs: networks with their data, hardware and recipe, and
 * methods. */
#ifndef AP_BENCH_SUITE_IMPL_H
#define AP_BENCH_SUITE_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "nn/dataset.h"
#include "nn/network.h"
#include "nn/train.h"

typedef struct {
  const char *network, *data;    /* built-in structure (or the name of `given`), data set */
  const ap_network *given;       /* a model that was handed in; NULL: trained or shipped */
  const char *hardware;          /* technology preset */
  const char *rows, *cols;       /* crossbar size put over the preset's */
  const char *ou_rows, *ou_cols; /* OU size put over the preset's; NULL: the preset's */
  double train_epochs, train_lr, weight_decay;
  size_t crop; /* augmentation, in training and recovery alike */
  bool flip;
  double smoothing; /* of labels; this and cutout in training alone */
  size_t cutout;
  double tune_epochs, tune_lr; /* 0 epochs: recovery does without fine-tuning */
  size_t episodes;             /* of a searched method */
  size_t
      search_images; /* of the search split, the first, if it has as many: what one shot is judged on; 0: all */
  /* A cell's expected seconds on two cores (docs/PAPER.md#time), for the time that is left. */
  double uniform_seconds, search_seconds;
} ap_suite_network;

typedef struct {
  const char *name;     /* in tables: "auto-prune" */
  const char *pruner;   /* pruners/pruner.h */
  const char *searcher; /* agent/searcher.h; "uniform": one kept fraction for all layers;
                    "global": one threshold of the score for all; NULL: dense */
  const char *reward;   /* of a searcher (agent/reward.h); NULL: the default */
} ap_suite_method;
/* Does it search, with episodes and a limit? */
bool ap_method_searches(const ap_suite_method *method);

typedef struct {
  const char *name;
  const ap_suite_network *networks;
  size_t n_networks;
  const ap_suite_method *methods; /* the first is dense */
  size_t n_methods;
  size_t tunings;    /* fine-tunings a method may spend on finding its policy */
  size_t seeds;      /* repetitions, unless asked for otherwise */
  double max_loss;   /* of its closed division */
  bool closed;       /* its settings define a closed division (docs/PAPER.md#divisions) */
  bool shipped_only; /* a network without a checkpoint is passed over, not trained */
} ap_suite;

/* ARG lists the known suites. */
AP_NODISCARD ap_status ap_suite_find(const char *name, const ap_suite **out, ap_error *err);

/* Whether recovery goes on with fine-tuning where repair is not enough. */
bool ap_suite_fine_tunes(const ap_suite_network *net);
/* Training from scratch, and the one recovery recipe of all methods. */
ap_train_options ap_suite_training(const ap_suite_network *net, const ap_dataset *data);
ap_train_options ap_suite_recovery(const ap_suite_network *net, const ap_dataset *data,
                                   uint64_t seed);
#endif
