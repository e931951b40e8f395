#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

/* Largest document read; policies, summaries and histories are far smaller. */
#define MAX_DOCUMENT_BYTES ((size_t)256 << 20)

ap_status ap_json_parse(const char *text, size_t size, const char *name, json_t **out,
                        ap_error *err) {
  json_error_t reason;
  const size_t mark = ap_text_mark(text, size);
  *out = json_loadb(text + mark, size - mark, JSON_REJECT_DUPLICATES, &reason);
  if (*out) return AP_OK;
  if (json_error_code(&reason) == json_error_out_of_memory) {
    return ap_fail(err, AP_ERR_MEMORY, "%s: JSON document", name);
  }
  return ap_fail(err, AP_ERR_FORMAT, "%s:%d:%d: not valid JSON: %s", name,
                 reason.line < 1 ? 1 : reason.line, reason.column < 0 ? 0 : reason.column,
                 reason.text);
}

ap_status ap_json_load(const char *path, json_t **out, ap_error *err) {
  char *text = NULL;
  size_t size = 0;
  ap_status st;
  *out = NULL;
  st = ap_file_read(path, MAX_DOCUMENT_BYTES, &text, &size, err);
  if (st) return st;
  st = ap_json_parse(text, size, path, out, err);
  ap_free(text);
  return st;
}

ap_status ap_json_save(const char *path, const json_t *document, bool force, ap_error *err) {
  ap_output *output = NULL;
  FILE *stream;
  ap_status st = ap_output_open(path, force, &output, err);
  if (st) return st;
  stream = ap_output_stream(output);
  if (json_dumpf(document, stream, JSON_INDENT(2)) != 0 && !ferror(stream)) {
    ap_output_abandon(output);
    return ap_fail(err, AP_ERR_INTERNAL, "%s: the document cannot be written as JSON", path);
  }
  (void)fputc('\n', stream);
  return ap_output_commit(output, err);
}

json_t *ap_json_text(const char *text) {
  char *copy;
  json_t *value;
  if (!text) return NULL;
  if (ap_text_is_utf8(text)) return json_string(text);
  copy = ap_strdup(text);
  if (copy) ap_text_clean(copy);
  value = copy ? json_string(copy) : NULL;
  ap_free(copy);
  return value;
}

static ap_status find(const json_t *object, const char *member, const char *where,
                      const json_t **out, ap_error *err) {
  if (!json_is_object(object)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: an object with member \"%s\" expected", where, member);
  }
  *out = json_object_get(object, member);
  if (!*out) return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is missing", where, member);
  return AP_OK;
}

ap_status ap_json_number(const json_t *object, const char *member, double lo, double hi,
                         const char *where, double *out, ap_error *err) {
  const json_t *value = NULL;
  double number;
  ap_status st = find(object, member, where, &value, err);
  if (st) return st;
  if (!json_is_number(value)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is not a number", where, member);
  }
  number = json_number_value(value);
  if (!isfinite(number) || !(number >= lo && number <= hi)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is %g, expected %g to %g", where, member,
                   number, lo, hi);
  }
  *out = number;
  return AP_OK;
}

ap_status ap_json_size(const json_t *object, const char *member, size_t lo, size_t hi,
                       const char *where, size_t *out, ap_error *err) {
  const json_t *value = NULL;
  json_int_t number;
  ap_status st = find(object, member, where, &value, err);
  if (st) return st;
  if (!json_is_integer(value)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is not an integer", where, member);
  }
  number = json_integer_value(value);
  if (number < 0 || (size_t)number < lo || (size_t)number > hi) {
    return ap_fail(err, AP_ERR_FORMAT,
                   "%s: member \"%s\" is %" JSON_INTEGER_FORMAT ", expected %zu to %zu", where,
                   member, number, lo, hi);
  }
  *out = (size_t)number;
  return AP_OK;
}

ap_status ap_json_string(const json_t *object, const char *member, const char *where,
                         const char **out, ap_error *err) {
  const json_t *value = NULL;
  ap_status st = find(object, member, where, &value, err);
  if (st) return st;
  if (!json_is_string(value)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is not a string", where, member);
  }
  *out = json_string_value(value);
  return AP_OK;
}

ap_status ap_json_array(const json_t *object, const char *member, const char *where,
                        const json_t **out, ap_error *err) {
  const json_t *value = NULL;
  ap_status st = find(object, member, where, &value, err);
  if (st) return st;
  if (!json_is_array(value)) {
    return ap_fail(err, AP_ERR_FORMAT, "%s: member \"%s\" is not an array", where, member);
  }
  *out = value;
  return AP_OK;
}
