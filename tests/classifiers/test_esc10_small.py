"""The ESC-10 classifiers that ship: what they are, what they take, and that the card says what the weights do."""

import json
from pathlib import Path

import pytest
import torch

from hearwhy.classifiers import cnn14
from hearwhy.classifiers.cnn14 import FRONT_ENDS, about_file, load_file
from hearwhy.classifiers.esc10_small import VARIANTS, WEIGHTS, load
from hearwhy.datasets.esc50 import read_esc50
from hearwhy.front_ends.rendering import render
from hearwhy.training.esc50 import examples
from hearwhy.training.fitting import grade, logits_of
from hearwhy.types import Classifier

SHARED = Path(__file__).parents[3] / "shared" / "data" / "esc10"
LABELS = (
    "dog",
    "rooster",
    "rain",
    "sea_waves",
    "crackling_fire",
    "crying_baby",
    "sneezing",
    "clock_tick",
    "helicopter",
    "chainsaw",
)
SETS = ["train (folds 1-3)", "validation (fold 4)", "test (fold 5)"]


def file(variant):
    return WEIGHTS / f"esc10_small_{variant}.safetensors"


def five_seconds(classifier, *, seed=0):
    """Bursts of noise on a tone, of moderate level."""
    time = torch.arange(round(5 * classifier.sample_rate)) / classifier.sample_rate
    noise = torch.randn(2, 1, len(time), generator=torch.Generator().manual_seed(seed))
    return 0.05 * noise * (time % 1 < 0.3) + 0.1 * torch.sin(2764.6 * time)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_a_classifier_as_hearwhy_asks_for(variant):
    classifier = load(variant)
    assert isinstance(classifier, Classifier)
    assert classifier.labels == LABELS and classifier.activation == "softmax"
    assert (classifier.channels, classifier.window_s) == (1, 5.0)
    assert classifier.sample_rate == {"mel": 32_000, "stft": 16_000}[variant]
    assert classifier.front_end == FRONT_ENDS[variant] and classifier.layout == "batch freq frame"
    assert not classifier.network.training and not any(weight.requires_grad for weight in classifier.network.parameters())
    audio = five_seconds(classifier)
    assert classifier(audio).shape == (2, 10) and classifier(audio).dtype == torch.float32
    assert file(variant).stat().st_size < 1_000_000


def test_names_lead_to_the_variants():
    fingerprints = {variant: load(variant).fingerprint for variant in VARIANTS}
    assert len(set(fingerprints.values())) == 2
    assert load().fingerprint == fingerprints["mel"]
    assert (load().name, load("stft").name) == ("esc10-small", "esc10-small:stft")
    with pytest.raises(ValueError, match=r"no model esc10-small:mfcc; give esc10-small, or esc10-small: with mel, stft"):
        load("mfcc")


def test_the_fingerprint_follows_the_weights_and_the_front_end(tmp_path, monkeypatch):
    raw = bytearray(file("mel").read_bytes())
    (tmp_path / "copy.safetensors").write_bytes(raw)
    assert load_file(tmp_path / "copy.safetensors").fingerprint == load().fingerprint
    raw[-1] ^= 1
    (tmp_path / "copy.safetensors").write_bytes(raw)
    assert load_file(tmp_path / "copy.safetensors").fingerprint != load().fingerprint
    before = load().fingerprint
    monkeypatch.setitem(cnn14.FRONT_ENDS, "mel", FRONT_ENDS["mel"].front_end)
    assert load().fingerprint != before


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_hears_no_levels_and_answers_silence(variant):
    classifier = load(variant)
    audio = five_seconds(classifier)
    # rounding of float32 only, in features of about 100 dB
    torch.testing.assert_close(classifier(0.01 * audio), classifier(audio), rtol=0, atol=1e-3)
    silence = classifier(torch.zeros_like(audio))
    assert torch.isfinite(silence).all() and silence.abs().max() < 60


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_answer_does_not_depend_on_the_rest_of_the_batch(variant):
    classifier = load(variant)
    audio = five_seconds(classifier)
    one_by_one = torch.cat([classifier(row[None]) for row in audio])
    torch.testing.assert_close(classifier(audio), one_by_one, rtol=0, atol=1e-4)  # float32 sums in another order


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_the_slope_of_the_answer(variant):
    classifier = load(variant)
    classifier.network.double()
    features = classifier.features(five_seconds(classifier)[:1].double()).requires_grad_()
    classifier.answers(features)[0, 3].backward()
    direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        up, down = (classifier.answers(features + sign * 1e-7 * direction)[0, 3] for sign in (1, -1))
    slope = float((features.grad * direction).sum())
    assert abs(slope) > 1e-4
    assert float(up - down) / 2e-7 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_rendered_sound_of_no_mask_gets_the_same_answer(variant):
    classifier = load(variant)
    audio = five_seconds(classifier)
    features = classifier.features(audio)
    rendered = render(classifier.front_end, audio[:, 0], features, features)
    # the softest bins differ: float32's rounding is -120 dB or so
    torch.testing.assert_close(classifier(rendered[:, None]), classifier(audio), rtol=0, atol=0.05)


@pytest.mark.parametrize("shape, message", [
    ((1, 1, 100_000), r"takes spectrograms \(batch, 64, 501\), frequency before time; got \(1, 64, 313\)"),
    ((1, 2, 160_000), r"esc10-small takes mono sound"),
    ((1, 160_000), r"esc10-small takes mono sound"),
])  # fmt: skip
def test_sound_of_another_shape_is_refused_in_words(shape, message):
    with pytest.raises(ValueError, match=message):
        load()(torch.zeros(shape))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_figures_in_the_card_are_those_of_the_weights(variant):
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    about = about_file(file(variant))
    assert json.loads(file(variant).with_suffix(".json").read_text()) == about
    for name in SETS:
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} |"))
        assert row.split("|")[2 + VARIANTS.index(variant)].strip() == f"{about['accuracy_percent'][name]:.2f}"
    for label, counts in zip(LABELS, about["confusion_test"], strict=True):
        row = [cell.strip() for cell in next(r for r in card.splitlines() if r.startswith(f"| {label} | ")).split("|")[2:-1]]
        mine = row[:10] if variant == "mel" else row[10:]
        assert [int(cell or 0) for cell in mine] == counts


def test_the_promised_accuracies_are_met():
    assert about_file(file("mel"))["accuracy_percent"]["test (fold 5)"] >= 70
    assert about_file(file("stft"))["accuracy_percent"]["test (fold 5)"] >= 60


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/esc10")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_card_is_true_of_fold_five(variant):
    classifier = load(variant)
    clips = examples(read_esc50(SHARED).of_folds(5), LABELS, classifier.front_end)
    about = about_file(file(variant))
    right = 100 * grade(classifier.network, clips)[0]
    assert right == pytest.approx(about["accuracy_percent"]["test (fold 5)"], abs=1.25)  # one clip, on another machine
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    for is_a, said in zip(clips.labels, logits_of(classifier.network, clips).argmax(dim=1), strict=True):
        confusion[is_a, said] += 1
    assert (confusion - torch.tensor(about["confusion_test"])).abs().sum() <= 2
