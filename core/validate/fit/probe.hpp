// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <osteon/abi/fit.h>

#include "plugin/component.hpp"
#include "validate/harness/member_sayings.hpp"

// Fitting as checks see it: the extension "osteon.fit/1" of an ensembler or a post-processor.
namespace osteon::validate {

/// What an instance is fitted on: two images, each in two bands.
struct FitPlan {
  std::int64_t members = 1, classes = 3;
  bool multiclass = false;
  std::uint32_t form = OSTEON_FORM_PROBABILITIES;  ///< of what members say
  bool dice = true;                                ///< the request has a table of Dice
  bool mute = false;     ///< the last member has nothing to say of the second image, nor the only one of its last band
  bool unknown = false;  ///< the truth of some pixels, and of one class of the second image, is not known
  bool spoilt = false;   ///< where it is not known, something else stands than otherwise
};

class FitProbe {
 public:
  /// Null where the component has no such extension. Both outlive this.
  static std::unique_ptr<FitProbe> of(const plugin::LoadedComponent& component, void* instance);

  std::vector<osteon_named_tensor> tensors() const;
  Outcome try_tensors(const osteon_call* call) const;
  Outcome begin(const osteon_fit_request& request, const osteon_call* call = nullptr) const;
  Outcome add(const osteon_fit_sample& sample, const osteon_call* call = nullptr) const;
  Outcome end(std::int32_t* again, const osteon_call* call = nullptr) const;
  void changed() const { functions_.changed(instance_); }

  /// `begin` with what the plan asks for.
  Outcome begin(const FitPlan& plan, const osteon_call* call = nullptr) const;
  /// Adds everything once; fails unless each `add` returns OK. What is lent is written over when a call has returned.
  void add_all(const FitPlan& plan) const;
  /// From beginning to end, with as many passes as it asks for. Fails unless each call returns OK. Gives their number.
  int fit(const FitPlan& plan) const;

  /// The bytes of its state, by name.
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> state() const;
  void load_state(const std::vector<std::pair<std::string, std::vector<std::uint8_t>>>& state) const;

 private:
  FitProbe(const osteon_fit& functions, void* instance) : functions_(functions), instance_(instance) {}
  const osteon_fit functions_;
  void* instance_;
};

/// One sample with all that it points at.
class FitSample {
 public:
  FitSample(const FitPlan& plan, int image, bool last_band);
  const osteon_fit_sample& raw() const noexcept { return raw_; }
  osteon_fit_sample& raw() noexcept { return raw_; }
  std::vector<const osteon_tensor_view*>& members() noexcept { return views_; }
  /// Writes over all that was lent.
  void take_back();

 private:
  std::string id_;
  ProbeBand band_;
  std::vector<ProbeTensor> members_;
  std::vector<const osteon_tensor_view*> views_;
  ProbeTensor target_, valid_;
  std::vector<std::uint8_t> class_valid_;
  osteon_fit_sample raw_{};
};

}  // namespace osteon::validate
