"""Errors of evaluations name the line that made the op, and how its operands came to be, in every
kind of program.

A fault is one line whose op fails when it is evaluated: an index beyond an axis, a singular or
indefinite matrix. Each is seeded into each kind of program; the expected line is that of the
fault's own source.
"""

import inspect
import re
import threading
import weakref

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from tests.support import SANITIZED, run_python

# Functions of a 4 x 4 matrix and of four indices, one of which may be beyond the rows.
FAULTS = {
    "take": lambda x, i: mx.take(x * 2, i + 0, axis=0),
    "index": lambda x, i: (x * 2)[i * 1],
    "take_along_axis": lambda x, i: mx.take_along_axis(x - 1, i[:, None] * 1, axis=0),
    "update": lambda x, i: (x + 1).at[i * 1].add(x),
    "put_along_axis": lambda x, i: mx.put_along_axis(x + 1, i[:, None] * 1, x[:1] * 3, axis=0),
    "gather_mm": lambda x, i: mx.gather_mm(x[:, None] * 2, x[:, :, None] + 1, i * 1, i * 1),
    "cholesky": lambda x, i: mx.linalg.cholesky(x * (3.5 - i.max()), stream=mx.cpu),
    "inv": lambda x, i: mx.linalg.inv(x * (4 - i.max()), stream=mx.cpu),
    "solve": lambda x, i: mx.linalg.solve(x * (4 - i.max()), x, stream=mx.cpu),
    "triangular": lambda x, i: mx.linalg.solve_triangular(x * (4 - i.max()), x, stream=mx.cpu),
}
GOOD, BAD = [0, 1, 2, 3], [0, 1, 4, 3]


def line_of(function):
    return f"test_fault_location.py:{inspect.getsourcelines(function)[1]} in "


def inputs(indices=BAD):
    return mx.eye(4) * 2, mx.array(indices)


# ---- Kinds of programs: each calls f once with what it is given, somewhere inside.
def eager(f):
    return f


def with_gradient(f):
    def run(x, i):
        return mx.value_and_grad(lambda x: mx.sum(f(x, i)))(x)[0]

    return run


def with_gradient_alone(f):
    return lambda x, i: mx.grad(lambda x: mx.sum(mx.square(f(x, i))))(x)


def mapped(f):
    return lambda x, i: mx.vmap(f)(mx.stack([x, x]), mx.stack([i, i]))


def checkpointed(f):
    return lambda x, i: mx.grad(lambda x: mx.sum(mx.checkpoint(f)(x, i)))(x)


def in_scan(f):
    def run(x, i):
        return mx.scan(lambda c, k: (c, f(c, i) + k), x, mx.arange(3))[1]

    return run


def in_fori(f):
    return lambda x, i: mx.fori_loop(0, 3, lambda k, c: c + mx.sum(f(c, i)) * 0, x)


def in_while(f):
    def run(x, i):
        step = lambda s: (s[0] + 1, s[1] + mx.sum(f(s[1], i)) * 0)  # noqa: E731
        return mx.while_loop(lambda s: s[0] < 3, step, (mx.array(0), x))[1]

    return run


def in_scan_gradient(f):
    def loss(x, i):
        return mx.sum(mx.scan(lambda c, k: (c + mx.sum(f(c, i)) * 0, k), x, mx.arange(3))[0])

    return lambda x, i: mx.grad(loss)(x, i)


def in_cond(f):
    return lambda x, i: mx.cond(mx.sum(x) > 0, f, lambda x, i: f(x, i * 0), x, i)


def in_switch(f):
    return lambda x, i: mx.switch(mx.array(1), [lambda x, i: f(x, i * 0), f], x, i)


def in_map(f):
    return lambda x, i: mx.map(lambda x: f(x, i), mx.stack([x, x]))


def in_custom_function(f):
    return mx.custom_function(f)


def in_a_thread(f):
    def run(x, i):
        made = []
        thread = threading.Thread(target=lambda: made.append(f(x, i)))
        thread.start()
        thread.join()
        return made[0]

    return run


def compiled(program):
    def build(f):
        return mx.compile(program(f))

    build.__name__ = f"compiled_{program.__name__}"
    return build


def compiled_before(f):
    """Traced, planned and run with good indices first."""
    g = mx.compile(f)
    mx.eval(g(*inputs(GOOD)))
    return g


def shapeless(f):
    return mx.compile(f, shapeless=True)


PROGRAMS = [
    eager, with_gradient, with_gradient_alone, mapped, checkpointed, in_scan, in_fori, in_while,
    in_scan_gradient, in_cond, in_switch, in_map, in_custom_function, in_a_thread,
    compiled(eager), compiled(with_gradient), compiled(mapped), compiled(in_scan),
    compiled(in_while), compiled(in_cond), compiled(in_switch), compiled_before, shapeless,
]  # fmt: skip


def failure(program, *args):
    with pytest.raises((IndexError, ValueError, RuntimeError)) as raised:
        mx.eval(program(*args))
    return str(raised.value)


def check(message, line):
    assert re.match(r"\[\w+\] ", message), message
    first = re.search(r"made at (.*)", message)
    assert first and first[1].startswith(line), message
    # How the operands came to be: at least one op, with its shape and its line.
    origin = r"\n  from \w+ \(.*\) \w+(.|\n)*, made at test_fault_location\.py:\d+ in "
    assert re.search(origin, message), message


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_located(name, program):
    f = FAULTS[name]
    check(failure(program(f), *inputs()), line_of(f))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_fails_without_the_fault(name, program):
    mx.eval(program(FAULTS[name])(*inputs(GOOD)))


@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile], ids=["eager", "compiled"])
def test_a_fault_in_a_layer_of_the_package_names_the_users_call(wrap):
    model = nn.Sequential(nn.Embedding(4, 8), nn.Linear(8, 2))
    call = lambda i: model(i + 1)  # noqa: E731
    message = failure(wrap(call), mx.array(GOOD))
    assert message.startswith("[take] ") and f"made at {line_of(call)}" in message


@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_a_layer_of_the_program_names_its_line(name, wrap):
    f = FAULTS[name]

    class Layer(nn.Module):
        def __call__(self, x, i):
            return f(x, i)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [Layer(), Layer()]

        def __call__(self, x, i):
            return self.layers[1](x + self.layers[0](x, i * 0).sum() * 0, i)

    model = Model()
    check(failure(wrap(lambda x, i: model(x, i)), *inputs()), line_of(f))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_an_imported_function_names_its_call(name, tmp_path):
    path = str(tmp_path / "f.olivine")
    mx.export_function(path, FAULTS[name], *inputs(GOOD))
    imported = mx.import_function(path)
    call = lambda x, i: imported(x, i)[0]  # noqa: E731
    check(failure(call, *inputs()), line_of(call))


def test_an_imported_function_inside_a_compiled_one_names_its_call(tmp_path):
    path = str(tmp_path / "f.olivine")
    mx.export_function(path, FAULTS["index"], *inputs(GOOD))
    imported = mx.import_function(path)
    call = lambda x, i: imported(x, i)[0]  # noqa: E731
    check(failure(mx.compile(call), *inputs()), line_of(call))


def test_values_that_are_read_without_eval_name_the_line():
    f = FAULTS["take"]
    for read in (lambda y: y.tolist(), lambda y: y[0, 0].item(), print, memoryview):
        with pytest.raises(IndexError) as raised:
            read(f(*inputs()))
        check(str(raised.value), line_of(f))
    with pytest.raises(IndexError) as raised:
        np.array(f(*inputs()))  # asks twice; the second time the operands are there
    assert f"made at {line_of(f)}" in str(raised.value)


def test_an_array_that_was_evaluated_in_the_background_names_the_line():
    f = FAULTS["index"]
    y = f(*inputs())
    mx.async_eval(y)
    check(failure(lambda: y), line_of(f))


def test_every_try_says_the_same():
    for f in FAULTS.values():
        y = f(*inputs())
        first = failure(lambda y: y, y)
        check(first, line_of(f))
        assert failure(lambda y: y, y) == first


def made_at_run_time(name, line):
    """A function `name` of file `name`.py, with a code object that nobody else has."""
    source = "\n" * (line - 1) + f"def {name}(x, i): return mx.take(x, i + 0, axis=0)"
    names = {"mx": mx}
    exec(compile(source, f"/a/{name}.py", "exec"), names)
    return names.pop(name)


def test_a_function_that_is_gone_takes_its_code_along():
    f = made_at_run_time("gone", 8)
    y, code = f(*inputs()), weakref.ref(f.__code__)
    del f
    assert code() is None
    assert "made at gone.py:8 in gone" in failure(lambda: y)


def test_code_at_the_address_of_code_that_is_gone_has_its_own_line():
    addresses = set()
    for k in range(200):
        f = made_at_run_time(f"f{k}", k + 1)
        addresses.add(id(f.__code__))
        y = f(*inputs())
        del f
        try:
            mx.eval(y)
            message = ""
        except IndexError as error:
            message = str(error)
        assert f"made at f{k}.py:{k + 1} in f{k}" in message
    # The sanitizer keeps freed memory for a while.
    assert len(addresses) < 200 or SANITIZED, "no address came again"


def test_functions_without_end_take_no_memory():
    """100,000 of them, all of one name and file."""
    program = """
        import marshal, resource
        import olivine.core as mx

        source = "def f(x, i): return mx.take(x, i + 0, axis=0)"
        packed = marshal.dumps(compile(source, "made.py", "exec"))
        x, i = mx.ones((4, 4)), mx.array([0, 1])

        def make(count):
            for _ in range(count):
                names = {"mx": mx}
                exec(marshal.loads(packed), names)
                names["f"](x, i)
                names.clear()

        make(1000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        make(100_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    assert int(run_python(program).stdout) < 4000  # KiB


def test_a_composite_names_the_line_of_its_op():
    """What an op is replaced by while it is planned belongs to the line of that op."""
    f = lambda x: mx.linalg.pinv(mx.sqrt(x), stream=mx.cpu)  # noqa: E731
    with mx.debug_nonfinite(inf=False), pytest.raises(FloatingPointError) as raised:
        mx.eval(f(mx.array([[1.0, -1.0], [0.0, 1.0]])))
    assert line_of(f) in str(raised.value)
    for program in (lambda x: mx.linalg.pinv(x), mx.compile(lambda x: mx.linalg.pinv(x))):
        x = mx.array([[np.nan, 1.0], [0.0, 1.0]])
        with mx.debug_nonfinite(), pytest.raises(FloatingPointError) as raised:
            mx.eval(program(x))
        assert "test_fault_location.py:" in str(raised.value), raised.value
