// Where in the user's program an op was made: a small number captured per node, named in errors.
#pragma once

#include <cstdint>
#include <string>

#include "olivine/export.h"

namespace olivine {

// A binding installs how to capture (must be cheap) and how to describe ("train.py:12 in step").
OLIVINE_API void set_location_hooks(uint32_t (*capture)(), std::string (*describe)(uint32_t));
uint32_t capture_location();
// While one lives, what is made on its thread was made at `location`: what a transformation derives
// of an op belongs to the user's line of that op. With 0 it is captured as usual.
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
std::string describe_location(uint32_t location);

}  // namespace olivine
