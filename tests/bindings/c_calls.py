"""Calls every function of the C API with arguments drawn for the types of its parameters.

    python -m tests.bindings.c_calls LIBRARY sensible|hostile SEED TRIES PLACE

Sensible arguments are arrays, shapes and axes that often belong together: a function is called
until it succeeds. Hostile ones are empty handles, null pointers with and without a count, ints at
the ends of their range and values that no enum has. PLACE is a file that holds the call being made,
for whoever finds this process dead. Prints, as JSON: the number of calls, functions that never
succeeded, and those whose failures left no message.
"""

import ctypes
import json
import math
import random
import sys
import tempfile
from pathlib import Path

from .c_headers import Headers

INT_MAX = 2**31 - 1
# dtype, shape, values: one theme is picked for all arrays of a call, mostly.
FLOAT32, INT32, UINT32, BOOL, COMPLEX64 = 10, 7, 3, 0, 13
FLOATS = [2.0, 0.5, 0.25, 0.125, 0.5, 3.0, 0.25, 0.5, 0.25, 0.25, 4.0, 0.5, 0.125, 0.5, 0.5, 5.0]
THEMES = {
    "scalar": (FLOAT32, []),
    "vector": (FLOAT32, [4]),
    "matrix": (FLOAT32, [4, 4]),
    "cube": (FLOAT32, [2, 4, 4]),
    "image": (FLOAT32, [2, 4, 4, 4]),
    "volume": (FLOAT32, [1, 2, 2, 2, 4]),
    "rows": (FLOAT32, [32, 64]),
    "ints": (INT32, [4]),
    "int_matrix": (INT32, [4, 4]),
    "index": (INT32, []),
    "key": (UINT32, [2]),
    "mask": (BOOL, [4, 4]),
    "complex": (COMPLEX64, [4, 4]),
    "bytes": (1, [4]),
    "flags": (BOOL, [4]),
}
TEXTS = {
    "mode": ["affine", "constant", "edge", "full", "nvfp4", "mxfp4"],
    "pad_mode": ["reflect"],
    "UPLO": ["L", "U"],
    "ord": ["fro", "nuc"],
    "indexing": ["ij", "xy"],
    "subscripts": ["ij,jk->ik", "i->i", "ij->ji"],
    "mask_mode": ["", "causal"],
    "key": ["a", "isa", "threads", "memory_size"],
    "fmt": ["text"],
}
THEMES |= {f"dtype_{n}": (n, [2]) for n in range(15)}
THEMES |= {
    "packed": (UINT32, [32, 8]),  # 64 columns of 4 bits
    "scales": (FLOAT32, [32, 1]),
    "heads": (FLOAT32, [2, 4, 1, 4]),
    "one_index": (INT32, [1]),
    "starts": (INT32, [5]),  # of four rows without nonzeros
    "gates": (FLOAT32, [2, 4, 1]),
}
# What certain functions need of their parameters, by the beginning of their names.
PACKED = {"w": "packed", "scales": "scales", "biases": "scales", "x": "rows", "mode": b"affine"}
PACKED |= {"group_size": 64, "bits": 4, "transpose": True}
BATCH = {"w": "packed_batch", "scales": "scales_batch", "biases": "scales_batch"}
FP4 = {"w": "rows", "scales": "none", "x": "rows", "mode": b"mxfp4", "group_size": 32, "bits": 4}
THEMES |= {"packed_batch": (UINT32, [1, 32, 8]), "scales_batch": (FLOAT32, [1, 32, 1])}
SCATTER = {"a": "vector", "updates": "vector", "indices": "index", "axes": [0]}
BLOCK = {"theme": "matrix", "start_indices": "one_index", "axes": [0], "slice_size": [1, 1]}
RANGE = {"theme": "matrix", "start": [0, 0], "stop": [4, 4], "strides": [1, 1]}
ONES = {"stride": [1], "padding": [0], "dilation": [1], "kernel_dilation": [1]}
CSR = {f"indices{end}": "ints" for end in ("", "_a", "_b")}
CSR |= {f"indptr{end}": "starts" for end in ("", "_a", "_b")}
CSR |= {"theme": "matrix", "data": "vector", "data_a": "vector", "data_b": "vector", "columns": 4}
NEEDS = {
    "olivine_conv1d": {"theme": "cube", **ONES},
    "olivine_conv2d": {"theme": "image", **ONES},
    "olivine_conv3d": {"theme": "volume", **ONES},
    "olivine_conv_transpose1d": {"theme": "cube", **ONES},
    "olivine_conv_transpose2d": {"theme": "image", **ONES},
    "olivine_conv_transpose3d": {"theme": "volume", **ONES},
    "olivine_conv_general": {"theme": "cube", **ONES, "padding_lo": [0], "padding_hi": [0]}
    | {"input_dilation": [1]},
    **dict.fromkeys(
        ("olivine_compress", "olivine_compress_axis"),
        {"condition": "flags", "a": "matrix", "axis": 0, "fill_value": "none"},
    ),
    "olivine_convolve": {"theme": "vector", "mode": b"full"},
    **{f"olivine_csr_{op}": CSR for op in ("matmul", "matmul_transposed", "transpose", "pattern")},
    "olivine_csr_csr_matmul": CSR,
    "olivine_sampled_matmul": CSR | {"block_rows": 1, "block_columns": 1},
    "olivine_dequantize": PACKED,
    "olivine_quantized_matmul": PACKED,
    "olivine_gather_qmm": PACKED | BATCH,
    "olivine_qqmm": FP4,
    "olivine_gather_qqmm": FP4 | {"w": "rows_batch", "x": "rows_batch"},
    "olivine_searchsorted": {"theme": "vector", "side": b"left"},
    **{f"olivine_scatter{op}": SCATTER for op in ("", "_add", "_max", "_min", "_prod")},
    "olivine_segmented_mm": {"theme": "matrix", "segments": "segments"},
    "olivine_fast_scaled_dot_product_attention": {"theme": "image", "mask_mode": b""},
    "olivine_slice": RANGE,
    **{f"olivine_slice_update{op}": RANGE for op in ("", "_add", "_max", "_min", "_prod")},
    "olivine_slice_dynamic": BLOCK,
    "olivine_slice_update_dynamic": BLOCK,
    "olivine_scatter_add_axis": {"theme": "matrix", "indices": "int_matrix"},
    "olivine_fast_gated_delta_update": {
        "theme": "heads",
        "gamma": "gates",
        "beta": "gates",
        "mask": "none",
    },
    **{
        f"olivine_array_data_{name}": {"theme": f"dtype_{n}"}
        for n, name in enumerate(
            "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 "
            "bfloat16 complex64 complex128".split()
        )
    },
}
THEMES["rows_batch"] = (FLOAT32, [1, 32, 64])
# Arrays that only certain functions take, by parameter: themes to pick from.
THEMED = {
    "key": ["key", "none"],
    "indices": ["ints", "index"],
    "start_indices": ["ints", "bytes"],
    "condition": ["mask"],
    "mask": ["mask"],
    "segments": ["segments"],
    "targets": ["ints"],
    "lhs_indices": ["none"],
    "rhs_indices": ["none"],
    "mask_out": ["none"],
    "mask_lhs": ["none"],
    "mask_rhs": ["none"],
    "mask_arr": ["none"],
    "sinks": ["none"],
    "global_scale": ["none"],
    "global_scale_x": ["none"],
    "global_scale_w": ["none"],
    "weight": ["vector", "same", "none"],
    "bias": ["vector", "none"],
    "freqs": ["none"],
    "window": ["none"],
    "initial_state": ["none"],
}


# Their ints are values, not whether they failed.
INT_VALUES = (
    "olivine_array_dim",
    "olivine_distributed_group_rank",
    "olivine_distributed_group_size",
)


class Caller:
    def __init__(self, library, mode):
        self.headers = Headers()
        self.lib = self.headers.load(library)
        self.hostile = mode == "hostile"
        self.random = random.Random()
        self.folder = tempfile.TemporaryDirectory()
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
        self.libc = ctypes.CDLL(None)
        self.libc.fopen.restype = ctypes.c_void_p
        self.kept, self.owned = [], []
        # A function of arrays that gives them back.
        vector = self.headers.types["olivine_vector_array"]
        same = self.lib.olivine_vector_array_set
        self.closure = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, vector)(same)

    # ---- Values of each kind.
    def pick(self, *values):
        return self.random.choice(values)

    def needed(self, name):
        """What this function needs of a parameter; None for nothing special."""
        if self.hostile and self.random.random() < 0.5:
            return None
        return self.needs.get(name, self.needs.get(name.rstrip("0123456789").rstrip("_")))

    def integer(self, name):
        needed = self.needed(name)
        if needed is not None:
            return needed[0] if isinstance(needed, list) else needed
        if self.hostile and self.random.random() < 0.6:
            return self.pick(INT_MAX, -INT_MAX - 1, -1, 1 << 20, 0)
        if "axis" in name or name in ("source", "destination"):
            return self.pick(0, 1, -1, 2)
        sizes = {"bits": [4, 8], "group_size": [32, 64], "groups": [1], "block_size": [32, 64]}
        sizes |= {"n_fft": [4], "hop_length": [1], "dims": [2, 4], "width": [1, 2, 4]}
        return self.pick(*sizes.get(name, [0, 1, 1, 2, 4]))

    def ints(self, name):
        if (needed := self.needed(name)) is not None:
            return needed
        ndim = len(THEMES.get(self.theme, (0, [0]))[1])
        near = self.pick([0], [1], [-1], [0, 1], [1, 0], [], [4], [2, 2], [4, 4], [16], [1] * ndim)
        near = self.pick(near, list(range(ndim)), [0] * ndim, [4] * ndim, [2] * ndim)
        if self.hostile and self.random.random() < 0.6:
            return [
                self.pick(INT_MAX, -INT_MAX - 1, -1, 0, 5) for _ in range(self.pick(0, 1, 2, 9))
            ]
        return near

    def text(self, name):
        if (needed := self.needed(name)) is not None:
            return needed
        if self.hostile and self.random.random() < 0.6:
            return self.pick(None, b"", b"no such thing", b"\xff\xfe" * 50)
        if name in ("file", "path"):
            return str(Path(self.folder.name) / "file.safetensors").encode()
        return self.pick(*TEXTS.get(name, ["text"])).encode()

    def array(self, name=""):
        themes = THEMED.get(name, ["same"] * 6 + [*THEMES])
        if "theme" in self.needs and name not in THEMED:
            themes = ["same"]
        theme = self.needed(name) or self.pick(*themes)
        if self.hostile and self.random.random() < 0.5:
            theme = self.pick("none", "empty", *THEMES)
        theme = self.theme if theme == "same" else theme
        dtype, shape = THEMES.get(theme, (FLOAT32, [0, 4]))
        if theme == "none":
            return self.headers.types["olivine_array"]()
        if theme == "segments":
            dtype, shape = UINT32, [2, 2]
        count = math.prod(shape)
        values = (FLOATS * (count // len(FLOATS) + 1))[:count]
        if theme.startswith("dtype"):
            values = ctypes.create_string_buffer(64)
        elif dtype in (FLOAT32, COMPLEX64):
            values = (ctypes.c_float * (2 * count))(*values)
        elif dtype in (BOOL, 1):
            values = (ctypes.c_uint8 * count)(*(int(v) & 1 for v in values))
        else:
            values = (ctypes.c_int32 * count)(*(int(v) & 1 for v in values))
        sizes = (ctypes.c_int * len(shape))(*shape)
        return self.own(self.lib.olivine_array_new_data(values, sizes, len(shape), dtype))

    def own(self, handle):
        self.owned.append(handle)
        return handle

    def handle(self, kind, name=""):
        """A handle of any type with something in it where that is known how."""
        if self.hostile and self.random.random() < 0.4:
            return self.headers.types[kind]()
        lib = self.lib
        if kind == "olivine_array":
            return self.array(name)
        if kind == "olivine_device":
            return self.own(lib.olivine_device_new_type(self.pick(0, 0, 0, 1), 0))
        if kind == "olivine_stream":
            return self.own(lib.olivine_default_cpu_stream_new())
        if kind == "olivine_string":
            return self.own(lib.olivine_string_new_data(b"text"))
        if kind.endswith("_iterator"):
            return self.own(getattr(lib, f"{kind}_new")(self.handle(kind[: -len("_iterator")])))
        if kind == "olivine_closure" and kind + "_new_func" in self.headers.functions:
            fun = ctypes.cast(self.closure, ctypes.c_void_p)
            return self.own(lib.olivine_closure_new_func(fun))
        new = getattr(lib, f"{kind}_new", None)
        if new is None or new.argtypes:
            return self.headers.types[kind]()
        made = self.own(new())
        if kind == "olivine_device_info":
            lib.olivine_device_info_get(ctypes.byref(made), self.headers.types["olivine_device"]())
        elif kind == "olivine_vector_array" and self.needed(name):
            lib.olivine_vector_array_append_value(made, self.array(name))
        elif kind.startswith("olivine_vector"):
            append = getattr(lib, f"{kind}_append_value")
            for _ in range(self.pick(1, 2, 2)):
                append(made, self.value(append.argtypes[1]))
        elif kind.startswith("olivine_map"):
            insert = getattr(lib, f"{kind}_insert")
            insert(made, b"a", self.value(insert.argtypes[2]))
        return made

    def value(self, ctype):
        if ctype is ctypes.c_int:
            return self.integer("")
        if ctype is ctypes.c_void_p:
            return b"value"
        return self.handle(ctype.__name__)

    def keep(self, value):
        self.kept.append(value)
        return ctypes.cast(value, ctypes.c_void_p)

    # ---- The arguments of one call.
    def list_of(self, p):
        """Values behind a pointer that is followed by their number: (pointer, number)."""
        kind = p.type[:-1]
        if kind in self.headers.handles:
            values = [self.handle(kind) for _ in range(self.pick(0, 1, 2))]
        elif kind == "char*":
            values = [b"one", b"two"]
        else:
            values = self.ints(p.name)
        if self.hostile and self.random.random() < 0.3:
            return None, self.pick(0, len(values), 3, 2**63)
        ctype = ctypes.c_char_p if kind == "char*" else self.headers.types[kind]
        return self.keep((ctype * max(1, len(values)))(*values)), len(values)

    def described(self):
        """Data with a shape that it is large enough for."""
        shape = self.pick([], [2], [2, 3], [4, 1], [0])
        dim = len(shape)
        if self.hostile:
            shape, dim = self.pick(([-1], 1), ([2], -1), ([INT_MAX] * 3, 3), (shape, dim), ([], 0))
        data = self.keep(ctypes.create_string_buffer(4096))
        if self.hostile and (self.random.random() < 0.4 or INT_MAX in shape):
            data = None
        sizes = self.keep((ctypes.c_int * max(1, len(shape)))(*shape))
        if self.hostile and self.random.random() < 0.2:
            sizes = None
        return [data, sizes, dim]

    def pointer(self, p):
        """Where a result goes, or data of any kind."""
        kind = p.type[:-1]
        if self.hostile and self.random.random() < 0.2:
            return None
        if kind in self.headers.handles:
            place = self.headers.types[kind]()
            if self.random.random() < 0.3:
                place = self.handle(kind)
                if self.owned and self.owned[-1] is place:
                    self.owned.pop()
            self.own(place)  # freed as it is after the call
            return self.keep(ctypes.pointer(place))
        return self.keep(ctypes.create_string_buffer(4096))

    def argument(self, p):
        types = self.headers.types
        if p.type in self.headers.callbacks:
            return None if self.hostile else ctypes.cast(self.callback, ctypes.c_void_p)
        if p.type == "FILE*":
            return self.libc.fopen(b"/dev/null", b"w")
        if p.type == "char*":
            text = self.text(p.name)
            return None if text is None else self.keep(ctypes.create_string_buffer(text))
        if p.type.endswith("*"):
            return self.pointer(p)
        if p.type in self.headers.handles:
            return self.handle(p.type, p.name)
        if p.type in self.headers.enums:
            wrong = self.hostile and self.random.random() < 0.3
            usual = FLOAT32 if p.type == "olivine_dtype" and self.random.random() < 0.7 else None
            count = self.headers.enums[p.type]
            return 99 if wrong else usual or self.random.randrange(count)
        if p.type.startswith("olivine_optional"):
            value = self.integer(p.name)
            if p.type.endswith("dtype"):
                value = 99 if self.hostile else FLOAT32
            return types[p.type](value, self.random.random() < 0.5)
        if p.type == "bool":
            needed = self.needed(p.name)
            return needed if needed is not None else self.random.random() < 0.5
        if p.type in ("float", "double"):
            wild = [float("nan"), float("inf"), -1e300] if self.hostile else []
            return self.pick(0.0, 1.0, 0.5, 4.0, 1e-5, *wild)
        if p.type in types and hasattr(types[p.type], "_fields_"):
            return types[p.type]()  # a table of functions, all null
        value = self.integer(p.name)
        return value % 2**64 if p.type in ("size_t", "uint64_t", "uintptr_t") else value

    def arguments(self, f):
        self.needs = NEEDS.get(f.name, {})
        self.theme = self.needs.get("theme") or self.pick(*THEMES)
        params, out = list(f.parameters), []
        while params:
            p = params.pop(0)
            after = params[0] if params else None
            if p.name == "data" and len(params) > 2 and params[0].name == "shape":
                out += self.described()
                params = params[2:]
            elif p.type.endswith("*") and after and after.name in (f"{p.name}_num", "size", "_num"):
                out += self.list_of(p)
                params.pop(0)
            elif p.type != "...":
                out.append(self.argument(p))
        return out

    def release(self):
        seen = set()
        for handle in self.owned:
            kind = type(handle).__name__
            if handle.ctx and handle.ctx not in seen and hasattr(self.lib, f"{kind}_free"):
                seen.add(handle.ctx)
                getattr(self.lib, f"{kind}_free")(handle)
        self.kept, self.owned = [], []

    def call(self, f):
        """(whether it succeeded, whether a failure left a message)."""
        args = self.arguments(f)
        if f.name.endswith("_free"):
            args = [self.handle(f.parameters[0].type)]
            self.owned = [h for h in self.owned if h is not args[0]]
        self.lib._olivine_error(None, 0, b"no call has failed")
        result = getattr(self.lib, f.name)(*args)
        if (
            f.result == "int"
            and result in (0, 2)
            or f.result in ("void", "bool", "size_t", "char*")
        ):
            ok = True
        elif f.result == "int":
            ok = f.name in INT_VALUES
        elif f.result in self.headers.handles:
            ok = bool(result.ctx) or not f.parameters
            self.own(result)
        else:
            ok = f.result.endswith("*") and result is not None or f.result in self.headers.enums
        told = not self.lib.olivine_last_error().startswith(b"no call has failed")
        told |= f.name.startswith("olivine_array_data")  # null for no elements, too
        self.evaluate()
        self.release()
        return ok, ok or told

    def evaluate(self):
        """Computes the results, which are lazy."""
        for handle in list(self.owned):
            if type(handle).__name__ == "olivine_array" and handle.ctx:
                self.lib.olivine_array_eval(handle)
            elif type(handle).__name__ == "olivine_vector_array" and handle.ctx:
                self.lib.olivine_eval(handle)


def main():
    library, mode, seed, tries, place = sys.argv[1:]
    caller = Caller(library, mode)
    size = ctypes.c_size_t()
    calls, never, silent = 0, [], []
    with open(place, "w") as report:
        for f in caller.headers.functions.values():
            succeeded = False
            caller.random.seed(f"{seed} {f.name}")  # whatever others are declared
            for n in range(int(tries)):
                report.seek(0)
                report.write(f"{f.name} {n}                                             ")
                report.flush()
                # Enough for all that is sensible; what is absurd is refused.
                caller.lib.olivine_set_memory_limit(ctypes.byref(size), 1 << 27)
                ok, told = caller.call(f)
                calls += 1
                succeeded |= ok
                if not told:
                    silent.append(f.name)
                if succeeded and mode == "sensible":
                    break
            if not succeeded:
                never.append(f.name)
    print(json.dumps({"calls": calls, "never": never, "silent": sorted(set(silent))}))


if __name__ == "__main__":
    main()
