/* ap_file_read_packed: plain, gzip (zlib) and xz (liblzma) files, told apart by their first bytes.
 */
#define ZLIB_CONST /* zlib.h: the input is read only */
#include <limits.h>
#include <lzma.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"

/* Memory that an .xz stream may ask for; xz -9 needs 65 MiB. */
#define XZ_MEMORY_BYTES ((uint64_t)256 << 20)

/* Unpacked bytes; grows up to limit + 1, where the last byte shows a stream that is too long. */
typedef struct {
  const char *path;
  size_t limit;
  char *bytes;
  size_t used, room;
} sink;

static ap_status sink_grow(sink *s, ap_error *err) {
  size_t room = s->room ? s->room * 2 : 65536;
  char *grown;
  if (s->used > s->limit) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: unpacks to more than the %zu bytes that are accepted",
                   s->path, s->limit);
  }
  if (s->used < s->room) return AP_OK;
  if (room > s->limit + 1) room = s->limit + 1;
  grown = ap_realloc(s->bytes, room + 1, 1);
  if (!grown) return ap_fail(err, AP_ERR_MEMORY, "%s: %zu unpacked bytes", s->path, room);
  s->bytes = grown;
  s->room = room;
  return AP_OK;
}

static uInt at_most_uint(size_t n) { return n > UINT_MAX ? UINT_MAX : (uInt)n; }

static ap_status unpack_gz(const unsigned char *in, size_t size, sink *s, ap_error *err) {
  z_stream z = {0};
  size_t at = 0;
  ap_status st = AP_OK;
  int code;
  if (inflateInit2(&z, 15 + 16) != Z_OK) {
    return ap_fail(err, AP_ERR_MEMORY, "%s: gzip decoder", s->path);
  }
  for (;;) {
    uInt given, space;
    st = sink_grow(s, err);
    if (st) break;
    given = at_most_uint(size - at);
    space = at_most_uint(s->room - s->used);
    z.next_in = in + at;
    z.avail_in = given;
    z.next_out = (Bytef *)s->bytes + s->used;
    z.avail_out = space;
    code = inflate(&z, Z_NO_FLUSH);
    at += given - z.avail_in;
    s->used += space - z.avail_out;
    if (code == Z_STREAM_END) {
      if (at == size) {
        st = s->used > s->limit ? sink_grow(s, err) : AP_OK;
        break;
      }
      /* RFC 1952: members may follow each other; anything else is refused by the next header. */
      if (inflateReset(&z) == Z_OK) continue;
    }
    if (code == Z_OK && (at < size || z.avail_out == 0)) continue;
    if (code == Z_MEM_ERROR) {
      st = ap_fail(err, AP_ERR_MEMORY, "%s: gzip decoder", s->path);
    } else if (code == Z_OK || code == Z_BUF_ERROR) {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: the gzip stream ends early, at byte %zu", s->path, at);
    } else {
      st = ap_fail(err, AP_ERR_FORMAT, "%s: damaged gzip stream at byte %zu: %s", s->path, at,
                   z.msg ? z.msg : "invalid data");
    }
    break;
  }
  (void)inflateEnd(&z);
  return st;
}

static ap_status xz_error(lzma_ret code, const char *path, size_t at, ap_error *err) {
  const char *what = "invalid data";
  if (code == LZMA_MEM_ERROR || code == LZMA_MEMLIMIT_ERROR) {
    return ap_fail(err, AP_ERR_MEMORY, "%s: the xz decoder needs too much memory", path);
  }
  if (code == LZMA_BUF_ERROR) what = "the stream ends early";
  if (code == LZMA_FORMAT_ERROR) what = "bytes that are not xz follow";
  if (code == LZMA_OPTIONS_ERROR) what = "unsupported filter";
  return ap_fail(err, AP_ERR_FORMAT, "%s: damaged xz stream at byte %zu: %s", path, at, what);
}

static ap_status unpack_xz(const unsigned char *in, size_t size, sink *s, ap_error *err) {
  lzma_stream z = LZMA_STREAM_INIT;
  ap_status st = AP_OK;
  lzma_ret code = lzma_stream_decoder(&z, XZ_MEMORY_BYTES, LZMA_CONCATENATED);
  if (code != LZMA_OK) return ap_fail(err, AP_ERR_MEMORY, "%s: xz decoder", s->path);
  z.next_in = in;
  z.avail_in = size;
  do {
    st = sink_grow(s, err);
    if (st) break;
    z.next_out = (uint8_t *)s->bytes + s->used;
    z.avail_out = s->room - s->used;
    code = lzma_code(&z, LZMA_FINISH);
    s->used = s->room - z.avail_out;
  } while (code == LZMA_OK);
  if (!st && code != LZMA_STREAM_END) st = xz_error(code, s->path, size - z.avail_in, err);
  if (!st && s->used > s->limit) st = sink_grow(s, err);
  lzma_end(&z);
  return st;
}

ap_status ap_file_read_packed(const char *path, size_t max_bytes, char **data, size_t *size,
                              ap_error *err) {
  static const unsigned char gz_magic[] = {0x1f, 0x8b};
  static const unsigned char xz_magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
  sink s = {.path = path, .limit = max_bytes < SIZE_MAX / 4 ? max_bytes : SIZE_MAX / 4};
  char *raw = NULL;
  size_t n = 0, raw_limit;
  ap_status st;
  *data = NULL;
  *size = 0;
  /* Packing what does not shrink adds a little. */
  raw_limit = s.limit + s.limit / 16 + 65536;
  st = ap_file_read(path, raw_limit, &raw, &n, err);
  if (st) return st;
  if (n >= sizeof gz_magic && memcmp(raw, gz_magic, sizeof gz_magic) == 0) {
    st = unpack_gz((const unsigned char *)raw, n, &s, err);
  } else if (n >= sizeof xz_magic && memcmp(raw, xz_magic, sizeof xz_magic) == 0) {
    st = unpack_xz((const unsigned char *)raw, n, &s, err);
  } else if (n > s.limit) {
    st = ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes, at most %zu are accepted", path, n, s.limit);
    goto done;
  } else {
    s.bytes = raw;
    s.used = n;
    raw = NULL;
  }
  if (st) goto done;
  s.bytes[s.used] = '\0';
  *data = s.bytes;
  *size = s.used;
  s.bytes = NULL;
done:
  ap_free(s.bytes);
  ap_free(raw);
  return st;
}
