"""What moto's reading of the Amazon States Language does otherwise than AWS, put right."""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jsonpath_ng.ext.parser import parse as parse_path
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.antlr.runtime.ASLIntrinsicLexer import ASLIntrinsicLexer
from moto.stepfunctions.parser.asl.antlr.runtime.ASLIntrinsicParser import ASLIntrinsicParser
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import (
    ErrorEqualsDecl,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string.string_expression import (
    StringIntrinsicFunction,
)
from moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.generic.string_format import (  # noqa: E501
    StringFormat,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    iteration_worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.parse.asl_parser import (
    AmazonStateLanguageParser,
    SyntaxErrorListener,
)
from moto.stepfunctions.parser.asl.parse.intrinsic.intrinsic_parser import IntrinsicParser
from moto.stepfunctions.parser.asl.parse.intrinsic.preprocessor import (
    Preprocessor as IntrinsicPreprocessor,
)
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

if TYPE_CHECKING:
    from collections.abc import Callable

# It has no types.
_ANTLR: Any = import_module("antlr4")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_INDEFINITE = re.compile(r"\.\.|\*|\?\(|\[[^\]]*[:,]")
_LITERAL = re.compile(r"\\.|\{\}|.", re.DOTALL)
_ESCAPES = {
    **{rf"\{character}": character for character in "'\"{}\\"},
    r"\n": "\n",
    r"\t": "\t",
    r"\r": "\r",
}
# No Retry and no Catch gets hold of them, not even by States.ALL:
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_FINAL = ("States.Runtime", "States.DataLimitExceeded")


def install_language() -> None:
    """Change moto's parser, paths, functions and names of errors."""
    replace(AmazonStateLanguageParser, "parse", staticmethod(_parse))
    replace(IntrinsicParser, "parse", staticmethod(_parse_intrinsic))
    replace(IntrinsicPreprocessor, "_text_of_str", staticmethod(_literal))
    replace(Preprocessor, "_inner_string_of", staticmethod(_inner_string))
    replace(StringFormat, "_eval_body", _format)
    replace(StringIntrinsicFunction, "_eval_body", _intrinsic)
    replace(ErrorEqualsDecl, "_eval_body", _error_equals)
    everywhere(json_path.extract_json, _extract)
    for module in (branches_decl, iteration_worker, state_fail):
        replace(module, "CustomErrorName", _error_name)


def replace(owner: Any, name: str, value: Any) -> None:
    """Replace an attribute of one of moto's classes or modules."""
    setattr(owner, name, value)


def everywhere(original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Replace a function in all of moto's modules that imported it by its name."""
    name = original.__name__
    for path, module in list(sys.modules.items()):
        if path.startswith("moto.stepfunctions") and vars(module).get(name) is original:
            replace(module, name, replacement)


_listener: Any = SyntaxErrorListener
_moto_parse: Any = AmazonStateLanguageParser.parse


# Python's ANTLR takes long over a big definition, and it is parsed for every execution.
@lru_cache(maxsize=64)
def _parse(definition: str) -> Any:
    # Moto knows no \u escapes, and takes much for a definition that isn't JSON.
    return _moto_parse(json.dumps(json.loads(definition), ensure_ascii=False))


def _parse_intrinsic(source: str) -> Any:
    # Moto reads the JSON escapes of the definition as its own, and only prints what is wrong.
    text = re.sub(r'\\(["\\])', r"\1", source)
    errors, visitor = _listener(), IntrinsicPreprocessor()
    lexer = ASLIntrinsicLexer(_ANTLR.InputStream(text))
    parser: Any = ASLIntrinsicParser(_ANTLR.CommonTokenStream(lexer))
    for recognizer in (lexer, parser):
        recognizer.removeErrorListeners()
        recognizer.addErrorListener(errors)
    tree = parser.func_decl()
    if errors.errors:
        problems = "; ".join(errors.errors)
        raise ValueError(f"The intrinsic function {text} is not valid: {problems}")
    return visitor.visit(tree), tree


class _Literal(str):
    """A text in an intrinsic function, and its pieces between the ``{}``."""

    __slots__ = ("pieces",)
    pieces: list[str]


def _literal(tree: Any) -> _Literal:
    # Moto leaves the escapes in: \' \{ \}
    pieces = [""]
    for part in _LITERAL.findall(tree.getText()[1:-1]):
        if part == "{}":
            pieces.append("")
        else:
            pieces[-1] += _ESCAPES.get(part, part)
    found = _Literal("{}".join(pieces))
    found.pieces = pieces
    return found


def _inner_string(parser_rule_context: Any) -> str | None:
    # Moto leaves JSON's escapes in.
    value = json.loads(parser_rule_context.getText())
    return None if value is None else str(value)


def _format(self: Any, env: Any) -> None:
    # Moto uses Python's format, to which any brace means something.
    self.argument_list.eval(env=env)
    template, *values = env.stack.pop()
    pieces = template.pieces if isinstance(template, _Literal) else template.split("{}")
    if len(values) != len(pieces) - 1:
        raise ValueError(f"{len(pieces) - 1} places {{}} and {len(values)} values")
    texts = [*map(self._to_str_repr, values), ""]
    env.stack.append("".join(a + b for a, b in zip(pieces, texts, strict=True)))


def _intrinsic(self: Any, env: Any) -> None:
    # To moto it is States.Runtime, which nobody can catch.
    try:
        self.function.eval(env=env)
    except (FailureEventException, json_path.NoSuchJsonPathError):
        raise
    except Exception as error:
        function = self.intrinsic_function_derivation
        cause = f"The function '{function}' had the following error: {error}"
        name = StatesErrorName(StatesErrorNameType.StatesIntrinsicFailure)
        event: Any = {"taskFailedEventDetails": {"error": name.error_name, "cause": cause}}
        failure = FailureEvent(env, name, HistoryEventType.TaskFailed, event)
        raise FailureEventException(failure) from error


_moto_equals: Any = ErrorEqualsDecl._eval_body  # noqa: SLF001


def _error_equals(self: Any, env: Any) -> None:
    if env.stack[-1] is not None and env.stack[-1].error_name in _FINAL:
        env.stack[-1] = False
    else:
        _moto_equals(self, env)


@wraps(json_path.extract_json)
def _extract(path: str, data: Any) -> Any:
    # Moto answers a list for ``$[0].x``; only a path that may match several things gives one.
    found = [match.value for match in _path(path).find(data)]
    if _INDEFINITE.search(_QUOTED.sub("", path)):
        return found
    if not found:
        raise json_path.NoSuchJsonPathError(json_path=path, data=data)
    return found[0]


@lru_cache(maxsize=4096)
def _path(path: str) -> Any:
    return parse_path(path)


def _error_name(error_name: str | None) -> Any:
    # Moto refuses to let a ``States.`` error through a Parallel, a Map or a Fail.
    try:
        return StatesErrorName.from_name(str(error_name))
    except ValueError:
        return CustomErrorName(error_name)
