/* gzip and xz files: contents, several members, truncation at every byte, damage, bombs. */
#define ZLIB_CONST /* zlib.h: the input is read only */
#include <lzma.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tests/base/testing.h"

#define ROOM 8192

typedef size_t pack_function(const void *data, size_t size, unsigned char *out);

static size_t pack_gz(const void *data, size_t size, unsigned char *out) {
  z_stream z = {0};
  size_t n;
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = data;
  z.avail_in = (uInt)size;
  z.next_out = out;
  z.avail_out = ROOM;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  n = ROOM - z.avail_out;
  (void)deflateEnd(&z);
  return n;
}

static size_t pack_xz(const void *data, size_t size, unsigned char *out) {
  size_t n = 0;
  assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, data, size, out, &n, ROOM),
                   LZMA_OK);
  return n;
}

static pack_function *const packers[] = {pack_gz, pack_xz};

static ap_status unpack(const void *bytes, size_t n, size_t limit, char **data, size_t *size,
                        ap_error *err) {
  scratch_write("packed", bytes, n);
  return ap_file_read_packed(scratch_path("packed"), limit, data, size, err);
}

static void fill(char *text, size_t size) {
  for (size_t i = 0; i < size; i++) text[i] = (char)('a' + i * i % 23);
}

static void test_contents(void **state) {
  static const size_t sizes[] = {0, 1, 4095, 65536, 65537, 200003};
  static char text[200003];
  unsigned char packed[ROOM];
  (void)state;
  fill(text, sizeof text);
  for (size_t p = 0; p < 2; p++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      char *data = NULL;
      size_t size = 0, n = packers[p](text, sizes[i], packed);
      ap_error err;
      if (unpack(packed, n, sizes[i], &data, &size, &err)) fail_msg("%s", err.text);
      assert_int_equal(size, sizes[i]);
      if (size > 0) assert_memory_equal(data, text, size);
      assert_int_equal(data[size], 0);
      ap_free(data);
    }
  }
}

static void test_plain(void **state) {
  char *data = NULL;
  size_t size = 0;
  ap_error err;
  (void)state;
  assert_int_equal(unpack("plain", 5, 5, &data, &size, &err), AP_OK);
  assert_string_equal(data, "plain");
  ap_free(data);
  assert_int_equal(unpack("", 0, 0, &data, &size, &err), AP_OK);
  assert_int_equal(size, 0);
  ap_free(data);
  assert_int_equal(unpack("\x1f", 1, 9, &data, &size, &err), AP_OK); /* half a magic is plain */
  ap_free(data);
  assert_int_equal(unpack("plain", 5, 4, &data, &size, &err), AP_ERR_FORMAT);
  assert_null(data);
  assert_int_equal(ap_file_read_packed(scratch_path("none"), 4, &data, &size, &err), AP_ERR_IO);
}

static void test_members_join(void **state) {
  unsigned char packed[2 * ROOM];
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    char *data = NULL;
    size_t size = 0, n = packers[p]("first ", 6, packed);
    ap_error err;
    n += packers[p]("second", 6, packed + n);
    assert_int_equal(unpack(packed, n, 12, &data, &size, &err), AP_OK);
    assert_string_equal(data, "first second");
    ap_free(data);
    assert_int_equal(unpack(packed, n, 11, &data, &size, &err), AP_ERR_FORMAT);
    memcpy(packed + n, "garbage.", 8);
    assert_int_equal(unpack(packed, n + 8, 100, &data, &size, &err), AP_ERR_FORMAT);
    assert_null(data);
  }
}

static void test_truncated_everywhere(void **state) {
  char text[300];
  unsigned char packed[ROOM];
  (void)state;
  fill(text, sizeof text);
  for (size_t p = 0; p < 2; p++) {
    size_t n = packers[p](text, sizeof text, packed);
    for (size_t cut = 6; cut < n; cut++) { /* with fewer bytes than the magic it is a plain file */
      char *data = NULL;
      size_t size = 0;
      ap_error err;
      assert_int_equal(unpack(packed, cut, 1000, &data, &size, &err), AP_ERR_FORMAT);
      assert_non_null(strstr(err.text, "packed"));
      assert_null(data);
    }
  }
}

/* Any flipped bit after the magic is seen, or changes nothing (unused header fields of gzip). */
static void test_flipped_bits(void **state) {
  char text[300];
  unsigned char packed[ROOM];
  size_t seen[2] = {0};
  (void)state;
  fill(text, sizeof text);
  for (size_t p = 0; p < 2; p++) {
    size_t n = packers[p](text, sizeof text, packed);
    for (size_t i = 6; i < n; i++) {
      char *data = NULL;
      size_t size = 0;
      packed[i] ^= 0x10;
      if (unpack(packed, n, 1000, &data, &size, NULL) == AP_OK) {
        assert_int_equal(size, sizeof text);
        assert_memory_equal(data, text, size);
        ap_free(data);
      } else {
        seen[p]++;
      }
      packed[i] ^= 0x10;
    }
    assert_true(seen[p] + 10 > n - 6);
  }
}

/* 4 MB of zeros packs into some KB: refused at the limit, without 4 MB of memory. */
static void test_bombs(void **state) {
  static char zeros[4 << 20];
  unsigned char packed[ROOM];
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    char *data = NULL;
    size_t size = 0, n = packers[p](zeros, sizeof zeros, packed);
    ap_error err;
    assert_int_equal(unpack(packed, n, 100000, &data, &size, &err), AP_ERR_FORMAT);
    assert_non_null(strstr(err.text, "more than the 100000 bytes"));
    assert_null(data);
    assert_int_equal(unpack(packed, n, sizeof zeros - 1, &data, &size, &err), AP_ERR_FORMAT);
    assert_int_equal(unpack(packed, n, sizeof zeros, &data, &size, &err), AP_OK);
    assert_int_equal(size, sizeof zeros);
    ap_free(data);
  }
}

static void test_failing_allocations(void **state) {
  unsigned char packed[ROOM];
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    size_t n = packers[p]("text", 4, packed), failures = 0;
    for (size_t i = 0;; i++, failures++) {
      char *data = NULL;
      size_t size = 0;
      ap_status st;
      ap_alloc_fail_after(i);
      st = unpack(packed, n, 100, &data, &size, NULL);
      ap_alloc_fail_after(SIZE_MAX);
      if (st == AP_OK) {
        ap_free(data);
        break;
      }
      assert_int_equal(st, AP_ERR_MEMORY);
      assert_null(data);
    }
    assert_int_equal(failures, 2); /* packed bytes, unpacked bytes */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_contents),
      cmocka_unit_test(test_plain),
      cmocka_unit_test(test_members_join),
      cmocka_unit_test(test_truncated_everywhere),
      cmocka_unit_test(test_flipped_bits),
      cmocka_unit_test(test_bombs),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
