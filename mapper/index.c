#include <string.h>

#include "mapper/index_impl.h"

/* Bits for a number from 0 to values-1. */
static unsigned width(uint64_t values) {
  unsigned bits = 0;
  while (((uint64_t)1 << bits) < values) bits++;
  return bits;
}

void ap_index_list(ap_index_sizes *s, size_t m) {
  s->m = m;
  s->next = 0;
  s->counts += width((uint64_t)m + 1);
  s->bitmap += m;
  s->missing += m;
}

static void note_gap(ap_index_sizes *s, size_t gap) {
  if (gap < AP_GAP_BINS) {
    s->gaps[gap]++;
    return;
  }
  for (unsigned f = 1; f <= AP_DELTA_MAX_FIELD; f++) s->far_escapes[f] += gap / ((1U << f) - 1U);
}

void ap_index_line(ap_index_sizes *s, size_t line) {
  note_gap(s, line - s->next);
  s->next = line + 1;
  s->entries++;
  s->missing--;
  s->absolute += width(s->m);
}

void ap_index_list_end(ap_index_sizes *s) { s->m = s->next = 0; }

/* Flags of 64 lines as bits, line 0 lowest; those past the end are 0. */
static uint64_t flag_bits(const uint8_t *flags, size_t m) {
  const uint64_t low = 0x7f7f7f7f7f7f7f7fU, gather = 0x0102040810204080U;
  uint64_t bits = 0;
  for (size_t at = 0; at < 64 && at < m; at += 8) {
    uint64_t eight = 0;
    if (m - at >= 8) {
      memcpy(&eight, flags + at, 8);
    } else {
      for (size_t i = 0; at + i < m; i++) eight |= (uint64_t)flags[at + i] << 8 * i;
    }
    eight = ((((eight & low) + low) | eight) & ~low) >> 7; /* 1 in each byte that is not 0 */
    bits |= (eight * gather >> 56) << at;
  }
  return bits;
}

/* Goes from run to run of present lines: within a run all gaps are 0. */
size_t ap_index_flags(ap_index_sizes *s, const uint8_t *flags, size_t m) {
  size_t next = 0, n = 0, runs = 0;
  ap_index_list(s, m);
  for (size_t base = 0; base < m; base += 64) {
    uint64_t bits = flag_bits(flags + base, m - base);
    n += (size_t)__builtin_popcountll(bits);
    while (bits) {
      unsigned start = (unsigned)__builtin_ctzll(bits);
      uint64_t after = ~(bits >> start);
      unsigned length = after ? (unsigned)__builtin_ctzll(after) : 64;
      size_t gap = base + start - next;
      if (start + length > 64) length = 64 - start;
      if (gap) {
        note_gap(s, gap);
        runs++;
      }
      next = base + start + length;
      if (start + length == 64) break;
      bits &= ~(uint64_t)0 << (start + length);
    }
  }
  s->gaps[0] += n - runs;
  s->entries += n;
  s->missing -= n;
  s->absolute += (uint64_t)n * width(m);
  ap_index_list_end(s);
  return n;
}

void ap_index_full_list(ap_index_sizes *s, size_t m) {
  s->counts += width((uint64_t)m + 1);
  s->bitmap += m;
  s->entries += m;
  s->absolute += (uint64_t)m * width(m);
  s->gaps[0] += m;
}

void ap_index_empty_list(ap_index_sizes *s, size_t m) {
  ap_index_list(s, m);
  ap_index_list_end(s);
}

ap_index_choice ap_index_choose(const ap_index_sizes *s) {
  ap_index_choice best = {AP_INDEX_NONE, 0, 0};
  uint64_t fields[AP_DELTA_MAX_FIELD + 1] = {0};
  if (s->missing == 0 || s->entries == 0) return best;
  best.format = AP_INDEX_ABSOLUTE;
  best.bits = s->counts + s->absolute;
  for (unsigned f = 1; f <= AP_DELTA_MAX_FIELD; f++) fields[f] = s->entries + s->far_escapes[f];
  for (uint32_t gap = 1; gap < AP_GAP_BINS; gap++) {
    if (!s->gaps[gap]) continue;
    for (unsigned f = 1; f <= AP_DELTA_MAX_FIELD; f++) {
      fields[f] += s->gaps[gap] * (gap / ((1U << f) - 1U));
    }
  }
  for (unsigned f = 1; f <= AP_DELTA_MAX_FIELD; f++) {
    uint64_t bits = s->counts + fields[f] * f;
    if (bits >= best.bits) continue;
    best.format = AP_INDEX_DELTA;
    best.field = f;
    best.bits = bits;
  }
  if (s->bitmap < best.bits) {
    best.format = AP_INDEX_BITMAP;
    best.field = 0;
    best.bits = s->bitmap;
  }
  return best;
}

static void put(ap_index_table *t, uint64_t value, unsigned bits) {
  for (unsigned i = 0; i < bits; i++, t->at++) {
    if (value >> i & 1U) t->bytes[t->at / 8] |= (uint8_t)(1U << (t->at % 8));
  }
}

/* Past the end reads as false in *ok. */
static uint64_t take(ap_index_table *t, unsigned bits, bool *ok) {
  uint64_t value = 0;
  if (t->at + bits > t->choice.bits) {
    *ok = false;
    return 0;
  }
  for (unsigned i = 0; i < bits; i++, t->at++) {
    uint64_t byte = t->bytes[t->at / 8];
    value |= (byte >> (t->at % 8) & 1U) << i;
  }
  return value;
}

void ap_index_write(ap_index_table *t, size_t m, const uint32_t *lines, size_t count) {
  size_t next = 0;
  uint64_t escape = ((uint64_t)1 << t->choice.field) - 1;
  switch (t->choice.format) {
    case AP_INDEX_NONE:
      break;
    case AP_INDEX_BITMAP:
      for (size_t i = 0; i < count; i++) {
        uint64_t bit = t->at + lines[i];
        t->bytes[bit / 8] |= (uint8_t)(1U << (bit % 8));
      }
      t->at += m;
      break;
    case AP_INDEX_ABSOLUTE:
      put(t, count, width((uint64_t)m + 1));
      for (size_t i = 0; i < count; i++) put(t, lines[i], width(m));
      break;
    case AP_INDEX_DELTA:
      put(t, count, width((uint64_t)m + 1));
      for (size_t i = 0; i < count; i++) {
        uint64_t gap = lines[i] - next;
        for (; gap >= escape; gap -= escape) put(t, escape, t->choice.field);
        put(t, gap, t->choice.field);
        next = (size_t)lines[i] + 1;
      }
      break;
  }
}

static bool read_delta(ap_index_table *t, size_t m, uint32_t *lines, size_t count) {
  uint64_t escape = ((uint64_t)1 << t->choice.field) - 1, line = 0;
  bool ok = true;
  for (size_t i = 0; i < count; i++) {
    uint64_t field = take(t, t->choice.field, &ok);
    while (ok && field == escape) {
      line += escape;
      field = take(t, t->choice.field, &ok);
    }
    line += field;
    if (!ok || line >= m) return false;
    lines[i] = (uint32_t)line++;
  }
  return true;
}

bool ap_index_read(ap_index_table *t, size_t m, uint32_t *lines, size_t *count) {
  bool ok = true;
  size_t n = 0;
  *count = 0;
  switch (t->choice.format) {
    case AP_INDEX_NONE:
      for (n = 0; n < m && t->full; n++) lines[n] = (uint32_t)n;
      break;
    case AP_INDEX_BITMAP:
      for (size_t i = 0; i < m && ok; i++) {
        if (take(t, 1, &ok) && ok) lines[n++] = (uint32_t)i;
      }
      break;
    case AP_INDEX_ABSOLUTE:
    case AP_INDEX_DELTA:
      n = (size_t)take(t, width((uint64_t)m + 1), &ok);
      if (!ok || n > m) return false;
      if (t->choice.format == AP_INDEX_DELTA) {
        ok = read_delta(t, m, lines, n);
        break;
      }
      for (size_t i = 0; i < n && ok; i++) {
        lines[i] = (uint32_t)take(t, width(m), &ok);
        ok = ok && lines[i] < m && (i == 0 || lines[i] > lines[i - 1]);
      }
      break;
  }
  if (ok) *count = n;
  return ok;
}

const char *ap_index_format_name(ap_index_format format) {
  static const char *const names[] = {"none", "absolute", "delta", "bitmap"};
  return (unsigned)format <= AP_INDEX_BITMAP ? names[format] : "unknown";
}
