// SPDX-License-Identifier: Apache-2.0

/// Augmentations of a grey image with 29 classes through the recipe's pipeline, beside the same operators of OpenCV
/// called one after the other on the image and on each of 29 masks, turn by turn and with as many threads:
/// milliseconds, `opencv_ms`, and `ratio`, how many times as long OpenCV takes.
///
///     augment_benchmark [--benchmark_filter=...]
#include <algorithm>
#include <chrono>
#include <vector>

#include <benchmark/benchmark.h>
#include <opencv2/imgproc.hpp>

#include "data/augment.hpp"
#include "engine/environment.hpp"
#include "support/found_plugins.hpp"

namespace {

using namespace osteon;
using Given = std::map<std::string, plugin::ParameterValue>;

constexpr int kClasses = 29;
constexpr int kThreads = 2;

recipe::AugmentStep step(const std::string& name, const Given& given = {}) {
  recipe::AugmentStep made;
  made.component.kind = plugin::Kind::kAugmentation;
  made.component.plugin = name;
  for (const plugin::ParameterSpec& spec : test::registry().find(plugin::Kind::kAugmentation, name)->parameters) {
    const auto found = given.find(spec.name);
    made.component.parameters.push_back(found != given.end() ? found->second : spec.default_value.value());
  }
  return made;
}

Given range(const char* name, double low, double high) { return {{name, std::vector<double>{low, high}}}; }

recipe::AugmentStep elastic(double alpha, double sigma) {
  return step("elastic_transform", {{"alpha", std::vector<double>{alpha}}, {"sigma", std::vector<double>{sigma}}});
}

/// A hand-like picture: bones that overlap a little, on a background with texture.
struct Sample {
  data::Image image;
  data::Labels labels;
  std::vector<cv::Mat> masks;

  explicit Sample(int size) : image{cv::Mat(size, size, CV_8U), 255.0}, labels(kClasses, {size, size}) {
    cv::RNG rng(1);
    rng.fill(image.pixels, cv::RNG::UNIFORM, 0, 60);
    for (int c = 0; c < kClasses; ++c) {
      cv::Mat mask(size, size, CV_8U, cv::Scalar(0));
      const cv::Point centre(size * (c % 6 + 1) / 7, size * (c / 6 + 1) / 6);
      cv::ellipse(mask, centre, {size / 22, size / 13}, 12.0 * c, 0, 360, 1, cv::FILLED);
      image.pixels.setTo(100 + 4 * c, mask);
      labels.add(c, mask);
      masks.push_back(mask);
    }
  }
};

const Sample& sample(int size) {
  static const Sample small(1024), large(2048);
  return size == 1024 ? small : large;
}

/// OpenCV, step by step.
class ByOpenCv {
 public:
  explicit ByOpenCv(const Sample& from) : image_(from.image.pixels), masks_(from.masks) {}

  ByOpenCv& flip() {
    return each([](const cv::Mat& from, cv::Mat& to, bool) { cv::flip(from, to, 1); });
  }
  ByOpenCv& rotate() {
    const double side = image_.cols - 1;
    const cv::Mat matrix = cv::getRotationMatrix2D({static_cast<float>(side / 2), static_cast<float>(side / 2)}, 17, 1);
    return each([&](const cv::Mat& from, cv::Mat& to, bool image) {
      cv::warpAffine(from, to, matrix, from.size(), image ? cv::INTER_LINEAR : cv::INTER_NEAREST,
                     cv::BORDER_REFLECT_101);
    });
  }
  ByOpenCv& grid() {
    std::vector<float> at(static_cast<std::size_t>(image_.cols));
    for (std::size_t i = 0; i < at.size(); ++i)
      at[i] = static_cast<float>(i) + 12 * std::sin(static_cast<float>(i) * 0.004f);
    cv::Mat x, y;
    const cv::Mat row(1, image_.cols, CV_32F, at.data());
    cv::repeat(row, image_.rows, 1, x);
    cv::repeat(row.t(), 1, image_.cols, y);
    return follow(x, y);
  }
  ByOpenCv& elastic(double alpha, double sigma) {
    cv::Mat fields[2];
    const int side = 2 * static_cast<int>(std::ceil(4 * sigma)) + 1;
    for (int axis = 0; axis < 2; ++axis) {
      cv::Mat noise(image_.size(), CV_32F);
      random_.fill(noise, cv::RNG::UNIFORM, -1, 1);
      cv::GaussianBlur(noise, fields[axis], {side, side}, sigma);
      for (int v = 0; v < noise.rows; ++v)
        for (int u = 0; u < noise.cols; ++u)
          fields[axis].at<float>(v, u) =
              fields[axis].at<float>(v, u) * static_cast<float>(alpha) + static_cast<float>(axis == 0 ? u : v);
    }
    return follow(fields[0], fields[1]);
  }
  ByOpenCv& clahe() {
    cv::Mat to;
    cv::createCLAHE(2.5, {8, 8})->apply(image_, to);
    image_ = to;
    return *this;
  }
  ByOpenCv& blur() {
    cv::Mat to;
    cv::GaussianBlur(image_, to, {5, 5}, 1.1, 1.1, cv::BORDER_REFLECT_101);
    image_ = to;
    return *this;
  }
  ByOpenCv& brightness_contrast() {
    cv::Mat table(1, 256, CV_8U), to;
    for (int v = 0; v < 256; ++v) table.at<std::uint8_t>(v) = cv::saturate_cast<std::uint8_t>(v * 1.1 + 20);
    cv::LUT(image_, table, to);
    image_ = to;
    return *this;
  }
  const cv::Mat& image() const { return image_; }

 private:
  template <class Apply>
  ByOpenCv& each(Apply&& apply) {
    cv::Mat to;
    apply(image_, to, true);
    image_ = to;
    for (cv::Mat& mask : masks_) {
      cv::Mat moved;
      apply(mask, moved, false);
      mask = moved;
    }
    return *this;
  }
  ByOpenCv& follow(const cv::Mat& x, const cv::Mat& y) {
    return each([&](const cv::Mat& from, cv::Mat& to, bool image) {
      cv::remap(from, to, x, y, image ? cv::INTER_LINEAR : cv::INTER_NEAREST, cv::BORDER_REFLECT_101);
    });
  }
  cv::Mat image_;
  std::vector<cv::Mat> masks_;
  cv::RNG random_{3};
};

double milliseconds_of(const std::chrono::steady_clock::time_point& start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

template <class Reference>
void compare(benchmark::State& state, int size, const std::vector<recipe::AugmentStep>& steps, Reference&& reference) {
  plugin::ClassContext classes;
  for (int c = 0; c < kClasses; ++c) classes.names.push_back("c" + std::to_string(c));
  const data::AugmentPipeline pipeline(steps, test::registry(), classes);
  const Sample& given = sample(size);
  cv::setNumThreads(kThreads);
  plugin::CallOptions options;
  options.threads = kThreads;
  std::vector<double> ours, theirs;
  std::uint64_t key = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    {
      const plugin::Call call(options);
      data::Image image = given.image;
      data::Labels labels = given.labels;
      pipeline.apply(call, data::RandomKey{{++key, 5}}, image, labels);
      benchmark::DoNotOptimize(image.pixels.data);
    }
    ours.push_back(milliseconds_of(start));
    state.SetIterationTime(ours.back() / 1000);
    start = std::chrono::steady_clock::now();
    ByOpenCv by_opencv(given);
    reference(by_opencv);
    benchmark::DoNotOptimize(by_opencv.image().data);
    theirs.push_back(milliseconds_of(start));
  }
  state.counters["median_ms"] = median(ours);
  state.counters["opencv_ms"] = median(theirs);
  state.counters["ratio"] = median(theirs) / median(ours);
}

const recipe::AugmentStep kRotate = step("rotate", range("limit", -30, 30));
const recipe::AugmentStep kGrid = step("grid_distortion", range("distort_limit", -0.2, 0.2));

std::vector<recipe::AugmentStep> chain(double alpha, double sigma) {
  return {step("horizontal_flip"),
          kRotate,
          elastic(alpha, sigma),
          kGrid,
          step("clahe", range("clip_limit", 1, 4)),
          step("gaussian_blur"),
          step("random_brightness_contrast")};
}

void chain_of(ByOpenCv& by, double alpha, double sigma) {
  by.flip().rotate().elastic(alpha, sigma).grid().clahe().blur().brightness_contrast();
}

void horizontal_flip_2048(benchmark::State& s) {
  compare(s, 2048, {step("horizontal_flip")}, [](ByOpenCv& by) { by.flip(); });
}
void rotate_2048(benchmark::State& s) {
  compare(s, 2048, {kRotate}, [](ByOpenCv& by) { by.rotate(); });
}
void grid_distortion_2048(benchmark::State& s) {
  compare(s, 2048, {kGrid}, [](ByOpenCv& by) { by.grid(); });
}
void elastic_1_50_2048(benchmark::State& s) {
  compare(s, 2048, {elastic(1, 50)}, [](ByOpenCv& by) { by.elastic(1, 50); });
}
void elastic_15_2_2048(benchmark::State& s) {
  compare(s, 2048, {elastic(15, 2)}, [](ByOpenCv& by) { by.elastic(15, 2); });
}
void clahe_2048(benchmark::State& s) {
  compare(s, 2048, {step("clahe", range("clip_limit", 1, 4))}, [](ByOpenCv& by) { by.clahe(); });
}
void gaussian_blur_2048(benchmark::State& s) {
  compare(s, 2048, {step("gaussian_blur")}, [](ByOpenCv& by) { by.blur(); });
}
void random_brightness_contrast_2048(benchmark::State& s) {
  compare(s, 2048, {step("random_brightness_contrast")}, [](ByOpenCv& by) { by.brightness_contrast(); });
}
void chain_with_elastic_1_50_1024(benchmark::State& s) {
  compare(s, 1024, chain(1, 50), [](ByOpenCv& by) { chain_of(by, 1, 50); });
}
void chain_with_elastic_15_2_1024(benchmark::State& s) {
  compare(s, 1024, chain(15, 2), [](ByOpenCv& by) { chain_of(by, 15, 2); });
}

#define OSTEON_BENCHMARK(name) BENCHMARK(name)->Unit(benchmark::kMillisecond)->UseManualTime()->Iterations(15)
OSTEON_BENCHMARK(horizontal_flip_2048);
OSTEON_BENCHMARK(rotate_2048);
OSTEON_BENCHMARK(grid_distortion_2048);
OSTEON_BENCHMARK(elastic_1_50_2048);
OSTEON_BENCHMARK(elastic_15_2_2048);
OSTEON_BENCHMARK(clahe_2048);
OSTEON_BENCHMARK(gaussian_blur_2048);
OSTEON_BENCHMARK(random_brightness_contrast_2048);
OSTEON_BENCHMARK(chain_with_elastic_1_50_1024);
OSTEON_BENCHMARK(chain_with_elastic_15_2_1024);

}  // namespace

int main(int count, char** arguments) {
  osteon::engine::prepare_numeric_environment();  // as the program does, so that freed memory is used again
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
