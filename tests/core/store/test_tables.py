"""Tables in many formats: each gives the same rows, and a file that is no table is refused in one sentence."""

import datetime as dt
import json

import pandas as pd
import pytest

from core.errors import InputError
from core.store.tables import find_column, read_table

ROWS = [("a.png", "cat"), ("b c.png", "dog"), ("d.png", "")]


def written(tmp_path, text, encoding="utf-8", name="t.csv"):
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    return file


def lines(separator=",", end="\n", head="path,label", *, quoted=False, behind=""):
    rows = [head.split(","), *ROWS]
    cell = '"{}"'.format if quoted else str
    return end.join(separator.join(map(cell, row)) + behind for row in rows) + end


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (lines(), "utf-8"),
        (lines(";"), "utf-8"),
        (lines("\t"), "utf-8"),
        (lines("|"), "utf-8"),
        (lines(", "), "utf-8"),
        (lines(quoted=True), "utf-8"),
        (lines(", ", quoted=True), "utf-8"),
        (lines(end="\r\n"), "utf-8"),
        (lines(behind=","), "utf-8"),
        (lines().replace("cat", "cat,"), "utf-8"),
        ("\n\n" + lines().replace("a.png", "\na.png") + "\n\n,\n", "utf-8"),
        (lines(), "utf-8-sig"),
        (lines(), "utf-16"),
        (lines(), "utf-16-le"),
        ("sep=;\n" + lines(";"), "utf-8"),
        (lines(head="path,label").replace("path", " path "), "utf-8"),
        (",path,label\n0,a.png,cat\n1,b c.png,dog\n2,d.png,\n", "utf-8"),
        ("\n".join(json.dumps({"path": p, "label": c}) for p, c in ROWS), "utf-8"),
    ],
)
def test_every_way_to_write_a_table_gives_the_same(tmp_path, text, encoding):
    table = read_table(written(tmp_path, text, encoding))
    assert list(table.columns) == ["path", "label"]
    assert [tuple(row) for row in table.to_numpy()] == ROWS


def test_letters_of_windows_and_other_columns_survive(tmp_path):
    assert read_table(written(tmp_path, "path,wo\nä.png,Köln\n", "cp1252"))["wo"].tolist() == ["Köln"]
    table = read_table(written(tmp_path, 'path,a,a\nx.png,"1,5",2\n'))
    assert table.columns.tolist() == ["path", "a", "a 2"]
    assert table.iloc[0].tolist() == ["x.png", "1,5", "2"]


def test_one_column_keeps_its_commas_and_loses_those_at_the_end(tmp_path):
    assert read_table(written(tmp_path, "path\na,b.png\nc.png,\n"))["path"].tolist() == ["a,b.png", "c.png"]


def test_a_value_too_many_is_reported_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"Line 3 of .* has 3 values for 2 column names"):
        read_table(written(tmp_path, "path,label\na.png,x\nb.png,x,y\n"))


def test_parquet_types_become_the_text_a_person_would_write(tmp_path):
    table = pd.DataFrame(
        {
            "path": ["a", "b", "c"],
            "n": [0, None, 1],
            "x": [0.5, None, 2.0],
            "big": [2**60, 1, 2],
            "yes": [True, False, None],
            "day": [dt.date(2026, 1, 2)] * 3,
            "kind": pd.Categorical(["u", "v", None]),
            "image": [b"\xff"] * 3,
            "box": [[1, 2], None, [3]],
        }
    )
    table.set_index("path").to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert found.to_dict("list") == {
        "path": ["a", "b", "c"],
        "n": ["0", "", "1"],
        "x": ["0.5", "", "2"],
        "big": [str(2**60), "1", "2"],
        "yes": ["True", "False", ""],
        "day": ["2026-01-02"] * 3,
        "kind": ["u", "v", ""],
    }
    assert found.attrs["left_out"] == ["image", "box"]


def test_columns_are_found_whatever_their_case(tmp_path):
    table = read_table(written(tmp_path, "Image,File_Name,LABEL\n1,a,b\n"))
    assert find_column(table, ("path", "file_name", "image")) == "File_Name"
    assert find_column(table, ("label",)) == "LABEL"
    assert find_column(table, ("class",)) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\3\4" + bytes(99), "ZIP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "picture"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "picture"),
        (b"%PDF-1.4 ...", "PDF"),
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\x1f\x8b\x08\0" + bytes(9), "packed"),
        (bytes(range(128, 256)) + bytes(9), "not text"),
        (b"PAR1 and nothing like it", "Parquet"),
        (b'{"path": "a"}\n{"path"\n', "Line 2"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_short_sentence(tmp_path, content, said):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_table(file)
    assert len(str(refused.value)) < 400


def test_words_that_begin_like_a_program_are_words(tmp_path):
    assert read_table(written(tmp_path, "MZ,path\n1,a\n")).columns.tolist() == ["MZ", "path"]
    assert read_table(written(tmp_path, "BMW,path\n1,a\n")).columns.tolist() == ["BMW", "path"]


def test_a_folder_and_nothing_are_reported(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        read_table(tmp_path / "x.csv")
