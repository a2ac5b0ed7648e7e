// Where in the user's program an op was made: a small number captured per node, named in errors.
#pragma once

#include <cstdint>
#include <string>

#include "olivine/export.h"

namespace olivine {

struct Place {
  std::string file, function;  // the file with its folders
  std::string layer;           // the path of the layer that ran, if any
  int line = 0;
};
// A binding installs how to capture (must be cheap) and how to find the place of a number again
// (false: unknown).
OLIVINE_API void set_location_hooks(uint32_t (*capture)(), bool (*find)(uint32_t, Place&));
uint32_t capture_location();
bool captures_locations();  // a binding has installed how
// While one lives, what is made on its thread was made at `location`: what a transformation derives
// of an op belongs to the user's line of that op. With 0 it is captured as usual. With kNowhere it
// has no location: capturing may run code of the program, which must not happen under a lock.
inline constexpr uint32_t kNowhere = UINT32_MAX;
class LocationScope {
 public:
  explicit LocationScope(uint32_t location) : outer_(forced) { forced = location; }
  ~LocationScope() { forced = outer_; }
  LocationScope(const LocationScope&) = delete;
  LocationScope& operator=(const LocationScope&) = delete;

 private:
  friend uint32_t capture_location();
  uint32_t outer_;
  inline static thread_local constinit uint32_t forced = 0;
};
OLIVINE_API bool find_place(uint32_t location, Place& place);
// "train.py:12 in step, layer Model.blocks.0"; empty if unknown.
std::string describe_location(uint32_t location);

}  // namespace olivine
