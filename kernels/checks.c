#include "kernels/checks_impl.h"

size_t ap_saturating_mul(size_t a, size_t b) {
  size_t product;
  return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static size_t bytes_of(const ap_operand *o) {
  size_t size = o->flags & AP_BYTES   ? 1
                : o->flags & AP_PICKS ? sizeof(ap_image_pick)
                                      : sizeof(float);
  return ap_saturating_mul(o->count, size);
}

static bool clash(const ap_operand *a, const ap_operand *b) {
  uintptr_t begin_a, begin_b;
  size_t bytes_a = bytes_of(a), bytes_b = bytes_of(b);
  if (!a->buffer || !b->buffer || bytes_a == 0 || bytes_b == 0) return false;
  begin_a = (uintptr_t)a->buffer->data;
  begin_b = (uintptr_t)b->buffer->data;
  if (begin_a == begin_b && (a->flags & b->flags & AP_ALIAS)) return false;
  return begin_a < begin_b + bytes_b && begin_b < begin_a + bytes_a;
}

ap_status ap_check_operands(const ap_backend *be, const char *op, const ap_operand *list, size_t n,
                            ap_error *err) {
  for (size_t i = 0; i < n; i++) {
    const ap_operand *o = &list[i];
    if (!o->buffer) {
      if (o->flags & AP_OPTIONAL) continue;
      return ap_fail(err, AP_ERR_ARG, "%s: %s is missing", op, o->name);
    }
    if (o->buffer->be != be) {
      return ap_fail(err, AP_ERR_ARG, "%s: %s belongs to another backend", op, o->name);
    }
    if (o->buffer->bytes < bytes_of(o)) {
      return ap_fail(err, AP_ERR_ARG, "%s: %s has %zu bytes, needs %zu elements (%zu bytes)", op,
                     o->name, o->buffer->bytes, o->count, bytes_of(o));
    }
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t j = i + 1; j < n; j++) {
      if (((list[i].flags | list[j].flags) & AP_OUT) && clash(&list[i], &list[j])) {
        return ap_fail(err, AP_ERR_ARG, "%s: %s and %s overlap", op, list[i].name, list[j].name);
      }
    }
  }
  return AP_OK;
}

ap_status ap_check_dimensions(const char *op, const ap_dimension *list, size_t n, ap_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (list[i].value > INT32_MAX) {
      return ap_fail(err, AP_ERR_ARG, "%s: %s = %zu, at most %d is possible", op, list[i].name,
                     list[i].value, INT32_MAX);
    }
    if (list[i].positive && list[i].value == 0) {
      return ap_fail(err, AP_ERR_ARG, "%s: %s = 0, must be at least 1", op, list[i].name);
    }
  }
  return AP_OK;
}
