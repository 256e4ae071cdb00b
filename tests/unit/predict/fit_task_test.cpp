// SPDX-License-Identifier: Apache-2.0
#include "predict/fit_task.hpp"

#include <cmath>
#include <map>
#include <numeric>

#include <gtest/gtest.h>
#include <osteon/sdk/ensembler.hpp>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/ensembler.hpp"
#include "predict/resample.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

/// Writes down all that it is fitted on, and asks for two more passes.
class Recorder {
 public:
  using Params = sdk::NoParams;
  Recorder(const Params&, const sdk::EnsemblerRequest& request) : request_(request) {}
  sdk::EnsemblerTraits traits() const { return {OSTEON_FORM_PROBABILITIES, OSTEON_FORM_PROBABILITIES, true}; }
  bool needed(std::int64_t, std::int64_t) const { return true; }

  /// What was said of a pixel, by (image, member, class, y, x); of a silent member nothing.
  struct Record {
    std::map<std::tuple<std::string, int, int, int, int>, double> said;
    std::map<std::tuple<std::string, int, int, int>, int> truth;  ///< -1: unknown
    std::vector<std::string> order;                               ///< of images' bands
    double dice = 0;
  };
  static inline std::vector<Record> passes;

  std::vector<sdk::StateTensor> tensors() { return {{"n", sdk::dtype_of<std::int64_t>(), {}, &n_}}; }
  void fit_begin(const sdk::Call&, const sdk::FitRequest& request) {
    passes.assign(1, {});
    passes[0].dice = request.dice(1, 2);
  }
  void fit_add(const sdk::Call&, const sdk::FitSample& sample) {
    Record& record = passes.back();
    record.order.push_back(sample.image);
    for (std::int64_t i = 0; i < sample.pixels(); ++i) {
      const int y = static_cast<int>(sample.band.first_row + i / sample.band.width),
                x = static_cast<int>(i % sample.band.width);
      for (std::uint64_t k = 0; k < sample.band.n_classes; ++k) {
        const std::int32_t c = sample.band.classes[k];
        record.truth[{sample.image, c, y, x}] =
            sample.known(i) && sample.class_known(c) ? (sample.is_set(c, i) ? 1 : 0) : -1;
        for (std::size_t m = 0; m < sample.members.size(); ++m)
          if (sample.members[m] != nullptr)
            record.said[{sample.image, static_cast<int>(m), c, y, x}] = static_cast<double>(sample.values(m, k)[i]);
      }
    }
  }
  bool fit_end(const sdk::Call&) {
    n_ = static_cast<std::int64_t>(passes.size());
    if (n_ == 3) return false;
    passes.emplace_back();
    return true;
  }

  class Accumulation {
   public:
    void add(const sdk::Call&, std::int64_t, const osteon_tensor_view&) {}
    sdk::OwnedTensor finish(const sdk::Call& call) { return call.allocate<float>({1}); }
  };
  std::unique_ptr<Accumulation> begin(const sdk::Call&, const osteon_band&) const {
    return std::make_unique<Accumulation>();
  }

 private:
  sdk::EnsemblerRequest request_;
  std::int64_t n_ = 0;
};

constexpr int kClasses = 34, kHeight = 7, kWidth = 5, kImages = 3;

double said(int member, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<double>((member * 13 + 3 * c + 5 * y + 7 * x) % 16) / 16;
}
bool is_set(int image, int c, int y, int x) { return (image + 3 * c + y * x) % 4 == 0; }

class FitTest : public ::testing::Test {
 protected:
  FitTest() : classes_(test::classes(kClasses)) {
    // Never destroyed: what it points at lives as long as a library does.
    static auto* const library = new sdk::detail::Library(
        "recorder", "1.0.0", {sdk::ensembler<Recorder>({"recorder", "1.0.0", "Writes down."})});
    plugin::ClassContext few;
    few.names = {"c33", "c2"};
    for (int m = 0; m < 2; ++m)
      task_.members.push_back(
          test::member(std::make_shared<test::FunctionPredictor>(m == 0 ? classes_ : few,
                                                                 [m](std::int64_t c, std::int64_t y, std::int64_t x) {
                                                                   return said(m, m == 0 ? c : c == 0 ? 33 : 2, y, x);
                                                                 }),
                       classes_));
    ensembler_ = std::make_unique<plugin::Ensembler>(
        plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kEnsembler, "recorder"),
        plugin::Parameters{}, classes_, std::vector<std::string>{"a", "b"}, call_,
        class_table(task_.members, classes_));
    task_.fit = ensembler_->fit();
    task_.n_images = kImages;
    task_.read = [](std::size_t i, FitImage& image) {
      if (i == 1) return false;  // it is broken
      const int n = static_cast<int>(i);
      image.id = "image " + std::to_string(i);
      image.image = {cv::Mat(kHeight, kWidth, CV_8U, cv::Scalar(100)), 255.0};
      image.truth = data::Labels(kClasses, {kWidth, kHeight});
      for (int c = 0; c < kClasses; ++c) {
        cv::Mat mask(kHeight, kWidth, CV_8U);
        for (int y = 0; y < kHeight; ++y)
          for (int x = 0; x < kWidth; ++x) mask.at<std::uint8_t>(y, x) = is_set(n, c, y, x) ? 1 : 0;
        image.truth.add(c, mask);
      }
      image.truth.valid() = cv::Mat(kHeight, kWidth, CV_8U, cv::Scalar(1));
      image.truth.valid().at<std::uint8_t>(6, 4) = 0;
      std::vector<std::uint8_t> known(kClasses, 1);
      known[33] = 0;
      image.truth.set_class_valid(known);
      image.silent = {i == 2, false};
      return true;
    };
  }
  plugin::ClassContext classes_;
  plugin::Call call_;
  std::unique_ptr<plugin::Ensembler> ensembler_;
  FitTask task_;
};

TEST_F(FitTest, ShowsEveryPixelOnceInEachPassWithWhatEachMemberSays) {
  task_.dice.assign(2 * kClasses, std::nan(""));
  task_.dice[kClasses + 2] = 0.75;
  std::vector<std::pair<std::size_t, std::size_t>> told;
  task_.progress = [&](std::size_t pass, std::size_t i) { told.emplace_back(pass, i); };
  EXPECT_FALSE(ensembler_->fit()->ready());
  EXPECT_EQ(fit(call_, task_), 2u);
  EXPECT_TRUE(ensembler_->fit()->ready());
  EXPECT_EQ(told.size(), 9u);
  ASSERT_EQ(Recorder::passes.size(), 3u);
  EXPECT_EQ(Recorder::passes[0].dice, 0.75);
  for (const Recorder::Record& pass : Recorder::passes) {
    EXPECT_EQ(pass.said, Recorder::passes[0].said);
    EXPECT_EQ(pass.order, Recorder::passes[0].order) << "the same order in every pass";
    ASSERT_EQ(pass.truth.size(), std::size_t{2 * kClasses * kHeight * kWidth});
  }
  const Recorder::Record& pass = Recorder::passes[0];
  // Of image 2 the first member has nothing to say.
  ASSERT_EQ(pass.said.size(), std::size_t{3 * kClasses * kHeight * kWidth});
  for (const auto& [place, value] : pass.said) {
    const auto& [image, m, c, y, x] = place;
    const bool has = m == 0 || c == 2 || c == 33;
    EXPECT_NEAR(value, has ? said(m, c, y, x) : 0, 1e-6);
    EXPECT_TRUE(m == 1 || image == "image 0");
  }
  for (const auto& [place, value] : pass.truth) {
    const auto& [image, c, y, x] = place;
    const bool known = c != 33 && !(y == 6 && x == 4);
    EXPECT_EQ(value, !known ? -1 : is_set(image == "image 0" ? 0 : 2, c, y, x) ? 1 : 0);
  }
}

TEST_F(FitTest, CanBeKeptAndComesBack) {
  fit(call_, task_);
  const auto tensors = ensembler_->fit()->tensors(call_);
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "n");
  EXPECT_FALSE(tensors[0].parameter);
  EXPECT_EQ(*static_cast<const std::int64_t*>(tensors[0].value->data), 3);
}

TEST_F(FitTest, RefusesToFitOnNothing) {
  task_.read = [](std::size_t, FitImage&) { return false; };
  try {
    fit(call_, task_);
    FAIL() << "it was fitted on nothing";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
  }
  EXPECT_FALSE(ensembler_->fit()->ready());
}

// Bands of a large image come from the members' own small grids, and are what the whole would be.
TEST(FitBands, AreWhatTheWholeWouldBe) {
  class Coarse final : public Predictor {
   public:
    explicit Coarse(const plugin::ClassContext& context) : Predictor(context, {}) {}
    std::string name() const override { return "coarse"; }
    void predict(const osteon_call* call, const std::vector<const osteon_image*>&,
                 const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
      EXPECT_EQ(request.grid, std::uint32_t{OSTEON_GRID_MODEL});
      test::fill(
          call, OSTEON_FORM_LOGITS, static_cast<std::int64_t>(request.n_classes), 6, 8,
          [&](std::int64_t c, std::int64_t y, std::int64_t x) {
            return std::sin(static_cast<double>(request.classes[c] + 3 * y + x * x));
          },
          predictions[0]);
      double* m = predictions[0].raw().to_image;
      m[0] = 41.0 / 8, m[2] = (m[0] - 1) / 2, m[4] = 50.0 / 6, m[5] = (m[4] - 1) / 2;
    }
  };
  const plugin::Call call;
  const plugin::ClassContext context = test::classes(3);
  const Member member = test::member(std::make_shared<Coarse>(context), context, {0.5, 0.6, 0.4});
  const cv::Mat pixels(50, 41, CV_32F, cv::Scalar(0));
  const RootImage image(pixels, "image");
  const std::vector<std::int32_t> all = {0, 1, 2}, some = {1, 2};
  for (const std::uint32_t form : {OSTEON_FORM_LOGITS, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_BITS}) {
    Opinion at_once(call.raw(), member, *image.get(), form, OSTEON_SCALE_RECIPE, all);
    at_once.advance(call.raw(), 50);
    const sdk::OwnedTensor whole = at_once.band(call.raw(), all);
    Opinion by_bands(call.raw(), member, *image.get(), form, OSTEON_SCALE_RECIPE, all);
    by_bands.advance(call.raw(), 13);
    by_bands.advance(call.raw(), 9);
    const sdk::OwnedTensor part = by_bands.band(call.raw(), some);
    if (form == OSTEON_FORM_BITS) {
      const auto *a = whole.data<std::int32_t>() + 13 * 41, *b = part.data<std::int32_t>();
      for (int i = 0; i < 9 * 41; ++i) ASSERT_EQ(b[i], a[i] >> 1);
      continue;
    }
    for (int k = 0; k < 2; ++k)
      for (int i = 0; i < 9 * 41; ++i)
        ASSERT_EQ(part.data<float>()[k * 9 * 41 + i], whole.data<float>()[((k + 1) * 50 + 13) * 41 + i]);
  }
}

}  // namespace
}  // namespace osteon::predict
