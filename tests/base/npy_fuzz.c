/* The pattern of our fuzz tests: LLVMFuzzerTestOneInput checks one input, and without libFuzzer a
 * seeded mutator feeds it, as a CTest case that always does the same work.
 *
 *   test_base_npy_fuzz [SEED [ROUNDS]]
 *   with libFuzzer: clang -g -I. -D_GNU_SOURCE -DAP_LIBFUZZER -fsanitize=fuzzer,address,undefined \
 *     tests/base/npy_fuzz.c base/npy.c base/file*.c base/alloc.c base/status.c -llzma -lz -lm */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                  \
  do {                                                                      \
    if (!(condition)) {                                                     \
      (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                              \
    }                                                                       \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ap_npy array;
  ap_error err = {AP_OK, ""};
  ap_status st = ap_npy_parse((const char *)data, size, "fuzz", &array, &err);
  if (st) {
    REQUIRE(st == AP_ERR_FORMAT && err.code == AP_ERR_FORMAT);
    REQUIRE(strstr(err.text, "byte ") && !strchr(err.text, '\n'));
    REQUIRE(!array.data && array.count == 0 && array.n_dims == 0);
  } else {
    size_t count = 1, different = 0;
    REQUIRE(array.n_dims <= AP_NPY_MAX_DIMS && array.data);
    for (size_t i = 0; i < array.n_dims; i++) count *= array.dims[i];
    REQUIRE(count == array.count);
    REQUIRE(count * ap_npy_item_size(array.type) <= size);
    for (size_t i = 0; i < count; i++) different += ap_npy_get(&array, i) != 0;
    REQUIRE(different <= count);
    ap_npy_release(&array);
  }
  return 0;
}

#ifndef AP_LIBFUZZER
#include "base/rng.h"

#define MAX_INPUT 400

static const struct {
  int version;
  const char *header;
  size_t n_bytes;
} valid[] = {
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }          \n", 48},
    {2, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 5), }\n", 30},
    {3, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (0, 7), }\n", 0},
    {1, "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 1, 2, 1, 1, 1, 1, 3), }\n", 48},
};
#define N_VALID (sizeof valid / sizeof valid[0])

static size_t make_valid(size_t which, uint8_t *out) {
  size_t length = strlen(valid[which].header), at = valid[which].version == 1 ? 10 : 12;
  memset(out, 0, at);
  memcpy(out, "\x93NUMPY", 6);
  out[6] = (uint8_t)valid[which].version;
  out[8] = (uint8_t)length;
  memcpy(out + at, valid[which].header, length);
  for (size_t i = 0; i < valid[which].n_bytes; i++) out[at + length + i] = (uint8_t)(i * 73);
  return at + length + valid[which].n_bytes;
}

/* Words that the format gives a meaning; one is put somewhere. */
static const char *const words[] = {"'descr'",
                                    "'shape'",
                                    "'fortran_order'",
                                    "True",
                                    "False",
                                    "(",
                                    ")",
                                    ",",
                                    "}",
                                    "{",
                                    "18446744073709551615",
                                    "'",
                                    "\"",
                                    "4294967296",
                                    "0",
                                    "'<f4'",
                                    "'|u1'",
                                    "'>i8'",
                                    ":",
                                    "-1",
                                    "\x93NUMPY"};

static size_t mutate(ap_rng *rng, uint8_t *bytes, size_t size) {
  size_t at = size > 0 ? ap_rng_below(rng, size) : 0, n;
  switch (ap_rng_below(rng, 7)) {
    case 0: /* a flipped bit */
      if (size > 0) bytes[at] = (uint8_t)(bytes[at] ^ (1U << ap_rng_below(rng, 8)));
      return size;
    case 1: /* another byte */
      if (size > 0) bytes[at] = (uint8_t)ap_rng_below(rng, 256);
      return size;
    case 2: /* cut */
      return at;
    case 3: /* bytes removed */
      n = size > 0 ? ap_rng_below(rng, size - at) : 0;
      memmove(bytes + at, bytes + at + n, size - at - n);
      return size - n;
    case 4: /* bytes doubled */
      n = ap_rng_below(rng, 17);
      if (n > size - at) n = size - at;
      if (n > MAX_INPUT - size) n = MAX_INPUT - size;
      memmove(bytes + at + n, bytes + at, size - at);
      return size + n;
    case 5: { /* a word written over what was there */
      const char *word = words[ap_rng_below(rng, sizeof words / sizeof words[0])];
      n = strlen(word);
      if (n <= size - at) memcpy(bytes + at, word, n);
      return size;
    }
    default: { /* a word put between */
      const char *word = words[ap_rng_below(rng, sizeof words / sizeof words[0])];
      n = strlen(word);
      if (n > MAX_INPUT - size) return size;
      memmove(bytes + at + n, bytes + at, size - at);
      memcpy(bytes + at, word, n);
      return size + n;
    }
  }
}

static void check(const uint8_t *bytes, size_t size) {
  uint8_t *tight = malloc(size ? size : 1); /* not ap_calloc: no spare bytes behind the last */
  REQUIRE(tight);
  memcpy(tight, bytes, size);
  (void)LLVMFuzzerTestOneInput(tight, size);
  free(tight);
}

int main(int argc, char **argv) {
  unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  unsigned long long rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
  size_t accepted = 0;
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  (void)printf("seed %llu, %llu rounds\n", seed, rounds);
  for (size_t v = 0; v < N_VALID; v++) { /* what is mutated is valid to begin with */
    uint8_t bytes[MAX_INPUT];
    size_t size = make_valid(v, bytes);
    ap_npy array;
    REQUIRE(ap_npy_parse((const char *)bytes, size, "valid", &array, NULL) == AP_OK);
    ap_npy_release(&array);
    for (size_t n = 0; n <= size; n++) check(bytes, n);
  }
  for (unsigned long long i = 0; i < rounds; i++) {
    uint8_t bytes[MAX_INPUT];
    size_t size = make_valid(ap_rng_below(&rng, N_VALID), bytes);
    size_t n_mutations = 1 + ap_rng_below(&rng, 4);
    ap_npy array;
    for (size_t m = 0; m < n_mutations; m++) size = mutate(&rng, bytes, size);
    check(bytes, size);
    if (ap_npy_parse((const char *)bytes, size, "again", &array, NULL) == AP_OK) {
      accepted++;
      ap_npy_release(&array);
    }
  }
  (void)printf("%zu mutated files are still valid\n", accepted);
  /* Mutations of the data alone leave a file valid: none at all would mean a broken mutator. */
  REQUIRE(rounds < 1000 || accepted > 0);
  REQUIRE(rounds < 1000 || accepted < rounds);
  return 0;
}
#endif
