// Sorting and searching: records with their derivatives, checks and public functions.
//
// Sorting moves elements, so its derivative moves tangents by the same indices: those of argsort
// and argpartition, whose kernels agree with sort and partition on every element's place.
#include "olivine/ops/sort.h"

#include <limits>

#include "core/checks.h"
#include "core/error.h"
#include "core/known.h"
#include "core/node.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/selection.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/sort_params.h"

namespace olivine {

namespace {

using Specs = std::vector<OutSpec>;

const SortParams& params_of(const ParamsRef& p) { return p.as<SortParams>(); }

Specs infer_values(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}
Specs infer_indices(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), uint32}};
}

array sort_node(const Op& op, const array& a, const SortParams& p) {
  return emit(op, make_params(p), std::span(&a, 1))[0];
}

VmapResult vmap_sort(const VmapCall& c) {
  SortParams p = params_of(c.params);
  ++p.axis;
  return {{sort_node(c.op, batch_first(c, 0), p)}, {0}};
}

MaybeArrays no_vjp(const VjpCall&) { return MaybeArrays(1); }
MaybeArrays no_jvp(const JvpCall&) { return MaybeArrays(1); }

void check_sort(const CheckCall& c) {
  expect_inputs(c, 1);
  const SortParams& p = params_of(c.params);
  expect_axis(c, p.axis, c.in[0].ndim());
  int64_t n = c.in[0].shape()[p.axis];
  require(c, n <= std::numeric_limits<uint32_t>::max(), "an axis of less than 2^32 elements");
  require(c, p.kth == 0 || (p.kth > 0 && p.kth < n), "kth within the axis");
}

Op index_op(const char* name) {
  return Op{.name = name,
            .infer = infer_indices,
            .vjp = no_vjp,
            .jvp = no_jvp,
            .vmap = vmap_sort,
            .params = &params_type<SortParams>,
            .check = check_sort,
            .any_size = true};
}
const Op argsort_op = index_op("argsort");
const Op argpartition_op = index_op("argpartition");

template <const Op& kIndices>
MaybeArrays vjp_moved(const VjpCall& c) {
  const SortParams& p = params_of(c.params);
  array at = sort_node(kIndices, c.in[0], p);
  return {put_along_axis(zeros_like(c.ct[0]), at, c.ct[0], p.axis)};
}
template <const Op& kIndices>
MaybeArrays jvp_moved(const JvpCall& c) {
  const SortParams& p = params_of(c.params);
  return {take_along_axis(*c.tangent[0], sort_node(kIndices, c.in[0], p), p.axis)};
}
template <const Op& kIndices>
Op value_op(const char* name) {
  return Op{.name = name,
            .infer = infer_values,
            .vjp = vjp_moved<kIndices>,
            .jvp = jvp_moved<kIndices>,
            .vmap = vmap_sort,
            .params = &params_type<SortParams>,
            .check = check_sort,
            .any_size = true};
}
const Op sort_op = value_op<argsort_op>("sort");
const Op partition_op = value_op<argpartition_op>("partition");

const Op searchsorted_op{.name = "searchsorted",
                         .key = KernelKey::last_input,
                         .infer =
                             [](const ParamsRef&, std::span<const array> in) {
                               return Specs{{in[1].shape(), uint32}};
                             },
                         .vjp = [](const VjpCall&) { return MaybeArrays(2); },
                         .jvp = no_jvp,
                         .vmap = vmap_per_element,
                         .params = &params_type<SearchParams>,
                         .check =
                             [](const CheckCall& c) {
                               expect_inputs(c, 2);
                               expect_ndim(c, 0, 1, 1);
                               expect_one_dtype(c, 0, 2);
                               require(c, c.in[0].size() < std::numeric_limits<uint32_t>::max(),
                                       "less than 2^32 - 1 elements");
                             },
                         .any_size = true};

// The op over one axis, or over the flattened array; `op_name` stands in errors.
array sorted(const Op& op, const array& a, std::optional<int> axis, StreamOrDevice s) {
  if (!axis) return sorted(op, reshape(a, {a.size()}, s), 0, s);
  int at = normalize_axis(*axis, a.ndim(), op.name);
  if (a.shape()[at] > std::numeric_limits<uint32_t>::max()) {
    fail("[", op.name, "] expected an axis of less than 2^32 elements; got shape ", a.shape());
  }
  return make_node(op, make_params(SortParams{at}), {a}, a.shape(),
                   &op == &argsort_op ? uint32 : a.dtype(), s);
}

array partitioned(const Op& op, const array& a, int kth, std::optional<int> axis,
                  StreamOrDevice s) {
  if (!axis) return partitioned(op, reshape(a, {a.size()}, s), kth, 0, s);
  int at = normalize_axis(*axis, a.ndim(), op.name);
  int64_t n = a.shape()[at], k = kth < 0 ? kth + n : kth;
  if (k < 0 || k >= n || n > std::numeric_limits<uint32_t>::max()) {
    fail("[", op.name, "] expected kth in [", -n, ", ", n, ") along axis ", at, "; got ", kth);
  }
  return make_node(op, make_params(SortParams{at, k}), {a}, a.shape(),
                   &op == &argpartition_op ? uint32 : a.dtype(), s);
}

// Sorted elements with the number of the group of equal ones that each belongs to.
struct Groups {
  array order;   // argsort of the flattened array
  array first;   // whether an element begins a group
  array number;  // int32, from 0
};

array first_of_equals(const array& sorted, StreamOrDevice s) {
  int64_t n = sorted.size();
  array changes =
      not_equal(slice(sorted, Shape{1}, Shape{n}, s), slice(sorted, Shape{0}, Shape{n - 1}, s), s);
  return concatenate({full({1}, array(true), s), changes}, 0, s);
}

Groups groups_of(const array& flat, StreamOrDevice s) {
  array order = argsort(flat, 0, s);
  array first = first_of_equals(take(flat, order, 0, s), s);
  array number =
      subtract(cumsum(astype(first, int32, s), 0, false, true, std::nullopt, s), array(1), s);
  return {order, first, number};
}

struct UniqueParts {
  bool index, inverse, counts;
};

// `values` at the places `at` of `initial`; places beyond the end are dropped.
array scattered(const array& initial, const array& at, const array& values, bool adds,
                StreamOrDevice s) {
  array spare = concatenate({initial, zeros({1}, initial.dtype(), s)}, 0, s);
  array updates = reshape(values, {values.size(), 1}, s);
  array all = adds ? scatter_add(spare, at, updates, 0, s) : scatter(spare, at, updates, 0, s);
  return slice(all, Shape{0}, Shape{initial.size()}, s);
}

// The distinct elements alone: sorting by value is quicker than by index.
array distinct(const array& flat, StreamOrDevice s) {
  array sorted = sort(flat, 0, s);
  return extract(first_of_equals(sorted, s), sorted, std::nullopt, std::nullopt, s);
}

array fill_for(const std::optional<array>& value, Dtype dtype, StreamOrDevice s) {
  if (value->size() != 1) {
    fail("[unique] expected a fill value of one element; got shape ", value->shape());
  }
  return astype(reshape(*value, Shape{}, s), dtype, s);
}

}  // namespace

array sort(const array& a, std::optional<int> axis, StreamOrDevice s) {
  return sorted(sort_op, a, axis, s);
}

array argsort(const array& a, std::optional<int> axis, StreamOrDevice s) {
  return sorted(argsort_op, a, axis, s);
}

array partition(const array& a, int kth, std::optional<int> axis, StreamOrDevice s) {
  return partitioned(partition_op, a, kth, axis, s);
}

array argpartition(const array& a, int kth, std::optional<int> axis, StreamOrDevice s) {
  return partitioned(argpartition_op, a, kth, axis, s);
}

array topk(const array& a, int k, std::optional<int> axis, StreamOrDevice s) {
  if (!axis) return topk(reshape(a, {a.size()}, s), k, 0, s);
  int at = normalize_axis(*axis, a.ndim(), "topk");
  int64_t n = a.shape()[at];
  if (k < 0 || k > n) {
    fail("[topk] expected k in [0, ", n, "] for shape ", a.shape(), " along axis ", at, "; got ",
         k);
  }
  if (k == n) {
    note_size_read(a, "topk of a whole axis");
    return a;
  }
  Shape start(a.ndim(), 0);
  start[at] = n - k;
  array parted = k == 0 ? a : partition(a, static_cast<int>(n - k), at, s);
  return slice(parted, start, a.shape(), s);
}

array searchsorted(const array& sorted_sequence, const array& values, const std::string& side,
                   StreamOrDevice s) {
  if (sorted_sequence.ndim() != 1) {
    fail("[searchsorted] expected a 1-d sorted sequence; got shape ", sorted_sequence.shape());
  }
  if (side != "left" && side != "right") {
    fail("[searchsorted] expected side 'left' or 'right'; got '", side, "'");
  }
  if (sorted_sequence.size() >= std::numeric_limits<uint32_t>::max()) {
    fail("[searchsorted] expected less than 2^32 - 1 elements; got ", sorted_sequence.size());
  }
  Dtype t = promote_types(sorted_sequence.dtype(), values.dtype());
  return make_node(searchsorted_op, make_params(SearchParams{side == "right"}),
                   {astype(sorted_sequence, t, s), astype(values, t, s)}, values.shape(), uint32,
                   s);
}

namespace {

// An array without elements has none that could stand for missing ones.
std::vector<array> unique_of_nothing(const array& a, int64_t size, const UniqueParts& parts,
                                     const std::optional<array>& fill_value, StreamOrDevice s) {
  if (!fill_value && size > 0) {
    fail("[unique] expected a fill value for an array without elements; got None");
  }
  array fill = fill_value ? fill_for(fill_value, a.dtype(), s) : array(0, a.dtype());
  std::vector<array> out{broadcast_to(fill, {size}, s)};
  if (parts.index) out.push_back(zeros({size}, uint32, s));
  if (parts.inverse) out.push_back(zeros(a.shape(), uint32, s));
  if (parts.counts) out.push_back(zeros({size}, int32, s));
  return out;
}

// The number of groups, which computes them.
int64_t count_of(const Groups& g, StreamOrDevice s) {
  expect_known(g.number, "unique", "size=n");
  array last = take(g.number, -1, 0, s);
  eval({g.order, g.number, last});
  return int64_t{last.item<int32_t>()} + 1;
}

}  // namespace

std::vector<array> unique(const array& a, std::optional<int64_t> size_asked, bool return_index,
                          bool return_inverse, bool return_counts,
                          const std::optional<array>& fill_value, StreamOrDevice s) {
  UniqueParts parts{return_index, return_inverse, return_counts};
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (size_asked && (*size_asked < 0 || *size_asked > kMost)) {
    fail("[unique] expected a size in [0, 2^31); got ", *size_asked);
  }
  if (a.size() > kMost) {
    fail("[unique] expected less than 2^31 elements; got ", a.size());
  }
  if (a.size() == 0) return unique_of_nothing(a, size_asked.value_or(0), parts, fill_value, s);
  array flat = flatten(a, s);
  if (!size_asked && !return_index && !return_inverse && !return_counts) {
    expect_known(flat, "unique", "size=n");
    return {distinct(flat, s)};
  }
  std::vector<array> out;
  Groups g = groups_of(flat, s);
  int64_t size = size_asked ? *size_asked : count_of(g, s);
  array end(size, int32);
  array slot = minimum(g.number, end, s);
  array at_first = where(g.first, slot, end, s);
  array smallest = broadcast_to(take(g.order, 0, 0, s), {size}, s);
  array index = scattered(smallest, at_first, g.order, false, s);
  array values = take(flat, index, 0, s);
  if (fill_value) {
    array count = add(take(g.number, -1, 0, s), array(1), s);
    values = where(less(arange(int64_t{0}, size, int64_t{1}, int32, s), count, s), values,
                   fill_for(fill_value, a.dtype(), s), s);
  }
  out.push_back(values);
  if (return_index) out.push_back(index);
  if (return_inverse) {
    array clipped =
        astype(minimum(g.number, array(std::max<int64_t>(size - 1, 0), int32), s), uint32, s);
    array moved = scattered(zeros({flat.size()}, uint32, s), g.order, clipped, false, s);
    out.push_back(reshape(moved, a.shape(), s));
  }
  if (return_counts) {
    array ones_each = full({flat.size()}, array(1), s);
    out.push_back(scattered(zeros({size}, int32, s), slot, ones_each, true, s));
  }
  return out;
}

std::vector<array> unique_all(const array& x, std::optional<int64_t> size,
                              const std::optional<array>& fill_value, StreamOrDevice s) {
  std::vector<array> out = unique(x, size, true, true, true, fill_value, s);
  for (array& part : std::span(out).subspan(1)) part = astype(part, int32, s);
  return out;
}
std::vector<array> unique_counts(const array& x, std::optional<int64_t> size,
                                 const std::optional<array>& fill_value, StreamOrDevice s) {
  return unique(x, size, false, false, true, fill_value, s);
}
std::vector<array> unique_inverse(const array& x, std::optional<int64_t> size,
                                  const std::optional<array>& fill_value, StreamOrDevice s) {
  std::vector<array> out = unique(x, size, false, true, false, fill_value, s);
  out[1] = astype(out[1], int32, s);
  return out;
}
array unique_values(const array& x, std::optional<int64_t> size,
                    const std::optional<array>& fill_value, StreamOrDevice s) {
  return unique(x, size, false, false, false, fill_value, s)[0];
}

}  // namespace olivine
