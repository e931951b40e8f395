/* base/hash.h - SHA-256 and SHA-1 through nettle, as lower-case hex text. */
#ifndef AP_BASE_HASH_H
#define AP_BASE_HASH_H
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

#define AP_SHA256_TEXT 65 /* 64 hex digits and the end */
#define AP_SHA1_TEXT 41

typedef struct ap_hash ap_hash; /* a running SHA-256 */
AP_NODISCARD ap_status ap_hash_create(ap_hash **out, ap_error *err);
void ap_hash_add(ap_hash *hash, const void *data, size_t size);
void ap_hash_text(const ap_hash *hash, char text[AP_SHA256_TEXT]); /* of all added so far */
void ap_hash_destroy(ap_hash *hash);

void ap_sha256(const void *data, size_t size, char text[AP_SHA256_TEXT]);
void ap_sha1(const void *data, size_t size, char text[AP_SHA1_TEXT]);

AP_EXTERN_C_END
#endif
