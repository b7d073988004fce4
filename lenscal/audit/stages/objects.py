"""Objects: outside catalogues and sweeps become tables of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, fingerprint, fingerprints, save_tables, sweeps_fingerprint
from lenscal.config import GalaxyTable
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger


def _columns(tables: Sequence[str | GalaxyTable]) -> dict[str, dict]:
    """What the run file says of tables beyond where they are, by their place in the list."""
    return {str(i): item.content() for i, item in enumerate(tables) if not isinstance(item, str)}


class Objects(Audited):
    name = "objects"
    sections = ("objects", "manifest.split_fractions")

    def inputs(self, run: Run) -> dict:
        settings = run.settings
        catalogues = [*settings.objects.lenses, *settings.objects.contaminants]
        return {
            "sweeps": sweeps_fingerprint(run) if run.survey.has_catalogue else "",
            "catalogues": {
                c.name: f"lenscat {version('lenscat')}" if c.source == "lenscat" else fingerprint(c.source)
                for c in catalogues
            },
            "galaxy_tables": fingerprints(
                [item if isinstance(item, str) else item.source for item in settings.objects.galaxy_tables]
            ),
        } | ({"galaxy_columns": columns} if (columns := _columns(settings.objects.galaxy_tables)) else {})

    def products(self, run: Run) -> list[Path]:
        return [run.path("objects")]

    def blocks(self, run: Run) -> list[Block]:
        from lenscal.io import sweeps

        if not run.survey.has_catalogue:
            return []
        survey = run.settings.survey
        files = sweeps.sweep_files(survey.root, survey.sweeps, survey.region)
        return [Block(sweeps.stem_of(sweeps.label_of(path, survey.region)), {"path": str(path)}) for path in files]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal.audit import catalogue  # here: a finished run is looked at without its readers

        return catalogue.import_sweep(run, block.part["path"], block.name)

    def sources(self, run: Run, known: Mapping[str, str]) -> dict[str, str]:
        """Of sweeps: the SHA-256 that the survey published, and the version of the file."""
        from lenscal.audit import published

        return published.checksums_of(run, known)

    def renewed(self, run: Run, block: Block, outcome: Outcome) -> Outcome | None:
        from lenscal.audit import published

        return published.verified(run, block.part["path"], outcome)

    def only_times(self, then: Mapping[str, str], now: Mapping[str, str]) -> bool:
        """Gates speak of the published checksums."""
        return all(now[name].split(" ")[0] == version.split(" ")[0] for name, version in then.items())

    def finish(self, run: Run, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import objects
        from lenscal.audit import catalogue, outside, scanning, sweep_gates
        from lenscal.io import sweeps
        from lenscal.objects import channels

        settings, found = run.settings, outside.read(run.settings)
        lenses, contaminants = found.lenses, found.contaminants
        of_tables: list[Gate] = []
        ledgers = {"galaxies": sum((o.ledger for o in outcomes), Ledger(0, 0)), **found.ledgers}
        radius = settings.objects.match_radius_arcsec
        if run.survey.has_catalogue:
            region = settings.survey.region
            names = [sweeps.label_of(block.part["path"], region) for block in self.blocks(run)]
            codes = {name: (o.summary or {}).get("releases", ()) for name, o in zip(names, outcomes)}
            objects.check_all(codes, settings.survey)
            if region == schema.BOTH:
                objects.check_regions(
                    {one: {n: codes[n] for n in names if n.startswith(one)} for one in schema.REGIONS}
                )
            notes = catalogue.finish_import(run, names, [o.ledger for o in outcomes])
            footprint = notes["footprint"]["healpix_128"].to_numpy()
            hits, look_alikes = scanning.meet(run, [scanning.Targets(t, radius) for t in (lenses, contaminants)])
        else:
            notes = {}
            rows, ledgers["galaxies"], of_tables = outside.stand_ins(settings)
            footprint = objects.covered(rows)
            hits, look_alikes = (objects.meet(t, rows, radius) for t in (lenses, contaminants))
        matches = objects.matches_of(lenses, hits, footprint)
        crossed = channels.spectra_and_candidates(found.tables, settings.objects.lenses, radius)
        products = {
            "catalogues": found.accounts,
            "crossmatch": objects.match_report(lenses, matches),
            "spectra": crossed,
            "channels": channels.ledger(lenses, matches),
            "lenses": lenses,
            "matches": matches,
            "neighbours": objects.neighbours_of(lenses, hits),
            "contaminants": objects.contaminants_of(contaminants, look_alikes),
            **notes,
        }
        digest = save_tables(run.path("objects"), products)
        gates = objects.gates(lenses, matches, settings.objects)
        gates += [*found.gates(footprint, settings), *of_tables]
        gates += channels.gates(lenses, crossed, settings.objects.lenses)
        gates += [ledger.gate(f"objects.{name}") for name, ledger in ledgers.items()]
        if run.survey.has_catalogue:
            gates += [*sweep_gates.file_gates(run, dict(zip(names, outcomes))), catalogue.brick_gate(run, names)]
        return gates, ledgers, digest
