/* nn/onnx/graph.h - an ONNX graph as this project sees it: named values, nodes in file order that
 * read and write them, one image input and one output. Nothing of protobuf is in it. */
#ifndef AP_NN_ONNX_GRAPH_H
#define AP_NN_ONNX_GRAPH_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/onnx/tensor.h"
AP_EXTERN_C_BEGIN

#define AP_ONNX_NONE ((size_t)-1)         /* no value: an input that is left out */
#define AP_ONNX_MAX_NODES ((size_t)65536) /* of a file, constants included */
#define AP_ONNX_MIN_OPSET 7
#define AP_ONNX_MAX_OPSET 28

typedef enum {
  AP_ONNX_ATTR_FLOAT,
  AP_ONNX_ATTR_INT,
  AP_ONNX_ATTR_TEXT,
  AP_ONNX_ATTR_TENSOR,
  AP_ONNX_ATTR_FLOATS,
  AP_ONNX_ATTR_INTS,
  AP_ONNX_ATTR_OTHER /* sub-graphs, types, ...: refused where it is looked at */
} ap_onnx_attr_kind;

typedef struct {
  char *name;
  ap_onnx_attr_kind kind;
  float f;
  int64_t i;
  char *text;
  size_t n; /* of ints, floats */
  int64_t *ints;
  float *floats;
  ap_onnx_tensor *tensor;
} ap_onnx_attr;

typedef struct {
  char *name;               /* never empty: the file's, or "OP_3" by its place */
  char *op;                 /* "Conv" */
  char *domain;             /* "" for ONNX's own operators */
  size_t n_inputs, *inputs; /* numbers of values, or AP_ONNX_NONE */
  size_t n_outputs, *outputs;
  size_t n_attrs;
  ap_onnx_attr *attrs;
} ap_onnx_node;

typedef struct {
  char *name;
  ap_onnx_tensor *constant; /* initialiser or folded; NULL: computed from the image */
  size_t producer;          /* node that writes it, or AP_ONNX_NONE */
  bool is_input;            /* of the graph */
} ap_onnx_value;

typedef struct ap_onnx_names ap_onnx_names; /* names -> numbers of values */

typedef struct {
  char *name, *producer;
  int64_t ir_version, opset;
  size_t n_values, room_values;
  ap_onnx_value *values;
  ap_onnx_names *names;
  size_t n_nodes, room_nodes;
  ap_onnx_node *nodes;
  size_t input; /* the value that is the image */
  size_t n_input_dims;
  int64_t input_dims[AP_ONNX_MAX_DIMS]; /* -1 where it is not fixed */
  size_t output;
  json_t *metadata;          /* an object of texts: metadata_props */
  size_t n_floats, n_ints;   /* elements of all constants: bounded */
  size_t n_read, n_computed; /* elements in the file, and of what was folded */
  size_t n_reduced;          /* elements read by reductions that were folded */
} ap_onnx_graph;

AP_NODISCARD ap_status ap_onnx_graph_create(ap_onnx_graph **out, ap_error *err);
void ap_onnx_graph_destroy(ap_onnx_graph *graph); /* NULL is allowed */

/* The number of the value `name`, which is added when it is new. MEMORY. */
AP_NODISCARD ap_status ap_onnx_graph_value(ap_onnx_graph *graph, const char *name, size_t *index,
                                           ap_error *err);
/* Gives a value its constant, taking it over in every case. UNSUPPORTED above the limits of a file. */
AP_NODISCARD ap_status ap_onnx_graph_set_constant(ap_onnx_graph *graph, size_t value,
                                                  ap_onnx_tensor *constant, ap_error *err);
/* Appends an empty node with room for so many inputs and outputs (all AP_ONNX_NONE). name may be
 * NULL or empty. The pointer is good until the next one is appended. */
AP_NODISCARD ap_status ap_onnx_graph_node(ap_onnx_graph *graph, const char *name, const char *op,
                                          size_t n_inputs, size_t n_outputs, size_t n_attrs,
                                          ap_onnx_node **out, ap_error *err);

/* ---- reading nodes: errors begin with "node NAME (OP)" ---- */
/* Fills err with "node NAME (OP): ..." and returns `code`. */
AP_PRINTF(4, 5)
ap_status ap_onnx_node_fail(const ap_onnx_node *node, ap_error *err, ap_status code,
                            const char *format, ...);
#ifdef __clang_analyzer__ /* as in base/status.h: a failure is never AP_OK */
#define ap_onnx_node_fail(node, err, code, ...) \
  ((void)(ap_onnx_node_fail)(node, err, code, __VA_ARGS__), (code))
#endif
/* The attribute, or NULL. */
const ap_onnx_attr *ap_onnx_attr_find(const ap_onnx_node *node, const char *name);
/* *out keeps `absent` where the attribute is left out. FORMAT where it has another type or is out of
 * lo..hi. */
AP_NODISCARD ap_status ap_onnx_attr_int(const ap_onnx_node *node, const char *name, int64_t absent,
                                        int64_t lo, int64_t hi, int64_t *out, ap_error *err);
AP_NODISCARD ap_status ap_onnx_attr_float(const ap_onnx_node *node, const char *name, float absent,
                                          float *out, ap_error *err);
AP_NODISCARD ap_status ap_onnx_attr_text(const ap_onnx_node *node, const char *name,
                                         const char *absent, const char **out, ap_error *err);
/* *ints NULL and *n 0 where it is left out; owned by the node. */
AP_NODISCARD ap_status ap_onnx_attr_ints(const ap_onnx_node *node, const char *name,
                                         const int64_t **ints, size_t *n, ap_error *err);
/* A value that is given as the attribute `name` in old opsets and as input `input` in newer ones: its
 * integers, borrowed; NULL and 0 where neither is there. UNSUPPORTED where the input is no constant. */
AP_NODISCARD ap_status ap_onnx_node_ints(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                         const char *name, size_t input, const int64_t **ints,
                                         size_t *n, ap_error *err);
/* The constant that input `input` is, or NULL (also where it is left out). */
const ap_onnx_tensor *ap_onnx_node_constant(const ap_onnx_graph *graph, const ap_onnx_node *node,
                                            size_t input);
/* An axis of a tensor of n_dims dimensions: negative ones count from the end. FORMAT out of range. */
AP_NODISCARD ap_status ap_onnx_node_axis(const ap_onnx_node *node, int64_t axis, size_t n_dims,
                                         size_t *out, ap_error *err);

AP_EXTERN_C_END
#endif
