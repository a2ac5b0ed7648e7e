// Fourier transforms of lines in memory, by the method of a plan.
//
// A split line x of first * second values is a matrix. Its columns are transformed, multiplied by
// roots of unity, and written transposed in blocks, so that the rows are columns of the next step.
#pragma once

#include "backends/cpu/kernels/fft_blocks-inl.h"
#include "backends/cpu/kernels/fft_together-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// From this length on, threads share a line instead of taking one each.
constexpr int64_t kSharedLine = 1 << 16;
// Many lines of at most this length are transformed one per lane, even where they lie in a row.
constexpr int64_t kShortLine = 128;

// Elements of T that a line, or a block of them, needs as scratch.
template <class T>
int64_t work_size(const FftPlan<T>& p) {
  const int64_t whole = 2 * block_size<T>(p.whole.n);
  if (p.method == FftMethod::columns) return whole;
  if (p.method == FftMethod::chirp) return 2 * p.inner->n + work_size(*p.inner);
  const int64_t longer = larger(larger(p.first.n, p.second.n), p.rest.n);
  const int64_t nested = p.nested_roots ? block_size<T>(p.n + p.first.n + 2 * longer) : 0;
  return larger(larger(whole, nested), block_size<T>(p.second.n) * parts(p.first.n, kFftLanes<T>) +
                                           2 * block_size<T>(longer));
}

// Columns [block * lanes, …) of a split line, into the blocks of its rows at `rows`.
// root_of(k): roots for the lanes of element k of the columns.
template <class T, class F>
OLIVINE_INLINE void split_columns(const LineTask<T>& task, const T* in, int64_t block, T* rows,
                                  T* work, F root_of) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const int64_t count = smaller(lanes, second - block * lanes);
  const T* done = nullptr;
  const T* from = in + 2 * block * lanes;
  T* other = work + block_size<T>(first);
  if (count == lanes) {
    with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
      done = transform_columns(p.first, ColumnSource<T, kSwap>{from, second}, work, other);
    });
  } else {
    load_columns(from, second, first, count, task.swap, work);
    done = transform_columns(p.first, work, other);
  }
  for (int64_t k = 0; k < first; k += lanes) {
    const int64_t valid = smaller(lanes, first - k);
    Native<T> re[lanes], im[lanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < lanes; ++i) {
      Pair<T> x{};
      if (i < valid) {
        x = product(load_pair(done + (k + i) * 2 * lanes), root_of(k + i));
      }
      re[i] = x.re;
      im[i] = x.im;
    }
    transpose<T>(re);
    transpose<T>(im);
    T* to = rows + (k / lanes * second + block * lanes) * 2 * lanes;
    if (count == lanes) {
#pragma GCC unroll 16
      for (int64_t l = 0; l < lanes; ++l) store_pair<T>(to + l * 2 * lanes, {re[l], im[l]});
    } else {
      for (int64_t l = 0; l < count; ++l) store_pair<T>(to + l * 2 * lanes, {re[l], im[l]});
    }
  }
}

template <class T>
void split_columns(const LineTask<T>& task, const T* in, int64_t block, T* rows, T* work) {
  constexpr int64_t element = 2 * kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t at = block * p.first.n;
  if (p.split_roots) {
    return split_columns(task, in, block, rows, work,
                         [&](int64_t k) { return load_pair(p.split_roots + (at + k) * element); });
  }
  split_columns(task, in, block, rows, work, [&](int64_t k) {
    return product(load_pair(p.lane_roots + k * element), p.block_roots + 2 * (at + k));
  });
}

template <class T>
void split_rows(const LineTask<T>& task, T* rows, int64_t group, T* out, T* work) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const int64_t count = smaller(lanes, first - group * lanes);
  T *in = rows + block_size<T>(second) * group, *to = out + 2 * group * lanes;
  if (count < lanes) {
    const T* done = transform_columns(p.second, in, work);
    return store_columns(done, second, count, task.swap, task.scale, to, first);
  }
  with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
    transform_columns(p.second, BlockSource<T>{in}, work, in,
                      ColumnSink<T, kSwap>{to, first, task.scale});
  });
}

// `in` may be `out`.
template <class T>
void split_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t blocks = parts(p.second.n, lanes), groups = parts(p.first.n, lanes);
  T* rest = work + block_size<T>(p.second.n) * groups;
  if (p.n < kSharedLine) {
    for (int64_t b = 0; b < blocks; ++b) split_columns(task, in, b, work, rest);
    for (int64_t g = 0; g < groups; ++g) split_rows(task, work, g, out, rest);
    return;
  }
  const int64_t longer = 2 * block_size<T>(larger(p.first.n, p.second.n));
  ScratchMeter::parallel(blocks, parts(blocks, 64), [&](int64_t begin, int64_t end) {
    ScratchBytes own(longer, sizeof(T));
    if (ScratchMeter::is_on()) return;
    for (; begin < end; ++begin) {
      split_columns(task, in, begin, work, static_cast<T*>(own.data()));
    }
  });
  ScratchMeter::parallel(groups, parts(groups, 64), [&](int64_t begin, int64_t end) {
    ScratchBytes own(longer, sizeof(T));
    if (ScratchMeter::is_on()) return;
    for (; begin < end; ++begin) split_rows(task, work, begin, out, static_cast<T*>(own.data()));
  });
}

// out = scale * x * w, elementwise, re and im swapped before or after.
template <class T>
void multiply_complex(const T* x, bool swap_in, const T* w, T scale, bool swap_out, int64_t n,
                      T* out) {
  constexpr int64_t lanes = kFftLanes<T>;
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t count = smaller(lanes, n - i);
    const Pair<T> a = swapped(load_complex(x + 2 * i, count), swap_in);
    const Pair<T> y = scaled(product(a, load_complex(w + 2 * i, count)), scale);
    store_complex(out + 2 * i, swapped(y, swap_out), count);
  }
}

template <class T>
void transform_line(const LineTask<T>& task, const T* in, T* out, T* work);

template <class T>
void chirp_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  const FftPlan<T>& p = task.plan;
  const int64_t m = p.inner->n;
  T* rest = work + 2 * m;
  multiply_complex(in, task.swap, p.chirp, T(1), false, p.n, work);
  fill(work + 2 * p.n, 2 * (m - p.n), T(0));
  transform_line<T>({*p.inner, false, T(1)}, work, work, rest);
  multiply_complex(work, false, p.filter, T(1), false, m, work);
  transform_line<T>({*p.inner, true, T(1)}, work, work, rest);
  multiply_complex(work, false, p.chirp, task.scale, task.swap, p.n, out);
}

// The lines from element j on, every `by` elements.
template <class T>
LaneLines<T> every(LaneLines<T> lines, int64_t j, int64_t by) {
  for (int64_t l = 0; l < lines.count; ++l) lines.line[l] += 2 * j * lines.step;
  lines.step *= by;
  return lines;
}

// By the split of the plan: passes over a whole block would go through the L2 cache, those over a
// column or a row of its matrix stay in the L1 cache.
template <class T>
void transform_nested(const LineTask<T>& task, const LaneLines<T>& in, const LaneLines<T>& out,
                      T* work) {
  constexpr int64_t element = 2 * kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const int64_t row = (second + 1) * element;  // one more: rows begin in different sets of a cache
  const bool whole = in.count == kFftLanes<T> && in.adjacent() && out.adjacent();
  T *a = work + first * row, *b = a + element * larger(first, second);
  for (int64_t j = 0; j < second; ++j) {
    const RootSink<T> to{work + j * element, row, p.nested_roots + 2 * j * first};
    if (!whole) {
      load_block(every(in, j, second), first, task.swap, a);
      transform_columns(p.first, BlockSource<T>{a}, b, a, to);
      continue;
    }
    with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
      const T* from = in.line[0] + 2 * j * in.step;
      transform_columns(p.first, ColumnSource<T, kSwap>{from, in.step * second}, a, b, to);
    });
  }
  for (int64_t k = 0; k < first; ++k) {
    T* from = work + k * row;
    if (!whole) {
      const T* done = transform_columns(p.second, from, a);
      store_block(done, second, task.swap, task.scale, every(out, k, first));
      continue;
    }
    with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
      T* to = out.line[0] + 2 * k * out.step;
      transform_columns(p.second, BlockSource<T>{from}, a, b,
                        ColumnSink<T, kSwap>{to, out.step * first, task.scale});
    });
  }
}

template <class T>
void transform_block(const LineTask<T>& task, const LaneLines<T>& in, const LaneLines<T>& out,
                     T* work) {
  const int64_t n = task.plan.n;
  if (task.plan.nested_roots && in.step > 1 && out.step > 1) {
    return transform_nested(task, in, out, work);
  }
  T* other = work + block_size<T>(n);
  if (in.count == kFftLanes<T> && in.adjacent() && out.adjacent()) {
    return with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
      transform_columns(task.plan.whole, ColumnSource<T, kSwap>{in.line[0], in.step}, work, other,
                        ColumnSink<T, kSwap>{out.line[0], out.step, task.scale});
    });
  }
  load_block(in, n, task.swap, work);
  const T* done = transform_columns(task.plan.whole, work, other);
  store_block(done, n, task.swap, task.scale, out);
}

template <class T>
void transform_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  switch (task.plan.method) {
    case FftMethod::split:
      return split_line(task, in, out, work);
    case FftMethod::chirp:
      return chirp_line(task, in, out, work);
    case FftMethod::columns: {
      const Lines<T> from{const_cast<T*>(in), 1, 1, 0}, to{out, 1, 1, 0};
      transform_block<T>(task, {from, 0, 1}, {to, 0, 1}, work);
    }
  }
}

// ---- Several lines

// Contiguous lines, `lines` of them, that begin so many complex numbers apart. A line of `in` may
// be the same as that of `out`.
template <class T>
void transform_run(const LineTask<T>& task, const T* in, int64_t in_step, T* out, int64_t out_step,
                   int64_t lines, T* work) {
  const FftPlan<T>& p = task.plan;
  for (int64_t l = 0; l < lines;) {
    const int64_t count = smaller(lines - l, p.together);
    if (!takes_together(p, count)) {
      transform_line<T>(task, in + 2 * in_step * l, out + 2 * out_step * l, work);
      ++l;
      continue;
    }
    const auto from = few_lines(in + 2 * in_step * l, in_step, count);
    const auto to = few_lines(out + 2 * out_step * l, out_step, count);
    if (task.swap) {
      transform_together<LineForm<true, true, false, false>>(task, from, to, work);
    } else {
      transform_together<LineForm<false, false, false, false>>(task, from, to, work);
    }
    l += count;
  }
}

// Whether the lines of a block, a lane each, take less time than one after another.
template <class T>
bool prefers_blocks(const FftPlan<T>& p, bool contiguous) {
  if (p.method == FftMethod::columns) return true;
  if (p.whole.n == 0) return false;
  if (!contiguous) return true;
  if (p.rest.n > 0) return 2 * p.rest.n < kFftLanes<T>;  // else a few at a time fill vectors
  if (p.n <= kShortLine) return true;
  constexpr int64_t lanes = kFftLanes<T>;
  const int64_t vectors =
      parts(p.second.n, lanes) * p.first.n + parts(p.first.n, lanes) * p.second.n;
  return p.n <= 1024 && vectors * lanes > 4 * p.n;
}

// The same of this many lines.
template <class T>
bool takes_blocks(const FftPlan<T>& p, bool contiguous, int64_t lines) {
  return prefers_blocks(p, contiguous) &&
         (p.method == FftMethod::columns || lines >= kFftLanes<T> / 2);
}

template <class T>
void copy_lines(const LaneLines<T>& from, int64_t n, const LaneLines<T>& to) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = 0; l < from.count; ++l) {
      copy(from.line[l] + 2 * i * from.step, 2, to.line[l] + 2 * i * to.step);
    }
  }
}

// Takes what a line that threads share takes beyond its work.
template <class T>
void meter_line(const LineTask<T>& task, T* work) {
  const FftPlan<T>& p = task.plan;
  if (p.method == FftMethod::chirp) return meter_line<T>({*p.inner, false, T(1)}, work);
  if (p.method == FftMethod::split && p.n >= kSharedLine) split_line<T>(task, work, work, work);
}

// Lines [begin, end); `in` and `out` may be the same.
template <class T>
void transform_lines(const LineTask<T>& task, const Lines<T>& in, const Lines<T>& out,
                     int64_t begin, int64_t end) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const bool contiguous = in.step == 1 && out.step == 1;
  const bool blocks = takes_blocks(p, contiguous, end - begin);
  const bool moved = !blocks && !contiguous;
  const int64_t size = work_size(p);
  ScratchBytes scratch(size + (moved ? 2 * lanes * p.n : 0), sizeof(T));
  T* work = static_cast<T*>(scratch.data());
  if (ScratchMeter::is_on()) return meter_line(task, work);
  if (!blocks && contiguous) {
    return transform_run(task, in.at(begin), in.outer, out.at(begin), out.outer, end - begin, work);
  }
  const Lines<T> own{work + size, 1, 1, p.n};
  for (; begin < end; begin += lanes) {
    const int64_t count = smaller(lanes, end - begin);
    const LaneLines<T> from(in, begin, count), to(out, begin, count), held(own, 0, count);
    if (blocks) {
      transform_block(task, from, to, work);
      continue;
    }
    copy_lines(from, p.n, held);
    transform_run(task, held.line[0], p.n, held.line[0], p.n, count, work);
    copy_lines(held, p.n, to);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
