#include <stdio.h>
#include <string.h>

#include "bench/division_impl.h"

static void add(char *reasons, size_t size, const char *what) {
  size_t used = strlen(reasons);
  (void)snprintf(reasons + used, size - used, "%s%s", used ? ", " : "", what);
}

static bool same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

void ap_division_reasons(const ap_suite *suite, const ap_suite_network *standard,
                         const ap_suite_network *run, double max_loss, bool shipped, char *reasons,
                         size_t size) {
  char text[96];
  reasons[0] = 0;
  if (!suite->closed) {
    (void)snprintf(text, sizeof text, "suite %s", suite->name);
    add(reasons, size, text);
  }
  if (!same(standard->data, run->data)) add(reasons, size, "other data");
  if (!shipped) add(reasons, size, "network not the shipped one");
  if (max_loss < suite->max_loss || max_loss > suite->max_loss) {
    (void)snprintf(text, sizeof text, "loss limit %g", max_loss);
    add(reasons, size, text);
  }
  if (!same(standard->hardware, run->hardware) || !same(standard->rows, run->rows) ||
      !same(standard->cols, run->cols) || !same(standard->ou_rows, run->ou_rows) ||
      !same(standard->ou_cols, run->ou_cols)) {
    add(reasons, size, "other hardware");
  }
  if (run->tune_epochs < standard->tune_epochs || run->tune_epochs > standard->tune_epochs ||
      run->tune_lr < standard->tune_lr || run->tune_lr > standard->tune_lr ||
      run->crop != standard->crop || run->flip != standard->flip) {
    add(reasons, size, "other recovery");
  }
  if (run->episodes != standard->episodes || run->search_images != standard->search_images) {
    add(reasons, size, "other search budget");
  }
}
