#include <stdio.h>
#include <string.h>

#include "bench/division_impl.h"

static void add(char *reasons, size_t size, const char *what) {
  size_t used = strlen(reasons);
  (void)snprintf(reasons + used, size - used, "%s%s", used ? ", " : "", what);
}

void ap_division_reasons(const ap_suite *suite, const ap_suite_network *standard,
                         const ap_suite_network *run, double max_loss, bool shipped,
                         bool other_hardware, char *reasons, size_t size) {
  char text[96];
  reasons[0] = 0;
  if (!suite->closed) {
    (void)snprintf(text, sizeof text, "suite %s", suite->name);
    add(reasons, size, text);
  }
  if (run->given) {
    add(reasons, size, "network of one's own");
  } else if (!shipped) {
    add(reasons, size, "network not the shipped one");
  }
  if (strcmp(standard->data, run->data) != 0) add(reasons, size, "other data");
  if (max_loss < suite->max_loss || max_loss > suite->max_loss) {
    (void)snprintf(text, sizeof text, "loss limit %g", max_loss);
    add(reasons, size, text);
  }
  if (other_hardware) add(reasons, size, "other hardware");
  if (run->tune_epochs < standard->tune_epochs || run->tune_epochs > standard->tune_epochs ||
      run->tune_lr < standard->tune_lr || run->tune_lr > standard->tune_lr ||
      run->crop != standard->crop || run->flip != standard->flip) {
    add(reasons, size, "other recovery");
  }
  if (run->episodes != standard->episodes || run->search_images != standard->search_images) {
    add(reasons, size, "other search budget");
  }
}
