#!/usr/bin/env bash
# Guess, before it was tried: rows that follow each other, named in a list, are read from an array in about the time in
# which the slice of the same rows is, whether its chunks lie in shards or not: the same chunks are decoded.
# Found: in an array with shards the list takes six to nine times as long as the slice. Zarr finds its numbers within a
# shard one by one, as coordinates of all of them, and not as rows. Without shards the list takes about twice as long.
# Versions: Python 3.11, zarr 3.1.6, numpy 2.4.6, numcodecs 0.16.6. Output seen (seconds of the processor, least of five):
#   shards of 256 rows: slice 0.03, list 0.21, 6.1 times
#   chunks of 16 rows, no shards: slice 0.02, list 0.05, 1.9 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q zarr==3.1.6 numpy==2.4.6 numcodecs==0.16.6
cat > "$folder/read.py" <<'PY'
import sys
import time

import numpy as np
import zarr


def least(read):
    spent = []
    for _ in range(5):
        start = time.process_time()
        read()
        spent.append(time.process_time() - start)
    return min(spent)


ratios = []
pixels = np.random.default_rng(1).normal(size=(512, 3, 64, 64)).astype("float32")
for name, shards in (("shards of 256 rows", (256, 3, 64, 64)), ("chunks of 16 rows, no shards", None)):
    array = zarr.create_array(f"{sys.argv[1]}/{name}", shape=pixels.shape, chunks=(16, 3, 64, 64), shards=shards, dtype="f4")
    array[:] = pixels
    rows = np.arange(40, 440)
    assert np.array_equal(array[40:440], array.oindex[rows])
    by_slice, by_list = least(lambda: array[40:440]), least(lambda: array.oindex[rows])
    ratios.append(by_list / by_slice)
    print(f"{name}: slice {by_slice:.2f}, list {by_list:.2f}, {ratios[-1]:.1f} times", flush=True)
sys.exit(ratios[0] < 2 * ratios[1])
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder"
