/* kernels/grouped/pack_impl.h - how a layer's work is cut, and how a level is written for it. Host
 * code without a device. */
#ifndef AP_KERNELS_GROUPED_PACK_IMPL_H
#define AP_KERNELS_GROUPED_PACK_IMPL_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "kernels/grouped/grouped_impl.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t c_in, h, w, c_out, out_h, out_w;
  size_t kh, kw, stride_h, stride_w, pad_top, pad_left, groups;
  size_t dilation_h, dilation_w; /* > 0 */
  size_t n_blocks;               /* of images, usually, in a launch */
  size_t block_bytes; /* of the output or the shortcut, the larger one, for one block of images */
  bool wide;          /* float32 */
  bool shortcut;      /* something is added to the sums */
  bool pooled; /* the largest of every 2 x 2 outputs is written; out_h and out_w are before that */
  bool joins;  /* another layer is joined: grouped_tile_join */
} grouped_geometry;

/* The cut with the least estimated time of which the planes of four channels fit in a slot of shared memory:
 * four slots, or two or one where those are too small. Errors: UNSUPPORTED when they do not fit. */
AP_NODISCARD ap_status grouped_tile_choose(const grouped_geometry *g, size_t shared_bytes,
                                           grouped_tile *out, ap_error *err);
/* Can a layer of one tap be joined to this one? Outputs of both have one size; that of this layer's input, which it
 * reads pixel after pixel, no window beside the image. */
bool grouped_can_join(const grouped_geometry *g, const grouped_geometry *joined);
/* How it is cut then: the same parts and slots; planes of a pixel a position, or, where one tile is the map, the layer's
 * planes, of which those lines under a window's middle are filled. */
void grouped_tile_join(const grouped_geometry *g, const grouped_tile *tile,
                       const grouped_geometry *joined, grouped_tile *out);
/* Shared memory of a block: the slots, and what stands beside them. */
size_t grouped_shared_bytes(const grouped_tile *tile);

enum { GROUPED_BANKS = 8 }; /* of 16 bytes, in shared memory */

/* Lines from a position's window, as the layer that cuts the tile has it, to a tap's. */
static inline size_t grouped_tap_line(const grouped_geometry *g, const grouped_tile *tile,
                                      size_t tap) {
  return (size_t)tile->first_tap + tap / g->kw * g->dilation_h * (size_t)tile->plane_w +
         tap % g->kw * g->dilation_w;
}
/* Does a list of this form use the input row? used: see grouped_order_choose. */
static inline bool grouped_list_uses(const uint8_t *used, size_t n_narrow, size_t row, size_t form,
                                     size_t list) {
  bool any = false;
  for (size_t i = list << form; i < (list + 1) << form && i < n_narrow; i++)
    any = any || used[row * n_narrow + i];
  return any;
}

/* An entry of an order: which place each of a plane's channels has; each has a pair 2 q and 2 q + 1 to itself. */
static inline uint32_t grouped_order_entry(const uint8_t *place) {
  uint32_t entry = 0;
  for (unsigned i = 0; i < GROUPED_BESIDE; i++) entry |= (uint32_t)place[i] << 3 * i;
  return entry;
}
static inline size_t grouped_order_place(uint32_t entry, size_t i) { return entry >> 3 * i & 7; }

/* order.c. The order for output channels block * tile.columns ..: order[grouped_order_length], entries by
 * plane, chunk by chunk (tile.order_pitch from one to the next; behind the last ones of a chunk any entry). used: [c_in * kh * kw][n_narrow],
 * which input rows lists of 8 output channels use. In float32 channels lie as they come. Errors: MEMORY. */
size_t grouped_order_length(const grouped_tile *tile);
AP_NODISCARD ap_status grouped_order_choose(const grouped_geometry *g, const grouped_tile *tile,
                                            const uint8_t *used, size_t n_narrow, size_t form,
                                            size_t block, uint32_t *order, ap_error *err);

/* Are there lists of this form for the tile? */
bool grouped_form_fits(const grouped_tile *tile, size_t form);

/* A level as it lies in device memory: *out from ap_calloc, *bytes long. The matrix is that of
 * ap_engine_add_level. form GROUPED_FORMS: the one with the least estimated time. Errors: ARG for a
 * value that is not finite, or for a form wider than the tile; MEMORY. */
AP_NODISCARD ap_status grouped_level_pack(const grouped_geometry *g, const grouped_tile *tile,
                                          const float *matrix, const float *bias, size_t form,
                                          void **out, size_t *bytes, ap_error *err);

AP_EXTERN_C_END
#endif
