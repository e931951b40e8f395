#include "tests/kernels/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double product_rounding = 1;
ap_backend *tested, *oracle;
const char *tested_name;
ap_rng rng;
const size_t counts[N_COUNTS] = {0, 1, 2, 15, 16, 17, 127, 1009, 32767, 32768, 32769, 65537};

static void make(tensor *x, size_t count) {
  ap_error err = {0};
  x->count = count;
  x->host = calloc(count + 1, sizeof *x->host);
  assert_non_null(x->host);
  if (ap_buffer_create(tested, count * sizeof(float), &x->t, &err)) fail_msg("%s", err.text);
  if (ap_buffer_create(oracle, count * sizeof(float), &x->o, &err)) fail_msg("%s", err.text);
}

void tensor_push(tensor *x) {
  ap_error err = {0};
  if (ap_buffer_write(x->t, 0, x->host, x->count * sizeof(float), &err)) fail_msg("%s", err.text);
  if (ap_buffer_write(x->o, 0, x->host, x->count * sizeof(float), &err)) fail_msg("%s", err.text);
}

void tensor_make(tensor *x, size_t count, fill_kind kind) {
  make(x, count);
  for (size_t i = 0; i < count; i++) {
    x->host[i] =
        kind == FILL_INTEGER ? (float)ap_rng_below(&rng, 9) - 4 : (float)ap_rng_normal(&rng);
  }
  tensor_push(x);
}

void tensor_constant(tensor *x, size_t count, float value) {
  make(x, count);
  for (size_t i = 0; i < count; i++) x->host[i] = value;
  tensor_push(x);
}

void tensor_bytes(tensor *x, size_t bytes, const void *data) {
  make(x, (bytes + sizeof(float) - 1) / sizeof(float));
  if (bytes > 0) memcpy(x->host, data, bytes);
  tensor_push(x);
}

void tensor_free(tensor *x) {
  ap_buffer_destroy(x->t);
  ap_buffer_destroy(x->o);
  free(x->host);
  memset(x, 0, sizeof *x);
}

void tensors_free(tensor **list, size_t n) {
  for (size_t i = 0; i < n; i++) tensor_free(list[i]);
}

float *read_floats(ap_buffer *buffer, size_t n) {
  ap_error err = {0};
  float *out = calloc(n + 1, sizeof *out);
  assert_non_null(out);
  if (ap_buffer_read(buffer, 0, out, n * sizeof *out, &err)) fail_msg("%s", err.text);
  return out;
}

void tensor_same(const char *what, const tensor *x, double tolerance) {
  float *t = read_floats(x->t, x->count), *o = read_floats(x->o, x->count);
  for (size_t i = 0; i < x->count; i++) {
    const double difference = fabs((double)t[i] - (double)o[i]);
    if (isnan(t[i]) && isnan(o[i])) continue;
    if (!(difference <= tolerance * (1 + fabs((double)o[i])))) {
      fail_msg("%s[%zu of %zu]: %s gives %.9g, the oracle %.9g", what, i, x->count, tested_name,
               (double)t[i], (double)o[i]);
    }
  }
  free(t);
  free(o);
}

void same_for_all_threads(size_t floats, void (*results)(size_t threads, float *all)) {
  float *one = malloc(floats * sizeof *one), *more = malloc(floats * sizeof *more);
  assert_true(one && more);
  results(1, one);
  for (size_t threads = 2; threads <= 3; threads++) {
    results(threads, more);
    assert_memory_equal(one, more, floats * sizeof *one);
  }
  free(one);
  free(more);
}
