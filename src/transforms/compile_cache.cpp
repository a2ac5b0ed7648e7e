// Compiled functions by the number their caller gave them.
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "olivine/compile_impl.h"
#include "runtime/process_locks.h"

namespace olivine::detail {
namespace {

struct Key {
  bool shapeless;
  std::vector<uint64_t> constants;
  auto operator<=>(const Key&) const = default;
};
// A function with what it returned beside arrays, for each shapes and dtypes of its inputs.
struct Cached {
  explicit Cached(bool shapeless) : fn(ArrayFn(), shapeless) {}
  CompiledFunction fn;
  std::map<std::string, std::shared_ptr<void>> extras;  // under the lock of traces
  std::shared_ptr<void> last_extra;
};
using Functions = std::map<Key, std::shared_ptr<Cached>>;

// Under the lock of traces. Never destroyed: traces may outlive everything else of the process.
std::unordered_map<std::uintptr_t, Functions>& cache() {
  static auto* all = new std::unordered_map<std::uintptr_t, Functions>;
  return *all;
}

std::shared_ptr<Cached> find(std::uintptr_t id, const Key& key) {
  std::lock_guard lock(process_lock(Lock::traces));
  std::shared_ptr<Cached>& found = cache()[id][key];
  // The function to trace comes with each call, so that the cache keeps none alive.
  if (!found) found = std::make_shared<Cached>(key.shapeless);
  return found;
}

std::string signature(const std::vector<array>& inputs) {
  std::string text;
  for (const array& a : inputs) text += message(a.dtype(), a.shape(), ';');
  return text;
}

// What belongs to the trace of these inputs: `fresh` if it was made now. A trace for any sizes that
// serves other sizes has the latest.
std::shared_ptr<void> extra_of(Cached& c, const std::vector<array>& inputs,
                               const std::optional<std::shared_ptr<void>>& fresh) {
  std::shared_ptr<void> dropped;  // dies after the lock
  std::string key = signature(inputs);
  std::lock_guard lock(process_lock(Lock::traces));
  if (fresh) {
    dropped = std::exchange(c.extras[key], *fresh);
    c.last_extra = *fresh;
    return *fresh;
  }
  auto it = c.extras.find(key);
  return it == c.extras.end() ? c.last_extra : it->second;
}

}  // namespace

ArrayFn compile(ArrayFn fn, std::uintptr_t fun_id, bool shapeless,
                std::vector<uint64_t> constants) {
  Key key{shapeless, std::move(constants)};
  return [fn = std::move(fn), fun_id, key = std::move(key)](const std::vector<array>& inputs) {
    return find(fun_id, key)->fn.call(inputs, fn);
  };
}

ArrayFnWithExtra compile(ArrayFnWithExtra fn, std::uintptr_t fun_id, bool shapeless,
                         std::vector<uint64_t> constants) {
  Key key{shapeless, std::move(constants)};
  return [fn = std::move(fn), fun_id, key = std::move(key)](const std::vector<array>& inputs) {
    std::shared_ptr<Cached> cached = find(fun_id, key);
    std::optional<std::shared_ptr<void>> fresh;
    std::vector<array> outputs = cached->fn.call(inputs, [&](const std::vector<array>& in) {
      auto [out, extra] = fn(in);
      fresh = std::move(extra);
      return out;
    });
    return ArraysAndExtra(std::move(outputs), extra_of(*cached, inputs, fresh));
  };
}

struct CompileCache {};
CompileCacheWeakPtr compile_cache() {
  std::lock_guard lock(process_lock(Lock::traces));
  static auto* one = new std::shared_ptr<CompileCache>(std::make_shared<CompileCache>());
  return *one;  // never destroyed, as the traces are not
}

void compile_erase(std::uintptr_t fun_id) {
  Functions dropped;  // destroyed after the lock is free: arrays' destructors may take others
  std::lock_guard lock(process_lock(Lock::traces));
  auto it = cache().find(fun_id);
  if (it == cache().end()) return;
  dropped = std::move(it->second);
  cache().erase(it);
}

void compile_clear_cache() {
  std::unordered_map<std::uintptr_t, Functions> dropped;
  std::lock_guard lock(process_lock(Lock::traces));
  dropped.swap(cache());
}

}  // namespace olivine::detail
