/* base/alloc.h - all heap memory of the project: zeroed, size products checked, failures testable.
 * Safe from any thread. */
#ifndef AP_BASE_ALLOC_H
#define AP_BASE_ALLOC_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* n*size zeroed bytes, aligned to 64 (a cache line, one AVX-512 vector); NULL when n*size overflows
 * or memory is out. A product of 0 gives a valid pointer. Release with ap_free. */
void *ap_calloc(size_t n, size_t size);

/* Grows or shrinks what ap_calloc gave (NULL allowed); new bytes are zero; on failure NULL and the
 * old block stays valid. */
void *ap_realloc(void *p, size_t n, size_t size);

char *ap_strdup(const char *text); /* NULL when text is NULL or memory is out */
char *ap_sprintf(const char *format, ...) AP_PRINTF(1, 2); /* NULL when memory is out */
void ap_free(void *p);                                     /* NULL is allowed */

/* Tests only: after n further successful allocations the next one fails, once; SIZE_MAX: never. */
void ap_alloc_fail_after(size_t n);
/* Number of successful allocations since the program began: a steady state leaves it unchanged. */
size_t ap_alloc_count(void);

AP_EXTERN_C_END
#endif
