"""The menu of charts says what the map shows, also while a chart is loading and when it cannot be loaded."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_chart_that_is_loading_is_named_and_one_that_fails_leaves_the_map(explore, wide):
    explorer = explore("server", wide)
    page = explorer.page
    menu = page.get_by_role("combobox", name="Chart", exact=True)
    shown, wanted = explorer.truth.entry["charts"][:2]
    requests = []
    page.route("**/data/a/**", lambda route: requests.append(route))
    menu.select_option(wanted["name"])
    expect(page.get_by_text(f"loading {wanted['title']} …")).to_be_visible()
    expect(menu).to_be_disabled()
    expect(page.get_by_text(f"{shown['title']}, trustworthiness")).to_be_visible()
    for request in requests:
        request.abort()
    page.unroute("**/data/a/**")
    expect(page.get_by_text("could not be loaded")).to_be_visible()
    expect(menu).to_have_value(shown["name"])
    assert explore.faults  # the browser reports the requests that failed
    explore.faults.clear()
    menu.select_option(wanted["name"])
    expect(page.get_by_text(f"{wanted['title']}, trustworthiness")).to_be_visible()
    expect(menu).to_have_value(wanted["name"])
