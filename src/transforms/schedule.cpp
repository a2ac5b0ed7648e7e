// Collecting walks from results to inputs: the gradient of the first parameter stands last in the
// backward pass and is walked to first, so that those of the others, which are computed from the
// same values, would all come after it, and all these values would wait for them. What is the last
// to read its operands, and smaller than they are, is moved to where they are complete.
#include "transforms/schedule.h"

#include <algorithm>

namespace olivine {
namespace {

using Kind = PlanEntry::Kind;

int64_t bytes_of(const Node* n) { return n->size() * static_cast<int64_t>(n->dtype.size()); }

class Scheduler {
 public:
  explicit Scheduler(std::vector<PlanEntry> entries)
      : entries_(std::move(entries)), count_(static_cast<int32_t>(entries_.size())) {}

  std::vector<PlanEntry> run() {
    find_owners();
    find_readers();
    std::vector<std::vector<int32_t>> after(entries_.size());
    moved_.assign(entries_.size(), false);
    bool any = false;
    for (int32_t i = 0; i < count_; ++i) {
      const int32_t at = may_move(i) ? where_complete(i) : i;
      if (at < 0 || at + 1 >= i || moved_[at] || !frees_more(i, at)) continue;
      after[at].push_back(i);
      moved_[i] = any = true;
    }
    if (!any) return std::move(entries_);
    place_.assign(entries_.size(), -1);
    for (int32_t i = 0; i < count_; ++i) {
      if (moved_[i]) continue;
      place(i);
      for (int32_t s : after[i]) place(s);
    }
    return std::move(order_);
  }

 private:
  static bool is_through(const PlanEntry& e) {
    return e.kind == Kind::view || (e.kind == Kind::alias && e.in.size() == 1);
  }
  // By entry: the one whose memory its value lies in.
  void find_owners() {
    for (int32_t i = 0; i < count_; ++i) {
      const PlanEntry& e = entries_[i];
      owner_.push_back(is_through(e) ? owner_[e.in[0]] : i);
    }
  }
  // The last reader of each owner, and the one before.
  void find_readers() {
    last_.assign(entries_.size(), {-1, -1});
    for (int32_t i = 0; i < count_; ++i) {
      if (is_through(entries_[i])) continue;
      for (int32_t in : entries_[i].in) {
        auto& [last, before] = last_[owner_[in]];
        if (last != i) before = std::exchange(last, i);
      }
    }
  }

  bool may_move(int32_t i) const {
    const PlanEntry& e = entries_[i];
    return e.kind == Kind::kernel && !e.node->tuple && !e.node->op->opaque;
  }
  // The last of the owners of its operands.
  int32_t where_complete(int32_t i) const {
    int32_t at = -1;
    for (int32_t in : entries_[i].in) at = std::max(at, owner_[in]);
    return at;
  }
  bool frees_more(int32_t i, int32_t at) const {
    int64_t freed = 0;
    for (size_t k = 0; k < entries_[i].in.size(); ++k) {
      const int32_t in = owner_[entries_[i].in[k]];
      bool again = false;
      for (size_t j = 0; j < k; ++j) again |= owner_[entries_[i].in[j]] == in;
      const bool dies = last_[in].first == i && last_[in].second <= at + kNear;
      const bool temporary = entries_[in].kind != Kind::leaf && !entries_[in].node->tuple;
      if (dies && temporary && !again) freed += bytes_of(entries_[in].node);
    }
    return freed > bytes_of(entries_[i].node);
  }

  // With the views that it reads.
  void place(int32_t root) {
    std::vector<int32_t> stack{root};
    while (!stack.empty()) {
      const int32_t i = stack.back();
      const size_t before = stack.size();
      if (place_[i] < 0) {
        for (int32_t in : entries_[i].in) {
          if (place_[in] < 0) stack.push_back(in);
        }
      }
      if (stack.size() > before) {
        std::reverse(stack.begin() + static_cast<int64_t>(before), stack.end());
        continue;
      }
      stack.pop_back();
      if (place_[i] >= 0) continue;
      place_[i] = static_cast<int32_t>(order_.size());
      for (int32_t& in : entries_[i].in) in = place_[in];
      order_.push_back(std::move(entries_[i]));
    }
  }

  // A value counts as let go of if nobody else reads it much later than this.
  static constexpr int32_t kNear = 8;

  std::vector<PlanEntry> entries_, order_;
  const int32_t count_;
  std::vector<int32_t> owner_;
  std::vector<std::pair<int32_t, int32_t>> last_;
  std::vector<bool> moved_;
  std::vector<int32_t> place_;
};

}  // namespace

std::vector<PlanEntry> scheduled(std::vector<PlanEntry> entries) {
  return Scheduler(std::move(entries)).run();
}

}  // namespace olivine
