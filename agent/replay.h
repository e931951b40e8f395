/* agent/replay.h - the last transitions that an agent went through, and how to draw from them. */
#ifndef AP_AGENT_REPLAY_H
#define AP_AGENT_REPLAY_H
#include <stdbool.h>
#include <stddef.h>

#include "agent/searcher.h"
#include "base/rng.h"
#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_replay ap_replay;

/* One step; pointers into the buffer, valid until the next add. */
typedef struct {
  const float *state, *next; /* n_features each; next is all zeros at the end of an episode */
  float action, reward;
  bool done; /* the last step of its episode */
} ap_transition;

/* Room for `capacity` > 0 transitions; a new one takes the place of the oldest. */
AP_NODISCARD ap_status ap_replay_create(size_t capacity, size_t n_features, ap_replay **out,
                                        ap_error *err);
void ap_replay_destroy(ap_replay *replay); /* NULL is allowed */
void ap_replay_add(ap_replay *replay, const ap_transition *transition);
/* Of the i-th as ap_replay_at counts. */
void ap_replay_set_reward(ap_replay *replay, size_t i, float reward);
size_t ap_replay_size(const ap_replay *replay);
/* i = 0 (oldest) .. size-1 (newest). */
ap_transition ap_replay_at(const ap_replay *replay, size_t i);
/* Index of one stored transition, drawn with replacement; size > 0. AP_SAMPLER_AMC_CODE passes over
 * every step that follows the end of an episode, except the oldest one in the buffer. */
size_t ap_replay_draw(const ap_replay *replay, ap_sampler sampler, ap_rng *rng);

/* The whole content as one block, for a resumed run: capacity and n_features must be the same. set
 * answers false when the block contradicts itself. */
size_t ap_replay_state_bytes(const ap_replay *replay);
void ap_replay_state_get(const ap_replay *replay, void *bytes);
AP_NODISCARD bool ap_replay_state_set(ap_replay *replay, const void *bytes);

AP_EXTERN_C_END
#endif
