// SPDX-License-Identifier: Apache-2.0
// The fit is compared with the least of the cross-entropy over all pixels, found by trying.
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include <osteon/sdk/postprocessor.hpp>
#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "plugin/postprocessor.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

constexpr int kClasses = 3, kImages = 2, kHeight = 40, kWidth = 50, kPixels = kHeight * kWidth;

/// Logits of images whose truth is drawn from them at another temperature.
struct Data {
  std::vector<float> logits[kImages];        // [kClasses, kHeight, kWidth]
  std::vector<std::int32_t> truth[kImages];  // bit planes
  std::vector<std::uint8_t> valid[kImages];

  Data(const std::vector<double>& temperatures, bool exclusive) {
    sdk::Random random(3, 4);
    for (int i = 0; i < kImages; ++i) {
      for (int n = 0; n < kClasses * kPixels; ++n) logits[i].push_back(static_cast<float>(4 * random.normal() - 1));
      for (int p = 0; p < kPixels; ++p) {
        valid[i].push_back(random.chance(0.9) ? 1 : 0);
        std::int32_t word = 0;
        double sum = 0, at[kClasses];
        for (int c = 0; c < kClasses; ++c) {
          const double z = logit(i, c, p) / temperatures[static_cast<std::size_t>(c)];
          sum += at[c] = std::exp(z);
          if (!exclusive && random.chance(1 / (1 + std::exp(-z)))) word |= 1 << c;
        }
        if (exclusive) {
          double draw = random.uniform(0, sum);
          int c = 0;
          while (c + 1 < kClasses && draw >= at[c]) draw -= at[c++];
          word = 1 << c;
        }
        truth[i].push_back(word);
      }
    }
  }
  double logit(int i, int c, int p) const {
    return static_cast<double>(logits[i][static_cast<std::size_t>(c * kPixels + p)]);
  }
  bool is_set(int i, int c, int p) const { return (truth[i][static_cast<std::size_t>(p)] >> c & 1) != 0; }
};

double binary_loss(const Data& data, double temperature, int first, int last) {
  double sum = 0;
  for (int i = 0; i < kImages; ++i)
    for (int c = first; c < last; ++c)
      for (int p = 0; p < kPixels; ++p) {
        if (data.valid[i][static_cast<std::size_t>(p)] == 0) continue;
        const double z = data.logit(i, c, p) / temperature;
        sum += std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - (data.is_set(i, c, p) ? z : 0);
      }
  return sum;
}

double softmax_loss(const Data& data, double temperature) {
  double sum = 0;
  for (int i = 0; i < kImages; ++i)
    for (int p = 0; p < kPixels; ++p) {
      if (data.valid[i][static_cast<std::size_t>(p)] == 0) continue;
      double total = 0;
      for (int c = 0; c < kClasses; ++c) total += std::exp(data.logit(i, c, p) / temperature);
      for (int c = 0; c < kClasses; ++c)
        if (data.is_set(i, c, p)) sum += std::log(total) - data.logit(i, c, p) / temperature;
    }
  return sum;
}

/// Golden section over the logarithm of the temperature, in which these losses fall and then rise.
double least(const std::function<double(double)>& loss) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double low = std::log(0.05), high = std::log(20.0);
  for (int n = 0; n < 80; ++n) {
    const double a = high - ratio * (high - low), b = low + ratio * (high - low);
    (loss(std::exp(a)) < loss(std::exp(b)) ? high : low) = loss(std::exp(a)) < loss(std::exp(b)) ? b : a;
  }
  return std::exp((low + high) / 2);
}

class Temperature : public ::testing::Test {
 protected:
  std::unique_ptr<plugin::Postprocessor> make(bool per_class, bool multiclass = false) {
    const auto component = linked_component(plugin::Kind::kPostprocessor, "temperature");
    return std::make_unique<plugin::Postprocessor>(
        component, parameters_of(component, {{"per_class", std::vector<bool>{per_class}}}),
        plugin::ClassContext{multiclass, {"a", "b", "c"}, {}}, call_);
  }
  /// Bands of `rows` rows; how often everything was added.
  int fit(plugin::Postprocessor& post, const Data& data, int rows, const std::uint8_t* class_valid = nullptr) {
    plugin::Fit& fit = *post.fit();
    fit.begin(call_, 1, nullptr);
    int passes = 0;
    do {
      for (int i = 0; i < kImages; ++i)
        for (int first = 0; first < kHeight; first += rows)
          add(fit, data, i, first, std::min(rows, kHeight - first), class_valid);
      ++passes;
    } while (fit.end(call_));
    return passes;
  }
  void add(plugin::Fit& fit, const Data& data, int i, int first, int rows, const std::uint8_t* class_valid) {
    const int size = rows * kWidth, at = first * kWidth;
    std::vector<float> said;
    for (int c = 0; c < kClasses; ++c)
      said.insert(said.end(), data.logits[i].begin() + c * kPixels + at,
                  data.logits[i].begin() + c * kPixels + at + size);
    const sdk::BorrowedTensor member(said.data(), {kClasses, rows, kWidth});
    const sdk::BorrowedTensor target(data.truth[i].data() + at, {1, rows, kWidth});
    const sdk::BorrowedTensor valid(data.valid[i].data() + at, {rows, kWidth});
    const std::int32_t classes[] = {0, 1, 2};
    auto band = sdk::sized<osteon_band>();
    band.first_row = first;
    band.height = rows;
    band.width = kWidth;
    band.n_classes = kClasses;
    band.classes = classes;
    const osteon_tensor_view* members[] = {member};
    auto sample = sdk::sized<osteon_fit_sample>();
    const std::string id = std::to_string(i);
    sample.image = id.c_str();
    sample.band = &band;
    sample.n_members = 1;
    sample.members = members;
    sample.target = target;
    sample.valid = valid;
    sample.class_valid = class_valid;
    fit.add(call_, sample);
  }
  std::vector<double> state(plugin::Postprocessor& post) {
    const auto tensors = post.fit()->tensors(call_);
    EXPECT_EQ(tensors.at(0).name, "temperature");
    const auto* values = sdk::data_of<const double>(*tensors.at(0).value, "temperatures");
    return {values, values + sdk::element_count(*tensors.at(0).value)};
  }
  plugin::Call call_;
};

// The bins of logits are 1 / 128 of an octave wide, and their error is of second order.
constexpr double kTolerance = 1e-4;

TEST_F(Temperature, IsThatOfTheLeastBinaryCrossEntropyOfEachClass) {
  const Data data({0.5, 1, 3}, false);
  const auto post = make(true), bands = make(true);
  EXPECT_EQ(fit(*post, data, kHeight), 1);
  const std::vector<double> found = state(*post);
  ASSERT_EQ(found.size(), 3u);
  for (int c = 0; c < kClasses; ++c) {
    const double expected = least([&](double t) { return binary_loss(data, t, c, c + 1); });
    EXPECT_NEAR(found[static_cast<std::size_t>(c)] / expected, 1, kTolerance) << c;
  }
  fit(*bands, data, 7);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(state(*bands)[c], found[c], 1e-9) << "bands change nothing";
}

TEST_F(Temperature, IsOneForAllClassesUnlessToldOtherwise) {
  const Data data({0.5, 1, 3}, false);
  const auto post = make(false);
  fit(*post, data, 13);
  ASSERT_EQ(state(*post).size(), 1u);
  const double expected = least([&](double t) { return binary_loss(data, t, 0, kClasses); });
  EXPECT_NEAR(state(*post)[0] / expected, 1, kTolerance);
}

TEST_F(Temperature, IsThatOfTheLeastCrossEntropyWhereAPixelHasOneClass) {
  for (const double drawn : {0.4, 2.5}) {
    const Data data({drawn, drawn, drawn}, true);
    const auto post = make(false, true);
    const int passes = fit(*post, data, 11);
    EXPECT_GT(passes, 2);
    EXPECT_LT(passes, 15) << "Newton's method doubles the digits with each";
    const double expected = least([&](double t) { return softmax_loss(data, t); });
    EXPECT_NEAR(state(*post)[0] / expected, 1, 1e-5);
    EXPECT_NEAR(expected / drawn, 1, 0.1) << "the test's own data";
  }
  EXPECT_THROW(make(true, true), Error) << "a softmax has one temperature";
}

TEST_F(Temperature, ForgetsAnEarlierFitAndLeavesOutUnknownClasses) {
  const Data first({3, 3, 3}, false), second({0.5, 1, 2}, false);
  const auto once = make(true), twice = make(true);
  const std::uint8_t known[] = {1, 0, 1};
  fit(*once, second, 20, known);
  fit(*twice, first, 20);
  fit(*twice, second, 20, known);
  EXPECT_EQ(state(*twice), state(*once));
  EXPECT_EQ(state(*once)[1], 1) << "nothing is known of it";
  const Data all({0.5, 1, 2}, false);
  const auto whole = make(true);
  fit(*whole, all, 20);
  EXPECT_EQ(state(*once)[0], state(*whole)[0]);
  EXPECT_EQ(state(*once)[2], state(*whole)[2]);
}

osteon_status predict_sixes(const osteon_call* call, const osteon_predictor*, std::uint64_t n,
                            const osteon_image* const* images, const osteon_predict_request* request,
                            osteon_prediction* const* predictions, osteon_error*) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto classes = static_cast<std::int64_t>(request->n_classes > 0 ? request->n_classes : kClasses);
    sdk::OwnedTensor values =
        sdk::Call(call).allocate<float>({classes, images[i]->pixels.shape[0], images[i]->pixels.shape[1]});
    std::fill_n(values.data<float>(), sdk::element_count(values.view()), 6.0f);
    predictions[i]->form = OSTEON_FORM_LOGITS;
    predictions[i]->to_image[0] = predictions[i]->to_image[4] = 1;
    values.move_to(&predictions[i]->values);
  }
  return OSTEON_OK;
}

TEST_F(Temperature, DividesEachClassesLogitsByItsOwn) {
  static const osteon_resample_service kNothingToDo = {
      sizeof(osteon_resample_service), 0,
      [](const osteon_call*, const osteon_predictor*, const osteon_predict_request*, std::int64_t, std::int64_t,
         osteon_prediction*, osteon_error*) -> osteon_status { return OSTEON_OK; }};
  plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kNothingToDo);
  auto inner = sdk::sized<osteon_predictor>();
  inner.labels = OSTEON_LABELS_MULTILABEL;
  inner.n_classes = kClasses;
  inner.predict = predict_sixes;
  inner.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
  inner.gives_grids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);
  std::vector<float> pixels(6, 0.5f);
  const sdk::BorrowedTensor view(pixels.data(), {2, 3, 1});
  auto image = sdk::sized<osteon_image>();
  image.pixels = view.view();
  image.to_root[0] = image.to_root[4] = 1;
  const osteon_image* images[] = {&image};
  const std::int32_t wanted[] = {0, 2};
  osteon_predict_request request = sdk::make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
  request.n_classes = 2;
  request.classes = wanted;

  const auto post = make(true);
  sdk::Prediction prediction;
  osteon_prediction* out[] = {&prediction.raw()};
  EXPECT_THROW(post->process(call_.raw(), inner, 1, images, request, out), Error) << "it was not fitted";
  auto* state = static_cast<double*>(post->fit()->tensors(call_)[0].value->data);
  state[0] = 2, state[1] = 100, state[2] = 0.5;
  post->fit()->changed();
  post->process(call_.raw(), inner, 1, images, request, out);
  ASSERT_EQ(sdk::shape_text(prediction.view()), "[2, 2, 3]");
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(prediction.data()[i], 3);
    EXPECT_EQ(prediction.data()[6 + i], 12);
  }
  state[2] = -1;
  sdk::Prediction none;
  out[0] = &none.raw();
  EXPECT_THROW(post->process(call_.raw(), inner, 1, images, request, out), Error) << "no temperature";
}

}  // namespace
}  // namespace osteon::test
