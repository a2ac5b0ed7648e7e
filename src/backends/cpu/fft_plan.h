// Plans of Fourier transforms of one length: factors, tables of roots of unity, and the method.
//
// Every method ends in transforms of short columns that lie side by side, one per vector lane:
//   columns  the lanes are different lines
//   split    n = first * second: one line is a matrix whose columns, then rows, are transformed
//            (or, `together`: several short lines, of which a few vectors fill all lanes)
//   chirp    lengths with a large prime factor: a convolution of a longer, smooth length
//   (Bluestein)
// Plans are immutable, cached and shared. T is float or double; complex numbers are pairs of T.
#pragma once

#include <cstdint>

namespace olivine::cpu {

inline constexpr int kLargestRadix = 127;
inline constexpr int kMostStages = 64;
// Longest line whose columns are transformed whole where many lines lie side by side.
inline constexpr int64_t kLongestColumn = 4096;
// Longest columns of lines that are taken together.
inline constexpr int64_t kLongestRest = 256;
inline constexpr int kMostTogether = 4;
// Shorter ones fit into the L1 cache.
inline constexpr int64_t kShortestNested = 256;

// One pass: n = radix * l1 * ido; ido values share a factor of the twiddles.
template <class T>
struct FftStage {
  int radix;
  int64_t l1, ido;
  const T* twiddle;  // ido rows of radix - 1 roots w_n^(i * j * l1), j >= 1
  const T* roots;    // radix pairs cos, sin of 2 pi q / radix
};

template <class T>
struct FftColumns {
  int64_t n = 0;
  int stages = 0;
  FftStage<T> stage[kMostStages];
};

enum class FftMethod : uint8_t { columns, split, chirp };

template <class T>
struct FftPlan {
  int64_t n = 0;
  FftMethod method = FftMethod::columns;
  FftColumns<T> whole;  // n == 0: too long or not smooth
  // split: element (k, j) is multiplied by w_n^(k * j), j = block * lanes + lane.
  FftColumns<T> first, second;
  const T* split_roots = nullptr;  // [block][k][re, im][lane], or null if long; then products of:
  const T* block_roots = nullptr;  // [block][k]: w_n^(block * lanes * k)
  const T* lane_roots = nullptr;   // [k][re, im][lane]: w_n^(lane * k)
  // Of lines whose lanes are different lines: the same matrix, [j][k]: w_n^(k * j). Or null.
  const T* nested_roots = nullptr;
  // Lines of lanes * rest.n / together values, so many together: their elements rest.n apart are
  // transformed, and become lanes of columns of rest.n. [block][k][re, im][lane]: w_n^(k * j),
  // where element (k, j) has j = block * lanes + lane. Not planned if rest.n == 0.
  int together = 1;
  FftColumns<T> rest;
  const T* rest_roots = nullptr;
  // chirp: exp(-i pi k^2 / n), and the transform of its conjugate over the inner length, scaled.
  const T* chirp = nullptr;
  const T* filter = nullptr;
  // real: real parts of w_n^k for k <= n / 4, then imaginary ones; the inner plan has length n / 2.
  const T* half_roots = nullptr;
  const FftPlan* inner = nullptr;
};

// Keeps a cached plan alive while it is used.
template <class T>
class FftPlanRef {
 public:
  // Forward transform of one line in place, for the filters of chirps.
  using Transform = void (*)(const FftPlan<T>& plan, T* line);
  // n >= 1. `real`: of n real values, n even.
  FftPlanRef(int64_t n, bool real, int lanes, Transform transform);
  ~FftPlanRef();
  FftPlanRef(const FftPlanRef&) = delete;
  FftPlanRef& operator=(const FftPlanRef&) = delete;
  [[gnu::always_inline]] const FftPlan<T>& operator*() const { return *plan_; }
  [[gnu::always_inline]] const FftPlan<T>* operator->() const { return plan_; }

 private:
  const FftPlan<T>* plan_;
  void* owner_;
};

}  // namespace olivine::cpu
