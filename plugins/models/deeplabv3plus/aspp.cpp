// SPDX-License-Identifier: Apache-2.0
#include "aspp.hpp"

#include "layers/inference_ops.hpp"
#include "layers/normalise.hpp"

namespace osteon::models {

namespace nn = torch::nn;

namespace {

nn::Conv2d one_by_one(std::int64_t in, std::int64_t out) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 1).bias(false));
}

}  // namespace

SeparableConvImpl::SeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t dilation) {
  spatial_ = register_module(
      "0", nn::Conv2d(nn::Conv2dOptions(in, in, 3).padding(dilation).dilation(dilation).groups(in).bias(false)));
  mix_ = register_module("1", one_by_one(in, out));
}

AsppImpl::AsppImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& rates, double dropout) {
  const auto add = [&](const auto& conv, const nn::Conv2d& last) {
    const nn::BatchNorm2d norm(out);
    branches_.emplace_back(conv, norm, relu());
    infer_branches_.emplace_back(last, norm);
  };
  const nn::Conv2d direct = one_by_one(in, out);
  add(direct, direct);
  for (const std::int64_t rate : rates) {
    atrous_.emplace_back(in, out, rate);
    add(atrous_.back(), atrous_.back()->mix());
  }
  pooled_conv_ = one_by_one(in, out);
  pooled_norm_ = nn::BatchNorm2d(out);
  infer_pooled_.emplace(pooled_conv_, pooled_norm_);

  nn::ModuleList convs;
  for (const nn::Sequential& branch : branches_) convs->push_back(branch);
  auto pooled = std::make_shared<nn::Module>();
  pooled->register_module("1", pooled_conv_);  // "0" is the average
  pooled->register_module("2", pooled_norm_);
  convs->push_back(pooled);
  register_module("convs", convs);
  const std::int64_t joined = static_cast<std::int64_t>(convs->size()) * out;
  project_ = register_module(
      "project", nn::Sequential(one_by_one(joined, out), nn::BatchNorm2d(out), relu(), nn::Dropout(dropout)));
  infer_project_.emplace(project_, 0);
}

torch::Tensor AsppImpl::pool(const torch::Tensor& x) {
  return layers::normalise(pooled_norm_, pooled_conv_(at::adaptive_avg_pool2d(x, {1, 1}))).relu_();
}

torch::Tensor AsppImpl::forward(const torch::Tensor& x, const torch::Tensor& pooled) {
  std::vector<torch::Tensor> joined;
  for (nn::Sequential& branch : branches_) joined.push_back(branch->forward(x));
  // A bilinear resize of one pixel gives that pixel everywhere.
  joined.push_back(pooled.expand({-1, -1, x.size(2), x.size(3)}));
  return project_->forward(at::cat(joined, 1));
}

torch::Tensor AsppImpl::infer(const torch::Tensor& x) const {
  std::vector<torch::Tensor> joined = {infer_branches_[0](x, layers::Activation::kRelu)};
  for (std::size_t i = 0; i < atrous_.size(); ++i) {
    const nn::Conv2d& spatial = atrous_[i]->spatial();
    const torch::Tensor seen = layers::convolve_depthwise(x, spatial->weight, spatial->options.dilation()->at(0));
    joined.push_back(infer_branches_[i + 1](seen, layers::Activation::kRelu));
  }
  const torch::Tensor pooled = (*infer_pooled_)(x.mean({1, 2}, /*keepdim=*/true), layers::Activation::kRelu);
  joined.push_back(pooled.expand({-1, x.size(1), x.size(2), -1}));
  return (*infer_project_)(at::cat(joined, 3), layers::Activation::kRelu);
}

void AsppImpl::forget_prepared() {
  for (layers::InferenceConv& branch : infer_branches_) branch.forget();
  infer_pooled_->forget();
  infer_project_->forget();
}

}  // namespace osteon::models
