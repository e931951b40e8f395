/* pruners/integer_impl.h - inside the room: the integer network's members and its forward pass. */
#ifndef AP_PRUNERS_INTEGER_IMPL_H
#define AP_PRUNERS_INTEGER_IMPL_H
#include "pruners/integer_network.h"

#define AP_RANGE_BINS 4096

struct ap_integer_network {
  ap_network *net; /* folded copy */
  unsigned weight_bits, activation_bits;
  size_t n_layers;
  ap_integer_layer *layers;
  double **products;        /* per layer K x N: what the plain product multiplies with */
  float **factor, **shift;  /* per layer N: from sums to values */
  ap_integer_value *values; /* per node; in calibration all floats in steps of 1 */
  size_t *layer_of;         /* node -> layer */
  size_t *offset; /* node -> floats before it in one image's values; a FLATTEN shares memory */
  size_t floats;  /* of one image's values */
};

/* Inputs of one layer that calibration has seen. */
typedef struct {
  float lo, hi;
  uint64_t *bins; /* NULL, or AP_RANGE_BINS counts between `from` and `to` */
  float from, to;
} ap_range_record;

/* Sums of `rows` inputs of one group: y[r][n] = sum over k of x[r][k]*w[k][n], n within the group.
 * first_input: number of x[0] among the layer's inputs of the whole run. Called from many threads,
 * each with its own `worker`. */
typedef ap_status ap_layer_product(void *context, size_t layer, size_t group, const int32_t *x,
                                   uint64_t first_input, size_t rows, size_t worker, int64_t *y,
                                   ap_error *err);

typedef struct {
  ap_layer_product *product; /* NULL: the plain product with in->products */
  void *context;
  ap_range_record *ranges; /* NULL, or [worker][layer]: then layers compute in floats, unquantised,
                              with in->products, and only the inputs' ranges are kept */
} ap_integer_how;

/* Runs the first n_images of a split through `how`; score and logits may be NULL. */
AP_NODISCARD ap_status ap_integer_forward(const ap_integer_network *in, const ap_integer_how *how,
                                          const ap_dataset *data, ap_split split, size_t n_images,
                                          ap_pool *pool, ap_score *score, float *logits,
                                          ap_error *err);

/* A node without crossbars, for n images: data[i] is node i's output, [n, c, h, w]. FLATTEN is
 * its input's memory: nothing to do. */
void ap_integer_node(const ap_integer_network *in, size_t index, size_t n, float *const *data);

#endif
