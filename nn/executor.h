/* nn/executor.h - a network compiled for one backend and one batch size: every activation,
 * gradient and parameter buffer is made in create(); forward, backward and the optimiser's step
 * allocate nothing. Activations and gradients share memory wherever their lifetimes allow it
 * (nn/executor_plan.c). Confined to the backend's thread. */
#ifndef AP_NN_EXECUTOR_H
#define AP_NN_EXECUTOR_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "kernels/backend.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct ap_executor ap_executor;

typedef enum {
  AP_FORWARD_INFER, /* batch normalisation by its running statistics */
  AP_FORWARD_TRAIN /* by the batch's own; updates the running ones. Nodes that are affine (nn/network.h) stay as they are. */
} ap_forward_mode;

/* net: kept until destroy for its structure, which must not change meanwhile; its weights are
 * copied. batch: the largest number of images a call may ask for, > 0. training: also makes what
 * backward and the optimiser need. Errors: ARG (batch 0, a network of one node), MEMORY, DEVICE. */
AP_NODISCARD ap_status ap_executor_create(ap_backend *be, const ap_network *net, size_t batch,
                                          bool training, ap_executor **out, ap_error *err);
void ap_executor_destroy(ap_executor *ex); /* NULL is allowed */

/* Weights, biases and statistics: from a network of the same structure, and back to one. */
AP_NODISCARD ap_status ap_executor_load(ap_executor *ex, const ap_network *net, ap_error *err);
AP_NODISCARD ap_status ap_executor_store(ap_executor *ex, ap_network *net, ap_error *err);

/* The input tensor [batch, c, h, w] to fill before each forward call (which may overwrite it). */
ap_buffer *ap_executor_input(ap_executor *ex);
/* The last node's output [n, classes], until the next forward or backward call. */
ap_buffer *ap_executor_logits(ap_executor *ex);
/* Where the logits' gradient is put before each backward call (which overwrites it). */
ap_buffer *ap_executor_dlogits(ap_executor *ex);

/* Runs nodes 1 .. stop-1 (stop 0: all) on the first n <= batch images. bn_momentum: the share of
 * this batch in the running statistics (AP_FORWARD_TRAIN only). */
AP_NODISCARD ap_status ap_executor_forward(ap_executor *ex, size_t n, ap_forward_mode mode,
                                           float bn_momentum, size_t stop, ap_error *err);
/* Runs nodes first .. stop-1 in inference, on the first n images of a forward call that stopped at `first`
 * (or, first = 1, of the input tensor). */
AP_NODISCARD ap_status ap_executor_go_on(ap_executor *ex, size_t n, size_t first, size_t stop,
                                         ap_error *err);
/* A node's output, valid after a forward call that stopped behind it or at one of the nodes using it. */
ap_buffer *ap_executor_value(ap_executor *ex, size_t node);

/* Gradients of all parameters from ap_executor_dlogits, after an AP_FORWARD_TRAIN call on the same
 * n images. Overwrites the gradients of the step before. */
AP_NODISCARD ap_status ap_executor_backward(ap_executor *ex, size_t n, ap_error *err);
/* Gradients of the last backward call of a node's weights (gamma) and biases (beta), to host
 * arrays of ap_node_weight_count and ap_node_bias_count floats; either may be NULL. */
AP_NODISCARD ap_status ap_executor_gradients(ap_executor *ex, size_t node, float *weight,
                                             float *bias, ap_error *err);

/* As ap_train's masks: masked weights become 0 now and stay 0. */
AP_NODISCARD ap_status ap_executor_set_masks(ap_executor *ex, const float *const *masks,
                                             ap_error *err);
/* One step of the optimiser on all parameters; sgd->weight_decay acts on CONV and LINEAR weights
 * only. */
AP_NODISCARD ap_status ap_executor_step(ap_executor *ex, const ap_sgd *sgd, ap_error *err);

/* All that training changes, as one array of floats: parameters, momentum, running statistics. Its
 * layout depends on the network's structure only. */
size_t ap_executor_state_count(const ap_executor *ex);
AP_NODISCARD ap_status ap_executor_get_state(ap_executor *ex, float *state, ap_error *err);
AP_NODISCARD ap_status ap_executor_set_state(ap_executor *ex, const float *state, ap_error *err);

/* Bytes of all buffers on the backend. */
size_t ap_executor_bytes(const ap_executor *ex);

AP_EXTERN_C_END
#endif
