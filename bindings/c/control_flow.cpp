// The C API of loops and branches.
#include "olivine/c/control_flow.h"

#include "closures.h"
#include "olivine/control_flow.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::set_both;

namespace {

using Arrays = std::vector<array>;

Arrays joined(const Arrays& a, const Arrays& b) {
  Arrays all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

}  // namespace

int olivine_scan(olivine_vector_array* res_0, olivine_vector_array* res_1,
                 const olivine_closure body, const olivine_vector_array init,
                 const olivine_vector_array xs, int64_t length, bool reverse, int64_t checkpoint) {
  return guarded([&] {
    const ArrayFn& fn = get(body);
    ScanFn step = [&](const Arrays& carry, const Arrays& x) {
      Arrays out = fn(joined(carry, x));
      if (out.size() < carry.size()) {
        fail("[scan] expected the body to return a carry of ", carry.size(), " arrays; got ",
             out.size());
      }
      auto ys = out.begin() + static_cast<int64_t>(carry.size());
      return std::pair(Arrays(out.begin(), ys), Arrays(ys, out.end()));
    };
    LoopOptions options{
        .length = length, .reverse = reverse, .checkpoint = checkpoint, .names = {}};
    set_both(res_0, res_1, scan(step, get(init), get(xs), options));
  });
}
int olivine_fori_loop(olivine_vector_array* res, int64_t lower, int64_t upper,
                      const olivine_closure body, const olivine_vector_array init,
                      int64_t checkpoint) {
  return guarded([&] {
    const ArrayFn& fn = get(body);
    CountFn step = [&](const array& i, const Arrays& carry) { return fn(joined({i}, carry)); };
    LoopOptions options{.length = 0, .reverse = false, .checkpoint = checkpoint, .names = {}};
    c::set(res, fori_loop(lower, upper, step, get(init), options));
  });
}
int olivine_while_loop(olivine_vector_array* res, const olivine_closure condition,
                       const olivine_closure body, const olivine_vector_array init,
                       int64_t max_steps) {
  return guarded([&] {
    const ArrayFn& fn = get(condition);
    ScalarFn test = [&](const Arrays& carry) {
      Arrays out = fn(carry);
      if (out.size() != 1) {
        fail("[while_loop] expected a condition that is one bool; got ", out.size(), " arrays");
      }
      return out[0];
    };
    LoopOptions options{.length = max_steps, .reverse = false, .checkpoint = 0, .names = {}};
    c::set(res, while_loop(test, get(body), get(init), options));
  });
}
int olivine_cond(olivine_vector_array* res, const olivine_array predicate,
                 const olivine_closure if_true, const olivine_closure if_false,
                 const olivine_vector_array operands) {
  return guarded(
      [&] { c::set(res, cond(get(predicate), get(if_true), get(if_false), get(operands))); });
}
int olivine_switch(olivine_vector_array* res, const olivine_array index,
                   const olivine_closure* branches, size_t branches_num,
                   const olivine_vector_array operands) {
  return guarded([&] {
    c::expect_values(branches, branches_num, "switch");
    std::vector<ArrayFn> fns;
    for (size_t i = 0; i < branches_num; ++i) fns.push_back(get(branches[i]));
    c::set(res, switch_(get(index), fns, get(operands)));
  });
}
int olivine_map(olivine_vector_array* res, const olivine_closure fun, const olivine_vector_array xs,
                int64_t batch_size) {
  return guarded([&] { c::set(res, map(get(fun), get(xs), batch_size)); });
}
