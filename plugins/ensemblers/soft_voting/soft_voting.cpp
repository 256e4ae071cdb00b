// SPDX-License-Identifier: Apache-2.0
// The weighted mean of the members' probabilities; of a class, the mean over the members that have it.
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

  SoftVoting(const Params& params, const EnsemblerRequest& request)
      : classes_(request.class_names.size()), shares_(request.member_names.size() * classes_) {
    std::vector<double> weights = params.weights_by_member;
    const std::size_t members = request.member_names.size();
    if (weights.empty()) weights.assign(members, 1.0);
    if (weights.size() != members)
      throw InvalidArgument("weights_by_member has " + std::to_string(weights.size()) + " numbers for " +
                            std::to_string(members) + " members");
    for (std::size_t c = 0; c < classes_; ++c) {
      double total = 0;
      for (std::size_t m = 0; m < members; ++m) total += request.has(m, c) ? weights[m] : 0;
      if (total <= 0)
        throw InvalidArgument("weights_by_member are 0 for all members that have the class '" + request.class_names[c] +
                              "'");
      for (std::size_t m = 0; m < members; ++m) shares_[m * classes_ + c] = request.has(m, c) ? weights[m] / total : 0;
    }
  }

  static EnsemblerTraits traits(const Params&, const Beneath&) { return {}; }
  bool needed(std::int64_t member, std::int64_t class_index) const { return share(member, class_index) > 0; }

  class Accumulation {
   public:
    Accumulation(const SoftVoting& of, const osteon_band& band, OwnedTensor sum)
        : of_(of), bands_classes_(band.classes, band.classes + band.n_classes), sum_(std::move(sum)) {
      std::fill_n(sum_.data<float>(), element_count(sum_.view()), 0.0f);
    }
    void add(const Call& call, std::int64_t member, const osteon_tensor_view& prediction) {
      call.stop_if_cancelled();  // before anything is added
      const float* in = data_of<const float>(prediction, "a member's prediction");
      float* sum = sum_.data<float>();
      const std::int64_t pixels = sum_.view().shape[1] * sum_.view().shape[2];
      for (const std::int32_t c : bands_classes_) {
        // What a member says of a class that it does not have may be anything, NaN as well.
        if (const auto weight = static_cast<float>(of_.share(member, c)); weight > 0)
          for (std::int64_t i = 0; i < pixels; ++i) sum[i] += weight * in[i];
        in += pixels;
        sum += pixels;
      }
    }
    OwnedTensor finish(const Call&) { return std::move(sum_); }

   private:
    const SoftVoting& of_;
    std::vector<std::int32_t> bands_classes_;
    OwnedTensor sum_;
  };

  std::unique_ptr<Accumulation> begin(const Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(
        *this, band, call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width}));
  }

 private:
  double share(std::int64_t member, std::int64_t class_index) const {
    return shares_[static_cast<std::size_t>(member) * classes_ + static_cast<std::size_t>(class_index)];
  }

  std::size_t classes_;
  std::vector<double> shares_;  // [members, classes], 1 in sum for each class
};

}  // namespace

OSTEON_PLUGIN("soft_voting", "1.0.0",
              osteon::sdk::ensembler<SoftVoting>({"soft_voting", "1.0.0",
                                                  "The weighted mean of the members' probabilities."}))
