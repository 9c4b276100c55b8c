"""What can go wrong in an extract; the type says whether trying again can help.

ExtractError
├── BadQuery                 the query, its parameters or the table
├── BadConnection            the connection's fields or credentials, or its driver is missing
├── UnknownType              a column's Arrow type is wrong, or can't be known
│   └── EmptyResult          ... because there are no rows to infer it from
├── NoRows                   there are none, and there have to be
├── TypeMismatch             a value does not fit its column's type
├── SchemaDrift              the columns are not those of the run before
├── CheckFailed              rows are not as they have to be
├── HistoryInvalid           what the step's history holds can't be read, or can't be gone on from
├── BadDestination           the S3 URI, or S3 refuses the request
├── ManifestMissing          nothing was published there
├── ManifestInvalid          what lies there is no manifest of ours
├── Superseded               (retryable) another attempt to write the same result was in the way
├── SourceUnavailable        (retryable) no connection to the database, or it was lost
└── DestinationUnavailable   (retryable) S3 can't be reached, or is too busy
"""

from __future__ import annotations

from typing import ClassVar


class ExtractError(Exception):
    """The root: catch it to catch them all, and ask ``retryable`` what to do."""

    retryable: ClassVar[bool] = False


class BadQuery(ExtractError):  # noqa: N818  the names below say what is wrong, not that it is
    """The database refuses the query, or its parameters are not those that were given."""


class BadConnection(ExtractError):  # noqa: N818
    """The connection, as it is, can't be opened here, and no retry mends that."""


class UnknownType(ExtractError):  # noqa: N818
    """A type in ``columns`` is not one we know, or a column's type can't be found out."""


class EmptyResult(UnknownType):
    """There are no rows, and not every column has a type without them."""


class NoRows(ExtractError):  # noqa: N818
    """There are no rows, and whoever asked takes none for a mistake."""


class TypeMismatch(ExtractError):  # noqa: N818
    """A value would be changed or lost if it were written with its column's type."""


class SchemaDrift(ExtractError):  # noqa: N818
    """The query is the same as in the run before, and its columns are not."""


class CheckFailed(ExtractError):  # noqa: N818
    """Rows are not as the checks want them; the message lists all failures. Nothing is visible."""


class HistoryInvalid(ExtractError):  # noqa: N818
    """The history of a step can't be read, or the run can't go on from it."""


class Superseded(ExtractError):  # noqa: N818
    """Another attempt to write the same result has begun or ended; this one is not published.

    It may be one of this very task that was given up and still lived, so trying again helps.
    """

    retryable = True


class BadDestination(ExtractError):  # noqa: N818
    """The S3 URI is malformed, or S3 refuses: no such bucket, no permission."""


class ManifestMissing(ExtractError):  # noqa: N818
    """No manifest lies there: the extract did not finish, failed, or is being replaced."""


class ManifestInvalid(ExtractError):  # noqa: N818
    """The manifest can't be read; the message lists all its problems."""


class SourceUnavailable(ExtractError):  # noqa: N818
    """The database could not be reached, or the connection was lost."""

    retryable = True


class DestinationUnavailable(ExtractError):  # noqa: N818
    """S3 could not be reached, or answered that it is too busy."""

    retryable = True
