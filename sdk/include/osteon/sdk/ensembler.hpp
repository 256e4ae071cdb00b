// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <osteon/abi/ensembler.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/request_check.hpp>

/// Ensemblers that combine without being fitted, or whose state is fitted.
///
///     class MyEnsembler {
///      public:
///       struct Params { ... };
///       MyEnsembler(const Params&, const EnsemblerRequest&);
///       EnsemblerTraits traits() const;
///       bool needed(std::int64_t member, std::int64_t class_index) const;
///       class Accumulation {                                   // one band; made by begin(), used by one thread at a
///       time
///        public:
///         void add(const Call&, std::int64_t member, const osteon_tensor_view& prediction);
///         OwnedTensor finish(const Call&);
///       };
///       std::unique_ptr<Accumulation> begin(const Call&, const osteon_band&) const;
///       // only where traits().fits; tensors() too where there is state that must survive
///       std::vector<EnsemblerTensor> tensors();
///       void fit_begin(const Call&, const osteon_tensor_view* dice);
///       void fit_add(const Call&, const osteon_band&, const std::vector<const osteon_tensor_view*>& members,
///                    const osteon_tensor_view& target, const osteon_tensor_view* valid);
///       void fit_end(const Call&);
///     };
namespace osteon::sdk {

/// What is asked of an ensembler.
struct EnsemblerRequest {
  bool multiclass = false;
  std::vector<std::string> class_names;
  std::vector<std::string> member_names;
};

struct EnsemblerTraits {
  std::uint32_t takes = OSTEON_FORM_PROBABILITIES;
  std::uint32_t gives = OSTEON_FORM_PROBABILITIES;
  bool fits = false;
};

/// A named tensor of an ensembler's state: contiguous, float32 or float64, owned by the ensembler, never moved.
struct EnsemblerTensor {
  std::string name;
  osteon_dtype dtype;
  std::vector<std::int64_t> shape;
  void* data;
};

namespace detail {

template <class T, class = void>
struct HasFit : std::false_type {};
template <class T>
struct HasFit<T, std::void_t<decltype(&T::fit_begin)>> : std::true_type {};
template <class T, class = void>
struct HasState : std::false_type {};
template <class T>
struct HasState<T, std::void_t<decltype(&T::tensors)>> : std::true_type {};

template <class T>
struct EnsemblerLayer {
  using Accumulation = typename T::Accumulation;

  struct Instance {
    T ensembler;
    osteon_ensembler_info info;
    std::int64_t n_classes, n_members;
    std::vector<EnsemblerTensor> state;
    std::vector<BorrowedTensor> views;
    std::vector<osteon_named_tensor> named;
    std::vector<const osteon_named_tensor*> pointers;
  };
  /// A band being combined, and what may be added to it.
  struct Band {
    std::unique_ptr<Accumulation> accumulation;
    std::vector<std::int64_t> shape;
    osteon_dtype dtype;
    std::vector<bool> added;  ///< by member
  };

  static void check_band(const Instance& instance, const osteon_band& band) {
    check_flags(band.flags, 0, "a band's");
    if (band.first_row < 0 || band.height < 0 || band.width < 0 || band.n_classes < 1)
      throw InvalidArgument("a band of " + std::to_string(band.height) + " rows from row " +
                            std::to_string(band.first_row) + " on, of " + std::to_string(band.width) +
                            " columns and of " + std::to_string(band.n_classes) + " classes is none");
    for (std::uint64_t k = 0; k < band.n_classes; ++k)
      if (band.classes[k] < 0 || band.classes[k] >= instance.n_classes ||
          (k > 0 && band.classes[k] <= band.classes[k - 1]))
        throw InvalidArgument("a band's classes do not rise, or are not among the " +
                              std::to_string(instance.n_classes) + " that there are");
  }

  static Instance& self(osteon_ensembler* raw) { return *reinterpret_cast<Instance*>(raw); }
  static const Instance& self(const osteon_ensembler* raw) { return *reinterpret_cast<const Instance*>(raw); }

  static osteon_status create(const osteon_call*, const osteon_value* const* values,
                              const osteon_ensembler_request* raw, osteon_ensembler** out, osteon_error* error) {
    return guard(error, [&] {
      EnsemblerRequest request;
      request.multiclass = is_multiclass(raw->labels);
      for (std::int64_t k = 0; k < raw->n_classes; ++k) request.class_names.emplace_back(raw->class_names[k]);
      for (std::int64_t m = 0; m < raw->n_members; ++m) request.member_names.emplace_back(raw->member_names[m]);
      std::unique_ptr<Instance> instance(new Instance{T(schema_of<typename T::Params>().read(values), request),
                                                      {},
                                                      raw->n_classes,
                                                      raw->n_members,
                                                      {},
                                                      {},
                                                      {},
                                                      {}});
      const EnsemblerTraits traits = instance->ensembler.traits();
      instance->info = {sizeof(osteon_ensembler_info), traits.takes, traits.gives, traits.fits ? 1u : 0u};
      *out = reinterpret_cast<osteon_ensembler*>(instance.release());
    });
  }
  static void destroy(osteon_ensembler* raw) { delete reinterpret_cast<Instance*>(raw); }
  static const osteon_ensembler_info* info(const osteon_ensembler* raw) { return &self(raw).info; }

  static osteon_status tensors(osteon_ensembler* raw, std::uint64_t* count, const osteon_named_tensor* const** out,
                               osteon_error* error) {
    return guard(error, [&] {
      Instance& instance = self(raw);
      instance.state = instance.ensembler.tensors();
      instance.views.clear();
      instance.named.clear();
      instance.pointers.clear();
      for (const EnsemblerTensor& tensor : instance.state)
        instance.views.emplace_back(tensor.data, tensor.dtype, tensor.shape);
      for (std::size_t i = 0; i < instance.state.size(); ++i) {
        osteon_named_tensor named{};
        named.struct_size = sizeof named;
        named.role = OSTEON_TENSOR_BUFFER;
        named.name = instance.state[i].name.c_str();
        named.value = instance.views[i].view();
        instance.named.push_back(named);
      }
      for (const osteon_named_tensor& named : instance.named) instance.pointers.push_back(&named);
      *count = instance.pointers.size();
      *out = instance.pointers.data();
    });
  }

  static osteon_status fit_begin(const osteon_call* call, osteon_ensembler* raw, const osteon_tensor_view* dice,
                                 osteon_error* error) {
    return guard(error, [&] { self(raw).ensembler.fit_begin(Call(call), dice); });
  }
  static osteon_status fit_add(const osteon_call* call, osteon_ensembler* raw, const osteon_band* band, std::uint64_t n,
                               const osteon_tensor_view* const* members, const osteon_tensor_view* target,
                               const osteon_tensor_view* valid, osteon_error* error) {
    return guard(error, [&] {
      check_band(self(raw), *band);
      if (n != static_cast<std::uint64_t>(self(raw).n_members))
        throw InvalidArgument("fit_add got " + std::to_string(n) + " members, expected " +
                              std::to_string(self(raw).n_members));
      self(raw).ensembler.fit_add(Call(call), *band, std::vector<const osteon_tensor_view*>(members, members + n),
                                  *target, valid);
    });
  }
  static osteon_status fit_end(const osteon_call* call, osteon_ensembler* raw, osteon_error* error) {
    return guard(error, [&] { self(raw).ensembler.fit_end(Call(call)); });
  }

  static std::int32_t needed(const osteon_ensembler* raw, std::int64_t member, std::int64_t class_index) {
    return self(raw).ensembler.needed(member, class_index) ? 1 : 0;
  }
  static osteon_status begin(const osteon_call* call, const osteon_ensembler* raw, const osteon_band* band,
                             osteon_accumulation** out, osteon_error* error) {
    return guard(error, [&] {
      const Instance& instance = self(raw);
      check_band(instance, *band);
      const auto classes = static_cast<std::int64_t>(band->n_classes);
      const bool bits = instance.info.takes == OSTEON_FORM_BITS;
      auto made = std::make_unique<Band>();
      made->shape = {bits ? (classes + 31) / 32 : classes, band->height, band->width};
      made->dtype = bits ? dtype_of<std::int32_t>() : dtype_of<float>();
      made->added.resize(static_cast<std::size_t>(instance.n_members));
      made->accumulation = instance.ensembler.begin(Call(call), *band);
      *out = reinterpret_cast<osteon_accumulation*>(made.release());
    });
  }
  static osteon_status add(const osteon_call* call, osteon_accumulation* raw, std::int64_t member,
                           const osteon_tensor_view* prediction, osteon_error* error) {
    return guard(error, [&] {
      Band& band = *reinterpret_cast<Band*>(raw);
      if (member < 0 || member >= static_cast<std::int64_t>(band.added.size()))
        throw InvalidArgument("there is no member " + std::to_string(member));
      if (band.added[static_cast<std::size_t>(member)])
        throw InvalidArgument("member " + std::to_string(member) + " was added already");
      expect_shape(*prediction, band.shape, "a member's prediction");
      if (prediction->dtype != band.dtype)
        throw Unsupported("a member's prediction is " + to_string(prediction->dtype) + ", not " +
                          to_string(band.dtype));
      band.accumulation->add(Call(call), member, *prediction);
      band.added[static_cast<std::size_t>(member)] = true;
    });
  }
  static osteon_status finish(const osteon_call* call, osteon_accumulation* raw, osteon_tensor* out,
                              osteon_error* error) {
    return guard(error, [&] {
      const std::unique_ptr<Band> band(reinterpret_cast<Band*>(raw));
      if (out != nullptr) band->accumulation->finish(Call(call)).move_to(out);
    });
  }

  static const osteon_ensembler_api* api() {
    static constexpr auto kApi = [] {
      osteon_ensembler_api a{};
      a.struct_size = sizeof a;
      a.create = &create;
      a.destroy = &destroy;
      a.info = &info;
      if constexpr (HasState<T>::value) a.tensors = &tensors;
      if constexpr (HasFit<T>::value) {
        a.fit_begin = &fit_begin;
        a.fit_add = &fit_add;
        a.fit_end = &fit_end;
      }
      a.needed = &needed;
      a.begin = &begin;
      a.add = &add;
      a.finish = &finish;
      return a;
    }();
    return &kApi;
  }
};

}  // namespace detail

/// The component of an ensembler class, for OSTEON_PLUGIN.
template <class T>
osteon_component ensembler(const About& about) {
  return detail::component<typename T::Params>(OSTEON_KIND_ENSEMBLER, about, detail::EnsemblerLayer<T>::api(),
                                               {OSTEON_DEVICE_CPU}, {dtype_of<float>()});
}

}  // namespace osteon::sdk
