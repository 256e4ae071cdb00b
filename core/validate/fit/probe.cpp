// SPDX-License-Identifier: Apache-2.0
#include "validate/fit/probe.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "predict/fit_task.hpp"

namespace osteon::validate {
namespace {

constexpr std::int64_t kFirstRows = 7;

std::vector<std::int32_t> all_classes(std::int64_t count) {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(count));
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

std::size_t byte_count(const osteon_tensor_view& view) {
  return static_cast<std::size_t>(sdk::element_count(view)) * view.dtype.bits / 8;
}

}  // namespace

FitSample::FitSample(const FitPlan& plan, int image, bool last_band)
    : id_(fmt::format("image-{}", image)),
      band_(last_band ? kFirstRows : 0, last_band ? MemberSayings::kHeight - kFirstRows : kFirstRows,
            all_classes(plan.classes)),
      target_(sdk::dtype_of<std::int32_t>(), {}),
      valid_(sdk::dtype_of<std::uint8_t>(), {band_.raw.height, band_.raw.width}),
      class_valid_(static_cast<std::size_t>(plan.classes), 1),
      raw_(sdk::sized<osteon_fit_sample>()) {
  MemberSayings said(plan.form, plan.members, plan.classes, plan.multiclass, static_cast<std::uint64_t>(image));
  target_ = said.truth(band_.raw);
  std::fill_n(valid_.data<std::uint8_t>(), valid_.count(), std::uint8_t{1});
  if (plan.unknown) {
    for (std::int64_t p = 0; p < valid_.count(); p += 3) valid_.data<std::uint8_t>()[p] = 0;
    if (image == 2) class_valid_.back() = 0;
    const std::uint32_t other = 1u << ((plan.classes - 1) % 32);
    auto* last_plane = target_.data<std::uint32_t>() + (plan.classes - 1) / 32 * valid_.count();
    for (std::int64_t p = 0; p < valid_.count() && plan.spoilt && !plan.multiclass; ++p)
      if (p % 3 == 0 || image == 2) last_plane[p] ^= other;
    raw_.class_valid = class_valid_.data();
    raw_.valid = valid_;
  }
  for (std::int64_t m = 0; m < plan.members; ++m) members_.push_back(said.of(m, band_.raw));
  for (const ProbeTensor& member : members_) views_.push_back(member);
  if (plan.mute && image == 2 && (plan.members > 1 || last_band)) views_.back() = nullptr;
  raw_.image = id_.c_str();
  raw_.band = &band_.raw;
  raw_.n_members = views_.size();
  raw_.members = views_.data();
  raw_.target = target_;
}

void FitSample::take_back() {
  std::fill(id_.begin(), id_.end(), '?');
  std::fill(band_.classes.begin(), band_.classes.end(), -1);
  band_.raw.height = band_.raw.width = -1;
  for (const ProbeTensor& member : members_) std::memset(member.data<std::uint8_t>(), 0xff, byte_count(member.view()));
  std::memset(target_.data<std::uint8_t>(), 0xff, byte_count(target_.view()));
  std::memset(valid_.data<std::uint8_t>(), 0xff, byte_count(valid_.view()));
  std::fill(views_.begin(), views_.end(), nullptr);
}

std::unique_ptr<FitProbe> FitProbe::of(const plugin::LoadedComponent& component, void* instance) {
  const auto* given = component.extension<osteon_fit>(OSTEON_EXTENSION_FIT);
  if (given == nullptr) return nullptr;
  const osteon_fit functions = sdk::known(given, "the extension " OSTEON_EXTENSION_FIT);
  expect(functions.tensors != nullptr && functions.begin != nullptr && functions.add != nullptr &&
             functions.end != nullptr && functions.changed != nullptr,
         "a function of {} is NULL", OSTEON_EXTENSION_FIT);
  return std::unique_ptr<FitProbe>(new FitProbe(functions, instance));
}

std::vector<osteon_named_tensor> FitProbe::tensors() const {
  const SteeredCall call;
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  expect_ok(attempt([&](osteon_error* e) { return functions_.tensors(call.raw(), instance_, &count, &list, e); }),
            "tensors");
  expect(count == 0 || list != nullptr, "tensors says {} and gives no list", count);
  std::vector<osteon_named_tensor> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(sdk::known(list[i], "a tensor"));
  return all;
}

Outcome FitProbe::try_tensors(const osteon_call* call) const {
  const SteeredCall own;
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  return attempt([&](osteon_error* e) {
    return functions_.tensors(call != nullptr ? call : own.raw(), instance_, &count, &list, e);
  });
}

Outcome FitProbe::begin(const osteon_fit_request& request, const osteon_call* call) const {
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return functions_.begin(call != nullptr ? call : own.raw(), instance_, Sent(request), e);
  });
}

Outcome FitProbe::add(const osteon_fit_sample& sample, const osteon_call* call) const {
  const SteeredCall own;
  osteon_fit_sample sent = sample;
  const Sent<osteon_band> band(*sample.band);
  sent.band = band;
  return attempt(
      [&](osteon_error* e) { return functions_.add(call != nullptr ? call : own.raw(), instance_, Sent(sent), e); });
}

Outcome FitProbe::end(std::int32_t* again, const osteon_call* call) const {
  const SteeredCall own;
  return attempt(
      [&](osteon_error* e) { return functions_.end(call != nullptr ? call : own.raw(), instance_, again, e); });
}

Outcome FitProbe::begin(const FitPlan& plan, const osteon_call* call) const {
  ProbeTensor dice(sdk::dtype_of<double>(), {plan.members, plan.classes});
  for (std::int64_t i = 0; i < dice.count(); ++i)
    dice.data<double>()[i] = i % 5 == 4 ? std::nan("") : 0.9 - 0.1 * static_cast<double>(i / plan.classes);
  auto request = sdk::sized<osteon_fit_request>();
  request.n_members = plan.members;
  request.dice = plan.dice ? &dice.view() : nullptr;
  return begin(request, call);
}

void FitProbe::add_all(const FitPlan& plan) const {
  for (const int image : {1, 2})
    for (const bool last_band : {false, true}) {
      FitSample sample(plan, image, last_band);
      const Outcome outcome = add(sample.raw());
      sample.take_back();
      expect_ok(outcome, fmt::format("add of a band of image {}", image));
    }
}

int FitProbe::fit(const FitPlan& plan) const {
  constexpr auto kMostPasses = static_cast<int>(predict::kMostPasses);
  expect_ok(begin(plan), plan.dice ? "begin" : "begin without Dice");
  for (int pass = 1; pass <= kMostPasses; ++pass) {
    add_all(plan);
    std::int32_t again = 0;
    expect_ok(end(&again), "end");
    if (again == 0) return pass;
  }
  fail("after {} passes over the same images it still asks for another", kMostPasses);
}

std::vector<std::pair<std::string, std::vector<std::uint8_t>>> FitProbe::state() const {
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> state;
  for (const osteon_named_tensor& tensor : tensors()) {
    const auto* bytes = static_cast<const std::uint8_t*>(tensor.value.data);
    state.emplace_back(tensor.name, std::vector<std::uint8_t>(bytes, bytes + byte_count(tensor.value)));
  }
  return state;
}

void FitProbe::load_state(const std::vector<std::pair<std::string, std::vector<std::uint8_t>>>& state) const {
  const auto list = tensors();
  expect(list.size() == state.size(), "it has {} tensors when fitted and {} before", state.size(), list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    expect(state[i].first == list[i].name && state[i].second.size() == byte_count(list[i].value),
           "tensor '{}' of {} bytes of a fitted instance is '{}' of {} before", state[i].first, state[i].second.size(),
           list[i].name, byte_count(list[i].value));
    if (!state[i].second.empty()) std::memcpy(list[i].value.data, state[i].second.data(), state[i].second.size());
  }
  changed();
}

}  // namespace osteon::validate
