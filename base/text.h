/* base/text.h - texts from elsewhere (names of files, words of a command, what a plug-in prints), fit
 * for one line on a terminal and for a JSON string. */
#ifndef AP_BASE_TEXT_H
#define AP_BASE_TEXT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Whether all of it is UTF-8, as jansson takes it. */
bool ap_text_is_utf8(const char *text);

/* In place: control characters (newlines, tabs, escapes) become blanks, bytes that are no UTF-8 '?'. */
void ap_text_clean(char *text);

/* Bytes of the UTF-8 byte order mark that a text begins with, as some editors write it: 3, or 0. */
size_t ap_text_mark(const char *text, size_t size);

AP_EXTERN_C_END
#endif
