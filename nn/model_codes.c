#include <lzma.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/model_codes_impl.h"

enum {
  MOST_CODES_A_BYTE = 32,
  DICTIONARY_BYTES = 1 << 20 /* codes hardly repeat: what packs them is how often each occurs */
};
/* Memory that a stream may ask for: that dictionary's and no more. */
#define DECODER_BYTES ((uint64_t)16 << 20)

static int most_code(unsigned bits) { return (1 << (bits - 1)) - 1; }

/* ---- writing ---- */

/* So that the largest value, scale * code, has the same scale again: what was stored is stored without
 * a further loss. */
static float scale_of(float most, float code) {
  float scale = most / code;
  for (int i = 0; i < 8; i++) {
    const float again = scale * code / code;
    if (again == scale) break;
    scale = again;
  }
  return scale;
}

static ap_status quantise(const char *where, const float *values, size_t channels, size_t count,
                          unsigned bits, unsigned char *scales, unsigned char *codes,
                          ap_error *err) {
  const size_t each = count / channels;
  for (size_t c = 0; c < channels; c++) {
    const float *row = values + c * each;
    float most = 0, scale;
    for (size_t i = 0; i < each; i++) most = fmaxf(most, fabsf(row[i]));
    scale = scale_of(most, (float)most_code(bits));
    if (!isfinite(scale * (float)most_code(bits)))
      return ap_fail(err, AP_ERR_ARG, "%s: channel %zu: %g cannot be a scale times %d", where, c,
                     (double)most, most_code(bits));
    memcpy(scales + c * sizeof scale, &scale, sizeof scale);
    for (size_t i = 0; i < each; i++) {
      /* A denormal scale was rounded: the quotient may be beyond the bits. */
      const float quotient = scale > 0 ? rintf(row[i] / scale) : 0;
      const float bound = (float)most_code(bits);
      const int8_t code = (int8_t)fmaxf(-bound, fminf(bound, quotient));
      memcpy(codes + c * each + i, &code, 1);
    }
  }
  return AP_OK;
}

/* Packs n bytes into fewer; 0 where they do not become fewer. */
static size_t pack(const unsigned char *in, size_t n, unsigned char *out) {
  lzma_options_lzma options;
  lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
  size_t used = 0;
  if (lzma_lzma_preset(&options, 6)) return 0;
  options.dict_size = DICTIONARY_BYTES;
  options.lc = options.lp = options.pb = 0; /* a code says nothing about the next one */
  const lzma_ret code =
      lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, in, n, out, &used, n);
  return code == LZMA_OK && used < n ? used : 0;
}

ap_status ap_codes_write(const char *where, const float *values, size_t channels, size_t count,
                         unsigned bits, unsigned char **bytes, size_t *n_bytes, ap_error *err) {
  const size_t scales = channels * sizeof(float);
  unsigned char *plain = ap_calloc(scales + count, 1), *packed = ap_calloc(scales + count, 1);
  size_t n;
  ap_status st = AP_OK;
  *bytes = NULL;
  *n_bytes = 0;
  if (!plain || !packed)
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu codes", where, count);
  else
    st = quantise(where, values, channels, count, bits, plain, plain + scales, err);
  if (!st) {
    n = pack(plain + scales, count, packed + scales);
    if (n > 0 && count / n < MOST_CODES_A_BYTE) {
      memcpy(packed, plain, scales);
      *bytes = packed;
      packed = NULL;
      *n_bytes = scales + n;
    } else {
      *bytes = plain;
      plain = NULL;
      *n_bytes = scales + count;
    }
  }
  ap_free(plain);
  ap_free(packed);
  return st;
}

/* ---- reading ---- */

static ap_status unpack(const char *where, const unsigned char *in, size_t n, size_t count,
                        unsigned char *codes, ap_error *err) {
  uint64_t memory = DECODER_BYTES;
  size_t at = 0, used = 0;
  if (n == count) {
    memcpy(codes, in, n);
    return AP_OK;
  }
  const lzma_ret code =
      lzma_stream_buffer_decode(&memory, 0, NULL, in, &at, n, codes, &used, count);
  if (code == LZMA_MEM_ERROR)
    return ap_fail(err, AP_ERR_MEMORY, "%s: unpacking of %zu codes", where, count);
  if (code != LZMA_OK || at != n || used != count)
    return ap_fail(err, AP_ERR_FORMAT, "%s: damaged codes: %zu of %zu at packed byte %zu of %zu",
                   where, used, count, at, n);
  return AP_OK;
}

static ap_status expand(const char *where, const unsigned char *scales, const unsigned char *codes,
                        size_t channels, size_t count, unsigned bits, float *values,
                        ap_error *err) {
  const size_t each = count / channels;
  for (size_t c = 0; c < channels; c++) {
    float scale;
    memcpy(&scale, scales + c * sizeof scale, sizeof scale);
    if (!isfinite(scale) || scale < 0)
      return ap_fail(err, AP_ERR_FORMAT, "%s: channel %zu: scale %g", where, c, (double)scale);
    for (size_t i = c * each; i < (c + 1) * each; i++) {
      int8_t code;
      memcpy(&code, codes + i, 1);
      if (code < -most_code(bits) || code > most_code(bits))
        return ap_fail(err, AP_ERR_FORMAT, "%s: code %zu is %d, %u bits end at %d", where, i, code,
                       bits, most_code(bits));
      values[i] = scale * (float)code;
    }
  }
  return AP_OK;
}

ap_status ap_codes_read(const char *where, const unsigned char *bytes, size_t n_bytes,
                        size_t channels, size_t count, unsigned bits, float **values,
                        ap_error *err) {
  const size_t scales = channels * sizeof(float);
  unsigned char *codes;
  ap_status st;
  *values = NULL;
  if (n_bytes <= scales || n_bytes - scales > count ||
      count / (n_bytes - scales) >= MOST_CODES_A_BYTE)
    return ap_fail(err, AP_ERR_FORMAT, "%s: %zu bytes for %zu scales and %zu codes", where, n_bytes,
                   channels, count);
  codes = ap_calloc(count, 1);
  *values = ap_calloc(count, sizeof **values);
  if (codes && *values) {
    st = unpack(where, bytes + scales, n_bytes - scales, count, codes, err);
    if (!st) st = expand(where, bytes, codes, channels, count, bits, *values, err);
  } else {
    st = ap_fail(err, AP_ERR_MEMORY, "%s: %zu codes", where, count);
  }
  ap_free(codes);
  if (st) {
    ap_free(*values);
    *values = NULL;
  }
  return st;
}

ap_status ap_codes_round(const char *where, float *values, size_t channels, size_t count,
                         unsigned bits, ap_error *err) {
  const size_t scales = channels * sizeof(float);
  unsigned char *plain = ap_calloc(scales + count, 1);
  ap_status st = plain ? quantise(where, values, channels, count, bits, plain, plain + scales, err)
                       : ap_fail(err, AP_ERR_MEMORY, "%s: %zu codes", where, count);
  if (!st) st = expand(where, plain, plain + scales, channels, count, bits, values, err);
  ap_free(plain);
  return st;
}
