// SPDX-License-Identifier: Apache-2.0
#include "net_pool.hpp"

#include <algorithm>
#include <utility>

#include <opencv2/core/utils/logger.hpp>

#include <osteon/sdk/error.hpp>

namespace osteon::models {
namespace {

/// The importer prints what it throws. Its log has one level for the process, so one import at a time.
class QuietImport {
 public:
  QuietImport() : exclusive_(mutex()), before_(cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT)) {}
  ~QuietImport() { cv::utils::logging::setLogLevel(before_); }
  QuietImport(const QuietImport&) = delete;
  QuietImport& operator=(const QuietImport&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::lock_guard<std::mutex> exclusive_;
  cv::utils::logging::LogLevel before_;
};

}  // namespace

std::string one_line(const cv::Exception& error) {
  std::string text;
  for (const char c : error.err)
    if (c != '\n' && c != '>') text += c;
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return "OpenCV " CV_VERSION ": " + text + (error.func.empty() ? "" : " (in " + error.func + ")");
}

cv::dnn::Net NetPool::take(int height, int width, int channels) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(),
                                    [&](const Entry& e) { return e.height == height && e.width == width; });
    if (found != idle_.end()) {
      cv::dnn::Net net = found->net;
      idle_.erase(found);
      return net;
    }
  }
  const std::string bytes = file_.with_input_shape({1, channels, height, width});
  const QuietImport quiet;
  return cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
}

void NetPool::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.clear();
}

void NetPool::give_back(Entry entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_front(std::move(entry));
  if (idle_.size() > kKept) idle_.pop_back();
}

void NetPool::run(const cv::Mat& image, int threads, const std::function<void(const cv::Mat&)>& use) {
  const int height = image.size[2], width = image.size[3];
  cv::dnn::Net net = take(height, width, image.size[1]);
  const auto forward = [&] {
    net.setInput(image);
    use(net.forward(output_));
  };
  // Within a parallel section OpenCV's own loops run on the thread that they are in.
  if (threads < cv::getNumThreads())
    cv::parallel_for_(cv::Range(0, 1), [&](const cv::Range&) { forward(); });
  else
    forward();
  give_back({height, width, std::move(net)});
}

}  // namespace osteon::models
