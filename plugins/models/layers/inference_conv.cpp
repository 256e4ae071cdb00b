// SPDX-License-Identifier: Apache-2.0
#include "inference_conv.hpp"

#include <optional>
#include <utility>

#include <ATen/Parallel.h>

#include <osteon/sdk/torch/compat.hpp>

#include "inference_ops.hpp"
#include "winograd.hpp"

namespace osteon::layers {
namespace {

using kernels::Floats;
using kernels::WinogradWeights;

at::IntArrayRef padding_of(const torch::nn::Conv2dImpl& conv) {
  return *sdk::compat::get_if<torch::ExpandingArray<2>>(&conv.options.padding());
}

bool all_are(at::IntArrayRef values, std::int64_t value) {
  for (const std::int64_t v : values)
    if (v != value) return false;
  return true;
}

/// Weights and shift of a convolution and the normalisation after it as one affine map.
struct Folded {
  at::Tensor weight, shift;
};

Folded fold(const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2d& norm) {
  at::Tensor shift = conv.bias.defined() ? conv.bias.detach() : at::zeros({conv.weight.size(0)}, conv.weight.options());
  if (norm.is_empty()) return {conv.weight.detach(), shift.contiguous()};
  const at::Tensor scale = norm->weight.detach() * (norm->running_var + norm->options.eps()).rsqrt();
  return {conv.weight.detach() * scale.view({-1, 1, 1, 1}), norm->bias.detach() + (shift - norm->running_mean) * scale};
}

/// The joined input as LibTorch's layers want it.
at::Tensor join(const std::vector<ConvInput>& inputs) {
  std::vector<at::Tensor> parts;
  for (const ConvInput& input : inputs) {
    const at::Tensor image = to_channels_first(input.image);
    parts.push_back(input.doubled ? at::upsample_nearest2d(image, {2 * image.size(2), 2 * image.size(3)}) : image);
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

}  // namespace

struct InferenceConv::Prepared {
  at::Tensor shift;
  std::optional<Floats> panels;             ///< for Way::kPixels
  std::optional<WinogradWeights> winograd;  ///< for Way::kWinograd
  at::Tensor weight;                        ///< for Way::kOneDnn
};

InferenceConv::InferenceConv(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm, std::vector<std::int64_t> inputs)
    : conv_(std::move(conv)), norm_(std::move(norm)), inputs_(std::move(inputs)) {
  if (inputs_.empty()) inputs_ = {conv_->options.in_channels()};
}

InferenceConv::InferenceConv(const torch::nn::Sequential& sequence, std::size_t first, std::vector<std::int64_t> inputs)
    : InferenceConv(std::dynamic_pointer_cast<torch::nn::Conv2dImpl>(sequence->ptr(first)),
                    std::dynamic_pointer_cast<torch::nn::BatchNorm2dImpl>(sequence->ptr(first + 1)),
                    std::move(inputs)) {}

InferenceConv::Way InferenceConv::way() const {
  const auto& options = conv_->options;
  const at::IntArrayRef kernel = *options.kernel_size(), stride = *options.stride(), dilation = *options.dilation();
  const at::IntArrayRef padding = padding_of(*conv_);
  if (all_are(kernel, 1) && all_are(padding, 0) && inputs_.size() == 1) return Way::kPixels;
  if (all_are(kernel, 3) && all_are(stride, 1) && all_are(dilation, dilation[0]) && all_are(padding, dilation[0]))
    return Way::kWinograd;
  return Way::kOneDnn;
}

std::shared_ptr<const InferenceConv::Prepared> InferenceConv::prepared() const {
  const std::lock_guard<std::mutex> lock(*mutex_);
  if (prepared_ != nullptr) return prepared_;
  Folded folded = fold(*conv_, norm_);
  const std::int64_t out = folded.weight.size(0), in = folded.weight.size(1);
  auto made = std::make_shared<Prepared>();
  made->shift = folded.shift;
  switch (way()) {
    case Way::kPixels:
      made->panels.emplace(in * kernels::padded(out));
      kernels::pack_panels(folded.weight.contiguous().data_ptr<float>(), in, out, 1, in, made->panels->data());
      break;
    case Way::kWinograd:
      made->winograd.emplace(folded.weight.contiguous().data_ptr<float>(), inputs_, out, at::get_num_threads());
      break;
    case Way::kOneDnn:
      made->weight = folded.weight.contiguous(at::MemoryFormat::ChannelsLast);
      break;
  }
  return prepared_ = made;
}

at::Tensor InferenceConv::operator()(const std::vector<ConvInput>& inputs, bool relu,
                                     const at::Tensor& residual) const {
  const std::shared_ptr<const Prepared> prepared = this->prepared();
  const auto& options = conv_->options;
  const std::int64_t out = options.out_channels();
  const int threads = at::get_num_threads();
  if (prepared->weight.defined()) {
    at::Tensor y = at::mkldnn_convolution(join(inputs), prepared->weight, prepared->shift, padding_of(*conv_),
                                          *options.stride(), *options.dilation(), 1);
    if (residual.defined()) y.add_(to_channels_first(residual));
    return to_channels_last(relu ? y.relu_() : y);
  }
  const kernels::Epilogue epilogue{prepared->shift.data_ptr<float>(),
                                   residual.defined() ? residual.data_ptr<float>() : nullptr, relu};
  if (prepared->panels) {
    const at::IntArrayRef stride = *options.stride();
    const at::Tensor image =
        inputs[0].image.slice(1, 0, c10::nullopt, stride[0]).slice(2, 0, c10::nullopt, stride[1]).contiguous();
    at::Tensor y = at::empty({image.size(0), image.size(1), image.size(2), out}, image.options());
    kernels::convolve_pixels(image.data_ptr<float>(), image.numel() / image.size(3), image.size(3),
                             prepared->panels->data(), out, epilogue, y.data_ptr<float>(), threads);
    return y;
  }
  const std::int64_t factor = inputs[0].doubled ? 2 : 1;
  const at::Tensor& first = inputs[0].image;
  const kernels::WinogradGrid grid{first.size(0), factor * first.size(1), factor * first.size(2),
                                   options.dilation()->at(0)};
  std::vector<kernels::WinogradInput> sources;
  for (const ConvInput& input : inputs)
    sources.push_back({input.image.data_ptr<float>(), input.image.size(3), input.doubled});
  at::Tensor y = at::empty({grid.images, grid.height, grid.width, out}, first.options());
  kernels::convolve_winograd(grid, sources, *prepared->winograd, epilogue, y.data_ptr<float>(), threads);
  return y;
}

void InferenceConv::forget() {
  const std::lock_guard<std::mutex> lock(*mutex_);
  prepared_.reset();
}

void forget_prepared(torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/true))
    if (auto* owner = dynamic_cast<HasInferenceConvs*>(part.get())) owner->forget_prepared();
}

}  // namespace osteon::layers
