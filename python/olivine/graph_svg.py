"""Pictures of graphs: a layered drawing of what arrays are computed from, as an SVG.

The graph of `olivine.core` becomes boxes (ops), pills (inputs and outputs) and edges, drawn
by the method of Sugiyama, Tagawa and Toda (1981):

1. `layers`: each box goes one layer below the lowest box it reads, or, if that takes no more edges
   down, right above its first reader.
2. `split`: an edge over several layers goes through an invisible stop in each of them.
3. `order`: boxes are sorted within layers by the mean position of their neighbours, up and down,
   and the order of the fewest crossings is kept.
4. `place`: each layer is moved towards its neighbours as far as the order allows, which is a least
   squares problem that pooling adjacent violators solves exactly. Stops of one edge pull together.

Scalar constants are written into the ops that read them, since they would clutter the picture.
"""

from __future__ import annotations

import html
from bisect import bisect_right, insort
from dataclasses import dataclass, field

import olivine.core as mx
from olivine.utils import tree_flatten

FONT = 12
LINE = 15  # pixels from one line of text to the next
PADDING = 9
GAP = 18  # between neighbours in a layer
BETWEEN = 34  # between layers
MARGIN = 16
FILL = {
    "op": ("#ffffff", "#8a94a6"),
    "view": ("#f3f4f7", "#b9c0cc"),
    "input": ("#e3effc", "#5b93cf"),
    "output": ("#e2f4e6", "#4c9f63"),
}


@dataclass
class Box:
    kind: str  # "op", "view", "input", "output" or "stop"
    lines: list[str] = field(default_factory=list)
    above: list[Box] = field(default_factory=list)  # once per edge
    below: list[Box] = field(default_factory=list)
    layer: int = 0
    x: float = 0.0  # of the centre
    at: int = 0  # position in its layer

    @property
    def width(self):
        if self.kind == "stop":
            return 2.0
        return max(text_width(line) for line in self.lines) + 2 * PADDING + 6

    @property
    def height(self):
        return 0.0 if self.kind == "stop" else LINE * len(self.lines) + PADDING


def text_width(text):
    """About what a sans-serif font needs."""
    narrow = sum(c in "ijl.,:;|()[]1 " for c in text)
    return FONT * (0.58 * (len(text) - narrow) + 0.34 * narrow)


# ---- The graph as boxes.


def describe(shape, dtype):
    dims = "×".join(map(str, shape)) if shape else "scalar"
    return f"{dims}  {str(dtype).rsplit('.', 1)[-1]}"


def read_graph(arrays, names):
    values, operations = mx._describe_graph(arrays, names)
    views = {r["name"] for r in mx._op_records() if r["view"]}
    maker = {}  # value -> its box
    boxes = []

    def new(kind, lines):
        boxes.append(Box(kind, lines))
        return boxes[-1]

    def connect(value, box):
        maker[value].below.append(box)
        box.above.append(maker[value])

    constant = {i for i, v in enumerate(values) if v[3] and v[5] and not v[0] and not v[4]}
    for i, (name, shape, dtype, is_input, _, text) in enumerate(values):
        if is_input and i not in constant:
            title = name or text or "constant"
            maker[i] = new("input", [title, describe(shape, dtype)])
    for name, inputs, outputs in operations:
        given = [values[i] for i in outputs]
        title = title_of(name, [values[i] if i in constant else None for i in inputs])
        lines = [title, *(describe(v[1], v[2]) for v in given)]
        if len(given) == 1 and given[0][0] and not given[0][4]:
            lines.insert(1, f"= {given[0][0]}")
        box = new("view" if name in views else "op", lines)
        for i in outputs:
            maker[i] = box
        for i in inputs:
            if i not in constant:
                connect(i, box)
    unnamed = sum(v[4] and not v[0] for v in values)
    number = 0
    for i, (name, shape, dtype, _, is_output, _) in enumerate(values):
        if not is_output:
            continue
        if not name:
            number += 1
            name = f"output {number}" if unnamed > 1 else "output"
        connect(i, new("output", [name, describe(shape, dtype)]))
    return boxes


def title_of(name, constants):
    """An op's name, with the scalars that it takes at their places."""
    if name.startswith("astype_"):
        return "astype"
    if not any(constants):
        return name
    return f"{name}(" + ", ".join("·" if c is None else number(c[5]) for c in constants) + ")"


def number(text):
    try:
        return f"{float(text):.4g}" if "." in text or "e" in text else text
    except ValueError:
        return text


# ---- Layers.


def layers(boxes):
    """Boxes by layer; `boxes` lists what is read before its readers."""
    for box in boxes:
        box.layer = 1 + max((b.layer for b in box.above), default=-1)
    for box in reversed(boxes):
        if box.below and len(box.above) <= len(box.below):
            box.layer = min(b.layer for b in box.below) - 1
    rows = [[] for _ in range(1 + max(b.layer for b in boxes))]
    for box in boxes:
        rows[box.layer].append(box)
    return [row for row in rows if row]


def split(rows):
    """Puts stops into edges over several layers; returns the edges as chains of boxes."""
    for i, row in enumerate(rows):
        for box in row:
            box.layer = i
    chains = []
    for row in rows:
        for box in [b for b in row if b.kind != "stop"]:
            readers, box.below = box.below, []
            for reader in readers:
                chain = [box]
                for layer in range(box.layer + 1, reader.layer):
                    chain.append(Box("stop", layer=layer))
                    rows[layer].append(chain[-1])
                chains.append([*chain, reader])
    for row in rows:
        for box in row:
            box.above, box.below = [], []
    for chain in chains:
        for a, b in zip(chain, chain[1:], strict=False):
            a.below.append(b)
            b.above.append(a)
    return chains


# ---- Order within layers.


def number_rows(rows):
    for row in rows:
        for i, box in enumerate(row):
            box.at = i


def crossings(rows):
    total = 0
    for row in rows:
        ends = []
        for box in row:
            below = sorted(b.at for b in box.below)
            total += sum(len(ends) - bisect_right(ends, at) for at in below)
            for at in below:
                insort(ends, at)
    return total


def order(rows):
    number_rows(rows)
    best, fewest = [list(r) for r in rows], crossings(rows)
    for sweep in range(24):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            mean = {}
            for box in row:
                near = [b.at for b in (box.above if down else box.below)]
                mean[id(box)] = sum(near) / len(near) if near else box.at
            row.sort(key=lambda b, mean=mean: mean[id(b)])
            for i, box in enumerate(row):
                box.at = i
        now = crossings(rows)
        if now < fewest:
            best, fewest = [list(r) for r in rows], now
        if fewest == 0:
            break
    rows[:] = best
    number_rows(rows)


# ---- Coordinates.


def pooled(wanted, weights):
    """The increasing values nearest to `wanted` (Ayer and others, 1955)."""
    blocks = []  # [mean, weight, count]
    for x, w in zip(wanted, weights, strict=True):
        blocks.append([x, w, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            x2, w2, n2 = blocks.pop()
            x1, w1, n1 = blocks.pop()
            blocks.append([(x1 * w1 + x2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return [x for x, _, n in blocks for _ in range(n)]


def place(rows, chains):
    lines = {id(stop): chain[1:-1] for chain in chains for stop in chain[1:-1]}
    offsets = []  # where the boxes of a row are if they lie as close as may be
    for row in rows:
        at, row_offsets = 0.0, []
        for left, box in zip([None, *row], row, strict=False):
            if left is not None:
                stops = left.kind == "stop" and box.kind == "stop"
                at += (left.width + box.width) / 2 + (GAP / 2 if stops else GAP)
            row_offsets.append(at)
            box.x = at
        offsets.append(row_offsets)
    for sweep in range(60):
        down = sweep % 2 == 0
        for row, row_offsets in list(zip(rows, offsets, strict=True))[:: 1 if down else -1]:
            wanted, weights = [], []
            for box, offset in zip(row, row_offsets, strict=True):
                near = (box.above if down else box.below) or (box.below if down else box.above)
                if sweep > 8:
                    near = lines.get(id(box)) or (box.above + box.below if sweep > 40 else near)
                x = sum(b.x for b in near) / len(near) if near else box.x
                wanted.append(x - offset)
                weights.append(6.0 if box.kind == "stop" else 1.0 if near else 0.01)
            for box, offset, x in zip(row, row_offsets, pooled(wanted, weights), strict=True):
                box.x = x + offset
    left = min(b.x - b.width / 2 for row in rows for b in row)
    for row in rows:
        for box in row:
            box.x += MARGIN - left


# ---- Drawing.


def curve(points):
    """A path through points, vertical at each."""
    (x, y), *rest = points
    path = [f"M{x:.1f},{y:.1f}"]
    for to_x, to_y in rest:
        if abs(to_x - x) < 0.5:
            path.append(f"L{to_x:.1f},{to_y:.1f}")
        else:
            middle = (y + to_y) / 2
            path.append(f"C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}")
        x, y = to_x, to_y
    return " ".join(path)


def draw_edge(chain, top, depth):
    first, last = chain[0], chain[-1]
    points = [(first.x, top[first.layer] + (depth[first.layer] + first.height) / 2)]
    for stop in chain[1:-1]:
        points += [(stop.x, top[stop.layer]), (stop.x, top[stop.layer] + depth[stop.layer])]
    points.append((last.x, top[last.layer] + (depth[last.layer] - last.height) / 2 - 1))
    return f'<path d="{curve(points)}" fill="none" stroke="#9aa3b2" marker-end="url(#tip)"/>'


def draw_box(box, top, depth):
    fill, stroke = FILL[box.kind]
    x, y = box.x - box.width / 2, top[box.layer] + (depth[box.layer] - box.height) / 2
    radius = box.height / 2 if box.kind in ("input", "output") else 4
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{radius:.1f}" fill="{fill}" stroke="{stroke}"/>'
    ]
    baseline = y + PADDING / 2 + FONT - 1
    for i, line in enumerate(box.lines):
        style = 'font-weight="600"' if i == 0 else 'fill="#5c6470" font-size="11"'
        at = f'x="{box.x:.1f}" y="{baseline + LINE * i:.1f}"'
        parts.append(f"<text {at} {style}>{html.escape(line)}</text>")
    return "\n".join(parts)


def draw(rows, chains):
    depth = [max(b.height for b in row) for row in rows]
    top, y = [], MARGIN
    for d in depth:
        top.append(y)
        y += d + BETWEEN
    width = max(b.x + b.width / 2 for row in rows for b in row) + MARGIN
    height = y - BETWEEN + MARGIN
    edges = [draw_edge(chain, top, depth) for chain in chains]
    boxes = [draw_box(b, top, depth) for row in rows for b in row if b.kind != "stop"]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" '
            f'font-size="{FONT}" text-anchor="middle" fill="#1d2430">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0,0.5 L8,4 L0,7.5 z" fill="#9aa3b2"/>'
            "</marker></defs>",
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
            *edges,
            *boxes,
            "</svg>\n",
        ]
    )


def graph_svg(*args, **kwargs):
    """The picture that `export_to_svg` writes, as a string."""
    arrays = [a for _, a in tree_flatten(list(args)) if isinstance(a, mx.array)]
    if not arrays:
        raise ValueError("[export_to_svg] expected arrays whose graph to draw; got none")
    boxes = read_graph(arrays, kwargs)
    rows = layers(boxes)
    chains = split(rows)
    order(rows)
    place(rows, chains)
    return draw(rows, chains)


def export_to_svg(file, *args, **kwargs):
    """Draws the graph of arrays that are not yet computed, with shapes and dtypes.

    Args:
        file: a path or a file object open for text.
        *args: the arrays whose graph it is, or trees of them.
        **kwargs: names for arrays in the graph: inputs, outputs or results in between.
    """
    text = graph_svg(*args, **kwargs)
    if hasattr(file, "write"):
        file.write(text)
    else:
        with open(file, "w", encoding="utf-8") as f:
            f.write(text)
