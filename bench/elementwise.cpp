// Speed of element-wise work on the CPU: single ops and fused programs, beside plain copying.
//
// Usage: elementwise [millions of elements]. GB/s counts the bytes that must be read and written;
// buffers are reused, so no page is fresh, and lie on huge pages, as the allocator's do. No build
// makes it; link it with the core's objects, as the C++ tests are:
//   g++ -std=c++20 -O2 -Iinclude -Isrc bench/elementwise.cpp $(find
//   build/release/CMakeFiles/olivine_*
//     -name '*.o' | grep -v 'bindings\|/tests') -o elementwise
#include <sys/mman.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "backends/backend.h"
#include "backends/cpu/backend.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/kernel_table.h"
#include "core/layout.h"
#include "core/op.h"
#include "runtime/thread_pool.h"

namespace {

using namespace olivine;

double seconds_of(auto&& body) {
  double best = 1e9;
  for (int round = 0; round < 12; ++round) {
    auto start = std::chrono::steady_clock::now();
    body();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

constexpr size_t kHuge = 2 << 20;

struct Memory {
  explicit Memory(size_t size)
      : bytes((size + kHuge - 1) / kHuge * kHuge), data(std::aligned_alloc(kHuge, bytes)) {
    madvise(data, bytes, MADV_HUGEPAGE);  // as the allocator does
    std::memset(data, 1, bytes);
  }
  ~Memory() { std::free(data); }
  Memory(const Memory&) = delete;
  size_t bytes;
  void* data;
};

View view(const Memory& m, Shape shape, Strides strides, Dtype t = float32) {
  return {m.data, t, std::move(shape), std::move(strides)};
}
View vector_view(const Memory& m, int64_t n, Dtype t = float32) { return view(m, {n}, {1}, t); }

// Builds programs in the order of evaluation.
class ProgramBuilder {
 public:
  uint16_t leaf(Dtype t = float32) {
    program.leaves.push_back(t);
    return static_cast<uint16_t>(program.leaves.size() - 1);
  }
  uint16_t op(const char* name, uint16_t a, Dtype t = float32) { return add(name, t, 1, {a}); }
  uint16_t op(const char* name, uint16_t a, uint16_t b, Dtype t = float32) {
    return add(name, t, 2, {a, b});
  }
  Program program;

 private:
  uint16_t add(const char* name, Dtype t, uint8_t arity, std::initializer_list<uint16_t> src) {
    Instr i{op_id(name), t, t, arity, {}};
    std::copy(src.begin(), src.end(), i.src);
    program.code.push_back(i);
    return static_cast<uint16_t>(program.leaves.size() + program.code.size() - 1);
  }
};

double copy_rate = 0;

void report(const std::string& name, double bytes, double seconds) {
  std::printf("%-28s %9.3f ms %8.2f GB/s %5.0f %% of copy\n", name.c_str(), seconds * 1e3,
              bytes / seconds / 1e9, 100 * bytes / seconds / copy_rate);
}

void bench_gelu(int64_t n, const Memory& in, const Memory& out, Dtype t, const char* label) {
  Memory scalars(4096);
  const double bytes = 2. * static_cast<double>(n) * static_cast<double>(t.size());
  auto constant = [&](int i, float v) {
    char* at = static_cast<char*>(scalars.data) + 64 * i;
    if (t == float32) {
      std::memcpy(at, &v, 4);
    } else {
      const bfloat16_t h = to_bfloat16(v);
      std::memcpy(at, &h, 2);
    }
    return View{at, t, {n}, {0}};
  };
  {
    ProgramBuilder b;  // x * (0.5 * (1 + erf(x * sqrt(1/2)))), as nn.gelu
    const uint16_t x = b.leaf(t), root = b.leaf(t), one = b.leaf(t), half = b.leaf(t);
    const uint16_t e = b.op("erf", b.op("multiply", x, root, t), t);
    b.program.outputs = {b.op("multiply", x, b.op("multiply", half, b.op("add", one, e, t), t), t)};
    const auto program = cpu_backend().prepare(b.program);
    const View views[] = {vector_view(in, n, t), constant(0, std::sqrt(.5f)), constant(1, 1),
                          constant(2, .5f)};
    const View result = vector_view(out, n, t);
    report(std::string("gelu by erf ") + label, bytes, seconds_of([&] {
             program->run(views, {&result, 1});
           }));
  }
  {
    ProgramBuilder b;  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    const uint16_t x = b.leaf(t), k = b.leaf(t), c = b.leaf(t), one = b.leaf(t), half = b.leaf(t);
    const uint16_t cube = b.op("multiply", b.op("multiply", x, x, t), x, t);
    const uint16_t inner = b.op("add", x, b.op("multiply", k, cube, t), t);
    const uint16_t th = b.op("tanh", b.op("multiply", c, inner, t), t);
    b.program.outputs = {
        b.op("multiply", b.op("multiply", half, x, t), b.op("add", one, th, t), t)};
    const auto program = cpu_backend().prepare(b.program);
    const View views[] = {vector_view(in, n, t), constant(0, 0.044715f),
                          constant(1, std::sqrt(2 / 3.14159265f)), constant(2, 1),
                          constant(3, .5f)};
    const View result = vector_view(out, n, t);
    report(std::string("gelu by tanh ") + label, bytes, seconds_of([&] {
             program->run(views, {&result, 1});
           }));
  }
}

void bench_single(int64_t n, const Memory& a, const Memory& b, const Memory& out) {
  const double size = static_cast<double>(n) * 4;
  const View x = vector_view(a, n), y = vector_view(b, n), o = vector_view(out, n);
  const View both[] = {x, y};
  report("add", 3 * size,
         seconds_of([&] { cpu_backend().run_elementwise(op_id("add"), float32, both, o); }));
  for (const char* name : {"negative", "sqrt", "exp", "log", "sin", "tanh", "erf", "sigmoid"}) {
    report(name, 2 * size, seconds_of([&] {
             cpu_backend().run_elementwise(op_id(name), float32, {&x, 1}, o);
           }));
  }
  report("power", 3 * size,
         seconds_of([&] { cpu_backend().run_elementwise(op_id("power"), float32, both, o); }));
  const View h = vector_view(out, n, bfloat16);
  report("astype bfloat16", 1.5 * size, seconds_of([&] {
           cpu_backend().run_elementwise(op_id("astype_bfloat16"), float32, {&x, 1}, h);
         }));
}

void bench_layouts(int64_t rows, const Memory& a, const Memory& b, const Memory& out) {
  const int64_t columns = rows;
  const double size = static_cast<double>(rows * columns) * 4;
  const View o = view(out, {rows, columns}, {columns, 1});
  const View x = view(a, {rows, columns}, {columns, 1});
  const View transposed = view(b, {rows, columns}, {1, rows});
  const struct {
    const char* name;
    Strides strides;
    double reads;
  } cases[] = {
      {"add a row", {0, 1}, 1}, {"add a column", {1, 0}, 1}, {"add a transpose", {1, rows}, 2}};
  for (const auto& c : cases) {
    const View in[] = {x, view(b, {rows, columns}, c.strides)};
    report(c.name, (c.reads + 1) * size,
           seconds_of([&] { cpu_backend().run_elementwise(op_id("add"), float32, in, o); }));
  }
  report("copy a transpose", 2 * size, seconds_of([&] { cpu_backend().copy(transposed, o); }));
}

// The loops alone, on a tile in the first-level cache. A cycle is a third of a 64-bit product's
// latency.
void bench_loops() {
  constexpr int64_t n = 1024, repeat = 1000;
  uint64_t chain = 3;
  const double cycle = seconds_of([&] {
                         for (int i = 0; i < 100000; ++i) {
                           chain *= chain;
                           asm volatile("" : "+r"(chain));
                         }
                       }) /
                       3e5;
  Memory x(n * 4), y(n * 4), o(n * 4);
  for (int64_t i = 0; i < n; ++i) {
    static_cast<float*>(x.data)[i] = static_cast<float>(i - 500) * 0.01f;
    static_cast<float*>(y.data)[i] = 1.3f + static_cast<float>(i);
  }
  const cpu::KernelTable table = cpu::make_kernel_table(cpu::cpu_isa());
  auto show = [&](const std::string& name, auto&& run) {
    const double s = seconds_of([&] {
                       for (int64_t i = 0; i < repeat; ++i) run();
                     }) /
                     static_cast<double>(repeat * n / 16);
    std::printf("%-28s %9.2f ns %8.2f cycles per 16 floats\n", name.c_str(), s * 1e9, s / cycle);
  };
  for (const char* op : {"multiply", "divide"}) {
    const cpu::Loops* l = table.loops(op_id(op), float32);
    show(std::string(op) + " loop", [&] { l->vv(x.data, y.data, o.data, n); });
    show(std::string(op) + " loop, by a scalar", [&] { l->vs(x.data, y.data, o.data, n); });
  }
  for (const char* op : {"exp", "tanh", "erf", "sigmoid", "log", "sqrt", "sin"}) {
    const cpu::Loops* l = table.loops(op_id(op), float32);
    show(std::string(op) + " loop", [&] { l->v(x.data, o.data, n); });
  }
}

void bench_overhead(const Memory& a, const Memory& b, const Memory& out) {
  const View in[] = {vector_view(a, 16), vector_view(b, 16)};
  const View o = vector_view(out, 16);
  const int op = op_id("add"), repeat = 100000;
  const double s = seconds_of([&] {
    for (int i = 0; i < repeat; ++i) cpu_backend().run_elementwise(op, float32, in, o);
  });
  std::printf("%-28s %9.1f ns\n", "add of 16 elements", s / repeat * 1e9);
}

}  // namespace

// Copies past the caches, the least traffic that a copy can have.
void stream_copy(const char* from, char* to, size_t bytes) {
#if defined(__SSE2__)
  parallel_for(static_cast<int64_t>(bytes / 64), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * 64; i < end * 64; i += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i),
                       _mm_load_si128(reinterpret_cast<const __m128i*>(from + i)));
    }
    _mm_sfence();
  });
#else
  std::memcpy(to, from, bytes);
#endif
}

int main(int argc, char** argv) {
  const int64_t n = static_cast<int64_t>((argc > 1 ? std::atof(argv[1]) : 16) * (1 << 20));
  const size_t bytes = static_cast<size_t>(n) * 4;
  Memory a(bytes), b(bytes), out(bytes);
  for (int64_t i = 0; i < n; ++i) {
    static_cast<float*>(a.data)[i] = 0.5f + static_cast<float>(i % 1000) * 0.004f;
    static_cast<float*>(b.data)[i] = static_cast<float>(i % 777) * 0.003f;
  }
  const View x = vector_view(a, n), o = vector_view(out, n);
  const double s = seconds_of([&] { cpu_backend().copy(x, o); });
  copy_rate = 2 * static_cast<double>(bytes) / s;
  report("copy", 2 * static_cast<double>(bytes), s);
  report("copy, non-temporal", 2 * static_cast<double>(bytes), seconds_of([&] {
           stream_copy(static_cast<char*>(a.data), static_cast<char*>(out.data), bytes);
         }));
  bench_gelu(n, a, out, float32, "float32");
  bench_gelu(n, a, out, bfloat16, "bfloat16");
  bench_single(n, a, b, out);
  bench_layouts(static_cast<int64_t>(std::sqrt(static_cast<double>(n))), a, b, out);
  bench_overhead(a, b, out);
  bench_loops();
}
