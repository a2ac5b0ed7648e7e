"""Declarations of MLX's C++ headers that Olivine leaves out, and why: (header, name, reason).

Both are patterns that match from the start; a name is that of a declaration, Class::member for
members. The first that fits counts. tools/check_cpp.py reads this and fails for an entry that fits
nothing.
"""
# ruff: noqa: E501

INTERNAL = "internal class of MLX's graph; Olivine's ops are records (src/core/op.h)"
GRAPH = "surgery on MLX's graph; Olivine's nodes never change, and other handles may mean them"
EVENTS = "arrays carry no event: whoever reads one waits for it"
NUMBER = "complex64_t is std::complex<float>, which has no such conversion: use x.real()"
METAL = "Metal's own"
BACKEND = "a setting of MLX's Metal and CUDA back-ends"
SOCKETS = "private part of MLX's transports between processes"
GROUPS = "what MLX's transports implement; this build has no transport between processes"
ALLOCATOR = "memory comes from operator new: small vectors take no allocator"

ABSENT = [
    ("array", r"array::(inputs\(\)|set_siblings|set_status)", GRAPH),
    ("array", r"array::siblings\(\)", GRAPH),
    ("array", r"array::primitive_ptr", GRAPH),
    ("array", r"array::(event|attach_event|detach_event)", EVENTS),
    ("array", r"array::unsafe_weak_copy", "handles count their references; a weak one could dangle"),
    ("allocator", r"cu::malloc_async", BACKEND),
    ("utils", r"env::(?!get_var)", BACKEND),
    ("event|fence", r"(Event|Fence)::cast", "private part of MLX's back-ends"),
    ("small_vector", r"SmallVector::.*Allocator& allocator", ALLOCATOR),
    ("small_vector", r"SmallVector::insert", "a braced list is of T, not of const T"),
    ("primitives", r".*", INTERNAL),
    ("fast_primitives", r".*", INTERNAL),
    ("compile_impl", r".*", "internal step of MLX's compiler; Olivine's compiles plans (src/transforms/plan.h)"),
    ("transforms_impl", r".*", "internal step of MLX's transformations"),
    ("distributed/distributed_impl", r".*", GROUPS),
    ("distributed/distributed", r".*", GROUPS),
    ("distributed/primitives", r".*", INTERNAL),
    ("distributed/reduction_ops|distributed/utils", r".*", SOCKETS),
    ("types/complex", r"complex(64|128)_t", NUMBER),
    ("types/complex", r"(is_complex|real)", "is_complex(Dtype) has the name; std::is_same tells types apart"),
    ("types/.*", r".*operator=", "assign bool(x): there is no conversion from std::vector<bool>'s proxy"),
    ("backend/metal/metal", r".*", METAL),
    ("backend/common/metal_kernel", r".*", METAL),
]  # fmt: skip
