#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/statistics.h"
#include "bench/cell_impl.h"
#include "bench/cell_read_impl.h"
#include "bench/csv_head.h"
#include "bench/curves_impl.h"

/* ---- points ---- */

typedef struct {
  const json_t *cell;
  bool tuned; /* else one shot */
  double crossbars, accuracy, dense;
  bool accepted, front;
} point;

typedef struct {
  point *points;
  size_t n;
} point_list;

static size_t count_points(const json_t *cells) {
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    n += json_array_size(json_object_get(cell, "tunings")) +
         json_array_size(json_object_get(cell, "front"));
  }
  return n;
}

static void add_points(point_list *list, const json_t *cell, const json_t *cells) {
  const json_t *tunings = json_object_get(cell, "tunings"), *front = json_object_get(cell, "front");
  double dense = at(ap_cell_find(cells, text(cell, "network"), "dense"), "accuracy_selection");
  /* The family's lightest policy keeps everything: its one-shot accuracy is the dense network's. */
  double dense_search = at(cell, "oneshot_accuracy_search") + at(cell, "oneshot_loss_search");
  for (size_t k = 0; k < json_array_size(tunings); k++) {
    const json_t *t = json_array_get(tunings, k);
    list->points[list->n++] = (point){cell,
                                      true,
                                      at(t, "crossbars"),
                                      at(t, "accuracy_selection"),
                                      dense,
                                      json_is_true(json_object_get(t, "accepted")),
                                      true};
  }
  for (size_t k = 0; k < json_array_size(front); k++) {
    const json_t *p = json_array_get(front, k);
    list->points[list->n++] = (point){cell,
                                      false,
                                      json_number_value(json_array_get(p, 0)),
                                      json_number_value(json_array_get(p, 1)),
                                      dense_search,
                                      false,
                                      true};
  }
}

static bool beats(const point *a, const point *b) {
  return a->crossbars <= b->crossbars && a->accuracy >= b->accuracy &&
         (a->crossbars < b->crossbars || a->accuracy > b->accuracy);
}

/* Over all seeds of a method, tuned and one-shot points apart. */
static void mark_fronts(point_list *list) {
  for (size_t i = 0; i < list->n; i++) {
    point *p = &list->points[i];
    for (size_t k = 0; k < list->n && p->front; k++) {
      const point *q = &list->points[k];
      if (q->tuned == p->tuned && beats(q, p) && same_method(q->cell, p->cell)) p->front = false;
    }
  }
}

static void write_point(ap_csv *csv, const point *p) {
  ap_csv_text(csv, text(p->cell, "network"));
  ap_csv_text(csv, text(p->cell, "method"));
  ap_csv_number(csv, at(p->cell, "seed"));
  ap_csv_text(csv, p->tuned ? "recovered" : "one-shot");
  ap_csv_text(csv, p->tuned ? "selection" : "search");
  ap_csv_number(csv, p->crossbars);
  ap_csv_number(csv, at(p->cell, "hardware.total.crossbars_dense") / p->crossbars);
  ap_csv_number(csv, p->accuracy);
  ap_csv_number(csv, p->dense);
  ap_csv_size(csv, p->accepted);
  ap_csv_size(csv, p->front);
  ap_csv_end_row(csv);
}

ap_status ap_write_points(ap_csv *csv, const json_t *cells, ap_error *err) {
  static const char *const columns[] = {"network",        "method",    "seed",        "kind",
                                        "split",          "crossbars", "compression", "accuracy",
                                        "dense_accuracy", "accepted",  "front"};
  point_list list = {ap_calloc(count_points(cells) + 1, sizeof(point)), 0};
  if (!list.points) return ap_fail(err, AP_ERR_MEMORY, "points");
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    add_points(&list, json_array_get(cells, i), cells);
  }
  mark_fronts(&list);
  for (size_t i = 0; i < list.n; i++) write_point(csv, &list.points[i]);
  ap_free(list.points);
  return AP_OK;
}

/* ---- convergence ---- */
#define STEPS 60
#define MOST_SEEDS 100

/* Columns of an episode (bench/family_impl.h). */
enum { COMPRESSION = 4, FEASIBLE = 6, FORWARDS = 9 };

static double episode_value(const json_t *episode, size_t column) {
  return json_number_value(json_array_get(episode, column));
}

static double last_forwards(const json_t *cell) {
  const json_t *episodes = json_object_get(cell, "episodes");
  size_t n = json_array_size(episodes);
  return n > 0 ? episode_value(json_array_get(episodes, n - 1), FORWARDS) : 0;
}

/* The best of the candidates that cost at most `forwards` together. */
static double best_within(const json_t *cell, double forwards) {
  const json_t *episodes = json_object_get(cell, "episodes");
  double best = 1;
  for (size_t i = 0; i < json_array_size(episodes); i++) {
    const json_t *e = json_array_get(episodes, i);
    if (episode_value(e, FORWARDS) > forwards) break;
    if (episode_value(e, FEASIBLE) > 0) best = fmax(best, episode_value(e, COMPRESSION));
  }
  return best;
}

static void convergence_of(ap_csv *csv, const json_t *cells, const json_t *first) {
  const json_t *seeds[MOST_SEEDS];
  double end = 0, values[MOST_SEEDS];
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(cells) && n < MOST_SEEDS; i++) {
    const json_t *cell = json_array_get(cells, i);
    if (!same_method(cell, first) || !(last_forwards(cell) > 0)) continue;
    seeds[n++] = cell;
    end = fmax(end, last_forwards(cell));
  }
  for (size_t k = 1; k <= STEPS && n > 0; k++) {
    double x = end * (double)k / STEPS;
    ap_sample_statistics s;
    for (size_t i = 0; i < n; i++) values[i] = best_within(seeds[i], x);
    s = ap_sample_statistics_of(values, n);
    if (n < 2) s.half_width = (double)NAN;
    ap_csv_text(csv, text(first, "network"));
    ap_csv_text(csv, text(first, "method"));
    ap_csv_text(csv, text(json_object_get(first, "config"), "searcher"));
    ap_csv_size(csv, n);
    ap_csv_number(csv, x);
    ap_csv_number(csv, s.mean);
    ap_csv_number(csv, s.mean - s.half_width);
    ap_csv_number(csv, s.mean + s.half_width);
    ap_csv_end_row(csv);
  }
}

void ap_write_convergence(ap_csv *csv, const json_t *cells) {
  static const char *const columns[] = {
      "network",        "method",      "searcher",        "n",
      "image_forwards", "compression", "compression_low", "compression_high"};
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    bool seen = false;
    if (!json_object_get(cell, "episodes")) continue;
    for (size_t k = 0; k < i && !seen; k++) {
      seen = same_method(json_array_get(cells, k), cell) &&
             json_object_get(json_array_get(cells, k), "episodes");
    }
    if (!seen) convergence_of(csv, cells, cell);
  }
}
