"""LiteRT files: small ones, put together here, asked through hearwhy and through the interpreter itself."""

import flatbuffers
import numpy as np
import pytest
import torch

import hearwhy
from hearwhy import explain

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter

RATE, N = 8000, 400
RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((3, N), dtype=np.float32)
DESCRIPTION = """
sample_rate = 8000
labels = ["low", "mid", "high"]
input = "batch time"
window_s = 0.05
"""
TYPES = {np.float32: "FLOAT32", np.float16: "FLOAT16", np.int8: "INT8", np.uint8: "UINT8", np.int32: "INT32"}


def tensor(name, shape, *, kind=np.float32, data=None, scale=None, zero=0, signature=None):
    made = schema.TensorT()
    made.name, made.shape, made.type = name, list(shape), getattr(schema.TensorType, TYPES[kind])
    made.shapeSignature, made.data = signature, data
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
    return made


def write(
    path, tensors, *, inputs, output, operation="FULLY_CONNECTED", options="FullyConnectedOptions", custom=None, **settings
):
    """A model of one operation: `inputs` are the caller's, `output` its answers, and other tensors its weights."""
    model, graph, code, step = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT(), schema.OperatorT()
    model.version, model.buffers = 3, [schema.BufferT()]
    for at in tensors:
        at.buffer = 0
        if at.data is not None:
            kept = schema.BufferT()
            kept.data = np.frombuffer(at.data.tobytes(), np.uint8)
            at.buffer = len(model.buffers)
            model.buffers.append(kept)
    code.builtinCode = getattr(schema.BuiltinOperator, operation)
    code.deprecatedBuiltinCode, code.customCode = min(code.builtinCode, 127), custom
    if options:
        step.builtinOptions = getattr(schema, f"{options}T")()
        step.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        vars(step.builtinOptions).update(settings)
    step.inputs = [i for i in range(len(tensors)) if i not in output]
    step.outputs = graph.outputs = output
    graph.tensors, graph.inputs, graph.operators = tensors, inputs, [step]
    model.subgraphs, model.operatorCodes = [graph], [code]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def linear(path, *, batch=1, weight=WEIGHT, shape=(N,)):
    given, answer = tensor("audio", (batch, *shape)), tensor("logits", (batch, len(weight)))
    return write(path, [given, tensor("weight", weight.shape, data=weight), answer], inputs=[0], output=[2])


def quantised(path, kind):
    zero = 0 if kind is np.int8 else 128
    weight = RNG.integers(-100, 100, (3, N))
    weight = tensor("weight", weight.shape, kind=kind, data=(weight + zero).astype(kind), scale=0.01, zero=zero)
    given = tensor("audio", (1, N), kind=kind, scale=1 / 128, zero=zero)
    answer = tensor("logits", (1, 3), kind=kind, scale=0.125, zero=zero + 3)
    return write(path, [given, weight, answer], inputs=[0], output=[2])


@pytest.fixture
def file(tmp_path):
    (tmp_path / "model.toml").write_text(DESCRIPTION)
    return tmp_path / "model.tflite"


def sound(n=4, *, time=N, seed=0):
    return 0.3 * torch.randn(n, 1, time, generator=torch.Generator().manual_seed(seed))


def directly(path, given):
    interpreter = Interpreter(model_path=str(path), num_threads=2)
    interpreter.allocate_tensors()
    answers = []
    for batch in given:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(answers)


def test_the_answers_are_the_interpreters_to_the_bit(file):
    classifier = hearwhy.classifier(f"litert:{linear(file)}")
    assert (classifier.sample_rate, classifier.labels, classifier.window_s) == (RATE, ("low", "mid", "high"), 0.05)
    assert classifier.activation == "softmax"
    ours, audio = classifier(sound()).numpy(), sound()[:, 0].numpy()
    np.testing.assert_array_equal(ours, directly(file, audio[:, None]))
    np.testing.assert_allclose(ours, audio @ WEIGHT.T, rtol=0, atol=1e-4)  # 400 terms of about 0.3, in another order
    assert ours.dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_file_of_a_fixed_batch_answers_any_number_of_windows(file, n):
    ours = hearwhy.classifier(f"litert:{linear(file, batch=2)}")(sound(n)).numpy()
    np.testing.assert_allclose(ours, sound(n)[:, 0].numpy() @ WEIGHT.T, rtol=0, atol=1e-4)


def test_windows_lie_on_the_axis_that_the_description_names(file):
    given, answer = tensor("audio", (N, 1)), tensor("answer", (1, N))
    axes = tensor("axes", (2,), kind=np.int32, data=np.array([1, 0], np.int32))
    write(file, [given, axes, answer], inputs=[0], output=[2], operation="TRANSPOSE", options="TransposeOptions")
    toml = f"sample_rate = 8000\nlabels = {[f'sample {i}' for i in range(N)]}\ninput = 'time batch'\nwindow_s = 0.05\n"
    file.with_suffix(".toml").write_text(toml)
    assert torch.equal(hearwhy.classifier(f"litert:{file}")(sound(3)), sound(3)[:, 0])
    axes.data = np.array([0, 1], np.int32)
    answer.shape = [N, 1]
    write(file, [given, axes, answer], inputs=[0], output=[2], operation="TRANSPOSE", options="TransposeOptions")
    file.with_suffix(".toml").write_text(toml + "output = 'label batch'\n")
    assert torch.equal(hearwhy.classifier(f"litert:{file}")(sound(3)), sound(3)[:, 0])


def test_a_length_that_the_file_leaves_open_is_the_recordings(file):
    given = tensor("audio", (1, 1), signature=[1, -1])
    axis = tensor("axis", (1,), kind=np.int32, data=np.array([1], np.int32))
    answer = tensor("mean", (1, 1))
    mean = {"operation": "MEAN", "options": "ReducerOptions", "keepDims": True}
    write(file, [given, axis, answer], inputs=[0], output=[2], **mean)
    file.with_suffix(".toml").write_text(
        "sample_rate = 8000\nlabels = ['loud']\nactivation = 'sigmoid'\ninput = 'batch time'\n"
    )
    classifier = hearwhy.classifier(f"litert:{file}")
    for time in (400, 123, 8000, 400):
        audio = sound(2, time=time)
        torch.testing.assert_close(classifier(audio), audio.mean(dim=2), rtol=0, atol=1e-6)


def test_spectrograms_are_made_and_laid_out_as_described(file):
    weight = RNG.standard_normal((3, 9 * 16), dtype=np.float32)
    linear(file, weight=weight, shape=(9, 16, 1))
    front_end = "kind = 'log_mel'\nn_fft = 128\nhop_length = 50\nn_mels = 16\n"
    text = DESCRIPTION.replace("batch time", "batch frame freq 1") + f"[front_end]\n{front_end}"
    file.with_suffix(".toml").write_text(text)
    classifier = hearwhy.classifier(f"litert:{file}")
    features = classifier.features(sound()).transpose(1, 2).flatten(1).numpy()
    np.testing.assert_allclose(classifier(sound()).numpy(), features @ weight.T, rtol=1e-5, atol=1e-2)  # decibels: 144 of -100


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_quantised_numbers_stand_for_what_they_were_made_of(file, kind):
    classifier = hearwhy.classifier(f"litert:{quantised(file, kind)}")
    zero = 0 if kind is np.int8 else 128
    given = np.clip(np.rint(sound(8)[:, 0].numpy() * 128), -128, 127)
    theirs = directly(file, (given + zero).astype(kind)[:, None]).astype(np.float32)
    np.testing.assert_array_equal(classifier(sound(8)).numpy(), 0.125 * (theirs - zero - 3))
    assert len(np.unique(theirs)) > 10


def test_sound_beyond_the_quantised_range_is_held_at_its_ends(file):
    classifier = hearwhy.classifier(f"litert:{quantised(file, np.int8)}")
    loud = torch.full((1, 1, N), 40.0)
    assert torch.equal(classifier(loud), classifier(torch.full((1, 1, N), 127 / 128)))
    assert torch.equal(classifier(-loud), classifier(-torch.ones(1, 1, N)))


def test_it_is_explained_and_gradients_are_refused_in_words(file):
    weight = np.ones((2, N), np.float32)
    weight[1] = np.repeat([1.0, -1.0], N // 2)
    linear(file, weight=weight)
    file.with_suffix(".toml").write_text(DESCRIPTION.replace('"low", "mid", "high"', '"all", "first half"'))
    recording = hearwhy.Recording(torch.ones(1, N) / N, RATE)
    found = explain(f"litert:{file}", recording, components="segments:2", target="first half", method="shapley")
    # with s and t kept of the two halves, each weighing one half: the log-odds are (s - t) / 2 - (s + t) / 2 = -t
    np.testing.assert_allclose(found.values.numpy(), [[0.0, -1.0]], atol=0.05)  # they fade over a fifth of the sound
    with pytest.raises(ValueError, match="gives no gradients"):
        explain(f"litert:{file}", recording, components="segments:2", method="integrated_gradients")


def test_the_fingerprint_is_of_weights_and_description(file):
    first = hearwhy.classifier(f"litert:{linear(file)}").fingerprint
    assert first == hearwhy.classifier(f"litert:{file}").fingerprint
    other = hearwhy.classifier(f"litert:{linear(file, weight=WEIGHT + 1)}").fingerprint
    file.with_suffix(".toml").write_text(DESCRIPTION + "activation = 'sigmoid'\n")
    assert len({first, other, hearwhy.classifier(f"litert:{file}").fingerprint}) == 3


@pytest.mark.parametrize("content", [b"", b"short", bytes(500), b"x" * 1000])
def test_what_is_no_tflite_file_is_said_to_be_none(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.tflite is not a LiteRT file \(\.tflite\); convert"):
        hearwhy.classifier(f"litert:{file}")


@pytest.mark.parametrize("keep", [8, 40, 200, 2000])
def test_a_damaged_file_is_refused(file, keep):
    file.write_bytes(linear(file).read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"LiteRT cannot take .*\(The model is not a valid Flatbuffer.*Is the file whole"):
        hearwhy.classifier(f"litert:{file}")


def test_an_unknown_operation_is_named(file):
    tensors = [tensor("audio", (1, N)), tensor("logits", (1, 3))]
    write(file, tensors, inputs=[0], output=[1], operation="CUSTOM", options=None, custom="Wavelets")
    with pytest.raises(ValueError, match=r"custom op: Wavelets.*built-in operations only"):
        hearwhy.classifier(f"litert:{file}")


def test_several_inputs_are_refused_and_several_answers_named(file):
    tensors = [tensor("left", (1, N)), tensor("right", (1, N)), tensor("sum", (1, N))]
    write(file, tensors, inputs=[0, 1], output=[2], operation="ADD", options="AddOptions")
    with pytest.raises(ValueError, match=r"2 inputs \(left, right\); hearwhy gives one"):
        hearwhy.classifier(f"litert:{file}")
    axis = tensor("axis", (), kind=np.int32, data=np.array(1, np.int32))
    tensors = [axis, tensor("audio", (1, N)), tensor("first", (1, N // 2)), tensor("second", (1, N // 2))]
    write(file, tensors, inputs=[1], output=[2, 3], operation="SPLIT", options="SplitOptions", numSplits=2)
    toml = f"sample_rate = 8000\nlabels = {[f'{i}' for i in range(N // 2)]}\ninput = 'batch time'\nwindow_s = 0.05\n"
    file.with_suffix(".toml").write_text(toml)
    with pytest.raises(ValueError, match=r"gives 2 things, first, second\. Name the one .* as in answer = 'first'"):
        hearwhy.classifier(f"litert:{file}")
    for name, half in (("first", 0), ("1", 1)):
        file.with_suffix(".toml").write_text(f"{toml}answer = '{name}'\n")
        assert torch.equal(hearwhy.classifier(f"litert:{file}")(sound()), sound()[:, 0].chunk(2, dim=1)[half])


def test_whole_numbers_without_a_scale_are_refused(file):
    tensors = [tensor("audio", (1, N), kind=np.int32), tensor("twice", (1, N), kind=np.int32)]
    write(file, tensors, inputs=[0], output=[1], operation="ABS", options="AbsOptions")
    with pytest.raises(ValueError, match="takes int32 numbers; hearwhy takes float32, or int8, uint8 and int16 with one scale"):
        hearwhy.classifier(f"litert:{file}")


@pytest.mark.parametrize(
    "change, message",
    [
        (("0.05", "0.1"), r"takes \(1, 400\), where .*'batch time': the axis time is 400 long, .* makes it 800. Mend"),
        (("8000", "16000"), "the axis time is 400 long, and the description makes it 800"),
        (("window_s = 0.05", ""), r"has no window_s\. Add window_s = 0\.05\."),
        (("batch time", "batch time 1"), r"takes \(1, 400\), 2 axes, .* input = 'batch time 1'\. Name every axis"),
        ((', "high"', ""), "answers 3 numbers, and its description has 2 labels; mend labels"),
        (('input =', 'output = "batch label frame"\ninput ='), r"answers \(1, 3\), 2 axes, .*output = 'batch label frame'"),
    ],
)  # fmt: skip
def test_a_description_that_does_not_fit_is_refused_at_once(file, change, message):
    linear(file)
    file.with_suffix(".toml").write_text(DESCRIPTION.replace(*change))
    with pytest.raises(ValueError, match=message):
        hearwhy.classifier(f"litert:{file}")


def test_audio_of_another_length_is_refused(file):
    classifier = hearwhy.classifier(f"litert:{linear(file)}")
    with pytest.raises(ValueError, match=r"model\.tflite takes \(1, 400\); got \(1, 399\)\. Resample, downmix and cut"):
        classifier(sound(time=399))


def test_a_missing_file_or_description_is_said(file):
    with pytest.raises(FileNotFoundError, match=r"no file .*model\.tflite for litert:FILE"):
        hearwhy.classifier(f"litert:{file}")
    linear(file).with_suffix(".toml").unlink()
    with pytest.raises(ValueError, match=r"does not say what it takes. Describe it in .*model\.toml"):
        hearwhy.classifier(f"litert:{file}")
