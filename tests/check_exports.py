# SPDX-License-Identifier: Apache-2.0
"""Holds the exports of a model in FOLDER (items.npz, .mtx, .csv, .jsonl, .pgvector) against its model.safetensors."""
import csv
import json
import re
import sys

import numpy
import scipy.io
import scipy.sparse

from read_safetensors import read, strings


def check_jsonl(folder, ids, table, priors, fold):
    with open(folder + "/items.jsonl", encoding="utf-8") as file:
        for item, line in enumerate(file):
            entry = json.loads(line)
            assert entry["id"] == ids[item].decode("utf-8", "replace")
            row = numpy.zeros(table.shape[1], "f4")
            if "indices" in entry:
                row[entry["indices"]] = entry["values"]
            else:
                row[:] = entry["embedding"]
            assert (row == table[item]).all()
            assert priors is None or entry["prior"] == priors[item]
    assert item + 1 == len(ids)


def check_csv(folder, ids, table, sparse):
    found = numpy.zeros_like(table)
    with open(folder + "/items.csv", encoding="latin-1", newline="") as file:
        rows = csv.reader(file)
        heading = next(rows)
        names = [name.decode("latin-1") for name in ids]
        for row in rows:
            if sparse:
                found[names.index(row[0]), int(row[1])] = row[2]
            else:
                found[names.index(row[0])] = row[1:]
    assert heading == (["item", "dimension", "value"] if sparse else ["item"] + [f"d{i}" for i in range(table.shape[1])])
    assert (found == table).all()


def check_pgvector(folder, ids, table, sparse):
    with open(folder + "/items.pgvector", "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b"" and len(lines) == len(ids)
    unescape = {b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r", b"\\\\": b"\\"}
    for item, line in enumerate(lines):
        name, vector = line.split(b"\t")
        assert re.sub(rb"\\.", lambda found: unescape[found[0]], name) == ids[item]
        row = numpy.zeros(table.shape[1], "f4")
        if sparse:
            entries, dimensions = re.fullmatch(rb"\{(.*)\}/(\d+)", vector).groups()
            assert int(dimensions) == table.shape[1]
            for entry in filter(None, entries.split(b",")):
                index, value = entry.split(b":")
                row[int(index) - 1] = float(value)
        else:
            row[:] = json.loads(vector)
        assert (row == table[item]).all()


def main(folder, fold):
    arrays, metadata = read(folder + "/model.safetensors")
    ids = strings(arrays, "item_ids")
    sparse = "encoder.indptr" in arrays
    if sparse:
        shape = (len(ids), int(metadata["topn.dimensions"]))
        parts = [arrays["encoder." + part] for part in ("values", "indices", "indptr")]
        table = scipy.sparse.csr_matrix(tuple(parts), shape).toarray()
    else:
        table = arrays["encoder"]
    priors = arrays.get("items.priors")
    if fold:
        table = table * priors[:, None]
    archive = numpy.load(folder + "/items.npz")
    if sparse:
        assert (scipy.sparse.load_npz(folder + "/items.npz").toarray() == table).all()
    else:
        assert (archive["embeddings"] == table).all()
    assert archive["item_ids"].tolist() == ids
    assert priors is None or (archive["priors"] == priors).all()
    assert ("biases" in archive) == ("items.biases" in arrays)
    stored = scipy.io.mmread(folder + "/items.mtx")
    assert ((stored.toarray() if sparse else stored).astype("f4") == table).all()
    check_jsonl(folder, ids, table, priors, fold)
    check_csv(folder, ids, table, sparse)
    check_pgvector(folder, ids, table, sparse)


main(sys.argv[1], sys.argv[2] == "fold")
