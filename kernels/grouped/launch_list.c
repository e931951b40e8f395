#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/device_impl.h"

ap_status grouped_list_add(grouped_list *list, const grouped_launch *launch, ap_error *err) {
  if (list->n == list->capacity) {
    const size_t capacity = list->capacity ? 2 * list->capacity : 64;
    grouped_launch *launches = ap_realloc(list->launches, capacity, sizeof *launches);
    if (!launches) return ap_fail(err, AP_ERR_MEMORY, "%zu recorded launches", capacity);
    list->launches = launches;
    list->capacity = capacity;
  }
  list->launches[list->n++] = *launch;
  return AP_OK;
}

void grouped_list_release(grouped_list *list) {
  ap_free(list->launches);
  memset(list, 0, sizeof *list);
}
