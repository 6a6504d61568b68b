"""Demucs: the package's real classes with random weights, against the package's own way to separate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from demucs_scenes import SOURCES, network, tiny
from example_scripts import EXAMPLES
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hearwhy import Recording, audio
from hearwhy.separators.demucs import demucs, hears
from toys import noise

pytest.importorskip("demucs", reason="the extra demucs is not installed")


@pytest.fixture
def weights(tmp_path_factory):
    return str(tiny(tmp_path_factory))


@pytest.fixture
def hub(monkeypatch, tmp_path, weights):
    """The cache of the Hugging Face hub as it is after demucs has fetched a model, and no network."""
    import yaml
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--adefossez--HTDemucs"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    (snapshot / "htdemucs.yaml").write_text(yaml.safe_dump({"models": ["955717e8"]}))
    (snapshot / "955717e8.safetensors").write_bytes(Path(weights).read_bytes())
    return snapshot


def test_sources_are_the_packages_own(weights):
    """`demucs.api.Separator.separate_tensor` on the same network, without its random shift."""
    from demucs.api import Separator

    class Of(Separator):
        def _load_model(self):
            self._model, self._audio_channels, self._samplerate = network(), 2, 44100

    song = noise(1.3, channels=2, rate=44100)
    _, theirs = Of(shifts=0).separate_tensor(song)
    ours = demucs(Recording(song, 44100), weights)
    assert list(ours) == list(theirs) == SOURCES
    for name in SOURCES:
        assert torch.allclose(ours[name], theirs[name], atol=1e-6)  # float32, the same operations


def test_another_rate_and_mono_hear_the_same_music(weights):
    """What a 16 kHz mono recording gives is what its 44.1 kHz stereo copy gives, brought back: no shift, no gain."""
    mono = noise(1.0, rate=16000)
    there = audio.resample(mono, 16000, 44100).expand(2, -1)
    copy = demucs(Recording(there, 44100), weights)
    ours = demucs(Recording(mono, 16000), weights)
    for name in SOURCES:
        assert ours[name].shape == mono.shape
        back = audio.resample(copy[name].mean(0, keepdim=True), 44100, 16000)
        assert torch.allclose(ours[name], back[:, : mono.shape[1]], atol=1e-6)


def test_the_segments_overlap_and_the_network_hears_no_more_than_one(weights, monkeypatch):
    from demucs.htdemucs import HTDemucs

    lengths = []
    forward = HTDemucs.forward
    monkeypatch.setattr(HTDemucs, "forward", lambda self, mix: (lengths.append(mix.shape), forward(self, mix))[1])
    demucs(Recording(noise(2.0, channels=2, rate=44100), 44100), weights)
    segment = int(0.6 * 44100)
    assert set(lengths) == {(1, 2, segment)}
    assert len(lengths) == -(-2 * 44100 // int(0.75 * segment))  # a quarter of each is heard twice


@pytest.mark.parametrize(("rate", "channels", "time"), [(16000, 1, 16001), (48000, 2, 30011), (22050, 1, 12345)])
def test_sources_are_as_long_and_wide_as_the_recording(weights, rate, channels, time):
    found = demucs(Recording(noise(2, channels=channels, rate=rate)[:, :time], rate), weights)
    assert all(wave.shape == (channels, time) and wave.dtype == torch.float32 for wave in found.values())


def test_a_name_is_fetched_by_the_package(hub, weights):
    song = Recording(noise(0.5, rate=16000), 16000)
    by_name, by_file = demucs(song), demucs(song, weights)
    assert all(torch.equal(by_name[name], by_file[name]) for name in SOURCES)


def test_a_name_that_cannot_be_fetched_is_one_sentence(hub):
    with pytest.raises(ValueError, match=r"^demucs=htdemucs_ft could not be loaded .*or demucs=FILE\.safetensors\.$") as error:
        demucs(Recording(noise(), 8000), "htdemucs_ft")
    assert "\n" not in str(error.value)


def test_a_name_never_falls_back_on_pickles(hub, monkeypatch):
    def unpickles(*args, **kwargs):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unpickles)
    (hub / "955717e8.safetensors").unlink()
    with pytest.raises(ValueError, match="could not be loaded"):
        demucs(Recording(noise(), 8000), "htdemucs")


def test_networks_say_what_they_hear(tmp_path, weights):
    assert hears(weights) == hears("") == hears("htdemucs_6s") == (44100, 2)
    other = changed(weights, tmp_path, kwargs=json.dumps({"sources": SOURCES, "samplerate": 16000, "audio_channels": 1}))
    assert hears(other) == (16000, 1)


def changed(weights, tmp_path, **metadata):
    with safe_open(weights, framework="pt") as file:
        about = file.metadata()
    path = tmp_path / "changed.safetensors"
    about |= metadata
    save_file(load_file(weights), path, metadata={key: value for key, value in about.items() if value is not None})
    return str(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"klass": "subprocess.Popen", "args": '[["touch", "hacked"]]'}, r"no Demucs network .*class subprocess\.Popen"),
        ({"klass": None}, "no Demucs network .*class not said"),
        ({"structure": "{}"}, "quantised weights"),
        ({"kwargs": None}, "does not say what its network is made with"),
        ({"kwargs": "{"}, "does not say what its network is made with"),
        ({"kwargs": json.dumps({"sources": SOURCES, "channels": 16})}, "holds other weights than its metadata describes"),
    ],
)
def test_a_file_that_says_something_else_is_refused(weights, tmp_path, monkeypatch, metadata, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        demucs(Recording(noise(), 8000), changed(weights, tmp_path, **metadata))
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weights.th", r"no \.safetensors file; .*pickles.* examples/convert_demucs\.py .*weights\.th FILE\.safetensors"),
        ("text.safetensors", "cannot be read as safetensors"),
        ("missing.safetensors", "There is no file .*missing.safetensors"),
    ],
)
def test_other_files_are_refused(tmp_path, name, message):
    (tmp_path / "weights.th").write_bytes(b"\x80\x02.")
    (tmp_path / "text.safetensors").write_text("weights")
    with pytest.raises(ValueError, match=message):
        demucs(Recording(noise(), 8000), str(tmp_path / name))


def test_six_channels_are_not_mixed_down_in_silence(weights):
    with pytest.raises(ValueError, match="takes 2 channels and the recording has 6"):
        demucs(Recording(noise(channels=6), 8000), weights)


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "demucs.apply", None)
    with pytest.raises(ImportError, match=r"demucs needs demucs, which is not installed: pip install 'hearwhy\[demucs\]'"):
        demucs(Recording(noise(), 8000), weights)


def test_the_example_converts_the_packages_models(tmp_path):
    """`demucs_unittest` is the one model that the package makes without a download: an HDemucs with random weights."""
    out = tmp_path / "hdemucs.safetensors"
    words = [sys.executable, str(EXAMPLES / "convert_demucs.py"), "demucs_unittest", str(out)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"sources:demucs={out}" in done.stdout
    assert hears(str(out)) == (44100, 2)
    found = demucs(Recording(noise(0.2, rate=44100), 44100), str(out))
    assert list(found) == SOURCES


def test_a_th_file_that_is_trusted_is_converted(tmp_path, weights):
    package = {"klass": type(network()), "args": (), "kwargs": network()._init_args_kwargs[1], "state": network().state_dict()}
    torch.save(package, tmp_path / "trusted.th")
    out = tmp_path / "trusted.safetensors"
    words = [sys.executable, str(EXAMPLES / "convert_demucs.py"), str(tmp_path / "trusted.th"), str(out)]
    assert subprocess.run(words, capture_output=True).returncode == 0
    song = Recording(noise(0.3, rate=16000), 16000)
    ours, theirs = demucs(song, str(out)), demucs(song, weights)
    assert all(torch.equal(ours[name], theirs[name]) for name in SOURCES)
