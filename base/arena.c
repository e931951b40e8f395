#include "base/arena.h"

#include <stdint.h>

#include "base/alloc.h"

/* Pieces double in size: what is never touched costs nothing, and few are begun. */
#define LEAST_PIECE ((size_t)4 << 20)
#define LARGEST_PIECE ((size_t)64 << 20)
#define ALIGNMENT ((size_t)64)

typedef struct {
  uint8_t *memory;
  size_t bytes, used;
} piece;

struct ap_arena {
  piece *pieces; /* the last one is being filled */
  size_t n;
};

ap_arena *ap_arena_create(void) { return ap_calloc(1, sizeof(ap_arena)); }

void ap_arena_destroy(ap_arena *arena) {
  if (!arena) return;
  for (size_t i = 0; i < arena->n; ++i) ap_free(arena->pieces[i].memory);
  ap_free(arena->pieces);
  ap_free(arena);
}

static piece *begin_piece(ap_arena *arena, size_t bytes) {
  size_t size = LEAST_PIECE;
  if (arena->pieces && arena->n > 0) size = arena->pieces[arena->n - 1].bytes * 2;
  if (size > LARGEST_PIECE) size = LARGEST_PIECE;
  if (size < bytes) size = bytes;
  piece *pieces = ap_realloc(arena->pieces, arena->n + 1, sizeof *pieces);
  if (!pieces) return NULL;
  arena->pieces = pieces;
  uint8_t *memory = ap_calloc(size, 1);
  if (!memory) return NULL;
  pieces[arena->n] = (piece){memory, size, 0};
  return &pieces[arena->n++];
}

void *ap_arena_calloc(ap_arena *arena, size_t n, size_t size) {
  size_t bytes;
  if (!arena) return ap_calloc(n, size);
  if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
  bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  piece *p = arena->n > 0 ? &arena->pieces[arena->n - 1] : NULL;
  if (!p || p->bytes - p->used < bytes) p = begin_piece(arena, bytes);
  if (!p) return NULL;
  void *block = p->memory + p->used;
  p->used += bytes;
  return block;
}
