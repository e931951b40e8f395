/* reram_model/events.h - what one layer does for one inference, and the hardware it needs to do it.
 * Counted by mapper/ from the packed vectors, never estimated from a ratio; priced by cost.h.
 * Counting rules of every field: docs/MAPPING.md#events. */
#ifndef AP_RERAM_MODEL_EVENTS_H
#define AP_RERAM_MODEL_EVENTS_H
#include <jansson.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

/* Exact counts for one inference (all input positions, all input bits) of one layer. */
typedef struct {
  uint64_t ou_reads;         /* one OU read for one input bit */
  uint64_t row_drives;       /* wordlines driven, one bit each */
  uint64_t cell_reads;       /* cells that a read looks at: driven rows x read bitlines */
  uint64_t adc_conversions;  /* unused columns of an OU are not read */
  uint64_t sample_holds;     /* one a conversion */
  uint64_t shift_adds;       /* one a conversion; and one a vector and bit for each correction */
  uint64_t partial_sum_adds; /* finished results of an OU row added to the output register */
  uint64_t input_sum_adds;   /* 1-bit inputs added for the offset correction (or for flip) */
  uint64_t index_fetch_bits; /* bits of the index tables read */
  uint64_t index_decodes;    /* entries of the index tables decoded */
  uint64_t input_register_bytes;  /* read towards the wordlines */
  uint64_t output_register_bytes; /* partial results read and written */
  uint64_t edram_bytes;           /* inputs read, outputs written */
  uint64_t bus_bytes;             /* between eDRAM and the crossbars' registers */
  uint64_t router_bytes;          /* outputs sent to the next layer's tile, one hop */
  uint64_t activations;           /* outputs through the activation function */
  uint64_t pool_inputs;           /* values through the pooling unit: 0 from the mapper, the caller
                                     adds those of the network's pooling layers */
  uint64_t cycles;                /* OU reads of the busiest crossbar; crossbars work in parallel */
} ap_events;

/* What must exist for the layer. */
typedef struct {
  uint64_t crossbars;     /* of one copy */
  uint64_t index_bits;    /* of one copy */
  uint64_t cells_written; /* once, when the weights are programmed; of one copy */
  uint32_t input_sums;    /* 1 when the encoding needs the sum of the inputs, else 0 */
  uint64_t positions; /* input positions of an inference, which copies can share; 0 stands for 1 */
  uint32_t replication; /* copies of the layer; >= 1. The busiest takes ceil(positions / copies) */
} ap_needs;

/* *sum += *one, field by field; cycles add up too (layers one after the other). Saturates. */
void ap_events_add(ap_events *sum, const ap_events *one);
/* {"ou_reads", "row_drives", ...}: the fields by their names. NULL out of memory. */
json_t *ap_events_to_json(const ap_events *events);

/* *sum += *one: crossbars, index bits and cells add up; the sum needs input sums where one does, and keeps
 * its own positions and replication. */
void ap_needs_add(ap_needs *sum, const ap_needs *one);

AP_EXTERN_C_END
#endif
