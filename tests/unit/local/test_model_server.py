from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from airflow_ml_provider.local import model_server
from airflow_ml_provider.local.model_server import Settings, decode, encode, requests

UPPER = """
def model_fn(folder): return 1
def transform_fn(model, data, kind, accept): return data.upper()
"""


@pytest.fixture
def run(tmp_path):
    """Run the server as a job does, in a process of its own."""

    def run(script, files, name="serve.py", **fields):
        code, given, output = (tmp_path / folder for folder in ("code", "in", "out"))
        (code / name).parent.mkdir(parents=True)
        (code / name).write_text(script)
        for file, content in files.items():
            (given / file).parent.mkdir(parents=True, exist_ok=True)
            (given / file).write_bytes(content)
        settings = settings_of(
            program=name, code=str(code), input=str(given), output=str(output), **fields
        )
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(asdict(settings)))
        done = subprocess.run(
            [sys.executable, model_server.__file__, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        found = {
            file.relative_to(output).as_posix(): file.read_bytes() for file in output.rglob("*.out")
        }
        return done, found

    return run


def settings_of(**fields):
    defaults = {
        "program": "serve.py",
        "code": "",
        "model": "/model",
        "input": "",
        "output": "",
        "content_type": "text/csv",
        "accept": "",
        "split": "Line",
        "single_record": False,
        "assemble_lines": False,
        "gzipped": False,
        "max_payload_mb": 6,
    }
    return Settings(**{**defaults, **fields})


def test_every_object_is_answered_below_its_name(run):
    done, found = run(UPPER, {"a.csv": b"a\n", "b/c.csv": b"c\n"})
    assert done.returncode == 0, done.stderr
    assert found == {"a.csv.out": b"A\n", "b/c.csv.out": b"C\n"}


def test_the_defaults_read_csv_and_write_json(run):
    pytest.importorskip("numpy")
    script = (
        "class Sum:\n    def predict(self, rows): return rows.sum(axis=1)\n"
        "def model_fn(folder): return Sum()"
    )
    done, found = run(script, {"a.csv": b"1,2\n3,4\n"})
    assert done.returncode == 0, done.stderr
    assert json.loads(found["a.csv.out"]) == [3.0, 7.0]


def test_functions_may_take_the_context(run):
    script = (
        "def model_fn(folder, context): return context\n"
        "def input_fn(data, content_type, context): return data\n"
        "def predict_fn(data, model): return data\n"
        "def output_fn(prediction, accept, context): return prediction.encode(), 'x'"
    )
    done, found = run(script, {"a.csv": b"same"}, name="inner/serve.py")
    assert done.returncode == 0, done.stderr
    assert found == {"a.csv.out": b"same"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "serve.py has no model_fn"),
        (f"{UPPER}\ndef input_fn(data, kind): return data", "transform_fn can't be used together"),
        ("raise KeyError('no such key')", "KeyError: 'no such key'"),
    ],
)
def test_a_bad_script_is_told(run, script, said):
    done, found = run(script, {"a.csv": b"a"})
    assert done.returncode == 1
    assert said in done.stderr
    assert not found


def test_a_bad_object_leaves_the_others(run):
    script = (
        "def model_fn(folder): return 1\n"
        "def transform_fn(model, data, kind, accept): return str(1 / int(data))"
    )
    done, found = run(script, {"a.csv": b"0", "b.csv": b"1"}, assemble_lines=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "a.csv: ZeroDivisionError: division by zero"
    assert found == {"b.csv.out": b"1.0\n"}


def test_packed_objects_are_unpacked(run):
    done, found = run(UPPER, {"a.csv.gz": gzip.compress(b"a")}, gzipped=True)
    assert done.returncode == 0, done.stderr
    assert found == {"a.csv.gz.out": b"A"}


@pytest.mark.parametrize(
    ("fields", "cut"),
    [
        ({}, [b"a\nb\nc"]),
        ({"single_record": True}, [b"a\n", b"b\n", b"c"]),
        ({"split": "None", "single_record": True}, [b"a\nb\nc"]),
        ({"max_payload_mb": 0}, [b"a\nb\nc"]),
    ],
)
def test_what_the_model_gets_at_a_time(fields, cut):
    assert list(requests(b"a\nb\nc", settings_of(**fields))) == cut
    assert list(requests(b"", settings_of())) == []


def test_a_request_holds_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(model_server, "_MB", 4)
    settings = settings_of(max_payload_mb=1)
    assert list(requests(b"a\nb\nc\n", settings)) == [b"a\nb\n", b"c\n"]
    with pytest.raises(ValueError, match="too much data for MaxPayloadInMB 1: a record has 6"):
        list(requests(b"abcde\n", settings))


@pytest.mark.parametrize("kind", ["text/csv; label_size=0", "application/json"])
def test_encoded_numbers_can_be_decoded(kind):
    numpy = pytest.importorskip("numpy")
    rows = numpy.array([[1.0, 2.0], [3.0, 4.0]])
    assert decode(encode(rows, kind).decode(), kind).tolist() == rows.tolist()


def test_numpys_own_form():
    numpy = pytest.importorskip("numpy")
    rows = numpy.array([[1, 2]])
    kind = "application/x-npy"
    assert decode(encode(rows, kind), kind).tolist() == [[1, 2]]


def test_what_has_no_default_names_the_way_out():
    pytest.importorskip("numpy")
    with pytest.raises(ValueError, match="'image/png' has no default: give the script an input_fn"):
        decode(b"", "image/png")
    with pytest.raises(ValueError, match="'image/png' has no default: give the script an output_f"):
        encode(b"", "image/png")


def test_it_stands_alone():
    text = Path(model_server.__file__).read_text()
    assert "airflow_ml_provider" not in text
