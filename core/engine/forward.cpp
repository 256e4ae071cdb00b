// SPDX-License-Identifier: Apache-2.0
#include "engine/forward.hpp"

#include <cstring>

#include <fmt/format.h>
#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "engine/device.hpp"
#include "engine/session.hpp"
#include "weights/safetensors.hpp"
#include "weights/state.hpp"

namespace osteon::engine {
namespace {

constexpr char kLogits[] = "logits";

const weights::TensorData& input_of(const weights::SafetensorsFile& file, const plugin::Model& model) {
  const weights::TensorData* x = file.find("x");
  if (x == nullptr) throw Error(ExitCode::kData, "the input file has no tensor `x`", file.path().string());
  const std::int64_t multiple = model.size_multiple();
  if (x->dtype != "F32" || x->shape.size() != 4 || x->shape[1] != model.in_channels())
    throw Error(ExitCode::kData,
                fmt::format("`x` is {} [{}], expected F32 [N, {}, H, W]", x->dtype, fmt::join(x->shape, ", "),
                            model.in_channels()),
                file.path().string());
  if (x->shape[2] % multiple != 0 || x->shape[3] % multiple != 0)
    throw Error(ExitCode::kData,
                fmt::format("`x` is {} x {}; height and width must be multiples of {}, such as {} x {}", x->shape[2],
                            x->shape[3], multiple, (x->shape[2] / multiple + 1) * multiple,
                            (x->shape[3] / multiple + 1) * multiple),
                file.path().string());
  return *x;
}

std::uint32_t precision_by_name(const std::string& name) {
  if (name == "float32") return OSTEON_PRECISION_FLOAT32;
  if (name == "tf32") return OSTEON_PRECISION_TF32;
  if (name == "float16") return OSTEON_PRECISION_FLOAT16;
  if (name == "bfloat16") return OSTEON_PRECISION_BFLOAT16;
  throw Error(ExitCode::kUsage, "the precision is \"" + name + "\"; it is float32, tf32, float16 or bfloat16");
}

/// A copy in memory as the ABI wants it, for a file's tensors are not aligned.
sdk::OwnedTensor copy_of(const weights::TensorData& x, const plugin::Call& call) {
  sdk::OwnedTensor tensor = sdk::Call(call.raw()).allocate<float>(x.shape);
  std::memcpy(tensor.view().data, x.data, x.size);
  return tensor;
}

weights::TensorData data_of(const std::string& name, const osteon_tensor_view& view) {
  const std::vector<std::int64_t> shape(view.shape, view.shape + view.ndim);
  return {name, weights::dtype_name(view.dtype, name), shape, static_cast<const std::byte*>(view.data),
          static_cast<std::uint64_t>(sdk::element_count(view)) * (view.dtype.bits / 8u)};
}

/// What the file calls output `i`.
std::string name_of(const plugin::Model& model, std::size_t i) {
  const std::string& name = model.outputs()[i].name;
  if (i == 0) return kLogits;
  if (name == kLogits)
    throw Error(ExitCode::kPlugin, model.component().name() + " calls an output but the first '" + kLogits +
                                       "', which is what files call the first; run it without --all-outputs");
  return name;
}

/// The request's weights, in place of the recipe's, which are read as `[model]` says.
void load_requested(plugin::Model& model, const ForwardRequest& request) {
  const recipe::ModelSection& section = *request.recipe.model;
  WeightsOptions options = load_options(section);
  if (!request.weights.empty() || !request.key.empty()) options.key = request.key;
  const auto& weights = request.weights.empty() ? section.weights : request.weights;
  if (!weights.empty())
    load_weights(model, weights, options);
  else if (!request.key.empty())
    throw Error(ExitCode::kUsage, "--key chooses among the state dicts of a file of weights; --weights names one");
}

}  // namespace

nlohmann::json run_forward(const ForwardRequest& request, const Context& context) {
  plugin::Model::ForwardOptions forward;
  forward.plain = request.plain;
  forward.precision = precision_by_name(request.precision);
  const auto model = make_model(request.recipe, *context.registry, context.threads);
  load_requested(*model, request);
  const weights::SafetensorsFile file(request.input);
  const weights::TensorData& x = input_of(file, *model);

  const osteon_device device = choose_device("predict.device", request.recipe.predict.device, {model->component()});
  if (forward.precision == OSTEON_PRECISION_BFLOAT16 && device.type == OSTEON_DEVICE_CPU)
    expect_sound_kernels(context.kernels, "bfloat16", "the precision that was asked for", "leave it float32");
  move_model(*model, device);
  const auto there = model_device(device);
  const plugin::Call call = call_of(context);
  const sdk::OwnedTensor input = copy_of(x, call);
  std::vector<sdk::OwnedTensor> outputs;
  if (request.all_outputs)
    outputs = predict::infer_all(call.raw(), *model, there.get(), input.view(), forward);
  else
    outputs.push_back(predict::infer(call.raw(), *model, there.get(), input.view(), forward));
  std::vector<weights::TensorData> tensors;
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    tensors.push_back(data_of(name_of(*model, i), outputs[i].view()));
    list.push_back({{"name", tensors[i].name}, {"dtype", tensors[i].dtype}, {"shape", tensors[i].shape}});
  }
  weights::write_safetensors(request.output, tensors);
  return {{"output", request.output.string()}, {"shape", tensors[0].shape}, {"tensors", list}};
}

}  // namespace osteon::engine
