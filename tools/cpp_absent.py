"""Declarations of MLX's C++ headers that Olivine leaves out, and why: (header, name, reason).

Both are patterns that match from the start; a name is that of a declaration, Class::member for
members. The first that fits counts. tools/check_cpp.py reads this and fails for an entry that fits
nothing.
"""
# ruff: noqa: E501

METAL = "Metal's own"

ABSENT = [
    ("allocator", r"cu::malloc_async", "CUDA's own: its argument is an encoder of MLX's CUDA back-end"),
    ("event|fence", r"(Event|Fence)::cast", "its argument is a class of MLX's Metal or CUDA back-end"),
    ("backend/metal/metal", r".*", METAL),
]  # fmt: skip
