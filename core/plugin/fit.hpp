// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/abi/fit.h>

#include "plugin/component.hpp"
#include "plugin/model.hpp"

namespace osteon::plugin {

/// How an ensembler or a post-processor that has to be fitted is fitted: the extension "osteon.fit/1" of an instance.
/// For one thread at a time, and only while nothing else of the instance runs.
class Fit {
 public:
  /// Throws Error(kPlugin) when the component does not have the extension. Both outlive this.
  Fit(const LoadedComponent& component, void* instance);
  Fit(const Fit&) = delete;
  Fit& operator=(const Fit&) = delete;

  /// Whether there is a fitted state: end() has ended a fit, or one was loaded.
  bool ready() const noexcept { return ready_; }

  /// The state. Values may be written to, and then changed() is called. The list is valid until the next call.
  std::vector<NamedTensor> tensors(const Call& call);
  void changed();

  /// @param dice  float64 [n_members, n_classes], NaN where unknown; nullptr: there is none
  void begin(const Call& call, std::int64_t n_members, const osteon_tensor_view* dice);
  void add(const Call& call, const osteon_fit_sample& sample);
  /// Whether everything is to be added once more.
  bool end(const Call& call);

 private:
  const LoadedComponent& component_;
  void* instance_;
  osteon_fit functions_;
  std::vector<osteon_named_tensor> named_;
  bool ready_ = false;
};

}  // namespace osteon::plugin
