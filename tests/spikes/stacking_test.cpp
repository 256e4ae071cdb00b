// SPDX-License-Identifier: Apache-2.0
// Can an ensembler that is fitted cross the ABI: from bands and groups of classes in whatever order, with memory that
// does not grow with the images, and a state that outlives the process? The fit is compared with one least-squares
// problem over all pixels.
#include <cstring>
#include <numeric>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/ensembler.hpp"
#include "predict/ensemble.hpp"
#include "stacking_plugin.hpp"
#include "support/predictions.hpp"

namespace osteon::spikes {
namespace {

constexpr int kClasses = 34, kMembers = 3, kImages = 2, kHeight = 12, kWidth = 9, kPixels = kHeight * kWidth;

/// What members say of images whose truth is known.
struct Data {
  std::vector<float> said[kImages][kMembers];  // [kClasses, kHeight, kWidth]
  std::vector<std::int32_t> truth[kImages];    // [2, kHeight, kWidth]
  std::vector<std::uint8_t> valid[kImages];

  Data() {
    sdk::Random random(1, 2);
    for (int i = 0; i < kImages; ++i) {
      truth[i].resize(2 * kPixels);
      for (std::int32_t& word : truth[i]) word = static_cast<std::int32_t>(random.bits());
      for (int p = 0; p < kPixels; ++p) valid[i].push_back(random.chance(0.9) ? 1 : 0);
      for (int m = 0; m < kMembers; ++m)
        for (int c = 0; c < kClasses; ++c)
          for (int p = 0; p < kPixels; ++p)
            said[i][m].push_back(static_cast<float>(0.2 * m + 0.1 * (c % 5) + (0.5 - 0.1 * m) * is_set(i, c, p) +
                                                    0.3 * random.uniform()));
    }
  }
  int is_set(int i, int c, int p) const {
    return static_cast<int>(
        static_cast<std::uint32_t>(truth[i][static_cast<std::size_t>(c / 32 * kPixels + p)]) >> (c % 32) & 1u);
  }
  float of(int i, int m, int c, int p) const { return said[i][m][static_cast<std::size_t>(c * kPixels + p)]; }
};
const Data& data() {
  static const Data data;
  return data;
}

/// A part of an image as it is given to fit_add and begin.
struct Part {
  int image = 0, first_row = 0, rows = kHeight;
  std::vector<std::int32_t> classes;
};
std::vector<std::int32_t> classes_from(int first, int last) {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(last - first));
  std::iota(classes.begin(), classes.end(), first);
  return classes;
}

class Stacking : public ::testing::Test {
 protected:
  /// `order`: which of the data's members is which of the ensembler's.
  std::unique_ptr<plugin::Ensembler> make(const std::vector<int>& order = {0, 1, 2}, double drop = 0) {
    // Never destroyed: what it points at lives as long as a library does.
    static auto* const library = new sdk::detail::Library(
        "stacking", "1.0.0", {sdk::ensembler<Stacker>({"stacking", "1.0.0", "Least squares."})});
    std::vector<std::string> names;
    for (const int m : order) names.push_back("m" + std::to_string(m));
    const auto component =
        plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kEnsembler, "stacking");
    return std::make_unique<plugin::Ensembler>(
        component, plugin::Parameters{std::vector<double>{1e-12}, std::vector<double>{drop}}, test::classes(kClasses),
        names, call_);
  }
  static osteon_band band_of(const Part& part) {
    auto band = sdk::sized<osteon_band>();
    band.first_row = part.first_row;
    band.height = part.rows;
    band.width = kWidth;
    band.n_classes = part.classes.size();
    band.classes = part.classes.data();
    return band;
  }
  static std::vector<float> cut(const Part& part, int member) {
    std::vector<float> values;
    for (const std::int32_t c : part.classes)
      for (int p = part.first_row * kWidth; p < (part.first_row + part.rows) * kWidth; ++p)
        values.push_back(data().of(part.image, member, c, p));
    return values;
  }
  void fit(plugin::Ensembler& ensembler, const std::vector<Part>& parts, const std::vector<int>& order = {0, 1, 2}) {
    ensembler.fit()->begin(call_, kMembers, nullptr);
    for (const Part& part : parts) {
      const int first = part.first_row * kWidth, pixels = part.rows * kWidth;
      std::vector<std::vector<float>> said;
      for (const int m : order) said.push_back(cut(part, m));
      std::vector<sdk::BorrowedTensor> borrowed;
      for (const auto& values : said)
        borrowed.emplace_back(values.data(), std::vector<std::int64_t>{static_cast<std::int64_t>(part.classes.size()),
                                                                       part.rows, kWidth});
      std::vector<const osteon_tensor_view*> members(borrowed.begin(), borrowed.end());
      std::vector<std::int32_t> truth;
      for (int plane = 0; plane < 2; ++plane)
        truth.insert(truth.end(), data().truth[part.image].begin() + plane * kPixels + first,
                     data().truth[part.image].begin() + plane * kPixels + first + pixels);
      const sdk::BorrowedTensor target(truth.data(), {2, part.rows, kWidth});
      const sdk::BorrowedTensor valid(data().valid[part.image].data() + first, {part.rows, kWidth});
      const osteon_band band = band_of(part);
      const std::string id = "image " + std::to_string(part.image);
      auto sample = sdk::sized<osteon_fit_sample>();
      sample.image = id.c_str();
      sample.band = &band;
      sample.n_members = members.size();
      sample.members = members.data();
      sample.target = target;
      sample.valid = valid;
      ensembler.fit()->add(call_, sample);
    }
    EXPECT_FALSE(ensembler.fit()->end(call_));
  }
  static std::vector<Part> whole_images() {
    return {{0, 0, kHeight, classes_from(0, kClasses)}, {1, 0, kHeight, classes_from(0, kClasses)}};
  }
  std::vector<double> weights(plugin::Ensembler& ensembler) {
    const auto tensors = ensembler.fit()->tensors(call_);
    EXPECT_EQ(tensors.size(), 1u);
    const auto* values = sdk::data_of<const double>(*tensors.at(0).value, "weights");
    return {values, values + sdk::element_count(*tensors.at(0).value)};
  }
  static void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
  }
  std::vector<float> combine(const plugin::Ensembler& ensembler, const Part& part, const std::vector<int>& order) {
    auto accumulation = ensembler.begin(call_.raw(), band_of(part));
    for (const int m : order) {
      const std::vector<float> values = cut(part, m);
      const sdk::BorrowedTensor view(values.data(),
                                     {static_cast<std::int64_t>(part.classes.size()), part.rows, kWidth});
      accumulation.add(call_.raw(), m, view.view());
    }
    const sdk::OwnedTensor out = accumulation.finish(call_.raw());
    return {out.data<float>(), out.data<float>() + sdk::element_count(out.view())};
  }
  plugin::Call call_;
};

TEST_F(Stacking, FindsTheLeastSquaresWeightsOfAllPixelsAtOnce) {
  const auto ensembler = make();
  fit(*ensembler, whole_images());
  const std::vector<double> found = weights(*ensembler);
  for (int c = 0; c < kClasses; ++c) {
    cv::Mat1d rows, answers;
    for (int i = 0; i < kImages; ++i)
      for (int p = 0; p < kPixels; ++p) {
        if (data().valid[i][static_cast<std::size_t>(p)] == 0) continue;
        rows.push_back(
            cv::Mat1d(cv::Matx<double, 1, 4>(data().of(i, 0, c, p), data().of(i, 1, c, p), data().of(i, 2, c, p), 1)));
        answers.push_back(static_cast<double>(data().is_set(i, c, p)));
      }
    cv::Mat1d expected;
    ASSERT_TRUE(cv::solve(rows, answers, expected, cv::DECOMP_SVD));
    for (int k = 0; k < 4; ++k) EXPECT_NEAR(found[static_cast<std::size_t>(4 * c + k)], expected(k), 1e-6) << c;
  }
}

TEST_F(Stacking, FitsTheSameFromBandsAndGroupsOfClassesInAnyOrder) {
  const auto whole = make(), parts = make();
  fit(*whole, whole_images());
  std::vector<Part> pieces;
  for (const int image : {1, 0})
    for (const auto& [first, rows] : {std::pair{7, 5}, {0, 3}, {3, 4}})
      for (const auto& [from, to] : {std::pair{30, 34}, {0, 13}, {13, 30}})
        pieces.push_back({image, first, rows, classes_from(from, to)});
  fit(*parts, pieces);
  expect_near(weights(*parts), weights(*whole), 1e-8);
}

TEST_F(Stacking, FitsTheSameWhateverTheOrderOfItsMembers) {
  const std::vector<int> order = {2, 0, 1};
  const auto straight = make(), turned = make(order);
  fit(*straight, whole_images());
  fit(*turned, whole_images(), order);
  const std::vector<double> a = weights(*straight), b = weights(*turned);
  for (std::size_t c = 0; c < kClasses; ++c) {
    for (std::size_t m = 0; m < kMembers; ++m)
      EXPECT_NEAR(b[4 * c + m], a[4 * c + static_cast<std::size_t>(order[m])], 1e-8);
    EXPECT_NEAR(b[4 * c + 3], a[4 * c + 3], 1e-8);
  }
}

TEST_F(Stacking, ForgetsAnEarlierFit) {
  const auto once = make(), twice = make();
  fit(*once, whole_images());
  fit(*twice, {{0, 2, 4, classes_from(0, kClasses)}});
  fit(*twice, whole_images());
  expect_near(weights(*twice), weights(*once), 0);
}

TEST_F(Stacking, CombinesTheSameInAnyOrderByAnyBands) {
  const auto ensembler = make();
  fit(*ensembler, whole_images());
  const std::vector<double> w = weights(*ensembler);
  const Part all{1, 0, kHeight, classes_from(0, kClasses)}, part{1, 4, 3, {2, 31, 33}};
  const std::vector<float> straight = combine(*ensembler, all, {0, 1, 2}), turned = combine(*ensembler, all, {2, 0, 1}),
                           few = combine(*ensembler, part, {1, 2, 0});
  const auto expected = [&](int c, int p) {
    double sum = w[static_cast<std::size_t>(4 * c + 3)];
    for (int m = 0; m < kMembers; ++m) sum += w[static_cast<std::size_t>(4 * c + m)] * data().of(1, m, c, p);
    return std::clamp(sum, 0.0, 1.0);
  };
  for (int c = 0; c < kClasses; ++c)
    for (int p = 0; p < kPixels; ++p) {
      ASSERT_NEAR(straight[static_cast<std::size_t>(c * kPixels + p)], expected(c, p), 1e-5);
      ASSERT_NEAR(turned[static_cast<std::size_t>(c * kPixels + p)],
                  straight[static_cast<std::size_t>(c * kPixels + p)], 1e-6);
    }
  for (int k = 0; k < 3; ++k)
    for (int p = 0; p < 3 * kWidth; ++p)
      ASSERT_NEAR(few[static_cast<std::size_t>(k * 3 * kWidth + p)],
                  expected(part.classes[static_cast<std::size_t>(k)], 4 * kWidth + p), 1e-5);
}

TEST_F(Stacking, ComesBackFromItsTensors) {
  const auto fitted = make({0, 1, 2}, 0.5);
  fit(*fitted, whole_images());
  const auto loaded = make({0, 1, 2}, 0.5);
  const auto from = fitted->fit()->tensors(call_), to = loaded->fit()->tensors(call_);
  ASSERT_EQ(to.size(), from.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    EXPECT_EQ(to[i].name, from[i].name);
    ASSERT_EQ(sdk::shape_text(*to[i].value), sdk::shape_text(*from[i].value));
    std::memcpy(to[i].value->data, from[i].value->data,
                static_cast<std::size_t>(sdk::element_count(*to[i].value)) * sizeof(double));
  }
  const Part all{0, 0, kHeight, classes_from(0, kClasses)};
  EXPECT_FALSE(loaded->fit()->ready());
  EXPECT_THROW(combine(*loaded, all, {0, 1, 2}), osteon::Error) << "nobody has said yet that its state was loaded";
  loaded->fit()->changed();
  int left_out = 0;
  for (int c = 0; c < kClasses; ++c)
    for (int m = 0; m < kMembers; ++m) {
      EXPECT_EQ(loaded->needed(m, c), fitted->needed(m, c));
      left_out += fitted->needed(m, c) ? 0 : 1;
    }
  EXPECT_GT(left_out, 0);
  EXPECT_EQ(combine(*loaded, all, {0, 1, 2}), combine(*fitted, all, {0, 1, 2}));
}

TEST_F(Stacking, WorksUnderTheHostsEnsemble) {
  std::shared_ptr<plugin::Ensembler> ensembler = make();
  fit(*ensembler, whole_images());
  const Part all{0, 0, kHeight, classes_from(0, kClasses)};
  const std::vector<float> expected = combine(*ensembler, all, {0, 1, 2});
  const plugin::ClassContext classes = test::classes(kClasses);
  std::vector<predict::Member> members;
  for (int m = 0; m < kMembers; ++m)
    members.push_back(test::member(
        std::make_shared<test::FunctionPredictor>(classes,
                                                  [m](std::int64_t c, std::int64_t y, std::int64_t x) {
                                                    return static_cast<double>(data().of(
                                                        0, m, static_cast<int>(c), static_cast<int>(y * kWidth + x)));
                                                  }),
        classes));
  const predict::Ensemble ensemble(ensembler, members, classes);
  const cv::Mat pixels(kHeight, kWidth, CV_32F, cv::Scalar(0));
  const predict::RootImage root(pixels, "image");
  std::vector<predict::OwnedPrediction> predictions(1);
  ensemble.predict(call_.raw(), {root.get()}, predict::make_request(OSTEON_FORM_PROBABILITIES, OSTEON_GRID_IMAGE),
                   predictions);
  const float* out = sdk::data_of<const float>(predictions[0].view(), "values");
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(out[i], expected[i], 1e-6);
}

}  // namespace
}  // namespace osteon::spikes
