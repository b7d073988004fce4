"""The table of stages: what each reads and writes, and how it is opened, called and written.

A stage of blocks does each on a worker; a stage of one piece is done here. The science is in the modules that are called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import lenscal
from lenscal import schema
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores
from lenscal.run import catalogue
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, short

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A region of a store."""

    path: Path
    declaration: schema.Declaration
    region: Mapping[str, slice]
    group: str | None = None

    def files(self) -> str:
        """Hash of the versions of its files."""
        return short(folders.versions(self.path, stores.files(self.path, self.declaration, self.region, self.group)))

    def digest(self) -> int:
        """Of what is on disk, as `stores.write_block` gave it.

        Raises
        ------
        ValueError, OSError
            It cannot be read, or the checksum of a chunk is not that of its content.
        """
        dataset = stores.open(self.path, self.group).isel(self.region).load()
        return stores.digest(self.declaration.describe(dataset), self.declaration.block)


class Stage:
    """One stage; the methods say what differs."""

    name: str
    reads: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    parallel = True

    def inputs(self, place: Place) -> dict:
        """Fingerprints of what comes from outside."""
        return {}

    def products(self, place: Place) -> list[Path]:
        """What the stage writes."""
        return [place.path(f"{self.name}.zarr")]

    def prepare(self, place: Place) -> None:
        """Create what the blocks fill."""

    def blocks(self, place: Place) -> list[Block]:
        """The plan."""
        return [Block("whole")]

    def part(self, place: Place, block: Block) -> Part | None:
        """What a block fills of a store; None for a stage that writes files of its own."""
        return None

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        """One block."""
        raise NotImplementedError

    def tell(self, ledger: Ledger) -> str:
        """A remark on the blocks that are done so far, while others go on."""
        return ""

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        """What can be said only of the whole: gates, ledgers, and a further digest (0 when there is none)."""
        return [], {}, 0

    def rows(self, place: Place, outcomes: Sequence[Outcome]) -> int:
        """Rows of the product."""
        return sum(outcome.rows for outcome in outcomes)


def fingerprint(path: str | Path, hint: str = "check the run file") -> str:
    """Of a file: its content. Of a survey: its list of checksums where it has one, else the names and sizes of its sweeps."""
    from lenscal.io import sweeps

    if sweeps.is_remote(path):
        return sweeps.listing(path)
    path = Path(path)
    if path.is_dir():
        for name in ("sha256sums.txt", "SHA256SUMS"):
            if (path / name).exists():
                path = path / name
                break
        else:
            return sweeps.listing(path)
    if not path.exists():
        raise stores.StoreError(f"input '{path}' is missing; {hint}")
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, changed: int) -> str:
    """Of a file's content, read once for as long as it stays as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _survey(place: Place) -> str:
    survey = place.settings.survey
    return fingerprint(survey.root, "draw the embedded sky with `lenscal mock RUNFILE`" if survey.mock else "check survey.root of the run file")


def _save_tables(folder: Path, tables: Mapping[str, pd.DataFrame | None], aside: Sequence[str] = ()) -> int:
    """Write tables as Parquet; the sum of their digests, columns named in `aside` left out of them."""
    digests = []
    for name, table in tables.items():
        if table is not None:
            digest = stores.write_table(folder / f"{name}.parquet", table)
            digests.append(stores.digest_table(table.drop(columns=list(aside))) if aside else int(digest, 16))
    return stores.add_digests(digests)


class Objects(Stage):
    name = "objects"
    sections = ("objects",)

    def inputs(self, place: Place) -> dict:
        settings = place.settings
        found = {"survey": _survey(place)} if settings.survey.layout == "dr10" else {}
        catalogues = [*settings.objects.lenses, *settings.objects.contaminants]
        found |= {c.name: version("lenscat") if c.source == "lenscat" else fingerprint(c.source) for c in catalogues}
        return found | {Path(t).name: fingerprint(t) for t in settings.objects.galaxy_tables}

    def products(self, place: Place) -> list[Path]:
        return [place.path("objects")]

    def blocks(self, place: Place) -> list[Block]:
        from lenscal.io import sweeps

        if place.settings.survey.layout != "dr10":
            return []
        return [Block(sweeps.stem_of(path), {"path": str(path)}) for path in sweeps.sweep_files(place.settings.survey.root)]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        return catalogue.import_sweep(place, block.part["path"], block.name)

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import channels, objects
        from lenscal.io import catalogues, sweeps

        settings = place.settings
        ledgers = {"galaxies": sum((o.ledger for o in outcomes), Ledger(0, 0))}
        tables, told = [], []
        for item in settings.objects.lenses:
            table, ledger = objects.lens_table(catalogues.read_lenses(item), item)
            tables.append(table)
            ledgers[f"lenses.{item.name}"] = ledger
            told += catalogue.accounts(item.name, ledger, {"redshift unreadable": table.attrs["unreadable_redshifts"]})
        lenses, ledgers["lenses"] = objects.merge_lenses(
            tables, settings.objects.merge_radius_arcsec, settings.seed, settings.manifest.split_fractions
        )
        contaminants = []
        for item in settings.objects.contaminants:
            table, ledger = objects.contaminant_table(catalogues.read_contaminants(item), item)
            contaminants.append(table)
            ledgers[f"contaminants.{item.name}"] = ledger
            told += catalogue.accounts(item.name, ledger)
        contaminants = (
            pd.concat(contaminants, ignore_index=True)
            if contaminants
            else pd.DataFrame({n: pd.Series(dtype="str" if v.dtype == "str" else v.dtype) for n, v in schema.CONTAMINANTS.variables.items()})
        )
        radius = settings.objects.match_radius_arcsec
        if settings.survey.layout == "dr10":
            names = [sweeps.name_of(block.part["path"]) for block in self.blocks(place)]
            notes = catalogue.finish_import(place, names, [o.ledger for o in outcomes])
            footprint = notes["footprint"]["healpix_128"].to_numpy()
            hits, look_alikes = catalogue.meet(place, [catalogue.Targets(t, radius) for t in (lenses, contaminants)])
        else:
            notes, rows = {}, self._rows(place)
            footprint = objects.covered(rows)
            hits, look_alikes = (objects.meet(t, rows, radius) for t in (lenses, contaminants))
        matches = objects.matches_of(lenses, hits, footprint)
        crossed = channels.spectra_and_candidates(tables, settings.objects.lenses, radius)
        products = {
            "catalogues": pd.DataFrame(told, columns=["catalogue", "what", "rows"]), "crossmatch": objects.match_report(lenses, matches), "spectra": crossed, "channels": channels.ledger(lenses, matches),
            "lenses": lenses, "matches": matches, "neighbours": objects.neighbours_of(lenses, hits),
            "contaminants": objects.contaminants_of(contaminants, look_alikes), **notes,
        }  # fmt: skip
        digest = _save_tables(place.path("objects"), products)
        gates = objects.gates(lenses, matches, settings.objects)
        gates += channels.gates(lenses, crossed, settings.objects.lenses)
        gates += [ledger.gate(f"objects.{name}") for name, ledger in ledgers.items()]
        return gates, ledgers, digest

    @staticmethod
    def _rows(place: Place) -> pd.DataFrame:
        """Rows of the tables that stand in for the survey."""
        from lenscal.io import catalogues

        parts = []
        for number, path in enumerate(place.settings.objects.galaxy_tables):
            table = catalogues.read_table(path)
            table = table.rename(columns=str.lower)[["ra", "dec"]].astype("float64")
            ids = (np.int64(1000 + number) << 22) + np.arange(len(table), dtype=np.int64)
            parts.append(table.assign(galaxy_id=ids))
        parts = parts or [pd.DataFrame({"ra": pd.Series(dtype=float), "dec": pd.Series(dtype=float), "galaxy_id": pd.Series(dtype="int64")})]
        return pd.concat(parts, ignore_index=True)


class Manifest(Stage):
    name = "manifest"
    reads = ("objects",)
    sections = ("manifest",)

    def inputs(self, place: Place) -> dict:
        from lenscal.io.stamps.profiles import DECLARED

        return {"profiles": fingerprint(DECLARED)} if place.settings.survey.layout == "stamps" else {}

    def products(self, place: Place) -> list[Path]:
        return [place.path("manifest"), place.path("manifest-notes")]

    def blocks(self, place: Place) -> list[Block]:
        if place.settings.survey.layout != "dr10":
            return []
        return [Block(f"{leaf:08d}", {"leaf": leaf}) for leaf in place.galaxies.leaves]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        catalogue.scan_leaf(place, block.part["leaf"], block.name)
        return Outcome(0)  # what is scanned is no product; the sample is, and it does not depend on the leaves

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        settings = place.settings
        built = self._built(place)
        table = schema.MANIFEST.check_table(built.table)
        pixel = table["healpix_64"].to_numpy()
        pixel = np.where(pixel >= 0, pixel >> 4, -1)
        tables = {f"Npix-{value:04d}" if value >= 0 else "Npix-none": table[pixel == value] for value in np.unique(pixel)}
        digest = _save_tables(place.path("manifest"), tables, aside=["git_commit"])  # the same sample, whatever commit drew it
        notes = {"waterfall": built.waterfall, "strata": built.strata, "balance": built.balance}
        digest += _save_tables(place.path("manifest-notes"), notes)
        gates = [*built.gates, built.ledger.gate("manifest")]
        if settings.survey.layout == "stamps":
            gates.append(place.survey.ledger.gate("stamps"))
        return gates, {"manifest": built.ledger}, stores.add_digests([digest])

    def rows(self, place: Place, outcomes: Sequence[Outcome]) -> int:
        return len(place.manifest)

    def _built(self, place: Place) -> object:
        from lenscal import manifest

        settings = place.settings
        provenance = {
            "pipeline_version": lenscal.__version__,
            "git_commit": lenscal.commit(),
            "extraction_timestamp": settings.timestamp,
        }
        if settings.survey.layout == "stamps":
            return manifest.external(place.survey.rows(), settings.manifest, settings.seed, provenance)
        names = [block.name for block in self.blocks(place)]
        seen = manifest.merged(catalogue.scans(place, names), place.reservoirs, settings.seed)
        drawn = manifest.draw(seen, place.positives, settings.manifest, settings.seed)
        return manifest.assemble(
            catalogue.gather(place, drawn.rows), drawn, seen, place.positives, place.lenses,
            place.table("objects/contaminants.parquet"), settings.manifest, settings.seed, provenance,
        )  # fmt: skip


_OF_THE_SKY = ("position", "outside", "no coverage")
"""Kinds of failed cutouts that are no fault of the files."""


class Cutouts(Stage):
    name = "cutouts"
    reads = ("manifest",)
    sections = ("cutouts",)

    def inputs(self, place: Place) -> dict:
        survey = place.settings.survey
        found = {"survey": _survey(place), "layer": survey.layer}
        return found if survey.service is None else found | {"service": survey.service.url, "planes": survey.service.planes}

    def prepare(self, place: Place) -> None:
        from lenscal import cutouts

        settings = place.settings.cutouts
        # The first rows tell whether this survey brings PSF images, and of what size.
        first = cutouts.cut(place.manifest.iloc[:1], place.survey.read, settings)
        sizes = {"galaxy": len(place.manifest), **{dim: size for dim, size in first.sizes.items() if dim != "galaxy"}}
        stores.create(
            place.path("cutouts.zarr"),
            schema.CUTOUTS,
            sizes,
            {"band": first["band"].values},
            place.attrs(pixel_scale_arcsec=schema.PIXEL_SCALE, psf_includes_pixel=1, rounding_nanomaggy=cutouts.rounding_step(settings)),
            block=settings.block,
            skip=[name for name, v in schema.CUTOUTS.variables.items() if not v.required and name not in first],
        )

    def blocks(self, place: Place) -> list[Block]:
        return _galaxy_blocks(len(place.manifest), place.settings.cutouts.block)

    def part(self, place: Place, block: Block) -> Part:
        return Part(place.path("cutouts.zarr"), schema.CUTOUTS, {"galaxy": slice(block.part["start"], block.part["stop"])})

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import cutouts

        part = slice(block.part["start"], block.part["stop"])
        dataset = cutouts.cut(place.manifest.iloc[part], place.survey.read, place.settings.cutouts)
        failures = pd.Series(dataset["failure"].values.astype(object))
        kinds = failures[failures != ""].str.split(":").str[0]
        broken = failures[kinds.index[~kinds.isin(_OF_THE_SKY)]]
        if len(broken) and place.settings.cutouts.broken == "stop":
            raise stores.StoreError(
                f"{len(broken)} galaxies have no pixels; the first: {broken.iloc[0]} "
                "(mend the files, or set cutouts.broken: count to keep such galaxies as failed rows)"
            )
        digest = stores.write_block(
            place.path("cutouts.zarr"), schema.CUTOUTS, dataset, {"galaxy": part}, block=place.settings.cutouts.block
        )
        return Outcome(digest, part.stop - part.start, Ledger(len(failures), int((failures == "").sum()), kinds.value_counts().to_dict()))

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        rows = len(place.manifest)
        gates = [
            ledger.gate("cutouts"),
            Gate("cutouts.rows", "every galaxy of the manifest has a row in the cutouts", "rows", ledger.rows_in, rows, rows, critical=True),
        ]
        return gates, {"cutouts": ledger}, 0


def _galaxy_blocks(rows: int, block: int) -> list[Block]:
    starts = range(0, rows, block)
    return [Block(f"{start:09d}", {"start": start, "stop": min(start + block, rows)}) for start in starts]


class Quality(Stage):
    name = "quality"
    reads = ("cutouts",)
    sections = ("quality",)

    def products(self, place: Place) -> list[Path]:
        return [place.path("quality.zarr"), place.path("quality")]

    def prepare(self, place: Place) -> None:
        cutouts = place.store("cutouts")
        stores.create(
            place.path("quality.zarr"),
            schema.QUALITY,
            {"galaxy": cutouts.sizes["galaxy"], "band": cutouts.sizes["band"], **schema.LAG_SIZES},
            {"band": cutouts["band"].values},
            place.attrs(),
            block=place.settings.quality.block,
        )

    def blocks(self, place: Place) -> list[Block]:
        return _galaxy_blocks(place.store("cutouts").sizes["galaxy"], place.settings.quality.block)

    def part(self, place: Place, block: Block) -> Part:
        return Part(place.path("quality.zarr"), schema.QUALITY, {"galaxy": slice(block.part["start"], block.part["stop"])})

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import quality

        part = slice(block.part["start"], block.part["stop"])
        cutouts = place.store("cutouts").isel(galaxy=part).load()
        dataset = quality.measure(cutouts, self._stars(place), place.settings.quality).compute()
        quality.check_block(dataset, block.name, place.settings.quality)
        digest = stores.write_block(
            place.path("quality.zarr"), schema.QUALITY, dataset, {"galaxy": part}, block=place.settings.quality.block
        )
        reasons = pd.Series(dataset["reason"].values.astype(object))
        ok = dataset["cutout_ok"].values
        ledger = Ledger(ok.size, int(ok.sum()), reasons[~ok].value_counts().to_dict())
        return Outcome(digest, ok.size, ledger, summary=quality.summary(dataset, block.name))

    def tell(self, ledger: Ledger) -> str:
        most = sorted(ledger.dropped.items(), key=lambda item: -item[1])[:2]
        return f"{100 * ledger.rows_out / max(1, ledger.rows_in):.1f} % fit for use" + "".join(f", {n} {reason}" for reason, n in most)

    @staticmethod
    def _stars(place: Place) -> pd.DataFrame:
        return place.stars

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import quality

        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        measured = place.store("quality").load()
        table = quality.partitions([outcome.summary for outcome in outcomes])
        cutouts = place.store("cutouts").reset_coords()
        drawn = cutouts[["galaxy_id", "band", "image", "mask"]].isel(galaxy=quality.shown(measured)).load()
        origin = cutouts["layer_version"].values.astype(object)
        files = quality.page(measured, drawn, table, origin, place.settings.quality, place.attrs())
        for name, content in files.items():
            stores.write_bytes(place.path("quality") / name, content)
        stores.write_table(place.path("quality") / "partitions.parquet", table)
        return [ledger.gate("quality"), *quality.gates(measured, place.settings.quality)], {"quality": ledger}, 0


class Injections(Stage):
    name = "injections"
    reads = ("cutouts", "quality")
    sections = ("injections",)

    def inputs(self, place: Place) -> dict:
        from lenscal.injections import priors

        settings = place.settings.injections
        found = {"prior": priors.named(settings.prior, settings.more_priors)}
        return found | ({"source_stamps": fingerprint(settings.source_stamps)} if settings.source == "stamps" else {})

    def products(self, place: Place) -> list[Path]:
        return [place.path("injections.zarr"), place.path("hosts.parquet")]

    def prepare(self, place: Place) -> None:
        from lenscal import injections

        settings = place.settings.injections
        hosts, ledger = injections.assign_hosts(place.usable, settings, place.settings.seed)
        stores.write_table(place.path("hosts.parquet"), hosts)
        stores.write_json(place.plans / "injections" / "hosts.json", {"rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "dropped": dict(ledger.dropped)})
        sizes = {dim: len(getattr(settings.grid, dim).centres) for dim in ("theta_e", "psf_fwhm", "depth")}
        coords = {dim: getattr(settings.grid, dim).centres for dim in sizes}
        sizes |= {"trial": settings.trials, "band": len(schema.BANDS), "y": settings.size, "x": settings.size}
        stores.create(
            place.path("injections.zarr"),
            schema.INJECTIONS,
            sizes,
            coords | {"band": np.array(schema.BANDS)},
            place.attrs(prior=settings.prior, source=settings.source, inner_images=int(settings.inner_images)),
            skip=() if settings.keep_images else ("image",),
        )

    def blocks(self, place: Place) -> list[Block]:
        return _cell_blocks(place)

    def part(self, place: Place, block: Block) -> Part:
        return Part(place.path("injections.zarr"), schema.INJECTIONS, _cell_region(block))

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import injections

        settings = place.settings
        grid = settings.injections.grid
        i, j = block.part["psf_fwhm"], block.part["depth"]
        psf, depth = grid.psf_fwhm.centres[i], grid.depth.centres[j]
        hosts = place.table("hosts.parquet")
        cell = hosts[np.isclose(hosts["psf_fwhm"], psf) & np.isclose(hosts["depth"], depth)].sort_values("rank", ignore_index=True)
        drawn = injections.draw(psf, depth, cell, settings.injections, settings.seed, sources=place.sources)
        pixels = host_pixels(place, cell["position"].to_numpy()[: settings.injections.trials])
        dataset = injections.inject(drawn, pixels, settings.injections, settings.seed, sources=place.sources)
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        digest = stores.write_block(place.path("injections.zarr"), schema.INJECTIONS, dataset, region)
        failure = pd.Series(dataset["failure"].values.astype(object).ravel())
        return Outcome(digest, failure.size, Ledger(failure.size, int((failure == "").sum()), failure[failure != ""].value_counts().to_dict()))

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import injections

        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        hosts = Ledger(**json.loads((place.plans / "injections" / "hosts.json").read_text()))
        gates = injections.gates(place.store("injections").load(), place.table("hosts.parquet"), place.settings.injections)
        return [hosts.gate("hosts"), ledger.gate("injections"), *gates], {"hosts": hosts, "injections": ledger}, 0


def _cell_blocks(place: Place) -> list[Block]:
    grid = place.settings.injections.grid
    return [
        Block(f"psf{psf:.3f}-depth{depth:.2f}", {"psf_fwhm": i, "depth": j})
        for i, psf in enumerate(grid.psf_fwhm.centres)
        for j, depth in enumerate(grid.depth.centres)
    ]


def _cell_region(block: Block) -> dict[str, slice]:
    return {dim: slice(block.part[dim], block.part[dim] + 1) for dim in ("psf_fwhm", "depth")}


def host_pixels(place: Place, positions: np.ndarray) -> xr.Dataset:
    """Cutouts and quality of the hosts at these rows, in memory."""
    rows = np.sort(np.asarray(positions, dtype=np.int64))
    pixels = place.store("cutouts").isel(galaxy=rows)
    quality = place.store("quality").reset_coords().isel(galaxy=rows)
    names = [name for name in ("sigma", "noise_correlation", "noise_lags") if name in quality]
    return pixels.assign({name: quality[name] for name in names}).load()


class Detector(Stage):
    name = "detector"
    sections = ("detector",)
    parallel = False

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("cutouts", "quality")

    def inputs(self, place: Place) -> dict:
        frozen = place.settings.detector.frozen
        hint = "check detector.frozen of the run file, or run what trains it (real-sample.yaml takes that of small.yaml: `make audit`)"
        return {"frozen": fingerprint(Path(frozen) / "detector.json", hint)} if frozen else {}

    def products(self, place: Place) -> list[Path]:
        return [place.path("detector")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import detector

        settings = place.settings.detector
        folder = place.path("detector")
        if settings.frozen:
            files = {name: (Path(settings.frozen) / name).read_bytes() for name in ("weights.pt", "detector.json")}
            frozen = detector.load(files)
            say(f"detector {frozen.hash[:12]} brought by the run file")
        else:
            cutouts = place.store("cutouts").reset_coords()
            cutouts = cutouts.assign(cutout_ok=place.store("quality").reset_coords()["cutout_ok"])
            frozen, history = detector.train(
                cutouts.set_coords(list(schema.GALAXY_COORDS)),
                settings,
                place.settings.seed,
                lambda epoch, epochs, metrics: say(f"epoch {epoch}/{epochs} " + " ".join(f"{k} {v:.4g}" for k, v in metrics.items())),
            )
            files = detector.dump(frozen)
            stores.write_table(folder / "history.parquet", history)
            stores.write_json(folder / "history.json", {k: str(v) for k, v in history.attrs.items()})
        for name, content in files.items():
            stores.write_bytes(folder / name, content)
        return Outcome(int(frozen.hash[:32], 16), 1)


class Scores(Stage):
    name = "scores"
    reads = ("cutouts", "quality", "injections", "detector")
    sections = ("scores",)

    def inputs(self, place: Place) -> dict:
        return {"false_positive_rates": place.settings.completeness.false_positive_rates}

    def prepare(self, place: Place) -> None:
        path = place.path("scores.zarr")
        cutouts, injections = place.store("cutouts"), place.store("injections")
        attrs = place.attrs(detector_hash=place.detector.hash) | not_scientific(place)
        stores.write_group(path, xr.Dataset(attrs={"schema": "scores", "schema_version": schema.VERSION, **attrs}))
        stores.create(
            path, schema.SCORES_CUTOUTS, {"galaxy": cutouts.sizes["galaxy"]}, {}, attrs, group="cutouts", block=self._block(place)
        )
        axes = ("theta_e", "psf_fwhm", "depth")
        sizes = {dim: injections.sizes[dim] for dim in (*axes, "trial")}
        stores.create(path, schema.SCORES_INJECTIONS, sizes, {d: injections[d].values for d in axes}, attrs, group="injections")

    @staticmethod
    def _block(place: Place) -> int:
        return place.settings.cutouts.block

    def blocks(self, place: Place) -> list[Block]:
        galaxies = _galaxy_blocks(place.store("cutouts").sizes["galaxy"], self._block(place))
        return [*(Block(f"cutouts-{b.name}", b.part) for b in galaxies), *(Block(f"injections-{b.name}", b.part) for b in _cell_blocks(place))]

    def part(self, place: Place, block: Block) -> Part:
        path = place.path("scores.zarr")
        if "start" in block.part:
            return Part(path, schema.SCORES_CUTOUTS, {"galaxy": slice(block.part["start"], block.part["stop"])}, "cutouts")
        return Part(path, schema.SCORES_INJECTIONS, _cell_region(block), "injections")

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import scores

        path = place.path("scores.zarr")
        if "start" in block.part:
            part = slice(block.part["start"], block.part["stop"])
            cutouts = place.store("cutouts").isel(galaxy=part).load()
            quality = place.store("quality").isel(galaxy=part).load()
            dataset = scores.score_cutouts(cutouts, quality, place.detector)
            digest = stores.write_block(
                path, schema.SCORES_CUTOUTS, dataset, {"galaxy": part}, group="cutouts", block=self._block(place)
            )
            return Outcome(digest, part.stop - part.start)
        i, j = block.part["psf_fwhm"], block.part["depth"]
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        injected = place.store("injections").isel(region).load()
        dataset = scores.score_injections(injected, self._images(place), place.detector, place.settings.scores.batch)
        return Outcome(stores.write_block(path, schema.SCORES_INJECTIONS, dataset, region, group="injections"), dataset["score"].size)

    @staticmethod
    def _images(place: Place) -> Callable[[xr.Dataset], np.ndarray]:
        return lambda block: injected_images(place, block)

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import scores

        scored = place.store("scores", "cutouts").load()
        thresholds = scores.thresholds(scored, place.settings.completeness.false_positive_rates)
        stores.write_group(place.path("scores.zarr"), thresholds.assign_attrs(schema_version=schema.VERSION), "thresholds")
        history = place.path("detector") / "history.parquet"
        gates = scores.gates(scored, stores.read_table(history) if history.exists() else None, place.detector)
        return gates, {}, 0


def injected_images(place: Place, block: xr.Dataset) -> np.ndarray:
    """The images of these injections, rendered again: (injection, band, y, x), nanomaggy."""
    from lenscal import injections

    ids = np.unique(block["galaxy_id"].values)
    cutout_ids = place.store("cutouts")["galaxy_id"].values
    positions = np.flatnonzero(np.isin(cutout_ids, ids[ids >= 0]))
    settings = place.settings
    return injections.images(block, host_pixels(place, positions), settings.injections, settings.seed, sources=place.sources)


def not_scientific(place: Place) -> dict:
    """The mark of a quick baseline (requirement M.3), as an attribute."""
    frozen = place.settings.detector.frozen
    if place.settings.detector.scientific:
        return {}
    what = "a detector brought by the run file and trained on the embedded (mock) sky" if frozen else "a quick baseline detector"
    return {"not_scientific": f"not scientific: made with {what}"}


class Completeness(Stage):
    name = "completeness"
    reads = ("injections", "scores")
    sections = ("completeness",)
    parallel = False

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness

        settings = place.settings
        thresholds = place.store("scores", "thresholds").load()
        injected = place.store("injections")
        scored = place.store("scores", "injections")
        counts = completeness.count(injected.load(), scored.load(), thresholds, settings.completeness)
        cube = completeness.posterior(counts, settings.completeness)
        occupancy = completeness.occupancy(self._bricks(place), place.table("hosts.parquet"), settings.injections.grid)
        cube = cube.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
        attrs = place.attrs(detector_hash=place.detector.hash, prior=settings.injections.prior) | not_scientific(place)
        digest = stores.write(place.path("completeness.zarr"), schema.COMPLETENESS, cube, {**occupancy.attrs, **cube.attrs, **attrs})
        return Outcome(digest, int(counts["n_injected"].sum()), gates=tuple(completeness.gates(cube)))

    @staticmethod
    def _bricks(place: Place) -> pd.DataFrame:
        if place.settings.survey.layout != "dr10":
            return pd.DataFrame({name: pd.Series(dtype=float) for name in ("psfsize_r", "psfdepth_r", "area")})
        return place.survey.bricks()


class Failures(Stage):
    name = "failures"
    reads = ("scores", "injections", "completeness")
    sections = ("failures",)
    parallel = False

    def products(self, place: Place) -> list[Path]:
        return [place.path("failures")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import failures

        thresholds = place.store("scores", "thresholds").load()
        scored = place.store("scores", "cutouts").load()
        injected, scores = place.store("injections").load(), place.store("scores", "injections").load()
        tables = {
            "false_positives": failures.false_positives(scored, thresholds),
            "missed": failures.missed(injected, scores, thresholds),
            "missed_lenses": failures.missed_lenses(scored, thresholds),
            "collapsed": failures.collapsed(place.store("completeness").load()),
            "gallery": failures.gallery(scored, injected, scores, place.settings.failures.gallery),
        }
        digest = _save_tables(place.path("failures"), tables)
        return Outcome(digest, sum(map(len, tables.values())), gates=tuple(failures.gates(scored, thresholds, tables["false_positives"])))


class Realism(Stage):
    name = "realism"
    reads = ("cutouts", "quality", "injections", "detector", "scores")
    sections = ("realism", "injections")
    parallel = False

    def inputs(self, place: Place) -> dict:
        from lenscal.injections import priors

        settings = place.settings.realism
        stamps = settings.source_stamps or place.settings.injections.source_stamps
        more = place.settings.injections.more_priors
        known = priors.prior_sets(more)
        if unknown := [name for name in settings.priors if name not in known]:
            raise stores.StoreError(f"realism.priors names '{unknown[0]}', which is no set of priors; there are {', '.join(known)}")
        found: dict = {"priors": {name: known[name] for name in settings.priors}}
        return found | ({"source_stamps": fingerprint(stamps)} if stamps and "stamps" in settings.morphologies else {})

    def products(self, place: Place) -> list[Path]:
        return [place.path("realism")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import realism
        from lenscal.run import comparison

        settings, seed = place.settings.realism, place.settings.seed
        injections = place.store("injections")
        trials = realism.trials(injections.drop_vars("image", errors="ignore").load())
        real, ledger = realism.anchors(comparison.galaxies(place), settings, seed)
        say(f"{len(real)} real lenses")
        table, samples = comparison.samples(place, real, trials)
        changes, inner = comparison.sensitivity(place, trials, say)
        tables = realism.judge(*samples, changes, settings, seed)
        matched = table[table["sample"] == "injected"]
        tables |= {"measures": table, "sensitivity": changes, "inner": inner, "panel": comparison.panel(place, real, matched)}
        digest = _save_tables(place.path("realism"), tables)
        gates = (ledger.gate("realism.anchors"), *realism.gates(tables["criteria"]))
        return Outcome(stores.add_digests([digest]), len(table), ledger, gates)


class Report(Stage):
    name = "report"
    reads = ("objects", "manifest", "cutouts", "quality", "injections", "detector", "scores", "completeness", "failures", "realism")
    sections = ("report",)
    parallel = False

    def products(self, place: Place) -> list[Path]:
        return [place.path("report")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import report
        from lenscal.run.summary import report_inputs

        files = report.write(report_inputs(place))
        for name, content in files.items():
            stores.write_bytes(place.path("report") / name, content)
        return Outcome(int.from_bytes(stores.digest_files(place.path("report")), "little"), len(files))


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Objects(), Manifest(), Cutouts(), Quality(), Injections(), Detector(), Scores(), Completeness(), Failures(), Realism(), Report(),
    )
}  # fmt: skip
"""Every stage, in the order of work."""
