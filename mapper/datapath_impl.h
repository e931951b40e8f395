/* mapper/datapath_impl.h - inside the room: one run of the data path. For each OU the wordline masks
 * of a batch of inputs are laid out, then one of three readers adds what its bitlines give:
 *   table   few rows and many reads: every possible mask's result, once (no read noise)
 *   planes  ideal cells as bit planes: sums are population counts
 *   cells   cell by cell, with noise at each read where there is some */
#ifndef AP_MAPPER_DATAPATH_IMPL_H
#define AP_MAPPER_DATAPATH_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "mapper/datapath.h"

#define AP_TABLE_MAX_ROWS 10

typedef struct {
  const ap_mapping *mapping;
  const ap_array_spec *spec;
  const ap_device *device;
  const ap_device_cells *cells; /* drawn levels; without varied cells, the written ones are read */
  size_t k, n, slices, words;   /* words: 64-bit words a mask of one OU's wordlines takes */
  bool is_signed;
  uint64_t adc_max;
  const int32_t *x; /* of the batch */
  size_t count;
  uint64_t first_input; /* number of x[0] */
  int64_t *y;
  uint64_t *masks;     /* [input][bit][word]: which wordlines of the OU row are driven */
  uint32_t *driven;    /* [input][bit]: how many */
  uint64_t *planes;    /* [bitline][cell bit][word] of one OU */
  const float *levels; /* [bitline][wordline] of one OU: what the cells are, not what was written */
  float *written;      /* room for one OU's levels where they were not drawn */
  double *sums;        /* [mask] of one bitline: what varied cells add up to */
  int32_t *codes;      /* [mask] of one bitline: what the converter reads */
  int64_t *table;      /* [column of the OU][mask] */
  int32_t *bits_set;   /* [mask]: driven wordlines */
  uint16_t *saturated; /* [mask]: bitlines of the OU that saturate */
  size_t *columns;     /* [column of the OU]: its number n */
  ap_datapath_stats stats;
} ap_datapath_run_state;

struct ap_device_cells {
  const ap_mapping *mapping;
  ap_device device;
  float *levels; /* of all OUs, one after the other; NULL for ideal cells */
  size_t *first; /* OU -> its first level */
};

/* Random numbers of a device: cells of OU `index` (input 0), or the noise of input number i - 1 there. */
void ap_datapath_seed(const ap_device *device, ap_rng *rng, size_t index, uint64_t input);
/* Draws the levels of one OU's cells, with the device's faults. */
void ap_device_levels(const ap_mapping *mapping, const ap_device *device, const ap_ou *ou,
                      float *levels);
void ap_datapath_read_table(ap_datapath_run_state *run, const ap_ou *ou);
void ap_datapath_read_planes(ap_datapath_run_state *run, const ap_ou *ou);
void ap_datapath_read_cells(ap_datapath_run_state *run, const ap_ou *ou);

#endif
