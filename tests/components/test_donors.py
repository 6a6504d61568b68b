"""Sounds mixed in that the recording does not have: with them off it is the recording, to the bit."""

import pytest
import torch

from hearwhy import Recording, audio
from hearwhy.components import components, noise_floor, with_donors, with_fill
from toys import noise, noisy, tone


def halves(channels: int = 1):
    return components("segments:2", noisy(channels=channels))


def hum(gain: float = 0.2, *, seconds: float = 1.0, rate: int = 8000) -> Recording:
    return Recording(tone(440, gain=gain, seconds=seconds, rate=rate)[None], rate, "hum.wav")


def test_everything_on_is_the_recording_plus_the_donor_and_without_it_the_recording():
    before, donor = halves(), hum()
    after = with_donors(before, {"hum": donor})
    assert after.names == ("0.00-0.50 s", "0.50-1.00 s", "added hum")
    assert after.added == ("hum",)
    masks = torch.tensor([[True, True, True], [True, True, False], [False, False, False]])
    everything, without, nothing = after.mix(masks)[:, 0]
    assert torch.allclose(everything, before.recording.audio + donor.audio, atol=1e-6)  # float32 sums
    assert torch.equal(without, before.mix(masks[1:2, :2])[0, 0])
    assert not nothing.any()
    assert after.recording.name == "noise 0 with hum added"
    assert after.as_it_is is before.recording
    assert after.gap_db < -110


@pytest.mark.parametrize("order", ["filled, then added", "added, then filled"])
def test_no_fill_stands_in_for_a_donor(order):
    if order == "filled, then added":
        after = with_donors(with_fill(halves(), "noise"), {"hum": hum()})
        floor = noise_floor(halves().recording)
    else:
        after = with_fill(with_donors(halves(), {"hum": hum()}), "noise")
        floor = noise_floor(after.recording)
    masks = torch.tensor([[True, True, False], [False, False, False]])
    without, nothing = after.mix(masks)[:, 0]
    assert torch.allclose(without, halves().recording.audio, atol=1e-6)
    assert torch.allclose(nothing, floor, atol=1e-6)


def test_a_donor_is_brought_to_the_recording_and_that_is_told(tmp_path):
    stereo = Recording(noise(1.5, seed=4, channels=2, rate=16000), 16000)
    file = audio.write(stereo, tmp_path / "drums.flac")
    after = with_donors(halves(), {"drums": f"{file}@-6dB"})
    expected = audio.resample(audio.remix(audio.load(file).audio, 1) * 10 ** (-6 / 20), 16000, 8000)[:, :8000]
    assert torch.allclose(after.audio[2], expected, atol=1e-7)  # the gain before or after resampling: float32
    level = audio.level_db(expected) - audio.level_db(noisy().audio)
    assert after.recording.history == (
        f"added drums: drums.flac, its first 1.00 s, averaged to mono, resampled from 16000 to 8000 Hz, -6 dB, {level:+.1f} dB "
        "beside the recording",
    )


def test_a_mono_donor_stands_in_both_channels():
    after = with_donors(halves(channels=2), {"hum": hum()})
    assert torch.equal(after.audio[2, 0], after.audio[2, 1])
    assert "copied to 2 channels" in after.recording.history[0]


def test_a_short_donor_is_repeated_only_where_that_is_asked_for(tmp_path):
    file = audio.write(hum(seconds=0.4), tmp_path / "hum.wav")
    with pytest.raises(ValueError, match=r"hum.wav is 0.40 s long and noise 0 1.00 s; give a longer one, .* FILE,loop"):
        with_donors(halves(), {"hum": str(file)})
    after = with_donors(halves(), {"hum": f"{file},loop"})
    assert torch.equal(after.audio[2, :, :3200], after.audio[2, :, 3200:6400])
    assert torch.equal(after.audio[2, :, :1600], after.audio[2, :, 6400:])
    assert "repeated to 1.00 s" in after.recording.history[0]


def test_the_rounding_of_a_length_is_filled_with_silence_and_told():
    after = with_donors(halves(), {"hum": Recording(hum().audio[:, :7990], 8000, "hum")})
    assert not after.audio[2, :, 7990:].any()
    assert "followed by 1.2 ms of silence" in after.recording.history[0]


def test_what_is_added_is_no_piece_of_what_was_split_again():
    parts = components("segments:2 / 0.00-0.50 s:bands:2", noisy())
    after = with_donors(with_donors(parts, {"hum": hum()}), {"buzz": hum(0.1)})
    assert after.parents == ("0.00-0.50 s", "0.00-0.50 s", "0.50-1.00 s", "added hum", "added buzz")
    assert after.added == ("hum", "buzz")
    assert after.as_it_is is parts.recording


@pytest.mark.parametrize(
    ("donor", "error", "message"),
    [
        (Recording(torch.zeros(1, 8000), 8000, "nothing"), ValueError, "nothing is silent for the 1.00 s"),
        (Recording(noise(channels=3), 8000, "three"), ValueError, "three has 3 channels and noise 0 has 2; remix it first"),
        ("drums.flac@loudB", ValueError, "has no gain that can be read; write it as in drums.flac@-6dB"),
        ("no/such.flac@-6dB", FileNotFoundError, "There is no file no/such.flac"),
    ],
)
def test_what_cannot_be_added_is_refused(donor, error, message):
    with pytest.raises(error, match=message):
        with_donors(halves(channels=2), {"drums": donor})


def test_a_name_that_is_taken_is_refused():
    once = with_donors(halves(), {"hum": hum()})
    with pytest.raises(ValueError, match="There is a part added hum already; call what is added otherwise"):
        with_donors(once, {"hum": hum()})
