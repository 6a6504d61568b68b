"""Figure 1: the ways from a recording to its features and back, drawn from the code's own settings and measured losses.

``python transforms.py ESC10`` writes ``docs/transforms.png``. Solid arrows lose nothing, dashed ones do; the signal-to-noise
ratios are medians over fold 5 with no mask at all.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import torch
from asking import TEST

from hearwhy.classifiers.cnn14 import FRONT_ENDS
from hearwhy.datasets.esc50 import Clip, read_esc50
from hearwhy.front_ends import FrontEnd
from hearwhy.front_ends.rendering import paper_inverse, render
from hearwhy.training.esc50 import five_seconds

mpl.use("Agg")
from matplotlib import pyplot as plt  # it must be told first where to draw

DOCS = Path(__file__).parents[2] / "docs" / "transforms.png"


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder in ESC-50's layout")
    parser.add_argument("--limit", type=int, help="only so many clips")
    parser.add_argument("--out", type=Path, default=DOCS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_esc50(options.data).of_folds(TEST)[: options.limit]
    losses = {name: measured(front_end, clips) for name, front_end in FRONT_ENDS.items()}
    for name, (ours, papers) in losses.items():
        print(f"{name}: {ours:.1f} dB by hearwhy's way back, {papers:.1f} dB by the paper's (medians of {len(clips)} clips)")
    draw(losses, len(clips), options.out)


def measured(front_end: FrontEnd, clips: tuple[Clip, ...]) -> tuple[float, float]:
    """Return the median SNR in dB of hearwhy's and of the paper's way back, nothing masked."""
    found = []
    for clip in clips:
        audio = five_seconds(clip.load(), front_end.sample_rate)
        features = front_end(audio)
        ways = render(front_end, audio, features, features), paper_inverse(front_end, audio, features)
        found.append([snr(audio, back) for back in ways])
    ours, papers = torch.tensor(found).median(dim=0).values.tolist()
    return ours, papers


def snr(audio: torch.Tensor, back: torch.Tensor) -> float:
    """Return the level of a recording over its difference from what came back, in dB."""
    lost = (audio - back).double().square().sum().clamp(min=1e-30)
    return float(10 * torch.log10(audio.double().square().sum() / lost))


def draw(losses: dict[str, tuple[float, float]], n_clips: int, path: Path) -> None:
    """Draw both front ends one above the other."""
    figure, axes = plt.subplots(2, 1, figsize=(12, 6.4))
    for axis, name in zip(axes, ("stft", "mel"), strict=True):
        _draw_one(axis, name, *losses[name])
    figure.suptitle(f"From a recording to features and back; SNR: median of {n_clips} clips, nothing masked", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw_one(axis, name: str, ours: float, papers: float) -> None:  # type: ignore[no-untyped-def]
    front = FRONT_ENDS[name].front_end
    mel = name == "mel"
    n_bins, n_frames = front.n_fft // 2 + 1, front.n_frames(5 * front.sample_rate)
    bands = [f"mel power\n{front.n_features} bands"] if mel else []
    first = ["recording\n/ its peak", f"complex STFT\n{n_bins} x {n_frames}", "power\n|.|²"]
    steps = [*first, *bands, f"dB\n{front.n_features} x {n_frames}", "masked dB"]
    places = {step: 2.15 * i for i, step in enumerate(steps)}
    arrow = {"arrowstyle": "->", "color": "black", "lw": 1.4}
    for step, x in places.items():
        colour = "#ffd9a0" if step.startswith(("dB", "masked")) else "#dbe8f7"
        axis.text(
            x, 0, step, ha="center", va="center", fontsize=9, bbox={"boxstyle": "round,pad=0.35", "fc": colour, "ec": "grey"}
        )
    for left, right in pairwise(steps):
        axis.annotate("", (places[right] - 0.72, 0.0), (places[left] + 0.72, 0.0), arrowprops=arrow)
    start, stft, end = places[steps[0]], places[steps[1]], places[steps[-1]]
    _way_back(axis, (end, stft, 1.0), f"hearwhy: gain of every bin = 10^((masked - dB) / 20), times the complex STFT, ISTFT: "
              f"{ours:.0f} dB", "-", "#1a7f37")  # fmt: skip
    lossy = "mel to bins by least squares, negative powers set to 0; " if mel else ""
    _way_back(axis, (end, start, -1.0), f"paper: dB to power; {lossy}√, the recording's phase, ISTFT: {papers:.0f} dB",
              "--" if mel else "-", "#b3261e")  # fmt: skip
    told = f"{front.sample_rate} Hz, n_fft {front.n_fft}, hop {front.hop_length}"
    axis.set_title(f"{'Mel' if mel else 'STFT'}-dB ({told})", fontsize=10, loc="left")
    axis.set_xlim(-1.2, 2.15 * 5 + 1.2)
    axis.set_ylim(-1.7, 1.7)
    axis.axis("off")


def _way_back(axis, places: tuple[float, float, float], text: str, style: str, colour: str) -> None:  # type: ignore[no-untyped-def]
    """Draw a way from the right end back to the left one, over (positive) or under the boxes."""
    right, left, side = places
    drawn = {"color": colour, "lw": 1.6, "ls": style}
    axis.plot([right, right, left], [0.35 * side, side, side], **drawn)
    axis.annotate("", (left, 0.38 * side), (left, side), arrowprops={"arrowstyle": "->", **drawn})
    axis.text((left + right) / 2, 1.27 * side, text, ha="center", va="center", fontsize=9, color=colour)


if __name__ == "__main__":
    main()
