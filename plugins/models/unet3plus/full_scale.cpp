// SPDX-License-Identifier: Apache-2.0
#include "full_scale.hpp"

#include <algorithm>
#include <string>

#include "layers/convolve_upsampled.hpp"
#include "layers/inference_ops.hpp"

namespace osteon::models {
namespace {

namespace nn = torch::nn;

/// What is joined at once in inference: enough for the convolutions to work at full speed, little beside the features.
constexpr std::int64_t kJoinedFloats = std::int64_t{1} << 23;

}  // namespace

at::Tensor pool(const at::Tensor& x, std::int64_t side) {
  return at::max_pool2d(x, {side, side}, {side, side}, /*padding=*/0, /*dilation=*/1, /*ceil_mode=*/true);
}

at::Tensor pool_channels_last(const at::Tensor& x, std::int64_t side) {
  return layers::to_channels_last(pool(layers::to_channels_first(x), side));
}

ConvNormReluImpl::ConvNormReluImpl(std::int64_t in, std::int64_t out) {
  conv_ = register_module("0", nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1)));
  norm_ = register_module("1", nn::BatchNorm2d(out));
}

at::Tensor ConvNormReluImpl::forward(const at::Tensor& x) { return normalised(x).relu_(); }

at::Tensor ConvNormReluImpl::normalised(const at::Tensor& x, std::int64_t factor) {
  const bool batch_statistics = norm_->is_training();
  const at::Tensor bias = batch_statistics ? at::Tensor() : conv_->bias;
  const at::Tensor y = norm_(factor > 1 ? layers::convolve_upsampled(x, conv_->weight, bias, factor)
                                        : at::conv2d(x, conv_->weight, bias, /*stride=*/1, /*padding=*/1));
  // Not through the variable itself, whose version tapes that are alive depend on (though not on its values). A
  // recomputation has no running statistics.
  if (batch_statistics && norm_->running_mean.defined())
    norm_->running_mean.variable_data().add_(conv_->bias.detach(), norm_->options.momentum().value());
  return y;
}

at::Tensor ConvNormReluImpl::infer(const at::Tensor& x) const {
  at::Tensor y = layers::convolve(x, conv_->weight, 1);
  layers::norm_relu_(*norm_, y, conv_->bias);
  return y;
}

EncoderLevelImpl::EncoderLevelImpl(std::int64_t in, std::int64_t out) {
  conv1_ = register_module("conv1", ConvNormRelu(in, out));
  conv2_ = register_module("conv2", ConvNormRelu(out, out));
}

at::Tensor EncoderLevelImpl::forward(const at::Tensor& x) { return conv2_(conv1_(x)); }

at::Tensor EncoderLevelImpl::infer(const at::Tensor& x) const { return conv2_->infer(conv1_->infer(x)); }

FullScaleNodeImpl::FullScaleNodeImpl(std::int64_t level, const std::vector<std::int64_t>& channels, std::int64_t width)
    : level_(static_cast<std::size_t>(level)) {
  for (std::size_t s = 0; s < channels.size(); ++s)
    skips_.push_back(register_module("skip" + std::to_string(s), ConvNormRelu(channels[s], width)));
  const std::int64_t joined = static_cast<std::int64_t>(channels.size()) * width;
  fusion_ = register_module("fusion", ConvNormRelu(joined, joined));
}

at::Tensor FullScaleNodeImpl::bring(std::size_t s, const at::Tensor& source) {
  if (s > level_) return skips_[s]->normalised(source, std::int64_t{1} << (s - level_));
  return skips_[s]->normalised(s == level_ ? source : pool(source, std::int64_t{1} << (level_ - s)));
}

at::Tensor FullScaleNodeImpl::forward(const std::vector<at::Tensor>& sources) {
  std::vector<at::Tensor> parts;
  for (std::size_t s = 0; s < sources.size(); ++s) parts.push_back(bring(s, sources[s]));
  // Joined before the ReLU: the way back then keeps one copy of what is positive instead of two.
  return fusion_(at::cat(parts, 1).relu_());
}

at::Tensor FullScaleNodeImpl::infer_skip(std::size_t s, const at::Tensor& feature) const {
  return skips_[s]->infer(s == level_ ? feature : pool_channels_last(feature, std::int64_t{1} << (level_ - s)));
}

at::Tensor FullScaleNodeImpl::infer_rows(const std::vector<at::Tensor>& sources, std::int64_t n, std::int64_t begin,
                                         std::int64_t end) const {
  const std::int64_t height = sources[level_].size(1), width = sources[level_].size(2);
  const std::int64_t part = skips_[0]->conv()->weight.size(0), joined = fusion_->conv()->weight.size(1);
  // The fusion's kernel reaches one row further on both sides; beyond the image there are zeros.
  const std::int64_t top = std::max<std::int64_t>(0, begin - 1), bottom = std::min(height, end + 1);
  at::Tensor rows = at::empty({1, end - begin + 2, width, joined}, sources[level_].options());
  if (top == begin) rows.select(1, 0).zero_();
  if (bottom == end) rows.select(1, -1).zero_();
  const at::Tensor inside = rows[0].narrow(0, top - (begin - 1), bottom - top);
  for (std::size_t s = 0; s < sources.size(); ++s) {
    at::Tensor slice = inside.narrow(2, static_cast<std::int64_t>(s) * part, part);
    if (s <= level_) {
      slice.copy_(sources[s][n].narrow(0, top, bottom - top));
      continue;
    }
    at::Tensor fine = at::zeros({bottom - top, width, part}, rows.options());
    layers::add_convolved_upsampled_(fine, sources[s][n], skips_[s]->conv()->weight, top, height);
    layers::norm_relu_(*skips_[s]->norm(), fine, skips_[s]->conv()->bias);
    slice.copy_(fine);
  }
  at::Tensor fused = layers::convolve(rows, fusion_->conv()->weight, /*row_padding=*/0, /*column_padding=*/1);
  layers::norm_relu_(*fusion_->norm(), fused, fusion_->conv()->bias);
  return fused[0];
}

at::Tensor FullScaleNodeImpl::infer(const std::vector<at::Tensor>& sources) const {
  const at::Tensor& own = sources[level_];
  const std::int64_t height = own.size(1), width = own.size(2), band = rows_at_once(width);
  at::Tensor out = at::empty({own.size(0), height, width, fusion_->conv()->weight.size(0)}, own.options());
  for (std::int64_t n = 0; n < own.size(0); ++n)
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t end = std::min(height, begin + band);
      out[n].narrow(0, begin, end - begin).copy_(infer_rows(sources, n, begin, end));
    }
  return out;
}

std::int64_t FullScaleNodeImpl::rows_at_once(std::int64_t grid_width) const {
  return std::max<std::int64_t>(1, kJoinedFloats / (grid_width * fusion_->conv()->weight.size(1)));
}

}  // namespace osteon::models
