/* nn/checkpoint.h - the state of a training run in one file, written atomically.
 *
 * Layout: 8 bytes magic "APCKPT01", uint64 little-endian length of the JSON header, the header
 * ("run": what the run is, "progress": where it is), the executor's state as little-endian float32,
 * then 64 hex digits: the SHA-256 of all before. */
#ifndef AP_NN_CHECKPOINT_H
#define AP_NN_CHECKPOINT_H
#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t step; /* steps done */
  double loss; /* sums over this epoch's images so far */
  size_t correct, images;
  double seconds; /* spent on the run */
} ap_train_progress;

/* run: a flat object that identifies the run, only read. Replaces the file. */
AP_NODISCARD ap_status ap_checkpoint_write(const char *path, json_t *run,
                                           const ap_train_progress *progress, const float *state,
                                           size_t count, ap_error *err);
/* Errors: IO; FORMAT when the file is damaged or belongs to another run (names the first member of
 * `run` that differs, with both values); MEMORY. On error state and progress are as before. */
AP_NODISCARD ap_status ap_checkpoint_read(const char *path, json_t *run,
                                          ap_train_progress *progress, float *state, size_t count,
                                          ap_error *err);

AP_EXTERN_C_END
#endif
