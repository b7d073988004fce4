#!/usr/bin/env bash
# Guess, before it was tried: healpy, astropy-healpix and cdshealpix put a position into the same pixel, also where it lies
# on a border (right ascensions and declinations of round numbers, as the corners of bricks have): all three say which side
# a border belongs to by the same published construction, in double precision.
# Found: on borders they part. Of 128 positions at multiples of 22.5 degrees on eight parallels, healpy has another pixel
# than astropy-healpix for 38 and than cdshealpix for 46 (nested, nside 128); the two others differ in 20. At nside 1 the
# position (45, 0) is in base pixel 5 of the first and in base pixel 0 of both others. At positions drawn at random the
# three agree. Who splits a sample by pixels, or joins tables by them, takes one library for all of it.
# Versions: Python 3.11, healpy 1.20.1, astropy-healpix 2.0.1, cdshealpix 0.9.0, astropy 8.0.2, numpy 2.4.6. Output seen:
#   nside 1: healpy and astropy-healpix differ in 6 of 128, healpy and cdshealpix in 10, the two others in 5; (45, 0) in 5, 0, 0
#   nside 128: healpy and astropy-healpix differ in 38 of 128, healpy and cdshealpix in 46, the two others in 20; (45, 0) in 92842, 0, 0
#   at random, nside 128: 0, 0, 0 of 100000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q healpy==1.20.1 astropy-healpix==2.0.1 cdshealpix==0.9.0 astropy==8.0.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import astropy.units as u
import astropy_healpix
import cdshealpix
import healpy
import numpy as np
from astropy.coordinates import Latitude, Longitude


def pixels(lon, lat, nside):
    return (
        healpy.ang2pix(nside, lon, lat, nest=True, lonlat=True),
        np.asarray(astropy_healpix.lonlat_to_healpix(lon * u.deg, lat * u.deg, nside, order="nested")),
        np.asarray(cdshealpix.lonlat_to_healpix(Longitude(lon, "deg"), Latitude(lat, "deg"), int(np.log2(nside)))).astype(int),
    )


def differing(a, b, c):
    return [int(np.count_nonzero(one != other)) for one, other in ((a, b), (a, c), (b, c))]


polar = np.degrees(np.arcsin([1 / 3, 2 / 3]))
lon, lat = (part.ravel() for part in np.meshgrid(np.arange(0, 360, 22.5), [-90, -polar[1], -30, 0, *polar, 60, 90]))
said = []
for nside in (1, 128):
    found = pixels(lon, lat, nside)
    where = int(np.flatnonzero((lon == 45) & (lat == 0))[0])
    one, other, rest = differing(*found)
    said.append((one, other, rest))
    print(
        f"nside {nside}: healpy and astropy-healpix differ in {one} of {lon.size}, healpy and cdshealpix in {other}, "
        f"the two others in {rest}; (45, 0) in {', '.join(str(part[where]) for part in found)}"
    )
rng = np.random.default_rng(1)
at_random = differing(*pixels(rng.uniform(0, 360, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000))), 128))
print(f"at random, nside 128: {', '.join(map(str, at_random))} of 100000")
sys.exit(at_random != [0, 0, 0] or not all(one > 0 and other > 0 for one, other, _ in said))
PY
