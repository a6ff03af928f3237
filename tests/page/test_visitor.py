"""What a page does wrong is noticed: without this the other tests here would prove less than they say."""

from __future__ import annotations

from tests.page.conftest import Visit


def test_complaints_errors_and_what_the_policy_forbids_are_noticed(three_page: str, visit: Visit) -> None:
    visitor = visit(three_page, "/healthz")
    assert visitor.unexpected() == []
    visitor.page.evaluate("console.error('first')")
    visitor.page.evaluate("void Promise.reject(new Error('second'))")
    visitor.page.evaluate("void fetch('http://192.0.2.1/').catch(() => 0)")
    visitor.page.evaluate("document.body.append(Object.assign(new Image(), { src: '/no-such-picture' }))")
    for said in (
        "first",
        "second",
        r"policy violated: connect-src by http://192\.0\.2\.1/",
        "/no-such-picture",
    ):
        visitor.until_noticed(said)
    visitor.expects("first", "second", "192.0.2.1", "no-such-picture", "favicon")
