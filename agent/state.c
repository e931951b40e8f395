#include <string.h>

#include "agent/state_impl.h"
#include "base/alloc.h"

void ap_state_put(ap_state_writer *w, const void *bytes, size_t size) {
  if (w->failed) return;
  if (size > w->capacity - w->size) {
    size_t wanted = w->capacity + size + w->capacity / 2 + 4096;
    char *grown = ap_realloc(w->data, wanted, 1);
    if (!grown) {
      w->failed = true;
      return;
    }
    w->data = grown;
    w->capacity = wanted;
  }
  if (size) memcpy(w->data + w->size, bytes, size);
  w->size += size;
}

void ap_state_put_size(ap_state_writer *w, size_t value) {
  uint64_t v = value;
  ap_state_put(w, &v, sizeof v);
}

void ap_state_put_number(ap_state_writer *w, double value) {
  ap_state_put(w, &value, sizeof value);
}

void ap_state_put_text(ap_state_writer *w, const char *text) {
  size_t length = strlen(text);
  ap_state_put_size(w, length);
  ap_state_put(w, text, length);
}

void ap_state_get(ap_state_reader *r, void *bytes, size_t size) {
  if (r->failed || size > r->size - r->at) {
    r->failed = true;
    if (size) memset(bytes, 0, size);
    return;
  }
  if (size) memcpy(bytes, r->data + r->at, size);
  r->at += size;
}

size_t ap_state_get_size(ap_state_reader *r) {
  uint64_t v;
  ap_state_get(r, &v, sizeof v);
  return (size_t)v;
}

double ap_state_get_number(ap_state_reader *r) {
  double v;
  ap_state_get(r, &v, sizeof v);
  return v;
}

bool ap_state_get_text_is(ap_state_reader *r, const char *text) {
  size_t length = ap_state_get_size(r);
  bool same;
  if (r->failed || length > r->size - r->at) {
    r->failed = true;
    return false;
  }
  same = length == strlen(text) && memcmp(r->data + r->at, text, length) == 0;
  r->at += length;
  return same;
}
