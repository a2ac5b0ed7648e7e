// An error on its way from one thread to another.
#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "olivine/export.h"

namespace olivine {

// At most one message, which the first `check` throws.
class Error {
 public:
  using Message = std::shared_ptr<std::string>;

  void set_message(Message message) {
    std::lock_guard lock(mutex_);
    message_ = std::move(message);
  }
  bool valid() const {
    std::lock_guard lock(mutex_);
    return message_ != nullptr;
  }
  // Takes over the message of another, if there is one; whether there was.
  bool store_if_valid(const Error* other) {
    if (!other || other == this) return false;
    Message message = other->message();
    if (!message) return false;
    set_message(std::move(message));
    return true;
  }
  // Throws std::runtime_error with the message, if there is one, and forgets it.
  void check() {
    Message message;
    {
      std::lock_guard lock(mutex_);
      message = std::move(message_);
      message_ = nullptr;
    }
    if (message) throw std::runtime_error(*message);
  }

 private:
  Message message() const {
    std::lock_guard lock(mutex_);
    return message_;
  }
  mutable std::mutex mutex_;
  Message message_;
};

}  // namespace olivine
