"""What each file of a release is, in words, for its README and its crate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lenscal.io.crate import Part

WORDS = {
    "README.md": ("Read me", "what is here, how it is opened, what it does not say", "text/markdown"),
    "CITATION.cff": ("Citation", "how to cite the release (Citation File Format)", "text/yaml"),
    "LICENSE": ("Licence", "licence of the release", "text/plain"),
    "run-file.yaml": ("Run file", "settings of the run", "application/yaml"),
    "versions.json": ("Versions", "lenscal, libraries, detector, and the digest of every stage", "application/json"),
    "gates.json": ("Gates", "every claim with its measure, limits and verdict", "application/json"),
    "completeness.nc": ("Cube (NetCDF)", "the completeness cube with the counts of every host", "application/x-netcdf"),
    "completeness.fits": ("Lookup table (FITS)", "the cube, one row a cell, population and threshold", "image/fits"),
    "completeness.parquet": ("Lookup table (Parquet)", "the same", "application/vnd.apache.parquet"),
    "completeness_by_exposures.parquet": (
        "Completeness by exposures",
        "completeness in bins of nobs_z, for several binnings",
        "application/vnd.apache.parquet",
    ),
    "found-missed.fits": ("Trials (FITS)", "every trial: truth, densities, score, found or missed", "image/fits"),
    "found-missed.parquet": ("Trials (Parquet)", "the same", "application/vnd.apache.parquet"),
    "data-dictionary.csv": ("Data dictionary", "type, unit and meaning of every column", "text/csv"),
    "sky-map.png": ("Map", "completeness over the footprint, drawn", "image/png"),
    "sky-map.pdf": ("Map, for print", "the same", "application/pdf"),
    "supported.moc.fits": ("Region (MOC)", "where the map may be used at every Einstein radius", "image/fits"),
    "report/index.html": ("Report", "the page of the run, with every figure", "text/html"),
    "report/numbers.json": ("Numbers", "every number of the report with its derivation", "application/json"),
    "checksums.sha256": ("Checksums", "SHA-256 of every file: sha256sum -c checksums.sha256", "text/plain"),
}
STORES = {
    "completeness": ("Cube", "the completeness cube, as the run wrote it (Zarr 3)"),
    "completeness_map": ("Map", "completeness over the footprint on HEALPix, nested (Zarr 3)"),
    "completeness_merged": ("Cube, merged", "the cube with thin cells put together (Zarr 3)"),
    "completeness_by_axes": ("Cube by other axes", "the cube along other columns of the trials (Zarr 3)"),
    "completeness_by_host_type": ("Cube by type of host", "the cube with the type of the host as an axis (Zarr 3)"),
    "completeness_by_host_colour_gr": ("Cube by colour of host", "the cube with the colour as an axis (Zarr 3)"),
}


def parts(folder: Path, sums: Mapping[str, str]) -> list[Part]:
    """Files of the release in words, each with its size and SHA-256; a Zarr store is one part."""
    found = []
    for store in sorted({name.partition("/")[0] for name in sums if ".zarr/" in name}):
        found.append(Part(f"{store}/", *STORES[store.removesuffix(".zarr")]))
    for path, sum_ in sorted(sums.items()):
        if ".zarr/" not in path:
            name, said, kind = WORDS[path]
            found.append(
                Part(path, name, said, kind, {"contentSize": str((folder / path).stat().st_size), "sha256": sum_})
            )
    return found
