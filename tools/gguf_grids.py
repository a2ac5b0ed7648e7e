"""Writes src/io/gguf_grids.h: the code books of GGUF's IQ types, which are part of the format.

    pip install gguf && python tools/gguf_grids.py

The values are those that the PyPI package `gguf` (the format's own reader) decodes with; the package
is needed only here. An entry of a code book is a short vector of small numbers; it is written as the
positions of these numbers in the type's list of values, 2 or 3 bits each, first element lowest.
"""

from pathlib import Path

from gguf import quants

BOOKS = {
    "kIq1Grid": (quants.IQ1_S, 2),
    "kIq2XxsGrid": (quants.IQ2_XXS, 2),
    "kIq2XsGrid": (quants.IQ2_XS, 2),
    "kIq2SGrid": (quants.IQ2_S, 2),
    "kIq3XxsGrid": (quants.IQ3_XXS, 3),
    "kIq3SGrid": (quants.IQ3_S, 3),
}
HEAD = """\
// Code books of GGUF's IQ types. Written by tools/gguf_grids.py; do not edit.
//
// An entry holds the positions of its elements in the type's list of values, `bits` bits each, the
// first element lowest.
#pragma once

// clang-format off

#include <cstdint>

namespace olivine::gguf {
"""


def main():
    text = HEAD
    for name, (kind, bits) in BOOKS.items():
        kind.init_grid()
        grid = kind.grid.reshape(kind.grid_shape)
        values = list(kind.grid_map)
        codes = [sum(values.index(int(v)) << (bits * i) for i, v in enumerate(row)) for row in grid]
        listed = ", ".join(str(v) for v in values)
        text += f"\n// {grid.shape[0]} entries of {grid.shape[1]}, {bits} bits each: {listed}.\n"
        text += f"inline constexpr uint16_t {name}[{len(codes)}] = {{\n"
        line = "   "
        for c in codes:
            item = f" {c},"
            if len(line) + len(item) > 100:
                text += line + "\n"
                line = "   "
            line += item
        text += line + "\n};\n"
    text += "\n}  // namespace olivine::gguf\n"
    Path(__file__).parent.parent.joinpath("src/io/gguf_grids.h").write_text(text)


if __name__ == "__main__":
    main()
