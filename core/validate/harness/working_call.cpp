// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/working_call.hpp"

#include <memory>

#include "validate/harness/creator.hpp"

namespace osteon::validate {
namespace {

WorkingCall creation(const std::shared_ptr<const Creator>& creator) {
  WorkingCall call;
  call.name = "create";
  call.make = [creator](const Manner& manner, const osteon_call* given) {
    Creator::Ask ask;
    ask.call = given;
    Creator::Made made;
    {
      const InManner in(manner);
      made = creator->create(creator->usual(), ask);
    }
    if (made.outcome.ok()) creator->destroy(made.instance);
    return Answered{made.outcome, {}};
  };
  return call;
}

std::vector<WorkingCall> of_kind(const Subject& subject, std::int64_t most_weights) {
  switch (subject.component.schema.kind) {
    case plugin::Kind::kModel:
      return model_calls(subject, most_weights);
    case plugin::Kind::kLoss:
      return loss_calls(subject);
    case plugin::Kind::kAugmentation:
      return augmentation_calls(subject);
    case plugin::Kind::kPostprocessor:
      return postprocessor_calls(subject);
    case plugin::Kind::kEnsembler:
      return ensembler_calls(subject);
  }
  return {};
}

}  // namespace

std::vector<WorkingCall> working_calls(const Subject& subject, Outcome* why, std::int64_t most_weights) {
  std::vector<WorkingCall> calls = {creation(std::make_shared<const Creator>(subject))};
  *why = calls.front().make_as_usual().outcome;
  if (!why->ok()) {
    // Of parameters one by one; that they do not go together with the others may be said.
    expect_refused(*why, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_OUT_OF_MEMORY}, "create");
    return {};
  }
  for (WorkingCall& call : of_kind(subject, most_weights)) calls.push_back(std::move(call));
  return calls;
}

std::vector<Offered> offered_calls(const Subject& subject) {
  Outcome why;
  std::vector<WorkingCall> calls = working_calls(subject, &why);
  expect_ok(why, "create with its defaults");
  std::vector<Offered> offered;
  for (WorkingCall& call : calls) {
    Answered usual = call.make_as_usual();
    if (call.unfit ? !usual.outcome.ok() : usual.outcome.ok()) {
      offered.push_back({std::move(call), std::move(usual)});
      continue;
    }
    expect(!call.unfit, "{} returned OK", call.name);
    expect_refused(usual.outcome, {OSTEON_UNSUPPORTED}, call.name);
  }
  return offered;
}

void expect_as_usual(const Offered& offered, const Answered& got, const std::string& what) {
  const Answered& usual = offered.usual;
  expect(got.outcome.status == usual.outcome.status, "{} {} returned {}, otherwise it returns {}", offered.call.name,
         what, got.outcome.describe(), usual.outcome.describe());
  const Difference apart = difference(usual.values, got.values);
  expect(apart.worst <= offered.call.tolerance * (1e-3 + greatest(usual.values)), "{} {} gives something else, {}",
         offered.call.name, what, apart.describe());
}

}  // namespace osteon::validate
