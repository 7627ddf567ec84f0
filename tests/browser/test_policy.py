"""The content policy of an export in a real browser: no forms, no other base, no other page."""

import pytest

import zatlas
from zatlas.site import export as exports
from zatlas.site import run_tree

pytestmark = pytest.mark.browser

EVIL = """() => {
    const violations = [];
    const note = (event) => violations.push(event.effectiveDirective);
    document.addEventListener("securitypolicyviolation", note);
    const form = document.createElement("form");
    form.action = "https://evil.example/";
    const base = document.createElement("base");
    base.href = "https://evil.example/";
    document.body.append(form);
    document.head.append(base);
    form.submit();
    return new Promise((done) => setTimeout(() => done([violations, document.baseURI]), 500));
}"""


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_an_export_sends_no_form_and_takes_no_other_base(mode, sites, browser, digits):
    page = browser.new_context().new_page()
    page.goto(sites.url(mode, digits))
    page.get_by_role("application").wait_for()
    result, base = page.evaluate(EVIL)
    assert {"form-action", "base-uri"} <= set(result) and "evil" not in base
    page.context.close()


def test_markup_in_names_stays_text_in_an_export(browser, digits, tmp_path, monkeypatch):
    evil = "</script><form action=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>"

    def named(*args, **kwargs):
        tree = run_tree(*args, **kwargs)
        tree.entry.update(name=evil, summary=evil, data=evil)
        return tree

    monkeypatch.setattr(exports, "run_tree", named)
    out = zatlas.export(digits, tmp_path / "page.html", points=50)
    assert evil not in out.read_text() and "<form action" not in out.read_text()
    page = browser.new_context().new_page()
    page.goto(out.as_uri())
    page.get_by_role("application").wait_for()
    assert evil in page.get_by_role("heading", level=1).inner_text()
    assert page.locator("form, base, meta[http-equiv=refresh]").count() == 0
    page.context.close()
