"""Sound in and out: the only room that touches sound files, and the one place where audio is resampled or downmixed."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from hearwhy.types import Recording

READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
SILENCE_DB = -120.0  # below full scale: under the least bit of a 16-bit file, nothing is there to explain


def load(path: str | Path, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
    """Read a sound file as it was stored: every channel, its own rate, no normalisation.

    Parameters
    ----------
    path
        WAV, FLAC, OGG, MP3 or whatever else libsndfile reads.
    start_s, duration_s
        Which part of the file to read, in seconds; by default all of it. Only that part is decoded.

    Returns
    -------
    Recording
        float32 samples, (channel, time). Integer files are scaled to -1..1 by their own full scale.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no sound file, it is empty, the part asked for is outside it, or it holds NaN or infinite samples.

    Examples
    --------
    >>> import hearwhy, soundfile, tempfile, numpy
    >>> name = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(name, numpy.zeros((8000, 2)), 8000)
    >>> hearwhy.load(name).audio.shape
    torch.Size([2, 8000])
    """
    path = Path(path)
    if not math.isfinite(start_s) or (duration_s is not None and not 0 < duration_s < math.inf):
        raise ValueError(f"{path} cannot be read from {start_s} s on for {duration_s} s; give a start and a length above 0 s.")
    with _open(path) as file:
        rate = int(file.samplerate)
        start = round(start_s * rate)
        if start_s < 0 or (start and start >= file.frames):
            raise ValueError(f"{path} is {file.frames / rate:.2f} s long; it cannot be read from {start_s} s on.")
        _seek(file, start, path)
        count = -1 if duration_s is None else max(1, round(duration_s * rate))
        audio = _read(file, count, path)
    whole = start == 0 and duration_s is None
    history = () if whole else (f"read from {start_s:.2f} s for {audio.shape[1] / rate:.2f} s",)
    return Recording(audio=audio, sample_rate=rate, name=path.name, history=history)


class Stream:
    """A sound file that is read piece by piece, so that memory does not grow with it; a context manager.

    Parameters
    ----------
    path
        WAV, FLAC, OGG, MP3 or whatever else libsndfile reads.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load`.

    Examples
    --------
    >>> with Stream("an_hour.flac") as hour:  # doctest: +SKIP
    ...     minute = hour.cut(600.0, 660.0)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = _open(self.path)
        self.sample_rate = int(self._file.samplerate)
        self.n_samples, self.n_channels = int(self._file.frames), int(self._file.channels)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *reason: object) -> None:
        self._file.close()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate

    def cut(self, start_s: float, stop_s: float) -> Recording:
        """Return what lies between two times as a recording of its own, named by them; only that is decoded."""
        start, stop = round(start_s * self.sample_rate), min(round(stop_s * self.sample_rate), self.n_samples)
        _seek(self._file, start, self.path)
        audio = _read(self._file, max(1, stop - start), self.path)
        span = f"{start / self.sample_rate:.2f}-{stop / self.sample_rate:.2f} s"
        return Recording(audio, self.sample_rate, f"{self.path.name} {span}", (f"read {span}",))


def _open(path: Path):  # type: ignore[no-untyped-def]  # soundfile ships no types
    import soundfile

    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. Give the path of a sound file.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the path of one sound file.")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} cannot be read as sound ({_reason(error)}). Give a WAV, FLAC, OGG or MP3 file; convert others first."
        ) from error


def _read(file, count: int, path: Path) -> Tensor:  # type: ignore[no-untyped-def]
    import soundfile

    try:
        samples = file.read(count, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is damaged ({_reason(error)}); decode it to WAV with another tool first.") from error
    if not len(samples):
        raise ValueError(f"{path} is empty: it holds no samples. Give a recording that is not empty.")
    return torch.from_numpy(np.ascontiguousarray(samples.T))


def _seek(file, start: int, path: Path) -> None:  # type: ignore[no-untyped-def]
    import soundfile

    try:
        file.seek(start)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is damaged ({_reason(error)}); decode it to WAV with another tool first.") from error


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].rstrip(".").strip()


def write(recording: Recording, path: str | Path, *, gain: float = 1.0) -> Path:
    """Write `recording` times `gain` as a 24-bit WAV or FLAC file, whole or not at all.

    Raises
    ------
    ValueError
        The samples would clip (give the gain of `safe_gain`), or the file is neither .wav nor .flac.
    """
    import soundfile

    path = Path(path)
    container = {".wav": "WAV", ".flac": "FLAC"}.get(path.suffix.lower())
    if container is None:
        raise ValueError(f"{path}: sound is written as .wav or .flac; got {path.suffix or 'no suffix'!r}.")
    audio = recording.audio * gain
    peak = float(audio.abs().max())
    if peak > 1:
        raise ValueError(f"{path}: a peak of {peak:.3f} would clip; write it with gain={0.999 / peak * gain:.3f} or less.")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(descriptor)
    try:
        soundfile.write(temporary, audio.T.numpy(), recording.sample_rate, subtype="PCM_24", format=container)
        Path(temporary).chmod(0o644)  # mkstemp makes it private, a result is not
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def safe_gain(*audio: Tensor) -> float:
    """Return one common gain, at most 1, under which none of the given sounds clips."""
    peak = max(float(sound.abs().max()) for sound in audio)
    return 1.0 if peak <= 0.999 else 0.999 / peak


def resample(audio: Float[Tensor, "*batch time"], old_rate: int, new_rate: int) -> Float[Tensor, "*batch time2"]:
    """Return `audio` at `new_rate` Hz (soxr, high quality); the same samples where the rate is the same.

    Linear up to soxr's 20 bits, so that resampled parts still add up to the resampled recording.
    """
    if old_rate == new_rate:
        return audio
    import soxr

    flat = audio.reshape(-1, audio.shape[-1])
    rows = [soxr.resample(row.numpy(), old_rate, new_rate, quality="HQ") for row in flat]
    return torch.from_numpy(np.stack(rows)).to(torch.float32).reshape(*audio.shape[:-1], -1)


def remix(audio: Float[Tensor, "*batch channel time"], channels: int) -> Float[Tensor, "*batch channel2 time"]:
    """Return `audio` with that many channels: the mean for one, a copy for two from one.

    Raises
    ------
    ValueError
        There is no rule for it (6 channels to 2, say).
    """
    have = audio.shape[-2]
    if have == channels:
        return audio
    if channels == 1:
        return audio.mean(dim=-2, keepdim=True)
    if have == 1:
        return audio.expand(*audio.shape[:-2], channels, audio.shape[-1])
    raise ValueError(f"The model takes {channels} channels and the recording has {have}; downmix it to {channels} first.")


def conversion(recording: Recording, sample_rate: int, channels: int) -> tuple[str, ...]:
    """Say, a sentence a step, what is done to a recording before a model of that rate and channels hears it."""
    steps = []
    have = recording.audio.shape[0]
    if have != channels:
        how = "averaged to mono" if channels == 1 else f"copied to {channels} channels"
        steps.append(f"{have} channel{'s' * (have > 1)} {how} for the model")
    if recording.sample_rate != sample_rate:
        limit = "" if recording.sample_rate >= sample_rate else f" (nothing above {recording.sample_rate // 2} Hz is in it)"
        steps.append(f"resampled from {recording.sample_rate} to {sample_rate} Hz for the model{limit}")
    return tuple(steps)


def convert(recording: Recording, sample_rate: int, channels: int) -> Recording:
    """Return the recording as a model of that rate and channels hears it; the steps join its history."""
    audio = resample(remix(recording.audio, channels), recording.sample_rate, sample_rate)
    history = recording.history + conversion(recording, sample_rate, channels)
    return Recording(audio=audio, sample_rate=sample_rate, name=recording.name, history=history)


def cut(recording: Recording, start: int, stop: int) -> Recording:
    """Return samples `start` to `stop` as a recording of their own, named by their time."""
    span = f"{start / recording.sample_rate:.2f}-{stop / recording.sample_rate:.2f} s"
    return replace(recording, audio=recording.audio[:, start:stop].clone(), name=f"{recording.name} {span}")


def level_db(audio: Tensor) -> float:
    """Return the RMS level in dB relative to full scale; -inf for digital silence."""
    power = float(audio.to(torch.float64).square().mean())
    return 10 * float(np.log10(power)) if power > 0 else float("-inf")


def stft(audio: Float[Tensor, "*batch time"], n_fft: int = 1024, hop_length: int = 256) -> Complex[Tensor, "*batch freq frame"]:
    """Return the centred complex spectrogram (periodic Hann, zero-padded ends), the pair of `istft`."""
    flat = audio.reshape(-1, audio.shape[-1])
    window = torch.hann_window(n_fft, dtype=audio.dtype, device=audio.device)
    spectrum = torch.stft(flat, n_fft, hop_length, window=window, center=True, pad_mode="constant", return_complex=True)
    return spectrum.reshape(*audio.shape[:-1], *spectrum.shape[-2:])


def istft(
    spectrum: Complex[Tensor, "*batch freq frame"], length: int, n_fft: int = 1024, hop_length: int = 256
) -> Float[Tensor, "*batch time"]:
    """Return the sound of `stft`'s spectrogram, `length` samples long; unchanged bins return the sound."""
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    window = torch.hann_window(n_fft, dtype=flat.real.dtype, device=flat.device)
    # One hop more than asked for: the overlap-add of the very last samples needs the frame behind them.
    audio = torch.istft(flat, n_fft, hop_length, window=window, center=True, length=length)
    return audio.reshape(*spectrum.shape[:-2], length)
