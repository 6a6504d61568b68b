"""What explaining an hour window by window costs: peak memory and time, beside those of a shorter recording.

    python benchmarks/long_recording.py RECORDING [--minutes 10 60] [--model band] [--windows 3]

The recording is repeated, stereo at 44.1 kHz as FLAC, to each length; each is explained by the command line in a process of
its own, whose largest resident size the system tells. Memory that does not grow with the recording is what is claimed.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr


def long_file(clip: Path, minutes: float, folder: Path) -> Path:
    """Return a file of so many minutes of the clip, written piece by piece."""
    audio, rate = soundfile.read(clip, dtype="float32", always_2d=True)
    stereo = np.repeat(soxr.resample(audio[:, :1], rate, 44_100), 2, axis=1)
    path, left = folder / f"{minutes:g}min.flac", round(minutes * 60 * 44_100)
    with soundfile.SoundFile(path, "w", samplerate=44_100, channels=2) as file:
        while left > 0:
            file.write(stereo[:left])
            left -= len(stereo)
    return path


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("recording", type=Path)
    words.add_argument("--minutes", type=float, nargs="+", default=[10, 60])
    words.add_argument("--model", default="band")
    words.add_argument("--windows", default="3")
    chosen = words.parse_args()
    for minutes in chosen.minutes:
        with tempfile.TemporaryDirectory() as folder:
            path = long_file(chosen.recording, minutes, Path(folder))
            command = [sys.executable, "-m", "hearwhy", "explain", path, "--model", chosen.model, "--per-window", "--windows",
                       chosen.windows, "--components", "bands:4", "--quiet", "--out", Path(folder) / "out"]  # fmt: skip
            start = time.perf_counter()
            subprocess.run([str(word) for word in command], check=True)
            took = time.perf_counter() - start
            page = (Path(folder) / "out" / "index.html").stat().st_size / 1e6
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6  # the largest so far: give lengths in order
        print(f"{chosen.model}: {minutes:g} min: peak {peak:.2f} GB, {took:.0f} s, page {page:.1f} MB", flush=True)
    print(platform.machine(), sys.version.split()[0])


if __name__ == "__main__":
    main()
