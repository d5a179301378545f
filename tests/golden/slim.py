#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/slim.c, in double precision and by other algorithms than coordinate descent.

Run: /usr/bin/python3 tests/golden/slim.py > tests/golden/slim.h
Columns with w >= 0 are non-negative least squares (Lawson and Hanson) on a Cholesky factor; columns of either sign come
from proximal gradient steps repeated until nothing moves. The interactions are those of linear.py.
"""
import numpy as np
import scipy.linalg
import scipy.optimize

USERS, ITEMS = 60, 12


def interactions():
    x = np.zeros((USERS, ITEMS))
    state = 12345
    for u in range(USERS):
        for i in range(ITEMS):
            state = (state * 1103515245 + 12345) % 2**31
            if (state >> 16) % 100 < 70 - 5 * i + (15 if (u + i) % 3 == 0 else 0):
                x[u, i] = 1
    return x


def system(x, l2, a=0.0, b=0.0):
    """The Gram matrix and its ridge, with the exponents of the documentation."""
    sizes = x.sum(1)
    w = np.where(sizes > 0, np.maximum(sizes, 1) ** -a, 1.0)
    w *= sizes.sum() / (sizes * w).sum()
    g = x.T @ (w[:, None] * x)
    diagonal = np.diag(g)
    return g, l2 * (diagonal / diagonal.mean()) ** b


def nonnegative_column(a, g, l1):
    factor = np.linalg.cholesky(a)
    target = scipy.linalg.solve_triangular(factor, g - l1, lower=True)
    return scipy.optimize.nnls(factor.T, target)[0]


def signed_column(a, g, l1):
    step, w = 1 / np.linalg.eigvalsh(a)[-1], np.zeros(len(g))
    for _ in range(10**6):
        moved = w - step * (a @ w - g)
        moved = np.sign(moved) * np.maximum(np.abs(moved) - step * l1, 0)
        if np.array_equal(moved, w):
            break
        w = moved
    return w


def slim(x, l1, l2, solve, **exponents):
    g, ridge = system(x, l2, **exponents)
    weights = np.zeros((ITEMS, ITEMS))
    for j in range(ITEMS):
        others = [i for i in range(ITEMS) if i != j]
        a = (g + np.diag(ridge))[np.ix_(others, others)]
        w = solve(a, g[others, j], l1)
        missed = g[others, j] - a @ w
        assert np.all((missed if solve is nonnegative_column else np.abs(missed)) <= l1 + 1e-9)
        assert np.allclose(missed[w != 0], l1 * np.sign(w[w != 0]), rtol=0, atol=1e-9)
        weights[others, j] = w
    return weights


def show(name, values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    print(f"static const double {name}[{len(flat)}] = {{")
    for start in range(0, len(flat), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in flat[start:start + 6]) + ",")
    print("};")


x = interactions()
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by slim.py beside this file. */")
show("golden_slim", slim(x, 2.0, 3.0, nonnegative_column))
show("golden_slim_signed", slim(x, 0.5, 3.0, signed_column))
show("golden_slim_weighted", slim(x, 1.0, 2.0, nonnegative_column, a=0.5, b=0.75))
