/* nn/onnx/absent.c - takes the place of reading and writing in builds without the ONNX schema. */
#include "nn/onnx.h"
#include "nn/onnx/read.h"

#define MISSING                                                                      \
  "%s: this program was built without ONNX; to get it: apt-get install libonnx-dev " \
  "protobuf-c-compiler libprotobuf-c-dev, then configure and build again"

bool ap_onnx_available(void) { return false; }

ap_status ap_onnx_read(const char *path, ap_onnx_graph **out, ap_error *err) {
  *out = NULL;
  return ap_fail(err, AP_ERR_UNSUPPORTED, MISSING, path);
}

ap_status ap_onnx_export(const char *path, const ap_network *net, const json_t *properties,
                         bool force, ap_error *err) {
  (void)net;
  (void)properties;
  (void)force;
  return ap_fail(err, AP_ERR_UNSUPPORTED, MISSING, path);
}
