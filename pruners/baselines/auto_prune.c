/* S. Yang, W. Chen, X. Zhang, S. He, Y. Yin, X.-H. Sun, "AUTO-PRUNE: Automated DNN Pruning and Mapping
 * for ReRAM-Based Accelerator", ICS 2021, 10.1145/3447818.3460366.
 * Known (abstract): reinforcement learning finds each layer's pruning ratio; its reward is accuracy
 * and the compression rate of occupied crossbars, under a limit of accuracy loss; only non-trivial
 * elements are stored, and a data path over operation units indexes their inputs. APQ (TPDS 2023), by
 * most of the same authors, names the column-vector.
 * Assumed: vectors of one unit's rows x 1; DDPG with AMC's features; everything in
 * docs/ASSUMPTIONS.md. `column-vector` is the same without the search, `random` the search's control. */
#include "pruners/baselines/baselines_impl.h"

#define PUBLICATION "Yang et al., AUTO-PRUNE, ICS 2021, 10.1145/3447818.3460366"

const ap_baseline ap_baseline_column_vector = {
    .name = "column-vector",
    .pruner = "column-vector",
    .allocation = "uniform",
    .publication = PUBLICATION,
    .known = "the granularity's name, from APQ's abstract",
    .assumed =
        "vectors of one unit's rows x 1, by mean square; no search: one share for all layers"};

const ap_baseline ap_baseline_random = {
    .name = "random",
    .pruner = "column-vector",
    .allocation = "random",
    .publication = "-",
    .known = "the control of every search",
    .assumed = "as many episodes as auto-prune, uniform random shares"};

const ap_baseline ap_baseline_knapsack = {
    .name = "knapsack",
    .pruner = "column-vector",
    .allocation = "knapsack",
    .publication = "-",
    .known = "curves of single layers and a dynamic programme (docs/SEARCH.md)",
    .assumed = "as many episodes as auto-prune"};

const ap_baseline ap_baseline_evolution = {
    .name = "evolution",
    .pruner = "column-vector",
    .allocation = "evolution",
    .publication = "Sieberling et al., EvoPress, ICML 2025, arXiv 2410.14649 (the moves)",
    .known = "a population of policies; layers exchange levels at equal cost",
    .assumed = "as many episodes as auto-prune; exchanges of whole crossbars (docs/SEARCH.md)"};

const ap_baseline ap_baseline_auto_prune = {
    .name = "auto-prune",
    .pruner = "column-vector",
    .allocation = "ddpg",
    .publication = PUBLICATION,
    .known =
        "reinforcement learning over each layer's share; reward: accuracy and occupied crossbars",
    .assumed = "DDPG; column-vectors; docs/ASSUMPTIONS.md"};
