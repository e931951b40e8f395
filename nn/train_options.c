#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "nn/train_impl.h"

#define WARMUP_SHARE 0.2 /* of the run, at most */
#define MAX_STEPS 1e12

ap_train_options ap_train_defaults(const ap_dataset *data) {
  ap_dataset_info info = ap_dataset_describe(data, AP_SPLIT_TRAIN);
  ap_train_options options = {.epochs = 10,
                              .batch = 128,
                              .lr = 0.05,
                              .warmup_epochs = 1,
                              .momentum = 0.9,
                              .weight_decay = 5e-4,
                              .seed = 1};
  /* Clothes may be mirrored, digits and unknown images may not. */
  if (strcmp(ap_dataset_name(data), "fashion-mnist") == 0) options.flip = true;
  if (info.channels == 3) {
    options.epochs = 60;
    options.lr = 0.1;
    options.weight_decay = 1e-4; /* the networks meant for it are small */
    options.warmup_epochs = 2;
    options.crop = 4;
    options.flip = true;
  }
  return options;
}

ap_train_options ap_train_options_for(const ap_network *net, const ap_train_options *options) {
  ap_train_options own = *options;
  if (net->nodes[0].shape.h == 1) {
    own.crop = own.cutout = 0;
    own.flip = false;
  }
  return own;
}

static ap_status range(const char *name, double value, double lo, double hi, ap_error *err) {
  if (value >= lo && value <= hi) return AP_OK;
  return ap_fail(err, AP_ERR_ARG, "training: %s is %g, must be %g .. %g", name, value, lo, hi);
}

static ap_status check_mask(const ap_network *net, size_t node, const float *mask, ap_error *err) {
  const ap_node *n = &net->nodes[node];
  if (n->kind != AP_NODE_CONV && n->kind != AP_NODE_LINEAR && n->kind != AP_NODE_BATCHNORM) {
    return ap_fail(err, AP_ERR_ARG, "training: a mask for %s, which has no weights", n->name);
  }
  for (size_t i = 0; i < ap_node_weight_count(net, node); i++) {
    if (mask[i] != 0 && mask[i] != 1) {
      return ap_fail(err, AP_ERR_ARG, "training: mask of %s: element %zu is %g, must be 0 or 1",
                     n->name, i, (double)mask[i]);
    }
  }
  return AP_OK;
}

ap_status ap_train_check(const ap_train_options *o, const ap_network *net,
                         const float *const *masks, ap_error *err) {
  ap_shape3 in = net->nodes[0].shape;
  size_t side = in.h < in.w ? in.h : in.w;
  ap_status st = range("epochs", o->epochs, 0, 1e6, err);
  if (!st) st = range("batch", (double)o->batch, 1, 1 << 20, err);
  if (!st) st = range("lr", o->lr, 0, 1e6, err);
  if (!st) st = range("warmup_epochs", o->warmup_epochs, 0, 1e6, err);
  if (!st) st = range("momentum", o->momentum, 0, 1, err);
  if (!st) st = range("weight_decay", o->weight_decay, 0, 1e6, err);
  if (!st) st = range("label_smoothing", o->label_smoothing, 0, 1, err);
  if (!st) st = range("crop", (double)o->crop, 0, (double)side - 1, err);
  if (!st) st = range("cutout", (double)o->cutout, 0, (double)side, err);
  for (size_t i = 0; !st && masks && i < net->n_nodes; i++) {
    if (masks[i]) st = check_mask(net, i, masks[i], err);
  }
  return st;
}

ap_train_length ap_train_measure(const ap_train_options *o, size_t images) {
  size_t per_epoch = (images + o->batch - 1) / o->batch;
  double steps = fmin(round(o->epochs * (double)per_epoch), MAX_STEPS);
  ap_train_length length = {.images = images, .steps_per_epoch = per_epoch};
  if (o->epochs > 0 && steps < 1) steps = 1;
  length.n_steps = (size_t)steps;
  length.n_epochs = (length.n_steps + per_epoch - 1) / per_epoch;
  return length;
}

double ap_train_rate(const ap_train_options *o, const ap_train_length *length, size_t step) {
  const double pi = 3.14159265358979323846;
  double all = (double)length->n_steps, now = (double)step;
  double warm = fmin(o->warmup_epochs * (double)length->steps_per_epoch, WARMUP_SHARE * all);
  if (now < warm) return o->lr * fmin(1, (now + 1) / warm);
  return o->lr * 0.5 * (1 + cos(pi * (now - warm) / (all - warm)));
}

static ap_status hash_masks(const ap_network *net, const float *const *masks,
                            char text[AP_SHA256_TEXT], ap_error *err) {
  ap_hash *hash = NULL;
  ap_status st = ap_hash_create(&hash, err);
  if (st) return st;
  for (size_t i = 0; masks && i < net->n_nodes; i++) {
    if (!masks[i]) continue;
    ap_hash_add(hash, &i, sizeof i);
    ap_hash_add(hash, masks[i], ap_node_weight_count(net, i) * sizeof(float));
  }
  ap_hash_text(hash, text);
  ap_hash_destroy(hash);
  return AP_OK;
}

ap_status ap_train_describe(const ap_train_options *o, const ap_backend *be, const ap_network *net,
                            const ap_dataset *data, const float *const *masks, json_t **out,
                            ap_error *err) {
  char structure[AP_SHA256_TEXT], mask_hash[AP_SHA256_TEXT], seed[24];
  ap_status st = ap_network_hash(net, structure, err);
  *out = NULL;
  if (!st) st = hash_masks(net, masks, mask_hash, err);
  if (st) return st;
  /* JSON integers are signed: the seed goes as text. */
  (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
  *out = json_pack(
      "{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:b, s:I, s:s}",
      "network", net->name, "parameters", (json_int_t)ap_network_parameters(net), "data",
      ap_dataset_name(data), "data hash", ap_dataset_hash(data), "backend", ap_backend_name(be),
      "starting weights' hash", structure, "masks' hash", mask_hash, "epochs", o->epochs, "batch",
      (json_int_t)o->batch, "lr", o->lr, "warmup_epochs", o->warmup_epochs, "momentum", o->momentum,
      "weight_decay", o->weight_decay, "label_smoothing", o->label_smoothing, "crop",
      (json_int_t)o->crop, "flip", (int)o->flip, "cutout", (json_int_t)o->cutout, "seed", seed);
  return *out ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "description of the training run");
}
