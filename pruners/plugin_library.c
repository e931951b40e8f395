/* Plug-ins that are shared libraries: loaded and called in a child, which copies the answer into
 * memory shared with the parent. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "pruners/plugin.h"
#include "pruners/plugin_impl.h"

/* The first version of the table ends here. */
#define SMALLEST_TABLE \
  (offsetof(ap_plugin_pruner, levels) + sizeof((ap_plugin_pruner *)NULL)->levels)

typedef struct {
  ap_child_head head;
  bool not_a_plugin; /* gave up because of what the file is, not of what it did */
  char granularity[64];
  size_t n_levels;
} shared_block;

typedef struct {
  const ap_plugin *plugin;
  const ap_plugin_question *question;
  shared_block *shared;
  size_t *counts; /* room of them, shared */
  size_t room;
  double *scores; /* shared; the masks lie in the same place */
  uint8_t *masks;
} library_call;

static void doing(library_call *c, const char *what) {
  (void)snprintf(c->shared->head.doing, sizeof c->shared->head.doing, "%s", what);
}

static void no_plugin(library_call *c, const char *text) {
  ap_child_give_up(&c->shared->head, "%s", text);
  c->shared->not_a_plugin = true;
}

/* NULL when it gave up. A table that is shorter than ours is filled up with zeros. */
static const ap_plugin_pruner *load(library_call *c, ap_plugin_pruner *whole) {
  const char *path = ap_plugin_word(c->plugin, 0);
  const ap_plugin_pruner *table;
  const ap_plugin_pruner *(*open_it)(uint32_t) = NULL;
  char text[256];
  void *library, *symbol;
  doing(c, "loading the library");
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    size_t n = strlen(path);
    if (strncmp(why, path, n) == 0 && strncmp(why + n, ": ", 2) == 0) why += n + 2;
    (void)snprintf(text, sizeof text, "cannot be loaded as a shared library: %.200s", why);
    no_plugin(c, text);
    return NULL;
  }
  symbol = dlsym(library, "autoprune_pruner");
  if (!symbol) {
    no_plugin(c, "exports no function autoprune_pruner (pruners/plugin.h)");
    return NULL;
  }
  memcpy(&open_it, &symbol, sizeof open_it); /* ISO C has no cast from data to function */
  doing(c, "autoprune_pruner()");
  table = open_it(AP_PLUGIN_ABI);
  if (!table) {
    (void)snprintf(text, sizeof text, "refuses interface version %u of this program",
                   (unsigned)AP_PLUGIN_ABI);
    no_plugin(c, text);
    return NULL;
  }
  if (table->abi != AP_PLUGIN_ABI || table->struct_size < SMALLEST_TABLE) {
    (void)snprintf(text, sizeof text,
                   "is made for interface version %u with a table of %u bytes; version %u with at "
                   "least %zu bytes is expected (pruners/plugin.h)",
                   (unsigned)table->abi, (unsigned)table->struct_size, (unsigned)AP_PLUGIN_ABI,
                   SMALLEST_TABLE);
    no_plugin(c, text);
    return NULL;
  }
  memset(whole, 0, sizeof *whole);
  memcpy(whole, table, table->struct_size < sizeof *whole ? table->struct_size : sizeof *whole);
  if (!whole->score == !whole->keep) {
    no_plugin(c, "has to have either score or keep in its table");
    return NULL;
  }
  return whole;
}

static void describe_in_child(void *context) {
  library_call *c = context;
  ap_plugin_pruner whole;
  const ap_plugin_pruner *table = load(c, &whole);
  if (!table) return;
  (void)snprintf(c->shared->granularity, sizeof c->shared->granularity, "%.60s",
                 table->granularity ? table->granularity : "column-vector");
  c->shared->head.state = AP_CHILD_DONE;
}

ap_status ap_plugin_library_describe(const ap_plugin *plugin, char granularity[64], ap_error *err) {
  shared_block *shared = ap_child_share(sizeof *shared);
  library_call c = {.plugin = plugin, .shared = shared};
  ap_status st;
  if (!shared) return ap_fail(err, AP_ERR_MEMORY, "shared memory");
  shared->head.limit_is_ours = true;
  st = ap_child_run(&shared->head, plugin->time_limit, describe_in_child, &c, err);
  memcpy(granularity, shared->granularity, sizeof shared->granularity);
  granularity[63] = '\0';
  if (st == AP_ERR_PLUGIN && shared->not_a_plugin) {
    st = ap_fail(err, AP_ERR_ARG, "%s", shared->head.message);
  }
  ap_child_unshare(shared, sizeof *shared);
  return st;
}

/* A guarded, read-only copy. */
static void *copy(const void *from, size_t size, const char *name) {
  void *to = ap_child_guarded(size, name);
  if (!to) return NULL;
  if (size) memcpy(to, from, size);
  ap_child_make_read_only(to, size);
  return to;
}

static bool fill_layer(library_call *c, ap_plugin_layer *layer, char *granularity, char *message,
                       size_t message_size) {
  const ap_plugin_question *q = c->question;
  const ap_partition *p = q->partition;
  const ap_layer_info *info = q->info;
  ap_plugin_vector *vectors = ap_child_guarded(p->count * sizeof *vectors, "vectors");
  if (!vectors) return false;
  for (size_t i = 0; i < p->count; i++) {
    ap_extent e = ap_partition_vector(p, i);
    vectors[i] = (ap_plugin_vector){e.k0, e.k1, e.n0, e.n1};
  }
  ap_child_make_read_only(vectors, p->count * sizeof *vectors);
  ap_granularity_print(p->granularity, granularity);
  *layer = (ap_plugin_layer){.struct_size = sizeof *layer,
                             .name = info->name,
                             .index = q->index,
                             .layers = q->n_layers,
                             .k = p->k,
                             .n = p->n,
                             .is_conv = info->is_conv,
                             .c_in = info->c_in,
                             .kernel_h = info->kh,
                             .kernel_w = info->kw,
                             .stride = info->stride,
                             .positions = info->positions,
                             .granularity = granularity,
                             .vector_h = p->granularity.h,
                             .vector_w = p->granularity.w,
                             .n_vectors = p->count,
                             .vectors = vectors,
                             .seed = c->plugin->seed,
                             .arguments = ap_plugin_word(c->plugin, 1),
                             .message = message,
                             .message_size = message_size};
  layer->weights = copy(q->weights, p->k * p->n * sizeof *q->weights, "weights");
  if (q->input_mean_square) {
    layer->input_mean_square =
        copy(q->input_mean_square, p->k * sizeof *q->input_mean_square, "input_mean_square");
    if (!layer->input_mean_square) return false;
  }
  return layer->weights != NULL;
}

static bool gave_up(library_call *c, const char *function, int code, const char *message) {
  if (code == 0) return false;
  ap_child_give_up(&c->shared->head, "%s returned %d%s%.300s", function, code,
                   message[0] ? ": " : "", message);
  return true;
}

/* The levels that it wants, or those that are wanted of it. False: gave up. */
static bool find_counts(library_call *c, const ap_plugin_pruner *table,
                        const ap_plugin_layer *layer) {
  size_t *counts;
  size_t n = 0;
  int code;
  if (!table->levels) {
    if (table->score) return true;
    c->shared->n_levels = c->question->n_wanted;
    memcpy(c->counts, c->question->wanted, c->question->n_wanted * sizeof *c->counts);
    return true;
  }
  counts = ap_child_guarded(c->room * sizeof *counts, "n_keep of levels()");
  if (!counts) {
    ap_child_give_up(&c->shared->head, "out of memory");
    return false;
  }
  doing(c, "levels()");
  code = table->levels(layer, c->room, counts, &n);
  if (gave_up(c, "levels()", code, layer->message)) return false;
  if (n == 0 || n > c->room) {
    ap_child_give_up(&c->shared->head, "levels() gives %zu levels, 1 to %zu are expected", n,
                     c->room);
    return false;
  }
  memcpy(c->counts, counts, n * sizeof *counts);
  c->shared->n_levels = n;
  return true;
}

static void ask_in_child(void *context) {
  library_call *c = context;
  size_t count = c->question->partition->count;
  char granularity[64], message[256] = "";
  ap_plugin_pruner whole;
  ap_plugin_layer layer;
  const ap_plugin_pruner *table;
  void *buffer;
  ap_child_catch_faults(&c->shared->head);
  table = load(c, &whole);
  if (!table) return;
  buffer = ap_child_guarded(count * (table->score ? sizeof(double) : 1),
                            table->score ? "scores" : "kept");
  if (!buffer || !fill_layer(c, &layer, granularity, message, sizeof message)) {
    ap_child_give_up(&c->shared->head, "out of memory");
    return;
  }
  if (!find_counts(c, table, &layer)) return;
  if (table->score) {
    double *scores = buffer;
    for (size_t i = 0; i < count; i++) scores[i] = (double)NAN; /* not written is not a number */
    doing(c, "score()");
    if (gave_up(c, "score()", table->score(&layer, scores), message)) return;
    memcpy(c->scores, scores, count * sizeof *scores);
  } else {
    for (size_t i = 0; i < c->shared->n_levels; i++) {
      doing(c, "keep()");
      if (c->counts[i] >= count) { /* everything: nothing to ask */
        memset(c->masks + i * count, 1, count);
        continue;
      }
      memset(buffer, 0, count);
      if (gave_up(c, "keep()", table->keep(&layer, c->counts[i], buffer), message)) return;
      memcpy(c->masks + i * count, buffer, count);
    }
  }
  (void)snprintf(c->shared->granularity, sizeof c->shared->granularity, "%s",
                 table->score ? "score" : "keep");
  c->shared->head.state = AP_CHILD_DONE;
}

ap_status ap_plugin_library_ask(const ap_plugin *plugin, const ap_plugin_question *question,
                                ap_plugin_raw *out, ap_error *err) {
  size_t count = question->partition->count, room = question->max_levels;
  size_t answer = room > sizeof(double) ? room * count : sizeof(double) * count;
  size_t head = (sizeof(shared_block) + 63) / 64 * 64, counts = room * sizeof(size_t);
  size_t size = head + counts + answer; /* pages that are not touched cost nothing */
  char *shared = ap_child_share(size);
  library_call c = {.plugin = plugin, .question = question, .room = room};
  ap_status st;
  if (!shared) return ap_fail(err, AP_ERR_MEMORY, "%zu bytes of shared memory", size);
  c.shared = (shared_block *)(void *)shared;
  c.counts = (size_t *)(void *)(shared + head);
  c.scores = (double *)(void *)(shared + head + counts);
  c.masks = (uint8_t *)(shared + head + counts);
  st = ap_child_run(&c.shared->head, plugin->time_limit, ask_in_child, &c, err);
  if (!st) {
    bool scored = strcmp(c.shared->granularity, "score") == 0;
    size_t n = c.shared->n_levels <= room ? c.shared->n_levels : room;
    st = ap_plugin_raw_reserve(out, scored ? count : 0, n, scored ? 0 : n * count, err);
    if (!st) memcpy(out->counts, c.counts, n * sizeof *out->counts);
    if (!st && scored) memcpy(out->scores, c.scores, count * sizeof *out->scores);
    if (!st && !scored) memcpy(out->masks, c.masks, n * count);
  }
  ap_child_unshare(shared, size);
  return st;
}
