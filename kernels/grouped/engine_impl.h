/* kernels/grouped/engine_impl.h - the parts of an engine: the program and its memory (program.c), the
 * launches of a batch (launches.c), batches under way (batch.c), levels and the whole (engine.c). */
#ifndef AP_KERNELS_GROUPED_ENGINE_IMPL_H
#define AP_KERNELS_GROUPED_ENGINE_IMPL_H
#include "kernels/engine.h"
#include "kernels/grouped/device_impl.h"
#include "kernels/grouped/pack_impl.h"
AP_EXTERN_C_BEGIN

enum {
  ENGINE_BUCKETS = 4, /* batch sizes that have launches of their own: 1, 4, 16, 64 */
  ENGINE_CELLS = 512  /* distinct beginnings x blocks of 16 images of one launch, at most */
};

/* A level's device addresses by the form of its lists. A layer has the best one; of a layer that is joined to another
 * the other's level says which is needed, and all are there. */
typedef struct {
  uint64_t at[GROUPED_FORMS];
  size_t form; /* a layer's; of a joined one the last */
} engine_level;

typedef struct {
  grouped_geometry geometry;
  grouped_tile tile;
  bool joined; /* to another one */
  size_t n_levels, capacity;
  engine_level *levels;
} engine_layer;

/* Two layers that one launch computes: operations (AP_ENGINE_NONE: none). */
typedef struct {
  size_t layer, joined;
} engine_join;

/* Large pieces of device memory from which levels are cut. */
typedef struct {
  void **slabs;
  size_t n_slabs, capacity;
  size_t used, size; /* of the last slab */
  size_t bytes;      /* of all levels */
} engine_store;

/* A batch as it is sent to the device, and what comes back. */
typedef struct {
  unsigned char *sent;     /* counts, then nodes: see engine_counts, engine_nodes */
  unsigned char *received; /* losses, then corrects */
  size_t n;
} engine_slot;

struct ap_engine {
  ap_device *device;
  ap_engine_program program; /* its arrays are the three below */
  ap_engine_op *ops;         /* [n_ops]; scale, shift and picks are the caller's, see e->scale */
  ap_engine_tensor *tensors;
  size_t *part_start;
  bool wide;
  size_t n_images, n_blocks;
  size_t capacity; /* candidates of a batch */
  size_t cells;    /* most distinct beginnings x blocks in memory */
  engine_layer *layers;
  size_t *tensor_at;      /* [n_tensors] offset in the arena, bytes per cell */
  bool *tensor_wide;      /* [n_tensors] */
  size_t *part_of_op;     /* [n_ops] */
  bool *fused;            /* [n_ops] done by another operation (fuse.c): no launch */
  engine_join *joins;     /* [n_ops] what a layer's launch does, if that is two of them (fuse.c) */
  uint32_t *node_of;      /* [n_layers + 1]: the present candidate's, by part */
  const float **scale;    /* [n_ops] device, or NULL */
  const float **shift;    /* [n_ops] */
  const uint32_t **picks; /* [n_ops] */
  engine_store store;
  /* device memory */
  void *arena, *pixels, *labels, *constants, *picked, *sent, *received, *loss, *correct, *outputs;
  engine_slot slots[AP_DEVICE_MARKS];
  size_t oldest, n_under_way;
  size_t last_graph;                           /* of the batch queued last */
  ap_device_graph *graphs[ENGINE_BUCKETS + 1]; /* the last: one candidate with outputs */
};

/* ---- program.c -------------------------------------------------------------------------------- */
/* Copies and checks; sets layers' geometry, tensor_wide, part_of_op. */
AP_NODISCARD ap_status engine_program_init(ap_engine *e, const ap_engine_program *program,
                                           ap_error *err);
void engine_program_release(ap_engine *e);
/* tensor_at; *bytes: the arena's bytes per cell. */
AP_NODISCARD ap_status engine_arena_plan(ap_engine *e, size_t *bytes, ap_error *err);
size_t engine_tensor_bytes(const ap_engine *e, size_t tensor); /* of one block of 16 images */

/* ---- fuse.c ----------------------------------------------------------------------------------- */
/* Layers take over what follows or precedes them where their kernel can do it in shared_bytes of shared memory:
 * operations, tensors' lives and geometries change; sets fused and joins. */
void engine_fuse(ap_engine *e, size_t shared_bytes);

/* ---- launches.c ------------------------------------------------------------------------------- */
/* Everything that a batch of at most `most` candidates does on the device; queued or recorded. */
AP_NODISCARD ap_status engine_launch_all(ap_engine *e, size_t most, bool outputs, ap_error *err);

/* ---- batch.c ---------------------------------------------------------------------------------- */
/* Of the memory that goes to the device: counts [n_ops + 2] (one per operation, the score's, the
 * number of candidates), then nodes [n_ops + 1][capacity]. */
size_t engine_sent_bytes(const ap_engine *e);
size_t engine_nodes_at(const ap_engine *e,
                       size_t op);                /* offset of the nodes of op (n_ops: score) */
size_t engine_received_bytes(const ap_engine *e); /* double [capacity], uint32 [capacity] */
/* graph: number in e->graphs; recorded when first used. */
AP_NODISCARD ap_status engine_batch_queue(ap_engine *e, size_t n, const uint32_t *levels,
                                          const size_t *row, const size_t *resume, size_t graph,
                                          ap_error *err);

AP_EXTERN_C_END
#endif
