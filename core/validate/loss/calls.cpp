// SPDX-License-Identifier: Apache-2.0
// The working calls of a loss.
#include "validate/harness/working_call.hpp"
#include "validate/loss/probe.hpp"

namespace osteon::validate {
namespace {

using Loss = std::shared_ptr<const LossProbe>;

WorkingCall evaluation(const Loss& loss, bool multiclass, const char* name,
                       const std::function<void(LossBatch&)>& change) {
  const auto batch = std::make_shared<LossBatch>(2, 3, 8, 9, multiclass);
  change(*batch);
  WorkingCall call;
  call.name = name;
  call.main = true;
  call.make = [loss, batch](const Manner& manner, const osteon_call* given) {
    const InManner in(manner);
    LossResult result = loss->try_evaluate(*batch, given);
    if (!result.outcome.ok()) return Answered{result.outcome, {}};
    result.gradient.push_back(static_cast<float>(result.value));
    return Answered{result.outcome, std::move(result.gradient)};
  };
  return call;
}

}  // namespace

std::vector<WorkingCall> loss_calls(const Subject& subject) {
  std::vector<WorkingCall> calls;
  for_each_labels(subject, [&](bool multiclass) {
    const auto loss = std::make_shared<const LossProbe>(subject, 3, multiclass);
    const auto add = [&](const char* name, const std::function<void(LossBatch&)>& change) {
      calls.push_back(evaluation(loss, multiclass, name, change));
    };
    add("evaluate", [](LossBatch& batch) { batch.punch_holes(); });
    add("evaluate with pixel weights", [](LossBatch& batch) { batch.weigh_pixels(false); });
    add("evaluate with an unknown class", [](LossBatch& batch) { batch.forget_class(0, 1); });
    add("evaluate with a soft target", [](LossBatch& batch) { batch.soften(false); });
    // Nothing anywhere, and everything: what a formula divides by may be 0.
    add("evaluate where no pixel has a class", [](LossBatch& batch) {
      batch.set_targets({batch.multiclass, false, false});
      std::fill_n(batch.logits.data(), batch.logits.count(), -30.0f);
    });
    add("evaluate where the network is sure and right", [](LossBatch& batch) {
      for (std::int64_t at = 0; at < batch.logits.count(); ++at)
        batch.logits.data()[at] =
            batch.bit(at / batch.pixels() / batch.k, at / batch.pixels() % batch.k, at % batch.pixels()) ? 60.0f
                                                                                                         : -60.0f;
    });
    WorkingCall unfit = evaluation(loss, multiclass, "evaluate of a target of another width", [](LossBatch&) {});
    const auto batch = std::make_shared<LossBatch>(2, 3, 8, 9, multiclass);
    const auto narrow = std::make_shared<LossBatch>(2, 3, 8, 8, multiclass);
    unfit.unfit = true;
    unfit.make = [loss, batch, narrow](const Manner& manner, const osteon_call* given) {
      const ProbeTensor gradient({2, 3, 8, 9});
      osteon_loss_input input = input_of(*batch, &gradient.view());
      input.target = narrow->target;
      double value = 0;
      const InManner in(manner);
      return Answered{loss->evaluate_raw(input, &value, given), {}};
    };
    calls.push_back(std::move(unfit));
  });
  return calls;
}

}  // namespace osteon::validate
