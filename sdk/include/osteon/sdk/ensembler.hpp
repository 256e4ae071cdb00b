// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/ensembler.h>
#include <osteon/sdk/band.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/fit.hpp>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/predictor.hpp>
#include <osteon/sdk/request_check.hpp>

/// Ensemblers that combine without being fitted, or whose state is fitted (see fit.hpp).
///
///     class MyEnsembler {
///      public:
///       struct Params { ... };
///       MyEnsembler(const Params&, const EnsemblerRequest&);
///       static EnsemblerTraits traits(const Params&, const Beneath&);
///       bool needed(std::int64_t member, std::int64_t class_index) const;
///       class Accumulation {  // one band; made by begin(), used by one thread at a time
///        public:
///         void add(const Call&, std::int64_t member, const osteon_tensor_view& prediction);
///         OwnedTensor finish(const Call&);
///       };
///       std::unique_ptr<Accumulation> begin(const Call&, const osteon_band&) const;
///     };
///
/// traits() is told the parameters that are one choice or one boolean, the others being as Params has them, and what
/// every member gives; or it is `EnsemblerTraits traits() const`, and known when one is made.
namespace osteon::sdk {

/// What is asked of an ensembler.
struct EnsemblerRequest {
  bool multiclass = false;
  std::vector<std::string> class_names;
  std::vector<std::string> member_names;
  std::vector<std::uint8_t> has_class;  ///< [members, classes]; empty: all have all

  /// Whether the member has something to say of the class. What it says of another one must not count.
  bool has(std::size_t member, std::size_t class_index) const {
    return has_class.empty() || has_class[member * class_names.size() + class_index] != 0;
  }
};

struct EnsemblerTraits {
  std::uint32_t takes = OSTEON_FORM_PROBABILITIES;
  std::uint32_t gives = OSTEON_FORM_PROBABILITIES;
  bool fits = false;
};

namespace detail {

/// Whether a class says by its parameters alone what it takes and gives.
template <class T, class = void>
struct HasEnsemblerTypes : std::false_type {};
template <class T>
struct HasEnsemblerTypes<
    T, std::void_t<decltype(T::traits(std::declval<const typename T::Params&>(), std::declval<const Beneath&>()))>>
    : std::true_type {};

inline void fill_info(const EnsemblerTraits& traits, osteon_ensembler_info& info) {
  info.flags = traits.fits ? std::uint32_t{OSTEON_ENSEMBLER_FITS} : 0u;
  info.takes = traits.takes;
  info.gives = traits.gives;
}

template <class T>
struct EnsemblerLayer {
  using Accumulation = typename T::Accumulation;

  struct Instance {
    T author;
    osteon_ensembler_info info;
    EnsemblerRequest request;
    FitState fit;
  };
  /// A band being combined, and what was added to it.
  struct Band {
    std::unique_ptr<Accumulation> accumulation;
    osteon_band band;
    bool bits;
    std::vector<bool> added;  ///< by member
  };

  static Instance& self(osteon_ensembler* raw) { return *reinterpret_cast<Instance*>(raw); }
  static const Instance& self(const osteon_ensembler* raw) { return *reinterpret_cast<const Instance*>(raw); }

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_ensembler_request* given, osteon_ensembler** out, osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      const osteon_ensembler_request raw = known(given, "an ensembler's request");
      EnsemblerRequest request;
      request.multiclass = is_multiclass(raw.labels);
      for (std::int64_t k = 0; k < raw.n_classes; ++k) request.class_names.emplace_back(raw.class_names[k]);
      for (std::int64_t m = 0; m < raw.n_members; ++m) request.member_names.emplace_back(raw.member_names[m]);
      if (raw.has_class != nullptr)
        request.has_class.assign(raw.has_class, raw.has_class + raw.n_members * raw.n_classes);
      const auto params = schema_of<typename T::Params>().read(values);
      auto instance =
          std::make_unique<Instance>(Instance{T(params, request), sized<osteon_ensembler_info>(), request, {}});
      EnsemblerTraits traits;
      if constexpr (HasEnsemblerTypes<T>::value) {
        Beneath everything;
        everything.multiclass = request.multiclass;
        traits = T::traits(params, everything);
      } else {
        traits = instance->author.traits();
      }
      fill_info(traits, instance->info);
      instance->fit.begin_life(traits.fits, HasFit<T>::value, raw.n_classes, raw.n_members, OSTEON_SET(traits.takes));
      *out = reinterpret_cast<osteon_ensembler*>(instance.release());
    });
  }
  static osteon_status types(const osteon_value* const* values, const osteon_beneath* beneath,
                             osteon_ensembler_info* out, osteon_error* error) {
    return guard(error, [&] {
      known(out, "the info");
      if constexpr (HasEnsemblerTypes<T>::value) {
        auto info = sized<osteon_ensembler_info>();
        fill_info(T::traits(schema_of<typename T::Params>().read_some(values), known_beneath(beneath)), info);
        fill_known(info, out);
      }
    });
  }
  static void destroy(osteon_ensembler* raw) { delete reinterpret_cast<Instance*>(raw); }
  static const osteon_ensembler_info* info(const osteon_ensembler* raw) { return &self(raw).info; }

  static std::int32_t needed(const osteon_ensembler* raw, std::int64_t member, std::int64_t class_index) {
    const Instance& instance = self(raw);
    return instance.request.has(static_cast<std::size_t>(member), static_cast<std::size_t>(class_index)) &&
                   instance.author.needed(member, class_index)
               ? 1
               : 0;
  }
  static osteon_status begin(const osteon_call* call, const osteon_ensembler* raw, const osteon_band* given,
                             osteon_accumulation** out, osteon_error* error) {
    return guard(error, [&] {
      const Instance& instance = self(raw);
      instance.fit.expect_ready();
      const osteon_band band = known_band(given, static_cast<std::int64_t>(instance.request.class_names.size()));
      auto made = std::make_unique<Band>();
      made->band = band;
      made->bits = instance.info.takes == OSTEON_FORM_BITS;
      made->added.resize(instance.request.member_names.size());
      made->accumulation = instance.author.begin(Call(call), band);
      made->band.classes = nullptr;  // lives for this call alone
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
      if (prediction == nullptr) throw InvalidArgument("a member's prediction is NULL");
      check_member(*prediction, band.band, band.bits);
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

  static constexpr osteon_ensembler_api kApi{sizeof(osteon_ensembler_api),
                                             0,
                                             &create,
                                             &destroy,
                                             &info,
                                             &needed,
                                             &begin,
                                             &add,
                                             &finish,
                                             HasEnsemblerTypes<T>::value ? &types : nullptr};
};

}  // namespace detail

/// The component of an ensembler class, for OSTEON_PLUGIN.
template <class T>
osteon_component ensembler(const About& about) {
  return detail::component<typename T::Params>(OSTEON_KIND_ENSEMBLER, about, &detail::EnsemblerLayer<T>::kApi,
                                               {OSTEON_DEVICE_CPU}, {dtype_of<float>()},
                                               &detail::fit_extension<typename detail::EnsemblerLayer<T>::Instance, T>);
}

}  // namespace osteon::sdk
