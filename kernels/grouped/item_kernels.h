/* kernels/grouped/item_kernels.h - the kernels that do one item a thread: 8 images of a position
 * (input, pooling, maps), one image (score), and the sum of a candidate's images by one block. */
#ifndef AP_KERNELS_GROUPED_ITEM_KERNELS_H
#define AP_KERNELS_GROUPED_ITEM_KERNELS_H
#include <math.h>

#include "kernels/grouped/curve_value.h"
#include "kernels/grouped/grouped_impl.h"
#include "kernels/grouped/simt.h"

/* ---- 8 images of a position ------------------------------------------------------------------- */
typedef struct SIMT_ALIGN(16) {
  uint32_t v[4];
} grouped_words;

SIMT_FN uint64_t grouped_at(const grouped_tensor *t, int block, int c, int y, int x, int half) {
  const uint64_t line =
      ((uint64_t)(c / GROUPED_BESIDE) * (uint64_t)t->h + (uint64_t)y) * (uint64_t)t->w +
      (uint64_t)x;
  const uint64_t position = line * GROUPED_BESIDE + (uint64_t)(c % GROUPED_BESIDE);
  return (uint64_t)block * t->block + (position * 2 + (uint64_t)half) * (t->wide ? 32 : 16);
}

/* data: the tensor's slot. */
SIMT_FN void grouped_load8(const grouped_tensor *t, const unsigned char *data, int block, int c,
                           int y, int x, int half, float *v) {
  const unsigned char *from = data + grouped_at(t, block, c, y, x, half);
  if (t->wide) {
    const simt_sum *quads = (const simt_sum *)(const void *)from;
    const simt_sum low = quads[0], high = quads[1];
    SIMT_UNROLL
    for (int i = 0; i < 4; i++) {
      v[i] = low.v[i];
      v[4 + i] = high.v[i];
    }
  } else {
    const grouped_words words = *(const grouped_words *)(const void *)from;
    SIMT_UNROLL
    for (int i = 0; i < 4; i++) {
      v[2 * i] = simt_half_of(words.v[i], 0);
      v[2 * i + 1] = simt_half_of(words.v[i], 1);
    }
  }
}

SIMT_FN void grouped_store8(const grouped_tensor *t, unsigned char *data, int block, int c, int y,
                            int x, int half, const float *v) {
  unsigned char *to = data + grouped_at(t, block, c, y, x, half);
  if (t->wide) {
    simt_sum low, high;
    SIMT_UNROLL
    for (int i = 0; i < 4; i++) {
      low.v[i] = v[i];
      high.v[i] = v[4 + i];
    }
    ((simt_sum *)(void *)to)[0] = low;
    ((simt_sum *)(void *)to)[1] = high;
  } else {
    grouped_words words;
    SIMT_UNROLL
    for (int i = 0; i < 4; i++) words.v[i] = simt_to_bf16(v[2 * i], v[2 * i + 1]);
    *(grouped_words *)(void *)to = words;
  }
}

/* Value `at` from a place of the tensor: one image of a position. */
SIMT_FN float grouped_load1(const grouped_tensor *t, const unsigned char *from, int at) {
  return t->wide ? ((const float *)(const void *)from)[at]
                 : simt_from_bf16(((const uint16_t *)(const void *)from)[at]);
}
SIMT_FN void grouped_store1(const grouped_tensor *t, unsigned char *to, int at, float v) {
  if (t->wide)
    ((float *)(void *)to)[at] = v;
  else
    ((uint16_t *)(void *)to)[at] = (uint16_t)(simt_to_bf16(v, 0) & 0xffffU);
}

/* v + residual's (c, y, x), clipped; NaN passes. residual: its slot. */
SIMT_FN void grouped_finish(const grouped_epilogue *e, const unsigned char *residual, int block,
                            int c, int y, int x, int half, float *v) {
  const grouped_source *r = &e->residual;
  const int from = c - r->first;
  if (r->present && from >= 0 && from < r->tensor.c) {
    float more[8];
    grouped_load8(&r->tensor, residual, block, from, y * r->stride_h, x * r->stride_w, half, more);
    SIMT_UNROLL
    for (int i = 0; i < 8; i++) v[i] += more[i];
  }
  SIMT_UNROLL
  for (int i = 0; i < 8; i++) v[i] = simt_clip(v[i], e->low, e->high);
}

/* Item number -> half, x, y, channel of `channels`, block. */
typedef struct {
  int block, c, y, x, half;
} grouped_item;
SIMT_FN grouped_item grouped_item_of(uint64_t item, int channels, int h, int w) {
  const uint32_t in_block = (uint32_t)channels * (uint32_t)h * (uint32_t)w * 2; /* below 2^28 */
  grouped_item i;
  i.block = (int)(item / in_block);
  uint32_t rest = (uint32_t)(item - (uint64_t)i.block * in_block);
  i.half = (int)(rest & 1);
  rest >>= 1;
  i.x = (int)(rest % (uint32_t)w);
  rest /= (uint32_t)w;
  i.y = (int)(rest % (uint32_t)h);
  i.c = (int)(rest / (uint32_t)h);
  return i;
}

SIMT_FN void grouped_input_item(const grouped_input *g, uint32_t node, uint64_t item) {
  const grouped_tensor *out = &g->out;
  const grouped_item i = grouped_item_of(item, out->c, out->h, out->w);
  const uint64_t position =
      (((uint64_t)(i.block + g->batch.first_block) * (uint64_t)out->c + (uint64_t)i.c) *
           (uint64_t)out->h +
       (uint64_t)i.y) *
          (uint64_t)out->w +
      (uint64_t)i.x;
  const uint8_t *pixel = g->pixels + (position * 2 + (uint64_t)i.half) * 8;
  float v[8];
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = (float)pixel[j] * g->scale[i.c] + g->shift[i.c];
  grouped_store8(out, out->data + node * out->slot, i.block, i.c, i.y, i.x, i.half, v);
}

SIMT_FN void grouped_pool_item(const grouped_pool *g, uint32_t node, uint64_t item) {
  const grouped_tensor *in = &g->in, *out = &g->out;
  const grouped_item i = grouped_item_of(item, out->c, out->h, out->w);
  const unsigned char *from = in->data + g->batch.nodes[node].in * in->slot;
  const int y = i.y * g->stride_h - g->pad_top, x = i.x * g->stride_w - g->pad_left;
  const int y0 = y < 0 ? 0 : y, y1 = y + g->kh < in->h ? y + g->kh : in->h;
  const int x0 = x < 0 ? 0 : x, x1 = x + g->kw < in->w ? x + g->kw : in->w;
  const int count = g->count_padding ? g->kh * g->kw : (y1 - y0) * (x1 - x0);
  float v[8];
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = g->maximum ? -INFINITY : 0.0f;
  for (int r = y0; r < y1; r++) {
    for (int q = x0; q < x1; q++) {
      float one[8];
      grouped_load8(in, from, i.block, i.c, r, q, i.half, one);
      SIMT_UNROLL
      for (int j = 0; j < 8; j++)
        v[j] = !g->maximum ? v[j] + one[j] : one[j] > v[j] ? one[j] : v[j];
    }
  }
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) {
    if (!g->maximum) v[j] /= (float)count;
    v[j] = simt_clip(v[j], g->low, g->high);
  }
  grouped_store8(out, out->data + node * out->slot, i.block, i.c, i.y, i.x, i.half, v);
}

/* Channel c of the source at the item's place; 0 where there is no such channel. */
SIMT_FN void grouped_source8(const grouped_source *s, uint64_t slot, const grouped_item *i, int c,
                             float *v) {
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = 0;
  if (c >= 0 && c < s->tensor.c)
    grouped_load8(&s->tensor, s->tensor.data + slot * s->tensor.slot, i->block, c,
                  i->y * s->stride_h, i->x * s->stride_w, i->half, v);
}

SIMT_FN void grouped_map_scale(const grouped_map *g, const grouped_item *i, float *v) {
  if (!g->scale) return;
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = v[j] * g->scale[i->c] + g->shift[i->c];
}

SIMT_FN void grouped_map_end(const grouped_map *g, uint32_t node, uint64_t residual,
                             const grouped_item *i, float *v) {
  const grouped_tensor *out = &g->out, *more = &g->epilogue.residual.tensor;
  grouped_finish(&g->epilogue, more->data + residual * more->slot, i->block, i->c, i->y, i->x,
                 i->half, v);
  grouped_store8(out, out->data + node * out->slot, i->block, g->first_out + i->c, i->y, i->x,
                 i->half, v);
}

SIMT_FN void grouped_map_item(const grouped_map *g, uint32_t node, uint64_t item) {
  const grouped_item i = grouped_item_of(item, g->channels, g->out.h, g->out.w);
  const grouped_node of = g->batch.nodes[node];
  float v[8];
  grouped_source8(&g->in, of.in, &i, i.c - g->in.first, v);
  grouped_map_scale(g, &i, v);
  grouped_map_end(g, node, of.residual, &i, v);
}

/* item: of the input. */
SIMT_FN void grouped_flatten_item(const grouped_map *g, uint32_t node, uint64_t item) {
  const grouped_tensor *in = &g->in.tensor, *out = &g->out;
  const grouped_item i = grouped_item_of(item, in->c, in->h, in->w);
  float v[8];
  grouped_source8(&g->in, g->batch.nodes[node].in, &i, i.c, v);
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = simt_clip(v[j], g->epilogue.low, g->epilogue.high);
  grouped_store8(out, out->data + node * out->slot, i.block, (i.c * in->h + i.y) * in->w + i.x, 0,
                 0, i.half, v);
}

SIMT_FN void grouped_curve8(int curve, float *v) {
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) v[j] = grouped_curve(curve, v[j]);
}

SIMT_FN void grouped_gate_item(const grouped_map *g, uint32_t node, uint64_t item) {
  const grouped_item i = grouped_item_of(item, g->channels, g->out.h, g->out.w);
  const grouped_node of = g->batch.nodes[node];
  float v[8];
  grouped_source8(&g->in, of.in, &i, g->picks ? (int)g->picks[i.c] : i.c - g->in.first, v);
  grouped_map_scale(g, &i, v);
  if (g->curve) grouped_curve8(g->curve, v);
  if (g->gate.present) {
    float factor[8];
    grouped_source8(&g->gate, of.gate, &i, i.c - g->gate.first, factor);
    if (g->gate_curve) grouped_curve8(g->gate_curve, factor);
    SIMT_UNROLL
    for (int j = 0; j < 8; j++) v[j] *= factor[j];
  }
  grouped_map_end(g, node, of.residual, &i, v);
}

/* ---- normalisation of an image by itself ------------------------------------------------------ */
/* Sums of 8 images over a set, row by row so that few small values meet a large sum; with centre those of squares of
 * deviations. i: the set's first place, of `rows` x `columns` in each channel. */
SIMT_FN void grouped_norm_sums(const grouped_norm *g, const unsigned char *from,
                               const grouped_item *i, int rows, int columns, const float *centre,
                               float *sums) {
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) sums[j] = 0;
  for (int c = i->c; c < i->c + g->each; c++) {
    float channel[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int y = i->y; y < i->y + rows; y++) {
      float row[8] = {0, 0, 0, 0, 0, 0, 0, 0};
      for (int x = i->x; x < i->x + columns; x++) {
        float v[8];
        grouped_load8(&g->in, from, i->block, c, y, x, i->half, v);
        SIMT_UNROLL
        for (int j = 0; j < 8; j++) {
          const float d = centre ? v[j] - centre[j] : v[j];
          row[j] += centre ? d * d : d;
        }
      }
      SIMT_UNROLL
      for (int j = 0; j < 8; j++) channel[j] += row[j];
    }
    SIMT_UNROLL
    for (int j = 0; j < 8; j++) sums[j] += channel[j];
  }
}

/* item: 8 images of a set. */
SIMT_FN void grouped_norm_item(const grouped_norm *g, uint32_t node, uint64_t item) {
  const grouped_tensor *out = &g->out, *more = &g->epilogue.residual.tensor;
  const int h = g->each_pixel ? out->h : 1, w = g->each_pixel ? out->w : 1;
  const int rows = g->each_pixel ? 1 : out->h, columns = g->each_pixel ? 1 : out->w;
  grouped_item i = grouped_item_of(item, out->c / g->each, h, w);
  const grouped_node of = g->batch.nodes[node];
  const unsigned char *from = g->in.data + of.in * g->in.slot;
  const float count = (float)g->each * (float)rows * (float)columns;
  float mean[8], inverse[8];
  i.c *= g->each;
  grouped_norm_sums(g, from, &i, rows, columns, NULL, mean);
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) mean[j] /= count;
  grouped_norm_sums(g, from, &i, rows, columns, mean, inverse);
  SIMT_UNROLL
  for (int j = 0; j < 8; j++) inverse[j] = 1.0f / sqrtf(inverse[j] / count + g->epsilon);
  for (int c = i.c; c < i.c + g->each; c++) {
    const float scale = g->scale ? g->scale[c] : 1, shift = g->scale ? g->shift[c] : 0;
    for (int y = i.y; y < i.y + rows; y++) {
      for (int x = i.x; x < i.x + columns; x++) {
        float v[8];
        grouped_load8(&g->in, from, i.block, c, y, x, i.half, v);
        SIMT_UNROLL
        for (int j = 0; j < 8; j++) v[j] = (v[j] - mean[j]) * inverse[j] * scale + shift;
        grouped_finish(&g->epilogue, more->data + of.residual * more->slot, i.block, c, y, x,
                       i.half, v);
        grouped_store8(out, out->data + node * out->slot, i.block, c, y, x, i.half, v);
      }
    }
  }
}

/* ---- scores ----------------------------------------------------------------------------------- */
SIMT_FN float grouped_logit(const grouped_tensor *t, const unsigned char *block, int lane, int c) {
  return grouped_load1(t, block, c * GROUPED_IMAGES + lane);
}

/* item: an image of the chunk; node: the candidate. The first largest output is the prediction. */
SIMT_FN void grouped_score_item(const grouped_score *g, uint32_t node, uint64_t item) {
  const grouped_tensor *t = &g->logits;
  const int lane = (int)(item % GROUPED_IMAGES), block = (int)(item / GROUPED_IMAGES);
  const int64_t image = (int64_t)(g->batch.first_block + block) * GROUPED_IMAGES + lane;
  const unsigned char *z = t->data + g->batch.nodes[node].in * t->slot + (uint64_t)block * t->block;
  int best = 0;
  double sum = 0, top;
  if (image >= g->n_images) return;
  for (int c = 1; c < t->c; c++)
    if (grouped_logit(t, z, lane, c) > grouped_logit(t, z, lane, best)) best = c;
  top = (double)grouped_logit(t, z, lane, best);
  for (int c = 0; c < t->c; c++) sum += exp((double)grouped_logit(t, z, lane, c) - top);
  const uint64_t to = (uint64_t)node * (uint64_t)g->n_images + (uint64_t)image;
  g->loss[to] = log(sum) + top - (double)grouped_logit(t, z, lane, g->labels[image]);
  g->correct[to] = (uint8_t)(best == g->labels[image]);
  for (int c = 0; g->outputs && c < t->c; c++)
    g->outputs[image * t->c + c] = grouped_logit(t, z, lane, c);
}

/* Every thread its strided share, then one thread all shares in order. */
typedef struct {
  double loss[SIMT_THREADS];
  uint32_t correct[SIMT_THREADS];
} grouped_shares;
SIMT_FN void grouped_total_block(const grouped_total *g, uint32_t candidate,
                                 grouped_shares *shares) {
  const uint64_t first = (uint64_t)candidate * (uint64_t)g->n_images;
  SIMT_EACH_THREAD(t) {
    double loss = 0;
    uint32_t correct = 0;
    for (int i = t; i < g->n_images; i += SIMT_THREADS) {
      loss += g->loss[first + (uint64_t)i];
      correct += g->correct[first + (uint64_t)i];
    }
    shares->loss[t] = loss;
    shares->correct[t] = correct;
  }
  SIMT_BARRIER();
  SIMT_EACH_THREAD(t) {
    if (t == 0) {
      double loss = 0;
      uint32_t correct = 0;
      for (int i = 0; i < SIMT_THREADS; i++) {
        loss += shares->loss[i];
        correct += shares->correct[i];
      }
      g->total_loss[candidate] = loss;
      g->total_correct[candidate] = correct;
    }
  }
}

#endif
