// SPDX-License-Identifier: Apache-2.0
// Fitting an ensembler or a post-processor, and the state that it leaves.
#include <set>

#include "validate/ensembler/probe.hpp"
#include "validate/harness/working_call.hpp"
#include "validate/postprocessor/probe.hpp"

namespace osteon::validate {
namespace {

/// An instance that can be fitted, of either kind.
class Fittable {
 public:
  virtual ~Fittable() = default;
  virtual const FitProbe& fit() const = 0;
  virtual FitPlan plan() const = 0;
  virtual bool must_fit() const = 0;
  /// What it makes of something: always the same, whatever it was fitted on.
  virtual Answered work() const = 0;
  std::vector<float> worked() const {
    Answered answered = work();
    expect_ok(answered.outcome, "its work once it was fitted");
    return std::move(answered.values);
  }
};

class FittableEnsembler final : public Fittable {
 public:
  explicit FittableEnsembler(std::unique_ptr<EnsemblerProbe> probe) : probe_(std::move(probe)) {}
  const FitProbe& fit() const override { return *probe_->fit(); }
  FitPlan plan() const override { return probe_->plan(); }
  bool must_fit() const override { return probe_->must_fit(); }
  Answered work() const override {
    const ProbeBand band(0, MemberSayings::kHeight, probe_->all_classes());
    {
      const EnsemblerProbe::Band accumulation(*probe_, band);
      if (!accumulation.begun().ok()) return {accumulation.begun(), {}};
    }
    return {{}, probe_->combine(probe_->sayings(5))};
  }

 private:
  std::unique_ptr<EnsemblerProbe> probe_;
};

class FittablePostprocessor final : public Fittable {
 public:
  explicit FittablePostprocessor(std::unique_ptr<PostprocessorProbe> probe)
      : probe_(std::move(probe)), leaf_(probe_->leaf()), image_(40, 61) {}
  const FitProbe& fit() const override { return *probe_->fit(); }
  FitPlan plan() const override { return probe_->plan(); }
  bool must_fit() const override { return probe_->must_fit(); }
  Answered work() const override {
    ProcessResult result = probe_->try_process(*leaf_, {image_}, probe_->usual_request());
    return {result.outcome, result.outcome.ok() ? floats_of(result.predictions[0].view()) : std::vector<float>()};
  }

 private:
  std::unique_ptr<PostprocessorProbe> probe_;
  std::unique_ptr<LeafPredictor> leaf_;
  ProbeImage image_;
};

/// A fresh one, not fitted; null where such labels are refused.
std::unique_ptr<Fittable> make_raw(const Subject& subject, bool multiclass) {
  if (subject.component.schema.kind == plugin::Kind::kEnsembler) {
    auto probe = EnsemblerProbe::make(subject, multiclass, 3, /*raw=*/true);
    if (probe != nullptr && probe->fit() == nullptr) skip("it is not fitted");
    return probe == nullptr ? nullptr : std::make_unique<FittableEnsembler>(std::move(probe));
  }
  auto probe = PostprocessorProbe::make(subject, multiclass, 3, /*raw=*/true);
  if (probe != nullptr && probe->fit() == nullptr) skip("it is not fitted");
  return probe == nullptr ? nullptr : std::make_unique<FittablePostprocessor>(std::move(probe));
}

/// Runs `body` for each kind of labels that it takes, with a way to make instances that are not fitted.
using Make = std::function<std::unique_ptr<Fittable>()>;
void for_each_fitting(const Subject& subject, const std::function<void(const Make& make)>& body) {
  bool any = false;
  for (const bool multiclass : {false, true}) {
    if (make_raw(subject, multiclass) == nullptr) continue;
    any = true;
    body([&subject, multiclass] { return make_raw(subject, multiclass); });
  }
  expect(any, "create refuses multilabel data and multiclass data");
}

std::unique_ptr<Fittable> make_fitted(const Make& make) {
  auto made = make();
  made->fit().fit(made->plan());
  return made;
}

std::string work_before_fit_refused(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    const auto raw = make();
    if (!raw->must_fit()) skip("it works without a fit too");
    expect_refused(raw->work().outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_FAILED}, "its work before it was fitted");
    // Neither has it been in the middle of it.
    expect_ok(raw->fit().begin(raw->plan()), "begin");
    raw->fit().add_all(raw->plan());
    expect_refused(raw->work().outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_FAILED}, "its work before the fit had ended");
  });
  return {};
}

std::string fitting_repeats(const Subject& subject) {
  int passes = 0;
  for_each_fitting(subject, [&](const Make& make) {
    const auto fitted = make();
    passes = fitted->fit().fit(fitted->plan());
    const std::vector<float> first = fitted->worked();
    fitted->fit().fit(fitted->plan());
    expect(difference(first, fitted->worked()).worst == 0,
           "fitted again on the same it gives something else; begin forgets an earlier fit");
    expect(difference(first, make_fitted(make)->worked()).worst == 0,
           "another instance fitted on the same gives something else");
  });
  return fmt::format("{} pass(es)", passes);
}

std::string fits_without_dice(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    const auto raw = make();
    FitPlan plan = raw->plan();
    plan.dice = false;
    const Outcome outcome = raw->fit().begin(plan);
    if (!outcome.ok())
      return expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "begin without Dice");
    raw->fit().fit(plan);
    raw->worked();
  });
  return {};
}

std::string fits_mute_members(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    const auto raw = make();
    FitPlan plan = raw->plan();
    plan.mute = true;
    raw->fit().fit(plan);
    const std::vector<float> values = raw->worked();
    const std::size_t at = first_not_finite(values);
    expect(at == values.size(), "fitted on members that say nothing of some images, it gives {} at element {}",
           values[at], at);
  });
  return {};
}

std::string fits_what_is_known(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    std::vector<std::vector<float>> results;
    for (const bool spoilt : {false, true}) {
      const auto raw = make();
      FitPlan plan = raw->plan();
      plan.unknown = true;
      plan.spoilt = spoilt;
      raw->fit().fit(plan);
      results.push_back(raw->worked());
    }
    const Difference apart = difference(results[0], results[1]);
    expect(
        apart.worst == 0,
        "the truth was changed where it is not known, by pixel and by class, and it was fitted to something else: {}",
        apart.describe());
  });
  return {};
}

std::string unfit_samples_refused(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    const auto raw = make();
    const FitProbe& fit = raw->fit();
    const FitPlan plan = raw->plan();
    auto request = sdk::sized<osteon_fit_request>();
    request.n_members = plan.members + 1;
    const std::initializer_list<osteon_status> refusals = {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED};
    expect_refused(fit.begin(request), refusals, "begin with one member too many");
    expect_ok(fit.begin(plan), "begin");
    const auto refuse = [&](const std::string& what, const std::function<void(FitSample&)>& change) {
      FitSample sample(plan, 1, false);
      change(sample);
      expect_refused(fit.add(sample.raw()), refusals, "add of " + what);
    };
    const ProbeTensor flat({5}), bytes(sdk::dtype_of<std::uint8_t>(), {1, 2, 3});
    refuse("one member too few", [](FitSample& sample) { --sample.raw().n_members; });
    refuse("a member of one dimension", [&](FitSample& sample) { sample.members()[0] = flat; });
    refuse("a member of uint8", [&](FitSample& sample) { sample.members()[0] = bytes; });
    refuse("a truth of one dimension", [&](FitSample& sample) { sample.raw().target = flat; });
    refuse("no truth", [](FitSample& sample) { sample.raw().target = nullptr; });
    const auto expected = make_fitted(make)->worked();
    fit.fit(plan);
    expect(difference(expected, raw->worked()).worst == 0,
           "after samples that it refused it is fitted to something else");
  });
  return {};
}

std::string state_is_listed(const Subject& subject) {
  std::size_t count = 0;
  for_each_fitting(subject, [&](const Make& make) {
    const auto fitted = make_fitted(make);
    const auto tensors = fitted->fit().tensors();
    expect(!tensors.empty(), "it is fitted and has no tensors: what it learnt would be gone with the process");
    std::set<std::string> names;
    for (const osteon_named_tensor& tensor : tensors) {
      expect(tensor.name != nullptr && tensor.name[0] != '\0' && names.insert(tensor.name).second,
             "names of tensors are missing or not unique");
      expect(tensor.role == OSTEON_TENSOR_BUFFER, "tensor '{}' has the role {}, expected OSTEON_TENSOR_BUFFER",
             tensor.name, tensor.role);
      // A host reads and writes these few numbers byte by byte; they may lie wherever their type may.
      expect_canonical(tensor.value, fmt::format("tensor '{}'", tensor.name), tensor.value.dtype.bits / 8u);
      expect(tensor.grad.data == nullptr, "tensor '{}' has a gradient", tensor.name);
    }
    fitted->worked();
    const auto again = fitted->fit().tensors();
    expect(again.size() == tensors.size(), "the number of tensors changes");
    for (std::size_t i = 0; i < tensors.size(); ++i)
      expect(again[i].value.data == tensors[i].value.data, "tensor '{}' moves; its address is valid until destroy",
             tensors[i].name);
    count = tensors.size();
  });
  return fmt::format("{} tensors", count);
}

std::string state_survives(const Subject& subject) {
  for_each_fitting(subject, [&](const Make& make) {
    const auto fitted = make_fitted(make);
    const auto loaded = make();
    loaded->fit().load_state(fitted->fit().state());
    const Difference apart = difference(fitted->worked(), loaded->worked());
    expect(apart.worst == 0, "an instance that got the tensors of a fitted one gives something else: {}",
           apart.describe());
  });
  return {};
}

}  // namespace

const std::vector<Check>& fit_checks() {
  static const std::vector<Check> checks = {
      {"work-before-fit-refused", "what must be fitted refuses to work before it was", work_before_fit_refused},
      {"fitting-repeats", "fitting again on the same gives the same, after few passes", fitting_repeats},
      {"fits-without-dice", "fitting without Dice works or is refused", fits_without_dice},
      {"fits-mute-members", "members that have nothing to say of an image are taken", fits_mute_members},
      {"fits-what-is-known", "pixels and classes whose truth is not known do not count", fits_what_is_known},
      {"unfit-samples-refused", "members and truths that do not fit are refused, nothing is left behind",
       unfit_samples_refused},
      {"state-is-listed", "the state has unique names, canonical values, and stays where it is", state_is_listed},
      {"state-survives", "a new instance that gets the state of a fitted one gives the same", state_survives},
  };
  return checks;
}

}  // namespace osteon::validate
