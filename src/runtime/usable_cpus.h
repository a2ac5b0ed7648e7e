// The CPUs this process may keep busy; private to src/runtime.
#pragma once

namespace olivine {

// CPUs of the affinity mask, at most the cgroup quota rounded up.
int usable_cpus();

}  // namespace olivine
