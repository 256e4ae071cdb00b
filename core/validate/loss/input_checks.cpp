// SPDX-License-Identifier: Apache-2.0
// Types, layouts and values that a loss takes, refuses and survives.
#include <array>
#include <cmath>

#include <osteon/sdk/half.hpp>

#include "validate/loss/probe.hpp"

namespace osteon::validate {
namespace {

std::string listed_types(const Subject& subject) {
  std::string report;
  expect(subject.component.supports_dtype(sdk::dtype_of<float>()), "the component does not list float32");
  for_each_labels(subject, [&](bool multiclass) {
    report.clear();
    const LossProbe loss(subject, 3, multiclass);
    for (const osteon_dtype type : {osteon_dtype{OSTEON_DTYPE_FLOAT, 16, 1}, osteon_dtype{OSTEON_DTYPE_BFLOAT, 16, 1},
                                    osteon_dtype{OSTEON_DTYPE_FLOAT, 64, 1}}) {
      const std::string name = sdk::to_string(type);
      LossBatch batch(2, 3, 8, 9, multiclass);
      batch.grad_scale = 1024;
      // The same numbers in both types: those that the narrow one has.
      ProbeTensor logits(type, {2, 3, 8, 9}), gradient(type, {2, 3, 8, 9});
      for (std::int64_t i = 0; i < logits.count(); ++i) {
        float& wide = batch.logits.data()[i];
        if (type.bits == 64) {
          logits.data<double>()[i] = wide;
        } else if (type.code == OSTEON_DTYPE_FLOAT) {
          logits.data<std::uint16_t>()[i] = sdk::half_from_float(wide);
          wide = sdk::float_from_half(logits.data<std::uint16_t>()[i]);
        } else {
          logits.data<std::uint16_t>()[i] = sdk::bfloat_from_float(wide);
          wide = sdk::float_from_bfloat(logits.data<std::uint16_t>()[i]);
        }
      }
      osteon_loss_input input = input_of(batch, &gradient.view());
      input.logits = &logits.view();
      double value = std::nan("");
      const Outcome outcome = loss.evaluate_raw(input, &value);
      if (!subject.component.supports_dtype(type)) {
        expect_refused(outcome, {OSTEON_UNSUPPORTED},
                       fmt::format("evaluate of {} logits, which are not listed,", name));
        continue;
      }
      expect_ok(outcome, fmt::format("evaluate of {} logits, which the component lists,", name));
      const LossResult reference = loss.evaluate(batch);
      expect(std::abs(value - reference.value) <= 1e-2 * (1e-3 + std::abs(reference.value)),
             "the value of {} logits is {:.6g}, of the same numbers in float32 {:.6g}", name, value, reference.value);
      const Difference apart = difference(reference.gradient, values_of(gradient.view()));
      expect(apart.worst <= 1e-2 * greatest(reference.gradient), "{} logits: the gradient is not float32's, {}", name,
             apart.describe());
      report += (report.empty() ? "" : ", ") + name;
    }
  });
  return report.empty() ? "float32 alone" : "float32, " + report;
}

std::string extreme_logits(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    for (const float size : {100.0f, 1e4f, 1e30f}) {
      LossBatch batch(2, 3, 8, 9, multiclass);
      for (std::int64_t i = 0; i < batch.logits.count(); ++i) batch.logits.data()[i] = i * 7 % 3 == 0 ? size : -size;
      const LossResult result = loss.evaluate(batch);
      expect(std::isfinite(result.value), "with logits of +-{} the value is {}", size, result.value);
      const std::size_t at = first_not_finite(result.gradient);
      expect(at == result.gradient.size(), "with logits of +-{} the gradient has {} at element {}", size,
             result.gradient[at], at);
    }
  });
  return {};
}

std::string odd_logits(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    const LossBatch good(2, 3, 8, 9, multiclass);
    const LossResult before = loss.evaluate(good);
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min()}) {
      LossBatch batch(2, 3, 8, 9, multiclass);
      for (std::int64_t i = 0; i < batch.logits.count(); i += 5) batch.logits.data()[i] = value;
      const LossResult result = loss.try_evaluate(batch);
      if (!result.outcome.ok())
        expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_BAD_INPUT},
                       fmt::format("evaluate with logits of {}", value));
      // A loss that hides a network that has diverged makes it look well.
      expect(!result.outcome.ok() || !std::isnan(value) || !std::isfinite(result.value),
             "with NaN among the logits the value is {:.6g}, expected NaN or a refusal", result.value);
    }
    const LossResult after = loss.evaluate(good);
    expect(std::abs(before.value - after.value) <= 1e-6 * std::abs(before.value) &&
               difference(before.gradient, after.gradient).worst <= 1e-6 * greatest(before.gradient),
           "after odd logits usual ones give {:.9g}, before them {:.9g}", after.value, before.value);
  });
  return {};
}

std::string odd_shapes(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    // An empty batch, an empty image; and pixels beyond any power of two that a kernel may work by.
    for (const auto& [n, h, w] :
         {std::array<std::int64_t, 3>{0, 4, 4}, {1, 0, 4}, {1, 1, 1}, {1, 3, 1367}, {1, 4099, 1}}) {
      LossBatch batch(n, 3, h, w, multiclass);
      const std::string what = "evaluate at " + sdk::shape_text(batch.logits.view());
      const LossResult result = loss.try_evaluate(batch);
      if (n * h * w == 0) {
        if (!result.outcome.ok())
          expect_refused(result.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, what);
        else
          expect(result.value == 0, "{} gave {}, expected 0", what, result.value);
        continue;
      }
      expect_ok(result.outcome, what);
      expect_loss_gradient(loss, batch, what);
    }
  });
  return {};
}

std::string inputs_unchanged(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    const auto look = [&](LossBatch& batch) {
      batch.punch_holes();
      const ProbeTensor* tensors[] = {&batch.logits,
                                      &batch.target,
                                      batch.valid.get(),
                                      batch.weight.get(),
                                      batch.pixel_weight.get(),
                                      batch.class_valid.get(),
                                      batch.soft_target.get()};
      const char* const names[] = {"the logits",        "the target",         "the valid plane", "the sample weights",
                                   "the pixel weights", "the class validity", "the soft target"};
      std::vector<std::vector<std::uint8_t>> before;
      for (const ProbeTensor* tensor : tensors)
        before.push_back(tensor != nullptr ? tensor->bytes() : std::vector<std::uint8_t>());
      const Outcome outcome = loss.try_evaluate(batch).outcome;
      for (std::size_t i = 0; i < before.size(); ++i)
        expect(tensors[i] == nullptr || tensors[i]->bytes() == before[i], "evaluate wrote to {}", names[i]);
      return outcome;
    };
    LossBatch plain(2, 3, 8, 9, multiclass);
    expect_ok(look(plain), "evaluate");
    LossBatch weighted(2, 3, 8, 9, multiclass), known(2, 3, 8, 9, multiclass), soft(2, 3, 8, 9, multiclass);
    weighted.set_weights({1, 1});
    weighted.weigh_pixels(false);
    known.forget_class(0, 1);
    soft.soften(false);
    for (LossBatch* batch : {&weighted, &known, &soft}) look(*batch);
  });
  return {};
}

std::string wrong_shapes_refused(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    const LossBatch batch(2, 3, 8, 9, multiclass), other(2, 4, 8, 9, multiclass), smaller(2, 3, 8, 8, multiclass);
    const ProbeTensor gradient({2, 3, 8, 9}), small_gradient({2, 3, 8, 8}), flat({2, 3, 72});
    const ProbeTensor planes(sdk::dtype_of<std::int32_t>(), {2, 2, 8, 9});
    const ProbeTensor bytes(sdk::dtype_of<std::uint8_t>(), {2, 1, 8, 9});
    const ProbeTensor valid(sdk::dtype_of<std::uint8_t>(), {2, 8, 8}), weights({3}), narrow_weights({2, 8, 8});
    const ProbeTensor four_classes(sdk::dtype_of<std::uint8_t>(), {2, 4});
    const auto refuse = [&](const std::string& what, const std::function<void(osteon_loss_input&)>& change) {
      osteon_loss_input input = input_of(batch, &gradient.view());
      change(input);
      std::fill_n(gradient.data(), gradient.count(), 0.125f);
      double value = 0;
      const Outcome outcome = loss.evaluate_raw(input, &value);
      expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "evaluate with " + what);
    };
    refuse("logits of 4 classes, made for 3", [&](auto& in) { in.logits = other.logits; });
    refuse("logits of 3 dimensions", [&](auto& in) { in.logits = flat; });
    refuse("a target of another width", [&](auto& in) { in.target = smaller.target; });
    refuse("two target planes for 3 classes", [&](auto& in) { in.target = planes; });
    refuse("a target of uint8", [&](auto& in) { in.target = bytes; });
    refuse("a valid plane of another width", [&](auto& in) { in.valid = valid; });
    refuse("3 sample weights for 2 images", [&](auto& in) { in.sample_weight = weights; });
    refuse("a gradient of another width", [&](auto& in) { in.grad = small_gradient; });
    // Refused either way: by a loss that takes such input for its shape, by another for its flag.
    refuse("pixel weights of another width", [&](auto& in) {
      in.flags = OSTEON_LOSS_PIXEL_WEIGHT;
      in.pixel_weight = narrow_weights;
    });
    refuse("the flag of pixel weights and none", [&](auto& in) { in.flags = OSTEON_LOSS_PIXEL_WEIGHT; });
    refuse("validity of 4 classes, made for 3", [&](auto& in) {
      in.flags = OSTEON_LOSS_CLASS_VALID;
      in.class_valid = four_classes;
    });
    refuse("the flag of class validity and none", [&](auto& in) { in.flags = OSTEON_LOSS_CLASS_VALID; });
    refuse("a soft target of another width", [&](auto& in) {
      in.flags = OSTEON_LOSS_SOFT_TARGET;
      in.target = nullptr;
      in.soft_target = small_gradient;
    });
    refuse("no target at all", [&](auto& in) { in.target = nullptr; });
    loss.evaluate(batch);
  });
  return {};
}

}  // namespace

const std::vector<Check>& loss_input_checks() {
  static const std::vector<Check> checks = {
      {"listed-types", "logits of the listed types give float32's value and gradient, others are UNSUPPORTED",
       listed_types},
      {"extreme-logits", "value and gradient are finite for logits of +-1e4 and more", extreme_logits},
      {"odd-logits", "NaN, infinities and denormals are survived, NaN is not hidden, nothing is left behind",
       odd_logits},
      {"odd-shapes", "empty and oddly shaped batches work or are refused", odd_shapes},
      {"inputs-unchanged", "logits, target, valid plane, weights and validity are only read", inputs_unchanged},
      {"wrong-shapes-refused", "tensors that do not fit each other are refused with a text", wrong_shapes_refused},
  };
  return checks;
}

}  // namespace osteon::validate
