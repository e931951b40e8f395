#include "pruners/plugin_host.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "pruners/plugin_impl.h"
#include "pruners/pruner.h"

#define LARGEST_FILE ((size_t)1 << 30) /* that is hashed */
#define OPEN_TIME_LIMIT 20.0           /* seconds for loading a library */

static bool ends_as_library(const char *text, size_t length) {
  return length > 3 && memcmp(text + length - 3, ".so", 3) == 0;
}

bool ap_plugin_meant(const char *text) {
  size_t word = strcspn(text, " \t");
  return strncmp(text, "exec:", 5) == 0 || ends_as_library(text, word) ||
         ends_as_library(text, strlen(text)) || memchr(text, '/', word) != NULL;
}

const char *ap_plugin_word(const ap_plugin *plugin, size_t i) {
  const char *at = plugin->words;
  if (i >= plugin->n_words) return "";
  while (i-- > 0) at += strlen(at) + 1;
  return at;
}

/* ---- the text ---- */

static ap_status add_word(ap_plugin *p, size_t *used, const char *from, size_t n, ap_error *err) {
  if (*used + n + 2 > sizeof p->words) {
    return ap_fail(err, AP_ERR_ARG, "plug-in: more than %d characters", AP_PLUGIN_TEXT - 2);
  }
  memcpy(p->words + *used, from, n);
  *used += n + 1;
  p->n_words++;
  return AP_OK;
}

/* Words end at blanks outside quotes; the quotes go. */
static ap_status split(const char *text, ap_plugin *p, ap_error *err) {
  size_t used = 0;
  ap_status st = AP_OK;
  while (!st) {
    char word[AP_PLUGIN_TEXT];
    size_t n = 0;
    char quote = '\0';
    while (isspace((unsigned char)*text)) text++;
    if (!*text) break;
    for (; *text && (quote || !isspace((unsigned char)*text)); text++) {
      if (quote ? *text == quote : *text == '\'' || *text == '"') {
        quote = quote ? '\0' : *text;
      } else if (n < sizeof word) {
        word[n++] = *text;
      }
    }
    if (quote) return ap_fail(err, AP_ERR_ARG, "plug-in: a quote (%c) is not closed", quote);
    st = add_word(p, &used, word, n, err);
  }
  return st;
}

static ap_status split_library(const char *text, ap_plugin *p, ap_error *err) {
  size_t used = 0, n = strlen(text);
  const char *rest = "";
  char *path;
  ap_status st;
  if (!ap_file_exists(text)) { /* a file's name may have blanks */
    n = strcspn(text, " \t");
    rest = text + n;
    while (isspace((unsigned char)*rest)) rest++;
  }
  /* without a folder dlopen would look elsewhere */
  path = ap_sprintf("%s%.*s", memchr(text, '/', n) ? "" : "./", (int)n, text);
  if (!path) return ap_fail(err, AP_ERR_MEMORY, "plug-in");
  st = add_word(p, &used, path, strlen(path), err);
  if (!st) st = add_word(p, &used, rest, strlen(rest), err);
  ap_free(path);
  return st;
}

/* File name of the (last) file among the words, without folder and ending, and the arguments. */
static void make_label(ap_plugin *p, size_t file_word) {
  const char *path = ap_plugin_word(p, file_word), *slash = strrchr(path, '/'), *dot;
  size_t used, n;
  path = slash ? slash + 1 : path;
  dot = strrchr(path, '.');
  n = dot && dot != path ? (size_t)(dot - path) : strlen(path);
  (void)snprintf(p->label, sizeof p->label, "%.*s", (int)(n < 40 ? n : 40), path);
  for (size_t i = file_word + 1; i < p->n_words; i++) {
    if (!ap_plugin_word(p, i)[0]) continue;
    used = strlen(p->label);
    (void)snprintf(p->label + used, sizeof p->label - used, "+%s", ap_plugin_word(p, i));
  }
  for (char *c = p->label; *c; c++) *c = isspace((unsigned char)*c) || *c == ',' ? '+' : *c;
  ap_text_clean(p->label); /* names rows and files */
}

/* ---- what it is made of ---- */

static ap_status hash_file(const char *path, char text[AP_SHA256_TEXT], ap_error *err) {
  char *bytes = NULL;
  size_t size = 0;
  ap_status st = ap_file_read(path, LARGEST_FILE, &bytes, &size, err);
  if (!st) ap_sha256(bytes, size, text);
  ap_free(bytes);
  return st;
}

/* *last: number of the last word that is a file. */
static ap_status hash_program(const ap_plugin *p, char text[AP_SHA256_TEXT], size_t *last,
                              ap_error *err) {
  ap_hash *hash = NULL;
  char *program = NULL, one[AP_SHA256_TEXT];
  ap_status st = ap_plugin_program_find(ap_plugin_word(p, 0), &program, err);
  *last = 0;
  if (!st) st = hash_file(program, one, err);
  if (!st) st = ap_hash_create(&hash, err);
  if (!st) ap_hash_add(hash, one, strlen(one));
  for (size_t i = 1; !st && i < p->n_words; i++) {
    if (!ap_file_exists(ap_plugin_word(p, i))) continue;
    *last = i;
    st = hash_file(ap_plugin_word(p, i), one, err);
    if (!st) ap_hash_add(hash, one, strlen(one));
  }
  if (!st && *last == 0) {
    memcpy(text, one, AP_SHA256_TEXT); /* a single file: what sha256sum prints */
  } else if (!st) {
    ap_hash_text(hash, text);
  }
  ap_hash_destroy(hash);
  ap_free(program);
  return st;
}

static ap_status hash_of(const ap_plugin *p, char text[AP_SHA256_TEXT], size_t *file_word,
                         ap_error *err) {
  *file_word = 0;
  if (p->kind == AP_PLUGIN_PROGRAM) return hash_program(p, text, file_word, err);
  if (!ap_file_exists(ap_plugin_word(p, 0))) {
    return ap_fail(err, AP_ERR_ARG, "plug-in %s: %s", ap_plugin_word(p, 0),
                   ap_dir_exists(ap_plugin_word(p, 0)) ? "is a folder; a shared library is expected"
                                                       : "no such file");
  }
  return hash_file(ap_plugin_word(p, 0), text, err);
}

ap_status ap_plugin_open(const char *text, ap_plugin *out, ap_granularity *granularity,
                         ap_error *err) {
  char wish[64] = "column-vector";
  size_t file_word = 0;
  ap_status st;
  memset(out, 0, sizeof *out);
  out->time_limit = OPEN_TIME_LIMIT;
  out->kind = strncmp(text, "exec:", 5) == 0 ? AP_PLUGIN_PROGRAM : AP_PLUGIN_LIBRARY;
  st = out->kind == AP_PLUGIN_PROGRAM ? split(text + 5, out, err) : split_library(text, out, err);
  if (!st && !ap_plugin_word(out, 0)[0]) {
    st = ap_fail(err, AP_ERR_ARG, "plug-in '%.60s': exec:PROGRAM [ARGUMENTS] is expected", text);
  }
  if (!st) st = hash_of(out, out->sha256, &file_word, err);
  if (st) return st;
  make_label(out, file_word);
  if (out->kind == AP_PLUGIN_LIBRARY) {
    st = ap_plugin_library_describe(out, wish, err);
    if (!st && ap_granularity_parse(wish, granularity, err)) {
      st = ap_fail_context(err, AP_ERR_ARG, "its granularity");
    }
  } else {
    st = ap_granularity_parse(wish, granularity, err);
  }
  out->time_limit = AP_PLUGIN_TIME_LIMIT;
  return st ? ap_fail_context(err, st, "plug-in %s", ap_plugin_word(out, 0)) : AP_OK;
}

json_t *ap_plugin_to_json(const ap_plugin *plugin) {
  json_t *arguments;
  int bad = 0;
  if (plugin->kind == AP_PLUGIN_NONE) return json_null();
  arguments = json_array();
  for (size_t i = 1; i < plugin->n_words; i++) {
    bad |= json_array_append_new(arguments, ap_json_text(ap_plugin_word(plugin, i)));
  }
  if (bad) {
    json_decref(arguments);
    return NULL;
  }
  return json_pack("{s:s, s:s, s:o}", "kind",
                   plugin->kind == AP_PLUGIN_LIBRARY ? "library" : "program", "sha256",
                   plugin->sha256, "arguments", arguments);
}

/* ---- questions and answers ---- */

ap_status ap_plugin_raw_reserve(ap_plugin_raw *raw, size_t n_scores, size_t n_counts,
                                size_t n_masks, ap_error *err) {
  raw->n_counts = n_counts;
  raw->counts = ap_calloc(n_counts, sizeof *raw->counts);
  if (n_scores) raw->scores = ap_calloc(n_scores, sizeof *raw->scores);
  if (n_masks) raw->masks = ap_calloc(n_masks, 1);
  if (raw->counts && (!n_scores || raw->scores) && (!n_masks || raw->masks)) return AP_OK;
  return ap_fail(err, AP_ERR_MEMORY, "answer of a plug-in");
}

static ap_status check_counts(const ap_plugin_raw *raw, size_t room, size_t count, ap_error *err) {
  if (raw->n_counts > room) {
    return ap_fail(err, AP_ERR_PLUGIN, "it wishes for %zu levels; at most %zu are expected",
                   raw->n_counts, room);
  }
  for (size_t i = 0; i < raw->n_counts; i++) {
    if (raw->counts[i] < 1 || raw->counts[i] > count ||
        (i > 0 && raw->counts[i] <= raw->counts[i - 1])) {
      return ap_fail(err, AP_ERR_PLUGIN,
                     "level %zu keeps %zu vectors; rising numbers in 1..%zu are expected", i,
                     raw->counts[i], count);
    }
  }
  return AP_OK;
}

static ap_status check_scores(const double *scores, const ap_partition *partition, ap_error *err) {
  for (size_t i = 0; i < partition->count; i++) {
    if (!isfinite(scores[i])) {
      ap_extent e = ap_partition_vector(partition, i);
      return ap_fail(err, AP_ERR_PLUGIN,
                     "the score of vector %zu (rows %zu..%zu, columns %zu..%zu) is %s; a finite "
                     "number is expected",
                     i, e.k0, e.k1 - 1, e.n0, e.n1 - 1,
                     isnan(scores[i]) ? "not a number, or was not written" : "infinite");
    }
  }
  return AP_OK;
}

static ap_status check_masks(const ap_plugin_raw *raw, const ap_partition *partition,
                             ap_error *err) {
  size_t count = partition->count;
  for (size_t i = 0; i < raw->n_counts; i++) {
    const uint8_t *mask = raw->masks + i * count;
    size_t kept = 0;
    for (size_t v = 0; v < count; v++) {
      if (mask[v] > 1) {
        return ap_fail(err, AP_ERR_PLUGIN, "kept[%zu] is %d; 0 or 1 is expected", v, mask[v]);
      }
      kept += mask[v];
    }
    if (kept == 0 || ap_partition_weights_kept(partition, mask) == 0) {
      return ap_fail(err, AP_ERR_PLUGIN,
                     "the mask keeps no weight: the layer would be empty; %zu of %zu vectors are "
                     "to stay",
                     raw->counts[i], count);
    }
    if (kept != raw->counts[i]) {
      return ap_fail(err, AP_ERR_PLUGIN, "the mask keeps %zu of %zu vectors, %zu are expected",
                     kept, count, raw->counts[i]);
    }
  }
  return AP_OK;
}

static ap_status check_unchanged(const ap_plugin *plugin, ap_error *err) {
  char now[AP_SHA256_TEXT];
  size_t unused;
  ap_status st = hash_of(plugin, now, &unused, err);
  if (!st && strcmp(now, plugin->sha256) != 0) {
    st = ap_fail(err, AP_ERR_PLUGIN, "its file has changed since this run began; start it again");
  }
  return st;
}

/* What a program that failed saw and said stays, to be looked at; of others nothing does. */
static ap_status close_folder(const char *folder, ap_status st, ap_error *err) {
  if (st != AP_ERR_PLUGIN) {
    if (folder[0]) ap_plugin_folder_remove(folder);
  } else if (err && ap_dir_exists(folder)) { /* the program may have removed it */
    ap_error first = *err;
    (void)ap_fail(err, st, "%.400s (its folder: %s)", first.text, folder);
  }
  return st;
}

ap_status ap_plugin_ask(const ap_plugin *plugin, const ap_plugin_question *question,
                        ap_plugin_answer *answer, ap_error *err) {
  const ap_partition *p = question->partition;
  ap_plugin_raw raw = {0};
  ap_status st = check_unchanged(plugin, err);
  memset(answer, 0, sizeof *answer);
  if (!st && plugin->kind == AP_PLUGIN_LIBRARY) {
    st = ap_plugin_library_ask(plugin, question, &raw, err);
  } else if (!st) {
    st = ap_plugin_program_ask(plugin, question, &raw, err);
  }
  if (!st) st = check_counts(&raw, question->max_levels, p->count, err);
  if (!st) st = raw.scores ? check_scores(raw.scores, p, err) : check_masks(&raw, p, err);
  if (!st && raw.scores) st = ap_pruner_order_by(raw.scores, p->count, &answer->order, err);
  st = close_folder(raw.folder, st, err);
  if (st) {
    st = ap_fail_context(err, st, "plug-in %s, layer %s (%zu x %zu, %zu vectors)", plugin->label,
                         question->info->name, p->k, p->n, p->count);
  } else {
    answer->masks = raw.masks;
    answer->n_counts = raw.n_counts;
    answer->counts = raw.counts;
    raw.masks = NULL;
    raw.counts = NULL;
  }
  ap_free(raw.counts);
  ap_free(raw.masks);
  ap_free(raw.scores);
  return st;
}

void ap_plugin_answer_release(ap_plugin_answer *answer) {
  ap_free(answer->order);
  ap_free(answer->masks);
  ap_free(answer->counts);
  memset(answer, 0, sizeof *answer);
}
