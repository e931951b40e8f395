/* pruners/plugin.h - the interface of a plug-in pruner, a shared library that says which vectors of
 * a layer matter: `autoprune compare --pruner ./mine.so`. docs/PLUGINS.md has examples.
 *
 * Needs nothing else of this project; C17 and C++17. Installed as
 * PREFIX/include/autoprune/pruners/plugin.h. The library is loaded and called in a process of its
 * own, once a layer, so that it may crash or hang without harm; what it keeps in variables is gone
 * at the next layer. */
#ifndef AP_PRUNERS_PLUGIN_H
#define AP_PRUNERS_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Rises when an older plug-in cannot be served any more. Members are only ever added at the end of a
 * struct: each struct tells its size, and what lies beyond the smaller of both sizes is not used. */
#define AP_PLUGIN_ABI 1u

/* What is pruned or kept as a whole: rows k0..k1-1, columns n0..n1-1 of the weight matrix. */
typedef struct {
  size_t k0, k1, n0, n1;
} ap_plugin_vector;

/* One layer. All of it is read only and valid during the call. */
typedef struct {
  size_t struct_size;   /* bytes of this struct as the program knows it */
  const char *name;     /* of the layer, "conv1" */
  size_t index, layers; /* its number 0.., of how many layers with weights */
  size_t k, n;          /* weights: K x N, row-major; row (c, ky, kx), column = output channel */
  const float *weights; /* BatchNorm folded in; weights[row * n + column] */
  int is_conv;          /* 1 convolution, 0 fully connected */
  size_t c_in, kernel_h, kernel_w, stride, positions; /* positions: output height * width */
  const char *granularity;                            /* "column-vector:9" */
  size_t vector_h, vector_w;                          /* of a whole vector; at edges shorter */
  size_t n_vectors;
  const ap_plugin_vector *vectors; /* n_vectors of them, in the order of scores and kept */
  const double *input_mean_square; /* K values: mean square of the inputs that meet each row on the
                                      calibration images; NULL where no images were read */
  uint64_t seed;                   /* --seed: the only source of random numbers */
  const char *arguments;           /* what stands behind the file's name in --pruner; "" for none */
  char *message;                   /* a plug-in that gives up may write here why */
  size_t message_size;             /* bytes of it, the final 0 included */
} ap_plugin_layer;

/* Functions return 0, or anything else to give up. Either score or keep is needed. */
typedef struct {
  uint32_t abi;            /* AP_PLUGIN_ABI */
  uint32_t struct_size;    /* sizeof(ap_plugin_pruner) */
  const char *granularity; /* "column-vector", "row-vector:8", "filter", "block:32x16", ...; NULL:
                              column-vector. GRANULARITY@FILE on the command line goes first */

  /* scores[i]: importance of vectors[i]; finite. At every level those with the highest scores stay
   * (ties: the lower number), so that levels are nested. */
  int (*score)(const ap_plugin_layer *layer, double *scores);

  /* Instead of score: kept[i] = 1 for exactly n_keep vectors (1 <= n_keep < n_vectors), 0 for the
   * others. Called once a level, by rising n_keep; levels need not be nested. */
  int (*keep)(const ap_plugin_layer *layer, size_t n_keep, uint8_t *kept);

  /* May be NULL. Numbers of kept vectors that are to be levels, rising, each in 1..n_vectors; at
   * most `room`. *n: how many. Without it levels are chosen by what the hardware saves (score), or
   * in equal steps (keep). Keeping everything is a level in any case. */
  int (*levels)(const ap_plugin_layer *layer, size_t room, size_t *n_keep, size_t *n);
} ap_plugin_pruner;

#if defined(__GNUC__)
#define AP_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define AP_PLUGIN_EXPORT
#endif

/* The one symbol that a plug-in exports. host_abi: AP_PLUGIN_ABI of the program. Returns a table
 * that stays valid, or NULL if it cannot serve this program. */
AP_PLUGIN_EXPORT const ap_plugin_pruner *autoprune_pruner(uint32_t host_abi);

#ifdef __cplusplus
}
#endif
#endif
