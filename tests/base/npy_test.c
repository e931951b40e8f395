/* .npy: round trips, files written byte by byte here, and everything that must be refused. */
#include "base/npy.h"

#include "base/alloc.h"
#include "base/file.h"
#include "tests/base/testing.h"
/* after them: cmocka needs its own order */
#include <math.h>
#include <sys/stat.h>

#define LIMIT ((size_t)1 << 20)

/* A version 1 or 2 file in `file` from a header text and data bytes; its size. */
static size_t build(char *file, int version, const char *header, const void *data, size_t n) {
  size_t length = strlen(header), at = 0;
  memcpy(file, "\x93NUMPY", 6);
  file[6] = (char)version;
  file[7] = 0;
  file[8] = (char)(length & 255);
  file[9] = (char)(length >> 8);
  at = 10;
  if (version > 1) {
    file[10] = file[11] = 0;
    at = 12;
  }
  memcpy(file + at, header, length);
  if (n > 0) memcpy(file + at + length, data, n);
  return at + length + n;
}

static ap_status parse(int version, const char *header, const void *data, size_t n, ap_npy *out,
                       ap_error *err) {
  static char file[4096];
  size_t size = build(file, version, header, data, n);
  char *exact = malloc(size); /* without spare bytes: reading past the end is seen */
  ap_status st;
  assert_non_null(exact);
  memcpy(exact, file, size);
  st = ap_npy_parse(exact, size, "t.npy", out, err);
  free(exact);
  return st;
}

static void test_round_trips(void **state) {
  static const size_t dims[] = {2, 3, 5};
  unsigned char data[30 * 8];
  (void)state;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 37 + 11);
  for (int type = AP_NPY_F32; type <= AP_NPY_F16; type++) {
    for (size_t n_dims = 0; n_dims <= 3; n_dims++) {
      ap_npy back;
      ap_error err;
      size_t count = 1;
      for (size_t d = 0; d < n_dims; d++) count *= dims[d];
      assert_int_equal(
          ap_npy_save(scratch_path("a.npy"), (ap_npy_type)type, dims, n_dims, data, true, &err),
          AP_OK);
      if (ap_npy_load(scratch_path("a.npy"), LIMIT, &back, &err)) fail_msg("%s", err.text);
      assert_int_equal(back.type, type);
      assert_int_equal(back.n_dims, n_dims);
      assert_int_equal(back.count, count);
      for (size_t d = 0; d < n_dims; d++) assert_int_equal(back.dims[d], dims[d]);
      assert_memory_equal(back.data, data, count * ap_npy_item_size((ap_npy_type)type));
      ap_npy_release(&back);
    }
  }
}

/* The very bytes that numpy.save writes for numpy.arange(3, dtype='<i2'). */
static void test_bytes_of_numpy(void **state) {
  static const short values[] = {0, 1, 2};
  static const size_t dims[] = {3};
  char *bytes = NULL, expected[134];
  size_t size = 0;
  ap_error err;
  (void)state;
  memset(expected, ' ', 128);
  memcpy(expected, "\x93NUMPY\x01\x00\x76\x00", 10);
  memcpy(expected + 10, "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }", 57);
  expected[127] = '\n';
  memcpy(expected + 128, "\x00\x00\x01\x00\x02\x00", 6);
  assert_int_equal(ap_npy_save(scratch_path("b.npy"), AP_NPY_I16, dims, 1, values, true, &err),
                   AP_OK);
  assert_int_equal(ap_file_read(scratch_path("b.npy"), LIMIT, &bytes, &size, &err), AP_OK);
  assert_int_equal(size, sizeof expected);
  assert_memory_equal(bytes, expected, sizeof expected);
  ap_free(bytes);
}

static void test_empty_and_odd_shapes(void **state) {
  ap_npy a;
  ap_error err;
  (void)state;
  assert_int_equal(
      parse(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }\n", "", 0, &a, &err),
      AP_OK);
  assert_int_equal(a.count, 0);
  assert_int_equal(a.dims[1], 7);
  assert_non_null(a.data);
  ap_npy_release(&a);
  /* members in another order, other blanks and quotes, no last comma, version 2 and 3 */
  for (int version = 2; version <= 3; version++) {
    assert_int_equal(parse(version, "{ \"shape\":(2,1) ,\"fortran_order\":False,'descr':\"|u1\"}",
                           "\x05\x07", 2, &a, &err),
                     AP_OK);
    assert_true(ap_npy_get(&a, 1) == 7);
    ap_npy_release(&a);
  }
  assert_int_equal(
      parse(1, "{'descr': '<u1', 'fortran_order': False, 'shape': ()}", "\xff", 1, &a, &err),
      AP_OK);
  assert_int_equal(a.n_dims, 0);
  assert_true(ap_npy_get(&a, 0) == 255);
  ap_npy_release(&a);
  ap_npy_release(&a); /* twice, and of nothing, is allowed */
  ap_npy_release(NULL);
}

/* 2 x 3 x 2 in column order: the file's i-th byte belongs to index (i%2, i/2%3, i/6). */
static void test_fortran_order(void **state) {
  static const char data[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  ap_npy a;
  ap_error err;
  (void)state;
  assert_int_equal(
      parse(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3, 2), }", data, 12, &a, &err),
      AP_OK);
  for (size_t i = 0; i < 2; i++) {
    for (size_t j = 0; j < 3; j++) {
      for (size_t k = 0; k < 2; k++) {
        assert_true(ap_npy_get(&a, (i * 3 + j) * 2 + k) == (double)(i + 2 * j + 6 * k));
      }
    }
  }
  ap_npy_release(&a);
}

static void test_values(void **state) {
  static const double f64 = -2.5;
  static const float f32 = 0.5F;
  static const long long i64 = -3;
  static const unsigned u32 = 4294967295U;
  static const struct {
    ap_npy_type type;
    const void *data;
    double value;
  } cases[] = {{AP_NPY_F64, &f64, -2.5},         {AP_NPY_F32, &f32, 0.5}, {AP_NPY_I64, &i64, -3},
               {AP_NPY_U32, &u32, 4294967295.0}, {AP_NPY_I32, &u32, -1},  {AP_NPY_I16, &u32, -1},
               {AP_NPY_U16, &u32, 65535},        {AP_NPY_I8, &u32, -1},   {AP_NPY_U8, &u32, 255}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ap_npy a;
    assert_int_equal(
        ap_npy_save(scratch_path("v.npy"), cases[i].type, NULL, 0, cases[i].data, true, NULL),
        AP_OK);
    assert_int_equal(ap_npy_load(scratch_path("v.npy"), LIMIT, &a, NULL), AP_OK);
    assert_true(ap_npy_get(&a, 0) == cases[i].value);
    assert_int_equal(ap_npy_is_integer(a.type),
                     a.type != AP_NPY_F64 && a.type != AP_NPY_F32 && a.type != AP_NPY_F16);
    ap_npy_release(&a);
  }
}

/* What numpy.float16 gives for these bits: normal, least normal, denormal, largest, zeros. */
static void test_halves(void **state) {
  static const unsigned short bits[] = {0x3c00, 0xc100, 0x0400, 0x0001, 0x7bff, 0x8000, 0xfc00};
  static const double values[] = {1, -2.5, 0x1p-14, 0x1p-24, 65504, 0, -INFINITY};
  static const size_t dims[] = {7};
  ap_npy a;
  (void)state;
  assert_int_equal(ap_npy_save(scratch_path("h.npy"), AP_NPY_F16, dims, 1, bits, true, NULL),
                   AP_OK);
  assert_int_equal(ap_npy_load(scratch_path("h.npy"), LIMIT, &a, NULL), AP_OK);
  for (size_t i = 0; i < 7; i++) assert_true(ap_npy_get(&a, i) == values[i]);
  ap_npy_release(&a);
}

static void test_big_endian(void **state) {
  static const struct {
    const char *header;
    char bytes[9];
    double value;
  } cases[] = {{"{'descr': '>f4', 'fortran_order': False, 'shape': ()}", "\xc0\x20\x00\x00", -2.5},
               {"{'descr': '>i2', 'fortran_order': False, 'shape': ()}", "\xff\xfe", -2},
               {"{'descr': '>u8', 'fortran_order': False, 'shape': ()}", "\0\0\0\0\0\0\1\2", 258},
               {"{'descr': '>u1', 'fortran_order': False, 'shape': ()}", "\x07", 7}};
  char file[200];
  ap_npy_map map;
  ap_npy a;
  ap_error err;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t n = (size_t)(cases[i].header[13] - '0');
    assert_int_equal(parse(1, cases[i].header, cases[i].bytes, n, &a, &err), AP_OK);
    assert_true(ap_npy_get(&a, 0) == cases[i].value);
    ap_npy_release(&a);
    /* where they lie they cannot be turned */
    scratch_write("e.npy", file, build(file, 1, cases[i].header, cases[i].bytes, n));
    assert_int_equal(ap_npy_map_open(scratch_path("e.npy"), &map, &err),
                     n > 1 ? AP_ERR_UNSUPPORTED : AP_OK);
    ap_npy_unmap(&map);
  }
}

/* What is no regular file, or empty, is not mapped; a FIFO is not waited for. */
static void test_what_is_not_mapped(void **state) {
  ap_npy_map map;
  ap_error err;
  (void)state;
  assert_int_equal(mkfifo(scratch_path("fifo.npy"), 0600), 0);
  assert_int_equal(ap_npy_map_open(scratch_path("fifo.npy"), &map, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "fifo.npy: is a device, pipe or socket, a regular file"));
  assert_int_equal(ap_npy_map_open(scratch, &map, &err), AP_ERR_IO);
  assert_non_null(strstr(err.text, "is a directory"));
  assert_int_equal(ap_npy_map_open(scratch_path("absent.npy"), &map, &err), AP_ERR_IO);
  scratch_write("void.npy", "", 0);
  assert_int_equal(ap_npy_map_open(scratch_path("void.npy"), &map, &err), AP_ERR_FORMAT);
  assert_null(map.map);
}

static void test_refused_headers(void **state) {
  static const char *const headers[] = {
      "",
      "{}",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'shape': (1,)}",
      "{'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
      "{'descr': '|f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}",
      "{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<c4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '|O4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4aaaaaaaaaaaaaaaaaaaaaaaaaa', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551617,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967297)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
      "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
      "{'descr: '<f4', 'fortran_order': False, 'shape': (1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,"};
  (void)state;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    ap_npy a;
    ap_error err;
    if (parse(1, headers[i], "abcd", 4, &a, &err) != AP_ERR_FORMAT) fail_msg("%s", headers[i]);
    assert_memory_equal(err.text, "t.npy: byte ", 12); /* the file and the place */
    assert_null(a.data);
    assert_int_equal(a.count, 0);
  }
}

static void test_refused_preambles(void **state) {
  char file[200];
  ap_npy a;
  const char *good = "{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}";
  size_t size = build(file, 1, good, "abcd", 4);
  (void)state;
  assert_int_equal(ap_npy_parse(file, size, "t", &a, NULL), AP_OK);
  ap_npy_release(&a);
  for (size_t i = 0; i < 8; i++) { /* each byte of magic and version counts */
    file[i] = (char)(file[i] ^ 0x40);
    assert_int_equal(ap_npy_parse(file, size, "t", &a, NULL), AP_ERR_FORMAT);
    file[i] = (char)(file[i] ^ 0x40);
  }
  file[9] = 127; /* a header longer than the file */
  assert_int_equal(ap_npy_parse(file, size, "t", &a, NULL), AP_ERR_FORMAT);
}

/* Cut after every byte, and with one byte more. */
static void test_truncated_everywhere(void **state) {
  static const size_t dims[] = {3, 2};
  static const float data[6] = {1, 2, 3, 4, 5, 6};
  char *bytes = NULL;
  size_t size = 0;
  ap_npy a;
  ap_error err;
  (void)state;
  assert_int_equal(ap_npy_save(scratch_path("t.npy"), AP_NPY_F32, dims, 2, data, true, &err),
                   AP_OK);
  assert_int_equal(ap_file_read(scratch_path("t.npy"), LIMIT, &bytes, &size, &err), AP_OK);
  for (size_t n = 0; n < size; n++) {
    scratch_write("t.npy", bytes, n);
    assert_int_equal(ap_npy_load(scratch_path("t.npy"), LIMIT, &a, &err), AP_ERR_FORMAT);
    assert_non_null(strstr(err.text, "t.npy: byte "));
    assert_null(a.data);
  }
  scratch_write("t.npy", bytes, size);
  assert_int_equal(ap_npy_load(scratch_path("t.npy"), LIMIT, &a, &err), AP_OK);
  ap_npy_release(&a);
  scratch_write("t.npy", bytes, size + 1); /* the byte that ap_file_read adds */
  assert_int_equal(ap_npy_load(scratch_path("t.npy"), LIMIT, &a, &err), AP_ERR_FORMAT);
  ap_free(bytes);
}

static void test_limits_and_errors(void **state) {
  static const size_t dims[] = {100}, huge[] = {SIZE_MAX, 2};
  static const char data[100];
  ap_npy a;
  ap_error err;
  size_t files = scratch_count();
  (void)state;
  assert_int_equal(ap_npy_load(scratch_path("none.npy"), LIMIT, &a, &err), AP_ERR_IO);
  assert_int_equal(ap_npy_save(scratch_path("l.npy"), AP_NPY_U8, dims, 1, data, false, &err),
                   AP_OK);
  assert_int_equal(ap_npy_load(scratch_path("l.npy"), 99, &a, &err), AP_ERR_FORMAT);
  assert_null(a.data);
  assert_int_equal(ap_npy_load(scratch_path("l.npy"), 100, &a, &err), AP_OK);
  ap_npy_release(&a);
  assert_int_equal(ap_npy_save(scratch_path("l.npy"), AP_NPY_U8, dims, 1, data, false, &err),
                   AP_ERR_ARG);
  assert_int_equal(ap_npy_save(scratch_path("m.npy"), AP_NPY_U8, dims, 9, data, false, &err),
                   AP_ERR_ARG);
  assert_int_equal(ap_npy_save(scratch_path("m.npy"), AP_NPY_U8, huge, 2, data, false, &err),
                   AP_ERR_ARG);
  assert_int_equal(ap_npy_save(scratch_path("m.npy"), (ap_npy_type)77, dims, 1, data, false, &err),
                   AP_ERR_ARG);
  assert_int_equal(scratch_count(), files + 1);
}

static void test_failing_allocations(void **state) {
  static const size_t dims[] = {4};
  static const char data[4];
  size_t failures = 0;
  ap_npy a;
  ap_error err;
  (void)state;
  assert_int_equal(ap_npy_save(scratch_path("f.npy"), AP_NPY_U8, dims, 1, data, true, &err), AP_OK);
  for (size_t n = 0;; n++, failures++) {
    ap_status st;
    ap_alloc_fail_after(n);
    st = ap_npy_load(scratch_path("f.npy"), LIMIT, &a, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(a.data);
  }
  ap_npy_release(&a);
  assert_true(failures >= 2); /* the file and the array */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trips),
      cmocka_unit_test(test_bytes_of_numpy),
      cmocka_unit_test(test_empty_and_odd_shapes),
      cmocka_unit_test(test_fortran_order),
      cmocka_unit_test(test_values),
      cmocka_unit_test(test_halves),
      cmocka_unit_test(test_big_endian),
      cmocka_unit_test(test_what_is_not_mapped),
      cmocka_unit_test(test_refused_headers),
      cmocka_unit_test(test_refused_preambles),
      cmocka_unit_test(test_truncated_everywhere),
      cmocka_unit_test(test_limits_and_errors),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
