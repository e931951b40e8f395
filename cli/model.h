/* cli/model.h - the option --model, alike in every subcommand: a model file, the name of a shipped one,
 * or an .onnx file with the normalisation of its images. */
#ifndef AP_CLI_MODEL_H
#define AP_CLI_MODEL_H
#include <jansson.h>
#include <stdbool.h>

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

/* How a model that is written keeps its weights. */
typedef struct {
  const char *type; /* --store, or NULL */
  bool compact;     /* --compact: float16 */
} ap_store_choice;
#define AP_CLI_STORE(s)                                                                         \
  {"store",                                                                                     \
   "TYPE",                                                                                      \
   "weights in the file as float32 (default), float16, or int8 to int2 with a scale a channel", \
   AP_OPTION_TEXT,                                                                              \
   &(s)->type,                                                                                  \
   0,                                                                                           \
   0},                                                                                          \
  {                                                                                             \
    "compact", NULL, "--store float16", AP_OPTION_FLAG, &(s)->compact, 0, 0                     \
  }
/* For ap_model_save. ARG for another type, or both options. */
AP_NODISCARD ap_status ap_cli_stored_bits(const ap_store_choice *choice, unsigned *bits,
                                          ap_error *err);

/* Reads the model and, for an .onnx file, sets the normalisation that was asked for. *metadata as in
 * nn/model_file.h. ARG for numbers that do not fit the channels, or given for another kind of file. */
AP_NODISCARD ap_status ap_cli_load_model(const ap_model_choice *choice, ap_network **net,
                                         json_t **metadata, ap_error *err);

/* Hash, counts, nodes, layers and metadata of a network on standard output (--json: a document). */
AP_NODISCARD ap_status ap_cli_describe(const ap_cli *cli, const ap_network *net,
                                       const json_t *metadata, ap_error *err);

AP_EXTERN_C_END
#endif
