// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <osteon/sdk/tensor.hpp>

namespace osteon::predict {

/// Tensors that components made of images, within a bound; what was not asked for longest goes first. Thread-safe.
class TensorCache {
 public:
  explicit TensorCache(std::size_t bound) : bound_(bound) {}

  /// A reference that stays valid when the tensor is forgotten; empty() when there is none.
  sdk::OwnedTensor find(std::string_view key);
  /// Keeps a tensor under a key, in place of one that is there. One that is larger than the bound is let go.
  void keep(std::string_view key, sdk::OwnedTensor tensor);

  /// Bytes of tensors and keys; forgets what is over it.
  void set_bound(std::size_t bytes);
  std::size_t bytes() const;
  std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<sdk::OwnedTensor> tensor;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;  // what was asked for last comes first
  /// Takes out what is over the bound, for the caller to let go of without the lock.
  void trim(Entries& dropped);
  void take_out(Entries::iterator entry, Entries& dropped);

  mutable std::mutex mutex_;
  std::size_t bound_, bytes_ = 0;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  // views of the entries' own keys
};

/// The one cache of the process, behind the service "osteon.cache/1".
TensorCache& shared_cache();

/// Makes the service known to plugins.
void install_cache_service();

}  // namespace osteon::predict
