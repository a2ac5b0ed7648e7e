"""Reads the C headers: which functions, handles, structs and enums they declare, as ctypes."""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "bindings/c/include/olivine/c"

PLAIN = {
    "void": None,
    "bool": ctypes.c_bool,
    "int": ctypes.c_int,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "size_t": ctypes.c_size_t,
    "uintptr_t": ctypes.c_size_t,
    "float16_t": ctypes.c_uint16,
    "bfloat16_t": ctypes.c_uint16,
    "olivine_complex64_t": ctypes.c_float * 2,
    "olivine_complex128_t": ctypes.c_double * 2,
    **{f"{u}int{n}_t": getattr(ctypes, f"c_{u}int{n}") for u in ("", "u") for n in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Parameter:
    type: str  # without const and without spaces: "olivine_array", "int*", "function", "..."
    name: str
    const: bool


@dataclass(frozen=True)
class Function:
    name: str
    header: str
    result: str
    parameters: tuple


def _split(text):
    """A parameter list at its own commas."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [p.strip() for p in parts if p.strip() not in ("", "void")]


def _parameter(text):
    if "(*" in text:
        return Parameter("function", re.search(r"\(\*\s*(\w*)", text)[1], False)
    if text == "...":
        return Parameter("...", "", False)
    words = re.findall(r"\w+|\*", text)
    const = "const" in words
    words = [w for w in words if w not in ("const", "struct", "unsigned")]
    named = len(words) > 1 and words[-1] != "*"
    return Parameter("".join(words[:-1] if named else words), words[-1] if named else "", const)


class Headers:
    """All declarations; `types` maps names to ctypes."""

    def __init__(self):
        self.functions, self.types, self.enums = {}, dict(PLAIN), {}
        self.handles, self.callbacks = set(), {"function"}
        for path in sorted(INCLUDE.rglob("*.h")):
            text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(), flags=re.S)
            text = re.sub(r"^\s*#(.*\\\n)*.*$", " ", text, flags=re.M)
            self._read(" ".join(text.split()), str(path.relative_to(INCLUDE)))

    def _read(self, text, header):
        for name, body in re.findall(r"typedef enum [\w ]+ \{(.*?)\} (\w+);", text):
            name, body = body, name
            self.types[name] = ctypes.c_int
            self.enums[name] = len([v for v in body.split(",") if v.strip()])
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text):
            self.types[name] = self._struct(name, body)
            if re.search(r"void ?\* ?ctx;", body):
                self.handles.add(name)
        for name in re.findall(r"typedef [\w ]+\(\*(\w+)\)\(", text):
            self.types[name] = ctypes.c_void_p
            self.callbacks.add(name)
        for result, name, params in re.findall(
            r"OLIVINE_C_API ([\w ]+?[ *]+)(\w+)\((.*?)\);(?= |$)", text
        ):
            result = result.replace("const", "").replace(" ", "")
            parameters = tuple(_parameter(p) for p in _split(params))
            self.functions[name] = Function(name, header, result, parameters)

    def _struct(self, name, body):
        fields = []
        for field in filter(None, (f.strip() for f in body.split(";"))):
            p = _parameter(field)
            pointer = "*" in p.type or p.type == "function"
            fields.append((p.name, ctypes.c_void_p if pointer else self.types[p.type]))
        return type(name, (ctypes.Structure,), {"_fields_": fields})

    def ctype(self, name):
        """The ctypes type of one as it is declared; pointers are void pointers."""
        return ctypes.c_void_p if "*" in name or name == "function" else self.types[name]

    def load(self, library):
        """The library with the types of all functions told."""
        lib = ctypes.CDLL(str(library))
        for f in self.functions.values():
            call = getattr(lib, f.name)
            call.restype = ctypes.c_char_p if f.result == "char*" else self.ctype(f.result)
            if all(p.type != "..." for p in f.parameters):
                call.argtypes = [self.ctype(p.type) for p in f.parameters]
        return lib
