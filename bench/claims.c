#include "bench/claims.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv_read.h"
#include "base/file.h"
#include "bench/cell_read_impl.h"
#include "bench/claims_impl.h"
#include "bench/result_ranges_impl.h"
#include "bench/summary_impl.h"

const json_t *ap_claim_row(const ap_claim_tables *tables, const char *network, const char *method) {
  for (size_t i = 0; i < json_array_size(tables->summary); i++) {
    const json_t *row = json_array_get(tables->summary, i);
    if (strcmp(ap_csv_field_text(row, "network"), network) == 0 &&
        strcmp(ap_csv_field_text(row, "method"), method) == 0) {
      return row;
    }
  }
  return NULL;
}

/* ---- one network ---- */

typedef struct {
  double value, low, high, n;
  bool holds;
} finding;

static double with_suffix(const json_t *row, const char *column, const char *suffix) {
  char name[96];
  (void)snprintf(name, sizeof name, "%s%s", column, suffix);
  return ap_csv_field_number(row, name);
}

/* value NAN: not tested there. */
static finding look(const ap_claim *claim, const ap_claim_tables *t, const char *network) {
  const json_t *row = ap_claim_row(t, network, claim->method);
  finding f = {ap_csv_field_number(row, claim->column), with_suffix(row, claim->column, "_low"),
               with_suffix(row, claim->column, "_high"), ap_csv_field_number(row, "n"), false};
  if (claim->kind == AP_CLAIM_OVER) {
    const json_t *other = ap_claim_row(t, network, claim->against);
    double theirs = ap_csv_field_number(other, claim->column);
    double top = with_suffix(other, claim->column, "_high");
    f.holds = f.value > theirs && !(f.low <= top); /* one seed has no interval: the value decides */
    f.value /= theirs;
    f.low = f.high = (double)NAN;
  } else {
    f.holds = f.value >= claim->published - 1e-12;
  }
  return f;
}

static json_t *finding_json(const char *network, const finding *f) {
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "network", network, "value",
                   number_or_null(f->value), "low", number_or_null(f->low), "high",
                   number_or_null(f->high), "n", number_or_null(f->n), "holds", (int)f->holds);
}

/* ---- one claim ---- */

/* The network that decides: the best of UP_TO, the worst of the others. */
static bool decides(const ap_claim *claim, const finding *a, const finding *b) {
  if (claim->kind == AP_CLAIM_UP_TO) return a->value > b->value;
  if (a->holds != b->holds) return !a->holds;
  return a->value < b->value;
}

/* Reasons on every network that fails; of UP_TO on the one that decides. */
static ap_status add_reasons(const ap_claim *claim, const ap_claim_tables *t,
                             const json_t *networks, const char *deciding, json_t *reasons,
                             ap_error *err) {
  ap_status st = AP_OK;
  for (size_t i = 0; i < json_array_size(networks) && !st && claim->reason; i++) {
    const json_t *one = json_array_get(networks, i);
    if (claim->kind == AP_CLAIM_UP_TO ? strcmp(text(one, "network"), deciding) != 0
                                      : json_is_true(json_object_get(one, "holds"))) {
      continue;
    }
    st = claim->reason(claim, t, text(one, "network"), reasons, err);
  }
  return st;
}

/* Each network once, in the order of the table, where the claim can be tested. */
static ap_status find_all(const ap_claim *claim, const ap_claim_tables *t, json_t *networks,
                          const char **deciding, finding *out, ap_error *err) {
  *deciding = NULL;
  for (size_t i = 0; i < json_array_size(t->summary); i++) {
    const json_t *row = json_array_get(t->summary, i);
    const char *network = ap_csv_field_text(row, "network");
    finding f;
    if (strcmp(ap_csv_field_text(row, "method"), claim->method) != 0) continue;
    f = look(claim, t, network);
    if (!isfinite(f.value)) continue;
    if (json_array_append_new(networks, finding_json(network, &f))) {
      return ap_fail(err, AP_ERR_MEMORY, "claims");
    }
    if (!*deciding || decides(claim, &f, out)) {
      *deciding = network;
      *out = f;
    }
  }
  return AP_OK;
}

static ap_status judge(const ap_claim *claim, const ap_claim_tables *t, json_t **out,
                       ap_error *err) {
  json_t *networks = json_array(), *reasons = json_array();
  const char *deciding, *outcome = "not tested";
  finding f = {(double)NAN, (double)NAN, (double)NAN, (double)NAN, false};
  ap_status st = networks && reasons ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "claims");
  *out = NULL;
  if (!st) st = find_all(claim, t, networks, &deciding, &f, err);
  if (!st && deciding) outcome = f.holds ? "reproduced" : "not reproduced";
  if (!st && deciding && !f.holds) {
    st = add_reasons(claim, t, networks, deciding, reasons, err);
  }
  if (!st) {
    *out = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:f, s:o, s:o, s:o, s:o, s:s?, s:o,"
        " s:O, s:O}",
        "id", claim->id, "text", claim->text, "source", claim->source, "rule", claim->rule,
        "outcome", outcome, "method", claim->method, "published", claim->published, "unit",
        claim->unit, "scale", claim->scale, "value", number_or_null(f.value), "low",
        number_or_null(f.low), "high", number_or_null(f.high), "n", number_or_null(f.n), "network",
        deciding, "by", number_or_null(f.value - claim->published), "networks", networks, "reasons",
        reasons);
    if (!*out) st = ap_fail(err, AP_ERR_MEMORY, "claims");
  }
  json_decref(networks);
  json_decref(reasons);
  return st;
}

/* ---- all of them ---- */

static ap_status load(const char *results, ap_claim_tables *t, json_t **head, ap_error *err) {
  static const char *const needed[] = {"network", "method", "compression_vs_pim"};
  char *laws = ap_path_join(results, "laws.csv");
  ap_status st = laws ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "paths");
  if (!st) {
    st = ap_summary_load(results, needed, sizeof needed / sizeof needed[0], &t->summary, head, err);
  }
  if (!st && ap_file_exists(laws)) {
    st = ap_csv_load_numbers(laws, NULL, ap_result_range, &t->laws, NULL, err);
  }
  ap_free(laws);
  return st;
}

/* The texts of "# left_out: [...]". */
static json_t *left_out(const json_t *head) {
  json_t *list = json_loads(ap_csv_field_text(head, "left_out"), 0, NULL);
  if (json_is_array(list)) return list;
  json_decref(list);
  return json_array();
}

ap_status ap_claims_judge(const char *results, json_t **out, ap_error *err) {
  ap_claim_tables t = {NULL, NULL};
  json_t *head = NULL, *claims = json_array();
  json_int_t counts[3] = {0, 0, 0};
  ap_status st = load(results, &t, &head, err);
  *out = NULL;
  if (!st && !claims) st = ap_fail(err, AP_ERR_MEMORY, "claims");
  for (size_t i = 0; i < ap_n_claims && !st; i++) {
    json_t *one = NULL;
    st = judge(&ap_claims[i], &t, &one, err);
    if (!st) {
      const char *outcome = text(one, "outcome");
      counts[strcmp(outcome, "reproduced") == 0 ? 0 : strcmp(outcome, "not tested") == 0 ? 2 : 1]++;
      if (json_array_append_new(claims, one)) st = ap_fail(err, AP_ERR_MEMORY, "claims");
    }
  }
  if (!st) {
    *out = json_pack("{s:s, s:s, s:s, s:o, s:O, s:I, s:I, s:I}", "results", results, "suite",
                     ap_csv_field_text(head, "suite"), "commit", ap_csv_field_text(head, "commit"),
                     "left_out", left_out(head), "claims", claims, "reproduced", counts[0],
                     "not_reproduced", counts[1], "not_tested", counts[2]);
    if (!*out) st = ap_fail(err, AP_ERR_MEMORY, "claims");
  }
  json_decref(t.summary);
  json_decref(t.laws);
  json_decref(head);
  json_decref(claims);
  return st;
}

/* ---- for people ---- */

/* "1.87x (1.60 to 2.14, 3 seeds)". */
static void print_value(const json_t *of, double scale, const char *unit, FILE *out) {
  double n = at(of, "n");
  (void)fprintf(out, "%.2f%s", scale * at(of, "value"), unit);
  if (isfinite(at(of, "low"))) {
    (void)fprintf(out, " (%.2f to %.2f, %.0f seeds)", scale * at(of, "low"), scale * at(of, "high"),
                  n);
  } else {
    (void)fprintf(out, " (%.0f seed%s)", n, n > 1 ? "s" : "");
  }
}

static void print_claim(const json_t *c, FILE *out) {
  const json_t *networks = json_object_get(c, "networks"), *reasons = json_object_get(c, "reasons");
  const char *outcome = text(c, "outcome"), *unit = text(c, "unit");
  double scale = at(c, "scale"), by = scale * at(c, "by");
  bool tested = strcmp(outcome, "not tested") != 0;
  bool holds = strcmp(outcome, "reproduced") == 0;
  (void)fprintf(out, "%-12s %s: %s\n", text(c, "id"),
                holds    ? "REPRODUCED"
                : tested ? "NOT REPRODUCED"
                         : "NOT TESTED",
                text(c, "text"));
  (void)fprintf(out, "  from    %s\n  rule    %s\n", text(c, "source"), text(c, "rule"));
  if (!tested) {
    (void)fprintf(out, "  no network here has rows of the methods it needs\n");
    return;
  }
  (void)fprintf(out, "  here    ");
  print_value(c, scale, unit, out);
  (void)fprintf(out, " on %s, %.2f%s %s %.2f%s\n", text(c, "network"), fabs(by), unit,
                by < 0 ? "short of" : "above", scale * at(c, "published"), unit);
  for (size_t i = 0; i < json_array_size(networks) && json_array_size(networks) > 1; i++) {
    const json_t *one = json_array_get(networks, i);
    (void)fprintf(out, "          %s: ", text(one, "network"));
    print_value(one, scale, unit, out);
    (void)fputc('\n', out);
  }
  if (!(at(c, "n") > 1)) {
    (void)fprintf(out, "  note    one seed has no interval: chance is not ruled out\n");
  }
  for (size_t i = 0; i < json_array_size(reasons); i++) {
    (void)fprintf(out, "  known   %s\n", json_string_value(json_array_get(reasons, i)));
  }
  if (!holds && json_array_size(reasons) == 0) {
    (void)fprintf(out, "  known   no reason that these tables show\n");
  }
}

void ap_claims_print(const json_t *judged, FILE *out) {
  const json_t *claims = json_object_get(judged, "claims"),
               *missing = json_object_get(judged, "left_out");
  for (size_t i = 0; i < json_array_size(claims); i++) {
    print_claim(json_array_get(claims, i), out);
    (void)fputc('\n', out);
  }
  (void)fprintf(out,
                "%s, suite %s, commit %.12s: %.0f reproduced, %.0f not reproduced, %.0f not "
                "tested\n",
                text(judged, "results"), text(judged, "suite"), text(judged, "commit"),
                at(judged, "reproduced"), at(judged, "not_reproduced"), at(judged, "not_tested"));
  for (size_t i = 0; i < json_array_size(missing); i++) {
    (void)fprintf(out, "not tested on a network: %s\n",
                  json_string_value(json_array_get(missing, i)));
  }
}
