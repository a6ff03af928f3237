"""A cookie in the place of a key: what it opens, for whom, and what it does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.asgi import Client, Reply
from tests.service.conftest import wait_until_ready

from seealike.service import Keys, ServiceOptions, create_app

READ, WRITE = "r" * 20, "w" * 20
HERE, EVIL = "https://shop.example", "https://evil.example"
HOST = {"host": "shop.example"}
NAME = f"seealike-{ServiceOptions().port}"


@pytest.fixture(scope="module")
def keyed(shop: Path) -> Iterator[Client]:
    """A service with keys that pages of one other origin may ask."""
    options = ServiceOptions(
        keys=Keys.parse(f"read {READ}\nwrite {WRITE}"),
        hosts=("shop.example",),
        origins=("https://a.example",),
    )
    with Client(create_app(shop / "catalog", options)) as asked:
        wait_until_ready(asked)
        yield asked


def _begin(client: Client, key: object, **headers: str) -> Reply:
    return client.post("/session", {"key": key}, **HOST, **headers)


def _cookie(client: Client, key: str) -> str:
    """What a browser sends from then on."""
    return _begin(client, key).headers["set-cookie"].split(";")[0]


def test_a_cookie_opens_what_its_key_opens_pictures_too(keyed: Client) -> None:
    with_read, with_write = ({"cookie": _cookie(keyed, key)} | HOST for key in (READ, WRITE))
    picture = "/images/bags%2F01.jpg?size=50"
    refused = keyed("GET", picture, headers=HOST)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert keyed("GET", picture, headers=with_read).status == 200
    assert keyed("DELETE", "/items/gone", headers=with_read).status == 403
    assert keyed("DELETE", "/items/gone", headers=with_write).status == 200
    for other, status in (("theme=dark; ", 200), ("a=b;" * 40, 200), ("a=b;" * 50, 401)):
        headers = with_read | {"cookie": f"{other}{with_read['cookie']}; x"}
        assert keyed("GET", picture, headers=headers).status == status


def test_a_cookie_is_kept_from_scripts_other_sites_and_the_disk(keyed: Client, shop: Path) -> None:
    said = _begin(keyed, READ).headers["set-cookie"]
    assert said.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert READ not in said
    assert _begin(keyed, READ, origin=HERE).headers["set-cookie"] == f"{said}; Secure"
    with Client(create_app(shop / "catalog", ServiceOptions(keys=Keys.parse(f"read {READ}")))) as again:
        headers = {"cookie": said.split(";")[0]}  # another process has another secret
        assert again("GET", "/stats", headers=headers).json["code"] == "no_key"


def test_services_on_other_ports_of_a_host_leave_each_other_their_cookies(shop: Path) -> None:
    keys = Keys.parse(f"read {READ}")
    jar: dict[str, str] = {}  # as browsers have it: by host and name, whatever the port
    with (
        Client(create_app(shop / "catalog", ServiceOptions(keys=keys, port=8765))) as one,
        Client(create_app(shop / "catalog", ServiceOptions(keys=keys, port=8766))) as other,
    ):
        for service in (one, other):
            wait_until_ready(service)
            said = service.post("/session", {"key": READ}).headers["set-cookie"].split(";")[0]
            name, _, value = said.partition("=")
            jar[name] = value
        cookies = {"cookie": "; ".join("=".join(pair) for pair in jar.items())}
        assert [service("GET", "/stats", headers=cookies).status for service in (one, other)] == [200, 200]


def test_what_is_no_key_begins_nothing(keyed: Client) -> None:
    for wrong in ("", "x" * 20, READ[:-1], f"{READ} ", "\udcff", "é" * 20):
        reply = _begin(keyed, wrong)
        assert reply.status in {401, 422}
        assert "set-cookie" not in reply.headers
    assert _begin(keyed, "x" * 20).json["code"] == "wrong_key"
    for said in ("NAME=", f"NAME={READ}", "NAME", "NAME=é", f"other={'0' * 64}"):
        cookie = said.replace("NAME", NAME)
        reply = keyed("GET", "/stats", headers=HOST | {"cookie": cookie})
        assert (reply.status, reply.json["code"]) == (401, "no_key")


def test_who_leaves_has_no_cookie_any_more(keyed: Client) -> None:
    for headers in (HOST, HOST | {"cookie": _cookie(keyed, READ)}):
        reply = keyed("DELETE", "/session", headers=headers)
        assert reply.status == 204
        assert reply.headers["set-cookie"].startswith(f"{NAME}=; ")
        assert reply.headers["set-cookie"].endswith("; Max-Age=0")


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "https://a.example"},  # it may ask, but not in the name of who sits there
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": HERE},
    ],
)
def test_pages_of_others_cannot_use_a_session(keyed: Client, foreign: dict[str, str]) -> None:
    headers = HOST | foreign
    cookie = {"cookie": _cookie(keyed, WRITE)}
    for method, address in (("GET", "/stats"), ("DELETE", "/items/gone"), ("POST", "/images")):
        reply = keyed(method, address, headers=headers | cookie)
        assert (reply.status, reply.json["code"]) == (403, "foreign_origin")
    assert _begin(keyed, WRITE, **foreign).json["code"] == "foreign_origin"
    assert keyed("DELETE", "/session", headers=headers).json["code"] == "foreign_origin"
    # Who sends the key itself knows it, whatever cookie a browser adds.
    for known in ({"x-api-key": WRITE}, {"authorization": f"Bearer {WRITE}"}):
        assert keyed("DELETE", "/items/gone", headers=headers | cookie | known).status == 200


def test_the_services_own_page_uses_its_session(keyed: Client) -> None:
    cookie = HOST | {"cookie": _cookie(keyed, WRITE)}
    for own in ({"origin": HERE, "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}):
        assert keyed("DELETE", "/items/gone", headers=cookie | own).status == 200


def test_wrong_keys_are_not_tried_without_end(shop: Path) -> None:
    options = ServiceOptions(keys=Keys.parse(f"read {READ}"), rate=0.001, burst=3)
    with Client(create_app(shop / "catalog", options)) as asked:
        tried = [asked.post("/session", {"key": f"{n}" * 20}).status for n in range(5)]
    assert tried == [401, 401, 401, 429, 429]


def test_neither_keys_nor_cookies_are_logged(keyed: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        cookie = _cookie(keyed, READ)
        for key in ("x" * 20, 5, ["secret" * 3]):
            _begin(keyed, key)
        keyed("GET", "/stats", headers=HOST | {"cookie": cookie})
    assert len(caplog.messages) == 5
    for secret in (READ, "x" * 20, "secret", cookie.split("=")[1]):
        assert secret not in caplog.text


def test_the_description_says_where_a_key_goes(keyed: Client, client: Client) -> None:
    told = keyed("GET", "/openapi.json", headers=HOST | {"x-api-key": READ}).json
    schemes = told["components"]["securitySchemes"]
    assert {(one["type"], one.get("name", one.get("scheme"))) for one in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "X-API-Key"),
        ("apiKey", NAME),
    }
    assert told["security"] == [{name: []} for name in schemes]
    free = {path for path, ways in told["paths"].items() if any("security" in way for way in ways.values())}
    assert free == {"/healthz", "/readyz", "/session"}
    assert "security" not in client("GET", "/openapi.json").json


def test_without_keys_a_session_changes_nothing(client: Client) -> None:
    reply = client.post("/session", {"key": "any"})
    assert reply.status == 204
    headers = {"cookie": reply.headers["set-cookie"].split(";")[0], "origin": EVIL}
    assert client("GET", "/stats", headers=headers).json["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "address", ["/", "/favicon.svg", "/page/main.js", "/page/page.css", "/page/a-b_2.min.js"]
)
def test_the_page_itself_needs_no_key(keyed: Client, address: str) -> None:
    assert keyed("GET", address, headers=HOST).status in {200, 404}


@pytest.mark.parametrize(
    "address",
    [
        "//",
        "/.",
        "/./",
        "/%2e",
        "/%2f",
        "/;",
        "/page",
        "/page/",
        "/page/.",
        "/page/..",
        "/page/../stats",
        "/page/../items/a",
        "/page/%2e%2e/stats",
        "/page/%2e%2e%2fstats",
        "/page/..%2fstats",
        "/page/..;/stats",
        "/page/..\\stats",
        "/page//stats",
        "/page/main.js/../../stats",
        "/page/main.js/",
        "/page/main.js%00",
        "/page/main.js%0a",
        "/page/main.js\n",
        "/page/.hidden",
        "/page/main..js",
        "/page/ſ.js",
        "/Page/main.js",
        "/%70age/main.js",
        "/./page/main.js",
        "//page/main.js",
        "/favicon.svg/",
        "/favicon%2esvg",
        "/favicon.svg/../stats",
        "/session/",
        "/session/../stats",
        "/session%2f..%2fstats",
        "/healthz/../stats",
        "/healthz/",
    ],
)
def test_nothing_slips_through_beside_the_page(keyed: Client, address: str) -> None:
    reply = keyed("GET", address, headers=HOST)
    assert (reply.status, reply.json["code"]) == (401, "no_key")
