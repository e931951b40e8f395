#include "base/npy.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/half.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the data bytes are taken as they lie: little endian machines only"
#endif

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES ((size_t)6)
#define ALIGNMENT ((size_t)64) /* of the data in files that we write, as NumPy does */
#define MAX_HEADER_BYTES ((size_t)65536)

static const struct {
  char descr[4];
  size_t bytes;
  bool integer;
} types[] = {
    [AP_NPY_F32] = {"<f4", 4, false}, [AP_NPY_F64] = {"<f8", 8, false},
    [AP_NPY_I8] = {"|i1", 1, true},   [AP_NPY_U8] = {"|u1", 1, true},
    [AP_NPY_I16] = {"<i2", 2, true},  [AP_NPY_U16] = {"<u2", 2, true},
    [AP_NPY_I32] = {"<i4", 4, true},  [AP_NPY_U32] = {"<u4", 4, true},
    [AP_NPY_I64] = {"<i8", 8, true},  [AP_NPY_U64] = {"<u8", 8, true},
    [AP_NPY_F16] = {"<f2", 2, false},
};
#define N_TYPES (sizeof types / sizeof types[0])

size_t ap_npy_item_size(ap_npy_type type) { return types[type].bytes; }
bool ap_npy_is_integer(ap_npy_type type) { return types[type].integer; }

/* The header is a Python dictionary of one line: {'descr': '<f4', 'fortran_order': False,
 * 'shape': (3, 4), } with the members in any order. */
typedef struct {
  const char *name;  /* of the file */
  const char *bytes; /* the whole file */
  size_t at, end;    /* next byte and end of the header */
  ap_npy *array;
  bool fortran, big_endian;
} header_reader;

static ap_status bad(const header_reader *r, const char *expected, ap_error *err) {
  return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu of the .npy header: %s expected", r->name, r->at,
                 expected);
}

static void skip_blanks(header_reader *r) {
  while (r->at < r->end && (r->bytes[r->at] == ' ' || r->bytes[r->at] == '\t' ||
                            r->bytes[r->at] == '\n' || r->bytes[r->at] == '\r')) {
    r->at++;
  }
}

static bool take(header_reader *r, char c) {
  skip_blanks(r);
  if (r->at >= r->end || r->bytes[r->at] != c) return false;
  r->at++;
  return true;
}

static bool take_word(header_reader *r, const char *word) {
  size_t n = strlen(word);
  skip_blanks(r);
  if (r->end - r->at < n || memcmp(r->bytes + r->at, word, n) != 0) return false;
  r->at += n;
  return true;
}

/* A quoted text of at most room - 1 characters. */
static bool take_text(header_reader *r, char *text, size_t room) {
  size_t n = 0;
  char quote;
  skip_blanks(r);
  if (r->at >= r->end || (r->bytes[r->at] != '\'' && r->bytes[r->at] != '"')) return false;
  quote = r->bytes[r->at++];
  while (r->at < r->end && r->bytes[r->at] != quote) {
    if (n + 1 >= room) return false;
    text[n++] = r->bytes[r->at++];
  }
  text[n] = '\0';
  return take(r, quote);
}

static ap_status read_type(header_reader *r, ap_error *err) {
  char text[16];
  size_t start = r->at;
  if (!take_text(r, text, sizeof text)) return bad(r, "a short quoted type such as '<f4'", err);
  if (text[0] == '=') text[0] = '<'; /* "native", where it was written: little endian assumed */
  if (strcmp(text, "|b1") == 0) {    /* Booleans are bytes of 0 and 1. */
    r->array->type = AP_NPY_U8;
    return AP_OK;
  }
  for (size_t i = 0; i < N_TYPES; i++) {
    /* The byte order mark of single bytes means nothing. */
    if (strcmp(text + 1, types[i].descr + 1) == 0 &&
        (text[0] == types[i].descr[0] || text[0] == '>' || types[i].bytes == 1)) {
      r->array->type = (ap_npy_type)i;
      r->big_endian = text[0] == '>' && types[i].bytes > 1;
      return AP_OK;
    }
  }
  return ap_fail(
      err, AP_ERR_FORMAT,
      "%s: byte %zu of the .npy header: element type '%s', expected f2 f4 f8 i1 u1 i2 u2 "
      "i4 u4 i8 u8 or b1",
      r->name, start, text);
}

static ap_status read_size(header_reader *r, size_t *out, ap_error *err) {
  size_t value = 0, digits = 0;
  skip_blanks(r);
  while (r->at < r->end && r->bytes[r->at] >= '0' && r->bytes[r->at] <= '9') {
    if (__builtin_mul_overflow(value, (size_t)10, &value) ||
        __builtin_add_overflow(value, (size_t)(r->bytes[r->at] - '0'), &value)) {
      return bad(r, "a dimension below 2^64", err);
    }
    digits++;
    r->at++;
  }
  if (digits == 0) return bad(r, "a dimension", err);
  *out = value;
  return AP_OK;
}

static ap_status read_shape(header_reader *r, ap_error *err) {
  ap_npy *a = r->array;
  bool comma = true;
  a->n_dims = 0;
  if (!take(r, '(')) return bad(r, "'(' of the shape", err);
  while (!take(r, ')')) {
    ap_status st;
    if (!comma) return bad(r, "',' or ')' in the shape", err);
    if (a->n_dims == AP_NPY_MAX_DIMS) return bad(r, "a shape of at most 8 dimensions", err);
    st = read_size(r, &a->dims[a->n_dims], err);
    if (st) return st;
    a->n_dims++;
    comma = take(r, ',');
  }
  /* (3) is a number in Python, (3,) a shape. */
  if (a->n_dims == 1 && !comma) return bad(r, "',' in a shape of one dimension", err);
  return AP_OK;
}

static ap_status read_header(header_reader *r, ap_error *err) {
  bool seen_type = false, seen_order = false, seen_shape = false, comma = true;
  if (!take(r, '{')) return bad(r, "'{'", err);
  while (!take(r, '}')) {
    char key[16];
    ap_status st = AP_OK;
    if (!comma) return bad(r, "',' or '}'", err);
    if (!take_text(r, key, sizeof key) || !take(r, ':')) return bad(r, "'name':", err);
    if (strcmp(key, "descr") == 0 && !seen_type) {
      seen_type = true;
      st = read_type(r, err);
    } else if (strcmp(key, "fortran_order") == 0 && !seen_order) {
      seen_order = true;
      r->fortran = take_word(r, "True");
      if (!r->fortran && !take_word(r, "False")) return bad(r, "True or False", err);
    } else if (strcmp(key, "shape") == 0 && !seen_shape) {
      seen_shape = true;
      st = read_shape(r, err);
    } else {
      return bad(r, "descr, fortran_order and shape, once each,", err);
    }
    if (st) return st;
    comma = take(r, ',');
  }
  if (!seen_type || !seen_order || !seen_shape) {
    return bad(r, "descr, fortran_order and shape before '}'", err);
  }
  skip_blanks(r);
  if (r->at != r->end) return bad(r, "only blanks after '}'", err);
  return AP_OK;
}

/* Preamble: magic, version, length of the header. Leaves r->at and r->end round the header. */
static ap_status read_preamble(header_reader *r, size_t size, ap_error *err) {
  const unsigned char *b = (const unsigned char *)r->bytes;
  size_t length, start;
  if (size < MAGIC_BYTES || memcmp(b, MAGIC, MAGIC_BYTES) != 0) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte 0: not a .npy file (\\x93NUMPY expected)",
                   r->name);
  }
  if (size < MAGIC_BYTES + 4) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: the file ends in its .npy header", r->name,
                   size);
  }
  if (b[6] < 1 || b[6] > 3 || b[7] != 0) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte 6: .npy version %d.%d, expected 1.0, 2.0 or 3.0",
                   r->name, b[6], b[7]);
  }
  start = b[6] == 1 ? 10 : 12;
  length = (size_t)b[8] | (size_t)b[9] << 8;
  if (size >= start && b[6] > 1) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  if (size < start || length > size - start || length > MAX_HEADER_BYTES) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte 8: header of %zu bytes in a file of %zu", r->name,
                   length, size);
  }
  r->at = start;
  r->end = start + length;
  return AP_OK;
}

static bool count_elements(ap_npy *a, size_t *bytes) {
  bool empty = false;
  a->count = 1;
  for (size_t i = 0; i < a->n_dims; i++) empty = empty || a->dims[i] == 0;
  for (size_t i = 0; i < a->n_dims && !empty; i++) {
    if (__builtin_mul_overflow(a->count, a->dims[i], &a->count)) return false;
  }
  if (empty) a->count = 0;
  return !__builtin_mul_overflow(a->count, ap_npy_item_size(a->type), bytes);
}

/* The file's first index runs fastest, ours the last. */
static void copy_from_fortran(const ap_npy *a, const char *from) {
  size_t index[AP_NPY_MAX_DIMS] = {0}, item = ap_npy_item_size(a->type);
  for (size_t i = 0; i < a->count; i++) {
    size_t to = 0;
    for (size_t d = 0; d < a->n_dims; d++) to = to * a->dims[d] + index[d];
    memcpy((char *)a->data + to * item, from + i * item, item);
    for (size_t d = 0; d < a->n_dims && ++index[d] == a->dims[d]; d++) index[d] = 0;
  }
}

static void swap_bytes(const ap_npy *a) {
  size_t item = ap_npy_item_size(a->type);
  for (size_t i = 0; i < a->count; i++) {
    char *element = (char *)a->data + i * item;
    for (size_t b = 0; b < item / 2; b++) {
      char low = element[b];
      element[b] = element[item - 1 - b];
      element[item - 1 - b] = low;
    }
  }
}

/* Header and shape of a whole file; the data begins at r->end. */
static ap_status read_shape_of_file(header_reader *r, size_t size, size_t *n_bytes, ap_error *err) {
  size_t present;
  ap_status st = read_preamble(r, size, err);
  *n_bytes = 0;
  if (!st) st = read_header(r, err);
  if (st) return st;
  present = size - r->end;
  if (!count_elements(r->array, n_bytes) || *n_bytes != present) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: byte %zu: %zu bytes of data, the shape asks for %s%zu",
                   r->name, r->end, present, *n_bytes ? "" : "more than 2^64, or ", *n_bytes);
  }
  return AP_OK;
}

ap_status ap_npy_parse(const char *bytes, size_t size, const char *name, ap_npy *out,
                       ap_error *err) {
  header_reader r = {.name = name, .bytes = bytes, .array = out};
  size_t n_bytes = 0;
  ap_status st;
  memset(out, 0, sizeof *out);
  st = read_shape_of_file(&r, size, &n_bytes, err);
  if (st) goto failed;
  out->data = ap_calloc(out->count, ap_npy_item_size(out->type));
  if (!out->data) {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu bytes of data", name, n_bytes);
    goto failed;
  }
  if (r.fortran && out->n_dims > 1) {
    copy_from_fortran(out, bytes + r.end);
  } else if (n_bytes > 0) {
    memcpy(out->data, bytes + r.end, n_bytes);
  }
  if (r.big_endian) swap_bytes(out);
  return AP_OK;
failed:
  memset(out, 0, sizeof *out);
  return st;
}

ap_status ap_npy_load(const char *path, size_t max_bytes, ap_npy *out, ap_error *err) {
  char *bytes = NULL;
  size_t size = 0, limit;
  ap_status st;
  memset(out, 0, sizeof *out);
  if (__builtin_add_overflow(max_bytes, MAX_HEADER_BYTES + 12, &limit)) limit = SIZE_MAX;
  st = ap_file_read(path, limit, &bytes, &size, err);
  if (st) return st;
  st = ap_npy_parse(bytes, size, path, out, err);
  ap_free(bytes);
  if (!st && out->count > max_bytes / ap_npy_item_size(out->type)) {
    st =
        ap_fail(err, AP_ERR_FORMAT, "%s: %zu elements of %zu bytes, at most %zu bytes are accepted",
                path, out->count, ap_npy_item_size(out->type), max_bytes);
    ap_npy_release(out);
  }
  return st;
}

ap_status ap_npy_save(const char *path, ap_npy_type type, const size_t *dims, size_t n_dims,
                      const void *data, bool force, ap_error *err) {
  ap_npy shape = {.type = type, .n_dims = n_dims};
  char text[512];
  size_t used, padded, n_bytes;
  ap_output *output = NULL;
  FILE *stream;
  ap_status st;
  if ((size_t)type >= N_TYPES || n_dims > AP_NPY_MAX_DIMS) {
    return ap_fail(err, AP_ERR_ARG, "%s: element type %d with %zu dimensions cannot be written",
                   path, (int)type, n_dims);
  }
  if (n_dims > 0) memcpy(shape.dims, dims, n_dims * sizeof *dims);
  if (!count_elements(&shape, &n_bytes)) {
    return ap_fail(err, AP_ERR_ARG, "%s: the shape holds more than 2^64 bytes", path);
  }
  used = (size_t)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          types[type].descr);
  for (size_t i = 0; i < n_dims; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "%zu%s", dims[i],
                             n_dims == 1      ? ","
                             : i + 1 < n_dims ? ", "
                                              : "");
  }
  used += (size_t)snprintf(text + used, sizeof text - used, "), }");
  /* Version 1.0: 6 + 2 + 2 bytes, then the text, blanks and a newline up to the alignment. */
  padded = (10 + used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - 10;
  assert(padded < sizeof text);
  memset(text + used, ' ', padded - used);
  text[padded - 1] = '\n';

  st = ap_output_open(path, force, &output, err);
  if (st) return st;
  stream = ap_output_stream(output);
  (void)fwrite(MAGIC "\x01", 1, MAGIC_BYTES + 2, stream); /* the literal's end is the minor 0 */
  (void)fputc((int)(padded & 255), stream);
  (void)fputc((int)(padded >> 8), stream);
  (void)fwrite(text, 1, padded, stream);
  if (n_bytes > 0) (void)fwrite(data, 1, n_bytes, stream);
  return ap_output_commit(output, err);
}

static ap_status map_file(const char *path, ap_npy_map *out, ap_error *err) {
  int file = -1;
  ap_status st = ap_file_open(path, SIZE_MAX, &file, &out->map_bytes, err);
  if (st) return st;
  if (out->map_bytes == 0) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: byte 0: not a .npy file (\\x93NUMPY expected)", path);
  } else {
    out->map = mmap(NULL, out->map_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (out->map == MAP_FAILED) {
      out->map = NULL;
      st = ap_fail(err, AP_ERR_IO, "%s: %s", path, strerror(errno));
    }
  }
  (void)close(file);
  return st;
}

ap_status ap_npy_map_open(const char *path, ap_npy_map *out, ap_error *err) {
  header_reader r = {.name = path, .array = &out->shape};
  size_t n_bytes = 0;
  ap_status st;
  memset(out, 0, sizeof *out);
  st = map_file(path, out, err);
  r.bytes = out->map;
  if (!st) st = read_shape_of_file(&r, out->map_bytes, &n_bytes, err);
  if (!st && r.fortran && out->shape.n_dims > 1) {
    st = ap_fail(err, AP_ERR_UNSUPPORTED, "%s: in Fortran order, expected C order", path);
  }
  if (!st && r.big_endian) {
    st = ap_fail(err, AP_ERR_UNSUPPORTED, "%s: big endian elements, expected little endian", path);
  }
  if (st) {
    ap_npy_unmap(out);
    return st;
  }
  out->data = r.bytes + r.end;
  return AP_OK;
}

void ap_npy_unmap(ap_npy_map *map) {
  if (!map) return;
  if (map->map) (void)munmap(map->map, map->map_bytes);
  memset(map, 0, sizeof *map);
}

void ap_npy_release(ap_npy *array) {
  if (!array) return;
  ap_free(array->data);
  memset(array, 0, sizeof *array);
}

double ap_npy_get(const ap_npy *array, size_t index) {
  assert(index < array->count);
  switch (array->type) {
    case AP_NPY_F32:
      return (double)((const float *)array->data)[index];
    case AP_NPY_F64:
      return ((const double *)array->data)[index];
    case AP_NPY_I8:
      return ((const int8_t *)array->data)[index];
    case AP_NPY_U8:
      return ((const uint8_t *)array->data)[index];
    case AP_NPY_I16:
      return ((const int16_t *)array->data)[index];
    case AP_NPY_U16:
      return ((const uint16_t *)array->data)[index];
    case AP_NPY_I32:
      return ((const int32_t *)array->data)[index];
    case AP_NPY_U32:
      return ((const uint32_t *)array->data)[index];
    case AP_NPY_I64:
      return (double)((const int64_t *)array->data)[index];
    case AP_NPY_U64:
      return (double)((const uint64_t *)array->data)[index];
    case AP_NPY_F16:
      return (double)ap_half_to_float(((const uint16_t *)array->data)[index]);
  }
  return 0;
}
