// SPDX-License-Identifier: Apache-2.0
#include "net_pool.hpp"

#include <algorithm>
#include <utility>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn/all_layers.hpp>

#include <osteon/sdk/error.hpp>

namespace osteon::models {
namespace {

/// OpenCV prints what it throws, in its log. That has one level for the process, so it is silent while any thread is in
/// here, and as before when the last one has left.
class Quiet {
 public:
  Quiet() {
    const std::lock_guard<std::mutex> lock(shared().mutex);
    if (shared().inside++ == 0) shared().before = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  }
  ~Quiet() {
    const std::lock_guard<std::mutex> lock(shared().mutex);
    if (--shared().inside == 0) cv::utils::logging::setLogLevel(shared().before);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  struct Shared {
    std::mutex mutex;
    int inside = 0;
    cv::utils::logging::LogLevel before = cv::utils::logging::LOG_LEVEL_SILENT;
  };
  static Shared& shared() {
    static Shared one;
    return one;
  }
};

/// A node's name as the file has it, without what OpenCV's importer puts before.
std::string node_name(const cv::dnn::Layer& layer) { return layer.name.substr(layer.name.find('!') + 1); }

/// OpenCV (4.6) normalises as many channels as come in, with the statistics of as many as the file has.
void expect_channels(const cv::dnn::Layer& layer, const cv::dnn::MatShape& input) {
  if (layer.type != "BatchNorm" || layer.blobs.empty()) return;
  const std::size_t statistics = layer.blobs[0].total();
  const int channels = input.size() < 2 ? -1 : input[1];
  if (channels < 0 || static_cast<std::size_t>(channels) != statistics)
    throw sdk::BadInput("the batch normalization '" + node_name(layer) + "' has statistics of " +
                        std::to_string(statistics) + " channels, and " + std::to_string(channels) + " come in");
}

/// OpenCV (4.6) takes the last part of a dimension where one beyond its end is asked for. A Gather of one index, a
/// Slice and a Split all come to this.
void expect_parts(const cv::dnn::SliceLayer& layer, const cv::dnn::MatShape& input) {
  for (const std::vector<cv::Range>& ranges : layer.sliceRanges)
    for (std::size_t i = 0; i < std::min(ranges.size(), input.size()); ++i)
      if (ranges[i].start >= input[i])
        throw sdk::BadInput("the node '" + node_name(layer) + "' takes a part from place " +
                            std::to_string(ranges[i].start) + " on of dimension " + std::to_string(i) +
                            ", whose size is " + std::to_string(input[i]));
}

/// Throws BadInput for what OpenCV does with inputs of other shapes than the file's nodes are for.
void expect_shapes(cv::dnn::Net& net, const cv::dnn::MatShape& input) {
  std::vector<int> ids;
  std::vector<std::vector<cv::dnn::MatShape>> inputs, outputs;
  net.getLayersShapes(input, ids, inputs, outputs);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const cv::Ptr<cv::dnn::Layer> layer = net.getLayer(ids[i]);
    if (!layer || inputs[i].empty()) continue;
    expect_channels(*layer, inputs[i][0]);
    if (const auto slice = layer.dynamicCast<cv::dnn::SliceLayer>()) expect_parts(*slice, inputs[i][0]);
  }
}

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
  cv::dnn::Net net = cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
  expect_shapes(net, {1, channels, height, width});
  return net;
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
  const Quiet quiet;
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
