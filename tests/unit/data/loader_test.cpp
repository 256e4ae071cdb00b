// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "toy_dataset.hpp"

namespace osteon::data {
namespace {

using tests::kToyHeight;
using tests::kToyWidth;
using tests::toy_dataset;
using tests::toy_options;

constexpr std::size_t kArea = std::size_t{kToyWidth} * kToyHeight;

std::vector<int> first(int n) {
  std::vector<int> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

std::vector<Batch> epoch(Loader& loader, std::int64_t number, std::int64_t first_image = 0) {
  std::vector<Batch> batches;
  loader.start_epoch(number, first_image);
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

std::vector<int> order_of(const std::vector<Batch>& batches) {
  std::vector<int> order;
  for (const Batch& batch : batches) order.insert(order.end(), batch.indices.begin(), batch.indices.end());
  return order;
}

void break_image(const std::filesystem::path& root, int i) {
  tests::write_bytes(root / "images" / (std::to_string(i) + ".png"), "\x89PNG\r\n\x1a\ncut");
}

class LoaderOfWorkers : public testing::TestWithParam<int> {
 protected:
  LoaderOptions options() const {
    LoaderOptions made = toy_options();
    made.workers = GetParam();
    return made;
  }
  tests::TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Workers, LoaderOfWorkers, testing::Values(0, 1, 3));

TEST_P(LoaderOfWorkers, NormalisesPixelsAndKeepsBits) {
  const auto dataset = toy_dataset(folder_.path(), 5);
  LoaderOptions o = options();
  o.channels = 3;
  o.mean = {0.5, 0.25, 0};
  o.std = {0.5, 2, 1};
  Loader loader(*dataset, first(5), nullptr, o);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[2].n, 1);
  for (std::size_t b = 0; b < 3; ++b) {
    const Batch& batch = batches[b];
    EXPECT_EQ(batch.number, static_cast<std::int64_t>(b));
    EXPECT_EQ(batch.planes_per_image, 1);
    ASSERT_EQ(batch.image.size(), static_cast<std::size_t>(batch.n) * 3 * kArea);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(batch.image.data()) % 64, 0u);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.n); ++i)
      for (int y = 0; y < kToyHeight; ++y)
        for (int x = 0; x < kToyWidth; ++x) {
          const int image = batch.indices[i];
          const std::size_t at = static_cast<std::size_t>(y) * kToyWidth + static_cast<std::size_t>(x);
          for (std::size_t c = 0; c < 3; ++c)
            EXPECT_NEAR(batch.image.data()[(i * 3 + c) * kArea + at],
                        (tests::toy_pixel(image, x, y) / 255.0 - o.mean[c]) / o.std[c], 1e-6);
          const int k = tests::toy_class(image, x, y);
          EXPECT_EQ(batch.planes.data()[i * kArea + at], k == 255 ? 0 : 1 << k);
          EXPECT_EQ(batch.valid.empty() ? 1 : batch.valid.data()[i * kArea + at], k == 255 ? 0 : 1);
        }
  }
  EXPECT_TRUE(batches[0].valid.empty());
  EXPECT_EQ(batches[1].valid.size(), 2 * kArea);  // of image 2, and 1 throughout for image 3
}

TEST_P(LoaderOfWorkers, ShufflesEveryEpochAnewAndAlwaysAlike) {
  const auto dataset = toy_dataset(folder_.path(), 10);
  LoaderOptions o = options();
  o.shuffle = true;
  o.seed = 3;
  Loader one(*dataset, first(10), nullptr, o), two(*dataset, first(10), nullptr, o);
  const auto e0 = order_of(epoch(one, 0)), e1 = order_of(epoch(one, 1));
  EXPECT_NE(e0, e1);
  EXPECT_EQ(order_of(epoch(two, 1)), e1);  // an epoch does not depend on those before it
  auto sorted = e1;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, first(10));
  o.seed = 4;
  Loader other(*dataset, first(10), nullptr, o);
  EXPECT_NE(order_of(epoch(other, 0)), e0);
}

TEST_P(LoaderOfWorkers, ResumesWithinAnEpoch) {
  const auto dataset = toy_dataset(folder_.path(), 10);
  LoaderOptions o = options();
  o.shuffle = true;
  Loader loader(*dataset, first(10), nullptr, o);
  const auto all = epoch(loader, 6), rest = epoch(loader, 6, 6);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_TRUE(tests::same_batch(rest[0], all[3]));
  EXPECT_TRUE(tests::same_batch(rest[1], all[4]));
}

TEST_P(LoaderOfWorkers, GoesOnInBatchesOfAnotherSizeWithoutSkippingOrRepeatingAnImage) {
  const auto dataset = toy_dataset(folder_.path(), 10);
  LoaderOptions o = options();
  o.shuffle = true;
  Loader loader(*dataset, first(10), nullptr, o);
  const std::vector<int> all = order_of(epoch(loader, 6));
  o.batch_size = 3;
  Loader other(*dataset, first(10), nullptr, o);
  const auto rest = epoch(other, 6, 4);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].end, 7);
  EXPECT_EQ(rest[1].end, 10);
  EXPECT_EQ(order_of(rest), std::vector<int>(all.begin() + 4, all.end()));
  EXPECT_TRUE(epoch(other, 6, 10).empty());
}

TEST_P(LoaderOfWorkers, AnEpochThatIsLeftDoesNotLeakIntoTheNext) {
  const auto dataset = toy_dataset(folder_.path(), 10);
  LoaderOptions o = options();
  o.shuffle = true;
  Loader loader(*dataset, first(10), nullptr, o), fresh(*dataset, first(10), nullptr, o);
  loader.start_epoch(0);
  ASSERT_TRUE(loader.next());
  const auto after = epoch(loader, 1), expected = epoch(fresh, 1);
  ASSERT_EQ(after.size(), expected.size());
  for (std::size_t b = 0; b < after.size(); ++b) EXPECT_TRUE(tests::same_batch(after[b], expected[b]));
}

TEST_P(LoaderOfWorkers, GivesNothingBeforeTheFirstEpochAndAfterAnEnd) {
  const auto dataset = toy_dataset(folder_.path(), 2);
  Loader loader(*dataset, first(2), nullptr, options());
  EXPECT_FALSE(loader.next());
  EXPECT_EQ(epoch(loader, 0).size(), 1u);
  EXPECT_FALSE(loader.next());
}

TEST_P(LoaderOfWorkers, LeavesBrokenSamplesOutOfTheirBatchAndNamesThem) {
  const auto dataset = toy_dataset(folder_.path(), 8);
  for (const int broken : {1, 4, 5}) break_image(folder_.path(), broken);
  BrokenSamples broken(OnBroken::kSkip);
  LoaderOptions o = options();
  o.broken = &broken;
  Loader loader(*dataset, first(8), nullptr, o);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 3u);  // the third batch lost both of its images
  EXPECT_EQ(order_of(batches), (std::vector<int>{0, 2, 3, 6, 7}));
  EXPECT_EQ(batches[0].image.size(), kArea);
  EXPECT_EQ(batches[2].number, 3);
  EXPECT_EQ(broken.count(), 3);
  epoch(loader, 1);
  EXPECT_EQ(broken.count(), 3);
}

TEST_P(LoaderOfWorkers, ABrokenSampleIsThrownWhenItsTurnComes) {
  const auto dataset = toy_dataset(folder_.path(), 6);
  break_image(folder_.path(), 3);
  for (const bool counted : {false, true}) {
    BrokenSamples broken(OnBroken::kFail);
    LoaderOptions o = options();
    o.broken = counted ? &broken : nullptr;
    Loader loader(*dataset, first(6), nullptr, o);
    loader.start_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_EQ(tests::error_of([&] { loader.next(); }).code(), ExitCode::kData);
  }
}

TEST_P(LoaderOfWorkers, ReadsAnImageOnceWhenItFitsIntoTheCache) {
  const auto dataset = toy_dataset(folder_.path(), 5);
  LoaderOptions o = options();
  o.cache_mb = 1;
  Loader loader(*dataset, first(5), nullptr, o);
  const auto before = epoch(loader, 0);
  std::filesystem::remove_all(folder_ / "images");
  const auto after = epoch(loader, 1);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t b = 0; b < after.size(); ++b) EXPECT_TRUE(tests::same_batch(before[b], after[b]));
}

TEST(Loader, UsesBuffersAgainAndLeavesNothingOfThemBehind) {
  const tests::TemporaryFolder folder;
  const auto dataset = toy_dataset(folder.path(), 8);
  Loader plain(*dataset, first(8), nullptr, toy_options()), reusing(*dataset, first(8), nullptr, toy_options());
  const auto expected = epoch(plain, 0);
  reusing.start_epoch(0);
  const float* memory = nullptr;
  for (const Batch& other : expected) {
    auto batch = reusing.next();
    ASSERT_TRUE(batch);
    if (memory != nullptr) {
      EXPECT_EQ(batch->image.data(), memory);
    }
    memory = batch->image.data();
    EXPECT_TRUE(tests::same_batch(*batch, other));
    reusing.recycle(std::move(*batch));
  }
}

TEST(Loader, ShrinksByAreasAndKeepsLabelsUnderTheirPixels) {
  const tests::TemporaryFolder folder;
  std::vector<std::string> pixels, labels;
  for (int y = 0; y < 8; ++y) {
    // Each 4 x 4 cell has one grey but for a dark pixel in its corner, which a mean sees and a sample might not.
    std::string row, classes;
    for (int x = 0; x < 8; ++x) {
      row += static_cast<char>(x % 4 == 0 && y % 4 == 0 ? 0 : 160);
      classes += static_cast<char>((x / 4 + 2 * (y / 4)) % 3);
    }
    pixels.push_back(row);
    labels.push_back(classes);
  }
  tests::write_bytes(folder / "images" / "a.png", tests::make_png(8, pixels, 8, 0));
  tests::write_bytes(folder / "masks" / "a.png", tests::make_png(8, labels, 8, 0));
  DatasetOptions given;
  given.classes = {LabelKind::kMulticlass, {"a", "b", "c"}, {}};
  const auto dataset = open_dataset("index_png", folder.path(), given);
  LoaderOptions o = toy_options();
  o.size = {2, 2};
  Loader loader(*dataset, {0}, nullptr, o);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 1u);
  const int expected[4] = {1, 2, 4, 1};
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(batches[0].image.data()[i], 150 / 255.0, 1e-6);
    EXPECT_EQ(batches[0].planes.data()[i], expected[i]);
  }
}

/// Labels are given out when those of `workers` images have been asked for at once.
class MeetingPlace final : public Dataset {
 public:
  MeetingPlace(const Dataset& toy, std::size_t workers)
      : Dataset(options_of(toy), toy.samples(), {}, /*has_labels=*/true), workers_(workers) {}
  bool met() const { return waiting_ >= workers_; }

 private:
  static DatasetOptions options_of(const Dataset& toy) {
    DatasetOptions options;
    options.classes = toy.classes();
    options.classes.kind = LabelKind::kMultilabel;  // for which labels may be empty
    return options;
  }
  Labels load_labels(const Sample&, cv::Size size) const override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return waiting_ >= workers_; });
    return Labels(static_cast<int>(classes().names.size()), size);
  }
  void check_labels(const Sample&, cv::Size) const override {}
  std::size_t workers_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::size_t waiting_ = 0;
};

TEST(Loader, HasWorkForAllWorkersWhateverIsMadeAhead) {
  const tests::TemporaryFolder folder;
  const auto toy = toy_dataset(folder.path(), 4);
  const MeetingPlace dataset(*toy, 4);
  LoaderOptions options = toy_options();
  options.batch_size = 1;
  options.workers = 4;
  options.prefetch = 1;
  Loader loader(dataset, first(4), nullptr, options);
  loader.start_epoch(0);
  EXPECT_TRUE(loader.next());
  EXPECT_TRUE(dataset.met());
}

}  // namespace
}  // namespace osteon::data
