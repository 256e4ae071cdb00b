// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "plugin/augmentation.hpp"

namespace osteon::data::tests {

/// A geometric augmentation that is nothing but its function sample_warp, as a component of the host.
template <auto kSample>
class HandmadeGeometric {
 public:
  /// @param flags  OSTEON_AUGMENTATION_*
  explicit HandmadeGeometric(const char* name, std::uint32_t flags = 0) {
    info().flags = flags;
    static const osteon_augmentation_api api = [] {
      auto made = sdk::sized<osteon_augmentation_api>();
      made.create = [](const osteon_call*, const osteon_value* const*, const osteon_augmentation_request*,
                       osteon_augmentation** out, osteon_error*) -> osteon_status {
        *out = reinterpret_cast<osteon_augmentation*>(&info());
        return OSTEON_OK;
      };
      made.destroy = [](osteon_augmentation*) {};
      made.info = [](const osteon_augmentation*) -> const osteon_augmentation_info* { return &info(); };
      made.sample_warp = kSample;
      return made;
    }();
    component_ = sdk::sized<osteon_component>();
    component_.api = &api;
    loaded_.component = &component_;
    loaded_.schema.name = name;
    loaded_.schema.kind = plugin::Kind::kAugmentation;
  }
  HandmadeGeometric(const HandmadeGeometric&) = delete;
  HandmadeGeometric& operator=(const HandmadeGeometric&) = delete;

  /// Lives as long as this.
  const plugin::LoadedComponent& loaded() const noexcept { return loaded_; }

 private:
  static osteon_augmentation_info& info() {
    static osteon_augmentation_info made = [] {
      auto geometric = sdk::sized<osteon_augmentation_info>();
      geometric.way = OSTEON_AUGMENTATION_GEOMETRIC;
      return geometric;
    }();
    return made;
  }
  osteon_component component_;
  plugin::LoadedComponent loaded_;
};

}  // namespace osteon::data::tests
