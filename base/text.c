#include "base/text.h"

#include <string.h>

#define LARGEST_CODE_POINT 0x10ffffU

/* Bytes of the UTF-8 sequence that begins here; 0: none does. Overlong forms and surrogates are
 * none. The bytes end with a 0, which continues no sequence. */
static size_t sequence(const unsigned char *s) {
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xe0U) == 0xc0 ? 2 : (s[0] & 0xf0U) == 0xe0 ? 3 : 4;
  unsigned code;
  if (n == 1) return 1;
  if (n == 4 && (s[0] & 0xf8U) != 0xf0) return 0;
  code = s[0] & (0x7fU >> n);
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xc0U) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3fU);
  }
  if (code < least[n] || code > LARGEST_CODE_POINT || (code >= 0xd800 && code < 0xe000)) return 0;
  return n;
}

bool ap_text_is_utf8(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  while (*s) {
    size_t n = sequence(s);
    if (n == 0) return false;
    s += n;
  }
  return true;
}

void ap_text_clean(char *text) {
  unsigned char *s = (unsigned char *)text;
  while (*s) {
    size_t n = sequence(s);
    if (n == 0) {
      *s = '?';
      n = 1;
    } else if (*s < 0x20 || *s == 0x7f) {
      *s = ' ';
    }
    s += n;
  }
}

size_t ap_text_mark(const char *text, size_t size) {
  static const char mark[] = "\xef\xbb\xbf";
  const size_t n = sizeof mark - 1;
  return size >= n && memcmp(text, mark, n) == 0 ? n : 0;
}
