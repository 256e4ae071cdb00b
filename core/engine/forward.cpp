// SPDX-License-Identifier: Apache-2.0
#include "engine/forward.hpp"

#include <cstring>

#include <fmt/format.h>

#include "base/error.hpp"
#include "engine/device.hpp"
#include "engine/session.hpp"
#include "weights/safetensors.hpp"

namespace osteon::engine {
namespace {

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

}  // namespace

nlohmann::json run_forward(const ForwardRequest& request, const Context& context) {
  const auto model = make_model(request.recipe, *context.registry, context.threads);
  const auto& weights = request.weights.empty() ? request.recipe.model->weights : request.weights;
  if (!weights.empty()) load_weights(*model, weights, load_options(*request.recipe.model));
  const weights::SafetensorsFile file(request.input);
  const weights::TensorData& x = input_of(file, *model);

  const osteon_device device = choose_device("predict.device", request.recipe.predict.device, {model->component()});
  move_model(*model, device);
  plugin::CallOptions options;
  options.threads = context.threads;
  options.cancel = &plugin::interrupted();
  const plugin::Call call(std::move(options));
  // A copy, because a file's tensors are not aligned as the ABI wants it.
  const sdk::OwnedTensor input = [&] {
    sdk::OwnedTensor tensor;
    sdk::check([&](osteon_error* error) {
      return call.raw()->allocate(call.raw(), sdk::dtype_of<float>(), 4, x.shape.data(), tensor.out(), error);
    });
    std::memcpy(tensor.view().data, x.data, x.size);
    return tensor;
  }();
  plugin::Model::ForwardOptions forward;
  forward.plain = request.plain;
  const sdk::OwnedTensor logits = predict::infer(call.raw(), *model, model_device(device).get(), input.view(), forward);
  const osteon_tensor_view& view = logits.view();
  const std::vector<std::int64_t> shape(view.shape, view.shape + view.ndim);
  weights::write_safetensors(request.output, {{"logits", "F32", shape, static_cast<const std::byte*>(view.data),
                                               static_cast<std::uint64_t>(sdk::element_count(view)) * sizeof(float)}});
  return {{"output", request.output.string()}, {"shape", shape}};
}

}  // namespace osteon::engine
