/* C. Chu, Y. Wang, Y. Zhao, X. Ma, S. Ye, Y. Hong, X. Liang, Y. Han, L. Jiang, "PIM-Prune: Fine-Grain
 * DCNN Pruning for Crossbar-Based Process-In-Memory Architecture", DAC 2020,
 * 10.1109/DAC18072.2020.9218523.
 * Known (abstract): sparsity finer than filters and channels, in the units of crossbars; the
 * compacted matrices need fewer crossbars; smaller crossbars prune better and cost more periphery;
 * ResNet-18: 24.85 times fewer crossbars on CIFAR-10, 3.56 times on ImageNet.
 * Assumed: rows and columns are removed inside blocks of one crossbar's weights, by mean square; its
 * training (ADMM, by hearsay) is replaced by the common recipe; blocks that shrink share crossbars,
 * which is generous to it. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_pim_prune = {
    .name = "pim-prune",
    .pruner = "block",
    .allocation = "uniform",
    .publication = "Chu et al., PIM-Prune, DAC 2020, 10.1109/DAC18072.2020.9218523",
    .known = "sparsity in the units of crossbars; the compacted matrix takes fewer of them",
    .assumed =
        "rows and columns of crossbar-sized blocks, by mean square; no ADMM; shrunken blocks "
        "share crossbars"};
