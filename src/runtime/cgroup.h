// What the control group of this process allows (containers, batch systems, systemd slices).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace olivine {

struct CgroupLimits {
  std::optional<uint64_t> memory_bytes;
  std::optional<double> cpus;  // quota / period
};

// The tightest limit on the way from this process's group to the root, version 1 or 2. `root` is
// put before every path read (for tests).
CgroupLimits read_cgroup_limits(const std::string& root = "");

// Physical memory of the machine.
uint64_t physical_memory();
// The smaller of physical memory and the group's limit.
uint64_t usable_memory();

}  // namespace olivine
