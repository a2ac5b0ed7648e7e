// Selecting by conditions: records of nonzero, compress and expand, and the public functions.
//
// compress reads the elements under a mask and expand puts elements back under it, zeros elsewhere:
// each is the other's transpose. The number of results is a parameter, so shapes are static; the
// public functions count first where no size is given.
#include "olivine/ops/selection.h"

#include <algorithm>
#include <limits>

#include "core/checks.h"
#include "core/error.h"
#include "core/known.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "ops/batching.h"
#include "ops/selection_params.h"

namespace olivine {

namespace {

using Specs = std::vector<OutSpec>;
constexpr int64_t kMaxNarrow = std::numeric_limits<int32_t>::max();

template <class P>
array emit_one(const Op& op, const P& params, std::initializer_list<array> in) {
  return emit(op, make_params(params), std::span<const array>(in.begin(), in.size()))[0];
}
// The first `count` sizes, then others.
Shape leading(const Shape& shape, int count, std::span<const int64_t> then) {
  Shape out(shape.begin(), shape.begin() + count);
  for (int64_t d : then) out.push_back(d);
  return out;
}
std::span<const int64_t> trailing(const Shape& shape, size_t from) {
  return std::span<const int64_t>(shape).subspan(from);
}

// A mask of bools with an axis to count along.
void check_mask(const CheckCall& c, size_t input, int batch) {
  expect_dtype(c, input, bool_);
  if (batch < 0 || batch >= c.in[input].ndim()) {
    reject(c, "expected fewer batch axes than those of ", c.in[input].shape(), "; got ", batch);
  }
}
void check_size(const CheckCall& c, int64_t size) {
  if (size < 0) reject(c, "expected a size >= 0; got ", size);
}
MaybeArrays no_vjp(const VjpCall& c) { return MaybeArrays(c.in.size()); }
MaybeArrays no_jvp(const JvpCall&) { return MaybeArrays(1); }

// ---- nonzero: (batch, axes of the mask, size) of positions

const Op nonzero_op{
    .name = "nonzero",
    .infer =
        [](const ParamsRef& params, std::span<const array> in) {
          const auto& p = params.as<NonzeroParams>();
          int64_t ends[] = {in[0].ndim() - p.batch, p.size};
          return Specs{{leading(in[0].shape(), p.batch, ends), p.wide ? int64 : int32}};
        },
    .vjp = no_vjp,
    .jvp = no_jvp,
    .vmap =
        [](const VmapCall& c) {
          NonzeroParams p = c.params.as<NonzeroParams>();
          ++p.batch;
          return VmapResult{{emit_one(c.op, p, {batch_first(c, 0)})}, {0}};
        },
    .params = &params_type<NonzeroParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 1);
          const auto& p = c.params.as<NonzeroParams>();
          check_mask(c, 0, p.batch);
          check_size(c, p.size);
          if (p.wide) return;
          require(c, p.fill == static_cast<int32_t>(p.fill), "a fill value of 32 bits");
          for (int64_t d : trailing(c.in[0].shape(), static_cast<size_t>(p.batch))) {
            require(c, d <= kMaxNarrow, "axes of less than 2^31 elements");
          }
        },
    .any_size = true};

// ---- compress: (batch, size, rest) of (batch, mask, rest)

extern const Op expand_op;

const Op compress_op{
    .name = "compress",
    .infer =
        [](const ParamsRef& params, std::span<const array> in) {
          const auto& p = params.as<CompressParams>();
          Shape shape = leading(in[0].shape(), p.batch, std::span(&p.size, 1));
          for (int64_t d : trailing(in[0].shape(), in[1].shape().size())) shape.push_back(d);
          return Specs{{shape, in[0].dtype()}};
        },
    .vjp =
        [](const VjpCall& c) {
          MaybeArrays out(2);
          ExpandParams p{c.params.as<CompressParams>().batch};
          if (c.wanted[0]) out[0] = emit_one(expand_op, p, {c.ct[0], c.in[1]});
          return out;
        },
    .jvp =
        [](const JvpCall& c) {
          if (!c.tangent[0]) return MaybeArrays(1);
          const auto& p = c.params.as<CompressParams>();
          return MaybeArrays{emit_one(c.op, p, {*c.tangent[0], c.in[1]})};
        },
    .vmap =
        [](const VmapCall& c) {
          CompressParams p = c.params.as<CompressParams>();
          ++p.batch;
          return VmapResult{{emit_one(c.op, p, {batch_first(c, 0), batch_first(c, 1)})}, {0}};
        },
    .params = &params_type<CompressParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 2);
          const auto& p = c.params.as<CompressParams>();
          check_mask(c, 1, p.batch);
          check_size(c, p.size);
          const Shape &in = c.in[0].shape(), &mask = c.in[1].shape();
          require(c, in.size() >= mask.size() && std::equal(mask.begin(), mask.end(), in.begin()),
                  "a mask of the shape of the leading axes");
        },
    .any_size = true};

// ---- expand: (batch, mask, rest) of (batch, size, rest)

const Op expand_op{
    .name = "expand",
    .infer =
        [](const ParamsRef& params, std::span<const array> in) {
          const Shape& mask = in[1].shape();
          auto from = static_cast<size_t>(params.as<ExpandParams>().batch) + 1;
          auto rest = trailing(in[0].shape(), from);
          return Specs{{leading(mask, static_cast<int>(mask.size()), rest), in[0].dtype()}};
        },
    .vjp =
        [](const VjpCall& c) {
          MaybeArrays out(2);
          int batch = c.params.as<ExpandParams>().batch;
          CompressParams p{batch, c.in[0].shape()[batch]};
          if (c.wanted[0]) out[0] = emit_one(compress_op, p, {c.ct[0], c.in[1]});
          return out;
        },
    .jvp =
        [](const JvpCall& c) {
          if (!c.tangent[0]) return MaybeArrays(1);
          const auto& p = c.params.as<ExpandParams>();
          return MaybeArrays{emit_one(c.op, p, {*c.tangent[0], c.in[1]})};
        },
    .vmap =
        [](const VmapCall& c) {
          ExpandParams p = c.params.as<ExpandParams>();
          ++p.batch;
          return VmapResult{{emit_one(c.op, p, {batch_first(c, 0), batch_first(c, 1)})}, {0}};
        },
    .params = &params_type<ExpandParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 2);
          int batch = c.params.as<ExpandParams>().batch;
          check_mask(c, 1, batch);
          const Shape &in = c.in[0].shape(), &mask = c.in[1].shape();
          require(c,
                  static_cast<int>(in.size()) > batch &&
                      std::equal(in.begin(), in.begin() + batch, mask.begin()),
                  "values of the batch axes of the mask, then one more");
        },
    .any_size = true};

// ---- What the public functions share

array truth(const array& a, StreamOrDevice s) {
  return a.dtype() == bool_ ? a : not_equal(a, array(0, a.dtype()), s);
}
array hits_of(const array& mask, StreamOrDevice s) {
  return sum(astype(mask, int64, s), Axes(), false, s);
}
// The size asked for, or the number of hits.
int64_t size_for(const array& mask, const std::optional<int64_t>& size, const char* op,
                 StreamOrDevice s) {
  if (size && *size < 0) fail("[", op, "] expected a size >= 0; got ", *size);
  if (size) return *size;
  expect_known(mask, op, "size=n");
  array hits = hits_of(mask, s);
  eval({mask, hits});
  return hits.item<int64_t>();
}

// The positions as (axes, size).
array positions(const array& a, const std::optional<int64_t>& size, int64_t fill, const char* op,
                StreamOrDevice s) {
  if (a.ndim() == 0) fail("[", op, "] expected an array of at least one axis; got a scalar");
  array mask = truth(a, s);
  int64_t n = size_for(mask, size, op, s);
  bool wide = fill != static_cast<int32_t>(fill);
  for (int64_t d : a.shape()) wide |= d > kMaxNarrow;
  return make_node(nonzero_op, make_params(NonzeroParams{0, n, fill, wide}), {mask},
                   {int64_t(a.ndim()), n}, wide ? int64 : int32, s);
}

// The elements under a mask whose first `batch` axes all have the hits of `condition`.
array compressed(const array& a, const array& mask, const array& condition, int batch,
                 const std::optional<int64_t>& size, const std::optional<array>& fill,
                 const char* op, StreamOrDevice s) {
  if (fill && fill->size() != 1) {
    fail("[", op, "] expected a fill value of one element; got shape ", fill->shape());
  }
  int64_t n = size_for(condition, size, op, s);
  Shape shape = leading(a.shape(), batch, std::span(&n, 1));
  Shape along(shape.size(), 1);
  along.back() = n;
  for (int64_t d : trailing(a.shape(), mask.shape().size())) {
    shape.push_back(d);
    along.push_back(1);
  }
  array out =
      make_node(compress_op, make_params(CompressParams{batch, n}), {a, mask}, shape, a.dtype(), s);
  if (!size || !fill) return out;
  array found = less(arange(int64_t{0}, n, int64_t{1}, int64, s), hits_of(condition, s), s);
  return where(reshape(found, along, s), out, astype(reshape(*fill, Shape{}, s), a.dtype(), s), s);
}

// ---- repeat

// How long the result is, which computes the numbers.
int64_t total_of(const array& repeats, StreamOrDevice s) {
  expect_known(repeats, "repeat", "total_repeat_length=n");
  array least = min(repeats, s), total = sum(repeats, s);
  eval({repeats, least, total});
  if (least.item<int64_t>() < 0) {
    fail("[repeat] expected repeats >= 0; got ", least.item<int64_t>());
  }
  return total.item<int64_t>();
}

// For each of `total` places the element that stands there: the number of runs that ended before,
// so that places past the end have the last element.
array repeated_indices(const array& repeats, int64_t total, StreamOrDevice s) {
  int64_t n = repeats.size();
  array ends = cumsum(maximum(repeats, array(0, int64), s), 0, false, true, std::nullopt, s);
  array at = minimum(slice(ends, Shape{0}, Shape{n - 1}, s), array(total, int64), s);
  array ended = scatter_add(zeros({total + 1}, int32, s), at, ones({n - 1, 1}, int32, s), 0, s);
  return slice(cumsum(ended, 0, false, true, std::nullopt, s), Shape{0}, Shape{total}, s);
}

}  // namespace

std::vector<array> nonzero(const array& a, std::optional<int64_t> size, int64_t fill_value,
                           StreamOrDevice s) {
  array all = positions(a, size, fill_value, "nonzero", s);
  std::vector<array> out;
  for (int i = 0; i < a.ndim(); ++i) out.push_back(take(all, i, 0, s));
  return out;
}

array flatnonzero(const array& a, std::optional<int64_t> size, int64_t fill_value,
                  StreamOrDevice s) {
  return take(positions(flatten(a, s), size, fill_value, "flatnonzero", s), 0, 0, s);
}

array argwhere(const array& a, std::optional<int64_t> size, int64_t fill_value, StreamOrDevice s) {
  return transpose(positions(a, size, fill_value, "argwhere", s), s);
}

array extract(const array& condition, const array& a, std::optional<int64_t> size,
              const std::optional<array>& fill_value, StreamOrDevice s) {
  const Shape &c = condition.shape(), &shape = a.shape();
  bool fits =
      !c.empty() && c.size() <= shape.size() && std::equal(c.begin(), c.end(), shape.begin());
  if (!fits) {
    fail("[extract] expected a condition of the shape of the leading axes of ", shape, "; got ", c);
  }
  array mask = truth(condition, s);
  return compressed(a, mask, mask, 0, size, fill_value, "extract", s);
}

array compress(const array& condition, const array& a, std::optional<int> axis,
               std::optional<int64_t> size, const std::optional<array>& fill_value,
               StreamOrDevice s) {
  if (!axis) return compress(condition, flatten(a, s), 0, size, fill_value, s);
  int at = normalize_axis(*axis, a.ndim(), "compress");
  if (condition.ndim() != 1 || condition.size() > a.shape()[at]) {
    fail("[compress] expected a 1-d condition of at most ", a.shape()[at], " elements; got shape ",
         condition.shape());
  }
  Shape stop = a.shape();
  stop[at] = condition.size();
  note_size_read(a, "a condition as long as an axis");
  array read = stop == a.shape() ? a : slice(a, Shape(stop.size(), 0), stop, s);
  array known = truth(condition, s);
  // One pattern for every position of the axes before.
  array mask = broadcast_to(known, leading(stop, at, std::span(&stop[at], 1)), s);
  return compressed(read, mask, known, at, size, fill_value, "compress", s);
}

array repeat(const array& a, const array& repeats, std::optional<int> axis,
             std::optional<int64_t> total_repeat_length, StreamOrDevice s) {
  if (!axis) return repeat(flatten(a, s), repeats, 0, total_repeat_length, s);
  int ax = normalize_axis(*axis, a.ndim(), "repeat");
  int64_t n = a.shape()[ax];
  bool whole = is_integer(repeats.dtype()) || repeats.dtype() == bool_;
  if (!whole || repeats.ndim() > 1 || (repeats.size() != 1 && repeats.size() != n)) {
    fail<TypeError>("[repeat] expected an integer or ", n, " of them for repeats; got ",
                    repeats.dtype(), " of shape ", repeats.shape());
  }
  if (repeats.size() == n) note_size_read(a, "a repeat for each position of an axis");
  bool one = repeats.ndim() == 0 && !total_repeat_length && !awaits_input(repeats);
  if (one) {
    auto count = repeats.item<int64_t>();
    if (count > kMaxNarrow) fail("[repeat] expected repeats below 2^31; got ", count);
    return repeat(a, static_cast<int>(std::max<int64_t>(count, -1)), ax, s);
  }
  if (total_repeat_length && *total_repeat_length < 0) {
    fail("[repeat] expected total_repeat_length >= 0; got ", *total_repeat_length);
  }
  array each = broadcast_to(astype(flatten(repeats, s), int64, s), {n}, s);
  if (n > std::numeric_limits<int32_t>::max() || (n == 0 && total_repeat_length.value_or(0) > 0)) {
    fail("[repeat] expected an axis of 1 to 2^31 - 1 elements; got ", n);
  }
  if (n == 0) return a;
  int64_t total = total_repeat_length ? *total_repeat_length : total_of(each, s);
  return take(a, repeated_indices(each, total, s), ax, s);
}

}  // namespace olivine
