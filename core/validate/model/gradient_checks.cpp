// SPDX-License-Identifier: Apache-2.0
// Derivatives of a model against finite differences of its own training forward.
//
// The number that is differentiated is the sum of all outputs times random numbers. All evaluations have the same seed
// (dropout draws the same) and begin with the same buffers (running statistics).
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <osteon/sdk/random.hpp>

#include "validate/harness/finite_difference.hpp"
#include "validate/model/probe.hpp"

namespace osteon::validate {
namespace {

constexpr std::uint64_t kSeed = 3;
/// Tensors whose derivative is looked at one by one; of larger models as many, evenly spread, and all of them jointly.
constexpr std::size_t kSingly = 24;

double root_mean_square(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

double norm(const std::vector<float>& values) {
  return root_mean_square(values) * std::sqrt(static_cast<double>(values.size()));
}

/// The scalar, its gradients, and ways to move what it depends on.
class Projection {
 public:
  explicit Projection(const Subject& subject) : model(subject), input(model.input(2, 1, 64)) {
    if (!model.trains()) skip("the model is there for prediction alone");  // addresses hold from here on
    state_ = model.state();
    roles_ = model.tensors();
    parameters = model.parameters();
    for (const osteon_named_tensor& parameter : parameters) weights_.push_back(values_of(parameter.value));
  }

  /// The scalar at the input and weights as they are; remembers the size of its terms.
  double value() {
    restore_buffers();
    ForwardResult result = model.train(input.view(), kSeed, flags);
    const auto grads = cotangents(result.outputs);
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      const auto values = values_of(result.outputs[i].view());
      for (std::size_t p = 0; p < values.size(); ++p) {
        const double term = static_cast<double>(values[p]) * static_cast<double>(grads[i].data()[p]);
        sum += term;
        squares += term * term;
      }
    }
    model.release(result);
    spread_ = std::sqrt(squares);
    return sum;
  }

  /// Gradients of parameters(); those of the input too when `flags` asks for them.
  std::vector<std::vector<float>> gradients(std::vector<float>* of_input = nullptr) {
    restore_buffers();
    model.zero_gradients();
    ForwardResult result = model.train(input.view(), kSeed, flags);
    const auto grads = cotangents(result.outputs);
    sdk::OwnedTensor grad_input;
    const Outcome outcome = model.backward(result.tape, views_of(grads), nullptr, nullptr,
                                           of_input != nullptr ? grad_input.out() : nullptr);
    model.release(result);
    expect_ok(outcome, "backward");
    if (of_input != nullptr) {
      expect(!grad_input.empty(), "backward returned OK without the gradient of the input that it was asked for");
      expect(sdk::shape_text(grad_input.view()) == sdk::shape_text(input.view()) &&
                 grad_input.view().dtype == sdk::dtype_of<float>(),
             "the gradient of the input is {} {}, expected float32 {}", sdk::to_string(grad_input.view().dtype),
             sdk::shape_text(grad_input.view()), sdk::shape_text(input.view()));
      *of_input = values_of(grad_input.view());
    }
    return model.gradients();
  }

  /// Parameter `which` becomes its weights plus step * direction.
  void move_parameter(std::size_t which, const std::vector<float>& direction, double step) {
    auto* data = static_cast<float*>(parameters[which].value.data);
    for (std::size_t i = 0; i < direction.size(); ++i)
      data[i] = static_cast<float>(weights_[which][i] + step * direction[i]);
  }
  void restore_parameter(std::size_t which) {
    std::copy(weights_[which].begin(), weights_[which].end(), static_cast<float*>(parameters[which].value.data));
  }
  const std::vector<float>& weights(std::size_t which) const { return weights_[which]; }

  /// Rounding of the scalar: of a float32 network's outputs, with room for what its layers add up.
  double noise() const { return 4e-6 * spread_; }

  ModelProbe model;
  ProbeTensor input;
  std::vector<osteon_named_tensor> parameters;
  std::uint32_t flags = 0;

 private:
  void restore_buffers() {
    for (std::size_t i = 0; i < roles_.size(); ++i)
      if (roles_[i].role == OSTEON_TENSOR_BUFFER && !state_[i].empty())
        std::memcpy(roles_[i].value.data, state_[i].data(), state_[i].size());
    model.changed();
  }
  std::vector<std::vector<std::uint8_t>> state_;
  std::vector<osteon_named_tensor> roles_;
  std::vector<std::vector<float>> weights_;
  double spread_ = 0;
};

/// The size of these numbers, which steps are measured in.
double unit_of(const std::vector<float>& values) {
  const double size = root_mean_square(values);
  return size > 0 ? size : 1;
}

std::vector<float> signs(std::size_t count, double unit, std::uint64_t seed) {
  sdk::Random random(seed, 0x7369676e);
  std::vector<float> direction(count);
  for (float& d : direction) d = static_cast<float>(random.chance(0.5) ? unit : -unit);
  return direction;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

/// Collects verdicts. A difference fails at once; where each derivative depends on the whole gradient (`kinks` above
/// 0), when there are more than `kinks`, for a wrong gradient shows in most of them and a kink of the network in one.
/// When most cannot be told, so says the check.
class Verdicts {
 public:
  explicit Verdicts(std::size_t kinks = 0) : kinks_(kinks) {}

  void add(SlopeVerdict verdict, const std::string& what, const std::string& detail) {
    ++count_;
    if (verdict == SlopeVerdict::kAgrees) return;
    if (verdict == SlopeVerdict::kDiffers) expect(++differing_ <= kinks_, "{}: {}", what, detail);
    unsettled_.push_back(what + ": " + detail);
  }
  std::string report() const {
    if (unsettled_.size() * 2 > count_)
      skip("{} of {} derivatives cannot be told, for finite differences do not settle; {}", unsettled_.size(), count_,
           unsettled_[0]);
    return unsettled_.empty() ? fmt::format("{} derivatives", count_)
                              : fmt::format("{} derivatives, {} of them cannot be told", count_, unsettled_.size());
  }

 private:
  std::size_t kinks_, count_ = 0, differing_ = 0;
  std::vector<std::string> unsettled_;
};

/// kSingly indices below `count`, evenly spread, first and last among them.
std::vector<std::size_t> spread(std::size_t count, std::size_t most) {
  std::set<std::size_t> chosen;
  for (std::size_t i = 0; i < std::min(count, most); ++i)
    chosen.insert(count <= most ? i : i * (count - 1) / (most - 1));
  return {chosen.begin(), chosen.end()};
}

std::string gradients_of_parameters(const Subject& subject) {
  Projection projection(subject);
  if (projection.parameters.empty()) skip("the model has no parameters");
  const auto gradients = projection.gradients();
  std::vector<std::vector<float>> directions;
  double usual = 0, joint = 0, joint_scale = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const std::size_t at = first_not_finite(gradients[i]);
    expect(at == gradients[i].size(), "the gradient of '{}' has {} at element {}", projection.parameters[i].name,
           gradients[i][at], at);
    const double unit = unit_of(projection.weights(i));
    directions.push_back(signs(gradients[i].size(), unit, i));
    joint += dot(gradients[i], directions[i]);
    joint_scale += std::pow(norm(gradients[i]) * unit, 2);
  }
  joint_scale = std::sqrt(joint_scale);
  usual = joint_scale / std::sqrt(static_cast<double>(gradients.size()));
  projection.value();

  Verdicts verdicts;
  std::string detail;
  const auto chosen = spread(gradients.size(), kSingly);
  for (const std::size_t i : chosen) {
    Slope slope;
    slope.claimed = dot(gradients[i], directions[i]);
    // A bias before a normalisation has no gradient but rounding; it is compared with its neighbours'.
    slope.scale = norm(gradients[i]) * unit_of(projection.weights(i)) + 0.01 * usual;
    slope.noise = projection.noise();
    const SlopeVerdict verdict = compare_slope(
        slope,
        [&](double step) {
          projection.move_parameter(i, directions[i], step);
          return projection.value();
        },
        &detail);
    projection.restore_parameter(i);
    verdicts.add(verdict, fmt::format("'{}' along random signs", projection.parameters[i].name), detail);
  }

  const Slope slope{joint, joint_scale, projection.noise()};
  const SlopeVerdict verdict = compare_slope(
      slope,
      [&](double step) {
        for (std::size_t i = 0; i < directions.size(); ++i) projection.move_parameter(i, directions[i], step);
        return projection.value();
      },
      &detail);
  verdicts.add(verdict, "all parameters together along random signs", detail);
  return fmt::format("{}: {} of {} tensors singly, and all jointly", verdicts.report(), chosen.size(),
                     gradients.size());
}

std::string gradients_of_single_weights(const Subject& subject) {
  constexpr std::size_t kTensors = 10;
  Projection projection(subject);
  if (projection.parameters.empty()) skip("the model has no parameters");
  const auto gradients = projection.gradients();
  projection.value();
  Verdicts verdicts;
  std::string detail;
  for (const std::size_t i : spread(gradients.size(), kTensors)) {
    const auto biggest = std::max_element(gradients[i].begin(), gradients[i].end(),
                                          [](float a, float b) { return std::abs(a) < std::abs(b); });
    if (biggest == gradients[i].end()) continue;
    const auto at = static_cast<std::size_t>(biggest - gradients[i].begin());
    const double unit = unit_of(projection.weights(i));
    std::vector<float> direction(gradients[i].size(), 0);
    direction[at] = static_cast<float>(unit);
    Slope slope;
    slope.claimed = *biggest * unit;
    slope.scale = std::abs(slope.claimed);
    slope.noise = projection.noise();
    slope.first_step = 1.6e-2;
    const SlopeVerdict verdict = compare_slope(
        slope,
        [&](double step) {
          projection.move_parameter(i, direction, step);
          return projection.value();
        },
        &detail);
    projection.restore_parameter(i);
    verdicts.add(verdict, fmt::format("element {} of '{}'", at, projection.parameters[i].name), detail);
  }
  return verdicts.report() + ", of the biggest element of each tensor";
}

std::string gradient_of_input(const Subject& subject) {
  Projection projection(subject);
  projection.flags = OSTEON_FORWARD_INPUT_GRADIENT;
  std::vector<float> gradient;
  projection.gradients(&gradient);
  const std::size_t wrong = first_not_finite(gradient);
  expect(wrong == gradient.size(), "the gradient of the input has {} at element {}", gradient[wrong], wrong);
  projection.value();
  const std::vector<float> pixels = values_of(projection.input.view());
  Verdicts verdicts(/*kinks=*/2);
  std::string detail;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto direction = signs(gradient.size(), 1, seed);
    const Slope slope{dot(gradient, direction), norm(gradient), projection.noise()};
    const SlopeVerdict verdict = compare_slope(
        slope,
        [&](double step) {
          for (std::size_t i = 0; i < pixels.size(); ++i)
            projection.input.data()[i] = static_cast<float>(pixels[i] + step * direction[i]);
          return projection.value();
        },
        &detail);
    std::copy(pixels.begin(), pixels.end(), projection.input.data());
    verdicts.add(verdict, fmt::format("the input along random signs ({})", seed), detail);
  }
  return verdicts.report();
}

std::string input_gradient_announced(const Subject& subject) {
  ModelProbe model(subject);
  const ProbeTensor input = model.input(2, 1, 64);
  ForwardResult result = model.train(input.view());
  const auto grads = cotangents(result.outputs);
  sdk::OwnedTensor grad_input;
  const Outcome outcome = model.backward(result.tape, views_of(grads), nullptr, nullptr, grad_input.out());
  model.release(result);
  expect_refused(outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED},
                 "backward with grad_input after a forward without OSTEON_FORWARD_INPUT_GRADIENT");
  expect(grad_input.empty(), "a refused backward gave a gradient of the input");
  return {};
}

}  // namespace

const std::vector<Check>& model_gradient_checks() {
  static const std::vector<Check> checks = {
      {"gradients-of-parameters", "gradients agree with finite differences along random directions of each tensor",
       gradients_of_parameters},
      {"gradients-of-single-weights", "the biggest element of a tensor's gradient agrees with finite differences",
       gradients_of_single_weights},
      {"gradient-of-input", "the gradient of the input agrees with finite differences", gradient_of_input},
      {"input-gradient-announced", "the gradient of the input is refused when forward was not told of it",
       input_gradient_announced},
  };
  return checks;
}

}  // namespace osteon::validate
