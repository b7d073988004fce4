"""How lenses were selected is known, and spectra meet imaging candidates as an outside matcher has them meet."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from lenscal import objects
from lenscal.config import LensCatalogue
from lenscal.gates import ABSENT, FAIL, PASS
from lenscal.io.tables import lenses as catalogues
from lenscal.objects import channels

FRACTIONS = (0.7, 0.15, 0.15)
STEP = 1 / 3600
VAC = LensCatalogue(name="vac", source="x", format="csv", channel="spectroscopic")
CANDIDATES = LensCatalogue(name="candidates", source="x", format="csv", channel="imaging-ml")


def table(catalogue, ra, grade, dec=0.0, name="DESI-x"):
    raw = pd.DataFrame({"ra": np.asarray(ra, float), "dec": dec, "grade": grade, "name": name})
    return objects.lens_table(raw, catalogue)[0]


@pytest.fixture
def met():
    spectra = table(
        VAC, [10, 10 + STEP, 11, 12, 13], ["confirmed", "confirmed", "confirmed", "confirmed", "probable"], name="s"
    )
    candidates = table(CANDIDATES, [10, 12 + 3 * STEP, 13, 40], "probable")
    return [spectra, candidates]


def values(crossed):
    return crossed.set_index("measure")["value"].to_dict()


def test_spectra_are_counted_with_and_without_a_candidate(met):
    crossed = values(channels.spectra_and_candidates(met, [VAC, CANDIDATES], 5.0))
    assert crossed["entries"] == 5
    assert crossed["entries of high quality"] == 4
    assert crossed["systems of high quality"] == 3  # lens and source fibre are one
    assert crossed["high quality, with an imaging candidate"] == 3
    assert crossed["high quality, without one"] == 1
    assert crossed["all entries, with an imaging candidate"] == 4
    assert crossed["imaging candidates"] == 4
    assert crossed["imaging candidates with a spectrum of high quality"] == 2
    assert crossed["share of the imaging candidates"] == 0.75
    nearer = values(channels.spectra_and_candidates(met, [VAC, CANDIDATES], 2.0))
    assert nearer["high quality, with an imaging candidate"] == 2


def test_a_candidate_in_two_catalogues_is_one(met):
    again = CANDIDATES.model_copy(update={"name": "again"})
    crossed = values(
        channels.spectra_and_candidates([*met, table(again, [10, 50], "probable")], [VAC, CANDIDATES, again], 5.0)
    )
    assert crossed["imaging candidates"] == 5


def test_known_answers_are_a_gate_only_where_they_are_given(met):
    lenses, _ = objects.merge_lenses(met, 2.0, 1, FRACTIONS)
    for known, verdict in ((None, ABSENT), ((3, 1), PASS), ((822, 781), FAIL)):
        item = VAC.model_copy(update={"known_crossmatch": known})
        crossed = channels.spectra_and_candidates(met, [item, CANDIDATES], 5.0)
        gate = next(g for g in channels.gates(lenses, crossed, [item, CANDIDATES]) if g.id == "P0.2")
        assert gate.verdict == verdict


def test_the_ledger_counts_every_lens_once_by_channel(met):
    lenses, _ = objects.merge_lenses(met, 2.0, 1, FRACTIONS)
    survey = pd.DataFrame({"galaxy_id": [1, 2], "ra": [10.0, 11.0], "dec": 0.0})
    matches = objects.match_lenses(lenses, survey, 5.0)
    ledger = channels.ledger(lenses, matches)
    assert ledger["lenses"].sum() == len(lenses) == 6
    assert ledger["matched"].sum() == 2
    assert (ledger[["train", "val", "test"]].sum(axis=1) == ledger["matched"]).all()
    by_channel = ledger.set_index("channel")
    assert set(by_channel.index) == {"imaging-ml", "imaging-ml|spectroscopic", "spectroscopic"}
    assert by_channel["independent"].to_dict() == {
        "imaging-ml": False,
        "imaging-ml|spectroscopic": False,
        "spectroscopic": True,
    }


def test_spectra_of_candidates_are_no_independent_selection(met):
    follow = VAC.model_copy(update={"channel": "follow-up"})
    tables = [table(follow, [10, 20], "confirmed", name="s"), met[1]]
    assert (
        values(channels.spectra_and_candidates(tables, [follow, CANDIDATES], 5.0))[
            "high quality, with an imaging candidate"
        ]
        == 1
    )
    lenses, _ = objects.merge_lenses(tables, 2.0, 1, FRACTIONS)
    ledger = channels.ledger(
        lenses, objects.match_lenses(lenses, pd.DataFrame({"galaxy_id": [1], "ra": [10.0], "dec": 0.0}), 5.0)
    )
    assert not ledger["independent"].any()


def test_a_lens_without_a_channel_fails_the_gate(met):
    lenses, _ = objects.merge_lenses(met, 2.0, 1, FRACTIONS)
    crossed = channels.spectra_and_candidates(met, [VAC, CANDIDATES], 5.0)
    for spoiled, verdict in ((lenses, PASS), (lenses.assign(channel=["", *lenses["channel"][1:]]), FAIL)):
        gate = next(g for g in channels.gates(spoiled, crossed, [VAC, CANDIDATES]) if g.id == "G.1.channels")
        assert gate.verdict == verdict


STAND_INS = {
    "silo": ("sled_silo_talbot21.csv", {"zlens": "redshift_lens", "zsource": "redshift_source", "name": "name"}),
    "two-redshifts": (
        "desi_two_redshift_vi.csv",
        {"ra": "TARGET_RA", "dec": "TARGET_DEC", "name": "TARGETID", "zlens": "Redrock_z", "zsource": "best_z"},
    ),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_real_spectroscopic_catalogues_meet_lenscat_as_astropy_says(real, name):
    file, columns = STAND_INS[name]
    spectra = LensCatalogue(
        name=name, source=str(real / "positives" / file), format="csv", channel="spectroscopic", columns=columns
    )
    lenscat = LensCatalogue(name="lenscat", source="lenscat")
    tables = [objects.lens_table(catalogues.read_lenses(item), item)[0] for item in (spectra, lenscat)]
    crossed = values(channels.spectra_and_candidates(tables, [spectra, lenscat], 5.0))
    candidates = tables[1][tables[1]["imaging_candidate"]].drop_duplicates("lens_id")
    a, b = (SkyCoord(t["ra"].to_numpy(), t["dec"].to_numpy(), unit="deg") for t in (tables[0], candidates))
    _, gap, _ = a.match_to_catalog_sky(b)
    assert crossed["entries"] == len(tables[0]) > 100
    assert crossed["all entries, with an imaging candidate"] == (gap <= 5 * u.arcsec).sum()
    assert len(candidates) > 5000
    assert tables[0]["zlens"].notna().mean() > 0.9
