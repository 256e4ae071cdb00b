// The ensembler. Members' predictions come one after another, in any order, each once for a band of the image and a
// group of classes: what is kept between them is one sum, however many members there are.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

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

  /// A member may lack some of the classes; a class's mean is over those that have it.
  __Class__(const Params& params, const osteon::sdk::EnsemblerRequest& request)
      : floor_(params.floor), request_(request), shares_(request.class_names.size()) {
    for (std::size_t c = 0; c < shares_.size(); ++c) {
      int members = 0;
      for (std::size_t m = 0; m < request.member_names.size(); ++m) members += request.has(m, c) ? 1 : 0;
      shares_[c] = members > 0 ? 1.0 / members : 0.0;
    }
  }

  /// By default it takes probabilities and gives probabilities, and needs no fitting.
  static osteon::sdk::EnsemblerTraits traits(const Params&, const osteon::sdk::Beneath&) { return {}; }

  /// A member that cannot change a class is not run for it. One that does not have the class never is.
  bool needed(std::int64_t /*member*/, std::int64_t /*class_index*/) const { return true; }

  /// One band of one image being combined.
  class Accumulation {
   public:
    Accumulation(const __Class__& of, const osteon_band& band, osteon::sdk::OwnedTensor sum)
        : of_(of), classes_(band.classes, band.classes + band.n_classes), sum_(std::move(sum)) {
      std::fill_n(sum_.data<float>(), osteon::sdk::element_count(sum_.view()), 0.0f);
    }

    void add(const osteon::sdk::Call& call, std::int64_t member, const osteon_tensor_view& prediction) {
      const float* p = osteon::sdk::data_of<const float>(prediction, "a member's prediction");
      const std::int64_t pixels = sum_.view().shape[1] * sum_.view().shape[2];
      const auto floor = static_cast<float>(of_.floor_);
      float* sum = sum_.data<float>();
      for (const std::int32_t c : classes_) {
        call.stop_if_cancelled();
        // What stands where a member does not have the class means nothing.
        if (of_.request_.has(static_cast<std::size_t>(member), static_cast<std::size_t>(c))) {
          const auto share = static_cast<float>(of_.shares_[static_cast<std::size_t>(c)]);
          for (std::int64_t i = 0; i < pixels; ++i) sum[i] += share * std::log(std::max(p[i], floor));
        }
        p += pixels;
        sum += pixels;
      }
    }

    osteon::sdk::OwnedTensor finish(const osteon::sdk::Call&) {
      float* sum = sum_.data<float>();
      for (std::int64_t i = 0; i < osteon::sdk::element_count(sum_.view()); ++i)
        sum[i] = std::min(1.0f, std::exp(sum[i]));
      return std::move(sum_);
    }

   private:
    const __Class__& of_;
    std::vector<std::int32_t> classes_;
    osteon::sdk::OwnedTensor sum_;  // [classes, rows, columns]
  };

  std::unique_ptr<Accumulation> begin(const osteon::sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(
        *this, band, call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width}));
  }

 private:
  double floor_;
  osteon::sdk::EnsemblerRequest request_;
  std::vector<double> shares_;  // of each class
};
