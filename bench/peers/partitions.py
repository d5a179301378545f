#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Ways to narrow down and to compress that P2, section 6.2, names, by what they find: the share of the exact 100 items
# that is among the items looked at, for a share of all items looked at. What the looking costs is left out, in favour
# of trees and hashing, whose buckets lie scattered.
#
# usage: partitions.py FOLDER        rows.f32 and queries.f32, as TABLES=FOLDER bench/index ITEMS leaves them; 128 columns
#
#   lists       k-means, 2·√N centres, by ⟨φ, centre⟩: index ivf
#   tree        halves by the direction of greatest spread (PCA tree), leaves of about √N/2, by the margins to the splits
#   hashing     signs of 128 random projections of rows lengthened to equal norm (Neyshabur and Srebro 2015), by
#               Hamming distance
#   product     product quantisation, columns/4 bytes a row (k-means of 256 in each 4 columns): looked at are the items
#               of highest quantised product
#   int8        the same with rows of 8 bits a number
import sys

import numpy as np

COLUMNS, LIST, QUERIES = 128, 100, 200
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)


def k_means(rows, count, rounds, random):
    sample = rows[random.permutation(len(rows))[: min(len(rows), 64 * count)]]
    centres = sample[:count].copy()
    for _ in range(rounds):
        home = np.argmax(sample @ centres.T - (centres**2).sum(1) / 2, axis=1)
        for centre in range(count):
            members = sample[home == centre]
            if len(members):
                centres[centre] = members.mean(0)
    return centres, np.argmax(rows @ centres.T - (centres**2).sum(1) / 2, axis=1)


def tree_keys(rows, queries, leaf):
    """For each query and item, how far the query is on the wrong side of the splits above the item's leaf."""
    keys = np.zeros((len(queries), len(rows)), np.float32)
    stack = [np.arange(len(rows))]
    while stack:
        members = stack.pop()
        if len(members) <= leaf:
            continue
        part = rows[members] - rows[members].mean(0)
        _, vectors = np.linalg.eigh(part.T @ part)
        along = rows[members] @ vectors[:, -1]
        split = np.median(along)
        low, high = members[along <= split], members[along > split]
        if not len(high):
            continue
        # A query is a direction: it is put as far out as the items of the node that it scores best are.
        reach = np.sqrt((rows[members] ** 2).sum(1).max()) / np.sqrt((queries**2).sum(1))
        margin = (queries @ vectors[:, -1]) * reach - split
        keys[:, low] += np.maximum(margin, 0)[:, None]
        keys[:, high] += np.maximum(-margin, 0)[:, None]
        stack += [low, high]
    return -keys


def hash_keys(rows, queries, bits, random):
    norms = (rows**2).sum(1)
    longer = np.hstack([rows, np.sqrt(np.maximum(norms.max() - norms, 0))[:, None]])
    directions = random.standard_normal((rows.shape[1] + 1, bits)).astype(np.float32)
    ours = np.sign(longer @ directions)
    theirs = np.sign(queries @ directions[:-1])
    return theirs @ ours.T


def product_keys(rows, queries, width, random):
    keys = np.zeros((len(queries), len(rows)), np.float32)
    for begin in range(0, rows.shape[1], width):
        centres, home = k_means(rows[:, begin : begin + width], 256, 8, random)
        keys += (queries[:, begin : begin + width] @ centres.T)[:, home]
    return keys


def int8_keys(rows, queries):
    scale = np.abs(rows).max(1, keepdims=True) / 127
    return queries @ (np.rint(rows / scale) * scale).T


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: partitions.py FOLDER")
    rows = np.fromfile(f"{sys.argv[1]}/rows.f32", np.float32).reshape(-1, COLUMNS)
    queries = np.fromfile(f"{sys.argv[1]}/queries.f32", np.float32).reshape(-1, COLUMNS)[:QUERIES]
    random = np.random.default_rng(1)
    exact = np.argsort(-(queries @ rows.T), axis=1)[:, :LIST]
    centres, home = k_means(rows, int(2 * len(rows) ** 0.5), 10, random)
    ways = {
        "lists": (queries @ centres.T)[:, home],
        "tree": tree_keys(rows, queries, int(len(rows) ** 0.5 / 2)),
        "hashing": hash_keys(rows, queries, 128, random),
        "product": product_keys(rows, queries, 4, random),
        "int8": int8_keys(rows, queries),
    }
    print(f"{len(rows)} items, {len(queries)} users; overlap@{LIST} by share of the items looked at")
    print("way       " + "".join(f"{share:>8.0%}" for share in (LIST * 4 / len(rows), *SHARES)).replace("%", " %"))
    for name, keys in ways.items():
        found = []
        for share in (LIST * 4 / len(rows), *SHARES):
            count = int(share * len(rows))
            looked = np.argpartition(-keys, count, axis=1)[:, :count]
            found.append(np.mean([len(np.intersect1d(a, b)) / LIST for a, b in zip(looked, exact)]))
        print(f"{name:<10}" + "".join(f"{value:8.4f}" for value in found))


main()
