/* Y. He, J. Lin, Z. Liu, H. Wang, L.-J. Li, S. Han, "AMC: AutoML for Model Compression and Acceleration
 * on Mobile Devices", ECCV 2018, arXiv 1802.03494.
 * Known (paper and code): DDPG gives each layer's kept share of input channels; state: layer shape,
 * FLOPs reduced so far and left; reward: accuracy under a FLOPs budget, or -error * ln(FLOPs);
 * candidates are repaired by least squares on calibration data and not fine-tuned.
 * Assumed: `amc` is that: channels, its DDPG settings, -error * ln(MACs); its channels are ranked by
 * mean square, and its policies stand for all of the front that the search found, of which the
 * common bisection takes the lightest within the limit. `macs-reward` is auto-prune with nothing changed but what the search knows of cost:
 * multiply-accumulates in state and reward, in place of crossbars. Its policies are then recounted
 * in crossbars like everyone's: what a reward that does not see the hardware costs. */
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_amc = {
    .name = "amc",
    .pruner = "channel",
    .allocation = "ddpg-paper",
    .reward = "amc-macs",
    .publication = "He et al., AMC, ECCV 2018, arXiv 1802.03494",
    .known =
        "DDPG over kept shares of input channels; reward -error * ln(FLOPs); least-squares repair",
    .assumed =
        "channels ranked by mean square; the policy is taken from the search's front by the "
        "common bisection"};

const ap_baseline ap_baseline_macs_reward = {
    .name = "macs-reward",
    .pruner = "column-vector",
    .allocation = "ddpg",
    .reward = "macs",
    .publication = "He et al., AMC, ECCV 2018, arXiv 1802.03494 (the reward)",
    .known = "DDPG whose state and reward know FLOPs and no hardware",
    .assumed = "auto-prune's search, vectors and limit, with MACs in place of crossbars"};
