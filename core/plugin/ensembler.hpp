// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/abi/ensembler.h>

#include "plugin/component.hpp"
#include "plugin/model.hpp"

namespace osteon::plugin {

/// An ensembler instance with its fitted state. begin() and what follows are thread-safe; fitting is not.
class Ensembler {
 public:
  Ensembler(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
            const std::vector<std::string>& members, const Call& call);
  ~Ensembler();
  Ensembler(const Ensembler&) = delete;
  Ensembler& operator=(const Ensembler&) = delete;

  const LoadedComponent& component() const noexcept { return component_; }
  const osteon_ensembler_info& info() const noexcept;
  /// The fitted state; empty when it has none.
  std::vector<NamedTensor> tensors();

  void fit_begin(const Call& call, const osteon_tensor_view* dice);
  void fit_add(const Call& call, const osteon_band& band, const std::vector<const osteon_tensor_view*>& members,
               const osteon_tensor_view& target, const osteon_tensor_view* valid);
  void fit_end(const Call& call);

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
  const osteon_ensembler_api& api() const noexcept { return component_.api<osteon_ensembler_api>(); }
  LoadedComponent component_;
  osteon_ensembler* ensembler_ = nullptr;
};

}  // namespace osteon::plugin
