// SPDX-License-Identifier: Apache-2.0
// The working calls of an augmentation.
#include "validate/augmentation/probe.hpp"
#include "validate/harness/working_call.hpp"

namespace osteon::validate {
namespace {

using Augmentation = std::shared_ptr<const AugmentationProbe>;
constexpr std::int64_t kHeight = 24, kWidth = 31;

WorkingCall warp_call(const Augmentation& augmentation, std::uint64_t key) {
  WorkingCall call;
  call.name = "sample_warp";
  call.main = true;
  call.make = [augmentation, key](const Manner& manner, const osteon_call* given) {
    const InManner in(manner);
    const auto warp = augmentation->try_sample(key_of(key), {kHeight, kWidth}, given);
    Answered answered{warp.outcome(), {}};
    if (!answered.outcome.ok()) return answered;
    answered.values = warp.map_grid();
    for (const double m : warp.get().matrix) answered.values.push_back(static_cast<float>(m));
    return answered;
  };
  return call;
}

WorkingCall apply_call(const Augmentation& augmentation, std::uint64_t key) {
  WorkingCall call;
  call.name = "apply";
  call.main = true;
  call.make = [augmentation, key](const Manner& manner, const osteon_call* given) {
    const PixelBatch batch = augmentation->batch(kHeight, kWidth);
    const InManner in(manner);
    const Outcome outcome = augmentation->try_apply(key_of(key), batch, given);
    return Answered{outcome, outcome.ok() ? batch.values() : std::vector<float>()};
  };
  return call;
}

WorkingCall unfit_call(const Augmentation& augmentation) {
  WorkingCall call;
  call.unfit = true;
  call.name = augmentation->geometric() ? "sample_warp of an empty image" : "apply to two channels";
  call.make = [augmentation](const Manner& manner, const osteon_call* given) {
    const InManner in(manner);
    if (augmentation->geometric()) return Answered{augmentation->try_sample(key_of(0), {0, 5}, given).outcome(), {}};
    return Answered{augmentation->try_apply(key_of(0), augmentation->batch(5, 5, 2), given), {}};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> augmentation_calls(const Subject& subject) {
  const auto augmentation = std::make_shared<const AugmentationProbe>(subject);
  std::vector<WorkingCall> calls;
  for (std::uint64_t key = 0; key < 4; ++key)
    calls.push_back(augmentation->geometric() ? warp_call(augmentation, key) : apply_call(augmentation, key));
  calls.push_back(unfit_call(augmentation));
  return calls;
}

}  // namespace osteon::validate
