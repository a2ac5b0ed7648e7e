// The kernel of random_bits, and the loops of functions that only distributions use.
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

struct Stream {
  uint32_t k0, k1;
  char* out;      // not aligned to words when a key's bytes are not whole words
  int64_t bytes;  // of this key

  void store(int64_t word, const uint32_t* values, int64_t n) const {
    int64_t at = 4 * word, size = bytes - at < 4 * n ? bytes - at : 4 * n;
    std::memcpy(out + at, values, static_cast<size_t>(size));
  }
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

void random_bits(const KernelCall& c) {
  const auto& p = c.as<RandomBitsParams>();
  const uint32_t* keys = c.in[0].as<const uint32_t>();
  int64_t count = c.in[0].size() / 2, bytes = p.width;
  for (int64_t d : p.shape) bytes *= d;
  int64_t words = (bytes + 3) / 4, half = words / 2, second = words - half;
  if (words == 0) return;
  auto stream = [&](int64_t k) {
    return Stream{keys[2 * k], keys[2 * k + 1], c.out[0].as<char>() + k * bytes, bytes};
  };
  // Chunks of whole keys, or of one key's blocks.
  int64_t per_key = (half + kBlock - 1) / kBlock;
  if (per_key < 1) per_key = 1;
  int64_t used = half < kBlock ? half + 1 : kBlock;
  parallel_for(count * per_key, 16384 / used, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      int64_t k = begin / per_key, first = begin % per_key;
      int64_t last = per_key < first + end - begin ? per_key : first + end - begin;
      Stream s = stream(k);
      s.fill(first * kBlock, half < last * kBlock ? half : last * kBlock, second);
      if (first == 0 && second != half) s.fill_middle(half);
      begin += last - first;
    }
  });
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
}

}  // namespace olivine::cpu::OLIVINE_ISA
