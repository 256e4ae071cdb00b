// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <osteon/abi/ensembler.h>

#include "plugin/component.hpp"
#include "plugin/fit.hpp"

namespace osteon::plugin {

/// An ensembler instance with its fitted state. begin() and what follows are thread-safe; fitting is not.
class Ensembler {
 public:
  /// @param members    their names, unique
  /// @param has_class  [members, classes], 0 where the member has nothing to say of the class; empty: all have all
  Ensembler(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
            const std::vector<std::string>& members, const Call& call, std::vector<std::uint8_t> has_class = {});
  ~Ensembler();
  Ensembler(const Ensembler&) = delete;
  Ensembler& operator=(const Ensembler&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  const osteon_ensembler_info& info() const noexcept { return info_; }
  std::int64_t n_members() const noexcept { return n_members_; }
  /// How it is fitted; nullptr when it need not be.
  Fit* fit() noexcept { return fit_ ? &*fit_ : nullptr; }
  const Fit* fit() const noexcept { return fit_ ? &*fit_ : nullptr; }

  bool has_class(std::int64_t member, std::int64_t class_index) const noexcept;
  /// Never so for a class that the member does not have.
  bool needed(std::int64_t member, std::int64_t class_index) const;

  /// One band being combined; dropped when it dies unfinished.
  class Accumulation {
   public:
    Accumulation(const Ensembler* owner, osteon_accumulation* handle, const osteon_band& band)
        : owner_(owner),
          handle_(handle),
          n_classes_(static_cast<std::int64_t>(band.n_classes)),
          height_(band.height),
          width_(band.width) {}
    Accumulation(Accumulation&& other) noexcept
        : owner_(other.owner_),
          handle_(other.handle_),
          n_classes_(other.n_classes_),
          height_(other.height_),
          width_(other.width_) {
      other.handle_ = nullptr;
    }
    Accumulation& operator=(Accumulation&&) = delete;
    ~Accumulation();
    void add(const osteon_call* call, std::int64_t member, const osteon_tensor_view& prediction);
    sdk::OwnedTensor finish(const osteon_call* call);

   private:
    const Ensembler* owner_;
    osteon_accumulation* handle_;
    std::int64_t n_classes_, height_, width_;
  };
  Accumulation begin(const osteon_call* call, const osteon_band& band) const;

 private:
  void read_info();

  LoadedComponent component_;
  osteon_ensembler_api api_;
  osteon_ensembler* ensembler_ = nullptr;
  osteon_ensembler_info info_{};
  std::int64_t n_members_, n_classes_;
  std::vector<std::uint8_t> has_class_;
  std::optional<Fit> fit_;
};

}  // namespace osteon::plugin
