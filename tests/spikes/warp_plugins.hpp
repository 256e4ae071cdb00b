// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/imgproc.hpp>

#include <osteon/sdk/augmentation.hpp>

// Geometric augmentations of each kind of warp, written as an author would write them.
namespace osteon::spikes {

using sdk::AugmentationRequest;
using sdk::Random;
using sdk::Schema;
using sdk::Warp;
using sdk::WarpRequest;

/// A window at a random place: a permutation with another output size.
class Crop {
 public:
  struct Params {
    std::int64_t height = 1, width = 1;
    static void schema(Schema<Params>& s) {
      s.add("height", &Params::height, "of the window").unit("px").at_least(1);
      s.add("width", &Params::width, "of the window").unit("px").at_least(1);
    }
  };
  Crop(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    if (in.height < params_.height || in.width < params_.width)
      throw sdk::InvalidArgument("the window is larger than the image of " + std::to_string(in.height) + " x " +
                                 std::to_string(in.width));
    const double x = random.below(static_cast<std::uint32_t>(in.width - params_.width + 1));
    const double y = random.below(static_cast<std::uint32_t>(in.height - params_.height + 1));
    return Warp::permutation({1, 0, x, 0, 1, y}).size(params_.height, params_.width);
  }

 private:
  Params params_;
};

/// Rotation about the centre, with either border.
class Turn {
 public:
  struct Params {
    double limit = 30;
    bool constant = false;
    double fill = 0.5;
    static void schema(Schema<Params>& s) {
      s.add("limit", &Params::limit, "largest angle").unit("degrees").between(0, 180);
      s.add("constant", &Params::constant, "one grey beyond the image, to be ignored");
      s.add("fill", &Params::fill, "that grey").between(0, 1);
    }
  };
  Turn(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    const double angle = random.uniform(-params_.limit, params_.limit) * 3.14159265358979323846 / 180;
    const double c = std::cos(angle), s = std::sin(angle);
    const double x = static_cast<double>(in.width - 1) / 2, y = static_cast<double>(in.height - 1) / 2;
    Warp warp = Warp::affine({c, s, x - c * x - s * y, -s, c, y + s * x - c * y});
    if (params_.constant) warp.constant_border(params_.fill, true);
    return warp;
  }

 private:
  Params params_;
};

/// Smoothed noise as displacement, as albumentations' ElasticTransform draws it.
class Elastic {
 public:
  struct Params {
    double alpha = 40, sigma = 4;
    static void schema(Schema<Params>& s) {
      s.add("alpha", &Params::alpha, "scale of the displacement").at_least(0);
      s.add("sigma", &Params::sigma, "smoothness").unit("px").between(0.1, 1000);
    }
  };
  Elastic(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    cv::Mat field(static_cast<int>(in.height), static_cast<int>(in.width), CV_32FC2);
    for (int y = 0; y < field.rows; ++y)
      for (int x = 0; x < 2 * field.cols; ++x) field.ptr<float>(y)[x] = static_cast<float>(random.uniform(-1, 1));
    cv::GaussianBlur(field, field, {17, 17}, params_.sigma);
    field *= params_.alpha;
    return Warp::free(std::make_shared<Displacement>(std::move(field)));
  }

 private:
  /// Between the field's pixels it is bilinear: points of later steps lie anywhere.
  class Displacement : public sdk::PointMap {
   public:
    explicit Displacement(cv::Mat field) : field_(std::move(field)) {}
    void map(std::uint64_t count, float* xy) const override {
      for (std::uint64_t i = 0; i < count; ++i) {
        const float x = std::clamp(xy[2 * i], 0.0f, static_cast<float>(field_.cols - 1));
        const float y = std::clamp(xy[2 * i + 1], 0.0f, static_cast<float>(field_.rows - 1));
        const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
        const int x1 = std::min(x0 + 1, field_.cols - 1), y1 = std::min(y0 + 1, field_.rows - 1);
        const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
        const cv::Vec2f top = at(y0, x0) * (1 - fx) + at(y0, x1) * fx, bottom = at(y1, x0) * (1 - fx) + at(y1, x1) * fx;
        const cv::Vec2f moved = top * (1 - fy) + bottom * fy;
        xy[2 * i] += moved[0];
        xy[2 * i + 1] += moved[1];
      }
    }

   private:
    const cv::Vec2f& at(int y, int x) const { return field_.at<cv::Vec2f>(y, x); }
    cv::Mat field_;
  };

  Params params_;
};

/// A grid whose columns and rows grow and shrink, as albumentations' GridDistortion with normalized = True.
class GridDistortion {
 public:
  struct Params {
    int cells = 5;
    double limit = 0.3;
    static void schema(Schema<Params>& s) {
      s.add("cells", &Params::cells, "along each axis").between(1, 1000);
      s.add("limit", &Params::limit, "change of a cell's size").between(0, 0.9);
    }
  };
  GridDistortion(const Params& params, const AugmentationRequest&) : params_(params) {}

  Warp sample(Random& random, const WarpRequest& in) const {
    return Warp::free(std::make_shared<Grid>(edges(random, in.width), edges(random, in.height)));
  }

 private:
  /// Where each line of an even grid over 0 .. size - 1 comes from.
  std::vector<double> edges(Random& random, std::int64_t size) const {
    std::vector<double> at = {0};
    for (int i = 0; i < params_.cells; ++i) at.push_back(at.back() + 1 + random.uniform(-params_.limit, params_.limit));
    const double scale = static_cast<double>(size - 1) / at.back();
    for (double& edge : at) edge *= scale;
    return at;
  }

  class Grid : public sdk::PointMap {
   public:
    Grid(std::vector<double> x, std::vector<double> y) : x_(std::move(x)), y_(std::move(y)) {}
    void map(std::uint64_t count, float* xy) const override {
      for (std::uint64_t i = 0; i < count; ++i) {
        xy[2 * i] = along(x_, xy[2 * i]);
        xy[2 * i + 1] = along(y_, xy[2 * i + 1]);
      }
    }

   private:
    static float along(const std::vector<double>& edges, float value) {
      if (edges.back() <= 0) return value;  // one pixel
      const double cells = static_cast<double>(edges.size() - 1), at = value / edges.back() * cells;
      const auto cell = static_cast<std::size_t>(std::clamp(std::floor(at), 0.0, cells - 1));
      return static_cast<float>(edges[cell] + (at - static_cast<double>(cell)) * (edges[cell + 1] - edges[cell]));
    }
    std::vector<double> x_, y_;
  };

  Params params_;
};

}  // namespace osteon::spikes
