// SPDX-License-Identifier: Apache-2.0
// Contrast-limited adaptive histogram equalisation by OpenCV, as albumentations' CLAHE: of a grey image as it is, of
// RGB through the L of CIE LAB.
//
//     [[augment]]
//     plugin = "clahe"
//     clip_limit = [1.0, 4.0]     # 4.0 alone means the same
//     tile_grid_size = [8, 8]     # tiles across, tiles down
//     p = 0.5
//
// A bin of a tile's histogram holds at most clip_limit times the tile's mean of a bin. Other types are made 8 bits and
// made what they were again, as albumentations does it with floats. OpenCV's CLAHE of 16 bits means another thing by
// clip_limit: of its 65536 bins a tile of 256 x 256 px may keep `clip_limit` pixels each, so that an image of 12 bits,
// which is in 4096 of them, is hardly changed at all.
#include <opencv2/imgproc.hpp>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/opencv.hpp>

namespace {

using namespace osteon::sdk;

// Of 8 bits.
void equalise(cv::CLAHE& clahe, cv::Mat& image) {
  if (image.channels() == 1) return clahe.apply(image, image);
  cv::Mat lab, lightness;
  cv::cvtColor(image, lab, cv::COLOR_RGB2Lab);
  cv::extractChannel(lab, lightness, 0);
  clahe.apply(lightness, lightness);
  cv::insertChannel(lightness, lab, 0);
  cv::cvtColor(lab, image, cv::COLOR_Lab2RGB);
}

class Clahe {
 public:
  struct Params {
    Range clip_limit{1, 4};
    std::vector<std::int64_t> tile_grid_size = {8, 8};

    static void schema(Schema<Params>& s) {
      s.add("clip_limit", &Params::clip_limit, "greatest bin of a tile's histogram, in means of a bin").between(1, 256);
      s.add("tile_grid_size", &Params::tile_grid_size, "tiles across and tiles down").between(1, 64).count(2, 2);
    }
  };
  Clahe(const Params& params, const AugmentationRequest&) : params_(params) {}

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const double limit = random.uniform(params_.clip_limit.low, params_.clip_limit.high);
    const auto& tiles = params_.tile_grid_size;
    call.note(nullptr, "clip_limit", limit);
    if (pixels.size() == 0) return;
    cv::Mat image = as_mat(pixels);
    run_opencv(call, [&] {
      const auto clahe = cv::createCLAHE(limit, {static_cast<int>(tiles[0]), static_cast<int>(tiles[1])});
      if (image.depth() == CV_8U) return equalise(*clahe, image);
      cv::Mat bytes;
      image.convertTo(bytes, CV_8U, 255 / pixels.maximum());
      equalise(*clahe, bytes);
      bytes.convertTo(image, image.depth(), pixels.maximum() / 255);
    });
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("clahe", "1.0.0",
              osteon::sdk::augmentation<Clahe>({"clahe", "1.0.0", "Contrast-limited adaptive histogram equalisation.",
                                                "albumentations 1.4.18, CLAHE"}))
