#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Digests of NumPy's own permutations, for tests/unit/numpy_random.c.

Run: /usr/bin/python3 tests/golden/numpy_draws.py > tests/golden/numpy_draws.h
Of each seed and count: two permutations one after the other, as FNV-1a over their entries (32-bit words).
"""
import numpy as np

SEEDS = [0, 1, 2, 42, 98765, 123456789, 2**31 - 1, 2**31, 2**32 - 1] + [7919 * k + 13 for k in range(1, 12)]
COUNTS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 100, 257, 624, 1000, 1025, 5000]


def digest(values):
    out = 0xCBF29CE484222325
    for value in values:
        out = ((out ^ int(value)) * 0x100000001B3) % 2**64
    return out


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by numpy_draws.py beside this file. */")
print("static const struct {\n    uint32_t seed, count;\n    uint64_t first, second;\n} golden_permutations[] = {")
for seed in SEEDS:
    for count in COUNTS:
        np.random.seed(seed)
        first, second = np.random.permutation(count), np.random.permutation(count)
        if count > 1:
            np.random.seed(seed)
            some = np.random.choice(count, size=count // 5 + 1, replace=False)
            assert (some == first[: count // 5 + 1]).all()
        print(f"    {{{seed}u, {count}, 0x{digest(first):016x}, 0x{digest(second):016x}}},")
print("};")
np.random.seed(98765)
print("static const uint32_t golden_notebook[10] = {" + ", ".join(map(str, np.random.permutation(10))) + "};")
