/* Bit-exact simulation. OUs outermost, so that each OU's cells are laid out as bit planes once and
 * read for a batch of inputs: a bitline's sum is a few population counts, as the analog sum of one
 * input bit is a count of cells. */
#include "mapper/datapath.h"

#include <string.h>

#include "base/alloc.h"
#include "mapper/encode_impl.h"

#define BATCH 64 /* inputs whose bit masks are held at a time */

typedef struct {
  const ap_mapping *mapping;
  const ap_array_spec *spec;
  size_t k, n, slices, words; /* words: 64-bit words a mask of one OU's wordlines takes */
  bool is_signed;
  uint64_t adc_max;
  const int32_t *x; /* of the batch */
  size_t count;
  int64_t *y;
  uint64_t *masks;  /* [input][bit][word]: which wordlines of the OU row are driven */
  uint32_t *driven; /* [input][bit]: how many */
  uint64_t *planes; /* [bitline][cell bit][word] of one OU */
  ap_datapath_stats stats;
} run_state;

/* Range of all inputs; signed when any is negative. */
static ap_status check_inputs(run_state *r, const int32_t *x, size_t count, ap_error *err) {
  int64_t lo = 0, hi = ((int64_t)1 << r->spec->activation_bits) - 1;
  size_t all = count * r->k;
  for (size_t i = 0; i < all && !r->is_signed; i++) r->is_signed = x[i] < 0;
  if (r->is_signed) {
    lo = -((int64_t)1 << (r->spec->activation_bits - 1));
    hi = -lo - 1;
  }
  for (size_t i = 0; i < all; i++) {
    if (x[i] >= lo && x[i] <= hi) continue;
    return ap_fail(err, AP_ERR_ARG, "input [%zu, %zu] is %d, %u-bit %s inputs go from %d to %d",
                   i / r->k, i % r->k, (int)x[i], r->spec->activation_bits,
                   r->is_signed ? "signed" : "unsigned", (int)lo, (int)hi);
  }
  return AP_OK;
}

/* What the wordlines of an OU's rows see of each input, bit by bit. */
static void drive(run_state *r, const ap_ou *ou) {
  size_t bits = r->spec->activation_bits;
  memset(r->masks, 0, r->count * bits * r->words * sizeof *r->masks);
  memset(r->driven, 0, r->count * bits * sizeof *r->driven);
  for (size_t v = 0; v < r->count; v++) {
    for (size_t i = 0; i < ou->n_rows; i++) {
      uint32_t value = (uint32_t)r->x[v * r->k + ou->inputs[i]];
      for (size_t t = 0; t < bits; t++) {
        uint64_t bit = value >> t & 1U;
        r->masks[(v * bits + t) * r->words + i / 64] |= bit << (i % 64);
        r->driven[v * bits + t] += (uint32_t)bit;
      }
    }
  }
}

static void lay_planes(run_state *r, const ap_ou *ou) {
  size_t c = r->spec->cell_bits;
  memset(r->planes, 0, ou->n_cols * c * r->words * sizeof *r->planes);
  for (size_t j = 0; j < ou->n_cols; j++) {
    for (size_t i = 0; i < ou->n_rows; i++) {
      uint64_t cell = ap_mapping_cell(r->mapping, ou, i, j);
      for (size_t b = 0; b < c; b++) {
        r->planes[(j * c + b) * r->words + i / 64] |= (cell >> b & 1U) << (i % 64);
      }
    }
  }
}

/* One read of one bitline: the sum of its driven cells, through the converter. */
static uint64_t convert(run_state *r, const uint64_t *mask, const uint64_t *planes) {
  uint64_t sum = 0;
  for (size_t b = 0; b < r->spec->cell_bits; b++) {
    uint64_t ones = 0;
    for (size_t word = 0; word < r->words; word++) {
      ones += (uint64_t)__builtin_popcountll(mask[word] & planes[b * r->words + word]);
    }
    sum += ones << b;
  }
  r->stats.conversions++;
  if (sum > r->adc_max) {
    r->stats.saturated++;
    sum = r->adc_max;
  }
  return sum;
}

/* All reads of one bitline; the last bit of signed inputs counts negative. */
static void read_bitline(run_state *r, const ap_ou *ou, size_t j) {
  size_t bits = r->spec->activation_bits, column = 0, slice = 0;
  bool flip = ap_mapping_bitline(r->mapping, ou, j, &column, &slice);
  int64_t weight = ap_slice_weight(r->spec, r->slices, slice);
  const uint64_t *planes = r->planes + j * r->spec->cell_bits * r->words;
  for (size_t v = 0; v < r->count; v++) {
    int64_t total = 0;
    for (size_t t = 0; t < bits; t++) {
      size_t at = v * bits + t;
      int64_t sum = (int64_t)convert(r, r->masks + at * r->words, planes);
      if (flip) sum = (int64_t)ap_cell_max(r->spec) * r->driven[at] - sum;
      if (r->is_signed && t == bits - 1) sum = -sum;
      total += sum * ((int64_t)1 << t);
    }
    r->y[v * r->n + column] += total * weight;
  }
}

/* The offset encoding's correction: every vector of the OU row's group loses offset x (sum of its
 * inputs). `columns`: bitlines of slice 0 mark each vector of this OU once. */
static void correct(run_state *r, const ap_ou *ou) {
  int64_t offset = ap_weight_offset(r->spec);
  size_t bits = r->spec->activation_bits;
  if (!offset) return;
  for (size_t j = 0; j < ou->n_cols; j++) {
    size_t column = 0, slice = 0;
    (void)ap_mapping_bitline(r->mapping, ou, j, &column, &slice);
    if (slice != 0) continue;
    for (size_t v = 0; v < r->count; v++) {
      int64_t sum = 0;
      for (size_t t = 0; t < bits; t++) {
        int64_t part = (int64_t)r->driven[v * bits + t] * ((int64_t)1 << t);
        sum += r->is_signed && t == bits - 1 ? -part : part;
      }
      r->y[v * r->n + column] -= offset * sum;
    }
  }
}

static void run_batch(run_state *r) {
  size_t n_ous = ap_mapping_ou_count(r->mapping);
  const uint32_t *driven_inputs = NULL; /* OUs of one OU row follow each other */
  memset(r->y, 0, r->count * r->n * sizeof *r->y);
  for (size_t o = 0; o < n_ous; o++) {
    ap_ou ou;
    ap_mapping_ou(r->mapping, o, &ou);
    if (ou.inputs != driven_inputs) drive(r, &ou);
    driven_inputs = ou.inputs;
    lay_planes(r, &ou);
    for (size_t j = 0; j < ou.n_cols; j++) read_bitline(r, &ou, j);
    correct(r, &ou);
  }
}

ap_status ap_datapath_run(const ap_mapping *mapping, const int32_t *x, size_t count, int64_t *y,
                          ap_datapath_stats *stats, ap_error *err) {
  ap_status st = AP_OK;
  run_state r = {.mapping = mapping, .spec = ap_mapping_spec(mapping)};
  size_t bits = r.spec->activation_bits;
  r.k = ap_mapping_k(mapping);
  r.n = ap_mapping_n(mapping);
  r.slices = ap_array_slices(r.spec);
  r.words = (r.spec->ou_rows + 63) / 64;
  r.adc_max = ((uint64_t)1 << ap_array_adc_bits(r.spec)) - 1;
  if (stats) memset(stats, 0, sizeof *stats);
  if ((st = check_inputs(&r, x, count, err))) return st;
  r.masks = ap_calloc(BATCH * bits * r.words, sizeof *r.masks);
  r.driven = ap_calloc(BATCH * bits, sizeof *r.driven);
  r.planes = ap_calloc(r.spec->ou_cols * r.spec->cell_bits * r.words, sizeof *r.planes);
  if (!r.masks || !r.driven || !r.planes) {
    st = ap_fail(err, AP_ERR_MEMORY, "data path of a mapping");
    goto done;
  }
  for (size_t first = 0; first < count; first += BATCH) {
    r.count = count - first < BATCH ? count - first : BATCH;
    r.x = x + first * r.k;
    r.y = y + first * r.n;
    run_batch(&r);
  }
  if (stats) *stats = r.stats;
done:
  ap_free(r.masks);
  ap_free(r.driven);
  ap_free(r.planes);
  return st;
}

void ap_integer_product(const int32_t *x, const int32_t *w, size_t count, size_t k, size_t n,
                        int64_t *y) {
  memset(y, 0, count * n * sizeof *y);
  for (size_t v = 0; v < count; v++) {
    for (size_t i = 0; i < k; i++) {
      int64_t value = x[v * k + i];
      for (size_t j = 0; j < n && value; j++) y[v * n + j] += value * w[i * n + j];
    }
  }
}
