// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <vector>

#include "plugin/call.hpp"

namespace osteon::plugin {

/// Where a request's calls put their notes. Thread-safe.
class Notes {
 public:
  void put(Note note) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Note& known : notes_)
      if (known.image == note.image && known.who == note.who && known.key == note.key) {
        known.value = std::move(note.value);
        return;
      }
    notes_.push_back(std::move(note));
  }
  std::vector<Note> all() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return notes_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Note> notes_;
};

}  // namespace osteon::plugin
