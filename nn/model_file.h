/* nn/model_file.h - networks on disk: one self-describing file (.apm).
 *
 * Layout: 8 bytes magic "APMODEL1", uint64 little-endian length of the JSON header, the header, then
 * the tensors' bytes, then 32 bytes SHA-256 of all before. Header members:
 *   name, input [c, h, w], mean [4], std [4], metadata (an object; may be absent)
 *   nodes    in order, without the input: kind, name, inputs, and what the kind needs (channels, kernel
 *            [h, w], stride [h, w], padding [top, left, bottom, right], groups, before, after,
 *            count_padding, ceiling, epsilon); a layer whose weights have bits of their own weight_bits
 *   tensors  in the order of the nodes: node, role (weight, bias, mean, var), type (float32, float16),
 *            offset (bytes behind the header) and count; they lie one behind the other, without gaps
 * In compact files the weights of CONV and LINEAR are float16, all other tensors float32. */
#ifndef AP_NN_MODEL_FILE_H
#define AP_NN_MODEL_FILE_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

/* metadata: a JSON object kept with the model (training log summary, provenance), or NULL.
 * compact stores float16 (round to nearest even; ARG when a weight is out of its range). The file is
 * written under a temporary name and renamed. Errors: ARG (path exists and not force; a value that
 * is not finite; metadata that is no object), IO, MEMORY. */
AP_NODISCARD ap_status ap_model_save(const char *path, const ap_network *net,
                                     const json_t *metadata, bool compact, bool force,
                                     ap_error *err);
/* name: a file, or the name of a shipped model; *path: the file (ap_free it). A shipped NAME (no '/')
 * is results/models/NAME.apm below the current folder or a folder above the program's (up to 5
 * levels, so that it is found from a build folder), or share/autoprune/models/NAME.apm beside the
 * program's bin. Errors: IO (neither), MEMORY. */
AP_NODISCARD ap_status ap_model_find(const char *name, char **path, ap_error *err);

/* path: as ap_model_find takes it. *metadata (may be NULL) gets a new reference, or NULL where there
 * is none. Errors: IO; FORMAT naming file and what is wrong (magic, checksum, header member, tensor
 * bounds, NaN or infinite weights), MEMORY. Files above 4 GiB are refused. A file whose name ends in
 * ".onnx" is read by nn/onnx.h. */
AP_NODISCARD ap_status ap_model_load(const char *path, ap_network **out, json_t **metadata,
                                     ap_error *err);

AP_EXTERN_C_END
#endif
