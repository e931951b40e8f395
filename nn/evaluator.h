/* nn/evaluator.h - accuracy of many candidate networks that differ in the weights of some layers.
 *
 * Every layer has levels (one version of its weights and bias each); level 0 is the network as
 * given. A candidate is one level per layer. Candidates share what can be shared: a repeated
 * candidate comes from a cache, common prefixes of layers are computed once (a trie walked depth
 * first, for a few images at a time so that activations stay in the cache), and the work of a layer
 * is in proportion to its non-zero weight vectors. Results do not depend on the thread count, the
 * batch or the order. Confined to one thread; it runs its own workers, or an engine of
 * kernels/engine.h on a GPU (docs/CUDA.md).
 *
 * In floats (float32), or in the integers of nn/integer.h: then outputs are those of the quantised
 * network (pruners/integer_network.h) bit for bit, on every instruction set. */
#ifndef AP_NN_EVALUATOR_H
#define AP_NN_EVALUATOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/dataset.h"
#include "nn/infer.h"
#include "nn/integer.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct ap_evaluator ap_evaluator;

/* The quantised network: layers in order, with weights of level 0 (all in -127..127) and the ranges
 * of their inputs, which hold for all levels; up to 8 bits. */
typedef struct {
  const ap_integer_layer *layers;
  unsigned activation_bits;
} ap_evaluator_integers;

typedef struct {
  size_t n_threads;    /* 0: all processors */
  size_t cache_bytes;  /* results kept for repeated candidates; 0: the default */
  const char *vectors; /* NULL: the best of "avx512", "avx2", "plain" that this machine has */
  /* NULL, "cpu" or "cpu-ref": this processor's vector kernels. Else an engine of kernels/engine.h:
   * "cuda"; "cuda-emulated" (tests). With it n_threads counts for nothing and vectors is refused. */
  const char *backend;
  const char *precision; /* of an engine: NULL or "fp32"; "bf16" (less exact, docs/CUDA.md) */
  const ap_evaluator_integers
      *integer; /* NULL: floats; else read during the call; not with an engine */
} ap_evaluator_options;

/* net: folded (nn/network.h); copied. data: kept until destroy; the first n_images (0: all) of
 * `split` are what candidates are judged on. Errors: ARG for what does not fit together or an unknown
 * name; UNSUPPORTED for a backend or vectors that this build or machine lacks; MEMORY; DEVICE. */
AP_NODISCARD ap_status ap_evaluator_create(const ap_network *net, const ap_dataset *data,
                                           ap_split split, size_t n_images,
                                           const ap_evaluator_options *options, ap_evaluator **out,
                                           ap_error *err);
void ap_evaluator_destroy(ap_evaluator *ev);
size_t ap_evaluator_layers(const ap_evaluator *ev); /* as ap_network_layers counts them */
bool ap_evaluator_is_integer(const ap_evaluator *ev);
bool ap_evaluator_has_engine(const ap_evaluator *ev);     /* not the processor */
const char *ap_evaluator_vectors(const ap_evaluator *ev); /* the instruction set in use */

/* Adds a version of one layer to an evaluator in floats: matrix K x N row-major (float; zeros are skipped, runs of kh*kw rows
 * of one input channel and column are the unit that is tested), bias N floats (NULL: the layer's
 * own). *level: its number, 1, 2, ... */
AP_NODISCARD ap_status ap_evaluator_add_level(ap_evaluator *ev, size_t layer, const float *matrix,
                                              const float *bias, size_t *level, ap_error *err);
/* The same of an integer evaluator: weight K x N in -127..127 with a scale per column. */
AP_NODISCARD ap_status ap_evaluator_add_integer_level(ap_evaluator *ev, size_t layer,
                                                      const int8_t *weight, const float *scale,
                                                      const float *bias, size_t *level,
                                                      ap_error *err);
size_t ap_evaluator_level_bytes(const ap_evaluator *ev); /* memory of all levels */

/* levels: n_candidates x n_layers level numbers; scores: n_candidates records. */
AP_NODISCARD ap_status ap_evaluator_run(ap_evaluator *ev, size_t n_candidates,
                                        const uint32_t *levels, ap_score *scores, ap_error *err);
/* A race: candidates that are surely worse than they may be are stopped after some of the images. */
typedef struct {
  const uint32_t
      *reference; /* n_layers levels: whom candidates are compared with, image by image */
  const double
      *most_loss; /* [n_candidates] accuracy(reference) - accuracy(candidate) on all images that is
                              * still of interest; INFINITY: never stopped, -INFINITY: at the first look */
  double error; /* bound, for each candidate, of the probability that it is stopped although on all
                 * images it is within its limit; in (0, 1) */
} ap_race;
/* As ap_evaluator_run, but a stopped candidate has seen scores[i].images only (scores[i].correct of them right); its accuracy
 * and loss are estimates for all images, the reference's plus the difference on those seen, and beyond its limit.
 * Looks are taken at 256, 512, ... images; each stops a candidate when the exact paired test of nn/paired.h rejects,
 * at error / number of looks, that it is within its limit. The bound supposes that images come in random order, as those
 * of the splits cut from the training images do. Scores of the others equal ap_evaluator_run's bit for bit.
 * Errors: UNSUPPORTED with an engine; ARG. */
AP_NODISCARD ap_status ap_evaluator_race(ap_evaluator *ev, const ap_race *rule, size_t n_candidates,
                                         const uint32_t *levels, ap_score *scores, ap_error *err);
/* One candidate's outputs: images x classes floats. */
AP_NODISCARD ap_status ap_evaluator_logits(ap_evaluator *ev, const uint32_t *levels, float *logits,
                                           ap_error *err);

typedef struct {
  size_t candidates, cache_hits;
  size_t stopped;          /* distinct candidates, by races */
  double stopped_forwards; /* images that these did not see */
  double image_forwards; /* distinct candidates x images each has seen, the search budget's unit */
  double
      shared_forwards; /* of which saved by prefixes, in layers' dense MACs as fractions ("cuda": but for what
                             joined layers repeat, docs/CUDA.md) */
  double seconds;
} ap_evaluator_stats;
ap_evaluator_stats ap_evaluator_statistics(const ap_evaluator *ev);
/* Goes on counting from there: for work that another process has begun. */
void ap_evaluator_set_statistics(ap_evaluator *ev, const ap_evaluator_stats *stats);

/* For benchmarks, with an engine: the device's own time of n distinct candidates (one batch at most;
 * the cache is not asked and nothing kept), and of one candidate's dense products by the maker's
 * library; cold: the device's caches are overwritten before (kernels/engine.h). Errors: UNSUPPORTED on
 * the processor and where the library is missing. */
AP_NODISCARD ap_status ap_evaluator_measure(ap_evaluator *ev, size_t n, const uint32_t *levels,
                                            bool cold, double *seconds, ap_error *err);
AP_NODISCARD ap_status ap_evaluator_measure_products(ap_evaluator *ev, bool cold, double *seconds,
                                                     ap_error *err);

AP_EXTERN_C_END
#endif
