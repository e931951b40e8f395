/* Whole input channels. Y. He, X. Zhang, J. Sun, "Channel Pruning for Accelerating Very Deep Neural
 * Networks", ICCV 2017, arXiv 1707.06168; the ranking by size alone is the "first k / max response"
 * kind of control of that paper.
 * Known: input channels of a layer are chosen (by LASSO), the layer's weights are repaired by least
 * squares on sampled feature maps, and the filters of the layer before that made the removed
 * channels go, too.
 * Assumed: channels ranked by mean square (`channel`), one share for all layers. A linear layer's
 * input channel is one input. A filter goes when no layer reads its output, so that on shortcuts it
 * stays as long as one reader does; in a plain chain the same filters could be removed as by
 * `filter`, but they are ranked by their readers' weights in place of their own. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_channel = {
    .name = "channel",
    .pruner = "channel",
    .allocation = "uniform",
    .publication =
        "He et al., Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017, "
        "arXiv 1707.06168",
    .known = "input channels go, with the filters that made them; least-squares repair",
    .assumed = "channels ranked by mean square in place of LASSO; one share for all layers"};
