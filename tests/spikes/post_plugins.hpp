// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <osteon/sdk/postprocessor.hpp>

// Post-processors as plugin authors would write them, with the public SDK alone.
namespace osteon::spikes {

/// A rectangle of an image, px.
struct Window {
  std::int64_t y = 0, x = 0, height = 0, width = 0;
};

inline sdk::Image cut(const sdk::Call& call, const osteon_image& image, const Window& window) {
  const std::int64_t width = image.pixels.shape[1], channels = image.pixels.shape[2];
  const float* in = sdk::data_of<const float>(image.pixels, "an image");
  sdk::OwnedTensor pixels = call.allocate<float>({window.height, window.width, channels});
  for (std::int64_t y = 0; y < window.height; ++y)
    std::copy_n(in + ((window.y + y) * width + window.x) * channels, window.width * channels,
                pixels.data<float>() + y * window.width * channels);
  const sdk::Affine shift = sdk::Affine::of({1, 0, static_cast<double>(window.x), 0, 1, static_cast<double>(window.y)});
  return sdk::Image(std::move(pixels), shift, image);
}

inline std::int64_t class_count(const sdk::Predictor& inner, const osteon_predict_request& request) {
  return request.n_classes == 0 ? inner.n_classes() : static_cast<std::int64_t>(request.n_classes);
}

/// The same classes as `request`, in another form on the image's grid.
inline osteon_predict_request asking(const osteon_predict_request& request, std::uint32_t form) {
  osteon_predict_request below = request;
  below.form = form;
  below.grid = OSTEON_GRID_IMAGE;
  return below;
}

/// Predicts overlapping tiles at their own size in one call and averages their logits.
class SlidingWindow {
 public:
  struct Params {
    std::int64_t size = 16, overlap = 4;
    static void schema(sdk::Schema<Params>& s) {
      s.add("size", &Params::size, "side of a tile").unit("px").at_least(1);
      s.add("overlap", &Params::overlap, "least overlap of two tiles").unit("px").at_least(0);
    }
  };
  SlidingWindow(const Params& params, const sdk::PostprocessorRequest&) : params_(params) {
    if (params.overlap >= params.size) throw sdk::InvalidArgument("`overlap` must be less than `size`");
  }
  sdk::PostprocessorTraits traits() const {
    sdk::PostprocessorTraits traits;
    traits.needs_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
    return traits;
  }
  std::vector<sdk::Prediction> process(const sdk::Call& call, const sdk::Predictor& inner,
                                       const std::vector<const osteon_image*>& images,
                                       const osteon_predict_request& request) const {
    std::vector<sdk::Prediction> results;
    for (const osteon_image* image : images) results.push_back(predict_one(call, inner, *image, request));
    return results;
  }

 private:
  std::vector<std::int64_t> starts(std::int64_t length) const {
    std::vector<std::int64_t> starts;
    for (std::int64_t at = 0; at + params_.size < length; at += params_.size - params_.overlap) starts.push_back(at);
    starts.push_back(std::max<std::int64_t>(0, length - params_.size));
    return starts;
  }
  sdk::Prediction predict_one(const sdk::Call& call, const sdk::Predictor& inner, const osteon_image& image,
                              const osteon_predict_request& request) const {
    const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1], k = class_count(inner, request);
    std::vector<Window> windows;
    std::vector<sdk::Image> tiles;
    for (const std::int64_t y : starts(height))
      for (const std::int64_t x : starts(width))
        windows.push_back({y, x, std::min(params_.size, height), std::min(params_.size, width)});
    for (const Window& window : windows) tiles.push_back(cut(call, image, window));
    std::vector<const osteon_image*> pointers;
    for (const sdk::Image& tile : tiles) pointers.push_back(tile.raw());
    osteon_predict_request below = asking(request, OSTEON_FORM_LOGITS);
    below.scale = OSTEON_SCALE_NATIVE;
    const std::vector<sdk::Prediction> predictions = inner.predict(call, pointers, below);

    sdk::OwnedTensor sum = call.allocate<float>({k, height, width});
    std::fill_n(sum.data<float>(), k * height * width, 0.0f);
    std::vector<float> seen(static_cast<std::size_t>(height * width));
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const Window& w = windows[i];
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x) {
          const std::int64_t at = (w.y + y) * width + w.x + x;
          seen[static_cast<std::size_t>(at)] += 1;
          for (std::int64_t c = 0; c < k; ++c)
            sum.data<float>()[c * height * width + at] += predictions[i].data()[(c * w.height + y) * w.width + x];
        }
    }
    for (std::int64_t i = 0; i < k * height * width; ++i)
      sum.data<float>()[i] /= seen[static_cast<std::size_t>(i % (height * width))];
    sdk::Prediction result;
    result.raw().form = OSTEON_FORM_LOGITS;
    result.raw().to_image[0] = result.raw().to_image[4] = 1;
    result.set(std::move(sum));
    inner.convert(call, request, height, width, result);
    return result;
  }
  Params params_;
};

/// The mirrored image's prediction, turned back: the heart of test-time augmentation. All classes stay what they are.
class Mirror {
 public:
  using Params = sdk::NoParams;
  Mirror(const Params&, const sdk::PostprocessorRequest&) {}
  sdk::PostprocessorTraits traits() const { return {}; }
  std::vector<sdk::Prediction> process(const sdk::Call& call, const sdk::Predictor& inner,
                                       const std::vector<const osteon_image*>& images,
                                       const osteon_predict_request& request) const {
    std::vector<sdk::Image> mirrored;
    std::vector<const osteon_image*> pointers;
    for (const osteon_image* image : images) mirrored.push_back(mirror(call, *image));
    for (const sdk::Image& image : mirrored) pointers.push_back(image.raw());
    std::vector<sdk::Prediction> predictions = inner.predict(call, pointers, asking(request, request.form));
    for (sdk::Prediction& prediction : predictions)
      for (std::int64_t row = 0; row < prediction.classes() * prediction.height(); ++row) {
        float* first = prediction.data() + row * prediction.width();
        std::reverse(first, first + prediction.width());
      }
    return predictions;
  }

 private:
  static sdk::Image mirror(const sdk::Call& call, const osteon_image& image) {
    const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1], channels = image.pixels.shape[2];
    const float* in = sdk::data_of<const float>(image.pixels, "an image");
    sdk::OwnedTensor pixels = call.allocate<float>({height, width, channels});
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        std::copy_n(in + (y * width + width - 1 - x) * channels, channels,
                    pixels.data<float>() + (y * width + x) * channels);
    const sdk::Affine back = sdk::Affine::of({-1, 0, static_cast<double>(width - 1), 0, 1, 0});
    return sdk::Image(std::move(pixels), back, image);
  }
};

/// Finds the class `anchor` by the inner predictor and has what lies around it predicted again by another one.
class CropRefine {
 public:
  struct Params {
    sdk::PredictorRef refiner;
    std::int64_t anchor = 0, margin = 2;
    static void schema(sdk::Schema<Params>& s) {
      s.add("refiner", &Params::refiner, "predicts the part around the anchor");
      s.add("anchor", &Params::anchor, "number of the class that is looked for").at_least(0);
      s.add("margin", &Params::margin, "kept around it").unit("px").at_least(0);
    }
  };
  CropRefine(const Params& params, const sdk::PostprocessorRequest&) : params_(params) {}
  sdk::PostprocessorTraits traits() const {
    sdk::PostprocessorTraits traits;
    traits.needs_forms = traits.gives_forms = OSTEON_SET(OSTEON_FORM_PROBABILITIES);
    return traits;
  }
  std::vector<sdk::Prediction> process(const sdk::Call& call, const sdk::Predictor& inner,
                                       const std::vector<const osteon_image*>& images,
                                       const osteon_predict_request& request) const {
    // The anchor may not be among the classes that are wanted: it is asked for by itself, for it costs one class.
    const auto anchor = static_cast<std::int32_t>(params_.anchor);
    osteon_predict_request coarse = asking(request, OSTEON_FORM_PROBABILITIES);
    coarse.n_classes = 1;
    coarse.classes = &anchor;
    const std::vector<sdk::Prediction> anchors = inner.predict(call, images, coarse);
    std::vector<sdk::Prediction> results = inner.predict(call, images, asking(request, OSTEON_FORM_PROBABILITIES));
    std::vector<Window> windows;
    std::vector<std::size_t> whose;
    std::vector<sdk::Image> crops;
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Window window = around(anchors[i]);
      if (window.height == 0) continue;
      windows.push_back(window);
      whose.push_back(i);
      crops.push_back(cut(call, *images[i], window));
    }
    if (crops.empty()) return results;
    std::vector<const osteon_image*> pointers;
    for (const sdk::Image& crop : crops) pointers.push_back(crop.raw());
    const sdk::Predictor refiner(params_.refiner.predictor);
    const std::vector<sdk::Prediction> refined =
        refiner.predict(call, pointers, asking(request, OSTEON_FORM_PROBABILITIES));
    for (std::size_t n = 0; n < crops.size(); ++n) paste(refined[n], windows[n], results[whose[n]]);
    return results;
  }

 private:
  Window around(const sdk::Prediction& prediction) const {
    const std::int64_t height = prediction.height(), width = prediction.width();
    std::int64_t top = height, left = width, bottom = -1, right = -1;
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        if (prediction.data()[y * width + x] > 0.5f) {
          top = std::min(top, y), bottom = std::max(bottom, y);
          left = std::min(left, x), right = std::max(right, x);
        }
    if (bottom < 0) return {};
    top = std::max<std::int64_t>(0, top - params_.margin), left = std::max<std::int64_t>(0, left - params_.margin);
    bottom = std::min(height - 1, bottom + params_.margin), right = std::min(width - 1, right + params_.margin);
    return {top, left, bottom - top + 1, right - left + 1};
  }
  static void paste(const sdk::Prediction& part, const Window& w, sdk::Prediction& whole) {
    for (std::int64_t c = 0; c < part.classes(); ++c)
      for (std::int64_t y = 0; y < w.height; ++y)
        std::copy_n(part.data() + (c * w.height + y) * w.width, w.width,
                    whole.data() + (c * whole.height() + w.y + y) * whole.width() + w.x);
  }
  Params params_;
};

}  // namespace osteon::spikes
