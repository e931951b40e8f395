/* J. Lee, S. Park, S. Mo, S. Ahn, J. Shin, "Layer-Adaptive Sparsity for the Magnitude-Based Pruning",
 * ICLR 2021, arXiv 2010.07611.
 * Known: a weight's score is its square over the sum of the squares of its layer's weights that are
 * at least as large; one threshold of the score over all layers then decides how much of each stays,
 * and each layer keeps its largest weights.
 * Assumed: ties stand by their place in the matrix. For vectors of more than one weight
 * (`column-vector-lamp`) the mean square of a vector takes the square's place: no publication says
 * so. Fine-tuned once, by the common recipe, not in rounds. */
#include "base/alloc.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/pruner.h"

#define PUBLICATION                                                                         \
  "Lee et al., Layer-Adaptive Sparsity for the Magnitude-Based Pruning (LAMP), ICLR 2021, " \
  "arXiv 2010.07611"

const ap_baseline ap_baseline_lamp = {
    .name = "lamp",
    .pruner = "unstructured+lamp",
    .allocation = "global",
    .publication = PUBLICATION,
    .known =
        "w^2 over the sum of the squares that are at least as large; one threshold for all layers",
    .assumed = "ties by place; one round of fine-tuning"};

const ap_baseline ap_baseline_column_vector_lamp = {
    .name = "column-vector-lamp",
    .pruner = "column-vector+lamp",
    .allocation = "global",
    .publication = PUBLICATION,
    .known = "the score, of single weights",
    .assumed = "a vector's mean square in place of a weight's square"};

ap_status ap_lamp_scores(double *score, size_t count, ap_error *err) {
  uint32_t *order = NULL;
  double sum = 0;
  ap_status st = ap_pruner_order_by(score, count, &order, err);
  for (size_t i = 0; i < count && !st; i++) {
    double own = score[order[i]];
    sum += own;
    score[order[i]] = sum > 0 ? own / sum : 0;
  }
  ap_free(order);
  return st;
}
