// SPDX-License-Identifier: Apache-2.0
#include "exports/mask_png.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/file_name.hpp"
#include "data/label_ops.hpp"

namespace osteon::exports {
namespace fs = std::filesystem;
void write_png(const fs::path& path, const cv::Mat& pixels) {
  cv::Mat ordered = pixels;
  if (pixels.channels() == 3) cv::cvtColor(pixels, ordered, cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> bytes;
  // Encoded in memory, so that a full disk is told by the write and not by an encoder that cannot say so.
  if (!cv::imencode(".png", ordered, bytes)) throw Error(ExitCode::kResources, "cannot encode the PNG", path.string());
  write_file_atomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_class_masks(const fs::path& folder, const data::Labels& labels,
                       const std::vector<std::string>& class_names) {
  if (class_names.size() != static_cast<std::size_t>(labels.classes()))
    throw Error(ExitCode::kData,
                "there are " + std::to_string(class_names.size()) + " class names for " +
                    std::to_string(labels.classes()) + " classes",
                folder.string());
  for (std::size_t c = 0; c < class_names.size(); ++c)
    write_png(folder / (file_name_of(class_names[c]) + ".png"), labels.mask(static_cast<int>(c)));
}

void write_index_mask(const fs::path& path, const data::Labels& labels, int ignore_index) {
  cv::Mat index;
  try {
    index = data::to_index(labels, ignore_index);
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), path.string());
  }
  write_png(path, index);
}

}  // namespace osteon::exports
