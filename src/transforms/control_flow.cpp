// The public loops and branches: checks, and the ops that they are made of.
#include "olivine/control_flow.h"

#include <cmath>

#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/random.h"
#include "olivine/ops/shape.h"
#include "transforms/loop.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

void append(Arrays& to, const Arrays& more) { to.insert(to.end(), more.begin(), more.end()); }

std::string name_of(const std::vector<std::string>& names, size_t k) {
  return k < names.size() ? names[k] : message("array ", k);
}

// The carry must stay as it was: it is what the next step gets.
void check_carry(const char* op, const Arrays& init, const Arrays& carry,
                 const std::vector<std::string>& names) {
  if (carry.size() != init.size()) {
    fail("[", op, "] expected the body to return a carry of ", init.size(), " arrays; got ",
         carry.size());
  }
  for (size_t k = 0; k < init.size(); ++k) {
    if (carry[k].shape() == init[k].shape() && carry[k].dtype() == init[k].dtype()) continue;
    fail("[", op, "] expected the body to return ", name_of(names, k), " as it was given, ",
         init[k].shape(), " ", init[k].dtype(), "; got ", carry[k].shape(), " ", carry[k].dtype());
  }
}

int64_t common_length(const char* op, const Arrays& xs, int64_t given) {
  int64_t length = given;
  for (const array& x : xs) {
    if (x.ndim() == 0) fail("[", op, "] expected xs with an axis to step along; got a scalar");
    if (given != 0) note_size_read(x, "the number of steps of a loop");
    if (length == 0 || &x == &xs[0]) length = x.shape()[0];
    if (length != x.shape()[0]) {
      fail("[", op, "] expected xs of one length, ", length, "; got shape ", x.shape());
    }
  }
  if (!xs.empty() && given != 0 && given != length) {
    fail("[", op, "] expected a length of ", length, ", that of xs; got ", given);
  }
  if (length < 0) fail("[", op, "] expected a length >= 0; got ", length);
  return length;
}

void note_sizes_read(const Arrays& xs, const char* by) {
  for (const array& x : xs) note_size_read(x, by);
}

// Slices [from, to) of a scan's xs.
Arrays rows(const Arrays& xs, int64_t from, int64_t to) {
  Arrays out;
  for (const array& x : xs) {
    Shape start(x.ndim(), 0), stop = x.shape();
    start[0] = from, stop[0] = to;
    out.push_back(slice(x, start, stop));
  }
  return out;
}
// A first axis as two, and back.
array folded(const array& a, int64_t outer) {
  Shape shape = a.shape();
  shape[0] /= outer;
  shape.insert(shape.begin(), outer);
  return reshape(a, shape);
}
array unfolded(const array& a) {
  Shape shape(a.shape().begin() + 1, a.shape().end());
  shape[0] *= a.shape()[0];
  return reshape(a, shape);
}

// A loop over segments, each of which is a loop: what its gradient keeps are the carries between
// segments and, in one segment at a time, those within.
Arrays in_segments(LoopParams p, TracedBody traced, LoopInputs in, int64_t segment) {
  if (p.counts) {
    Dtype t = traced.body->traced->placeholders[p.constants + traced.captured.size()].dtype();
    auto from = static_cast<double>(p.first), to = static_cast<double>(p.first + p.length);
    in.xs.insert(in.xs.begin(), arange(from, to, 1.0, t));
    p.counts = false, p.first = 0;
  }
  in.constants.insert(in.constants.begin(), traced.captured.begin(), traced.captured.end());
  traced.captured.clear();
  int64_t segments = p.length / segment, main = segments * segment;
  int64_t from = p.reverse ? p.length - main : 0;
  LoopParams inner = p, outer = p, rest = p;
  inner.length = segment, outer.length = segments, rest.length = p.length - main;
  LoopInputs folds{in.constants, rows(in.xs, from, from + main), in.carry};
  for (array& x : folds.xs) x = folded(x, segments);
  size_t constants = in.constants.size(), xs = in.xs.size();
  ArrayFn body = [&](const Arrays& x) {
    auto slices = x.begin() + static_cast<int64_t>(constants);
    auto carry = slices + static_cast<int64_t>(xs);
    return emit_loop(scan_op, inner, traced,
                     {Arrays(x.begin(), slices), Arrays(slices, carry), Arrays(carry, x.end())});
  };
  Arrays out = emit_loop(scan_op, outer, trace_body(body, body_specs(folds, {})), folds);
  int64_t ys = static_cast<int64_t>(out.size() - in.carry.size());
  for (int64_t k = 0; k < ys; ++k) out[k] = unfolded(out[k]);
  if (rest.length == 0) return out;
  LoopInputs last{in.constants, p.reverse ? rows(in.xs, 0, from) : rows(in.xs, main, p.length),
                  Arrays(out.begin() + ys, out.end())};
  Arrays tail = emit_loop(scan_op, rest, traced, last);
  for (int64_t k = 0; k < ys; ++k) {
    tail[k] = p.reverse ? concatenate({tail[k], out[k]}, 0) : concatenate({out[k], tail[k]}, 0);
  }
  return tail;
}

int64_t segment_of(const char* op, int64_t checkpoint, int64_t length) {
  if (checkpoint < -1) fail("[", op, "] expected a checkpoint >= 1; got ", checkpoint);
  if (checkpoint == -1) {
    return static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(length))));
  }
  return checkpoint;
}

// A loop of a known length over `body`, which returns (ys, carry) of (index, slices, carry). Random
// numbers are drawn from a key that is part of the carry.
Arrays steps(const char* op, LoopParams p, const MaybeArray& index, const ArrayFn& body,
             LoopInputs in, int64_t checkpoint) {
  std::vector<OutSpec> specs = body_specs(in, index);
  specs.push_back({{2}, uint32});
  TracedBody traced = trace_body(body, specs, true);
  size_t carry = in.carry.size();
  if (traced.draws) in.carry.push_back(random::next_key());
  int64_t segment = segment_of(op, checkpoint, p.length);
  if (segment > 0) note_sizes_read(in.xs, "the segments of a checkpointed loop");
  p.counts = index.has_value();
  Arrays out = segment > 0 && segment < p.length ? in_segments(p, traced, in, segment)
                                                 : emit_loop(scan_op, p, traced, in);
  if (in.carry.size() > carry) out.pop_back();  // the rest of the key
  return out;
}

}  // namespace

std::pair<Arrays, Arrays> scan(const ScanFn& body, const Arrays& init, const Arrays& xs,
                               const LoopOptions& options) {
  if (Recording* recording = Recording::running()) {
    const size_t carries = init.size();
    ArrayFn flat = [&](const Arrays& in) {
      auto [carry, x] = parted(in, carries);
      return joined(body(carry, x));
    };
    auto step = [=](const std::vector<ArrayFn>& fns, const Arrays& in) {
      ScanFn again = [&](const Arrays& carry, const Arrays& x) {
        return parted(fns[0](joined(carry, x)), carries);
      };
      auto [init, xs] = parted(in, carries);
      return joined(scan(again, init, xs, options));
    };
    return parted(recording->follow({flat}, joined(init, xs), step), carries);
  }
  LoopParams p;
  p.length = common_length("scan", xs, options.length);
  p.reverse = options.reverse;
  ArrayFn fn = [&](const Arrays& in) {
    auto at = in.begin() + static_cast<int64_t>(xs.size());
    auto [carry, ys] = body(Arrays(at, in.end()), Arrays(in.begin(), at));
    check_carry("scan", init, carry, options.names);
    append(ys, carry);
    return ys;
  };
  Arrays out = steps("scan", p, {}, fn, {{}, xs, init}, options.checkpoint);
  auto at = out.end() - static_cast<int64_t>(init.size());
  return {Arrays(at, out.end()), Arrays(out.begin(), at)};
}

Arrays fori_loop(int64_t lower, int64_t upper, const CountFn& body, const Arrays& init,
                 const LoopOptions& options) {
  if (Recording* recording = Recording::running()) {
    ArrayFn flat = [&](const Arrays& in) { return body(in[0], Arrays(in.begin() + 1, in.end())); };
    auto step = [=](const std::vector<ArrayFn>& fns, const Arrays& in) {
      CountFn again = [&](const array& i, const Arrays& carry) {
        return fns[0](joined({i}, carry));
      };
      return fori_loop(lower, upper, again, in, options);
    };
    return recording->follow({flat}, init, step);
  }
  LoopParams p;
  p.first = lower;
  int64_t length;
  if (__builtin_sub_overflow(upper, lower, &length)) {
    fail("[fori_loop] expected fewer than 2^63 steps; got ", lower, " to ", upper);
  }
  p.length = std::max<int64_t>(length, 0);
  bool narrow = lower >= INT32_MIN && upper <= INT32_MAX;
  ArrayFn fn = [&](const Arrays& in) {
    Arrays carry = body(in[0], Arrays(in.begin() + 1, in.end()));
    check_carry("fori_loop", init, carry, options.names);
    return carry;
  };
  return steps("fori_loop", p, make_placeholder({}, narrow ? int32 : int64), fn, {{}, {}, init},
               options.checkpoint);
}

Arrays fori_loop(const array& lower, const array& upper, const CountFn& body, const Arrays& init,
                 const LoopOptions& options) {
  for (const array& bound : {lower, upper}) {
    if (bound.ndim() != 0 || !is_integer(bound.dtype())) {
      fail("[fori_loop] expected bounds that are integers; got shape ", bound.shape(), " of ",
           bound.dtype());
    }
  }
  Dtype t = promote_types(lower.dtype(), upper.dtype());
  Arrays all{astype(lower, t), astype(upper, t)};
  append(all, init);
  ScalarFn below = [](const Arrays& c) { return less(c[0], c[1]); };
  ArrayFn step = [&](const Arrays& c) {
    Arrays carry = body(c[0], Arrays(c.begin() + 2, c.end()));
    check_carry("fori_loop", init, carry, options.names);
    carry.insert(carry.begin(), {add(c[0], array(1, t)), c[1]});
    return carry;
  };
  Arrays out = while_loop(below, step, all, options);
  return Arrays(out.begin() + 2, out.end());
}

Arrays while_loop(const ScalarFn& condition, const ArrayFn& body, const Arrays& init,
                  const LoopOptions& options) {
  if (Recording* recording = Recording::running()) {
    ArrayFn test = [&](const Arrays& in) { return Arrays{condition(in)}; };
    auto step = [options](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return while_loop([&](const Arrays& carry) { return fns[0](carry)[0]; }, fns[1], in, options);
    };
    return recording->follow({test, body}, init, step);
  }
  if (options.length < 0) fail("[while_loop] expected max_steps >= 0; got ", options.length);
  auto test = [&](const Arrays& carry) {
    array goes_on = condition(carry);
    if (goes_on.ndim() != 0 || goes_on.dtype() != bool_) {
      fail("[while_loop] expected a condition that is one bool; got shape ", goes_on.shape(),
           " of ", goes_on.dtype());
    }
    return goes_on;
  };
  // The condition of the next step is computed at the end of this one, in the same plan.
  ArrayFn fn = [&](const Arrays& in) {
    Arrays carry = body(Arrays(in.begin() + 1, in.end()));
    check_carry("while_loop", init, carry, options.names);
    carry.insert(carry.begin(), test(carry));
    return carry;
  };
  LoopInputs in{{}, {}, init};
  in.carry.insert(in.carry.begin(), test(init));
  std::vector<OutSpec> specs = body_specs(in, {});
  specs.push_back({{2}, uint32});
  TracedBody traced = trace_body(fn, specs, true);
  if (traced.draws) in.carry.push_back(random::next_key());
  LoopParams p;
  p.until = true;
  p.length = options.length;
  Arrays out = emit_loop(while_op, p, traced, in);
  return Arrays(out.begin() + 1, out.begin() + 1 + static_cast<int64_t>(init.size()));
}

namespace {

// Functions that check their results against the first one's. `names` may be filled when it runs.
std::vector<ArrayFn> alike(const char* op, const std::vector<ArrayFn>& branches,
                           const std::vector<std::string>& names) {
  auto first = std::make_shared<std::optional<std::vector<OutSpec>>>();
  std::vector<ArrayFn> out;
  for (size_t b = 0; b < branches.size(); ++b) {
    out.push_back([=, &names, fn = branches[b]](const Arrays& in) {
      Arrays results = fn(in);
      if (!*first) {
        first->emplace();
        for (const array& a : results) (*first)->push_back(spec_of(a));
      }
      if (results.size() != (*first)->size()) {
        fail("[", op, "] expected branches that return ", (*first)->size(), " arrays; branch ", b,
             " got ", results.size());
      }
      for (size_t k = 0; k < results.size(); ++k) {
        const OutSpec& s = (**first)[k];
        if (results[k].shape() == s.shape && results[k].dtype() == s.dtype) continue;
        fail("[", op, "] expected branch ", b, " to return ", name_of(names, k),
             " as branch 0 does, ", s.shape, " ", s.dtype, "; got ", results[k].shape(), " ",
             results[k].dtype());
      }
      return results;
    });
  }
  return out;
}

}  // namespace

Arrays cond(const array& predicate, const ArrayFn& if_true, const ArrayFn& if_false,
            const Arrays& operands, const std::vector<std::string>& names) {
  if (Recording* recording = Recording::running()) {
    auto step = [names](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return cond(in[0], fns[0], fns[1], Arrays(in.begin() + 1, in.end()), names);
    };
    return recording->follow({if_true, if_false}, joined({predicate}, operands), step);
  }
  if (predicate.ndim() != 0) {
    fail("[cond] expected a predicate that is one bool; got shape ", predicate.shape());
  }
  array taken =
      predicate.dtype() == bool_ ? predicate : not_equal(predicate, array(0, predicate.dtype()));
  return choose(astype(taken, int32), alike("cond", {if_false, if_true}, names), operands);
}

Arrays switch_(const array& index, const std::vector<ArrayFn>& branches, const Arrays& operands,
               const std::vector<std::string>& names) {
  if (Recording* recording = Recording::running()) {
    auto step = [names](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return switch_(in[0], fns, Arrays(in.begin() + 1, in.end()), names);
    };
    return recording->follow(branches, joined({index}, operands), step);
  }
  if (branches.empty()) fail("[switch] expected at least one branch; got none");
  if (index.ndim() != 0 || !is_integer(index.dtype())) {
    fail("[switch] expected an index that is one integer; got shape ", index.shape(), " of ",
         index.dtype());
  }
  array last(static_cast<int64_t>(branches.size()) - 1);
  array nearest = minimum(maximum(astype(index, int64), array(int64_t{0})), last);
  return choose(astype(nearest, int32), alike("switch", branches, names), operands);
}

Arrays map(const ArrayFn& fn, const Arrays& xs, int64_t batch_size) {
  if (Recording* recording = Recording::running()) {
    auto step = [batch_size](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return map(fns[0], in, batch_size);
    };
    return recording->follow({fn}, xs, step);
  }
  if (xs.empty()) fail("[map] expected at least one array to map over; got none");
  if (batch_size < 0) fail("[map] expected a batch_size >= 1; got ", batch_size);
  auto loop = [&](const ArrayFn& f, const Arrays& slices) {
    ScanFn step = [&](const Arrays&, const Arrays& x) { return std::pair(Arrays(), f(x)); };
    return scan(step, {}, slices).second;
  };
  if (batch_size == 0) return loop(fn, xs);
  note_sizes_read(xs, "the number of batches");
  int64_t length = common_length("map", xs, 0), batches = length / batch_size;
  ArrayFn batched = vmap(fn, std::vector<int>(xs.size(), 0));
  if (batches == 0) return batched(xs);
  Arrays main = rows(xs, 0, batches * batch_size);
  for (array& x : main) x = folded(x, batches);
  Arrays out = loop(batched, main);
  for (array& y : out) y = unfolded(y);
  if (length == batches * batch_size) return out;
  Arrays rest = batched(rows(xs, batches * batch_size, length));
  for (size_t k = 0; k < out.size(); ++k) out[k] = concatenate({out[k], rest[k]}, 0);
  return out;
}

}  // namespace olivine
