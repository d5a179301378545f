# SPDX-License-Identifier: Apache-2.0
"""Called by slim.sh beside this file: FOLDER DATA [L1 [L2 [COLUMNS]]].

Objective per item: 1/2 |x_j - Xw|^2 + l2/2 |w|^2 + l1 |w|_1, w >= 0, w_j = 0. scikit-learn sees X only through its Gram
matrix, so one made-up sample with |y|^2 = G_jj stands for the data; with one sample its penalties are these. An item's
own row and column of the Gram matrix are zeroed while it is solved, which keeps w_j = 0.
"""
import json
import os
import resource
import subprocess
import sys
import time
import warnings

import joblib
import numpy as np
import scipy.sparse
import sklearn
from sklearn.linear_model import enet_path

folder, source = sys.argv[1:3]
given = sys.argv[3:]
topn = os.environ["TOPN"]
TARGET = 1e-6


def read(path):
    """The arrays and the metadata of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        kinds = {"F32": "<f4", "F64": "<f8", "U8": "u1", "U32": "<u4", "I64": "<i8", "U64": "<u8"}
        metadata, arrays = header.pop("__metadata__"), {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            arrays[name] = np.frombuffer(file.read(end - begin), kinds[entry["dtype"]])
    return arrays, metadata


def run(*words):
    """(figures printed, wall seconds, processor seconds)"""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    text = subprocess.run([topn, *words], check=True, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL).stdout
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return dict(line.split(None, 1) for line in text.splitlines() if " " in line), seconds, used


def residual(gram, columns, weights, l1, l2):
    """Largest violation of the optimality conditions over all coordinates, in units of the largest |G_ij| of a column."""
    worst = 0
    for place, j in enumerate(columns):
        w = weights[:, place]
        miss = gram[:, j] - gram @ w - l2 * w
        bad = np.where(w > 0, abs(miss - l1), np.maximum(miss - l1, 0))
        bad[w < 0] = np.inf
        bad[j] = 0
        scale = np.max(np.delete(gram[:, j], j))
        worst = max(worst, bad.max() / scale if scale > 0 else 0)
    return worst


def peer(gram, columns, l1, l2, tolerance):
    """scikit-learn's weights [items × columns] and the seconds they took."""
    warnings.simplefilter("ignore")
    items = len(gram)
    gram, sample = gram.copy(), np.zeros((1, items))
    out = np.empty((items, len(columns)))
    start, used = time.perf_counter(), time.process_time()
    for place, j in enumerate(columns):
        row, target = gram[j].copy(), np.array([np.sqrt(gram[j, j])])
        gram[j], gram[:, j] = 0, 0
        pull = row.copy()
        pull[j] = 0
        out[:, place] = enet_path(sample, target, l1_ratio=l1 / (l1 + l2), alphas=[l1 + l2], precompute=gram, Xy=pull,
                                  positive=True, check_input=False, max_iter=100000, tol=tolerance)[1][:, 0]
        gram[j], gram[:, j] = row, row
    return out, time.perf_counter() - start, time.process_time() - used


run("import", source, "-o", f"{folder}/data")
flags = [word for pair in zip(["--l1", "--l2"], given) for word in pair]
figures, processor = {}, {}
for threads in "1", "2":
    found = run("train", "slim", f"{folder}/data", "-o", f"{folder}/model", "--threads", threads,
                                       "--tolerance", str(TARGET), *flags)
    figures[threads], _, processor[threads] = found
    print(f"topn, {threads} thread(s): Gram {found[0]['run.seconds.gram']} s, columns {found[0]['run.seconds.columns']} s, "
          f"processor time of the whole program {found[2]:.2f} s, {found[0]['train.weights']} weights, residual as "
          f"recorded {found[0]['train.kkt-residual']}")
arrays, _ = read(f"{folder}/data")
model, metadata = read(f"{folder}/model")
l1, l2 = float(metadata["option.l1"]), float(metadata["option.l2"])
indptr, indices = arrays["events.indptr"].astype(np.int64), arrays["events.indices"].astype(np.int64)
items = len(model["encoder.indptr"]) - 1
x = scipy.sparse.csr_matrix((np.ones(len(indices)), indices, indptr), (len(indptr) - 1, items))
start = time.perf_counter()
gram = (x.T @ x).toarray()
print(f"scikit-learn {sklearn.__version__} on SciPy's Gram matrix ({time.perf_counter() - start:.2f} s); "
      f"{items} items, l1 {l1:g}, l2 {l2:g}")
popular = np.argsort(-np.diag(gram), kind="stable")
wanted = min(int(given[2]) if len(given) > 2 else 200, items)
columns = popular[np.unique(np.linspace(0, items - 1, wanted).astype(int))]
share = items / len(columns)
ours = scipy.sparse.csr_matrix((model["encoder.values"].astype(float), model["encoder.indices"].astype(np.int64),
                                model["encoder.indptr"].astype(np.int64)), (items, items)).tocsc()[:, columns].toarray()
print(f"topn's residual over these {len(columns)} columns, in double precision: "
      f"{residual(gram, columns, ours, l1, l2):.2g}")
# Its criterion is a duality gap relative to |y|^2: the loosest step that meets the residual on some columns.
few = columns[:: max(1, len(columns) // 40)]
for tolerance in 10.0 ** -np.arange(4, 14, 0.5):
    if residual(gram, few, peer(gram, few, l1, l2, tolerance)[0], l1, l2) <= TARGET:
        break
theirs, wall, used = peer(gram, columns, l1, l2, tolerance)
print(f"scikit-learn, 1 process: {wall:.2f} s ({used:.2f} s of processor time) for {len(columns)} columns with tol "
      f"{tolerance:.1e}, residual {residual(gram, columns, theirs, l1, l2):.2g}; scaled to all: {wall * share:.1f} s")
start = time.perf_counter()
parts = joblib.Parallel(n_jobs=2)(joblib.delayed(peer)(gram, columns[part::2], l1, l2, tolerance) for part in range(2))
both = max(part[1] for part in parts)
print(f"scikit-learn, 2 processes: {both:.2f} s without their start, scaled to all: {both * share:.1f} s")
print(f"largest difference of a weight: {abs(ours - theirs).max():.2g}")
print(f"ratio of processor time, the whole of topn against scikit-learn's columns: {used * share / processor['1']:.1f}")
for threads, seconds in ("1", wall), ("2", both):
    print(f"ratio at {threads}: {seconds * share / float(figures[threads]['run.seconds.columns']):.1f}")
