"""The table, the trace and the page of a profile."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

import olivine.core as mx
from olivine.profiler import profile
from olivine.profiler.quantities import amount, duration, percent


@pytest.fixture(scope="module")
def recorded():
    x = mx.random.normal((256, 256), key=mx.random.key(0))
    f = mx.compile(lambda x: mx.tanh(x @ x) * 2 + x)
    with profile() as p:
        for _ in range(3):
            x = f(x)
            mx.eval(x)
        mx.eval(mx.sort(mx.concatenate([x, x])))
    p.title = "a <program> & more"
    return p


def test_the_table_has_phases_and_the_longest_ops(recorded):
    text = recorded.table(rows=3)
    assert "attributed: " in text
    assert re.search(r"^matmul +3 ", text, re.MULTILINE)
    assert "of limit" in text
    assert re.search(r"^and \d+ more", text, re.MULTILINE)
    assert all(len(row) <= 120 for row in text.splitlines()[3:])
    assert str(recorded) == recorded.table()


def test_the_trace_is_json_whose_spans_nest(recorded, tmp_path):
    recorded.save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [e for e in trace if e["ph"] == "X"]
    assert {e["ph"] for e in trace} == {"M", "X", "C"}
    assert sum(e["name"] == "matmul" for e in spans) == 3
    for event in spans:
        assert event["dur"] >= 0
        assert 0 <= event["ts"] <= recorded.wall * 1e6
        assert {"pid", "tid", "cat", "args"} <= set(event)
    product = next(e for e in spans if e["name"] == "matmul")
    assert product["args"]["FLOP"] == 2 * 256**3
    assert product["args"]["line"].startswith("test_output.py:")
    runs = [e for e in spans if e["cat"] == "running"]
    inside = [r for r in runs if r["ts"] <= product["ts"] <= r["ts"] + r["dur"]]
    assert inside
    for thread in {e["tid"] for e in spans}:
        own = sorted((e for e in spans if e["tid"] == thread), key=lambda e: (e["ts"], -e["dur"]))
        open_until = []
        for event in own:
            while open_until and open_until[-1] <= event["ts"] + 1e-3:
                open_until.pop()
            end = event["ts"] + event["dur"]
            assert not open_until or end <= open_until[-1] + 1e-3
            open_until.append(end)


def test_json_has_all_figures_and_rows(recorded, tmp_path):
    recorded.save_json(tmp_path / "profile.json")
    found = json.loads((tmp_path / "profile.json").read_text())
    assert found["title"] == "a <program> & more"
    assert found["wall"] == pytest.approx(recorded.wall)
    assert found["attributed"] == pytest.approx(recorded.attributed)
    assert set(found["rows"]) == {"op", "kernel", "shape", "line", "layer", "stream"}
    product = next(r for r in found["rows"]["op"] if r["name"] == "matmul")
    assert (product["count"], product["flops"]) == (3, 3 * 2 * 256**3)
    assert sum(found["threads"][0]["phases"].values()) == pytest.approx(found["wall"], rel=1e-3)


def test_a_trace_that_cannot_be_written_is_one_sentence(recorded, tmp_path):
    with pytest.raises(RuntimeError, match=r"^\[profiler\] expected a file to write to; got "):
        recorded.save_trace(tmp_path / "no" / "trace.json")


def test_the_page_is_well_formed_and_needs_no_network(recorded, tmp_path):
    recorded.save_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    root = ET.fromstring(text.replace("<!DOCTYPE html>", ""))
    assert root.find("head/title").text == "Profile of a <program> & more"
    pictures = [e for e in root.iter() if e.tag.endswith("svg")]
    assert len(pictures) == 4
    assert all(list(p) for p in pictures)
    assert not re.search(r"(src|href)=|<script|@import|url\(", text)
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "matmul" in text


def test_numbers_have_three_digits():
    assert amount(0, "B") == "0 B"
    assert amount(999, "B") == "999 B"
    assert amount(12_345, "B") == "12.3 kB"
    assert amount(1_234_567, "FLOP") == "1.23 MFLOP"
    assert amount(2.5e14, "") == "250 T"
    assert duration(1.5) == "1.5 s"
    assert duration(0.00123) == "1.23 ms"
    assert duration(4.2e-6) == "4.2 us"
    assert duration(3e-8) == "30 ns"
    assert percent(0.98765) == "98.8 %"
