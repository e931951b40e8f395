/* base/threads.h - a pool of worker threads that runs numbered blocks of one loop.
 * Blocks are handed out dynamically; what a block computes may depend on its number only, so that
 * results do not depend on the thread count. One caller at a time per pool. */
#ifndef AP_BASE_THREADS_H
#define AP_BASE_THREADS_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct ap_pool ap_pool;

/* n_threads 0: one per processor that this process may run on. The calling thread is one of them.
 * Errors: MEMORY; INTERNAL when a thread cannot be started; ARG above 1024. */
AP_NODISCARD ap_status ap_pool_create(size_t n_threads, ap_pool **out, ap_error *err);
void ap_pool_destroy(ap_pool *pool); /* NULL is allowed */
size_t ap_pool_threads(const ap_pool *pool);

/* Calls body(context, block, worker) once for every block in 0..n_blocks-1; worker is
 * 0..threads-1 and names scratch space. Returns when all have ended. No allocation. */
typedef void ap_pool_body(void *context, size_t block, size_t worker);
void ap_pool_run(ap_pool *pool, size_t n_blocks, ap_pool_body *body, void *context);

AP_EXTERN_C_END
#endif
