"""ESC-50's layout: what the table says is what one gets, and what is wrong with it is said by name."""

import csv
from pathlib import Path

import pytest
import torch

from hearwhy import audio as sound
from hearwhy.datasets.esc50 import Clip, read_esc50
from hearwhy.types import Recording

SHARED = Path(__file__).parents[3] / "shared" / "data" / "esc10"
COLUMNS = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]


def make(root: Path, rows: list[tuple], columns: list[str] = COLUMNS, *, without: tuple[str, ...] = ()) -> Path:
    """A dataset of tenth-of-a-second sounds; files named in `without` are left out."""
    (root / "meta").mkdir(parents=True)
    with (root / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    for row in rows:
        if row[0] and Path(row[0]).name == row[0] and row[0] not in without:
            sound.write(Recording(0.1 * torch.ones(1, 800), 8000), root / "audio" / row[0])
    return root


ROWS = [
    ("1-100-A-7.wav", 1, 7, "rain", True, 100, "A"),
    ("1-100-B-7.wav", 1, 7, "rain", True, 100, "B"),
    ("2-31-A-0.wav", 2, 0, "dog", True, 31, "A"),
]


def test_clips_folds_categories_and_sources_are_the_tables(tmp_path):
    dataset = read_esc50(make(tmp_path, ROWS))
    assert dataset.categories == ("dog", "rain")  # in the order of their numbers, not of the rows
    assert dataset.folds == (1, 2)
    first = Clip(tmp_path / "audio" / "1-100-A-7.wav", 1, "rain", "100")
    assert dataset.clips[0] == first and first.name == "1-100-A-7.wav"
    assert [clip.source for clip in dataset.clips] == ["100", "100", "31"]
    assert dataset.of_folds(1) == dataset.clips[:2] and dataset.of_folds(2, 1) == dataset.clips
    assert dataset.clips[2].load().audio.shape == (1, 800)


def test_without_a_column_the_source_is_in_the_name(tmp_path):
    rows = [row[:4] for row in ROWS] + [("door.wav", 2, 3, "door")]
    dataset = read_esc50(make(tmp_path, rows, COLUMNS[:4]))
    assert [clip.source for clip in dataset.clips] == ["100", "100", "31", "door.wav"]


def test_missing_and_broken_files_are_named(tmp_path):
    rows = [(f"1-{i}-A-0.wav", 1, 0, "dog", True, i, "A") for i in range(6)]
    root = make(tmp_path, rows, without=tuple(f"1-{i}-A-0.wav" for i in range(1, 6)))
    with pytest.raises(
        FileNotFoundError, match=r"5 of 6 sound files .*1-1-A-0\.wav, 1-2-A-0\.wav, 1-3-A-0\.wav and others. Bring"
    ):
        read_esc50(root)
    for i in range(1, 6):
        (root / "audio" / f"1-{i}-A-0.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"1-1-A-0\.wav cannot be read as sound"):
        read_esc50(root).clips[1].load()


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*esc50\.csv. ESC-50's layout is"):
        read_esc50(tmp_path)


@pytest.mark.parametrize(
    "rows, columns, message",
    [
        ([], COLUMNS, r"lists no clip"),
        ([row[:2] for row in ROWS], COLUMNS[:2], r"has no column target and no category"),
        ([("a.wav", "one", 0, "dog", True, 1, "A")], COLUMNS, r"line 2: fold and target are whole numbers; got 'one' and '0'"),
        ([ROWS[0], ("a.wav", 1)], COLUMNS, r"line 3: fold and target are whole numbers; got '1' and None"),
        ([("../a.wav", 1, 0, "dog", True, 1, "A")], COLUMNS, r"line 2: filename is the name of a file in audio/; got '\.\./a"),
        ([("", 1, 0, "dog", True, 1, "A")], COLUMNS, r"got ''"),
        ([ROWS[0], ("a.wav", 1, 7, "dog", True, 1, "A")], COLUMNS, r"target 7 is both 'rain' and 'dog'"),
        ([ROWS[0], ("a.wav", 1, 8, "rain", True, 1, "A")], COLUMNS, r"needs a category of its own; got rain"),
        ([("a.wav", 1, 8, "", True, 1, "A")], COLUMNS, r"got an empty name"),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path, rows, columns, message):
    with pytest.raises(ValueError, match=message):
        read_esc50(make(tmp_path, rows, columns))


def test_a_fold_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no clip in fold 5; the dataset has folds 1, 2"):
        read_esc50(make(tmp_path, ROWS)).of_folds(1, 5)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/esc10")
def test_esc10_is_what_its_card_says():
    dataset = read_esc50(SHARED)
    assert len(dataset.clips) == 400 and dataset.folds == (1, 2, 3, 4, 5)
    assert dataset.categories[:3] == ("dog", "rooster", "rain") and len(dataset.categories) == 10
    for fold in dataset.folds:
        assert len(dataset.of_folds(fold)) == 80
    folds_of = {}
    for clip in dataset.clips:
        folds_of.setdefault(clip.source, set()).add(clip.fold)
    assert all(len(folds) == 1 for folds in folds_of.values())  # no source is learned from and tested on
    assert dataset.clips[0].load().sample_rate == 44_100
