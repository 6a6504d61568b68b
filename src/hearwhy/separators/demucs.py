"""Demucs: the package's own networks, with the user's weights or those that the package fetches itself."""

from __future__ import annotations

import inspect
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.extras import need
from hearwhy.types import Recording

DEFAULT = "htdemucs"
OVERLAP = 0.25  # share of a segment that the next one hears again, as in the package
CLASSES = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")  # nothing else is ever built
CONVERT = "Convert it, where you trust it, with: python examples/convert_demucs.py"


def demucs(recording: Recording, weights: str = DEFAULT) -> dict[str, Tensor]:
    """Return the sources that a Demucs network hears in the recording, in the recording's own rate, channels and length.

    The recording is resampled and remixed to what the network was trained on (44100 Hz, stereo), brought to a mean of 0 and
    a standard deviation of 1 as the package does, separated segment by segment (a quarter of each heard twice, so memory
    beyond the sources themselves does not grow with the recording), and its sources are brought back. A mono recording is
    copied to two channels and the sources' channels are averaged; of a recording with a lower rate nothing is added above
    its half, and of one with a higher rate all above 22050 Hz is lost to the sources: it lands in the residual, as does
    whatever the network misses, for the sources need not sum to the recording.

    Parameters
    ----------
    recording
        What to separate, one or two channels.
    weights
        A ``.safetensors`` file in the package's own form (class and arguments as JSON in its metadata; the files of its
        repositories on the Hugging Face hub are such), or a name of the package, ``htdemucs`` say, which the package then
        downloads from that hub, once.

    Returns
    -------
    dict
        Name to waveform, (channel, time), in the network's order.

    Raises
    ------
    ImportError
        The package is not installed.
    ValueError
        The file is a pickle, damaged, or no Demucs network; the name is unknown or cannot be downloaded; or the recording has
        more than two channels.

    References
    ----------
    .. [Rouard2023] "Hybrid transformers for music source separation", ICASSP 2023; the package demucs 4.1. Deviation: no
       random shifts (``shifts=0``), so that the same recording gives the same sources; the package says that one
       shift gains up to 0.2 dB.
    """
    apply = need("demucs.apply", extra="demucs", what="sources:demucs")
    network = _network(weights)
    heard = sound.convert(recording, network.samplerate, network.audio_channels).audio
    mean, scale = heard.mean(), heard.mean(0).std() + 1e-8
    with torch.inference_mode():
        found = apply.apply_model(network, ((heard - mean) / scale)[None], shifts=0, split=True, overlap=OVERLAP)[0]
    found = found * scale + mean
    return {name: _back(wave, network.samplerate, recording) for name, wave in zip(network.sources, found, strict=True)}


def hears(weights: str) -> tuple[int, Literal[1, 2]]:
    """Return the sample rate and channels that a network was trained on; those that go by a name hear 44100 Hz in stereo."""
    if Path(weights).suffix != ".safetensors":
        return 44100, 2
    kind, args, kwargs = _described(Path(weights), _metadata(Path(weights)))
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    given = defaults | dict(zip(defaults, args, strict=False)) | kwargs
    return given["samplerate"], given["audio_channels"]


def _back(wave: Tensor, sample_rate: int, recording: Recording) -> Tensor:
    """The source as the recording is stored; resampling there and back may end a sample early or late."""
    channels, time = recording.audio.shape
    wave = sound.resample(sound.remix(wave.cpu(), channels), sample_rate, recording.sample_rate)[..., :time]
    return torch.nn.functional.pad(wave, (0, time - wave.shape[-1]))


def _network(weights: str) -> Any:
    path = Path(weights)
    if path.suffix == ".safetensors":
        return _from_file(path)
    if path.suffix or len(path.parts) > 1:
        raise ValueError(f"{weights} is no .safetensors file; Demucs' own .th files are pickles, which can run any code, and "
                         f"hearwhy opens none. {CONVERT} {weights} FILE.safetensors")  # fmt: skip
    pretrained = need("demucs.pretrained", extra="demucs", what="sources:demucs")
    try:
        return pretrained.get_model(f"hf://{weights}")  # hf: safetensors only; by the bare name it would fall back on pickles
    except Exception as error:  # the hub's, the network's and safetensors' errors share no class
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"demucs={weights} could not be loaded ({reason}); give a name that the package demucs knows, such as {DEFAULT}, "
            "where the Hugging Face hub can be reached, or demucs=FILE.safetensors."
        ) from error


def _from_file(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    states = need("demucs.states", extra="demucs", what="sources:demucs")
    kind, args, kwargs = _described(path, _metadata(path))
    try:
        network = states.load_model({"klass": kind, "args": args, "kwargs": kwargs, "state": load_file(path)})
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} holds other weights than its metadata describes ({reason}); make it anew.") from error
    return network.eval()


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"There is no file {path}; give Demucs' weights as .safetensors, or a name such as {DEFAULT}.")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error}); it is damaged or something else.") from error


def _described(path: Path, about: dict[str, str]) -> tuple[Any, list[Any], dict[str, Any]]:
    """The class, which must be one of Demucs' own, and what it is made with."""
    if about.get("klass") not in CLASSES or "structure" in about:
        what = "quantised weights" if "structure" in about else f"class {about.get('klass', 'not said')}"
        raise ValueError(f"{path} is no Demucs network that hearwhy can build ({what}); give a file in the package's own form "
                         f"of {', '.join(CLASSES)}.")  # fmt: skip
    module, _, name = about["klass"].rpartition(".")
    try:
        args, kwargs = (json.loads(about[key], object_hook=_fraction) for key in ("args", "kwargs"))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} does not say what its network is made with ({error}); make it anew.") from error
    return getattr(need(module, extra="demucs", what="sources:demucs"), name), args, kwargs


def _fraction(node: dict[str, Any]) -> Any:
    """A length of segments such as 39/5 s, which JSON has no number for."""
    return Fraction(node["numerator"], node["denominator"]) if node.get("_type") == "fraction" else node
