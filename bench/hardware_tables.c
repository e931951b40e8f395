#include <stdlib.h>

#include "bench/cell_impl.h"
#include "bench/cell_read_impl.h"
#include "bench/csv_head.h"
#include "bench/hardware_tables_impl.h"
#include "bench/markdown_impl.h"

void ap_write_breakdown(ap_csv *csv, const json_t *cells) {
  static const char *const columns[] = {
      "network",   "method",     "seed",         "component",     "area_mm2",
      "energy_uj", "area_share", "energy_share", "area_of_dense", "energy_of_dense"};
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    const json_t *total = json_object_get(json_object_get(cell, "hardware"), "total");
    const json_t *dense = ap_cell_find(cells, text(cell, "network"), "dense");
    json_t *parts = json_object_get(total, "components"), *part;
    const char *name;
    json_object_foreach(parts, name, part) {
      double area = at(part, "area_mm2"), energy = at(part, "energy_uj");
      if (!(area > 0 || energy > 0)) continue;
      ap_csv_text(csv, text(cell, "network"));
      ap_csv_text(csv, text(cell, "method"));
      ap_csv_number(csv, at(cell, "seed"));
      ap_csv_text(csv, name);
      ap_csv_number(csv, area);
      ap_csv_number(csv, energy);
      ap_csv_number(csv, area / at(total, "area_mm2"));
      ap_csv_number(csv, energy / at(total, "energy_uj"));
      ap_csv_number(csv, area / at(dense, "hardware.total.area_mm2"));
      ap_csv_number(csv, energy / at(dense, "hardware.total.energy_uj"));
      ap_csv_end_row(csv);
    }
  }
}

/* The cell's price under a law; NULL where it has none. */
static const json_t *under(const json_t *cell, const char *law) {
  const json_t *laws = json_object_get(cell, "laws");
  for (size_t i = 0; i < json_array_size(laws); i++) {
    const json_t *one = json_array_get(laws, i);
    if (strcmp(text(one, "law"), law) == 0) return one;
  }
  return NULL;
}

/* How many times less of something than a reference cell, under one law; NAN where one is missing. */
static double gain(const json_t *cell, const json_t *reference, const char *law, const char *what) {
  return at(under(reference, law), what) / at(under(cell, law), what);
}

void ap_write_laws(ap_csv *csv, const json_t *cells) {
  static const char *const columns[] = {"network",
                                        "method",
                                        "seed",
                                        "law",
                                        "area_mm2",
                                        "energy_uj",
                                        "area_efficiency",
                                        "energy_efficiency",
                                        "area_efficiency_vs_pim",
                                        "energy_efficiency_vs_pim"};
  ap_csv_columns(csv, columns, sizeof columns / sizeof columns[0]);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i), *laws = json_object_get(cell, "laws");
    const json_t *dense = ap_cell_find(cells, text(cell, "network"), "dense");
    const json_t *pim =
        ap_cell_find_seed(cells, text(cell, "network"), "pim-prune",
                          (uint64_t)json_integer_value(json_object_get(cell, "seed")));
    for (size_t j = 0; j < json_array_size(laws); j++) {
      const json_t *one = json_array_get(laws, j);
      const char *law = text(one, "law");
      ap_csv_text(csv, text(cell, "network"));
      ap_csv_text(csv, text(cell, "method"));
      ap_csv_number(csv, at(cell, "seed"));
      ap_csv_text(csv, law);
      ap_csv_number(csv, at(one, "area_mm2"));
      ap_csv_number(csv, at(one, "energy_uj"));
      ap_csv_number(csv, gain(cell, dense, law, "area_mm2"));
      ap_csv_number(csv, gain(cell, dense, law, "energy_uj"));
      ap_csv_number(csv, gain(cell, pim, law, "area_mm2"));
      ap_csv_number(csv, gain(cell, pim, law, "energy_uj"));
      ap_csv_end_row(csv);
    }
  }
}

/* ---- for people: the first seed ---- */
#define MOST_METHODS 64

typedef struct {
  const char *method;
  double energy_uj;
} ranked;

static int by_energy(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->energy_uj < y->energy_uj) return -1;
  if (x->energy_uj > y->energy_uj) return 1;
  return strcmp(x->method, y->method);
}

/* The network's methods by energy under a law, least first. */
static size_t rank(const json_t *cells, const char *network, const char *law,
                   ranked order[MOST_METHODS]) {
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(cells) && n < MOST_METHODS; i++) {
    const json_t *cell = json_array_get(cells, i);
    const json_t *price = under(cell, law);
    if (strcmp(text(cell, "network"), network) != 0 || !price) continue;
    if (ap_cell_find(cells, network, text(cell, "method")) != cell) continue;
    order[n++] = (ranked){text(cell, "method"), at(price, "energy_uj")};
  }
  qsort(order, n, sizeof order[0], by_energy);
  return n;
}

static void write_order(FILE *f, const json_t *cells, const char *network, const json_t *laws) {
  ranked first[MOST_METHODS], other[MOST_METHODS];
  bool same = true;
  size_t n = rank(cells, network, text(json_array_get(laws, 0), "law"), first);
  for (size_t j = 1; j < json_array_size(laws); j++) {
    size_t m = rank(cells, network, text(json_array_get(laws, j), "law"), other);
    for (size_t i = 0; i < n && i < m; i++) same &= strcmp(first[i].method, other[i].method) == 0;
  }
  (void)fprintf(f, "\nOrder of the methods by energy, least first%s:",
                same ? ", the same under all these laws" : " (it depends on the law)");
  for (size_t j = 0; j < (same ? 1 : json_array_size(laws)); j++) {
    const char *law = text(json_array_get(laws, j), "law");
    if (!same) (void)fprintf(f, "%s %s:", j ? ";" : "", law);
    n = rank(cells, network, law, other);
    for (size_t i = 0; i < n; i++) (void)fprintf(f, "%s %s", i ? "," : "", other[i].method);
  }
  (void)fputs(".\n", f);
}

void ap_markdown_laws(FILE *f, const json_t *cells, const char *network) {
  const json_t *dense = ap_cell_find(cells, network, "dense"),
               *laws = json_object_get(dense, "laws");
  if (json_array_size(laws) < 2) return;
  (void)fputs(
      "\nThe same under other converter laws, area / energy efficiency over dense:\n\n| method", f);
  for (size_t j = 0; j < json_array_size(laws); j++) {
    (void)fprintf(f, " | %s", text(json_array_get(laws, j), "law"));
  }
  (void)fputs(" |\n|---", f);
  for (size_t j = 0; j < json_array_size(laws); j++) (void)fputs("|---", f);
  (void)fputs("|\n", f);
  for (size_t i = 0; i < json_array_size(cells); i++) {
    const json_t *cell = json_array_get(cells, i);
    if (strcmp(text(cell, "network"), network) != 0 || cell == dense) continue;
    if (ap_cell_find(cells, network, text(cell, "method")) != cell) continue;
    if (strcmp(text(cell, "method"), "dense") == 0) continue;
    (void)fputs("| ", f);
    ap_markdown_name(f, text(cell, "method"));
    for (size_t j = 0; j < json_array_size(laws); j++) {
      const char *law = text(json_array_get(laws, j), "law");
      if (!under(cell, law)) { /* it failed */
        (void)fputs(" | -", f);
        continue;
      }
      ap_markdown_number(f, " | ", gain(cell, dense, law, "area_mm2"), 2, "x");
      ap_markdown_number(f, " / ", gain(cell, dense, law, "energy_uj"), 2, "x");
    }
    (void)fputs(" |\n", f);
  }
  write_order(f, cells, network, laws);
}
