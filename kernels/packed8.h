/* kernels/packed8.h - the layers of kernels/packed.h in integers: 8-bit weights and activations.
 *
 * A pixel of one channel is 64 bytes here, too: either the codes of 64 images,
 *   uint8_t data[block of 64][channel][row][column][64],
 * or their float32 values as four blocks of packed.h one after the other, in the order in which sums
 * leave the dot products (ap_packed8_part, ap_packed8_lane). Both use the strides of one
 * ap_packed_shape: a code's are 4 times those in floats. A code q stands for the value q - zero; borders hold the code `zero`.
 *
 * Everything is exact in the sense of nn/integer.h: a layer's sum is an integer, then float32 products
 * are fused with the sums behind them, codes are the nearest integers (halves to even). So all
 * instruction sets, forms and tilings give equal bits. Functions that take no error work
 * synchronously, allocate nothing and may be called from any thread on disjoint outputs. An output may be
 * written over what packed.h says, if that has its format, too. */
#ifndef AP_KERNELS_PACKED8_H
#define AP_KERNELS_PACKED8_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/curve.h"
#include "kernels/packed.h"
AP_EXTERN_C_BEGIN

#define AP_PACKED8_LANES 64 /* images in a block */
/* Which of the four float blocks image i of a block is in, and where: bytes are interleaved within
 * lanes of 16. */
static inline size_t ap_packed8_part(size_t i) { return i / 4 % 4; }
static inline size_t ap_packed8_lane(size_t i) { return i / 16 * 4 + i % 4; }

typedef struct ap_packed8_isa ap_packed8_isa; /* a constant table; never freed */
/* As ap_packed_isa_find; "avx512" needs VNNI here. */
AP_NODISCARD ap_status ap_packed8_isa_find(const char *name, const ap_packed8_isa **out,
                                           ap_error *err);
const char *ap_packed8_isa_name(const ap_packed8_isa *isa);

/* ---- tensors ---------------------------------------------------------------------------------- */
typedef struct {
  const ap_packed_shape *shape;
  bool codes;   /* bytes; else floats */
  uint8_t zero; /* codes: what stands for 0 */
} ap_packed8_tensor;
size_t ap_packed8_tensor_bytes(const ap_packed8_tensor *t); /* of one block of 64 images */
/* All of it, borders too, to zero. */
void ap_packed8_clear(const ap_packed8_tensor *t, size_t n_blocks, void *data);

/* A tensor to be read as in ap_packed_source; its values times factor. */
typedef struct {
  const void *data; /* NULL: absent */
  ap_packed8_tensor tensor;
  float factor;
  size_t stride_h, stride_w, first;
  const uint32_t *picks; /* NULL: c - first */
} ap_packed8_source;

/* Where values go: codes are rounded and limited to 0 .. most. */
typedef struct {
  void *data;
  ap_packed8_tensor tensor;
  uint8_t most;
} ap_packed8_target;

/* A layer's value v becomes (v * g) * factor, products rounded one by one, with
 *   g = curve(v * by) * per_unit                     curve: LOGISTIC or NORMAL (kernels/curve.h)
 *   g = v * scale[c] + shift[c], fused, then clipped to [low, high]     curve: NONE
 * as ap_packed8_map_run, ap_packed8_curve_run and ap_packed8_gate_run give it. */
typedef struct {
  ap_curve curve;
  float by, per_unit;
  const float *scale, *shift;
  float low, high;
  float factor;
} ap_packed8_activation;

/* What happens to a value before it is stored: an activation (layers only), + residual, then clipped to [low, high]. */
typedef struct {
  ap_packed8_source residual;
  float low, high;
  const ap_packed8_activation *activation; /* NULL: none */
} ap_packed8_epilogue;

/* ---- convolution and fully connected layers -------------------------------------------------- */
typedef struct ap_packed8_weights ap_packed8_weights;
/* matrix: K x N row-major integers, zeros are left out; zero: the input's code of 0;
 * factor, shift: N; forms as in packed.h. Nothing is kept of the arguments but `isa`.
 * Errors: ARG as ap_packed_weights_create and where a column's sum could exceed 31 bits; MEMORY. */
AP_NODISCARD ap_status ap_packed8_weights_create(const ap_packed8_isa *isa,
                                                 const ap_packed_conv *geometry,
                                                 const int8_t *matrix, uint8_t zero,
                                                 const float *factor, const float *shift,
                                                 ap_packed_form form, ap_packed8_weights **out,
                                                 ap_error *err);
/* As ap_packed_weights_create_in. */
AP_NODISCARD ap_status ap_packed8_weights_create_in(ap_arena *room, const ap_packed8_isa *isa,
                                                    const ap_packed_conv *geometry,
                                                    const int8_t *matrix, uint8_t zero,
                                                    const float *factor, const float *shift,
                                                    ap_packed_form form, ap_packed8_weights **out,
                                                    ap_error *err);
void ap_packed8_weights_destroy(ap_packed8_weights *weights); /* NULL is allowed */
ap_packed_form ap_packed8_weights_form(const ap_packed8_weights *weights);
size_t ap_packed8_weights_bytes(const ap_packed8_weights *weights);

/* Memory that one running call needs, in bytes; the largest of all geometries suits all. Begins on
 * a multiple of 64 bytes (as ap_calloc's does). */
size_t ap_packed8_scratch_bytes(const ap_packed_conv *geometry);

/* out = epilogue((in * weights) * factor + shift), the residual's product fused, too. in: codes. `out`
 * does not overlap `in`. */
void ap_packed8_conv_run(const ap_packed8_weights *weights, size_t n_blocks, const uint8_t *in,
                         const ap_packed8_target *out, const ap_packed8_epilogue *epilogue,
                         void *scratch);

/* ---- the other operations -------------------------------------------------------------------- */
/* Largest value x factor, or sum (float32, in the order of rows and columns) x (float)(ratio /
 * pixels); ratio: the source's factor before its rounding to float32. */
void ap_packed8_pool_run(const ap_packed8_isa *isa, const ap_packed_pool *pool, size_t n_blocks,
                         const ap_packed8_source *in, double ratio, const ap_packed8_target *out,
                         float low, float high);

/* out[first_out + c] = clip(in[c] * factor + residual[c]); scale and shift, where not NULL, replace
 * the factor: in[c] * scale[c] + shift[c], fused. Of in and residual, the product of the residual is
 * fused with the sum where in's factor is 1 (or scale given), else in's. */
void ap_packed8_map_run(const ap_packed8_isa *isa, const ap_packed8_source *in, size_t channels,
                        const float *scale, const float *shift, const ap_packed8_target *out,
                        size_t first_out, size_t n_blocks, const ap_packed8_epilogue *epilogue);

/* An image normalised by itself (ap_packed_norm, whose epsilon is not looked at): with sums in double over channels, rows, columns
 * in that order, mean = (float)(sum of in / count), d = in - mean,
 *   v[c] = d * (float)(per_unit / sqrt(sum of d * d / count + epsilon))
 * rounded once; where scale is not NULL v[c] * scale[c] + shift[c], fused; + residual (its product fused), clipped. epsilon: in
 * squares of the source's steps. The source's factor is not looked at. */
void ap_packed8_norm_run(const ap_packed8_isa *isa, const ap_packed_norm *norm, double epsilon,
                         double per_unit, const ap_packed8_source *in, const float *scale,
                         const float *shift, const ap_packed8_target *out, size_t n_blocks,
                         const ap_packed8_epilogue *epilogue);
/* The factor of d there. */
static inline float ap_packed8_norm_factor(double squares, size_t count, double epsilon,
                                           double per_unit) {
  return (float)(per_unit / sqrt(squares / (double)count + epsilon));
}

/* out[c] = clip((in[c] * gate[c]) * in's factor + residual[c]) for out's channels, products rounded one by
 * one, the residual's fused with the sum. With a curve (kernels/curve.h) the gate's value is curve(gate[c] * gate's
 * factor) * per_unit; with NONE it is gate[c] as it is. */
void ap_packed8_gate_run(const ap_packed8_isa *isa, const ap_packed8_source *in,
                         const ap_packed8_source *gate, ap_curve curve, float per_unit,
                         const ap_packed8_target *out, size_t n_blocks,
                         const ap_packed8_epilogue *epilogue);
/* out = curve(in * its factor) * per_unit, of one size. */
void ap_packed8_curve_run(const ap_packed8_isa *isa, ap_curve curve, const ap_packed8_source *in,
                          float per_unit, const ap_packed8_target *out, size_t n_blocks);

/* [c, h, w] to [c * h * w, 1, 1], both codes or both floats. */
void ap_packed8_flatten_run(const ap_packed8_tensor *in_tensor, const ap_packed8_tensor *out_tensor,
                            size_t n_blocks, const void *in, void *out);

/* 8-bit images [block][channel][row][column][64] (no border) through table[channel][256]. */
void ap_packed8_pixels_run(const ap_packed8_isa *isa, size_t n_blocks, const uint8_t *pixels,
                           const float *table, const ap_packed8_target *out);

AP_EXTERN_C_END
#endif
