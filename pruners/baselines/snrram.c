/* P. Wang, Y. Ji, C. Hong, Y. Lyu, D. Wang, Y. Xie, "SNrram: An Efficient Sparse Neural Network
 * Computation Architecture Based on Resistive Random-Access Memory", DAC 2018,
 * 10.1109/DAC.2018.8465793.
 * Known (abstract): weight and activation sparsity; non-trivial weights are stored and organised so
 * that multiplications with zeros disappear; 69.8 % of the RRAM, 35.9 % of the power saved, 2.49
 * times as fast as an RRAM accelerator without it.
 * Assumed: everything about how. Here the columns of a crossbar are the unit: pieces of a filter as
 * tall as the crossbar's whole operation units (R), which close up within their band of rows, with
 * an index of the output columns a band; mean square; no activation sparsity. Between `column-vector`
 * (one unit tall) and `filter` (K tall). */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_snrram = {
    .name = "snrram",
    .pruner = "column-vector:R",
    .allocation = "uniform",
    .publication = "Wang et al., SNrram, DAC 2018, 10.1109/DAC.2018.8465793",
    .known = "non-trivial weights stored and organised so that zeros are not multiplied",
    .assumed =
        "crossbar-tall pieces of filters close up within their band of rows; output index a "
        "band; no activation sparsity"};
