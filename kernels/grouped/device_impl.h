/* kernels/grouped/device_impl.h - what an engine needs of a device: memory, a queue, launches that can
 * be recorded once and replayed. */
#ifndef AP_KERNELS_GROUPED_DEVICE_IMPL_H
#define AP_KERNELS_GROUPED_DEVICE_IMPL_H
#include <stdbool.h>

#include "base/status.h"
#include "kernels/grouped/grouped_impl.h"
AP_EXTERN_C_BEGIN

typedef struct ap_device ap_device;
typedef struct ap_device_graph ap_device_graph;

enum { AP_DEVICE_MARKS = 2 };

typedef struct {
  void (*close)(ap_device *device); /* releases the record, too */
  /* Device memory, zeroed, aligned to 256 bytes; bytes > 0. */
  ap_status (*alloc)(ap_device *device, size_t bytes, void **out, ap_error *err);
  void (*release)(ap_device *device, void *data); /* NULL is allowed */
  /* Host memory that queue_write and queue_read may use. */
  ap_status (*alloc_host)(ap_device *device, size_t bytes, void **out, ap_error *err);
  void (*release_host)(ap_device *device, void *data);
  /* Wait for the transfer and for all before it. */
  ap_status (*write)(ap_device *device, void *to, const void *from, size_t bytes, ap_error *err);
  ap_status (*read)(ap_device *device, const void *from, void *to, size_t bytes, ap_error *err);
  /* In order with everything queued; `host` comes from alloc_host and stays untouched meanwhile. */
  ap_status (*queue_write)(ap_device *device, void *to, const void *host, size_t bytes,
                           ap_error *err);
  ap_status (*queue_read)(ap_device *device, const void *from, void *host, size_t bytes,
                          ap_error *err);
  /* mark: notes what is queued so far under number i < AP_DEVICE_MARKS; wait: until that is done. */
  ap_status (*mark)(ap_device *device, size_t i, ap_error *err);
  ap_status (*wait)(ap_device *device, size_t i, ap_error *err);
  /* Between begin and end launches are recorded, not queued; after a failure in between, end is
   * called with out NULL. */
  ap_status (*record_begin)(ap_device *device, ap_error *err);
  ap_status (*record_end)(ap_device *device, ap_device_graph **out, ap_error *err);
  ap_status (*launch)(ap_device *device, const grouped_launch *launch, ap_error *err);
  ap_status (*replay)(ap_device *device, ap_device_graph *graph, ap_error *err);
  void (*forget)(ap_device *device, ap_device_graph *graph); /* NULL is allowed */
  /* Times: overwrites the device's caches; begins; ends, waits, gives the device's time between. */
  ap_status (*flush)(ap_device *device, ap_error *err);
  ap_status (*clock_begin)(ap_device *device, ap_error *err);
  ap_status (*clock_end)(ap_device *device, double *seconds, ap_error *err);
  /* Queues c[m, n] = a[m, k] b[k, n], row-major, bfloat16 or float32. UNSUPPORTED without a library. */
  ap_status (*product)(ap_device *device, bool wide, size_t m, size_t n, size_t k, const void *a,
                       const void *b, void *c, ap_error *err);
} ap_device_ops;

/* The first member of every device's own record. */
struct ap_device {
  const ap_device_ops *ops;
  char description[256];
  size_t shared_bytes; /* most shared memory of a block */
  size_t free_bytes;   /* device memory, when it was opened */
};

/* Recorded launches that a device repeats one by one. */
typedef struct {
  grouped_launch *launches;
  size_t n, capacity;
} grouped_list;
AP_NODISCARD ap_status grouped_list_add(grouped_list *list, const grouped_launch *launch,
                                        ap_error *err);
void grouped_list_release(grouped_list *list);

/* host_device.c: runs every launch at once on the calling thread; threads: layers by a thread for every
 * warp (simt_host.h). */
AP_NODISCARD ap_status ap_host_device_open(bool threads, ap_device **out, ap_error *err);
/* cuda/cuda_device.c, or cuda/cuda_absent.c (always UNSUPPORTED). */
AP_NODISCARD ap_status ap_cuda_device_open(ap_device **out, ap_error *err);

AP_EXTERN_C_END
#endif
