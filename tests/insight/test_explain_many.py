"""Asking about a dataset: the rows are what `explain` would say, interrupted or not."""

import json
import sqlite3

import pytest
import torch
from insight_scenes import RATE, Drummed, songs

import hearwhy
from hearwhy import Recording, audio
from hearwhy.components import sources
from hearwhy.datasets import read
from hearwhy.insight import Question, Selection, Study, explain_many, read_insight
from hearwhy.metrics.separation import si_sdr
from toys import noise, tone

BOTH = Selection(stems=(("guitar", "drums", "bass"), ("piano", "drums", "bass"), ("piano", "bass")), split="test")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return songs(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def found(data, out):
    return explain_many(data, Drummed(), out, question=Question("sources:stems"), selection=BOTH)


def rows(folder):
    file = sqlite3.connect(folder / "insight.sqlite")
    held = {table: sorted(file.execute(f"SELECT * FROM {table}").fetchall()) for table in ("meta", "silent", "problems")}
    held["snippets"] = sorted(file.execute("SELECT item, condition, number, found FROM snippets").fetchall())
    file.close()
    return held


def test_the_planted_confounder_is_found(found):
    assert len(found.snippets) == 3 * (3 + 3 + 2) and found.n_silent == 3 and not found.problems
    for snippet, top in zip(found.views[0].snippets, found.views[0].tops, strict=True):
        assert snippet.label == snippet.condition.split("+")[0]
        drums = "drums" in snippet.names
        assert found.predicted(snippet) == ("guitar" if drums else "piano")
        assert top == ("drums" if drums else "nothing present")
        # logits 4 drums + guitar against 2: an additive game, whose Shapley values are its weights
        weights = {"drums": 4.0, "guitar": 1.0, "piano": 0.0, "bass": 0.0}
        sign = 1 if drums else -1
        assert snippet.explanations[0].values == pytest.approx([sign * weights[name] for name in snippet.names], abs=1e-5)
        assert snippet.explanations[0].surrogate == pytest.approx(snippet.explanations[0].score, abs=1e-5)


def test_a_row_is_what_explain_says_of_the_same_sound(data, found):
    snippet = next(row for row in found.snippets if row.condition == "guitar+drums+bass" and row.number == 1)
    item = next(i for i in read(data, split="test", stems=("guitar", "drums", "bass")).items if i.name == snippet.item)
    recording, stems = item.load(start_s=1.0, duration_s=1.0), item.stems(start_s=1.0, duration_s=1.0)
    parts = sources(recording, {name: stem.audio for name, stem in stems.items()})
    told = hearwhy.explain(Drummed(), recording, components=parts)
    close = lambda row: pytest.approx(row.tolist(), abs=1e-6)  # float32 in batches of other sizes
    assert snippet.explanations[0].values == close(told.values[0])
    assert snippet.chances == close(told.probabilities) and snippet.chances_removed == close(told.removed)
    assert snippet.levels_db == told.levels_db and snippet.names == told.names
    assert snippet.explanations[0].score == pytest.approx(float(told.score_full[0]), abs=1e-6)
    assert snippet.n_calls == 8  # all masks of three parts, none twice


def test_the_datasets_own_sources_are_split_again_and_multiplied(data, tmp_path):
    """The pieces' Owen values sum to what Shapley gives the drums as one; halves of sources keep the names of both."""
    one = Selection(stems=(("guitar", "drums", "bass"),), split="test", limit=1, per_item=1)
    asked = {
        "one": Question("sources:stems", method="shapley", scale="probability"),  # on which parts do not simply add up
        "drums": Question("sources:stems / drums:segments:2", method="owen", scale="probability"),
        "halves": Question("sources:stems * segments:2", method="shapley"),
    }
    found = {
        name: explain_many(data, Drummed(), tmp_path / name, question=q, selection=one).snippets[0] for name, q in asked.items()
    }
    values = {name: dict(zip(row.names, row.explanations[0].values, strict=True)) for name, row in found.items()}
    pieces = [name for name in found["drums"].names if name.startswith("drums / ")]
    assert len(pieces) == 2 and len(found["halves"].names) == 2 * len(found["one"].names)
    assert sum(values["drums"][name] for name in pieces) == pytest.approx(values["one"]["drums"], abs=1e-5)
    assert values["drums"]["bass"] == pytest.approx(values["one"]["bass"], abs=1e-5)


def test_fresh_masks_are_what_the_model_says_of_them(found):
    for snippet in found.snippets:
        for model, additive in snippet.explanations[0].checks:
            assert model == pytest.approx(additive, abs=1e-5)  # the model is additive on this scale


def test_a_stopped_run_goes_on_and_ends_with_the_same_rows(data, found, out, tmp_path):
    stopped = []

    def stop(done, expected):
        if done == 7:
            stopped.append((done, expected))
            raise KeyboardInterrupt

    question = Question("sources:stems")
    with pytest.raises(KeyboardInterrupt):
        explain_many(data, Drummed(), tmp_path / "a", question=question, selection=BOTH, progress=stop)
    assert stopped == [(7, 27)] and len(rows(tmp_path / "a")["snippets"]) + len(rows(tmp_path / "a")["silent"]) == 7
    told = []
    again = explain_many(
        data, Drummed(), tmp_path / "a", question=question, selection=BOTH, progress=lambda *at: told.append(at)
    )
    assert told[0] == (7, 27) and told[-1] == (27, 27)
    assert again.snippets == found.snippets
    assert rows(tmp_path / "a") == rows(out)


def test_sampled_masks_hang_on_the_snippet_and_not_on_the_order(data, tmp_path):
    question = Question("bands:12", method="lime(n_samples=60)")
    first = explain_many(data, Drummed(), tmp_path / "a", question=question, selection=Selection(limit=1))
    study = Study(data, Drummed(), question, Selection(limit=1))
    study.units.reverse()
    assert study.run(tmp_path / "b").snippets == first.snippets
    assert first.snippets[0].explanations[0].stderr is not None
    other = explain_many(data, Drummed(), tmp_path / "c", question=Question("bands:12", method="lime(n_samples=60)", seed=1),
                         selection=Selection(limit=1))  # fmt: skip
    assert other.snippets[0].explanations != first.snippets[0].explanations


@pytest.mark.parametrize(
    ("question", "selection", "message"),
    [
        (Question("sources:stems", seed=1), BOTH, "another question .*seed was 0 and is 1"),
        (Question("bands:3"), BOTH, "another question .*components was 'sources:stems' and is 'bands:3'"),
        (Question("sources:stems", targets=("all",)), BOTH, "targets was"),
        (Question("sources:stems"), Selection(split="test"), "snippets was"),
    ],
)
@pytest.mark.usefixtures("found")
def test_another_question_is_refused_in_the_same_folder(data, out, question, selection, message):
    before = rows(out)
    with pytest.raises(ValueError, match=message):
        explain_many(data, Drummed(), out, question=question, selection=selection)
    assert rows(out) == before


@pytest.mark.usefixtures("found")
def test_a_model_without_a_fingerprint_is_asked_again_before_its_rows_are_mixed(data, out):
    class Other(Drummed):
        def forward(self, sound):
            return super().forward(sound) * 0.9

    Other.__name__ = Other.__qualname__ = "Drummed"
    with pytest.raises(ValueError, match="begun with a model that answers otherwise"):
        explain_many(data, Other(), out, question=Question("sources:stems"), selection=BOTH)


class Song:
    """Two tones; one note of it is damaged."""

    group, label, duration_s = "album", "loud", 4.0

    def __init__(self, name, broken=()):
        self.name, self.broken, self.loads = name, broken, []

    def load(self, *, start_s=0.0, duration_s=None):
        self.loads.append((start_s, duration_s))
        if start_s in self.broken:
            raise ValueError(f"{self.name} is damaged at {start_s} s.")
        stems = self.stems(start_s=start_s, duration_s=duration_s)
        return Recording(sum(stem.audio for stem in stems.values()), RATE, self.name)

    def stems(self, *, start_s=0.0, duration_s=None):
        whole = {"low": tone(300, seconds=4.0), "high": tone(2500, seconds=4.0, gain=0.1) + noise(4.0, gain=1e-3)[0]}
        stop = None if duration_s is None else round((start_s + duration_s) * RATE)
        return {name: Recording(wave[None, round(start_s * RATE) : stop], RATE) for name, wave in whole.items()}


def a_dataset(*items):
    from hearwhy.datasets.items import Dataset

    return Dataset("made", items)


def test_what_is_wrong_with_one_snippet_is_noted_and_tried_again(tmp_path):
    broken, sound = Song("broken", {1.0, 2.0}), Song("sound")
    found = explain_many(a_dataset(broken, sound), Drummed(), tmp_path, question=Question("sources:stems"))
    assert [problem[::2] for problem in found.problems] == [("broken", f"broken is damaged at {s} s.") for s in (1.0, 2.0)]
    assert len(found.snippets) == 6 and {snippet.label for snippet in found.snippets} == {"loud"}
    broken.broken = {2.0}
    again = explain_many(a_dataset(broken, sound), Drummed(), tmp_path, question=Question("sources:stems"))
    assert len(again.snippets) == 7 and len(again.problems) == 1


def test_where_nothing_can_be_explained_the_first_reason_is_given(tmp_path):
    with pytest.raises(ValueError, match=r"Not one snippet could be explained.*damaged at 0\.0 s"):
        explain_many(a_dataset(Song("broken", {0.0, 1.0, 2.0, 3.0})), Drummed(), tmp_path, question=Question("sources:stems"))


def halves(recording):
    """A separator that is right about the level only: what it takes for low is half of everything."""
    return {"low": 0.9 * recording.audio, "rest": 0.1 * recording.audio}


def test_a_separator_hears_the_whole_recording_once_and_its_quality_is_kept(tmp_path, monkeypatch):
    calls = []
    make = lambda spec, recording, **more: calls.append(recording) or sources(recording, halves(recording))
    monkeypatch.setattr("hearwhy.insight.asking.make_components", make)
    song = Song("one")
    found = explain_many(a_dataset(song), Drummed(), tmp_path, question=Question("sources:mine"))
    assert [recording.duration_s for recording in calls] == [4.0] and len(found.snippets) == 4
    snippet = found.snippets[2]
    truth, mix = song.stems(start_s=2.0, duration_s=1.0)["low"].audio, song.load(start_s=2.0, duration_s=1.0).audio
    assert snippet.names == ("low", "rest")
    assert snippet.si_sdr_db == (pytest.approx(si_sdr(0.9 * mix, truth), abs=1e-6), None)
    assert snippet.si_sdr_mix_db == (pytest.approx(si_sdr(mix, truth), abs=1e-6), None)
    part = calls[0].audio[:, 2 * RATE : 3 * RATE]
    assert snippet.levels_db[0] == pytest.approx(audio.level_db(0.9 * part) - audio.level_db(part), abs=1e-9)


def test_true_sources_that_are_not_known_are_asked_for(tmp_path):
    audio.write(Recording(tone(300, seconds=2.0)[None], RATE), tmp_path / "data" / "a.wav")
    with pytest.raises(ValueError, match=r"The true sources of a\.wav are not known; give a separator"):
        explain_many(tmp_path / "data", Drummed(), tmp_path / "out", question=Question("sources:stems"))


def test_a_folder_of_silence_has_nothing_to_explain(tmp_path):
    audio.write(Recording(torch.zeros(1, 3 * RATE), RATE), tmp_path / "data" / "a.wav")
    with pytest.raises(ValueError, match=r"All 3 snippets are silent \(under -60 dB\)"):
        explain_many(tmp_path / "data", Drummed(), tmp_path / "out", question=Question("bands:2"))
    assert not (tmp_path / "out").exists(), "where there is nothing to tell, nothing is left"


def test_every_label_may_be_asked_about_at_once(data, tmp_path):
    found = explain_many(data, Drummed(), tmp_path, question=Question("sources:stems", targets=("all", "guitar - piano")),
                         selection=Selection(limit=1))  # fmt: skip
    assert [view.name for view in found.views][1:] == ["piano", "guitar - piano"]  # a guitar is always predicted
    guitar, piano = found.by_target["guitar"], found.by_target["piano"]
    torch.testing.assert_close(torch.tensor(guitar.values), -torch.tensor(piano.values))
    assert {snippet.n_calls for snippet in found.snippets} == {16}  # four parts, whatever is asked of them


def test_the_true_label_is_not_guessed_where_two_of_them_play(data, tmp_path):
    found = explain_many(data, Drummed(), tmp_path, question=Question("sources:stems"), selection=Selection(limit=1))
    assert {snippet.label for snippet in found.snippets} == {None}


def test_what_is_read_is_what_was_found(found, out):
    assert read_insight(out).snippets == found.snippets == read_insight(out / "insight.sqlite").snippets
    about = read_insight(out).about
    assert about["scale"] == "log_odds" and about["layout"] == "slakh" and json.dumps(about)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*insight\.sqlite"):
        read_insight(tmp_path)
    (tmp_path / "insight.sqlite").write_text("no database, but long enough to look at" * 40)
    with pytest.raises(ValueError, match="is no file of `hearwhy insight`"):
        read_insight(tmp_path)
    with pytest.raises(ValueError, match="is no file of `hearwhy insight`"):
        explain_many(a_dataset(Song("one")), Drummed(), tmp_path, question=Question("sources:stems"))


def test_sounds_of_a_snippet_are_its_own_and_its_components(data):
    study = Study(data, Drummed(), Question("sources:stems"), BOTH)
    unit = study.units[1]
    snippet = study.asker.ask(unit)
    heard = study.hear(snippet, "drums")
    assert list(heard) == ["", "drums"]
    torch.testing.assert_close(heard[""].audio, unit.item.load(start_s=1.0, duration_s=1.0).audio)
    torch.testing.assert_close(heard["drums"].audio, unit.item.stems(start_s=1.0, duration_s=1.0)["drums"].audio)
