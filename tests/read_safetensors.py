# SPDX-License-Identifier: Apache-2.0
"""A reader of safetensors files after the format's own description, knowing nothing of topn."""
import json

import numpy

TYPES = {"F32": "<f4", "F64": "<f8", "U8": "u1", "U32": "<u4", "I64": "<i8", "U64": "<u8"}


def read(path):
    """({name: array}, {key: text})"""
    with open(path, "rb") as file:
        content = file.read()
    length = int.from_bytes(content[:8], "little")
    assert 2 <= length <= 100_000_000 and content[8:9] == b"{"
    header = json.loads(content[8 : 8 + length].decode("utf-8"))
    data = content[8 + length :]
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values())
    arrays, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda pair: pair[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        assert begin == end, "the format allows no gaps"
        arrays[name] = numpy.frombuffer(data[begin:stop], TYPES[entry["dtype"]]).reshape(entry["shape"])
        assert (8 + length + begin) % arrays[name].itemsize == 0
        end = stop
    assert end == len(data)
    return arrays, metadata


def strings(arrays, name):
    """The NUL-terminated strings of a table, as bytes."""
    offsets, text = arrays[name + ".offsets"].astype(int), arrays[name + ".bytes"].tobytes()
    return [text[begin : end - 1] for begin, end in zip(offsets, offsets[1:])]
