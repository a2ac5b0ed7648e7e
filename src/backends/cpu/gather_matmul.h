// Groups of products whose matrices are selected by indices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/backend.h"

namespace olivine::cpu {

// A flat int64 view, negative indices wrapped. Throws IndexError for one outside [-size, size).
std::vector<int64_t> read_indices(const View& v, int64_t size, const char* caller);

// Positions with equal index, in order of index and position.
class IndexGroups {
 public:
  explicit IndexGroups(const std::vector<int64_t>& indices);
  int64_t count() const { return static_cast<int64_t>(first_.size()) - 1; }
  std::span<const int64_t> operator[](int64_t g) const {
    return {order_.data() + first_[g], first_[g + 1] - first_[g]};
  }

 private:
  std::vector<int64_t> order_;
  std::vector<size_t> first_;
};

}  // namespace olivine::cpu
