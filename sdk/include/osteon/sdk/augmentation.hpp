// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/augmentation.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/random.hpp>
#include <osteon/sdk/request_check.hpp>

/// Augmentations. A geometric one has `Warp sample(Random&, const WarpRequest&) const`, or `Warp sample(const Call&,
/// Random&, const WarpRequest&) const` where drawing is work that wants threads or has something to note: where each
/// output pixel comes from; the host resamples. With `static constexpr bool kWantsBoxes = true;` it is told where the
/// classes lie. A photometric one has `void apply(const Call&, Random&, Pixels&) const`: it changes pixels in place;
/// with `static constexpr bool kEditsLabels = true;`, or where that depends on its parameters with `bool edits_labels()
/// const`, it gets the labels as well.
///
///     class HorizontalFlip {
///      public:
///       using Params = NoParams;
///       HorizontalFlip(const Params&, const AugmentationRequest&);
///       Warp sample(Random&, const WarpRequest& in) const;
///     };
///     OSTEON_PLUGIN("horizontal_flip", "1.0.0", osteon::sdk::augmentation<HorizontalFlip>({"horizontal_flip", "1.0.0",
///     "..."}))
namespace osteon::sdk {

/// What the data asks of an augmentation.
struct AugmentationRequest {
  std::vector<std::string> class_names;
  std::vector<std::int32_t> mirrored;  ///< class that c becomes in a mirrored image; empty: each stays what it is
};

/// A box around a class, in pixel centres, both ends inside.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

/// The input of a geometric augmentation, px.
struct WarpRequest {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t view_height = 0;  ///< of what the view ends at, the model's input
  std::int64_t view_width = 0;
  std::int64_t view_index = 0;  ///< which view of its image this is, from 0 on
  std::int64_t n_classes = 0;
  const double* class_boxes = nullptr;  ///< see box()

  /// Around what is there of a class, in a class that has kWantsBoxes; none for a class that is not there. Behind a
  /// step that moved pixels a box may be larger than it need be, never smaller.
  std::optional<Box> box(std::int64_t class_index) const {
    if (class_boxes == nullptr || class_index < 0 || class_index >= n_classes) return std::nullopt;
    const double* b = class_boxes + 4 * class_index;
    if (std::isnan(b[0])) return std::nullopt;
    return Box{b[0], b[1], b[2], b[3]};
  }
};

/// A free warp: pure, and called from several threads at once.
class PointMap {
 public:
  virtual ~PointMap() = default;
  /// Replaces output points (x, y interleaved; pixel centres are whole numbers) by where they come from in the input.
  virtual void map(std::uint64_t count, float* xy) const = 0;
};

/// Where output pixels come from.
class Warp {
 public:
  /// Pixels stay where they are.
  static Warp identity() { return Warp(OSTEON_WARP_IDENTITY); }
  /// Pixels move by whole pixels, swaps and mirrors: entries -1, 0, 1 and whole offsets. Exact.
  static Warp permutation(const double (&output_to_input)[6]) { return Warp(OSTEON_WARP_PERMUTATION, output_to_input); }
  static Warp affine(const double (&output_to_input)[6]) { return Warp(OSTEON_WARP_AFFINE, output_to_input); }
  static Warp free(std::shared_ptr<const PointMap> map) {
    Warp warp(OSTEON_WARP_FREE);
    warp.map_ = std::move(map);
    return warp;
  }

  /// Output size; by default the input's.
  Warp& size(std::int64_t height, std::int64_t width) {
    height_ = height;
    width_ = width;
    return *this;
  }
  /// Beyond the input lies `fill` (0..1) without any class; `ignore` makes the labels there invalid. By default the
  /// input is mirrored.
  Warp& constant_border(double fill, bool ignore = false) {
    border_ = OSTEON_BORDER_CONSTANT;
    fill_ = fill;
    flags_ = ignore ? std::uint32_t{OSTEON_WARP_IGNORE_OUTSIDE} : 0u;
    return *this;
  }
  /// Output class c takes the bits of input class source[c].
  Warp& class_source(std::vector<std::int32_t> source) {
    class_source_ = std::move(source);
    return *this;
  }

  /// Fills the ABI's struct, as far as its caller knows it; it owns what it points at until end().
  void give(osteon_warp* out) const {
    osteon_warp warp = known(out, "a warp");
    warp.kind = kind_;
    warp.border = border_;
    warp.flags = flags_;
    if (height_ > 0) warp.height = height_;
    if (width_ > 0) warp.width = width_;
    for (int i = 0; i < 6; ++i) {
      if (!std::isfinite(matrix_[i])) throw Error(OSTEON_FAILED, "its warp's matrix is not finite");
      warp.matrix[i] = matrix_[i];
    }
    if (kind_ == OSTEON_WARP_FREE && map_ == nullptr) throw Error(OSTEON_FAILED, "its free warp has no map of points");
    warp.image_fill = fill_;
    auto kept = std::make_unique<Warp>(*this);
    warp.class_source = kept->class_source_.empty() ? nullptr : kept->class_source_.data();
    warp.state = kept.release();
    fill_known(warp, out);
  }
  static void end(osteon_warp* warp) noexcept {
    delete static_cast<Warp*>(warp->state);
    warp->state = nullptr;
  }
  const PointMap& map() const { return *map_; }

 private:
  explicit Warp(std::uint32_t kind) : kind_(kind) {}
  Warp(std::uint32_t kind, const double (&matrix)[6]) : kind_(kind) {
    for (int i = 0; i < 6; ++i) matrix_[i] = matrix[i];
  }
  std::uint32_t kind_;
  std::uint32_t border_ = OSTEON_BORDER_REFLECT_101;
  std::uint32_t flags_ = 0;
  std::int64_t height_ = 0, width_ = 0;
  double matrix_[6] = {1, 0, 0, 0, 1, 0};
  double fill_ = 0;
  std::vector<std::int32_t> class_source_;
  std::shared_ptr<const PointMap> map_;
};

/// Pixels to change in place; see osteon_pixels.
class Pixels {
 public:
  explicit Pixels(const osteon_pixels& given) : raw_(known(&given, "the pixels")) {
    if (raw_.image == nullptr) throw InvalidArgument("the pixels have no image");
    expect_canonical(*raw_.image, "an image");
    expect_shape(*raw_.image, {-1, -1, -1}, "an image");
    if (!is(dtype_of<std::uint8_t>()) && !is(dtype_of<std::uint16_t>()) && !is(dtype_of<float>()))
      throw Unsupported("pixels are uint8, uint16 or float32, not " + to_string(view().dtype));
    if (channels() != 1 && channels() != 3)
      throw InvalidArgument("an image has " + std::to_string(channels()) + " channels, expected 1 or 3");
    check_plane<std::int32_t>(raw_.labels, {-1, height(), width()}, "the labels");
    check_plane<std::uint8_t>(raw_.valid, {height(), width()}, "the plane of valid pixels");
  }
  const osteon_tensor_view& view() const noexcept { return *raw_.image; }
  std::int64_t height() const noexcept { return view().shape[0]; }
  std::int64_t width() const noexcept { return view().shape[1]; }
  std::int64_t channels() const noexcept { return view().shape[2]; }
  /// All samples, channels included.
  std::int64_t size() const noexcept { return height() * width() * channels(); }
  /// The greatest intensity: 255, 65535 or 1.
  double maximum() const noexcept { return raw_.maximum; }
  bool is(osteon_dtype type) const noexcept { return view().dtype == type; }
  template <class T>
  T* data() const {
    return data_of<T>(view(), "an image");
  }
  /// Calls `work(samples, first, count)` for all samples in their order, in pieces of some milliseconds at most, each
  /// of whole pixels. `samples` points at those from `first` on, as std::uint8_t, std::uint16_t or float. Throws
  /// Cancelled between two pieces.
  template <class Work>
  void in_pieces(const Call& call, Work&& work) const {
    if (is(dtype_of<std::uint8_t>()))
      pieces_of<std::uint8_t>(call, work);
    else if (is(dtype_of<std::uint16_t>()))
      pieces_of<std::uint16_t>(call, work);
    else
      pieces_of<float>(call, work);
  }
  /// Bit planes and valid plane; null unless the augmentation edits labels.
  const osteon_tensor_view* labels() const noexcept { return raw_.labels; }
  const osteon_tensor_view* valid() const noexcept { return raw_.valid; }

 private:
  template <class T, class Work>
  void pieces_of(const Call& call, const Work& work) const {
    constexpr std::int64_t kPiece = 3 * 65536;
    T* samples = data<T>();
    for (std::int64_t first = 0; first < size(); first += kPiece) {
      call.stop_if_cancelled();
      work(samples + first, first, kPiece < size() - first ? kPiece : size() - first);
    }
  }
  template <class Element>
  static void check_plane(const osteon_tensor_view* view, const std::vector<std::int64_t>& shape, const char* what) {
    if (view == nullptr) return;
    expect_canonical(*view, what);
    expect_shape(*view, shape, what);
    data_of<Element>(*view, what);
  }
  osteon_pixels raw_;
};

namespace detail {

template <class T, class = void>
struct IsGeometric : std::false_type {};
template <class T>
struct IsGeometric<T, std::void_t<decltype(&T::sample)>> : std::true_type {};

template <class T, class = void>
struct EditsLabels : std::false_type {};
template <class T>
struct EditsLabels<T, std::void_t<decltype(T::kEditsLabels)>> : std::bool_constant<T::kEditsLabels> {};
template <class T, class = void>
struct SaysWhetherItEditsLabels : std::false_type {};
template <class T>
struct SaysWhetherItEditsLabels<T, std::void_t<decltype(&T::edits_labels)>> : std::true_type {};
template <class T, class = void>
struct WantsBoxes : std::false_type {};
template <class T>
struct WantsBoxes<T, std::void_t<decltype(T::kWantsBoxes)>> : std::bool_constant<T::kWantsBoxes> {};

/// What the author draws, told of the call or not.
template <class T>
Warp draw(const T& author, const Call& call, Random& random, const WarpRequest& in) {
  if constexpr (std::is_invocable_v<decltype(&T::sample), const T&, const Call&, Random&, const WarpRequest&>)
    return author.sample(call, random, in);
  else
    return author.sample(random, in);
}

template <class T>
struct AugmentationLayer {
  struct Instance {
    T author;
    std::int64_t n_classes;
    osteon_augmentation_info info;
  };
  static const Instance& self(const osteon_augmentation* raw) { return *reinterpret_cast<const Instance*>(raw); }

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_augmentation_request* given, osteon_augmentation** out,
                              osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      const osteon_augmentation_request raw = known(given, "an augmentation's request");
      AugmentationRequest request;
      for (std::int64_t k = 0; k < raw.n_classes; ++k) {
        request.class_names.emplace_back(raw.class_names[k]);
        if (raw.mirrored != nullptr) request.mirrored.push_back(raw.mirrored[k]);
      }
      std::unique_ptr<Instance> instance(
          new Instance{T(schema_of<typename T::Params>().read(values), request), raw.n_classes, {}});
      instance->info = info_of(instance->author);
      *out = reinterpret_cast<osteon_augmentation*>(instance.release());
    });
  }
  static void destroy(osteon_augmentation* raw) { delete reinterpret_cast<Instance*>(raw); }

  static bool edits_labels(const T& author) {
    if constexpr (SaysWhetherItEditsLabels<T>::value)
      return author.edits_labels();
    else
      return EditsLabels<T>::value;
  }
  static osteon_augmentation_info info_of(const T& author) {
    osteon_augmentation_info i{};
    i.struct_size = sizeof i;
    i.flags = (edits_labels(author) ? std::uint32_t{OSTEON_AUGMENTATION_EDITS_LABELS} : 0u) |
              (WantsBoxes<T>::value ? std::uint32_t{OSTEON_AUGMENTATION_WANTS_BOXES} : 0u);
    i.way = IsGeometric<T>::value ? OSTEON_AUGMENTATION_GEOMETRIC : OSTEON_AUGMENTATION_PHOTOMETRIC;
    return i;
  }
  static const osteon_augmentation_info* info(const osteon_augmentation* raw) { return &self(raw).info; }

  static osteon_status sample_warp(const osteon_call* call, const osteon_augmentation* raw,
                                   const osteon_random_key* key, const osteon_warp_request* given, osteon_warp* warp,
                                   osteon_error* error) {
    return guard(error, [&] {
      const Call wrapped(call);
      const osteon_warp_request request = known(given, "a warp's request");
      if (request.height < 1 || request.width < 1)
        throw InvalidArgument("an image of " + std::to_string(request.height) + " x " + std::to_string(request.width) +
                              " pixels cannot be warped");
      const Instance& instance = self(raw);
      Random random(key->words[0], key->words[1]);
      draw(instance.author, wrapped, random,
           WarpRequest{request.height, request.width, request.view_height, request.view_width, request.view_index,
                       instance.n_classes, request.class_boxes})
          .give(warp);
    });
  }
  static osteon_status map_points(const osteon_augmentation*, const osteon_warp* warp, std::uint64_t count, float* xy,
                                  osteon_error* error) {
    return guard(error, [&] {
      const osteon_warp drawn = known(warp, "a warp", OSTEON_WARP_IGNORE_OUTSIDE);
      static_cast<const Warp*>(drawn.state)->map().map(count, xy);
    });
  }
  static void end_warp(const osteon_augmentation*, osteon_warp* warp) { Warp::end(warp); }

  static osteon_status apply(const osteon_call* call, const osteon_augmentation* raw, const osteon_random_key* key,
                             const osteon_pixels* pixels, osteon_error* error) {
    return guard(error, [&] {
      known(pixels, "the pixels");
      Random random(key->words[0], key->words[1]);
      Pixels wrapped(*pixels);
      self(raw).author.apply(Call(call), random, wrapped);
    });
  }

  static const osteon_augmentation_api* api() {
    static constexpr auto kApi = [] {
      osteon_augmentation_api a{};
      a.struct_size = sizeof a;
      a.create = &create;
      a.destroy = &destroy;
      a.info = &info;
      if constexpr (IsGeometric<T>::value) {
        a.sample_warp = &sample_warp;
        a.map_points = &map_points;
        a.end_warp = &end_warp;
      } else {
        a.apply = &apply;
      }
      return a;
    }();
    return &kApi;
  }
};

}  // namespace detail

/// The component of an augmentation class, for OSTEON_PLUGIN. `dtypes` are those of the pixels that a photometric one
/// can change; a geometric one sees none.
template <class T>
osteon_component augmentation(const About& about,
                              const std::vector<osteon_dtype>& dtypes = {
                                  dtype_of<std::uint8_t>(), dtype_of<std::uint16_t>(), dtype_of<float>()}) {
  return detail::component<typename T::Params>(OSTEON_KIND_AUGMENTATION, about, detail::AugmentationLayer<T>::api(),
                                               {OSTEON_DEVICE_CPU}, dtypes);
}

}  // namespace osteon::sdk
