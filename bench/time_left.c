#include <stdio.h>

#include "bench/cell_read_impl.h"
#include "bench/time_left_impl.h"

static void say(const ap_experiment *e, const char *text) {
  if (e->options->say) e->options->say(e->options->say_context, text);
}

/* "1:02:03". */
static void clock_text(double seconds, char text[24]) {
  unsigned long long s = seconds > 0 && seconds < 1e9 ? (unsigned long long)(seconds + 0.5) : 0;
  (void)snprintf(text, 24, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

/* Expected seconds are those of the reference machine; cells seen so far say how this one compares. */
static double left(const ap_experiment *e) {
  double pace = e->expected_spent > 0 ? e->seconds_spent / e->expected_spent : 1;
  return e->expected_left > 0 ? pace * e->expected_left : 0;
}

void ap_time_known(ap_experiment *e, double expected, const json_t *found) {
  double seconds = at(found, "seconds");
  if (!(seconds > 0)) return;
  e->expected_spent += expected;
  e->seconds_spent += seconds;
}

void ap_time_spent(ap_experiment *e, const ap_cell *cell, double expected, double seconds) {
  char text[200], took[24], rest[24];
  e->done++;
  e->expected_left -= expected;
  e->expected_spent += expected;
  e->seconds_spent += seconds;
  clock_text(seconds, took);
  clock_text(left(e), rest);
  (void)snprintf(text, sizeof text, "cell %zu of %zu: %s, %s, seed %llu in %s; about %s left",
                 e->done, e->cells, cell->network->network, cell->method->name,
                 (unsigned long long)cell->seed, took, rest);
  say(e, text);
}

void ap_time_say_again(const ap_experiment *e, const char *why) {
  char text[600];
  (void)snprintf(text, sizeof text, "%s: a damaged cell, to be computed again", why);
  say(e, text);
}

void ap_time_say_plan(ap_experiment *e) {
  char text[200], rest[24];
  clock_text(left(e), rest);
  if (e->done == e->cells) {
    (void)snprintf(text, sizeof text, "%zu cells: all are there", e->cells);
  } else {
    (void)snprintf(text, sizeof text, "%zu cells: %zu are there, %zu to do, about %s%s", e->cells,
                   e->done, e->cells - e->done, rest,
                   e->expected_spent > 0 ? "" : " on two cores like those of docs/PAPER.md");
  }
  say(e, text);
  for (size_t i = 0; i < json_array_size(e->skipped); i++) {
    say(e, json_string_value(json_array_get(e->skipped, i)));
  }
}
