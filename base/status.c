#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#undef ap_fail /* under clang-tidy it is a macro, too */

ap_status ap_fail(ap_error *err, ap_status code, const char *format, ...) {
  if (err) {
    va_list args;
    err->code = code;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    ap_text_clean(err->text);
  }
  return code;
}

ap_status ap_fail_context(ap_error *err, ap_status code, const char *format, ...) {
  if (err) {
    char old[sizeof err->text];
    va_list args;
    int used;
    memcpy(old, err->text, sizeof old);
    va_start(args, format);
    used = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    /* Cut at the buffer's end, as ap_fail cuts. */
    if (used >= 0 && (size_t)used + 3 < sizeof err->text) {
      size_t room = sizeof err->text - (size_t)used - 3;
      memcpy(err->text + used, ": ", 2);
      memcpy(err->text + used + 2, old, room);
      err->text[sizeof err->text - 1] = '\0';
    }
    err->code = code;
    ap_text_clean(err->text);
  }
  return code;
}

const char *ap_status_name(ap_status code) {
  static const char *const names[] = {"OK",          "ARG",    "MEMORY",      "IO",       "FORMAT",
                                      "UNSUPPORTED", "DEVICE", "INTERRUPTED", "INTERNAL", "PLUGIN"};
  return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "UNKNOWN";
}
