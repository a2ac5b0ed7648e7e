// Loops of the special functions of cpu/special/, compiled once: all is scalar and in double.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/special/functions.h"

namespace olivine::cpu {
namespace {

using Unary = double (*)(double);
using Binary = double (*)(double, double);
using Ternary = double (*)(double, double, double);

template <class T, Unary f>
void loop_v(const void* pa, void* po, int64_t n) {
  const T* a = static_cast<const T*>(pa);
  T* o = static_cast<T*>(po);
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(f(a[i]));
}
// Steps of 0 for operands of one element.
template <class T, Binary f, int step_a, int step_b>
void loop_vv(const void* pa, const void* pb, void* po, int64_t n) {
  const T* a = static_cast<const T*>(pa);
  const T* b = static_cast<const T*>(pb);
  T* o = static_cast<T*>(po);
  const T first_a = *a, first_b = *b;
  for (int64_t i = 0; i < n; ++i) {
    o[i] = static_cast<T>(f(step_a ? a[i] : first_a, step_b ? b[i] : first_b));
  }
}
template <class T, Ternary f>
void loop_vvv(const void* pa, const void* pb, const void* pc, void* po, int64_t n) {
  const T* a = static_cast<const T*>(pa);
  const T* b = static_cast<const T*>(pb);
  const T* c = static_cast<const T*>(pc);
  T* o = static_cast<T*>(po);
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(f(a[i], b[i], c[i]));
}

template <Unary f>
void add(KernelTable& t, const char* op) {
  t.add_loops(op, float32, {.v = loop_v<float, f>});
  t.add_loops(op, float64, {.v = loop_v<double, f>});
}
template <Binary f>
void add(KernelTable& t, const char* op) {
  t.add_loops(op, float32,
              {.vv = loop_vv<float, f, 1, 1>,
               .sv = loop_vv<float, f, 0, 1>,
               .vs = loop_vv<float, f, 1, 0>});
  t.add_loops(op, float64,
              {.vv = loop_vv<double, f, 1, 1>,
               .sv = loop_vv<double, f, 0, 1>,
               .vs = loop_vv<double, f, 1, 0>});
}
template <Ternary f>
void add(KernelTable& t, const char* op) {
  t.add_loops(op, float32, {.vvv = loop_vvv<float, f>});
  t.add_loops(op, float64, {.vvv = loop_vvv<double, f>});
}

}  // namespace

void register_special(KernelTable& t) {
  add<special::gammaln>(t, "gammaln");
  add<special::gamma>(t, "gamma");
  add<special::digamma>(t, "digamma");
  add<special::zeta>(t, "zeta");
  add<special::betaln>(t, "betaln");
  add<special::gammainc>(t, "gammainc");
  add<special::gammaincc>(t, "gammaincc");
  add<special::gamma_density>(t, "gamma_density");
  add<special::gammainc_da>(t, "gammainc_da");
  add<special::betainc>(t, "betainc");
  add<special::beta_density>(t, "beta_density");
  add<special::betainc_da>(t, "betainc_da");
  add<special::betainc_db>(t, "betainc_db");
  add<special::erfc>(t, "erfc");
  add<special::erfcx>(t, "erfcx");
  add<special::ndtr>(t, "ndtr");
  add<special::log_ndtr>(t, "log_ndtr");
  add<special::ndtri>(t, "ndtri");
  add<special::i0>(t, "i0");
  add<special::i0e>(t, "i0e");
  add<special::i1>(t, "i1");
  add<special::i1e>(t, "i1e");
  add<special::j0>(t, "j0");
  add<special::j1>(t, "j1");
  add<special::y0>(t, "y0");
  add<special::y1>(t, "y1");
  add<special::expi>(t, "expi");
  add<special::exp1>(t, "exp1");
  add<special::spence>(t, "spence");
}

}  // namespace olivine::cpu
