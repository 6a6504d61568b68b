"""What asking about ever more masks of 100 components of ten seconds takes in memory: parts of the sound, and cells.

    python benchmarks/mask_memory.py [--masks 250 1000 4000]

Each number of masks is asked about in a process of its own, whose largest resident size above that with two masks is told. What
grows with the masks are the answers (4 bytes a label and draw) and nothing else. Linux.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

RATE, SECONDS, N = 16_000, 10.0, 100


def peak_mb(kind: str, n_masks: int) -> float:
    """Ask here, and return this process's largest resident size."""
    import torch

    import hearwhy
    from hearwhy.asking import Predict
    from hearwhy.classifiers.spectrogram import SpectrogramClassifier
    from hearwhy.front_ends import LogMel

    generator = torch.Generator().manual_seed(0)
    noise = hearwhy.Recording(0.1 * torch.randn(1, round(SECONDS * RATE), generator=generator), RATE, "noise")
    model = SpectrogramClassifier(LogMel(RATE, 512, 256, 64), lambda x: x.flatten(2).mean(2), ("one",), activation="sigmoid")
    parts = hearwhy.components("segments:100" if kind == "audio" else "cells:tiles=10x10", noise, classifier=model)
    predict = Predict(model, parts)
    for first in range(0, n_masks, 1000):  # as methods hand them over
        masks = torch.rand(min(1000, n_masks - first), *parts.shape, generator=generator) < 0.5
        predict(masks)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--masks", type=int, nargs="+", default=[250, 1000, 4000])
    words.add_argument("--one", nargs=2)
    chosen = words.parse_args()
    if chosen.one:
        print(peak_mb(chosen.one[0], int(chosen.one[1])))
        return
    for kind in ("audio", "cells"):
        peaks = []
        for n_masks in (2, *chosen.masks):
            command = [sys.executable, __file__, "--one", kind, str(n_masks)]
            peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        told = ", ".join(f"{n} masks {peak - peaks[0]:.0f} MB" for n, peak in zip(chosen.masks, peaks[1:], strict=True))
        print(f"{N} components, {kind}: two masks {peaks[0]:.0f} MB; above that {told}", flush=True)


if __name__ == "__main__":
    main()
