/* pruners/plugin_host.h - pruners from outside: shared libraries (pruners/plugin.h) and programs that
 * read and write .npy files (docs/PLUGINS.md). Both run in a process of their own under a time
 * limit, so that whatever they do ends in an error text. */
#ifndef AP_PRUNERS_PLUGIN_HOST_H
#define AP_PRUNERS_PLUGIN_HOST_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "mapper/vectors.h"
#include "nn/network.h"
AP_EXTERN_C_BEGIN

#define AP_PLUGIN_TEXT 1024       /* bytes of a plug-in's words */
#define AP_PLUGIN_TIME_LIMIT 60.0 /* default, seconds a layer */

typedef enum { AP_PLUGIN_NONE, AP_PLUGIN_LIBRARY, AP_PLUGIN_PROGRAM } ap_plugin_kind;

/* A plain value: nothing stays open between calls. */
typedef struct {
  ap_plugin_kind kind;
  size_t n_words;
  char words[AP_PLUGIN_TEXT]; /* each ended by 0. Library: file, arguments. Program: its argv */
  char label[64];             /* for tables: file name without folder and ending, arguments after
                                 "+"; no blanks, no commas */
  char sha256[65];            /* of the library, or of all files among the program's words */
  double time_limit;          /* seconds for one layer */
  uint64_t seed;              /* handed on to it */
} ap_plugin;

/* Does this text (without a granularity before it) mean a plug-in? */
bool ap_plugin_meant(const char *text);

/* "FILE.so [ARGUMENTS]" or "exec:PROGRAM [ARGUMENTS]" (words end at blanks; '...' and "..." hold them
 * together). A library is loaded once, in a process of its own, to see what it is; granularity (if
 * not NULL) gets what it asks for, or column-vector. Errors: ARG (no such file, no such symbol,
 * another version, a granularity that is none), PLUGIN (crashed or hung while loading). */
AP_NODISCARD ap_status ap_plugin_open(const char *text, ap_plugin *out, ap_granularity *granularity,
                                      ap_error *err);

/* {"kind", "sha256", "arguments": [...]}: all that its answers depend on; null for NONE. */
json_t *ap_plugin_to_json(const ap_plugin *plugin);

typedef struct {
  const ap_partition *partition;
  const float *weights; /* K x N */
  const ap_layer_info *info;
  size_t index, n_layers;
  const double *input_mean_square; /* K, or NULL */
  size_t max_levels;               /* that it may ask for; at least n_wanted */
  size_t n_wanted;                 /* numbers of kept vectors, rising, below all; for masks */
  const size_t *wanted;
} ap_plugin_question;

/* Either order or masks is there. */
typedef struct {
  uint32_t *order; /* all vectors, most important first */
  uint8_t *masks;  /* n_counts x vectors */
  size_t n_counts; /* levels that the plug-in asks for; with masks and no such wish, `wanted` */
  size_t *counts;  /* rising */
} ap_plugin_answer;

/* Asks about one layer and checks the answer. PLUGIN names plug-in, layer, what it did and what is
 * expected; INTERRUPTED by the user. End with ap_plugin_answer_release. */
AP_NODISCARD ap_status ap_plugin_ask(const ap_plugin *plugin, const ap_plugin_question *question,
                                     ap_plugin_answer *answer, ap_error *err);
void ap_plugin_answer_release(ap_plugin_answer *answer);

AP_EXTERN_C_END
#endif
