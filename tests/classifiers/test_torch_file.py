"""Files of torch: exported programs and TorchScript answer as the network does, and nothing in them runs that is no network."""

import io
import json
import re
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch.export import Dim

import hearwhy
from hearwhy.classifiers.batches import BatchSizes, in_batches
from hearwhy.classifiers.callable import classifier_module
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets import demo_song
from toys import noise

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from export_band import export

RATE = 8000
TOLD = {"sample_rate": RATE, "labels": ["a", "b", "c"], "window_s": 0.2, "input": "batch time"}
EXAMPLE = torch.zeros(2, 1600)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = torch.nn.Conv1d(1, 8, 16, 4), torch.nn.Linear(8, 3)
        self.norm, self.drop = torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for weight in self.parameters():
                torch.nn.init.normal_(weight, std=0.3)
        self.eval()

    def forward(self, audio):
        return self.head(self.drop(self.norm(self.conv(audio[:, None]).relu())).mean(-1))


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return function(*args, **options)


def exported(path, network=None, *, told=TOLD, example=EXAMPLE, **options):
    program = torch.export.export(network or Net(), (example,), **options)
    torch.export.save(program, path, extra_files={} if told is None else {"hearwhy": json.dumps(told)})
    return path


def scripted(path, network=None, *, told=TOLD, trace=False, freeze=False):
    network = network or Net()
    made = quietly(torch.jit.trace, network, EXAMPLE, check_trace=False) if trace else quietly(torch.jit.script, network)
    made = quietly(torch.jit.freeze, made) if freeze else made
    quietly(torch.jit.save, made, path, _extra_files={} if told is None else {"hearwhy": json.dumps(told)})
    return path


def any_batch(path, **options):
    return exported(path, dynamic_shapes=({0: Dim("batch")},), **options)


WRITERS = {
    "exported": any_batch,
    "exported for two": exported,
    "exported for one": lambda path: exported(path, example=EXAMPLE[:1]),
    "exported for at most 4": lambda path: exported(path, dynamic_shapes=({0: Dim("batch", max=4)},)),
    "exported for at least 2": lambda path: exported(path, dynamic_shapes=({0: Dim.AUTO},)),
    "scripted": scripted,
    "traced": lambda path: scripted(path, trace=True),
    "frozen": lambda path: scripted(path, freeze=True),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
def test_it_answers_as_the_network_does(writer, tmp_path):
    audio = torch.stack([noise(0.2, seed=seed, gain=0.1 + seed) for seed in range(7)])
    expected = Net()(audio[:, 0])
    made = hearwhy.classifier(f"torch:{writer(tmp_path / 'net.bin')}")  # the name says nothing of the kind
    assert made.labels == ("a", "b", "c") and made.sample_rate == RATE and made.window_s == 0.2
    with torch.inference_mode():
        torch.testing.assert_close(made(audio), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(torch.cat([made(one[None]) for one in audio]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("writer", ["exported", "exported for two", "scripted", "frozen"])
def test_slopes_reach_the_audio_and_weights_are_frozen(writer, tmp_path):
    made = hearwhy.classifier(f"torch:{WRITERS[writer](tmp_path / 'net.bin')}")
    audio = noise(0.2)[None].expand(3, -1, -1).clone()

    def slope(function):
        at = audio.clone().requires_grad_()
        return torch.autograd.grad(function(at)[:, 1].sum(), at)[0]

    expected = slope(lambda at: Net()(at[:, 0]))
    for _ in range(3):  # TorchScript compiles itself anew after its first calls
        torch.testing.assert_close(slope(made), expected, rtol=0, atol=1e-5)
    assert not made(audio).requires_grad


def test_any_length_may_be_left_open(tmp_path):
    told = {key: value for key, value in TOLD.items() if key != "window_s"}
    lengths = {0: Dim("batch"), 1: Dim("time", min=100, max=5000)}
    made = hearwhy.classifier(f"torch:{exported(tmp_path / 'net.pt2', told=told, dynamic_shapes=(lengths,))}")
    for seconds in (0.1, 0.5):
        audio = noise(seconds)[None]
        torch.testing.assert_close(made(audio), Net()(audio[:, 0]), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"torch:net\.pt2 was exported for other sizes than \(1, 5600\): .*<= 5000, but got"):
        made(noise(0.7)[None])
    same = hearwhy.classifier(f"torch:{scripted(tmp_path / 'net.ts', told=told)}")
    assert same.window_s is None and same(noise(0.7)[None]).shape == (1, 3)


def test_the_toml_beside_it_comes_first(tmp_path):
    path = any_batch(tmp_path / "net.pt2")
    (tmp_path / "net.toml").write_text('sample_rate = 1600\nlabels = ["x", "y", "z"]\nwindow_s = 1.0\ninput = "batch time"')
    made = hearwhy.classifier(f"torch:{path}")
    assert made.labels == ("x", "y", "z") and made.sample_rate == 1600 and made.name == "torch:net.pt2"


def test_the_fingerprint_follows_the_file_and_its_description(tmp_path):
    prints = {hearwhy.classifier(f"torch:{scripted(tmp_path / 'a.ts')}").fingerprint}
    prints |= {hearwhy.classifier(f"torch:{tmp_path / 'a.ts'}").fingerprint}
    assert len(prints) == 1
    other = Net()
    other.head.bias.data[0] += 1
    prints |= {hearwhy.classifier(f"torch:{scripted(tmp_path / 'a.ts', other)}").fingerprint}
    prints |= {hearwhy.classifier(f"torch:{scripted(tmp_path / 'a.ts', told=TOLD | {'activation': 'sigmoid'})}").fingerprint}
    assert len(prints) == 3


@pytest.fixture(scope="module")
def asked():
    """What is asked of every band network: the song that ships, and the options."""
    options = {"components": f"sources:stems={demo_song() / 'stems'}", "target": "guitar", "method": "occlusion"}
    return hearwhy.load(demo_song() / "mix.flac"), options


@pytest.fixture(scope="module")
def expected(asked):
    return hearwhy.explain("band", asked[0], **asked[1]).values


@pytest.mark.parametrize("to", ["pt2", "torchscript"])
def test_the_exported_band_is_explained_as_the_shipped_one(to, asked, expected, tmp_path):
    quietly(export, to, tmp_path / "band.bin")
    made = hearwhy.classifier(f"torch:{tmp_path / 'band.bin'}")
    assert isinstance(made, SpectrogramClassifier)
    found = hearwhy.explain(made, asked[0], **asked[1]).values
    assert (found - expected).abs().max() <= 1e-4 * (expected.max() - expected.min())


@pytest.mark.parametrize("to", ["pt2", "torchscript"])
def test_with_the_front_end_inside_it_answers_the_same(to, asked, tmp_path):
    quietly(export, to, tmp_path / "band.bin", waveform=True)
    made = hearwhy.classifier(f"torch:{tmp_path / 'band.bin'}")
    assert not isinstance(made, SpectrogramClassifier)
    windows = asked[0].audio[:, : 4 * 32_000].reshape(4, 1, 32_000)
    answers = hearwhy.classifier("band")(windows)
    assert (made(windows) - answers).abs().max() <= 1e-4 * (answers.max() - answers.min())


def test_several_answers_need_a_name(tmp_path):
    class Two(Net):
        def forward(self, audio):
            return {"embedding": audio, "logits": super().forward(audio)}

    with pytest.raises(TypeError, match=r"torch:two\.pt2 answers with several things, 'embedding': Tensor .* answer = \"embed"):
        hearwhy.classifier(f"torch:{exported(tmp_path / 'two.pt2', Two())}")
    made = hearwhy.classifier(f"torch:{exported(tmp_path / 'two.pt2', Two(), told=TOLD | {'answer': 'logits'})}")
    audio = torch.stack([noise(0.2, seed=seed) for seed in range(3)])
    torch.testing.assert_close(made(audio), Net()(audio[:, 0]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_works_and_answers_float32(half, tmp_path):
    audio = noise(0.2)[None].expand(2, -1, -1)
    for path in (
        exported(tmp_path / "half.pt2", Net().to(half), example=EXAMPLE.to(half)),
        scripted(tmp_path / "half.ts", Net().to(half)),
    ):
        answers = hearwhy.classifier(f"torch:{path}")(audio)
        assert answers.dtype == torch.float32
        torch.testing.assert_close(answers, Net()(audio[:, 0]), rtol=0.05, atol=0.02)


def test_devices(tmp_path):
    made = hearwhy.classifier(f"torch:{scripted(tmp_path / 'net.ts')}")
    classifier_module(made).to(torch.float64)  # what explain moves is what answers: a type shows it without a second device
    assert made(noise(0.2)[None]).dtype == torch.float64
    song = hearwhy.Recording(noise(0.2), RATE)
    with pytest.raises(
        ValueError, match=r"torch:net\.pt2 was exported on cpu and stays there: give device cpu, or export .* on"
    ):
        hearwhy.explain(f"torch:{any_batch(tmp_path / 'net.pt2')}", song, device="meta")


# what a description has wrong


@pytest.mark.parametrize("writer", [any_batch, scripted], ids=["exported", "scripted"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "b"]}, r"net\.bin answers .*3.* numbers?, and its description has 2 labels|answers 3 numbers"),
        (
            {"output": "batch frame label"},
            r"net\.bin answers \(.*, 3\), 2 axes, and its description says output = 'batch frame",
        ),
    ],
)
def test_answers_that_are_not_as_described_are_refused_at_once(writer, change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        hearwhy.classifier(f"torch:{writer(tmp_path / 'net.bin', told=TOLD | change)}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 16000}, r"the axis time is 1600 long, and the description makes it 3200. Mend sample_rate, window_s"),
        ({"window_s": 0.5}, r"the axis time is 1600 long, and the description makes it 4000"),
        (
            {"input": "batch channel time"},
            r"takes \(any, 1600\), 2 axes, and its description says input = 'batch channel time'",
        ),
    ],
)
def test_a_wrong_rate_window_or_layout_is_refused_at_once(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        hearwhy.classifier(f"torch:{any_batch(tmp_path / 'net.pt2', told=TOLD | change)}")


def test_a_script_that_does_not_take_what_is_described_is_refused_at_once(tmp_path):
    path = scripted(tmp_path / "net.ts", told=TOLD | {"input": "batch 1 time"})
    with pytest.raises(
        ValueError, match=r"net\.ts does not take what its description says, 0\.2 s at 8000 Hz as 'batch 1 time': R"
    ):
        hearwhy.classifier(f"torch:{path}")


def test_a_missing_window_is_asked_for(tmp_path):
    told = {key: value for key, value in TOLD.items() if key != "window_s"}
    with pytest.raises(
        ValueError, match=r"the axis time is 1600 long, and the description has no window_s. Add window_s = 0\.2"
    ):
        hearwhy.classifier(f"torch:{any_batch(tmp_path / 'net.pt2', told=told)}")
    with pytest.raises(ValueError, match=r"net\.pt2 does not say what it takes. Describe it in .*net\.toml"):
        hearwhy.classifier(f"torch:{any_batch(tmp_path / 'net.pt2', told=None)}")


def test_train_mode(tmp_path):
    for path in (exported(tmp_path / "train.pt2", Net().train()), scripted(tmp_path / "train.ts", Net().train(), trace=True)):
        with pytest.raises(
            ValueError, match=r"was saved in train mode, where answers .*; call network\.eval\(\) and save it ag"
        ):
            hearwhy.classifier(f"torch:{path}")
    audio = noise(0.2)[None]
    made = hearwhy.classifier(f"torch:{scripted(tmp_path / 'train.ts', Net().train())}")  # asks for its mode when it runs
    torch.testing.assert_close(made(audio), Net()(audio[:, 0]), rtol=0, atol=1e-5)


def test_networks_of_several_inputs_or_of_integers_are_refused(tmp_path):
    class Sum(torch.nn.Module):
        def forward(self, a, b):
            return a[:, :3] + b[:, :3]

    program = torch.export.export(Sum(), (EXAMPLE, EXAMPLE))
    torch.export.save(program, tmp_path / "sum.pt2", extra_files={"hearwhy": json.dumps(TOLD)})
    with pytest.raises(ValueError, match=r"sum\.pt2 takes a, b; export a network that takes one tensor"):
        hearwhy.classifier(f"torch:{tmp_path / 'sum.pt2'}")

    class Cut(torch.nn.Module):
        def forward(self, a):
            return a[:, :3] + 1

    with pytest.raises(ValueError, match=r"cut\.pt2 takes torch\.int16 numbers; export a network that takes float"):
        hearwhy.classifier(f"torch:{exported(tmp_path / 'cut.pt2', Cut(), example=EXAMPLE.to(torch.int16))}")


# files that are something else, or would do something else


def test_other_files_are_named(tmp_path):
    path = tmp_path / "net.pt"
    for content, message in (
        (
            Net().state_dict(),
            r"holds pickled weights or a pickled module: .* weights_only=True\), and save it with torch\.export",
        ),
        (Net(), r"holds pickled weights or a pickled module"),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=message):
            hearwhy.classifier(f"torch:{path}")
        torch.save(content, path, _use_new_zipfile_serialization=False)
        with pytest.raises(ValueError, match=message):
            hearwhy.classifier(f"torch:{path}")
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"net\.pt is no file that torch wrote, or a broken one"):
        hearwhy.classifier(f"torch:{path}")
    for name, message in (
        ("a/b", r"is a zip file that torch did not write"),
        ("serialized_exported_program.json", r"was exported by torch 2\.7 or older; save it"),
        ("net/data/aotinductor/model/net.so", r"holds a compiled library, which runs any code when it is loaded; save it"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(ValueError, match=message):
            hearwhy.classifier(f"torch:{path}")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.pt2 for torch:FILE"):
        hearwhy.classifier(f"torch:{tmp_path / 'none.pt2'}")


class Canary:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(path, change):
    """The file with each record as `change(name, content)` has it."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, change(name.partition("/")[2], content))
    return path


def pickled(thing):
    held = io.BytesIO()
    torch.save(thing, held)
    return held.getvalue()


def test_example_inputs_are_never_unpickled(tmp_path):
    canary = tmp_path / "canary"
    path = rewritten(
        any_batch(tmp_path / "net.pt2"),
        lambda name, content: pickled(Canary(canary)) if name.startswith("data/sample_inputs/") else content,
    )
    audio = noise(0.2)[None]
    torch.testing.assert_close(hearwhy.classifier(f"torch:{path}")(audio), Net()(audio[:, 0]), rtol=0, atol=1e-5)
    assert not canary.exists()


def test_pickled_weights_are_refused(tmp_path):
    canary = tmp_path / "canary"

    def change(name, content):
        if name.endswith("model_weights_config.json"):
            return re.sub(rb'"use_pickle": false', b'"use_pickle": true', content)
        return pickled(Canary(canary)) if name.startswith("data/weights/weight_") else content

    with pytest.raises(ValueError, match=r"net\.pt2 holds conv\.weight as a pickle, which could run any code"):
        hearwhy.classifier(f"torch:{rewritten(any_batch(tmp_path / 'net.pt2'), change)}")
    assert not canary.exists()


def program(change):
    """A change of the program in a file, as JSON."""

    def changed(name, content):
        if not name.startswith("models/"):
            return content
        held = json.loads(content)
        change(held)
        return json.dumps(held)

    return changed


@pytest.mark.parametrize("what", ["sizes", "guards"])
@pytest.mark.parametrize("how", ["__import__('pathlib').Path({!r}).touch()", "[1 for _ in [open({!r}, 'w')]]", "max({!r})"])
def test_sizes_that_are_code_are_refused(what, how, tmp_path):
    canary = tmp_path / "canary"
    code = how.format(str(canary))

    def change(held):
        if what == "guards":
            held["guards_code"] = [f"L['audio'].size()[1] > 0 and {code}"]
        else:
            held["graph_module"]["graph"]["tensor_values"]["audio"]["sizes"][0]["as_expr"]["expr_str"] = code

    path = rewritten(any_batch(tmp_path / "net.pt2"), program(change))
    with pytest.raises(ValueError, match=r"net\.pt2 holds a size that is no arithmetic but could be code"):
        hearwhy.classifier(f"torch:{path}")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("torch.ops.acme.frobnicate.default", r"needs the operator acme::frobnicate, which is not registered here; import the"),
        ("torch.os.system", r"calls torch\.os\.system, which is no operator of a network"),
        ("torch.ops.load_library", r"calls torch\.ops\.load_library, which is no operator of a network"),
        ("torch.ops.aten.from_file.default", r"calls torch\.ops\.aten\.from_file\.default, which is no operator of a network"),
        ("_operator.attrgetter", r"calls _operator\.attrgetter, which is no operator of a network"),
        ("#acme:frobnicate", r"calls #acme:frobnicate, which is no operator of a network"),
    ],
)
def test_operators_that_are_none_are_named(target, message, tmp_path):
    path = rewritten(
        any_batch(tmp_path / "net.pt2"), program(lambda held: held["graph_module"]["graph"]["nodes"][0].update(target=target))
    )
    with pytest.raises(ValueError, match=rf"net\.pt2 {message}"):
        hearwhy.classifier(f"torch:{path}")


def test_types_that_would_be_imported_are_refused(tmp_path):
    def change(held):
        signature = held["graph_module"]["module_call_graph"][0]["signature"]
        signature["out_spec"] = signature["out_spec"].replace("null", '"collections.defaultdict"', 1)

    with pytest.raises(ValueError, match=r"net\.pt2 takes or gives collections\.defaultdict; export a network that takes one"):
        hearwhy.classifier(f"torch:{rewritten(any_batch(tmp_path / 'net.pt2'), program(change))}")


def test_broken_programs_are_named(tmp_path):
    path = rewritten(any_batch(tmp_path / "net.pt2"), program(lambda held: held["graph_module"]["graph"].pop("nodes")))
    with pytest.raises(ValueError, match=r"net\.pt2 cannot be read as an exported program \(.*\); save it with torch\.export"):
        hearwhy.classifier(f"torch:{path}")


def test_scripts_that_write_files_are_refused(tmp_path):
    canary = tmp_path / "canary"

    class Writes(torch.nn.Module):
        path: str

        def __init__(self):
            super().__init__()
            self.path = str(canary)

        def forward(self, audio):
            torch.save(audio, self.path)
            return audio[:, :3]

    with pytest.raises(ValueError, match=r"net\.ts could write or open files \(save in code/.*\); save it with torch\.export"):
        hearwhy.classifier(f"torch:{scripted(tmp_path / 'net.ts', Writes())}")
    assert not canary.exists()


def test_scripts_with_unknown_operators_name_them(tmp_path):
    def change(name, content):
        return content.replace(b"torch.relu(", b"ops.acme.frobnicate(") if name.startswith("code/") else content

    with pytest.raises(ValueError, match=r"net\.ts cannot be read as TorchScript \(.*acme::frobnicate"):
        hearwhy.classifier(f"torch:{rewritten(scripted(tmp_path / 'net.ts'), change)}")


# batches


@pytest.mark.parametrize("n", [1, 2, 5, 6])
@pytest.mark.parametrize("sizes", [BatchSizes(), BatchSizes(3, 3), BatchSizes(2, 4), BatchSizes(4), BatchSizes(1, 1)], ids=repr)
@pytest.mark.parametrize("axis", [0, 1])
def test_any_number_of_sounds_is_answered_in_batches_that_are_taken(n, sizes, axis):
    seen = []

    def run(batch):
        seen.append(batch.shape[axis])
        rows = batch if axis == 0 else batch.T
        return {"double": rows * 2, "parts": (rows.sum(1), rows.numpy())}

    rows = torch.rand(n, 3)
    answers = in_batches(run, rows if axis == 0 else rows.T, sizes, axis=axis)
    assert torch.equal(answers["double"], rows * 2) and torch.equal(answers["parts"][0], rows.sum(1))
    assert torch.equal(torch.as_tensor(answers["parts"][1]), rows)
    assert all(sizes.smallest <= size <= (sizes.largest or n + sizes.smallest) for size in seen)
