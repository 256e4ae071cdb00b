// SPDX-License-Identifier: Apache-2.0
#include "validate/ensembler/probe.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <osteon/sdk/random.hpp>

#include "plugin/handle_support.hpp"

namespace osteon::validate {

EnsemblerProbe::EnsemblerProbe(const Subject& subject, bool multiclass, std::int64_t n_classes, Outcome* outcome,
                               std::vector<std::uint8_t> has_class)
    : api_(subject.component.api<osteon_ensembler_api>()),
      multiclass_(multiclass),
      n_classes_(n_classes),
      has_class_(std::move(has_class)) {
  const plugin::ClassContext classes = classes_of(n_classes, multiclass);
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes);
  const auto names = plugin::name_pointers(classes.names);
  const char* const members[kMembers] = {"first", "second", "third"};
  auto request = sdk::sized<osteon_ensembler_request>();
  request.labels = plugin::labels_of(classes);
  request.n_classes = n_classes;
  request.class_names = names.data();
  request.n_members = kMembers;
  request.member_names = members;
  request.has_class = has_class_.empty() ? nullptr : has_class_.data();
  const SteeredCall call;
  *outcome = attempt([&](osteon_error* e) { return api_.create(call.raw(), values.get(), &request, &ensembler_, e); });
  expect(outcome->ok() == (ensembler_ != nullptr), "create returned {} {} an ensembler", outcome->describe(),
         ensembler_ != nullptr ? "with" : "without");
  if (ensembler_ != nullptr) fit_ = FitProbe::of(subject.component, ensembler_);
}

std::unique_ptr<EnsemblerProbe> EnsemblerProbe::make(const Subject& subject, bool multiclass, std::int64_t n_classes,
                                                     bool raw, const std::vector<std::uint8_t>& has_class) {
  Outcome outcome;
  auto probe = std::make_unique<EnsemblerProbe>(subject, multiclass, n_classes, &outcome, has_class);
  if (!outcome.ok()) {
    expect_refused(outcome, {OSTEON_UNSUPPORTED}, multiclass ? "create for multiclass data" : "create");
    return nullptr;
  }
  expect(probe->fit() != nullptr || !probe->must_fit(), "it says that it fits, and has no extension {}",
         OSTEON_EXTENSION_FIT);
  if (!raw && probe->must_fit()) probe->fit()->fit(probe->plan());
  return probe;
}

EnsemblerProbe::~EnsemblerProbe() {
  if (ensembler_ != nullptr) api_.destroy(ensembler_);
}

osteon_ensembler_info EnsemblerProbe::info() const {
  return sdk::known(api_.info(ensembler_), "what info gave", OSTEON_ENSEMBLER_FITS);
}

FitPlan EnsemblerProbe::plan() const {
  FitPlan plan;
  plan.members = kMembers;
  plan.classes = n_classes_;
  plan.multiclass = multiclass_;
  plan.form = info().takes;
  return plan;
}

std::vector<std::int32_t> EnsemblerProbe::all_classes() const {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(n_classes_));
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

MemberSayings EnsemblerProbe::sayings(std::uint64_t seed) const {
  return MemberSayings(info().takes, kMembers, n_classes_, multiclass_, seed);
}

std::vector<std::int64_t> EnsemblerProbe::needed_members(const std::vector<std::int32_t>& classes) const {
  std::vector<std::int64_t> members;
  for (std::int64_t m = 0; m < kMembers; ++m)
    if (std::any_of(classes.begin(), classes.end(), [&](std::int32_t k) { return needed(m, k); })) members.push_back(m);
  return members;
}

EnsemblerProbe::Band::Band(const EnsemblerProbe& owner, const ProbeBand& band, const osteon_call* call)
    : owner_(owner), band_(band) {
  const SteeredCall own;
  begun_ = attempt([&](osteon_error* e) {
    return owner.api().begin(call != nullptr ? call : own.raw(), owner.get(), Sent(band.raw), &handle_, e);
  });
  expect(begun_.ok() == (handle_ != nullptr), "begin returned {} {} an accumulation", begun_.describe(),
         handle_ != nullptr ? "with" : "without");
}

EnsemblerProbe::Band::~Band() {
  if (handle_ == nullptr) return;
  const SteeredCall call;
  owner_.api().finish(call.raw(), handle_, nullptr, nullptr);
}

Outcome EnsemblerProbe::Band::try_add(std::int64_t member, const osteon_tensor_view* prediction,
                                      const osteon_call* call) {
  expect_ok(begun_, "begin");
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return owner_.api().add(call != nullptr ? call : own.raw(), handle_, member, prediction, e);
  });
}

void EnsemblerProbe::Band::add(std::int64_t member, const MemberSayings& sayings) {
  expect_ok(try_add(member, sayings.of(member, band_.raw)), fmt::format("add of member {}", member));
}

Outcome EnsemblerProbe::Band::try_finish(osteon_tensor* out, const osteon_call* call) {
  expect_ok(begun_, "begin");
  const SteeredCall own;
  osteon_accumulation* handle = handle_;
  handle_ = nullptr;  // ended, whatever comes
  return attempt(
      [&](osteon_error* e) { return owner_.api().finish(call != nullptr ? call : own.raw(), handle, out, e); });
}

sdk::OwnedTensor EnsemblerProbe::Band::finish_owned() {
  sdk::OwnedTensor out;
  expect_ok(try_finish(out.out()), "finish");
  expect(!out.empty(), "finish returned OK without a tensor");
  const osteon_tensor_view& view = out.view();
  const bool bits = owner_.info().gives == OSTEON_FORM_BITS;
  const auto listed = static_cast<std::int64_t>(band_.raw.n_classes);
  const std::int64_t planes = bits ? (listed + 31) / 32 : listed;
  expect(view.dtype == (bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()), "finish gave {}",
         sdk::to_string(view.dtype));
  expect(view.ndim == 3 && view.shape[0] == planes && view.shape[1] == band_.raw.height &&
             view.shape[2] == band_.raw.width,
         "finish gave {}, expected [{}, {}, {}]", sdk::shape_text(view), planes, band_.raw.height, band_.raw.width);
  return out;
}

std::vector<float> EnsemblerProbe::Band::finish() { return floats_of(finish_owned().view()); }

std::vector<float> EnsemblerProbe::combine(const MemberSayings& sayings, const ProbeBand& band,
                                           const std::vector<std::int64_t>& order, const osteon_call* call) const {
  Band accumulation(*this, band, call);
  expect_ok(accumulation.begun(), "begin");
  for (const std::int64_t m : order.empty() ? needed_members(band.classes) : order)
    expect_ok(accumulation.try_add(m, sayings.of(m, band.raw), call), fmt::format("add of member {}", m));
  return accumulation.finish();
}

std::vector<float> EnsemblerProbe::combine(const MemberSayings& sayings, const osteon_call* call) const {
  return combine(sayings, ProbeBand(0, MemberSayings::kHeight, all_classes()), {}, call);
}

void for_each_labels(const Subject& subject, const std::function<void(const EnsemblerProbe& ensembler)>& body) {
  bool any = false;
  for (const bool multiclass : {false, true}) {
    const auto ensembler = EnsemblerProbe::make(subject, multiclass);
    if (ensembler == nullptr) continue;
    any = true;
    body(*ensembler);
  }
  expect(any, "create refuses multilabel data and multiclass data");
}

const std::vector<Check>& ensembler_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic : {&ensembler_result_checks(), &ensembler_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
