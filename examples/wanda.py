#!/usr/bin/env python3
"""Weights times the size of their inputs, |w| * ||x|| (the criterion of Wanda, arXiv 2306.11695).

autoprune compare --suite quick --pruner exec:./wanda.py --out out/wanda
"""
import json
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])
request = json.loads((folder / "request.json").read_text())
scores = np.abs(np.load(folder / request["files"]["weights"]))
if request["files"]["input_mean_square"]:  # null without calibration images
    scores *= np.sqrt(np.load(folder / request["files"]["input_mean_square"]))[:, None]
np.save(folder / "scores.npy", scores.astype(np.float64))  # K x N: vectors get their mean
