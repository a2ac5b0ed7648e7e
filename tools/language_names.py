"""Functions of api/*.pyi that C++, C and Swift call otherwise, or do not have and why.

A function is written with its module, random_randint; without an entry here each language has it
under its own name, which tests/bindings/test_languages.py checks.
"""

# Declarations of another name; for Swift how they begin, of a member Type.member.
OTHER_NAMES = {
    "C++": {
        "printoptions": ["set_printoptions", "get_printoptions"],
        "debug_nonfinite": ["set_debug_nonfinite"],
        "matrix_norm": ["linalg::norm"],
        "switch": ["switch_"],
    },
    "C": {
        "default_device": ["get_default_device"],
        "default_stream": ["get_default_stream"],
        "new_stream": ["stream_new_device"],
        "is_available": ["device_is_available"],
        "conj": ["conjugate"],
        "exporter": ["function_exporter_new", "function_exporter_apply"],
        "import_function": ["imported_function_new", "imported_function_apply"],
        "printoptions": ["set_printoptions", "get_printoptions"],
        "debug_nonfinite": ["set_debug_nonfinite"],
        "matrix_norm": ["linalg_norm", "linalg_norm_matrix"],
    },
    "Swift": {
        "default_device": ["Device.defaultDevice"],
        "default_stream": ["Stream.defaultStream"],
        "new_stream": ["Stream.init(_ device"],
        "is_available": ["Device.isAvailable"],
        "cuda_is_available": ["CUDA.isAvailable"],
        "set_default_stream": ["Stream.withNewDefaultStream"],
        "get_active_memory": ["Memory.activeMemory"],
        "get_peak_memory": ["Memory.peakMemory"],
        "reset_peak_memory": ["Memory.peakMemory"],
        "get_cache_memory": ["Memory.cacheMemory"],
        "get_memory_limit": ["Memory.memoryLimit"],
        "set_memory_limit": ["Memory.memoryLimit"],
        "set_cache_limit": ["Memory.cacheLimit"],
        "set_wired_limit": ["Memory.withWiredLimit"],
        "distributed_init": ["DistributedGroup.init(strict"],
        "get_printoptions": ["printOptions"],
        "save_gguf": ["saveGGUF"],
        "conj": ["conjugate"],
        "exporter": ["exportFunctions"],
        "random_randint": ["MLXRandom.randInt"],
        "disable_compile": ["compile(enable"],
        "matrix_norm": ["MLXLinalg.norm"],
        "switch": ["switchBranch"],
        "map": ["mapSlices"],
    },
}

_OBJECTS = "takes Python's objects; arrays are made by constructors"
_ZIP = "zip archives are Python's zipfile; safetensors hold several arrays in every language"
_OLD = "the older name of a function of memory and devices, which all languages have"
_CUDA = "CUDA's own, which no build has"
# Of all languages but Python, unless a language is named.
ABSENT = {
    "asarray": _OBJECTS,
    "from_dlpack": "DLPack's capsules are Python's; arrays are made over foreign memory",
    "__array_namespace_info__": "part of Python's array API standard",
    "savez": _ZIP,
    "savez_compressed": _ZIP,
    "metal_device_info": _OLD,
    "metal_get_active_memory": _OLD,
    "metal_get_peak_memory": _OLD,
    "metal_reset_peak_memory": _OLD,
    "metal_get_cache_memory": _OLD,
    "metal_set_memory_limit": _OLD,
    "metal_set_cache_limit": _OLD,
    "metal_set_wired_limit": _OLD,
    "metal_clear_cache": _OLD,
    "C++ stream": "the constructor of StreamContext, which is a class",
    "C++ cuda_is_available": "is_available(Device::gpu) tells",
    "C++ metal_is_available": "is_available(Device::gpu) tells",
    "C++ metal_start_capture": "Metal's own, which no build has",
    "C++ metal_stop_capture": "Metal's own, which no build has",
    "C fast_precompiled_cuda_kernel": _CUDA,
    "Swift fast_cuda_kernel": _CUDA,
    "Swift fast_precompiled_cuda_kernel": _CUDA,
}


def absent(language, function):
    """Why a language does not have a function; None if it has it."""
    return ABSENT.get(f"{language} {function}") or ABSENT.get(function)
