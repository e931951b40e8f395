/* nn/onnx/proto_build.h - ONNX messages being put together. All that is made belongs to the builder;
 * errors are remembered (out of memory) and found at the end, so that building reads as a list. */
#ifndef AP_NN_ONNX_PROTO_BUILD_H
#define AP_NN_ONNX_PROTO_BUILD_H
#include <onnx.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
AP_EXTERN_C_BEGIN

typedef struct {
  size_t n_blocks, room;
  void **blocks; /* all memory of the messages */
  bool failed;
  Onnx__ModelProto *model;
  size_t nodes_room, tensors_room, props_room;
} ap_proto;

void ap_proto_init(ap_proto *b, const char *graph_name, int64_t opset);
void ap_proto_release(ap_proto *b);
/* A text of the builder's; NULL when memory is out. */
char *ap_proto_text(ap_proto *b, const char *format, ...) AP_PRINTF(2, 3);

/* A node with one output, named as the node. inputs: texts that live as long as the builder. NULL when
 * memory is out (the functions below then do nothing). */
Onnx__NodeProto *ap_proto_node(ap_proto *b, const char *op, const char *name, char *const *inputs,
                               size_t n_inputs);
void ap_proto_int(ap_proto *b, Onnx__NodeProto *node, const char *name, int64_t value);
void ap_proto_float(ap_proto *b, Onnx__NodeProto *node, const char *name, float value);
void ap_proto_ints(ap_proto *b, Onnx__NodeProto *node, const char *name, const size_t *values,
                   size_t n);
/* Initialisers. The floats are not copied. */
void ap_proto_floats(ap_proto *b, char *name, const size_t *dims, size_t n_dims, float *values);
void ap_proto_number(ap_proto *b, char *name, float value);          /* a scalar */
void ap_proto_equal(ap_proto *b, char *name, size_t n, float value); /* n times the same */
void ap_proto_indices(ap_proto *b, char *name, const int64_t *values, size_t n);
/* An image or a vector of floats with an open batch. */
void ap_proto_input(ap_proto *b, const char *name, const size_t *dims, size_t n_dims);
void ap_proto_output(ap_proto *b, const char *name, const size_t *dims, size_t n_dims);
void ap_proto_property(ap_proto *b, const char *key, const char *value);

AP_EXTERN_C_END
#endif
