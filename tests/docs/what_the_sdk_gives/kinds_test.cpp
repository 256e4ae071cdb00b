// SPDX-License-Identifier: Apache-2.0
// What docs/author/what-the-sdk-gives.md shows of losses, predictors, fitting, augmentations and OpenCV.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/border.hpp>
#include <osteon/sdk/ensembler.hpp>
#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/opencv.hpp>
#include <osteon/sdk/postprocessor.hpp>
#include <osteon/sdk/testing.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

// Losses.

class Brier {
 public:
  using Params = NoParams;
  static constexpr std::uint32_t kUnderstands =
      OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;
  Brier(const Params&, const LossRequest&) {}

  double evaluate(const Call& call, const LossInput& in) const {
    double value = 0, total = 0;
    for (std::int64_t i = 0; i < in.n(); ++i)
      for (std::int64_t c = 0; c < in.k(); ++c) total += in.counts(i, c) ? in.weight_sum(i) : 0;
    for (std::int64_t i = 0; i < in.n(); ++i)
      for (std::int64_t c = 0; c < in.k(); ++c) value += one_class(call, in, i, c, double{in.sample_weight(i)} / total);
    return value;
  }

 private:
  static double one_class(const Call& call, const LossInput& in, std::int64_t i, std::int64_t c, double share) {
    if (!in.counts(i, c)) {  // nothing is known of the class here
      in.store_zero_gradient(i, c, 0, in.pixels());
      return 0;
    }
    std::vector<float> buffers(4 * LossInput::kMaxRun);
    float *xs = buffers.data(), *ts = xs + LossInput::kMaxRun, *ws = ts + LossInput::kMaxRun,
          *slope = ws + LossInput::kMaxRun;
    const auto factor = static_cast<float>(2 * share * in.grad_scale());
    double value = 0;
    for (std::int64_t run = 0; run < in.runs(); ++run) {
      call.stop_if_cancelled();
      const std::int64_t first = run * LossInput::kMaxRun, count = in.run_length(run);
      const float *x = in.logits(i, c, first, count, xs), *t = in.targets(i, c, first, count, ts),
                  *w = in.weights(i, first, count, ws);
      for (std::int64_t p = 0; p < count; ++p) {
        const Sigmoid s = vector_sigmoid(x[p]);
        const float weighed = vector_select(w[p] != 0, w[p] * (s.p - t[p]), 0);  // 0 where the pixel is not valid
        value += double{weighed} * double{s.p - t[p]};
        slope[p] = factor * weighed * s.p * s.q;
      }
      in.store_gradient(i, c, first, count, slope);  // adds, scales and narrows as the caller wants it
    }
    return share * value;
  }
};

/// The same with weights of classes.
class BrierOfClasses {
 public:
  BrierOfClasses(const std::vector<double>& class_weight, std::int64_t classes) : share_(class_weight, classes) {}

  double evaluate(const Call& call, const LossInput& in) const {
    const double total = share_.weight_sum(in);  // ClassShares, of a parameter class_weight
    return 1 / total * sum_over_runs(call, in, [&](const ClassRun& run, auto pixels) {
             alignas(64) float slope[LossInput::kMaxRun];
             const double share = share_[run.c] * double{in.sample_weight(run.image)};
             const auto factor = static_cast<float>(2 * share / total * in.grad_scale());
             double value = 0;
             for (std::int64_t p = 0; p < run.count; ++p) {
               const Sigmoid s = vector_sigmoid(run.logits[p]);
               const float apart = pixels.mix(p, s.p, -s.q);  // p - t
               value += double{pixels.weigh(p, apart * apart)};
               slope[p] = factor * pixels.weigh(p, apart * s.p * s.q);
             }
             in.store_gradient(run.image, run.c, run.first, run.count, slope);
             return share * value;
           });
  }

 private:
  ClassShares share_;
};

TEST(TheSdkGives, ALossAsAKernel) {
  std::vector<float> logits = {0, 2, -1, 0.5}, grad(4), weight = {1, 2};
  std::vector<std::int32_t> planes = {1, 2};  // class 0 in the first pixel, class 1 in the second
  const BorrowedTensor x(logits.data(), {1, 2, 1, 2}), y(planes.data(), {1, 1, 1, 2}), g(grad.data(), {1, 2, 1, 2}),
      w(weight.data(), {1, 1, 2});
  auto raw = sized<osteon_loss_input>();
  raw.flags = OSTEON_LOSS_PIXEL_WEIGHT;
  raw.logits = x;
  raw.target = y;
  raw.grad = g;
  raw.pixel_weight = w;
  raw.grad_scale = 1;
  const osteon::sdk::testing::TestCall call;
  const auto value = [&] { return Brier({}, {}).evaluate(call.get(), LossInput(raw, 2)); };
  const double truth[] = {1, 0, 0, 1};
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double p = 1 / (1 + std::exp(-double{logits[i]})), d = p - truth[i];
    expected += double{weight[i % 2]} * d * d / 6;  // two classes of pixels that count 1 and 2
  }
  EXPECT_NEAR(value(), expected, 1e-6);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<float> slope = grad;
    const float at = logits[i], step = 0.01f;
    logits[i] = at + step;
    const double above = value();
    logits[i] = at - step;
    const double below = value();
    logits[i] = at;
    EXPECT_NEAR((above - below) / (2 * double{step}), double{slope[i]}, 1e-4);
    value();
  }
  const std::vector<float> slope = grad;
  EXPECT_NEAR(BrierOfClasses({3, 3}, 2).evaluate(call.get(), LossInput(raw, 2)), expected, 1e-6);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(grad[i], slope[i], 1e-6);
}

// Predictors.

class SharpBands final : public Reading {
 public:
  SharpBands(const Call& call, const Predictor& inner, const osteon_image& image, const osteon_predict_request& request)
      : inner_(inner), request_(request), logits_(inner.open(call, image, inner.as_logits(request))) {}

  Prediction read(const Call& call, std::int64_t rows) override {
    Prediction band = logits_->read(call, rows);
    for (std::int64_t p = 0; p < element_count(band.view()); ++p) band.data()[p] *= 2;
    inner_.finish_band(call, request_, band);  // to the form and the classes that were asked for
    return band;
  }

 private:
  const Predictor& inner_;
  osteon_predict_request request_;
  std::unique_ptr<Reading> logits_;
};

struct Sharpen {
  PostprocessorTraits traits() const {
    PostprocessorTraits traits;
    traits.map = true;  // one inner call, on the same images
    traits.needs_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
    traits.needs_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    osteon_predict_request wanted = inner.as_logits(request);  // all classes where a softmax needs them
    wanted.grid = OSTEON_GRID_IMAGE;
    std::vector<Prediction> predictions = inner.predict(call, images, wanted);
    for (std::size_t i = 0; i < images.size(); ++i) {
      call.stop_if_cancelled();
      float* logits = predictions[i].data();  // [classes, rows, columns], ours to work in
      for (std::int64_t p = 0; p < element_count(predictions[i].view()); ++p) logits[p] *= 2;
      // To the form, the grid and the classes that were asked for.
      inner.finish(call, request, images[i]->pixels.shape[0], images[i]->pixels.shape[1], predictions[i]);
    }
    return predictions;
  }

  std::unique_ptr<Reading> open(const Call& call, const Predictor& inner, const osteon_image& image,
                                const osteon_predict_request& request) const {
    return std::make_unique<SharpBands>(call, inner, image, request);
  }
};

Image half_of(const Call& call, const osteon_image& source) {
  const std::int64_t rows = source.pixels.shape[0] / 2, row = source.pixels.shape[1] * source.pixels.shape[2];
  OwnedTensor pixels = call.allocate<float>({rows, source.pixels.shape[1], source.pixels.shape[2]});
  std::copy_n(data_of<const float>(source.pixels, "an image") + rows * row, rows * row, pixels.data<float>());
  const Affine to_source = Affine::of({1, 0, 0, 0, 1, static_cast<double>(rows)});  // x' = x, y' = y + rows
  return Image(std::move(pixels), to_source, source);
}

// A predictor whose logits are the intensities, of one class.
osteon_status intensities(const osteon_call* call, const osteon_predictor*, std::uint64_t n,
                          const osteon_image* const* images, const osteon_predict_request* request,
                          osteon_prediction* const* predictions, osteon_error*) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::int64_t h = images[i]->pixels.shape[0], w = images[i]->pixels.shape[1];
    OwnedTensor logits = Call(call).allocate<float>({1, h, w});
    std::copy_n(static_cast<const float*>(images[i]->pixels.data), h * w, logits.data<float>());
    predictions[i]->form = request->form;
    predictions[i]->to_image[0] = predictions[i]->to_image[4] = 1;
    logits.move_to(&predictions[i]->values);
  }
  return OSTEON_OK;
}

TEST(TheSdkGives, PredictorsAndImages) {
  auto nothing_to_do = sized<osteon_resample_service>();
  nothing_to_do.convert = [](const osteon_call*, const osteon_predictor*, const osteon_predict_request*, std::int64_t,
                             std::int64_t, osteon_prediction*, osteon_error*) -> osteon_status { return OSTEON_OK; };
  osteon::sdk::testing::TestCall call;
  call.services[OSTEON_SERVICE_RESAMPLE] = &nothing_to_do;
  auto raw = sized<osteon_predictor>();
  raw.labels = OSTEON_LABELS_MULTILABEL;
  raw.n_classes = 1;
  raw.predict = intensities;
  raw.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
  raw.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
  const Predictor inner(&raw);
  EXPECT_TRUE(inner.gives_form(OSTEON_FORM_LOGITS));
  EXPECT_FALSE(inner.gives_form(OSTEON_FORM_BITS));

  const std::vector<float> pixels = {0, 0.25, 0.5, 0.75};
  const BorrowedTensor view(pixels.data(), {2, 2, 1});
  auto image = sized<osteon_image>();
  image.pixels = view.view();
  image.to_root[0] = image.to_root[4] = 1;
  EXPECT_TRUE(Sharpen().traits().map);
  const auto made = Sharpen().process(call.get(), inner, {&image}, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  EXPECT_EQ(made.at(0).data()[3], 1.5f);
  EXPECT_EQ(inner.batch_size(), 1);
  EXPECT_EQ(inner.threshold(0), 0.5);
  const auto reading = Sharpen().open(call.get(), inner, image, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  EXPECT_EQ(reading->read(call.get(), 1).data()[1], 0.5f);
  EXPECT_EQ(reading->read(call.get(), 1).data()[1], 1.5f);
  const Image lower = half_of(call.get(), image);
  EXPECT_EQ(lower.data()[0], 0.5f);
  EXPECT_EQ(lower.raw()->to_root[5], 1);
}

// Fitting.

class Shares {
 public:
  explicit Shares(std::size_t n_classes) : share_(n_classes), pixels_(n_classes) {}

  std::vector<StateTensor> tensors() {
    return {{"share", dtype_of<double>(), {static_cast<std::int64_t>(share_.size())}, share_.data()}};
  }
  void fit_begin(const Call&, const FitRequest&) {
    std::fill(share_.begin(), share_.end(), 0.0);
    std::fill(pixels_.begin(), pixels_.end(), 0.0);
  }
  void fit_add(const Call& call, const FitSample& sample) {
    call.stop_if_cancelled();
    for (std::uint64_t k = 0; k < sample.band.n_classes; ++k) {
      const std::int32_t c = sample.band.classes[k];
      if (!sample.class_known(c)) continue;
      for (std::int64_t p = 0; p < sample.pixels(); ++p) {
        if (!sample.known(p)) continue;
        pixels_[static_cast<std::size_t>(c)] += 1;
        share_[static_cast<std::size_t>(c)] += sample.is_set(c, p) ? 1 : 0;
      }
    }
  }
  bool fit_end(const Call&) {
    for (std::size_t c = 0; c < share_.size(); ++c) share_[c] /= std::max(1.0, pixels_[c]);
    return false;  // true: everything once more
  }

 private:
  std::vector<double> share_, pixels_;
};

TEST(TheSdkGives, Fitting) {
  static_assert(detail::HasFit<Shares>::value);
  const osteon::sdk::testing::TestCall call;
  Shares shares(2);
  shares.fit_begin(call.get(), {});
  const std::int32_t classes[] = {0, 1}, planes[] = {1, 3, 0, 1};
  const std::uint8_t valid[] = {1, 1, 1, 0};
  FitSample sample;
  sample.band.height = 1;
  sample.band.width = 4;
  sample.band.n_classes = 2;
  sample.band.classes = classes;
  sample.target = planes;
  sample.valid = valid;
  shares.fit_add(call.get(), sample);
  EXPECT_FALSE(shares.fit_end(call.get()));
  const auto* share = static_cast<const double*>(shares.tensors()[0].data);
  EXPECT_DOUBLE_EQ(share[0], 2.0 / 3);
  EXPECT_DOUBLE_EQ(share[1], 1.0 / 3);
}

// Augmentations.

class AroundAClass {
 public:
  using Params = NoParams;
  static constexpr bool kWantsBoxes = true;
  AroundAClass(const Params&, const AugmentationRequest&) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    const auto c = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(in.n_classes)));
    const auto box = in.box(c);
    if (!box) return Warp::identity();  // the class is not there
    const double x = random.uniform(box->left, box->right) - static_cast<double>(in.width - 1) / 2;
    const double y = random.uniform(box->top, box->bottom) - static_cast<double>(in.height - 1) / 2;
    return Warp::affine({1, 0, x, 0, 1, y}).constant_border(0.0, /*ignore=*/true);
  }
};

struct Wave : PointMap {
  void map(std::uint64_t count, float* xy) const override {
    for (std::uint64_t i = 0; i < count; ++i) xy[2 * i] += 4 * std::sin(xy[2 * i + 1] / 16);
  }
};
Warp waves() { return Warp::free(std::make_shared<Wave>()); }

struct Tilt {
  struct Params : BorderParams {  // border, fill
    double by = 0.1;
    static void schema(Schema<Params>& s) {
      s.add("by", &Params::by, "rows that a column comes down");
      add_border(s);
    }
  };
  Tilt(const Params& given, const AugmentationRequest&) : params(given) {}
  Warp sample(const Call& call, Random&, const WarpRequest&) const {
    call.note(nullptr, "by", params.by);
    return params.beyond(Warp::affine({1, 0, 0, params.by, 1, 0}));
  }
  Params params;
};

class Erase {
 public:
  using Params = NoParams;
  static constexpr bool kEditsLabels = true;
  Erase(const Params&, const AugmentationRequest&) {}

  void apply(const Call&, Random& random, Pixels& pixels) const {
    const auto row = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(pixels.height())));
    float* image = pixels.data<float>() + row * pixels.width() * pixels.channels();
    std::fill_n(image, pixels.width() * pixels.channels(), 0.0f);
    if (pixels.valid() == nullptr) return;
    std::uint8_t* valid = data_of<std::uint8_t>(*pixels.valid(), "valid") + row * pixels.width();
    std::fill_n(valid, pixels.width(), std::uint8_t{0});  // nobody can know what was there
  }
};

TEST(TheSdkGives, Augmentations) {
  const double boxes[] = {2, 3, 2, 3};
  Random random(1, 2);
  auto warp = sized<osteon_warp>();
  AroundAClass({}, {}).sample(random, {5, 5, 5, 5, 0, 1, boxes}).give(&warp);
  EXPECT_EQ(warp.matrix[2], 0);
  EXPECT_EQ(warp.matrix[5], 1);
  EXPECT_EQ(warp.flags, std::uint32_t{OSTEON_WARP_IGNORE_OUTSIDE});
  Warp::end(&warp);
  float point[] = {0, 0};
  waves().map().map(1, point);
  EXPECT_EQ(point[0], 0);
  EXPECT_EQ(augmentation<Tilt>({"tilt", "1.0.0", "Columns come down."}).n_params, 3u);

  std::vector<float> image(6, 1);
  std::vector<std::uint8_t> valid(6, 1);
  const BorrowedTensor view(image.data(), {2, 3, 1}), known(valid.data(), {2, 3});
  auto raw = sized<osteon_pixels>();
  raw.image = view;
  raw.valid = known;
  raw.maximum = 1;
  Pixels pixels(raw);
  const osteon::sdk::testing::TestCall call;
  Erase({}, {}).apply(call.get(), random, pixels);
  EXPECT_EQ(std::count(image.begin(), image.end(), 0.0f), 3);
  EXPECT_EQ(std::count(valid.begin(), valid.end(), 0), 3);
}

// OpenCV.

void blur(Pixels& pixels, double sigma) {
  cv::Mat image = as_mat(pixels);  // the augmentation's own pixels: what is written there is the result
  cv::GaussianBlur(image, image, {}, sigma);
}

void fill_holes(Prediction& prediction) {
  for (std::int64_t k = 0; k < prediction.classes(); ++k) {
    cv::Mat plane = plane_mat(prediction.view(), k);  // one class, [rows, columns]
    cv::morphologyEx(plane, plane, cv::MORPH_CLOSE, cv::getStructuringElement(cv::MORPH_ELLIPSE, {5, 5}));
  }
}

TEST(TheSdkGives, OpenCv) {
  std::vector<float> image(25, 0);
  image[12] = 1;
  const BorrowedTensor view(image.data(), {5, 5, 1});
  auto raw = sized<osteon_pixels>();
  raw.image = view;
  raw.maximum = 1;
  Pixels pixels(raw);
  blur(pixels, 1.0);
  EXPECT_LT(image[12], 0.5f);
  EXPECT_GT(image[11], 0.05f);

  const osteon::sdk::testing::TestCall call;
  OwnedTensor planes = call.get().allocate<float>({1, 5, 5});
  std::fill_n(planes.data<float>(), 25, 1.0f);
  planes.data<float>()[12] = 0;
  Prediction prediction;
  prediction.set(std::move(planes));
  fill_holes(prediction);
  EXPECT_EQ(prediction.data()[12], 1.0f);
}

}  // namespace
