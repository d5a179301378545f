#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected item-item weights of method sansa for tests/unit/linear_sparse.c, by plain NumPy in double precision.

Run: /usr/bin/python3 tests/golden/sansa.py > tests/golden/sansa.h
"""
import numpy as np
import scipy.linalg

from linear import ITEMS, interactions, show


def largest(values, count):
    """The entries of largest magnitude, as a mask."""
    mask = np.zeros(values.shape, dtype=bool)
    mask.ravel()[np.argsort(-np.abs(values), axis=None, kind="stable")[:count]] = True
    return mask & (values != 0)


def step(lower, column, j, room):
    """A minimal residual step of column j, with `room` entries beside the diagonal."""
    residual = np.eye(ITEMS)[j] - lower @ column
    direction = np.where(largest(residual, room + 1), residual, 0.0)
    product = lower @ direction
    if residual @ product > 0:
        moved = column + residual @ product / (product @ product) * direction
        moved[j] = 0.0
        column = np.where(largest(moved, room), moved, 0.0)
        column[j] = 1.0
    return column


def weights(x, l2, k, each=False, solve=False, scans=1, finetune=0, scaled=True):
    a = x.T @ x + l2 * np.eye(ITEMS)
    order = sorted(range(ITEMS), key=lambda i: (x[:, i].sum(), i))
    a = a[np.ix_(order, order)]
    s = np.diag(a) ** -0.5 if scaled else np.ones(ITEMS)
    c = scipy.linalg.cholesky(a * np.outer(s, s), lower=True)
    pivots = np.diag(c) ** 2
    below = np.tril(c / np.diag(c), -1)
    if each:
        kept = np.column_stack([largest(below[:, j], k) for j in range(ITEMS)])
    else:
        kept = largest(below, k * ITEMS)
    below = np.where(kept, below, 0.0)
    room = kept.sum(0)
    lower = np.eye(ITEMS) + below
    if solve:
        whole = np.linalg.inv(lower) - np.eye(ITEMS)
        inverse = np.eye(ITEMS) + np.column_stack(
            [np.where(largest(whole[:, j], room[j]), whole[:, j], 0.0) for j in range(ITEMS)])
    else:
        inverse = np.eye(ITEMS) - below
        for _ in range(scans):
            inverse = np.column_stack([step(lower, inverse[:, j], j, room[j]) for j in range(ITEMS)])
        for _ in range(finetune):
            squares = ((np.eye(ITEMS) - lower @ inverse) ** 2).sum(0)
            for j in np.flatnonzero(squares > squares.mean()):
                inverse[:, j] = step(lower, inverse[:, j], j, room[j])
    t = np.empty((ITEMS, ITEMS))
    t[order] = s[:, None] * inverse.T / np.sqrt(pivots)
    product = t @ t.T
    return -product / np.diag(product)


x = interactions(400)
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by sansa.py beside this file. */")
show("golden_sansa_global", weights(x, 3.0, 3, finetune=2))
show("golden_sansa_item", weights(x, 3.0, 4, each=True, scans=3, scaled=False))
show("golden_sansa_solve", weights(x, 3.0, 3, each=True, solve=True))
show("golden_sansa_every", weights(x, 3.0, 12, solve=True))
