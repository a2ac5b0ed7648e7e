// Facts about the processor and what of it this process may use.
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "backends/cpu/isa.h"
#include "core/error.h"
#include "olivine/device.h"
#include "runtime/allocator.h"
#include "runtime/cgroup.h"
#include "runtime/thread_pool.h"
#include "runtime/usable_cpus.h"

namespace olivine {
namespace {

std::string architecture() {
  utsname u;
  return uname(&u) == 0 ? u.machine : "unknown";
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    size_t colon = line.find(": ");
    if (line.compare(0, 10, "model name") == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return architecture();
}

// Bytes of a transparent huge page; 0 where there are none.
int64_t huge_page_size() {
  int64_t bytes = 0;
  std::ifstream("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") >> bytes;
  return bytes;
}

}  // namespace

DeviceInfo::operator std::unordered_map<std::string, std::variant<std::string, size_t>>() const {
  std::unordered_map<std::string, std::variant<std::string, size_t>> facts;
  for (const auto& [name, value] : *this) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      facts.emplace(name, *text);
    } else {
      facts.emplace(name, static_cast<size_t>(std::get<int64_t>(value)));
    }
  }
  return facts;
}

DeviceInfo device_info(Device d) {
  if (!is_available(d)) {
    fail("[device_info] expected an available device; got ", d.type == Device::cpu ? "cpu" : "gpu",
         " ", d.index);
  }
  auto integer = [](auto v) { return static_cast<int64_t>(v); };
  // 0 stands for no quota.
  double quota = read_cgroup_limits().cpus.value_or(0);
  return {
      {"device_name", cpu_name()},
      {"architecture", architecture()},
      {"isa", std::string(cpu::cpu_isa_name())},
      {"threads", integer(thread_count())},
      {"usable_cpus", integer(usable_cpus())},
      {"cpu_quota_millicpus", integer(quota * 1000)},
      {"memory_size", integer(physical_memory())},
      {"memory_limit", integer(get_memory_limit())},
      {"page_size", integer(sysconf(_SC_PAGESIZE))},
      {"huge_page_size", huge_page_size()},
      {"cache_line_size", integer(sysconf(_SC_LEVEL1_DCACHE_LINESIZE))},
      {"l1_cache_size", integer(sysconf(_SC_LEVEL1_DCACHE_SIZE))},
      {"l2_cache_size", integer(sysconf(_SC_LEVEL2_CACHE_SIZE))},
      {"l3_cache_size", integer(sysconf(_SC_LEVEL3_CACHE_SIZE))},
  };
}

}  // namespace olivine
