// Finds out which instruction sets the CPU and the system support.
#include "backends/cpu/isa.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "runtime/process_locks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace olivine::cpu {
namespace {

constexpr const char* kNames[kIsaCount] = {"plain", "avx2", "avx512", "avx512_bf16", "amx"};

#if defined(__x86_64__)
// The compiler's own check (it also asks whether the system saves the registers) lacks F16C.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

// Whether the CPU has tile registers, and the system lets this process use them: they are saved
// only for those that ask (Linux, Documentation/arch/x86/xstate.rst).
bool has_tiles() {
  unsigned a, b, c, d;
  constexpr unsigned kTiles = 1u << 24, kBfloat16 = 1u << 22;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kTiles) || !(d & kBfloat16)) return false;
  constexpr long kRequestState = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestState, kTileData) == 0;
}

bool supported(Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::plain:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2") && has_f16c();
    case Isa::avx512:
      return supported(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case Isa::avx512_bf16:
      return supported(Isa::avx512) && __builtin_cpu_supports("avx512bf16") &&
             __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    case Isa::amx:
      return supported(Isa::avx512_bf16) && has_tiles();
  }
  return false;
}
#else
bool supported(Isa isa) { return isa == Isa::plain; }
#endif

Isa choose() {
  std::vector<Isa> isas = available_isas();
  const char* forced = std::getenv("OLIVINE_CPU_ISA");
  if (!forced || !*forced) return isas.back();
  std::string names;
  for (Isa isa : isas) {
    if (std::string_view(forced) == isa_name(isa)) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  fail("[OLIVINE_CPU_ISA] expected one of ", names, " on this machine; got ", forced);
}

}  // namespace

Isa cpu_isa() {
  static constinit FirstUse<int> isa;  // one more than its number
  return static_cast<Isa>(isa.get([] { return static_cast<int>(choose()) + 1; }) - 1);
}

const char* cpu_isa_name() { return isa_name(cpu_isa()); }

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (int i = 0; i < kIsaCount; ++i) {
    if (supported(static_cast<Isa>(i))) isas.push_back(static_cast<Isa>(i));
  }
  return isas;
}

}  // namespace olivine::cpu
