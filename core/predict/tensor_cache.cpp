// SPDX-License-Identifier: Apache-2.0
#include "predict/tensor_cache.hpp"

#include <iterator>
#include <new>
#include <utility>

#include <osteon/sdk/cache.hpp>

#include "plugin/call.hpp"

namespace osteon::predict {
namespace {

constexpr std::size_t kDefaultBound = std::size_t{512} << 20;

std::string key_of(const char* maker, const void* key, std::uint64_t size) {
  if (maker == nullptr || *maker == '\0') throw sdk::InvalidArgument("a tensor is kept under its maker's name");
  if (key == nullptr && size > 0) throw sdk::InvalidArgument("the key is NULL");
  std::string whole = maker;
  whole.push_back('\0');
  return whole.append(static_cast<const char*>(key), size);
}

osteon_status find_service(const osteon_call*, const char* maker, const void* key, std::uint64_t size,
                           osteon_tensor* out, osteon_error* error) {
  return sdk::detail::guard(error, [&] {
    sdk::OwnedTensor found = shared_cache().find(key_of(maker, key, size));
    if (out == nullptr) throw sdk::InvalidArgument("there is nowhere to put a tensor");
    found.move_to(out);
  });
}

osteon_status keep_service(const osteon_call*, const char* maker, const void* key, std::uint64_t size,
                           osteon_tensor* tensor, osteon_error* error) {
  return sdk::detail::guard(error, [&] {
    const std::string whole = key_of(maker, key, size);
    if (tensor == nullptr || tensor->release == nullptr) throw sdk::InvalidArgument("there is no tensor to keep");
    sdk::expect_canonical(tensor->view, "a tensor to keep");
    if (tensor->view.device.type != OSTEON_DEVICE_CPU) throw sdk::Unsupported("a tensor to keep is on the CPU");
    // Its memory is the host's from here on, whatever happens: keep() lets go of it when it fails.
    sdk::OwnedTensor owned(*tensor);
    *tensor = {};
    tensor->struct_size = sizeof *tensor;
    try {
      shared_cache().keep(whole, std::move(owned));
    } catch (const std::bad_alloc&) {  // there is no room to remember it; it is as if it had been forgotten at once
    }
  });
}

constexpr osteon_cache_service kCacheService = {sizeof(osteon_cache_service), 0, find_service, keep_service};

std::size_t bytes_of(const osteon_tensor_view& view) {
  return static_cast<std::size_t>(sdk::element_count(view)) * (view.dtype.bits * view.dtype.lanes / 8u);
}

}  // namespace

sdk::OwnedTensor TensorCache::find(std::string_view key) {
  std::shared_ptr<sdk::OwnedTensor> tensor;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return {};
    entries_.splice(entries_.begin(), entries_, found->second);
    tensor = found->second->tensor;
  }
  return sdk::detail::reference_to(tensor);
}

void TensorCache::keep(std::string_view key, sdk::OwnedTensor tensor) {
  const std::size_t bytes = bytes_of(tensor.view()) + key.size();
  Entries fresh, dropped;  // dropped when no lock is held: `release` is somebody else's code
  fresh.push_back({std::string(key), std::make_shared<sdk::OwnedTensor>(std::move(tensor)), bytes});
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > bound_) {
    dropped.splice(dropped.begin(), fresh);
    return;
  }
  if (const auto known = by_key_.find(key); known != by_key_.end()) take_out(known->second, dropped);
  by_key_.emplace(fresh.front().key, fresh.begin());
  entries_.splice(entries_.begin(), fresh);
  bytes_ += bytes;
  trim(dropped);
}

void TensorCache::take_out(Entries::iterator entry, Entries& dropped) {
  by_key_.erase(entry->key);
  bytes_ -= entry->bytes;
  dropped.splice(dropped.begin(), entries_, entry);
}

void TensorCache::trim(Entries& dropped) {
  while (bytes_ > bound_) take_out(std::prev(entries_.end()), dropped);
}

void TensorCache::set_bound(std::size_t bytes) {
  Entries dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  bound_ = bytes;
  trim(dropped);
}

std::size_t TensorCache::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

std::size_t TensorCache::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

TensorCache& shared_cache() {
  // Never destroyed: tensors of plugins may outlive static objects.
  static auto* const cache = new TensorCache(kDefaultBound);
  return *cache;
}

void install_cache_service() { plugin::install_service(OSTEON_SERVICE_CACHE, &kCacheService); }

}  // namespace osteon::predict
