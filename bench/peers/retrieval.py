#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What NumPy and SciPy take for the same top n over the same arrays, which bench/retrieval --keep FOLDER wrote.

    /usr/bin/python3 bench/peers/retrieval.py FOLDER N

sparse rows  published   (X L) Lᵀ as sparse matrices, made dense, then the n best of each row
             dense-phi   L times the dense φ of all users, then the same
dense rows   sgemm       (X E) Eᵀ, then the same
The n best: argpartition, then a sort of these. Prints "name value" lines: least milliseconds of several repetitions, and
the share of the n best that topn's answers have, too.
"""
import json
import struct
import sys
import time

import numpy
import scipy.sparse

REPETITIONS = 5


def read(path):
    """The rows of a model file (FORMAT.md): CSR or a dense array."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()

        def array(name, kind):
            begin, end = header[name]["data_offsets"]
            file.seek(start + begin)
            return numpy.frombuffer(file.read(end - begin), kind)

        items = header["item_ids.offsets"]["shape"][0] - 1
        if "encoder" in header:
            return array("encoder", "<f4").reshape(items, -1)
        return scipy.sparse.csr_matrix(
            (array("encoder.values", "<f4"), array("encoder.indices", "<u4").astype(numpy.int32),
             array("encoder.indptr", "<u8").astype(numpy.int64)), (items, items))


def best(scores, n):
    """The n best columns of each row, best first."""
    if n >= scores.shape[1]:
        return numpy.argsort(-scores, axis=1)[:, :n]
    part = numpy.argpartition(scores, -n, axis=1)[:, -n:]
    order = numpy.argsort(-numpy.take_along_axis(scores, part, axis=1), axis=1)
    return numpy.take_along_axis(part, order, axis=1)


def measure(name, answer, given):
    least = numpy.inf
    for _ in range(REPETITIONS):
        start = time.monotonic()
        found = answer()
        least = min(least, time.monotonic() - start)
    common = sum(len(numpy.intersect1d(row, mine)) for row, mine in zip(found, given))
    print(f"{name}.ms {1e3 * least:.2f}\n{name}.overlap {common / found.size:.4f}", flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, n = sys.argv[1], int(sys.argv[2])
    rows = read(folder + "/model.safetensors")
    pairs = numpy.loadtxt(folder + "/users.tsv", dtype=numpy.int64, ndmin=2)
    users, items = int(pairs[:, 0].max()) + 1, rows.shape[0]
    X = scipy.sparse.csr_matrix((numpy.ones(len(pairs), numpy.float32), (pairs[:, 0], pairs[:, 1])), (users, items))
    n = min(n, items)
    given = numpy.fromfile(folder + "/answers.u32", "<u4").reshape(users, n)
    print(f"versions NumPy {numpy.__version__}, SciPy {scipy.__version__}")
    if scipy.sparse.issparse(rows):
        transposed = rows.T.tocsr()
        measure("published", lambda: best(((X @ rows) @ transposed).toarray(), n), given)
        measure("dense-phi", lambda: best((rows @ (X @ rows).toarray().T).T, n), given)
    else:
        measure("sgemm", lambda: best((X @ rows) @ rows.T, n), given)


main()
