/* The matrices of a grouped convolution on shared crossbars. */
#include "mapper/mapping.h"
#include "mapper/pack_impl.h"

static uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

ap_status ap_map_join_groups(const ap_array_spec *spec, ap_granularity granularity, size_t groups,
                             size_t held, size_t k, size_t n, ap_map_summary *map,
                             ap_events *events, ap_needs *needs, ap_error *err) {
  ap_packing packing;
  uint64_t places, side_by_side, occupied = map->crossbars;
  ap_status st = ap_packing_init(spec, granularity, k, n, &packing, err);
  if (st || groups <= 1) return st;
  map->positions /= groups; /* all groups look at the same ones */
  /* whole matrices that lie in one crossbar as they are, on a grid; 0: one does not fit */
  side_by_side = (spec->rows / k) * (spec->cols / (n * packing.slices));
  places = ap_array_ous(spec);
  if (side_by_side > 0) map->crossbars_dense = ceil_div(groups, side_by_side);
  if (map->ous == 0) return AP_OK;
  if (!packing.in_place) {
    uint64_t reads = events->ou_reads / map->ous; /* input bits of all positions */
    map->crossbars = ceil_div(map->ous, places);
    events->cycles = (map->ous < places ? map->ous : places) * reads;
  } else if (side_by_side > 0) { /* `occupied`: the groups that hold anything, one crossbar each */
    uint64_t most = occupied < side_by_side ? occupied : side_by_side;
    map->crossbars = ceil_div(occupied, side_by_side);
    events->cycles = ceil_div(events->cycles, occupied) * most;
  } else { /* crossbars of their own, which work in parallel */
    events->cycles = ceil_div(events->cycles, held);
  }
  if (held < groups) { /* which there are: a bit each, read and decoded with the other tables */
    map->column_index_bits += groups;
    map->index_bits += groups;
    needs->index_bits += groups;
    events->index_fetch_bits += groups * needs->positions;
    events->index_decodes += held * needs->positions;
  }
  needs->crossbars = map->crossbars;
  return AP_OK;
}
