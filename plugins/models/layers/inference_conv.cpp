// SPDX-License-Identifier: Apache-2.0
#include "inference_conv.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <osteon/sdk/torch/compat.hpp>

#include "gemm.hpp"
#include "inference_ops.hpp"
#include "patches.hpp"
#include "winograd.hpp"

namespace osteon::layers {
namespace {

using kernels::Floats;
using kernels::PatchGrid;
using kernels::WinogradWeights;

std::array<Padding, 2> padding_of(const torch::nn::Conv2dImpl& conv) {
  const auto& zeros = *sdk::compat::get_if<torch::ExpandingArray<2>>(&conv.options.padding());
  return {Padding{zeros->at(0), zeros->at(0)}, Padding{zeros->at(1), zeros->at(1)}};
}

bool all_are(at::IntArrayRef values, std::int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return v == value; });
}

/// Of `image`, whose pixels stand for factor x factor each.
PatchGrid grid_of(const torch::nn::Conv2dImpl& conv, const std::array<Padding, 2>& padding, const at::Tensor& image,
                  std::int64_t factor) {
  const auto& options = conv.options;
  PatchGrid grid;
  grid.images = image.size(0);
  std::array<std::int64_t, 2> out{};
  const std::array<std::int64_t, 2> in = {factor * image.size(1), factor * image.size(2)};
  for (std::size_t i = 0; i < 2; ++i) {
    grid.kernel[i] = options.kernel_size()->at(i);
    grid.stride[i] = options.stride()->at(i);
    grid.dilation[i] = options.dilation()->at(i);
    grid.before[i] = padding[i].before;
    const std::int64_t reach = (grid.kernel[i] - 1) * grid.dilation[i];
    out[i] = (in[i] + padding[i].before + padding[i].after - reach - 1) / grid.stride[i] + 1;
  }
  grid.height = in[0];
  grid.width = in[1];
  grid.out_height = out[0];
  grid.out_width = out[1];
  return grid;
}

const float* data_or_null(const at::Tensor& tensor) { return tensor.defined() ? tensor.data_ptr<float>() : nullptr; }

}  // namespace

Folded fold(const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2d& norm) {
  const at::Tensor shift =
      conv.bias.defined() ? conv.bias.detach() : at::zeros({conv.weight.size(0)}, conv.weight.options());
  if (norm.is_empty()) return {conv.weight.detach(), shift};
  const at::Tensor scale = norm->weight.detach() * (norm->running_var + norm->options.eps()).rsqrt();
  return {conv.weight.detach() * scale.view({-1, 1, 1, 1}), norm->bias.detach() + (shift - norm->running_mean) * scale};
}

struct InferenceConv::Weights {
  at::Tensor shift;                         ///< with zeros up to whole Lanes
  std::optional<WinogradWeights> winograd;  ///< or
  std::optional<Floats> panels;             ///< of rows by kernel row, kernel column, channel
};

InferenceConv::InferenceConv(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm, std::vector<std::int64_t> inputs,
                             std::optional<Padding> padding)
    : conv_(std::move(conv)), norm_(std::move(norm)), inputs_(std::move(inputs)), padding_(padding_of(*conv_)) {
  if (inputs_.empty()) inputs_ = {conv_->options.in_channels()};
  if (padding) padding_.fill(*padding);
}

InferenceConv::InferenceConv(const torch::nn::Sequential& sequence, std::size_t first, std::vector<std::int64_t> inputs)
    : InferenceConv(std::dynamic_pointer_cast<torch::nn::Conv2dImpl>(sequence->ptr(first)),
                    std::dynamic_pointer_cast<torch::nn::BatchNorm2dImpl>(sequence->ptr(first + 1)),
                    std::move(inputs)) {}

bool InferenceConv::is_winograd() const {
  const auto& options = conv_->options;
  const std::int64_t dilation = options.dilation()->at(0);
  return all_are(*options.kernel_size(), 3) && all_are(*options.stride(), 1) &&
         all_are(*options.dilation(), dilation) && std::all_of(padding_.begin(), padding_.end(), [&](const Padding& p) {
           return p.before == dilation && p.after == dilation;
         });
}

std::shared_ptr<const InferenceConv::Weights> InferenceConv::prepared() const {
  return prepared_.get([&] {
    const Folded folded = fold(*conv_, norm_);
    const std::int64_t out = folded.weight.size(0);
    auto made = std::make_shared<Weights>();
    made->shift = at::constant_pad_nd(folded.shift, {0, kernels::padded(out) - out});
    if (is_winograd()) {
      made->winograd.emplace(folded.weight.contiguous().data_ptr<float>(), inputs_, out, at::get_num_threads());
      return made;
    }
    const at::Tensor rows = folded.weight.permute({0, 2, 3, 1}).contiguous();
    const std::int64_t k = rows.numel() / out;
    made->panels.emplace(k * kernels::padded(out));
    kernels::pack_panels(rows.data_ptr<float>(), k, out, 1, k, made->panels->data());
    return made;
  });
}

at::Tensor InferenceConv::operator()(const std::vector<ConvInput>& inputs, Activation activation,
                                     const at::Tensor& residual) const {
  const std::shared_ptr<const Weights> prepared = this->prepared();
  const PatchGrid grid = grid_of(*conv_, padding_, inputs[0].image, inputs[0].doubled ? 2 : 1);
  const std::int64_t out = conv_->options.out_channels();
  std::vector<kernels::Source> sources;
  for (const ConvInput& input : inputs)
    sources.push_back({input.image.data_ptr<float>(), input.image.size(3), input.doubled});
  const kernels::Epilogue epilogue{prepared->shift.data_ptr<float>(), data_or_null(residual), activation};
  at::Tensor y = at::empty({grid.images, grid.out_height, grid.out_width, out}, inputs[0].image.options());
  if (prepared->winograd)
    kernels::convolve_winograd({grid.images, grid.height, grid.width, grid.dilation[0]}, sources, *prepared->winograd,
                               epilogue, /*planes=*/false, y.data_ptr<float>(), at::get_num_threads());
  else
    kernels::convolve_patches(grid, sources, prepared->panels->data(), out, epilogue, y.data_ptr<float>(),
                              at::get_num_threads());
  return y;
}

at::Tensor InferenceConv::planes(const at::Tensor& image) const {
  const std::shared_ptr<const Weights> prepared = this->prepared();
  if (!prepared->winograd) return to_channels_first((*this)(image, Activation::kNone)).contiguous();
  const kernels::WinogradGrid grid{image.size(0), image.size(1), image.size(2), conv_->options.dilation()->at(0)};
  at::Tensor y = at::empty({grid.images, conv_->options.out_channels(), grid.height, grid.width}, image.options());
  kernels::convolve_winograd(grid, {{image.data_ptr<float>(), image.size(3), false}}, *prepared->winograd,
                             {prepared->shift.data_ptr<float>(), nullptr, Activation::kNone}, /*planes=*/true,
                             y.data_ptr<float>(), at::get_num_threads());
  return y;
}

at::Tensor InferenceConv::weighed(const at::Tensor& image, const at::Tensor& factors,
                                  const at::Tensor& residual) const {
  const std::shared_ptr<const Weights> prepared = this->prepared();
  PatchGrid grid = grid_of(*conv_, padding_, image, 1);
  TORCH_CHECK(grid.taps() == 1, "only weights of 1x1 convolutions take factors");
  const std::int64_t images = std::exchange(grid.images, 1), in = image.size(3), out = conv_->options.out_channels();
  at::Tensor y = at::empty({images, grid.out_height, grid.out_width, out}, image.options());
  Floats panels(in * kernels::padded(out));
  for (std::int64_t n = 0; n < images; ++n) {
    kernels::scale_panels(prepared->panels->data(), in, out, factors[n].data_ptr<float>(), panels.data());
    const at::Tensor added = residual.defined() ? residual[n] : at::Tensor();
    kernels::convolve_patches(grid, {{image[n].data_ptr<float>(), in, false}}, panels.data(), out,
                              {prepared->shift.data_ptr<float>(), data_or_null(added), Activation::kNone},
                              y[n].data_ptr<float>(), at::get_num_threads());
  }
  return y;
}

void forget_prepared(torch::nn::Module& module) {
  const auto forget = [](torch::nn::Module& part) {
    if (auto* owner = dynamic_cast<HasInferenceConvs*>(&part)) owner->forget_prepared();
  };
  forget(module);
  for (const auto& part : module.modules(/*include_self=*/false)) forget(*part);
}

}  // namespace osteon::layers
