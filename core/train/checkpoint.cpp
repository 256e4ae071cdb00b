// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.hpp"

#include <cstring>
#include <map>

#include <fmt/format.h>
#include <torch/utils.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "weights/safetensors.hpp"

namespace osteon::train {
namespace {

const std::map<c10::ScalarType, std::string>& dtype_names() {
  static const std::map<c10::ScalarType, std::string> kNames = {
      {torch::kFloat32, "F32"}, {torch::kFloat64, "F64"}, {torch::kFloat16, "F16"}, {torch::kBFloat16, "BF16"},
      {torch::kInt64, "I64"},   {torch::kInt32, "I32"},   {torch::kUInt8, "U8"}};
  return kNames;
}

void write(const std::filesystem::path& path, const NamedState& state,
           const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> kept;
  std::vector<weights::TensorData> tensors;
  for (const auto& [name, tensor] : state) {
    kept.push_back(tensor.detach().to(torch::kCPU).contiguous());
    const torch::Tensor& t = kept.back();
    tensors.push_back({name, dtype_names().at(t.scalar_type()), t.sizes().vec(),
                       static_cast<const std::byte*>(t.data_ptr()),
                       static_cast<std::uint64_t>(t.numel()) * t.element_size()});
  }
  weights::write_safetensors(path, std::move(tensors), metadata);
}

torch::Tensor read(const weights::TensorData& data, const std::string& where) {
  for (const auto& [type, name] : dtype_names()) {
    if (name != data.dtype) continue;
    torch::Tensor tensor = torch::empty(data.shape, torch::TensorOptions().dtype(type));
    if (data.size > 0) std::memcpy(tensor.data_ptr(), data.data, data.size);
    return tensor;
  }
  throw Error(ExitCode::kData, "the checkpoint's tensor '" + data.name + "' is of type " + data.dtype, where);
}

constexpr const char* kWeights = "weights/";

/// What is not finite would show some steps later, as what it is not: a training that diverges.
void refuse_not_finite(const std::string& name, const torch::Tensor& bad, const std::string& where) {
  const std::int64_t count = bad.sum().item<std::int64_t>();
  if (count == 0) return;
  throw Error(ExitCode::kData,
              fmt::format("the checkpoint's tensor '{}' is not finite ({} of {} values), so training cannot go on from "
                          "it; begin anew with --overwrite, or put an earlier copy of the file in its place",
                          name, count, bad.numel()),
              where);
}

/// A buffer may have what the model begins with: masks are made of infinities.
void expect_finite(const HostTensor& place, const torch::Tensor& saved, const std::string& where) {
  if (!saved.is_floating_point()) return;
  torch::Tensor bad = saved.isfinite().logical_not();
  if (!place.parameter) bad.logical_and_(saved.to(place.value.device()).eq(place.value).to(torch::kCPU).logical_not());
  refuse_not_finite(kWeights + place.name, bad, where);
}

constexpr const char* kFormat = "osteon-checkpoint-2";

void check_format(const weights::SafetensorsFile& file) {
  const auto found = file.metadata().find("format");
  if (found != file.metadata().end() && found->second == kFormat) return;
  throw Error(ExitCode::kData,
              "this is no checkpoint of this version of Osteon: its format is " +
                  (found == file.metadata().end() ? "not given" : "'" + found->second + "'") + ", not '" + kFormat +
                  "'; its weights can be trained on as model.weights",
              file.path().string());
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  NamedState all;
  for (const HostTensor& tensor : state.tensors) all.emplace_back(kWeights + tensor.name, tensor.value);
  for (auto& entry : state.optimizer.state()) all.push_back(std::move(entry));
  for (auto& entry : state.average.state()) all.push_back(std::move(entry));
  nlohmann::json cursor = to_json(state.cursor);
  if (state.scale.active()) {
    cursor["loss_scale"] = state.scale.value();
    cursor["loss_scale_good_steps"] = state.scale.good_steps();
  }
  write(path, all, {{"format", kFormat}, {"cursor", cursor.dump()}});
}

void load_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  if (!std::filesystem::exists(path))
    throw Error(ExitCode::kData,
                "the checkpoint to go on from is not there; a run of its own goes on from this one's model.safetensors "
                "by model.weights",
                path.string());
  const weights::SafetensorsFile file(path);
  check_format(file);
  NamedState all;
  std::map<std::string, torch::Tensor> weights;
  for (const weights::TensorData& data : file.tensors()) {
    torch::Tensor tensor = read(data, path.string());
    if (data.name.rfind(kWeights, 0) == 0)
      weights[data.name.substr(std::strlen(kWeights))] = tensor;
    else
      all.emplace_back(data.name, tensor);
  }
  const torch::NoGradGuard no_grad;
  for (const HostTensor& tensor : state.tensors) {
    const auto found = weights.find(tensor.name);
    if (found == weights.end() || !found->second.sizes().equals(tensor.value.sizes()))
      throw Error(ExitCode::kData,
                  "the checkpoint is of another model: '" + tensor.name + "' is missing or has another shape",
                  path.string());
    expect_finite(tensor, found->second, path.string());
    tensor.value.copy_(found->second);
  }
  // An optimizer's squares may overflow, which holds a parameter still; a NaN spreads.
  for (const auto& [name, tensor] : all)
    if (tensor.is_floating_point()) refuse_not_finite(name, tensor.isnan(), path.string());
  state.optimizer.load(all);
  state.average.load(all);
  try {
    const nlohmann::json cursor = nlohmann::json::parse(file.metadata().at("cursor"));
    state.cursor = cursor_from_json(cursor);
    // On another device, gradients may not have been scaled so far.
    if (state.scale.active() && cursor.contains("loss_scale"))
      state.scale.restore(cursor.at("loss_scale"), cursor.at("loss_scale_good_steps"));
  } catch (const std::exception& e) {
    throw Error(ExitCode::kData, std::string("the checkpoint does not say where training stood: ") + e.what(),
                path.string());
  }
}

void save_weights(const std::filesystem::path& path, const std::vector<HostTensor>& tensors) {
  NamedState all;
  for (const HostTensor& tensor : tensors) all.emplace_back(tensor.name, tensor.value);
  write(path, all, {{"format", "pt"}});  // what Python's readers look for
}

}  // namespace osteon::train
