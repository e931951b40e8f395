"""Graphs for tests/nn/onnx_runtime.py: small classifiers as PyTorch, TensorFlow and Keras export them.

Every case is a function of a Graph that returns nothing and leaves graph.x at the logits. Weights are
random, scaled by fan-in, so that logits stay near 1. The image is 3 x 32 x 32 unless the case says so.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self, seed, opset=13, shape=("N", 3, 32, 32), typed=False):
        self.rng = np.random.default_rng(seed)
        self.opset, self.shape, self.typed = opset, shape, typed
        self.nodes, self.inits, self.count = [], [], 0
        self.x, self.probabilities = "image", False

    def name(self, base):
        self.count += 1
        return f"{base}_{self.count}"

    def const(self, array, name=None):
        """An initialiser; as raw bytes, or in the typed field of the tensor."""
        array = np.asarray(array)
        name = name or self.name("w")
        if self.typed:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype) if hasattr(
                helper, "np_dtype_to_tensor_dtype") else {"float32": 1, "int64": 7}[str(array.dtype)]
            self.inits.append(helper.make_tensor(name, kind, array.shape, array.flatten().tolist()))
        else:
            self.inits.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def op(self, op, *inputs, **attributes):
        out = self.name(op)
        self.nodes.append(helper.make_node(op, list(inputs), [out], name="/" + out, **attributes))
        return out

    def normal(self, *shape, fan=None):
        fan = fan or int(np.prod(shape[1:])) or 1
        return self.rng.normal(0, 1 / np.sqrt(fan), shape).astype(np.float32)

    def conv(self, c_in, c_out, k=3, groups=1, bias=True, **attributes):
        kh, kw = (k, k) if isinstance(k, int) else k
        inputs = [self.x, self.const(self.normal(c_out, c_in // groups, kh, kw))]
        if bias:
            inputs.append(self.const(self.normal(c_out)))
        if groups != 1:
            attributes["group"] = groups
        self.x = self.op("Conv", *inputs, **attributes)

    def norm(self, c):
        values = [self.rng.uniform(0.5, 1.5, c), self.rng.normal(0, 0.3, c),
                  self.rng.normal(0, 0.3, c), self.rng.uniform(0.3, 2, c)]
        names = [self.const(v.astype(np.float32)) for v in values]
        self.x = self.op("BatchNormalization", self.x, *names, epsilon=1e-3)

    def relu(self):
        self.x = self.op("Relu", self.x)

    def relu6(self):
        if self.opset < 11:
            self.x = self.op("Clip", self.x, min=0.0, max=6.0)
        else:
            self.x = self.op("Clip", self.x, self.const(np.float32(0)), self.const(np.float32(6)))

    def gemm(self, c_in, c_out=10, trans=1, **attributes):
        w = self.normal(c_out, c_in)
        self.x = self.op("Gemm", self.x, self.const(w if trans else w.T.copy()),
                         self.const(self.normal(c_out)), transB=trans, **attributes)

    def squeeze(self, x, *axes):
        if self.opset < 13:
            return self.op("Squeeze", x, axes=list(axes))
        return self.op("Squeeze", x, self.ints(*axes))

    def unsqueeze(self, x, *axes):
        if self.opset < 13:
            return self.op("Unsqueeze", x, axes=list(axes))
        return self.op("Unsqueeze", x, self.ints(*axes))

    def slice(self, x, starts, ends, axes, steps=None):
        if self.opset < 10:
            return self.op("Slice", x, starts=starts, ends=ends, axes=axes)
        inputs = [x, self.ints(*starts), self.ints(*ends), self.ints(*axes)]
        if steps:
            inputs.append(self.ints(*steps))
        return self.op("Slice", *inputs)

    def split(self, x, axis, *sizes):
        """In parts of the given sizes; by their number where the opset has that and they are equal."""
        outs = [self.name("Split") for _ in sizes]
        inputs, attributes = [x], {"axis": axis}
        if self.opset < 13:
            attributes["split"] = list(sizes)
        elif self.opset >= 18 and min(sizes) == max(sizes):
            attributes["num_outputs"] = len(sizes)
        else:
            inputs.append(self.ints(*sizes))
        self.nodes.append(helper.make_node("Split", inputs, outs, name="/" + outs[0], **attributes))
        return outs

    def clip(self, x, lo, hi):
        if self.opset < 11:
            return self.op("Clip", x, min=lo, max=hi)
        return self.op("Clip", x, self.const(np.float32(lo)), self.const(np.float32(hi)))

    def pad(self, x, pads, **attributes):
        if self.opset < 11:
            return self.op("Pad", x, pads=pads, **attributes)
        return self.op("Pad", x, self.ints(*pads), **attributes)

    def mean(self, x, axes, keepdims):
        if self.opset < 18:
            return self.op("ReduceMean", x, axes=axes, keepdims=keepdims)
        return self.op("ReduceMean", x, self.ints(*axes), keepdims=keepdims)

    def transpose(self, *perm):
        self.x = self.op("Transpose", self.x, perm=list(perm))

    def model(self):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shape)
        logits = helper.make_tensor_value_info(self.x, TensorProto.FLOAT, (self.shape[0], 10))
        graph = helper.make_graph(self.nodes, "case", [image], [logits], self.inits)
        return helper.make_model(graph, producer_name="onnx_cases", ir_version=7,
                                 opset_imports=[helper.make_opsetid("", self.opset)])


def head(g, c):
    g.x = g.op("GlobalAveragePool", g.x)
    g.x = g.op("Flatten", g.x)
    g.gemm(c)


def torch_lenet(g):
    g.conv(3, 6, 5)
    g.relu()
    g.x = g.op("MaxPool", g.x, kernel_shape=[2, 2], strides=[2, 2])
    g.conv(6, 8, (3, 5), strides=[2, 1], pads=[1, 2, 0, 1])
    g.relu()
    g.x = g.op("Flatten", g.x, axis=1)
    g.gemm(8 * 7 * 13, 20, alpha=0.5, beta=2.0)
    g.norm(20)
    g.relu()
    g.gemm(20, trans=0)


def dynamic_view(g):
    """x.view(x.size(0), -1) as PyTorch traces it."""
    g.conv(3, 4, 3, strides=[2, 2])
    g.norm(4)
    g.relu6()
    size = g.op("Gather", g.op("Shape", g.x), g.const(np.int64(0)), axis=0)
    shape = g.op("Concat", g.unsqueeze(size, 0), g.ints(-1), axis=0)
    g.x = g.op("Reshape", g.x, shape)
    g.gemm(4 * 15 * 15)


def residual(g):
    g.conv(3, 8, 3, pads=[1, 1, 1, 1], bias=False)
    g.norm(8)
    g.relu()
    start = g.x
    g.conv(8, 16, 3, strides=[2, 2], pads=[1, 1, 1, 1], bias=False)
    g.norm(16)
    main = g.x
    g.x = start
    g.conv(8, 16, 1, strides=[2, 2])
    g.x = g.op("Add", main, g.x)
    g.relu()
    g.x = g.op("Add", g.x, g.x)
    g.x = g.op("Identity", g.x)
    head(g, 16)


def option_a(g):
    """F.pad(x[:, :, ::2, ::2], ...), the amounts worked out by a chain of constants."""
    g.conv(3, 4, 3, pads=[1, 1, 1, 1])
    g.relu()
    start = g.x
    g.conv(4, 9, 3, strides=[2, 2], pads=[1, 1, 1, 1])
    main, far = g.x, 2**63 - 1
    cut = g.slice(start, [0], [far], [2], [2])
    cut = g.slice(cut, [0], [far], [3], [2])
    zeros = g.op("ConstantOfShape", g.ints(2),
                 value=helper.make_tensor("v", TensorProto.INT64, [1], [0]))
    pads = g.op("Concat", g.ints(0, 0, 0, 0, 3, 2), zeros, axis=0)
    pads = g.slice(g.op("Reshape", pads, g.ints(-1, 2)), [-1], [-(2**63) + 1], [0], [-1])
    pads = g.op("Reshape", g.op("Transpose", pads, perm=[1, 0]), g.ints(-1))
    # rows (0 0) (0 0) (3 2) (0 0) from last to first: the channels are the third pair from the end
    g.x = g.op("Pad", cut, g.op("Cast", pads, to=TensorProto.INT64), mode="constant")
    g.x = g.op("Add", main, g.x)
    g.relu()
    head(g, 9)


def zeros_joined(g):
    g.conv(3, 4, 3, pads=[1, 1, 1, 1])
    before = g.const(np.zeros((1, 2, 32, 32), np.float32))
    g.x = g.op("Concat", before, g.x, g.const(np.zeros((1, 1, 32, 32), np.float32)), axis=1)
    g.relu()
    head(g, 7)


def folded_norms(g):
    c = 6
    g.conv(3, c, 3, bias=False)
    g.x = g.op("Mul", g.x, g.const(g.rng.uniform(0.5, 2, (1, c, 1, 1)).astype(np.float32)))
    g.x = g.op("Add", g.x, g.const(g.normal(c, 1, 1)))
    g.relu()
    g.x = g.op("Sub", g.const(np.float32(0.25)), g.x)
    g.x = g.op("Div", g.x, g.const(np.array([2.0], np.float32)))
    g.x = g.op("Sub", g.x, g.const(g.normal(1, c, 1, 1)))
    g.conv(c, 8, 3, strides=[2, 2])
    g.x = g.op("Add", g.const(g.normal(8, 1, 1)), g.x)
    g.relu()
    g.x = g.op("Mul", g.x, g.const(np.float32(1.5)))
    twice = g.x
    g.x = g.op("Add", g.x, g.const(g.normal(1, 8, 1, 1)))
    g.x = g.op("Add", g.x, twice)
    head(g, 8)


def input_scaled(g):
    """Normalisation inside of the network."""
    g.x = g.op("Sub", g.x, g.const(np.array([0.4, 0.5, 0.6], np.float32).reshape(1, 3, 1, 1)))
    g.x = g.op("Div", g.x, g.const(np.array([0.2, 0.3, 0.25], np.float32).reshape(3, 1, 1)))
    g.conv(3, 5, 3, pads=[1, 1, 1, 1])
    g.relu()
    head(g, 5)


def mobile(g):
    g.conv(3, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1], bias=False)
    g.norm(8)
    g.relu6()
    start = g.x
    g.conv(8, 16, 1)
    g.relu6()
    g.conv(16, 16, 3, groups=16, pads=[1, 1, 1, 1])
    g.relu6()
    g.conv(16, 8, 1)
    g.x = g.op("Add", start, g.x)
    g.conv(8, 12, 3, groups=4, strides=[2, 2], pads=[1, 1, 1, 1])
    g.relu()
    g.x = g.mean(g.x, [2, 3], 0)
    if g.opset >= 12:
        g.x = g.op("Dropout", g.x, g.const(np.float32(0.2)))
    else:
        g.x = g.op("Dropout", g.x, ratio=0.2)
    g.gemm(12)


def pools(g):
    g.conv(3, 6, 3, pads=[1, 1, 1, 1])
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    if g.opset >= 10:
        g.x = g.op("MaxPool", g.x, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)
        g.x = g.op("AveragePool", g.x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    g.x = g.op("AveragePool", g.x, kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 0],
               count_include_pad=1)
    g.x = g.op("AveragePool", g.x, kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    g.x = g.op("AveragePool", g.x, kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[1, 1])
    g.relu()
    g.x = g.op("GlobalMaxPool", g.x)
    g.x = g.op("Reshape", g.x, g.ints(-1, 6))
    g.gemm(6)


def same_pads(g):
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        for k, s in ((3, 2), (2, 1), (4, 3), (1, 2)):
            c = 3 if g.x == "image" else 4
            g.conv(c, 4, k, auto_pad=mode, strides=[s, 1])
    g.conv(4, 4, 1, auto_pad="VALID")
    g.x = g.op("Flatten", g.x)
    g.gemm(4 * 32)


def tf_like(g):
    """tf2onnx: an NHWC image, transposes around what wants NCHW, MatMul + Add, Softmax."""
    g.transpose(0, 3, 1, 2)
    g.conv(3, 6, 3, auto_pad="SAME_UPPER", strides=[2, 2], bias=False)
    g.transpose(0, 2, 3, 1)
    g.x = g.op("Add", g.x, g.const(g.normal(6)))
    g.relu()
    g.x = g.op("Mul", g.x, g.const(g.rng.uniform(0.5, 2, 6).astype(np.float32)))
    g.transpose(0, 3, 1, 2)
    g.x = g.op("MaxPool", g.x, kernel_shape=[2, 2], strides=[2, 2])
    g.transpose(0, 2, 3, 1)
    g.x = g.op("Reshape", g.x, g.ints(-1, 8 * 8 * 6))
    g.x = g.op("MatMul", g.x, g.const(g.normal(8 * 8 * 6, 20, fan=384)))
    g.x = g.op("Add", g.x, g.const(g.normal(20)))
    g.relu()
    g.x = g.op("MatMul", g.x, g.const(g.normal(20, 10, fan=20)))
    g.x = g.op("Add", g.const(g.normal(10)), g.x)
    g.x = g.op("Softmax", g.x, axis=-1 if g.opset >= 13 else 1)
    g.probabilities = True


def keras_pads(g):
    """ZeroPadding2D in front of Conv2D, MaxPool and AveragePool."""
    g.x = g.pad(g.x, [0, 1, 2, 0, 0, 1, 1, 0])
    g.transpose(0, 3, 1, 2)
    g.conv(3, 6, 4, strides=[2, 2], pads=[1, 0, 0, 1])
    g.relu()
    g.x = g.pad(g.x, [0, 0, 1, 1, 0, 0, 1, 1])
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3], strides=[2, 2])
    g.x = g.pad(g.x, [0, 0, 0, 1, 0, 0, 1, 0])
    g.x = g.op("AveragePool", g.x, kernel_shape=[2, 2], strides=[2, 2])
    g.transpose(0, 2, 3, 1)
    g.x = g.mean(g.x, [1, 2], 1)
    g.x = g.squeeze(g.x, 1, 2)
    g.gemm(6)


def zeros_of_their_own(g):
    """Zeros in front of what cannot take them as its padding: a MaxPool of values of both signs (ResNetV2 of
    Keras), an AveragePool with padding that does not count, one that rounds up, an
    addition, a slice."""
    g.x = g.pad(g.x, [0, 0, 3, 2, 0, 0, 3, 4])
    g.conv(3, 6, 5, strides=[2, 2])
    g.x = g.pad(g.x, [0, 0, 1, 1, 0, 0, 1, 1])
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3], strides=[2, 2])
    g.norm(6)
    stem = g.x
    padded = g.pad(stem, [0, 0, 2, 0, 0, 0, 0, 1])
    g.x = g.op("AveragePool", padded, kernel_shape=[3, 2], pads=[1, 1, 0, 0])
    g.conv(6, 6, (3, 2), pads=[1, 0, 2, 1])
    g.x = g.op("Add", g.x, padded)
    g.x = g.pad(g.x, [0, 0, 1, 1, 0, 0, 0, 0])
    g.x = g.slice(g.x, [0, 0], [2**31 - 1, 2**31 - 1], [2, 3], [2, 2])
    g.x = g.pad(g.x, [0, 0, 0, 1, 0, 0, 1, 0])
    g.x = g.op("AveragePool", g.x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    head(g, 6)


def channels_last_dense(g):
    """A Dense layer on every pixel, an addition of two NHWC branches, a join of flat features."""
    g.x = g.op("MatMul", g.x, g.const(g.normal(3, 5, fan=3)))
    g.x = g.op("Add", g.x, g.const(g.normal(5)))
    g.relu()
    left = g.op("MatMul", g.x, g.const(g.normal(5, 5, fan=5)))
    g.x = g.op("Add", left, g.x)
    a = g.mean(g.x, [1, 2], 0)
    g.transpose(0, 3, 1, 2)
    b = g.op("Flatten", g.op("GlobalMaxPool", g.x))
    g.x = g.op("Concat", a, b, axis=-1)
    g.x = g.unsqueeze(g.unsqueeze(g.x, 2), 3)
    g.conv(10, 10, 1)
    g.x = g.op("Flatten", g.x, axis=-3)


def inception(g):
    g.conv(3, 6, 3, pads=[1, 1, 1, 1])
    start, branches = g.x, []
    for c, k in ((2, 1), (3, 3), (4, 5)):
        g.x = start
        g.conv(6, c, k, pads=[k // 2] * 4)
        branches.append(g.x)
    g.x = start
    g.x = g.op("AveragePool", g.x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    branches.append(g.x)
    g.x = g.op("Concat", *branches, axis=1)
    g.relu()
    g.conv(15, 4, 3, strides=[4, 4])
    g.x = g.op("Reshape", g.x, g.ints(0, -1))
    g.x = g.op("BatchNormalization", g.x, *[g.const(v.astype(np.float32)) for v in (
        g.rng.uniform(0.5, 1.5, 256), g.rng.normal(0, 0.3, 256), g.rng.normal(0, 0.3, 256),
        g.rng.uniform(0.5, 1.5, 256))])
    g.x = g.op("Add", g.x, g.const(g.normal(256)))
    g.gemm(256)


def half_weights(g):
    """float16 and double initialisers behind Cast, a weight that is computed from constants."""
    w = g.normal(6, 3, 3, 3)
    g.x = g.op("Conv", g.x, g.op("Cast", g.const(w.astype(np.float16)), to=TensorProto.FLOAT))
    g.relu()
    g.x = g.op("Flatten", g.op("GlobalAveragePool", g.x))
    w = g.op("Cast", g.const(g.normal(10, 6).astype(np.float64)), to=TensorProto.FLOAT)
    w = g.op("Transpose", g.op("Mul", w, g.const(np.float32(3))), perm=[1, 0])
    g.x = g.op("MatMul", g.x, w)


def arithmetic_shape(g):
    """The size of the flat image from its shape: ReduceProd, Slice, Div, Mul, Range, Where."""
    g.conv(3, 4, 3, strides=[2, 2], pads=[1, 1, 1, 1])
    g.relu()
    shape = g.op("Shape", g.x)
    sides = g.slice(shape, [1], [4], [0])
    total = g.op("ReduceProd", sides, keepdims=1)
    total = g.op("Div", g.op("Mul", total, g.ints(6)), g.ints(6))
    numbers = g.op("Range", g.const(np.int64(0)), g.const(np.int64(3)), g.const(np.int64(1)))
    one = g.op("Gather", numbers, g.ints(1), axis=0)
    total = g.op("Where", g.op("Equal", one, g.ints(1)), total, g.ints(7))
    batch = g.op("Gather", shape, g.ints(0), axis=0)
    g.x = g.op("Reshape", g.x, g.op("Concat", batch, total, axis=0))
    g.gemm(4 * 16 * 16)


def fixed_batch(g):
    """The batch is written into a shape."""
    g.conv(3, 4, 3, strides=[3, 3])
    g.relu()
    g.x = g.op("Reshape", g.x, g.ints(4, -1))
    g.gemm(4 * 10 * 10)


def several_forms(g):
    """Relu as Max, ReLU6 as Min behind it, Sum, means of one axis after the other."""
    g.conv(3, 6, 3, pads=[1, 1, 1, 1])
    g.x = g.op("Max", g.x, g.const(np.float32(0)))
    start, branches = g.x, []
    for k in (1, 3):
        g.x = start
        g.conv(6, 6, k, pads=[k // 2] * 4)
        branches.append(g.x)
    g.x = g.op("Sum", start, *branches)
    g.relu()
    g.x = g.op("Min", g.const(np.array([1.0], np.float32)), g.x)
    left = g.mean(g.mean(g.x, [3], 0), [2], 0)
    right = g.op("ReduceMax", g.x, axes=[-1, -2], keepdims=0)
    g.x = g.op("Concat", left, right, axis=1)
    g.gemm(12)


def softmax_inside(g):
    """A Softmax on [N, C, 1, 1], and a shape behind it that is worked out."""
    g.conv(3, 10, 3)
    g.relu()
    g.x = g.op("Softmax", g.op("GlobalAveragePool", g.x), axis=1)
    g.x = g.op("Identity", g.squeeze(g.x, 2, 3))
    g.probabilities = True


def pads_of_pools(g):
    """Zeros behind Relu and a pool, minus infinity, means whose last window stands over the end."""
    far = -np.inf
    g.conv(3, 6, 3)
    pads = [0, 0, 1, 0, 0, 0, 1, 2]
    if g.opset < 11:
        g.x = g.op("Pad", g.x, pads=pads, value=far)
    else:
        g.x = g.op("Pad", g.x, g.ints(*pads), g.const(np.float32(far)))
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3])
    g.relu()
    g.x = g.op("MaxPool", g.x, kernel_shape=[2, 2], strides=[2, 1])
    if g.opset < 18:
        g.x = g.pad(g.x, [0, 0, 1, 2, 0, 0, 0, 1])
    else:
        g.x = g.op("Pad", g.x, g.ints(2, 1, 1, 0), "", g.ints(-1, 2))
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3], strides=[2, 2])
    if g.opset >= 10:
        g.x = g.op("AveragePool", g.x, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1,
                   count_include_pad=1)
    head(g, 6)


def normed_weights(g):
    """Weights divided by their norm, and weights of mean 0 and variance 1, at inference; a mean image whose
    pixels are all the same."""
    g.x = g.op("Sub", g.x, g.const(np.full((1, 3, 32, 32), 0.25, np.float32)))
    v = g.const(g.normal(6, 3, 3, 3))
    norm = g.op("ReduceL2", g.op("Reshape", v, g.ints(6, -1)), axes=[1], keepdims=1)
    g.x = g.op("Conv", g.x, g.op("Div", v, g.op("Reshape", norm, g.ints(6, 1, 1, 1))))
    g.relu()
    v = g.const(g.normal(8, 6, 3, 3))
    v = g.op("Sub", v, g.op("ReduceMean", v, axes=[1, 2, 3], keepdims=1))
    square = g.op("ReduceMean", g.op("Mul", v, v), axes=[1, 2, 3], keepdims=1)
    square = g.op("Mul", square, g.const(np.float32(54)))
    g.x = g.op("Conv", g.x, g.op("Div", v, g.op("Sqrt", square)), dilations=[1, 1])
    g.conv(8, 8, 1, dilations=[2, 2])
    head(g, 8)


def dilated(g):
    """Kernels whose taps stand apart: uneven, with strides, groups."""
    g.conv(3, 8, 3, dilations=[2, 2], pads=[2, 2, 2, 2])
    g.relu()
    g.conv(8, 8, (3, 2), groups=8, dilations=[3, 5], strides=[2, 1], pads=[1, 0, 4, 2])
    g.conv(8, 6, 3, groups=2, dilations=[1, 2], pads=[1, 2, 1, 2])
    g.relu()
    g.conv(6, 5, 2, dilations=[4, 1])
    head(g, 5)


def side_branch(g):
    """A layer of which only the shape is used."""
    g.conv(3, 10, 3, strides=[2, 2])
    g.x = g.op("GlobalAveragePool", g.x)
    size = g.op("Gather", g.op("Shape", g.op("Relu", g.x)), g.const(np.int64(0)), axis=0)
    shape = g.op("Concat", g.unsqueeze(size, 0), g.ints(-1), axis=0)
    g.x = g.op("Reshape", g.x, shape)


def squeeze_excite(g):
    """Gates of channels: of 1 x 1 convolutions, and of Gemm between a view and its return, repeated or not."""
    g.conv(3, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1])
    g.relu()
    for form in range(3):
        start = g.x
        g.x = g.op("GlobalAveragePool", start) if form else g.mean(start, [2, 3], 1)
        if form == 0:
            g.conv(8, 4, 1)
            g.relu()
            g.conv(4, 8, 1)
            gate = g.op("HardSigmoid", g.x, alpha=1 / 6)
            g.x = g.op("Mul", gate, start)
            continue
        g.x = g.op("Reshape", g.x, g.ints(-1, 8)) if form == 1 else g.op("Flatten", g.x)
        g.gemm(8, 5)
        g.relu()
        g.gemm(5, 8)
        gate = g.op("Sigmoid", g.x)
        if form == 1:
            gate = g.op("Reshape", gate, g.ints(-1, 8, 1, 1))
        else:
            gate = g.op("Expand", g.unsqueeze(gate, 2, 3), g.op("Shape", start))
        g.x = g.op("Mul", start, gate)
        g.conv(8, 8, 3, pads=[1, 1, 1, 1])
    head(g, 8)


def swish(g):
    """SiLU; HardSwish as one node and as several; the product of two layers, of flat features."""
    g.conv(3, 8, 3, strides=[2, 2])
    g.norm(8)
    g.x = g.op("Mul", g.x, g.op("Sigmoid", g.x))
    g.conv(8, 8, 3, strides=[2, 2])
    g.norm(8)
    three = g.const(np.float32(3))
    six = g.clip(g.op("Add", g.x, three), 0.0, 6.0)
    g.x = g.op("Div", g.op("Mul", g.x, six), g.const(np.float32(6)))
    g.conv(8, 8, 1)
    if g.opset >= 14:
        g.x = g.op("HardSwish", g.x)
    left = g.x
    g.conv(8, 8, 3, pads=[1, 1, 1, 1])
    g.x = g.op("Mul", left, g.op("HardSigmoid", g.x))
    flat = g.op("Flatten", g.x)
    g.x = g.op("Reshape", g.op("Relu", g.x), g.ints(0, -1))
    g.x = g.op("Mul", flat, g.op("Sigmoid", g.x))
    g.gemm(8 * 7 * 7)


def slopes(g):
    """LeakyRelu, PRelu of one slope and of one a channel, Tanh, Sigmoid, bounds on either side of 0."""
    g.conv(3, 6, 5)
    g.x = g.op("LeakyRelu", g.x, alpha=0.1)
    g.norm(6)
    g.x = g.op("LeakyRelu", g.x)
    g.conv(6, 6, 3, strides=[2, 2])
    g.x = g.op("PRelu", g.x, g.const(g.normal(6, 1, 1, fan=1)))
    g.x = g.op("PRelu", g.x, g.const(np.array([0.25], np.float32)))
    g.norm(6)
    g.x = g.op("Tanh", g.x)
    g.conv(6, 8, 3, strides=[2, 2])
    g.x = g.op("Sigmoid", g.x)
    g.norm(8)
    g.x = g.clip(g.x, -1.0, 0.75)
    g.x = g.op("Flatten", g.op("GlobalMaxPool", g.x))
    g.gemm(8, 12)
    g.x = g.op("Tanh", g.x)
    g.gemm(12)


def curves(g):
    """GELU by Erf and by Tanh, as one node; ELU and its relatives; Mish; differences, powers, an upper bound alone."""
    half, one = g.const(np.float32(0.5)), g.const(np.float32(1))
    g.conv(3, 8, 3, strides=[2, 2])
    g.norm(8)
    erf = g.op("Erf", g.op("Div", g.x, g.const(np.float32(np.sqrt(2)))))
    g.x = g.op("Mul", g.op("Mul", g.x, g.op("Add", erf, one)), half)
    g.conv(8, 8, 3, groups=8, pads=[1, 1, 1, 1])
    inner = g.op("Mul", g.op("Pow", g.x, g.const(np.float32(3))), g.const(np.float32(0.044715)))
    inner = g.op("Mul", g.op("Add", g.x, inner), g.const(np.float32(np.sqrt(2 / np.pi))))
    g.x = g.op("Mul", g.op("Mul", half, g.x), g.op("Add", one, g.op("Tanh", inner)))
    if g.opset >= 20:
        g.x = g.op("Gelu", g.op("Gelu", g.x), approximate="tanh")
    g.norm(8)
    g.x = g.op("Elu", g.x, alpha=0.7)
    g.conv(8, 8, 1)
    g.x = g.op("Selu", g.x)
    g.norm(8)
    g.x = g.op("Celu", g.x, alpha=1.5)
    g.conv(8, 8, 3, strides=[2, 2])
    g.x = g.op("Mul", g.x, g.op("Tanh", g.op("Softplus", g.x)))
    if g.opset >= 18:
        g.x = g.op("Mish", g.x)
    left = g.x
    g.conv(8, 8, 3, pads=[1, 1, 1, 1])
    g.x = g.op("Sub", left, g.x)
    g.x = g.op("Min", g.x, g.const(np.float32(0.75)))
    g.x = g.op("Add", g.op("Neg", g.x), g.op("Exp", g.op("Min", g.x, g.const(np.float32(0)))))
    g.x = g.op("Erf", g.op("Flatten", g.op("GlobalAveragePool", g.x)))
    g.gemm(8)


def local_norms(g):
    """LRN as in AlexNet and in Inception: windows of three sizes, behind ReLU and pools, and of signed values."""
    g.conv(3, 12, 5, strides=[2, 2], pads=[2, 2, 2, 2])
    g.x = g.op("Relu", g.x)
    g.x = g.op("LRN", g.x, size=5, alpha=0.02, beta=0.75, bias=2.0)
    g.x = g.op("MaxPool", g.x, kernel_shape=[3, 3], strides=[2, 2])
    g.conv(12, 16, 3, groups=2, pads=[1, 1, 1, 1])
    g.x = g.op("LRN", g.x, size=7, alpha=0.5)
    left = g.x
    g.conv(16, 16, 1)
    g.x = g.op("Add", left, g.op("LRN", g.x, size=3, beta=1.0, alpha=1.5))
    g.x = g.op("Flatten", g.op("GlobalAveragePool", g.x))
    g.gemm(16)


def instance_norm(g, groups, c, h, w, affine=True):
    """PyTorch's GroupNorm: groups by a Reshape, then a scale and a shift for each channel."""
    x = g.op("Reshape", g.x, g.ints(0, groups, -1))
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    x = g.op("InstanceNormalization", x, g.const(ones), g.const(zeros), epsilon=1e-4)
    g.x = g.op("Reshape", x, g.ints(-1, c, h, w))
    if affine:
        g.x = g.op("Mul", g.x, g.const(g.normal(c, 1, 1) + np.float32(1)))
        g.x = g.op("Add", g.x, g.const(g.normal(c, 1, 1)))


def own_norms(g):
    """Group and instance normalisation, and those of all channels: as layers of their own and through a Reshape."""
    g.conv(3, 12, 3, strides=[2, 2], pads=[1, 1, 1, 1])
    instance_norm(g, 4, 12, 16, 16)
    g.relu()
    left = g.x
    g.conv(12, 12, 3, pads=[1, 1, 1, 1])
    g.x = g.op("InstanceNormalization", g.x, g.const(g.normal(12)), g.const(g.normal(12)))
    g.x = g.op("Add", g.x, left)
    instance_norm(g, 1, 12, 16, 16, affine=False)
    g.relu()
    instance_norm(g, 12, 12, 16, 16)
    if g.opset >= 18:
        n = 12 if g.opset >= 21 else 3
        g.x = g.op("GroupNormalization", g.x, g.const(g.normal(n)), g.const(g.normal(n)), num_groups=3)
    head(g, 12)


def layer_norms(g):
    """A ConvNeXt: normalised over channels, with Transposes around; over pixels, over all, over features."""
    g.conv(3, 12, 4, strides=[4, 4])
    for scaled in (True, False):
        left = g.x
        g.conv(12, 12, 7, groups=12, pads=[3, 3, 3, 3])
        g.transpose(0, 2, 3, 1)
        more = [g.const(g.normal(12))] if scaled else []
        g.x = g.op("LayerNormalization", g.x, g.const(g.normal(12) + np.float32(1)), *more, epsilon=1e-6)
        g.x = g.op("Add", g.op("MatMul", g.x, g.const(g.normal(12, 24))), g.const(g.normal(24)))
        g.relu()
        g.x = g.op("MatMul", g.x, g.const(g.normal(24, 12)))
        g.x = g.op("Mul", g.x, g.const(g.normal(12)))
        g.transpose(0, 3, 1, 2)
        g.x = g.op("Add", left, g.x)
    one = g.const(np.ones((8, 8), np.float32))
    g.x = g.op("LayerNormalization", g.x, one, axis=2)
    scale = np.broadcast_to(g.normal(12, 1, 1) + np.float32(1), (12, 8, 8))
    g.x = g.op("LayerNormalization", g.x, g.const(scale.copy()), axis=-3, epsilon=1e-3)
    g.x = g.op("LayerNormalization", g.op("Flatten", g.x), g.const(g.normal(768)), g.const(g.normal(768)))
    g.gemm(768, 16)
    g.x = g.op("LayerNormalization", g.x, g.const(g.normal(16)), g.const(g.normal(16)), axis=1)
    g.gemm(16)


def written_out(g):
    """As PyTorch's exporters write Softplus and Softsign, maxima of two images, sums over pixels."""
    g.conv(3, 8, 3, strides=[2, 2])
    above = g.op("Greater", g.x, g.const(np.float32(20)))
    g.x = g.op("Where", above, g.x, g.op("Softplus", g.x))
    left = g.x
    g.conv(8, 8, 3, pads=[1, 1, 1, 1])
    g.x = g.op("Max", left, g.op("Mul", g.x, g.const(np.float32(1.5))))
    g.conv(8, 8, 1)
    g.x = g.op("Div", g.x, g.op("Add", g.op("Abs", g.x), g.const(np.float32(1))))
    zero = g.op("CastLike", g.const(np.int64([0])), g.x) if g.opset >= 15 else g.const(np.float32([0]))
    g.x = g.op("Add", g.x, zero)
    left = g.x
    g.conv(8, 8, 1)
    g.x = g.op("Min", g.x, left)
    axes = {} if g.opset >= 13 else {"axes": [2, 3]}
    inputs = [g.ints(2, 3)] if g.opset >= 13 else []
    g.x = g.op("ReduceSum", g.x, *inputs, keepdims=0, **axes)
    g.x = g.op("Mul", g.x, g.const(np.float32(1 / 225)))
    g.gemm(8)


def shuffles(g):
    """Channels in groups, swapped: in five dimensions, in four, by sizes worked out; then halves of it."""
    g.conv(3, 12, 3, strides=[2, 2])
    g.relu()
    g.x = g.op("Reshape", g.x, g.ints(-1, 3, 4, 15, 15))
    g.transpose(0, 2, 1, 3, 4)
    g.x = g.op("Reshape", g.x, g.ints(0, -1, 15, 15))
    g.conv(12, 12, 3, groups=4, pads=[1, 1, 1, 1])
    start = g.x
    batch = g.op("Gather", g.op("Shape", g.x), g.const(np.int64(0)), axis=0)
    shape = g.op("Concat", g.unsqueeze(batch, 0), g.ints(2, 6, 225), axis=0)
    g.x = g.op("Reshape", g.x, shape)
    g.transpose(0, 2, 1, 3)
    g.x = g.op("Reshape", g.x, g.op("Shape", start))
    left, right = g.split(g.x, 1, 6, 6)
    g.x = right
    g.conv(6, 6, 1)
    g.relu()
    g.x = g.op("Concat", left, g.x, right, axis=1)
    g.x = g.op("Reshape", g.x, g.ints(-1, 2, 9, 15, 15))
    g.transpose(0, 2, 1, 3, 4)
    left = g.op("Gather", g.x, g.const(np.int64(1)), axis=2)
    right = g.op("Gather", g.x, g.const(np.int64(-2)), axis=2)
    g.x = g.op("Sub", g.op("Neg", g.const(np.float32(0))), g.op("Add", left, right))
    head(g, 9)


def channels_of(g):
    """Slice, Split and Gather along the channels, one of the other, with strides and padding, and of features."""
    g.conv(3, 12, 3, strides=[2, 2])
    a, b, c = g.split(g.x, 1, 5, 5, 2)
    g.x = g.op("Concat", g.op("Add", a, b), c, g.slice(g.x, [2], [2**31 - 1], [1]), axis=1)
    g.relu()
    g.conv(17, 12, 1)
    if g.opset >= 10:
        g.x = g.slice(g.x, [10, 0], [-(2**31), 2**31 - 1], [1, 3], [-3, 2])
    else:
        g.x = g.op("Gather", g.x, g.ints(10, 7, 4, 1), axis=1)
    g.x = g.pad(g.x, [0, 1, 1, 1, 0, 2, 1, 1])
    g.x = g.op("Gather", g.x, g.ints(3, -1, 0, 4, 4, 2), axis=1)
    g.conv(6, 9, 3)
    g.x = g.pad(g.x, [0, 0, 1, 1, 0, 0, 0, 0])
    g.x = g.slice(g.x, [1], [-1], [-3])
    g.relu()
    g.x = g.op("Flatten", g.op("GlobalAveragePool", g.x))
    g.x = g.op("Gather", g.x, g.ints(6, 5, 4, 3, 2, 1, 0), axis=-1)
    left, right, _ = g.split(g.x, -1, 3, 3, 1)
    g.x = g.op("Concat", right, left, axis=1)
    g.gemm(6, 12)
    g.x = g.slice(g.x, [1], [11], [1])


def channels_last_gates(g):
    """Squeeze-and-excitation, a shuffle and a part of the channels, all NHWC."""
    g.transpose(0, 3, 1, 2)
    g.conv(3, 12, 3, strides=[2, 2])
    g.transpose(0, 2, 3, 1)
    g.x = g.op("Mul", g.op("Sigmoid", g.x), g.x)
    start = g.x
    g.x = g.op("Reshape", g.mean(g.x, [1, 2], 0), g.ints(-1, 1, 1, 12))
    g.x = g.op("MatMul", g.x, g.const(g.normal(12, 12)))
    g.x = g.op("Mul", start, g.op("Sigmoid", g.op("Add", g.x, g.const(g.normal(12)))))
    g.x = g.op("Reshape", g.x, g.ints(-1, 15, 15, 4, 3))
    g.transpose(0, 1, 2, 4, 3)
    g.x = g.op("Reshape", g.x, g.ints(-1, 15, 15, 12))
    left, right = g.split(g.x, 3, 8, 4)
    g.x = g.op("Concat", right, g.op("PRelu", left, g.const(g.normal(8, fan=1))), axis=3)
    g.x = g.mean(g.x, [1, 2], 0)
    g.gemm(12)


NHWC = ("N", 32, 32, 3)
# name -> (function, opsets, shape of the image)
CASES = {
    "torch_lenet": (torch_lenet, (7, 8, 9, 11, 13, 17, 18, 21), None),
    "dynamic_view": (dynamic_view, (9, 10, 11, 12, 13, 17), None),
    "residual": (residual, (7, 9, 13, 14, 15, 17), None),
    "option_a": (option_a, (11, 13, 17), None),
    "zeros_joined": (zeros_joined, (13,), (1, 3, 32, 32)),
    "fixed_batch": (fixed_batch, (13,), (4, 3, 32, 32)),
    "folded_norms": (folded_norms, (9, 13), None),
    "input_scaled": (input_scaled, (13,), None),
    "mobile": (mobile, (9, 12, 17, 18), None),
    "pools": (pools, (9, 10, 13, 17), None),
    "same_pads": (same_pads, (9, 13), None),
    "tf_like": (tf_like, (9, 13), NHWC),
    "keras_pads": (keras_pads, (9, 12, 13), NHWC),
    "zeros_of_their_own": (zeros_of_their_own, (11, 13, 18), None),
    "channels_last_dense": (channels_last_dense, (12, 13, 17, 18), NHWC),
    "inception": (inception, (9, 13), None),
    "half_weights": (half_weights, (13,), None),
    "arithmetic_shape": (arithmetic_shape, (11, 13), None),
    "several_forms": (several_forms, (8, 9, 13, 17), None),
    "softmax_inside": (softmax_inside, (9, 13), None),
    "pads_of_pools": (pads_of_pools, (9, 13, 18), None),
    "normed_weights": (normed_weights, (9, 13), None),
    "squeeze_excite": (squeeze_excite, (9, 13, 18), None),
    "swish": (swish, (9, 13, 14), None),
    "slopes": (slopes, (9, 13, 16), None),
    "curves": (curves, (12, 13, 18, 20), None),
    "local_norms": (local_norms, (9, 13, 18), None),
    "own_norms": (own_norms, (9, 13, 18, 21), None),
    "layer_norms": (layer_norms, (17, 18), None),
    "written_out": (written_out, (9, 13, 18), None),
    "shuffles": (shuffles, (9, 13, 18), None),
    "channels_of": (channels_of, (9, 11, 13, 18), None),
    "channels_last_gates": (channels_last_gates, (9, 13), NHWC),
    "side_branch": (side_branch, (9, 13), None),
    "dilated": (dilated, (9, 18), None),
}


def build(name, opset, seed, typed=False):
    function, _, shape = CASES[name]
    graph = Graph(seed, opset, shape or ("N", 3, 32, 32), typed)
    function(graph)
    return graph
