/* kernels/cpu/packed_gather.h - reads a weight matrix once: which weights are kept, and their values.
 *
 * A matrix of a large layer comes from memory, lists of it are a tenth of that. So values are copied out
 * in the pass that finds them, a row (or the nine rows of an input channel's kernels) at a time, while it
 * is in the nearest cache. What form the lists will have is known only when everything was counted; a
 * beginning of the matrix is taken to stand for it. If it does not, lists are written from the matrix. */
#ifndef AP_KERNELS_CPU_PACKED_GATHER_H
#define AP_KERNELS_CPU_PACKED_GATHER_H
#include <string.h>

#include "kernels/cpu/packed_scan.h"

typedef struct {
  const void *data;
  size_t size;                                                /* bytes of a weight: 4 or 1 */
  bool (*nonzero)(const void *row, size_t n, uint64_t *bits); /* of an instruction set */
  packed_eights *eights;                                      /* likewise, of bytes; or NULL */
} packed_matrix;

typedef struct {
  ap_packed_form form; /* that the values suit; AUTO: none were copied */
  bool pairs;          /* entries are of LIST8 and each is two of LIST4, of neighbouring lists; */
  bool halves;         /* not always of both: packed_has_half says */
  size_t each;         /* values of an entry */
  uint8_t *values;     /* of entry after entry, by the lists' rows in the order of the matrix */
  uint16_t *list;      /* and which list each belongs to */
  size_t n, room;      /* entries */
  uint32_t *start;     /* [rows][steps of packed_each_entry] and one more: entries before */
  size_t *sizes;       /* [segment][list]: entries */
} packed_kept;

/* The form with the least work, by s->entries. */
typedef ap_packed_form packed_choice(const void *context, const packed_scan *s);
typedef struct {
  const ap_packed_conv *geometry;
  ap_packed_form form; /* AUTO: choose(context, ...) says */
  packed_choice *choose;
  const void *context;
  bool pairs; /* LIST4 can be made of entries of LIST8; of integers */
  void (*units)(const uint64_t *bits, size_t n, size_t counts[4]); /* packed_count.h */
  size_t (*kernels)(const uint64_t *bits, size_t kernels, size_t words);
} packed_wish;

/* From a matrix to the form in *form and the lists' rows: entries in *kept if they could be copied (*s has
 * their shape, packed_scan_shape), else in *s as after packed_scan_lists. Errors: ARG with the row of a weight
 * that is not finite, MEMORY; *kept is to be closed then, too. */
AP_NODISCARD ap_status packed_gather(const packed_matrix *matrix, const packed_wish *wish,
                                     packed_scan *s, packed_kept *kept, ap_packed_form *form,
                                     ap_error *err);
void packed_kept_close(packed_kept *kept);

/* The shape that kept's entries have, of lists with the shape of *s: that, or of pairs of them. */
packed_scan packed_kept_shape(const packed_kept *kept, const packed_scan *s);
/* What packed_scan_sizes adds, of entries that were copied or not. */
void packed_kept_sizes(const packed_kept *kept, const packed_scan *s, size_t *sizes);

/* Where the values of row r's entries begin, from the lists of word `first` on; NULL: in the matrix. */
static inline const void *packed_kept_at(const packed_kept *kept, const packed_scan *s, size_t size,
                                         size_t r, size_t first) {
  if (kept->form == AP_PACKED_AUTO) return NULL;
  const size_t steps = packed_scan_steps(s);
  return kept->values + kept->start[r * steps + first / PACKED_STEP_WORDS] * kept->each * size;
}

/* pairs: is any weight of this half of an entry kept? */
static inline bool packed_has_half(const uint8_t *values, size_t half) {
  uint32_t four;
  memcpy(&four, values + half * sizeof four, sizeof four);
  return four != 0;
}

/* Does any list have an entry of row r? */
static inline bool packed_row_has(const packed_kept *kept, const packed_scan *s, size_t r) {
  if (kept->form != AP_PACKED_AUTO) {
    const size_t steps = packed_scan_steps(s);
    return kept->start[r * steps] < kept->start[(r + 1) * steps];
  }
  for (size_t word = 0; word < s->words; ++word)
    if (s->bits[r * s->words + word]) return true;
  return false;
}

/* Where a list's coming entries go, fetched ahead of them: new memory is in no near cache, and of so many lists that
 * grow in turns no processor guesses it. Always inline: a call without results or writes may be left out. */
static inline __attribute__((always_inline)) void packed_ahead_of_entry(const void *entry) {
  enum { BYTES = 128 }; /* of 96 to 512, the best or near it for every form */
  __builtin_prefetch((const char *)entry + BYTES, 1);
}

/* write(context, list) for each of row r's lists from word `first` on, as many as grow side by side. */
static inline __attribute__((always_inline)) void packed_each_of_row(
    const packed_kept *kept, const packed_scan *s, size_t r, size_t first,
    void (*write)(void *context, size_t list), void *context) {
  if (kept->form != AP_PACKED_AUTO) {
    const uint32_t *start = kept->start + r * packed_scan_steps(s) + first / PACKED_STEP_WORDS;
    const uint32_t end = start[1];
    for (uint32_t i = start[0]; i < end; ++i) write(context, kept->list[i]);
    return;
  }
  const size_t last = first + PACKED_STEP_WORDS < s->words ? first + PACKED_STEP_WORDS : s->words;
  for (size_t word = first; word < last; ++word)
    for (uint64_t m = s->bits[r * s->words + word]; m; m &= m - 1)
      write(context, word * 64 + (size_t)__builtin_ctzll(m));
}

/* row(context, r, segment, first) before a row's entries of the lists from word `first` on, write(context, list)
 * for each of them; each list's rows in their order. Some lists at a time: they grow side by side in the cache. */
static inline __attribute__((always_inline)) void packed_each_entry(
    const packed_kept *kept, const packed_scan *s,
    void (*row)(void *context, size_t r, size_t segment, size_t first),
    void (*write)(void *context, size_t list), void *context) {
  const size_t run = s->segments == 1 ? s->rows : s->kw; /* rows of a channel in a segment */
  for (size_t first = 0; first < s->words; first += PACKED_STEP_WORDS)
    for (size_t segment = 0; segment < s->segments; ++segment)
      for (size_t begin = segment * run; begin < s->rows; begin += s->segments * run)
        for (size_t r = begin; r < begin + run; ++r) {
          row(context, r, segment, first);
          packed_each_of_row(kept, s, r, first, write, context);
        }
}
#endif
