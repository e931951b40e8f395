/* nn/evaluator_cache.c - results by levels: open addressing, doubled at 3/4 full. */
#include <string.h>

#include "base/alloc.h"
#include "nn/evaluator_impl.h"

static const size_t first_slots = 256;

static size_t slot_bytes(size_t n_layers) {
  return n_layers * sizeof(uint32_t) + 1 + sizeof(eval_result);
}

void eval_cache_init(eval_cache *c, size_t n_layers, size_t bytes) {
  memset(c, 0, sizeof *c);
  c->n_layers = n_layers;
  c->limit = first_slots;
  while (c->limit <= bytes / slot_bytes(n_layers) / 2) c->limit *= 2;
}

void eval_cache_release(eval_cache *c) {
  ap_free(c->keys);
  ap_free(c->full);
  ap_free(c->values);
  memset(c, 0, sizeof *c);
}

/* FNV-1a over the levels, then mixed (the multiplier of splitmix64). */
static size_t first_slot(const eval_cache *c, const uint32_t *levels) {
  uint64_t h = 0xcbf29ce484222325U;
  for (size_t i = 0; i < c->n_layers; ++i) h = (h ^ levels[i]) * 0x100000001b3U;
  h = (h ^ h >> 32) * 0xbf58476d1ce4e5b9U;
  return (size_t)(h ^ h >> 32) & (c->slots - 1);
}

/* The slot that holds `levels`, or the empty one where it belongs; there is one. */
static size_t find_slot(const eval_cache *c, const uint32_t *levels) {
  size_t i = first_slot(c, levels);
  while (c->full[i] && memcmp(c->keys + i * c->n_layers, levels, c->n_layers * sizeof *levels) != 0)
    i = (i + 1) & (c->slots - 1);
  return i;
}

const eval_result *eval_cache_find(const eval_cache *c, const uint32_t *levels) {
  if (c->slots == 0) return NULL;
  const size_t i = find_slot(c, levels);
  return c->full[i] ? &c->values[i] : NULL;
}

static void insert(eval_cache *c, const uint32_t *levels, const eval_result *value) {
  const size_t i = find_slot(c, levels);
  if (!c->full[i]) ++c->used;
  c->full[i] = 1;
  memcpy(c->keys + i * c->n_layers, levels, c->n_layers * sizeof *levels);
  c->values[i] = *value;
}

/* false: memory is out or the limit is reached; the cache is as before. */
static bool grow(eval_cache *c) {
  eval_cache larger = *c;
  larger.slots = c->slots ? c->slots * 2 : first_slots;
  larger.used = 0;
  if (larger.slots > c->limit) return false;
  larger.keys = ap_calloc(larger.slots, c->n_layers * sizeof *larger.keys);
  larger.full = ap_calloc(larger.slots, sizeof *larger.full);
  larger.values = ap_calloc(larger.slots, sizeof *larger.values);
  if (!larger.keys || !larger.full || !larger.values) {
    eval_cache_release(&larger);
    return false;
  }
  for (size_t i = 0; i < c->slots; ++i)
    if (c->full[i]) insert(&larger, c->keys + i * c->n_layers, &c->values[i]);
  eval_cache_release(c);
  *c = larger;
  return true;
}

void eval_cache_put(eval_cache *c, const uint32_t *levels, const eval_result *value) {
  if ((c->used + 1) * 4 > c->slots * 3 && !grow(c)) {
    if (c->slots == 0) return;
    memset(c->full, 0, c->slots * sizeof *c->full);
    c->used = 0;
  }
  insert(c, levels, value);
}
