/* kernels/grouped/batch.c - candidates to distinct beginnings, and batches under way. */
#include <string.h>

#include "kernels/grouped/engine_impl.h"

static const size_t bucket_size[ENGINE_BUCKETS] = {1, 4, 16, AP_ENGINE_MOST};

size_t engine_nodes_at(const ap_engine *e, size_t op) {
  const size_t counts = (e->program.n_ops + 2) * sizeof(uint32_t);
  return (counts + 15) / 16 * 16 + op * e->capacity * sizeof(grouped_node);
}
size_t engine_sent_bytes(const ap_engine *e) { return engine_nodes_at(e, e->program.n_ops + 1); }
size_t engine_received_bytes(const ap_engine *e) {
  return e->capacity * (sizeof(double) + sizeof(uint32_t));
}

/* ---- nodes ------------------------------------------------------------------------------------ */
static uint32_t slot_of(const ap_engine *e, const ap_engine_source *s) {
  return s->tensor == AP_ENGINE_NONE ? 0 : e->node_of[e->program.tensors[s->tensor].part];
}

static const engine_level *level_of(const ap_engine *e, size_t op, const uint32_t *level) {
  const size_t layer = e->ops[op].layer;
  return &e->layers[layer].levels[level[layer]];
}

/* The present candidate's node of an operation, whose row of levels is `level`. */
static grouped_node node_of(const ap_engine *e, size_t op, const uint32_t *level) {
  const ap_engine_op *o = &e->ops[op];
  const engine_join *both = &e->joins[op];
  if (both->layer != AP_ENGINE_NONE) {
    const engine_level *of = level_of(e, both->layer, level);
    return (grouped_node){.in = slot_of(e, &e->ops[both->layer].in),
                          .joined_in = slot_of(e, &e->ops[both->joined].in),
                          .level = of->at[of->form],
                          .joined = level_of(e, both->joined, level)->at[of->form]};
  }
  grouped_node node = {.in = slot_of(e, &o->in), .residual = slot_of(e, &o->residual)};
  if (o->kind != AP_ENGINE_LAYER) {
    node.gate = slot_of(e, &o->gate);
  } else if (!e->fused[op]) {
    const engine_level *of = level_of(e, op, level);
    node.level = of->at[of->form];
  }
  return node;
}

/* Candidate i keeps the nodes of the candidate before it up to part resume[i]; from there on it has
 * its own. The number of nodes so far counts in counts[op], the same for all operations of a part. */
static void write_nodes(ap_engine *e, size_t n, const uint32_t *levels, const size_t *row,
                        const size_t *resume, unsigned char *sent) {
  const ap_engine_program *p = &e->program;
  uint32_t *counts = (uint32_t *)(void *)sent;
  uint32_t n_nodes;
  memset(counts, 0, (p->n_ops + 2) * sizeof *counts);
  for (size_t part = 0; part <= p->n_layers; part++) e->node_of[part] = UINT32_MAX;
  for (size_t i = 0; i < n; i++) {
    const uint32_t *level = levels + row[i] * p->n_layers;
    for (size_t part = resume[i]; part <= p->n_layers; part++) {
      e->node_of[part]++; /* from UINT32_MAX: the first is 0 */
      n_nodes = e->node_of[part] + 1;
      for (size_t op = p->part_start[part]; op < p->part_start[part + 1]; op++) {
        grouped_node *nodes = (grouped_node *)(void *)(sent + engine_nodes_at(e, op));
        nodes[e->node_of[part]] = node_of(e, op, level);
        counts[op] = n_nodes;
      }
    }
    ((grouped_node *)(void *)(sent + engine_nodes_at(e, p->n_ops)))[i] =
        (grouped_node){.in = e->node_of[p->tensors[p->logits].part]};
  }
  counts[p->n_ops] = counts[p->n_ops + 1] = (uint32_t)n;
}

/* ---- under way -------------------------------------------------------------------------------- */
static ap_status record(ap_engine *e, size_t graph, ap_error *err) {
  const ap_device_ops *ops = e->device->ops;
  const bool outputs = graph == ENGINE_BUCKETS;
  const size_t size = outputs ? 1 : bucket_size[graph];
  ap_status st = ops->record_begin(e->device, err);
  if (st) return st;
  st = engine_launch_all(e, size < e->capacity ? size : e->capacity, outputs, err);
  if (st) {
    (void)ops->record_end(e->device, NULL, NULL);
    return st;
  }
  return ops->record_end(e->device, &e->graphs[graph], err);
}

ap_status engine_batch_queue(ap_engine *e, size_t n, const uint32_t *levels, const size_t *row,
                             const size_t *resume, size_t graph, ap_error *err) {
  const ap_device_ops *ops = e->device->ops;
  ap_device *d = e->device;
  if (e->n_under_way == AP_DEVICE_MARKS)
    return ap_fail(err, AP_ERR_ARG, "%d batches are under way: collect one first", AP_DEVICE_MARKS);
  const size_t number = (e->oldest + e->n_under_way) % AP_DEVICE_MARKS;
  engine_slot *slot = &e->slots[number];
  ap_status st = AP_OK;
  if (!e->graphs[graph]) st = record(e, graph, err);
  if (st) return st;
  write_nodes(e, n, levels, row, resume, slot->sent);
  slot->n = n;
  st = ops->queue_write(d, e->sent, slot->sent, engine_sent_bytes(e), err);
  if (!st) st = ops->replay(d, e->graphs[graph], err);
  if (!st) st = ops->queue_read(d, e->received, slot->received, engine_received_bytes(e), err);
  if (!st) st = ops->mark(d, number, err);
  if (!st) e->n_under_way++;
  e->last_graph = graph;
  return st;
}

ap_status ap_engine_submit(ap_engine *e, size_t n, const uint32_t *levels, const size_t *row,
                           const size_t *resume, ap_error *err) {
  const size_t layers = e->program.n_layers;
  size_t graph = 0;
  if (n == 0 || n > e->capacity)
    return ap_fail(err, AP_ERR_ARG, "a batch of %zu candidates, 1 to %zu are possible", n,
                   e->capacity);
  for (size_t i = 0; i < n; i++) {
    if (resume[i] > (i == 0 ? 0 : layers))
      return ap_fail(err, AP_ERR_ARG, "candidate %zu begins with part %zu", i, resume[i]);
    for (size_t j = 0; j < layers; j++)
      if (levels[row[i] * layers + j] >= e->layers[j].n_levels)
        return ap_fail(err, AP_ERR_ARG, "candidate %zu: level %u of layer %zu, which has %zu", i,
                       levels[row[i] * layers + j], j, e->layers[j].n_levels);
  }
  while (bucket_size[graph] < n) graph++;
  return engine_batch_queue(e, n, levels, row, resume, graph, err);
}

ap_status ap_engine_collect(ap_engine *e, ap_engine_result *results, ap_error *err) {
  if (e->n_under_way == 0) return ap_fail(err, AP_ERR_ARG, "no batch is under way");
  const engine_slot *slot = &e->slots[e->oldest];
  const ap_status st = e->device->ops->wait(e->device, e->oldest, err);
  const double *loss = (const double *)(const void *)slot->received;
  const uint32_t *correct =
      (const uint32_t *)(const void *)(slot->received + e->capacity * sizeof *loss);
  e->oldest = (e->oldest + 1) % AP_DEVICE_MARKS;
  e->n_under_way--;
  for (size_t i = 0; i < slot->n && !st; i++)
    results[i] = (ap_engine_result){.loss = loss[i], .correct = correct[i]};
  return st;
}
