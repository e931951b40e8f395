/* kernels/cpu/packed_plane.c - form PLANE: the lists of LIST1 where an output channel reads one input channel or few
 * (depthwise convolutions). A tile over all output channels would read every input for nothing but itself; so each channel
 * is done whole, row after row, while its image is in the nearest caches. */
#include "kernels/cpu/packed_impl.h"

/* Neighbouring rows of outputs that read the same rows of kernels. */
typedef struct {
  packed_entries entries;
  size_t first, rows;
} run;

size_t packed_plane_scratch_bytes(const ap_packed_conv *g) { return g->out.h * sizeof(run); }

static size_t find_runs(const packed_job *j, run *runs) {
  const ap_packed_conv *g = j->g;
  const ap_packed_weights *w = j->weights;
  const packed_places places = {w->start, w->bound, w->n_lists};
  size_t n = 0;
  for (size_t y = 0; y < g->out.h; ++y) {
    const packed_entries e = packed_entries_of(g, &places, y, 1);
    if (n > 0 && runs[n - 1].entries.from == e.from && runs[n - 1].entries.to == e.to)
      ++runs[n - 1].rows;
    else
      runs[n++] = (run){e, y, 1};
  }
  return n;
}

void packed_run_planes(const packed_job *j, size_t n_blocks) {
  const ap_packed_conv *g = j->g;
  const ap_packed_weights *w = j->weights;
  const packed_tile *first = &j->first;
  run *runs = (run *)(void *)j->scratch;
  const size_t n = find_runs(j, runs), in_row = g->stride_h * g->in.row;
  packed_plane p = {.in_row = in_row,
                    .in_column = first->in_column,
                    .out_row = first->out_row,
                    .residual_row = first->residual_row,
                    .residual_column = first->residual_column,
                    .columns = g->out.w,
                    .low = first->low,
                    .high = first->high};
  for (size_t b = 0; b < n_blocks; ++b) {
    const packed_tile t = packed_tile_at(j, b, 0, 0);
    for (size_t channel = 0; channel < g->out.c; ++channel) {
      const float *residual = packed_residual_channel(&t, channel);
      p.bias = w->bias[channel];
      for (size_t i = 0; i < n; ++i) {
        p.from = w->words + runs[i].entries.from[channel] * w->entry_words;
        p.to = w->words + runs[i].entries.to[channel] * w->entry_words;
        p.rows = runs[i].rows;
        p.in = t.in + runs[i].first * in_row;
        p.out = t.out + channel * t.out_channel + runs[i].first * t.out_row;
        p.residual = residual ? residual + runs[i].first * t.residual_row : NULL;
        w->isa->plane(&p);
      }
    }
  }
}
