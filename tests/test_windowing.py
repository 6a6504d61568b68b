"""Listening: windows that overlap, windows for models of any length, frames and spans of time."""

import pytest
import torch

import hearwhy
from hearwhy import Predict, Recording, audio, components
from hearwhy.timeline import Timeline
from hearwhy.windowed import PerWindow
from hearwhy.windowing import Listening, windows
from toys import ToneDetector, noise, tone

TONES = {"low": 440.0, "high": 2000.0}
ONE = torch.ones(1, 1, dtype=torch.bool)


def three_tones() -> Recording:
    """Low, high, low: a second each."""
    return Recording(torch.cat([tone(440), tone(2000), tone(440)])[None] + noise(3.0, gain=1e-3), 8000, "three")


class FrameDetector:
    """What tones are in each tenth of a second: (batch, label, frame)."""

    sample_rate, channels, labels, activation, fingerprint = 8000, 1, ("low", "high"), "sigmoid", None
    output = "batch label frame"

    def __init__(self, window_s=None, frame_s=None):
        self.window_s, self.frame_s, self.inside = window_s, frame_s, ToneDetector(TONES)
        self.n_calls = 0

    def __call__(self, sound):
        self.n_calls += len(sound)
        frames = sound.unfold(-1, 800, 800)  # (batch, channel, frame, time)
        answers = torch.stack([self.inside(frames[:, :, i]) for i in range(frames.shape[2])], dim=2)
        return 2 * answers + 6


@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.9])
def test_windows_overlap_by_what_was_asked(overlap):
    found = windows(8000 * 10, ToneDetector(TONES, window_s=1.0), overlap=overlap)
    steps = {b - a for a, b in zip(found.starts, found.starts[1:], strict=False)}
    assert round(8000 * (1 - overlap)) in steps
    assert found.starts[-1] + found.length == 80000
    assert "apart" in found.note


def test_a_model_of_any_length_can_be_given_windows():
    found = windows(8000 * 4, ToneDetector(TONES), window_s=1.5)
    assert found.length == 12000
    assert windows(8000, ToneDetector(TONES), window_s=1.5).length == 8000  # a short recording as it is, no silence added
    with pytest.raises(ValueError, match="takes 1 s at a time; windows of 2 s are not for it"):
        windows(8000 * 4, ToneDetector(TONES, window_s=1.0), window_s=2.0)
    with pytest.raises(ValueError, match="give the seconds of a window too"):
        windows(8000 * 4, ToneDetector(TONES), overlap=0.5)
    with pytest.raises(ValueError, match="overlap is the share"):
        windows(8000 * 4, ToneDetector(TONES, window_s=1.0), overlap=1.0)
    with pytest.raises(ValueError, match="more than 0 seconds"):
        windows(8000 * 4, ToneDetector(TONES), window_s=0.0)


def test_a_model_that_pads_by_itself_gets_short_recordings_as_they_are():
    model = ToneDetector(TONES, window_s=2.0)
    assert windows(8000, model).length == 16000
    model.pads = True
    assert windows(8000, model).length == 8000
    assert windows(8000 * 5, model).length == 16000
    assert windows(8000 * 5, model, window_s=1.0).length == 8000


def test_frames_are_draws_and_their_probabilities_the_mean():
    model, recording = FrameDetector(), three_tones()
    predict = Predict(model, components("segments:3", recording))
    answers = predict(torch.ones(1, 3, dtype=torch.bool))
    assert answers.shape == (1, 30, 2)
    assert torch.allclose(answers[0].T, model(recording.audio[None])[0].float(), atol=1e-6)
    assert torch.allclose(predict.probabilities(torch.ones(1, 3, dtype=torch.bool))[0], answers[0].sigmoid().mean(0))


@pytest.mark.parametrize("window_s", [None, 1.0, 0.7])
def test_a_span_of_time_asks_about_its_frames_only(window_s):
    recording = three_tones()
    middle = hearwhy.explain(FrameDetector(window_s), recording, components="segments:3", target="high@1.2-1.8s")
    assert middle.probabilities[1] > 0.9
    assert middle.top() == 1
    assert float(middle.values[0, [0, 2]].abs().max()) < 0.05 * float(middle.values[0, 1])
    first = hearwhy.explain(FrameDetector(window_s), recording, components="segments:3", target="high@0.2-0.8s")
    assert first.probabilities[1] < 0.2
    assert middle.settings["span_s"] == (1.2, 1.8)


def test_the_span_reaches_the_verdict():
    from hearwhy.report import summarise

    found = hearwhy.explain(FrameDetector(), three_tones(), components="segments:3", target="high@1.2-1.8s")
    assert "hears high with" in summarise(found)["verdict"]
    assert "between 1.2 and 1.8 s" in summarise(found)["verdict"]


def test_a_span_shorter_than_a_frame_is_the_frame_it_lies_in():
    predict = Predict(FrameDetector(), components("segments:3", three_tones()), listening=Listening(span_s=(1.51, 1.52)))
    answers = predict(torch.ones(1, 3, dtype=torch.bool))
    assert answers.shape[1] == 1
    assert torch.equal(answers[0, 0], Predict(FrameDetector(), components("segments:3", three_tones()))(
        torch.ones(1, 3, dtype=torch.bool))[0, 15])  # fmt: skip


def test_windows_outside_a_span_are_not_asked():
    model = ToneDetector(TONES, window_s=1.0)
    predict = Predict(model, components("segments:3", three_tones()), listening=Listening(span_s=(1.1, 1.9)))
    assert predict(torch.ones(1, 3, dtype=torch.bool)).shape == (1, 1, 2)
    assert sum(model.batches) == 1


def test_frames_of_padding_do_not_count():
    short = Recording(tone(440, seconds=0.5)[None], 8000, "short")
    answers = Predict(FrameDetector(window_s=2.0), components("segments:2", short))(torch.ones(1, 2, dtype=torch.bool))
    assert answers.shape == (1, 5, 2)


def test_a_time_at_which_nothing_is_heard_is_refused():
    with pytest.raises(ValueError, match=r"Nothing of 5 to 6 s is heard: the recording is 3.00 s long"):
        hearwhy.explain(FrameDetector(), three_tones(), components="segments:3", target="high@5-6s")


def test_frames_must_be_declared():
    model = FrameDetector()
    model.output = "batch label"
    with pytest.raises(ValueError, match="say so with output = 'batch label frame'"):
        Predict(model, components("segments:3", three_tones()))(torch.ones(1, 3, dtype=torch.bool))
    flat = ToneDetector(TONES)
    flat.output = "batch label frame"
    with pytest.raises(ValueError, match=r"must answer \(batch, label, frame\)"):
        Predict(flat, components("segments:3", three_tones()))(torch.ones(1, 3, dtype=torch.bool))


def test_a_frame_wise_callable_may_answer_in_its_own_order():
    inside = FrameDetector()

    def transposed(sound):
        return inside(sound[:, None]).transpose(1, 2).numpy()

    transposed.sample_rate, transposed.labels, transposed.activation = 8000, ("low", "high"), "sigmoid"
    transposed.layout, transposed.output = "batch time", "batch frame label"
    found = hearwhy.explain(transposed, three_tones(), components="segments:3", target="high@1.2-1.8s")
    expected = hearwhy.explain(inside, three_tones(), components="segments:3", target="high@1.2-1.8s")
    assert torch.allclose(found.values, expected.values, atol=1e-5)


# The timeline


def asked(model, source, **options):
    options = {"target": "low", "per_window": True, "components": "bands:3", "method": "shapley"} | options
    return hearwhy.explain(model, source, **options)


def test_a_file_is_explained_window_by_window_as_its_pieces_are(tmp_path):
    recording = three_tones()
    path = audio.write(recording, tmp_path / "three.wav")
    found = asked(ToneDetector(TONES, window_s=1.0), path)
    kept = asked(ToneDetector(TONES, window_s=1.0), hearwhy.load(path))
    assert found.spans_s == kept.spans_s == ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))
    assert torch.allclose(found.values, kept.values)
    alone = hearwhy.explain(ToneDetector(TONES), audio.cut(hearwhy.load(path), 8000, 16000), components="bands:3",
                            method="shapley", target="low")  # fmt: skip
    assert torch.allclose(found.values[1], alone.values, atol=1e-5)
    assert torch.allclose(found.mean, found.values.mean(0))


def test_the_windows_in_which_the_target_is_most_probable_come_first():
    found = asked(ToneDetector(TONES, window_s=1.0), three_tones(), target="high", per_window=PerWindow(n_windows=1))
    assert found.numbers == (1,)
    assert len(found.explained) == 1
    assert found.values[0].isnan().all() and found.values[2].isnan().all()
    assert found.probabilities[1, 1] > 0.9 > 0.2 > found.probabilities[0, 1]
    with pytest.raises(ValueError, match="At least one window"):
        PerWindow(n_windows=0)


def test_top_is_the_label_of_the_mean_over_windows():
    found = asked(ToneDetector(TONES, window_s=1.0), three_tones(), target="top")
    assert {attribution.targets for attribution in found.explained} == {("low",)}  # in two of three windows


def test_what_was_finished_is_not_asked_again(tmp_path):
    class Stopping(ToneDetector):
        left = 20  # of 3 + 3 * 11

        def forward(self, sound):
            type(self).left -= len(sound)
            if type(self).left < 0:
                raise KeyboardInterrupt
            return super().forward(sound)

    folder, recording = tmp_path / "finished", three_tones()
    with pytest.raises(KeyboardInterrupt):
        asked(Stopping(TONES, window_s=1.0), recording, per_window=PerWindow(folder=folder))
    done = [path.name for path in folder.glob("window-*")]
    assert 0 < len(done) < 3
    again = ToneDetector(TONES, window_s=1.0)
    found = asked(again, recording, per_window=PerWindow(folder=folder))
    undisturbed = asked(ToneDetector(TONES, window_s=1.0), recording)
    assert torch.allclose(found.values, undisturbed.values, atol=1e-6)
    whole = ToneDetector(TONES, window_s=1.0)
    asked(whole, recording)
    assert sum(again.batches) < sum(whole.batches)


def test_a_folder_of_another_model_is_refused(tmp_path):
    asked(ToneDetector(TONES, window_s=1.0), three_tones(), per_window=PerWindow(folder=tmp_path))
    other = ToneDetector({"low": 450.0, "high": 1000.0}, window_s=1.0)
    with pytest.raises(ValueError, match="begun with a model that answers otherwise; remove that folder"):
        asked(other, three_tones(), per_window=PerWindow(folder=tmp_path))


@pytest.mark.parametrize("other", [{"target": "high"}, {"components": "bands:4"}, {"fill": "noise"}, {"method": "occlusion"}])
def test_a_folder_of_another_question_is_refused(tmp_path, other):
    model = ToneDetector(TONES, window_s=1.0)
    first = asked(model, three_tones(), per_window=PerWindow(folder=tmp_path))
    with pytest.raises(ValueError, match="holds windows of another question"):
        asked(model, three_tones(), per_window=PerWindow(folder=tmp_path), **other)
    again = asked(model, three_tones(), per_window=PerWindow(folder=tmp_path))
    assert torch.allclose(again.values, first.values, atol=1e-6)


def test_a_timeline_comes_back_as_it_was_saved(tmp_path):
    found = asked(ToneDetector(TONES, window_s=1.0), three_tones(), per_window=PerWindow(n_windows=2))
    back = Timeline.load(found.save(tmp_path))
    assert torch.equal(back.values.nan_to_num(-1), found.values.nan_to_num(-1))
    assert torch.equal(back.probabilities, found.probabilities)
    assert (back.spans_s, back.labels, back.numbers, back.name) == (found.spans_s, found.labels, found.numbers, found.name)
    with pytest.raises(FileNotFoundError, match="no timeline in"):
        Timeline.load(tmp_path / "window-0000-0.0s")


def test_frames_keep_their_time_in_a_timeline():
    found = asked(FrameDetector(window_s=1.0), three_tones(), target="high@1.2-1.8s")
    assert found.spans_s == ((1.0, 2.0),)
    assert found.probabilities[0, 1] > 0.9
    assert found.explained[0].settings["span_s"] == pytest.approx((0.2, 0.8))


@pytest.mark.parametrize("samples", [8000, 1])
def test_silence_and_a_single_sample_are_told_apart_from_something_to_explain(tmp_path, samples):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.full(samples, 0.1 if samples == 1 else 0.0), 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav is silent, or shorter than a frame \(32 ms\)"):
        asked(ToneDetector(TONES, window_s=1.0), tmp_path / "a.wav")
