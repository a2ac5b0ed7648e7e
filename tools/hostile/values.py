"""Random argument values: plausible ones by annotation, and hostile ones of every kind."""

import array as array_module
import ctypes
import decimal
import fractions
import functools
import io
import pathlib

import numpy as np

import olivine.core as mx

DTYPE_NAMES = (
    "bool_ uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 "
    "complex64 complex128"
).split()
DTYPES = [getattr(mx, name) for name in DTYPE_NAMES]
NUMPY_DTYPES = (
    "bool u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16 >f4 >i8 g G S3 U2 M8[s] m8[ns] V4 O"
).split()
SIZES = (0, 1, 1, 2, 2, 3, 4, 5, 8, 16, 31, 32, 33, 64)
# Past every width: of a byte, of int32, of int64, of a double's integers, of anything.
EDGES = tuple(
    s * v
    for s in (1, -1)
    for v in (0, 1, 2, 3, 7, 127, 256, 65535, 1 << 20, 2**31 - 1, 2**31, 2**32, 2**53 + 1)
) + (
    2**62,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64 - 1,
    2**64,
    10**30,
    -(10**30),
    1 << 9000,
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-310, 3.5e38, 1e308, float("inf"), -float("inf"))
TEXTS = (
    "",
    "a",
    "cpu",
    "float32",
    "fro",
    "nuc",
    "ij,jk->ik",
    "...",
    "i->",
    "->",
    "affine",
    "mxfp4",
)
HOSTILE_TEXTS = (
    "\0", "a\0b", "é", "日本語", "\U0001f980", "\ud800", "[op]", "%s%n", "{}", "x" * 5000, "/", "..",
    "/dev/null", "/dev/zero", "/dev/full", "/nonexistent/dir/file", "\n", " ", "-1", "NaN", "iiii",
    "ij,jk->" * 40, "a" * 100 + "->" + "a" * 100, "(", "i.j", "...i...,j", "file.npy", "file.npz",
    "file.safetensors", "file.gguf", "file.olv",
)  # fmt: skip


class HostileError(Exception):
    """What our own hostile objects raise: any API may let it pass."""


class Evil:
    """Answers every protocol with an error or with a lie."""

    def __init__(self, way, victim=None):
        self.way, self.victim = way, victim

    def __repr__(self):
        return f"Evil({self.way!r})"

    def _answer(self, lie):
        if self.way == "raise":
            raise HostileError("raised by a hostile object")
        if self.victim is not None:  # changes the container that is being read
            self.victim.clear()
            return 1
        return lie if self.way == "lie" else 1

    def __index__(self):
        return self._answer("no int")

    def __int__(self):
        return self._answer("no int")

    def __float__(self):
        return self._answer("no float")

    def __bool__(self):
        return self._answer(7)

    def __hash__(self):
        return self._answer("no hash")

    def __array__(self, *args, **kwargs):
        return self._answer("no array")

    def __fspath__(self):
        return self._answer(7)


class Sized:
    """A sequence whose length is a lie."""

    def __init__(self, length, items):
        self.length, self.items = length, items

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return self.items[i]

    def __repr__(self):
        return f"Sized({self.length}, {self.items!r})"


class Protocol:
    """An object that has one protocol attribute, with a wrong value."""

    def __init__(self, name, value):
        self.name, self.value = name, value
        setattr(self, name, value)

    def __repr__(self):
        return f"Protocol({self.name!r}, {self.value!r})"


class OlivineArray:
    """An ArrayLike that returns what it was given."""

    def __init__(self, value):
        self.value = value

    def __olivine_array__(self):
        return self.value

    def __repr__(self):
        return f"OlivineArray({self.value!r})"


class Module(mx.array):
    """A subclass of array."""


def deep(depth, leaf=1, wrap=lambda x: [x]):
    out = leaf
    for _ in range(depth):
        out = wrap(out)
    return out


def self_reference(kind):
    out = [] if kind == "list" else {}
    if kind == "list":
        out.extend([1, out])
    else:
        out["again"] = out
    return out


class Values:
    """A source of values for one call: arrays of a call tend to fit each other."""

    def __init__(self, rng):
        self.rng = rng
        self.n = rng.choice(SIZES)
        self.shape = tuple(rng.choice(SIZES[:10]) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))))
        if rng.random() < 0.3:
            self.shape = (*self.shape[:-2], self.n, self.n)
        self.dtype = rng.choice(DTYPES) if rng.random() < 0.6 else mx.float32

    # ---- Arrays.
    def any_shape(self):
        rng = self.rng
        pick = rng.random()
        if pick < 0.65:
            return self.shape
        if pick < 0.75:
            return self.shape[rng.randrange(len(self.shape) + 1) :]
        if pick < 0.82:
            return tuple(d if rng.random() < 0.5 else 1 for d in self.shape)
        if pick < 0.88 and len(self.shape) >= 2:
            return (*self.shape[:-2], self.shape[-1], self.shape[-2])
        return tuple(rng.choice(SIZES) for _ in range(rng.choice((0, 1, 2, 3, 4, 5))))[:5]

    def numbers(self, count, dtype):
        """Elements as NumPy: small integers, a range, or every special value of the dtype."""
        rng = self.rng
        seed = rng.getrandbits(32)
        pick = rng.random()
        if pick < 0.4:
            out = np.arange(count) % 5 - rng.choice((0, 0, 2))
        elif pick < 0.8:
            out = np.random.default_rng(seed).standard_normal(count)
        else:
            out = np.random.default_rng(seed).choice(
                [
                    0,
                    -1,
                    1,
                    127,
                    255,
                    -(2.0**31),
                    2.0**31,
                    2.0**63,
                    -(2.0**63),
                    1e38,
                    np.nan,
                    np.inf,
                    -np.inf,
                ],
                count,
            )
        with np.errstate(all="ignore"):
            if dtype == "bfloat16":
                return out.astype(np.float32)
            return out.astype(dtype.removesuffix("_"))

    def array(self, shape=None, dtype=None):
        rng = self.rng
        shape = self.any_shape() if shape is None else shape
        dtype = dtype or (self.dtype if rng.random() < 0.8 else rng.choice(DTYPES))
        count = int(np.prod(shape, dtype=object))
        if count > 1 << 16:
            shape, count = shape[:1], shape[0]
        name = DTYPE_NAMES[DTYPES.index(dtype)]
        layout = rng.random()
        if layout < 0.05:
            return mx.broadcast_to(mx.array(rng.choice((0, 1, 2))).astype(dtype), shape)
        flip = layout < 0.15 and len(shape) >= 2
        made = (*shape[:-2], shape[-1], shape[-2]) if flip else shape
        out = mx.array(self.numbers(count, name).reshape(made)).astype(dtype)
        if flip:
            out = mx.swapaxes(out, -1, -2)
        elif layout < 0.2 and shape:
            out = out[::-1]
        elif layout < 0.25 and shape:
            out = mx.concatenate([out, out], axis=0)[::2]
        elif layout < 0.28 and shape:
            out = mx.contiguous(out)[rng.randrange(shape[0] + 1) :]
        if layout < 0.6:
            mx.eval(out)
        return out

    def huge(self):
        """An array without memory of its own whose size overflows something."""
        big = self.rng.choice(
            (
                (1 << 40,),
                (1 << 31, 2),
                (1 << 20, 1 << 20),
                (1 << 62,),
                (2**31 - 1, 1),
                (2**31 - 1, 0),
                (1 << 40, 0, 3),
                (0, 1 << 40),
            )
        )
        return mx.broadcast_to(mx.array(1, dtype=self.dtype), big)

    def indices(self):
        rng = self.rng
        low, high = rng.choice(((0, 1), (0, 3), (-3, 3), (-(2**31), 2**31 - 1), (-9, 99)))
        shape = tuple(rng.choice((0, 1, 2, 3)) for _ in range(rng.choice((0, 1, 1, 2))))
        count = int(np.prod(shape))
        flat = [rng.randint(low, high) for _ in range(count)]
        dtype = rng.choice((mx.int32, mx.int32, mx.uint32, mx.int64, mx.uint8, mx.int8, mx.bool_))
        return mx.array(np.array(flat, np.int64).reshape(shape)).astype(dtype)

    def numpy(self):
        rng = self.rng
        dtype = np.dtype(rng.choice(NUMPY_DTYPES))
        shape = tuple(rng.choice((0, 1, 2, 3, 5)) for _ in range(rng.choice((0, 1, 2, 3))))
        with np.errstate(all="ignore"):
            out = (
                np.zeros(shape, dtype)
                if rng.random() < 0.5
                else np.ones(shape).astype(dtype, copy=False)
                if dtype.kind not in "MmVO"
                else np.empty(shape, dtype)
            )
        way = rng.randrange(6)
        if way == 0 and shape:
            out = out[::-1]
        elif way == 1:
            out = out.T
        elif way == 2:
            out.flags.writeable = False
        elif way == 3:
            out = np.broadcast_to(out, (2, *shape))
        elif way == 4 and shape and out.size and dtype.kind in "fiu":
            raw = np.zeros(out.nbytes + 1, np.uint8)[1:]
            out = raw.view(dtype)  # not aligned
        return out

    def buffer(self):
        data = bytes(range(24))
        return self.rng.choice(
            (
                lambda: data,
                lambda: bytearray(data),
                lambda: memoryview(data).cast("i", (2, 3)),
                lambda: memoryview(data)[::3],
                lambda: memoryview(b"").cast("d"),
                lambda: array_module.array(self.rng.choice("bBhiIlqfd"), [1, 2, 3]),
                lambda: (ctypes.c_double * 3)(1, 2, 3),
                lambda: (ctypes.c_char * 4)(),
                self.numpy,
                self.numpy,
            )
        )()

    # ---- Scalars.
    def integer(self):
        rng = self.rng
        return (
            rng.choice((0, 1, 2, -1, rng.randrange(-4, 9)))
            if rng.random() < 0.8
            else rng.choice(EDGES)
        )

    def axis(self):
        rng = self.rng
        return (
            rng.randrange(-1, max(len(self.shape), 1))
            if rng.random() < 0.8
            else rng.randrange(-6, 7)
        )

    def number(self):
        rng = self.rng
        return rng.choice(FLOATS) if rng.random() < 0.4 else rng.uniform(-3, 3)

    def scalar(self):
        rng = self.rng
        return rng.choice((self.integer, self.number, lambda: rng.random() < 0.5, lambda: 1 + 2j))()

    def sizes(self):
        """A shape or another list of small integers, now and then with an edge in it."""
        rng = self.rng
        out = (
            list(self.any_shape())
            if rng.random() < 0.6
            else [self.axis() for _ in range(rng.choice((0, 1, 2, 2, 3, 4)))]
        )
        if out and rng.random() < 0.15:
            out[rng.randrange(len(out))] = rng.choice(EDGES)
        return tuple(out) if rng.random() < 0.7 else out

    def text(self):
        rng = self.rng
        return rng.choice(TEXTS) if rng.random() < 0.7 else rng.choice(HOSTILE_TEXTS)

    def stream(self):
        rng = self.rng
        return rng.choice((None, None, mx.cpu, mx.Device(mx.cpu), mx.default_stream(mx.cpu)))

    def hostile(self):
        """Anything but what was asked for."""
        return self.rng.choice(self.kinds())()

    @functools.cache  # noqa: B019  (one Values lives as long as one call)
    def kinds(self):
        rng = self.rng
        edge = lambda: rng.choice(EDGES)  # noqa: E731
        return (
            lambda: None,
            edge,
            edge,
            edge,
            lambda: rng.choice(FLOATS),
            lambda: float("nan"),
            lambda: rng.choice((True, False, 1j, complex("nan"), Ellipsis, NotImplemented)),
            lambda: rng.choice(HOSTILE_TEXTS),
            lambda: rng.choice(TEXTS),
            self.buffer,
            self.buffer,
            lambda: [],
            lambda: (),
            lambda: {},
            lambda: {"a": self.array(), "é\0": [self.array()]},
            lambda: {1: 2, None: self.array()},
            lambda: [[]] * 3,
            lambda: [[1, 2], [3]],
            lambda: [1, [2]],
            lambda: [1, None, "a"],
            lambda: [self.array(), self.array()],
            lambda: [self.array(), None],
            lambda: self_reference("list"),
            lambda: self_reference("dict"),
            lambda: deep(rng.choice((3, 30, 300, 50_000))),
            lambda: deep(rng.choice((10, 3000)), self.array(), lambda x: (x,)),
            lambda: deep(2000, 1, lambda x: {"k": x}),
            lambda: [edge()] * rng.choice((1, 2, 3, 40)),
            lambda: tuple(edge() for _ in range(3)),
            lambda: [1] * 5000,
            lambda: range(rng.choice((0, 3, 10**9, 10**30))),
            lambda: slice(edge(), edge(), edge()),
            lambda: slice("a", 1.5, None),
            lambda: {1, 2},
            lambda: iter([1, 2]),
            lambda: (i for i in range(3)),
            lambda: object(),
            lambda: object,
            lambda: len,
            lambda: lambda *a, **k: None,
            lambda: mx,
            lambda: mx.float32,
            lambda: mx.inexact,
            lambda: np.float32,
            lambda: np.float64(rng.choice(FLOATS)),
            lambda: np.int64(3),
            lambda: np.uint8(200),
            lambda: np.datetime64("now"),
            lambda: decimal.Decimal("1e500"),
            lambda: fractions.Fraction(1, 3),
            lambda: mx.cpu,
            lambda: mx.gpu,
            lambda: pathlib.Path("file.npy"),
            lambda: io.BytesIO(rng.randbytes(rng.choice((0, 7, 100)))),
            lambda: io.StringIO("text"),
            lambda: Evil(rng.choice(("raise", "lie", "one"))),
            lambda: self.clearing(),
            lambda: Sized(rng.choice((0, 3, 2**31, 2**62, -1)), [1, 2]),
            lambda: Protocol(rng.choice(("__dlpack__", "__array_interface__", "__array__", "__len__", "shape", "dtype", "__olivine_array__")), rng.choice((None, 1, lambda *a, **k: None, {}))),
            lambda: OlivineArray(rng.choice((None, 1, self.array(), [1]))),
            lambda: BaseException,
            self.array,
            self.array,
            self.array,
            self.indices,
            self.huge,
            lambda: mx.array([]),
            lambda: mx.array(float("nan")),
            lambda: self.array(()),
            lambda: Module(1.0),
            lambda: mx.array,
            lambda: self.stream(),
        )  # fmt: skip

    def clearing(self):
        """A list that its own element empties while it is read."""
        out = [1, 2, 3, 4]
        out[self.rng.randrange(4)] = Evil("clear", out)
        return out


def describe(value, depth=0):
    """The value as text, by which a report names an argument."""
    if isinstance(value, mx.array):
        return f"array({value.shape}, {str(value.dtype).rsplit('.', 1)[-1]})"
    if isinstance(value, np.ndarray):
        return f"numpy({value.shape}, {value.dtype}, strides={value.strides})"
    if type(value) in (list, tuple) and value:
        if depth > 3:
            return "[…]"
        inner = ", ".join(describe(v, depth + 1) for v in value[:8]) + (
            ", …" if len(value) > 8 else ""
        )
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    if type(value) is dict and value:
        return (
            "{…}"
            if depth > 2
            else "{" + ", ".join(f"{k!r}: {describe(v, depth + 1)}" for k, v in value.items()) + "}"
        )
    if type(value) is int and abs(value) > 1 << 70:
        return f"int of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception as error:
        text = f"{type(value).__name__} ({type(error).__name__} from repr)"
    return text if len(text) < 120 else text[:60] + "…" + text[-20:]
