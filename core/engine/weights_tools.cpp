// SPDX-License-Identifier: Apache-2.0
#include "engine/weights_tools.hpp"

#include <map>
#include <stdexcept>
#include <system_error>

#include "base/error.hpp"
#include "weights/safetensors.hpp"
#include "weights/weights_file.hpp"

namespace osteon::engine {
namespace {

std::uint64_t total_size(const weights::WeightsFile& file) {
  std::uint64_t size = 0;
  for (const weights::TensorData& tensor : file.tensors()) size += tensor.size;
  return size;
}

}  // namespace

nlohmann::ordered_json inspect_weights(const std::filesystem::path& path, const std::string& key) {
  const weights::WeightsFile file(path, key);
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  std::uint64_t elements = 0;
  for (const weights::TensorData& tensor : file.tensors()) {
    tensors.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
    elements += tensor.size * 8 / *weights::dtype_bits(tensor.dtype);
  }
  return {{"file", path.string()},           {"format", file.format()},     {"key", file.key()},
          {"other_keys", file.other_keys()}, {"left_out", file.left_out()}, {"tensors", std::move(tensors)},
          {"metadata", file.metadata()},     {"elements", elements},        {"bytes", total_size(file)}};
}

nlohmann::ordered_json convert_weights(const ConvertWeightsRequest& request) {
  if (request.out.extension() != ".safetensors")
    throw Error(ExitCode::kUsage, "safetensors is what is written; name it NAME.safetensors", request.out.string());
  std::error_code ignored;
  if (std::filesystem::exists(request.out, ignored) && !request.overwrite)
    throw Error(ExitCode::kUsage, "there is a file already; --overwrite replaces it", request.out.string());
  const weights::WeightsFile file(request.in, request.key);
  file.verify();
  std::map<std::string, std::string> metadata = file.metadata();
  metadata.emplace("format", "pt");
  try {
    weights::write_safetensors(request.out, file.tensors(), metadata);
  } catch (const std::invalid_argument& e) {
    throw Error(ExitCode::kData, e.what(), request.in.string());
  }
  return {{"output", request.out.string()},  {"tensors", file.tensors().size()},
          {"bytes", total_size(file)},       {"key", file.key()},
          {"other_keys", file.other_keys()}, {"left_out", file.left_out()}};
}

std::size_t stored_classes(const std::filesystem::path& path) {
  const weights::SafetensorsFile file(path);
  const weights::TensorData* tensor = file.find("probabilities");
  if (tensor == nullptr || tensor->shape.size() != 4 || tensor->shape[1] < 1)
    throw Error(ExitCode::kData, "the file has no tensor `probabilities` of shape [1, classes, height, width]",
                path.string());
  return static_cast<std::size_t>(tensor->shape[1]);
}

}  // namespace osteon::engine
