// SPDX-License-Identifier: Apache-2.0
#include "inference_depthwise.hpp"

#include <utility>

#include <ATen/Parallel.h>

#include <osteon/sdk/torch/compat.hpp>

#include "depthwise.hpp"

namespace osteon::layers {

InferenceDepthwise::InferenceDepthwise(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm,
                                       std::optional<Padding> padding)
    : conv_(std::move(conv)), norm_(std::move(norm)) {
  const auto& own = *sdk::compat::get_if<torch::ExpandingArray<2>>(&conv_->options.padding());
  padding_ = padding.value_or(Padding{own->at(0), own->at(0)});
}

InferenceDepthwise::Result InferenceDepthwise::operator()(const at::Tensor& image, Activation activation) const {
  const std::shared_ptr<const Folded> prepared = prepared_.get([&] {
    const Folded folded = fold(*conv_, norm_);
    const std::int64_t channels = folded.weight.size(0);
    return std::make_shared<const Folded>(Folded{folded.weight.view({channels, -1}).t().contiguous(), folded.shift});
  });
  const auto& options = conv_->options;
  const std::int64_t height = image.size(1), width = image.size(2), channels = image.size(3);
  kernels::DepthwiseShape shape;
  shape.kernel = options.kernel_size()->at(0);
  shape.stride = options.stride()->at(0);
  shape.dilation = options.dilation()->at(0);
  shape.before = padding_.before;
  const auto out = [&](std::int64_t size) {
    return (size + padding_.before + padding_.after - (shape.kernel - 1) * shape.dilation - 1) / shape.stride + 1;
  };
  shape.out_width = out(width);
  at::Tensor y = at::empty({image.size(0), out(height), shape.out_width, channels}, image.options());
  at::Tensor sums = at::empty({image.size(0), y.size(1), channels}, image.options());
  const kernels::Epilogue epilogue{prepared->shift.data_ptr<float>(), nullptr, activation};
  for (std::int64_t n = 0; n < image.size(0); ++n)
    kernels::convolve_depthwise({image[n].data_ptr<float>(), 0, height, width, channels}, 0, y.size(1), shape,
                                prepared->weight.data_ptr<float>(), epilogue, y[n].data_ptr<float>(),
                                sums[n].data_ptr<float>(), at::get_num_threads());
  return {y, sums.sum(1).div_(static_cast<double>(y.size(1) * y.size(2)))};
}

}  // namespace osteon::layers
