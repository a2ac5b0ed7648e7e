// Rows of x as fixed point (quantized_fixed.h): a plane of words, then one of bytes below it.
#include "backends/cpu/kernels/quantized-prepare-inl.h"
#include "backends/cpu/madd/quantized_kernels.h"
#include "backends/cpu/madd/words-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
OLIVINE_INLINE __m256 load_eight(const T* x) {
  return (__m256)load_native<float>(x);
}

// op over all lanes.
template <class F>
OLIVINE_INLINE uint32_t fold_words(__m256i v, F op) {
  __m128i r = op(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  r = op(r, _mm_shuffle_epi32(r, 0x4e));
  return uint32_t(_mm_cvtsi128_si32(op(r, _mm_shuffle_epi32(r, 0xb1))));
}

template <class T>
uint32_t largest_bits(const T* x, int64_t size) {
  __m256i largest = _mm256_setzero_si256();
  for (int64_t i = 0; i < size; i += 8) {
    const __m256i v = (__m256i)load_eight(x + i);
    largest = _mm256_max_epu32(largest, _mm256_and_si256(v, _mm256_set1_epi32(0x7fffffff)));
  }
  return fold_words(largest, [](__m128i a, __m128i b) { return _mm_max_epu32(a, b); });
}

// Words of two registers, in order; their low halves, or their high ones.
OLIVINE_INLINE __m256i pack_words(__m256i a, __m256i b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
}
// The words of a step in the order of its codes.
template <Code c>
OLIVINE_INLINE void put_words(const __m256i (&q)[4], __m256i (&words)[2]) {
  words[0] = pack_words(q[0], q[1]);
  words[1] = pack_words(q[2], q[3]);
  if constexpr (kPairs<c>) {
    const __m256i a = words[0], b = words[1];
    words[0] = pack_words(_mm256_srai_epi32(_mm256_slli_epi32(a, 16), 16),
                          _mm256_srai_epi32(_mm256_slli_epi32(b, 16), 16));
    words[1] = pack_words(_mm256_srai_epi32(a, 16), _mm256_srai_epi32(b, 16));
  }
}
OLIVINE_INLINE void store_32(void* to, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), v);
}

// A step of 24-bit integers, or of 16-bit ones that stand for 256 times themselves.
template <int P, Code c>
OLIVINE_INLINE void put_step(const __m256i (&q)[4], const Row& row, int64_t at) {
  __m256i high[4], words[2];
  for (int i = 0; i < 4; ++i) {
    high[i] = P == 2 ? q[i] : _mm256_srai_epi32(_mm256_add_epi32(q[i], _mm256_set1_epi32(128)), 8);
  }
  put_words<c>(high, words);
  store_32(row.planes + 2 * at, words[0]);
  store_32(row.planes + 2 * at + 32, words[1]);
  int8_t* low = row.planes + 2 * row.plane_bytes + at;
  if constexpr (P == 2) return store_32(low, _mm256_setzero_si256());
  for (int i = 0; i < 4; ++i) high[i] = _mm256_sub_epi32(q[i], _mm256_slli_epi32(high[i], 8));
  put_words<c>(high, words);
  store_32(low, _mm256_permute4x64_epi64(_mm256_packs_epi16(words[0], words[1]), 0xd8));
}

template <int P, Code c, class T>
bool fill_planes(const Row& row, const T* x, float lost) {
  const __m256 sign = _mm256_set1_ps(-0.0F), part = _mm256_set1_ps(lost);
  constexpr float step = P == 2 ? 256 : 1;
  const auto add = [](__m128i a, __m128i b) { return _mm_add_epi32(a, b); };
  int64_t g = 0, in_group = 0;
  int losses = 0;
  __m256i sum = _mm256_setzero_si256();
  for (int64_t at = 0; at < row.k; at += kStep) {
    __m256i q[4];
    for (int i = 0; i < 4; ++i) {
      const __m256 y = load_eight(x + at + 8 * i) * _mm256_set1_ps(1 / (row.units[g] * step));
      q[i] = _mm256_cvtps_epi32(y);
      const __m256 error = y - _mm256_cvtepi32_ps(q[i]);
      losses += __builtin_popcount(uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(
          _mm256_andnot_ps(sign, error), _mm256_andnot_ps(sign, y) * part, _CMP_GT_OQ))));
      sum = _mm256_add_epi32(sum, q[i]);
      in_group += 8;
      if (in_group == row.size) {
        if (losses * kLostParts > row.size) return false;
        row.sums[g] = float(int32_t(fold_words(sum, add))) * (row.units[g] * step);
        sum = _mm256_setzero_si256();
        in_group = losses = 0;
        ++g;
      }
    }
    put_step<P, c>(q, row, at);
  }
  return true;
}

// Codes in the same order share what is made for them.
void prepare(const FixedPrepareArgs& a) {
  if (a.format.bits == 4) return prepare_codes<Code::u4>(a);
  prepare_codes<Code::u8>(a);
}

int64_t chunk(const QuantFormat& format) {
  int64_t codes = 0;
  with_byte_code(format, [&](auto) { codes = kStep; });
  return codes;
}

}  // namespace

const FixedKernels fixed_kernels{chunk, prepare, fixed_dot, nullptr, 6 * sizeof(float)};

}  // namespace olivine::cpu::OLIVINE_ISA
