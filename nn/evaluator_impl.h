/* nn/evaluator_impl.h - the parts of the evaluator: a network compiled to packed operations (plan),
 * candidates sorted so that prefixes are shared (order), results kept (cache), and the walk through
 * the operations for some images (work). */
#ifndef AP_NN_EVALUATOR_IMPL_H
#define AP_NN_EVALUATOR_IMPL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/threads.h"
#include "kernels/engine.h"
#include "kernels/packed.h"
#include "kernels/packed8.h"
#include "nn/evaluator.h"
#include "nn/integer.h"
#include "nn/network.h"

#define EVAL_NONE SIZE_MAX
/* Candidates of one walk: bounds the memory of partial results. */
#define EVAL_MOST_AT_ONCE ((size_t)1024)

/* ---- plan ------------------------------------------------------------------------------------ */
typedef enum {
  OP_INPUT,
  OP_LAYER,
  OP_POOL,
  OP_MAP,
  OP_GATE,
  OP_CURVE,
  OP_NORM,
  OP_FLATTEN
} op_kind;

/* How a tensor is read; see ap_packed_source. */
typedef struct {
  size_t tensor; /* EVAL_NONE: absent */
  size_t stride_h, stride_w, first;
  double ratio; /* integers: its unit over the result's */
} op_input;
/* Are its pixels read where they stand? */
static inline bool eval_reads_as_it_stands(const op_input *in) {
  return in->tensor != EVAL_NONE && in->stride_h == 1 && in->stride_w == 1 && in->first == 0;
}

typedef struct {
  op_kind kind;
  op_input in, residual; /* OP_INPUT has neither */
  op_input gate;         /* GATE: what `in` is multiplied with */
  size_t out;            /* tensor */
  size_t replaces;       /* a tensor that it may be written over (evaluator_over.c), or EVAL_NONE */
  float low, high;
  size_t node;                /* what is computed, before addition and clipping */
  size_t layer;               /* LAYER: number as ap_network_layers counts */
  ap_packed_conv conv;        /* LAYER */
  ap_packed_pool pool;        /* POOL */
  size_t channels, first_out; /* MAP */
  float *scale, *shift;       /* MAP, NORM, LAYER: [channels] or NULL; INPUT: [channels] */
  uint32_t *picks;            /* MAP: [channels] or NULL; see ap_packed_source */
  ap_packed_norm norm;        /* NORM */
  ap_curve curve;             /* CURVE; GATE: of the gate, or NONE */
  double unit;                /* LAYER, integers: of its own value */
  bool activates;             /* LAYER, integers: evaluator_activation.c */
  size_t affine_node,
      gate_node; /* then, without a curve: whose scale and shift; whose value they give */
  ap_packed8_activation activation;
} op;

typedef struct {
  ap_packed_shape shape;
  size_t node;                  /* whose value it is */
  bool codes;                   /* integers: a byte an image */
  uint8_t zero;                 /* codes: what stands for 0 */
  double unit;                  /* integers: what 1 stands for */
  size_t block_bytes;           /* of one block of images */
  size_t kind;                  /* tensors of one kind are alike and share memory */
  size_t first_op, last_op;     /* written first, read last; the logits are read after all */
  size_t first_part, last_part; /* the same as parts */
} tensor;

/* Operations in order, cut into parts: part 0 comes before all layers, part d + 1 begins with the
 * d-th layer in that order. */
typedef struct {
  op *ops;
  size_t n_ops;
  tensor *tensors;
  size_t n_tensors, n_kinds;
  size_t n_layers;
  size_t *order;       /* [n_layers]: layer number at depth d */
  size_t *part_start;  /* [n_layers + 2] */
  double *layer_share; /* [n_layers] by depth: share of the network's dense multiply-adds */
  size_t logits, classes;
  bool integer;
  uint8_t most; /* integers: the largest code */
  size_t lanes; /* images in a block */
} eval_plan;

/* integer: NULL for floats. */
AP_NODISCARD ap_status eval_plan_init(eval_plan *plan, const ap_network *net,
                                      const ap_evaluator_integers *integer, ap_error *err);
void eval_plan_release(eval_plan *plan);
/* Part of init: which tensors are codes, and all units. */
AP_NODISCARD ap_status eval_plan_take_integers(eval_plan *plan, const ap_network *net,
                                               const ap_evaluator_integers *integer, ap_error *err);

/* Part of init, before anything refers to operations and tensors by number but the operations themselves:
 * activations become part of integer layers. size: of the tensors. */
void eval_plan_fuse_activations(eval_plan *plan, ap_shape3 *size);
size_t eval_count_readers(const eval_plan *plan, size_t tensor); /* inputs of operations */

/* Borders of zeros, pixels. */
typedef struct {
  size_t top, left, bottom, right;
} eval_border;
/* Part of init, when lifetimes are known and before tensors have a shape: what may be written over becomes as wide as what is written. */
void eval_plan_share_borders(const eval_plan *plan, const ap_shape3 *size, eval_border *border);
/* Part of init, when tensors have kinds: op.replaces. */
void eval_plan_find_replaced(eval_plan *plan);

/* ---- order ----------------------------------------------------------------------------------- */
/* Distinct candidates in the order of a trie's depth first walk. */
typedef struct {
  size_t n_layers, n_words;
  const size_t *depth_layer; /* borrowed: the plan's order */
  const uint32_t *levels;    /* borrowed: candidate-major */
  size_t capacity;
  size_t *sorted;  /* [capacity] candidate numbers, grouped and sorted */
  size_t *unique;  /* [capacity] candidate number of distinct candidate i */
  size_t *owner;   /* [capacity] for sorted position: index of its distinct candidate */
  size_t *resume;  /* [capacity] first part to compute for distinct candidate i */
  uint64_t *later; /* [capacity][n_words] parts at which later candidates resume */
  size_t n, n_unique;
} eval_order;

/* Room for `n` candidates; keeps what is there when it is enough. */
AP_NODISCARD ap_status eval_order_reserve(eval_order *order, size_t n, ap_error *err);
/* Sorts sorted[0..n-1], finds the distinct ones. */
void eval_order_sort(eval_order *order, const uint32_t *levels, size_t n);
/* For distinct candidates first .. first + n - 1: where each resumes, and what later ones need. */
void eval_order_link(eval_order *order, size_t first, size_t n);
/* Does a candidate after i (linked with it) resume at a part in (after, upto]? */
bool eval_order_needed(const eval_order *order, size_t i, size_t after, size_t upto);
void eval_order_release(eval_order *order);

/* ---- cache ----------------------------------------------------------------------------------- */
typedef struct {
  double loss; /* summed over images */
  size_t correct;
} eval_result;

/* Of one block of images. */
typedef struct {
  double loss;
  uint64_t right; /* bit i: image i of the block is classified rightly */
} eval_block;

typedef struct {
  size_t n_layers, limit; /* limit: slots, a power of two */
  size_t slots, used;
  uint32_t *keys; /* [slots][n_layers] */
  uint8_t *full;  /* [slots] */
  eval_result *values;
} eval_cache;

void eval_cache_init(eval_cache *cache, size_t n_layers, size_t bytes);
const eval_result *eval_cache_find(const eval_cache *cache, const uint32_t *levels);
/* Forgets everything when full; out of memory: stays as large as it is. */
void eval_cache_put(eval_cache *cache, const uint32_t *levels, const eval_result *value);
void eval_cache_release(eval_cache *cache);

/* ---- engine ----------------------------------------------------------------------------------- */
AP_NODISCARD ap_status eval_engine_create(const char *name, const eval_plan *plan, size_t n_images,
                                          const uint8_t *pixels, const int32_t *labels,
                                          const ap_engine_options *options, ap_engine **out,
                                          ap_error *err);
/* Called for distinct candidates 0, 1, ... of the order, once each. */
typedef void eval_done(void *context, size_t unique, const eval_result *result);
/* Evaluates all distinct candidates of the order, linking it batch by batch. */
AP_NODISCARD ap_status eval_engine_run(ap_engine *engine, eval_order *order, eval_done *done,
                                       void *context, ap_error *err);

/* ---- work ------------------------------------------------------------------------------------ */
typedef struct {
  ap_packed_weights *real; /* one of the two */
  ap_packed8_weights *integer;
} eval_level;

typedef struct {
  size_t n_levels, capacity;
  eval_level *levels;
} eval_layer;

/* Memory of one worker: for every kind of tensor as many buffers as tensors, in a stack of free
 * ones (the last used is the warmest). */
typedef struct {
  void **free;         /* all kinds' stacks one after the other */
  size_t *n_free;      /* [n_kinds] */
  size_t *stack_start; /* [n_kinds] */
  void **at;           /* [n_tensors]: where a tensor is now, or NULL */
  uint8_t *memory;
  void *scratch; /* of layers */
} eval_worker;

/* isa: NULL for integers. */
AP_NODISCARD ap_status eval_worker_init(eval_worker *worker, const eval_plan *plan,
                                        const ap_packed_isa *isa, size_t n_blocks, ap_error *err);
void eval_worker_release(eval_worker *worker);

/* One call's work; the same for all workers. */
typedef struct {
  const eval_plan *plan;
  const ap_packed_isa *isa;       /* floats */
  const ap_packed8_isa *integers; /* integers */
  const eval_layer *layers;       /* by layer number */
  const eval_order *order;
  size_t first, n;       /* distinct candidates */
  const uint8_t *pixels; /* integers: the input tensor itself */
  size_t block_pixels;   /* bytes of a block */
  const int32_t *labels;
  size_t n_images, n_blocks, chunk_blocks;
  size_t from_block, to_block; /* the blocks to do */
  eval_block *results;         /* [n][n_blocks] */
  float *logits;               /* NULL, or [n_images][classes] of the only candidate */
  eval_worker *workers;
} eval_job;

/* Some blocks of images with one worker. */
typedef struct {
  const eval_job *job;
  eval_worker *worker;
  size_t first_block, n_blocks;
} eval_chunk;
/* One operation of an integer plan for one candidate. */
void eval_run_integer_op(const eval_chunk *k, const op *o, size_t candidate);
/* The packed images become the input tensor. */
AP_NODISCARD ap_status eval_integer_input(const eval_plan *plan, const ap_packed8_isa *isa,
                                          const ap_network *net, size_t n_blocks, uint8_t **pixels,
                                          size_t *block_bytes, ap_error *err);

/* ap_pool_body: a chunk of the blocks through all candidates. context: an eval_job. */
void eval_work(void *context, size_t chunk_number, size_t worker);

/* What races keep: the reference and the test (evaluator_race.c). */
typedef struct eval_race eval_race;

/* ---- the evaluator --------------------------------------------------------------------------- */
struct ap_evaluator {
  eval_plan plan;
  const ap_packed_isa *isa;       /* floats, else NULL */
  const ap_packed8_isa *integers; /* integers, else NULL */
  double *input_scale, *unit;     /* integers: [plan.n_layers] of a layer's input and output */
  uint8_t *zero;                  /* integers: [plan.n_layers] of a layer's input */
  ap_pool *pool;
  eval_layer *layers;       /* [plan.n_layers] by layer number */
  ap_arena *lists;          /* of all levels; NULL with an engine */
  ap_packed_conv *geometry; /* [plan.n_layers] by layer number */
  float **bias;             /* [plan.n_layers] level 0's, or NULL */
  size_t n_images, n_blocks, chunk_blocks;
  uint8_t *pixels; /* [n_blocks][c][h][w][16] */
  size_t block_pixels;
  const int32_t *labels; /* the data set's */
  ap_engine *engine;     /* NULL: this processor's workers */
  eval_worker *workers;
  size_t n_workers;
  eval_order order;
  eval_block *results; /* [results_room][n_blocks] */
  size_t results_room;
  eval_cache cache;
  ap_evaluator_stats stats;
  eval_race *race; /* NULL until the first one */
};

AP_NODISCARD ap_status eval_check_levels(const ap_evaluator *ev, const uint32_t *levels, size_t n,
                                         ap_error *err);
AP_NODISCARD ap_status eval_reserve_results(ap_evaluator *ev, size_t n, ap_error *err);
/* Distinct candidates first .. first + n - 1 of the order, on blocks from .. to - 1, into results. */
void eval_evaluate(ap_evaluator *ev, size_t first, size_t n, size_t from, size_t to, float *logits);
/* What they cost. */
void eval_count(ap_evaluator *ev, size_t first, size_t n, size_t n_images);
/* Of result i in the order of the blocks, whichever worker did them. */
eval_result eval_total(const ap_evaluator *ev, size_t i);
ap_score eval_score(const eval_result *sums, size_t n_images);
void eval_race_destroy(eval_race *race);

/* Level 0 of every layer; integer: NULL for floats. */
AP_NODISCARD ap_status eval_add_given_levels(ap_evaluator *ev, const ap_network *net,
                                             const ap_evaluator_integers *integer, ap_error *err);

#endif
