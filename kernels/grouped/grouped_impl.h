/* kernels/grouped/grouped_impl.h - what the engine hands to its kernels: plain records, the same in C
 * and in CUDA. Pointers are addresses of the device.
 *
 * A tensor holds, per slot (a distinct beginning of candidates), blocks of 16 images without a border, four
 * channels of a pixel side by side and the image innermost: [slot][block][c / 4][h][w][c % 4][16], in
 * bfloat16 or float32. What channels lack to a multiple of four is there and means nothing. Four channels
 * of a pixel are a "line" (in bfloat16 the 128 bytes of a line of the caches), 16 images of one channel
 * there a "position". The engine gives the same memory to tensors that do not live together. */
#ifndef AP_KERNELS_GROUPED_GROUPED_IMPL_H
#define AP_KERNELS_GROUPED_GROUPED_IMPL_H
#include <stddef.h>
#include <stdint.h>

enum {
  GROUPED_IMAGES = 16,         /* in a block; the rows of a tile of the matrix units */
  GROUPED_BESIDE = 4,          /* channels of a line */
  GROUPED_COLUMNS = 8,         /* output channels of such a tile */
  GROUPED_DEPTH = 16,          /* gathered input rows of one step */
  GROUPED_AHEAD = 2,           /* steps that are read before they are needed */
  GROUPED_WARP_TILES = 16,     /* tiles (16 x 8 sums) that a warp keeps in registers */
  GROUPED_MOST_ROWS = 16,      /* positions that a warp works on at once */
  GROUPED_MOST_SLOTS = 4,      /* chunks of input channels in shared memory; beside them: */
  GROUPED_SHARED_STATE = 5120, /* bytes for places of parts, where positions lie, counters, */
  GROUPED_SHARED_WAY = 1024,   /* and for every warp 4 tiles on their way in or out, in bfloat16, */
  GROUPED_SHARED_JOINED = 1024, /* and, where a layer is joined, what its parts have of that */
  GROUPED_MOST_TILES = 4,       /* of a list: */
  GROUPED_FORMS = 3             /* levels list 8, 16 or 32 output channels together */
};

/* Bytes of a line; wide: of float32. */
#define GROUPED_LINE_BYTES(wide) ((wide) ? 256 : 128)

typedef struct {
  unsigned char *data;  /* slot 0, block 0 */
  uint64_t slot, block; /* bytes from one to the next */
  int32_t c, h, w;
  int32_t wide; /* float32, else bfloat16 */
} grouped_tensor;

/* ap_engine_source; present 0: nothing is added. */
typedef struct {
  grouped_tensor tensor;
  int32_t stride_h, stride_w, first, present;
} grouped_source;

/* What one operation does for one distinct beginning. */
typedef struct {
  uint32_t in; /* slots; the output's slot is the record's own number */
  union {
    uint32_t residual;
    uint32_t joined_in; /* LAYER with another joined: that one's input */
  };
  union {
    uint64_t level; /* LAYER: address of a grouped_level */
    uint64_t gate;  /* MAP: slot */
  };
  uint64_t joined; /* LAYER with another joined: address of that one's level, of the same form */
} grouped_node;

/* The part of a launch that all kernels share. */
typedef struct {
  const grouped_node *nodes; /* [capacity] of this operation */
  const uint32_t *n_nodes;   /* how many of them count */
  int32_t n_blocks;          /* blocks of images */
  int32_t first_block;       /* INPUT: the first in the data */
} grouped_batch;

typedef struct {
  grouped_source residual;
  float low, high;
} grouped_epilogue;

/* How the work of a layer is cut. A block computes `columns` output channels of 2^log_b x 2^log_h x
 * 2^log_w positions: image blocks, rows, columns of the output. It reads all input channels, `chunk`
 * at a time, four side by side as planes of `plane` lines: [2^log_b][plane_h][plane_w]. With one tile (lone)
 * a row is so short that the padding to its right is that to the left of the next one.
 *
 * In bfloat16 a line of shared memory has eight pieces of 16 bytes, 8 images of a channel each. A channel has
 * one of the places 0 .. 7 (order.c): place ^ half is the piece with its images from 8 * half on. Rows of
 * channels with different places lie in different banks, whatever their lines. In float32 the places are
 * 2 * (c % 4): images begin at 32 bytes times it. */
typedef struct {
  int32_t columns; /* 16, 32, 64 or 128; columns * positions <= 2048 */
  int32_t log_b, log_h, log_w;
  int32_t
      pooled; /* the largest of every 2 x 2 outputs is written: four positions in a row are such */
  int32_t tiles_b, tiles_h, tiles_w; /* blocks along images, rows, columns */
  int32_t plane_h, plane_w, plane;
  int32_t step_h, step_w;  /* plane rows and columns from one output to the next */
  int32_t skip_h, skip_w;  /* input rows and columns from one of the plane to the next */
  int32_t chunk, n_chunks; /* channels, a multiple of GROUPED_BESIDE */
  int32_t order_pitch;     /* of the chunk's planes in a level's order: a multiple of 4 */
  /* Chunks take the slots of a ring in turns, slot_lines from one to the next. carry 1: a step
   * may read the chunk before its own, too. */
  int32_t log_slots, carry, slot_lines;
  uint32_t slot_bytes, ring_bytes; /* of one, of all */
  uint32_t way_bytes; /* of a warp: GROUPED_SHARED_WAY, or room for all tiles of its shortcut */
  /* What fills the planes: of every plane the rows from fill_y and the columns from fill_x. Where one
   * tile covers the map that is without the padding, which stays 0. `filled` lines in all, and how to
   * divide by fill_w and fill_h (grouped_quotient). */
  int32_t lone, fill_y, fill_x, fill_h, fill_w, filled;
  int32_t joins;     /* another layer's products are added (grouped_conv.joined) */
  int32_t first_tap; /* lines from a position's window to its first tap: not 0 in a joined layer */
  uint32_t by_fill_w, by_fill_h;
  int32_t row_bytes[GROUPED_MOST_ROWS]; /* from a warp's first line in a plane to its others */
} grouped_tile;

/* What a layer reads. */
typedef struct {
  grouped_tensor in;
  grouped_tile tile;
  int32_t stride_h, stride_w, pad_top, pad_left;
} grouped_feed;

/* tile.joins: a layer of one tap (a block's projection) is done with this one, whose outputs would be its
 * shortcut: they never go to memory. Its chunks follow this one's in the same slots, and it has lists of the same
 * form in a level of its own (grouped_tile_join). */
typedef struct {
  grouped_batch batch;
  grouped_feed feed, joined;
  grouped_tensor out;
  grouped_epilogue epilogue;
} grouped_conv;

/* A level in device memory: this record, then the arrays at the given offsets from it. The channels of a
 * chunk lie in an order of their own for every `columns` output channels (order.c). List l holds the
 * input rows that any of the output channels l * width .. uses, cut into chunks of input
 * channels. A step takes GROUPED_DEPTH rows of its chunk and, with carry, of the one before it; what is
 * missing to a full step has weights of 0:
 *   order   uint32 [blocks of output channels][n_chunks][order_pitch]  of every plane, the places of its
 *           four channels, 3 bits each from the lowest on: grouped_order_entry
 *   ranks   uint64 [blocks of output channels]  lists by length: 4 bits each, the longest in the lowest
 *   start   uint32 [n_lists][n_chunks + 1]  steps of list and chunk
 *   offset  uint16 [n_steps][16]   8 * line + place of a row, from the slot of its chunk or, with
 *           carry, of the chunk before
 *   weight  per step: bfloat16 [width / 8][32 lanes][4] as the matrix units take them, or
 *           float32 [16][width]
 *   bias    float [n_lists * width]
 * Behind the last step, offset and weight go on for GROUPED_AHEAD steps, which are read and not used. */
typedef struct {
  uint32_t form; /* width = 8 << form */
  uint32_t n_lists;
  uint32_t n_steps;
  uint32_t order, ranks, start, offset, bias; /* bytes */
  uint64_t weight;
} grouped_level;

typedef struct {
  grouped_batch batch;
  const uint8_t *pixels; /* [block][c][h][w][16] */
  const float *scale, *shift;
  grouped_tensor out;
} grouped_input;

typedef struct {
  grouped_batch batch;
  grouped_tensor in, out;
  int32_t kh, kw, stride_h, stride_w, pad_top, pad_left, maximum, count_padding;
  float low, high;
} grouped_pool;

typedef struct {
  grouped_batch batch;
  grouped_source in;
  grouped_tensor out;
  grouped_epilogue epilogue;
  const float *scale, *shift; /* NULL: 1, 0 */
  int32_t channels, first_out;
  /* Looked at by GROUPED_GATE alone, so that plain maps are no slower. */
  const uint32_t *picks; /* NULL: in.first counts */
  grouped_source gate;
  int32_t curve, gate_curve; /* ap_curve; NONE: as it is */
} grouped_map;

/* Of a set of values of an image: `each` channels, all pixels or one. */
typedef struct {
  grouped_batch batch;
  grouped_tensor in, out;
  grouped_epilogue epilogue;
  const float *scale, *shift; /* NULL: 1, 0 */
  int32_t each, each_pixel;
  float epsilon;
} grouped_norm;

/* Loss and prediction of every image of a chunk for every candidate. */
typedef struct {
  grouped_batch batch; /* in: the logits' slot */
  grouped_tensor logits;
  const int32_t *labels;
  double *loss;     /* [candidate][n_images] */
  uint8_t *correct; /* [candidate][n_images] */
  float *outputs;   /* NULL, or [n_images][c] of candidate 0 */
  int32_t n_images; /* of the data */
} grouped_score;

typedef struct {
  const uint32_t *n_candidates;
  const double *loss;
  const uint8_t *correct;
  int32_t n_images;
  double *total_loss;      /* [candidate] */
  uint32_t *total_correct; /* [candidate] */
} grouped_total;

typedef enum {
  GROUPED_CONV_BF16,
  GROUPED_CONV_F32,
  GROUPED_INPUT,
  GROUPED_POOL,
  GROUPED_MAP,
  GROUPED_GATE,    /* a map with picks, the logistic function or a gate */
  GROUPED_FLATTEN, /* a map of value (c, y, x) of `in` to channel (c * h + y) * w + x */
  GROUPED_NORM,
  GROUPED_SCORE,
  GROUPED_TOTAL,
  GROUPED_KERNELS
} grouped_kernel;

/* One launch. The kernels over items take `items` per node; convolutions tiles x column blocks. */
typedef struct {
  grouped_kernel kernel;
  uint32_t n_nodes; /* most that can count */
  uint64_t items;
  union {
    grouped_conv conv;
    grouped_input input;
    grouped_pool pool;
    grouped_map map;
    grouped_norm norm;
    grouped_score score;
    grouped_total total;
  } with;
} grouped_launch;

#endif
