/* base/json.h - JSON documents through Jansson, with errors that name file, line and member. */
#ifndef AP_BASE_JSON_H
#define AP_BASE_JSON_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* *out is a new reference (json_decref). Duplicate members and trailing text are refused; a byte order mark is passed over. */
AP_NODISCARD ap_status ap_json_load(const char *path, json_t **out, ap_error *err);
AP_NODISCARD ap_status ap_json_parse(const char *text, size_t size, const char *name, json_t **out,
                                     ap_error *err);
/* Indented by 2, member order kept, newline at the end, written atomically. */
AP_NODISCARD ap_status ap_json_save(const char *path, const json_t *document, bool force,
                                    ap_error *err);

/* A string of any text, cleaned (ap_text_clean) where it is not UTF-8: the name of a file may hold any
 * bytes. NULL for NULL and out of memory. */
json_t *ap_json_text(const char *text);

/* Members of `object`; `where` (a file or a path in the document) begins the error text. Absent or
 * of another type, not finite, out of [lo, hi]: FORMAT. Strings stay owned by the object. */
AP_NODISCARD ap_status ap_json_number(const json_t *object, const char *member, double lo,
                                      double hi, const char *where, double *out, ap_error *err);
AP_NODISCARD ap_status ap_json_size(const json_t *object, const char *member, size_t lo, size_t hi,
                                    const char *where, size_t *out, ap_error *err);
AP_NODISCARD ap_status ap_json_string(const json_t *object, const char *member, const char *where,
                                      const char **out, ap_error *err);
AP_NODISCARD ap_status ap_json_array(const json_t *object, const char *member, const char *where,
                                     const json_t **out, ap_error *err);

AP_EXTERN_C_END
#endif
