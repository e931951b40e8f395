/* nn/weight_bits.c - the text that gives layers their weight bits: "4", "4,conv1=8,stage2*=6". */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "nn/network.h"

#define ITEM 256 /* bytes of one item, with the 0 behind it */

/* "8" -> 8; 0 where it is no number in range. */
static unsigned bits_of(const char *text) {
  unsigned bits = 0;
  if (!*text || strlen(text) > 2 || strspn(text, "0123456789") != strlen(text)) return 0;
  for (; *text; text++) bits = 10 * bits + (unsigned)(*text - '0');
  return bits >= AP_WEIGHT_BITS_LEAST && bits <= AP_WEIGHT_BITS_MOST ? bits : 0;
}

/* Names of the first layers, for an error text. */
static void list_names(const ap_layer_info *layers, size_t n, char *text, size_t room) {
  size_t used = 0;
  text[0] = 0;
  for (size_t i = 0; i < n && used + strlen(layers[i].name) + 8 < room; i++) {
    used += (size_t)snprintf(text + used, room - used, "%s%s", i ? ", " : "", layers[i].name);
    if (i + 1 < n && i == 7) {
      (void)snprintf(text + used, room - used, ", ...");
      break;
    }
  }
}

/* One item, with its '=' (if there is one) replaced by 0 and `value` behind it. */
static ap_status take_item(const char *text, const char *name, const char *value,
                           const ap_layer_info *layers, size_t n, unsigned *bits, ap_error *err) {
  unsigned wanted = bits_of(value);
  size_t found = 0;
  if (!wanted) {
    return ap_fail(err, AP_ERR_ARG, "weight bits \"%.100s\": \"%.40s\" is no number of %d to %d",
                   text, value, AP_WEIGHT_BITS_LEAST, AP_WEIGHT_BITS_MOST);
  }
  for (size_t i = 0; i < n; i++) {
    if (name && strcmp(name, layers[i].name) != 0 && fnmatch(name, layers[i].name, 0) != 0) {
      continue;
    }
    bits[i] = wanted;
    found++;
  }
  if (found == 0) {
    char names[200];
    list_names(layers, n, names, sizeof names);
    return ap_fail(err, AP_ERR_ARG, "weight bits \"%.100s\": no layer is called \"%.60s\" (%s)",
                   text, name ? name : "", names);
  }
  return AP_OK;
}

static ap_status take_text(const char *text, const ap_layer_info *layers, size_t n, unsigned *bits,
                           ap_error *err) {
  const char *at = text;
  ap_status st = AP_OK;
  do {
    char item[ITEM], *equal;
    size_t length = strcspn(at, ",");
    if (length == 0 || length >= sizeof item) {
      return ap_fail(
          err, AP_ERR_ARG,
          "weight bits \"%.100s\": BITS or LAYER=BITS, with commas between, are expected", text);
    }
    memcpy(item, at, length);
    item[length] = 0;
    equal = strrchr(item, '=');
    if (equal) *equal = 0;
    st = take_item(text, equal ? item : NULL, equal ? equal + 1 : item, layers, n, bits, err);
    at += length;
  } while (!st && *at++ == ',');
  return st;
}

ap_status ap_network_set_weight_bits(ap_network *net, const char *text, ap_error *err) {
  size_t n = ap_network_layers(net, NULL, 0);
  ap_layer_info *layers = ap_calloc(n, sizeof *layers);
  unsigned *bits = ap_calloc(n, sizeof *bits);
  ap_status st =
      layers && bits ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "weight bits of %zu layers", n);
  if (!st) {
    (void)ap_network_layers(net, layers, n);
    for (size_t i = 0; i < n; i++) bits[i] = layers[i].weight_bits;
    st = take_text(text, layers, n, bits, err);
  }
  for (size_t i = 0; i < n && !st; i++) net->nodes[layers[i].node].weight_bits = bits[i];
  ap_free(layers);
  ap_free(bits);
  return st;
}
