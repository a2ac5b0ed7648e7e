// Events that programs attach to arrays: few, so that they lie beside the nodes.
#include <mutex>
#include <unordered_map>

#include "core/node.h"
#include "olivine/event.h"
#include "runtime/process_locks.h"

namespace olivine {
namespace {

// By node, whose has_event tells that there is one. Under the lock of records; never destroyed.
std::unordered_map<const Node*, Event>& events() {
  static auto* all = new std::unordered_map<const Node*, Event>;
  return *all;
}

}  // namespace

Event& array::event() const {
  std::lock_guard lock(process_lock(Lock::records));
  node_->has_event = true;
  return events()[node_];  // stays where it is until it is detached
}

void array::attach_event(Event e) const {
  std::lock_guard lock(process_lock(Lock::records));
  node_->has_event = true;
  std::swap(events()[node_], e);  // the one before dies after the lock
}

void array::detach_event() const { forget_event(node_); }

void forget_event(Node* n) {
  Event dying;  // after the lock
  std::lock_guard lock(process_lock(Lock::records));
  n->has_event = false;
  auto it = events().find(n);
  if (it == events().end()) return;
  std::swap(dying, it->second);
  events().erase(it);
}

void array::wait() const {
  Event attached;
  {
    std::lock_guard lock(process_lock(Lock::records));
    if (node_->has_event) attached = events()[node_];
  }
  if (attached.valid()) {
    attached.wait();
    detach_event();
  }
  node_->announced = false;
  eval();
}

}  // namespace olivine
