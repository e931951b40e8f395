/* Plug-ins that go wrong, one for each value of EVIL. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pruners/plugin.h"

static int score(const ap_plugin_layer *l, double *scores) {
  for (size_t i = 0; i < l->n_vectors; i++) scores[i] = (double)i;
#if EVIL == 1 /* crash */
  *(volatile int *)(l->index + 8) = 1;
#elif EVIL == 2
  abort();
#elif EVIL == 3 /* hang, with a child that hangs, too */
  (void)fork();
  for (;;) (void)pause();
#elif EVIL == 4
  scores[l->n_vectors / 2] = (double)NAN;
#elif EVIL == 5
  scores[0] = (double)INFINITY;
#elif EVIL == 6 /* one past the end */
  scores[l->n_vectors] = 1;
#elif EVIL == 7 /* writes where it may only read */
  ((float *)(uintptr_t)l->weights)[0] = 1;
#elif EVIL == 8 /* reads too much */
  volatile float sum = 0;
  for (size_t i = 0; i <= l->k * l->n; i++) sum += l->weights[i];
#elif EVIL == 9
  exit(3);
#elif EVIL == 10
  exit(0);
#elif EVIL == 11 /* gives up with a reason */
  strncpy(l->message, "cannot prune layers called conv", l->message_size - 1);
  return 7;
#elif EVIL == 12 /* divides by zero as integers do */
  (void)raise(SIGFPE);
#elif EVIL == 13 /* forgets a value */
  memset(&scores[1], 0xff, sizeof *scores);
#elif EVIL == 15 /* not evil: what the inputs, the seed and the arguments say */
  for (size_t i = 0; i < l->n_vectors; i++) {
    scores[i] =
        l->input_mean_square[l->vectors[i].k0] * (double)l->seed * strtod(l->arguments, NULL);
  }
#elif EVIL == 14 /* the stack ends */
  volatile char big[1 << 16];
  big[0] = (char)l->index;
  return score(l, scores) + big[0];
#endif
  return 0;
}

static int keep(const ap_plugin_layer *l, size_t n_keep, uint8_t *kept) {
  for (size_t i = 0; i < l->n_vectors; i++) kept[i] = i < n_keep;
#if EVIL == 20
  memset(kept, 0, l->n_vectors); /* nothing is left */
#elif EVIL == 21
  kept[l->n_vectors - 1] = 1; /* one too many */
#elif EVIL == 22
  kept[0] = 2;
#elif EVIL == 23
  kept[l->n_vectors] = 1; /* past the end */
#endif
  return 0;
}

static int levels(const ap_plugin_layer *l, size_t room, size_t *n_keep, size_t *n) {
  n_keep[0] = 1;
  n_keep[1] = l->n_vectors > 1 ? 2 : 1;
  *n = l->n_vectors > 1 ? 2 : 1;
#if EVIL == 30
  *n = 0;
#elif EVIL == 31
  *n = room + 1;
#elif EVIL == 32
  n_keep[1] = n_keep[0]; /* does not rise */
#elif EVIL == 33
  n_keep[0] = 0;          /* a level without anything */
#elif EVIL == 34
  n_keep[1] = l->n_vectors + 1;
#elif EVIL == 35
  n_keep[room] = 1;
#endif
  return 0;
}

#if EVIL == 40
__attribute__((constructor)) static void on_load(void) { abort(); }
#endif

static ap_plugin_pruner table = {.abi = AP_PLUGIN_ABI, .struct_size = sizeof(ap_plugin_pruner)};

#if EVIL == 41
const ap_plugin_pruner *autoprune_pruna(uint32_t host);
const ap_plugin_pruner *autoprune_pruna(uint32_t host) {
#else
const ap_plugin_pruner *autoprune_pruner(uint32_t host) {
#endif
  if (EVIL < 20 || EVIL >= 40) table.score = score;
  if (EVIL >= 20 && EVIL < 40) table.keep = keep;
  if (EVIL >= 30 && EVIL < 40) table.levels = levels;
  if (EVIL == 42) table.abi = AP_PLUGIN_ABI + 1;
  if (EVIL == 43) table.struct_size = 16;
  if (EVIL == 44) table.score = NULL;
  if (EVIL == 45) table.keep = keep;
  if (EVIL == 46) return NULL;
  if (EVIL == 47) table.granularity = "diagonal";
  if (EVIL == 48) table.struct_size += 64; /* of a later version: what is new is not used */
  return host ? &table : NULL;
}
