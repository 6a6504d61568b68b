"""ONNX files answer as onnxruntime does when it is called by hand, and say in words what is wrong with them."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy.classifiers.onnx_file import external_data
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets import demo_song
from hearwhy.front_ends import LogMel
from toys import noise

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from export_band import export  # noqa: E402

RATE, TIME = 8000, 1600
TOLD = {"sample_rate": RATE, "labels": ["a", "b", "c"], "window_s": 0.2, "input": "batch time"}
TYPES = {
    np.float32: TensorProto.FLOAT,
    np.float64: TensorProto.DOUBLE,
    np.float16: TensorProto.FLOAT16,
    np.int16: TensorProto.INT16,
}
WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)) * 3


def value(name, shape, kind=np.float32):
    return helper.make_tensor_value_info(name, TYPES[kind], shape)


def write(path, *, takes=("batch", TIME), answers=("batch", 3), kind=np.float32, told=TOLD, more=None):
    """A file that answers with three sums of four features of the sound: its mean level in four quarters."""
    nodes = [
        helper.make_node("Abs", ["audio"], ["level"]),
        helper.make_node("Reshape", ["level", "quarters"], ["split"]),
        helper.make_node("ReduceMean", ["split", "last"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0, 4, -1]), "quarters"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(WEIGHTS.astype(kind), "weights"),
    ]
    graph = helper.make_graph(nodes, "net", [value("audio", takes, kind)], [value("logits", answers, kind)], constants)
    return finish(path, graph, told, more)


def finish(path, graph, told=TOLD, more=None, *, opset=18, **options):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.acme", 1)])
    model.ir_version = 10
    if told is not None:
        helper.set_model_props(model, {"hearwhy": json.dumps(told)})
    if more is not None:
        more(model)
    onnx.save(model, path, **options)
    return path


def by_hand(path, audio):
    """The file's answers (batch, label), asked as onnxruntime is asked, one sound after the other."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}[
        session.get_inputs()[0].type
    ]
    rows = [session.run(["logits"], {"audio": one.numpy().astype(kind)})[0][:1] for one in audio]
    return torch.from_numpy(np.concatenate(rows)).float()


def sounds(n=7, seconds=0.2):
    return torch.stack([noise(seconds, seed=seed, gain=0.1 + seed / 10) for seed in range(n)])


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("takes", [("batch", TIME), ("batch", "time"), (None, None), (1, TIME)], ids=str)
def test_it_answers_as_onnxruntime_does(takes, kind, tmp_path):
    path = write(tmp_path / "net.onnx", takes=takes, answers=(takes[0], 3), kind=kind)
    made = hearwhy.classifier(f"onnx:{path}")
    assert (made.labels, made.sample_rate, made.window_s, made.name) == (("a", "b", "c"), RATE, 0.2, "onnx:net.onnx")
    audio = sounds()
    answers, expected = made(audio), by_hand(path, audio)
    assert answers.dtype == (torch.float64 if kind is np.float64 else torch.float32)
    torch.testing.assert_close(answers.float(), expected, rtol=0, atol=1e-3 if kind is np.float16 else 1e-5)
    torch.testing.assert_close(
        torch.cat([made(one[None]) for one in audio]), answers, rtol=0, atol=1e-3 if kind is np.float16 else 1e-5
    )


@pytest.mark.parametrize("n", [1, 3, 4, 8])
def test_a_fixed_batch_is_filled_up_and_the_filling_dropped(n, tmp_path):
    fixed = hearwhy.classifier(f"onnx:{write(tmp_path / 'three.onnx', takes=(3, TIME), answers=(3, 3))}")
    any_number = hearwhy.classifier(f"onnx:{write(tmp_path / 'any.onnx')}")
    torch.testing.assert_close(fixed(sounds(n)), any_number(sounds(n)), rtol=0, atol=1e-5)


def test_any_length_may_be_left_open(tmp_path):
    told = {key: thing for key, thing in TOLD.items() if key != "window_s"}
    path = write(tmp_path / "net.onnx", takes=("batch", "time"), told=told)
    made = hearwhy.classifier(f"onnx:{path}")
    for seconds in (0.1, 0.2, 0.7):
        audio = sounds(2, seconds)
        torch.testing.assert_close(made(audio), by_hand(path, audio), rtol=0, atol=1e-5)


def test_what_a_file_does_not_say_the_trial_finds_out(tmp_path):
    def forget(model):
        model.graph.input[0].type.tensor_type.ClearField("shape")
        model.graph.output[0].type.tensor_type.ClearField("shape")

    path = write(tmp_path / "net.onnx", more=forget)
    torch.testing.assert_close(hearwhy.classifier(f"onnx:{path}")(sounds()), by_hand(path, sounds()), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"answers \(1, 3\)|answers 3 numbers, and its description has 2 labels; mend labels"):
        hearwhy.classifier(f"onnx:{write(path, more=forget, told=TOLD | {'labels': ['a', 'b']})}")
    with pytest.raises(
        ValueError, match=r"net\.onnx does not take what its description says, 0\.2 s .* as 'time batch': \[ONNX"
    ):
        hearwhy.classifier(f"onnx:{write(path, more=forget, told=TOLD | {'sample_rate': 8005, 'input': 'time batch'})}")


def test_the_toml_beside_it_comes_first(tmp_path):
    path = write(tmp_path / "net.onnx")
    (tmp_path / "net.toml").write_text('sample_rate = 1600\nlabels = ["x", "y", "z"]\nwindow_s = 1.0\ninput = "batch time"')
    assert hearwhy.classifier(f"onnx:{path}").labels == ("x", "y", "z")


def test_a_declared_front_end_makes_a_spectrogram_classifier(tmp_path):
    front_end = LogMel(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=20)
    nodes = [helper.make_node("ReduceMean", ["mel", "axes"], ["logits"], keepdims=0)]
    graph = helper.make_graph(
        nodes, "mel", [value("mel", ("batch", 13, 20))], [value("logits", ("batch", 20))],
        [numpy_helper.from_array(np.array([1]), "axes")],
    )  # fmt: skip
    path = finish(tmp_path / "mel.onnx", graph, told=None)
    toml = f"""
        sample_rate = {RATE}
        labels = {[str(band) for band in range(20)]}
        window_s = 0.2
        input = "batch frame freq"
        [front_end]
        kind = "log_mel"
        n_fft = 256
        hop_length = 128
        n_mels = 20
    """
    path.with_suffix(".toml").write_text(toml)
    made = hearwhy.classifier(f"onnx:{path}")
    assert isinstance(made, SpectrogramClassifier) and made.front_end == front_end
    torch.testing.assert_close(made(sounds()), front_end(sounds()[:, 0]).mean(2), rtol=1e-5, atol=1e-5)
    path.with_suffix(".toml").write_text(toml.replace("hop_length = 128", "hop_length = 100"))
    with pytest.raises(ValueError, match=r"the axis frame is 13 long, and the description makes it 17. Mend .* front_end"):
        hearwhy.classifier(f"onnx:{path}")


def two_answers(path, told=TOLD):
    nodes = [
        helper.make_node("Identity", ["audio"], ["embedding"]),
        helper.make_node("Slice", ["audio", "a", "b", "c"], ["logits"]),
    ]
    constants = [numpy_helper.from_array(np.array([number]), name) for name, number in (("a", 0), ("b", 3), ("c", 1))]
    outputs = [value("embedding", ("batch", TIME)), value("logits", ("batch", 3))]
    return finish(path, helper.make_graph(nodes, "two", [value("audio", ("batch", TIME))], outputs, constants), told)


def test_of_several_answers_one_must_be_named(tmp_path):
    path = tmp_path / "two.onnx"
    with pytest.raises(ValueError, match=r"two\.onnx gives 2 things, embedding \['batch', 1600\], logits \['batch', 3\]\. .*"
                                         r'as in answer = "embedding"'):  # fmt: skip
        hearwhy.classifier(f"onnx:{two_answers(path)}")
    for answer in ("logits", 1):
        made = hearwhy.classifier(f"onnx:{two_answers(path, TOLD | {'answer': answer})}")
        assert torch.equal(made(sounds()), sounds()[:, 0, :3])
    with pytest.raises(ValueError, match=r"two\.onnx has no answer 'probabilities'; it has embedding"):
        hearwhy.classifier(f"onnx:{two_answers(path, TOLD | {'answer': 'probabilities'})}")


def test_it_has_no_slope_and_methods_say_so(tmp_path):
    path = write(tmp_path / "net.onnx")
    song = hearwhy.Recording(noise(0.2), RATE)
    assert not hearwhy.classifier(f"onnx:{path}")(sounds().requires_grad_()).requires_grad
    with pytest.raises(
        ValueError, match=r"^integrated_gradients needs the slope of the model, and this model gives no gradients"
    ):
        hearwhy.explain(f"onnx:{path}", song, components="segments:2", method="integrated_gradients")


def test_the_fingerprint_follows_the_weights_wherever_they_lie(tmp_path):
    graph_of = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 70, "convert_attribute": False}

    def outside(path):
        write(path)
        onnx.save(onnx.load(path), path, **graph_of)
        return path

    first = hearwhy.classifier(f"onnx:{outside(tmp_path / 'net.onnx')}")
    weights = tmp_path / "weights.bin"
    assert external_data(tmp_path / "net.onnx") == [weights]
    torch.testing.assert_close(first(sounds()), hearwhy.classifier(f"onnx:{write(tmp_path / 'in.onnx')}")(sounds()))
    again = hearwhy.classifier(f"onnx:{tmp_path / 'net.onnx'}")
    assert first.fingerprint == again.fingerprint and len(first.fingerprint) == 16
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1  # the last bit of the exponent of the last weight
    weights.write_bytes(changed)
    assert hearwhy.classifier(f"onnx:{tmp_path / 'net.onnx'}").fingerprint != first.fingerprint
    weights.unlink()
    with pytest.raises(ValueError, match=r"cannot read .*net\.onnx: its weights lie in a file of their own, which must lie"):
        hearwhy.classifier(f"onnx:{tmp_path / 'net.onnx'}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "b"]}, r"net\.onnx answers 3 numbers, and its description has 2 labels; mend labels"),
        ({"sample_rate": 16000}, r"the axis time is 1600 long, and the description makes it 3200. Mend sample_rate, window_s"),
        ({"window_s": 1.0}, r"the axis time is 1600 long, and the description makes it 8000"),
        (
            {"input": "batch channel time"},
            r"takes \(any, 1600\), 2 axes, and its description says input = 'batch channel time'",
        ),
        ({"output": "batch frame label"}, r"answers \(any, 3\), 2 axes, and its description says output = 'batch frame label'"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_at_once(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        hearwhy.classifier(f"onnx:{write(tmp_path / 'net.onnx', told=TOLD | change)}")


def test_a_missing_description_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"net\.onnx does not say what it takes. Describe it in .*net\.toml"):
        hearwhy.classifier(f"onnx:{write(tmp_path / 'net.onnx', told=None)}")


def test_files_of_several_inputs_or_integers_are_refused(tmp_path):
    nodes = [helper.make_node("Add", ["audio", "state"], ["logits"])]
    inputs = [value("audio", ("batch", 3)), value("state", ("batch", 3))]
    graph = helper.make_graph(nodes, "sum", inputs, [value("logits", ("batch", 3))])
    with pytest.raises(
        ValueError, match=r"sum\.onnx takes 2 things \(audio tensor\(float\) \['batch', 3\], state .*others fixed"
    ):
        hearwhy.classifier(f"onnx:{finish(tmp_path / 'sum.onnx', graph)}")
    nodes = [helper.make_node("Cast", ["audio"], ["logits"], to=TensorProto.FLOAT)]
    graph = helper.make_graph(nodes, "int", [value("audio", ("batch", 3), np.int16)], [value("logits", ("batch", 3))])
    with pytest.raises(ValueError, match=r"int\.onnx takes audio as tensor\(int16\); export it to take float audio"):
        hearwhy.classifier(f"onnx:{finish(tmp_path / 'int.onnx', graph)}")


@pytest.mark.parametrize(
    ("domain", "opset", "message"),
    [
        (
            "com.acme",
            18,
            r"it needs an operator that onnxruntime does not have: .* \(.*com\.acme:Frobnicate.* not a registered",
        ),
        ("", 18, r"it needs an operator that onnxruntime does not have: .* \(.*Frobnicate"),
        ("", 99, r"it was made for a newer ONNX: update onnxruntime, or export it with an older opset"),
    ],
)
def test_unknown_operators_and_versions_are_named(domain, opset, message, tmp_path):
    name = "Frobnicate" if opset == 18 else "Relu"
    graph = helper.make_graph(
        [helper.make_node(name, ["audio"], ["logits"], domain=domain)], "g", [value("audio", ("batch", 3))],
        [value("logits", ("batch", 3))],
    )  # fmt: skip
    with pytest.raises(ValueError, match=rf"onnxruntime [\d.]+ cannot read .*net\.onnx: {message}"):
        hearwhy.classifier(f"onnx:{finish(tmp_path / 'net.onnx', graph, opset=opset)}")


@pytest.mark.parametrize("content", [b"x" * 1000, b"", b"PK\x03\x04"])
def test_other_files_are_named(content, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"onnxruntime [\d.]+ cannot read .*net\.onnx: is it an ONNX file, and whole\?"):
        hearwhy.classifier(f"onnx:{path}")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.onnx for onnx:FILE"):
        hearwhy.classifier(f"onnx:{tmp_path / 'none.onnx'}")


def test_onnxruntime_prints_nothing_when_a_model_fails(tmp_path, capfd):
    told = {key: thing for key, thing in TOLD.items() if key != "window_s"}
    made = hearwhy.classifier(f"onnx:{write(tmp_path / 'net.onnx', takes=('batch', 'time'), told=told)}")
    with pytest.raises(Exception, match=r"(?i)reshape"):
        made(torch.zeros(1, 1, 1601))
    assert capfd.readouterr() == ("", "")


def test_it_runs_on_as_many_threads_as_torch(tmp_path):
    made = hearwhy.classifier(f"onnx:{write(tmp_path / 'net.onnx')}")
    options = made.function._session.get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads() and options.inter_op_num_threads == 1


@pytest.fixture(scope="module")
def asked():
    options = {"components": f"sources:stems={demo_song() / 'stems'}", "target": "guitar", "method": "occlusion"}
    return hearwhy.load(demo_song() / "mix.flac"), options


@pytest.fixture(scope="module")
def expected(asked):
    return hearwhy.explain("band", asked[0], **asked[1]).values


def exported_band(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is not what is tested
        export("onnx", path, **options)
    return hearwhy.classifier(f"onnx:{path}")


def test_the_exported_band_is_explained_as_the_shipped_one(asked, expected, tmp_path):
    made = exported_band(tmp_path / "band.onnx")
    assert isinstance(made, SpectrogramClassifier)
    found = hearwhy.explain(made, asked[0], **asked[1]).values
    assert (found - expected).abs().max() <= 1e-4 * (expected.max() - expected.min())


def test_with_the_front_end_inside_it_answers_the_same(asked, tmp_path):
    made = exported_band(tmp_path / "band.onnx", waveform=True)
    assert not isinstance(made, SpectrogramClassifier)
    windows = asked[0].audio[:, : 4 * 32_000].reshape(4, 1, 32_000)
    answers = hearwhy.classifier("band")(windows)
    assert (made(windows) - answers).abs().max() <= 1e-4 * (answers.max() - answers.min())
