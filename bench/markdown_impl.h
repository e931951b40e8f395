/* bench/markdown_impl.h - parts of tables in Markdown. */
#ifndef AP_BENCH_MARKDOWN_IMPL_H
#define AP_BENCH_MARKDOWN_IMPL_H
#include <math.h>
#include <stdio.h>

/* A name that a user has chosen: a bar of its own would end the table's cell. */
static inline void ap_markdown_name(FILE *f, const char *name) {
  for (; *name; name++) {
    if (*name == '|') (void)fputc('\\', f);
    (void)fputc(*name, f);
  }
}

/* "1.23x" or a dash, with what stands before it. */
static inline void ap_markdown_number(FILE *f, const char *before, double value, int digits,
                                      const char *unit) {
  if (isfinite(value)) {
    (void)fprintf(f, "%s%.*f%s", before, digits, value, unit);
  } else {
    (void)fprintf(f, "%s-", before);
  }
}
#endif
