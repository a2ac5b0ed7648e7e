#!/usr/bin/env python3
"""Compares the C++ headers with a list of MLX's declarations: what is there, what is missing.

    tools/check_cpp.py LIST [--missing] [--exact] [--group NAME]

LIST has `## mlx/ops.h` per header, `// namespace mlx::core` before declarations, one a line, members
indented under their class. Each becomes lines of one generated translation unit: calls with the
declared argument types, with and without the defaulted ones, whose result must convert to the
declared one; the compiler's errors tell what is missing. --exact also counts functions whose address
has the declared type.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("array", "dtype", "device", "stream", "ops", "random", "linalg", "fft", "fast", "einsum", "transforms", "compile",
          "export", "io", "memory", "utils", "version")  # fmt: skip
# What template parameters become.
CONCRETE = {
    "T": "float",
    "U": "int",
    "It": "const float*",
    "Vec": "std::vector<int>",
    "F": "FunctionPointer",
}
# Names that stay out, and why.
LEFT_OUT = {
    "a graph node is no part of the public interface": r"array::((?:explicit )?array\(Shape shape, Dtype dtype, std::shared|make_arrays|primitive|has_primitive|inputs|siblings"
    r"|sibling_position|set_siblings|outputs|detach|unsafe_weak_copy|primitive_id|attach_event|detach_event|event|set_tracer|is_tracer|is_donatable"
    r"|Status|status|set_status|wait)",
    "buffers and layouts belong to the runtime": r"array::((?:explicit )?array\(allocator::Data|Data|Flags|flags|data_size|buffer|buffer_size|data_shared_ptr|offset|set_data"
    r"|copy_shared_buffer)",
    "settings and formatters of MLX's own back ends": r"env::|get_global_formatter|PrintFormatter",
}  # fmt: skip


@dataclass
class Declaration:
    group: str
    space: str  # olivine, olivine::linalg …
    owner: str  # the class of a member, or ""
    text: str
    exact: str = ""
    calls: list = field(default_factory=list)  # code, one line each

    @property
    def title(self):
        space = self.space.removeprefix("olivine").removeprefix("::")
        return " ".join(
            p
            for p in (
                f"[{space}]" if space else "",
                f"[{self.owner}]" if self.owner else "",
                self.text,
            )
            if p
        )

    def reason(self):
        return next(
            (why for why, pattern in LEFT_OUT.items() if re.match(pattern, self.bare())), None
        )

    def bare(self):
        name = f"{self.owner}::" if self.owner else ""
        space = self.space.removeprefix("olivine").removeprefix("::")
        rest = self.text if is_constructor(self) else name_of(self.text)
        return (f"{space}::" if space else "") + name + rest


def is_constructor(d):
    return bool(d.owner) and re.match(
        rf"(template <.*> )?(explicit |constexpr )*{d.owner.split('::')[-1]}\(", d.text
    )


def name_of(text):
    _, name, _, _ = split_function(text) if "(" in text else ("", "", "", "")
    if name:
        return name
    words = re.findall(r"\w+", re.sub(r"[{=:].*", "", text.replace("::", "")))
    return words[-1] if words else text


def split_top(text, separator=","):
    """Splits where no bracket is open."""
    parts, depth, last = [], 0, 0
    for i, c in enumerate(text):
        if c in "<({[":
            depth += 1
        elif c in ">)}]" and text[i - 1 : i + 1] != "->":
            depth -= 1
        elif c == separator and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    parts.append(text[last:])
    return [p.strip() for p in parts if p.strip()]


def split_function(text):
    """(result, name, [(type, has default)], qualifiers); the name is empty where it is no function."""
    found = re.search(r"\boperator\s*(\(\)|\[\]|[^\w\s(]+|\w[\w:<> ]*)\(", text)
    if found:
        begin, open_at, name = found.start(), found.end() - 1, "operator" + found[1]
    else:
        depth = 0
        for i, c in enumerate(text):
            depth += (c == "<") - (c == ">")
            if c == "(" and depth == 0:
                break
        else:
            return "", "", [], ""
        word = re.search(r"~?(\w+)(<float>)?$", text[:i])
        if not word:
            return "", "", [], ""
        begin, open_at, name = word.start(), i, word[0]
    depth, end = 0, open_at
    for end in range(open_at, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            break
    result = re.sub(r"\b(inline|static|constexpr|explicit|virtual)\b", "", text[:begin]).strip()
    arguments = [argument(p) for p in split_top(text[open_at + 1 : end])]
    return result, name, arguments, text[end + 1 :]


def argument(text):
    parts = split_top(text.replace("==", "\0"), "=")
    kind, default = parts[0].strip(), len(parts) > 1
    pointer = re.match(r"(.*)\(\*\w+\)(.*)$", kind)
    if pointer:
        return f"{pointer[1]}(*){pointer[2]}", default
    named = re.match(r"^(.*[\s&*>])(\w+)$", kind)
    if (
        named
        and named[1].strip() not in ("const", "")
        and named[2] not in ("const", "int", "float", "double", "bool")
    ):
        kind = named[1].strip()
    return kind, default


def concrete(text):
    """The text without template parameters, each replaced by a type."""
    if not text.startswith("template <"):
        return text
    depth = end = 0
    for end, c in enumerate(text):
        depth += (c == "<") - (c == ">")
        if c == ">" and depth == 0:
            break
    body = text[end + 1 :].strip()
    for parameter in split_top(text[len("template <") : end]):
        variadic = re.match(r"typename\.\.\. (\w+)", parameter)
        if variadic:
            body = re.sub(rf"\b{variadic[1]}&&\.\.\. (\w+)", r"array& \1, array& \1", body)
            continue
        name = re.match(r"typename (\w+)", parameter)
        if name:
            body = re.sub(rf"\b{name[1]}\b", CONCRETE.get(name[1], "float"), body)
    result, function, arguments, tail = split_function(body)
    if function in ("item", "data"):  # no argument tells the type
        return body.replace(f"{function}(", f"{function}<float>(")
    if not function:  # a template of a type or a variable
        return re.sub(r"(\w+)( = .*)?;?$", r"\1<array>", re.sub(r" = .*", "", body).rstrip(";"))
    return body


def declared(kind):
    kind = re.sub(r"^const ([^*]*[^*\s])\s*&$", r"\1", kind)  # like a temporary, to compare forms
    return f"std::declval<{kind}>()"


def convertible(expression, result):
    if result in ("", "void", "auto", "reference"):
        return f"using R = decltype({expression});"
    return f"using R = decltype({expression}); static_assert(std::is_convertible_v<R, {result}>);"


def write_checks(d):
    text = concrete(d.text.rstrip(";"))
    here = f"{d.space}::{d.owner}" if d.owner else d.space
    if "= delete" in text or text.startswith("~"):
        return
    kind = re.match(r"(?:enum class|enum|struct|class|using|typedef) (\w+(?:<array>)?)", text)
    if re.match(r"using (\w+)::\1", text):  # inherited constructors
        d.calls.append(f"using R = {here};")
        return
    if kind and not text.startswith("typedef"):
        d.calls.append(f"using R = {here}::{kind[1]};")
        values = re.search(r"\{(.*)\}", text) if text.startswith("enum") else None
        scope = f"{here}::{kind[1]}" if text.startswith("enum class") else here
        d.calls += (
            [
                f"static constexpr auto r = {scope}::{v.split('=')[0].strip()};"
                for v in split_top(values[1])
            ]
            if values
            else []
        )
        return
    if text.startswith("// macro"):
        d.calls.append(f"static constexpr auto r = {text.split()[-1]};")
        return
    result, name, arguments, tail = split_function(text)
    if not name:
        member = re.sub(r"(\s*:\s*\d+|\{.*\}|=.*)$", "", text).split()[-1]
        what = (
            f"std::declval<{here}&>().{member}"
            if d.owner and not text.startswith("static")
            else f"{here}::{member}"
        )
        d.calls.append(f"using R = decltype({what});")
        return
    required = sum(not default for _, default in arguments)
    for count in range(required, len(arguments) + 1):
        d.calls.append(convertible(*call(d, here, result, name, arguments[:count], tail)))
    kinds = ", ".join(kind for kind, _ in arguments)
    if not d.owner and not name.startswith("operator"):
        d.exact = f"auto r = static_cast<{result} (*)({kinds})>(&{here}::{name});"


def call(d, here, result, name, arguments, tail):
    """The expression of a call and what it must convert to."""
    values = [declared(kind) for kind, _ in arguments]
    listed = ", ".join(values)
    if is_constructor(d):
        return f"{here}({listed})", ""
    const = "const " if re.match(r"\s*const", tail) else ""
    own = f"std::declval<{const}{here}&>()" if d.owner else ""
    operator = name.removeprefix("operator") if name.startswith("operator") else None
    if operator and re.match(r"\w", operator):
        return f"static_cast<{operator}>({own})", operator
    if operator:
        values = [own, *values] if own else values
        if len(values) == 1:
            return f"{operator}{values[0]}", result
        return f"{values[0]} {operator} {values[1]}", result
    if not d.owner:
        return f"{here}::{name}({listed})", result
    if "static " in d.text:
        return f"{here}::{name}({listed})", result
    return f"{own}.{name}({listed})", result


def read(path, groups):
    group, space, owners = "", "olivine", []
    for line in Path(path).read_text().splitlines():
        header = re.match(r"## mlx/(\S+)\.h", line)
        if header:
            group, space, owners = header[1], "olivine", []
            continue
        if line.startswith("// namespace"):
            space, owners = line.split()[2].replace("mlx::core", "olivine"), []
            continue
        if group not in groups or not line.strip() or line.startswith("#"):
            continue
        if line.startswith("//") and not line.startswith("// macro MLX"):
            continue
        depth = (len(line) - len(line.lstrip())) // 4
        owners = owners[:depth]
        text = re.sub(r"\binline constexpr\b", "constexpr", line.strip())
        d = Declaration(group, space, "::".join(owners), text)
        write_checks(d)
        kind = re.match(r"(template <typename T> )?(?:struct|class) (\w+)(?: : [^;]*)?;", text)
        if kind:
            owners.append(kind[2] + ("<float>" if kind[1] else ""))
        yield d


def drop_ambiguous(declarations):
    """Calls that two declarations of the list fit alike, as MLX's own would be ambiguous there."""
    known = collections.Counter(code for d in declarations for code in set(d.calls))
    for d in declarations:
        if any(known[code] == 1 for code in d.calls):
            d.calls = [code for code in d.calls if known[code] == 1]


def compile_checks(declarations, include, compiler):
    """Lines with errors of the generated file; each check has a line of its own."""
    lines = ["#include <mlx/mlx.h>", "#include <type_traits>", "#include <utility>"]
    lines += [
        "namespace olivine::linalg {}",
        "namespace olivine::env {}",
        "namespace olivine { using FunctionPointer = std::vector<array> (*)(const std::vector<array>&); }",
    ]
    where = {}
    for i, d in enumerate(declarations):
        for j, code in enumerate([d.exact, *d.calls]):
            if code:
                if d.owner:  # from inside, so that its own types have their short names
                    code = f"struct probe : {d.space}::{d.owner} {{ {code} }};"
                lines.append(f"namespace {d.space} {{ namespace probe_{i}_{j} {{ {code} }} }}")
                where[len(lines)] = (i, j)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "declarations.cpp"
        path.write_text("\n".join(lines) + "\n")
        command = [
            compiler,
            "-std=c++20",
            "-fsyntax-only",
            "-w",
            "-fmax-errors=0",
            *(f"-I{i}" for i in include),
            str(path),
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
    blamed = r"declarations\.cpp:(\d+):\d+: +(?:error:|required from here)"
    bad = {int(n) for n in re.findall(blamed, run.stderr)}
    fatal = [line for line in run.stderr.splitlines() if "fatal error" in line]
    if fatal or (run.returncode and not bad):
        sys.exit("\n".join(fatal) or run.stderr)
    return {where[n] for n in bad if n in where}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", help="the file of declarations")
    parser.add_argument("--missing", action="store_true", help="name what is missing")
    parser.add_argument("--exact", action="store_true", help="count exact function types as well")
    parser.add_argument("--group", nargs="+", default=GROUPS, help="headers to look at")
    parser.add_argument("--include", nargs="+", default=[ROOT / "include", ROOT / "compat/include"])
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    args = parser.parse_args()
    declarations = list(read(args.list, args.group))
    drop_ambiguous(declarations)
    bad = compile_checks(declarations, args.include, args.compiler)
    groups = collections.defaultdict(collections.Counter)
    for i, d in enumerate(declarations):
        broken = [j for j in range(1, len(d.calls) + 1) if (i, j) in bad]
        count = groups[d.group]
        count["all"] += 1
        count["exact"] += bool(d.exact) and (i, 0) not in bad
        if not broken:
            count["there"] += 1
        elif d.reason():
            count["left out"] += 1
        if broken and args.missing:
            part = (
                "" if len(broken) == len(d.calls) else f"  [{len(broken)} of {len(d.calls)} forms]"
            )
            print(f"{d.group}: {d.title}{part}" + (f"  ({d.reason()})" if d.reason() else ""))
    for group, count in groups.items():
        exact = f", {count['exact']} exact" if args.exact else ""
        print(f"{group:11}{count['there']:4} of {count['all']:4}  {100 * count['there'] / count['all']:5.1f} %, "
              f"{count['left out']} left out on purpose{exact}")  # fmt: skip
    total = sum(groups.values(), collections.Counter())
    print(
        f"{'in all':11}{total['there']:4} of {total['all']:4}  {100 * total['there'] / total['all']:5.1f} %, {total['left out']} left out on purpose"
    )
    return 0 if total["there"] + total["left out"] == total["all"] else 1


if __name__ == "__main__":
    sys.exit(main())
