/* tests/nn/onnx_refused.h - a file that is refused, with its code and what is said of it. */
#ifndef AP_TESTS_NN_ONNX_REFUSED_H
#define AP_TESTS_NN_ONNX_REFUSED_H
#include "tests/nn/onnx_writer.h"

static inline void refused(onnx_model *m, ap_status code, const char *says) {
  ap_network *net = NULL;
  ap_error err = {0};
  ap_status st = model_import(m, &net, &err);
  if (st != code || net || !strstr(err.text, says) || !strstr(err.text, "case.onnx"))
    fail_msg("%s expected with \"%s\", got %s: %s", ap_status_name(code), says, ap_status_name(st),
             err.text);
}

static inline wire ints_of(const char *name, const int64_t *values, size_t n) {
  wire attrs = {0};
  attr_ints(&attrs, name, values, n);
  return attrs;
}

static inline wire int_of(const char *name, int64_t value) {
  wire attrs = {0};
  attr_int(&attrs, name, value);
  return attrs;
}
#endif
