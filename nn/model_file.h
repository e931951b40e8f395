/* nn/model_file.h - networks on disk: one self-describing file (.apm).
 *
 * Layout: 8 bytes magic "APMODEL1", uint64 little-endian length of the JSON header, the header
 * (structure, tensor table with type, offset and count, normalisation, metadata), then the tensors'
 * bytes, then 32 bytes SHA-256 of all before. Tensors are float32, or float16 for compact files. */
#ifndef AP_NN_MODEL_FILE_H
#define AP_NN_MODEL_FILE_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

/* metadata: a JSON object kept with the model (training log summary, provenance), or NULL.
 * compact stores float16 (round to nearest even; ARG when a weight is out of its range). */
AP_NODISCARD ap_status ap_model_save(const char *path, const ap_network *net,
                                     const json_t *metadata, bool compact, bool force,
                                     ap_error *err);
/* path: a file, or the name of a shipped model (results/models/NAME.apm beside the sources or the
 * installed share folder). *metadata (may be NULL) gets a new reference, or NULL where there is
 * none. Errors: IO; FORMAT naming file and what is wrong (magic, checksum, header member, tensor
 * bounds, NaN or infinite weights). */
AP_NODISCARD ap_status ap_model_load(const char *path, ap_network **out, json_t **metadata,
                                     ap_error *err);

AP_EXTERN_C_END
#endif
