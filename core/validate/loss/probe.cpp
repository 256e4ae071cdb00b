// SPDX-License-Identifier: Apache-2.0
#include "validate/loss/probe.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/random.hpp>

#include "plugin/handle_support.hpp"
#include "validate/harness/finite_difference.hpp"

namespace osteon::validate {
namespace {

osteon_loss* create(const Subject& subject, std::int64_t n_classes, bool multiclass, Outcome* outcome) {
  const auto api = subject.component.api<osteon_loss_api>();
  const plugin::ClassContext classes = classes_of(n_classes, multiclass);
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes);
  const auto names = plugin::name_pointers(classes.names);
  auto request = sdk::sized<osteon_loss_request>();
  request.labels = plugin::labels_of(classes);
  request.n_classes = n_classes;
  request.class_names = names.data();
  const SteeredCall call;
  osteon_loss* loss = nullptr;
  *outcome = attempt([&](osteon_error* e) { return api.create(call.raw(), values.get(), &request, &loss, e); });
  expect(outcome->ok() == (loss != nullptr), "create returned {} {} a loss", outcome->describe(),
         loss != nullptr ? "with" : "without");
  return loss;
}

const char* name_of(bool multiclass) { return multiclass ? "multiclass" : "multilabel"; }

double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

}  // namespace

LossBatch::LossBatch(std::int64_t images, std::int64_t classes, std::int64_t height, std::int64_t width, bool exclusive,
                     std::uint64_t seed)
    : n(images),
      k(classes),
      h(height),
      w(width),
      multiclass(exclusive),
      logits(ProbeTensor::random({images, classes, height, width}, seed, -3, 3)),
      target(sdk::dtype_of<std::int32_t>(), {images, (classes + 31) / 32, height, width}) {
  sdk::Random random(seed, 0x6c6f7373);
  auto* planes = target.data<std::uint32_t>();
  const std::int64_t n_planes = (k + 31) / 32;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t p = 0; p < pixels(); ++p) {
      const std::int64_t only = random.below(static_cast<std::uint32_t>(k));
      for (std::int64_t c = 0; c < k; ++c)
        if (multiclass ? c == only : random.chance(0.4))
          planes[(i * n_planes + c / 32) * pixels() + p] |= 1u << (c % 32);
    }
}

void LossBatch::punch_holes(std::uint64_t seed) {
  valid = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{n, h, w});
  sdk::Random random(seed, 0x686f6c65);
  for (std::int64_t p = 0; p < valid->count(); ++p) {
    const std::uint32_t draw = random.below(3);
    valid->data<std::uint8_t>()[p] = draw == 0 ? 0 : draw == 1 ? 1 : 255;
  }
}

void LossBatch::set_weights(const std::vector<float>& weights) {
  weight = std::make_unique<ProbeTensor>(std::vector<std::int64_t>{n});
  std::copy(weights.begin(), weights.end(), weight->data());
}

void LossBatch::set_targets(const std::vector<bool>& wanted) {
  const std::int64_t n_planes = (k + 31) / 32;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t plane = 0; plane < n_planes; ++plane) {
      std::uint32_t bits = 0;
      for (std::int64_t c = 32 * plane; c < std::min(k, 32 * plane + 32); ++c)
        if (wanted[static_cast<std::size_t>(c)]) bits |= 1u << (c % 32);
      std::fill_n(target.data<std::uint32_t>() + (i * n_planes + plane) * pixels(), pixels(), bits);
    }
}

bool LossBatch::bit(std::int64_t image, std::int64_t c, std::int64_t pixel) const {
  const std::int64_t n_planes = (k + 31) / 32;
  return (target.data<std::uint32_t>()[(image * n_planes + c / 32) * pixels() + pixel] >> (c % 32) & 1u) != 0;
}

void LossBatch::weigh_pixels(bool all_one, std::uint64_t seed) {
  pixel_weight = std::make_unique<ProbeTensor>(std::vector<std::int64_t>{n, h, w});
  sdk::Random random(seed, 0x77656967);
  for (std::int64_t p = 0; p < pixel_weight->count(); ++p)
    pixel_weight->data()[p] = all_one ? 1.0f : random.chance(0.3) ? 0.0f : static_cast<float>(random.uniform(0.2, 2));
}

void LossBatch::know_all_classes() {
  class_valid = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{n, k});
  std::fill_n(class_valid->data<std::uint8_t>(), n * k, std::uint8_t{1});
}

void LossBatch::forget_class(std::int64_t image, std::int64_t c) {
  if (class_valid == nullptr) know_all_classes();
  class_valid->data<std::uint8_t>()[image * k + c] = 0;
  if (!multiclass) return;
  const std::int64_t n_planes = (k + 31) / 32, other = (c + 1) % k;
  auto* planes = target.data<std::uint32_t>() + image * n_planes * pixels();
  for (std::int64_t p = 0; p < pixels(); ++p) {
    if (!bit(image, c, p)) continue;
    planes[c / 32 * pixels() + p] &= ~(1u << (c % 32));
    planes[other / 32 * pixels() + p] |= 1u << (other % 32);
  }
}

void LossBatch::soften(bool as_bits, std::uint64_t seed) {
  soft_target = std::make_unique<ProbeTensor>(std::vector<std::int64_t>{n, k, h, w});
  sdk::Random random(seed, 0x736f6674);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t p = 0; p < pixels(); ++p) {
      std::vector<double> parts;
      double sum = 0;
      for (std::int64_t c = 0; c < k; ++c) {
        parts.push_back(as_bits ? static_cast<double>(bit(i, c, p)) : random.uniform(0, 1));
        sum += parts.back();
      }
      // A pixel of one class per pixel is one pixel in all.
      for (std::int64_t c = 0; c < k; ++c)
        soft_target->data()[(i * k + c) * pixels() + p] =
            static_cast<float>(parts[static_cast<std::size_t>(c)] / (multiclass && !as_bits ? sum : 1));
    }
}

osteon_loss_input input_of(const LossBatch& batch, const osteon_tensor_view* gradient) {
  const auto view = [](const std::unique_ptr<ProbeTensor>& tensor) { return tensor ? &tensor->view() : nullptr; };
  auto input = sdk::sized<osteon_loss_input>();
  input.flags = batch.flags | (batch.pixel_weight ? std::uint32_t{OSTEON_LOSS_PIXEL_WEIGHT} : 0u) |
                (batch.class_valid ? std::uint32_t{OSTEON_LOSS_CLASS_VALID} : 0u) |
                (batch.soft_target ? std::uint32_t{OSTEON_LOSS_SOFT_TARGET} : 0u);
  input.logits = batch.logits;
  input.target = batch.soft_target ? nullptr : &batch.target.view();
  input.valid = view(batch.valid);
  input.sample_weight = view(batch.weight);
  input.grad_scale = batch.grad_scale;
  input.grad = gradient;
  input.pixel_weight = view(batch.pixel_weight);
  input.class_valid = view(batch.class_valid);
  input.soft_target = view(batch.soft_target);
  return input;
}

LossProbe::LossProbe(const Subject& subject, std::int64_t n_classes, bool multiclass)
    : api_(subject.component.api<osteon_loss_api>()) {
  Outcome outcome;
  loss_ = create(subject, n_classes, multiclass, &outcome);
  expect_ok(outcome, fmt::format("create for {} classes, {}", n_classes, name_of(multiclass)));
}

std::unique_ptr<LossProbe> LossProbe::make(const Subject& subject, std::int64_t n_classes, bool multiclass,
                                           Outcome* why) {
  osteon_loss* loss = create(subject, n_classes, multiclass, why);
  if (loss == nullptr) return nullptr;
  return std::unique_ptr<LossProbe>(new LossProbe(subject.component.api<osteon_loss_api>(), loss));
}

LossProbe::~LossProbe() { api_.destroy(loss_); }

Outcome LossProbe::evaluate_raw(const osteon_loss_input& input, double* value, const osteon_call* call) const {
  const SteeredCall own;
  return attempt(
      [&](osteon_error* e) { return api_.evaluate(call != nullptr ? call : own.raw(), loss_, Sent(input), value, e); });
}

LossResult LossProbe::try_evaluate(const LossBatch& batch, const osteon_call* call) const {
  LossResult result;
  result.value = std::nan("");
  const ProbeTensor gradient({batch.n, batch.k, batch.h, batch.w});
  std::fill_n(gradient.data(), gradient.count(), batch.fill);
  result.outcome =
      evaluate_raw(input_of(batch, batch.wants_gradient ? &gradient.view() : nullptr), &result.value, call);
  if (batch.wants_gradient) result.gradient = values_of(gradient.view());
  return result;
}

LossResult LossProbe::evaluate(const LossBatch& batch, const osteon_call* call) const {
  LossResult result = try_evaluate(batch, call);
  expect_ok(result.outcome, "evaluate at " + sdk::shape_text(batch.logits.view()));
  return result;
}

void for_each_labels(const Subject& subject, const std::function<void(bool)>& body) {
  int kinds = 0;
  for (const bool multiclass : {false, true}) {
    Outcome why;
    if (LossProbe::make(subject, 3, multiclass, &why) == nullptr) {
      expect_refused(why, {OSTEON_UNSUPPORTED}, fmt::format("create for {} labels", name_of(multiclass)));
      continue;
    }
    ++kinds;
    try {
      body(multiclass);
    } catch (const Failure& failure) {
      fail("{} labels: {}", name_of(multiclass), failure.what());
    }
  }
  expect(kinds > 0, "create refuses multilabel and multiclass labels; a loss takes at least one of them");
}

int expect_loss_gradient(const LossProbe& loss, LossBatch& batch, const std::string& what) {
  const LossResult at = loss.evaluate(batch);
  expect(std::isfinite(at.value), "{}: the value is {}", what, at.value);
  const std::size_t wrong = first_not_finite(at.gradient);
  expect(wrong == at.gradient.size(), "{}: the gradient has {} at element {}", what, at.gradient[wrong], wrong);

  const std::vector<float> logits = values_of(batch.logits.view());
  const bool wanted = batch.wants_gradient;
  batch.wants_gradient = false;
  const double usual = norm(at.gradient) / std::sqrt(static_cast<double>(batch.k));
  int count = 0;
  // Along random signs of all classes (-1), then of one class at a time: the first, those about the first plane's end,
  // the last.
  for (std::int64_t c = -2; c < batch.k; ++c) {
    if (c > 0 && c != 30 && c != 31 && c != 32 && c != batch.k - 1) continue;
    sdk::Random random(static_cast<std::uint64_t>(c + 9), 0x7369676e);
    std::vector<float> direction(logits.size(), 0), own;
    Slope slope;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const auto of = static_cast<std::int64_t>(i) / batch.pixels() % batch.k;
      if (c >= 0 && of != c) continue;
      direction[i] = random.chance(0.5) ? 1.0f : -1.0f;
      own.push_back(at.gradient[i]);
      slope.claimed += static_cast<double>(direction[i]) * at.gradient[i];
    }
    slope.scale = norm(own) + 0.02 * usual;
    slope.noise = 4e-7 * std::max(std::abs(at.value), 0.1);
    slope.first_step = 1e-2;
    std::string detail;
    const SlopeVerdict verdict = compare_slope(
        slope,
        [&](double step) {
          for (std::size_t i = 0; i < logits.size(); ++i)
            batch.logits.data()[i] = static_cast<float>(logits[i] + step * direction[i]);
          return loss.evaluate(batch).value;
        },
        &detail);
    std::copy(logits.begin(), logits.end(), batch.logits.data());
    expect(verdict != SlopeVerdict::kDiffers, "{}: along random signs of {}: {}", what,
           c < 0 ? std::string("all logits") : fmt::format("class {}", c), detail);
    count += verdict == SlopeVerdict::kAgrees ? 1 : 0;
  }
  batch.wants_gradient = wanted;
  expect(count > 0, "{}: no derivative agrees with finite differences, for they do not settle", what);
  return count;
}

const std::vector<Check>& loss_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic : {&loss_value_checks(), &loss_weight_checks(), &loss_input_checks(), &loss_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
