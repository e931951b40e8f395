/* tests/kernels/grouped_program.h - small programs for the engine's tests, their levels, and an oracle
 * that runs them in plain double loops. All numbers are small integers, so that sums are exact in
 * every order; with bfloat16 the oracle rounds what is stored, and results are equal again. */
#ifndef AP_TESTS_KERNELS_GROUPED_PROGRAM_H
#define AP_TESTS_KERNELS_GROUPED_PROGRAM_H
#include "base/rng.h"
#include "kernels/engine.h"
#include "tests/kernels/packed_cmocka.h"

enum { MOST_OPS = 16, MOST_LAYERS = 4, MOST_LEVELS = 8, MOST_SCALED = 256 };

typedef enum {
  PATTERN_DENSE,
  PATTERN_SINGLE, /* single weights */
  PATTERN_ROW8,   /* row-vectors of 8, 16 and 32 output channels */
  PATTERN_ROW16,
  PATTERN_ROW32,
  PATTERN_COLUMN, /* whole kernels of one input and one output channel */
  PATTERN_EMPTY,
  PATTERNS
} pattern;

typedef struct {
  ap_engine_op ops[MOST_OPS];
  ap_engine_tensor tensors[MOST_OPS];
  size_t part_start[MOST_LAYERS + 2];
  ap_engine_program program;
  size_t k[MOST_LAYERS], n[MOST_LAYERS]; /* sizes of the layers' matrices */
  size_t n_levels[MOST_LAYERS];
  float *matrix[MOST_LAYERS][MOST_LEVELS], *bias[MOST_LAYERS][MOST_LEVELS];
  float scale[MOST_SCALED], shift[MOST_SCALED]; /* of INPUT and MAP */
  uint32_t picks[MOST_OPS][MOST_SCALED];
  bool unstored[MOST_OPS]; /* tensors that are no one's memory: not rounded */
  size_t n_images, image;  /* image: values of one */
  uint8_t *pixels;
  int32_t *labels;
} subject;

/* Adds an operation with its output tensor; returns the tensor. */
size_t subject_input(subject *s, size_t c, size_t h, size_t w);
size_t subject_dilated(subject *s, size_t in, size_t c_out, size_t kh, size_t kw, size_t stride,
                       size_t pad, size_t groups, size_t dilation);
size_t subject_layer(subject *s, size_t in, size_t c_out, size_t kh, size_t kw, size_t stride,
                     size_t pad, size_t groups);
size_t subject_pool(subject *s, size_t in, size_t size, size_t stride, size_t pad, bool maximum,
                    bool count_padding);
/* in[c - first] at every stride-th place, c < channels. */
size_t subject_map(subject *s, size_t in, size_t channels, size_t stride, size_t first,
                   bool scaled);
/* Scale and shift as a map has them. */
size_t subject_norm(subject *s, size_t in, size_t groups, bool each_pixel, bool scaled);
size_t subject_concat(subject *s, size_t a, size_t b); /* equal heights and widths */
ap_engine_op *subject_last(subject *s);                /* the last operation, to be changed */
/* Gives the last operation, a map, picks: all 0, to be filled. */
uint32_t *subject_picks(subject *s);
/* Flattens the last tensor into the outputs, draws images and labels, sets parts and lifetimes. */
void subject_finish(subject *s, size_t n_images, ap_rng *rng);
/* One more level of every layer: the share `keep` of units of a pattern. */
void subject_level(subject *s, pattern p, double keep, ap_rng *rng);
void subject_release(subject *s);

/* Outputs n_images x classes of one candidate (a level per layer). */
void subject_oracle(const subject *s, const uint32_t *levels, bool bf16, float *outputs);

ap_engine *subject_engine(const subject *s, const char *name, const ap_engine_options *options);

#endif
