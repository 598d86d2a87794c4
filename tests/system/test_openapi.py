"""Any request, with a valid proof of who sends it, is answered as the service's own description says.

The operations are put through Hypothesis here: schemathesis' own pytest plug-in does not know pytest 9.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.conftest import TOKEN, Service

pytestmark = pytest.mark.system

EXAMPLES = 100
"""For each route and for each of well-formed and ill-formed requests."""

# Not among them: that whatever fits the schema is taken. A description cannot say all that an event must be.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_a_declared_one(service: Service, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    with requests.Session() as session:
        session.trust_env = False
        asked = 0
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), "the description has a mistake"
            operation = found.ok()
            if mode is GenerationMode.NEGATIVE and operation.method.lower() == "get":
                continue  # it has nothing that could be wrong
            asked += 1

            @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case: schemathesis.Case[Any]) -> None:
                answer = session.send(proven(case, service), timeout=30)
                assert answer.status_code < 500
                case.validate_response(answer, checks=CHECKS)

            check()
    # All but the description itself, which the tool leaves out.
    assert asked == {GenerationMode.POSITIVE: 7, GenerationMode.NEGATIVE: 2}[mode]


def proven(case: schemathesis.Case[Any], service: Service) -> requests.PreparedRequest:
    """Return the request with what its sender would add: GitHub a signature, a client its token."""
    arguments = case.as_transport_kwargs(base_url=service.url)
    parts = ("method", "url", "headers", "files", "data", "json", "params", "cookies")
    request = requests.Request(**{part: arguments[part] for part in parts if part in arguments}).prepare()
    if case.path == "/webhooks/github":
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        assert isinstance(body, bytes)
        request.headers.update(service.signed(body))
    elif case.path == "/api/event":
        request.headers["Authorization"] = f"Bearer {TOKEN}"
    return request
