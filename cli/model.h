/* cli/model.h - the option --model, alike in every subcommand: a model file, the name of a shipped one,
 * or an .onnx file with the normalisation of its images. */
#ifndef AP_CLI_MODEL_H
#define AP_CLI_MODEL_H
#include <jansson.h>

#include "base/status.h"
#include "cli/options.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

typedef struct {
  const char *path;       /* --model */
  const char *mean, *std; /* "a,b,c", or NULL */
} ap_model_choice;

#define AP_NORMALISATION_OPTIONS(m)                                                               \
  {"mean",                                                                                        \
   "A,B,C",                                                                                       \
   "of an .onnx model's images, pixels in 0..1 (default: stored, or 0)",                          \
   AP_OPTION_TEXT,                                                                                \
   &(m)->mean,                                                                                    \
   0,                                                                                             \
   0},                                                                                            \
  {                                                                                               \
    "std", "A,B,C", "their deviation: it sees (pixel/255-mean)/std (default: 1)", AP_OPTION_TEXT, \
        &(m)->std, 0, 0                                                                           \
  }
#define AP_MODEL_OPTIONS(m)                               \
  {                                                       \
      "model",                                            \
      "FILE",                                             \
      "model file, name of a shipped one, or .onnx file", \
      AP_OPTION_TEXT,                                     \
      &(m)->path,                                         \
      0,                                                  \
      0},                                                 \
      AP_NORMALISATION_OPTIONS(m)

/* Reads the model and, for an .onnx file, sets the normalisation that was asked for. *metadata as in
 * nn/model_file.h. ARG for numbers that do not fit the channels, or given for another kind of file. */
AP_NODISCARD ap_status ap_cli_load_model(const ap_model_choice *choice, ap_network **net,
                                         json_t **metadata, ap_error *err);

/* Hash, counts, nodes, layers and metadata of a network on standard output (--json: a document). */
AP_NODISCARD ap_status ap_cli_describe(const ap_cli *cli, const ap_network *net,
                                       const json_t *metadata, ap_error *err);

AP_EXTERN_C_END
#endif
