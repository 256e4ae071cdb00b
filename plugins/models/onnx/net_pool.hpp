// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>

#include <opencv2/dnn.hpp>

#include "onnx_file.hpp"

namespace osteon::models {

/// Imports of one file, each for one size of image, shared by all threads. [any-thread]
///
/// A net of OpenCV serves one forward at a time, so each forward takes one, or imports another. The few used last stay
/// for the next forwards; each holds the weights once.
class NetPool {
 public:
  static constexpr std::size_t kKept = 4;

  /// `output` is one of the file's.
  NetPool(const OnnxFile& file, std::string output) : file_(file), output_(std::move(output)) {}

  const std::string& output() const noexcept { return output_; }

  /// Forgets the imports that nobody uses.
  void clear();

  /// Runs one image, float32 [1, C, H, W], and shows the output, whose memory is the net's, to `use`. Keeps as many
  /// threads busy as OpenCV is set to for the process, or one where `threads` is less than that.
  void run(const cv::Mat& image, int threads, const std::function<void(const cv::Mat& output)>& use);

 private:
  struct Entry {
    int height, width;
    cv::dnn::Net net;
  };
  cv::dnn::Net take(int height, int width, int channels);
  void give_back(Entry entry);

  const OnnxFile& file_;
  std::string output_;
  std::mutex mutex_;
  std::list<Entry> idle_;  // the one used last comes first
};

/// What OpenCV says, in one line.
std::string one_line(const cv::Exception& error);

}  // namespace osteon::models
