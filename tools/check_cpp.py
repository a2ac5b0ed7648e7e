#!/usr/bin/env python3
"""Compares the C++ headers with a list of MLX's declarations: what is there, what is missing.

    tools/check_cpp.py LIST [--missing] [--exact] [--group NAME] [--write | --check]

LIST has `## mlx/ops.h` per header, `// namespace mlx::core` before declarations, one a line,
members indented under their class. Each becomes lines of one generated translation unit: calls with
the declared argument types, with and without the defaulted ones, whose result must convert to the
declared one; the compiler's errors tell what is missing. --exact also counts functions whose
address has the declared type. --write puts the result into docs/cpp-coverage.md, --check compares.
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

from cpp_absent import ABSENT

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cpp-coverage.md"
# What template parameters become.
CONCRETE = {
    "T": "float",
    "U": "int",
    "It": "const float*",
    "Iter": "const float*",
    "Vec": "std::vector<int>",
    "F": "FunctionPointer",
}
# Templates whose arguments no rule makes up: what a call of them looks like.
CALLS = {
    "ThreadPool::enqueue": "using R = decltype(std::declval<ThreadPool&>().enqueue([](int) {"
    " return 1; }, 1)); static_assert(std::is_same_v<R, std::future<int>>);",
    "SmallVector<float>::emplace_back": "using R = decltype(std::declval<olivine::SmallVector<"
    "float>&>().emplace_back(1.0f));",
    "Allocator::Allocator": "using R = olivine::allocator::Allocator;",  # abstract
    "Primitive::Primitive": "using R = olivine::Primitive;",  # abstract
    "UnaryPrimitive::UnaryPrimitive": "using R = olivine::UnaryPrimitive;",  # abstract
    "is_iterator": "using R = olivine::is_iterator<float*>;",
    "is_vector": "using R = olivine::is_vector<std::vector<int>>;",
    "type_identity": "using R = olivine::type_identity<float>;",
}  # fmt: skip
DISPATCH = "using R = decltype(olivine::{name}({arguments}[](auto) {{}}));"


@dataclass
class Declaration:
    group: str
    space: str  # olivine, olivine::linalg …
    owner: str  # the class of a member, or ""
    text: str
    exact: str = ""
    calls: list = field(default_factory=list)  # code, one line each
    macro: str = ""

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

    def absent(self):
        """The entry of the list of what is left out that names it, if any."""
        return next(
            (
                entry
                for entry in ABSENT
                if re.fullmatch(entry[0], self.group) and re.match(entry[1], self.bare())
            ),
            None,
        )

    def reason(self):
        entry = self.absent()
        return entry and entry[2]

    def bare(self):
        """Class::name, with the parameters of constructors and what tells overloads apart."""
        owner = re.sub(r"<.*", "", self.owner) + "::" if self.owner else ""
        space = self.space.removeprefix("olivine").removeprefix("::")
        text = template_body(self.text)
        name = name_of(text) if not is_constructor(self) else text
        if not is_constructor(self) and "()" in text and not text.rstrip(";").endswith("const"):
            name += "()"  # not the form for constant objects
        return (f"{space}::" if space else "") + owner + name


def template_body(text):
    """What follows `template <…>`."""
    while text.startswith("template <"):
        depth = 0
        for end, c in enumerate(text):  # noqa: B007
            depth += (c == "<") - (c == ">")
            if c == ">" and depth == 0:
                break
        text = text[end + 1 :].strip()
    return text


def is_constructor(d):
    name = re.sub(r"<.*", "", d.owner.split("::")[-1])
    return bool(d.owner) and re.match(rf"(explicit |constexpr )*{name}\(", template_body(d.text))


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
    """(result, name, [(type, has default)], qualifiers); no name where it is no function."""
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
    if "<float>" in d.owner:  # parameters of the class
        text = re.sub(r"\bT\b", "float", text)
    here = f"{d.space}::{d.owner}" if d.owner else d.space
    if "// macro" in text and "macro-made" not in text:
        d.macro = re.sub(r"\(.*", "", text.split()[2])
        return
    special = special_call(d, text)
    if special:
        d.calls.append(special)
        return
    if "= delete" in text or text.startswith("~"):
        if d.owner:  # nothing to call, but the class must be there
            d.calls.append(f"using R = {here};")
        return
    if text.startswith("typedef"):
        d.calls.append(f"using R = {here}::{text.split()[-1]};")
        return
    kind = re.match(r"(?:enum class|enum|struct|class|using) (\w+(?:<\w+>)?)", text)
    if re.match(r"using (\w+)::\1", text):  # inherited constructors
        d.calls.append(f"using R = {here};")
        return
    if kind:
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


def special_call(d, text):
    """The check of a template whose arguments can't be made up from the declaration."""
    if d.text.startswith("template <") and name_of(template_body(d.text)).startswith("dispatch_"):
        tag = '"check", ' if "string_view tag" in d.text else ""
        arguments = f"std::declval<olivine::Dtype>(), {tag}"
        return DISPATCH.format(name=name_of(template_body(d.text)), arguments=arguments)
    special = re.match(r"constexpr bool (\w+)<", template_body(d.text))  # of a variable
    if special:
        return f"using R = decltype({d.space}::{special[1]}<float>);"
    name = name_of(template_body(d.text))
    kind = re.match(r"(?:struct|class) (\w+)", template_body(d.text))
    name = kind[1] if kind else name
    return CALLS.get(f"{d.owner}::{name}" if d.owner else name)


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
        if operator in ("()", "[]"):
            return f"{own}{operator[0]}{listed}{operator[1]}", result
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
            space = line.split()[2].replace("mlx::core", "olivine").replace("(global)", "")
            owners = []
            continue
        if (groups and group not in groups) or not line.strip() or line.startswith("#"):
            continue
        if line.startswith("//") and not line.startswith("// macro "):
            continue
        depth = (len(line) - len(line.lstrip())) // 4
        owners = owners[:depth]
        text = re.sub(r"\binline constexpr\b", "constexpr", line.strip())
        d = Declaration(group, space, "::".join(owners), text)
        write_checks(d)
        body = template_body(text)
        kind = re.match(r"(?:struct|class) (\w+(?:<\w+>)?)(?: : [^;]*)?;", body)
        if kind:
            template = text.startswith("template <typename")
            owners.append(kind[1] + ("<float>" if template and "<" not in kind[1] else ""))
        yield d


def drop_ambiguous(declarations):
    """Calls that two declarations of the list fit alike, as MLX's own would be ambiguous there."""
    known = collections.Counter(code for d in declarations for code in set(d.calls))
    for d in declarations:
        if any(known[code] == 1 for code in d.calls):
            d.calls = [code for code in d.calls if known[code] == 1]


def compile_checks(declarations, include, compiler):
    """Lines with errors of the generated file; each check has a line of its own."""
    lines = ["#include <type_traits>", "#include <utility>", *includes(declarations)]
    lines += [
        "namespace olivine::linalg {}",
        "namespace olivine::env {}",
        "namespace olivine { using FunctionPointer = "
        "std::vector<array> (*)(const std::vector<array>&); }",
    ]
    where = {}
    for i, d in enumerate(declarations):
        for j, code in enumerate([d.exact, *d.calls]):
            if code:
                if d.owner:  # from inside, so that its own types have their short names
                    code = f"struct probe : {d.space}::{d.owner} {{ {code} }};"
                code = f"namespace probe_{i}_{j} {{ {code} }}"
                lines.append(f"namespace {d.space} {{ {code} }}" if d.space else code)
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
    macros = defined_macros(command, lines)
    missing = {(i, 0) for i, d in enumerate(declarations) if d.macro and d.macro not in macros}
    return missing | {where[n] for n in bad if n in where}


def includes(declarations):
    """The headers of the list that exist, that of all others first."""
    groups = dict.fromkeys(d.group for d in declarations)
    yield "#include <mlx/mlx.h>"
    for group in groups:
        yield f"#if __has_include(<mlx/{group}.h>)"
        yield f"#include <mlx/{group}.h>"
        yield "#endif"


def defined_macros(command, lines):
    text = "\n".join(line for line in lines if line.startswith("#"))
    command = [*command[:-1], "-E", "-dM", "-x", "c++", "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return set(re.findall(r"^#define (\w+)", run.stdout, re.M))


def judge(declarations, bad):
    """What is not there: (declaration, how much of it, the entry of ABSENT for it or None)."""
    absent = []
    for i, d in enumerate(declarations):
        broken = [j for j in range(len(d.calls) + 1) if (j or d.macro) and (i, j) in bad]
        if broken:
            whole = len(broken) == len(d.calls) or d.macro
            part = "" if whole else f"  [{len(broken)} of {len(d.calls)} forms]"
            absent.append((d, part, d.absent()))
    return absent


def page(declarations, absent):
    """docs/cpp-coverage.md: counts by header, then every absent name under its reason."""
    lines = [
        "# The C++ interface beside MLX's",
        "",
        "Written by `python tools/check_cpp.py LIST --write` from a list of MLX 0.32.4's",
        "declarations: each is called with the types that it declares, from `#include <mlx/...>`.",
        "What is absent has its reason in `tools/cpp_absent.py`.",
        "",
        "| header | there | of | absent |",
        "|---|---|---|---|",
    ]
    gone = collections.Counter(d.group for d, _, _ in absent)
    total = collections.Counter(d.group for d in declarations)
    for group, count in total.items():
        lines.append(f"| mlx/{group}.h | {count - gone[group]} | {count} | {gone[group]} |")
    there = len(declarations) - len(absent)
    lines += [f"| all | {there} | {len(declarations)} | {len(absent)} |", "", "## Absent", ""]
    reasons = collections.defaultdict(list)
    for d, part, entry in absent:
        reasons[entry[2] if entry else "no reason yet"].append((d, part))
    for reason, names in reasons.items():
        lines += [f"**{reason}** ({len(names)})", ""]
        by_group = collections.defaultdict(list)
        for d, part in names:
            by_group[d.group].append(f"`{d.title.rstrip(';')}`{part}")
        for group, titles in by_group.items():
            lines += [f"- mlx/{group}.h: " + ", ".join(titles)]
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", help="the file of declarations")
    parser.add_argument("--missing", action="store_true", help="name what is absent, and why")
    parser.add_argument("--exact", action="store_true", help="count exact function types as well")
    parser.add_argument("--group", nargs="+", default=(), help="headers to look at")
    parser.add_argument("--include", nargs="+", default=[ROOT / "include", ROOT / "compat/include"])
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--check", action="store_true", help=f"compare with {PAGE.name}")
    args = parser.parse_args()
    declarations = list(read(args.list, args.group))
    drop_ambiguous(declarations)
    bad = compile_checks(declarations, args.include, args.compiler)
    absent = judge(declarations, bad)
    if args.missing:
        for d, part, entry in absent:
            print(f"{d.group}: {d.title}{part}  ({entry[2] if entry else 'NO REASON'})")
    gone = collections.Counter(d.group for d, _, _ in absent)
    exact = collections.Counter(
        d.group for i, d in enumerate(declarations) if d.exact and (i, 0) not in bad
    )
    for group, count in collections.Counter(d.group for d in declarations).items():
        note = f", {exact[group]} exact" if args.exact else ""
        there = count - gone[group]
        share = f"{100 * there / count:5.1f} %"
        print(f"{group:32}{there:4} of {count:4}  {share}, {gone[group]} absent{note}")
    unexplained = [d for d, _, entry in absent if not entry]
    idle = [] if args.group else [e for e in ABSENT if not any(e is a[2] for a in absent)]
    for entry in idle:
        print(f"cpp_absent.py names what is there, or nothing: {entry[:2]}")
    there = len(declarations) - len(absent)
    print(
        f"in all {there} of {len(declarations)}; absent {len(absent)}, "
        f"{len(unexplained)} without a reason"
    )
    text = page(declarations, absent)
    if args.write:
        PAGE.write_text(text)
    stale = args.check and (not PAGE.exists() or PAGE.read_text() != text)
    if stale:
        print(f"{PAGE.name} is out of date: run tools/check_cpp.py LIST --write")
    return 1 if unexplained or idle or stale else 0


if __name__ == "__main__":
    sys.exit(main())
