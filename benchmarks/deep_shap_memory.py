"""Peak memory of deep_shap for Cnn14 on Mel-dB against 100 background clips, in a process of its own.

    python benchmarks/deep_shap_memory.py [--network cnn14] [--rows 100]

Random weights: memory does not hang on them. captum's own DeepLiftShap expands all rows at once; here they go in chunks.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time

import torch

from hearwhy.attribution.deep_shap import deep_shap
from hearwhy.attribution.inside import Network, Scores
from hearwhy.classifiers.cnn14 import NETWORKS


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--network", default="cnn14", choices=NETWORKS)
    words.add_argument("--rows", type=int, default=100)
    words.add_argument("--chunk", type=int, default=4)
    chosen = words.parse_args()
    torch.manual_seed(0)
    module = NETWORKS[chosen.network](50, 64, 501).eval().requires_grad_(False)
    features = torch.rand(1 + chosen.rows, 64, 501) * 80 - 90
    scores = Scores(module, answers=module, score=lambda answers: answers[:, :1])
    network = Network(scores, module, torch.full((64, 501), -100.0), features[1:], 1)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, time.perf_counter()
    values = deep_shap(network, features[0], chunk=chosen.chunk)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    took = time.perf_counter() - start
    what = f"{chosen.network}: {chosen.rows} rows, {chosen.chunk} at a time, values {tuple(values.shape)}"
    print(f"{what}: peak {peak:.2f} GB ({before:.2f} GB before), {took:.0f} s")
    print(platform.machine(), torch.get_num_threads(), "threads, torch", torch.__version__)


if __name__ == "__main__":
    main()
