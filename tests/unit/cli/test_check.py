from __future__ import annotations

from airflow_ml_provider.cli import main

GOOD = """
from airflow_ml_provider.pipeline import Notify, Pipeline
TOPIC = "arn:aws:sns:us-east-1:123456789012:ml"
pipeline = Pipeline("told", root="s3://lake", steps=[Notify("n", topic_arn=TOPIC, message="m")])
"""


def test_good_files(tmp_path, capsys):
    (tmp_path / "good.py").write_text(GOOD)
    assert main(["check", str(tmp_path / "good.py")]) == 0
    assert "good.py: told: 1 steps, good" in capsys.readouterr().out


def test_every_bad_file_is_named(tmp_path, capsys):
    (tmp_path / "refused.py").write_text(
        GOOD.replace('message="m"', 'message="m", overrides={"X": 1}')
    )
    (tmp_path / "broken.py").write_text(GOOD.replace("s3://lake", "lake"))
    (tmp_path / "empty.py").write_text("x = 1\n")
    files = [str(tmp_path / name) for name in ("refused.py", "broken.py", "empty.py", "gone.py")]
    assert main(["check", *files]) == 1
    errors = capsys.readouterr().err
    assert 'Publish: Unknown parameter in input: "X"' in errors
    assert "root: 'lake' is no S3 prefix" in errors
    assert "empty.py: it defines no Pipeline" in errors
    assert "gone.py" in errors
