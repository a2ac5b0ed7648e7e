"""README.md maps each thread to its test: no thread without one, no test without its line."""

import re
from pathlib import Path

HERE = Path(__file__).parent
# Threads of other packages that ask for what docs/masks.md, docs/control-flow.md, docs/sparse.md,
# docs/array-api.md, shapeless compilation, linear algebra and the NaN finder deliver.
THREADS = """
mlx#246 mlx#568 mlx#2744 mlx#2803 mlx#860 mlx#865 mlx#2710 jax#21994 jax#10231
mlx#3201 mlx#2607 mlx#4460 mlx-pr#4296 mlx#2599 jax#2521
mlx#1441 mlx-pr#3772 pytensor-pr#2258
mlx#2728 mlx#148 mlx-pr#2796
mlx#1392 mlx#2708 mlx#1893 mlx#799 jax#1259 mlx#1927 mlx#1771 mlx-swift#147 mlx-pr#2178
jax#475 jax#2611 jax#25643 vllm#44211
mlx#3484 mlx-pr#3579 mlx-pr#3667 mlx-pr#3671 mlx-pr#3680 mlx-pr#3726 mlx-pr#3747 pytorch#58743
""".split()


def rows():
    """Thread and test of each line of the table."""
    return re.findall(
        r"^\| (\S+#\d+) \|.*\| `(\w+\.py::\w+)` \|$", (HERE / "README.md").read_text(), re.M
    )


def defined():
    tests = {}
    for path in HERE.glob("test_*.py"):
        for name in re.findall(r"^def (test_\w+__\w+)\(", path.read_text(), re.M):
            tests[f"{path.name}::{name}"] = name
    return tests


def test_every_thread_has_a_line_and_every_line_a_thread():
    listed = [thread for thread, _ in rows()]
    assert sorted(listed) == sorted(THREADS) and len(set(listed)) == len(listed)


def test_every_line_names_a_test_and_every_test_has_a_line():
    named = [test for _, test in rows()]
    assert sorted(named) == sorted(defined())


def test_a_test_carries_the_number_of_its_thread():
    for thread, test in rows():
        assert test.endswith("__" + re.sub(r"[-#]", "_", thread)), test
