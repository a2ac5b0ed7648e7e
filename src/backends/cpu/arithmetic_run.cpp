// Writes the machine code of runs of float ops, with Xbyak, for AVX2 and AVX-512.
//
// The loop goes over vectors: operands from outside are read where an op needs them, results live
// in registers until their last use, and those that others read are stored. So a long chain costs
// its arithmetic, where loops one after another cost three memory accesses for every op. A tail
// shorter than a vector goes through the same code with masked loads and stores.
//
// 16-bit floats are widened as they are read and narrowed as they are stored, so a chain of them
// costs little more than one of floats and moves half the bytes. Where all that is read and stored
// are bfloat16, a word of memory holds two neighbours, and two vectors the lower and the upper
// ones: that takes fewer instructions than to bring them in order.
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

bool is_binary(Arithmetic op) { return op < Arithmetic::negative; }
bool widens(Arithmetic op) {
  return op == Arithmetic::widen_bfloat16 || op == Arithmetic::widen_float16;
}
bool narrows(Arithmetic op) { return op >= Arithmetic::narrow_bfloat16; }
bool is_rounding(Arithmetic op) {
  return op == Arithmetic::round_bfloat16 || op == Arithmetic::round_float16;
}

class Writer final : public CompiledRun, private Xbyak::CodeGenerator {
 public:
  Writer(std::span<const RunStep> steps, Shape shape, bool wide)
      : Xbyak::CodeGenerator(4096 + size_t{128} * (shape.vectors + 2) * steps.size(),
                             Xbyak::DontSetProtectRWE),
        steps_(steps),
        shape_(shape),
        wide_(wide),
        lanes_(wide ? 16 : 8) {
    find_last_uses();
    pin();
    pairs_ = shape.vectors > 1 && is_all_bfloat16();
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
      converts_ |= widens(steps_[i].op) || narrows(steps_[i].op);
      for (int k = 0; k < arity(steps_[i].op); ++k) last_use_[steps_[i].src[k]] = i;
    }
  }

  bool is_all_bfloat16() const {
    std::set<uint16_t> made;
    for (const RunStep& s : steps_) {
      if (s.op == Arithmetic::widen_float16 || s.op == Arithmetic::narrow_float16) return false;
      if (s.stored && !narrows(s.op)) return false;
      for (int k = 0; k < arity(s.op) && !widens(s.op); ++k) {
        if (!s.uniform[k] && !made.count(s.src[k])) return false;
      }
      made.insert(s.dst);
    }
    return true;
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
    if (pairs_ && wide_) {
      mov(eax, 0xaaaaaaaa);
      kmovd(k4, eax);
    }
    xor_(ecx, ecx);  // bytes of floats that are done
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

  // The first rsi lanes, at most all; on AVX2 also their number, in r8.
  void write_mask() {
    if (wide_) {
      mov(eax, -1);
      bzhi(eax, eax, esi);
      kmovw(k1, eax);
    } else {
      mov(r8d, lanes_);
      cmp(esi, r8d);
      cmovb(r8d, esi);
      mov(r10, r8);
      shl(r10, 2);
      lea(rax, ptr[rip + masks_]);
      sub(rax, r10);
      vmovups(tail_mask(), ptr[rax + 32]);
    }
  }

  void write_steps(int vectors, bool tail) {
    vectors_ = vectors;
    tail_ = tail;
    registers_.clear();
    fetched_.clear();
    short_.clear();
    for (bool& t : taken_) t = false;
    for (auto [value, r] : pinned_) taken_[r] = true;
    if (converts_) {
      mov(r9, rcx);  // bytes of 16-bit floats that are done
      shr(r9, 1);
    }
    for (size_t i = 0; i < steps_.size(); ++i) {
      const RunStep& s = steps_[i];
      if (narrows(s.op) && pairs_ && !tail_) {
        write_narrowing_of_pairs(s);
      } else if (narrows(s.op)) {
        write_narrowing(s);
      } else {
        write_step(s, i);
      }
      for (int k = 0; k < arity(s.op); ++k) {
        if (last_use_.at(s.src[k]) != i) continue;
        if (k == 0 && inherited_) {
          registers_.erase(s.src[0]);
        } else {
          free_registers(s.src[k]);
        }
      }
      inherited_ = false;
      if (!last_use_.count(s.dst)) free_registers(s.dst);
    }
  }

  void write_step(const RunStep& s, size_t i) {
    take_registers(s, i);
    for (int k = 0; k < arity(s.op); ++k) {
      if (s.uniform[k] && !pinned_.count(s.src[k])) {
        mov(rax, ptr[rdi + 8 * s.src[k]]);
        vbroadcastss(spare(k), ptr[rax]);
      }
    }
    for (int u = 0; u < vectors_; ++u) {
      const Vector to = vector(registers_.at(s.dst)[u]);
      if (widens(s.op) && pairs_ && !tail_) {
        if (u % 2 == 0) load_pair(s, u);
      } else if (widens(s.op)) {
        load_half(s, to, u);
      } else if (is_rounding(s.op)) {
        write_rounding(s.op, to, in_register(s, 0, u, to));
      } else if (is_binary(s.op)) {
        write_binary(s, to, in_register(s, 0, u, to), u);
      } else {
        write_unary(s.op, to, in_register(s, 0, u, to));
      }
      if (s.rounded) write_rounding(Arithmetic::none, to, to);
      if (s.stored) store(s, to, u);
    }
    if (is_short(s)) short_.insert(s.dst);
  }

  // Whether the result is known to be what bfloat16 can hold.
  bool is_short(const RunStep& s) const {
    switch (s.op) {
      case Arithmetic::widen_bfloat16:
      case Arithmetic::round_bfloat16:
        return true;
      case Arithmetic::maximum:
      case Arithmetic::minimum:
        return short_.count(s.src[0]) && short_.count(s.src[1]);
      case Arithmetic::negative:
      case Arithmetic::abs:
        return short_.count(s.src[0]);
      default:
        return s.rounded;
    }
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

  // ---- 16-bit floats

  // To what a 16-bit float can hold, to nearest even. Any float, unless op is none: then one
  // computed from bfloat16.
  void write_rounding(Arithmetic op, Vector to, Vector x) {
    if (op == Arithmetic::round_float16) {
      vcvtps2ph(half_of(scratch()), x, 0);
      vcvtph2ps(to, half_of(scratch()));
    } else {
      round_upper_half(to, x, op != Arithmetic::none);
      vandps_(to, to, upper_half_);
    }
  }

  // The upper half of `to` is x rounded to bfloat16. Unless all floats are expected, the lower half
  // of a NaN is zero, and nothing is carried out of it.
  void round_upper_half(Vector to, Vector x, bool any) {
    constexpr int kUnordered = 3;
    const Vector t = scratch();
    if (wide_) {
      vpaddd(t, x, ptr[rip + below_half_]);
      vptestmd(k3, x, ptr[rip + odd_]);
      vpaddd(t | k3, t, ptr[rip + integer_one_]);
      if (any) {
        vcmpps(k2, x, x, kUnordered);
        vpord(t | k2, x, ptr[rip + quiet_]);
      }
      if (to.getIdx() != t.getIdx()) vmovdqa32(to, t);
    } else {
      // The sum with what does not depend on the last bit is made beside that bit: a chain waits.
      vpsrld(t, x, 16);
      if (any) {
        const Vector nan = spare(0);
        vcmpps(nan, x, x, kUnordered);
        vpand(t, t, ptr[rip + integer_one_]);
        vpaddd(t, t, ptr[rip + below_half_]);
        vandnps(t, nan, t);
        vpaddd(t, x, t);
        vandps(nan, nan, ptr[rip + quiet_]);
        vorps(to, t, nan);
      } else if (to.getIdx() != t.getIdx()) {
        vpand(t, t, ptr[rip + integer_one_]);
        vpaddd(to, x, ptr[rip + below_half_]);
        vpaddd(to, to, t);
      } else {
        vpand(t, t, ptr[rip + integer_one_]);
        vpaddd(t, t, ptr[rip + below_half_]);
        vpaddd(to, x, t);
      }
    }
  }

  // Stores what the step's operand narrows to.
  void write_narrowing(const RunStep& s) {
    const bool f16 = s.op == Arithmetic::narrow_float16;
    const bool rounds = !short_.count(s.src[0]), any = s.op == Arithmetic::narrow_bfloat16;
    for (int u = 0; u < vectors_; ++u) {
      Vector x = in_register(s, 0, u, spare(1));
      const Vector t = scratch();
      if (f16) {
        vcvtps2ph(half_of(t), x, 0);
      } else {
        if (rounds) {
          round_upper_half(t, x, any);
          x = t;
        }
        if (wide_) {
          vmovdqa64(spare(0), ptr[rip + upper_words_]);
          vpermw(t, spare(0), x);
        } else {
          vpsrld(t, x, 16);
          vpackusdw(t, t, t);
          vpermq(Xbyak::Ymm(t.getIdx()), Xbyak::Ymm(t.getIdx()), 0x08);
        }
      }
      store_half(s, half_of(t), u);
    }
  }

  void write_narrowing_of_pairs(const RunStep& s) {
    const bool rounds = !short_.count(s.src[0]), any = s.op == Arithmetic::narrow_bfloat16;
    for (int u = 0; u < vectors_; u += 2) {
      Vector low = in_register(s, 0, u, spare(1)), high = in_register(s, 0, u + 1, spare(1));
      const Vector t = scratch(), h = spare(1);
      if (rounds) {
        round_upper_half(h, high, any);
        round_upper_half(t, low, any);
        low = t, high = h;
      }
      vpsrld(t, low, 16);
      if (wide_) {
        vmovdqu16(t | k4, high);
      } else {
        vpblendw(t, t, high, 0xaa);
      }
      const Xbyak::Address to = half_address(s.dst, s.follow_dst, u);
      vmovups(to, t);
    }
  }
  // Vector u of a value, and the next one.
  void load_pair(const RunStep& s, int u) {
    const Vector low = vector(registers_.at(s.dst)[u]), high = vector(registers_.at(s.dst)[u + 1]);
    const Xbyak::Address from = half_address(s.src[0], s.follow[0], u);
    vmovups(high, from);
    vpslld(low, high, 16);
    vandps_(high, high, upper_half_);
  }

  Vector half_of(Vector v) const {
    return wide_ ? Vector(Xbyak::Ymm(v.getIdx())) : Vector(Xbyak::Xmm(v.getIdx()));
  }

  Xbyak::Address half_address(uint16_t value, bool follows, int u) {
    mov(rax, ptr[rdi + 8 * value]);
    const int at = 2 * lanes_ * u;
    if (follows && !tail_ && at % 64 == 0 && fetched_.insert({value, u}).second) {
      prefetcht1(ptr[rax + r9 + at + kFetchAhead / 2]);
    }
    return ptr[rax + r9 + at];
  }

  void load_half(const RunStep& s, Vector to, int u) {
    const Xbyak::Address from = half_address(s.src[0], s.follow[0], u);
    const Xbyak::Address there = ptr[rsp - 16];  // in the red zone
    const bool copied = tail_ && !wide_;
    if (copied) copy_tail(true);
    const Xbyak::Address& a = copied ? there : from;
    const Vector masked = tail_ && wide_ ? to | k1 | T_z : to;
    if (s.op == Arithmetic::widen_float16) {
      vcvtph2ps(masked, a);
    } else {
      vpmovzxwd(masked, a);
      vpslld(to, to, 16);
    }
  }
  void store_half(const RunStep& s, Vector half, int u) {
    const Xbyak::Address to = half_address(s.dst, s.follow_dst, u);
    if (wide_) {
      vmovdqu16(tail_ ? to | k1 : to, half);
    } else if (tail_) {
      vmovdqu(ptr[rsp - 16], half);
      copy_tail(false);
    } else {
      vmovdqu(to, half);
    }
  }
  // Copies r8 16-bit floats from rax + r9 to the red zone, or back: AVX2 has no masks for those.
  void copy_tail(bool in) {
    Xbyak::Label next;
    xor_(r10d, r10d);
    L(next);
    if (in) {
      movzx(r11d, word[rax + r9]);
      mov(word[rsp + 2 * r10 - 16], r11w);
    } else {
      movzx(r11d, word[rsp + 2 * r10 - 16]);
      mov(word[rax + r9], r11w);
    }
    add(rax, 2);
    inc(r10d);
    cmp(r10d, r8d);
    jb(next);
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

  // A result takes the registers of a first operand that dies with it, or others.
  void take_registers(const RunStep& s, size_t i) {
    const auto dying = registers_.find(s.src[0]);
    if (dying != registers_.end() && last_use_.at(s.src[0]) == i) {
      inherited_ = true;
      registers_[s.dst] = std::vector<int>(dying->second);
      return;
    }
    auto& taken = registers_[s.dst];
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
    lanes(odd_, 0x10000);
    lanes(quiet_, 0x400000);
    align(64);
    L(upper_words_);
    for (int i = 0; i < 16; ++i) dd(static_cast<uint32_t>((4 * i + 1) | (4 * i + 3) << 16));
    if (!wide_) {
      lanes(masks_, 0xffffffff);
      for (int i = 0; i < lanes_; ++i) dd(0);
    }
  }

  static int arity(Arithmetic op) { return is_binary(op) ? 2 : 1; }

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
  bool inherited_ = false;    // the step that is written computes in its operand's registers
  bool pairs_ = false;        // vectors hold every other element
  bool converts_ = false;     // reads or writes 16-bit floats
  std::set<uint16_t> short_;  // values that are known to be what bfloat16 can hold
  Xbyak::Label sign_, magnitude_, one_, integer_one_, below_half_, upper_half_, masks_;
  Xbyak::Label odd_, quiet_, upper_words_;
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

bool has_machine_code() { return cpu_isa() != Isa::plain; }

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

bool has_machine_code() { return false; }

std::shared_ptr<const CompiledRun> compile_run(std::span<const RunStep>) { return nullptr; }

#endif

}  // namespace olivine::cpu
