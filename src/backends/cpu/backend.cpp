// The CPU backend: its table of kernels for the chosen instruction set, and element-wise work.
#include "backends/backend.h"

#include "backends/cpu/arithmetic_run.h"
#include "backends/cpu/backend.h"
#include "backends/cpu/families.h"
#include "backends/cpu/fused.h"
#include "backends/cpu/tile.h"
#include "core/error.h"
#include "core/layout.h"
#include "core/op.h"
#include "runtime/process_locks.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {

#define DECLARE(F) void register_##F(KernelTable& table);
namespace plain {
OLIVINE_ISA_FAMILIES(DECLARE)
}
namespace avx2 {
OLIVINE_ISA_FAMILIES(DECLARE)
}
namespace avx512 {
OLIVINE_ISA_FAMILIES(DECLARE)
}
OLIVINE_COMMON_FAMILIES(DECLARE)
#undef DECLARE

KernelTable make_kernel_table(Isa isa) {
  KernelTable table;
#define REGISTER_PLAIN(F) plain::register_##F(table);
#define REGISTER_AVX2(F) avx2::register_##F(table);
#define REGISTER_AVX512(F) avx512::register_##F(table);
#define REGISTER(F) register_##F(table);
  switch (isa) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      OLIVINE_ISA_FAMILIES(REGISTER_AVX512) break;
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      OLIVINE_ISA_FAMILIES(REGISTER_AVX2) break;
#endif
    default:
      OLIVINE_ISA_FAMILIES(REGISTER_PLAIN) break;
  }
  OLIVINE_COMMON_FAMILIES(REGISTER)
#undef REGISTER_PLAIN
#undef REGISTER_AVX2
#undef REGISTER_AVX512
#undef REGISTER
  return table;
}

namespace {

// Elements of an op that are worth looking for a table of its results.
constexpr int64_t kTabledFrom = 1 << 16;

// How an operand of a contiguous loop can be read.
enum class Read { vector, scalar, strided };

Read classify(const View& v, int64_t n) {
  if (n == 1) return Read::scalar;
  if (is_row_contiguous(v.shape, v.strides)) return Read::vector;
  for (size_t d = 0; d < v.shape.size(); ++d) {
    if (v.shape[d] != 1 && v.strides[d] != 0) return Read::strided;
  }
  return Read::scalar;
}

// One loop over contiguous or scalar operands; false if an operand is neither or a form is missing.
class FlatLoop {
 public:
  bool bind(const Loops& loops, std::span<const View> in, const View& out, int64_t n) {
    arity_ = in.size();
    out_ = static_cast<char*>(out.data);
    out_size_ = static_cast<int64_t>(out.dtype.size());
    for (size_t k = 0; k < arity_; ++k) {
      read_[k] = classify(in[k], n);
      if (read_[k] == Read::strided) return false;
      in_[k] = static_cast<const char*>(in[k].data);
      step_[k] = read_[k] == Read::vector ? static_cast<int64_t>(in[k].dtype.size()) : 0;
    }
    const bool single = n == 1;
    if (arity_ == 1) {
      unary_ = single || read_[0] == Read::vector ? loops.v : nullptr;
      return unary_ != nullptr;
    }
    if (arity_ == 2) {
      const bool a = read_[0] == Read::vector, b = read_[1] == Read::vector;
      binary_ = (a && b) || single ? loops.vv : a ? loops.vs : b ? loops.sv : nullptr;
      return binary_ != nullptr;
    }
    const bool all =
        read_[0] == Read::vector && read_[1] == Read::vector && read_[2] == Read::vector;
    ternary_ = all || single ? loops.vvv : nullptr;
    return ternary_ != nullptr;
  }

  // Whether one of two operands is one element for all.
  bool has_number() const {
    return arity_ == 2 && (read_[0] == Read::scalar) != (read_[1] == Read::scalar);
  }

  void run(int64_t begin, int64_t end) const {
    const int64_t n = end - begin;
    char* o = out_ + begin * out_size_;
    const char* a = in_[0] + begin * step_[0];
    if (arity_ == 1) return unary_(a, o, n);
    const char* b = in_[1] + begin * step_[1];
    if (arity_ == 2) return binary_(a, b, o, n);
    ternary_(a, b, in_[2] + begin * step_[2], o, n);
  }

 private:
  size_t arity_ = 0;
  Read read_[3];
  const char* in_[3];
  int64_t step_[3];
  char* out_ = nullptr;
  int64_t out_size_ = 0;
  Loops::Unary unary_ = nullptr;
  Loops::Binary binary_ = nullptr;
  Loops::Ternary ternary_ = nullptr;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(Isa isa) : table_(make_kernel_table(isa)) {}

  std::string_view name() const override { return "cpu"; }
  const Kernel* kernel(int op, Dtype key) const override { return table_.kernel(op, key); }
  bool fuses(int op, Dtype key) const override { return table_.loops(op, key) != nullptr; }
  int arity(int op, Dtype key) const override {
    const Loops* loops = table_.loops(op, key);
    return !loops ? 0 : loops->v ? 1 : loops->vv ? 2 : 3;
  }
  std::unique_ptr<PreparedProgram> prepare(const Program& program) const override {
    return prepare_program(program, table_);
  }
  void copy(const View& in, const View& out) const override { copy_view(in, out); }

  void run_elementwise(int op, Dtype key, std::span<const View> in,
                       const View& out) const override {
    const Loops* loops = table_.loops(op, key);
    if (!loops) fail("[", op_name(op), "] expected a dtype with a CPU kernel; got ", key);
    const int64_t n = out.size();
    if (n == 0) return;
    // With a number, this is a function of one float16: where the machine cannot convert those,
    // programs have tables for it.
    const bool tabled = key == float16 && out.dtype == key && !has_machine_code() &&
                        loops->halves == Halves::by_floats && n >= kTabledFrom;
    FlatLoop loop;
    if (loop.bind(*loops, in, out, n) && !(tabled && loop.has_number())) {
      return parallel_for(n, elementwise_grain(1),
                          [&](int64_t begin, int64_t end) { loop.run(begin, end); });
    }
    run_strided(op, key, in, out);
  }

 private:
  void run_strided(int op, Dtype key, std::span<const View> in, const View& out) const {
    Program program;
    Instr instr{op, key, out.dtype, static_cast<uint8_t>(in.size()), {}};
    for (size_t k = 0; k < in.size(); ++k) {
      program.leaves.push_back(in[k].dtype);
      instr.src[k] = static_cast<uint16_t>(k);
    }
    program.code.push_back(instr);
    program.outputs.push_back(static_cast<uint16_t>(in.size()));
    prepare_program(program, table_)->run(in, {&out, 1});
  }

  KernelTable table_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(Isa isa) { return std::make_unique<CpuBackend>(isa); }

}  // namespace olivine::cpu

namespace olivine {

const Backend& cpu_backend() {
  // Never destroyed: threads may still compute while the process ends.
  static constinit FirstUse<const Backend*> backend;
  return *backend.get_once(Lock::backend,
                           [] { return cpu::make_cpu_backend(cpu::cpu_isa()).release(); });
}

}  // namespace olivine
