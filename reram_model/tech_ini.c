/* Technology files as lists of entries: inih splits the lines, this file counts them and refuses
 * what inih would let pass (double names, keys before any section, lines cut by its buffer). */
#include <ini.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "reram_model/tech_impl.h"

#define MAX_LINE 195 /* inih's own buffer holds 200 characters */
#define MAX_NAME 45  /* inih cuts names at 50 without a word */

typedef struct {
  const char *text;
  size_t size, at;
  int line;
  ap_entries *entries;
  ap_status status;
  ap_error *err;
} reader;

static void fail_here(reader *r, const char *what, const char *name) {
  if (r->status) return;
  r->status =
      ap_fail(r->err, AP_ERR_FORMAT, "%s:%d: %s '%.60s'", r->entries->file, r->line, what, name);
}

static void fail_memory(reader *r) {
  if (!r->status) r->status = ap_fail(r->err, AP_ERR_MEMORY, "technology entries");
}

/* A line "[name]": each section may be opened once. */
static void note_section(reader *r, const char *line) {
  const char *end = strchr(line, ']');
  char name[MAX_LINE + 1];
  ap_entries *e = r->entries;
  ap_section *grown = NULL;
  size_t length = 0;
  if (!end) return; /* inih reports it */
  length = (size_t)(end - line) - 1;
  memcpy(name, line + 1, length);
  name[length] = '\0';
  if (length == 0 || length > MAX_NAME) {
    fail_here(r, "bad section name", name);
    return;
  }
  for (const char *rest = end + 1; *rest && *rest != '\n' && *rest != ';'; rest++) {
    if (*rest != ' ' && *rest != '\t' && *rest != '\r') {
      fail_here(r, "text after section", name);
      return;
    }
  }
  for (size_t i = 0; i < e->n_sections; i++) {
    if (strcmp(e->sections[i].name, name) == 0) {
      fail_here(r, "section occurs twice:", name);
      return;
    }
  }
  grown = ap_realloc(e->sections, e->n_sections + 1, sizeof *grown);
  if (!grown) {
    fail_memory(r);
    return;
  }
  e->sections = grown;
  e->sections[e->n_sections].line = r->line;
  e->sections[e->n_sections].name = ap_strdup(name);
  if (!e->sections[e->n_sections++].name) fail_memory(r);
}

/* The line is refused, and its first characters up to `length` are shown. */
static char *refuse_line(reader *r, const char *what, size_t length) {
  char start[41];
  if (length >= sizeof start) length = sizeof start - 1;
  memcpy(start, r->text + r->at, length);
  start[length] = '\0';
  fail_here(r, what, start);
  return NULL;
}

/* inih asks for the next line. */
static char *next_line(char *buffer, int size, void *stream) {
  reader *r = stream;
  const char *strange = NULL;
  size_t length = 0;
  if (r->status || r->at >= r->size) return NULL;
  r->line++;
  while (r->at + length < r->size && r->text[r->at + length] != '\n') length++;
  strange = memchr(r->text + r->at, '\0', length);
  if (strange) return refuse_line(r, "zero byte (UTF-16?), expected UTF-8, after", length);
  strange = memchr(r->text + r->at, '\r', length);
  if (strange && strange + 1 < r->text + r->at + length) {
    return refuse_line(r, "CR inside a line, expected lines that end with LF or CR LF:",
                       (size_t)(strange - r->text) - r->at);
  }
  if (length > MAX_LINE || length + 2 > (size_t)size) {
    return refuse_line(r, "line is longer than 195 characters:", length);
  }
  memcpy(buffer, r->text + r->at, length);
  buffer[length] = '\0';
  r->at += length + (r->at + length < r->size ? 1 : 0);
  if (buffer[0] == ' ' || buffer[0] == '\t') { /* inih would continue the value before */
    const char *text = buffer + strspn(buffer, " \t\r");
    if (*text && *text != ';' && *text != '#') {
      fail_here(r, "line begins with a blank:", text);
      return NULL;
    }
    buffer[0] = '\0';
  }
  if (buffer[0] == '[') note_section(r, buffer);
  return r->status ? NULL : buffer;
}

static int take(void *user, const char *section, const char *key, const char *value) {
  reader *r = user;
  ap_entries *e = r->entries;
  ap_entry *entry = NULL;
  if (r->status) return 0;
  if (section[0] == '\0') {
    fail_here(r, "expected a [section] before key", key);
    return 0;
  }
  if (strlen(key) > MAX_NAME || key[0] == '\0') {
    fail_here(r, "bad key name", key);
    return 0;
  }
  for (size_t i = 0; i < e->count; i++) {
    if (strcmp(e->entries[i].section, section) == 0 && strcmp(e->entries[i].key, key) == 0) {
      fail_here(r, "key occurs twice in its section:", key);
      return 0;
    }
  }
  if (e->count == e->capacity) {
    size_t capacity = e->capacity ? 2 * e->capacity : 256;
    ap_entry *grown = ap_realloc(e->entries, capacity, sizeof *grown);
    if (!grown) {
      fail_memory(r);
      return 0;
    }
    e->entries = grown;
    e->capacity = capacity;
  }
  entry = &e->entries[e->count++];
  entry->section = ap_strdup(section);
  entry->key = ap_strdup(key);
  entry->value = ap_strdup(value);
  entry->line = r->line;
  if (!entry->section || !entry->key || !entry->value) {
    fail_memory(r);
    return 0;
  }
  return 1;
}

ap_status ap_entries_parse(const char *text, size_t size, const char *name, ap_entries *out,
                           ap_error *err) {
  const size_t mark = ap_text_mark(text, size);
  reader r = {.text = text + mark, .size = size - mark, .entries = out, .err = err};
  int broken = 0;
  memset(out, 0, sizeof *out);
  out->file = ap_strdup(name);
  if (!out->file) return ap_fail(err, AP_ERR_MEMORY, "technology name");
  if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
    r.status = ap_fail(err, AP_ERR_FORMAT, "%s:1: a text in UTF-16, expected UTF-8", name);
  }
  if (!r.status) broken = ini_parse_stream(next_line, &r, take, &r);
  if (!r.status && broken > 0) {
    r.status = ap_fail(err, AP_ERR_FORMAT, "%s:%d: expected [section], key = value or a comment",
                       name, broken);
  }
  if (!r.status && broken < 0) fail_memory(&r);
  if (r.status) ap_entries_release(out);
  return r.status;
}

ap_status ap_entries_clone(const ap_entries *from, ap_entries *out, ap_error *err) {
  memset(out, 0, sizeof *out);
  out->file = ap_strdup(from->file);
  out->entries = ap_calloc(from->count, sizeof *out->entries);
  out->sections = ap_calloc(from->n_sections, sizeof *out->sections);
  if (!out->file || !out->entries || !out->sections) goto failed;
  for (; out->n_sections < from->n_sections; out->n_sections++) {
    ap_section *to = &out->sections[out->n_sections];
    to->line = from->sections[out->n_sections].line;
    to->name = ap_strdup(from->sections[out->n_sections].name);
    if (!to->name) goto failed;
  }
  out->capacity = from->count;
  for (; out->count < from->count; out->count++) {
    ap_entry *to = &out->entries[out->count];
    const ap_entry *entry = &from->entries[out->count];
    to->section = ap_strdup(entry->section);
    to->key = ap_strdup(entry->key);
    to->value = ap_strdup(entry->value);
    to->line = entry->line;
    if (!to->section || !to->key || !to->value) {
      out->count++;
      goto failed;
    }
  }
  return AP_OK;
failed:
  ap_entries_release(out);
  return ap_fail(err, AP_ERR_MEMORY, "technology entries");
}

void ap_entries_release(ap_entries *entries) {
  for (size_t i = 0; entries->entries && i < entries->count; i++) {
    ap_free(entries->entries[i].section);
    ap_free(entries->entries[i].key);
    ap_free(entries->entries[i].value);
  }
  for (size_t i = 0; entries->sections && i < entries->n_sections; i++) {
    ap_free(entries->sections[i].name);
  }
  ap_free(entries->sections);
  ap_free(entries->entries);
  ap_free(entries->file);
  memset(entries, 0, sizeof *entries);
}
