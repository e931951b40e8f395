/* kernels/grouped/tile_index.h - which position of a tile has which number. */
#ifndef AP_KERNELS_GROUPED_TILE_INDEX_H
#define AP_KERNELS_GROUPED_TILE_INDEX_H
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

/* Block of images, row and column in the tile; beyond the tile's positions b goes on counting. */
typedef struct {
  int b, y, x;
} grouped_index;

/* Columns count first, then rows, then blocks; pooled: the four of a 2 x 2 window before all else. Every
 * bit of the index adds its own amount. */
SIMT_FN grouped_index grouped_index_of(const grouped_tile *t, int index) {
  grouped_index at;
  if (t->pooled) {
    const int window = index >> 2, log_w = t->log_w - 1, log_h = t->log_h - 1;
    at.x = (window & ((1 << log_w) - 1)) << 1 | (index & 1);
    at.y = (window >> log_w & ((1 << log_h) - 1)) << 1 | (index >> 1 & 1);
    at.b = window >> log_w >> log_h;
  } else {
    at.x = index & ((1 << t->log_w) - 1);
    at.y = index >> t->log_w & ((1 << t->log_h) - 1);
    at.b = index >> t->log_w >> t->log_h;
  }
  return at;
}

#endif
