// SPDX-License-Identifier: Apache-2.0
// Annotations with anything in them: each is refused as bad data of its file, or read with every point on the image.
#include "base/error.hpp"
#include "data/annotation.hpp"
#include "fuzz/mutation.hpp"

namespace osteon::test {
namespace {

const std::vector<std::string> kClasses = {"finger-1", "Radius"};
const cv::Size kSize(40, 30);

void try_annotation(const std::string& text, bool complete) {
  try {
    const data::Annotation read = data::parse_annotation(text, "f", kClasses, kSize, complete);
    for (const data::Polygon& polygon : read.polygons) {
      ASSERT_LT(static_cast<std::size_t>(polygon.class_index), kClasses.size());
      ASSERT_GE(polygon.points.size(), 3u);
      for (const cv::Point& point : polygon.points)
        ASSERT_TRUE(point.x >= 0 && point.x <= kSize.width && point.y >= 0 && point.y <= kSize.height);
    }
    data::rasterize(read.polygons, static_cast<int>(kClasses.size()), kSize);
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ExitCode::kData) << e.what();
    ASSERT_TRUE(e.where() == "f" || e.where().rfind("f:", 0) == 0) << e.where();
    ASSERT_STRNE(e.what(), "");
  }
}

TEST(LongAnnotationFuzz, RefusesOrReads) {
  const std::vector<std::string> tokens = {"[",   "]",         "{",    "}",       "{\"a\":", "\"",
                                           ",",   ":",         "null", "1e999",   "-1e308",  "1e-999",
                                           "NaN", "-0",        "\\",   "\\ud800", "[[[[[",   "true",
                                           "0.5", "\"label\"", "\xff", "40",      "//",      "99999999999999999999"};
  const std::vector<std::string> seeds = corpus("annotation");
  ASSERT_FALSE(seeds.empty());
  for (const std::string& seed : seeds) EXPECT_NO_THROW(data::parse_annotation(seed, "f", kClasses, kSize, false));
  bool complete = false;
  fuzz(seeds, tokens, [&](const std::string& text) { try_annotation(text, complete = !complete); });
}

}  // namespace
}  // namespace osteon::test
