/* Tables of any bytes: read or refused with file and line, never more. Built and run like
 * tests/base/npy_fuzz.c. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                  \
  do {                                                                      \
    if (!(condition)) {                                                     \
      (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                              \
    }                                                                       \
  } while (0)

static long accepted, refused;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *rows = NULL, *head = NULL;
  ap_error err = {AP_OK, ""};
  ap_status st = ap_csv_parse((const char *)data, size, "fuzz", &rows, &head, &err);
  *(st ? &refused : &accepted) += 1;
  if (st) {
    REQUIRE(st == AP_ERR_FORMAT && err.code == AP_ERR_FORMAT);
    REQUIRE(strstr(err.text, "fuzz, line ") && !strchr(err.text, '\n'));
    REQUIRE(!rows && !head);
  } else {
    size_t columns = json_object_size(json_array_get(rows, 0));
    REQUIRE(head && (json_array_size(rows) == 0 || columns > 0));
    for (size_t i = 0; i < json_array_size(rows); i++) {
      REQUIRE(json_object_size(json_array_get(rows, i)) == columns);
    }
    REQUIRE(columns * json_array_size(rows) <= size);
  }
  json_decref(rows);
  json_decref(head);
  return 0;
}

#ifndef AP_LIBFUZZER
#include "base/rng.h"

#define MAX_INPUT 300

static const char *const valid[] = {
    "# key: text\n# other: {\"a\":1}\nname,value\nx,1\ny,2.5\n",
    "a,b,c\r\n1,\"two, three\",\"\"\"q\"\"\"\r\n,,\r\n",
    "one\n\"line\nbreak\"\n",
    "n\xc3\xa4me\n\xe2\x82\xac\n",
};
static const char *const words[] = {",", "\"", "\"\"", "\n", "\r\n", "\r", "#", "# a: b\n", "\xff"};
#define N_WORDS (sizeof words / sizeof words[0])

static size_t mutate(ap_rng *rng, uint8_t *bytes, size_t size) {
  switch (ap_rng_below(rng, 4)) {
    case 0: /* a byte changed */
      if (size > 0) bytes[ap_rng_below(rng, size)] = (uint8_t)ap_rng_below(rng, 256);
      return size;
    case 1: /* cut off */
      return (size_t)ap_rng_below(rng, size + 1);
    case 2: { /* a byte left out */
      size_t at = size ? (size_t)ap_rng_below(rng, size) : 0;
      if (size == 0) return 0;
      memmove(bytes + at, bytes + at + 1, size - at - 1);
      return size - 1;
    }
    default: { /* a word put in */
      const char *word = words[ap_rng_below(rng, N_WORDS)];
      size_t n = strlen(word), at = (size_t)ap_rng_below(rng, size + 1);
      if (size + n > MAX_INPUT) return size;
      memmove(bytes + at + n, bytes + at, size - at);
      memcpy(bytes + at, word, n);
      return size + n;
    }
  }
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
  ap_rng rng;
  (void)printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
  ap_rng_seed(&rng, seed, 0);
  for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
    (void)LLVMFuzzerTestOneInput((const uint8_t *)valid[i], strlen(valid[i]));
    REQUIRE(accepted == (long)i + 1 && refused == 0);
  }
  for (uint64_t i = 0; i < rounds; i++) {
    const char *start = valid[i % (sizeof valid / sizeof valid[0])];
    size_t size = strlen(start), changes = (size_t)ap_rng_below(&rng, 6);
    uint8_t bytes[MAX_INPUT];
    uint8_t *exact; /* of the very size, so that a sanitizer sees every byte read too far */
    memcpy(bytes, start, size);
    for (size_t k = 0; k < changes; k++) size = mutate(&rng, bytes, size);
    exact = malloc(size ? size : 1);
    REQUIRE(exact);
    memcpy(exact, bytes, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
  }
  REQUIRE(accepted > 4 && refused > 4); /* both ends were reached */
  return 0;
}
#endif
