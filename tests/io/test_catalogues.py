"""Outside catalogues come in under our names, whatever theirs are; what they lack is said."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from places import ROOT

from lenscal import config, objects
from lenscal.config import ContaminantCatalogue, LensCatalogue
from lenscal.io.tables import lenses as catalogues

LENSCAT = (
    "name,RA [deg],DEC [deg],zlens,type,grading,ref\n"
    "DESI-1,10.5,-3.5,0.272?,galaxy,probable,Huang et al. (2021)\n"
    "B,11,4,0.4 | nan,galaxy,confident,Other\n"
)


def test_the_lenscat_package_is_read_without_importing_it():
    code = (
        "import sys; from lenscal.io.tables import lenses as c; from lenscal.config import LensCatalogue as L;"
        "t = c.read_lenses(L(name='lenscat', source='lenscat')); print(len(t), 'lenscat' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, imported = out.stdout.split()
    assert int(rows) > 30000
    assert imported == "False"


@pytest.mark.parametrize("name", ["lenses.csv", "lenses.csv.gz", "lenses.fits"])
def test_one_catalogue_is_the_same_as_csv_gzip_and_fits(tmp_path, name):
    path = tmp_path / name
    (tmp_path / "plain.csv").write_text(LENSCAT)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(LENSCAT.encode()))
    elif name.endswith(".fits"):
        Table.from_pandas(pd.read_csv(tmp_path / "plain.csv")).write(path)
    else:
        path.write_text(LENSCAT)
    table = catalogues.read_lenses(LensCatalogue(name="x", source=str(path)))
    assert list(table.columns) == ["name", "ra", "dec", "zlens", "grade", "reference"]
    assert table["zlens"].tolist() == ["0.272?", "0.4 | nan"]
    assert table["ra"].tolist() == [10.5, 11]
    assert table["ra"].dtype.isnative


def test_missing_columns_are_named_with_those_found(tmp_path):
    (tmp_path / "a.csv").write_text("name,RA [deg],zlens,grading\nx,1,0.2,probable\n")
    with pytest.raises(
        catalogues.CatalogueError, match=r"lens catalogue 'mine'.*lacks column\(s\) DEC \[deg\] or dec, ref; found name"
    ):
        catalogues.read_lenses(LensCatalogue(name="mine", source=str(tmp_path / "a.csv")))


def test_columns_of_a_run_file_rename(tmp_path):
    (tmp_path / "a.csv").write_text("alpha,delta,id,z_l\n1,2,x,0.3\n")
    settings = {"name": "mine", "source": str(tmp_path / "a.csv"), "format": "csv"}
    columns = {"ra": "alpha", "dec": "delta", "name": "id", "zlens": "z_l"}
    table = catalogues.read_lenses(LensCatalogue(**settings, columns=columns))
    assert table.iloc[0].to_dict() == {"name": "x", "ra": 1, "dec": 2, "zlens": 0.3}
    with pytest.raises(catalogues.CatalogueError, match=r"lacks column\(s\) zz"):
        catalogues.read_lenses(LensCatalogue(**settings, columns={**columns, "zlens": "zz"}))
    with pytest.raises(catalogues.CatalogueError, match=r"columns names .*'colour'"):
        catalogues.read_lenses(LensCatalogue(**settings, columns={"colour": "z_l"}))


def vac(path, rows=4, extension="DESI_SL_CATALOG"):
    table = Table(
        {
            "TARGETID": np.arange(rows) + 39627640566454340,
            "TARGET_RA": np.arange(rows) + 10.0,
            "TARGET_DEC": np.zeros(rows),
            "Z": np.full(rows, 0.5),
            "ZWARN": np.arange(rows) % 2 * 4,
            "COEFF": np.zeros((rows, 10)),
        }
    )
    table.meta["EXTNAME"] = extension
    table.write(path)
    return path


def test_the_spectroscopic_catalogue_is_read_by_its_extension(tmp_path):
    catalogue = LensCatalogue(
        name="vac", source=str(vac(tmp_path / "a.fits")), format="desi-sl-vac", channel="follow-up"
    )
    table = catalogues.read_lenses(catalogue)
    assert table["grade"].tolist() == ["high-quality", "probable"] * 2
    assert table["name"].iloc[0] == 39627640566454340
    other = catalogue.model_copy(update={"source": str(vac(tmp_path / "b.fits", extension="OTHER"))})
    with pytest.raises(catalogues.CatalogueError, match=r"has no extension DESI_SL_CATALOG; found .*OTHER"):
        catalogues.read_lenses(other)


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = vac(tmp_path / "a.fits", 4000)
    path.write_bytes(path.read_bytes()[:50000])
    with pytest.raises(catalogues.CatalogueError, match=r"a\.fits' cannot be read"):
        catalogues.read_table(path)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(LENSCAT.encode() * 50)[:60])
    with pytest.raises(catalogues.CatalogueError, match=r"b\.csv\.gz' cannot be read"):
        catalogues.read_table(tmp_path / "b.csv.gz")
    with pytest.raises(catalogues.CatalogueError, match="does not exist"):
        catalogues.read_table(tmp_path / "absent.csv")
    (tmp_path / "c.xlsx").touch()
    with pytest.raises(catalogues.CatalogueError, match="of no known kind"):
        catalogues.read_table(tmp_path / "c.xlsx")


def test_categories_come_from_the_run_file_or_from_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("ID,RA,DEC,kind\n1,5,6,ring\n2,7,8,spike\n")
    settings = {"name": "mine", "source": str(tmp_path / "a.csv")}
    table = catalogues.read_contaminants(ContaminantCatalogue(**settings, category="column:kind"))
    assert table["category"].tolist() == ["ring", "spike"]
    assert table["ra"].tolist() == [5, 7]
    assert (
        catalogues.read_contaminants(ContaminantCatalogue(**settings, category="merger"))["category"].tolist()
        == ["merger"] * 2
    )
    with pytest.raises(catalogues.CatalogueError, match=r"lacks column\(s\) type"):
        catalogues.read_contaminants(ContaminantCatalogue(**settings, category="column:type"))


@pytest.mark.parametrize(
    ("name", "category", "columns", "rows"),
    [
        ("gz_decals_rings_basic.csv", "ring", {}, 371),
        ("gz_mergers_darg10.csv", "merger", {"ra": "ra1", "dec": "dec1"}, 2166),
        ("hash_planetary_nebulae.csv", "planetary_nebula", {"ra": "DRAJ2000", "dec": "DDECJ2000"}, 2484),
        ("artifact_positions.csv", "column:category", {}, 57),
        ("ngc_ic_in_dr8.fits", "column:classification", {}, 5474),
    ],
)
def test_real_contaminants_are_read(real, name, category, columns, rows):
    catalogue = ContaminantCatalogue(
        name=name, source=str(real / "contaminants" / name), category=category, columns=columns
    )
    table = catalogues.read_contaminants(catalogue)
    assert len(table) == rows
    assert {"name", "ra", "dec", "category"} == set(table.columns)
    assert pd.to_numeric(table["ra"]).between(0, 360).all()


def test_every_contaminant_catalogue_of_dr10_is_read_and_counted_by_category(real):
    settings = config.load(ROOT / "pipelines" / "dr10.yaml")
    tables = []
    for item in settings.objects.contaminants:
        local = item.model_copy(update={"source": str(real / "contaminants" / Path(item.source).name)})
        raw = catalogues.read_contaminants(local)
        table, ledger = objects.contaminant_table(raw, local)
        assert ledger.missing == 0
        assert len(table) > 0.5 * len(raw), item.name
        tables.append(table)
    counts = pd.concat(tables)["category"].value_counts()
    direct = {
        "ring": len(pd.read_csv(real / "contaminants" / "gz_decals_rings_basic.csv")),
        "merger": len(pd.read_csv(real / "contaminants" / "gz_mergers_darg10.csv")),
        "planetary_nebula": len(pd.read_csv(real / "contaminants" / "hash_planetary_nebulae.csv")),
        "spiral": sum(
            len(pd.read_csv(real / "contaminants" / f"gz_{name}.csv")) for name in ("bluespiralsa2", "redspiralsa1")
        ),
    }
    assert counts[list(direct)].to_dict() == direct
    assert len(counts) > 10


def test_real_look_alikes_meet_real_dr10_rows_as_astropy_says(real):
    rows = pd.read_csv(real / "tractor" / "dr10" / "lrg_parent_dr10.csv.gz")
    survey = pd.DataFrame({"galaxy_id": np.arange(len(rows)), "ra": rows["RA"], "dec": rows["DEC"]})
    item = ContaminantCatalogue(
        name="ngc", source=str(real / "contaminants" / "ngc_ic_in_dr8.fits"), category="large_galaxy"
    )
    table, _ = objects.contaminant_table(catalogues.read_contaminants(item), item)
    met = objects.match_contaminants(table, survey, 30.0)
    a, b = (SkyCoord(t["ra"].to_numpy(), t["dec"].to_numpy(), unit="deg") for t in (met, survey))
    index, gap, _ = a.match_to_catalog_sky(b)
    near = gap.arcsec <= 30
    np.testing.assert_array_equal(met["galaxy_id"].to_numpy(), np.where(near, index, -1))
    np.testing.assert_allclose(met["separation"].to_numpy()[near], gap.arcsec[near], atol=1e-3)
