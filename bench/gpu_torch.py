#!/usr/bin/env python3
"""Times the dense VGG-16 and ResNet-18 (CIFAR forms of nn/builtin.c) in PyTorch on a GPU.

5,000 images that lie on the device, normalised from 8 bits, bfloat16, channels-last, batch
normalisation folded into the convolutions (as the candidate evaluator has it), loss and accuracy on
the device; eager and as a CUDA graph, for several batch sizes. Prints JSON in Google Benchmark's form.

usage: gpu_torch.py [--images N] [--repeats R] [--device cuda|cpu] [--out FILE]
example: python3 bench/gpu_torch.py --out torch.json
Exit status: 0 timed, 77 without PyTorch or the device, 1 failed.
"""
import argparse
import json
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=5000)
parser.add_argument("--repeats", type=int, default=10, help="timed passes over all images")
parser.add_argument("--batches", default="500,1000,2500", help="batch sizes, divisors of --images")
parser.add_argument("--networks", default="vgg16,resnet18,resnet20")
parser.add_argument("--device", default="cuda", help="cpu: to try the script, without graphs")
parser.add_argument("--out", help="file for the JSON (default: standard output)")
options = parser.parse_args()

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing}", file=sys.stderr)
    sys.exit(77)
if options.device == "cuda" and not torch.cuda.is_available():
    print("skipped: PyTorch sees no CUDA device", file=sys.stderr)
    sys.exit(77)


def conv(c_in, c_out, kernel, stride=1):
    """A convolution that batch normalisation was folded into: it has a bias."""
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2)


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride, projection):
        super().__init__()
        self.first, self.second = conv(c_in, c_out, 3, stride), conv(c_out, c_out, 3)
        self.project = conv(c_in, c_out, 1, stride) if projection and (stride != 1 or c_in != c_out) else None
        self.stride, self.extra = stride, c_out - c_in

    def forward(self, x):
        y = self.second(F.relu(self.first(x)))
        if self.project is not None:
            x = self.project(x)
        elif self.extra or self.stride != 1:  # every second pixel, channels padded on both sides
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))
        return F.relu(y + x)


def resnet(first, stages, blocks, projection):
    layers, c = [conv(3, first, 3), nn.ReLU()], first
    for stage in range(stages):
        for i in range(blocks):
            layers.append(Block(c, first << stage, 2 if stage > 0 and i == 0 else 1, projection))
            c = first << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def vgg16():
    layers, c = [], 3
    for stage in ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3):
        for width in stage:
            layers += [conv(c, width, 3), nn.ReLU()]
            c = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


builders = {"vgg16": vgg16, "resnet18": lambda: resnet(64, 4, 2, True), "resnet20": lambda: resnet(16, 3, 3, False)}
device = torch.device(options.device)
on_gpu = device.type == "cuda"
torch.manual_seed(1)
pixels = torch.randint(0, 256, (options.images, 3, 32, 32), dtype=torch.uint8, device=device)
pixels = pixels.contiguous(memory_format=torch.channels_last)
labels = torch.randint(0, 10, (options.images,), device=device)
torch.backends.cudnn.benchmark = True


def one_pass(net, batch, sums):
    """All images once: loss and number of correct predictions into sums."""
    sums.zero_()
    for at in range(0, options.images, batch):
        x = (pixels[at : at + batch].to(torch.bfloat16) / 255 - 0.45) / 0.25
        z = net(x.contiguous(memory_format=torch.channels_last)).float()
        wanted = labels[at : at + batch]
        sums[0] += F.cross_entropy(z, wanted, reduction="sum")
        sums[1] += (z.argmax(1) == wanted).sum()


def clock(run):
    """Seconds of one run by the device's clock."""
    if not on_gpu:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def graph_of(run):
    """The run captured as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


results = []
with torch.no_grad():
    for name in options.networks.split(","):
        net = builders[name]().to(device, torch.bfloat16).to(memory_format=torch.channels_last).eval()
        for batch in map(int, options.batches.split(",")):
            if options.images % batch:
                sys.exit(f"gpu_torch.py: batch {batch} does not divide {options.images} images")
            sums = torch.zeros(2, dtype=torch.float64, device=device)
            ways = {"eager": lambda: one_pass(net, batch, sums)}
            for _ in range(3):
                ways["eager"]()
            expected = sums.clone()
            if not torch.isfinite(expected).all():
                sys.exit(f"gpu_torch.py: {name}: the loss is not finite")
            if on_gpu:
                ways["graph"] = graph_of(ways["eager"])
            for way, run in ways.items():
                for _ in range(3):
                    run()
                if abs(sums[0] - expected[0]) > 1e-3 * abs(expected[0]):
                    sys.exit(f"gpu_torch.py: {name} {way}: loss {sums[0]}, expected {expected[0]}")
                times = [clock(run) for _ in range(options.repeats)]
                median = statistics.median(times)
                results.append({
                    "name": f"torch/{name}/bf16/batch:{batch}/{way}",
                    "run_name": f"torch/{name}/bf16/batch:{batch}/{way}",
                    "run_type": "iteration",
                    "repetitions": options.repeats,
                    "iterations": options.repeats,
                    "threads": 1,
                    "real_time": median * 1000,
                    "cpu_time": median * 1000,
                    "time_unit": "ms",
                    "candidates": 1 / median,
                    "images": options.images / median,
                    "spread": (max(times) - min(times)) / median,
                })
                print(f"{results[-1]['name']}: {median * 1000:.3f} ms, {1 / median:.1f} candidates/s", file=sys.stderr)

document = {
    "context": {
        "executable": "gpu_torch.py",
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "images": options.images,
        "clock": "CUDA events, the median of the repetitions" if on_gpu else "wall clock",
    },
    "benchmarks": results,
}
if options.out:
    with open(options.out + ".tmp", "w", encoding="utf-8") as f:
        json.dump(document, f, indent=1)
    os.replace(options.out + ".tmp", options.out)
else:
    json.dump(document, sys.stdout, indent=1)
