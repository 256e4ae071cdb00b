// SPDX-License-Identifier: Apache-2.0
#include "validate/creator.hpp"

#include <osteon/abi/all.h>

namespace osteon::validate {
namespace {

using plugin::Kind;

// A pointer that no instance can have, to see whether an out-argument was written.
void* const kUntouched = reinterpret_cast<void*>(0x5afe);

}  // namespace

Creator::Creator(const Subject& subject) : component_(subject.component), channels_(subject.channels.value_or(3)) {
  member_names_ = {"first", "second"};
  predictor_.struct_size = sizeof predictor_;
  predictor_.labels = OSTEON_LABELS_MULTILABEL;
  predictor_.n_classes = subject.classes.value_or(3);
  predictor_.predict = [](const osteon_call*, const osteon_predictor*, std::uint64_t, const osteon_image* const*,
                          const osteon_predict_request*, osteon_prediction* const*,
                          osteon_error*) -> osteon_status { return OSTEON_FAILED; };
  predictor_.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
  predictor_.gives_grids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);
  for (const bool multiclass : {false, true}) {
    classes_ = classes_of(subject.classes.value_or(3), multiclass);
    class_names_.clear();
    for (const std::string& name : classes_.names) class_names_.push_back(name.c_str());
    predictor_.class_names = class_names_.data();
    values_ = std::make_unique<plugin::ValueArray>(component_.schema, usual_parameters(subject), classes_,
                                                   [this](const std::string&) { return &predictor_; });
    usual_.assign(values_->get(), values_->get() + component_.schema.parameters.size());
    const Made made = create(usual_);
    if (made.outcome.ok()) destroy(made.instance);
    if (made.outcome.status != OSTEON_UNSUPPORTED) return;  // a loss may be for labels of one class per pixel
  }
}

Creator::~Creator() = default;

Creator::Made Creator::create(const std::vector<const osteon_value*>& values, std::uint32_t flags,
                              osteon_error* error) const {
  // Kinds whose request has no flags say by `labels` what they cannot know.
  const std::uint32_t labels = flags != 0            ? flags
                               : classes_.multiclass ? std::uint32_t{OSTEON_LABELS_MULTICLASS}
                                                     : std::uint32_t{OSTEON_LABELS_MULTILABEL};
  const auto n_classes = static_cast<std::int64_t>(class_names_.size());
  const char* const* names = class_names_.data();
  const auto make = [&](const auto& api, const auto& request, auto* handle) {
    const SteeredCall call;
    handle = reinterpret_cast<decltype(handle)>(kUntouched);
    Made made;
    made.outcome = attempt([&](osteon_error* own) {
      return api.create(call.raw(), values.data(), &request, &handle, error != nullptr ? error : own);
    });
    made.out_touched = handle != reinterpret_cast<decltype(handle)>(kUntouched);
    made.instance = handle;
    return made;
  };
  switch (component_.schema.kind) {
    case Kind::kModel: {
      const osteon_model_request request{sizeof request, flags, channels_, n_classes, names, 1};
      return make(component_.api<osteon_model_api>(), request, static_cast<osteon_model*>(nullptr));
    }
    case Kind::kLoss: {
      const osteon_loss_request request{sizeof request, labels, n_classes, names};
      return make(component_.api<osteon_loss_api>(), request, static_cast<osteon_loss*>(nullptr));
    }
    case Kind::kAugmentation: {
      const osteon_augmentation_request request{sizeof request, flags, n_classes, names, nullptr};
      return make(component_.api<osteon_augmentation_api>(), request, static_cast<osteon_augmentation*>(nullptr));
    }
    case Kind::kPostprocessor: {
      const osteon_postprocessor_request request{sizeof request, labels, n_classes, names, nullptr};
      return make(component_.api<osteon_postprocessor_api>(), request, static_cast<osteon_postprocessor*>(nullptr));
    }
    case Kind::kEnsembler: {
      const osteon_ensembler_request request{
          sizeof request,      labels, n_classes, names, static_cast<std::int64_t>(member_names_.size()),
          member_names_.data()};
      return make(component_.api<osteon_ensembler_api>(), request, static_cast<osteon_ensembler*>(nullptr));
    }
  }
  return {};
}

void Creator::destroy(void* instance) const {
  switch (component_.schema.kind) {
    case Kind::kModel:
      return component_.api<osteon_model_api>().destroy(static_cast<osteon_model*>(instance));
    case Kind::kLoss:
      return component_.api<osteon_loss_api>().destroy(static_cast<osteon_loss*>(instance));
    case Kind::kAugmentation:
      return component_.api<osteon_augmentation_api>().destroy(static_cast<osteon_augmentation*>(instance));
    case Kind::kPostprocessor:
      return component_.api<osteon_postprocessor_api>().destroy(static_cast<osteon_postprocessor*>(instance));
    case Kind::kEnsembler:
      return component_.api<osteon_ensembler_api>().destroy(static_cast<osteon_ensembler*>(instance));
  }
}

void Creator::live_and_die() const {
  const Made made = create(usual_);
  expect_ok(made.outcome, "create with its defaults");
  expect(made.out_touched && made.instance != nullptr, "create returned OK without an instance");
  destroy(made.instance);
}

}  // namespace osteon::validate
