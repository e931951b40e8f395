/* Data sets: small files of both formats, made here, read back and damaged at every place. */
#include "nn/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/alloc.h"
#include "nn/dataset_places.h"
#include "tests/base/testing.h"

#define RECORD 3073

/* ---- making files ---- */

static size_t put32(unsigned char *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
  return 4;
}

/* Image i has all pixels (7 * i + pixel number) % 256 and label i % 10. */
static size_t idx_images(unsigned char *to, uint32_t n, uint32_t h, uint32_t w) {
  size_t at = put32(to, 0x803);
  at += put32(to + at, n);
  at += put32(to + at, h);
  at += put32(to + at, w);
  for (uint32_t i = 0; i < n; i++) {
    for (uint32_t j = 0; j < h * w; j++) to[at++] = (unsigned char)(7 * i + j);
  }
  return at;
}

static size_t idx_labels(unsigned char *to, uint32_t n) {
  size_t at = put32(to, 0x801);
  at += put32(to + at, n);
  for (uint32_t i = 0; i < n; i++) to[at++] = (unsigned char)(i % 10);
  return at;
}

static unsigned char buffer[64 * RECORD];

static void write_idx(uint32_t n_train, uint32_t n_test, uint32_t h, uint32_t w) {
  scratch_write("train-images-idx3-ubyte", buffer, idx_images(buffer, n_train, h, w));
  scratch_write("train-labels-idx1-ubyte", buffer, idx_labels(buffer, n_train));
  scratch_write("t10k-images-idx3-ubyte", buffer, idx_images(buffer, n_test, h, w));
  scratch_write("t10k-labels-idx1-ubyte", buffer, idx_labels(buffer, n_test));
}

/* Records first, first + 1, ...: label i % 10, pixel j of record i (31 * i + j) % 256. */
static size_t cifar_records(unsigned char *to, size_t first, size_t n) {
  size_t at = 0;
  for (size_t i = first; i < first + n; i++) {
    to[at++] = (unsigned char)(i % 10);
    for (size_t j = 0; j < RECORD - 1; j++) to[at++] = (unsigned char)(31 * i + j);
  }
  return at;
}

static void write_cifar(const char *name, size_t first, size_t n) {
  scratch_write(name, buffer, cifar_records(buffer, first, n));
}

static void write_gz(const char *name, const void *data, size_t size) {
  gzFile file = gzopen(scratch_path(name), "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, data, (unsigned)size), (int)size);
  assert_int_equal(gzclose(file), Z_OK);
}

static ap_dataset *open_scratch(void) {
  ap_dataset *data = NULL;
  ap_error err;
  if (ap_dataset_open(scratch, &data, &err)) fail_msg("%s", err.text);
  return data;
}

static void refused(ap_status code, const char *a, const char *b) {
  ap_dataset *data = NULL;
  ap_error err = {0};
  assert_int_equal(ap_dataset_open(scratch, &data, &err), code);
  assert_null(data);
  if (!strstr(err.text, a) || !strstr(err.text, b))
    fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.text, a, b);
}

/* ---- tests ---- */

static void test_idx(void **state) {
  (void)state;
  write_idx(48, 3, 5, 4);
  ap_dataset *data = open_scratch();
  assert_string_equal(ap_dataset_name(data), scratch);
  const size_t counts[AP_SPLIT_COUNT] = {48 - 1 - 2 - 2, 1, 2, 2, 3};
  bool seen[48] = {false};
  for (int s = 0; s < AP_SPLIT_COUNT; s++) {
    ap_dataset_info info = ap_dataset_describe(data, (ap_split)s);
    const uint8_t *pixels = ap_dataset_pixels(data, (ap_split)s);
    const int32_t *labels = ap_dataset_labels(data, (ap_split)s);
    assert_int_equal(info.n_images, counts[s]);
    assert_true(info.channels == 1 && info.height == 5 && info.width == 4 && info.classes == 10);
    for (size_t i = 0; i < info.n_images; i++) {
      size_t which = s == AP_SPLIT_TEST ? i : 0; /* 7 i < 256 * 2 tells 48 images apart by label */
      while (s != AP_SPLIT_TEST &&
             ((unsigned char)(7 * which) != pixels[20 * i] || (int32_t)(which % 10) != labels[i]))
        assert_true(++which < 48);
      assert_int_equal(labels[i], which % 10);
      for (size_t j = 0; j < 20; j++)
        assert_int_equal(pixels[20 * i + j], (unsigned char)(7 * which + j));
      if (s == AP_SPLIT_TEST) continue;
      assert_false(seen[which]); /* every training image is in one split */
      seen[which] = true;
    }
  }
  ap_dataset_destroy(data);
  ap_dataset_destroy(NULL);
}

/* The mean is that of the training split alone; checked against sums in another order. */
static void test_statistics(void **state) {
  (void)state;
  write_cifar("data_batch_1.bin", 0, 30);
  write_cifar("test_batch.bin", 0, 1);
  ap_dataset *data = open_scratch();
  const uint8_t *pixels = ap_dataset_pixels(data, AP_SPLIT_TRAIN);
  size_t n = ap_dataset_describe(data, AP_SPLIT_TRAIN).n_images;
  float mean[4], std[4];
  ap_dataset_statistics(data, mean, std);
  for (size_t c = 0; c < 3; c++) {
    double sum = 0.0, squares = 0.0, count = 1024.0 * (double)n;
    for (size_t i = 0; i < n; i++) {
      for (size_t j = 0; j < 1024; j++) {
        double v = pixels[(3 * i + c) * 1024 + j] / 255.0;
        sum += v;
        squares += v * v;
      }
    }
    double variance = squares / count - (sum / count) * (sum / count);
    assert_true(fabs((double)mean[c] - sum / count) < 1e-6);
    assert_true(fabs((double)std[c] - sqrt(variance)) < 1e-6);
  }
  assert_true(mean[3] == 0.0f && std[3] == 1.0f);
  ap_dataset_destroy(data);
  memset(buffer, 9, sizeof buffer); /* constant images: a deviation of 0 becomes 1 */
  scratch_write("data_batch_1.bin", buffer, 4 * RECORD);
  data = open_scratch();
  ap_dataset_statistics(data, mean, std);
  assert_true(mean[0] == (float)(9 / 255.0) && std[0] == 1.0f);
  ap_dataset_destroy(data);
}

static void hash_of_scratch(char text[65]) {
  ap_dataset *data = open_scratch();
  memcpy(text, ap_dataset_hash(data), 65);
  ap_dataset_destroy(data);
}

/* However the same records are cut into files, packed and named: the same data set. */
static void test_cifar_files(void **state) {
  char one[65], several[65], packed[65], both[65], changed[65];
  (void)state;
  write_cifar("data_batch.bin", 0, 30);
  write_cifar("test_batch.bin", 50, 4);
  hash_of_scratch(one);
  assert_int_equal(unlink(scratch_path("data_batch.bin")), 0);
  write_cifar("data_batch_c.bin", 29, 1);
  write_cifar("data_batch_a.bin", 0, 17);
  write_cifar("data_batch_b.bin", 17, 12);
  write_cifar("not_data_batch.bin", 17, 12);
  scratch_write("data_batch_a.bin.txt", "x", 1);
  hash_of_scratch(several);
  assert_string_equal(one, several);
  assert_int_equal(unlink(scratch_path("data_batch_b.bin")), 0);
  write_gz("data_batch_b.bin.gz", buffer, cifar_records(buffer, 17, 12));
  hash_of_scratch(packed);
  assert_string_equal(one, packed);
  write_gz("data_batch_a.bin.gz", buffer, cifar_records(buffer, 0, 17));
  hash_of_scratch(both); /* the plain one counts, once */
  assert_string_equal(one, both);
  buffer[5] ^= 1;
  scratch_write("data_batch_a.bin", buffer, 17 * RECORD);
  hash_of_scratch(changed);
  assert_string_not_equal(one, changed);
}

static void test_cifar_damage(void **state) {
  (void)state;
  write_cifar("data_batch_1.bin", 0, 2);
  write_cifar("data_batch_2.bin", 2, 3);
  refused(AP_ERR_IO, scratch, "test_batch*.bin");
  write_cifar("test_batch.bin", 0, 1);
  ap_dataset_destroy(open_scratch());
  for (size_t cut = 0; cut < 3 * RECORD; cut += cut < 3 || cut % RECORD > RECORD - 3 ? 1 : 1021) {
    if (cut && cut % RECORD == 0) continue;
    char place[64];
    scratch_write("data_batch_2.bin", buffer, cut);
    (void)snprintf(place, sizeof place, "byte %zu: file ends", cut);
    refused(AP_ERR_FORMAT, "data_batch_2.bin", place);
  }
  cifar_records(buffer, 0, 3);
  scratch_write("data_batch_2.bin", buffer, 3 * RECORD + 1);
  refused(AP_ERR_FORMAT, "data_batch_2.bin", "byte 9220: file ends within record 3");
  buffer[2 * RECORD] = 10;
  scratch_write("data_batch_2.bin", buffer, 3 * RECORD);
  refused(AP_ERR_FORMAT, "data_batch_2.bin", "byte 6146: label 10, expected 0..9");
  write_cifar("data_batch_2.bin", 0, 1);
  refused(AP_ERR_FORMAT, scratch, "3 training images, expected at least 4");
  assert_int_equal(unlink(scratch_path("data_batch_2.bin")), 0);
  write_gz("data_batch_2.bin.gz", buffer, 700);
  refused(AP_ERR_FORMAT, "data_batch_2.bin.gz", "byte 700: file ends");
}

static void test_idx_damage(void **state) {
  static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                      "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  (void)state;
  for (size_t f = 0; f < 4; f++) {
    size_t n = f < 2 ? 5 : 2, size;
    write_idx(5, 2, 3, 2);
    ap_dataset_destroy(open_scratch());
    size = f % 2 ? idx_labels(buffer, (uint32_t)n) : idx_images(buffer, (uint32_t)n, 3, 2);
    for (size_t cut = 0; cut < size; cut++) {
      char place[64];
      scratch_write(names[f], buffer, cut);
      (void)snprintf(place, sizeof place, "byte %zu: ", cut);
      refused(AP_ERR_FORMAT, names[f], place);
    }
    buffer[size] = 0;
    scratch_write(names[f], buffer, size + 1);
    refused(AP_ERR_FORMAT, names[f], "trailing bytes");
    buffer[3] ^= 2; /* images for labels, and back */
    scratch_write(names[f], buffer, size);
    refused(AP_ERR_FORMAT, names[f], "byte 0: magic 0x0000080");
    buffer[3] ^= 2;
    buffer[7]--;
    scratch_write(names[f], buffer, f % 2 ? size - 1 : size - 6);
    refused(AP_ERR_FORMAT, f < 2 ? "train-labels" : "t10k-labels", "as there are images");
    assert_int_equal(unlink(scratch_path(names[f])), 0);
    refused(AP_ERR_IO, scratch, f ? names[f] : "no training files");
  }
}

static void test_idx_values(void **state) {
  (void)state;
  write_idx(5, 2, 3, 2);
  idx_labels(buffer, 5);
  buffer[8 + 3] = 10;
  scratch_write("train-labels-idx1-ubyte", buffer, 13);
  refused(AP_ERR_FORMAT, "train-labels-idx1-ubyte", "byte 11: label 10, expected 0..9");
  write_idx(5, 2, 3, 2);
  scratch_write("t10k-images-idx3-ubyte", buffer, idx_images(buffer, 2, 2, 3));
  refused(AP_ERR_FORMAT, "t10k-images", "images of 2 x 3, expected 3 x 2");
  put32(buffer + 4, 0);
  scratch_write("train-images-idx3-ubyte", buffer, 16);
  refused(AP_ERR_FORMAT, "train-images", "byte 4: count of 0");
  put32(buffer + 4, 2);
  put32(buffer + 8, 0);
  scratch_write("train-images-idx3-ubyte", buffer, 16);
  refused(AP_ERR_FORMAT, "train-images", "byte 8: side of 0");
  put32(buffer + 8, 0xffffffff);
  put32(buffer + 12, 0xffffffff);
  put32(buffer + 4, 0xffffffff);
  scratch_write("train-images-idx3-ubyte", buffer, 16);
  refused(AP_ERR_FORMAT, "train-images", "byte 4: count of 4294967295");
}

/* The packed file stands beside nothing; the dotted name of some distributions is read too. */
static void test_idx_packed(void **state) {
  char plain[65], packed[65];
  (void)state;
  write_idx(24, 2, 3, 3);
  hash_of_scratch(plain);
  assert_int_equal(unlink(scratch_path("train-images-idx3-ubyte")), 0);
  write_gz("train-images.idx3-ubyte.gz", buffer, idx_images(buffer, 24, 3, 3));
  hash_of_scratch(packed);
  assert_string_equal(plain, packed);
  write_idx(24, 2, 3, 3);
  refused(AP_ERR_FORMAT, scratch, "more than one file train-images");
  assert_int_equal(unlink(scratch_path("train-images.idx3-ubyte.gz")), 0);
  write_cifar("data_batch_1.bin", 0, 4);
  refused(AP_ERR_FORMAT, scratch, "both IDX and CIFAR");
}

static void test_names(void **state) {
  ap_split split = AP_SPLIT_COUNT;
  ap_dataset *data = NULL;
  char *dir = NULL, *text = NULL;
  ap_error err;
  (void)state;
  for (int s = 0; s < AP_SPLIT_COUNT; s++) {
    assert_int_equal(ap_split_parse(ap_split_name((ap_split)s), &split, &err), AP_OK);
    assert_int_equal(split, s);
  }
  assert_int_equal(ap_split_parse("Test", &split, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "calibration"));
  assert_int_equal(ap_split_parse(NULL, &split, &err), AP_ERR_ARG);
  assert_int_equal(ap_dataset_open("", &data, &err), AP_ERR_ARG);
  assert_int_equal(ap_dataset_open("imagenet", &data, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "imagenet: neither a folder nor a known data set"));

  /* $AUTOPRUNE_DATA goes before all other places; a folder without data is passed over. */
  assert_int_equal(setenv("AUTOPRUNE_DATA", scratch, 1), 0);
  assert_int_equal(setenv("XDG_CACHE_HOME", scratch_path("cache"), 1), 0);
  assert_int_equal(ap_dataset_open("cifar10", &data, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, scratch));
  assert_non_null(strstr(err.text, "/usr/share/datasets"));
  assert_non_null(strstr(err.text, "autoprune data fetch cifar10"));
  assert_int_equal(ap_dataset_locations(&text, &err), AP_OK);
  assert_non_null(strstr(text, "cifar10        not found; to get it: autoprune data fetch"));
  ap_free(text);
  assert_int_equal(mkdir(scratch_path("cifar10"), 0700), 0);
  assert_int_equal(mkdir(scratch_path("cifar-10-batches-bin"), 0700), 0);
  write_cifar("cifar-10-batches-bin/data_batch_1.bin", 0, 5);
  write_cifar("cifar-10-batches-bin/test_batch.bin", 0, 1);
  assert_int_equal(ap_dataset_find("cifar10", &dir, &err), AP_OK);
  assert_string_equal(dir, scratch_path("cifar-10-batches-bin"));
  ap_free(dir);
  assert_int_equal(ap_dataset_open("cifar10", &data, &err), AP_OK);
  assert_string_equal(ap_dataset_name(data), "cifar10");
  ap_dataset_destroy(data);
  assert_int_equal(ap_dataset_locations(&text, &err), AP_OK);
  assert_non_null(strstr(text, scratch_path("cifar-10-batches-bin")));
  ap_free(text);
  assert_int_equal(unlink(scratch_path("cifar-10-batches-bin/data_batch_1.bin")), 0);
  assert_int_equal(unlink(scratch_path("cifar-10-batches-bin/test_batch.bin")), 0);
  assert_int_equal(rmdir(scratch_path("cifar-10-batches-bin")), 0);
  assert_int_equal(rmdir(scratch_path("cifar10")), 0);
}

/* A large packed file is unpacked once; a damaged copy is not trusted. */
static void test_cache(void **state) {
  enum { RECORDS = 360 };
  size_t size = RECORDS * (size_t)RECORD;
  unsigned char *records = malloc(size);
  char first[65], second[65], third[65], path[512];
  uint32_t noise = 1;
  struct dirent *entry;
  (void)state;
  assert_non_null(records);
  for (size_t i = 0; i < size; i++) {
    noise = noise * 1664525u + 1013904223u;
    records[i] = i % RECORD ? (unsigned char)(noise >> 24) : (unsigned char)(i % 10);
  }
  assert_int_equal(setenv("XDG_CACHE_HOME", scratch, 1), 0);
  write_gz("data_batch_1.bin.gz", records, size);
  write_cifar("test_batch.bin", 0, 1);
  free(records);
  hash_of_scratch(first);
  hash_of_scratch(second);
  assert_string_equal(first, second);
  DIR *dir = opendir(scratch_path("autoprune/unpacked"));
  assert_non_null(dir);
  size_t copies = 0;
  while ((entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    copies++;
    (void)snprintf(path, sizeof path, "%s/%s", scratch_path("autoprune/unpacked"), entry->d_name);
  }
  (void)closedir(dir);
  assert_int_equal(copies, 1);
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_size, size + 64);
  for (long at = 0; at <= 5000; at += 5000) { /* a changed label, a changed pixel */
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int old = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc(old ^ 1, file), old ^ 1);
    assert_int_equal(fclose(file), 0);
    hash_of_scratch(third);
    assert_string_equal(first, third);
  }
  assert_int_equal(truncate(path, 10), 0);
  hash_of_scratch(third);
  assert_string_equal(first, third);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_size, size + 64); /* it was replaced */
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(scratch_path("autoprune/unpacked")), 0);
  assert_int_equal(rmdir(scratch_path("autoprune")), 0);
  assert_int_equal(setenv("XDG_CACHE_HOME", "/proc/none", 1), 0); /* cannot be written */
  hash_of_scratch(third);
  assert_string_equal(first, third);
}

static void test_memory(void **state) {
  ap_dataset *data = NULL;
  ap_error err;
  (void)state;
  write_cifar("data_batch_1.bin", 0, 5);
  write_cifar("test_batch.bin", 0, 1);
  for (int form = 0; form < 2; form++) {
    size_t failures = 0;
    for (size_t n = 0; n < 200; n++) {
      ap_alloc_fail_after(n);
      ap_status st = ap_dataset_open(scratch, &data, &err);
      ap_alloc_fail_after(SIZE_MAX);
      if (!st) {
        ap_dataset_destroy(data);
        continue; /* looking for the format may fail unnoticed, but not wrongly */
      }
      assert_null(data);
      failures++;
    }
    assert_true(failures > 10);
    assert_int_equal(unlink(scratch_path(form ? "train-images-idx3-ubyte" : "data_batch_1.bin")),
                     0);
    write_idx(5, 2, 3, 2);
  }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(test_idx),        EACH(test_statistics), EACH(test_cifar_files), EACH(test_cifar_damage),
      EACH(test_idx_damage), EACH(test_idx_values), EACH(test_idx_packed),  EACH(test_names),
      EACH(test_cache),      EACH(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
