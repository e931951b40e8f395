/* nn/executor.c - buffers of a compiled network, and the way of its parameters to and from the
 * host. */
#include "nn/executor.h"

#include "base/alloc.h"
#include "nn/executor_impl.h"

#define ALIGN_FLOATS 16 /* 64 bytes, what ap_buffer_view asks for */

static size_t aligned(size_t floats) {
  return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static bool is_layer(const ap_node *node) {
  return node->kind == AP_NODE_CONV || node->kind == AP_NODE_LINEAR;
}

static ap_status view(ap_buffer *parent, size_t at, size_t floats, ap_buffer **out, ap_error *err) {
  if (floats == 0) return AP_OK;
  return ap_buffer_view(parent, at * sizeof(float), floats * sizeof(float), out, err);
}

static ap_status make(ap_executor *ex, size_t floats, ap_buffer **out, ap_error *err) {
  return ap_buffer_create(ex->be, floats * sizeof(float), out, err);
}

/* Sizes of the three groups of parameters. */
static void measure(ap_executor *ex) {
  size_t decayed = 0, plain = 0, statistics = 0;
  for (size_t i = 0; i < ex->net->n_nodes; i++) {
    const ap_node *node = &ex->net->nodes[i];
    size_t n_weight = aligned(ap_node_weight_count(ex->net, i));
    size_t n_bias = aligned(ap_node_bias_count(ex->net, i));
    if (is_layer(node)) {
      decayed += n_weight;
      plain += n_bias;
    } else if (node->kind == AP_NODE_BATCHNORM) {
      plain += n_weight + n_bias;
      statistics += 2 * aligned(node->shape.c);
    }
  }
  ex->n_decayed = decayed;
  ex->n_parameters = decayed + plain;
  ex->n_statistics = statistics;
}

/* The same place of the parameters and, in training, of their gradients. */
static ap_status parameter_views(ap_executor *ex, size_t at, size_t floats, ap_buffer **value,
                                 ap_buffer **gradient, ap_error *err) {
  ap_status st = view(ex->parameters, at, floats, value, err);
  if (!st && ex->training) st = view(ex->gradients, at, floats, gradient, err);
  return st;
}

static ap_status statistics_views(ap_executor *ex, size_t at, size_t c, ap_node_buffers *b,
                                  ap_error *err) {
  ap_status st = view(ex->statistics, at, c, &b->mean, err);
  if (!st) st = view(ex->statistics, at + aligned(c), c, &b->var, err);
  if (!st && ex->training) st = view(ex->saved, at, c, &b->save_mean, err);
  if (!st && ex->training) st = view(ex->saved, at + aligned(c), c, &b->save_inv_std, err);
  return st;
}

static ap_status make_views(ap_executor *ex, ap_error *err) {
  size_t decayed = 0, plain = ex->n_decayed, statistics = 0;
  for (size_t i = 0; i < ex->net->n_nodes; i++) {
    const ap_node *node = &ex->net->nodes[i];
    ap_node_buffers *b = &ex->nodes[i];
    size_t *weights = is_layer(node) ? &decayed : &plain;
    size_t n_weight = ap_node_weight_count(ex->net, i), n_bias = ap_node_bias_count(ex->net, i);
    ap_status st = AP_OK;
    if (!is_layer(node) && node->kind != AP_NODE_BATCHNORM) continue;
    st = parameter_views(ex, *weights, n_weight, &b->weight, &b->d_weight, err);
    if (st) return st;
    *weights += aligned(n_weight);
    st = parameter_views(ex, plain, n_bias, &b->bias, &b->d_bias, err);
    if (st) return st;
    plain += aligned(n_bias);
    if (node->kind == AP_NODE_BATCHNORM) {
      b->affine = ap_node_is_affine(node);
      st = statistics_views(ex, statistics, node->shape.c, b, err);
      if (st) return st;
      statistics += 2 * aligned(node->shape.c);
    }
  }
  return AP_OK;
}

static ap_status make_buffers(ap_executor *ex, ap_error *err) {
  size_t tail = ex->n_parameters - ex->n_decayed;
  ap_status st = make(ex, ex->n_parameters, &ex->parameters, err);
  if (!st) st = make(ex, ex->n_statistics, &ex->statistics, err);
  if (!st && ex->training) st = make(ex, ex->n_parameters, &ex->gradients, err);
  if (!st && ex->training) st = make(ex, ex->n_parameters, &ex->velocity, err);
  if (!st && ex->training) st = make(ex, ex->n_statistics, &ex->saved, err);
  if (!st && ex->training) st = view(ex->parameters, ex->n_decayed, tail, &ex->w_tail, err);
  if (!st && ex->training) st = view(ex->velocity, ex->n_decayed, tail, &ex->v_tail, err);
  if (!st && ex->training) st = view(ex->gradients, ex->n_decayed, tail, &ex->g_tail, err);
  for (size_t s = 0; !st && s < ex->plan.n_slots; s++) {
    st = make(ex, ex->plan.slot_floats[s] * ex->batch, &ex->slots[s], err);
  }
  for (size_t i = 0; !st && i < ex->net->n_nodes; i++) {
    if (ex->net->nodes[i].kind == AP_NODE_GATHER) st = ap_executor_gather_create(ex, i, err);
  }
  return st ? st : make_views(ex, err);
}

ap_status ap_executor_create(ap_backend *be, const ap_network *net, size_t batch, bool training,
                             ap_executor **out, ap_error *err) {
  ap_status st = AP_OK;
  ap_executor *ex = NULL;
  *out = NULL;
  if (batch == 0) return ap_fail(err, AP_ERR_ARG, "a batch of 0 images");
  if (net->n_nodes < 2) {
    return ap_fail(err, AP_ERR_ARG, "network %s has no node but its input", net->name);
  }
  ex = ap_calloc(1, sizeof *ex);
  if (!ex) {
    st = ap_fail(err, AP_ERR_MEMORY, "executor");
    goto done;
  }
  ex->be = be;
  ex->net = net;
  ex->batch = batch;
  ex->training = training;
  st = ap_plan_create(net, training, &ex->plan, err);
  if (st) goto done;
  ex->slots = ap_calloc(ex->plan.n_slots, sizeof *ex->slots);
  ex->nodes = ap_calloc(net->n_nodes, sizeof *ex->nodes);
  if (!ex->slots || !ex->nodes) {
    st = ap_fail(err, AP_ERR_MEMORY, "executor of %zu nodes", net->n_nodes);
    goto done;
  }
  measure(ex);
  st = make_buffers(ex, err);
  if (!st) st = ap_executor_load(ex, net, err);
  if (st) goto done;
  *out = ex;
  ex = NULL;
done:
  ap_executor_destroy(ex);
  return st;
}

void ap_executor_destroy(ap_executor *ex) {
  if (!ex) return;
  for (size_t i = 0; ex->nodes && i < ex->net->n_nodes; i++) {
    ap_node_buffers *b = &ex->nodes[i];
    ap_buffer *views[] = {b->weight,   b->bias,   b->mean,      b->var,
                          b->d_weight, b->d_bias, b->save_mean, b->save_inv_std,
                          b->picks,    b->starts, b->users};
    for (size_t k = 0; k < sizeof views / sizeof *views; k++) ap_buffer_destroy(views[k]);
  }
  for (size_t s = 0; ex->slots && s < ex->plan.n_slots; s++) ap_buffer_destroy(ex->slots[s]);
  ap_buffer_destroy(ex->w_tail);
  ap_buffer_destroy(ex->v_tail);
  ap_buffer_destroy(ex->g_tail);
  ap_buffer_destroy(ex->m_tail);
  ap_buffer_destroy(ex->parameters);
  ap_buffer_destroy(ex->gradients);
  ap_buffer_destroy(ex->velocity);
  ap_buffer_destroy(ex->statistics);
  ap_buffer_destroy(ex->saved);
  ap_buffer_destroy(ex->mask);
  ap_free(ex->nodes);
  ap_free(ex->slots);
  ap_plan_release(&ex->plan);
  ap_free(ex);
}

static ap_status put(ap_buffer *buffer, const float *values, size_t n, ap_error *err) {
  return buffer ? ap_buffer_write(buffer, 0, values, n * sizeof(float), err) : AP_OK;
}

static ap_status get(ap_buffer *buffer, float *values, size_t n, ap_error *err) {
  return buffer && values ? ap_buffer_read(buffer, 0, values, n * sizeof(float), err) : AP_OK;
}

ap_status ap_executor_load(ap_executor *ex, const ap_network *net, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; !st && i < net->n_nodes; i++) {
    const ap_node *node = &net->nodes[i];
    ap_node_buffers *b = &ex->nodes[i];
    st = put(b->weight, node->weight, ap_node_weight_count(net, i), err);
    if (!st) st = put(b->bias, node->bias, ap_node_bias_count(net, i), err);
    if (!st) st = put(b->mean, node->mean, node->shape.c, err);
    if (!st) st = put(b->var, node->var, node->shape.c, err);
  }
  return st;
}

ap_status ap_executor_store(ap_executor *ex, ap_network *net, ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; !st && i < net->n_nodes; i++) {
    ap_node *node = &net->nodes[i];
    ap_node_buffers *b = &ex->nodes[i];
    st = get(b->weight, node->weight, ap_node_weight_count(net, i), err);
    if (!st) st = get(b->bias, node->bias, ap_node_bias_count(net, i), err);
    if (!st) st = get(b->mean, node->mean, node->shape.c, err);
    if (!st) st = get(b->var, node->var, node->shape.c, err);
  }
  return st;
}

ap_status ap_executor_gradients(ap_executor *ex, size_t node, float *weight, float *bias,
                                ap_error *err) {
  ap_node_buffers *b = &ex->nodes[node];
  ap_status st = get(b->d_weight, weight, ap_node_weight_count(ex->net, node), err);
  return st ? st : get(b->d_bias, bias, ap_node_bias_count(ex->net, node), err);
}

/* Sets the elements to 0 whose mask is 0 (not a product: 0 * NaN, and no -0). */
static void hold(const float *mask, size_t n, float *host, float *parameters) {
  for (size_t j = 0; j < n; j++) {
    host[j] = mask[j];
    if (mask[j] == 0) parameters[j] = 0;
  }
}

/* The bias of a filter goes with the last of its weights. */
static void hold_biases(const float *mask, size_t n_weights, size_t n, float *host,
                        float *parameters) {
  size_t per_filter = n ? n_weights / n : 0;
  for (size_t j = 0; j < n; j++) {
    float any = 0;
    for (size_t t = 0; t < per_filter; t++) any += mask[j * per_filter + t];
    hold(&(float){any > 0 ? 1.0F : 0.0F}, 1, &host[j], &parameters[j]);
  }
}

ap_status ap_executor_set_masks(ap_executor *ex, const float *const *masks, ap_error *err) {
  ap_status st = AP_OK;
  float *host = ap_calloc(ex->n_parameters, sizeof *host);
  float *values = ap_calloc(ex->n_parameters, sizeof *values);
  size_t decayed = 0, plain = ex->n_decayed;
  if (!host || !values) {
    st = ap_fail(err, AP_ERR_MEMORY, "masks of %zu parameters", ex->n_parameters);
    goto done;
  }
  st = get(ex->parameters, values, ex->n_parameters, err);
  if (st) goto done;
  for (size_t i = 0; i < ex->n_parameters; i++) host[i] = 1;
  for (size_t i = 0; i < ex->net->n_nodes; i++) { /* the order of make_views */
    const ap_node *node = &ex->net->nodes[i];
    size_t n_weight = ap_node_weight_count(ex->net, i), n_bias = ap_node_bias_count(ex->net, i);
    size_t *weights = is_layer(node) ? &decayed : &plain, at = *weights;
    if (!is_layer(node) && node->kind != AP_NODE_BATCHNORM) continue;
    *weights += aligned(n_weight);
    if (masks[i]) hold(masks[i], n_weight, host + at, values + at);
    if (masks[i] && is_layer(node)) {
      hold_biases(masks[i], n_weight, n_bias, host + plain, values + plain);
    } else if (masks[i]) {
      hold(masks[i], n_bias, host + plain, values + plain);
    }
    plain += aligned(n_bias);
  }
  if (!ex->mask) {
    size_t tail = ex->n_parameters - ex->n_decayed;
    st = make(ex, ex->n_parameters, &ex->mask, err);
    if (!st) st = view(ex->mask, ex->n_decayed, tail, &ex->m_tail, err);
  }
  if (!st) st = put(ex->mask, host, ex->n_parameters, err);
  if (!st) st = put(ex->parameters, values, ex->n_parameters, err);
done:
  ap_free(host);
  ap_free(values);
  return st;
}

ap_status ap_executor_step(ap_executor *ex, const ap_sgd *sgd, ap_error *err) {
  size_t tail = ex->n_parameters - ex->n_decayed;
  ap_sgd plain = *sgd;
  ap_status st = ap_sgd_step(ex->be, ex->n_decayed, sgd, ex->parameters, ex->velocity,
                             ex->gradients, ex->mask, err);
  plain.weight_decay = 0;
  if (st || tail == 0) return st;
  return ap_sgd_step(ex->be, tail, &plain, ex->w_tail, ex->v_tail, ex->g_tail, ex->m_tail, err);
}

size_t ap_executor_state_count(const ap_executor *ex) {
  return 2 * ex->n_parameters + ex->n_statistics;
}

ap_status ap_executor_get_state(ap_executor *ex, float *state, ap_error *err) {
  ap_status st = get(ex->parameters, state, ex->n_parameters, err);
  if (!st) st = get(ex->velocity, state + ex->n_parameters, ex->n_parameters, err);
  if (!st) st = get(ex->statistics, state + 2 * ex->n_parameters, ex->n_statistics, err);
  return st;
}

ap_status ap_executor_set_state(ap_executor *ex, const float *state, ap_error *err) {
  ap_status st = put(ex->parameters, state, ex->n_parameters, err);
  if (!st) st = put(ex->velocity, state + ex->n_parameters, ex->n_parameters, err);
  if (!st) st = put(ex->statistics, state + 2 * ex->n_parameters, ex->n_statistics, err);
  return st;
}

ap_buffer *ap_executor_value(ap_executor *ex, size_t node) {
  return ex->slots[ex->plan.value[node]];
}

ap_buffer *ap_executor_input(ap_executor *ex) { return ap_executor_value(ex, 0); }

ap_buffer *ap_executor_logits(ap_executor *ex) {
  return ap_executor_value(ex, ex->net->n_nodes - 1);
}

ap_buffer *ap_executor_dlogits(ap_executor *ex) {
  return ex->training ? ex->slots[ex->plan.grad[ex->net->n_nodes - 1]] : NULL;
}

size_t ap_executor_bytes(const ap_executor *ex) {
  size_t floats = ex->n_parameters + ex->n_statistics;
  if (ex->training) floats += 2 * ex->n_parameters + ex->n_statistics;
  if (ex->mask) floats += ex->n_parameters;
  for (size_t s = 0; s < ex->plan.n_slots; s++) floats += ex->plan.slot_floats[s] * ex->batch;
  return floats * sizeof(float);
}
