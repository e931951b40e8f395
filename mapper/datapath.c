/* Bit-exact simulation: OUs outermost, so that each OU's cells are laid out once and read for a batch
 * of inputs. */
#include "mapper/datapath.h"

#include <string.h>

#include "base/alloc.h"
#include "mapper/datapath_impl.h"

#define BATCH 1024 /* inputs whose masks are held at a time */

/* Range of all inputs; signed when any is negative. */
static ap_status check_inputs(ap_datapath_run_state *r, const int32_t *x, size_t count,
                              ap_error *err) {
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
static void drive(ap_datapath_run_state *r, const ap_ou *ou) {
  size_t bits = r->spec->activation_bits;
  memset(r->masks, 0, r->count * bits * r->words * sizeof *r->masks);
  memset(r->driven, 0, r->count * bits * sizeof *r->driven);
  for (size_t v = 0; v < r->count; v++) {
    for (size_t i = 0; i < ou->n_rows; i++) {
      uint32_t value = (uint32_t)r->x[v * r->k + ou->inputs[i]];
      for (size_t t = 0; t < bits && value; t++) {
        uint64_t bit = value >> t & 1U;
        r->masks[(v * bits + t) * r->words + i / 64] |= bit << (i % 64);
        r->driven[v * bits + t] += (uint32_t)bit;
      }
    }
  }
}

static void read_ou(ap_datapath_run_state *r, const ap_ou *ou) {
  bool varied = r->cells->levels != NULL, noisy = r->device->read_noise > 0;
  /* a table pays when it is read about as often as it has entries */
  bool tabulated = ou->n_rows <= AP_TABLE_MAX_ROWS && !noisy &&
                   r->count * r->spec->activation_bits >= (size_t)1 << ou->n_rows;
  if (!varied && !noisy && !tabulated) {
    ap_datapath_read_planes(r, ou);
    return;
  }
  if (varied) {
    r->levels = r->cells->levels + r->cells->first[ou->index];
  } else if (!tabulated) {
    ap_device_levels(r->mapping, r->device, ou, r->written);
    r->levels = r->written;
  }
  if (tabulated) {
    ap_datapath_read_table(r, ou);
  } else {
    ap_datapath_read_cells(r, ou);
  }
}

static void run_batch(ap_datapath_run_state *r) {
  size_t n_ous = ap_mapping_ou_count(r->mapping);
  const uint32_t *driven_inputs = NULL; /* OUs of one OU row follow each other */
  memset(r->y, 0, r->count * r->n * sizeof *r->y);
  for (size_t o = 0; o < n_ous; o++) {
    ap_ou ou;
    ap_mapping_ou(r->mapping, o, &ou);
    if (ou.inputs != driven_inputs) drive(r, &ou);
    driven_inputs = ou.inputs;
    read_ou(r, &ou);
  }
}

static ap_status allocate(ap_datapath_run_state *r, size_t count, ap_error *err) {
  const ap_array_spec *a = r->spec;
  size_t batch = count < BATCH ? count : BATCH, reads = batch * a->activation_bits;
  size_t rows = a->ou_rows < AP_TABLE_MAX_ROWS ? a->ou_rows : AP_TABLE_MAX_ROWS;
  size_t entries = (size_t)1 << rows;
  r->masks = ap_calloc(reads * r->words, sizeof *r->masks);
  r->driven = ap_calloc(reads, sizeof *r->driven);
  r->planes = ap_calloc(a->ou_cols * a->cell_bits * r->words, sizeof *r->planes);
  r->written = ap_calloc(a->ou_cols * a->ou_rows, sizeof *r->written);
  r->sums = ap_calloc(entries, sizeof *r->sums);
  r->table = ap_calloc(entries * a->ou_cols, sizeof *r->table);
  r->saturated = ap_calloc(entries, sizeof *r->saturated);
  r->codes = ap_calloc(entries, sizeof *r->codes);
  r->bits_set = ap_calloc(entries, sizeof *r->bits_set);
  r->columns = ap_calloc(a->ou_cols, sizeof *r->columns);
  if (!r->masks || !r->driven || !r->planes || !r->written || !r->sums || !r->table ||
      !r->saturated || !r->codes || !r->bits_set || !r->columns) {
    return ap_fail(err, AP_ERR_MEMORY, "data path of a mapping");
  }
  for (size_t mask = 1; mask < entries; mask++) {
    r->bits_set[mask] = r->bits_set[mask / 2] + (int32_t)(mask % 2);
  }
  return AP_OK;
}

static void release(ap_datapath_run_state *r) {
  ap_free(r->masks);
  ap_free(r->driven);
  ap_free(r->planes);
  ap_free(r->written);
  ap_free(r->sums);
  ap_free(r->table);
  ap_free(r->saturated);
  ap_free(r->codes);
  ap_free(r->bits_set);
  ap_free(r->columns);
}

ap_status ap_datapath_run_cells(const ap_device_cells *cells, uint64_t first_input,
                                const int32_t *x, size_t count, int64_t *y,
                                ap_datapath_stats *stats, ap_error *err) {
  const ap_mapping *mapping = cells->mapping;
  ap_status st = AP_OK;
  ap_datapath_run_state r = {.mapping = mapping,
                             .spec = ap_mapping_spec(mapping),
                             .device = &cells->device,
                             .cells = cells};
  r.k = ap_mapping_k(mapping);
  r.n = ap_mapping_n(mapping);
  r.slices = ap_array_slices(r.spec);
  r.words = (r.spec->ou_rows + 63) / 64;
  r.adc_max = ((uint64_t)1 << ap_array_adc_bits(r.spec)) - 1;
  if (stats) memset(stats, 0, sizeof *stats);
  if ((st = check_inputs(&r, x, count, err))) return st;
  if ((st = allocate(&r, count, err))) goto done;
  for (size_t first = 0; first < count; first += BATCH) {
    r.count = count - first < BATCH ? count - first : BATCH;
    r.first_input = first_input + first;
    r.x = x + first * r.k;
    r.y = y + first * r.n;
    run_batch(&r);
  }
  if (stats) *stats = r.stats;
done:
  release(&r);
  return st;
}

ap_status ap_datapath_run_device(const ap_mapping *mapping, const ap_device *device,
                                 const int32_t *x, size_t count, int64_t *y,
                                 ap_datapath_stats *stats, ap_error *err) {
  ap_device_cells *cells = NULL;
  ap_status st = ap_device_cells_create(mapping, device, &cells, err);
  if (!st) st = ap_datapath_run_cells(cells, device->first_input, x, count, y, stats, err);
  ap_device_cells_destroy(cells);
  return st;
}

ap_status ap_datapath_run(const ap_mapping *mapping, const int32_t *x, size_t count, int64_t *y,
                          ap_datapath_stats *stats, ap_error *err) {
  const ap_device ideal = {0};
  return ap_datapath_run_device(mapping, &ideal, x, count, y, stats, err);
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
