// The C API of profiles.
#include "olivine/c/profiler.h"

#include "handles.h"
#include "olivine/profiler.h"

using namespace olivine;
using c::filled;
using c::guarded;

namespace olivine::c {
OLIVINE_C_HELD(olivine_profile, profiler::Profile);
}  // namespace olivine::c

int olivine_profile_start(size_t max_events) {
  return guarded([&] { max_events ? profiler::start(max_events) : profiler::start(); });
}
int olivine_profile_stop(olivine_profile* res) {
  return guarded([&] {
    if (!res) fail("[result] expected a pointer to a handle; got null");
    c::set(res, profiler::stop());
  });
}
int olivine_profile_free(olivine_profile profile) { return c::release(profile); }
int olivine_profile_get_totals(olivine_profile_totals* res, const olivine_profile profile) {
  return guarded([&] {
    const profiler::Profile& p = filled(profile);
    c::store(res, olivine_profile_totals{p.wall(), p.attributed(), p.flops(), p.bytes(),
                                         p.peak_memory(), p.dropped()});
  });
}
int olivine_profile_table(olivine_string* res, const olivine_profile profile, const char* by,
                          size_t rows) {
  return guarded([&] { c::set(res, filled(profile).table(by ? by : "op", rows)); });
}
int olivine_profile_json(olivine_string* res, const olivine_profile profile) {
  return guarded([&] { c::set(res, filled(profile).json()); });
}
int olivine_profile_save_trace(const olivine_profile profile, const char* path) {
  return guarded([&] { filled(profile).save_trace(c::name(path, "profiler")); });
}
