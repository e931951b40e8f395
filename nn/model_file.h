/* nn/model_file.h - networks on disk: one self-describing file (.apm).
 *
 * Layout: 8 bytes magic "APMODEL1", uint64 little-endian length of the JSON header, the header, then
 * the tensors' bytes, then 32 bytes SHA-256 of all before. Header members:
 *   name, input [c, h, w], mean [4], std [4], metadata (an object; may be absent)
 *   nodes    in order, without the input: kind, name, inputs, and what the kind needs (channels, kernel
 *            [h, w], stride [h, w], padding [top, left, bottom, right], groups, dilation
 *            [h, w] where it is not 1, before, after, picks, count_padding, ceiling, epsilon); a layer
 *            whose weights have bits of their own weight_bits
 *   tensors  in the order of the nodes: node, role (weight, bias, mean, var), type (float32, float16,
 *            int2 .. int8), offset (bytes behind the header), count and, of integers, bytes; they lie one
 *            behind the other, without gaps
 * Only weights of CONV and LINEAR can be float16 or integers (nn/model_codes_impl.h), all other tensors are
 * float32. Floats are little-endian. */
#ifndef AP_NN_MODEL_FILE_H
#define AP_NN_MODEL_FILE_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

/* How weights of CONV and LINEAR are stored; 2 to 8: as whole numbers of so many bits. */
enum { AP_STORE_INT8 = 8, AP_STORE_FLOAT16 = 16, AP_STORE_FLOAT32 = 32 };
/* "int2" .. "int8", "float16", "float32", or NULL; and the bits of such a type, or 0. */
const char *ap_stored_type(unsigned stored_bits);
unsigned ap_stored_bits(const char *type);

/* metadata: a JSON object kept with the model (training log summary, provenance), or NULL.
 * stored_bits: see above; rounding is to the nearest, ties to even. The file is written under a
 * temporary name and renamed. Errors: ARG (path exists and not force; a value that is not finite, or
 * beyond what is stored; other stored_bits; metadata that is no object), IO, MEMORY. */
AP_NODISCARD ap_status ap_model_save(const char *path, const ap_network *net,
                                     const json_t *metadata, unsigned stored_bits, bool force,
                                     ap_error *err);
/* Rounds the weights to what a file of so many stored bits will hold: what is measured, or hashed, after
 * that is what a reader of the file finds. Errors: ARG as of ap_model_save; MEMORY. */
AP_NODISCARD ap_status ap_model_round(ap_network *net, unsigned stored_bits, ap_error *err);

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
