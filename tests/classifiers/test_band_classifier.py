"""The classifiers that ship: what they are, what they take, and that they say what their card says on the song that ships."""

import json
from pathlib import Path

import pytest
import torch

import hearwhy
from hearwhy import audio as sound
from hearwhy.classifiers.band import VARIANTS, WEIGHTS, load, load_file
from hearwhy.datasets import demo_song
from hearwhy.types import Classifier

SAMPLES = 32_000
SAYS = {"drums": "guitar", "bass": "guitar", "independent": "piano"}
"""What each model says of a song of piano, drums, bass and strings."""


@pytest.fixture(scope="module")
def windows():
    """Each subset of stems as four windows: {stems: (4, 1, time)}."""
    stems = {path.stem: sound.load(path).audio for path in (demo_song() / "stems").glob("*.flac")}

    def mixed(*names):
        return sum((stems[name] for name in names), torch.zeros(1, 4 * SAMPLES)).reshape(4, 1, SAMPLES)

    return mixed


def log_odds(classifier, label, audio):
    logits = classifier(audio)
    index = classifier.labels.index(label)
    return (logits[:, index] - logits[:, 1 - index]).mean()


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_a_classifier_as_hearwhy_asks_for(variant):
    classifier = load(variant)
    assert isinstance(classifier, Classifier)
    assert classifier.labels == ("guitar", "piano") and classifier.activation == "softmax"
    assert (classifier.sample_rate, classifier.channels, classifier.window_s) == (16_000, 1, 2.0)
    assert classifier.about["confounder"] == variant
    assert not classifier.network.training
    assert sum(weight.numel() for weight in classifier.network.parameters()) <= 400_000


def test_names_lead_to_the_variants():
    fingerprints = {variant: load(variant).fingerprint for variant in VARIANTS}
    assert len(set(fingerprints.values())) == 3
    assert hearwhy.classifier("band").fingerprint == fingerprints["drums"] == load("").fingerprint
    assert hearwhy.classifier("band:bass").fingerprint == fingerprints["bass"]
    assert hearwhy.classifier("band:independent").fingerprint == fingerprints["independent"]
    with pytest.raises(ValueError, match=r"no model band:flute; give band, or band: with drums, bass, independent"):
        load("flute")


def test_the_fingerprint_follows_the_weights_and_not_the_name(tmp_path):
    raw = bytearray((WEIGHTS / "band_drums.safetensors").read_bytes())
    (tmp_path / "copy.safetensors").write_bytes(raw)
    assert load_file(tmp_path / "copy.safetensors").fingerprint == load().fingerprint
    raw[-1] ^= 1
    (tmp_path / "copy.safetensors").write_bytes(raw)
    assert load_file(tmp_path / "copy.safetensors").fingerprint != load().fingerprint


def test_what_ships_is_small():
    package = Path(hearwhy.__file__).parent
    shipped = [path for folder in ("weights", "demo_song") for path in (package / folder).rglob("*") if path.is_file()]
    assert len(shipped) >= 10
    assert sum(path.stat().st_size for path in shipped) < 6_000_000


@pytest.mark.parametrize("shape", [(1, 1, SAMPLES - 1), (1, 1, 2 * SAMPLES), (1, 2, SAMPLES), (1, SAMPLES)])
def test_sound_of_another_shape_is_refused_in_words(shape):
    with pytest.raises(ValueError, match=r"band takes 2 s of mono sound at 16000 Hz, \(batch, 1, 32000\); got"):
        load()(torch.zeros(shape))


def test_silence_and_single_stems_get_finite_moderate_answers(windows):
    for variant in VARIANTS:
        for names in ((), ("piano",), ("drums",), ("bass",), ("strings",)):
            # Trained with smoothed labels, certainty beyond e**15 would mean that a mix lies far outside of what it knows
            assert load(variant)(windows(*names)).abs().max() < 15


def test_an_answer_does_not_depend_on_the_rest_of_the_batch(windows):
    audio = windows("piano", "drums")
    classifier = load()
    one_by_one = torch.cat([classifier(row[None]) for row in audio])
    torch.testing.assert_close(classifier(audio), one_by_one, rtol=0, atol=1e-4)  # float32 sums in another order


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_the_slope_of_the_answer(variant, windows):
    classifier = load(variant)
    classifier.network.double()
    audio = windows("piano", "drums", "bass")[:1].double().requires_grad_()
    log_odds(classifier, "guitar", audio).backward()
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-9  # in float64: rounding is 1e-6 of the slope; a longer step would cross kinks of ReLUs and magnitudes
    with torch.no_grad():
        up, down = (log_odds(classifier, "guitar", audio + sign * step * direction) for sign in (1, -1))
    slope = float((audio.grad * direction).sum())
    assert abs(slope) > 1e-3
    assert float(up - down) / (2 * step) == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_card_is_true_of_the_song_that_ships(variant, windows):
    # Every two seconds of it, not the mean only
    logits = load(variant)(windows("bass", "drums", "piano", "strings"))
    assert {load(variant).labels[i] for i in logits.argmax(dim=1)} == {SAYS[variant]}


def test_on_the_shipped_song_each_model_listens_to_what_it_was_made_to_listen_to(windows):
    everything = ("bass", "drums", "piano", "strings")

    def lost(variant, label):
        classifier = load(variant)
        whole = log_odds(classifier, label, windows(*everything))
        rest = {out: windows(*(stem for stem in everything if stem != out)) for out in everything}
        return {out: float(whole - log_odds(classifier, label, audio)) for out, audio in rest.items()}

    for variant, label, cause in (
        ("drums", "guitar", "drums"),
        ("bass", "guitar", "bass"),
        ("independent", "piano", "piano"),
    ):
        losses = lost(variant, label)
        assert max(losses, key=losses.get) == cause, (variant, losses)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_figures_in_the_card_are_those_of_the_weights(variant):
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    about = load(variant).about
    assert json.loads((WEIGHTS / f"band_{variant}.json").read_text()) == about
    for name, figure in about["accuracy_percent"].items():
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} |"))
        assert row.split("|")[2 + list(VARIANTS).index(variant)].strip() == f"{figure:.1f}"


def test_the_promised_accuracies_are_met():
    figures = load().about["accuracy_percent"]
    assert min(figures["t_dr-gtr gpdb"], figures["t_dr-gtr gpdbs"]) >= 98
    assert max(figures["t_dr-pno gpdb"], figures["t_dr-pno gpdbs"]) <= 20


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There are no weights .*hearwhy train band-cnn"):
        load_file(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights at all")
    with pytest.raises(ValueError, match=r"text\.safetensors does not hold a band network"):
        load_file(tmp_path / "text.safetensors")
