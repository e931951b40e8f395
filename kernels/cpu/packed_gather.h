/* kernels/cpu/packed_gather.h - reads a weight matrix once: which weights are kept, and their values.
 *
 * A matrix of a large layer comes from memory, lists of it are a tenth of that. So values are copied out
 * in the pass that finds them, a row (or the nine rows of an input channel's kernels) at a time, while it
 * is in the nearest cache. What form the lists will have is known only when everything was counted; a
 * beginning of the matrix is taken to stand for it. If it does not, lists are written from the matrix. */
#ifndef AP_KERNELS_CPU_PACKED_GATHER_H
#define AP_KERNELS_CPU_PACKED_GATHER_H
#include "kernels/cpu/packed_scan.h"

typedef struct {
  const void *data;
  size_t size;                                                /* bytes of a weight: 4 or 1 */
  bool (*nonzero)(const void *row, size_t n, uint64_t *bits); /* of an instruction set */
} packed_matrix;

typedef struct {
  ap_packed_form form; /* that the values suit; AUTO: none were copied */
  size_t each;         /* values of an entry */
  uint8_t *values;     /* of entry after entry, by the lists' rows in the order of the matrix */
  size_t n, room;      /* entries */
  uint32_t *start;     /* [rows][steps of packed_scan_each]: entries before */
  uint64_t *bits;      /* [rows][words]: those of packed_scan_lists */
} packed_kept;

/* The form with the least work, by s->entries. */
typedef ap_packed_form packed_choice(const void *context, const packed_scan *s);
typedef struct {
  const ap_packed_conv *geometry;
  ap_packed_form form; /* AUTO: choose(context, ...) says */
  packed_choice *choose;
  const void *context;
  void (*units)(const uint64_t *bits, size_t n, size_t counts[4]); /* packed_count.h */
  size_t (*kernels)(const uint64_t *bits, size_t kernels, size_t words);
} packed_wish;

/* From a matrix to the lists' rows in *s (as after packed_scan_lists), the form in *form, and values in *kept if they could be
 * copied. Errors: ARG with the row of a weight that is not finite, MEMORY; *kept is to be closed then, too. */
AP_NODISCARD ap_status packed_gather(const packed_matrix *matrix, const packed_wish *wish,
                                     packed_scan *s, packed_kept *kept, ap_packed_form *form,
                                     ap_error *err);
void packed_kept_close(packed_kept *kept);

/* Where the values of row r's entries begin, from the lists of word `first` on; NULL: in the matrix. */
static inline const void *packed_kept_at(const packed_kept *kept, const packed_scan *s, size_t size,
                                         size_t r, size_t first) {
  if (kept->form == AP_PACKED_AUTO) return NULL;
  const size_t steps = packed_scan_steps(s);
  return kept->values + kept->start[r * steps + first / PACKED_STEP_WORDS] * kept->each * size;
}
#endif
