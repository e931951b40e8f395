/* base/arena.h - memory that grows and is given back all at once: many blocks of some size that live equally
 * long lie side by side in large pieces, for which the system has large pages. Not for two threads at a time. */
#ifndef AP_BASE_ARENA_H
#define AP_BASE_ARENA_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_arena ap_arena;

ap_arena *ap_arena_create(void);        /* NULL when memory is out */
void ap_arena_destroy(ap_arena *arena); /* with all that it gave; NULL is allowed */

/* As ap_calloc, but what it gives lives as long as the arena. NULL: it is ap_calloc. */
void *ap_arena_calloc(ap_arena *arena, size_t n, size_t size);

AP_EXTERN_C_END
#endif
