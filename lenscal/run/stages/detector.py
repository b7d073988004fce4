"""Detector: trained here, or brought frozen."""

from __future__ import annotations

from pathlib import Path

from lenscal import schema
from lenscal.engine import Block, Outcome, PlanError, Stage
from lenscal.engine.stage import Say
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.stages.stage import fingerprints

_FILES = ("weights.pt", "detector.json")


class Detector(Stage):
    name = "detector"
    sections = ("detector",)
    parallel = False

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("cutouts", "quality")

    def inputs(self, place: Place) -> dict:
        from lenscal import detector

        frozen = place.settings.detector.frozen
        if not frozen:
            try:
                detector.check(place.settings.detector.architecture)
            except ValueError as error:
                raise PlanError(str(error)) from None
        hint = (
            "check detector.frozen of the run file, or run what trains it (real-sample.yaml takes "
            "that of small.yaml: `make audit`)"
        )
        return {"frozen": fingerprints([Path(frozen) / name for name in _FILES], hint)} if frozen else {}

    def products(self, place: Place) -> list[Path]:
        return [place.path("detector")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import detector

        settings = place.settings.detector
        folder = place.path("detector")
        if settings.frozen:
            files = {name: (Path(settings.frozen) / name).read_bytes() for name in _FILES}
            frozen = detector.load(files)
            say(f"detector {frozen.hash[:12]} brought by the run file")
        else:
            cutouts = place.store("cutouts").reset_coords()
            quality = place.store("quality").reset_coords()
            cutouts = cutouts.assign({name: quality[name] for name in ("cutout_ok", "arc_snr")})
            frozen, history = detector.train(
                cutouts.set_coords(list(schema.GALAXY_COORDS)),
                settings,
                place.settings.seed,
                lambda epoch, epochs, metrics: say(
                    f"epoch {epoch}/{epochs} " + " ".join(f"{k} {v:.4g}" for k, v in metrics.items())
                ),
            )
            files = detector.dump(frozen)
            stores.write_table(folder / "history.parquet", history)
            stores.write_json(folder / "history.json", {k: str(v) for k, v in history.attrs.items()})
        for name, content in files.items():
            stores.write_bytes(folder / name, content)
        return Outcome(int.from_bytes(stores.digest_files(folder), "little"), 1)
