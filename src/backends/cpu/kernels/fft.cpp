// Fourier transforms along axes of row-contiguous data: complex ones, and between n real values and
// their n / 2 + 1 first complex ones.
//
// Start at fft_kernel. fft_lines-inl.h transforms lines, fft_together-inl.h a few at once,
// fft_blocks-inl.h loads and stores, fft_columns-inl.h does the arithmetic, and ../fft_plan.h says by
// which method.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/fft_lines-inl.h"
#include "ops/fft_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 16384;  // elements that a task takes at least

template <class T>
void transform_filter(const FftPlan<T>& plan, T* line) {
  ScratchBytes work(work_size(plan), sizeof(T));
  transform_line<T>({plan, false, T(1)}, line, line, static_cast<T*>(work.data()));
}
template <class T>
struct Plan : FftPlanRef<T> {
  explicit Plan(int64_t n, bool real = false)
      : FftPlanRef<T>(n, real, kFftLanes<T>, transform_filter<T>) {}
};

// Shares lines out: long ones go one by one, with all threads on each.
template <class F>
void for_lines(int64_t lines, int64_t n, int64_t together, F&& body) {
  if (n >= kSharedLine) {
    for (int64_t l = 0; l < lines; l += together) body(l, smaller(l + together, lines));
    return;
  }
  parallel_for(lines, together * parts(kTask, n * together), body);
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

template <class T>
void complex_axis(const Axis& x, bool inverse, T scale, T* in, T* out) {
  const Plan<T> plan(x.n);
  const LineTask<T> task{*plan, inverse, scale};
  const bool single = x.inner == 1 && !prefers_blocks(*plan, true);
  for_lines(x.lines, x.n, single ? plan->together : kFftLanes<T>, [&](int64_t begin, int64_t end) {
    transform_lines(task, x.over(in), x.over(out), begin, end);
  });
}

// ---- Real lines: n values are n / 2 complex ones, E + i O, of which even and odd elements' halves
// of the spectrum are made.

// X[k] = E + w^k O for k <= m from Z[k] for k < m, which may lie in the same place.
template <class T>
void finish_half(const T* z, int64_t m, const T* roots, T* x) {
  constexpr int64_t lanes = kFftLanes<T>;
  const T re = z[0], im = z[1];
  x[0] = re + im;
  x[1] = 0;
  x[2 * m] = re - im;
  x[2 * m + 1] = 0;
  const auto step = [&]<bool kWhole>(int64_t k, std::bool_constant<kWhole>) {
    constexpr int64_t count = kWhole ? lanes : 1;
    const int64_t at = m - k - count + 1;
    const Pair<T> a = load_complex(z + 2 * k, count);
    const Pair<T> b = kWhole ? load_backwards(z + 2 * at) : load_complex(z + 2 * at, count);
    const Pair<T> e = scaled(Pair<T>{a.re + b.re, a.im - b.im}, T(0.5));
    const Pair<T> o = scaled(Pair<T>{a.re - b.re, a.im + b.im}, T(0.5));
    const Pair<T> t = turned(product(o, load_complex(roots + 2 * k, count)));
    const Pair<T> y = e - t;
    store_complex(x + 2 * k, e + t, count);
    const Pair<T> mirrored{y.re, -y.im};
    if constexpr (kWhole) {
      store_backwards(x + 2 * at, mirrored);
    } else {
      store_complex(x + 2 * at, mirrored, count);
    }
  };
  int64_t k = 1;
  for (; 2 * (k + lanes - 1) < m; k += lanes) {
    step(k, std::true_type());
  }
  for (; 2 * k <= m; ++k) step(k, std::false_type());
}

// The reverse: z[k] for k < m from X[k] for k <= m; imaginary parts of X[0] and X[m] do not count.
template <class T>
void begin_half(const T* x, int64_t m, const T* roots, T* z) {
  constexpr int64_t lanes = kFftLanes<T>;
  z[0] = x[0] + x[2 * m];
  z[1] = x[0] - x[2 * m];
  const auto step = [&]<bool kWhole>(int64_t k, std::bool_constant<kWhole>) {
    constexpr int64_t count = kWhole ? lanes : 1;
    const int64_t at = m - k - count + 1;
    const Pair<T> a = load_complex(x + 2 * k, count);
    const Pair<T> b = kWhole ? load_backwards(x + 2 * at) : load_complex(x + 2 * at, count);
    const Pair<T> w = load_complex(roots + 2 * k, count);
    const Pair<T> e{a.re + b.re, a.im - b.im}, d{a.re - b.re, a.im + b.im};
    const Pair<T> t = turned(product(d, Pair<T>{w.re, -w.im}));
    const Pair<T> y = e + t;
    store_complex(z + 2 * k, e - t, count);
    const Pair<T> mirrored{y.re, -y.im};
    if constexpr (kWhole) {
      store_backwards(z + 2 * at, mirrored);
    } else {
      store_complex(z + 2 * at, mirrored, count);
    }
  };
  int64_t k = 1;
  for (; 2 * (k + lanes - 1) < m; k += lanes) {
    step(k, std::true_type());
  }
  for (; 2 * k <= m; ++k) step(k, std::false_type());
}

// Contiguous lines: n real values each in `in`, n / 2 + 1 complex ones in `out`.
template <class T>
void lines_to_half(const FftPlan<T>& plan, int64_t n, T scale, T* in, T* out, int64_t lines) {
  const int64_t half = n / 2 + 1;
  if (n % 2 == 0) {
    const int64_t m = n / 2;
    const LineTask<T> task{*plan.inner, false, scale};
    if (takes_blocks(*plan.inner, true, lines)) {
      transform_lines<T>(task, {in, 1, 1, m}, {out, 1, 1, half}, 0, lines);
      for (int64_t l = 0; l < lines; ++l) {
        T* x = out + 2 * half * l;
        finish_half(x, m, plan.half_roots, x);
      }
      return;
    }
    // Where the last step finds it aligned and near.
    const int64_t size = (work_size(*plan.inner) + 15) / 16 * 16;
    const int64_t together = plan.inner->together;
    ScratchBytes scratch(size + 2 * m * together, sizeof(T));
    T *work = static_cast<T*>(scratch.data()), *line = work + size;
    for (int64_t l = 0; l < lines; l += together) {
      const int64_t count = smaller(together, lines - l);
      transform_run<T>(task, in + n * l, m, line, m, count, work);
      for (int64_t g = 0; g < count; ++g) {
        finish_half(line + 2 * m * g, m, plan.half_roots, out + 2 * half * (l + g));
      }
    }
    return;
  }
  ScratchBytes scratch(2 * n * lines, sizeof(T));
  T* full = static_cast<T*>(scratch.data());
  for (int64_t i = 0; i < n * lines; ++i) {
    full[2 * i] = in[i];
    full[2 * i + 1] = 0;
  }
  const Lines<T> whole{full, 1, 1, n};
  transform_lines<T>({plan, false, scale}, whole, whole, 0, lines);
  for (int64_t l = 0; l < lines; ++l) copy(full + 2 * n * l, 2 * half, out + 2 * half * l);
}

template <class T>
void lines_from_half(const FftPlan<T>& plan, int64_t n, T scale, const T* in, T* out,
                     int64_t lines) {
  const int64_t half = n / 2 + 1, length = n % 2 ? n : n / 2;
  ScratchBytes scratch(2 * length * lines, sizeof(T));
  T* full = static_cast<T*>(scratch.data());
  const Lines<T> whole{full, 1, 1, length};
  if (n % 2 == 0) {
    for (int64_t l = 0; l < lines; ++l) {
      begin_half(in + 2 * half * l, length, plan.half_roots, full + 2 * length * l);
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
  for_lines(x.lines, n, together, [&](int64_t begin, int64_t end) {
    if (x.inner == 1) return run(in + in_size * begin, out + out_size * begin, end - begin);
    // A few at a time, so that they stay in cache.
    for (; begin < end; begin += together) {
      const int64_t stop = smaller(begin + together, end), lines = stop - begin;
      ScratchBytes scratch((in_size + out_size) * lines, sizeof(T));
      T* from = static_cast<T*>(scratch.data());
      T* to = from + in_size * lines;
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
    complex_axis(Axis(to.shape, p.axes[last]), p.inverse, scale, in, out);
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
