/* Why a claim fails, as far as the tables themselves can show it. Nothing is said that they do not hold. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/csv_read.h"
#include "bench/claims_impl.h"

#define MUCH 0.75 /* a ratio below this is said to be much less */
#define NEAR 0.25 /* two ratios that differ by less, relatively, are said to follow each other */

static ap_status say(json_t *reasons, const char *text, ap_error *err) {
  return json_array_append_new(reasons, json_string(text)) ? ap_fail(err, AP_ERR_MEMORY, "reasons")
                                                           : AP_OK;
}

static double of(const ap_claim_tables *t, const char *network, const char *method,
                 const char *column) {
  return ap_csv_field_number(ap_claim_row(t, network, method), column);
}

/* The largest value of the claim's column that any method has on the network. */
static const json_t *best_row(const ap_claim *claim, const ap_claim_tables *t,
                              const char *network) {
  const json_t *best = NULL;
  for (size_t i = 0; i < json_array_size(t->summary); i++) {
    const json_t *row = json_array_get(t->summary, i);
    double value = ap_csv_field_number(row, claim->column);
    if (strcmp(ap_csv_field_text(row, "network"), network) != 0 || isnan(value)) continue;
    if (!best || value > ap_csv_field_number(best, claim->column)) best = row;
  }
  return best;
}

/* Is it the search, or does nothing here reach it? */
static ap_status say_best(const ap_claim *claim, const ap_claim_tables *t, const char *network,
                          json_t *reasons, ap_error *err) {
  const json_t *best = best_row(claim, t, network);
  double value = ap_csv_field_number(best, claim->column);
  const char *method = ap_csv_field_text(best, "method");
  char text[300];
  if (!best) return AP_OK;
  if (strcmp(method, claim->method) == 0) {
    (void)snprintf(text, sizeof text, "no method here comes nearer on %s", network);
  } else if (value < claim->published) {
    (void)snprintf(text, sizeof text, "no method here reaches it on %s: the best is %s with %.2fx",
                   network, method, value);
  } else {
    (void)snprintf(text, sizeof text, "it can be reached on %s: %s has %.2fx", network, method,
                   value);
  }
  return say(reasons, text, err);
}

ap_status ap_reason_compression(const ap_claim *claim, const ap_claim_tables *t,
                                const char *network, json_t *reasons, ap_error *err) {
  double pim = of(t, network, "pim-prune", "crossbars_compression");
  double dense = of(t, network, "pim-prune", "crossbars_dense");
  char text[300];
  ap_status st = say_best(claim, t, network, reasons, err);
  if (st || isnan(pim) || isnan(dense)) return st;
  (void)snprintf(
      text, sizeof text,
      "PIM-Prune-like itself has %.2fx on %s at this loss; %.1f times that would be %.1fx "
      "over dense, %.1f of %.0f crossbars",
      pim, network, claim->published, pim * claim->published, dense / (pim * claim->published),
      dense);
  return say(reasons, text, err);
}

/* The range of a column of laws.csv for the method, means over the seeds. */
static ap_status say_laws(const ap_claim *claim, const ap_claim_tables *t, const char *network,
                          json_t *reasons, ap_error *err) {
  double low = INFINITY, high = -INFINITY;
  const char *high_law = "";
  char text[300];
  for (size_t i = 0; i < json_array_size(t->laws); i++) {
    const char *law = ap_csv_field_text(json_array_get(t->laws, i), "law");
    double sum = 0, n = 0;
    for (size_t k = 0; k < json_array_size(t->laws); k++) {
      const json_t *row = json_array_get(t->laws, k);
      double value = ap_csv_field_number(row, claim->column);
      if (strcmp(ap_csv_field_text(row, "network"), network) != 0 || isnan(value) ||
          strcmp(ap_csv_field_text(row, "method"), claim->method) != 0 ||
          strcmp(ap_csv_field_text(row, "law"), law) != 0) {
        continue;
      }
      sum += value;
      n += 1;
    }
    if (!(n > 0)) continue;
    low = fmin(low, sum / n);
    if (sum / n > high) {
      high = sum / n;
      high_law = law;
    }
  }
  if (!(high >= low)) return AP_OK;
  if (high >= claim->published) {
    (void)snprintf(text, sizeof text,
                   "it depends on the converter's law: %.2fx under %s, from %.2fx on under others",
                   high, high_law, low);
  } else {
    (void)snprintf(text, sizeof text,
                   "the converter's law does not decide it: %.2fx to %.2fx under all laws on %s",
                   low, high, network);
  }
  return say(reasons, text, err);
}

ap_status ap_reason_area(const ap_claim *claim, const ap_claim_tables *t, const char *network,
                         json_t *reasons, ap_error *err) {
  double area = of(t, network, claim->method, claim->column);
  double crossbars = of(t, network, claim->method, "compression_vs_pim");
  char text[300];
  ap_status st = say_best(claim, t, network, reasons, err);
  if (!st && crossbars < claim->published) {
    (void)snprintf(text, sizeof text,
                   "area follows crossbars: %.2fx fewer crossbars on %s, %.2fx less area",
                   crossbars, network, area);
    st = say(reasons, text, err);
  } else if (!st && area < crossbars) {
    (void)snprintf(text, sizeof text,
                   "index tables and what does not shrink take the rest on %s: %.2fx fewer "
                   "crossbars, %.2fx less area",
                   network, crossbars, area);
    st = say(reasons, text, err);
  }
  return st ? st : say_laws(claim, t, network, reasons, err);
}

ap_status ap_reason_energy(const ap_claim *claim, const ap_claim_tables *t, const char *network,
                           json_t *reasons, ap_error *err) {
  double crossbars = of(t, network, claim->method, "crossbars_compression");
  double macs = of(t, network, claim->method, "macs_compression");
  double energy = of(t, network, claim->method, "energy_efficiency");
  double pim_macs = of(t, network, "pim-prune", "macs_compression");
  char text[300];
  ap_status st = say_best(claim, t, network, reasons, err);
  if (!st && macs < MUCH * crossbars && fabs(energy / macs - 1) < NEAR) {
    (void)snprintf(text, sizeof text,
                   "energy follows the MACs that are left, not the crossbars: on %s %s has %.2fx "
                   "fewer crossbars than dense, but %.2fx fewer MACs and %.2fx less energy "
                   "(PIM-Prune-like: %.2fx fewer MACs)",
                   network, claim->method, crossbars, macs, energy, pim_macs);
    st = say(reasons, text, err);
  }
  return st ? st : say_laws(claim, t, network, reasons, err);
}

ap_status ap_reason_overlap(const ap_claim *claim, const ap_claim_tables *t, const char *network,
                            json_t *reasons, ap_error *err) {
  const json_t *a = ap_claim_row(t, network, claim->method),
               *b = ap_claim_row(t, network, claim->against);
  double mine = ap_csv_field_number(a, claim->column),
         other = ap_csv_field_number(b, claim->column);
  char text[300];
  if (!(mine > other)) {
    (void)snprintf(text, sizeof text, "%s has %.2fx on %s, %s %.2fx", claim->method, mine, network,
                   claim->against, other);
  } else {
    (void)snprintf(text, sizeof text,
                   "%s has %.2fx on %s, %s %.2fx, but their intervals over the seeds touch: so "
                   "few seeds do not tell them apart",
                   claim->method, mine, network, claim->against, other);
  }
  return say(reasons, text, err);
}
