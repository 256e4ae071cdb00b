// SPDX-License-Identifier: Apache-2.0
#include "class_guide.hpp"

#include "layers/inference_ops.hpp"

namespace osteon::models {

namespace nn = torch::nn;

ClassGuideImpl::ClassGuideImpl(std::int64_t in, std::int64_t n_classes, Kind kind, double dropout)
    : kind_(kind), dropout_(dropout) {
  conv_ = register_module("1", nn::Conv2d(nn::Conv2dOptions(in, kind == Kind::kAny ? 2 : n_classes, 1)));
}

at::Tensor ClassGuideImpl::forward(const at::Tensor& coarsest) {
  return presence(conv_(at::dropout(coarsest, dropout_, is_training())).to(at::kFloat).amax({2, 3}));
}

at::Tensor ClassGuideImpl::infer(const at::Tensor& coarsest) const {
  return presence(layers::project(coarsest, conv_->weight, conv_->bias).amax({1, 2}));
}

at::Tensor ClassGuideImpl::presence(const at::Tensor& best) const {
  // Of two channels the greater one wins, with the probability sigmoid(difference).
  const at::Tensor logits = kind_ == Kind::kAny ? best.narrow(1, 1, 1) - best.narrow(1, 0, 1) : best;
  return logits.unsqueeze(2).unsqueeze(3);
}

at::Tensor guided(const at::Tensor& logits, const at::Tensor& presence) {
  const at::Tensor a = -logits.to(at::kFloat), b = -presence;
  return -at::logaddexp(at::logaddexp(a, b), a + b);
}

}  // namespace osteon::models
