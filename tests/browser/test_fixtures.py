"""Exports of every earlier version, opened with today's page."""

import shutil
from functools import partial

import numpy as np
import pytest

from tests.browser.conftest import hosted
from tests.browser.explorer import latent_text, same
from tests.write_export import EXPORTS
from zatlas.site.export import PLACEHOLDER, RUNTIME, one_file
from zatlas.site.static import SINGLE_PAGE, page_files

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("mode", ["folder", "file"])
@pytest.mark.parametrize("version", sorted(path.name for path in EXPORTS.iterdir()))
def test_the_data_of_an_earlier_version_decodes_in_todays_page(version, mode, browser, tmp_path):
    truth = np.load(EXPORTS / version / "truth.npz")
    shutil.copytree(EXPORTS / version / "data", tmp_path / "data")
    files = {url: file.read_bytes() for url, file in page_files().items()}
    for url, data in files.items():
        (tmp_path / url).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / url).write_bytes(data)
    saved = (EXPORTS / version / "single.html").read_bytes()
    runtime = {url: partial(bytes, data) for url, data in files.items() if url.startswith(RUNTIME)}
    single = one_file(files[SINGLE_PAGE].replace(PLACEHOLDER, saved + PLACEHOLDER), runtime)
    (tmp_path / SINGLE_PAGE).write_bytes(single)
    with hosted(tmp_path) as host:
        address = f"{host}/" if mode == "folder" else (tmp_path / SINGLE_PAGE).as_uri()
        for z, pixels in zip(truth["z"][:3], truth["pixels"][:3], strict=True):
            page = browser.new_page()
            page.goto(f"{address}#pins=z{latent_text(z)}")
            page.get_by_role("application").wait_for()
            image = page.get_by_role("region", name="Generated").get_by_role("img").first
            eventually(page, partial(same, image, pixels / 255))
            page.close()


def eventually(page, check, tries=100):
    """Check again and again until it holds."""
    for _ in range(tries):
        try:
            return check()
        except (AssertionError, ValueError):  # a canvas that is still empty has another size
            page.wait_for_timeout(100)
    return check()
