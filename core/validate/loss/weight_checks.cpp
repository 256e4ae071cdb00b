// SPDX-License-Identifier: Apache-2.0
// What a loss makes of data that says more than bits and valid pixels: weights of pixels, classes that nobody knows of,
// targets between 0 and 1. Each is refused with a text, or right.
#include <cmath>

#include "validate/loss/probe.hpp"

namespace osteon::validate {
namespace {

/// Runs `body` for each kind of labels whose loss takes such input, which `make` fills in; says what refuses it.
std::string for_each_taken(const Subject& subject, const char* what, const std::function<void(LossBatch&)>& make,
                           const std::function<void(const LossProbe& loss, bool multiclass)>& body) {
  std::string refused;
  for_each_labels(subject, [&](bool multiclass) {
    const LossProbe loss(subject, 3, multiclass);
    LossBatch trial(2, 3, 8, 9, multiclass);
    make(trial);
    const Outcome outcome = loss.try_evaluate(trial).outcome;
    if (outcome.ok()) return body(loss, multiclass);
    expect_refused(outcome, {OSTEON_UNSUPPORTED}, fmt::format("evaluate with {}", what));
    refused = "refused: " + outcome.text;
  });
  return refused;
}

void expect_same(const LossResult& expected, const LossResult& got, const std::string& what) {
  constexpr double kTolerance = 1e-5;  // float32 sums, in whatever order
  expect(std::abs(expected.value - got.value) <= kTolerance * (1e-6 + std::abs(expected.value)),
         "{}: expected the value {:.9g}, got {:.9g}", what, expected.value, got.value);
  const Difference apart = difference(expected.gradient, got.gradient);
  expect(apart.worst <= kTolerance * greatest(expected.gradient), "{}: the gradient {}", what, apart.describe());
}

void expect_nothing(const LossResult& result, const std::string& what) {
  expect(result.value == 0 && greatest(result.gradient) == 0,
         "{}: the value is {} and the gradient up to {}, expected 0", what, result.value, greatest(result.gradient));
}

// Changes logits and targets wherever `where(image, class, pixel)`, and fails when the result changes, or has a
// gradient there.
void expect_irrelevant(const LossProbe& loss, LossBatch& batch, const std::string& what,
                       const std::function<bool(std::int64_t, std::int64_t, std::int64_t)>& where) {
  const LossResult before = loss.evaluate(batch);
  const std::int64_t planes = (batch.k + 31) / 32;
  for (std::int64_t i = 0; i < batch.n; ++i)
    for (std::int64_t c = 0; c < batch.k; ++c)
      for (std::int64_t p = 0; p < batch.pixels(); ++p) {
        if (!where(i, c, p)) continue;
        const std::int64_t at = (i * batch.k + c) * batch.pixels() + p;
        const float gradient = before.gradient[static_cast<std::size_t>(at)];
        expect(gradient == 0, "{}: the gradient of class {} at pixel {} of image {} is {}, expected 0", what, c, p, i,
               gradient);
        batch.logits.data()[at] += 7.0f;
        // In multiclass data another bit would make two classes of one pixel.
        if (!batch.multiclass)
          batch.target.data<std::uint32_t>()[(i * planes + c / 32) * batch.pixels() + p] ^= 1u << (c % 32);
      }
  expect_same(before, loss.evaluate(batch), what + ", with other logits there");
}

std::string pixel_weights(const Subject& subject) {
  return for_each_taken(
      subject, "weights of pixels", [](LossBatch& batch) { batch.weigh_pixels(true); },
      [](const LossProbe& loss, bool multiclass) {
        LossBatch batch(2, 3, 8, 9, multiclass);
        batch.punch_holes();
        const LossResult plain = loss.evaluate(batch);
        batch.weigh_pixels(true);
        expect_same(plain, loss.evaluate(batch), "weights of 1 at all pixels");
        batch.weigh_pixels(false);
        expect(difference(plain.gradient, loss.evaluate(batch).gradient).worst > 1e-3 * greatest(plain.gradient),
               "weights of 0 to 2 change nothing; respect them, or refuse them with a text");
        expect_loss_gradient(loss, batch, "weights of 0 to 2");
        expect_irrelevant(loss, batch, "pixels of weight 0", [&](std::int64_t i, std::int64_t, std::int64_t p) {
          return batch.pixel_weight->data()[i * batch.pixels() + p] == 0;
        });
        std::fill_n(batch.pixel_weight->data(), batch.pixel_weight->count(), 0.0f);
        expect_nothing(loss.evaluate(batch), "weights of 0 at all pixels");
      });
}

std::string class_validity(const Subject& subject) {
  return for_each_taken(
      subject, "classes that are unknown in an image", [](LossBatch& batch) { batch.know_all_classes(); },
      [](const LossProbe& loss, bool multiclass) {
        LossBatch batch(2, 3, 8, 9, multiclass);
        batch.punch_holes();
        const LossResult plain = loss.evaluate(batch);
        batch.know_all_classes();
        expect_same(plain, loss.evaluate(batch), "all classes known in all images");
        batch.forget_class(0, 1);
        batch.forget_class(1, 0);
        expect_loss_gradient(loss, batch, "class 1 unknown in image 0 and class 0 in image 1");
        expect_irrelevant(loss, batch, "a class that is unknown in an image",
                          [&](std::int64_t i, std::int64_t c, std::int64_t) {
                            return batch.class_valid->data<std::uint8_t>()[i * batch.k + c] == 0;
                          });
        std::fill_n(batch.class_valid->data<std::uint8_t>(), batch.class_valid->count(), std::uint8_t{0});
        expect_nothing(loss.evaluate(batch), "no class known in any image");
      });
}

std::string soft_targets(const Subject& subject) {
  return for_each_taken(
      subject, "targets between 0 and 1", [](LossBatch& batch) { batch.soften(true); },
      [](const LossProbe& loss, bool multiclass) {
        LossBatch batch(2, 3, 8, 9, multiclass);
        batch.punch_holes();
        const LossResult plain = loss.evaluate(batch);
        batch.soften(true);
        expect_same(plain, loss.evaluate(batch), "a soft target of 0 and 1, as the bits were");
        batch.soften(false);
        expect_loss_gradient(loss, batch, "targets between 0 and 1");
        // More of a class pulls its logit up.
        const auto pull = [&](float share) {
          for (std::int64_t p = 0; p < batch.pixels(); ++p)
            for (std::int64_t c = 0; c < batch.k; ++c)
              batch.soft_target->data()[c * batch.pixels() + p] = c == 0 ? share : (1 - share) / 2;
          const auto gradient = loss.evaluate(batch).gradient;
          double sum = 0;
          for (std::int64_t p = 0; p < batch.pixels(); ++p) sum += gradient[static_cast<std::size_t>(p)];
          return sum;
        };
        double before = pull(0.1f);
        for (const float share : {0.4f, 0.6f, 0.9f}) {
          const double now = pull(share);
          expect(now < before,
                 "the gradient of a class sums to {:.6g} where the target is {}, and to {:.6g} where it is less", now,
                 share, before);
          before = now;
        }
      });
}

std::string all_at_once(const Subject& subject) {
  const auto fill = [](LossBatch& batch) {
    batch.punch_holes();
    batch.weigh_pixels(false);
    batch.forget_class(0, 2);
    batch.soften(false);
    // Of a class that nobody knows of a pixel has nothing.
    for (std::int64_t p = 0; p < batch.pixels(); ++p) {
      float* of = batch.soft_target->data() + p;
      const float rest = of[0] + of[batch.pixels()];
      if (batch.multiclass) of[0] /= rest, of[batch.pixels()] /= rest;
      of[2 * batch.pixels()] = 0;
    }
  };
  return for_each_taken(subject, "weights, unknown classes and soft targets", fill,
                        [&](const LossProbe& loss, bool multiclass) {
                          LossBatch batch(2, 3, 8, 9, multiclass);
                          fill(batch);
                          expect_loss_gradient(loss, batch, "weights, unknown classes and soft targets at once");
                        });
}

}  // namespace

const std::vector<Check>& loss_weight_checks() {
  static const std::vector<Check> checks = {
      {"pixel-weights", "weights of pixels are respected, or refused with a text", pixel_weights},
      {"class-validity", "classes that are unknown in an image contribute nothing, or are refused with a text",
       class_validity},
      {"soft-targets", "targets between 0 and 1 are respected, or refused with a text", soft_targets},
      {"weights-at-once", "all of these together have the gradient of their value, or are refused", all_at_once},
  };
  return checks;
}

}  // namespace osteon::validate
