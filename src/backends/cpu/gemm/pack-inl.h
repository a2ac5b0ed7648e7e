// Packing of matrices into panels, with conversion to the type that is computed in.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kPackAhead = 64;  // elements that contiguous lines are prefetched ahead
// The same, in steps, where each step lies elsewhere: no more than an L1 cache has ways, all of
// which steps of 4 KiB would share.
constexpr int kPackStepsAhead = 8;

template <class T>
inline void store_before(T* p, const T* end, Vec<T> v) {
  if (end - p >= kLanes<T>) {
    store(p, v);
  } else {
    store_some(p, v, end - p);
  }
}

// Panels of whole vectors of lines that lie side by side: several of them at once use the memory
// where a step's lines begin better, as the next step may lie pages away.
template <class S, int panels>
void copy_panels(const PackArgs& args, int64_t first) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  // Copies, because the compiler takes stores for ones that may change args.
  const int64_t k = args.k, k_stride = args.k_stride, width = args.packed_width;
  const S* src = static_cast<const S*>(args.src) + first * width;
  T* dst = static_cast<T*>(args.dst) + first * width * k;
  for (int64_t p = 0; p < k; ++p, src += k_stride, dst += width) {
    if constexpr (panels == 1) {
      const S* ahead = src + (p + kPackStepsAhead < k ? kPackStepsAhead * k_stride : 0);
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + width - 1);
    }
    for (int64_t w = 0; w < width; w += lanes) {
#pragma GCC unroll 4
      for (int i = 0; i < panels; ++i) {
        store(dst + i * width * k + w, load(src + i * width + w));
      }
    }
  }
}

template <class S>
void pack_whole_panels(const PackArgs& args) {
  const int64_t count = args.width / args.packed_width;
  int64_t i = 0;
  for (; i + kPanelsAtOnce <= count; i += kPanelsAtOnce) copy_panels<S, kPanelsAtOnce>(args, i);
  for (; i < count; ++i) copy_panels<S, 1>(args, i);
}

// Lines side by side that fill part of a vector: each step is copied as a whole one while what that
// reads and writes past its end belongs to later steps. Returns how many steps it took.
template <class S>
int64_t pack_part_vectors(const PackArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  const int64_t k_stride = args.k_stride, width = args.width;
  if (width != args.packed_width || width >= lanes || k_stride < lanes) return 0;
  const int64_t steps = args.k - (lanes + width - 1) / width;
  const S* src = static_cast<const S*>(args.src);
  T* dst = static_cast<T*>(args.dst);
  for (int64_t p = 0; p < steps; ++p, src += k_stride, dst += width) {
    const S* ahead = src + (p + kPackStepsAhead < steps ? kPackStepsAhead * k_stride : 0);
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + width - 1);
    store(dst, load(src));
  }
  return steps > 0 ? steps : 0;
}

// Lines side by side in memory: copies them step by step. A full vector may run past packed_width
// (later steps overwrite that) or past the lines (still inside the next step of src).
template <class S>
void pack_adjacent(const PackArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  const int64_t done = pack_part_vectors<S>(args);
  const S* src = static_cast<const S*>(args.src) + done * args.k_stride;
  T* dst = static_cast<T*>(args.dst) + done * args.packed_width;
  const T* end = static_cast<T*>(args.dst) + args.k * args.packed_width;
  for (int64_t p = done; p < args.k; ++p, src += args.k_stride, dst += args.packed_width) {
    const bool inside = p + 1 < args.k && args.k_stride >= lanes;
    const S* ahead = src + (p + kPackStepsAhead < args.k ? kPackStepsAhead * args.k_stride : 0);
    for (int64_t w = 0; w < args.width; w += 64 / static_cast<int64_t>(sizeof(S))) {
      __builtin_prefetch(ahead + w);
    }
    __builtin_prefetch(ahead + args.width - 1);
    for (int64_t w = 0; w < args.packed_width; w += lanes) {
      const int64_t left = args.width - w;
      const bool full = left >= lanes || (inside && left > 0 && args.packed_width == args.width);
      const Vec<T> v = full ? load(src + w) : load_some(src + w, left);
      store_before(dst + w, end, v);
    }
  }
}

// As many lines as a vector has lanes, and steps of them.
template <class T>
struct Square {
  const T* lines[kLanes<T>];
  alignas(64) T copies[kLanes<T> * kLanes<T>];
  alignas(64) T zeros[kLanes<T>] = {};
};

// Steps [0, steps) of `count` lines: where they lie, if all of it may be read, else a copy, with
// zeros for what is not there.
template <class S>
inline void find_lines(const S* src, int64_t line_stride, int64_t count, int64_t steps,
                       Square<Compute<S>>& square) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  for (int i = 0; i < lanes; ++i) {
    const S* line = src + i * line_stride;
    T* copy = square.copies + i * lanes;
    if (i >= count) {
      square.lines[i] = square.zeros;
      continue;
    }
    if constexpr (!kIsHalf<S>) {
      if (steps == lanes) {
        square.lines[i] = line;
        continue;
      }
    }
    square.lines[i] = copy;
    store(copy, steps == lanes ? load(line) : load_some(line, steps));
  }
}

// Writes each step of a square as a vector, of which only `width` lanes count; with `may_spill` the
// others may be overwritten, which saves masks.
template <class T>
inline void store_steps(const Square<T>& square, int64_t steps, T* dst, int64_t dst_step,
                        int64_t width, bool may_spill) {
  constexpr int lanes = kLanes<T>, size = kPiece<T>;
  const auto mask = first_lanes<T>(width);
  for (int64_t p = 0; p < steps; p += size, dst += size * dst_step) {
    Vec<T> v[size];
#pragma GCC unroll 4
    for (int i = 0; i < size; ++i) v[i] = load_pieces<T>(square.lines + i, size, p);
    transpose_pieces(v);
    if (steps - p >= size && (may_spill || width == lanes)) {
#pragma GCC unroll 4
      for (int q = 0; q < size; ++q) store(dst + q * dst_step, v[q]);
    } else if (steps - p >= size) {
#pragma GCC unroll 4
      for (int q = 0; q < size; ++q) store(dst + q * dst_step, v[q], mask);
    } else {
#pragma GCC unroll 4
      for (int q = 0; q < size; ++q) {
        if (q < steps - p) store(dst + q * dst_step, v[q], mask);
      }
    }
  }
}

// Each line contiguous.
template <class S>
void pack_transposed(const PackArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  const S* src = static_cast<const S*>(args.src);
  T* dst = static_cast<T*>(args.dst);
  Square<T> square;
  for (int64_t first = 0; first < args.packed_width; first += lanes) {
    const int64_t count = min(lanes, args.width - first);
    for (int64_t p = 0; p < args.k; p += lanes) {
      const int64_t steps = min(lanes, args.k - p);
      const S* lines = src + first * args.line_stride + p;
      for (int64_t i = 0; i < count; ++i) {
        __builtin_prefetch(lines + i * args.line_stride + 128);
      }
      find_lines<S>(lines, args.line_stride, count, steps, square);
      // A step's spill is overwritten by later ones, where there are no other lines and enough
      // steps: another thread may be packing what lies behind the panel.
      const int64_t behind = (args.k - p - lanes) * args.packed_width;
      const bool may_spill = args.packed_width <= lanes && behind >= lanes - args.packed_width;
      store_steps<T>(square, steps, dst + p * args.packed_width + first, args.packed_width,
                     min(lanes, args.packed_width - first), may_spill);
    }
  }
}

template <class S>
void pack_strided(const PackArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  const S* src = static_cast<const S*>(args.src);
  T* dst = static_cast<T*>(args.dst);
  for (int64_t p = 0; p < args.k; ++p, src += args.k_stride, dst += args.packed_width) {
    for (int64_t w = 0; w < args.packed_width; w += lanes) {
      const int64_t left = min(lanes, args.width - w);
      store_some(dst + w, load_some(src + w * args.line_stride, left, args.line_stride),
                 min(lanes, args.packed_width - w));
    }
  }
}

template <class S>
void pack(const PackArgs& args) {
  if (args.line_stride == 1 && args.width % args.packed_width == 0 &&
      args.packed_width % kLanes<Compute<S>> == 0) {
    pack_whole_panels<S>(args);
  } else if (args.line_stride == 1) {
    pack_adjacent<S>(args);
  } else if (args.k_stride == 1) {
    pack_transposed<S>(args);
  } else {
    pack_strided<S>(args);
  }
}

// S is the real type; widths and strides of src count complex elements.
template <class S>
void pack_complex_a(const PackArgs& args) {
  if (args.k_stride == 1) {
    PackArgs real = args;
    real.line_stride *= 2;
    real.k *= 2;
    return pack_transposed<S>(real);
  }
  const S* src = static_cast<const S*>(args.src);
  S* dst = static_cast<S*>(args.dst);
  const int64_t width = args.packed_width;
  for (int64_t p = 0; p < args.k; ++p, src += 2 * args.k_stride, dst += 2 * width) {
    for (int64_t w = 0; w < width; ++w) {
      dst[w] = src[2 * w * args.line_stride];
      dst[width + w] = src[2 * w * args.line_stride + 1];
    }
  }
}

// Pairs of f32 move as f64. Those of f64 are moved one by one, unless they lie side by side.
template <class S>
void pack_complex_b(const PackArgs& args) {
  PackArgs pairs = args;
  if constexpr (sizeof(S) == 4) {
    pairs.packed_width /= 2;
    return pack<double>(pairs);
  } else if (args.line_stride == 1) {
    pairs.k_stride *= 2;
    pairs.width *= 2;
    return pack<S>(pairs);
  }
  constexpr int64_t strip = 8;  // steps taken together, to use whole cache lines of src
  const int64_t width = args.packed_width;
  for (int64_t begin = 0; begin < args.k; begin += strip) {
    const int64_t end = min(begin + strip, args.k);
    for (int64_t w = 0; w < width / 2; ++w) {
      const S* src = static_cast<const S*>(args.src) + 2 * w * args.line_stride;
      S* dst = static_cast<S*>(args.dst) + 2 * w;
      for (int64_t p = begin; p < end; ++p) {
        dst[p * width] = w < args.width ? src[2 * p * args.k_stride] : 0;
        dst[p * width + 1] = w < args.width ? src[2 * p * args.k_stride + 1] : 0;
      }
    }
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
