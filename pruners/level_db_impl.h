/* pruners/level_db_impl.h - the inside of a level database, and how one layer is built. */
#ifndef AP_PRUNERS_LEVEL_DB_IMPL_H
#define AP_PRUNERS_LEVEL_DB_IMPL_H
#include "base/hash.h"
#include "pruners/level_db.h"

typedef struct {
  ap_layer_info info; /* of the database's own network */
  ap_partition partition;
  float *dense, *bias; /* K x N, N */
  uint32_t *order;     /* vectors, most important first; NULL where there are masks ... */
  uint8_t *masks;      /* ... then of each level but the last, vectors each */
  size_t n_levels;
  ap_keep_level *levels;
  ap_level_seconds spent;
} ap_level_layer;

struct ap_level_db {
  ap_network *net;
  const ap_tech *tech;
  ap_pool *pool;
  const ap_moments *moments;
  ap_level_db_options options;
  size_t n_layers;
  ap_level_layer *layers;
  char hash[AP_SHA256_TEXT];
};

/* Where filters are the vectors, a removed one takes its bias along. kept: k x n bytes. */
void ap_level_db_drop_biases(const ap_level_db *db, size_t k, size_t n, const uint8_t *kept,
                             float *bias);
/* Ranks the vectors of a layer (built-in score, or plug-in) and fills in its levels. */
AP_NODISCARD ap_status ap_level_db_build_layer(ap_level_db *db, size_t index, ap_error *err);
#endif
