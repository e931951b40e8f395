#include "bench/workbench.h"

#include "base/alloc.h"
#include "pruners/moments.h"
#include "pruners/repair_sequence.h"

struct ap_workbench {
  const ap_network *trained;
  const ap_dataset *data;
  const ap_tech *tech;
  size_t n_threads;
  const char *precision; /* of evaluators; NULL: the default */
  ap_backend *backend;
  ap_pool *pool;
  ap_network *folded;
  ap_moments *moments; /* measured when first needed */
};

ap_status ap_workbench_open(const ap_network *net, const ap_dataset *data, const ap_tech *tech,
                            const char *backend, size_t n_threads, ap_workbench **out,
                            ap_error *err) {
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TRAIN);
  ap_shape3 in = net->nodes[0].shape;
  ap_workbench *b;
  ap_status st;
  *out = NULL;
  if (!ap_dataset_fits(&info, in.c, in.h, in.w) || net->classes != info.classes) {
    return ap_fail(err, AP_ERR_ARG,
                   "%s takes %zux%zux%zu images of %zu classes, %s has %zux%zux%zu of %zu",
                   net->name, in.c, in.h, in.w, net->classes, ap_dataset_name(data), info.channels,
                   info.height, info.width, info.classes);
  }
  b = ap_calloc(1, sizeof *b);
  if (!b) return ap_fail(err, AP_ERR_MEMORY, "workbench");
  b->trained = net;
  b->data = data;
  b->tech = tech;
  b->n_threads = n_threads;
  st = ap_backend_open(backend, n_threads, &b->backend, err);
  if (!st) st = ap_pool_create(n_threads, &b->pool, err);
  if (!st) st = ap_network_fold(net, &b->folded, err);
  if (st) {
    ap_workbench_close(b);
    return st;
  }
  *out = b;
  return AP_OK;
}

void ap_workbench_close(ap_workbench *bench) {
  if (!bench) return;
  ap_moments_destroy(bench->moments);
  ap_network_destroy(bench->folded);
  ap_pool_destroy(bench->pool);
  ap_backend_close(bench->backend);
  ap_free(bench);
}

void ap_workbench_set_precision(ap_workbench *bench, const char *name) { bench->precision = name; }
ap_backend *ap_workbench_backend(const ap_workbench *bench) { return bench->backend; }
const ap_network *ap_workbench_trained(const ap_workbench *bench) { return bench->trained; }
const ap_network *ap_workbench_folded(const ap_workbench *bench) { return bench->folded; }
const ap_dataset *ap_workbench_data(const ap_workbench *bench) { return bench->data; }
const ap_tech *ap_workbench_tech(const ap_workbench *bench) { return bench->tech; }

ap_status ap_workbench_levels(ap_workbench *bench, const ap_level_db_options *options, bool repair,
                              ap_level_db **out, ap_error *err) {
  ap_moments_options how = ap_moments_defaults();
  ap_status st = AP_OK;
  *out = NULL;
  if (repair && !bench->moments) {
    st = ap_moments_create(bench->backend, bench->pool, bench->folded, bench->data, &how,
                           &bench->moments, err);
  }
  if (st) return st;
  return ap_level_db_create(bench->folded, bench->tech, bench->pool, repair ? bench->moments : NULL,
                            options, out, err);
}

ap_status ap_workbench_repair_sequence(ap_workbench *bench, const ap_level_db *db,
                                       const uint32_t *levels, ap_network **out, ap_error *err) {
  const ap_moments_options options = ap_moments_defaults();
  return ap_repair_sequence(bench->backend, bench->pool, bench->folded, db, levels, bench->data,
                            &options, out, err);
}

static ap_status open_evaluator(ap_workbench *bench, const ap_level_db *db, ap_split split,
                                size_t n_images, const ap_evaluator_integers *integers, bool quiet,
                                ap_evaluator **out, ap_error *err) {
  ap_evaluator_options options = {.n_threads = bench->n_threads,
                                  .backend = ap_backend_name(bench->backend),
                                  .precision = bench->precision,
                                  .integer = integers};
  ap_evaluator *ev = NULL;
  ap_status st =
      ap_evaluator_create(bench->folded, bench->data, split, n_images, &options, &ev, err);
  *out = NULL;
  if (!st) st = ap_level_db_register(db, ev, quiet, err);
  if (st) {
    ap_evaluator_destroy(ev);
    return st;
  }
  *out = ev;
  return AP_OK;
}

ap_status ap_workbench_evaluator(ap_workbench *bench, const ap_level_db *db, ap_split split,
                                 size_t n_images, bool quiet, ap_evaluator **out, ap_error *err) {
  return open_evaluator(bench, db, split, n_images, NULL, quiet, out, err);
}

ap_status ap_workbench_integer_evaluator(ap_workbench *bench, const ap_level_db *db, ap_split split,
                                         size_t n_images, bool quiet, ap_evaluator **out,
                                         ap_error *err) {
  const ap_array_spec *array = ap_tech_array(bench->tech);
  const ap_range_options ranges = ap_range_defaults();
  ap_evaluator_integers integers = {NULL, array->activation_bits};
  ap_integer_network *in = NULL;
  ap_status st =
      ap_integer_network_create(bench->folded, array, bench->data, &ranges, bench->pool, &in, err);
  *out = NULL;
  if (!st) {
    integers.layers = ap_integer_network_all_layers(in);
    st = open_evaluator(bench, db, split, n_images, &integers, quiet, out, err);
  }
  ap_integer_network_destroy(in);
  return st;
}

ap_status ap_workbench_score(ap_workbench *bench, const ap_network *net, ap_split split,
                             ap_score *out, ap_error *err) {
  return ap_infer(bench->backend, net, bench->data, split, 0, out, NULL, err);
}

static ap_status evaluate_integers(const ap_workbench *bench, const ap_network *net,
                                   const ap_integer_network *in, ap_split split, size_t n_images,
                                   ap_score *out, ap_error *err) {
  const ap_evaluator_integers integers = {ap_integer_network_all_layers(in),
                                          ap_integer_network_activation_bits(in)};
  const ap_evaluator_options options = {.n_threads = bench->n_threads, .integer = &integers};
  ap_evaluator *ev = NULL;
  uint32_t *given = NULL; /* level 0 of all layers */
  ap_status st = ap_evaluator_create(net, bench->data, split, n_images, &options, &ev, err);
  if (st) return st;
  given = ap_calloc(ap_evaluator_layers(ev), sizeof *given);
  st = given ? ap_evaluator_run(ev, 1, given, out, err) : ap_fail(err, AP_ERR_MEMORY, "levels");
  ap_free(given);
  ap_evaluator_destroy(ev);
  return st;
}

ap_status ap_workbench_quantised_score(ap_workbench *bench, const ap_network *net,
                                       const ap_range_options *ranges, ap_split split,
                                       size_t n_images, ap_score *out, ap_error *err) {
  const ap_array_spec *array = ap_tech_array(bench->tech);
  ap_integer_network *in = NULL;
  ap_status st = ap_integer_network_create(net, array, bench->data, ranges, bench->pool, &in, err);
  if (st) return st;
  if (array->weight_bits <= 8 && array->activation_bits <= 8) {
    st = evaluate_integers(bench, net, in, split, n_images, out, err);
  } else {
    st = ap_integer_network_run(in, bench->data, split, n_images, bench->pool, out, NULL, err);
  }
  ap_integer_network_destroy(in);
  return st;
}
