"""Pictures and texts of graphs: every box is there, in its place, with its shape and dtype."""

import io
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import olivine.core as mx
from olivine.graph_svg import graph_svg
from olivine.utils import export_to_svg

SVG = "{http://www.w3.org/2000/svg}"


def mlp():
    x, w, b = mx.random.normal((8, 4)), mx.random.normal((4, 3)), mx.zeros((3,))
    mx.eval(x, w)

    def loss(p):
        return mx.mean(mx.square(mx.maximum(x @ p["w"] + p["b"], 0)))

    value, grads = mx.value_and_grad(loss)({"w": w, "b": b})
    return (value, grads), {"x": x, "w": w, "b": b, "loss": value, "dw": grads["w"]}


def read(text):
    root = ET.fromstring(text)
    boxes = [
        {k: float(r.get(k, 0)) for k in ("x", "y", "width", "height")}
        for r in root.iter(SVG + "rect")
    ]
    words = [t.text for t in root.iter(SVG + "text")]
    edges = [p.get("d") for p in root.iter(SVG + "path") if p.get("marker-end")]
    return boxes, words, edges


def test_boxes_name_ops_inputs_and_outputs():
    outputs, names = mlp()
    boxes, words, edges = read(graph_svg(outputs, **names))
    assert {"x", "w", "b", "loss", "dw", "output", "matmul", "maximum(·, 0)", "square"} <= set(
        words
    )
    assert words.count("matmul") == 2 and "8×4  float32" in words and "scalar  float32" in words
    assert len(words) == 2 * (len(boxes) - 1), "one rectangle is the ground"
    assert len(edges) >= len(boxes) - 1 - 3


def test_boxes_do_not_overlap_and_lie_within_the_picture():
    outputs, names = mlp()
    (page, *boxes), _, edges = read(graph_svg(outputs, **names))
    for i, a in enumerate(boxes):
        assert a["x"] >= 0 and a["x"] + a["width"] <= page["width"]
        assert a["y"] >= 0 and a["y"] + a["height"] <= page["height"]
        for b in boxes[:i]:
            apart = a["x"] + a["width"] < b["x"] or b["x"] + b["width"] < a["x"]
            assert apart or a["y"] + a["height"] < b["y"] or b["y"] + b["height"] < a["y"]
    for path in edges:
        ys = [float(y) for y in re.findall(r",(-?[\d.]+)", path)]
        assert ys == sorted(ys), "edges go down"


def test_files_paths_and_errors(tmp_path):
    outputs, names = mlp()
    export_to_svg(tmp_path / "g.svg", outputs, **names)
    out = io.StringIO()
    export_to_svg(out, outputs, **names)
    assert out.getvalue() == (tmp_path / "g.svg").read_text()
    with pytest.raises(ValueError, match="export_to_svg"):
        graph_svg()
    with pytest.raises(TypeError, match="arrays to name"):
        graph_svg(outputs, x=3)


def test_computed_arrays_long_chains_and_several_outputs():
    x = mx.array([1.0, 2.0])
    assert read(graph_svg(x))[1].count("2  float32") == 2
    y = x
    for _ in range(3000):
        y = mx.sin(y)
    assert read(graph_svg(y))[1].count("sin") == 3000
    q = mx.zeros((1, 2, 4, 8)) + 1
    words = read(graph_svg(mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0)))[1]
    assert (
        "attention" in words
        and words.count("1×2×4×8  float32") >= 2
        and "1×2×4×1  float32" in words
    )


def test_dot_text_of_an_evaluated_array_has_no_edge():
    x = mx.array([1.0, 2.0]) + 1
    mx.eval(x)
    out = io.StringIO()
    mx.export_to_dot(out, x, x=x)
    assert "->" not in out.getvalue()
    assert 'style=bold, label="x\\n(2,) float32"' in out.getvalue()


def test_dot_text_holds_the_same_graph(tmp_path):
    outputs, names = mlp()
    mx.export_to_dot(str(tmp_path / "g.dot"), outputs, **names)
    text = (tmp_path / "g.dot").read_text()
    out = io.StringIO()
    mx.export_to_dot(out, outputs, **names)
    assert out.getvalue() == text and text.startswith("digraph {") and text.endswith("}\n")
    for label in (
        "x\\n(8, 4) float32",
        "matmul\\n(8, 3) float32",
        "loss\\n() float32",
        "dw\\n(4, 3) float32",
    ):
        assert f'label="{label}"' in text
    nodes = set(re.findall(r"^  (\w+) \[", text, re.M))
    ends = re.findall(r"^  (\w+) -> (\w+)", text, re.M)
    assert {n for edge in ends for n in edge} <= nodes
    try:
        subprocess.run(["dot", "-Tsvg"], input=text, text=True, check=True, capture_output=True)
    except FileNotFoundError:
        pass  # Graphviz is not there to read it
    with pytest.raises(TypeError):
        mx.export_to_dot(3, outputs)
