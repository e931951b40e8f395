/* Vectors by mean absolute weight. cc -shared -fPIC -I PREFIX/include/autoprune l1.c -o l1.so */
#include <math.h>

#include "pruners/plugin.h"

static int score(const ap_plugin_layer *l, double *scores) {
  for (size_t i = 0; i < l->n_vectors; i++) {
    ap_plugin_vector v = l->vectors[i];
    scores[i] = 0;
    for (size_t k = v.k0; k < v.k1; k++)
      for (size_t n = v.n0; n < v.n1; n++) scores[i] += fabs((double)l->weights[k * l->n + n]);
    scores[i] /= (double)((v.k1 - v.k0) * (v.n1 - v.n0));
  }
  return 0;
}
static const ap_plugin_pruner table = {
    .abi = AP_PLUGIN_ABI, .struct_size = sizeof(ap_plugin_pruner), .score = score};
const ap_plugin_pruner *autoprune_pruner(uint32_t host) { return host == 1 ? &table : NULL; }
