// SPDX-License-Identifier: Apache-2.0
// Images with anything in them: each is refused as a bad file, or read the same twice, of a kind that the rest knows.
#include <fstream>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>

#include "base/error.hpp"
#include "data/image.hpp"
#include "data/index_png.hpp"
#include "fuzz/mutation.hpp"
#include "support/temporary_folder.hpp"

namespace osteon::test {
namespace {

/// What `read` gives, or nothing where it refuses the file.
template <class Read>
auto read_or_refuse(const std::filesystem::path& file, Read&& read) -> decltype(read(file)) {
  try {
    return read(file);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData) << e.what();
    EXPECT_EQ(e.where().rfind(file.string(), 0), 0u) << e.where();
    EXPECT_STRNE(e.what(), "");
    return {};
  }
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && (a.empty() || cv::norm(a, b, cv::NORM_INF) == 0);
}

void try_image(const std::filesystem::path& file) {
  const data::Image image = read_or_refuse(file, data::read_image);
  if (!image.pixels.empty()) {
    ASSERT_TRUE(image.pixels.depth() == CV_8U || image.pixels.depth() == CV_16U);
    ASSERT_TRUE(image.pixels.channels() == 1 || image.pixels.channels() == 3);
    ASSERT_EQ(data::read_image_size(file), image.size());
    // Memory that nobody wrote would differ.
    ASSERT_TRUE(same(data::read_image(file).pixels, image.pixels));
  }
  const cv::Mat indices = read_or_refuse(file, data::read_index_png);
  if (!indices.empty()) {
    ASSERT_TRUE(same(data::read_index_png(file), indices));
  }
}

TEST(LongImageFuzz, RefusesOrReads) {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  const std::vector<std::string> tokens = {std::string("\0\0\0\0", 4),
                                           std::string("\0\0\0\1", 4),
                                           "\xff\xff\xff\xff",
                                           std::string("\x7f\xff\xff\xff", 4),
                                           "\xff\xd9",
                                           "\xff\xd8",
                                           "\xff\xda",
                                           std::string("\xff\0", 2),
                                           "IHDR",
                                           "IDAT",
                                           "IEND",
                                           "PLTE",
                                           "tRNS",
                                           "\x89PNG\r\n\x1a\n",
                                           "II*",
                                           "MM",
                                           "P5 ",
                                           "P6 ",
                                           "65535 ",
                                           "BM",
                                           "RIFF",
                                           "WEBP",
                                           "Exif"};
  const std::vector<std::string> seeds = corpus("image");
  ASSERT_FALSE(seeds.empty());
  const TemporaryFolder folder;
  // Decoders go by what they see, this program by the name as well.
  const std::filesystem::path files[] = {folder / "f.png", folder / "f.jpg", folder / "f.tif"};
  std::size_t turn = 0;
  fuzz(seeds, tokens, [&](const std::string& bytes) {
    const std::filesystem::path& file = files[turn++ % 3];
    std::ofstream(file, std::ios::binary) << bytes;
    try_image(file);
  });
}

}  // namespace
}  // namespace osteon::test
