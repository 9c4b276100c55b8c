"""The WSGI layer in front of moto: it answers the operations of the registry itself."""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from http import HTTPStatus
from threading import Lock
from typing import Any

from moto.iam.models import get_account_id_from
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from airflow_ml_provider.local import rules
from airflow_ml_provider.local.protocol import (
    AwsError,
    Call,
    Identity,
    Json,
    MotoError,
    Operations,
    query_params,
    read_times,
    rest_operation,
    service_model,
    target_operation,
    to_json,
)

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([\w-]+)/([\w-]+)/aws4_request")
_NO_BROWSERS = "the local AWS answers no requests of web pages (header Origin)"
log = logging.getLogger(__name__)


class Dispatcher:
    """A WSGI application: our operations here, everything else in moto.

    Args:
        moto: moto's own application.
        operations: what is answered here.

    """

    def __init__(self, moto: Wsgi, operations: Operations) -> None:
        self._moto = moto
        self._operations = operations
        self._conditional = Lock()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if "HTTP_ORIGIN" in environ:
            # Moto allows any origin: without this, every web page could start jobs here.
            return _error(AwsError("AccessDenied", _NO_BROWSERS, 403))(environ, start_response)
        found = self._find(environ)
        if found is None:
            # Moto checks a condition and puts the object in two moments; on S3 they are one.
            conditional = not {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"}.isdisjoint(environ)
            with self._conditional if conditional else nullcontext():
                return self._moto(environ, start_response)
        service, operation, identity, path_params = found
        request_id = str(uuid.uuid4())
        try:
            response = _ok(self._answer(environ, service, operation, identity, path_params))
        except AwsError as error:
            response = _error(error)
        except MotoError as refusal:
            response = refusal.args[0]
        except Exception as error:  # a defect of ours must look like one of the service's
            log.exception("%s %s", service, operation)
            response = _error(AwsError("InternalFailure", f"{type(error).__name__}: {error}", 500))
        response.headers["x-amzn-requestid"] = request_id
        return response(environ, start_response)

    def _find(self, environ: Environ) -> tuple[str, str, Identity, Json] | None:
        credential = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if credential is None:
            return None
        access_key, region, signed_service = credential.groups()
        params: Json = {}
        target = environ.get("HTTP_X_AMZ_TARGET")
        if target:
            ours = target_operation(target)
            if ours is None or ours not in self._operations:
                return None
            service, operation = ours
        else:
            matched = rest_operation(
                self._operations, signed_service, environ["REQUEST_METHOD"], environ["PATH_INFO"]
            )
            if matched is None:
                return None
            service, (operation, params) = signed_service, matched
        account = get_account_id_from(access_key)
        return service, operation, Identity(account, region, access_key), params

    def _answer(
        self, environ: Environ, service: str, operation: str, identity: Identity, path_params: Json
    ) -> Json:
        model = service_model(service).operation_model(operation)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            given = json.loads(body or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", f"the body is not JSON: {error}") from error
        if not isinstance(given, dict):
            raise AwsError("SerializationException", "the body is not a JSON object")
        if service_model(service).metadata["protocol"] == "rest-json":
            given |= query_params(model, environ.get("QUERY_STRING", "")) | path_params
        given = {name: value for name, value in given.items() if value is not None}
        params = read_times(model.input_shape, given)
        rules.check(service, model, params)

        def forward() -> Json:
            again = {**environ, "wsgi.input": io.BytesIO(body)}
            parts, status, headers = run_wsgi_app(self._moto, again, buffered=True)
            answer = Response(parts, status, headers)
            if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise MotoError(answer)
            return dict(answer.get_json(force=True, silent=True) or {})

        return self._operations[service, operation](
            Call(service, operation, params, identity, forward)
        )


def _ok(answer: Json) -> Response:
    return Response(to_json(answer), content_type="application/x-amz-json-1.1")


def _error(error: AwsError) -> Response:
    body: Json = {"__type": error.code, "message": error.message}
    response = Response(to_json(body), error.status, content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-errortype"] = error.code
    return response
