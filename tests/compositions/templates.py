"""What random programs are made of: expressions with blanks, by family.

Alternatives stand in <a|b>. Blanks: {a} {b} any arrays, {f} {g} {h} real floating ones, {m} one of two
or more axes, {i} {j} integer ones, {k} booleans, {key} a random key. The first array named is the one
that {axis}, {axes}, {n} (its size along {axis}), {perm}, {newshape}, {index}, {at} (places along
{axis}) fit. {s} is a number, {t} a positive one, {r} one of 0 1 2, {p} one of 1 2 3, {flag} a truth
value, {dtype} a dtype. A program's namespace holds `mx` and the functions at the end of this file.
"""

import olivine.core as mx

# Differentiable almost everywhere, of floating arrays.
SMOOTH = {
    "elementwise": (
        "mx.<abs|negative|square|sin|cos|tanh|sigmoid|arctan|erf|arcsinh|positive|degrees|radians>({f})",
        "mx.<exp|sinh|cosh|expm1|tan|tanh|sin>({f})",
        "mx.<log|log2|log10|sqrt|rsqrt|reciprocal>(mx.abs({f}) + {t})",
        "mx.<arcsin|arccos|arctanh|erfinv>(0.9 * mx.tanh({f}))",
        "mx.<log1p|expm1>(mx.square(mx.tanh({f})))",
        "mx.arccosh(mx.square({f}) + 1.5)",
        "mx.<add|subtract|multiply|maximum|minimum|logaddexp|arctan2>({f}, {g})",
        "mx.<add|subtract|multiply|maximum|minimum>({f}, {g})",
        "mx.<add|subtract|multiply|maximum|minimum|logaddexp>({f}, {s})",
        "mx.<subtract|divide|power>({t}, mx.abs({f}) + 1)",
        "{f} / (mx.abs({g}) + {t})",
        "(mx.abs({f}) + 0.5) ** mx.tanh({g})",
        "mx.tanh({f}) ** <2|3|4>",
        "mx.where({f} > {s}, {g}, {h})",
        "mx.clip({f}, -0.7, 0.9)",
        "mx.nan_to_num({f})",
    ),
    "reduction": (
        "mx.<sum|mean|max|min|logsumexp|var>({f}, axis={axis}, keepdims={flag})",
        "mx.<sum|mean|max|min|logsumexp|var>({f}, axis={axes}, keepdims={flag})",
        "mx.<sum|mean|prod|logsumexp>({f})",
        "mx.<prod|median>({f}, axis={axis}, keepdims={flag})",
        "mx.std({f} + mx.arange({n}).reshape(({n},) + (1,) * (-1 - {axis})), axis={axis}, ddof={bit})",
        "mx.softmax({f}, axis=<{axis}|{axes}>, precise={flag})",
        "{f} - mx.mean({f}, axis={axis}, keepdims=True)",
        "mx.minmax({f}, axis={axis})",
    ),
    "shape": (
        "mx.transpose({f}, {perm})",
        "mx.reshape({f}, {newshape})",
        "mx.<flatten|squeeze|transpose|matrix_transpose|contiguous|atleast_2d>({f})",
        "mx.expand_dims({f}, {r})",
        "mx.swapaxes({f}, {axis}, {axis2})",
        "mx.moveaxis({f}, {axis}, {axis2})",
        "mx.unflatten({f}, {axis}, (-1, <1|2|{n}>))",
        "mx.broadcast_to({f}, ({p}, *{f}.shape))",
        "mx.pad({f}, {r}, <0|1.5>)",
        "mx.pad({f}, ({r}, {bit}), mode='<constant|edge|reflect|symmetric>')",
        "mx.repeat({f}, {p}, axis=<{axis}|None>)",
        "mx.tile({f}, <2|(2, 1)|(1, {p})>)",
        "mx.roll({f}, {r}, <{axis}|None>)",
        "mx.flip({f}, axis=<{axis}|None>)",
        "mx.concatenate([{f}, {g}], axis={axis})",
        "mx.concatenate([{f}, {f}, {g}], axis={axis})",
        "mx.stack([{f}, {g}], axis=<0|-1|{axis}>)",
        "mx.split({f}, <2|3|[1]|[1, 2]>, axis={axis})",
        "mx.unstack({f}, axis={axis})",
        "mx.<tril|triu>({f}, {r})",
        "mx.diagonal({f}, <0|1|-1>, {axis}, {axis2})",
        "mx.diag({f}, <0|1|-1>)",
        "mx.trace({f})",
        "mx.broadcast_arrays({f}, {g})",
        "mx.meshgrid(mx.flatten({f})[:3], mx.flatten({g})[:4], indexing='<ij|xy>')",
        "mx.as_strided({f}, ({p}, 2), (<0|1|2>, 1), {bit})",
    ),
    "indexing": (
        "{f}[{index}]",
        "{f}[{index}]",
        "mx.take({f}, mx.array({at}), axis={axis})",
        "mx.take({f}, mx.array([{at}, {at}]), axis={axis})",
        "{f}[mx.array({at0})]",
        "{f}[..., mx.array({at1})]",
        "mx.take_along_axis({f}, mx.argsort({f}, axis={axis}), axis={axis})",
        "mx.put_along_axis({f}, mx.argmax({f}, axis={axis}, keepdims=True), {g}, axis={axis})",
        "write({f}, lambda w: w.__setitem__({index}, {s}))",
        "write({f}, lambda w: w.__setitem__({index}, mx.sum({g})))",
        "write({f}, lambda w: w.__setitem__(mx.array({at0}), mx.mean({g})))",
        "{f}.at[{index}].<add|subtract|multiply|maximum|minimum>(<{s}|mx.mean({g})>)",
        "{f}.at[mx.array({at0})].<add|maximum|minimum|multiply>(<{s}|mx.mean({g})>)",
        "mx.slice({f}, mx.array([{r}]), axes=({axis},), slice_size=<ones({f})|cut({f}, {axis}, {p})>)",
        "mx.slice_update({f}, {g}[:1], mx.array([{r}]), axes=({axis},))",
    ),
    "matmul": (
        "{m} @ mx.swapaxes({f}, -1, -2)",
        "{m} @ mx.swapaxes({m}, -1, -2)",
        "mx.swapaxes({m}, -1, -2) @ {m}",
        "{m} @ mx.tanh({m})[..., :1, :].swapaxes(-1, -2)",
        "{f} @ {g}",
        "mx.addmm({g}, {m}, mx.swapaxes({m}, -1, -2), alpha={s}, beta={t})",
        "mx.<inner|outer|kron>({f}, {g})",
        "mx.outer(mx.flatten({f})[:5], mx.flatten({g})[:4])",
        "mx.einsum('...ij,...kj->...<ik|ki|i>', {m}, {m})",
        "mx.einsum('i...,j...->...ij', {m}, {m})",
        "mx.tensordot({f}, {g}, axes={bit})",
        "mx.gather_mm({m}, mx.swapaxes({m}, -1, -2))",
        "mx.hadamard_transform(mx.flatten({f})[:8])",
    ),
    "scan": (
        "mx.<cumsum|cummax|cummin|logcumsumexp>({f}, axis={axis}, reverse={flag}, inclusive=True)",
        "mx.<cumsum|cumprod>({f}, axis=<{axis}|None>, reverse={flag}, inclusive={flag})",
        "mx.diff({f}, axis={axis})",
    ),
    "sort": (
        "mx.sort({f}, axis=<{axis}|None>)",
        "mx.sort(mx.partition({f}, 0, axis={axis}), axis={axis})",
        "mx.sort(mx.topk({f}, 1, axis={axis}), axis={axis})",
    ),
    "linalg": (
        "mx.linalg.<inv|cholesky|det|eigvalsh|pinv|cholesky_inv>(gram({m}))",
        "mx.linalg.solve(gram({m}), {m})",
        "mx.linalg.solve_triangular(mx.tril(gram({m})), {m}, upper=False)",
        "mx.linalg.tri_inv(mx.tril(gram({m})))",
        "mx.linalg.qr(gram({m}))",
        "mx.linalg.slogdet(gram({m}))[1]",
        "mx.linalg.svd(gram({m}), compute_uv=False)",
        "mx.linalg.norm({f} + 0.1, axis={axis})",
        "mx.linalg.cross(mx.flatten({f})[:3], mx.flatten({g})[:3])",
    ),
    "fft": (
        "mx.<real|imag>(mx.fft.<fft|ifft|rfft>({f}, axis={axis}))",
        "mx.fft.irfft(mx.fft.rfft({f}, axis={axis}) * {s}, n=<{n}|4|5>, axis={axis})",
        "mx.real(mx.fft.<fft2|ifft2|fftn|rfftn|ifftn>({f}))",
        "mx.square(mx.abs(mx.fft.rfft({f}, n=<4|5|7|16>, axis={axis})))",
        "mx.fft.<fftshift|ifftshift>({f})",
    ),
    "conv": (
        "mx.convolve(mx.flatten({f}), mx.flatten({g})[:4], mode='<full|same|valid>')",
        "mx.conv1d(mx.reshape({f}, (1, -1, 1)), mx.reshape(mx.flatten({g})[:3], (1, -1, 1)), stride={p}, padding={r})",
        "mx.conv1d(mx.reshape({m}, (1, -1, {last})), mx.tanh(mx.reshape({m}, (-1, 1, {last})))[:3], padding={r})",
        "mx.conv2d(mx.reshape({m}, (1, -1, {last}, 1)), mx.ones((2, 2, 2, 1), {m}.dtype), padding={bit}, dilation={p})",
        "mx.conv_transpose1d(mx.reshape({f}, (1, -1, 1)), mx.reshape(mx.flatten({g})[:3], (1, -1, 1)), stride={p})",
        "mx.conv_general(mx.reshape({m}, (1, -1, {last})), mx.ones(({last}, 2, 1), {m}.dtype), groups={last}, padding={r}, flip={flag})",
    ),
    "random": (
        "{f} * mx.random.<uniform|normal|gumbel|laplace>({f}.shape, dtype={f}.dtype, key={key})",
        "mx.random.permutation({f}, axis={axis}, key={key})",
        "mx.random.split({key})[{bit}]",
    ),
    "fast": (
        "mx.fast.rms_norm({f}, <None|mx.ones(({last},), {f}.dtype)>, 1e-5)",
        "mx.fast.layer_norm({f} + mx.arange({last}), mx.ones(({last},), {f}.dtype), <None|mx.zeros(({last},), {f}.dtype)>, 1e-5)",
        "mx.fast.rope(heads({m}), 2, traditional={flag}, base=100.0, scale=1.0, offset={r})",
        "mx.fast.scaled_dot_product_attention(heads({m}), heads({m}), heads(mx.sin({m})), scale=0.5, mask=<None|'causal'>)",
        "mx.fast.cross_entropy({m}, mx.argmin({m}, axis=-1))",
    ),
    "transforms": (
        "mx.vmap(lambda r: mx.softmax(r, axis=-1) * mx.sum(r), in_axes=<0|-1>)({f})",
        "mx.vmap(lambda r, q: mx.tanh(r) * q + mx.cumsum(q, axis=0), in_axes=(0, <None|0>))({f}, {g})",
        "mx.grad(lambda r: mx.sum(mx.tanh(r) * r + mx.logsumexp(r)))({f})",
        "mx.vmap(mx.grad(lambda r: mx.sum(mx.sigmoid(r) * mx.mean(r))))({f})",
        "mx.checkpoint(lambda r: mx.sin(r) * mx.sum(r * r, axis=0))({f})",
        "mx.compile(lambda r: mx.exp(-r * r) + mx.max(r), shapeless={flag})({f})",
        "mx.compile(mx.grad(lambda r: mx.sum(mx.softmax(r, axis=0) * r)))({f})",
        "mx.jvp(lambda r: mx.sin(r) * mx.cumsum(r, axis=0), [{f}], [mx.cos({f})])[1][0]",
        "mx.vjp(lambda r: mx.sort(r, axis=0) * r, [{f}], [mx.cos({f})])[1][0]",
    ),
}  # fmt: skip

# Of any dtype, with jumps; these programs are not differentiated by finite differences.
ROUGH = {
    "elementwise": (
        "mx.<floor|ceil|trunc|round|sign|logical_not|isnan|isinf|isfinite|abs|negative|square>({a})",
        "mx.<real|imag|conj|sqrt|exp|sin|tanh|reciprocal|log|sigmoid>({a})",
        "mx.<less|less_equal|greater|greater_equal|equal|not_equal|logical_and|logical_or|logical_xor|isclose>({a}, {b})",
        "mx.<add|subtract|multiply|maximum|minimum|divide|floor_divide|remainder|power|add|multiply|subtract>({a}, {b})",
        "mx.<add|subtract|multiply|maximum|minimum|divide|remainder|floor_divide>({a}, <{s}|2|3|-1|True>)",
        "mx.<add|subtract|multiply|maximum|minimum|divide|remainder|floor_divide>(<{s}|2|3|-1>, {a})",
        "mx.<bitwise_and|bitwise_or|bitwise_xor>({i}, {j})",
        "mx.<left_shift|right_shift>({i}, mx.abs({j}) % 7)",
        "mx.bitwise_invert({i})",
        "mx.where({k}, {a}, {b})",
        "mx.divmod({a}, {b})",
        "{a}.astype(mx.{dtype})",
        "{a}.astype(mx.{dtype})",
        "mx.view({a}, mx.<uint8|uint16|uint32>)",
        "mx.stop_gradient({a})",
        "mx.<zeros_like|ones_like>({a})",
        "mx.full({a}.shape, {s}, dtype={a}.dtype)",
    ),
    "reduction": (
        "mx.<sum|prod|max|min|any|all|mean|argmax|argmin>({a}, axis={axis}, keepdims={flag})",
        "mx.<sum|prod|max|min|any|all|mean|count_nonzero|minmax>({a}, axis={axes}, keepdims={flag})",
        "mx.<sum|prod|max|min|any|all|argmax|argmin>({a})",
    ),
    "indexing": (
        "mx.take({a}, mx.abs({i}) % {n}, axis={axis})",
        "{a}[mx.abs({i}) % {n0}]",
        "write({a}, lambda w: w.__setitem__({index}, mx.max({b})))",
        "write({a}, lambda w: w.__setitem__(mx.abs({i}) % {n0}, 1))",
        "{a}.at[mx.abs({i}) % {n0}].<add|maximum|minimum>(1)",
        "mx.take_along_axis({a}, mx.argsort({a}, axis={axis}), axis={axis})",
        "mx.where({a} > {s}, {b}, 0)",
        "write({a}, lambda w: w.__setitem__({a} > {s}, 1))",
        "mx.extract({a} > {s}, {a}, size=<3|50>)",
        "mx.compress({a}.flatten() > {s}, {a}.flatten(), size=4, fill_value=2)",
        "mx.flatnonzero({a} > {s}, size=5)",
        "mx.repeat({a}.flatten(), ({a}.flatten() > {s}).astype(mx.int32), 0, 6)",
    ),
    "sort": (
        "mx.<sort|argsort>({a}, axis={axis})",
        "mx.searchsorted(mx.sort(mx.flatten({a})), {b}, side='<left|right>')",
        "mx.unique({a}, size=4, return_counts=True, return_inverse=True)",
        "mx.argpartition({a}, 0, axis={axis})[..., :1]",
    ),
    "random": (
        "mx.random.randint(<0|-5>, 9, {a}.shape, key={key})",
        "mx.random.bernoulli(mx.sigmoid({f}), key={key})",
        # Computed in single precision whatever the dtype, so differences say little about it.
        "mx.random.truncated_normal(-1, mx.abs({f}) + 1, dtype={f}.dtype, key={key})",
        "mx.random.categorical({f}, axis=-1, key={key})",
        "mx.random.categorical({f}, axis=-1, num_samples={p}, key={key})",
    ),
    "matmul": ("{a} @ mx.swapaxes({b}, -1, -2)", "mx.<outer|inner>({a}, {b})"),
    "scan": ("mx.<cumsum|cumprod|cummax|cummin|diff>({a}, axis={axis})",),
    "fft": ("mx.fft.<fft|ifft>({a}, axis={axis})", "mx.fft.fft({a}, n=<3|4|16>, axis={axis})"),
}  # fmt: skip
# The forms that work on anything are drawn with any array in place of a floating one.
GENERAL = ("shape", "indexing", "scan", "sort", "transforms")


# ---- Functions that the expressions call.
def write(x, change):
    """A copy of x after an assignment in place."""
    w = x * 1
    change(w)
    return w


def gram(x):
    """A well-conditioned symmetric matrix."""
    x = mx.tanh(x)
    return x @ mx.swapaxes(x, -1, -2) + 2 * mx.eye(x.shape[-2], dtype=x.dtype)


def heads(x):
    return mx.reshape(x, (1, -1, *x.shape[-2:]))


def ones(x):
    return (1,) * x.ndim


def cut(x, axis, size):
    shape = list(x.shape)
    shape[axis] = size
    return tuple(shape)


NAMESPACE = {"mx": mx, "write": write, "gram": gram, "heads": heads, "ones": ones, "cut": cut}
