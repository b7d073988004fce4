#!/usr/bin/env bash
# Guess, before it was tried: `pip install virtualizarr` brings all that its parser of Zarr stores needs, since obstore,
# through which it lists the chunks, comes with it.
# Found: virtualizarr 2.5.1 installs obstore 0.12.1 without arro3-core, and the parser then ends in
# "ImportError: arro3.core is a required dependency for returning results as arrow" on every store with a chunk. With
# arro3-core beside it the same lines give the numbers. Neither package asks for it.
# Versions: Python 3.11, virtualizarr 2.5.1, obstore 0.12.1, obspec-utils 0.9.0, zarr 3.1.6, xarray 2026.9.0,
# arro3-core 0.9.1. Output seen:
#   without arro3-core: ImportError: arro3.core is a required dependency for returning results as arrow.
#   with arro3-core: [0.0, 1.0, 2.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q virtualizarr==2.5.1 obstore==0.12.1 obspec-utils==0.9.0 zarr==3.1.6 xarray==2026.9.0
cat > "$folder/read.py" <<'PY'
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import ZarrParser

store = Path(sys.argv[1]) / "a.zarr"
if not store.exists():
    xr.Dataset({"x": ("n", np.arange(3.0))}).to_zarr(store, zarr_format=3, consolidated=False)
try:
    manifests = ZarrParser()(url=store.resolve().as_uri(), registry=ObjectStoreRegistry({"file://": LocalStore()}))
    print(xr.open_zarr(manifests, consolidated=False, zarr_format=3)["x"].values.tolist())
except ImportError as error:
    print(f"ImportError: {str(error).splitlines()[0]}")
PY
without=$("$folder/venv/bin/python" -W ignore "$folder/read.py" "$folder")
echo "without arro3-core: $without"
"$folder/venv/bin/pip" install -q arro3-core==0.9.1
with=$("$folder/venv/bin/python" -W ignore "$folder/read.py" "$folder")
echo "with arro3-core: $with"
[[ $without == "ImportError: arro3.core is a required dependency"* && $with == "[0.0, 1.0, 2.0]" ]]
