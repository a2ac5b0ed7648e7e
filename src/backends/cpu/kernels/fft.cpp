// Fourier transforms along axes of row-contiguous data: complex ones, and between n real values and
// their n / 2 + 1 first complex ones.
//
// Start at fft_kernel. fft_lines-inl.h transforms lines, fft_together-inl.h a few at once,
// fft_blocks-inl.h loads and stores, fft_columns-inl.h does the arithmetic, and ../fft_plan.h says
// by which method.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/fft_lines-inl.h"
#include "ops/fft_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 16384;        // elements that a task takes at least
constexpr int64_t kStreamed = 4 << 20;  // bytes from which results would push others out of caches

template <class T>
void transform_filter(const FftPlan<T>& plan, T* line) {
  const ScratchMeter::Pause pause;
  ScratchBytes work(work_size(plan), sizeof(T));
  transform_line<T>({plan, false, T(1)}, line, line, static_cast<T*>(work.data()));
}
template <class T>
struct Plan : FftPlanRef<T> {
  explicit Plan(int64_t n, bool real = false)
      : FftPlanRef<T>(n, real, kFftLanes<T>, transform_filter<T>) {}
};

// Shares lines out, so many of them and at least `at_least` times: long ones go one by one, with
// all threads on each.
template <class F>
void for_lines(int64_t lines, int64_t n, int64_t together, int64_t at_least, F&& body) {
  if (n >= kSharedLine) {
    const int64_t some = ScratchMeter::is_on() ? smaller(lines, together) : lines;
    for (int64_t l = 0; l < some; l += together) body(l, smaller(l + together, lines));
    return;
  }
  ScratchMeter::parallel(lines, together * larger(parts(kTask, n * together), at_least), body);
}

// An array as lines along one axis.
struct Axis {
  int64_t lines, n, inner;

  Axis(const Shape& shape, int axis) : lines(1), n(shape[axis]), inner(1) {
    for (int i = 0; i < static_cast<int>(shape.size()); ++i) {
      if (i != axis) lines *= shape[i];
      if (i > axis) inner *= shape[i];
    }
  }
  template <class T>
  Lines<T> over(T* data) const {
    return {data, inner, inner, n * inner};
  }
};

// `streams`: results are not read again soon.
template <class T>
void complex_axis(const Axis& x, bool inverse, T scale, T* in, T* out, bool streams = false) {
  const Plan<T> plan(x.n);
  const int64_t bytes = x.lines * x.n * int64_t(2 * sizeof(T));
  streams = streams && out != in && x.inner == 1 && bytes >= kStreamed &&
            2 * x.n % kFftLanes<T> == 0 && reinterpret_cast<uintptr_t>(out) % kVectorBytes == 0;
  const LineTask<T> task{*plan, inverse, scale, streams};
  const bool single = x.inner == 1 && !prefers_blocks(*plan, true);
  // Blocks side by side share cache lines, which threads should not write at the same time.
  const int64_t blocks = parts(x.lines, kFftLanes<T>);
  const int64_t at_least = x.inner == 1 ? 1 : larger(1, smaller(blocks / 8, 4));
  for_lines(x.lines, x.n, single ? plan->together : kFftLanes<T>, at_least,
            [&](int64_t begin, int64_t end) {
              transform_lines(task, x.over(in), x.over(out), begin, end);
              if (streams) end_streaming();
            });
}

// ---- Real lines: n values are n / 2 complex ones, E + i O, of which even and odd elements' halves
// of the spectrum are made.

// Complex numbers in memory: pairs, or all real parts before the imaginary ones.
template <class T>
struct PairForm {
  using V = std::remove_const_t<T>;
  T* data;
  OLIVINE_INLINE Pair<V> load(int64_t k, int64_t count) const {
    return load_complex<V>(data + 2 * k, count);
  }
  OLIVINE_INLINE Pair<V> load_back(int64_t k) const { return load_backwards<V>(data + 2 * k); }
  OLIVINE_INLINE void store(int64_t k, Pair<V> x, int64_t count) const {
    store_complex<V>(data + 2 * k, x, count);
  }
  OLIVINE_INLINE void store_back(int64_t k, Pair<V> x) const {
    store_backwards<V>(data + 2 * k, x);
  }
};
template <class T>
struct SplitForm {
  using V = std::remove_const_t<T>;
  T *re, *im;
  OLIVINE_INLINE Pair<V> load(int64_t k, int64_t count) const {
    if (count == kFftLanes<V>) return {load_native<V>(re + k), load_native<V>(im + k)};
    return {load_lanes(re + k, count), load_lanes(im + k, count)};
  }
  OLIVINE_INLINE Pair<V> load_back(int64_t k) const {
    const Pair<V> x = load(k, kFftLanes<V>);
    return {backwards<V>(x.re), backwards<V>(x.im)};
  }
  OLIVINE_INLINE void store(int64_t k, Pair<V> x, int64_t count) const {
    if (count == kFftLanes<V>) {
      store_native(re + k, x.re);
      store_native(im + k, x.im);
    } else {
      store_lanes(re + k, x.re, count);
      store_lanes(im + k, x.im, count);
    }
  }
  OLIVINE_INLINE void store_back(int64_t k, Pair<V> x) const {
    store(k, {backwards<V>(x.re), backwards<V>(x.im)}, kFftLanes<V>);
  }
};

// body(k, at, count) for the elements [k, k + count) of a half of the spectrum from 1 on, which go
// with [at, at + count) of the other in reverse.
template <class T, class F>
OLIVINE_INLINE void for_mirrored(int64_t m, F&& body) {
  constexpr int64_t lanes = kFftLanes<T>;
  int64_t k = 1;
  for (; 2 * (k + lanes - 1) < m; k += lanes) {
    body(k, m - k - lanes + 1, std::integral_constant<int64_t, lanes>());
  }
  for (; 2 * k <= m; ++k) body(k, m - k, std::integral_constant<int64_t, 1>());
}

// X[k] = E + w^k O for k <= m from the halves of Z[k] for k < m, which may lie in the same place.
template <class T, class Form>
void finish_half(const Form& z, int64_t m, const T* roots, T* x) {
  const SplitForm<const T> root{roots, roots + m / 2 + 1};
  const PairForm<T> out{x};
  const Pair<T> first = z.load(0, 1);
  const T re = 2 * first.re[0], im = 2 * first.im[0];
  x[0] = re + im;
  x[1] = 0;
  x[2 * m] = re - im;
  x[2 * m + 1] = 0;
  for_mirrored<T>(
      m, [&]<int64_t kCount>(int64_t k, int64_t at, std::integral_constant<int64_t, kCount>) {
        const Pair<T> a = z.load(k, kCount), b = kCount > 1 ? z.load_back(at) : z.load(at, kCount);
        const Pair<T> e{a.re + b.re, a.im - b.im}, o{a.re - b.re, a.im + b.im};
        const Pair<T> t = product(o, root.load(k, kCount));
        out.store(k, {e.re + t.im, e.im - t.re}, kCount);
        const Pair<T> mirrored{e.re - t.im, -t.re - e.im};
        if constexpr (kCount > 1) {
          out.store_back(at, mirrored);
          prefetch_vectors(x + 2 * (m + 1 + k));
          prefetch_vectors(x + 2 * (m + 1 + at));
        } else {
          out.store(at, mirrored, kCount);
        }
      });
}

// The reverse: z[k] for k < m from X[k] for k <= m; imaginary parts of X[0] and X[m] do not count.
template <class T, class Form>
void begin_half(const T* x, int64_t m, const T* roots, const Form& z) {
  const SplitForm<const T> root{roots, roots + m / 2 + 1};
  const PairForm<const T> in{x};
  z.store(0, {all_lanes<T>(x[0] + x[2 * m]), all_lanes<T>(x[0] - x[2 * m])}, 1);
  for_mirrored<T>(m, [&]<int64_t kCount>(int64_t k, int64_t at,
                                         std::integral_constant<int64_t, kCount>) {
    const Pair<T> a = in.load(k, kCount), b = kCount > 1 ? in.load_back(at) : in.load(at, kCount);
    const Pair<T> w = root.load(k, kCount);
    const Pair<T> e{a.re + b.re, a.im - b.im}, d{a.re - b.re, a.im + b.im};
    const Pair<T> t = product(d, Pair<T>{w.re, -w.im});
    z.store(k, {e.re - t.im, e.im + t.re}, kCount);
    const Pair<T> mirrored{e.re + t.im, t.re - e.im};
    if constexpr (kCount > 1) {
      z.store_back(at, mirrored);
    } else {
      z.store(at, mirrored, kCount);
    }
  });
}

// Scratch for lines that are transformed together, aligned and near.
template <class T>
struct HalfLines {
  HalfLines(const FftPlan<T>& inner, int64_t m)
      : size((work_size(inner) + 15) / 16 * 16),
        scratch(size + 2 * m * inner.together, sizeof(T)),
        work(static_cast<T*>(scratch.data())),
        lines(work + size) {}
  int64_t size;
  ScratchBytes scratch;
  T *work, *lines;
};

// Even n, line by line.
template <class T>
void even_to_half(const FftPlan<T>& plan, const LineTask<T>& task, T* in, T* out, int64_t lines) {
  const FftPlan<T>& inner = *plan.inner;
  const int64_t m = inner.n, together = inner.together;
  const HalfLines<T> own(inner, m);
  if (ScratchMeter::is_on()) return meter_line(task, own.work);
  for (int64_t l = 0; l < lines; l += together) {
    const int64_t count = smaller(together, lines - l);
    const bool split = takes_together(inner, count);
    if (split) {
      transform_together<LineForm<false, false, false, true>>(
          task, few_lines<const T>(in + 2 * m * l, m, count), few_lines(own.lines, m, count),
          own.work);
    } else {
      transform_run<T>(task, in + 2 * m * l, m, own.lines, m, count, own.work);
    }
    for (int64_t g = 0; g < count; ++g) {
      T *z = own.lines + 2 * m * g, *x = out + 2 * (m + 1) * (l + g);
      if (split) {
        finish_half(SplitForm<const T>{z, z + m}, m, plan.half_roots, x);
      } else {
        finish_half(PairForm<const T>{z}, m, plan.half_roots, x);
      }
    }
  }
}

template <class T>
void even_from_half(const FftPlan<T>& plan, const LineTask<T>& task, const T* in, T* out,
                    int64_t lines) {
  const FftPlan<T>& inner = *plan.inner;
  const int64_t m = inner.n, together = inner.together;
  const HalfLines<T> own(inner, m);
  if (ScratchMeter::is_on()) return meter_line(task, own.work);
  for (int64_t l = 0; l < lines; l += together) {
    const int64_t count = smaller(together, lines - l);
    const bool split = takes_together(inner, count);
    for (int64_t g = 0; g < count; ++g) {
      T* z = own.lines + 2 * m * g;
      const T* x = in + 2 * (m + 1) * (l + g);
      if (split) {
        begin_half(x, m, plan.half_roots, SplitForm<T>{z, z + m});
      } else {
        begin_half(x, m, plan.half_roots, PairForm<T>{z});
      }
    }
    if (split) {
      transform_together<LineForm<true, true, true, false>>(
          task, few_lines<const T>(own.lines, m, count), few_lines(out + 2 * m * l, m, count),
          own.work);
    } else {
      transform_run<T>(task, own.lines, m, out + 2 * m * l, m, count, own.work);
    }
  }
}

// The last step costs least after lines that were transformed together.
template <class T>
bool goes_by_lines(const FftPlan<T>& inner, int64_t lines) {
  return inner.rest.n > 0 || !takes_blocks(inner, true, lines);
}

// Contiguous lines: n real values each in `in`, n / 2 + 1 complex ones in `out`.
template <class T>
void lines_to_half(const FftPlan<T>& plan, int64_t n, T scale, T* in, T* out, int64_t lines) {
  const int64_t half = n / 2 + 1;
  if (n % 2 == 0) {
    const int64_t m = n / 2;
    const LineTask<T> task{*plan.inner, false, scale / 2};
    if (goes_by_lines(*plan.inner, lines)) return even_to_half(plan, task, in, out, lines);
    transform_lines<T>(task, {in, 1, 1, m}, {out, 1, 1, half}, 0, lines);
    if (ScratchMeter::is_on()) return;
    for (int64_t l = 0; l < lines; ++l) {
      T* x = out + 2 * half * l;
      finish_half(PairForm<const T>{x}, m, plan.half_roots, x);
    }
    return;
  }
  ScratchBytes scratch(2 * n * lines, sizeof(T));
  T* full = static_cast<T*>(scratch.data());
  const Lines<T> whole{full, 1, 1, n};
  const LineTask<T> task{plan, false, scale};
  if (ScratchMeter::is_on()) return transform_lines<T>(task, whole, whole, 0, lines);
  for (int64_t i = 0; i < n * lines; ++i) {
    full[2 * i] = in[i];
    full[2 * i + 1] = 0;
  }
  transform_lines<T>(task, whole, whole, 0, lines);
  for (int64_t l = 0; l < lines; ++l) copy(full + 2 * n * l, 2 * half, out + 2 * half * l);
}

template <class T>
void lines_from_half(const FftPlan<T>& plan, int64_t n, T scale, const T* in, T* out,
                     int64_t lines) {
  const int64_t half = n / 2 + 1, length = n % 2 ? n : n / 2;
  if (n % 2 == 0 && goes_by_lines(*plan.inner, lines)) {
    return even_from_half<T>(plan, {*plan.inner, true, scale}, in, out, lines);
  }
  ScratchBytes scratch(2 * length * lines, sizeof(T));
  T* full = static_cast<T*>(scratch.data());
  const Lines<T> whole{full, 1, 1, length};
  if (ScratchMeter::is_on()) {
    return transform_lines<T>({n % 2 ? plan : *plan.inner, true, scale}, whole, whole, 0, lines);
  }
  if (n % 2 == 0) {
    for (int64_t l = 0; l < lines; ++l) {
      begin_half(in + 2 * half * l, length, plan.half_roots, PairForm<T>{full + 2 * length * l});
    }
    return transform_lines<T>({*plan.inner, true, scale}, whole, {out, 1, 1, length}, 0, lines);
  }
  for (int64_t l = 0; l < lines; ++l) {
    const T* x = in + 2 * half * l;
    T* z = full + 2 * n * l;
    z[0] = x[0];
    z[1] = 0;
    for (int64_t k = 1; k < half; ++k) {
      z[2 * k] = z[2 * (n - k)] = x[2 * k];
      z[2 * k + 1] = x[2 * k + 1];
      z[2 * (n - k) + 1] = -x[2 * k + 1];
    }
  }
  transform_lines<T>({plan, true, scale}, whole, whole, 0, lines);
  for (int64_t i = 0; i < n * lines; ++i) out[i] = full[2 * i];
}

// Lines of `n` values of `width` T each, from and to any axis.
template <class T>
void gather(const T* data, int64_t n, int64_t inner, int width, int64_t begin, int64_t end, T* to) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = begin; l < end; ++l) {
      const T* x = data + width * ((l / inner * n + i) * inner + l % inner);
      copy(x, width, to + width * ((l - begin) * n + i));
    }
  }
}
template <class T>
void scatter(const T* from, int64_t n, int64_t inner, int width, int64_t begin, int64_t end,
             T* data) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = begin; l < end; ++l) {
      T* x = data + width * ((l / inner * n + i) * inner + l % inner);
      copy(from + width * ((l - begin) * n + i), width, x);
    }
  }
}

// `x`: the axis of the real array; the other one has n / 2 + 1 complex values instead.
template <class T>
void half_axis(const Axis& x, bool to_half, T scale, T* in, T* out) {
  const int64_t n = x.n, half = n / 2 + 1;
  const Plan<T> plan(n, n % 2 == 0);
  const int64_t together = n >= kSharedLine && x.inner == 1 ? 1 : kFftLanes<T>;
  const auto run = [&](T* from, T* to, int64_t lines) {
    if (to_half) {
      lines_to_half(*plan, n, scale, from, to, lines);
    } else {
      lines_from_half(*plan, n, scale, from, to, lines);
    }
  };
  const int64_t in_size = to_half ? n : 2 * half, out_size = to_half ? 2 * half : n;
  for_lines(x.lines, n, together, 1, [&](int64_t begin, int64_t end) {
    if (x.inner == 1) return run(in + in_size * begin, out + out_size * begin, end - begin);
    // A few at a time, so that they stay in cache.
    for (; begin < end; begin += together) {
      const int64_t stop = smaller(begin + together, end), lines = stop - begin;
      ScratchBytes scratch((in_size + out_size) * lines, sizeof(T));
      T* from = static_cast<T*>(scratch.data());
      T* to = from + in_size * lines;
      if (ScratchMeter::is_on()) return run(from, to, lines);
      gather(in, to_half ? n : half, x.inner, to_half ? 1 : 2, begin, stop, from);
      run(from, to, lines);
      scatter(to, to_half ? half : n, x.inner, to_half ? 2 : 1, begin, stop, out);
    }
  });
}

// ---- All axes

template <class T>
void fft_kernel(const KernelCall& call) {
  const auto& p = call.as<FftParams>();
  const View &from = call.in[0], &to = call.out[0];
  if (to.size() == 0) return;
  T* in = from.as<T>();
  T* out = to.as<T>();
  const size_t last = p.axes.size() - 1;
  const T scale = static_cast<T>(p.scale);
  if (p.kind == FftKind::from_half) {
    ScratchBytes scratch(last ? 2 * from.size() : 0, sizeof(T));
    T* work = static_cast<T*>(scratch.data());
    for (size_t i = 0; i < last; ++i) {
      complex_axis(Axis(from.shape, p.axes[i]), p.inverse, T(1), i ? work : in, work);
    }
    return half_axis(Axis(to.shape, p.axes[last]), false, scale, last ? work : in, out);
  }
  if (p.kind == FftKind::to_half) {
    half_axis(Axis(from.shape, p.axes[last]), true, scale, in, out);
  } else {
    complex_axis(Axis(to.shape, p.axes[last]), p.inverse, scale, in, out, last == 0);
  }
  for (size_t i = last; i-- > 0;) {
    complex_axis(Axis(to.shape, p.axes[i]), p.inverse, T(1), out, out);
  }
}

}  // namespace

void register_fft(KernelTable& table) {
  for (Dtype t : {float32, complex64}) {
    table.add("fft", t, {.run = fft_kernel<float>, .contiguous = 1, .donates = 1});
  }
  for (Dtype t : {float64, complex128}) {
    table.add("fft", t, {.run = fft_kernel<double>, .contiguous = 1, .donates = 1});
  }
}

}  // namespace olivine::cpu::OLIVINE_ISA
