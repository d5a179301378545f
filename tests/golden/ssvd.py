#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected values for tests/unit/ssvd.c, by plain NumPy in double precision.

Run: /usr/bin/python3 tests/golden/ssvd.py > tests/golden/ssvd.h
The interactions come from the same integer recurrence as in the test, so no file is shared.
"""
import numpy as np

USERS, ITEMS = 60, 12

x = np.zeros((USERS, ITEMS))
state = 12345
for u in range(USERS):
    for i in range(ITEMS):
        state = (state * 1103515245 + 12345) % 2**31
        if (state >> 16) % 100 < 70 - 5 * i + (15 if (u + i) % 3 == 0 else 0):
            x[u, i] = 1
p = np.linalg.inv(x.T @ x + 3.0 * np.eye(ITEMS))
values, vectors = np.linalg.eigh(2.5 * np.diag(np.diag(p)) - p)
for j in range(ITEMS):
    if vectors[np.abs(vectors[:, j]).argmax(), j] < 0:
        vectors[:, j] *= -1
h = vectors * np.sqrt(values)

print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by ssvd.py beside this file. */")
print(f"enum {{ GOLDEN_USERS = {USERS}, GOLDEN_ITEMS = {ITEMS} }};")
print(f"static const double golden_ssvd[{h.size}] = {{")
for start in range(0, h.size, 6):
    print("    " + ", ".join(f"{v:.9g}" for v in h.ravel()[start:start + 6]) + ",")
print("};")
