/* tests/bench/bench_testing.h - images of any size, folders with folders in them, provenance. */
#ifndef AP_TESTS_BENCH_BENCH_TESTING_H
#define AP_TESTS_BENCH_BENCH_TESTING_H
#include <ftw.h>
#include <jansson.h>
#include <sys/stat.h>

#include "base/json.h"
#include "tests/nn/train_testing.h"

static inline int remove_one(const char *path, const struct stat *info, int kind,
                             struct FTW *where) {
  (void)info;
  (void)kind;
  (void)where;
  return remove(path);
}

static inline void remove_tree(const char *path) {
  assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline FILE *image_file(const char *folder, const char *name, uint32_t magic, size_t n) {
  char path[256];
  FILE *file;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  file = fopen(path, "wb");
  assert_non_null(file);
  put_u32(file, magic);
  put_u32(file, (uint32_t)n);
  return file;
}

/* An IDX pair PREFIX-images-idx3-ubyte, PREFIX-labels-idx1-ubyte of side x side images. Class k has
 * a bright square at one of ten places, moved by up to one pixel; the rest is noise. */
static inline void write_squares(const char *folder, const char *prefix, size_t side, size_t n,
                                 uint64_t seed) {
  char name[64];
  FILE *pixels, *labels;
  ap_rng rng;
  ap_rng_seed(&rng, seed, 0);
  (void)snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
  pixels = image_file(folder, name, 0x803, n);
  put_u32(pixels, (uint32_t)side);
  put_u32(pixels, (uint32_t)side);
  (void)snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
  labels = image_file(folder, name, 0x801, n);
  for (size_t i = 0; i < n; i++) {
    size_t k = (size_t)ap_rng_below(&rng, 10);
    size_t top = 1 + k / 4 * 5 + (size_t)ap_rng_below(&rng, 2);
    size_t left = 1 + k % 4 * 4 + (size_t)ap_rng_below(&rng, 2);
    (void)fputc((int)k, labels);
    for (size_t p = 0; p < side * side; p++) {
      size_t y = p / side, x = p % side;
      bool bright = y >= top && y < top + 3 && x >= left && x < left + 3;
      (void)fputc((int)ap_rng_below(&rng, 80) + (bright ? 170 : 0), pixels);
    }
  }
  assert_int_equal(fclose(pixels), 0);
  assert_int_equal(fclose(labels), 0);
}

static inline json_t *some_provenance(void) {
  json_t *p = json_pack("{s:s, s:s, s:{s:i}}", "command", "test", "commit", "0123456789abcdef",
                        "machine", "threads", 2);
  assert_non_null(p);
  return p;
}

static inline json_t *load_json(const char *path) {
  json_t *document = NULL;
  must(ap_json_load(path, &document, &failure));
  return document;
}

/* A whole file as text; free it. */
static inline char *slurp(const char *path) {
  FILE *file = fopen(path, "rb");
  long size;
  char *text;
  if (!file) fail_msg("%s: no such file", path);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  size = ftell(file);
  assert_true(size >= 0);
  rewind(file);
  text = calloc((size_t)size + 1, 1);
  assert_non_null(text);
  assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
  assert_int_equal(fclose(file), 0);
  return text;
}
#endif
