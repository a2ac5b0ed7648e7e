"""How near results must be, by family and dtype, and the differences that are meant.

A difference is |a - b| over |b| plus the root mean square of b (see report.difference). The unit
roundoff is 6e-8 of float32 and 2e-3 of bfloat16 (1 / 2^24 and 1 / 2^9).
"""

FAMILIES = """activation linear embedding convolution pooling normalization upsample quantized
position dropout recurrent attention transformer loss optimizer schedule clipping""".split()
TOLERANCES = {name: {"float32": 1e-5, "bfloat16": 2e-2} for name in FAMILIES}
TOLERANCES["initializer"] = {"float32": 1e-2}
TOLERANCES["new layer"] = {"float32": 1e-5}
TOLERANCES["module"] = {"float32": 0}

# (family, part of the case, part of "dtype what", oracle, reason)
INTENDED = []
