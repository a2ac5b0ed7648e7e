// Names, categories and promotion of dtypes, and the conversions of the two 16-bit floats.
#include "olivine/dtype.h"

#include <bit>

namespace olivine {
namespace {

using Category = Dtype::Category;

constexpr std::string_view kNames[Dtype::kCount] = {
    "bool",  "uint8",   "uint16",   "uint32",  "uint64",  "int8",      "int16",     "int32",
    "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"};

constexpr Category kCategories[Dtype::kCount] = {
    Category::generic,         Category::unsignedinteger, Category::unsignedinteger,
    Category::unsignedinteger, Category::unsignedinteger, Category::signedinteger,
    Category::signedinteger,   Category::signedinteger,   Category::signedinteger,
    Category::floating,        Category::floating,        Category::floating,
    Category::floating,        Category::complexfloating, Category::complexfloating};

constexpr Category parent(Category c) {
  switch (c) {
    case Category::complexfloating:
    case Category::floating:
      return Category::inexact;
    case Category::signedinteger:
    case Category::unsignedinteger:
      return Category::integer;
    case Category::inexact:
    case Category::integer:
      return Category::number;
    case Category::number:
    case Category::generic:
      return Category::generic;
  }
  return Category::generic;
}

// The signed integer that holds `u` too; float32 where none does, as MLX promotes.
constexpr Dtype promote_signed_unsigned(Dtype s, Dtype u) {
  if (s.size() > u.size()) return s;
  switch (u.size()) {
    case 1:
      return int16;
    case 2:
      return int32;
    case 4:
      return int64;
    default:
      return float32;
  }
}

constexpr Dtype promote(Dtype a, Dtype b) {
  if (a.val() > b.val()) return promote(b, a);
  if (is_complexfloating(b)) return a == float64 ? complex128 : b;
  if (b == bfloat16 && a == float16) return float32;
  if (is_floating(b)) return b;
  if (is_signed_integer(b) && is_unsigned(a)) return promote_signed_unsigned(b, a);
  return b;  // bool_ with anything, or two integers of one signedness
}

struct PromotionTable {
  Dtype::Val entries[Dtype::kCount][Dtype::kCount];
  constexpr PromotionTable() : entries{} {
    for (int a = 0; a < Dtype::kCount; ++a) {
      for (int b = 0; b < Dtype::kCount; ++b) {
        entries[a][b] = promote(static_cast<Dtype::Val>(a), static_cast<Dtype::Val>(b)).val();
      }
    }
  }
};
constexpr PromotionTable kPromotion;

}  // namespace

Dtype promote_types(Dtype a, Dtype b) { return kPromotion.entries[a.index()][b.index()]; }

Dtype::Category category(Dtype t) { return kCategories[t.index()]; }

bool issubdtype(Dtype a, Dtype b) { return a == b; }
bool issubdtype(Dtype a, Dtype::Category b) { return issubdtype(category(a), b); }
bool issubdtype(Dtype::Category a, Dtype::Category b) {
  while (a != b && a != Category::generic) a = parent(a);
  return a == b;
}

Dtype::Kind kindof(Dtype t) {
  if (t == bool_) return Dtype::Kind::b;
  if (t == bfloat16) return Dtype::Kind::V;  // NumPy has none
  if (is_complexfloating(t)) return Dtype::Kind::c;
  return is_floating(t) ? Dtype::Kind::f : is_unsigned(t) ? Dtype::Kind::u : Dtype::Kind::i;
}

std::string_view name(Dtype t) { return kNames[t.index()]; }

float to_float(float16_t x) {
  uint32_t sign = (x.bits & 0x8000u) << 16;
  uint32_t rest = x.bits & 0x7fffu;
  if (rest >= 0x7c00) {  // infinity and NaN (made quiet)
    uint32_t quiet = rest > 0x7c00 ? 0x400000u : 0;
    return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13 | quiet);
  }
  if (rest < 0x400) {  // zero and subnormals: multiples of 2^-24
    float magnitude = static_cast<float>(rest) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((rest << 13) + (112u << 23)));
}

float to_float(bfloat16_t x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }

float16_t to_float16(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  uint32_t sign = (bits >> 16) & 0x8000u;
  uint32_t rest = bits & 0x7fffffffu;
  uint32_t out;
  if (rest > 0x7f800000u) {
    out = 0x7e00u | ((rest >> 13) & 0x3ffu);  // quiet, top of the payload kept
  } else if (rest >= 0x477ff000u) {
    out = 0x7c00u;  // from 65520 on, nearest is infinity
  } else if (rest < 0x38800000u) {
    // 0.5f has an ulp of 2^-24, the unit of subnormals, so this addition rounds as wanted.
    out = std::bit_cast<uint32_t>(std::bit_cast<float>(rest) + 0.5f) - 0x3f000000u;
  } else {
    out = (rest - (112u << 23) + 0xfffu + ((rest >> 13) & 1u)) >> 13;
  }
  return float16_t::from_bits(static_cast<uint16_t>(sign | out));
}

bfloat16_t to_bfloat16(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return bfloat16_t::from_bits(static_cast<uint16_t>(bits >> 16 | 0x40u));
  }
  return bfloat16_t::from_bits(static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16));
}

}  // namespace olivine
