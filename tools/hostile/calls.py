"""What is called: every function and method that the stubs list, with arguments made at random."""

import ast
from dataclasses import dataclass, field
from pathlib import Path

import olivine.core as mx

STUBS = Path(mx.__file__).parent / "core"
SUBMODULES = ("linalg", "fft", "random", "fast", "distributed", "metal", "cuda")
# Kept from doing harm: what they change lasts beyond the call (worker.reset undoes it).
SKIPPED = {"ArrayLike", "DLPackCompatible"}


@dataclass
class Parameter:
    name: str
    kind: str  # only | any | keyword | args | kwargs
    required: bool
    annotation: str


@dataclass
class Target:
    """Something to call, in one or several forms."""

    name: str
    call: object
    forms: list
    group: str
    prefixed: bool = True  # errors begin with [name]
    build: object = None  # makes the arguments itself: build(values) -> (call, args, kwargs)
    weight: float = 1.0
    tags: set = field(default_factory=set)


def parameters(node):
    """The parameters of a function's stub, without self."""
    args = node.args
    positional = args.posonlyargs + args.args
    optional = len(args.defaults)
    out = []
    for i, a in enumerate(positional):
        if a.arg == "self":
            continue
        kind = "only" if i < len(args.posonlyargs) else "any"
        out.append(Parameter(a.arg, kind, i < len(positional) - optional, note(a)))
    if args.vararg:
        out.append(Parameter(args.vararg.arg, "args", False, note(args.vararg)))
    for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        out.append(Parameter(a.arg, "keyword", default is None, note(a)))
    if args.kwarg:
        out.append(Parameter(args.kwarg.arg, "kwargs", False, ""))
    return out


def note(a):
    return ast.unparse(a.annotation) if a.annotation else ""


def forms_of(body):
    """name -> list of forms, for the functions of a module or class body."""
    out = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            out.setdefault(node.name, []).append(parameters(node))
    return out


def module_targets(module, path, prefix):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name, forms in forms_of(tree.body).items():
        if hasattr(module, name):
            yield Target(f"{prefix}{name}", getattr(module, name), forms, "functions")
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name in SKIPPED or prefix:
            continue
        cls = getattr(mx, node.name, None)
        if cls is None:
            continue
        for name, forms in forms_of(node.body).items():
            if name == "__init__":
                yield Target(node.name, cls, forms, "classes", prefixed=False)
            elif hasattr(cls, name):
                is_array = node.name == "array"
                operator = name.startswith("__")
                group = ("operators" if operator else "methods") if is_array else "classes"
                target = Target(f"{node.name}.{name}", getattr(cls, name), forms, group)
                target.prefixed = is_array and not operator
                target.tags.add(node.name)
                yield target


def all_targets():
    """Every callable of the stubs, then the hand-made ones."""
    from . import graphs

    out = list(module_targets(mx, STUBS / "__init__.pyi", ""))
    for name in SUBMODULES:
        out += module_targets(getattr(mx, name), STUBS / f"{name}.pyi", f"{name}.")
    return out + graphs.targets()


# ---- Arguments.
def plausible(values, p):
    """A value that the parameter's type allows (and that often fits)."""
    rng, a = values.rng, p.annotation
    if p.name in ("stream", "s") and "Stream" in a:
        return values.stream()
    if "None" in a and rng.random() < 0.3:
        return None
    if p.name == "file" or "Path" in a:
        from . import graphs

        return graphs.file_name(rng)
    if "Callable" in a:
        from . import graphs

        return graphs.function(values)
    if p.name in (
        "axis",
        "axes",
        "axis1",
        "axis2",
        "source",
        "destination",
        "start_axis",
        "end_axis",
    ):
        if "Sequence" in a and (rng.random() < 0.4 or "int |" not in a):
            return [values.axis() for _ in range(rng.choice((0, 1, 2, 2, 3)))]
        return values.axis()
    if p.name in ("indices", "lhs_indices", "rhs_indices", "sorted_indices") and rng.random() < 0.8:
        return values.indices()
    return by_type(values, a)


def by_type(values, a):
    rng = values.rng
    if "list[array]" in a or ("Sequence[array" in a):
        return [values.array() for _ in range(rng.choice((0, 1, 2, 3)))]
    if "dict" in a:
        return {
            rng.choice(("a", "b", "é", "", "\ud800", "a\0b")): values.array()
            for _ in range(rng.randrange(3))
        }
    choices = []
    if "array" in a or "Array" in a:
        choices += [values.array] * 3
    if "scalar" in a:
        choices.append(values.scalar)
    if "Sequence[int]" in a or "tuple[int" in a or "list[int]" in a:
        choices.append(values.sizes)
    if "Sequence[str]" in a:
        choices.append(lambda: [values.text() for _ in range(rng.randrange(3))])
    if a.startswith("int") or "| int" in a:
        choices.append(values.integer)
    if "float" in a:
        choices.append(values.number)
    if "str" in a.replace("Stream", ""):
        choices.append(values.text)
    if "bool" in a:
        choices.append(lambda: rng.random() < 0.5)
    if "DeviceType" in a or "Device" in a:
        choices.append(lambda: rng.choice((mx.cpu, mx.Device(mx.cpu), mx.gpu)))
    if "Stream" in a:
        choices.append(lambda: mx.default_stream(mx.cpu))
    if "Dtype" in a:
        choices.append(lambda: rng.choice(ALL_DTYPES))
    if "Any" in a or "object" in a:
        choices.append(lambda: rng.choice((values.array, values.sizes, values.hostile))())
    if "Literal" in a:
        choices.append(
            lambda: rng.choice(
                [n.value for n in ast.walk(ast.parse(a)) if isinstance(n, ast.Constant)]
            )
        )
    return rng.choice(choices)() if choices else values.hostile()


ALL_DTYPES = [getattr(mx, n) for n in dir(mx) if isinstance(getattr(mx, n), mx.Dtype)]


def misspelt(rng, name):
    i = rng.randrange(len(name) + 1)
    return rng.choice(
        (name[:i] + name[i + 1 :], name + "s", name.upper(), name[:i] + "é" + name[i:], "", "\0")
    )


def arguments(values, form):
    """Positional and keyword arguments for a form: some plausible, some hostile, rarely miscounted."""
    rng = values.rng
    mood = rng.random()
    chance = 0.0 if mood < 0.35 else 0.45 if mood > 0.85 else None
    # In most calls exactly one argument is hostile, so that the others carry it far.
    victim = rng.randrange(len(form)) if chance is None and form else -1

    def value(i, p):
        bad = rng.random() < chance if chance is not None else i == victim
        return values.hostile() if bad else plausible(values, p)

    args, kwargs, by_name = [], {}, False
    for i, p in enumerate(form):
        wanted = p.required or i == victim or rng.random() < 0.35
        if rng.random() < 0.01:
            wanted = not wanted
        if p.kind == "args":
            if not by_name:
                args += [value(i, p) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        elif p.kind == "kwargs":
            if wanted:
                kwargs["name"] = value(i, p)
        elif not wanted:
            by_name = True
        elif p.kind == "only" or (p.kind == "any" and not by_name and rng.random() < 0.8):
            args.append(value(i, p))
        else:
            by_name = True
            name = misspelt(rng, p.name) if rng.random() < 0.01 else p.name
            kwargs[name] = value(i, p)
    if rng.random() < 0.01:
        args += [values.hostile()] * rng.choice((1, 2, 30))
    if rng.random() < 0.01:
        kwargs[rng.choice(("é", "", "axes", "axis", "self", "x" * 300))] = values.hostile()
    return args, kwargs


def build(target, values):
    """The call that `values` draws for a target: (callable, args, kwargs)."""
    if target.build:
        return target.build(values)
    rng = values.rng
    args, kwargs = arguments(values, rng.choice(target.forms))
    if target.group in ("methods", "operators") or "array" in target.tags:
        me = values.array() if rng.random() < 0.97 else values.huge()
        args.insert(0, me if rng.random() < 0.995 else values.hostile())
    elif target.tags:
        args.insert(0, instance(values, target) if rng.random() < 0.95 else values.hostile())
    return target.call, args, kwargs


def instance(values, target):
    """A `self` for a method of one of the small classes."""
    rng = values.rng
    cls = next(iter(target.tags))
    makers = {
        "ArrayAt": lambda: values.array().at[values.integer()],
        "ArrayIterator": lambda: iter(values.array((2, 2))),
        "Device": lambda: mx.Device(mx.cpu),
        "Stream": lambda: mx.default_stream(mx.cpu),
        "StreamContext": lambda: mx.stream(mx.cpu),
        "Dtype": lambda: rng.choice(ALL_DTYPES),
        "finfo": lambda: mx.finfo(mx.float32),
        "iinfo": lambda: mx.iinfo(mx.int8),
        "custom_function": lambda: mx.custom_function(lambda *a: mx.sin(*a)),
    }
    make = makers.get(cls)
    return make() if make else values.hostile()
