// SPDX-License-Identifier: Apache-2.0
#include "validate/validator.hpp"

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/library.hpp"
#include "predict/resample.hpp"
#include "predict/tensor_cache.hpp"

namespace osteon::validate {
namespace {

std::vector<CheckInfo> infos(const std::vector<Check>& checks) {
  std::vector<CheckInfo> list;
  for (const Check& check : checks) list.push_back({check.name, check.promise, check.limit});
  return list;
}

const Check& named(const std::vector<Check>& checks, const std::string& name) {
  for (const Check& check : checks)
    if (name == check.name) return check;
  throw Error(ExitCode::kUsage, "there is no check '" + name + "' of this kind");
}

Answer answer_of(const Check& check, const Subject& subject) {
  try {
    return {Verdict::kPass, check.run(subject)};
  } catch (const NotApplicable& e) {
    return {Verdict::kSkip, e.what()};
  } catch (const std::exception& e) {
    return {Verdict::kFail, e.what()};
  } catch (...) {
    return {Verdict::kFail, "an exception of unknown type came out of it"};
  }
}

std::vector<Check> joined(const std::vector<Check>& first, const std::vector<Check>& second) {
  std::vector<Check> all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

// Those of a kind, and of fitting where the kind may be fitted.
std::vector<Check> all_of_kind(plugin::Kind kind) {
  const bool may_fit = kind == plugin::Kind::kEnsembler || kind == plugin::Kind::kPostprocessor;
  return may_fit ? joined(validate::kind_checks(kind), validate::fit_checks()) : validate::kind_checks(kind);
}

class LoadedValidator final : public Validator {
 public:
  std::vector<CheckInfo> library_checks() const override { return infos(validate::library_checks()); }
  std::vector<CheckInfo> component_checks() const override { return infos(validate::component_checks()); }
  std::vector<CheckInfo> kind_checks(plugin::Kind kind) const override { return infos(all_of_kind(kind)); }
  std::vector<CheckInfo> fit_checks() const override { return infos(validate::fit_checks()); }
  void load(const std::filesystem::path& file) const override {
    try {
      plugin::open_library(file);
    } catch (const Error&) {
    }
  }
  Answer run(const std::filesystem::path& file, const Checked& what, const std::string& check,
             const Given& given) const override {
    predict::install_resample_service();
    predict::install_cache_service();
    Subject subject;
    subject.file = file;
    if (what.component.empty()) return answer_of(named(validate::library_checks(), check), subject);
    const std::vector<Check> checks = joined(validate::component_checks(), all_of_kind(what.kind));
    const Check& chosen = named(checks, check);
    try {
      subject.component =
          plugin::component_of(*plugin::open_library(file).plugin, what.kind, what.component, what.version);
    } catch (const Error& e) {
      return {Verdict::kFail, std::string("the library cannot be used: ") + e.what()};
    }
    subject.parameters = parameters_of(subject.component.schema, given);
    subject.channels = given.channels;
    subject.classes = given.classes;
    return answer_of(chosen, subject);
  }
};

}  // namespace

const std::vector<Check>& kind_checks(plugin::Kind kind) {
  switch (kind) {
    case plugin::Kind::kModel:
      return model_checks();
    case plugin::Kind::kLoss:
      return loss_checks();
    case plugin::Kind::kAugmentation:
      return augmentation_checks();
    case plugin::Kind::kPostprocessor:
      return postprocessor_checks();
    case plugin::Kind::kEnsembler:
      return ensembler_checks();
  }
  throw Error(ExitCode::kUsage, "there is no such kind of component");
}

}  // namespace osteon::validate

extern "C" __attribute__((visibility("default"))) osteon::validate::Validator* osteon_create_validator() {
  return new osteon::validate::LoadedValidator();
}
