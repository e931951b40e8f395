/* nn/onnx.h - networks from and to ONNX files (.onnx), the exchange format of PyTorch, TensorFlow and
 * others. What of it is understood: docs/ONNX.md.
 *
 * Files are read through protobuf-c with the schema of Debian's libonnx-dev. A program built without
 * them answers UNSUPPORTED and says which packages are missing. */
#ifndef AP_NN_ONNX_H
#define AP_NN_ONNX_H
#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

bool ap_onnx_available(void);           /* was this program built with the schema? */
bool ap_onnx_is_name(const char *path); /* does it end in ".onnx"? */

/* Reads a classifier: one image input [N, C, H, W] or [N, H, W, C] (1 to 4 channels, the batch may be
 * open), one output of class scores. What depends on constants alone is folded, transposes become
 * the order of weights, a Softmax at the end is dropped. The normalisation is the one that an export
 * of ours stored, else mean 0 and std 1: the network then sees pixels scaled to 0..1.
 *   metadata  (may be NULL) a new object: what an export stored (autoprune.metadata, and of a pruned
 *             network "policy" and "dense_sha256"), and under "onnx", if that is not there, file,
 *             sha256, producer, opset, ir_version
 * Nothing in the file is trusted; sizes are bounded before memory is taken. Errors name the file, and
 * the node with its operator: IO; FORMAT (damaged or contradictory); UNSUPPORTED (with what is
 * supported); MEMORY. */
AP_NODISCARD ap_status ap_onnx_import(const char *path, ap_network **out, json_t **metadata,
                                      ap_error *err);

/* Writes a network, pruned or not (zeros stay in place), as opset 13 (17 with a LAYERNORM) with an open batch: input
 * "input", one output. Equal networks and properties give equal bytes. metadata_props hold
 * autoprune.mean, autoprune.std, autoprune.sha256 (ap_network_hash) and every member of `properties`
 * (an object, or NULL) as autoprune.MEMBER: texts as they are, other values as JSON.
 * Errors: ARG (path exists and not force), UNSUPPORTED (above 2 GiB), IO, MEMORY. */
AP_NODISCARD ap_status ap_onnx_export(const char *path, const ap_network *net,
                                      const json_t *properties, bool force, ap_error *err);

AP_EXTERN_C_END
#endif
