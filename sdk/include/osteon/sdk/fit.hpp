// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/fit.h>
#include <osteon/abi/predictor.h>
#include <osteon/sdk/band.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/known.hpp>

/// Fitting of ensemblers and post-processors: what they learn from predictions and the truth. A class whose
/// traits().fits is true has
///
///       std::vector<StateTensor> tensors();             // what was learnt, and is kept with the run
///       void fit_begin(const Call&, const FitRequest&);  // forgets an earlier fit
///       void fit_add(const Call&, const FitSample&);     // one band of one image
///       bool fit_end(const Call&);                       // true: add everything once more
///       void changed();                                  // may be left out: values of tensors() were loaded
namespace osteon::sdk {

/// A tensor of a fitted state: contiguous, owned by who gives it, never moved while that lives.
struct StateTensor {
  std::string name;
  osteon_dtype dtype;
  std::vector<std::int64_t> shape;
  void* data;
};

/// What is fitted on.
struct FitRequest {
  std::int64_t n_members = 0;
  std::int64_t n_classes = 0;
  const double* table = nullptr;  ///< [n_members, n_classes], or nullptr

  /// Validation Dice of a member, of a class; NaN where it is unknown.
  double dice(std::int64_t member, std::int64_t class_index) const {
    return table == nullptr ? std::numeric_limits<double>::quiet_NaN() : table[member * n_classes + class_index];
  }
};

/// One band of one image: what each member says of it, and the truth. A post-processor has one member, what lies
/// beneath it. Borrowed for the call.
struct FitSample {
  std::string image;  ///< the image's id; its bands come one after the other
  osteon_band band{};
  /// What each member says, float32 [classes of the band, height, width] or bit planes; nullptr: nothing of this band.
  std::vector<const osteon_tensor_view*> members;
  const std::int32_t* target = nullptr;       ///< bit planes [P, height, width] over all classes
  const std::uint8_t* valid = nullptr;        ///< [height, width]; nullptr: all valid
  const std::uint8_t* class_valid = nullptr;  ///< by class; nullptr: all are known

  std::int64_t pixels() const noexcept { return band.height * band.width; }
  /// A member's values of the band's k-th class, [height, width].
  const float* values(std::size_t member, std::uint64_t k) const {
    return data_of<const float>(*members[member], "a member's prediction") + static_cast<std::int64_t>(k) * pixels();
  }
  /// Whether the truth of a pixel is known, whether that of a class of this image is, and whether the pixel has it.
  bool known(std::int64_t pixel) const noexcept { return valid == nullptr || valid[pixel] != 0; }
  bool class_known(std::int32_t c) const noexcept { return class_valid == nullptr || class_valid[c] != 0; }
  bool is_set(std::int32_t c, std::int64_t pixel) const noexcept {
    return (static_cast<std::uint32_t>(target[c / 32 * pixels() + pixel]) >> (c % 32) & 1u) != 0;
  }
};

namespace detail {

template <class T, class = void>
struct HasFit : std::false_type {};
template <class T>
struct HasFit<T, std::void_t<decltype(&T::fit_begin), decltype(&T::tensors)>> : std::true_type {};
template <class T, class = void>
struct HasChanged : std::false_type {};
template <class T>
struct HasChanged<T, std::void_t<decltype(&T::changed)>> : std::true_type {};

/// What an instance of a component needs for its fit.
class FitState {
 public:
  /// @param fits   whether it has to be fitted
  /// @param can    whether it has the functions for that
  /// @param forms  OSTEON_SET of the forms that members are given in
  void begin_life(bool fits, bool can, std::int64_t n_classes, std::int64_t n_members, std::uint32_t forms) {
    if (fits && !can) throw Error(OSTEON_FAILED, "it says that it fits, and has no fit_begin and tensors");
    ready_ = !fits;
    n_classes_ = n_classes;
    n_members_ = n_members;
    takes_bits_ = (forms & OSTEON_SET(OSTEON_FORM_BITS)) != 0;
    takes_floats_ = (forms & ~OSTEON_SET(OSTEON_FORM_BITS)) != 0;
  }
  void expect_ready() const {
    if (!ready_) throw InvalidArgument("it has neither been fitted nor been given a fitted state");
  }
  void set_ready(bool ready) noexcept { ready_ = ready; }

  /// Named views of `tensors`, made once.
  const std::vector<const osteon_named_tensor*>& named(std::vector<StateTensor> tensors) {
    tensors_ = std::move(tensors);
    views_.clear();
    named_.clear();
    pointers_.clear();
    for (const StateTensor& tensor : tensors_) views_.emplace_back(tensor.data, tensor.dtype, tensor.shape);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      auto& named = named_.emplace_back(sized<osteon_named_tensor>());
      named.role = OSTEON_TENSOR_BUFFER;
      named.depth = -1;
      named.name = tensors_[i].name.c_str();
      named.value = views_[i].view();
      named.grad = views_[i].view();
      named.grad.data = nullptr;
    }
    for (const osteon_named_tensor& named : named_) pointers_.push_back(&named);
    made_ = true;
    return pointers_;
  }
  bool made() const noexcept { return made_; }
  const std::vector<const osteon_named_tensor*>& pointers() const noexcept { return pointers_; }

  FitRequest request_of(const osteon_fit_request* given) const {
    const osteon_fit_request raw = known(given, "a fit's request");
    if (raw.n_members != n_members_)
      throw InvalidArgument("a fit on " + std::to_string(raw.n_members) + " members, expected " +
                            std::to_string(n_members_));
    FitRequest request{n_members_, n_classes_, nullptr};
    if (raw.dice == nullptr) return request;
    expect_canonical(*raw.dice, "the table of Dice");
    expect_shape(*raw.dice, {n_members_, n_classes_}, "the table of Dice");
    request.table = data_of<const double>(*raw.dice, "the table of Dice");
    return request;
  }

  FitSample sample_of(const osteon_fit_sample* given) const {
    const osteon_fit_sample raw = known(given, "a sample");
    FitSample sample;
    if (raw.image == nullptr) throw InvalidArgument("a sample has no image id");
    sample.image = raw.image;
    sample.band = known_band(raw.band, n_classes_);
    if (raw.n_members != static_cast<std::uint64_t>(n_members_) || raw.members == nullptr)
      throw InvalidArgument("a sample of " + std::to_string(raw.n_members) + " members, expected " +
                            std::to_string(n_members_));
    for (std::uint64_t m = 0; m < raw.n_members; ++m) {
      const osteon_tensor_view* view = raw.members[m];
      if (view != nullptr) {
        const bool bits = takes_bits_ && (!takes_floats_ || view->dtype == dtype_of<std::int32_t>());
        check_member(*view, sample.band, bits);
      }
      sample.members.push_back(view);
    }
    sample.target =
        plane<std::int32_t>(raw.target, {(n_classes_ + 31) / 32, sample.band.height, sample.band.width}, "the truth");
    if (raw.valid != nullptr)
      sample.valid =
          plane<std::uint8_t>(raw.valid, {sample.band.height, sample.band.width}, "the plane of valid pixels");
    sample.class_valid = raw.class_valid;
    return sample;
  }

 private:
  template <class Element>
  static const Element* plane(const osteon_tensor_view* view, const std::vector<std::int64_t>& shape,
                              const char* what) {
    if (view == nullptr) throw InvalidArgument(std::string(what) + " is NULL");
    expect_canonical(*view, what);
    expect_shape(*view, shape, what);
    return data_of<const Element>(*view, what);
  }

  bool ready_ = true, made_ = false, takes_bits_ = false, takes_floats_ = true;
  std::int64_t n_classes_ = 0, n_members_ = 0;
  std::vector<StateTensor> tensors_;
  std::vector<BorrowedTensor> views_;
  std::vector<osteon_named_tensor> named_;
  std::vector<const osteon_named_tensor*> pointers_;
};

/// The functions of osteon_fit over an instance that has `author`, a T, and `fit`, a FitState.
template <class Instance, class T>
struct FitLayer {
  static Instance& self(void* raw) { return *static_cast<Instance*>(raw); }

  static osteon_status tensors(const osteon_call* call, void* raw, std::uint64_t* count,
                               const osteon_named_tensor* const** out, osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      Instance& instance = self(raw);
      if (!instance.fit.made()) instance.fit.named(instance.author.tensors());
      *count = instance.fit.pointers().size();
      *out = instance.fit.pointers().data();
    });
  }
  static osteon_status begin(const osteon_call* call, void* raw, const osteon_fit_request* request,
                             osteon_error* error) {
    return guard(error, [&] {
      Instance& instance = self(raw);
      instance.fit.set_ready(false);
      instance.author.fit_begin(Call(call), instance.fit.request_of(request));
    });
  }
  static osteon_status add(const osteon_call* call, void* raw, const osteon_fit_sample* sample, osteon_error* error) {
    return guard(error, [&] {
      Instance& instance = self(raw);
      instance.author.fit_add(Call(call), instance.fit.sample_of(sample));
    });
  }
  static osteon_status end(const osteon_call* call, void* raw, std::int32_t* again, osteon_error* error) {
    return guard(error, [&] {
      Instance& instance = self(raw);
      const bool once_more = instance.author.fit_end(Call(call));
      instance.fit.set_ready(!once_more);
      *again = once_more ? 1 : 0;
    });
  }
  static void changed(void* raw) {
    guard(nullptr, [&] {
      Instance& instance = self(raw);
      if constexpr (HasChanged<T>::value) instance.author.changed();
      instance.fit.set_ready(true);
    });
  }

  static constexpr osteon_fit kFit{sizeof(osteon_fit), 0, &tensors, &begin, &add, &end, &changed};
};

/// osteon_component.extension of a component that may be fitted.
template <class Instance, class T>
const void* fit_extension(const char* id) {
  if constexpr (HasFit<T>::value)
    if (id != nullptr && std::strcmp(id, OSTEON_EXTENSION_FIT) == 0) return &FitLayer<Instance, T>::kFit;
  return nullptr;
}

}  // namespace detail
}  // namespace osteon::sdk
