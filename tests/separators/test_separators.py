"""What every separator promises, and how each is asked for."""

import inspect
import json
import re
from dataclasses import asdict
from functools import partial

import pytest
import soundfile
import torch
from demucs_scenes import tiny
from safetensors.torch import save_file

import hearwhy.separators as separators
from hearwhy import Recording, audio
from hearwhy.components.sources import sources
from hearwhy.separators import SEPARATORS, conversions, separate, usage
from hearwhy.separators.mask_inference import Design
from toys import noise, noisy, tone

SPECS = {
    "stems": "stems=STEMS", "hpss": "hpss", "nmf": "nmf=3,seed=1", "repet": "repet", "demucs": "demucs=DEMUCS",
    "py": "py=test_separators:halves", "ova": "ova=OVA", "cerberus": "cerberus=CERBERUS",
}  # fmt: skip


def halves(recording):
    return {"half": recording.audio / 2, "mono": recording.audio.mean(dim=0) / 4}


def mask_network(recipe, folder):
    """A U-Net of a few hundred weights drawn at random, as a weights file of `hearwhy train`."""
    design = Design(recipe, "unet", ("low", "high"), recipe == "cerberus", {"channels": [4, 4, 4, 4, 4]}, 16000, 256, 128)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = design.build().state_dict()
    path = folder / f"{recipe}.safetensors"
    save_file(state, path, metadata={"hearwhy": json.dumps(asdict(design))})
    return path


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ask(tmp_path, tmp_path_factory):
    def ask(name, recording):
        for i in range(2):
            audio.write(Recording(recording.audio.roll(i, -1) / 3, recording.sample_rate), tmp_path / "stems" / f"s{i}.wav")
        kind, _, argument = SPECS[name].partition("=")
        made = {"STEMS": lambda: tmp_path / "stems", "DEMUCS": lambda: tiny(tmp_path_factory)}
        made |= {recipe.upper(): partial(mask_network, recipe, tmp_path) for recipe in ("ova", "cerberus")}
        argument = made[argument]() if argument in made else argument
        return separate(recording, f"{kind}={argument}" if argument else kind)

    return ask


def test_every_separator_is_held_to_the_laws():
    assert set(SPECS) == set(SEPARATORS)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2)])
@pytest.mark.parametrize("name", SPECS)
def test_parts_and_residual_are_the_recording(ask, name, rate, channels):
    recording = Recording(noise(0.6, channels=channels, rate=rate), rate)
    parts = sources(recording, ask(name, recording))
    kept = parts.mix(torch.ones(1, *parts.shape, dtype=torch.bool))[0, 0]
    assert audio.level_db(kept - recording.audio) - audio.level_db(recording.audio) < -110  # float32 sums
    assert parts.audio.shape[1:] == recording.audio.shape


@pytest.mark.parametrize("name", SPECS)
def test_a_dropped_residual_is_the_gap_that_is_said(ask, name):
    recording = noisy(0.6)
    found = ask(name, recording)
    parts = sources(recording, found, residual="drop")
    assert parts.names == tuple(found)
    missing = recording.audio - sum(found.values())
    expected = audio.level_db(missing) - audio.level_db(recording.audio)
    # hpss, nmf and repet sum to it up to float32, where the order of the sum shows
    assert parts.gap_db == pytest.approx(expected, abs=0.01) or max(parts.gap_db, expected) < -110


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet"])
def test_masks_that_share_the_recording_leave_nothing(ask, name):
    recording = noisy(0.6, channels=2)
    assert sources(recording, ask(name, recording)).gap_db < -110  # float32 STFT and sums


@pytest.mark.parametrize("name", SPECS)
def test_the_same_recording_gives_the_same_sources(ask, name, monkeypatch, tmp_path):
    first = ask(name, noisy(0.6))
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path / "another"))
    torch.rand(3)  # no global random state is asked
    second = ask(name, noisy(0.6))
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet", "demucs", "ova", "cerberus"])
def test_digital_silence_is_separated_into_silence(ask, name):
    found = ask(name, Recording(torch.zeros(1, 9000), 8000))
    assert all(wave.abs().max() < 1e-6 for wave in found.values())  # demucs: a network of a thousandth of nothing


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet"])
def test_channels_share_one_mask_so_that_nothing_moves(ask, name):
    left = noise(0.6) + tone(500, seconds=0.6)
    found = ask(name, Recording(torch.cat([left, left / 4]), 8000))
    for wave in found.values():
        assert torch.allclose(wave[0], 4 * wave[1], atol=1e-6)  # float32


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet"])
def test_a_silent_channel_does_not_hide_the_other(ask, name):
    right = noise(3.0) + tone(500, seconds=3.0)
    both = ask(name, Recording(torch.cat([torch.zeros_like(right), right]), 8000))
    for wave, alone in zip(both.values(), ask(name, Recording(right, 8000)).values(), strict=True):
        assert torch.allclose(wave[1], alone[0], atol=1e-3)  # nmf's 200 updates round differently at half the magnitude
        assert not wave[0].any()


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet"])
def test_a_recording_shorter_than_a_frame_is_refused(ask, name):
    with pytest.raises(ValueError, match=f"has 2047 samples, and {name} needs at least one frame of 2048"):
        ask(name, Recording(noise()[:, :2047], 8000))


@pytest.mark.parametrize("name", ["hpss", "nmf", "repet"])
def test_what_is_separated_does_not_click(ask, name):
    swept = torch.sin(torch.arange(16000) ** 2 / 40000)[None] * torch.hann_window(16000)
    recording = Recording(0.3 * swept, 8000)
    steepest = recording.audio.diff().abs().max()
    for wave in ask(name, recording).values():
        assert wave.diff().abs().max() <= 1.1 * steepest  # a gated share would jump by its height


def test_every_separator_says_how_it_is_written_and_what_it_gives():
    for name, separator in SEPARATORS.items():
        assert re.match(rf"{name}($|=|\[)", separator.usage)
        assert ("=" in separator.usage) == (separator.argument != "none")
        assert usage()[separator.usage] == separator.about
        assert next(iter(inspect.signature(separator.function).parameters)) == "recording"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("magic", r"There is no separator 'magic'; give one of sources:stems=DIR, sources:hpss, sources:nmf=N\[,seed=S\], "),
        ("", "There is no separator ''"),
        ("hpss=3", "hpss takes no argument; got 'hpss=3'"),
        ("repet=", "repet takes no argument; got 'repet='"),
        ("nmf", r"nmf needs an argument, as in sources:nmf=N\[,seed=S\]; got 'nmf'"),
        ("stems=", "stems needs an argument, as in sources:stems=DIR; got 'stems='"),
        ("nmf=many", "nmf takes a whole number and perhaps a seed, as in nmf=6 or nmf=6,seed=1; got nmf=many"),
        ("nmf=6,speed=1", "got nmf=6,speed=1"),
        ("nmf=1", "nmf takes 2 to 64 components; got 1"),
        ("nmf=65", "nmf takes 2 to 64 components; got 65"),
        ("py=no_such:thing", "sources:py=no_such:thing cannot be imported"),
        ("py=test_separators:none_such", "cannot be imported"),
        ("py=test_separators", "cannot be imported"),
        ("py=test_separators:listed", "must return a mapping of name to waveform; got list"),
    ],
)
def test_what_cannot_be_asked_is_said(what, message):
    with pytest.raises(ValueError, match=message):
        separate(noisy(), what)


def listed(recording):
    return [recording.audio]


def test_separators_that_hear_the_recording_as_it_is_convert_nothing(tmp_path):
    assert conversions(noisy(), "sources:hpss * segments:4") == ()
    assert conversions(noisy(), "bands:4") == ()


def test_what_a_separator_converts_is_said(tmp_path_factory, tmp_path):
    file = tiny(tmp_path_factory)
    mono = noisy(rate=16000)
    spoken = "1 channel copied to 2 channels for the separator, and its sources back"
    said = conversions(mono, f"sources:demucs={file},residual=drop * segments:2")
    assert said[0] == spoken
    assert said[1].startswith("resampled from 16000 to 44100 Hz for the separator, and its sources back")
    assert conversions(mono, "sources:demucs")[0] == spoken
    assert conversions(mono, "sources:hpss / percussive:sources:demucs")[0] == spoken
    assert conversions(noisy(channels=2, rate=44100), f"sources:demucs={file}") == ()
    (resampled,) = conversions(noisy(channels=2), f"sources:ova={mask_network('ova', tmp_path)}")
    assert resampled.startswith("resampled from 8000 to 16000 Hz for the separator")


def test_stems_of_two_files_of_one_name_are_refused(tmp_path):
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / f"a.{suffix}", noise()[0].numpy(), 8000)
    with pytest.raises(ValueError, match="two sound files of one name"):
        separate(noisy(), f"stems={tmp_path}")


def test_the_registry_is_what_the_package_shows():
    assert set(separators.__all__) <= set(dir(separators))
