"""Declarations of MLX's C++ headers that Olivine leaves out, and why: (header, name, reason).

Both are patterns that match from the start; a name is that of a declaration, Class::member for
members. The first that fits counts. tools/check_cpp.py reads this and fails for an entry that fits
nothing.
"""
# ruff: noqa: E501

READ = "gives the value, but no reference to assign another through: Olivine's nodes never change, and other handles may mean them"
WRITE = "changes a node of MLX's graph; Olivine's never change, and other handles may mean them"
NUMBER = "complex64_t is std::complex<float>, which has no such conversion: use x.real()"
METAL = "Metal's own"

ABSENT = [
    ("array", r"array::(inputs\(\)|siblings\(\)|primitive_ptr)", READ),
    ("array", r"array::(set_siblings|set_status)", WRITE),
    ("allocator", r"cu::malloc_async", "CUDA's own: its argument is an encoder of MLX's CUDA back-end"),
    ("event|fence", r"(Event|Fence)::cast", "its argument is a class of MLX's Metal or CUDA back-end"),
    ("types/complex", r"complex(64|128)_t", NUMBER),
    ("backend/metal/metal", r".*", METAL),
]  # fmt: skip
