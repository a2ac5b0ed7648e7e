// Writes the machine code of runs of float ops, with Xbyak, for AVX2 and AVX-512.
//
// The loop goes over vectors: operands from outside are read where an op needs them, results live
// in registers until their last use, and those that others read are stored. So a long chain costs
// its arithmetic, where loops one after another cost three memory accesses for every op. A tail
// shorter than a vector goes through the same code with masked loads and stores.
#include "backends/cpu/arithmetic_run.h"

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backends/cpu/isa.h"
#include "runtime/process_locks.h"

#if defined(__x86_64__)
#include <xbyak/xbyak.h>
#endif

namespace olivine::cpu {

#if defined(__x86_64__)
namespace {

constexpr size_t kMostRuns = 1024;  // kept for later
constexpr int kFetchAhead = 3072;   // bytes

// Vectors that a step is written for at a time, so that enough independent work is in sight, and
// registers that keep one element for the whole run; the first that fit are taken.
struct Shape {
  int vectors, pinned;
};
constexpr Shape kShapes[] = {{4, 8}, {2, 8}, {1, 4}, {1, 0}};

struct OutOfRegisters {};

class Writer final : public CompiledRun, private Xbyak::CodeGenerator {
 public:
  Writer(std::span<const RunStep> steps, Shape shape, bool wide)
      : Xbyak::CodeGenerator(2048 + size_t{64} * (shape.vectors + 2) * steps.size(),
                             Xbyak::DontSetProtectRWE),
        steps_(steps),
        shape_(shape),
        wide_(wide),
        lanes_(wide ? 16 : 8) {
    find_last_uses();
    pin();
    write();
    ready();
    setProtectModeRE();
    code_ = getCode<Code>();
    steps_ = {};
  }

 private:
  using Vector = Xbyak::Xmm;

  Vector vector(int i) const { return wide_ ? Vector(Xbyak::Zmm(i)) : Vector(Xbyak::Ymm(i)); }
  // The last registers are for operands on their way and for the tail's mask on AVX2.
  int registers() const { return wide_ ? 29 : 12; }
  Vector spare(int k) const { return vector((wide_ ? 30 : 14) + k); }
  Vector scratch() const { return vector(wide_ ? 29 : 12); }
  Vector tail_mask() const { return vector(13); }

  void find_last_uses() {
    for (size_t i = 0; i < steps_.size(); ++i) {
      for (int k = 0; k < arity(steps_[i].op); ++k) last_use_[steps_[i].src[k]] = i;
    }
  }

  // Chooses the single elements that stay in registers.
  void pin() {
    for (const RunStep& s : steps_) {
      for (int k = 0; k < arity(s.op); ++k) {
        if (!s.uniform[k] || pinned_.count(s.src[k])) continue;
        if (static_cast<int>(pinned_.size()) == shape_.pinned) return;
        pinned_[s.src[k]] = registers() - 1 - static_cast<int>(pinned_.size());
      }
    }
  }

  void write() {
    const int step = shape_.vectors * lanes_;
    Xbyak::Label loop, tail, tail_loop, done;
    for (auto [value, r] : pinned_) {
      mov(rax, ptr[rdi + 8 * value]);
      vbroadcastss(vector(r), ptr[rax]);
    }
    xor_(ecx, ecx);
    mov(rdx, rsi);
    and_(rdx, -step);
    shl(rdx, 2);
    jz(tail, T_NEAR);
    align(16);
    L(loop);
    write_steps(shape_.vectors, false);
    add(rcx, 4 * step);
    cmp(rcx, rdx);
    jb(loop, T_NEAR);
    L(tail);
    and_(rsi, step - 1);
    jz(done, T_NEAR);
    L(tail_loop);
    write_mask();
    write_steps(1, true);
    add(rcx, 4 * lanes_);
    sub(rsi, lanes_);
    jg(tail_loop, T_NEAR);
    L(done);
    vzeroupper();
    ret();
    write_constants();
  }

  // The first rsi lanes, at most all.
  void write_mask() {
    if (wide_) {
      mov(eax, -1);
      bzhi(eax, eax, esi);
      kmovw(k1, eax);
    } else {
      mov(r8d, lanes_);
      cmp(esi, r8d);
      cmovb(r8d, esi);
      shl(r8, 2);
      lea(rax, ptr[rip + masks_]);
      sub(rax, r8);
      vmovups(tail_mask(), ptr[rax + 32]);
    }
  }

  void write_steps(int vectors, bool tail) {
    vectors_ = vectors;
    tail_ = tail;
    registers_.clear();
    fetched_.clear();
    for (bool& t : taken_) t = false;
    for (auto [value, r] : pinned_) taken_[r] = true;
    for (size_t i = 0; i < steps_.size(); ++i) write_step(i);
  }

  void write_step(size_t i) {
    const RunStep& s = steps_[i];
    take_registers(s.dst);
    for (int k = 0; k < arity(s.op); ++k) {
      if (s.uniform[k] && !pinned_.count(s.src[k])) {
        mov(rax, ptr[rdi + 8 * s.src[k]]);
        vbroadcastss(spare(k), ptr[rax]);
      }
    }
    for (int u = 0; u < vectors_; ++u) {
      const Vector to = vector(registers_.at(s.dst)[u]);
      const Vector a = in_register(s, 0, u, to);
      if (arity(s.op) == 2) {
        write_binary(s, to, a, u);
      } else {
        write_unary(s.op, to, a);
      }
      if (s.rounded) write_rounding(to);
      if (s.stored) store(s, to, u);
    }
    for (int k = 0; k < arity(s.op); ++k) {
      if (last_use_.at(s.src[k]) == i) free_registers(s.src[k]);
    }
    if (!last_use_.count(s.dst)) free_registers(s.dst);
  }

  void write_unary(Arithmetic op, Vector to, Vector a) {
    switch (op) {
      case Arithmetic::negative:
        return vxorps_(to, a, sign_);
      case Arithmetic::abs:
        return vandps_(to, a, magnitude_);
      case Arithmetic::square:
        return vmulps(to, a, a);
      case Arithmetic::sqrt:
        return vsqrtps(to, a);
      case Arithmetic::rsqrt:
        vsqrtps(to, a);
        vmovups(scratch(), ptr[rip + one_]);
        return vdivps(to, scratch(), to);
      case Arithmetic::reciprocal:
        vmovups(scratch(), ptr[rip + one_]);
        return vdivps(to, scratch(), a);
      default:
        throw OutOfRegisters();  // no such op: no code
    }
  }

  void write_binary(const RunStep& s, Vector to, Vector a, int u) {
    if (s.op == Arithmetic::maximum || s.op == Arithmetic::minimum) {
      return write_extreme(s, to, a, in_register(s, 1, u, spare(1)));
    }
    const auto emit = [&](const Xbyak::Operand& b) {
      switch (s.op) {
        case Arithmetic::add:
          return vaddps(to, a, b);
        case Arithmetic::subtract:
          return vsubps(to, a, b);
        case Arithmetic::multiply:
          return vmulps(to, a, b);
        case Arithmetic::divide:
          return vdivps(to, a, b);
        default:
          throw OutOfRegisters();
      }
    };
    if (is_outside(s, 1) && !tail_) {
      emit(address(s.src[1], s.follow[1], u));
    } else {
      emit(in_register(s, 1, u, spare(1)));
    }
  }

  // The instructions give the second operand where one is NaN; the op gives the first if that is.
  void write_extreme(const RunStep& s, Vector to, Vector a, Vector b) {
    const bool max = s.op == Arithmetic::maximum;
    constexpr int kUnordered = 3;
    if (wide_) {
      vcmpps(k2, a, a, kUnordered);
      max ? vmaxps(scratch(), a, b) : vminps(scratch(), a, b);
      vblendmps(to | k2, scratch(), a);
    } else {
      const Vector mask = spare(0);
      if (a.getIdx() == mask.getIdx()) {
        vmovaps(to, a);
        a = to;
      }
      vcmpps(mask, a, a, kUnordered);
      max ? vmaxps(scratch(), a, b) : vminps(scratch(), a, b);
      const auto ymm = [](Vector v) { return Xbyak::Ymm(v.getIdx()); };
      vblendvps(ymm(to), ymm(scratch()), ymm(a), ymm(mask));
    }
  }

  // To nearest even. Values are computed from bfloat16 only: the lower half of a NaN is zero.
  void write_rounding(Vector x) {
    const Vector t = scratch();
    vpsrld(t, x, 16);
    vandps_(t, t, integer_one_);
    vpaddd(t, t, ptr[rip + below_half_]);
    vpaddd(x, x, t);
    vandps_(x, x, upper_half_);
  }

  void vxorps_(Vector to, Vector a, const Xbyak::Label& c) {
    wide_ ? vpxord(to, a, ptr[rip + c]) : vxorps(to, a, ptr[rip + c]);
  }
  void vandps_(Vector to, Vector a, const Xbyak::Label& c) {
    wide_ ? vpandd(to, a, ptr[rip + c]) : vandps(to, a, ptr[rip + c]);
  }

  bool is_outside(const RunStep& s, int k) const {
    return !s.uniform[k] && !registers_.count(s.src[k]);
  }

  // Where vector u of a value lies. Of one that follows itself in memory, the line that is read
  // some vectors later is fetched: a tile is too short for the machine to notice a stream.
  Xbyak::Address address(uint16_t value, bool follows, int u) {
    mov(rax, ptr[rdi + 8 * value]);
    const int at = 4 * lanes_ * u;
    if (follows && !tail_ && fetched_.insert({value, u}).second) {
      prefetcht1(ptr[rax + rcx + at + kFetchAhead]);
    }
    return ptr[rax + rcx + at];
  }

  // The operand's register, or `free` after loading it there.
  Vector in_register(const RunStep& s, int k, int u, Vector free) {
    if (s.uniform[k]) {
      const auto found = pinned_.find(s.src[k]);
      return found != pinned_.end() ? vector(found->second) : spare(k);
    }
    const auto found = registers_.find(s.src[k]);
    if (found != registers_.end()) return vector(found->second[u]);
    const Xbyak::Address from = address(s.src[k], s.follow[k], u);
    if (!tail_) {
      vmovups(free, from);
    } else if (wide_) {
      vmovups(free | k1 | T_z, from);
    } else {
      vmaskmovps(free, tail_mask(), from);
    }
    return free;
  }
  void store(const RunStep& s, Vector from, int u) {
    const Xbyak::Address to = address(s.dst, s.follow_dst, u);
    if (!tail_) {
      vmovups(to, from);
    } else if (wide_) {
      vmovups(to | k1, from);
    } else {
      vmaskmovps(to, tail_mask(), from);
    }
  }

  void take_registers(uint16_t value) {
    auto& taken = registers_[value];
    for (int r = 0; r < registers() && static_cast<int>(taken.size()) < vectors_; ++r) {
      if (taken_[r]) continue;
      taken_[r] = true;
      taken.push_back(r);
    }
    if (static_cast<int>(taken.size()) < vectors_) throw OutOfRegisters();
  }
  void free_registers(uint16_t value) {
    const auto found = registers_.find(value);
    if (found == registers_.end()) return;
    for (int r : found->second) taken_[r] = false;
    registers_.erase(found);
  }

  void write_constants() {
    const auto lanes = [&](Xbyak::Label& label, uint32_t value) {
      align(64);
      L(label);
      for (int i = 0; i < lanes_; ++i) dd(value);
    };
    lanes(sign_, 0x80000000);
    lanes(magnitude_, 0x7fffffff);
    lanes(one_, 0x3f800000);
    lanes(integer_one_, 1);
    lanes(below_half_, 0x7fff);
    lanes(upper_half_, 0xffff0000);
    if (!wide_) {
      lanes(masks_, 0xffffffff);
      for (int i = 0; i < lanes_; ++i) dd(0);
    }
  }

  static int arity(Arithmetic op) { return op >= Arithmetic::negative ? 1 : 2; }

  std::span<const RunStep> steps_;
  const Shape shape_;
  const bool wide_;
  const int lanes_;
  int vectors_ = 1;  // of the pass that is being written
  bool tail_ = false;
  std::map<uint16_t, size_t> last_use_;
  std::map<uint16_t, int> pinned_;
  std::map<uint16_t, std::vector<int>> registers_;  // of a value's vectors
  std::set<std::pair<uint16_t, int>> fetched_;
  bool taken_[32];
  Xbyak::Label sign_, magnitude_, one_, integer_one_, below_half_, upper_half_, masks_;
};

using Runs = std::map<std::string, std::shared_ptr<const CompiledRun>>;
Runs& runs() {
  static constinit Runs* made = nullptr;  // under the lock
  if (!made) made = new Runs;
  return *made;
}

std::shared_ptr<const CompiledRun> write_run(std::span<const RunStep> steps, Isa isa) {
  for (Shape shape : kShapes) {
    try {
      return std::make_shared<Writer>(steps, shape, isa >= Isa::avx512);
    } catch (const OutOfRegisters&) {
    } catch (const Xbyak::Error&) {  // the system gives no memory for code
      return nullptr;
    }
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<const CompiledRun> compile_run(std::span<const RunStep> steps) {
  const Isa isa = cpu_isa();
  if (isa == Isa::plain) return nullptr;
  std::string key;
  for (const RunStep& s : steps) {
    const uint16_t fields[] = {
        static_cast<uint16_t>(s.op),
        static_cast<uint16_t>(s.rounded | s.stored << 1 | s.uniform[0] << 2 | s.uniform[1] << 3 |
                              s.follow_dst << 4 | s.follow[0] << 5 | s.follow[1] << 6),
        s.dst, s.src[0], s.src[1]};
    key.append(reinterpret_cast<const char*>(fields), sizeof fields);
  }
  std::lock_guard lock(process_lock(Lock::runs));
  Runs& known = runs();
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  if (known.size() >= kMostRuns) known.clear();
  return known[key] = write_run(steps, isa);
}

#else

std::shared_ptr<const CompiledRun> compile_run(std::span<const RunStep>) { return nullptr; }

#endif

}  // namespace olivine::cpu
