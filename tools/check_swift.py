"""Compares the declarations of the Swift package with a list of those of mlx-swift, name by name.

The list has one declaration a line, grouped by module and file, members indented under their type.
A declaration counts as there when the package declares the same name in the same type with the same
labels, types, defaults and result. Names of parameters inside, attributes and modifiers may differ.

Usage: check_swift.py LIST [--missing] [--only PREFIX]
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bindings"))
from swift_api import split_commas  # noqa: E402

SOURCES = ROOT / "bindings" / "swift"
# What the package leaves out, and why.
LEFT_OUT = {
    "MLXArray.asMTLBuffer": "Metal's own",
}
# Where a module's declarations may come from.
MODULES = {
    "MLX": ["Olivine"],
    "MLXNN": ["OlivineNN"],
    "MLXOptimizers": ["OlivineOptimizers"],
    "MLXRandom": ["OlivineRandom"],
    "MLXFFT": ["OlivineFFT"],
    "MLXLinalg": ["OlivineLinalg"],
    "MLXFast": ["OlivineFast"],
}
TYPES = ("struct", "enum", "class", "protocol", "extension", "actor")
MEMBERS = ("func", "var", "let", "case", "init", "subscript", "typealias", "operator")
MODIFIERS = (
    r"public|open|internal|final|convenience|required|override|mutating|nonmutating|consuming|"
    r"indirect|nonisolated|dynamic|weak|unowned|isolated|infix|prefix|postfix"
)


@dataclass(frozen=True)
class Declaration:
    owner: str  # the types around it
    text: str  # normalized

    @property
    def name(self):
        match = re.search(r"\b(?:func|var|let|case|typealias|operator) (`?[^\s(<:=]+)", self.text)
        word = match[1] if match else re.match(r"[\w ]+", self.text)[0].strip()
        return f"{self.owner}.{word}" if self.owner else word


# ---- Normalizing.
def simple(text):
    """Spelling that carries no meaning, removed."""
    text = re.sub(r"//.*", "", text)
    text = re.sub(r"@\w+(\.\w+)*(\([^()]*(\([^()]*\)[^()]*)*\))?", " ", text)
    text = re.sub(r"\b(internal|private|fileprivate)\(set\)", " ", text)
    text = re.sub(r"\bnonisolated\(\w+\)", " ", text)
    text = re.sub(r"\bMLX\.MLXArray\b|\bMLXArray\b", "NDArray", text)
    text = re.sub(r"=\s*\{[^{}]*\}(?=\s*[,)])", "= {}", text)  # a closure as a default
    text = re.sub(r"\bmlx_", "olivine_", text)
    text = re.sub(rf"\b({MODIFIERS})\b(?!\s*:)", " ", text)
    text = re.sub(r"\b(any|escaping|borrowing)\b(?=\s+[\w(])", " ", text)
    text = text.replace("`", "").replace(" ..< ", "..<").replace("(Sendable)", "Sendable")
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s*([()\[\],:<>?=])\s*", r"\1", text)
    return re.sub(r"^extension\[", "extension [", text)


def closing(text, start):
    """The index of the bracket that closes the one at `start`."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return len(text) - 1


def parameter(text):
    """label: type = default; names inside are dropped."""
    names, colon, rest = text.partition(":")
    return f"{names.split(' ')[0]}:{rest}" if colon else text


def normalized(text, owner=""):
    text = simple(text)
    kind = re.match(r"(?:static |class )?(func|init|subscript)", text)
    if kind:
        start = text.find("(", text.find(kind[1]) + len(kind[1]))
        if kind[1] == "func" and re.match(r"(static )?func \(", text):
            start = text.index("(", text.index("func") + 6)
        end = closing(text, start)
        inside = [parameter(p) for p in split_commas(text[start + 1 : end])]
        tail = re.sub(r"\{.*", "", text[end + 1 :]).strip()
        text = f"{text[:start]}({', '.join(inside)}){tail}"
    elif re.match(r"(static |class )?(var|let)\b", text):
        text = re.sub(r"\{.*", "", text)
        text = re.sub(r"\b(var|let) ", "var ", text).strip()
        text = re.sub(r"=.*", "", text).strip()  # the value of a constant
    elif text.startswith("case "):
        text = re.sub(r"=.*", "", text)
    text = re.sub(rf"\b{owner.split('.')[-1]}\b", "Self", text) if owner else text
    return re.sub(r"^class (?=func|var)", "static ", text)


# ---- The list.
def read_list(path):
    """section -> declarations."""
    sections, stack = {}, []
    for line in path.read_text().splitlines():
        if line.startswith("## "):
            section = sections.setdefault(line[3:], [])
        elif line.strip() and not line.startswith("#"):
            depth = (len(line) - len(line.lstrip())) // 4
            del stack[depth:]
            text = line.strip()
            section.append(declared(text, ".".join(stack)))
            head = re.sub(rf"^(({MODIFIERS}) )*", "", simple(text))
            head = re.sub(rf"^(({MODIFIERS}) )*", "", head)
            if head.split(" ")[0] in TYPES:
                stack.append(type_name(head))
    return sections


def type_name(head):
    """The name of the type that a head declares or extends."""
    name = re.match(r"\w+ (\[?[\w.]+\]?)", head)[1]
    return "Array" if name.startswith("[") else name


def declared(text, owner):
    head = simple(text)
    if head.split(" ")[0] in TYPES:
        kind = head.split(" ")[0]
        name = re.match(r"\w+ ([\[\]\w.]+(<[^>]*>)?)", head)[1]
        after = head[head.index(name) + len(name) :]
        parents = re.match(r":(.*?)( where .*|\{|$)", after)
        condition = re.search(r"where .*?(?=\{|$)", after)
        names = "&".join(sorted(split_commas(parents[1].strip()))) if parents else ""
        return Declaration(
            owner, f"{kind} {name}:{names} {condition[0] if condition else ''}".strip()
        )
    return Declaration(owner, normalized(text, owner))


# ---- The sources.
def without_comments(text):
    """Comments dropped, strings kept."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*', lambda m: m[1] or "", text)


def head_end(text, start):
    """Where a declaration's head ends: before its body, or with its line."""
    depth = 0
    for i in range(start, len(text)):
        c = text[i]
        depth += (c in "([") - (c in ")]")
        if depth > 0:
            continue
        if c in "{};" or depth < 0:
            return i
        if c == "\n" and not re.match(
            r"\s*(->|where\b|=|\.\.|throws\b|async\b|rethrows\b|:)", text[i:]
        ):
            if re.search(r"(,|->|:|=|where)\s*$", text[start:i]):
                continue
            return i
    return len(text)


WORD = re.compile(rf"\b({'|'.join(TYPES + MEMBERS)})\b")


def skip_body(text, start):
    """Behind the brace that closes the one at `start`; strings may hold braces."""
    depth, i = 0, start
    while i < len(text):
        if text[i] == '"':
            i = text.index('"', i + 1) if '"' in text[i + 1 :] else len(text)
        depth += (text[i : i + 1] == "{") - (text[i : i + 1] == "}")
        i += 1
        if depth == 0:
            return i
    return len(text)


def read_scope(text, owner, visible, found):
    """Declarations of a file or of the body of a type."""
    i = 0
    while True:
        match = WORD.search(text, i)
        brace = text.find("{", i)
        if not match:
            return
        if 0 <= brace < match.start():
            i = skip_body(text, brace)
            continue
        # Back over modifiers and attributes to the start of the declaration.
        begin = max(text.rfind("\n", 0, match.start()), text.rfind(";", 0, match.start())) + 1
        end = head_end(text, match.start())
        prefix = text[begin : match.start()]
        head = prefix + text[match.start() : end]
        public = visible or re.search(r"\b(public|open)\b", prefix)
        kind = match[1]
        operator = re.match(r"\s*(?:\w+\s+)*operator", head)
        if re.search(r"\b(private|fileprivate)\b(?!\()", prefix):
            public = None
        body_end = skip_body(text, end) if text[end : end + 1] == "{" else end
        if (
            kind in TYPES
            and re.match(r"\s*[\[\w]", text[match.end() :])
            and not (kind == "class" and re.match(r"\s+(func|var)\b", text[match.end() :]))
        ):
            clean = simple(text[match.start() : end])
            if kind == "extension" or public:
                found.append(declared(clean, owner))
            name = type_name(clean)
            inner = text[end + 1 : body_end - 1]
            path = f"{owner}.{name}" if owner else name
            read_scope(inner, path, kind == "protocol" and bool(public), found)
            if kind == "enum" and public:
                found.extend(cases(inner, path))
        elif (public or operator) and kind != "case":
            found.append(Declaration(owner, normalized(head.strip(), owner)))
        i = max(body_end, match.end())


def cases(body, owner):
    depth = 0
    for line in body.splitlines():
        if depth == 0 and (match := re.match(r"\s*case (.*)", line)):
            for one in split_commas(match[1]):
                yield Declaration(owner, normalized(f"case {one}", owner))
        depth += line.count("{") - line.count("}")


def read_sources(modules):
    found = []
    for module in modules:
        for path in sorted((SOURCES / module).rglob("*.swift")):
            read_scope(without_comments(path.read_text()), "", False, found)
    return found


# ---- Comparing.
def is_there(wanted, texts, heads):
    if wanted.text in texts.get(wanted.owner, ()):
        return True
    kind, _, rest = wanted.text.partition(" ")
    if kind in TYPES:
        name, _, parents = rest.partition(":")
        parents = parents.split(" where ")[0]
        have = heads.get(name, set())
        return bool(have or kind == "extension") and all(p in have for p in parents.split("&") if p)
    return False


def compare(sections, sources):
    results = {}
    for section, wanted in sections.items():
        module = section.split("/")[0]
        if module not in sources:
            sources[module] = read_sources(MODULES[module])
        texts, heads = {}, {}
        for d in sources[module]:
            texts.setdefault(d.owner, set()).add(d.text)
            kind, _, rest = d.text.partition(" ")
            if kind in TYPES:
                name, _, parents = rest.partition(":")
                parents = parents.split(" where ")[0]
                heads.setdefault(name, {""}).update(parents.split("&"))
        absent = [w for w in wanted if not is_there(w, texts, heads)]
        results[section] = (wanted, absent)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list", type=Path)
    parser.add_argument("--missing", action="store_true", help="print what is absent")
    parser.add_argument("--only", default="", help="sections that begin so")
    parser.add_argument("--owner", default=None, help="print what the sources declare in a type")
    options = parser.parse_args()
    if options.owner is not None:
        for d in read_sources([m for names in MODULES.values() for m in names]):
            if d.owner == options.owner:
                print(d.text)
        return 0
    sections = read_list(options.list)
    sections = {name: s for name, s in sections.items() if name.startswith(options.only)}
    total = there = 0
    for section, (wanted, absent) in compare(sections, {}).items():
        excused = [w for w in absent if reason(w)]
        absent = [w for w in absent if not reason(w)]
        total += len(wanted) - len(excused)
        there += len(wanted) - len(excused) - len(absent)
        share = 100 * (1 - len(absent) / max(len(wanted) - len(excused), 1))
        print(
            f"{section:40}{len(wanted) - len(absent) - len(excused):5} of {len(wanted):4}"
            f"  {share:5.1f} %"
        )
        for w in excused:
            print(f"    left out: {w.name} ({reason(w)})")
        if options.missing:
            for w in absent:
                print(f"    missing: {w.owner + ': ' if w.owner else ''}{w.text}")
    print(f"{'all':40}{there:5} of {total:4}  {100 * there / max(total, 1):5.1f} %")
    return 0 if there == total else 1


def reason(declaration):
    return LEFT_OUT.get(declaration.name.replace("NDArray", "MLXArray"))


if __name__ == "__main__":
    sys.exit(main())
