"""Every number of the page derives again from the stores, and the page stands alone."""

import dataclasses
import functools
import io
import json
import os
import re
from html.parser import HTMLParser

import judged
import lenses
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import completeness, config, failures, realism, report, schema, scores
from lenscal.gates import Gate, Ledger, absent
from lenscal.gates import table as gate_table
from lenscal.kernels import intervals
from lenscal.report import asked, derivation, drawing, figures, formats, headings, page, summaries
from lenscal.report.figures import colour, cubes, samples
from lenscal.report.kept import NAME
from lenscal.scores import counterfactuals, shortcuts

HASH = "0123456789abcdef" * 4
GRID = {"theta_e": (0.75, 1.25, 0.25), "psf_fwhm": (1.0, 1.5, 0.25), "depth": (23.0, 24.0, 0.5)}


def settings(rates=(0.05,)):
    grid = {name: dict(zip(("start", "stop", "step"), values)) for name, values in GRID.items()}
    return config.Settings.model_validate(
        {
            "name": "synthetic",
            "about": "A made-up run & its <tags>.",
            "seed": 7,
            "stores": "stores/synthetic",
            "survey": {"root": "sky", "mock": True},
            "objects": {"lenses": []},
            "injections": {"grid": grid, "trials": 40, "hosts_min": 10},
            "completeness": {"false_positive_rates": list(rates), "trials_min": 40, "hosts_min": 10},
        }
    )


def fill(declaration, sizes, given):
    """A Dataset of the declaration: what is given, else zeros and empty text."""
    data = {}
    for name, variable in declaration.variables.items():
        if not variable.required and name not in given:
            continue
        dtype = object if variable.dtype == "str" else variable.dtype
        plain = np.full([sizes[dim] for dim in variable.dims], "" if variable.dtype == "str" else 0, dtype)
        data[name] = (variable.dims, np.asarray(given.get(name, plain), dtype))
    return declaration.describe(xr.Dataset(data))


def blank(declaration, rows, **given):
    """A table of the declaration: what is given, else zeros and empty text."""
    columns = {
        n: np.full(rows, "") if v.dtype == "str" else np.zeros(rows, v.dtype) for n, v in declaration.variables.items()
    }
    return declaration.cast_table(pd.DataFrame(columns | given))


def galaxies(rng):
    pool = np.repeat(["positive", "N1", "N2"], [48, 500, 140])
    rows = pool.size
    n2 = pool == "N2"
    kind = rng.integers(0, len(schema.CONFUSERS), rows)
    positive = pool == "positive"
    split = rng.choice(["train", "val", "test"], rows, p=[0.4, 0.3, 0.3])
    tier = np.where(positive, rng.choice(["literature", "A", "B"], rows), "")
    return blank(
        schema.MANIFEST,
        rows,
        galaxy_id=np.arange(rows) + (7 << 22),
        ra=rng.uniform(350, 372, rows) % 360,
        dec=rng.uniform(-8, 8, rows),
        pool=pool,
        split=split,
        tier=tier,
        label=positive.astype("i1"),
        role=np.select([positive & (split != "train"), split == "train"], ["anchor", "train"], "none"),
        channel=np.where(
            positive, rng.choice(["imaging-ml", "spectroscopic", "follow-up", "imaging-ml|spectroscopic"], rows), ""
        ),
        confuser=np.where(n2, 1 << kind, 0),
        confuser_class=np.where(n2, np.array(schema.CONFUSERS)[kind], ""),
        type=rng.choice(["SER", "DEV", "REX"], rows),
        nobs_z_bin=rng.choice(["3-5", "6-10"], rows),
        host=(pool == "N1") & (split != "train"),
        psfsize_r=rng.uniform(0.95, 1.6, rows),
        psfdepth_r=rng.uniform(22.8, 24.2, rows),
        mag_r=rng.normal(19, 0.5, rows),
    )


def quality_of(manifest, rng):
    rows, band = len(manifest), ("g", "r", "z")
    bad = rng.uniform(size=rows) < 0.06
    given = {name: manifest[name].to_numpy(object) for name in ("split", "pool")}
    given |= {
        "galaxy_id": manifest["galaxy_id"].to_numpy(),
        "band": list(band),
        "cutout_ok": ~bad,
        "reason": np.where(bad, rng.choice(["mask in centre", "NaN in centre"], rows), ""),
        "sigma": rng.normal(0.01, 0.001, (rows, 3)),
        "sky_invvar": rng.normal(1e4, 1e3, (rows, 3)),
        "noise_correlation": rng.normal(2, 0.3, (rows, 3)),
    }
    return fill(schema.QUALITY, {"galaxy": rows, "band": 3, **schema.LAG_SIZES}, given)


def scores_of(manifest, quality, rng):
    ok = quality["cutout_ok"].values
    score = rng.normal(np.select([manifest["pool"] == "positive", manifest["pool"] == "N2"], [0.3, -2.2], -3.5), 1.2)
    given = {
        n: manifest[n].to_numpy(object if schema.MANIFEST.variables[n].dtype == "str" else None)
        for n in schema.GALAXY_COORDS
        if n in manifest
    }
    given |= {"arc_snr": np.where(manifest["label"] == 1, rng.uniform(0, 9, len(manifest)), np.nan)}
    given |= {
        "cutout_ok": ok,
        "score": np.where(ok, score, np.nan),
        "probability": np.where(ok, 1 / (1 + np.exp(-score)), np.nan),
    }
    return fill(schema.SCORES_CUTOUTS, {"galaxy": len(manifest)}, given).assign_attrs(detector_hash=HASH)


def injected(manifest, grid, rng):
    """Injections and scores: one cell column without hosts, one with few."""
    axes = {dim: getattr(grid, dim).centres for dim in schema.AXES}
    sizes = {dim: values.size for dim, values in axes.items()} | {"trial": 40, "band": 3}
    shape = tuple(sizes[dim] for dim in schema.TRIAL)
    hosts = manifest.loc[manifest["host"], "galaxy_id"].to_numpy()
    p, d = sizes["psf_fwhm"], sizes["depth"]
    pools = rng.permutation(hosts)[: hosts.size // (p * d) * p * d].reshape(
        p, d, -1
    )  # cells of other conditions have other hosts
    number = rng.integers(0, pools.shape[-1], shape)
    number[:, 0, 2] %= 5
    host = pools[np.arange(p)[None, :, None, None], np.arange(d)[None, None, :, None], number]
    failure = np.full(shape, "", object)
    host[:, 2, 0], failure[:, 2, 0] = -1, "no host"
    good = failure == ""
    snr = rng.lognormal(2, 0.7, shape)
    score = np.log(snr) * 2 - 6 + 3 * axes["theta_e"][:, None, None, None] + rng.normal(0, 1, shape)
    given = {
        **axes,
        "band": ["g", "r", "z"],
        "galaxy_id": host,
        "failure": failure,
        "host_type": np.where(good, "SER", ""),
        "arc_snr": snr,
        "magnification": rng.uniform(5, 30, shape),
        "theta_e_drawn": rng.uniform(0.7, 1.3, shape),
        "host_mag_r": rng.normal(19, 0.5, shape),
        "beta_fraction": rng.uniform(0, 0.5, shape),
        "source_mag_r": rng.uniform(22, 26, shape),
        "q": np.full(shape, 0.8),
    }
    injections = fill(schema.INJECTIONS, sizes, given)
    scored = fill(schema.SCORES_INJECTIONS, sizes, {**axes, "galaxy_id": host, "score": np.where(good, score, np.nan)})
    return injections, scored.assign_attrs(detector_hash=HASH)


def catalogues(manifest, rng):
    positive = manifest[manifest["pool"] == "positive"]
    names = [f"J{i:05d}" for i in range(60)]
    lost = ["matched"] * len(positive) + ["outside the footprint"] * (60 - len(positive))
    tier = np.concatenate([positive["tier"].to_numpy(object), rng.choice(["A", "B"], 60 - len(positive))])
    lenses = blank(schema.LENSES, 60, lens_id=names, tier=tier, imaging_candidate=rng.uniform(size=60) < 0.5)
    ids = np.concatenate([positive["galaxy_id"].to_numpy(), np.full(60 - len(positive), -1)])
    matches = blank(schema.MATCHES, 60, lens_id=names, galaxy_id=ids, reason=lost)
    others = blank(schema.CONTAMINANTS, 8, category=["ring", "spiral"] * 4, galaxy_id=np.array([-1, 1] * 4))
    return {"lenses": lenses, "matches": matches, "contaminants": others}


def notes(manifest):
    stratum = {
        "nobs_z_bin": ["3-5", "6-10"],
        "type_bin": ["SER", "REX"],
        "positives": [30, 18],
        "wanted": [3000, 1800],
        "n1": [300, 200],
    }
    return {
        "waterfall": pd.DataFrame({"step": ["galaxies", "Dec < 32"], "rows": [900, len(manifest)]}),
        "strata": pd.DataFrame(stratum | {"n2": [100, 40], "shortfall": [2600, 1560]}),
        "balance": pd.DataFrame(
            {"sample": ["all"], "split": ["val"], "rows": [206], "median_psfsize_r": [1.2], "share_SER": [0.33]}
        ),
        "history": pd.DataFrame(
            {
                "epoch": [1, 2, 3, 4],
                "train_loss": [0.7, 0.5, 0.35, 0.3],
                "val_loss": [0.6, 0.45, 0.41, 0.5],
                "val_auc": [0.7, 0.8, 0.9, 0.88],
                "learning_rate": [1e-3, 9e-4, 5e-4, 1e-4],
            }
        ),
        "gates": gate_table(
            [
                Gate(
                    "X.2",
                    "splits are disjoint",
                    "shared pixels",
                    0,
                    maximum=0,
                    critical=True,
                    evidence="manifest: healpix_128 by split",
                ),
                Gate(
                    "quality.sigma.r",
                    "the noise is as the survey says",
                    "median of sigma^2 invvar",
                    2.4,
                    0.5,
                    2.0,
                    evidence="quality where cutout_ok",
                ),
                Gate(
                    "realism.snr_50", "realism: arc SNR", "ratio at 50 %", 1.1, 0.5, 2.0, cannot="3 anchors, 20 needed"
                ),
                absent("X.4", "training positives are excluded from the anchors", "the sample holds no anchor"),
            ]
        ),
        "ledgers": {
            "manifest": Ledger(900, len(manifest), {"candidate not drawn": 900 - len(manifest)}),
            "objects": Ledger(5, 5),
        },
    }


def arcs(rows, rng):
    """Galaxies with a blue ring, (row, band, y, x)."""
    y, x = np.mgrid[:64, :64] - 32.0
    r = np.hypot(x, y)
    core = np.exp(-r / 4)[None] * np.array([0.05, 0.15, 0.3])[:, None, None]
    ring = np.exp(-((r - 9) ** 2) / 4)[None] * np.array([0.02, 0.015, 0.01])[:, None, None]
    return (core + ring + rng.normal(0, 0.004, (rows, 3, 64, 64))).astype("f4")


@functools.cache
def realism_tables():
    """Tables of the stage realism, from a few drawn lenses, and the pixels of its panel."""
    settings = config.Realism(splits=100)
    real, found = lenses.draw(24, 1, settings), lenses.draw(40, 2, settings, first=1000)
    bare = lenses.draw_hosts(40, 2, settings, first=1000)
    rng = np.random.default_rng(5)
    base = rng.normal(size=40)
    kinds = {
        v.name: (v, v.why_not or base + rng.normal(0, 0.4, 40))
        for v in (realism.bare(config.Injections()), *realism.variants(config.Injections(), settings, 2.5))
    }
    changes = realism.changes(base, kinds, 0.0)
    _, tables = realism.judge(real, found, bare, found, changes, settings, 3)
    samples = {"real": real, "injected": found, "bare host": bare}
    tables["measures"] = pd.concat(
        [s.pixels.table.assign(sample=n, galaxy_id=s.objects, anchor_id=s.objects) for n, s in samples.items()],
        ignore_index=True,
    )
    tables["sensitivity"] = changes
    tables["inner"] = realism.inner_images(
        rng.uniform(size=(4, 9, 9)), np.zeros((4, 9, 9)), np.array([0.9, 1.2, 1.7, 2.2]), np.full(4, 0.1), np.ones(4)
    )
    kind = np.array(["real", "injected"] * 3)
    axes = {name: np.where(kind == "real", np.nan, 1.0) for name in schema.AXES}
    tables["panel"] = pd.DataFrame(
        {
            "number": np.arange(1, 7),
            "kind": kind,
            "galaxy_id": np.arange(6) + 5,
            "trial": np.where(kind == "real", -1, 3),
            **axes,
        }
    )
    return tables, rng.normal(0, 0.01, (6, 3, 64, 64)).astype("f4")


@functools.cache
def make(rates=(0.05,)):
    rng = np.random.default_rng(3)
    chosen = settings(rates)
    manifest = galaxies(rng)
    quality = quality_of(manifest, rng)
    scored = scores_of(manifest, quality, rng)
    injections, trials = injected(manifest, chosen.injections.grid, rng)
    thresholds = scores.thresholds(scored, rates)
    cube = completeness.posterior(
        completeness.count(injections, trials, thresholds, chosen.completeness), chosen.completeness
    )
    hosts = trials["galaxy_id"].isel(theta_e=0)
    pool = np.array(
        [[np.unique(cell[cell >= 0]).size for cell in row] for row in hosts.transpose("psf_fwhm", "depth", ...).values]
    )
    area = np.where(pool > 0, pool / 50, 0.0)
    cube = cube.assign(
        area=(("psf_fwhm", "depth"), area, {"units": "degree^2"}),
        host_pool=(("psf_fwhm", "depth"), pool, {"units": "1"}),
    )
    gallery = failures.gallery(scored, injections, trials, 10)
    attrs = {
        "run": "synthetic",
        "seed": 7,
        "timestamp": "2026-01-01T00:00:00Z",
        "mock": True,
        "detector_hash": HASH,
        "lenscal_version": "0.1.0",
        "not_scientific": "not scientific: made with a quick baseline detector",
    }
    return report.Inputs(
        settings=chosen,
        attrs=attrs,
        manifest=manifest,
        quality=quality,
        injections=injections,
        thresholds=thresholds,
        scores_cutouts=scored,
        scores_injections=trials,
        completeness=schema.COMPLETENESS.describe(cube),
        false_positives=failures.false_positives(scored, thresholds),
        missed=failures.missed(injections, trials, thresholds),
        gallery=gallery,
        gallery_images=arcs(len(gallery), rng),
        realism=realism_tables()[0],
        panel_images=realism_tables()[1],
        judgement=judgement_tables(),
        sky=sky_of(cube),
        **catalogues(manifest, rng),
        **notes(manifest),
    )


def sky_of(cube):
    """A map of sixteen pixels, the last of which has no estimate."""
    rows = np.arange(16)
    pieces = pd.DataFrame(
        {
            "pixel": 700 + rows,
            "psfsize_r": np.where(rows < 15, cube["psf_fwhm"].values[rows % cube.sizes["psf_fwhm"]], 9.0),
            "psfdepth_r": cube["depth"].values[rows % cube.sizes["depth"]],
            "area": 0.05,
        }
    )
    return schema.SKY_MAP.describe(completeness.sky_map(cube, pieces, 64))


@functools.cache
def judgement_tables():
    """Tables of the judgement, from the scores of a few galaxies and made-up shifts."""
    found = judged.run()
    tables, _ = scores.judge(found, scores.thresholds(found, [0.05]), judged.FACTS, judged.TERMS)
    images, positive = judged.stamps(90, 3.0)
    parts = shortcuts.part_features(images, np.ones((90, 3)), judged.SETTINGS, 0.262)
    tables["shortcuts"] = shortcuts.parts(parts, positive, np.arange(90), 1)
    shifts = [judged.pairs(i - 1.0, name=name) for i, name in enumerate(counterfactuals.ABOUT)]
    tables["counterfactuals"] = counterfactuals.changes(shifts, 0.0)
    return {name: schema.JUDGEMENT[name].cast_table(table) for name, table in tables.items()}


@pytest.fixture(scope="module")
def inputs():
    return make()


@pytest.fixture(scope="module")
def files(inputs):
    return report.write(inputs)


@pytest.fixture(scope="module")
def numbers(files):
    return json.loads(files["numbers.json"])


@pytest.fixture(scope="module")
def quick(inputs):
    """A page without its figures drawn: what the words need."""

    def render(**changes):
        changed = dataclasses.replace(inputs, **changes).check()
        html, book = page.render(changed, dict.fromkeys(figures.plans(changed), "not drawn"))
        return html.decode(), book.records()

    return render


class Page(HTMLParser):
    """Tags balance, ids are unique; text outside of the noted numbers and links are kept."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.plain, self.noted, self.sources = [], [], [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        self.sources += [attrs[name] for name in ("src", "srcset", "data") if name in attrs]
        if "data-n" in attrs:
            self.noted.setdefault(attrs["data-n"], "")
        if tag not in self.VOID:
            self.open.append((tag, attrs.get("data-n")))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data):
        noted = [id for _, id in self.open if id]
        if noted:
            self.noted[noted[-1]] += data
        elif not any(tag == "style" for tag, _ in self.open):
            self.plain.append(data)


def test_every_number_derives_again(inputs, numbers):
    found = report.verify(inputs, numbers)
    assert len(found) == len(numbers) > 300
    assert [row for row in found if not row[3]] == []


def test_one_number_derives_from_its_id_alone(inputs, numbers):
    for number in numbers[:: len(numbers) // 25]:
        assert derivation.recompute(inputs, number["id"]) == number["value"], number["id"]


@pytest.mark.parametrize(
    ("key", "false"), [("value", 1e6), ("shown", "99 %"), ("unit", "furlong"), ("store", "elsewhere")]
)
def test_a_tampered_number_is_caught_and_no_other(inputs, numbers, key, false):
    place = next(i for i, number in enumerate(numbers) if number["query"] == "cube")
    tampered = [dict(number) for number in numbers]
    tampered[place][key] = false
    assert [row[0] for row in report.verify(inputs, tampered) if not row[3]] == [numbers[place]["id"]]


def test_a_small_change_of_a_value_is_caught(inputs, numbers):
    number = next(n for n in numbers if n["query"] == "threshold")
    (row,) = report.verify(inputs, [number | {"value": number["value"] * (1 + 1e-6)}])
    assert row[2] == number["value"]
    assert not row[3]


@pytest.mark.parametrize(
    "id",
    [
        "no_such_query",
        "cell?column=n&row=0&table=nothing",
        "cell?column=n&row=99999&table=gates",
        "rows?table=attrs_",
        "",
    ],
)
def test_a_number_that_cannot_be_derived_is_not_taken_for_right(inputs, id):
    assert report.verify(
        inputs, [{"id": id, "value": None, "unit": "1", "shown": "–", "query": "cell", "store": ""}]
    ) == [(id, None, None, False)]


def test_a_store_that_changed_after_the_report_is_caught(inputs, numbers):
    scored = inputs.scores_cutouts.copy(deep=True)
    anchors = np.flatnonzero((scored["role"].values == "anchor") & np.isfinite(scored["score"].values))
    scored["score"][anchors] = 50.0
    wrong = {
        row[0].partition("?")[0]
        for row in report.verify(dataclasses.replace(inputs, scores_cutouts=scored), numbers)
        if not row[3]
    }
    assert "anchors_recovered" in wrong
    assert "cube" not in wrong


def test_page_prints_exactly_what_numbers_json_says(files, numbers):
    noted = Page(files["index.html"].decode()).noted
    shown = {number["id"]: number["shown"] for number in numbers}
    assert set(noted) == set(shown)
    for id, text in noted.items():
        assert text in {shown[id] * k for k in range(1, 30)}, id


def test_no_number_stands_on_the_page_without_a_query(files, inputs):
    """What is left are constants of the text and names: of the template, the headings, the run file."""
    plain = " ".join(Page(files["index.html"].decode()).plain)
    template = (page.resources.files("lenscal.report") / "page.html").read_text() + " ".join(
        map(str, [*headings.LABELS.values(), *headings.LABELS])
    )
    constants = set(re.findall(r"\d[\d.,]*", re.sub(r"<style>.*?</style>", "", template, flags=re.S)))
    constants |= set(
        re.findall(
            r"\d[\d.,]*",
            f"{inputs.settings.survey.layer} {HASH} {HASH[:12]} N1 N2 "
            + " ".join(s.title for s in summaries.SUMMARIES.values()),
        )
    )
    for token in re.findall(r"\d[\d.,]*", plain):
        assert token.rstrip(".,") in {c.rstrip(".,") for c in constants}, token


def test_page_is_well_formed_and_needs_nothing_from_outside(files):
    parsed = Page(files["index.html"].decode())
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(source.startswith("data:image/webp;base64,") for source in parsed.sources)
    for link in parsed.links:
        assert link[1:] in parsed.ids if link.startswith("#") else link in files, link
    text = files["index.html"].decode()
    assert "http" not in text
    assert "url(" not in text
    assert "<script" not in text


def test_text_of_the_run_is_escaped(files):
    text = files["index.html"].decode()
    assert "A made-up run &amp; its &lt;tags&gt;." in text
    assert "<tags>" not in text


def test_every_figure_is_there_as_png_and_vectors(inputs, files):
    for name in figures.plans(inputs):
        picture, vectors = files[f"figures/{name}.png"], files[f"figures/{name}.pdf"]
        assert picture.startswith(b"\x89PNG")
        per_metre = int.from_bytes(picture[picture.index(b"pHYs") + 4 :][:4], "big")
        assert per_metre * 0.0254 >= 150
        assert vectors.startswith(b"%PDF")
        box = [float(v) for v in re.search(rb"/MediaBox \[([^\]]*)\]", vectors)[1].split()]
        assert box[2] / 72 <= 6.97 + 0.01
        assert box[3] / 72 <= 9.6, f"{name} is taller than a page"


def test_same_inputs_give_the_same_bytes(inputs, files):
    pictures = {name: files[f"figures/{name}.png"] for name in figures.plans(inputs)}
    html, book = page.render(inputs, pictures)
    assert html == files["index.html"]
    assert json.loads(files["numbers.json"]) == book.records()
    for name in ("data", "completeness_depth24", "gallery_missed_lens"):  # points, hatches, pictures
        with figures.style.styled():
            figure = figures.plans(inputs)[name]()
            assert figures.style.png(figure) == files[f"figures/{name}.png"]
            assert figures.style.pdf(figure) == files[f"figures/{name}.pdf"]


def test_bytes_do_not_follow_the_users_matplotlib(inputs, files):
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "image.cmap": "jet", "axes.grid": True}), figures.style.styled():
        assert figures.style.png(cubes.occupancy(inputs)) == files["figures/occupancy.png"]


def test_banners_say_mock_and_not_scientific(quick, inputs):
    text, _ = quick()
    assert "embedded (mock) sky: no statement about the real sky" in text
    assert "Not scientific: made with a quick baseline detector" in text
    text, _ = quick(attrs={**inputs.attrs, "mock": False, "not_scientific": ""})
    assert 'class="banner"' not in text


def test_failed_gates_are_named_at_the_top_and_come_first(quick):
    text, _ = quick()
    assert "quality.sigma.r" in text.partition("</section>")[0]
    rows = text.partition('id="gates"')[2]
    places = [rows.index(name) for name in ("quality.sigma.r", "realism.snr_50", "X.2", "X.4")]
    assert places == sorted(places)
    assert "cannot be judged: 3 anchors, 20 needed" in rows
    assert rows.index('<tr class="fail">') < rows.index('<tr class="pass">')
    first, _, rest = rows.partition("<details>")
    assert '<tr class="pass">' not in first, "those that pass are folded away"
    assert '<tr class="pass">' in rest


def test_cube_and_findings_come_before_their_evidence(quick):
    text, _ = quick()
    order = re.findall(r'<h2 id="([a-z-]+)">', text)
    assert order[:6] == ["completeness", "validation", "false-positives", "missed", "gallery", "gates"]
    assert re.findall(r'<li><a href="#([a-z-]+)">', text.partition("<nav")[2].partition("</nav>")[0]) == order


@pytest.mark.parametrize(
    "phrase",
    [
        "label noise",
        "anchor coverage",
        "circularity",
        "1,372",
        "conditional on the prior",
        "does not claim",
        "complete sample",
    ],
)
def test_limits_are_stated(quick, phrase):
    assert phrase in quick()[0].partition('id="limits"')[2].lower()


OPTIONAL = [
    "lenses",
    "matches",
    "contaminants",
    "waterfall",
    "strata",
    "balance",
    "history",
    "false_positives",
    "missed",
    "gallery",
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_product_the_run_does_not_have_is_said_in_a_sentence(quick, inputs, name):
    changes = {name: None} | ({"gallery_images": None} if name == "gallery" else {})
    text, records = quick(**changes)
    assert Page(text).open == []
    if name in figures.FIXED:
        assert figures.FIXED[name](dataclasses.replace(inputs, **changes)).endswith(".")
        assert f'data-n="cell?column=rate&amp;row=0&amp;table={name}"' not in text
    else:
        assert "The run has no" in text
    assert all(row[3] for row in report.verify(dataclasses.replace(inputs, **changes), records))


def test_with_all_optional_products_absent_the_report_is_whole(inputs):
    bare = dataclasses.replace(inputs, **dict.fromkeys([*OPTIONAL, "gallery_images"]))
    words = {
        name: plan() for name, plan in figures.plans(bare).items() if name in ("history", "false_positives", "missed")
    }
    html, book = page.render(bare, dict.fromkeys(figures.plans(bare), "not drawn") | words)
    assert Page(html.decode()).open == []
    for text in (
        "brought by the run file",
        "no false-positive rate was measured",
        "no table of missed injections",
        "has no gallery",
    ):
        assert text in html.decode()
    assert all(row[3] for row in report.verify(bare, book.records()))


def test_rows_without_position_or_split_make_a_report(inputs):
    manifest = inputs.manifest.assign(ra=np.nan, dec=np.nan, split="none", role="none")
    manifest = schema.MANIFEST.cast_table(manifest)
    scored = inputs.scores_cutouts.copy(deep=True)
    for name, value in {"ra": np.nan, "dec": np.nan, "split": "none", "role": "none"}.items():
        scored[name][:] = value
    sample = dataclasses.replace(
        inputs,
        manifest=manifest,
        scores_cutouts=scored,
        false_positives=failures.false_positives(scored, inputs.thresholds),
    )
    drawn = {name: draw(sample) for name, draw in figures.FIXED.items()}
    words = {name: figure for name, figure in drawn.items() if isinstance(figure, str)}
    assert set(words) == {"splits", "validation", "false_positives"}
    assert "no galaxy has a position" in [text.get_text() for text in drawn["data"].axes[0].texts]
    html, book = page.render(sample, dict.fromkeys(figures.plans(sample), "not drawn") | words)
    assert "nothing was validated on known lenses" in html.decode()
    assert "no scored negative" in html.decode()
    assert all(row[3] for row in report.verify(sample, book.records()))


def test_each_threshold_has_its_own_maps():
    several = make((0.05, 0.2))
    assert {"completeness_maps_fpr0.05", "completeness_maps_fpr0.2"} <= set(figures.plans(several))
    html, book = page.render(several, dict.fromkeys(figures.plans(several), "not drawn"))
    assert html.decode().count("<h3>Threshold") == 2
    assert all(row[3] for row in report.verify(several, book.records()))


def test_recovered_lenses_are_counted_as_by_hand(inputs):
    threshold = float(inputs.thresholds["threshold"][0])
    table = inputs.scores_cutouts.to_dataframe().reset_index()
    channel = dict(zip(inputs.manifest["galaxy_id"], inputs.manifest["channel"]))
    n = k = 0
    for row in table.to_dict("records"):
        if row["role"] == "anchor" and row["cutout_ok"] and channel[row["galaxy_id"]] == "spectroscopic":
            n, k = n + 1, k + (row["score"] >= threshold)
    found = summaries.recovered(inputs).set_index("group").loc["selected without imaging ML"]
    assert (found["n"], found["k"]) == (n, k)
    assert n > 0
    arcs = summaries.recovered(inputs).query("group == 'arc'").set_index("value")
    anchors = table[(table["role"] == "anchor") & table["cutout_ok"]]
    faint = anchors[anchors["arc_snr"] < 3]
    assert tuple(arcs.loc["SNR below 3", ["n", "k"]]) == (len(faint), (faint["score"] >= threshold).sum())
    assert arcs["n"].sum() == len(anchors)
    assert arcs["n"].min() > 0
    low, high = intervals.interval(k, n, schema.LEVELS[0])
    assert (found["lower_68"], found["upper_68"]) == (low, high)


def test_headline_is_a_cell_of_the_cube(inputs):
    psf, depth = summaries.headline(inputs)
    assert depth == 23.5
    enough = inputs.completeness["sufficient"].sel(depth=depth).sum("theta_e")
    assert enough.sel(psf_fwhm=psf) == enough.max()
    table = summaries.headline_completeness(inputs)
    np.testing.assert_array_equal(
        table["median"], inputs.completeness["completeness"].sel(psf_fwhm=psf, depth=depth, quantile=0.5)[:, 0]
    )


def test_completeness_table_holds_every_cell_of_the_cube(inputs, files):
    import io

    table = pd.read_csv(io.BytesIO(files["tables/completeness.csv"]))
    cube = inputs.completeness
    assert len(table) == cube["n_detected"].size
    row = table[(table["theta_e"] == 1.25) & (table["psf_fwhm"] == 1.0) & (table["depth"] == 23.0)].iloc[0]
    one = cube.sel(theta_e=1.25, psf_fwhm=1.0, depth=23.0).isel(threshold=0)
    assert row["n_detected"] == int(one["n_detected"])
    assert row["lower_68"] == pytest.approx(float(one["lower"].sel(level=0.6827)))
    assert row["upper_95"] == pytest.approx(float(one["upper"].sel(level=0.95)))
    assert set(table["status"]) == {"sufficient", "insufficient", "no data"}


def test_maps_mark_cells_without_data_and_with_too_little(inputs):
    with figures.style.styled():
        figure = cubes.depth_map(inputs, 0, 23.0)
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert texts.count("no data") == inputs.completeness.sizes["theta_e"]
        hatched = [patch for patch in cubes.depth_map(inputs, 0, 24.0).axes[0].patches if patch.get_hatch()]
    assert len(hatched) == int((inputs.completeness["status"].sel(depth=24.0) == "insufficient").sum()) > 0


def test_maps_write_value_and_interval_of_their_cell(inputs):
    with figures.style.styled():
        texts = {t.get_position(): t.get_text() for t in cubes.depth_map(inputs, 0, 23.5).axes[0].texts}
    one = inputs.completeness.sel(depth=23.5).isel(threshold=0, theta_e=2, psf_fwhm=1)
    low, high = (float(one[end].sel(level=0.6827)) for end in ("lower", "upper"))
    assert texts[2, 1] == f"{float(one['completeness'].sel(quantile=0.5)):.2f}\n{low:.2f}–{high:.2f}"


def test_texts_of_a_map_stay_in_their_cells(inputs):
    with figures.style.styled():
        for depth in inputs.completeness["depth"].values:
            figure = cubes.depth_map(inputs, 0, depth)
            figure.draw_without_rendering()
            axes = figure.axes[0]
            box = axes.get_window_extent()
            width, height = (
                box.width / inputs.completeness.sizes["theta_e"],
                box.height / inputs.completeness.sizes["psf_fwhm"],
            )
            for text in axes.texts:
                extent = text.get_window_extent()
                assert extent.width < width
                assert extent.height < height


def test_gallery_says_where_each_is_and_links_to_the_viewer_of_the_real_sky_alone(inputs):
    shown = derivation.Derivation(inputs).table("gallery")
    assert {"number", "galaxy_id", "ra", "dec", "psfsize_r", "psfdepth_r", "score"} <= set(shown)
    assert ("viewer" in shown) is not bool(inputs.attrs["mock"])
    real = dataclasses.replace(inputs, attrs={**inputs.attrs, "mock": False})
    shown = derivation.Derivation(real).table("gallery")
    known = shown[np.isfinite(shown["ra"])]
    assert len(known)
    first = known.iloc[0]
    assert first["viewer"] == (
        f"https://www.legacysurvey.org/viewer?ra={first['ra']:.6f}&dec={first['dec']:.6f}"
        f"&layer={inputs.settings.survey.layer}&zoom=16"
    )
    assert (shown.loc[~np.isfinite(shown["ra"]), "viewer"] == "").all()
    page = report.write(real)["index.html"].decode()
    assert page.count('">look</a>') == len(known)
    assert f'href="{first["viewer"].replace("&", "&amp;")}"' in page
    assert "legacysurvey.org/viewer?" not in report.write(inputs)["index.html"].decode() or not inputs.attrs["mock"]


def test_gallery_says_which_rows_are_no_failures(inputs):
    threshold = float(inputs.thresholds["threshold"][0])
    rows = inputs.gallery
    assert list(rows["kind"]) == sorted(rows["kind"], key=figures.gallery.kinds(inputs).index)
    found = [text for kind in figures.gallery.kinds(inputs) for text in figures.gallery.labels(inputs, kind)]
    for kind, score, text in zip(rows["kind"], rows["score"], found):
        assert ("(recovered)" in text) == (kind != "false positive" and score >= threshold)
        assert ("(rejected)" in text) == (kind == "false positive" and score < threshold)
    assert any("(recovered)" in text for text in found)
    wrong = derivation.recompute(inputs, "pictured?kind=missed%20lens&wrong=yes")
    assert (
        wrong
        == int((rows.loc[rows["kind"] == "missed lens", "score"] < threshold).sum())
        < (rows["kind"] == "missed lens").sum()
    )


@pytest.mark.parametrize(
    ("ra", "span"),
    [([350.0, 359.0, 1.0, 12.0], 22.0), ([10.0, 20.0], 10.0), ([5.0], 0.0), ([0.0, 180.0, 200.0], 180.0)],
)
def test_sky_is_not_torn_at_zero_hours(ra, span):
    shifted = samples.around(np.array(ra))
    assert np.ptp(shifted) == pytest.approx(span)
    np.testing.assert_allclose(shifted % 360, ra)


def test_right_ascension_grows_to_the_left(inputs):
    with figures.style.styled():
        left, right = samples.data(inputs).axes[0].get_xlim()
    assert left > right


def test_colours_keep_the_ratio_of_bands_and_mark_unobserved_pixels():
    image = np.zeros((3, 4, 4), "f4")
    image[0], image[2] = 0.05, 0.001  # bright in g
    image[1, 0, 0] = np.nan
    picture = colour.grz(image)
    assert picture.shape == (4, 4, 3)
    assert (picture[1:, :, 2] > picture[1:, :, 0]).all(), "g is blue"
    np.testing.assert_array_equal(picture[0, 0], 0.5)
    image[:] = 0.004
    assert (colour.grz(image * 2) > colour.grz(image)).all(), "more light is brighter"


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.123456, "share", "12.3 %"),
        (0.00234, "share", "0.23 %"),
        (0.0, "share", "0.0 %"),
        (1.0, "share", "100.0 %"),
        (None, "share", "–"),
        (1234567, "count", "1,234,567"),
        (True, "text", "yes"),
        (0.00012345, "real", "0.0001234"),
        ("X.2", "text", "X.2"),
    ],
)
def test_values_are_shown_plainly(value, form, shown):
    assert formats.show(value, form) == shown


def test_products_of_another_run_are_refused(inputs):
    with pytest.raises(ValueError, match="galaxies that are not the 688 of the manifest"):
        report.write(dataclasses.replace(inputs, quality=inputs.quality.isel(galaxy=slice(0, 10))))
    with pytest.raises(ValueError, match="was made with detector 'other'"):
        report.write(
            dataclasses.replace(inputs, scores_injections=inputs.scores_injections.assign_attrs(detector_hash="other"))
        )
    with pytest.raises(ValueError, match="gallery_images is None"):
        report.write(dataclasses.replace(inputs, gallery_images=None))
    with pytest.raises(ValueError, match=r"false_positives lacks \['rate'\]"):
        report.write(dataclasses.replace(inputs, false_positives=inputs.false_positives.drop(columns="rate")))


def test_a_product_in_other_units_is_refused(inputs):
    wrong = inputs.quality.copy()
    wrong["sigma"] = wrong["sigma"].assign_attrs(units="mag")
    with pytest.raises(schema.SchemaError, match="'sigma' is in 'mag', not 'nanomaggy'"):
        report.write(dataclasses.replace(inputs, quality=wrong))


def test_a_ledger_that_lost_rows_shows_how_many(inputs):
    table = summaries.ledgers(dataclasses.replace(inputs, ledgers={"a": Ledger(10, 6, {"broken": 3})}))
    assert table.iloc[0].to_dict() == {
        "stage": "a",
        "rows_in": 10,
        "rows_out": 6,
        "reason": "broken",
        "dropped": 3,
        "unaccounted": 1,
    }


def test_realism_is_said_up_front_and_its_key_stands_at_the_end(files, inputs):
    text = files["index.html"].decode()
    verdict = inputs.realism["criteria"]["verdict"].iloc[-1]
    assert verdict in ("NO-GO", "not judged")
    assert "Are the injections like real lenses?" in text[: text.index('id="completeness"')]
    section = text[text.index('id="realism"') : text.index('id="detector"')]
    assert f">{verdict}<" in section
    assert section.index("figure-realism_panel") < section.index("Key to the panel")
    for row in inputs.realism["criteria"].to_dict("records"):
        assert f">{row['id']}<" in section


def test_a_run_without_realism_says_so(quick):
    html, records = quick(realism=None, panel_images=None)
    assert "The run has no comparison of injections with real lenses." in html
    assert not [r for r in records if r["query"].startswith("realism")]


def test_the_judgement_stands_on_the_page_with_its_intervals_and_its_figures(inputs, files):
    text = files["index.html"].decode()
    section = text[text.index('id="judgement"') : text.index('id="injections"')]
    for name in ("judgement_curves", "judgement_calibration", "judgement_shortcuts"):
        assert f'id="figure-{name}"' in section
        assert files[f"figures/{name}.pdf"].startswith(b"%PDF")
    for name in (
        "Jeffreys, equal-tailed",
        "DeLong on the logit scale",
        "Bayesian bootstrap by galaxy",
        "arc suppressed",
        "isotonic",
        "extinction E(B-V)",
    ):
        assert name in section, name
    measures = pd.read_csv(io.BytesIO(files["tables/judged_measures.csv"]))
    np.testing.assert_allclose(measures["value"], inputs.judgement["measures"]["value"], rtol=1e-6)


def test_a_run_without_a_judgement_or_a_test_split_has_words_in_place_of_figures(inputs, quick):
    html, _ = quick(judgement=None)
    assert "The run has no judgement of its scores." in html
    none = {
        name: table.iloc[:0] if name in ("curves", "risk") else table.copy() for name, table in inputs.judgement.items()
    }
    for name in ("measures", "strata"):
        none[name]["why_not"] = "0 scored lenses and 0 scored negatives, fewer than 1"
    for changed, said in ((None, "no judgement"), (none, "0 scored lenses")):
        for draw in (figures.judgement.curves, figures.judgement.calibration):
            assert said in draw(dataclasses.replace(inputs, judgement=changed))
    with pytest.raises(ValueError, match="lacks the table 'strata'"):
        dataclasses.replace(inputs, judgement={k: v for k, v in none.items() if k != "strata"}).check()


def test_a_threshold_that_rests_on_a_few_negatives_is_said_where_it_is_used(inputs, quick):
    said = "the rate of 1 % rests on 4 of 400 negatives, fewer than 10"
    assert said not in quick()[0]
    html, records = quick(thresholds=inputs.thresholds.assign_attrs(few_events=said))
    assert html.count(said) == 2
    assert html.index(said) < html.index('id="completeness"')
    assert [r["value"] for r in records if r["query"] == "few_events"] == [said]


def test_a_sample_without_anchors_has_words_in_place_of_figures(inputs):
    tables = {name: table.copy() for name, table in inputs.realism.items()}
    tables["measures"] = tables["measures"][tables["measures"]["sample"] != "real"]
    tables["panel"] = tables["panel"].iloc[:0]
    tables["noise_histogram"]["density"] = 0.0
    changed = dataclasses.replace(inputs, realism=tables, panel_images=None).check()
    for draw in (figures.realism.measures, figures.realism.noise, figures.realism.panel):
        assert isinstance(draw(changed), str)


def test_panel_images_of_another_run_are_refused(inputs):
    with pytest.raises(ValueError, match="panel_images holds 2 images, the panel 6"):
        dataclasses.replace(inputs, panel_images=inputs.panel_images[:2]).check()


def test_a_long_list_of_names_may_wrap_and_a_number_may_not(inputs):
    writer = page.Writer(inputs, {})
    assert 'class="n"' in writer.number("realism_images", sample="real")
    verdicts = inputs.realism["criteria"]["verdict"]
    common = verdicts.iloc[:-1].value_counts().index[0]
    assert 'class="n words"' in writer.number("realism_named", verdict=common)


def test_curves_of_the_splits_are_their_shares_below_and_types_add_to_one(inputs):
    with figures.style.styled():
        figure = figures.FIXED["splits"](inputs)
    rows = inputs.manifest[inputs.manifest["split"].eq("train") & inputs.manifest["label"].eq(0)]
    values = np.sort(rows["psfsize_r"].to_numpy("f8"))
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), values)
    np.testing.assert_allclose(line.get_ydata(), np.arange(1, values.size + 1) / values.size)
    ends = {}
    for bar in figure.axes[3].patches:
        ends[bar.get_y()] = max(ends.get(bar.get_y(), 0), bar.get_x() + bar.get_width())
    assert all(end == pytest.approx(1) for end in ends.values())


def test_bars_of_the_waterfall_are_its_rows(inputs):
    with figures.style.styled():
        figure = figures.FIXED["waterfall"](inputs)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [max(rows, 0.5) for rows in inputs.waterfall["rows"]]
    came = dataclasses.replace(inputs, waterfall=pd.DataFrame({"step": ["rows", "pool N1"], "rows": [5, 5]}))
    assert "nothing was filtered" in figures.FIXED["waterfall"](came)


def test_tables_are_written_as_others_read_them_and_galleries_as_lists_for_viewers(inputs):
    from astropy.table import Table

    from lenscal.report import numbers

    book = numbers.Book(inputs)
    files = numbers.table_files(book, ["votable", "fits", "ecsv"])
    names = {name.rsplit(".", 1)[0] for name in files}
    assert len(files) == 4 * len(names)
    for name in ("tables/gates", "tables/gallery", "tables/completeness"):
        expected = pd.read_csv(io.BytesIO(files[f"{name}.csv"]))
        for ending, kind in (("vot", "votable"), ("fits", "fits"), ("ecsv", "ascii.ecsv")):
            back = Table.read(io.BytesIO(files[f"{name}.{ending}"]), format=kind)
            assert back.colnames == expected.columns.tolist()
            assert len(back) == len(expected)
    gallery = pd.read_csv(io.BytesIO(files["tables/gallery.csv"]))
    lists = numbers.viewer_lists(book)
    lines = [line.split() for content in lists.values() for line in content.decode().splitlines()]
    assert len(lists) == gallery["kind"].nunique()
    assert [line[0].split("-")[1] for line in lines] == gallery["galaxy_id"].astype(str).tolist()
    np.testing.assert_allclose([float(line[1]) for line in lines], gallery["ra"], atol=1e-6)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_compute_is_quoted_in_csv_and_a_number_is_not(cell, monkeypatch):
    from lenscal.report import numbers, summaries

    table = pd.DataFrame({"name": [cell, "a-b", "SDSS J0946+1006"], "value": [-1.5, 2.0, -3.0], cell: [1, 2, 3]})
    book = type("Book", (), {"derivation": type("D", (), {"table": staticmethod(lambda name: table)})})
    made = numbers.table_files(book)
    assert len(made) == len(summaries.SUMMARIES)
    for content in made.values():
        back = pd.read_csv(io.BytesIO(content))
        quoted = "'" + cell.replace("\r", " ")
        assert back.columns.tolist() == ["name", "value", quoted]
        assert back["name"].tolist() == [quoted, "a-b", "SDSS J0946+1006"]
        assert back["value"].tolist() == [-1.5, 2.0, -3.0]


@pytest.fixture
def drawn(monkeypatch):
    """Figures that are drawn, in this process."""
    seen = []
    png = figures.style.png
    monkeypatch.setattr(drawing, "processes", lambda figures: 1)
    monkeypatch.setattr(figures.style, "png", lambda figure: seen.append(figure) or png(figure))
    return seen


def test_a_report_of_the_same_inputs_draws_nothing(inputs, files, drawn):
    assert report.write(inputs, files.get) == files
    assert not drawn


def test_figures_that_ask_nothing_of_thresholds_are_kept_at_others(inputs, files, drawn):
    other = make((0.2,))
    asks = json.loads(files[NAME])["figures"]
    assert set(asks) == set(figures.plans(inputs))
    found = report.write(other, files.get)
    kept = [name for name in asks if asks[name] == json.loads(found[NAME])["figures"][name]]
    assert len(drawn) == sum(asks[name]["png"] != "" for name in set(asks) - set(kept)) < len(asks) / 1.5
    assert {"data", "splits", "waterfall", "quality", "history", "realism_measures", "occupancy"} <= set(kept)
    assert not {"scores", "completeness_maps", "validation", "false_positives", "missed", "injections"} & set(kept)
    assert found == report.write(other), "as if nothing had been there before"


@pytest.mark.parametrize("what", ["png", "pdf", "record"])
def test_a_figure_that_the_earlier_report_lost_is_drawn_again(inputs, files, drawn, what):
    broken = dict(files)
    if what == "record":
        broken[NAME] = files[NAME].replace(b"matplotlib ", b"matplotlib 0.")
    else:
        name = f"figures/quality.{what}"
        broken[name] = files[name][:-1] if what == "png" else None
    assert report.write(inputs, broken.get) == files
    every = sum(name.endswith(".png") for name in files)
    assert len(drawn) == (every if what == "record" else 1)


def test_images_are_made_kind_by_kind_when_they_are_looked_at(inputs):
    made = []

    def make_some(rows):
        made.append(rows.tolist())
        return inputs.gallery_images[rows]

    kinds = inputs.gallery["kind"]
    some = asked.Rendered(make_some, kinds, "a digest")
    lazy = dataclasses.replace(inputs, gallery_images=some).check()
    assert not made
    for row in (0, 1, len(kinds) - 1):
        np.testing.assert_array_equal(lazy.gallery_images[row], inputs.gallery_images[row])
    expected = [np.flatnonzero(kinds == kinds.iloc[row]).tolist() for row in (0, len(kinds) - 1)]
    assert made == expected
    short = asked.Rendered(make_some, kinds.iloc[1:], "a digest")
    with pytest.raises(ValueError, match="gallery_images is None, not"):
        dataclasses.replace(inputs, gallery_images=short).check()


def boxes(figure, renderer):
    """Of every panel: boxes of its texts and of its marks, in pixels."""
    for axes in figure.axes:
        texts = [text.get_window_extent(renderer) for text in axes.texts if text.get_text() and text.get_visible()]
        marks = []
        for line in axes.lines:
            if line.get_marker() in (None, "", "None"):
                continue
            half = line.get_markersize() / 2 * figure.dpi / 72
            for x, y in line.get_transform().transform(line.get_xydata()):
                marks.append((x - half, y - half, x + half, y + half))
        yield texts, marks


@pytest.mark.parametrize("name", ["validation", "missed", "false_positives", "judgement_curves", "realism_tests"])
def test_no_label_lies_on_a_mark(inputs, name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    ends = inputs.missed.assign(k=inputs.missed["n"], rate=1.0, upper_68=1.0)
    extreme = dataclasses.replace(inputs, missed=ends)
    with figures.style.styled():
        figure = figures.plans(extreme)[name]()
        renderer = FigureCanvasAgg(figure).get_renderer()
        figures.style.settle(figure)
        seen = 0
        for texts, marks in boxes(figure, renderer):
            for box in texts:
                for left, low, right, high in marks:
                    seen += 1
                    apart = box.x0 > right or box.x1 < left or box.y0 > high or box.y1 < low
                    assert apart, f"a label at {box} lies on a mark at {left:.0f}, {low:.0f}"
    assert seen or name in ("judgement_curves", "realism_tests")


def test_every_panel_of_a_histogram_has_both_its_axes(inputs):
    for name in ("realism_measures", "realism_noise", "quality", "injections"):
        with figures.style.styled():
            figure = figures.plans(inputs)[name]()
            figures.style.png(figure)
            for axes in figure.axes:
                if axes.get_visible():
                    assert axes.get_xlabel(), name
                    assert len(axes.get_xticks()) > 1, name
                    assert len(axes.get_yticks()) > 1, name
                    assert axes.spines["left"].get_visible(), name
            assert figure.axes[0].get_ylabel(), name


def test_what_is_asked_is_noted_part_by_part(inputs):
    digests = asked.Digests(inputs)
    one = asked.Asked(inputs, digests)
    assert one.realism["probe"] is inputs.realism["probe"]
    assert one.settings.scores.calibration_error_max == inputs.settings.scores.calibration_error_max
    assert one.attrs.get("no such key") is None
    assert one.manifest is inputs.manifest
    assert set(one.noted) == {
        "realism",
        "realism/probe",
        "settings.scores.calibration_error_max",
        "attrs",
        "attrs/no such key",
        "manifest",
    }
    assert digests.same(one.noted)
    other = dataclasses.replace(inputs, attrs={**inputs.attrs, "no such key": 1})
    assert not asked.Digests(other).same(one.noted)
    edges = inputs.settings.injections.grid.theta_e.edges
    np.testing.assert_array_equal(one.settings.injections.grid.theta_e.edges, edges)
    assert "settings.injections.grid.theta_e" in one.noted, "what is made of settings is noted by all of them"


def test_pictures_are_the_same_bytes_from_another_process(inputs, files):
    plans, names, kept, here = figures.drawings(inputs), ["quality", "missed"], figures.Kept(inputs), os.getpid()
    waits, goes = os.pipe()

    def elsewhere(number):
        if os.getpid() == here:
            return (os.read(waits, 1) if number == 9 else b"",)  # 9: until the other process has drawn one
        drawn = figures._drawn(kept, plans[names[number]])
        os.write(goes, b"x")
        return drawn

    found = drawing.each(elsewhere, [9], range(2), 2)
    name = names[0]
    assert found[0][1:3] == (files[f"figures/{name}.png"], files[f"figures/{name}.pdf"])
    assert json.loads(found[0][0]) == json.loads(files[NAME])["figures"][name]["asked"]
    os.close(waits)
    os.close(goes)
