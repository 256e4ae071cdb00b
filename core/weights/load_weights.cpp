// SPDX-License-Identifier: Apache-2.0
#include "weights/load_weights.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "weights/finite_tensors.hpp"
#include "weights/float_elements.hpp"

namespace osteon::weights {
namespace {

/// Weights of stems that were made, and what there is to say of it.
struct Adapted {
  std::deque<std::vector<float>> made;
  std::vector<std::string> notes;
};

/// Puts adapted stems in the place of those for RGB; without leave, says how one gets it.
Adapted adapt_stems(std::vector<TensorData>& tensors, const ModelWeights& model, Stem stem) {
  static const std::map<Stem, std::string> kHow = {{Stem::kSum, "the sum"}, {Stem::kMean, "the mean"}};
  std::unordered_map<std::string, const plugin::NamedTensor*> places;
  for (const plugin::NamedTensor& tensor : model.tensors) places.emplace(tensor.name, &tensor);
  Adapted adapted;
  const std::string channels = std::to_string(model.in_channels) + (model.in_channels == 1 ? " channel" : " channels");
  for (TensorData& tensor : tensors) {
    if (!is_float(tensor.dtype) || !is_rgb_stem(tensor.shape, *places.at(tensor.name)->value, model.in_channels))
      continue;
    if (stem == Stem::kExact) {
      adapted.notes.push_back(tensor.name + " is for RGB: model.stem = \"sum\" or \"mean\" makes it one for " +
                              channels);
      continue;
    }
    const std::vector<float>& values = adapted.made.emplace_back(adapt_stem(tensor, model.in_channels, stem));
    tensor.dtype = "F32";
    tensor.shape[1] = model.in_channels;
    tensor.data = reinterpret_cast<const std::byte*>(values.data());
    tensor.size = values.size() * sizeof(float);
    adapted.notes.push_back(tensor.name + " for " + channels + " is " + kHow.at(stem) + " over RGB");
  }
  return adapted;
}

/// Counters alone are no weights.
bool nothing_fits(const LoadReport& report, const ModelWeights& model) {
  const std::unordered_set<std::string> loaded(report.loaded.begin(), report.loaded.end());
  return std::none_of(model.tensors.begin(), model.tensors.end(), [&](const plugin::NamedTensor& tensor) {
    return !is_counter(tensor) && loaded.count(tensor.name) > 0;
  });
}

std::vector<TensorData> of_names(const std::vector<TensorData>& tensors, const std::vector<std::string>& names) {
  const std::unordered_set<std::string> wanted(names.begin(), names.end());
  std::vector<TensorData> found;
  for (const TensorData& tensor : tensors)
    if (wanted.count(tensor.name) > 0) found.push_back(tensor);
  return found;
}

}  // namespace

Stem stem_by_name(const std::string& name) {
  if (name == "exact") return Stem::kExact;
  if (name == "sum") return Stem::kSum;
  if (name == "mean") return Stem::kMean;
  throw std::invalid_argument("no way to adapt a stem is called '" + name + "'");
}

std::vector<float> adapt_stem(const TensorData& rgb, std::int64_t channels, Stem stem) {
  const std::int64_t outputs = rgb.shape[0], area = rgb.shape[2] * rgb.shape[3];
  const auto width = static_cast<std::int64_t>(*dtype_bits(rgb.dtype) / 8);
  const auto weight = [&](std::int64_t output, std::int64_t channel, std::int64_t at) {
    return read_float(rgb.dtype, rgb.data + ((output * 3 + channel) * area + at) * width);
  };
  const auto adapted = [&](std::int64_t output, std::int64_t channel, std::int64_t at) {
    if (stem == Stem::kSum && channels > 1) return weight(output, channel % 3, at) * 3 / static_cast<double>(channels);
    const double sum = weight(output, 0, at) + weight(output, 1, at) + weight(output, 2, at);
    return stem == Stem::kSum ? sum : sum / 3;
  };
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(outputs * channels * area));
  for (std::int64_t output = 0; output < outputs; ++output)
    for (std::int64_t channel = 0; channel < channels; ++channel)
      for (std::int64_t at = 0; at < area; ++at) values.push_back(static_cast<float>(adapted(output, channel, at)));
  return values;
}

LoadReport load_into(const std::vector<TensorData>& file, const ModelWeights& model, const LoadOptions& options,
                     const std::string& where) {
  MatchedNames matched = match_names(file, model, where);
  const Adapted adapted = adapt_stems(matched.tensors, model, options.stem);
  LoadReport report = compare_state(matched.tensors, model.tensors);
  report.unexpected = std::move(matched.unexpected);
  report.unused = std::move(matched.unused);
  if (!matched.how.empty()) report.notes.push_back(std::move(matched.how));
  report.notes.insert(report.notes.end(), adapted.notes.begin(), adapted.notes.end());
  if (nothing_fits(report, model))
    throw Error(ExitCode::kData, "no tensor of this file fits the model\n" + report.text(), where);
  if (options.strict && !report.complete())
    throw Error(ExitCode::kData, "the weights do not fit the model\n" + report.text(), where);
  expect_finite(of_names(matched.tensors, report.loaded), model.tensors, where);
  load_matching_state(matched.tensors, model.tensors);
  return report;
}

}  // namespace osteon::weights
