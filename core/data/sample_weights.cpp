// SPDX-License-Identifier: Apache-2.0
#include "data/sample_weights.hpp"

#include <charconv>
#include <cmath>
#include <map>

#include "base/csv.hpp"
#include "base/error.hpp"

namespace osteon::data {
namespace {

double parse_weight(const std::string& text, const std::string& where) {
  double weight = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (failure != std::errc() || end != text.data() + text.size())
    throw Error(ExitCode::kData, "the weight is '" + text + "', and is to be a number", where);
  if (!std::isfinite(static_cast<float>(weight)) || weight < 0)
    throw Error(ExitCode::kData, "the weight is " + text + "; weights are finite and not below 0", where);
  return weight;
}

}  // namespace

std::vector<SampleWeight> read_sample_weights(const std::filesystem::path& path) {
  CsvReader reader(path);
  std::vector<std::string> fields;
  if (!reader.next(fields) || fields != std::vector<std::string>{"image", "weight"})
    throw Error(ExitCode::kData, "the first line of a file of weights is `image,weight`", path.string() + ":1");
  std::vector<SampleWeight> weights;
  std::map<std::string, std::string> places;
  while (reader.next(fields)) {
    const std::string where = reader.where();
    if (fields.size() != 2)
      throw Error(ExitCode::kData, "has " + std::to_string(fields.size()) + " fields; expected an image and its weight",
                  where);
    const auto [place, fresh] = places.emplace(fields[0], where);
    if (!fresh)
      throw Error(ExitCode::kData, "the image '" + fields[0] + "' has a weight already, in " + place->second, where);
    weights.push_back({fields[0], parse_weight(fields[1], where), where});
  }
  return weights;
}

}  // namespace osteon::data
