"""How near results must be, by family and dtype, and the differences that are meant.

A difference is the largest |a - b| over |b| plus the root mean square of b (report.difference). The
unit roundoff is 6e-8 of float32 and 2e-3 of bfloat16.
"""

ELEMENT = "a few roundings and two approximations of one function per element"
SUMS = "sums of up to some hundred products in another order"
# family -> (float32, bfloat16, why)
FAMILIES = {
    "activation": (5e-6, 3e-2, f"{ELEMENT}; bfloat16: tanh's slope 1 - y² cancels"),
    "extremes": (5e-6, 3e-2, f"{ELEMENT}; infinities and NaN must be equal"),
    "linear": (5e-6, 6e-2, f"{SUMS}; bfloat16: two layers and a tanh in one case"),
    "embedding": (1e-6, 1e-2, "copies, and sums of a few gradients"),
    "convolution": (5e-6, 1e-2, SUMS),
    "pooling": (1e-6, 3e-2, "sums of a window; bfloat16: overlapping gradients are added up"),
    "normalization": (5e-6, 3e-2, "means and variances, then differences that cancel"),
    "upsample": (1e-5, 3e-2, "weights are computed in float64 here, in float32 there"),
    "quantized": (5e-6, 3e-2, f"{SUMS}; stored values are equal to the bit"),
    "position": (5e-6, 1e-2, ELEMENT),
    "dropout": (1e-6, 5e-3, "one product per element; masks are equal"),
    "recurrent": (5e-6, 1e-1, "up to 40 steps, each fed with the last; bfloat16 rounds each"),
    "attention": (1e-5, 1e-1, "the gradient of a key's bias is exactly 0: rounding is left"),
    "transformer": (1e-5, 1e-1, "up to three layers of attention in a row, forward and back"),
    "loss": (5e-6, 3e-2, "logarithms of sums, and differences that cancel"),
    "optimizer": (5e-6, 3e-2, "five steps; bfloat16 rounds the parameters after each"),
    "schedule": (2e-6, None, "a cosine or a power"),
    "clipping": (1e-6, 1e-2, "one sum of squares"),
    "initializer": (1e-4, None, "the same numbers from the same seed; a factorization"),
    "training": (1e-5, None, "12 steps of an optimizer, whose differences grow from step to step"),
    "new layer": (0, None, "the same numbers from the same seed, texts and names"),
    "module": (0, None, "texts, names and types of errors"),
}
TOLERANCES = {k: {"float32": v[0], "bfloat16": v[1]} for k, v in FAMILIES.items()}

# (family, pattern in the case, pattern in "dtype what", oracle, what is meant and why)
INTENDED = (
    (
        "convolution",
        "output_padding=1",
        "grad.a",
        "mlx",
        "MLX's gradient of a transposed convolution whose `output_padding` makes up for a stride "
        "has fewer elements than the input. Here it is the input's shape, as in PyTorch.",
    ),
    (
        "upsample",
        "",
        "bfloat16 out.0 dtype",
        "mlx",
        "`Upsample` by linear or cubic interpolation makes float32 of bfloat16 in MLX. Here, as in "
        "PyTorch, the dtype stays.",
    ),
    (
        "upsample",
        r"Upsample\(\(?(1\.5|0\.5|2\.3)",
        "",
        "torch",
        "`Upsample` to a size that had to be rounded follows MLX, whose outputs share their centre "
        "with the inputs; in PyTorch output 0 lies at `0.5 / scale - 0.5`.",
    ),
    (
        "extremes",
        r"nn\.(elu|selu|celu|hardswish)\(|smooth_l1|binary_cross_entropy\(mx\.clip",
        r"grad\.a$",
        "mlx",
        "Gradients at large and infinite arguments, of probabilities 0 and 1, and of `celu` at 0 "
        "are the limits of those nearby; MLX's are NaN, and 0 for `celu`.",
    ),
    (
        "extremes",
        r"cross_entropy\(mx\.stack",
        r"out\.0$",
        "mlx",
        "The cross entropy of infinite logits whose target is another class is infinite; MLX's is "
        "NaN.",
    ),
    (
        "module",
        "freezing",
        r"result (5|6|13)$",
        "mlx",
        "`unfreeze` never makes the running statistics of a `BatchNorm` trainable. In MLX it does, "
        "unless called on that layer itself, whose `unfreeze` returns None.",
    ),
    (
        "module",
        "updates",
        r"result (36|40|48|68|70)$",
        "mlx",
        "`update` and `update_modules` with `strict` raise `ValueError` for what cannot be put in "
        "place. MLX ignores a module where an array is, and raises `TypeError` for a tuple.",
    ),
    (
        "module",
        "files",
        r"result 10$",
        "mlx",
        "`load_weights` of a file that is missing raises `FileNotFoundError`, where MLX raises "
        "`ValueError` for its suffix.",
    ),
)
