"""Remembered answers: the same numbers to the bit and no model call the second time; what differs in anything is asked anew."""

import multiprocessing
import sqlite3
from dataclasses import replace

import pytest
import torch

import hearwhy
from hearwhy import Predict, Recording, classifier, components
from hearwhy.answers import Answers, packed
from hearwhy.answers.shelf import FILE, Shelf
from hearwhy.components import with_fill
from hearwhy.windowing import Listening
from toys import ToneDetector, noise, noisy, tone

SONG = Recording(tone(440, seconds=2.0, rate=16_000) + noise(2.0, rate=16_000), 16_000, "song")
MASKS = torch.rand(40, 5, generator=torch.Generator().manual_seed(0)) < 0.5


class Known(ToneDetector):
    """A detector that says who it is."""

    fingerprint = "known"


def detector() -> Known:
    return Known({"low": 440.0, "high": 2000.0})


def parts(n: int = 5, seed: int = 0):
    return components(f"bands:{n}", noisy(seed=seed))


@pytest.fixture(params=["memory", "disk"])
def reopened(request, tmp_path):
    """Answers, and the same again as another run finds them."""
    if request.param == "disk":
        return lambda: Answers(tmp_path)
    answers = Answers()
    return lambda: answers


def n_asked(cache, *, model=None, of=None, **options) -> int:
    predict = Predict(model or detector(), of or parts(), cache=cache, **options)
    predict(MASKS[:, : len(predict.parts.names)])
    return predict.n_calls


def test_the_second_time_nothing_is_asked_and_no_bit_differs(reopened):
    first = Predict(detector(), parts(), cache=reopened())
    expected = first(MASKS)
    assert first.n_calls == len(MASKS.unique(dim=0)) > 0
    again, cache = detector(), reopened()
    second = Predict(again, parts(), cache=cache)
    assert torch.equal(second(MASKS.flip(0)), expected.flip(0))
    assert again.batches == [] and second.n_calls == 0
    assert cache.n_remembered == first.n_calls


def test_only_masks_that_were_never_asked_are_asked(reopened):
    n_asked(reopened())
    more = torch.cat([MASKS, ~MASKS])
    predict = Predict(detector(), parts(), cache=reopened())
    assert torch.allclose(predict(more), Predict(detector(), parts())(more), atol=1e-6)  # other batches: float32's rounding
    assert predict.n_calls == len(more.unique(dim=0)) - len(MASKS.unique(dim=0)) > 0


def test_another_method_and_target_of_an_explanation_ask_only_what_is_new(reopened):
    def explained(method: str, target: str):
        return hearwhy.explain("band", SONG, components="bands:6", method=method, target=target, cache=reopened())

    first = explained("kernel_shap", "guitar")
    again = explained("kernel_shap", "guitar")
    assert first.n_calls >= 2**6 and first.settings["n_remembered"] == 0
    assert again.n_calls == 0 and again.settings["n_remembered"] == first.n_calls
    assert torch.equal(again.values, first.values) and torch.equal(again.probabilities, first.probabilities)
    assert explained("shapley", "piano").n_calls == 0
    assert torch.allclose(explained("occlusion", "piano").score_full, -first.score_full)  # two labels: the odds are inverse


def other_weights():
    model = classifier("band")
    with torch.no_grad():
        next(iter(model.network.parameters())).mul_(1.01)
    return model


DIFFERENT = {
    "another model": lambda: {"model": replace(classifier("band"), fingerprint="another")},
    "other weights under the same fingerprint": lambda: {"model": other_weights()},
    "other labels": lambda: {"model": replace(classifier("band"), labels=("piano", "guitar"))},
    "another recording": lambda: {"of": components("bands:5", Recording(SONG.audio * 0.99, 16_000))},
    "another fill": lambda: {"of": with_fill(components("bands:5", SONG), "noise")},
    "other parts": lambda: {"of": components("segments:5", SONG)},
    "another window": lambda: {"of": components("bands:5", SONG), "listening": Listening(span_s=(0.0, 1.0))},
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_differs_in_anything_is_asked_anew(kind, reopened):
    def asked(**different):
        given = {"model": classifier("band"), "of": components("bands:5", SONG), **different}
        return n_asked(reopened(), **given)

    assert asked() > 0 and asked() == 0
    assert asked(**DIFFERENT[kind]()) == len(MASKS.unique(dim=0))


def test_cells_and_their_fills_have_answers_of_their_own(reopened):
    model = classifier("band")
    cells = components("cells:tiles=2x3", SONG, classifier=model)
    some = torch.rand(9, 6, generator=torch.Generator().manual_seed(1)) < 0.5

    def asked(of):
        predict = Predict(model, of, cache=reopened())
        return predict(some), predict.n_calls

    first, n = asked(cells)
    again, none = asked(cells)
    assert n > 0 and none == 0 and torch.equal(first, again)
    assert asked(with_fill(cells, "mean"))[1] == n


def test_a_model_without_a_fingerprint_is_never_remembered(tmp_path):
    model = ToneDetector({"low": 440.0, "high": 2000.0})
    with pytest.raises(ValueError, match=r"ToneDetector has no fingerprint.*leave the cache out"):
        hearwhy.explain(model, noisy(), components="bands:3", cache=tmp_path)


def damage(path, statement: str) -> None:
    with sqlite3.connect(path) as file:
        file.execute(statement)
    file.close()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE answers SET answer = zeroblob(length(answer))", "UPDATE answers SET answer = x'00'",
     "UPDATE questions SET draws = 7", "UPDATE answers SET mask = mask || x'00'", "DELETE FROM questions"],
)  # fmt: skip
def test_damaged_answers_are_asked_again_and_mended(statement, tmp_path):
    n = n_asked(Answers(tmp_path))
    expected = Predict(detector(), parts())(MASKS)
    damage(tmp_path / FILE, statement)
    predict = Predict(detector(), parts(), cache=Answers(tmp_path))
    assert torch.equal(predict(MASKS), expected) and predict.n_calls == n
    assert n_asked(Answers(tmp_path)) == 0


def test_a_file_that_holds_no_answers_is_refused_in_one_sentence(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ValueError, match=r"answers.sqlite cannot be used \(.*\); remove it, and the model is asked again"):
        Answers(tmp_path)


def test_a_file_cut_off_is_never_read_as_if_it_were_whole(tmp_path):
    n_asked(Answers(tmp_path))
    damage(tmp_path / FILE, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="remove it, and the model is asked again"):
        n_asked(Answers(tmp_path))


def test_answers_of_another_version_are_refused(tmp_path):
    n_asked(Answers(tmp_path))
    damage(tmp_path / FILE, "PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="version 99, and this hearwhy reads 1; remove it"):
        Answers(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be written .* give another folder for the cache"):
        Answers(tmp_path / "file")


def _write(folder, numbers: range) -> None:
    shelf = Shelf(folder / FILE)
    for i in numbers:
        shelf.write("question", [i.to_bytes(4, "big")], torch.full((1, 1, 3), float(i)))


def test_of_two_writers_one_killed_the_other_loses_nothing_and_no_answer_is_wrong(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    killed = spawn.Process(target=_write, args=(tmp_path, range(40, 10**6)))  # some answers in common
    writer = spawn.Process(target=_write, args=(tmp_path, range(100)))
    killed.start(), writer.start()
    writer.join()
    while Shelf(tmp_path / FILE).n_answers() < 150:
        assert killed.is_alive()
    killed.kill()
    killed.join()
    keys = [i.to_bytes(4, "big") for i in range(2000)]
    found = Shelf(tmp_path / FILE).read("question", keys)
    assert set(keys[:100]) <= set(found) and len(found) >= 150
    assert all(torch.equal(answer, torch.full((1, 3), float(int.from_bytes(key, "big")))) for key, answer in found.items())


def test_the_limit_forgets_the_question_not_asked_for_longest(tmp_path, monkeypatch):
    for i, question in enumerate(["old", "new"]):
        monkeypatch.setattr("time.time", lambda i=i: float(i))
        Shelf(tmp_path / FILE).write(question, [b"m"], torch.ones(1, 1, 1000))
    monkeypatch.setattr("hearwhy.answers.shelf.LIMIT_BYTES", 8_000)
    shelf = Shelf(tmp_path / FILE)
    assert shelf.read("old", [b"m"]) == {} and list(shelf.read("new", [b"m"])) == [b"m"]


def test_memory_forgets_too(monkeypatch):
    monkeypatch.setattr("hearwhy.answers.MEMORY_BYTES", 1000)
    answers = Answers()
    for question in ("a", "b"):
        answers.about(question).add([b"m"], torch.ones(1, 1, 200))
    assert answers.about("b").missing([b"m"]) == {}
    assert answers.about("a").missing([b"m"]) == {b"m": 0}


def test_the_size_is_said(tmp_path):
    answers = Answers(tmp_path)
    n = n_asked(answers)
    assert str(answers).startswith(f"{tmp_path} holds {n} answers, ") and str(answers).endswith(" MB")


def test_masks_are_told_apart_by_every_component():
    masks = torch.cat([torch.eye(20, dtype=torch.bool), torch.zeros(1, 20, dtype=torch.bool)])
    assert len(set(packed(masks))) == 21
