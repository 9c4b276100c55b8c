"""What a framework container does in a batch transform; runs in the job's own process.

Follows the SageMaker inference toolkit (https://github.com/aws/sagemaker-inference-toolkit): the
user's script has ``model_fn`` and may have ``input_fn``, ``predict_fn`` and ``output_fn``, or
``transform_fn`` for all three. Stands alone: the Python of an image has nothing of this package,
and numpy is needed by the defaults only.
"""

from __future__ import annotations

import gzip
import importlib
import inspect
import io
import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_JSON, _CSV, _NPY = "application/json", "text/csv", "application/x-npy"
_TEXTS = (_JSON, _CSV)
_MB = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """What the job asked for; times and sizes as the API has them, folders as the job sees them.

    ``max_payload_mb`` 0 is no limit. ``split`` is ``Line`` or ``None``.
    """

    program: str
    code: str
    model: str
    input: str
    output: str
    content_type: str
    accept: str
    split: str
    single_record: bool
    assemble_lines: bool
    gzipped: bool
    max_payload_mb: int


class Model:
    """The user's functions, with the toolkit's own where there is none, and the loaded model."""

    def __init__(self, settings: Settings) -> None:
        sys.path[0] = settings.code
        module = importlib.import_module(
            settings.program.removesuffix(".py").strip("/").replace("/", ".")
        )
        given = {
            name: getattr(module, name)
            for name in ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")
            if hasattr(module, name)
        }
        if "model_fn" not in given:
            raise NotImplementedError(f"{settings.program} has no model_fn(model_dir)")
        if "transform_fn" in given and len(given) > 2:  # noqa: PLR2004 - it and model_fn
            raise ValueError(
                "transform_fn can't be used together with input_fn, predict_fn or output_fn"
            )
        self._functions: dict[str, Callable[..., Any]] = {
            "transform_fn": self._transform,
            "input_fn": decode,
            "predict_fn": predict,
            "output_fn": encode,
            **given,
        }
        default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _JSON)
        self._accept = default if settings.accept in ("", "*/*") else settings.accept
        self._content_type = settings.content_type
        self._model = self._call("model_fn", settings.model)

    def answer(self, payload: bytes) -> bytes:
        """Give the model's answer to one request."""
        text = _plain(self._content_type) in _TEXTS
        data: Any = payload.decode() if text else payload
        answer = self._call("transform_fn", self._model, data, self._content_type, self._accept)
        body = answer[0] if isinstance(answer, tuple) else answer
        return body.encode() if isinstance(body, str) else bytes(body)

    def _transform(self, model: Any, data: Any, content_type: str, accept: str) -> Any:
        decoded = self._call("input_fn", data, content_type)
        return self._call("output_fn", self._call("predict_fn", decoded, model), accept)

    def _call(self, name: str, *arguments: Any) -> Any:
        function = self._functions[name]
        # A function with one more parameter gets the context, which is none in a batch.
        context = len(inspect.signature(function).parameters) == len(arguments) + 1
        return function(*arguments, *([None] if context else []))


def decode(data: Any, content_type: str) -> Any:
    """Read a request into a numpy array."""
    numpy = importlib.import_module("numpy")
    kind = _plain(content_type)
    if kind == _CSV:
        return numpy.genfromtxt(io.StringIO(data), delimiter=",")
    if kind == _JSON:
        return numpy.array(json.loads(data))
    if kind == _NPY:
        return numpy.load(io.BytesIO(data), allow_pickle=False)
    raise ValueError(f"content type {content_type!r} has no default: give the script an input_fn")


def predict(data: Any, model: Any) -> Any:
    """Ask the model."""
    return model.predict(data)


def encode(prediction: Any, accept: str) -> bytes:
    """Write a prediction in the form that the job accepts."""
    numpy = importlib.import_module("numpy")
    kind = _plain(accept)
    buffer = io.BytesIO()
    if kind == _CSV:
        numpy.savetxt(buffer, prediction, delimiter=",", fmt="%s")
    elif kind == _JSON:
        buffer.write(json.dumps(numpy.asarray(prediction).tolist()).encode())
    elif kind == _NPY:
        numpy.save(buffer, prediction, allow_pickle=False)
    else:
        raise ValueError(f"accept {accept!r} has no default: give the script an output_fn")
    return buffer.getvalue()


def requests(content: bytes, settings: Settings) -> Iterator[bytes]:
    """Cut an object into what the model gets at a time.

    https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html

    Raises:
        ValueError: if one record is more than a request may hold.

    """
    limit = settings.max_payload_mb * _MB or sys.maxsize
    records = [content] if settings.split == "None" else content.splitlines(keepends=True)
    batch: list[bytes] = []
    size = 0
    for record in records:
        if len(record) > limit:
            raise ValueError(
                f"too much data for MaxPayloadInMB {settings.max_payload_mb}: "
                f"a record has {len(record):,} bytes"
            )
        if batch and (settings.single_record or size + len(record) > limit):
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield b"".join(batch)


def transform(model: Model, content: bytes, settings: Settings) -> bytes:
    """Give the predictions for one object."""
    if settings.gzipped:
        content = gzip.decompress(content)
    answers = [model.answer(request) for request in requests(content, settings)]
    if settings.assemble_lines:
        answers = [answer if answer.endswith(b"\n") else answer + b"\n" for answer in answers]
    return b"".join(answers)


def main(settings: Settings) -> int:
    """Transform every object; one that can't be is left out and makes the exit code 1."""
    model = Model(settings)
    source, target = Path(settings.input), Path(settings.output)
    failed = []
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = path.relative_to(source)
        try:
            answer = transform(model, path.read_bytes(), settings)
        except Exception as error:  # noqa: BLE001 - the other objects are transformed all the same
            traceback.print_exc()
            failed.append(f"{name.as_posix()}: {type(error).__name__}: {error}")
            continue
        (target / name.parent).mkdir(parents=True, exist_ok=True)
        (target / f"{name}.out").write_bytes(answer)
        sys.stdout.write(f"transformed {name.as_posix()}\n")
    sys.stderr.writelines(f"{line}\n" for line in failed)
    return 1 if failed else 0


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


if __name__ == "__main__":
    sys.exit(main(Settings(**json.loads(Path(sys.argv[1]).read_text()))))
