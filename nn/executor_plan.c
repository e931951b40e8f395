/* nn/executor_plan.c - which tensors may share memory.
 *
 * Time runs 0 .. n-1 over the nodes' forward steps and, in training, n .. 2n-1 over their backward
 * steps in reverse order (node i at 2n-1-i). A storage holds one or more outputs (a FLATTEN, and
 * operations done in place) and lives from its first write to its last use; a slot serves storages
 * that follow each other. Gradients use the same slots. */
#include <string.h>

#include "base/alloc.h"
#include "nn/executor_impl.h"

typedef struct {
  const ap_network *net;
  bool training;
  size_t *users;     /* per node: how many inputs name it */
  size_t *storage;   /* per node: the node that first wrote its storage */
  size_t *last_use;  /* per storage: time */
  bool *shared;      /* per storage: a node in it has several users */
  bool *kept;        /* per storage: backward reads what is in it now */
  bool *trained;     /* per node: it or one below it has parameters */
  size_t *remaining; /* per slot: 1 while in use */
  ap_plan *plan;
} planner;

size_t ap_shape_floats(ap_shape3 shape) { return shape.c * shape.h * shape.w; }

static bool has_parameters(const ap_node *node) {
  return node->kind == AP_NODE_CONV || node->kind == AP_NODE_LINEAR ||
         (node->kind == AP_NODE_BATCHNORM && !ap_node_is_affine(node));
}

static bool is_pool(const ap_node *node) {
  return node->kind == AP_NODE_MAXPOOL || node->kind == AP_NODE_AVGPOOL;
}

static bool backward_reads_inputs(const ap_node *node) {
  return has_parameters(node) || is_pool(node) || node->kind == AP_NODE_MULTIPLY ||
         ap_node_is_norm(node) ||
         (node->kind == AP_NODE_CURVE && !ap_curve_keeps_value(node->curve));
}

static bool backward_reads_output(const ap_node *node) {
  return node->kind == AP_NODE_RELU || is_pool(node) ||
         (node->kind == AP_NODE_CURVE && ap_curve_keeps_value(node->curve));
}

/* The input that node i may overwrite with its output, or n_inputs. */
static size_t in_place_input(const planner *p, size_t i) {
  const ap_node *node = &p->net->nodes[i];
  bool offered = node->kind == AP_NODE_RELU || node->kind == AP_NODE_ADD ||
                 node->kind == AP_NODE_CURVE || node->kind == AP_NODE_BATCHNORM ||
                 node->kind == AP_NODE_MULTIPLY || ap_node_is_norm(node);
  if (p->training && backward_reads_inputs(node)) offered = false;
  size_t whole =
      ap_node_scales_channels(p->net, node) ? 1 : node->n_inputs; /* inputs of its size */
  for (size_t k = 0; offered && k < whole; k++) {
    size_t j = node->inputs[k], s = p->storage[j];
    if (p->users[j] == 1 && !p->shared[s] && !p->kept[s] && j != 0) return k;
  }
  return node->n_inputs;
}

static void use(planner *p, size_t storage, size_t time) {
  if (p->last_use[storage] < time) p->last_use[storage] = time;
}

/* Which outputs lie in one storage, and until when each storage is needed. */
static void find_storages(planner *p) {
  const ap_network *net = p->net;
  size_t n = net->n_nodes;
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < net->nodes[i].n_inputs; k++) p->users[net->nodes[i].inputs[k]]++;
  }
  for (size_t i = 0; i < n; i++) {
    const ap_node *node = &net->nodes[i];
    size_t place = in_place_input(p, i);
    p->trained[i] = has_parameters(node);
    if (node->kind == AP_NODE_FLATTEN) {
      p->storage[i] = p->storage[node->inputs[0]];
    } else {
      p->storage[i] = place < node->n_inputs ? p->storage[node->inputs[place]] : i;
    }
    if (p->users[i] > 1) p->shared[p->storage[i]] = true;
    use(p, p->storage[i], i);
    for (size_t k = 0; k < node->n_inputs; k++) {
      size_t j = node->inputs[k];
      if (p->trained[j]) p->trained[i] = true;
      use(p, p->storage[j], i);
    }
    if (!p->training) continue;
    for (size_t k = 0; k < node->n_inputs && backward_reads_inputs(node); k++) {
      p->kept[p->storage[node->inputs[k]]] = true;
      use(p, p->storage[node->inputs[k]], 2 * n - 1 - i);
    }
    if (backward_reads_output(node)) {
      p->kept[p->storage[i]] = true;
      use(p, p->storage[i], 2 * n - 1 - i);
    }
  }
  use(p, p->storage[n - 1], n); /* the caller reads the logits between forward and backward */
}

/* The smallest free slot that is large enough, else the largest free one, which grows. */
static size_t take_slot(planner *p, size_t floats) {
  ap_plan *plan = p->plan;
  size_t best = AP_NO_SLOT;
  for (size_t s = 0; s < plan->n_slots; s++) {
    size_t have = plan->slot_floats[s],
           best_have = best == AP_NO_SLOT ? 0 : plan->slot_floats[best];
    if (p->remaining[s]) continue;
    if (best == AP_NO_SLOT ||
        (best_have < floats ? have > best_have : have >= floats && have < best_have)) {
      best = s;
    }
  }
  if (best == AP_NO_SLOT) best = plan->n_slots++;
  if (plan->slot_floats[best] < floats) plan->slot_floats[best] = floats;
  p->remaining[best] = 1;
  return best;
}

/* Frees the slots of the storages that are used for the last time now. */
static void end_time(planner *p, size_t time) {
  for (size_t i = 0; i < p->net->n_nodes; i++) {
    if (p->storage[i] == i && p->last_use[i] == time && p->plan->value[i] != AP_NO_SLOT) {
      p->remaining[p->plan->value[i]] = 0;
    }
  }
}

static void plan_forward(planner *p) {
  for (size_t i = 0; i < p->net->n_nodes; i++) {
    size_t s = p->storage[i];
    p->plan->value[i] =
        s == i ? take_slot(p, ap_shape_floats(p->net->nodes[i].shape)) : p->plan->value[s];
    end_time(p, i);
  }
}

/* Node kinds whose input gradient can be formed where the output's gradient is. */
static bool can_take(const ap_node *node) {
  return node->kind == AP_NODE_RELU || node->kind == AP_NODE_CURVE ||
         node->kind == AP_NODE_BATCHNORM || node->kind == AP_NODE_FLATTEN ||
         ap_node_is_norm(node) || (node->kind == AP_NODE_ADD && node->inputs[0] != node->inputs[1]);
}

static void plan_backward(planner *p) {
  const ap_network *net = p->net;
  ap_plan *plan = p->plan;
  size_t n = net->n_nodes;
  plan->grad[n - 1] = take_slot(p, ap_shape_floats(net->nodes[n - 1].shape));
  for (size_t i = n; i-- > 0;) {
    const ap_node *node = &net->nodes[i];
    bool taken = false;
    for (size_t k = 0; k < node->n_inputs && plan->grad[i] != AP_NO_SLOT; k++) {
      size_t j = node->inputs[k];
      ap_edge *edge = &plan->edges[plan->first_edge[i] + k];
      if (!p->trained[j]) {
        *edge = AP_EDGE_SKIP;
      } else if (plan->grad[j] != AP_NO_SLOT) {
        *edge = AP_EDGE_ACCUMULATE;
      } else if (can_take(node) && !taken) {
        *edge = AP_EDGE_TAKE;
        plan->grad[j] = plan->grad[i];
        taken = true;
      } else {
        *edge = AP_EDGE_WRITE;
        plan->grad[j] = take_slot(p, ap_shape_floats(net->nodes[j].shape));
      }
    }
    if (plan->grad[i] != AP_NO_SLOT && !taken) p->remaining[plan->grad[i]] = 0;
    end_time(p, 2 * n - 1 - i);
  }
}

ap_status ap_plan_create(const ap_network *net, bool training, ap_plan *plan, ap_error *err) {
  ap_status st = AP_OK;
  size_t n = net->n_nodes, n_edges = 0;
  planner p = {.net = net, .training = training, .plan = plan};
  memset(plan, 0, sizeof *plan);
  for (size_t i = 0; i < n; i++) n_edges += net->nodes[i].n_inputs;
  plan->value = ap_calloc(n, sizeof *plan->value);
  plan->grad = ap_calloc(n, sizeof *plan->grad);
  plan->first_edge = ap_calloc(n, sizeof *plan->first_edge);
  plan->edges = ap_calloc(n_edges, sizeof *plan->edges);
  plan->slot_floats = ap_calloc(2 * n, sizeof *plan->slot_floats);
  p.users = ap_calloc(n, sizeof *p.users);
  p.storage = ap_calloc(n, sizeof *p.storage);
  p.last_use = ap_calloc(n, sizeof *p.last_use);
  p.shared = ap_calloc(n, sizeof *p.shared);
  p.kept = ap_calloc(n, sizeof *p.kept);
  p.trained = ap_calloc(n, sizeof *p.trained);
  p.remaining = ap_calloc(2 * n, sizeof *p.remaining);
  if (!plan->value || !plan->grad || !plan->first_edge || !plan->edges || !plan->slot_floats ||
      !p.users || !p.storage || !p.last_use || !p.shared || !p.kept || !p.trained || !p.remaining) {
    st = ap_fail(err, AP_ERR_MEMORY, "memory plan of %zu nodes", n);
    goto done;
  }
  n_edges = 0;
  for (size_t i = 0; i < n; i++) {
    plan->value[i] = plan->grad[i] = AP_NO_SLOT;
    plan->first_edge[i] = n_edges;
    n_edges += net->nodes[i].n_inputs;
  }
  find_storages(&p);
  plan_forward(&p);
  if (training) plan_backward(&p);
done:
  ap_free(p.users);
  ap_free(p.storage);
  ap_free(p.last_use);
  ap_free(p.shared);
  ap_free(p.kept);
  ap_free(p.trained);
  ap_free(p.remaining);
  if (st) ap_plan_release(plan);
  return st;
}

void ap_plan_release(ap_plan *plan) {
  ap_free(plan->value);
  ap_free(plan->grad);
  ap_free(plan->first_edge);
  ap_free(plan->edges);
  ap_free(plan->slot_floats);
  memset(plan, 0, sizeof *plan);
}
