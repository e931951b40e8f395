/* pruners/network_price.h - a whole network on the hardware: every layer's matrix quantised, its
 * non-trivial vectors packed, counted and priced. The last word on a pruned network: it looks at
 * the weights, not at the policy. A layer with weight bits of its own (nn/network.h) takes the bitlines
 * that they need; converters are the array's. Trivial is a vector whose weights are all 0 as given; weights that
 * only round to 0 keep their cells. */
#ifndef AP_PRUNERS_NETWORK_PRICE_H
#define AP_PRUNERS_NETWORK_PRICE_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "mapper/mapping.h"
#include "mapper/vectors.h"
#include "nn/network.h"
#include "reram_model/cost.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

typedef struct {
  ap_layer_info
      info; /* name is owned by the network: valid as long as it is; weight_bits is never 0 */
  ap_map_summary map;
  ap_events events;
  ap_needs needs; /* replication 1, until ap_network_price_replicate */
  ap_cost cost;
} ap_layer_price;

typedef struct {
  size_t n_layers;
  ap_layer_price *layers;
  ap_map_summary map; /* totals; K and N are 0 */
  ap_events events;
  ap_cost cost;
} ap_network_price;

/* net: folded (nn/network.h). A grouped convolution is mapped group by group,
 * on crossbars that its groups share. With check_mapping
 * the full mapping of every layer is built, multiplied out again and compared with the quantised
 * matrix (INTERNAL if they differ), and its counts with the quick ones; otherwise only counts are
 * made. Errors: ARG, FORMAT (NaN weights, naming the layer), MEMORY. */
AP_NODISCARD ap_status ap_network_price_create(const ap_network *net, const ap_tech *tech,
                                               ap_granularity granularity, bool check_mapping,
                                               ap_network_price **out, ap_error *err);
/* Prices every layer again with `copies` >= 1 of itself that share its positions: area grows, latency
 * falls where positions can be shared; counts and events stay those of one copy. ARG for 0. */
AP_NODISCARD ap_status ap_network_price_replicate(ap_network_price *price, const ap_tech *tech,
                                                  uint32_t copies, ap_error *err);
void ap_network_price_destroy(ap_network_price *price);

/* {"layers": [{"name", "K", "N", ..., "groups", "weight_bits"}, ...], "total": {...}}: the members of
 * ap_map_summary_to_json and, with_cost, those of ap_cost_to_json and "events" (of one copy) beside them. NULL
 * out of memory. */
json_t *ap_network_price_to_json(const ap_network_price *price, bool with_cost);

/* The same for one matrix (K x N float32 or quantised integers as floats), P input positions.
 * out->n_layers is 1 and its name is `name`, which must outlive it. */
AP_NODISCARD ap_status ap_matrix_price_create(const char *name, const float *matrix, size_t k,
                                              size_t n, size_t positions, const ap_tech *tech,
                                              ap_granularity granularity, bool check_mapping,
                                              ap_network_price **out, ap_error *err);

AP_EXTERN_C_END
#endif
