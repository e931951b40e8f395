/* kernels/checks_impl.h - argument checks shared by backend.c, backend_ops.c and backend_gates.c. */
#ifndef AP_KERNELS_CHECKS_IMPL_H
#define AP_KERNELS_CHECKS_IMPL_H
#include "kernels/backend_impl.h"

/* a * b, or SIZE_MAX where that does not fit: no buffer is as large, so the size check refuses. */
size_t ap_saturating_mul(size_t a, size_t b);

static inline size_t ap_saturating_mul3(size_t a, size_t b, size_t c) {
  return ap_saturating_mul(ap_saturating_mul(a, b), c);
}

#define AP_N_OF(list) (sizeof(list) / sizeof((list)[0]))

/* The buffer's elements; NULL for an absent operand. */
static inline float *ap_f32(const ap_buffer *buffer) {
  return buffer ? (void *)buffer->data : NULL;
}

/* One operand of an operation. */
typedef struct {
  const char *name;
  const ap_buffer *buffer; /* NULL only with OPTIONAL */
  size_t count;            /* elements used */
  unsigned flags;
} ap_operand;

enum {
  AP_IN = 0,
  AP_OUT = 1,
  AP_OPTIONAL = 2,
  AP_ALIAS = 4,  /* this input may be the same memory as an output that has AP_ALIAS too */
  AP_BYTES = 8,  /* elements of 1 byte instead of 4 */
  AP_PICKS = 16, /* elements of sizeof(ap_image_pick) */
};

/* Every operand is there, belongs to `be`, is large enough; outputs overlap nothing. ARG with the
 * operation and the operand otherwise. */
AP_NODISCARD ap_status ap_check_operands(const ap_backend *be, const char *op,
                                         const ap_operand *list, size_t n, ap_error *err);

/* A dimension and its name; ARG above INT32_MAX. */
typedef struct {
  const char *name;
  size_t value;
  bool positive; /* 0 is refused */
} ap_dimension;
AP_NODISCARD ap_status ap_check_dimensions(const char *op, const ap_dimension *list, size_t n,
                                           ap_error *err);

#endif
