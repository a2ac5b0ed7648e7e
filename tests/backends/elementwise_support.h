// What the tests of element-wise loops share: a table per instruction set, and random elements.
#pragma once

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/backend.h"
#include "core/op.h"

namespace olivine::cpu {

inline constexpr Dtype kAllDtypes[] = {bool_,    uint8,   uint16,  uint32,    uint64,
                                       int8,     int16,   int32,   int64,     float16,
                                       bfloat16, float32, float64, complex64, complex128};

// The sets that have element-wise loops of their own.
inline std::vector<Isa> loop_isas() {
  std::vector<Isa> isas = available_isas();
  while (isas.back() >= Isa::avx512_bf16) isas.pop_back();
  return isas;
}
inline const KernelTable& table_of(Isa isa) {
  static std::map<Isa, KernelTable> tables;
  auto it = tables.find(isa);
  if (it == tables.end()) it = tables.emplace(isa, make_kernel_table(isa)).first;
  return it->second;
}

inline const std::vector<std::string>& unary_ops() {
  static const std::vector<std::string> names = {
      "negative",       "abs",       "sign",     "square",
      "reciprocal",     "floor",     "ceil",     "trunc",
      "round",          "sqrt",      "rsqrt",    "exp",
      "expm1",          "log",       "log2",     "log10",
      "log1p",          "sin",       "cos",      "tan",
      "arcsin",         "arccos",    "arctan",   "sinh",
      "cosh",           "tanh",      "arcsinh",  "arccosh",
      "arctanh",        "erf",       "erfinv",   "sigmoid",
      "isnan",          "isinf",     "isfinite", "logical_not",
      "bitwise_invert", "conjugate", "real",     "imag"};
  return names;
}
inline const std::vector<std::string>& binary_ops() {
  static const std::vector<std::string> names = {
      "add",         "subtract",   "multiply",    "divide",      "floor_divide", "remainder",
      "power",       "maximum",    "minimum",     "logaddexp",   "arctan2",      "equal",
      "not_equal",   "less",       "less_equal",  "logical_and", "logical_or",   "logical_xor",
      "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift",  "right_shift"};
  return names;
}

inline Dtype result_dtype(const std::string& op, Dtype t) {
  static const std::vector<std::string> bools = {"equal", "not_equal", "less",    "less_equal",
                                                 "isnan", "isinf",     "isfinite"};
  for (const auto& b : bools) {
    if (op == b) return bool_;
  }
  if (op == "abs" || op == "real" || op == "imag") return real_type(t);
  if (op.starts_with("astype_")) {
    for (Dtype d : kAllDtypes) {
      if (op.substr(7) == name(d)) return d;
    }
  }
  return t;
}

// Whether elements have the same bits; NaNs may differ, as compilers swap operands of a sum.
inline bool same_elements(const char* a, const char* b, size_t n, Dtype t) {
  if (!is_inexact(t)) return std::memcmp(a, b, n * t.size()) == 0;
  auto same = [&]<class T>(T) {
    for (size_t i = 0; i < n * t.size() / sizeof(T); ++i) {
      T x, y;
      std::memcpy(&x, a + i * sizeof(T), sizeof(T));
      std::memcpy(&y, b + i * sizeof(T), sizeof(T));
      if (std::memcmp(&x, &y, sizeof(T)) == 0) continue;
      if constexpr (std::is_floating_point_v<T>) {
        if (x == x || y == y) return false;
      } else {
        const float u = to_float(x), v = to_float(y);
        if (u == u || v == v) return false;
      }
    }
    return true;
  };
  if (t == float16) return same(float16_t{});
  if (t == bfloat16) return same(bfloat16_t{});
  return real_type(t) == float32 ? same(float{}) : same(double{});
}
inline bool same_elements(const std::vector<char>& a, const std::vector<char>& b, Dtype t) {
  return a.size() == b.size() && same_elements(a.data(), b.data(), a.size() / t.size(), t);
}

// Elements of any dtype: small numbers, and for floats now and then a special or huge one.
inline std::vector<char> random_elements(Dtype t, size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<char> bytes(n * t.size());
  auto real = [&]() -> double {
    switch (rng() % 32) {
      case 0:
        return HUGE_VAL;
      case 1:
        return -HUGE_VAL;
      case 2:
        return std::nan("");
      case 3:
        return -0.0;
      case 4:
        return 1e30;
      case 5:
        return 1e-42;
      case 6:
        return 3e6;
      default:
        return std::uniform_real_distribution<>(-4, 4)(rng);
    }
  };
  for (size_t i = 0; i < n; ++i) {
    char* at = bytes.data() + i * t.size();
    auto put = [&](auto v) { std::memcpy(at, &v, sizeof v); };
    switch (t.val()) {
      case Dtype::Val::bool_:
        put(static_cast<uint8_t>(rng() & 1));
        break;
      case Dtype::Val::float16:
        put(to_float16(static_cast<float>(real())));
        break;
      case Dtype::Val::bfloat16:
        put(to_bfloat16(static_cast<float>(real())));
        break;
      case Dtype::Val::float32:
        put(static_cast<float>(real()));
        break;
      case Dtype::Val::float64:
        put(real());
        break;
      case Dtype::Val::complex64: {
        const float z[2] = {static_cast<float>(real()), static_cast<float>(real())};
        std::memcpy(at, z, 8);
        break;
      }
      case Dtype::Val::complex128: {
        const double z[2] = {real(), real()};
        std::memcpy(at, z, 16);
        break;
      }
      default: {
        const uint64_t bits = rng() % 4 ? rng() % 9 - 4 : rng() * 0x9e3779b97f4a7c15ull;
        std::memcpy(at, &bits, t.size());
      }
    }
  }
  return bytes;
}

}  // namespace olivine::cpu
