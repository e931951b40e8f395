/* nn/evaluator_levels.c - versions of layers: lists of what is kept, of floats or integers. */
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

static ap_status reserve_level(eval_layer *to, ap_error *err) {
  if (to->n_levels < to->capacity) return AP_OK;
  const size_t capacity = to->capacity ? to->capacity * 2 : 8;
  eval_level *levels = ap_realloc(to->levels, capacity, sizeof *levels);
  if (!levels) return ap_fail(err, AP_ERR_MEMORY, "%zu levels", capacity);
  to->levels = levels;
  to->capacity = capacity;
  return AP_OK;
}

static ap_status append_level(ap_evaluator *ev, size_t layer, const float *matrix,
                              const float *bias, ap_error *err) {
  eval_layer *to = &ev->layers[layer];
  eval_level level = {NULL, NULL};
  ap_status st;
  if (ev->engine) {
    st = ap_engine_add_level(ev->engine, layer, matrix, bias, err);
    if (!st) ++to->n_levels;
    return st;
  }
  st = reserve_level(to, err);
  if (st) return st;
  st = ap_packed_weights_create_in(ev->lists, ev->isa, &ev->geometry[layer], matrix, bias,
                                   AP_PACKED_AUTO, &level.real, err);
  if (!st) to->levels[to->n_levels++] = level;
  return st;
}

static ap_status append_integers(ap_evaluator *ev, size_t layer, const int8_t *weight,
                                 const float *scale, const float *bias, ap_error *err) {
  eval_layer *to = &ev->layers[layer];
  const size_t n = ev->geometry[layer].out.c;
  eval_level level = {NULL, NULL};
  float *factor = ap_calloc(n, sizeof *factor), *shift = ap_calloc(n, sizeof *shift);
  ap_status st = factor && shift ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu columns", n);
  if (!st) st = reserve_level(to, err);
  if (!st)
    st = ap_integer_factors(ev->input_scale[layer], scale, bias, ev->unit[layer], n, factor, shift,
                            err);
  if (!st)
    st = ap_packed8_weights_create_in(ev->lists, ev->integers, &ev->geometry[layer], weight,
                                      ev->zero[layer], factor, shift, AP_PACKED_AUTO,
                                      &level.integer, err);
  if (!st) to->levels[to->n_levels++] = level;
  ap_free(factor);
  ap_free(shift);
  return st;
}

static ap_status append_given_integers(ap_evaluator *ev, size_t i, const ap_integer_layer *layer,
                                       ap_error *err) {
  const size_t size = layer->info.k * layer->info.n;
  int8_t *weight = ap_calloc(size, 1);
  ap_status st = weight ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "%zu weights", size);
  ev->input_scale[i] = layer->input_scale;
  ev->zero[i] = (uint8_t)layer->zero_point;
  if (!st) st = ap_integer_narrow(layer->weight, size, weight, err);
  if (!st) st = append_integers(ev, i, weight, layer->scale, ev->bias[i], err);
  ap_free(weight);
  return st;
}

/* Level 0 of every layer. */
ap_status eval_add_given_levels(ap_evaluator *ev, const ap_network *net,
                                const ap_evaluator_integers *integer, ap_error *err) {
  const size_t n = ev->plan.n_layers;
  ap_status st = AP_OK;
  float *matrix = NULL;
  ap_layer_info *info = ap_calloc(n, sizeof *info);
  ev->layers = ap_calloc(n, sizeof *ev->layers);
  if (!ev->engine) ev->lists = ap_arena_create();
  ev->geometry = ap_calloc(n, sizeof *ev->geometry);
  ev->bias = ap_calloc(n, sizeof *ev->bias);
  ev->input_scale = ap_calloc(n, sizeof *ev->input_scale);
  ev->unit = ap_calloc(n, sizeof *ev->unit);
  ev->zero = ap_calloc(n, sizeof *ev->zero);
  if (!info || !ev->layers || !ev->geometry || !ev->bias || !ev->input_scale || !ev->unit ||
      !ev->zero || (!ev->engine && !ev->lists)) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu layers", n);
    goto done;
  }
  (void)ap_network_layers(net, info, n);
  for (size_t i = 0; i < ev->plan.n_ops; ++i) {
    const op *o = &ev->plan.ops[i];
    if (o->kind != OP_LAYER) continue;
    ev->geometry[o->layer] = o->conv;
    ev->unit[o->layer] = o->unit;
  }
  for (size_t i = 0; i < n; ++i) {
    const ap_node *node = &net->nodes[info[i].node];
    float *larger = ap_realloc(matrix, info[i].k * info[i].n, sizeof *larger);
    if (larger) matrix = larger;
    if (node->bias) ev->bias[i] = ap_calloc(info[i].n, sizeof **ev->bias);
    if (!larger || (node->bias && !ev->bias[i])) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu x %zu weights", info[i].name, info[i].k, info[i].n);
      goto done;
    }
    if (node->bias) memcpy(ev->bias[i], node->bias, info[i].n * sizeof **ev->bias);
    if (integer) {
      st = append_given_integers(ev, i, &integer->layers[i], err);
    } else {
      ap_layer_get_matrix(net, info[i].node, matrix);
      st = append_level(ev, i, matrix, ev->bias[i], err);
    }
    if (st) {
      st = ap_fail_context(err, st, "%s", info[i].name);
      goto done;
    }
  }
done:
  ap_free(matrix);
  ap_free(info);
  return st;
}

static ap_status check_new_level(const ap_evaluator *ev, size_t layer, bool integer,
                                 ap_error *err) {
  if (layer >= ev->plan.n_layers)
    return ap_fail(err, AP_ERR_ARG, "layer %zu of %zu", layer, ev->plan.n_layers);
  if (integer != ev->plan.integer)
    return ap_fail(err, AP_ERR_ARG, "layer %zu: %s for an evaluator in %s", layer,
                   integer ? "integers" : "floats", integer ? "floats" : "integers");
  if (ev->layers[layer].n_levels > UINT32_MAX)
    return ap_fail(err, AP_ERR_ARG, "layer %zu has too many levels", layer);
  return AP_OK;
}

ap_status ap_evaluator_add_level(ap_evaluator *ev, size_t layer, const float *matrix,
                                 const float *bias, size_t *level, ap_error *err) {
  *level = 0;
  ap_status st = check_new_level(ev, layer, false, err);
  if (st) return st;
  st = append_level(ev, layer, matrix, bias ? bias : ev->bias[layer], err);
  if (st) return ap_fail_context(err, st, "layer %zu", layer);
  *level = ev->layers[layer].n_levels - 1;
  return AP_OK;
}

ap_status ap_evaluator_add_integer_level(ap_evaluator *ev, size_t layer, const int8_t *weight,
                                         const float *scale, const float *bias, size_t *level,
                                         ap_error *err) {
  *level = 0;
  ap_status st = check_new_level(ev, layer, true, err);
  if (st) return st;
  st = append_integers(ev, layer, weight, scale, bias ? bias : ev->bias[layer], err);
  if (st) return ap_fail_context(err, st, "layer %zu", layer);
  *level = ev->layers[layer].n_levels - 1;
  return AP_OK;
}

size_t ap_evaluator_level_bytes(const ap_evaluator *ev) {
  size_t bytes = 0;
  if (ev->engine) return ap_engine_level_bytes(ev->engine);
  for (size_t i = 0; i < ev->plan.n_layers; ++i)
    for (size_t j = 0; j < ev->layers[i].n_levels; ++j) {
      const eval_level *level = &ev->layers[i].levels[j];
      bytes += level->real ? ap_packed_weights_bytes(level->real)
                           : ap_packed8_weights_bytes(level->integer);
    }
  return bytes;
}
