/* cli/eval_datapath.h - `eval --integer` and `eval --datapath`: a model in floats, quantised, and on
 * its crossbars. */
#ifndef AP_CLI_EVAL_DATAPATH_H
#define AP_CLI_EVAL_DATAPATH_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "base/threads.h"
#include "cli/common.h"
#include "cli/options.h"
#include "mapper/vectors.h"
#include "nn/dataset.h"
#include "nn/infer.h"
#include "nn/network.h"
#include "pruners/integer_network.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

typedef struct {
  bool wanted;  /* --datapath */
  bool integer; /* --integer */
  const char *hw, *policy, *pruner, *weight_bits;
  ap_text_list overrides;
  double sigma, stuck_low, stuck_high, read_noise;
  size_t samples, calibration; /* device samples; images that ranges are taken from */
  double coverage;
} ap_datapath_options;
ap_datapath_options ap_datapath_options_default(void);
/* ARG when one of them is given without the option it goes with, or shares sum to more than 1. */
AP_NODISCARD ap_status ap_datapath_options_check(const ap_datapath_options *o, ap_error *err);

/* clang-format off */
#define AP_DATAPATH_OPTIONS(o)                                                                     \
  {"datapath", NULL, "also multiply as the mapped crossbars do, bit by bit",                       \
   AP_OPTION_FLAG, &(o)->wanted, 0, 0},                                                            \
  {"integer", NULL, "accuracy of the quantised network, by the fast evaluator",                    \
   AP_OPTION_FLAG, &(o)->integer, 0, 0},                                                           \
  {"hw", "PRESET|FILE", "hardware: ou (default), isaac, sre, or an .ini file",                     \
   AP_OPTION_TEXT, &(o)->hw, 0, 0},                                                                \
  {"set", "SECTION.KEY=V", "change one value of the hardware; may be repeated",                    \
   AP_OPTION_LIST, &(o)->overrides, 0, 0},                                                         \
  {"policy", "FILE", "prune the model by this policy first",                                       \
   AP_OPTION_TEXT, &(o)->policy, 0, 0},                                                            \
  {"pruner", "NAME", "vectors dropped when zero (default: the policy's, or column-vector)",        \
   AP_OPTION_TEXT, &(o)->pruner, 0, 0},                                                            \
  AP_CLI_WEIGHT_BITS(&(o)->weight_bits),                                                           \
  {"sigma", "S", "log-normal variation of the cells (default 0)",                                  \
   AP_OPTION_NUMBER, &(o)->sigma, 0, 2},                                                           \
  {"stuck-low", "P", "share of cells that read as 0 (default 0)",                                  \
   AP_OPTION_NUMBER, &(o)->stuck_low, 0, 1},                                                       \
  {"stuck-high", "P", "share of cells that read as the largest level (default 0)",                 \
   AP_OPTION_NUMBER, &(o)->stuck_high, 0, 1},                                                      \
  {"read-noise", "N", "standard deviation of a bitline's sum, in cell levels (default 0)",         \
   AP_OPTION_NUMBER, &(o)->read_noise, 0, 1e6},                                                    \
  {"samples", "K", "devices drawn from --seed (default 1)",                                        \
   AP_OPTION_SIZE, &(o)->samples, 1, 10000},                                                       \
  {"calibration", "N", "calibration images for the layers' input ranges (default 256)",            \
   AP_OPTION_SIZE, &(o)->calibration, 1, 1e9},                                                     \
  {"coverage", "C", "share of a layer's inputs inside its range (default 1: all)",                 \
   AP_OPTION_NUMBER, &(o)->coverage, 0.500001, 1}
/* clang-format on */

typedef struct {
  const ap_network *net; /* not folded */
  const char *model, *data, *split, *logits;
  size_t images; /* 0: the whole split */
} ap_datapath_subject;

/* What both begin with: hardware, images, the network as it is to be mapped, its quantised form. */
typedef struct {
  ap_tech *tech;
  ap_dataset *data;
  ap_split split;
  ap_network *net; /* folded and pruned */
  ap_granularity granularity;
  char granularity_name[64];
  ap_pool *pool;
  ap_integer_network *in;
  size_t images;
  size_t calibration; /* images that set the input ranges */
  ap_score in_floats;
} ap_quantised_subject;
/* *out is to be released in any case. */
AP_NODISCARD ap_status ap_quantised_subject_open(const ap_cli *cli, const ap_datapath_subject *s,
                                                 const ap_datapath_options *o,
                                                 ap_quantised_subject *out, ap_error *err);
void ap_quantised_subject_release(ap_quantised_subject *subject);

/* Pieces of both documents; NULL when memory is out. */
json_t *ap_quantised_score_json(const ap_score *score);
json_t *ap_quantised_layers_json(const ap_integer_network *in);
/* "8-bit weights", "weights of 4 to 8 bits". */
void ap_quantised_bits_text(const ap_integer_network *in, char *text, size_t room);
void ap_quantised_print_score(const char *name, const ap_score *score);

/* Prints the table or the JSON document. --logits keeps the outputs of the first device. */
AP_NODISCARD ap_status ap_cli_eval_datapath(const ap_cli *cli, const ap_datapath_subject *subject,
                                            const ap_datapath_options *o, ap_error *err);
/* The same of the quantised network alone. */
AP_NODISCARD ap_status ap_cli_eval_integer(const ap_cli *cli, const ap_datapath_subject *subject,
                                           const ap_datapath_options *o, ap_error *err);

AP_EXTERN_C_END
#endif
