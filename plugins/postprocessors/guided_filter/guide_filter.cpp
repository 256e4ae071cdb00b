// SPDX-License-Identifier: Apache-2.0
// One way through a plane: rows of p come in `y_radius` rows before those of a and b that their windows end in, and
// these as many before the rows of the result, which take the place of p when it is not needed any more.
#include <algorithm>
#include <string>

#include "guide.hpp"
#include "guide_rows.hpp"
#include "window_sums.hpp"

namespace osteon::guided_filter {
class Guide::Pass {
 public:
  Pass(const sdk::Call& call, const Guide& guide, float* plane)
      : guide_(guide),
        plane_(plane),
        kept_(std::min(2 * guide.y_radius_ + 1, guide.height_)),
        of_p_(guide.channels_ + 1, guide.width_, guide.x_radius_),
        of_ab_(guide.channels_ + 1, guide.width_, guide.x_radius_),
        ab_(call.allocate<float>({kept_, guide.channels_ + 1, guide.width_})) {}

  void add_p(std::int64_t y) {
    of_p_.add(0, p(y));
    for (std::int64_t c = 0; c < guide_.channels_; ++c) of_p_.add(c + 1, guide_.channel(c, y), p(y));
  }
  void take_p(std::int64_t y) {
    of_p_.take(0, p(y));
    for (std::int64_t c = 0; c < guide_.channels_; ++c) of_p_.take(c + 1, guide_.channel(c, y), p(y));
  }
  void add_ab(std::int64_t y) {
    for (std::int64_t i = 0; i <= guide_.channels_; ++i) of_ab_.add(i, ab(i, y));
  }
  void take_ab(std::int64_t y) {
    for (std::int64_t i = 0; i <= guide_.channels_; ++i) of_ab_.take(i, ab(i, y));
  }

  // a and b of the windows around row y.
  void fit(std::int64_t y) {
    of_p_.sum_windows();
    if (!of_p_.finite())
      throw sdk::BadInput("a prediction holds what is not a finite number in row " +
                          std::to_string(std::min(guide_.height_ - 1, y + guide_.y_radius_)));
    const double* columns = guide_.inverse_columns_.data();
    const double inverse_row = guide_.inverse_rows_[static_cast<std::size_t>(y)];
    if (guide_.channels_ == 1) {
      fit_grey(of_p_.sums(0), of_p_.sums(1), columns, inverse_row, guide_.mean(0, y), guide_.inverse(0, y),
               guide_.width_, ab(0, y), ab(1, y));
      return;
    }
    const double* products[kMostChannels];
    const float *means[kMostChannels], *inverses[2 * kMostChannels];
    float* out[kMostChannels + 1];
    for (std::int64_t c = 0; c < kMostChannels; ++c) {
      products[c] = of_p_.sums(c + 1);
      means[c] = guide_.mean(c, y);
    }
    for (std::int64_t i = 0; i < 2 * kMostChannels; ++i) inverses[i] = guide_.inverse(i, y);
    for (std::int64_t i = 0; i <= kMostChannels; ++i) out[i] = ab(i, y);
    fit_color(of_p_.sums(0), products, columns, inverse_row, means, inverses, guide_.width_, out);
  }

  void write(std::int64_t y) {
    of_ab_.sum_windows();
    const double* columns = guide_.inverse_columns_.data();
    const double inverse_row = guide_.inverse_rows_[static_cast<std::size_t>(y)];
    const double* sums[kMostChannels + 1];
    const float* channels[kMostChannels];
    for (std::int64_t i = 0; i <= guide_.channels_; ++i) sums[i] = of_ab_.sums(i);
    for (std::int64_t c = 0; c < guide_.channels_; ++c) channels[c] = guide_.channel(c, y);
    if (guide_.channels_ == 1)
      blend_grey(sums, columns, inverse_row, channels[0], guide_.width_, p(y));
    else
      blend_color(sums, columns, inverse_row, channels, guide_.width_, p(y));
  }

 private:
  float* p(std::int64_t y) const { return plane_ + y * guide_.width_; }
  float* ab(std::int64_t i, std::int64_t y) const {
    return static_cast<float*>(ab_.view().data) + (y % kept_ * (guide_.channels_ + 1) + i) * guide_.width_;
  }

  const Guide& guide_;
  float* plane_;
  std::int64_t kept_;  // rows of a and b
  WindowSums of_p_, of_ab_;
  sdk::OwnedTensor ab_;
};

void Guide::filter(const sdk::Call& call, float* plane) const {
  Pass pass(call, *this, plane);
  for (std::int64_t y = 0; y < y_radius_; ++y) pass.add_p(y);
  for (std::int64_t y = 0; y < height_ + y_radius_; ++y) {
    call.stop_if_cancelled();
    if (y + y_radius_ < height_) pass.add_p(y + y_radius_);
    if (y < height_) {
      pass.fit(y);
      pass.add_ab(y);
    }
    const std::int64_t done = y - y_radius_;
    if (done < 0) continue;
    pass.take_p(done);
    pass.write(done);
    if (done >= y_radius_) pass.take_ab(done - y_radius_);
  }
}

}  // namespace osteon::guided_filter
