#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected weights of method mrf for tests/unit/linear_sparse.c, by plain NumPy in double precision.

Run: /usr/bin/python3 tests/golden/mrf.py > tests/golden/mrf.h
"""
import math

import numpy as np

from linear import ITEMS, ease, interactions, show


def weights(x, l2, k, share, alpha=0.75, threshold=0.0):
    users = len(x)
    g = x.T @ x
    mean = x.mean(0)
    variance = np.diag(g) - users * mean**2
    scaled = np.abs((g - users * np.outer(mean, mean)) / np.outer(variance, variance) ** (alpha / 2))
    gaps = np.diff(np.sort(np.concatenate([scaled[np.triu_indices(ITEMS, 1)], [threshold]])))
    assert g.min() > 0 and gaps.min() > 1e-5, "ties, or pairs without a user: choose other data"
    a = g + l2 * np.eye(ITEMS)
    near = []
    for i in range(ITEMS):
        others = [j for j in range(ITEMS) if j != i and g[i, j] > 0 and scaled[i, j] >= threshold]
        near.append(sorted(others, key=lambda j: -scaled[i, j])[:k])
    found = [[[] for _ in range(ITEMS)] for _ in range(ITEMS)]
    done = set()
    for i in sorted(range(ITEMS), key=lambda i: (-len(near[i]), -x[:, i].sum(), i)):
        if i in done:
            continue
        block = [i] + near[i]  # strongest first
        solved = block[:max(1, math.ceil(share * len(block)))]
        done.update(solved)
        z = np.linalg.inv(a[np.ix_(block, block)])
        for j in solved:
            for m in block:
                if m in near[j]:
                    found[m][j].append(-z[block.index(m), block.index(j)] / z[block.index(j), block.index(j)])
    return np.array([[np.mean(cell) if cell else 0.0 for cell in row] for row in found])


x = interactions(400)
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by mrf.py beside this file. */")
show("golden_mrf_every", ease(x, 3.0)[0])
show("golden_mrf_own", weights(x, 3.0, 5, 0.0))
show("golden_mrf_shared", weights(x, 3.0, 5, 0.4))
show("golden_mrf_threshold", weights(x, 3.0, 11, 0.3, alpha=1.0, threshold=0.08))
