// Compiled functions by the number their caller gave them.
#include <map>
#include <unordered_map>

#include "olivine/compile_impl.h"
#include "runtime/process_locks.h"

namespace olivine::detail {
namespace {

struct Key {
  bool shapeless;
  std::vector<uint64_t> constants;
  auto operator<=>(const Key&) const = default;
};
using Functions = std::map<Key, std::shared_ptr<CompiledFunction>>;

// Under the lock of traces. Never destroyed: traces may outlive everything else of the process.
std::unordered_map<std::uintptr_t, Functions>& cache() {
  static auto* all = new std::unordered_map<std::uintptr_t, Functions>;
  return *all;
}

std::shared_ptr<CompiledFunction> find(std::uintptr_t id, const Key& key) {
  std::lock_guard lock(process_lock(Lock::traces));
  std::shared_ptr<CompiledFunction>& found = cache()[id][key];
  // The function to trace comes with each call, so that the cache keeps none alive.
  if (!found) found = std::make_shared<CompiledFunction>(ArrayFn(), key.shapeless);
  return found;
}

}  // namespace

ArrayFn compile(ArrayFn fn, std::uintptr_t fun_id, bool shapeless,
                std::vector<uint64_t> constants) {
  Key key{shapeless, std::move(constants)};
  return [fn = std::move(fn), fun_id, key = std::move(key)](const std::vector<array>& inputs) {
    return find(fun_id, key)->call(inputs, fn);
  };
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
