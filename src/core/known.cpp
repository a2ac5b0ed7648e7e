// Looks for inputs of traces below an array.
#include "core/known.h"

#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "runtime/process_locks.h"

namespace olivine {

bool awaits_input(const array& a) {
  if (!a.node()->tracer || a.node()->done()) return false;
  std::lock_guard lock(process_lock(Lock::graph));
  std::vector<const Node*> stack{a.node()};
  std::unordered_set<const Node*> seen;
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (n->done() || !n->tracer || !seen.insert(n).second) continue;
    if (n->placeholder) return true;
    stack.insert(stack.end(), n->inputs.begin(), n->inputs.end());
  }
  return false;
}

void expect_known(const array& a, const char* op, const char* instead) {
  if (!awaits_input(a)) return;
  fail("[", op, "] expected ", instead,
       " where compile, vmap or export traces the values that decide the result's shape; got an "
       "array without values");
}

}  // namespace olivine
