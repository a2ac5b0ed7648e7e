// Hooks that a language binding installs to remember the user's own line.
#include "core/location.h"

#include <atomic>

namespace olivine {
namespace {
std::atomic<uint32_t (*)()> capture_hook{nullptr};
std::atomic<std::string (*)(uint32_t)> describe_hook{nullptr};
}  // namespace

void set_location_hooks(uint32_t (*capture)(), std::string (*describe)(uint32_t)) {
  capture_hook.store(capture, std::memory_order_relaxed);
  describe_hook.store(describe, std::memory_order_relaxed);
}
uint32_t capture_location() {
  if (uint32_t location = LocationScope::forced) return location;
  auto hook = capture_hook.load(std::memory_order_relaxed);
  return hook ? hook() : 0;
}
std::string describe_location(uint32_t location) {
  auto hook = describe_hook.load(std::memory_order_relaxed);
  return location != 0 && hook ? hook(location) : std::string();
}

}  // namespace olivine
