#include "agent/replay.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

/* A record: state, next, action, reward, done (1 or 0), all floats. */
struct ap_replay {
  size_t capacity, n_features, width;
  size_t size, start; /* stored; slot of the oldest */
  float *records;     /* capacity x width */
};

ap_status ap_replay_create(size_t capacity, size_t n_features, ap_replay **out, ap_error *err) {
  ap_replay *r = NULL;
  *out = NULL;
  if (capacity < 1 || n_features < 1 || n_features > 1u << 20) {
    return ap_fail(err, AP_ERR_ARG, "replay of %zu steps with %zu features: expected >= 1",
                   capacity, n_features);
  }
  r = ap_calloc(1, sizeof *r);
  if (r) {
    r->capacity = capacity;
    r->n_features = n_features;
    r->width = 2 * n_features + 3;
    r->records = ap_calloc(capacity, r->width * sizeof(float));
  }
  if (!r || !r->records) {
    ap_replay_destroy(r);
    return ap_fail(err, AP_ERR_MEMORY, "replay of %zu steps", capacity);
  }
  *out = r;
  return AP_OK;
}

void ap_replay_destroy(ap_replay *replay) {
  if (!replay) return;
  ap_free(replay->records);
  ap_free(replay);
}

void ap_replay_add(ap_replay *r, const ap_transition *transition) {
  size_t n = r->n_features, slot = (r->start + r->size) % r->capacity;
  float *record = r->records + slot * r->width;
  memcpy(record, transition->state, n * sizeof *record);
  memcpy(record + n, transition->next, n * sizeof *record);
  record[2 * n] = transition->action;
  record[2 * n + 1] = transition->reward;
  record[2 * n + 2] = transition->done ? 1 : 0;
  if (r->size < r->capacity) {
    r->size++;
  } else {
    r->start = (r->start + 1) % r->capacity;
  }
}

size_t ap_replay_size(const ap_replay *replay) { return replay->size; }

ap_transition ap_replay_at(const ap_replay *r, size_t i) {
  size_t n = r->n_features;
  const float *record = r->records + (r->start + i) % r->capacity * r->width;
  return (ap_transition){record, record + n, record[2 * n], record[2 * n + 1],
                         record[2 * n + 2] > 0};
}

void ap_replay_set_reward(ap_replay *r, size_t i, float reward) {
  r->records[(r->start + i) % r->capacity * r->width + 2 * r->n_features + 1] = reward;
}

static bool drawable(const ap_replay *r, size_t i) {
  return i == 0 || !ap_replay_at(r, i - 1).done;
}

size_t ap_replay_draw(const ap_replay *r, ap_sampler sampler, ap_rng *rng) {
  size_t i = ap_rng_below(rng, r->size);
  /* Index 0 is always drawable, so this ends. */
  while (sampler == AP_SAMPLER_AMC_CODE && !drawable(r, i)) i = ap_rng_below(rng, r->size);
  return i;
}

size_t ap_replay_state_bytes(const ap_replay *r) {
  return 2 * sizeof(uint64_t) + r->capacity * r->width * sizeof(float);
}

void ap_replay_state_get(const ap_replay *r, void *bytes) {
  uint64_t head[2] = {r->size, r->start};
  memcpy(bytes, head, sizeof head);
  memcpy((char *)bytes + sizeof head, r->records, r->capacity * r->width * sizeof(float));
}

bool ap_replay_state_set(ap_replay *r, const void *bytes) {
  uint64_t head[2];
  memcpy(head, bytes, sizeof head);
  if (head[0] > r->capacity || head[1] >= r->capacity) return false;
  r->size = (size_t)head[0];
  r->start = (size_t)head[1];
  memcpy(r->records, (const char *)bytes + sizeof head, r->capacity * r->width * sizeof(float));
  return true;
}
