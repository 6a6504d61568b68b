"""What is asked: which models, clips, methods and masks, cut into rounds that end up in a file each."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from hearwhy.evaluate import Clips, Engine, Question, Summary, evaluate

NOISES = {
    "white": "165058__theundecided__white-noise.flac",
    "room": "203297__mzui__room-tone-office-industrial-ambience-01.flac",
    "horse": "149024__foxen10__horse_whinny.flac",
}
"""The paper's three backgrounds, by what its tables call them."""
SNR_DB = 3.52  # 0.6 of the recording and 0.4 of the noise
METHODS = "saliency,grad_cam,lime(n_samples={n_samples}),deep_shap"
TEST, VALIDATION = 5, 4  # folds: what is reported, and where the corrected choice of a mask is made
LEAST = {"mel": 0, "stft": 500}
"""Masks of lime that a spectrogram needs at least: four for each of its cells, of which STFT-dB has up to 116."""
SMALL = {"mel": "esc10-small", "stft": "esc10-small:stft"}


@dataclass(frozen=True)
class Setting:
    """What a configuration asks.

    Parameters
    ----------
    models
        Name of the model by what it sees, "mel" and "stft"; one that is not there is not asked.
    per_class
        Clips of each class and fold; None: all.
    n_samples
        Masks of lime, where `LEAST` does not ask for more.
    masks, limit
        As `hearwhy.evaluate.Question` and `Clips` take them; a small `limit` is for trials.
    device
        Where the networks run.
    """

    models: dict[str, str]
    per_class: int | None
    n_samples: int
    masks: str = "all"
    limit: int | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Round:
    """One model, protocol and fold; its answers lie in a file of their own, so that rounds can run side by side."""

    features: str
    protocol: str
    fold: int

    def file(self, out: Path) -> Path:
        """Return where its answers lie."""
        return out / f"{self.features}-{self.protocol}-fold{self.fold}.sqlite"


ROUNDS = (
    Round("mel", "corrected", TEST),
    Round("mel", "paper", TEST),
    Round("stft", "corrected", TEST),
    Round("stft", "paper", TEST),
    Round("mel", "corrected", VALIDATION),
    Round("stft", "corrected", VALIDATION),
)
"""The paper has no STFT experiment with noise, and chooses on the fold that it reports."""


def ask(a_round: Round, setting: Setting, data: Path, noises: Path, out: Path) -> tuple[Round, Summary]:
    """Run a round, or go on with it, and return what was done.

    One thread: two rounds side by side are faster than one with two threads, and the numbers are the same to the bit
    however many run.
    """
    if setting.device == "cpu":
        torch.set_num_threads(1)
    heard = ["clean"]
    if a_round.features == "mel":
        heard += [f"{name}={noises / file}@{SNR_DB}dB" for name, file in NOISES.items()]
    methods = METHODS.format(n_samples=max(setting.n_samples, LEAST[a_round.features]))
    question = Question(methods, setting.masks, ",".join(heard), a_round.protocol, background=2)
    clips = Clips((a_round.fold,), setting.limit, setting.per_class)
    model, file = setting.models[a_round.features], a_round.file(out)
    return a_round, evaluate(data, [model], file, question=question, clips=clips, engine=Engine(device=setting.device))


def ask_all(setting: Setting, data: Path, noises: Path, out: Path, *, jobs: int) -> list[tuple[Round, Summary]]:
    """Run all rounds, so many at a time, and return what was done in each."""
    out.mkdir(parents=True, exist_ok=True)
    rounds = [a_round for a_round in ROUNDS if a_round.features in setting.models]
    if jobs == 1:
        return [ask(a_round, setting, data, noises, out) for a_round in rounds]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(ask, a_round, setting, data, noises, out) for a_round in rounds]
        return [future.result() for future in waiting]
