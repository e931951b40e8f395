/* pruners/integer_network.h - the quantised network: what the hardware computes when nothing is lost.
 *
 * Numbers and rounding are those of nn/integer.h: weights of weight_bits, one scale per output column
 * (pruners/quantised_layer.h), tensors that layers read of activation_bits, unsigned, one range each.
 * The integer sum may come from the plain product or from the data path
 * (pruners/datapath_network.h); all else is the same code, so equal sums give equal logits bit for
 * bit. The fast evaluator (nn/evaluator.h) gives these logits, too, for up to 8 bits. An image's
 * logits depend on that image alone: not on the batch, the order or the number of threads. Details:
 * docs/DATAPATH.md. */
#ifndef AP_PRUNERS_INTEGER_NETWORK_H
#define AP_PRUNERS_INTEGER_NETWORK_H
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
#include "nn/dataset.h"
#include "nn/infer.h"
#include "nn/integer.h"
#include "nn/network.h"
#include "reram_model/array.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t images; /* of the calibration split, at most: the first; 0: all */
  double
      coverage; /* (0.5, 1]: share of a layer's inputs inside its range; 1: all (least, largest) */
} ap_range_options;
ap_range_options ap_range_defaults(void); /* 256 images, coverage 1 */

typedef struct ap_integer_network ap_integer_network; /* opaque, immutable: safe from any thread */

/* net: folded; copied. spec: activation_bits are read, and weight_bits for layers that have none of
 * their own (nn/network.h). pool: during the call only.
 * With coverage below 1 the range ends at bounds of 4096 equal bins between the least and the
 * largest value. Errors: ARG (options, image sizes that do not fit, no calibration images, weights that
 * are not finite), MEMORY. */
AP_NODISCARD ap_status ap_integer_network_create(const ap_network *net, const ap_array_spec *spec,
                                                 const ap_dataset *data,
                                                 const ap_range_options *options, ap_pool *pool,
                                                 ap_integer_network **out, ap_error *err);
void ap_integer_network_destroy(ap_integer_network *in); /* NULL is allowed */

size_t ap_integer_network_layers(const ap_integer_network *in);
const ap_integer_layer *ap_integer_network_layer(const ap_integer_network *in, size_t layer);
const ap_integer_layer *ap_integer_network_all_layers(const ap_integer_network *in); /* in order */
unsigned ap_integer_network_weight_bits(const ap_integer_network *in); /* of the array */
unsigned ap_integer_network_activation_bits(const ap_integer_network *in);
size_t ap_integer_network_classes(const ap_integer_network *in);

/* The quantised network's outputs by the plain integer product (in doubles, whose sums below 2^53
 * are exact). n_images 0: the whole split. logits: NULL, or images x classes. The class is the
 * first of the largest logits. Errors: ARG for more images than there are, or of another shape;
 * MEMORY. */
AP_NODISCARD ap_status ap_integer_network_run(const ap_integer_network *in, const ap_dataset *data,
                                              ap_split split, size_t n_images, ap_pool *pool,
                                              ap_score *score, float *logits, ap_error *err);

AP_EXTERN_C_END
#endif
