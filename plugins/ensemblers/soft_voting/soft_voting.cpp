// SPDX-License-Identifier: Apache-2.0
// The weighted mean of the members' probabilities.
//
//     [ensemble]
//     plugin = "soft_voting"
//     weights_by_member = [1.0, 2.0]
//
//     [[ensemble.member]]
//     run = "../runs/a"
//     [[ensemble.member]]
//     run = "../runs/b"
#include <algorithm>
#include <numeric>

#include <osteon/sdk/ensembler.hpp>

namespace {

using namespace osteon::sdk;

class SoftVoting {
 public:
  struct Params {
    std::vector<double> weights_by_member;

    static void schema(Schema<Params>& s) {
      s.add("weights_by_member", &Params::weights_by_member, "one per member, in order; empty: all alike").at_least(0);
    }
  };

  SoftVoting(const Params& params, const EnsemblerRequest& request) : weights_(params.weights_by_member) {
    const std::size_t members = request.member_names.size();
    if (weights_.empty()) weights_.assign(members, 1.0);
    if (weights_.size() != members)
      throw InvalidArgument("weights_by_member has " + std::to_string(weights_.size()) + " numbers for " +
                            std::to_string(members) + " members");
    const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    if (total <= 0) throw InvalidArgument("weights_by_member are all 0");
    for (double& weight : weights_) weight /= total;
  }

  EnsemblerTraits traits() const { return {}; }
  bool needed(std::int64_t member, std::int64_t) const { return weights_[static_cast<std::size_t>(member)] > 0; }

  class Accumulation {
   public:
    Accumulation(const std::vector<double>& weights, OwnedTensor sum) : weights_(weights), sum_(std::move(sum)) {
      std::fill_n(sum_.data<float>(), element_count(sum_.view()), 0.0f);
    }
    void add(const Call&, std::int64_t member, const osteon_tensor_view& prediction) {
      const osteon_tensor_view& view = sum_.view();
      expect_shape(prediction, {view.shape[0], view.shape[1], view.shape[2]}, "a member's prediction");
      const float* in = data_of<const float>(prediction, "a member's prediction");
      float* sum = sum_.data<float>();
      const auto weight = static_cast<float>(weights_[static_cast<std::size_t>(member)]);
      const std::int64_t count = element_count(view);
      for (std::int64_t i = 0; i < count; ++i) sum[i] += weight * in[i];
    }
    OwnedTensor finish(const Call&) { return std::move(sum_); }

   private:
    const std::vector<double>& weights_;
    OwnedTensor sum_;
  };

  std::unique_ptr<Accumulation> begin(const Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(
        weights_, call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width}));
  }

 private:
  std::vector<double> weights_;
};

}  // namespace

OSTEON_PLUGIN("soft_voting", "1.0.0",
              osteon::sdk::ensembler<SoftVoting>({"soft_voting", "1.0.0",
                                                  "The weighted mean of the members' probabilities."}))
