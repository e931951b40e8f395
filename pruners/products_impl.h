/* pruners/products_impl.h - sums of outer products of samples, on all threads. */
#ifndef AP_PRUNERS_PRODUCTS_IMPL_H
#define AP_PRUNERS_PRODUCTS_IMPL_H
#include <stddef.h>

#include "base/status.h"
#include "base/threads.h"
AP_EXTERN_C_BEGIN

/* Writes sample s as a row of floats. */
typedef void ap_sample_row(const void *context, size_t s, float *row);

/* One side of the products: rows of `width` floats. */
typedef struct {
  size_t width;
  ap_sample_row *row;
  const void *context;
} ap_sample_source;

/* sum[i * b->width + j] = mean over `samples` samples of a_i * b_j; b NULL: of a_i * a_j (both triangles).
 * Products of 1,024 samples are summed in float32, those sums in double precision, in an order that does
 * not depend on the threads. Errors: MEMORY. */
AP_NODISCARD ap_status ap_mean_products(ap_pool *pool, size_t samples, const ap_sample_source *a,
                                        const ap_sample_source *b, double *sum, ap_error *err);

AP_EXTERN_C_END
#endif
