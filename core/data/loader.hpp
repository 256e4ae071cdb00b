// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <opencv2/core.hpp>

#include "data/aligned_buffer.hpp"
#include "data/augment.hpp"
#include "data/dataset.hpp"
#include "data/dataset_check.hpp"
#include "data/intensity.hpp"

namespace osteon::data {

/// Images and labels of one step.
struct Batch {
  AlignedBuffer<float> image;               ///< [n, channels, height, width], normalised
  AlignedBuffer<std::int32_t> planes;       ///< [n, planes_per_image, height, width]
  AlignedBuffer<std::uint8_t> valid;        ///< [n, height, width]; empty: every pixel is
  AlignedBuffer<std::uint8_t> class_valid;  ///< [n, classes], 0 where nobody knows of the class; empty: all are known
  AlignedBuffer<float> sample_weight;       ///< [n]; empty: the data set has no weights
  int n = 0, channels = 0, classes = 0, planes_per_image = 0, height = 0, width = 0;
  std::vector<int> indices;  ///< samples of the data set
  std::int64_t number = 0;   ///< since the epoch was begun
  std::int64_t end = 0;      ///< the place in the epoch's order of images at which the next batch begins
};

struct LoaderOptions {
  cv::Size size;  ///< of the view, px
  int channels = 3;
  std::vector<double> mean, std;  ///< per channel on 0..1; empty: 0 and 1
  Intensity intensity;
  int batch_size = 1;
  int workers = 0;   ///< threads; 0: load in the caller
  int prefetch = 2;  ///< batches that may be made ahead, at least 1; no fewer than there are workers
  std::uint64_t seed = 0;
  bool shuffle = false;
  int cache_mb = 0;  ///< decoded views that are kept, as view_of() gives them; once it is full, what is in it stays
  BrokenSamples* broken = nullptr;  ///< what becomes of samples that cannot be read; null: they are fatal
};

/// Batches of a data set, epoch by epoch. What is in a batch depends on (seed, epoch, number and the image that the
/// epoch was begun at) alone, not on workers. Memory is bounded: at most `prefetch` batches are being made or wait, or
/// one for each worker where there are more workers, and buffers that come back by recycle() are used again.
///
/// Under the `skip` policy a sample that cannot be read is left out of its batch; a batch that loses all is left out
/// too. One thread uses it. OpenCV's own threads are left as the process set them.
class Loader {
 public:
  /// Everything passed by pointer or reference outlives the loader.
  Loader(const Dataset& dataset, std::vector<int> indices, const AugmentPipeline* augment, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  const Dataset& dataset() const noexcept;
  /// Images of an epoch.
  std::int64_t images() const noexcept;
  /// Begins an epoch, at a place in its order of images, which the size of batches has no part in; an epoch that is
  /// under way is dropped.
  void start_epoch(std::int64_t epoch, std::int64_t first_image = 0);
  /// The next batch; nothing at the end of the epoch, or before the first. Throws what a worker threw.
  std::optional<Batch> next();
  /// Gives a batch's buffers back.
  void recycle(Batch&& batch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace osteon::data
