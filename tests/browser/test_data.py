"""The numbers of the page: counts of filters, histograms that filter each other, sorting and saved files."""

import csv
import re

import numpy as np
import pyarrow.parquet as parquet
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_filter_always_shows_its_count_and_what_matches_nothing_says_so(explore, portraits):
    explorer = explore("server", portraits)
    page = explorer.page
    find = page.get_by_role("searchbox", name="Show only")
    find.fill("error>0.05")
    count = int((explorer.truth.column("error") > np.float32(0.05)).sum())
    total = len(explorer.truth.latents)
    expect(page.get_by_text(f"{count:,} of {total:,}", exact=True)).to_be_visible()
    find.fill("index=99999999")
    expect(page.get_by_text("No image matches.")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(find).to_have_value("")


def test_bars_filter_the_map_and_each_other(explore, portraits):
    explorer = explore("server", portraits, link="panel=data")
    page, truth = explorer.page, explorer.truth
    panel = page.get_by_role("tabpanel")
    flags = [column for column in truth.entry["columns"] if column["kind"] == "flag"]
    if panel.get_by_role("button", name=re.compile("^All .* columns$")).count():
        panel.get_by_role("button", name=re.compile("^All .* columns$")).click()
    first, second = flags[:2]

    def bar(column, value):
        title = column["title"].replace("_", " ")
        section = panel.get_by_role("region", name=title, exact=True)
        return section.get_by_role("button", name=re.compile(f"^{value} "))

    both = truth.column(first["name"]).astype(bool) & truth.column(second["name"]).astype(bool)
    bar(first, "yes").click()
    expect(page.get_by_role("searchbox", name="Show only")).to_have_value(first["name"])
    expect(bar(second, "yes")).to_have_accessible_name(f"yes {both.sum():,}")
    expect(bar(first, "no")).to_have_accessible_name(f"no {(truth.column(first['name']) == 0).sum():,}")
    expect(bar(first, "yes")).to_have_attribute("aria-pressed", "true")
    bar(first, "yes").click()
    expect(page.get_by_role("searchbox", name="Show only")).to_have_value("")


def test_the_selection_is_sorted_and_saved_as_csv_and_as_parquet(explore, portraits):
    explorer = explore("server", portraits, link="panel=data&filter=error>0.05")
    page, truth = explorer.page, explorer.truth
    panel = page.get_by_role("tabpanel")
    panel.get_by_role("radio", name="Table").click()
    panel.get_by_label("Sort by").select_option("error")
    panel.get_by_role("button", name="Descending").click()
    error = truth.column("error")
    order = [row for row in np.argsort(-error, kind="stable") if error[row] > np.float32(0.05)]
    names = panel.get_by_role("row").nth(1).get_by_role("button")
    expect(names.last).to_have_text(f"image {truth.tree.rows[order[0]]:,}")
    with saved(page, panel, "CSV").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [truth.tree.rows[row] for row in order]
    np.testing.assert_allclose([float(row["error"]) for row in rows], error[order], rtol=1e-6)
    table = parquet.read_table(saved(page, panel, "Parquet"))
    columns = truth.entry["columns"]
    assert table.column_names == ["index", *(column["name"] for column in columns)]
    assert table["index"].to_pylist() == [truth.tree.rows[row] for row in order]
    for column in columns:
        values = truth.column(column["name"])[order]
        if column["kind"] == "class":
            values = np.array(column["values"])[values]
        np.testing.assert_array_equal(table[column["name"]].to_numpy(), values)


def saved(page, panel, name):
    """The file that a button saves."""
    with page.expect_download() as result:
        panel.get_by_role("button", name=name).click()
    return result.value.path()
