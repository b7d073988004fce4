"""A look-alike is what its image shows: each category has one image that shows it and one that does not, and none
is dropped without a word.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage

from lenscal import schema
from lenscal.gates import ABSENT, FAIL, PASS
from lenscal.quality import lookalikes

SIDE, SIGMA, FWHM = 101, 0.01, 4.0  # pixels
Y, X = np.indices((SIDE, SIDE)) - 50.0
R = np.hypot(X, Y)
PLAIN = 3 * np.exp(-0.5 * R**2 / 5.0**2)
LONG = 3 * np.exp(-0.5 * (X**2 / 12.0**2 + Y**2 / 3.0**2))
PAIR = PLAIN + 2 * np.exp(-0.5 * ((X - 16) ** 2 + Y**2) / 2.5**2)
CLUMPS = PLAIN + sum(
    2 * np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / 1.5**2) for x, y in ((7, 3), (-5, 8), (-8, -6), (4, -9), (10, -4))
)
RING = np.exp(-0.5 * R**2 / 3.0**2) + 0.5 * np.exp(-0.5 * (R - 14) ** 2 / 2.0**2)
STAR = np.where(R == 0, 60.0, 0.0)
WITNESS = {
    "edge_on": (LONG, PLAIN),
    "face_on_disk": (PLAIN, LONG),
    "blue_clumpy": (CLUMPS, PLAIN),
    "blend_merger": (PAIR, PLAIN),
    "bright_core_companion": (PAIR, PLAIN),
    "residual_structure": (CLUMPS, PLAIN),
    "psf_halo": (STAR, PLAIN),
    "ring": (RING, PLAIN),
    "spiral": (CLUMPS, PLAIN),
    "clumpy": (CLUMPS, PLAIN),
    "merger": (PAIR, PLAIN),
    "blend": (PAIR, PLAIN),
    "overlapping pair": (PAIR, PLAIN),
    "bright-star artefact": (STAR, PLAIN),
}


def cutouts_of(lights, masks=None):
    """Cutouts and quality of images, numbered from 1."""
    rng = np.random.default_rng(2)
    images = np.stack(
        [ndimage.gaussian_filter(light, FWHM / 2.3548) + rng.normal(0, SIGMA, light.shape) for light in lights]
    )
    n = len(lights)
    cutouts = xr.Dataset(
        {
            "image": (("galaxy", "band", "y", "x"), np.stack([0 * images, images, 0 * images], 1).astype("f4")),
            "mask": (("galaxy", "y", "x"), np.zeros((n, SIDE, SIDE), "i4") if masks is None else masks),
            "psf_fwhm_core": (("galaxy", "band"), np.full((n, 3), FWHM * schema.PIXEL_SCALE, "f4")),
            "galaxy_id": ("galaxy", np.arange(1, n + 1)),
        },
        coords={"band": ["g", "r", "z"]},
    )
    return cutouts, xr.Dataset({"sigma": (("galaxy", "band"), np.full((n, 3), SIGMA, "f4"))})


def said(*claims):
    return pd.DataFrame({"galaxy_id": np.arange(1, len(claims) + 1), "claim": list(claims), "origin": "columns"})


def verdicts(lights, claims, **more):
    table = lookalikes.judged(
        said(*claims), lookalikes.measured(*cutouts_of(lights, **more), np.arange(len(lights))), {}
    )
    return table["verdict"].tolist()


@pytest.mark.parametrize("name", lookalikes.FEATURES)
def test_category_is_confirmed_by_its_witness_and_refuted_by_another(name):
    assert verdicts(WITNESS[name], [name, name]) == ["confirmed", "refuted"]


def test_every_class_of_n2_has_a_feature_to_show():
    assert set(schema.CONFUSERS) <= set(lookalikes.FEATURES)


def test_the_halo_of_a_star_is_told_by_its_mask_bits():
    masks = np.zeros((2, SIDE, SIDE), "i4")
    masks[0, 3, 3] = 1 << schema.MASKBITS["MEDIUM"]
    assert verdicts([PLAIN, PLAIN], ["psf_halo", "psf_halo"], masks=masks) == ["confirmed", "refuted"]


def test_claims_are_the_classes_and_the_catalogued_categories_and_never_of_a_lens():
    bits = {name: 1 << i for i, name in enumerate(schema.CONFUSERS)}
    manifest = pd.DataFrame(
        {
            "galaxy_id": [1, 2, 3, 4],
            "pool": ["N2", "N1", "positive", "N1"],
            "confuser": [bits["edge_on"] | bits["blue_clumpy"], 0, bits["edge_on"], 0],
            "contaminant": ["", "ring|spiral", "ring", ""],
        }
    )
    found = lookalikes.claims(manifest)[["galaxy_id", "claim", "origin"]].to_numpy().tolist()
    assert found == [
        [1, "blue_clumpy", "columns"],
        [1, "edge_on", "columns"],
        [2, "ring", "catalogue"],
        [2, "spiral", "catalogue"],
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *[
            (name, how(name))
            for name in lookalikes.FEATURES
            for how in (
                str.upper,
                str.title,
                lambda n: n.replace("_", " ").replace(" ", "-"),
                lambda n: f" {n.replace(' ', '_')}s ",
            )
        ],
        ("ring", "Ring galaxies"),
        ("ring", "ringed galaxy"),
        ("merger", "interacting galaxies"),
        ("edge_on", "Edge-on disc"),
        ("overlapping pair", "close pair"),
        ("bright-star artefact", "bright star artifact"),
        ("bright-star artefact", "Diffraction spikes"),
        ("spiral", "Spiral Galaxy"),
        ("clumpy", "irregular"),
    ],
)
def test_a_category_is_known_by_other_spellings(name, said):
    assert lookalikes.category(said) == name


def test_names_of_no_category_stay_as_they_are():
    for name in ("planetary nebula", "Quasar", "mass", ""):
        assert lookalikes.category(f" {name} ") == name


def test_spellings_of_one_category_meet_in_the_claims_and_their_counts():
    manifest = pd.DataFrame(
        {"galaxy_id": [1, 2, 3], "pool": "N1", "confuser": 0, "contaminant": ["Ring|ring galaxy", "RINGS", "edge-on"]}
    )
    table = lookalikes.claims(manifest)
    assert table[["galaxy_id", "claim"]].to_numpy().tolist() == [[1, "ring"], [2, "ring"], [3, "edge_on"]]
    found = lookalikes.judged(table, lookalikes.measured(*cutouts_of([RING, PLAIN, LONG]), np.arange(3)), {})
    assert found["verdict"].tolist() == ["confirmed", "refuted", "confirmed"]


def test_what_cannot_be_judged_says_why_and_counts_add_up():
    claims = said("edge_on", "planetary nebula", "edge_on", "edge_on", "edge_on")
    structures = lookalikes.measured(
        *cutouts_of([LONG, LONG, LONG, np.zeros((SIDE, SIDE)), PLAIN]), np.array([0, 1, 3, 4])
    )
    table = lookalikes.judged(claims, structures, {3: "mask in centre"})
    assert table[["verdict", "reason"]].to_numpy().tolist() == [
        ["confirmed", ""],
        ["not judged", "no measure for this category"],
        ["not judged", "cutout not fit for use: mask in centre"],
        ["not judged", "not detected in r, or no noise or PSF"],
        ["refuted", "the image does not show: axis ratio <= 0.5, twice as long as the PSF"],
    ]
    counts = lookalikes.counted(table)
    assert counts[["claim", "before", "confirmed", "refuted", "not_judged"]].to_numpy().tolist() == [
        ["edge_on", 4, 1, 1, 2],
        ["planetary nebula", 1, 0, 0, 1],
    ]
    assert (counts["before"] == counts[["confirmed", "refuted", "not_judged"]].sum(axis=1)).all()


def test_the_gate_fails_on_a_category_that_no_image_bears_out():
    row = {
        "origin": "columns",
        "claim": "edge_on",
        "before": 12,
        "confirmed": 0,
        "refuted": 12,
        "not_judged": 0,
        "reason": "",
    }
    assert lookalikes.gate(pd.DataFrame([row])).verdict == FAIL
    assert lookalikes.gate(pd.DataFrame([{**row, "confirmed": 1, "refuted": 11}])).verdict == PASS
    assert lookalikes.gate(pd.DataFrame([{**row, "refuted": 9}])).verdict == ABSENT
    assert lookalikes.gate(lookalikes.counted(lookalikes.judged(said(), [], {}))).verdict == ABSENT
