"""Cutouts into a store and out of it, beside a plain dump of the same arrays with the same compression, for several
chunk sizes. Rates are per second of one core.

    python benchmarks/stores.py [--blocks 4] [--block 256]

Limits: writing and reading a block within 2x of the dump (`chunk 16` is what the schema declares).
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.io import stores

SIZE = 101
RANDOM = 64  # cutouts read one by one


def block(rows: int, start: int) -> xr.Dataset:
    """Noise with a galaxy in it, weights and masks, as in a coadd."""
    rng = np.random.default_rng(start)
    image = rng.normal(0, 0.003, (rows, 3, SIZE, SIZE)).astype("f4")
    data = {"image": (("galaxy", "band", "y", "x"), image, {"units": "nanomaggy"})}
    for name, v in schema.CUTOUTS.variables.items():
        if name in data or not v.required:
            continue
        shape = tuple({"galaxy": rows, "band": 3, "y": SIZE, "x": SIZE}[dim] for dim in v.dims)
        values = np.full(shape, "", np.dtypes.StringDType()) if v.dtype == "str" else np.zeros(shape, v.dtype)
        data[name] = (v.dims, values)
    data["invvar"] = (data["image"][0], (1e5 + rng.normal(0, 100, image.shape)).astype("f4"))
    data["band"] = ("band", np.array(schema.BANDS))
    data["galaxy_id"] = ("galaxy", np.arange(start, start + rows))
    return schema.CUTOUTS.describe(xr.Dataset(data))


def dump(folder: Path, part: xr.Dataset, number: int) -> None:
    """The same arrays, each compressed as the store compresses it and written to a file of its own: nothing else."""
    from numcodecs.blosc import Blosc

    for name in ("image", "invvar", "mask"):
        values = part[name].values
        codec = Blosc("zstd", 1, Blosc.BITSHUFFLE)
        pieces = [codec.encode(np.ascontiguousarray(values[i : i + 16])) for i in range(0, len(values), 16)]
        (folder / f"{name}-{number}").write_bytes(b"".join(np.int64(len(p)).tobytes() + bytes(p) for p in pieces))


def load(folder: Path, number: int, part: xr.Dataset) -> list[np.ndarray]:
    """The arrays of a dump, each piece decompressed to its place."""
    from numcodecs.blosc import Blosc

    found = []
    for name in ("image", "invvar", "mask"):
        content, place, row = (folder / f"{name}-{number}").read_bytes(), 0, 0
        whole = np.empty(part[name].shape, part[name].dtype)
        while place < len(content):
            length = int(np.frombuffer(content[place : place + 8], np.int64)[0])
            Blosc().decode(content[place + 8 : place + 8 + length], out=whole[row : row + 16])
            place, row = place + 8 + length, row + 16
        found.append(whole)
    return found


def seconds(work) -> float:
    """Of the processor, all threads: the machine may be busy with other things."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--block", type=int, default=256, help="galaxies; a shard of images holds so many")
    asked = parser.parse_args()
    parts = [block(asked.block, i * asked.block) for i in range(asked.blocks)]
    rows = asked.block * asked.blocks
    size = sum(parts[0][name].nbytes for name in ("image", "invvar", "mask")) * asked.blocks / 1e6
    order = np.random.default_rng(0).integers(0, rows, RANDOM)
    print(f"{rows} cutouts of {SIZE} px, {size:.0f} MB of pixels, blocks of {asked.block}")
    print(
        f"{'':14}{'write MB/s':>12}{'read MB/s':>12}{'one cutout ms':>15}"
        f"{'write/dump':>12}{'read/dump':>11}{'MB on disk':>12}"
    )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        plain.mkdir()
        dump(plain, parts[0], 0)
        assert all(
            np.array_equal(found, parts[0][name])
            for found, name in zip(load(plain, 0, parts[0]), ("image", "invvar", "mask"))
        )
        wrote = min(seconds(lambda: [dump(plain, part, i) for i, part in enumerate(parts)]) for _ in range(2))
        got = min(seconds(lambda: [load(plain, i, parts[i]) for i in range(asked.blocks)]) for _ in range(2))
        held = sum(p.stat().st_size for p in plain.iterdir()) / 1e6
        print(f"{'plain dump':14}{size / wrote:12.0f}{size / got:12.0f}{'':15}{1:12.2f}{1:11.2f}{held:12.1f}")
        for chunk in (4, 16, 64, 256):
            declared = dataclasses.replace(schema.CUTOUTS, chunk={"galaxy": chunk})
            path = Path(folder) / f"{chunk}.zarr"
            skip = [name for name, v in schema.CUTOUTS.variables.items() if not v.required]
            sizes = {"galaxy": rows, "band": 3, "y": SIZE, "x": SIZE}
            stores.create(path, declared, sizes, {"band": np.array(schema.BANDS)}, {}, block=asked.block, skip=skip)

            def write(path=path, declared=declared):
                for i, part in enumerate(parts):
                    region = {"galaxy": slice(i * asked.block, (i + 1) * asked.block)}
                    stores.write_block(path, declared, part, region, block=asked.block)

            def read(path=path):
                store = stores.open(path)
                for i in range(asked.blocks):
                    store[["image", "invvar", "mask"]].isel(galaxy=slice(i * asked.block, (i + 1) * asked.block)).load()

            def one(path=path):
                image = stores.open(path)["image"]
                for row in order:
                    image.isel(galaxy=int(row)).values  # noqa: B018

            w, r, o = (min(seconds(work) for _ in range(2)) for work in (write, read, one))
            held = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 1e6
            print(
                f"{f'chunk {chunk}':14}{size / w:12.0f}{size / r:12.0f}{1e3 * o / RANDOM:15.2f}"
                f"{w / wrote:12.2f}{r / got:11.2f}{held:12.1f}"
            )


if __name__ == "__main__":
    main()
