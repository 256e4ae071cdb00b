// SPDX-License-Identifier: Apache-2.0
// What a model sees in training and what it sees in prediction is the same, to the last bit.
#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "data/loader.hpp"
#include "data/view.hpp"
#include "leaf_fixture.hpp"
#include "predict/predict.hpp"
#include "support/temporary_folder.hpp"

namespace osteon::predict {
namespace {

struct Kind {
  int depth, channels, model_channels;
  cv::Size file, view;
};

class OneView : public LeafTest, public ::testing::WithParamInterface<Kind> {
 protected:
  /// A data set of one image of this kind, with an empty mask.
  void expect_same();
  std::unique_ptr<data::Dataset> dataset(const std::filesystem::path& root) const {
    const Kind& kind = GetParam();
    std::filesystem::create_directories(root / "images");
    std::filesystem::create_directories(root / "masks");
    cv::Mat pixels(kind.file, CV_MAKETYPE(kind.depth, kind.channels));
    cv::RNG rng(7);
    rng.fill(pixels, cv::RNG::UNIFORM, 0, kind.depth == CV_8U ? 256 : 65536);
    cv::imwrite((root / "images" / "a.png").string(), pixels);
    cv::imwrite((root / "masks" / "a.png").string(), cv::Mat(kind.file, CV_8U, cv::Scalar(0)));
    data::DatasetOptions options;
    options.classes = {data::LabelKind::kMulticlass, {"c0", "c1"}, {}};
    return data::open_dataset("index_png", root, options);
  }
};

TEST_P(OneView, IsTheSameInTrainingAndInPrediction) {
  for (const char* intensity : {"fixed", "percentile", "zscore", "window"}) {
    recipe_.data.intensity = intensity;
    recipe_.data.intensity_range =
        std::string(intensity) == "window" ? std::vector<double>{0.2, 0.7} : std::vector<double>();
    expect_same();
  }
}

void OneView::expect_same() {
  const Kind& kind = GetParam();
  const test::TemporaryFolder folder;
  const auto data = dataset(folder.path());
  probe.channels = kind.model_channels;
  recipe_.data.image_size = {kind.view.height, kind.view.width};
  recipe_.data.channels = kind.model_channels;
  recipe_.data.mean = std::vector<double>(static_cast<std::size_t>(kind.model_channels), 0.485);
  recipe_.data.std = std::vector<double>(static_cast<std::size_t>(kind.model_channels), 0.229);

  data::LoaderOptions options;
  options.size = kind.view;
  options.channels = kind.model_channels;
  options.mean = recipe_.data.mean;
  options.std = recipe_.data.std;
  options.intensity = data::intensity_of(recipe_.data);
  options.cache_mb = 16;
  data::Loader loader(*data, {0}, nullptr, options);
  const Leaf leaf = this->leaf(true);
  predict_labels(call_.raw(), leaf, data->read_image(0), "a", {true, {}});
  for (int epoch = 0; epoch < 2; ++epoch) {  // from the file, and from the cache
    loader.start_epoch(epoch);
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->image.size(), probe.last.size());
    EXPECT_EQ(std::memcmp(batch->image.data(), probe.last.data(), probe.last.size() * sizeof(float)), 0)
        << recipe_.data.intensity << ", epoch " << epoch;
  }
}

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const int depth : {CV_8U, CV_16U})
    for (const int channels : {1, 3})
      for (const int model_channels : {1, 3})
        // As it is, larger, smaller by less than two, by more, and by more along one axis alone.
        for (const cv::Size view : {cv::Size(40, 36), {53, 61}, {30, 25}, {17, 11}, {38, 9}})
          all.push_back({depth, channels, model_channels, {40, 36}, view});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Kinds, OneView, ::testing::ValuesIn(kinds()));

// A tile of an image, a turned or a brighter copy of it: what it is is told by the whole.
TEST_F(LeafTest, TakesTheIntensityOfTheSourceWhateverPartOfItIsSeen) {
  recipe_.data.intensity = "percentile";
  recipe_.data.image_size = {24, 24};
  cv::Mat whole(48, 48, CV_32F);
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 48; ++x) whole.at<float>(y, x) = 0.3f + 0.004f * static_cast<float>(y + x);
  const RootImage root(whole, "image");
  const Leaf leaf = this->leaf();
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
  request.scale = OSTEON_SCALE_NATIVE;
  const auto predict = [&](const osteon_image& image) {
    std::vector<OwnedPrediction> predictions(1);
    leaf.predict(call_.raw(), {&image}, request, predictions);
  };
  predict(*root.get());
  const std::vector<float> all = probe.last;

  sdk::OwnedTensor pixels = sdk::Call(call_.raw()).allocate<float>({16, 16, 1});
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) pixels.data<float>()[16 * y + x] = whole.at<float>(y + 20, x + 9);
  sdk::Image tile(std::move(pixels), sdk::Affine::of({1, 0, 9, 0, 1, 20}), *root.get());
  predict(*tile.altered().raw());
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x)
      EXPECT_EQ(probe.last[static_cast<std::size_t>(16 * y + x)], all[static_cast<std::size_t>(48 * (y + 20) + x + 9)]);

  osteon_image forgetful = *root.get();
  forgetful.host = nullptr;
  EXPECT_THROW(predict(forgetful), sdk::InvalidArgument);
}

// A bone of one pixel is a line of half or a third the contrast when its neighbours are averaged, and is gone where
// every second or third pixel is all that is looked at.
TEST(View, KeepsThinBonesWhenItShrinks) {
  for (const int width : {2, 3, 4, 7}) {
    data::Image file{cv::Mat(8 * width, 8 * width, CV_8U, cv::Scalar(0)), 255};
    for (int x = width / 2; x < file.pixels.cols; x += 2 * width) file.pixels.col(x).setTo(255);
    const cv::Mat view = data::training_view(file, {8, 8}, false).pixels;
    EXPECT_NEAR(cv::mean(view)[0], 0.5 / width, 1e-6) << width;
  }
}

// What is to be augmented has the file's depth, and the nearest of its values.
TEST(View, IsRoundedForAugmentationsAlone) {
  cv::Mat pixels(31, 40, CV_8U);
  cv::RNG(3).fill(pixels, cv::RNG::UNIFORM, 0, 256);
  const data::Image file{pixels, 255};
  const data::Image plain = data::training_view(file, {20, 17}, false),
                    rounded = data::training_view(file, {20, 17}, true);
  ASSERT_EQ(plain.pixels.type(), CV_32F);
  ASSERT_EQ(rounded.pixels.type(), CV_8U);
  EXPECT_EQ(rounded.maximum, 255);
  cv::Mat back;
  rounded.pixels.convertTo(back, CV_32F, 1.0 / 255);
  EXPECT_LE(cv::norm(back, plain.pixels, cv::NORM_INF), 0.5 / 255 + 1e-6);
}

}  // namespace
}  // namespace osteon::predict
