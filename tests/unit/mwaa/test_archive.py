from __future__ import annotations

import os
from zipfile import ZIP_STORED, ZipFile

from airflow_ml_provider.mwaa.archive import write_zip


def test_the_same_bytes_whatever_the_files_are_like(tmp_path):
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    file, other = tmp_path / "b", tmp_path / "a"
    file.write_bytes(b"b")
    other.write_bytes(b"a")
    write_zip(first, {"x/b.whl": file, "a.py": other})
    os.utime(file, (1_000_000_000, 1_000_000_000))
    file.chmod(0o755)
    write_zip(second, {"a.py": other, "x/b.whl": file})
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as archive:
        assert archive.namelist() == ["a.py", "x/b.whl"]
        assert archive.read("x/b.whl") == b"b"
        modes = {info.external_attr >> 16 for info in archive.infolist()}
        assert modes == {0o100644}
        assert {info.compress_type for info in archive.infolist()} == {ZIP_STORED}
