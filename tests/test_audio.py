"""Sound in and out: nothing is lost, nothing is changed unsaid, and what is no sound is refused in words."""

import numpy as np
import pytest
import soundfile
import torch

from hearwhy import Recording, audio, load
from toys import noise, noisy


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_what_is_written_is_read_back_to_24_bits(tmp_path, suffix, channels):
    recording = noisy(0.3, channels=channels)
    path = audio.write(recording, tmp_path / f"a{suffix}")
    back = load(path)
    assert back.sample_rate == recording.sample_rate
    assert back.audio.shape == recording.audio.shape
    assert (back.audio - recording.audio).abs().max() <= 2**-23  # one step of 24 bits


@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_lossy_files_are_read(tmp_path, container, subtype):
    path = tmp_path / f"a.{container.lower()}"
    tone = 0.5 * np.sin(np.arange(44100) / 10)
    soundfile.write(path, tone, 44100, format=container, subtype=subtype)
    back = load(path)
    assert back.audio.shape[1] >= 44100
    assert back.audio.abs().max() == pytest.approx(0.5, abs=0.05)  # a codec's error, not a normalisation


def test_loading_does_not_normalise(tmp_path):
    quiet = Recording(noise(0.1) * 1e-3, 8000)
    assert load(audio.write(quiet, tmp_path / "q.wav")).audio.abs().max() < 1e-3


def test_a_file_may_be_loaded_in_part(tmp_path):
    recording = noisy(1.0)
    audio.write(recording, tmp_path / "a.wav")
    part = load(tmp_path / "a.wav", start_s=0.25, duration_s=0.5)
    assert torch.allclose(part.audio, recording.audio[:, 2000:6000], atol=2**-23)
    assert "0.25" in part.history[0]


def test_pieces_of_a_stream_are_the_file(tmp_path):
    recording = noisy(1.03)
    audio.write(recording, tmp_path / "a.wav")
    with audio.Stream(tmp_path / "a.wav") as stream:
        pieces = [stream.cut(start / 4, (start + 1) / 4) for start in (0, 1, 2, 3, 4)]
    assert [p.audio.shape[1] for p in pieces] == [2000] * 4 + [240]
    assert torch.allclose(torch.cat([p.audio for p in pieces], dim=1), recording.audio, atol=2**-23)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 256), (512, 256), (2048, 512), (400, 100)])
@pytest.mark.parametrize("time", [1, 100, 8001])
def test_stft_and_back_is_the_sound_above_100_db(n_fft, hop, time):
    sound = noise(2)[:, :time]
    error = audio.istft(audio.stft(sound, n_fft, hop), time, n_fft, hop) - sound
    assert audio.level_db(error) - audio.level_db(sound) < -100


def test_stft_is_librosas():
    librosa = pytest.importorskip("librosa")
    sound = noise(0.5)[0]
    theirs = librosa.stft(sound.numpy(), n_fft=1024, hop_length=256, pad_mode="constant")
    assert np.abs(audio.stft(sound, 1024, 256).numpy() - theirs).max() < 1e-4 * np.abs(theirs).max()  # float32 transforms


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 192000])
def test_resampling_is_linear_so_parts_still_add_up(rate):
    a, b = noise(0.5, seed=1), noise(0.5, seed=2)
    gap = audio.resample(a, 8000, rate) + audio.resample(b, 8000, rate) - audio.resample(a + b, 8000, rate)
    assert audio.level_db(gap) - audio.level_db(a) < -110  # soxr's HQ works to 20 bits


def test_resampling_keeps_the_level_of_a_tone():
    tone = 0.5 * torch.sin(torch.arange(44100) * 2 * torch.pi * 440 / 44100)[None]
    there = audio.resample(tone, 44100, 16000)
    assert there.shape[1] == 16000
    assert audio.level_db(there) == pytest.approx(audio.level_db(tone), abs=0.05)  # the two ends ring


def test_every_step_to_the_model_is_recorded():
    said = audio.convert(noisy(0.2, channels=2, rate=44100), 16000, 1).history
    assert any("mono" in step for step in said)
    assert any("44100 to 16000" in step for step in said)
    assert any("nothing above 4000 Hz" in step for step in audio.conversion(noisy(rate=8000), 16000, 1))


def test_six_channels_have_no_rule_for_two():
    with pytest.raises(ValueError, match="takes 2 channels and the recording has 6"):
        audio.convert(noisy(channels=6), 8000, 2)


def test_writing_never_clips(tmp_path):
    loud = Recording(torch.full((1, 100), 1.5), 8000)
    with pytest.raises(ValueError, match=r"peak of 1\.500 would clip"):
        audio.write(loud, tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())
    gain = audio.safe_gain(loud.audio)
    assert load(audio.write(loud, tmp_path / "a.wav", gain=gain)).audio.max() == pytest.approx(0.999, abs=1e-6)


def test_no_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", b"ID3" + bytes(200)])
def test_what_is_no_sound_is_said(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as sound|is empty|is damaged"):
        load(path)


def test_an_empty_file_is_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="is empty"):
        load(tmp_path / "a.wav")


def test_nan_is_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan, np.inf]), 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="2 of 3 samples are NaN or infinite"):
        load(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (torch.zeros(2, 3, 4), 8000, "shape"),
        (torch.zeros(1, 0), 8000, "no samples"),
        (torch.zeros(1, 10, dtype=torch.int16), 8000, "float samples"),
        (torch.zeros(1, 10), 0, "sample rate"),
    ],
)
def test_a_recording_that_is_none_is_refused(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        Recording(samples, rate)


def test_the_fingerprint_is_of_the_sound_not_of_the_name():
    assert Recording(noise(), 8000, "a").fingerprint == Recording(noise(), 8000, "b").fingerprint
    assert Recording(noise(), 8000).fingerprint != Recording(noise(), 16000).fingerprint
    assert Recording(noise(), 8000).fingerprint != Recording(noise(seed=1), 8000).fingerprint


def test_what_the_new_rate_cannot_hold_is_gone_and_what_it_can_is_kept():
    def at(hertz):
        phase = torch.arange(44100, dtype=torch.float64) * 2 * torch.pi * hertz / 44100  # in float32 the tone itself is noisy
        heard = audio.resample(phase.sin().float()[None], 44100, 16000)
        return audio.level_db(heard[:, 2000:-2000]) - 10 * torch.tensor(0.5).log10().item()

    assert abs(at(7000)) < 0.01
    assert at(9500) < -100  # an alias of it would be a tone at 6500 Hz


def test_mono_is_the_mean_of_all_channels():
    left, right = noise(seed=1), noise(seed=2)
    assert torch.allclose(audio.remix(torch.cat([left, right]), 1), (left + right) / 2)
    assert torch.equal(audio.remix(left, 2), torch.cat([left, left]))
