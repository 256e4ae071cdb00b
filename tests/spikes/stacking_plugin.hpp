// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <osteon/sdk/ensembler.hpp>

// A stacker as a plugin author would write it, with the public SDK alone.
namespace osteon::spikes {

/// Per class, the linear combination of the members' probabilities that is nearest to the truth: least squares, fitted
/// from sums that do not grow with the number of images. Members whose weight is below `drop` are taken out of a class
/// and not asked for it.
class Stacker {
 public:
  struct Params {
    double ridge = 1e-9;
    double drop = 0;

    static void schema(sdk::Schema<Params>& s) {
      s.add("ridge", &Params::ridge, "added to the diagonal of the normal equations, per pixel").at_least(0);
      s.add("drop", &Params::drop, "weights of smaller magnitude become 0").at_least(0);
    }
  };

  Stacker(const Params& params, const sdk::EnsemblerRequest& request)
      : params_(params),
        members_(static_cast<std::int64_t>(request.member_names.size())),
        classes_(static_cast<std::int64_t>(request.class_names.size())) {
    weights_.resize(static_cast<std::size_t>(classes_ * terms()));
  }
  sdk::EnsemblerTraits traits() const { return {OSTEON_FORM_PROBABILITIES, OSTEON_FORM_PROBABILITIES, true}; }

  std::vector<sdk::StateTensor> tensors() {
    return {{"weights", sdk::dtype_of<double>(), {classes_, terms()}, weights_.data()}};
  }

  void fit_begin(const sdk::Call&, const sdk::FitRequest&) {
    products_.assign(static_cast<std::size_t>(classes_ * terms() * terms()), 0);
    answers_.assign(static_cast<std::size_t>(classes_ * terms()), 0);
  }

  /// Of images of which a member has nothing to say nothing is learnt.
  void fit_add(const sdk::Call& call, const sdk::FitSample& sample) {
    if (std::find(sample.members.begin(), sample.members.end(), nullptr) != sample.members.end()) return;
    const std::int64_t pixels = sample.pixels(), n = terms();
    std::vector<double> row(static_cast<std::size_t>(n), 1.0);  // the last term is the constant
    for (std::uint64_t k = 0; k < sample.band.n_classes; ++k) {
      call.stop_if_cancelled();
      const std::int32_t c = sample.band.classes[k];
      if (!sample.class_known(c)) continue;
      std::vector<const float*> in;
      for (std::size_t m = 0; m < sample.members.size(); ++m) in.push_back(sample.values(m, k));
      double* products = products_.data() + c * n * n;
      double* answers = answers_.data() + c * n;
      for (std::int64_t i = 0; i < pixels; ++i) {
        if (!sample.known(i)) continue;
        for (std::size_t m = 0; m < in.size(); ++m) row[m] = static_cast<double>(in[m][i]);
        for (std::int64_t a = 0; a < n; ++a) {
          const double value = row[static_cast<std::size_t>(a)];
          if (sample.is_set(c, i)) answers[a] += value;
          for (std::int64_t b = 0; b < n; ++b) products[a * n + b] += value * row[static_cast<std::size_t>(b)];
        }
      }
    }
  }

  bool fit_end(const sdk::Call&) {
    const std::int64_t n = terms();
    for (std::int64_t c = 0; c < classes_; ++c) {
      std::vector<double> a(products_.begin() + c * n * n, products_.begin() + (c + 1) * n * n);
      std::vector<double> b(answers_.begin() + c * n, answers_.begin() + (c + 1) * n);
      const double pixels = a.back();
      if (pixels == 0) throw sdk::InvalidArgument("there is nothing to fit class " + std::to_string(c) + " on");
      for (std::int64_t m = 0; m < n; ++m) a[static_cast<std::size_t>(m * n + m)] += params_.ridge * pixels;
      solve(a, b);
      for (std::int64_t m = 0; m < members_; ++m)
        if (std::abs(b[static_cast<std::size_t>(m)]) < params_.drop) b[static_cast<std::size_t>(m)] = 0;
      std::copy(b.begin(), b.end(), weights_.begin() + c * n);
    }
    products_ = {};
    answers_ = {};
    return false;
  }

  bool needed(std::int64_t member, std::int64_t c) const { return weight(member, c) != 0; }

  class Accumulation {
   public:
    Accumulation(const Stacker& owner, const sdk::Call& call, const osteon_band& band)
        : owner_(owner),
          classes_(band.classes, band.classes + band.n_classes),
          pixels_(band.height * band.width),
          sum_(call.allocate<float>({static_cast<std::int64_t>(band.n_classes), band.height, band.width})) {
      float* out = sum_.data<float>();
      for (const std::int32_t c : classes_)
        out = std::fill_n(out, pixels_, static_cast<float>(owner_.weight(owner_.members_, c)));
    }
    void add(const sdk::Call&, std::int64_t member, const osteon_tensor_view& prediction) {
      const float* in = sdk::data_of<const float>(prediction, "a member");
      float* out = sum_.data<float>();
      for (std::size_t k = 0; k < classes_.size(); ++k) {
        const auto weight = static_cast<float>(owner_.weight(member, classes_[k]));
        for (std::int64_t i = 0; i < pixels_; ++i) *out++ += weight * *in++;
      }
    }
    sdk::OwnedTensor finish(const sdk::Call&) {
      float* out = sum_.data<float>();
      for (std::int64_t i = 0; i < sdk::element_count(sum_.view()); ++i) out[i] = std::clamp(out[i], 0.0f, 1.0f);
      return std::move(sum_);
    }

   private:
    const Stacker& owner_;
    std::vector<std::int32_t> classes_;
    std::int64_t pixels_;
    sdk::OwnedTensor sum_;
  };
  std::unique_ptr<Accumulation> begin(const sdk::Call& call, const osteon_band& band) const {
    return std::make_unique<Accumulation>(*this, call, band);
  }

 private:
  std::int64_t terms() const { return members_ + 1; }
  double weight(std::int64_t term, std::int64_t c) const {
    return weights_[static_cast<std::size_t>(c * terms() + term)];
  }

  // Gauss with pivots; `b` becomes the answer.
  static void solve(std::vector<double>& a, std::vector<double>& b) {
    const std::size_t n = b.size();
    for (std::size_t column = 0; column < n; ++column) {
      std::size_t pivot = column;
      for (std::size_t row = column + 1; row < n; ++row)
        if (std::abs(a[row * n + column]) > std::abs(a[pivot * n + column])) pivot = row;
      if (a[pivot * n + column] == 0)
        throw sdk::InvalidArgument("the members cannot be told apart; give a greater ridge");
      for (std::size_t k = 0; k < n; ++k) std::swap(a[pivot * n + k], a[column * n + k]);
      std::swap(b[pivot], b[column]);
      for (std::size_t row = 0; row < n; ++row) {
        if (row == column) continue;
        const double factor = a[row * n + column] / a[column * n + column];
        for (std::size_t k = column; k < n; ++k) a[row * n + k] -= factor * a[column * n + k];
        b[row] -= factor * b[column];
      }
    }
    for (std::size_t i = 0; i < n; ++i) b[i] /= a[i * n + i];
  }

  Params params_;
  std::int64_t members_, classes_;
  std::vector<double> weights_;             // [classes, members + 1]
  std::vector<double> products_, answers_;  // sums of a fit that is under way
};

}  // namespace osteon::spikes
