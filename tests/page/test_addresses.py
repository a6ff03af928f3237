"""Every state has an address: opened by somebody else it shows the same, and says so where it cannot."""

from __future__ import annotations

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import PHONE, Screen, Visitor

import seealike
from seealike import Example, SearchOptions
from seealike.demo import DrawnCatalogue
from seealike.types import Crop, Cropped

ITEM = "bag-101-front"
MOST = 60


def test_an_address_restores_part_likes_wishes_and_filters(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    first = visit(shop_page)
    first.page.set_input_files("input[type=file] >> nth=0", shop.outside_query)
    first.until_shown(catalog.search(shop.outside_query, MOST).ids)
    token = dict(first.said)["like"].partition(":")[2]
    part = (
        f"/?like=image@0.2,0.1,0.6,0.7:{token}&like=id2:{ITEM}&not=id:lamp-101-front&diversity=0.3&color=0.2"
        "&pick.kind='bags'&pick.kind='t-shirts'&range.price=20..80"
    )
    with open(shop.outside_query, "rb") as file:
        picture = file.read()
    options = SearchOptions(
        diversity=0.3,
        color=0.2,
        where="kind in ('bags', 't-shirts') and price >= 20 and price <= 80",
    )
    liked = [Example(image=Cropped(picture, Crop(0.2, 0.1, 0.6, 0.7))), Example(id=ITEM, weight=2)]
    expected = catalog.recommend(liked, ["lamp-101-front"], MOST, options=options).ids
    other = visit(shop_page, part, PHONE)
    other.until_shown(expected)
    other = visit(shop_page, part)
    other.until_shown(expected)
    box = other.see(".query .box").bounding_box()
    stage = other.page.locator(".query .stage").bounding_box()
    assert box is not None
    assert stage is not None
    assert box["width"] / stage["width"] == pytest.approx(0.6, abs=0.02)
    assert other.page.locator(".examples li").count() == 3
    assert other.page.get_by_label("Variety").input_value() == "0.3"
    assert other.page.locator(".chip").filter(has_text="kind: bags").count() == 1


@pytest.mark.parametrize("screen", [Screen(), PHONE], ids=["desk", "phone"])
def test_an_address_restores_where_one_was(
    screen: Screen, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    expected = catalog.similar(ITEM, MOST).ids
    first = visit(shop_page, f"/?like=id:{ITEM}", screen)
    first.until_shown(expected)
    first.tile(expected[0]).locator("a.picture").focus()
    for _ in range(30):
        first.page.keyboard.press("ArrowRight")
    first.until("(id) => new URLSearchParams(location.search).get('on') === id", expected[30])
    first.until("() => Number(new URLSearchParams(location.search).get('at')) > 0")
    address = first.page.url.removeprefix(shop_page)
    seen = _place(first, expected[30])
    other = visit(shop_page, address, screen)
    other.until("(id) => document.activeElement?.href?.includes(id)", expected[30])
    assert 0 <= _place(other, expected[30])[1] <= screen.height
    assert abs(_place(other, expected[30])[1] - seen[1]) < screen.height
    first.tile(expected[30]).locator("a.picture").click()  # and the same by going back
    first.until_shown(catalog.similar(expected[30], MOST).ids)
    first.page.go_back()
    first.until("(id) => document.activeElement?.href?.includes(id)", expected[30])


@pytest.mark.parametrize("screen", [Screen(), PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("away", ["beside", "catalogue", "result"])
def test_coming_back_leads_to_where_one_was(
    away: str, screen: Screen, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    expected = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}", screen)
    visitor.until_shown(expected)
    visitor.tile(expected[0]).locator("a.picture").focus()
    for _ in range(30):
        visitor.page.keyboard.press("ArrowRight")
    visitor.until("(id) => new URLSearchParams(location.search).get('on') === id", expected[30])
    visitor.until("() => Number(new URLSearchParams(location.search).get('at')) > 0")
    before = _place(visitor, expected[30])
    tile = visitor.tile(expected[30])
    if away == "beside":
        tile.locator(".acts button").nth(2).press("Enter")
        visitor.see("dialog.beside")
        visitor.page.go_back()
        visitor.page.locator("dialog.beside").wait_for(state="detached")
    elif away == "catalogue":
        visitor.page.get_by_role("link", name="Catalogue").click()
        visitor.see(visitor.page.get_by_role("heading", name="The whole catalogue"))
        visitor.page.go_back()
    else:
        tile.locator("a.picture").press("Enter")
        visitor.until_shown(catalog.similar(expected[30], MOST).ids)
        visitor.page.go_back()
    visitor.until("(id) => document.activeElement?.href?.includes(id)", expected[30])
    assert abs(_place(visitor, expected[30])[1] - before[1]) < screen.height / 2
    assert 0 <= _place(visitor, expected[30])[1] <= screen.height


def test_back_and_forward_go_through_what_was_changed(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    plain = catalog.similar(ITEM, MOST).ids
    visitor.until_shown(plain)
    visitor.page.get_by_label("One result per product").click()
    varied = catalog.similar(ITEM, MOST, options=SearchOptions(pictures=True)).ids
    visitor.until_shown(varied)
    visitor.open(f"/?like=id:{plain[0]}")
    visitor.until_shown(catalog.similar(plain[0], MOST).ids)
    visitor.page.go_back()
    visitor.until_shown(varied)


def test_an_item_that_is_gone_is_told_so(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page, "/?like=id:never-was")
    visitor.expects("Failed to load resource")
    alert = visitor.see(visitor.page.get_by_role("alert"))
    assert "never-was" in alert.inner_text()
    assert "removed" in alert.inner_text()


def test_a_link_to_a_picture_that_is_kept_no_more_is_told_so(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page, "/?like=image:abcdefgh")
    visitor.expects("Failed to load resource")
    alert = visitor.see(visitor.page.get_by_role("alert"))
    assert "Drop the picture again" in alert.inner_text()


@pytest.mark.parametrize(
    "part", ["/?like=&k=x&at=-1&range.price=a..b&view=nonsense", "/?pick.none='x'&like=id:" + ITEM]
)
def test_nonsense_in_an_address_is_no_empty_page(part: str, shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page, part)
    visitor.expects("Failed to load resource")
    visitor.see("main h1, main h2")
    assert visitor.page.locator("main").inner_text().strip()


def _place(visitor: Visitor, item_id: str) -> tuple[float, float]:
    box = visitor.tile(item_id).bounding_box()
    assert box is not None
    return box["x"], box["y"]
