/* kernels/packed.h - sparse network layers on host memory, many images at a time.
 *
 * Activations of 16 images stand side by side in one block, the image innermost:
 *   float data[block][channel][row][column][16]
 * so that one vector instruction does the same weight for 8 or 16 images and a zero weight costs
 * nothing whatever the pattern of zeros. Every channel carries a border of zeros as wide as its
 * consumers' padding: inner loops have no edge cases. The border is zero when the memory is
 * allocated (ap_calloc) and no function here ever writes it, so memory may be used again for any
 * tensor of an equal ap_packed_shape, and for no other. Channels start an odd number of cache
 * lines apart (powers of two would share a few cache sets).
 *
 * Weights are turned once into compressed lists (ap_packed_weights) and used many times. All
 * functions that take no error work synchronously, allocate nothing and may be called from any
 * thread on disjoint outputs. An output may be written over a tensor of its shape that is read pixel
 * by pixel where it stands (strides 1, from channel 0 on, no picks): a residual; what maps, gates and
 * curves read. Sums of one output run in a fixed order (input channel, kernel row, kernel column; in
 * lists with padding above or below kernel row before input channel) that depends neither on the
 * tiling nor on the other images. */
#ifndef AP_KERNELS_PACKED_H
#define AP_KERNELS_PACKED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "kernels/curve.h"
AP_EXTERN_C_BEGIN

#define AP_PACKED_LANES 16 /* images in a block */

/* ---- instruction sets ------------------------------------------------------------------------ */
typedef struct ap_packed_isa ap_packed_isa; /* a constant table; never freed */
/* name NULL: the best of "avx512", "avx2", "plain" that was built and that this processor has.
 * Errors: ARG for an unknown name (the text lists the known ones), UNSUPPORTED for one that this
 * machine lacks. */
AP_NODISCARD ap_status ap_packed_isa_find(const char *name, const ap_packed_isa **out,
                                          ap_error *err);
const char *ap_packed_isa_name(const ap_packed_isa *isa);

/* ---- shapes ---------------------------------------------------------------------------------- */
typedef struct {
  size_t c, h, w;                  /* of one image, without border */
  size_t top, left, bottom, right; /* border of zeros, pixels */
  size_t row, channel, block;      /* strides in floats: next row, channel, block of 16 images */
  size_t origin;                   /* floats from the block's start to channel 0, pixel (0, 0) */
} ap_packed_shape;
/* Errors: ARG when a block would hold more than INT32_MAX floats or a size is 0. */
AP_NODISCARD ap_status ap_packed_shape_init(size_t c, size_t h, size_t w, size_t top, size_t left,
                                            size_t bottom, size_t right, ap_packed_shape *out,
                                            ap_error *err);
bool ap_packed_shape_equal(const ap_packed_shape *a, const ap_packed_shape *b);

/* n images, NCHW float, to ceil(n / 16) blocks and back; lanes past n become 0. */
void ap_packed_from_nchw(const ap_packed_shape *shape, size_t n, const float *nchw, float *packed);
void ap_packed_to_nchw(const ap_packed_shape *shape, size_t n, const float *packed, float *nchw);

/* ---- convolution and fully connected layers -------------------------------------------------- */
/* A fully connected layer on [c, h, w] (flattened in that order) is the convolution with kh = h,
 * kw = w and no padding. The border of `in` must be at least the padding; `out` may have any. */
typedef struct {
  ap_packed_shape in, out;
  size_t kh, kw, stride_h, stride_w, pad_top, pad_left, groups;
  size_t dilation_h, dilation_w; /* rows (columns) of a kernel stand so far apart; 0 counts as 1 */
} ap_packed_conv;
/* Rows and columns that a kernel covers. */
static inline size_t ap_packed_reach_h(const ap_packed_conv *g) {
  return (g->kh - 1) * (g->dilation_h ? g->dilation_h : 1) + 1;
}
static inline size_t ap_packed_reach_w(const ap_packed_conv *g) {
  return (g->kw - 1) * (g->dilation_w ? g->dilation_w : 1) + 1;
}

/* How a layer's kept weights are listed. LISTn: per n output channels, the input rows that any of
 * them uses, with n weights each (n = 1: any pattern at its own cost; 2, 4, 8: row-vectors, dense
 * layers). KERNEL3: per output channel, whole 3x3 kernels (column-vectors of height 9). WINOGRAD: the
 * same with half the products, for stride 1 (kernels/cpu/packed_winograd.c; its rounding errors are
 * about twice those of the other forms). STRIP1, STRIP4: lists like LIST1 and LIST4 over copies of their inputs (1x1
 * convolutions: kernels/cpu/packed_strip.c). PLANE: lists like LIST1, one output channel after the other (depthwise convolutions).
 * AUTO: the form with the least work, by counting. */
typedef enum {
  AP_PACKED_AUTO,
  AP_PACKED_LIST1,
  AP_PACKED_LIST2,
  AP_PACKED_LIST4,
  AP_PACKED_LIST8,
  AP_PACKED_KERNEL3,
  AP_PACKED_WINOGRAD, /* this and the following: floats only */
  AP_PACKED_STRIP1,
  AP_PACKED_STRIP4,
  AP_PACKED_PLANE,
  AP_PACKED_FORMS
} ap_packed_form;
const char *ap_packed_form_name(ap_packed_form form); /* "list1", ..., "plane" */

typedef struct ap_packed_weights ap_packed_weights;
/* matrix: K x N row-major, K = c_in / groups * kh * kw in the order c, kh, kw; N = c_out; zeros are
 * left out. bias: N floats or NULL. Nothing is kept of the arguments but `isa`.
 * Errors: ARG for a geometry that does not fit, a weight or bias that is not finite, or a form
 * that this geometry cannot have (KERNEL3: 3x3 kernels without dilation, equal strides of 1 or 2; WINOGRAD:
 * strides of 1; LISTn > 1 and STRIP4: n divides c_out / groups where groups > 1; STRIPn: at most 8192 weights a column in
 * all groups); MEMORY. */
AP_NODISCARD ap_status ap_packed_weights_create(const ap_packed_isa *isa,
                                                const ap_packed_conv *geometry, const float *matrix,
                                                const float *bias, ap_packed_form form,
                                                ap_packed_weights **out, ap_error *err);
/* The same, its lists in `room`: as long as that lives the weights may be used, and they do not give it back. NULL: memory
 * of their own. */
AP_NODISCARD ap_status ap_packed_weights_create_in(ap_arena *room, const ap_packed_isa *isa,
                                                   const ap_packed_conv *geometry,
                                                   const float *matrix, const float *bias,
                                                   ap_packed_form form, ap_packed_weights **out,
                                                   ap_error *err);
void ap_packed_weights_destroy(ap_packed_weights *weights); /* NULL is allowed */
ap_packed_form ap_packed_weights_form(const ap_packed_weights *weights);
size_t ap_packed_weights_bytes(const ap_packed_weights *weights);
/* Multiply-adds per image, zeros inside a unit included. Of lists: without kernel rows that lie in the padding, and
 * without taps that do for every output; of whole kernels all taps, wherever they lie. */
size_t ap_packed_weights_macs(const ap_packed_weights *weights);

/* A tensor to be read as [channels, h, w] of another shape: y[c][i][j] is data[c - first][i *
 * stride_h][j * stride_w], and 0 for channels outside first .. first + channels - 1 (the option-A
 * shortcut of residual networks reads its input so). With picks it is data[picks[c]][...] (slices and
 * shuffles of channels). Strides of 0: one value a channel. */
typedef struct {
  const float *data; /* NULL: nothing is added */
  const ap_packed_shape *shape;
  size_t stride_h, stride_w, first;
  const uint32_t *picks; /* NULL: c - first */
} ap_packed_source;

/* What happens to a sum before it is stored: + residual, then clipped to [low, high]. */
typedef struct {
  ap_packed_source residual;
  float low, high; /* -INFINITY, INFINITY: no clipping; 0, INFINITY: ReLU */
} ap_packed_epilogue;
ap_packed_epilogue ap_packed_epilogue_default(void); /* no residual, no clipping */

/* Memory that one running call needs, in bytes; the largest of all geometries suits all. Begins on
 * a multiple of 64 bytes (as ap_calloc's does). */
size_t ap_packed_scratch_bytes(const ap_packed_isa *isa, const ap_packed_conv *geometry);

/* out = epilogue(in * weights + bias) for n_blocks blocks. `out` does not overlap `in`. scratch:
 * ap_packed_scratch_bytes of this call's own; may be NULL where that is 0. */
void ap_packed_conv_run(const ap_packed_weights *weights, size_t n_blocks, const float *in,
                        float *out, const ap_packed_epilogue *epilogue, void *scratch);

/* ---- the other operations -------------------------------------------------------------------- */
typedef struct {
  ap_packed_shape in, out;
  size_t kh, kw, stride_h, stride_w, pad_top, pad_left;
  bool maximum;       /* else the mean */
  bool count_padding; /* mean over kh * kw always, else over the pixels inside the image */
} ap_packed_pool;
void ap_packed_pool_run(const ap_packed_isa *isa, const ap_packed_pool *pool, size_t n_blocks,
                        const float *in, float *out, float low, float high);

/* out[first_out + c] = clip(in[c] * scale[c] + shift[c] + residual[c]) for the source's channels as
 * seen through its stride and offset (channels: how many; scale and shift NULL: 1 and 0). Covers
 * batch normalisation, ReLU, addition, concatenation and the option-A shortcut. The residual is
 * indexed by c, too. */
void ap_packed_map_run(const ap_packed_isa *isa, const ap_packed_source *in, size_t channels,
                       const float *scale, const float *shift, const ap_packed_shape *out_shape,
                       size_t first_out, size_t n_blocks, float *out,
                       const ap_packed_epilogue *epilogue);

/* An image normalised by itself: over each of `groups` equal runs of channels (> 0; divides them), or over the channels of each
 * pixel. */
typedef struct {
  size_t groups;
  bool each_pixel; /* groups is 1 */
  float epsilon;   /* > 0 */
} ap_packed_norm;
/* out[c] = clip((in[c] - mean) / sqrt(variance + epsilon) * scale[c] + shift[c] + residual[c]), in and out of one size; scale and
 * shift NULL: 1 and 0. */
void ap_packed_norm_run(const ap_packed_isa *isa, const ap_packed_norm *norm,
                        const ap_packed_shape *in_shape, const float *in, const float *scale,
                        const float *shift, const ap_packed_shape *out_shape, size_t n_blocks,
                        float *out, const ap_packed_epilogue *epilogue);

/* out[c] = clip(in[c] * gate[c] + residual[c]) for out's channels. curve: the gate's values go through
 * it (kernels/curve.h) first, unless it is NONE; its stride_w is 1 then. */
void ap_packed_gate_run(const ap_packed_isa *isa, const ap_packed_source *in,
                        const ap_packed_source *gate, ap_curve curve,
                        const ap_packed_shape *out_shape, size_t n_blocks, float *out,
                        const ap_packed_epilogue *epilogue);
/* out = curve(in), of one size. The logistic and the normal function are the instruction set's own here, within
 * 2e-7 of 1 of kernels/curve.h. */
void ap_packed_curve_run(const ap_packed_isa *isa, ap_curve curve, const ap_packed_shape *in_shape,
                         const ap_packed_shape *out_shape, size_t n_blocks, const float *in,
                         float *out);

/* [c, h, w] to [c * h * w, 1, 1]. */
void ap_packed_flatten_run(const ap_packed_shape *in_shape, const ap_packed_shape *out_shape,
                           size_t n_blocks, const float *in, float *out);

/* 8-bit images [block][channel][row][column][16] (no border) to floats pixel * scale[c] + shift[c].
 */
void ap_packed_pixels_run(const ap_packed_isa *isa, const ap_packed_shape *shape, size_t n_blocks,
                          const uint8_t *pixels, const float *scale, const float *shift,
                          float *out);

AP_EXTERN_C_END
#endif
