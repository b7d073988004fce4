"""Detector: trained here, or brought by its owner."""

from __future__ import annotations

from pathlib import Path

from lenscal import schema
from lenscal.audit.foreseen.detecting import HINT
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, fingerprints
from lenscal.engine import Block, Outcome, PlanError
from lenscal.engine.addresses import short
from lenscal.engine.stage import Say
from lenscal.errors import InputError
from lenscal.io import folders, stores


class _Kept:
    """A checkpoint of the training, beside its plan."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        return self._path.read_bytes() if self._path.exists() else None

    def write(self, content: bytes) -> None:
        stores.write_bytes(self._path, content)


def _epoch(epoch: int, epochs: int, metrics: dict[str, float]) -> str:
    said = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    return f"epoch {epoch}/{epochs} {said}" if epoch else f"before training: {said}".replace("_", " ")


class Detector(Audited):
    name = "detector"
    sections = ("detector",)
    parallel = False

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("cutouts", "quality")

    def inputs(self, run: Run) -> dict:
        from lenscal import detector

        settings = run.settings.detector
        try:
            if not settings.artifact:
                detector.check(settings.architecture)
                return {}
            given = settings.declaration
            found: dict = {"artifact": fingerprints(detector.inputs_of(settings.artifact, given), HINT)}
            if given is not None:
                found["declaration"] = short(detector.Declaration.model_validate(given).content())
            return found
        except InputError as error:
            raise PlanError(f"{error}; {HINT}" if settings.artifact else str(error)) from None

    def products(self, run: Run) -> list[Path]:
        return [run.path("detector")]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import detector

        settings = run.settings.detector
        folder = run.path("detector")

        def keep(name: str, content: bytes) -> None:
            stores.write_bytes(folder / name, content)

        if settings.artifact:
            say(f"probing {settings.artifact}")
            found = detector.bring(settings.artifact, settings.declaration)
            detector.written(found, settings.artifact, keep)
            say(f"detector {found.hash[:12]} brought by the run file")
        else:
            cutouts = run.store("cutouts").reset_coords()
            quality = run.store("quality").reset_coords()
            cutouts = cutouts.assign({name: quality[name] for name in ("cutout_ok", "arc_snr")})
            frozen, history = detector.train(
                cutouts.set_coords([name for name in schema.GALAXY_COORDS if name in cutouts]),
                settings,
                run.settings.seed,
                lambda epoch, epochs, metrics: say(_epoch(epoch, epochs, metrics)),
                checkpoint=_Kept(run.plans / self.name / "training.pt"),
                folder=None if folders.is_remote(run.plans) else run.plans / self.name,
            )
            stores.write_table(folder / "history.parquet", history)
            stores.write_json(folder / "history.json", {k: str(v) for k, v in history.attrs.items()})
            for name, content in detector.dump(frozen).items():
                keep(name, content)
            folders.remove(run.plans / self.name / "training.pt")
        return Outcome(int.from_bytes(stores.digest_files(folder), "little"), 1)
