/* kernels/cpu/cpu_impl.h - shared by the two CPU backends: memory in host addresses. */
#ifndef AP_KERNELS_CPU_IMPL_H
#define AP_KERNELS_CPU_IMPL_H
#include "kernels/backend_impl.h"

ap_status ap_cpu_sync(ap_backend *be, ap_error *err);
ap_status ap_cpu_alloc(ap_backend *be, size_t bytes, void **out, ap_error *err);
void ap_cpu_release(ap_backend *be, void *data);
ap_status ap_cpu_write(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
ap_status ap_cpu_read(ap_backend *be, const void *from, void *to, size_t bytes, ap_error *err);
ap_status ap_cpu_copy(ap_backend *be, void *to, const void *from, size_t bytes, ap_error *err);
ap_status ap_cpu_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err);

#endif
