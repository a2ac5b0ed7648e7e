// Speed of element-wise work on the CPU: single ops and fused programs, beside plain copying.
//
// Usage: elementwise [millions of elements]. GB/s counts the bytes that must be read and written;
// buffers are reused, so no page is fresh.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"
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

struct Memory {
  explicit Memory(size_t bytes) : bytes(bytes), data(std::aligned_alloc(64, bytes)) {
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
    ProgramBuilder b;  // x * (1 + erf(x / sqrt(2))) / 2
    const uint16_t x = b.leaf(t), root2 = b.leaf(t), one = b.leaf(t), two = b.leaf(t);
    const uint16_t e = b.op("erf", b.op("divide", x, root2, t), t);
    b.program.outputs = {b.op("divide", b.op("multiply", x, b.op("add", one, e, t), t), two, t)};
    const auto program = cpu_backend().prepare(b.program);
    const View views[] = {vector_view(in, n, t), constant(0, std::sqrt(2.f)), constant(1, 1),
                          constant(2, 2)};
    const View result = vector_view(out, n, t);
    report(std::string("gelu by erf ") + label, bytes,
           seconds_of([&] { program->run(views, {&result, 1}); }));
  }
  {
    ProgramBuilder b;  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    const uint16_t x = b.leaf(t), k = b.leaf(t), c = b.leaf(t), one = b.leaf(t), half = b.leaf(t);
    const uint16_t cube = b.op("multiply", b.op("multiply", x, x, t), x, t);
    const uint16_t inner = b.op("add", x, b.op("multiply", k, cube, t), t);
    const uint16_t th = b.op("tanh", b.op("multiply", c, inner, t), t);
    b.program.outputs = {b.op("multiply", b.op("multiply", half, x, t), b.op("add", one, th, t), t)};
    const auto program = cpu_backend().prepare(b.program);
    const View views[] = {vector_view(in, n, t), constant(0, 0.044715f),
                          constant(1, std::sqrt(2 / 3.14159265f)), constant(2, 1), constant(3, .5f)};
    const View result = vector_view(out, n, t);
    report(std::string("gelu by tanh ") + label, bytes,
           seconds_of([&] { program->run(views, {&result, 1}); }));
  }
}

void bench_single(int64_t n, const Memory& a, const Memory& b, const Memory& out) {
  const double size = static_cast<double>(n) * 4;
  const View x = vector_view(a, n), y = vector_view(b, n), o = vector_view(out, n);
  const View both[] = {x, y};
  report("add", 3 * size, seconds_of([&] {
           cpu_backend().run_elementwise(op_id("add"), float32, both, o);
         }));
  for (const char* name : {"negative", "sqrt", "exp", "log", "sin", "tanh", "erf", "sigmoid"}) {
    report(name, 2 * size, seconds_of([&] {
             cpu_backend().run_elementwise(op_id(name), float32, {&x, 1}, o);
           }));
  }
  report("power", 3 * size, seconds_of([&] {
           cpu_backend().run_elementwise(op_id("power"), float32, both, o);
         }));
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
  } cases[] = {{"add a row", {0, 1}, 1}, {"add a column", {1, 0}, 1}, {"add a transpose", {1, rows}, 2}};
  for (const auto& c : cases) {
    const View in[] = {x, view(b, {rows, columns}, c.strides)};
    report(c.name, (c.reads + 1) * size, seconds_of([&] {
             cpu_backend().run_elementwise(op_id("add"), float32, in, o);
           }));
  }
  report("copy a transpose", 2 * size, seconds_of([&] { cpu_backend().copy(transposed, o); }));
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

int main(int argc, char** argv) {
  const int64_t n = (argc > 1 ? std::atoll(argv[1]) : 16) << 20;
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
  bench_gelu(n, a, out, float32, "float32");
  bench_gelu(n, a, out, bfloat16, "bfloat16");
  bench_single(n, a, b, out);
  bench_layouts(4096, a, b, out);
  bench_overhead(a, b, out);
}
