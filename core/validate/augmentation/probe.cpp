// SPDX-License-Identifier: Apache-2.0
#include "validate/augmentation/probe.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/random.hpp>

#include "plugin/handle_support.hpp"

namespace osteon::validate {
namespace {

double maximum_of(osteon_dtype type) {
  return type == sdk::dtype_of<std::uint8_t>() ? 255 : type == sdk::dtype_of<std::uint16_t>() ? 65535 : 1;
}

template <class T>
void append(std::vector<std::uint8_t>* bytes, const T* values, std::size_t count) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(values);
  bytes->insert(bytes->end(), begin, begin + count * sizeof(T));
}

}  // namespace

osteon_random_key key_of(std::uint64_t i) {
  sdk::Random random(i, 0x6b6579);
  const auto word = [&random] { return static_cast<std::uint64_t>(random.bits()) << 32 | random.bits(); };
  const std::uint64_t first = word();
  return {{first, word()}};
}

PixelBatch::PixelBatch(osteon_dtype type, std::int64_t h, std::int64_t w, std::int64_t c, double low, double high)
    : image(type, {h, w, c}), maximum(maximum_of(type)) {
  for (std::int64_t i = 0; i < image.count(); ++i)
    set_value(i, low + (high - low) * texture(i / (w * c), i / c % w, i % c));
}

void PixelBatch::add_labels(std::int64_t n_classes) {
  labels = std::make_unique<ProbeTensor>(sdk::dtype_of<std::int32_t>(),
                                         std::vector<std::int64_t>{(n_classes + 31) / 32, height(), width()});
  valid = std::make_unique<ProbeTensor>(sdk::dtype_of<std::uint8_t>(), std::vector<std::int64_t>{height(), width()});
  const std::int64_t pixels = height() * width();
  std::fill_n(valid->data<std::uint8_t>(), pixels, std::uint8_t{1});
  for (std::int64_t p = 0; p < pixels; ++p) {
    const std::int64_t k = (p / width() / 8 * 5 + p % width() / 8) % n_classes;
    labels->data<std::uint32_t>()[k / 32 * pixels + p] |= 1u << (k % 32);
  }
}

double PixelBatch::value(std::int64_t i) const {
  if (image.view().dtype == sdk::dtype_of<std::uint8_t>()) return image.data<std::uint8_t>()[i] / maximum;
  if (image.view().dtype == sdk::dtype_of<std::uint16_t>()) return image.data<std::uint16_t>()[i] / maximum;
  return static_cast<double>(image.data()[i]);
}

void PixelBatch::set_value(std::int64_t i, double share) {
  if (image.view().dtype == sdk::dtype_of<std::uint8_t>())
    image.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::lround(share * maximum));
  else if (image.view().dtype == sdk::dtype_of<std::uint16_t>())
    image.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(std::lround(share * maximum));
  else
    image.data()[i] = static_cast<float>(share);
}

std::vector<float> PixelBatch::values() const {
  std::vector<float> values;
  for (std::int64_t i = 0; i < image.count(); ++i) values.push_back(static_cast<float>(value(i)));
  return values;
}

osteon_pixels PixelBatch::raw() const {
  auto pixels = sdk::sized<osteon_pixels>();
  pixels.image = image;
  pixels.maximum = maximum;
  pixels.labels = labels != nullptr ? &labels->view() : nullptr;
  pixels.valid = valid != nullptr ? &valid->view() : nullptr;
  return pixels;
}

AugmentationProbe::AugmentationProbe(const Subject& subject, std::int64_t n_classes, bool mirrored)
    : api_(subject.component.api<osteon_augmentation_api>()), n_classes_(n_classes) {
  plugin::ClassContext classes = classes_of(n_classes);
  for (std::int32_t k = 0; k < n_classes && mirrored; ++k) classes.mirrored.push_back(k == 1 ? 2 : k == 2 ? 1 : k);
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes);
  const auto names = plugin::name_pointers(classes.names);
  auto request = sdk::sized<osteon_augmentation_request>();
  request.n_classes = n_classes;
  request.class_names = names.data();
  request.mirrored = mirrored ? classes.mirrored.data() : nullptr;
  const SteeredCall call;
  expect_ok(
      attempt([&](osteon_error* e) { return api_.create(call.raw(), values.get(), &request, &augmentation_, e); }),
      "create");
  expect(augmentation_ != nullptr, "create returned OK without an augmentation");
  for (const osteon_dtype type :
       {sdk::dtype_of<std::uint8_t>(), sdk::dtype_of<std::uint16_t>(), sdk::dtype_of<float>()})
    if (subject.component.supports_dtype(type)) types_.push_back(type);
}

AugmentationProbe::~AugmentationProbe() { api_.destroy(augmentation_); }

osteon_augmentation_info AugmentationProbe::info() const {
  return sdk::known(api_.info(augmentation_), "what info gave",
                    OSTEON_AUGMENTATION_EDITS_LABELS | OSTEON_AUGMENTATION_WANTS_BOXES);
}

WarpRequest::WarpRequest(const AugmentationProbe& augmentation, const WarpAsk& ask)
    : boxes_(ask.boxes), raw_(sdk::sized<osteon_warp_request>()) {
  raw_.height = ask.height;
  raw_.width = ask.width;
  raw_.view_height = ask.view_height;
  raw_.view_width = ask.view_width;
  raw_.view_index = ask.view_index;
  if (!augmentation.wants_boxes()) return;
  for (std::int64_t c = 0; c < augmentation.n_classes() && ask.boxes.empty(); ++c)
    boxes_.insert(boxes_.end(), {0, 0, static_cast<double>(ask.width - 1), static_cast<double>(ask.height - 1)});
  raw_.class_boxes = boxes_.data();
}

osteon_warp WarpRequest::preset() const noexcept {
  auto warp = sdk::sized<osteon_warp>();
  warp.kind = OSTEON_WARP_IDENTITY;
  warp.border = OSTEON_BORDER_REFLECT_101;
  warp.height = raw_.height;
  warp.width = raw_.width;
  warp.matrix[0] = warp.matrix[4] = 1;
  return warp;
}

AugmentationProbe::Warp::Warp(const AugmentationProbe& owner, const osteon_random_key& key, const WarpAsk& ask,
                              const osteon_call* call)
    : owner_(owner) {
  expect(owner.api().sample_warp != nullptr, "it is geometric and has no sample_warp");
  const WarpRequest request(owner, ask);
  warp_ = request.preset();
  const SteeredCall own;
  outcome_ = attempt([&](osteon_error* e) {
    return owner.api().sample_warp(call != nullptr ? call : own.raw(), owner.get(), &key, Sent(request.raw()), &warp_,
                                   e);
  });
}

AugmentationProbe::Warp AugmentationProbe::sample(const osteon_random_key& key, const WarpAsk& ask,
                                                  const osteon_call* call) const {
  return Warp(*this, key, ask, call).checked();
}

AugmentationProbe::Warp AugmentationProbe::Warp::checked() && {
  const std::int64_t height = warp_.height, width = warp_.width;
  expect_ok(outcome_, "sample_warp");
  expect(height > 0 && width > 0 && height <= (1 << 20) && width <= (1 << 20),
         "sample_warp gave an output of {} x {} pixels", height, width);
  return std::move(*this);
}

AugmentationProbe::Warp::Warp(Warp&& other) noexcept
    : owner_(other.owner_), outcome_(std::move(other.outcome_)), warp_(other.warp_) {
  other.outcome_.status = OSTEON_FAILED;  // nothing of it is left to end
}

AugmentationProbe::Warp::~Warp() {
  if (outcome_.ok() && owner_.api().end_warp != nullptr) owner_.api().end_warp(owner_.get(), &warp_);
}

std::vector<float> AugmentationProbe::Warp::map(std::vector<float> xy) const {
  if (warp_.kind == OSTEON_WARP_IDENTITY) return xy;
  if (warp_.kind == OSTEON_WARP_FREE) {
    expect(owner_.api().map_points != nullptr, "it drew a free warp and has no map_points");
    expect_ok(attempt([&](osteon_error* e) {
                return owner_.api().map_points(owner_.get(), &warp_, xy.size() / 2, xy.data(), e);
              }),
              "map_points");
    return xy;
  }
  const double* m = warp_.matrix;
  for (std::size_t i = 0; i + 1 < xy.size(); i += 2) {
    const double x = xy[i], y = xy[i + 1];
    xy[i] = static_cast<float>(m[0] * x + m[1] * y + m[2]);
    xy[i + 1] = static_cast<float>(m[3] * x + m[4] * y + m[5]);
  }
  return xy;
}

std::vector<float> AugmentationProbe::Warp::map_grid() const {
  std::vector<float> xy;
  for (std::int64_t y = 0; y < warp_.height; ++y)
    for (std::int64_t x = 0; x < warp_.width; ++x) {
      xy.push_back(static_cast<float>(x));
      xy.push_back(static_cast<float>(y));
    }
  return map(std::move(xy));
}

Outcome AugmentationProbe::try_apply(const osteon_random_key& key, const PixelBatch& batch,
                                     const osteon_call* call) const {
  expect(api_.apply != nullptr, "it is photometric and has no apply");
  const osteon_pixels pixels = batch.raw();
  const SteeredCall own;
  return attempt([&](osteon_error* e) {
    return api_.apply(call != nullptr ? call : own.raw(), augmentation_, &key, Sent(pixels), e);
  });
}

void AugmentationProbe::apply(const osteon_random_key& key, const PixelBatch& batch) const {
  expect_ok(try_apply(key, batch),
            "apply to " + sdk::to_string(batch.image.view().dtype) + " pixels " + sdk::shape_text(batch.image.view()));
}

PixelBatch AugmentationProbe::batch(std::int64_t h, std::int64_t w, std::int64_t c) const {
  expect(!types_.empty(), "it lists no type of pixels that there is: uint8, uint16, float32");
  PixelBatch batch(types_.front(), h, w, c);
  if (edits_labels()) batch.add_labels(n_classes_);
  return batch;
}

std::vector<std::uint8_t> AugmentationProbe::draw(const osteon_random_key& key, std::int64_t h, std::int64_t w,
                                                  const osteon_call* call) const {
  std::vector<std::uint8_t> bytes;
  if (!geometric()) {
    const PixelBatch pixels = batch(h, w);
    expect_ok(try_apply(key, pixels, call), fmt::format("apply to {} x {} pixels", h, w));
    bytes = pixels.image.bytes();
    for (const auto* labels : {pixels.labels.get(), pixels.valid.get()})
      if (labels != nullptr) append(&bytes, labels->data<std::uint8_t>(), labels->bytes().size());
    return bytes;
  }
  const Warp warp = sample(key, {h, w}, call);
  const osteon_warp& raw = warp.get();
  const double numbers[] = {static_cast<double>(raw.kind),  static_cast<double>(raw.border),
                            static_cast<double>(raw.flags), static_cast<double>(raw.height),
                            static_cast<double>(raw.width), raw.image_fill};
  append(&bytes, numbers, std::size(numbers));
  const std::vector<float> from = warp.map_grid();
  append(&bytes, from.data(), from.size());
  if (raw.class_source != nullptr) append(&bytes, raw.class_source, static_cast<std::size_t>(n_classes_));
  return bytes;
}

const std::vector<Check>& augmentation_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic : {&augmentation_key_checks(), &augmentation_warp_checks(), &augmentation_pixel_checks(),
                              &augmentation_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
