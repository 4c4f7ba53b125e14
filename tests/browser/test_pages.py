"""Three pages in a real browser: on a phone and a desktop, light and dark. Pictures go to build/screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.pages import run

from tests.browser.chromium import Chromium
from tests.fakes import report_runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all pages."""
    with Chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three pages as files."""
    directory = tmp_path_factory.mktemp("pages")
    found = {}
    for name in report_runs.RUNS:
        found[name] = directory / f"{name}.html"
        found[name].write_text(run.html(report_runs.page(name)), encoding="utf-8")
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("screen", "width"), [("phone", 390), ("small-phone", 320), ("desktop", 1280)])
@pytest.mark.parametrize("name", list(report_runs.RUNS))
def test_a_page_fits_and_is_legible_and_asks_nobody(
    browser: Chromium, pages: dict[str, Path], name: str, screen: str, width: int, dark: bool
) -> None:
    picture = ROOT / "build" / "screenshots" / f"{name}-{screen}-{'dark' if dark else 'light'}.png"
    seen = browser.look(pages[name], width=width, dark=dark, picture=picture, phone=screen != "desktop")
    assert seen.requests == [pages[name].resolve().as_uri()]
    assert seen.complaints == []
    assert seen.overflow == []
    assert seen.faint == []
    assert "Where the time went" in seen.text
    assert picture.stat().st_size > 10_000


def test_what_is_wrong_with_a_page_is_seen(browser: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!doctype html><body style='background:#fff'><p style='color:#ccc'>faint</p><img src='http://127.0.0.1:9/x.png'>"
        "<div style='width:2000px'>wide</div><script>console.error('bad')</script>"
    )
    seen = browser.look(page, width=390, dark=False, picture=tmp_path / "wrong.png", phone=False)
    assert seen.requests[1:] == ["http://127.0.0.1:9/x.png"]
    assert any("bad" in line for line in seen.complaints)
    assert any("wide" in line for line in seen.overflow)
    assert seen.faint == ["faint: 1.61"]
