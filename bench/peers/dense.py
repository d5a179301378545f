#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What NumPy and SciPy take for the dense path, on a data file that topn wrote (topn generate, topn import).

    /usr/bin/python3 bench/peers/dense.py DATA gram|published|best [L2 [BETA]]

gram       XᵀX and its densification, in single precision
published  Algorithm 1 of Van Balen and Goethals 2021, line by line, with a single-precision X
best       the same with LAPACK called in place in single precision: spotrf, spotri, spotrf on one Fortran-ordered array

Prints "name value" lines: seconds of each phase and their sum, peak bytes of this process. Reading is not counted.
"""
import ctypes
import json
import resource
import struct
import sys
import time

import numpy
import scipy.linalg
import scipy.linalg.lapack
import scipy.sparse

started = total = 0.0


def phase(name):
    """Closes the phase that began when the last one was closed."""
    global started, total
    seconds = time.monotonic() - started
    total += seconds
    print(f"seconds.{name} {seconds:.3f}", flush=True)
    started = time.monotonic()


def read(path):
    """The interactions of a data file (FORMAT.md) as a CSR matrix of ones."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()

        def array(name, kind):
            begin, end = header[name]["data_offsets"]
            file.seek(start + begin)
            return numpy.frombuffer(file.read(end - begin), kind)

        indptr = array("events.indptr", "<u8").astype(numpy.int64)
        indices = array("events.indices", "<u4").astype(numpy.int32)
    items = header["item_ids.offsets"]["shape"][0] - 1
    ones = numpy.ones(len(indices), numpy.float32)
    return scipy.sparse.csr_matrix((ones, indices, indptr), (len(indptr) - 1, items))


def blas():
    """Path of the loaded BLAS and, of OpenBLAS, its configuration and kernel."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line}
    for path in sorted(files, key=lambda path: ("libopenblas" not in path, path)):
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_config"):
            library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
            return (f"{library.openblas_get_config().decode().strip()}, kernel {library.openblas_get_corename().decode()}, "
                    f"{library.openblas_get_num_threads()} threads, {path}")
    return ", ".join(sorted(files))


def published(X, l2_reg, beta):
    G = (X.T @ X).toarray()
    phase("gram")
    diag_indices = numpy.diag_indices_from(G)
    G[diag_indices] += l2_reg
    P = numpy.linalg.inv(G)
    phase("invert")
    A = -P
    A[diag_indices] += beta * numpy.diag(P)
    phase("shift")
    scipy.linalg.cholesky(A, lower=True)
    phase("factor-again")


def best(X, l2, beta):
    a = (X.T @ X).toarray(order="F")
    phase("gram")
    diagonal = numpy.diag_indices_from(a)
    a[diagonal] += numpy.float32(l2)
    a, info = scipy.linalg.lapack.spotrf(a, lower=1, clean=0, overwrite_a=1)
    assert info == 0
    phase("factor")
    a, info = scipy.linalg.lapack.spotri(a, lower=1, overwrite_c=1)
    assert info == 0
    phase("invert")
    d = a[diagonal].copy()
    numpy.negative(a, out=a)
    a[diagonal] = numpy.float32(beta - 1) * d
    phase("shift")
    a, info = scipy.linalg.lapack.spotrf(a, lower=1, clean=0, overwrite_a=1)
    assert info == 0
    phase("factor-again")


def main():
    global started
    if len(sys.argv) not in (3, 4, 5) or sys.argv[2] not in ("gram", "published", "best"):
        sys.exit(__doc__)
    X = read(sys.argv[1])
    l2 = float(sys.argv[3]) if len(sys.argv) > 3 else 500.0
    beta = float(sys.argv[4]) if len(sys.argv) > 4 else 2.0
    print("blas " + blas())
    print(f"versions NumPy {numpy.__version__}, SciPy {scipy.__version__}")
    started = time.monotonic()
    if sys.argv[2] == "gram":
        (X.T @ X).toarray()
        phase("gram")
    elif sys.argv[2] == "published":
        published(X, l2, beta)
    else:
        best(X, l2, beta)
    print(f"seconds.total {total:.3f}")
    print(f"peak-bytes {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}")


main()
