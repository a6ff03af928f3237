"""Everybody can use the page: axe finds nothing in any state, and what axe cannot see is tested here.

WCAG 2.0 to 2.2, A and AA: focus is not covered (2.4.11), nothing needs dragging (2.5.7), targets are large
enough or apart (2.5.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import DESK, PHONE, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Route

ITEM = "bag-101-front"
LEAST_PX, LEAST_STOPS = 24, 6

Enter = Callable[[Visitor], None]


def _beginning(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.see("[role=listitem]")


def _results(visitor: Visitor) -> None:
    visitor.open(f"/?like=id:{ITEM}")
    visitor.see("[role=listitem] a.picture")


def _steered(visitor: Visitor) -> None:
    visitor.open(
        f"/?like=id@0.2,0.1,0.6,0.7:{ITEM}&like=id2:lamp-101-front&not=id:mug-101-front&diversity=0.3"
        "&palette=navy&pick.kind='bags'&range.price=20..80&where=price<70"
    )
    visitor.see("[role=listitem] a.picture")
    visitor.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


def _on_from_a_result(visitor: Visitor) -> None:
    _results(visitor)
    visitor.page.locator("[role=listitem] a.picture").nth(2).click()
    visitor.see(visitor.page.get_by_role("navigation", name="You came by"))


def _explained(visitor: Visitor) -> None:
    visitor.open(f"/?like=id:{ITEM}&why=1")
    visitor.see("canvas.heat")


def _beside(visitor: Visitor) -> None:
    visitor.open(f"/?like=id:{ITEM}&open=bag-107-angle")
    visitor.see(visitor.page.get_by_role("dialog"))


def _nothing_left(visitor: Visitor) -> None:
    visitor.open(f"/?like=id:{ITEM}&range.price=100000..")
    visitor.see("text=The filters hide everything.")


def _gone(visitor: Visitor) -> None:
    visitor.open("/?like=id:never-was")
    visitor.see(visitor.page.get_by_role("alert"))


def _stale(visitor: Visitor) -> None:
    visitor.open("/?like=image:abcdefgh")
    visitor.see(visitor.page.get_by_role("alert"))


def _waiting(visitor: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route("**/recommend", hold)
    visitor.open(f"/?like=id:{ITEM}")
    visitor.see("text=This takes longer than usual")


def _failed(visitor: Visitor) -> None:
    visitor.page.route("**/recommend", lambda route: route.abort())
    visitor.open(f"/?like=id:{ITEM}")
    visitor.see(visitor.page.get_by_role("alert"))


def _offline(visitor: Visitor) -> None:
    _results(visitor)
    visitor.context.set_offline(True)
    visitor.see("#net")


def _duplicates(visitor: Visitor) -> None:
    visitor.open("/?view=duplicates")
    visitor.see("main img")


def _skipped(visitor: Visitor) -> None:
    visitor.open("/?view=skipped")
    visitor.see("text=incoming-1")


def _numbers(visitor: Visitor) -> None:
    visitor.open("/?view=numbers")
    visitor.see("text=efficientnet-lite0")


def _adding(visitor: Visitor) -> None:
    visitor.open("/?view=adding")
    visitor.see("h1")


def _whole_catalogue(visitor: Visitor) -> None:
    visitor.open("/?view=all")
    visitor.see("[role=listitem] a")


def _map(visitor: Visitor) -> None:
    visitor.open("/?view=map")
    visitor.see("main canvas")


STATES: dict[str, Enter] = {
    name: enter
    for name, enter in globals().items()
    if name.startswith("_") and callable(enter) and getattr(enter, "__module__", "") == __name__
}

WORKED_WITH = [name for name in STATES if name not in {"_waiting", "_failed", "_offline", "_gone", "_stale"}]


def test_what_axe_finds_is_noticed(three_page: str, visit: Visit) -> None:
    visitor = visit(three_page)
    visitor.see("[role=listitem]")
    visitor.page.evaluate(
        """() => {
          const small = () => Object.assign(document.createElement("button"), { ariaLabel: "small" });
          document.querySelector("main").append(new Image(), small(), small());
          for (const one of document.querySelectorAll("[aria-label=small]")) {
            Object.assign(one.style, { width: "9px", height: "9px", padding: 0, minHeight: 0, minWidth: 0 });
          }
        }"""
    )
    found = {one.partition(":")[0] for one in visitor.violations()}
    assert found == {"image-alt", "target-size"}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(state: str, shop_page: str, visit: Visit) -> None:
    for screen in (DESK, PHONE):
        visitor = visit(shop_page, "/", screen)
        visitor.expects("Failed to load resource", "ERR_INTERNET_DISCONNECTED")
        STATES[state](visitor)
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            assert visitor.violations() == [], (screen, scheme)


@pytest.mark.parametrize("state", WORKED_WITH)
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_has_the_focus_is_covered(
    state: str, screen: object, shop_page: str, visit: Visit
) -> None:
    """WCAG 2.4.11: whoever goes through the page with the tabulator sees where they are."""
    visitor = visit(shop_page, "/", screen)
    STATES[state](visitor)
    seen: set[str] = set()
    for _ in range(150):
        visitor.page.keyboard.press("Tab")
        found = visitor.page.evaluate(_WHERE)
        if found is None or found["name"] in seen:
            break
        seen.add(found["name"])
        assert found["seen"], found
    assert len(seen) >= LEAST_STOPS


@pytest.mark.parametrize("state", WORKED_WITH)
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_targets_are_large_enough_or_apart(state: str, screen: object, shop_page: str, visit: Visit) -> None:
    """WCAG 2.5.8: 24 by 24 pixels, or a circle of 24 around the middle that touches no other target's."""
    visitor = visit(shop_page, "/", screen)
    STATES[state](visitor)
    assert visitor.page.evaluate(_TOO_SMALL, LEAST_PX) == []


def test_everything_that_is_dragged_has_another_way(shop_page: str, visit: Visit) -> None:
    """WCAG 2.5.7: pictures are chosen, parts are said in numbers, and a comparison is enlarged by buttons."""
    visitor = visit(shop_page)
    _beginning(visitor)
    assert visitor.page.get_by_role("button", name="Choose a picture").is_visible()
    _results(visitor)
    visitor.page.get_by_role("button", name="Search a part").click()
    for name in ("left %", "top %", "width %", "height %"):
        visitor.see(visitor.page.get_by_label(name))
    _beside(visitor)
    for name in ("Smaller", "Larger"):
        assert visitor.page.get_by_role("dialog").get_by_role("button", name=name).is_visible()


def test_the_page_names_where_one_is_and_leads_there(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page)
    _results(visitor)
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    assert visitor.page.locator("h1").count() == 1
    visitor.page.keyboard.press("Tab")
    skip = visitor.page.get_by_role("link", name="Skip to the content")
    assert skip.evaluate("(one) => one === document.activeElement")
    skip.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"


_WHERE = """
() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const path = [];
  for (let at = one; at && at !== document.body; at = at.parentElement) {
    path.push(`${at.tagName}${[...(at.parentElement?.children ?? [])].indexOf(at)}`);
  }
  // Some part is to be seen: corners and the middle are looked at.
  const shares = [0.1, 0.5, 0.9];
  const points = shares.flatMap((x) => shares.map((y) => [box.x + box.width * x, box.y + box.height * y]));
  const seen = points.some(([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top && (one.contains(top) || top.contains(one) && !top.closest("#top"));
  });
  const text = (one.ariaLabel || one.innerText || one.id || one.tagName).slice(0, 40);
  return { name: path.join(">"), text, seen, box: box.toJSON() };
}
"""
_TOO_SMALL = """
(least) => {
  const targets = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const all = [...document.querySelectorAll(targets)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[inert]"))
    .filter((one) => !document.querySelector("dialog[open]") || one.closest("dialog[open]"))
    .map((one) => {
      // What is pressed for a field is its label too.
      const wide = one.matches("input[type=checkbox], input[type=radio]") ? one.closest("label") ?? one : one;
      return { one: wide, box: wide.getBoundingClientRect() };
    })
    .filter(({ box }) => box.width > 1 && box.height > 1);
  const isSmall = ({ box }) => box.width < least - 0.5 || box.height < least - 0.5;
  const middle = ({ box }) => [box.x + box.width / 2, box.y + box.height / 2];
  const near = (small, other) => {
    const [x, y] = middle(small);
    if (isSmall(other)) {
      const [a, b] = middle(other);
      return Math.hypot(x - a, y - b) < least;
    }
    const away = (least, most, at) => Math.max(least - at, 0, at - most);
    const across = away(other.box.left, other.box.right, x), down = away(other.box.top, other.box.bottom, y);
    return Math.hypot(across, down) < least / 2;
  };
  const apart = (one, other) => !one.contains(other) && !other.contains(one);
  return all.filter(isSmall)
    .filter((small) => all.some((other) => apart(small.one, other.one) && near(small, other)))
    .map(({ one, box }) => `${one.tagName} ${one.ariaLabel || one.innerText} ${JSON.stringify(box)}`);
}
"""
