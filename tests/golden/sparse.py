#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/sparse_models.c, by plain NumPy in double precision.

Run: /usr/bin/python3 tests/golden/sparse.py > tests/golden/sparse.h
The interactions come from the same integer recurrence as in the test, so no file is shared.
"""
import numpy as np

USERS, ITEMS = 60, 12
L2, ALPHA, BETA = 3.0, 0.75, 2.5


def interactions():
    x = np.zeros((USERS, ITEMS))
    state = 12345
    for u in range(USERS):
        for i in range(ITEMS):
            state = (state * 1103515245 + 12345) % 2**31
            if (state >> 16) % 100 < 70 - 5 * i + (15 if (u + i) % 3 == 0 else 0):
                x[u, i] = 1
    return x


def show(name, values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    print(f"static const double {name}[{len(flat)}] = {{")
    for start in range(0, len(flat), 6):
        print("    " + ", ".join(f"{v:.9g}" for v in flat[start:start + 6]) + ",")
    print("};")


def largest(values, keep, anchors):
    """Which entries are the first ones or, `keep` in all, the largest others by magnitude."""
    first = min(anchors, len(values))
    chosen = np.arange(len(values)) < first
    chosen[first + np.argsort(-np.abs(values[first:]), kind="stable")[:max(keep - first, 0)]] = True
    return chosen & (values != 0)


def inverse_factor(x, k, anchors):
    """Row i over the first items, the strongest other earlier neighbours, k - 1 in all, and itself."""
    g = x.T @ x
    mean = x.mean(0)
    variance = np.diag(g) - len(x) * mean**2
    value = (g - len(x) * np.outer(mean, mean)) / np.outer(variance, variance) ** (ALPHA / 2)
    system = g + L2 * np.eye(ITEMS)
    f = np.zeros((ITEMS, ITEMS))
    for i in range(ITEMS):
        first = list(range(min(anchors, i)))
        others = [j for j in sorted(range(len(first), i), key=lambda j: -value[i, j]) if g[i, j] > 0]
        s = first + sorted(others[:k - 1 - len(first)]) + [i]
        unit = np.zeros(len(s))
        unit[-1] = 1
        z = np.linalg.solve(system[np.ix_(s, s)], unit)
        f[i, s] = z / np.sqrt(z[-1])
    return f


def incomplete(a, k, drop, anchors):
    """L over the non-zeros of A below its diagonal: k - 1 of them a row and the diagonal."""
    n = len(a)
    l = np.zeros((n, n))
    for i in range(n):
        row = np.zeros(n)
        for j in np.flatnonzero(a[i, :i]):
            row[j] = (a[i, j] - row[:j] @ l[j, :j]) / l[j, j]
            if abs(row[j]) < drop and j >= anchors:
                row[j] = 0
        l[i, :i] = row[:i] * largest(row[:i], k - 1, anchors)
        l[i, i] = np.sqrt(max(a[i, i] - l[i] @ l[i], 0.5 * (BETA - 1)))
    return l


def chol(f, k, candidates, anchors):
    scale = np.sqrt((f**2).sum(0))
    s = (f / scale).T @ (f / scale)
    a = np.diag(np.full(ITEMS, BETA - 1))
    for i in range(ITEMS):
        a[i, :i] = -s[i, :i] * largest(s[i, :i], candidates, anchors)
    first = np.diag(np.full(ITEMS, np.sqrt(BETA - 1)))
    for i in range(ITEMS):
        first[i, :i] = -s[i, :i] * largest(s[i, :i], k - 1, anchors) / np.sqrt(BETA - 1)
    return scale[:, None] * incomplete(a, k, 1e-4, anchors), scale[:, None] * first, np.linalg.eigvalsh(s)[-1]


x = interactions()
order = np.argsort(-x.sum(0), kind="stable")
x = x[:, order]
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by sparse.py beside this file. Rows and columns in model order: most events first. */")
show("golden_order", order)
for anchors in 0, 2:
    name = f"anchors_{anchors}"
    f = inverse_factor(x, 4, anchors)
    show("golden_inverse_factor_" + name, f)
    show("golden_diagonal_" + name, (f**2).sum(0))
    factor, first_order, top = chol(f, 4, 8, anchors)
    show("golden_chol_sparse_" + name, factor)
    show("golden_first_order_" + name, first_order)
    show("golden_lambda_max_" + name, [top])
