/* Single weights by their size. S. Han, J. Pool, J. Tran, W. J. Dally, "Learning both Weights and
 * Connections for Efficient Neural Networks", NeurIPS 2015, arXiv 1506.02626 (a threshold a layer);
 * one threshold for the whole network is the usual variant (D. Blalock et al., "What is the State of
 * Neural Network Pruning?", MLSys 2020, arXiv 2003.03033, compares both).
 * Known: weights below a threshold are removed and the rest is trained again.
 * Assumed: `magnitude` keeps the same share of every layer, `magnitude-global` has one threshold;
 * one round of fine-tuning. On crossbars only what leaves a unit's column empty is saved:
 * docs/MAPPING.md. `column-vector-global` is the same threshold for vectors of one unit's rows. */
#include "pruners/baselines/baselines_impl.h"

#define PUBLICATION \
  "Han et al., Learning both Weights and Connections, NeurIPS 2015, arXiv 1506.02626"

const ap_baseline ap_baseline_magnitude = {
    .name = "magnitude",
    .pruner = "unstructured",
    .allocation = "uniform",
    .publication = PUBLICATION,
    .known = "weights below a layer's threshold go; the rest is trained again",
    .assumed = "the same share of every layer; one round of fine-tuning"};

const ap_baseline ap_baseline_magnitude_global = {
    .name = "magnitude-global",
    .pruner = "unstructured",
    .allocation = "global",
    .publication =
        "Blalock et al., What is the State of Neural Network Pruning?, MLSys 2020, "
        "arXiv 2003.03033 (global magnitude)",
    .known = "one threshold of the absolute weight for the whole network",
    .assumed = "one round of fine-tuning; no layer loses all"};

const ap_baseline ap_baseline_column_vector_global = {
    .name = "column-vector-global",
    .pruner = "column-vector",
    .allocation = "global",
    .publication = "-",
    .known = "the control between column-vector and auto-prune: one threshold, no search",
    .assumed = "mean squares of different layers compare as they are"};
