// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <osteon/sdk/error.hpp>
#include <osteon/sdk/random.hpp>

/// For models that another program wrote: whether they give logits, as the host wants them, or what a sigmoid or
/// softmax at their end made of those. A sigmoid of a sigmoid is never below 0.5, so that every mask would be full.
namespace osteon::sdk {

enum class OutputActivation { kNone, kSigmoid, kSoftmax };

/// The values of a recipe's key `activation`; "auto": to be found out.
inline std::vector<std::string> output_activations() { return {"auto", "none", "sigmoid", "softmax"}; }

/// `count` values of one of two unlike inputs: noise about 0, and noise that is larger and lies beside it.
inline std::vector<float> activation_probe(std::int64_t count, int which) {
  Random random(static_cast<std::uint64_t>(which), 0x616374);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(which == 0 ? random.uniform(-1, 1) : random.uniform(-3, 6));
  return values;
}

/// What the outputs for both probes look like.
class ActivationTrial {
 public:
  /// @param values  [classes, pixels], of the output for one probe
  void add(const float* values, std::int64_t classes, std::int64_t pixels) {
    for (std::int64_t p = 0; p < pixels; ++p) {
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) {
        const float value = values[c * pixels + p];
        if (!(value >= 0 && value <= 1)) in_unit_ = false;
        sum += static_cast<double>(value);
        least_ = std::min(least_, value);
        greatest_ = std::max(greatest_, value);
      }
      constexpr double kRounding = 1e-3;  // of half precision, summed up
      if (std::abs(sum - 1) > kRounding * static_cast<double>(classes)) sums_to_one_ = false;
    }
    several_ = several_ || classes > 1;
  }
  bool in_unit() const noexcept { return in_unit_; }
  /// An output that is the same whatever comes in says nothing.
  OutputActivation looks_like() const noexcept {
    if (!in_unit_ || !(greatest_ > least_)) return OutputActivation::kNone;
    return several_ && sums_to_one_ ? OutputActivation::kSoftmax : OutputActivation::kSigmoid;
  }

 private:
  bool in_unit_ = true, sums_to_one_ = true, several_ = false;
  float least_ = std::numeric_limits<float>::infinity(), greatest_ = -std::numeric_limits<float>::infinity();
};

/// Whether the output's values have to be looked at: not where the recipe says that there is nothing, nor where it does
/// not say and a convolution, which has no bounds, makes them. `last` as below.
inline bool needs_activation_trial(const std::string& stated, const std::string& last) {
  const bool convolution = last.find("Conv") != std::string::npos || last.find("conv") != std::string::npos;
  return stated != "none" && !(stated == "auto" && convolution);
}

/// What is undone, by what the recipe says and what is seen.
///
/// @param stated  one of output_activations()
/// @param output  what messages call the output, "the output 'prob'"
/// @param last    the operation that makes its values; empty where it is not known
/// Throws InvalidArgument when an activation is there and the recipe does not say what it is, or says one that cannot
/// be.
inline OutputActivation resolve_activation(const std::string& stated, const std::string& output,
                                           const std::string& last, const ActivationTrial& trial) {
  if (stated == "none") return OutputActivation::kNone;
  const auto named = [&](const char* text) { return last.find(text) != std::string::npos; };
  const bool sigmoid = named("sigmoid") || named("Sigmoid"), softmax = named("softmax") || named("Softmax");
  if (stated != "auto") {
    if (!trial.in_unit())
      throw InvalidArgument("activation is \"" + stated + "\", and " + output + " has values outside 0 to 1" +
                            (last.empty() ? "" : "; it is made by " + last));
    return stated == "sigmoid" ? OutputActivation::kSigmoid : OutputActivation::kSoftmax;
  }
  OutputActivation seen = trial.looks_like();
  // What follows from the operation's name has to be so, and a logarithm of it gives logits.
  if (trial.in_unit() && softmax) seen = OutputActivation::kSoftmax;
  if (trial.in_unit() && sigmoid) seen = OutputActivation::kSigmoid;
  if (seen == OutputActivation::kNone) return seen;
  const std::string what = seen == OutputActivation::kSoftmax ? "softmax" : "sigmoid";
  const bool by_name = sigmoid || softmax;
  throw InvalidArgument(output + (by_name ? " is made by " + last : " lies in 0 to 1 for unlike images") +
                        ", so it seems to be probabilities, and logits are wanted; say activation = \"" + what +
                        "\", which undoes it, or activation = \"none\" where that is not so");
}

/// The logit of a probability that a sigmoid or softmax gave, finite at 0 and 1 too: of a softmax, up to what is the
/// same for all classes.
inline float undone(OutputActivation activation, float probability) noexcept {
  constexpr float kLeast = std::numeric_limits<float>::min(), kRest = std::numeric_limits<float>::epsilon() / 2;
  if (activation == OutputActivation::kNone) return probability;
  const float log = std::log(std::max(probability, kLeast));
  return activation == OutputActivation::kSoftmax ? log : log - std::log(std::max(1 - probability, kRest));
}

}  // namespace osteon::sdk
