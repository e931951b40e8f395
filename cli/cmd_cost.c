#include <stdio.h>

#include "base/provenance.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/record.h"

static const ap_command_info INFO = {
    .name = "cost",
    .usage = "--model FILE [--policy FILE] | --matrix W.npy [--positions P] | --chip  [OPTIONS]",
    .summary = "Area, energy and latency of one inference, per layer and component.",
    .details =
        "Events are counted from the mapping and priced by the technology file of --hw; the "
        "breakdowns\nadd up to the totals. --chip prints the chip's own table instead, "
        "computed from the components.",
    .examples =
        "  autoprune cost --model lenet5_fashion-mnist\n"
        "  autoprune cost --model m.apm --policy out/policy.json --hw ou --json\n"
        "  autoprune cost --model m.apm --set model.adc_law=sre\n"
        "  autoprune cost --model m.apm --replicate 4\n"
        "  autoprune cost --model m.apm --keep 0.3 --pruner exec:./mine.py\n"
        "  autoprune cost --hw isaac --chip"};

static void print_components(const ap_cost *cost) {
  (void)printf("\n%-22s %12s %7s %12s %7s %12s\n", "component", "area mm2", "%", "energy uJ", "%",
               "latency us");
  for (int p = 0; p < AP_PART_COUNT; p++) {
    double area = cost->area_mm2[p], energy = cost->energy_uj[p], latency = cost->latency_us[p];
    if (!(area > 0 || energy > 0 || latency > 0)) continue;
    (void)printf("%-22s %12.6g %6.1f%% %12.6g %6.1f%% %12.6g\n", ap_part_name((ap_part)p), area,
                 cost->total_area_mm2 > 0 ? 100 * area / cost->total_area_mm2 : 0.0, energy,
                 cost->total_energy_uj > 0 ? 100 * energy / cost->total_energy_uj : 0.0, latency);
  }
}

static void print_table(const ap_priced *priced) {
  const ap_network_price *price = priced->price;
  (void)printf("%-20s %9s %12s %12s %12s\n", "layer", "xbars", "area mm2", "energy uJ",
               "latency us");
  for (size_t i = 0; i < price->n_layers; i++) {
    const ap_layer_price *layer = &price->layers[i];
    (void)printf("%-20s %9llu %12.6g %12.6g %12.6g\n", layer->info.name,
                 (unsigned long long)layer->map.crossbars, layer->cost.total_area_mm2,
                 layer->cost.total_energy_uj, layer->cost.total_latency_us);
  }
  (void)printf("%-20s %9llu %12.6g %12.6g %12.6g\n", "total",
               (unsigned long long)price->map.crossbars, price->cost.total_area_mm2,
               price->cost.total_energy_uj, price->cost.total_latency_us);
  print_components(&price->cost);
  (void)printf(
      "\nPower: average %.6g mW, pipelined %.6g mW (an inference every %.6g us),\npeak of the "
      "reads %.6g mW.\n",
      price->cost.average_power_mw, price->cost.pipelined_power_mw, price->cost.interval_us,
      price->cost.peak_power_mw);
  (void)printf(
      "\nHardware %s, %s. Energy and latency are of one inference, layers one after the "
      "other.\n",
      ap_tech_name(priced->tech), priced->granularity);
}

static void print_chip(const ap_tech *tech) {
  ap_chip_table t;
  ap_chip_table_compute(tech, &t);
  (void)printf("%-20s %5s %8s %10s %12s  %s\n", "component", "level", "count", "power mW",
               "area mm2", "source");
  for (int p = 0; p < AP_PART_COUNT; p++) {
    const ap_component c = ap_chip_component(tech, (ap_part)p);
    static const char *const levels[] = {"ima", "tile", "chip"};
    if (c.level == AP_LEVEL_ADDED) continue;
    (void)printf("%-20s %5s %8g %10.4g %12.6g  %s\n", ap_part_name((ap_part)p), levels[c.level],
                 c.count, c.power_mw, c.area_mm2, c.source);
  }
  (void)printf("\n%-6s %12.6g mW  %10.6g mm2\n%-6s %12.6g mW  %10.6g mm2\n", "IMA", t.ima_power_mw,
               t.ima_area_mm2, "tile", t.tile_power_mw, t.tile_area_mm2);
  (void)printf("%-6s %12.6g W   %10.6g mm2  (%g tiles)\n", "chip", t.chip_power_w, t.chip_area_mm2,
               t.tiles);
  (void)printf("%-6s %12.6g GOPS, %g GOPS/W, %g GOPS/mm2\n", "peak", t.peak_gops, t.peak_gops_per_w,
               t.peak_gops_per_mm2);
}

/* An option that says something of a subject, which the chip's table has none of; NULL: none given. */
static const char *chip_conflict(const ap_cli *cli, const ap_subject *s) {
  const ap_subject defaults = AP_SUBJECT_DEFAULTS;
  const struct {
    bool given;
    const char *name;
  } options[] = {
      {s->model.path, "model"}, {s->matrix, "matrix"},
      {s->policy, "policy"},    {s->pruner, "pruner"},
      {s->keep > 0, "keep"},    {s->positions, "positions"},
      {s->copies, "replicate"}, {s->weight_bits, "weight-bits"},
      {s->quick, "quick"},      {s->model.mean, "mean"},
      {s->model.std, "std"},    {s->plugin_timeout != defaults.plugin_timeout, "plugin-timeout"},
      {cli->record, "record"}};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    if (options[i].given) return options[i].name;
  }
  return NULL;
}

static ap_status run_chip(const ap_cli *cli, const ap_subject *subject, ap_error *err) {
  ap_tech *tech = NULL;
  ap_status st = AP_OK;
  const char *given = chip_conflict(cli, subject);
  char hash[65];
  if (given) {
    return ap_fail(err, AP_ERR_ARG, "--chip takes no --%s (only --hw and --set)", given);
  }
  st = ap_cli_open_tech(subject->hw, &subject->overrides, &tech, err);
  if (st) return st;
  if (!cli->json) {
    print_chip(tech);
  } else {
    json_t *document = ap_chip_table_to_json(tech);
    st = ap_tech_hash(tech, hash, err);
    if (!st && document &&
        !(ap_cli_set(document, "hardware",
                     json_pack("{s:s,s:s}", "name", ap_tech_name(tech), "hash", hash)) &&
          ap_cli_set(document, "provenance", ap_provenance(cli->argc, cli->argv)))) {
      json_decref(document);
      document = NULL;
    }
    if (st) {
      json_decref(document);
    } else {
      st = ap_cli_print_json(document, err);
    }
  }
  ap_tech_close(tech);
  return st;
}

ap_status ap_cmd_cost(ap_cli *cli, int argc, char **argv, ap_error *err) {
  ap_subject subject = AP_SUBJECT_DEFAULTS;
  bool chip = false, help = false;
  ap_option options[] = {
      AP_SUBJECT_OPTIONS(&subject),
      {"replicate", "R", "copies of every layer that share its positions (default 1)",
       AP_OPTION_SIZE, &subject.copies, 1, 1e6},
      AP_CLI_RECORD(cli),
      {"chip", NULL, "the chip's table of components", AP_OPTION_FLAG, &chip, 0, 0},
      {.name = NULL}};
  ap_priced priced;
  json_t *document;
  ap_status st = ap_cli_parse(&INFO, options, argc, argv, cli, &help, err);
  if (st || help) return st;
  if (chip) return run_chip(cli, &subject, err);
  st = ap_cli_record_ready(cli, err);
  if (!st) st = ap_cli_price(&subject, cli->seed, &priced, err);
  if (st) return st;
  document = ap_cli_priced_json(cli, &subject, &priced, true);
  if (!document) st = ap_fail(err, AP_ERR_MEMORY, "result document");
  if (!st) st = ap_cli_record_priced(cli, &subject, document, err);
  if (!st && cli->json) {
    st = ap_cli_print_json(json_incref(document), err);
  } else if (!st) {
    print_table(&priced);
  }
  json_decref(document);
  ap_cli_priced_release(&priced);
  return st;
}
