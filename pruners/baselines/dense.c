/* What everything is measured against. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_dense = {
    .name = "dense",
    .pruner = "dense",
    .publication = "-",
    .known = "nothing is pruned: the weight matrix lies on its crossbars as it is",
    .assumed = "weights in the array's precision, one scale a column"};
