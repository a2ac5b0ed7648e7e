// Runs a reduction's loops over its plan: what is cut where, in which order it is combined.
#include "backends/cpu/reduce.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/scratch.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kPart = 1 << 16;        // elements of a task along rows
constexpr int64_t kColumnPart = 1 << 18;  // elements of a task along columns
constexpr int64_t kTileBytes = 1 << 14;   // accumulators of a tile of columns
constexpr int64_t kRowBlock = 128;        // rows accumulated before the tree takes over
constexpr int64_t kStretch = 256;         // outputs made at a time
constexpr int64_t kShort = 16;
constexpr int64_t kMaxElementSize = 16;

struct Reduction {
  const ReduceLoops& f;
  const ReducePlan& plan;
  const char* in;
  char* out;

  const char* input(int64_t element) const { return in + element * f.in_size; }
  char* output(int64_t element) const { return out + element * f.out_size; }
};

// Combines values in the order given as a balanced tree.
class Tree {
 public:
  explicit Tree(const ReduceLoops& f) : f_(f) {}
  // Where the next value goes; then call pushed().
  void* slot() { return at(top_); }
  void pushed() {
    for (uint64_t c = count_++; c & 1; c >>= 1, --top_) f_.merge(at(top_ - 1), at(top_), 1);
    ++top_;
  }
  // At least one value was pushed.
  const void* finish() {
    for (; top_ > 1; --top_) f_.merge(at(top_ - 2), at(top_ - 1), 1);
    return at(0);
  }

 private:
  void* at(int i) { return stack_ + i * kMaxElementSize; }
  const ReduceLoops& f_;
  uint64_t count_ = 0;
  int top_ = 0;
  alignas(16) char stack_[64 * kMaxElementSize];
};

// Elements [begin, end), in row-major order of the reduced loops, of the output whose input is p.
void reduce_range(const Reduction& r, const char* p, int64_t begin, int64_t end, void* acc) {
  const LoopDim& inner = r.plan.reduce[r.plan.reduced - 1];
  const bool direct = inner.in == 1 && (inner.size >= 64 || r.plan.reduced == 1);
  LoopCursor outer(r.plan.reduce, r.plan.reduced - 1, begin / inner.size);
  int64_t at = begin % inner.size;
  Tree tree(r.f);
  alignas(64) char packed[kReduceRun * kMaxElementSize];
  int64_t filled = 0;
  while (begin < end) {
    int64_t n = std::min({end - begin, inner.size - at, kReduceRun - filled});
    const char* q = p + (outer.in + at * inner.in) * r.f.in_size;
    begin += n;
    if (direct) {
      r.f.runs(q, 0, 1, n, tree.slot());
      tree.pushed();
    } else {
      pack(q, inner.in, n, packed + filled * r.f.in_size, r.f.in_size);
      filled += n;
      if (filled == kReduceRun || begin == end) {
        r.f.runs(packed, 0, 1, filled, tree.slot());
        tree.pushed();
        filled = 0;
      }
    }
    at += n;
    if (at == inner.size) {
      at = 0;
      outer.next();
    }
  }
  std::memcpy(acc, tree.finish(), static_cast<size_t>(r.f.acc_size));
}

// Outputs [b, e), each of at most kReduceRun neighbouring elements.
void reduce_single_runs(const Reduction& r, int64_t b, int64_t e) {
  alignas(64) char acc[kStretch * kMaxElementSize];
  const LoopDim one{1, 0, 0};
  const LoopDim& across = r.plan.kept > 0 ? r.plan.keep[r.plan.kept - 1] : one;
  LoopCursor at(r.plan.keep, std::max(r.plan.kept - 1, 0), b / across.size);
  int64_t first = b % across.size;
  while (b < e) {
    int64_t n = std::min({e - b, across.size - first, kStretch});
    r.f.runs(r.input(at.in + first * across.in), across.in, n, r.plan.length, acc);
    r.f.finish(acc, n, r.output(at.out + first * across.out), across.out);
    b += n;
    first += n;
    if (first == across.size) {
      first = 0;
      at.next();
    }
  }
}

void reduce_rows(const Reduction& r) {
  const ReducePlan& plan = r.plan;
  const int64_t length = plan.length, acc_size = r.f.acc_size;
  if (length < 2 * kPart) {
    const bool single = length <= kReduceRun && plan.reduced == 1 && plan.reduce[0].in == 1;
    parallel_for(plan.outputs, std::max<int64_t>(1, kPart / length), [&](int64_t b, int64_t e) {
      if (single) return reduce_single_runs(r, b, e);
      alignas(16) char acc[kMaxElementSize];
      LoopCursor at(plan.keep, plan.kept, b);
      for (; b < e; ++b, at.next()) {
        reduce_range(r, r.input(at.in), 0, length, acc);
        r.f.finish(acc, 1, r.output(at.out), 0);
      }
    });
    return;
  }
  const int64_t parts = (length + kPart - 1) / kPart;
  ScratchBytes scratch(plan.outputs * parts, static_cast<size_t>(acc_size));
  char* partial = static_cast<char*>(scratch.data());
  parallel_for(plan.outputs * parts, 1, [&](int64_t b, int64_t e) {
    for (; b < e; ++b) {
      LoopCursor at(plan.keep, plan.kept, b / parts);
      int64_t begin = b % parts * kPart;
      reduce_range(r, r.input(at.in), begin, std::min(length, begin + kPart),
                   partial + b * acc_size);
    }
  });
  LoopCursor at(plan.keep, plan.kept, 0);
  for (int64_t o = 0; o < plan.outputs; ++o, at.next()) {
    Tree tree(r.f);
    for (int64_t i = 0; i < parts; ++i) {
      std::memcpy(tree.slot(), partial + (o * parts + i) * acc_size, size_t(acc_size));
      tree.pushed();
    }
    r.f.finish(tree.finish(), 1, r.output(at.out), 0);
  }
}

// How the columns of a plan are cut up.
struct ColumnTiles {
  int64_t cols;   // outputs in a tile (fewer in the last of a row)
  int64_t tiles;  // tiles along the innermost kept loop
  int64_t fold;   // rows read as one wide row, where rows are short neighbours
  int64_t units;  // tiles in all
  int64_t parts;  // parts of the rows, each its own task
  int64_t part_rows;

  explicit ColumnTiles(const Reduction& r) {
    const ReducePlan& plan = r.plan;
    const LoopDim& across = plan.keep[plan.kept - 1];
    const LoopDim& down = plan.reduce[plan.reduced - 1];
    cols = std::min(across.size, kTileBytes / r.f.acc_size);
    tiles = (across.size + cols - 1) / cols;
    fold = 1;
    if (across.in == 1 && down.in == across.size && across.size < 128) {
      fold = std::max<int64_t>(1, std::min(256 / across.size, down.size / 2));
    }
    units = plan.outputs / across.size * tiles;
    parts = 1;
    part_rows = plan.length;
    if (units < 32 && plan.length * cols >= 2 * kColumnPart) {
      part_rows = std::max(kRowBlock * fold, kColumnPart / cols);
      parts = (plan.length + part_rows - 1) / part_rows;
    }
  }
};

// Rows [begin, end) of a tile of `cols` columns into acc (cols * fold accumulators).
void reduce_row_block(const Reduction& r, const char* p, int64_t fold, int64_t cols, int64_t begin,
                      int64_t end, char* acc) {
  const LoopDim& down = r.plan.reduce[r.plan.reduced - 1];
  const int64_t step = r.plan.keep[r.plan.kept - 1].in;
  LoopCursor outer(r.plan.reduce, r.plan.reduced - 1, begin / down.size);
  int64_t at = begin % down.size;
  while (begin < end) {
    int64_t n = std::min(end - begin, down.size - at);
    const char* q = p + (outer.in + at * down.in) * r.f.in_size;
    if (fold > 1) {
      int64_t wide = cols * fold, full = n / fold;
      r.f.columns(q, wide, full, wide, acc);
      r.f.columns(q + full * wide * r.f.in_size, wide, 1, (n - full * fold) * cols, acc);
    } else if (step == 1) {
      r.f.columns(q, down.in, n, cols, acc);
    } else {
      for (int64_t i = 0; i < n; ++i) r.f.strided(q + i * down.in * r.f.in_size, step, cols, acc);
    }
    begin += n;
    at = 0;
    outer.next();
  }
}

int tree_levels(int64_t leaves) { return 65 - __builtin_clzll(static_cast<uint64_t>(leaves) | 1); }

// Rows [begin, end) of a tile; the result is at the start of `stack`, which has room for
// tree_levels(number of blocks) + 1 tiles.
void reduce_tile(const Reduction& r, const char* p, int64_t fold, int64_t cols, int64_t begin,
                 int64_t end, char* stack) {
  const int64_t wide = cols * fold, bytes = wide * r.f.acc_size;
  const int64_t block = r.f.rounds ? kRowBlock * fold : end - begin;
  int64_t top = 0;
  uint64_t count = 0;
  for (; begin < end; begin += block) {
    char* acc = stack + top * bytes;
    r.f.clear(acc, wide);
    reduce_row_block(r, p, fold, cols, begin, std::min(end, begin + block), acc);
    for (uint64_t c = count++; c & 1; c >>= 1, --top, acc -= bytes) {
      r.f.merge(acc - bytes, acc, wide);
    }
    ++top;
  }
  for (; top > 1; --top) r.f.merge(stack + (top - 2) * bytes, stack + (top - 1) * bytes, wide);
  for (int64_t k = fold; k > 1;) {
    int64_t half = (k + 1) / 2;
    r.f.merge(stack, stack + half * cols * r.f.acc_size, (k - half) * cols);
    k = half;
  }
}

void reduce_columns(const Reduction& r) {
  const ReducePlan& plan = r.plan;
  const ColumnTiles t(r);
  const LoopDim& across = plan.keep[plan.kept - 1];
  const int64_t acc_size = r.f.acc_size, tile_bytes = t.cols * acc_size;
  auto first_column = [&](int64_t unit) { return unit % t.tiles * t.cols; };
  auto width = [&](int64_t unit) { return std::min(t.cols, across.size - first_column(unit)); };
  auto write = [&](int64_t unit, const char* acc) {
    LoopCursor at(plan.keep, plan.kept - 1, unit / t.tiles);
    r.f.finish(acc, width(unit), r.output(at.out + first_column(unit) * across.out), across.out);
  };
  ScratchBytes all_parts(t.parts > 1 ? t.units * t.parts * t.cols : 0, size_t(acc_size));
  char* partial = static_cast<char*>(all_parts.data());
  const int levels = tree_levels(t.part_rows / kRowBlock + 1) + 1;
  const int64_t grain = std::max<int64_t>(1, kPart / (t.part_rows * t.cols));
  parallel_for(t.units * t.parts, grain, [&](int64_t b, int64_t e) {
    ScratchBytes scratch(levels * t.fold, static_cast<size_t>(tile_bytes));
    char* stack = static_cast<char*>(scratch.data());
    for (; b < e; ++b) {
      int64_t unit = b / t.parts, begin = b % t.parts * t.part_rows;
      LoopCursor at(plan.keep, plan.kept - 1, unit / t.tiles);
      const char* p = r.input(at.in + first_column(unit) * across.in);
      reduce_tile(r, p, t.fold, width(unit), begin, std::min(plan.length, begin + t.part_rows),
                  stack);
      if (t.parts == 1) {
        write(unit, stack);
      } else {
        std::memcpy(partial + b * tile_bytes, stack, size_t(width(unit) * acc_size));
      }
    }
  });
  if (t.parts == 1) return;
  for (int64_t unit = 0; unit < t.units; ++unit) {
    char* first = partial + unit * t.parts * tile_bytes;
    for (int64_t step = 1; step < t.parts; step *= 2) {
      for (int64_t i = 0; i + step < t.parts; i += 2 * step) {
        r.f.merge(first + i * tile_bytes, first + (i + step) * tile_bytes, width(unit));
      }
    }
    write(unit, first);
  }
}

// At most 256 elements per output; the outputs of a stretch are made side by side.
void reduce_short(const Reduction& r) {
  const ReducePlan& plan = r.plan;
  int64_t offset[256];
  if (plan.reduced == 1) {
    for (int64_t i = 0; i < plan.length; ++i) offset[i] = i * plan.reduce[0].in;
  } else {
    LoopCursor down(plan.reduce, plan.reduced, 0);
    for (int64_t i = 0; i < plan.length; ++i, down.next()) offset[i] = down.in;
  }
  const LoopDim one{1, 0, 0};
  const LoopDim& across = plan.kept > 0 ? plan.keep[plan.kept - 1] : one;
  const int64_t stretches = (across.size + kStretch - 1) / kStretch;
  const int64_t units = plan.outputs / across.size * stretches;
  const int64_t work = plan.length * std::min(across.size, kStretch);
  parallel_for(units, std::max<int64_t>(1, kPart / work), [&](int64_t b, int64_t e) {
    alignas(64) char acc[kStretch * kMaxElementSize];
    LoopCursor at(plan.keep, std::max(plan.kept - 1, 0), b / stretches);
    int64_t stretch = b % stretches;
    for (; b < e; ++b) {
      int64_t first = stretch * kStretch, n = std::min(kStretch, across.size - first);
      r.f.clear(acc, n);
      for (int64_t i = 0; i < plan.length; ++i) {
        r.f.strided(r.input(at.in + first * across.in + offset[i]), across.in, n, acc);
      }
      r.f.finish(acc, n, r.output(at.out + first * across.out), across.out);
      if (++stretch == stretches) {
        stretch = 0;
        at.next();
      }
    }
  });
}

}  // namespace

void reduce(const KernelCall& call, const ReduceLoops& f) {
  ReducePlan plan;
  plan_reduction(call, f.components, plan);
  if (plan.outputs == 0) return;
  Reduction r{f, plan, static_cast<const char*>(call.in[0].data), nullptr};
  r.out = static_cast<char*>(call.out[0].data) + plan.out_offset * f.out_size;
  if (plan.length == 0) {
    alignas(16) char identity[kMaxElementSize];
    f.clear(identity, 1);
    for (int64_t i = 0; i < plan.outputs; ++i) f.finish(identity, 1, r.output(i), 0);
    return;
  }
  r.in += plan.in_offset * f.in_size;
  if (plan.reduced == 0) plan.reduce[plan.reduced++] = {1, 0, 0};
  const LoopDim& down = plan.reduce[plan.reduced - 1];
  const LoopDim* across = plan.kept > 0 ? &plan.keep[plan.kept - 1] : nullptr;
  const bool rows = !across || across->in == 0 || (down.in != 0 && down.in <= across->in);
  if (rows ? plan.length <= kShort : across->size < 16 && across->size * plan.length < 256) {
    reduce_short(r);
  } else if (rows) {
    reduce_rows(r);
  } else {
    reduce_columns(r);
  }
}

}  // namespace olivine::cpu
