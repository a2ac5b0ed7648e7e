// The kernel of arange.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/half-inl.h"
#include "ops/creation_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T, class V>
OLIVINE_OP T cast(V v) {
  if constexpr (std::is_same_v<T, bfloat16_t>) {
    return float_to_half(bfloat16_t{}, static_cast<float>(v));
  } else if constexpr (std::is_same_v<T, float16_t>) {
    return float_to_half(float16_t{}, static_cast<float>(v));
  } else if constexpr (scalar::is_complex_v<T>) {
    return T{static_cast<decltype(T::re)>(v), 0};
  } else if constexpr (std::is_integral_v<T> && !std::is_integral_v<V>) {
    return static_cast<T>(static_cast<int64_t>(v));
  } else {
    return static_cast<T>(v);
  }
}

template <class T>
void arange(const KernelCall& c) {
  const auto& p = c.as<ArangeParams>();
  T* out = c.out[0].as<T>();
  parallel_for(p.size, 32768, [&](int64_t begin, int64_t end) {
    if (p.integral) {
      uint64_t first = static_cast<uint64_t>(p.first), delta = static_cast<uint64_t>(p.delta);
      for (int64_t i = begin; i < end; ++i) {
        out[i] = cast<T>(static_cast<int64_t>(first + static_cast<uint64_t>(i) * delta));
      }
    } else {
      double start = p.start, step = p.step;
      for (int64_t i = begin; i < end; ++i) {
        out[i] = cast<T>(start + static_cast<double>(i) * step);
      }
    }
    if (p.pinned && end == p.size) out[end - 1] = cast<T>(p.last);
  });
}

}  // namespace

void register_creation(KernelTable& t) {
  t.add("arange", uint8, {.run = arange<uint8_t>});
  t.add("arange", uint16, {.run = arange<uint16_t>});
  t.add("arange", uint32, {.run = arange<uint32_t>});
  t.add("arange", uint64, {.run = arange<uint64_t>});
  t.add("arange", int8, {.run = arange<int8_t>});
  t.add("arange", int16, {.run = arange<int16_t>});
  t.add("arange", int32, {.run = arange<int32_t>});
  t.add("arange", int64, {.run = arange<int64_t>});
  t.add("arange", float16, {.run = arange<float16_t>});
  t.add("arange", bfloat16, {.run = arange<bfloat16_t>});
  t.add("arange", float32, {.run = arange<float>});
  t.add("arange", float64, {.run = arange<double>});
  t.add("arange", complex64, {.run = arange<scalar::Complex<float>>});
  t.add("arange", complex128, {.run = arange<scalar::Complex<double>>});
}

}  // namespace olivine::cpu::OLIVINE_ISA
