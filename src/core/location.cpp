// Hooks that a language binding installs to remember the user's own line.
#include "core/location.h"

#include <atomic>

namespace olivine {
namespace {
std::atomic<uint32_t (*)()> capture_hook{nullptr};
std::atomic<bool (*)(uint32_t, Place&)> find_hook{nullptr};
}  // namespace

void set_location_hooks(uint32_t (*capture)(), bool (*find)(uint32_t, Place&)) {
  capture_hook.store(capture, std::memory_order_relaxed);
  find_hook.store(find, std::memory_order_relaxed);
}
bool captures_locations() { return capture_hook.load(std::memory_order_relaxed) != nullptr; }
uint32_t capture_location() {
  if (uint32_t location = LocationScope::forced) return location == kNowhere ? 0 : location;
  auto hook = capture_hook.load(std::memory_order_relaxed);
  return hook ? hook() : 0;
}
bool find_place(uint32_t location, Place& place) {
  auto hook = find_hook.load(std::memory_order_relaxed);
  return location != 0 && hook && hook(location, place);
}
std::string describe_location(uint32_t location) {
  Place place;
  if (!find_place(location, place)) return {};
  std::string text;
  if (!place.file.empty()) {
    text = place.file.substr(place.file.rfind('/') + 1) + ":" + std::to_string(place.line) +
           " in " + place.function;
  }
  if (place.layer.empty()) return text;
  return text + (text.empty() ? "" : ", ") + "layer " + place.layer;
}

}  // namespace olivine
