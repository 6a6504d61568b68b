"""The Ray engine: the rows are the local engine's, to the bit, also where a worker is killed."""

import os
import signal
from pathlib import Path

import pytest
import torch
from evaluate_scenes import FRONT, LABELS, Detector, contents, dataset

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.evaluate import Engine, Question, evaluate, ray_engine
from laws import one_thread  # noqa: F401 (a fixture)

pytest.importorskip("ray")
pytestmark = pytest.mark.usefixtures("one_thread")


class Mortal(Detector):
    """The detector, which kills its process once: the first time that there is no file of a name."""

    def __init__(self, grave: Path, *, driver: int, always: bool = False) -> None:
        super().__init__()
        self.grave, self.driver, self.always, self.n = grave, driver, always, 0

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.n += os.getpid() != self.driver
        if os.getpid() != self.driver and self.n == 4 and (self.always or not self.grave.exists()):
            self.grave.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(features)


def mortal(grave: Path, **options: bool) -> SpectrogramClassifier:
    return SpectrogramClassifier(FRONT, Mortal(grave, driver=os.getpid(), **options), LABELS, window_s=1.0, name="mortal")


def test_two_workers_of_which_one_is_killed_give_the_local_engines_rows(tmp_path):
    data = dataset(tmp_path / "data", folds=3, per_class=1)
    question = Question("smooth_grad(n_samples=3),rise(n_samples=40)", masks="topK_30,minmax", components="cells:tiles=2x4")
    (tmp_path / "grave").write_text("")
    evaluate(data, [mortal(tmp_path / "grave")], tmp_path / "local.sqlite", question=question)
    (tmp_path / "grave").unlink()
    told = []
    summary = evaluate(data, [mortal(tmp_path / "grave")], tmp_path / "ray.sqlite", question=question, engine=Engine("ray", 2),
                       progress=lambda *at: told.append(at))  # fmt: skip
    dead = int((tmp_path / "grave").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(dead, 0)  # a worker was really killed in the middle of a unit
    assert summary.problems == () and told[-1] == (12, 12)
    assert contents(tmp_path / "ray.sqlite") == contents(tmp_path / "local.sqlite")


def test_a_unit_that_kills_every_worker_is_given_up_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "RETRIES", 0)
    data = dataset(tmp_path / "data", folds=1, per_class=1)
    with pytest.raises(ValueError, match=r"Not one unit could be asked.* its worker was lost 1 times"):
        evaluate(data, [mortal(tmp_path / "grave", always=True)], tmp_path / "r.sqlite",
                 question=Question("lime(n_samples=64)", masks="bin", components="cells:tiles=2x4"),
                 engine=Engine("ray", 1))  # fmt: skip


def test_without_ray_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    data = dataset(tmp_path / "data", folds=1, per_class=1)
    with pytest.raises(ImportError, match=r"The engine ray needs ray, which is not installed: pip install 'hearwhy\[ray\]'"):
        evaluate(data, [mortal(tmp_path / "grave")], tmp_path / "r.sqlite", question=Question("saliency", masks="bin"),
                 engine=Engine("ray", 1))  # fmt: skip
