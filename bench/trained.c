#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "bench/trained_impl.h"
#include "kernels/backend.h"
#include "nn/infer.h"
#include "nn/model_file.h"

static void on_training(void *context, const ap_train_report *report) {
  char note[96];
  (void)snprintf(note, sizeof note, "epoch %zu of %zu, loss %.3f, accuracy %.3f",
                 report->epoch < report->n_epochs ? report->epoch + 1 : report->n_epochs,
                 report->n_epochs, report->loss, report->accuracy);
  ap_progress_set(context, report->step, note);
}

static ap_status train(const ap_suite_network *network, const ap_dataset *data, const char *path,
                       const char *backend, size_t n_threads, bool quiet, const json_t *provenance,
                       ap_network **net, ap_error *err) {
  ap_train_options recipe = ap_suite_training(network, data);
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TRAIN);
  ap_shape3 input = {info.channels, info.height, info.width};
  size_t steps = (size_t)(recipe.epochs * (double)info.n_images / (double)recipe.batch);
  char *title = ap_sprintf("training %s on %s", network->network, network->data);
  char *checkpoint = ap_sprintf("%s.checkpoint", path);
  ap_backend *be = NULL;
  ap_progress *progress = NULL;
  json_t *metadata = NULL;
  ap_score score;
  ap_status st = AP_OK;
  if (!title || !checkpoint) st = ap_fail(err, AP_ERR_MEMORY, "training");
  if (!st) {
    st = ap_network_builtin(network->network, input, info.classes, recipe.seed, net, err);
  }
  if (!st) {
    ap_dataset_statistics(data, (*net)->mean, (*net)->std);
    st = ap_backend_open(backend, n_threads, &be, err);
  }
  if (st) goto done;
  progress = ap_progress_create(title, steps, quiet);
  st = ap_train(be, *net, data, &recipe, NULL, checkpoint, on_training, progress, err);
  ap_progress_end(progress);
  if (!st) st = ap_infer(be, *net, data, AP_SPLIT_SELECTION, 0, &score, NULL, err);
  if (st) goto done;
  metadata = json_pack("{s:s, s:s, s:f, s:I, s:f, s:f, s:I, s:f, s:O}", "data", network->data,
                       "data_sha256", ap_dataset_hash(data), "epochs", recipe.epochs, "batch",
                       (json_int_t)recipe.batch, "lr", recipe.lr, "weight_decay",
                       recipe.weight_decay, "seed", (json_int_t)recipe.seed, "accuracy_selection",
                       score.accuracy, "provenance", provenance);
  st = metadata ? ap_model_save(path, *net, metadata, AP_STORE_FLOAT32, true, err)
                : ap_fail(err, AP_ERR_MEMORY, "metadata");
done:
  json_decref(metadata);
  ap_backend_close(be);
  ap_free(title);
  ap_free(checkpoint);
  if (st) {
    ap_network_destroy(*net);
    *net = NULL;
  }
  return st;
}

/* A model that an earlier run left here: of this data set, or it is refused. */
static ap_status load_own(const char *path, const ap_dataset *data, ap_network **net,
                          ap_error *err) {
  json_t *metadata = NULL;
  const char *hash;
  ap_status st = ap_model_load(path, net, &metadata, err);
  if (st) return st;
  hash = json_string_value(json_object_get(metadata, "data_sha256"));
  if (hash && strcmp(hash, ap_dataset_hash(data)) != 0) {
    st = ap_fail(err, AP_ERR_ARG,
                 "%s: trained on other images than %s holds; another folder of results is expected",
                 path, ap_dataset_name(data));
    ap_network_destroy(*net);
    *net = NULL;
  }
  json_decref(metadata);
  return st;
}

char *ap_trained_name(const ap_suite_network *network) {
  char *name = ap_sprintf("%s_%s", network->network, network->data);
  for (char *c = name; c && *c; c++) *c = *c == '/' || *c == ':' ? '-' : *c;
  return name;
}

/* OUT/models/NAME.apm; NULL when memory is out. */
static char *own_path(const char *out, const char *name) {
  return name ? ap_sprintf("%s/models/%s.apm", out, name) : NULL;
}

ap_status ap_trained_find(const ap_suite_network *network, const char *out, bool anew,
                          ap_trained_place *place, ap_error *err) {
  char *name = ap_trained_name(network), *path = own_path(out, name), *shipped = NULL;
  ap_error ignored;
  ap_status st = path ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "model path");
  *place = AP_TRAINED_NOWHERE;
  if (network->given) {
    *place = AP_TRAINED_GIVEN;
  } else if (!st && ap_file_exists(path)) {
    *place = AP_TRAINED_HERE;
  } else if (!st && !anew && ap_model_find(name, &shipped, &ignored) == AP_OK) {
    *place = AP_TRAINED_SHIPPED;
  }
  ap_free(shipped);
  ap_free(path);
  ap_free(name);
  return st;
}

ap_status ap_trained_network(const ap_suite_network *network, const ap_dataset *data,
                             const char *out, const char *backend, size_t n_threads, bool anew,
                             bool quiet, const json_t *provenance, ap_network **net,
                             ap_error *err) {
  char *name = ap_trained_name(network), *path = own_path(out, name);
  char *folder = ap_path_join(out, "models");
  ap_trained_place place = AP_TRAINED_NOWHERE;
  ap_status st = AP_OK;
  *net = NULL;
  if (!path || !folder) st = ap_fail(err, AP_ERR_MEMORY, "model path");
  if (!st) st = ap_trained_find(network, out, anew, &place, err);
  if (!st && place == AP_TRAINED_GIVEN) {
    st = ap_network_copy(network->given, net, err);
  } else if (!st && place == AP_TRAINED_HERE) {
    st = load_own(path, data, net, err);
  } else if (!st && place == AP_TRAINED_SHIPPED) {
    st = ap_model_load(name, net, NULL, err);
  } else if (!st) {
    st = ap_dir_create(folder, err);
    if (!st) st = train(network, data, path, backend, n_threads, quiet, provenance, net, err);
  }
  ap_free(folder);
  ap_free(name);
  ap_free(path);
  return st;
}
