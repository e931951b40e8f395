#include "base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Test instrumentation and statistics; the only process-wide state, and atomic. */
static _Atomic size_t fail_after = SIZE_MAX;
static _Atomic size_t n_allocations;

/* Every block carries its size one cache line in front of it, so that growing can zero the rest, and
 * where the memory begins that the C library gave. */
#define HEADER ((size_t)64)
typedef struct {
  size_t bytes;
  void *memory;
} header;

static int must_fail(void) {
  size_t left = atomic_load(&fail_after);
  while (left != SIZE_MAX) {
    size_t next = left == 0 ? SIZE_MAX : left - 1;
    if (atomic_compare_exchange_weak(&fail_after, &left, next)) return left == 0;
  }
  return 0;
}

/* Large blocks in large pages, where the system gives them to who asks: fewer misses of address translation, and
 * fewer faults when they are written first. A wish: whether it is granted makes no difference to anybody. */
#define LARGE_PAGE ((uintptr_t)2 << 20)
static void wish_large_pages(char *memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  const uintptr_t first = ((uintptr_t)memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  const uintptr_t end = ((uintptr_t)memory + bytes) / LARGE_PAGE * LARGE_PAGE;
  if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

/* By calloc, which does not write to memory that is fresh from the system and zero already. */
void *ap_calloc(size_t n, size_t size) {
  char *memory, *block;
  size_t bytes;
  if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2 || must_fail()) return NULL;
  memory = calloc(1, 2 * HEADER + bytes);
  if (!memory) return NULL;
  if (bytes >= 2 * LARGE_PAGE) wish_large_pages(memory, 2 * HEADER + bytes);
  block = memory + (HEADER - (uintptr_t)memory % HEADER); /* at least 16 bytes further */
  *(header *)(void *)block = (header){bytes, memory};
  atomic_fetch_add(&n_allocations, 1);
  return block + HEADER;
}

void *ap_realloc(void *p, size_t n, size_t size) {
  size_t old = 0, bytes;
  void *grown;
  if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
  grown = ap_calloc(n, size);
  if (!grown) return NULL;
  if (p) {
    old = ((const header *)(const void *)((char *)p - HEADER))->bytes;
    memcpy(grown, p, old < bytes ? old : bytes);
    ap_free(p);
  }
  return grown;
}

char *ap_strdup(const char *text) {
  char *copy = text ? ap_calloc(strlen(text) + 1, 1) : NULL;
  if (copy) memcpy(copy, text, strlen(text));
  return copy;
}

char *ap_sprintf(const char *format, ...) {
  char *text = NULL;
  int length;
  va_list args;
  va_start(args, format);
  length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length >= 0) text = ap_calloc((size_t)length + 1, 1);
  if (text) {
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
  }
  return text;
}

void ap_free(void *p) {
  if (p) free(((const header *)(const void *)((char *)p - HEADER))->memory);
}

void ap_alloc_fail_after(size_t n) { atomic_store(&fail_after, n); }
size_t ap_alloc_count(void) { return atomic_load(&n_allocations); }
