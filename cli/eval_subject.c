/* cli/eval_subject.c - options, and what eval --integer and eval --datapath have in common. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/eval_datapath.h"
#include "kernels/backend.h"
#include "pruners/policy.h"
#include "pruners/pruner.h"

ap_datapath_options ap_datapath_options_default(void) {
  ap_range_options ranges = ap_range_defaults();
  return (ap_datapath_options){
      .samples = 1, .calibration = ranges.images, .coverage = ranges.coverage};
}

ap_status ap_datapath_options_check(const ap_datapath_options *o, ap_error *err) {
  ap_datapath_options d = ap_datapath_options_default();
  const char *given = NULL;
  if (o->stuck_low + o->stuck_high > 1) {
    return ap_fail(err, AP_ERR_ARG, "--stuck-low %g and --stuck-high %g: together at most 1",
                   o->stuck_low, o->stuck_high);
  }
  if (o->wanted && o->integer) {
    return ap_fail(err, AP_ERR_ARG, "--integer or --datapath (which tells of both networks)");
  }
  if (o->wanted) return AP_OK;
  if (o->sigma > 0) given = "sigma";
  if (o->stuck_low > 0) given = "stuck-low";
  if (o->stuck_high > 0) given = "stuck-high";
  if (o->read_noise > 0) given = "read-noise";
  if (o->samples != d.samples) given = "samples";
  if (given) return ap_fail(err, AP_ERR_ARG, "--%s goes with --datapath", given);
  if (o->integer) return AP_OK;
  if (o->hw) given = "hw";
  if (o->overrides.n > 0) given = "set";
  if (o->policy) given = "policy";
  if (o->pruner) given = "pruner";
  if (o->weight_bits) given = "weight-bits";
  if (o->calibration != d.calibration) given = "calibration";
  if (o->coverage < d.coverage) given = "coverage";
  return given ? ap_fail(err, AP_ERR_ARG, "--%s goes with --datapath or --integer", given) : AP_OK;
}

/* Hardware, images, and the network that is to be mapped. */
static ap_status prepare(const ap_datapath_subject *s, const ap_datapath_options *o,
                         ap_quantised_subject *e, ap_error *err) {
  ap_policy *policy = NULL;
  ap_pruner pruner;
  ap_status st = ap_pruner_parse(o->pruner ? o->pruner : "column-vector", &pruner, err);
  if (st) return ap_fail_context(err, st, "--pruner");
  st = ap_cli_open_tech(o->hw, &o->overrides, &e->tech, err);
  if (!st) st = ap_split_parse(s->split, &e->split, err);
  if (!st && o->policy) st = ap_policy_load(o->policy, &policy, err);
  if (!st) st = ap_dataset_open(s->data, &e->data, err);
  if (!st) st = ap_network_fold(s->net, &e->net, err);
  if (!st) st = ap_cli_set_weight_bits(o->policy, policy, o->weight_bits, e->net, err);
  if (!st && policy) st = ap_cli_apply_policy(o->policy, policy, e->tech, e->net, err);
  if (!st) {
    size_t all = ap_dataset_describe(e->data, e->split).n_images;
    if (policy && !o->pruner) pruner = policy->pruner;
    e->granularity = pruner.granularity;
    ap_granularity_print(pruner.granularity, e->granularity_name);
    e->images = s->images > 0 ? s->images : all;
    e->calibration = ap_dataset_describe(e->data, AP_SPLIT_CALIBRATION).n_images;
    if (e->calibration > o->calibration) e->calibration = o->calibration;
    if (e->images > all) {
      st = ap_fail(err, AP_ERR_ARG, "--images %zu: the %s split of %s has %zu", s->images,
                   ap_split_name(e->split), ap_dataset_name(e->data), all);
    }
  }
  ap_policy_destroy(policy);
  return st;
}

static ap_status run_floats(const ap_cli *cli, ap_quantised_subject *e, ap_error *err) {
  ap_backend *be = NULL;
  ap_status st = ap_backend_open(cli->backend, cli->threads, &be, err);
  if (!st) {
    st = ap_infer(be, e->net, e->data, e->split, e->images, &e->in_floats, NULL, err);
  }
  ap_backend_close(be);
  return st;
}

ap_status ap_quantised_subject_open(const ap_cli *cli, const ap_datapath_subject *s,
                                    const ap_datapath_options *o, ap_quantised_subject *out,
                                    ap_error *err) {
  const ap_range_options ranges = {.images = o->calibration, .coverage = o->coverage};
  ap_status st = AP_OK;
  memset(out, 0, sizeof *out);
  st = prepare(s, o, out, err);
  if (!st) st = run_floats(cli, out, err);
  if (!st) st = ap_pool_create(cli->threads, &out->pool, err);
  if (st) return st;
  return ap_integer_network_create(out->net, ap_tech_array(out->tech), out->data, &ranges,
                                   out->pool, &out->in, err);
}

void ap_quantised_subject_release(ap_quantised_subject *s) {
  ap_integer_network_destroy(s->in);
  ap_pool_destroy(s->pool);
  ap_network_destroy(s->net);
  ap_dataset_destroy(s->data);
  ap_tech_close(s->tech);
  memset(s, 0, sizeof *s);
}

/* ---- results ---- */
json_t *ap_quantised_score_json(const ap_score *s) {
  return json_pack("{s:f,s:f,s:I}", "accuracy", s->accuracy, "loss", s->loss, "correct",
                   (json_int_t)s->correct);
}

json_t *ap_quantised_layers_json(const ap_integer_network *in) {
  json_t *layers = json_array();
  for (size_t l = 0; layers && l < ap_integer_network_layers(in); l++) {
    const ap_integer_layer *layer = ap_integer_network_layer(in, l);
    (void)json_array_append_new(
        layers, json_pack("{s:s,s:f,s:i,s:i}", "name", layer->info.name, "input_scale",
                          layer->input_scale, "zero_point", (int)layer->zero_point, "weight_bits",
                          (int)layer->info.weight_bits));
  }
  return layers;
}

void ap_quantised_bits_text(const ap_integer_network *in, char *text, size_t room) {
  unsigned least = UINT_MAX, most = 0;
  for (size_t l = 0; l < ap_integer_network_layers(in); l++) {
    unsigned bits = ap_integer_network_layer(in, l)->info.weight_bits;
    least = bits < least ? bits : least;
    most = bits > most ? bits : most;
  }
  if (least == most) {
    (void)snprintf(text, room, "%u-bit weights", most);
  } else {
    (void)snprintf(text, room, "weights of %u to %u bits", least, most);
  }
}

void ap_quantised_print_score(const char *name, const ap_score *score) {
  (void)printf("  %-10s accuracy %6.2f %% (%zu of %zu images), loss %.4f\n", name,
               100 * score->accuracy, score->correct, score->images, score->loss);
}
