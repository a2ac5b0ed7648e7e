// Attention of a few rows, as in decoding: bound by reading the keys and values once.
//
// The keys are cut into parts that depend on the shape alone; a task takes the rows of one key head
// through one part, so that one head with a long cache keeps all threads busy. The parts are put
// together at the end. Keys and values are used as they lie where their elements are contiguous.
#pragma once

#include <utility>

#include "backends/cpu/kernels/attention-inl.h"
#include "backends/cpu/scratch.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kFewRows = 8;
constexpr int64_t kPartElements = 1 << 15;  // of keys and values together
constexpr int kLanes = kVectorBytes / 4;    // keys that are scored at a time

// Sums of neighbouring halves of all runs of 2 * half lanes of a and then b.
template <int half, int... I>
OLIVINE_INLINE Lanes add_halves(Lanes a, Lanes b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / half * 2 * half + I % half)...) +
         __builtin_shufflevector(a, b, (I / half * 2 * half + half + I % half)...);
}
// Lane i of the result is the sum of the lanes of v[i].
template <int half = kLanes / 2>
OLIVINE_INLINE Lanes sums_of(Lanes* v) {
  if constexpr (half == 0) {
    return v[0];
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      v[i] = add_halves<half>(v[2 * i], v[2 * i + 1], std::make_integer_sequence<int, kLanes>{});
    }
    return sums_of<half / 2>(v);
  }
}

// What is fetched while a group is in use, because the hardware alone reads half as fast: the next
// group, by each of the rows in turn, so that fetching never holds up arithmetic.
struct Ahead {
  const char* next;
  int64_t stride, size;  // bytes of a key and of an element
  int64_t row, rows;
};

// The last `count` lanes; the others become zero.
OLIVINE_INLINE Lanes last_lanes(Lanes v, int64_t count) {
  typename VecOf<int32_t, kLanes>::type lane;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane >= int32_t(kLanes - count) ? v : Lanes{};
}

// scores[j] = q . key j, for kLanes keys of n elements. What is left of n after whole vectors is
// read by a vector that ends at n, so n is a multiple of kLanes or larger than it.
template <class S>
void score_keys(const S* keys, int64_t stride, const float* q, int64_t n, float* scores, Ahead a) {
  Lanes acc[kLanes] = {};
  int64_t turn = a.row;
  const auto fetch = [&](int64_t i) {
    if (i * a.size % 64 == 0 && turn-- == 0) {
      turn = a.rows - 1;
      for (int j = 0; j < kLanes; ++j) __builtin_prefetch(a.next + j * a.stride + i * a.size);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    fetch(i);
    const Lanes x = load_native<float>(q + i);
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      acc[j] = mul_add(x, load_native<float>(keys + j * stride + i), acc[j]);
    }
  }
  if (const int64_t left = n - i; left > 0) {
    fetch(i);
    const Lanes x = last_lanes(load_native<float>(q + n - kLanes), left);
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) {
      const Lanes key = load_native<float>(keys + j * stride + n - kLanes);
      acc[j] = mul_add(x, last_lanes(key, left), acc[j]);
    }
  }
  store_native(scores, sums_of(acc));
}

// out += weights[j] * value j, for `vectors` vectors of columns, the last of them `last` elements
// after the first.
template <class S, int vectors>
void add_columns(const S* values, int64_t stride, int64_t count, const float* weights, float* out,
                 int64_t last, Ahead a) {
  Lanes acc[vectors];
#pragma GCC unroll 8
  for (int c = 0; c < vectors; ++c) acc[c] = load_native<float>(out + c * kLanes);
  int64_t turn = a.row;
  for (int64_t j = 0; j < count; ++j) {
    if (turn-- == 0) {
      turn = a.rows - 1;
      const char* line = a.next + j * a.stride;
      for (int64_t i = 0; i < vectors * kLanes * a.size; i += 64) __builtin_prefetch(line + i);
    }
    const Lanes w = all_lanes<float>(weights[j]);
    const S* value = values + j * stride;
#pragma GCC unroll 8
    for (int c = 0; c < vectors - 1; ++c) {
      acc[c] = mul_add(w, load_native<float>(value + c * kLanes), acc[c]);
    }
    acc[vectors - 1] = mul_add(w, load_native<float>(value + last), acc[vectors - 1]);
  }
#pragma GCC unroll 8
  for (int c = 0; c < vectors; ++c) store_native(out + c * kLanes, acc[c]);
}

template <class S, int most>
void add_some_columns(int64_t vectors, const S* values, int64_t stride, int64_t count,
                      const float* weights, float* out, int64_t last, const Ahead& a) {
  if constexpr (most > 1) {
    if (vectors < most) {
      return add_some_columns<S, most - 1>(vectors, values, stride, count, weights, out, last, a);
    }
  }
  add_columns<S, most>(values, stride, count, weights, out, last, a);
}

// Of n columns, up to 8 vectors at a time. What is left of n after whole vectors is read by a
// vector that ends at n and whose sums lie after those of the whole ones: close_tail() moves them.
template <class S>
void add_values(const S* values, int64_t stride, int64_t count, const float* weights, int64_t n,
                float* out, Ahead a) {
  while (n > 0) {
    const int64_t vectors = smaller(8, (n + kLanes - 1) / kLanes);
    const int64_t last = smaller(vectors * kLanes, n) - kLanes;
    add_some_columns<S, 8>(vectors, values, stride, count, weights, out, last, a);
    values += vectors * kLanes, out += vectors * kLanes, n -= vectors * kLanes;
    a.next += vectors * kLanes * a.size;
  }
}

inline void close_tail(float* sums, int64_t n) {
  const int64_t left = n % kLanes, whole = n - left;
  if (left == 0) return;
  float* tail = sums + whole;
  const Lanes v = load_native<float>(tail);
  float lanes[kLanes];
  store_native(lanes, v);
  for (int64_t i = 0; i < left; ++i) tail[i] = lanes[kLanes - left + i];
  for (int64_t i = left; i < kLanes; ++i) tail[i] = 0;
}

// Scores to exp(score - their maximum), in place; count is a multiple of kLanes.
inline void softmax_terms(float* scores, int64_t count, float* top, float* sum) {
  Lanes m = all_lanes<float>(kLow);
  for (int64_t j = 0; j < count; j += kLanes) {
    const Lanes s = load_native<float>(scores + j);
    m = ((m >= s) | (m != m)) ? m : s;  // NaN wins
  }
  float most = m[0];
  for (int i = 1; i < kLanes; ++i) most = most >= m[i] || most != most ? most : m[i];
  const Lanes base = all_lanes<float>(most == kLow ? 0 : most);
  Lanes total[kLanes] = {};
  for (int64_t j = 0; j < count; j += kLanes) {
    const Lanes e = weight_of(load_native<float>(scores + j) - base);
    store_native(scores + j, e);
    total[0] = total[0] + e;
  }
  *top = most;
  *sum = sums_of(total)[0];
}

// T: of queries, masks and the result; S: of keys and values.
template <class T, class S>
class FewRows {
 public:
  explicit FewRows(const AttentionCall& call)
      : a_(call), d_(padded(call.depth)), dv_(padded(call.value_depth)) {
    const int64_t per_key = larger(1, a_.depth + a_.value_depth);
    part_ = (kPartElements / per_key + kKeysApart - 1) / kKeysApart * kKeysApart;
    part_ =
        larger(kKeysApart, smaller(part_, (a_.keys + kKeysApart - 1) / kKeysApart * kKeysApart));
    parts_ = larger(1, (a_.keys + part_ - 1) / part_);
  }

  void run(T* out, float* lse) const {
    const int64_t units = a_.batches * a_.key_heads, tasks = units * parts_;
    const int64_t elements = a_.keys * (a_.depth + a_.value_depth);
    const bool serial = units == 0 || elements < kPartElements / units;
    ScratchBytes partial(tasks * a_.rows * (dv_ + 2), sizeof(float));
    float* results = static_cast<float*>(partial.data());
    parallel_for(tasks, serial ? tasks : 1, [&](int64_t b, int64_t e) {
      ScratchBytes scratch(a_.rows * (d_ + part_) + kLanes * larger(d_, dv_), sizeof(float));
      for (; b < e; ++b) {
        run_part(b / parts_, b % parts_, static_cast<float*>(scratch.data()),
                 results + b * a_.rows * (dv_ + 2));
      }
    });
    for (int64_t u = 0; u < units; ++u)
      join(u, results + u * parts_ * a_.rows * (dv_ + 2), out, lse);
  }

 private:
  static constexpr int64_t kKeysApart = 64;  // parts have a multiple of that many keys

  // Whether rows of n elements are used as they lie.
  bool is_direct(const Operand& x, int64_t n) const {
    const bool one = sizeof(S) == sizeof(float) || a_.rows == 1;
    return one && n >= kLanes && x.strides[3] == 1;
  }

  // f(rows, stride, n, key, count, ahead) for groups of up to kLanes keys or values, as they lie or
  // packed, then with n padded; `then` is what is read after them. Packed are also groups of fewer
  // keys than `least`.
  template <class F>
  void each_group(const Operand& x, const Rows& all, int64_t n, int64_t least, const Operand& then,
                  float* scratch, F f) const {
    const bool direct = is_direct(x, n);
    const int64_t stride = x.strides[2], size = sizeof(S);
    const S* p = static_cast<const S*>(x.data) + all.offset(x, 0);
    for (int64_t j = 0; j < all.count; j += kLanes, p += kLanes * stride) {
      Rows group = all;
      group.first += j;
      group.count = smaller(kLanes, all.count - j);
      Ahead ahead{reinterpret_cast<const char*>(p + kLanes * stride), stride * size, size, 0,
                  a_.rows};
      if (j + kLanes >= all.count) {
        ahead.next = static_cast<const char*>(then.data) + all.offset(then, 0) * size;
        ahead.stride = then.strides[2] * size;
      }
      if (direct && group.count >= least) {
        f(p, stride, n, j, group.count, ahead);
      } else {
        pack<S>(x, group, n, 1, scratch);
        f(static_cast<const float*>(scratch), padded(n), padded(n), j, group.count, ahead);
      }
    }
  }

  // For each row: the weighted sum of values, the maximum and the sum of weights.
  void run_part(int64_t unit, int64_t part, float* scratch, float* result) const {
    const int64_t first = part * part_, rows = a_.rows;
    int64_t end = first;
    for (int64_t r = 0; r < rows; ++r) end = larger(end, smaller(a_.visible(r), first + part_));
    const Rows queries = a_.query_rows(unit, 0, rows), keys = a_.key_rows(unit, first, end - first);
    float* q = scratch;
    float* scores = q + rows * d_;
    float* group = scores + rows * part_;
    pack<T>(a_.q, queries, a_.depth, float(a_.params.scale), q);
    each_group(a_.k, keys, a_.depth, kLanes, a_.v, group,
               [&](auto* x, int64_t stride, int64_t n, int64_t j, int64_t, Ahead ahead) {
                 for (; ahead.row < rows; ++ahead.row) {
                   const float* row = q + ahead.row * d_;
                   float* to = scores + ahead.row * part_ + j;
                   score_keys(x, stride, row, n, to, ahead);
                 }
               });
    for (int64_t r = 0; r < rows; ++r) {
      float* s = scores + r * part_;
      if (a_.params.has_mask) a_.apply_mask<T>(queries, r, first, keys.count, s, 1);
      const int64_t seen = larger(0, smaller(a_.visible(r) - first, keys.count));
      fill(s + seen, padded(keys.count) - seen, kLow);
      float* o = result + r * (dv_ + 2);
      softmax_terms(s, padded(keys.count), o + dv_, o + dv_ + 1);
      fill(o, dv_, 0.f);
    }
    each_group(a_.v, keys, a_.value_depth, 1, a_.v, group,
               [&](auto* x, int64_t stride, int64_t n, int64_t j, int64_t count, Ahead ahead) {
                 for (; ahead.row < rows; ++ahead.row) {
                   const float* weights = scores + ahead.row * part_ + j;
                   float* to = result + ahead.row * (dv_ + 2);
                   add_values(x, stride, count, weights, n, to, ahead);
                 }
               });
    if (!is_direct(a_.v, a_.value_depth)) return;
    for (int64_t r = 0; r < rows; ++r) close_tail(result + r * (dv_ + 2), a_.value_depth);
  }

  // The parts of a key head, each scaled to the maximum of all, and the sinks.
  void join(int64_t unit, float* results, T* out, float* lse) const {
    const int64_t width = dv_ + 2;
    const Rows queries = a_.query_rows(unit, 0, a_.rows);
    for (int64_t r = 0; r < a_.rows; ++r) {
      const float sink = a_.sink<T>(queries, r);
      float* o = results + r * width;
      float top = sink;
      for (int64_t p = 0; p < parts_; ++p) {
        const float m = o[p * a_.rows * width + dv_];
        top = top >= m || top != top ? top : m;
      }
      const float base = top == kLow ? 0 : top;
      const auto scale_of = [&](float m) { return weight_of(all_lanes<float>(m - base))[0]; };
      float sum = sink == kLow ? 0 : scale_of(sink);
      for (int64_t p = 0; p < parts_; ++p) {
        const float* x = o + p * a_.rows * width;
        const float scale = scale_of(x[dv_]);
        sum += scale * x[dv_ + 1];
        for (int64_t i = 0; i < dv_; ++i) o[i] = (p == 0 ? 0 : o[i]) + scale * x[i];
      }
      const float factor = sum == 0 ? 0 : 1 / sum;
      for (int64_t i = 0; i < dv_; ++i) o[i] *= factor;
      const int64_t at = unit * a_.rows + r;
      lse[at] = top == kLow ? kLow : top + __builtin_logf(sum);
      unpack(o, 1, a_.value_depth, out + at * a_.value_depth);
    }
  }

  const AttentionCall& a_;
  const int64_t d_, dv_;
  int64_t part_, parts_;  // keys of a part, parts
};

// out and the logsumexp of at most kFewRows rows per key head.
template <class T>
void attend_few(const AttentionCall& call, T* out, float* lse) {
  with_stored<T>(call.stored, [&](auto kind) { FewRows<T, decltype(kind)>(call).run(out, lse); });
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
