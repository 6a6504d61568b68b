"""The shipped `band` network in files of other libraries, each with the TOML that describes it to hearwhy.

    python examples/export_band.py --to onnx band.onnx                 # also: pt2, torchscript
    hearwhy explain SONG.wav --model onnx:band.onnx --components bands:8

The file takes log-mel spectrograms, and the TOML declares the front end that makes them, so that hearwhy can mask them too.
With --waveform the front end is inside, and the file takes two seconds of audio.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

import hearwhy
from hearwhy.front_ends import LogMel
from hearwhy.networks.band_cnn import FRONT_END

WINDOW = 32_000  # samples: two seconds at 16 kHz


class Waveform(torch.nn.Module):
    """A network with its front end: (batch, time) audio to logits."""

    def __init__(self, front_end: Callable[[torch.Tensor], torch.Tensor], network: torch.nn.Module) -> None:
        super().__init__()
        self.front_end, self.network = front_end, network
        front_end(torch.zeros(1, WINDOW))  # its mel filters are made here: how they are made is not to be exported

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.network(self.front_end(audio))


def describe(out: Path, classifier: hearwhy.Classifier, *, waveform: bool, front_end: LogMel) -> None:
    """Write the TOML beside a model file."""
    lines = [
        f"sample_rate = {classifier.sample_rate}",
        f"labels = {json.dumps(classifier.labels)}",
        f'activation = "{classifier.activation}"',
        f"window_s = {classifier.window_s}",
        f'input = "{"batch time" if waveform else "batch freq frame"}"',
    ]
    if not waveform:
        lines += ["", "[front_end]", 'kind = "log_mel"']
        lines += [f"{key} = {_toml(value)}" for key, value in asdict(front_end).items() if key not in ("sample_rate", "f_max")]
    out.with_suffix(".toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    return '"none"' if value is None else json.dumps(value)  # TOML has no null


def to_onnx(network: torch.nn.Module, example: torch.Tensor, out: Path) -> None:
    """Write an ONNX file, as torch's newer exporter makes it; needs onnx and onnxscript."""
    batch = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the exporter says of its own parts
        torch.onnx.export(
            network, (example,), out, dynamo=True, dynamic_shapes=(batch,), external_data=False, verbose=False,
            input_names=["input"], output_names=["logits"],
        )  # fmt: skip


def to_pt2(network: torch.nn.Module, example: torch.Tensor, out: Path) -> None:
    """Write an exported program."""
    batch = {0: torch.export.Dim("batch")}
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=(batch,)), out)


def to_torchscript(network: torch.nn.Module, example: torch.Tensor, out: Path) -> None:
    """Write TorchScript."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes become constants: they are the same every time
        torch.jit.save(torch.jit.trace(network, example), out)


FORMATS = {"onnx": to_onnx, "pt2": to_pt2, "torchscript": to_torchscript}


def export(to: str, out: Path, *, model: str = "band", waveform: bool = False) -> None:
    """Write one of the band networks in a format of `FORMATS`, and its TOML."""
    classifier = hearwhy.classifier(model)
    network = Waveform(FRONT_END, classifier.network).eval() if waveform else classifier.network
    audio = torch.zeros(2, WINDOW)  # two of them: a batch of one would be taken for a fixed size
    out.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[to](network, audio if waveform else FRONT_END(audio), out)
    describe(out, classifier, waveform=waveform, front_end=FRONT_END)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument("--model", default="band", help="band, band:bass or band:independent")
    parser.add_argument("--waveform", action="store_true", help="with the front end inside")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    export(given.to, given.out, model=given.model, waveform=given.waveform)
    print(f"{given.out} and {given.out.with_suffix('.toml')}")
