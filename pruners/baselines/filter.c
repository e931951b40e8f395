/* Whole filters. H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf, "Pruning Filters for Efficient
 * ConvNets", ICLR 2017, arXiv 1608.08710.
 * Known: filters of a layer are ranked by the sum of their absolute weights, the least ones go with
 * the feature maps they make and the kernels of the next layer that read them; the network is then
 * trained again. Shares a layer were set by hand from each layer's sensitivity.
 * Assumed: one share for all layers; `filter` ranks by squares (L2), `filter-l1` as published. Whole
 * columns of the matrix; BatchNorm is folded in before weights are ranked; shortcuts keep a channel
 * that one of their inputs makes. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_filter = {
    .name = "filter",
    .pruner = "filter",
    .allocation = "uniform",
    .publication = "Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017, arXiv 1608.08710",
    .known = "filters ranked by magnitude; the next layer's kernels that read them go, too",
    .assumed = "mean square (L2) in place of L1; one share for all layers"};

const ap_baseline ap_baseline_filter_l1 = {
    .name = "filter-l1",
    .pruner = "filter+l1",
    .allocation = "uniform",
    .publication = "Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017, arXiv 1608.08710",
    .known =
        "filters ranked by the sum of absolute weights; the next layer's kernels that read them "
        "go, too",
    .assumed = "one share for all layers, in place of shares set by hand"};
