// SPDX-License-Identifier: Apache-2.0
// Values and gradients of a loss.
#include <array>
#include <cmath>

#include "validate/loss/probe.hpp"

namespace osteon::validate {
namespace {

void expect_value(double expected, double got, double tolerance, const std::string& what) {
  expect(std::abs(expected - got) <= tolerance * (1e-6 + std::abs(expected)), "{}: expected {:.9g}, got {:.9g}", what,
         expected, got);
}

void expect_gradient(const std::vector<float>& expected, const std::vector<float>& got, double tolerance,
                     const std::string& what) {
  const Difference apart = difference(expected, got);
  expect(apart.worst <= tolerance * greatest(expected), "{}: the gradient {}", what, apart.describe());
}

std::string labels_taken(const Subject& subject) {
  std::string kinds;
  for_each_labels(subject, [&](bool multiclass) {
    kinds += (kinds.empty() ? "" : ", ") + std::string(multiclass ? "multiclass" : "multilabel");
    for (const std::int64_t classes : {1, 2, 33}) {
      const LossProbe loss(subject, classes, multiclass);
      const LossBatch batch(2, classes, 8, 8, multiclass);
      const LossResult result = loss.evaluate(batch);
      expect(std::isfinite(result.value), "the value of {} classes is {}", classes, result.value);
    }
  });
  const auto api = subject.component.api<osteon_loss_api>();
  const char* const names[] = {"class_0"};
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes_of(1));
  auto request = sdk::sized<osteon_loss_request>();
  request.labels = 77;
  request.n_classes = 1;
  request.class_names = names;
  const SteeredCall call;
  osteon_loss* made = nullptr;
  const Outcome outcome =
      attempt([&](osteon_error* e) { return api.create(call.raw(), values.get(), &request, &made, e); });
  expect_refused(outcome, {OSTEON_UNSUPPORTED}, "create for the unknown labels 77");
  expect(made == nullptr, "a refused create left a loss");
  return kinds;
}

std::string gradient(const Subject& subject) {
  int count = 0;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    for (const auto& [n, h, w] : {std::array<std::int64_t, 3>{2, 8, 8}, {1, 1, 1}, {1, 7, 5}, {3, 1, 13}}) {
      LossBatch batch(n, 3, h, w, multiclass);
      count += expect_loss_gradient(loss, batch, "at " + sdk::shape_text(batch.logits.view()));
    }
    LossBatch holes(2, 3, 9, 11, multiclass);
    holes.punch_holes();
    count += expect_loss_gradient(loss, holes, "with invalid pixels");
  });
  return fmt::format("{} derivatives", count);
}

std::string gradient_of_many_classes(const Subject& subject) {
  int count = 0;
  for_each_labels(subject, [&](bool multiclass) {
    for (const std::int64_t classes : {32, 33}) {
      const LossProbe loss(subject, classes, multiclass);
      LossBatch batch(2, classes, 6, 7, multiclass);
      count += expect_loss_gradient(loss, batch, fmt::format("{} classes", classes));
    }
    // A bit that is read with its sign, or from another plane, is wrong in value and gradient alike.
    const LossProbe loss(subject, 33, multiclass);
    for (const std::int64_t c : {0, 30, 31, 32}) {
      LossBatch batch(1, 33, 6, 7, multiclass);
      const auto pull = [&](std::int64_t of) {
        std::vector<bool> wanted(33, false);
        wanted[static_cast<std::size_t>(of)] = true;
        batch.set_targets(wanted);
        const auto all = loss.evaluate(batch).gradient;
        double sum = 0;
        for (std::int64_t p = 0; p < batch.pixels(); ++p) sum += all[static_cast<std::size_t>(c * batch.pixels() + p)];
        return sum;
      };
      const double set = pull(c), clear = pull(5);
      expect(set < clear,
             "the gradient of class {} sums to {:.6g} where its bit is set and to {:.6g} where it is not; a set bit "
             "pulls the logit up. It is bit {} of plane {}: shift unsigned",
             c, set, clear, c % 32, c / 32);
    }
  });
  return fmt::format("{} derivatives", count);
}

std::string accumulates(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    batch.punch_holes();
    const LossResult plain = loss.evaluate(batch);
    batch.flags = OSTEON_LOSS_ACCUMULATE;
    batch.fill = 0.25f;
    const LossResult added = loss.evaluate(batch);
    expect_value(plain.value, added.value, 1e-6, "the value with OSTEON_LOSS_ACCUMULATE");
    std::vector<float> expected = plain.gradient;
    for (float& value : expected) value += 0.25f;
    expect_gradient(expected, added.gradient, 1e-6, "OSTEON_LOSS_ACCUMULATE onto 0.25 everywhere");
  });
  return {};
}

std::string overwrites(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    batch.punch_holes();
    batch.fill = 0;
    const auto expected = loss.evaluate(batch).gradient;
    batch.fill = std::numeric_limits<float>::quiet_NaN();
    expect_gradient(expected, loss.evaluate(batch).gradient, 0,
                    "without OSTEON_LOSS_ACCUMULATE into a buffer that held NaN");
  });
  return {};
}

std::string value_alone(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    const double expected = loss.evaluate(batch).value;
    batch.wants_gradient = false;
    expect_value(expected, loss.evaluate(batch).value, 1e-6, "the value with grad NULL");
  });
  return {};
}

void expect_scaled(const Subject& subject, std::initializer_list<double> factors) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    const LossResult plain = loss.evaluate(batch);
    for (const double factor : factors) {
      batch.grad_scale = factor;
      const LossResult scaled = loss.evaluate(batch);
      expect_value(plain.value, scaled.value, 1e-6, fmt::format("the value with grad_scale {}", factor));
      std::vector<float> expected = plain.gradient;
      for (float& value : expected) value = static_cast<float>(value * factor);
      expect_gradient(expected, scaled.gradient, 1e-4, fmt::format("grad_scale {}", factor));
    }
  });
}

std::string scale_linear(const Subject& subject) {
  expect_scaled(subject, {0.5, 3, -1, 0});
  return {};
}

std::string scale_extreme(const Subject& subject) {
  expect_scaled(subject, {1e-12, 65536.0 * 1024, 1e12});
  return {};
}

std::string invalid_pixels(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 9, 11, multiclass);
    batch.punch_holes();
    const LossResult before = loss.evaluate(batch);
    const auto spoil = [&](float logit) {
      for (std::int64_t i = 0; i < batch.n; ++i)
        for (std::int64_t p = 0; p < batch.pixels(); ++p) {
          if (batch.is_valid(i, p)) continue;
          for (std::int64_t c = 0; c < batch.k; ++c)
            batch.logits.data()[(i * batch.k + c) * batch.pixels() + p] = logit;
          batch.target.data<std::uint32_t>()[i * batch.pixels() + p] ^= 7u;
        }
    };
    for (const float logit : {50.0f, -1e4f, std::numeric_limits<float>::quiet_NaN()}) {
      spoil(logit);
      const LossResult after = loss.evaluate(batch);
      expect_value(before.value, after.value, 1e-6,
                   fmt::format("logits {} and other targets at pixels that are not valid; the value", logit));
      expect_gradient(before.gradient, after.gradient, 1e-6,
                      fmt::format("logits {} and other targets at pixels that are not valid", logit));
      for (std::int64_t at = 0; at < static_cast<std::int64_t>(after.gradient.size()); ++at) {
        const float value = after.gradient[static_cast<std::size_t>(at)];
        expect(batch.is_valid(at / (batch.k * batch.pixels()), at % batch.pixels()) || value == 0,
               "the gradient at element {}, a pixel that is not valid, is {}, expected 0", at, value);
      }
    }
  });
  return {};
}

std::string nothing_valid(const Subject& subject) {
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 6, 5, multiclass);
    batch.valid = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{2, 6, 5});
    const LossResult result = loss.evaluate(batch);
    expect(result.value == 0, "no pixel is valid, and the value is {}, expected 0", result.value);
    expect_gradient(std::vector<float>(result.gradient.size(), 0), result.gradient, 0, "no pixel is valid");
    batch.flags = OSTEON_LOSS_ACCUMULATE;
    batch.fill = 0.5f;
    expect_gradient(std::vector<float>(result.gradient.size(), 0.5f), loss.evaluate(batch).gradient, 0,
                    "no pixel is valid, added onto 0.5");
    // One image without, one with.
    LossBatch half(2, 3, 6, 5, multiclass);
    half.valid = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{2, 6, 5});
    std::fill_n(half.valid->data<std::uint8_t>() + half.pixels(), half.pixels(), std::uint8_t{1});
    expect_loss_gradient(loss, half, "one image without valid pixels");
  });
  return {};
}

std::string sample_weight(const Subject& subject) {
  std::string refused;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    const LossResult plain = loss.evaluate(batch);
    batch.set_weights({1, 1});
    const LossResult ones = loss.try_evaluate(batch);
    if (!ones.outcome.ok()) {
      expect_refused(ones.outcome, {OSTEON_UNSUPPORTED, OSTEON_INVALID_ARGUMENT}, "evaluate with sample_weight");
      refused = "refused: " + ones.outcome.text;
      return;
    }
    expect_value(plain.value, ones.value, 1e-6, "the value with sample weights of 1");
    expect_gradient(plain.gradient, ones.gradient, 1e-5, "sample weights of 1");
    batch.set_weights({2, 0});
    const LossResult first = loss.evaluate(batch);
    const std::size_t half = first.gradient.size() / 2;
    const std::vector<float> of_second(first.gradient.begin() + static_cast<std::ptrdiff_t>(half),
                                       first.gradient.end());
    expect(greatest(of_second) == 0, "an image of sample weight 0 has a gradient of up to {}", greatest(of_second));
    expect(difference(plain.gradient, first.gradient).worst > 1e-3 * greatest(plain.gradient),
           "sample weights of 2 and 0 change nothing; respect them, or refuse them with a text");
    batch.set_weights({0.5f, 2});
    expect_loss_gradient(loss, batch, "sample weights of 0.5 and 2");
  });
  return refused;
}

std::string one_sided_targets(const Subject& subject) {
  int count = 0;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch batch(2, 3, 8, 9, multiclass);
    batch.set_targets({multiclass, false, false});
    count += expect_loss_gradient(loss, batch, multiclass ? "class 0 everywhere" : "no class anywhere");
    batch.set_targets({!multiclass, !multiclass, true});
    count += expect_loss_gradient(loss, batch, multiclass ? "the last class everywhere" : "every class everywhere");
  });
  return fmt::format("{} derivatives", count);
}

}  // namespace

const std::vector<Check>& loss_value_checks() {
  static const std::vector<Check> checks = {
      {"labels-taken", "multilabel or multiclass labels of 1, 2 and 33 classes are taken, unknown ones refused",
       labels_taken},
      {"gradient", "the gradient agrees with finite differences at several shapes, 1 x 1 among them", gradient},
      {"gradient-of-many-classes", "so it does for 32 and 33 classes: bit 31, and the second plane",
       gradient_of_many_classes},
      {"accumulates", "OSTEON_LOSS_ACCUMULATE adds to the gradient that is there", accumulates},
      {"overwrites", "without it the gradient is overwritten, whatever was there", overwrites},
      {"value-alone", "without a gradient's buffer the value is the same", value_alone},
      {"scale-linear", "grad_scale is a factor on the gradient and not on the value", scale_linear},
      {"scale-extreme", "so it is at 1e-12 and 1e12", scale_extreme},
      {"invalid-pixels", "pixels that are not valid contribute nothing, whatever is there", invalid_pixels},
      {"nothing-valid", "without a valid pixel value and gradient are 0", nothing_valid},
      {"sample-weight", "weights of images are respected, or refused with a text", sample_weight},
      {"one-sided-targets", "images without and full of a class have finite values and right gradients",
       one_sided_targets},
  };
  return checks;
}

}  // namespace osteon::validate
