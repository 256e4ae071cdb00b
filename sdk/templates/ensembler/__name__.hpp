// The ensembler. Members' predictions come one after another, in any order, each once for a band of the image and a
// group of classes: what is kept between them is one sum, however many members there are.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>

#include <osteon/sdk/ensembler.hpp>

class __Class__ {
 public:
  /// What recipes write in [ensemble].
  struct Params {
    double floor = 1e-6;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("floor", &Params::floor, "probabilities below this count as this").between(1e-12, 0.5);
    }
  };

  __Class__(const Params& params, const osteon::sdk::EnsemblerRequest& request)
      : floor_(params.floor), share_(1.0 / static_cast<double>(request.member_names.size())) {}

  /// By default it takes probabilities and gives probabilities, and needs no fitting.
  osteon::sdk::EnsemblerTraits traits() const { return {}; }

  /// A member that cannot change a class is not run for it.
  bool needed(std::int64_t /*member*/, std::int64_t /*class_index*/) const { return true; }

  /// One band of one image being combined.
  class Accumulation {
   public:
    Accumulation(const __Class__& of, osteon::sdk::OwnedTensor sum) : of_(of), sum_(std::move(sum)) {
      std::fill_n(sum_.data<float>(), osteon::sdk::element_count(sum_.view()), 0.0f);
    }

    void add(const osteon::sdk::Call& call, std::int64_t /*member*/, const osteon_tensor_view& prediction) {
      call.stop_if_cancelled();
      const osteon_tensor_view& view = sum_.view();
      osteon::sdk::expect_shape(prediction, {view.shape[0], view.shape[1], view.shape[2]}, "a member's prediction");
      const float* p = osteon::sdk::data_of<const float>(prediction, "a member's prediction");
      const auto floor = static_cast<float>(of_.floor_), share = static_cast<float>(of_.share_);
      float* sum = sum_.data<float>();
      for (std::int64_t i = 0; i < osteon::sdk::element_count(view); ++i)
        sum[i] += share * std::log(std::max(p[i], floor));
    }

    osteon::sdk::OwnedTensor finish(const osteon::sdk::Call&) {
      float* sum = sum_.data<float>();
      for (std::int64_t i = 0; i < osteon::sdk::element_count(sum_.view()); ++i)
        sum[i] = std::min(1.0f, std::exp(sum[i]));
      return std::move(sum_);
    }

   private:
    const __Class__& of_;
    osteon::sdk::OwnedTensor sum_;  // [classes, rows, columns]
  };

  std::unique_ptr<Accumulation> begin(const osteon::sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(
        *this, call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width}));
  }

 private:
  double floor_, share_;
};
