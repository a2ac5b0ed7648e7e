// Reads memory limits and CPU quotas of control groups, versions 1 and 2.
#include "runtime/cgroup.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace olivine {
namespace {

// A mounted hierarchy: files of group G lie in `point` + (G without `root`).
struct Mount {
  std::string root, point;
  bool unified = false;
  std::vector<std::string> controllers;  // version 1 only
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

// mountinfo: ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS…] - TYPE SOURCE SUPER_OPTIONS
std::vector<Mount> read_mounts(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream in(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> words = split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    if (dash[1] == "cgroup2") {
      mounts.push_back({words[3], words[4], true, {}});
    } else if (dash[1] == "cgroup") {
      mounts.push_back({words[3], words[4], false, split(dash[3], ',')});
    }
  }
  return mounts;
}

bool has(const std::vector<std::string>& list, const std::string& x) {
  return std::find(list.begin(), list.end(), x) != list.end();
}

// Folders from the group's own up to its hierarchy's mount point.
std::vector<std::string> folders(const Mount& m, const std::string& group) {
  std::string below = group;
  if (m.root != "/" && below.compare(0, m.root.size(), m.root) == 0) {
    below.erase(0, m.root.size());
  }
  if (below == "/" || below.find("/..") == 0) below.clear();
  std::vector<std::string> out;
  while (!below.empty()) {
    out.push_back(m.point + below);
    below.erase(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
  }
  out.push_back(m.point);
  return out;
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

void read_unified(const std::string& folder, CgroupLimits& limits) {
  uint64_t bytes;
  if (std::ifstream in(folder + "/memory.max"); in >> bytes) lower(limits.memory_bytes, bytes);
  double quota, period;
  if (std::ifstream in(folder + "/cpu.max"); in >> quota >> period && quota > 0 && period > 0) {
    lower(limits.cpus, quota / period);
  }
}

void read_memory_v1(const std::string& folder, CgroupLimits& limits) {
  uint64_t bytes;
  std::ifstream in(folder + "/memory.limit_in_bytes");
  // No limit reads as the largest page-aligned 63-bit number.
  if (in >> bytes && bytes < (uint64_t{1} << 62)) lower(limits.memory_bytes, bytes);
}

void read_cpu_v1(const std::string& folder, CgroupLimits& limits) {
  double quota, period;
  std::ifstream quota_in(folder + "/cpu.cfs_quota_us"), period_in(folder + "/cpu.cfs_period_us");
  if (quota_in >> quota && period_in >> period && quota > 0 && period > 0) {
    lower(limits.cpus, quota / period);
  }
}

}  // namespace

CgroupLimits read_cgroup_limits(const std::string& root) {
  CgroupLimits limits;
  std::vector<Mount> mounts = read_mounts(root);
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // ID:CONTROLLERS:GROUP
    size_t first = line.find(':');
    size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::vector<std::string> controllers = split(line.substr(first + 1, second - first - 1), ',');
    std::string group = line.substr(second + 1);
    for (const Mount& m : mounts) {
      bool memory = !m.unified && has(controllers, "memory") && has(m.controllers, "memory");
      bool cpu = !m.unified && has(controllers, "cpu") && has(m.controllers, "cpu");
      bool unified = m.unified && controllers.empty();
      if (!memory && !cpu && !unified) continue;
      for (const std::string& folder : folders(m, group)) {
        if (unified) read_unified(root + folder, limits);
        if (memory) read_memory_v1(root + folder, limits);
        if (cpu) read_cpu_v1(root + folder, limits);
      }
    }
  }
  return limits;
}

uint64_t physical_memory() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t usable_memory() {
  uint64_t physical = physical_memory();
  return std::min(physical, read_cgroup_limits().memory_bytes.value_or(physical));
}

}  // namespace olivine
