/* The cells of one device sample: what was written, moved by variation and faults. */
#include <math.h>

#include "base/alloc.h"
#include "mapper/datapath_impl.h"
#include "mapper/encode_impl.h"

#define MAX_SIGMA 2.0

static ap_status check(const ap_device *d, ap_error *err) {
  if (!(d->sigma >= 0 && d->sigma <= MAX_SIGMA)) {
    return ap_fail(err, AP_ERR_ARG, "sigma is %g, expected 0 to %g", d->sigma, MAX_SIGMA);
  }
  if (!(d->stuck_low >= 0 && d->stuck_high >= 0 && d->stuck_low + d->stuck_high <= 1)) {
    return ap_fail(err, AP_ERR_ARG,
                   "shares of stuck cells are %g and %g, expected 0 or more, together at most 1",
                   d->stuck_low, d->stuck_high);
  }
  if (!(d->read_noise >= 0 && isfinite(d->read_noise))) {
    return ap_fail(err, AP_ERR_ARG, "read noise is %g, expected 0 or more", d->read_noise);
  }
  return AP_OK;
}

void ap_datapath_seed(const ap_device *device, ap_rng *rng, size_t index, uint64_t input) {
  ap_rng_seed(rng, device->seed ^ (input * 0x9e3779b97f4a7c15U), index);
}

static bool ideal_cells(const ap_device *d) {
  return d->sigma == 0 && d->stuck_low == 0 && d->stuck_high == 0;
}

void ap_device_levels(const ap_mapping *mapping, const ap_device *device, const ap_ou *ou,
                      float *levels) {
  bool random = !ideal_cells(device);
  double max = (double)ap_cell_max(ap_mapping_spec(mapping));
  ap_rng rng;
  ap_datapath_seed(device, &rng, ou->index, 0);
  for (size_t j = 0; j < ou->n_cols; j++) {
    for (size_t i = 0; i < ou->n_rows; i++) {
      double level = (double)ap_mapping_cell(mapping, ou, i, j);
      if (random) { /* as many draws for every cell, whatever it holds */
        double fate = ap_rng_uniform(&rng), theta = device->sigma * ap_rng_normal(&rng);
        level *= exp(theta);
        if (fate < device->stuck_low) {
          level = 0;
        } else if (fate < device->stuck_low + device->stuck_high) {
          level = max;
        }
      }
      levels[j * ou->n_rows + i] = (float)level;
    }
  }
}

static ap_status draw(ap_device_cells *cells, ap_error *err) {
  size_t n = ap_mapping_ou_count(cells->mapping), total = 0;
  cells->first = ap_calloc(n, sizeof *cells->first);
  if (!cells->first && n > 0) return ap_fail(err, AP_ERR_MEMORY, "cells of a device");
  for (size_t o = 0; o < n; o++) {
    ap_ou ou;
    ap_mapping_ou(cells->mapping, o, &ou);
    cells->first[o] = total;
    total += ou.n_rows * ou.n_cols;
  }
  cells->levels = ap_calloc(total > 0 ? total : 1, sizeof *cells->levels);
  if (!cells->levels) return ap_fail(err, AP_ERR_MEMORY, "%zu cells of a device", total);
  for (size_t o = 0; o < n; o++) {
    ap_ou ou;
    ap_mapping_ou(cells->mapping, o, &ou);
    ap_device_levels(cells->mapping, &cells->device, &ou, cells->levels + cells->first[o]);
  }
  return AP_OK;
}

ap_status ap_device_cells_create(const ap_mapping *mapping, const ap_device *device,
                                 ap_device_cells **out, ap_error *err) {
  ap_device_cells *cells = NULL;
  ap_status st = check(device, err);
  *out = NULL;
  if (st) return st;
  cells = ap_calloc(1, sizeof *cells);
  if (!cells) return ap_fail(err, AP_ERR_MEMORY, "cells of a device");
  cells->mapping = mapping;
  cells->device = *device;
  if (!ideal_cells(device)) st = draw(cells, err);
  if (st) {
    ap_device_cells_destroy(cells);
    return st;
  }
  *out = cells;
  return AP_OK;
}

void ap_device_cells_destroy(ap_device_cells *cells) {
  if (!cells) return;
  ap_free(cells->levels);
  ap_free(cells->first);
  ap_free(cells);
}
