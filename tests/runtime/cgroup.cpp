// Limits of control groups, read from made-up file trees of versions 1 and 2.
#include "runtime/cgroup.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace olivine {
namespace {

namespace fs = std::filesystem;

// A temporary root folder with files in it.
class Root {
 public:
  Root() {
    std::string name = (fs::temp_directory_path() / "olivine-cgroup-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Root() { fs::remove_all(path_); }
  Root& file(const std::string& at, const std::string& text) {
    fs::path p = path_ + at;
    fs::create_directories(p.parent_path());
    std::ofstream(p) << text << "\n";
    return *this;
  }
  CgroupLimits limits() const { return read_cgroup_limits(path_); }

 private:
  std::string path_;
};

const char* const kMountV2 = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw";

TEST(Cgroup, NoFilesMeanNoLimits) {
  CgroupLimits l = Root().limits();
  EXPECT_FALSE(l.memory_bytes);
  EXPECT_FALSE(l.cpus);
}

TEST(Cgroup, VersionTwoTakesTheTightestOfAllAncestors) {
  Root r;
  r.file("/proc/self/mountinfo", kMountV2).file("/proc/self/cgroup", "0::/a/b");
  r.file("/sys/fs/cgroup/a/memory.max", "1000000").file("/sys/fs/cgroup/a/b/memory.max", "max");
  r.file("/sys/fs/cgroup/a/cpu.max", "300000 100000");
  r.file("/sys/fs/cgroup/a/b/cpu.max", "150000 100000");
  EXPECT_EQ(r.limits().memory_bytes, 1000000u);
  EXPECT_DOUBLE_EQ(r.limits().cpus.value(), 1.5);
}

TEST(Cgroup, VersionTwoInAContainerReadsTheMountPoint) {
  Root r;
  r.file("/proc/self/mountinfo", kMountV2).file("/proc/self/cgroup", "0::/");
  r.file("/sys/fs/cgroup/memory.max", "42").file("/sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_EQ(r.limits().memory_bytes, 42u);
  EXPECT_FALSE(r.limits().cpus);
}

TEST(Cgroup, VersionOneReadsEachController) {
  Root r;
  r.file("/proc/self/mountinfo",
         "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
         "35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory");
  r.file("/proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/job\n0::/");
  r.file("/cg/memory/job/memory.limit_in_bytes", "5000");
  r.file("/cg/memory/memory.limit_in_bytes", "9223372036854771712");
  r.file("/cg/cpu,cpuacct/job/cpu.cfs_quota_us", "250000");
  r.file("/cg/cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  r.file("/cg/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  r.file("/cg/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_EQ(r.limits().memory_bytes, 5000u);
  EXPECT_DOUBLE_EQ(r.limits().cpus.value(), 2.5);
}

TEST(Cgroup, VersionOneStripsTheRootOfABindMount) {
  Root r;
  r.file("/proc/self/mountinfo",
         "35 31 0:32 /docker/abc /cg/memory rw,relatime - cgroup cgroup rw,memory");
  r.file("/proc/self/cgroup", "4:memory:/docker/abc");
  r.file("/cg/memory/memory.limit_in_bytes", "7000");
  EXPECT_EQ(r.limits().memory_bytes, 7000u);
}

TEST(Cgroup, MalformedFilesAreIgnored) {
  Root r;
  r.file("/proc/self/mountinfo", "garbage\n31 23 - cgroup2\n\n" + std::string(kMountV2));
  r.file("/proc/self/cgroup", "no colons\n0:\n0::/../outside\n0::relative");
  r.file("/sys/fs/cgroup/memory.max", "-").file("/sys/fs/cgroup/cpu.max", "100000 0");
  EXPECT_FALSE(r.limits().memory_bytes);
  EXPECT_FALSE(r.limits().cpus);
}

TEST(Cgroup, UsableMemoryIsAtMostPhysical) {
  EXPECT_GT(usable_memory(), 0u);
  EXPECT_LE(usable_memory(), physical_memory());
}

}  // namespace
}  // namespace olivine
