/* Plug-ins that are programs: a folder with the question goes in, scores.npy or mask.npy comes out.
 * The protocol is in docs/PLUGINS.md. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "pruners/plugin_impl.h"

#define SCHEMA "autoprune-prune-request-1"
#define ANSWER_BYTES ((size_t)1 << 31) /* largest file that is read */
#define LOG_BYTES ((size_t)1 << 20)

typedef struct {
  const ap_plugin *plugin;
  const ap_plugin_question *question;
  const char *folder;
  ap_child_head *head;
} program_call;

static ap_status in_folder(const program_call *c, const char *name, char **path, ap_error *err) {
  *path = ap_path_join(c->folder, name);
  return *path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "path of %s", name);
}

/* ---- what can be started ---- */

/* The file behind a word: as named, or along $PATH. NULL: none. */
static char *find_file(const char *name) {
  const char *path = getenv("PATH");
  if (strchr(name, '/')) return ap_strdup(name);
  while (path && *path) {
    size_t n = strcspn(path, ":");
    char *file = ap_sprintf("%.*s/%s", (int)n, path, name);
    if (file && ap_file_exists(file) && access(file, X_OK) == 0) return file;
    ap_free(file);
    path += n + (path[n] == ':');
  }
  return NULL;
}

/* Of a script: "#!INTERPRETER ...". */
static ap_status check_first_line(const char *path, ap_error *err) {
  char line[256], *interpreter;
  FILE *f = fopen(path, "rb");
  size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
  if (f) (void)fclose(f);
  line[n] = '\0';
  if (strncmp(line, "#!", 2) != 0) return AP_OK; /* or it may be run, but not read */
  n = strcspn(line, "\n");
  line[n] = '\0';
  if (line[n - 1] == '\r') {
    line[n - 1] = '\0';
    return ap_fail(
        err, AP_ERR_ARG,
        "its first line, %.60s, ends with a carriage return (as of Windows); a line feed "
        "alone is expected",
        line);
  }
  interpreter = line + 2 + strspn(line + 2, " \t");
  interpreter[strcspn(interpreter, " \t")] = '\0';
  if (!*interpreter || (ap_file_exists(interpreter) && access(interpreter, X_OK) == 0)) {
    return AP_OK;
  }
  return ap_fail(err, AP_ERR_ARG,
                 "its first line names the interpreter %.100s, which is not there; an executable "
                 "file is expected",
                 interpreter);
}

static ap_status check_file(const char *path, ap_error *err) {
  struct stat info;
  if (stat(path, &info) != 0) {
    return ap_fail(err, AP_ERR_ARG, "no such program (%s)", strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return ap_fail(err, AP_ERR_ARG, "is %s; an executable file is expected",
                   S_ISDIR(info.st_mode) ? "a folder" : "a device, pipe or socket");
  }
  if (access(path, X_OK) != 0) {
    return ap_fail(err, AP_ERR_ARG, "is not executable (%s); chmod +x is expected",
                   strerror(errno));
  }
  return check_first_line(path, err);
}

ap_status ap_plugin_program_find(const char *name, char **path, ap_error *err) {
  ap_status st;
  *path = find_file(name);
  if (!*path) {
    return ap_fail(err, AP_ERR_ARG, "plug-in exec:%s: no such program in $PATH%s%s", name,
                   ap_file_exists(name) ? "; the file in this folder is exec:./" : "",
                   ap_file_exists(name) ? name : "");
  }
  st = check_file(*path, err);
  if (!st) return AP_OK;
  (void)ap_fail_context(err, st, "plug-in exec:%s", *path);
  ap_free(*path);
  *path = NULL;
  return st;
}

/* ---- the question ---- */

static ap_status save_array(const program_call *c, const char *name, ap_npy_type type,
                            const size_t *dims, size_t n_dims, const void *data, ap_error *err) {
  char *path = NULL;
  ap_status st = in_folder(c, name, &path, err);
  if (!st) st = ap_npy_save(path, type, dims, n_dims, data, true, err);
  ap_free(path);
  return st;
}

static ap_status save_vectors(const program_call *c, ap_error *err) {
  const ap_partition *p = c->question->partition;
  size_t dims[2] = {p->count, 4};
  int64_t *rows = ap_calloc(p->count, 4 * sizeof *rows);
  ap_status st;
  if (!rows) return ap_fail(err, AP_ERR_MEMORY, "%zu vectors", p->count);
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    rows[4 * i] = (int64_t)e.k0;
    rows[4 * i + 1] = (int64_t)e.k1;
    rows[4 * i + 2] = (int64_t)e.n0;
    rows[4 * i + 3] = (int64_t)e.n1;
  }
  st = save_array(c, "vectors.npy", AP_NPY_I64, dims, 2, rows, err);
  ap_free(rows);
  return st;
}

static json_t *request(const program_call *c) {
  const ap_plugin_question *q = c->question;
  const ap_partition *p = q->partition;
  const ap_layer_info *info = q->info;
  json_t *keep = json_array();
  char granularity[64];
  for (size_t i = 0; keep && i < q->n_wanted; i++) {
    if (json_array_append_new(keep, json_integer((json_int_t)q->wanted[i]))) {
      json_decref(keep);
      keep = NULL;
    }
  }
  ap_granularity_print(p->granularity, granularity);
  return json_pack(
      "{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:[I,I], s:I, s:I, s:s, s:[I,I], s:I, s:o, s:I,"
      " s:{s:s, s:s, s:o}}",
      "schema", SCHEMA, "layer", info->name, "index", (json_int_t)q->index, "layers",
      (json_int_t)q->n_layers, "kind", info->is_conv ? "conv" : "linear", "K", (json_int_t)p->k,
      "N", (json_int_t)p->n, "c_in", (json_int_t)info->c_in, "kernel", (json_int_t)info->kh,
      (json_int_t)info->kw, "stride", (json_int_t)info->stride, "positions",
      (json_int_t)info->positions, "granularity", granularity, "vector",
      (json_int_t)p->granularity.h, (json_int_t)p->granularity.w, "vectors", (json_int_t)p->count,
      "keep", keep, "seed", (json_int_t)c->plugin->seed, "files", "weights", "weights.npy",
      "vectors", "vectors.npy", "input_mean_square",
      q->input_mean_square ? json_string("input_mean_square.npy") : json_null());
}

static ap_status save_question(const program_call *c, ap_error *err) {
  const ap_plugin_question *q = c->question;
  size_t dims[2] = {q->partition->k, q->partition->n};
  json_t *document = request(c);
  char *path = NULL;
  ap_status st = document ? in_folder(c, "request.json", &path, err)
                          : ap_fail(err, AP_ERR_MEMORY, "request.json");
  if (!st) st = save_array(c, "weights.npy", AP_NPY_F32, dims, 2, q->weights, err);
  if (!st) st = save_vectors(c, err);
  if (!st && q->input_mean_square) {
    st = save_array(c, "input_mean_square.npy", AP_NPY_F64, dims, 1, q->input_mean_square, err);
  }
  if (!st) st = ap_json_save(path, document, true, err);
  json_decref(document);
  ap_free(path);
  return st;
}

/* ---- the program ---- */

static void become_program(program_call *c) {
  char *argv[AP_PLUGIN_TEXT / 2 + 2], *log = ap_path_join(c->folder, "log.txt");
  size_t n = c->plugin->n_words;
  int file = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
  for (size_t i = 0; i < n; i++) argv[i] = ap_strdup(ap_plugin_word(c->plugin, i));
  argv[n] = ap_strdup(c->folder);
  argv[n + 1] = NULL;
  if (file >= 0) {
    (void)dup2(file, STDOUT_FILENO);
    (void)dup2(file, STDERR_FILENO);
  }
  c->head->state = AP_CHILD_DONE; /* from here on its exit status tells */
  (void)execvp(argv[0], argv);
  ap_child_give_up(c->head, "%s cannot be started: %s", argv[0], strerror(errno));
}

static void end_group(int number) {
  (void)number;
  (void)kill(0, SIGKILL);
}

/* Ends as the program has ended. */
static void wait_for(pid_t program) {
  int raw = 0;
  while (waitpid(program, &raw, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(raw)) {
    (void)signal(WTERMSIG(raw), SIG_DFL);
    (void)raise(WTERMSIG(raw));
  }
  _exit(WEXITSTATUS(raw));
}

/* The program is a child of the process that waits here: when ours dies, that one is told, and ends the group. Told
 * itself, the program would die and leave what it has started. Until the signal is changed it is SIGKILL. */
static void run_in_child(void *context) {
  program_call *c = context;
  pid_t program;
  (void)signal(SIGTERM, end_group);
  (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
  program = fork();
  if (program > 0) wait_for(program);
  if (program == 0) {
    become_program(c);
  } else {
    ap_child_give_up(c->head, "no process for it: %s", strerror(errno));
  }
}

/* The last line that is not blank, of what it printed. */
static void last_line(const program_call *c, char *out, size_t size) {
  char *path = ap_path_join(c->folder, "log.txt"), *text = NULL, *line;
  size_t n = 0;
  out[0] = '\0';
  if (path && ap_file_read(path, LOG_BYTES, &text, &n, NULL) == AP_OK) {
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ' || text[n - 1] == '\r')) n--;
    text[n] = '\0';
    line = strrchr(text, '\n');
    if (n > 0) (void)snprintf(out, size, "; it printed: %.160s", line ? line + 1 : text);
  }
  ap_free(text);
  ap_free(path);
}

static ap_status run_program(program_call *c, ap_error *err) {
  char printed[200];
  ap_status st;
  c->head = ap_child_share(sizeof *c->head);
  if (!c->head) return ap_fail(err, AP_ERR_MEMORY, "shared memory");
  (void)snprintf(c->head->doing, sizeof c->head->doing, "the program");
  c->head->is_program = true;
  st = ap_child_run(c->head, c->plugin->time_limit, run_in_child, c, err);
  if (st == AP_ERR_PLUGIN && err) {
    ap_error first = *err;
    last_line(c, printed, sizeof printed);
    (void)ap_fail(err, st, "%.280s%s", first.text, printed);
  }
  ap_child_unshare(c->head, sizeof *c->head);
  return st;
}

/* ---- the answer ---- */

static ap_status wrong_shape(const char *name, const ap_npy *a, const char *expected,
                             ap_error *err) {
  char shape[AP_NPY_MAX_DIMS * 24] = "";
  for (size_t i = 0; i < a->n_dims; i++) {
    size_t used = strlen(shape);
    (void)snprintf(shape + used, sizeof shape - used, "%s%zu", i ? " x " : "", a->dims[i]);
  }
  return ap_fail(err, AP_ERR_PLUGIN, "%s has the shape %s, %s is expected", name,
                 a->n_dims ? shape : "of a single number", expected);
}

/* *there false: no such file. */
static ap_status load(const program_call *c, const char *name, bool *there, ap_npy *out,
                      ap_error *err) {
  char *path = NULL;
  ap_status st = in_folder(c, name, &path, err);
  memset(out, 0, sizeof *out);
  *there = !st && (ap_file_exists(path) || ap_dir_exists(path)); /* a folder is told, too */
  if (*there) st = ap_npy_load(path, ANSWER_BYTES, out, err);
  if (st == AP_ERR_FORMAT || st == AP_ERR_IO) st = ap_fail_context(err, AP_ERR_PLUGIN, "answer");
  ap_free(path);
  return st;
}

/* levels.npy, or with masks the numbers that were wanted. */
static ap_status find_counts(const program_call *c, bool masks, size_t **counts, size_t *n,
                             ap_error *err) {
  const ap_plugin_question *q = c->question;
  bool there;
  ap_npy a;
  ap_status st = load(c, "levels.npy", &there, &a, err);
  *counts = NULL;
  *n = 0;
  if (st) return st;
  if (there && (a.n_dims != 1 || a.count == 0)) {
    st = wrong_shape("levels.npy", &a, "one line of whole numbers", err);
  } else if (there && !ap_npy_is_integer(a.type)) {
    st = ap_fail(err, AP_ERR_PLUGIN,
                 "levels.npy holds floating-point numbers (%g, ...), an integer type is expected",
                 ap_npy_get(&a, 0));
  }
  if (!st) *n = there ? a.count : masks ? q->n_wanted : 0;
  if (!st) *counts = ap_calloc(*n, sizeof **counts);
  if (!st && !*counts) st = ap_fail(err, AP_ERR_MEMORY, "%zu levels", *n);
  for (size_t i = 0; !st && i < *n; i++) {
    double value = there ? ap_npy_get(&a, i) : (double)q->wanted[i];
    if (value >= 0 && value < 1e15) {
      (*counts)[i] = (size_t)value;
    } else {
      st = ap_fail(err, AP_ERR_PLUGIN, "levels.npy holds %g; numbers in 1..%zu are expected", value,
                   q->partition->count);
    }
  }
  ap_npy_release(&a);
  return st;
}

/* One score a vector, or one a weight: then a vector has their mean. */
static ap_status take_scores(const program_call *c, const ap_npy *a, double *scores,
                             ap_error *err) {
  const ap_partition *p = c->question->partition;
  char expected[96];
  (void)snprintf(expected, sizeof expected, "%zu (one a vector) or %zu x %zu (one a weight)",
                 p->count, p->k, p->n);
  if (a->n_dims == 1 && a->count == p->count) {
    for (size_t i = 0; i < p->count; i++) scores[i] = ap_npy_get(a, i);
    return AP_OK;
  }
  if (a->n_dims != 2 || a->dims[0] != p->k || a->dims[1] != p->n) {
    return wrong_shape("scores.npy", a, expected, err);
  }
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    double sum = 0;
    for (size_t k = e.k0; k < e.k1; k++) {
      for (size_t n = e.n0; n < e.n1; n++) sum += ap_npy_get(a, k * p->n + n);
    }
    scores[i] = sum / (double)((e.k1 - e.k0) * (e.n1 - e.n0));
  }
  return AP_OK;
}

static ap_status take_masks(const program_call *c, const ap_npy *a, size_t n_counts, uint8_t *masks,
                            ap_error *err) {
  size_t count = c->question->partition->count;
  char expected[96];
  (void)snprintf(expected, sizeof expected, "%zu x %zu (levels x vectors)", n_counts, count);
  if (a->n_dims != 2 || a->dims[0] != n_counts || a->dims[1] != count) {
    return wrong_shape("mask.npy", a, expected, err);
  }
  for (size_t i = 0; i < a->count; i++) {
    double value = ap_npy_get(a, i);
    if (value != 0 && value != 1) {
      return ap_fail(err, AP_ERR_PLUGIN,
                     "mask.npy holds %g at level %zu, vector %zu; 0 or 1 is "
                     "expected",
                     value, i / count, i % count);
    }
    masks[i] = value != 0;
  }
  return AP_OK;
}

static ap_status read_answer(const program_call *c, ap_plugin_raw *out, ap_error *err) {
  size_t count = c->question->partition->count, n = 0, *counts = NULL;
  bool scored = false, masked = false;
  ap_npy scores = {0}, masks = {0};
  ap_status st = load(c, "scores.npy", &scored, &scores, err);
  if (!st) st = load(c, "mask.npy", &masked, &masks, err);
  if (!st && scored == masked) {
    char printed[200];
    last_line(c, printed, sizeof printed);
    st = ap_fail(err, AP_ERR_PLUGIN,
                 "the program wrote %s scores.npy %s mask.npy, one of them is "
                 "expected%s",
                 scored ? "both" : "neither", scored ? "and" : "nor", printed);
  }
  if (!st) st = find_counts(c, masked, &counts, &n, err);
  if (!st) st = ap_plugin_raw_reserve(out, scored ? count : 0, n, masked ? n * count : 0, err);
  if (!st && n) memcpy(out->counts, counts, n * sizeof *counts);
  if (!st && scored) st = take_scores(c, &scores, out->scores, err);
  if (!st && masked) st = take_masks(c, &masks, n, out->masks, err);
  ap_free(counts);
  ap_npy_release(&scores);
  ap_npy_release(&masks);
  return st;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info;
  (void)kind;
  (void)where;
  return remove(path);
}

void ap_plugin_folder_remove(const char *folder) {
  (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A folder of its own in $TMPDIR. */
static ap_status make_folder(char folder[256], ap_error *err) {
  const char *place = getenv("TMPDIR");
  if (!place || !place[0]) place = "/tmp";
  errno = ENAMETOOLONG;
  if (strlen(place) <= 200) {
    (void)snprintf(folder, 256, "%.200s/autoprune-plugin-XXXXXX", place);
    if (mkdtemp(folder)) return AP_OK;
  }
  folder[0] = '\0';
  return ap_fail(
      err, AP_ERR_IO,
      "no working folder in %.200s: %s; $TMPDIR is to name a folder that may be written to", place,
      strerror(errno));
}

ap_status ap_plugin_program_ask(const ap_plugin *plugin, const ap_plugin_question *question,
                                ap_plugin_raw *out, ap_error *err) {
  program_call c = {.plugin = plugin, .question = question, .folder = out->folder};
  ap_status st = make_folder(out->folder, err);
  if (st) return st;
  st = save_question(&c, err);
  if (!st) st = run_program(&c, err);
  if (!st) st = read_answer(&c, out, err);
  return st;
}
