/* nn/model_impl.h - names and limits that writer and reader of model files share. */
#ifndef AP_NN_MODEL_IMPL_H
#define AP_NN_MODEL_IMPL_H
#include <stddef.h>
#include <stdint.h>

#include "nn/network.h"
AP_EXTERN_C_BEGIN

#define AP_MODEL_MAGIC "APMODEL1"
#define AP_MODEL_MAGIC_BYTES ((size_t)8)
#define AP_MODEL_PROLOGUE_BYTES (AP_MODEL_MAGIC_BYTES + 8) /* and the header's length */
#define AP_MODEL_DIGEST_BYTES ((size_t)32)
#define AP_MODEL_MAX_HEADER_BYTES ((size_t)64 << 20)
#define AP_MODEL_MAX_BYTES ((size_t)4 << 30)

/* The tensors that a node may have, in file order. */
enum { AP_ROLE_WEIGHT, AP_ROLE_BIAS, AP_ROLE_MEAN, AP_ROLE_VAR, AP_ROLE_COUNT };
const char *ap_role_name(int role);

/* Raw digest from the 64 hex digits of base/hash.h. */
void ap_digest_bytes(const char *hex, unsigned char digest[AP_MODEL_DIGEST_BYTES]);

AP_EXTERN_C_END
#endif
