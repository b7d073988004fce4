"""Faults of a run, each made by one change of a run file or of one file that it names, which are known before any work.

A fault is a function of the folder of the run and of the raw run file, which it changes.
"""

import gzip
import os
import shutil
import textwrap

import numpy as np
import pandas as pd
import yaml
from astropy.io import fits
from astropy.table import Table


def own(path):
    """A file of one's own in the place of a link."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def written(path, text):
    path.unlink(missing_ok=True)
    path.write_text(textwrap.dedent(text))


def halved(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def key(place, value):
    """Fault: another value of a key."""

    def change(folder, raw):
        *sections, last = place.split(".")
        at = raw
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value

    return change


def sky(folder):
    return folder / "stores" / "sky"


def sweep(folder):
    return sorted(sky(folder).rglob("sweep-*.fits"))[0]


def plane(folder, kind):
    return sorted(sky(folder).rglob(f"legacysurvey-*-{kind}.fits.fz"))[0]


def lenses(folder):
    return sky(folder) / "catalogues" / "known-lenses.csv"


def bricks(folder):
    """The table of bricks with their conditions."""
    return next(iter(sorted(sky(folder).rglob("survey-bricks-dr10-*.fits.gz"))))


def header(kind, card, value):
    """Fault: another card of one plane."""

    def change(folder, raw):
        with fits.open(own(plane(folder, kind)), mode="update", disable_image_compression=True) as hdus:
            hdus[1].header[card] = value

    return change


def of_sweep(edit):
    """Fault: one sweep with other columns, and without the lists of checksums."""

    def change(folder, raw):
        path = sweep(folder)
        with fits.open(path) as hdus:
            columns, head = edit(list(hdus[1].columns)), hdus[0].header
            table = fits.BinTableHDU.from_columns(columns)
            path.unlink()
            fits.HDUList([fits.PrimaryHDU(header=head), table]).writeto(path)
        raw["objects"]["checksums"] = False

    return change


def unit(name, other):
    def edit(columns):
        for column in columns:
            if column.name.upper() == name:
                column.unit = other
        return columns

    return of_sweep(edit)


def of_bricks(edit):
    """Fault: another table of bricks."""

    def change(folder, raw):
        path = bricks(folder)
        table = edit(Table.read(path))
        path.unlink()
        table.write(path)

    return change


def without(*names):
    def edit(table):
        lower = {name.lower(): name for name in table.colnames}
        table.remove_columns([lower[name] for name in names])
        return table

    return edit


def column(name, value):
    def edit(table):
        lower = {one.lower(): one for one in table.colnames}
        table[lower[name]] = value(table[lower[name]])
        return table

    return edit


def of_lenses(edit):
    """Fault: another list of lenses."""

    def change(folder, raw):
        path = lenses(folder)
        table = edit(pd.read_csv(path))
        path.unlink()
        table.to_csv(path, index=False)

    return change


def catalogue(kind, **words):
    """Fault: other keys of the first catalogue of a kind."""

    def change(folder, raw):
        raw["objects"][kind][0] |= words

    return change


def file(place, name, text):
    """Fault: a key that names a file with this text."""

    def change(folder, raw):
        written(folder / name, text)
        key(place, name)(folder, raw)

    return change


def gone(find):
    """Fault: a file is not there."""

    def change(folder, raw):
        path = find(folder)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def damaged(find):
    """Fault: a file is cut short."""
    return lambda folder, raw: halved(find(folder))


def artifact(name, text, **declaration):
    """Fault: a function of a file as the detector."""

    def change(folder, raw):
        written(folder / name.split(":")[0], text)
        raw["detector"] = {"artifact": name, "declaration": {"bands": ["g", "r", "z"], "size": 64, **declaration}}

    return change


def scores(**columns):
    """Fault: a table of scores as the detector."""

    def change(folder, raw):
        pd.DataFrame(columns).to_csv(folder / "scores.csv", index=False)
        raw["detector"] = {"artifact": "scores.csv", "declaration": {"output": "score"}}

    return change


def randoms(names, **cards):
    """Fault: a file of random points."""

    def change(folder, raw):
        table = Table({name: np.ones(5) for name in names})
        hdu = fits.BinTableHDU(table)
        hdu.header.update(cards)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(folder / "randoms.fits")
        raw["survey"]["randoms"] = ["randoms.fits"]

    return change


def _two_of_one_name(folder, raw):
    path = sweep(folder)
    other = sky(folder) / "north" / "sweep" / path.parent.name
    other.mkdir(parents=True)
    os.link(path, other / path.name)


def _older_has_more(folder, raw):
    here = sweep(folder).parent
    older = here.parent / "9.0"
    older.mkdir()
    for path in here.glob("sweep-*.fits"):
        os.link(path, older / path.name)
    os.link(sweep(folder), older / "sweep-300m005-310p000.fits")


def _bad_list(folder, raw):
    path = next(iter(sky(folder).rglob("*sha256sum*")))
    written(path, "no checksum at all\n")


def _no_planes(folder, raw):
    for path in sky(folder).rglob("legacysurvey-*-image-*.fits.fz"):
        path.unlink()


def _swapped_shape(folder, raw):
    path = plane(folder, "invvar-r")
    path.unlink()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.ones((50, 50), "f4"))]).writeto(path)


def _sources_cut(folder, raw):
    raw["realism"]["source_stamps"] = str(sky(folder) / "sources" / "cosmos_stamps.fits.gz")
    halved(sky(folder) / "sources" / "cosmos_stamps.fits.gz")


def _sources_without_column(folder, raw):
    path = sky(folder) / "sources" / "cosmos_catalog.csv"
    table = pd.read_csv(path).drop(columns="ZPHOT")
    path.unlink()
    table.to_csv(path, index=False)


def _declared_twice(folder, raw):
    artifact("net.py:score", "def score(x):\n    return x.mean((1, 2, 3))\n")(folder, raw)
    (folder / "net.yaml").write_text(yaml.safe_dump({"bands": ["g", "r", "z"], "size": 64}))


def _weights_alone(folder, raw):
    (folder / "net").mkdir()
    (folder / "net" / "weights.pt").write_bytes(b"x")
    raw["detector"]["artifact"] = "net"


def _stranger(folder, raw):
    (folder / "stores" / "tiny" / "cutouts.zarr").mkdir(parents=True)


def _blocked(folder, raw):
    (folder / "file").write_text("no folder")
    raw["stores"] = "file/tiny"


def _beside_unfinished(folder, raw):
    (folder / "other.yaml").write_text(yaml.safe_dump(raw | {"name": "other", "stores": "stores/other"}))
    raw["report"] = {"beside": "other.yaml"}


def _gzip_of_nothing(folder, raw):
    path = lenses(folder)
    path.unlink()
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(b"ra,dec\n1,2\n")[:-6])
    raw["objects"]["lenses"][0]["source"] = "stores/sky/catalogues/known-lenses.csv.gz"


GRIZ = ["g", "r", "i", "z"]
MEAN = "def score(x):\n    return x.mean((1, 2, 3))\n"

OF_THE_RUN_FILE = {
    "unknown key": key("manifest.colour", "red"),
    "wrong type": key("injections.trials", "many"),
    "no number": key("manifest.mag_z_max", float("nan")),
    "injections larger than cutouts": key("injections.size", 120),
    "detector larger than injections": key("detector.size", 90),
    "stamps without a file": key("injections.source", "stamps"),
    "depth outside of the grid": key("report.depth", 30.0),
    "band that there is not": key("detector.bands", ["g", "i"]),
    "fractions that do not add": key("manifest.split_fractions", [0.5, 0.1, 0.1]),
    "tier that there is not": key("manifest.anchor_tiers", ["C"]),
    "steps that do not fit": key("injections.grid.theta_e", {"start": 1.0, "stop": 2.0, "step": 0.3}),
    "file of priors that is missing": key("injections.prior_file", "none.yaml"),
    "class that there is not": key("manifest.required_classes", ["spaceship"]),
    "two catalogues of one name": catalogue("lenses", name="contaminants"),
    "random points of stamps": lambda folder, raw: raw["survey"].update(layout="stamps", randoms=["a.fits"]),
    "axis that is no column": key("completeness.axes", {"colour": [0, 1]}),
    "edges that do not rise": key("completeness.axes", {"magnification": [3, 2]}),
    "map that is no power of two": key("completeness.map_nside", 100),
    "annulus within the core": key("scores.annulus_radius_arcsec", 1.0),
    "declaration of nothing": key("detector.declaration", {"bands": ["g"]}),
    "stores in another cloud": key("stores", "gs://bucket/prefix"),
    "window without a middle": key("realism.probe_window", 40),
    "seed below zero": key("seed", -1),
    "i of a region without it": lambda folder, raw: raw["survey"].update(layout="dr11", region="north", bands=GRIZ),
    "band that no survey has": key("survey.bands", ["g", "r", "y", "z"]),
    "band that is there twice": key("survey.bands", ["g", "r", "z", "z"]),
    "bands in another order": key("survey.bands", ["i", "z", "r", "g"]),
    "no r": key("survey.bands", ["g", "i", "z"]),
    "gain of too few bands": lambda folder, raw: (
        raw["survey"].update(bands=GRIZ),
        raw["injections"].update(gain=dict.fromkeys("grz", 3e4)),
    ),
    "axis of a band that there is not": key("completeness.axes", {"lensed_mag_i": [18, 20, 24]}),
}

OF_SURVEY = {
    "sky that is missing": gone(sky),
    "no sweep": lambda folder, raw: [path.unlink() for path in sky(folder).rglob("sweep-*.fits")],
    "sweep cut short": damaged(sweep),
    "sweep that is no FITS": lambda folder, raw: written(sweep(folder), "hello"),
    "sweep without a column": of_sweep(lambda columns: [c for c in columns if c.name.upper() != "SERSIC"]),
    "flux in mJy": unit("FLUX_R", "mJy"),
    "depths in two units": unit("PSFDEPTH_R", "mag"),
    "two sweeps of one name": _two_of_one_name,
    "older version with more": _older_has_more,
    "list of checksums that is none": _bad_list,
    "no table of bricks": lambda folder, raw: [path.unlink() for path in sky(folder).rglob("survey-bricks*")],
    "table of bricks cut short": damaged(bricks),
    "bricks without a name": of_bricks(without("brickname")),
    "bricks without depth": of_bricks(without("psfdepth_r")),
    "bricks whose depth is no magnitude": of_bricks(column("psfdepth_r", lambda v: v * 0 + 900)),
    "brick that is there twice": of_bricks(column("brickname", lambda v: [v[0]] * len(v))),
    "no brick with files": _no_planes,
    "plane cut short": damaged(lambda folder: plane(folder, "image-g")),
    "plane in ADU": header("image-r", "BUNIT", "ADU"),
    "plane with another zero point": header("image-z", "MAGZERO", 30.0),
    "plane of another shape": _swapped_shape,
    "sky without planes of i": key("survey.bands", GRIZ),
    "sweep without columns of i": lambda folder, raw: (
        of_sweep(lambda columns: [c for c in columns if not c.name.upper().endswith("_I")])(folder, raw),
        raw["survey"].update(bands=GRIZ),
    ),
    "service that nobody serves": key(
        "survey.service", {"url": "http://127.0.0.1:9/cut", "attempts": 1, "timeout_seconds": 2}
    ),
    "random points that are missing": key("survey.randoms", ["none.fits"]),
    "random points without density": randoms(["PSFSIZE_R", "PSFDEPTH_R", "RA", "DEC"]),
    "random points with another density": lambda folder, raw: (
        randoms(["PSFSIZE_R", "PSFDEPTH_R", "RA", "DEC"], DENSITY=2500.0)(folder, raw),
        raw["survey"].update(randoms_density=5000.0),
    ),
    "random points without seeing": randoms(["PSFDEPTH_R", "RA", "DEC"], DENSITY=2500.0),
}

OF_CATALOGUES = {
    "lenses that are missing": gone(lenses),
    "lenses that are empty": lambda folder, raw: written(lenses(folder), ""),
    "lenses without positions": of_lenses(lambda t: t.drop(columns="RA [deg]")),
    "lenses none of which has a position": of_lenses(lambda t: t.assign(**{"RA [deg]": np.nan})),
    "grade that nobody knows": of_lenses(lambda t: t.assign(grading="splendid")),
    "positions in kilometres": of_lenses(lambda t: t.rename(columns={"RA [deg]": "RA [km]"})),
    "column of ours that there is not": catalogue("lenses", columns={"colour": "g"}),
    "column of theirs that there is not": catalogue("lenses", columns={"ra": "alpha"}),
    "lenses of another format": catalogue("lenses", format="desi-sl-vac", channel="follow-up"),
    "lenses of no known kind": lambda folder, raw: (
        os.link(lenses(folder), folder / "lenses.docx"),
        catalogue("lenses", source="lenses.docx")(folder, raw),
    ),
    "packed lenses cut short": _gzip_of_nothing,
    "look-alikes that are missing": gone(lambda folder: sky(folder) / "catalogues" / "contaminants.csv"),
    "look-alikes without a category": catalogue("contaminants", category="column:kind"),
}

OF_TRIALS = {
    "neighbours beyond the rim": key("objects.margin_arcsec", 4.0),
    "cut that its class does not have": key("manifest.confuser_cuts", {"edge_on": {"beauty": 1.0}}),
    "reason that there is not": key("quality.reason_fraction_max", {"ugly": 0.2}),
    "centre below a pixel": key("quality.central_radius_arcsec", 0.1),
    "ring from the very middle": key("quality.sky_ring_px", [0.0, 48.0]),
    "prior that there is not": key("injections.prior", "none-such"),
    "priors that are no YAML": file("injections.prior_file", "priors.yaml", "{a: ["),
    "priors that are a list": file("injections.prior_file", "priors.yaml", "- 1\n"),
    "prior of a shipped name": file("injections.prior_file", "priors.yaml", "observed-colours: {like: compact-arcs}\n"),
    "prior like nothing": file("injections.prior_file", "priors.yaml", "mine: {like: none-such}\n"),
    "prior without quantities": file("injections.prior_file", "priors.yaml", "mine: {q: {measure: uniform}}\n"),
    "magnification that nothing has": key("injections.magnification", [5000.0, 6000.0]),
    "grid where no sky is": key("injections.grid.depth", {"start": 29.0, "stop": 29.0, "step": 1.0}),
    "allocation without trials": file("injections.allocation", "trials.csv", "theta_e,psf_fwhm,depth\n1.0,1.1,23.5\n"),
    "allocation to no cell": file("injections.allocation", "t.csv", "theta_e,psf_fwhm,depth,trials\n9,1.1,23.5,1\n"),
    "allocation of too many": file("injections.allocation", "t.csv", "theta_e,psf_fwhm,depth,trials\n1,1.1,23.5,99\n"),
    "allocation in words": file("injections.allocation", "t.csv", "theta_e,psf_fwhm,depth,trials\n1,1.1,23.5,few\n"),
    "allocation that is empty": file("injections.allocation", "trials.csv", ""),
    "sources that are missing": lambda folder, raw: raw["injections"].update(source="stamps", source_stamps="no.fits"),
    "sources cut short": _sources_cut,
    "sources without redshifts": _sources_without_column,
    "other priors that there are not": key("realism.priors", ["none-such"]),
    "edges of a text": key("completeness.axes", {"host_type": [0.0, 1.0]}),
    "more cells than trials": key("completeness.axes", {"magnification": list(range(20_000))}),
}

OF_DETECTORS = {
    "architecture that nobody registered": key("detector.architecture", "resnet19"),
    "no tier to train on": key("manifest.anchor_tiers", ["literature", "A", "B"]),
    "rate below one in all negatives": key("completeness.false_positive_rates", [0.00001]),
    "no sky to train on": key("manifest.split_fractions", [0.0, 1.0, 0.0]),
    "detector that is missing": key("detector.artifact", "nowhere"),
    "folder with weights alone": _weights_alone,
    "weights that are none": file("detector.artifact", "net.pt", "x"),
    "ONNX that is none": file("detector.artifact", "net.onnx", "x"),
    "file of no known form": file("detector.artifact", "net.docx", "x"),
    "module that there is not": key("detector.artifact", "nomodule_at_all:score"),
    "function that there is not": artifact("net.py:sccore", MEAN),
    "function that fails": artifact("net.py:score", "def score(x):\n    raise RuntimeError('no')\n"),
    "function with two scores": artifact("net.py:score", "def score(x):\n    return x.mean((2, 3))[:, :2]\n"),
    "function that says NaN": artifact("net.py:score", "def score(x):\n    return x.mean((1, 2, 3)) * float('nan')\n"),
    "declaration with an unknown key": artifact("net.py:score", MEAN, colour="red"),
    "detector larger than its images": artifact("net.py:score", MEAN, size=91),
    "detector of another band": artifact("net.py:score", MEAN, bands=["g", "r", "i"]),
    "detector declared twice": _declared_twice,
    "scores without a column": scores(id=[1, 2], value=[0.1, 0.2]),
    "scores that do not vary": scores(id=[1, 2], score=[0.5, 0.5]),
    "ids that are no whole numbers": scores(id=[1.5, 2.5], score=[0.1, 0.2]),
}

OF_PLACES = {
    "report beside nothing": key("report.beside", "none.yaml"),
    "report beside what is not finished": _beside_unfinished,
    "stores below a file": _blocked,
    "stranger in the place of a store": _stranger,
}


def stamps(side=64, set_=None, **survey):
    """Fault: a run on stamps of one's own, in the place of the sky; keys of its set and of the survey."""

    def change(folder, raw):
        (folder / "stamps").mkdir()
        rng = np.random.default_rng(1)
        images = rng.normal(0, 0.005, (12, 3, side, side)).astype("f4")
        ra = np.linspace(10, 200, 12)
        np.savez(folder / "stamps" / "mine.npz", image=images, ra=ra, dec=ra / 10)
        mine = {
            "files": "mine.npz",
            "centre": "pixel",
            "position": {"ra": "ra", "dec": "dec"},
            "psf": {"psfsize": 1.2},
            "depth": 23.5,
            "split": "val",
            **(set_ or {}),
        }
        artifact("net.py:score", MEAN)(folder, raw)
        raw["objects"] = {"lenses": []}
        raw["cutouts"]["size"] = 64
        raw["completeness"]["false_positive_rates"] = [0.25]
        raw["survey"] = {"layout": "stamps", "root": "stamps", "sets": {"mine": mine}, **survey}

    return change


def _of_stamps(edit, **words):
    """Fault: stamps, and another change."""

    def change(folder, raw):
        stamps(**words)(folder, raw)
        edit(folder, raw)

    return change


OF_STAMPS = {
    "stamps that are missing": stamps(root="nowhere"),
    "stamps of no such name": stamps(set_={"files": "yours.npz"}),
    "set with an unknown key": stamps(set_={"colour": "red"}),
    "profile that nobody declares": stamps(profiles=["yours"]),
    "profile that is refused": stamps(profiles=["des_lrg"]),
    "stamps without i": stamps(bands=GRIZ),
    "stamps whose depth in i is not given": stamps(
        set_={"bands": GRIZ, "depth": {"g": 24.0, "r": 23.5, "z": 22.5}}, bands=GRIZ
    ),
    "profiles that are no YAML": _of_stamps(file("survey.profiles_file", "own.yaml", "{a: [")),
    "profiles without files": _of_stamps(file("survey.profiles_file", "own.yaml", "mine: {bands: [g]}\n")),
    "set that says other bands": stamps(set_={"bands": ["g", "r"]}),
    "set without a centre": stamps(set_={"centre": None}),
    "set of another array": stamps(set_={"array": "pixels"}),
    "set without a PSF": stamps(set_={"psf": "star"}),
    "set whose PSF is nowhere": stamps(set_={"psf": {"image": "psf"}}),
    "set whose weights are nowhere": stamps(set_={"weight": "w"}),
    "set whose fields are nowhere": stamps(set_={"fields": {"pool": "kind"}}),
    "set with fields that nothing reads": stamps(set_={"fields": {"colour": "ra"}}),
    "stamps smaller than cutouts": _of_stamps(lambda folder, raw: None, side=48),
    "stamps outside of the grid": stamps(set_={"depth": 21.0}),
    "rate below one in all stamps": _of_stamps(key("completeness.false_positive_rates", [0.01])),
    "stamps that train nothing": _of_stamps(lambda folder, raw: raw.update(detector={})),
    "random points beside stamps": stamps(randoms=["a.fits"]),
    "conditions that are declared nowhere": _of_stamps(
        file("survey.profiles_file", "own.yaml", "other: {files: mine.npz}\n"), set_={"psf": "table"}
    ),
}

FAULTS = {**OF_STAMPS, **OF_THE_RUN_FILE, **OF_SURVEY, **OF_CATALOGUES, **OF_TRIALS, **OF_DETECTORS, **OF_PLACES}
