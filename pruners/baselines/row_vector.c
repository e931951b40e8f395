/* T.-H. Yang, H.-Y. Cheng, C.-L. Yang, I.-C. Tseng, H.-W. Hu, H.-S. Chang, H.-P. Li, "Sparse ReRAM
 * Engine: Joint Exploration of Activation and Weight Sparsity in Compressed Neural Networks", ISCA
 * 2019, 10.1145/3307650.3322271.
 * Known (abstract, notes on it): arrays are read by operation units; weights are compressed row by
 * row within what a unit is wide, with an index of the rows; rows whose inputs are 0 are skipped at
 * run time. Networks were pruned by others' structured training.
 * Assumed: the pruned vector is 1 row x one unit's width of weights, ranked by mean square; the index
 * is the cheapest list of docs/MAPPING.md; zero activations are not skipped, in no method. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_row_vector = {
    .name = "row-vector",
    .pruner = "row-vector",
    .allocation = "uniform",
    .publication = "Yang et al., Sparse ReRAM Engine (SRE), ISCA 2019, 10.1145/3307650.3322271",
    .known = "operation units; row-wise compression of weights with an index; dynamic wordlines",
    .assumed = "vectors of 1 row x one unit's width, by mean square; activations are not skipped"};
