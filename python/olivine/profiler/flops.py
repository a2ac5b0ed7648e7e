"""How many floating-point operations and bytes a step takes, by the shapes of its operands.

An addition, a product and a function of one number count as one each; a product of matrices is
2 m n k. Functions of several steps (a softmax, a norm) count what their formula says. What moves or
compares values counts as nothing. Ops that have no formula here count as one per element.
"""

from __future__ import annotations

import math

from olivine.profiler.events import Step

CONTAINERS = {"plan", "loop", "branch", "arena"}  # what runs inside is counted

# Per element of the larger of operands and results.
PER_ELEMENT = {
    "softmax": 5,  # maximum, difference, exp, sum, quotient
    "logsumexp": 4,
    "logcumsumexp": 4,
    "cross_entropy": 5,
    "rms_norm": 4,
    "rms_norm_vjp": 11,
    "layer_norm": 8,
    "layer_norm_vjp": 14,
    "rope": 3,
    "linear_recurrence": 2,
}
MOVES = {
    "all", "any", "arange", "argmax", "argmin", "argpartition", "argsort", "compress",
    "concatenate", "contiguous", "csr_pattern", "csr_pattern_count", "csr_transpose", "expand",
    "gather", "gather_axis", "imag", "isfinite", "isinf", "isnan", "less", "less_equal", "load",
    "logical_and", "logical_not", "logical_or", "logical_xor", "equal", "not_equal", "nonzero",
    "partition", "random_bits", "real", "searchsorted", "select", "slice_update", "sort", "view",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert", "left_shift", "right_shift",
}  # fmt: skip
# Of the matrices' order n (Golub and Van Loan, Matrix Computations, 4th edition).
PER_MATRIX = {
    "cholesky": lambda m, n: n**3 / 3,
    "lu": lambda m, n: m * n * min(m, n) - (m + n) * min(m, n) ** 2 / 2 + min(m, n) ** 3 / 3,
    "qr": lambda m, n: 4 * (m * m * n - m * n * n + n**3 / 3) if m >= n else 4 / 3 * m**3,
    "eigvalsh": lambda m, n: 4 / 3 * n**3,
    "eigh": lambda m, n: 9 * n**3,
    "eigvals": lambda m, n: 10 * n**3,
    "eig": lambda m, n: 25 * n**3,
    "svdvals": lambda m, n: 4 * max(m, n) * min(m, n) ** 2 - 4 / 3 * min(m, n) ** 3,
    "svd": lambda m, n: 4 * m * m * n + 8 * m * n * n + 9 * n**3,
    "det": lambda m, n: 2 / 3 * n**3,
    "slogdet": lambda m, n: 2 / 3 * n**3,
}


def is_move(op: str) -> bool:
    return op in MOVES or op.startswith("astype_")


def operations(step: Step) -> float:
    """Floating-point operations of one run of `step`."""
    if step.kind in CONTAINERS or step.kind == "copy" or not step.outputs:
        return 0
    per_value = 1
    if step.dtype.startswith("complex") and step.op != "fft":
        per_value = 4 if is_product(step.op) else 2
    return per_value * _real_operations(step)


def is_product(op: str) -> bool:
    return op.endswith(("matmul", "_mm", "_qmm")) or op in ("addmm", "conv", "conv_weight")


def _real_operations(step: Step) -> float:
    op, inputs, out = step.op, step.inputs, step.outputs[0]
    if step.kind == "fused":
        return out.size * sum(not is_move(part) for part, _, _ in step.parts)
    if is_move(op) or not inputs:
        return 0
    if op in FORMULAS:
        return FORMULAS[op](inputs, out)
    if op in PER_MATRIX:
        *batch, m, n = inputs[0].shape
        return math.prod(batch) * PER_MATRIX[op](m, n)
    largest = max(out.size, *(o.size for o in inputs))
    return PER_ELEMENT.get(op, 1) * largest


def _product(inputs, out):
    return 2 * out.size * inputs[0].shape[-1]


def _conv(inputs, out):
    weight = inputs[1]  # (O, kernel…, C / groups)
    return 2 * out.size * (weight.size // max(weight.shape[0], 1))


def _conv_weight(inputs, out):
    cotangent = inputs[1]  # (N, out…, O); the result is (O, kernel…, C / groups)
    return 2 * cotangent.size * (out.size // max(out.shape[0], 1))


def _attention(inputs, out):
    q, k, v = inputs[:3]  # (B, heads, length, dimensions)
    *batch, queries, width = q.shape
    pairs = math.prod(batch) * queries * k.shape[-2]
    return pairs * (2 * width + 2 * v.shape[-1] + 5)


def _attention_vjp(inputs, out):
    q, k, v = inputs[:3]
    *batch, queries, width = q.shape
    pairs = math.prod(batch) * queries * k.shape[-2]
    return pairs * (6 * width + 4 * v.shape[-1] + 8)


def _fft(inputs, out):
    # 5 n log2 n of a complex transform (Van Loan, 1992), along the last axis; half as much where
    # one side is real.
    largest = max(inputs[0], out, key=lambda o: o.size)
    length = largest.shape[-1] if largest.shape else 1
    both = inputs[0].dtype.startswith("complex") and out.dtype.startswith("complex")
    return (5 if both else 2.5) * largest.size * math.log2(max(length, 2))


def _sparse(inputs, out):
    # Each value meets one row of the dense operand.
    values = min((o for o in inputs if not o.dtype.startswith(("int", "uint"))),
                 key=lambda o: len(o.shape))  # fmt: skip
    return 2 * values.size * (out.shape[-1] if len(out.shape) > 1 else 1)


def _gather_mm(inputs, out):
    a, b, pairs = inputs[:3]
    return 2 * pairs.size * a.shape[-2] * a.shape[-1] * b.shape[-1]


FORMULAS = {
    "matmul": _product,
    "addmm": lambda inputs, out: _product(inputs[1:], out) + out.size,
    "quantized_matmul": _product,
    "gather_qmm": _product,
    "gather_mm": _gather_mm,
    "conv": _conv,
    "conv_weight": _conv_weight,
    "attention": _attention,
    "attention_vjp": _attention_vjp,
    "fft": _fft,
    "csr_matmul": _sparse,
    "csr_matmul_transposed": _sparse,
    "triangular_solve": lambda inputs, out: inputs[0].shape[-1] * out.size,
    "lu_solve": lambda inputs, out: 2 * inputs[0].shape[-1] * out.size,
    "hadamard_transform": lambda inputs, out: out.size * math.log2(max(out.shape[-1], 2)),
}


def moved(step: Step) -> int:
    """Bytes that one run of `step` reads and writes at least, each operand once."""
    if step.kind in CONTAINERS:
        return 0
    written = sum(o.bytes for o in step.outputs)
    if step.op in ("gather", "gather_axis") and step.kind == "kernel":
        # Of what it picks from, it reads what it writes.
        return 2 * written + sum(o.bytes for o in step.inputs[1:])
    return written + sum(o.bytes for o in step.inputs)
