// SPDX-License-Identifier: Apache-2.0
#include "validate/ensembler_probe.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <osteon/sdk/random.hpp>

#include "plugin/handle_support.hpp"

namespace osteon::validate {

constexpr std::int64_t kPixels = MemberSayings::kHeight * MemberSayings::kWidth;

MemberSayings::MemberSayings(std::uint32_t form, std::int64_t members, std::int64_t classes, bool multiclass,
                             std::uint64_t seed)
    : form_(form),
      classes_(classes),
      values_(static_cast<std::size_t>(members * classes * kPixels)),
      truth_(static_cast<std::size_t>((classes + 31) / 32 * kPixels)) {
  sdk::Random random(seed, 0x656e73);
  for (std::int64_t p = 0; p < kPixels; ++p) {
    const std::int64_t only = random.below(static_cast<std::uint32_t>(classes));
    std::vector<double> logits(static_cast<std::size_t>(classes));
    for (std::int64_t k = 0; k < classes; ++k) {
      const bool is = multiclass ? k == only : random.chance(0.4);
      if (is) truth_[static_cast<std::size_t>(k / 32 * kPixels + p)] |= 1u << (k % 32);
      logits[static_cast<std::size_t>(k)] = is ? 1.5 : -1.5;
    }
    for (std::int64_t m = 0; m < members; ++m) {
      // The later the member, the less it knows.
      std::vector<double> said = logits;
      for (double& x : said) x += (1 + static_cast<double>(m)) * random.uniform(-1.5, 1.5);
      const auto best = std::max_element(said.begin(), said.end()) - said.begin();
      double sum = 0;
      for (const double x : said) sum += std::exp(x);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double x = said[static_cast<std::size_t>(k)];
        const double probability = multiclass ? std::exp(x) / sum : 1 / (1 + std::exp(-x));
        const double bit = multiclass ? k == best : x > 0;
        at(m, k, p) = static_cast<float>(form == OSTEON_FORM_LOGITS ? x : form == OSTEON_FORM_BITS ? bit : probability);
      }
    }
  }
}

ProbeTensor MemberSayings::of(std::int64_t member, const osteon_band& band) const {
  const bool bits = form_ == OSTEON_FORM_BITS;
  const auto listed = static_cast<std::int64_t>(band.n_classes), pixels = band.height * band.width;
  ProbeTensor tensor(bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>(),
                     {bits ? (listed + 31) / 32 : listed, band.height, band.width});
  for (std::int64_t i = 0; i < listed; ++i)
    for (std::int64_t p = 0; p < pixels; ++p) {
      const float value = at(member, band.classes[i], (band.first_row * kWidth + p) % kPixels);
      if (!bits)
        tensor.data()[i * pixels + p] = value;
      else if (value > 0)
        tensor.data<std::uint32_t>()[i / 32 * pixels + p] |= 1u << (i % 32);
    }
  return tensor;
}

ProbeTensor MemberSayings::truth(const osteon_band& band) const {
  const std::int64_t planes = (classes_ + 31) / 32, pixels = band.height * band.width;
  ProbeTensor tensor(sdk::dtype_of<std::int32_t>(), {planes, band.height, band.width});
  for (std::int64_t i = 0; i < planes * pixels; ++i)
    tensor.data<std::uint32_t>()[i] =
        truth_[static_cast<std::size_t>(i / pixels * kPixels + (band.first_row * kWidth + i % pixels) % kPixels)];
  return tensor;
}

ProbeBand::ProbeBand(std::int64_t first_row, std::int64_t height, std::vector<std::int32_t> listed, std::int64_t width)
    : classes(std::move(listed)) {
  raw.struct_size = sizeof raw;
  raw.first_row = first_row;
  raw.height = height;
  raw.width = width;
  raw.n_classes = classes.size();
  raw.classes = classes.data();
}

std::vector<float> floats_of(const osteon_tensor_view& view) {
  if (view.dtype != sdk::dtype_of<std::int32_t>()) return values_of(view);
  const auto* words = static_cast<const std::int32_t*>(view.data);
  return {words, words + sdk::element_count(view)};
}

EnsemblerProbe::EnsemblerProbe(const Subject& subject, bool multiclass, std::int64_t n_classes, Outcome* outcome)
    : api_(subject.component.api<osteon_ensembler_api>()), multiclass_(multiclass), n_classes_(n_classes) {
  const plugin::ClassContext classes = classes_of(n_classes, multiclass);
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes);
  const auto names = plugin::name_pointers(classes.names);
  const char* const members[kMembers] = {"first", "second", "third"};
  const osteon_ensembler_request request{sizeof request, plugin::labels_of(classes), n_classes, names.data(), kMembers,
                                         members};
  const SteeredCall call;
  *outcome = attempt([&](osteon_error* e) { return api_.create(call.raw(), values.get(), &request, &ensembler_, e); });
  expect(outcome->ok() == (ensembler_ != nullptr), "create returned {} {} an ensembler", outcome->describe(),
         ensembler_ != nullptr ? "with" : "without");
}

std::unique_ptr<EnsemblerProbe> EnsemblerProbe::make(const Subject& subject, bool multiclass, std::int64_t n_classes,
                                                     bool raw) {
  Outcome outcome;
  auto probe = std::make_unique<EnsemblerProbe>(subject, multiclass, n_classes, &outcome);
  if (!outcome.ok()) {
    expect_refused(outcome, {OSTEON_UNSUPPORTED}, multiclass ? "create for multiclass data" : "create");
    return nullptr;
  }
  if (!raw && probe->info().fits != 0) probe->fit();
  return probe;
}

EnsemblerProbe::~EnsemblerProbe() {
  if (ensembler_ != nullptr) api_.destroy(ensembler_);
}

const osteon_ensembler_info& EnsemblerProbe::info() const {
  const osteon_ensembler_info* info = api_.info(ensembler_);
  expect(info != nullptr, "info returned NULL");
  return *info;
}

std::vector<std::int32_t> EnsemblerProbe::all_classes() const {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(n_classes_));
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

MemberSayings EnsemblerProbe::sayings(std::uint64_t seed) const {
  return MemberSayings(info().takes, kMembers, n_classes_, multiclass_, seed);
}

void EnsemblerProbe::fit(bool with_dice) const {
  expect(api_.fit_begin != nullptr && api_.fit_add != nullptr && api_.fit_end != nullptr,
         "info.fits is 1 and there are no fit_* functions");
  const SteeredCall call;
  ProbeTensor dice(sdk::dtype_of<double>(), {kMembers, n_classes_});
  for (std::int64_t i = 0; i < dice.count(); ++i)
    dice.data<double>()[i] = i % 5 == 4 ? std::nan("") : 0.9 - 0.1 * static_cast<double>(i / n_classes_);
  expect_ok(attempt([&](osteon_error* e) {
              return api_.fit_begin(call.raw(), ensembler_, with_dice ? &dice.view() : nullptr, e);
            }),
            with_dice ? "fit_begin" : "fit_begin without Dice");
  for (std::uint64_t image = 1; image <= 2; ++image) {
    const MemberSayings said = sayings(image);
    for (const std::int64_t row : {0, 7}) {
      const ProbeBand band(row, row == 0 ? 7 : MemberSayings::kHeight - 7, all_classes());
      std::vector<ProbeTensor> members;
      std::vector<const osteon_tensor_view*> views;
      for (std::int64_t m = 0; m < kMembers; ++m) members.push_back(said.of(m, band.raw));
      for (const ProbeTensor& member : members) views.push_back(member);
      const ProbeTensor truth = said.truth(band.raw);
      expect_ok(attempt([&](osteon_error* e) {
                  return api_.fit_add(call.raw(), ensembler_, &band.raw, views.size(), views.data(), truth, nullptr, e);
                }),
                "fit_add");
    }
  }
  expect_ok(attempt([&](osteon_error* e) { return api_.fit_end(call.raw(), ensembler_, e); }), "fit_end");
}

std::vector<std::int64_t> EnsemblerProbe::needed_members(const std::vector<std::int32_t>& classes) const {
  std::vector<std::int64_t> members;
  for (std::int64_t m = 0; m < kMembers; ++m)
    if (std::any_of(classes.begin(), classes.end(), [&](std::int32_t k) { return needed(m, k); })) members.push_back(m);
  return members;
}

std::vector<const osteon_named_tensor*> EnsemblerProbe::tensors() const {
  if (api_.tensors == nullptr) return {};
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  expect_ok(attempt([&](osteon_error* e) { return api_.tensors(ensembler_, &count, &list, e); }), "tensors");
  return {list, list + count};
}

EnsemblerProbe::Band::Band(const EnsemblerProbe& owner, const ProbeBand& band, const osteon_call* call)
    : owner_(owner), band_(band) {
  const SteeredCall own;
  begun_ = attempt([&](osteon_error* e) {
    return owner.api().begin(call != nullptr ? call : own.raw(), owner.get(), &band.raw, &handle_, e);
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
  expect(view.device.type == OSTEON_DEVICE_CPU && sdk::is_contiguous(view),
         "finish gave a tensor with gaps or elsewhere than in the CPU's memory");
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
    for (const auto* topic : {&ensembler_result_checks(), &ensembler_fit_checks(), &ensembler_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
