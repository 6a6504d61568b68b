"""Mask-inference separators: what a weights file says is what is heard, at any rate, length and number of channels."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from hearwhy import Recording
from hearwhy.metrics.separation import si_sdr
from hearwhy.separators.mask_inference import Design, Separation, cerberus, features, load, ova, scale
from toys import noise, tone

RATE = 8000
SIZES = {"unet": {"channels": [4, 4, 4, 4, 4]}, "blstm": {"units": 8, "layers": 2}}


def design(recipe="cerberus", network="unet", **more):
    return Design(recipe, network, ("low", "high"), recipe == "cerberus", SIZES[network], RATE, 256, 128, **more)


def fresh(recipe="cerberus", network="unet"):
    made = design(recipe, network)
    torch.manual_seed(0)
    return Separation(made, made.build().eval())


def saved(path, separation, **other):
    about = {**asdict(separation.design), **other}
    save_file(separation.network.state_dict(), path, metadata={"hearwhy": json.dumps(about)})
    return path


class Crossover(torch.nn.Module):
    """Masks whose answer is known: everything below 1000 Hz is `low`, everything above is `high`."""

    CONTEXT = 64

    def forward(self, heard):
        low = (torch.arange(heard.shape[1]) * RATE / 256 < 1000).float()[:, None].expand(heard.shape[1:])
        return torch.stack([low, 1 - low]).expand(len(heard), -1, -1, -1)


KNOWN = Separation(design(), Crossover())


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_sources_come_back_in_the_recordings_rate_channels_and_length(rate):
    low, high = (
        torch.stack([tone(hertz, rate=rate, seconds=1.1), tone(hertz, rate=rate, seconds=1.1) / 2]) for hertz in (300, 2500)
    )
    recording = Recording(low + high, rate)
    found = KNOWN(recording)
    assert list(found) == ["low", "high"] and all(wave.shape == recording.audio.shape for wave in found.values())
    inner = slice(rate // 20, -rate // 20)  # the ends of a tone are broadband
    for name, true in (("low", low), ("high", high)):
        assert si_sdr(found[name][:, inner], true[:, inner]) > 45
        torch.testing.assert_close(found[name][1], found[name][0] / 2, atol=2e-6, rtol=0)  # stereo stays where it is


def test_masks_that_sum_to_one_give_sources_that_sum_to_the_recording():
    recording = Recording(noise(0.7, channels=2, rate=RATE), RATE)
    torch.testing.assert_close(sum(KNOWN(recording).values()), recording.audio, atol=1e-6, rtol=0)


def test_what_the_network_cannot_hear_is_in_no_source():
    """At 16 kHz a tone of 6000 Hz lies above what an 8 kHz network hears: it is left for the residual, never folded down."""
    found = KNOWN(Recording(tone(6000, rate=16_000)[None], 16_000))
    assert sum(found.values())[:, 800:-800].abs().max() < 1e-3  # of an amplitude of 0.3: soxr's stop band


@pytest.mark.parametrize("recipe", ["ova", "cerberus"])
def test_a_softer_copy_has_softer_sources(recipe):
    """The network hears levels relative to the recording's own; exact for a power of two, as float32 has them."""
    wave = noise(1.0, rate=RATE)
    loud, soft = (fresh(recipe)(Recording(gain * wave, RATE)) for gain in (1.0, 2.0**-10))
    for name in loud:
        torch.testing.assert_close(loud[name] * 2.0**-10, soft[name], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("network", SIZES)
def test_a_long_recording_in_pieces_is_as_whole(network):
    """A piece comes with all that its masks depend on (1e-6: float32 sums in another order); an LSTM depends on everything."""
    separation = fresh("ova", network)
    magnitude = noise(20.0, rate=RATE).unfold(1, 129, 129)[0].T.abs()[:, :900]
    whole = separation.masks(magnitude, piece=4096)
    assert whole.shape == (2, 129, 900)
    for piece in (32, 320):
        torch.testing.assert_close(separation.masks(magnitude, piece=piece), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("samples", [1, 100, 257])
def test_a_recording_shorter_than_a_frame_and_silence(samples):
    for audio in (noise(1.0, rate=RATE)[:, :samples], torch.zeros(1, samples)):
        found = fresh()(Recording(audio, RATE))
        assert all(wave.shape == (1, samples) and wave.isfinite().all() for wave in found.values())
        if not audio.any():
            assert not sum(found.values()).any()


def test_features_are_relative_to_the_level():
    """White noise of any level has features about log(1 + 30), as the docstring of the contrast says."""
    from hearwhy.audio import stft

    for level in (1.0, 1e-3):
        magnitude = stft(noise(20.0, rate=RATE, gain=level), 256, 128).abs()
        scaled = magnitude / scale(torch.tensor(level), 256)
        assert abs(float(scaled.square().mean()) - 1) < 0.02  # 2 %: 20 s of noise have 160,000 samples, and a zero-padded end
        assert features(torch.ones(1)) == pytest.approx(torch.log(torch.tensor(31.0)).item())


@pytest.mark.parametrize("network", SIZES)
@pytest.mark.parametrize(("recipe", "separate"), [("ova", ova), ("cerberus", cerberus)])
def test_a_file_is_the_network_that_was_saved(recipe, separate, network, tmp_path):
    separation, recording = fresh(recipe, network), Recording(noise(0.5, rate=RATE), RATE)
    path = saved(tmp_path / "w.safetensors", separation, figures="more is allowed")
    state = torch.get_rng_state()
    found = separate(recording, path)
    assert torch.equal(torch.get_rng_state(), state)  # loading draws nothing
    for name, wave in separation(recording).items():
        assert torch.equal(found[name], wave)
    again = separate(recording, str(path))
    assert all(torch.equal(again[name], found[name]) for name in found)


def test_files_that_do_not_fit_are_refused(tmp_path):
    path, recording = tmp_path / "w.safetensors", Recording(noise(0.5, rate=RATE), RATE)
    with pytest.raises(FileNotFoundError, match=r"no weights .*w\.safetensors; make them with: hearwhy train ova"):
        ova(recording, path)
    saved(path, fresh("cerberus"))
    with pytest.raises(ValueError, match="recipe cerberus; write cerberus="):
        ova(recording, path)
    for other, reason in (
        ({"network": "transformer"}, "network 'transformer'"),
        ({"recipe": "band"}, "recipe 'band'"),
        ({"sources": ["low"]}, "size mismatch|Error"),
        ({"sizes": {"channels": [10**6] * 5}}, "Error|size mismatch"),  # 100 TB, were it made
        ({"sizes": {"depth": 3}}, "depth"),
        ({"hop_length": 0}, "hop 0"),
        ({"n_fft": 250}, "n_fft 250"),
    ):
        saved(path, fresh("cerberus"), **other)
        with pytest.raises(
            ValueError, match=f"does not hold a separation network .*({reason}).*hearwhy train cerberus"
        ) as error:
            load(path, "cerberus")
        assert "\n" not in str(error.value)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="'recipe'"):
        load(path, "ova")
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="does not hold a separation network"):
        load(path, "ova")
