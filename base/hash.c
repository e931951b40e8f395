#include "base/hash.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdint.h>

#include "base/alloc.h"

struct ap_hash {
  struct sha256_ctx state;
};

static void to_hex(const uint8_t *digest, size_t size, char *text) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  text[2 * size] = '\0';
}

ap_status ap_hash_create(ap_hash **out, ap_error *err) {
  *out = ap_calloc(1, sizeof **out);
  if (!*out) return ap_fail(err, AP_ERR_MEMORY, "hash state");
  sha256_init(&(*out)->state);
  return AP_OK;
}

void ap_hash_add(ap_hash *hash, const void *data, size_t size) {
  if (size > 0) sha256_update(&hash->state, size, data);
}

void ap_hash_text(const ap_hash *hash, char text[AP_SHA256_TEXT]) {
  struct sha256_ctx copy = hash->state; /* taking the digest ends a state */
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&copy, sizeof digest, digest);
  to_hex(digest, sizeof digest, text);
}

void ap_hash_destroy(ap_hash *hash) { ap_free(hash); }

void ap_sha256(const void *data, size_t size, char text[AP_SHA256_TEXT]) {
  ap_hash hash;
  sha256_init(&hash.state);
  ap_hash_add(&hash, data, size);
  ap_hash_text(&hash, text);
}

void ap_sha1(const void *data, size_t size, char text[AP_SHA1_TEXT]) {
  struct sha1_ctx state;
  uint8_t digest[SHA1_DIGEST_SIZE];
  sha1_init(&state);
  if (size > 0) sha1_update(&state, size, data);
  sha1_digest(&state, sizeof digest, digest);
  to_hex(digest, sizeof digest, text);
}
