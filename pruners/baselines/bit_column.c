/* Bit-columns: parts of weights. F. Liu, W. Zhao, Y. Zhao, Z. Wang, T. Yang, Z. He, N. Jing, X. Liang, L. Jiang,
 * "SME: ReRAM-based Sparse-Multiplication-Engine to Squeeze-Out Bit Sparsity of Neural Network", 2021,
 * arXiv 2103.01705 (bit planes on crossbars of their own, near-empty ones squeezed out); Qu et al., TCAD
 * 2022 (bits pruned at crossbar granularity by reinforcement learning); W. Yang et al., "A Bit Level
 * Weight Reordering Strategy Based on Column Similarity to Explore Weight Sparsity in RRAM-based NN
 * Accelerator", ICPADS 2025, arXiv 2511.14202 (zero and equal bit-columns under operation units).
 * Known (abstracts): bits of weights are sliced over bitlines; bitlines or planes that hold nothing
 * but zeros need not be there; SME: 8.7 times fewer crossbars for ResNet-50 at less than 0.3 % loss,
 * 2511.14202: columns of equal bits in an operation unit are stored once.
 * Assumed: the unit is one bitline of one operation unit's rows, a slice of h weights of a filter. A
 * vector of h weights loses its slices from the least significant one on: its weights are rounded to
 * multiples of 2^(cell bits * slices lost), and it is gone with the last one, so that this is pruning
 * of vectors with precision in between. Slices go by the mean square error that losing them adds,
 * over all vectors of a layer. In each filter the vector with the largest weight stays whole, which
 * pins the filter's scale. With offset encoding (the default) a 0 is not all empty cells; a bitline
 * is trivial when it holds what a 0 has there (docs/MAPPING.md). Equal columns are not shared.
 * Fine-tuning holds the weights that are gone at 0; the others are rounded again at its end. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/quantised_layer.h"

const ap_baseline ap_baseline_bit_column = {
    .name = "bit-column",
    .pruner = "bit-column",
    .allocation = "uniform",
    .publication =
        "Liu et al., SME, 2021, arXiv 2103.01705; Qu et al., TCAD 2022; Yang et al., ICPADS 2025, "
        "arXiv 2511.14202",
    .known = "weights lie in slices on bitlines; bitlines that hold nothing are not stored",
    .assumed =
        "bitlines of one unit's rows; low slices go first, weights are rounded; by mean square "
        "error"};

/* Slices of one binary digit of cell_bits: one, or with differential encoding one on each side. */
typedef struct {
  size_t n; /* digits of a weight, without a sign of its own */
  size_t bits;
  bool differential, sign; /* sign: the last slice goes with the last digit */
} digits;

static digits digits_of(const ap_partition *p) {
  digits d = {p->slices, p->spec.cell_bits, false, false};
  if (p->spec.encoding == AP_ENCODING_DIFFERENTIAL) {
    d.n = p->slices / 2;
    d.differential = true;
  } else if (p->spec.encoding == AP_ENCODING_TWOS_COMPLEMENT) {
    d.n = p->slices - 1;
    d.sign = true;
  }
  return d;
}

/* The nearest multiple of the step of `lost` digits that a weight can be, in steps of the scale. */
static double rounded(double w, size_t lost, const digits *d, double largest) {
  double step = ldexp(1, (int)(lost * d->bits));
  double most = floor(largest / step) * step;
  if (lost >= d->n) return 0;
  return copysign(fmin(floor(fabs(w) / step + 0.5) * step, most), w);
}

/* Mean square error of a vector, in real weights, that has lost 1, 2, ... digits. */
static void errors(const ap_partition *p, const digits *d, const float *w, size_t band,
                   size_t column, double scale, double *error) {
  double largest = ldexp(1, (int)p->spec.weight_bits - 1) - 1;
  size_t rows = ap_partition_band_rows(p, band);
  for (size_t lost = 1; lost <= d->n; lost++) {
    double sum = 0;
    for (size_t r = 0; r < rows; r++) {
      double v = (double)w[(band * p->granularity.h + r) * p->n + column] / scale;
      double e = (v - rounded(v, lost, d, largest)) * scale;
      sum += e * e;
    }
    error[lost - 1] = sum / (double)rows;
  }
}

static void set_score(const ap_partition *p, const digits *d, size_t band, size_t column,
                      size_t digit, double value, double *score) {
  score[ap_partition_bit_column(p, band, column, digit)] = value;
  if (d->differential) score[ap_partition_bit_column(p, band, column, digit + d->n)] = value;
  if (d->sign && digit + 1 == d->n)
    score[ap_partition_bit_column(p, band, column, d->n)] = value * (1 + 1e-9);
}

ap_status ap_bit_column_scores(const ap_partition *p, const float *w, double *score,
                               ap_error *err) {
  const digits d = digits_of(p);
  double error[64] = {0}; /* digits of a weight: at most 16 */
  for (size_t j = 0; j < p->n; j++) {
    double largest = 0, scale;
    size_t pinned = 0;
    for (size_t k = 0; k < p->k; k++) {
      double v = fabs((double)w[k * p->n + j]);
      if (!isfinite(v)) {
        return ap_fail(err, AP_ERR_FORMAT, "weight of row %zu, column %zu: not finite", k, j);
      }
      if (v > largest) {
        largest = v;
        pinned = k / p->granularity.h;
      }
    }
    scale = largest / (ldexp(1, (int)p->spec.weight_bits - 1) - 1);
    for (size_t band = 0; band < p->lines; band++) {
      double last = 0;
      if (largest > 0) errors(p, &d, w, band, j, scale, error);
      for (size_t digit = 0; digit < d.n; digit++) {
        double added = largest > 0 ? error[digit] - (digit ? error[digit - 1] : 0) : 0;
        /* a higher digit never goes first; at equal cost the lower one does */
        last = fmax(added, last * (1 + 1e-9));
        set_score(p, &d, band, j, digit, largest > 0 && band == pinned ? DBL_MAX / 2 : last, score);
      }
    }
  }
  return AP_OK;
}

/* Digits that a vector has lost from the lowest one on. */
static size_t lost_digits(const ap_partition *p, const digits *d, const uint8_t *kept, size_t band,
                          size_t column) {
  size_t lost = 0;
  while (lost < d->n && !kept[ap_partition_bit_column(p, band, column, lost)] &&
         !(d->differential && kept[ap_partition_bit_column(p, band, column, lost + d->n)])) {
    lost++;
  }
  return lost;
}

/* The nearest multiple of the step that is a weight; halves go up in size. */
static int32_t nearest(int32_t q, size_t lost, const digits *d, int32_t largest) {
  int32_t size = q < 0 ? -q : q, step, multiple;
  if (lost == 0) return q;
  if (lost >= d->n) return 0;
  step = (int32_t)1 << (lost * d->bits);
  multiple = (size + step / 2) / step * step;
  if (multiple > largest) multiple -= step;
  return q < 0 ? -multiple : multiple;
}

/* The band with a column's largest weight keeps all. */
static void pin(const ap_partition *p, const int32_t *q, size_t column, uint8_t *kept) {
  size_t best = 0;
  for (size_t k = 1; k < p->k; k++) {
    int32_t a = q[k * p->n + column], b = q[best * p->n + column];
    if ((a < 0 ? -a : a) > (b < 0 ? -b : b)) best = k;
  }
  for (size_t s = 0; s < p->slices && q[best * p->n + column]; s++) {
    kept[ap_partition_bit_column(p, best / p->granularity.h, column, s)] = 1;
  }
}

ap_status ap_bit_columns_round(const ap_partition *p, const uint8_t *kept, float *matrix,
                               ap_error *err) {
  const digits d = digits_of(p);
  size_t size = p->k * p->n;
  int32_t largest = ((int32_t)1 << (p->spec.weight_bits - 1)) - 1;
  int32_t *q = ap_calloc(size, sizeof *q);
  float *scale = ap_calloc(p->n, sizeof *scale);
  uint8_t *own = ap_calloc(p->count, 1);
  ap_status st = AP_OK;
  if (!q || !scale || !own) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu quantised weights", size);
  } else {
    memcpy(own, kept, p->count);
    st = ap_quantise_columns(matrix, p->k, p->n, p->spec.weight_bits, q, scale, err);
  }
  for (size_t j = 0; j < p->n && !st; j++) {
    pin(p, q, j, own);
    for (size_t k = 0; k < p->k; k++) {
      size_t lost = lost_digits(p, &d, own, k / p->granularity.h, j);
      int32_t *w = &q[k * p->n + j];
      *w = nearest(*w, lost, &d, largest);
    }
  }
  if (!st) ap_partition_mask_i32(p, own, q);
  for (size_t i = 0; i < size && !st; i++) matrix[i] = (float)q[i] * scale[i % p->n];
  ap_free(q);
  ap_free(scale);
  ap_free(own);
  return st;
}
