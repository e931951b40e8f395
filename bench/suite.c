#include <stdio.h>
#include <string.h>

#include "bench/methods_impl.h"
#include "bench/suite_impl.h"

/* Crossbar sizes: lenet5 fills 125 dense crossbars of 128 x 128; resnet8 would fill 27, too few to
 * tell methods apart, so it is mapped to 64 x 64 (docs/COMPARE.md). */
static const ap_suite_network quick_networks[] = {
    {.network = "lenet5",
     .data = "fashion-mnist",
     .hardware = "ou",
     .rows = "128",
     .cols = "128",
     .train_epochs = 20,
     .train_lr = 0.05,
     .weight_decay = 5e-4,
     .flip = true,
     .tune_epochs = 0.5,
     .tune_lr = 0.02,
     .episodes = 400,
     .uniform_seconds = 20,
     .search_seconds = 24},
    {.network = "resnet8",
     .data = "fashion-mnist",
     .hardware = "ou",
     .rows = "64",
     .cols = "64",
     .train_epochs = 16,
     .train_lr = 0.1,
     .weight_decay = 2e-4,
     .crop = 2,
     .flip = true,
     .tune_epochs = 0.4,
     .tune_lr = 0.03,
     .episodes = 400,
     .uniform_seconds = 60,
     .search_seconds = 95},
};

/* Too little of everything to conclude from: shows that the whole chain works. */
static const ap_suite_network smoke_networks[] = {
    {.network = "lenet5",
     .data = "fashion-mnist",
     .hardware = "ou",
     .rows = "128",
     .cols = "128",
     .train_epochs = 1,
     .train_lr = 0.05,
     .weight_decay = 5e-4,
     .flip = true,
     .tune_epochs = 0.05,
     .tune_lr = 0.02,
     .episodes = 24,
     .uniform_seconds = 3,
     .search_seconds = 4},
};

/* What the networks on cifar10 have in common. */
#define CIFAR10                                                                       \
  .data = "cifar10", .hardware = "ou", .weight_decay = 5e-4, .crop = 4, .flip = true, \
  .tune_epochs = 0, .tune_lr = 0.005, .episodes = 400, .search_images = 1000
/* What the large ones have: they learn the training set by heart without. */
#define LARGE CIFAR10, .rows = "128", .cols = "128", .smoothing = 0.1

/* The paper's kind of networks. Crossbars of 128 x 128, unless the dense network fills fewer than 100
 * of them; then 64 x 64 (tested). Recovery of those on cifar10 is repair alone: as much fine-tuning as two cores
 * afford adds nothing to it (docs/PAPER.md#recovery). The training recipes are those of the shipped
 * checkpoints. */
static const ap_suite_network paper_networks[] = {
    {.network = "lenet5",
     .data = "fashion-mnist",
     .hardware = "ou",
     .rows = "128",
     .cols = "128",
     .train_epochs = 20,
     .train_lr = 0.05,
     .weight_decay = 5e-4,
     .flip = true,
     .tune_epochs = 0.5,
     .tune_lr = 0.02,
     .episodes = 400,
     .uniform_seconds = 18,
     .search_seconds = 22},
    {CIFAR10, .network = "resnet20", .rows = "64", .cols = "64", .train_epochs = 60,
     .train_lr = 0.1, .uniform_seconds = 40, .search_seconds = 95},
    {LARGE, .network = "vgg16:0.5", .train_epochs = 86, .train_lr = 0.05, .cutout = 8,
     .uniform_seconds = 180, .search_seconds = 150},
    {LARGE, .network = "resnet18:0.5", .train_epochs = 30, .train_lr = 0.1, .cutout = 8,
     .uniform_seconds = 160, .search_seconds = 250},
    {LARGE, .network = "vgg16", .train_epochs = 94, .train_lr = 0.05, .cutout = 16,
     .uniform_seconds = 1000, .search_seconds = 800},
    {LARGE, .network = "resnet18", .train_epochs = 50, .train_lr = 0.1, .cutout = 16,
     .uniform_seconds = 900, .search_seconds = 1300},
};

/* With searchers that learn nothing as well: what the learned one leaves on the table. */
static const ap_suite_method paper_methods[] = {
    {.name = "dense", .pruner = "dense"},
    {.name = "filter", .pruner = "filter", .searcher = "uniform"},
    {.name = "pim-prune", .pruner = "block", .searcher = "uniform"},
    {.name = "row-vector", .pruner = "row-vector", .searcher = "uniform"},
    {.name = "column-vector", .pruner = "column-vector", .searcher = "uniform"},
    {.name = "random", .pruner = "column-vector", .searcher = "random"},
    {.name = "auto-prune", .pruner = "column-vector", .searcher = "ddpg"},
    {.name = "knapsack", .pruner = "column-vector", .searcher = "knapsack"},
    {.name = "evolution", .pruner = "column-vector", .searcher = "evolution"},
};

static const ap_suite suites[] = {
    {.name = "quick",
     .networks = quick_networks,
     .n_networks = sizeof quick_networks / sizeof quick_networks[0],
     .methods = ap_quick_methods,
     .n_methods = AP_N_QUICK_METHODS,
     .tunings = 5,
     .seeds = 1,
     .max_loss = 0.01,
     .closed = true},
    {.name = "paper",
     .networks = paper_networks,
     .n_networks = sizeof paper_networks / sizeof paper_networks[0],
     .methods = paper_methods,
     .n_methods = sizeof paper_methods / sizeof paper_methods[0],
     .tunings = 4,
     .seeds = 3,
     .max_loss = 0.01,
     .closed = true,
     .shipped_only = true},
    {.name = "smoke",
     .networks = smoke_networks,
     .n_networks = sizeof smoke_networks / sizeof smoke_networks[0],
     .methods = ap_quick_methods,
     .n_methods = AP_N_QUICK_METHODS,
     .tunings = 2,
     .seeds = 1,
     .max_loss = 0.01},
};

ap_status ap_suite_find(const char *name, const ap_suite **out, ap_error *err) {
  char known[200] = "";
  for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
    if (strcmp(suites[i].name, name) == 0) {
      *out = &suites[i];
      return AP_OK;
    }
    (void)snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                   suites[i].name);
  }
  *out = NULL;
  return ap_fail(err, AP_ERR_ARG, "unknown suite '%.40s': one of %s is expected", name, known);
}

bool ap_suite_fine_tunes(const ap_suite_network *net) { return net->tune_epochs > 0; }

ap_train_options ap_suite_training(const ap_suite_network *net, const ap_dataset *data) {
  ap_train_options o = ap_train_defaults(data);
  o.epochs = net->train_epochs;
  o.lr = net->train_lr;
  o.weight_decay = net->weight_decay;
  if (!net->given) { /* of these nothing is known but what suits their images */
    o.crop = net->crop;
    o.flip = net->flip;
  }
  o.label_smoothing = net->smoothing;
  o.cutout = net->cutout;
  return o;
}

ap_train_options ap_suite_recovery(const ap_suite_network *net, const ap_dataset *data,
                                   uint64_t seed) {
  ap_train_options o = ap_suite_training(net, data);
  o.epochs = net->tune_epochs;
  o.lr = net->tune_lr;
  o.label_smoothing = 0;
  o.cutout = 0;
  o.warmup_epochs = 0.05 * net->tune_epochs;
  o.seed = seed;
  return o;
}
