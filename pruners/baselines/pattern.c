/* Kernel patterns with reordering. S. Yu, Y. Liu, L. Zhang, J. Wang, J. Yue, Z. Yuan, X. Li, H. Yang, "High
 * Area/Energy Efficiency RRAM CNN Accelerator with Kernel-Reordering Weight Mapping Scheme Based on
 * Pattern Pruning", arXiv 2010.06156; NVMSA 2021, 10.1109/NVMSA53655.2021.9628683.
 * Known (abstract): kernels of k x k weights are pruned to patterns; kernels of one pattern are put
 * together and mapped as dense blocks that operation units read; against the usual mapping 4.16 to
 * 5.20 times the crossbar area efficiency, 1.98 to 2.15 times the energy efficiency.
 * Assumed: a layer has at most 8 patterns, all of the same number of weights e, the ones that most
 * kernels have among their e largest weights; each kernel takes the one that keeps most of its
 * squares. To keep a share f of the weights, e is the nearest number to area * sqrt(f), and whole
 * kernels make up the rest: those stay that keep the largest squares. (How the authors divide the
 * zeros between patterns and empty kernels, and how many patterns they take, is not in the abstract.)
 * Layers of 1 x 1 kernels and linear layers are cut into pieces of one operation unit's rows.
 * Mapping: docs/MAPPING.md. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/baselines/baselines_impl.h"

const ap_baseline ap_baseline_pattern = {
    .name = "pattern",
    .pruner = "pattern",
    .allocation = "uniform",
    .publication =
        "Yu et al., RRAM CNN Accelerator with Kernel-Reordering Weight Mapping Scheme Based "
        "on Pattern Pruning, NVMSA 2021, arXiv 2010.06156",
    .known = "kernels pruned to patterns, kernels of one pattern mapped together as dense blocks",
    .assumed =
        "8 patterns a layer, of one size, the most frequent; zeros divided evenly between "
        "patterns and empty kernels"};

typedef struct {
  uint64_t pattern;
  size_t count;
  double energy; /* of a kernel under its pattern */
  size_t kernel;
} entry;

static int by_pattern(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return (x->pattern > y->pattern) - (x->pattern < y->pattern);
}

static int by_falling_count(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->count != y->count) return x->count > y->count ? -1 : 1;
  return (x->pattern > y->pattern) - (x->pattern < y->pattern);
}

static int by_falling_energy(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->energy != y->energy) return x->energy > y->energy ? -1 : 1;
  return (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

typedef struct {
  const ap_partition *p;
  const float *w;
} layer;

static double square(const layer *l, size_t kernel, size_t row) {
  size_t band = kernel / l->p->n, column = kernel % l->p->n;
  double w = (double)l->w[(band * l->p->granularity.h + row) * l->p->n + column];
  return w * w;
}

/* The e largest weights of a kernel (all of a shorter one); ties: the lower row. */
static uint64_t natural_pattern(const layer *l, size_t kernel, size_t e) {
  size_t rows = ap_partition_band_rows(l->p, kernel / l->p->n);
  uint64_t pattern = 0;
  for (size_t i = 0; i < e && i < rows; i++) {
    size_t best = rows;
    for (size_t r = 0; r < rows; r++) {
      if (pattern >> r & 1U) continue;
      if (best == rows || square(l, kernel, r) > square(l, kernel, best)) best = r;
    }
    pattern |= (uint64_t)1 << best;
  }
  return pattern;
}

static double energy_under(const layer *l, size_t kernel, uint64_t pattern) {
  size_t rows = ap_partition_band_rows(l->p, kernel / l->p->n);
  double sum = 0;
  for (size_t r = 0; r < rows; r++) sum += pattern >> r & 1U ? square(l, kernel, r) : 0;
  return sum;
}

/* The most frequent natural patterns of whole kernels into dictionary[0..]; how many. A band cut short
 * does not vote, unless it is all there is. */
static size_t choose_dictionary(const layer *l, size_t e, entry *list, uint64_t *dictionary) {
  size_t kernels = l->p->lines * l->p->n, voters = kernels, distinct = 0;
  if (l->p->lines > 1 && ap_partition_band_rows(l->p, l->p->lines - 1) < l->p->granularity.h)
    voters -= l->p->n;
  for (size_t i = 0; i < voters; i++) list[i] = (entry){.pattern = natural_pattern(l, i, e)};
  qsort(list, voters, sizeof *list, by_pattern);
  for (size_t i = 0; i < voters; i++) {
    if (distinct > 0 && list[distinct - 1].pattern == list[i].pattern) {
      list[distinct - 1].count++;
    } else {
      list[distinct] = list[i];
      list[distinct++].count = 1;
    }
  }
  qsort(list, distinct, sizeof *list, by_falling_count);
  if (distinct > l->p->granularity.w) distinct = l->p->granularity.w;
  for (size_t i = 0; i < distinct; i++) dictionary[i] = list[i].pattern;
  return distinct;
}

/* One level: how many weights its mask keeps. */
static size_t fill_mask(const layer *l, size_t wanted, entry *list, uint64_t *dictionary,
                        uint8_t *mask) {
  size_t h = l->p->granularity.h, n = l->p->n, kernels = l->p->lines * n, kept = 0;
  double share = (double)wanted / (double)l->p->count;
  size_t e = (size_t)fmax(1, floor((double)h * sqrt(share) + 0.5));
  size_t whole = (size_t)fmax(1, floor((double)wanted / (double)e + 0.5));
  size_t n_patterns = choose_dictionary(l, e, list, dictionary);
  for (size_t i = 0; i < kernels; i++) {
    entry best = {.energy = -1, .kernel = i};
    for (size_t d = 0; d < n_patterns; d++) {
      double energy = energy_under(l, i, dictionary[d]);
      if (energy > best.energy) {
        best.energy = energy;
        best.pattern = dictionary[d];
      }
    }
    list[i] = best;
  }
  qsort(list, kernels, sizeof *list, by_falling_energy);
  memset(mask, 0, l->p->count);
  for (size_t i = 0; i < kernels && i < whole; i++) {
    size_t band = list[i].kernel / n, column = list[i].kernel % n;
    for (size_t r = 0; r < ap_partition_band_rows(l->p, band); r++) {
      if (!(list[i].pattern >> r & 1U)) continue;
      mask[(band * h + r) * n + column] = 1;
      kept++;
    }
  }
  return kept;
}

ap_status ap_pattern_masks(const ap_partition *partition, const float *w, size_t n_wanted,
                           const size_t *wanted, ap_plugin_answer *out, ap_error *err) {
  size_t kernels = partition->lines * partition->n;
  layer l = {partition, w};
  entry *list = ap_calloc(kernels, sizeof *list);
  uint64_t *dictionary = ap_calloc(partition->granularity.w, sizeof *dictionary);
  ap_status st = AP_OK;
  out->masks = ap_calloc(n_wanted, partition->count);
  out->counts = ap_calloc(n_wanted, sizeof *out->counts);
  if (!list || !dictionary || !out->masks || !out->counts) {
    st = ap_fail(err, AP_ERR_MEMORY, "patterns of %zu kernels", kernels);
  }
  for (size_t i = 0; i < partition->count && !st; i++) {
    if (isfinite(w[i])) continue;
    st = ap_fail(err, AP_ERR_FORMAT, "weight of row %zu, column %zu: not finite", i / partition->n,
                 i % partition->n);
  }
  for (size_t i = 0; i < n_wanted && !st; i++) {
    uint8_t *mask = out->masks + out->n_counts * partition->count;
    size_t kept = fill_mask(&l, wanted[i], list, dictionary, mask);
    size_t before = out->n_counts ? out->counts[out->n_counts - 1] : 0;
    if (kept > before && kept < partition->count) out->counts[out->n_counts++] = kept;
  }
  ap_free(list);
  ap_free(dictionary);
  return st;
}
