/* The three ways to read an OU; each adds to y what the OU's bitlines give, corrections included. */
#include <math.h>
#include <string.h>

#include "mapper/datapath_impl.h"
#include "mapper/encode_impl.h"

/* Factor of input bit t; the last bit of signed inputs counts negative. */
static int64_t bit_weight(const ap_datapath_run_state *r, size_t t) {
  int64_t weight = (int64_t)1 << t;
  return r->is_signed && t + 1 == r->spec->activation_bits ? -weight : weight;
}

/* Analog sum -> code. */
static uint64_t convert(ap_datapath_run_state *r, double sum, bool *saturated) {
  double code = floor(sum + 0.5);
  *saturated = code > (double)r->adc_max;
  if (*saturated) return r->adc_max;
  return code > 0 ? (uint64_t)code : 0;
}

/* Column of each bitline within this OU; *n_columns different ones, listed in r->columns. */
static size_t column_in_ou(ap_datapath_run_state *r, size_t column, size_t *n_columns) {
  for (size_t c = *n_columns; c > 0; c--) { /* neighbours mostly: the last first */
    if (r->columns[c - 1] == column) return c - 1;
  }
  r->columns[*n_columns] = column;
  return (*n_columns)++;
}

/* What the converter reads of one bitline for every mask of driven wordlines, into r->codes; counts the
 * masks that saturate. The sums of all masks follow from those with one wordline less. */
static void convert_written(ap_datapath_run_state *r, const ap_ou *ou, size_t j) {
  size_t entries = (size_t)1 << ou->n_rows;
  int32_t most = r->adc_max < INT32_MAX ? (int32_t)r->adc_max : INT32_MAX;
  r->codes[0] = 0;
  for (size_t i = 0; i < ou->n_rows; i++) {
    size_t half = (size_t)1 << i;
    int32_t cell = (int32_t)ap_mapping_cell(r->mapping, ou, i, j);
    for (size_t mask = 0; mask < half; mask++) r->codes[half + mask] = r->codes[mask] + cell;
  }
  if (r->codes[entries - 1] <= most) return; /* all wordlines driven: the largest sum */
  for (size_t mask = 0; mask < entries; mask++) {
    if (r->codes[mask] <= most) continue;
    r->codes[mask] = most;
    r->saturated[mask]++;
  }
}

static void convert_varied(ap_datapath_run_state *r, const ap_ou *ou, size_t j) {
  size_t entries = (size_t)1 << ou->n_rows;
  const float *levels = r->levels + j * ou->n_rows;
  double most = (double)r->adc_max;
  r->sums[0] = 0;
  for (size_t i = 0; i < ou->n_rows; i++) {
    size_t half = (size_t)1 << i;
    for (size_t mask = 0; mask < half; mask++) {
      r->sums[half + mask] = r->sums[mask] + (double)levels[i];
    }
  }
  for (size_t mask = 0; mask < entries; mask++) { /* sums are not negative: truncation is floor */
    bool saturated = r->sums[mask] >= most + 0.5;
    r->codes[mask] = (int32_t)(saturated ? most : r->sums[mask] + 0.5);
    r->saturated[mask] = (uint16_t)(r->saturated[mask] + saturated);
  }
}

/* Adds one bitline's results for every mask to the table of its column. */
static void tabulate(ap_datapath_run_state *r, const ap_ou *ou, size_t j, size_t *n_columns) {
  size_t column = 0, slice = 0, entries = (size_t)1 << ou->n_rows, known = *n_columns;
  bool flip = ap_mapping_bitline(r->mapping, ou, j, &column, &slice);
  int64_t weight = ap_slice_weight(r->spec, r->slices, slice);
  int64_t offset = slice == ap_offset_slice(r->spec) ? ap_weight_offset(r->spec) : 0;
  int64_t max = (int64_t)ap_cell_max(r->spec), drive = -offset;
  int64_t *table = r->table + column_in_ou(r, column, n_columns) * entries;
  if (*n_columns > known) memset(table, 0, entries * sizeof *table);
  if (r->cells->levels) {
    convert_varied(r, ou, j);
  } else {
    convert_written(r, ou, j);
  }
  if (flip) { /* max for each driven wordline, less the code */
    drive += weight * max;
    weight = -weight;
  }
  for (size_t mask = 0; mask < entries; mask++) table[mask] += weight * r->codes[mask];
  for (size_t mask = 0; drive && mask < entries; mask++) table[mask] += drive * r->bits_set[mask];
}

void ap_datapath_read_table(ap_datapath_run_state *r, const ap_ou *ou) {
  size_t bits = r->spec->activation_bits, n_columns = 0, entries = (size_t)1 << ou->n_rows;
  memset(r->saturated, 0, entries * sizeof *r->saturated);
  for (size_t j = 0; j < ou->n_cols; j++) tabulate(r, ou, j, &n_columns);
  for (size_t v = 0; v < r->count; v++) {
    const uint64_t *masks = r->masks + v * bits * r->words; /* few rows: the first word of each */
    int64_t *y = r->y + v * r->n;
    for (size_t t = 0; t < bits; t++) r->stats.saturated += r->saturated[masks[t * r->words]];
    for (size_t c = 0; c < n_columns; c++) {
      const int64_t *table = r->table + c * entries;
      int64_t total = 0;
      for (size_t t = 0; t < bits; t++) total += bit_weight(r, t) * table[masks[t * r->words]];
      y[r->columns[c]] += total;
    }
  }
  r->stats.conversions += (uint64_t)r->count * bits * ou->n_cols;
}

/* Sum of the inputs that the OU's rows see. */
static int64_t input_sum(const ap_datapath_run_state *r, size_t v) {
  int64_t sum = 0;
  size_t bits = r->spec->activation_bits;
  for (size_t t = 0; t < bits; t++) sum += bit_weight(r, t) * r->driven[v * bits + t];
  return sum;
}

static void lay_planes(ap_datapath_run_state *r, const ap_ou *ou) {
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

/* One read of one bitline: how many driven cells hold each bit. */
static uint64_t count_cells(const ap_datapath_run_state *r, const uint64_t *mask,
                            const uint64_t *planes) {
  uint64_t sum = 0;
  for (size_t b = 0; b < r->spec->cell_bits; b++) {
    uint64_t ones = 0;
    for (size_t word = 0; word < r->words; word++) {
      ones += (uint64_t)__builtin_popcountll(mask[word] & planes[b * r->words + word]);
    }
    sum += ones << b;
  }
  return sum;
}

void ap_datapath_read_planes(ap_datapath_run_state *r, const ap_ou *ou) {
  size_t bits = r->spec->activation_bits;
  lay_planes(r, ou);
  for (size_t j = 0; j < ou->n_cols; j++) {
    size_t column = 0, slice = 0;
    bool flip = ap_mapping_bitline(r->mapping, ou, j, &column, &slice);
    int64_t weight = ap_slice_weight(r->spec, r->slices, slice);
    int64_t offset = slice == ap_offset_slice(r->spec) ? ap_weight_offset(r->spec) : 0;
    const uint64_t *planes = r->planes + j * r->spec->cell_bits * r->words;
    for (size_t v = 0; v < r->count; v++) {
      int64_t total = 0;
      for (size_t t = 0; t < bits; t++) {
        size_t at = v * bits + t;
        uint64_t sum = count_cells(r, r->masks + at * r->words, planes);
        int64_t code = 0;
        r->stats.saturated += sum > r->adc_max;
        code = (int64_t)(sum > r->adc_max ? r->adc_max : sum);
        if (flip) code = (int64_t)ap_cell_max(r->spec) * r->driven[at] - code;
        total += code * bit_weight(r, t);
      }
      r->y[v * r->n + column] += total * weight - (offset ? offset * input_sum(r, v) : 0);
    }
  }
  r->stats.conversions += (uint64_t)r->count * bits * ou->n_cols;
}

static double driven_levels(const ap_datapath_run_state *r, const uint64_t *mask,
                            const float *levels) {
  double sum = 0;
  for (size_t word = 0; word < r->words; word++) {
    for (uint64_t left = mask[word]; left; left &= left - 1) {
      sum += (double)levels[64 * word + (size_t)__builtin_ctzll(left)];
    }
  }
  return sum;
}

void ap_datapath_read_cells(ap_datapath_run_state *r, const ap_ou *ou) {
  size_t bits = r->spec->activation_bits;
  for (size_t v = 0; v < r->count; v++) {
    ap_rng rng;
    ap_datapath_seed(r->device, &rng, ou->index, r->first_input + v + 1);
    for (size_t j = 0; j < ou->n_cols; j++) {
      size_t column = 0, slice = 0;
      bool flip = ap_mapping_bitline(r->mapping, ou, j, &column, &slice);
      int64_t weight = ap_slice_weight(r->spec, r->slices, slice);
      int64_t offset = slice == ap_offset_slice(r->spec) ? ap_weight_offset(r->spec) : 0, total = 0;
      for (size_t t = 0; t < bits; t++) {
        size_t at = v * bits + t;
        double sum = driven_levels(r, r->masks + at * r->words, r->levels + j * ou->n_rows);
        bool saturated = false;
        int64_t code = 0;
        if (r->device->read_noise > 0) sum += r->device->read_noise * ap_rng_normal(&rng);
        code = (int64_t)convert(r, sum, &saturated);
        r->stats.saturated += saturated;
        if (flip) code = (int64_t)ap_cell_max(r->spec) * r->driven[at] - code;
        total += code * bit_weight(r, t);
      }
      r->y[v * r->n + column] += total * weight - (offset ? offset * input_sum(r, v) : 0);
    }
  }
  r->stats.conversions += (uint64_t)r->count * bits * ou->n_cols;
}
