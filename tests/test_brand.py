"""Galleries, reports and the explorer share one stylesheet, and link to each other."""

import base64
import io
import re
from pathlib import Path

from PIL import Image

from zatlas.page import TEMPLATES, PageFigure, PageSection, existing_links, image_size, render_page

BRAND = (TEMPLATES / "brand.css").read_text("utf-8")
WEB = Path(__file__).parents[1] / "web" / "src"


def page(figure, **settings):
    return render_page("Title", "About.", [PageSection("Section", (figure,))], **settings)


def test_pages_and_the_explorer_have_the_same_colors_and_type():
    text = page(PageFigure("a.png", "A"))
    assert BRAND.strip() in text
    assert f"templates/{(TEMPLATES / 'brand.css').name}" in (WEB / "main.ts").read_text()
    names = set(re.findall(r"--[a-z-]+(?=:)", BRAND))
    own = set(re.findall(r"(--[a-z-]+):", (WEB / "app" / "style.css").read_text()))
    assert names >= {"--paper", "--ink", "--serif", "--sans"} and not names & own


def test_a_page_follows_the_system_unless_its_figures_are_dark():
    figure = PageFigure("a.png", "A")
    assert "data-theme" not in page(figure).partition("<head>")[0]
    assert '<html lang="en" data-theme="dark">' in page(figure, dark=True)


def test_a_page_starts_with_the_explorer_and_links_to_the_pages_that_exist(tmp_path):
    (tmp_path / "gallery").mkdir()
    report = tmp_path / "report.html"
    report.write_text("")
    targets = {"Report": report, "Other": tmp_path / "other.html"}
    links = existing_links(tmp_path / "gallery" / "index.html", targets)
    assert links == [("Report", "../report.html")]
    text = page(PageFigure("a.png", "A"), explore="zatlas explore 'my run'", links=links)
    header = text.partition("<main>")[0]
    assert "Open the explorer: <code>zatlas explore &#39;my run&#39;</code>" in header
    assert '<a href="../report.html">Report</a>' in header


def test_an_image_has_its_size_in_the_page(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    size = image_size(tmp_path / "a.png")
    assert size == (30, 20)
    image = '<img src="a.png" alt="A" width="30" height="20" style="--shape:1.5" loading="lazy">'
    assert image in page(PageFigure("a.png", "A", size=size))
    file = io.BytesIO()
    Image.new("RGB", (2, 1)).save(file, "PNG")
    dot = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert 'width="2" height="1"' in page(PageFigure(dot, "A"))
    (tmp_path / "a.mp4").write_bytes(b"no image")
    assert image_size(tmp_path / "a.mp4") is None
