// SPDX-License-Identifier: Apache-2.0
// Parts of masks: keeps the largest of each class, drops small ones, fills holes. Each class is looked at by itself.
//
//     [[predict.post]]
//     plugin = "components"
//     keep_largest = 1
//     fill_holes = true
//
// Parts are dropped first and holes filled then, so that a hole with a speck in it is filled whole. Where a pixel has
// exactly one class, what is dropped has to become another: `background` names it.
#include <algorithm>
#include <cstdint>

#include <osteon/sdk/opencv.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/postprocessor.hpp>

#include "parts.hpp"

namespace osteon::components {
namespace {

using namespace osteon::sdk;

class Components {
 public:
  struct Params {
    std::int64_t keep_largest = 1;
    std::int64_t min_area = 0;
    bool fill_holes = false;
    std::int64_t max_hole = 0;
    std::int64_t connectivity = 8;
    ClassList background;

    static void schema(Schema<Params>& s) {
      s.add("keep_largest", &Params::keep_largest, "how many parts a class keeps, the largest; 0: all").at_least(0);
      s.add("min_area", &Params::min_area, "smaller parts are dropped").unit("px").at_least(0);
      s.add("fill_holes", &Params::fill_holes, "sets the pixels of holes");
      s.add("max_hole", &Params::max_hole, "largest hole that is filled; 0: any").unit("px").at_least(0);
      s.add("connectivity", &Params::connectivity, "4: pixels touch by their sides; 8: by their corners too")
          .between(4, 8);
      s.add("background", &Params::background,
            "where a pixel has exactly one class: the one that dropped pixels get; it has no parts itself");
    }
  };

  Components(const Params& params, const PostprocessorRequest& request)
      : params_(params), multiclass_(request.multiclass) {
    if (params.connectivity != 4 && params.connectivity != 8)
      throw InvalidArgument("connectivity is " + std::to_string(params.connectivity) + ", expected 4 or 8");
    if (params.max_hole > 0 && !params.fill_holes)
      throw InvalidArgument("max_hole is " + std::to_string(params.max_hole) +
                            ", but fill_holes is false; set fill_holes = true");
    const std::size_t named = params.background.channels.size();
    if (multiclass_ && named != 1)
      throw Unsupported(
          "where a pixel has exactly one class, background names the one that dropped pixels get; it "
          "names " +
          std::to_string(named));
    if (!multiclass_ && named != 0)
      throw InvalidArgument("background is for data of exactly one class per pixel; leave it out");
  }

  static PostprocessorTraits traits(const Params&, const Beneath&) {
    PostprocessorTraits traits;
    traits.map = true;
    traits.needs_forms = traits.gives_forms = OSTEON_SET(OSTEON_FORM_BITS);
    traits.needs_grids = traits.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    osteon_predict_request wanted = request;
    if (multiclass_) wanted.n_classes = 0;  // what one class loses, another gets
    std::vector<Prediction> predictions = inner.predict(call, images, wanted);
    const std::int64_t classes = wanted.n_classes > 0 ? static_cast<std::int64_t>(wanted.n_classes) : inner.n_classes();
    for (Prediction& prediction : predictions) {
      if (multiclass_)
        clean_exclusive(call, classes, request, prediction);
      else
        clean_planes(call, classes, prediction);
    }
    return predictions;
  }

 private:
  void clean(const Call& call, cv::Mat& mask) const {
    const auto step = [&] { call.stop_if_cancelled(); };
    const auto connectivity = static_cast<int>(params_.connectivity);
    if (params_.keep_largest > 0 || params_.min_area > 1)
      keep_parts(mask, connectivity, params_.min_area, params_.keep_largest, step);
    if (params_.fill_holes) fill_holes(mask, connectivity, params_.max_hole, step);
  }

  // Classes of a plane share its words: their masks are made apart, then written one after the other.
  void clean_planes(const Call& call, std::int64_t classes, Prediction& prediction) const {
    for (std::int64_t first = 0; first < classes; first += 32) {
      const cv::Mat words = plane_mat(prediction.view(), first / 32);
      const auto count = static_cast<int>(std::min<std::int64_t>(32, classes - first));
      const std::vector<cv::Rect> boxes = boxes_of(words, count);
      call.stop_if_cancelled();
      std::vector<cv::Mat> masks(boxes.size());
      parallel_for(call, count, [&](std::int64_t c, int) {
        const auto i = static_cast<std::size_t>(c);
        if (boxes[i].empty()) return;
        masks[i] = mask_of(words(boxes[i]), static_cast<int>(c));
        clean(call, masks[i]);
      });
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        call.stop_if_cancelled();
        if (!boxes[i].empty()) set_bit(words(boxes[i]), static_cast<int>(i), masks[i]);
      }
    }
  }

  // In the order of the classes: what is dropped becomes background, and what is filled stops being what it was.
  void clean_exclusive(const Call& call, std::int64_t classes, const osteon_predict_request& request,
                       Prediction& prediction) const {
    const std::int64_t ground = params_.background.channels[0];
    for (std::int64_t c = 0; c < classes; ++c) {
      if (c == ground) continue;
      call.stop_if_cancelled();
      const int bit = static_cast<int>(c % 32);
      const cv::Mat words = plane_mat(prediction.view(), c / 32);
      const cv::Rect box = boxes_of(words, bit + 1).back();
      if (box.empty()) continue;
      const cv::Mat before = mask_of(words(box), bit);
      cv::Mat after = before.clone();
      clean(call, after);
      for (std::int64_t plane = 0; plane < prediction.classes(); ++plane) {
        cv::Mat others = plane_mat(prediction.view(), plane)(box);
        for (int y = 0; y < box.height; ++y)
          for (int x = 0; x < box.width; ++x) {
            const bool was = before.at<std::uint8_t>(y, x) != 0, is = after.at<std::uint8_t>(y, x) != 0;
            if (was == is) continue;
            const std::int64_t now = is ? c : ground;
            others.at<int>(y, x) = now / 32 == plane ? static_cast<int>(1u << (now % 32)) : 0;
          }
      }
    }
    if (request.n_classes > 0) select(call, request, prediction);
  }

  // Bit planes of the classes that were asked for, of those of all.
  static void select(const Call& call, const osteon_predict_request& request, Prediction& prediction) {
    const std::int64_t height = prediction.height(), width = prediction.width(), pixels = height * width;
    const auto planes = static_cast<std::int64_t>(request.n_classes + 31) / 32;
    OwnedTensor picked = call.allocate<std::int32_t>({planes, height, width});
    auto* out = reinterpret_cast<std::uint32_t*>(picked.data<std::int32_t>());
    std::fill_n(out, planes * pixels, 0u);
    const auto* in = reinterpret_cast<const std::uint32_t*>(data_of<std::int32_t>(prediction.view(), "bit planes"));
    for (std::uint64_t k = 0; k < request.n_classes; ++k) {
      const std::int32_t c = request.classes[k];
      const std::uint32_t* from = in + c / 32 * pixels;
      std::uint32_t* to = out + static_cast<std::int64_t>(k / 32) * pixels;
      for (std::int64_t p = 0; p < pixels; ++p) to[p] |= (from[p] >> (c % 32) & 1u) << (k % 32);
    }
    prediction.set(std::move(picked));
  }

  Params params_;
  bool multiclass_;
};

}  // namespace
}  // namespace osteon::components

OSTEON_PLUGIN("components", "1.0.0",
              osteon::sdk::postprocessor<osteon::components::Components>(
                  {"components", "1.0.0", "Keeps the largest parts of masks, drops small ones, fills holes."}))
