"""The report and the explorer, looked at in a browser at the widths of a desk and of a phone."""

import json
import time

import browser
import finished
import numpy as np
import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from typer.testing import CliRunner

from lenscal import config
from lenscal.cli import app
from lenscal.explorer import chosen
from lenscal.report.figures import style


@pytest.fixture(scope="module")
def runfile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    path = finished.runfile(folder, "pages", completeness={"false_positive_rates": [0.05, 0.3], "trials_min": 12})
    finished.finish(path, sky=True)
    return path


@pytest.fixture(scope="module")
def explorer(runfile):
    told = CliRunner().invoke(app, ["explore", str(runfile)])
    assert told.exit_code == 0, told.output
    return config.load(runfile).stores / "explore" / "index.html"


@pytest.fixture(params=browser.WIDTHS)
def page(request, explorer):
    with browser.opened(explorer, request.param) as opened:
        yield opened


def slid(page, name, key):
    """A slider moved by the keyboard, and what the page then says of the cell."""
    page.find_element(By.ID, name).send_keys(key)
    return page.find_element(By.ID, "said").text


def test_the_explorer_fits_its_window_and_asks_nothing_of_the_network(page):
    assert browser.overflow(page) <= 0
    assert browser.small_text(page) == []
    assert browser.complaints(page) == []
    assert browser.requests(page) == []
    assert "mock" in page.find_element(By.ID, "marks").text


def test_sliders_change_the_cell_and_a_slice_is_drawn_at_once(page):
    first = page.find_element(By.ID, "theta_e-told").text
    said = {page.find_element(By.ID, "said").text}
    said.add(slid(page, "theta_e", Keys.END))
    assert page.find_element(By.ID, "theta_e-told").text == "2 arcsec" != first
    assert page.execute_script("return window.LENSCAL_MS") < 100
    told = page.find_element(By.ID, "threshold-told").text
    said.add(slid(page, "threshold", Keys.END))
    assert page.find_element(By.ID, "threshold-told").text != told
    slid(page, "psf_fwhm", Keys.HOME)
    pressed = [one.get_attribute("id") for one in page.find_elements(By.CSS_SELECTOR, "#slice [aria-pressed=true]")]
    assert pressed == ["cell-2-0"]
    assert len(said) >= 2


def test_a_cell_chosen_by_mouse_or_keyboard_shows_its_injections(page):
    seen = set()
    for act in (lambda cell: cell.click(), lambda cell: cell.send_keys(Keys.ENTER)):
        cells = page.find_elements(By.CSS_SELECTOR, "#slice button")
        cell = next(one for one in cells if one.get_attribute("aria-pressed") == "false")
        name = cell.get_attribute("id")
        act(cell)
        assert page.find_element(By.ID, name).get_attribute("aria-pressed") == "true"
        shown = page.find_elements(By.CSS_SELECTOR, "#stamps li")
        assert 0 < len(shown) <= 16
        marks = [one.get_attribute("class") for one in shown]
        assert marks == sorted(marks)  # found, then missed
        seen.add("".join(one.text for one in shown))
        picture = shown[0].find_element(By.CSS_SELECTOR, ".pixels")
        assert picture.size["width"] > 60
        assert ".webp" in picture.value_of_css_property("background-image")
    assert len(seen) == 2
    time.sleep(0.2)
    assert browser.complaints(page) == []  # a sheet that is not there is one


def test_what_the_page_shows_is_what_the_stores_hold(explorer, runfile):
    from lenscal.audit import Run

    run = Run(config.load(runfile))
    told = json.loads((explorer.parent / "data.js").read_text().removeprefix("window.LENSCAL=").removesuffix(";\n"))
    cube = run.store("completeness").load()
    order = ("population", "theta_e", "psf_fwhm", "depth", "threshold")
    middle = cube["completeness"].sel(quantile=0.5).transpose(*order).values
    np.testing.assert_allclose(np.array(told["cube"]["middle"], float), middle, atol=1e-4)
    assert told["cube"]["thresholds"] == cube["threshold"].values.tolist()
    scores = run.store("scores", group="injections")["score"].transpose(*order[1:4], "trial").values
    ids = run.store("injections")["injection_id"].transpose(*order[1:4], "trial").values
    for one in told["trials"]:
        place = tuple(one["cell"])
        known = dict(zip(map(str, ids[place]), scores[place]))
        assert all(abs(known[trial["id"]] - trial["score"]) < 1e-3 for trial in one["trials"])
        assert (explorer.parent / one["sheet"]).exists()
    wrong = told["falsePositives"]
    assert wrong["all"] >= len(wrong["rows"])
    assert all(row["score"] >= cube["threshold"].values[0] - 1e-3 for row in wrong["rows"])
    gates = json.loads((run.folder / "gates.json").read_text())
    assert {(gate["id"], gate["verdict"]) for gate in told["gates"]} == {(g["id"], g["verdict"]) for g in gates}


def test_half_of_the_trials_shown_are_found_where_there_are_as_many():
    score = np.r_[np.linspace(0, 1, 50), np.nan]
    for threshold, found in ((0.5, 8), (2.0, 0), (-1.0, 16), (0.97, 2)):
        picked = chosen(score, threshold)
        assert picked.size == 16 == len(set(picked.tolist()))
        assert (score[picked] >= threshold).sum() == found
        assert np.isfinite(score[picked]).all()
        assert 0 in picked or threshold == -1.0 or found == 16
    assert chosen(np.array([np.nan, 0.3]), 0.5).tolist() == [1]
    assert chosen(np.full(3, np.nan), 0.5).size == 0


def test_the_explorer_refuses_an_unfinished_run_and_a_folder_of_others(runfile, tmp_path):
    raw = yaml.safe_load(runfile.read_text()) | {"stores": str(tmp_path / "none")}
    other = runfile.parent / "unfinished.yaml"
    other.write_text(yaml.safe_dump(raw))
    told = CliRunner().invoke(app, ["explore", str(other)])
    assert told.exit_code == 1
    assert "not complete" in told.output
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    told = CliRunner().invoke(app, ["explore", str(runfile), "--out", str(tmp_path / "mine")])
    assert told.exit_code == 1
    assert "another folder" in told.output
    assert (tmp_path / "mine" / "thesis.tex").exists()


@pytest.mark.parametrize("width", browser.WIDTHS)
def test_the_report_fits_its_window_and_its_figures_can_be_read(runfile, width):
    with browser.opened(config.load(runfile).stores / "report" / "index.html", width) as page:
        assert browser.overflow(page) <= 0
        assert browser.small_text(page) == []
        assert browser.complaints(page) == []
        assert browser.requests(page) == []
        shown = page.execute_script(
            "return [...document.querySelectorAll('figure img')]"
            ".map(image => [image.alt, image.getBoundingClientRect().width / image.naturalWidth])"
        )
        assert shown
        smallest = {name: round(scale * style.SMALL * style.DPI / 72, 2) for name, scale in shown}
        assert {name: size for name, size in smallest.items() if size < browser.SMALLEST} == {}
