// Builds and caches plans of Fourier transforms.
#include "backends/cpu/fft_plan.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <memory>
#include <new>
#include <numbers>
#include <type_traits>
#include <vector>

#include "core/size.h"
#include "runtime/process_locks.h"

namespace olivine::cpu {
namespace {

constexpr size_t kCachedPlans = 64;
constexpr int64_t kCachedBytes = int64_t{64} << 20;

// Roots of unity exp(-2 pi i k / n), each the product of two from short tables of a wider type.
template <class T>
class Roots {
  using W = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  struct Root {
    W re, im;
  };

 public:
  explicit Roots(int64_t n) : n_(n) {
    step_ = std::max<int64_t>(1, static_cast<int64_t>(std::sqrt(static_cast<double>(n))));
    for (int64_t k = 0; k < step_; ++k) low_.push_back(exact(k));
    for (int64_t k = 0; k < n; k += step_) high_.push_back(exact(k));
  }
  // 0 <= k < n.
  void write(int64_t k, T* to) const {
    const Root &a = high_[static_cast<size_t>(k / step_)],
               &b = low_[static_cast<size_t>(k % step_)];
    to[0] = static_cast<T>(a.re * b.re - a.im * b.im);
    to[1] = static_cast<T>(a.re * b.im + a.im * b.re);
  }

 private:
  // The angle is reduced to an eighth of the circle, so that multiples of 45 degrees are exact.
  Root exact(int64_t k) const {
    const int64_t eighth = 8 * k / n_;
    const W angle = [&](int64_t x) {
      return std::numbers::pi_v<W> * static_cast<W>(x) / static_cast<W>(4 * n_);
    }(eighth % 2 ? (eighth + 1) * n_ - 8 * k : 8 * k - eighth * n_);
    W c = std::cos(angle), s = std::sin(angle);
    if ((eighth + 1) / 2 % 2) std::swap(c, s);
    if (eighth >= 2 && eighth < 6) c = -c;
    if (eighth >= 4) s = -s;
    return {c, -s};
  }

  int64_t n_, step_;
  std::vector<Root> low_, high_;
};

// Whether passes of radix <= kLargestRadix do, and which.
bool factorize(int64_t n, std::vector<int>& radices) {
  while (n % 8 == 0 && n != 16) {
    radices.push_back(8);
    n /= 8;
  }
  for (int p : {4, 2}) {
    for (; n % p == 0; n /= p) radices.push_back(p);
  }
  for (int p = 3; p <= kLargestRadix && n > 1; p += 2) {
    for (; n % p == 0; n /= p) radices.push_back(p);
  }
  return n == 1;
}

// Tables outlive the arrays they were made for, so they are not taken from the arrays' allocator.
constexpr std::align_val_t kAlignment{64};
struct FreeTable {
  void operator()(void* p) const { ::operator delete(p, kAlignment); }
};
using Table = std::unique_ptr<void, FreeTable>;

template <class T>
struct OwnedPlan : FftPlan<T> {
  int64_t key = 0;
  bool real = false;
  int lanes = 0;
  int64_t bytes = 0;
  std::vector<Table> tables;
  std::shared_ptr<const OwnedPlan> keeps;

  T* table(int64_t count) {
    const int64_t size = std::max<int64_t>(64, checked_mul(count, sizeof(T), "fft"));
    tables.emplace_back(::operator new(static_cast<size_t>(size), kAlignment));
    bytes += size;
    return static_cast<T*>(tables.back().get());
  }
};

template <class T>
void plan_columns(OwnedPlan<T>& plan, FftColumns<T>& c, int64_t n,
                  const std::vector<int>& radices) {
  c.n = n;
  c.stages = static_cast<int>(radices.size());
  const Roots<T> roots(n);
  int64_t l1 = 1;
  for (int s = 0; s < c.stages; ++s) {
    const int radix = radices[static_cast<size_t>(s)];
    const int64_t ido = n / (l1 * radix);
    T* twiddle = plan.table(2 * ido * (radix - 1));
    T* q = twiddle;
    for (int64_t i = 0; i < ido; ++i) {
      for (int64_t j = 1; j < radix; ++j, q += 2) roots.write(i * j * l1, q);
    }
    T* small = plan.table(2 * radix);
    const Roots<T> circle(radix);
    for (int k = 0; k < radix; ++k) {
      circle.write(k, small + 2 * k);
      small[2 * k + 1] = -small[2 * k + 1];
    }
    c.stage[s] = {radix, l1, ido, twiddle, small};
    l1 *= radix;
  }
}

// n = first * second with the fewest vectors to transform; 1: none is worth it.
int64_t choose_split(int64_t n, int lanes) {
  auto vectors = [&](int64_t x) { return (x + lanes - 1) / lanes; };
  int64_t best = 1, fewest = n;  // one line alone fills a lane of n vectors
  for (int64_t a = 2; a <= n / a; ++a) {
    if (n % a != 0) continue;
    for (int64_t x : {a, n / a}) {
      const int64_t count = vectors(n / x) * x + vectors(x) * (n / x);
      // Near-square factors touch less memory at a time.
      if (count < fewest || (count == fewest && x == a)) {
        fewest = count;
        best = x;
      }
    }
  }
  return best;
}

template <class T>
void plan_split(OwnedPlan<T>& plan, int64_t first, int lanes) {
  const int64_t n = plan.n, second = n / first, blocks = (second + lanes - 1) / lanes;
  std::vector<int> radices;
  factorize(first, radices);
  plan_columns(plan, plan.first, first, radices);
  radices.clear();
  factorize(second, radices);
  plan_columns(plan, plan.second, second, radices);
  const Roots<T> roots(n);
  if (n <= kLongestColumn) plan.split_roots = block_roots(plan, first, blocks, lanes);
  T* q = plan.table(2 * blocks * first);
  plan.block_roots = q;
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t k = 0; k < first; ++k, q += 2) roots.write(b * lanes * k % n, q);
  }
  if (n >= kShortestNested && n <= kLongestColumn) {
    q = plan.table(2 * n);
    plan.nested_roots = q;
    for (int64_t j = 0; j < second; ++j) {
      for (int64_t k = 0; k < first; ++k, q += 2) roots.write(j * k, q);
    }
  }
  q = plan.table(2 * first * lanes);
  plan.lane_roots = q;
  T w[2];
  for (int64_t k = 0; k < first; ++k, q += 2 * lanes) {
    for (int l = 0; l < lanes; ++l) {
      roots.write(l * k % n, w);
      q[l] = w[0];
      q[lanes + l] = w[1];
    }
  }
}

// [block][k][re, im][lane] of w_n^(k * (block * lanes + lane)).
template <class T>
T* block_roots(OwnedPlan<T>& plan, int64_t first, int64_t blocks, int lanes) {
  const Roots<T> roots(plan.n);
  T *q = plan.table(2 * blocks * first * lanes), *table = q, root[2];
  for (int64_t at = 0; at < blocks * first; ++at, q += 2 * lanes) {
    const int64_t b = at / first, k = at % first;
    for (int l = 0; l < lanes; ++l) {
      roots.write((b * lanes + l) * k % plan.n, root);
      q[l] = root[0];
      q[lanes + l] = root[1];
    }
  }
  return table;
}

// Where the length allows it.
template <class T>
void plan_together(OwnedPlan<T>& plan, int lanes) {
  int first = lanes;
  while (first > 1 && plan.n % first != 0) first /= 2;
  const int64_t rest = plan.n / first;
  if (first < 2 || first < lanes / kMostTogether || rest > kLongestRest || rest < 2) return;
  plan.together = lanes / first;
  std::vector<int> radices;
  factorize(rest, radices);
  plan_columns(plan, plan.rest, rest, radices);
  plan.rest_roots = block_roots(plan, first, (rest + lanes - 1) / lanes, lanes);
}

// The shortest length >= least of the form 2^a 3^b 5^c, a >= 8.
int64_t convolution_length(int64_t least) {
  int64_t best = INT64_MAX;
  for (int64_t a = 256; a < best; a = checked_mul(a, 2, "fft")) {
    for (int64_t b = a; b < best; b = checked_mul(b, 3, "fft")) {
      int64_t c = b;
      while (c < least) c = checked_mul(c, 5, "fft");
      best = std::min(best, c);
      if (b >= least) break;
    }
    if (a >= least) break;
  }
  return best;
}

template <class T>
std::shared_ptr<const OwnedPlan<T>> find_plan(int64_t n, bool real, int lanes,
                                              typename FftPlanRef<T>::Transform transform);

template <class T>
void plan_chirp(OwnedPlan<T>& plan, int lanes, typename FftPlanRef<T>::Transform transform) {
  const int64_t n = plan.n, m = convolution_length(checked_add(checked_mul(n, 2, "fft"), -1));
  plan.keeps = find_plan<T>(m, false, lanes, transform);
  plan.inner = plan.keeps.get();
  T* chirp = plan.table(2 * n);
  T* filter = plan.table(2 * m);
  const Roots<T> roots(2 * n);
  std::fill_n(filter, 2 * m, T(0));
  int64_t square = 0;  // k^2 mod 2n
  for (int64_t k = 0; k < n; ++k) {
    roots.write(square, chirp + 2 * k);
    for (int64_t at : {k, (m - k) % m}) {
      filter[2 * at] = chirp[2 * k];
      filter[2 * at + 1] = -chirp[2 * k + 1];
    }
    square = (square + 2 * k + 1) % (2 * n);
  }
  transform(*plan.inner, filter);
  for (int64_t i = 0; i < 2 * m; ++i) filter[i] /= static_cast<T>(m);
  plan.chirp = chirp;
  plan.filter = filter;
}

template <class T>
void plan_real(OwnedPlan<T>& plan, int lanes, typename FftPlanRef<T>::Transform transform) {
  plan.keeps = find_plan<T>(plan.n / 2, false, lanes, transform);
  plan.inner = plan.keeps.get();
  const int64_t count = plan.n / 4 + 1;
  T *q = plan.table(2 * count), root[2];
  plan.half_roots = q;
  const Roots<T> roots(plan.n);
  for (int64_t k = 0; k < count; ++k) {
    roots.write(k, root);
    q[k] = root[0];
    q[count + k] = root[1];
  }
}

template <class T>
std::shared_ptr<const OwnedPlan<T>> build(int64_t n, bool real, int lanes,
                                          typename FftPlanRef<T>::Transform transform) {
  auto plan = std::make_shared<OwnedPlan<T>>();
  plan->n = n;
  plan->real = real;
  plan->lanes = lanes;
  std::vector<int> radices;
  if (real) {
    plan_real(*plan, lanes, transform);
  } else if (!factorize(n, radices)) {
    plan->method = FftMethod::chirp;
    plan_chirp(*plan, lanes, transform);
  } else {
    const int64_t first = choose_split(n, lanes);
    if (first > 1) {
      plan->method = FftMethod::split;
      plan_split(*plan, first, lanes);
      plan_together(*plan, lanes);
    }
    if (first == 1 || n <= kLongestColumn) plan_columns(*plan, plan->whole, n, radices);
  }
  return plan;
}

// Most recently used first.
template <class T>
struct Cache {
  std::list<std::shared_ptr<const OwnedPlan<T>>> plans;

  std::shared_ptr<const OwnedPlan<T>> find(int64_t n, bool real, int lanes) {
    std::lock_guard lock(process_lock(Lock::plans));
    for (auto it = plans.begin(); it != plans.end(); ++it) {
      if ((*it)->n != n || (*it)->real != real || (*it)->lanes != lanes) continue;
      plans.splice(plans.begin(), plans, it);
      return plans.front();
    }
    return nullptr;
  }
  void add(std::shared_ptr<const OwnedPlan<T>> plan) {
    std::list<std::shared_ptr<const OwnedPlan<T>>> dropped;
    std::lock_guard lock(process_lock(Lock::plans));
    plans.push_front(std::move(plan));
    int64_t bytes = 0;
    size_t kept = 0;
    auto it = plans.begin();
    for (; it != plans.end() && kept < kCachedPlans; ++it, ++kept) {
      bytes += (*it)->bytes;
      if (kept > 0 && bytes > kCachedBytes) break;
    }
    dropped.splice(dropped.begin(), plans, it, plans.end());
  }
};

template <class T>
Cache<T>& cache() {
  // Never destroyed: threads may still compute while the process ends.
  static constinit FirstUse<Cache<T>*> plans;
  return *plans.get_once(Lock::plans, [] { return new Cache<T>; });
}

template <class T>
std::shared_ptr<const OwnedPlan<T>> find_plan(int64_t n, bool real, int lanes,
                                              typename FftPlanRef<T>::Transform transform) {
  auto plan = cache<T>().find(n, real, lanes);
  if (!plan) {
    plan = build<T>(n, real, lanes, transform);
    cache<T>().add(plan);
  }
  return plan;
}

}  // namespace

template <class T>
FftPlanRef<T>::FftPlanRef(int64_t n, bool real, int lanes, Transform transform) {
  auto owner = std::make_unique<std::shared_ptr<const OwnedPlan<T>>>(
      find_plan<T>(n, real, lanes, transform));
  plan_ = owner->get();
  owner_ = owner.release();
}

template <class T>
FftPlanRef<T>::~FftPlanRef() {
  delete static_cast<std::shared_ptr<const OwnedPlan<T>>*>(owner_);
}

template class FftPlanRef<float>;
template class FftPlanRef<double>;

}  // namespace olivine::cpu
