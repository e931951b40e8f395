#!/usr/bin/env python3
"""Times dense networks in PyTorch and ONNX Runtime beside autoprune-bench, in one run.

The networks are the built-in ones (nn/builtin.c) with random weights, batch normalisation folded; ONNX files
(--onnx) run in ONNX Runtime as they are.
PyTorch: traced, frozen, optimised for inference, channels last. ONNX Runtime: CPU provider, all
optimisations. What is not installed is left out, and named. Results have the form of Google
Benchmark's JSON; with --bench the evaluator's cases are timed in between and the ratios printed.

  baselines.py --networks vgg16,resnet20 --threads 1
  baselines.py --bench build/release/bench/autoprune-bench --out results.json
  baselines.py --bench build/release/bench/autoprune-bench --onnx mobilenet_v2.onnx --clock processor
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time

import numpy as np


class Structure:
    """A network as nodes (operation, inputs, parameters); values are named by node number."""

    def __init__(self, name):
        self.nodes, self.macs, self.rng = [], 0, np.random.default_rng(1)
        self.shape = {0: (3, 32, 32)} if name != "lenet5" else {0: (1, 28, 28)}
        self.nodes.append(("input", [], {}))
        if name == "lenet5":
            self.lenet5()
        elif name == "vgg16":
            self.vgg16()
        else:
            blocks, first, stages, project = {"resnet8": (1, 16, 3, False), "resnet20": (3, 16, 3, False),
                                              "resnet18": (2, 64, 4, True)}[name]
            self.resnet(blocks, first, stages, project)

    def put(self, op, inputs, shape, **parameters):
        self.nodes.append((op, inputs, parameters))
        self.shape[len(self.nodes) - 1] = shape
        return len(self.nodes) - 1

    def conv(self, x, c, k, stride=1, pad=None, relu=True):
        pad = k // 2 if pad is None else pad
        c_in, h, w = self.shape[x]
        h, w = (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1
        weight = self.rng.normal(0, (2 / (c_in * k * k)) ** 0.5, (c, c_in, k, k)).astype(np.float32)
        self.macs += weight.size * h * w
        x = self.put("conv", [x], (c, h, w), weight=weight, bias=np.zeros(c, np.float32), stride=stride, pad=pad)
        return self.put("relu", [x], (c, h, w)) if relu else x

    def linear(self, x, n):
        c = int(np.prod(self.shape[x]))
        weight = self.rng.normal(0, (1 / c) ** 0.5, (n, c)).astype(np.float32)
        self.macs += weight.size
        return self.put("linear", [x], (n,), weight=weight, bias=np.zeros(n, np.float32))

    def maxpool(self, x):
        c, h, w = self.shape[x]
        return self.put("maxpool", [x], (c, h // 2, w // 2))

    def lenet5(self):
        x = self.maxpool(self.conv(0, 20, 5, pad=0))
        x = self.maxpool(self.conv(x, 50, 5, pad=0))
        x = self.linear(x, 500)
        self.linear(self.put("relu", [x], (500,)), 10)

    def vgg16(self):
        x = 0
        for stage in ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3):
            for c in stage:
                x = self.conv(x, c, 3)
            x = self.maxpool(x)
        self.linear(x, 10)

    def resnet(self, blocks, first, stages, project):
        x = self.conv(0, first, 3)
        for s in range(stages):
            for b in range(blocks):
                stride, c = 2 if s and not b else 1, first << s
                y = self.conv(self.conv(x, c, 3, stride), c, 3, relu=False)
                if stride > 1:
                    have = self.shape[x][0]
                    x = (self.conv(x, c, 1, stride, 0, False) if project else
                         self.put("shortcut", [x], self.shape[y], before=(c - have) // 2))
                y = self.put("add", [y, x], self.shape[y])
                x = self.put("relu", [y], self.shape[y])
        self.linear(self.put("mean", [x], (self.shape[x][0], 1, 1)), 10)


def torch_runner(structure, threads, batch):
    import torch
    import torch.nn.functional as F

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for i, (_, _, p) in enumerate(structure.nodes):
                for key in ("weight", "bias"):
                    if key in p:
                        self.register_parameter(f"{key}{i}", torch.nn.Parameter(torch.from_numpy(p[key])))

        def forward(self, x):
            v = {0: x}
            for i, (op, inputs, p) in enumerate(structure.nodes[1:], 1):
                a = v[inputs[0]]
                if op == "conv":
                    v[i] = F.conv2d(a, getattr(self, f"weight{i}"), getattr(self, f"bias{i}"), p["stride"], p["pad"])
                elif op == "linear":
                    v[i] = F.linear(torch.flatten(a, 1), getattr(self, f"weight{i}"), getattr(self, f"bias{i}"))
                elif op == "relu":
                    v[i] = F.relu(a)
                elif op == "add":
                    v[i] = a + v[inputs[1]]
                elif op == "maxpool":
                    v[i] = F.max_pool2d(a, 2)
                elif op == "mean":
                    v[i] = F.adaptive_avg_pool2d(a, 1)
                elif op == "shortcut":
                    v[i] = F.pad(a[:, :, ::2, ::2], (0, 0, 0, 0, p["before"], p["before"]))
            return v[len(structure.nodes) - 1]

    torch.set_num_threads(threads)
    with torch.no_grad():
        net = Net().eval().to(memory_format=torch.channels_last)
        x = torch.zeros(batch, *structure.shape[0]).contiguous(memory_format=torch.channels_last)
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))

    def run(images):
        with torch.no_grad():
            tensor = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
            return lambda: traced(tensor).numpy()
    return f"pytorch_{torch.__version__.split('+')[0]}", run


def ort_runner(structure, threads, batch):
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    for i, (op, inputs, p) in enumerate(structure.nodes[1:], 1):
        a, out = [f"v{j}" for j in inputs], [f"v{i}"]
        if op == "conv":
            a += [constant(f"w{i}", p["weight"]), constant(f"b{i}", p["bias"])]
            nodes.append(helper.make_node("Conv", a, out, strides=[p["stride"]] * 2, pads=[p["pad"]] * 4))
        elif op == "linear":
            nodes.append(helper.make_node("Flatten", a, [f"f{i}"]))
            nodes.append(helper.make_node("Gemm", [f"f{i}", constant(f"w{i}", p["weight"]),
                                                   constant(f"b{i}", p["bias"])], out, transB=1))
        elif op == "maxpool":
            nodes.append(helper.make_node("MaxPool", a, out, kernel_shape=[2, 2], strides=[2, 2]))
        elif op == "shortcut":
            big = np.array([2 ** 31 - 1] * 2, np.int64)
            nodes.append(helper.make_node("Slice", a + [constant(f"s{i}", np.zeros(2, np.int64)), constant(f"e{i}", big),
                                                        constant(f"x{i}", np.array([2, 3], np.int64)),
                                                        constant(f"t{i}", np.array([2, 2], np.int64))], [f"h{i}"]))
            pads = np.array([0, p["before"], 0, 0] * 2, np.int64)
            nodes.append(helper.make_node("Pad", [f"h{i}", constant(f"p{i}", pads)], out))
        else:
            nodes.append(helper.make_node({"relu": "Relu", "add": "Add", "mean": "GlobalAveragePool"}[op], a, out))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "net", [value("v0", 1, [batch, *structure.shape[0]])],
                              [value(f"v{len(structure.nodes) - 1}", 1, [batch, 10])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return (f"onnxruntime_{onnxruntime.__version__}",
            lambda images: lambda: session.run(None, {"v0": images})[0])


def onnx_rows(path, threads, batches, seconds):
    """An ONNX file in ONNX Runtime: with its own batch where that is fixed."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()
    if len(given) != 1 or given[0].type != "tensor(float)":
        sys.exit(f"{path}: one input of floats is expected")
    name, shape = given[0].name, given[0].shape
    if not all(isinstance(side, int) for side in shape[1:]):
        sys.exit(f"{path}: input {name} has open sides {shape[1:]}")
    rows = []
    for batch in [shape[0]] if isinstance(shape[0], int) else batches:
        images = np.random.default_rng(2).random((batch, *shape[1:]), np.float32)
        best, processor, done = time_runs(lambda: session.run(None, {name: images}), 3, seconds)
        rows.append({"name": f"evaluator/{stem(path)}/threads:{threads}/onnxruntime_{onnxruntime.__version__}/batch:{batch}",
                     "run_type": "iteration", "iterations": done, "real_time": best * 1e3, "cpu_time": processor * 1e3,
                     "time_unit": "ms", "threads": threads, "images": batch / best})
    return rows


def stem(path):
    """What autoprune-bench calls a model's file."""
    return os.path.splitext(os.path.basename(path))[0]


def time_runs(call, repetitions, least_seconds):
    """Seconds of one call and its processor time: the shortest of some."""
    call()
    best, processor, end, done = float("inf"), float("inf"), time.monotonic() + least_seconds, 0
    while done < repetitions or time.monotonic() < end:
        start, used = time.perf_counter(), time.process_time()
        call()
        best, processor = min(best, time.perf_counter() - start), min(processor, time.process_time() - used)
        done += 1
    return best, processor, done


def framework_rows(network, threads, batches, seconds):
    structure, rows, first = Structure(network), [], None
    for maker in (torch_runner, ort_runner):
        for batch in batches:
            try:
                name, prepare = maker(structure, threads, batch)
            except ImportError as error:
                print(f"{maker.__name__}: left out: {error}", file=sys.stderr)
                break
            images = np.random.default_rng(2).random((batch, *structure.shape[0]), np.float32)
            call = prepare(images)
            outputs = call()
            if batch == batches[0]:
                if first is None:
                    first = outputs
                elif not np.allclose(first, outputs, atol=1e-3 * np.abs(first).max()):
                    sys.exit(f"{network}: {name} disagrees with the first framework")
            best, processor, done = time_runs(call, 3, seconds)
            rows.append({"name": f"evaluator/{network}/threads:{threads}/{name}/batch:{batch}",
                         "run_type": "iteration", "iterations": done, "real_time": best * 1e3, "cpu_time": processor * 1e3,
                         "time_unit": "ms", "threads": threads, "images": batch / best,
                         "macs_dense_equivalent": structure.macs * batch / best})
    return rows


def bench_rows(program, network, path, threads, repetitions):
    command = [program] + ([f"--model={path}"] if path else [])
    escaped = re.sub(r"([][.^$*+?(){}|\\])", r"\\\1", network)  # what extended expressions know, and nothing else
    command += [f"--benchmark_filter=^evaluator/{escaped}/.*(sparsity_percent:0/vector_columns:1|"
               f"sparsity_percent:90/vector_columns:[18])/threads:({'|'.join(map(str, threads))})/(evaluator|integer)/", "--benchmark_format=json",
               f"--benchmark_repetitions={repetitions}", "--benchmark_min_time=0.05"]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if found.returncode:
        sys.exit(f"{' '.join(command)}: status {found.returncode}")
    document = json.loads(found.stdout)
    repeated = ("run_name", "family_index", "per_family_instance_index")
    return document["context"], [{k: short(v) for k, v in row.items() if k not in repeated} for row in document["benchmarks"]
                                 if row["run_type"] == "iteration"]


def short(value):
    """Seven digits, which are more than a clock's."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def rate(row, clock):
    """Images per second; with one thread, a shared machine is better judged by processor time."""
    if clock == "processor" and "/threads:1/" in row["name"]:
        return row["images"] * row["real_time"] / row["cpu_time"]
    return row["images"]


def print_ratios(rows, networks, clock):
    """Evaluator's best run over the fastest framework with as many threads."""
    print(f"{'network':10} {'threads':7} {'point':42} {'images/s':>10} {'ratio':>7}")
    for network in networks:
        mine = [r for r in rows if r["name"].startswith(f"evaluator/{network}/") and r["run_type"] == "iteration"]
        dense = [r for r in mine if "/batch:" in r["name"]]
        for threads in sorted({r["threads"] for r in dense}):
            fastest = max((r for r in dense if r["threads"] == threads), key=lambda r: rate(r, clock))
            fastest_rate = rate(fastest, clock)
            label = fastest["name"].split("/", 3)[3]
            print(f"{network:10} {threads:7} {label:42} {fastest_rate:10.0f} {1:6.1f}x")
            best = {}
            for r in mine:
                point = re.search(r"(sparsity_percent:\d+/vector_columns:\d+)/threads:(\d+)/(evaluator|integer)", r["name"])
                if point and int(point[2]) == threads:
                    key = f"{point[3]} {point[1]}"
                    best[key] = max(best.get(key, 0), rate(r, clock))
            for key, images in best.items():
                print(f"{network:10} {threads:7} {key:42} {images:10.0f} {images / fastest_rate:6.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", help="names, comma between (default vgg16,resnet18,resnet20; none with --onnx)")
    parser.add_argument("--onnx", help="files, comma between")
    parser.add_argument("--threads", default="1,2", help="numbers, comma between (default %(default)s)")
    parser.add_argument("--batches", default="100,250", help="images of a call (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="at least, of each case (default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5, help="of autoprune-bench (default %(default)s)")
    parser.add_argument("--bench", help="autoprune-bench: timed in between")
    parser.add_argument("--clock", choices=("real", "processor"), default="real",
                        help="ratios of one thread by this (default %(default)s); the file has both")
    parser.add_argument("--out", help="JSON file of all results; must not exist")
    o = parser.parse_args()
    if o.out and os.path.exists(o.out):
        sys.exit(f"{o.out} exists")
    paths = o.onnx.split(",") if o.onnx else []
    files = {stem(path): path for path in paths}
    if len(files) < len(paths):
        sys.exit("--onnx: two files of one name")
    named = o.networks or ("" if files else "vgg16,resnet18,resnet20")
    networks, batches = [n for n in named.split(",") if n] + list(files), [int(b) for b in o.batches.split(",")]
    threads = [int(t) for t in o.threads.split(",")]
    rows, context = [], {"host_name": platform.node(), "num_cpus": os.cpu_count()}
    for network in networks:
        path = files.get(network)
        if o.bench:
            context, found = bench_rows(o.bench, network, path, threads, o.repetitions)
            rows += found
        for n in threads:
            rows += onnx_rows(path, n, batches, o.seconds) if path else framework_rows(network, n, batches, o.seconds)
    context["baselines_command"] = " ".join(sys.argv)
    context.pop("host_name", None)
    if o.out:
        with open(o.out + ".tmp", "w", encoding="utf-8") as f:
            json.dump({"context": context, "benchmarks": rows}, f, separators=(",", ":"))
        os.rename(o.out + ".tmp", o.out)
    print_ratios(rows, networks, o.clock)


if __name__ == "__main__":
    main()
