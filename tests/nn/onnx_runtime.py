#!/usr/bin/env python3
"""Agreement with ONNX Runtime, in both directions.

usage: onnx_runtime.py AUTOPRUNE [ONNX_FUZZ]

Every graph of onnx_cases.py is run by ONNX Runtime and by `autoprune eval --logits` on random images;
then it is exported again and that file is run by ONNX Runtime; then it is pruned by a policy, exported
and compared likewise. Logits may differ by 1e-4, predicted classes only where the best two are that
near. With the program onnx_fuzz, the random graphs that it finds to be networks are exported, and both
files run. $AUTOPRUNE_MODELS/*.onnx are taken, too, and networks of torchvision with random weights where
that is installed. Exits with 77 where numpy, onnx or onnxruntime is missing.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_cases  # noqa: E402

LIMIT = 1e-4
ROUNDS = 300  # of onnx_fuzz: four random graphs each
IMAGES = 24
TORCHVISION = ("shufflenet_v2_x0_5", "mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf")
MEAN, STD = [0.4, 0.5, 0.6], [0.25, 0.3, 0.2]


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def make_images(folder):
    """A data set in CIFAR-10's form; returns the test images [n, 3, 32, 32] of 0..255."""
    rng = np.random.default_rng(1)
    for name, n in (("data_batch_1.bin", 120), ("test_batch.bin", IMAGES)):
        records = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(n) % 10
        records.tofile(os.path.join(folder, name))
    return records[:, 1:].reshape(-1, 3, 32, 32)


def by_runtime(path, pixels, mean, std):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    x = pixels.astype(np.float32) / np.float32(255)
    x = (x - np.float32(mean).reshape(1, 3, 1, 1)) / np.float32(std).reshape(1, 3, 1, 1)
    if image.shape[1] != 3:
        x = x.transpose(0, 2, 3, 1)
    x = np.ascontiguousarray(x)
    batches = np.split(x, len(x) // image.shape[0]) if isinstance(image.shape[0], int) else [x]
    return np.concatenate([session.run(None, {image.name: b})[0].reshape(len(b), -1)
                           for b in batches])


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Comparison:
    def __init__(self, program, folder):
        self.program, self.folder, self.pixels = program, folder, make_images(folder)
        self.worst, self.checks = 0.0, 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def ours(self, path, *options):
        logits = self.path("logits.npy")
        run(self.program, "eval", "--model", path, *options, "--data", self.folder, "--split",
            "test", "--logits", logits, "--force", "--quiet")
        return np.load(logits)

    def compare(self, what, ours, theirs):
        difference = float(np.abs(ours - theirs).max())
        margin = np.diff(np.sort(theirs, axis=1)[:, -2:], axis=1)
        clear = (margin > LIMIT).all(axis=1)  # also where there is one class
        same = ours.argmax(axis=1) == theirs.argmax(axis=1)
        self.worst, self.checks = max(self.worst, difference), self.checks + 1
        if not np.isfinite(ours).all() or difference > LIMIT or not same[clear].all():
            sys.exit(f"{what}: logits differ by {difference:g}, classes on {(~same).sum()} images")
        return difference

    def normalisation(self):
        return ("--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)))

    def both_ways(self, what, path, options, mean, std, probabilities=False):
        ours, theirs = self.ours(path, *options), by_runtime(path, self.pixels, mean, std)
        d1 = self.compare(what, softmax(ours) if probabilities else ours, theirs)
        out = self.path("again.onnx")
        for fold in ((), ("--fold",)):
            run(self.program, "export", "--model", path, *options, "--onnx", out, *fold, "--force")
            d2 = self.compare(f"{what}, exported", ours, by_runtime(out, self.pixels, mean, std))
        self.compare(f"{what}, read again", ours, self.ours(out))
        d3 = self.pruned(what, path, options, mean, std)
        print(f"{what}: read {d1:.1e}, written {d2:.1e}, pruned {d3:.1e}")

    def pruned(self, what, path, options, mean, std):
        """Half of every layer's vectors, written and read."""
        table = json.loads(run(self.program, "map", "--model", path, *options, "--quick", "--json"))
        layers = [{"name": l["name"], "keep": 0.5, "vectors_kept": l["vectors"] // 2}
                  for l in table["layers"]]
        policy, out = self.path("policy.json"), self.path("pruned.onnx")
        with open(policy, "w", encoding="utf-8") as f:
            json.dump({"schema": "autoprune-policy-1", "pruner": "column-vector",
                       "granularity": table["granularity"], "layers": layers}, f)
        said = json.loads(run(self.program, "export", "--model", path, *options, "--policy", policy,
                              "--onnx", out, "--force", "--json"))
        if said["zero_weights"] * 4 < said["weights"]:
            sys.exit(f"{what}: {said['zero_weights']} of {said['weights']} weights are zero")
        return self.compare(f"{what}, pruned", self.ours(out),
                            by_runtime(out, self.pixels, mean, std))


def run_cases(c):
    for name, (_, opsets, _) in onnx_cases.CASES.items():
        for i, opset in enumerate(opsets):
            graph = onnx_cases.build(name, opset, 7 + i, typed=i == 1)
            model, path = graph.model(), c.path(f"{name}-{opset}.onnx")
            onnx.save(model, path)
            c.both_ways(f"{name} opset {opset}", path, c.normalisation(), MEAN, STD,
                        graph.probabilities)
    model = onnx_cases.build("residual", 13, 3).model()
    path = c.path("external.onnx")
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True,
                    location="external.bin", size_threshold=0)
    c.both_ways("external data", path, c.normalisation(), MEAN, STD)


def ends_in_softmax(path):
    graph = onnx.load(path).graph
    needed = {graph.output[0].name}
    for node in reversed(graph.node):
        if needed & set(node.output):
            if node.op_type in ("Softmax", "LogSoftmax"):
                return True
            needed |= set(node.input)
    return False


def run_random(c, fuzz):
    """What ONNX Runtime itself refuses (attributes that a node may not have) is passed over."""
    folder = os.path.join(c.folder, "random")
    os.mkdir(folder)
    subprocess.run([fuzz, "3", str(ROUNDS), folder], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    onnxruntime.set_default_logger_severity(4)
    pixels = np.random.default_rng(2).integers(0, 256, (4, 3, 8, 8))
    files, refused = sorted(glob.glob(folder + "/*.onnx")), 0
    for path in files:
        out = c.path("random.onnx")
        run(c.program, "export", "--model", path, "--onnx", out, "--force")
        try:
            theirs = by_runtime(path, pixels, [0, 0, 0], [1, 1, 1])
        except Exception:  # its exceptions have no common class
            refused += 1
            continue
        ours = by_runtime(out, pixels, [0, 0, 0], [1, 1, 1])
        if ours.shape != theirs.shape:
            sys.exit(f"{path}: {ours.shape} scores, ONNX Runtime gives {theirs.shape}")
        scale = max(1.0, float(np.abs(theirs).max()))
        c.compare(path, (softmax(ours) if ends_in_softmax(path) else ours) / scale, theirs / scale)
    print(f"random graphs: {len(files)}, of which ONNX Runtime refuses {refused}")
    if len(files) < 20 or refused * 4 > len(files):
        sys.exit("too few of them can be compared")


def conv_mixer(nn):
    """Patches, then depthwise and pointwise convolutions with GELU and normalisation; 10 classes."""
    class Residual(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + x
    block = lambda: (Residual(nn.Conv2d(24, 24, 5, groups=24, padding="same"), nn.GELU(),
                              nn.BatchNorm2d(24)),
                     nn.Conv2d(24, 24, 1), nn.GELU(), nn.BatchNorm2d(24))
    return nn.Sequential(nn.Conv2d(3, 24, 2, stride=2), nn.GELU(), nn.BatchNorm2d(24),
                         *block(), *block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(24, 10))


def run_torchvision(c):
    try:
        import torch
        import torchvision
    except ImportError as missing:
        print(f"torchvision's networks are left out: {missing}")
        return
    torch.manual_seed(3)
    for name in TORCHVISION + ("convmixer",):
        model = (conv_mixer(torch.nn) if name == "convmixer" else
                 getattr(torchvision.models, name)(num_classes=10)).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
        path = c.path(name + ".onnx")
        torch.onnx.export(model, torch.zeros(1, 3, 32, 32), path, opset_version=13, dynamo=False,
                          input_names=["image"], dynamic_axes={"image": {0: "N"}})
        c.both_ways(name, path, c.normalisation(), MEAN, STD)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        c = Comparison(os.path.abspath(sys.argv[1]), folder)
        run_cases(c)
        run_torchvision(c)
        if len(sys.argv) > 2:
            run_random(c, os.path.abspath(sys.argv[2]))
        for path in sorted(glob.glob(os.environ.get("AUTOPRUNE_MODELS", "/none") + "/*.onnx")):
            mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            options = ("--mean", ",".join(map(str, mean)), "--std", ",".join(map(str, std)))
            c.both_ways(os.path.basename(path), path, options, mean, std)
        print(f"{c.checks} comparisons with ONNX Runtime {onnxruntime.__version__}: the logits "
              f"differ by {c.worst:.2e} at most")


if __name__ == "__main__":
    main()
