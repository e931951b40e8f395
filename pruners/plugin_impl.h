/* pruners/plugin_impl.h - what the two kinds of plug-ins share. */
#ifndef AP_PRUNERS_PLUGIN_IMPL_H
#define AP_PRUNERS_PLUGIN_IMPL_H
#include "pruners/plugin_host.h"

/* ---- a process of its own ---- */

typedef enum { AP_CHILD_BROKEN, AP_CHILD_GAVE_UP, AP_CHILD_DONE } ap_child_state;

/* Begins the memory that parent and child share. */
typedef struct {
  volatile ap_child_state state; /* BROKEN until the child says otherwise */
  char doing[64];                /* what the child is about to do: "score()" */
  char message[400];             /* why it gave up, or what a fault was about */
  bool is_program;               /* ends by exit(), 0 is expected; else by a return */
  bool limit_is_ours;            /* --plugin-timeout does not change it */
} ap_child_head;

/* `size` zeroed bytes, page aligned, shared with children; NULL when memory is out. */
void *ap_child_share(size_t size);
void ap_child_unshare(void *shared, size_t size);

/* Runs body(context) in a forked child (process group of its own, no core file, standard input
 * empty, standard output joined to standard error) and waits for at most `limit` seconds. body ends
 * by setting head->state and returning. What else can happen becomes a PLUGIN error: ended by a
 * signal, ended by exit(), too slow. Children of the child are killed at the end. INTERRUPTED when
 * the user asks. */
typedef void ap_child_body(void *context);
AP_NODISCARD ap_status ap_child_run(ap_child_head *head, double limit, ap_child_body *body,
                                    void *context, ap_error *err);
/* In the child: gives up with a text. */
AP_PRINTF(2, 3) void ap_child_give_up(ap_child_head *head, const char *format, ...);

/* In the child: `size` bytes whose end lies against memory that nobody may touch; size 0 is fine. A
 * fault nearby is reported under `name`. Never freed. NULL when memory is out. */
void *ap_child_guarded(size_t size, const char *name);
void ap_child_make_read_only(void *guarded, size_t size);
/* In the child: faults write into head->message where they were. */
void ap_child_catch_faults(ap_child_head *head);

/* ---- the two kinds ---- */

/* Raw answer, unchecked but for shapes: scores or masks. */
typedef struct {
  double *scores;  /* vectors */
  uint8_t *masks;  /* n_counts x vectors */
  size_t n_counts; /* of counts; 0 with scores: no wish */
  size_t *counts;
  char folder[256]; /* with the files of a program's question and answer; "": none */
} ap_plugin_raw;

/* granularity: text that the library asks for. */
AP_NODISCARD ap_status ap_plugin_library_describe(const ap_plugin *plugin, char granularity[64],
                                                  ap_error *err);
AP_NODISCARD ap_status ap_plugin_library_ask(const ap_plugin *plugin,
                                             const ap_plugin_question *question, ap_plugin_raw *out,
                                             ap_error *err);
AP_NODISCARD ap_status ap_plugin_program_ask(const ap_plugin *plugin,
                                             const ap_plugin_question *question, ap_plugin_raw *out,
                                             ap_error *err);
/* The file that a program's first word means, along $PATH if it has no /; *path: ap_free it. ARG: it is not there, or
 * cannot be started. */
AP_NODISCARD ap_status ap_plugin_program_find(const char *name, char **path, ap_error *err);
/* The folder and all that is in it. */
void ap_plugin_folder_remove(const char *folder);
/* Word number i of a plug-in; "" past the last. */
const char *ap_plugin_word(const ap_plugin *plugin, size_t i);
/* calloc of scores, or of masks and counts, for a question. */
AP_NODISCARD ap_status ap_plugin_raw_reserve(ap_plugin_raw *raw, size_t n_scores, size_t n_counts,
                                             size_t n_masks, ap_error *err);
#endif
