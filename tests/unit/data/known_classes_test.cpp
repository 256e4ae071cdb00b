// SPDX-License-Identifier: Apache-2.0
// Which classes are known, and what images weigh, on the way from the files to the batch.
#include <gtest/gtest.h>

#include "data/augment.hpp"
#include "data/loader.hpp"
#include "support/found_plugins.hpp"
#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

constexpr int kSide = 8;

std::string png(std::uint8_t value) {
  return tests::make_png(kSide, std::vector<std::string>(kSide, std::string(kSide, static_cast<char>(value))), 8, 0);
}

/// Images 0 .. n - 1 of three classes. Image i has no mask of class i, but for image 3, which has all.
std::unique_ptr<Dataset> dataset(const std::filesystem::path& root, int n, const std::string& weights = "") {
  DatasetOptions options;
  options.classes = {LabelKind::kMultilabel, {"left", "middle", "right"}, {2, 1, 0}};
  options.absent = Absent::kUnknown;
  for (int i = 0; i < n; ++i) {
    const std::string name = std::to_string(i) + ".png";
    tests::write_bytes(root / "images" / name, png(100));
    for (int c = 0; c < 3; ++c)
      if (c != i)
        tests::write_bytes(root / "masks" / options.classes.names[static_cast<std::size_t>(c)] / name, png(1));
  }
  if (!weights.empty()) {
    options.weights = root / "weights.csv";
    tests::write_bytes(options.weights, weights);
  }
  return open_dataset("class_png", root, options);
}

LoaderOptions options(int batch_size) {
  LoaderOptions made;
  made.size = {kSide, kSide};
  made.channels = 1;
  made.batch_size = batch_size;
  made.cache_mb = 1;
  return made;
}

recipe::AugmentStep step(const std::string& name) {
  recipe::AugmentStep made;
  made.component.kind = plugin::Kind::kAugmentation;
  made.component.plugin = name;
  made.component.parameters = test::default_parameters(*test::registry().find(plugin::Kind::kAugmentation, name));
  return made;
}

std::vector<std::uint8_t> known_of(const Batch& batch) {
  return {batch.class_valid.data(), batch.class_valid.data() + batch.class_valid.size()};
}

TEST(KnownClasses, ComeWithTheBatch) {
  const tests::TemporaryFolder folder;
  const auto data = dataset(folder.path(), 4);
  Loader loader(*data, {0, 1, 3, 2}, nullptr, options(2));
  for (int epoch = 0; epoch < 2; ++epoch) {  // from the files, and from the cache
    loader.start_epoch(epoch);
    auto batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->classes, 3);
    EXPECT_EQ(known_of(*batch), (std::vector<std::uint8_t>{0, 1, 1, 1, 0, 1}));
    EXPECT_EQ(batch->planes.data()[0], 6);
    loader.recycle(std::move(*batch));
    batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(known_of(*batch), (std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0})) << "all of the first image are known";
  }
  Loader complete(*data, {3}, nullptr, options(1));
  complete.start_epoch(0);
  EXPECT_TRUE(complete.next()->class_valid.empty());
}

TEST(KnownClasses, ChangePlacesWithTheirMirroredOnes) {
  const tests::TemporaryFolder folder;
  const auto data = dataset(folder.path(), 4);
  const plugin::ClassContext classes{false, {"left", "middle", "right"}, {2, 1, 0}};
  for (const char* between : {"", "random_brightness_contrast", "rotate"}) {
    std::vector<recipe::AugmentStep> steps = {step("horizontal_flip")};
    if (*between != 0) steps.push_back(step(between));
    const AugmentPipeline augment(steps, test::registry(), classes);
    Loader loader(*data, {0, 1}, &augment, options(2));
    loader.start_epoch(0);
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(known_of(*batch), (std::vector<std::uint8_t>{1, 1, 0, 1, 0, 1})) << between;
  }
}

TEST(KnownClasses, WeightsOfImagesComeWithTheBatch) {
  const tests::TemporaryFolder folder;
  const auto data = dataset(folder.path(), 4, "image,weight\n1.png,0.5\n2.png,0\n");
  Loader loader(*data, {0, 1, 2}, nullptr, options(2));
  loader.start_epoch(0);
  auto batch = loader.next();
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->sample_weight.size(), 2u);
  EXPECT_EQ(batch->sample_weight.data()[0], 1.0f);
  EXPECT_EQ(batch->sample_weight.data()[1], 0.5f);
  batch = loader.next();
  ASSERT_EQ(batch->sample_weight.size(), 1u);
  EXPECT_EQ(batch->sample_weight.data()[0], 0.0f);
  const tests::TemporaryFolder other;
  const auto plain = dataset(other.path(), 4);
  Loader without(*plain, {0}, nullptr, options(1));
  without.start_epoch(0);
  EXPECT_TRUE(without.next()->sample_weight.empty());
}

TEST(KnownClasses, ABrokenImageTakesItsWeightAndItsClassesAlong) {
  const tests::TemporaryFolder folder;
  const auto data = dataset(folder.path(), 4, "image,weight\n0.png,0.25\n1.png,0.5\n2.png,2\n");
  tests::write_bytes(folder / "images" / "0.png", "\x89PNG\r\n\x1a\ncut");
  BrokenSamples broken(OnBroken::kSkip);
  LoaderOptions skipping = options(3);
  skipping.broken = &broken;
  Loader loader(*data, {0, 1, 2}, nullptr, skipping);
  loader.start_epoch(0);
  const auto batch = loader.next();
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->n, 2);
  EXPECT_EQ(known_of(*batch), (std::vector<std::uint8_t>{1, 0, 1, 1, 1, 0}));
  ASSERT_EQ(batch->sample_weight.size(), 2u);
  EXPECT_EQ(batch->sample_weight.data()[0], 0.5f);
  EXPECT_EQ(batch->sample_weight.data()[1], 2.0f);
}

}  // namespace
}  // namespace osteon::data
