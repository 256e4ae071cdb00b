// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <osteon/abi/predictor.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/known.hpp>

/// Keeping what was made of an image for the next request, also for another instance: the host's service
/// "osteon.cache/1", which is bounded and forgets what was not asked for longest.
///
///     const Cache cache(call, "dense_crf/1");  // a revision: another one when what is made changes
///     CacheKey key(image);
///     key.add(sigma);
///     OwnedTensor features = cache.find(key);
///     if (features.empty()) features = cache.keep(key, make_features(call, image));  // read only from here on
namespace osteon::sdk {

/// All that a tensor depends on: an image, which stands for its pixels, and whatever is added.
class CacheKey {
 public:
  explicit CacheKey(const osteon_image& given) {
    const osteon_image image = known(&given, "an image");
    usable_ = image.digest != nullptr;
    if (!usable_) return;
    bytes_.assign(reinterpret_cast<const char*>(image.digest), 32);
    for (const double value : image.to_root) add(value + 0.0);  // -0 is 0
    for (std::int32_t i = 0; i < image.pixels.ndim; ++i) add(image.pixels.shape[i]);
  }
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || std::is_enum_v<T>>>
  CacheKey& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  CacheKey& add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  /// Whether the image is one of which something can be kept: its digest is known.
  bool usable() const noexcept { return usable_; }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  bool usable_ = false;
  std::string bytes_;
};

namespace detail {

/// Another owner of the same memory; `shared` lives until the last of them has been released.
inline OwnedTensor reference_to(const std::shared_ptr<OwnedTensor>& shared) {
  auto owner = std::make_unique<std::shared_ptr<OwnedTensor>>(shared);
  osteon_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.view = shared->view();
  tensor.release = [](osteon_tensor* self) { delete static_cast<std::shared_ptr<OwnedTensor>*>(self->owner); };
  tensor.owner = owner.release();
  return OwnedTensor(tensor);
}

}  // namespace detail

/// Where one component keeps tensors. With a host that has no such service, and for images whose digest is unknown,
/// nothing is kept or found, and all else is the same.
class Cache {
 public:
  /// @param maker  the component's name, with a revision that changes when what it makes does
  Cache(const Call& call, std::string maker)
      : call_(call),
        service_(call.find_service<osteon_cache_service>(OSTEON_SERVICE_CACHE)),
        maker_(std::move(maker)) {}

  /// A tensor that was kept, to be read alone; empty() when there is none.
  OwnedTensor find(const CacheKey& key) const {
    OwnedTensor found;
    if (service_ == nullptr || !key.usable()) return found;
    check([&](osteon_error* error) {
      return service_->find(call_.raw(), maker_.c_str(), key.bytes().data(), key.bytes().size(), found.out(), error);
    });
    return found;
  }

  /// Gives `tensor` to the host and back to the caller, for both to read.
  OwnedTensor keep(const CacheKey& key, OwnedTensor tensor) const {
    if (service_ == nullptr || !key.usable()) return tensor;
    const auto shared = std::make_shared<OwnedTensor>(std::move(tensor));
    osteon_tensor given{};
    given.struct_size = sizeof given;
    detail::reference_to(shared).move_to(&given);
    try {
      check([&](osteon_error* error) {
        return service_->keep(call_.raw(), maker_.c_str(), key.bytes().data(), key.bytes().size(), &given, error);
      });
    } catch (...) {
      given.release(&given);
      throw;
    }
    return detail::reference_to(shared);
  }

 private:
  Call call_;
  const osteon_cache_service* service_;
  std::string maker_;
};

}  // namespace osteon::sdk
