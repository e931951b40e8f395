/* kernels/grouped/simt_host.h - what simt.h needs when the processor plays a block of threads: which warps
 * the calling thread plays, copies, counters of arrivals, barriers.
 *
 * Alone (crew NULL) a thread plays all warps in turns: copies happen at once, a barrier is nothing, and
 * to wait for arrivals that have not come is a fault in the kernel: the program is aborted. In a crew
 * every warp has a thread and copies are made by one more, in any order; see host_crew.c. */
#ifndef AP_KERNELS_GROUPED_SIMT_HOST_H
#define AP_KERNELS_GROUPED_SIMT_HOST_H
#include <stdint.h>

struct simt_crew;
typedef struct {
  int first, end; /* warps */
  struct simt_crew *crew;
} simt_player;
extern _Thread_local simt_player simt_self; /* at first: all warps, no crew */
int simt_workers_end(void);                 /* after the last that is no filler (simt.h) */

void simt_host_barrier(void);
/* from NULL: zeros. */
void simt_host_copy16(unsigned char *to, const unsigned char *from);
/* at: a counter, 8 bytes at a multiple of 8. */
void simt_host_counter_set(unsigned char *at, uint32_t arrivals);
void simt_host_arrive(unsigned char *at);
void simt_host_copied(unsigned char *at);
/* Those of the calling thread that no counter tells of. */
void simt_host_copies_wait(void);
void simt_host_wait(unsigned char *at, uint32_t parity);

/* A crew of SIMT_BLOCK_WARPS threads: simt_crew_run calls block(data) on each, and returns when all have
 * come back. NULL: no memory or no threads. */
struct simt_crew *simt_crew_create(void);
void simt_crew_run(struct simt_crew *crew, void (*block)(void *data), void *data);
void simt_crew_destroy(struct simt_crew *crew); /* NULL is allowed */

#endif
