/* tests/kernels/support.h - buffers, random fillings and comparisons for the backends' tests.
 * Not thread safe: one test program has one set of backends. */
#ifndef AP_TESTS_KERNELS_SUPPORT_H
#define AP_TESTS_KERNELS_SUPPORT_H
/* cmocka.h needs the four before it, so the order is fixed here. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "base/rng.h"
#include "kernels/backend.h"

typedef enum {
  FILL_INTEGER, /* -4..4: sums are exact in float, so every order gives the same */
  FILL_NORMAL
} fill_kind;

/* The backend under test and the oracle; opened by main. */
extern ap_backend *tested, *oracle;
extern const char *tested_name;
extern double product_rounding; /* of convolutions' inputs, in units of float32's */
extern ap_rng rng;

#define OK(call)                                                   \
  do {                                                             \
    ap_error ok_error = {0};                                       \
    if ((call) != AP_OK) fail_msg("%s: %s", #call, ok_error.text); \
  } while (0)

/* Calls results(threads, all) with 1, 2 and 3 threads: all[floats] has the same bits. */
void same_for_all_threads(size_t floats, void (*results)(size_t threads, float *all));

#define EPS 1e-6
#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Numbers of elements around the backends' blocks. */
#define N_COUNTS 12
extern const size_t counts[N_COUNTS];

/* One tensor, on both backends, with the host's copy. */
typedef struct {
  size_t count;
  float *host;
  ap_buffer *t, *o; /* tested, oracle */
} tensor;

void tensor_make(tensor *x, size_t count, fill_kind kind);
void tensor_constant(tensor *x, size_t count, float value); /* NAN: poison for an output */
void tensor_bytes(tensor *x, size_t bytes, const void *data);
void tensor_free(tensor *x);
void tensors_free(tensor **list, size_t n);
#define FREE(...)                     \
  do {                                \
    tensor *list_[] = {__VA_ARGS__};  \
    tensors_free(list_, N_OF(list_)); \
  } while (0)
/* Puts host[] on both backends. */
void tensor_push(tensor *x);

/* Runs an operation on both sides: T(name) is the tensor's buffer there. */
#define ON_BOTH(call)                          \
  do {                                         \
    for (int side = 0; side < 2; side++) {     \
      ap_backend *be = side ? oracle : tested; \
      OK(call);                                \
    }                                          \
  } while (0)
#define T(name) (side ? name.o : name.t)

/* Both results, element by element: within tolerance * (1 + |oracle|); 0 means equal. */
void tensor_same(const char *what, const tensor *x, double tolerance);

/* n floats read from a buffer into a new array (test_free). */
float *read_floats(ap_buffer *buffer, size_t n);

#endif
