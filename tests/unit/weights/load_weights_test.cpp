// SPDX-License-Identifier: Apache-2.0
#include "weights/load_weights.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <osteon/sdk/half.hpp>

#include "base/error.hpp"
#include "unit/weights/toy_model.hpp"

namespace {

using namespace osteon;
using namespace osteon::weights;
using test::ToyFile;
using test::ToyModel;
using ::testing::HasSubstr;

/// [2, 3, 2, 2], another number everywhere.
ToyFile rgb() { return ToyFile().add("stem.weight", {2, 3, 2, 2}).add("head.weight", {2}); }

ToyModel model_for(std::int64_t channels) {
  return ToyModel(channels).add("stem.weight", {2, channels, 2, 2}).add("head.weight", {2});
}

std::vector<float> loaded_stem(std::int64_t channels, Stem stem) {
  const ToyModel model = model_for(channels);
  load_into(rgb().tensors(), model.weights(), {/*strict=*/true, stem}, "file");
  return model.values("stem.weight");
}

/// Weight of an output, a channel of RGB and a place in the 2 x 2.
float from_rgb(int output, int channel, int at) {
  return rgb().values("stem.weight")[static_cast<std::size_t>((output * 3 + channel) * 4 + at)];
}

TEST(Stem, OfOneChannelIsTheSumOrTheMean) {
  const std::vector<float> sum = loaded_stem(1, Stem::kSum), mean = loaded_stem(1, Stem::kMean);
  ASSERT_EQ(sum.size(), 8u);
  for (int output = 0; output < 2; ++output)
    for (int at = 0; at < 4; ++at) {
      const float expected = from_rgb(output, 0, at) + from_rgb(output, 1, at) + from_rgb(output, 2, at);
      EXPECT_EQ(sum[static_cast<std::size_t>(output * 4 + at)], expected);
      EXPECT_FLOAT_EQ(mean[static_cast<std::size_t>(output * 4 + at)], expected / 3);
    }
}

TEST(Stem, OfSeveralChannelsRepeatsOrAverages) {
  for (const int channels : {2, 4, 7}) {
    const std::vector<float> sum = loaded_stem(channels, Stem::kSum), mean = loaded_stem(channels, Stem::kMean);
    for (int output = 0; output < 2; ++output)
      for (int channel = 0; channel < channels; ++channel)
        for (int at = 0; at < 4; ++at) {
          const auto i = static_cast<std::size_t>((output * channels + channel) * 4 + at);
          EXPECT_FLOAT_EQ(sum[i], from_rgb(output, channel % 3, at) * 3 / static_cast<float>(channels));
          EXPECT_FLOAT_EQ(mean[i], (from_rgb(output, 0, at) + from_rgb(output, 1, at) + from_rgb(output, 2, at)) / 3);
        }
  }
}

TEST(Stem, IsAdaptedFromAnyFloatType) {
  const std::vector<std::uint16_t> halves = {sdk::half_from_float(1), sdk::half_from_float(2), sdk::half_from_float(4)};
  const TensorData half{"stem", "F16", {1, 3, 1, 1}, reinterpret_cast<const std::byte*>(halves.data()), 6};
  EXPECT_EQ(adapt_stem(half, 1, Stem::kSum), std::vector<float>{7});
}

TEST(Stem, IsSaidToBeAdaptedAndAskedForWhenItIsNot) {
  const ToyModel model = model_for(1);
  EXPECT_EQ(load_into(rgb().tensors(), model.weights(), {false, Stem::kSum}, "file").text(),
            "stem.weight for 1 channel is the sum over RGB");
  const LoadReport exact = load_into(rgb().tensors(), model.weights(), {}, "file");
  EXPECT_EQ(exact.text(),
            "stem.weight is for RGB: model.stem = \"sum\" or \"mean\" makes it one for 1 channel\n1 tensor of another "
            "shape or type: stem.weight (file F32 [2, 3, 2, 2], model F32 [2, 1, 2, 2])");
  try {
    load_into(rgb().tensors(), model.weights(), {/*strict=*/true}, "file");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("model.stem = \"sum\""));
  }
}

TEST(Stem, IsNothingElseThanAConvolutionOfRgb) {
  // Another kernel, other outputs, channels that are neither RGB nor the image's, a model for RGB.
  for (const auto& [in, shape] : std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>>{
           {1, {2, 1, 3, 3}}, {1, {4, 1, 2, 2}}, {1, {2, 5, 2, 2}}, {3, {2, 1, 2, 2}}}) {
    const ToyModel model = ToyModel(in).add("stem.weight", shape).add("head.weight", {2});
    const LoadReport report = load_into(rgb().tensors(), model.weights(), {false, Stem::kSum}, "file");
    EXPECT_EQ(report.misshapen.size(), 1u);
    EXPECT_EQ(model.values("stem.weight")[0], -1);
  }
}

TEST(Load, StrictlyIsAllOrNothing) {
  const ToyModel model = model_for(3);
  EXPECT_THROW(load_into(ToyFile().add("stem.weight", {2, 3, 2, 2}).tensors(), model.weights(), {true}, "f"), Error);
  EXPECT_EQ(model.values("stem.weight")[0], -1);
}

TEST(Load, CountersAloneAreNoWeights) {
  ToyModel model = model_for(3).add_counter("steps");
  EXPECT_THROW(load_into(ToyFile().add_counter("steps").tensors(), model.weights(), {}, "f"), Error);
}

TEST(LoadReportText, FoldsNamesThatBeginAlike) {
  LoadReport report;
  for (const char* block : {"0", "1"})
    for (const char* end : {"conv.weight", "norm.weight", "norm.bias"})
      report.missing.push_back(std::string("decoder.blocks.") + block + "." + end);
  report.missing.push_back("head.weight");
  EXPECT_EQ(report.text(),
            "7 tensors of the model not in the file: decoder.blocks.0.conv.weight, decoder.blocks.0.norm.* (2), "
            "decoder.blocks.1.conv.weight, decoder.blocks.1.norm.* (2), head.weight");
  for (const char* end : {"conv.weight", "conv.bias"}) report.missing.push_back(std::string("decoder.last.") + end);
  report.missing.push_back("decoder.blocks.0.norm.mean");
  EXPECT_EQ(report.text(),
            "10 tensors of the model not in the file: decoder.blocks.0.* (4), decoder.blocks.1.* (3), head.weight, "
            "decoder.last.conv.* (2)");
}

}  // namespace
