/* mapper/datapath.h - what the hardware computes, bit by bit: one OU a step, one input bit at a
 * time, a converter of given width on every bitline, shift-and-add, index tables on both sides. */
#ifndef AP_MAPPER_DATAPATH_H
#define AP_MAPPER_DATAPATH_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "mapper/mapping.h"
AP_EXTERN_C_BEGIN

typedef struct {
  uint64_t conversions; /* done */
  uint64_t saturated;   /* of these, sums above the converter's range: read as its largest code */
} ap_datapath_stats;

/* y[i][n] = sum over k of x[i][k]*w[k][n], as the mapped hardware gives it.
 *   x  count x K. Without a negative value: unsigned, 0..2^b-1 with b = activation_bits. With one
 *      anywhere: all are two's complement, -2^(b-1)..2^(b-1)-1, and the last bit is subtracted.
 *   y  count x N
 * The converter reads min(sum, 2^adc_bits - 1). With the exact width (spec.adc_bits 0) y equals the
 * integer product for every encoding, granularity and shape.
 * stats may be NULL. Errors: ARG for an input out of range, with its place; MEMORY. */
AP_NODISCARD ap_status ap_datapath_run(const ap_mapping *mapping, const int32_t *x, size_t count,
                                       int64_t *y, ap_datapath_stats *stats, ap_error *err);

/* One sample of imperfect cells. All of it belongs to the device, not to the inputs: equal seeds give
 * equal cells in any batch, order or thread. */
typedef struct {
  double sigma;      /* a cell's level is multiplied by exp(theta), theta normal(0, sigma); 0..2 */
  double stuck_low;  /* share of cells that read as 0, whatever was written */
  double stuck_high; /* share of cells that read as the largest level; the two sum to at most 1 */
  double read_noise; /* standard deviation of each bitline's sum, in cell levels, at each read */
  uint64_t seed;     /* the device sample (a layer's number should be part of it) */
  uint64_t first_input; /* number of x[0] in the whole run: names its read noise */
} ap_device;

/* As ap_datapath_run with such cells: the converter reads the nearest code to the analog sum, cut to
 * 0..2^adc_bits-1. A device of zeros gives ap_datapath_run's result. stats->saturated counts sums
 * that round to more than the largest code. Errors: also ARG for a device out of range. */
AP_NODISCARD ap_status ap_datapath_run_device(const ap_mapping *mapping, const ap_device *device,
                                              const int32_t *x, size_t count, int64_t *y,
                                              ap_datapath_stats *stats, ap_error *err);

/* The cells of one device sample on one mapping, drawn once and read by many runs. */
typedef struct ap_device_cells ap_device_cells; /* opaque, immutable: safe from any thread */

/* mapping: kept until destroy. device: copied; first_input is not read. Takes 4 bytes a cell that holds a
 * weight; a device with ideal cells takes none. Errors: ARG for a device out of range, MEMORY. */
AP_NODISCARD ap_status ap_device_cells_create(const ap_mapping *mapping, const ap_device *device,
                                              ap_device_cells **out, ap_error *err);
void ap_device_cells_destroy(ap_device_cells *cells); /* NULL is allowed */

/* ap_datapath_run_device's result without drawing the cells anew. first_input: number of x[0] in the
 * whole run. */
AP_NODISCARD ap_status ap_datapath_run_cells(const ap_device_cells *cells, uint64_t first_input,
                                             const int32_t *x, size_t count, int64_t *y,
                                             ap_datapath_stats *stats, ap_error *err);

/* The oracle: the direct integer product of x (count x K) and w (K x N). */
void ap_integer_product(const int32_t *x, const int32_t *w, size_t count, size_t k, size_t n,
                        int64_t *y);

AP_EXTERN_C_END
#endif
