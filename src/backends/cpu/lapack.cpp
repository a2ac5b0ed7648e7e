// Calls of LAPACK's Fortran interface: arguments by address, lengths of strings at the end.
#include "backends/cpu/lapack.h"

#include <cstddef>
#include <string>

#include "backends/cpu/openblas.h"
#include "backends/cpu/small_factor.h"
#include "runtime/process_locks.h"

namespace olivine::cpu::lapack {
namespace {

template <class T>
constexpr char kLetter = kComplex<T> ? (sizeof(Real<T>) == 4 ? 'c' : 'z')
                                     : (sizeof(T) == 4 ? 's' : 'd');

// The routine of a name without the letter of its type.
template <class T, class F>
F* routine(FirstUse<F*>& known, const char* base) {
  return known.get([&] { return openblas<F>((std::string(1, kLetter<T>) + base + "_").c_str()); });
}
// Of an orthogonal or Hermitian matrix, whose routines are named otherwise for complex types.
template <class T, class F>
F* routine(FirstUse<F*>& known, const char* real, const char* complex) {
  return routine<T>(known, kComplex<T> ? complex : real);
}

using Length = size_t;

}  // namespace

template <class T>
Int potrf(Int n, T* a) {
  if constexpr (!kComplex<T>) {
    if (n <= small::kLargest) return small::potrf(n, a);
  }
  using F = void(const char*, const Int*, T*, const Int*, Int*, Length);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "potrf");
  Int info = 0;
  f("L", &n, a, &n, &info, 1);
  return info;
}

template <class T>
void trsm(bool upper, Int n, Int columns, const T* t, T* a) {
  if constexpr (!kComplex<T>) {
    if (n <= small::kLargest) return small::trsm(upper, n, columns, t, a);
  }
  using F = void(const char*, const char*, const char*, const char*, const Int*, const Int*,
                 const T*, const T*, const Int*, T*, const Int*, Length, Length, Length, Length);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "trsm");
  const T one(1);
  f("L", upper ? "U" : "L", "N", "N", &n, &columns, &one, t, &n, a, &n, 1, 1, 1, 1);
}

template <class T>
Int getrf(Int m, Int n, T* a, Int* pivots) {
  if constexpr (!kComplex<T>) {
    if (m <= small::kLargest && n <= small::kLargest) return small::getrf(m, n, a, pivots);
  }
  using F = void(const Int*, const Int*, T*, const Int*, Int*, Int*);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "getrf");
  Int info = 0;
  f(&m, &n, a, &m, pivots, &info);
  return info;
}

template <class T>
Int getrs(bool adjoint, Int n, Int columns, const T* lu, const Int* pivots, T* b) {
  if constexpr (!kComplex<T>) {
    if (n <= small::kLargest) {
      small::getrs(adjoint, n, columns, lu, pivots, b);
      return 0;
    }
  }
  using F = void(const char*, const Int*, const Int*, const T*, const Int*, const Int*, T*,
                 const Int*, Int*, Length);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "getrs");
  Int info = 0;
  f(adjoint ? "C" : "N", &n, &columns, lu, &n, pivots, b, &n, &info, 1);
  return info;
}

template <class T>
Int geqrf(Int m, Int n, T* a, T* tau, T* work, Int lwork) {
  using F = void(const Int*, const Int*, T*, const Int*, T*, T*, const Int*, Int*);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "geqrf");
  Int info = 0;
  f(&m, &n, a, &m, tau, work, &lwork, &info);
  return info;
}

template <class T>
Int orgqr(Int m, Int columns, Int vectors, T* a, const T* tau, T* work, Int lwork) {
  using F =
      void(const Int*, const Int*, const Int*, T*, const Int*, const T*, T*, const Int*, Int*);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "orgqr", "ungqr");
  Int info = 0;
  f(&m, &columns, &vectors, a, &m, tau, work, &lwork, &info);
  return info;
}

template <class T>
Int gesdd(char job, Int m, Int n, T* a, Real<T>* s, T* u, T* vt, T* work, Int lwork, Real<T>* rwork,
          Int* iwork) {
  Int info = 0;
  const Int k = m < n ? m : n;
  if constexpr (kComplex<T>) {
    using F = void(const char*, const Int*, const Int*, T*, const Int*, Real<T>*, T*, const Int*,
                   T*, const Int*, T*, const Int*, Real<T>*, Int*, Int*, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "gesdd");
    f(&job, &m, &n, a, &m, s, u, &m, vt, &k, work, &lwork, rwork, iwork, &info, 1);
  } else {
    using F = void(const char*, const Int*, const Int*, T*, const Int*, T*, T*, const Int*, T*,
                   const Int*, T*, const Int*, Int*, Int*, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "gesdd");
    f(&job, &m, &n, a, &m, s, u, &m, vt, &k, work, &lwork, iwork, &info, 1);
  }
  return info;
}

template <class T>
Int gesvd(char job, Int m, Int n, T* a, Real<T>* s, T* u, T* vt, T* work, Int lwork,
          Real<T>* rwork) {
  Int info = 0;
  const Int k = m < n ? m : n;
  if constexpr (kComplex<T>) {
    using F = void(const char*, const char*, const Int*, const Int*, T*, const Int*, Real<T>*, T*,
                   const Int*, T*, const Int*, T*, const Int*, Real<T>*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "gesvd");
    f(&job, &job, &m, &n, a, &m, s, u, &m, vt, &k, work, &lwork, rwork, &info, 1, 1);
  } else {
    using F = void(const char*, const char*, const Int*, const Int*, T*, const Int*, T*, T*,
                   const Int*, T*, const Int*, T*, const Int*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "gesvd");
    f(&job, &job, &m, &n, a, &m, s, u, &m, vt, &k, work, &lwork, &info, 1, 1);
  }
  return info;
}

template <class T>
Int heevd(char job, Int n, T* a, Real<T>* w, T* work, Int lwork, Real<T>* rwork, Int lrwork,
          Int* iwork, Int liwork) {
  Int info = 0;
  if constexpr (kComplex<T>) {
    using F = void(const char*, const char*, const Int*, T*, const Int*, Real<T>*, T*, const Int*,
                   Real<T>*, const Int*, Int*, const Int*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "heevd");
    f(&job, "L", &n, a, &n, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1, 1);
  } else {
    using F = void(const char*, const char*, const Int*, T*, const Int*, T*, T*, const Int*, Int*,
                   const Int*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "syevd");
    f(&job, "L", &n, a, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
  }
  return info;
}

template <class T>
Int sterf(Int n, T* d, T* e) {
  using F = void(const Int*, T*, T*, Int*);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "sterf");
  Int info = 0;
  f(&n, d, e, &info);
  return info;
}

template <class T>
Int steqr(Int n, T* d, T* e, T* z, T* work) {
  using F = void(const char*, const Int*, T*, T*, T*, const Int*, T*, Int*, Length);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "steqr");
  Int info = 0;
  f("I", &n, d, e, z, &n, work, &info, 1);
  return info;
}

template <class T>
Int bdsdc(char job, Int n, T* d, T* e, T* u, T* vt, T* work, Int* iwork) {
  using F = void(const char*, const char*, const Int*, T*, T*, T*, const Int*, T*, const Int*, T*,
                 Int*, T*, Int*, Int*, Length, Length);
  static constinit FirstUse<F*> known;
  F* const f = routine<T>(known, "bdsdc");
  Int info = 0;
  f("U", &job, &n, d, e, u, &n, vt, &n, nullptr, nullptr, work, iwork, &info, 1, 1);
  return info;
}

template <class T>
Int geev(char job, Int n, T* a, T* w, T* wi, T* v, T* work, Int lwork, Real<T>* rwork) {
  Int info = 0;
  const Int one = 1;
  if constexpr (kComplex<T>) {
    using F = void(const char*, const char*, const Int*, T*, const Int*, T*, T*, const Int*, T*,
                   const Int*, T*, const Int*, Real<T>*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "geev");
    f("N", &job, &n, a, &n, w, nullptr, &one, v, &n, work, &lwork, rwork, &info, 1, 1);
  } else {
    using F = void(const char*, const char*, const Int*, T*, const Int*, T*, T*, T*, const Int*, T*,
                   const Int*, T*, const Int*, Int*, Length, Length);
    static constinit FirstUse<F*> known;
    F* const f = routine<T>(known, "geev");
    f("N", &job, &n, a, &n, w, wi, nullptr, &one, v, &n, work, &lwork, &info, 1, 1);
  }
  return info;
}

#define OLIVINE_LAPACK(T)                                                               \
  template Int potrf<T>(Int, T*);                                                       \
  template void trsm<T>(bool, Int, Int, const T*, T*);                                  \
  template Int getrf<T>(Int, Int, T*, Int*);                                            \
  template Int getrs<T>(bool, Int, Int, const T*, const Int*, T*);                      \
  template Int geqrf<T>(Int, Int, T*, T*, T*, Int);                                     \
  template Int orgqr<T>(Int, Int, Int, T*, const T*, T*, Int);                          \
  template Int gesdd<T>(char, Int, Int, T*, Real<T>*, T*, T*, T*, Int, Real<T>*, Int*); \
  template Int gesvd<T>(char, Int, Int, T*, Real<T>*, T*, T*, T*, Int, Real<T>*);       \
  template Int heevd<T>(char, Int, T*, Real<T>*, T*, Int, Real<T>*, Int, Int*, Int);    \
  template Int geev<T>(char, Int, T*, T*, T*, T*, T*, Int, Real<T>*);
OLIVINE_LAPACK(float)
OLIVINE_LAPACK(double)
OLIVINE_LAPACK(std::complex<float>)
OLIVINE_LAPACK(std::complex<double>)
#undef OLIVINE_LAPACK
#define OLIVINE_LAPACK(T)                     \
  template Int sterf<T>(Int, T*, T*);         \
  template Int steqr<T>(Int, T*, T*, T*, T*); \
  template Int bdsdc<T>(char, Int, T*, T*, T*, T*, T*, Int*);
OLIVINE_LAPACK(float)
OLIVINE_LAPACK(double)
#undef OLIVINE_LAPACK

}  // namespace olivine::cpu::lapack
