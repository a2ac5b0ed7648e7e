"""The same statements by the plain kernels: another process, whose results are compared one by one.

Each statement gets the operands of the program under test, so that roundings do not add up and every
op is held to the tolerance of its dtype, however long the program is. What a statement computes of a
narrower operand on its own, before it meets the others, is rounded to that operand's dtype.
"""

import os
import pickle
import re
import subprocess
import sys

import numpy as np

from tests.compositions.program import NAME, targets
from tests.support import ROOT, RTOL, to_np

# A rounding error may become another result where both are part of one statement.
ROUNDED = re.compile(r"tan|sin|cos|exp|log|sqrt|sigmoid|erf|mean|sum|prod|var|std|norm|@|/|divide|power|\*|softmax"
                     r"|special|linalg|fft|random|remainder|divmod|%|grad|vjp|jvp|conv|mm|einsum|scan|loop")  # fmt: skip
# Errors are relative to what is added up, which may be products of two operands.
SUMMED = re.compile(r"sum|mean|var|std|@|\bmat|mm\(|einsum|tensordot|inner|outer|kron|conv|fft|linalg|norm|attention|rope"
                    r"|trace|csr|sparse|grad|jvp|vjp|loop|scan|map|hadamard|diff|interp|kl_div|rel_entr|checkpoint"
                    r"|at\[|power|\*|-|\+|add|subtract")  # fmt: skip


class Reference:
    """A process that computes statements with the plain kernels."""

    def __init__(self):
        self.start()

    def start(self):
        code = "from tests.compositions.reference import serve; serve()"
        env = {**os.environ, "OLIVINE_CPU_ISA": "plain"}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def results(self, statements, values):
        """For each statement its values, from the given ones; or the text of its error."""
        try:
            pickle.dump((statements, values), self.process.stdin)
            self.process.stdin.flush()
            return pickle.load(self.process.stdout)
        except (EOFError, OSError) as error:
            self.start()
            raise AssertionError("the process of the plain kernels died") from error


def serve():
    import olivine.core as mx
    from tests.compositions.program import code
    from tests.compositions.templates import NAMESPACE
    from tests.support import to_mx

    while True:
        try:
            statements, values = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        space, results = {**NAMESPACE, **{n: to_mx(x) for n, x in values.items()}}, []
        for s in statements:
            own = dict(space)
            try:
                exec(code(s), own)
                mx.eval([own[n] for n in targets(s)])
                results.append([to_np(own[n]) for n in targets(s)])
            except (ValueError, TypeError, IndexError, MemoryError) as error:
                results.append(f"{type(error).__name__}: {error}")
        pickle.dump(results, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def compare(statement, jumps, got, want, operands):
    """The values of a statement against the plain kernels'."""
    assert not isinstance(want, str), f"{statement} fails: {want}"
    unsure = jumps and ROUNDED.search(statement.split(" = ", 1)[1])
    for x, w in zip(got, want, strict=True):
        assert x.dtype == w.dtype and x.shape == w.shape, (
            f"{x.dtype}{x.shape} instead of {w.dtype}{w.shape} of {statement}"
        )
        if unsure or x.size == 0:
            continue
        if x.dtype.name not in RTOL:
            assert np.array_equal(x, w), f"values of {statement}"
            continue
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        a, b = x.astype(wide), w.astype(wide)
        finite = np.isfinite(b)
        assert (finite == np.isfinite(a)).all(), f"values that are not finite of {statement}"
        size = max(1.0, float(np.max(np.abs(b[finite]), initial=0)))
        if SUMMED.search(statement.split(" = ", 1)[1]):
            size = max(size, largest(operands) * max(1.0, largest(operands)))
        off = float(np.max(np.abs(a[finite] - b[finite]), initial=0)) / size
        rtol = max(RTOL.get(o.dtype.name, 0) for o in (x, *operands))
        assert off <= 60 * rtol, f"values of {statement}, off by {off:.2g}"


def largest(operands):
    big = 0.0
    for x in operands:
        x = np.abs(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
        big = max(big, float(np.max(x[np.isfinite(x)], initial=0)))
    return big


def check_reference(program, want, reference, jump):
    """Every statement of a program, whose values are `want`, by the plain kernels."""
    named = zip(program.names(), want, strict=True)
    inputs = {f"x{i}": x for i, x in enumerate(program.values())}
    values = {n: to_np(x) for n, x in [*inputs.items(), *named]}
    results = reference.results(program.statements, values)
    for s, r in zip(program.statements, results, strict=True):
        body = s.split(" = ", 1)[1]
        operands = [values[n] for n in set(NAME.findall(body))]
        compare(s, jump.search(s), [values[n] for n in targets(s)], r, operands)
