"""Asking: rates, windows, fills, batches and duplicates change nothing; the score is what its formula says."""

import math

import pytest
import torch

from hearwhy import Predict, Recording, TargetScore, components
from hearwhy.components import with_fill
from hearwhy.targets import Target, parse_target
from hearwhy.windowing import windows
from toys import ToneDetector, noisy, tone

TONES = {"low": 440.0, "mid": 1000.0, "high": 2000.0}


def chord(seconds: float = 1.0) -> Recording:
    return Recording(tone(440, seconds=seconds) + tone(1000, seconds=seconds, gain=0.1), 8000, "chord")


def masks(n: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, size, generator=torch.Generator().manual_seed(seed)) < 0.5


def test_predict_is_the_model_on_the_mix():
    parts, model = components("bands:4", chord()), ToneDetector(TONES)
    some = masks(6, 4)
    assert torch.allclose(Predict(model, parts)(some)[:, 0], model(parts.mix(some)[:, 0]).float(), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_the_batch_size_changes_nothing(batch_size):
    parts, some = components("segments:5", chord(2.3)), masks(40, 5)
    whole = Predict(ToneDetector(TONES, window_s=0.5), parts)(some)
    assert torch.allclose(Predict(ToneDetector(TONES, window_s=0.5), parts, batch_size=batch_size)(some), whole, atol=1e-6)


def test_no_batch_is_larger_than_was_asked():
    model = ToneDetector(TONES, window_s=0.25)
    Predict(model, components("segments:5", chord(2.0)), batch_size=6)(masks(40, 5))
    assert max(model.batches) <= 6


def test_a_mask_is_asked_once_however_often_it_comes():
    model = ToneDetector(TONES)
    predict = Predict(model, components("bands:3", chord()))
    some = masks(50, 3)
    first = predict(some)
    assert predict.n_calls == sum(model.batches) == len(some.unique(dim=0)) <= 8
    assert torch.equal(predict(some.flip(0)), first.flip(0))
    assert predict.n_calls == len(some.unique(dim=0))


def test_memory_that_runs_out_halves_the_batch_and_loses_nothing():
    parts, some = components("bands:5", chord()), masks(30, 5)
    expected = Predict(ToneDetector(TONES), parts)(some)

    class Small(ToneDetector):
        def forward(self, audio):
            if len(audio) > 5:
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(audio)

    predict = Predict(Small(TONES), parts)
    assert torch.allclose(predict(some), expected, atol=1e-6)
    assert predict.batch_size == 4


def test_memory_that_is_never_enough_is_an_error():
    class Huge(ToneDetector):
        def forward(self, audio):
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Predict(Huge(TONES), components("bands:2", chord()))(masks(3, 2))


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0, 1.02, 1.3, 2.5])
def test_windows_cover_the_recording_or_say_what_they_leave_out(seconds):
    time = round(seconds * 8000)
    found = windows(time, ToneDetector(TONES, window_s=0.5))
    heard = {i for start in found.starts for i in range(start, min(start + found.length, time))}
    if len(heard) < time:
        assert "are not heard" in found.note
        assert time - len(heard) < 0.1 * found.length
    assert all(start + found.length <= max(time, found.length) for start in found.starts)


def test_a_short_recording_is_followed_by_silence_and_it_is_said():
    predict = Predict(ToneDetector(TONES, window_s=2.0), components("bands:2", chord(0.5)))
    assert "1.50 s of silence" in predict.windows.note
    padded = torch.cat([chord(0.5).audio, torch.zeros(1, 12000)], dim=1)[None]
    assert torch.allclose(predict(torch.ones(1, 2, dtype=torch.bool))[0], ToneDetector(TONES)(padded).float(), atol=1e-5)


def test_draws_are_windows_under_fills(tmp_path):
    from hearwhy import audio

    for i in range(2):
        audio.write(noisy(0.5, seed=i), tmp_path / f"{i}.wav")
    parts = with_fill(components("segments:4", chord(2.0)), str(tmp_path))
    predict = Predict(ToneDetector(TONES, window_s=0.5), parts)
    answers = predict(masks(3, 4))
    assert answers.shape == (3, 2 * 4, 3)
    first_fill = Predict(
        ToneDetector(TONES, window_s=0.5), with_fill(components("segments:4", chord(2.0)), str(tmp_path / "0.wav"))
    )
    assert torch.allclose(answers[:, :4], first_fill(masks(3, 4)), atol=1e-5)


def test_the_model_hears_its_own_rate_and_channels():
    stereo = Recording(torch.stack([tone(440), tone(1000)]), 8000)
    heard = []
    model = ToneDetector(TONES, rate=16000)
    model.register_forward_pre_hook(lambda module, args: heard.append(args[0].shape))
    Predict(model, components("bands:2", stereo))(torch.ones(1, 2, dtype=torch.bool))
    assert heard == [(1, 1, 16000)]


LOGITS = torch.tensor([[1.0, 2.0, 4.0]])


class Constant:
    sample_rate, channels, labels, window_s, fingerprint = 8000, 1, ("a", "b", "c"), None, None

    def __init__(self, activation, answer=LOGITS):
        self.activation, self.answer = activation, answer

    def __call__(self, audio):
        return self.answer.expand(len(audio), -1)


def score_of(activation, target, scale=None, answer=LOGITS):
    predict = Predict(Constant(activation, answer), components("bands:2", chord()))
    return float(TargetScore(predict, [target], scale=scale)(torch.ones(1, 2, dtype=torch.bool)))


def test_scores_are_what_their_formulas_say():
    softmax = torch.tensor([1.0, 2.0, 4.0]).softmax(0)
    p = float(softmax[0])
    assert score_of("softmax", "a") == pytest.approx(math.log(p / (1 - p)), abs=1e-6)
    assert score_of("softmax", "a", "probability") == pytest.approx(p, abs=1e-6)
    assert score_of("softmax", "a", "logit") == 1.0
    assert score_of("softmax", "c - a") == pytest.approx(math.log(float(softmax[2] / softmax[0])), abs=1e-6)
    assert score_of("sigmoid", "b") == 2.0
    assert score_of("sigmoid", "b", "probability") == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)
    assert score_of("probability", "b", answer=torch.tensor([[0.1, 0.7, 0.2]])) == pytest.approx(0.7)
    assert score_of("probability", "b - a", answer=torch.tensor([[0.1, 0.7, 0.2]])) == pytest.approx(0.6)


def test_log_odds_stay_finite_where_the_probability_is_one():
    assert score_of("softmax", "a", answer=torch.tensor([[500.0, 0.0, 0.0]])) == pytest.approx(500 - math.log(2))


def test_the_score_is_the_mean_over_windows_of_log_odds_not_the_log_odds_of_the_mean():
    model, parts = ToneDetector(TONES, window_s=0.5), components("segments:2", chord(1.0))
    one_half = torch.tensor([[True, False]])
    predict = Predict(model, parts)
    per_window = predict(one_half)[0].double()
    by_hand = (per_window[:, 0] - per_window[:, 1:].logsumexp(1)).mean()
    assert float(TargetScore(predict, ["low"])(one_half)) == pytest.approx(float(by_hand), abs=1e-6)


def test_the_gradient_is_the_slope_of_the_score():
    predict = Predict(ToneDetector(TONES, window_s=0.4), components("bands:4", chord()))
    score = TargetScore(predict, ["low", "high - mid"])
    mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    slope, h = score.gradient(mask), 1e-3
    for i in range(4):
        step = torch.zeros(4).index_fill(0, torch.tensor(i), h)
        difference = (score.of(predict.soft(mask + step)) - score.of(predict.soft(mask - step))) / (2 * h)
        assert torch.allclose(slope[:, :, i], difference.float(), atol=5e-3)  # float32 mixes under a step of 1e-3


def test_a_model_that_leaves_torch_has_no_gradient():
    model = Constant("softmax")
    assert TargetScore(Predict(model, components("bands:2", chord())), ["a"]).gradient is None


def test_contrasts_are_told_from_labels_with_a_dash():
    labels = ("a", "b", "a - b", "b - c", "c")
    assert parse_target("a - b", labels) == Target((2,))
    assert parse_target("b - c - c", labels) == Target((3,), (4,))
    assert parse_target("a - c", labels) == Target((0,), (4,))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (torch.tensor([[1.0, float("nan"), 0.0]]), "NaN or infinite"),
        (torch.zeros(1, 2), r"must answer \(batch, label\)"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer, message):
    with pytest.raises(ValueError, match=message):
        score_of("softmax", "a", answer=answer)


@pytest.mark.parametrize(
    ("scale", "activation", "target", "message"),
    [
        ("decibel", "softmax", "a", "There is no scale 'decibel'"),
        ("log_odds", "probability", "a", "gives probabilities only"),
        (None, "softmax", "z", "no label 'z'; it has a, b, c"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(scale, activation, target, message):
    with pytest.raises(ValueError, match=message):
        score_of(activation, target, scale)


@pytest.mark.parametrize(
    ("recording", "message"),
    [(Recording(torch.zeros(1, 8000), 8000, "nothing"), "nothing is silent"), (noisy(0.03), "shorter than one frame")],
)
def test_silence_and_less_than_a_frame_are_refused(recording, message):
    with pytest.raises(ValueError, match=message):
        Predict(ToneDetector(TONES), components("segments:2", recording))
