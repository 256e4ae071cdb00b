// The loss: one expression in LibTorch, which autograd differentiates. For a kernel that computes value and gradient by
// itself, see <osteon/sdk/loss.hpp>.
#pragma once

#include <osteon/sdk/torch/loss.hpp>

class __Class__ {
 public:
  /// What recipes write in [[loss]], beside `plugin` and `weight`.
  struct Params {
    double gamma = 2.0;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("gamma", &Params::gamma, "how much more hard pixels count; 0: cross-entropy").between(0, 10);
    }
  };

  /// What the data may say beside bits and valid pixels, and mean() takes care of; what is not listed is refused.
  static constexpr std::uint32_t kUnderstands = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID;

  __Class__(const Params& params, const osteon::sdk::LossRequest& request) : gamma_(params.gamma) {
    if (request.multiclass) throw osteon::sdk::Unsupported("it is defined for labels that may overlap");
  }

  /// A scalar from float32 logits [N, K, H, W]. mean() leaves invalid pixels out and weighs the samples.
  at::Tensor forward(const at::Tensor& logits, const osteon::sdk::TorchTarget& target) const {
    const at::Tensor entropy =
        at::binary_cross_entropy_with_logits(logits, target.dense(), {}, {}, at::Reduction::None);
    return target.mean((1 - (-entropy).exp()).pow(gamma_) * entropy);
  }

 private:
  double gamma_;
};
