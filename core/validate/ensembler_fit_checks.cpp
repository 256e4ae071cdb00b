// SPDX-License-Identifier: Apache-2.0
// Fitting an ensembler, and the state that it leaves.
#include <cstring>
#include <set>

#include "validate/ensembler_probe.hpp"

namespace osteon::validate {
namespace {

void for_each_fitting(const Subject& subject, const std::function<void(const EnsemblerProbe& ensembler)>& body) {
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    if (ensembler.info().fits == 0) skip("it is not fitted");
    body(ensembler);
  });
}

std::string begin_before_fit_refused(const Subject& subject) {
  for_each_fitting(subject, [&](const EnsemblerProbe& fitted) {
    const auto ensembler = EnsemblerProbe::make(subject, fitted.multiclass(), 3, /*raw=*/true);
    const ProbeBand band(0, 4, ensembler->all_classes());
    const EnsemblerProbe::Band accumulation(*ensembler, band);
    expect_refused(accumulation.begun(), {OSTEON_INVALID_ARGUMENT, OSTEON_FAILED}, "begin before it was fitted");
  });
  return {};
}

std::string fitting_repeats(const Subject& subject) {
  for_each_fitting(subject, [&](const EnsemblerProbe& fitted) {
    const MemberSayings said = fitted.sayings(5);
    const std::vector<float> first = fitted.combine(said);
    fitted.fit();
    expect(difference(first, fitted.combine(said)).worst == 0,
           "fitted again on the same it gives something else; fit_begin forgets an earlier fit");
    const auto another = EnsemblerProbe::make(subject, fitted.multiclass());
    expect(difference(first, another->combine(said)).worst == 0,
           "another instance fitted on the same gives something else");
  });
  return {};
}

std::string fits_without_dice(const Subject& subject) {
  for_each_fitting(subject, [&](const EnsemblerProbe& fitted) {
    const auto ensembler = EnsemblerProbe::make(subject, fitted.multiclass(), 3, /*raw=*/true);
    const SteeredCall call;
    const Outcome outcome =
        attempt([&](osteon_error* e) { return ensembler->api().fit_begin(call.raw(), ensembler->get(), nullptr, e); });
    if (!outcome.ok()) {
      expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "fit_begin without Dice");
      return;
    }
    ensembler->fit(/*with_dice=*/false);
    ensembler->combine(ensembler->sayings());
  });
  return {};
}

std::string state_is_listed(const Subject& subject) {
  std::size_t count = 0;
  for_each_labels(subject, [&](const EnsemblerProbe& ensembler) {
    const auto tensors = ensembler.tensors();
    expect(ensembler.info().fits == 0 || !tensors.empty(),
           "it is fitted and has no tensors: what it learnt would be gone with the process");
    std::set<std::string> names;
    for (const osteon_named_tensor* tensor : tensors) {
      expect(tensor != nullptr && tensor->name != nullptr && names.insert(tensor->name).second,
             "names of tensors are missing or not unique");
      expect(tensor->value.device.type == OSTEON_DEVICE_CPU && sdk::is_contiguous(tensor->value) &&
                 (tensor->value.data != nullptr || sdk::element_count(tensor->value) == 0),
             "tensor '{}' has no values, gaps, or is elsewhere than in the CPU's memory", tensor->name);
      expect(tensor->grad.data == nullptr, "tensor '{}' has a gradient", tensor->name);
    }
    ensembler.combine(ensembler.sayings());
    const auto again = ensembler.tensors();
    expect(again.size() == tensors.size(), "the number of tensors changes");
    for (std::size_t i = 0; i < tensors.size(); ++i)
      expect(names.count(again[i]->name) == 1, "tensor '{}' was not there before", again[i]->name);
    count = tensors.size();
  });
  return fmt::format("{} tensors", count);
}

std::string state_survives(const Subject& subject) {
  for_each_fitting(subject, [&](const EnsemblerProbe& fitted) {
    const auto loaded = EnsemblerProbe::make(subject, fitted.multiclass(), 3, /*raw=*/true);
    const auto from = fitted.tensors(), to = loaded->tensors();
    expect(from.size() == to.size(), "it has {} tensors when fitted and {} before", from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      expect(std::strcmp(from[i]->name, to[i]->name) == 0 &&
                 sdk::shape_text(from[i]->value) == sdk::shape_text(to[i]->value),
             "tensor '{}' {} of a fitted one is '{}' {} before", from[i]->name, sdk::shape_text(from[i]->value),
             to[i]->name, sdk::shape_text(to[i]->value));
      std::memcpy(to[i]->value.data, from[i]->value.data,
                  static_cast<std::size_t>(sdk::element_count(from[i]->value)) * from[i]->value.dtype.bits / 8);
    }
    const MemberSayings said = fitted.sayings(5);
    const Difference apart = difference(fitted.combine(said), loaded->combine(said));
    expect(apart.worst == 0, "an instance that got the tensors of a fitted one gives something else: {}",
           apart.describe());
  });
  return {};
}

}  // namespace

const std::vector<Check>& ensembler_fit_checks() {
  static const std::vector<Check> checks = {
      {"begin-before-fit-refused", "what must be fitted refuses to combine before it was", begin_before_fit_refused},
      {"fitting-repeats", "fitting again on the same gives the same", fitting_repeats},
      {"fits-without-dice", "fitting without Dice works or is refused", fits_without_dice},
      {"state-is-listed", "tensors have unique names and values, and what is fitted has some", state_is_listed},
      {"state-survives", "a new instance that gets the tensors of a fitted one gives the same", state_survives},
  };
  return checks;
}

}  // namespace osteon::validate
