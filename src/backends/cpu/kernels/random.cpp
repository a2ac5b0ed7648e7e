// The kernels of random_bits and random_unit, and the loops of functions that only distributions
// use.
//
// The words of one key are w[0 … W). With h = W / 2, word i < h and word W - h + i are the two
// halves of the block with counters (i, W - h + i); the middle word of an odd W is the first half
// of (h, 0).
#include <cstring>

#include "backends/cpu/kernels/elementwise-inl.h"
#include "backends/scalar_random.h"
#include "ops/random_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kBlock = 256;

// The words of one key; To(first word, values, n) stores them.
template <class To>
struct Stream {
  uint32_t k0, k1;
  To store;

  // Blocks [begin, end) of h, h = W / 2.
  void fill(int64_t begin, int64_t end, int64_t second) const {
    uint32_t x[kBlock], y[kBlock];
    const uint32_t a = k0, b = k1;
    for (; begin < end; begin += kBlock) {
      int64_t n = end - begin < kBlock ? end - begin : kBlock;
      const uint32_t c0 = static_cast<uint32_t>(begin);
      const uint32_t c1 = static_cast<uint32_t>(second + begin);
      for (uint32_t i = 0; i < kBlock; ++i) {
        uint32_t x0 = c0 + i, x1 = c1 + i;
        threefry(a, b, x0, x1);
        x[i] = x0;
        y[i] = x1;
      }
      store(begin, x, n);
      store(second + begin, y, n);
    }
  }
  void fill_middle(int64_t word) const {
    uint32_t x0 = static_cast<uint32_t>(word), x1 = 0;
    threefry(k0, k1, x0, x1);
    store(word, &x0, 1);
  }
};

// Draws `words` words for every key; `to(k)` stores those of key k.
template <class F>
void draw(const View& in, int64_t words, F to) {
  const uint32_t* keys = in.as<const uint32_t>();
  const int64_t count = in.size() / 2, half = words / 2, second = words - half;
  if (words == 0) return;
  // Chunks of whole keys, or of one key's blocks.
  int64_t per_key = (half + kBlock - 1) / kBlock;
  if (per_key < 1) per_key = 1;
  int64_t used = half < kBlock ? half + 1 : kBlock;
  parallel_for(count * per_key, 16384 / used, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      int64_t k = begin / per_key, first = begin % per_key;
      int64_t last = per_key < first + end - begin ? per_key : first + end - begin;
      const Stream<decltype(to(k))> s{keys[2 * k], keys[2 * k + 1], to(k)};
      s.fill(first * kBlock, half < last * kBlock ? half : last * kBlock, second);
      if (first == 0 && second != half) s.fill_middle(half);
      begin += last - first;
    }
  });
}

struct ToBytes {
  char* out;      // not aligned to words when a key's bytes are not whole words
  int64_t bytes;  // of this key
  void operator()(int64_t word, const uint32_t* values, int64_t n) const {
    int64_t at = 4 * word, size = bytes - at < 4 * n ? bytes - at : 4 * n;
    std::memcpy(out + at, values, static_cast<size_t>(size));
  }
};

void random_bits(const KernelCall& c) {
  const auto& p = c.as<RandomBitsParams>();
  int64_t bytes = p.width;
  for (int64_t d : p.shape) bytes *= d;
  draw(c.in[0], (bytes + 3) / 4, [&](int64_t k) {
    return ToBytes{c.out[0].as<char>() + k * bytes, bytes};
  });
}

// What lies above the last number below one becomes that number: rounding would make it one.
template <class T>
inline constexpr float last_below_one = 1 - 0x1p-24f;
template <>
inline constexpr float last_below_one<float16_t> = 1 - 0x1p-11f;
template <>
inline constexpr float last_below_one<bfloat16_t> = 1 - 0x1p-8f;

template <class T>
struct ToUnit {
  T* out;
  void operator()(int64_t word, const uint32_t* bits, int64_t n) const {
    constexpr int64_t lanes = kVectorBytes / 4;
    T* to = out + word;
    int64_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      const FloatLanes a = unit_lanes(bits + i), b = unit_lanes(bits + i + lanes);
      if constexpr (std::is_same_v<T, float>) {
        std::memcpy(to + i, &a, sizeof a);
        std::memcpy(to + i + lanes, &b, sizeof b);
      } else {
        store_halves(to + i, a, b);
      }
    }
    for (; i < n; ++i) {
      const float x = static_cast<float>(bits[i]) * 0x1p-32f;
      const float u = x < last_below_one<T> ? x : last_below_one<T>;
      if constexpr (std::is_same_v<T, float>) {
        to[i] = u;
      } else {
        to[i] = float_to_half(T{}, u);
      }
    }
  }
  // Compilers make a comparison and a blend of a minimum.
  static OLIVINE_INLINE FloatLanes unit_lanes(const uint32_t* bits) {
    WordLanes w;
    std::memcpy(&w, bits, sizeof w);
    const FloatLanes x = __builtin_convertvector(w, FloatLanes) * 0x1p-32f;
    const FloatLanes last = last_below_one<T> - FloatLanes{};
#if defined(__AVX512BW__)
    return (FloatLanes)_mm512_maskz_min_ps(0xffff, (__m512)x, (__m512)last);
#elif defined(__AVX2__)
    return (FloatLanes)_mm256_min_ps((__m256)x, (__m256)last);
#elif defined(__SSE2__)
    return (FloatLanes)_mm_min_ps((__m128)x, (__m128)last);
#else
    return x < last ? x : last;
#endif
  }
};
template <class T>
void random_unit_of(const KernelCall& c) {
  int64_t n = 1;
  for (int64_t d : c.as<RandomUnitParams>().shape) n *= d;
  draw(c.in[0], n, [&](int64_t k) { return ToUnit<T>{c.out[0].as<T>() + k * n}; });
}
void random_unit(const KernelCall& c) {
  const Dtype dtype = c.as<RandomUnitParams>().dtype;
  if (dtype == float32) return random_unit_of<float>(c);
  dtype == float16 ? random_unit_of<float16_t>(c) : random_unit_of<bfloat16_t>(c);
}

template <class T>
void erfinv_loop(const void* a, void* out, int64_t n) {
  for (int64_t i = 0; i < n; i += SingleErfinv::kBlock) {
    const int64_t rest = n - i < SingleErfinv::kBlock ? n - i : SingleErfinv::kBlock;
    SingleErfinv::block(static_cast<const T*>(a) + i, static_cast<T*>(out) + i,
                        static_cast<int>(rest));
  }
}

}  // namespace

void register_random(KernelTable& t) {
  add_unary_functions<LibraryLog>(t, "library_log");
  add_unary_functions<LibraryLog1p>(t, "library_log1p");
  add_unary_functions<SingleErf>(t, "single_erf");
  t.add_loops("single_erfinv", float32, {.v = erfinv_loop<float>});
  t.add_loops("single_erfinv", float64, {.v = erfinv_loop<double>});
  t.add_loops("single_erfinv", float16, looked_up<half_v<float16_t, float, erfinv_loop<float>>>());
  t.add_loops("single_erfinv", bfloat16,
              looked_up<half_v<bfloat16_t, float, erfinv_loop<float>>>());
  t.add("random_bits", uint32, {.run = random_bits, .contiguous = 1});
  t.add("random_unit", uint32, {.run = random_unit, .contiguous = 1});
}

}  // namespace olivine::cpu::OLIVINE_ISA
