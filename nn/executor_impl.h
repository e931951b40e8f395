/* nn/executor_impl.h - the executor's inside, shared by nn/executor*.c only. */
#ifndef AP_NN_EXECUTOR_IMPL_H
#define AP_NN_EXECUTOR_IMPL_H
#include <stdint.h>

#include "nn/executor.h"
AP_EXTERN_C_BEGIN

#define AP_NO_SLOT SIZE_MAX

/* What backward does with the gradient of one input of a node. */
typedef enum {
  AP_EDGE_SKIP,      /* nothing below this input is trained */
  AP_EDGE_TAKE,      /* the node's own gradient buffer becomes the input's */
  AP_EDGE_WRITE,     /* the first contribution: overwrites */
  AP_EDGE_ACCUMULATE /* a further one: adds */
} ap_edge;

typedef struct {
  size_t *value;      /* per node: slot of its output */
  size_t *grad;       /* per node: slot of its output's gradient, or AP_NO_SLOT */
  size_t *first_edge; /* per node: where its inputs begin in `edges` */
  ap_edge *edges;
  size_t n_slots;
  size_t *slot_floats; /* per slot: floats per image */
} ap_plan;

/* Assigns slots so that tensors which are never alive together share one. */
AP_NODISCARD ap_status ap_plan_create(const ap_network *net, bool training, ap_plan *plan,
                                      ap_error *err);
void ap_plan_release(ap_plan *plan);

/* Buffers of one node's parameters; NULL where it has none (the first two lines are views of the arenas
 * below). */
typedef struct {
  ap_buffer *weight, *bias, *mean, *var;
  ap_buffer *d_weight, *d_bias, *save_mean, *save_inv_std;
  ap_buffer *picks, *starts, *users; /* GATHER; these are its own */
  bool affine;                       /* ap_node_is_affine */
} ap_node_buffers;

struct ap_executor {
  ap_backend *be;
  const ap_network *net;
  size_t batch;
  bool training;
  ap_plan plan;
  ap_buffer **slots;
  ap_node_buffers *nodes;
  /* Arenas: decayed weights first, then biases, gamma and beta; each tensor starts on 64 bytes. */
  size_t n_decayed, n_parameters, n_statistics; /* floats, with the gaps */
  ap_buffer *parameters, *gradients, *velocity, *statistics, *saved, *mask;
  ap_buffer *w_tail, *v_tail, *g_tail, *m_tail; /* the part without decay */
};

size_t ap_shape_floats(ap_shape3 shape);
ap_conv_shape ap_executor_conv_shape(const ap_network *net, size_t node, size_t n);
ap_pool_shape ap_executor_pool_shape(const ap_network *net, size_t node, size_t n);
ap_move_shape ap_executor_shortcut_shape(const ap_network *net, size_t node, size_t n);
/* Channels of input `k` of a CONCAT node, which begin at channel c0 of its output. */
ap_move_shape ap_executor_concat_shape(const ap_network *net, size_t node, size_t k, size_t c0,
                                       size_t n);
ap_gate_shape ap_executor_gate_shape(const ap_network *net, size_t node, size_t n);
ap_norm_shape ap_executor_norm_shape(const ap_network *net, size_t node, size_t n);
/* Of a GATHER node: what its calls need. */
AP_NODISCARD ap_status ap_executor_gather_create(ap_executor *ex, size_t node, ap_error *err);
ap_gather_shape ap_executor_gather_shape(const ap_network *net, size_t node, size_t n);

AP_EXTERN_C_END
#endif
