/* cli/common.h - what several subcommands do alike. */
#ifndef AP_CLI_COMMON_H
#define AP_CLI_COMMON_H
#include <jansson.h>
#include <stddef.h>

#include "base/npy.h"
#include "base/status.h"
#include "cli/model.h"
#include "cli/options.h"
#include "nn/network.h"
#include "pruners/network_price.h"
#include "pruners/policy.h"
#include "pruners/pruner.h"
#include "reram_model/tech.h"
AP_EXTERN_C_BEGIN

/* One JSON document on stdout; takes the reference over. MEMORY when document is NULL. */
AP_NODISCARD ap_status ap_cli_print_json(json_t *document, ap_error *err);
/* Sets object[key] = value, taking the value over; false when either is NULL or memory is out. */
bool ap_cli_set(json_t *object, const char *key, json_t *value);

/* A remark on stderr, unless --quiet. */
AP_PRINTF(2, 3) void ap_cli_note(const ap_cli *cli, const char *format, ...);
/* "0:04:05". */
void ap_cli_duration(double seconds, char text[24]);

/* What all --set section.key=value say; values lead into the list. */
typedef struct {
  size_t n;
  ap_tech_change items[AP_CLI_MAX_LIST]; /* whose names lie in `names` */
  char names[AP_CLI_MAX_LIST][128];
} ap_cli_changes;
AP_NODISCARD ap_status ap_cli_read_changes(const ap_text_list *overrides, ap_cli_changes *out,
                                           ap_error *err);

/* The technology --hw with all --set section.key=value applied. End with ap_tech_close. */
AP_NODISCARD ap_status ap_cli_open_tech(const char *hw, const ap_text_list *overrides,
                                        ap_tech **out, ap_error *err);

/* Whether an output can be written, to be asked before long work. Leaves no file. */
AP_NODISCARD ap_status ap_cli_probe_output(const char *path, bool force, ap_error *err);

/* A K x N matrix from a .npy file: 2 dimensions, none 0, finite also as float32, where nothing but 0
 * is 0. Errors: FORMAT with the file's name. End with ap_npy_release. */
AP_NODISCARD ap_status ap_cli_load_matrix(const char *path, ap_npy *out, ap_error *err);

/* The option that bounds a plug-in's time. */
#define AP_CLI_PLUGIN_TIMEOUT(target)                                                \
  {                                                                                  \
    "plugin-timeout", "SECONDS", "that a plug-in may take for a layer (default 60)", \
        AP_OPTION_NUMBER, (target), 0.001, 1e6                                       \
  }
/* --pruner with time limit and seed put in. Its error begins with "--pruner". */
AP_NODISCARD ap_status ap_cli_pruner(const char *text, double time_limit, uint64_t seed,
                                     ap_pruner *out, ap_error *err);

/* --weight-bits of all commands that have it (docs/COMMANDS.md#weight-bits). */
#define AP_CLI_WEIGHT_BITS(target)                                                        \
  {                                                                                       \
    "weight-bits", "[LAYER=]B,...", "bits of the layers' weights (default: the array's)", \
        AP_OPTION_TEXT, (target), 0, 0                                                    \
  }
/* Gives a network its weight bits: the policy's (may be NULL), then those of --weight-bits (may be NULL).
 * To be done before it is pruned. policy_path is told in errors. */
AP_NODISCARD ap_status ap_cli_set_weight_bits(const char *policy_path, const ap_policy *policy,
                                              const char *weight_bits, ap_network *net,
                                              ap_error *err);
/* Prunes by the policy of --policy PATH; what does not fit is told of the file. */
AP_NODISCARD ap_status ap_cli_apply_policy(const char *path, const ap_policy *policy,
                                           const ap_tech *tech, ap_network *net, ap_error *err);
/* {"NAME": BITS, ...} of the layers that have bits of their own; null where none has. */
json_t *ap_cli_weight_bits_json(const ap_network *net);

/* What `map` and `cost` look at: --model [--policy] or --matrix [--positions], on --hw. */
typedef struct {
  ap_model_choice model;
  const char *policy, *matrix, *hw, *pruner, *weight_bits;
  ap_text_list overrides;
  size_t positions;      /* input positions of the matrix; 0 stands for 1 */
  size_t copies;         /* of every layer, for `cost`; 0 stands for 1 */
  double keep;           /* prune to this fraction of each layer's vectors first; 0: as it is */
  double plugin_timeout; /* seconds that a plug-in may take for a layer */
  bool quick;            /* count only: do not build the mapping and multiply it out */
} ap_subject;
#define AP_SUBJECT_DEFAULTS \
  { .plugin_timeout = AP_PLUGIN_TIME_LIMIT }
#define AP_SUBJECT_OPTIONS(s)                                                                      \
  AP_MODEL_OPTIONS(&(s)->model),                                                                   \
      {"policy", "FILE", "prune the model by this policy first", AP_OPTION_TEXT, &(s)->policy,     \
       0,        0},                                                                               \
      {"matrix",                                                                                   \
       "FILE.npy",                                                                                 \
       "one weight matrix K x N instead of a model",                                               \
       AP_OPTION_TEXT,                                                                             \
       &(s)->matrix,                                                                               \
       0,                                                                                          \
       0},                                                                                         \
      {"positions",                                                                                \
       "P",                                                                                        \
       "input positions of the matrix (default 1)",                                                \
       AP_OPTION_SIZE,                                                                             \
       &(s)->positions,                                                                            \
       1,                                                                                          \
       1e9},                                                                                       \
      {"hw",                                                                                       \
       "PRESET|FILE",                                                                              \
       "hardware: ou (default), isaac, sre, or an .ini file",                                      \
       AP_OPTION_TEXT,                                                                             \
       &(s)->hw,                                                                                   \
       0,                                                                                          \
       0},                                                                                         \
      {"set",                                                                                      \
       "SECTION.KEY=V",                                                                            \
       "change one value of the hardware; may be repeated",                                        \
       AP_OPTION_LIST,                                                                             \
       &(s)->overrides,                                                                            \
       0,                                                                                          \
       0},                                                                                         \
      {"keep",                                                                                     \
       "F",                                                                                        \
       "prune each layer to this fraction of its vectors first",                                   \
       AP_OPTION_NUMBER,                                                                           \
       &(s)->keep,                                                                                 \
       1e-9,                                                                                       \
       1},                                                                                         \
      AP_CLI_WEIGHT_BITS(&(s)->weight_bits), AP_CLI_PLUGIN_TIMEOUT(&(s)->plugin_timeout),          \
      {"pruner",                                                                                   \
       "NAME",                                                                                     \
       "vectors that are dropped when zero (default: the policy's, or "                            \
       "column-vector)",                                                                           \
       AP_OPTION_TEXT,                                                                             \
       &(s)->pruner,                                                                               \
       0,                                                                                          \
       0},                                                                                         \
  {                                                                                                \
    "quick", NULL, "count only, without multiplying the mapping out", AP_OPTION_FLAG, &(s)->quick, \
        0, 0                                                                                       \
  }

typedef struct {
  ap_tech *tech;
  ap_network *net; /* folded and pruned; NULL for a matrix: names in price lead into it */
  ap_network_price *price;
  char granularity[64];
  ap_plugin plugin;    /* that pruned it (--keep), or kind NONE */
  char model_hash[65]; /* of the dense model as loaded; empty for a matrix */
} ap_priced;

/* The program's provenance with the configuration of this result (a new reference, taken over; what the
 * result depends on) and its SHA-256. NULL out of memory. */
json_t *ap_cli_provenance(const ap_cli *cli, json_t *configuration);
/* SHA-256 of a file's bytes as JSON text; null for NULL or a file that cannot be read. */
json_t *ap_cli_file_hash(const char *path);

/* seed: for a plug-in. */
AP_NODISCARD ap_status ap_cli_price(const ap_subject *subject, uint64_t seed, ap_priced *out,
                                    ap_error *err);
void ap_cli_priced_release(ap_priced *priced);
/* {"layers", "total", "compression", "subject", "granularity", "hardware", "provenance"}. NULL out
 * of memory. */
json_t *ap_cli_priced_json(const ap_cli *cli, const ap_subject *subject, const ap_priced *priced,
                           bool with_cost);

AP_EXTERN_C_END
#endif
