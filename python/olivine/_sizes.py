"""Sizes of arrays while ``compile(shapeless=True)`` traces a function: numbers with an origin.

What a function reads of ``x.shape`` is an object that behaves as the number it is and knows the
expression that it comes from. Arithmetic makes expressions of expressions, and functions of
``olivine.core`` take them where they take ints: for arrays of other sizes they are evaluated anew.
Everything else that looks at the number (a comparison, ``range``, ``float``, a key of a dict) adds
a guard to the trace, so that it serves those sizes only for which the answer is the same.
"""

import math
import numbers
import operator
import weakref

from olivine import core


class _Number:
    """A number of a trace: its value, its expression, and the trace that guards go to."""

    __slots__ = ("__weakref__", "_expression", "_source", "_value")
    __array_ufunc__ = None  # NumPy's operators leave it to these

    def __init__(self, source, expression, value):
        self._source, self._expression, self._value = source, expression, value
        source.watch(weakref.ref(self))

    def _read(self):
        """The plain number, which is thereby part of the trace."""
        self._source.guard(self._expression, self._value)
        return self._value

    def _answer(self, question):
        """``question`` of the number, which other sizes must answer alike."""
        answer = question(self._value)
        self._source.guard((question, self._expression), answer)
        return answer

    def __bool__(self):
        return self._answer(bool)

    def __int__(self):
        return self._answer(int)

    def __float__(self):
        return self._answer(float)

    def __complex__(self):
        return complex(self._read())

    def __hash__(self):
        return hash(self._read())

    def __repr__(self):
        return repr(self._read())

    def __format__(self, spec):
        return format(self._read(), spec)

    def __reduce__(self):
        return type(self._value), (self._read(),)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __array__(self, dtype=None, copy=None):
        import numpy

        return numpy.array(self._read(), dtype)

    def __getattr__(self, name):
        """Whatever else numbers have."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._read(), name)

    def __divmod__(self, other):
        return self // other, self % other

    def __rdivmod__(self, other):
        return other // self, other % self

    def __pow__(self, other, modulus=None):
        if modulus is not None:
            return pow(self._read(), operator.index(other), operator.index(modulus))
        return _derived(pow, self, other)

    def __rpow__(self, other, modulus=None):
        return _derived(pow, other, self)


class Size(_Number):
    """An int of a trace."""

    __slots__ = ()

    def __index__(self):
        return self._read()


class RealSize(_Number):
    """A float of a trace."""

    __slots__ = ()


numbers.Integral.register(Size)
numbers.Real.register(RealSize)


def _size(source, expression, value):
    return (Size if isinstance(value, int) else RealSize)(source, expression, value)


def _derived(function, *operands):
    """What ``function`` makes of the operands, of which one is a number of a trace."""
    others = [o for o in operands if not isinstance(o, numbers.Number)]
    if others and not all(hasattr(o, "__array_interface__") for o in others):
        return NotImplemented
    if others:  # NumPy's arrays
        return function(*(o._read() if isinstance(o, _Number) else o for o in operands))
    sizes = [o for o in operands if isinstance(o, _Number)]
    try:
        value = function(*(o._value if isinstance(o, _Number) else o for o in operands))
    except Exception:
        for size in sizes:
            size._read()
        raise
    if type(value) not in (bool, int, float) or any(
        s._source is not sizes[0]._source for s in sizes
    ):
        for size in sizes:
            size._read()
        return value
    parts = (o._expression if isinstance(o, _Number) else o for o in operands)
    expression = (function, *parts)
    if type(value) is bool:
        sizes[0]._source.guard(expression, value)
        return value
    return _size(sizes[0]._source, expression, value)


def _add_operators():
    def unary(function):
        return lambda self: _derived(function, self)

    def binary(function):
        return lambda self, other: _derived(function, self, other)

    def reflected(function):
        return lambda self, other: _derived(function, other, self)

    for name in "neg pos abs invert".split():
        setattr(_Number, f"__{name}__", unary(getattr(operator, f"__{name}__")))
    for name in "ceil floor trunc".split():
        setattr(_Number, f"__{name}__", unary(getattr(math, name)))
    _Number.__round__ = lambda self, digits=None: (
        _derived(round, self) if digits is None else _derived(round, self, digits)
    )
    for name in "lt le eq ne gt ge".split():
        setattr(_Number, f"__{name}__", binary(getattr(operator, name)))
    for name in "add sub mul truediv floordiv mod lshift rshift and or xor".split():
        function = getattr(operator, f"__{name}__")
        setattr(_Number, f"__{name}__", binary(function))
        setattr(_Number, f"__r{name}__", reflected(function))


_add_operators()
core._set_size_type(_Number, _size)
