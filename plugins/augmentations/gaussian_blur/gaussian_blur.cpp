// SPDX-License-Identifier: Apache-2.0
// A Gaussian blur whose kernel has an odd size out of `blur_limit`, all of them equally likely, and a standard
// deviation uniform in `sigma_limit`, as albumentations' GaussianBlur; theirs draws the least size half as often as the
// others.
//
//     [[augment]]
//     plugin = "gaussian_blur"
//     blur_limit = [3, 7]         # 7 alone means the same
//     sigma_limit = [0.1, 2.0]    # 0: 0.3 ((size - 1) / 2 - 1) + 0.8
//     p = 0.5
#include <opencv2/imgproc.hpp>

#include <osteon/sdk/augmentation.hpp>
#include <osteon/sdk/opencv.hpp>

namespace {

using namespace osteon::sdk;

class GaussianBlur {
 public:
  struct Params {
    IntRange blur_limit{3, 7};
    Range sigma_limit{0, 0};

    static void schema(Schema<Params>& s) {
      s.add("blur_limit", &Params::blur_limit, "size of the kernel; odd").unit("px").between(3, 501);
      s.add("sigma_limit", &Params::sigma_limit, "standard deviation; 0: it follows from the kernel's size")
          .unit("px")
          .between(0, 250);
    }
  };
  GaussianBlur(const Params& params, const AugmentationRequest&) : params_(params) {
    const IntRange& size = params.blur_limit;
    if (size.low % 2 == 0 || size.high % 2 == 0)
      throw InvalidArgument("blur_limit goes from " + std::to_string(size.low) + " to " + std::to_string(size.high) +
                            "; a kernel has a centre, so both ends are odd");
  }

  void apply(const Call& call, Random& random, Pixels& pixels) const {
    const IntRange& limit = params_.blur_limit;
    const auto sizes = static_cast<std::uint32_t>((limit.high - limit.low) / 2 + 1);
    const int size = static_cast<int>(limit.low) + 2 * static_cast<int>(random.below(sizes));
    const double sigma = random.uniform(params_.sigma_limit.low, params_.sigma_limit.high);
    call.note(nullptr, "size", size);
    call.note(nullptr, "sigma", sigma);
    if (pixels.size() == 0) return;
    cv::Mat image = as_mat(pixels);
    run_opencv(call, [&] {
      cv::GaussianBlur(image, image, {size, size}, sigma, sigma, cv::BORDER_REFLECT_101);
      // The weights of floats add up to 1 but for rounding.
      if (image.depth() == CV_32F) cv::min(image, pixels.maximum(), image);
    });
  }

 private:
  Params params_;
};

}  // namespace

OSTEON_PLUGIN("gaussian_blur", "1.0.0",
              osteon::sdk::augmentation<GaussianBlur>({"gaussian_blur", "1.0.0", "A Gaussian blur.",
                                                       "albumentations 1.4.18, GaussianBlur"}))
