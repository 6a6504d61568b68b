"""Evaluation: what is asked, what is kept, and that order, limits, kills and later questions change nothing."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from evaluate_scenes import FRONT, LABELS, contents, dataset, detector

from hearwhy import audio as sound
from hearwhy.asking import Predict
from hearwhy.attribution import METHODS
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components import cells, with_fill
from hearwhy.datasets.esc50 import Clip, Esc50, read_esc50
from hearwhy.evaluate import Clips, Engine, Question, answering, evaluate
from hearwhy.evaluate.maps import Scene
from hearwhy.evaluate.question import background_clips, unit_seed
from hearwhy.evaluate.reading import Results
from hearwhy.evaluate.schema import packed_map, unpacked_map
from hearwhy.game import Game
from hearwhy.masking import ask_features
from hearwhy.masks import ALL_MASKS, CONTROLS, make_mask, masked
from hearwhy.scoring import TargetScore
from laws import one_thread  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = Question("grad_cam", masks="topK_30,minmax")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return dataset(tmp_path_factory.mktemp("evaluate") / "data", folds=3, per_class=1)


def same(first: Path, second: Path) -> bool:
    a, b = contents(first), contents(second)
    assert a["units"] and a["masks"]
    return a == b


def test_the_stored_answers_are_the_models_own_for_the_masks_of_the_stored_map(data, tmp_path):
    out, model = tmp_path / "r.sqlite", detector()
    question = Question("lime(n_samples=200),saliency", controls=("random", "energy"), components="cells:tiles=3x3")
    summary = evaluate(data, [model], out, question=question, clips=Clips(limit=1))
    assert (summary.n_units, summary.n_before, summary.problems, summary.warnings) == (2, 0, (), ())
    clip = read_esc50(data).clips[0]
    scene = Scene.of(clip.load(), model, device="cpu", batch_size=16)
    x, floor = scene.spectrum.features, scene.spectrum.floor
    with Results(out) as results:
        (group, other) = results.groups()
        assert group.about["method"] == "lime(n_samples=200)" and other.about["scale"] == "logit"
        found = {(one.mask, one.control): one.metrics for one in results.measured(group, ("ff", "fid_in", "sps"))}
        values = results._values(group.units[0])
    assert torch.allclose(group.ends[0], ask_features(model, torch.stack([x, floor, x])), atol=1e-5)
    assert len(found) == 15 * 3 + 2  # masks, their two controls, identity and empty
    deal = unit_seed(0, clip.name)
    for name, line in ALL_MASKS.items():
        own = make_mask(line, values)
        for control in ("", "random", "energy"):
            mask = CONTROLS[control](own[None], x[None], [deal])[0] if control else own
            p_out = ask_features(model, masked(x, mask, fill=floor)[1][None]).softmax(-1)[0, group.target[0]]
            p = group.ends[0, 0].softmax(-1)[group.target[0]]
            assert float(found[name, control]["ff"]) == pytest.approx(float(p - p_out), abs=1e-5), (name, control)


def test_a_map_is_kept_to_the_bit():
    values = torch.randn(7, 5) * torch.tensor([1e-30, 1.0, 1e30, -0.0, 3.0])
    assert torch.equal(unpacked_map(packed_map(values), 7, 5), values)


def test_order_limits_and_interruptions_change_nothing(data, tmp_path):
    question = Question("lime(n_samples=64),smooth_grad(n_samples=3)", masks="topK_30,minmax", components="cells:tiles=2x4")
    evaluate(data, [detector()], tmp_path / "whole.sqlite", question=question)
    parts = tmp_path / "parts.sqlite"
    evaluate(data, [detector()], parts, question=question, clips=Clips(folds=(3,)))
    evaluate(data, [detector()], parts, question=question, clips=Clips(limit=2))

    def stop(done: int, expected: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(data, [detector()], parts, question=question, progress=stop)
    assert len(contents(parts)["units"]) == 9
    told = []
    summary = evaluate(data, [detector()], parts, question=question, progress=lambda *at: told.append(at))
    assert (summary.n_units, summary.n_before) == (12, 9) and told[-1] == (12, 12)
    assert same(tmp_path / "whole.sqlite", parts)


SCRIPT = """
import sys, time, torch
sys.path[:0] = sys.argv[3:5]
torch.set_num_threads(1)
from evaluate_scenes import detector
from hearwhy.evaluate import Question, evaluate

def told(done, expected):
    print(done, flush=True)
    time.sleep(0.2 if done >= 3 else 0)

evaluate(sys.argv[1], [detector()], sys.argv[2], question=Question("grad_cam,saliency", masks="topK_30,minmax"), progress=told)
"""


def test_a_killed_evaluation_goes_on_to_the_rows_of_an_undisturbed_one(data, tmp_path):
    here = Path(__file__).parent
    killed = tmp_path / "killed.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data), str(killed), str(here), str(here.parent)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "5":
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    there = len(contents(killed)["units"])
    assert 5 <= there < 12
    question = Question("grad_cam,saliency", masks="topK_30,minmax")
    assert evaluate(data, [detector()], killed, question=question).n_before == there
    evaluate(data, [detector()], tmp_path / "whole.sqlite", question=question)
    assert same(tmp_path / "whole.sqlite", killed)


def test_a_new_mask_and_the_sound_need_no_new_attribution(data, tmp_path, monkeypatch):
    out, first = tmp_path / "r.sqlite", Clips(limit=2)
    evaluate(data, [detector()], out, question=Question("saliency", masks="topK_30"), clips=first)
    before = contents(out)
    monkeypatch.setattr("hearwhy.evaluate.work.make_map", lambda *a, **k: pytest.fail("a map was made again"))
    more = Question("saliency", masks="topK_30,bin", heard=True)
    assert evaluate(data, [detector()], out, question=more, clips=first).n_before == 0
    after = contents(out)
    assert before["units"] == after["units"] and len(after["masks"]) == 2 * 2 * 3
    own = [row for row in after["masks"] if row[6] == ""]
    assert len(own) == 4 and all(None not in row for row in own)  # every answer, of features and of sounds
    old = {row[:7]: row[7:9] for row in before["masks"]}
    assert all(row[7:9] == old[row[:7]] for row in after["masks"] if row[:7] in old)  # and none was asked again
    monkeypatch.undo()
    evaluate(data, [detector()], tmp_path / "once.sqlite", question=more, clips=first)
    for mine, other in zip(contents(out)["masks"], contents(tmp_path / "once.sqlite")["masks"], strict=True):
        assert mine[:7] == other[:7]
        for a, b in zip(mine[7:11], other[7:11], strict=True):  # in other batches, so within rounding
            assert (a is None) == (b is None)
            if a is not None:
                assert torch.allclose(*(torch.frombuffer(bytearray(blob), dtype=torch.float32) for blob in (a, b)), atol=1e-5)


def test_another_method_condition_protocol_model_and_seed_add_rows(data, tmp_path):
    out, one = tmp_path / "r.sqlite", Clips(limit=1)
    hiss = sound.write(read_esc50(data).clips[3].load(), tmp_path / "hiss.wav")
    other = SpectrogramClassifier(FRONT, detector().network, LABELS, fingerprint="another", name="other")
    evaluate(data, [detector()], out, question=QUICK, clips=one)
    before = contents(out)
    window = {"window_s": None}
    assert other.window_s == window["window_s"]  # takes the five seconds of a noisy clip
    questions = [
        Question("saliency", masks="bin"), Question("grad_cam", masks="bin", protocol="paper"),
        Question("grad_cam", masks="bin", seed=1),
    ]  # fmt: skip
    for question in questions:
        evaluate(data, [detector()], out, question=question, clips=one)
    evaluate(data, [other], out, question=Question("grad_cam", masks="bin", conditions=f"clean,hiss={hiss}@3dB"), clips=one)
    after = contents(out)
    assert set(before["masks"]) <= set(after["masks"])
    assert len(after["units"]) == 6 and len(after["answers"]) == 3
    assert {(row[1], row[3], row[4]) for row in after["units"]} >= {
        ("clean", "corrected", "saliency"), ("clean", "paper", "grad_cam"), ("hiss", "corrected", "grad_cam"),
    }  # fmt: skip


def test_the_papers_protocol_explains_probabilities_over_mean_fills_by_arithmetic(data, tmp_path, monkeypatch):
    out, seen = tmp_path / "r.sqlite", []
    monkeypatch.setattr(answering, "ask_features", lambda c, given, **k: seen.append(given) or ask_features(c, given, **k))
    question = Question("lime(n_samples=256),grad_cam", masks="bin", protocol="paper", components="cells:tiles=2x4")
    evaluate(data, [detector()], out, question=question, clips=Clips(limit=1))
    with Results(out) as results:
        lime, grad_cam = results.groups()
        values = results._values(lime.units[0])
    assert (lime.about["scale"], grad_cam.about["scale"]) == ("probability", "logit")
    parts = with_fill(cells(read_esc50(data).clips[0].load(), detector(), "tiles=2x4"), "mean")
    game = Game(TargetScore(Predict(detector(), parts), [LABELS[int(lime.target[0])]], scale="probability"))
    mine = METHODS["lime"].function(game, game.shape, n_samples=256, protocol="paper")  # all masks of 8 cells: no seed
    assert torch.allclose(game.scatter(mine.values)[0][parts.cell], values, atol=1e-6)
    x, _, rounded = seen[0]
    assert torch.equal(rounded, (x + 100) * 1 - 100) and not torch.equal(rounded, x)  # the identity of the paper
    kept = {tuple(row.flatten().tolist()) for given in seen[1:] for row in given}
    mask = make_mask("binary", values).float()
    assert {tuple(((x + 100) * m - 100).flatten().tolist()) for m in (mask, 1 - mask)} <= kept


def test_corrupt_missing_and_silent_clips_are_named_and_stop_nothing(data, tmp_path):
    whole = read_esc50(dataset(tmp_path / "data", folds=2, per_class=2))
    broken, missing, silent = whole.clips[0], whole.clips[1], whole.clips[2]
    broken.path.write_bytes(b"no sound at all")
    missing.path.unlink()
    quiet = sound.load(whole.clips[3].path)
    sound.write(type(quiet)(torch.zeros_like(quiet.audio), quiet.sample_rate), silent.path)
    out = tmp_path / "r.sqlite"
    summary = evaluate(tmp_path / "data", [detector()], out, question=QUICK)
    named = {name: problem for name, _, _, problem in summary.problems}
    assert set(named) == {broken.name, missing.name, silent.name} and len(contents(out)["units"]) == 5
    assert "no file" in named[missing.name] and "silent" in named[silent.name]
    sound.write(quiet, missing.path)
    assert len(evaluate(tmp_path / "data", [detector()], out, question=QUICK).problems) == 2  # it is there again, and is asked
    assert len(contents(out)["units"]) == 6


def test_a_method_that_cannot_explain_the_model_is_said_and_others_go_on(data, tmp_path):
    flat = SpectrogramClassifier(FRONT, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(33 * 63, 2)).eval(), LABELS,
                                 window_s=1.0, name="flat")  # fmt: skip
    summary = evaluate(data, [flat], tmp_path / "r.sqlite", question=Question("grad_cam,saliency", masks="bin"))
    assert len(summary.problems) == 6 and all(method == "grad_cam" for _, _, method, _ in summary.problems)
    assert len(contents(tmp_path / "r.sqlite")["units"]) == 6
    with pytest.raises(ValueError, match=r"Not one unit could be asked. The first problem: .*grad_cam needs a convolution"):
        evaluate(data, [flat], tmp_path / "none.sqlite", question=QUICK, clips=Clips(limit=2))


class Liar(torch.autograd.Function):
    """The identity, whose slope is said to be minus three."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return -3 * slope


class LyingNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = detector().network

    def forward(self, features):
        return self.inner(Liar.apply(features))


def test_a_model_with_a_wrong_slope_is_not_explained_by_it_in_silence(data, tmp_path):
    model = SpectrogramClassifier(FRONT, LyingNetwork().eval(), LABELS, window_s=1.0, name="liar")
    out = tmp_path / "r.sqlite"
    for _ in range(2):  # also where nothing is left to ask
        (warning,) = evaluate(data, [model], out, question=QUICK, clips=Clips(limit=1)).warnings
        assert warning.startswith("The gradient of liar disagrees")
    lime = Question("lime(n_samples=64)", masks="bin", components="cells:tiles=2x4")
    assert evaluate(data, [model], tmp_path / "asked.sqlite", question=lime, clips=Clips(limit=1)).warnings == ()


def test_the_background_is_of_training_folds_the_same_for_any_selection(data):
    dataset = read_esc50(data)
    one = background_clips(dataset, Question())
    assert [{clip.fold for clip in of_class} for of_class in one] == [{1}, {1}]  # two of three folds validate and test
    assert [clips[0].category for clips in one] == list(LABELS)
    turned = Esc50(tuple(reversed(dataset.clips)), dataset.categories)
    assert background_clips(turned, Question()) == one


def test_deep_shap_compares_with_so_many_clips_a_class(data, tmp_path, monkeypatch):
    seen = []
    from hearwhy.evaluate import work

    real = work.make_map
    monkeypatch.setattr(work, "make_map", lambda *a, **k: seen.append(k["background"]) or real(*a, **k))
    evaluate(data, [detector()], tmp_path / "r.sqlite", question=Question("deep_shap,saliency", masks="bin", background=1),
             clips=Clips(limit=1))  # fmt: skip
    assert seen[0].shape == (2, 33, 63) and seen[1] is None


def test_clips_are_chosen_from_the_table(data):
    whole = read_esc50(data)
    assert Clips().of(whole) == whole.clips and Clips(folds=(2,)).of(whole) == whole.of_folds(2)
    assert [c.category for c in Clips(limit=3).of(whole)] == ["low", "high", "low"]
    twice = Esc50(tuple(Clip(Path(f"{i}.wav"), 1, "low", str(i)) for i in range(3)), ("low",))
    assert Clips(per_class=2).of(twice) == twice.clips[:2]
    with pytest.raises(ValueError, match="limit is at least 1; got 0"):
        Clips(limit=0).of(whole)


def test_contradictions_are_refused_in_words(data, tmp_path):
    out, one = tmp_path / "r.sqlite", Clips(limit=1)
    hiss = sound.write(read_esc50(data).clips[3].load(), tmp_path / "hiss.wav")
    free = SpectrogramClassifier(FRONT, detector().network, LABELS, name="any length")
    noisy = {level: Question("grad_cam", masks="bin", conditions=f"hiss={hiss}@{level}dB") for level in (3, 4)}
    evaluate(data, [free], out, question=noisy[3], clips=one)
    with pytest.raises(ValueError, match="holds a condition hiss with another noise or level; give it another name"):
        evaluate(data, [free], out, question=noisy[4], clips=one)
    whole = read_esc50(data)
    with pytest.raises(ValueError, match="holds results of another dataset"):
        evaluate(Esc50(whole.clips[1:], whole.categories), [free], out, question=QUICK)
    changed = dataset(tmp_path / "data", folds=3, per_class=1)
    sound.write(sound.load(read_esc50(changed).clips[1].path), read_esc50(changed).clips[0].path)
    with pytest.raises(ValueError, match=r"has changed since .* was begun; give another --out"):
        evaluate(changed, [free], out, question=QUICK, clips=one)
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be taken for something else" * 20)
    with pytest.raises(ValueError, match="is no file of results"):
        evaluate(data, [free], tmp_path / "text.sqlite", question=QUICK)
    with sqlite3.connect(tmp_path / "old.sqlite") as file:
        file.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        file.execute("INSERT INTO meta VALUES ('version', '0')")
    file.close()
    with pytest.raises(ValueError, match="has version 0 of the tables, and this hearwhy reads 1"):
        evaluate(data, [free], tmp_path / "old.sqlite", question=QUICK)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        evaluate(data, [free], tmp_path / "no" / "r.sqlite", question=QUICK)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"methods": ""}, "one or more methods"),
        ({"methods": "lime,lime"}, "each once"),
        ({"methods": "guess"}, "There is no method 'guess'"),
        ({"masks": "half"}, "There is no mask 'half'"),
        ({"masks": "bin,bin"}, "one or more masks"),
        ({"protocol": "mine"}, "There are the protocols"),
        ({"controls": ("identity",)}, "Controls of equal area are random and energy; got identity"),
        ({"background": 0}, "background is at least 1"),
        ({"components": "segments:8"}, "cells:quickshift; got 'segments:8'"),
    ],
)
def test_questions_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Question(**options)


def test_engines_that_make_no_sense_are_refused():
    for options, message in (
        ({"name": "dask"}, "There is no engine 'dask'"),
        ({"workers": 0}, "at least 1; got 0"),
        ({"workers": 2}, "The local engine is one worker; for 2 give --engine ray"),
    ):
        with pytest.raises(ValueError, match=message):
            Engine(**options)


def test_models_that_cannot_be_evaluated_are_refused(data, tmp_path):
    def loud(audio):
        return audio.abs().mean(dim=(1, 2))[:, None].repeat(1, 2)

    loud.sample_rate, loud.labels = 2000, LABELS
    with pytest.raises(TypeError, match="whose front end hearwhy can see"):
        evaluate(data, [loud], tmp_path / "r.sqlite")
    nameless = SpectrogramClassifier(FRONT, lambda x: x.mean(dim=(1, 2, 3))[:, None].repeat(1, 2), LABELS, window_s=1.0)
    with pytest.raises(ValueError, match="has no fingerprint"):
        evaluate(data, [nameless], tmp_path / "r.sqlite", question=QUICK)
    with pytest.raises(ValueError, match="There is no device 'abacus'"):
        evaluate(data, [detector()], tmp_path / "r.sqlite", engine=Engine(device="abacus"))


def test_a_method_is_called_by_what_was_changed_in_it():
    lines = Question("lime( n_samples = 500 ,width=0.25),rise,lime(protocol=corrected)", protocol="paper").method_lines()
    assert [line.line for line in lines] == ["lime(n_samples=500)", "rise", "lime(protocol=corrected)"]
    assert dict(lines[0].options)["protocol"] == "paper"
    assert lines[1].seeded(7)["seed"] == 7 and Question("rise(seed=3)").method_lines()[0].seeded(7)["seed"] == 3


def test_progress_is_told_for_the_units_of_a_broken_recording_too(data, tmp_path):
    whole = read_esc50(dataset(tmp_path / "data", folds=1, per_class=1))
    whole.clips[0].path.write_bytes(b"no sound at all")
    told = []
    question = Question("grad_cam,saliency", masks="bin")
    evaluate(whole, [detector()], tmp_path / "r.sqlite", question=question, progress=lambda *at: told.append(at))
    assert told[0] == (2, 4) and told[-1] == (4, 4)
