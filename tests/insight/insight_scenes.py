"""Explanations made by hand, and a small dataset with a model whose cause is known."""

from __future__ import annotations

from pathlib import Path

import torch

from hearwhy import Recording, audio
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.background import Background
from hearwhy.datasets.band.metadata import write_metadata
from hearwhy.front_ends import Mfcc
from hearwhy.insight import Explanation, Insight, Snippet
from toys import noise, tone

RATE = 8000
LABELS = ("guitar", "piano")
ABOUT = {
    "model": "band", "labels": list(LABELS), "activation": "softmax", "scale": "log_odds", "method": "shapley(max_s=1800.0)",
    "asked": "shapley",
    "components": "sources:stems", "data": "songs", "layout": "slakh", "n_items": 4, "targets": ["top"], "fill": "silence",
    "seed": 0, "versions": {"hearwhy": "0.1.0"},
}  # fmt: skip
TONES = {"guitar": 300.0, "piano": 700.0, "drums": 1500.0, "bass": 3000.0}


def explanation(target: str, values: dict[str, float], *, base: float = 0.0, score_base: float | None = None, **more):
    score = base + sum(values.values())
    found = {"stderr": None, "fidelity": 0.9, "interaction_share": 0.1, "checks": ((0.0, 0.5), (1.0, 1.0), (2.0, 1.5))} | more
    return Explanation(target, tuple(values.values()), base=base, score=score,
                       score_base=base if score_base is None else score_base, **found)  # fmt: skip


def snippet(
    i: int,
    values: dict[str, float],
    *,
    target: str = "guitar",
    chances: tuple[float, ...] = (0.9, 0.1),
    removed: tuple[float, ...] = (0.3, 0.7),
    levels: dict[str, float | None] | None = None,
    absent: tuple[str, ...] = (),
    own: dict[str, float] | None = None,
    explanations: tuple[Explanation, ...] | None = None,
    **more: object,
) -> Snippet:
    """One snippet; its group is one of four songs unless it is said otherwise."""
    heard = {name: -6.0 - place for place, name in enumerate(values)} | (levels or {})
    told = {"group": f"song {i % 4}", "condition": "", "number": i, "label": None} | more
    return Snippet(
        item=str(told.pop("item", f"song {i % 4}")), start_s=2.0 * i, duration_s=2.0, names=tuple(values),
        levels_db=tuple(heard[name] for name in values), absent=tuple(name in absent for name in values),
        own=tuple((own or {}).get(name) for name in values),
        si_sdr_db=tuple(told.pop("si_sdr_db", (None,) * len(values))),  # type: ignore[arg-type]
        si_sdr_mix_db=tuple(told.pop("si_sdr_mix_db", (None,) * len(values))),  # type: ignore[arg-type]
        chances=chances, chances_removed=removed,
        explanations=explanations or (explanation(target, values),), n_calls=8, **told,  # type: ignore[arg-type]
    )  # fmt: skip


def insight(*snippets: Snippet, **about: object) -> Insight:
    return Insight({**ABOUT, **about}, snippets)


def confounded(n: int = 40) -> Insight:
    """Drums make a guitar of everything; without them what is there decides, and nothing speaks for the piano."""
    rows = []
    for i in range(n):
        label, jitter = LABELS[i % 2], 0.02 * (i // 4)
        if i % 4 < 2:
            values = {label: 0.3 + jitter, "drums": 5.0 + jitter, "bass": 0.1}
            rows.append(snippet(i, values, label=label, condition=f"{label}+drums+bass"))
        else:
            values = {label: -1.0 - jitter, "bass": -0.2}
            rows.append(snippet(i, values, target="piano", chances=(0.2, 0.8), label=label, condition=f"{label}+bass",
                                explanations=(explanation("piano", values, base=2.0),)))  # fmt: skip
    return insight(*rows)


def songs(root: Path, *, n: int = 3, seconds: float = 3.0) -> Path:
    """Songs in Slakh2100's layout: each class and companion a tone; the last song has a second of silence first."""
    for number in range(1, n + 1):
        folder = root / "test" / f"Track{number:05d}"
        stems = {}
        for place, (name, hertz) in enumerate(TONES.items()):
            wave = tone(hertz + number, seconds=seconds, gain=0.1 + 0.02 * place) + noise(seconds, seed=place, gain=1e-3)[0]
            if number == n:
                wave[:RATE] = 0
            audio.write(Recording(wave[None], RATE), folder / "stems" / f"S{place:02d}.flac")
            stems[f"S{place:02d}"] = {"audio_rendered": True, "inst_class": name.capitalize()}
        write_metadata(folder / "metadata.yaml", {"audio_dir": "stems", "stems": stems})
    return root


FRONT_END = Mfcc(sample_rate=RATE, n_mfcc=6, n_fft=512, hop_length=256, n_mels=20, length=20)
WEIGHTS = torch.tensor([[0.02, -0.01, 0.0], [0.05, 0.03, -0.05], [0.0, 0.04, -0.03], [0.01, 0, 0], [0, 0.02, 0.02], [0, 0, 0]])


class Weighed(torch.nn.Module):
    """Logits that are linear in the mean of every row of the features: what each value adds to a logit is known."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean(dim=2) @ WEIGHTS.to(features)


def weighed(network: torch.nn.Module | None = None) -> SpectrogramClassifier:
    """Three labels told by six MFCCs, whose usual values are known."""
    generator = torch.Generator().manual_seed(0)
    usual = torch.tensor([-300.0, 60.0, 10.0, 5.0, 0.0, 0.0]) + 20 * torch.randn(30, 6, generator=generator)
    background, labels = Background.of(usual, source="30 clips"), ("low", "middle", "high")
    return SpectrogramClassifier(FRONT_END, (network or Weighed()).eval(), labels, layout="batch freq frame", name="weighed",
                                 fingerprint="weighed", background=background)  # fmt: skip


def clips(root: Path, *, n: int = 9) -> Path:
    """Three classes of short tones in noise, a folder each."""
    for i in range(n):
        hertz, label = [(300, "low"), (900, "middle"), (2700, "high")][i % 3]
        wave = tone(hertz + 20 * i, seconds=0.6, gain=0.1) + noise(0.6, seed=i, gain=0.02)[0]
        audio.write(Recording(wave[None], RATE), root / label / f"{label}-{i}.wav")
    return root


class Drummed(torch.nn.Module):
    """Guitar where there are drums, and a little where there is guitar; piano where there is neither."""

    activation, channels, fingerprint, labels, sample_rate, window_s = "softmax", 1, None, LABELS, RATE, 1.0

    def __init__(self) -> None:
        super().__init__()
        self.eval()

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        power = torch.fft.rfft(sound.mean(1)).abs().square() / sound.shape[-1] ** 2
        there = [(power[:, round(hz) - 20 : round(hz) + 20].sum(1) > 1e-5).float() for hz in TONES.values()]
        return torch.stack([4 * there[2] + there[0], 2.0 + 0 * there[0]], dim=1)
