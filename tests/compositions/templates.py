"""What random programs are made of: expressions with blanks, by family.

Alternatives stand in <a|b>. Blanks: {a} {b} any arrays, {f} {g} {h} real floating ones, {m} one of two
or more axes, {i} {j} integer ones, {k} booleans, {key} a random key. The first array named is the one
that {axis}, {axes}, {n} (its size along {axis}), {perm}, {newshape}, {index}, {at} (places along
{axis}), {mask} (truth values along the first axis) fit. {s} is a number, {t} a positive one, {r} one
of 0 1 2, {p} one of 1 2 3, {flag} a truth value, {dtype} a dtype. A program's namespace holds `mx`,
`sparse`, `einops` and the functions at the end of this file.
"""

import numpy as np

import olivine.core as mx
from olivine import einops, sparse

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
        "einops.rearrange({m}, '... a b -> ... b a')",
        "einops.rearrange({m}, 'a ... b -> b (a ...)')",
        "einops.reduce({m}, 'a ... b -> b ...', '<sum|mean|max|min>')",
        "einops.repeat({m}, '... a b -> ... (a r) b', r={p})",
        "einops.einsum({m}, {m}, '... a b, ... c b -> ... c a')",
    ),
    "selection": (
        "{f}[mx.array({mask})]",
        "mx.extract({f} > {s}, {f}, size=<3|9>)",
        "mx.compress(mx.array({mask}), {f}, axis=0, size={p}, fill_value={s})",
        "mx.repeat({f}, mx.array({mask}).astype(mx.int32) + {bit}, 0, total_repeat_length=<4|7>)",
        "{f}[mx.nonzero({f} > {s}, size=<4|9>)]",
        "mx.unique({f}, size=<3|9>)",
        "write({f}, lambda w: w.__setitem__({f} > {s}, mx.mean({g})))",
    ),
    "loops": (
        "mx.scan(lambda c, x: (mx.tanh(c + x), c * x), {f}[0], {f}, reverse={flag}, checkpoint=<None|1|2|True>)",
        "mx.scan(lambda c, x: ((c[1], mx.sin(c[0]) + x), c[0]), ({f}[0], {f}[-1]), {f})[1]",
        "mx.scan(lambda c, x: (mx.fori_loop(0, 2, lambda i, d: mx.sin(d) + x, c), x), {f}[0], {f})",
        "mx.scan(lambda c, _: (c * 0.5 + {g}, mx.sum(c)), {f}, length={p})",
        "mx.fori_loop({bit}, 4, lambda i, c: mx.sin(c) + i.astype(c.dtype), {f}, checkpoint=<None|2>)",
        "mx.fori_loop(0, mx.array({p}), lambda i, c: mx.tanh(c) + {g}, {f}, max_steps=4)",
        "mx.fori_loop(0, {n}, lambda i, c: c + mx.take({f}, i, axis={axis}), mx.mean({f}, axis={axis}))",
        "mx.while_loop(lambda c: mx.sum(mx.abs(c)) > 1, lambda c: c * 0.5, {f}, max_steps=<3|9>)",
        "mx.while_loop(lambda c: mx.less(c[0], {p}), lambda c: (c[0] + 1, mx.sin(c[1])), (mx.array({r}), {f}), max_steps=4)[1]",
        "mx.cond(mx.sum({f}) > {s}, lambda v: mx.sin(v) * v, mx.tanh, {f})",
        "mx.cond({flag}, lambda v, w: v * w, lambda v, w: v + mx.sin(w), {f}, {g})",
        "mx.switch({r}, [mx.sin, lambda v: v * mx.sum({g}), lambda v: mx.tanh(v) * v], {f})",
        "mx.map(lambda r: mx.sin(r) * mx.sum(r), {f}, batch_size=<None|2|3>)",
        "mx.map(lambda r: mx.cond(mx.sum(r) > {s}, mx.sin, lambda v: v * 2, r), {f})",
    ),
    "sparse": (
        "csr({m}) @ matrix({m}).T",
        "csr({m}) @ mx.flatten({m})[:{last}]",
        "mx.sin(matrix({m})) @ csr({m}).T",
        "csr({m}).<T|to_coo()|T.to_coo()>.to_dense()",
        "csr({m}).<sum|mean|max|min>(axis=<0|1|None>)",
        "csr({m}).softmax().to_dense()",
        "(csr({m}) * mx.tanh(matrix({m}))).<data|to_dense()>",
        "csr({m}).map(mx.sin).T @ matrix({m})",
        "sparse.sampled_matmul(csr({m}), matrix({m}), matrix({m}).T @ matrix({m})).<data|to_dense()>",
        "(csr({m}) @ csr({m}).T).to_dense()",
        "(csr({m}) + csr(mx.sin({m}))).to_dense()",
    ),
    "special": (
        "mx.special.<gammaln|digamma|gamma|expi|exp1|spence|y0|y1>(mx.abs(mx.tanh({f})) + 1.3)",
        "mx.special.<erfc|erfcx|ndtr|log_ndtr|i0|i0e|i1|i1e|j0|j1|sinc|expit>(2 * mx.tanh({f}))",
        "mx.special.<ndtri|logit|entr>(0.5 + 0.4 * mx.tanh({f}))",
        "mx.special.<xlogy|xlog1py|rel_entr|kl_div|betaln|beta>(mx.tanh({f}) + 1.5, mx.sin({g}) + 2)",
        "mx.special.<gammainc|gammaincc>(<0.7|3.0|40.0|1000.0>, mx.abs({f}) * <1|100> + {t})",
        "mx.special.betainc(<0.7|3.0>, <0.5|2.0>, 0.5 + 0.4 * mx.tanh({f}))",
        "mx.special.zeta(<2.5|4.0>, mx.abs({f}) + {t})",
        "mx.special.polygamma({p}, mx.abs({f}) + 1)",
        "mx.special.multigammaln(mx.abs({f}) + 3, {p})",
        "mx.special.log_softmax({f}, axis={axis})",
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
        "mx.linalg.<expm|sqrtm|logm>(0.5 * gram({m}))",
        "mx.linalg.matrix_power(gram({m}), <2|3|-1>)",
        "mx.linalg.lstsq(gram({m}), {m}<|, rcond=0.01>)[0]",
        "mx.linalg.lstsq(mx.concatenate([gram({m}), gram({m})], axis=-2), mx.concatenate([{m}, {m}], axis=-2))[:2]",
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
        "mx.scan(lambda k, x: (mx.random.split(k)[0], x * mx.random.uniform(x.shape, key=k)), {key}, {f})[1]",
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
    ),
    "selection": (
        "{a}[mx.array({mask})]",
        "mx.extract({k}, {k}, size=<3|50>)",
        "mx.extract({a} > {s}, {a}, size=<3|50>)",
        "mx.compress({a}.flatten() > {s}, {a}.flatten(), size=4, fill_value=2)",
        "mx.compress(mx.array({mask}), {a}, axis=0, size=<1|4>)",
        "mx.flatnonzero({a} > {s}, size=5)",
        "mx.nonzero({a}, size=<2|9>, fill_value=-1)",
        "mx.argwhere({a} > {s}, size=<2|9>)",
        "{a}[mx.nonzero({a} > {s}, size=7)]",
        "mx.repeat({a}.flatten(), ({a}.flatten() > {s}).astype(mx.int32), 0, 6)",
        "mx.repeat({a}, mx.abs({i}).flatten()[0] % 3, 0, total_repeat_length=5)",
        "mx.unique({a}, size=4, return_counts=True, return_inverse=True)",
        "mx.unique_all({a}, size=<3|9>)",
        "write({a}, lambda w: w.__setitem__(({a} > {s})[0], 1))",
    ),
    "loops": (
        "mx.scan(lambda c, x: (mx.maximum(c, x), c + x), {a}[0], {a}, reverse={flag})",
        "mx.scan(lambda c, x: (x, (c, x)), {a}[0], {a})[1]",
        "mx.fori_loop({bit}, 3, lambda i, c: c ^ i.astype(c.dtype), {i})",
        "mx.fori_loop(0, mx.abs({i}).flatten()[0] % 4, lambda i, c: mx.flip(c, 0), {a}, max_steps=4)",
        "mx.while_loop(lambda c: mx.any(c > 3), lambda c: c // 2, {i}, max_steps=<2|99>)",
        "mx.cond(mx.any({k}), lambda v: mx.sort(v, axis=-1), lambda v: mx.flip(v, -1), {a})",
        "mx.switch(mx.sum({i}) % 4, [mx.negative, mx.square, lambda v: v], {a})",
        "mx.map(lambda r: (mx.max(r), mx.argmin(r)), {a}, batch_size=<None|2>)",
    ),
    "special": (
        "mx.special.<gammaln|digamma|gammasgn|erfc|ndtr|i0e|j0|sinc|factorial>({a})",
        "mx.special.comb(mx.abs({i}) % 9, mx.abs({j}) % 9)",
        "mx.special.<xlogy|xlog1py|rel_entr|kl_div>({a}, {b})",
        "mx.special.<gammainc|gammaincc>(mx.abs({f}) + {t}, mx.abs({g}))",
        "mx.special.betainc(mx.abs({f}) + {t}, {t}, mx.sigmoid({g}))",
        "mx.special.zeta(mx.stop_gradient(mx.abs({f}) + {t}), mx.abs({g}) + {t})",
    ),
    "linalg": (
        "mx.linalg.<cond|matrix_rank|eigvalsh|det>(gram({m}))",
        "mx.linalg.lstsq(gram({m}), {m})",
    ),
    "sort": (
        "mx.<sort|argsort>({a}, axis={axis})",
        "mx.searchsorted(mx.sort(mx.flatten({a})), {b}, side='<left|right>')",
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
GENERAL = ("shape", "indexing", "scan", "sort", "transforms", "selection", "loops", "sparse")


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


def matrix(x):
    """The array as one matrix, of rows as they are."""
    return mx.reshape(x, (-1, x.shape[-1]))


def csr(x):
    """A sparse matrix of some of the elements of an array, by a pattern of its shape alone."""
    x = matrix(x)
    kept = (np.arange(x.shape[0])[:, None] * 5 + np.arange(x.shape[1]) * 3) % 7 < 3
    rows, columns = np.nonzero(kept)
    starts = np.concatenate([[0], np.cumsum(kept.sum(1))])
    data = x[mx.array(rows.astype(np.int32)), mx.array(columns.astype(np.int32))]
    return sparse.CSR(data, columns.astype(np.int32), starts.astype(np.int32), x.shape)


NAMESPACE = {
    "mx": mx, "sparse": sparse, "einops": einops,
    "write": write, "gram": gram, "heads": heads, "ones": ones, "cut": cut, "matrix": matrix,
    "csr": csr,
}  # fmt: skip
