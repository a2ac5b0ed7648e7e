// Start at entries_within: rounds of choices, each judged by its plan. Lifetimes says what is
// computed and read when, Kept what is not to be computed again; Rewrite makes the entries.
#include "transforms/recompute.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace olivine {
namespace {

using Kind = PlanEntry::Kind;

constexpr int kRounds = 4;
// Nanoseconds for a byte of a result, from which it counts as dearer; all are tried, cheap first.
constexpr double kDear[] = {0.8, 4, 1e300};
constexpr int kCuts[] = {0, 1, 2, 3, 5, 7, 11, 15, 23, 31, 47, 63, 95};
constexpr int kWorse = 3;           // choices of more cuts that may be worse in a row
constexpr double kLeastGain = .99;  // of the peak, for another round

constexpr double kByteTime = 0.1, kFlopTime = 0.01;  // nanoseconds

bool contains(const SmallVector<int32_t, 3>& v, int32_t i) {
  return std::find(v.begin(), v.end(), i) != v.end();
}

// Whether a task computes it, at its own position.
bool is_task(const PlanEntry& e, int32_t i) {
  return e.kind == Kind::kernel || e.kind == Kind::compiled || e.kind == Kind::control ||
         (e.kind == Kind::elementwise && contains(e.regions, i));
}

int64_t bytes_of(const Node* n) {
  if (!n->tuple) return n->size() * static_cast<int64_t>(n->dtype.size());
  int64_t bytes = 0;
  for (const TupleOutput& o : *n->tuple) {
    bytes += element_count(o.spec.shape) * static_cast<int64_t>(o.spec.dtype.size());
  }
  return bytes;
}

// Roughly: memory read and written and, where two operands or more are matrices of floats
// (products, convolutions, attention), as many multiplications as a product of such sizes has.
double time_of(const Node* n) {
  const double out = static_cast<double>(bytes_of(n));
  double moved = out, product = static_cast<double>(n->tuple ? 0 : n->size());
  int matrices = 0;
  for (const Node* in : n->inputs) {
    moved += static_cast<double>(bytes_of(in));
    if (in->shape.size() < 2 || !is_inexact(in->dtype) || ++matrices > 2) continue;
    product *= static_cast<double>(in->size());
  }
  const bool multiplies = n->op->kind == OpKind::general && matrices >= 2;
  return kByteTime * moved + (multiplies ? kFlopTime * 2 * std::sqrt(product) : 0);
}

bool may_repeat(const PlanEntry& e) {
  if (e.kind != Kind::kernel && e.kind != Kind::elementwise) return false;
  if (e.held || e.node->op->opaque || e.node->inputs.empty()) return false;
  if (e.kind == Kind::elementwise) return true;
  const Kernel* kernel = cpu_backend().kernel(e.node->op->id(), kernel_key(e.node));
  return kernel && !kernel->make;
}

// When entries of a built plan are computed and read, counted in positions. Views, and elementwise
// ops inside regions, have no memory: they are read when their readers run.
class Lifetimes {
 public:
  explicit Lifetimes(const std::vector<PlanEntry>& entries)
      : entries(entries), count(static_cast<int32_t>(entries.size())) {
    time.resize(entries.size());
    for (int32_t i = 0; i < count; ++i) time[i] = when_computed(i);
    peak = find_peak();
    early = last_reads(peak);
    late = read_after_peak();
  }

  bool has_memory(int32_t i) const { return is_task(entries[i], i) || entries[i].stored; }
  bool is_late(int32_t i) const { return time[i] > peak; }
  double density(int32_t i) const {
    return time_of(entries[i].node) / static_cast<double>(std::max<int64_t>(bytes_of(i), 1));
  }
  int64_t bytes_of(int32_t i) const { return olivine::bytes_of(entries[i].node); }
  // Kept across the peak for later readers.
  bool waits(int32_t i) const {
    return has_memory(i) && !entries[i].held && time[i] <= peak && late[i];
  }

  const std::vector<PlanEntry>& entries;
  const int32_t count;
  std::vector<int32_t> time;   // -1: before all
  int32_t peak = 0;            // position with the most temporaries
  std::vector<int32_t> early;  // last read up to the peak; -1: none
  std::vector<bool> late;      // read after the peak

 private:
  int32_t when_computed(int32_t i) const {
    const PlanEntry& e = entries[i];
    if (e.kind == Kind::leaf) return -1;
    if (is_task(e, i)) return i;
    if (e.kind == Kind::elementwise) return *std::ranges::min_element(e.regions);
    int32_t last = -1;
    for (int32_t in : e.in) last = std::max(last, time[in]);
    return last;
  }

  // Calls f(input, time) for each read of an entry's inputs, given `own`, the reads of the entry.
  template <class F>
  void for_reads(int32_t i, int32_t own, int32_t end, F&& f) const {
    const PlanEntry& e = entries[i];
    int32_t at = own;
    if (e.kind == Kind::elementwise) {
      at = -1;
      for (int32_t root : e.regions) at = root <= end ? std::max(at, root) : at;
    } else if (is_task(e, i)) {
      at = i <= end ? i : -1;
    }
    for (int32_t in : e.in) f(in, at);
  }
  std::vector<int32_t> last_reads(int32_t end) const {
    std::vector<int32_t> last(entries.size(), -1);
    for (int32_t i = count - 1; i >= 0; --i) {
      for_reads(i, last[i], end,
                [&](int32_t in, int32_t at) { last[in] = std::max(last[in], at); });
    }
    return last;
  }
  std::vector<bool> read_after_peak() const {
    std::vector<int32_t> last = last_reads(count);
    std::vector<bool> after;
    for (int32_t at : last) after.push_back(at > peak);
    return after;
  }

  int32_t find_peak() const {
    const std::vector<int32_t> last = last_reads(count);
    std::vector<int64_t> change(entries.size() + 1, 0);
    for (int32_t i = 0; i < count; ++i) {
      if (!has_memory(i) || entries[i].held) continue;
      change[time[i]] += bytes_of(i);
      change[std::max(last[i], time[i]) + 1] -= bytes_of(i);
    }
    int64_t live = 0, most = -1;
    int32_t at = 0;
    for (int32_t i = 0; i < count; ++i) {
      live += change[i];
      if (live > most) most = live, at = i;
    }
    return at;
  }
};

// What is kept across the peak, of what could be computed again.
using Kept = std::vector<bool>;

Kept dearer_than(const Lifetimes& l, double density) {
  Kept kept(l.entries.size(), true);
  for (int32_t i = 0; i < l.count; ++i) {
    kept[i] = !may_repeat(l.entries[i]) || (l.has_memory(i) && l.density(i) > density);
  }
  return kept;
}

// Keeps all that is still read up to the peak at `cuts` positions, where that is little, with about
// the same bytes of values waiting between them.
void keep_at_cuts(const Lifetimes& l, int cuts, Kept& kept) {
  std::vector<int64_t> width(l.entries.size() + 1, 0), waiting(l.entries.size() + 1, 0);
  for (int32_t i = 0; i < l.count; ++i) {
    if (!l.has_memory(i) || kept[i] || l.time[i] > l.peak) continue;
    width[l.time[i]] += l.bytes_of(i);
    width[std::max(l.early[i], l.time[i])] -= l.bytes_of(i);
    if (l.waits(i)) waiting[l.time[i]] += l.bytes_of(i);
  }
  std::partial_sum(width.begin(), width.end(), width.begin());
  std::partial_sum(waiting.begin(), waiting.end(), waiting.begin());
  const double each = static_cast<double>(waiting[l.peak]) / (cuts + 1);
  std::vector<int32_t> at;
  for (int c = 1; c <= cuts; ++c) {
    int32_t best = -1;
    for (int32_t i = 0; i < l.peak; ++i) {
      const double segments = static_cast<double>(waiting[i]) / each;
      if (std::abs(segments - c) > 0.4 || !is_task(l.entries[i], i)) continue;
      if (best < 0 || width[i] <= width[best]) best = i;
    }
    if (best >= 0) at.push_back(best);
  }
  for (int32_t i = 0; i < l.count; ++i) {
    if (!l.has_memory(i)) continue;
    for (int32_t cut : at) kept[i] = kept[i] || (l.time[i] <= cut && cut < l.early[i]);
  }
}

// The entries of a choice: late readers read copies of what is not kept.
class Rewrite {
 public:
  Rewrite(const Lifetimes& l, const Kept& kept) : l_(l) {
    for (const PlanEntry& e : l.entries) made_.push_back(fresh(e));
    find_wanted(kept);
    make_copies(kept);
    find_live();
    place_all();
  }
  std::vector<PlanEntry> take() { return std::move(order_); }
  const std::vector<int32_t>& copied() const { return copied_; }

 private:
  static PlanEntry fresh(const PlanEntry& e) {
    PlanEntry f;
    f.node = e.node;
    f.in = e.in;
    f.kind = e.kind;
    f.again = e.again;
    return f;
  }
  bool is_fixed(int32_t i) const {
    return l_.entries[i].kind == Kind::leaf || l_.entries[i].held || l_.is_late(i);
  }

  // Entries whose value is read late, by readers or by copies.
  void find_wanted(const Kept& kept) {
    wanted_.assign(l_.entries.size(), false);
    for (int32_t i = 0; i < l_.count; ++i) {
      if (!l_.is_late(i)) continue;
      for (int32_t in : l_.entries[i].in) wanted_[in] = true;
    }
    for (int32_t i = l_.count - 1; i >= 0; --i) {
      if (!wanted_[i] || is_fixed(i) || (l_.has_memory(i) && kept[i])) continue;
      for (int32_t in : l_.entries[i].in) wanted_[in] = true;
    }
  }

  void make_copies(const Kept& kept) {
    std::vector<int32_t> stands_for(l_.entries.size());
    std::iota(stands_for.begin(), stands_for.end(), 0);
    for (int32_t i = 0; i < l_.count; ++i) {
      if (l_.is_late(i)) {
        for (int32_t& in : made_[i].in) in = stands_for[in];
        continue;
      }
      if (!wanted_[i] || is_fixed(i)) continue;
      PlanEntry copy = fresh(l_.entries[i]);
      bool changed = l_.has_memory(i) && !kept[i];
      if (l_.has_memory(i) && !changed) continue;
      if (changed) copied_.push_back(i);
      for (int32_t& in : copy.in) {
        changed |= stands_for[in] != in;
        in = stands_for[in];
      }
      if (!changed) continue;
      copy.again = true;
      stands_for[i] = static_cast<int32_t>(made_.size());
      made_.push_back(std::move(copy));
    }
  }

  void find_live() {
    live_.assign(made_.size(), false);
    std::vector<int32_t> stack;
    auto visit = [&](int32_t i) {
      if (!live_[i]) stack.push_back(i);
      live_[i] = true;
    };
    for (int32_t i = 0; i < l_.count; ++i) {
      if (l_.entries[i].held) visit(i);
    }
    while (!stack.empty()) {
      const int32_t i = stack.back();
      stack.pop_back();
      for (int32_t in : made_[i].in) visit(in);
    }
  }

  // Tasks keep their order; copies, and what has no task, stand right before the first reader.
  void place_all() {
    place_.assign(made_.size(), -1);
    for (int32_t i = 0; i < l_.count; ++i) {
      if (live_[i] && is_task(l_.entries[i], i)) place(i);
    }
    for (int32_t i = 0; i < l_.count; ++i) {
      if (l_.entries[i].held) place(i);
    }
  }
  void place(int32_t root) {
    std::vector<std::pair<int32_t, size_t>> stack{{root, 0}};
    while (!stack.empty()) {
      auto& [i, next] = stack.back();
      if (place_[i] >= 0) {
        stack.pop_back();
      } else if (next < made_[i].in.size()) {
        const int32_t in = made_[i].in[next++];
        if (place_[in] < 0) stack.emplace_back(in, 0);
      } else {
        place_[i] = static_cast<int32_t>(order_.size());
        for (int32_t& in : made_[i].in) in = place_[in];
        order_.push_back(std::move(made_[i]));
        stack.pop_back();
      }
    }
  }

  const Lifetimes& l_;
  std::vector<PlanEntry> made_, order_;  // in the old order, copies last; in the new order
  std::vector<bool> wanted_, live_;
  std::vector<int32_t> copied_;  // have memory, and a copy
  std::vector<int32_t> place_;
};

struct Choice {
  Kept kept;
  std::vector<PlanEntry> entries;
  std::vector<int32_t> copied;
  size_t peak = SIZE_MAX;
};

Choice judge(const Lifetimes& l, Kept kept, const RecomputeSearch& search) {
  Choice c;
  Rewrite rewrite(l, kept);
  c.kept = std::move(kept);
  c.copied = rewrite.copied();
  c.entries = rewrite.take();
  c.peak = search.peak(search.build(c.entries));
  return c;
}

// The first choice within the limit, else the one of the least peak.
Choice search_round(const Lifetimes& l, const RecomputeSearch& search) {
  Choice best;
  for (double dear : kDear) {
    const Kept kept = dearer_than(l, dear);
    size_t least = SIZE_MAX;
    int worse = 0;
    for (int cuts : kCuts) {
      Kept with_cuts = kept;
      keep_at_cuts(l, cuts, with_cuts);
      Choice c = judge(l, std::move(with_cuts), search);
      worse = c.peak < least ? 0 : worse + 1;
      least = std::min(least, c.peak);
      if (c.peak < best.peak) best = std::move(c);
      if (best.peak <= search.limit) return best;
      if (worse > kWorse) break;
    }
  }
  return best;
}

// Of a choice within the limit: keeps as many as fit of the values that cost most for their bytes.
std::vector<PlanEntry> refined(const Lifetimes& l, Choice best, const RecomputeSearch& search) {
  std::vector<int32_t> dearest = best.copied;
  std::ranges::sort(dearest, std::greater(), [&](int32_t i) { return l.density(i); });
  const Kept before = best.kept;
  size_t fits = 0, fails = dearest.size();
  while (fits + 1 < fails) {
    const size_t middle = (fits + fails) / 2;
    Kept kept = before;
    for (size_t k = 0; k < middle; ++k) kept[dearest[k]] = true;
    Choice c = judge(l, std::move(kept), search);
    if (c.peak <= search.limit) {
      best = std::move(c);
      fits = middle;
    } else {
      fails = middle;
    }
  }
  return std::move(best.entries);
}

}  // namespace

int32_t count_recomputed(const std::vector<PlanEntry>& entries) {
  int32_t count = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    count += entries[i].again && is_task(entries[i], static_cast<int32_t>(i));
  }
  return count;
}

std::vector<PlanEntry> entries_within(const std::vector<PlanEntry>& collected,
                                      const RecomputeSearch& search) {
  std::vector<PlanEntry> entries = collected;
  size_t least = SIZE_MAX;
  for (int round = 0; round <= kRounds; ++round) {
    const PlanBuilder built = search.build(entries);
    const size_t peak = search.peak(built);
    if (peak <= search.limit) return entries;
    const bool gained = static_cast<double>(peak) < kLeastGain * static_cast<double>(least);
    least = std::min(least, peak);
    if (round == kRounds || !gained) break;
    const Lifetimes lifetimes(built.entries);
    Choice best = search_round(lifetimes, search);
    if (best.peak <= search.limit) return refined(lifetimes, std::move(best), search);
    if (best.peak >= least) break;
    entries = std::move(best.entries);
  }
  fail("[compile] expected a memory_limit of at least ", least,
       " bytes, the least that computing values again reaches; got ", search.limit);
}

}  // namespace olivine
