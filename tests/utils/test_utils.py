"""Tree functions: mapping, flattening, rebuilding, folding and merging."""

from collections import namedtuple

import pytest

from olivine.utils import (
    tree_flatten,
    tree_map,
    tree_map_with_path,
    tree_merge,
    tree_reduce,
    tree_unflatten,
)

TREE = {"a": [1, {"b": 2}], "c": (3, []), "d": {}}
Point = namedtuple("Point", "x y")


def is_list(node):
    return isinstance(node, list)


def test_map_keeps_the_form():
    assert tree_map(lambda x: x * 10, TREE) == {"a": [10, {"b": 20}], "c": (30, []), "d": {}}


def test_map_of_a_leaf_is_the_function():
    assert tree_map(lambda x: x + 1, 1) == 2


def test_map_walks_other_trees_along():
    assert tree_map(lambda x, y: (x, y), {"a": [1, 2]}, {"a": ["x", "y"], "b": 0}) == {
        "a": [(1, "x"), (2, "y")]
    }


def test_map_rebuilds_named_tuples():
    assert tree_map(lambda x: x + 1, Point(1, [2])) == Point(2, [3])


def test_map_stops_where_is_leaf_says():
    assert tree_map(len, {"a": [1, 2], "b": [3]}, is_leaf=is_list) == {"a": 2, "b": 1}


def test_map_with_path_names_every_leaf():
    paths = tree_map_with_path(lambda path, x: path, TREE)
    assert paths == {"a": ["a.0", {"b": "a.1.b"}], "c": ("c.0", []), "d": {}}
    assert tree_map_with_path(lambda path, x: path, [1], path="top") == ["top.0"]
    assert tree_map_with_path(lambda path, x: path, 1) is None


def test_map_with_path_passes_other_trees_and_stops_at_leaves():
    found = tree_map_with_path(lambda p, x, y: (p, x, y), {"a": [1]}, {"a": [2]}, is_leaf=is_list)
    assert found == {"a": ("a", [1], [2])}


def test_flatten_lists_leaves_with_dotted_paths():
    assert tree_flatten(TREE) == [("a.0", 1), ("a.1.b", 2), ("c.0", 3)]
    assert tree_flatten(7) == [("", 7)]


def test_flatten_takes_prefix_leaf_test_and_destination():
    assert tree_flatten({"a": 1}, prefix=".model") == [("model.a", 1)]
    assert tree_flatten({"a": [1, 2]}, is_leaf=is_list) == [("a", [1, 2])]
    given = {"old": 0}
    assert tree_flatten({"a": [1]}, destination=given) is given
    assert given == {"old": 0, "a.0": 1}


@pytest.mark.parametrize("tree", [{"a": [1, {"b": 2}], "c": {"0x": 3}}, [[1], [2, 3]], {}, 5])
def test_unflatten_undoes_flatten(tree):
    expected = [] if tree == {} else tree
    assert tree_unflatten(tree_flatten(tree)) == expected
    assert tree_unflatten(tree_flatten(tree, destination={})) == expected


def test_unflatten_orders_indices_as_numbers_and_fills_gaps():
    assert tree_unflatten([("10", "z"), ("2", "c")]) == [{}, {}, "c", *[{}] * 7, "z"]


def test_unflatten_makes_a_dictionary_of_mixed_keys():
    assert tree_unflatten([("2", 1), ("a", 2)]) == {"2": 1, "a": 2}


def test_reduce_folds_from_left_to_right():
    assert tree_reduce(lambda text, x: text + str(x), {"a": [1, 2], "b": 3}, "") == "123"
    assert tree_reduce(lambda a, b: a - b, [10, [2, 3]]) == 5
    sizes = tree_reduce(lambda n, x: n + len(x), {"a": [1], "b": [2, 3]}, 0, is_leaf=is_list)
    assert sizes == 3
    assert tree_reduce(lambda a, b: a + b, {}) is None


def test_merge_has_the_leaves_of_both():
    merged = tree_merge({"a": [1, {}], "b": None}, {"a": [{}, 2, 3], "b": 4, "c": 5})
    assert merged == {"a": [1, 2, 3], "b": 4, "c": 5}


def test_merge_resolves_leaves_on_both_sides_or_complains():
    assert tree_merge({"a": 1}, {"a": 2}, lambda a, b: a + b) == {"a": 3}
    with pytest.raises(ValueError, match=r"\[tree_merge\] expected"):
        tree_merge({"a": 1}, {"a": 2})
