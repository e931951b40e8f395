/* cli/fetch.h - downloads a data set into the user's cache, through curl or wget and tar. */
#ifndef AP_CLI_FETCH_H
#define AP_CLI_FETCH_H
#include <stdbool.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Only "cifar10" is downloaded; for the others UNSUPPORTED says how to get them. The archive's
 * SHA-256 and size are checked before anything is unpacked; the folder appears whole or not at all.
 * dir: the folder made, ap_free it. Errors: ARG, IO, FORMAT (a wrong checksum). */
AP_NODISCARD ap_status ap_fetch(const char *name, bool quiet, char **dir, ap_error *err);

AP_EXTERN_C_END
#endif
