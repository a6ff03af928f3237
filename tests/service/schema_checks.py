"""What schemathesis also checks of every reply; it loads this file by itself."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.check  # type: ignore[untyped-decorator]
def what_fits_the_description_is_never_said_not_to(_: object, response: Any, case: Any) -> None:  # noqa: ANN401
    """A description cannot say which conditions and pictures can be read; what it can say is kept."""
    if case.meta is not None and case.meta.generation.mode.is_positive and response.status_code == 422:
        assert response.json()["code"] != "invalid_request", response.json()["detail"]


@schemathesis.check  # type: ignore[untyped-decorator]
def every_error_is_problem_details(_: object, response: Any, __: object) -> None:  # noqa: ANN401
    """RFC 9457, with a code."""
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
        told = response.json()
        assert told["status"] == response.status_code
        assert all(told[member] for member in ("type", "title", "code", "detail"))
