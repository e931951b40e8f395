#include "cli/model.h"

#include <math.h>
#include <stdlib.h>

#include "nn/model_file.h"
#include "nn/onnx.h"

/* As many numbers between commas as the images have channels. */
static ap_status read_channels(const char *option, const char *text, bool positive, size_t channels,
                               float *values, ap_error *err) {
  const char *at = text;
  size_t n = 0;
  for (; n < channels; n++) {
    char *end;
    double value = strtod(at, &end);
    bool comma = n + 1 < channels;
    if (end == at || *end != (comma ? ',' : '\0') || !isfinite((float)value) ||
        (positive && !((float)value > 0)))
      break;
    values[n] = (float)value;
    at = end + comma;
  }
  if (n == channels) return AP_OK;
  return ap_fail(err, AP_ERR_ARG,
                 "--%s %s: %zu %snumber%s expected, as the images have %zu channel%s", option, text,
                 channels, positive ? "positive " : "", channels == 1 ? "" : "s", channels,
                 channels == 1 ? "" : "s");
}

ap_status ap_cli_load_model(const ap_model_choice *choice, ap_network **net, json_t **metadata,
                            ap_error *err) {
  ap_status st = ap_model_load(choice->path, net, metadata, err);
  if (st) return st;
  size_t channels = (*net)->nodes[0].shape.c;
  if ((choice->mean || choice->std) && !ap_onnx_is_name(choice->path))
    st = ap_fail(err, AP_ERR_ARG,
                 "--mean and --std go with .onnx files; %s holds its own normalisation",
                 choice->path);
  if (!st && choice->mean)
    st = read_channels("mean", choice->mean, false, channels, (*net)->mean, err);
  if (!st && choice->std) st = read_channels("std", choice->std, true, channels, (*net)->std, err);
  if (!st) return AP_OK;
  ap_network_destroy(*net);
  *net = NULL;
  if (metadata) {
    json_decref(*metadata);
    *metadata = NULL;
  }
  return st;
}

ap_status ap_cli_stored_bits(const ap_store_choice *choice, unsigned *bits, ap_error *err) {
  const char *type = choice->type;
  *bits = choice->compact ? AP_STORE_FLOAT16 : AP_STORE_FLOAT32;
  if (!type) return AP_OK;
  if (choice->compact) return ap_fail(err, AP_ERR_ARG, "--store and --compact exclude each other");
  *bits = ap_stored_bits(type);
  if (*bits == 0)
    return ap_fail(err, AP_ERR_ARG, "--store %.40s: float32, float16 or int8 to int2 are expected",
                   type);
  return AP_OK;
}
