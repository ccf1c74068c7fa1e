"""The example agents' own work, called directly."""

from pathlib import Path

import pytest

from moderately.examples.csv_profile import profile
from moderately.examples.research import find_documents, rank, read_passages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("# Cats\n\nCats purr when they sleep.\n\nDogs bark.\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.txt").write_text("Ships sail the wide sea.\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/c.md").write_text("Cats purr in secret.")
    (tmp_path / "broken.txt").write_bytes(b"\xff\xfe\x00")
    outside = tmp_path.parent / "outside.md"
    outside.write_text("Cats purr outside.")
    (tmp_path / "link.md").symlink_to(outside)
    return tmp_path


def test_documents_are_found_without_hidden_ones_and_links_that_lead_out(folder: Path) -> None:
    assert find_documents(str(folder)) == ["a.md", "broken.txt", "sub/b.txt"]


def test_a_missing_folder_is_said() -> None:
    with pytest.raises(NotADirectoryError, match="does not exist"):
        find_documents("/no/such/folder")


def test_passages_know_their_lines_and_keep_their_headings(folder: Path) -> None:
    passages = read_passages(str(folder), find_documents(str(folder)))
    assert [(p.file, p.line) for p in passages] == [("a.md", 1), ("a.md", 5), ("sub/b.txt", 1)]
    assert passages[0].text == "# Cats\nCats purr when they sleep."


def test_the_best_passage_comes_first_and_what_shares_nothing_not_at_all(folder: Path) -> None:
    passages = read_passages(str(folder), find_documents(str(folder)))
    quotes = rank(passages, "When do cats purr?", 5)
    assert [(quote.file, quote.line) for quote in quotes] == [("a.md", 1)]
    assert rank(passages, "quantum chromodynamics", 5) == []
    assert rank([], "cats", 5) == []


def test_a_csv_is_profiled(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("\ufeffname;age;note\nAnn;30;\nBob;31.5;x\nAnn;;x;more\n", encoding="utf-8")
    found = profile(str(file))
    assert (found.rows, found.delimiter, found.ragged_rows) == (3, ";", 1)
    name, age, note = found.columns
    assert (name.name, name.type, name.distinct, name.most_common[0]) == (
        "name",
        "text",
        2,
        ("Ann", 2),
    )
    assert (age.type, age.empty, age.min, age.max, age.mean) == ("number", 1, 30, 31.5, 30.75)
    assert (note.empty, note.distinct) == (1, 1)


@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"\xff\xfe", "UTF-8")])
def test_what_is_no_csv_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        profile(str(file))
