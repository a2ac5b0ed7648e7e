// The secular equation of a rank-one change of a diagonal matrix, a vector of roots at a time.
//
// A root is approached by the rational interpolation of Bunch, Nielsen and Sorensen, "Rank-one
// modification of the symmetric eigenproblem" (1978), inside a bracket; weights and vectors follow
// Gu and Eisenstat, "A stable and efficient algorithm for the rank-one modification of the
// symmetric eigenproblem" (1994).
#include "backends/cpu/dense/spectral_kernels.h"
#include "backends/cpu/vec-math-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using Vector = Native<double>;
using Mask = typename VecOf<int64_t, kVectorBytes / 8>::type;
constexpr int kLanes = kVectorBytes / 8;

OLIVINE_INLINE Vector load(const double* p) { return load_native<double>(p); }
OLIVINE_INLINE Vector magnitude(Vector x) { return x < Vector{} ? -x : x; }
OLIVINE_INLINE Vector least(Vector a, Vector b) { return a < b ? a : b; }
OLIVINE_INLINE Vector root(Vector x) {
  for (int l = 0; l < kLanes; ++l) x[l] = __builtin_sqrt(x[l]);
  return x;
}
OLIVINE_INLINE bool any(Mask m) {
  int64_t all = 0;
  for (int l = 0; l < kLanes; ++l) all |= m[l];
  return all != 0;
}
OLIVINE_INLINE Mask counted_from(int64_t first) {
  Mask m;
  for (int l = 0; l < kLanes; ++l) m[l] = first + l;
  return m;
}

// The sums over poles left of a root (negative terms) and right of it, and their derivatives.
struct Sums {
  Vector left, left_slope, right, right_slope;
};

// Poles [begin, end), two at a time, which share a division.
OLIVINE_INLINE void add_poles(const SecularEquation& s, int64_t begin, int64_t end, Vector origin,
                              Vector offset, Vector& sum, Vector& slope) {
  Vector sums[2] = {}, slopes[2] = {};
  int64_t j = begin;
  for (; j + 2 <= end; j += 2) {
    const Vector x = (s.d[j] - origin) - offset, y = (s.d[j + 1] - origin) - offset;
    const Vector inverse = 1.0 / (x * y);
    const Vector p = s.z[j] * (y * inverse), q = s.z[j + 1] * (x * inverse);
    sums[0] = mul_add(all_lanes(s.z[j]), p, sums[0]);
    sums[1] = mul_add(all_lanes(s.z[j + 1]), q, sums[1]);
    slopes[0] = mul_add(p, p, slopes[0]);
    slopes[1] = mul_add(q, q, slopes[1]);
  }
  if (j < end) {
    const Vector p = s.z[j] / ((s.d[j] - origin) - offset);
    sums[0] = mul_add(all_lanes(s.z[j]), p, sums[0]);
    slopes[0] = mul_add(p, p, slopes[0]);
  }
  sum += sums[0] + sums[1];
  slope += slopes[0] + slopes[1];
}

// For roots [first, first + kLanes).
Sums evaluate(const SecularEquation& s, int64_t first, Vector origin, Vector offset) {
  Sums sums{};
  const int64_t all_left = smaller(first + 1, s.count);
  const int64_t mixed = smaller(first + kLanes, s.count);
  add_poles(s, 0, all_left, origin, offset, sums.left, sums.left_slope);
  const Mask root = counted_from(first);
  for (int64_t j = all_left; j < mixed; ++j) {
    const Vector p = s.z[j] / ((s.d[j] - origin) - offset), term = s.z[j] * p, slope = p * p;
    const Mask is_left = root >= j;
    sums.left += is_left ? term : Vector{};
    sums.left_slope += is_left ? slope : Vector{};
    sums.right += is_left ? Vector{} : term;
    sums.right_slope += is_left ? Vector{} : slope;
  }
  add_poles(s, mixed, s.count, origin, offset, sums.right, sums.right_slope);
  return sums;
}

// The root between its poles of c x^2 - a x + b.
OLIVINE_INLINE Vector quadratic(Vector a, Vector b, Vector c) {
  const Vector square = a * a - 4.0 * b * c;
  const Vector r = root(square > Vector{} ? square : Vector{});
  return a > Vector{} ? 2.0 * b / (a + r) : (a - r) / (2.0 * c);
}

constexpr int kMostSteps = 400, kSafeSteps = 24;

void find_roots(const SecularEquation& s, double tolerance, int64_t first) {
  const Vector left = load(s.d + first), right = load(s.d + first + 1), gap = right - left;
  const Vector left_square = load(s.z + first) * load(s.z + first);
  const Vector right_square = load(s.z + first + 1) * load(s.z + first + 1);
  const double constant = 1.0 / s.rho;
  // The nearer pole, by the sign in the middle; and a first guess from both poles.
  const Vector half = 0.5 * gap;
  const Sums middle = evaluate(s, first, left, half);
  const Vector value = constant + (middle.left + middle.right);
  const Mask at_left = value >= Vector{};
  const Vector origin = at_left ? left : right;
  const Vector p = at_left ? Vector{} : -gap, q = at_left ? gap : Vector{};  // the poles from there
  const Vector rest = value + left_square / half - right_square / half;
  Vector x = quadratic(rest * (p + q) + left_square + right_square,
                       left_square * q + right_square * p, rest);
  Vector low = at_left ? Vector{} : -half, high = at_left ? half : Vector{};
  x = (x > low) & (x < high) ? x : 0.5 * (low + high);
  Mask open = (counted_from(first) < s.count) & (gap > Vector{});
  x = open ? x : half;
  for (int step = 0; step < kMostSteps; ++step) {
    const Sums sums = evaluate(s, first, origin, x);
    const Vector f = constant + (sums.left + sums.right);
    const Vector size = constant + (sums.right - sums.left);
    open &= magnitude(f) > 8 * std::numeric_limits<double>::epsilon() * size;
    if (!any(open)) break;
    low = f < Vector{} ? x : low;
    high = f < Vector{} ? high : x;
    const Vector u = p - x, v = q - x;
    const Vector c = f - u * sums.left_slope - v * sums.right_slope;
    const Vector a = (u + v) * f - u * v * (sums.left_slope + sums.right_slope);
    Vector next = x + quadratic(a, u * v * f, c);
    const Mask inside = (next > low) & (next < high);
    next = inside ? next : 0.5 * (low + high);
    if (step >= kSafeSteps && step % 2) next = 0.5 * (low + high);
    // The next error is about the square of this one.
    const Vector moved = magnitude(next - x);
    const Vector nearest = least(magnitude(p - next), magnitude(q - next));
    x = open & (next != low) & (next != high) ? next : x;
    open &= moved > tolerance * nearest;
    if (!any(open)) break;
  }
  const int64_t count = smaller(kLanes, s.count - first);
  for (int64_t l = 0; l < count; ++l) {
    s.origin[first + l] = first + l + (at_left[l] ? 0 : 1);
    s.offset[first + l] = x[l];
  }
}

void roots(const SecularEquation& s, double tolerance, int64_t begin, int64_t end) {
  for (; begin < end; begin += kLanes) find_roots(s, tolerance, begin);
}

// The product over i of (x_i - d_j) / (d_i - d_j), where the i-th pole is the next one from j on.
void weights(const SecularEquation& s, int64_t begin, int64_t end, double* exact) {
  constexpr int together = 4;  // ratios that share a division
  for (int64_t j = begin; j < end; j += kLanes) {
    const Vector d = load(s.d + j);
    const Mask pole = counted_from(j);
    Vector product = all_lanes(1.0);
    for (int64_t i = 0; i < s.count;) {
      Vector above = all_lanes(1.0), below = above;
      for (const int64_t stop = smaller(s.count, i + together); i < stop; ++i) {
        above *= (d - s.d[s.origin[i]]) - s.offset[i];
        const Mask before = pole > i;
        const Vector next = i + 1 < s.count ? d - s.d[i + 1] : all_lanes(-1.0);
        below *= before ? d - s.d[i] : next;
      }
      product *= above / below;
    }
    const Vector z = root(magnitude(product));
    for (int64_t l = 0; l < kLanes && j + l < end; ++l) {
      exact[j + l] = s.z[j + l] < 0 ? -z[l] : z[l];
    }
  }
}

template <class T>
OLIVINE_INLINE void store_lanes(T* to, Vector v, int64_t count) {
  if (count < kLanes) {
    for (int64_t l = 0; l < count; ++l) to[l] = T(v[l]);
  } else if constexpr (sizeof(T) == 8) {
    store_native(to, v);
  } else {
    const auto narrow = __builtin_convertvector(v, typename VecOf<float, kLanes>::type);
    std::memcpy(to, &narrow, sizeof narrow);
  }
}

template <class T>
void vectors(const SecularEquation& s, const double* d, const double* z, int64_t begin, int64_t end,
             T* to, int64_t stride) {
  for (int64_t i = begin; i < end; i += kLanes) {
    const int64_t count = smaller(kLanes, end - i);
    Vector origin = all_lanes(s.d[s.count]), offset = all_lanes(1.0), norm{};
    for (int64_t l = 0; l < count; ++l) {
      origin[l] = s.d[s.origin[i + l]];
      offset[l] = s.offset[i + l];
    }
    for (int64_t j = 0; j < s.count; ++j) {
      const Vector x = z[j] / ((d[j] - origin) - offset);
      norm = mul_add(x, x, norm);
    }
    const Vector scale = 1.0 / root(norm);
    for (int64_t j = 0; j < s.count; ++j) {
      const Vector x = z[j] / ((d[j] - origin) - offset);
      store_lanes(to + j * stride + i, x * scale, count);
    }
  }
}

}  // namespace

const SecularKernels secular = {roots, weights, vectors<float>, vectors<double>};

}  // namespace olivine::cpu::OLIVINE_ISA
